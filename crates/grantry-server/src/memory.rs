//! A store in memory, for tests, demonstrations and servers that may forget on restart.

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use grantry_core::{ClientId, UnixTime};

use crate::client::Client;
use crate::decision::{Change, ChangeSet, ClaimId, Outcome};
use crate::grant::{Grant, GrantId};
use crate::grant_record::RecordError;
use crate::operation::{Lookup, Records, Version};
use crate::store::{SendStore, Store};

/// A store in memory behind one lock.
///
/// It keeps grants as the bytes that a database would keep. Nothing expires by itself: call
/// [`MemoryStore::sweep`] from time to time.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    clients: BTreeMap<ClientId, Arc<Client>>,
    grants: BTreeMap<GrantId, Row>,
    claims: BTreeMap<ClaimId, UnixTime>,
}

struct Row {
    version: Version,
    bytes: Vec<u8>,
    purge_after: UnixTime,
}

impl fmt::Debug for Row {
    /// Shows no bytes: the record in them has a salt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row")
            .field("version", &self.version)
            .field("purge_after", &self.purge_after)
            .finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// Makes a store that knows the clients and no grant.
    #[must_use]
    pub fn new(clients: impl IntoIterator<Item = Client>) -> Self {
        let store = Self::default();
        clients.into_iter().for_each(|client| store.put_client(client));
        store
    }

    /// Adds a client or replaces its registration.
    pub fn put_client(&self, client: Client) {
        self.tables().clients.insert(client.id().clone(), Arc::new(client));
    }

    /// Removes a client: it can redeem and refresh nothing any more. Its access tokens live on where others look
    /// them up, until [`Policy::with_not_before_of_client`](crate::Policy::with_not_before_of_client) ends
    /// them.
    pub fn remove_client(&self, id: &ClientId) {
        self.tables().clients.remove(id);
    }

    /// Drops every record whose time to be kept has passed, and returns how many there were.
    pub fn sweep(&self, now: UnixTime) -> usize {
        let mut tables = self.tables();
        let before = tables.grants.len() + tables.claims.len();
        tables.grants.retain(|_, row| now < row.purge_after);
        tables.claims.retain(|_, until| now < *until);
        before - tables.grants.len() - tables.claims.len()
    }

    // A panic of another thread cannot leave the tables half written: every change is one insert
    // after all comparisons.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    type Error = RecordError;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, RecordError> {
        let tables = self.tables();
        let mut records = Records::new();
        if let Some(client) = lookup.client.and_then(|id| tables.clients.get(id)) {
            records = records.with_client(Arc::clone(client));
        }
        if let Some(row) = lookup.grant.and_then(|id| tables.grants.get(&id)) {
            records = records.with_grant(Grant::from_bytes(&row.bytes)?, row.version);
        }
        if lookup.claim.is_some_and(|id| tables.claims.contains_key(&id)) {
            records = records.with_claim_seen();
        }
        if lookup.assertion.is_some_and(|id| tables.claims.contains_key(&id)) {
            records = records.with_assertion_seen();
        }
        Ok(records)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, RecordError> {
        let mut tables = self.tables();
        if !changes.iter().all(|change| tables.allows(change)) {
            return Ok(Outcome::Conflict);
        }
        changes.iter().for_each(|change| tables.apply(change));
        Ok(Outcome::Applied)
    }
}

impl SendStore for MemoryStore {
    type Error = RecordError;

    async fn read(&self, lookup: &Lookup<'_>) -> Result<Records, RecordError> {
        Store::read(self, lookup)
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Outcome, RecordError> {
        Store::commit(self, changes)
    }
}

impl Tables {
    fn allows(&self, change: &Change) -> bool {
        match change {
            Change::Put { expected, grant } => {
                self.grants.get(&grant.id()).map(|row| row.version) == *expected
            }
            Change::Claim { id, .. } => !self.claims.contains_key(id),
        }
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Put { expected, grant } => {
                let version = expected.map_or(Version::FIRST, Version::next);
                let row = Row { version, bytes: grant.to_bytes(), purge_after: grant.purge_after() };
                self.grants.insert(grant.id(), row);
            }
            Change::Claim { id, until } => {
                self.claims.insert(*id, *until);
            }
        }
    }
}
