//! The resource owner password grant, for hosts that still have to serve it
//! ([RFC 6749 section 4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3)).

use alloc::string::String;
use core::fmt;

use grantry_core::form::Form;
use grantry_core::{Moment, SecretString};

use crate::authentication::Authenticated;
use crate::client::GrantType;
use crate::decision::Decision;
use crate::denial::Reason;
use crate::direct_grant::{Asked, DirectGrant};
use crate::event::{EventKind, Reply};
use crate::grant::{Origin, Subject};
use crate::interaction::Approval;
use crate::issue::TokenAnswer;
use crate::operation::Records;
use crate::server::Server;
use crate::transition::{Facts, Presented, step};

/// What a person typed into a client
/// ([RFC 6749 section 4.3.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.3.2)).
///
/// Neither is printed: people type passwords into fields for names.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ResourceOwnerCredentials<'a> {
    /// The user name.
    pub username: &'a str,
    /// The password.
    pub password: &'a SecretString,
}

impl fmt::Debug for ResourceOwnerCredentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResourceOwnerCredentials")
    }
}

/// The parameters of the request, and whose they are once the host has said.
pub(crate) struct PasswordRequest {
    username: String,
    password: SecretString,
    asked: Asked,
    approval: Option<Approval>,
}

impl fmt::Debug for PasswordRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordRequest")
            .field("asked", &self.asked)
            .field("approval", &self.approval)
            .finish_non_exhaustive()
    }
}

impl PasswordRequest {
    pub(crate) fn parse(form: &Form<'_>) -> Result<Self, Reason> {
        let username = form.get("username").ok_or(Reason::Missing("username"))?;
        let password = form.get("password").ok_or(Reason::Missing("password"))?;
        Ok(Self {
            username: username.into(),
            password: SecretString::from(password),
            asked: Asked::parse(form)?,
            approval: None,
        })
    }

    pub(crate) fn credentials(&self) -> ResourceOwnerCredentials<'_> {
        ResourceOwnerCredentials { username: &self.username, password: &self.password }
    }

    pub(crate) fn accept(&mut self, approval: Approval) {
        self.approval = Some(approval);
    }

    pub(crate) fn subject(&self) -> Option<&Subject> {
        self.approval.as_ref().map(|approval| &approval.subject)
    }

    pub(crate) fn decide(
        &self,
        server: &Server,
        client: Authenticated<'_>,
        records: &Records,
        moment: &Moment,
    ) -> Result<Decision<Reply<TokenAnswer>>, Reason> {
        let client = client.allowed(GrantType::Password)?.client();
        let (scope, resources) = self.asked.allowed(server, client)?;
        let approval = self.approval.as_ref().ok_or(Reason::PasswordWrong)?;
        approval.check_subject(client)?;
        let scope = approval.granted(&scope);
        // RFC 6749 section 5.2: more than the resource owner grants.
        if scope.is_empty() {
            return Err(Reason::ScopeWidened);
        }
        records.veto(step(None, Presented::DirectRequest, Facts::default())).go()?;
        let (origin, person) = (Origin::Password, Some(approval.person()));
        let grant = DirectGrant { server, client, records, scope, resources, origin, person, moment };
        grant.give(EventKind::PasswordAccepted)
    }
}
