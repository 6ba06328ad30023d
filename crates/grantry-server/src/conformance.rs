//! The rules of a store, checked on a host's own: run it in the tests of every [`Store`] or [`AsyncStore`].
//!
//! ```
//! use grantry_core::Moment;
//! use grantry_server::{MemoryStore, conformance};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::default();
//! let report = conformance::check(&store, Moment::now()?)?;
//! println!("{report}"); // which rules were checked, and which were not
//! # Ok(())
//! # }
//! ```
//!
//! [`check`] and [`check_async`] need nothing but the store. More rules are checked by a [`Kit`] or an
//! [`AsyncKit`] that is given what no trait of a store has: how to register a client, how to damage a record.
//!
//! ```
//! use core::convert::Infallible;
//!
//! use grantry_core::Moment;
//! use grantry_server::{MemoryStore, conformance::Kit};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::default();
//! let register = |client| {
//!     store.put_client(client);
//!     Ok::<_, Infallible>(())
//! };
//! let kit = Kit::new(&store).with_list().with_sweep().with_race().with_clients(register);
//! let report = kit.check(Moment::now()?)?;
//! for (rule, part) in report.unchecked() {
//!     println!("without {part} nobody knows whether {rule}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **The store has to be disposable.** The kit leaves behind what it wrote, as no store has to delete, and its
//! sweeps drop what others wrote: they run at times up to two days after the moment. All names come from the seed of
//! the moment, so that runs with different seeds meet in one database without harm. A store with a clock of its
//! own needs a moment that is not behind that clock.
//!
//! Whole requests that race, and what is left when one of them fails on its way, are for the [`explore`]r.
//!
//! What cannot be seen from outside is not checked: that what is applied is durable, and that a failure that
//! tears a change set apart leaves nothing of it.

pub mod explore;
mod listing;
mod names;
mod planting;
mod port;
mod racing;
mod rule;
mod scene;
mod sweeping;
mod values;
mod writing;

use alloc::{boxed::Box, vec::Vec};
use core::fmt::{self, Display};

use grantry_core::Moment;

use self::listing::Lists;
use self::planting::Plants;
use self::port::{Asynchronous, Blocking, Parts, drive};
use self::racing::Races;
use self::rule::Mismatch;
use self::scene::Scene;
use self::sweeping::Sweeps;
use crate::client::Client;
use crate::grant::GrantId;
use crate::grant_list::{AsyncGrantList, GrantList};
use crate::store::{AsyncStore, Store};
use crate::sweep::{AsyncSweep, Sweep};

pub use self::rule::{Failure, Part, Report, Rule};

/// Checks a blocking store: reads, commits, lists and a race of threads.
///
/// # Errors
///
/// [`Failure`] with the first rule that the store breaks.
pub fn check<S>(store: &S, moment: Moment) -> Result<Report, Failure>
where
    S: Store<Error: Display> + GrantList + Sync + ?Sized,
{
    Kit::new(store).with_list().with_race().check(moment)
}

/// Checks an asynchronous store: reads, commits, lists and a race of calls.
///
/// The future is not `Send`: block on it.
///
/// # Errors
///
/// [`Failure`] with the first rule that the store breaks.
pub async fn check_async<S>(store: &S, moment: Moment) -> Result<Report, Failure>
where
    S: AsyncStore<Error: Display> + AsyncGrantList + ?Sized,
{
    AsyncKit::new(store).with_list().with_race().check(moment).await
}

/// A blocking store and what else is checked of it.
pub struct Kit<'s, S: ?Sized> {
    store: &'s S,
    parts: Parts<'s>,
}

impl<'s, S: Store<Error: Display> + ?Sized> Kit<'s, S> {
    /// Takes the store to read and commit.
    #[must_use]
    pub fn new(store: &'s S) -> Self {
        Self { store, parts: Parts::of(Blocking(store)) }
    }

    /// Checks lists, too.
    #[must_use]
    pub fn with_list(mut self) -> Self
    where
        S: GrantList,
    {
        self.parts.list = Some(Box::new(Blocking(self.store)));
        self
    }

