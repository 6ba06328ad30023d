//! How clients are registered to prove who they are.

use core::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How a client proves who it is; the registered method is the only one accepted
/// ([RFC 7591 section 2](https://www.rfc-editor.org/rfc/rfc7591#section-2), `token_endpoint_auth_method`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// A public client: it names itself and proves nothing.
    None,
    /// `client_secret_basic`.
    SecretBasic(SecretDigest),
    /// `client_secret_post`.
    SecretPost(SecretDigest),
}

/// The SHA-256 digest of a client secret, which is what a store keeps.
///
/// It is meant for secrets that a machine made, of 128 random bits or more: those cannot be guessed
/// from the digest. A password that a person chose needs a slow hash instead.
#[derive(Clone)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// Digests a secret.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Takes up a digest that a store kept.
    #[must_use]
    pub const fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Returns the digest, as a store keeps it.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares with a presented secret. The empty secret is none, also where a host digested one.
    pub(crate) fn is_of(&self, secret: &str) -> bool {
        bool::from(self.0.ct_eq(&Self::of(secret).0)) && !secret.is_empty()
    }
}

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretDigest {}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest")
    }
}
