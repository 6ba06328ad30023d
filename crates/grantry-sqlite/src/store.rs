//! The store: a database, and the clients that the host names.

use core::fmt;
use std::path::Path;

use grantry_server::{
    ChangeSet, Clients, Grant, GrantId, GrantList, GrantsOf, Lookup, MAX_LISTED_GRANTS, Outcome, Records,
    Store,
};

use crate::database::Database;
use crate::error::{Failure, SqliteError, Work};
use crate::options::SqliteOptions;
use crate::rows;

/// Grants in one SQLite file; registrations of clients where the host keeps them.
///
/// It blocks: an asynchronous host calls it where it may (see the page of the crate). It is shared between threads
/// by reference or in an `Arc`.
pub struct SqliteStore<C> {
    pub(crate) database: Database,
    clients: C,
}

impl<C> SqliteStore<C> {
    /// Opens the database at `path`, or makes it where there is no file, with the default options.
    ///
    /// The folder has to exist and be writable: the write-ahead log and its index are files beside the database.
    /// A database of an earlier release is migrated, in one transaction; no process of that release may have it
    /// open then.
    ///
    /// # Errors
    ///
    /// As [`SqliteOptions::open`].
    pub fn open(path: impl AsRef<Path>, clients: C) -> Result<Self, SqliteError> {
        SqliteOptions::new().open(path, clients)
    }

    /// Opens an empty database in memory, for tests: it ends with the store. Reads and writes wait for each other.
    ///
    /// # Errors
    ///
    /// Whatever SQLite says.
    pub fn in_memory(clients: C) -> Result<Self, SqliteError> {
        SqliteOptions::new().in_memory(clients)
    }

    pub(crate) const fn new(database: Database, clients: C) -> Self {
        Self { database, clients }
    }

    /// Returns the registrations of clients.
    #[must_use]
    pub const fn clients(&self) -> &C {
        &self.clients
    }
}

impl<C: Clients> Store for SqliteStore<C> {
    type Error = SqliteError;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, SqliteError> {
        let mut records = Records::new();
        if let Some(id) = lookup.client {
            let client = self.clients.client(id);
            let client =
                client.map_err(|error| SqliteError::new(Work::ReadClient, Failure::Clients(error)))?;
            records = client.into_iter().fold(records, Records::with_client);
        }
        self.database.add_to(records, lookup)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, SqliteError> {
        self.database.commit(changes)
    }
}

impl<C: Clients> GrantList for SqliteStore<C> {
    fn list(
        &self,
        of: GrantsOf<'_>,
        after: Option<GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, SqliteError> {
        rows::list(&self.database.reader(), of, after, limit.min(MAX_LISTED_GRANTS))
    }
}

impl<C> fmt::Debug for SqliteStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}
