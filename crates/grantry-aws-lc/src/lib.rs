//! The backend over AWS-LC for keys of `grantry-jwt`, as a value.
//!
//! * It has every algorithm, ES512 included; signs with RSA keys of 2048 to 8192 bits; generates keys of
//!   every kind, RSA included.
//! * It prepares an RSA public key once. `ring` does so at every signature that it checks, which makes
//!   this backend the faster one for a resource server with RSA keys.
//! * It is not a default and sets nothing: a key keeps the backend that prepared it, and keys of several
//!   backends work side by side.
//!
//! AWS-LC is C and assembly; building it takes a C compiler.
//!
//! ```
//! use grantry_aws_lc::AwsLc;
//! use grantry_jwt::{Algorithm, JwkSet, KeyLoader, verify_jws};
//!
//! let loader = KeyLoader::new(AwsLc);
//! let private = loader.generate(Algorithm::Rs256)?;
//! let key = loader.private(Algorithm::Rs256, &private)?.with_thumbprint_key_id();
//! let token = key.sign(Some("JWT"), b"{}")?;
//!
//! // Read as a verifier does who fetched the published set.
//! let published = JwkSet::from_keys([key.verifying_key()]).to_json();
//! let keys = loader.jwk_set(published.as_bytes())?;
//! assert!(verify_jws(&token, &keys, &[Algorithm::Rs256]).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod generate;
mod prepare;

use alloc::boxed::Box;

use grantry_jwt::{Algorithm, Backend, KeyError, PrivateKey, PublicKey, SecretKey, Sign, Verify};

/// The backend over `aws-lc-rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it has no configuration")]
pub struct AwsLc;

impl Backend for AwsLc {
    fn prepare_public(&self, algorithm: Algorithm, key: &PublicKey) -> Result<Box<dyn Verify>, KeyError> {
        prepare::public(algorithm, key)
    }

    fn prepare_secret(&self, algorithm: Algorithm, key: &SecretKey) -> Result<Box<dyn Verify>, KeyError> {
        prepare::hmac(algorithm, key).map(|key| Box::new(key) as Box<dyn Verify>)
    }

    fn prepare_private(&self, algorithm: Algorithm, key: &PrivateKey) -> Result<Box<dyn Sign>, KeyError> {
        prepare::private(algorithm, key)
    }

    fn complete(&self, key: &PrivateKey) -> Result<PrivateKey, KeyError> {
        generate::complete(key)
    }

    fn generate(&self, algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
        generate::generate(algorithm)
    }
}
