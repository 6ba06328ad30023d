//! Asking the provider what has become of a token
//! ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use alloc::{string::String, vec::Vec};
use core::fmt;

use grantry_core::json::{self, JsonError};
use grantry_core::{HttpRequest, HttpResponse, Moment, Scope, SecretBytes, SecretString, UnixTime};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::client::ForeignOwner;
use crate::client_authentication::Message;
use crate::response::{self, Failure, MAX_RESPONSE_BYTES, ResponseError};
use crate::{Client, Refusal, RequestError, RequestToSign, Tokens, member};

/// A question of a client about a token of its own.
///
/// An API that is sent tokens by others asks as a resource server, which is another role: it has to check
/// whom the token is for.
#[derive(Clone, Debug)]
#[must_use = "nothing is asked until the request is sent"]
pub struct Introspection<'a> {
    client: &'a Client,
    endpoint: &'a Url,
    token: &'a SecretString,
    hint: &'static str,
}

impl Client {
    /// Makes a question about the access token.
    ///
    /// # Errors
    ///
    /// [`IntrospectError::AnotherProvider`] and [`IntrospectError::AnotherClient`] for tokens that this
    /// client was not issued, [`IntrospectError::NoEndpoint`].
    pub fn introspect_access_token<'a>(
        &'a self,
        tokens: &'a Tokens,
    ) -> Result<Introspection<'a>, IntrospectError> {
        self.introspect(tokens, tokens.access_token(), "access_token")
    }

    /// Makes a question about the refresh token.
    ///
    /// # Errors
    ///
    /// [`IntrospectError::NoRefreshToken`], and as [`Client::introspect_access_token`].
    pub fn introspect_refresh_token<'a>(
        &'a self,
        tokens: &'a Tokens,
    ) -> Result<Introspection<'a>, IntrospectError> {
        let token = tokens.refresh_token().ok_or(IntrospectError::NoRefreshToken)?;
        self.introspect(tokens, token, "refresh_token")
    }

    fn introspect<'a>(
        &'a self,
        tokens: &'a Tokens,
        token: &'a SecretString,
        hint: &'static str,
    ) -> Result<Introspection<'a>, IntrospectError> {
        self.check_owner(&tokens.issuer, &tokens.client_id)?;
        let endpoint = self.provider().introspection_url().ok_or(IntrospectError::NoEndpoint)?;
        Ok(Introspection { client: self, endpoint, token, hint })
    }
}

impl Introspection<'_> {
    /// Makes the request to send
    /// ([RFC 7662 section 2.1](https://www.rfc-editor.org/rfc/rfc7662#section-2.1)).
    ///
    /// # Errors
    ///
    /// As [`CodeExchange::request`](crate::CodeExchange::request).
    pub fn request(&self, moment: Moment) -> Result<HttpRequest, RequestError> {
        self.client.request(&self.message(), moment)
    }

    /// Makes the request that waits for a signature from outside of the process.
    ///
    /// # Errors
    ///
    /// As [`CodeExchange::request_to_sign`](crate::CodeExchange::request_to_sign).
    pub fn request_to_sign(&self, moment: Moment) -> Result<RequestToSign, RequestError> {
        self.client.request_to_sign(&self.message(), moment)
    }

    fn message(&self) -> Message<'_> {
        let parameters = Vec::from([("token", self.token.expose()), ("token_type_hint", self.hint)]);
        Message { endpoint: self.endpoint, parameters }
    }

    /// Reads the answer ([RFC 7662 section 2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)).
    ///
    /// # Errors
    ///
    /// [`IntrospectionError`]: the provider said nothing about the token, neither that it is active nor that
    /// it is not.
    pub fn response(&self, response: &HttpResponse) -> Result<Introspected, IntrospectionError> {
        let Activity { active } = response::object(response, 200)?;
        if !active {
            return Ok(Introspected { active: None, body: SecretBytes::from(Vec::new()) });
        }
        let active = response::object(response, 200)?;
        Ok(Introspected { active: Some(active), body: SecretBytes::from(response.body.clone()) })
    }
}

/// What the provider said about a token.
///
/// `Debug` tells only whether it is active.
#[derive(Clone)]
pub struct Introspected {
    active: Option<Active>,
    body: SecretBytes,
}

impl Introspected {
    /// Tells whether the provider called the token active. Of one that is not it says nothing more.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.active.is_some()
    }

    /// Returns when the token expires, if the provider says so.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixTime> {
        self.active.as_ref().and_then(|active| active.exp)
    }

    /// Returns the scope of the token, if the provider says so.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        self.active.as_ref().and_then(|active| active.scope.as_ref())
    }

    /// Returns whom the token speaks for, if the provider says so.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.active.as_ref().and_then(|active| active.sub.as_deref())
    }

    /// Reads further members, as `username`.
    ///
    /// # Errors
    ///
    /// [`JsonError::Shape`] when the members are not a `T`, [`JsonError::Syntax`] for a token that is not
    /// active.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        json::object_from_slice(self.body.expose(), MAX_RESPONSE_BYTES)
    }
}

impl fmt::Debug for Introspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspected").field("is_active", &self.is_active()).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Activity {
    active: bool,
}

#[derive(Clone, Deserialize)]
struct Active {
    #[serde(default, deserialize_with = "member::numeric_date")]
    exp: Option<UnixTime>,
    #[serde(default, deserialize_with = "member::present")]
    scope: Option<Scope>,
    #[serde(default, deserialize_with = "member::present")]
    sub: Option<String>,
}

/// Why nothing can be asked. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntrospectError {
    /// The tokens are of another provider: the host took the wrong client.
    #[error("the tokens are of another provider")]
    AnotherProvider,
    /// The tokens are of another client of this provider: the host took the wrong client.
    #[error("the tokens are of another client (RFC 7662 section 4)")]
    AnotherClient,
    /// The provider has no endpoint that tells.
    #[error("the provider has no introspection endpoint")]
    NoEndpoint,
    /// The provider gave no refresh token.
    #[error("there is no refresh token")]
    NoRefreshToken,
}

impl From<ForeignOwner> for IntrospectError {
    fn from(owner: ForeignOwner) -> Self {
        match owner {
            ForeignOwner::Provider => Self::AnotherProvider,
            ForeignOwner::Client => Self::AnotherClient,
        }
    }
}

/// Why nothing is known about a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntrospectionError {
    /// The provider answered with an error
    /// ([RFC 7662 section 2.3](https://www.rfc-editor.org/rfc/rfc7662#section-2.3)).
    #[error("the provider refused: {refusal} (status {status})")]
    Refused {
        /// The provider's words.
        refusal: Refusal,
        /// The status code of the answer.
        status: u16,
    },
    /// The answer is not one of the protocol.
    #[error(transparent)]
    Response(#[from] ResponseError),
}

impl From<Failure> for IntrospectionError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { refusal, status } => Self::Refused { refusal, status },
            Failure::Response(error) => Self::Response(error),
        }
    }
}
