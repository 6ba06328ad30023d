//! The keys of an issuer, and when each of them signs and stands in the published set.

mod error;
mod json;
mod lifecycle;
mod policy;
mod ring_key;

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use grantry_core::{HttpResponse, UnixTime};

use crate::{Algorithm, JwkSet};

pub use error::KeyRingError;
pub use lifecycle::{KeyLifecycle, KeyPhase};
pub use policy::KeyRingPolicy;
pub use ring_key::RingKey;

/// The keys of an issuer as data, with a lifecycle that follows from the time alone.
///
/// Verifiers keep the set that an issuer publishes, so a rotation has an order
/// ([OpenID Connect Core section 10.1.1](https://openid.net/specs/openid-connect-core-1_0.html#RotateSigKeys)).
/// After [`KeyRing::announce`] it goes by itself, here for the old key `A` and the new key `B`, with a token
/// lifetime of an hour, a max-age of five minutes, a minute of skew and two of propagation:
///
/// | from | `A` | `B` | because |
/// |---|---|---|---|
/// | the announcement, 0:00 | signs | is announced: in the set | |
/// | [`announced_for`](KeyRingPolicy::announced_for), 0:08 | is retired: in the set | signs | nobody holds a set without `B` any more |
/// | [`retired_for`](KeyRingPolicy::retired_for) later, 1:12 | is dropped | signs | nobody takes a token of `A` any more |
///
/// **A token that any process signs verifies with every set that any process served and a verifier still
/// holds, for as long as the token is accepted**, and no verifier has to fetch again for it. It holds while
/// the promises of the [`KeyRingPolicy`] are kept, whatever the order and the pace of rotations, and for each
/// algorithm on its own. What starts with `danger_` gives it up to be rid of a stolen key.
///
/// A ring is a value: each change returns a new one, to be stored and swapped for the old one. Processes that
/// share one ring need no other agreement. Change it in one place, or with a compare-and-swap. The key
/// and the `exp` of a token come from one reading of the clock.
///
/// ```
/// use core::time::Duration;
/// use grantry_jwt::{Algorithm, KeyLoader, KeyPhase, KeyRing, KeyRingPolicy, RingKey, UnixTime};
///
/// let loader = KeyLoader::default();
/// let new_key = || RingKey::generate(&loader, Algorithm::EdDsa);
/// let at = |seconds: u64| UnixTime::from_secs(1_800_000_000 + seconds);
///
/// let policy = KeyRingPolicy::new(Duration::from_secs(3600), Duration::from_secs(300))?;
/// let (a, b) = (new_key()?, new_key()?);
/// let (a_id, b_id) = (a.key_id().unwrap().to_owned(), b.key_id().unwrap().to_owned());
/// let ring = KeyRing::new(policy, [a], at(0))?;
///
/// // Often: is it time, when a key should sign for 30 days?
/// let month = Duration::from_secs(30 * 86_400);
/// let due = ring.rotation_due_at(Algorithm::EdDsa, month);
/// assert_eq!(due, Some(at(30 * 86_400 - 480)));
///
/// // Then a new ring takes the place of the old one, here at once.
/// let ring = ring.prune(at(0)).announce(b, at(0))?;
/// let stored = ring.to_secret_json()?;
/// let ring = KeyRing::from_json(stored.expose(), &loader)?;
///
/// let phase = |key_id: &str, now| ring.lifecycle(key_id).unwrap().phase(now);
/// assert_eq!((phase(&a_id, at(479)), phase(&b_id, at(479))), (KeyPhase::Signing, KeyPhase::Announced));
/// assert_eq!((phase(&a_id, at(480)), phase(&b_id, at(480))), (KeyPhase::Retired, KeyPhase::Signing));
/// assert_eq!((phase(&a_id, at(4320)), phase(&b_id, at(4320))), (KeyPhase::Dropped, KeyPhase::Signing));
///
/// // At each request.
/// let key = ring.signing_key(Algorithm::EdDsa, at(500)).unwrap();
/// let token = key.signing_key().unwrap().sign(Some("JWT"), b"{}")?;
/// assert_eq!(ring.jwk_set(at(500)).keys().len(), 2);
/// let response = ring.jwk_set_response(at(500));
/// assert_eq!(response.headers.only("Cache-Control"), Some("public, max-age=300"));
/// # assert!(!token.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct KeyRing {
    policy: KeyRingPolicy,
    /// Until when a set may be held that was served under an earlier policy.
    older_sets_until: UnixTime,
    /// Oldest first; those of one algorithm never sign in another order.
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    key: RingKey,
    announced_at: UnixTime,
    signs_from: UnixTime,
    /// Set where no other key ends the signing of this one.
    signs_until: Option<UnixTime>,
    /// The longest of all policies that the key lived under.
    retired_for: Duration,
}

