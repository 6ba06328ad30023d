//! Giving a token back ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).

use alloc::vec::Vec;

use grantry_core::{HttpRequest, HttpResponse, Moment, SecretString};
use url::Url;

use crate::client::ForeignOwner;
use crate::client_authentication::Message;
use crate::response::{self, ResponseError};
use crate::{Client, Refusal, RequestError, RequestToSign, Tokens};

/// The revocation of one token.
#[derive(Clone, Debug)]
#[must_use = "nothing is revoked until the request is sent"]
pub struct Revocation<'a> {
    client: &'a Client,
    endpoint: &'a Url,
    token: &'a SecretString,
}

impl Client {
    /// Makes the revocation that ends the grant: of the refresh token, or of the access token when
    /// there is no other.
    ///
    /// # Errors
    ///
    /// [`RevokeError::AnotherProvider`] and [`RevokeError::AnotherClient`] for tokens that this client
    /// was not issued, [`RevokeError::NoEndpoint`].
    pub fn revoke_grant<'a>(&'a self, tokens: &'a Tokens) -> Result<Revocation<'a>, RevokeError> {
        self.revoke(tokens, tokens.refresh_token().unwrap_or_else(|| tokens.access_token()))
    }

    /// Makes the revocation of the access token. The provider decides whether the grant ends with it
    /// ([RFC 7009 section 2.1](https://www.rfc-editor.org/rfc/rfc7009#section-2.1)).
    ///
    /// # Errors
    ///
    /// As [`Client::revoke_grant`].
    pub fn revoke_access_token<'a>(&'a self, tokens: &'a Tokens) -> Result<Revocation<'a>, RevokeError> {
        self.revoke(tokens, tokens.access_token())
    }

    fn revoke<'a>(
        &'a self,
        tokens: &'a Tokens,
        token: &'a SecretString,
    ) -> Result<Revocation<'a>, RevokeError> {
        self.check_owner(&tokens.issuer, &tokens.client_id)?;
        let endpoint = self.provider().revocation_url().ok_or(RevokeError::NoEndpoint)?;
        Ok(Revocation { client: self, endpoint, token })
    }
}

impl Revocation<'_> {
    /// Makes the request to send
    /// ([RFC 7009 section 2.1](https://www.rfc-editor.org/rfc/rfc7009#section-2.1)).
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
        Message { endpoint: self.endpoint, parameters: Vec::from([("token", self.token.expose())]) }
    }

    /// Reads the answer. A token that the provider does not know counts as revoked
    /// ([RFC 7009 section 2.2](https://www.rfc-editor.org/rfc/rfc7009#section-2.2)).
    ///
    /// # Errors
    ///
    /// [`RevocationError::Unavailable`] when the token still stands and the request is to be sent
    /// again, [`RevocationError::Refused`] for the provider's own error, and
    /// [`RevocationError::Response`] for an answer that is none.
    pub fn response(&self, response: &HttpResponse) -> Result<(), RevocationError> {
        match response.status {
            // RFC 7009 section 2.2: the body of a 200 means nothing, but an error in it is no success.
            200 => match response::refusal(response) {
                Some(refusal) => Err(RevocationError::Refused { refusal, status: 200 }),
                None => Ok(()),
            },
            // RFC 7009 section 2.2.1: the client assumes that the token still exists.
            503 => Err(RevocationError::Unavailable { retry_after: retry_after(response) }),
            status => Err(match response::refusal(response) {
                Some(refusal) => RevocationError::Refused { refusal, status },
                None => RevocationError::Response(response::unexpected_status(response)),
            }),
        }
    }
}

// RFC 9110 section 10.2.3: delay-seconds; a date counts as unknown.
fn retry_after(response: &HttpResponse) -> Option<u64> {
    let value = response.headers.only("Retry-After")?;
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

/// Why no revocation can be made. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// The tokens are of another provider: the host took the wrong client.
    #[error("the tokens are of another provider")]
    AnotherProvider,
    /// The tokens are of another client of this provider: the host took the wrong client.
    #[error("the tokens are of another client (RFC 7009 section 2.1)")]
    AnotherClient,
    /// The provider has no endpoint that revokes.
    #[error("the provider has no revocation endpoint")]
    NoEndpoint,
}

impl From<ForeignOwner> for RevokeError {
    fn from(owner: ForeignOwner) -> Self {
        match owner {
            ForeignOwner::Provider => Self::AnotherProvider,
            ForeignOwner::Client => Self::AnotherClient,
        }
    }
}

/// Why a token may still stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// The provider can't do it now: the token still stands.
    #[error("the provider cannot revoke now (RFC 7009 section 2.2.1)")]
    Unavailable {
        /// How long to wait, in seconds, when the provider said so.
        retry_after: Option<u64>,
    },
    /// The provider answered with an error.
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
