//! The rules that every store keeps, over real connections.
#![expect(clippy::panic, reason = "a test fails by panicking")]

extern crate alloc;

mod support;

use core::convert::Infallible;

use grantry_postgres::{Prepare, tokio_postgres};
use grantry_server::conformance::{AsyncKit, Rule, explore::AsyncExplorer};
use grantry_server::{Client, GrantId};
use support::{Database, NOW, TestStore, moment};

async fn keeps_every_rule(database: &Database, store: &TestStore) {
    let by_hand = database.client().await;
    let register = async |client: Client| {
        store.clients().put(client);
        Ok::<_, Infallible>(())
    };
    let plant = async |id: GrantId, record: Vec<u8>| {
        let id = support::uuid(id);
        let sql = "UPDATE grants SET record = $2 WHERE id = $1::text::uuid";
        assert_eq!(by_hand.execute(sql, &[&id, &record]).await?, 1);
        Ok::<_, tokio_postgres::Error>(())
    };
    let kit = AsyncKit::new(store).with_list().with_sweep().with_race();
    let kit = kit.with_clients(register).with_plant(plant);
    let report = kit.check(moment(NOW)).await.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.unchecked(), []);
    assert_eq!(report.checked().len(), Rule::ALL.len());
}

#[tokio::test]
async fn the_store_keeps_every_rule() {
    let Some(database) = Database::new("the_store_keeps_every_rule").await else { return };
    let store = database.store().await;
    // The second run finds what the first left behind.
    for _ in 0..2 {
        keeps_every_rule(&database, &store).await;
    }
}

#[tokio::test]
async fn the_store_keeps_every_rule_without_prepared_statements() {
    let name = "the_store_keeps_every_rule_without_prepared_statements";
    let Some(database) = Database::new(name).await else { return };
    keeps_every_rule(&database, &database.store().await.with_prepare(Prepare::Never)).await;
}

/// READ COMMITTED is enough, and the stricter levels are as good: what they refuse is a conflict.
#[tokio::test]
async fn the_store_keeps_every_rule_at_stricter_levels() {
    for level in ["repeatable read", "serializable"] {
        let Some(database) = Database::new("the_store_keeps_every_rule_at_stricter_levels").await else {
            return;
        };
        database.store().await;
        let mut config = database.config();
        config.options(format!("-c default_transaction_isolation={}", level.replace(' ', "\\ ")));
        keeps_every_rule(&database, &database.store_over(support::pool_of(config, 8))).await;
    }
}

#[tokio::test]
async fn requests_that_race_end_as_they_should_in_every_order() {
    let name = "requests_that_race_end_as_they_should_in_every_order";
    let Some(database) = Database::new(name).await else { return };
    let store = database.store().await;
    let explored = AsyncExplorer::new(&store).check(moment(NOW)).await;
    let explored = explored.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(explored.races().iter().all(|count| count.schedules > 0));
}
