//! What a checked token allows.

use alloc::{boxed::Box, string::String, sync::Arc};
use core::fmt;

use grantry_core::json::{self, JsonError};
use grantry_core::{ClientId, Issuer, Scope, UnixTime, base64url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The proof that a request carries a good token that meets what the request needs.
///
/// Only a [`Guard`](crate::Guard) makes one. A clone shares what it holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Access(Arc<Contents>);

impl Access {
    /// Returns who issued the token. Subjects and clients of two issuers have nothing to do with each other,
    /// whatever their names ([RFC 9068 section 5](https://www.rfc-editor.org/rfc/rfc9068#section-5)).
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.0.issuer
    }

    /// Returns whom the token speaks for.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// Returns the client that the token was issued to.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        &self.0.client_id
    }

    /// Returns the whole scope of the token, of which the required scope is a part.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// Returns the first second in which the token is no longer valid; `None` when an introspection
    /// answer does not tell it.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixTime> {
        self.0.expires_at
    }

    /// Returns the token's identifier, `jti`; `None` when an introspection answer does not tell it.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.0.token_id.as_deref()
    }

    /// Returns the authentication context of the person's login, `acr`
    /// ([RFC 9068 section 2.2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.2.1)).
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.0.acr.as_deref()
    }

    /// Returns when the person logged in, `auth_time`
    /// ([RFC 9068 section 2.2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.2.1)).
    #[must_use]
    pub fn auth_time(&self) -> Option<UnixTime> {
        self.0.auth_time
    }

    /// Reads all claims of the token, or all members of the introspection answer, as the caller's type: roles
    /// and groups for instance
    /// ([RFC 9068 section 2.2.3.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.2.3.1)).
    ///
    /// # Errors
    ///
    /// [`JsonError::Shape`] when they are not a `T`.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        self.0.claims.read()
    }

    /// Tells whether this is the access of a JWT with this very header and payload.
    pub(crate) fn is_of(&self, signed: &str) -> bool {
        matches!(&self.0.claims, Claims::Signed(own) if **own == *signed)
    }
}

impl From<Contents> for Access {
    fn from(contents: Contents) -> Self {
        Self(Arc::new(contents))
    }
}

impl fmt::Debug for Access {
    /// Shows nothing of the claims that are not known here: they say more about a person than a log should.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contents { issuer, subject, client_id, scope, expires_at, token_id, .. } = &*self.0;
        f.debug_struct("Access")
            .field("issuer", issuer)
            .field("subject", subject)
            .field("client_id", client_id)
            .field("scope", scope)
            .field("expires_at", expires_at)
            .field("token_id", token_id)
            .finish_non_exhaustive()
    }
}

/// Whom a token speaks for.
///
/// A client may have the name of a user. The two never compare equal here
/// ([RFC 9068 section 5](https://www.rfc-editor.org/rfc/rfc9068#section-5)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a token speaks for a resource owner or for its client")]
pub enum Subject {
    /// A user, by the `sub` that the authorization server gave.
    User(String),
    /// The client itself, with no user present: `sub` is its `client_id`
    /// ([RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2)).
    Client(ClientId),
}

impl Subject {
    pub(crate) fn new(subject: &str, client_id: &ClientId) -> Self {
        if subject == client_id.as_str() {
            Self::Client(client_id.clone())
        } else {
            Self::User(subject.into())
        }
    }
}

/// What a good token says.
#[derive(PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) issuer: Issuer,
    pub(crate) subject: Subject,
    pub(crate) client_id: ClientId,
    pub(crate) scope: Scope,
    pub(crate) expires_at: Option<UnixTime>,
    pub(crate) token_id: Option<String>,
    pub(crate) acr: Option<String>,
    pub(crate) auth_time: Option<UnixTime>,
    pub(crate) claims: Claims,
}

/// The text of what a token says, which was found strict and bounded when it was read first.
#[derive(PartialEq, Eq)]
pub(crate) enum Claims {
    /// The claims are the payload of a JWT: its header and payload as they were signed. Without the signature nobody
    /// takes it for the token.
    Signed(Box<str>),
    /// The claims are the members of an answer.
    Answer(Box<str>),
    /// The claims are the member `token_introspection` of a signed answer.
    SignedAnswer(Box<str>),
}

impl Claims {
    fn read<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        match self {
            Self::Signed(text) => {
                let payload = text.split('.').nth(1).unwrap_or_default();
                let payload = base64url::decode(payload).map_err(|_| JsonError::Syntax)?;
                json::object_from_slice(&payload, payload.len())
            }
            Self::Answer(text) => json::object_from_slice(text.as_bytes(), text.len()),
            Self::SignedAnswer(text) => {
                let claims: Introspection<T> = json::object_from_slice(text.as_bytes(), text.len())?;
                Ok(claims.token_introspection)
            }
        }
    }
}

/// RFC 9701 section 5
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(crate) struct Introspection<T> {
    pub(crate) token_introspection: T,
}
