//! Sweeps, a bounded piece at a time.

use core::time::Duration;

use grantry_core::UnixTime;
use grantry_server::{Change, ClaimId, Outcome, Sweep, Swept, Version};

use crate::scene::{Folder, both, claim, commit, find, grant, is_claimed, life, memory, put};
use crate::support::time;

#[test]
fn a_sweep_drops_what_is_due_and_nothing_else() {
    both(|store| {
        let grant = grant();
        let end = grant.purge_after().as_secs();
        let changes = [put(None, &grant), claim(1, end - 1), claim(2, end + 1)];
        assert_eq!(commit(store, changes), Outcome::Applied);
        assert_eq!(store.sweep(time(end - 2), 10).unwrap(), Swept::new(0, Some(time(end - 1))));
        assert!(find(store, grant.id()).is_some() && is_claimed(store, 1) && is_claimed(store, 2));
        assert_eq!(store.sweep(time(end - 1), 10).unwrap(), Swept::new(1, Some(time(end))));
        assert!(find(store, grant.id()).is_some() && !is_claimed(store, 1) && is_claimed(store, 2));
        assert_eq!(store.sweep(time(end), 10).unwrap(), Swept::new(1, Some(time(end + 1))));
        assert!(find(store, grant.id()).is_none() && is_claimed(store, 2));
        assert_eq!(store.sweep(time(end + 1), 10).unwrap(), Swept::new(1, None));
        assert_eq!(store.sweep(time(end + 1), 10).unwrap(), Swept::new(0, None));
    });
}

#[test]
fn a_sweep_is_bounded_and_the_earliest_go_first() {
    both(|store| {
        let grant = grant();
        let end = grant.purge_after().as_secs();
        assert_eq!(commit(store, [put(None, &grant)]), Outcome::Applied);
        for number in 1..=5 {
            assert_eq!(commit(store, [claim(number, end + u64::from(number))]), Outcome::Applied);
        }
        let now = time(end + 5);
        assert_eq!(store.sweep(now, 0).unwrap(), Swept::new(0, Some(time(end))));
        assert_eq!(store.sweep(now, 3).unwrap(), Swept::new(3, Some(time(end + 3))));
        assert_eq!(
            (1..=5).map(|n| is_claimed(store, n)).collect::<Vec<_>>(),
            [false, false, true, true, true]
        );
        assert_eq!(store.sweep(now, usize::MAX).unwrap(), Swept::new(3, None));
    });
}

/// The column says less than the record; it never says that the record is due.
#[test]
fn what_is_due_beyond_the_columns_range_is_never_due() {
    let store = memory();
    let id = ClaimId::from_bytes([1; 32]);
    assert_eq!(commit(&store, [Change::Claim { id, until: UnixTime::MAX }]), Outcome::Applied);
    for now in [time(i64::MAX.unsigned_abs() - 1), time(i64::MAX.unsigned_abs()), UnixTime::MAX] {
        assert_eq!(store.sweep(now, 10).unwrap(), Swept::new(0, None));
    }
    assert!(is_claimed(&store, 1));
}

/// ST-11: a request that read the grant before the sweep does not bring it back.
#[test]
fn what_was_swept_does_not_come_back() {
    let folder = Folder::new();
    let store = folder.store();
    let (first, second, _) = life();
    assert_eq!(commit(&store, [put(None, &first)]), Outcome::Applied);
    let swept = store.sweep(first.purge_after(), 10).unwrap();
    assert_eq!(swept.removed, 1);
    assert_eq!(commit(&store, [put(Some(Version::FIRST), &second)]), Outcome::Conflict);
    assert_eq!(find(&store, first.id()), None);
}

#[test]
fn a_record_that_cannot_be_read_is_swept_like_any_other() {
    let folder = Folder::new();
    let store = folder.store();
    let grant = grant();
    assert_eq!(commit(&store, [put(None, &grant)]), Outcome::Applied);
    folder.by_hand().execute_batch("UPDATE grants SET record = x'00'").unwrap();
    let before = grant.purge_after().saturating_sub(Duration::from_secs(1));
    assert_eq!(store.sweep(before, 10).unwrap().removed, 0);
    assert_eq!(store.sweep(grant.purge_after(), 10).unwrap().removed, 1);
}
