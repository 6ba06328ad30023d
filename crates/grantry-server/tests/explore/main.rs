//! The explorer: it passes what is right, and catches each broken store by a schedule that one can follow.
#![expect(
    clippy::unwrap_used,
    clippy::std_instead_of_alloc,
    reason = "a test fails by panicking and has the standard library"
)]

mod table;

use core::fmt::Debug;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::collections::BTreeSet;

use grantry_core::Moment;
use grantry_server::MemoryStore;
use grantry_server::conformance::explore::Promise::{
    self, EndsForGood, NobodyLoggedOut, OneAnswer, ReplayNoticed,
};
use grantry_server::conformance::explore::{AsyncExplorer, Explored, Explorer, Failure, Race};
use table::{Bug, NOW, Remote, RemoteBug, Table};

fn moment(seed: u8) -> Moment {
    Moment::new(NOW, [seed; 32])
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

fn explore(bug: Option<Bug>) -> Result<Explored, Failure> {
    Explorer::new(&Table::new(bug)).check(moment(1))
}

fn explore_remote(bug: Option<RemoteBug>) -> Result<Explored, Failure> {
    block_on(AsyncExplorer::new(&Remote::new(bug)).check(moment(1)))
}

fn count(explored: &Explored, of: Race) -> (u64, u64) {
    let count = explored.races().iter().find(|count| count.race == of).unwrap();
    (count.schedules, count.faults)
}

#[test]
fn a_good_store_comes_through_every_schedule_blocking_and_asynchronous() {
    let store = MemoryStore::default();
    let blocking = Explorer::new(&store).check(moment(1)).unwrap();
    let asynchronous = block_on(AsyncExplorer::new(&store).check(moment(2))).unwrap();
    assert_eq!(blocking, asynchronous);
    // Two reads and two commits in every order, as far as a mirror of it is not the same; the loser of a
    // conflict reads and commits once more. Each commit fails once before and once behind.
    assert_eq!(count(&blocking, Race::Code), (19, 16));
    assert_eq!(count(&blocking, Race::CodeAndRevocation), (32, 26));
    assert_eq!(explore(None).unwrap(), blocking);
    let calls: u64 = blocking.races().iter().map(|count| count.calls).sum();
    assert!((1000..5000).contains(&calls), "a database has the time for {calls} calls");
    assert!(blocking.races().iter().all(|count| count.faults > 0));
}

#[test]
fn races_of_three_are_explored_where_they_are_asked_for() {
    let store = MemoryStore::default();
    let pairs = Explorer::new(&store).check(moment(1)).unwrap();
    let triples = [Race::CodeThrice, Race::RefreshThriceInWindow, Race::RefreshTwiceAndRevocation];
    assert_eq!(pairs.unexplored().collect::<Vec<_>>(), triples);
    let text = pairs.to_string();
    assert_eq!(text.lines().count(), Race::ALL.len());
    assert!(text.contains("\nnot explored without with_triples: a code is redeemed three times"), "{text}");

    let explored = Explorer::new(&store).with_triples().check(moment(2)).unwrap();
    assert_eq!(explored.unexplored().count(), 0);
    assert_eq!(count(&explored, Race::CodeThrice), (507, 424));
}

#[test]
fn runs_with_different_seeds_meet_in_one_store() {
    let table = Table::new(None);
    for seed in 1..=3 {
        let _ = Explorer::new(&table).check(moment(seed)).unwrap();
    }
}

#[test]
fn commits_of_a_store_with_waits_are_dropped_at_each_of_them() {
    let explored = explore_remote(None).unwrap();
    // At eight places a commit may fail before, behind, and now at its one wait.
    assert_eq!(count(&explored, Race::Code), (19 + 8, 16 + 8));
    // What is dropped may be applied later than anybody looks.
    let explored = explore_remote(Some(RemoteBug::NoneButLate)).unwrap();
    assert_eq!(count(&explored, Race::Code), (19 + 8, 16 + 8));
}

/// Which race catches a store first, by which answer, and what is broken for people and clients then.
struct Catch(Race, &'static str, &'static [Promise]);

const BROKEN: &[(Bug, Catch)] = &[
    (Bug::InsertReplaces, Catch(Race::Consent, "Applied", &[OneAnswer])),
    (Bug::ConflictIsWritten, Catch(Race::Consent, "the grant at version 2", &[OneAnswer])),
    (Bug::ConflictIsAnError, Catch(Race::Consent, "the error: could not serialize access", &[])),
    (Bug::VersionIsIgnored, Catch(Race::Code, "Applied", &[ReplayNoticed])),
    (Bug::ComparesWhatWasRead, Catch(Race::Code, "Applied", &[ReplayNoticed])),
    (Bug::VersionStays, Catch(Race::Code, "the grant at version 1", &[])),
    (Bug::KeepsTheBytes, Catch(Race::Code, "other bytes at that version", &[ReplayNoticed, NobodyLoggedOut])),
    (
        Bug::AppliedIsNotWritten,
        Catch(Race::Code, "the grant at version 1", &[ReplayNoticed, NobodyLoggedOut]),
    ),
    (Bug::AppliedIsConflict, Catch(Race::Code, "Conflict", &[NobodyLoggedOut])),
    (Bug::ReadsAreCached, Catch(Race::Code, "the grant at version 1", &[ReplayNoticed, NobodyLoggedOut])),
    (Bug::ConflictRollsBack, Catch(Race::Code, "the grant at version 1", &[ReplayNoticed])),
    (Bug::OneByOne, Catch(Race::CodeByAssertion, "a claimed identifier", &[NobodyLoggedOut])),
    (Bug::ClaimsAreForgotten, Catch(Race::AssertionForTwo, "an unclaimed identifier", &[OneAnswer])),
    (Bug::EndedIsReplaced, Catch(Race::CodeAndRevocation, "Applied", &[EndsForGood])),
];

/// What only a commit that is dropped half way shows.
const BROKEN_REMOTE: &[(RemoteBug, Catch)] = &[
    (RemoteBug::TakesBack, Catch(Race::Consent, "the grant at version 2", &[OneAnswer])),
    (RemoteBug::StaysLocked, Catch(Race::Consent, "the error: the table is locked", &[])),
    (RemoteBug::InTwoSteps, Catch(Race::AssertionForTwo, "the grant at version 1", &[])),
];

#[track_caller]
fn assert_caught(bug: &dyn Debug, failure: &Failure, Catch(race, seen, promises): &Catch) {
    let found = (failure.race(), failure.seen(), failure.broken_promises());
    assert_eq!(found, (*race, *seen, *promises), "{bug:?}: {failure}");
}

#[test]
fn every_broken_store_is_caught_by_a_race() {
    for (bug, catch) in BROKEN {
        assert_caught(bug, &explore(Some(*bug)).unwrap_err(), catch);
    }
    for (bug, catch) in BROKEN_REMOTE {
        assert_caught(bug, &explore_remote(Some(*bug)).unwrap_err(), catch);
    }
    let promises = BROKEN.iter().flat_map(|(_, Catch(.., promises))| promises.iter().copied());
    assert_eq!(promises.collect::<BTreeSet<_>>().len(), 4, "there is a promise that nothing breaks");
}

#[test]
fn a_version_that_comes_round_again_is_seen_by_three_requests() {
    let _ = explore(Some(Bug::VersionHasOneBit)).unwrap();
    let table = Table::new(Some(Bug::VersionHasOneBit));
    let failure = Explorer::new(&table).with_triples().check(moment(1)).unwrap_err();
    assert_eq!(
        (failure.race(), failure.expected(), failure.seen()),
        (Race::CodeThrice, "Conflict", "Applied")
    );
}

#[test]
fn a_failure_lists_the_steps_up_to_the_one_that_went_wrong() {
    let failure = explore(Some(Bug::VersionIsIgnored)).unwrap_err();
    let text = "a code is redeemed twice at once: expected Conflict, saw Applied
  1. before the race (approves) reads
  2. before the race (approves) commits
  3. the first request (redeems the code) reads
  4. the second request (redeems the code) reads
  5. the first request (redeems the code) commits
  6. the second request (redeems the code) commits
in the end it is not so that what was used gives nothing after the window";
    assert_eq!(failure.to_string(), text);
    assert_eq!((failure.steps().len(), failure.expected(), failure.seen()), (6, "Conflict", "Applied"));

    let failure = explore(Some(Bug::ConflictIsAnError)).unwrap_err();
    assert_eq!(failure.seen(), "the error: could not serialize access");
    let failure = explore_remote(Some(RemoteBug::StaysLocked)).unwrap_err();
    let step = "the first request (approves) commits, and is dropped half way";
    assert_eq!(failure.steps().iter().rev().nth(1).unwrap(), step);
}

#[test]
fn nothing_that_opens_a_door_is_printed() {
    let failure = explore(Some(Bug::VersionIsIgnored)).unwrap_err();
    let text = format!("{failure} {failure:?} {:?}", Explorer::new(&Table::new(None)));
    for prefix in ["grc_", "grr_", "gra_", "grd_", "client_secret", "eyJ"] {
        assert!(!text.contains(prefix), "{text}");
    }
}
