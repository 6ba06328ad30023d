//! The outside of a provider's answer: status, content type, JSON, error
//! ([RFC 6749 sections 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1) and
//! [5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).

use alloc::string::String;
use core::fmt;

use grantry_core::json::{self, JsonError};
use grantry_core::{HttpResponse, ScopeError};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::refusal::{Refusal, clean};

/// The longest answer read, in bytes: an ID token with many groups fits, a download does not. A host
/// stops reading the body behind it.
pub const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// Why an answer is not one that the protocol has: the provider, or something in front of it, failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// A status that is no answer: neither the expected one nor an error with a JSON object that
    /// has an `error`.
    #[error("unexpected status {status}")]
    Status {
        /// The status code.
        status: u16,
        /// The beginning of the body; empty below status 400, where it could hold tokens.
        body: BodyExcerpt,
    },
    /// The content type is not `application/json`.
    #[error("the answer is not application/json (RFC 6749 section 5.1)")]
    ContentType,
    /// Not a strict JSON object, too long, or a member is missing or of another type.
    #[error("the answer is malformed (RFC 6749 section 5.1): {0}")]
    Json(#[from] JsonError),
    /// A token and an `error` stand in one answer of success.
    #[error("the answer has a token and an error (RFC 6749 section 5.1)")]
    ErrorBesideToken,
    /// The token type is not `Bearer`; no other is understood here
    /// ([RFC 6749 section 7.1](https://www.rfc-editor.org/rfc/rfc6749#section-7.1)).
    #[error("the token type is not Bearer (RFC 6749 section 7.1)")]
    TokenType,
    /// A token is empty or has a character that no header can carry
    /// ([RFC 6749 appendix A.12](https://www.rfc-editor.org/rfc/rfc6749#appendix-A.12)).
    #[error("a token is empty or not visible ASCII (RFC 6749 appendix A)")]
    Token,
    /// The `scope` breaks its grammar.
    #[error("the answer's scope is malformed: {0}")]
    Scope(#[from] ScopeError),
}

/// The beginning of a failed answer's body, at most [`BodyExcerpt::MAX_BYTES`], with every character
/// outside printable ASCII replaced by `?`.
///
/// `Debug` hides it: a broken server can echo the request, credentials included.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BodyExcerpt(String);

impl BodyExcerpt {
    /// The most that is kept, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// Returns the text, for a log that may hold it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BodyExcerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyExcerpt")
    }
}

/// Why an answer with an object in it is none: the two kinds that every endpoint has.
pub(crate) enum Failure {
    Refused { refusal: Refusal, status: u16 },
    Response(ResponseError),
}

/// Reads the object of an answer with the status that means success.
pub(crate) fn object<T: DeserializeOwned>(response: &HttpResponse, success: u16) -> Result<T, Failure> {
    if let Some(refusal) = refusal(response) {
        return Err(Failure::Refused { refusal, status: response.status });
    }
    if response.status != success {
        return Err(Failure::Response(unexpected_status(response)));
    }
    if !is_json(response) {
        return Err(Failure::Response(ResponseError::ContentType));
    }
    json::object_from_slice(&response.body, MAX_RESPONSE_BYTES)
        .map_err(|error| Failure::Response(ResponseError::Json(error)))
}

/// Reads an answer that carries an `error`, if this is one: with an error status, or with the status
/// 200 of a provider that knows no better.
pub(crate) fn refusal(response: &HttpResponse) -> Option<Refusal> {
    let is_answer = response.status == 200 || is_error(response.status);
    if !is_answer || !is_json(response) {
        return None;
    }
    let body: ErrorBody = json::object_from_slice(&response.body, MAX_RESPONSE_BYTES).ok()?;
    if body.error.is_empty() || (response.status == 200 && body.access_token.is_some()) {
        return None;
    }
    Some(Refusal::new(&body.error, body.error_description.as_deref()))
}

/// Reads a status that is neither success nor a refusal.
pub(crate) fn unexpected_status(response: &HttpResponse) -> ResponseError {
    let status = response.status;
    let shown = if is_error(status) { response.body.get(..BodyExcerpt::MAX_BYTES) } else { Some(&[][..]) };
    let text = String::from_utf8_lossy(shown.unwrap_or(&response.body));
    ResponseError::Status { status, body: BodyExcerpt(clean(&text, BodyExcerpt::MAX_BYTES)) }
}

fn is_json(response: &HttpResponse) -> bool {
    has_media_type(response, "application/json")
}

/// Compares the content type; parameters do not count
/// ([RFC 9110 section 8.3.1](https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1)).
pub(crate) fn has_media_type(response: &HttpResponse, wanted: &str) -> bool {
    let media_type = response.headers.only("Content-Type").and_then(|value| value.split(';').next());
    media_type.is_some_and(|text| text.trim_matches([' ', '\t']).eq_ignore_ascii_case(wanted))
}

const fn is_error(status: u16) -> bool {
    400 <= status && status <= 599
}

#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    #[serde(default)]
    error_description: Option<String>,
    #[serde(default)]
    access_token: Option<serde::de::IgnoredAny>,
}
