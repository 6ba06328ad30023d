//! A server that fails consumes nothing, and says what it could not do.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

extern crate alloc;

mod support;

use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use grantry_core::HttpRequest;
use grantry_redis::{Failure, RedisStoreError, Refusal, Work, redis};
use grantry_server::{ChangeSet, Outcome, Reply, RunError, SendStore, TokenAnswer, Version};
use support::{
    FIRST, Keys, NEW, NOW, PrivateServer, Site, TestStore, claim, find, grant, is_claimed, issued, lookup_of,
    put, redemption, refresh, refresh_token, send, try_commit, write,
};

const DURABLE: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

async fn try_token(
    site: &Site<TestStore>,
    request: &HttpRequest,
) -> Result<Reply<TokenAnswer>, RunError<RedisStoreError>> {
    site.try_run(&site.server.token(request), NOW + 1).await
}

#[track_caller]
fn unavailable(reply: Result<Reply<TokenAnswer>, RunError<RedisStoreError>>) -> RedisStoreError {
    let error = reply.unwrap_err();
    assert_eq!(error.to_response().status, 503);
    let RunError::Store(error) = error else { panic!("{error:?}") };
    error
}

#[tokio::test]
async fn a_server_that_is_killed_is_503_and_consumes_nothing() {
    let name = "a_server_that_is_killed_is_503_and_consumes_nothing";
    let Some(mut server) = PrivateServer::of_test(name, DURABLE).await else { return };
    let keys = Keys::of(&server);
    let site = Site::new(keys.store().await);
    let tokens = site.tokens("web", NOW).await;
    let code = site.code("web", NOW).await;
    let requests = [refresh("web", refresh_token(&tokens)), redemption("web", &code)];
    server.kill();
    for request in &requests {
        let error = unavailable(try_token(&site, request).await);
        assert_eq!(error.work, Work::ReadGrant);
        assert!(matches!(error.failure, Failure::Unreachable | Failure::ConnectionLost), "{error:?}");
    }
    let error = try_commit(&site.store, [claim(1, NOW)]).await.unwrap_err();
    assert_eq!(error.work, Work::WriteClaim);

    // Whatever was answered before is there, and works once; the connection finds the server by itself.
    server.restart();
    while site.store.read(&lookup_of(None, [Some(1), None])).await.is_err() {
        tokio::task::yield_now().await;
    }
    for request in &requests {
        issued(try_token(&site, request).await.unwrap());
    }
}

/// Between the read and the commit of each request.
#[tokio::test]
async fn a_server_that_is_killed_between_read_and_commit_consumes_nothing() {
    let name = "a_server_that_is_killed_between_read_and_commit_consumes_nothing";
    let Some(mut server) = PrivateServer::of_test(name, DURABLE).await else { return };
    let keys = Keys::of(&server);
    let store = keys.store().await;
    let grant = grant("web", "alice", NOW);
    write(&store, [put(NEW, &grant)]).await;
    assert_eq!(find(&store, &grant).await, FIRST);
    server.kill();
    let error = try_commit(&store, [claim(1, NOW), put(FIRST, &grant)]).await.unwrap_err();
    assert_eq!(error.work, Work::WriteGrant);
    assert!(matches!(error.failure, Failure::Unreachable | Failure::ConnectionLost), "{error:?}");
    server.restart();
    let store = keys.store().await;
    assert_eq!(find(&store, &grant).await, FIRST);
    assert!(!is_claimed(&store, 1).await);
}

/// Every way in which a server refuses leaves everything as it was.
#[tokio::test]
async fn a_server_that_refuses_is_503_and_consumes_nothing() {
    let name = "a_server_that_refuses_is_503_and_consumes_nothing";
    let Some(server) = PrivateServer::of_test(name, &[]).await else { return };
    let keys = Keys::of(&server);
    let site = Site::new(keys.store().await);
    let mut by_hand = keys.by_hand().await;
    let tokens = site.tokens("web", NOW).await;
    let request = refresh("web", refresh_token(&tokens));
    let set = |option: &'static str, value: &'static str| {
        let mut by_hand = by_hand.clone();
        async move {
            let () = send(&mut by_hand, &[&"CONFIG", &"SET", &option, &value]).await;
        }
    };
    let grant = grant("web", "alice", NOW);
    for (option, on, off, refusal) in [
        ("maxmemory", "1", "0", Refusal::OutOfMemory),
        ("min-replicas-to-write", "1", "0", Refusal::TooFewReplicas),
    ] {
        set(option, on).await;
        let error = unavailable(try_token(&site, &request).await);
        assert_eq!((error.work, error.failure), (Work::WriteGrant, Failure::Refused(refusal)));
        let refused = try_commit(&site.store, [claim(1, NOW), put(NEW, &grant)]).await;
        assert_eq!(refused.unwrap_err().failure, Failure::Refused(refusal));
        set(option, off).await;
    }
    // As a primary is after a failover.
    let () = send(&mut by_hand, &[&"CONFIG", &"SET", &"replica-serve-stale-data", &"yes"]).await;
    let () = send(&mut by_hand, &[&"REPLICAOF", &"127.0.0.1", &"1"]).await;
    let error = unavailable(try_token(&site, &request).await);
    assert_eq!((error.work, error.failure), (Work::WriteGrant, Failure::Refused(Refusal::ReadOnly)));
    let () = send(&mut by_hand, &[&"REPLICAOF", &"NO", &"ONE"]).await;

    assert_eq!(find(&site.store, &grant).await, None);
    assert!(!is_claimed(&site.store, 1).await);
    issued(try_token(&site, &request).await.unwrap());
}

