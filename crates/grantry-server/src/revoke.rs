//! The revocation endpoint ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).

use grantry_core::{HttpRequest, HttpResponse, Moment, UnixTime};
use serde_json::json;

use crate::denial::{Denial, Reason};
use crate::event::{Effect, Event, EventKind, Reply};
use crate::grant::{Grant, State};
use crate::operation::{Commit, Decision, Lookup, Operation, Records};
use crate::presented_token::PresentedToken;
use crate::server::Server;
use crate::transition::{Facts, Presented, Then, step};

impl Server {
    /// Reads a revocation request. Any token of a grant revokes the whole grant: a refresh token, also
    /// one that was rotated, and an access token that has not expired. For a public client that is
    /// anyone who holds one.
    pub fn revoke(&self, request: &HttpRequest) -> Revoke {
        Revoke { request: PresentedToken::parse(self, request) }
    }
}

/// A revocation request that waits for the records of its client and grant.
#[derive(Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct Revoke {
    request: Result<PresentedToken, Reason>,
}

/// What the revocation endpoint answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the endpoint agrees or refuses")]
pub enum Revoked {
    /// The token is dead, or was none of this client's
    /// ([RFC 7009 section 2.2](https://www.rfc-editor.org/rfc/rfc7009#section-2.2)).
    Done,
    /// The request was faulty or its client not authenticated.
    Denied(Denial),
}

impl Revoked {
    /// Makes the response to send.
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        match self {
            Self::Done => HttpResponse::json(200, &json!({})),
            Self::Denied(denial) => denial.to_response(),
        }
    }
}

impl Operation for Revoke {
    type Reply = Reply<Revoked>;

    fn lookup(&self) -> Lookup<'_> {
        self.request.as_ref().map_or_else(|_| Lookup::default(), PresentedToken::lookup)
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        self.revoke(records, moment.time()).unwrap_or_else(|reason| {
            let client_id = self.request.as_ref().ok().map(PresentedToken::client_id);
            let event = Event::new(EventKind::RequestRefused, Effect::Nothing);
            let event = event.of_client(client_id).denied(reason);
            // RFC 7009 section 2.2: a token that this server did not make is dead already.
            let answer =
                if reason == Reason::Forged { Revoked::Done } else { Revoked::Denied(reason.into()) };
            Decision::Reply(Reply::new(answer, event))
        })
    }
}

impl Revoke {
    fn revoke(&self, records: &Records, now: UnixTime) -> Result<Decision<Reply<Revoked>>, Reason> {
        let request = self.request.as_ref().map_err(|reason| *reason)?;
        let client = request.authenticate(records)?;
        // A stranger learns nothing and ends nothing.
        let found = request.found(client, records)?;
        let own = found.filter(|(_, record)| record.grant.client_id == *client.client().id());
        // A dead access token, which others have seen, does not end a living grant.
        let alive = own.filter(|(token, _)| !token.is_expired_access_token(now));
        let nothing = |event: Event| Ok(Decision::Reply(Reply::new(Revoked::Done, event)));
        let unchanged = Event::new(EventKind::GrantRevoked, Effect::Nothing);
        let Some((_, record)) = alive else {
            return nothing(unchanged.of_client(Some(client.client().id())));
        };
        let grant = &record.grant;
        match step(Some(grant.state), Presented::Revocation, Facts::default()) {
            Then::Move(_) | Then::Alarm(_) => {
                let event = Event::new(EventKind::GrantRevoked, Effect::Written).of_grant(grant);
                let reply = Reply::new(Revoked::Done, event);
                Ok(Decision::Commit(Commit::put(Some(record.version), grant.revoked(now), reply)))
            }
            Then::Repeat | Then::Refuse(_) => nothing(unchanged.of_grant(grant)),
        }
    }
}

impl Grant {
    /// The grant as it stands when nothing of it is alive any more.
    pub(crate) fn revoked(&self, now: UnixTime) -> Self {
        Self { state: State::Revoked { since: now }, ..self.clone() }
    }
}
