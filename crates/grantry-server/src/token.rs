//! The token endpoint ([RFC 6749 section 3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)):
//! what is common to its grants.

use alloc::{boxed::Box, string::ToString};

use grantry_core::form::{Form, Known};
use grantry_core::{Challenge, ClientId, HttpRequest, HttpResponse, Moment, UnixTime};
use serde::Serialize;

use crate::authentication::Credentials;
use crate::client::Client;
use crate::code_grant::CodeRequest;
use crate::denial::{Denial, Reason};
use crate::event::{Effect, Event, EventKind, Reply};
use crate::grant::{Grant, GrantId};
use crate::handle::Opened;
use crate::issue::TokenAnswer;
use crate::operation::{Commit, Decision, Lookup, Operation, Records, Version, Versioned};
use crate::refresh_grant::RefreshRequest;
use crate::server::Server;

const KNOWN: Known = Known {
    once: &[
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "code",
        "redirect_uri",
        "code_verifier",
        "refresh_token",
        "scope",
    ],
    many: &["resource", "audience"],
};

impl Server {
    /// Reads a token request.
    pub fn token(&self, request: &HttpRequest) -> Token {
        Token { server: self.clone(), request: TokenRequest::parse(self, request) }
    }
}

/// A token request that waits for the records of its client and grant.
#[derive(Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct Token {
    server: Server,
    request: Result<TokenRequest, Reason>,
}

#[derive(Debug)]
struct TokenRequest {
    credentials: Credentials,
    /// A faulty request is refused only after its client is authenticated.
    grant: Result<GrantRequest, Reason>,
}

#[derive(Debug)]
enum GrantRequest {
    Code(CodeRequest),
    Refresh(RefreshRequest),
}

impl TokenRequest {
    fn parse(server: &Server, request: &HttpRequest) -> Result<Self, Reason> {
        let form = posted_form(request, &KNOWN)?;
        let credentials = Credentials::from_request(request, &form)?;
        let grant = match form.get("grant_type") {
            None => Err(Reason::Missing("grant_type")),
            Some("authorization_code") => CodeRequest::parse(server, &form).map(GrantRequest::Code),
            Some("refresh_token") => RefreshRequest::parse(server, &form).map(GrantRequest::Refresh),
            Some(_) => Err(Reason::GrantTypeUnknown),
        };
        Ok(Self { credentials, grant })
    }

    /// A forged handle is refused without any store access.
    const fn is_forged(&self) -> bool {
        matches!(self.grant, Err(Reason::Forged))
    }
}

impl GrantRequest {
    const fn grant_id(&self) -> Option<GrantId> {
        match self {
            Self::Code(request) => request.grant_id(),
            Self::Refresh(request) => request.grant_id(),
        }
    }
}

impl Operation for Token {
    type Reply = Reply<TokenAnswer>;

    fn lookup(&self) -> Lookup<'_> {
        match &self.request {
            Ok(request) if !request.is_forged() => Lookup {
                client: Some(request.credentials.client_id()),
                grant: request.grant.as_ref().ok().and_then(GrantRequest::grant_id),
                ..Lookup::default()
            },
            _ => Lookup::default(),
        }
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        self.answer(records, moment.time()).unwrap_or_else(|refused| {
            let client_id = self.request.as_ref().ok().map(|request| request.credentials.client_id());
            Decision::Reply(refused.reply(client_id))
        })
    }
}

impl Token {
    fn answer(&self, records: &Records, now: UnixTime) -> Result<Decision<Reply<TokenAnswer>>, Refused> {
        let request = self.request.as_ref().map_err(|reason| *reason)?;
        if request.is_forged() {
            return Err(Reason::Forged.into());
        }
        let client = request.credentials.authenticate(records)?;
        match request.grant.as_ref().map_err(|reason| *reason)? {
            GrantRequest::Code(request) => request.decide(&self.server, client, records, now),
            GrantRequest::Refresh(request) => request.decide(&self.server, client, records, now),
        }
    }
}

/// A refusal, whose event names the grant once its handle and owner are proven.
pub(crate) struct Refused {
    reason: Reason,
    event: Box<Event>,
}

impl Refused {
    pub(crate) fn of(grant: &Grant, reason: Reason) -> Self {
        let Self { event, .. } = Self::from(reason);
        Self { reason, event: Box::new(event.of_grant(grant)) }
    }

    fn reply(self, client_id: Option<&ClientId>) -> Reply<TokenAnswer> {
        Reply::new(TokenAnswer::Denied(self.reason.into()), self.event.of_client(client_id))
    }
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        let event = Event::new(EventKind::RequestRefused, Effect::Nothing).denied(reason);
        Self { reason, event: Box::new(event) }
    }
}

/// Finds the record of a presented handle and checks that this very record made it, for this client.
/// `None` when there is no such record.
pub(crate) fn owned_record<'a>(
    handle: Option<&'a Opened>,
    client: &Client,
    records: &'a Records,
) -> Option<Result<(&'a Opened, &'a Versioned), Reason>> {
    let handle = handle?;
    let record = records.grant(handle.body.grant)?;
    if !handle.belongs_to(&record.grant) {
        return Some(Err(Reason::Forged));
    }
    // RFC 6749 sections 4.1.3 and 6: issued to this client.
    if record.grant.client_id != *client.id() {
        return Some(Err(Reason::OtherClient));
    }
    Some(Ok((handle, record)))
}

/// Revokes the grant and refuses: somebody else holds a copy of what was presented.
pub(crate) fn alarm(
    grant: &Grant,
    version: Version,
    now: UnixTime,
    reason: Reason,
) -> Decision<Reply<TokenAnswer>> {
    let event = Event::new(EventKind::ReuseDetected, Effect::Written).of_grant(grant).denied(reason);
    let reply = Reply::new(TokenAnswer::Denied(reason.into()), event);
    Decision::Commit(Commit::put(Some(version), grant.revoked(now), reply))
}

/// Reads the form of an endpoint that clients call.
pub(crate) fn posted_form(request: &HttpRequest, known: &Known) -> Result<Form, Reason> {
    // RFC 6749 section 3.2: the client uses POST, and nothing in the URL counts.
    if request.method != "POST" {
        return Err(Reason::NotPost);
    }
    let (query, repeated) =
        Form::parse_reporting_repeats(request.query().as_bytes(), known).map_err(Reason::Form)?;
    if let Some(name) = query.names().next().or(repeated) {
        return Err(Reason::ParameterInUrl(name));
    }
    Form::from_request(request, known).map_err(Reason::Form)
}

impl Denial {
    /// Makes the JSON error response of an endpoint that clients call
    /// ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        #[derive(Serialize)]
        struct Wire {
            error: grantry_core::ErrorCode,
            #[serde(skip_serializing_if = "Option::is_none")]
            error_description: Option<alloc::string::String>,
        }
        let error_description = self.is_described().then(|| alloc::format!("{}", self.reason));
        let response = HttpResponse::json(self.status(), &Wire { error: self.code, error_description });
        match self.status() {
            401 => response
                .with_header("WWW-Authenticate", Challenge::new("Basic").with_realm("oauth").to_string()),
            405 => response.with_header("Allow", "POST"),
            _ => response,
        }
    }
}
