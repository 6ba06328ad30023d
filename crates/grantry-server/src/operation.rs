//! One request as a value: what it reads, and one pure decision over what was read.

use alloc::{boxed::Box, sync::Arc};

use grantry_core::{ClientId, Issuer, Moment, SecretString};

use crate::claims::Claims;
use crate::client::Client;
use crate::decision::{ClaimId, Decision};
use crate::denial::Reason;
use crate::grant::{Grant, GrantId, Subject};
use crate::transition::Then;

/// A request that waits for its records.
///
/// [`run`](crate::run) and [`run_async`](crate::run_async) carry an operation through; a host that
/// wants another loop writes its own from the first two methods.
pub trait Operation {
    /// What the operation answers in the end.
    type Reply;

    /// Says what has to be read. It is the same at every call with the same moment.
    fn lookup(&self, moment: &Moment) -> Lookup<'_>;

    /// Decides over the records as they stand at `moment`. It is pure, and is called again with the
    /// same moment and fresh records after a conflict, and where a cached grant was not enough.
    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply>;

    /// Tells whether a decision may write the grant that it reads. Where it only reads, a cached grant is of no use,
    /// and [`Cached`](crate::Cached) does not look for one.
    fn writes_grant(&self) -> bool {
        true
    }
}

impl<O: Operation + ?Sized> Operation for Box<O> {
    type Reply = O::Reply;

    fn lookup(&self, moment: &Moment) -> Lookup<'_> {
        (**self).lookup(moment)
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        (**self).decide(records, moment)
    }

    fn writes_grant(&self) -> bool {
        (**self).writes_grant()
    }
}

/// The keys that one operation reads, at most one of each kind.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Lookup<'a> {
    /// The issuer that asks: a host with tenants over one store parts their clients and people by it. `None`
    /// where nothing is read.
    pub issuer: Option<&'a Issuer>,
    /// The client registration to read.
    pub client: Option<&'a ClientId>,
    /// The grant to read.
    pub grant: Option<GrantId>,
    /// The grant where a cache has it, so that it is not read: for a host whose read adds to more than the
    /// person. It may be out of date; then what is decided over it does not count.
    pub known_grant: Option<&'a Grant>,
    /// The one-time identifier of a token without a record to look for.
    pub claim: Option<ClaimId>,
    /// The one-time identifier of a client assertion to look for, beside the other one.
    pub assertion: Option<ClaimId>,
    /// The person who asks, where no grant that is read names them: whose claims to read, and whether they are
    /// suspended. Elsewhere the grant that is read names the person.
    pub subject: Option<&'a Subject>,
    /// The secret that the client presents, for hosts that keep slow hashes of client secrets: see
    /// [`SecretDigest`](crate::SecretDigest). Others leave it alone.
    pub client_secret: Option<&'a SecretString>,
}

impl<'a> Lookup<'a> {
    /// Begins a lookup of an issuer, which reads nothing yet.
    pub(crate) fn of(issuer: &'a Issuer) -> Self {
        Self { issuer: Some(issuer), ..Self::default() }
    }
}

impl Lookup<'_> {
    /// Tells that nothing has to be looked for: without a cached grant, the store is left alone.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.client.is_none() && self.grant.is_none() && self.claim.is_none() && self.assertion.is_none()
    }
}

/// What a store found for a [`Lookup`].
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub(crate) client: Option<Arc<Client>>,
    pub(crate) grant: Option<Versioned>,
    pub(crate) claimed: bool,
    pub(crate) assertion_claimed: bool,
    pub(crate) suspended: bool,
    pub(crate) user_claims: Option<(Subject, Claims)>,
    pub(crate) access_token_claims: Claims,
}

impl Records {
    /// Makes the answer that nothing was found.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the client registration.
    #[must_use]
    pub fn with_client(mut self, client: impl Into<Arc<Client>>) -> Self {
        self.client = Some(client.into());
        self
    }

    /// Adds the grant and the version at which it was read.
    #[must_use]
    pub fn with_grant(mut self, grant: Grant, version: Version) -> Self {
        self.grant = Some(Versioned { grant, version });
        self
    }

