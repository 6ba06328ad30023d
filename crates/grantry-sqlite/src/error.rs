//! Why the store failed: never with a key, a value or a text of the database in it.

use core::fmt;

use grantry_server::{ClientsUnavailable, RecordError};
use rusqlite::ffi;

/// A failure of the store: what it was doing, and why it could not.
///
/// It becomes status 503 by [`RunError::to_response`](grantry_server::RunError::to_response).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the SQLite store cannot {work}: {failure}")]
#[non_exhaustive]
pub struct SqliteError {
    /// What the store was doing.
    pub work: Work,
    /// Why it could not.
    pub failure: Failure,
}

impl SqliteError {
    pub(crate) const fn new(work: Work, failure: Failure) -> Self {
        Self { work, failure }
    }

    /// Turns the driver's failures at a piece of work into the store's.
    pub(crate) fn at(work: Work) -> impl Fn(rusqlite::Error) -> Self {
        move |error| Self { work, failure: Failure::of(&error) }
    }
}

/// What a store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Work {
    /// It opens the database, and makes or migrates its tables.
    Open,
    /// It looks a client's registration up.
    ReadClient,
    /// It reads a grant.
    ReadGrant,
    /// It looks a one-time identifier up.
    ReadClaim,
    /// It writes a grant.
    WriteGrant,
    /// It notes a one-time identifier.
    WriteClaim,
    /// It begins or ends a transaction of several changes.
    Commit,
    /// It lists grants.
    List,
    /// It deletes what need not be kept any more.
    Sweep,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open its database",
            Self::ReadClient => "read a client",
            Self::ReadGrant => "read a grant",
            Self::ReadClaim => "read a claim",
            Self::WriteGrant => "write a grant",
            Self::WriteClaim => "write a claim",
            Self::Commit => "commit a change set",
            Self::List => "list grants",
            Self::Sweep => "sweep",
        })
    }
}

/// Why a store cannot do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A record is damaged, or a later release wrote it. It stays as it is.
    #[error("{0}")]
    Record(RecordError),
    /// The registrations of clients cannot be read.
    #[error("{0}")]
    Clients(ClientsUnavailable),
    /// Another connection kept the database for longer than the busy timeout.
    #[error("the database is busy")]
    Busy,
    /// The disk is full, or the database has the size that it may have.
    #[error("the disk or the database is full")]
    Full,
    /// The database, its file or its folder is read-only.
    #[error("the database is read-only")]
    ReadOnly,
    /// The file cannot be opened: it is no file, its folder does not exist, or permissions are missing.
    #[error("the file cannot be opened")]
    CannotOpen,
    /// The file is damaged, or is no SQLite database.
    #[error("the file is no intact SQLite database")]
    Damaged,
    /// The database is another application's, and is left alone.
    #[error("the database belongs to another application")]
    Foreign,
    /// A later release made or migrated the database, and this one leaves it alone.
    #[error("the database has schema {found}, and this release knows {known} at most")]
    NewerSchema {
        /// The schema of the database.
        found: i32,
        /// The newest schema that this release knows.
        known: i32,
    },
    /// The database cannot have a write-ahead log: it is in memory, temporary, or on a file system without shared
    /// memory.
    #[error("the database cannot keep a write-ahead log")]
    NoWriteAheadLog,
    /// SQLite failed in another way.
    #[error("{} (SQLite code {code})", ffi::code_to_str(*.code))]
    Other {
        /// SQLite's extended [result code](https://www.sqlite.org/rescode.html).
        code: i32,
    },
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enums are the driver's, and may grow")]
impl Failure {
    fn of(error: &rusqlite::Error) -> Self {
        use rusqlite::Error::{
            FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error,
        };
        match error {
            // STRICT tables hold the types that they name, so this is no value that the store wrote.
            FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | Utf8Error(..) => Self::Record(RecordError::Corrupt),
            _ => error.sqlite_error().map_or(Self::Other { code: ffi::SQLITE_ERROR }, Self::of_code),
        }
    }

    const fn of_code(error: &ffi::Error) -> Self {
        match error.code {
            ffi::ErrorCode::DatabaseBusy | ffi::ErrorCode::DatabaseLocked => Self::Busy,
            ffi::ErrorCode::DiskFull => Self::Full,
            ffi::ErrorCode::ReadOnly => Self::ReadOnly,
            ffi::ErrorCode::CannotOpen => Self::CannotOpen,
            ffi::ErrorCode::DatabaseCorrupt | ffi::ErrorCode::NotADatabase => Self::Damaged,
            _ => Self::Other { code: error.extended_code },
        }
    }
}
