//! A private Redis for the tests of one file, and prefixes in it.
#![allow(dead_code, unused_imports, reason = "every test file uses some of it")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "tests start a server")]
#![allow(clippy::print_stdout, reason = "what is skipped is said by name")]

#[path = "../../../grantry-server/tests/store_support/proxy.rs"]
mod proxy;
mod server;
#[path = "../../../grantry-server/tests/store_support/site.rs"]
mod site;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::OnceLock;

use grantry_redis::redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use grantry_redis::redis::{self, Client, FromRedisValue, ToRedisArgs};
use grantry_redis::{KeyPrefix, RedisStore, RedisStoreError};
use grantry_server::{
    Change, ChangeSet, ClaimId, Grant, GrantId, Lookup, MemoryClients, Outcome, SendStore, Version,
};

pub(crate) use proxy::Proxy;
pub(crate) use server::{PrivateServer, is_missing};
pub(crate) use site::{
    ISSUER, NOW, Site, assert_denied, client_id, clients, code_of, grant, issued, moment, redemption,
    refresh, refresh_token, request, subject, time,
};

pub(crate) const NEW: Option<Version> = None;
pub(crate) const FIRST: Option<Version> = Some(Version::FIRST);

pub(crate) type TestStore = RedisStore<Arc<MemoryClients>>;

/// A prefix of its own in the server of the test file.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) port: u16,
    pub(crate) prefix: KeyPrefix,
}

impl Keys {
    /// Takes a prefix; `None`, and says so, where there is no Redis.
    pub(crate) async fn new(test: &str) -> Option<Self> {
        static SERVER: OnceLock<Option<PrivateServer>> = OnceLock::new();
        let shared = || SERVER.get_or_init(|| PrivateServer::start(&[])).as_ref();
        match tokio::task::spawn_blocking(shared).await.unwrap() {
            Some(server) => Some(Self::of(server)),
            None => is_missing(test),
        }
    }

    pub(crate) fn of(server: &PrivateServer) -> Self {
        static PREFIXES: AtomicUsize = AtomicUsize::new(0);
        let number = PREFIXES.fetch_add(1, Ordering::Relaxed);
        Self { port: server.port(), prefix: KeyPrefix::parse(&format!("test-{number}")).unwrap() }
    }

    /// A store with a connection of its own.
    pub(crate) async fn store(&self) -> TestStore {
        self.store_at(self.port, Duration::from_secs(60)).await
    }

    pub(crate) async fn store_at(&self, port: u16, timeout: Duration) -> TestStore {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(timeout))
            .set_connection_timeout(Some(Duration::from_secs(60)))
            .set_number_of_retries(0);
        let connection = ConnectionManager::new_with_config(client_of(port), config).await.unwrap();
        self.store_over(connection)
    }

    pub(crate) fn store_over<K>(&self, connection: K) -> RedisStore<Arc<MemoryClients>, K> {
        let clients = Arc::new(MemoryClients::new(clients()));
        RedisStore::new(connection, clients).with_prefix(self.prefix.clone())
    }

    /// A connection beside the store.
    pub(crate) async fn by_hand(&self) -> MultiplexedConnection {
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        client_of(self.port).get_multiplexed_async_connection_with_config(&config).await.unwrap()
    }

    pub(crate) fn grant_key(&self, id: GrantId) -> String {
        format!("{}:g:{}", self.prefix, hex(id.as_bytes()))
    }

    pub(crate) fn claim_key(&self, number: u8) -> String {
        format!("{}:c:{}", self.prefix, hex(&[number; 32]))
    }

    pub(crate) fn client_index(&self, client: &str) -> String {
        format!("{}:a:{}:{ISSUER}:{client}", self.prefix, ISSUER.len())
    }

    pub(crate) fn subject_index(&self, subject: &str) -> String {
        format!("{}:s:{}:{ISSUER}:{subject}", self.prefix, ISSUER.len())
    }
}

pub(crate) fn client_of(port: u16) -> Client {
    Client::open(format!("redis://127.0.0.1:{port}")).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends a command by hand.
pub(crate) async fn send<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    command: &[&(dyn Part + Sync)],
) -> T {
    let mut whole = redis::Cmd::new();
    command.iter().for_each(|part| _ = whole.arg(part.bytes()));
    whole.query_async(connection).await.unwrap()
}

/// A word of a command.
pub(crate) trait Part {
    fn bytes(&self) -> Vec<u8>;
}

impl Part for &str {
    fn bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl Part for String {
    fn bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }
}

impl Part for Vec<u8> {
    fn bytes(&self) -> Vec<u8> {
        self.clone()
    }
}

pub(crate) fn put(expected: Option<Version>, grant: &Grant) -> Change {
    Change::Put { expected, grant: grant.clone() }
}

pub(crate) fn claim(number: u8, until: u64) -> Change {
    Change::Claim { id: ClaimId::from_bytes([number; 32]), until: time(until) }
}

pub(crate) async fn try_commit<const N: usize>(
    store: &impl SendStore<Error = RedisStoreError>,
    changes: [Change; N],
) -> Result<Outcome, RedisStoreError> {
    store.commit(&ChangeSet::from_iter(changes)).await
}

pub(crate) async fn commit<const N: usize>(
    store: &impl SendStore<Error = RedisStoreError>,
    changes: [Change; N],
) -> Outcome {
    try_commit(store, changes).await.unwrap()
}

/// Commits what has to be applied.
pub(crate) async fn write<const N: usize>(
    store: &impl SendStore<Error = RedisStoreError>,
    changes: [Change; N],
) {
    assert_eq!(commit(store, changes).await, Outcome::Applied);
}

pub(crate) fn lookup_of<'a>(grant: Option<GrantId>, claims: [Option<u8>; 2]) -> Lookup<'a> {
    let mut lookup = Lookup::default();
    lookup.grant = grant;
    [lookup.claim, lookup.assertion] = claims.map(|number| number.map(|n| ClaimId::from_bytes([n; 32])));
    lookup
}

/// Returns the version of exactly this grant.
pub(crate) async fn find(store: &impl SendStore<Error = RedisStoreError>, grant: &Grant) -> Option<Version> {
    let records = store.read(&lookup_of(Some(grant.id()), [None; 2])).await.unwrap();
    let found = records.grant(grant.id())?;
    assert_eq!(&found.grant, grant);
    Some(found.version)
}

pub(crate) async fn is_claimed(store: &impl SendStore<Error = RedisStoreError>, number: u8) -> bool {
    store.read(&lookup_of(None, [Some(number), None])).await.unwrap().is_claim_seen()
}
