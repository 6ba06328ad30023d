//! Published key sets.

use std::sync::LazyLock;

use grantry::core::base64url;
use grantry::jwt::{Algorithm, JwkSet, KeyError, VerifyingKey, verify_jws};
use serde_json::Value;

use crate::keys::unnamed_key;

/// A token of each kind of key, under the first key id that the seeds have and under none.
static TOKENS: LazyLock<Vec<(VerifyingKey, String)>> = LazyLock::new(|| {
    let algorithms = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];
    let named = algorithms.map(|algorithm| unnamed_key(algorithm).with_key_id("a"));
    let keys = named.into_iter().chain(algorithms.map(unnamed_key));
    keys.map(|key| (key.verifying_key(), key.sign(None, b"payload").unwrap())).collect()
});

/// A set that is published holds public members alone and reads back as the same keys; a key that was
/// skipped never verifies, and each key of the document is read or skipped.
pub fn jwk_set(data: &[u8]) {
    if let Ok(set) = JwkSet::parse(data) {
        assert_complete(&set, data);
        assert_published(&set);
        for (key, token) in TOKENS.iter() {
            if let Ok(verified) = verify_jws(token, &set, Algorithm::ALL) {
                let is_listed = set.keys().iter().any(|listed| std::ptr::eq(listed, verified.key()));
                assert!(is_listed && verified.key().public_key() == key.public_key());
                assert_eq!(verified.key().algorithm(), key.algorithm());
            }
        }
    }
    if let Ok(key) = VerifyingKey::from_jwk(data) {
        assert_published(&JwkSet::from_keys([key]));
    }
}

/// Each element of the document is a key or has a reason not to be one.
fn assert_complete(set: &JwkSet, document: &[u8]) {
    let document: Value = serde_json::from_slice(document).expect("a document that was read");
    let elements = document["keys"].as_array().expect("keys that were read");
    assert!(elements.len() <= JwkSet::MAX_KEYS);
    assert_eq!(set.keys().len() + set.skipped().len(), elements.len());
    let mut keys = set.keys().iter();
    for (position, element) in elements.iter().enumerate() {
        if let Some(skipped) = set.skipped().iter().find(|skipped| skipped.position() == position) {
            assert_eq!(skipped.key_id(), element["kid"].as_str());
            assert!(element["kty"] != "oct" || skipped.reason() == KeyError::SymmetricKeyInPublicSet);
            continue;
        }
        let key = keys.next().expect("a key at each other position");
        assert_eq!(key.key_id(), element["kid"].as_str());
        assert!(element.get("alg").is_none_or(|alg| alg == key.algorithm().as_str()));
        assert!(element.get("use").is_none_or(|purpose| purpose == "sig"));
        let number = if element["kty"] == "RSA" { "n" } else { "x" };
        let number = element[number].as_str().expect("a number that was read");
        let public = key.public_key().expect("a public key").to_jwk();
        assert!(public.contains(&format!("\"{number}\"")), "another key");
        assert!(base64url::decode(number).is_ok());
    }
}

/// Nothing but public members stands in the document of a set, and the same keys.
pub(crate) fn assert_published(set: &JwkSet) {
    let document: Value = serde_json::from_str(&set.to_json()).unwrap();
    for key in document["keys"].as_array().unwrap() {
        let public: &[&str] = match key["kty"].as_str() {
            Some("RSA") => &["n", "e"],
            Some("EC") => &["crv", "x", "y"],
            Some("OKP") => &["crv", "x"],
            other => panic!("published: {other:?}"),
        };
        let is_public = |name: &str| ["kty", "use", "alg", "kid"].contains(&name) || public.contains(&name);
        assert!(key.as_object().unwrap().keys().all(|name| is_public(name)), "{key}");
        assert!(public.iter().all(|name| key[name].is_string()));
    }
    let again = JwkSet::parse(set.to_json().as_bytes()).expect("a document that was written");
    let facts = |key: &VerifyingKey| {
        (key.public_key().cloned(), key.thumbprint(), key.key_id().map(String::from), key.algorithm())
    };
    let public = set.keys().iter().filter(|key| key.public_key().is_some());
    assert!(public.map(facts).eq(again.keys().iter().map(facts)));
    assert_eq!(again.skipped(), []);
}
