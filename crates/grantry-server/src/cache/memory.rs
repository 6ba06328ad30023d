//! A cache in the memory of one process.

use alloc::collections::BTreeMap;
use core::fmt;
use core::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{GrantCache, SendGrantCache};
use crate::grant::{Grant, GrantId};
use crate::operation::{Version, Versioned};

/// A cache in memory, which forgets what was not used for longest.
///
/// Each process of a host may have its own: none has to hear of what another one writes.
pub struct MemoryCache {
    generations: Mutex<Generations>,
    max_grants: usize,
}

/// What was used since the younger generation began, and what was before it. A full one makes the other go.
#[derive(Default)]
struct Generations {
    younger: BTreeMap<GrantId, Versioned>,
    older: BTreeMap<GrantId, Versioned>,
}

impl Generations {
    /// Notes that a grant is used, and returns the generation that goes for it.
    fn put(&mut self, record: Versioned, half: usize) -> Option<BTreeMap<GrantId, Versioned>> {
        let id = record.grant.id();
        self.older.remove(&id);
        let is_full = !self.younger.contains_key(&id) && self.younger.len() >= half;
        let gone = is_full.then(|| mem::replace(&mut self.older, mem::take(&mut self.younger)));
        if half > 0 {
            self.younger.insert(id, record);
        }
        gone
    }
}

impl MemoryCache {
    /// How many grants a cache keeps unless it is told otherwise: about 50 MB of typical grants, and 1 GB if
    /// strangers filled it with pushed requests as long as they may be.
    pub const MAX_GRANTS: usize = 100_000;

    /// Makes a cache that has nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { generations: Mutex::default(), max_grants: Self::MAX_GRANTS }
    }

    /// Sets how many grants are kept at most; fewer than two are none.
    #[must_use]
    pub const fn with_max_grants(mut self, max_grants: usize) -> Self {
        self.max_grants = max_grants;
        self
    }

    /// Forgets every grant: when the store is put back from a backup, or may have lost writes. A request that has
    /// asked the cache already goes on with what it got, and keeps what it writes, so stop serving before.
    pub fn clear(&self) {
        let forgotten = mem::take(&mut *self.lock());
        drop(forgotten);
    }

    /// Counts the grants that are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        let generations = self.lock();
        generations.younger.len().saturating_add(generations.older.len())
    }

    // Nothing panics while the maps are changed.
    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryCache {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").field("count", &self.count()).finish_non_exhaustive()
    }
}

impl GrantCache for MemoryCache {
    fn fetch(&self, id: GrantId) -> Option<Versioned> {
        let mut generations = self.lock();
        if let Some(record) = generations.younger.get(&id) {
            return Some(record.clone());
        }
        let record = generations.older.get(&id)?.clone();
        let gone = generations.put(record.clone(), self.max_grants / 2);
        drop(generations);
        // What many grants held is given back behind the lock.
        drop(gone);
        Some(record)
    }

    fn keep(&self, grant: &Grant, version: Version) {
        let record = Versioned::new(grant.clone(), version);
        let gone = self.lock().put(record, self.max_grants / 2);
        drop(gone);
    }

    fn forget(&self, id: GrantId) {
        let mut generations = self.lock();
        generations.younger.remove(&id);
        generations.older.remove(&id);
    }
}

impl SendGrantCache for MemoryCache {
    async fn fetch(&self, id: GrantId) -> Option<Versioned> {
        GrantCache::fetch(self, id)
    }

    async fn keep(&self, grant: &Grant, version: Version) {
        GrantCache::keep(self, grant, version);
    }

    async fn forget(&self, id: GrantId) {
        GrantCache::forget(self, id);
    }
}
