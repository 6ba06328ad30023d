//! A store as the contract has it, in its smallest form.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, string::String, vec::Vec};

use crate::decision::{Change, ChangeSet, ClaimId, Outcome};
use crate::grant::GrantId;
use crate::operation::{Lookup, Records, Version};

#[derive(Default)]
pub(super) struct Model {
    grants: BTreeMap<GrantId, Record>,
    claims: BTreeSet<ClaimId>,
}

#[derive(PartialEq, Eq)]
struct Record {
    version: Version,
    bytes: Vec<u8>,
}

impl Model {
    pub(super) fn outcome(&self, changes: &ChangeSet) -> Outcome {
        let allows = |change: &Change| match change {
            Change::Put { expected, grant } => {
                self.grants.get(&grant.id()).map(|record| record.version) == *expected
            }
            Change::Claim { id, .. } => !self.claims.contains(id),
        };
        if changes.iter().all(allows) { Outcome::Applied } else { Outcome::Conflict }
    }

    pub(super) fn commit(&mut self, changes: &ChangeSet) -> Outcome {
        let outcome = self.outcome(changes);
        if outcome == Outcome::Applied {
            changes.iter().for_each(|change| self.apply(change));
        }
        outcome
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Put { expected, grant } => {
                let version = expected.map_or(Version::FIRST, Version::next);
                self.grants.insert(grant.id(), Record { version, bytes: grant.to_bytes() });
            }
            Change::Claim { id, .. } => {
                self.claims.insert(*id);
            }
        }
    }

    /// Tells where a reading is another one than the model's.
    pub(super) fn difference(&self, lookup: &Lookup<'_>, records: &Records) -> Option<(String, String)> {
        let read = lookup.grant.and_then(|id| records.grant(id));
        let read = read.map(|read| Record { version: read.version, bytes: read.grant.to_bytes() });
        let record = lookup.grant.and_then(|id| self.grants.get(&id));
        if record != read.as_ref() {
            return Some(describe(record, read.as_ref()));
        }
        let is_claimed = |id: Option<ClaimId>| id.is_some_and(|id| self.claims.contains(&id));
        let claims = [
            (is_claimed(lookup.claim), records.is_claim_seen()),
            (is_claimed(lookup.assertion), records.is_assertion_seen()),
        ];
        let (expected, seen) = claims.into_iter().find(|(expected, seen)| expected != seen)?;
        let text = |is_claimed| if is_claimed { "a claimed identifier" } else { "an unclaimed identifier" };
        Some((text(expected).into(), text(seen).into()))
    }
}

fn describe(expected: Option<&Record>, seen: Option<&Record>) -> (String, String) {
    let at = |record: Option<&Record>| match record {
        Some(record) => format!("the grant at version {}", record.version.as_number()),
        None => "no grant".into(),
    };
    match (expected, seen) {
        (Some(record), Some(read)) if record.version == read.version => {
            (at(expected), "other bytes at that version".into())
        }
        _ => (at(expected), at(seen)),
    }
}
