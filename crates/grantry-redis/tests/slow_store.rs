//! What races come to over Redis with 20 ms before or behind every call.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

extern crate alloc;

#[path = "../../grantry-server/tests/store_support/slow/mod.rs"]
#[allow(dead_code, reason = "the tests of other stores use the rest")]
mod slow;
mod support;

use slow::Scene;
use support::Keys;

#[tokio::test]
async fn a_slow_store_ends_every_race_as_the_design_says() {
    let Some(keys) = Keys::new("a_slow_store_ends_every_race_as_the_design_says").await else { return };
    Scene::play_all(&keys.store().await).await;
}
