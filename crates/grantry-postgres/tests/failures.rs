//! A server that fails consumes nothing, and says what it could not do.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

extern crate alloc;

mod support;

use alloc::sync::Arc;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use grantry_core::HttpRequest;
use grantry_postgres::deadpool_postgres::{Manager, Pool, Runtime};
use grantry_postgres::tokio_postgres::error::SqlState;
use grantry_postgres::tokio_postgres::types::ToSql;
use grantry_postgres::tokio_postgres::{Config, NoTls};
use grantry_postgres::{Failure, PostgresError, Work};
use grantry_server::{ChangeSet, Outcome, Reply, RunError, SendStore, TokenAnswer, Version};
use support::{
    Database, FIRST, NEW, NOW, Site, TestStore, claim, commit, find, grant, issued, put, redemption, refresh,
    refresh_token, seen, write,
};

async fn try_token(
    site: &Site<TestStore>,
    request: &HttpRequest,
) -> Result<Reply<TokenAnswer>, RunError<PostgresError>> {
    site.try_run(&site.server.token(request), NOW + 1).await
}

#[track_caller]
fn unavailable(reply: Result<Reply<TokenAnswer>, RunError<PostgresError>>) -> PostgresError {
    let error = reply.unwrap_err();
    assert_eq!(error.to_response().status, 503);
    let RunError::Store(error) = error else { panic!("{error:?}") };
    error
}

#[tokio::test]
async fn a_connection_that_ends_in_a_commit_is_503_and_consumes_nothing() {
    let name = "a_connection_that_ends_in_a_commit_is_503_and_consumes_nothing";
    let Some(database) = Database::new(name).await else { return };
    let site = Arc::new(Site::new(database.store().await));
    let (tokens, code) = (site.tokens("web", NOW).await, site.code("web", NOW).await);
    let (locker, killer) = (database.client().await, database.client().await);
    for request in [refresh("web", refresh_token(&tokens)), redemption("web", &code)] {
        locker.batch_execute("BEGIN; SELECT FROM grants FOR UPDATE").await.unwrap();
        let (waiting, waiting_request) = (Arc::clone(&site), request.clone());
        let waiting = tokio::spawn(async move { try_token(&waiting, &waiting_request).await });
        let process = database.waiting_process(&killer).await;
        killer.execute("SELECT pg_terminate_backend($1)", &[&process]).await.unwrap();
        let error = unavailable(waiting.await.unwrap());
        assert_eq!((error.work, &error.failure), (Work::WriteGrant, &Failure::ConnectionLost));
        assert_eq!(
            error.to_string(),
            "the PostgreSQL store cannot write a grant: the connection was lost before the answer came"
        );
        locker.batch_execute("ROLLBACK").await.unwrap();
        issued(try_token(&site, &request).await.unwrap());
    }
}

/// A server that is read-only is one, too, that was the primary before a failover.
#[tokio::test]
async fn a_server_that_refuses_is_503_and_consumes_nothing() {
    let Some(database) = Database::new("a_server_that_refuses_is_503_and_consumes_nothing").await else {
        return;
    };
    let site = Site::new(database.store().await);
    let locker = database.client().await;
    for (option, code) in [
        ("default_transaction_read_only=on", SqlState::READ_ONLY_SQL_TRANSACTION),
        ("lock_timeout=1", SqlState::LOCK_NOT_AVAILABLE),
        ("statement_timeout=20", SqlState::QUERY_CANCELED),
    ] {
        let tokens = site.tokens("web", NOW).await;
        let request = refresh("web", refresh_token(&tokens));
        let mut config = database.config();
        config.options(format!("-c {option}"));
        let refused = Site::new(database.store_over(support::pool_of(config, 1)));
        locker.batch_execute("BEGIN; SELECT FROM grants FOR UPDATE").await.unwrap();
        let error = unavailable(try_token(&refused, &request).await);
        assert_eq!((error.work, error.failure), (Work::WriteGrant, Failure::Refused(code)));
        locker.batch_execute("ROLLBACK").await.unwrap();
        issued(try_token(&site, &request).await.unwrap());
    }
}

/// What led to the primary leads to a replica after a failover, and a new connection finds the new primary.
#[tokio::test]
async fn a_connection_that_became_read_only_is_replaced() {
    let Some(database) = Database::new("a_connection_that_became_read_only_is_replaced").await else {
        return;
    };
    database.store().await;
    let pool = database.pool(1);
    let store = database.store_over(pool.clone());
    let grant = grant("web", "alice", NOW);
    let changes = ChangeSet::from_iter([put(NEW, &grant)]);
    pool.get().await.unwrap().batch_execute("SET default_transaction_read_only = on").await.unwrap();
    let error = store.commit(&changes).await.unwrap_err();
    assert_eq!(error.failure, Failure::Refused(SqlState::READ_ONLY_SQL_TRANSACTION));
    assert_eq!(store.commit(&changes).await, Ok(Outcome::Applied));
}

