//! The rules of every store, by the conformance kit.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and has a folder of its own"
)]

use core::convert::Infallible;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::path::{Path, PathBuf};

use grantry_core::{Moment, UnixTime};
use grantry_server::conformance::{Kit, Rule, explore::Explorer};
use grantry_server::{ChangeSet, Client, GrantId, Lookup, MemoryClients, Outcome, Records, Store};
use grantry_sqlite::{SqliteError, SqliteStore};
use rusqlite::{Connection, params};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("grantry-sqlite-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("grants.db")
    }

    fn open(&self) -> SqliteStore<MemoryClients> {
        SqliteStore::open(self.path(), MemoryClients::default()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn plant(path: &Path) -> impl Fn(GrantId, Vec<u8>) -> rusqlite::Result<()> {
    let by_hand = Connection::open(path).unwrap();
    move |id, bytes| {
        let sql = "UPDATE grants SET record = ?2 WHERE id = ?1";
        by_hand.execute(sql, params![id.as_bytes(), bytes]).map(|changed| assert_eq!(changed, 1))
    }
}

fn moment(seed: u8) -> Moment {
    Moment::new(UnixTime::from_secs(1_800_000_000), [seed; 32])
}

type Kept = SqliteStore<MemoryClients>;

fn register(store: &Kept) -> impl Fn(Client) -> Result<(), Infallible> {
    |client| {
        store.clients().put(client);
        Ok(())
    }
}

#[test]
fn a_store_in_a_file_follows_every_rule() {
    let folder = Folder::new("kit");
    let store = folder.open();
    // The second run finds what the first left behind.
    for seed in [1, 2] {
        let kit = Kit::new(&store).with_list().with_sweep().with_race().with_clients(register(&store));
        let report = kit.with_plant(plant(&folder.path())).check(moment(seed)).unwrap();
        assert_eq!((report.checked().len(), report.unchecked().len()), (Rule::ALL.len(), 0), "{report}");
    }
}

#[test]
fn a_store_in_memory_follows_every_rule() {
    let store = SqliteStore::in_memory(MemoryClients::default()).unwrap();
    let kit = Kit::new(&store).with_list().with_sweep().with_race().with_clients(register(&store));
    let report = kit.check(moment(1)).unwrap();
    // What nobody can damage from outside.
    assert_eq!(report.checked().len(), Rule::ALL.len() - 2, "{report}");
}

/// Two nodes' stores over one file, each asked in turn.
struct Nodes([Kept; 2], AtomicUsize);

impl Nodes {
    fn over(folder: &Folder) -> Self {
        Self([folder.open(), folder.open()], AtomicUsize::new(0))
    }

    fn next(&self) -> &Kept {
        &self.0[self.1.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

impl Store for Nodes {
    type Error = SqliteError;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, SqliteError> {
        self.next().read(lookup)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, SqliteError> {
        self.next().commit(changes)
    }
}

#[test]
fn two_stores_over_one_file_follow_every_rule_of_one() {
    let folder = Folder::new("nodes");
    let report = Kit::new(&Nodes::over(&folder)).with_race().check(moment(1)).unwrap();
    for rule in [Rule::OneWriterWins, Rule::OneClaimWins, Rule::WholeRecords] {
        assert!(report.checked().contains(&rule), "{report}");
    }
}

/// In memory for the races of three, and over two nodes in turn for those of two.
#[test]
fn requests_that_race_end_as_they_should_in_every_order() {
    let memory = SqliteStore::in_memory(MemoryClients::default()).unwrap();
    let explored = Explorer::new(&memory).with_triples().check(moment(1)).unwrap();
    assert_eq!(explored.unexplored().count(), 0);
    let folder = Folder::new("explorer");
    let explored = Explorer::new(&Nodes::over(&folder)).check(moment(2)).unwrap();
    assert!(explored.races().iter().all(|count| count.schedules > 0));
}
