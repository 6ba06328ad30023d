//! How the store fails, without a word of what it keeps.

use core::{error::Error as _, fmt};
use std::io;

use deadpool_postgres::{PoolError, TimeoutType};
use grantry_server::{ClientsUnavailable, RecordError};
use tokio_postgres::error::SqlState;

/// What a [`PostgresStore`](crate::PostgresStore) was doing, and how it failed.
///
/// It becomes status 503 by [`RunError::to_response`](grantry_server::RunError::to_response).
/// It holds no key, no row and no text of the server: what PostgreSQL says beside its code quotes values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the PostgreSQL store cannot {work}: {failure}")]
#[non_exhaustive]
pub struct PostgresError {
    /// What the store was doing, which names the kind of the key.
    pub work: Work,
    /// How it failed.
    #[source]
    pub failure: Failure,
}

/// What a store was doing when it failed, and with which kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Work {
    /// It read the registration of a client.
    ReadClient,
    /// It read a grant, and one-time identifiers beside it.
    ReadGrant,
    /// It read one-time identifiers.
    ReadClaim,
    /// It wrote a grant, and one-time identifiers before it.
    WriteGrant,
    /// It wrote one-time identifiers.
    WriteClaim,
    /// It listed grants.
    List,
    /// It deleted what need not be kept.
    Sweep,
    /// It made the tables, or looked at their version.
    Migrate,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadClient => "read a client",
            Self::ReadGrant => "read a grant",
            Self::ReadClaim => "read a claim",
            Self::WriteGrant => "write a grant",
            Self::WriteClaim => "write a claim",
            Self::List => "list grants",
            Self::Sweep => "sweep",
            Self::Migrate => "migrate its schema",
        })
    }
}

/// How a store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Every connection of the pool was busy for as long as the pool waits.
    #[error("every connection of the pool is busy")]
    PoolBusy,
    /// The pool is closed, or cannot work as it is set up.
    #[error("the pool gives out no connections")]
    PoolClosed,
    /// No connection could be made.
    #[error("the server cannot be reached")]
    Unreachable,
    /// The connection ended before the answer came. What was to be written may be written or not; the protocol
    /// stays safe in both cases.
    #[error("the connection was lost before the answer came")]
    ConnectionLost,
    /// The server refused, and nothing was written.
    #[error("the server refused with SQLSTATE {}", .0.code())]
    Refused(SqlState),
    /// The server answered with what the driver or the store cannot read.
    #[error("the server's answer cannot be read")]
    Answer,
    /// A row holds what is no grant, or one that a later release wrote. It stays as it is.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The host's registrations failed.
    #[error(transparent)]
    Clients(#[from] ClientsUnavailable),
    /// The schema has no tables yet, or those of an earlier release: see
    /// [`PostgresStore::migrate`](crate::PostgresStore::migrate).
    #[error("the schema has version {found}, and this release needs version {needed}")]
    OlderSchema {
        /// The version of the schema; 0 for none.
        found: i32,
        /// The version that this release needs.
        needed: i32,
    },
    /// The schema is of a later release.
    #[error("the schema has version {found}, and this release knows versions up to {known}")]
    NewerSchema {
        /// The version of the schema.
        found: i32,
        /// The last version that this release knows.
        known: i32,
    },
}

impl Failure {
    pub(crate) const fn during(self, work: Work) -> PostgresError {
        PostgresError { work, failure: self }
    }

    /// Tells whether another transaction came first: a serialization failure and a deadlock, in which the server
    /// chose this one to fail, and a key that is there already.
    pub(crate) fn is_conflict(&self) -> bool {
        let conflicts = [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::UNIQUE_VIOLATION,
        ];
        matches!(self, Self::Refused(code) if conflicts.contains(code))
    }

    /// Tells whether the connection it came by is to be replaced: the driver may not have noticed yet that one is
    /// lost, and one that became read-only leads to the primary of before a failover.
    pub(crate) fn ends_connection(&self) -> bool {
        *self == Self::ConnectionLost || *self == Self::Refused(SqlState::READ_ONLY_SQL_TRANSACTION)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let is_io = error.source().is_some_and(<dyn core::error::Error>::is::<io::Error>);
        match error.code() {
            Some(code) if is_lost(code) => Self::ConnectionLost,
            Some(code) => Self::Refused(code.clone()),
            None if error.is_closed() || is_io => Self::ConnectionLost,
            None => Self::Answer,
        }
    }
}

/// Tells whether the connection ended, by the server or by a pooler before it, and nobody says what became of the
/// statement.
fn is_lost(code: &SqlState) -> bool {
    let codes =
        [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN];
    // Class 08: connection exceptions.
    codes.contains(code) || code.code().starts_with("08")
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Timeout(TimeoutType::Wait) => Self::PoolBusy,
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => Self::Unreachable,
            PoolError::Backend(error) => match error.code() {
                Some(code) => Self::Refused(code.clone()),
                None => Self::Unreachable,
            },
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                Self::PoolClosed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_open_whether_it_was_written_is_no_refusal() {
        for code in ["57P01", "57P02", "40003", "08006", "08P01"] {
            assert!(is_lost(&SqlState::from_code(code)), "{code}");
        }
        for code in ["57014", "40001", "23514", "25006", "53100"] {
            assert!(!is_lost(&SqlState::from_code(code)), "{code}");
        }
    }
}
