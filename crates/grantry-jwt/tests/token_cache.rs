//! Rules about tokens that are verified again: the signature is remembered, and nothing else is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use core::time::Duration;

use grantry_core::{SecretBytes, UnixTime};
use grantry_jwt::{
    Algorithm, Backend, BadSignature, Buffer, JwkSet, KeyError, KeyLoader, PrivateKey, PublicKey, Ring,
    SecretKey, Sign, SigningKey, VerifiedTokenCache, Verifier, Verify, VerifyError,
};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;

fn key(key_id: &str) -> SigningKey {
    let loader = KeyLoader::default();
    let private = loader.generate(Algorithm::EdDsa).unwrap();
    loader.private(Algorithm::EdDsa, &private).unwrap().with_key_id(key_id)
}

fn token(key: &SigningKey) -> String {
    key.sign_claims("JWT", &json!({"iss": "i", "aud": "a", "exp": NOW + 60, "sub": "s"})).unwrap()
}

fn keys(keys: &[&SigningKey]) -> JwkSet {
    JwkSet::from_keys(keys.iter().map(|key| key.verifying_key()))
}

fn buffer() -> Buffer {
    Buffer::new().with_token_cache(VerifiedTokenCache::new(10))
}

fn run(
    verifier: &Verifier,
    token: &str,
    keys: &JwkSet,
    now: u64,
    buffer: &mut Buffer,
) -> Result<(), VerifyError> {
    verifier.verify_in::<Value>(token, keys, UnixTime::from_secs(now), buffer).map(drop)
}

/// Hits, misses and entries.
fn counts(buffer: &Buffer) -> (u64, u64, usize) {
    let cache = buffer.token_cache().unwrap();
    (cache.hits(), cache.misses(), cache.len())
}

#[test]
fn a_repeated_token_is_remembered_and_its_claims_are_checked_each_time() {
    let (key, mut buffer) = (key("k"), buffer());
    let (token, keys) = (token(&key), keys(&[&key]));
    let verifier = Verifier::new("i", "a");
    assert_eq!(run(&verifier, &token, &keys, NOW, &mut buffer), Ok(()));
    assert_eq!(counts(&buffer), (0, 1, 1));
    assert_eq!(run(&verifier, &token, &keys, NOW + 59, &mut buffer), Ok(()));
    assert_eq!(counts(&buffer), (1, 1, 1));

    let other = |verifier: Verifier, now, buffer: &mut Buffer| run(&verifier, &token, &keys, now, buffer);
    let base = || Verifier::new("i", "a");
    for (verifier, now, error) in [
        (Verifier::new("other", "a"), NOW, VerifyError::Issuer),
        (Verifier::new("i", "other"), NOW, VerifyError::Audience),
        (base().with_typ("at+jwt"), NOW, VerifyError::Typ),
        (base().with_subject("other"), NOW, VerifyError::Subject),
        (base().with_algorithms(&[Algorithm::Es256]), NOW, VerifyError::AlgorithmNotAllowed),
        (base().with_max_token_bytes(10), NOW, VerifyError::TooLong),
        (
            base().with_max_age(Duration::from_secs(1)),
            NOW,
            VerifyError::MissingClaim(grantry_jwt::Claim::IssuedAt),
        ),
        (base(), NOW + 60, VerifyError::Expired),
    ] {
        assert_eq!(other(verifier, now, &mut buffer), Err(error));
    }
}

#[test]
fn a_remembered_token_ends_with_its_leeway() {
    let (key, mut buffer) = (key("k"), buffer());
    let (token, keys) = (token(&key), keys(&[&key]));
    let verifier = Verifier::new("i", "a").with_leeway(Duration::from_secs(5));
    for now in [NOW, NOW + 64] {
        assert_eq!(run(&verifier, &token, &keys, now, &mut buffer), Ok(()));
    }
    assert_eq!(counts(&buffer), (1, 1, 1));
    assert_eq!(run(&verifier, &token, &keys, NOW + 65, &mut buffer), Err(VerifyError::Expired));
    assert_eq!(counts(&buffer), (1, 2, 0));
}

