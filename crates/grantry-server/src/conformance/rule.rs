//! The rules by name, and what a run of the kit tells.

use alloc::{format, string::String, vec::Vec};
use core::fmt;

/// One thing that every store has to do. Its text is the rule in one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Reading what nobody wrote.
    AbsentIsAbsent,
    /// Reading what was written.
    ReadAsWritten,
    /// Reading several keys at once.
    EachKeyForItself,
    /// Replacing, again and again.
    VersionsCount,
    /// Inserting twice.
    InsertOnce,
    /// Replacing what another request replaced first.
    StaleVersion,
    /// Replacing what is not there.
    NothingToReplace,
    /// Claiming twice.
    ClaimOnce,
    /// Several changes at once.
    AllOrNone,
    /// Ids that are nearly equal.
    IdsApart,
    /// Times up to the end of their range.
    LargestTimes,
    /// Times that have passed.
    PastTimes,
    /// A record near the largest.
    LargeRecord,
    /// Clients with odd ids, as they were registered.
    ClientAsRegistered,
    /// Lists, and what is in them.
    ListsTheirOwn,
    /// Lists, page by page.
    ListsInPages,
    /// Lists without a limit of the caller's.
    ListsAreBounded,
    /// A list with ended grants.
    ListsEnded,
    /// A list whose grant gets its person later.
    ListsFollow,
    /// Lists of odd names.
    NamesApart,
    /// What a sweep leaves.
    SweepKeeps,
    /// Sweeping what got another time.
    SweepFollows,
    /// What a sweep drops.
    SweepRemoves,
    /// How much a sweep drops.
    SweepIsBounded,
    /// When the next sweep has something to do.
    SweepHints,
    /// Damaged records.
    CorruptIsRefused,
    /// Records of a later release.
    NewerIsRefused,
    /// Parallel inserts and replacements of one grant.
    OneWriterWins,
    /// Parallel claims of one identifier.
    OneClaimWins,
    /// Reads beside writes.
    WholeRecords,
}

impl Rule {
    /// Every rule, in the order in which they are checked.
    pub const ALL: [Self; 30] = [
        Self::AbsentIsAbsent,
        Self::ReadAsWritten,
        Self::EachKeyForItself,
        Self::VersionsCount,
        Self::InsertOnce,
        Self::StaleVersion,
        Self::NothingToReplace,
        Self::ClaimOnce,
        Self::AllOrNone,
        Self::IdsApart,
        Self::LargestTimes,
        Self::PastTimes,
        Self::LargeRecord,
        Self::ClientAsRegistered,
        Self::ListsTheirOwn,
        Self::ListsInPages,
        Self::ListsAreBounded,
        Self::ListsEnded,
        Self::ListsFollow,
        Self::NamesApart,
        Self::SweepKeeps,
        Self::SweepFollows,
        Self::SweepRemoves,
        Self::SweepIsBounded,
        Self::SweepHints,
        Self::CorruptIsRefused,
        Self::NewerIsRefused,
        Self::OneWriterWins,
        Self::OneClaimWins,
        Self::WholeRecords,
    ];

