//! The tables: made once, by whoever comes first, and never by a release that does not know them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

extern crate alloc;

mod support;

use alloc::sync::Arc;

use grantry_core::{ClientId, Issuer};
use grantry_postgres::tokio_postgres::Client;
use grantry_postgres::tokio_postgres::error::SqlState;
use grantry_postgres::{Failure, MIGRATIONS, PostgresError, Work};
use grantry_server::{GrantsOf, SendGrantList, SendSweep, Subject};
use support::{Database, FIRST, NEW, NOW, claim, find, grant, put, seen, time, write};

#[track_caller]
fn failed(result: Result<(), PostgresError>, failure: Failure) {
    let error = result.unwrap_err();
    assert_eq!((error.work, error.failure), (Work::Migrate, failure));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_make_the_tables_once() {
    let Some(database) = Database::new("nodes_that_start_at_once_make_the_tables_once").await else { return };
    let nodes: Vec<_> = (0..8).map(|_| Arc::new(database.store_over(database.pool(1)))).collect();
    let starts: Vec<_> =
        nodes.iter().cloned().map(|node| tokio::spawn(async move { node.migrate().await })).collect();
    for start in starts {
        assert_eq!(start.await.unwrap(), Ok(()));
    }
    let grant = grant("web", "alice", NOW);
    write(&nodes[0], [put(NEW, &grant)]).await;
    assert_eq!(nodes[1].migrate().await, Ok(()));
    assert_eq!(find(&nodes[1], &grant).await, FIRST);
    let client = database.client().await;
    let versions = client.query("SELECT version FROM migrations", &[]).await.unwrap();
    assert_eq!(versions.iter().map(|row| row.get(0)).collect::<Vec<i32>>(), [1]);
}

#[tokio::test]
async fn the_tables_of_a_later_release_are_refused_and_stay() {
    let Some(database) = Database::new("the_tables_of_a_later_release_are_refused_and_stay").await else {
        return;
    };
    let store = database.store().await;
    assert_eq!(store.check_schema().await, Ok(()));
    let client = database.client().await;
    client.batch_execute("INSERT INTO migrations VALUES (2)").await.unwrap();
    failed(store.migrate().await, Failure::NewerSchema { found: 2, known: 1 });
    failed(store.check_schema().await, Failure::NewerSchema { found: 2, known: 1 });
    assert_eq!(
        store.migrate().await.unwrap_err().to_string(),
        "the PostgreSQL store cannot migrate its schema: \
         the schema has version 2, and this release knows versions up to 1"
    );
    let versions = client.query_one("SELECT count(*) FROM migrations", &[]).await.unwrap();
    assert_eq!(versions.get::<_, i64>(0), 2);
}

#[tokio::test]
async fn a_schema_without_tables_is_older() {
    let Some(database) = Database::new("a_schema_without_tables_is_older").await else { return };
    let store = database.store_over(database.pool(1));
    failed(store.check_schema().await, Failure::OlderSchema { found: 0, needed: 1 });
}

/// What a DBA runs, and the rights that the server's role needs then.
#[tokio::test]
async fn a_role_without_the_right_to_make_tables_is_enough() {
    let name = "a_role_without_the_right_to_make_tables_is_enough";
    let Some(database) = Database::new(name).await else { return };
    let (client, schema) = (database.client().await, &database.schema);
    client.batch_execute(&format!("CREATE SCHEMA {schema}")).await.unwrap();
    for migration in MIGRATIONS {
        client.batch_execute(&format!("BEGIN; {}; COMMIT", migration.sql)).await.unwrap();
    }
    let role = format!("role_{schema}");
    let rights = format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON grants, claims TO {role}; GRANT SELECT ON migrations TO {role}"
    );
    client.batch_execute(&rights).await.unwrap();
    let mut config = database.config();
    config.user(&role);
    let store = database.store_over(support::pool_of(config, 2));
    assert_eq!((store.check_schema().await, store.migrate().await), (Ok(()), Ok(())));
    let grant = grant("web", "alice", NOW);
    write(&store, [claim(1), put(NEW, &grant)]).await;
    write(&store, [put(FIRST, &grant)]).await;
    assert_eq!(seen(&store, Some(1), None).await, (true, false));
    assert_eq!(store.sweep(time(NOW), 10).await.unwrap().removed, 1);
    let of = GrantsOf::Client(grant.issuer(), grant.client_id());
    assert_eq!(store.list(of, None, 10).await.unwrap(), [grant]);
}

