//! The revocation endpoint ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).

use grantry_core::{HttpRequest, HttpResponse, Issuer, Moment, UnixTime};
use serde_json::json;

use crate::authentication::Authenticated;
use crate::client::Client;
use crate::decision::{Change, Commit, Decision};
use crate::denial::{Denial, Reason};
use crate::event::{Effect, Endpoint, Event, EventKind, Reply};
use crate::grant::Grant;
use crate::operation::{Lookup, Operation, Records, Versioned};
use crate::presented_token::{Found, PresentedToken, authenticate};
use crate::server::Server;
use crate::transition::{Facts, Presented, Then, step};

impl Server {
    /// Reads a revocation request. Any token of a grant revokes the whole grant: a refresh token, also
    /// one that was rotated, and an access token that has not expired. For a public client that is
    /// anyone who holds one. A token that a client got for itself is revoked alone.
    pub fn revoke(&self, request: &HttpRequest) -> Revoke {
        Revoke { server: self.clone(), request: PresentedToken::parse(self, request) }
    }
}

/// A revocation request that waits for the records of its client and grant.
#[derive(Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct Revoke {
    server: Server,
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

    fn lookup(&self, _: &Moment) -> Lookup<'_> {
        match &self.request {
            Ok(request) => request.lookup(self.server.issuer()),
            Err(_) => Lookup::default(),
        }
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        let refuse = |reason: Reason| {
            let client_id = self.request.as_ref().ok().map(PresentedToken::client_id);
            let event = Event::refused(Endpoint::Revocation, reason).of_client(client_id);
            // RFC 7009 section 2.2: a token that this server did not make is dead already.
            let answer =
                if reason == Reason::Forged { Revoked::Done } else { Revoked::Denied(reason.into()) };
            Decision::Reply(Reply::new(answer, event))
        };
        let now = moment.time();
        match authenticate(&self.request, records, now) {
            Ok((request, client)) => request
                .revoke(client, self.server.issuer(), records, now)
                .unwrap_or_else(refuse)
                .with_claim(client.claim()),
            Err(reason) => refuse(reason),
        }
    }
}

impl PresentedToken {
    fn revoke(
        &self,
        authenticated: Authenticated<'_>,
        issuer: &Issuer,
        records: &Records,
        now: UnixTime,
    ) -> Result<Decision<Reply<Revoked>>, Reason> {
        let client = authenticated.client();
        let reply = |kind, effect| {
            let event = Event::new(Endpoint::Revocation, kind, effect).of_client(Some(client.id()));
            Reply::new(Revoked::Done, event)
        };
        let found = self.found(authenticated, issuer, records)?;
        // A stranger learns nothing and ends nothing. A dead access token, which others have seen, does
        // not end a living grant.
        Ok(match found.filter(|found| found.is_alive_and_of(client, now)) {
            None => Decision::Reply(reply(EventKind::NothingRevoked, Effect::Nothing)),
            Some(Found::OfGrant(_, record)) => end(record, now, Revoked::Done, Endpoint::Revocation),
            Some(Found::Stateless(claims)) => {
                // Noted for as long as the slowest clock of the store takes the token for alive.
                let until = claims.exp.saturating_add(Grant::CLOCK_MARGIN);
                let claim = Change::Claim { id: claims.claim_id(), until };
                Decision::Commit(Commit::claim(claim, reply(EventKind::TokenRevoked, Effect::Noted)))
            }
        })
    }
}

/// Ends a grant, if it has not ended.
pub(crate) fn end<A>(record: &Versioned, now: UnixTime, answer: A, endpoint: Endpoint) -> Decision<Reply<A>> {
    let grant = &record.grant;
    let event = |kind, effect| Event::new(endpoint, kind, effect).of_grant(grant);
    match step(Some(grant.state), Presented::Revocation, Facts::default()) {
        Then::Move(_) | Then::Alarm(_) | Then::Close(_) => {
            let reply = Reply::new(answer, event(EventKind::GrantRevoked, Effect::Written));
            Decision::Commit(Commit::put(Some(record.version), grant.revoked(now), reply))
        }
        Then::Repeat | Then::Refuse(_) | Then::Wait(_) => {
            Decision::Reply(Reply::new(answer, event(EventKind::NothingRevoked, Effect::Nothing)))
        }
    }
}

impl Found<'_> {
    fn is_alive_and_of(&self, client: &Client, now: UnixTime) -> bool {
        match self {
            Self::OfGrant(token, record) => {
                record.grant.terms.client_id == *client.id() && !token.is_expired_access_token(now)
            }
            Self::Stateless(claims) => claims.client_id == *client.id() && now < claims.exp,
        }
    }
}
