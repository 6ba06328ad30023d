//! What races come to over a file that takes 20 ms for every call, in every order that such calls can have, with a
//! clock that stands still while anything can happen.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

extern crate alloc;

#[path = "../../grantry-server/tests/store_support/slow/mod.rs"]
#[allow(dead_code, reason = "the tests of other stores use the rest")]
mod slow;
#[path = "../../grantry-server/tests/store_support/site.rs"]
#[allow(dead_code, reason = "the tests of other stores use the rest")]
mod support;

use alloc::collections::BTreeSet;

use grantry_server::{ChangeSet, Lookup, MemoryClients, Outcome, Records, SendStore, Store};
use grantry_sqlite::{SqliteError, SqliteStore};
use slow::Scene;
use support::clients;

/// A store that blocks for as long as SQLite takes, which is no time on a clock that stands still.
struct Blocking(SqliteStore<MemoryClients>);

impl SendStore for Blocking {
    type Error = SqliteError;

    async fn read(&self, lookup: &Lookup<'_>) -> Result<Records, SqliteError> {
        self.0.read(lookup)
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Outcome, SqliteError> {
        self.0.commit(changes)
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_ends_every_race_as_the_design_says() {
    for scene in Scene::ALL {
        let store = SqliteStore::in_memory(MemoryClients::new(clients())).unwrap();
        let site = scene.site(Blocking(store));
        let mut endings = BTreeSet::new();
        for schedule in scene.schedules() {
            endings.insert(scene.play(&site, &schedule).await.ending);
        }
        let expected = match scene {
            Scene::Thrice(..) | Scene::BesideStrangers(_) => 1,
            Scene::GivenUp(..) | Scene::BesideRevocation(_) => 2,
        };
        assert_eq!(endings.len(), expected, "{scene:?}");
    }
}
