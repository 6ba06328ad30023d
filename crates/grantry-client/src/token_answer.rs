//! The answer of the token endpoint
//! ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use grantry_core::json::JsonError;
use grantry_core::{HttpResponse, Scope, SecretString};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::member;
use crate::response::{self, Failure, ResponseError};
use crate::{IdTokenError, Quirk, Refusal, Tolerance};

/// A token answer whose members have the right types. The ID token is not verified yet.
pub(crate) struct TokenAnswer {
    pub(crate) access_token: SecretString,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) refresh_token: Option<SecretString>,
    pub(crate) id_token: Option<SecretString>,
    pub(crate) scope: Option<Scope>,
}

impl TokenAnswer {
    pub(crate) fn read(response: &HttpResponse, tolerance: &Tolerance) -> Result<Self, TokenError> {
        // RFC 6749 section 5.1: 200, and no other status of success.
        Ok(Self::check(response::object(response, 200)?, tolerance)?)
    }

    fn check(body: Body, tolerance: &Tolerance) -> Result<Self, ResponseError> {
        if body.error.is_some() {
            return Err(ResponseError::ErrorBesideToken);
        }
        // RFC 6749 section 7.1: a token of an unknown type is not used.
        match body.token_type {
            Some(token_type) if token_type.eq_ignore_ascii_case("Bearer") => {}
            Some(_) => return Err(ResponseError::TokenType),
            None if tolerance.tolerates(Quirk::MissingTokenType) => {}
            None => return Err(JsonError::Shape.into()),
        }
        Ok(Self {
            access_token: token(body.access_token)?,
            lifetime: body.expires_in.map(|value| lifetime(&value, tolerance)).transpose()?,
            refresh_token: body.refresh_token.map(token).transpose()?,
            id_token: body.id_token.map(token).transpose()?,
            scope: body.scope.map(|value| scope(value, tolerance)).transpose()?,
        })
    }
}

fn token(token: SecretString) -> Result<SecretString, ResponseError> {
    if token.expose().is_empty() || !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ResponseError::Token);
    }
    Ok(token)
}

// RFC 6749 appendix A.14: digits.
fn lifetime(value: &Value, tolerance: &Tolerance) -> Result<Duration, JsonError> {
    let seconds = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if tolerance.tolerates(Quirk::ExpiresInText) => digits(text),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    };
    seconds.map(Duration::from_secs).ok_or(JsonError::Shape)
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn scope(value: Value, tolerance: &Tolerance) -> Result<Scope, ResponseError> {
    let text = match value {
        Value::String(text) if tolerance.tolerates(Quirk::CommaSeparatedScope) => text.replace(',', " "),
        Value::String(text) => text,
        Value::Array(tokens) if tolerance.tolerates(Quirk::ScopeArray) => joined(&tokens)?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            return Err(JsonError::Shape.into());
        }
    };
    Ok(Scope::parse(&text)?)
}

fn joined(tokens: &[Value]) -> Result<String, JsonError> {
    let tokens: Option<Vec<&str>> = tokens.iter().map(Value::as_str).collect();
    tokens.map(|tokens| tokens.join(" ")).ok_or(JsonError::Shape)
}

#[derive(Deserialize)]
struct Body {
    access_token: SecretString,
    #[serde(default, deserialize_with = "member::present")]
    token_type: Option<String>,
    #[serde(default, deserialize_with = "member::present")]
    expires_in: Option<Value>,
    #[serde(default, deserialize_with = "member::present")]
    refresh_token: Option<SecretString>,
    #[serde(default, deserialize_with = "member::present")]
    id_token: Option<SecretString>,
    #[serde(default, deserialize_with = "member::present")]
    scope: Option<Value>,
    #[serde(default)]
    error: Option<IgnoredAny>,
}

/// Why an exchange or a refresh gave no tokens.
///
/// The request that never got an answer is not here: it is the host's own error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The provider answered with an error: the grant is gone, or the client is not configured as
    /// the provider thinks.
    #[error("the provider refused: {refusal} (status {status})")]
    Refused {
        /// The provider's words.
        refusal: Refusal,
        /// The status code of the answer.
        status: u16,
    },
    /// The answer is not one of the protocol: the provider, or something in front of it, failed.
    #[error(transparent)]
    Response(#[from] ResponseError),
    /// The ID token is missing or fails a check. No token of the answer is used.
    #[error(transparent)]
    IdToken(#[from] IdTokenError),
}

impl From<Failure> for TokenError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { refusal, status } => Self::Refused { refusal, status },
            Failure::Response(error) => Self::Response(error),
        }
    }
}
