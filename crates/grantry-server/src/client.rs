//! A client's registration.

mod record;

use alloc::{collections::BTreeSet, string::String, vec::Vec};
use core::time::Duration;

use grantry_core::{ClientId, Scope};

use crate::client_authentication::ClientAuthentication;
use crate::redirect_uri::{ApplicationType, RedirectUri};

pub use record::ClientRecordError;
pub(crate) use record::{AuthenticationForm, ClientForm, DigestForm};

/// What the server knows of one client
/// ([RFC 7591 section 2](https://www.rfc-editor.org/rfc/rfc7591#section-2)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    id: ClientId,
    name: String,
    authentication: ClientAuthentication,
    application_type: ApplicationType,
    redirect_uris: Vec<RedirectUri>,
    post_logout_redirect_uris: Vec<RedirectUri>,
    id_token_audiences: Vec<String>,
    claims: BTreeSet<String>,
    grant_types: BTreeSet<GrantType>,
    scope: Scope,
    default_scope: Scope,
    introspection: IntrospectionRight,
    access_token_lifetime: Option<Duration>,
    refresh_token_lifetime: Option<Duration>,
    pushed_requests: PushedRequests,
}

/// Whether a client has to push its authorization requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PushedRequests {
    Welcome,
    Required,
}

impl Client {
    /// How many characters of a client's name are shown: a name, not a text.
    pub const MAX_NAME_CHARACTERS: usize = 100;

    /// Makes a client that may use the authorization code and refresh token grants, with no redirect
    /// URI and the empty scope yet.
    #[must_use]
    pub fn new(id: ClientId, authentication: ClientAuthentication) -> Self {
        Self {
            name: String::from(id.as_str()),
            id,
            authentication,
            application_type: ApplicationType::Web,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            id_token_audiences: Vec::new(),
            claims: BTreeSet::new(),
            grant_types: [GrantType::AuthorizationCode, GrantType::RefreshToken].into(),
            scope: Scope::empty(),
            default_scope: Scope::empty(),
            introspection: IntrospectionRight::Own,
            access_token_lifetime: None,
            refresh_token_lifetime: None,
            pushed_requests: PushedRequests::Welcome,
        }
    }

    /// Sets how the client proves who it is: for a host that compares slow hashes in its read, see
    /// [`SecretDigest`](crate::SecretDigest).
    #[must_use]
    pub fn with_authentication(mut self, authentication: ClientAuthentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Sets the name that people read on the consent page, which shows
    /// [`MAX_NAME_CHARACTERS`](Self::MAX_NAME_CHARACTERS) of it.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Says that the client is a native application, whose loopback redirect URIs match on any port
    /// ([RFC 8252 section 7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3)).
    #[must_use]
    pub const fn native(mut self) -> Self {
        self.application_type = ApplicationType::Native;
        self
    }

    /// Adds a redirect URI.
    #[must_use]
    pub fn with_redirect_uri(mut self, uri: RedirectUri) -> Self {
        self.redirect_uris.push(uri);
        self
    }

    /// Sets the claims that the client may ask for by name, beside those of the scopes `profile`, `email`,
    /// `address` and `phone` that it may ask for
    /// ([OpenID Connect Core section 5.5](https://openid.net/specs/openid-connect-core-1_0.html#ClaimsParameter)). Any
    /// other is left out.
    #[must_use]
    pub fn with_claims(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.claims = names.into_iter().map(Into::into).collect();
        self
    }

    /// Returns the claims that the client may ask for by name.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        self.claims.iter().map(String::as_str)
    }

    pub(crate) fn may_ask_for_claim(&self, name: &str) -> bool {
        self.claims.contains(name)
    }

    /// Adds a URI to which people may go back after they logged out
    /// ([RP-Initiated Logout section 3.1](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#ClientMetadata)).
    #[must_use]
    pub fn with_post_logout_redirect_uri(mut self, uri: RedirectUri) -> Self {
        self.post_logout_redirect_uris.push(uri);
        self
    }

    /// Adds an audience of the client's ID tokens, a service of the same makers that takes them. `azp` names the
    /// client then, and a client that does not trust the audience refuses the token
    /// ([OpenID Connect Core sections 2 and 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDToken)).
    #[must_use]
    pub fn with_id_token_audience(mut self, audience: impl Into<String>) -> Self {
        self.id_token_audiences.push(audience.into());
        self
    }

    /// Sets the grants that the client may use.
    #[must_use]
    pub fn with_grant_types(mut self, grant_types: impl IntoIterator<Item = GrantType>) -> Self {
        self.grant_types = grant_types.into_iter().collect();
        self
    }

    /// Sets the widest scope that the client may ask for.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Sets the scope of a request that names none. Without one, such a request is `invalid_scope`
    /// ([RFC 6749 section 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).
    #[must_use]
    pub fn with_default_scope(mut self, scope: Scope) -> Self {
        self.default_scope = scope;
        self
    }

    /// Sets which tokens the client may introspect.
    #[must_use]
    pub fn with_introspection(mut self, right: IntrospectionRight) -> Self {
        self.introspection = right;
        self
    }

