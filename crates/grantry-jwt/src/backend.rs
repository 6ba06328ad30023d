//! What does the cryptography, as a value.

use alloc::boxed::Box;
use core::fmt;

use crate::{Algorithm, KeyError, PrivateKey, PublicKey, SecretKey};

/// A library that signs and verifies, passed in as a value.
///
/// [`Ring`](crate::Ring) is the default. Several backends live side by side in one program: each key
/// keeps the one that prepared it, and no process-wide choice exists. Keys come checked: their type fits
/// the algorithm, a secret is as long as the digest, an RSA modulus has 2048 to 8192 bits, a point is on
/// its curve.
pub trait Backend: fmt::Debug + Send + Sync {
    /// Prepares a public key, once for many signatures.
    ///
    /// # Errors
    ///
    /// [`KeyError::UnsupportedByBackend`] for an algorithm or a size that the backend does not have,
    /// [`KeyError::Inconsistent`] for a key that it refuses.
    fn prepare_public(&self, algorithm: Algorithm, key: &PublicKey) -> Result<Box<dyn Verify>, KeyError>;

    /// Prepares a shared secret for checking.
    ///
    /// # Errors
    ///
    /// As [`Backend::prepare_public`].
    fn prepare_secret(&self, algorithm: Algorithm, key: &SecretKey) -> Result<Box<dyn Verify>, KeyError>;

    /// Prepares a private key or a shared secret for signing. An elliptic private key comes with its
    /// public half.
    ///
    /// # Errors
    ///
    /// As [`Backend::prepare_public`]; a private key that contradicts its public half is
    /// [`KeyError::Inconsistent`].
    fn prepare_private(&self, algorithm: Algorithm, key: &PrivateKey) -> Result<Box<dyn Sign>, KeyError>;

    /// Returns the key with its public half, computed where its encoding left it out
    /// ([RFC 5915 section 3](https://www.rfc-editor.org/rfc/rfc5915#section-3),
    /// [RFC 8410 section 7](https://www.rfc-editor.org/rfc/rfc8410#section-7)).
    ///
    /// # Errors
    ///
    /// [`KeyError::UnsupportedByBackend`] when the backend cannot compute it.
    fn complete(&self, key: &PrivateKey) -> Result<PrivateKey, KeyError>;

    /// Generates a key for an algorithm, RSA keys with 2048 bits and secrets as long as the digest.
    ///
    /// It draws from the backend's own random source: no backend makes every kind of key from a given
    /// seed. Nothing in this workspace calls it unasked.
    ///
    /// # Errors
    ///
    /// [`KeyError::UnsupportedByBackend`] when the backend cannot generate such a key,
    /// [`KeyError::Generation`] when its random source fails.
    fn generate(&self, algorithm: Algorithm) -> Result<PrivateKey, KeyError>;
}

/// A key prepared by a [`Backend`] to check signatures of one algorithm.
pub trait Verify: Send + Sync {
    /// Checks a signature in the form that JWS gives it: `r || s` for ECDSA
    /// ([RFC 7518 section 3.4](https://www.rfc-editor.org/rfc/rfc7518#section-3.4)), the whole MAC for
    /// HMAC, compared in constant time.
    ///
    /// # Errors
    ///
    /// [`BadSignature`], whatever is wrong with it.
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature>;
}

/// A key prepared by a [`Backend`] to sign with one algorithm.
pub trait Sign: Send + Sync {
    /// Returns the length of every signature, in bytes.
    fn signature_len(&self) -> usize;

    /// Writes a signature in the form of [`Verify::verify`] into `signature`, which has
    /// [`Sign::signature_len`] bytes.
    ///
    /// # Errors
    ///
    /// [`SigningFailed`] when the backend or its random source fails.
    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SigningFailed>;
}

/// The signature is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("the signature is wrong")]
#[expect(clippy::exhaustive_structs, reason = "backends make it")]
pub struct BadSignature;

/// The backend could not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("the backend could not sign")]
#[expect(clippy::exhaustive_structs, reason = "backends make it")]
pub struct SigningFailed;
