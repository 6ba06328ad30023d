//! A person's yes: a code, tokens, or a device that is let in.

use alloc::sync::Arc;

use grantry_core::{HttpResponse, Moment, Scope, UnixTime};

use crate::answer::{Page, Redirect, plain_page};
use crate::claim_release::scope_of_claim;
use crate::client::{Client, GrantType};
use crate::decision::{Commit, Decision};
use crate::denial::Reason;
use crate::event::{Effect, Endpoint, Event, EventKind, Reply};
use crate::grant::{CodeOrigin, Grant, Origin, State, Terms};
use crate::handle::{Body, Kind};
use crate::interaction::{Approval, Back, Flow, ImplicitTokens, Interaction};
use crate::issue::{Issue, Wanted};
use crate::operation::{Lookup, Operation, Records, Versioned};
use crate::server::Server;
use crate::transition::{Facts, Go, Presented, step};

impl Server {
    /// Grants what the person approved and answers with a code, with tokens for an implicit request, or
    /// by letting the device in.
    ///
    /// Submitting the same page again answers with the same code while it is not redeemed, and with
    /// an error page afterwards: one interaction makes one grant.
    pub fn approve(&self, interaction: Interaction, approval: Approval) -> Approve {
        Approve { server: self.clone(), interaction, approval }
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

/// What to do with the browser of a person who answered.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a host must handle each of them")]
pub enum Answered {
    /// Show an error: the client is gone or may not do this any more, the page was open for too long or was
    /// answered before.
    Page(Page),
    /// Send the browser back to the client.
    Redirect(Redirect),
    /// Say that the device goes on by itself.
    DeviceApproved,
    /// Say that the device is not let in.
    DeviceRefused,
}

impl Answered {
    /// Makes the response: the redirect, or a plain page for a host that has none of its own.
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        match self {
            Self::Page(page) => page.to_response(),
            Self::Redirect(redirect) => redirect.to_response(),
            Self::DeviceApproved => plain_page(200, "Done. The device goes on by itself.\n"),
            Self::DeviceRefused => plain_page(200, "The device was not let in.\n"),
        }
    }
}

impl Operation for Approve {
    type Reply = Reply<Answered>;

    fn lookup(&self, _: &Moment) -> Lookup<'_> {
        Lookup {
            client: Some(&self.interaction.client_id),
            grant: Some(self.interaction.id),
            subject: Some(&self.approval.subject),
            ..Lookup::of(self.server.issuer())
        }
    }

    fn decide(&self, records: &Records, moment: &Moment) -> Decision<Self::Reply> {
        self.approve(records, moment).unwrap_or_else(|reason| {
            let mut reply = self.interaction.not_granted(reason);
            reply.event.subject = Some(self.approval.subject.clone());
            Decision::Reply(reply)
        })
    }
}

impl Approve {
    /// Returns the interaction, to [`refuse`](Server::refuse) it when the store fails.
    #[must_use]
    pub const fn interaction(&self) -> &Interaction {
        &self.interaction
    }

    fn approve(&self, records: &Records, moment: &Moment) -> Result<Decision<Reply<Answered>>, Reason> {
        let Self { server, interaction, approval } = self;
        if interaction.issuer != server.config.issuer.as_str() {
            return Err(Reason::OtherIssuer);
        }
        let client = records.client(&interaction.client_id).ok_or(Reason::ClientUnknown)?;
        interaction.check_client(server, client)?;
        if moment.time() >= interaction.expires_at {
            return Err(Reason::InteractionExpired);
        }
        interaction.check_person(approval, moment.time())?;
        approval.check_subject(client)?;
        let scope = approval.granted(&interaction.scope.filter(|token| client.scope().contains(token)));
        // Who grants nothing has refused, and so has who leaves openid out where an ID token is asked for.
        if scope.is_empty() || (interaction.asks_for_id_token() && !scope.contains("openid")) {
            return Err(Reason::Refused);
        }
        let record = records.grant_of(server.issuer(), interaction.id);
        // What was ended is neither repeated nor brought back to life by a page that is still open.
        if record.is_some_and(|record| server.has_ended(&record.grant)) {
            return Err(match interaction.flow {
                Flow::Device => Reason::UserCodeUnknown,
                Flow::Code { .. } | Flow::Implicit { .. } => Reason::AlreadyAnswered,
            });
        }
        match &interaction.flow {
            Flow::Code { .. } => self.approve_code(records, client, record, scope, moment),
            Flow::Implicit { tokens, nonce, .. } => {
                self.approve_implicit(records, client, record, scope, (*tokens, nonce.as_deref()), moment)
            }
            Flow::Device => self.approve_device(records, record, scope, moment),
        }
    }

