//! The store: reads on a few connections, writes on one.

use alloc::{collections::BTreeMap, sync::Arc};
use core::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use grantry_server::{
    ChangeSet, Clients, Grant, GrantId, GrantList, GrantsOf, Lookup, MAX_LISTED_GRANTS, Outcome, Records,
    Store,
};
use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Failure, SqliteError, Work};
use crate::options::SqliteOptions;
use crate::readers::{Readers, lock};
use crate::rows;

/// A store in one SQLite file.
///
/// It blocks: an asynchronous host calls it where it may (see the page of the crate). It is shared between threads
/// by reference or in an `Arc`.
pub struct SqliteStore {
    clients: Arc<dyn Clients>,
    writer: Mutex<Connection>,
    /// A database in memory is seen by its one connection alone.
    readers: Option<Readers>,
}

impl SqliteStore {
    /// Opens the database at `path`, or makes it where there is no file, with the default options. It knows no
    /// client until [`SqliteStore::with_clients`].
    ///
    /// The folder has to exist and be writable: the write-ahead log and its index are files beside the database.
    /// A database of an earlier release is migrated, in one transaction; no process of that release may have it
    /// open then.
    ///
    /// # Errors
    ///
    /// As [`SqliteOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SqliteError> {
        SqliteOptions::new().open(path)
    }

    /// Opens an empty database in memory, for tests: it ends with the store. Reads and writes wait for each other.
    ///
    /// # Errors
    ///
    /// Whatever SQLite says.
    pub fn in_memory() -> Result<Self, SqliteError> {
        SqliteOptions::new().in_memory()
    }

    pub(crate) fn new(writer: Connection, readers: Option<Readers>) -> Self {
        Self { clients: Arc::new(BTreeMap::new()), writer: Mutex::new(writer), readers }
    }

    /// Sets where registrations are looked up. An `Arc` of [`MemoryClients`](grantry_server::MemoryClients) stays
    /// in the host's hands, too.
    #[must_use]
    pub fn with_clients(mut self, clients: impl Clients + 'static) -> Self {
        self.clients = Arc::new(clients);
        self
    }

    pub(crate) fn reader(&self) -> MutexGuard<'_, Connection> {
        self.readers.as_ref().map_or_else(|| self.writer(), Readers::take)
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Connection> {
        lock(&self.writer)
    }
}

impl Store for SqliteStore {
    type Error = SqliteError;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, SqliteError> {
        let mut records = Records::new();
        if let Some(id) = lookup.client {
            let client = self.clients.client(id);
            let client =
                client.map_err(|error| SqliteError::new(Work::ReadClient, Failure::Clients(error)))?;
            records = client.into_iter().fold(records, Records::with_client);
        }
        match [lookup.grant.is_some(), lookup.claim.is_some(), lookup.assertion.is_some()] {
            [false, false, false] => Ok(records),
            // One statement is a snapshot by itself.
            [true, false, false] | [false, true, false] | [false, false, true] => {
                add(records, &self.reader(), lookup)
            }
            [true, true, _] | [true, _, true] | [_, true, true] => {
                let mut reader = self.reader();
                let snapshot = reader.transaction().map_err(SqliteError::at(Work::ReadGrant))?;
                add(records, &snapshot, lookup)
            }
        }
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, SqliteError> {
        let mut writer = self.writer();
        let mut iter = changes.iter();
        if let (Some(only), None) = (iter.next(), iter.next()) {
            return Ok(if rows::make(&writer, only)? { Outcome::Applied } else { Outcome::Conflict });
        }
        let failed = SqliteError::at(Work::Commit);
        // It is rolled back when it is dropped.
        let transaction =
            writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        for change in changes.iter() {
            if !rows::make(&transaction, change)? {
                return Ok(Outcome::Conflict);
            }
        }
        transaction.commit().map_err(failed)?;
        Ok(Outcome::Applied)
    }
}

fn add(mut records: Records, connection: &Connection, lookup: &Lookup<'_>) -> Result<Records, SqliteError> {
    if let Some(id) = lookup.grant {
        if let Some((grant, version)) = rows::read_grant(connection, id)? {
            records = records.with_grant(grant, version);
        }
    }
    if let Some(id) = lookup.claim {
        if rows::is_claimed(connection, id)? {
            records = records.with_claim_seen();
        }
    }
    if let Some(id) = lookup.assertion {
        if rows::is_claimed(connection, id)? {
            records = records.with_assertion_seen();
        }
    }
    Ok(records)
}

impl GrantList for SqliteStore {
    fn list(
        &self,
        of: GrantsOf<'_>,
        after: Option<GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, SqliteError> {
        rows::list(&self.reader(), of, after, limit.min(MAX_LISTED_GRANTS))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}
