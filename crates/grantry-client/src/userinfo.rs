//! What the provider tells about the person
//! ([OpenID Connect Core section 5.3](https://openid.net/specs/openid-connect-core-1_0.html#UserInfo)).

use alloc::{format, string::String};
use core::fmt;

use grantry_core::json::{self, JsonError};
use grantry_core::{HttpRequest, HttpResponse, SecretBytes};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::client::ForeignOwner;
use crate::response::{self, Failure, MAX_RESPONSE_BYTES, ResponseError};
use crate::{Client, IdToken, Refusal, Tokens, challenge, member};

/// A question about the person who signed in, asked with the access token.
#[derive(Clone, Debug)]
#[must_use = "nothing is asked until the request is sent"]
pub struct UserInfoRequest<'a> {
    endpoint: &'a Url,
    tokens: &'a Tokens,
    id_token: &'a IdToken,
}

impl Client {
    /// Makes a question about the person of a login. Without an ID token there is nobody to compare the
    /// answer with, so that it could be about anyone
    /// ([OpenID Connect Core section 5.3.2](https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse)).
    ///
    /// # Errors
    ///
    /// [`AskUserInfoError::AnotherProvider`] and [`AskUserInfoError::AnotherClient`] for tokens that this
    /// client was not issued, [`AskUserInfoError::NoEndpoint`], [`AskUserInfoError::NoIdToken`].
    pub fn user_info<'a>(&'a self, tokens: &'a Tokens) -> Result<UserInfoRequest<'a>, AskUserInfoError> {
        self.check_owner(&tokens.issuer, &tokens.client_id)?;
        let endpoint = self.provider().userinfo_url().ok_or(AskUserInfoError::NoEndpoint)?;
        let id_token = tokens.id_token().ok_or(AskUserInfoError::NoIdToken)?;
        Ok(UserInfoRequest { endpoint, tokens, id_token })
    }
}

impl UserInfoRequest<'_> {
    /// Makes the request to send, with the access token in the header
    /// ([RFC 6750 section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
    #[must_use]
    pub fn request(&self) -> HttpRequest {
        HttpRequest::new("GET", self.endpoint.as_str())
            .with_header("Accept", "application/json")
            .with_header("Authorization", format!("Bearer {}", self.tokens.access_token().expose()))
    }

    /// Reads the answer. One about another person than the ID token's is of no use, whatever it says.
    ///
    /// # Errors
    ///
    /// [`UserInfoError::Refused`] for the provider's own error, `invalid_token` when a refresh helps;
    /// [`UserInfoError::Response`] for an answer that is none; [`UserInfoError::Signed`];
    /// [`UserInfoError::SubjectMissing`] and [`UserInfoError::SubjectDiffers`].
    pub fn response(&self, response: &HttpResponse) -> Result<UserInfo, UserInfoError> {
        // RFC 6750 section 3: the error stands in the challenge, of which the body is no part.
        if let Some(refusal) = challenge::bearer_refusal(response) {
            return Err(UserInfoError::Refused { refusal, status: response.status });
        }
        if response.status == 200 && response::has_media_type(response, "application/jwt") {
            return Err(UserInfoError::Signed);
        }
        let Subject { sub } = response::object(response, 200)?;
        let subject = sub.ok_or(UserInfoError::SubjectMissing)?;
        // OpenID Connect Core section 5.3.2.
        if subject != self.id_token.subject() {
            return Err(UserInfoError::SubjectDiffers);
        }
        Ok(UserInfo { subject, body: SecretBytes::from(response.body.clone()) })
    }
}

/// What the provider told about the person of a login. `Debug` shows none of it.
#[derive(Clone)]
pub struct UserInfo {
    subject: String,
    body: SecretBytes,
}

impl UserInfo {
    /// Returns the person's identifier at the issuer, which is that of the ID token.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Reads claims, as `email`.
    ///
    /// # Errors
    ///
    /// [`JsonError::Shape`] when the claims are not a `T`.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        json::object_from_slice(self.body.expose(), MAX_RESPONSE_BYTES)
    }
}

impl fmt::Debug for UserInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserInfo").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default, deserialize_with = "member::present")]
    sub: Option<String>,
}

/// Why nothing can be asked about the person. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskUserInfoError {
    /// The tokens are of another provider: the host took the wrong client.
    #[error("the tokens are of another provider")]
    AnotherProvider,
    /// The tokens are of another client of this provider: the host took the wrong client.
    #[error("the tokens are of another client")]
    AnotherClient,
    /// The provider has no endpoint that tells.
    #[error("the provider has no userinfo endpoint")]
    NoEndpoint,
    /// The tokens are not of a login: the scope `openid` was not asked.
    #[error("there is no ID token to compare with (OpenID Connect Core section 5.3.2)")]
    NoIdToken,
}

impl From<ForeignOwner> for AskUserInfoError {
    fn from(owner: ForeignOwner) -> Self {
        match owner {
            ForeignOwner::Provider => Self::AnotherProvider,
            ForeignOwner::Client => Self::AnotherClient,
        }
    }
}

/// Why nothing is known about the person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UserInfoError {
    /// The provider answered with an error
    /// ([RFC 6750 section 3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
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
    /// The answer is a signed JWT, which the client is registered for and this library does not read.
    #[error("the answer is signed, which is not supported (OpenID Connect Core section 5.3.2)")]
    Signed,
    /// The answer does not say whom it is about.
    #[error("the answer has no sub (OpenID Connect Core section 5.3.2)")]
    SubjectMissing,
    /// The answer is about another person.
    #[error("the answer has another sub than the ID token (OpenID Connect Core section 5.3.2)")]
    SubjectDiffers,
}

impl From<Failure> for UserInfoError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { refusal, status } => Self::Refused { refusal, status },
            Failure::Response(error) => Self::Response(error),
        }
    }
}
