//! The stored form of a device that polls.

use alloc::string::String;
use core::time::Duration;

use grantry_core::json::{self, JsonError};
use grantry_core::{ClientId, Issuer, Scope, SecretString, UnixTime};
use serde::{Deserialize, Serialize};

use crate::DeviceFlow;
use crate::device_flow::{DeviceFlight, DeviceState};
use crate::response::MAX_RESPONSE_BYTES;

impl DeviceFlow {
    /// The longest stored form read, in bytes: the answer that began the flow, and what stands around it.
    pub const MAX_BYTES: usize = MAX_RESPONSE_BYTES + 16 * 1024;

    const VERSION: u32 = 1;

    /// Writes the stored form, a poll on its way included. It holds the device code: keep it on the device.
    #[must_use]
    pub fn to_json(&self) -> SecretString {
        let written = Written {
            version: Self::VERSION,
            issuer: self.issuer.as_str(),
            client_id: &self.client_id,
            scope: &self.scope,
            device_code: self.device_code.expose(),
            user_code: self.user_code.expose(),
            verification_uri: &self.verification_uri,
            verification_uri_complete: self.verification_uri_complete.as_ref().map(SecretString::expose),
            expires_at: self.expires_at,
            interval: self.interval.as_secs(),
            next_poll_at: self.next_poll_at,
            failures: self.failures,
            tickets: self.tickets,
            flight: self.flight.map(|DeviceFlight { ticket, until }| StoredFlight { ticket, until }),
            done: self.state == DeviceState::Done,
        };
        // Plain strings and numbers always serialize; the empty text would be refused on reading.
        SecretString::from(serde_json::to_string(&written).unwrap_or_default())
    }

    /// Reads the stored form. What was stored is trusted: read only what this host wrote.
    ///
    /// # Errors
    ///
    /// [`DeviceFlowError::Version`] for a form of another version, [`DeviceFlowError::Malformed`] for any
    /// other text.
    pub fn from_json(text: &str) -> Result<Self, DeviceFlowError> {
        let read: Version = json::object_from_slice(text.as_bytes(), Self::MAX_BYTES)?;
        if read.version != Self::VERSION {
            return Err(DeviceFlowError::Version);
        }
        let stored: Stored = json::object_from_slice(text.as_bytes(), Self::MAX_BYTES)?;
        let interval = Duration::from_secs(stored.interval);
        Ok(Self {
            issuer: Issuer::danger_loopback_http(stored.issuer).map_err(|_| DeviceFlowError::Malformed)?,
            client_id: stored.client_id,
            scope: stored.scope,
            device_code: stored.device_code,
            user_code: stored.user_code,
            verification_uri: stored.verification_uri,
            verification_uri_complete: stored.verification_uri_complete,
            expires_at: stored.expires_at,
            interval: interval.max(Self::SHORTEST_INTERVAL),
            next_poll_at: stored.next_poll_at,
            failures: stored.failures,
            tickets: stored.tickets,
            flight: stored.flight.map(|StoredFlight { ticket, until }| DeviceFlight { ticket, until }),
            state: if stored.done { DeviceState::Done } else { DeviceState::Polling },
        })
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The members in the order of the stored bytes, borrowed: no copy of a secret is made on the way.
#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    issuer: &'a str,
    client_id: &'a ClientId,
    scope: &'a Scope,
    device_code: &'a str,
    user_code: &'a str,
    verification_uri: &'a str,
    verification_uri_complete: Option<&'a str>,
    expires_at: UnixTime,
    interval: u64,
    next_poll_at: UnixTime,
    failures: u32,
    tickets: u64,
    flight: Option<StoredFlight>,
    done: bool,
}

/// The same members, read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(rename = "version")]
    _version: u32,
    issuer: String,
    client_id: ClientId,
    scope: Scope,
    device_code: SecretString,
    user_code: SecretString,
    verification_uri: String,
    verification_uri_complete: Option<SecretString>,
    expires_at: UnixTime,
    interval: u64,
    next_poll_at: UnixTime,
    failures: u32,
    tickets: u64,
    flight: Option<StoredFlight>,
    done: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredFlight {
    ticket: u64,
    until: UnixTime,
}

/// Why a stored device flow can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceFlowError {
    /// It was written by another version of this crate.
    #[error("the device flow has an unknown version")]
    Version,
    /// It is not what [`DeviceFlow::to_json`] writes.
    #[error("not a device flow")]
    Malformed,
}

impl From<JsonError> for DeviceFlowError {
    fn from(_: JsonError) -> Self {
        Self::Malformed
    }
}
