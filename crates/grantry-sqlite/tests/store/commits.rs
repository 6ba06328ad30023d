//! The compare-and-swap.

use grantry_core::UnixTime;
use grantry_server::{Change, ClaimId, Grant, GrantId, Outcome, Store, Version};

use crate::scene::{
    Folder, both, claim, commit, find, grant, grant_of, is_claimed, life, lookup, memory, other_site, put,
};
use crate::support::{NOW, Site, client_id, every_endpoint, pushed, redirect};

#[test]
fn what_is_absent_is_absent() {
    both(|store| {
        assert_eq!(find(store, GrantId::from_bytes([0; 16])), None);
        let id = client_id("nobody");
        let records = store.read(&lookup(Some(&id), None, [Some(1), Some(2)])).unwrap();
        assert!(records.client(&id).is_none() && !records.is_claim_seen() && !records.is_assertion_seen());
    });
}

#[test]
fn a_grant_is_inserted_once_and_replaced_at_its_version_only() {
    both(|store| {
        let (first, second, third) = life();
        let id = first.id();
        assert_eq!(commit(store, [put(Some(Version::FIRST), &first)]), Outcome::Conflict);
        assert_eq!(find(store, id), None);
        assert_eq!(commit(store, [put(None, &first)]), Outcome::Applied);
        assert_eq!(find(store, id), Some((first.clone(), 1)));
        assert_eq!(commit(store, [put(None, &second)]), Outcome::Conflict);
        for wrong in [0, 2, 1 << 32, (1 << 32) + 1, 1 << 63, (1 << 63) + 1, u64::MAX] {
            assert_eq!(commit(store, [put(Some(Version::from_number(wrong)), &second)]), Outcome::Conflict);
        }
        assert_eq!(find(store, id), Some((first, 1)));
        assert_eq!(commit(store, [put(Some(Version::FIRST), &second)]), Outcome::Applied);
        assert_eq!(find(store, id), Some((second.clone(), 2)));
        assert_eq!(commit(store, [put(Some(Version::FIRST), &third)]), Outcome::Conflict);
        assert_eq!(commit(store, [put(Some(Version::from_number(2)), &third)]), Outcome::Applied);
        assert_eq!(commit(store, [put(Some(Version::from_number(2)), &second)]), Outcome::Conflict);
        assert_eq!(find(store, id), Some((third, 3)));
    });
}

#[test]
fn several_changes_are_applied_all_or_none() {
    both(|store| {
        let grant = grant();
        let id = grant.id();
        assert_eq!(commit(store, []), Outcome::Applied);
        assert_eq!(commit(store, [claim(1, NOW), put(Some(Version::FIRST), &grant)]), Outcome::Conflict);
        assert!(!is_claimed(store, 1));
        assert_eq!(commit(store, [claim(1, NOW), put(None, &grant)]), Outcome::Applied);
        assert!(is_claimed(store, 1) && !is_claimed(store, 2));
        assert_eq!(commit(store, [put(Some(Version::FIRST), &grant), claim(1, NOW)]), Outcome::Conflict);
        assert_eq!(find(store, id), Some((grant.clone(), 1)));
        assert_eq!(commit(store, [put(Some(Version::FIRST), &grant), claim(2, NOW)]), Outcome::Applied);
        assert_eq!((find(store, id), is_claimed(store, 2)), (Some((grant.clone(), 2)), true));
        // The same key twice in one set: the second one sees the first.
        assert_eq!(commit(store, [claim(3, NOW), claim(3, NOW)]), Outcome::Conflict);
        assert!(!is_claimed(store, 3));
        let twice = [put(Some(Version::from_number(2)), &grant), put(Some(Version::from_number(3)), &grant)];
        assert_eq!(commit(store, twice), Outcome::Applied);
        assert_eq!(find(store, id), Some((grant, 4)));
    });
}

#[test]
fn a_claim_is_made_once_whatever_its_time() {
    both(|store| {
        assert_eq!(commit(store, [claim(1, NOW)]), Outcome::Applied);
        for until in [0, NOW, NOW + 1, u64::MAX] {
            assert_eq!(commit(store, [claim(1, until)]), Outcome::Conflict);
        }
        let records = store.read(&lookup(None, None, [Some(1), Some(2)])).unwrap();
        assert_eq!((records.is_claim_seen(), records.is_assertion_seen()), (true, false));
        let records = store.read(&lookup(None, None, [Some(2), Some(1)])).unwrap();
        assert_eq!((records.is_claim_seen(), records.is_assertion_seen()), (false, true));
    });
}

#[test]
fn one_read_answers_every_key() {
    both(|store| {
        let grant = grant();
        let id = client_id("web");
        assert_eq!(commit(store, [claim(1, NOW), claim(2, NOW), put(None, &grant)]), Outcome::Applied);
        let records = store.read(&lookup(Some(&id), Some(grant.id()), [Some(1), Some(2)])).unwrap();
        assert_eq!(records.client(&id).map(|client| client.id()), Some(&id));
        assert_eq!(records.grant(grant.id()).map(|record| &record.grant), Some(&grant));
        assert!(records.is_claim_seen() && records.is_assertion_seen());
    });
}

