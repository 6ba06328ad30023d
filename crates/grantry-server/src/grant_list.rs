//! Taking it back: which grants a person or a client has, and ending all of them.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use grantry_core::{ClientId, Issuer, Moment};

use crate::cache::NoCache;
use crate::event::Effect;
use crate::grant::{Grant, GrantId, Subject};
use crate::revoke_grant::Authority;
use crate::run::{NoSigner, RunError, drive, drive_async};
use crate::server::Server;
use crate::store::{AsyncStore, SendStore, Store};

/// How many grants a store lists at once: a page for a person, and a round trip that no table makes long.
pub const MAX_LISTED_GRANTS: usize = 100;

/// Whose grants at which issuer are listed: nobody is shown, and nothing ends, what they have at another tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store that ignores one would list the grants of others")]
pub enum GrantsOf<'a> {
    /// All that a person has granted.
    Subject(&'a Issuer, &'a Subject),
    /// All that a client holds, with requests that wait for a person.
    Client(&'a Issuer, &'a ClientId),
    /// All that a person has granted to one client.
    SubjectAtClient(&'a Issuer, &'a Subject, &'a ClientId),
}

impl<'a> GrantsOf<'a> {
    /// Returns the issuer that made the grants.
    #[must_use]
    pub const fn issuer(&self) -> &'a Issuer {
        match self {
            Self::Subject(issuer, _) | Self::Client(issuer, _) | Self::SubjectAtClient(issuer, _, _) => {
                issuer
            }
        }
    }

    /// Tells whether a grant is one of these.
    #[must_use]
    pub fn includes(&self, grant: &Grant) -> bool {
        let is_of = |subject: &Subject| grant.subject() == Some(subject);
        let is_held_by = |client_id: &ClientId| grant.client_id() == client_id;
        grant.issuer() == self.issuer()
            && match self {
                Self::Subject(_, subject) => is_of(subject),
                Self::Client(_, client_id) => is_held_by(client_id),
                Self::SubjectAtClient(_, subject, client_id) => is_of(subject) && is_held_by(client_id),
            }
    }

    fn authority(&self) -> Authority {
        match self {
            Self::Subject(_, subject) | Self::SubjectAtClient(_, subject, _) => {
                Authority::Subject((*subject).clone())
            }
            Self::Client(_, client_id) => Authority::Client((*client_id).clone()),
        }
    }
}

