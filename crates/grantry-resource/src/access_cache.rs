//! Tokens that were good, and what they allow.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use grantry_core::UnixTime;
use grantry_jwt::{Buffer, JwkSet};

use crate::Access;
use crate::guard::Rules;
use crate::remembered::{Digest, Remembered};

/// Remembers what the tokens of requests allow, so that a repeated one costs a digest and allocates nothing.
///
/// An entry says that this exact text passed every check of this guard with this key set. It counts inside the times
/// of the token and while the same set of its issuer serves: with a newer set each token is checked once more. What a
/// request needs is compared each time. A cache that is used with another guard, or with one that was changed,
/// forgets what it knew. Of a token it keeps what is signed and a SHA-256 digest of the signature, which nobody can
/// put together again; when there is no room, one that was not used for long goes.
///
/// It also holds the room to read a token in. The host shares it as it likes; one for each thread needs no lock.
pub struct AccessCache {
    rules: Option<Arc<Rules>>,
    /// By the place of the issuer: the set that every entry of that issuer was checked with.
    key_sets: Vec<Option<Arc<JwkSet>>>,
    known: Remembered<(usize, Access)>,
    pub(crate) buffer: Buffer,
}

impl AccessCache {
    /// The most tokens that a cache holds, whatever it is made for: about a kilobyte each.
    pub const MAX_CAPACITY: usize = Remembered::<()>::MAX_CAPACITY;

    /// Makes a cache for so many tokens, up to [`AccessCache::MAX_CAPACITY`] and down to a multiple of eight. It takes
    /// memory as it fills.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { rules: None, key_sets: Vec::new(), known: Remembered::new(capacity), buffer: Buffer::new() }
    }

    /// Returns the most tokens that the cache holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.known.capacity()
    }

    /// Returns how many tokens the cache holds, those among them whose time is over.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Tells whether the cache holds no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets every token.
    pub fn clear(&mut self) {
        self.known.clear();
    }

    /// Finds what the token of this signed part and this signature allows, and the place of its issuer.
    pub(crate) fn find(
        &mut self,
        rules: &Arc<Rules>,
        signed: &str,
        signature: &Digest,
        now: UnixTime,
    ) -> Option<(usize, Access)> {
        if !self.rules.as_ref().is_some_and(|own| Arc::ptr_eq(own, rules)) {
            self.known.clear();
            self.key_sets.clear();
            self.key_sets.resize(rules.trusted.len(), None);
            self.rules = Some(Arc::clone(rules));
        }
        self.known.find(signature, now).filter(|(_, access)| access.is_of(signed)).cloned()
    }

    /// Tells whether the entries of an issuer were checked with this very set.
    pub(crate) fn is_checked_with(&self, place: usize, keys: &Arc<JwkSet>) -> bool {
        self.key_sets.get(place).is_some_and(|set| set.as_ref().is_some_and(|set| Arc::ptr_eq(set, keys)))
    }

    /// Keeps what a token allows that was checked with this set, and nothing that was checked with another.
    pub(crate) fn keep(
        &mut self,
        signature: Digest,
        (place, access): (usize, Access),
        keys: &Arc<JwkSet>,
        until: UnixTime,
        now: UnixTime,
    ) {
        if !self.is_checked_with(place, keys) {
            self.known.retain(|(other, _)| *other != place);
            if let Some(set) = self.key_sets.get_mut(place) {
                *set = Some(Arc::clone(keys));
            }
        }
        self.known.keep(signature, (place, access), until, now);
    }
}

impl fmt::Debug for AccessCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessCache")
            .field("capacity", &self.capacity())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
