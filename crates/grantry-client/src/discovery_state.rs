//! The stored form of a discovery, for a host that starts again.

use alloc::{string::String, sync::Arc};
use core::time::Duration;

use grantry_core::json::{self, JsonError};
use grantry_core::{Issuer, SteadyClock, UnixTime};
use serde::{Deserialize, Serialize};

use crate::discovery::Held;
use crate::{Discovery, DiscoveryPolicy, WellKnown, discovery_document};

impl Discovery {
    /// The longest stored form read, in bytes: a document as text inside JSON, where quotes and line breaks
    /// take two, and what stands around it.
    pub const MAX_STATE_BYTES: usize = 2 * Self::MAX_DOCUMENT_BYTES + 16 * 1024;

    const VERSION: u32 = 1;

    /// Half of the range is never reached, one fetch a second.
    const MAX_TICKETS: u64 = u64::MAX / 2;

    /// Writes the stored form: public metadata and times, no secret. A fetch on its way is left out: the
    /// discovery that is read from here knows nothing of it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let held = self.held.as_ref().map(|held| StoredDocument {
            ticket: held.ticket,
            fresh_until: self.clock.to_wall(held.fresh_until),
            document: held.document.clone(),
        });
        let stored = Stored {
            version: Self::VERSION,
            issuer: self.issuer.as_str().into(),
            saved_at: self.clock.wall(),
            well_known: StoredPlace::from(self.first),
            held,
            tickets: self.tickets,
            failures: self.failures,
            retry_at: self.clock.to_wall(self.retry_at),
        };
        // Plain strings and numbers always serialize; the empty text would be refused on reading.
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// Reads the stored form. What was stored is trusted: who can write it chooses the provider's endpoints.
    /// The document in it passes the same checks as when it came.
    ///
    /// Its times go on to hold, none of them for longer than the policy would have it.
    ///
    /// # Errors
    ///
    /// [`DiscoveryStateError::Version`] for a form of another version, [`DiscoveryStateError::OtherIssuer`]
    /// for the metadata of another issuer, [`DiscoveryStateError::Malformed`] for any other text.
    pub fn from_json(
        text: &str,
        issuer: Issuer,
        policy: DiscoveryPolicy,
    ) -> Result<Self, DiscoveryStateError> {
        let read: Version = json::object_from_slice(text.as_bytes(), Self::MAX_STATE_BYTES)?;
        if read.version != Self::VERSION {
            return Err(DiscoveryStateError::Version);
        }
        let stored: Stored = json::object_from_slice(text.as_bytes(), Self::MAX_STATE_BYTES)?;
        if stored.issuer != issuer.as_str() {
            return Err(DiscoveryStateError::OtherIssuer);
        }
        let newest = stored.held.as_ref().map_or(0, |held| held.ticket);
        // Numbers that no answer could follow would keep the document for ever.
        if newest > stored.tickets || stored.tickets > Self::MAX_TICKETS {
            return Err(DiscoveryStateError::Malformed);
        }
        let mut discovery = Self::new(issuer, policy);
        discovery.clock = SteadyClock::starting_at(stored.saved_at);
        discovery.held = stored.held.map(|held| discovery.hold(held)).transpose()?;
        discovery.tickets = stored.tickets;
        discovery.failures = stored.failures;
        discovery.retry_at = discovery.at_most(stored.retry_at, discovery.policy.cool_down);
        discovery.start_at(stored.well_known.into());
        Ok(discovery)
    }

    fn hold(&self, stored: StoredDocument) -> Result<Held, DiscoveryStateError> {
        let document = stored.document.as_bytes();
        let provider = discovery_document::read(document, &self.issuer, &self.policy.tolerance)
            .map_err(|_| DiscoveryStateError::Malformed)?;
        let longest = self.policy.bounded_age(self.policy.longest_age);
        Ok(Held {
            provider: Arc::new(provider),
            ticket: stored.ticket,
            fresh_until: self.at_most(stored.fresh_until, longest),
            document: stored.document,
        })
    }

    fn at_most(&self, time: UnixTime, ahead: Duration) -> Duration {
        self.clock.point_at(time).min(self.clock.elapsed().saturating_add(ahead))
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The members in the order of the stored bytes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    issuer: String,
    saved_at: UnixTime,
    well_known: StoredPlace,
    held: Option<StoredDocument>,
    tickets: u64,
    failures: u32,
    retry_at: UnixTime,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredDocument {
    ticket: u64,
    fresh_until: UnixTime,
    document: String,
}

#[derive(Serialize, Deserialize)]
enum StoredPlace {
    #[serde(rename = "openid-configuration")]
    OpenId,
    #[serde(rename = "oauth-authorization-server")]
    OAuth2,
}

impl From<WellKnown> for StoredPlace {
    fn from(place: WellKnown) -> Self {
        match place {
            WellKnown::OpenId => Self::OpenId,
            WellKnown::OAuth2 => Self::OAuth2,
        }
    }
}

impl From<StoredPlace> for WellKnown {
    fn from(place: StoredPlace) -> Self {
        match place {
            StoredPlace::OpenId => Self::OpenId,
            StoredPlace::OAuth2 => Self::OAuth2,
        }
    }
}

/// Why a stored discovery can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryStateError {
    /// It was written by another version of this crate.
    #[error("the discovery has an unknown version")]
    Version,
    /// It holds the metadata of another issuer.
    #[error("the discovery is that of another issuer")]
    OtherIssuer,
    /// It is not what [`Discovery::to_json`] writes, or its document passes the checks no more.
    #[error("not a stored discovery")]
    Malformed,
}

impl From<JsonError> for DiscoveryStateError {
    fn from(_: JsonError) -> Self {
        Self::Malformed
    }
}
