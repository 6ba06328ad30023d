//! What was answered outlives the process that answered it, and the server that keeps it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and has processes that talk to it"
)]

extern crate alloc;

#[path = "../../grantry-server/tests/store_support/kill/mod.rs"]
mod kill;
mod support;

use alloc::sync::Arc;

use grantry_core::{HttpResponse, Moment};
use grantry_postgres::tokio_postgres::Config;
use grantry_postgres::{PostgresStore, SchemaName};
use grantry_server::{MemoryClients, Operation, run_async};
use support::{Database, TestStore, site};

struct Networked(TestStore);

impl kill::Host for Networked {
    async fn carry<O>(self: Arc<Self>, operation: O, moment: Moment) -> Result<O::Reply, HttpResponse>
    where
        O: Operation<Reply: Send> + Send + Sync + 'static,
    {
        run_async(&self.0, &operation, moment).await.map_err(|error| error.to_response())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_outlives_200_kills_and_crashes_of_the_server() {
    const TEST: &str = "what_was_answered_outlives_200_kills_and_crashes_of_the_server";
    // In a process of its own, this test is what serves.
    if let Some(database) = kill::database() {
        let (schema, config) = database.split_once(' ').unwrap();
        let pool = support::pool_of(config.parse::<Config>().unwrap(), 8);
        let clients = Arc::new(MemoryClients::new(site::clients()));
        let store = PostgresStore::new(pool, clients).with_schema(SchemaName::parse(schema).unwrap());
        store.migrate().await.unwrap();
        return kill::serve(Networked(store)).await;
    }
    let Some(Database { server, schema }) = Database::new(TEST).await else { return };
    let scene = kill::Scene {
        test: TEST,
        database: format!("{schema} host=127.0.0.1 port={} user=tests dbname=postgres", server.port),
        crash: async || tokio::task::spawn_blocking(|| server.crash()).await.unwrap(),
        crashes: 4,
    };
    kill::outlive_kills(scene).await;
}
