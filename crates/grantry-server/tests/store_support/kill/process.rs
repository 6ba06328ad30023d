//! The process that serves, seen from outside.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::serving::{ANSWER, DATABASE, LAUNCH, READY};

const SIGKILL: i32 = 9;

/// The program of the test, which serves in a process of its own.
pub(crate) struct Process {
    child: Child,
    /// It ends with this.
    _input: ChildStdin,
    port: oneshot::Receiver<u16>,
    answers: JoinHandle<Vec<(String, String)>>,
}

impl Process {
    pub(crate) fn launch(test: &str, database: &str, number: u64) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]);
        command.env(DATABASE, database).env(LAUNCH, number.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let (ready, port) = oneshot::channel();
        let answers = tokio::spawn(listen(child.stdout.take().unwrap(), ready));
        Self { child, _input: input, port, answers }
    }

    /// Waits until it serves, and returns where.
    pub(crate) async fn port(&mut self) -> u16 {
        (&mut self.port).await.unwrap()
    }

    /// Waits for what needs the process alive.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            result = work => result,
            status = self.child.wait() => panic!("it ended by itself: {status:?}"),
        }
    }

    /// Kills it, and returns which requests it answered with which refresh token.
    pub(crate) async fn kill(mut self) -> Vec<(String, String)> {
        self.child.start_kill().unwrap();
        let status = self.child.wait().await.unwrap();
        assert_eq!(status.signal(), Some(SIGKILL), "it ended by itself");
        self.answers.await.unwrap()
    }
}

async fn listen(said: ChildStdout, ready: oneshot::Sender<u16>) -> Vec<(String, String)> {
    let (mut lines, mut ready) = (BufReader::new(said).lines(), Some(ready));
    let mut answers = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(port) = line.strip_prefix(READY) {
            let _ = ready.take().unwrap().send(port.parse().unwrap());
        } else if let Some((request, token)) = line.strip_prefix(ANSWER).and_then(|line| line.split_once(' '))
        {
            answers.push((request.to_owned(), token.to_owned()));
        }
    }
    answers
}
