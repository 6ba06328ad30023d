//! How a client proves who it is, in the one place that every request to the provider goes through
//! ([RFC 6749 section 2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)).

use alloc::{string::String, vec::Vec};

use grantry_core::{HttpRequest, Moment, SecretString, basic_credentials, form};
use grantry_jwt::{KeyType, SignError, SigningKey, VerifyingKey};
use url::Url;

use crate::assertion::RequestToSign;
use crate::{Client, ClientError};

/// How a client proves to the provider who it is
/// ([RFC 6749 section 2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)): the one method that it is
/// registered for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// A public client: it has no secret and sends its `client_id` alone.
    None,
    /// `client_secret_basic`: identifier and secret in the `Authorization` header.
    Basic(SecretString),
    /// `client_secret_post`: identifier and secret in the body.
    Post(SecretString),
    /// `client_secret_jwt`: an assertion keyed with the secret, which itself is never sent
    /// ([OpenID Connect Core section 9](https://openid.net/specs/openid-connect-core-1_0.html#ClientAuthentication)).
    /// The key is [`SigningKey::from_secret`] of the secret's bytes.
    SecretJwt(SigningKey),
    /// `private_key_jwt`: an assertion signed with a private key, of which the provider knows the public half
    /// ([RFC 7523 section 2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2)).
    PrivateKeyJwt(SigningKey),
    /// `private_key_jwt` whose private key is outside of the process, in a KMS or an HSM. The client holds
    /// the public half, and each request is one [`RequestToSign`].
    OutsideKeyJwt(VerifyingKey),
}

impl ClientAuthentication {
    /// Returns the value of `token_endpoint_auth_method`
    /// ([RFC 7591 section 2](https://www.rfc-editor.org/rfc/rfc7591#section-2)).
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic(_) => "client_secret_basic",
            Self::Post(_) => "client_secret_post",
            Self::SecretJwt(_) => "client_secret_jwt",
            Self::PrivateKeyJwt(_) | Self::OutsideKeyJwt(_) => "private_key_jwt",
        }
    }

    // RFC 8725 section 3.1: a shared secret is no private key, and the other way round.
    pub(crate) fn check(&self) -> Result<(), ClientError> {
        let algorithm = match self {
            Self::None | Self::Basic(_) | Self::Post(_) => return Ok(()),
            Self::SecretJwt(key) | Self::PrivateKeyJwt(key) => key.algorithm(),
            Self::OutsideKeyJwt(key) => key.algorithm(),
        };
        let is_secret = algorithm.key_type() == KeyType::Secret;
        if is_secret == matches!(self, Self::SecretJwt(_)) { Ok(()) } else { Err(ClientError::KeyType) }
    }
}

/// What a request says, before it says who asks.
pub(crate) struct Message<'a> {
    pub(crate) endpoint: &'a Url,
    pub(crate) parameters: Vec<(&'a str, &'a str)>,
}

impl Message<'_> {
    /// Writes the form. A message that names the client does so once, whatever more there is.
    pub(crate) fn form(&self, more: &[(&str, &str)]) -> String {
        let names_client = self.parameters.iter().any(|(name, _)| *name == "client_id");
        let more = more.iter().filter(|(name, _)| !names_client || *name != "client_id");
        form::encode(self.parameters.iter().chain(more).copied())
    }

    fn request(&self, more: &[(&str, &str)]) -> HttpRequest {
        HttpRequest::form(self.endpoint.as_str(), self.form(more))
    }
}

impl Client {
    /// Makes the request of a message with the client's authentication.
    #[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one request")]
    pub(crate) fn request(&self, message: &Message<'_>, moment: Moment) -> Result<HttpRequest, RequestError> {
        let client_id = ("client_id", self.client_id().as_str());
        match self.authentication() {
            ClientAuthentication::None => Ok(message.request(&[client_id])),
            ClientAuthentication::Post(secret) => {
                Ok(message.request(&[client_id, ("client_secret", secret.expose())]))
            }
            ClientAuthentication::Basic(secret) => {
                let credentials = basic_credentials(self.client_id(), secret);
                Ok(message.request(&[]).with_header("Authorization", credentials.expose()))
            }
            ClientAuthentication::SecretJwt(key) | ClientAuthentication::PrivateKeyJwt(key) => {
                self.assert(key, message, &moment)
            }
            ClientAuthentication::OutsideKeyJwt(_) => Err(RequestError::SignedOutside),
        }
    }

    /// Makes the request of a message that waits for a signature from outside.
    #[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one request")]
    pub(crate) fn request_to_sign(
        &self,
        message: &Message<'_>,
        moment: Moment,
    ) -> Result<RequestToSign, RequestError> {
        match self.authentication() {
            ClientAuthentication::OutsideKeyJwt(key) => self.assert_outside(key, message, &moment),
            ClientAuthentication::None
            | ClientAuthentication::Basic(_)
            | ClientAuthentication::Post(_)
            | ClientAuthentication::SecretJwt(_)
            | ClientAuthentication::PrivateKeyJwt(_) => Err(RequestError::NotSignedOutside),
        }
    }
}

/// Why a request can't be made. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The key of the client is outside of the process: the request is a [`RequestToSign`].
    #[error("the key of the client is outside of the process: make the request to sign")]
    SignedOutside,
    /// The client has no key outside of the process: the request needs no signature from there.
    #[error("the client has no key outside of the process: make the request itself")]
    NotSignedOutside,
    /// The assertion could not be signed.
    #[error("the client assertion is not signed: {0}")]
    Sign(#[from] SignError),
}
