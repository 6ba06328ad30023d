//! What a server decides by: lifetimes and choices, no secrets.

use alloc::string::String;
use core::time::Duration;

use grantry_core::Scope;

/// The choices of one server. The default is a strict server with short-lived JWT access tokens.
///
/// Lifetimes are in whole seconds, and exact: no leeway is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(crate) code_lifetime: Duration,
    pub(crate) code_retry: Duration,
    pub(crate) access_token_lifetime: Duration,
    pub(crate) access_token_format: AccessTokenFormat,
    pub(crate) refresh_token_lifetime: Duration,
    pub(crate) refresh_idle_lifetime: Option<Duration>,
    pub(crate) refresh_retry: Duration,
    pub(crate) refresh_tokens: RefreshTokens,
    pub(crate) id_token_lifetime: Duration,
    pub(crate) interaction_lifetime: Duration,
    pub(crate) audience: Option<String>,
    pub(crate) scopes: Scope,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            code_lifetime: Duration::from_secs(60),
            code_retry: Duration::ZERO,
            access_token_lifetime: Duration::from_secs(10 * 60),
            access_token_format: AccessTokenFormat::Jwt,
            refresh_token_lifetime: Duration::from_secs(30 * 24 * 3600),
            refresh_idle_lifetime: None,
            refresh_retry: Duration::ZERO,
            refresh_tokens: RefreshTokens::WhenRegistered,
            id_token_lifetime: Duration::from_secs(10 * 60),
            interaction_lifetime: Duration::from_secs(15 * 60),
            audience: None,
            scopes: Scope::empty(),
        }
    }
}

impl Policy {
    /// Sets how long a code can be redeemed: 60 seconds by default, 10 minutes at most by
    /// [RFC 6749 section 4.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2).
    #[must_use]
    pub const fn with_code_lifetime(mut self, lifetime: Duration) -> Self {
        self.code_lifetime = lifetime;
        self
    }

    /// Sets for how long the same redemption of a code is answered again, for replies that get lost:
    /// off by default. The answer is the same, byte for byte but for
    /// the seconds that are left, while keys, policy and registration stand; a second token set never
    /// exists.
    #[must_use]
    pub const fn with_code_retry(mut self, window: Duration) -> Self {
        self.code_retry = window;
        self
    }

    /// Sets how long an access token lives: 10 minutes by default.
    #[must_use]
    pub const fn with_access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.access_token_lifetime = lifetime;
        self
    }

    /// Sets what access tokens are: JWTs by default.
    #[must_use]
    pub const fn with_access_token_format(mut self, format: AccessTokenFormat) -> Self {
        self.access_token_format = format;
        self
    }

    /// Sets how long a grant lives from the redemption of its code: 30 days by default. Rotation does
    /// not extend it ([RFC 9700 section 4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)).
    #[must_use]
    pub const fn with_refresh_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.refresh_token_lifetime = lifetime;
        self
    }

    /// Sets after how long without a refresh a refresh token expires: never before its grant, by
    /// default ([RFC 9700 section 4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)).
    #[must_use]
    pub const fn with_refresh_idle_lifetime(mut self, lifetime: Duration) -> Self {
        self.refresh_idle_lifetime = Some(lifetime);
        self
    }

    /// Sets for how long after a rotation the same refresh is answered again with the same refresh
    /// token: off by default, 10 seconds where replies get lost. The cost: inside the window a thief
    /// who also has the old token gets the same successor, and is noticed at the next rotation.
    #[must_use]
    pub const fn with_refresh_retry(mut self, window: Duration) -> Self {
        self.refresh_retry = window;
        self
    }

    /// Sets which grants come with a refresh token.
    #[must_use]
    pub const fn with_refresh_tokens(mut self, rule: RefreshTokens) -> Self {
        self.refresh_tokens = rule;
        self
    }

    /// Sets how long an ID token lives: 10 minutes by default.
    #[must_use]
    pub const fn with_id_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.id_token_lifetime = lifetime;
        self
    }

    /// Sets how long a person may take over the login and consent pages: 15 minutes by default.
    #[must_use]
    pub const fn with_interaction_lifetime(mut self, lifetime: Duration) -> Self {
        self.interaction_lifetime = lifetime;
        self
    }

    /// Sets whom the access tokens are for: the issuer by default
    /// ([RFC 9068 section 3](https://www.rfc-editor.org/rfc/rfc9068#section-3)). It holds for grants that
    /// are asked for from now on, for as long as they live: in `aud`, at introspection, and for what a
    /// `resource` parameter may name.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Sets the scopes that the metadata lists. Which of them a client may ask for is in its
    /// registration.
    #[must_use]
    pub fn with_scopes(mut self, scopes: Scope) -> Self {
        self.scopes = scopes;
        self
    }
}

/// What an access token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessTokenFormat {
    /// A JWT that resource servers check by themselves ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)).
    Jwt,
    /// A handle that resource servers introspect ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
    Opaque,
}

/// Which grants come with a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshTokens {
    /// Those of clients that are registered for the refresh token grant.
    WhenRegistered,
    /// Of those, the ones with the scope `offline_access`
    /// ([OpenID Connect Core section 11](https://openid.net/specs/openid-connect-core-1_0.html#OfflineAccess)).
    WithOfflineAccess,
}