/// The commands that a user of the server needs, and no others.
#[tokio::test]
async fn a_user_needs_few_commands() {
    let Some(keys) = Keys::new("a_user_needs_few_commands").await else { return };
    let mut by_hand = keys.by_hand().await;
    let user = "least";
    let pattern = format!("~{}:*", keys.prefix);
    let commands = grantry_redis::COMMANDS.map(|command| format!("+{command}"));
    let mut rules: Vec<&(dyn support::Part + Sync)> =
        vec![&"ACL", &"SETUSER", &user, &"on", &">word", &pattern];
    rules.extend(commands.iter().map(|command| command as &(dyn support::Part + Sync)));
    let () = send(&mut by_hand, &rules).await;
    let client = redis::Client::open(format!("redis://{user}:word@127.0.0.1:{}", keys.port)).unwrap();
    let store = keys.store_over(client.get_connection_manager().await.unwrap());
    let site = Site::new(&store);
    let tokens = site.tokens("other", NOW).await;
    issued(site.token(&refresh("other", refresh_token(&tokens)), NOW).await);
    let grant = grant("web", "alice", NOW);
    write(&store, [claim(1, NOW), put(NEW, &grant)]).await;
    assert_eq!(find(&store, &grant).await, FIRST);
    assert!(is_claimed(&store, 1).await);
    let _: usize = send(&mut by_hand, &[&"DEL", &keys.grant_key(grant.id())]).await;
    let of = grantry_server::GrantsOf::Client(grant.issuer(), grant.client_id());
    assert!(grantry_server::SendGrantList::list(&store, of, None, 10).await.unwrap().is_empty());
    let () = send(&mut by_hand, &[&"ACL", &"SETUSER", &user, &"-evalsha"]).await;
    let refused = try_commit(&store, [put(NEW, &grant)]).await.unwrap_err();
    assert_eq!((refused.work, refused.failure), (Work::WriteGrant, Failure::Refused(Refusal::NotPermitted)));
}

/// What is cut off may be applied later, and the next request sees it.
#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_a_failure() {
    let name = "an_answer_that_does_not_come_in_time_is_a_failure";
    let Some(server) = PrivateServer::of_test(name, &[]).await else { return };
    let keys = Keys::of(&server);
    let store = keys.store_at(keys.port, Duration::from_millis(50)).await;
    let grant = grant("web", "alice", NOW);
    server.signal("STOP");
    let late = try_commit(&store, [put(NEW, &grant)]).await.unwrap_err();
    assert_eq!((late.work, late.failure), (Work::WriteGrant, Failure::TimedOut));
    let late = store.read(&lookup_of(Some(grant.id()), [None; 2])).await.unwrap_err();
    assert_eq!((late.work, late.failure), (Work::ReadGrant, Failure::TimedOut));
    server.signal("CONT");
    let patient = keys.store().await;
    let outcome = try_commit(&patient, [put(NEW, &grant)]).await.unwrap();
    assert!(matches!(outcome, Outcome::Applied | Outcome::Conflict));
    assert_eq!(find(&patient, &grant).await, FIRST);
}

/// Dropped after each of its steps, a commit is whole or not there, and the connection is as good as before.
#[tokio::test]
async fn a_future_that_is_dropped_leaves_all_or_nothing() {
    let Some(keys) = Keys::new("a_future_that_is_dropped_leaves_all_or_nothing").await else { return };
    let store = keys.store().await;
    let mut applied = 0;
    for number in 0..40 {
        let grant = grant("web", "alice", NOW);
        let changes = ChangeSet::from_iter([claim(number, NOW), put(NEW, &grant)]);
        {
            let mut commit = pin!(store.commit(&changes));
            for _ in 0..number / 10 {
                let polled = core::future::poll_fn(|context| Poll::Ready(commit.as_mut().poll(context)));
                if polled.await.is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let found = find(&store, &grant).await;
        assert_eq!(is_claimed(&store, number).await, found.is_some());
        applied += usize::from(found.is_some());
        let again = try_commit(&store, [put(found, &grant)]).await.unwrap();
        assert_eq!(again, Outcome::Applied);
        assert_eq!(find(&store, &grant).await, Some(found.map_or(Version::FIRST, Version::next)));
    }
    // Never polled, it is not sent.
    assert!(applied <= 30);
}
