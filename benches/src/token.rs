//! A typical access token, and how this workspace signs and verifies it.

use core::cell::RefCell;

use grantry::core::{SecretBytes, UnixTime};
use grantry::jwt::{
    Algorithm, Backend, Buffer, JwkSet, KeyLoader, PrivateKey, SecretKey, SigningKey, VerifiedTokenCache,
    Verifier,
};
use serde::{Deserialize, Serialize};

pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const AUDIENCE: &str = "https://api.example";

/// The private key that RFC 7515 appendix A.2 prints, in PKCS#1.
pub(crate) const RSA_PEM: &str = include_str!("rfc7515_a_2.pem");
pub(crate) const HMAC_SECRET: [u8; 32] = [7; 32];

/// The time at which everything here is done. The peers read the clock instead.
#[must_use]
pub const fn now() -> UnixTime {
    UnixTime::from_secs(1_800_000_000)
}

/// The claims of RFC 9068 section 2.2, as a server issues them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccessToken {
    /// The issuer.
    pub iss: String,
    /// The person.
    pub sub: String,
    /// The resource server.
    pub aud: String,
    /// The client.
    pub client_id: String,
    /// What was granted.
    pub scope: String,
    /// The end of its life, beyond every clock.
    pub exp: u64,
    /// Its beginning.
    pub iat: u64,
    /// Its name.
    pub jti: String,
}

impl AccessToken {
    /// Makes the claims.
    #[must_use]
    pub fn typical() -> Self {
        Self {
            iss: ISSUER.into(),
            sub: "8f14e45f-ceea-467f-a8f2-2f3b6c1d9e70".into(),
            aud: AUDIENCE.into(),
            client_id: "s6BhdRkqt3".into(),
            scope: "openid profile photos.read photos.write".into(),
            exp: 4_102_444_800,
            iat: 1_700_000_000,
            jti: "9dd3e1a0c7b14f7cb9a5d3c2".into(),
        }
    }
}

/// The same claims, borrowed from where the payload was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct BorrowedAccessToken<'a> {
    /// The issuer.
    pub iss: &'a str,
    /// The person.
    pub sub: &'a str,
    /// The resource server.
    pub aud: &'a str,
    /// The client.
    pub client_id: &'a str,
    /// What was granted.
    pub scope: &'a str,
    /// The end of its life.
    pub exp: u64,
    /// Its beginning.
    pub iat: u64,
    /// Its name.
    pub jti: &'a str,
}

/// One algorithm as this workspace does it: keys prepared once, every check on.
#[derive(Debug)]
pub struct Key {
    signing: SigningKey,
    keys: JwkSet,
    verifier: Verifier,
    buffer: RefCell<Buffer>,
    remembering: RefCell<Buffer>,
}

impl Key {
    /// Prepares the key of an algorithm with a backend.
    #[must_use]
    pub fn new(backend: impl Backend + 'static, algorithm: Algorithm) -> Self {
        let private = if algorithm == Algorithm::Hs256 {
            PrivateKey::Secret(SecretKey::new(SecretBytes::from(HMAC_SECRET.to_vec())))
        } else {
            PrivateKey::from_pem(RSA_PEM).expect("a good key")
        };
        let signing = KeyLoader::new(backend).private(algorithm, &private).expect("a good key");
        let signing = signing.with_key_id("key-1");
        Self {
            keys: JwkSet::from_keys([signing.verifying_key()]),
            signing,
            verifier: Verifier::new(ISSUER, AUDIENCE).with_typ("at+jwt"),
            buffer: RefCell::default(),
            remembering: RefCell::new(Buffer::new().with_token_cache(VerifiedTokenCache::new(10_000))),
        }
    }

    /// Signs claims.
    #[must_use]
    pub fn sign(&self, claims: &AccessToken) -> String {
        self.signing.sign_claims("at+jwt", claims).expect("a token")
    }

    /// Checks a token and reads its claims into values of their own.
    #[must_use]
    pub fn verify(&self, token: &str) -> AccessToken {
        self.verifier.verify(token, &self.keys, now()).expect("a good token").into_claims()
    }

    /// Checks a token, reads its claims in place and hands them to `read`.
    pub fn verify_borrowed<R>(&self, token: &str, read: impl FnOnce(&BorrowedAccessToken<'_>) -> R) -> R {
        let mut buffer = self.buffer.borrow_mut();
        let verified = self.verifier.verify_in(token, &self.keys, now(), &mut buffer).expect("a good token");
        read(verified.claims())
    }

    /// Checks a token with a warm buffer and reads its claims into values of their own.
    #[must_use]
    pub fn verify_in(&self, token: &str) -> AccessToken {
        let mut buffer = self.buffer.borrow_mut();
        self.verifier.verify_in(token, &self.keys, now(), &mut buffer).expect("a good token").into_claims()
    }

    /// Checks a token as [`Key::verify_borrowed`] does, but for the signature of one that was seen before.
    pub fn verify_again<R>(&self, token: &str, read: impl FnOnce(&BorrowedAccessToken<'_>) -> R) -> R {
        let mut buffer = self.remembering.borrow_mut();
        let verified = self.verifier.verify_in(token, &self.keys, now(), &mut buffer).expect("a good token");
        read(verified.claims())
    }

    /// Returns the keys.
    #[must_use]
    pub const fn keys(&self) -> &JwkSet {
        &self.keys
    }
}
