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
    identify_by(connection, STEPS)
}

/// Takes the steps that a database lacks, all in one transaction.
///
/// # Errors
///
/// As [`identify`].
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), SqliteError> {
    migrate_by(connection, STEPS)
}

fn identify_by(connection: &mut Connection, steps: &[&str]) -> Result<Found, SqliteError> {
    // Another process may be making the tables: all of them are seen, or none.
    let snapshot = connection.transaction().map_err(SqliteError::at(Work::Open))?;
    found_in(&snapshot, steps)
}

fn migrate_by(connection: &mut Connection, steps: &[&str]) -> Result<(), SqliteError> {
    if identify_by(connection, steps)? == Found::Schema(steps.len()) {
        return Ok(());
    }
    let failed = SqliteError::at(Work::Open);
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
    // Another process may have come first.
    let taken = match found_in(&transaction, steps)? {
        Found::Empty => 0,
        Found::Schema(taken) => taken,
    };
    let take = || {
        steps.iter().skip(taken).try_for_each(|step| transaction.execute_batch(step))?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version_after(steps))
    };
    take().map_err(&failed)?;
    transaction.commit().map_err(failed)
}

fn found_in(snapshot: &Transaction<'_>, steps: &[&str]) -> Result<Found, SqliteError> {
    let number = |name| snapshot.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let read = || Ok((number("application_id")?, number("user_version")?));
    let (application, version) = read().map_err(SqliteError::at(Work::Open))?;
    let known = version_after(steps);
    match (application, usize::try_from(version)) {
        (APPLICATION_ID, Ok(taken @ 1..)) if version <= known => Ok(Found::Schema(taken)),
        (APPLICATION_ID, Ok(1..)) => {
            Err(SqliteError::new(Work::Open, Failure::NewerSchema { found: version, known }))
        }
        (0, Ok(0)) if is_empty(snapshot).map_err(SqliteError::at(Work::Open))? => Ok(Found::Empty),
        _ => Err(SqliteError::new(Work::Open, Failure::Foreign)),
    }
}

fn version_after(steps: &[&str]) -> i32 {
    i32::try_from(steps.len()).unwrap_or(i32::MAX)
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT * FROM sqlite_schema)", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE taken (step INTEGER) STRICT; INSERT INTO taken VALUES (1)";

    fn insert(step: u8) -> String {
        format!("INSERT INTO taken VALUES ({step})")
    }

    fn taken(connection: &Connection) -> String {
        connection.query_row("SELECT group_concat(step) FROM taken", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn each_step_is_taken_once_and_in_order_from_wherever_a_database_stands() {
        let (second, third) = (insert(2), insert(3));
        let steps = [FIRST, &second, &third];
        for before in 0..=3 {
            let mut connection = Connection::open_in_memory().unwrap();
            if before > 0 {
                migrate_by(&mut connection, &steps[..before]).unwrap();
            }
            for _ in 0..2 {
                migrate_by(&mut connection, &steps).unwrap();
                assert_eq!(taken(&connection), "1,2,3");
                assert_eq!(identify_by(&mut connection, &steps), Ok(Found::Schema(3)));
            }
        }
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let second = insert(2);
        let mut connection = Connection::open_in_memory().unwrap();
        migrate_by(&mut connection, &[FIRST]).unwrap();
        let broken = [FIRST, &second, "INSERT INTO nothing VALUES (3)"];
        let error = migrate_by(&mut connection, &broken).unwrap_err();
        assert_eq!((error.work, error.failure), (Work::Open, Failure::Other { code: 1 }));
        assert_eq!(taken(&connection), "1");
        assert_eq!(identify_by(&mut connection, &[FIRST]), Ok(Found::Schema(1)));
    }

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
