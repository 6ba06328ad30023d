//! How the store fails, without a word of what it keeps.

use core::fmt;

use grantry_server::{ClientsUnavailable, RecordError};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// What a [`RedisStore`](crate::RedisStore) was doing, and how it failed.
///
/// It becomes status 503 by [`RunError::to_response`](grantry_server::RunError::to_response).
/// It holds no key, no value and no text of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Redis store cannot {work}: {failure}")]
#[non_exhaustive]
pub struct RedisStoreError {
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
        })
    }
}

/// How a store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No connection could be made.
    #[error("the server cannot be reached")]
    Unreachable,
    /// The connection ended before the answer came. What was to be written may be written or not; the protocol
    /// stays safe in both cases.
    #[error("the connection was lost before the answer came")]
    ConnectionLost,
    /// The answer did not come in the time that the host gives the driver. What was to be written may be written
    /// or not, or be written yet.
    #[error("the answer did not come in time")]
    TimedOut,
    /// The server refused, and nothing was written.
    #[error("the server refused: {0}")]
    Refused(Refusal),
    /// The driver or the store cannot read what the server answered, or the driver cannot work as it is set up.
    #[error("the server's answer cannot be read")]
    Answer,
    /// A key holds what is no grant, or one that a later release wrote. It stays as it is.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The host's registrations failed.
    #[error(transparent)]
    Clients(#[from] ClientsUnavailable),
}

/// Why a server refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It has no memory left, by its `maxmemory`.
    OutOfMemory,
    /// It is a replica, or one that was a primary before a failover.
    ReadOnly,
    /// It reads its data back after a start.
    Loading,
    /// It cannot save, and takes no writes until it can.
    CannotSave,
    /// It has fewer replicas than it was told to have for a write.
    TooFewReplicas,
    /// It runs another script for too long.
    Busy,
    /// The password is wrong, or the user may not do it.
    NotPermitted,
    /// A key of the store holds another type of value.
    WrongType,
    /// The cluster is down, or the connection is no cluster connection and the slot is elsewhere.
    Cluster,
    /// Another reason, such as a command that a server before 7.0 does not know.
    Other,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfMemory => "it is out of memory",
            Self::ReadOnly => "it is read-only",
            Self::Loading => "it is loading its data",
            Self::CannotSave => "it cannot save its data",
            Self::TooFewReplicas => "it has too few replicas",
            Self::Busy => "it is busy with a script",
            Self::NotPermitted => "it does not permit it",
            Self::WrongType => "a key holds another type of value",
            Self::Cluster => "its cluster does not serve the key here",
            Self::Other => "for a reason of its own",
        })
    }
}

impl Refusal {
    fn of(code: &str) -> Self {
        match code {
            "OOM" => Self::OutOfMemory,
            "READONLY" => Self::ReadOnly,
            "LOADING" | "MASTERDOWN" => Self::Loading,
            "MISCONF" => Self::CannotSave,
            "NOREPLICAS" => Self::TooFewReplicas,
            "BUSY" => Self::Busy,
            "NOAUTH" | "WRONGPASS" | "NOPERM" => Self::NotPermitted,
            "WRONGTYPE" => Self::WrongType,
            "CLUSTERDOWN" | "MOVED" | "ASK" | "TRYAGAIN" | "CROSSSLOT" => Self::Cluster,
            _ => Self::Other,
        }
    }
}

impl Failure {
    pub(crate) const fn during(self, work: Work) -> RedisStoreError {
        RedisStoreError { work, failure: self }
    }
}

/// Tells whether the server does not know the script yet, or not any more.
pub(crate) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        if let Some(code) = error.code() {
            return Self::Refused(Refusal::of(code));
        }
        if error.kind() == ErrorKind::AuthenticationFailed {
            return Self::Refused(Refusal::NotPermitted);
        }
        if error.is_connection_refusal() || error.kind() == ErrorKind::ClusterConnectionNotFound {
            return Self::Unreachable;
        }
        if error.is_timeout() {
            return Self::TimedOut;
        }
        if error.is_io_error() { Self::ConnectionLost } else { Self::Answer }
    }
}
