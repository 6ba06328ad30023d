//! New tokens for old ones ([RFC 6749 section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6)).

use alloc::{string::ToString, vec::Vec};

use grantry_core::{HttpRequest, HttpResponse, Moment, Scope, SecretString, UnixTime};
use grantry_jwt::JwkSet;

use crate::client::ForeignOwner;
use crate::client_authentication::Message;
use crate::id_token::{Expected, Origin};
use crate::token_answer::TokenAnswer;
use crate::{Client, RequestError, RequestToSign, TokenError, Tokens};

/// A refresh of the tokens of one grant.
///
/// Have one in flight for each grant: with a provider that rotates refresh tokens, a second one
/// looks like theft ([RFC 9700 section 4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)).
#[derive(Clone, Debug)]
#[must_use = "nothing is refreshed until the request is sent"]
pub struct Refresh<'a> {
    client: &'a Client,
    previous: &'a Tokens,
    refresh_token: &'a SecretString,
    scope: Option<Scope>,
}

impl Client {
    /// Makes a refresh of this client's own tokens: a host with several providers picks the client by
    /// [`Tokens::issuer`] and [`Tokens::client_id`].
    ///
    /// # Errors
    ///
    /// [`RefreshError::AnotherProvider`] and [`RefreshError::AnotherClient`] for tokens that this client
    /// was not issued, [`RefreshError::NoRefreshToken`].
    pub fn refresh<'a>(&'a self, tokens: &'a Tokens) -> Result<Refresh<'a>, RefreshError> {
        self.check_owner(&tokens.issuer, &tokens.client_id)?;
        let refresh_token = tokens.refresh_token().ok_or(RefreshError::NoRefreshToken)?;
        Ok(Refresh { client: self, previous: tokens, refresh_token, scope: None })
    }
}

impl Refresh<'_> {
    /// Asks for less than was granted, for this access token alone; the provider refuses more. The
    /// empty scope cannot be asked for and leaves the request as it is.
    pub fn narrowed_to(mut self, scope: Scope) -> Self {
        self.scope = Some(scope).filter(|scope| !scope.is_empty());
        self
    }

    /// Makes the request to send.
    ///
    /// # Errors
    ///
    /// As [`CodeExchange::request`](crate::CodeExchange::request).
    pub fn request(&self, moment: Moment) -> Result<HttpRequest, RequestError> {
        let scope = self.scope.as_ref().map(Scope::to_string);
        self.client.request(&self.message(scope.as_deref()), moment)
    }

    /// Makes the request that waits for a signature from outside of the process.
    ///
    /// # Errors
    ///
    /// As [`CodeExchange::request_to_sign`](crate::CodeExchange::request_to_sign).
    pub fn request_to_sign(&self, moment: Moment) -> Result<RequestToSign, RequestError> {
        let scope = self.scope.as_ref().map(Scope::to_string);
        self.client.request_to_sign(&self.message(scope.as_deref()), moment)
    }

    fn message<'b>(&'b self, scope: Option<&'b str>) -> Message<'b> {
        let mut parameters =
            Vec::from([("grant_type", "refresh_token"), ("refresh_token", self.refresh_token.expose())]);
        parameters.extend(scope.map(|scope| ("scope", scope)));
        Message { endpoint: self.client.provider().token_url(), parameters }
    }

    /// Reads the answer. What it does not renew stays: the refresh token and the ID token. A new ID
    /// token is verified by `keys`, this provider's set and no other's, and belongs to the same person
    /// as the previous one.
    ///
    /// # Errors
    ///
    /// [`TokenError::Refused`] for the provider's own error, `invalid_grant` when the grant is gone;
    /// [`TokenError::Response`] for an answer that is none; [`TokenError::IdToken`] for an ID token
    /// that fails a check.
    pub fn response(
        &self,
        response: &HttpResponse,
        keys: &JwkSet,
        now: UnixTime,
    ) -> Result<Tokens, TokenError> {
        let answer = TokenAnswer::read(response, self.client.provider().tolerance())?;
        let id_token = match (&self.previous.id_token, answer.id_token) {
            (Some(previous), Some(raw)) => {
                let origin = Origin::Refresh { previous };
                let expected = Expected { client: self.client, access_token: &answer.access_token, origin };
                Some(expected.verify(raw, keys, now)?)
            }
            (previous, _) => previous.clone(),
        };
        // RFC 6749 section 6: without `scope` in the request it is what the resource owner granted.
        let asked = self.scope.as_ref().unwrap_or(&self.previous.granted);
        let scope = answer.scope.unwrap_or_else(|| asked.clone());
        let granted = if self.scope.is_some() { &self.previous.granted } else { &scope };
        Ok(Tokens {
            issuer: self.previous.issuer.clone(),
            client_id: self.previous.client_id.clone(),
            access_token: answer.access_token,
            expires_at: answer.lifetime.map(|lifetime| now.saturating_add(lifetime)),
            refresh_token: answer.refresh_token.or_else(|| Some(self.refresh_token.clone())),
            id_token,
            granted: granted.clone(),
            scope,
        })
    }
}

/// Why tokens can't be refreshed. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The tokens are of another provider: the host took the wrong client.
    #[error("the tokens are of another provider")]
    AnotherProvider,
    /// The tokens are of another client of this provider: the host took the wrong client
    /// ([RFC 6749 section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6)).
    #[error("the tokens are of another client (RFC 6749 section 6)")]
    AnotherClient,
    /// The provider gave no refresh token.
    #[error("there is no refresh token")]
    NoRefreshToken,
}

impl From<ForeignOwner> for RefreshError {
    fn from(owner: ForeignOwner) -> Self {
        match owner {
            ForeignOwner::Provider => Self::AnotherProvider,
            ForeignOwner::Client => Self::AnotherClient,
        }
    }
}
