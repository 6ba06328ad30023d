//! Where the keys of an issuer come from, and what stops a check.

use alloc::sync::Arc;
use core::convert::Infallible;

use grantry_core::{Issuer, UnixTime};
use grantry_jwt::{Advice, FetchTicket, JwkSet, VerifyError, Wanted};

use crate::trusted::Trusted;
use crate::{Access, Reason, Rejection};

/// What to do about a request whose keys the host fetches.
#[derive(Debug)]
#[must_use = "a ticket that is dropped holds back every other fetch until it expires"]
#[expect(clippy::exhaustive_enums, reason = "a host must handle each of the four")]
pub enum Verdict {
    /// The token is good.
    Granted(Access),
    /// Send the answer of the rejection.
    Rejected(Rejection),
    /// Send the request of the ticket, hand what comes back to the cache of this issuer, and check again.
    Fetch {
        /// The issuer whose cache gave the ticket.
        issuer: Issuer,
        /// The right to fetch its keys once.
        ticket: FetchTicket,
    },
    /// There are no keys to check with: another caller fetches them, or a failed fetch is not tried again yet. Check
    /// again when the other is back and at the latest at `until`, or answer 503, never as if the token were bad.
    Unavailable {
        /// When to check again at the latest.
        until: UnixTime,
    },
}

/// Why a check has no access for its end: the token is refused, or the keys are not here.
pub(crate) enum Halt<P> {
    Refused(Reason),
    Paused(P),
}

/// What a host has to do before the same check can go on.
pub(crate) enum Pause {
    Fetch { issuer: Issuer, ticket: FetchTicket },
    Unavailable { until: UnixTime },
}

pub(crate) trait KeySource {
    /// What can stop a check for want of keys.
    type Pause;

    fn keys(&mut self, trusted: &Trusted, wanted: Wanted<'_>) -> Result<Arc<JwkSet>, Halt<Self::Pause>>;
}

/// The keys that the guard holds: they are there, or nowhere.
pub(crate) struct Held;

impl KeySource for Held {
    type Pause = Infallible;

    fn keys(&mut self, trusted: &Trusted, _: Wanted<'_>) -> Result<Arc<JwkSet>, Halt<Infallible>> {
        Ok(Arc::clone(&trusted.keys))
    }
}

/// The keys that the host fetches.
pub(crate) struct Fetched<'a>(pub(crate) &'a mut dyn FnMut(&Issuer, Wanted<'_>) -> Advice);

impl KeySource for Fetched<'_> {
    type Pause = Pause;

    fn keys(&mut self, trusted: &Trusted, wanted: Wanted<'_>) -> Result<Arc<JwkSet>, Halt<Pause>> {
        match (self.0)(&trusted.issuer, wanted) {
            Advice::Ready(keys) | Advice::Wait { stale: Some(keys), .. } => Ok(keys),
            Advice::Fetch(ticket) => {
                Err(Halt::Paused(Pause::Fetch { issuer: trusted.issuer.clone(), ticket }))
            }
            Advice::Wait { until, stale: None } => Err(Halt::Paused(Pause::Unavailable { until })),
            Advice::NoSuchKey { .. } => Err(Halt::Refused(Reason::Token(VerifyError::UnknownKey))),
        }
    }
}
