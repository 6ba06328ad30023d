//! Redis, over one connection on each side that all clients share.

use grantry::server::MemoryClients;
use grantry_benches::client;
use grantry_redis::RedisStore;
use grantry_redis::redis::aio::ConnectionManager;
use grantry_redis::redis::{self, Client, Script};

use crate::Bench;
use crate::load::{Live, Side, Waits, clock, rotate};
use crate::servers::{proxy::Proxy, redis::PrivateServer};

pub(crate) fn run(mut bench: Bench<'_>, options: &'static [&'static str]) {
    let Some(server) = PrivateServer::start(options) else { return bench.skip() };
    let store_over = |connection| RedisStore::new(connection, MemoryClients::new([client()]));
    let connection = bench.load.finish(connect(server.port()));
    let (ours, mut tokens) = bench.ours(store_over(connection));

    let proxy = bench.load.finish(Proxy::before(server.port()));
    let connection = bench.load.finish(connect(proxy.port()));
    bench.count_round_trips(store_over(connection), &proxy, &mut tokens);

    let floor = Floor::new(bench.load.finish(connect(server.port())));
    let keys = bench.load.finish(floor.copied());
    let durability = bench.load.finish(floor.durability());
    let ours = Live::new(ours, tokens, Waits::Asynchronously);
    bench.compare(&durability, ours, Live::new(floor, keys, Waits::Asynchronously));
}

async fn connect(port: u16) -> ConnectionManager {
    let client = Client::open(format!("redis://127.0.0.1:{port}")).expect("an address");
    client.get_connection_manager().await.expect("a connection")
}

/// The version is the first eight bytes, as in the records that it is a copy of.
struct Floor {
    connection: ConnectionManager,
    write: Script,
}

impl Floor {
    fn new(connection: ConnectionManager) -> Self {
        let write = Script::new(
            "local old = redis.call('GETRANGE', KEYS[1], 0, 7)
             if old ~= ARGV[1] then return 0 end
             redis.call('SET', KEYS[1], ARGV[2], 'EXAT', ARGV[3])
             return 1",
        );
        Self { connection, write }
    }

    /// Copies the records of the other side, and returns the keys of the copies.
    async fn copied(&self) -> Vec<String> {
        let mut connection = self.connection.clone();
        let keys: Vec<String> =
            redis::cmd("KEYS").arg("{grantry}:g:*").query_async(&mut connection).await.expect("keys");
        let mut copies = Vec::new();
        for key in keys {
            let copy = key.replace("{grantry}", "{floored}");
            let () =
                redis::cmd("COPY").arg(key).arg(&copy).query_async(&mut connection).await.expect("a copy");
            copies.push(copy);
        }
        copies
    }

    async fn durability(&self) -> String {
        let [log, flushes] = [self.setting("appendonly").await, self.setting("appendfsync").await];
        if log == "no" { "appendonly no".into() } else { format!("appendonly {log}, appendfsync {flushes}") }
    }

    async fn setting(&self, name: &str) -> String {
        let mut ask = redis::cmd("CONFIG");
        let answer = ask.arg("GET").arg(name).query_async(&mut self.connection.clone()).await;
        let (_, value): (String, String) = answer.expect("a setting");
        value
    }
}

impl Side for Floor {
    type Grant = String;
    type Request = String;
    type Response = String;

    fn request(&self, key: String) -> String {
        key
    }

    async fn answer(&self, key: String) -> String {
        let mut connection = self.connection.clone();
        let record = redis::cmd("GET").arg(&key).query_async(&mut connection).await;
        let record: Vec<u8> = record.expect("a record");
        let (version, mut next) = (record.get(..8).expect("a version"), record.clone());
        let number = version.try_into().map_or(0, u64::from_be_bytes);
        next.splice(..8, (number + 1).to_be_bytes());
        rotate(&mut next);
        let ends = clock() + LIFETIME;
        let mut write = self.write.key(&key);
        let written = write.arg(version).arg(next).arg(ends).invoke_async(&mut connection).await;
        assert_eq!(written, Ok(1), "nobody else writes the grant");
        key
    }

    fn grant(key: String) -> String {
        key
    }
}

/// A month, in seconds.
const LIFETIME: u64 = 2_592_000;
