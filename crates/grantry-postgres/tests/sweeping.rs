//! Sweeps are bounded, and wait for nobody.

extern crate alloc;

mod support;

use grantry_postgres::PostgresStore;
use grantry_server::{SendSweep, Swept};
use support::{Database, FIRST, NEW, NOW, TestStore, claim, find, grant, put, seen, time, uuid, write};

#[tokio::test]
async fn a_sweep_is_bounded_whatever_it_is_asked_for() {
    let Some(database) = Database::new("a_sweep_is_bounded_whatever_it_is_asked_for").await else { return };
    let store = database.store().await;
    let rows = "INSERT INTO claims
        SELECT sha256(n::text::bytea), to_timestamp(n) FROM generate_series(1, 1010) AS n";
    database.client().await.batch_execute(rows).await.unwrap();
    const { assert!(PostgresStore::<()>::MAX_SWEPT == 1000) };
    let now = time(1010);
    assert_eq!(store.sweep(now, 0).await, Ok(Swept::new(0, Some(time(1)))));
    assert_eq!(store.sweep(now, usize::MAX).await, Ok(Swept::new(1000, Some(time(1001)))));
    assert_eq!(store.sweep(now, 9).await, Ok(Swept::new(9, Some(time(1010)))));
    assert_eq!(store.sweep(now, 9).await, Ok(Swept::new(1, None)));
}

/// A sweep that waited would hold up its caller, and two sweeps each other.
#[tokio::test]
async fn a_sweep_passes_by_what_another_transaction_holds_and_says_to_come_back() {
    let name = "a_sweep_passes_by_what_another_transaction_holds_and_says_to_come_back";
    let Some(database) = Database::new(name).await else { return };
    let store: TestStore = database.store().await;
    let (held, free) = (grant("web", "alice", NOW), grant("web", "bob", NOW));
    write(&store, [claim(1), put(NEW, &held), put(NEW, &free)]).await;
    let locker = database.client().await;
    locker.batch_execute("BEGIN").await.unwrap();
    let lock = "SELECT FROM grants WHERE id = $1::text::uuid FOR UPDATE";
    locker.execute(lock, &[&uuid(held.id())]).await.unwrap();
    let due = held.purge_after();
    let swept = store.sweep(due, 10).await.unwrap();
    assert_eq!(swept, Swept::new(2, Some(due)));
    assert!(swept.is_more_due(due));
    assert_eq!((find(&store, &held).await, find(&store, &free).await), (FIRST, None));
    assert_eq!(seen(&store, Some(1), None).await, (false, false));
    locker.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(store.sweep(due, 10).await, Ok(Swept::new(1, None)));

    write(&store, [claim(2), put(NEW, &free)]).await;
    locker.batch_execute("BEGIN; SELECT FROM claims FOR UPDATE").await.unwrap();
    let due = free.purge_after();
    assert_eq!(store.sweep(due, 10).await, Ok(Swept::new(1, Some(time(NOW)))));
    assert_eq!(seen(&store, Some(2), None).await, (true, false));
}

/// What is written as the last time of a column may be meant for later.
#[tokio::test]
async fn what_is_due_beyond_the_columns_range_is_never_due() {
    let name = "what_is_due_beyond_the_columns_range_is_never_due";
    let Some(database) = Database::new(name).await else { return };
    let store = database.store().await;
    let grant = grant("web", "alice", u64::MAX - 10);
    write(&store, [put(NEW, &grant)]).await;
    assert_eq!(store.sweep(time(u64::MAX), 10).await, Ok(Swept::new(0, None)));
    assert_eq!(find(&store, &grant).await, FIRST);
}
