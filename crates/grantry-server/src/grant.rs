//! The record of one authorization, and how it is stored.

use alloc::{string::String, vec::Vec};
use core::fmt;
use core::time::Duration;

use grantry_core::{ClientId, CodeChallenge, Scope, UnixTime, base64url};
use serde::{Deserialize, Serialize, Serializer};

/// The name of one grant: 16 random bytes. It is not a secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantId(#[serde(with = "sixteen_bytes")] [u8; 16]);

impl GrantId {
    /// Takes up the bytes of an id.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, as a store uses them for its key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url::encode(self.0))
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantId({self})")
    }
}

/// The person or account that a grant speaks for: 1 to 255 printable ASCII characters, never
/// reassigned ([OpenID Connect Core section 2](https://openid.net/specs/openid-connect-core-1_0.html#IDToken), `sub`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject(String);

impl Subject {
    /// Checks a subject identifier.
    ///
    /// # Errors
    ///
    /// [`SubjectError`] when it is empty, longer than 255 characters or not printable ASCII.
    pub fn parse(text: impl Into<String>) -> Result<Self, SubjectError> {
        let text = text.into();
        let printable = text.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
        if text.is_empty() || text.len() > 255 || !printable {
            return Err(SubjectError);
        }
        Ok(Self(text))
    }

    /// Returns the identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Subject {
    type Error = SubjectError;

    fn try_from(text: String) -> Result<Self, SubjectError> {
        Self::parse(text)
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.0
    }
}

/// The text is not a subject identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a subject of 1 to 255 printable ASCII characters (OpenID Connect Core section 2)")]
#[non_exhaustive]
pub struct SubjectError;

/// One authorization by one person for one client: a state machine whose record is its state.
///
/// It holds no code, no token and no digest of one. The salt in it is worth nothing without a handle
/// key, and a handle key is worth nothing without it.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    pub(crate) id: GrantId,
    pub(crate) salt: [u8; 16],
    pub(crate) client_id: ClientId,
    pub(crate) subject: Subject,
    pub(crate) scope: Scope,
    /// Whom the access tokens of the grant are for.
    pub(crate) audience: String,
    pub(crate) redirect_uri: String,
    /// Whether the authorization request named the redirect URI: then the redemption must too.
    pub(crate) redirect_uri_named: bool,
    pub(crate) code_challenge: CodeChallenge,
    pub(crate) nonce: Option<String>,
    pub(crate) authenticated_at: UnixTime,
    pub(crate) created_at: UnixTime,
    /// Until when the interaction that was approved could be approved again.
    pub(crate) interaction_until: UnixTime,
    /// From when on no code and no token of the grant is alive.
    pub(crate) expires_at: UnixTime,
    pub(crate) state: State,
}

/// Where a grant stands. The moves between the states are the table in `transition.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// A code was given out and not redeemed.
    CodeIssued,
    /// Tokens were given out; the refresh token with this serial number is the live one.
    Active { serial: u32, since: UnixTime },
    /// Nothing of the grant is alive.
    Revoked { since: UnixTime },
}

impl Grant {
    /// By how much the clocks of the hosts of one store may differ: one hour.
    pub const CLOCK_MARGIN: Duration = Duration::from_secs(3600);

    /// Returns the key of the record.
    #[must_use]
    pub const fn id(&self) -> GrantId {
        self.id
    }

    /// Returns the client that holds the grant; a column to index.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// Returns the person who gave it; a column to index.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Returns what was granted.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns when the person gave it.
    #[must_use]
    pub const fn created_at(&self) -> UnixTime {
        self.created_at
    }

    /// Returns from when on nothing of it is alive; a column to index.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Returns from when on the record may be deleted: no code or token of it is alive, and the page
    /// that made it cannot be submitted again, by the clock of any host that is less than
    /// [`CLOCK_MARGIN`](Self::CLOCK_MARGIN) behind.
    #[must_use]
    pub fn purge_after(&self) -> UnixTime {
        self.expires_at.max(self.interaction_until).saturating_add(Self::CLOCK_MARGIN)
    }

    /// Tells whether tokens of the grant are alive at `now`.
    #[must_use]
    pub fn is_active(&self, now: UnixTime) -> bool {
        matches!(self.state, State::Active { .. }) && now < self.expires_at
    }

    /// Writes the record as the bytes that a store keeps: the number of the form, then JSON.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        struct Written<'a>(&'a Grant);
        impl Serialize for Written<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                FormOne::serialize(self.0, serializer)
            }
        }
        // Strings and numbers always serialise; a record cut short would be refused on reading.
        let json = serde_json::to_vec(&Written(self)).unwrap_or_default();
        [[FORM].as_slice(), &json].concat()
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`RecordError::Newer`] for a form that this release does not know, [`RecordError::Corrupt`]
    /// for anything else that is not a record. A store passes both on and deletes nothing.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        match bytes.split_first() {
            // serde would also read the members from an array.
            Some((&FORM, json @ [b'{', ..])) => {
                let mut reader = serde_json::Deserializer::from_slice(json);
                let grant = FormOne::deserialize(&mut reader).map_err(|_| RecordError::Corrupt)?;
                reader.end().map(|()| grant).map_err(|_| RecordError::Corrupt)
            }
            Some((&form, _)) if form > FORM => Err(RecordError::Newer(form)),
            _ => Err(RecordError::Corrupt),
        }
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("id", &self.id)
            .field("client_id", &self.client_id)
            .field("subject", &self.subject)
            .field("scope", &self.scope)
            .field("state", &self.state)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The form that this release writes.
const FORM: u8 = 1;

/// The first form of the stored record. A change of it is a new form beside this one.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Grant", deny_unknown_fields)]
struct FormOne {
    id: GrantId,
    #[serde(with = "sixteen_bytes")]
    salt: [u8; 16],
    client_id: ClientId,
    subject: Subject,
    scope: Scope,
    audience: String,
    redirect_uri: String,
    redirect_uri_named: bool,
    code_challenge: CodeChallenge,
    nonce: Option<String>,
    authenticated_at: UnixTime,
    created_at: UnixTime,
    interaction_until: UnixTime,
    expires_at: UnixTime,
    state: State,
}

/// Sixteen bytes as base64url text.
mod sixteen_bytes {
    use alloc::string::String;

    use grantry_core::base64url;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
        base64url::encode(bytes).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 16], D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = base64url::decode(text).map_err(D::Error::custom)?;
        bytes.try_into().map_err(|_| D::Error::custom("not 16 bytes"))
    }
}

/// Why stored bytes are not a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes are damaged or were never a record.
    #[error("the stored bytes are not a grant")]
    Corrupt,
    /// The record has a form that a later release wrote.
    #[error("the stored grant has form {0}, which this release does not know")]
    Newer(u8),
}
