//! Letting go of what nobody needs any more, in bounded steps that the host starts.

use alloc::{boxed::Box, sync::Arc};

use grantry_core::UnixTime;

use crate::store::{AsyncStore, SendStore, Store};

/// A blocking store that drops what is due when it is told to: grants from
/// [`Grant::purge_after`](crate::Grant::purge_after) on, and claims from the `until` of their
/// [`Change::Claim`](crate::Change::Claim) on.
///
/// What is due goes by its time alone, also where its bytes cannot be read: they are of no use to a newer version either.
///
/// Nothing sweeps by itself. A store whose records expire by the clockwork of its engine does not implement it.
///
/// ```
/// # use grantry_core::UnixTime;
/// # use grantry_server::{Sweep, Swept};
/// /// Does what is due, a hundred records at a time, and returns when to come back. What somebody else holds at
/// /// the moment is still due then.
/// fn sweep_all<S: Sweep>(store: &S, now: UnixTime) -> Result<Option<UnixTime>, S::Error> {
///     loop {
///         let swept = store.sweep(now, 100)?;
///         if swept.removed == 0 || !swept.is_more_due(now) {
///             return Ok(swept.next);
///         }
///     }
/// }
/// ```
pub trait Sweep: Store {
    /// Drops at most `limit` records, grants and claims together, that are due at `now`. A record that is not
    /// due stays, whatever else is dropped.
    ///
    /// # Errors
    ///
    /// The store's own failures. What was dropped before stays dropped; a further call goes on.
    fn sweep(&self, now: UnixTime, limit: usize) -> Result<Swept, Self::Error>;
}

/// An asynchronous store that drops what is due when it is told to, whose futures need not be `Send`.
///
/// A store that implements [`SendSweep`] gets this trait with it.
pub trait AsyncSweep: AsyncStore {
    /// Drops at most `limit` records that are due; see [`Sweep::sweep`].
    fn sweep(&self, now: UnixTime, limit: usize) -> impl Future<Output = Result<Swept, Self::Error>>;
}

/// An asynchronous store that drops what is due when it is told to, whose futures are `Send`.
pub trait SendSweep: SendStore {
    /// Drops at most `limit` records that are due; see [`Sweep::sweep`].
    fn sweep(&self, now: UnixTime, limit: usize) -> impl Future<Output = Result<Swept, Self::Error>> + Send;
}

/// What one sweep did, and when the next one has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it says whether more is due"]
#[non_exhaustive]
pub struct Swept {
    /// How many records were dropped, grants and claims together.
    pub removed: usize,
    /// When the next record of those that are kept falls due, or an earlier time. `None` when none ever does.
    pub next: Option<UnixTime>,
}

impl Swept {
    /// Makes the account of a sweep that dropped `removed` records and has more to do at `next`.
    pub const fn new(removed: usize, next: Option<UnixTime>) -> Self {
        Self { removed, next }
    }

    /// Tells whether the sweep at `now` stopped at its limit, or passed by what another transaction holds: another
    /// one goes on. One that removed nothing is better repeated later.
    #[must_use]
    pub fn is_more_due(&self, now: UnixTime) -> bool {
        self.next.is_some_and(|next| next <= now)
    }
}

macro_rules! through_a_reference {
    ($($pointer:ty),*) => {$(
        impl<S: Sweep + ?Sized> Sweep for $pointer {
            fn sweep(&self, now: UnixTime, limit: usize) -> Result<Swept, Self::Error> {
                (**self).sweep(now, limit)
            }
        }
    )*};
}

through_a_reference!(&S, Box<S>, Arc<S>);

macro_rules! sent_through_a_reference {
    ($($pointer:ty $(: $bound:ident)?),*) => {$(
        impl<S: SendSweep $(+ $bound)?> SendSweep for $pointer {
            fn sweep(
                &self,
                now: UnixTime,
                limit: usize,
            ) -> impl Future<Output = Result<Swept, Self::Error>> + Send {
                SendSweep::sweep(&**self, now, limit)
            }
        }
    )*};
}

sent_through_a_reference!(&S, Arc<S>: Send, Box<S>);

impl<S: SendSweep> AsyncSweep for S {
    fn sweep(&self, now: UnixTime, limit: usize) -> impl Future<Output = Result<Swept, Self::Error>> {
        SendSweep::sweep(self, now, limit)
    }
}
