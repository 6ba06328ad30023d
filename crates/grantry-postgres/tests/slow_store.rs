//! What races come to over PostgreSQL with 20 ms before or behind every call.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

extern crate alloc;

#[path = "../../grantry-server/tests/store_support/slow/mod.rs"]
#[allow(dead_code, reason = "the tests of other stores use the rest")]
mod slow;
mod support;

use slow::Scene;
use support::Database;

#[tokio::test]
async fn a_slow_store_ends_every_race_as_the_design_says() {
    let Some(database) = Database::new("a_slow_store_ends_every_race_as_the_design_says").await else {
        return;
    };
    database.store().await;
    Scene::play_all(&database.store_over(database.pool(32))).await;
}
