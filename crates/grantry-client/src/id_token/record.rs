//! The stored form of a verified ID token, as a part of others.

use alloc::{collections::BTreeSet, string::String};

use grantry_core::json::JsonError;
use grantry_core::{SecretString, UnixTime};
use serde::{Deserialize, Serialize};

use super::{Extra, IdToken};

/// The members in the order of the stored bytes, borrowed.
#[derive(Serialize)]
pub(crate) struct WrittenIdToken<'a> {
    raw: &'a str,
    issuer: &'a str,
    subject: &'a str,
    audiences: &'a BTreeSet<String>,
    expires_at: UnixTime,
    issued_at: UnixTime,
    // Of the login: a refreshed token may have left them out.
    nonce: Option<&'a str>,
    auth_time: Option<UnixTime>,
}

impl<'a> From<&'a IdToken> for WrittenIdToken<'a> {
    fn from(token: &'a IdToken) -> Self {
        Self {
            raw: token.raw.expose(),
            issuer: &token.issuer,
            subject: &token.subject,
            audiences: &token.audiences,
            expires_at: token.expires_at,
            issued_at: token.issued_at,
            nonce: token.extra.nonce.as_deref(),
            auth_time: token.extra.auth_time,
        }
    }
}

/// The same members, read. What was stored is trusted: the signature was checked before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredIdToken {
    raw: SecretString,
    issuer: String,
    subject: String,
    audiences: BTreeSet<String>,
    expires_at: UnixTime,
    issued_at: UnixTime,
    nonce: Option<String>,
    auth_time: Option<UnixTime>,
}

impl StoredIdToken {
    pub(crate) fn into_id_token(self) -> Result<IdToken, JsonError> {
        let mut token = IdToken {
            raw: self.raw,
            issuer: self.issuer,
            subject: self.subject,
            audiences: self.audiences,
            expires_at: self.expires_at,
            issued_at: self.issued_at,
            extra: Extra::default(),
        };
        token.extra = Extra { nonce: self.nonce, auth_time: self.auth_time, ..token.claims()? };
        Ok(token)
    }
}
