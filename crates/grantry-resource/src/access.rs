//! What a checked token allows.

use alloc::string::String;

use grantry_core::{ClientId, Scope, UnixTime};

use crate::Reason;

/// The proof that a request carries a good token with the scope that was asked for.
///
/// Only a [`Guard`](crate::Guard) makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    subject: Subject,
    client_id: ClientId,
    scope: Scope,
    expires_at: Option<UnixTime>,
    token_id: Option<String>,
}

impl Access {
    /// Returns whom the token speaks for.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Returns the client that the token was issued to.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// Returns the whole scope of the token, of which the required scope is a part.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the first second in which the token is no longer valid; `None` when an introspection
    /// answer does not tell it.
    #[must_use]
    pub const fn expires_at(&self) -> Option<UnixTime> {
        self.expires_at
    }

    /// Returns the token's identifier, `jti`; `None` when an introspection answer does not tell it.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
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

/// What a good token says, before its scope is compared.
pub(crate) struct TokenContents {
    pub(crate) subject: String,
    pub(crate) client_id: ClientId,
    pub(crate) scope: Scope,
    pub(crate) expires_at: Option<UnixTime>,
    pub(crate) token_id: Option<String>,
}

impl TokenContents {
    /// Makes the access, the one place that does.
    pub(crate) fn allow(self, required: &Scope) -> Result<Access, Reason> {
        let Self { subject, client_id, scope, expires_at, token_id } = self;
        if !required.is_within(&scope) {
            return Err(Reason::InsufficientScope);
        }
        let subject = if subject == client_id.as_str() {
            Subject::Client(client_id.clone())
        } else {
            Subject::User(subject)
        };
        Ok(Access { subject, client_id, scope, expires_at, token_id })
    }
}
