//! Changes, and what a store finds of them.

use grantry_server::{Change, ChangeSet, ClaimId, Grant, Lookup, Outcome, SendStore, Version};

use super::{NOW, TestStore, time};

pub(crate) const NEW: Option<Version> = None;
pub(crate) const FIRST: Option<Version> = Some(Version::FIRST);

pub(crate) fn put(expected: Option<Version>, grant: &Grant) -> Change {
    Change::Put { expected, grant: grant.clone() }
}

pub(crate) fn claim(id: u8) -> Change {
    Change::Claim { id: ClaimId::from_bytes([id; 32]), until: time(NOW) }
}

pub(crate) async fn commit<const N: usize>(store: &TestStore, changes: [Change; N]) -> Outcome {
    store.commit(&ChangeSet::from_iter(changes)).await.unwrap()
}

pub(crate) async fn write<const N: usize>(store: &TestStore, changes: [Change; N]) {
    assert_eq!(commit(store, changes).await, Outcome::Applied);
}

pub(crate) async fn find(store: &TestStore, grant: &Grant) -> Option<Version> {
    let mut lookup = Lookup::default();
    lookup.grant = Some(grant.id());
    let records = store.read(&lookup).await.unwrap();
    let found = records.grant(grant.id())?;
    assert_eq!(&found.grant, grant);
    Some(found.version)
}

pub(crate) async fn seen(store: &TestStore, claim: Option<u8>, assertion: Option<u8>) -> (bool, bool) {
    let mut lookup = Lookup::default();
    lookup.claim = claim.map(|id| ClaimId::from_bytes([id; 32]));
    lookup.assertion = assertion.map(|id| ClaimId::from_bytes([id; 32]));
    let records = store.read(&lookup).await.unwrap();
    (records.is_claim_seen(), records.is_assertion_seen())
}
