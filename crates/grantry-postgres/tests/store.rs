//! What the store writes is what it reads, once and whole.

extern crate alloc;

mod support;

use grantry_core::UnixTime;
use grantry_postgres::tokio_postgres::error::SqlState;
use grantry_postgres::{Failure, Prepare, Work};
use grantry_server::{
    ChangeSet, Clients, ClientsUnavailable, GrantsOf, Lookup, Outcome, RecordError, SendGrantList, SendStore,
    Subject, Version,
};
use support::{Database, FIRST, NEW, NOW, claim, client_id, commit, find, grant, put, seen, uuid, write};

#[tokio::test]
async fn a_grant_is_written_once_and_then_at_its_version() {
    let Some(database) = Database::new("a_grant_is_written_once_and_then_at_its_version").await else {
        return;
    };
    for prepare in [Prepare::Once, Prepare::Never] {
        let store = database.store().await.with_prepare(prepare);
        let grant = grant("web", "alice", NOW);
        assert_eq!(find(&store, &grant).await, None);
        assert_eq!(commit(&store, [put(FIRST, &grant)]).await, Outcome::Conflict);
        assert_eq!(commit(&store, [put(NEW, &grant)]).await, Outcome::Applied);
        assert_eq!(commit(&store, [put(NEW, &grant)]).await, Outcome::Conflict);
        assert_eq!(find(&store, &grant).await, FIRST);
        assert_eq!(commit(&store, [put(FIRST, &grant)]).await, Outcome::Applied);
        assert_eq!(commit(&store, [put(FIRST, &grant)]).await, Outcome::Conflict);
        let ahead = Some(Version::from_number(3));
        assert_eq!(commit(&store, [put(ahead, &grant)]).await, Outcome::Conflict);
        assert_eq!(find(&store, &grant).await, Some(Version::from_number(2)));
    }
}

#[tokio::test]
async fn a_version_that_no_row_can_have_is_a_conflict() {
    let Some(database) = Database::new("a_version_that_no_row_can_have_is_a_conflict").await else { return };
    let store = database.store().await;
    let (grant, absent) = (grant("web", "alice", NOW), grant("web", "bob", NOW));
    write(&store, [put(NEW, &grant)]).await;
    for number in [0, 1 << 32, 1 << 63, u64::MAX] {
        let expected = Some(Version::from_number(number));
        assert_eq!(commit(&store, [put(expected, &grant)]).await, Outcome::Conflict);
        assert_eq!(commit(&store, [claim(1), put(expected, &grant)]).await, Outcome::Conflict);
        assert_eq!(commit(&store, [claim(1), put(expected, &absent)]).await, Outcome::Conflict);
    }
    assert_eq!((find(&store, &grant).await, find(&store, &absent).await), (FIRST, None));
    assert_eq!(seen(&store, Some(1), None).await, (false, false));
}

#[tokio::test]
async fn a_claim_counts_once() {
    let Some(database) = Database::new("a_claim_counts_once").await else { return };
    let store = database.store().await;
    assert_eq!(seen(&store, Some(1), Some(2)).await, (false, false));
    assert_eq!(commit(&store, [claim(1)]).await, Outcome::Applied);
    assert_eq!(commit(&store, [claim(1)]).await, Outcome::Conflict);
    assert_eq!(seen(&store, Some(1), Some(2)).await, (true, false));
    assert_eq!(seen(&store, Some(2), Some(1)).await, (false, true));
    assert_eq!(commit(&store, [claim(1), claim(2)]).await, Outcome::Conflict);
    assert_eq!(commit(&store, [claim(2), claim(1)]).await, Outcome::Conflict);
    assert_eq!(seen(&store, Some(1), Some(2)).await, (true, false));
    assert_eq!(commit(&store, [claim(2), claim(3)]).await, Outcome::Applied);
    assert_eq!(seen(&store, Some(2), Some(3)).await, (true, true));
}

/// Every way in which one of several changes does not fit, in every place.
#[tokio::test]
async fn several_changes_are_applied_all_or_none() {
    let Some(database) = Database::new("several_changes_are_applied_all_or_none").await else { return };
    let store = database.store().await;
    let kept = grant("web", "alice", NOW);
    write(&store, [put(NEW, &kept), claim(9)]).await;
    let new = grant("web", "bob", NOW);
    let (second, third) = (grant("other", "bob", NOW), grant("other", "carol", NOW));
    let bad = [claim(9), put(NEW, &kept), put(Some(Version::from_number(2)), &kept), put(FIRST, &new)];
    for bad in bad {
        let others = [claim(1), put(NEW, &second), put(NEW, &third)];
        for place in 0..=others.len() {
            let mut changes = others.to_vec();
            changes.insert(place, bad.clone());
            let outcome = store.commit(&ChangeSet::from_iter(changes)).await.unwrap();
            assert_eq!(outcome, Outcome::Conflict, "{bad:?} at {place}");
            assert_eq!(find(&store, &second).await, None);
            assert_eq!(find(&store, &third).await, None);
            assert_eq!(seen(&store, Some(1), Some(9)).await, (false, true));
        }
    }
    assert_eq!((find(&store, &kept).await, find(&store, &new).await), (FIRST, None));

    let all = [claim(1), put(NEW, &second), put(FIRST, &kept), put(NEW, &third), claim(2)];
    assert_eq!(commit(&store, all).await, Outcome::Applied);
    assert_eq!(find(&store, &kept).await, Some(Version::from_number(2)));
    assert_eq!((find(&store, &second).await, find(&store, &third).await), (FIRST, FIRST));
    assert_eq!(seen(&store, Some(1), Some(2)).await, (true, true));
}

