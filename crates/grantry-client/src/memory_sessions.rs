//! Sessions in memory.

use alloc::{collections::BTreeMap, string::String};
use core::convert::Infallible;
use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Revision, Saved, SendSessionStore, SessionRecord, SessionStore};

/// A store of sessions in memory, for tests and for hosts that may forget on restart. It is blocking and
/// asynchronous at once, and keeps what is saved until it is removed: the host bounds its sessions.
#[derive(Default)]
pub struct MemorySessionStore(Mutex<BTreeMap<String, SessionRecord>>);

impl MemorySessionStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A panic elsewhere leaves the map whole: each change is one call.
    fn records(&self) -> MutexGuard<'_, BTreeMap<String, SessionRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionStore for MemorySessionStore {
    type Error = Infallible;

    fn load(&self, key: &str) -> Result<Option<SessionRecord>, Infallible> {
        Ok(self.records().get(key).cloned())
    }

    fn save(
        &self,
        key: &str,
        expected: Option<&Revision>,
        record: &SessionRecord,
    ) -> Result<Saved, Infallible> {
        let mut records = self.records();
        if records.get(key).map(|kept| &kept.revision) != expected {
            return Ok(Saved::Conflict);
        }
        records.insert(key.into(), record.clone());
        Ok(Saved::Applied)
    }

    fn remove(&self, key: &str) -> Result<(), Infallible> {
        self.records().remove(key);
        Ok(())
    }
}

impl SendSessionStore for MemorySessionStore {
    type Error = Infallible;

    async fn load(&self, key: &str) -> Result<Option<SessionRecord>, Infallible> {
        SessionStore::load(self, key)
    }

    async fn save(
        &self,
        key: &str,
        expected: Option<&Revision>,
        record: &SessionRecord,
    ) -> Result<Saved, Infallible> {
        SessionStore::save(self, key, expected, record)
    }

    async fn remove(&self, key: &str) -> Result<(), Infallible> {
        SessionStore::remove(self, key)
    }
}

impl fmt::Debug for MemorySessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySessionStore").finish_non_exhaustive()
    }
}
