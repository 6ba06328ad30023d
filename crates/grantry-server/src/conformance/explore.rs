//! The explorer: requests that race on a host's own store, in every order of their calls.
//!
//! The rules of the kit are about single calls. The explorer is about requests: real operations, such as two that
//! redeem one code, of which each reads, commits, and begins again after a conflict, in every order that there is.
//! In every order each commit also fails: before the store hears of it, as when a host crashes or a connection is
//! down; and behind it, when it is applied and the answer is lost. A commit to an asynchronous store is dropped
//! half way, too. Who got no answer comes once more.
//!
//! ```
//! use grantry_core::Moment;
//! use grantry_server::{MemoryStore, conformance::explore::Explorer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::default();
//! let explored = Explorer::new(&store).check(Moment::now()?)?;
//! println!("{explored}"); // which races there were, and in how many schedules
//! # Ok(())
//! # }
//! ```
//!
//! Each call is compared with a model of the contract: the store has to read what the model reads, and to apply
//! what the model applies. What was dropped may be applied at once, later or never, but only whole. Besides, each
//! schedule is looked at in the end as people and clients see it, by every [`Promise`]. A [`Failure`] lists the
//! steps of its schedule, so that they can be gone through by hand:
//!
//! ```text
//! a code is redeemed twice at once: expected Conflict, saw Applied
//!   1. before the race (approves) reads
//!   2. before the race (approves) commits
//!   3. the first request (redeems the code) reads
//!   4. the second request (redeems the code) reads
//!   5. the first request (redeems the code) commits
//!   6. the second request (redeems the code) commits
//! in the end it is not so that what was used gives nothing after the window
//! ```
//!
//! **The store has to be disposable.** Every schedule begins grants of its own and leaves them behind: about 300
//! in 3,000 calls, and 2,000 in 27,000 calls with the races of three. All names, ids and keys come from the seed of
//! the moment, so that runs with different seeds meet in one database without harm. A store with a clock of its own
//! needs a moment that is not behind that clock. Clients are the explorer's own, and the store is never asked
//! for one: it reads and commits grants and one-time identifiers.
//!
//! Calls do not overlap: what goes wrong inside of a call while another is under way is for
//! [`Kit::with_race`](super::Kit::with_race). Requests that are the same begin in one order, as the other orders
//! are mirrors of it. There is one fault at most in a schedule.

mod model;
mod promise;
mod race;
mod report;
mod request;
mod scene;
mod schedule;
mod shadow;
mod trial;

use alloc::{format, vec::Vec};
use core::fmt::{self, Display};

use grantry_core::Moment;

use self::race::Plan;
use self::report::Broken;
use self::scene::{Scene, World};
use self::schedule::Path;
use self::shadow::Shadow;
use self::trial::{Trial, Wrong};
use super::port::{Asynchronous, Blocking, ReadAndCommit, drive};
use crate::store::{AsyncStore, Store};

pub use self::race::Race;
pub use self::report::{Count, Explored, Failure, Promise};

/// At how many of its waits a commit is dropped at most: a driver waits for a connection, for a statement and for the
/// end of a transaction, and each wait is another run of every schedule.
const MAX_DROPS: usize = 3;

/// Explores a blocking store.
pub struct Explorer<'s, S: ?Sized> {
    store: &'s S,
    triples: Triples,
}

impl<'s, S: Store<Error: Display> + ?Sized> Explorer<'s, S> {
    /// Takes the store to explore.
    #[must_use]
    pub const fn new(store: &'s S) -> Self {
        Self { store, triples: Triples::No }
    }

    /// Explores races of three requests, too: about eight times as many calls in all.
    #[must_use]
    pub const fn with_triples(mut self) -> Self {
        self.triples = Triples::Yes;
        self
    }

    /// Runs every schedule of every race.
    ///
    /// # Errors
    ///
    /// [`Failure`] with the first schedule that goes otherwise than it should.
    pub fn check(self, moment: Moment) -> Result<Explored, Failure> {
        drive(every_race(&Blocking(self.store), self.triples, moment))
    }
}

