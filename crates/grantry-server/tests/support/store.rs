//! A store around another that counts what is asked of it, and fails when told to.

use core::cell::{Cell, RefCell};

use grantry_server::{Change, ChangeSet, Grant, Lookup, MemoryStoreFull, Outcome, Records, Store};

/// What goes wrong from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Reading fails.
    Read,
    /// Writing fails, and nothing is written.
    Commit,
    /// Writing succeeds, and the answer gets lost.
    CommitAnswer,
    /// Every write meets a conflict.
    Conflict,
    /// Every grant is gone.
    NoGrants,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreFault {
    Down,
    Full(MemoryStoreFull),
}

#[derive(Debug)]
pub(crate) struct CountingStore<S> {
    pub(crate) inner: S,
    pub(crate) reads: Cell<usize>,
    /// Reads that name a grant.
    pub(crate) grant_reads: Cell<usize>,
    pub(crate) commits: Cell<usize>,
    pub(crate) fault: Cell<Option<Fault>>,
    /// The grant that was written last.
    pub(crate) written: RefCell<Option<Grant>>,
}

impl<S> CountingStore<S> {
    pub(crate) const fn new(inner: S) -> Self {
        Self {
            inner,
            reads: Cell::new(0),
            grant_reads: Cell::new(0),
            commits: Cell::new(0),
            fault: Cell::new(None),
            written: RefCell::new(None),
        }
    }

    /// Runs `work` and returns how many reads, reads of a grant and commits it took.
    pub(crate) fn count<T>(&self, work: impl FnOnce() -> T) -> (T, [usize; 3]) {
        self.reads.set(0);
        self.grant_reads.set(0);
        self.commits.set(0);
        let result = work();
        (result, [self.reads.get(), self.grant_reads.get(), self.commits.get()])
    }

    /// Returns the grant that was written last.
    pub(crate) fn last_written(&self) -> Grant {
        self.written.borrow().clone().unwrap()
    }
}

impl<S: Store<Error = MemoryStoreFull>> Store for CountingStore<S> {
    type Error = StoreFault;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, StoreFault> {
        assert!(lookup.issuer.is_some(), "a read does not say which issuer asks: {lookup:?}");
        self.reads.set(self.reads.get() + 1);
        self.grant_reads.set(self.grant_reads.get() + usize::from(lookup.grant.is_some()));
        let mut lookup = *lookup;
        match self.fault.get() {
            Some(Fault::Read) => return Err(StoreFault::Down),
            Some(Fault::NoGrants) => lookup.grant = None,
            Some(Fault::Commit | Fault::CommitAnswer | Fault::Conflict) | None => {}
        }
        self.inner.read(&lookup).map_err(StoreFault::Full)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, StoreFault> {
        self.commits.set(self.commits.get() + 1);
        match self.fault.get() {
            Some(Fault::Commit) => return Err(StoreFault::Down),
            Some(Fault::Conflict) => return Ok(Outcome::Conflict),
            Some(Fault::CommitAnswer | Fault::Read | Fault::NoGrants) | None => {}
        }
        let outcome = self.inner.commit(changes).map_err(StoreFault::Full)?;
        if let (Outcome::Applied, Some(Change::Put { grant, .. })) = (outcome, changes.iter().next()) {
            *self.written.borrow_mut() = Some(grant.clone());
        }
        if self.fault.get() == Some(Fault::CommitAnswer) {
            return Err(StoreFault::Down);
        }
        Ok(outcome)
    }
}

/// A store that adds to what another reads, as a host's own read does.
pub(crate) struct AddingStore<'a, S, F> {
    pub(crate) inner: &'a S,
    pub(crate) add: F,
}

impl<S: Store, F: Fn(Records) -> Records> Store for AddingStore<'_, S, F> {
    type Error = S::Error;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, S::Error> {
        self.inner.read(lookup).map(&self.add)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, S::Error> {
        self.inner.commit(changes)
    }
}
