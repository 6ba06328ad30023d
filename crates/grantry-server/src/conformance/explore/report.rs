//! What an exploration went through, and how a store failed.

use alloc::{format, string::String, vec::Vec};
use core::fmt::{self, Debug, Display};

use super::race::Race;

/// The races that a store came through, with every schedule of each.
///
/// Its text has a line for each race.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "it names what was explored"]
pub struct Explored {
    pub(super) races: Vec<Count>,
}

impl Explored {
    /// Returns how much each race was, in their order.
    #[must_use]
    pub fn races(&self) -> &[Count] {
        &self.races
    }

    /// Returns the races of all that were not explored.
    pub fn unexplored(&self) -> impl Iterator<Item = Race> {
        let is_explored = |race: &Race| self.races.iter().any(|count| count.race == *race);
        Race::ALL.into_iter().filter(move |race| !is_explored(race))
    }
}

impl Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Count { race, schedules, faults, conflicts, calls } in &self.races {
            writeln!(
                f,
                "{race}: {schedules} schedules, {faults} of them with a fault; {conflicts} conflicts, {calls} calls"
            )?;
        }
        self.unexplored().try_for_each(|race| writeln!(f, "not explored without with_triples: {race}"))
    }
}

/// How much one race was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Count {
    /// The race.
    pub race: Race,
    /// How many schedules there are.
    pub schedules: u64,
    /// In how many of them a request fails, loses its answer or is dropped.
    pub faults: u64,
    /// How many commits met a conflict.
    pub conflicts: u64,
    /// How often the store was called, also for what comes before and after a race.
    pub calls: u64,
}

impl Count {
    pub(super) const fn new(race: Race) -> Self {
        Self { race, schedules: 0, faults: 0, conflicts: 0, calls: 0 }
    }
}

/// What everybody relies on, whatever the store. Its text is the promise in one sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Promise {
    /// No two codes for a consent, no two sets of tokens for a code or a refresh token.
    OneAnswer,
    /// What was used is noticed when it comes again.
    ReplayNoticed,
    /// After an alarm or a revocation nothing works.
    EndsForGood,
    /// Whatever fails on the way, everybody has tokens in the end, and they work.
    NobodyLoggedOut,
}

impl Promise {
    /// Returns the promise in one sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::OneAnswer => "what is presented twice is answered with one thing",
            Self::ReplayNoticed => "what was used gives nothing after the window",
            Self::EndsForGood => "nothing of a grant is alive after an alarm or a revocation",
            Self::NobodyLoggedOut => "nobody is logged out without an alarm or a revocation",
        }
    }
}

impl Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

/// The first schedule in which a store did something else than the contract says.
///
/// Its texts name steps, versions and the store's own errors: no code, token or secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    pub(super) race: Race,
    pub(super) steps: Vec<String>,
    pub(super) broken: Broken,
    pub(super) promises: Vec<Promise>,
}

impl Failure {
    /// Returns the race.
    #[must_use]
    pub const fn race(&self) -> Race {
        self.race
    }

    /// Returns the steps of the schedule in their order, up to the one that went wrong.
    #[must_use]
    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    /// Returns what the last step should have come to.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.broken.expected
    }

    /// Returns what it came to, or the text of the store's error.
    #[must_use]
    pub fn seen(&self) -> &str {
        &self.broken.seen
    }

    /// Returns what is broken for people and clients at the end of the schedule, as far as it is seen there.
    #[must_use]
    pub fn broken_promises(&self) -> &[Promise] {
        &self.promises
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { race, steps, broken: Broken { expected, seen }, promises } = self;
        write!(f, "{race}: expected {expected}, saw {seen}")?;
        steps.iter().zip(1..).try_for_each(|(step, number)| write!(f, "\n{number:3}. {step}"))?;
        promises.iter().try_for_each(|promise| write!(f, "\nin the end it is not so that {promise}"))
    }
}

/// An answer that is another one than it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) expected: String,
    pub(super) seen: String,
}

impl Broken {
    pub(super) fn new(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { expected: expected.into(), seen: seen.into() }
    }

    /// The store failed where it should have answered.
    pub(super) fn of_error(error: &str) -> Self {
        Self::new("an answer", format!("the error: {error}"))
    }

    /// The explorer cannot make what it needs.
    pub(super) fn unfit(error: &impl Display) -> Self {
        Self::new("a request of the explorer's own", format!("{error}"))
    }

    pub(super) fn unless_equal<T: PartialEq + Debug>(expected: &T, seen: &T) -> Result<(), Self> {
        if expected == seen {
            return Ok(());
        }
        Err(Self::new(format!("{expected:?}"), format!("{seen:?}")))
    }
}
