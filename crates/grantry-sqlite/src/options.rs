//! How a database is opened.

use core::time::Duration;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::database::Database;
use crate::error::{Failure, SqliteError, Work};
use crate::readers::Readers;
use crate::schema;
use crate::store::SqliteStore;

/// How a database is opened and what a commit waits for.
#[derive(Clone, Debug)]
#[must_use = "options open nothing by themselves"]
pub struct SqliteOptions {
    synchronous: Synchronous,
    busy_timeout: Duration,
    readers: usize,
    max_bytes: Option<u64>,
}

/// What a commit waits for before its reply goes out
/// ([`PRAGMA synchronous`](https://www.sqlite.org/pragma.html#pragma_synchronous)).
///
/// Either way the end of a process, by a signal or a panic, loses nothing, and the database stays intact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Synchronous {
    /// Every commit waits until the disk has it: power failure loses nothing that was answered. A commit takes as
    /// long as the disk's flush.
    Full,
    /// Commits do not wait for the disk, and one flush at a checkpoint serves many. Power failure, or a crash of
    /// the operating system, takes the last commits back, for seconds or as long as few requests come. A code that
    /// was redeemed can be redeemed again then, a refresh token that was rotated works again while its successor
    /// is unknown, and **a grant that was revoked is alive again**.
    Normal,
}

impl SqliteOptions {
    /// The longest that a statement waits for another process's write: a request is not kept longer.
    pub const MAX_BUSY_TIMEOUT: Duration = Duration::from_secs(60);

    /// The most connections that read at the same time: each has a file descriptor and up to 2 MB of cache.
    pub const MAX_READERS: usize = 64;

    /// Makes the options of a server on one machine: [`Synchronous::Full`], five seconds of patience with other
    /// processes, four readers, and no limit of the size but the disk's.
    pub const fn new() -> Self {
        Self {
            synchronous: Synchronous::Full,
            busy_timeout: Duration::from_secs(5),
            readers: 4,
            max_bytes: None,
        }
    }

    /// Sets what a commit waits for.
    pub const fn with_synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// Sets how long a statement waits while another process writes, [`MAX_BUSY_TIMEOUT`](Self::MAX_BUSY_TIMEOUT)
    /// at most. After it, the store fails with [`Failure::Busy`].
    pub fn with_busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout.min(Self::MAX_BUSY_TIMEOUT);
        self
    }

    /// Sets how many connections may read at the same time, from 1 to [`MAX_READERS`](Self::MAX_READERS). A
    /// further read waits for one of them.
    pub fn with_readers(mut self, readers: usize) -> Self {
        self.readers = readers.clamp(1, Self::MAX_READERS);
        self
    }

    /// Sets how large the file may grow, in bytes, rounded down to whole pages. What would make it larger fails
    /// with [`Failure::Full`]; the write-ahead log comes on top. A file that is larger already stays so.
    pub const fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Opens a database, or makes it where there is no file; see [`SqliteStore::open`].
    ///
    /// # Errors
    ///
    /// [`Failure::CannotOpen`], [`Failure::Foreign`], [`Failure::NewerSchema`] and [`Failure::NoWriteAheadLog`], as
    /// these say; [`Failure::ReadOnly`] for a database that has to be made or migrated; any other of SQLite's.
    pub fn open<C>(&self, path: impl AsRef<Path>, clients: C) -> Result<SqliteStore<C>, SqliteError> {
        Ok(SqliteStore::new(self.database(path.as_ref())?, clients))
    }

    /// Opens an empty database in memory; see [`SqliteStore::in_memory`].
    ///
    /// # Errors
    ///
    /// Whatever SQLite says.
    pub fn in_memory<C>(&self, clients: C) -> Result<SqliteStore<C>, SqliteError> {
        let mut writer = self.writer(Path::new(":memory:"))?;
        schema::migrate(&mut writer)?;
        Ok(SqliteStore::new(Database::new(writer, None), clients))
    }

    fn database(&self, path: &Path) -> Result<Database, SqliteError> {
        let mut writer = self.writer(path)?;
        // A database that is somebody else's is left as it is.
        schema::identify(&mut writer)?;
        write_ahead(&writer)?;
        schema::migrate(&mut writer)?;
        let first = self.reader(path)?;
        let others = (1..self.readers).map(|_| self.reader(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Database::new(writer, Some(Readers::new(first, others))))
    }

    fn writer(&self, path: &Path) -> Result<Connection, SqliteError> {
        let open = || {
            let connection = self.connection(path, OpenFlags::SQLITE_OPEN_CREATE)?;
            let level = match self.synchronous {
                Synchronous::Full => "FULL",
                Synchronous::Normal => "NORMAL",
            };
            connection.pragma_update(None, "synchronous", level)?;
            // On macOS a flush otherwise ends in the disk's own memory.
            connection.pragma_update(None, "fullfsync", self.synchronous == Synchronous::Full)?;
            // What one long burst made of the log is given back.
            connection.pragma_update(None, "journal_size_limit", MAX_IDLE_LOG_BYTES)?;
            if let Some(bytes) = self.max_bytes {
                let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
                let pages = u32::try_from(bytes / u64::from(page.max(1))).unwrap_or(MAX_PAGES);
                let pages = pages.clamp(1, MAX_PAGES);
                connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
            }
            Ok(connection)
        };
        open().map_err(SqliteError::at(Work::Open))
    }

    fn reader(&self, path: &Path) -> Result<Connection, SqliteError> {
        let open = || {
            let connection = self.connection(path, OpenFlags::empty())?;
            connection.pragma_update(None, "query_only", true)?;
            Ok(connection)
        };
        open().map_err(SqliteError::at(Work::Open))
    }

    fn connection(&self, path: &Path, create: OpenFlags) -> rusqlite::Result<Connection> {
        // Each connection has a lock around it, so SQLite needs none of its own.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(self.busy_timeout)?;
        // A file that somebody prepared runs no code of theirs.
        connection.pragma_update(None, "trusted_schema", false)?;
        Ok(connection)
    }
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self::new()
    }
}

