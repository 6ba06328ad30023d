//! The userinfo endpoint
//! ([OpenID Connect Core section 5.3](https://openid.net/specs/openid-connect-core-1_0.html#UserInfo)).

use alloc::string::ToString;

use grantry_core::bearer::{BearerError, Places};
use grantry_core::{Challenge, ErrorCode, HttpRequest, HttpResponse, Moment, UnixTime};
use serde::Serialize;

use crate::claim_release::for_userinfo;
use crate::claims::Claims;
use crate::decision::Decision;
use crate::denial::{Denial, Reason};
use crate::event::{Effect, Endpoint, Event, EventKind, Reply};
use crate::grant::{Grant, Subject};
use crate::operation::{Lookup, Operation, Records};
use crate::presented_token::{Found, OpenedToken};
use crate::server::Server;

impl Server {
    /// Reads a userinfo request, which carries an access token of this server in its `Authorization` field or in
    /// its form ([RFC 6750 sections 2.1 and 2.2](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
    ///
    /// Every access token of a person with the scope `openid` is taken, whatever its audience. The host adds what
    /// it knows of the person to what it reads, with [`Records::with_user_claims`].
    pub fn userinfo(&self, request: &HttpRequest) -> UserInfo {
        UserInfo { server: self.clone(), token: self.userinfo_token(request) }
    }

    fn userinfo_token(&self, request: &HttpRequest) -> Result<OpenedToken, Reason> {
        if !matches!(request.method.as_str(), "GET" | "POST") {
            return Err(Reason::NotGetOrPost);
        }
        let token = Places::new().allow_form_body().find(request).map_err(Reason::Bearer)?;
        // A forged handle never reaches the store, and is answered like every token that is none.
        let opened = self.open_access_token(token.expose()).ok().flatten();
        opened.ok_or(Reason::AccessTokenUnknown)
    }
}

/// A userinfo request that waits for the record of its token.
#[derive(Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct UserInfo {
    server: Server,
    token: Result<OpenedToken, Reason>,
}

/// What the userinfo endpoint answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the endpoint tells, or it does not")]
pub enum UserInfoAnswer {
    /// Who the person is, as far as the client may know.
    Told(PersonalClaims),
    /// No good token, or not for this.
    Denied(Denial),
}

/// What a client is told of a person
/// ([OpenID Connect Core section 5.3.2](https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PersonalClaims {
    /// The person; the same as in every ID token.
    pub sub: Subject,
    /// What the granted scope and the `claims` parameter ask for, and the host knows.
    #[serde(flatten)]
    pub claims: Claims,
}

impl UserInfoAnswer {
    /// Makes the response to send: JSON, or a challenge
    /// ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)). All bad tokens have one answer.
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        match self {
            Self::Told(person) => HttpResponse::json(200, person),
            Self::Denied(denial) => refusal(*denial),
        }
    }
}

fn refusal(denial: Denial) -> HttpResponse {
    let respond = |status| HttpResponse::new(status).with_header("Cache-Control", "no-store");
    let challenge = || Challenge::new("Bearer").with_realm("userinfo");
    let (status, challenge) = match (denial.reason, denial.code) {
        (Reason::NotGetOrPost, _) => return respond(405).with_header("Allow", "GET, POST"),
        // RFC 6750 section 3.1: who sends no token is told nothing but that one is needed.
        (Reason::Bearer(BearerError::NoCredentials), _) => (401, challenge()),
        (_, ErrorCode::InvalidToken) => {
            let text = "The access token is expired, revoked, malformed or not of a person";
            (401, challenge().with_error(denial.code).with_error_description(text))
        }
        (_, ErrorCode::InsufficientScope) => {
            (403, challenge().with_error(denial.code).with_parameter("scope", OPENID))
        }
        (reason, code) => (400, challenge().with_error(code).with_error_description(&reason.to_string())),
    };
    respond(status).with_header("WWW-Authenticate", challenge.to_string())
}

const OPENID: &str = "openid";

impl Operation for UserInfo {
    type Reply = Reply<UserInfoAnswer>;

    fn lookup(&self, _: &Moment) -> Lookup<'_> {
        match &self.token {
            Ok(token @ OpenedToken::OfGrant(_)) => token.lookup(Lookup::of(self.server.issuer())),
            // A client's own token names no person.
            Ok(OpenedToken::Stateless(_)) | Err(_) => Lookup::default(),
        }
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        Decision::Reply(match self.person(records, moment.time()) {
            Ok((person, grant)) => {
                let event = Event::new(Endpoint::UserInfo, EventKind::UserInfoRead, Effect::Nothing);
                Reply::new(UserInfoAnswer::Told(person), event.of_grant(grant))
            }
            Err((reason, grant)) => {
                let event = Event::refused(Endpoint::UserInfo, reason);
                let event = match grant {
                    Some(grant) => event.of_grant(grant),
                    None => event,
                };
                Reply::new(UserInfoAnswer::Denied(reason.into()), event)
            }
        })
    }

    fn writes_grant(&self) -> bool {
        false
    }
}

impl UserInfo {
    /// Finds the person, or else the reason and the grant that it is about.
    fn person<'r>(
        &'r self,
        records: &'r Records,
        now: UnixTime,
    ) -> Result<(PersonalClaims, &'r Grant), (Reason, Option<&'r Grant>)> {
        let token = self.token.as_ref().map_err(|reason| (*reason, None))?;
        let (token, grant) = match token.found(self.server.issuer(), records) {
            Some(Found::OfGrant(token, record)) => (token, &record.grant),
            Some(Found::Stateless(_)) => return Err((Reason::AccessTokenOfClient, None)),
            None => return Err((Reason::AccessTokenUnknown, None)),
        };
        let refused = |reason| (reason, Some(grant));
        if now >= token.body.expires_at {
            return Err(refused(Reason::AccessTokenExpired));
        }
        let has_ended = self.server.config.policy.has_ended(&grant.terms.client_id, grant.terms.created_at);
        if records.is_subject_suspended() || has_ended || !grant.is_active(now) {
            return Err(refused(Reason::AccessTokenRevoked));
        }
        let subject = grant.subject().ok_or_else(|| refused(Reason::AccessTokenOfClient))?;
        let scope = grant.scope_of_bits(token.body.scope);
        // OpenID Connect Core section 5.3: the token comes from an OpenID Connect request.
        if !scope.contains(OPENID) {
            return Err(refused(Reason::OpenIdMissing));
        }
        let claims =
            records.user_claims(subject).map(|claims| for_userinfo(claims, &scope, grant.terms.claims()));
        let person = PersonalClaims { sub: subject.clone(), claims: claims.unwrap_or_default() };
        Ok((person, grant))
    }
}
