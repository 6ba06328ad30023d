//! One schedule from its beginning to its end.

use alloc::{format, string::String, vec::Vec};
use core::mem;

use grantry_core::Issuer;

use super::promise::{Ending, Part};
use super::race::{Act, Plan};
use super::report::{Broken, Promise};
use super::request::{Decided, Request, Seen};
use super::scene::{Phase, Scene, Turn};
use super::schedule::Path;
use super::shadow::{Fault, Heard, Shadow};
use crate::decision::{ChangeSet, Outcome};
use crate::operation::Lookup;
use crate::run::MAX_ROUNDS;

pub(super) struct Trial<'a> {
    pub(super) plan: &'a Plan,
    pub(super) scene: Scene<'a>,
    pub(super) shadow: Shadow<'a>,
    /// After how many polls a commit may be dropped: there are as many places.
    pub(super) drops: usize,
    steps: Vec<String>,
    broken_at: Option<usize>,
    fault: Option<Fault>,
}

/// How a schedule went wrong.
pub(super) struct Wrong {
    pub(super) steps: Vec<String>,
    pub(super) broken: Broken,
    pub(super) promises: Vec<Promise>,
}

struct Racer {
    who: String,
    request: Request,
    at: At,
    conflicts: usize,
}

enum At {
    /// It has to read.
    Start,
    /// It has to commit.
    Decided(ChangeSet, Seen),
    Over(End),
}

/// How a request came out.
#[derive(Default)]
pub(super) struct End {
    /// What its client heard.
    pub(super) heard: Option<Seen>,
    /// What is decided for good, heard or not.
    pub(super) decided: Option<Seen>,
    /// What is decided for good if the dropped commit is applied.
    pub(super) perhaps: Option<Seen>,
}

impl End {
    fn of(seen: Seen) -> Self {
        Self { heard: Some(seen.clone()), decided: Some(seen), perhaps: None }
    }
}

impl<'a> Trial<'a> {
    pub(super) const fn new(plan: &'a Plan, scene: Scene<'a>, shadow: Shadow<'a>, drops: usize) -> Self {
        Self { plan, scene, shadow, drops, steps: Vec::new(), broken_at: None, fault: None }
    }

    pub(super) const fn has_fault(&self) -> bool {
        self.fault.is_some()
    }

    /// Runs the schedule, and tells the first thing that is wrong: what the store did otherwise than the
    /// model, or else what is not as everybody relies on.
    pub(super) async fn run(&mut self, path: &mut Path, issuer: &Issuer) -> Result<(), Wrong> {
        let promises = self.run_to_the_end(path, issuer).await;
        let broken = match (self.shadow.broken.take(), &promises) {
            (Some(broken), _) => {
                self.steps.truncate(self.broken_at.unwrap_or(usize::MAX));
                broken
            }
            (None, Err(broken)) => broken.clone(),
            (None, Ok(promises)) => match promises.first() {
                Some(promise) => Broken::new(promise.sentence(), "something else"),
                None => return Ok(()),
            },
        };
        Err(Wrong { steps: mem::take(&mut self.steps), broken, promises: promises.unwrap_or_default() })
    }

    async fn run_to_the_end(&mut self, path: &mut Path, issuer: &Issuer) -> Result<Vec<Promise>, Broken> {
        for (act, number) in self.plan.past.iter().zip(0..) {
            let turn = Turn { phase: Phase::Past, number };
            self.whole("before the race", *act, turn).await?;
        }
        let ends = self.race(path).await?;
        let mut parts: Vec<_> = self
            .plan
            .racers
            .iter()
            .zip(ends)
            .map(|(act, end)| Part { act: *act, end, again: None })
            .collect();
        // A device that waits for its person comes after all others.
        for waits in [false, true] {
            for (part, number) in parts.iter_mut().zip(0..) {
                let comes = part.end.heard.as_ref().map_or(!waits, |seen| waits && seen.is_wait());
                if comes {
                    let who = format!("{}, once more", ordinal(number));
                    part.again =
                        Some(self.whole(&who, part.act, Turn { phase: Phase::Again, number }).await?);
                }
            }
        }
        let mut records = Vec::new();
        for grant in self.scene.grants() {
            let lookup = Lookup { grant: Some(grant), ..Lookup::of(issuer) };
            self.steps.push("at the end: the grant is read".into());
            if let Some(read) = self.shadow.read(&lookup).await {
                records.push((grant, read));
            }
            self.mark();
        }
        Ending { plan: self.plan, scene: &self.scene, shadow: &self.shadow, parts, records }.broken_promises()
    }

