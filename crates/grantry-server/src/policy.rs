//! What a server decides by: lifetimes and choices, no secrets.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use core::time::Duration;

use grantry_core::{ClientId, Scope, UnixTime};

/// The choices of one server. The default is a strict server with short-lived JWT access tokens.
///
/// Lifetimes are in whole seconds, and exact: no leeway is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub(crate) code_lifetime: Duration,
    pub(crate) code_retry: Duration,
    pub(crate) access_token_lifetime: Duration,
    pub(crate) scope_lifetimes: BTreeMap<String, Duration>,
    pub(crate) access_token_format: AccessTokenFormat,
    pub(crate) refresh_token_lifetime: Duration,
    pub(crate) refresh_idle_lifetime: Option<Duration>,
    pub(crate) refresh_retry: Duration,
    pub(crate) refresh_tokens: RefreshTokens,
    pub(crate) id_token_lifetime: Duration,
    pub(crate) interaction_lifetime: Duration,
    pub(crate) pushed_request_lifetime: Duration,
    pub(crate) device_code_lifetime: Duration,
    pub(crate) device_interval: Duration,
    pub(crate) resources: Vec<String>,
    pub(crate) scopes: Scope,
    pub(crate) assertion_audience: AssertionAudience,
    pub(crate) acr_values: Vec<String>,
    not_before: Option<UnixTime>,
    not_before_of: BTreeMap<ClientId, UnixTime>,
    pub(crate) implicit_grant: RetiredGrant,
    pub(crate) password_grant: RetiredGrant,
}

/// Whether a grant that the field has retired is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetiredGrant {
    Refused,
    Served,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            code_lifetime: Duration::from_secs(60),
            code_retry: Duration::ZERO,
            access_token_lifetime: Duration::from_secs(10 * 60),
            scope_lifetimes: BTreeMap::new(),
            access_token_format: AccessTokenFormat::Jwt,
            refresh_token_lifetime: Duration::from_secs(30 * 24 * 3600),
            refresh_idle_lifetime: None,
            refresh_retry: Duration::ZERO,
            refresh_tokens: RefreshTokens::WhenRegistered,
            id_token_lifetime: Duration::from_secs(10 * 60),
            interaction_lifetime: Duration::from_secs(15 * 60),
            pushed_request_lifetime: Duration::from_secs(60),
            device_code_lifetime: Duration::from_secs(10 * 60),
            device_interval: Duration::from_secs(5),
            resources: Vec::new(),
            scopes: Scope::empty(),
            assertion_audience: AssertionAudience::Issuer,
            acr_values: Vec::new(),
            not_before: None,
            not_before_of: BTreeMap::new(),
            implicit_grant: RetiredGrant::Refused,
            password_grant: RetiredGrant::Refused,
        }
    }
}

impl Policy {
    /// How many resources one grant may be for: an access token names its own by a bit for each.
    pub const MAX_RESOURCES: usize = 8;

    /// Sets how long a code can be redeemed: 60 seconds by default, 10 minutes at most by
    /// [RFC 6749 section 4.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2).
    #[must_use]
    pub const fn with_code_lifetime(mut self, lifetime: Duration) -> Self {
        self.code_lifetime = lifetime;
        self
    }

    /// Sets for how long the same redemption of a code is answered again, for replies that get lost:
    /// off by default. The answer is the same, byte for byte but for the seconds that are left, while keys,
    /// policy, registration and what the host's read adds stand. A second refresh token never exists; a
    /// repeat that names other resources of the grant gets an access token for those. The cost: inside the
    /// window a thief who has the code and its proofs gets the same tokens, and is noticed at the next
    /// rotation.
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