    fn approve_code(
        &self,
        records: &Records,
        client: &Client,
        record: Option<&Versioned>,
        scope: Scope,
        moment: &Moment,
    ) -> Result<Decision<Reply<Answered>>, Reason> {
        match (self.step(records, record, Presented::Approval, &scope, moment)?, record) {
            (Go::Move, record) => {
                let grant = self.grant(client, record, scope, State::CodeIssued, moment);
                let reply = self.code(&grant, Effect::Written);
                Ok(Decision::Commit(Commit::put(record.map(|record| record.version), grant, reply)))
            }
            (Go::Repeat, Some(record)) => Ok(Decision::Reply(self.code(&record.grant, Effect::Repeated))),
            (Go::Repeat, None) => Err(Reason::AlreadyAnswered),
        }
    }

    fn approve_implicit(
        &self,
        records: &Records,
        client: &Client,
        record: Option<&Versioned>,
        scope: Scope,
        (tokens, nonce): (ImplicitTokens, Option<&str>),
        moment: &Moment,
    ) -> Result<Decision<Reply<Answered>>, Reason> {
        let now = moment.time();
        let (expected, effect, grant) =
            match (self.step(records, record, Presented::ImplicitApproval, &scope, moment)?, record) {
                (Go::Move, record) => {
                    let state = State::Active { serial: 1, since: now };
                    let grant = self.grant(client, record, scope, state, moment);
                    let grant = grant.activated(&self.server, client, now);
                    (record.map(|record| record.version), Effect::Written, grant)
                }
                (Go::Repeat, Some(record)) => (None, Effect::Repeated, record.grant.clone()),
                (Go::Repeat, None) => return Err(Reason::AlreadyAnswered),
            };
        let issue = Issue {
            server: &self.server,
            client,
            records,
            wanted: match tokens {
                ImplicitTokens::Access => Wanted::AccessToken,
                ImplicitTokens::Id => Wanted::IdToken,
                ImplicitTokens::Both => Wanted::All,
            },
            scope: grant.terms.scope.clone(),
            grant,
            resources: &[],
            nonce,
            now,
        };
        let event = Event::new(Endpoint::Authorization, EventKind::ImplicitlyIssued, effect);
        let event = event.of_grant(&issue.grant);
        let interaction = self.interaction.clone();
        issue.tokens(move |tokens, grant| {
            let answer = match interaction.target() {
                Some(target) => Answered::Redirect(Redirect::tokens(target, &tokens)),
                None => Answered::DeviceApproved,
            };
            let reply = Reply::new(answer, event);
            match effect {
                Effect::Written => Decision::Commit(Commit::put(expected, grant, reply)),
                Effect::Repeated | Effect::Noted | Effect::Nothing => Decision::Reply(reply),
            }
        })
    }

