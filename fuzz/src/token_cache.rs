//! The cache of verified tokens, driven by bytes.

use std::sync::LazyLock;
use std::time::Duration;

use grantry::core::UnixTime;
use grantry::jwt::{
    Algorithm, Buffer, Ed25519PrivateKey, JwkSet, PrivateKey, SigningKey, VerifiedTokenCache, Verifier,
    VerifyingKey,
};
use serde_json::{Value, json};

use crate::fixture::{ISSUER, SIGNING_KEY, START};
use crate::keys::key;

const AUDIENCE: &str = "https://api.example";

/// Two keys under one id, as after a rotation that went wrong, one key twice, and others.
static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    let ed25519 = |seed: u8| {
        let key = PrivateKey::Ed25519(Ed25519PrivateKey::new(&[seed; 32]).unwrap());
        SigningKey::new(Algorithm::EdDsa, &key).unwrap()
    };
    vec![
        ed25519(1).with_key_id("a"),
        ed25519(2).with_key_id("a"),
        ed25519(1).with_key_id("b"),
        ed25519(3),
        SIGNING_KEY.clone(),
        key(Algorithm::Hs256).clone(),
    ]
});

/// Of every key tokens with different times, and after them some with another end of a signature.
static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let claims = |lifetime: u64| json!({"iss": ISSUER, "aud": AUDIENCE, "exp": START + lifetime, "iat": START, "nbf": START + lifetime / 4});
    let sign = |key: &SigningKey, lifetime| key.sign_claims("JWT", &claims(lifetime)).unwrap();
    let mut tokens: Vec<_> =
        KEYS.iter().flat_map(|key| [10, 100].map(|lifetime| sign(key, lifetime))).collect();
    let (first, second) = (tokens[0].clone(), tokens[2].clone());
    let graft = |(token, other): (&str, &str)| {
        let (input, signature) = (token.rsplit_once('.').unwrap().0, other.rsplit_once('.').unwrap().1);
        format!("{input}.{signature}")
    };
    tokens.extend([(&*first, &*second), (&*second, &*first)].map(graft));
    tokens
});

static VERIFIERS: LazyLock<[Verifier; 4]> = LazyLock::new(|| {
    let verifier = Verifier::new(ISSUER, AUDIENCE);
    [
        verifier.clone().with_leeway(Duration::from_secs(30)),
        verifier.clone().with_typ("at+jwt"),
        Verifier::new(ISSUER, "https://other.example").with_algorithms(&[Algorithm::EdDsa]),
        verifier,
    ]
});

/// A verification through a buffer that remembers tokens accepts exactly what one without it accepts, with
/// the same claims and else the same error, while keys come and go, clocks go both ways and verifiers share
/// the buffer; and its cache stays within its capacity.
pub fn token_cache(data: &[u8]) {
    const MAX_ACTS: usize = 24;
    let Some((capacity, acts)) = data.split_first() else { return };
    let cache = VerifiedTokenCache::new(usize::from(capacity % 8));
    let mut buffer = Buffer::new().with_token_cache(cache);
    let (mut keys, mut now, mut asked) = (set(u8::MAX), START, 0);
    for act in acts.chunks_exact(2).take(MAX_ACTS) {
        let (what, which) = (act[0], act[1]);
        let cache = buffer.token_cache_mut().unwrap();
        match what % 8 {
            0 => keys = set(which),
            1 => now += u64::from(which % 32),
            2 => now -= u64::from(which % 32),
            3 => cache.retain_keys(&keys),
            4 if which == 0 => cache.clear(),
            _ => {
                let verifier = &VERIFIERS[usize::from(what >> 3) % VERIFIERS.len()];
                let token = &TOKENS[usize::from(which) % TOKENS.len()];
                let time = UnixTime::from_secs(now);
                let through_cache = verifier.verify_in::<Value>(token, &keys, time, &mut buffer);
                assert_eq!(through_cache, verifier.verify::<Value>(token, &keys, time));
                asked += 1;
            }
        }
        let cache = buffer.token_cache().unwrap();
        assert!(cache.len() <= cache.capacity() && cache.hits() + cache.misses() <= asked);
    }
}

fn set(chosen: u8) -> JwkSet {
    let keys = KEYS.iter().enumerate().filter(|(bit, _)| chosen & (1 << bit) != 0);
    let keys: Vec<VerifyingKey> = keys.map(|(_, key)| key.verifying_key()).collect();
    JwkSet::from_keys(keys)
}
