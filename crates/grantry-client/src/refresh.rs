//! New tokens for old ones ([RFC 6749 section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6)).

use alloc::{string::ToString, vec::Vec};

use grantry_core::{HttpRequest, HttpResponse, Scope, SecretString, UnixTime};
use grantry_jwt::JwkSet;

use crate::id_token::{Expected, Origin};
use crate::token_answer::TokenAnswer;
use crate::{Client, TokenError, Tokens};

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
    /// Makes a refresh; `None` when the tokens have no refresh token.
    #[must_use]
    pub fn refresh<'a>(&'a self, tokens: &'a Tokens) -> Option<Refresh<'a>> {
        let refresh_token = tokens.refresh_token()?;
        Some(Refresh { client: self, previous: tokens, refresh_token, scope: None })
    }
}

impl Refresh<'_> {
    /// Asks for less than was granted; the provider refuses more.
    pub fn narrowed_to(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Makes the request to send.
    pub fn request(&self) -> HttpRequest {
        let scope = self.scope.as_ref().map(Scope::to_string).filter(|scope| !scope.is_empty());
        let mut parameters =
            Vec::from([("grant_type", "refresh_token"), ("refresh_token", self.refresh_token.expose())]);
        parameters.extend(scope.as_deref().map(|scope| ("scope", scope)));
        self.client.post(self.client.provider().token_url(), &parameters)
    }

    /// Reads the answer. What it does not renew stays: the refresh token and the ID token. A new ID
    /// token is verified by `keys` and belongs to the same person as the previous one.
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
        let answer = TokenAnswer::read(response)?;
        let id_token = match (&self.previous.id_token, answer.id_token) {
            (Some(previous), Some(raw)) => {
                let origin = Origin::Refresh { previous };
                let expected = Expected { client: self.client, access_token: &answer.access_token, origin };
                Some(expected.verify(raw, keys, now)?)
            }
            (previous, _) => previous.clone(),
        };
        let asked = self.scope.as_ref().unwrap_or(&self.previous.scope);
        Ok(Tokens {
            access_token: answer.access_token,
            expires_at: answer.lifetime.map(|lifetime| now.saturating_add(lifetime)),
            refresh_token: answer.refresh_token.or_else(|| Some(self.refresh_token.clone())),
            id_token,
            scope: answer.scope.unwrap_or_else(|| asked.clone()),
        })
    }
}
