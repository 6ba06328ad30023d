//! Time that only moves forward, made of readings that may not.

use core::time::Duration;

use crate::UnixTime;

/// Counts how much time has gone by, in whole seconds.
///
/// A reading a little behind the last one is that of a thread that came late to the lock. One far
/// behind it means that the clock was set: what has gone by stays gone by, and counting goes on
/// from there, so that neither a wrong future nor its correction freezes what was to end.
#[derive(Clone, Debug)]
pub struct SteadyClock {
    wall: UnixTime,
    elapsed: Duration,
}

impl SteadyClock {
    /// What threads that share a lock may differ by: generous for a thread that slept.
    const JITTER: Duration = Duration::from_secs(60);

    /// The most that one step counts. Everything measured here ends sooner, and no reading can move
    /// the count to the end of its range.
    const MAX_STEP: Duration = Duration::from_secs(366 * 24 * 3600);

    /// Starts at a time, far enough from zero that the past can be written, too.
    #[must_use]
    pub const fn starting_at(wall: UnixTime) -> Self {
        Self { wall, elapsed: Self::MAX_STEP }
    }

    /// Takes a reading.
    pub fn advance(&mut self, now: UnixTime) {
        if now >= self.wall {
            let step = now.saturating_since(self.wall).min(Self::MAX_STEP);
            self.elapsed = self.elapsed.saturating_add(step);
            self.wall = now;
        } else if self.wall.saturating_since(now) > Self::JITTER {
            self.wall = now;
        }
    }

    /// Returns the present as a point on the steady line.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns the last reading.
    #[must_use]
    pub const fn wall(&self) -> UnixTime {
        self.wall
    }

    /// Returns what a clock on the wall shows at a point of the steady line.
    #[must_use]
    pub fn to_wall(&self, point: Duration) -> UnixTime {
        let ahead = self.wall.saturating_add(point.saturating_sub(self.elapsed));
        ahead.saturating_sub(self.elapsed.saturating_sub(point))
    }

    /// Returns the point of the steady line at a time on the wall.
    #[must_use]
    pub fn point_at(&self, time: UnixTime) -> Duration {
        let ahead = self.elapsed.saturating_add(time.saturating_since(self.wall));
        ahead.saturating_sub(self.wall.saturating_since(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how many seconds went by at each reading.
    fn elapsed(start: u64, readings: &[u64]) -> Duration {
        let mut clock = SteadyClock::starting_at(UnixTime::from_secs(start));
        for reading in readings {
            clock.advance(UnixTime::from_secs(*reading));
        }
        clock.elapsed() - SteadyClock::MAX_STEP
    }

    #[test]
    fn a_late_thread_moves_nothing() {
        assert_eq!(elapsed(1000, &[1010, 1009, 1010, 1000, 1011]), Duration::from_secs(11));
    }

    #[test]
    fn a_clock_set_back_goes_on_from_there() {
        assert_eq!(elapsed(10_000, &[10_010, 5_000, 5_010]), Duration::from_secs(20));
        // Step by step it goes on, too.
        assert_eq!(elapsed(1000, &[950, 930, 940]), Duration::from_secs(10));
    }

    #[test]
    fn one_wild_reading_does_not_end_the_count() {
        let wild = elapsed(1000, &[u64::MAX, 1000, 1010]);
        assert_eq!(wild, SteadyClock::MAX_STEP + Duration::from_secs(10));
    }

    #[test]
    fn points_and_times_convert_both_ways() {
        let mut clock = SteadyClock::starting_at(UnixTime::from_secs(5_000));
        clock.advance(UnixTime::from_secs(6_000));
        clock.advance(UnixTime::from_secs(2_000));
        for time in [0, 1_999, 2_000, 2_001, 9_000] {
            let time = UnixTime::from_secs(time);
            assert_eq!(clock.to_wall(clock.point_at(time)), time);
        }
    }
}
