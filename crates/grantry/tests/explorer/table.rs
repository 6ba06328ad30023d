//! A store as plain data, so that a search can copy it.

use core::cell::RefCell;
use core::convert::Infallible;
use std::collections::BTreeMap;
use std::rc::Rc;

use grantry::core::ClientId;
use grantry::server::{
    Change, ChangeSet, Client, Grant, GrantId, Lookup, Outcome, Records, Store, Version, Versioned,
};

/// What the table does with the version that a change expects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discipline {
    /// Compares it, as the contract says.
    Compares,
    /// Overwrites whatever is there, as a broken store would.
    Ignores,
}

/// A stored grant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    version: Version,
    bytes: Rc<[u8]>,
}

/// Every stored grant.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Table(BTreeMap<GrantId, Record>);

impl Table {
    pub(crate) fn record(&self, id: GrantId) -> Option<&Record> {
        self.0.get(&id)
    }

    pub(crate) fn grant(&self, id: GrantId) -> Option<Grant> {
        self.record(id).map(|record| Grant::from_bytes(&record.bytes).unwrap())
    }

    pub(crate) fn versioned(&self, id: GrantId) -> Option<Versioned> {
        Some(Versioned::new(self.grant(id)?, self.record(id)?.version))
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = GrantId> {
        self.0.keys().copied()
    }
}

/// The table and its clients behind the store's trait, for what comes before and after a race.
#[derive(Clone)]
pub(crate) struct TableStore {
    clients: BTreeMap<ClientId, Rc<Client>>,
    pub(crate) table: RefCell<Table>,
    discipline: Discipline,
}

impl TableStore {
    pub(crate) fn new(clients: impl IntoIterator<Item = Client>) -> Self {
        let clients = clients.into_iter().map(|client| (client.id().clone(), Rc::new(client))).collect();
        Self { clients, table: RefCell::default(), discipline: Discipline::Compares }
    }

    pub(crate) fn ignoring_versions(mut self) -> Self {
        self.discipline = Discipline::Ignores;
        self
    }

    /// Another store that begins where this one stands.
    pub(crate) fn copy_at(&self, table: &Table) -> Self {
        Self { table: RefCell::new(table.clone()), ..self.clone() }
    }

    pub(crate) fn records(&self, table: &Table, lookup: &Lookup<'_>) -> Records {
        let mut records = Records::new();
        if let Some(client) = lookup.client.and_then(|id| self.clients.get(id)) {
            records = records.with_client(Client::clone(client));
        }
        let record = lookup.grant.and_then(|id| Some((table.grant(id)?, table.record(id)?.version)));
        if let Some((grant, version)) = record {
            records = records.with_grant(grant, version);
        }
        records
    }

    pub(crate) fn apply(&self, table: &mut Table, changes: &ChangeSet) -> Outcome {
        for change in changes.iter() {
            let Change::Put { expected, grant } = change else { panic!("no claims in these races") };
            let found = table.record(grant.id()).map(|record| record.version);
            if self.discipline == Discipline::Compares && found != *expected {
                return Outcome::Conflict;
            }
            let version = found.map_or(Version::FIRST, Version::next);
            table.0.insert(grant.id(), Record { version, bytes: grant.to_bytes().into() });
        }
        Outcome::Applied
    }
}

impl Store for TableStore {
    type Error = Infallible;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, Infallible> {
        Ok(self.records(&self.table.borrow(), lookup))
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, Infallible> {
        Ok(self.apply(&mut self.table.borrow_mut(), changes))
    }
}