const MAX_IDLE_LOG_BYTES: u32 = 64 * 1024 * 1024;

/// SQLite's own limit.
const MAX_PAGES: u32 = 4_294_967_294;

/// How often the switch to the write-ahead log is tried. Who meets another process that switches the same new
/// file finds it done the next time.
const MAX_SWITCHES: usize = 3;

fn write_ahead(connection: &Connection) -> Result<(), SqliteError> {
    for _ in 0..MAX_SWITCHES {
        let mode = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
            .map_err(SqliteError::at(Work::Open));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => return Err(SqliteError::new(Work::Open, Failure::NoWriteAheadLog)),
            Err(SqliteError { failure: Failure::Busy, .. }) => {
                // The switch does not wait for another that is under way; this does.
                connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK").map_err(SqliteError::at(Work::Open))?;
            }
            Err(error) => return Err(error),
        }
    }
    Err(SqliteError::new(Work::Open, Failure::Busy))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn pragma(connection: &Connection, name: &str) -> i64 {
        connection.pragma_query_value(None, name, |row| row.get(0)).unwrap()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has a folder of its own")]
    fn connections_are_as_the_options_say() {
        let folder = std::env::temp_dir().join(format!("grantry-sqlite-options-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("grants.db");
        let full = SqliteOptions::default().database(&path).unwrap();
        let normal = SqliteOptions::new().with_synchronous(Synchronous::Normal).with_max_bytes(1_000_000);
        let normal = normal.with_busy_timeout(Duration::MAX).with_readers(0).database(&path).unwrap();
        for (store, synchronous, patience) in [(&full, 2, 5_000), (&normal, 1, 60_000)] {
            let writer = store.writer();
            assert_eq!((pragma(&writer, "synchronous"), pragma(&writer, "query_only")), (synchronous, 0));
            assert_eq!(pragma(&writer, "fullfsync"), synchronous - 1);
            assert_eq!(pragma(&writer, "journal_size_limit"), 64 * 1024 * 1024);
            drop(writer);
            assert_eq!(pragma(&store.reader(), "query_only"), 1);
            for connection in [store.reader(), store.writer()] {
                assert_eq!(pragma(&connection, "busy_timeout"), patience);
                assert_eq!(pragma(&connection, "trusted_schema"), 0);
            }
        }
        assert_eq!(pragma(&normal.writer(), "max_page_count"), 1_000_000 / 4096);
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// Holds the file's write lock until somebody waits for it.
    static OTHER: Mutex<Option<Connection>> = Mutex::new(None);

    fn let_go(_: i32) -> bool {
        drop(OTHER.lock().unwrap().take());
        true
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has a folder of its own")]
    fn the_switch_to_the_log_is_tried_again_when_the_other_process_is_done() {
        let folder = std::env::temp_dir().join(format!("grantry-sqlite-switch-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("grants.db");
        let other = Connection::open(&path).unwrap();
        other
            .execute_batch("CREATE TABLE t (x ANY) STRICT; BEGIN IMMEDIATE; INSERT INTO t VALUES (1)")
            .unwrap();
        *OTHER.lock().unwrap() = Some(other);
        let connection = Connection::open(&path).unwrap();
        connection.busy_handler(Some(let_go)).unwrap();
        assert_eq!(write_ahead(&connection), Ok(()));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
