//! What a cache of keys decides by.

use core::time::Duration;

use crate::KeyLoader;

/// The times of a [`JwksCache`](crate::JwksCache), in whole seconds, none above [`JwksPolicy::LONGEST`].
///
/// They are the host's, and what an issuer says moves only inside them: with `no-store` a set still
/// counts for one cool-down, and no `max-age` counts for more than the longest age.
#[derive(Clone, Debug)]
pub struct JwksPolicy {
    pub(crate) loader: KeyLoader,
    pub(crate) default_age: Duration,
    pub(crate) longest_age: Duration,
    pub(crate) cool_down: Duration,
    pub(crate) unknown_key_age: Duration,
    pub(crate) fetch_timeout: Duration,
    pub(crate) stale_while_fetching: Duration,
    pub(crate) stale_if_error: Duration,
}

impl Default for JwksPolicy {
    fn default() -> Self {
        Self {
            loader: KeyLoader::default(),
            default_age: Duration::from_secs(10 * 60),
            longest_age: Duration::from_secs(3600),
            cool_down: Duration::from_secs(30),
            unknown_key_age: Duration::from_secs(60),
            fetch_timeout: Duration::from_secs(10),
            stale_while_fetching: Duration::from_secs(60),
            stale_if_error: Duration::from_secs(3600),
        }
    }
}

impl JwksPolicy {
    /// The most that each time can be, 30 days: a set that is never fetched anew is configuration,
    /// for which a [`JwkSet`](crate::JwkSet) alone will do.
    pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

    /// The least that the cool-down and the timeout of a fetch can be, one second: time is in whole
    /// ones.
    pub const SHORTEST: Duration = Duration::from_secs(1);

    /// Sets what makes keys of a document: another backend, or another algorithm for RSA keys that name
    /// none.
    #[must_use]
    pub fn with_loader(mut self, loader: KeyLoader) -> Self {
        self.loader = loader;
        self
    }

    /// Sets how long a set is fresh whose response names no time: 10 minutes by default.
    #[must_use]
    pub fn with_default_age(mut self, age: Duration) -> Self {
        self.default_age = age.min(Self::LONGEST);
        self
    }

    /// Sets the most that a `max-age` of the issuer counts for
    /// ([RFC 9111 section 5.2.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.1)): one hour
    /// by default. It is how long a key that the issuer withdraws goes on to verify, and how long one
    /// that a stranger slipped in does.
    #[must_use]
    pub fn with_longest_age(mut self, age: Duration) -> Self {
        self.longest_age = age.min(Self::LONGEST);
        self
    }

    /// Sets the least time from one fetch to the next that an unknown key asks for: 30 seconds by
    /// default. It is also the shortest time that a set is fresh, and the longest from a failed fetch
    /// to the next.
    #[must_use]
    pub fn with_cool_down(mut self, pause: Duration) -> Self {
        self.cool_down = pause.clamp(Self::SHORTEST, Self::LONGEST);
        self
    }

    /// Sets for how long a key id that the issuer did not have asks for no other fetch: 60 seconds by
    /// default.
    #[must_use]
    pub fn with_unknown_key_age(mut self, age: Duration) -> Self {
        self.unknown_key_age = age.min(Self::LONGEST);
        self
    }

    /// Sets after how long without an answer a fetch counts as lost: 10 seconds by default.
    #[must_use]
    pub fn with_fetch_timeout(mut self, timeout: Duration) -> Self {
        self.fetch_timeout = timeout.clamp(Self::SHORTEST, Self::LONGEST);
        self
    }

    /// Sets for how long past its age a set still serves while a newer one is fetched, so that nobody
    /// waits ([RFC 5861 section 3](https://www.rfc-editor.org/rfc/rfc5861#section-3)): 60 seconds by
    /// default.
    #[must_use]
    pub fn with_stale_while_fetching(mut self, grace: Duration) -> Self {
        self.stale_while_fetching = grace.min(Self::LONGEST);
        self
    }

    /// Sets for how long past its age a set still serves while the issuer cannot be reached or sends
    /// no key set ([RFC 5861 section 4](https://www.rfc-editor.org/rfc/rfc5861#section-4)): one hour by
    /// default. Then it stops.
    #[must_use]
    pub fn with_stale_if_error(mut self, grace: Duration) -> Self {
        self.stale_if_error = grace.min(Self::LONGEST);
        self
    }

    /// Returns for how long past its age a set serves after this many failed fetches in a row.
    pub(crate) fn grace(&self, failures: u32) -> Duration {
        match failures {
            0 => self.stale_while_fetching,
            _ => self.stale_while_fetching.max(self.stale_if_error),
        }
    }

    /// Returns the pause after this many failed fetches in a row: one second, doubled each time, up
    /// to the cool-down.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        let seconds = 1_u64.checked_shl(failures.saturating_sub(1)).unwrap_or(u64::MAX);
        Duration::from_secs(seconds).min(self.cool_down)
    }

    /// Returns an age inside the bounds: from the cool-down to the longest age.
    pub(crate) fn bounded_age(&self, age: Duration) -> Duration {
        age.min(self.longest_age).max(self.cool_down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cool_down() {
        let policy = JwksPolicy::default();
        let pauses = [1, 2, 3, 4, 5, 6, 64, 65, u32::MAX].map(|failures| policy.pause(failures).as_secs());
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30, 30]);
    }

    #[test]
    fn no_time_is_out_of_its_bounds() {
        for extreme in [Duration::ZERO, Duration::MAX] {
            let policy = JwksPolicy::default()
                .with_default_age(extreme)
                .with_longest_age(extreme)
                .with_cool_down(extreme)
                .with_unknown_key_age(extreme)
                .with_fetch_timeout(extreme)
                .with_stale_while_fetching(extreme)
                .with_stale_if_error(extreme);
            assert!(policy.default_age <= JwksPolicy::LONGEST && policy.longest_age <= JwksPolicy::LONGEST);
            assert!(policy.unknown_key_age <= JwksPolicy::LONGEST);
            assert!(policy.grace(0) <= JwksPolicy::LONGEST && policy.grace(1) <= JwksPolicy::LONGEST);
            for pause in
                [policy.cool_down, policy.fetch_timeout, policy.pause(1), policy.bounded_age(extreme)]
            {
                assert!((JwksPolicy::SHORTEST..=JwksPolicy::LONGEST).contains(&pause), "{pause:?}");
            }
        }
    }
}
