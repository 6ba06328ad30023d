//! What was answered outlives the process that answered it.
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
#[path = "../../grantry-server/tests/store_support/site.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod site;

use alloc::sync::Arc;
use std::path::PathBuf;

use grantry_core::{HttpResponse, Moment};
use grantry_server::{MemoryClients, Operation, run};
use grantry_sqlite::SqliteStore;

/// The store with its defaults, which flush the disk in every commit. A process that is killed loses nothing with
/// [`Synchronous::Normal`](grantry_sqlite::Synchronous::Normal) either: power failure does.
struct Embedded(SqliteStore<MemoryClients>);

impl kill::Host for Embedded {
    async fn carry<O>(self: Arc<Self>, operation: O, moment: Moment) -> Result<O::Reply, HttpResponse>
    where
        O: Operation<Reply: Send> + Send + Sync + 'static,
    {
        let work = move || run(&self.0, &operation, moment).map_err(|error| error.to_response());
        tokio::task::spawn_blocking(work).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_outlives_200_kills() {
    // In a process of its own, this test is the server.
    if let Some(path) = kill::database() {
        let store = SqliteStore::open(path, MemoryClients::new(site::clients())).unwrap();
        return kill::serve(Embedded(store)).await;
    }
    let folder = Folder::new();
    let scene = kill::Scene {
        test: "what_was_answered_outlives_200_kills",
        database: folder.0.join("grants.db").into_os_string().into_string().unwrap(),
        crash: async || {},
        crashes: 0,
    };
    kill::outlive_kills(scene).await;
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("grantry-sqlite-kill-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
