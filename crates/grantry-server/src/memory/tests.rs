use super::*;

fn grant() -> Grant {
    Grant::from_bytes(include_bytes!("../../tests/golden/grant-1-active")).unwrap()
}

fn put(expected: Option<Version>, grant: Grant) -> ChangeSet {
    ChangeSet::from_iter([Change::Put { expected, grant }])
}

fn claim(byte: u8) -> Change {
    Change::Claim { id: ClaimId::from_bytes([byte; 32]), until: UnixTime::from_secs(byte.into()) }
}

#[test]
fn a_sweep_leaves_nothing_in_the_indexes() {
    let end = grant().purge_after();
    let store = MemoryStore::default();
    assert_eq!(Store::commit(&store, &put(None, grant())), Ok(Outcome::Applied));
    let filed = || lock(&store.index).len();
    assert_eq!(filed(), (1, 1));
    assert_eq!((store.sweep_all(UnixTime::from_secs(end.as_secs() - 1)), filed()), (0, (1, 1)));
    assert_eq!((store.sweep_all(end), filed()), (1, (0, 0)));
    assert_eq!(store.metrics().grants, 0);
}

#[test]
fn a_grant_that_ends_later_than_before_is_kept_until_then() {
    let first = grant();
    let later =
        Grant { expires_at: UnixTime::from_secs(first.expires_at.as_secs() + 100_000), ..first.clone() };
    let (early, late) = (first.purge_after(), later.purge_after());
    assert!(early < late);
    let store = MemoryStore::default();
    assert_eq!(Store::commit(&store, &put(None, first)), Ok(Outcome::Applied));
    assert_eq!(Store::commit(&store, &put(Some(Version::FIRST), later)), Ok(Outcome::Applied));
    assert_eq!((store.sweep_all(early), store.sweep_all(late), store.sweep_all(late)), (0, 1, 0));
}

#[test]
fn a_grant_that_ends_earlier_than_before_is_dropped_then() {
    let last = grant();
    let first =
        Grant { expires_at: UnixTime::from_secs(last.expires_at.as_secs() + 100_000), ..last.clone() };
    let (early, late) = (last.purge_after(), first.purge_after());
    let store = MemoryStore::default();
    assert_eq!(Store::commit(&store, &put(None, first)), Ok(Outcome::Applied));
    assert_eq!(Store::commit(&store, &put(Some(Version::FIRST), last)), Ok(Outcome::Applied));
    assert_eq!((store.sweep_all(early), store.sweep_all(late)), (1, 0));
}

#[test]
fn a_full_store_takes_no_new_record_and_still_changes_old_ones() {
    let store = MemoryStore::default().with_max_records(2);
    assert_eq!(Store::commit(&store, &put(None, grant())), Ok(Outcome::Applied));
    assert_eq!(Store::commit(&store, &ChangeSet::from_iter([claim(1)])), Ok(Outcome::Applied));
    assert_eq!(Store::commit(&store, &ChangeSet::from_iter([claim(2)])), Err(MemoryStoreFull));
    assert_eq!(Store::commit(&store, &put(Some(Version::FIRST), grant())), Ok(Outcome::Applied));
    assert_eq!(store.sweep_all(UnixTime::from_secs(1)), 1);
    let both = ChangeSet::from_iter([claim(2), claim(3)]);
    assert_eq!(Store::commit(&store, &both), Err(MemoryStoreFull));
    assert_eq!(Store::commit(&store, &ChangeSet::from_iter([claim(2)])), Ok(Outcome::Applied));
}

#[test]
fn a_store_full_of_grants_still_notes_identifiers() {
    let store = MemoryStore::default().with_max_records(8);
    let notes = |store: &MemoryStore, byte| Store::commit(store, &ChangeSet::from_iter([claim(byte)]));
    for byte in 1..=8 {
        assert_eq!(notes(&store, byte), Ok(Outcome::Applied));
    }
    assert_eq!(Store::commit(&store, &put(None, grant())), Err(MemoryStoreFull));
    assert_eq!((notes(&store, 9), notes(&store, 10)), (Ok(Outcome::Applied), Err(MemoryStoreFull)));
}

#[test]
fn a_change_set_that_names_a_key_twice_is_counted_once() {
    let store = MemoryStore::default().with_max_records(2);
    let twice = ChangeSet::from_iter([claim(1), claim(1)]);
    for _ in 0..4 {
        assert_eq!(Store::commit(&store, &twice), Ok(Outcome::Applied));
        assert_eq!(store.sweep_all(UnixTime::from_secs(1)), 1);
    }
}

#[test]
fn metrics_count_what_is_kept_and_done() {
    let store = MemoryStore::default();
    assert_eq!(Store::commit(&store, &put(None, grant())), Ok(Outcome::Applied));
    assert_eq!(Store::commit(&store, &put(None, grant())), Ok(Outcome::Conflict));
    assert_eq!(Store::commit(&store, &ChangeSet::from_iter([claim(1), claim(2)])), Ok(Outcome::Applied));
    assert_eq!(store.metrics(), MemoryMetrics { grants: 1, claims: 2, applied: 2, conflicts: 1 });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a race needs threads")]
fn two_change_sets_over_the_same_shards_never_wait_for_each_other() {
    let store = MemoryStore::default();
    std::thread::scope(|scope| {
        for turn in 0..2_u8 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..100 {
                    let mut pair = [claim(round), claim(round + 100)];
                    pair.rotate_left(turn.into());
                    let _ = Store::commit(store, &ChangeSet::from_iter(pair));
                }
            });
        }
    });
    let metrics = store.metrics();
    assert_eq!((metrics.claims, metrics.applied, metrics.conflicts), (200, 100, 100));
}
