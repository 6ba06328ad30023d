//! Every vector of `claims.json`, its claims text signed with a local HS256 key under its header,
//! whose algorithm is changed to that key's.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the way of an `either` vector is recorded")]

mod common;

use core::time::Duration;

use common::{text, texts, vectors};
use grantry_core::{SecretBytes, UnixTime};
use grantry_jwt::{Algorithm, Claim, JwkSet, SigningKey, Verifier, VerifyError};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct AccessTokenClaims {
    client_id: String,
}

fn verifier(config: &Value) -> Verifier {
    let mut audiences = texts(config, "audience").into_iter();
    let mut verifier = Verifier::new(text(config, "issuer"), audiences.next().unwrap_or_default())
        .with_leeway(Duration::from_secs(config["leeway"].as_u64().unwrap()));
    if texts(config, "audience").is_empty() {
        verifier = verifier.danger_any_audience();
    }
    for audience in audiences {
        verifier = verifier.also_audience(audience);
    }
    if !texts(config, "required").contains(&"exp") {
        verifier = verifier.danger_optional_expiration();
    }
    // `exp` is required without being named.
    for claim in texts(config, "required").into_iter().filter(|claim| *claim != "exp") {
        verifier = verifier.require(claim);
    }
    if text(config, "profile") == "jwt" {
        return verifier;
    }
    assert_eq!(text(config, "profile"), "at+jwt");
    verifier.with_typ("at+jwt").require("sub").require("client_id").require("iat").require("jti")
}

fn run(vector: &Value) -> Result<(), VerifyError> {
    let key = SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(vec![7; 32])).unwrap();
    let header = text(vector, "header").replace("RS256", "HS256");
    let token = key.sign_with_header(&header, text(vector, "claims").as_bytes()).unwrap();
    let keys = JwkSet::from_keys([key.verifying_key()]);
    let now = UnixTime::from_secs(vector["now"].as_u64().unwrap());
    let verifier = verifier(&vector["config"]);
    match text(&vector["config"], "profile") {
        "at+jwt" => verifier
            .verify::<AccessTokenClaims>(&token, &keys, now)
            .map(|verified| assert!(!verified.claims().client_id.is_empty())),
        _ => verifier.verify::<Map<String, Value>>(&token, &keys, now).map(drop),
    }
}

/// Whether the error names the fault that the vector has.
fn is_apt(reason: &str, error: VerifyError) -> bool {
    use VerifyError as E;
    match reason {
        "expired" => error == E::Expired,
        "not-yet" => error == E::NotYetValid,
        "iss" => error == E::Issuer,
        "aud" => error == E::Audience,
        "typ" => error == E::Typ,
        "type" => matches!(error, E::MalformedClaim(_) | E::ClaimsShape),
        "missing" => matches!(error, E::MissingClaim(_)),
        "json" => error == E::ClaimsJson,
        _ => false,
    }
}

#[test]
fn rfc7519_4_1_every_vector_has_its_verdict() {
    let mut ran = 0;
    for vector in vectors(include_str!("../../../tests/vectors/claims.json")) {
        ran += 1;
        let id = text(&vector, "id");
        let outcome = run(&vector);
        match text(&vector, "verdict") {
            "valid" => assert_eq!(outcome, Ok(()), "{id}"),
            "invalid" => {
                let error = outcome.expect_err(id);
                assert!(is_apt(text(&vector, "reason"), error), "{id}: {error:?}");
            }
            "either" => println!("{id} went {outcome:?}"),
            other => panic!("{id}: {other}"),
        }
    }
    assert_eq!(ran, 55);
}

#[test]
fn rfc7519_4_1_a_fault_names_its_claim() {
    for (id, error) in [
        ("CL-08", VerifyError::MissingClaim(Claim::Expiration)),
        ("CL-09", VerifyError::MalformedClaim(Claim::Expiration)),
        ("CL-10", VerifyError::MalformedClaim(Claim::Expiration)),
        ("CL-23", VerifyError::MalformedClaim(Claim::NotBefore)),
        ("CL-29", VerifyError::MalformedClaim(Claim::IssuedAt)),
        ("CL-35", VerifyError::MissingClaim(Claim::Issuer)),
        ("CL-36", VerifyError::MalformedClaim(Claim::Issuer)),
        ("CL-43", VerifyError::MissingClaim(Claim::Audience)),
        ("CL-46", VerifyError::MalformedClaim(Claim::Audience)),
        ("CL-50", VerifyError::MalformedClaim(Claim::Subject)),
        ("CL-57", VerifyError::MissingClaim(Claim::Expiration)),
        ("CL-65", VerifyError::MissingClaim(Claim::Other)),
        ("CL-65.2", VerifyError::MissingClaim(Claim::JwtId)),
        ("CL-65.3", VerifyError::MissingClaim(Claim::Subject)),
        ("CL-67", VerifyError::ClaimsShape),
    ] {
        let vectors = vectors(include_str!("../../../tests/vectors/claims.json"));
        let vector = vectors.iter().find(|vector| text(vector, "id") == id).unwrap();
        assert_eq!(run(vector), Err(error), "{id}");
    }
}
