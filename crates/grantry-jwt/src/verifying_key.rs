//! Keys that check signatures.

use alloc::{boxed::Box, string::String, sync::Arc};
use core::fmt;

use grantry_core::SecretBytes;

use crate::backend::Verify;
use crate::token_cache::KeyIdentity;
use crate::{Algorithm, KeyError, KeyLoader, PublicKey, SecretKey};

/// A key that checks the signatures of one algorithm, prepared once and cheap to clone.
///
/// `Debug` shows the algorithm and the key id.
#[derive(Clone)]
pub struct VerifyingKey {
    key_id: Option<Arc<str>>,
    prepared: Arc<Prepared>,
}

struct Prepared {
    algorithm: Algorithm,
    /// Absent for a shared secret.
    public: Option<PublicKey>,
    /// What stays the same when the key is read anew; absent for a shared secret.
    identity: Option<KeyIdentity>,
    verify: Box<dyn Verify>,
}

impl VerifyingKey {
    /// Prepares a public key for one algorithm.
    ///
    /// # Errors
    ///
    /// As [`KeyLoader::public`].
    pub fn new(algorithm: Algorithm, key: &PublicKey) -> Result<Self, KeyError> {
        KeyLoader::default().public(algorithm, key)
    }

    /// Makes an HMAC key from a shared secret as long as the digest or longer
    /// ([RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
    ///
    /// # Errors
    ///
    /// As [`KeyLoader::secret`].
    pub fn from_secret(algorithm: Algorithm, secret: &SecretBytes) -> Result<Self, KeyError> {
        KeyLoader::default().secret(algorithm, &SecretKey::new(secret.clone()))
    }

    /// Reads a JWK ([RFC 7517 section 4](https://www.rfc-editor.org/rfc/rfc7517#section-4)) of the type
    /// `RSA`, `EC`, `OKP` or `oct` with its `alg`, `kid`, `use` and `key_ops`. Without `alg` an `RSA` key
    /// checks RS256, an `oct` key HS256, and each other key what its curve is for. Private members of an
    /// asymmetric key are not read.
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the first rule that the key breaks.
    pub fn from_jwk(jwk: &[u8]) -> Result<Self, KeyError> {
        KeyLoader::default().verifying_jwk(jwk)
    }

    /// Reads a public key from one PEM block, `PUBLIC KEY` (SPKI) or `RSA PUBLIC KEY` (PKCS#1), see
    /// [`PublicKey::from_pem`].
    ///
    /// # Errors
    ///
    /// As [`PublicKey::from_pem`] and [`VerifyingKey::new`].
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, KeyError> {
        Self::new(algorithm, &PublicKey::from_pem(pem)?)
    }

    /// Reads a public key from DER, SPKI or PKCS#1, see [`PublicKey::from_der`].
    ///
    /// # Errors
    ///
    /// As [`PublicKey::from_der`] and [`VerifyingKey::new`].
    pub fn from_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        Self::new(algorithm, &PublicKey::from_der(der)?)
    }

    /// Returns the same key under a key id.
    #[must_use]
    pub fn with_key_id(self, key_id: impl Into<String>) -> Self {
        Self { key_id: Some(Arc::from(key_id.into())), ..self }
    }

    /// Returns the one algorithm of the key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.prepared.algorithm
    }

    /// Returns the key id, `kid`.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Returns the public key; a symmetric key has none.
    #[must_use]
    pub fn public_key(&self) -> Option<&PublicKey> {
        self.prepared.public.as_ref()
    }

    /// Returns the SHA-256 thumbprint in base64url
    /// ([RFC 7638 section 3](https://www.rfc-editor.org/rfc/rfc7638#section-3)).
    ///
    /// A symmetric key has none: its thumbprint would help to guess it
    /// ([RFC 7638 section 7](https://www.rfc-editor.org/rfc/rfc7638#section-7)).
    #[must_use]
    pub fn thumbprint(&self) -> Option<String> {
        self.public_key().map(PublicKey::thumbprint)
    }

    pub(crate) fn identity(&self) -> Option<KeyIdentity> {
        self.prepared.identity
    }

    pub(crate) fn shared_key_id(&self) -> Option<Arc<str>> {
        self.key_id.clone()
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.prepared.verify.verify(message, signature).is_ok()
    }

    pub(crate) fn prepared(algorithm: Algorithm, public: Option<PublicKey>, verify: Box<dyn Verify>) -> Self {
        let identity = public.as_ref().map(|public| KeyIdentity::new(algorithm, &public.thumbprint()));
        Self { key_id: None, prepared: Arc::new(Prepared { algorithm, public, identity, verify }) }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}
