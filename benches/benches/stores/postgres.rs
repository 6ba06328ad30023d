//! PostgreSQL, over a pool of 16 connections on each side.

use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use grantry::server::MemoryClients;
use grantry_benches::client;
use grantry_postgres::deadpool_postgres::{Manager, Pool};
use grantry_postgres::tokio_postgres::{Client, Config, NoTls, types::ToSql};
use grantry_postgres::{PostgresStore, SchemaName};
use uuid::Uuid;

use crate::Bench;
use crate::load::{Live, Side, Waits, clock, rotate};
use crate::servers::{postgres::PrivateServer, proxy::Proxy};

pub(crate) fn run(mut bench: Bench<'_>) {
    let Some(server) = PrivateServer::start() else { return bench.skip() };
    let store_over = |port| PostgresStore::new(pool(port), MemoryClients::new([client()]));
    let store = store_over(server.port);
    bench.load.finish(store.migrate()).expect("tables");
    let (ours, mut tokens) = bench.ours(store);

    let proxy = bench.load.finish(Proxy::before(server.port));
    bench.count_round_trips(store_over(proxy.port()), &proxy, &mut tokens);

    let schema = SchemaName::parse("floor").expect("a name");
    let floor = store_over(server.port).with_schema(schema);
    bench.load.finish(floor.migrate()).expect("tables");
    let floor = Floor(pool(server.port));
    let ids = bench.load.finish(floor.copied());
    let durability = bench.load.finish(floor.durability());
    let ours = Live::new(ours, tokens, Waits::Asynchronously);
    bench.compare(&durability, ours, Live::new(floor, ids, Waits::Asynchronously));
}

fn pool(port: u16) -> Pool {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user("tests").dbname("postgres");
    Pool::builder(Manager::new(config, NoTls)).max_size(16).build().expect("a pool")
}

struct Floor(Pool);

impl Floor {
    /// Copies the rows of the other side, and returns their ids.
    async fn copied(&self) -> Vec<Uuid> {
        let client = self.0.get().await.expect("a connection");
        let copy = "INSERT INTO floor.grants SELECT * FROM grantry.grants; VACUUM ANALYZE floor.grants;";
        for statement in copy.split_inclusive(';').chain(["VACUUM ANALYZE grantry.grants"]) {
            client.batch_execute(statement).await.expect("a copy");
        }
        let rows = client.query("SELECT id FROM floor.grants", &[]).await.expect("rows");
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn durability(&self) -> String {
        let client = self.0.get().await.expect("a connection");
        let [fsync, commit] = [shown(&client, "fsync").await, shown(&client, "synchronous_commit").await];
        format!("fsync {fsync}, synchronous_commit {commit}")
    }
}

async fn shown(client: &Client, setting: &str) -> String {
    client.query_one(&format!("SHOW {setting}"), &[]).await.expect("a setting").get(0)
}

impl Side for Floor {
    type Grant = Uuid;
    type Request = Uuid;
    type Response = Uuid;

    fn request(&self, id: Uuid) -> Uuid {
        id
    }

    async fn answer(&self, id: Uuid) -> Uuid {
        let client = self.0.get().await.expect("a connection");
        let read = client.prepare_cached("SELECT version, record FROM floor.grants WHERE id = $1").await;
        let row = client.query_one(&read.expect("a statement"), &[&id]).await.expect("a row");
        let (version, mut record): (i64, Vec<u8>) = (row.get(0), row.get(1));
        rotate(&mut record);
        let write = client
            .prepare_cached(
                "UPDATE floor.grants SET version = version + 1, expires_at = $3, record = $4
                 WHERE id = $1 AND version = $2",
            )
            .await;
        let expires_at: SystemTime = UNIX_EPOCH + Duration::from_secs(clock());
        let values: [&(dyn ToSql + Sync); 4] = [&id, &version, &expires_at, &record];
        let written = client.execute(&write.expect("a statement"), &values).await;
        assert_eq!(written.expect("an answer"), 1, "nobody else writes the grant");
        id
    }

    fn grant(id: Uuid) -> Uuid {
        id
    }
}
