//! The request by which a device without a browser begins
//! ([RFC 8628 section 3.1](https://www.rfc-editor.org/rfc/rfc8628#section-3.1)).

use alloc::string::String;
use core::time::Duration;

use grantry_core::{HttpRequest, HttpResponse, Issuer, Moment, Scope, SecretString, UnixTime};
use serde::Deserialize;
use url::Url;

use crate::client_authentication::Message;
use crate::response::{self, Failure, ResponseError};
use crate::{Client, DeviceFlow, Refusal, RequestError, RequestToSign, member};

/// The request for a code that a person types in elsewhere.
#[derive(Clone, Debug)]
#[must_use = "no device flow begins until the request is sent"]
pub struct DeviceRequest<'a> {
    client: &'a Client,
    endpoint: &'a Url,
    scope: Scope,
}

impl Client {
    /// Begins a flow on a device without a browser; the empty scope leaves the choice to the provider.
    ///
    /// # Errors
    ///
    /// [`DeviceRequestError::NoEndpoint`] when the provider has no device authorization endpoint.
    pub fn device(&self, scope: Scope) -> Result<DeviceRequest<'_>, DeviceRequestError> {
        let endpoint = self.provider().device_authorization_url().ok_or(DeviceRequestError::NoEndpoint)?;
        Ok(DeviceRequest { client: self, endpoint, scope })
    }
}

impl DeviceRequest<'_> {
    /// Makes the request to send.
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
        let scope = Some(self.scope.as_str()).filter(|scope| !scope.is_empty());
        Message {
            endpoint: self.endpoint,
            parameters: scope.map(|scope| ("scope", scope)).into_iter().collect(),
        }
    }

    /// Reads the answer: what the person is shown, and the flow that polls.
    ///
    /// # Errors
    ///
    /// [`DeviceRequestError::Refused`] for the provider's own error, [`DeviceRequestError::Response`] for an
    /// answer that is none, [`DeviceRequestError::UserCode`] and [`DeviceRequestError::VerificationUri`] for one
    /// that can't be shown to a person.
    pub fn response(&self, response: &HttpResponse, now: UnixTime) -> Result<DeviceFlow, DeviceRequestError> {
        // RFC 8628 section 3.2: 200.
        let body: Body = response::object(response, 200)?;
        let issuer = self.client.provider().issuer();
        Ok(DeviceFlow::begin(self.client, self.scope.clone(), body.check(issuer)?, now))
    }
}

/// The answer, checked ([RFC 8628 section 3.2](https://www.rfc-editor.org/rfc/rfc8628#section-3.2)).
pub(crate) struct DeviceAnswer {
    pub(crate) device_code: SecretString,
    pub(crate) user_code: SecretString,
    pub(crate) verification_uri: String,
    pub(crate) verification_uri_complete: Option<SecretString>,
    pub(crate) lifetime: Duration,
    pub(crate) interval: Duration,
}

#[derive(Deserialize)]
struct Body {
    device_code: SecretString,
    user_code: SecretString,
    verification_uri: String,
    #[serde(default, deserialize_with = "member::present")]
    verification_uri_complete: Option<SecretString>,
    expires_in: u64,
    #[serde(default, deserialize_with = "member::present")]
    interval: Option<u64>,
}

impl Body {
    fn check(self, issuer: &Issuer) -> Result<DeviceAnswer, DeviceRequestError> {
        let is_visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_visible(self.device_code.expose()) {
            return Err(ResponseError::Token.into());
        }
        check_user_code(self.user_code.expose())?;
        check_verification_uri(issuer, &self.verification_uri)?;
        if let Some(complete) = &self.verification_uri_complete {
            check_verification_uri(issuer, complete.expose())?;
        }
        let interval = self.interval.map_or(DeviceFlow::DEFAULT_INTERVAL, Duration::from_secs);
        Ok(DeviceAnswer {
            device_code: self.device_code,
            user_code: self.user_code,
            verification_uri: self.verification_uri,
            verification_uri_complete: self.verification_uri_complete,
            lifetime: Duration::from_secs(self.expires_in).min(DeviceFlow::LONGEST_LIFETIME),
            interval: interval.clamp(DeviceFlow::SHORTEST_INTERVAL, DeviceFlow::LONGEST_LIFETIME),
        })
    }
}

/// A code is read from one screen and typed in at another: no control character reaches a terminal.
fn check_user_code(text: &str) -> Result<(), DeviceRequestError> {
    let is_shown = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let is_code = is_shown && text.len() <= DeviceFlow::MAX_USER_CODE_BYTES && !text.trim().is_empty();
    if is_code { Ok(()) } else { Err(DeviceRequestError::UserCode) }
}

/// A person opens it: `https`, or `http` on loopback where the issuer is there, too.
fn check_verification_uri(issuer: &Issuer, text: &str) -> Result<(), DeviceRequestError> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain || text.len() > DeviceFlow::MAX_URI_BYTES {
        return Err(DeviceRequestError::VerificationUri);
    }
    let url = Url::parse(text).map_err(|_| DeviceRequestError::VerificationUri)?;
    let on_loopback = issuer.as_str().starts_with("http:") && grantry_core::is_loopback(&url);
    let is_secure = url.scheme() == "https" || (url.scheme() == "http" && on_loopback);
    // It is shown as it was written, and opened as a browser repairs it; and what stands before an `@` is taken for
    // the host by people.
    let is_spelled_out = text.starts_with("https://") || text.starts_with("http://");
    let is_honest = is_spelled_out
        && !text.contains('\\')
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    if is_secure && is_honest { Ok(()) } else { Err(DeviceRequestError::VerificationUri) }
}

/// Why no device flow begins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceRequestError {
    /// The provider has no device authorization endpoint.
    #[error("the provider has no device authorization endpoint (RFC 8628 section 4)")]
    NoEndpoint,
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
    /// The user code is blank, longer than [`DeviceFlow::MAX_USER_CODE_BYTES`] or not printable ASCII.
    #[error("the user code is no text to be typed in (RFC 8628 section 6.1)")]
    UserCode,
    /// A verification URI is not an `https` URL of visible ASCII characters without user, or longer than
    /// [`DeviceFlow::MAX_URI_BYTES`]. For a loopback issuer it can be `http` on loopback.
    #[error("the verification URI is no https URL (RFC 8628 section 3.2)")]
    VerificationUri,
}

impl From<Failure> for DeviceRequestError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { refusal, status } => Self::Refused { refusal, status },
            Failure::Response(error) => Self::Response(error),
        }
    }
}
