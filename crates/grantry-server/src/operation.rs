//! One request as a value: what it reads, and one pure decision over what was read.

use alloc::{vec, vec::Vec};
use core::fmt;

use grantry_core::{ClientId, Moment, UnixTime};

use crate::{Client, Grant, GrantId};

/// A request that waits for its records.
///
/// [`run`](crate::run) and [`run_async`](crate::run_async) carry an operation through; a host that
/// wants another loop writes its own from these two methods.
pub trait Operation {
    /// What the operation answers in the end.
    type Reply;

    /// Says what has to be read. It is the same at every call.
    fn lookup(&self) -> Lookup<'_>;

    /// Decides over the records as they stand at `moment`. It is pure, and is called again with the
    /// same moment and fresh records after a conflict.
    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply>;
}

/// The keys that one operation reads, at most one of each kind.
///
/// No operation reads `claim` yet: it is for client assertions, whose `jti` counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lookup<'a> {
    /// The client registration to read.
    pub client: Option<&'a ClientId>,
    /// The grant to read.
    pub grant: Option<GrantId>,
    /// The one-time identifier to look for.
    pub claim: Option<ClaimId>,
}

impl Lookup<'_> {
    /// Tells that nothing has to be read: the store is left alone.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.client.is_none() && self.grant.is_none() && self.claim.is_none()
    }
}

/// What a store found for a [`Lookup`].
#[derive(Clone, Debug, Default)]
pub struct Records {
    client: Option<Client>,
    grant: Option<Versioned>,
    claimed: bool,
}

impl Records {
    /// Makes the answer that nothing was found.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the client registration.
    #[must_use]
    pub fn with_client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// Adds the grant and the version at which it was read.
    #[must_use]
    pub fn with_grant(mut self, grant: Grant, version: Version) -> Self {
        self.grant = Some(Versioned { grant, version });
        self
    }

    /// Notes that the one-time identifier was seen before.
    #[must_use]
    pub const fn with_claim_seen(mut self) -> Self {
        self.claimed = true;
        self
    }

    /// Returns the client, if the store found exactly the one that was asked for.
    #[must_use]
    pub fn client(&self, id: &ClientId) -> Option<&Client> {
        // A store with a case-folding collation may answer with another client.
        self.client.as_ref().filter(|client| client.id() == id)
    }

    /// Returns the grant, if the store found exactly the one that was asked for.
    #[must_use]
    pub fn grant(&self, id: GrantId) -> Option<&Versioned> {
        self.grant.as_ref().filter(|record| record.grant.id() == id)
    }

    /// Tells whether the one-time identifier was seen before.
    #[must_use]
    pub const fn is_claim_seen(&self) -> bool {
        self.claimed
    }
}

/// A grant beside the version at which it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Versioned {
    /// The grant.
    pub grant: Grant,
    /// Its version in the store.
    pub version: Version,
}

/// How often a record was written: the value that a commit compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// The version of a record that was written once.
    pub const FIRST: Self = Self(1);

    /// Takes up a version that a store kept as a number.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Returns the version as the number that a store keeps.
    #[must_use]
    pub const fn as_number(self) -> u64 {
        self.0
    }

    /// Returns the version that the next write makes.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What an operation decided.
///
/// A loop of a host's own answers status 503 to a decision that it does not know.
#[derive(Debug)]
#[must_use = "a decision that is dropped is a request without an answer"]
#[non_exhaustive]
pub enum Decision<R> {
    /// Nothing has to be written.
    Reply(R),
    /// The change set has to be applied before there is a reply.
    Commit(Commit<R>),
}

/// A change set, and a reply that stays sealed until the change set is applied.
#[must_use = "a commit that is dropped changes nothing and answers nothing"]
pub struct Commit<R> {
    changes: ChangeSet,
    reply: R,
}

impl<R> Commit<R> {
    pub(crate) fn put(expected: Option<Version>, grant: Grant, reply: R) -> Self {
        Self { changes: ChangeSet(vec![Change::Put { expected, grant }]), reply }
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
pub struct ChangeSet(Vec<Change>);

impl ChangeSet {
    /// Returns the changes in order.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.0.iter()
    }
}

impl FromIterator<Change> for ChangeSet {
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Self {
        Self(changes.into_iter().collect())
    }
}

/// One conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store that ignores a change would break the contract")]
#[expect(clippy::large_enum_variant, reason = "a change set holds one change or two")]
pub enum Change {
    /// Writes a grant if its record stands at the expected version; `None`: if there is no record.
    Put {
        /// The version that the record must have.
        expected: Option<Version>,
        /// The grant to write, at the next version.
        grant: Grant,
    },
    /// Notes a one-time identifier if it is not noted yet. No operation does so yet.
    Claim {
        /// The identifier.
        id: ClaimId,
        /// From when on the note may be dropped.
        until: UnixTime,
    },
}

/// The digest of a one-time identifier, such as the `jti` of a client assertion
/// ([RFC 7523 section 3](https://www.rfc-editor.org/rfc/rfc7523#section-3)).
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
