//! A cache of grants in front of a store.
//!
//! The store compares versions when it writes, so a read that is out of date can do no harm where a write of the
//! same record follows: the store finds another version there, and the request is decided again. Nowhere else.

use alloc::{boxed::Box, sync::Arc};

use grantry_core::{Moment, UnixTime};

use crate::decision::{Change, ChangeSet, Outcome};
use crate::grant::{Grant, GrantId};
use crate::operation::{Lookup, Operation, Records, Version, Versioned};
use crate::run::{AsyncSigner, NoSigner, RunError, Signer, drive, drive_async};
use crate::store::{AsyncStore, Store};

#[cfg(feature = "std")]
mod memory;

#[cfg(feature = "std")]
pub use memory::MemoryCache;

/// A store with a cache in front: a refresh whose grant is in the cache takes one commit, and reads no grant.
///
/// A decision over a cached grant counts only when it is a commit that puts this very grant over the version that
/// the cache had, for then the store compares. Whatever else is decided over it, a refusal, a repeat, a commit of
/// something else, is thrown away and decided again over the store; so is what the store answers with a conflict,
/// and the cached grant is dropped. So a request is answered, and the store left, as without a cache. Introspection
/// and userinfo do not ask it ([`Operation::writes_grant`]): a token that was revoked is dead at once.
///
/// Only grants are cached, and only behind a commit. Registrations, one-time identifiers and what a host adds are
/// read for every decision, so a client that is removed and a person who is suspended count at once. A store is
/// asked for them without the grant, which is no round trip where it finds registrations in the process
/// ([`Clients`](crate::Clients)) and no one-time identifier is looked for; a host's own read finds the cached grant
/// in [`Lookup::known_grant`] and its person in [`Lookup::subject`].
///
/// What it costs:
///
/// * A request whose cached grant is out of date takes one commit more, and one that is refused may read the client
///   twice.
/// * A key outside of the process may be asked to sign for a decision that is thrown away: the signature goes
///   nowhere, and where there is none, the request fails.
/// * A cache is trusted as the store is: a grant that somebody plants there, at the version of the stored one, is
///   written to the store by the next commit.
/// * **The store must not lose what it acknowledged.** Where it does, in a failover to a replica that was behind or from
///   a backup, the cache has the lost state at a version that the store counts anew. What is written there next, a
///   revocation too, can then be overwritten from the cache: a revoked grant comes back. Stop every process, empty
///   every cache, and only then end grants again.
///
/// ```
/// use grantry_server::{Cached, MemoryCache, MemoryStore};
///
/// let cached = Cached::new(MemoryStore::default(), MemoryCache::new());
/// // In the place of `run(&store, &operation, moment)`: `cached.run(&operation, moment)`.
/// # let _ = cached;
/// ```
///
/// A transcript ([`record`](crate::record)) is taken over the store alone.
#[derive(Clone, Debug)]
pub struct Cached<S, C> {
    store: S,
    cache: C,
}

impl<S, C> Cached<S, C> {
    /// Puts a cache in front of a store. What else writes to the store need not know of it.
    pub const fn new(store: S, cache: C) -> Self {
        Self { store, cache }
    }

    /// Returns the store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Returns the cache.
    pub const fn cache(&self) -> &C {
        &self.cache
    }
}

impl<S: Store, C: GrantCache> Cached<S, C> {
    /// Carries an operation through; see [`run`](crate::run).
    ///
    /// # Errors
    ///
    /// As [`run`](crate::run).
    pub fn run<O>(&self, operation: &O, moment: Moment) -> Result<O::Reply, RunError<S::Error>>
    where
        O: Operation + ?Sized,
    {
        self.run_with_signer(&NoSigner, operation, moment)
    }

    /// Carries an operation through, with a signing key outside of the process; see
    /// [`run_with_signer`](crate::run_with_signer).
    ///
    /// # Errors
    ///
    /// As [`run_with_signer`](crate::run_with_signer).
    #[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
    pub fn run_with_signer<G, O>(
        &self,
        signer: &G,
        operation: &O,
        moment: Moment,
    ) -> Result<O::Reply, RunError<S::Error, G::Error>>
    where
        G: Signer + ?Sized,
        O: Operation + ?Sized,
    {
        drive(&self.store, &self.cache, signer, operation, &moment, &mut ())
    }
}

impl<S: AsyncStore, C: AsyncGrantCache> Cached<S, C> {
    /// Carries an operation through an asynchronous store; see [`run_async`](crate::run_async).
    ///
    /// # Errors
    ///
    /// As [`run`](crate::run).
    pub async fn run_async<O>(&self, operation: &O, moment: Moment) -> Result<O::Reply, RunError<S::Error>>
    where
        O: Operation + ?Sized,
    {
        self.run_async_with_signer(&NoSigner, operation, moment).await
    }

