//! Pushed authorization requests ([RFC 9126](https://www.rfc-editor.org/rfc/rfc9126)).

use alloc::{string::String, sync::Arc, vec::Vec};

use grantry_core::form::{self, Form, FormError, Known};
use grantry_core::{ClientId, HttpRequest, HttpResponse, Moment, Scope, SecretString, UnixTime};
use serde::Serialize;

use crate::authentication::{Authenticated, Credentials};
use crate::authorization_request::{self, AuthorizationRequest};
use crate::claims_request::ClaimsRequest;
use crate::client::Client;
use crate::decision::{Commit, Decision};
use crate::denial::{Denial, Reason};
use crate::event::{Effect, Endpoint, Event, EventKind, Reply};
use crate::grant::{Grant, GrantId, Origin, State, Terms};
use crate::handle::{Body, Kind};
use crate::operation::{Lookup, Operation, Records};
use crate::server::Server;
use crate::token::posted_form;
use crate::transition::{Facts, Presented, Then, step};

/// The longest request that may be pushed, in bytes of its form without the client's credentials: it is
/// stored, also for a client that proved nothing.
pub const MAX_PUSHED_REQUEST_BYTES: usize = 8 * 1024;

/// What tells and proves who asks. Of these, only the `client_id` is a parameter of the request itself.
const CREDENTIALS: Known =
    Known { once: &["client_id", "client_secret", "client_assertion", "client_assertion_type"], many: &[] };

impl Server {
    /// Reads a pushed authorization request. It is checked like one that a browser brings, and then waits
    /// for its browser.
    ///
    /// Anybody who knows the id of a public client may push: limit the requests of an address. Each stores one
    /// record of at most [`MAX_PUSHED_REQUEST_BYTES`] and 1,200 bytes beside its resources, of which it names at
    /// most [`MAX_RESOURCES`](crate::Policy::MAX_RESOURCES) of the policy's. A record that no person approves
    /// is kept for [`with_pushed_request_lifetime`](crate::Policy::with_pushed_request_lifetime),
    /// [`with_interaction_lifetime`](crate::Policy::with_interaction_lifetime) and
    /// [`CLOCK_MARGIN`](Grant::CLOCK_MARGIN), 76 minutes by default.
    pub fn push(&self, request: &HttpRequest) -> Push {
        Push { server: self.clone(), request: PushedRequest::parse(self, request) }
    }
}

/// A pushed request that waits for its client's registration.
#[derive(Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct Push {
    server: Server,
    request: Result<PushedRequest, Reason>,
}

#[derive(Debug)]
struct PushedRequest {
    credentials: Credentials,
    form: Form<'static>,
}

/// What the endpoint for pushed requests answers.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "RFC 9126 has an answer and an error")]
pub enum Pushed {
    /// The request waits under a `request_uri`.
    Accepted(PushedResponse),
    /// The request was faulty or its client not authenticated.
    Denied(Denial),
}

/// Where a pushed request waits
/// ([RFC 9126 section 2.2](https://www.rfc-editor.org/rfc/rfc9126#section-2.2)).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PushedResponse {
    /// What the browser brings to the authorization endpoint, beside the `client_id`.
    pub request_uri: SecretString,
    /// For how many seconds the request waits.
    pub expires_in: u64,
}

impl Pushed {
    /// Makes the response to send.
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        #[derive(Serialize)]
        struct Wire<'a> {
            request_uri: &'a str,
            expires_in: u64,
        }
        match self {
            Self::Accepted(PushedResponse { request_uri, expires_in }) => {
                let wire = Wire { request_uri: request_uri.expose(), expires_in: *expires_in };
                HttpResponse::json(201, &wire)
            }
            Self::Denied(denial) => denial.to_response(),
        }
    }
}

impl PushedRequest {
    /// Reads the form twice: for who asks, and for what is asked. What the second reading does not know,
    /// above all the client's secret, is stored nowhere.
    fn parse(server: &Server, request: &HttpRequest) -> Result<Self, Reason> {
        let credentials = Credentials::from_request(server, request, &form_of(request, &CREDENTIALS)?)?;
        Ok(Self { credentials, form: form_of(request, &authorization_request::KNOWN)?.into_owned() })
    }

