//! Folders that go away, grants to keep, and another hand at the same file.

use core::sync::atomic::{AtomicU32, Ordering};
use std::path::PathBuf;

use grantry_core::{ClientId, SecretString};
use grantry_server::{
    Approval, Change, ChangeSet, ClaimId, Grant, GrantId, Lookup, MemoryClients, Outcome, Records, Store,
    Subject, Version, Versioned,
};
use grantry_sqlite::{Failure, SqliteError, SqliteStore, Work};
use rusqlite::Connection;

use crate::support::{LOGIN, NOW, Site, clients, issued, refresh_token, server_of, time};

/// A folder of one test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("grantry-sqlite-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.join("grants.db")
    }

    pub(crate) fn store(&self) -> TestStore {
        SqliteStore::open(self.path(), known()).unwrap()
    }

    /// Another application's connection to the file.
    pub(crate) fn by_hand(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) type TestStore = SqliteStore<MemoryClients>;

/// The clients of the tests.
pub(crate) fn known() -> MemoryClients {
    MemoryClients::new(clients())
}

pub(crate) fn memory() -> TestStore {
    SqliteStore::in_memory(known()).unwrap()
}

pub(crate) fn both(test: impl Fn(&TestStore)) {
    test(&memory());
    test(&Folder::new().store());
}

/// A site whose moments, and so the ids of whose grants, are none of [`Site::new`].
pub(crate) fn other_site(issuer: &str) -> Site {
    let site = Site::of(server_of(issuer));
    (0..1000).for_each(|_| drop(site.moment(NOW)));
    site
}

/// A grant with a code that was not redeemed.
pub(crate) fn grant_of(site: &Site, client: &str, subject: &str) -> Grant {
    let interaction = site.interaction(client, &[], NOW);
    let approval = Approval::new(Subject::parse(subject).unwrap(), time(LOGIN));
    let _ = site.run(&site.server.approve(interaction, approval), NOW);
    site.store.last_written()
}

pub(crate) fn grant() -> Grant {
    grant_of(&Site::new(), "web", "alice")
}

/// The steps of one grant's life: its code, its first refresh token, its second.
pub(crate) fn life() -> (Grant, Grant, Grant) {
    let site = Site::new();
    let code = site.code(NOW);
    let first = site.store.last_written();
    let tokens = issued(site.redeem("web", &code, NOW));
    let second = site.store.last_written();
    let token: &SecretString = refresh_token(&tokens);
    issued(site.refresh("web", token, NOW + 1));
    (first, second, site.store.last_written())
}

pub(crate) fn put(expected: Option<Version>, grant: &Grant) -> Change {
    Change::Put { expected, grant: grant.clone() }
}

pub(crate) fn claim(number: u8, until: u64) -> Change {
    Change::Claim { id: ClaimId::from_bytes([number; 32]), until: time(until) }
}

pub(crate) fn try_commit(
    store: &TestStore,
    changes: impl IntoIterator<Item = Change>,
) -> Result<Outcome, SqliteError> {
    store.commit(&ChangeSet::from_iter(changes))
}

pub(crate) fn commit(store: &TestStore, changes: impl IntoIterator<Item = Change>) -> Outcome {
    try_commit(store, changes).unwrap()
}

pub(crate) fn lookup<'a>(
    client: Option<&'a ClientId>,
    grant: Option<GrantId>,
    claims: [Option<u8>; 2],
) -> Lookup<'a> {
    let mut lookup = Lookup::default();
    lookup.client = client;
    lookup.grant = grant;
    [lookup.claim, lookup.assertion] = claims.map(|number| number.map(|n| ClaimId::from_bytes([n; 32])));
    lookup
}

pub(crate) fn try_find(store: &TestStore, id: GrantId) -> Result<Option<Versioned>, SqliteError> {
    store.read(&lookup(None, Some(id), [None; 2])).map(|records| records.grant(id).cloned())
}

pub(crate) fn find(store: &TestStore, id: GrantId) -> Option<(Grant, u64)> {
    try_find(store, id).unwrap().map(|record| (record.grant, record.version.as_number()))
}

pub(crate) fn is_claimed(store: &TestStore, number: u8) -> bool {
    let records: Records = store.read(&lookup(None, None, [Some(number), None])).unwrap();
    records.is_claim_seen()
}

/// What failed, and why.
#[track_caller]
pub(crate) fn parts<T: core::fmt::Debug>(result: Result<T, SqliteError>) -> (Work, Failure) {
    let error = result.unwrap_err();
    (error.work, error.failure)
}
