//! A store in memory, for tests, demonstrations and servers that may forget on restart.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::fmt;
use core::iter;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use grantry_core::{ClientId, UnixTime};

use crate::client::Client;
use crate::decision::{Change, ChangeSet, ClaimId, Outcome};
use crate::grant::{Grant, GrantId};
use crate::grant_list::{GrantList, GrantsOf, MAX_LISTED_GRANTS, SendGrantList};
use crate::operation::{Lookup, Records, Version};
use crate::store::{SendStore, Store};
use crate::sweep::{SendSweep, Sweep, Swept};

mod index;
mod shard;

use index::Index;
use shard::{LockedShard, Shard, Shards, key_of};

/// A store in memory, of which two requests for different grants seldom wait for each other.
///
/// Nothing expires by itself: call [`Sweep::sweep`] from time to time. A store that is full refuses to
/// keep more: strangers who begin devices and push requests take no more memory than
/// [`MemoryStore::with_max_records`] lets them.
pub struct MemoryStore {
    clients: RwLock<BTreeMap<ClientId, Arc<Client>>>,
    shards: Shards,
    // Locked last of all, by who holds the shards of a change.
    index: Mutex<Index>,
    kept: AtomicUsize,
    max_records: usize,
}

/// What a [`MemoryStore`] keeps, and how often it was asked, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryMetrics {
    /// The grants that are kept.
    pub grants: usize,
    /// The one-time identifiers that are kept.
    pub claims: usize,
    /// How many change sets were applied.
    pub applied: u64,
    /// How many change sets met another version.
    pub conflicts: u64,
}

/// The store in memory keeps as many records as it may: [`MemoryStore::with_max_records`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store in memory is full")]
#[non_exhaustive]
pub struct MemoryStoreFull;

impl MemoryStore {
    /// How many grants and one-time identifiers a store keeps unless it is told otherwise: about 1 GB of typical
    /// grants, and 20 GB if strangers filled it with pushed requests as long as they may be. Set what the machine has.
    pub const MAX_RECORDS: usize = 2_000_000;

    /// Makes a store that knows the clients and no grant.
    #[must_use]
    pub fn new(clients: impl IntoIterator<Item = Client>) -> Self {
        let clients = clients.into_iter().map(|client| (client.id().clone(), Arc::new(client)));
        Self {
            clients: RwLock::new(clients.collect()),
            shards: Shards::default(),
            index: Mutex::default(),
            kept: AtomicUsize::new(0),
            max_records: Self::MAX_RECORDS,
        }
    }

    /// Sets how many grants and one-time identifiers are kept at most. One-time identifiers alone may take an eighth
    /// more: whoever fills the store keeps nobody from revoking.
    #[must_use]
    pub const fn with_max_records(mut self, max_records: usize) -> Self {
        self.max_records = max_records;
        self
    }

    /// Adds a client or replaces its registration. It is one at every issuer: a host whose tenants have clients of
    /// their own parts them by [`Lookup::issuer`] in a read of its own.
    pub fn put_client(&self, client: Client) {
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        clients.insert(client.id().clone(), Arc::new(client));
    }

