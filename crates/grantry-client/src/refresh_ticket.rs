//! A refresh that is handed out once.

use alloc::sync::Arc;

use grantry_core::{HttpRequest, Moment, Scope, UnixTime};

use crate::{Client, Refresh, RefreshError, RequestError, RequestToSign, Tokens};

/// The right to refresh once. It can't be cloned.
///
/// A ticket that is dropped expires; until then, no other refresh starts.
#[derive(Debug)]
#[must_use = "a ticket that is dropped holds back every other refresh until it expires"]
pub struct RefreshTicket {
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) narrowed: Option<Scope>,
    pub(crate) generation: u64,
    pub(crate) number: u64,
    pub(crate) since: UnixTime,
    pub(crate) until: UnixTime,
    pub(crate) usable: Option<Arc<Tokens>>,
}

impl RefreshTicket {
    /// Makes the request to send, once. It is not repeated by the HTTP client.
    ///
    /// # Errors
    ///
    /// [`TicketError::Client`] when the tokens are not this client's, [`TicketError::Request`] as
    /// [`Refresh::request`].
    pub fn request(&self, client: &Client, moment: Moment) -> Result<HttpRequest, TicketError> {
        Ok(self.refresh(client)?.request(moment)?)
    }

    /// Makes the request that waits for a signature from outside of the process.
    ///
    /// # Errors
    ///
    /// As [`RefreshTicket::request`].
    pub fn request_to_sign(&self, client: &Client, moment: Moment) -> Result<RequestToSign, TicketError> {
        Ok(self.refresh(client)?.request_to_sign(moment)?)
    }

    /// Returns when the refresh counts as lost: the host's request gives up by then.
    #[must_use]
    pub const fn until(&self) -> UnixTime {
        self.until
    }

    /// Returns the tokens whose access token can be used meanwhile.
    #[must_use]
    pub const fn usable(&self) -> Option<&Arc<Tokens>> {
        self.usable.as_ref()
    }

    /// The lifetime of an access token began somewhere between the request and its answer.
    pub(crate) fn counted_from_request(&self, tokens: Tokens, now: UnixTime) -> Tokens {
        let on_its_way = now.saturating_since(self.since);
        let expires_at = tokens.expires_at.map(|expires_at| expires_at.saturating_sub(on_its_way));
        Tokens { expires_at, ..tokens }
    }

    pub(crate) fn refresh<'a>(&'a self, client: &'a Client) -> Result<Refresh<'a>, RefreshError> {
        let refresh = client.refresh(&self.tokens)?;
        Ok(match &self.narrowed {
            Some(scope) => refresh.narrowed_to(scope.clone()),
            None => refresh,
        })
    }
}

/// Why a ticket makes no request. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// The tokens are not this client's: the host took the wrong one.
    #[error(transparent)]
    Client(#[from] RefreshError),
    /// The client's authentication can't be made.
    #[error(transparent)]
    Request(#[from] RequestError),
}
