//! What the store writes is what it reads, for as long as it is kept.

extern crate alloc;

mod support;

use alloc::sync::Arc;

use grantry_core::ClientId;
use grantry_redis::{Failure, KeyPrefix, RedisStore, RedisStoreError, Refusal, Work};
use grantry_server::{
    Client, Clients, ClientsUnavailable, GrantsOf, Lookup, Outcome, RecordError, Records, SendGrantList,
    SendStore, Version,
};
use support::{
    FIRST, Keys, NEW, NOW, PrivateServer, Proxy, Site, claim, client_id, commit, find, grant, is_claimed,
    issued, lookup_of, put, redemption, refresh, refresh_token, send, try_commit, write,
};

/// In the year 2001.
const PAST: u64 = 1_000_000_000;

#[tokio::test]
async fn a_grant_is_written_once_and_then_at_its_version() {
    let Some(keys) = Keys::new("a_grant_is_written_once_and_then_at_its_version").await else { return };
    let (store, grant) = (keys.store().await, grant("web", "alice", NOW));
    assert_eq!(find(&store, &grant).await, None);
    assert_eq!(commit(&store, [put(FIRST, &grant)]).await, Outcome::Conflict);
    assert_eq!(commit(&store, [put(NEW, &grant)]).await, Outcome::Applied);
    assert_eq!(commit(&store, [put(NEW, &grant)]).await, Outcome::Conflict);
    assert_eq!(commit(&store, [put(FIRST, &grant)]).await, Outcome::Applied);
    assert_eq!(commit(&store, [put(FIRST, &grant)]).await, Outcome::Conflict);
    assert_eq!(find(&store, &grant).await, Some(Version::from_number(2)));
}

/// Numbers that a double of a script takes for one another.
#[tokio::test]
async fn versions_have_all_64_bits() {
    let Some(keys) = Keys::new("versions_have_all_64_bits").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let grant = grant("web", "alice", NOW);
    write(&store, [put(NEW, &grant)]).await;
    let key = keys.grant_key(grant.id());
    for number in [(1 << 53) + 1, i64::MAX.unsigned_abs(), 1 << 63, u64::MAX] {
        let version = number.to_be_bytes().to_vec();
        let _: usize = send(&mut by_hand, &[&"SETRANGE", &key, &"0", &version]).await;
        assert_eq!(find(&store, &grant).await, Some(Version::from_number(number)));
        for other in [number - 1, number.wrapping_add(1)] {
            let expected = Some(Version::from_number(other));
            assert_eq!(commit(&store, [put(expected, &grant)]).await, Outcome::Conflict, "{number}");
        }
        let expected = Some(Version::from_number(number));
        assert_eq!(commit(&store, [put(expected, &grant)]).await, Outcome::Applied);
        assert_eq!(find(&store, &grant).await, expected.map(Version::next));
    }
}

/// Every way in which one of several changes does not fit, in every place.
#[tokio::test]
async fn several_changes_are_applied_all_or_none() {
    let Some(keys) = Keys::new("several_changes_are_applied_all_or_none").await else { return };
    let store = keys.store().await;
    let kept = grant("web", "alice", NOW);
    write(&store, [put(NEW, &kept), claim(9, NOW)]).await;
    let new = grant("web", "bob", NOW);
    let (second, third) = (grant("other", "bob", NOW), grant("other", "carol", NOW));
    let bad = [claim(9, NOW), put(NEW, &kept), put(Some(Version::from_number(2)), &kept), put(FIRST, &new)];
    for bad in bad {
        for place in 0..4 {
            let mut changes = vec![claim(1, NOW), put(NEW, &second), put(NEW, &third)];
            changes.insert(place, bad.clone());
            let outcome = store.commit(&changes.into_iter().collect()).await.unwrap();
            assert_eq!(outcome, Outcome::Conflict, "{bad:?} at {place}");
            assert_eq!((find(&store, &second).await, find(&store, &third).await), (None, None));
            assert!(!is_claimed(&store, 1).await);
        }
    }
    assert_eq!((find(&store, &kept).await, find(&store, &new).await), (FIRST, None));

    let all = [claim(1, NOW), put(NEW, &second), put(FIRST, &kept), put(NEW, &third), claim(2, NOW)];
    assert_eq!(commit(&store, all).await, Outcome::Applied);
    assert_eq!(find(&store, &kept).await, Some(Version::from_number(2)));
    assert_eq!((find(&store, &second).await, find(&store, &third).await), (FIRST, FIRST));
    assert!(is_claimed(&store, 1).await && is_claimed(&store, 2).await);
}