    fn approve_device(
        &self,
        records: &Records,
        record: Option<&Versioned>,
        scope: Scope,
        moment: &Moment,
    ) -> Result<Decision<Reply<Answered>>, Reason> {
        let reply = |grant: &Grant, effect| {
            let event = Event::new(Endpoint::Verification, EventKind::DeviceApproved, effect);
            Reply::new(Answered::DeviceApproved, event.of_grant(grant))
        };
        match (self.step(records, record, Presented::DeviceApproval, &scope, moment)?, record) {
            (Go::Move, Some(record)) => {
                let person = Some(self.approval.person());
                let state = State::DeviceApproved;
                let created_at = moment.time();
                let terms = Terms { scope, person, created_at, ..(*record.grant.terms).clone() };
                let grant = Grant { terms: Arc::new(terms), state, ..record.grant.clone() };
                let reply = reply(&grant, Effect::Written);
                Ok(Decision::Commit(Commit::put(Some(record.version), grant, reply)))
            }
            (Go::Repeat, Some(record)) => Ok(Decision::Reply(reply(&record.grant, Effect::Repeated))),
            (Go::Move | Go::Repeat, None) => Err(Reason::UserCodeUnknown),
        }
    }

    fn step(
        &self,
        records: &Records,
        record: Option<&Versioned>,
        presented: Presented,
        scope: &Scope,
        moment: &Moment,
    ) -> Result<Go, Reason> {
        let grant = record.map(|record| &record.grant);
        let facts = Facts {
            expired: grant.is_some_and(|grant| moment.time() >= grant.expires_at),
            repeated: grant.is_some_and(|grant| {
                grant.subject() == Some(&self.approval.subject) && grant.terms.scope == *scope
            }),
            ..Facts::default()
        };
        records.veto(step(grant.map(|grant| grant.state), presented, facts)).go()
    }

    /// The grant that the approval makes; of a pushed request, in the place of the request.
    fn grant(
        &self,
        client: &Client,
        record: Option<&Versioned>,
        scope: Scope,
        state: State,
        moment: &Moment,
    ) -> Grant {
        let interaction = &self.interaction;
        let pushed = record.map(|record| &record.grant);
        let now = moment.time();
        Grant {
            terms: Arc::new(Terms {
                id: interaction.id,
                salt: pushed.map_or_else(|| moment.random("grant salt"), |pushed| pushed.terms.salt),
                issuer: self.server.issuer().clone(),
                client_id: client.id().clone(),
                // Most are given all that their client may ask for: those share its text.
                scope: if scope == *client.scope() { client.scope().clone() } else { scope },
                resources: interaction.resources.clone(),
                created_at: now,
                origin: match &interaction.flow {
                    Flow::Code { back, code_challenge, nonce } => Origin::Code(CodeOrigin {
                        redirect_uri: back.redirect_uri.clone(),
                        redirect_uri_named: back.redirect_uri_named,
                        code_challenge: *code_challenge,
                        nonce: nonce.clone(),
                    }),
                    Flow::Implicit { .. } => Origin::Implicit,
                    Flow::Device => Origin::Device { client_name: interaction.client_name.clone() },
                },
                claims: interaction.claims.within(|name| self.may_tell(client, name)).boxed(),
                person: Some(self.approval.person()),
            }),
            expires_at: now.saturating_add(self.server.config.policy.code_lifetime),
            kept_until: pushed
                .map_or(interaction.expires_at, |pushed| pushed.kept_until.max(interaction.expires_at)),
            state,
        }
    }

    /// A claim that is asked for by name stays within what the client may ask for and the person gave: neither the
    /// registration nor a narrowed approval is passed by another parameter.
    fn may_tell(&self, client: &Client, name: &str) -> bool {
        let is_given = |token| self.approval.narrowed.as_ref().is_none_or(|scope| scope.contains(token));
        client.may_ask_for_claim(name)
            || scope_of_claim(name).is_some_and(|token| client.scope().contains(token) && is_given(token))
    }

    fn code(&self, grant: &Grant, effect: Effect) -> Reply<Answered> {
        let code = self.server.config.handles.mint(Body::of_record(Kind::Code, grant.terms.id, 0), grant);
        let answer = match self.interaction.target() {
            Some(target) => Answered::Redirect(Redirect::code(target, &code)),
            None => Answered::DeviceApproved,
        };
        let event = Event::new(Endpoint::Authorization, EventKind::AuthorizationApproved, effect);
        Reply::new(answer, event.of_grant(grant))
    }
}

