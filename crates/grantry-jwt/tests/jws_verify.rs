//! Every vector of `jws-verify.json` whose algorithm is implemented.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a skipped vector says so")]

extern crate alloc;

mod common;

use alloc::collections::BTreeMap;

use common::{bytes, json, text, texts, vectors};
use grantry_jwt::{Algorithm, JwkSet, KeyError, VerifyError, VerifyingKey, verify_jws};
use serde_json::Value;

#[derive(Debug, PartialEq)]
enum Refusal {
    Key(KeyError),
    Token(VerifyError),
}

fn run(vector: &Value) -> Result<Vec<u8>, Refusal> {
    let key = VerifyingKey::from_jwk(&json(vector, "jwk")).map_err(Refusal::Key)?;
    let allowed: Vec<_> = texts(vector, "algs").into_iter().filter_map(Algorithm::parse).collect();
    let keys = JwkSet::from_keys([key]);
    let jws = verify_jws(text(vector, "token"), &keys, &allowed).map_err(Refusal::Token)?;
    Ok(jws.into_payload())
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
            "alg" => matches!(error, E::HeaderMember | E::UnknownAlgorithm),
            "crit" => *error == E::Critical,
            "none" => *error == E::UnknownAlgorithm,
            "confusion" => matches!(error, E::AlgorithmMismatch | E::AlgorithmNotAllowed),
            // A token of an algorithm that is not implemented, or of one that the key does not have.
            "key" => matches!(error, E::AlgorithmMismatch | E::UnknownAlgorithm),
            "embedded-key" | "signature" => *error == E::Signature,
            _ => false,
        },
    }
}

#[test]
fn rfc7515_5_2_every_vector_has_its_verdict() {
    let mut skipped = BTreeMap::<String, usize>::new();
    let mut ran = 0;
    for vector in vectors(include_str!("../../../tests/vectors/jws-verify.json")) {
        let (id, algorithm) = (text(&vector, "id"), text(&vector, "alg"));
        if Algorithm::parse(algorithm).is_none() {
            println!("{id} skipped: {algorithm} is not implemented");
            *skipped.entry(algorithm.to_owned()).or_default() += 1;
            continue;
        }
        ran += 1;
        let outcome = run(&vector);
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
    let skipped: Vec<_> = skipped.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(
        skipped,
        [
            ("ES256", 18),
            ("ES384", 4),
            ("ES512", 6),
            ("EdDSA", 12),
            ("HS384", 4),
            ("HS512", 5),
            ("PS256", 9),
            ("PS384", 5),
            ("PS512", 4),
            ("RS384", 5),
            ("RS512", 5),
        ]
    );
    assert_eq!(ran, 137);
}

#[test]
fn jk_112_refused_keys_name_their_rule() {
    for (id, error) in [
        ("JK-46", KeyError::SecretTooShort),
        ("JK-48", KeyError::SecretTooShort),
        ("JK-51", KeyError::MissingMember),
        ("JK-53", KeyError::Modulus),
        ("JK-55", KeyError::Exponent),
        ("JK-96", KeyError::NotForOperation),
        ("JK-100", KeyError::NotForOperation),
        ("JK-102", KeyError::UnsupportedKeyType),
        ("JK-103", KeyError::MissingMember),
        ("JK-103.2", KeyError::UnsupportedKeyType),
        ("JK-104", KeyError::MissingMember),
        ("JK-104.2", KeyError::MissingMember),
        ("JK-104.3", KeyError::MalformedMember),
    ] {
        let vectors = vectors(include_str!("../../../tests/vectors/jws-verify.json"));
        let vector = vectors.iter().find(|vector| text(vector, "id") == id).unwrap();
        assert_eq!(run(vector), Err(Refusal::Key(error)), "{id}");
    }
}
