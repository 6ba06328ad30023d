//! Asking the authorization server about an opaque token
//! ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use grantry_core::json::{self, JsonError};
use grantry_core::{
    ClientId, ErrorCode, HttpRequest, HttpResponse, Issuer, Scope, SecretString, UnixTime, basic_credentials,
    form,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::Reason;
use crate::access::TokenContents;

/// The introspection endpoint of an authorization server, and how this resource server signs in there.
///
/// A flow in four steps: [`Guard::bearer_token`](crate::Guard::bearer_token), [`Introspection::request`],
/// [`Introspection::response`], [`Guard::accept_introspected`](crate::Guard::accept_introspected). The
/// host sends the request. It keeps an answer for the same token only: nothing in it names the token.
#[derive(Clone, Debug)]
pub struct Introspection {
    issuer: Issuer,
    endpoint: String,
    client_id: ClientId,
    client_secret: SecretString,
}

impl Introspection {
    /// The longest answer read, in bytes.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Names the authorization server, its endpoint and the credentials for it. An answer speaks for
    /// the tokens of that issuer alone.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] when the endpoint is not an `https` URL, or has a query, a fragment or a user:
    /// both the token and the secret travel there
    /// ([RFC 7662 section 4](https://www.rfc-editor.org/rfc/rfc7662#section-4)).
    pub fn new(
        issuer: Issuer,
        endpoint: impl Into<String>,
        client_id: ClientId,
        client_secret: SecretString,
    ) -> Result<Self, EndpointError> {
        // The rules for the URL of an issuer are the rules wanted here.
        let endpoint = Issuer::parse(endpoint).map_err(|_| EndpointError)?;
        Ok(Self { issuer, endpoint: endpoint.as_str().into(), client_id, client_secret })
    }

    /// Names an endpoint that may also be `http` on this machine's loopback interface, for
    /// development and tests.
    ///
    /// # Errors
    ///
    /// As [`Introspection::new`].
    pub fn danger_loopback_http(
        issuer: Issuer,
        endpoint: impl Into<String>,
        client_id: ClientId,
        client_secret: SecretString,
    ) -> Result<Self, EndpointError> {
        let endpoint = Issuer::danger_loopback_http(endpoint).map_err(|_| EndpointError)?;
        Ok(Self { issuer, endpoint: endpoint.as_str().into(), client_id, client_secret })
    }

    /// Writes the request about a token
    /// ([RFC 7662 section 2.1](https://www.rfc-editor.org/rfc/rfc7662#section-2.1)), with HTTP Basic.
    #[must_use]
    pub fn request(&self, token: &SecretString) -> HttpRequest {
        let parameters = [("token", token.expose()), ("token_type_hint", "access_token")];
        HttpRequest::form(self.endpoint.as_str(), form::encode(parameters))
            .with_header("Authorization", basic_credentials(&self.client_id, &self.client_secret).expose())
    }

    /// Reads the answer ([RFC 7662 section 2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)).
    ///
    /// # Errors
    ///
    /// [`IntrospectionError`]: the server gave no answer about the token. The host then answers 503,
    /// never as if the token were good, and never as if it were bad.
    pub fn response(&self, response: &HttpResponse) -> Result<Introspected, IntrospectionError> {
        if response.status != 200 {
            return Err(refusal(response));
        }
        if !is_json(response) {
            return Err(IntrospectionError::ContentType);
        }
        let Activity { active } = json::object_from_slice(&response.body, Self::MAX_BYTES)?;
        if !active {
            return Ok(Introspected { issuer: self.issuer.clone(), answer: None });
        }
        let answer = json::object_from_slice(&response.body, Self::MAX_BYTES)?;
        Ok(Introspected { issuer: self.issuer.clone(), answer: Some(answer) })
    }
}

/// What an authorization server said about a token; only [`Introspection::response`] makes one.
///
/// It is no access: [`Guard::accept_introspected`](crate::Guard::accept_introspected) checks issuer,
/// audience, time and scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introspected {
    issuer: Issuer,
    answer: Option<Answer>,
}

