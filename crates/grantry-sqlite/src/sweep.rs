//! Letting go of what need not be kept any more, a bounded piece at a time.

use grantry_core::UnixTime;
use grantry_server::{Clients, Sweep, Swept};
use rusqlite::{Connection, TransactionBehavior};

use crate::error::{SqliteError, Work};
use crate::rows::{LATEST, count, seconds};
use crate::sql;
use crate::store::SqliteStore;

/// Commits wait while a sweep deletes, and a thousand records take some milliseconds. The file does not shrink:
/// SQLite fills the pages again.
impl<C: Clients> Sweep for SqliteStore<C> {
    fn sweep(&self, now: UnixTime, limit: usize) -> Result<Swept, SqliteError> {
        // What is due later than a column can say is never due.
        let now = seconds(now).min(LATEST - 1);
        let sweep = || {
            let next = next(&self.database.reader())?;
            if next > now {
                return Ok((0, next));
            }
            let mut writer = self.database.writer();
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let removed = delete(&transaction, now, limit)?;
            let next = self::next(&transaction)?;
            transaction.commit()?;
            Ok((removed, next))
        };
        let (removed, next) = sweep().map_err(SqliteError::at(Work::Sweep))?;
        let next = u64::try_from(next).ok().filter(|_| next < LATEST);
        Ok(Swept::new(removed, next.map(UnixTime::from_secs)))
    }
}

fn next(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached(sql::NEXT_SWEEP)?.query_row([LATEST], |row| row.get(0))
}

fn delete(connection: &Connection, now: i64, limit: usize) -> rusqlite::Result<usize> {
    let delete = |sql, limit| connection.prepare_cached(sql)?.execute([now, count(limit)]);
    let grants = delete(sql::SWEEP_GRANTS, limit)?;
    let claims = delete(sql::SWEEP_CLAIMS, limit.saturating_sub(grants))?;
    Ok(grants + claims)
}