#[tokio::test]
async fn a_role_that_may_not_make_tables_is_told_so() {
    let Some(database) = Database::new("a_role_that_may_not_make_tables_is_told_so").await else { return };
    let role = format!("role_{}", database.schema);
    database.client().await.batch_execute(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    let mut config = database.config();
    config.user(&role);
    let store = database.store_over(support::pool_of(config, 1));
    failed(store.migrate().await, Failure::Refused(SqlState::INSUFFICIENT_PRIVILEGE));
}

/// Among many rows of others, every call finds its own by an index.
#[tokio::test]
async fn no_call_reads_a_whole_table() {
    let Some(database) = Database::new("no_call_reads_a_whole_table").await else { return };
    drop(database.store().await);
    let client = database.client().await;
    database.wait_for_counts(&client).await;
    let before = scans(&client).await;
    let store = database.store_over(database.pool(1));
    let rows = "
        INSERT INTO grants SELECT md5(n::text)::uuid, 1, to_timestamp(n), to_timestamp(n + 1), 'https://as.example',
            'client' || n % 3, 'subject' || n, '\\x00' FROM generate_series(1, 20000) AS n;
        INSERT INTO claims SELECT sha256(n::text::bytea), to_timestamp(n) FROM generate_series(1, 20000) AS n;
        ANALYZE grants, claims";
    client.batch_execute(rows).await.unwrap();
    let issuer = Issuer::parse("https://as.example").unwrap();
    let (subject, client_id) = (Subject::parse("alice").unwrap(), ClientId::parse("web").unwrap());
    for of in [
        GrantsOf::Subject(&issuer, &subject),
        GrantsOf::Client(&issuer, &client_id),
        GrantsOf::SubjectAtClient(&issuer, &subject, &client_id),
    ] {
        assert!(store.list(of, None, 100).await.unwrap().is_empty());
    }
    let (one, other) = (grant("web", "alice", NOW), grant("web", "bob", NOW));
    write(&store, [claim(1), put(NEW, &one), put(NEW, &other)]).await;
    write(&store, [claim(2), put(FIRST, &one), put(FIRST, &other)]).await;
    assert_eq!(seen(&store, Some(1), Some(2)).await, (true, true));
    assert!(find(&store, &one).await.is_some());
    assert_eq!(store.sweep(time(100), 150).await.unwrap().removed, 150);
    drop(store);
    database.wait_for_counts(&client).await;
    assert_eq!(scans(&client).await, before);
    let uses = "SELECT indexrelname::text FROM pg_stat_user_indexes
        WHERE schemaname = current_schema() AND relname <> 'migrations' AND idx_scan > 0 ORDER BY 1";
    let used = client.query(uses, &[]).await.unwrap();
    let indexes = [
        "claims_pkey",
        "claims_to_purge",
        "grants_of_client",
        "grants_of_subject",
        "grants_pkey",
        "grants_to_purge",
    ];
    assert_eq!(used.iter().map(|row| row.get(0)).collect::<Vec<&str>>(), indexes);
}

/// How often a table of the store was read from its beginning.
async fn scans(client: &Client) -> i64 {
    let scans = "SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables
        WHERE schemaname = current_schema() AND relname <> 'migrations'";
    client.query_one(scans, &[]).await.unwrap().get(0)
}

/// 2048, 512 and 255 bytes that do not compress: an entry of a B-tree holds 2704.
#[tokio::test]
async fn the_longest_names_fit_into_the_indexes() {
    let Some(database) = Database::new("the_longest_names_fit_into_the_indexes").await else { return };
    database.store().await;
    let client = database.client().await;
    let noise = |bytes: usize| {
        format!(
            "(SELECT left(string_agg(encode(sha256(n::text::bytea), 'base64'), '' ORDER BY n), {bytes})
              FROM generate_series(1, 60) AS n)"
        )
    };
    let row = format!(
        "INSERT INTO grants SELECT md5('x')::uuid, 1, now(), now(), {}, {}, {}, '\\x00'",
        noise(Issuer::MAX_BYTES),
        noise(ClientId::MAX_BYTES),
        noise(255),
    );
    assert_eq!(client.execute(&row, &[]).await.unwrap(), 1);
}
