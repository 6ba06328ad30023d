//! The device grant: a device asks for its tokens until a person has answered
//! ([RFC 8628 section 3.4](https://www.rfc-editor.org/rfc/rfc8628#section-3.4)).

use alloc::{string::String, vec::Vec};

use grantry_core::UnixTime;
use grantry_core::form::Form;

use crate::authentication::Authenticated;
use crate::client::{Client, GrantType};
use crate::code_grant::first_facts;
use crate::decision::Decision;
use crate::denial::Reason;
use crate::event::{Effect, Endpoint, Event, EventKind, Reply};
use crate::grant::{Grant, GrantId, State};
use crate::handle::{Kind, Opened};
use crate::issue::{Issue, TokenAnswer, Wanted};
use crate::operation::{Records, Versioned};
use crate::server::Server;
use crate::token::{Refused, Write, alarm, give, owned_record, refuse_and_write};
use crate::transition::{Facts, Presented, Then, step};

/// By how much a device that polls too fast has to slow down, in seconds
/// ([RFC 8628 section 3.5](https://www.rfc-editor.org/rfc/rfc8628#section-3.5)).
const SLOWER_BY: u32 = 5;

/// By how much a poll may come early, in seconds: requests do not travel in step.
const JITTER: u64 = 1;

/// The parameters of a poll.
#[derive(Debug)]
pub(crate) struct DeviceRequest {
    /// `None` for what has not even the shape of a device code.
    device_code: Option<Opened>,
    resources: Vec<String>,
}

impl DeviceRequest {
    pub(crate) fn parse(server: &Server, form: &Form<'_>) -> Result<Self, Reason> {
        let code = form.get("device_code").ok_or(Reason::Missing("device_code"))?;
        let device_code = server.config.handles.present(Kind::DeviceCode, code)?;
        Ok(Self { device_code, resources: form.all("resource").map(String::from).collect() })
    }

    pub(crate) fn grant_id(&self) -> Option<GrantId> {
        self.device_code.as_ref().map(|handle| handle.body.grant)
    }

    pub(crate) fn decide(
        &self,
        server: &Server,
        client: Authenticated<'_>,
        records: &Records,
        now: UnixTime,
    ) -> Result<Decision<Reply<TokenAnswer>>, Refused> {
        let client = client.allowed(GrantType::DeviceCode)?.client();
        let found = owned_record(server, self.device_code.as_ref(), client, records);
        let Some(found) = found else { return Err(self.without_record(now).into()) };
        let (_, record) = found?;
        self.poll(server, client, records, record, now).map_err(|reason| Refused::of(&record.grant, reason))
    }

    /// A record that was swept has expired before.
    fn without_record(&self, now: UnixTime) -> Reason {
        match &self.device_code {
            Some(code) if now >= code.body.expires_at => Reason::DeviceCodeExpired,
            _ => Reason::DeviceCodeUnknown,
        }
    }

    /// Decides for the client that the device code was issued to.
    fn poll(
        &self,
        server: &Server,
        client: &Client,
        records: &Records,
        record: &Versioned,
        now: UnixTime,
    ) -> Result<Decision<Reply<TokenAnswer>>, Reason> {
        let issue = |grant, write| {
            let issue = Issue {
                server,
                client,
                records,
                grant,
                wanted: Wanted::All,
                scope: record.grant.terms.scope.clone(),
                resources: &self.resources,
                nonce: None,
                now,
            };
            give(issue, EventKind::DeviceCodeRedeemed, write)
        };
        let event = || Event::new(Endpoint::Token, EventKind::DevicePolled, Effect::Written);
        let grant = &record.grant;
        match records.veto(step(Some(grant.state), Presented::DeviceCode, facts(server, grant, now))) {
            Then::Move(_) => issue(grant.activated(server, client, now), Write::Replace(record.version)),
            Then::Repeat => issue(grant.clone(), Write::Nothing),
            Then::Wait(reason) => {
                let polled = Grant { state: grant.state.polled(reason, now), ..grant.clone() };
                Ok(refuse_and_write(record, polled, event(), reason))
            }
            Then::Close(reason) => Ok(refuse_and_write(record, grant.revoked(now), event(), reason)),
            Then::Alarm(reason) => Ok(alarm(record, now, reason)),
            Then::Refuse(reason) => Err(reason),
        }
    }
}

fn facts(server: &Server, grant: &Grant, now: UnixTime) -> Facts {
    let too_soon = match grant.state {
        State::DevicePending { interval, polled_at } => {
            now.saturating_since(polled_at).as_secs().saturating_add(JITTER) < interval.into()
        }
        State::Pushed
        | State::DeviceApproved
        | State::DeviceDenied
        | State::CodeIssued
        | State::Active { .. }
        | State::Revoked { .. } => false,
    };
    Facts { too_soon, ..first_facts(server, grant, now) }
}

impl State {
    /// The state after a poll that has to wait, and longer from now on if it came too soon.
    const fn polled(self, reason: Reason, now: UnixTime) -> Self {
        match self {
            Self::DevicePending { interval, .. } => {
                let slower = if matches!(reason, Reason::PolledTooSoon) { SLOWER_BY } else { 0 };
                Self::DevicePending { interval: interval.saturating_add(slower), polled_at: now }
            }
            Self::Pushed
            | Self::DeviceApproved
            | Self::DeviceDenied
            | Self::CodeIssued
            | Self::Active { .. }
            | Self::Revoked { .. } => self,
        }
    }
}
