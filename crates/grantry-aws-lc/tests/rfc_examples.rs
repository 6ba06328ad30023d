//! The printed examples of RFC 7515 appendix A, RFC 7520 section 4 and RFC 8037 appendix A, by their place.
//!
//! They stand among the vectors, and AWS-LC has all of their algorithms; so has `ring`, but for ES512.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../../grantry-jwt/tests/common/mod.rs"]
mod common;

use common::{bytes, json, loader, text, vectors};
use grantry_aws_lc::AwsLc;
use grantry_jwt::{Algorithm, JwkSet, PrivateKey, PublicKey, Ring, VerifyError, verify_jws};
use serde_json::Value;

fn vector(file: &str, id: &str) -> Value {
    vectors(file).into_iter().find(|vector| text(vector, "id") == id).expect(id)
}

fn verified(id: &str) -> Value {
    vector(include_str!("../../../tests/vectors/jws-verify.json"), id)
}

fn keys(vector: &Value) -> JwkSet {
    let loader = loader(AwsLc, text(vector, "alg"));
    JwkSet::from_keys([loader.verifying_jwk(&json(vector, "jwk")).unwrap()])
}

#[test]
fn every_printed_token_verifies() {
    for (place, id, algorithm) in [
        ("RFC 7515 appendix A.1", "JK-07", Algorithm::Hs256),
        ("RFC 7515 appendix A.2", "JK-08", Algorithm::Rs256),
        ("RFC 7515 appendix A.3", "JK-09", Algorithm::Es256),
        ("RFC 7515 appendix A.4", "JK-10", Algorithm::Es512),
        ("RFC 7520 section 4.1", "JK-12", Algorithm::Rs256),
        ("RFC 7520 section 4.2", "JK-13", Algorithm::Ps384),
        ("RFC 7520 section 4.3", "JK-14", Algorithm::Es512),
        ("RFC 7520 section 4.4", "JK-15", Algorithm::Hs256),
        ("RFC 8037 appendix A.4 and A.5", "JK-16", Algorithm::EdDsa),
    ] {
        let vector = verified(id);
        let rfc: String = place.chars().take("RFC 7515".len()).collect();
        assert!(text(&vector, "source").starts_with(&rfc), "{place}");
        let keys = keys(&vector);
        let jws = verify_jws(text(&vector, "token"), &keys, &[algorithm]).expect(place);
        assert_eq!(jws.payload(), bytes(&vector, "payload"), "{place}");
    }
}

#[test]
fn every_printed_token_of_a_deterministic_algorithm_is_signed_again() {
    for (place, id) in [
        ("RFC 7515 appendix A.1", "JK-107"),
        ("RFC 7515 appendix A.2", "JK-107.2"),
        ("RFC 8037 appendix A.4", "JK-107.3"),
        ("RFC 7520 section 4.1", "JK-107.4"),
        ("RFC 7520 section 4.4", "JK-107.5"),
    ] {
        let vector = vector(include_str!("../../../tests/vectors/jws-sign.json"), id);
        let (header, payload) = (text(&vector, "header_text"), bytes(&vector, "payload"));
        let signed = [
            loader(AwsLc, text(&vector, "alg")).signing_jwk(&json(&vector, "jwk")),
            loader(Ring, text(&vector, "alg")).signing_jwk(&json(&vector, "jwk")),
        ];
        for key in signed {
            assert_eq!(
                key.unwrap().sign_with_header(header, &payload).unwrap(),
                text(&vector, "token"),
                "{place}"
            );
        }
    }
}

#[test]
fn rfc7515_a_5_an_unsecured_token_is_refused() {
    let vector = verified("JK-11");
    let refused = verify_jws(text(&vector, "token"), &keys(&vector), Algorithm::ALL).unwrap_err();
    assert_eq!(refused, VerifyError::UnknownAlgorithm);
}

#[test]
fn rfc7515_a_6_and_a_7_the_json_serialisations_are_no_compact_tokens() {
    let vector = verified("JK-07");
    let mut parts = text(&vector, "token").split('.');
    let [header, payload, signature] = [(); 3].map(|()| parts.next().unwrap());
    let flattened = format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#);
    let general = format!(
        r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
    );
    for token in [flattened, general] {
        let refused = verify_jws(&token, &keys(&vector), Algorithm::ALL).unwrap_err();
        assert_eq!(refused, VerifyError::Segments);
    }
}

/// RFC 7520 section 4.5 is the token of section 4.4 without its payload.
#[test]
fn rfc7520_4_5_detached_content_verifies_once_it_is_back_in_its_place() {
    let vector = verified("JK-15");
    let mut parts = text(&vector, "token").split('.');
    let [header, payload, signature] = [(); 3].map(|()| parts.next().unwrap());
    let keys = keys(&vector);
    let detached = format!("{header}..{signature}");
    assert_eq!(verify_jws(&detached, &keys, Algorithm::ALL).unwrap_err(), VerifyError::Signature);
    let whole = detached.replacen("..", &format!(".{payload}."), 1);
    assert!(verify_jws(&whole, &keys, Algorithm::ALL).is_ok());
}

#[test]
fn rfc8037_a_1_to_a_3_the_printed_key_has_its_public_half_and_thumbprint() {
    let vector = vector(include_str!("../../../tests/vectors/jws-sign.json"), "JK-107.3");
    let private = PrivateKey::from_jwk(&json(&vector, "jwk")).unwrap();
    let public = private.public_key().unwrap();
    let printed = r#"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    assert_eq!(public, PublicKey::from_jwk(printed.as_bytes()).unwrap());
    assert_eq!(public.to_jwk(), printed);
    assert_eq!(public.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}