impl Interaction {
    /// Checks that policy and registration, as they stand now, still allow the flow.
    fn check_client(&self, server: &Server, client: &Client) -> Result<(), Reason> {
        let grant_type = match self.flow {
            Flow::Code { .. } => GrantType::AuthorizationCode,
            Flow::Implicit { .. } => GrantType::Implicit,
            Flow::Device => GrantType::DeviceCode,
        };
        if !server.serves(grant_type) {
            return Err(Reason::GrantTypeUnknown);
        }
        if !client.has_grant_type(grant_type) {
            return Err(Reason::GrantTypeNotRegistered);
        }
        let Some(Back { redirect_uri, redirect_uri_named, .. }) = self.back() else { return Ok(()) };
        let named = redirect_uri_named.then_some(redirect_uri.as_str());
        if client.find_redirect_uri(named) == Some(redirect_uri) {
            Ok(())
        } else {
            Err(Reason::RedirectUriUnknown)
        }
    }

    const fn asks_for_id_token(&self) -> bool {
        match self.flow {
            Flow::Implicit { tokens: ImplicitTokens::Id | ImplicitTokens::Both, .. } => true,
            Flow::Implicit { tokens: ImplicitTokens::Access, .. } | Flow::Code { .. } | Flow::Device => false,
        }
    }

    /// Checks that the person was authenticated as the client asked.
    fn check_person(&self, approval: &Approval, now: UnixTime) -> Result<(), Reason> {
        // A login to come would be recent for ever.
        if approval.authenticated_at > now.saturating_add(Grant::CLOCK_MARGIN) {
            return Err(Reason::LoginNeeded);
        }
        // OpenID Connect Core section 3.1.2.2
        if self.subject.as_ref().is_some_and(|expected| *expected != approval.subject) {
            return Err(Reason::OtherSubject);
        }
        if !self.accepts_login(approval.authenticated_at) {
            return Err(Reason::LoginNeeded);
        }
        // OpenID Connect Core section 5.5.1.1
        if self.claims.accepts_acr(approval.acr.as_deref()) {
            Ok(())
        } else {
            Err(Reason::AuthenticationTooWeak)
        }
    }

    /// Tells the client that there is no grant, or the person, where the client may not be told.
    pub(crate) fn not_granted(&self, reason: Reason) -> Reply<Answered> {
        let endpoint = self.endpoint();
        let is_for_client = matches!(
            reason,
            Reason::Refused
                | Reason::LoginNeeded
                | Reason::ConsentNeeded
                | Reason::AccountNeeded
                | Reason::PageNeeded
                | Reason::OtherSubject
                | Reason::AuthenticationTooWeak
                | Reason::StoreFailed
                | Reason::SubjectSuspended
                | Reason::SigningFailed
        );
        let kind = if is_for_client { EventKind::AuthorizationRefused } else { EventKind::RequestRefused };
        let event = Event::new(endpoint, kind, Effect::Nothing)
            .of_client(Some(&self.client_id))
            .of_grant_id(self.id)
            .denied(reason);
        match self.target().filter(|_| is_for_client) {
            Some(target) => {
                // Why the host refuses a person is for the host to know.
                let told = if reason == Reason::SubjectSuspended { Reason::Refused } else { reason };
                Reply::new(Answered::Redirect(Redirect::error(target, told.into())), event)
            }
            None => Reply::new(Answered::Page(Page::new(reason)), event),
        }
    }

    pub(crate) const fn endpoint(&self) -> Endpoint {
        match self.flow {
            Flow::Code { .. } | Flow::Implicit { .. } => Endpoint::Authorization,
            Flow::Device => Endpoint::Verification,
        }
    }
}