/// The last number that a column of 64 bits can have is not the last version.
#[test]
fn versions_have_all_64_bits() {
    let grant = grant();
    for number in [i64::MAX.unsigned_abs(), i64::MAX.unsigned_abs() + 1, u64::MAX] {
        let set = format!("UPDATE grants SET version = {}", i64::from_be_bytes(number.to_be_bytes()));
        let folder = Folder::new();
        let store = folder.store();
        assert_eq!(commit(&store, [put(None, &grant)]), Outcome::Applied);
        folder.by_hand().execute_batch(&set).unwrap();
        assert_eq!(find(&store, grant.id()), Some((grant.clone(), number)));
        assert_eq!(commit(&store, [put(Some(Version::from_number(number - 1)), &grant)]), Outcome::Conflict);
        assert_eq!(commit(&store, [put(Some(Version::from_number(number)), &grant)]), Outcome::Applied);
        assert_eq!(find(&store, grant.id()), Some((grant.clone(), number.saturating_add(1))));
    }
}

#[derive(Debug, PartialEq)]
struct Columns {
    names: (String, String, Option<String>),
    times: (i64, i64),
    record: Vec<u8>,
}

/// A person's answer to a pushed request writes the columns that a rotation leaves alone.
#[test]
fn every_column_follows_the_record() {
    let site = every_endpoint(grantry_server::Policy::default());
    let response = pushed(site.push("web", &[], NOW));
    let waiting = site.store.last_written();
    assert_eq!(waiting.subject(), None);
    let request = [("request_uri", Some(response.request_uri.expose()))];
    let reply = site.approve(site.interaction("web", &request, NOW), NOW + 5);
    let _ = redirect(&reply);
    let approved = site.store.last_written();
    assert_eq!((approved.id(), approved.subject().is_some()), (waiting.id(), true));

    let folder = Folder::new();
    let store = folder.store();
    let columns = || {
        let sql = "SELECT issuer, client_id, subject, expires_at, purge_after, record FROM grants";
        let row = folder.by_hand().query_row(sql, [], |row| {
            let names = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Columns { names, times: (row.get(3)?, row.get(4)?), record: row.get(5)? })
        });
        row.unwrap()
    };
    let of = |grant: &Grant| {
        let subject = grant.subject().map(|subject| subject.as_str().to_owned());
        let seconds = |time: UnixTime| i64::try_from(time.as_secs()).unwrap();
        let names = (grant.issuer().as_str().to_owned(), grant.client_id().as_str().to_owned(), subject);
        let times = (seconds(grant.expires_at()), seconds(grant.purge_after()));
        Columns { names, times, record: grant.to_bytes() }
    };
    assert_eq!(commit(&store, [put(None, &waiting)]), Outcome::Applied);
    assert_eq!(columns(), of(&waiting));
    assert_eq!(commit(&store, [put(Some(Version::FIRST), &approved)]), Outcome::Applied);
    assert_eq!(columns(), of(&approved));
    // No move of a grant does these.
    let with_id = |grant: &Grant| {
        let bytes = grant.to_bytes();
        Grant::from_bytes(&[&bytes[..1], waiting.id().as_bytes(), &bytes[17..]].concat()).unwrap()
    };
    // Each differs from the one before in one name, and in no time.
    let elsewhere = grant_of(&other_site("https://other.example"), "web", "alice");
    let [alice, bob] = ["alice", "bob"].map(|person| grant_of(&site, "web", person));
    let native = grant_of(&site, "native", "alice");
    let names = [&alice, &native, &alice, &bob, &alice, &elsewhere];
    assert!(names.iter().all(|grant| grant.purge_after() == alice.purge_after()));
    let moved = expiring_at_another_time(&waiting);
    assert_ne!(moved.expires_at(), waiting.expires_at());
    assert_eq!(moved.purge_after(), waiting.purge_after());
    for (version, grant) in (2..).zip(names.map(with_id).into_iter().chain([waiting.clone(), moved])) {
        assert_eq!(commit(&store, [put(Some(Version::from_number(version)), &grant)]), Outcome::Applied);
        assert_eq!(columns(), of(&grant));
    }
}

/// It is kept as long, since its page may still be submitted. A record has seven bits of a time in a byte, the
/// lowest first.
fn expiring_at_another_time(grant: &Grant) -> Grant {
    let (mut bytes, time) = (grant.to_bytes(), grant.expires_at().as_secs());
    let low = |time: u64| u8::try_from(time & 0x7f).unwrap() | 0x80;
    let encoded: Vec<u8> = (0..4).map(|place| low(time >> (7 * place))).collect();
    let at = bytes.windows(4).position(|window| window == encoded).unwrap();
    bytes[at] ^= 1;
    Grant::from_bytes(&bytes).unwrap()
}

#[test]
fn a_time_beyond_the_column_is_the_last_one() {
    let folder = Folder::new();
    let store = folder.store();
    let id = ClaimId::from_bytes([1; 32]);
    assert_eq!(commit(&store, [Change::Claim { id, until: UnixTime::MAX }]), Outcome::Applied);
    let until: i64 = folder.by_hand().query_row("SELECT until FROM claims", [], |row| row.get(0)).unwrap();
    assert_eq!(until, i64::MAX);
}

/// ST-16, ST-14: bytes are compared, and quotes are bytes.
#[test]
fn cve_2020_15234_keys_are_compared_byte_for_byte() {
    let store = memory();
    let site = Site::new();
    let grant = grant_of(&site, "web", "O'Alice\"; DROP TABLE grants; --%_");
    assert_eq!(commit(&store, [put(None, &grant)]), Outcome::Applied);
    assert_eq!(find(&store, grant.id()), Some((grant, 1)));
    for other in ["WEB", "Web", "web "] {
        let id = client_id(other);
        assert!(store.read(&lookup(Some(&id), None, [None; 2])).unwrap().client(&id).is_none(), "{other}");
    }
}
