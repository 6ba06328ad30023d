//! Which grants a person and a client have.

use alloc::{collections::BTreeSet, vec::Vec};
use core::ops::Bound;

use grantry_core::ClientId;

use crate::grant::{Grant, GrantId, Subject};
use crate::grant_list::{GrantsOf, MAX_LISTED_GRANTS};

/// The ids of the grants of each name. An entry shares the text of its grant.
#[derive(Default)]
pub(super) struct Index {
    by_client: BTreeSet<(ClientId, GrantId)>,
    by_subject: BTreeSet<(Subject, GrantId)>,
}

impl Index {
    pub(super) fn insert(&mut self, grant: &Grant) {
        self.by_client.insert((grant.client_id().clone(), grant.id()));
        self.by_subject.extend(grant.subject().map(|subject| (subject.clone(), grant.id())));
    }

    pub(super) fn remove(&mut self, grant: &Grant) {
        self.by_client.remove(&(grant.client_id().clone(), grant.id()));
        if let Some(subject) = grant.subject() {
            self.by_subject.remove(&(subject.clone(), grant.id()));
        }
    }

    /// The next ids of a name in their order, after one of them.
    pub(super) fn page(&self, of: GrantsOf<'_>, after: Option<GrantId>) -> Vec<GrantId> {
        match of {
            GrantsOf::Subject(_, subject) | GrantsOf::SubjectAtClient(_, subject, _) => {
                page(&self.by_subject, subject, after)
            }
            GrantsOf::Client(_, client_id) => page(&self.by_client, client_id, after),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.by_client.len(), self.by_subject.len())
    }
}

fn page<N: Clone + Ord>(entries: &BTreeSet<(N, GrantId)>, name: &N, after: Option<GrantId>) -> Vec<GrantId> {
    let start = match after {
        Some(after) => Bound::Excluded((name.clone(), after)),
        None => Bound::Included((name.clone(), FIRST_ID)),
    };
    let rest = entries.range((start, Bound::Unbounded)).take_while(|(filed, _)| filed == name);
    rest.map(|(_, id)| *id).take(MAX_LISTED_GRANTS).collect()
}

const FIRST_ID: GrantId = GrantId::from_bytes([0; 16]);