    /// Checks sweeps, too.
    #[must_use]
    pub fn with_sweep(mut self) -> Self
    where
        S: Sweep,
    {
        self.parts.sweep = Some(Box::new(Blocking(self.store)));
        self
    }

    /// Checks commits in parallel, too, in eight threads that the kit starts and waits for.
    #[must_use]
    pub fn with_race(mut self) -> Self
    where
        S: Sync,
    {
        self.parts.race = Some(Box::new(Blocking(self.store)));
        self
    }

    /// Checks clients, too, with a function that registers one, in the place of the one of that id.
    #[must_use]
    pub fn with_clients<E: Display>(mut self, register: impl Fn(Client) -> Result<(), E> + 's) -> Self {
        self.parts.clients = Some(Box::new(Blocking(register)));
        self
    }

    /// Checks records that cannot be read, too, with a function that overwrites the bytes of a stored grant and
    /// nothing else of it.
    #[must_use]
    pub fn with_plant<E: Display>(mut self, plant: impl Fn(GrantId, Vec<u8>) -> Result<(), E> + 's) -> Self {
        self.parts.plant = Some(Box::new(Blocking(plant)));
        self
    }

    /// Checks all rules that the kit was given the parts for.
    ///
    /// # Errors
    ///
    /// [`Failure`] with the first rule that the store breaks.
    pub fn check(self, moment: Moment) -> Result<Report, Failure> {
        drive(every_rule(self.parts, moment))
    }
}

impl<S: ?Sized> fmt::Debug for Kit<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit").finish_non_exhaustive()
    }
}

/// An asynchronous store and what else is checked of it.
pub struct AsyncKit<'s, S: ?Sized> {
    store: &'s S,
    parts: Parts<'s>,
}

impl<'s, S: AsyncStore<Error: Display> + ?Sized> AsyncKit<'s, S> {
    /// Takes the store to read and commit.
    #[must_use]
    pub fn new(store: &'s S) -> Self {
        Self { store, parts: Parts::of(Asynchronous(store)) }
    }

    /// Checks lists, too.
    #[must_use]
    pub fn with_list(mut self) -> Self
    where
        S: AsyncGrantList,
    {
        self.parts.list = Some(Box::new(Asynchronous(self.store)));
        self
    }

    /// Checks sweeps, too.
    #[must_use]
    pub fn with_sweep(mut self) -> Self
    where
        S: AsyncSweep,
    {
        self.parts.sweep = Some(Box::new(Asynchronous(self.store)));
        self
    }

    /// Checks commits in parallel, too: eight calls are under way at once, in one task.
    ///
    /// They run at the same time where the store's work is done by others, as by a database. A store that does
    /// it in its own futures is raced better in threads: by a [`Store`] that blocks on each call, in a [`Kit`].
    #[must_use]
    pub fn with_race(mut self) -> Self {
        self.parts.race = Some(Box::new(Asynchronous(self.store)));
        self
    }

    /// Checks clients, too, with a function that registers one, in the place of the one of that id.
    #[must_use]
    pub fn with_clients<E: Display>(mut self, register: impl AsyncFn(Client) -> Result<(), E> + 's) -> Self {
        self.parts.clients = Some(Box::new(Asynchronous(register)));
        self
    }

    /// Checks records that cannot be read, too, with a function that overwrites the bytes of a stored grant and
    /// nothing else of it.
    #[must_use]
    pub fn with_plant<E: Display>(
        mut self,
        plant: impl AsyncFn(GrantId, Vec<u8>) -> Result<(), E> + 's,
    ) -> Self {
        self.parts.plant = Some(Box::new(Asynchronous(plant)));
        self
    }

    /// Checks all rules that the kit was given the parts for. The future is not `Send`: block on it.
    ///
    /// # Errors
    ///
    /// [`Failure`] with the first rule that the store breaks.
    pub async fn check(self, moment: Moment) -> Result<Report, Failure> {
        every_rule(self.parts, moment).await
    }
}

