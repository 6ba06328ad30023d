//! Asking the authorization server about an opaque token
//! ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use alloc::string::String;

use grantry_core::json::{self, JsonError};
use grantry_core::{ClientId, ErrorCode, HttpRequest, HttpResponse, Issuer, SecretString};
use grantry_jwt::VerifyError;
use serde::Deserialize;

use crate::{Credentials, Introspected, SignedIntrospection};

/// The introspection endpoint of an authorization server, and how this resource server signs in there.
///
/// A flow in four steps: [`Guard::bearer_token`](crate::Guard::bearer_token), [`Introspection::request`],
/// [`Introspection::response`], [`Guard::accept_introspected`](crate::Guard::accept_introspected). The
/// host sends the request. It keeps an answer for the same token only, as
/// [`IntrospectionCache`](crate::IntrospectionCache) does: nothing in it names the token.
#[derive(Clone, Debug)]
pub struct Introspection {
    issuer: Issuer,
    endpoint: String,
    credentials: Credentials,
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
        credentials: Credentials,
    ) -> Result<Self, EndpointError> {
        // The rules for the URL of an issuer are the rules wanted here.
        let endpoint = Issuer::parse(endpoint).map_err(|_| EndpointError)?;
        Ok(Self { issuer, endpoint: endpoint.as_str().into(), credentials })
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
        credentials: Credentials,
    ) -> Result<Self, EndpointError> {
        let endpoint = Issuer::danger_loopback_http(endpoint).map_err(|_| EndpointError)?;
        Ok(Self { issuer, endpoint: endpoint.as_str().into(), credentials })
    }

    /// Asks for signed answers and takes no others
    /// ([RFC 9701](https://www.rfc-editor.org/rfc/rfc9701)).
    #[must_use]
    pub fn signed(self) -> SignedIntrospection {
        SignedIntrospection::new(self)
    }

    /// Writes the request about a token
    /// ([RFC 7662 section 2.1](https://www.rfc-editor.org/rfc/rfc7662#section-2.1)).
    #[must_use]
    pub fn request(&self, token: &SecretString) -> HttpRequest {
        self.request_for(token, JSON)
    }

    /// Reads the answer ([RFC 7662 section 2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)).
    ///
    /// # Errors
    ///
    /// [`IntrospectionError`]: the server gave no answer about the token. The host then answers 503,
    /// never as if the token were good, and never as if it were bad.
    pub fn response(&self, response: &HttpResponse) -> Result<Introspected, IntrospectionError> {
        let text = body(response, JSON)?;
        Ok(Introspected::from_answer(&self.issuer, text)?)
    }

    pub(crate) const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    pub(crate) const fn client_id(&self) -> &ClientId {
        self.credentials.client_id()
    }

    pub(crate) fn request_for(&self, token: &SecretString, accept: &str) -> HttpRequest {
        let parameters = [("token", token.expose()), ("token_type_hint", "access_token")];
        self.credentials.request(&self.endpoint, parameters, accept)
    }
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
    /// The body is not declared as `application/json`, or a signed answer not as
    /// `application/token-introspection+jwt`.
    #[error("the introspection answer is not declared as what was asked for (RFC 7662 section 2.2)")]
    ContentType,
    /// The body is not one strict JSON object with a boolean `active`, or a member has another type.
    #[error("the introspection answer cannot be read (RFC 7662 section 2.2): {0}")]
    Json(#[from] JsonError),
    /// The signed answer is not one of the server for this resource server
    /// ([RFC 9701 section 5](https://www.rfc-editor.org/rfc/rfc9701#section-5)). [`VerifyError::UnknownKey`] is the one
    /// that newer keys may cure.
    #[error("the signed introspection answer is refused (RFC 9701 section 5): {0}")]
    Signed(VerifyError),
}

/// The introspection endpoint is not a URL that a token may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error(
    "the introspection endpoint is not an https URL without query, fragment and user (RFC 7662 section 4)"
)]
#[non_exhaustive]
pub struct EndpointError;

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

const JSON: &str = "application/json";

/// Returns the body of an answer that is one, declared as it should be.
pub(crate) fn body<'r>(response: &'r HttpResponse, media_type: &str) -> Result<&'r str, IntrospectionError> {
    if response.status != 200 {
        return Err(refusal(response));
    }
    if !is_declared(response, media_type) {
        return Err(IntrospectionError::ContentType);
    }
    if response.body.len() > Introspection::MAX_BYTES {
        return Err(JsonError::TooLong.into());
    }
    core::str::from_utf8(&response.body).map_err(|_| JsonError::Syntax.into())
}

fn refusal(response: &HttpResponse) -> IntrospectionError {
    let refusal = json::object_from_slice::<Refusal>(&response.body, Introspection::MAX_BYTES);
    let code = refusal
        .ok()
        .filter(|_| is_declared(response, JSON))
        .and_then(|refusal| ErrorCode::parse(&refusal.error));
    code.map_or(IntrospectionError::Status(response.status), IntrospectionError::Refused)
}

// RFC 9110 section 8.3.1: a media type compares without regard to case, parameters aside.
fn is_declared(response: &HttpResponse, wanted: &str) -> bool {
    let media_type = response.headers.only("Content-Type").and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim_matches([' ', '\t']).eq_ignore_ascii_case(wanted))
}
