//! An exhaustive search over the schedules of requests that race on one store.
//!
//! Every racer is a real operation. Others can come between its steps: it reads, it waits for each
//! signature of a key outside of the process, and it commits what it decided over its reading. After a
//! conflict it reads again. At any of its steps a racer may also crash, and a commit may be applied while
//! its answer is lost. The search goes through every order of all steps from the same beginning.
//!
//! Schedules that come to the same position go on in the same way, so that each position is looked at
//! once.
#![allow(dead_code, reason = "each test binary uses its own part")]

mod racer;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use grantry::server::Outcome;

pub(crate) use racer::{Answer, Racer, Seen};
use table::Record;
pub(crate) use table::{Table, TableStore};

/// How far a racer goes before another may come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Steps {
    /// One step: whatever can happen does.
    Single,
    /// From its reading to its end, as if there were one lock around every request.
    Whole,
}

pub(crate) struct Explorer<'a> {
    pub(crate) store: &'a TableStore,
    pub(crate) racers: Vec<&'a Racer>,
    /// How many racers may crash or lose their reply in one schedule.
    pub(crate) crashes: usize,
}

/// How schedules end, and how many there are.
pub(crate) struct Found {
    pub(crate) endings: BTreeSet<Ending>,
    pub(crate) count: Count,
}

/// What schedules may leave behind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ending {
    pub(crate) table: Table,
    pub(crate) ends: Vec<End>,
    /// Who wrote, in order.
    pub(crate) writers: Vec<usize>,
}

/// How a racer came out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Done(Seen),
    /// It wrote nothing.
    Crashed,
    /// Its commit was applied, and nobody was told.
    Lost(Seen),
}

/// What a search went through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) schedules: u64,
    pub(crate) states: u64,
    pub(crate) conflicts: u64,
    pub(crate) signatures: u64,
}

impl Count {
    pub(crate) const fn add(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.states += other.states;
        self.conflicts += other.conflicts;
        self.signatures += other.signatures;
    }
}

impl Ending {
    /// What each racer's client saw; `None` for one that crashed or whose reply was lost.
    pub(crate) fn seen(&self) -> impl Iterator<Item = Option<&Seen>> {
        self.ends.iter().map(|end| match end {
            End::Done(seen) => Some(seen),
            End::Crashed | End::Lost(_) => None,
        })
    }

    /// What was decided for good, whether its client saw it or not.
    pub(crate) fn decided(&self) -> impl Iterator<Item = &Seen> {
        self.ends.iter().filter_map(End::decided)
    }

    /// The same ending without one racer who wrote nothing.
    pub(crate) fn without(&self, racer: usize) -> Self {
        let mut ending = self.clone();
        ending.ends.remove(racer);
        for writer in &mut ending.writers {
            *writer -= usize::from(*writer > racer);
        }
        ending
    }
}

impl End {
    pub(crate) const fn decided(&self) -> Option<&Seen> {
        match self {
            Self::Done(seen) | Self::Lost(seen) => Some(seen),
            Self::Crashed => None,
        }
    }
}

impl Explorer<'_> {
    pub(crate) fn search(&self, steps: Steps) -> Found {
        let beginning = Position {
            table: self.store.table.borrow().clone(),
            racers: self.racers.iter().map(|_| At::Start { conflicts: 0 }).collect(),
            writers: Vec::new(),
            crashes_left: self.crashes,
        };
        let mut search = Search {
            explorer: self,
            steps,
            schedules: BTreeMap::new(),
            endings: BTreeSet::new(),
            count: Count::default(),
        };
        let schedules = search.visit(beginning);
        let states = u64::try_from(search.schedules.len()).unwrap();
        let count = Count { schedules, states, ..search.count };
        Found { endings: search.endings, count }
    }
}

/// Where one racer stands.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Start {
        conflicts: usize,
    },
    /// It has decided over a reading, and waits for the rest of its signatures, or for its commit.
    Read {
        reading: Option<Record>,
        signed: usize,
        conflicts: usize,
    },
    Finished(End),
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    table: Table,
    racers: Vec<At>,
    writers: Vec<usize>,
    crashes_left: usize,
}

