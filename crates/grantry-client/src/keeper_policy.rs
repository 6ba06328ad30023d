//! What a keeper of tokens decides by.

use core::time::Duration;

use grantry_core::Moment;

/// The times of a [`TokenKeeper`](crate::TokenKeeper), in whole seconds, none above
/// [`KeeperPolicy::LONGEST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeeperPolicy {
    pub(crate) margin: Duration,
    pub(crate) unknown_lifetime: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) longest_pause: Duration,
    pub(crate) retry_within: Duration,
    pub(crate) retries: u32,
}

impl Default for KeeperPolicy {
    fn default() -> Self {
        Self {
            margin: Duration::from_secs(60),
            unknown_lifetime: Duration::from_secs(3600),
            request_timeout: Duration::from_secs(5),
            longest_pause: Duration::from_secs(5 * 60),
            retry_within: Duration::from_secs(24 * 3600),
            retries: 300,
        }
    }
}

impl KeeperPolicy {
    /// The most that each time can be, 30 days.
    pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

    /// The least that the timeout of a request and the longest pause can be, two seconds: a pause has room for
    /// its jitter.
    pub const SHORTEST: Duration = Duration::from_secs(2);

    /// The least time from new tokens to the next refresh, five seconds: neither tokens that are born
    /// expired nor an API that refuses each of them turns into a flood at the provider.
    pub const COOL_DOWN: Duration = Duration::from_secs(5);

    /// Sets how long before its expiry an access token is refreshed: 60 seconds by default, and never more
    /// than half of its lifetime. Up to half of the margin is added at random, so that what was issued
    /// together is not refreshed together.
    #[must_use]
    pub fn with_margin(mut self, margin: Duration) -> Self {
        self.margin = margin.min(Self::LONGEST);
        self
    }

    /// Sets after how long an access token is refreshed whose lifetime the provider did not say: one hour
    /// by default. It goes on to be used meanwhile, for nobody knows whether it has expired.
    #[must_use]
    pub fn with_unknown_lifetime(mut self, lifetime: Duration) -> Self {
        self.unknown_lifetime = lifetime.min(Self::LONGEST);
        self
    }

    /// Sets after how long without an answer a refresh counts as lost: five seconds by default. Then
    /// another process takes it over. A provider with a window for lost replies, as the `refresh_retry` of
    /// grantry's server, has to have a longer one; the clocks of processes that share a session differ
    /// by much less.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout.clamp(Self::SHORTEST, Self::LONGEST);
        self
    }

    /// Sets the longest pause after failures in a row, five minutes by default: the pauses begin with one to
    /// two seconds and double.
    #[must_use]
    pub fn with_longest_pause(mut self, pause: Duration) -> Self {
        self.longest_pause = pause.clamp(Self::SHORTEST, Self::LONGEST);
        self
    }

    /// Sets for how long after the first lost reply, and how many times, the same refresh token is sent
    /// again: a day and 300 times by default. Then the session ends with its access token.
    ///
    /// The provider may have taken the token whose reply was lost. One with a window for lost replies
    /// answers the same again; one that merely refuses used tokens ends the session, as not asking
    /// would have; one that takes reuse for theft also revokes what was issued last and may tell its
    /// operator ([RFC 9700 section 4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)).
    #[must_use]
    pub fn with_lost_reply_retry(mut self, within: Duration, times: u32) -> Self {
        self.retry_within = within.min(Self::LONGEST);
        self.retries = times;
        self
    }

    /// Sends no refresh token a second time whose reply was lost: the session ends with its access token.
    #[must_use]
    pub const fn without_lost_reply_retry(mut self) -> Self {
        self.retry_within = Duration::ZERO;
        self.retries = 0;
        self
    }

    /// Returns how long before its end a token of this lifetime is refreshed.
    pub(crate) fn early_by(&self, lifetime: Duration, moment: &Moment) -> Duration {
        let jitter = jitter(self.margin / 2, moment);
        self.margin.saturating_add(jitter).min(lifetime / 2)
    }

    /// Returns the pause after this many failures in a row: the second half of it is random.
    pub(crate) fn pause(&self, failures: u32, moment: &Moment) -> Duration {
        let seconds = 1_u64.checked_shl(failures).unwrap_or(u64::MAX);
        let half = Duration::from_secs(seconds).min(self.longest_pause) / 2;
        half.saturating_add(jitter(half, moment))
    }
}

/// Returns a random time in whole seconds, up to and with the most.
pub(crate) fn jitter(most: Duration, moment: &Moment) -> Duration {
    let random = u64::from(u32::from_be_bytes(moment.random("jitter")));
    Duration::from_secs(random % most.as_secs().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use grantry_core::UnixTime;

    use super::*;

    fn moments() -> impl Iterator<Item = Moment> {
        (0..64).map(|seed| Moment::new(UnixTime::from_secs(1), [seed; 32]))
    }

    #[test]
    fn pauses_double_with_jitter_up_to_the_longest() {
        let policy = KeeperPolicy::default();
        for (failures, low, high) in [(1, 1, 2), (2, 2, 4), (3, 4, 8), (9, 150, 300), (64, 150, 300)] {
            let pauses: Vec<_> = moments().map(|moment| policy.pause(failures, &moment).as_secs()).collect();
            assert!(pauses.iter().all(|pause| (low..=high).contains(pause)), "{failures} {pauses:?}");
            assert!(pauses.iter().min() < pauses.iter().max(), "{failures}");
        }
    }

    #[test]
    fn the_margin_has_jitter_and_leaves_half_of_the_lifetime() {
        let policy = KeeperPolicy::default();
        let early =
            |lifetime, moment: &Moment| policy.early_by(Duration::from_secs(lifetime), moment).as_secs();
        let margins: Vec<_> = moments().map(|moment| early(3600, &moment)).collect();
        assert!(margins.iter().all(|margin| (60..=90).contains(margin)));
        assert!(margins.iter().min() < margins.iter().max());
        for moment in moments() {
            assert_eq!([early(100, &moment), early(1, &moment), early(0, &moment)], [50, 0, 0]);
        }
    }

    #[test]
    fn no_time_is_out_of_its_bounds() {
        for extreme in [Duration::ZERO, Duration::MAX] {
            let policy = KeeperPolicy::default()
                .with_margin(extreme)
                .with_unknown_lifetime(extreme)
                .with_request_timeout(extreme)
                .with_longest_pause(extreme)
                .with_lost_reply_retry(extreme, u32::MAX);
            for time in [policy.margin, policy.unknown_lifetime, policy.retry_within] {
                assert!(time <= KeeperPolicy::LONGEST);
            }
            for time in [policy.request_timeout, policy.longest_pause] {
                assert!((KeeperPolicy::SHORTEST..=KeeperPolicy::LONGEST).contains(&time));
            }
        }
    }
}
