//! Tokens and keys of grantry-jwt.

use std::sync::LazyLock;
use std::time::Duration;

use grantry::core::{SecretBytes, UnixTime};
use grantry::jwt::{
    Algorithm, JwkSet, SigningKey, Verified, Verifier, VerifyError, VerifyingKey, peek_unverified, verify_jws,
};
use serde_json::Value;

use crate::edit::{edited, text};
use crate::fixture::{ISSUER, NOW, SIGNING_KEY, START};

const AUDIENCE: &str = "https://api.example";

static HMAC_KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(vec![7; 32])).unwrap().with_key_id("hs"));

static KEYS: LazyLock<JwkSet> =
    LazyLock::new(|| JwkSet::from_keys([HMAC_KEY.verifying_key(), SIGNING_KEY.verifying_key()]));

/// Every token that was ever signed, with its payload.
static TOKENS: LazyLock<Vec<(String, &[u8])>> = LazyLock::new(|| {
    let payload: &[u8] = br#"{"iss":"https://as.example","aud":"https://api.example","exp":1800000600}"#;
    let sign = |key: &SigningKey, payload| (key.sign(Some("JWT"), payload).unwrap(), payload);
    vec![
        sign(&HMAC_KEY, payload),
        sign(&SIGNING_KEY, payload),
        sign(&HMAC_KEY, b""),
        sign(&SIGNING_KEY, b"a.b"),
    ]
});

/// No text verifies but a token that was signed, byte for byte, and then with its own payload.
pub fn jws(data: &[u8]) {
    only_the_original(&text(data));
    if let Some((choice, script)) = data.split_first() {
        let (original, _) = &TOKENS[usize::from(*choice) % TOKENS.len()];
        only_the_original(&text(&edited(original.as_bytes(), script)));
    }
}

fn only_the_original(token: &str) {
    let header = peek_unverified(token);
    let verified = verify_jws(token, &KEYS, Algorithm::ALL);
    let Some((_, payload)) = TOKENS.iter().find(|(original, _)| original == token) else {
        assert!(verified.is_err(), "a forgery verifies");
        return;
    };
    let verified = verified.expect("a token that was signed");
    assert_eq!(verified.payload(), *payload);
    assert_eq!(Ok(verified.header()), header.as_ref());
    assert_eq!(verified.header().key_id(), verified.key().key_id());
    let other = match verified.header().algorithm() {
        Algorithm::Hs256 => Algorithm::Rs256,
        _ => Algorithm::Hs256,
    };
    assert_eq!(verify_jws(token, &KEYS, &[other]).err(), Some(VerifyError::AlgorithmNotAllowed));
}

/// A signed payload is accepted only if its issuer, audience and times are right as serde_json alone
/// reads them, and leeway never refuses what no leeway accepts.
pub fn claims(data: &[u8]) {
    let Ok(token) = HMAC_KEY.sign(Some("JWT"), data) else { return };
    let verifier = Verifier::new(ISSUER, AUDIENCE).with_typ("JWT").require("sub");
    let verify = |verifier: &Verifier, now| verifier.verify::<Value>(&token, &KEYS, now);
    let lenient = verifier.clone().with_leeway(Duration::from_secs(60));
    if let Ok(verified) = verify(&verifier, NOW) {
        assert_claims(&verified, data, 0);
        assert!(verify(&lenient, NOW).is_ok(), "leeway refuses");
    }
    if let Ok(verified) = verify(&lenient, NOW) {
        assert_claims(&verified, data, 60);
    }
    assert!(verify(&verifier, UnixTime::MAX).is_err(), "a token without end");
}

#[expect(clippy::cast_precision_loss, reason = "the fixed time and the leeway are small")]
fn assert_claims(verified: &Verified<'_, Value>, data: &[u8], leeway: u64) {
    let claims: Value = serde_json::from_slice(data).expect("claims that were read");
    assert_eq!(verified.claims(), &claims);
    assert_eq!(claims["iss"], ISSUER);
    let audiences = claims["aud"].as_array().cloned().unwrap_or_else(|| vec![claims["aud"].clone()]);
    assert!(audiences.iter().any(|audience| audience == AUDIENCE));
    assert!(audiences.iter().all(Value::is_string));
    let date = |name: &str| claims.get(name).map(|value| value.as_f64().expect("a number"));
    assert!(date("exp").is_some_and(|exp| exp > (START - leeway) as f64));
    assert!(date("nbf").is_none_or(|nbf| nbf <= (START + leeway) as f64));
    let _ = date("iat");
    assert!(claims.get("jti").is_none_or(Value::is_string));
    assert_eq!(verified.registered().subject(), claims["sub"].as_str());
}

/// A set that is published holds public members alone, and reads back as the same keys.
pub fn jwk_set(data: &[u8]) {
    if let Ok(set) = JwkSet::parse(data) {
        assert!(set.keys().len() + set.skipped().len() <= JwkSet::MAX_KEYS);
        assert!(set.keys().iter().all(|key| key.algorithm() == Algorithm::Rs256), "a symmetric key");
        assert_published(&set);
    }
    if let Ok(key) = VerifyingKey::from_jwk(data) {
        assert_published(&JwkSet::from_keys([key]));
    }
}

/// A private key that is read from JWK, PEM or DER signs what its own public half verifies, and the
/// document with that half says nothing of the private one.
pub fn private_key(data: &[u8]) {
    let keys =
        [SigningKey::from_jwk(data), SigningKey::from_der(Algorithm::Rs256, data), SigningKey::from_pem(Algorithm::Rs256, &text(data))];
    for key in keys.into_iter().flatten() {
        let Ok(token) = key.sign(None, b"payload") else { continue };
        let set = JwkSet::from_keys([key.verifying_key()]);
        let verified = verify_jws(&token, &set, &[key.algorithm()]).expect("its own signature");
        assert_eq!(verified.payload(), b"payload");
        assert_published(&set);
    }
}

fn assert_published(set: &JwkSet) {
    const PUBLIC: [&str; 6] = ["kty", "use", "alg", "kid", "n", "e"];
    let document: Value = serde_json::from_str(&set.to_json()).unwrap();
    for key in document["keys"].as_array().unwrap() {
        assert!(key.as_object().unwrap().keys().all(|name| PUBLIC.contains(&name.as_str())), "{key}");
        assert_eq!(key["kty"], "RSA");
    }
    let again = JwkSet::parse(set.to_json().as_bytes()).expect("a document that was written");
    let facts = |key: &VerifyingKey| (key.thumbprint(), key.key_id().map(String::from), key.algorithm());
    let public = set.keys().iter().filter(|key| key.algorithm() != Algorithm::Hs256);
    assert!(public.map(facts).eq(again.keys().iter().map(facts)));
    assert_eq!(again.skipped(), []);
}
