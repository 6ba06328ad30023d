//! Files: made, opened again, migrated, and left alone.

use core::time::Duration;
use std::sync::Barrier;

use grantry_server::{Change, Outcome, Version};
use grantry_sqlite::{Failure, SqliteError, SqliteOptions, SqliteStore, Work};
use rusqlite::Connection;

use crate::scene::{Folder, TestStore, claim, commit, find, known, life, parts, put, try_commit};

#[track_caller]
fn failure(opened: Result<TestStore, SqliteError>) -> Failure {
    let (work, failure) = parts(opened);
    assert_eq!(work, Work::Open);
    failure
}

fn pragma(connection: &Connection, name: &str) -> String {
    let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
    connection.query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_new_file_says_whose_it_is_and_is_in_write_ahead_mode() {
    let folder = Folder::new();
    let _store = folder.store();
    let by_hand = folder.by_hand();
    assert_eq!(pragma(&by_hand, "application_id"), u32::from_be_bytes(*b"grnt").to_string());
    assert_eq!(pragma(&by_hand, "user_version"), "1");
    assert_eq!(pragma(&by_hand, "journal_mode"), "wal");
    assert!(folder.path().with_extension("db-wal").exists());
    let loose = "SELECT count(*) FROM pragma_table_list WHERE type = 'table' AND strict = 0 AND name NOT LIKE 'sqlite_%'";
    assert_eq!(by_hand.query_row(loose, [], |row| row.get::<_, u32>(0)).unwrap(), 0);
}

#[test]
fn what_was_applied_is_there_after_the_store_is_opened_again() {
    let folder = Folder::new();
    let (first, second, _) = life();
    assert_eq!(commit(&folder.store(), [put(None, &first)]), Outcome::Applied);
    let store = folder.store();
    assert_eq!(find(&store, first.id()), Some((first.clone(), 1)));
    assert_eq!(commit(&store, [put(Some(Version::FIRST), &second)]), Outcome::Applied);
    // One that never closes its connections, as a process that is killed: the log has the commit.
    core::mem::forget(store);
    assert_eq!(find(&folder.store(), first.id()), Some((second, 2)));
}

/// ST-20.
#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let folder = Folder::new();
    drop(folder.store());
    folder.by_hand().execute_batch("PRAGMA user_version = 2; CREATE TABLE later (x ANY) STRICT").unwrap();
    let before = std::fs::read(folder.path()).unwrap();
    let opened = SqliteStore::open(folder.path(), known());
    assert_eq!(failure(opened), Failure::NewerSchema { found: 2, known: 1 });
    assert_eq!(std::fs::read(folder.path()).unwrap(), before);
}

#[test]
fn a_database_of_another_application_is_refused_and_left_alone() {
    for sql in [
        "CREATE TABLE grants (id)",
        "PRAGMA user_version = 1",
        "PRAGMA application_id = 5",
        "PRAGMA application_id = 5; PRAGMA user_version = 1",
        // Ours, but no schema of ours is this one.
        "PRAGMA application_id = 0x67726e74; CREATE TABLE grants (id)",
        "PRAGMA application_id = 0x67726e74; PRAGMA user_version = -1",
    ] {
        let folder = Folder::new();
        folder.by_hand().execute_batch(sql).unwrap();
        let before = std::fs::read(folder.path()).unwrap();
        assert_eq!(failure(SqliteStore::open(folder.path(), known())), Failure::Foreign, "{sql}");
        assert_eq!(std::fs::read(folder.path()).unwrap(), before, "{sql}");
    }
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let folder = Folder::new();
    let text = "This is a letter, and not a database at all. ".repeat(200);
    std::fs::write(folder.path(), &text).unwrap();
    assert_eq!(failure(SqliteStore::open(folder.path(), known())), Failure::Damaged);
    assert_eq!(std::fs::read(folder.path()).unwrap(), text.as_bytes());
    assert_eq!(failure(SqliteStore::open(folder.path().join("below"), known())), Failure::CannotOpen);
    assert_eq!(failure(SqliteStore::open(std::env::temp_dir(), known())), Failure::CannotOpen);
}

/// Each connection would have one of its own, and the readers would find nothing.
#[test]
fn a_database_without_a_file_is_refused() {
    for path in [":memory:", "", "file::memory:"] {
        assert_eq!(failure(SqliteStore::open(path, known())), Failure::NoWriteAheadLog, "{path}");
    }
}

#[test]
fn many_may_open_a_new_file_at_once() {
    for _ in 0..20 {
        let folder = Folder::new();
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    drop(folder.store());
                });
            }
        });
        assert_eq!(pragma(&folder.by_hand(), "user_version"), "1");
    }
}

#[test]
fn another_process_that_writes_for_too_long_is_a_failure_and_no_conflict() {
    let folder = Folder::new();
    let store = SqliteOptions::new().with_busy_timeout(Duration::ZERO).open(folder.path(), known()).unwrap();
    let (grant, next, _) = life();
    assert_eq!(commit(&store, [put(None, &grant)]), Outcome::Applied);
    let by_hand = folder.by_hand();
    by_hand.execute_batch("BEGIN IMMEDIATE").unwrap();
    let put = put(Some(Version::FIRST), &next);
    let fails = |changes: Vec<Change>| parts(try_commit(&store, changes));
    assert_eq!(fails(vec![put.clone()]), (Work::WriteGrant, Failure::Busy));
    assert_eq!(fails(vec![claim(1, 5)]), (Work::WriteClaim, Failure::Busy));
    assert_eq!(fails(vec![claim(1, 5), put.clone()]), (Work::Commit, Failure::Busy));
    // Readers go on, and see what was committed.
    assert_eq!(find(&store, grant.id()), Some((grant.clone(), 1)));
    by_hand.execute_batch("ROLLBACK").unwrap();
    assert_eq!(try_commit(&store, [put]), Ok(Outcome::Applied));
    assert_eq!(find(&store, grant.id()), Some((next, 2)));
}
