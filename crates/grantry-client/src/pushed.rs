//! Authorization requests that go to the provider behind the browser's back
//! ([RFC 9126](https://www.rfc-editor.org/rfc/rfc9126)).

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;
use core::num::NonZeroU64;
use core::time::Duration;

use grantry_core::{HttpRequest, HttpResponse, Moment, UnixTime};
use serde::Deserialize;
use url::Url;

use crate::authorization::Flow;
use crate::client_authentication::Message;
use crate::response::{self, Failure, ResponseError};
use crate::{
    AuthorizationError, AuthorizationRequest, Client, Pending, Refusal, RequestError, RequestToSign,
};

/// An authorization request that the provider is told before the browser is sent there: nobody at the browser
/// reads or changes it.
#[derive(Debug)]
#[must_use = "no flow starts until the request is sent"]
pub struct PushedAuthorizationRequest<'a> {
    client: &'a Client,
    endpoint: &'a Url,
    flow: Flow,
}

impl Client {
    /// Starts a flow as [`Client::authorize`] does, by a request to the provider first.
    ///
    /// # Errors
    ///
    /// [`AuthorizationError::NoPushEndpoint`], and as [`Client::authorize`].
    #[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
    pub fn push(
        &self,
        request: AuthorizationRequest,
        moment: Moment,
    ) -> Result<PushedAuthorizationRequest<'_>, AuthorizationError> {
        let endpoint = self.provider().push_url().ok_or(AuthorizationError::NoPushEndpoint)?;
        let flow = self.start(request, &moment)?;
        Ok(PushedAuthorizationRequest { client: self, endpoint, flow })
    }
}

impl PushedAuthorizationRequest<'_> {
    /// The longest `request_uri` accepted, in bytes: it has to fit into the URL for the browser.
    pub const MAX_REQUEST_URI_BYTES: usize = 1024;

    /// Makes the request to send
    /// ([RFC 9126 section 2.1](https://www.rfc-editor.org/rfc/rfc9126#section-2.1)).
    ///
    /// # Errors
    ///
    /// As [`CodeExchange::request`](crate::CodeExchange::request).
    pub fn request(&self, moment: Moment) -> Result<HttpRequest, RequestError> {
        self.client.request(&self.message(&self.flow.parameters()), moment)
    }

    /// Makes the request that waits for a signature from outside of the process.
    ///
    /// # Errors
    ///
    /// As [`CodeExchange::request_to_sign`](crate::CodeExchange::request_to_sign).
    pub fn request_to_sign(&self, moment: Moment) -> Result<RequestToSign, RequestError> {
        self.client.request_to_sign(&self.message(&self.flow.parameters()), moment)
    }

    fn message<'b>(&'b self, parameters: &'b [(&'b str, Cow<'b, str>)]) -> Message<'b> {
        let parameters: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (*name, &**value)).collect();
        Message { endpoint: self.endpoint, parameters }
    }

    /// Reads the answer: where to send the browser, and what the host keeps until it returns
    /// ([RFC 9126 section 2.2](https://www.rfc-editor.org/rfc/rfc9126#section-2.2)).
    ///
    /// # Errors
    ///
    /// [`PushError`]: the flow has not started, and another one starts with a moment of its own.
    pub fn response(self, response: &HttpResponse, now: UnixTime) -> Result<PushedAuthorization, PushError> {
        let body: Body = response::object(response, 201)?;
        let is_text = body.request_uri.bytes().all(|byte| byte.is_ascii_graphic());
        let is_fit = !body.request_uri.is_empty() && body.request_uri.len() <= Self::MAX_REQUEST_URI_BYTES;
        if !is_text || !is_fit {
            return Err(PushError::RequestUri);
        }
        // RFC 9126 section 4: the client's name and the reference, and nothing that could differ from it.
        let mut url = self.flow.authorization_endpoint;
        url.query_pairs_mut()
            .append_pair("client_id", self.client.client_id().as_str())
            .append_pair("request_uri", &body.request_uri);
        let expires_at = now.saturating_add(Duration::from_secs(body.expires_in.get()));
        Ok(PushedAuthorization { url, pending: self.flow.pending, expires_at })
    }
}

/// A flow whose request the provider knows.
pub struct PushedAuthorization {
    url: Url,
    pending: Pending,
    expires_at: UnixTime,
}

impl PushedAuthorization {
    /// Returns until when the browser has to arrive at the provider.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Returns where to send the browser, and what the host keeps until it returns.
    #[must_use]
    pub fn into_parts(self) -> (Url, Pending) {
        (self.url, self.pending)
    }
}

impl fmt::Debug for PushedAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushedAuthorization")
            .field("pending", &self.pending)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Body {
    request_uri: String,
    expires_in: NonZeroU64,
}

/// Why no flow started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The provider answered with an error
    /// ([RFC 9126 section 2.3](https://www.rfc-editor.org/rfc/rfc9126#section-2.3)).
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
    /// The `request_uri` is empty, not visible ASCII, or longer than
    /// [`PushedAuthorizationRequest::MAX_REQUEST_URI_BYTES`].
    #[error("the request_uri is not a URI of at most 1024 bytes (RFC 9126 section 2.2)")]
    RequestUri,
}

impl From<Failure> for PushError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { refusal, status } => Self::Refused { refusal, status },
            Failure::Response(error) => Self::Response(error),
        }
    }
}
