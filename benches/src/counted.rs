//! A store that counts its round trips.

use core::sync::atomic::{AtomicU32, Ordering};

use grantry::server::{ChangeSet, Lookup, Outcome, Records, Store};

/// A store, and how often it was asked.
#[derive(Debug)]
pub struct Counted<S> {
    store: S,
    round_trips: AtomicU32,
}

impl<S> Counted<S> {
    /// Counts from nothing.
    #[must_use]
    pub const fn new(store: S) -> Self {
        Self { store, round_trips: AtomicU32::new(0) }
    }

    /// Returns how often the store was asked until now.
    pub fn round_trips(&self) -> u32 {
        self.round_trips.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.round_trips.fetch_add(1, Ordering::Relaxed);
    }
}

impl<S: Store> Store for Counted<S> {
    type Error = S::Error;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, Self::Error> {
        self.count();
        self.store.read(lookup)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, Self::Error> {
        self.count();
        self.store.commit(changes)
    }
}
