//! What is known of a token, by its digest.

use alloc::vec::Vec;

use grantry_core::UnixTime;
use ring::digest::{SHA256, digest};

/// A bounded store of values by token, each with its end. It holds no token.
///
/// It is made of rows; the digest of a token names its row. So each call looks at one row and at nothing else,
/// whatever is in the others, and a call that finds something allocates nothing.
pub(crate) struct Remembered<V> {
    rows: Vec<Vec<Entry<V>>>,
    row_length: usize,
    /// Counts the uses, to find the entry of a row that was not used for the longest time.
    uses: u64,
}

struct Entry<V> {
    token: Digest,
    kept_at: UnixTime,
    until: UnixTime,
    last_use: u64,
    value: V,
}

impl<V> Remembered<V> {
    /// The most values, whatever is asked for.
    pub(crate) const MAX_CAPACITY: usize = 1 << 20;

    const ROW_LENGTH: usize = 8;

    /// Makes an empty store for so many values, up to [`Remembered::MAX_CAPACITY`] and down to a multiple of the
    /// length of a row.
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.min(Self::MAX_CAPACITY);
        let row_length = capacity.min(Self::ROW_LENGTH);
        let rows = capacity.checked_div(row_length).unwrap_or(0);
        Self { rows: core::iter::repeat_with(Vec::new).take(rows).collect(), row_length, uses: 0 }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.rows.len().saturating_mul(self.row_length)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.iter().map(Vec::len).sum()
    }

    /// Finds the value of a token whose time has come and is not over. A clock that was set back to before the
    /// value was kept finds nothing: nobody knows how old the value is.
    pub(crate) fn find(&mut self, token: &Digest, now: UnixTime) -> Option<&V> {
        self.uses = self.uses.saturating_add(1);
        let last_use = self.uses;
        let entry = self.row(token)?.iter_mut().find(|entry| entry.token == *token)?;
        if !entry.is_current(now) {
            return None;
        }
        entry.last_use = last_use;
        Some(&entry.value)
    }

    /// Keeps the value of a token until its time is over, in place of what is over, of an earlier value, or of
    /// the one of its row that was not used for the longest time.
    pub(crate) fn keep(&mut self, token: Digest, value: V, until: UnixTime, now: UnixTime) {
        self.uses = self.uses.saturating_add(1);
        let (last_use, row_length) = (self.uses, self.row_length);
        let Some(row) = self.row(&token) else { return };
        row.retain(|entry| entry.is_current(now) && entry.token != token);
        if row.len() >= row_length {
            let oldest = row.iter().enumerate().min_by_key(|(_, entry)| entry.last_use);
            if let Some(place) = oldest.map(|(place, _)| place) {
                row.swap_remove(place);
            }
        }
        if now < until {
            row.push(Entry { token, kept_at: now, until, last_use, value });
        }
    }

    pub(crate) fn forget(&mut self, token: &Digest) {
        if let Some(row) = self.row(token) {
            row.retain(|entry| entry.token != *token);
        }
    }

    pub(crate) fn retain(&mut self, mut is_kept: impl FnMut(&V) -> bool) {
        self.rows.iter_mut().for_each(|row| row.retain(|entry| is_kept(&entry.value)));
    }

    pub(crate) fn clear(&mut self) {
        self.retain(|_| false);
    }

    fn row(&mut self, token: &Digest) -> Option<&mut Vec<Entry<V>>> {
        let rows = u64::try_from(self.rows.len()).ok()?;
        let place = token.first_word().checked_rem(rows)?;
        self.rows.get_mut(usize::try_from(place).ok()?)
    }
}

impl<V> Entry<V> {
    fn is_current(&self, now: UnixTime) -> bool {
        self.kept_at <= now && now < self.until
    }
}

