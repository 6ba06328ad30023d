//! The introspection endpoint ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use alloc::string::String;

use grantry_core::{ClientId, HttpRequest, HttpResponse, Issuer, Moment, Scope, UnixTime};
use serde::Serialize;
use serde_json::json;

use crate::client::{Client, IntrospectionRight};
use crate::denial::{Denial, Reason};
use crate::event::{Effect, Event, EventKind, Reply};
use crate::grant::{Grant, Subject};
use crate::handle::Opened;
use crate::issue::scope_of_bits;
use crate::operation::{Decision, Lookup, Operation, Records};
use crate::presented_token::PresentedToken;
use crate::server::Server;

impl Server {
    /// Reads an introspection request. The caller has to be a confidential client.
    ///
    /// A handle that no key of this server made is answered `{"active":false}` without any store
    /// access, and so without knowing the caller; it tells nothing of any grant.
    pub fn introspect(&self, request: &HttpRequest) -> Introspect {
        Introspect { server: self.clone(), request: PresentedToken::parse(self, request) }
    }
}

/// An introspection request that waits for the records of its client and grant.
#[derive(Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct Introspect {
    server: Server,
    request: Result<PresentedToken, Reason>,
}

/// What the introspection endpoint answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 7662 section 2.2 has two answers, and an error")]
pub enum Introspection {
    /// The token is alive.
    Active(ActiveToken),
    /// The token is unknown, expired, revoked or not for this caller: one answer for all.
    Inactive,
    /// The request was faulty or its client not authenticated.
    Denied(Denial),
}

/// What is said of a live token
/// ([RFC 7662 section 2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ActiveToken {
    /// The scope of the token.
    pub scope: Scope,
    /// The client it was issued to.
    pub client_id: ClientId,
    /// The person it speaks for.
    pub sub: Subject,
    /// When it expires.
    pub exp: UnixTime,
    /// Who issued it.
    pub iss: Issuer,
    /// Whom an access token is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// `Bearer` for an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<&'static str>,
}

impl Introspection {
    /// Makes the response to send.
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        #[derive(Serialize)]
        struct Wire<'a> {
            active: bool,
            #[serde(flatten)]
            token: &'a ActiveToken,
        }
        match self {
            Self::Active(token) => HttpResponse::json(200, &Wire { active: true, token }),
            Self::Inactive => HttpResponse::json(200, &json!({ "active": false })),
            Self::Denied(denial) => denial.to_response(),
        }
    }
}

impl Operation for Introspect {
    type Reply = Reply<Introspection>;

    fn lookup(&self) -> Lookup<'_> {
        self.request.as_ref().map_or_else(|_| Lookup::default(), PresentedToken::lookup)
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        let client_id = self.request.as_ref().ok().map(PresentedToken::client_id);
        Decision::Reply(match self.introspect(records, moment.time()) {
            Ok(reply) => reply,
            Err(reason) => {
                let event = Event::new(EventKind::RequestRefused, Effect::Nothing);
                let answer = if reason == Reason::Forged {
                    Introspection::Inactive
                } else {
                    Introspection::Denied(reason.into())
                };
                Reply::new(answer, event.of_client(client_id).denied(reason))
            }
        })
    }
}

impl Introspect {
    fn introspect(&self, records: &Records, now: UnixTime) -> Result<Reply<Introspection>, Reason> {
        let request = self.request.as_ref().map_err(|reason| *reason)?;
        let authenticated = request.authenticate(records)?;
        let client = authenticated.client();
        // RFC 7662 section 2.1: the endpoint is for those who can prove who they are.
        if !client.is_confidential() {
            return Err(Reason::ClientNotConfidential);
        }
        let event = Event::new(EventKind::TokenIntrospected, Effect::Nothing);
        let found = request.found(authenticated, records)?;
        let Some((token, record)) =
            found.filter(|(token, record)| may_introspect(client, &record.grant, token))
        else {
            return Ok(Reply::new(Introspection::Inactive, event.of_client(Some(client.id()))));
        };
        let grant = &record.grant;
        let event = event.of_grant(grant).of_client(Some(client.id()));
        let answer =
            if grant.is_active(now) { self.describe(grant, token, now) } else { Introspection::Inactive };
        Ok(Reply::new(answer, event))
    }

    fn describe(&self, grant: &Grant, token: &Opened, now: UnixTime) -> Introspection {
        let is_access_token = token.is_access_token();
        let (scope, exp) = if is_access_token {
            (scope_of_bits(&grant.scope, token.body.scope), token.body.expires_at)
        } else {
            (grant.scope.clone(), self.server.refresh_token_expires_at(grant))
        };
        if now >= exp || !(is_access_token || token.is_live_refresh_token(grant)) {
            return Introspection::Inactive;
        }
        Introspection::Active(ActiveToken {
            scope,
            client_id: grant.client_id.clone(),
            sub: grant.subject.clone(),
            exp,
            iss: self.server.config.issuer.clone(),
            aud: is_access_token.then(|| grant.audience.clone()),
            token_type: is_access_token.then_some("Bearer"),
        })
    }
}

// RFC 7662 section 4: a resource server sees access tokens only, a client its own tokens.
fn may_introspect(client: &Client, grant: &Grant, token: &Opened) -> bool {
    let own = grant.client_id == *client.id();
    own || (client.introspection() == IntrospectionRight::AccessTokens && token.is_access_token())
}