/// A blocking store that can list grants: for the page of apps with access to an account, and for
/// [`revoke_all`].
///
/// It needs an index over `(issuer, subject, id)` and one over `(issuer, client_id, id)`. No endpoint asks for a list.
pub trait GrantList: Store {
    /// Lists the records that are kept, in the order of their ids, after the id `after`.
    ///
    /// There are at most `limit`, and at most [`MAX_LISTED_GRANTS`]; an empty list is the end. A store knows
    /// neither the time nor what a record says, so ended grants are among them while they are kept: a page
    /// shows those of which [`Grant::is_open`] holds.
    ///
    /// # Errors
    ///
    /// The store's own failures, and records that it cannot decode.
    fn list(&self, of: GrantsOf<'_>, after: Option<GrantId>, limit: usize)
    -> Result<Vec<Grant>, Self::Error>;
}

/// An asynchronous store that can list grants, whose futures need not be `Send`.
///
/// A store that implements [`SendGrantList`] gets this trait with it.
pub trait AsyncGrantList: AsyncStore {
    /// Lists the records that are kept; see [`GrantList::list`].
    fn list(
        &self,
        of: GrantsOf<'_>,
        after: Option<GrantId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Grant>, Self::Error>>;
}

/// An asynchronous store that can list grants, whose futures are `Send`.
pub trait SendGrantList: SendStore {
    /// Lists the records that are kept; see [`GrantList::list`].
    fn list(
        &self,
        of: GrantsOf<'_>,
        after: Option<GrantId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Grant>, Self::Error>> + Send;
}

macro_rules! through_a_reference {
    ($($pointer:ty),*) => {$(
        impl<S: GrantList + ?Sized> GrantList for $pointer {
            fn list(
                &self,
                of: GrantsOf<'_>,
                after: Option<GrantId>,
                limit: usize,
            ) -> Result<Vec<Grant>, Self::Error> {
                (**self).list(of, after, limit)
            }
        }
    )*};
}

through_a_reference!(&S, Box<S>, Arc<S>);

macro_rules! sent_through_a_reference {
    ($($pointer:ty $(: $bound:ident)?),*) => {$(
        impl<S: SendGrantList $(+ $bound)?> SendGrantList for $pointer {
            fn list(
                &self,
                of: GrantsOf<'_>,
                after: Option<GrantId>,
                limit: usize,
            ) -> impl Future<Output = Result<Vec<Grant>, Self::Error>> + Send {
                SendGrantList::list(&**self, of, after, limit)
            }
        }
    )*};
}

sent_through_a_reference!(&S, Arc<S>: Send);

impl<S: SendGrantList> AsyncGrantList for S {
    fn list(
        &self,
        of: GrantsOf<'_>,
        after: Option<GrantId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Grant>, Self::Error>> {
        SendGrantList::list(self, of, after, limit)
    }
}

/// Ends every grant of a person or a client, one after another, and returns how many it ended.
///
/// Codes, devices that were let in and refresh tokens die at the next request, those under way too: a refresh
/// that began before finds its record changed, and gives nothing out. An opaque access token dies with its
/// grant; a JWT lives until its `exp` where resource servers do not introspect.
///
/// What a person approves while this runs may be ended or not: suspend the person
/// ([`Records::with_suspended_subject`](crate::Records::with_suspended_subject)) or remove the client first
/// where nothing may be left. For a client with very many grants,
/// [`Policy::with_not_before_of_client`](crate::Policy::with_not_before_of_client) ends all of them without
/// touching a record.
///
/// # Errors
///
/// As [`run`](crate::run). What was ended stays so; a further call goes on. [`RunError::OtherIssuer`] when the list
/// is of another issuer than the server: then nothing is read, for nothing of it could be ended.
#[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
pub fn revoke_all<S: GrantList + ?Sized>(
    store: &S,
    server: &Server,
    of: GrantsOf<'_>,
    moment: Moment,
) -> Result<usize, RunError<S::Error>> {
    if of.issuer() != server.issuer() {
        return Err(RunError::OtherIssuer);
    }
    let (mut after, mut ended) = (None, 0);
    loop {
        let page = store.list(of, after, MAX_LISTED_GRANTS).map_err(RunError::Store)?;
        let Some(last) = page.last() else { return Ok(ended) };
        after = Some(last.id());
        for grant in to_end(&page, of) {
            let operation = server.revoke_grant(grant.id(), of.authority());
            let reply = drive(store, &NoCache, &NoSigner, &operation, &moment, &mut ())?;
            ended += usize::from(reply.event.effect == Effect::Written);
        }
    }
}

/// Ends every grant of a person or a client over an asynchronous store; see [`revoke_all`]. The future may be
/// dropped at any point.
///
/// # Errors
///
/// As [`revoke_all`].
pub async fn revoke_all_async<S: AsyncGrantList + ?Sized>(
    store: &S,
    server: &Server,
    of: GrantsOf<'_>,
    moment: Moment,
) -> Result<usize, RunError<S::Error>> {
    if of.issuer() != server.issuer() {
        return Err(RunError::OtherIssuer);
    }
    let (mut after, mut ended) = (None, 0);
    loop {
        let page = store.list(of, after, MAX_LISTED_GRANTS).await.map_err(RunError::Store)?;
        let Some(last) = page.last() else { return Ok(ended) };
        after = Some(last.id());
        for grant in to_end(&page, of) {
            let operation = server.revoke_grant(grant.id(), of.authority());
            let reply = drive_async(store, &NoCache, &NoSigner, &operation, &moment, &mut ()).await?;
            ended += usize::from(reply.event.effect == Effect::Written);
        }
    }
}

/// Leaves out what has ended, and what a store with a case-folding collation lists of others. An expired
/// grant is ended too: by the clock of another host it may be alive.
fn to_end<'a>(page: &'a [Grant], of: GrantsOf<'_>) -> impl Iterator<Item = &'a Grant> {
    page.iter().filter(move |grant| of.includes(grant) && !grant.has_ended())
}
