//! A store in memory, for tests, demonstrations and servers that may forget on restart.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use core::fmt;
use core::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use grantry_core::{ClientId, UnixTime};

use crate::client::Client;
use crate::decision::{Change, ChangeSet, ClaimId, Outcome};
use crate::grant::{Grant, GrantId, Subject};
use crate::grant_list::{GrantList, GrantsOf, MAX_LISTED_GRANTS, SendGrantList};
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
    by_client: Index,
    by_subject: Index,
    claims: BTreeMap<ClaimId, UnixTime>,
}

struct Row {
    version: Version,
    bytes: Box<[u8]>,
    purge_after: UnixTime,
    client: Arc<str>,
    subject: Option<Arc<str>>,
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
        let Tables { grants, by_client, by_subject, claims, .. } = &mut *tables;
        grants.retain(|id, row| {
            let is_kept = now < row.purge_after;
            if !is_kept {
                by_client.remove(&row.client, *id);
                row.subject.as_ref().into_iter().for_each(|subject| by_subject.remove(subject, *id));
            }
            is_kept
        });
        claims.retain(|_, until| now < *until);
        before - tables.grants.len() - tables.claims.len()
    }

    // Nothing panics between the comparisons and the last insert, so no thread finds half of a change.
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

impl GrantList for MemoryStore {
    fn list(
        &self,
        of: GrantsOf<'_>,
        after: Option<GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, RecordError> {
        let tables = self.tables();
        let ids = match of {
            GrantsOf::Subject(subject) | GrantsOf::SubjectAtClient(subject, _) => {
                tables.by_subject.after(subject.as_str(), after)
            }
            GrantsOf::Client(client_id) => tables.by_client.after(client_id.as_str(), after),
        };
        let rows = ids.filter_map(|id| tables.grants.get(&id)).filter(|row| match of {
            GrantsOf::SubjectAtClient(_, client_id) => *row.client == *client_id.as_str(),
            GrantsOf::Subject(_) | GrantsOf::Client(_) => true,
        });
        rows.take(limit.min(MAX_LISTED_GRANTS)).map(|row| Grant::from_bytes(&row.bytes)).collect()
    }
}

impl SendGrantList for MemoryStore {
    async fn list(
        &self,
        of: GrantsOf<'_>,
        after: Option<GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, RecordError> {
        GrantList::list(self, of, after, limit)
    }
}

/// The ids of the grants of each name. All entries of a name share its text.
#[derive(Debug, Default)]
struct Index(BTreeSet<(Arc<str>, GrantId)>);

impl Index {
    /// Files a grant under a name, in the place of the one that it had, and returns the shared text.
    fn put(&mut self, before: Option<&Arc<str>>, name: &str, id: GrantId) -> Arc<str> {
        if let Some(before) = before {
            if **before == *name {
                return Arc::clone(before);
            }
            self.remove(before, id);
        }
        let first = (Arc::from(name), FIRST_ID);
        let name = match self.0.range(&first..).next() {
            Some((filed, _)) if *filed == first.0 => Arc::clone(filed),
            Some(_) | None => first.0,
        };
        self.0.insert((Arc::clone(&name), id));
        name
    }

    fn put_optional(
        &mut self,
        before: Option<&Arc<str>>,
        subject: Option<&Subject>,
        id: GrantId,
    ) -> Option<Arc<str>> {
        if let (Some(before), None) = (before, subject) {
            self.remove(before, id);
        }
        subject.map(|subject| self.put(before, subject.as_str(), id))
    }

    fn remove(&mut self, name: &Arc<str>, id: GrantId) {
        self.0.remove(&(Arc::clone(name), id));
    }

    /// The ids of a name in their order, after one of them.
    fn after(&self, name: &str, after: Option<GrantId>) -> impl Iterator<Item = GrantId> {
        let name: Arc<str> = Arc::from(name);
        let start = match after {
            Some(after) => Bound::Excluded((Arc::clone(&name), after)),
            None => Bound::Included((Arc::clone(&name), FIRST_ID)),
        };
        self.0
            .range((start, Bound::Unbounded))
            .take_while(move |(filed, _)| *filed == name)
            .map(|(_, id)| *id)
    }
}

const FIRST_ID: GrantId = GrantId::from_bytes([0; 16]);

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
                let before = self.grants.get(&grant.id());
                let client = before.map(|row| &row.client);
                let subject = before.and_then(|row| row.subject.as_ref());
                let row = Row {
                    version,
                    bytes: grant.to_bytes().into(),
                    purge_after: grant.purge_after(),
                    client: self.by_client.put(client, grant.client_id().as_str(), grant.id()),
                    subject: self.by_subject.put_optional(subject, grant.subject(), grant.id()),
                };
                self.grants.insert(grant.id(), row);
            }
            Change::Claim { id, until } => {
                self.claims.insert(*id, *until);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_leaves_nothing_in_the_indexes() {
        let grant = Grant::from_bytes(include_bytes!("../tests/golden/grant-1-active")).unwrap();
        let end = grant.purge_after();
        let store = MemoryStore::default();
        let put = ChangeSet::from_iter([Change::Put { expected: None, grant }]);
        assert_eq!(Store::commit(&store, &put), Ok(Outcome::Applied));
        let filed = || {
            let tables = store.tables();
            (tables.by_client.0.len(), tables.by_subject.0.len())
        };
        assert_eq!(filed(), (1, 1));
        assert_eq!((store.sweep(end), filed()), (1, (0, 0)));
    }
}
