//! What an operation decides, and what has to happen before its reply may be seen.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use grantry_core::{SecretString, UnixTime};
use grantry_jwt::{SignError, SigningInput};

use crate::event::Reply;
use crate::grant::Grant;
use crate::operation::Version;

/// What an operation decided.
///
/// A loop of a host's own answers status 503 to a decision that it does not know.
#[derive(Debug)]
#[must_use = "a decision that is dropped is a request without an answer"]
#[non_exhaustive]
pub enum Decision<R> {
    /// Nothing has to be written.
    Reply(R),
    /// A key outside of the process has to sign before anything is written.
    Sign(SignRequest<R>),
    /// The change set has to be applied before there is a reply.
    Commit(Commit<R>),
}

impl<A: 'static> Decision<Reply<A>> {
    /// Notes a one-time identifier together with whatever else is decided.
    pub(crate) fn with_claim(self, claim: Option<Change>) -> Self {
        let Some(claim) = claim else { return self };
        match self {
            Self::Reply(reply) => Self::Commit(Commit::claim(claim, reply.noted())),
            Self::Sign(request) => Self::Sign(request.with_claim(claim)),
            // Every prefix is safe: what was claimed and led to nothing is spent.
            Self::Commit(Commit { changes, reply }) => {
                Self::Commit(Commit { changes: changes.behind(claim), reply })
            }
        }
    }
}

/// A decision that waits for the signature of a key outside of the process: a KMS, an HSM, an agent.
///
/// Nothing is written before it. A signature that fails, or never comes, changes nothing.
#[must_use = "a request that is dropped signs nothing and answers nothing"]
pub struct SignRequest<R> {
    input: SigningInput,
    then: Then<R>,
}

type Then<R> = Box<dyn FnOnce(SecretString) -> Result<Decision<R>, SignError> + Send>;

impl<R> SignRequest<R> {
    pub(crate) fn new(
        input: SigningInput,
        then: impl FnOnce(SecretString) -> Result<Decision<R>, SignError> + Send + 'static,
    ) -> Self {
        Self { input, then: Box::new(then) }
    }

    /// Returns what to sign, by which algorithm and key.
    pub const fn input(&self) -> &SigningInput {
        &self.input
    }

    /// Goes on with the signature, which is checked first: one of another request opens nothing.
    ///
    /// # Errors
    ///
    /// [`SignError::Signature`] when the key does not verify it, [`SignError::TooLong`] and
    /// [`SignError::Claims`] when the next token cannot be written.
    pub fn complete(self, signature: &Signature) -> Result<Decision<R>, SignError> {
        let token = match signature {
            Signature::Jose(bytes) => self.input.complete(bytes)?,
            Signature::Der(bytes) => self.input.complete_der(bytes)?,
        };
        (self.then)(SecretString::from(token))
    }
}

impl<A: 'static> SignRequest<Reply<A>> {
    fn with_claim(self, claim: Change) -> Self {
        let then = self.then;
        Self::new(self.input, move |token| Ok(then(token)?.with_claim(Some(claim))))
    }
}

impl<R> fmt::Debug for SignRequest<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignRequest").field("input", &self.input).finish_non_exhaustive()
    }
}

/// A signature as a key outside of the process returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a signature has one of two encodings")]
pub enum Signature {
    /// As it stands in a token; `r || s` for ECDSA
    /// ([RFC 7518 section 3.4](https://www.rfc-editor.org/rfc/rfc7518#section-3.4)).
    Jose(Vec<u8>),
    /// ECDSA in DER, as most signing services write it.
    Der(Vec<u8>),
}

/// A change set, and a reply that stays sealed until the change set is applied.
#[must_use = "a commit that is dropped changes nothing and answers nothing"]
pub struct Commit<R> {
    changes: ChangeSet,
    reply: R,
}

impl<R> Commit<R> {
    pub(crate) fn put(expected: Option<Version>, grant: Grant, reply: R) -> Self {
        Self { changes: ChangeSet::of(Change::Put { expected, grant }), reply }
    }

    pub(crate) fn claim(claim: Change, reply: R) -> Self {
        Self { changes: ChangeSet::of(claim), reply }
    }

    /// Returns what has to be written, all or none.
    #[must_use]
    pub const fn changes(&self) -> &ChangeSet {
        &self.changes
    }

    /// Gives the reply out for an applied change set. This is the only way to it.
    ///
    /// # Errors
    ///
    /// [`Conflict`] when the store had other versions: read and decide again.
    pub fn resolve(self, outcome: Outcome) -> Result<R, Conflict> {
        match outcome {
            Outcome::Applied => Ok(self.reply),
            Outcome::Conflict => Err(Conflict),
        }
    }
}

impl<R> fmt::Debug for Commit<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit").field("changes", &self.changes).finish_non_exhaustive()
    }
}

/// Changes that a store applies all or none, in an order of which every prefix is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSet {
    first: Option<Change>,
    others: Vec<Change>,
}

impl ChangeSet {
    const fn of(change: Change) -> Self {
        Self { first: Some(change), others: Vec::new() }
    }

    fn behind(self, change: Change) -> Self {
        let others = self.first.into_iter().chain(self.others).collect();
        Self { first: Some(change), others }
    }

    /// Returns the change of a set that has one.
    #[cfg(feature = "std")]
    pub(crate) fn only(&self) -> Option<&Change> {
        self.first.as_ref().filter(|_| self.others.is_empty())
    }

    /// Returns the changes in order.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.first.iter().chain(&self.others)
    }
}

impl FromIterator<Change> for ChangeSet {
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Self {
        let mut changes = changes.into_iter();
        Self { first: changes.next(), others: changes.collect() }
    }
}

/// One conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store that ignores a change would break the contract")]
pub enum Change {
    /// Writes a grant if its record stands at the expected version; `None`: if there is no record.
    Put {
        /// The version that the record must have.
        expected: Option<Version>,
        /// The grant to write, at the next version.
        grant: Grant,
    },
    /// Notes a one-time identifier if it is not noted yet.
    Claim {
        /// The identifier.
        id: ClaimId,
        /// From when on the note may be dropped.
        until: UnixTime,
    },
}

impl Change {
    /// Tells whether the change adds a record.
    #[cfg(feature = "std")]
    pub(crate) const fn is_new(&self) -> bool {
        match self {
            Self::Put { expected, .. } => expected.is_none(),
            Self::Claim { .. } => true,
        }
    }
}

/// The digest of a one-time identifier: the `jti` of a client assertion
/// ([RFC 7523 section 3](https://www.rfc-editor.org/rfc/rfc7523#section-3)), or of an access token
/// without a record that was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimId([u8; 32]);

impl ClaimId {
    /// Takes up a digest.
    #[must_use]
    pub const fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Returns the digest.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What a store did with a change set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the outcome opens the reply"]
#[expect(clippy::exhaustive_enums, reason = "a compare-and-swap has two outcomes")]
pub enum Outcome {
    /// Every change is durable.
    Applied,
    /// A record stood at another version; nothing is changed.
    Conflict,
}

/// The change set was not applied because another request came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another request changed the record first")]
#[non_exhaustive]
pub struct Conflict;
