//! A code on its way to become tokens
//! ([RFC 6749 section 4.1.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3)).

use alloc::vec::Vec;
use core::fmt;

use grantry_core::{HttpRequest, HttpResponse, Moment, SecretString, UnixTime};
use grantry_jwt::JwkSet;

use crate::client_authentication::Message;
use crate::id_token::{Expected, Origin};
use crate::token_answer::TokenAnswer;
use crate::{Client, IdTokenError, Pending, RequestError, RequestToSign, TokenError, Tokens};

/// A code that passed every check of the callback. Nothing but
/// [`Client::callback`](crate::Client::callback) makes one.
#[must_use = "a code is worth nothing until it is exchanged"]
pub struct CodeExchange<'a> {
    pub(crate) client: &'a Client,
    pub(crate) pending: Pending,
    pub(crate) code: SecretString,
}

impl CodeExchange<'_> {
    /// Makes the request to send. When its answer is lost it can be made and sent again: a provider that
    /// took the first one answers the second with `invalid_grant`.
    ///
    /// # Errors
    ///
    /// [`RequestError`] when the client's assertion is not or can't be signed here.
    pub fn request(&self, moment: Moment) -> Result<HttpRequest, RequestError> {
        self.client.request(&self.message(), moment)
    }

    /// Makes the request that waits for a signature from outside of the process.
    ///
    /// # Errors
    ///
    /// [`RequestError`] when the client has no key there.
    pub fn request_to_sign(&self, moment: Moment) -> Result<RequestToSign, RequestError> {
        self.client.request_to_sign(&self.message(), moment)
    }

    fn message(&self) -> Message<'_> {
        let parameters = Vec::from([
            ("grant_type", "authorization_code"),
            ("code", self.code.expose()),
            ("redirect_uri", &self.pending.redirect_uri),
            ("code_verifier", self.pending.code_verifier.expose()),
        ]);
        Message { endpoint: self.client.provider().token_url(), parameters }
    }

    /// Reads the answer. With the scope `openid` its ID token is verified by `keys`, this provider's
    /// set and no other's, at the time `now`; without it `keys` may be empty, and an ID token that
    /// nobody asked for is dropped.
    ///
    /// It can be called again with the same answer, after
    /// [`IdTokenError::Token`](crate::IdTokenError::Token) said that the key is unknown and the host
    /// fetched the key set anew.
    ///
    /// # Errors
    ///
    /// [`TokenError::Refused`] for the provider's own error, [`TokenError::Response`] for an answer
    /// that is none, [`TokenError::IdToken`] for an ID token that is missing or fails a check.
    pub fn response(
        &self,
        response: &HttpResponse,
        keys: &JwkSet,
        now: UnixTime,
    ) -> Result<Tokens, TokenError> {
        let answer = TokenAnswer::read(response, self.client.provider().tolerance())?;
        let id_token = if self.pending.scope.contains("openid") {
            // OpenID Connect Core section 3.1.3.3: a login without an ID token is none.
            let raw = answer.id_token.ok_or(IdTokenError::Missing)?;
            let origin = Origin::Login { pending: &self.pending, code: &self.code };
            let expected = Expected { client: self.client, access_token: &answer.access_token, origin };
            Some(expected.verify(raw, keys, now)?)
        } else {
            None
        };
        let Pending { issuer, client_id, .. } = &self.pending;
        let scope = answer.scope.unwrap_or_else(|| self.pending.scope.clone());
        Ok(Tokens {
            issuer: issuer.clone(),
            client_id: client_id.clone(),
            access_token: answer.access_token,
            expires_at: answer.lifetime.map(|lifetime| now.saturating_add(lifetime)),
            refresh_token: answer.refresh_token,
            id_token,
            granted: scope.clone(),
            scope,
        })
    }
}

impl fmt::Debug for CodeExchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeExchange").field("pending", &self.pending).finish_non_exhaustive()
    }
}