    /// Sets how long an access token with this scope token lives at most: shorter than others, for what
    /// is worth a second look.
    #[must_use]
    pub fn with_access_token_lifetime_of_scope(
        mut self,
        scope_token: impl Into<String>,
        lifetime: Duration,
    ) -> Self {
        self.scope_lifetimes.insert(scope_token.into(), lifetime);
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

    /// Sets how long a pushed request waits for its browser: 60 seconds by default
    /// ([RFC 9126 section 2.2](https://www.rfc-editor.org/rfc/rfc9126#section-2.2)).
    #[must_use]
    pub const fn with_pushed_request_lifetime(mut self, lifetime: Duration) -> Self {
        self.pushed_request_lifetime = lifetime;
        self
    }

    /// Sets how long a device waits for a person: 10 minutes by default
    /// ([RFC 8628 section 5.1](https://www.rfc-editor.org/rfc/rfc8628#section-5.1)).
    ///
    /// The longer, the more codes can be guessed: a user code is one of 20^8, about 2^34, and 19 of 20
    /// guesses are refused unread. While `n` devices wait, one of `20^9 / n` guesses finds one: a million
    /// guesses within 10 minutes find one of 1,000 devices one time in 500. So limit the guesses of a session
    /// and an address, by the events of [`Verification`](crate::Endpoint::Verification).
    #[must_use]
    pub const fn with_device_code_lifetime(mut self, lifetime: Duration) -> Self {
        self.device_code_lifetime = lifetime;
        self
    }

    /// Sets how long a device waits between two polls: 5 seconds by default. One that asks sooner waits 5
    /// seconds longer from then on
    /// ([RFC 8628 section 3.5](https://www.rfc-editor.org/rfc/rfc8628#section-3.5)).
    #[must_use]
    pub const fn with_device_interval(mut self, interval: Duration) -> Self {
        self.device_interval = interval;
        self
    }

    /// Sets the resources that access tokens may be for, of which a request names those that it wants
    /// ([RFC 8707 section 2](https://www.rfc-editor.org/rfc/rfc8707#section-2)). A request that names none
    /// gets the first one; without any resource, tokens are for the issuer
    /// ([RFC 9068 section 3](https://www.rfc-editor.org/rfc/rfc9068#section-3)). It holds for grants that
    /// are asked for from now on, for as long as they live.
    #[must_use]
    pub fn with_resources(mut self, resources: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.resources = resources.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the scopes that the metadata lists. Which of them a client may ask for is in its
    /// registration.
    #[must_use]
    pub fn with_scopes(mut self, scopes: Scope) -> Self {
        self.scopes = scopes;
        self
    }

    /// Sets what client assertions have to be addressed to: the issuer by default.
    #[must_use]
    pub const fn with_assertion_audience(mut self, audience: AssertionAudience) -> Self {
        self.assertion_audience = audience;
        self
    }

    /// Sets the authentication contexts that the metadata lists
    /// ([RFC 9470 section 5](https://www.rfc-editor.org/rfc/rfc9470#section-5), `acr_values_supported`).
    #[must_use]
    pub fn with_acr_values(mut self, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.acr_values = values.into_iter().map(Into::into).collect();
        self
    }

    /// Ends every grant that was made before `time`, without touching a record: after a leak. Where the clocks of
    /// hosts differ, choose a time that is later by as much, up to
    /// [`Grant::CLOCK_MARGIN`](crate::Grant::CLOCK_MARGIN).
    #[must_use]
    pub const fn with_not_before(mut self, time: UnixTime) -> Self {
        self.not_before = Some(time);
        self
    }

    /// Ends every grant of a client that was made before `time`, without touching a record. Beside
    /// [`Policy::with_not_before`] the later time counts.
    #[must_use]
    pub fn with_not_before_of_client(mut self, client_id: ClientId, time: UnixTime) -> Self {
        self.not_before_of.insert(client_id, time);
        self
    }

    /// Tells whether a grant of a client has ended because it was made so long ago.
    pub(crate) fn has_ended(&self, client_id: &ClientId, made_at: UnixTime) -> bool {
        let own = self.not_before_of.get(client_id).copied();
        self.not_before.max(own).is_some_and(|time| made_at < time)
    }

    /// Serves the implicit grant to clients that are registered for it
    /// ([RFC 6749 section 4.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.2)).
    ///
    /// Access tokens stand in the browser's address then, where history, scripts and extensions see
    /// them, and no client proves that a token was meant for it
    /// ([RFC 9700 section 2.1.2](https://www.rfc-editor.org/rfc/rfc9700#section-2.1.2)).
    #[must_use]
    pub const fn danger_with_implicit_grant(mut self) -> Self {
        self.implicit_grant = RetiredGrant::Served;
        self
    }

    /// Serves the resource owner password grant to clients that are registered for it
    /// ([RFC 6749 section 4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3)).
    ///
    /// The client sees the person's password, no second factor has a place, and people learn to type
    /// passwords into anything
    /// ([RFC 9700 section 2.4](https://www.rfc-editor.org/rfc/rfc9700#section-2.4)).
    #[must_use]
    pub const fn danger_with_password_grant(mut self) -> Self {
        self.password_grant = RetiredGrant::Served;
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

/// What the `aud` of a client assertion has to be, alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssertionAudience {
    /// The issuer
    /// ([rfc7523bis section 3](https://datatracker.ietf.org/doc/html/draft-ietf-oauth-rfc7523bis#section-3)).
    Issuer,
    /// The issuer or the URL of the token endpoint, for older clients
    /// ([RFC 7523 section 3](https://www.rfc-editor.org/rfc/rfc7523#section-3)). The cost: another server that
    /// names this token endpoint as its own can have such a client make assertions that are good here.
    IssuerOrTokenEndpoint,
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
