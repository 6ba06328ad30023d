//! What a request costs: one round trip to read and one to commit.

extern crate alloc;

mod support;

use grantry_postgres::Prepare;
use grantry_server::{Cached, GrantsOf, Introspection, MemoryCache, SendGrantList, SendSweep};
use support::{
    Database, FIRST, NEW, NOW, Proxy, Site, claim, find, grant, issued, moment, put, redemption, refresh,
    refresh_token, time, write,
};

#[tokio::test]
async fn a_request_takes_two_round_trips() {
    let Some(database) = Database::new("a_request_takes_two_round_trips").await else { return };
    database.store().await;
    let proxy = Proxy::before(database.server.port).await;
    for prepare in [Prepare::Once, Prepare::Never] {
        let pool = support::pool_of(support::through(&proxy, &database.config()), 1);
        let site = Site::new(database.store_over(pool).with_prepare(prepare));
        // The connection is made, and prepares what it has not seen.
        let tokens = site.tokens("web", NOW).await;
        issued(site.token(&refresh("web", refresh_token(&tokens)), NOW + 1).await);

        let (code, round_trips) = proxy.count(site.code("web", NOW)).await;
        assert_eq!(round_trips, 2, "an approval; registrations are not the server's");
        let (reply, round_trips) = proxy.count(site.token(&redemption("web", &code), NOW + 1)).await;
        let tokens = issued(reply);
        assert_eq!(round_trips, 2);
        let request = refresh("web", refresh_token(&tokens));
        let (reply, round_trips) = proxy.count(site.token(&request, NOW + 2)).await;
        issued(reply);
        assert_eq!(round_trips, 2);
        let (_, round_trips) = proxy.count(site.token(&request, NOW + 3)).await;
        assert_eq!(round_trips, 2, "the alarm for reuse is a commit as well");
    }
}

#[tokio::test]
async fn a_refresh_of_a_cached_grant_takes_one_round_trip() {
    let name = "a_refresh_of_a_cached_grant_takes_one_round_trip";
    let Some(database) = Database::new(name).await else { return };
    database.store().await;
    let proxy = Proxy::before(database.server.port).await;
    let pool = support::pool_of(support::through(&proxy, &database.config()), 1);
    let site = Site::new(database.store_over(pool));
    let tokens = site.tokens("web", NOW).await;
    let cached = Cached::new(&site.store, MemoryCache::new());
    let mut token = refresh_token(&tokens).clone();
    // The first one finds nothing in the cache, and leaves its grant there.
    for expected in [2, 1, 1] {
        let operation = site.server.token(&refresh("web", &token));
        let (reply, round_trips) = proxy.count(cached.run_async(&operation, moment(NOW + 1))).await;
        assert_eq!(round_trips, expected);
        token = refresh_token(&issued(reply.unwrap())).clone();
    }
    let operation = site.server.introspect(&support::request("web", &[("token", token.expose())]));
    let (reply, round_trips) = proxy.count(cached.run_async(&operation, moment(NOW + 1))).await;
    assert!(matches!(reply.unwrap().answer, Introspection::Active(_)));
    assert_eq!(round_trips, 1, "introspection reads the database");
}

#[tokio::test]
async fn every_call_of_the_store_takes_one_round_trip() {
    let Some(database) = Database::new("every_call_of_the_store_takes_one_round_trip").await else { return };
    database.store().await;
    let proxy = Proxy::before(database.server.port).await;
    let pool = support::pool_of(support::through(&proxy, &database.config()), 1);
    let store = database.store_over(pool).with_prepare(Prepare::Never);
    write(&store, [claim(0)]).await;
    let (one, other) = (grant("web", "alice", NOW), grant("web", "bob", NOW));
    let ((), round_trips) = proxy.count(write(&store, [claim(1), put(NEW, &one), put(NEW, &other)])).await;
    assert_eq!(round_trips, 1);
    let ((), round_trips) = proxy.count(write(&store, [put(FIRST, &one), put(FIRST, &other)])).await;
    assert_eq!(round_trips, 1);
    assert_eq!(proxy.count(find(&store, &one)).await.1, 1);
    let of = GrantsOf::Client(one.issuer(), one.client_id());
    let (listed, round_trips) = proxy.count(store.list(of, None, 10)).await;
    assert_eq!((listed.unwrap().len(), round_trips), (2, 1));
    let (swept, round_trips) = proxy.count(store.sweep(time(NOW), 10)).await;
    assert_eq!((swept.unwrap().removed, round_trips), (2, 1));
}
