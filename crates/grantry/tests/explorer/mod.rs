//! An exhaustive search over the schedules of requests that race on one store.
//!
//! Every racer is a real operation. It takes two kinds of steps that others can come between: it
//! reads, and it commits what it decided over that reading. After a conflict it reads again. At any
//! of its steps a racer may also crash, and a commit may be applied while its answer is lost. The
//! search runs every order of all steps from the same beginning.

use core::cell::RefCell;
use core::convert::Infallible;
use std::collections::{BTreeMap, BTreeSet};

use grantry::core::{ClientId, Moment};
use grantry::server::{
    Change, ChangeSet, Client, Decision, Grant, GrantId, Lookup, Operation, Outcome, Records, Store, Version,
};

/// What the table does with the version that a change expects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discipline {
    /// Compares it, as the contract says.
    Compares,
    /// Overwrites whatever is there, as a broken store would.
    Ignores,
}

/// A store as plain data, so that a search can copy it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Table {
    grants: BTreeMap<GrantId, (Version, Vec<u8>)>,
}

/// The table and its clients behind the store's trait, for what comes before and after a race.
pub(crate) struct TableStore {
    pub(crate) clients: BTreeMap<ClientId, Client>,
    pub(crate) table: RefCell<Table>,
    pub(crate) discipline: Discipline,
}

impl TableStore {
    pub(crate) fn new(clients: impl IntoIterator<Item = Client>) -> Self {
        let clients = clients.into_iter().map(|client| (client.id().clone(), client)).collect();
        let table = RefCell::new(Table { grants: BTreeMap::new() });
        Self { clients, table, discipline: Discipline::Compares }
    }

    pub(crate) fn ignoring_versions(mut self) -> Self {
        self.discipline = Discipline::Ignores;
        self
    }

    /// Another store that begins where this one stands.
    pub(crate) fn copy_at(&self, table: &Table) -> Self {
        let table = RefCell::new(table.clone());
        Self { clients: self.clients.clone(), table, discipline: self.discipline }
    }

    fn records(&self, table: &Table, lookup: &Lookup<'_>) -> Records {
        let mut records = Records::new();
        if let Some(client) = lookup.client.and_then(|id| self.clients.get(id)) {
            records = records.with_client(client.clone());
        }
        if let Some((version, bytes)) = lookup.grant.and_then(|id| table.grants.get(&id)) {
            records = records.with_grant(Grant::from_bytes(bytes).unwrap(), *version);
        }
        records
    }

    fn apply(&self, table: &mut Table, changes: &ChangeSet) -> Outcome {
        for change in changes.iter() {
            let Change::Put { expected, grant } = change else { panic!("no claims in these races") };
            let found = table.grants.get(&grant.id()).map(|(version, _)| *version);
            if self.discipline == Discipline::Compares && found != *expected {
                return Outcome::Conflict;
            }
            let version = found.map_or(Version::FIRST, Version::next);
            table.grants.insert(grant.id(), (version, grant.to_bytes()));
        }
        Outcome::Applied
    }
}

impl Store for TableStore {
    type Error = Infallible;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, Infallible> {
        Ok(self.records(&self.table.borrow(), lookup))
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, Infallible> {
        Ok(self.apply(&mut self.table.borrow_mut(), changes))
    }
}

/// An operation with its moment, and how its reply is summed up.
pub(crate) trait Racer {
    fn lookup(&self) -> Lookup<'_>;
    fn decide(&self, records: &Records) -> Decided;
}

/// A decision with its reply summed up.
#[derive(Clone)]
pub(crate) enum Decided {
    Reply(Seen),
    Commit(ChangeSet, Seen),
}

/// What a racer's client saw.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Seen {
    /// Tokens: the refresh token and the access token.
    Tokens(String, String),
    /// A code.
    Code(String),
    /// A refusal; the name of the rule.
    Refused(String),
    /// A revocation that was confirmed.
    Revoked,
}

pub(crate) struct Racing<O: Operation, F> {
    pub(crate) operation: O,
    pub(crate) moment: Moment,
    pub(crate) sum_up: F,
}

impl<O: Operation, F: Fn(O::Reply) -> Seen> Racer for Racing<O, F> {
    fn lookup(&self) -> Lookup<'_> {
        self.operation.lookup(&self.moment)
    }

    fn decide(&self, records: &Records) -> Decided {
        let decide = || self.operation.decide(records, &self.moment);
        match decide() {
            Decision::Reply(reply) => Decided::Reply((self.sum_up)(reply)),
            Decision::Commit(commit) => {
                // The same decision again: pure, and sealed against a conflict.
                let Decision::Commit(again) = decide() else { panic!("decide is not pure") };
                assert_eq!(again.changes(), commit.changes(), "decide is not pure");
                assert!(again.resolve(Outcome::Conflict).is_err(), "a reply without its commit");
                let changes = commit.changes().clone();
                let reply = commit.resolve(Outcome::Applied).expect("an applied commit has a reply");
                Decided::Commit(changes, (self.sum_up)(reply))
            }
            _ => panic!("a decision that the explorer does not know"),
        }
    }
}

