//! A Redis that ends with the tests.

use core::time::Duration;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Runs the server in its folder, which goes with it, until the end of the input, so that it ends with the tests, however they end. The
/// shell is its parent, so its process id is nobody else's before the shell is done.
const SCRIPT: &str = r#"
set -eu
cd "$1"
port=$2
shift 2
redis-server --port "$port" --bind 127.0.0.1 --dir . --save '' "$@" >>log 2>&1 &
server=$!
echo "$server"
read -r _ || true
exec 2>/dev/null
kill -KILL "$server" || true
wait "$server" || true
rm -rf "$PWD"
"#;

/// A running server.
#[derive(Debug)]
pub(crate) struct PrivateServer {
    runs: Vec<Child>,
    folder: PathBuf,
    port: u16,
    process: String,
    options: &'static [&'static str],
}

impl PrivateServer {
    /// Starts one; `None` where Redis is not installed.
    pub(crate) fn start(options: &'static [&'static str]) -> Option<Self> {
        let version = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        version.ok().filter(|status| status.success())?;
        // Another process may take the port before the server does.
        let started = (0..5).find_map(|_| {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let (runs, process) = (Vec::new(), String::new());
            let mut server = Self { runs, folder: new_folder(), port, process, options };
            server.run().then_some(server)
        });
        Some(started.unwrap_or_else(|| panic!("Redis does not start")))
    }

    /// Starts one for a test by name, which is skipped without it.
    pub(crate) async fn of_test(test: &str, options: &'static [&'static str]) -> Option<Self> {
        let started = tokio::task::spawn_blocking(move || Self::start(options)).await.unwrap();
        if started.is_some() { started } else { is_missing(test) }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Ends the server as a crash does.
    pub(crate) fn kill(&self) {
        self.signal("KILL");
        while is_answered(self.port) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.process]).status().unwrap().success());
    }

    /// Starts it again, over its files.
    pub(crate) fn restart(&mut self) {
        assert!(self.run(), "Redis does not start again");
    }

    fn run(&mut self) -> bool {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "sh"]).arg(&self.folder).arg(self.port.to_string()).args(self.options);
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut process = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut process).unwrap();
        self.process = process.trim_end().to_owned();
        self.runs.push(shell);
        while !is_answered(self.port) {
            if self.log().contains("Failed listening on port") {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        for run in &mut self.runs {
            drop(run.stdin.take());
            let _ = run.wait();
        }
    }
}

/// Says that a test is skipped, which is a failure where servers are required.
pub(crate) fn is_missing<T>(test: &str) -> Option<T> {
    let required = std::env::var_os("GRANTRY_REQUIRE_SERVERS").is_some_and(|value| value == "1");
    assert!(!required, "{test}: no redis-server found, and GRANTRY_REQUIRE_SERVERS=1");
    println!("skipped: {test}: no redis-server found");
    None
}

/// Tells whether the server is there, and has read what it kept.
fn is_answered(port: u16) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    ask().is_ok_and(|answer| &answer == b"+PONG")
}

fn new_folder() -> PathBuf {
    let made = Command::new("mktemp").args(["-d", "-t", "grantry-redis-XXXXXX"]).output().unwrap();
    String::from_utf8(made.stdout).unwrap().trim_end().into()
}
