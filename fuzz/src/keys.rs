//! One fixed key for each algorithm that the default backend has. They are printed here: never use them.

use std::sync::LazyLock;

use grantry::core::SecretBytes;
use grantry::jwt::{Algorithm, Curve, JwkSet, KeyType, PrivateKey, SecretKey, SigningKey};

use crate::fixture::SIGNING_KEY;

/// A file of the keys that OpenSSL made for the tests of grantry-jwt.
macro_rules! key_file {
    ($name:literal) => {
        include_str!(concat!("../../crates/grantry-jwt/tests/keys/", $name))
    };
}
pub(crate) use key_file;

/// Each under the name of its algorithm as key id.
pub(crate) static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    let prepared = Algorithm::ALL.iter().filter_map(|algorithm| {
        let key = SigningKey::new(*algorithm, &private_key(algorithm.key_type())).ok()?;
        Some(key.with_key_id(algorithm.as_str()))
    });
    prepared.collect()
});

/// All of them, and the key of RFC 7515 appendix A.2 as a second one for RS256.
pub(crate) static KEY_SET: LazyLock<JwkSet> =
    LazyLock::new(|| JwkSet::from_keys(KEYS.iter().chain([&*SIGNING_KEY]).map(SigningKey::verifying_key)));

pub(crate) fn key(algorithm: Algorithm) -> &'static SigningKey {
    KEYS.iter().find(|key| key.algorithm() == algorithm).expect("an algorithm of the default backend")
}

/// The same key without its key id.
pub(crate) fn unnamed_key(algorithm: Algorithm) -> SigningKey {
    SigningKey::new(algorithm, &private_key(algorithm.key_type())).unwrap()
}

pub(crate) fn private_key(key_type: KeyType) -> PrivateKey {
    let pem = match key_type {
        KeyType::Secret => return PrivateKey::Secret(SecretKey::new(SecretBytes::from(vec![7; 64]))),
        KeyType::Rsa => key_file!("rsa-2048.pkcs8.pem"),
        KeyType::Ec(Curve::P256) => key_file!("p-256.pkcs8.pem"),
        KeyType::Ec(Curve::P384) => key_file!("p-384.pkcs8.pem"),
        KeyType::Ed25519 => key_file!("ed25519.pkcs8.pem"),
        _ => key_file!("p-521.pkcs8.pem"),
    };
    PrivateKey::from_pem(pem).unwrap()
}
