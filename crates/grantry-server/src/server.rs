//! One issuer: its name, keys, endpoints and policy.

use alloc::{format, string::String, sync::Arc, vec, vec::Vec};
use core::fmt;

use grantry_core::Issuer;
use grantry_jwt::{Algorithm, JwkSet, SigningKey};

use crate::handle::{HandleKey, HandleRing};
use crate::policy::Policy;

/// An authorization server: the immutable configuration of one issuer.
///
/// It holds no connection and no state, and a clone is one reference more. Every endpoint is a method
/// that makes an operation from a request; an operation keeps the server that it began with. To change
/// keys or policy while running, make another server, from scratch or from a clone, and swap it.
#[derive(Clone)]
pub struct Server {
    pub(crate) config: Arc<Config>,
}

/// What a server is made of.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) issuer: Issuer,
    pub(crate) endpoints: Endpoints,
    pub(crate) policy: Policy,
    pub(crate) handles: HandleRing,
    pub(crate) signing_key: SigningKey,
    pub(crate) jwk_set: JwkSet,
    handle_keys: Vec<HandleKey>,
    older_signing_keys: Vec<SigningKey>,
}

impl Server {
    /// Makes a server with the default policy and endpoints below its issuer.
    ///
    /// # Errors
    ///
    /// [`ServerError`] when the signing key is symmetric or has no key id.
    pub fn new(issuer: Issuer, signing_key: SigningKey, handle_key: HandleKey) -> Result<Self, ServerError> {
        check_signing_key(&signing_key)?;
        let handle_keys = vec![handle_key];
        let config = Config {
            endpoints: Endpoints::below(&issuer),
            policy: Policy::default(),
            handles: HandleRing::new(&issuer, &handle_keys),
            jwk_set: JwkSet::from_keys([signing_key.verifying_key()]),
            signing_key,
            issuer,
            handle_keys,
            older_signing_keys: Vec::new(),
        };
        Ok(Self { config: Arc::new(config) })
    }

    /// Sets the policy.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        Arc::make_mut(&mut self.config).policy = policy;
        self
    }

    /// Sets the URLs that the metadata announces.
    #[must_use]
    pub fn with_endpoints(mut self, endpoints: Endpoints) -> Self {
        Arc::make_mut(&mut self.config).endpoints = endpoints;
        self
    }

    /// Adds a handle key that makes nothing new and still opens what it made.
    ///
    /// # Errors
    ///
    /// [`ServerError::RepeatedKeyId`] when a key of the server has the same id.
    pub fn with_older_handle_key(mut self, key: HandleKey) -> Result<Self, ServerError> {
        let config = Arc::make_mut(&mut self.config);
        if config.handle_keys.iter().any(|other| other.id() == key.id()) {
            return Err(ServerError::RepeatedKeyId);
        }
        config.handle_keys.push(key);
        config.handles = HandleRing::new(&config.issuer, &config.handle_keys);
        Ok(self)
    }

    /// Adds a signing key that signs nothing new and stays in the JWK set.
    ///
    /// # Errors
    ///
    /// [`ServerError`] when the key is symmetric, has no key id, or repeats one.
    pub fn with_older_signing_key(mut self, key: SigningKey) -> Result<Self, ServerError> {
        check_signing_key(&key)?;
        let config = Arc::make_mut(&mut self.config);
        if config.signing_keys().any(|other| other.key_id() == key.key_id()) {
            return Err(ServerError::RepeatedKeyId);
        }
        config.older_signing_keys.push(key);
        config.jwk_set = JwkSet::from_keys(config.signing_keys().map(SigningKey::verifying_key));
        Ok(self)
    }

    /// Returns the issuer.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.config.issuer
    }

    /// Returns the public keys of the server.
    #[must_use]
    pub fn jwk_set(&self) -> &JwkSet {
        &self.config.jwk_set
    }

    pub(crate) fn audience(&self) -> &str {
        self.config.policy.audience.as_deref().unwrap_or(self.config.issuer.as_str())
    }
}

impl Config {
    fn signing_keys(&self) -> impl Iterator<Item = &SigningKey> {
        core::iter::once(&self.signing_key).chain(&self.older_signing_keys)
    }
}

fn check_signing_key(key: &SigningKey) -> Result<(), ServerError> {
    if key.algorithm() != Algorithm::Rs256 {
        return Err(ServerError::NotPublishable);
    }
    key.key_id().map(|_| ()).ok_or(ServerError::NoKeyId)
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("issuer", &self.config.issuer)
            .field("endpoints", &self.config.endpoints)
            .field("policy", &self.config.policy)
            .finish_non_exhaustive()
    }
}

/// The URLs of a server's endpoints. `None` hides an endpoint from the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoints {
    /// Where people are sent ([RFC 6749 section 3.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.1)).
    pub authorization: String,
    /// Where clients get tokens ([RFC 6749 section 3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)).
    pub token: String,
    /// Where the public keys are ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
    pub jwks: String,
    /// Where tokens are revoked ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).
    pub revocation: Option<String>,
    /// Where tokens are looked up ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
    pub introspection: Option<String>,
}

impl Endpoints {
    /// Makes URLs below an issuer: `/authorize`, `/token`, `/jwks`, `/revoke` and `/introspect`.
    #[must_use]
    pub fn below(issuer: &Issuer) -> Self {
        let base = issuer.as_str().trim_end_matches('/');
        Self {
            authorization: format!("{base}/authorize"),
            token: format!("{base}/token"),
            jwks: format!("{base}/jwks"),
            revocation: Some(format!("{base}/revoke")),
            introspection: Some(format!("{base}/introspect")),
        }
    }
}

/// Why a server cannot be configured so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Clients check ID tokens with RS256 by default, and a symmetric key cannot be published.
    #[error("the signing key is not an RS256 key (OpenID Connect Core section 15.1)")]
    NotPublishable,
    /// Without a key id, verifiers cannot follow a rotation.
    #[error("the signing key has no key id (OpenID Connect Core section 10.1)")]
    NoKeyId,
    /// Two keys with one id.
    #[error("two keys have the same id")]
    RepeatedKeyId,
}
