//! The introspection endpoint ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use alloc::{string::String, sync::Arc, vec::Vec};

use grantry_core::json::ObjectWriter;
use grantry_core::{ClientId, HttpRequest, HttpResponse, Issuer, Moment, Scope, UnixTime};

use crate::authentication::Authenticated;
use crate::client::{Client, IntrospectionRight};
use crate::decision::Decision;
use crate::denial::{Denial, Reason};
use crate::event::{Effect, Endpoint, Event, EventKind, Reply};
use crate::grant::{Grant, Subject};
use crate::handle::Opened;
use crate::operation::{Lookup, Operation, Records};
use crate::presented_token::{Found, PresentedToken, authenticate};
use crate::server::Server;
use crate::stateless_token::PresentedClaims;

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
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveToken {
    /// The scope of the token.
    pub scope: Scope,
    /// The client it was issued to.
    pub client_id: ClientId,
    /// The person it speaks for, or the client, where that speaks for itself.
    pub sub: Arc<str>,
    /// When it expires.
    pub exp: UnixTime,
    /// When it was issued, of an access token without a record.
    pub iat: Option<UnixTime>,
    /// Who issued it.
    pub iss: Issuer,
    /// Whom an access token is for.
    pub aud: Vec<String>,
    /// `Bearer` for an access token.
    pub token_type: Option<&'static str>,
    /// In which context the person logged in
    /// ([RFC 9470 section 6.2](https://www.rfc-editor.org/rfc/rfc9470#section-6.2)).
    pub acr: Option<String>,
    /// When the person logged in.
    pub auth_time: Option<UnixTime>,
}

impl Introspection {
    /// Makes the response to send.
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        match self {
            Self::Active(token) => token.to_response(),
            Self::Inactive => {
                HttpResponse::json_object(200, ObjectWriter::default().boolean("active", false))
            }
            Self::Denied(denial) => denial.to_response(),
        }
    }
}

impl ActiveToken {
    fn to_response(&self) -> HttpResponse {
        let seconds = |time: Option<UnixTime>| time.map(UnixTime::as_secs);
        let object = ObjectWriter::with_capacity(ROOM_BYTES)
            .boolean("active", true)
            .text("scope", self.scope.as_str())
            .text("client_id", self.client_id.as_str())
            .text("sub", &self.sub)
            .number("exp", self.exp.as_secs())
            .optional_number("iat", seconds(self.iat))
            .text("iss", self.iss.as_str())
            .one_or_several("aud", &self.aud)
            .optional_text("token_type", self.token_type)
            .optional_text("acr", self.acr.as_deref())
            .optional_number("auth_time", seconds(self.auth_time));
        HttpResponse::json_object(200, object)
    }
}

/// Room for a typical answer; a longer one grows.
const ROOM_BYTES: usize = 384;

impl Operation for Introspect {
    type Reply = Reply<Introspection>;

    fn lookup(&self, _: &Moment) -> Lookup<'_> {
        match &self.request {
            Ok(request) => request.lookup(self.server.issuer()),
            Err(_) => Lookup::default(),
        }
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        let refuse = |reason: Reason| {
            let client_id = self.request.as_ref().ok().map(PresentedToken::client_id);
            let answer = if reason == Reason::Forged {
                Introspection::Inactive
            } else {
                Introspection::Denied(reason.into())
            };
            Reply::new(answer, Event::refused(Endpoint::Introspection, reason).of_client(client_id))
        };
        let now = moment.time();
        match authenticate(&self.request, records, now) {
            Ok((request, client)) => {
                let reply = self.introspect(request, client, records, now).unwrap_or_else(refuse);
                Decision::Reply(reply).with_claim(client.claim())
            }
            Err(reason) => Decision::Reply(refuse(reason)),
        }
    }

    fn writes_grant(&self) -> bool {
        false
    }
}

