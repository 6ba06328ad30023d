//! Keys that check signatures.

use alloc::{string::String, sync::Arc};
use core::fmt;

use grantry_core::SecretBytes;
use ring::hmac;
use serde::Serialize;

use crate::algorithm::{KeyType, Scheme};
use crate::jwk::Jwk;
use crate::rsa::RsaPublicKey;
use crate::{Algorithm, KeyError};

/// A key that checks the signatures of one algorithm, prepared once and cheap to clone.
///
/// `Debug` shows the algorithm and the key id.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    key_id: Option<Arc<str>>,
    material: Arc<Material>,
}

enum Material {
    Hmac(hmac::Key),
    Rsa(RsaPublicKey),
}

impl VerifyingKey {
    /// Reads a JWK ([RFC 7517 section 4](https://www.rfc-editor.org/rfc/rfc7517#section-4)) of the
    /// type `RSA` or `oct` with its `alg`, `kid`, `use` and `key_ops`. Without `alg` an `RSA` key
    /// checks RS256 and an `oct` key HS256. Private members of an RSA key are not read.
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the first rule that the key breaks.
    pub fn from_jwk(jwk: &[u8]) -> Result<Self, KeyError> {
        let jwk = Jwk::parse(jwk)?;
        jwk.check_purpose("verify")?;
        Self::read(&jwk)
    }

    /// Makes an HS256 key from a shared secret of 32 bytes or more
    /// ([RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
    ///
    /// # Errors
    ///
    /// [`KeyError::SecretTooShort`].
    pub fn hs256(secret: &SecretBytes) -> Result<Self, KeyError> {
        let key = hmac_key(hmac::HMAC_SHA256, secret)?;
        Ok(Self::hmac(Algorithm::Hs256, key))
    }

    /// Returns the same key under a key id.
    #[must_use]
    pub fn with_key_id(self, key_id: impl Into<String>) -> Self {
        Self { key_id: Some(Arc::from(key_id.into())), ..self }
    }

    /// Returns the one algorithm of the key.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the key id, `kid`.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Returns the SHA-256 thumbprint in base64url
    /// ([RFC 7638 section 3](https://www.rfc-editor.org/rfc/rfc7638#section-3)).
    ///
    /// A symmetric key has none: its thumbprint would help to guess it
    /// ([RFC 7638 section 7](https://www.rfc-editor.org/rfc/rfc7638#section-7)).
    #[must_use]
    pub fn thumbprint(&self) -> Option<String> {
        match &*self.material {
            Material::Hmac(_) => None,
            Material::Rsa(key) => Some(key.thumbprint()),
        }
    }

    pub(crate) fn shared_key_id(&self) -> Option<Arc<str>> {
        self.key_id.clone()
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &*self.material {
            // Compares in constant time (RFC 7518 section 3.2).
            Material::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Material::Rsa(key) => key.verify(message, signature),
        }
    }

    /// Reads a key of a public document, where a symmetric key has no place
    /// ([RFC 7517 section 9.2](https://www.rfc-editor.org/rfc/rfc7517#section-9.2)).
    pub(crate) fn from_public_jwk(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        if jwk.key_type()? == KeyType::Oct {
            return Err(KeyError::SymmetricKeyInPublicSet);
        }
        jwk.check_purpose("verify")?;
        Self::read(jwk)
    }

    /// Reads the key with its id, whatever its purpose.
    pub(crate) fn read(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        let algorithm = jwk.algorithm()?;
        let key_id = jwk.key_id()?.map(Arc::from);
        let key = match algorithm.scheme() {
            Scheme::Hmac(digest) => Self::hmac(algorithm, hmac_key(digest, &jwk.k.secret()?)?),
            Scheme::Rsa { verification, .. } => {
                Self::rsa(algorithm, RsaPublicKey::new(jwk.n.bytes()?, jwk.e.bytes()?, verification)?)
            }
        };
        Ok(Self { key_id, ..key })
    }

    pub(crate) fn hmac(algorithm: Algorithm, key: hmac::Key) -> Self {
        Self { algorithm, key_id: None, material: Arc::new(Material::Hmac(key)) }
    }

    pub(crate) fn rsa(algorithm: Algorithm, key: RsaPublicKey) -> Self {
        Self { algorithm, key_id: None, material: Arc::new(Material::Rsa(key)) }
    }

    /// Returns what may be published: nothing for a symmetric key.
    pub(crate) fn public_jwk(&self) -> Option<PublicJwk<'_>> {
        match &*self.material {
            Material::Hmac(_) => None,
            Material::Rsa(key) => Some(PublicJwk {
                kty: "RSA",
                purpose: "sig",
                alg: self.algorithm.as_str(),
                kid: self.key_id(),
                n: key.modulus(),
                e: key.exponent(),
            }),
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// The members of a published RSA key.
#[derive(Serialize)]
pub(crate) struct PublicJwk<'a> {
    kty: &'static str,
    #[serde(rename = "use")]
    purpose: &'static str,
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    n: String,
    e: String,
}

pub(crate) fn hmac_key(algorithm: hmac::Algorithm, secret: &SecretBytes) -> Result<hmac::Key, KeyError> {
    if secret.expose().len() < algorithm.digest_algorithm().output_len() {
        return Err(KeyError::SecretTooShort);
    }
    Ok(hmac::Key::new(algorithm, secret.expose()))
}