impl<S: ?Sized> fmt::Debug for Explorer<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explorer").field("triples", &self.triples).finish_non_exhaustive()
    }
}

/// Explores an asynchronous store, and drops its commits half way, too: at each of the first three times that they
/// wait.
pub struct AsyncExplorer<'s, S: ?Sized> {
    store: &'s S,
    triples: Triples,
}

impl<'s, S: AsyncStore<Error: Display> + ?Sized> AsyncExplorer<'s, S> {
    /// Takes the store to explore.
    #[must_use]
    pub const fn new(store: &'s S) -> Self {
        Self { store, triples: Triples::No }
    }

    /// Explores races of three requests, too: about eight times as many calls in all.
    #[must_use]
    pub const fn with_triples(mut self) -> Self {
        self.triples = Triples::Yes;
        self
    }

    /// Runs every schedule of every race. The future is not `Send`: block on it.
    ///
    /// # Errors
    ///
    /// [`Failure`] with the first schedule that goes otherwise than it should.
    pub async fn check(self, moment: Moment) -> Result<Explored, Failure> {
        every_race(&Asynchronous(self.store), self.triples, moment).await
    }
}

impl<S: ?Sized> fmt::Debug for AsyncExplorer<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncExplorer").field("triples", &self.triples).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Triples {
    No,
    Yes,
}

async fn every_race(
    store: &dyn ReadAndCommit,
    triples: Triples,
    moment: Moment,
) -> Result<Explored, Failure> {
    let unfit =
        |broken: Broken| Failure { race: Race::Consent, steps: Vec::new(), broken, promises: Vec::new() };
    let world = World::new(moment).map_err(unfit)?;
    let mut exploration = Exploration { store, world: &world, drops: 0 };
    exploration.drops = exploration.waits().await?.min(MAX_DROPS);
    let mut explored = Explored::default();
    for race in Race::ALL {
        let plan = race.plan();
        if plan.racers.len() <= 2 || triples == Triples::Yes {
            explored.races.push(exploration.one_race(race, &plan).await?);
        }
    }
    Ok(explored)
}

struct Exploration<'a> {
    store: &'a dyn ReadAndCommit,
    world: &'a World,
    /// At how many of its waits a commit is dropped.
    drops: usize,
}

impl<'a> Exploration<'a> {
    /// How often a commit of this store is pending, in a schedule by which nothing else is told.
    async fn waits(&self) -> Result<usize, Failure> {
        let plan = Race::Code.plan();
        let trial = self.one_schedule(Race::Code, &plan, "waits", &mut Path::default()).await?;
        Ok(trial.shadow.waits)
    }

    async fn one_race(&self, race: Race, plan: &Plan) -> Result<Count, Failure> {
        let mut count = Count::new(race);
        let mut path = Path::default();
        loop {
            let trial = self.one_schedule(race, plan, &format!("{}", count.schedules), &mut path).await?;
            count.schedules = count.schedules.saturating_add(1);
            count.faults = count.faults.saturating_add(u64::from(trial.has_fault()));
            count.conflicts = count.conflicts.saturating_add(trial.shadow.conflicts);
            count.calls = count.calls.saturating_add(trial.shadow.calls);
            if !path.turn_back() {
                return Ok(count);
            }
        }
    }

    async fn one_schedule<'p>(
        &self,
        race: Race,
        plan: &'p Plan,
        label: &str,
        path: &mut Path,
    ) -> Result<Trial<'p>, Failure>
    where
        'a: 'p,
    {
        let scene = Scene::new(self.world, plan, format!("{race:?} {label}"));
        let shadow = Shadow::new(self.store, &self.world.clients);
        let mut trial = Trial::new(plan, scene, shadow, self.drops);
        match trial.run(path, self.world.issuer()).await {
            Ok(()) => Ok(trial),
            Err(Wrong { steps, broken, promises }) => Err(Failure { race, steps, broken, promises }),
        }
    }
}
