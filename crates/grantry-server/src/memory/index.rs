//! Which grants a person and a client have.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::ops::Bound;

use grantry_core::ClientId;

use crate::grant::{Grant, GrantId, Subject};
use crate::grant_list::{GrantsOf, MAX_LISTED_GRANTS};

/// The ids of the grants of each name. An entry shares the text of its grant.
#[derive(Default)]
pub(super) struct Index {
    /// A client has many.
    by_client: BTreeMap<ClientId, BTreeSet<GrantId>>,
    /// A person has few.
    by_subject: BTreeSet<(Subject, GrantId)>,
}

impl Index {
    pub(super) fn insert(&mut self, grant: &Grant) {
        self.by_client.entry(grant.client_id().clone()).or_default().insert(grant.id());
        self.by_subject.extend(grant.subject().map(|subject| (subject.clone(), grant.id())));
    }

    pub(super) fn remove(&mut self, grant: &Grant) {
        if let Some(ids) = self.by_client.get_mut(grant.client_id()) {
            ids.remove(&grant.id());
            if ids.is_empty() {
                self.by_client.remove(grant.client_id());
            }
        }
        if let Some(subject) = grant.subject() {
            self.by_subject.remove(&(subject.clone(), grant.id()));
        }
    }

    /// The next ids of a name in their order, after one of them.
    pub(super) fn page(&self, of: GrantsOf<'_>, after: Option<GrantId>) -> Vec<GrantId> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        match of {
            GrantsOf::Client(_, client_id) => {
                let ids = self.by_client.get(client_id).into_iter();
                ids.flat_map(|ids| ids.range((start, Bound::Unbounded)))
                    .copied()
                    .take(MAX_LISTED_GRANTS)
                    .collect()
            }
            GrantsOf::Subject(_, subject) | GrantsOf::SubjectAtClient(_, subject, _) => {
                let first = Bound::Included((subject.clone(), FIRST_ID));
                let start = after.map_or(first, |after| Bound::Excluded((subject.clone(), after)));
                let rest = self.by_subject.range((start, Bound::Unbounded));
                let own = rest.take_while(|(filed, _)| filed == subject);
                own.map(|(_, id)| *id).take(MAX_LISTED_GRANTS).collect()
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.by_client.values().map(BTreeSet::len).sum(), self.by_subject.len())
    }
}

const FIRST_ID: GrantId = GrantId::from_bytes([0; 16]);
