//! The stored form of a ring.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::time::Duration;

use grantry_core::{SecretString, UnixTime, json};
use serde::{Deserialize, Serialize};

use super::ring_key::Held;
use super::{Entry, KeyRing, KeyRingError, KeyRingPolicy, RingKey};
use crate::jwk::Jwk;
use crate::{Algorithm, KeyError, KeyLoader, PrivateKey, PublicKey};

const VERSION: u32 = 1;

impl KeyRing {
    /// The longest stored form read, in bytes: room for the largest keys.
    pub const MAX_BYTES: usize = 1024 * 1024;

    /// Writes the stored form, with the private members of each key that is held here: encrypt it, or keep
    /// it where private keys are kept.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Key`] for a key that cannot be written.
    pub fn to_secret_json(&self) -> Result<SecretString, KeyRingError> {
        let head = Head {
            version: VERSION,
            policy: WrittenPolicy::of(&self.policy),
            older_sets_until: self.older_sets_until,
        };
        let mut pieces = alloc::vec![SecretString::from(open(&head)), SecretString::from(",\"keys\":[")];
        for (index, entry) in self.entries.iter().enumerate() {
            let (name, jwk) = match entry.key.held() {
                Held::Here { private_key, .. } => (",\"private_key\":", private_key.to_jwk()?),
                Held::Elsewhere => (",\"public_key\":", public_jwk(&entry.key)?),
            };
            let comma = if index == 0 { "" } else { "," };
            let times = open(&WrittenEntry::of(entry));
            pieces.extend([comma, &times, name].map(SecretString::from));
            pieces.extend([jwk, SecretString::from("}")]);
        }
        pieces.push(SecretString::from("]}"));
        // Sized at once, so that growing leaves no copy behind.
        let mut text = String::with_capacity(pieces.iter().map(|piece| piece.expose().len()).sum());
        text.extend(pieces.iter().map(SecretString::expose));
        Ok(SecretString::from(text))
    }

    /// Reads the stored form and prepares its keys. What was stored is trusted: read only what this host
    /// wrote. An unknown member is refused, since it may be what a newer writer keeps a key for.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Version`] for a form of another version, [`KeyRingError::Json`] for any other
    /// text, [`KeyRingError::Inconsistent`] for times out of order or a key that is there twice or not at
    /// all, [`KeyRingError::Key`] for a key that the loader refuses, [`KeyRingError::Policy`], and as
    /// [`KeyRing::new`].
    pub fn from_json(text: &str, loader: &KeyLoader) -> Result<Self, KeyRingError> {
        let Version { version } = json::object_from_slice(text.as_bytes(), Self::MAX_BYTES)?;
        if version != VERSION {
            return Err(KeyRingError::Version);
        }
        let stored: Stored<'_> = json::object_from_slice(text.as_bytes(), Self::MAX_BYTES)?;
        let mut ring = Self {
            policy: stored.policy.read()?,
            older_sets_until: stored.older_sets_until,
            entries: Vec::new(),
        };
        for entry in stored.keys {
            let entry = entry.read(loader)?;
            ring.check_new(&entry.key)?;
            let newest = ring.newest(entry.key.algorithm());
            if newest.is_some_and(|newest| newest.signs_from > entry.signs_from) {
                return Err(KeyRingError::Inconsistent);
            }
            ring.entries.push(entry);
        }
        if ring.entries.is_empty() { Err(KeyRingError::NoKeys) } else { Ok(ring) }
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The members before `keys`, in the order of the stored bytes.
#[derive(Serialize)]
struct Head {
    version: u32,
    policy: WrittenPolicy,
    older_sets_until: UnixTime,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<'a> {
    #[serde(rename = "version")]
    _version: u32,
    policy: WrittenPolicy,
    older_sets_until: UnixTime,
    #[serde(borrow)]
    keys: Vec<StoredEntry<'a>>,
}

/// In seconds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPolicy {
    token_lifetime: u64,
    set_max_age: u64,
    clock_skew: u64,
    propagation: u64,
}

impl WrittenPolicy {
    const fn of(policy: &KeyRingPolicy) -> Self {
        Self {
            token_lifetime: policy.token_lifetime().as_secs(),
            set_max_age: policy.set_max_age().as_secs(),
            clock_skew: policy.clock_skew().as_secs(),
            propagation: policy.propagation().as_secs(),
        }
    }

    fn read(&self) -> Result<KeyRingPolicy, KeyRingError> {
        KeyRingPolicy::new(Duration::from_secs(self.token_lifetime), Duration::from_secs(self.set_max_age))?
            .with_clock_skew(Duration::from_secs(self.clock_skew))?
            .with_propagation(Duration::from_secs(self.propagation))
    }
}

/// The members before the key.
#[derive(Serialize)]
struct WrittenEntry<'a> {
    kid: Option<&'a str>,
    alg: &'static str,
    announced_at: UnixTime,
    signs_from: UnixTime,
    signs_until: Option<UnixTime>,
    retired_for: u64,
}

impl<'a> WrittenEntry<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self {
            kid: entry.key.key_id(),
            alg: entry.key.algorithm().as_str(),
            announced_at: entry.announced_at,
            signs_from: entry.signs_from,
            signs_until: entry.signs_until,
            retired_for: entry.retired_for.as_secs(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEntry<'a> {
    #[serde(borrow)]
    kid: Cow<'a, str>,
    #[serde(borrow)]
    alg: Cow<'a, str>,
    announced_at: UnixTime,
    signs_from: UnixTime,
    signs_until: Option<UnixTime>,
    retired_for: u64,
    #[serde(borrow)]
    private_key: Option<Jwk<'a>>,
    #[serde(borrow)]
    public_key: Option<Jwk<'a>>,
}

impl StoredEntry<'_> {
    fn read(self, loader: &KeyLoader) -> Result<Entry, KeyRingError> {
        let algorithm = Algorithm::parse(&self.alg).ok_or(KeyError::UnsupportedAlgorithm)?;
        let key = match (&self.private_key, &self.public_key) {
            (Some(jwk), None) => RingKey::local(loader, algorithm, PrivateKey::from_members(jwk)?)?,
            (None, Some(jwk)) => {
                RingKey::external(loader.public(algorithm, &PublicKey::from_members(jwk)?)?)?
            }
            (Some(_), Some(_)) | (None, None) => return Err(KeyRingError::Inconsistent),
        };
        Ok(Entry {
            key: key.with_key_id(self.kid),
            announced_at: self.announced_at,
            signs_from: self.signs_from,
            signs_until: self.signs_until,
            retired_for: Duration::from_secs(self.retired_for),
        })
    }
}

fn public_jwk(key: &RingKey) -> Result<SecretString, KeyRingError> {
    let public_key = key.verifying_key().public_key().ok_or(KeyError::MissingMember)?;
    Ok(SecretString::from(public_key.to_jwk()))
}

/// Writes an object without its closing brace.
fn open(members: &impl Serialize) -> String {
    // Strings and numbers under fixed names always serialise.
    let mut text = serde_json::to_string(members).unwrap_or_default();
    text.pop();
    text
}
