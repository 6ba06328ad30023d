//! One key of a ring, held here or elsewhere.

use alloc::{string::String, sync::Arc};
use core::fmt;

use crate::{Algorithm, KeyError, KeyLoader, PrivateKey, SigningKey, VerifyingKey};

/// A key for a [`KeyRing`](super::KeyRing), cheap to clone.
///
/// `Debug` shows the algorithm, the key id and where the key is held.
#[derive(Clone)]
pub struct RingKey {
    verifying_key: VerifyingKey,
    held: Held,
}

#[derive(Clone)]
pub(super) enum Held {
    Here { private_key: Arc<PrivateKey>, signing_key: SigningKey },
    Elsewhere,
}

impl RingKey {
    /// Generates a key that is held here, as [`RingKey::local`] with [`KeyLoader::generate`].
    ///
    /// # Errors
    ///
    /// As [`KeyLoader::generate`].
    pub fn generate(loader: &KeyLoader, algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::local(loader, algorithm, loader.generate(algorithm)?)
    }

    /// Prepares a key that is held here, and stored with the ring. Its key id is its thumbprint
    /// ([RFC 7638 section 3](https://www.rfc-editor.org/rfc/rfc7638#section-3)); a symmetric key has none and
    /// needs [`RingKey::with_key_id`].
    ///
    /// # Errors
    ///
    /// As [`KeyLoader::private`].
    pub fn local(
        loader: &KeyLoader,
        algorithm: Algorithm,
        private_key: PrivateKey,
    ) -> Result<Self, KeyError> {
        let signing_key = loader.private(algorithm, &private_key)?.with_thumbprint_key_id();
        let verifying_key = signing_key.verifying_key();
        // What is stored names its public half.
        let private_key = match verifying_key.public_key() {
            Some(public_key) => private_key.with_public(public_key.clone())?,
            None => private_key,
        };
        Ok(Self { verifying_key, held: Held::Here { private_key: Arc::new(private_key), signing_key } })
    }

    /// Takes a key that another machine holds: a KMS, an HSM, an agent. The ring says when it signs, and the
    /// host has it sign. Its key id is the one of the verifying key, or else its thumbprint.
    ///
    /// # Errors
    ///
    /// [`KeyError::UnsupportedKeyType`] for a symmetric key, which is here once it verifies here.
    pub fn external(verifying_key: VerifyingKey) -> Result<Self, KeyError> {
        let thumbprint = verifying_key.thumbprint().ok_or(KeyError::UnsupportedKeyType)?;
        let verifying_key = match verifying_key.key_id() {
            Some(_) => verifying_key,
            None => verifying_key.with_key_id(thumbprint),
        };
        Ok(Self { verifying_key, held: Held::Elsewhere })
    }

    /// Returns the same key under a key id.
    #[must_use]
    pub fn with_key_id(self, key_id: impl Into<String>) -> Self {
        let verifying_key = self.verifying_key.with_key_id(key_id);
        let held = match (self.held, verifying_key.key_id()) {
            (Held::Here { private_key, signing_key }, Some(key_id)) => {
                Held::Here { private_key, signing_key: signing_key.with_key_id(key_id) }
            }
            (held, _) => held,
        };
        Self { verifying_key, held }
    }

    /// Returns the one algorithm of the key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.verifying_key.algorithm()
    }

    /// Returns the key id, `kid`. Every key of a ring has one.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.verifying_key.key_id()
    }

    /// Returns the key that verifies.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    /// Returns the key that signs; `None` for one that is held elsewhere, for which
    /// [`SigningInput`](crate::SigningInput) is made.
    #[must_use]
    pub const fn signing_key(&self) -> Option<&SigningKey> {
        match &self.held {
            Held::Here { signing_key, .. } => Some(signing_key),
            Held::Elsewhere => None,
        }
    }

    pub(super) const fn held(&self) -> &Held {
        &self.held
    }
}

impl fmt::Debug for RingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = match self.held {
            Held::Here { .. } => "here",
            Held::Elsewhere => "elsewhere",
        };
        f.debug_struct("RingKey")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id())
            .field("held", &held)
            .finish()
    }
}
