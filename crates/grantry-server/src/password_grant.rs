//! The resource owner password grant, for hosts that still have to serve it
//! ([RFC 6749 section 4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3)).

use alloc::{string::String, vec::Vec};

use grantry_core::form::Form;
use grantry_core::{Moment, Scope, SecretString, UnixTime};

use crate::authentication::Authenticated;
use crate::claims_request::ClaimsRequest;
use crate::client::GrantType;
use crate::decision::Decision;
use crate::denial::Reason;
use crate::event::{EventKind, Reply};
use crate::grant::{Grant, GrantId, Origin, State, Subject};
use crate::interaction::Approval;
use crate::issue::{Issue, TokenAnswer, Wanted};
use crate::operation::Records;
use crate::server::Server;
use crate::token::{ResourceOwnerCredentials, Write, give};
use crate::transition::{Facts, Presented, Then, step};

/// The parameters of the request, and whose they are once the host has said.
#[derive(Debug)]
pub(crate) struct PasswordRequest {
    username: String,
    password: SecretString,
    scope: Option<Scope>,
    resources: Vec<String>,
    approval: Option<Approval>,
}

impl PasswordRequest {
    pub(crate) fn parse(form: &Form) -> Result<Self, Reason> {
        let username = form.get("username").ok_or(Reason::Missing("username"))?;
        let password = form.get("password").ok_or(Reason::Missing("password"))?;
        Ok(Self {
            username: username.into(),
            password: SecretString::from(password),
            scope: form.get("scope").map(Scope::parse).transpose().map_err(Reason::Scope)?,
            resources: form.all("resource").map(String::from).collect(),
            approval: None,
        })
    }

    pub(crate) fn credentials(&self) -> ResourceOwnerCredentials<'_> {
        ResourceOwnerCredentials { username: &self.username, password: &self.password }
    }

    pub(crate) fn subject(&self) -> Option<&Subject> {
        self.approval.as_ref().map(|approval| &approval.subject)
    }

    pub(crate) fn accept(&mut self, approval: Approval) {
        self.approval = Some(approval);
    }

    pub(crate) fn decide(
        &self,
        server: &Server,
        client: Authenticated<'_>,
        records: &Records,
        moment: &Moment,
    ) -> Result<Decision<Reply<TokenAnswer>>, Reason> {
        let client = client.allowed(GrantType::Password)?.client();
        let scope = client.allowed_scope(self.scope.as_ref())?;
        let resources = server.allowed_resources(self.resources.iter().map(String::as_str))?;
        let approval = self.approval.as_ref().ok_or(Reason::PasswordWrong)?;
        approval.check_subject(client)?;
        let scope = approval.granted(&scope);
        if scope.is_empty() {
            return Err(Reason::PasswordWrong);
        }
        let now = moment.time();
        let asked = Grant {
            id: GrantId::from_bytes(moment.random("grant id")),
            salt: moment.random("grant salt"),
            client_id: client.id().clone(),
            scope,
            resources,
            created_at: now,
            expires_at: now,
            kept_until: UnixTime::from_secs(0),
            origin: Origin::Password,
            claims: ClaimsRequest::default(),
            person: Some(approval.person()),
            state: State::Active { serial: 1, since: now },
        };
        let grant = asked.activated(server, client, now);
        let issue = Issue {
            server,
            client,
            records,
            wanted: Wanted::All,
            scope: grant.scope.clone(),
            grant,
            resources: &[],
            nonce: None,
            now,
        };
        match records.veto(step(None, Presented::DirectRequest, Facts::default())) {
            Then::Move(_) | Then::Repeat => give(issue, EventKind::PasswordAccepted, Write::Insert),
            Then::Refuse(reason) | Then::Wait(reason) | Then::Close(reason) | Then::Alarm(reason) => {
                Err(reason)
            }
        }
    }
}