impl KeyRing {
    /// The most keys of a ring, those that wait to be pruned included: a set with all of them stays within
    /// [`JwkSet::MAX_KEYS`].
    pub const MAX_KEYS: usize = 64;

    /// Makes a ring of the keys that an issuer starts with. Nobody may hold a set without them, so they
    /// sign at once: one of each algorithm. Of several keys of one algorithm, which an earlier system
    /// published, the last one signs and the others are retired from `now`.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::NoKeys`], and as [`KeyRing::announce`].
    pub fn new(
        policy: KeyRingPolicy,
        keys: impl IntoIterator<Item = RingKey>,
        now: UnixTime,
    ) -> Result<Self, KeyRingError> {
        let mut ring = Self { policy, older_sets_until: UnixTime::from_secs(0), entries: Vec::new() };
        for key in keys {
            ring.check_new(&key)?;
            // A clock that is behind has to sign, too.
            let signs_from = match ring.newest(key.algorithm()) {
                Some(_) => now,
                None => UnixTime::from_secs(0),
            };
            ring.entries.push(Entry::new(key, now, signs_from, &policy));
        }
        if ring.entries.is_empty() { Err(KeyRingError::NoKeys) } else { Ok(ring) }
    }

    /// Returns the policy.
    #[must_use]
    pub const fn policy(&self) -> &KeyRingPolicy {
        &self.policy
    }

    /// Returns the key of an algorithm that signs now. It is `None` for an algorithm that the ring has no key
    /// of or no longer signs with, and on a clock that shows a time before all that the ring still knows.
    #[must_use]
    pub fn signing_key(&self, algorithm: Algorithm, now: UnixTime) -> Option<&RingKey> {
        self.lifecycles()
            .find(|(key, life)| key.algorithm() == algorithm && life.phase(now) == KeyPhase::Signing)
            .map(|(key, _)| key)
    }

    /// Returns the set to publish now, for [`KeyRingPolicy::set_max_age`]. Here it also has the symmetric
    /// keys, which [`JwkSet::to_json`] leaves out.
    #[must_use]
    pub fn jwk_set(&self, now: UnixTime) -> JwkSet {
        let published = self.lifecycles().filter(|(_, life)| life.phase(now) != KeyPhase::Dropped);
        JwkSet::from_keys(published.map(|(key, _)| key.verifying_key().clone()))
    }

    /// Makes the answer of the JWK set endpoint, [`KeyRing::jwk_set`] as JSON, which caches may keep for
    /// [`KeyRingPolicy::set_max_age`]
    /// ([RFC 9111 section 5.2.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.1)).
    #[must_use]
    pub fn jwk_set_response(&self, now: UnixTime) -> HttpResponse {
        let max_age = self.policy.set_max_age().as_secs();
        HttpResponse::new(200)
            .with_header("Content-Type", "application/json")
            .with_header("Cache-Control", alloc::format!("public, max-age={max_age}"))
            .with_body(self.jwk_set(now).to_json())
    }

    /// Returns when the phases of a key begin; `None` for a key id that the ring does not have.
    #[must_use]
    pub fn lifecycle(&self, key_id: &str) -> Option<KeyLifecycle> {
        self.lifecycles().find(|(key, _)| key.key_id() == Some(key_id)).map(|(_, life)| life)
    }

    /// Returns all keys with their lifecycles, oldest first.
    pub fn lifecycles(&self) -> impl Iterator<Item = (&RingKey, KeyLifecycle)> {
        self.entries.iter().enumerate().map(|(index, entry)| (&entry.key, self.lifecycle_of(index, entry)))
    }

    /// Returns the first second after `now` at which a key changes its phase: until then,
    /// [`KeyRing::jwk_set`] and [`KeyRing::signing_key`] stay as they are.
    #[must_use]
    pub fn next_change(&self, now: UnixTime) -> Option<UnixTime> {
        self.lifecycles().filter_map(|(_, life)| life.next_change(now)).min()
    }

    /// Returns when to announce the next key of an algorithm, so that it signs when the newest one has signed
    /// for `period`; `None` for an algorithm that the ring has no key of or that was ended.
    #[must_use]
    pub fn rotation_due_at(&self, algorithm: Algorithm, period: Duration) -> Option<UnixTime> {
        let newest = self.newest(algorithm).filter(|newest| newest.signs_until.is_none())?;
        let signs_from = newest.signs_from.max(newest.announced_at);
        Some(signs_from.saturating_add(period).saturating_sub(self.policy.announced_for()))
    }

