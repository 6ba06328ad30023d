//! From a request to access.

use alloc::string::String;
use core::time::Duration;

use grantry_core::bearer::Places;
use grantry_core::{ClientId, HttpRequest, Issuer, Scope, SecretString, UnixTime};
use grantry_jwt::{Claim, JwkSet, Verified, Verifier, VerifyError};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::access::TokenContents;
use crate::introspection::{AbsentAudience, Expected};
use crate::{Access, Introspected, Reason, Rejection};

/// Checks the requests to one protected resource, whose tokens come from one issuer.
///
/// A guard is immutable. To change the keys while running, swap an `Arc<Guard>` for one made by
/// [`Guard::with_keys`].
#[derive(Clone, Debug)]
pub struct Guard {
    issuer: Issuer,
    audience: String,
    realm: String,
    leeway: Duration,
    places: Places,
    absent_audience: AbsentAudience,
    verifier: Verifier,
    keys: JwkSet,
}

impl Guard {
    /// The most that clocks may differ, ten minutes.
    pub const MAX_LEEWAY: Duration = Verifier::MAX_LEEWAY;

    /// Makes a guard that takes tokens of `issuer` for `audience`, both compared byte for byte, and
    /// reads them from the `Authorization` field alone. The realm of its challenges is the audience.
    /// `keys` are this issuer's set and no other's: each of them signs whatever the issuer says.
    #[must_use]
    pub fn new(issuer: Issuer, audience: impl Into<String>, keys: JwkSet) -> Self {
        let audience = audience.into();
        // RFC 9068 section 2.2; `iss`, `aud` and `exp` are required by the verifier itself.
        let verifier = ["sub", "client_id", "iat", "jti"]
            .into_iter()
            .fold(Verifier::new(issuer.as_str(), audience.as_str()).with_typ("at+jwt"), Verifier::require);
        Self {
            issuer,
            realm: audience.clone(),
            audience,
            leeway: Duration::ZERO,
            places: Places::new(),
            absent_audience: AbsentAudience::Refused,
            verifier,
            keys,
        }
    }

    /// Sets the realm that challenges name
    /// ([RFC 9110 section 11.5](https://www.rfc-editor.org/rfc/rfc9110#section-11.5)).
    #[must_use]
    pub fn with_realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = realm.into();
        self
    }

    /// Allows clocks to differ, in whole seconds; the default is none, and more than
    /// [`Guard::MAX_LEEWAY`] counts as that.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(Self::MAX_LEEWAY);
        self.verifier = self.verifier.with_leeway(leeway);
        self
    }

    /// Also takes a token from the parameter `access_token` of a form in the body of a POST, PUT or
    /// PATCH ([RFC 6750 section 2.2](https://www.rfc-editor.org/rfc/rfc6750#section-2.2)).
    #[must_use]
    pub const fn allow_form_body(mut self) -> Self {
        self.places = self.places.allow_form_body();
        self
    }

    /// Also takes a token from the parameter `access_token` of the query, where logs, histories and
    /// `Referer` fields keep it
    /// ([RFC 6750 section 5.3](https://www.rfc-editor.org/rfc/rfc6750#section-5.3)). The host marks
    /// its answers `Cache-Control: private`.
    #[must_use]
    pub const fn danger_allow_query(mut self) -> Self {
        self.places = self.places.danger_allow_query();
        self
    }

    /// Also accepts introspection answers that name no audience, for a server that sends none: then a
    /// token for any other API of the server is good here
    /// ([RFC 9700 section 2.3](https://www.rfc-editor.org/rfc/rfc9700#section-2.3)). An `aud` that is
    /// there still counts.
    #[must_use]
    pub const fn danger_optional_introspected_audience(mut self) -> Self {
        self.absent_audience = AbsentAudience::Accepted;
        self
    }

    /// Replaces the keys of the issuer: this issuer's set and no other's.
    #[must_use]
    pub fn with_keys(mut self, keys: JwkSet) -> Self {
        self.keys = keys;
        self
    }

    /// Checks a request that carries a JWT access token and needs the scope `required`.
    ///
    /// # Errors
    ///
    /// [`Rejection`], whose [`Reason`] names the first rule that the request or its token breaks.
    /// [`VerifyError::UnknownKey`] is the one that newer keys may cure.
    pub fn check(&self, request: &HttpRequest, required: &Scope, now: UnixTime) -> Result<Access, Rejection> {
        let token = self.bearer_token(request)?;
        self.read(&token, now)
            .and_then(|contents| contents.allow(required))
            .map_err(|reason| self.reject(reason, required))
    }

    /// Finds the bearer token of a request and checks nothing but its grammar: for opaque tokens,
    /// which [`Introspection`](crate::Introspection) asks about.
    ///
    /// # Errors
    ///
    /// [`Rejection`] when there is not exactly one token of the right grammar
    /// ([RFC 6750 section 2](https://www.rfc-editor.org/rfc/rfc6750#section-2)).
    pub fn bearer_token(&self, request: &HttpRequest) -> Result<SecretString, Rejection> {
        self.places.find(request).map_err(|error| self.reject(error.into(), &Scope::empty()))
    }

    /// Checks what the authorization server answered about the token of a request that needs the
    /// scope `required`.
    ///
    /// The answer comes from the guard's issuer, names its audience and says `token_type` Bearer, by
    /// which an access token differs from a refresh token
    /// ([RFC 7662 section 2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)).
    ///
    /// # Errors
    ///
    /// [`Rejection`], whose [`Reason`] names the first rule that the token breaks.
    pub fn accept_introspected(
        &self,
        introspected: &Introspected,
        required: &Scope,
        now: UnixTime,
    ) -> Result<Access, Rejection> {
        let expected = Expected {
            issuer: &self.issuer,
            audience: &self.audience,
            absent_audience: self.absent_audience,
            leeway: self.leeway,
        };
        introspected
            .contents(&expected, now)
            .and_then(|contents| contents.allow(required))
            .map_err(|reason| self.reject(reason, required))
    }

    // RFC 9068 section 4.
    fn read(&self, token: &SecretString, now: UnixTime) -> Result<TokenContents, Reason> {
        let verified: Verified<'_, AccessTokenClaims> =
            self.verifier.verify(token.expose(), &self.keys, now).map_err(Reason::Token)?;
        let registered = verified.registered();
        // RFC 7519 section 4.1.2: an empty `sub` identifies nobody.
        let subject = registered
            .subject()
            .filter(|subject| !subject.is_empty())
            .ok_or(Reason::Token(VerifyError::MalformedClaim(Claim::Subject)))?;
        let (subject, token_id) = (subject.into(), registered.jwt_id().map(String::from));
        let expires_at = registered.expiration();
        let AccessTokenClaims { client_id, scope, cnf } = verified.into_claims();
        if cnf.is_some() {
            return Err(Reason::SenderConstrained);
        }
        Ok(TokenContents { subject, client_id, scope, expires_at, token_id })
    }

    fn reject(&self, reason: Reason, required: &Scope) -> Rejection {
        Rejection::new(reason, &self.realm, required)
    }
}

/// The claims of RFC 9068 section 2.2 that RFC 7519 does not register.
#[derive(Deserialize)]
struct AccessTokenClaims {
    client_id: ClientId,
    #[serde(default)]
    scope: Scope,
    /// RFC 7800 section 3.1: whatever its value, the token is not for a bearer.
    #[serde(default, deserialize_with = "present")]
    cnf: Option<IgnoredAny>,
}

fn present<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<IgnoredAny>, D::Error> {
    IgnoredAny::deserialize(reader).map(Some)
}
