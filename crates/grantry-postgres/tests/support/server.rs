//! A PostgreSQL that ends with the tests.

use core::time::Duration;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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
    pub(crate) fn start() -> Option<Self> {
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

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
