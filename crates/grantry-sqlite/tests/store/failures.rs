//! What goes wrong below the store is an error that names the store and the kind of key, and changes nothing.

use core::time::Duration;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use grantry_core::ClientId;
use grantry_server::{
    Change, Client, Clients, ClientsUnavailable, Grant, GrantList, GrantsOf, Lookup, MAX_LISTED_GRANTS,
    Outcome, RecordError, RunError, Store, Sweep, Version, run,
};
use grantry_sqlite::{Failure, SqliteError, SqliteOptions, SqliteStore, Work};
use rusqlite::params;

use crate::racing::code_on;
use crate::scene::{
    Folder, TestStore, claim, commit, find, grant, grant_of, is_claimed, known, life, lookup, other_site,
    parts, put, try_commit, try_find,
};
use crate::support::{
    ISSUER, NOW, Site, client_id, issued, redemption, refresh_token, request, server_of, time,
};

/// Fills a store with one-time identifiers until it takes no more.
fn fill(store: &TestStore) -> usize {
    for number in 0..100_000_u32 {
        let mut digest = [0xff; 32];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        let claim = Change::Claim { id: grantry_server::ClaimId::from_bytes(digest), until: time(NOW) };
        match try_commit(store, [claim]) {
            Ok(outcome) => assert_eq!(outcome, Outcome::Applied),
            Err(error) => {
                assert_eq!((error.work, error.failure), (Work::WriteClaim, Failure::Full));
                return usize::try_from(number).unwrap();
            }
        }
    }
    panic!("it never gets full");
}

#[test]
fn a_full_disk_keeps_what_is_there_and_takes_nothing_by_half() {
    let folder = Folder::new();
    let store = SqliteOptions::new().with_max_bytes(128 * 1024).open(folder.path(), known()).unwrap();
    let (first, second, _) = life();
    assert_eq!(commit(&store, [put(None, &first)]), Outcome::Applied);
    let filled = fill(&store);
    let site = other_site(ISSUER);
    let others: Vec<Grant> = (0..40).map(|_| grant_of(&site, "web", "alice")).collect();
    let all = || others.iter().map(|grant| put(None, grant));
    assert_eq!(parts(try_commit(&store, [claim(1, NOW)].into_iter().chain(all()))).1, Failure::Full);
    assert!(!is_claimed(&store, 1) && others.iter().all(|grant| find(&store, grant.id()).is_none()));
    assert_eq!(find(&store, first.id()), Some((first, 1)));
    // The bound is the file's: it does not grow.
    drop(store);
    assert!(std::fs::metadata(folder.path()).unwrap().len() <= 128 * 1024);

    let store = SqliteOptions::new().with_max_bytes(128 * 1024).open(folder.path(), known()).unwrap();
    assert_eq!(store.sweep(time(NOW), usize::MAX).unwrap().removed, filled);
    assert_eq!(commit(&store, [put(Some(Version::FIRST), &second)]), Outcome::Applied);
    assert_eq!(commit(&store, [claim(1, NOW)].into_iter().chain(all())), Outcome::Applied);
}

#[test]
fn a_read_only_database_can_be_read() {
    let folder = Folder::new();
    let (first, second, _) = life();
    let writable = folder.store();
    assert_eq!(commit(&writable, [put(None, &first)]), Outcome::Applied);
    let store = SqliteStore::open(format!("file:{}?mode=ro", folder.path().display()), known()).unwrap();
    assert_eq!(find(&store, first.id()), Some((first.clone(), 1)));
    let second = put(Some(Version::FIRST), &second);
    assert_eq!(parts(try_commit(&store, [second.clone()])), (Work::WriteGrant, Failure::ReadOnly));
    assert_eq!(parts(try_commit(&store, [claim(1, NOW)])), (Work::WriteClaim, Failure::ReadOnly));
    let (_, failure) = parts(try_commit(&store, [claim(1, NOW), second]));
    assert_eq!(failure, Failure::ReadOnly);
    assert_eq!(parts(store.sweep(first.purge_after(), 10)), (Work::Sweep, Failure::ReadOnly));
    assert_eq!(find(&writable, first.id()), Some((first, 1)));

    let empty = Folder::new();
    std::fs::write(empty.path(), "").unwrap();
    let opened = SqliteStore::open(format!("file:{}?mode=ro", empty.path().display()), known());
    assert_eq!(parts(opened), (Work::Open, Failure::ReadOnly));
}

#[test]
fn a_record_that_cannot_be_read_is_refused_and_kept() {
    let folder = Folder::new();
    let store = folder.store();
    let site = Site::new();
    let (damaged, other) = (grant_of(&site, "web", "alice"), grant_of(&site, "web", "alice"));
    assert_eq!(commit(&store, [put(None, &damaged), put(None, &other)]), Outcome::Applied);
    let newer = [&[200], &damaged.to_bytes()[1..]].concat();
    for (bytes, error) in [
        (Vec::new(), RecordError::Corrupt),
        (damaged.to_bytes()[..20].to_vec(), RecordError::Corrupt),
        (newer, RecordError::Newer(200)),
        // Two rows whose records were exchanged.
        (other.to_bytes(), RecordError::Corrupt),
    ] {
        let sql = "UPDATE grants SET record = ?2 WHERE id = ?1";
        folder.by_hand().execute(sql, params![damaged.id().as_bytes(), bytes]).unwrap();
        let failure = Failure::Record(error);
        assert_eq!(parts(try_find(&store, damaged.id())), (Work::ReadGrant, failure));
        assert_eq!(parts(store.read(&lookup(None, Some(damaged.id()), [Some(1), None]))).1, failure);
        let (issuer, subject) = (damaged.issuer(), damaged.subject().unwrap());
        let listed = store.list(GrantsOf::Subject(issuer, subject), None, MAX_LISTED_GRANTS);
        assert_eq!(parts(listed), (Work::List, failure));
        let kept = folder.by_hand().query_row(
            "SELECT record FROM grants WHERE id = ?1",
            [damaged.id().as_bytes()],
            |row| row.get::<_, Vec<u8>>(0),
        );
        assert_eq!(kept.unwrap(), bytes);
        // The other one is as good as before.
        assert_eq!(find(&store, other.id()), Some((other.clone(), 1)));
    }
}

