//! Why a ring was not made, changed or read.

use grantry_core::json::JsonError;

use crate::KeyError;

/// Why a [`KeyRing`](super::KeyRing) was not made, changed or read. Nothing is changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// No key at all.
    #[error("a key ring has one key or more")]
    NoKeys,
    /// More than [`KeyRing::MAX_KEYS`](super::KeyRing::MAX_KEYS); pruning may make room.
    #[error("the key ring is full")]
    TooManyKeys,
    /// The key has no `kid`, or an empty one.
    #[error("a key of a ring needs a key id (RFC 7517 section 4.5)")]
    MissingKeyId,
    /// The ring has a key of that `kid` already.
    #[error("two keys of a ring share a key id (RFC 7517 section 4.5)")]
    DuplicateKeyId,
    /// No key of the ring has that `kid`.
    #[error("the key ring has no key of that id")]
    UnknownKeyId,
    /// The key signs, has signed, or may do so before every process knows the change.
    #[error("too late to withdraw the key")]
    TooLate,
    /// Only a key that signs can be replaced at once.
    #[error("the key does not sign now")]
    NotSigning,
    /// A key takes the place of one of its own algorithm only.
    #[error("the keys have different algorithms")]
    AlgorithmMismatch,
    /// Nothing would be left to sign with.
    #[error("no other key would be left to sign")]
    LastKey,
    /// A time is longer than [`KeyRingPolicy::MAX`](super::KeyRingPolicy::MAX).
    #[error("a time of the key ring policy is too long")]
    Policy,
    /// The stored form is of another version.
    #[error("the stored key ring has an unknown version")]
    Version,
    /// Not the JSON of a stored ring.
    #[error("not a stored key ring: {0}")]
    Json(#[from] JsonError),
    /// The stored entries contradict each other.
    #[error("the stored key ring contradicts itself")]
    Inconsistent,
    /// A stored key cannot be used.
    #[error("a stored key cannot be used: {0}")]
    Key(#[from] KeyError),
}
