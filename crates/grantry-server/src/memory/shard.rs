//! The grants and one-time identifiers of a store in memory, in parts that are locked by themselves.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::array;
use core::hash::{BuildHasherDefault, Hasher};
use core::iter;
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
    due: BTreeSet<(UnixTime, GrantId)>,
    claims: BTreeMap<ClaimId, UnixTime>,
    due_claims: BTreeSet<(UnixTime, ClaimId)>,
    applied: u64,
    conflicts: u64,
}

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
        let (was_due, due) = (before.as_ref().map(Grant::purge_after), grant.purge_after());
        if was_due != Some(due) {
            if let Some(was_due) = was_due {
                self.due.remove(&(was_due, id));
            }
            self.due.insert((due, id));
        }
        before
    }

    pub(super) fn claim(&mut self, id: ClaimId, until: UnixTime) {
        self.claims.insert(id, until);
        self.due_claims.insert((until, id));
    }

    pub(super) const fn note(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Applied => self.applied += 1,
            Outcome::Conflict => self.conflicts += 1,
        }
    }

    /// Drops a grant that has not to be kept any more.
    pub(super) fn pop_due(&mut self, now: UnixTime) -> Option<Grant> {
        let (_, id) = pop_due(&mut self.due, now)?;
        self.grants.remove(&id).map(|row| row.grant)
    }

    /// Drops the one-time identifiers that have not to be kept any more, and counts them.
    pub(super) fn drop_claims(&mut self, now: UnixTime) -> usize {
        let due = iter::from_fn(|| pop_due(&mut self.due_claims, now));
        due.filter(|(_, id)| self.claims.remove(id).is_some()).count()
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

fn pop_due<I: Copy + Ord>(due: &mut BTreeSet<(UnixTime, I)>, now: UnixTime) -> Option<(UnixTime, I)> {
    due.first().filter(|(time, _)| *time <= now)?;
    due.pop_first()
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
