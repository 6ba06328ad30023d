//! The order in which places were last used.

use alloc::vec::Vec;

/// A list of places, threaded through their neighbours: each change costs the same, however many
/// there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recency {
    links: Vec<Link>,
    newest: Option<usize>,
    oldest: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Link {
    newer: Option<usize>,
    older: Option<usize>,
}

impl Recency {
    /// Returns the place that was not used for the longest time.
    pub(crate) const fn oldest(&self) -> Option<usize> {
        self.oldest
    }

    /// Adds a place that is not in the list, as the newest.
    pub(crate) fn push(&mut self, place: usize) {
        if self.links.len() <= place {
            self.links.resize(place.saturating_add(1), Link::default());
        }
        let older = self.newest.replace(place);
        if let Some(link) = self.links.get_mut(place) {
            *link = Link { newer: None, older };
        }
        match older.and_then(|older| self.links.get_mut(older)) {
            Some(link) => link.newer = Some(place),
            None => self.oldest = Some(place),
        }
    }

    /// Takes a place that is in the list out of it.
    pub(crate) fn remove(&mut self, place: usize) {
        let Some(Link { newer, older }) = self.links.get(place).copied() else {
            return;
        };
        match newer.and_then(|newer| self.links.get_mut(newer)) {
            Some(link) => link.older = older,
            None => self.newest = older,
        }
        match older.and_then(|older| self.links.get_mut(older)) {
            Some(link) => link.newer = newer,
            None => self.oldest = newer,
        }
    }

    /// Makes a place that is in the list the newest.
    pub(crate) fn touch(&mut self, place: usize) {
        if self.newest != Some(place) {
            self.remove(place);
            self.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(mut recency: Recency) -> Vec<usize> {
        let mut order = Vec::new();
        while let Some(oldest) = recency.oldest() {
            recency.remove(oldest);
            order.push(oldest);
        }
        order
    }

    #[test]
    fn the_order_is_that_of_the_last_use() {
        let mut recency = Recency::default();
        assert_eq!(recency.oldest(), None);
        for place in 0..5 {
            recency.push(place);
        }
        recency.touch(0);
        recency.touch(2);
        recency.touch(2);
        recency.touch(1);
        recency.remove(3);
        assert_eq!(drain(recency.clone()), [4, 0, 2, 1]);
        recency.push(3);
        recency.remove(1);
        assert_eq!(drain(recency), [4, 0, 2, 3]);
    }
}
