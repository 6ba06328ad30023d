//! The rules that every store keeps, over a server and over a cluster.
#![expect(clippy::panic, reason = "a test fails by panicking")]

extern crate alloc;

mod support;

use alloc::sync::Arc;
use core::convert::Infallible;

use grantry_redis::redis::{self, aio::ConnectionLike};
use grantry_server::conformance::explore::AsyncExplorer;
use grantry_server::conformance::{AsyncKit, Part, Rule};
use grantry_server::{Client, GrantId, MemoryClients};
use support::{Keys, NOW, PrivateServer, moment, send};

type Store<K> = grantry_redis::RedisStore<Arc<MemoryClients>, K>;

async fn keeps_every_rule<K: ConnectionLike + Clone + Send + Sync>(store: &Store<K>, keys: &Keys) {
    let register = async |client: Client| {
        store.clients().put(client);
        Ok::<_, Infallible>(())
    };
    let by_hand = keys.by_hand().await;
    let plant = async |id: GrantId, record: Vec<u8>| {
        let mut by_hand = by_hand.clone();
        let key = keys.grant_key(id);
        let value: Vec<u8> = send(&mut by_hand, &[&"GET", &key]).await;
        let spoiled: Vec<u8> = value.into_iter().take(13).chain(record).collect();
        let () = send(&mut by_hand, &[&"SET", &key, &spoiled, &"KEEPTTL"]).await;
        Ok::<_, Infallible>(())
    };
    let kit = AsyncKit::new(store).with_list().with_race().with_clients(register).with_plant(plant);
    let report = kit.check(moment(NOW)).await.unwrap_or_else(|failure| panic!("{failure}"));
    let sweeps =
        [Rule::SweepKeeps, Rule::SweepFollows, Rule::SweepRemoves, Rule::SweepIsBounded, Rule::SweepHints];
    assert_eq!(report.unchecked(), sweeps.map(|rule| (rule, Part::Sweep)));
}

#[tokio::test]
async fn the_store_keeps_every_rule_but_those_of_sweeps() {
    let Some(keys) = Keys::new("the_store_keeps_every_rule_but_those_of_sweeps").await else { return };
    keeps_every_rule(&keys.store().await, &keys).await;
}

#[tokio::test]
async fn requests_that_race_end_as_they_should_in_every_order() {
    let name = "requests_that_race_end_as_they_should_in_every_order";
    let Some(keys) = Keys::new(name).await else { return };
    let store = keys.store().await;
    let explored = AsyncExplorer::new(&store).check(moment(NOW)).await;
    let explored = explored.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(explored.races().iter().all(|count| count.schedules > 0));
}

#[tokio::test]
async fn the_store_keeps_every_rule_over_resp3() {
    let Some(keys) = Keys::new("the_store_keeps_every_rule_over_resp3").await else { return };
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/?protocol=resp3", keys.port)).unwrap();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    keeps_every_rule(&keys.store_over(connection), &keys).await;
}

/// A cluster refuses a script whose keys are in several slots, and one that touches a key beside them.
#[tokio::test]
async fn the_store_keeps_every_rule_in_one_slot_of_a_cluster() {
    let name = "the_store_keeps_every_rule_in_one_slot_of_a_cluster";
    let options = &["--cluster-enabled", "yes"];
    let Some(server) = PrivateServer::of_test(name, options).await else { return };
    let keys = Keys::of(&server);
    let mut by_hand = keys.by_hand().await;
    let () = send(&mut by_hand, &[&"CLUSTER", &"ADDSLOTSRANGE", &"0", &"16383"]).await;
    loop {
        let info: String = send(&mut by_hand, &[&"CLUSTER", &"INFO"]).await;
        if info.contains("cluster_state:ok") {
            break;
        }
        tokio::task::yield_now().await;
    }
    keeps_every_rule(&keys.store_over(by_hand), &keys).await;
}
