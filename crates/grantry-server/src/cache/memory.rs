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

    /// Forgets every grant: when the store is put back from a backup, or may have lost writes.
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

    fn insert(&self, record: Versioned) {
        let (half, id) = (self.max_grants / 2, record.grant.id());
        let mut generations = self.lock();
        generations.older.remove(&id);
        let is_full = !generations.younger.contains_key(&id) && generations.younger.len() >= half;
        let forgotten = is_full.then(|| {
            let younger = mem::take(&mut generations.younger);
            mem::replace(&mut generations.older, younger)
        });
        if half > 0 {
            generations.younger.insert(id, record);
        }
        drop(generations);
        // What many grants held is given back behind the lock.
        drop(forgotten);
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
        let record = generations.older.remove(&id)?;
        drop(generations);
        self.insert(record.clone());
        Some(record)
    }

    fn keep(&self, grant: &Grant, version: Version) {
        self.insert(Versioned::new(grant.clone(), version));
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
