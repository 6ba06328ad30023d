//! A session that several processes share: its keeper in a store, changed by compare-and-swap.

use alloc::{string::String, sync::Arc};

use grantry_core::{HttpResponse, Moment, SecretString};
use grantry_jwt::JwkSet;

use crate::session_store::{AsyncSessionStore, Revision, Saved, SessionRecord, SessionStore};
use crate::{
    Client, KeeperError, KeeperPolicy, RefreshTicket, SendFailure, TokenAdvice, TokenKeeper, Tokens,
    TokensError,
};

/// How often a change is made anew after a conflict. Every conflict is progress of another caller of the same
/// session, so only a store that never applies anything gets here.
pub const MAX_SESSION_ROUNDS: usize = 16;

/// One session in a store, shared by all threads and processes that know its key.
///
/// What a [`TokenKeeper`] decides is written before anybody acts on it: whoever gets a
/// [`RefreshTicket`] has the claim to refresh in the record, and all others see it there. When the process
/// with the claim crashes, the claim runs out and the next caller refreshes with the same refresh token.
///
/// The methods for a blocking store and, with `_async` behind their name, those for an asynchronous one do
/// the same. The future of one may be dropped at any point, but for the one that hands in an answer: what it brings
/// may be nowhere else, so let it run to its end in a task that outlives the request.
///
/// The whole way to an access token, where `send` does the HTTP and gives up at [`RefreshTicket::until`]:
///
/// ```
/// use grantry_client::{Client, SendFailure, Session, SessionStore, TokenAdvice, Tokens};
/// use grantry_core::{HttpRequest, HttpResponse, Moment};
/// use grantry_jwt::JwkSet;
/// use std::sync::Arc;
///
/// fn tokens<S: SessionStore<Error: std::error::Error + 'static>>(
///     session: &Session<S>,
///     client: &Client,
///     keys: &JwkSet,
///     send: impl Fn(HttpRequest) -> Result<HttpResponse, SendFailure>,
/// ) -> Result<Option<Arc<Tokens>>, Box<dyn std::error::Error>> {
///     loop {
///         match session.advise(Moment::now()?)? {
///             TokenAdvice::Use(tokens) => return Ok(Some(tokens)),
///             TokenAdvice::Refresh(ticket) => match send(ticket.request(client, Moment::now()?)?) {
///                 // What goes wrong is for the log; the next advice knows what it means.
///                 Ok(response) => {
///                     let landed = session.handle_response(client, &ticket, &response, keys, Moment::now()?);
///                     if let Err(error) = landed {
///                         eprintln!("not refreshed: {error}");
///                     }
///                 }
///                 Err(failure) => session.handle_failure(&ticket, failure, Moment::now()?)?,
///             },
///             // Sleep until then at the latest and ask again, or answer 503.
///             TokenAdvice::Wait { .. } => return Ok(None),
///             TokenAdvice::Expired(end) => return Err(end.into()),
///         }
///     }
/// }
/// # let issuer = grantry_core::Issuer::parse("https://as.example")?;
/// # let provider =
/// #     grantry_client::Provider::new(issuer, "https://as.example/authorize", "https://as.example/token")?;
/// # let id = grantry_core::ClientId::parse("app")?;
/// # let client = Client::without_redirect_uri(provider, id, grantry_client::ClientAuthentication::None)?;
/// # let stored = r#"{"version":1,"issuer":"https://as.example","client_id":"app","access_token":"at-1",
/// #     "expires_at":1,"refresh_token":"rt-1","scope":"","granted":"","id_token":null}"#;
/// # let store = grantry_client::MemorySessionStore::new();
/// # let session = Session::new(store, "user-1", grantry_client::KeeperPolicy::default());
/// # let then = Moment::new(grantry_core::UnixTime::from_secs(0), [1; 32]);
/// # session.start(Tokens::from_json(stored)?, then)?;
/// # let answer = HttpResponse::new(200).with_header("Content-Type", "application/json").with_body(
/// #     r#"{"access_token":"at-2","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-2"}"#,
/// # );
/// # let held = tokens(&session, &client, &JwkSet::default(), |_| Ok(answer.clone()))?.unwrap();
/// # assert_eq!(held.access_token().expose(), "at-2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Session<S> {
    store: S,
    key: String,
    policy: KeeperPolicy,
}

impl<S> Session<S> {
    /// Names a session by the host's key.
    #[must_use]
    pub fn new(store: S, key: impl Into<String>, policy: KeeperPolicy) -> Self {
        Self { store, key: key.into(), policy }
    }

