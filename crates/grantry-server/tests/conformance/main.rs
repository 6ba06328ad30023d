//! The conformance kit: it passes what is right, and catches each rule that is broken.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::std_instead_of_alloc,
    reason = "a test fails by panicking and has the standard library; a broken store knows its threads"
)]

mod table;

use core::convert::Infallible;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use std::collections::BTreeSet;

use grantry_core::{Moment, UnixTime};
use grantry_server::conformance::{self, AsyncKit, Failure, Kit, Part, Report, Rule};
use grantry_server::{
    ChangeSet, Grant, GrantId, GrantList, GrantsOf, Lookup, MemoryStore, Outcome, Records, SendGrantList,
    SendStore, SendSweep, Store, Sweep, Swept,
};
use table::{Bug, NOW, Table, TableError};

fn moment(seed: u8) -> Moment {
    Moment::new(UnixTime::from_secs(NOW), [seed; 32])
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// Is pending once, as a store that waits for a network is.
#[derive(Default)]
struct Wait(bool);

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if core::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A table behind a network: a broken one waits between two steps that belong together.
struct Remote(Table);

impl SendStore for Remote {
    type Error = TableError;

    async fn read(&self, lookup: &Lookup<'_>) -> Result<Records, TableError> {
        let version = lookup.grant.and_then(|id| self.0.version(id));
        Wait::default().await;
        let records = Store::read(&self.0, lookup)?;
        match (self.0.bug, version, lookup.grant.and_then(|id| records.grant(id))) {
            (Some(Bug::ReadsTwice), Some(version), Some(record)) => {
                let grant = record.grant.clone();
                Ok(records.with_grant(grant, version))
            }
            _ => Ok(records),
        }
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Outcome, TableError> {
        if matches!(self.0.bug, Some(Bug::ComparesFirst | Bug::ClaimsFirst)) {
            let holds = self.0.compare(changes);
            Wait::default().await;
            return if holds { self.0.swap(changes) } else { Ok(Outcome::Conflict) };
        }
        Wait::default().await;
        Store::commit(&self.0, changes)
    }
}

impl SendGrantList for Remote {
    async fn list(
        &self,
        of: GrantsOf<'_>,
        after: Option<GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, TableError> {
        Wait::default().await;
        GrantList::list(&self.0, of, after, limit)
    }
}

impl SendSweep for Remote {
    async fn sweep(&self, now: UnixTime, limit: usize) -> Result<Swept, TableError> {
        Wait::default().await;
        Sweep::sweep(&self.0, now, limit)
    }
}

fn check(table: &Table, seed: u8) -> Result<Report, Failure> {
    let kit = Kit::new(table).with_list().with_sweep().with_race();
    let kit = kit.with_clients(|client| table.register(client));
    kit.with_plant(|id, bytes| table.plant(id, bytes)).check(moment(seed))
}

fn check_remote(remote: &Remote, seed: u8) -> Result<Report, Failure> {
    let kit = AsyncKit::new(remote).with_list().with_sweep().with_race();
    let kit = kit.with_clients(async |client| {
        Wait::default().await;
        remote.0.register(client)
    });
    let kit = kit.with_plant(async |id, bytes| remote.0.plant(id, bytes));
    block_on(kit.check(moment(seed)))
}

#[test]
fn the_memory_store_keeps_every_rule_that_it_has_the_parts_for() {
    let store = MemoryStore::default();
    let register = |client| {
        store.put_client(client);
        Ok::<_, Infallible>(())
    };
    let kit = Kit::new(&store).with_list().with_sweep().with_race().with_clients(register);
    let report = kit.check(moment(1)).unwrap();
    assert!(report.unchecked().iter().all(|(_, part)| *part == Part::Plant));
    let report = block_on(conformance::check_async(&store, moment(2))).unwrap();
    assert!(report.checked().contains(&Rule::OneWriterWins));
}

#[test]
fn a_good_store_keeps_every_rule_blocking_and_asynchronous() {
    let table = Table::new(None);
    let report = check(&table, 1).unwrap();
    assert_eq!((report.checked(), report.unchecked()), (&Rule::ALL[..], &[][..]));
    let remote = Remote(Table::new(None));
    let report = check_remote(&remote, 1).unwrap();
    assert_eq!((report.checked(), report.unchecked()), (&Rule::ALL[..], &[][..]));
}

#[test]
fn runs_with_different_seeds_meet_in_one_store() {
    let table = Table::new(None);
    for seed in 1..=3 {
        let report = check(&table, seed).unwrap();
        assert_eq!(report.unchecked(), []);
    }
}

/// Every rule is the name of at least one store that breaks it.
const BROKEN: &[(Bug, Rule)] = &[
    (Bug::EveryClaimIsSeen, Rule::AbsentIsAbsent),
    (Bug::BytesAreText, Rule::ReadAsWritten),
    (Bug::VersionsBeginAtZero, Rule::ReadAsWritten),
    (Bug::AnyClaimAnswersBoth, Rule::EachKeyForItself),
    (Bug::AssertionsAreNotRead, Rule::EachKeyForItself),
    (Bug::NoGrantNoClaim, Rule::EachKeyForItself),
    (Bug::VersionStays, Rule::VersionsCount),
    (Bug::InsertReplaces, Rule::InsertOnce),
    (Bug::VersionIsIgnored, Rule::StaleVersion),
    (Bug::NewerIsEnough, Rule::StaleVersion),
    (Bug::VersionHas32Bits, Rule::StaleVersion),
    (Bug::ReplaceInserts, Rule::NothingToReplace),
    (Bug::VersionZeroIsAbsent, Rule::NothingToReplace),
    (Bug::ClaimReplaces, Rule::ClaimOnce),
    (Bug::ClaimsDifferByTime, Rule::ClaimOnce),
    (Bug::OneByOne, Rule::AllOrNone),
    (Bug::FirstChangeDecides, Rule::AllOrNone),
    (Bug::IdsAreText, Rule::IdsApart),
    (Bug::IdsIgnoreCase, Rule::IdsApart),
    (Bug::IdsEndAtZero, Rule::IdsApart),
    (Bug::TimesAreSigned, Rule::LargestTimes),
    (Bug::TimesWrap, Rule::LargestTimes),
    (Bug::PastIsRefused, Rule::PastTimes),
    (Bug::BytesAreCut, Rule::LargeRecord),
    (Bug::ClientsIgnoreCase, Rule::ClientAsRegistered),
    (Bug::ClientsAreKept, Rule::ClientAsRegistered),
    (Bug::ListsIgnoreTheIssuer, Rule::ListsTheirOwn),
    (Bug::ListsIgnoreTheClient, Rule::ListsTheirOwn),
    (Bug::ListsLoseClientsOwn, Rule::ListsTheirOwn),
    (Bug::ListsAreReversed, Rule::ListsInPages),
    (Bug::ListsRepeatTheLast, Rule::ListsInPages),
    (Bug::ListsCompareSigned, Rule::ListsInPages),
    (Bug::AfterHasToExist, Rule::ListsInPages),
    (Bug::NoLimitIsAHundred, Rule::ListsInPages),
    (Bug::ListsHaveNoBound, Rule::ListsAreBounded),
    (Bug::EndedIsHidden, Rule::ListsEnded),
    (Bug::OldBytesAreListed, Rule::ListsEnded),
    (Bug::SubjectIsFiledOnce, Rule::ListsFollow),
    (Bug::SubjectsIgnoreCase, Rule::NamesApart),
    (Bug::SubjectsAreTrimmed, Rule::NamesApart),
    (Bug::SubjectsAreNumbers, Rule::NamesApart),
    (Bug::SubjectsArePatterns, Rule::NamesApart),
    (Bug::NamesAreCut, Rule::NamesApart),
    (Bug::NamesAreJoined, Rule::NamesApart),
    (Bug::SweepsEarly, Rule::SweepKeeps),
    (Bug::SweepsWrapped, Rule::SweepKeeps),
    (Bug::DueTimeIsFiledOnce, Rule::SweepFollows),
    (Bug::SweepsNoClaims, Rule::SweepRemoves),
    (Bug::SweepsTooLate, Rule::SweepRemoves),
    (Bug::SweepsEverything, Rule::SweepIsBounded),
    (Bug::SweepsEachKind, Rule::SweepIsBounded),
    (Bug::NoHint, Rule::SweepHints),
    (Bug::HintOfGrants, Rule::SweepHints),
    (Bug::HintOfTheLast, Rule::SweepHints),
    (Bug::CorruptIsAbsent, Rule::CorruptIsRefused),
    (Bug::CorruptIsDeleted, Rule::CorruptIsRefused),
    (Bug::CorruptIsUnlisted, Rule::CorruptIsRefused),
    (Bug::NewerIsAbsent, Rule::NewerIsRefused),
    (Bug::ComparesFirst, Rule::OneWriterWins),
];

/// What only a store with more than one step a call can break.
const BROKEN_REMOTE: &[(Bug, Rule)] = &[
    (Bug::ComparesFirst, Rule::OneWriterWins),
    (Bug::ClaimsFirst, Rule::OneClaimWins),
    (Bug::ReadsTwice, Rule::WholeRecords),
];

#[test]
fn every_broken_store_is_caught_by_the_rule_that_it_breaks() {
    let mut found = BTreeSet::new();
    for (bug, rule) in BROKEN {
        let failure = check(&Table::new(Some(*bug)), 1).unwrap_err();
        assert_eq!(failure.rule(), *rule, "{bug:?}: {failure}");
        found.insert(*rule);
    }
    for (bug, rule) in BROKEN_REMOTE {
        let failure = check_remote(&Remote(Table::new(Some(*bug))), 1).unwrap_err();
        assert_eq!(failure.rule(), *rule, "{bug:?}: {failure}");
        found.insert(*rule);
    }
    assert_eq!(found, BTreeSet::from(Rule::ALL));
}

#[test]
fn a_failure_says_what_was_done_expected_and_seen() {
    let failure = check(&Table::new(Some(Bug::VersionIsIgnored)), 1).unwrap_err();
    let text = "a put at another version than the record's changes nothing: a put at another version: \
                expected Conflict, saw Applied";
    assert_eq!(failure.to_string(), text);
    assert_eq!((failure.step(), failure.expected()), ("a put at another version", "Conflict"));
    let failure = check(&Table::new(Some(Bug::PastIsRefused)), 1).unwrap_err();
    assert_eq!(failure.seen(), "the error: a number is out of range");
}

#[test]
fn a_report_names_what_nobody_looked_at() {
    let report = Kit::new(&Table::new(None)).check(moment(1)).unwrap();
    assert_eq!(report.checked().len() + report.unchecked().len(), Rule::ALL.len());
    let parts: BTreeSet<_> = report.unchecked().iter().map(|(_, part)| *part).collect();
    assert_eq!(parts, BTreeSet::from([Part::Clients, Part::List, Part::Sweep, Part::Plant, Part::Race]));
    let text = report.to_string();
    assert_eq!(text.lines().count(), Rule::ALL.len());
    assert!(text.starts_with("checked: what was never written is absent\n"), "{text}");
    assert!(text.contains("\nnot checked without with_race: of parallel puts at one version"), "{text}");
}