    /// Adds a key, which signs after [`KeyRingPolicy::announced_for`] and not before the other keys of its
    /// algorithm do. It is the same for the first key of an algorithm.
    ///
    /// Give each key a key id that none had before: verifiers know a key by it, for longer than the ring
    /// does.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::TooManyKeys`], [`KeyRingError::MissingKeyId`], [`KeyRingError::DuplicateKeyId`].
    pub fn announce(&self, key: RingKey, now: UnixTime) -> Result<Self, KeyRingError> {
        self.check_new(&key)?;
        let after_others = self.newest(key.algorithm()).map_or(now, |newest| newest.signs_from);
        let signs_from =
            now.saturating_add(self.policy.announced_for()).max(self.older_sets_until).max(after_others);
        let mut ring = self.clone();
        ring.entries.push(Entry::new(key, now, signs_from, &self.policy));
        Ok(ring)
    }

    /// Takes an announced key back, as long as it surely signs nowhere.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::UnknownKeyId`]; [`KeyRingError::TooLate`] from [`KeyRingPolicy::clock_skew`] and
    /// [`KeyRingPolicy::propagation`] before its signing; [`KeyRingError::LastKey`] for the only key of the
    /// ring.
    pub fn withdraw(&self, key_id: &str, now: UnixTime) -> Result<Self, KeyRingError> {
        let (index, entry) = self.find(key_id)?;
        if now.saturating_add(self.policy.settled_after()) >= entry.signs_from {
            return Err(KeyRingError::TooLate);
        }
        if self.entries.len() == 1 {
            return Err(KeyRingError::LastKey);
        }
        let mut ring = self.clone();
        ring.entries.remove(index);
        Ok(ring)
    }

    /// Ends the signing with an algorithm, as soon as every process can know of it. Its keys stay in the set
    /// for their tokens, and those that are announced never sign.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::LastKey`] when the ring signs with no other algorithm then.
    pub fn retire(&self, algorithm: Algorithm, now: UnixTime) -> Result<Self, KeyRingError> {
        let end = now.saturating_add(self.policy.settled_after());
        let signs_at_end = |(key, life): (&RingKey, KeyLifecycle)| {
            key.algorithm() != algorithm && life.phase(end) == KeyPhase::Signing
        };
        if !self.lifecycles().any(signs_at_end) {
            return Err(KeyRingError::LastKey);
        }
        let mut ring = self.clone();
        for entry in ring.entries.iter_mut().filter(|entry| entry.key.algorithm() == algorithm) {
            entry.end_at(end);
        }
        Ok(ring)
    }

    /// Works by another policy from now on. Keys and sets that were made under the old one are safe: each key
    /// keeps the longest [`KeyRingPolicy::retired_for`] it lived under, announced ones sign when they
    /// would have, and the next one waits for the sets of the old policy.
    ///
    /// Tokens may live longer once every process has the new ring.
    pub fn with_policy(&self, policy: KeyRingPolicy, now: UnixTime) -> Self {
        let mut ring = self.clone();
        ring.policy = policy;
        ring.older_sets_until = self.older_sets_until.max(now.saturating_add(self.policy.announced_for()));
        for entry in &mut ring.entries {
            entry.retired_for = entry.retired_for.max(policy.retired_for());
        }
        ring
    }

    /// Forgets the keys that are dropped.
    pub fn prune(&self, now: UnixTime) -> Self {
        let mut ring = self.clone();
        let mut lives = self.lifecycles().map(|(_, life)| life.phase(now) != KeyPhase::Dropped);
        ring.entries.retain(|_| lives.next().unwrap_or(true));
        // A ring without keys could not tell that its next one has to wait.
        if ring.entries.is_empty() { self.clone() } else { ring }
    }