impl Introspect {
    fn introspect(
        &self,
        request: &PresentedToken,
        authenticated: Authenticated<'_>,
        records: &Records,
        now: UnixTime,
    ) -> Result<Reply<Introspection>, Reason> {
        let client = authenticated.client();
        // RFC 7662 section 2.1: the endpoint is for those who can prove who they are.
        if !client.is_confidential() {
            return Err(Reason::ClientNotConfidential);
        }
        let found = request
            .found(authenticated, self.server.issuer(), records)?
            .filter(|found| may_introspect(client, found));
        let (active, grant) = match found {
            None => (None, None),
            Some(Found::Stateless(claims)) => (self.server.describe_stateless(claims, now), None),
            Some(Found::OfGrant(token, record)) => {
                let is_alive = !records.is_subject_suspended() && record.grant.is_active(now);
                let active = is_alive.then(|| self.server.describe(&record.grant, token, now)).flatten();
                (active, Some(&record.grant))
            }
        };
        let (kind, answer) = match active {
            Some(token) => (EventKind::TokenFoundActive, Introspection::Active(token)),
            None => (EventKind::TokenFoundInactive, Introspection::Inactive),
        };
        let event = Event::new(Endpoint::Introspection, kind, Effect::Nothing);
        let event = match grant {
            Some(grant) => event.of_grant(grant),
            None => event,
        };
        Ok(Reply::new(answer, event.of_client(Some(client.id()))))
    }
}

impl Server {
    fn describe(&self, grant: &Grant, token: &Opened, now: UnixTime) -> Option<ActiveToken> {
        let is_access_token = token.is_access_token();
        let (scope, exp) = if is_access_token {
            (grant.scope_of_bits(token.body.scope), token.body.expires_at)
        } else {
            (grant.terms.scope.clone(), self.refresh_token_expires_at(grant))
        };
        let has_ended = self.config.policy.has_ended(&grant.terms.client_id, grant.terms.created_at);
        if now >= exp || has_ended || !(is_access_token || token.is_live_refresh_token(grant)) {
            return None;
        }
        let resources = if is_access_token { token.body.resources } else { 0 };
        let person = grant.terms.person.as_ref();
        Some(ActiveToken {
            scope,
            client_id: grant.terms.client_id.clone(),
            sub: grant.subject().map_or_else(|| grant.terms.client_id.to_arc(), Subject::to_arc),
            exp,
            iat: None,
            iss: self.config.issuer.clone(),
            aud: grant.resources_of_bits(resources).map(String::from).collect(),
            token_type: is_access_token.then_some("Bearer"),
            acr: person.and_then(|person| person.acr.clone()),
            auth_time: person.map(|person| person.authenticated_at),
        })
    }

    fn describe_stateless(&self, claims: &PresentedClaims, now: UnixTime) -> Option<ActiveToken> {
        let has_ended = self.config.policy.has_ended(&claims.client_id, claims.iat);
        (now < claims.exp && !has_ended).then(|| ActiveToken {
            scope: claims.scope.clone(),
            client_id: claims.client_id.clone(),
            sub: claims.client_id.to_arc(),
            exp: claims.exp,
            iat: Some(claims.iat),
            iss: self.config.issuer.clone(),
            aud: claims.audiences().to_vec(),
            token_type: Some("Bearer"),
            acr: None,
            auth_time: None,
        })
    }
}

// RFC 7662 section 4: a resource server sees access tokens only, and those for itself; a client its own.
fn may_introspect(client: &Client, found: &Found<'_>) -> bool {
    let (holder, is_access_token) = match found {
        Found::OfGrant(token, record) => (&record.grant.terms.client_id, token.is_access_token()),
        Found::Stateless(claims) => (&claims.client_id, true),
    };
    if holder == client.id() {
        return true;
    }
    is_access_token
        && match (client.introspection(), found) {
            (IntrospectionRight::Own, _) => false,
            (IntrospectionRight::AccessTokens, _) => true,
            (IntrospectionRight::AccessTokensFor(own), Found::OfGrant(token, record)) => {
                record.grant.resources_of_bits(token.body.resources).any(|resource| own.contains(resource))
            }
            (IntrospectionRight::AccessTokensFor(own), Found::Stateless(claims)) => {
                claims.audiences().iter().any(|resource| own.contains(resource))
            }
        }
}
