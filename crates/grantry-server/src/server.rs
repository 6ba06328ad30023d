//! One issuer: its name, keys, endpoints and policy.

use alloc::{format, string::String, sync::Arc, vec, vec::Vec};
use core::fmt;

use grantry_core::Issuer;
use grantry_jwt::{Algorithm, JwkSet, KeyLoader, KeyRing};

use crate::client::GrantType;
use crate::decoy_keys::DecoyKeys;
use crate::grant::Grant;
use crate::handle::{HandleKey, HandleRing};
use crate::policy::{Policy, RetiredGrant};
use crate::signing::{IssuerKey, Keys};

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
    pub(crate) keys: Keys,
    pub(crate) decoy_keys: DecoyKeys,
    handle_keys: Vec<HandleKey>,
}

impl Server {
    /// Makes a server with the default policy and endpoints below its issuer.
    ///
    /// The signing key is a [`SigningKey`](grantry_jwt::SigningKey), or the
    /// [`VerifyingKey`](grantry_jwt::VerifyingKey) of one outside of the process: see [`IssuerKey`].
    ///
    /// # Errors
    ///
    /// [`ServerError`] when the signing key is symmetric or has no key id.
    pub fn new(
        issuer: Issuer,
        signing_key: impl Into<IssuerKey>,
        handle_key: HandleKey,
    ) -> Result<Self, ServerError> {
        let handle_keys = vec![handle_key];
        let config = Config {
            endpoints: Endpoints::below(&issuer),
            policy: Policy::default(),
            handles: HandleRing::new(&issuer, &handle_keys),
            keys: Keys::one(signing_key.into())?,
            decoy_keys: DecoyKeys::prepare(&KeyLoader::default()),
            issuer,
            handle_keys,
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
    pub fn with_older_signing_key(mut self, key: impl Into<IssuerKey>) -> Result<Self, ServerError> {
        let config = Arc::make_mut(&mut self.config);
        config.keys = config.keys.with_older(key.into())?;
        Ok(self)
    }

    /// Signs with the keys of a ring, each in its time, in place of all other signing keys.
    ///
    /// Tokens of the keys that a server had before are taken as long as the ring has those too: begin it with
    /// [`RingKey::external`](grantry_jwt::RingKey::external) of each, and the key that signs behind them. Its policy's
    /// token lifetime is at least the longest of the server's, or a key leaves before its last token.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotPublishable`] when the ring has no key of the algorithm, or a symmetric one of any.
    pub fn with_key_ring(mut self, ring: KeyRing, algorithm: Algorithm) -> Result<Self, ServerError> {
        Arc::make_mut(&mut self.config).keys = Keys::of_ring(ring, algorithm)?;
        Ok(self)
    }

    /// Returns the issuer.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.config.issuer
    }

    /// Returns the public keys that the server takes its own tokens by.
    #[must_use]
    pub fn jwk_set(&self) -> &JwkSet {
        self.config.keys.jwk_set()
    }

    /// The same server, of which no key signs inside of a decision.
    pub(crate) fn paused(&self) -> Self {
        let mut server = self.clone();
        let config = Arc::make_mut(&mut server.config);
        config.keys = config.keys.paused();
        server
    }

    /// Whom access tokens are for that name no resource.
    pub(crate) fn default_resource(&self) -> &str {
        let first = self.config.policy.resources.first();
        first.map_or(self.config.issuer.as_str(), String::as_str)
    }

    /// Tells whether the policy has ended a grant because of when it was made.
    pub(crate) fn has_ended(&self, grant: &Grant) -> bool {
        self.config.policy.has_ended(&grant.terms.client_id, grant.terms.created_at)
    }

    /// Tells whether the server has a grant at all.
    pub(crate) fn serves(&self, grant_type: GrantType) -> bool {
        let Config { endpoints, policy, .. } = &*self.config;
        match grant_type {
            GrantType::AuthorizationCode | GrantType::RefreshToken | GrantType::ClientCredentials => true,
            GrantType::DeviceCode => {
                endpoints.device_authorization.is_some() && endpoints.verification.is_some()
            }
            GrantType::Implicit => policy.implicit_grant == RetiredGrant::Served,
            GrantType::Password => policy.password_grant == RetiredGrant::Served,
        }
    }
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
    /// Where clients push requests ([RFC 9126](https://www.rfc-editor.org/rfc/rfc9126)).
    pub pushed_authorization_request: Option<String>,
    /// Where devices begin ([RFC 8628 section 3.1](https://www.rfc-editor.org/rfc/rfc8628#section-3.1)). The device
    /// grant is served when this and `verification` are set.
    pub device_authorization: Option<String>,
    /// The page where people type user codes
    /// ([RFC 8628 section 3.3](https://www.rfc-editor.org/rfc/rfc8628#section-3.3)).
    pub verification: Option<String>,
    /// Where clients learn who the person is
    /// ([OpenID Connect Core section 5.3](https://openid.net/specs/openid-connect-core-1_0.html#UserInfo)).
    pub userinfo: Option<String>,
    /// Where people are sent to log out
    /// ([OpenID Connect RP-Initiated Logout section 2](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout)).
    pub end_session: Option<String>,
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
            pushed_authorization_request: None,
            device_authorization: None,
            verification: None,
            userinfo: None,
            end_session: None,
        }
    }

    /// Makes URLs below an issuer for every endpoint: those of [`Endpoints::below`], `/par`,
    /// `/device_authorization`, `/device`, `/userinfo` and `/logout`.
    #[must_use]
    pub fn all_below(issuer: &Issuer) -> Self {
        let base = issuer.as_str().trim_end_matches('/');
        Self {
            pushed_authorization_request: Some(format!("{base}/par")),
            device_authorization: Some(format!("{base}/device_authorization")),
            verification: Some(format!("{base}/device")),
            userinfo: Some(format!("{base}/userinfo")),
            end_session: Some(format!("{base}/logout")),
            ..Self::below(issuer)
        }
    }
}

/// Why a server cannot be configured so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A symmetric key cannot be published, and a ring needs a key of the algorithm.
    #[error("the signing key is not an asymmetric one of the algorithm (OpenID Connect Core section 10.1)")]
    NotPublishable,
    /// Without a key id, verifiers cannot follow a rotation.
    #[error("the signing key has no key id (OpenID Connect Core section 10.1)")]
    NoKeyId,
    /// Two keys with one id.
    #[error("two keys have the same id")]
    RepeatedKeyId,
    /// A key ring has its older keys in itself.
    #[error("the older keys of a key ring are in the ring")]
    RingKeepsKeys,
}
