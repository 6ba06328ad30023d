//! The refresh token grant: the next access token and the next refresh token
//! ([RFC 6749 section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6),
//! [RFC 9700 section 4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2)).

use alloc::{string::String, vec::Vec};

use grantry_core::form::Form;
use grantry_core::{Scope, UnixTime};

use crate::authentication::Authenticated;
use crate::client::{Client, GrantType};
use crate::decision::Decision;
use crate::denial::Reason;
use crate::event::{EventKind, Reply};
use crate::grant::{Grant, GrantId, State};
use crate::handle::{Kind, Opened};
use crate::issue::{Issue, TokenAnswer, Wanted};
use crate::operation::{Records, Versioned};
use crate::server::Server;
use crate::token::{Refused, Write, alarm, give, owned_record};
use crate::transition::{Facts, Presented, Then, is_retry, step};

/// The parameters of a refresh.
#[derive(Debug)]
pub(crate) struct RefreshRequest {
    /// `None` for what has not even the shape of a refresh token.
    refresh_token: Option<Opened>,
    scope: Option<Scope>,
    resources: Vec<String>,
}

impl RefreshRequest {
    pub(crate) fn parse(server: &Server, form: &Form<'_>) -> Result<Self, Reason> {
        let token = form.get("refresh_token").ok_or(Reason::Missing("refresh_token"))?;
        let refresh_token = server.config.handles.present(Kind::RefreshToken, token)?;
        let scope = form.get("scope").map(Scope::parse).transpose().map_err(Reason::Scope)?;
        let resources = form.all("resource").map(String::from).collect();
        Ok(Self { refresh_token, scope, resources })
    }

    pub(crate) fn grant_id(&self) -> Option<GrantId> {
        self.refresh_token.as_ref().map(|handle| handle.body.grant)
    }

    pub(crate) fn decide(
        &self,
        server: &Server,
        client: Authenticated<'_>,
        records: &Records,
        now: UnixTime,
    ) -> Result<Decision<Reply<TokenAnswer>>, Refused> {
        let client = client.allowed(GrantType::RefreshToken)?.client();
        let found = owned_record(server, self.refresh_token.as_ref(), client, records);
        let (token, record) = found.ok_or(Reason::RefreshTokenUnknown)??;
        self.rotate(server, client, records, record, token.body.serial, now)
            .map_err(|reason| Refused::of(&record.grant, reason))
    }

    /// Decides for the client that the refresh token was issued to.
    fn rotate(
        &self,
        server: &Server,
        client: &Client,
        records: &Records,
        record: &Versioned,
        presented: u32,
        now: UnixTime,
    ) -> Result<Decision<Reply<TokenAnswer>>, Reason> {
        let grant = &record.grant;
        let issue = |grant, write| {
            let issue = Issue {
                server,
                client,
                records,
                wanted: Wanted::All,
                scope: self.narrowed(&grant)?,
                grant,
                resources: &self.resources,
                nonce: None,
                now,
            };
            give(issue, EventKind::TokenRefreshed, write)
        };
        let facts = facts(server, grant, presented, now);
        match records.veto(step(Some(grant.state), Presented::RefreshToken, facts)) {
            Then::Move(_) => {
                let serial = presented.checked_add(1).ok_or(Reason::RefreshTokenExpired)?;
                let rotated = Grant { state: State::Active { serial, since: now }, ..grant.clone() };
                issue(rotated, Write::Replace(record.version))
            }
            Then::Repeat => issue(grant.clone(), Write::Nothing),
            Then::Alarm(reason) => Ok(alarm(record, now, reason)),
            Then::Refuse(reason) | Then::Wait(reason) | Then::Close(reason) => Err(reason),
        }
    }

    // RFC 6749 section 6: within the grant, and as wide as it when omitted.
    fn narrowed(&self, grant: &Grant) -> Result<Scope, Reason> {
        match &self.scope {
            None => Ok(grant.terms.scope.clone()),
            Some(scope) if scope.is_within(&grant.terms.scope) => Ok(scope.clone()),
            Some(_) => Err(Reason::ScopeWidened),
        }
    }
}

fn facts(server: &Server, grant: &Grant, presented: u32, now: UnixTime) -> Facts {
    let State::Active { serial, since } = grant.state else {
        return Facts::default();
    };
    let in_window = is_retry(since, server.config.policy.refresh_retry, now);
    Facts {
        expired: now >= server.refresh_token_expires_at(grant),
        current: presented == serial,
        repeated: in_window && presented.checked_add(1) == Some(serial),
        ahead: presented > serial,
        ..Facts::default()
    }
}

impl Server {
    /// Tells when the live refresh token of a grant expires if it is not used.
    pub(crate) fn refresh_token_expires_at(&self, grant: &Grant) -> UnixTime {
        let idle = self.config.policy.refresh_idle_lifetime;
        match (grant.state, idle) {
            (State::Active { since, .. }, Some(idle)) => grant.expires_at.min(since.saturating_add(idle)),
            _ => grant.expires_at,
        }
    }
}