impl Introspected {
    /// Tells whether the server called the token active, its times not compared yet.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.answer.is_some()
    }

    /// Returns the first second in which the answer is void, the end of any cache
    /// ([RFC 7662 section 4](https://www.rfc-editor.org/rfc/rfc7662#section-4)).
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixTime> {
        self.answer.as_ref().and_then(|answer| answer.exp)
    }

    pub(crate) fn contents(&self, expected: &Expected<'_>, now: UnixTime) -> Result<TokenContents, Reason> {
        let is_current = |answer: &&Answer| answer.is_current(expected.leeway, now);
        let answer = self.answer.as_ref().filter(is_current).ok_or(Reason::Inactive)?;
        // RFC 8725 section 3.8: a server speaks for its own tokens, whatever `iss` it writes.
        let names_another = answer.iss.as_ref().is_some_and(|iss| iss != expected.issuer.as_str());
        if self.issuer != *expected.issuer || names_another {
            return Err(Reason::OtherIssuer);
        }
        match &answer.aud {
            Some(aud) if aud.contains(expected.audience) => {}
            None if expected.absent_audience == AbsentAudience::Accepted => {}
            Some(_) | None => return Err(Reason::OtherAudience),
        }
        if answer.cnf.is_some() {
            return Err(Reason::SenderConstrained);
        }
        // RFC 7662 section 2.2: a refresh token is active, too; its answer has no type of RFC 6749 section 7.1.
        if !answer.token_type.as_ref().is_some_and(|name| name.eq_ignore_ascii_case("Bearer")) {
            return Err(Reason::NotBearer);
        }
        let subject = answer.sub.clone().filter(|subject| !subject.is_empty());
        let (Some(subject), Some(client_id)) = (subject, answer.client_id.clone()) else {
            return Err(Reason::Anonymous);
        };
        Ok(TokenContents {
            subject,
            client_id,
            scope: answer.scope.clone().unwrap_or_default(),
            expires_at: answer.exp,
            token_id: answer.jti.clone(),
        })
    }
}

/// What the answer about a token has to agree with.
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a Issuer,
    pub(crate) audience: &'a str,
    pub(crate) absent_audience: AbsentAudience,
    pub(crate) leeway: Duration,
}

/// What becomes of an answer that names no audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AbsentAudience {
    Refused,
    Accepted,
}

/// Why an answer says nothing about the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum IntrospectionError {
    /// The server refused the request itself, the credentials for instance
    /// ([RFC 7662 section 2.3](https://www.rfc-editor.org/rfc/rfc7662#section-2.3)).
    #[error("the authorization server refused the introspection: {0} (RFC 7662 section 2.3)")]
    Refused(ErrorCode),
    /// The status is not 200.
    #[error("the introspection was answered with status {0} (RFC 7662 section 2.2)")]
    Status(u16),
    /// The body is not declared as `application/json`.
    #[error("the introspection answer is not declared as JSON (RFC 7662 section 2.2)")]
    ContentType,
    /// The body is not one strict JSON object with a boolean `active`, or a member has another type.
    #[error("the introspection answer cannot be read (RFC 7662 section 2.2): {0}")]
    Json(#[from] JsonError),
}

/// The introspection endpoint is not a URL that a token may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error(
    "the introspection endpoint is not an https URL without query, fragment and user (RFC 7662 section 4)"
)]
#[non_exhaustive]
pub struct EndpointError;

#[derive(Deserialize)]
struct Activity {
    active: bool,
}

/// The members of RFC 7662 section 2.2 that count here; one that is `null` counts as absent, but for
/// `cnf`: whatever its value, the token is not for a bearer (RFC 7800 section 3.1).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Answer {
    iss: Option<String>,
    aud: Option<Audience>,
    sub: Option<String>,
    client_id: Option<ClientId>,
    scope: Option<Scope>,
    token_type: Option<String>,
    exp: Option<UnixTime>,
    nbf: Option<UnixTime>,
    jti: Option<String>,
    #[serde(default, deserialize_with = "present")]
    cnf: Option<Present>,
}

impl Answer {
    fn is_current(&self, leeway: Duration, now: UnixTime) -> bool {
        self.exp.is_none_or(|exp| now < exp.saturating_add(leeway))
            && self.nbf.is_none_or(|nbf| nbf <= now.saturating_add(leeway))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

/// A member that is there, whatever its value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Present;

fn present<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Present>, D::Error> {
    IgnoredAny::deserialize(reader).map(|_| Some(Present))
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

fn refusal(response: &HttpResponse) -> IntrospectionError {
    let refusal = json::object_from_slice::<Refusal>(&response.body, Introspection::MAX_BYTES);
    let code =
        refusal.ok().filter(|_| is_json(response)).and_then(|refusal| ErrorCode::parse(&refusal.error));
    code.map_or(IntrospectionError::Status(response.status), IntrospectionError::Refused)
}

// RFC 9110 section 8.3.1: a media type compares without regard to case, parameters aside.
fn is_json(response: &HttpResponse) -> bool {
    let media_type = response.headers.only("Content-Type").and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| {
        media_type.trim_matches([' ', '\t']).eq_ignore_ascii_case("application/json")
    })
}