#[test]
fn a_damaged_file_is_an_error() {
    let folder = Folder::new();
    let store = folder.store();
    let site = Site::new();
    let grants: Vec<Grant> = (0..50).map(|_| grant_of(&site, "web", "alice")).collect();
    assert_eq!(commit(&store, grants.iter().map(|grant| put(None, grant))), Outcome::Applied);
    drop(store);
    let length = std::fs::metadata(folder.path()).unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(folder.path()).unwrap();
    // The header and the names of the tables are the first page.
    file.write_all_at(&vec![0x5a; usize::try_from(length - 4096).unwrap()], 4096).unwrap();
    let store = folder.store();
    assert_eq!(parts(try_find(&store, grants[0].id())), (Work::ReadGrant, Failure::Damaged));
    assert_eq!(parts(try_commit(&store, [claim(1, NOW)])), (Work::WriteClaim, Failure::Damaged));
    let committed = try_commit(&store, [put(Some(Version::FIRST), &grants[0])]);
    assert_eq!(parts(committed), (Work::WriteGrant, Failure::Damaged));
}

/// CVE-2020-15223: registrations that cannot be read are not absent clients.
#[test]
fn clients_that_cannot_be_looked_up_are_an_error() {
    struct Down;
    impl Clients for Down {
        fn client(&self, _: &ClientId) -> Result<Option<Arc<Client>>, ClientsUnavailable> {
            Err(ClientsUnavailable)
        }
    }
    let store = SqliteStore::in_memory(Down).unwrap();
    let id = client_id("web");
    let read = Store::read(&store, &lookup(Some(&id), None, [None; 2]));
    assert_eq!(parts(read), (Work::ReadClient, Failure::Clients(ClientsUnavailable)));
    // It is not asked for what nobody asks.
    assert!(store.read(&Lookup::default()).is_ok());
    assert!(store.read(&lookup(None, Some(grant().id()), [None; 2])).is_ok());
}

/// ST-08: the code is as good afterwards.
#[test]
fn a_failure_is_status_503_and_consumes_nothing() {
    let folder = Folder::new();
    let store = SqliteOptions::new().with_busy_timeout(Duration::ZERO).open(folder.path(), known()).unwrap();
    let server = server_of(ISSUER);
    let code = code_on(&store, &server);
    let redeem = request("web", "/token", &redemption("web", &code).each());
    let site = Site::new();
    let try_redeem = || run(&store, &server.token(&redeem), site.moment(NOW));
    let by_hand = folder.by_hand();
    by_hand.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = try_redeem().unwrap_err();
    assert_eq!(error.to_response().status, 503);
    let RunError::Store(SqliteError { work, failure, .. }) = error else { panic!("{error:?}") };
    assert_eq!((work, failure), (Work::WriteGrant, Failure::Busy));
    by_hand.execute_batch("ROLLBACK").unwrap();
    let tokens = issued(try_redeem().unwrap());
    assert!(refresh_token(&tokens).expose().starts_with("grr_"));
}

#[test]
fn an_error_names_the_store_and_the_kind_of_key_and_no_value() {
    let folder = Folder::new();
    let store = SqliteOptions::new().with_busy_timeout(Duration::ZERO).open(folder.path(), known()).unwrap();
    let by_hand = folder.by_hand();
    by_hand.execute_batch("BEGIN IMMEDIATE").unwrap();
    let grant = grant();
    let text = |result: Result<Outcome, SqliteError>| result.unwrap_err().to_string();
    let texts = [
        text(try_commit(&store, [put(None, &grant)])),
        text(try_commit(&store, [claim(7, NOW)])),
        text(try_commit(&store, [claim(7, NOW), put(None, &grant)])),
    ];
    assert_eq!(
        texts,
        [
            "the SQLite store cannot write a grant: the database is busy",
            "the SQLite store cannot write a claim: the database is busy",
            "the SQLite store cannot commit a change set: the database is busy",
        ]
    );
    // What SQLite says itself would name tables, columns and files.
    by_hand.execute_batch("ROLLBACK; DROP TABLE claims").unwrap();
    let missing = try_commit(&store, [claim(7, NOW)]).unwrap_err();
    assert_eq!(missing.failure, Failure::Other { code: 1 });
    assert_eq!(missing.to_string(), "the SQLite store cannot write a claim: SQL logic error (SQLite code 1)");
    assert_eq!(format!("{store:?}"), "SqliteStore { .. }");
}
