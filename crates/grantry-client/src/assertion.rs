//! Client assertions: JWTs by which a client proves who it is
//! ([RFC 7523 section 3](https://www.rfc-editor.org/rfc/rfc7523#section-3)).

use alloc::{format, string::String};
use core::fmt;
use core::time::Duration;

use grantry_core::{HttpRequest, Moment, SecretString, UnixTime, form};
use grantry_jwt::{Algorithm, SignError, SigningInput, SigningKey, VerifyingKey};
use serde::Serialize;

use crate::client_authentication::Message;
use crate::{Client, RequestError};

/// The one type of `client_assertion_type`
/// ([RFC 7523 section 2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2)).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion is good: one minute, for it is sent at once.
const LIFETIME: Duration = Duration::from_secs(60);

/// A request whose client assertion waits for its signature from a key outside of the process.
///
/// ```
/// # use grantry_client::{Client, RequestError, RequestToSign, Tokens};
/// # use grantry_core::{HttpRequest, Moment};
/// # fn refresh(client: &Client, tokens: &Tokens, kms: impl Fn(&[u8]) -> Vec<u8>, moment: Moment)
/// #     -> Result<HttpRequest, Box<dyn std::error::Error>> {
/// let waiting: RequestToSign = client.refresh(tokens)?.request_to_sign(moment)?;
/// let signature = kms(waiting.as_bytes());
/// let request = waiting.complete(&signature)?;
/// # Ok(request)
/// # }
/// ```
///
/// Only its signature, which is checked, makes a request of it, and only one: a provider takes an
/// assertion once ([RFC 7523 section 3](https://www.rfc-editor.org/rfc/rfc7523#section-3)).
#[must_use = "there is no request until it is signed"]
pub struct RequestToSign {
    request: Unasserted,
    input: SigningInput,
}

impl RequestToSign {
    /// Returns what is signed. A service that signs digests takes [`Algorithm::digest`] of it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.input.as_bytes()
    }

    /// Returns the algorithm to sign with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.input.algorithm()
    }

    /// Returns the key id of the key to sign with.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.input.key_id()
    }

    /// Makes the request to send with the signature, `r || s` for ECDSA
    /// ([RFC 7518 section 3.4](https://www.rfc-editor.org/rfc/rfc7518#section-3.4)).
    ///
    /// # Errors
    ///
    /// [`SignError::Signature`] when it is not one of the client's key over these bytes.
    pub fn complete(self, signature: &[u8]) -> Result<HttpRequest, SignError> {
        Ok(self.request.with_assertion(self.input.complete(signature)?))
    }

    /// Makes the request to send with an ECDSA signature in DER, as most signing services write it
    /// ([RFC 3279 section 2.2.3](https://www.rfc-editor.org/rfc/rfc3279#section-2.2.3)).
    ///
    /// # Errors
    ///
    /// [`SignError::Signature`] also for an algorithm other than ECDSA and for another encoding.
    pub fn complete_der(self, signature: &[u8]) -> Result<HttpRequest, SignError> {
        Ok(self.request.with_assertion(self.input.complete_der(signature)?))
    }
}

impl fmt::Debug for RequestToSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestToSign")
            .field("endpoint", &self.request.endpoint)
            .field("input", &self.input)
            .finish_non_exhaustive()
    }
}

/// Whom the assertions of a client are addressed to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Audience {
    Issuer,
    TokenEndpoint,
}

/// A request that has everything but its assertion.
struct Unasserted {
    endpoint: String,
    form: SecretString,
}

impl Unasserted {
    fn with_assertion(self, assertion: String) -> HttpRequest {
        let assertion = SecretString::from(assertion);
        let last = form::encode([("client_assertion", assertion.expose())]);
        HttpRequest::form(self.endpoint, format!("{}&{last}", self.form.expose()))
    }
}

/// The claims of an assertion ([RFC 7523 section 3](https://www.rfc-editor.org/rfc/rfc7523#section-3)).
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: String,
    iat: UnixTime,
    exp: UnixTime,
}

impl Client {
    pub(crate) fn assert(
        &self,
        key: &SigningKey,
        message: &Message<'_>,
        moment: &Moment,
    ) -> Result<HttpRequest, RequestError> {
        let assertion = key.sign_claims(self.assertion_typ(), &self.assertion_claims(moment))?;
        Ok(self.unasserted(message).with_assertion(assertion))
    }

    pub(crate) fn assert_outside(
        &self,
        key: &VerifyingKey,
        message: &Message<'_>,
        moment: &Moment,
    ) -> Result<RequestToSign, RequestError> {
        let input = SigningInput::of_claims(key, self.assertion_typ(), &self.assertion_claims(moment))?;
        Ok(RequestToSign { request: self.unasserted(message), input })
    }

    /// The `client_id` is said beside the assertion, which RFC 7521 section 4.2 allows and some providers need.
    fn unasserted(&self, message: &Message<'_>) -> Unasserted {
        let who = [("client_id", self.client_id().as_str()), ("client_assertion_type", JWT_BEARER)];
        let form = SecretString::from(message.form(&who));
        Unasserted { endpoint: message.endpoint.as_str().into(), form }
    }

    fn assertion_claims(&self, moment: &Moment) -> Claims<'_> {
        let client_id = self.client_id().as_str();
        Claims {
            iss: client_id,
            sub: client_id,
            // rfc7523bis section 4: the issuer alone, so that no other server can play the assertion on.
            aud: match self.assertion_audience() {
                Audience::Issuer => self.provider().issuer().as_str(),
                Audience::TokenEndpoint => self.provider().token_url().as_str(),
            },
            jti: moment.random_text("client assertion"),
            iat: moment.time(),
            exp: moment.time().saturating_add(LIFETIME),
        }
    }

    // RFC 8725 section 3.11, by rfc7523bis section 4; what is older than that knows the general one alone.
    const fn assertion_typ(&self) -> &'static str {
        match self.assertion_audience() {
            Audience::Issuer => "client-authentication+jwt",
            Audience::TokenEndpoint => "JWT",
        }
    }
}
