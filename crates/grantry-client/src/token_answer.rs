//! The answer of the token endpoint
//! ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).

use alloc::string::String;
use core::time::Duration;

use grantry_core::{HttpResponse, Scope, SecretString};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::member;
use crate::response::{self, Failure, ResponseError};
use crate::{IdTokenError, Refusal};

/// A token answer whose members have the right types. The ID token is not verified yet.
pub(crate) struct TokenAnswer {
    pub(crate) access_token: SecretString,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) refresh_token: Option<SecretString>,
    pub(crate) id_token: Option<SecretString>,
    pub(crate) scope: Option<Scope>,
}

impl TokenAnswer {
    pub(crate) fn read(response: &HttpResponse) -> Result<Self, TokenError> {
        // RFC 6749 section 5.1: 200, and no other status of success.
        Ok(Self::check(response::object(response, 200)?)?)
    }

    fn check(body: Body) -> Result<Self, ResponseError> {
        if body.error.is_some() {
            return Err(ResponseError::ErrorBesideToken);
        }
        // RFC 6749 section 7.1: a token of an unknown type is not used.
        if !body.token_type.eq_ignore_ascii_case("Bearer") {
            return Err(ResponseError::TokenType);
        }
        Ok(Self {
            access_token: token(body.access_token)?,
            lifetime: body.expires_in.map(Duration::from_secs),
            refresh_token: body.refresh_token.map(token).transpose()?,
            id_token: body.id_token.map(token).transpose()?,
            scope: body.scope.as_deref().map(Scope::parse).transpose()?,
        })
    }
}

fn token(token: SecretString) -> Result<SecretString, ResponseError> {
    if token.expose().is_empty() || !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ResponseError::Token);
    }
    Ok(token)
}

#[derive(Deserialize)]
struct Body {
    access_token: SecretString,
    token_type: String,
    #[serde(default, deserialize_with = "member::present")]
    expires_in: Option<u64>,
    #[serde(default, deserialize_with = "member::present")]
    refresh_token: Option<SecretString>,
    #[serde(default, deserialize_with = "member::present")]
    id_token: Option<SecretString>,
    #[serde(default, deserialize_with = "member::present")]
    scope: Option<String>,
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