#[tokio::test]
async fn an_empty_change_set_is_applied_and_an_empty_lookup_finds_nothing() {
    let name = "an_empty_change_set_is_applied_and_an_empty_lookup_finds_nothing";
    let Some(keys) = Keys::new(name).await else { return };
    let store = keys.store().await;
    assert_eq!(commit(&store, []).await, Outcome::Applied);
    let records = store.read(&Lookup::default()).await.unwrap();
    assert!(!records.is_claim_seen() && !records.is_assertion_seen());
}

#[tokio::test]
async fn the_server_drops_a_record_at_its_end() {
    let Some(keys) = Keys::new("the_server_drops_a_record_at_its_end").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let grant = grant("web", "alice", NOW);
    write(&store, [put(NEW, &grant), claim(1, NOW)]).await;
    let ends: u64 = send(&mut by_hand, &[&"EXPIRETIME", &keys.grant_key(grant.id())]).await;
    assert_eq!(ends, grant.purge_after().as_secs());
    assert_eq!(send::<u64>(&mut by_hand, &[&"EXPIRETIME", &keys.claim_key(1)]).await, NOW);

    // A later write moves the end.
    let _: u8 = send(&mut by_hand, &[&"PERSIST", &keys.grant_key(grant.id())]).await;
    write(&store, [put(FIRST, &grant)]).await;
    let ends: u64 = send(&mut by_hand, &[&"EXPIRETIME", &keys.grant_key(grant.id())]).await;
    assert_eq!(ends, grant.purge_after().as_secs());
}

