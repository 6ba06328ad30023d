//! The answer of a person: a code, or a refusal.

use alloc::string::ToString;

use grantry_core::Moment;

use crate::answer::{Page, Redirect};
use crate::client::GrantType;
use crate::denial::{Denial, Reason};
use crate::event::{Effect, Event, EventKind, Reply};
use crate::grant::{Grant, State};
use crate::handle::{Body, Kind};
use crate::interaction::{Approval, Interaction};
use crate::operation::{Commit, Decision, Lookup, Operation, Records};
use crate::server::Server;
use crate::transition::{Facts, Presented, Then, step};

impl Server {
    /// Grants what the person approved and answers with a code.
    ///
    /// Submitting the same page again answers with the same code while it is not redeemed, and with
    /// an error page afterwards: one interaction makes one grant.
    pub fn approve(&self, interaction: Interaction, approval: Approval) -> Approve {
        Approve { server: self.clone(), interaction, approval }
    }

    /// Tells the client that the request was refused
    /// ([RFC 6749 section 4.1.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1)). Nothing
    /// is stored: a host that lets one page be answered once sees to it itself.
    #[must_use]
    pub fn refuse(&self, interaction: &Interaction, refusal: Refusal) -> Reply<Redirect> {
        let denial = Denial::from(refusal.reason());
        let state = interaction.state.as_deref();
        let redirect = Redirect::error(&interaction.issuer, &interaction.redirect_uri, state, denial);
        let event = Event::new(EventKind::AuthorizationRefused, Effect::Nothing);
        Reply::new(redirect, event.of_client(Some(&interaction.client_id)).denied(denial))
    }
}

/// Why a host ends an interaction without an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The person said no.
    AccessDenied,
    /// Nobody is signed in, and the client asked for no page.
    LoginRequired,
    /// Consent is needed, and the client asked for no page.
    ConsentRequired,
    /// The store failed, and a redirect cannot carry a status that says so.
    ServerError,
}

impl Refusal {
    const fn reason(self) -> Reason {
        match self {
            Self::AccessDenied => Reason::Refused,
            Self::LoginRequired => Reason::LoginNeeded,
            Self::ConsentRequired => Reason::ConsentNeeded,
            Self::ServerError => Reason::StoreFailed,
        }
    }
}

/// An approved interaction that waits to become a grant.
#[derive(Debug)]
#[must_use = "an operation does nothing until it is run"]
pub struct Approve {
    server: Server,
    interaction: Interaction,
    approval: Approval,
}

/// What to do with the browser of a person who approved.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a host must handle both")]
pub enum Approved {
    /// Show an error: the client is gone, or the page was answered before.
    Page(Page),
    /// Send the browser back to the client.
    Redirect(Redirect),
}

impl Operation for Approve {
    type Reply = Reply<Approved>;

    fn lookup(&self) -> Lookup<'_> {
        Lookup {
            client: Some(&self.interaction.client_id),
            grant: Some(self.interaction.id),
            ..Lookup::default()
        }
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        match self.approve(records, moment) {
            Ok(decision) => decision,
            Err(reason @ (Reason::LoginNeeded | Reason::Refused)) => {
                Decision::Reply(self.redirect_error(reason))
            }
            Err(reason) => {
                let event = Event::new(EventKind::RequestRefused, Effect::Nothing);
                let event = event.of_client(Some(&self.interaction.client_id)).denied(reason);
                Decision::Reply(Reply::new(Approved::Page(Page::new(reason)), event))
            }
        }
    }
}

impl Approve {
    /// Returns the interaction, to [`refuse`](Server::refuse) it when the store fails.
    #[must_use]
    pub const fn interaction(&self) -> &Interaction {
        &self.interaction
    }

    fn approve(&self, records: &Records, moment: &Moment) -> Result<Decision<Reply<Approved>>, Reason> {
        let interaction = &self.interaction;
        if interaction.issuer != self.server.config.issuer.as_str() {
            return Err(Reason::OtherIssuer);
        }
        let client = records.client(&interaction.client_id).ok_or(Reason::ClientUnknown)?;
        if !client.has_grant_type(GrantType::AuthorizationCode) {
            return Err(Reason::GrantTypeNotRegistered);
        }
        let named = interaction.redirect_uri_named.then_some(interaction.redirect_uri.as_str());
        if client.find_redirect_uri(named) != Some(interaction.redirect_uri.as_str()) {
            return Err(Reason::RedirectUriUnknown);
        }
        let now = moment.time();
        if now >= interaction.expires_at {
            return Err(Reason::InteractionExpired);
        }
        if !interaction.accepts_login(self.approval.authenticated_at) {
            return Err(Reason::LoginNeeded);
        }
        let scope = self.approval.granted(&interaction.scope.filter(|token| client.scope().contains(token)));
        // Who grants nothing has refused.
        if scope.is_empty() {
            return Err(Reason::Refused);
        }

        let record = records.grant(interaction.id);
        let facts = Facts {
            expired: record.is_some_and(|record| now >= record.grant.expires_at),
            repeated: record.is_some_and(|record| {
                record.grant.subject == self.approval.subject && record.grant.scope == scope
            }),
            ..Facts::default()
        };
        match (step(record.map(|record| record.grant.state), Presented::Approval, facts), record) {
            (Then::Repeat, Some(record)) => {
                Ok(Decision::Reply(self.redirect(&record.grant, Effect::Repeated)))
            }
            (Then::Move(_), None) => {
                let grant = self.grant(scope, moment);
                let reply = self.redirect(&grant, Effect::Written);
                Ok(Decision::Commit(Commit::put(None, grant, reply)))
            }
            (Then::Refuse(reason) | Then::Alarm(reason), _) => Err(reason),
            (Then::Repeat | Then::Move(_), _) => Err(Reason::AlreadyAnswered),
        }
    }

    fn grant(&self, scope: grantry_core::Scope, moment: &Moment) -> Grant {
        let interaction = &self.interaction;
        Grant {
            id: interaction.id,
            salt: moment.random("grant salt"),
            client_id: interaction.client_id.clone(),
            subject: self.approval.subject.clone(),
            scope,
            audience: interaction.audience.clone(),
            redirect_uri: interaction.redirect_uri.to_string(),
            redirect_uri_named: interaction.redirect_uri_named,
            code_challenge: interaction.code_challenge.clone(),
            nonce: interaction.nonce.clone(),
            authenticated_at: self.approval.authenticated_at,
            created_at: moment.time(),
            interaction_until: interaction.expires_at,
            expires_at: moment.time().saturating_add(self.server.config.policy.code_lifetime),
            state: State::CodeIssued,
        }
    }

    fn redirect(&self, grant: &Grant, effect: Effect) -> Reply<Approved> {
        let code = self.server.config.handles.mint(Body::of_record(Kind::Code, grant.id, 0), grant);
        let state = self.interaction.state.as_deref();
        let redirect = Redirect::code(self.server.config.issuer.as_str(), &grant.redirect_uri, state, &code);
        let event = Event::new(EventKind::AuthorizationApproved, effect).of_grant(grant);
        Reply::new(Approved::Redirect(redirect), event)
    }

    fn redirect_error(&self, reason: Reason) -> Reply<Approved> {
        let interaction = &self.interaction;
        let state = interaction.state.as_deref();
        let redirect = Redirect::error(&interaction.issuer, &interaction.redirect_uri, state, reason.into());
        let event = Event::new(EventKind::AuthorizationRefused, Effect::Nothing);
        let event = event.of_client(Some(&interaction.client_id)).denied(reason);
        Reply::new(Approved::Redirect(redirect), event)
    }
}
