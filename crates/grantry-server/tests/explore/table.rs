//! A small store, and what a hasty one does otherwise.

use core::cell::{Cell, RefCell};
use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::{BTreeMap, BTreeSet};

use grantry_core::UnixTime;
use grantry_server::{
    AsyncStore, Change, ChangeSet, ClaimId, Grant, GrantId, Lookup, Outcome, Records, Store, Version,
};

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// An insert replaces.
    InsertReplaces,
    /// A replacement asks for no version.
    VersionIsIgnored,
    /// A record that ended is replaced at any version.
    EndedIsReplaced,
    /// Of versions only the last bit is compared.
    VersionHasOneBit,
    /// The version is compared with the one that was read last, by whomever.
    ComparesWhatWasRead,
    /// The version of a replaced record stays.
    VersionStays,
    /// Of a replaced record only the version is written.
    KeepsTheBytes,
    /// A replacement is acknowledged before it is written, and is not.
    AppliedIsNotWritten,
    /// A conflict is noticed behind the write.
    ConflictIsWritten,
    /// The commit is sent again after it was applied, and meets itself.
    AppliedIsConflict,
    /// Changes are written one by one, up to the one that does not hold.
    OneByOne,
    /// Identifiers are not kept.
    ClaimsAreForgotten,
    /// Reads come from a cache that no write reaches.
    ReadsAreCached,
    /// A conflict is the failure that the engine makes of it.
    ConflictIsAnError,
    /// A conflict undoes the write of who came first.
    ConflictRollsBack,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    #[error("could not serialize access")]
    Serialization,
    #[error("the table is locked")]
    Locked,
}

#[derive(Clone)]
struct Row {
    version: Version,
    grant: Grant,
}

#[derive(Default)]
pub(crate) struct Table {
    bug: Option<Bug>,
    rows: RefCell<BTreeMap<GrantId, Row>>,
    before: RefCell<BTreeMap<GrantId, Row>>,
    claims: RefCell<BTreeSet<ClaimId>>,
    read: RefCell<BTreeMap<GrantId, Row>>,
}