/// Where one racer stands. The reading is kept as its table: deciding over it is pure.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Start,
    Read(Table),
    Done(Seen),
    Crashed,
    /// The commit was applied, and nobody was told.
    ReplyLost,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    table: Table,
    racers: Vec<At>,
    crashes_left: usize,
}

/// One complete schedule.
pub(crate) struct Ending<'a> {
    pub(crate) table: &'a Table,
    /// What each racer's client saw; `None` for one that crashed or whose reply was lost.
    pub(crate) seen: Vec<Option<Seen>>,
}

/// What a search went through.
#[derive(Debug, Default)]
pub(crate) struct Count {
    pub(crate) schedules: usize,
    pub(crate) states: usize,
    pub(crate) conflicts: usize,
}

pub(crate) struct Explorer<'a> {
    pub(crate) store: &'a TableStore,
    pub(crate) racers: Vec<Box<dyn Racer + 'a>>,
    /// How many racers may crash or lose their reply in one schedule.
    pub(crate) crashes: usize,
}

impl Explorer<'_> {
    /// Runs every schedule and hands each ending to `check`.
    pub(crate) fn search(&self, mut check: impl FnMut(&Ending<'_>)) -> Count {
        let beginning = Position {
            table: self.store.table.borrow().clone(),
            racers: self.racers.iter().map(|_| At::Start).collect(),
            crashes_left: self.crashes,
        };
        let mut search = Search {
            explorer: self,
            decided: BTreeMap::new(),
            states: BTreeSet::new(),
            count: Count::default(),
        };
        search.visit(&beginning, &mut check);
        Count { states: search.states.len(), ..search.count }
    }
}

struct Search<'a, 'b> {
    explorer: &'a Explorer<'b>,
    decided: BTreeMap<(usize, Table), Decided>,
    states: BTreeSet<Position>,
    count: Count,
}

impl Search<'_, '_> {
    fn visit(&mut self, position: &Position, check: &mut impl FnMut(&Ending<'_>)) {
        self.states.insert(position.clone());
        let running: Vec<usize> = position
            .racers
            .iter()
            .enumerate()
            .filter(|(_, at)| matches!(at, At::Start | At::Read(_)))
            .map(|(index, _)| index)
            .collect();
        if running.is_empty() {
            self.count.schedules += 1;
            let seen = |at: &At| match at {
                At::Done(seen) => Some(seen.clone()),
                At::Start | At::Read(_) | At::Crashed | At::ReplyLost => None,
            };
            check(&Ending { table: &position.table, seen: position.racers.iter().map(seen).collect() });
            return;
        }
        for racer in running {
            for next in self.steps(position, racer) {
                self.visit(&next, check);
            }
        }
    }

    fn steps(&mut self, position: &Position, racer: usize) -> Vec<Position> {
        let mut next = vec![self.step(position, racer)];
        if position.crashes_left > 0 {
            let crashed = |at: At, table: &Table| {
                let mut crashed = position.clone();
                crashed.racers[racer] = at;
                crashed.table = table.clone();
                crashed.crashes_left -= 1;
                crashed
            };
            let applied = next[0].table != position.table;
            next.push(crashed(At::Crashed, &position.table));
            if applied {
                let table = next[0].table.clone();
                next.push(crashed(At::ReplyLost, &table));
            }
        }
        next
    }

    fn step(&mut self, position: &Position, racer: usize) -> Position {
        let mut next = position.clone();
        next.racers[racer] = match &position.racers[racer] {
            At::Start => {
                let reading = position.table.clone();
                match self.decided(racer, &reading) {
                    Decided::Reply(seen) => At::Done(seen),
                    Decided::Commit(..) => At::Read(reading),
                }
            }
            At::Read(reading) => {
                let Decided::Commit(changes, seen) = self.decided(racer, reading) else {
                    panic!("decide is not pure")
                };
                match self.explorer.store.apply(&mut next.table, &changes) {
                    Outcome::Applied => At::Done(seen),
                    Outcome::Conflict => {
                        self.count.conflicts += 1;
                        At::Start
                    }
                }
            }
            at @ (At::Done(_) | At::Crashed | At::ReplyLost) => at.clone(),
        };
        next
    }

    fn decided(&mut self, racer: usize, reading: &Table) -> Decided {
        let key = (racer, reading.clone());
        let explorer = self.explorer;
        let decide = || {
            let racer = &explorer.racers[racer];
            racer.decide(&explorer.store.records(reading, &racer.lookup()))
        };
        self.decided.entry(key).or_insert_with(decide).clone()
    }
}
