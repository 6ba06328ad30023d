//! SQLite, with the connections that `grantry-sqlite` has: one that writes and four that read.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use grantry::server::{ChangeSet, Lookup, MemoryClients, Outcome, Records, SendStore, Store};
use grantry_benches::{Counted, Endpoint, client};
use grantry_sqlite::{SqliteError, SqliteOptions, SqliteStore, Synchronous};
use rusqlite::{Connection, params};

use crate::Bench;
use crate::load::{Live, Side, Waits, clock, rotate};

pub(crate) fn run(mut bench: Bench<'_>, synchronous: Synchronous) {
    let folder = Folder::new();
    let path = folder.0.join("ours.db");
    let options = SqliteOptions::new().with_synchronous(synchronous);
    let store = options.open(&path, MemoryClients::new([client()])).expect("a database");
    let (ours, mut tokens) = bench.ours(Blocking(Counted::new(store)));
    let token = tokens.pop().expect("a grant");
    let before = ours.store().0.round_trips();
    tokens.push(ours.issued(ours.refresh(&token)).refresh_token);
    bench.round_trips(ours.store().0.round_trips() - before);

    let copy = folder.0.join("floor.db");
    let by_hand = Connection::open(&path).expect("a connection");
    by_hand.execute("VACUUM INTO ?1", [copy.to_str()]).expect("a copy");
    let floor = Floor::new(&copy, synchronous);
    let ids = floor.ids();
    let durability = format!("journal_mode WAL, synchronous {}", level(synchronous));
    let ours = Live::new(ours, tokens, Waits::Blocking);
    bench.compare(&durability, ours, Live::new(floor, ids, Waits::Blocking));
}

/// A store whose futures are done at once.
struct Blocking(Counted<SqliteStore<MemoryClients>>);

impl SendStore for Blocking {
    type Error = SqliteError;

    async fn read(&self, lookup: &Lookup<'_>) -> Result<Records, SqliteError> {
        Store::read(&self.0, lookup)
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Outcome, SqliteError> {
        Store::commit(&self.0, changes)
    }
}

struct Floor {
    writer: Mutex<Connection>,
    readers: [Mutex<Connection>; 4],
    waited: AtomicUsize,
}

impl Floor {
    fn new(path: &Path, synchronous: Synchronous) -> Self {
        let open = |pragmas: &str| {
            let connection = Connection::open(path).expect("a connection");
            connection.execute_batch(pragmas).expect("pragmas");
            Mutex::new(connection)
        };
        let level = level(synchronous);
        let writer = open(&format!("PRAGMA journal_mode = WAL; PRAGMA synchronous = {level}"));
        let readers = core::array::from_fn(|_| open("PRAGMA query_only = true"));
        Self { writer, readers, waited: AtomicUsize::new(0) }
    }

    fn ids(&self) -> Vec<[u8; 16]> {
        let writer = self.writer.lock().expect("no panic");
        let mut statement = writer.prepare("SELECT id FROM grants").expect("a statement");
        let ids = statement.query_map([], |row| row.get(0)).expect("rows");
        ids.collect::<Result<_, _>>().expect("ids")
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        if let Some(idle) = self.readers.iter().find_map(|reader| reader.try_lock().ok()) {
            return idle;
        }
        let turn = self.waited.fetch_add(1, Ordering::Relaxed) % self.readers.len();
        self.readers.get(turn).expect("a reader").lock().expect("no panic")
    }

    fn read(&self, id: &[u8; 16]) -> rusqlite::Result<(i64, Vec<u8>)> {
        let reader = self.reader();
        let mut statement = reader.prepare_cached("SELECT version, record FROM grants WHERE id = ?1")?;
        statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn write(&self, id: &[u8; 16], version: i64, record: &[u8]) -> rusqlite::Result<usize> {
        let writer = self.writer.lock().expect("no panic");
        let mut statement = writer.prepare_cached(
            "UPDATE grants SET version = version + 1, expires_at = ?3, record = ?4 WHERE id = ?1 AND version = ?2",
        )?;
        statement.execute(params![id, version, i64::try_from(clock()).ok(), record])
    }
}

impl Side for Floor {
    type Grant = [u8; 16];
    type Request = [u8; 16];
    type Response = [u8; 16];

    fn request(&self, id: [u8; 16]) -> [u8; 16] {
        id
    }

    async fn answer(&self, id: [u8; 16]) -> [u8; 16] {
        let (version, mut record) = self.read(&id).expect("a row");
        rotate(&mut record);
        assert_eq!(self.write(&id, version, &record), Ok(1), "nobody else writes the grant");
        id
    }

    fn grant(id: [u8; 16]) -> [u8; 16] {
        id
    }
}

const fn level(synchronous: Synchronous) -> &'static str {
    match synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
        _ => unreachable!(),
    }
}

/// A folder beside the other outputs, on a disk, that goes away.
struct Folder(PathBuf);

impl Folder {
    #[expect(clippy::disallowed_methods, reason = "a database is a file")]
    fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("stores-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("target can be written");
        Self(path)
    }
}

impl Drop for Folder {
    #[expect(clippy::disallowed_methods, reason = "a database is a file")]
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
