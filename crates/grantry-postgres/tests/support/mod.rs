//! A private PostgreSQL for the tests of one file, and schemas in it.
#![allow(dead_code, unused_imports, reason = "every test file uses some of it")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "tests start a server")]
#![allow(clippy::print_stdout, reason = "what is skipped is said by name")]

mod changes;
#[path = "../../../grantry-server/tests/store_support/proxy.rs"]
mod proxy;
#[path = "../../../grantry-server/tests/store_support/site.rs"]
pub(crate) mod site;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use grantry_postgres::deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use grantry_postgres::tokio_postgres::{self, Client, Config, NoTls};
use grantry_postgres::{PostgresStore, SchemaName};
use grantry_server::{GrantId, MemoryClients};

pub(crate) use changes::{FIRST, NEW, claim, commit, find, put, seen, write};
pub(crate) use proxy::Proxy;
pub(crate) use site::{
    NOW, Site, assert_denied, client_id, clients, code_of, grant, issued, moment, redemption, refresh,
    refresh_token, request, subject, time,
};

/// Starts the server as its own user where the tests run as root, which PostgreSQL refuses, in a folder of its own.
/// It lives until the end of its input, so that it ends with the tests, however they end; a line of input crashes it and
/// starts it again.
const SCRIPT: &str = r#"
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$1/initdb" -D "$folder/data" -U tests --auth=trust -E UTF8 --locale=C --no-sync >"$folder/initdb" 2>&1 || {
  cat "$folder/initdb" >&2; exit 1; }
programs=$1 port=$2
start() {
  "$programs/postgres" -D "$folder/data" -k "$folder" -h 127.0.0.1 -p "$port" -c fsync=on -c max_connections=400 \
    -c log_error_verbosity=verbose >>"$folder/log" 2>&1 &
  server=$!
}
crash() {
  # Stopped, it starts no further process.
  kill -STOP "$server"
  read -r others <"/proc/$server/task/$server/children" || true
  kill -KILL "$server" $others || true
  wait "$server" 2>/dev/null || true
  for other in $others; do
    while [ -e "/proc/$other/exe" ]; do sleep 0.01; done
  done
}
start
echo "$folder"
while read -r _; do crash; start; done
kill -INT "$server" 2>/dev/null || true
wait "$server" || true
"#;

/// A running server.
#[derive(Debug)]
pub(crate) struct PrivateServer {
    shell: Child,
    folder: PathBuf,
    pub(crate) port: u16,
}

impl PrivateServer {
    /// Starts one; `None` where PostgreSQL is not installed.
    fn start() -> Option<Self> {
        let binaries = binaries()?;
        // Another process may take the port before the server does.
        (0..5).find_map(|_| Self::try_start(&binaries)).or_else(|| panic!("PostgreSQL does not start"))
    }

    fn try_start(binaries: &Path) -> Option<Self> {
        let port = free_port();
        let mut shell = unprivileged();
        shell.args(["sh", "-c", SCRIPT, "sh", binaries.to_str().unwrap(), &port.to_string()]);
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut folder = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut folder).unwrap();
        let mut server = Self { shell, folder: folder.trim_end().into(), port };
        while server.shell.try_wait().unwrap().is_none() {
            let ready = Command::new(binaries.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
                .status();
            if ready.unwrap().success() {
                return Some(server);
            }
            if server.log().contains("could not bind") {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// Kills every process of the server at once and starts it again.
    pub(crate) fn crash(&self) {
        let starts = |log: &str| log.matches("ready to accept connections").count();
        let before = starts(&self.log());
        let mut input = self.shell.stdin.as_ref().unwrap();
        input.write_all(b"\n").unwrap();
        loop {
            let log = self.log();
            if starts(&log) > before {
                return;
            }
            assert!(!log.contains("system is shut down"), "PostgreSQL does not start again: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn log(&self) -> String {
        let read = unprivileged().arg("cat").arg(self.folder.join("log")).output().unwrap();
        String::from_utf8_lossy(&read.stdout).into_owned()
    }
}

/// The server of a test is ended with it, panicking or not; the one that the tests share by the end of the process.
impl Drop for PrivateServer {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

fn shared_server() -> Option<&'static PrivateServer> {
    static SERVER: OnceLock<Option<PrivateServer>> = OnceLock::new();
    SERVER.get_or_init(PrivateServer::start).as_ref()
}

/// Finds the programs of the newest PostgreSQL that Debian's packages installed.
fn binaries() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(Result::ok);
    let version = |path: &PathBuf| path.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    let programs = folders.map(|folder| folder.path().join("bin"));
    programs.filter(|path| path.join("initdb").exists()).max_by_key(version)
}

/// A command that runs as `postgres` or `nobody` where the tests run as root.
fn unprivileged() -> Command {
    let id = |args: &[&str]| {
        let output = Command::new("id").args(args).stderr(Stdio::null()).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    if id(&["-u"]).as_deref() != Some("0") {
        return Command::new("env");
    }
    let user = ["postgres", "nobody"].into_iter().find(|user| id(&["-u", user]).is_some()).unwrap();
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={}", id(&["-g", user]).unwrap()));
    command.arg("--clear-groups");
    command
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

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
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
