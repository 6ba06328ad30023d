//! Time and randomness, taken once for an operation.

use core::fmt;

use ring::hmac;
use zeroize::{Zeroize, Zeroizing};

use crate::{UnixTime, base64url};

/// The time and the randomness of one operation.
///
/// A moment is neither `Clone` nor `Copy`: make a new one for every operation. Every random value
/// is derived from the seed under a label, so that an operation that decides again after a conflict
/// derives the same values, and a recorded operation can be replayed.
pub struct Moment {
    now: UnixTime,
    seed: Zeroizing<[u8; 32]>,
}

impl Moment {
    /// Makes a moment from a time and 32 bytes from a cryptographically secure source.
    #[must_use]
    pub fn new(now: UnixTime, mut seed: [u8; 32]) -> Self {
        let moment = Self { now, seed: Zeroizing::new(seed) };
        seed.zeroize();
        moment
    }

    /// Reads the system's clock and entropy source.
    ///
    /// # Errors
    ///
    /// [`MomentError::Clock`] when the clock stands before 1970, [`MomentError::Entropy`] when the
    /// system's random source fails: there is no weaker source to fall back to.
    #[cfg(feature = "std")]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock and entropy")]
    pub fn now() -> Result<Self, MomentError> {
        use ring::rand::{SecureRandom, SystemRandom};

        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_err(|_| MomentError::Clock)?;
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| MomentError::Entropy)?;
        Ok(Self::new(UnixTime::from_secs(since_epoch.as_secs()), seed))
    }

    /// Returns the time of the operation.
    #[must_use]
    pub const fn time(&self) -> UnixTime {
        self.now
    }

    /// Returns the seed, for a transcript. Whoever has it knows every random value of the operation.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Derives `N` random bytes: HMAC-SHA256 of the seed over the label and a block number.
    ///
    /// The same label gives the same bytes, so each use has a label of its own.
    #[must_use]
    pub fn random<const N: usize>(&self, label: &str) -> [u8; N] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.seed.as_slice());
        let mut out = [0; N];
        for (block, number) in out.chunks_mut(32).zip(0_u32..) {
            let mut context = hmac::Context::with_key(&key);
            context.update(&number.to_be_bytes());
            context.update(label.as_bytes());
            let tag = context.sign();
            for (byte, random) in block.iter_mut().zip(tag.as_ref()) {
                *byte = *random;
            }
        }
        out
    }

    /// Derives 32 random bytes and writes them as 43 base64url characters, 256 bits of entropy.
    #[must_use]
    pub fn random_text(&self, label: &str) -> alloc::string::String {
        base64url::encode(self.random::<32>(label))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moment").field("now", &self.now).finish_non_exhaustive()
    }
}

/// Why the system could not give a [`Moment`].
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum MomentError {
    /// The clock stands before 1970.
    #[error("the system clock stands before 1970")]
    Clock,
    /// The random source failed
    /// ([RFC 6749 section 10.10](https://www.rfc-editor.org/rfc/rfc6749#section-10.10)).
    #[error("the system's random source failed")]
    Entropy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_seeds_give_independent_values_and_repeat_exactly() {
        let moment = Moment::new(UnixTime::from_secs(1), [1; 32]);
        let other = Moment::new(UnixTime::from_secs(1), [2; 32]);
        assert_eq!(moment.random::<40>("a"), moment.random::<40>("a"));
        assert_ne!(moment.random::<40>("a"), moment.random::<40>("b"));
        assert_ne!(moment.random::<40>("a"), other.random::<40>("a"));
        let long = moment.random::<64>("a");
        assert_ne!(long[..32], long[32..]);
    }
}