#[tokio::test]
async fn what_has_ended_is_applied_and_gone() {
    let Some(keys) = Keys::new("what_has_ended_is_applied_and_gone").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let ended = grant("web", "alice", PAST);
    for until in [0, 1, PAST] {
        assert_eq!(commit(&store, [put(NEW, &ended), claim(1, until)]).await, Outcome::Applied);
        assert_eq!(find(&store, &ended).await, None);
        assert!(!is_claimed(&store, 1).await);
    }
    let left: Vec<String> = send(&mut by_hand, &[&"KEYS", &format!("{}*", keys.prefix)]).await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn what_never_ends_is_kept_to_the_year_9999() {
    let Some(keys) = Keys::new("what_never_ends_is_kept_to_the_year_9999").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let endless = grant("web", "alice", u64::MAX - 10);
    assert_eq!(commit(&store, [put(NEW, &endless), claim(1, u64::MAX)]).await, Outcome::Applied);
    assert_eq!(find(&store, &endless).await, FIRST);
    assert_eq!(commit(&store, [claim(1, u64::MAX)]).await, Outcome::Conflict);
    for key in [keys.grant_key(endless.id()), keys.claim_key(1)] {
        assert_eq!(send::<u64>(&mut by_hand, &[&"EXPIRETIME", &key]).await, 253_402_300_799);
    }
    let index = keys.client_index("web");
    assert!(send::<u64>(&mut by_hand, &[&"EXPIRETIME", &index]).await > 253_402_300_799);
}

#[tokio::test]
async fn a_script_that_the_server_forgot_is_told_again() {
    let Some(keys) = Keys::new("a_script_that_the_server_forgot_is_told_again").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let grant = grant("web", "alice", NOW);
    for (number, expected) in
        (1..=5).zip([NEW].into_iter().chain((1..).map(|n| Some(Version::from_number(n)))))
    {
        let () = send(&mut by_hand, &[&"SCRIPT", &"FLUSH"]).await;
        assert_eq!(commit(&store, [put(expected, &grant)]).await, Outcome::Applied);
        assert_eq!(commit(&store, [put(expected, &grant)]).await, Outcome::Conflict);
        assert_eq!(find(&store, &grant).await, Some(Version::from_number(number)));
    }
}

#[tokio::test]
async fn stores_with_different_prefixes_share_nothing() {
    let Some(keys) = Keys::new("stores_with_different_prefixes_share_nothing").await else { return };
    let other = Keys { port: keys.port, prefix: KeyPrefix::parse("another-tenant").unwrap() };
    let (one, two) = (keys.store().await, other.store().await);
    let grant = grant("web", "alice", NOW);
    assert_eq!(commit(&one, [put(NEW, &grant), claim(1, NOW)]).await, Outcome::Applied);
    assert_eq!(find(&two, &grant).await, None);
    assert!(!is_claimed(&two, 1).await);
    assert_eq!(commit(&two, [put(NEW, &grant), claim(1, NOW)]).await, Outcome::Applied);
}

/// A value that is damaged, of another grant, or of a later form is refused, and stays.
#[tokio::test]
async fn a_value_that_cannot_be_read_is_an_error_and_stays() {
    let Some(keys) = Keys::new("a_value_that_cannot_be_read_is_an_error_and_stays").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let (grant, another) = (grant("web", "alice", NOW), grant("web", "alice", NOW));
    write(&store, [put(NEW, &grant)]).await;
    let key = keys.grant_key(grant.id());
    let good: Vec<u8> = send(&mut by_hand, &[&"GET", &key]).await;
    let (head, record) = good.split_at(13);
    let newer = [head, &[u8::MAX], record].concat();
    let cut = good.split_last().unwrap().1.to_vec();
    let bad = [
        (Vec::new(), RecordError::Corrupt),
        (head.to_vec(), RecordError::Corrupt),
        (good.get(..7).unwrap().to_vec(), RecordError::Corrupt),
        (cut, RecordError::Corrupt),
        ([head, &another.to_bytes()].concat(), RecordError::Corrupt),
        (newer, RecordError::Newer(u8::MAX)),
    ];
    for (value, error) in bad {
        let () = send(&mut by_hand, &[&"SET", &key, &value, &"KEEPTTL"]).await;
        let refused = store.read(&lookup_of(Some(grant.id()), [None; 2])).await.unwrap_err();
        assert_eq!((refused.work, refused.failure), (Work::ReadGrant, Failure::Record(error)));
        let of = GrantsOf::Client(grant.issuer(), grant.client_id());
        let refused = store.list(of, None, 10).await.unwrap_err();
        assert_eq!((refused.work, refused.failure), (Work::List, Failure::Record(error)));
        assert_eq!(commit(&store, [put(NEW, &grant)]).await, Outcome::Conflict);
        assert_eq!(send::<Vec<u8>>(&mut by_hand, &[&"GET", &key]).await, value);
    }
}

/// It is neither an absent record nor a claim that nobody made; and nothing beside it is written.
#[tokio::test]
async fn a_key_of_another_type_is_an_error_and_stays() {
    let Some(keys) = Keys::new("a_key_of_another_type_is_an_error_and_stays").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let grant = grant("web", "alice", NOW);
    let wrong = Failure::Refused(Refusal::WrongType);
    let both = [claim(1, NOW), put(NEW, &grant)];
    let indexes = [keys.client_index("web"), keys.subject_index("alice")];
    for key in indexes.iter().cloned().chain([keys.grant_key(grant.id()), keys.claim_key(1)]) {
        let _: usize = send(&mut by_hand, &[&"RPUSH", &key, &"a list"]).await;
        let refused = try_commit(&store, both.clone()).await.unwrap_err();
        assert_eq!((refused.work, refused.failure), (Work::WriteGrant, wrong), "{key}");
        match store.read(&lookup_of(Some(grant.id()), [Some(1), None])).await {
            Err(refused) => {
                assert_eq!(key, keys.grant_key(grant.id()));
                assert_eq!((refused.work, refused.failure), (Work::ReadGrant, wrong));
            }
            Ok(records) => {
                assert!(records.grant(grant.id()).is_none());
                assert_eq!(records.is_claim_seen(), key == keys.claim_key(1));
            }
        }
        assert_eq!(send::<usize>(&mut by_hand, &[&"LLEN", &key]).await, 1);
        let _: usize = send(&mut by_hand, &[&"DEL", &key]).await;
    }
    assert_eq!(commit(&store, both).await, Outcome::Applied);
    let _: usize = send(&mut by_hand, &[&"DEL", &indexes[0]]).await;
    let _: usize = send(&mut by_hand, &[&"RPUSH", &indexes[0], &"a list"]).await;
    let listed = store.list(GrantsOf::Client(grant.issuer(), grant.client_id()), None, 10).await;
    assert_eq!(listed.unwrap_err().failure, wrong);
}

#[tokio::test]
async fn registrations_that_cannot_be_read_are_a_failure() {
    struct Down;
    impl Clients for Down {
        fn client(&self, _: &ClientId) -> Result<Option<Arc<Client>>, ClientsUnavailable> {
            Err(ClientsUnavailable)
        }
    }
    let Some(keys) = Keys::new("registrations_that_cannot_be_read_are_a_failure").await else { return };
    let store = RedisStore::new(keys.by_hand().await, Down);
    let web = client_id("web");
    let mut lookup = Lookup::default();
    lookup.client = Some(&web);
    let error = store.read(&lookup).await.unwrap_err();
    assert_eq!((error.work, error.failure), (Work::ReadClient, Failure::Clients(ClientsUnavailable)));
}

#[tokio::test]
async fn a_failure_names_the_store_and_the_kind_of_key_and_no_value() {
    let name = "a_failure_names_the_store_and_the_kind_of_key_and_no_value";
    let Some(keys) = Keys::new(name).await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let grant = grant("web", "alice", NOW);
    let key = keys.grant_key(grant.id());
    let _: usize = send(&mut by_hand, &[&"RPUSH", &key, &"alice's list"]).await;
    let error = store.read(&lookup_of(Some(grant.id()), [None; 2])).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the Redis store cannot read a grant: the server refused: a key holds another type of value"
    );
    let written: RedisStoreError = try_commit(&store, [put(NEW, &grant)]).await.unwrap_err();
    let source = core::error::Error::source(&written);
    let told = format!("{error:?} {written} {written:?} {source:?} {store:?}");
    for secret in ["alice", "web", "list'", &key, &grant.id().to_string()] {
        assert!(!told.contains(secret), "{told}");
    }
}

