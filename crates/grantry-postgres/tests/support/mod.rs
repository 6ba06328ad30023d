//! A private PostgreSQL for the tests of one file, and schemas in it.
#![allow(dead_code, unused_imports, reason = "every test file uses some of it")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "tests start a server")]
#![allow(clippy::print_stdout, reason = "what is skipped is said by name")]

mod changes;
#[path = "../../../grantry-server/tests/store_support/proxy.rs"]
mod proxy;
mod server;
#[path = "../../../grantry-server/tests/store_support/site.rs"]
pub(crate) mod site;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::OnceLock;

use grantry_postgres::deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use grantry_postgres::tokio_postgres::{self, Client, Config, NoTls};
use grantry_postgres::{PostgresStore, SchemaName};
use grantry_server::{GrantId, MemoryClients};

pub(crate) use changes::{FIRST, NEW, claim, commit, find, put, seen, write};
pub(crate) use proxy::Proxy;
pub(crate) use server::{PrivateServer, free_port};
pub(crate) use site::{
    NOW, Site, assert_denied, client_id, clients, code_of, grant, issued, moment, redemption, refresh,
    refresh_token, request, subject, time,
};

fn shared_server() -> Option<&'static PrivateServer> {
    static SERVER: OnceLock<Option<PrivateServer>> = OnceLock::new();
    SERVER.get_or_init(PrivateServer::start).as_ref()
}

/// A schema of its own in the server of the test file.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) server: &'static PrivateServer,
    pub(crate) schema: SchemaName,
}

pub(crate) type TestStore = PostgresStore<Arc<MemoryClients>>;

impl Database {
    /// Makes a schema; `None`, and says so, where there is no PostgreSQL.
    pub(crate) async fn new(test: &str) -> Option<Self> {
        static SCHEMAS: AtomicUsize = AtomicUsize::new(0);
        let Some(server) = tokio::task::spawn_blocking(shared_server).await.unwrap() else {
            let required = std::env::var_os("GRANTRY_REQUIRE_SERVERS").is_some_and(|value| value == "1");
            assert!(!required, "{test}: no PostgreSQL found, and GRANTRY_REQUIRE_SERVERS=1");
            println!("skipped: {test}: no PostgreSQL found");
            return None;
        };
        let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
        Some(Self { server, schema: SchemaName::parse(&format!("test_{number}")).unwrap() })
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.server.port).user("tests").dbname("postgres");
        config.application_name(self.schema.as_str());
        config
    }

    pub(crate) fn pool(&self, connections: usize) -> Pool {
        pool_of(self.config(), connections)
    }

    /// A store over a pool, whose tables are not made.
    pub(crate) fn store_over(&self, pool: Pool) -> TestStore {
        let clients = Arc::new(MemoryClients::new(clients()));
        PostgresStore::new(pool, clients).with_schema(self.schema.clone())
    }

    /// A store with its tables.
    pub(crate) async fn store(&self) -> TestStore {
        let store = self.store_over(self.pool(8));
        store.migrate().await.unwrap();
        store
    }

    /// A connection beside the store, in its schema.
    pub(crate) async fn client(&self) -> Client {
        let (client, connection) = self.config().connect(NoTls).await.unwrap();
        tokio::spawn(async move {
            let _ = connection.await;
        });
        client.batch_execute(&format!("SET search_path TO \"{}\"", self.schema)).await.unwrap();
        client
    }

    /// Waits until the connections of a store that was dropped have ended: with that, they say what they did.
    pub(crate) async fn wait_for_counts(&self, client: &Client) {
        let open = "SELECT FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()";
        while client.execute(open, &[&self.schema.as_str()]).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until a statement of the schema waits for a lock, and returns the process of its connection.
    pub(crate) async fn waiting_process(&self, client: &Client) -> i32 {
        let waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1";
        let pattern = format!("%\"{}\"%", self.schema);
        loop {
            if let Some(row) = client.query_opt(waiting, &[&pattern]).await.unwrap() {
                return row.get(0);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The text of an id, as the server takes it.
pub(crate) fn uuid(id: GrantId) -> String {
    id.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The way to a database by a proxy before its server.
pub(crate) fn through(proxy: &Proxy, config: &Config) -> Config {
    let mut by_proxy = Config::new();
    by_proxy.host("127.0.0.1").port(proxy.port());
    by_proxy.user(config.get_user().unwrap()).dbname(config.get_dbname().unwrap());
    by_proxy
}

pub(crate) fn pool_of(config: Config, connections: usize) -> Pool {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config, NoTls, recycling);
    Pool::builder(manager).max_size(connections).runtime(Runtime::Tokio1).build().unwrap()
}
