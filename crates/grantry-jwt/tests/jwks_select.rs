//! Every vector of `jwks-select.json`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{json, text, texts, vectors};
use grantry_jwt::{Algorithm, JwkSet, VerifyError, verify_jws};

#[test]
fn rfc7515_4_1_4_every_vector_picks_its_key() {
    let mut refused = Vec::new();
    let mut ran = 0;
    for vector in vectors(include_str!("../../../tests/vectors/jwks-select.json")) {
        let id = text(&vector, "id").to_owned();
        ran += 1;
        let keys = JwkSet::parse(&json(&vector, "jwks")).unwrap();
        let allowed: Vec<_> = texts(&vector, "algs").into_iter().filter_map(Algorithm::parse).collect();
        let outcome = verify_jws(text(&vector, "token"), &keys, &allowed);
        match text(&vector, "verdict") {
            "valid" => {
                let jws = outcome.unwrap_or_else(|error| panic!("{id}: {error}"));
                assert_eq!(jws.key().key_id(), vector["kid"].as_str(), "{id}");
            }
            "invalid" => refused.push((id, outcome.unwrap_err())),
            // Both are tried here, which is bounded.
            "either" => assert_eq!(outcome.map(|_| ()), Ok(()), "{id}"),
            other => panic!("{id}: {other}"),
        }
    }
    let refused: Vec<_> = refused.iter().map(|(id, error)| (id.as_str(), *error)).collect();
    assert_eq!(
        refused,
        [
            ("WK-33", VerifyError::UnknownKey),
            ("WK-37", VerifyError::AlgorithmMismatch),
            ("WK-39", VerifyError::AlgorithmMismatch),
            ("WK-40", VerifyError::UnknownKey),
            ("WK-44", VerifyError::UnknownKey),
            ("WK-46", VerifyError::Signature),
        ]
    );
    assert_eq!(ran, 12);
}