#[tokio::test]
async fn an_empty_change_set_is_applied_and_an_empty_lookup_finds_nothing() {
    let name = "an_empty_change_set_is_applied_and_an_empty_lookup_finds_nothing";
    let Some(database) = Database::new(name).await else { return };
    let store = database.store().await;
    assert_eq!(commit(&store, []).await, Outcome::Applied);
    let records = store.read(&Lookup::default()).await.unwrap();
    assert!(!records.is_claim_seen() && !records.is_assertion_seen());
}

#[tokio::test]
async fn a_client_is_found_where_the_host_keeps_it() {
    let Some(database) = Database::new("a_client_is_found_where_the_host_keeps_it").await else { return };
    let store = database.store().await;
    let (web, absent) = (client_id("web"), client_id("WEB"));
    let mut lookup = Lookup::default();
    lookup.client = Some(&web);
    assert!(store.read(&lookup).await.unwrap().client(&web).is_some());
    lookup.client = Some(&absent);
    assert!(store.read(&lookup).await.unwrap().client(&absent).is_none());
}

#[tokio::test]
async fn registrations_that_cannot_be_read_are_a_failure() {
    struct Down;
    impl Clients for Down {
        fn client(
            &self,
            _: &grantry_core::ClientId,
        ) -> Result<Option<alloc::sync::Arc<grantry_server::Client>>, ClientsUnavailable> {
            Err(ClientsUnavailable)
        }
    }
    let Some(database) = Database::new("registrations_that_cannot_be_read_are_a_failure").await else {
        return;
    };
    let store = grantry_postgres::PostgresStore::new(database.pool(1), Down);
    let web = client_id("web");
    let mut lookup = Lookup::default();
    lookup.client = Some(&web);
    let error = store.read(&lookup).await.unwrap_err();
    assert_eq!((error.work, error.failure), (Work::ReadClient, Failure::Clients(ClientsUnavailable)));
}

/// A row that is damaged, of another grant, or of a later form is refused, and stays.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_an_error_and_stays() {
    let Some(database) = Database::new("a_row_that_cannot_be_read_is_an_error_and_stays").await else {
        return;
    };
    let store = database.store().await;
    let client = database.client().await;
    let (grant, another) = (grant("web", "alice", NOW), grant("web", "alice", NOW));
    write(&store, [put(NEW, &grant)]).await;
    let newer = [&[u8::MAX], grant.to_bytes().as_slice()].concat();
    let cut = grant.to_bytes().split_last().unwrap().1.to_vec();
    let bad = [
        (vec![0], RecordError::Corrupt),
        (cut, RecordError::Corrupt),
        (another.to_bytes(), RecordError::Corrupt),
        (newer, RecordError::Newer(u8::MAX)),
    ];
    for (bytes, error) in bad {
        client.execute("UPDATE grants SET record = $1", &[&bytes]).await.unwrap();
        let mut lookup = Lookup::default();
        lookup.grant = Some(grant.id());
        let refused = store.read(&lookup).await.unwrap_err();
        assert_eq!((refused.work, refused.failure), (Work::ReadGrant, Failure::Record(error)));
        let row = client.query_one("SELECT record FROM grants", &[]).await.unwrap();
        assert_eq!(row.get::<_, Vec<u8>>(0), bytes);
    }
}

/// The columns are found by, and the record is what counts.
#[tokio::test]
async fn a_row_whose_columns_are_of_another_grant_is_not_listed_as_its() {
    let name = "a_row_whose_columns_are_of_another_grant_is_not_listed_as_its";
    let Some(database) = Database::new(name).await else { return };
    let store = database.store().await;
    let grant = grant("web", "alice", NOW);
    write(&store, [put(NEW, &grant)]).await;
    database.client().await.execute("UPDATE grants SET subject = 'bob'", &[]).await.unwrap();
    let bob = Subject::parse("bob").unwrap();
    let error = store.list(GrantsOf::Subject(grant.issuer(), &bob), None, 10).await.unwrap_err();
    assert_eq!((error.work, error.failure), (Work::List, Failure::Record(RecordError::Corrupt)));
}

