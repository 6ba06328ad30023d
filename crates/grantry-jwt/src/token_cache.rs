//! Tokens whose signature was good, remembered by their digest.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::fmt;

use grantry_core::UnixTime;
use ring::digest;

use crate::recency::Recency;
use crate::{Algorithm, JwkSet, VerifyingKey};

/// Remembers which tokens had a good signature, so that a repeat costs no second check of it.
///
/// An entry says that this exact text was signed by this key with this algorithm, and nothing else:
/// issuer, audience, times and type are checked at each use from the token itself. It counts only
/// while its key is among those that the verifier would try, and goes at the token's `exp`, or when
/// the cache is full and it was not used for the longest time. Tokens are kept as SHA-256 digests.
/// Tokens under a shared secret are not kept: their digest costs as much as their signature.
///
/// The host shares it as it likes; a cache for each thread needs no lock.
pub struct VerifiedTokenCache {
    capacity: usize,
    /// Places in `entries` by the first word of the digest, which is random enough to find one: of two
    /// tokens that share it, the newer takes the place.
    places: BTreeMap<u64, usize>,
    /// The entries by `exp`, the first to go in front.
    expirations: BTreeSet<(UnixTime, usize)>,
    recency: Recency,
    entries: Vec<Entry>,
    /// Places in `entries` that are free.
    free: Vec<usize>,
    hits: u64,
    misses: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    token: TokenDigest,
    signer: KeyIdentity,
    expires: UnixTime,
}

impl VerifiedTokenCache {
    /// The most entries that a cache holds, whatever it is made for: about 250 bytes each.
    pub const MAX_CAPACITY: usize = 1 << 20;

    /// How many expired entries go when one comes: more than one, so that they get fewer.
    const SWEPT_AT_ONCE: usize = 2;

    /// Makes a cache for so many tokens, up to [`VerifiedTokenCache::MAX_CAPACITY`]. It takes memory
    /// as it fills.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.min(Self::MAX_CAPACITY),
            places: BTreeMap::new(),
            expirations: BTreeSet::new(),
            recency: Recency::default(),
            entries: Vec::new(),
            free: Vec::new(),
            hits: 0,
            misses: 0,
        }
    }

    /// Returns the most tokens that the cache holds.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns how many tokens the cache holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Tells whether the cache holds no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns how many signatures were not checked again.
    #[must_use]
    pub const fn hits(&self) -> u64 {
        self.hits
    }

    /// Returns how many tokens were looked for in vain.
    #[must_use]
    pub const fn misses(&self) -> u64 {
        self.misses
    }

    /// Forgets every token; what was counted stays.
    pub fn clear(&mut self) {
        *self = Self { hits: self.hits, misses: self.misses, ..Self::new(self.capacity) };
    }

    /// Finds the key that signed a token, `find` being asked for it among the keys that would be
    /// tried now. When the key is not among them, the entry goes.
    pub(crate) fn lookup<K>(
        &mut self,
        token: &TokenDigest,
        now: UnixTime,
        find: impl FnOnce(&KeyIdentity) -> Option<K>,
    ) -> Option<K> {
        let place = self.places.get(&token.first_word()).copied();
        let entry = place.and_then(|place| Some((place, *self.entries.get(place)?)));
        let Some((place, entry)) = entry.filter(|(_, entry)| entry.token == *token) else {
            self.misses = self.misses.saturating_add(1);
            return None;
        };
        let key = if now < entry.expires { find(&entry.signer) } else { None };
        if key.is_some() {
            self.hits = self.hits.saturating_add(1);
            self.recency.touch(place);
        } else {
            self.misses = self.misses.saturating_add(1);
            self.remove(place);
        }
        key
    }

    /// Remembers a token whose signature was just found good, up to its `exp`.
    pub(crate) fn insert(
        &mut self,
        token: TokenDigest,
        signer: KeyIdentity,
        expires: UnixTime,
        now: UnixTime,
    ) {
        self.sweep(now);
        if let Some(place) = self.places.get(&token.first_word()).copied() {
            self.remove(place);
        }
        if self.capacity == 0 || expires <= now {
            return;
        }
        if self.len() >= self.capacity {
            // Had anything expired, the sweep would have made room.
            if let Some(place) = self.recency.oldest() {
                self.remove(place);
            }
        }
        let entry = Entry { token, signer, expires };
        let place = self.free.pop().unwrap_or(self.entries.len());
        match self.entries.get_mut(place) {
            Some(free) => *free = entry,
            None => self.entries.push(entry),
        }
        self.places.insert(token.first_word(), place);
        self.expirations.insert((expires, place));
        self.recency.push(place);
    }

    /// Forgets the tokens of keys that left the set: they would find no key any more, and their memory is
    /// free before their time.
    pub fn retain_keys(&mut self, keys: &JwkSet) {
        let kept: BTreeSet<_> = keys.keys().iter().filter_map(VerifyingKey::identity).collect();
        self.retain(|signer| kept.contains(signer));
    }

    fn retain(&mut self, is_kept: impl Fn(&KeyIdentity) -> bool) {
        let is_gone = |place: &usize| self.entries.get(*place).is_none_or(|entry| !is_kept(&entry.signer));
        let gone: Vec<_> = self.places.values().copied().filter(is_gone).collect();
        for place in gone {
            self.remove(place);
        }
    }

    fn sweep(&mut self, now: UnixTime) {
        for _ in 0..Self::SWEPT_AT_ONCE {
            match self.expirations.first().copied() {
                Some((expires, place)) if expires <= now => self.remove(place),
                Some(_) | None => return,
            }
        }
    }

    fn remove(&mut self, place: usize) {
        let Some(entry) = self.entries.get(place).copied() else {
            return;
        };
        self.places.remove(&entry.token.first_word());
        self.expirations.remove(&(entry.expires, place));
        self.recency.remove(place);
        self.free.push(place);
    }
}