    /// Carries an operation through an asynchronous store, with a signing key outside of the process; see
    /// [`run_async_with_signer`](crate::run_async_with_signer).
    ///
    /// # Errors
    ///
    /// As [`run_with_signer`](crate::run_with_signer).
    pub async fn run_async_with_signer<G, O>(
        &self,
        signer: &G,
        operation: &O,
        moment: Moment,
    ) -> Result<O::Reply, RunError<S::Error, G::Error>>
    where
        G: AsyncSigner + ?Sized,
        O: Operation + ?Sized,
    {
        drive_async(&self.store, &self.cache, signer, operation, &moment, &mut ()).await
    }
}

/// A blocking cache of grants, which may lose any of them at any time.
///
/// It cannot fail: one that is not reached, or finds what it cannot read, has nothing. It need not know what the
/// store has, or what another process does: see [`Cached`]. A record is worth keeping until
/// [`Grant::expires_at`]. A grant and its version are one value, kept and returned together or not at all: under
/// another version, an old grant would be written over a new one.
///
/// The answer to a request waits for the call behind its commit, so a cache that hangs loses answers whose tokens
/// were rotated. Give its calls a timeout that is shorter than the request's.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::Mutex;
///
/// use grantry_server::{Grant, GrantCache, GrantId, Version, Versioned};
///
/// /// The commands of a cache server, as a map.
/// struct Remote(Mutex<BTreeMap<GrantId, (u64, Vec<u8>)>>);
///
/// impl GrantCache for Remote {
///     fn fetch(&self, id: GrantId) -> Option<Versioned> {
///         let kept = self.0.lock().ok()?;
///         let (version, bytes) = kept.get(&id)?;
///         Some(Versioned::new(Grant::from_bytes(bytes).ok()?, Version::from_number(*version)))
///     }
///
///     fn keep(&self, grant: &Grant, version: Version) {
///         if let Ok(mut kept) = self.0.lock() {
///             kept.insert(grant.id(), (version.as_number(), grant.to_bytes()));
///         }
///     }
///
///     fn forget(&self, id: GrantId) {
///         if let Ok(mut kept) = self.0.lock() {
///             kept.remove(&id);
///         }
///     }
/// }
/// # let remote = Remote(Mutex::default());
/// # remote.forget(GrantId::from_bytes([1; 16]));
/// # assert!(remote.fetch(GrantId::from_bytes([1; 16])).is_none());
/// ```
pub trait GrantCache {
    /// Returns what was kept last under an id, and at which version it stood then.
    fn fetch(&self, id: GrantId) -> Option<Versioned>;

    /// Keeps a grant that the store has written at a version, in the place of any other version of it.
    fn keep(&self, grant: &Grant, version: Version);

    /// Drops what is kept under an id.
    fn forget(&self, id: GrantId);
}

/// An asynchronous cache of grants whose futures need not be `Send`; see [`GrantCache`].
///
/// A cache for executors that move tasks between threads implements [`SendGrantCache`] and gets this trait with it.
pub trait AsyncGrantCache {
    /// Returns what was kept last; see [`GrantCache::fetch`].
    fn fetch(&self, id: GrantId) -> impl Future<Output = Option<Versioned>>;

    /// Keeps a grant; see [`GrantCache::keep`].
    fn keep(&self, grant: &Grant, version: Version) -> impl Future<Output = ()>;

    /// Drops a grant; see [`GrantCache::forget`].
    fn forget(&self, id: GrantId) -> impl Future<Output = ()>;
}

/// An asynchronous cache of grants whose futures are `Send`; see [`AsyncGrantCache`].
pub trait SendGrantCache: Sync {
    /// Returns what was kept last; see [`GrantCache::fetch`].
    fn fetch(&self, id: GrantId) -> impl Future<Output = Option<Versioned>> + Send;

    /// Keeps a grant; see [`GrantCache::keep`].
    fn keep(&self, grant: &Grant, version: Version) -> impl Future<Output = ()> + Send;

    /// Drops a grant; see [`GrantCache::forget`].
    fn forget(&self, id: GrantId) -> impl Future<Output = ()> + Send;
}