/// One round trip to read, one to commit; and at the first call of a script at all, one to tell it.
#[tokio::test]
async fn a_request_takes_two_round_trips() {
    let Some(server) = PrivateServer::of_test("a_request_takes_two_round_trips", &[]).await else { return };
    let keys = Keys::of(&server);
    let proxy = Proxy::before(keys.port).await;
    let store = keys.store_at(proxy.port(), core::time::Duration::from_secs(60)).await;
    let site = Site::new(store);
    let (first, other) = (site.tokens("web", NOW).await, site.tokens("web", NOW).await);
    issued(site.token(&refresh("web", refresh_token(&other)), NOW).await);
    let (code, approval) = proxy.count(site.code("web", NOW)).await;
    let (tokens, redeemed) = proxy.count(site.token(&redemption("web", &code), NOW)).await;
    let (next, refreshed) = proxy.count(site.token(&refresh("web", refresh_token(&first)), NOW)).await;
    assert_eq!((approval, redeemed, refreshed), (2, 2, 2));
    let (_, _) = (issued(tokens), issued(next));

    let grant = grant("web", "alice", NOW);
    let lookup = lookup_of(Some(grant.id()), [Some(1), Some(2)]);
    let (found, read): (Result<Records, _>, _) = proxy.count(site.store.read(&lookup)).await;
    assert!(found.is_ok_and(|records| records.grant(grant.id()).is_none()));
    let set = [claim(1, NOW), claim(2, NOW), put(NEW, &grant)];
    let (outcome, written) = proxy.count(try_commit(&site.store, set)).await;
    assert_eq!((outcome, read, written), (Ok(Outcome::Applied), 1, 1));
}
