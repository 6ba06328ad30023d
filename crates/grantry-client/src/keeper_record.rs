//! The stored form of a keeper of tokens: what processes that share a session agree by.

use alloc::{string::String, sync::Arc};

use grantry_core::json;
use grantry_core::{Scope, SecretString, UnixTime};
use serde::{Deserialize, Serialize};

use crate::keeper::{Flight, Lost, Rejected};
use crate::tokens_record::{StoredTokens, WrittenTokens};
use crate::{KeeperPolicy, Obstacle, SessionEnd, TokenKeeper, Tokens, TokensError};

impl TokenKeeper {
    /// The longest stored form read, in bytes: the tokens, and what stands around them.
    pub const MAX_BYTES: usize = Tokens::MAX_BYTES + 16 * 1024;

    const VERSION: u32 = 1;

    /// Writes the stored form, a refresh on its way included. It is as secret as the tokens in it.
    #[must_use]
    pub fn to_json(&self) -> SecretString {
        let written = Written {
            version: Self::VERSION,
            tokens: WrittenTokens::from(&*self.tokens),
            narrowed: self.narrowed.as_ref(),
            generation: self.generation,
            received_at: self.received_at,
            due_at: self.due_at,
            rejected: self.rejected == Rejected::Yes,
            flight: self.flight.as_ref().map(StoredFlight::from),
            tickets: self.tickets,
            failures: self.failures,
            retry_at: self.retry_at,
            obstacle: obstacle_name(self.obstacle),
            lost: self.lost.map(|Lost { since, times }| StoredLost { since, times }),
            ended: self.ended.map(end_name),
        };
        // Plain strings and numbers always serialize; the empty text would be refused on reading.
        SecretString::from(serde_json::to_string(&written).unwrap_or_default())
    }

    /// Reads the stored form. What was stored is trusted: read only what this host wrote.
    ///
    /// # Errors
    ///
    /// [`TokensError::Version`] for a form of another version, [`TokensError::Malformed`] for any other
    /// text.
    pub fn from_json(text: &str, policy: KeeperPolicy) -> Result<Self, TokensError> {
        let read: Version = json::object_from_slice(text.as_bytes(), Self::MAX_BYTES)?;
        if read.version != Self::VERSION {
            return Err(TokensError::Version);
        }
        let stored: Stored = json::object_from_slice(text.as_bytes(), Self::MAX_BYTES)?;
        Ok(Self {
            policy,
            tokens: Arc::new(stored.tokens.into_tokens()?),
            narrowed: stored.narrowed,
            generation: stored.generation,
            received_at: stored.received_at,
            due_at: stored.due_at,
            rejected: if stored.rejected { Rejected::Yes } else { Rejected::No },
            flight: stored.flight.map(Flight::from),
            tickets: stored.tickets,
            failures: stored.failures,
            retry_at: stored.retry_at,
            obstacle: obstacle_of(&stored.obstacle)?,
            lost: stored.lost.map(|StoredLost { since, times }| Lost { since, times }),
            ended: stored.ended.as_deref().map(end_of).transpose()?,
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
    tokens: WrittenTokens<'a>,
    narrowed: Option<&'a Scope>,
    generation: u64,
    received_at: UnixTime,
    due_at: UnixTime,
    rejected: bool,
    flight: Option<StoredFlight>,
    tickets: u64,
    failures: u32,
    retry_at: UnixTime,
    obstacle: &'static str,
    lost: Option<StoredLost>,
    ended: Option<&'static str>,
}

/// The same members, read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(rename = "version")]
    _version: u32,
    tokens: StoredTokens,
    narrowed: Option<Scope>,
    generation: u64,
    received_at: UnixTime,
    due_at: UnixTime,
    rejected: bool,
    flight: Option<StoredFlight>,
    tickets: u64,
    failures: u32,
    retry_at: UnixTime,
    obstacle: String,
    lost: Option<StoredLost>,
    ended: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredFlight {
    ticket: u64,
    since: UnixTime,
    until: UnixTime,
}

impl From<&Flight> for StoredFlight {
    fn from(flight: &Flight) -> Self {
        Self { ticket: flight.ticket, since: flight.since, until: flight.until }
    }
}

impl From<StoredFlight> for Flight {
    fn from(stored: StoredFlight) -> Self {
        Self { ticket: stored.ticket, since: stored.since, until: stored.until }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredLost {
    since: UnixTime,
    times: u32,
}

const fn obstacle_name(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::RefreshUnderWay => "refresh_under_way",
        Obstacle::CoolDown => "cool_down",
        Obstacle::ProviderUnavailable => "provider_unavailable",
        Obstacle::ClientRefused => "client_refused",
    }
}

fn obstacle_of(name: &str) -> Result<Obstacle, TokensError> {
    [Obstacle::RefreshUnderWay, Obstacle::CoolDown, Obstacle::ProviderUnavailable, Obstacle::ClientRefused]
        .into_iter()
        .find(|obstacle| obstacle_name(*obstacle) == name)
        .ok_or(TokensError::Malformed)
}

const fn end_name(end: SessionEnd) -> &'static str {
    match end {
        SessionEnd::GrantGone => "grant_gone",
        SessionEnd::NoRefreshToken => "no_refresh_token",
        SessionEnd::ReplyLost => "reply_lost",
    }
}

fn end_of(name: &str) -> Result<SessionEnd, TokensError> {
    [SessionEnd::GrantGone, SessionEnd::NoRefreshToken, SessionEnd::ReplyLost]
        .into_iter()
        .find(|end| end_name(*end) == name)
        .ok_or(TokensError::Malformed)
}
