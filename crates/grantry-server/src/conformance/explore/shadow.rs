//! The host's store, with a model beside it that is told the same and has to answer the same.

use alloc::{collections::BTreeMap, string::String, sync::Arc};
use core::future::poll_fn;
use core::task::Poll;

use grantry_core::ClientId;

use super::model::Model;
use super::report::Broken;
use crate::client::Client;
use crate::conformance::port::{Answer, ReadAndCommit};
use crate::decision::{ChangeSet, Outcome};
use crate::operation::{Lookup, Records};

/// What happens to one commit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It never reaches the store.
    Before,
    /// The store has answered, and nobody hears it.
    After,
    /// Its future is dropped when it has been pending so often.
    Dropped(usize),
}

/// What is heard of a commit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    Outcome(Outcome),
    /// Nothing, after the store came to this.
    Lost(Outcome),
    /// Nothing, and what the store came to is not known.
    Nothing,
}

pub(super) struct Shadow<'a> {
    store: &'a dyn ReadAndCommit,
    clients: &'a BTreeMap<ClientId, Arc<Client>>,
    model: Model,
    /// Dropped under way: it may be applied now, later or never.
    dropped: Option<ChangeSet>,
    /// The first thing that the store did otherwise.
    pub(super) broken: Option<Broken>,
    pub(super) calls: u64,
    pub(super) conflicts: u64,
    /// How often a commit was pending at most.
    pub(super) waits: usize,
}

impl<'a> Shadow<'a> {
    pub(super) fn new(store: &'a dyn ReadAndCommit, clients: &'a BTreeMap<ClientId, Arc<Client>>) -> Self {
        Self {
            store,
            clients,
            model: Model::default(),
            dropped: None,
            broken: None,
            calls: 0,
            conflicts: 0,
            waits: 0,
        }
    }

    /// Reads, with the clients of the explorer's own. `None` where the store fails.
    pub(super) async fn read(&mut self, lookup: &Lookup<'_>) -> Option<Records> {
        let records = match Self::of_store(lookup) {
            Some(lookup) => self.ask(&lookup).await?,
            None => Records::new(),
        };
        Some(self.with_client(lookup, records))
    }

    /// What of a lookup the store is asked for.
    pub(super) fn of_store<'l>(lookup: &Lookup<'l>) -> Option<Lookup<'l>> {
        let lookup = Lookup { client: None, client_secret: None, ..*lookup };
        (!lookup.is_empty()).then_some(lookup)
    }

    pub(super) fn with_client(&self, lookup: &Lookup<'_>, mut records: Records) -> Records {
        records.client = lookup.client.and_then(|id| self.clients.get(id)).cloned();
        records
    }

    async fn ask(&mut self, lookup: &Lookup<'_>) -> Option<Records> {
        self.calls += 1;
        match self.store.read(lookup).await {
            Ok(records) => {
                if self.model.difference(lookup, &records).is_some() {
                    self.settle();
                }
                if let Some((expected, seen)) = self.model.difference(lookup, &records) {
                    self.note(Broken::new(expected, seen));
                }
                Some(records)
            }
            Err(error) => {
                self.note(Broken::of_error(&error));
                None
            }
        }
    }

    pub(super) async fn commit(&mut self, changes: &ChangeSet, fault: Option<Fault>) -> Heard {
        let patience = match fault {
            Some(Fault::Before) => return Heard::Nothing,
            Some(Fault::Dropped(times)) => times,
            Some(Fault::After) | None => usize::MAX,
        };
        self.calls += 1;
        let (answer, waits) = while_patient(self.store.commit(changes), patience).await;
        self.waits = self.waits.max(waits);
        let Some(answer) = answer else {
            self.dropped = Some(changes.clone());
            return Heard::Nothing;
        };
        match answer {
            Ok(outcome) => {
                self.compare(changes, outcome);
                if fault.is_some() { Heard::Lost(outcome) } else { Heard::Outcome(outcome) }
            }
            Err(error) => {
                self.note(Broken::of_error(&error));
                Heard::Nothing
            }
        }
    }

    fn compare(&mut self, changes: &ChangeSet, outcome: Outcome) {
        if self.model.outcome(changes) != outcome {
            self.settle();
        }
        let expected = self.model.commit(changes);
        if let Err(broken) = Broken::unless_equal(&expected, &outcome) {
            self.note(broken);
        }
        match outcome {
            Outcome::Applied => {}
            Outcome::Conflict => self.conflicts += 1,
        }
    }

    /// Takes it that what was dropped is applied after all.
    fn settle(&mut self) {
        if let Some(changes) = self.dropped.take() {
            let _ = self.model.commit(&changes);
        }
    }

    fn note(&mut self, broken: Broken) {
        self.broken.get_or_insert(broken);
    }
}

/// Waits until a future was pending so often, and drops it then. Returns how often it was.
async fn while_patient<T>(mut answer: Answer<'_, T>, patience: usize) -> (Option<Result<T, String>>, usize) {
    let mut waits: usize = 0;
    poll_fn(move |context| match answer.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready((Some(result), waits)),
        Poll::Pending => {
            waits = waits.saturating_add(1);
            if waits < patience { Poll::Pending } else { Poll::Ready((None, waits)) }
        }
    })
    .await
}
