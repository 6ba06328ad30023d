//! The vectors that depend on a backend, for every backend: `jws-verify.json` and `jws-sign.json`.
//!
//! A vector whose algorithm the backend lacks is skipped by its id, which the caller compares.
#![allow(dead_code, reason = "each test file takes what it needs")]

use grantry_jwt::{Algorithm, Backend, JwkSet, KeyError, VerifyError, verify_jws};
use serde_json::Value;

use super::common::{bytes, json, loader, text, texts, vectors};

#[derive(Debug, PartialEq)]
pub(crate) enum Refusal {
    Key(KeyError),
    Token(VerifyError),
}

/// Runs a vector of `jws-verify.json`.
pub(crate) fn verify(vector: &Value, backend: impl Backend + 'static) -> Result<Vec<u8>, Refusal> {
    let allowed: Vec<_> = texts(vector, "algs").into_iter().filter_map(Algorithm::parse).collect();
    let loader = loader(backend, texts(vector, "algs")[0]);
    let key = loader.verifying_jwk(&json(vector, "jwk")).map_err(Refusal::Key)?;
    let keys = JwkSet::from_keys([key]);
    let jws = verify_jws(text(vector, "token"), &keys, &allowed).map_err(Refusal::Token)?;
    Ok(jws.into_payload())
}

/// Runs all of `jws-verify.json` and returns how many ran and the ids of those that the backend lacks.
pub(crate) fn verify_all<B: Backend + Copy + 'static>(backend: B) -> (usize, Vec<String>) {
    let mut lacking = Vec::new();
    let mut ran = 0;
    for vector in vectors(include_str!("../../../../tests/vectors/jws-verify.json")) {
        let id = text(&vector, "id");
        assert!(Algorithm::parse(text(&vector, "alg")).is_some(), "{id}");
        let outcome = verify(&vector, backend);
        if outcome == Err(Refusal::Key(KeyError::UnsupportedByBackend)) {
            println!("{id} skipped: {backend:?} lacks {}", text(&vector, "alg"));
            lacking.push(id.to_owned());
            continue;
        }
        ran += 1;
        match text(&vector, "verdict") {
            "valid" => assert_eq!(outcome, Ok(bytes(&vector, "payload")), "{id}"),
            "invalid" => {
                let refusal = outcome.expect_err(id);
                assert!(is_apt(text(&vector, "reason"), &refusal), "{id}: {refusal:?}");
            }
            "either" => println!("{id} went {outcome:?}"),
            other => panic!("{id}: {other}"),
        }
    }
    (ran, lacking)
}

/// Whether the error names the fault that the vector has.
fn is_apt(reason: &str, refusal: &Refusal) -> bool {
    use VerifyError as E;
    match refusal {
        Refusal::Key(_) => reason == "key",
        Refusal::Token(error) => match reason {
            "structure" => matches!(error, E::Segments | E::Base64Url | E::HeaderJson),
            // The signature is checked before the payload is decoded.
            "base64" => matches!(error, E::Base64Url | E::Signature),
            "json" => matches!(error, E::HeaderJson),
            "header" => matches!(error, E::HeaderJson | E::HeaderMember),
            "alg" => matches!(error, E::HeaderMember | E::UnknownAlgorithm | E::AlgorithmNotAllowed),
            "crit" => *error == E::Critical,
            "none" => *error == E::UnknownAlgorithm,
            "confusion" => matches!(error, E::AlgorithmMismatch | E::AlgorithmNotAllowed),
            // A token of an algorithm that the key does not have.
            "key" => matches!(error, E::AlgorithmMismatch),
            "embedded-key" | "signature" => *error == E::Signature,
            _ => false,
        },
    }
}

/// Runs all of `jws-sign.json` and returns how many ran and the ids of those that the backend lacks.
pub(crate) fn sign_all<B: Backend + Copy + 'static>(backend: B) -> (usize, Vec<String>) {
    let mut lacking = Vec::new();
    let mut ran = 0;
    for vector in vectors(include_str!("../../../../tests/vectors/jws-sign.json")) {
        let id = text(&vector, "id");
        let key = match loader(backend, text(&vector, "alg")).signing_jwk(&json(&vector, "jwk")) {
            Err(KeyError::UnsupportedByBackend) => {
                println!("{id} skipped: {backend:?} lacks {}", text(&vector, "alg"));
                lacking.push(id.to_owned());
                continue;
            }
            key => key.unwrap_or_else(|error| panic!("{id}: {error}")),
        };
        ran += 1;
        let payload = bytes(&vector, "payload");
        let token = key.sign_with_header(text(&vector, "header_text"), &payload).unwrap();
        assert_eq!(token, text(&vector, "token"), "{id}");

        let keys = JwkSet::from_keys([key.verifying_key()]);
        let jws = verify_jws(&token, &keys, Algorithm::ALL).unwrap();
        assert_eq!(jws.payload(), payload, "{id}");
    }
    (ran, lacking)
}
