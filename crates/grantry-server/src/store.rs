//! What a host's storage has to do: read by key, and compare-and-swap.

use alloc::{boxed::Box, sync::Arc};

use crate::decision::{ChangeSet, Outcome};
use crate::operation::{Lookup, Records};

/// A blocking store.
///
/// It keeps for each grant `(id, version, bytes, purge_after)`, the bytes from
/// [`Grant::to_bytes`](crate::Grant::to_bytes), and may keep `issuer`, `client_id`, `subject` and
/// `expires_at` as columns. After [`Grant::purge_after`](crate::Grant::purge_after) a record may be deleted. A
/// record that cannot be read is an error, never an absent record.
///
/// ```
/// use std::collections::{BTreeMap, BTreeSet};
/// use std::sync::Mutex;
///
/// use grantry_core::ClientId;
/// use grantry_server::{
///     Change, ChangeSet, ClaimId, Client, Grant, GrantId, Lookup, Outcome, RecordError, Records, Store, Version,
/// };
///
/// #[derive(Default)]
/// struct Tables {
///     clients: BTreeMap<ClientId, Client>,
///     grants: BTreeMap<GrantId, (Version, Vec<u8>)>,
///     claims: BTreeSet<ClaimId>,
/// }
///
/// struct TableStore(Mutex<Tables>);
///
/// impl Store for TableStore {
///     type Error = RecordError;
///
///     fn read(&self, lookup: &Lookup<'_>) -> Result<Records, RecordError> {
///         let tables = self.0.lock().unwrap();
///         let mut records = Records::new();
///         if let Some(client) = lookup.client.and_then(|id| tables.clients.get(id)) {
///             records = records.with_client(client.clone());
///         }
///         if let Some((version, bytes)) = lookup.grant.and_then(|id| tables.grants.get(&id)) {
///             records = records.with_grant(Grant::from_bytes(bytes)?, *version);
///         }
///         if lookup.claim.is_some_and(|id| tables.claims.contains(&id)) {
///             records = records.with_claim_seen();
///         }
///         if lookup.assertion.is_some_and(|id| tables.claims.contains(&id)) {
///             records = records.with_assertion_seen();
///         }
///         Ok(records)
///     }
///
///     fn commit(&self, changes: &ChangeSet) -> Result<Outcome, RecordError> {
///         let mut tables = self.0.lock().unwrap();
///         let is_as_expected = |change: &Change| match change {
///             Change::Put { expected, grant } => {
///                 tables.grants.get(&grant.id()).map(|(version, _)| *version) == *expected
///             }
///             Change::Claim { id, .. } => !tables.claims.contains(id),
///         };
///         if !changes.iter().all(is_as_expected) {
///             return Ok(Outcome::Conflict);
///         }
///         for change in changes.iter() {
///             match change {
///                 Change::Put { expected, grant } => {
///                     let version = expected.map_or(Version::FIRST, Version::next);
///                     tables.grants.insert(grant.id(), (version, grant.to_bytes()));
///                 }
///                 Change::Claim { id, .. } => {
///                     tables.claims.insert(*id);
///                 }
///             }
///         }
///         Ok(Outcome::Applied)
///     }
/// }
/// # let store = TableStore(Mutex::default());
/// # let id = ClaimId::from_bytes([1; 32]);
/// # let claim = ChangeSet::from_iter([Change::Claim { id, until: grantry_core::UnixTime::from_secs(1) }]);
/// # assert_eq!(store.commit(&claim), Ok(Outcome::Applied));
/// # assert_eq!(store.commit(&claim), Ok(Outcome::Conflict));
/// # let mut lookup = Lookup::default();
/// # lookup.claim = Some(id);
/// # assert!(store.read(&lookup)?.is_claim_seen());
/// # Ok::<(), RecordError>(())
/// ```
pub trait Store {
    /// How reading or writing fails. A failure becomes status 503, never a protocol error. Where it is
    /// an [`Error`](core::error::Error), [`RunError`](crate::RunError) is one.
    type Error;

    /// Reads what the lookup names, in one round trip.
    ///
    /// # Errors
    ///
    /// The store's own failures, and records that it cannot decode.
    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, Self::Error>;

    /// Applies all changes or none. When it returns [`Outcome::Applied`] the changes are durable.
    ///
    /// # Errors
    ///
    /// The store's own failures. The host cannot know then whether the changes were applied; the
    /// protocol stays safe in both cases.
    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, Self::Error>;
}

/// An asynchronous store whose futures need not be `Send`, for single-threaded executors.
///
/// A store for executors that move tasks between threads implements [`SendStore`] and gets this
/// trait with it.
pub trait AsyncStore {
    /// How reading or writing fails.
    type Error;

    /// Reads what the lookup names; see [`Store::read`].
    fn read(&self, lookup: &Lookup<'_>) -> impl Future<Output = Result<Records, Self::Error>>;

    /// Applies all changes or none; see [`Store::commit`].
    fn commit(&self, changes: &ChangeSet) -> impl Future<Output = Result<Outcome, Self::Error>>;
}

/// An asynchronous store whose futures are `Send`, so that code generic over it is `Send` too.
pub trait SendStore: Sync {
    /// How reading or writing fails.
    type Error: Send;

    /// Reads what the lookup names; see [`Store::read`].
    fn read(&self, lookup: &Lookup<'_>) -> impl Future<Output = Result<Records, Self::Error>> + Send;

    /// Applies all changes or none; see [`Store::commit`].
    fn commit(&self, changes: &ChangeSet) -> impl Future<Output = Result<Outcome, Self::Error>> + Send;
}

macro_rules! through_a_reference {
    ($($pointer:ty),*) => {$(
        impl<S: Store + ?Sized> Store for $pointer {
            type Error = S::Error;

            fn read(&self, lookup: &Lookup<'_>) -> Result<Records, Self::Error> {
                (**self).read(lookup)
            }

            fn commit(&self, changes: &ChangeSet) -> Result<Outcome, Self::Error> {
                (**self).commit(changes)
            }
        }
    )*};
}

through_a_reference!(&S, Box<S>, Arc<S>);

macro_rules! sent_through_a_reference {
    ($($pointer:ty $(: $bound:ident)?),*) => {$(
        impl<S: SendStore $(+ $bound)?> SendStore for $pointer {
            type Error = S::Error;

            fn read(&self, lookup: &Lookup<'_>) -> impl Future<Output = Result<Records, Self::Error>> + Send {
                SendStore::read(&**self, lookup)
            }

            fn commit(&self, changes: &ChangeSet) -> impl Future<Output = Result<Outcome, Self::Error>> + Send {
                SendStore::commit(&**self, changes)
            }
        }
    )*};
}

sent_through_a_reference!(&S, Arc<S>: Send, Box<S>);

impl<S: SendStore> AsyncStore for S {
    type Error = S::Error;

    fn read(&self, lookup: &Lookup<'_>) -> impl Future<Output = Result<Records, Self::Error>> {
        SendStore::read(self, lookup)
    }

    fn commit(&self, changes: &ChangeSet) -> impl Future<Output = Result<Outcome, Self::Error>> {
        SendStore::commit(self, changes)
    }
}