macro_rules! through_a_reference {
    ($($pointer:ty $(: $bound:ident)?),*) => {$(
        impl<C: GrantCache + ?Sized> GrantCache for $pointer {
            fn fetch(&self, id: GrantId) -> Option<Versioned> {
                GrantCache::fetch(&**self, id)
            }

            fn keep(&self, grant: &Grant, version: Version) {
                GrantCache::keep(&**self, grant, version);
            }

            fn forget(&self, id: GrantId) {
                GrantCache::forget(&**self, id);
            }
        }

        impl<C: SendGrantCache $(+ $bound)?> SendGrantCache for $pointer {
            fn fetch(&self, id: GrantId) -> impl Future<Output = Option<Versioned>> + Send {
                SendGrantCache::fetch(&**self, id)
            }

            fn keep(&self, grant: &Grant, version: Version) -> impl Future<Output = ()> + Send {
                SendGrantCache::keep(&**self, grant, version)
            }

            fn forget(&self, id: GrantId) -> impl Future<Output = ()> + Send {
                SendGrantCache::forget(&**self, id)
            }
        }
    )*};
}

through_a_reference!(&C, Arc<C>: Send, Box<C>);

impl<C: SendGrantCache> AsyncGrantCache for C {
    fn fetch(&self, id: GrantId) -> impl Future<Output = Option<Versioned>> {
        SendGrantCache::fetch(self, id)
    }

    fn keep(&self, grant: &Grant, version: Version) -> impl Future<Output = ()> {
        SendGrantCache::keep(self, grant, version)
    }

    fn forget(&self, id: GrantId) -> impl Future<Output = ()> {
        SendGrantCache::forget(self, id)
    }
}

/// The cache of a store without one.
pub(crate) struct NoCache;

impl GrantCache for NoCache {
    fn fetch(&self, _: GrantId) -> Option<Versioned> {
        None
    }

    fn keep(&self, _: &Grant, _: Version) {}

    fn forget(&self, _: GrantId) {}
}

impl SendGrantCache for NoCache {
    async fn fetch(&self, _: GrantId) -> Option<Versioned> {
        None
    }

    async fn keep(&self, _: &Grant, _: Version) {}

    async fn forget(&self, _: GrantId) {}
}

/// A grant from the cache, over which a first decision is tried.
pub(crate) struct Recalled(Versioned);

impl Recalled {
    /// Takes up what a cache has, if it is what was asked for. What has ended or expired is written no more; and
    /// while the store may have dropped it, and begun another one under its id, it is expired by every clock.
    pub(crate) fn of(record: Versioned, lookup: &Lookup<'_>, now: UnixTime) -> Option<Self> {
        let grant = &record.grant;
        let is_asked_for = lookup.grant == Some(grant.id()) && lookup.issuer == Some(grant.issuer());
        (is_asked_for && grant.is_open(now)).then_some(Self(record))
    }

    /// What is read beside it.
    pub(crate) fn rest<'a>(&'a self, lookup: Lookup<'a>) -> Lookup<'a> {
        let grant = &self.0.grant;
        let subject = grant.subject().or(lookup.subject);
        Lookup { grant: None, known_grant: Some(grant), subject, ..lookup }
    }

    pub(crate) fn add_to(&self, records: Records) -> Records {
        records.with_grant(self.0.grant.clone(), self.0.version)
    }

    /// Tells whether the store compares what the cache had with what it has: only then may it be written.
    pub(crate) fn is_compared_by(&self, changes: &ChangeSet) -> bool {
        changes.iter().any(|change| match change {
            Change::Put { expected, grant } => {
                grant.id() == self.0.grant.id() && *expected == Some(self.0.version)
            }
            Change::Claim { .. } => false,
        })
    }
}

/// Which grant to ask the cache for.
pub(crate) fn asked_for<O: Operation + ?Sized>(operation: &O, lookup: &Lookup<'_>) -> Option<GrantId> {
    lookup.grant.filter(|_| operation.writes_grant())
}

/// What the cache is told of a change behind its commit.
pub(crate) enum Told<'a> {
    Keep(&'a Grant, Version),
    Forget(GrantId),
}

/// What to tell the cache behind a commit. What has ended is of no use there.
pub(crate) fn told(changes: &ChangeSet, outcome: Outcome, now: UnixTime) -> impl Iterator<Item = Told<'_>> {
    changes.iter().filter_map(move |change| match (change, outcome) {
        (Change::Put { expected, grant }, Outcome::Applied) if grant.is_open(now) => {
            Some(Told::Keep(grant, expected.map_or(Version::FIRST, Version::next)))
        }
        (Change::Put { grant, .. }, Outcome::Applied | Outcome::Conflict) => Some(Told::Forget(grant.id())),
        (Change::Claim { .. }, Outcome::Applied | Outcome::Conflict) => None,
    })
}

#[cfg(test)]
mod tests;