impl<S: ?Sized> fmt::Debug for AsyncKit<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncKit").finish_non_exhaustive()
    }
}

async fn every_rule(parts: Parts<'_>, moment: Moment) -> Result<Report, Failure> {
    let mut report = Report::default();
    let named = |mismatch| Failure::new(Rule::AbsentIsAbsent, mismatch);
    let mut scene = Scene::new(parts, moment).map_err(named)?;
    for rule in Rule::ALL {
        scene.rule = rule;
        match one_rule(&scene, rule).await {
            Ok(()) => report.checked.push(rule),
            Err(Stop::Without(part)) => report.unchecked.push((rule, part)),
            Err(Stop::Broken(mismatch)) => return Err(Failure::new(rule, mismatch)),
        }
    }
    Ok(report)
}

async fn one_rule(scene: &Scene<'_>, rule: Rule) -> Result<(), Stop> {
    let Parts { list, sweep, plant, clients, race, .. } = &scene.parts;
    let list = list.as_deref();
    let lists = || list.map(|list| Lists { scene, list }).ok_or(Stop::Without(Part::List));
    let sweeps = || sweep.as_deref().map(|sweep| Sweeps { scene, sweep }).ok_or(Stop::Without(Part::Sweep));
    let plants =
        || plant.as_deref().map(|plant| Plants { scene, plant, list }).ok_or(Stop::Without(Part::Plant));
    let clients = || clients.as_deref().ok_or(Stop::Without(Part::Clients));
    let races = || race.as_deref().map(|race| Races { scene, race }).ok_or(Stop::Without(Part::Race));
    match rule {
        Rule::AbsentIsAbsent => writing::absent_is_absent(scene).await?,
        Rule::ReadAsWritten => writing::read_as_written(scene).await?,
        Rule::EachKeyForItself => writing::each_key_for_itself(scene).await?,
        Rule::VersionsCount => writing::versions_count(scene).await?,
        Rule::InsertOnce => writing::insert_once(scene).await?,
        Rule::StaleVersion => writing::stale_version(scene).await?,
        Rule::NothingToReplace => writing::nothing_to_replace(scene).await?,
        Rule::ClaimOnce => writing::claim_once(scene).await?,
        Rule::AllOrNone => writing::all_or_none(scene).await?,
        Rule::IdsApart => values::ids_apart(scene).await?,
        Rule::LargestTimes => values::largest_times(scene).await?,
        Rule::PastTimes => values::past_times(scene).await?,
        Rule::LargeRecord => values::large_record(scene).await?,
        Rule::ClientAsRegistered => names::client_as_registered(scene, clients()?).await?,
        Rule::ListsTheirOwn => lists()?.list_their_own().await?,
        Rule::ListsInPages => lists()?.list_in_pages().await?,
        Rule::ListsAreBounded => lists()?.are_bounded().await?,
        Rule::ListsEnded => lists()?.list_ended().await?,
        Rule::ListsFollow => lists()?.follow().await?,
        Rule::NamesApart => lists()?.tell_names_apart().await?,
        Rule::SweepKeeps => sweeps()?.keep().await?,
        Rule::SweepFollows => sweeps()?.follow().await?,
        Rule::SweepRemoves => sweeps()?.remove().await?,
        Rule::SweepIsBounded => sweeps()?.are_bounded().await?,
        Rule::SweepHints => sweeps()?.hint().await?,
        Rule::CorruptIsRefused => plants()?.corrupt_is_refused().await?,
        Rule::NewerIsRefused => plants()?.newer_is_refused().await?,
        Rule::OneWriterWins => races()?.one_writer_wins().await?,
        Rule::OneClaimWins => races()?.one_claim_wins().await?,
        Rule::WholeRecords => races()?.whole_records().await?,
    }
    Ok(())
}

/// Why a rule is not known to be kept.
enum Stop {
    Broken(Mismatch),
    Without(Part),
}

impl From<Mismatch> for Stop {
    fn from(mismatch: Mismatch) -> Self {
        Self::Broken(mismatch)
    }
}