#[tokio::test]
async fn what_no_grant_has_is_refused_by_the_table() {
    let Some(database) = Database::new("what_no_grant_has_is_refused_by_the_table").await else { return };
    let store = database.store().await;
    let client = database.client().await;
    write(&store, [put(NEW, &grant("web", "alice", NOW)), claim(1)]).await;
    for update in [
        "UPDATE grants SET version = 0",
        "UPDATE grants SET record = ''",
        "UPDATE grants SET issuer = ''",
        "UPDATE grants SET client_id = ''",
        "UPDATE grants SET subject = ''",
        "UPDATE grants SET purge_after = expires_at - interval '1 second'",
        "UPDATE claims SET id = '\\x00'",
    ] {
        let error = client.execute(update, &[]).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::CHECK_VIOLATION), "{update}");
    }
}

#[tokio::test]
async fn the_columns_are_copies_of_what_is_in_the_record() {
    let Some(database) = Database::new("the_columns_are_copies_of_what_is_in_the_record").await else {
        return;
    };
    let store = database.store().await;
    let client = database.client().await;
    let columns = "SELECT client_id, subject, extract(epoch FROM expires_at)::bigint,
        extract(epoch FROM purge_after)::bigint, isfinite(purge_after) FROM grants WHERE id = $1::text::uuid";
    for now in [0, NOW, u64::MAX - 10] {
        let grant = grant("web", "alice", now);
        write(&store, [put(NEW, &grant)]).await;
        let id = uuid(grant.id());
        let is_finite = now <= NOW;
        let columns = if is_finite {
            columns
        } else {
            &columns.replace("extract(epoch FROM", "(SELECT 0 WHERE isfinite(")
        };
        let columns = if is_finite { columns.to_owned() } else { columns.replace(")::bigint", "))::bigint") };
        let row = client.query_one(&columns, &[&id]).await.unwrap();
        assert_eq!((row.get(0), row.get(1)), ("web", Some("alice")));
        let seconds = |time: UnixTime| is_finite.then(|| i64::try_from(time.as_secs()).unwrap());
        assert_eq!(row.get::<_, Option<i64>>(2), seconds(grant.expires_at()));
        assert_eq!(row.get::<_, Option<i64>>(3), seconds(grant.purge_after()));
        assert_eq!(row.get::<_, bool>(4), is_finite);
        assert_eq!(find(&store, &grant).await, FIRST);
    }
}

/// What is written at each rotation stands in no index.
#[tokio::test]
async fn a_rotation_touches_no_index() {
    let Some(database) = Database::new("a_rotation_touches_no_index").await else { return };
    let store = database.store().await;
    let client = database.client().await;
    let grant = grant("web", "alice", NOW);
    write(&store, [put(NEW, &grant)]).await;
    for number in 1..=20 {
        write(&store, [put(Some(Version::from_number(number)), &grant)]).await;
    }
    drop(store);
    database.wait_for_counts(&client).await;
    let counts = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables
        WHERE relname = 'grants' AND schemaname = current_schema()";
    let row = client.query_one(counts, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (20, 20));
}

#[tokio::test]
async fn a_failure_names_the_store_and_the_kind_of_key_and_no_value() {
    let Some(database) = Database::new("a_failure_names_the_store_and_the_kind_of_key_and_no_value").await
    else {
        return;
    };
    let store = database.store_over(database.pool(1));
    let mut lookup = Lookup::default();
    let grant = grant("web", "alice", NOW);
    lookup.grant = Some(grant.id());
    let undefined = Failure::Refused(SqlState::UNDEFINED_TABLE);
    let error = store.read(&lookup).await.unwrap_err();
    assert_eq!((error.work, &error.failure), (Work::ReadGrant, &undefined));
    assert_eq!(
        error.to_string(),
        "the PostgreSQL store cannot read a grant: the server refused with SQLSTATE 42P01"
    );
    let commit = store.commit(&ChangeSet::from_iter([claim(1)])).await.unwrap_err();
    assert_eq!((commit.work, commit.failure), (Work::WriteClaim, undefined.clone()));
    let commit = store.commit(&ChangeSet::from_iter([claim(1), put(NEW, &grant)])).await.unwrap_err();
    assert_eq!((commit.work, commit.failure), (Work::WriteGrant, undefined));

    // The server's own words would quote the row.
    store.migrate().await.unwrap();
    let client = database.client().await;
    client.batch_execute("ALTER TABLE grants ADD CHECK (client_id <> 'web')").await.unwrap();
    let error = store.commit(&ChangeSet::from_iter([put(NEW, &grant)])).await.unwrap_err();
    assert_eq!(error.failure, Failure::Refused(SqlState::CHECK_VIOLATION));
    let told = format!("{error} {error:?} {:?} {store:?}", core::error::Error::source(&error));
    assert!(!told.contains("alice") && !told.contains("Failing row") && !told.contains("web"), "{told}");
}