    /// Sets how long the client's access tokens live, in place of the policy's time.
    #[must_use]
    pub const fn with_access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.access_token_lifetime = Some(lifetime);
        self
    }

    /// Sets how long the client's grants live, in place of the policy's time.
    #[must_use]
    pub const fn with_refresh_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.refresh_token_lifetime = Some(lifetime);
        self
    }

    /// Takes only pushed authorization requests from the client
    /// ([RFC 9126 section 6](https://www.rfc-editor.org/rfc/rfc9126#section-6),
    /// `require_pushed_authorization_requests`).
    #[must_use]
    pub const fn requiring_pushed_requests(mut self) -> Self {
        self.pushed_requests = PushedRequests::Required;
        self
    }

    /// Returns the client identifier.
    #[must_use]
    pub const fn id(&self) -> &ClientId {
        &self.id
    }

    /// Returns the name that people read. Escape it where it is shown.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the widest scope that the client may ask for.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Tells whether the client may use a grant.
    #[must_use]
    pub fn has_grant_type(&self, grant_type: GrantType) -> bool {
        self.grant_types.contains(&grant_type)
    }

    /// Tells whether the client can keep a secret
    /// ([RFC 6749 section 2.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.1)).
    #[must_use]
    pub const fn is_confidential(&self) -> bool {
        !matches!(self.authentication, ClientAuthentication::None)
    }

    /// Returns how the client proves who it is.
    #[must_use]
    pub const fn authentication(&self) -> &ClientAuthentication {
        &self.authentication
    }

    /// Returns what kind of application the client is.
    #[must_use]
    pub const fn application_type(&self) -> ApplicationType {
        self.application_type
    }

    /// Returns the registered redirect URIs.
    #[must_use]
    pub fn redirect_uris(&self) -> &[RedirectUri] {
        &self.redirect_uris
    }

    /// Returns the audiences of the client's ID tokens beside itself.
    #[must_use]
    pub fn id_token_audiences(&self) -> &[String] {
        &self.id_token_audiences
    }

    /// Returns the URIs registered for the way back after a logout.
    #[must_use]
    pub fn post_logout_redirect_uris(&self) -> &[RedirectUri] {
        &self.post_logout_redirect_uris
    }

    /// Tells whether people may go to `requested` after they logged out.
    #[must_use]
    pub fn has_post_logout_redirect_uri(&self, requested: &str) -> bool {
        self.post_logout_redirect_uris.iter().any(|uri| uri.matches(requested, self.application_type))
    }

    /// Returns the grants that the client may use.
    pub fn grant_types(&self) -> impl Iterator<Item = GrantType> {
        self.grant_types.iter().copied()
    }

    /// Returns the scope of a request that names none.
    #[must_use]
    pub const fn default_scope(&self) -> &Scope {
        &self.default_scope
    }

    /// Returns which tokens the client may introspect.
    #[must_use]
    pub const fn introspection(&self) -> &IntrospectionRight {
        &self.introspection
    }

    /// Returns how long the client's access tokens live, where that is not the policy's time.
    #[must_use]
    pub const fn access_token_lifetime(&self) -> Option<Duration> {
        self.access_token_lifetime
    }

    /// Returns how long the client's grants live, where that is not the policy's time.
    #[must_use]
    pub const fn refresh_token_lifetime(&self) -> Option<Duration> {
        self.refresh_token_lifetime
    }

    /// Tells whether the client has to push its authorization requests.
    #[must_use]
    pub const fn requires_pushed_requests(&self) -> bool {
        matches!(self.pushed_requests, PushedRequests::Required)
    }

    /// Finds the redirect URI to use for what a request asks: one that is registered, or the only
    /// registered one when the request names none
    /// ([RFC 6749 section 3.1.2.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2.3)).
    #[must_use]
    pub fn find_redirect_uri<'a>(&'a self, requested: Option<&'a str>) -> Option<&'a str> {
        match (requested, self.redirect_uris.as_slice()) {
            (None, [only]) => Some(only.as_str()),
            (None, _) => None,
            (Some(requested), registered) => {
                let fits = |uri: &RedirectUri| uri.matches(requested, self.application_type);
                registered.iter().any(fits).then_some(requested)
            }
        }
    }
}

/// A grant that a client can be registered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GrantType {
    /// `authorization_code` ([RFC 6749 section 4.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1)).
    AuthorizationCode,
    /// `refresh_token` ([RFC 6749 section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6)).
    RefreshToken,
    /// `client_credentials` ([RFC 6749 section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)).
    ClientCredentials,
    /// `urn:ietf:params:oauth:grant-type:device_code`
    /// ([RFC 8628 section 3.4](https://www.rfc-editor.org/rfc/rfc8628#section-3.4)).
    DeviceCode,
    /// `implicit` ([RFC 6749 section 4.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.2)), served where
    /// [`Policy::danger_with_implicit_grant`](crate::Policy::danger_with_implicit_grant) says so.
    Implicit,
    /// `password` ([RFC 6749 section 4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3)), served where
    /// [`Policy::danger_with_password_grant`](crate::Policy::danger_with_password_grant) says so.
    Password,
}

impl GrantType {
    /// Every grant, in the order of the declaration.
    pub const ALL: &[Self] = &[
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::DeviceCode,
        Self::Implicit,
        Self::Password,
    ];

    /// Returns the value of the parameter `grant_type`, or of the registration's `grant_types`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::Implicit => "implicit",
            Self::Password => "password",
        }
    }

    /// Finds a grant by its text, which is case-sensitive.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|grant_type| grant_type.as_str() == text)
    }
}

/// Which tokens a confidential client may introspect
/// ([RFC 7662 section 4](https://www.rfc-editor.org/rfc/rfc7662#section-4)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IntrospectionRight {
    /// Those issued to itself; every other reads as inactive.
    Own,
    /// Also access tokens for one of these resources: for a resource server.
    AccessTokensFor(BTreeSet<String>),
    /// Also every access token.
    AccessTokens,
}