    /// Removes a stolen key at once. The next key of its algorithm, if there is one, takes its place and
    /// signs at once; without one, nothing signs with the algorithm until another key is announced and its
    /// time has come.
    ///
    /// Nobody can call back what is cached: a verifier accepts what the thief signs until its set is older
    /// than its max-age. Good tokens of the key are refused wherever a set is fetched. A verifier that holds
    /// a set without the next key refuses the new tokens, unless it fetches again for an unknown `kid`, as
    /// [`JwksCache`](crate::JwksCache) does.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::UnknownKeyId`]; [`KeyRingError::LastKey`] for the only key of the ring, which can be
    /// replaced.
    pub fn danger_drop(&self, key_id: &str, now: UnixTime) -> Result<Self, KeyRingError> {
        let (index, dropped) = self.find(key_id)?;
        if self.entries.len() == 1 {
            return Err(KeyRingError::LastKey);
        }
        let mut ring = self.clone();
        ring.entries.remove(index);
        if dropped.signs_from > now {
            return Ok(ring);
        }
        let algorithm = dropped.key.algorithm();
        let is_same = |entry: &&mut Entry| entry.key.algorithm() == algorithm;
        // An older key must not sign again: it may be in no set any more.
        if let Some(previous) = ring.entries.iter_mut().take(index).rfind(is_same) {
            previous.end_at(dropped.signs_from);
        }
        let is_ended = dropped.signs_until.is_some_and(|until| until <= now);
        if let Some(next) = ring.entries.iter_mut().skip(index).find(is_same).filter(|_| !is_ended) {
            next.signs_from = dropped.signs_from;
        }
        Ok(ring)
    }

    /// Puts a new key in the place of a stolen one that signs. The new key signs at once, on every clock.
    ///
    /// It costs what [`KeyRing::danger_drop`] costs, and no verifier has the new key: each one refuses the
    /// new tokens until it fetches again, at the latest after a max-age.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::UnknownKeyId`]; [`KeyRingError::NotSigning`] for a key in another phase, which can
    /// be dropped; [`KeyRingError::AlgorithmMismatch`]; and as [`KeyRing::announce`].
    pub fn danger_replace(&self, key_id: &str, key: RingKey, now: UnixTime) -> Result<Self, KeyRingError> {
        let (index, replaced) = self.find(key_id)?;
        if self.lifecycle_of(index, replaced).phase(now) != KeyPhase::Signing {
            return Err(KeyRingError::NotSigning);
        }
        if key.algorithm() != replaced.key.algorithm() {
            return Err(KeyRingError::AlgorithmMismatch);
        }
        // The old key id stays taken: cached sets have another key under it.
        self.check_new(&key)?;
        let mut ring = self.clone();
        if let Some(entry) = ring.entries.get_mut(index) {
            let signs_until = entry.signs_until;
            *entry = Entry { signs_until, ..Entry::new(key, now, entry.signs_from, &self.policy) };
        }
        Ok(ring)
    }

    fn check_new(&self, key: &RingKey) -> Result<(), KeyRingError> {
        let key_id = key.key_id().filter(|key_id| !key_id.is_empty()).ok_or(KeyRingError::MissingKeyId)?;
        if self.find(key_id).is_ok() {
            return Err(KeyRingError::DuplicateKeyId);
        }
        if self.entries.len() >= Self::MAX_KEYS { Err(KeyRingError::TooManyKeys) } else { Ok(()) }
    }

    fn find(&self, key_id: &str) -> Result<(usize, &Entry), KeyRingError> {
        let mut entries = self.entries.iter().enumerate();
        entries.find(|(_, entry)| entry.key.key_id() == Some(key_id)).ok_or(KeyRingError::UnknownKeyId)
    }

    fn newest(&self, algorithm: Algorithm) -> Option<&Entry> {
        self.entries.iter().rfind(|entry| entry.key.algorithm() == algorithm)
    }

    /// The key that signs is the newest one whose time has come, so the next one ends it.
    fn lifecycle_of(&self, index: usize, entry: &Entry) -> KeyLifecycle {
        let later = self.entries.iter().skip(index.saturating_add(1));
        let next = later.into_iter().find(|later| later.key.algorithm() == entry.key.algorithm());
        let retired_from = next.map(|next| next.signs_from).into_iter().chain(entry.signs_until).min();
        KeyLifecycle {
            announced_at: entry.announced_at,
            signs_from: entry.signs_from,
            retired_from,
            dropped_from: retired_from.map(|time| time.saturating_add(entry.retired_for)),
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.lifecycles().collect();
        f.debug_struct("KeyRing").field("policy", &self.policy).field("keys", &keys).finish_non_exhaustive()
    }
}

impl Entry {
    const fn new(key: RingKey, now: UnixTime, signs_from: UnixTime, policy: &KeyRingPolicy) -> Self {
        let retired_for = policy.retired_for();
        Self { key, announced_at: now, signs_from, signs_until: None, retired_for }
    }

    fn end_at(&mut self, end: UnixTime) {
        self.signs_until = Some(self.signs_until.map_or(end, |until| until.min(end)));
    }
}
