//! One file: connections that read, and the one that writes.

use std::sync::{Mutex, MutexGuard};

use grantry_server::{ChangeSet, Lookup, Outcome, Records};
use rusqlite::{Connection, TransactionBehavior};

use crate::error::{SqliteError, Work};
use crate::readers::{Readers, lock};
use crate::rows;

pub(crate) struct Database {
    writer: Mutex<Connection>,
    /// A database in memory is seen by its one connection alone.
    readers: Option<Readers>,
}

impl Database {
    pub(crate) const fn new(writer: Connection, readers: Option<Readers>) -> Self {
        Self { writer: Mutex::new(writer), readers }
    }

    pub(crate) fn reader(&self) -> MutexGuard<'_, Connection> {
        self.readers.as_ref().map_or_else(|| self.writer(), Readers::take)
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Connection> {
        lock(&self.writer)
    }

    /// Adds to the records what the tables have of a lookup, as it is at one moment.
    pub(crate) fn add_to(&self, records: Records, lookup: &Lookup<'_>) -> Result<Records, SqliteError> {
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

    pub(crate) fn commit(&self, changes: &ChangeSet) -> Result<Outcome, SqliteError> {
        let mut writer = self.writer();
        let mut iter = changes.iter();
        // One statement is a transaction by itself.
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
