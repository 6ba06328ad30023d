//! The grants and one-time identifiers of a store in memory, in parts that are locked by themselves.

use alloc::{
    collections::{BTreeMap, BinaryHeap},
    vec::Vec,
};
use core::array;
use core::cmp::Reverse;
use core::hash::{BuildHasherDefault, Hasher};
use core::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard};

use grantry_core::UnixTime;

use super::{MemoryMetrics, lock};
use crate::decision::{Change, ChangeSet, ClaimId, Outcome};
use crate::grant::{Grant, GrantId};
use crate::operation::Version;

/// So many locks that the threads of a large machine seldom meet at one.
const SHARDS: usize = 64;

pub(super) struct Shards([Mutex<Shard>; SHARDS]);

impl Default for Shards {
    fn default() -> Self {
        Self(array::from_fn(|_| Mutex::default()))
    }
}

impl Shards {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Mutex<Shard>> {
        self.0.iter()
    }

    pub(super) fn lock(&self, key: &[u8]) -> LockedShard<'_> {
        let number = number_of(key);
        let [first, ..] = &self.0;
        LockedShard { number, shard: lock(self.0.get(number).unwrap_or(first)) }
    }

    /// Locks what a change set touches in the order of the shards, so that no two wait for each other.
    pub(super) fn lock_all(&self, changes: &ChangeSet) -> Vec<LockedShard<'_>> {
        let keys: BTreeMap<usize, &[u8]> =
            changes.iter().map(key_of).map(|key| (number_of(key), key)).collect();
        keys.into_values().map(|key| self.lock(key)).collect()
    }
}

/// Ids of grants and digests of one-time identifiers are random in every byte.
fn number_of(key: &[u8]) -> usize {
    key.last().map_or(0, |byte| usize::from(*byte) % SHARDS)
}

pub(super) fn key_of(change: &Change) -> &[u8] {
    match change {
        Change::Put { grant, .. } => grant.terms.id.as_bytes(),
        Change::Claim { id, .. } => id.as_bytes(),
    }
}

pub(super) struct LockedShard<'a> {
    number: usize,
    shard: MutexGuard<'a, Shard>,
}

impl LockedShard<'_> {
    pub(super) fn is_of(&self, change: &Change) -> bool {
        self.number == number_of(key_of(change))
    }
}

impl Deref for LockedShard<'_> {
    type Target = Shard;

    fn deref(&self) -> &Shard {
        &self.shard
    }
}

impl DerefMut for LockedShard<'_> {
    fn deref_mut(&mut self) -> &mut Shard {
        &mut self.shard
    }
}

#[derive(Default)]
pub(super) struct Shard {
    grants: Grants,
    /// A grant that ends later than it would have is filed anew when its first time comes.
    due: Due<GrantId>,
    claims: BTreeMap<ClaimId, UnixTime>,
    due_claims: Due<ClaimId>,
    applied: u64,
    conflicts: u64,
}

/// The first to fall due on top.
type Due<K> = BinaryHeap<Reverse<(UnixTime, K)>>;

#[expect(clippy::disallowed_types, reason = "grants are found by their ids and never iterated")]
type Grants = std::collections::HashMap<GrantId, Row, BuildHasherDefault<IdHasher>>;

struct Row {
    version: Version,
    grant: Grant,
}

impl Shard {
    pub(super) fn find(&self, id: GrantId) -> Option<(Grant, Version)> {
        self.grants.get(&id).map(|row| (row.grant.clone(), row.version))
    }

    pub(super) fn is_claimed(&self, id: ClaimId) -> bool {
        self.claims.contains_key(&id)
    }

    pub(super) fn allows(&self, change: &Change) -> bool {
        match change {
            Change::Put { expected, grant } => {
                self.grants.get(&grant.id()).map(|row| row.version) == *expected
            }
            Change::Claim { id, .. } => !self.is_claimed(*id),
        }
    }

    /// Writes a grant, and returns the one in whose place it stands.
    pub(super) fn put(&mut self, version: Version, grant: &Grant) -> Option<Grant> {
        let id = grant.id();
        let before = self.grants.insert(id, Row { version, grant: grant.clone() }).map(|row| row.grant);
        let due = grant.purge_after();
        if before.as_ref().is_none_or(|before| due < before.purge_after()) {
            self.due.push(Reverse((due, id)));
        }
        before
    }

    /// Notes an identifier, and tells whether it was new.
    pub(super) fn claim(&mut self, id: ClaimId, until: UnixTime) -> bool {
        let is_new = self.claims.insert(id, until).is_none();
        if is_new {
            self.due_claims.push(Reverse((until, id)));
        }
        is_new
    }

    pub(super) const fn note(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Applied => self.applied += 1,
            Outcome::Conflict => self.conflicts += 1,
        }
    }

    /// Drops a grant that has not to be kept any more.
    pub(super) fn pop_due(&mut self, now: UnixTime) -> Option<Grant> {
        loop {
            let id = pop_due(&mut self.due, now)?;
            match self.grants.get(&id).map(|row| row.grant.purge_after()) {
                Some(due) if due <= now => return self.grants.remove(&id).map(|row| row.grant),
                Some(due) => self.due.push(Reverse((due, id))),
                // It ended earlier than it would have, and is gone.
                None => {}
            }
        }
    }

    /// Drops a one-time identifier that has not to be kept any more.
    pub(super) fn pop_due_claim(&mut self, now: UnixTime) -> Option<ClaimId> {
        let id = pop_due(&mut self.due_claims, now)?;
        self.claims.remove(&id).map(|_| id)
    }

    /// When the next record falls due, or an earlier time.
    pub(super) fn next_due(&self) -> Option<UnixTime> {
        let claim = self.due_claims.peek().map(|Reverse((due, _))| *due);
        self.due.peek().map(|Reverse((due, _))| *due).into_iter().chain(claim).min()
    }

    pub(super) fn add_to(&self, sum: MemoryMetrics) -> MemoryMetrics {
        MemoryMetrics {
            grants: sum.grants.saturating_add(self.grants.len()),
            claims: sum.claims.saturating_add(self.claims.len()),
            applied: sum.applied.saturating_add(self.applied),
            conflicts: sum.conflicts.saturating_add(self.conflicts),
        }
    }
}

fn pop_due<K: Copy + Ord>(due: &mut Due<K>, now: UnixTime) -> Option<K> {
    due.peek().filter(|Reverse((due, _))| *due <= now)?;
    due.pop().map(|Reverse((_, key))| key)
}

/// Takes a random id as its own hash. Nobody chooses the ids of grants: they are made of the moment of an
/// operation, or by a key of the server.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, id: &[u8]) {
        self.0 = id.first_chunk().map_or(self.0, |bytes| u64::from_le_bytes(*bytes));
    }

    /// The length of an id is no part of it.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
