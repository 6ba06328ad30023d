//! The token endpoint ([RFC 6749 section 3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)):
//! what is common to its grants.

use alloc::boxed::Box;

use grantry_core::form::{Form, Known};
use grantry_core::{ClientId, HttpRequest, Moment, UnixTime};

use crate::authentication::{Authenticated, Credentials};
use crate::client::{Client, GrantType};
use crate::client_grant::ClientRequest;
use crate::code_grant::CodeRequest;
use crate::decision::{Commit, Decision};
use crate::denial::Reason;
use crate::device_grant::DeviceRequest;
use crate::event::{Effect, Endpoint, Event, EventKind, Reply};
use crate::grant::{Grant, GrantId, Subject};
use crate::handle::Opened;
use crate::interaction::Approval;
use crate::issue::{Issue, TokenAnswer};
use crate::operation::{Lookup, Operation, Records, Version, Versioned};
use crate::password_grant::{PasswordRequest, ResourceOwnerCredentials};
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
        "device_code",
        "username",
        "password",
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
    Device(DeviceRequest),
    Client(ClientRequest),
    Password(PasswordRequest),
}

impl Token {
    /// Returns the credentials of a person, if the request is one of the password grant: check them,
    /// with a slow hash and a limit of tries, and say whose they are with
    /// [`Token::with_resource_owner`]. The client is not authenticated at this point, and nothing is given
    /// out before it is: limit the tries of an address too.
    #[must_use]
    pub fn resource_owner_credentials(&self) -> Option<ResourceOwnerCredentials<'_>> {
        match self.request.as_ref().ok()?.grant.as_ref().ok()? {
            GrantRequest::Password(request) => Some(request.credentials()),
            GrantRequest::Code(_)
            | GrantRequest::Refresh(_)
            | GrantRequest::Device(_)
            | GrantRequest::Client(_) => None,
        }
    }

    /// Says whose the credentials of [`Token::resource_owner_credentials`] are. Without it they are
    /// refused.
    pub fn with_resource_owner(mut self, approval: Approval) -> Self {
        if let Ok(TokenRequest { grant: Ok(GrantRequest::Password(request)), .. }) = &mut self.request {
            request.accept(approval);
        }
        self
    }
}

impl TokenRequest {
    fn parse(server: &Server, request: &HttpRequest) -> Result<Self, Reason> {
        let form = posted_form(request, &KNOWN)?;
        let credentials = Credentials::from_request(server, request, &form)?;
        Ok(Self { credentials, grant: GrantRequest::parse(server, &form) })
    }

    /// A forged handle is refused without any store access.
    const fn is_forged(&self) -> bool {
        matches!(self.grant, Err(Reason::Forged))
    }
}

impl GrantRequest {
    fn parse(server: &Server, form: &Form<'_>) -> Result<Self, Reason> {
        let grant_type = form.get("grant_type").ok_or(Reason::Missing("grant_type"))?;
        let grant_type = GrantType::parse(grant_type).filter(|grant_type| server.serves(*grant_type));
        match grant_type.ok_or(Reason::GrantTypeUnknown)? {
            GrantType::AuthorizationCode => CodeRequest::parse(server, form).map(Self::Code),
            GrantType::RefreshToken => RefreshRequest::parse(server, form).map(Self::Refresh),
            GrantType::DeviceCode => DeviceRequest::parse(server, form).map(Self::Device),
            GrantType::ClientCredentials => ClientRequest::parse(form).map(Self::Client),
            GrantType::Password => PasswordRequest::parse(form).map(Self::Password),
            // It has no request to this endpoint.
            GrantType::Implicit => Err(Reason::GrantTypeUnknown),
        }
    }

    fn grant_id(&self) -> Option<GrantId> {
        match self {
            Self::Code(request) => request.grant_id(),
            Self::Refresh(request) => request.grant_id(),
            Self::Device(request) => request.grant_id(),
            Self::Client(_) | Self::Password(_) => None,
        }
    }

    fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Password(request) => request.subject(),
            Self::Code(_) | Self::Refresh(_) | Self::Device(_) | Self::Client(_) => None,
        }
    }

    fn decide(
        &self,
        server: &Server,
        client: Authenticated<'_>,
        records: &Records,
        moment: &Moment,
    ) -> Result<Decision<Reply<TokenAnswer>>, Refused> {
        match self {
            Self::Code(request) => request.decide(server, client, records, moment.time()),
            Self::Refresh(request) => request.decide(server, client, records, moment.time()),
            Self::Device(request) => request.decide(server, client, records, moment.time()),
            Self::Client(request) => Ok(request.decide(server, client, records, moment)?),
            Self::Password(request) => Ok(request.decide(server, client, records, moment)?),
        }
    }
}

impl Operation for Token {
    type Reply = Reply<TokenAnswer>;

