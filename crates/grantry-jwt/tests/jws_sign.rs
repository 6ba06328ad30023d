//! Every vector of `jws-sign.json` whose algorithm is implemented.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a skipped vector says so")]

mod common;

use common::{bytes, json, text, vectors};
use grantry_jwt::{Algorithm, JwkSet, SigningKey, verify_jws};

#[test]
fn rfc7515_5_1_the_token_of_a_fixed_key_header_and_payload_is_fixed() {
    let mut skipped = Vec::new();
    let mut ran = 0;
    for vector in vectors(include_str!("../../../tests/vectors/jws-sign.json")) {
        let (id, algorithm) = (text(&vector, "id"), text(&vector, "alg"));
        if Algorithm::parse(algorithm).is_none() {
            println!("{id} skipped: {algorithm} is not implemented");
            skipped.push(id.to_owned());
            continue;
        }
        ran += 1;
        let key = SigningKey::from_jwk(&json(&vector, "jwk")).unwrap();
        let payload = bytes(&vector, "payload");
        let token = key.sign_with_header(text(&vector, "header_text"), &payload).unwrap();
        assert_eq!(token, text(&vector, "token"), "{id}");

        let keys = JwkSet::from_keys([key.verifying_key()]);
        let jws = verify_jws(&token, &keys, Algorithm::ALL).unwrap();
        assert_eq!(jws.payload(), payload, "{id}");
    }
    assert_eq!(skipped, ["JK-107.3", "JK-107.7", "JK-107.8", "JK-107.10", "JK-107.11", "JK-107.12"]);
    assert_eq!(ran, 6);
}