struct Search<'a, 'b> {
    explorer: &'a Explorer<'b>,
    steps: Steps,
    /// How many schedules go on from a position.
    schedules: BTreeMap<Position, u64>,
    endings: BTreeSet<Ending>,
    count: Count,
}

impl Search<'_, '_> {
    /// Goes on from a position in every way, and returns in how many.
    fn visit(&mut self, position: Position) -> u64 {
        if let Some(known) = self.schedules.get(&position) {
            return *known;
        }
        let mut schedules = 0;
        for racer in 0..position.racers.len() {
            for next in self.steps(&position, racer) {
                schedules += self.visit(next);
            }
        }
        if schedules == 0 {
            schedules = 1;
            self.endings.insert(position.ending());
        }
        self.schedules.insert(position, schedules);
        schedules
    }

    /// The next step of a racer, and the crashes there.
    fn steps(&mut self, position: &Position, racer: usize) -> Vec<Position> {
        let Some(stepped) = self.step(position, racer) else { return Vec::new() };
        let mut next = Vec::new();
        if position.crashes_left > 0 {
            let crashed = |from: &Position, end: End| {
                let mut crashed = from.clone();
                crashed.racers[racer] = At::Finished(end);
                crashed.crashes_left -= 1;
                crashed
            };
            next.push(crashed(position, End::Crashed));
            if let (true, At::Finished(End::Done(seen))) =
                (stepped.table != position.table, &stepped.racers[racer])
            {
                next.push(crashed(&stepped, End::Lost(seen.clone())));
            }
        }
        next.push(stepped);
        next
    }

    fn step(&mut self, position: &Position, racer: usize) -> Option<Position> {
        let mut next = position.clone();
        match &position.racers[racer] {
            At::Finished(_) => return None,
            At::Start { conflicts } => {
                let request = self.explorer.racers[racer];
                let decided = request.decide(self.explorer.store, &position.table);
                let reading = request.reading(&position.table);
                if self.steps == Steps::Whole {
                    self.finish(&mut next, racer, &reading, *conflicts);
                } else if decided.changes.is_none() && decided.signatures == 0 {
                    next.racers[racer] = At::Finished(End::Done(decided.seen.clone()));
                } else {
                    next.racers[racer] = At::Read { reading, signed: 0, conflicts: *conflicts };
                }
            }
            At::Read { reading, signed, conflicts } => {
                let decided = self.explorer.racers[racer].decided_over(reading);
                if *signed < decided.signatures {
                    self.count.signatures += 1;
                    let reading = reading.clone();
                    next.racers[racer] = At::Read { reading, signed: signed + 1, conflicts: *conflicts };
                } else {
                    self.finish(&mut next, racer, reading, *conflicts);
                }
            }
        }
        Some(next)
    }

    /// Commits what was decided over a reading.
    fn finish(&mut self, next: &mut Position, racer: usize, reading: &Option<Record>, conflicts: usize) {
        let decided = self.explorer.racers[racer].decided_over(reading);
        let outcome = match &decided.changes {
            Some(changes) => self.explorer.store.apply(&mut next.table, changes),
            None => Outcome::Applied,
        };
        next.racers[racer] = match outcome {
            Outcome::Applied => {
                if decided.changes.is_some() {
                    next.writers.push(racer);
                }
                At::Finished(End::Done(decided.seen.clone()))
            }
            Outcome::Conflict => {
                self.count.conflicts += 1;
                let conflicts = conflicts + 1;
                // Each of the others writes once at most, and each conflict is the progress of one.
                assert!(conflicts < next.racers.len(), "a round without progress");
                At::Start { conflicts }
            }
        };
    }
}

impl Position {
    fn ending(&self) -> Ending {
        let end = |at: &At| match at {
            At::Finished(end) => end.clone(),
            At::Start { .. } | At::Read { .. } => unreachable!("a racer that has not finished"),
        };
        Ending {
            table: self.table.clone(),
            ends: self.racers.iter().map(end).collect(),
            writers: self.writers.clone(),
        }
    }
}
