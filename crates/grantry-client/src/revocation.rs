//! Giving a token back ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).

use grantry_core::{HttpRequest, HttpResponse, SecretString};
use url::Url;

use crate::response::{self, ResponseError};
use crate::{Client, Refusal};

/// The revocation of one token: of a refresh token to end the grant, of an access token to end that
/// token alone.
#[derive(Clone, Debug)]
#[must_use = "nothing is revoked until the request is sent"]
pub struct Revocation<'a> {
    client: &'a Client,
    endpoint: &'a Url,
    token: &'a SecretString,
}

impl Client {
    /// Makes a revocation; `None` when the provider has no endpoint for it.
    #[must_use]
    pub fn revoke<'a>(&'a self, token: &'a SecretString) -> Option<Revocation<'a>> {
        let endpoint = self.provider().revocation_url()?;
        Some(Revocation { client: self, endpoint, token })
    }
}

impl Revocation<'_> {
    /// Makes the request to send
    /// ([RFC 7009 section 2.1](https://www.rfc-editor.org/rfc/rfc7009#section-2.1)).
    pub fn request(&self) -> HttpRequest {
        self.client.post(self.endpoint, &[("token", self.token.expose())])
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
            200 => Ok(()),
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

/// Why a token may not be revoked.
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
