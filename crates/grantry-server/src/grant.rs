//! The record of one authorization.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::fmt;
use core::time::Duration;

use grantry_core::{ClientId, CodeChallenge, Issuer, Scope, UnixTime, base64url};
use serde::{Deserialize, Serialize};

use crate::claims_request::ClaimsRequest;

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
///
/// No person has the name of a client: a token whose `sub` is its `client_id` is the client's own, and one whose
/// `sub` is another client's could be taken for that client's
/// ([RFC 9700 section 4.15](https://www.rfc-editor.org/rfc/rfc9700#section-4.15)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subject(Arc<str>);

impl Subject {
    /// Checks a subject identifier.
    ///
    /// # Errors
    ///
    /// [`SubjectError`] when it is empty, longer than 255 characters or not printable ASCII.
    pub fn parse(text: impl Into<Arc<str>>) -> Result<Self, SubjectError> {
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

    /// Returns the identifier as text that shares its place.
    #[must_use]
    pub fn to_arc(&self) -> Arc<str> {
        Arc::clone(&self.0)
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
        Self::from(subject.as_str())
    }
}

/// The text is not a subject identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a subject of 1 to 255 printable ASCII characters (OpenID Connect Core section 2)")]
#[non_exhaustive]
pub struct SubjectError;

/// One authorization for one client: a state machine whose record is its state.
///
/// It holds no code, no token and no digest of one. The salt in it is worth nothing without a handle
/// key, and a handle key is worth nothing without it. A clone shares what does not change.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    pub(crate) terms: Arc<Terms>,
    /// From when on no code and no token of the grant is alive.
    pub(crate) expires_at: UnixTime,
    /// Until when the record has to stay, alive or not: a page that was made for it may come back.
    pub(crate) kept_until: UnixTime,
    pub(crate) state: State,
}

/// What tokens do not change: who granted what, to whom, for what.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) id: GrantId,
    pub(crate) salt: [u8; 16],
    /// Whose tokens they are; no other issuer takes them.
    pub(crate) issuer: Issuer,
    pub(crate) client_id: ClientId,
    /// What is granted; while nobody has answered, what is asked for.
    pub(crate) scope: Scope,
    /// Whom the access tokens of the grant are for, 1 to [`Policy::MAX_RESOURCES`](crate::Policy::MAX_RESOURCES).
    pub(crate) resources: Vec<String>,
    pub(crate) created_at: UnixTime,
    pub(crate) origin: Origin,
    /// Which claims were asked for by name; few grants have any.
    pub(crate) claims: Option<Box<ClaimsRequest>>,
    /// Who granted it; nobody while it waits, and for a grant to the client itself.
    pub(crate) person: Option<Person>,
}

impl Terms {
    pub(crate) fn claims(&self) -> &ClaimsRequest {
        const NOTHING: &ClaimsRequest = &ClaimsRequest::NOTHING;
        self.claims.as_deref().unwrap_or(NOTHING)
    }
}

/// How a grant came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// By a request to the authorization endpoint that asks for a code.
    Code(CodeOrigin),
    /// By a pushed request, whose parameters wait as a form.
    Pushed(String),
    /// By a device; a page shows the name of its client before the registration is read.
    Device { client_name: String },
    /// By a request to the authorization endpoint that asks for tokens.
    Implicit,
    /// By the password of a person.
    Password,
    /// By the client, for itself.
    Client,
}

/// What the redemption of a code is compared with.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CodeOrigin {
    pub(crate) redirect_uri: String,
    /// Whether the authorization request named the redirect URI: then the redemption must too.
    pub(crate) redirect_uri_named: bool,
    pub(crate) code_challenge: CodeChallenge,
    pub(crate) nonce: Option<String>,
}

impl fmt::Debug for CodeOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeOrigin")
    }
}

/// Who granted, and how they proved who they are
/// ([OpenID Connect Core section 2](https://openid.net/specs/openid-connect-core-1_0.html#IDToken)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) subject: Subject,
    pub(crate) authenticated_at: UnixTime,
    pub(crate) acr: Option<String>,
    pub(crate) amr: Vec<String>,
    pub(crate) sid: Option<String>,
}

/// Where a grant stands. The moves between the states are the table in `transition.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A request was pushed and waits for its browser.
    Pushed,
    /// A device waits for a person; in seconds, how long it has to wait between two polls.
    DevicePending { interval: u32, polled_at: UnixTime },
    /// A person approved, and the device has not fetched its tokens.
    DeviceApproved,
    /// A person refused, and the device was not told.
    DeviceDenied,
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
    pub fn id(&self) -> GrantId {
        self.terms.id
    }

    /// Returns the issuer that made the grant; a column to index. At any other there is no such grant.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.terms.issuer
    }

    /// Returns the client that holds the grant; a column to index.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        &self.terms.client_id
    }

    /// Returns the person who gave it; a column to index. `None` while nobody has, and for a grant to the
    /// client itself.
    #[must_use]
    pub fn subject(&self) -> Option<&Subject> {
        self.terms.person.as_ref().map(|person| &person.subject)
    }

    /// Returns what was granted, or is asked for while nobody has answered.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.terms.scope
    }

    /// Returns whom the access tokens of the grant are for
    /// ([RFC 8707 section 2](https://www.rfc-editor.org/rfc/rfc8707#section-2)).
    #[must_use]
    pub fn resources(&self) -> &[String] {
        &self.terms.resources
    }

    /// Returns when the person gave it, or the request for it came.
    #[must_use]
    pub fn created_at(&self) -> UnixTime {
        self.terms.created_at
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
        self.expires_at.max(self.kept_until).saturating_add(Self::CLOCK_MARGIN)
    }

    /// Tells whether tokens of the grant are alive at `now`, as far as the record knows.
    #[must_use]
    pub fn is_active(&self, now: UnixTime) -> bool {
        matches!(self.state, State::Active { .. }) && now < self.expires_at
    }

    /// Tells whether the last write rotated the refresh token: then it left the columns and
    /// [`purge_after`](Self::purge_after) alone, and what is filed by them can stay where it is.
    #[must_use]
    pub const fn is_rotated(&self) -> bool {
        matches!(self.state, State::Active { serial: 2.., .. })
    }

    /// Tells whether anything of the grant is alive at `now` or may come to life: a code, tokens, a
    /// request that waits for a person.
    #[must_use]
    pub fn is_open(&self, now: UnixTime) -> bool {
        !self.has_ended() && now < self.expires_at
    }

    /// Tells whether another grant has the same person and client: a rotation leaves the terms alone.
    #[cfg(feature = "std")]
    pub(crate) fn has_names_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.terms, &other.terms)
            || self.client_id() == other.client_id() && self.subject() == other.subject()
    }

    /// Tells whether the grant was ended before its time.
    pub(crate) const fn has_ended(&self) -> bool {
        matches!(self.state, State::Revoked { .. } | State::DeviceDenied)
    }

    /// The grant as it stands when nothing of it is alive any more.
    pub(crate) fn revoked(&self, now: UnixTime) -> Self {
        Self { state: State::Revoked { since: now }, ..self.clone() }
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("id", &self.terms.id)
            .field("client_id", &self.terms.client_id)
            .field("subject", &self.subject())
            .field("scope", &self.terms.scope)
            .field("state", &self.state)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
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