    /// Applies a change to a loaded record, and tells what is to be saved, if anything.
    fn change<R, E>(
        &self,
        record: Option<&SessionRecord>,
        moment: &Moment,
        change: &mut impl FnMut(&mut TokenKeeper, &Moment) -> R,
    ) -> Result<(R, Option<SessionRecord>), SessionError<E>> {
        let record = record.ok_or(SessionError::NoSession)?;
        let mut keeper =
            TokenKeeper::from_json(record.json.expose(), self.policy).map_err(SessionError::Record)?;
        let result = change(&mut keeper, moment);
        let json = keeper.to_json();
        let is_changed = !json.matches(record.json.expose());
        Ok((result, is_changed.then(|| SessionRecord::new(Revision::generate(moment), json))))
    }

    fn first_record(&self, tokens: Tokens, moment: Moment) -> SessionRecord {
        let revision = Revision::generate(&moment);
        SessionRecord::new(revision, TokenKeeper::new(tokens, self.policy, moment).to_json())
    }
}

impl<S: SessionStore> Session<S> {
    /// Starts the session with the tokens of a login, in place of what the key stood for. A refresh of the
    /// earlier tokens that is on its way changes nothing any more.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`], [`SessionError::Contended`].
    pub fn start(&self, tokens: Tokens, moment: Moment) -> Result<(), SessionError<S::Error>> {
        let record = self.first_record(tokens, moment);
        for _ in 0..MAX_SESSION_ROUNDS {
            let before = self.store.load(&self.key).map_err(SessionError::Store)?;
            let expected = before.as_ref().map(|before| &before.revision);
            match self.store.save(&self.key, expected, &record).map_err(SessionError::Store)? {
                Saved::Applied => return Ok(()),
                Saved::Conflict => {}
            }
        }
        Err(SessionError::Contended)
    }

    /// Says what to do for a caller that needs an access token now; see [`TokenKeeper::advise`].
    ///
    /// # Errors
    ///
    /// [`SessionError::NoSession`], [`SessionError::Store`], [`SessionError::Record`],
    /// [`SessionError::Contended`].
    #[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
    pub fn advise(&self, moment: Moment) -> Result<TokenAdvice, SessionError<S::Error>> {
        self.update(&moment, TokenKeeper::advise_at)
    }

    /// Takes the answer to the request of a ticket; see [`TokenKeeper::handle_response`]. After a failure of
    /// the store the same answer is handed in again: else its tokens are lost.
    ///
    /// # Errors
    ///
    /// As [`Session::advise`]; [`SessionError::Keeper`] as [`TokenKeeper::handle_response`].
    #[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
    pub fn handle_response(
        &self,
        client: &Client,
        ticket: &RefreshTicket,
        response: &HttpResponse,
        keys: &JwkSet,
        moment: Moment,
    ) -> Result<Arc<Tokens>, SessionError<S::Error>> {
        self.update(&moment, |keeper, moment| keeper.land(client, ticket, response, keys, moment))?
            .map_err(SessionError::Keeper)
    }

    /// Takes note that the request of a ticket brought no response.
    ///
    /// # Errors
    ///
    /// As [`Session::advise`].
    #[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
    pub fn handle_failure(
        &self,
        ticket: &RefreshTicket,
        failure: SendFailure,
        moment: Moment,
    ) -> Result<(), SessionError<S::Error>> {
        self.update(&moment, |keeper, moment| keeper.lose(ticket, failure, moment))
    }

    /// Takes note that an API refused this access token; see [`TokenKeeper::handle_invalid_token`].
    ///
    /// # Errors
    ///
    /// As [`Session::advise`].
    #[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
    pub fn handle_invalid_token(
        &self,
        access_token: &SecretString,
        moment: Moment,
    ) -> Result<(), SessionError<S::Error>> {
        self.update(&moment, |keeper, _| keeper.handle_invalid_token(access_token))
    }

    /// Forgets the session: revoke its grant first, if the provider can do that.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`].
    pub fn end(&self) -> Result<(), SessionError<S::Error>> {
        self.store.remove(&self.key).map_err(SessionError::Store)
    }

    fn update<R>(
        &self,
        moment: &Moment,
        mut change: impl FnMut(&mut TokenKeeper, &Moment) -> R,
    ) -> Result<R, SessionError<S::Error>> {
        for _ in 0..MAX_SESSION_ROUNDS {
            let before = self.store.load(&self.key).map_err(SessionError::Store)?;
            let (result, after) = self.change(before.as_ref(), moment, &mut change)?;
            let Some(after) = after else {
                return Ok(result);
            };
            let expected = before.as_ref().map(|before| &before.revision);
            match self.store.save(&self.key, expected, &after).map_err(SessionError::Store)? {
                Saved::Applied => return Ok(result),
                Saved::Conflict => {}
            }
        }
        Err(SessionError::Contended)
    }
}

