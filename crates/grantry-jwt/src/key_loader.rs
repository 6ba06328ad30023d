//! From the numbers of a key to one that signs or verifies.

use alloc::sync::Arc;

use crate::jwk::Jwk;
use crate::{
    Algorithm, Backend, JwkSet, JwkSetError, KeyError, KeyType, PrivateKey, PublicKey, Ring, SecretKey,
    SigningKey, VerifyingKey,
};

/// Makes keys with a backend, once for many uses.
///
/// [`KeyLoader::default`] is what [`SigningKey`], [`VerifyingKey`] and [`JwkSet`] use by themselves:
/// [`Ring`], RS256 for RSA keys that name no algorithm and HS256 for such secrets.
///
/// ```
/// use grantry_jwt::{Algorithm, KeyLoader, Ring};
///
/// let loader = KeyLoader::new(Ring);
/// // What is stored, and never seen again by Debug or an error.
/// let private = loader.generate(Algorithm::EdDsa)?;
/// let key = loader.private(Algorithm::EdDsa, &private)?.with_thumbprint_key_id();
/// assert!(key.sign(Some("JWT"), b"{}").is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeyLoader {
    backend: Arc<dyn Backend>,
    unnamed_secret: Algorithm,
    unnamed_rsa: Algorithm,
}

impl KeyLoader {
    /// Makes a loader over a backend.
    #[must_use]
    pub fn new(backend: impl Backend + 'static) -> Self {
        Self {
            backend: Arc::new(backend),
            unnamed_secret: KeyType::Secret.default_algorithm(),
            unnamed_rsa: KeyType::Rsa.default_algorithm(),
        }
    }

    /// Sets the one algorithm of JWKs of its key type that name none: a key works with one algorithm
    /// ([RFC 8725 section 3.1](https://www.rfc-editor.org/rfc/rfc8725#section-3.1)). An elliptic key has
    /// no choice, so an algorithm of that kind changes nothing.
    #[must_use]
    pub fn with_algorithm_of_unnamed(mut self, algorithm: Algorithm) -> Self {
        match algorithm.key_type() {
            KeyType::Secret => self.unnamed_secret = algorithm,
            KeyType::Rsa => self.unnamed_rsa = algorithm,
            KeyType::Ec(_) | KeyType::Ed25519 => {}
        }
        self
    }

    /// Prepares a public key.
    ///
    /// # Errors
    ///
    /// [`KeyError::UnsupportedAlgorithm`] when the algorithm does not fit the key, and as
    /// [`Backend::prepare_public`].
    pub fn public(&self, algorithm: Algorithm, key: &PublicKey) -> Result<VerifyingKey, KeyError> {
        fits(algorithm, key.key_type())?;
        let prepared = self.backend.prepare_public(algorithm, key)?;
        Ok(VerifyingKey::prepared(algorithm, Some(key.clone()), prepared))
    }

    /// Prepares a shared secret, which verifies and is never published.
    ///
    /// # Errors
    ///
    /// [`KeyError::SecretTooShort`] for a secret shorter than the digest
    /// ([RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)),
    /// [`KeyError::UnsupportedAlgorithm`] for an algorithm other than HMAC, and as
    /// [`Backend::prepare_secret`].
    pub fn secret(&self, algorithm: Algorithm, key: &SecretKey) -> Result<VerifyingKey, KeyError> {
        fits(algorithm, KeyType::Secret)?;
        long_enough(algorithm, key)?;
        let prepared = self.backend.prepare_secret(algorithm, key)?;
        Ok(VerifyingKey::prepared(algorithm, None, prepared))
    }

    /// Prepares a private key or a shared secret that signs, and the key that verifies beside it.
    ///
    /// # Errors
    ///
    /// As [`KeyLoader::public`] and [`KeyLoader::secret`]; [`KeyError::Inconsistent`] when the halves of
    /// the key contradict each other.
    pub fn private(&self, algorithm: Algorithm, key: &PrivateKey) -> Result<SigningKey, KeyError> {
        fits(algorithm, key.key_type())?;
        if let PrivateKey::Secret(secret) = key {
            let verifying_key = self.secret(algorithm, secret)?;
            return Ok(SigningKey::prepared(verifying_key, self.backend.prepare_private(algorithm, key)?));
        }
        let key = self.backend.complete(key)?;
        let public = key.public_key().ok_or(KeyError::MissingMember)?;
        let verifying_key = self.public(algorithm, &public)?;
        Ok(SigningKey::prepared(verifying_key, self.backend.prepare_private(algorithm, &key)?))
    }