#[test]
fn wk_47_a_remembered_token_is_refused_once_its_key_has_left_the_set() {
    let (old, new, mut buffer) = (key("k"), key("k"), buffer());
    let (token, verifier) = (token(&old), Verifier::new("i", "a"));
    assert_eq!(run(&verifier, &token, &keys(&[&old]), NOW, &mut buffer), Ok(()));
    // Another key under the same id is another key.
    assert_eq!(run(&verifier, &token, &keys(&[&new]), NOW, &mut buffer), Err(VerifyError::Signature));
    assert_eq!(counts(&buffer), (0, 2, 0));

    assert_eq!(run(&verifier, &token, &keys(&[&new, &old]), NOW, &mut buffer), Ok(()));
    // The same key that was fetched again is the same key.
    let again = JwkSet::parse(keys(&[&old]).to_json().as_bytes()).unwrap();
    assert_eq!(run(&verifier, &token, &again, NOW, &mut buffer), Ok(()));
    assert_eq!(counts(&buffer), (1, 3, 1));
    buffer.token_cache_mut().unwrap().retain_keys(&again);
    assert_eq!(counts(&buffer), (1, 3, 1));
    buffer.token_cache_mut().unwrap().retain_keys(&keys(&[&new]));
    assert_eq!(counts(&buffer), (1, 3, 0));
}

#[test]
fn a_token_that_differs_in_one_character_is_another_token() {
    let (key, mut buffer) = (key("k"), buffer());
    let (token, keys, verifier) = (token(&key), keys(&[&key]), Verifier::new("i", "a"));
    assert_eq!(run(&verifier, &token, &keys, NOW, &mut buffer), Ok(()));
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(run(&verifier, &changed, &keys, NOW, &mut buffer).is_err(), "{at}");
    }
    assert_eq!(run(&verifier, &token, &keys, NOW, &mut buffer), Ok(()));
    let cache = buffer.token_cache().unwrap();
    assert_eq!((cache.hits(), cache.len()), (1, 1));
}

#[test]
fn a_refused_token_is_not_remembered() {
    let (key, mut buffer) = (key("k"), buffer());
    let (token, keys) = (token(&key), keys(&[&key]));
    assert_eq!(run(&Verifier::new("x", "a"), &token, &keys, NOW, &mut buffer), Err(VerifyError::Issuer));
    assert_eq!(counts(&buffer), (0, 1, 0));
}

#[test]
fn a_token_under_a_shared_secret_or_without_exp_is_not_remembered() {
    let secret = SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(vec![7; 32])).unwrap();
    let (endless, mut buffer) = (key("k"), buffer());
    let claims = json!({"iss": "i", "aud": "a"});
    for key in [&secret, &endless] {
        let (token, keys) = (key.sign_claims("JWT", &claims).unwrap(), keys(&[key]));
        let verifier = Verifier::new("i", "a").danger_optional_expiration();
        for _ in 0..2 {
            assert_eq!(run(&verifier, &token, &keys, NOW, &mut buffer), Ok(()));
        }
    }
    assert_eq!(counts(&buffer), (0, 2, 0));
}

/// `ring`, but for the checking of signatures, none of which is good the second time.
#[derive(Debug)]
struct Once;

struct OnceKey(core::sync::atomic::AtomicBool);

impl Backend for Once {
    fn prepare_public(&self, _: Algorithm, _: &PublicKey) -> Result<Box<dyn Verify>, KeyError> {
        Ok(Box::new(OnceKey(core::sync::atomic::AtomicBool::new(true))))
    }
    fn prepare_secret(&self, algorithm: Algorithm, key: &SecretKey) -> Result<Box<dyn Verify>, KeyError> {
        Ring.prepare_secret(algorithm, key)
    }
    fn prepare_private(&self, algorithm: Algorithm, key: &PrivateKey) -> Result<Box<dyn Sign>, KeyError> {
        Ring.prepare_private(algorithm, key)
    }
    fn complete(&self, key: &PrivateKey) -> Result<PrivateKey, KeyError> {
        Ring.complete(key)
    }
    fn generate(&self, algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
        Ring.generate(algorithm)
    }
}

impl Verify for OnceKey {
    fn verify(&self, _: &[u8], _: &[u8]) -> Result<(), BadSignature> {
        let is_first = self.0.swap(false, core::sync::atomic::Ordering::SeqCst);
        if is_first { Ok(()) } else { Err(BadSignature) }
    }
}

#[test]
fn the_signature_of_a_remembered_token_is_not_checked_again() {
    let loader = KeyLoader::new(Once);
    let private = loader.generate(Algorithm::EdDsa).unwrap();
    let key = loader.private(Algorithm::EdDsa, &private).unwrap();
    let (token, keys, verifier) = (token(&key), keys(&[&key]), Verifier::new("i", "a"));
    let mut remembering = buffer();
    for _ in 0..3 {
        assert_eq!(run(&verifier, &token, &keys, NOW, &mut remembering), Ok(()));
    }
    assert_eq!(run(&verifier, &token, &keys, NOW, &mut Buffer::new()), Err(VerifyError::Signature));
}
