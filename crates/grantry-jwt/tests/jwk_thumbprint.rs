//! Every vector of `jwk-thumbprint.json`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{json, text, vectors};
use grantry_core::SecretBytes;
use grantry_jwt::{Algorithm, PrivateKey, PublicKey, VerifyingKey};

#[test]
fn rfc7638_3_the_thumbprint_is_exact() {
    let vectors = vectors(include_str!("../../../tests/vectors/jwk-thumbprint.json"));
    assert_eq!(vectors.len(), 5);
    for vector in vectors {
        let id = text(&vector, "id");
        let thumbprint = match PrivateKey::from_jwk(&json(&vector, "jwk")) {
            Ok(PrivateKey::Secret(secret)) => secret.danger_thumbprint(),
            _ => PublicKey::from_jwk(&json(&vector, "jwk")).unwrap().thumbprint(),
        };
        assert_eq!(thumbprint, text(&vector, "sha256"), "{id}");
    }
}

#[test]
fn rfc7638_7_a_symmetric_key_has_no_thumbprint() {
    let secret = SecretBytes::from(vec![7; 32]);
    assert_eq!(VerifyingKey::from_secret(Algorithm::Hs256, &secret).unwrap().thumbprint(), None);
}