    /// Reads a JWK that verifies, see [`VerifyingKey::from_jwk`].
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the first rule that the key breaks.
    pub fn verifying_jwk(&self, jwk: &[u8]) -> Result<VerifyingKey, KeyError> {
        let jwk = Jwk::parse(jwk)?;
        jwk.check_purpose("verify")?;
        if !jwk.is_secret()? {
            return self.public_members(&jwk);
        }
        let secret = SecretKey::from_members(&jwk)?;
        named(self.secret(self.algorithm(&jwk, KeyType::Secret)?, &secret)?, &jwk)
    }

    /// Reads a JWK that signs, see [`SigningKey::from_jwk`].
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the first rule that the key breaks.
    pub fn signing_jwk(&self, jwk: &[u8]) -> Result<SigningKey, KeyError> {
        let jwk = Jwk::parse(jwk)?;
        jwk.check_purpose("sign")?;
        let key = PrivateKey::from_members(&jwk)?;
        let key = self.private(self.algorithm(&jwk, key.key_type())?, &key)?;
        Ok(match jwk.key_id()? {
            Some(key_id) => key.with_key_id(key_id),
            None => key,
        })
    }

    /// Reads the key set of an issuer, see [`JwkSet::parse`].
    ///
    /// # Errors
    ///
    /// [`JwkSetError`] when the document as a whole is not a JWK set or passes a limit.
    pub fn jwk_set(&self, document: &[u8]) -> Result<JwkSet, JwkSetError> {
        JwkSet::read(document, self)
    }

    /// Generates a key, see [`Backend::generate`]. [`Ring`] makes secrets and keys for ES256, ES384 and
    /// EdDSA; the crate `grantry-aws-lc` has a backend that makes every kind.
    ///
    /// # Errors
    ///
    /// As [`Backend::generate`].
    pub fn generate(&self, algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
        self.backend.generate(algorithm)
    }

    /// Reads a key of a public document, where a symmetric key has no place
    /// ([RFC 7517 section 9.2](https://www.rfc-editor.org/rfc/rfc7517#section-9.2)).
    pub(crate) fn published_jwk(&self, jwk: &Jwk<'_>) -> Result<VerifyingKey, KeyError> {
        if jwk.is_secret()? {
            return Err(KeyError::SymmetricKeyInPublicSet);
        }
        jwk.check_purpose("verify")?;
        self.public_members(jwk)
    }

    fn public_members(&self, jwk: &Jwk<'_>) -> Result<VerifyingKey, KeyError> {
        let key = PublicKey::from_members(jwk)?;
        named(self.public(self.algorithm(jwk, key.key_type())?, &key)?, jwk)
    }

    /// Returns the one algorithm of a key: `alg`, or else the one of its type.
    fn algorithm(&self, jwk: &Jwk<'_>, key_type: KeyType) -> Result<Algorithm, KeyError> {
        match (jwk.algorithm()?, key_type) {
            (Some(algorithm), _) => Ok(algorithm),
            (None, KeyType::Secret) => Ok(self.unnamed_secret),
            (None, KeyType::Rsa) => Ok(self.unnamed_rsa),
            (None, KeyType::Ec(_) | KeyType::Ed25519) => Ok(key_type.default_algorithm()),
        }
    }
}

impl Default for KeyLoader {
    fn default() -> Self {
        Self::new(Ring)
    }
}

/// RFC 7518 section 3.1: each algorithm has its type of key, ECDSA also its curve.
fn fits(algorithm: Algorithm, key_type: KeyType) -> Result<(), KeyError> {
    if algorithm.key_type() == key_type { Ok(()) } else { Err(KeyError::UnsupportedAlgorithm) }
}

/// RFC 7518 section 3.2: a key as long as the digest or longer.
fn long_enough(algorithm: Algorithm, key: &SecretKey) -> Result<(), KeyError> {
    if key.expose().len() < algorithm.digest_len() { Err(KeyError::SecretTooShort) } else { Ok(()) }
}

fn named(key: VerifyingKey, jwk: &Jwk<'_>) -> Result<VerifyingKey, KeyError> {
    Ok(match jwk.key_id()? {
        Some(key_id) => key.with_key_id(key_id),
        None => key,
    })
}