impl<S: AsyncSessionStore> Session<S> {
    /// Starts the session with the tokens of a login; see [`Session::start`].
    ///
    /// # Errors
    ///
    /// As [`Session::start`].
    pub async fn start_async(&self, tokens: Tokens, moment: Moment) -> Result<(), SessionError<S::Error>> {
        let record = self.first_record(tokens, moment);
        for _ in 0..MAX_SESSION_ROUNDS {
            let before = self.store.load(&self.key).await.map_err(SessionError::Store)?;
            let expected = before.as_ref().map(|before| &before.revision);
            match self.store.save(&self.key, expected, &record).await.map_err(SessionError::Store)? {
                Saved::Applied => return Ok(()),
                Saved::Conflict => {}
            }
        }
        Err(SessionError::Contended)
    }

    /// Says what to do for a caller that needs an access token now; see [`Session::advise`].
    ///
    /// # Errors
    ///
    /// As [`Session::advise`].
    pub async fn advise_async(&self, moment: Moment) -> Result<TokenAdvice, SessionError<S::Error>> {
        self.update_async(&moment, TokenKeeper::advise_at).await
    }

    /// Takes the answer to the request of a ticket; see [`Session::handle_response`].
    ///
    /// # Errors
    ///
    /// As [`Session::handle_response`].
    pub async fn handle_response_async(
        &self,
        client: &Client,
        ticket: &RefreshTicket,
        response: &HttpResponse,
        keys: &JwkSet,
        moment: Moment,
    ) -> Result<Arc<Tokens>, SessionError<S::Error>> {
        let landed = self
            .update_async(&moment, |keeper, moment| keeper.land(client, ticket, response, keys, moment))
            .await?;
        landed.map_err(SessionError::Keeper)
    }

    /// Takes note that the request of a ticket brought no response.
    ///
    /// # Errors
    ///
    /// As [`Session::advise`].
    pub async fn handle_failure_async(
        &self,
        ticket: &RefreshTicket,
        failure: SendFailure,
        moment: Moment,
    ) -> Result<(), SessionError<S::Error>> {
        self.update_async(&moment, |keeper, moment| keeper.lose(ticket, failure, moment)).await
    }

    /// Takes note that an API refused this access token; see [`TokenKeeper::handle_invalid_token`].
    ///
    /// # Errors
    ///
    /// As [`Session::advise`].
    pub async fn handle_invalid_token_async(
        &self,
        access_token: &SecretString,
        moment: Moment,
    ) -> Result<(), SessionError<S::Error>> {
        self.update_async(&moment, |keeper, _| keeper.handle_invalid_token(access_token)).await
    }

    /// Forgets the session; see [`Session::end`].
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`].
    pub async fn end_async(&self) -> Result<(), SessionError<S::Error>> {
        self.store.remove(&self.key).await.map_err(SessionError::Store)
    }

    async fn update_async<R>(
        &self,
        moment: &Moment,
        mut change: impl FnMut(&mut TokenKeeper, &Moment) -> R,
    ) -> Result<R, SessionError<S::Error>> {
        for _ in 0..MAX_SESSION_ROUNDS {
            let before = self.store.load(&self.key).await.map_err(SessionError::Store)?;
            let (result, after) = self.change(before.as_ref(), moment, &mut change)?;
            let Some(after) = after else {
                return Ok(result);
            };
            let expected = before.as_ref().map(|before| &before.revision);
            match self.store.save(&self.key, expected, &after).await.map_err(SessionError::Store)? {
                Saved::Applied => return Ok(result),
                Saved::Conflict => {}
            }
        }
        Err(SessionError::Contended)
    }
}

/// Why a session gives no advice or takes no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError<E> {
    /// The store has no session of this key: nobody signed in, or somebody signed out.
    #[error("there is no session of this key")]
    NoSession,
    /// The store failed. Whether a change was saved is unknown.
    #[error("the store of sessions failed")]
    Store(#[source] E),
    /// The store has a record that this version can't read.
    #[error(transparent)]
    Record(TokensError),
    /// Every one of [`MAX_SESSION_ROUNDS`] attempts to save met another one.
    #[error("the session was changed by others each time")]
    Contended,
    /// The answer brought no tokens.
    #[error(transparent)]
    Keeper(KeeperError),
}