    /// Returns the rule in one sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::AbsentIsAbsent => "what was never written is absent",
            Self::ReadAsWritten => "a grant is read byte for byte as it was written, at its version",
            Self::EachKeyForItself => "a lookup with several keys answers each of them by itself",
            Self::VersionsCount => "a put at the version of the record makes the next version",
            Self::InsertOnce => "a grant that exists is not inserted again",
            Self::StaleVersion => "a put at another version than the record's changes nothing",
            Self::NothingToReplace => "a put at a version where there is no record writes nothing",
            Self::ClaimOnce => "an identifier is claimed once while its time has not passed",
            Self::AllOrNone => "the changes of a set are applied all or none",
            Self::IdsApart => "ids that differ in one byte are different ids",
            Self::LargestTimes => "times up to the largest are kept",
            Self::PastTimes => "what is written after its time is written without an error",
            Self::LargeRecord => "a record near the largest is kept whole",
            Self::ClientAsRegistered => "a client is read as it was registered last, and by its own id",
            Self::ListsTheirOwn => "a list has every grant of whom it is asked for, and none of others",
            Self::ListsInPages => {
                "a list is in the order of the ids, after the id that it is given, up to its limit"
            }
            Self::ListsAreBounded => "a list has at most a hundred grants, whatever its limit",
            Self::ListsEnded => "a list has a grant as it was written last, ended or not",
            Self::ListsFollow => "a grant is listed under its person from the write that names them",
            Self::NamesApart => "names that differ in one character are different names",
            Self::SweepKeeps => "a sweep drops nothing whose time has not passed",
            Self::SweepFollows => "a sweep goes by the time that was written last",
            Self::SweepRemoves => "sweeps that are repeated while more is due drop all that is due",
            Self::SweepIsBounded => "a sweep drops at most as many records as it is told",
            Self::SweepHints => {
                "a sweep names when the next record falls due or an earlier time, and one to come when it is done"
            }
            Self::CorruptIsRefused => "a damaged record is an error, and is neither absent nor deleted",
            Self::NewerIsRefused => {
                "a record of a later release is an error, and is neither absent nor deleted"
            }
            Self::OneWriterWins => "of parallel puts at one version exactly one is applied",
            Self::OneClaimWins => "of parallel claims of one identifier exactly one is applied",
            Self::WholeRecords => "a read beside writes has the record and the version of one write",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// What the kit is given beside reads and commits. Its text is the setter of [`Kit`](super::Kit) and
/// [`AsyncKit`](super::AsyncKit).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Part {
    /// Registers clients.
    Clients,
    /// Lists grants.
    List,
    /// Sweeps.
    Sweep,
    /// Overwrites the bytes of a record.
    Plant,
    /// Commits in parallel.
    Race,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clients => "with_clients",
            Self::List => "with_list",
            Self::Sweep => "with_sweep",
            Self::Plant => "with_plant",
            Self::Race => "with_race",
        })
    }
}

/// Which rules a store was found to keep, and which nobody looked at.
///
/// Its text has a line for each rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "it names what was not checked"]
pub struct Report {
    pub(super) checked: Vec<Rule>,
    pub(super) unchecked: Vec<(Rule, Part)>,
}

impl Report {
    /// Returns the rules that the store keeps.
    #[must_use]
    pub fn checked(&self) -> &[Rule] {
        &self.checked
    }

    /// Returns the rules that were not checked, each with what the kit was not given.
    #[must_use]
    pub fn unchecked(&self) -> &[(Rule, Part)] {
        &self.unchecked
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.checked.iter().try_for_each(|rule| writeln!(f, "checked: {rule}"))?;
        self.unchecked.iter().try_for_each(|(rule, part)| writeln!(f, "not checked without {part}: {rule}"))
    }
}

/// The rule that a store breaks, and how it was seen.
///
/// Its texts are of the kit's own grants and of the store's own errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {step}: expected {}, saw {}", .mismatch.expected, .mismatch.seen, step = .mismatch.step)]
pub struct Failure {
    rule: Rule,
    mismatch: Mismatch,
}

impl Failure {
    pub(super) const fn new(rule: Rule, mismatch: Mismatch) -> Self {
        Self { rule, mismatch }
    }

    /// Returns the rule that is broken.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        self.rule
    }

    /// Returns what the kit did.
    #[must_use]
    pub const fn step(&self) -> &'static str {
        self.mismatch.step
    }

    /// Returns what the store should have answered.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.mismatch.expected
    }

    /// Returns what the store answered, or the text of its error.
    #[must_use]
    pub fn seen(&self) -> &str {
        &self.mismatch.seen
    }
}

/// A step whose answer is another one than the rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    step: &'static str,
    expected: String,
    seen: String,
}

impl Mismatch {
    pub(super) fn new(step: &'static str, expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { step, expected: expected.into(), seen: seen.into() }
    }

    /// The store failed where it should have answered.
    pub(super) fn of_error(step: &'static str, error: &str) -> Self {
        Self::new(step, "an answer", format!("the error: {error}"))
    }

    /// Compares one value with another.
    pub(super) fn unless_equal<T: PartialEq + fmt::Debug>(
        step: &'static str,
        expected: &T,
        seen: &T,
    ) -> Result<(), Self> {
        if expected == seen {
            return Ok(());
        }
        Err(Self::new(step, format!("{expected:?}"), format!("{seen:?}")))
    }
}
