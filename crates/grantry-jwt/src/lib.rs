//! JWS, JWT, JWK and key sets, strict by default.
//!
//! * [`SigningKey`] signs claims or any payload; [`VerifyingKey`] and [`JwkSet`] check signatures.
//! * [`Verifier`] checks a JWT against an issuer, an audience and a time, and hands out typed claims
//!   as a [`Verified`], which nothing else can make.
//! * [`verify_jws`] checks a compact JWS whose payload is not a JWT.
//!
//! The algorithm belongs to the key. A header that names another one is refused, `none` has no
//! representation, and no key or URL from a header is ever used
//! ([RFC 8725 section 3](https://www.rfc-editor.org/rfc/rfc8725#section-3)).
//!
//! It is not a JWE library, it fetches nothing, and it knows no OAuth roles. Time is an argument.
//!
//! ```
//! use grantry_core::{SecretBytes, UnixTime};
//! use grantry_jwt::{JwkSet, SigningKey, Verifier};
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
//! let key = SigningKey::hs256(&SecretBytes::from(vec![7; 32]))?.with_key_id("2026-11");
//! let claims = Claims {
//!     iss: "https://as.example".into(),
//!     aud: "https://api.example".into(),
//!     exp: 1_800_000_600,
//!     sub: "user-1".into(),
//! };
//! let token = key.sign_claims(Some("JWT"), &claims)?;
//!
//! let keys = JwkSet::from_keys([key.verifying_key()]);
//! let verifier = Verifier::new("https://as.example", "https://api.example").with_typ("JWT");
//! let verified = verifier.verify::<Claims>(&token, &keys, UnixTime::from_secs(1_800_000_000))?;
//! assert_eq!(verified.claims().sub, "user-1");
//! assert_eq!(verified.key_id(), Some("2026-11"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod algorithm;
mod claims;
mod error;
mod header;
mod jwk;
mod jwk_set;
mod jws;
mod member;
mod pem;
mod rsa;
mod signing_key;
mod verifier;
mod verifying_key;

pub use algorithm::Algorithm;
pub use claims::{Claim, RegisteredClaims};
pub use error::{JwkSetError, KeyError, SignError, VerifyError};
pub use header::{Header, peek_unverified};
pub use jwk_set::{JwkSet, SkippedKey};
pub use jws::{Jws, MAX_KEYS_TRIED, MAX_TOKEN_BYTES, verify_jws};
pub use signing_key::SigningKey;
pub use verifier::{Verified, Verifier};
pub use verifying_key::VerifyingKey;
