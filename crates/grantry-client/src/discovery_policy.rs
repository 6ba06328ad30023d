//! What the discovery of a provider decides by.

use core::time::Duration;

use crate::{Tolerance, WellKnownOrder};

/// The places, the tolerance and the times of a [`Discovery`](crate::Discovery). Times are in whole seconds,
/// none above [`DiscoveryPolicy::LONGEST`].
///
/// They are the host's, and what a provider says moves only inside them: with `no-store` a document still
/// counts for one cool-down, and no `max-age` counts for more than the longest age.
#[derive(Clone, Debug)]
pub struct DiscoveryPolicy {
    pub(crate) order: WellKnownOrder,
    pub(crate) tolerance: Tolerance,
    pub(crate) default_age: Duration,
    pub(crate) longest_age: Duration,
    pub(crate) cool_down: Duration,
    pub(crate) fetch_timeout: Duration,
    pub(crate) stale_while_fetching: Duration,
    pub(crate) stale_if_error: Duration,
}

impl Default for DiscoveryPolicy {
    fn default() -> Self {
        Self {
            order: WellKnownOrder::default(),
            tolerance: Tolerance::strict(),
            default_age: Duration::from_secs(3600),
            longest_age: Duration::from_secs(24 * 3600),
            cool_down: Duration::from_secs(60),
            fetch_timeout: Duration::from_secs(10),
            stale_while_fetching: Duration::from_secs(10 * 60),
            stale_if_error: Duration::from_secs(24 * 3600),
        }
    }
}

impl DiscoveryPolicy {
    /// The most that each time can be, 30 days: a document that is never fetched anew is configuration,
    /// for which a [`Provider`](crate::Provider) alone will do.
    pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

    /// The least that the cool-down and the timeout of a fetch can be, one second: time is in whole ones.
    pub const SHORTEST: Duration = Duration::from_secs(1);

    /// Sets where the document is looked for: OpenID Connect's place before that of OAuth 2 by default.
    #[must_use]
    pub const fn with_well_known(mut self, order: WellKnownOrder) -> Self {
        self.order = order;
        self
    }

    /// Sets what of the standards the provider breaks; nothing by default.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Sets how long a document is fresh whose response names no time: one hour by default.
    #[must_use]
    pub fn with_default_age(mut self, age: Duration) -> Self {
        self.default_age = age.min(Self::LONGEST);
        self
    }

    /// Sets the most that a `max-age` of the provider counts for
    /// ([RFC 9111 section 5.2.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.1)): one day by
    /// default. It is how long an endpoint that the provider gave up goes on to be sent to.
    #[must_use]
    pub fn with_longest_age(mut self, age: Duration) -> Self {
        self.longest_age = age.min(Self::LONGEST);
        self
    }

    /// Sets the shortest time that a document is fresh, which is also the longest from a failed fetch to the
    /// next: one minute by default.
    #[must_use]
    pub fn with_cool_down(mut self, pause: Duration) -> Self {
        self.cool_down = pause.clamp(Self::SHORTEST, Self::LONGEST);
        self
    }

    /// Sets after how long without an answer a fetch counts as lost: 10 seconds by default.
    #[must_use]
    pub fn with_fetch_timeout(mut self, timeout: Duration) -> Self {
        self.fetch_timeout = timeout.clamp(Self::SHORTEST, Self::LONGEST);
        self
    }

    /// Sets for how long past its age a document still serves while a newer one is fetched, so that nobody
    /// waits ([RFC 5861 section 3](https://www.rfc-editor.org/rfc/rfc5861#section-3)): 10 minutes by default.
    #[must_use]
    pub fn with_stale_while_fetching(mut self, grace: Duration) -> Self {
        self.stale_while_fetching = grace.min(Self::LONGEST);
        self
    }

    /// Sets for how long past its age a document still serves while the provider cannot be reached or sends
    /// none ([RFC 5861 section 4](https://www.rfc-editor.org/rfc/rfc5861#section-4)): one day by default.
    /// Then it stops.
    #[must_use]
    pub fn with_stale_if_error(mut self, grace: Duration) -> Self {
        self.stale_if_error = grace.min(Self::LONGEST);
        self
    }

    /// Returns for how long past its age a document serves after this many failed fetches in a row.
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
        let policy = DiscoveryPolicy::default();
        let pauses = [1, 2, 3, 6, 7, 64, 65, u32::MAX].map(|failures| policy.pause(failures).as_secs());
        assert_eq!(pauses, [1, 2, 4, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn no_time_is_out_of_its_bounds() {
        for extreme in [Duration::ZERO, Duration::MAX] {
            let policy = DiscoveryPolicy::default()
                .with_default_age(extreme)
                .with_longest_age(extreme)
                .with_cool_down(extreme)
                .with_fetch_timeout(extreme)
                .with_stale_while_fetching(extreme)
                .with_stale_if_error(extreme);
            let longest = DiscoveryPolicy::LONGEST;
            assert!(policy.default_age <= longest && policy.longest_age <= longest);
            assert!(policy.grace(0) <= longest && policy.grace(1) <= longest);
            for pause in
                [policy.cool_down, policy.fetch_timeout, policy.pause(1), policy.bounded_age(extreme)]
            {
                assert!((DiscoveryPolicy::SHORTEST..=longest).contains(&pause), "{pause:?}");
            }
        }
    }
}
