//! A store in memory that counts its round trips.

use core::cell::Cell;

use grantry::server::{ChangeSet, Client, Lookup, MemoryStore, Outcome, Records, Store};

#[derive(Debug)]
pub(crate) struct Counted {
    store: MemoryStore,
    round_trips: Cell<u32>,
}

impl Counted {
    pub(crate) fn new(clients: impl IntoIterator<Item = Client>) -> Self {
        Self { store: MemoryStore::new(clients), round_trips: Cell::new(0) }
    }

    /// Returns how often the store was asked until now.
    pub(crate) const fn round_trips(&self) -> u32 {
        self.round_trips.get()
    }

    fn count(&self) {
        self.round_trips.set(self.round_trips.get() + 1);
    }
}

impl Store for Counted {
    type Error = <MemoryStore as Store>::Error;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, Self::Error> {
        self.count();
        Store::read(&self.store, lookup)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, Self::Error> {
        self.count();
        Store::commit(&self.store, changes)
    }
}