    /// The request as it is stored.
    fn parameters(&self) -> Result<String, Reason> {
        // A store holds no token: of an ID token the person is kept.
        let pairs: Vec<(&str, &str)> =
            self.form.iter().filter(|(name, _)| *name != "id_token_hint").collect();
        let text = form::encode(pairs);
        if text.len() > MAX_PUSHED_REQUEST_BYTES { Err(Reason::PushedRequestTooLong) } else { Ok(text) }
    }
}

fn form_of<'a>(request: &'a HttpRequest, known: &Known) -> Result<Form<'a>, Reason> {
    let too_long = |reason| {
        if reason == Reason::Form(FormError::TooLong) { Reason::PushedRequestTooLong } else { reason }
    };
    posted_form(request, known).map_err(too_long)
}

impl Operation for Push {
    type Reply = Reply<Pushed>;

    fn lookup(&self, _: &Moment) -> Lookup<'_> {
        match &self.request {
            Ok(request) => request.credentials.lookup(self.server.issuer()),
            Err(_) => Lookup::default(),
        }
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        let refuse = |reason: Reason| {
            let event =
                Event::refused(Endpoint::PushedAuthorizationRequest, reason).of_client(self.client_id());
            Decision::Reply(Reply::new(Pushed::Denied(reason.into()), event))
        };
        match self.authenticate(records, moment.time()) {
            Ok((request, client)) => {
                let pushed = self.push(request, client.client(), moment);
                pushed.unwrap_or_else(refuse).with_claim(client.claim())
            }
            Err(reason) => refuse(reason),
        }
    }
}

impl Push {
    fn client_id(&self) -> Option<&ClientId> {
        self.request.as_ref().ok().map(|request| request.credentials.client_id())
    }

    fn authenticate<'a>(
        &'a self,
        records: &'a Records,
        now: UnixTime,
    ) -> Result<(&'a PushedRequest, Authenticated<'a>), Reason> {
        let request = self.request.as_ref().map_err(|reason| *reason)?;
        Ok((request, request.credentials.authenticate(records, now)?))
    }

    fn push(
        &self,
        request: &PushedRequest,
        client: &Client,
        moment: &Moment,
    ) -> Result<Decision<Reply<Pushed>>, Reason> {
        // RFC 9126 section 2.1
        if request.form.get("request_uri").is_some() {
            return Err(Reason::RequestUriPushed);
        }
        let parameters = request.parameters()?;
        let now = moment.time();
        let id = GrantId::from_bytes(moment.random("grant id"));
        let form = Form::parse(parameters.as_bytes(), &authorization_request::KNOWN).map_err(Reason::Form)?;
        let hint = request.form.get("id_token_hint");
        let hinted = hint.map(|hint| self.server.hinted_subject(client, hint)).transpose()?;
        let asked = AuthorizationRequest::of_form(form, client.id().clone(), hinted);
        let interaction = asked.trusted(&self.server, client)?.interaction(id, now)?;

        let policy = &self.server.config.policy;
        let expires_at = now.saturating_add(policy.pushed_request_lifetime);
        let grant = Grant {
            terms: Arc::new(Terms {
                id,
                salt: moment.random("grant salt"),
                issuer: self.server.issuer().clone(),
                client_id: client.id().clone(),
                scope: Scope::empty(),
                resources: interaction.resources,
                created_at: now,
                origin: Origin::Pushed(parameters),
                claims: ClaimsRequest::of_subject(interaction.subject).boxed(),
                person: None,
            }),
            expires_at,
            // A page that begins in the last second comes back within its own time.
            kept_until: expires_at.saturating_add(policy.interaction_lifetime),
            state: State::Pushed,
        };
        match step(None, Presented::PushedRequest, Facts::default()) {
            Then::Move(_) | Then::Repeat => {
                let body = Body { expires_at, ..Body::of_record(Kind::RequestUri, id, 0) };
                let request_uri = self.server.config.handles.mint(body, &grant);
                let expires_in = expires_at.saturating_since(now).as_secs();
                let (endpoint, kind) = (Endpoint::PushedAuthorizationRequest, EventKind::RequestPushed);
                let event = Event::new(endpoint, kind, Effect::Written).of_grant(&grant);
                let answer = Pushed::Accepted(PushedResponse { request_uri, expires_in });
                Ok(Decision::Commit(Commit::put(None, grant, Reply::new(answer, event))))
            }
            Then::Refuse(reason) | Then::Wait(reason) | Then::Close(reason) | Then::Alarm(reason) => {
                Err(reason)
            }
        }
    }
}