#[tokio::test]
async fn a_pool_that_gives_no_connection_is_503() {
    let Some(database) = Database::new("a_pool_that_gives_no_connection_is_503").await else { return };
    let site = Site::new(database.store().await);
    let request = refresh("web", refresh_token(&site.tokens("web", NOW).await));
    let pool = |config| {
        let pool = Pool::builder(Manager::new(config, NoTls)).max_size(1).runtime(Runtime::Tokio1);
        pool.wait_timeout(Some(Duration::from_millis(1))).build().unwrap()
    };

    let busy = pool(database.config());
    let held = busy.get().await.unwrap();
    let starved = Site::new(database.store_over(busy.clone()));
    let error = unavailable(try_token(&starved, &request).await);
    assert_eq!((error.work, error.failure), (Work::ReadGrant, Failure::PoolBusy));
    drop(held);
    busy.close();
    let error = unavailable(try_token(&starved, &request).await);
    assert_eq!((error.work, error.failure), (Work::ReadGrant, Failure::PoolClosed));

    let port = support::free_port();
    let mut nowhere = Config::new();
    nowhere.host("127.0.0.1").port(port).user("tests");
    let unreachable = Site::new(database.store_over(pool(nowhere)));
    let error = unavailable(try_token(&unreachable, &request).await);
    assert_eq!((error.work, error.failure), (Work::ReadGrant, Failure::Unreachable));

    let mut stranger = database.config();
    stranger.user("nobody");
    let refused = Site::new(database.store_over(pool(stranger)));
    let failure = Failure::Refused(SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
    let error = unavailable(try_token(&refused, &request).await);
    assert_eq!((error.work, error.failure), (Work::ReadGrant, failure));
    issued(try_token(&site, &request).await.unwrap());
}

/// Two writers that wait for each other: the server chooses one to fail, and it comes again.
#[tokio::test]
async fn a_deadlock_is_a_conflict() {
    let Some(database) = Database::new("a_deadlock_is_a_conflict").await else { return };
    let store = Arc::new(database.store().await);
    let mut grants = [grant("web", "alice", NOW), grant("web", "bob", NOW)];
    grants.sort_by_key(|grant| *grant.id().as_bytes());
    let [first, second] = grants;
    write(&store, [put(NEW, &first), put(NEW, &second)]).await;
    let (by_hand, observer) = (database.client().await, database.client().await);
    // The one that waits last finds the deadlock after a second by default; this one never does.
    by_hand.batch_execute("SET deadlock_timeout = '1h'; BEGIN").await.unwrap();
    let lock = "SELECT FROM grants WHERE id = $1::text::uuid FOR UPDATE";
    by_hand.execute(lock, &[&support::uuid(second.id())]).await.unwrap();
    let (writer, changes) =
        (Arc::clone(&store), ChangeSet::from_iter([claim(1), put(FIRST, &first), put(FIRST, &second)]));
    let commit = tokio::spawn(async move { writer.commit(&changes).await });
    database.waiting_process(&observer).await;
    let first_id = support::uuid(first.id());
    let parameters: [&(dyn ToSql + Sync); 1] = [&first_id];
    let (locked, outcome) = tokio::join!(by_hand.execute(lock, &parameters), commit);
    locked.unwrap();
    assert_eq!(outcome.unwrap(), Ok(Outcome::Conflict));
    by_hand.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!((find(&store, &first).await, find(&store, &second).await), (FIRST, FIRST));
    assert_eq!(seen(&store, Some(1), None).await, (false, false));
}

/// Dropped while it waits for a lock, a commit is the server's to carry out. The only connection of the pool answers
/// in order, so that the next call sees what became of it.
#[tokio::test]
async fn a_future_that_is_dropped_while_it_waits_is_carried_out_whole_or_not_at_all() {
    let name = "a_future_that_is_dropped_while_it_waits_is_carried_out_whole_or_not_at_all";
    let Some(database) = Database::new(name).await else { return };
    database.store().await;
    let store = Arc::new(database.store_over(database.pool(1)));
    let (locker, observer) = (database.client().await, database.client().await);
    for (number, ending, is_applied) in [(1, "ROLLBACK", true), (2, "COMMIT", false)] {
        let grant = grant("web", "alice", NOW);
        write(&store, [put(NEW, &grant)]).await;
        locker.batch_execute("BEGIN; UPDATE grants SET version = version + 1").await.unwrap();
        let changes = ChangeSet::from_iter([claim(number), put(FIRST, &grant)]);
        let waiting = Arc::clone(&store);
        let commit = tokio::spawn(async move { waiting.commit(&changes).await });
        database.waiting_process(&observer).await;
        commit.abort();
        assert!(commit.await.unwrap_err().is_cancelled());
        locker.batch_execute(ending).await.unwrap();
        assert_eq!(find(&store, &grant).await, Some(Version::from_number(2)));
        assert_eq!(seen(&store, Some(number), None).await, (is_applied, false));
    }
}

/// Dropped after each of its steps, a commit is whole or not there, and the connection is as good as before.
#[tokio::test]
async fn a_future_that_is_dropped_leaves_all_or_nothing() {
    let Some(database) = Database::new("a_future_that_is_dropped_leaves_all_or_nothing").await else {
        return;
    };
    database.store().await;
    let store = database.store_over(database.pool(1));
    let mut applied = 0;
    for number in 0..40 {
        let grant = grant("web", "alice", NOW);
        let changes = ChangeSet::from_iter([claim(number), put(NEW, &grant)]);
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
        assert_eq!(seen(&store, Some(number), None).await.0, found.is_some());
        applied += usize::from(found.is_some());
        assert_eq!(commit(&store, [put(found, &grant)]).await, Outcome::Applied);
        assert_eq!(find(&store, &grant).await, Some(found.map_or(Version::FIRST, Version::next)));
    }
    // Never polled, it is not sent.
    assert!(applied <= 30);
}