    /// Removes a client: it can redeem and refresh nothing any more. Its access tokens live on where others look
    /// them up, until [`Policy::with_not_before_of_client`](crate::Policy::with_not_before_of_client) ends
    /// them.
    pub fn remove_client(&self, id: &ClientId) {
        self.clients.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Drops every record whose time to be kept has passed, and returns how many there were; [`Sweep::sweep`]
    /// in one step. It looks at no other record.
    pub fn sweep_all(&self, now: UnixTime) -> usize {
        self.drop_due(now, usize::MAX).removed
    }

    /// Counts what is kept and what was done.
    #[must_use]
    pub fn metrics(&self) -> MemoryMetrics {
        self.shards.iter().fold(MemoryMetrics::default(), |sum, shard| lock(shard).add_to(sum))
    }

    fn drop_due(&self, now: UnixTime, limit: usize) -> Swept {
        self.shards.iter().fold(Swept::new(0, None), |sum, shard| {
            let mut shard = lock(shard);
            let removed = self.drop_due_of(&mut shard, now, limit.saturating_sub(sum.removed));
            let next = sum.next.into_iter().chain(shard.next_due()).min();
            Swept::new(sum.removed.saturating_add(removed), next)
        })
    }

    fn drop_due_of(&self, shard: &mut Shard, now: UnixTime, limit: usize) -> usize {
        let claims = iter::from_fn(|| shard.pop_due_claim(now)).take(limit).count();
        let grants = iter::from_fn(|| shard.pop_due(now)).take(limit.saturating_sub(claims));
        let dropped = claims + grants.map(|grant| lock(&self.index).remove(&grant)).count();
        self.kept.fetch_sub(dropped, Ordering::Relaxed);
        dropped
    }

    fn find(&self, id: GrantId) -> Option<(Grant, Version)> {
        self.shards.lock(id.as_bytes()).find(id)
    }

    fn is_claimed(&self, id: ClaimId) -> bool {
        self.shards.lock(id.as_bytes()).is_claimed(id)
    }

    fn commit_to(
        &self,
        locked: &mut [LockedShard<'_>],
        changes: &ChangeSet,
    ) -> Result<Outcome, MemoryStoreFull> {
        let allows = |change: &Change| locked.iter().any(|shard| shard.is_of(change) && shard.allows(change));
        if !changes.iter().all(allows) {
            locked.iter_mut().take(1).for_each(|shard| shard.note(Outcome::Conflict));
            return Ok(Outcome::Conflict);
        }
        let reserved = self.reserve(changes)?;
        let mut added = 0;
        for change in changes.iter() {
            let shard = locked.iter_mut().find(|shard| shard.is_of(change));
            added += shard.map_or(0, |shard| self.apply(shard, change));
        }
        self.kept.fetch_sub(reserved.saturating_sub(added), Ordering::Relaxed);
        locked.iter_mut().take(1).for_each(|shard| shard.note(Outcome::Applied));
        Ok(Outcome::Applied)
    }

    /// Applies a change, and returns how many records it added.
    fn apply(&self, shard: &mut Shard, change: &Change) -> usize {
        match change {
            Change::Put { expected, grant } => {
                let before = shard.put(expected.map_or(Version::FIRST, Version::next), grant);
                if !before.as_ref().is_some_and(|before| before.has_names_of(grant)) {
                    let mut index = lock(&self.index);
                    before.iter().for_each(|before| index.remove(before));
                    index.insert(grant);
                }
                usize::from(before.is_none())
            }
            Change::Claim { id, until } => usize::from(shard.claim(*id, *until)),
        }
    }

    /// Makes room for what a change set adds, and returns for how many records.
    fn reserve(&self, changes: &ChangeSet) -> Result<usize, MemoryStoreFull> {
        let new = changes.iter().filter(|change| change.is_new()).count();
        if new == 0 {
            return Ok(0);
        }
        let adds_grant = changes.iter().any(|change| matches!(change, Change::Put { expected: None, .. }));
        let spare = if adds_grant { 0 } else { self.max_records / 8 };
        let most = self.max_records.saturating_add(spare);
        let has_room = |kept: usize| kept.checked_add(new).filter(|sum| *sum <= most);
        let reserved = self.kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, has_room);
        reserved.map(|_| new).map_err(|_| MemoryStoreFull)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new([])
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("metrics", &self.metrics()).finish_non_exhaustive()
    }
}

// Nothing panics between the comparisons and the last insert, so no thread finds half of a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for MemoryStore {
    type Error = MemoryStoreFull;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, MemoryStoreFull> {
        let mut records = Records::new();
        if let Some(id) = lookup.client {
            let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
            records.client = clients.get(id).cloned();
        }
        if let Some((grant, version)) = lookup.grant.and_then(|id| self.find(id)) {
            records = records.with_grant(grant, version);
        }
        records.claimed = lookup.claim.is_some_and(|id| self.is_claimed(id));
        records.assertion_claimed = lookup.assertion.is_some_and(|id| self.is_claimed(id));
        Ok(records)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, MemoryStoreFull> {
        match changes.only() {
            Some(change) => self.commit_to(&mut [self.shards.lock(key_of(change))], changes),
            None => self.commit_to(&mut self.shards.lock_all(changes), changes),
        }
    }
}

impl SendStore for MemoryStore {
    type Error = MemoryStoreFull;

    async fn read(&self, lookup: &Lookup<'_>) -> Result<Records, MemoryStoreFull> {
        Store::read(self, lookup)
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Outcome, MemoryStoreFull> {
        Store::commit(self, changes)
    }
}

impl Sweep for MemoryStore {
    fn sweep(&self, now: UnixTime, limit: usize) -> Result<Swept, MemoryStoreFull> {
        Ok(self.drop_due(now, limit))
    }
}

impl SendSweep for MemoryStore {
    async fn sweep(&self, now: UnixTime, limit: usize) -> Result<Swept, MemoryStoreFull> {
        Sweep::sweep(self, now, limit)
    }
}

impl GrantList for MemoryStore {
    fn list(
        &self,
        of: GrantsOf<'_>,
        mut after: Option<GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, MemoryStoreFull> {
        let limit = limit.min(MAX_LISTED_GRANTS);
        let mut grants = Vec::new();
        while grants.len() < limit {
            let ids = lock(&self.index).page(of, after);
            let Some(last) = ids.last() else { break };
            after = Some(*last);
            // A grant that is swept between the two locks leaves its place to the next one.
            let found = ids.iter().filter_map(|id| self.find(*id)).map(|(grant, _)| grant);
            grants.extend(found.filter(|grant| of.includes(grant)).take(limit.saturating_sub(grants.len())));
        }
        Ok(grants)
    }
}

impl SendGrantList for MemoryStore {
    async fn list(
        &self,
        of: GrantsOf<'_>,
        after: Option<GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, MemoryStoreFull> {
        GrantList::list(self, of, after, limit)
    }
}

#[cfg(test)]
mod tests;
