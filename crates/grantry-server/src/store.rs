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
