//! The authorization endpoint
//! ([RFC 6749 section 3.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.1)).

use alloc::boxed::Box;

use grantry_core::form::Form;
use grantry_core::{ClientId, HttpRequest, Moment};

use crate::answer::{Page, Redirect};
use crate::authorization_request::{AuthorizationRequest, KNOWN, Trusted};
use crate::client::Client;
use crate::decision::Decision;
use crate::denial::Reason;
use crate::event::{Effect, Endpoint, Event, EventKind, Reply};
use crate::grant::{Grant, GrantId, Origin, State};
use crate::handle::{Kind, Opened};
use crate::interaction::Interaction;
use crate::operation::{Lookup, Operation, Records};
use crate::server::Server;

impl Server {
    /// Reads an authorization request: the query of a GET, or the form of a POST. It may refer to one that
    /// was pushed ([RFC 9126 section 4](https://www.rfc-editor.org/rfc/rfc9126#section-4)).
    pub fn authorize(&self, request: &HttpRequest) -> Authorize {
        let request = AuthorizationRequest::from_request(request).and_then(|request| {
            let pushed = request.form.get("request_uri");
            let pushed = pushed.map(|uri| self.config.handles.present(Kind::RequestUri, uri)).transpose();
            let pushed = pushed.map_err(|_| Reason::PushedRequestUnknown)?.flatten();
            // Any other URI is answered that it is not supported, and is never fetched.
            if pushed.is_none() && request.form.get("request_uri").is_some_and(is_pushed) {
                return Err(Reason::PushedRequestUnknown);
            }
            Ok(Asked { request, pushed })
        });
        Authorize { server: self.clone(), request }
    }
}

// RFC 9126 section 2.2
fn is_pushed(request_uri: &str) -> bool {
    request_uri.starts_with("urn:ietf:params:oauth:request_uri:")
}

/// An authorization request that waits for its client's registration.
#[derive(Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct Authorize {
    server: Server,
    request: Result<Asked, Reason>,
}

#[derive(Debug)]
struct Asked {
    request: AuthorizationRequest,
    /// The pushed request that it refers to.
    pushed: Option<Opened>,
}

/// What to do with the browser that brought an authorization request.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a host must handle each of the three")]
pub enum Authorization {
    /// Show an error. The request is not trusted enough to redirect anywhere.
    Page(Page),
    /// Send the browser back to the client.
    Redirect(Redirect),
    /// Let the person log in and consent, then approve or refuse.
    Interact(Box<Interaction>),
}

impl Operation for Authorize {
    type Reply = Reply<Authorization>;

    fn lookup(&self, _: &Moment) -> Lookup<'_> {
        match &self.request {
            Ok(asked) => Lookup {
                client: Some(&asked.request.client_id),
                grant: asked.pushed.as_ref().map(|pushed| pushed.body.grant),
                ..Lookup::of(self.server.issuer())
            },
            Err(_) => Lookup::default(),
        }
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        Decision::Reply(self.answer(records, moment).unwrap_or_else(|reason| {
            let event = Event::refused(Endpoint::Authorization, reason).of_client(self.client_id());
            Reply::new(Authorization::Page(Page::new(reason)), event)
        }))
    }

    fn writes_grant(&self) -> bool {
        false
    }
}

impl Authorize {
    fn client_id(&self) -> Option<&ClientId> {
        self.request.as_ref().ok().map(|asked| &asked.request.client_id)
    }

    /// Answers, or says why an error has to be shown.
    fn answer(&self, records: &Records, moment: &Moment) -> Result<Reply<Authorization>, Reason> {
        let Asked { request, pushed } = self.request.as_ref().map_err(|reason| *reason)?;
        let client = records.client(&request.client_id).ok_or(Reason::ClientUnknown)?;
        let Some(pushed) = pushed else {
            let trusted = request.trusted(&self.server, client)?;
            let id = GrantId::from_bytes(moment.random("grant id"));
            // RFC 9126 section 6
            let is_missing = client.requires_pushed_requests();
            let interaction =
                if is_missing { Err(Reason::NotPushed) } else { trusted.interaction(id, moment.time()) };
            return Ok(reply(&trusted, interaction));
        };
        let record = records.grant_of(self.server.issuer(), pushed.body.grant);
        let record = record.filter(|record| pushed.belongs_to(&record.grant));
        let grant = &record.ok_or(Reason::PushedRequestUnknown)?.grant;
        // RFC 9126 section 4: only the pushed parameters count.
        if self.server.has_ended(grant) {
            return Err(Reason::PushedRequestUnknown);
        }
        let request = grant.pushed_request(client, moment)?;
        let trusted = request.trusted(&self.server, client)?;
        Ok(reply(&trusted, trusted.interaction(grant.terms.id, moment.time())))
    }
}

fn reply(trusted: &Trusted<'_>, interaction: Result<Interaction, Reason>) -> Reply<Authorization> {
    let client_id = Some(trusted.client.id());
    match interaction {
        Ok(interaction) => {
            let (kind, effect) = (EventKind::AuthorizationRequested, Effect::Nothing);
            let event = Event::new(Endpoint::Authorization, kind, effect).of_client(client_id);
            let event = event.of_grant_id(interaction.id);
            Reply::new(Authorization::Interact(Box::new(interaction)), event)
        }
        Err(reason) => {
            let event = Event::refused(Endpoint::Authorization, reason).of_client(client_id);
            Reply::new(Authorization::Redirect(trusted.error(reason)), event)
        }
    }
}

impl Grant {
    /// Reads the request that waits in the record. It stays there until it is approved: a page may be
    /// loaded again.
    fn pushed_request(&self, client: &Client, moment: &Moment) -> Result<AuthorizationRequest, Reason> {
        let (State::Pushed, Origin::Pushed(parameters)) = (self.state, &self.terms.origin) else {
            return Err(Reason::PushedRequestUnknown);
        };
        // RFC 9126 section 2.2: bound to the client that pushed it.
        if self.terms.client_id != *client.id() || moment.time() >= self.expires_at {
            return Err(Reason::PushedRequestUnknown);
        }
        let form = Form::parse(parameters.as_bytes(), &KNOWN).map_err(Reason::Form)?;
        let hinted = self.terms.claims().subject().cloned();
        Ok(AuthorizationRequest::of_form(form, self.terms.client_id.clone(), hinted))
    }
}
