//! The vectors of `pkce.json`, as far as they concern the values themselves.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use grantry_core::{CodeChallenge, CodeVerifier, Moment, UnixTime};
use proptest::prelude::*;
use serde_json::Value;

/// The method `plain` has no representation, by decision.
const NOT_BUILT: &[&str] = &["PK-16"];
/// What is absent or of another method is judged at an endpoint: the vectors of grantry-server.
const LEFT_TO_THE_SERVER: &[&str] = &["PK-12", "PK-14", "PK-19", "PK-20", "PK-20.2", "PK-22"];

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn verify(challenge: &str, verifier: &str) -> bool {
    let (challenge, verifier) = (CodeChallenge::parse(challenge).unwrap(), CodeVerifier::parse(verifier));
    verifier.is_ok_and(|verifier| challenge.verify(&verifier))
}

#[test]
fn vectors() {
    let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/pkce.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    let (mut not_built, mut left) = (Vec::new(), Vec::new());
    for vector in vectors {
        let id = vector["id"].as_str().unwrap();
        let valid = vector["verdict"] == "valid";
        let (verifier, challenge) = (vector["verifier"].as_str(), vector["challenge"].as_str());
        match (vector["kind"].as_str().unwrap(), verifier, challenge) {
            ("derive", Some(verifier), Some(challenge)) => {
                assert_eq!(CodeVerifier::parse(verifier).unwrap().challenge().as_str(), challenge, "{id}");
            }
            ("verify", _, _) if vector["method"] == "plain" => not_built.push(id),
            ("verify", Some(verifier), Some(challenge)) => {
                assert_eq!(verify(challenge, verifier), valid, "{id}");
            }
            ("request", _, _) if vector["params"]["code_challenge_method"] == CodeChallenge::METHOD => {
                let Some(challenge) = vector["params"]["code_challenge"].as_str() else {
                    left.push(id);
                    continue;
                };
                // PK-23.4 may go either way; no text of 44 characters is a challenge here.
                assert_eq!(CodeChallenge::parse(challenge).is_ok(), valid, "{id}");
            }
            ("verify" | "request", _, _) => left.push(id),
            (kind, _, _) => unreachable!("{id}: kind {kind}"),
        }
    }
    assert_eq!(not_built, NOT_BUILT, "skipped: plain is not built");
    assert_eq!(left, LEFT_TO_THE_SERVER, "skipped: the endpoint decides");
    assert_eq!(vectors.len(), 31);
}

#[test]
fn rfc7636_b_the_printed_example() {
    let verifier = CodeVerifier::parse(VERIFIER).unwrap();
    assert_eq!(verifier.challenge().as_str(), CHALLENGE);
    assert!(CodeChallenge::parse(CHALLENGE).unwrap().verify(&verifier));
}

#[test]
fn rfc7636_4_1_verifier_has_43_to_128_unreserved_characters() {
    for length in [43, 128] {
        assert_eq!(CodeVerifier::parse(&"~".repeat(length)).unwrap().expose().len(), length);
    }
    for length in [0, 42, 129] {
        assert!(CodeVerifier::parse(&"a".repeat(length)).is_err(), "{length}");
    }
    for other in ["+", "/", "=", " ", "\n", "%", "\u{e9}"] {
        let text = "a".repeat(43 - other.len()) + other;
        assert!(CodeVerifier::parse(&text).is_err(), "{other:?}");
    }
}

#[test]
fn rfc7636_4_2_challenge_is_43_base64url_characters() {
    for bad in ["", CHALLENGE.trim_end_matches('M'), &format!("{CHALLENGE}A"), &CHALLENGE.replace('-', "+")] {
        assert!(CodeChallenge::parse(bad).is_err(), "{bad:?}");
    }
    assert!(serde_json::from_str::<CodeChallenge>("\"short\"").is_err());
}

/// PK-26: the comparison goes over all of the text, so each character alone decides it.
#[test]
fn rfc7636_7_1_every_character_of_the_challenge_counts() {
    for position in 0..CHALLENGE.len() {
        let mut other = CHALLENGE.as_bytes().to_vec();
        other[position] = if other[position] == b'A' { b'B' } else { b'A' };
        assert!(!verify(&String::from_utf8(other).unwrap(), VERIFIER), "{position}");
    }
}

#[test]
fn rfc9700_4_8_the_challenge_is_not_its_own_verifier() {
    assert!(!verify(CHALLENGE, CHALLENGE));
}

#[test]
fn rfc7636_7_1_a_generated_verifier_has_256_bits_of_the_moment() {
    let make = |seed| CodeVerifier::generate(&Moment::new(UnixTime::from_secs(0), [seed; 32]));
    assert_eq!(make(1).expose().len(), 43);
    assert!(make(1).challenge().verify(&make(1)));
    assert!(!make(1).challenge().verify(&make(2)));
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in any::<String>()) {
        let _ = CodeVerifier::parse(&text);
        let _ = CodeChallenge::parse(text);
    }

    #[test]
    fn a_verifier_opens_its_own_challenge_alone(a in "[A-Za-z0-9._~-]{43,128}", b in "[A-Za-z0-9._~-]{43,128}") {
        let (a, b) = (CodeVerifier::parse(&a).unwrap(), CodeVerifier::parse(&b).unwrap());
        prop_assert!(a.challenge().verify(&a));
        prop_assert_eq!(a.challenge().verify(&b), a.expose() == b.expose());
    }
}
