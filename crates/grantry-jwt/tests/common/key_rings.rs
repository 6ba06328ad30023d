//! What the tests of key rings share.
#![allow(dead_code, reason = "each test file takes what it needs")]

use core::time::Duration;

use grantry_core::{SecretBytes, UnixTime, base64url};
use grantry_jwt::{
    Algorithm, Ed25519PrivateKey, KeyLoader, KeyRing, KeyRingPolicy, PrivateKey, RingKey, SecretKey,
};

pub(crate) const HS: Algorithm = Algorithm::Hs256;

/// How long keys of the policy are announced and retired: 300 + 60 + 60, and 3600 + 2 * 60 + 60.
pub(crate) const LEAD: u64 = 420;
pub(crate) const TAIL: u64 = 3780;

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(1_800_000_000 + seconds)
}

pub(crate) fn policy(token_lifetime: u64, set_max_age: u64) -> KeyRingPolicy {
    KeyRingPolicy::new(seconds(token_lifetime), seconds(set_max_age))
        .and_then(|policy| policy.with_propagation(seconds(60)))
        .unwrap()
}

pub(crate) fn secret(key_id: &str, algorithm: Algorithm) -> RingKey {
    let secret = key_id.bytes().cycle().take(64).collect::<Vec<_>>();
    let key = PrivateKey::Secret(SecretKey::new(SecretBytes::from(secret)));
    RingKey::local(&KeyLoader::default(), algorithm, key).unwrap().with_key_id(key_id)
}

pub(crate) fn key(key_id: &str) -> RingKey {
    secret(key_id, HS)
}

/// The key of [RFC 8037 appendix A.1](https://www.rfc-editor.org/rfc/rfc8037#appendix-A.1).
pub(crate) fn ed25519() -> PrivateKey {
    let seed = base64url::decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    PrivateKey::Ed25519(Ed25519PrivateKey::new(&seed).unwrap())
}

pub(crate) fn external() -> RingKey {
    let key = KeyLoader::default().private(Algorithm::EdDsa, &ed25519()).unwrap();
    RingKey::external(key.verifying_key().with_key_id("kms")).unwrap()
}

/// A ring that begins with `a`.
pub(crate) fn ring() -> KeyRing {
    KeyRing::new(policy(3600, 300), [key("a")], at(0)).unwrap()
}
