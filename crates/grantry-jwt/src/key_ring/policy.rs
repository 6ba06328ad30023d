//! The times that a rotation depends on.

use core::time::Duration;

use super::KeyRingError;

/// The times that the phases of a [`KeyRing`](super::KeyRing) are computed from, in whole seconds; a part of
/// a second counts as a whole one.
///
/// Each is a promise of the host, and all guarantees of the ring rest on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRingPolicy {
    token_lifetime: Duration,
    set_max_age: Duration,
    clock_skew: Duration,
    propagation: Duration,
}

impl KeyRingPolicy {
    /// The longest of each time, 366 days: a longer one is a mistake of units, and would keep keys for ever.
    pub const MAX: Duration = Duration::from_secs(366 * 86_400);

    /// The least skew, one second: clocks are read in whole seconds.
    pub const MIN_CLOCK_SKEW: Duration = Duration::from_secs(1);

    /// The skew of [`KeyRingPolicy::new`], one minute.
    pub const DEFAULT_CLOCK_SKEW: Duration = Duration::from_secs(60);

    /// The propagation of [`KeyRingPolicy::new`], two minutes: one for the processes, and one for verifiers
    /// that use a set while they fetch the next one, as [`JwksCache`](crate::JwksCache) does.
    pub const DEFAULT_PROPAGATION: Duration = Duration::from_secs(120);

    /// Makes a policy from the longest lifetime of a token, `exp` less the time of signing, and the
    /// `max-age` under which the key set is published
    /// ([RFC 9111 section 5.2.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.1)).
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Policy`] for a time longer than [`KeyRingPolicy::MAX`].
    pub fn new(token_lifetime: Duration, set_max_age: Duration) -> Result<Self, KeyRingError> {
        Ok(Self {
            token_lifetime: whole_seconds(token_lifetime)?,
            set_max_age: whole_seconds(set_max_age)?,
            clock_skew: Self::DEFAULT_CLOCK_SKEW,
            propagation: Self::DEFAULT_PROPAGATION,
        })
    }

    /// Sets the most that two clocks of servers and verifiers differ, which is also the largest leeway of a
    /// verifier. It counts the second that is lost by reading whole ones: less than
    /// [`KeyRingPolicy::MIN_CLOCK_SKEW`] counts as that.
    ///
    /// # Errors
    ///
    /// As [`KeyRingPolicy::new`].
    pub fn with_clock_skew(mut self, clock_skew: Duration) -> Result<Self, KeyRingError> {
        self.clock_skew = whole_seconds(clock_skew)?.max(Self::MIN_CLOCK_SKEW);
        Ok(self)
    }

    /// Sets the longest time from a change of the ring until every process works with it, and the last
    /// answer made without it has arrived. What verifiers keep a set beyond its `max-age`, while a fetch
    /// is under way or has failed, or because they never fetch more often, counts here as well.
    ///
    /// # Errors
    ///
    /// As [`KeyRingPolicy::new`].
    pub fn with_propagation(mut self, propagation: Duration) -> Result<Self, KeyRingError> {
        self.propagation = whole_seconds(propagation)?;
        Ok(self)
    }

    /// Returns the longest lifetime of a token.
    #[must_use]
    pub const fn token_lifetime(&self) -> Duration {
        self.token_lifetime
    }

    /// Returns the `max-age` to publish the set under, at every time: the ring never needs a shorter one.
    #[must_use]
    pub const fn set_max_age(&self) -> Duration {
        self.set_max_age
    }

    /// Returns the most that two clocks differ.
    #[must_use]
    pub const fn clock_skew(&self) -> Duration {
        self.clock_skew
    }

    /// Returns the longest time until a change of the ring has reached everyone.
    #[must_use]
    pub const fn propagation(&self) -> Duration {
        self.propagation
    }

    /// Returns how long a key stands in the set before it signs: until nobody holds a set without it.
    #[must_use]
    pub const fn announced_for(&self) -> Duration {
        self.set_max_age.saturating_add(self.settled_after())
    }

    /// Returns how long a key stands in the set after it has signed: until nobody takes its last token.
    ///
    /// The skew counts twice. A verifier's clock may be behind the one of the server that drops the key, and
    /// the verifier may allow as much leeway.
    #[must_use]
    pub const fn retired_for(&self) -> Duration {
        self.token_lifetime.saturating_add(self.clock_skew).saturating_add(self.settled_after())
    }

    /// Returns how much later than at the time of a change each clock shows when all processes have it.
    pub(super) const fn settled_after(&self) -> Duration {
        self.clock_skew.saturating_add(self.propagation)
    }
}

fn whole_seconds(time: Duration) -> Result<Duration, KeyRingError> {
    let rounded_up = u64::from(time.subsec_nanos() > 0);
    let whole = Duration::from_secs(time.as_secs().saturating_add(rounded_up));
    if whole > KeyRingPolicy::MAX { Err(KeyRingError::Policy) } else { Ok(whole) }
}
