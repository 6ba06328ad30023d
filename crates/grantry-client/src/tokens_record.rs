//! The stored form of tokens, for a host that starts again or hands them to another process.

use alloc::string::String;

use grantry_core::json::{self, JsonError};
use grantry_core::{ClientId, Issuer, Scope, SecretString, UnixTime};
use serde::{Deserialize, Serialize};

use crate::id_token::{StoredIdToken, WrittenIdToken};
use crate::response::MAX_RESPONSE_BYTES;
use crate::{IdToken, Tokens};

impl Tokens {
    /// The longest stored form read, in bytes: what stays is from several answers, each of them bounded.
    pub const MAX_BYTES: usize = 4 * MAX_RESPONSE_BYTES;

    const VERSION: u32 = 1;

    /// Writes the stored form. It is as secret as the tokens in it.
    #[must_use]
    pub fn to_json(&self) -> SecretString {
        // Plain strings and numbers always serialize; the empty text would be refused on reading.
        SecretString::from(serde_json::to_string(&WrittenTokens::from(self)).unwrap_or_default())
    }

    /// Reads the stored form. What was stored is trusted: read only what this host wrote.
    ///
    /// # Errors
    ///
    /// [`TokensError::Version`] for a form of another version, [`TokensError::Malformed`] for any other
    /// text.
    pub fn from_json(text: &str) -> Result<Self, TokensError> {
        let read: Version = json::object_from_slice(text.as_bytes(), Self::MAX_BYTES)?;
        if read.version != Self::VERSION {
            return Err(TokensError::Version);
        }
        json::object_from_slice::<StoredTokens>(text.as_bytes(), Self::MAX_BYTES)?.into_tokens()
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The members in the order of the stored bytes, borrowed: no copy of a secret is made on the way.
#[derive(Serialize)]
pub(crate) struct WrittenTokens<'a> {
    version: u32,
    issuer: &'a str,
    client_id: &'a ClientId,
    access_token: &'a str,
    expires_at: Option<UnixTime>,
    refresh_token: Option<&'a str>,
    scope: &'a Scope,
    granted: &'a Scope,
    id_token: Option<WrittenIdToken<'a>>,
}

impl<'a> From<&'a Tokens> for WrittenTokens<'a> {
    fn from(tokens: &'a Tokens) -> Self {
        Self {
            version: Tokens::VERSION,
            issuer: tokens.issuer.as_str(),
            client_id: &tokens.client_id,
            access_token: tokens.access_token.expose(),
            expires_at: tokens.expires_at,
            refresh_token: tokens.refresh_token.as_ref().map(SecretString::expose),
            scope: &tokens.scope,
            granted: &tokens.granted,
            id_token: tokens.id_token().map(WrittenIdToken::from),
        }
    }
}

/// The same members, read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredTokens {
    version: u32,
    issuer: String,
    client_id: ClientId,
    access_token: SecretString,
    expires_at: Option<UnixTime>,
    refresh_token: Option<SecretString>,
    scope: Scope,
    granted: Scope,
    id_token: Option<StoredIdToken>,
}

impl StoredTokens {
    pub(crate) fn into_tokens(self) -> Result<Tokens, TokensError> {
        if self.version != Tokens::VERSION {
            return Err(TokensError::Version);
        }
        let id_token: Option<IdToken> = self.id_token.map(StoredIdToken::into_id_token).transpose()?;
        Ok(Tokens {
            issuer: Issuer::danger_loopback_http(self.issuer).map_err(|_| TokensError::Malformed)?,
            client_id: self.client_id,
            access_token: self.access_token,
            expires_at: self.expires_at,
            refresh_token: self.refresh_token,
            id_token,
            scope: self.scope,
            granted: self.granted,
        })
    }
}

/// Why stored tokens can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokensError {
    /// They were written by another version of this crate.
    #[error("the tokens have an unknown version")]
    Version,
    /// It is not what [`Tokens::to_json`] writes.
    #[error("not stored tokens")]
    Malformed,
}

impl From<JsonError> for TokensError {
    fn from(_: JsonError) -> Self {
        Self::Malformed
    }
}
