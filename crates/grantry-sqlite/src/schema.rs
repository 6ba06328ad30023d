//! The tables, and the steps that bring a database of an earlier release up to them.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{Failure, SqliteError, Work};

/// What the header of the file says whose it is: `grnt`.
const APPLICATION_ID: i32 = 0x6772_6e74;

/// The steps from each schema to the next, from the empty database on. One that was released never changes.
const STEPS: &[&str] = &[include_str!("schema/1.sql")];

/// What a database is, by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nobody's yet.
    Empty,
    /// A store's, with this many of the steps.
    Schema(usize),
}

/// Reads whose database it is, and writes nothing.
///
/// # Errors
///
/// [`Failure::Foreign`] and [`Failure::NewerSchema`], beside the driver's.
pub(crate) fn identify(connection: &mut Connection) -> Result<Found, SqliteError> {
    // Another process may be making the tables: all of them are seen, or none.
    let snapshot = connection.transaction().map_err(SqliteError::at(Work::Open))?;
    found_in(&snapshot)
}

/// Takes the steps that a database lacks, all in one transaction.
///
/// # Errors
///
/// As [`identify`].
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), SqliteError> {
    if identify(connection)? == Found::Schema(STEPS.len()) {
        return Ok(());
    }
    let failed = SqliteError::at(Work::Open);
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
    // Another process may have come first.
    let taken = match found_in(&transaction)? {
        Found::Empty => 0,
        Found::Schema(steps) => steps,
    };
    take(&transaction, STEPS.get(taken..).unwrap_or_default()).map_err(&failed)?;
    transaction.commit().map_err(failed)
}

fn found_in(snapshot: &Transaction<'_>) -> Result<Found, SqliteError> {
    let number = |name| snapshot.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let read = || Ok((number("application_id")?, number("user_version")?));
    let (application, version) = read().map_err(SqliteError::at(Work::Open))?;
    let known = i32::try_from(STEPS.len()).unwrap_or(i32::MAX);
    match (application, usize::try_from(version)) {
        (APPLICATION_ID, Ok(steps @ 1..)) if version <= known => Ok(Found::Schema(steps)),
        (APPLICATION_ID, Ok(1..)) => {
            Err(SqliteError::new(Work::Open, Failure::NewerSchema { found: version, known }))
        }
        (0, Ok(0)) if is_empty(snapshot).map_err(SqliteError::at(Work::Open))? => Ok(Found::Empty),
        _ => Err(SqliteError::new(Work::Open, Failure::Foreign)),
    }
}

fn take(transaction: &Transaction<'_>, steps: &[&str]) -> rusqlite::Result<()> {
    steps.iter().try_for_each(|step| transaction.execute_batch(step))?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", i32::try_from(STEPS.len()).unwrap_or(i32::MAX))
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT * FROM sqlite_schema)", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header and the tables of one moment: half of what another process makes would be nobody's.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has a folder and a thread of its own")]
    fn whose_a_database_is_is_read_at_one_moment() {
        let folder = std::env::temp_dir().join(format!("grantry-sqlite-schema-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        for round in 0..50 {
            let open = || {
                let connection = Connection::open(folder.join(format!("{round}.db"))).unwrap();
                connection.busy_timeout(core::time::Duration::from_secs(60)).unwrap();
                connection
            };
            let (mut maker, mut reader) = (open(), open());
            std::thread::scope(|scope| {
                let made = scope.spawn(move || migrate(&mut maker));
                while identify(&mut reader).unwrap() == Found::Empty {}
                made.join().unwrap().unwrap();
            });
            assert_eq!(identify(&mut reader), Ok(Found::Schema(STEPS.len())));
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
