//! Points in time, as the standards count them.

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time in whole seconds since 1970-01-01T00:00:00Z, leap seconds ignored
/// ([RFC 7519 section 2](https://www.rfc-editor.org/rfc/rfc7519#section-2), `NumericDate`).
///
/// Arithmetic saturates, so no input moves a date around the end of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The last moment that can be written.
    pub const MAX: Self = Self(u64::MAX);

    /// Makes a point in time from seconds since the epoch.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Returns the seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// Returns the moment `duration` later, its part below a second dropped.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// Returns the moment `duration` earlier, never before the epoch.
    #[must_use]
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }

    /// Returns how long ago `earlier` was; zero when it is in the future.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let minute = Duration::from_secs(60);
        assert_eq!(UnixTime::MAX.saturating_add(minute), UnixTime::MAX);
        assert_eq!(UnixTime::from_secs(59).saturating_sub(minute), UnixTime::from_secs(0));
        assert_eq!(UnixTime::from_secs(1).saturating_since(UnixTime::MAX), Duration::ZERO);
    }
}