    fn lookup(&self, _: &Moment) -> Lookup<'_> {
        match &self.request {
            Ok(request) if !request.is_forged() => Lookup {
                grant: request.grant.as_ref().ok().and_then(GrantRequest::grant_id),
                subject: request.grant.as_ref().ok().and_then(GrantRequest::subject),
                ..request.credentials.lookup(self.server.issuer())
            },
            _ => Lookup::default(),
        }
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        let refuse = |refused: Refused| {
            let client_id = self.request.as_ref().ok().map(|request| request.credentials.client_id());
            Decision::Reply(refused.reply(client_id))
        };
        match self.authenticate(records, moment.time()) {
            Ok((request, client)) => {
                let grant = request.grant.as_ref().map_err(|reason| Refused::from(*reason));
                let decided = grant.and_then(|grant| grant.decide(&self.server, client, records, moment));
                decided.unwrap_or_else(refuse).with_claim(client.claim())
            }
            Err(reason) => refuse(reason.into()),
        }
    }
}

impl Token {
    fn authenticate<'a>(
        &'a self,
        records: &'a Records,
        now: UnixTime,
    ) -> Result<(&'a TokenRequest, Authenticated<'a>), Reason> {
        let request = self.request.as_ref().map_err(|reason| *reason)?;
        if request.is_forged() {
            return Err(Reason::Forged);
        }
        Ok((request, request.credentials.authenticate(records, now)?))
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
        Self { reason, event: Box::new(Event::refused(Endpoint::Token, reason)) }
    }
}

/// Finds the record of a presented handle and checks that this very record made it, for this client.
/// `None` when there is no such record.
pub(crate) fn owned_record<'a>(
    server: &Server,
    handle: Option<&'a Opened>,
    client: &Client,
    records: &'a Records,
) -> Option<Result<(&'a Opened, &'a Versioned), Reason>> {
    let handle = handle?;
    let record = records.grant_of(server.issuer(), handle.body.grant)?;
    if !handle.belongs_to(&record.grant) {
        return Some(Err(Reason::Forged));
    }
    // RFC 6749 sections 4.1.3 and 6: issued to this client.
    if record.grant.terms.client_id != *client.id() {
        return Some(Err(Reason::OtherClient));
    }
    if server.config.policy.has_ended(client.id(), record.grant.terms.created_at) {
        return Some(Err(Reason::GrantRevoked));
    }
    Some(Ok((handle, record)))
}

/// How the grant is written before tokens are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// As a new record.
    Insert,
    /// Over the record of a version.
    Replace(Version),
    /// Not at all: the answer was given before.
    Nothing,
}

/// Makes the tokens of an issue and gives them out, after the grant is written if it has to be.
pub(crate) fn give(
    issue: Issue<'_>,
    kind: EventKind,
    write: Write,
) -> Result<Decision<Reply<TokenAnswer>>, Reason> {
    let effect = if write == Write::Nothing { Effect::Repeated } else { Effect::Written };
    let event = Event::new(Endpoint::Token, kind, effect).of_grant(&issue.grant);
    issue.tokens(move |tokens, grant| {
        let reply = Reply::new(TokenAnswer::from(tokens), event);
        match write {
            Write::Insert => Decision::Commit(Commit::put(None, grant, reply)),
            Write::Replace(version) => Decision::Commit(Commit::put(Some(version), grant, reply)),
            Write::Nothing => Decision::Reply(reply),
        }
    })
}

/// Revokes the grant and refuses: somebody else holds a copy of what was presented.
pub(crate) fn alarm(record: &Versioned, now: UnixTime, reason: Reason) -> Decision<Reply<TokenAnswer>> {
    let event = Event::new(Endpoint::Token, EventKind::ReuseDetected, Effect::Written);
    refuse_and_write(record, record.grant.revoked(now), event, reason)
}

/// Refuses, once the grant is written.
pub(crate) fn refuse_and_write(
    record: &Versioned,
    grant: Grant,
    event: Event,
    reason: Reason,
) -> Decision<Reply<TokenAnswer>> {
    let event = event.of_grant(&grant).denied(reason);
    let reply = Reply::new(TokenAnswer::Denied(reason.into()), event);
    Decision::Commit(Commit::put(Some(record.version), grant, reply))
}

/// Reads the form of an endpoint that clients call.
pub(crate) fn posted_form<'a>(request: &'a HttpRequest, known: &Known) -> Result<Form<'a>, Reason> {
    // RFC 6749 section 3.2: the client uses POST, and nothing in the URL counts.
    if request.method != "POST" {
        return Err(Reason::NotPost);
    }
    let query = request.query();
    if !query.is_empty() {
        let (query, repeated) =
            Form::parse_reporting_repeats(query.as_bytes(), known).map_err(Reason::Form)?;
        if let Some(name) = query.names().next().or(repeated) {
            return Err(Reason::ParameterInUrl(name));
        }
    }
    Form::from_request(request, known).map_err(Reason::Form)
}
