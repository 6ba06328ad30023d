//! Key ids that an issuer was asked for and did not have.

use alloc::vec::Vec;
use core::time::Duration;

use ring::digest;

/// The SHA-256 of a `kid`, which itself can be as long as a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyIdDigest([u8; 32]);

impl KeyIdDigest {
    pub(crate) fn of(key_id: &str) -> Self {
        let mut bytes = [0; 32];
        let digest = digest::digest(&digest::SHA256, key_id.as_bytes());
        for (byte, hashed) in bytes.iter_mut().zip(digest.as_ref()) {
            *byte = *hashed;
        }
        Self(bytes)
    }

    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A bounded list, oldest first, each with the time up to which it counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnknownKeys {
    entries: Vec<(KeyIdDigest, Duration)>,
}

impl UnknownKeys {
    /// The most entries. One fetch adds one, so there are no more than `unknown_key_age` holds
    /// cool-downs: two by default. Beyond the limit the oldest goes.
    pub(crate) const MAX: usize = 64;

    /// Returns until when the key id counts as unknown.
    pub(crate) fn until(&self, key_id: KeyIdDigest, now: Duration) -> Option<Duration> {
        let entry = self.entries.iter().find(|(known, _)| *known == key_id);
        entry.map(|(_, until)| *until).filter(|until| now < *until)
    }

    /// Adds a key id and drops what no longer counts.
    pub(crate) fn insert(&mut self, key_id: KeyIdDigest, until: Duration, now: Duration) {
        self.entries.retain(|(known, until)| *known != key_id && now < *until);
        if self.entries.len() >= Self::MAX {
            self.entries.remove(0);
        }
        self.entries.push((key_id, until));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (KeyIdDigest, Duration)> {
        self.entries.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_entry_counts_up_to_its_time() {
        let mut keys = UnknownKeys::default();
        keys.insert(KeyIdDigest::of("a"), 3 * SECOND, SECOND);
        assert_eq!(keys.until(KeyIdDigest::of("a"), 2 * SECOND), Some(3 * SECOND));
        assert_eq!(keys.until(KeyIdDigest::of("a"), 3 * SECOND), None);
        assert_eq!(keys.until(KeyIdDigest::of("b"), 2 * SECOND), None);
    }

    #[test]
    fn the_list_is_bounded_and_the_oldest_goes_first() {
        let mut keys = UnknownKeys::default();
        for number in 0..1000 {
            keys.insert(KeyIdDigest::of(&alloc::format!("{number}")), 9 * SECOND, SECOND);
            assert!(keys.iter().count() <= UnknownKeys::MAX);
        }
        assert_eq!(keys.until(KeyIdDigest::of("935"), SECOND), None);
        assert_eq!(keys.until(KeyIdDigest::of("936"), SECOND), Some(9 * SECOND));
        // What no longer counts makes room first, and one key id stands once.
        keys.insert(KeyIdDigest::of("a"), 20 * SECOND, 9 * SECOND);
        keys.insert(KeyIdDigest::of("a"), 21 * SECOND, 9 * SECOND);
        assert_eq!(keys.iter().map(|(_, until)| until).collect::<Vec<_>>(), [21 * SECOND]);
    }
}