    async fn race(&mut self, path: &mut Path) -> Result<Vec<End>, Broken> {
        let mut racers = Vec::new();
        for (act, number) in self.plan.racers.iter().zip(0..) {
            let request = self.scene.request(*act, Turn { phase: Phase::Race, number })?;
            racers.push(Racer::new(&ordinal(number), *act, request));
        }
        loop {
            let moves = self.moves(&racers);
            let way = if moves.is_empty() { break } else { path.choose(moves.len()) };
            // A store that answers otherwise the second time comes to other forks.
            let Some((place, fault)) = moves.get(way).or_else(|| moves.last()).copied() else { break };
            if let Some(racer) = racers.get_mut(place) {
                self.fault = self.fault.or(fault);
                self.step(racer, fault).await?;
            }
        }
        let end = |racer: Racer| match racer.at {
            At::Over(end) => end,
            At::Start | At::Decided(..) => End::default(),
        };
        let ends: Vec<_> = racers.into_iter().map(end).collect();
        ends.iter().filter_map(|end| end.decided.as_ref()).for_each(|seen| self.scene.learn(seen));
        Ok(ends)
    }

    /// Who may go on, and what may happen to them. One fault a schedule: the retry that follows is whole.
    fn moves(&self, racers: &[Racer]) -> Vec<(usize, Option<Fault>)> {
        let mut moves = Vec::new();
        for (place, racer) in racers.iter().enumerate() {
            match racer.at {
                At::Over(_) => {}
                At::Start => {
                    let waits =
                        |(other, twin): (usize, &Racer)| self.plan.is_twin(place, other) && twin.is_new();
                    if !(racer.is_new() && racers.iter().enumerate().any(waits)) {
                        moves.push((place, None));
                    }
                }
                At::Decided(..) => {
                    moves.push((place, None));
                    if self.fault.is_none() {
                        let drops = (1..=self.drops).map(Fault::Dropped);
                        let faults = [Fault::Before, Fault::After].into_iter().chain(drops);
                        moves.extend(faults.map(|fault| (place, Some(fault))));
                    }
                }
            }
        }
        moves
    }

    /// Carries a request through, and learns what it is given.
    async fn whole(&mut self, who: &str, act: Act, turn: Turn) -> Result<End, Broken> {
        let mut racer = Racer::new(who, act, self.scene.request(act, turn)?);
        loop {
            if let At::Over(end) = racer.at {
                end.decided.iter().for_each(|seen| self.scene.learn(seen));
                return Ok(end);
            }
            self.step(&mut racer, None).await?;
        }
    }

    async fn step(&mut self, racer: &mut Racer, fault: Option<Fault>) -> Result<(), Broken> {
        racer.at = match mem::replace(&mut racer.at, At::Start) {
            At::Over(end) => At::Over(end),
            At::Start => {
                let lookup = racer.request.lookup();
                if Shadow::of_store(&lookup).is_some() {
                    self.tell(racer, "reads");
                }
                match self.shadow.read(&lookup).await {
                    None => At::Over(End::default()),
                    Some(records) => match racer.request.decide(&records)? {
                        Decided { changes: None, seen } => At::Over(End::of(seen)),
                        Decided { changes: Some(changes), seen } => At::Decided(changes, seen),
                    },
                }
            }
            At::Decided(changes, seen) => {
                self.tell(racer, commits(fault));
                match (self.shadow.commit(&changes, fault).await, fault) {
                    (Heard::Outcome(Outcome::Applied), _) => At::Over(End::of(seen)),
                    (Heard::Lost(Outcome::Applied), _) => {
                        At::Over(End { decided: Some(seen), ..End::default() })
                    }
                    (Heard::Nothing, Some(Fault::Dropped(_))) => {
                        At::Over(End { perhaps: Some(seen), ..End::default() })
                    }
                    (Heard::Lost(Outcome::Conflict) | Heard::Nothing, _) => At::Over(End::default()),
                    (Heard::Outcome(Outcome::Conflict), _) => racer.conflict(),
                }
            }
        };
        self.mark();
        Ok(())
    }

    fn tell(&mut self, racer: &Racer, step: &str) {
        self.steps.push(format!("{} {step}", racer.who));
    }

    fn mark(&mut self) {
        if self.shadow.broken.is_some() {
            self.broken_at.get_or_insert(self.steps.len());
        }
    }
}

impl Racer {
    fn new(who: &str, act: Act, request: Request) -> Self {
        Self { who: format!("{who} ({})", act.text()), request, at: At::Start, conflicts: 0 }
    }

    const fn is_new(&self) -> bool {
        matches!(self.at, At::Start) && self.conflicts == 0
    }

    fn conflict(&mut self) -> At {
        self.conflicts = self.conflicts.saturating_add(1);
        if self.conflicts < MAX_ROUNDS { At::Start } else { At::Over(End::default()) }
    }
}

const fn commits(fault: Option<Fault>) -> &'static str {
    match fault {
        None => "commits",
        Some(Fault::Before) => "fails before its commit",
        Some(Fault::After) => "commits, and the answer is lost",
        Some(Fault::Dropped(_)) => "commits, and is dropped half way",
    }
}

fn ordinal(number: u64) -> String {
    let ordinal = match number {
        0 => "first",
        1 => "second",
        _ => "third",
    };
    format!("the {ordinal} request")
}
