//! Transcripts: an operation, what it read, what it decided and what was answered, as a value.
//!
//! An operation is a pure function of its request, its records and its moment, so whoever has these has the
//! incident: [`record`] writes them down, and [`Transcript::replay`] gives the same bytes.

mod call;
mod forms;
mod published;
mod record;
mod redact;
mod replay;

use alloc::{string::String, vec::Vec};
use core::fmt;

use grantry_core::{SecretString, UnixTime, json};
use serde::{Deserialize, Serialize};

use call::Call;
use forms::{Round, Told};

pub use record::{Recorded, Recording, record, record_async, record_async_with_signer, record_with_signer};
pub use redact::RedactError;
pub use replay::{Difference, Replayed};

/// What happened in one operation, to be looked at later.
///
/// It holds what the request held, codes, tokens and passwords, and the seed that the answer was made from:
/// [`Transcript::to_json`] is a secret like the request itself. [`Transcript::redacted`] makes one that is not.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transcript {
    form: u8,
    issuer: String,
    call: Call,
    time: UnixTime,
    seed: String,
    rounds: Vec<Round>,
    told: Told,
}

impl Transcript {
    /// The form that this release writes.
    const FORM: u8 = 1;

    /// The longest transcript that is read, in bytes of its JSON text: room for every round of the largest
    /// request, registration and record.
    pub const MAX_BYTES: usize = 4 * 1024 * 1024;

    /// Writes the transcript as JSON.
    #[must_use]
    pub fn to_json(&self) -> SecretString {
        // Strings and numbers always serialise; a text cut short would be read nowhere.
        SecretString::from(serde_json::to_string(self).unwrap_or_default())
    }

    /// Reads a transcript.
    ///
    /// # Errors
    ///
    /// [`TranscriptError::Newer`] for a form that this release does not know, [`TranscriptError::Corrupt`] for
    /// anything else that is not a transcript of at most [`MAX_BYTES`](Self::MAX_BYTES).
    pub fn from_json(text: &str) -> Result<Self, TranscriptError> {
        #[derive(Deserialize)]
        struct Numbered {
            form: u8,
        }
        let corrupt = |_| TranscriptError::Corrupt;
        let Numbered { form } = json::object_from_slice(text.as_bytes(), Self::MAX_BYTES).map_err(corrupt)?;
        if form > Self::FORM {
            return Err(TranscriptError::Newer(form));
        }
        let transcript: Self = json::object_from_slice(text.as_bytes(), Self::MAX_BYTES).map_err(corrupt)?;
        if transcript.form == Self::FORM { Ok(transcript) } else { Err(TranscriptError::Corrupt) }
    }

    /// Returns when it happened.
    #[must_use]
    pub const fn time(&self) -> UnixTime {
        self.time
    }

    /// Returns the [name](crate::EventKind::as_str) of what was decided; `None` when the store or the signer
    /// failed.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.told.event.as_ref().map(|event| event.kind.as_str())
    }

    /// Returns the text of the [`Reason`](crate::Reason) of a refusal.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        self.told.event.as_ref().and_then(|event| event.rule.as_deref())
    }

    /// Returns how many times it was decided: once, and once more after each conflict.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.rounds.len()
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcript")
            .field("endpoint", &self.call.endpoint())
            .field("time", &self.time)
            .field("rounds", &self.rounds.len())
            .field("kind", &self.kind())
            .field("rule", &self.rule())
            .finish_non_exhaustive()
    }
}

/// Why a text is not a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TranscriptError {
    /// The text is damaged, too long or was never a transcript.
    #[error("the text is not a transcript")]
    Corrupt,
    /// The transcript has a form that a later release wrote.
    #[error("the transcript has form {0}, which this release does not know")]
    Newer(u8),
}

/// Why a transcript cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The server is another issuer's.
    #[error("the transcript is of another issuer")]
    OtherIssuer,
    /// The seed is not 32 bytes.
    #[error("the seed of the transcript is not 32 bytes")]
    Seed,
    /// A record in it cannot be read.
    #[error("a record of the transcript cannot be read")]
    Record,
    /// The client's registration holds a secret, and was left out: `client_secret_jwt`.
    #[error("a client of client_secret_jwt is not in the transcript")]
    SharedSecret,
}
