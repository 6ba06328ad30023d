//! The phases of one key, and when they begin.

use grantry_core::UnixTime;

/// Where a key of a [`KeyRing`](super::KeyRing) stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a host that matches all phases should learn of a new one")]
pub enum KeyPhase {
    /// In the published set, and does not sign yet.
    Announced,
    /// In the published set, and signs.
    Signing,
    /// In the published set for the tokens that it signed.
    Retired,
    /// In no set, and of no use.
    Dropped,
}

/// When the phases of one key begin, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLifecycle {
    pub(super) announced_at: UnixTime,
    pub(super) signs_from: UnixTime,
    pub(super) retired_from: Option<UnixTime>,
    pub(super) dropped_from: Option<UnixTime>,
}

impl KeyLifecycle {
    /// Returns when the key came into the ring, by the clock of the process that added it.
    #[must_use]
    pub const fn announced_at(&self) -> UnixTime {
        self.announced_at
    }

    /// Returns the first second at which the key signs: 0 for a key that the ring began with, which signs on
    /// every clock, and for one that took the place of such a key.
    #[must_use]
    pub const fn signs_from(&self) -> UnixTime {
        self.signs_from
    }

    /// Returns the first second at which the key signs no longer. When it is not after
    /// [`KeyLifecycle::signs_from`], the key never signs.
    #[must_use]
    pub const fn retired_from(&self) -> Option<UnixTime> {
        self.retired_from
    }

    /// Returns the first second at which the key is in no set.
    #[must_use]
    pub const fn dropped_from(&self) -> Option<UnixTime> {
        self.dropped_from
    }

    /// Returns the phase at a time. A clock behind [`KeyLifecycle::announced_at`] shows the key as announced:
    /// a key that stands in the set too early harms nobody.
    #[must_use]
    pub fn phase(&self, now: UnixTime) -> KeyPhase {
        let has_come = |time: Option<UnixTime>| time.is_some_and(|time| time <= now);
        if has_come(self.dropped_from) {
            KeyPhase::Dropped
        } else if has_come(self.retired_from) {
            KeyPhase::Retired
        } else if self.signs_from <= now {
            KeyPhase::Signing
        } else {
            KeyPhase::Announced
        }
    }

    /// Returns the first second after `now` at which the phase is another one.
    pub(super) fn next_change(&self, now: UnixTime) -> Option<UnixTime> {
        let signs = self.retired_from.is_none_or(|retired_from| self.signs_from < retired_from);
        let times = [signs.then_some(self.signs_from), self.retired_from, self.dropped_from];
        times.into_iter().flatten().filter(|time| *time > now).min()
    }
}
