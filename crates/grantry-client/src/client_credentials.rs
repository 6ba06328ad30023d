//! Tokens for the client itself
//! ([RFC 6749 section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)).

use alloc::{string::String, vec::Vec};

use grantry_core::{HttpRequest, HttpResponse, Moment, Scope, UnixTime};
use url::Url;

use crate::client_authentication::Message;
use crate::token_answer::TokenAnswer;
use crate::{Client, ClientAuthentication, RequestError, RequestToSign, TokenError, Tokens};

/// A request for a token with which the client acts for itself.
#[derive(Clone, Debug)]
#[must_use = "nothing is granted until the request is sent"]
pub struct ClientCredentials<'a> {
    client: &'a Client,
    scope: Scope,
    resources: Vec<String>,
}

impl Client {
    /// Makes a request for a token of the client itself.
    ///
    /// # Errors
    ///
    /// [`ClientCredentialsError::PublicClient`]: who proves nothing is given nothing
    /// ([RFC 6749 section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)).
    pub const fn client_credentials(&self) -> Result<ClientCredentials<'_>, ClientCredentialsError> {
        if matches!(self.authentication(), ClientAuthentication::None) {
            return Err(ClientCredentialsError::PublicClient);
        }
        Ok(ClientCredentials { client: self, scope: Scope::empty(), resources: Vec::new() })
    }
}

impl ClientCredentials<'_> {
    /// Asks for a scope; the empty scope leaves the choice to the provider.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Names a resource that the token is for; it can be called for each of several.
    ///
    /// # Errors
    ///
    /// [`ClientCredentialsError::Resource`] when it is not an absolute URI without fragment
    /// ([RFC 8707 section 2](https://www.rfc-editor.org/rfc/rfc8707#section-2)).
    pub fn with_resource(mut self, resource: impl Into<String>) -> Result<Self, ClientCredentialsError> {
        let resource = resource.into();
        let is_visible = resource.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_visible || resource.contains('#') || Url::parse(&resource).is_err() {
            return Err(ClientCredentialsError::Resource);
        }
        self.resources.push(resource);
        Ok(self)
    }

    /// Makes the request to send
    /// ([RFC 6749 section 4.4.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.4.2)).
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
        let mut parameters = Vec::from([("grant_type", "client_credentials")]);
        parameters.extend((!self.scope.is_empty()).then(|| ("scope", self.scope.as_str())));
        parameters.extend(self.resources.iter().map(|resource| ("resource", resource.as_str())));
        Message { endpoint: self.client.provider().token_url(), parameters }
    }

    /// Reads the answer. A refresh token in it, which a provider should not send
    /// ([RFC 6749 section 4.4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.4.3)), is dropped, and so is
    /// an ID token: the client asks again with its credentials, and there is no person.
    ///
    /// # Errors
    ///
    /// [`TokenError::Refused`] for the provider's own error, [`TokenError::Response`] for an answer that is
    /// none.
    pub fn response(&self, response: &HttpResponse, now: UnixTime) -> Result<Tokens, TokenError> {
        let answer = TokenAnswer::read(response, self.client.provider().tolerance())?;
        let scope = answer.scope.unwrap_or_else(|| self.scope.clone());
        Ok(Tokens {
            issuer: self.client.provider().issuer().clone(),
            client_id: self.client.client_id().clone(),
            access_token: answer.access_token,
            expires_at: answer.lifetime.map(|lifetime| now.saturating_add(lifetime)),
            refresh_token: None,
            id_token: None,
            granted: scope.clone(),
            scope,
        })
    }
}

/// Why no such request can be made. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientCredentialsError {
    /// The client has no credentials.
    #[error("a public client has no credentials (RFC 6749 section 4.4)")]
    PublicClient,
    /// A resource is not an absolute URI of visible ASCII characters without fragment.
    #[error("a resource is not an absolute URI without fragment (RFC 8707 section 2)")]
    Resource,
}
