//! The keys that check a client's assertions.

use alloc::vec::Vec;
use core::fmt;

use grantry_core::{SecretBytes, SecretString};
use grantry_jwt::{Algorithm, Header, JwkSet, KeyError, KeyType, VerifyError, VerifyingKey};

use crate::client_authentication::SecretDigest;

/// The public keys of a client that signs its assertions: the registered `jwks`
/// ([RFC 7591 section 2](https://www.rfc-editor.org/rfc/rfc7591#section-2)).
///
/// A key works with one algorithm. Where `jwks` names none for an RSA key, read it with a
/// [`KeyLoader`](grantry_jwt::KeyLoader) that is told the registered `token_endpoint_auth_signing_alg`. A host
/// that follows a `jwks_uri` hands in, with the client, the keys that it has at the moment; an assertion by a
/// newer key is refused for [`VerifyError::UnknownKey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionKeys(Keys);

impl AssertionKeys {
    /// Takes up the public keys of a set.
    ///
    /// # Errors
    ///
    /// [`KeyError::SymmetricKeyInPublicSet`] when a key of the set is a shared secret.
    pub fn new(keys: &JwkSet) -> Result<Self, KeyError> {
        let keys = keys.keys().to_vec();
        // RFC 8725 section 3.1: what anyone can read in a key set keys no HMAC.
        if keys.iter().any(|key| key.algorithm().key_type() == KeyType::Secret) {
            return Err(KeyError::SymmetricKeyInPublicSet);
        }
        Ok(Self(Keys::new(keys)))
    }

    /// Sets the algorithms that the client may sign with: the registered `token_endpoint_auth_signing_alg`
    /// ([OpenID Connect Registration section 2](https://openid.net/specs/openid-connect-registration-1_0.html#ClientMetadata)).
    /// All that its keys have, by default.
    #[must_use]
    pub fn with_algorithms(self, algorithms: &[Algorithm]) -> Self {
        Self(self.0.with_algorithms(algorithms))
    }

    pub(crate) fn find(&self, header: &Header) -> Result<&VerifyingKey, VerifyError> {
        self.0.find(header)
    }

    pub(crate) fn keys(&self) -> &[VerifyingKey] {
        &self.0.keys
    }

    pub(crate) fn algorithms(&self) -> &[Algorithm] {
        &self.0.algorithms
    }
}

/// The secret that a client keys its assertions with: for HS256, HS384 and HS512, as far as it is long
/// enough ([RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
///
/// It makes assertions as well as it checks them, so a store that keeps it keeps a credential.
#[derive(Clone)]
pub struct AssertionSecret {
    keys: Keys,
    digest: SecretDigest,
}

impl AssertionSecret {
    /// Prepares the octets of a `client_secret`
    /// ([OpenID Connect Core section 10.1](https://openid.net/specs/openid-connect-core-1_0.html#Signing)).
    ///
    /// # Errors
    ///
    /// [`KeyError::SecretTooShort`] below 32 bytes.
    pub fn new(secret: &SecretString) -> Result<Self, KeyError> {
        let octets = SecretBytes::from(secret.expose().as_bytes().to_vec());
        let shortest = VerifyingKey::from_secret(Algorithm::Hs256, &octets)?;
        let longer = [Algorithm::Hs384, Algorithm::Hs512];
        let longer =
            longer.iter().filter_map(|algorithm| VerifyingKey::from_secret(*algorithm, &octets).ok());
        let keys = Keys::new(core::iter::once(shortest).chain(longer).collect());
        Ok(Self { keys, digest: SecretDigest::of(secret.expose()) })
    }

    /// Sets the algorithms that the client may use: the registered `token_endpoint_auth_signing_alg`
    /// ([OpenID Connect Registration section 2](https://openid.net/specs/openid-connect-registration-1_0.html#ClientMetadata)).
    /// All for which the secret is long enough, by default.
    #[must_use]
    pub fn with_algorithms(self, algorithms: &[Algorithm]) -> Self {
        Self { keys: self.keys.with_algorithms(algorithms), ..self }
    }

    pub(crate) fn find(&self, header: &Header) -> Result<&VerifyingKey, VerifyError> {
        self.keys.find(header)
    }
}

/// Compares the secrets, in constant time, and the algorithms.
impl PartialEq for AssertionSecret {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.keys == other.keys
    }
}

impl Eq for AssertionSecret {}

impl fmt::Debug for AssertionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AssertionSecret")
    }
}

#[derive(Clone, Debug)]
struct Keys {
    keys: Vec<VerifyingKey>,
    algorithms: Vec<Algorithm>,
}

impl Keys {
    fn new(keys: Vec<VerifyingKey>) -> Self {
        Self { keys, algorithms: Algorithm::ALL.to_vec() }
    }

    fn with_algorithms(self, algorithms: &[Algorithm]) -> Self {
        Self { algorithms: algorithms.to_vec(), ..self }
    }

    /// Finds the one key that may have signed, so that an assertion costs one verification. Where several
    /// could have, the header has to name one
    /// ([OpenID Connect Core section 10.1](https://openid.net/specs/openid-connect-core-1_0.html#Signing)).
    fn find(&self, header: &Header) -> Result<&VerifyingKey, VerifyError> {
        let algorithm = header.algorithm();
        if !self.algorithms.contains(&algorithm) {
            return Err(VerifyError::AlgorithmNotAllowed);
        }
        let is_named = |key: &&VerifyingKey| match (header.key_id(), key.key_id()) {
            (Some(wanted), Some(key_id)) => wanted == key_id,
            (None, _) | (Some(_), None) => true,
        };
        let mut named = self.keys.iter().filter(is_named).peekable();
        if named.peek().is_none() {
            return Err(VerifyError::UnknownKey);
        }
        // RFC 8725 section 3.1: a key works with one algorithm.
        let mut fitting = named.filter(|key| key.algorithm() == algorithm);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(VerifyError::AmbiguousKey),
            (None, _) => Err(VerifyError::AlgorithmMismatch),
        }
    }
}

/// Compares what can be seen of the keys: a shared secret cannot.
impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        let same = |(one, other): (&VerifyingKey, &VerifyingKey)| {
            one.algorithm() == other.algorithm()
                && one.key_id() == other.key_id()
                && one.public_key() == other.public_key()
        };
        self.algorithms == other.algorithms
            && self.keys.len() == other.keys.len()
            && self.keys.iter().zip(&other.keys).all(same)
    }
}

impl Eq for Keys {}
