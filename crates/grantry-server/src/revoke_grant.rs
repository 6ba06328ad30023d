//! A grant that is taken back by its person, its client or an operator, without any token of it.

use grantry_core::{ClientId, Moment};

use crate::decision::Decision;
use crate::event::{Effect, Endpoint, Event, EventKind, Reply};
use crate::grant::{Grant, GrantId, Subject};
use crate::operation::{Lookup, Operation, Records};
use crate::revoke::end;
use crate::server::Server;

impl Server {
    /// Ends one grant by its id: for the page of apps with access to an account. The host says for whom it
    /// asks; a person ends what they granted, and a client what it holds, whatever id a form brings.
    pub fn revoke_grant(&self, id: GrantId, authority: Authority) -> RevokeGrant {
        RevokeGrant { server: self.clone(), id, authority }
    }
}

/// Who takes a grant back, as the host has authenticated them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authority {
    /// A person: what they granted.
    Subject(Subject),
    /// A client: what it holds.
    Client(ClientId),
    /// The host itself: any grant.
    Operator,
}

impl Authority {
    fn is_over(&self, grant: &Grant) -> bool {
        match self {
            Self::Subject(subject) => grant.subject() == Some(subject),
            Self::Client(client_id) => grant.client_id() == client_id,
            Self::Operator => true,
        }
    }
}

/// A grant to end, which waits for its record.
#[derive(Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct RevokeGrant {
    server: Server,
    id: GrantId,
    authority: Authority,
}

/// Whether a grant was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a grant is there, or it is not")]
pub enum Revocation {
    /// Nothing of the grant is alive, now or already before.
    Revoked,
    /// There is no such grant, or it is another's: one answer for both.
    Unknown,
}

impl Operation for RevokeGrant {
    type Reply = Reply<Revocation>;

    fn lookup(&self, _: &Moment) -> Lookup<'_> {
        Lookup { grant: Some(self.id), ..Lookup::of(self.server.issuer()) }
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        let record = records.grant_of(self.server.issuer(), self.id);
        match record.filter(|record| self.authority.is_over(&record.grant)) {
            Some(record) => end(record, moment.time(), Revocation::Revoked, Endpoint::Management),
            None => Decision::Reply(Reply::new(Revocation::Unknown, self.refused())),
        }
    }
}

impl RevokeGrant {
    /// It names who asked, and no grant: nothing proves that this one is theirs.
    fn refused(&self) -> Event {
        let event = Event::new(Endpoint::Management, EventKind::RequestRefused, Effect::Nothing);
        match &self.authority {
            Authority::Subject(subject) => Event { subject: Some(subject.clone()), ..event },
            Authority::Client(client_id) => event.of_client(Some(client_id)),
            Authority::Operator => event,
        }
    }
}