impl Table {
    pub(crate) fn new(bug: Option<Bug>) -> Self {
        Self { bug, ..Self::default() }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    fn holds(&self, change: &Change) -> bool {
        let (id, expected) = match change {
            Change::Claim { id, .. } => return !self.claims.borrow().contains(id),
            Change::Put { expected, grant } => (grant.id(), *expected),
        };
        let is_ended = |row: &Row| !row.grant.is_open(NOW) && !row.grant.is_active(NOW);
        let bit = |version: Version| version.as_number() % 2;
        let version = |rows: &RefCell<BTreeMap<GrantId, Row>>| rows.borrow().get(&id).map(|row| row.version);
        match (self.bug, expected) {
            (Some(Bug::InsertReplaces), None) | (Some(Bug::VersionIsIgnored), Some(_)) => true,
            (Some(Bug::ComparesWhatWasRead), Some(_)) => version(&self.read) == expected,
            (Some(Bug::EndedIsReplaced), Some(_)) if self.rows.borrow().get(&id).is_some_and(is_ended) => {
                true
            }
            (Some(Bug::VersionHasOneBit), _) => version(&self.rows).map(bit) == expected.map(bit),
            _ => version(&self.rows) == expected,
        }
    }

    fn write(&self, change: &Change) {
        let grant = match change {
            Change::Claim { id, .. } => {
                if !self.has(Bug::ClaimsAreForgotten) {
                    self.claims.borrow_mut().insert(*id);
                }
                return;
            }
            Change::Put { grant, .. } => grant,
        };
        let mut rows = self.rows.borrow_mut();
        let row = match rows.remove(&grant.id()) {
            None => Row { version: Version::FIRST, grant: grant.clone() },
            Some(row) => {
                self.before.borrow_mut().insert(grant.id(), row.clone());
                match self.bug {
                    Some(Bug::AppliedIsNotWritten) => row,
                    Some(Bug::VersionStays) => Row { grant: grant.clone(), ..row },
                    Some(Bug::KeepsTheBytes) => Row { version: row.version.next(), ..row },
                    _ => Row { version: row.version.next(), grant: grant.clone() },
                }
            }
        };
        rows.insert(grant.id(), row);
    }

    fn roll_back(&self, changes: &ChangeSet) {
        for change in changes.iter() {
            if let Change::Put { grant, .. } = change {
                let before = self.before.borrow().get(&grant.id()).cloned();
                before.into_iter().for_each(|row| {
                    self.rows.borrow_mut().insert(grant.id(), row);
                });
            }
        }
    }
}

impl Store for Table {
    type Error = TableError;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, TableError> {
        let mut records = Records::new();
        let claims = self.claims.borrow();
        if lookup.claim.is_some_and(|id| claims.contains(&id)) {
            records = records.with_claim_seen();
        }
        if lookup.assertion.is_some_and(|id| claims.contains(&id)) {
            records = records.with_assertion_seen();
        }
        let Some(id) = lookup.grant else { return Ok(records) };
        let cached = self.read.borrow().get(&id).filter(|_| self.has(Bug::ReadsAreCached)).cloned();
        let row = cached.or_else(|| self.rows.borrow().get(&id).cloned());
        Ok(row.into_iter().fold(records, |records, row| {
            self.read.borrow_mut().insert(id, row.clone());
            records.with_grant(row.grant, row.version)
        }))
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, TableError> {
        let is_replacement = |change: &Change| matches!(change, Change::Put { expected: Some(_), .. });
        if changes.iter().all(|change| self.holds(change)) {
            changes.iter().for_each(|change| self.write(change));
            let meets_itself = self.has(Bug::AppliedIsConflict) && changes.iter().any(is_replacement);
            return Ok(if meets_itself { Outcome::Conflict } else { Outcome::Applied });
        }
        match self.bug {
            Some(Bug::OneByOne) => {
                changes.iter().take_while(|change| self.holds(change)).for_each(|change| self.write(change));
            }
            Some(Bug::ConflictIsWritten) => changes.iter().for_each(|change| self.write(change)),
            Some(Bug::ConflictIsAnError) => return Err(TableError::Serialization),
            Some(Bug::ConflictRollsBack) => self.roll_back(changes),
            _ => {}
        }
        Ok(Outcome::Conflict)
    }
}

/// What a commit that is dropped half way leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemoteBug {
    /// None: the server goes on with what it was sent, behind the next read.
    NoneButLate,
    /// Changes are applied before their versions are compared, and taken back behind that.
    TakesBack,
    /// The lock stays taken.
    StaysLocked,
    /// The claims of a set are written before its grant.
    InTwoSteps,
}

/// A table behind a network, where every call waits once.
pub(crate) struct Remote {
    table: Table,
    bug: Option<RemoteBug>,
    is_locked: Cell<bool>,
    sent: RefCell<Option<ChangeSet>>,
}

impl Remote {
    pub(crate) fn new(bug: Option<RemoteBug>) -> Self {
        Self { table: Table::new(None), bug, is_locked: Cell::new(false), sent: RefCell::default() }
    }
}

impl AsyncStore for Remote {
    type Error = TableError;

    async fn read(&self, lookup: &Lookup<'_>) -> Result<Records, TableError> {
        if self.is_locked.get() {
            return Err(TableError::Locked);
        }
        Wait::default().await;
        let records = self.table.read(lookup);
        if let Some(sent) = self.sent.take() {
            let _ = self.table.commit(&sent);
        }
        records
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Outcome, TableError> {
        match self.bug {
            None => {
                Wait::default().await;
                self.table.commit(changes)
            }
            Some(RemoteBug::NoneButLate) => {
                let earlier = self.sent.replace(Some(changes.clone()));
                earlier.into_iter().for_each(|sent| {
                    let _ = self.table.commit(&sent);
                });
                Wait::default().await;
                self.sent.take();
                self.table.commit(changes)
            }
            Some(RemoteBug::StaysLocked) => {
                self.is_locked.set(true);
                Wait::default().await;
                self.is_locked.set(false);
                self.table.commit(changes)
            }
            Some(RemoteBug::TakesBack) => {
                let holds = changes.iter().all(|change| self.table.holds(change));
                changes.iter().for_each(|change| self.table.write(change));
                Wait::default().await;
                if holds {
                    return Ok(Outcome::Applied);
                }
                self.table.roll_back(changes);
                Ok(Outcome::Conflict)
            }
            Some(RemoteBug::InTwoSteps) => {
                if !changes.iter().all(|change| self.table.holds(change)) {
                    return Ok(Outcome::Conflict);
                }
                changes.iter().take(1).for_each(|change| self.table.write(change));
                Wait::default().await;
                changes.iter().skip(1).for_each(|change| self.table.write(change));
                Ok(Outcome::Applied)
            }
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
