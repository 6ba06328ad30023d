//! The vectors of `jwk-thumbprint.json` for keys that have a thumbprint here.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a skipped vector says so")]

mod common;

use common::{json, text, vectors};
use grantry_jwt::VerifyingKey;

#[test]
fn rfc7638_3_the_thumbprint_of_an_rsa_key_is_exact() {
    let mut skipped = Vec::new();
    for vector in vectors(include_str!("../../../tests/vectors/jwk-thumbprint.json")) {
        let id = text(&vector, "id");
        if vector["jwk"]["kty"] != "RSA" {
            println!("{id} skipped: only RSA keys have a thumbprint here");
            skipped.push(id.to_owned());
            continue;
        }
        let key = VerifyingKey::from_jwk(&json(&vector, "jwk")).unwrap();
        assert_eq!(key.thumbprint().as_deref(), vector["sha256"].as_str(), "{id}");
    }
    assert_eq!(skipped, ["JK-113.2", "JK-113.3", "JK-113.4", "JK-113.5"]);
}

#[test]
fn rfc7638_7_a_symmetric_key_has_no_thumbprint() {
    let secret = grantry_core::SecretBytes::from(vec![7; 32]);
    assert_eq!(VerifyingKey::hs256(&secret).unwrap().thumbprint(), None);
}
