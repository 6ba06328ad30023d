//! The stored form of a cache of keys, for a host that starts again.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use grantry_core::json::{self, JsonError};
use grantry_core::{SteadyClock, UnixTime, base64url};
use serde::{Deserialize, Serialize};

use crate::jwks_cache::Held;
use crate::unknown_keys::{KeyIdDigest, UnknownKeys};
use crate::{JwkSet, JwksCache, JwksPolicy};

impl JwksCache {
    /// The longest stored form read, in bytes: a key set as text inside JSON, and what stands around it.
    pub const MAX_STATE_BYTES: usize = 2 * JwkSet::MAX_BYTES + 64 * 1024;

    const VERSION: u32 = 1;

    /// Half of the range is never reached, one fetch a second.
    const MAX_TICKETS: u64 = u64::MAX / 2;

    /// Writes the stored form: public keys and times, no secret. A fetch on its way is left out: the
    /// cache that is read from here knows nothing of it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let held = self.held.as_ref().map(|held| StoredSet {
            ticket: held.ticket,
            fresh_until: self.clock.to_wall(held.fresh_until),
            document: held.keys.to_json(),
        });
        let unknown_keys = self.unknown_keys.iter().map(|(key_id, until)| StoredKeyId {
            digest: base64url::encode(key_id.as_bytes()),
            until: self.clock.to_wall(until),
        });
        let stored = Stored {
            version: Self::VERSION,
            jwks_uri: String::from(&*self.jwks_uri),
            saved_at: self.clock.wall(),
            // What is written is longer than what was read by the members that were left out there.
            held: held.filter(|held| held.document.len() <= JwkSet::MAX_BYTES),
            tickets: self.tickets,
            failures: self.failures,
            retry_at: self.clock.to_wall(self.retry_at),
            cool_until: self.clock.to_wall(self.cool_until),
            unknown_keys: unknown_keys.collect(),
        };
        // Plain strings and numbers always serialize; the empty text would be refused on reading.
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// Reads the stored form. What was stored is trusted: who can write it chooses the keys.
    ///
    /// Its times go on to hold, none of them for longer than the policy would have it.
    ///
    /// # Errors
    ///
    /// [`JwksStateError::Version`] for a form of another version, [`JwksStateError::OtherDocument`] for
    /// the keys of another URL, [`JwksStateError::Malformed`] for any other text.
    pub fn from_json(text: &str, jwks_uri: &str, policy: JwksPolicy) -> Result<Self, JwksStateError> {
        let read: Version = json::object_from_slice(text.as_bytes(), Self::MAX_STATE_BYTES)?;
        if read.version != Self::VERSION {
            return Err(JwksStateError::Version);
        }
        let stored: Stored = json::object_from_slice(text.as_bytes(), Self::MAX_STATE_BYTES)?;
        if stored.jwks_uri != jwks_uri {
            return Err(JwksStateError::OtherDocument);
        }
        let newest = stored.held.as_ref().map_or(0, |held| held.ticket);
        // Numbers that no answer could follow would keep the keys for ever.
        if newest > stored.tickets
            || stored.tickets > Self::MAX_TICKETS
            || stored.unknown_keys.len() > UnknownKeys::MAX
        {
            return Err(JwksStateError::Malformed);
        }
        let clock = SteadyClock::starting_at(stored.saved_at);
        let now = clock.elapsed();
        let at_most = |time: UnixTime, ahead: Duration| clock.point_at(time).min(now.saturating_add(ahead));
        let mut unknown_keys = UnknownKeys::default();
        for key_id in &stored.unknown_keys {
            unknown_keys.insert(key_id.digest()?, at_most(key_id.until, policy.unknown_key_age), now);
        }
        let held = match stored.held {
            Some(set) => Some(Held {
                keys: Arc::new(
                    policy.loader.jwk_set(set.document.as_bytes()).map_err(|_| JwksStateError::Malformed)?,
                ),
                ticket: set.ticket,
                fresh_until: at_most(set.fresh_until, policy.bounded_age(policy.longest_age)),
            }),
            None => None,
        };
        let retry_at = at_most(stored.retry_at, policy.cool_down);
        let cool_until = at_most(stored.cool_until, policy.cool_down);
        let mut cache = Self::new(jwks_uri, policy);
        cache.held = held;
        cache.tickets = stored.tickets;
        cache.failures = stored.failures;
        cache.retry_at = retry_at;
        cache.cool_until = cool_until;
        cache.unknown_keys = unknown_keys;
        cache.clock = clock;
        Ok(cache)
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
    jwks_uri: String,
    saved_at: UnixTime,
    held: Option<StoredSet>,
    tickets: u64,
    failures: u32,
    retry_at: UnixTime,
    cool_until: UnixTime,
    unknown_keys: Vec<StoredKeyId>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredSet {
    ticket: u64,
    fresh_until: UnixTime,
    document: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKeyId {
    digest: String,
    until: UnixTime,
}

impl StoredKeyId {
    fn digest(&self) -> Result<KeyIdDigest, JwksStateError> {
        let bytes = base64url::decode(&self.digest).map_err(|_| JwksStateError::Malformed)?;
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| JwksStateError::Malformed)?;
        Ok(KeyIdDigest::from_bytes(bytes))
    }
}

/// Why a stored cache can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum JwksStateError {
    /// It was written by another version of this crate.
    #[error("the cache of keys has an unknown version")]
    Version,
    /// It holds the keys of another URL.
    #[error("the cache holds the keys of another URL")]
    OtherDocument,
    /// It is not what [`JwksCache::to_json`] writes.
    #[error("not a cache of keys")]
    Malformed,
}

impl From<JsonError> for JwksStateError {
    fn from(_: JsonError) -> Self {
        Self::Malformed
    }
}