    /// Notes that the one-time identifier of [`Lookup::claim`] was seen before.
    #[must_use]
    pub const fn with_claim_seen(mut self) -> Self {
        self.claimed = true;
        self
    }

    /// Notes that the one-time identifier of [`Lookup::assertion`] was seen before.
    #[must_use]
    pub const fn with_assertion_seen(mut self) -> Self {
        self.assertion_claimed = true;
        self
    }

    /// Notes that the person of the grant, or the one who asks for it, is suspended: the host's veto.
    /// Nothing is given out for the grant and nothing of it is alive; nothing is consumed either.
    #[must_use]
    pub const fn with_suspended_subject(mut self) -> Self {
        self.suspended = true;
        self
    }

    /// Adds what the host knows of the person of the grant: of it, clients are told what they were granted
    /// ([OpenID Connect Core section 5.3.2](https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse)).
    #[must_use]
    pub fn with_user_claims(mut self, subject: Subject, claims: Claims) -> Self {
        self.user_claims = Some((subject, claims));
        self
    }

    /// Adds what the host says in JWT access tokens of the grant, or of the client for a token of its own
    /// ([RFC 9068 section 2.2.3](https://www.rfc-editor.org/rfc/rfc9068#section-2.2.3)).
    #[must_use]
    pub fn with_access_token_claims(mut self, claims: Claims) -> Self {
        self.access_token_claims = claims;
        self
    }

    /// Returns the client, if the store found exactly the one that was asked for.
    #[must_use]
    pub fn client(&self, id: &ClientId) -> Option<&Client> {
        // A store with a case-folding collation may answer with another client.
        self.client.as_deref().filter(|client| client.id() == id)
    }

    /// Returns the grant, if the store found exactly the one that was asked for.
    #[must_use]
    pub fn grant(&self, id: GrantId) -> Option<&Versioned> {
        self.grant.as_ref().filter(|record| record.grant.id() == id)
    }

    /// Returns the grant, if it is one of the issuer as well: beside the keys of its handles, nothing else parts
    /// the tenants of one store.
    pub(crate) fn grant_of(&self, issuer: &Issuer, id: GrantId) -> Option<&Versioned> {
        self.grant(id).filter(|record| record.grant.issuer() == issuer)
    }

    /// Tells whether the one-time identifier of [`Lookup::claim`] was seen before.
    #[must_use]
    pub const fn is_claim_seen(&self) -> bool {
        self.claimed
    }

    /// Tells whether the one-time identifier of [`Lookup::assertion`] was seen before.
    #[must_use]
    pub const fn is_assertion_seen(&self) -> bool {
        self.assertion_claimed
    }

    /// Tells whether the person of the grant is suspended.
    #[must_use]
    pub const fn is_subject_suspended(&self) -> bool {
        self.suspended
    }

    /// Returns what the host knows of a person, if it read exactly the one that was asked for.
    #[must_use]
    pub fn user_claims(&self, subject: &Subject) -> Option<&Claims> {
        // OpenID Connect Core section 5.3.4: nobody is told of another person than `sub` names.
        self.user_claims.as_ref().filter(|(of, _)| of == subject).map(|(_, claims)| claims)
    }

    pub(crate) fn access_token_claims(&self) -> Claims {
        self.access_token_claims.clone()
    }

    /// Gives nothing out for a person who is suspended; an alarm is raised all the same.
    pub(crate) const fn veto(&self, then: Then) -> Then {
        match then {
            Then::Move(_) | Then::Repeat if self.suspended => Then::Refuse(Reason::SubjectSuspended),
            Then::Move(_)
            | Then::Repeat
            | Then::Refuse(_)
            | Then::Wait(_)
            | Then::Close(_)
            | Then::Alarm(_) => then,
        }
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

impl Versioned {
    /// Puts a grant beside its version: what a [`GrantCache`](crate::GrantCache) has kept.
    #[must_use]
    pub const fn new(grant: Grant, version: Version) -> Self {
        Self { grant, version }
    }
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