/// The SHA-256 of a token, or of the part that makes it one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(text: &str) -> Self {
        let mut bytes = [0; 32];
        for (byte, hashed) in bytes.iter_mut().zip(digest(&SHA256, text.as_bytes()).as_ref()) {
            *byte = *hashed;
        }
        Self(bytes)
    }

    fn first_word(&self) -> u64 {
        self.0.first_chunk().copied().map_or(0, u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use proptest::prelude::*;

    use super::*;

    fn token(number: u32) -> Digest {
        Digest::of(&format!("token {number}"))
    }

    const fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    #[test]
    fn a_value_counts_from_when_it_was_kept_to_its_end() {
        let mut known = Remembered::new(8);
        known.keep(token(1), 'a', at(20), at(10));
        assert_eq!(known.find(&token(2), at(10)), None);
        for (now, is_found) in [(9, false), (10, true), (19, true), (20, false), (u64::MAX, false)] {
            assert_eq!(known.find(&token(1), at(now)), is_found.then_some(&'a'), "{now}");
        }
        known.keep(token(3), 'c', at(10), at(10));
        assert_eq!(known.find(&token(3), at(10)), None);
    }

    #[test]
    fn a_later_value_takes_the_place_of_the_earlier() {
        let mut known = Remembered::new(8);
        known.keep(token(1), 'a', at(20), at(10));
        known.keep(token(1), 'b', at(15), at(11));
        assert_eq!((known.find(&token(1), at(12)).copied(), known.len()), (Some('b'), 1));
        assert_eq!(known.find(&token(1), at(16)), None);
        known.keep(token(1), 'c', at(5), at(12));
        assert_eq!(known.len(), 0);
    }

    #[test]
    fn the_value_that_was_not_used_for_the_longest_time_goes() {
        let mut known = Remembered::new(3);
        for number in 1..=3 {
            known.keep(token(number), number, at(20), at(10));
        }
        assert_eq!(known.find(&token(1), at(10)), Some(&1));
        known.keep(token(4), 4, at(20), at(10));
        assert_eq!(
            [1, 2, 3, 4].map(|number| known.find(&token(number), at(10)).is_some()),
            [true, false, true, true]
        );
    }

    #[test]
    fn what_is_over_goes_first() {
        let mut known = Remembered::new(2);
        known.keep(token(1), 1, at(30), at(10));
        known.keep(token(2), 2, at(20), at(10));
        known.keep(token(3), 3, at(30), at(20));
        assert_eq!([1, 2, 3].map(|number| known.find(&token(number), at(20)).is_some()), [true, false, true]);
    }

    #[test]
    fn a_store_for_nothing_keeps_nothing() {
        let mut known = Remembered::new(0);
        known.keep(token(1), 1, at(20), at(10));
        assert_eq!((known.find(&token(1), at(10)).copied(), known.len(), known.capacity()), (None, 0, 0));
        assert_eq!(Remembered::<()>::new(usize::MAX).capacity(), Remembered::<()>::MAX_CAPACITY);
        assert_eq!([1, 7, 8, 15, 16].map(|asked| Remembered::<()>::new(asked).capacity()), [1, 7, 8, 8, 16]);
    }

    proptest! {
        /// Whatever is found is what was kept last for that token, inside its time, and the bound holds.
        #[test]
        fn nothing_is_found_that_was_not_kept(
            capacity in 0_usize..20,
            steps in prop::collection::vec((0_u32..30, 0_u64..50, 0_u64..50), 0..200),
        ) {
            let mut known = Remembered::new(capacity);
            let mut model = alloc::collections::BTreeMap::new();
            for (step, (number, now, life)) in steps.into_iter().enumerate() {
                if let Some((value, kept_at, until)) = known.find(&token(number), at(now)).copied() {
                    prop_assert_eq!(model.get(&number).copied(), Some((value, kept_at, until)));
                    prop_assert!(kept_at <= now && now < until);
                } else {
                    let value = (step, now, now + life);
                    known.keep(token(number), value, at(now + life), at(now));
                    model.insert(number, value);
                }
                prop_assert!(known.len() <= capacity);
            }
        }
    }
}
