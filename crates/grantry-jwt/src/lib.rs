//! JWS, JWT, JWK and key sets, strict by default.
//!
//! * Keys: [`PrivateKey`] and [`PublicKey`] are the numbers of a key, read from and written to JWK, PEM
//!   and DER. A [`KeyLoader`] prepares them with a [`Backend`] for one [`Algorithm`]: [`SigningKey`] and
//!   [`VerifyingKey`] read them directly, with [`Ring`]. `grantry-aws-lc` is another backend.
//! * Configure: [`Verifier`] says which issuer, audience and type a JWT must have, and what else is
//!   required.
//! * Sign: [`SigningKey::sign_claims`] makes a JWT; [`SigningInput`] makes one with a key that a KMS or
//!   an HSM keeps.
//! * Verify: [`Verifier::verify`] checks one JWT at a time that the caller gives;
//!   [`Verifier::verify_in`] lets claims borrow from a [`Buffer`], allocates nothing, and with a
//!   [`VerifiedTokenCache`] checks the signature of a repeated token once. [`verify_jws`] checks a
//!   compact JWS whose payload is no JWT.
//! * Answers: [`Verified`] holds claims of the caller's type, and only a verifier makes one;
//!   [`VerifyError`] names the rule that a token breaks. [`VerifyError::UnknownKey`] is the one that
//!   newer keys may cure. [`Jws`] is a payload with a good signature, and nothing more.
//! * Over time: a [`KeyRing`] says which key of an issuer signs now and which are published, so that a
//!   rotation breaks no token; a [`JwksCache`] says when a verifier fetches them.
//!
//! The algorithm belongs to the key. A header that names another one is refused, `none` has no
//! representation, and no key or URL from a header is ever used
//! ([RFC 8725 section 3](https://www.rfc-editor.org/rfc/rfc8725#section-3)).
//!
//! It is not a JWE library, it fetches nothing, and it knows no OAuth roles. Time is an argument, in
//! seconds since 1970. The types of `grantry-core` that stand in signatures are here, too.
//!
//! ```
//! use grantry_jwt::{Algorithm, JwkSet, SecretBytes, SigningKey, UnixTime, Verifier};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Claims {
//!     iss: String,
//!     aud: String,
//!     exp: u64,
//!     sub: String,
//! }
//!
//! let secret = SecretBytes::from(vec![7; 32]);
//! let key = SigningKey::from_secret(Algorithm::Hs256, &secret)?.with_key_id("2026-11");
//! let claims = Claims {
//!     iss: "https://as.example".into(),
//!     aud: "https://api.example".into(),
//!     exp: 1_800_000_600,
//!     sub: "user-1".into(),
//! };
//! let token = key.sign_claims("JWT", &claims)?;
//!
//! let keys = JwkSet::from_keys([key.verifying_key()]);
//! let verifier = Verifier::new("https://as.example", "https://api.example").with_typ("JWT");
//! let verified = verifier.verify::<Claims>(&token, &keys, UnixTime::from_secs(1_800_000_000))?;
//! assert_eq!(verified.claims().sub, "user-1");
//! assert_eq!(verified.key_id(), Some("2026-11"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Speed
//!
//! `cargo bench -p grantry-benches --bench jwt` measures signing and verifying beside `jsonwebtoken`,
//! `jwt-simple` and the parts that nobody can do without, and writes `target/figures/jwt.json`. What is
//! prepared once is a [`SigningKey`], a [`Verifier`] and a [`Buffer`] for each thread.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod algorithm;
mod algorithm_identifier;
mod backend;
mod buffer;
mod capture;
mod claims;
mod critical;
mod der;
mod ec_key;
mod ed25519_key;
mod error;
mod header;
mod header_fields;
mod jwk;
mod jwk_set;
mod jwks_cache;
mod jwks_policy;
mod jwks_state;
mod jws;
mod key_loader;
mod key_ring;
mod member;
mod on_curve;
mod pem;
mod private_key;
mod public_key;
mod reading;
mod recency;
mod ring_backend;
mod rsa_key;
mod signing_input;
mod signing_key;
mod span;
mod token_cache;
mod unknown_keys;
mod verified;
mod verifier;
mod verifying_key;

#[doc(no_inline)]
pub use grantry_core::{
    Headers, HttpRequest, HttpResponse, SecretBytes, SecretString, UnixTime, json::JsonError,
};

pub use algorithm::{Algorithm, KeyType};
pub use backend::{Backend, BadSignature, Sign, SigningFailed, Verify};
pub use buffer::Buffer;
pub use claims::{Claim, RegisteredClaims};
pub use ec_key::{Curve, EcPrivateKey, EcPublicKey};
pub use ed25519_key::{Ed25519PrivateKey, Ed25519PublicKey};
pub use error::{JwkSetError, KeyError, SignError, VerifyError};
pub use header::{Header, peek_unverified};
pub use header_fields::HeaderFields;
pub use jwk_set::{JwkSet, SkippedKey};
pub use jwks_cache::{Advice, FetchTicket, JwksCache, JwksCacheError, Wanted};
pub use jwks_policy::JwksPolicy;
pub use jwks_state::JwksStateError;
pub use jws::{Jws, MAX_KEYS_TRIED, MAX_TOKEN_BYTES, verify_jws};
pub use key_loader::KeyLoader;
pub use key_ring::{KeyLifecycle, KeyPhase, KeyRing, KeyRingError, KeyRingPolicy, RingKey};
pub use private_key::{PrivateKey, SecretKey};
pub use public_key::PublicKey;
pub use ring_backend::Ring;
pub use rsa_key::{RsaPrivateKey, RsaPublicKey};
pub use signing_input::SigningInput;
pub use signing_key::SigningKey;
pub use token_cache::VerifiedTokenCache;
pub use verified::Verified;
pub use verifier::Verifier;
pub use verifying_key::VerifyingKey;