impl fmt::Debug for VerifiedTokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTokenCache")
            .field("capacity", &self.capacity)
            .field("len", &self.len())
            .field("hits", &self.hits)
            .field("misses", &self.misses)
            .finish_non_exhaustive()
    }
}

/// The SHA-256 of a whole token, signature included.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenDigest([u64; 4]);

impl TokenDigest {
    pub(crate) fn of(token: &str) -> Self {
        Self(words(&digest::digest(&digest::SHA256, token.as_bytes())))
    }

    const fn first_word(&self) -> u64 {
        let [first, ..] = self.0;
        first
    }
}

/// What stays the same when a key is fetched anew: its algorithm and its public numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyIdentity([u64; 4]);

impl KeyIdentity {
    /// Makes the identity of a key from its thumbprint
    /// ([RFC 7638 section 3](https://www.rfc-editor.org/rfc/rfc7638#section-3)).
    pub(crate) fn new(algorithm: Algorithm, thumbprint: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(algorithm.as_str().as_bytes());
        // No name of an algorithm holds a dot, so no two pairs give one text.
        context.update(b".");
        context.update(thumbprint.as_bytes());
        Self(words(&context.finish()))
    }
}

fn words(digest: &digest::Digest) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(digest.as_ref().chunks_exact(8)) {
        *word = bytes.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
    }
    words
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use proptest::prelude::*;

    use super::*;

    fn token(number: u64) -> TokenDigest {
        TokenDigest::of(&format!("token {number}"))
    }

    fn signer(number: u64) -> KeyIdentity {
        KeyIdentity::new(Algorithm::Rs256, &format!("key {number}"))
    }

    const fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    /// Looks for a token when the keys of these numbers would be tried.
    fn find(cache: &mut VerifiedTokenCache, number: u64, now: u64, keys: &[u64]) -> Option<u64> {
        cache.lookup(&token(number), at(now), |signed| {
            keys.iter().copied().find(|key| signer(*key) == *signed)
        })
    }

    fn insert(cache: &mut VerifiedTokenCache, number: u64, key: u64, expires: u64, now: u64) {
        cache.insert(token(number), signer(key), at(expires), at(now));
    }

    #[test]
    fn a_digest_is_that_of_the_whole_token() {
        // FIPS 180-2 appendix B.1.
        let abc =
            [0xba78_16bf_8f01_cfea, 0x4141_40de_5dae_2223, 0xb003_61a3_9617_7a9c, 0xb410_ff61_f200_15ad];
        assert_eq!(TokenDigest::of("abc").0, abc);
        assert!(TokenDigest::of("a.b.c") != TokenDigest::of("a.b.d"));
    }

    #[test]
    fn a_key_is_its_algorithm_and_its_numbers() {
        assert!(KeyIdentity::new(Algorithm::Rs256, "a") == KeyIdentity::new(Algorithm::Rs256, "a"));
        assert!(KeyIdentity::new(Algorithm::Rs256, "a") != KeyIdentity::new(Algorithm::Rs256, "b"));
        assert!(KeyIdentity::new(Algorithm::Rs256, "a") != KeyIdentity::new(Algorithm::Hs256, "a"));
    }

    #[test]
    fn a_token_counts_up_to_its_exp() {
        let mut cache = VerifiedTokenCache::new(10);
        insert(&mut cache, 1, 7, 100, 50);
        assert_eq!(find(&mut cache, 1, 99, &[6, 7]), Some(7));
        assert_eq!(find(&mut cache, 2, 99, &[7]), None);
        assert_eq!(find(&mut cache, 1, 100, &[7]), None);
        assert!(cache.is_empty());
        assert_eq!((cache.hits(), cache.misses()), (1, 2));
        insert(&mut cache, 1, 7, 100, 100);
        assert!(cache.is_empty());
    }

    #[test]
    fn two_tokens_that_share_the_first_word_are_two() {
        let mut cache = VerifiedTokenCache::new(10);
        let [first, second] = [1, 2].map(|last| TokenDigest([7, 0, 0, last]));
        let find = |cache: &mut VerifiedTokenCache, token| cache.lookup(&token, at(1), |_| Some(()));
        cache.insert(first, signer(1), at(9), at(0));
        assert_eq!(find(&mut cache, second), None);
        assert_eq!(find(&mut cache, first), Some(()));
        cache.insert(second, signer(1), at(9), at(0));
        assert_eq!((find(&mut cache, first), find(&mut cache, second)), (None, Some(())));
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn wk_47_a_token_goes_when_its_key_is_not_tried_any_more() {
        let mut cache = VerifiedTokenCache::new(10);
        insert(&mut cache, 1, 7, 100, 50);
        assert_eq!(find(&mut cache, 1, 60, &[8, 9]), None);
        assert_eq!(cache.len(), 0);
        assert_eq!(find(&mut cache, 1, 60, &[7]), None);
    }

    #[test]
    fn a_key_that_left_takes_its_tokens_along() {
        let mut cache = VerifiedTokenCache::new(100);
        for number in 0..90 {
            insert(&mut cache, number, number % 3, 100, 50);
        }
        cache.retain(|key| *key != signer(1));
        assert_eq!(cache.len(), 60);
        cache.retain(|key| *key == signer(2));
        assert_eq!(cache.len(), 30);
        assert_eq!(find(&mut cache, 2, 60, &[0, 1, 2]), Some(2));
        assert_eq!(find(&mut cache, 3, 60, &[0, 1, 2]), None);
        cache.clear();
        assert_eq!((cache.len(), cache.hits(), cache.capacity()), (0, 1, 100));
    }

    #[test]
    fn a_flood_of_tokens_stays_inside_the_capacity() {
        let mut cache = VerifiedTokenCache::new(64);
        for number in 0..10_000 {
            insert(&mut cache, number, 1, 100 + number % 50, number % 90);
            assert!(cache.len() <= 64);
        }
        assert!(cache.entries.len() <= 64 && cache.free.len() <= 64);
        assert_eq!(VerifiedTokenCache::new(usize::MAX).capacity(), VerifiedTokenCache::MAX_CAPACITY);
        let mut none = VerifiedTokenCache::new(0);
        insert(&mut none, 1, 1, 100, 50);
        assert!(none.is_empty());
    }

    #[test]
    fn what_has_expired_goes_first_and_then_what_was_not_used_for_longest() {
        let mut cache = VerifiedTokenCache::new(3);
        insert(&mut cache, 1, 1, 1000, 0);
        insert(&mut cache, 2, 1, 1000, 0);
        insert(&mut cache, 3, 1, 100, 0);
        // Nothing has expired: 1 was not used for longest.
        assert_eq!(find(&mut cache, 1, 10, &[1]), Some(1));
        insert(&mut cache, 4, 1, 1000, 10);
        assert_eq!(find(&mut cache, 2, 10, &[1]), None);
        // 3 has expired, though it was used last.
        assert_eq!(find(&mut cache, 3, 10, &[1]), Some(1));
        insert(&mut cache, 5, 1, 1000, 100);
        assert_eq!(
            [1, 3, 4, 5].map(|number| find(&mut cache, number, 10, &[1]).is_some()),
            [true, false, true, true]
        );
    }

    #[test]
    fn expired_tokens_get_fewer_though_the_cache_is_not_full() {
        let mut cache = VerifiedTokenCache::new(1000);
        for number in 0..100 {
            insert(&mut cache, number, 1, 100, 0);
        }
        for number in 100..200 {
            insert(&mut cache, number, 1, 1000, 100);
        }
        assert_eq!(cache.len(), 100);
    }

    #[test]
    fn debug_shows_no_digest() {
        let mut cache = VerifiedTokenCache::new(3);
        insert(&mut cache, 1, 1, 1000, 0);
        assert_eq!(
            format!("{cache:?}"),
            "VerifiedTokenCache { capacity: 3, len: 1, hits: 0, misses: 0, .. }"
        );
    }

    /// The same rules without any structure: a list in the order of the last use.
    #[derive(Default)]
    struct Naive {
        entries: Vec<(u64, u64, u64)>,
    }

    impl Naive {
        fn lookup(&mut self, token: u64, now: u64, keys: &[u64]) -> Option<u64> {
            let entry = self.entries.remove(self.entries.iter().position(|entry| entry.0 == token)?);
            let (_, key, expires) = entry;
            if now >= expires || !keys.contains(&key) {
                return None;
            }
            self.entries.push(entry);
            Some(key)
        }

        fn insert(&mut self, token: u64, key: u64, expires: u64, now: u64, capacity: usize) {
            for _ in 0..VerifiedTokenCache::SWEPT_AT_ONCE {
                self.drop_expired(now);
            }
            self.entries.retain(|entry| entry.0 != token);
            if expires <= now {
                return;
            }
            if self.entries.len() >= capacity {
                assert!(self.entries.iter().all(|entry| now < entry.2), "what has expired goes first");
                self.entries.remove(0);
            }
            self.entries.push((token, key, expires));
        }

        /// Drops one of the entries that expire first. Which of several is free to choose, so the
        /// tokens of the test all have an `exp` of their own.
        fn drop_expired(&mut self, now: u64) {
            let first = self.entries.iter().map(|entry| entry.2).min().filter(|expires| *expires <= now);
            self.entries.retain(|entry| Some(entry.2) != first);
        }
    }

    proptest! {
        #[test]
        fn every_sequence_is_that_of_the_naive_model(
            capacity in 1_usize..8,
            acts in prop::collection::vec((0_u8..10, 0_u64..16, 0_u64..3, 0_u64..200), 1..200),
        ) {
            let mut cache = VerifiedTokenCache::new(capacity);
            let mut naive = Naive::default();
            for (act, number, key, now) in acts {
                match act {
                    0..5 => {
                        let expires = 20 + number * 10;
                        insert(&mut cache, number, key, expires, now);
                        naive.insert(number, key, expires, now, capacity);
                    }
                    5..9 => {
                        // The last key has left the set.
                        let found = find(&mut cache, number, now, &[0, 1]);
                        prop_assert_eq!(found, naive.lookup(number, now, &[0, 1]));
                    }
                    _ => {
                        cache.retain(|other| *other != signer(key));
                        naive.entries.retain(|entry| entry.1 != key);
                    }
                }
                prop_assert_eq!(cache.len(), naive.entries.len());
                prop_assert_eq!(cache.expirations.len(), cache.len());
                prop_assert_eq!(cache.entries.len(), cache.len() + cache.free.len());
            }
        }
    }
}
