//! The authorization code grant: a code for tokens
//! ([RFC 6749 section 4.1.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3)).

use alloc::{string::String, vec::Vec};

use grantry_core::form::Form;
use grantry_core::{CodeVerifier, SecretString, UnixTime};

use crate::authentication::Authenticated;
use crate::client::{Client, GrantType};
use crate::decision::Decision;
use crate::denial::Reason;
use crate::event::{EventKind, Reply};
use crate::grant::{CodeOrigin, Grant, GrantId, Origin, State};
use crate::handle::{Kind, Opened};
use crate::issue::{Issue, TokenAnswer, Wanted};
use crate::operation::{Records, Versioned};
use crate::server::Server;
use crate::token::{Refused, Write, alarm, give, owned_record};
use crate::transition::{Facts, Presented, Then, is_retry, step};

/// The parameters of a redemption.
#[derive(Debug)]
pub(crate) struct CodeRequest {
    /// `None` for what has not even the shape of a code.
    code: Option<Opened>,
    redirect_uri: Option<String>,
    code_verifier: Option<SecretString>,
    resources: Vec<String>,
}

impl CodeRequest {
    pub(crate) fn parse(server: &Server, form: &Form<'_>) -> Result<Self, Reason> {
        let code = form.get("code").ok_or(Reason::Missing("code"))?;
        let code = server.config.handles.present(Kind::Code, code)?;
        Ok(Self {
            code,
            redirect_uri: form.get("redirect_uri").map(String::from),
            code_verifier: form.get("code_verifier").map(SecretString::from),
            resources: form.all("resource").map(String::from).collect(),
        })
    }

    pub(crate) fn grant_id(&self) -> Option<GrantId> {
        self.code.as_ref().map(|handle| handle.body.grant)
    }

    pub(crate) fn decide(
        &self,
        server: &Server,
        client: Authenticated<'_>,
        records: &Records,
        now: UnixTime,
    ) -> Result<Decision<Reply<TokenAnswer>>, Refused> {
        let client = client.allowed(GrantType::AuthorizationCode)?.client();
        let found = owned_record(server, self.code.as_ref(), client, records);
        let (_, record) = found.ok_or(Reason::CodeUnknown)??;
        let Origin::Code(origin) = &record.grant.terms.origin else {
            return Err(Reason::CodeUnknown.into());
        };
        let redeem = || {
            self.check_redirect_uri(origin)?;
            self.check_verifier(origin)?;
            self.redeem(server, client, records, record, origin, now)
        };
        redeem().map_err(|reason| Refused::of(&record.grant, reason))
    }

    /// Decides for the client that the code was issued to.
    fn redeem(
        &self,
        server: &Server,
        client: &Client,
        records: &Records,
        record: &Versioned,
        origin: &CodeOrigin,
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
                nonce: origin.nonce.as_deref(),
                now,
            };
            give(issue, EventKind::CodeRedeemed, write)
        };
        let grant = &record.grant;
        match records.veto(step(Some(grant.state), Presented::Code, first_facts(server, grant, now))) {
            Then::Move(_) => issue(grant.activated(server, client, now), Write::Replace(record.version)),
            Then::Repeat => issue(grant.clone(), Write::Nothing),
            Then::Alarm(reason) => Ok(alarm(record, now, reason)),
            Then::Refuse(reason) | Then::Wait(reason) | Then::Close(reason) => Err(reason),
        }
    }

    // RFC 6749 section 4.1.3: the same URI as at authorization, and required if it was named there.
    fn check_redirect_uri(&self, origin: &CodeOrigin) -> Result<(), Reason> {
        match &self.redirect_uri {
            Some(uri) if *uri == origin.redirect_uri => Ok(()),
            None if !origin.redirect_uri_named => Ok(()),
            _ => Err(Reason::OtherRedirectUri),
        }
    }

    // RFC 7636 section 4.6
    fn check_verifier(&self, origin: &CodeOrigin) -> Result<(), Reason> {
        let verifier = self.code_verifier.as_ref().ok_or(Reason::VerifierMissing)?;
        let verifier = CodeVerifier::parse(verifier.expose()).map_err(|_| Reason::VerifierWrong)?;
        if origin.code_challenge.verify(&verifier) { Ok(()) } else { Err(Reason::VerifierWrong) }
    }
}

/// What is true of a code, or a device code, and its record.
pub(crate) fn first_facts(server: &Server, grant: &Grant, now: UnixTime) -> Facts {
    let repeated = match grant.state {
        State::Active { serial: 1, since } => is_retry(since, server.config.policy.code_retry, now),
        State::Active { .. }
        | State::Pushed
        | State::DevicePending { .. }
        | State::DeviceApproved
        | State::DeviceDenied
        | State::CodeIssued
        | State::Revoked { .. } => false,
    };
    Facts { expired: now >= grant.expires_at, repeated, ..Facts::default() }
}

impl Grant {
    /// The grant as it stands when its first tokens are given out.
    pub(crate) fn activated(&self, server: &Server, client: &Client, now: UnixTime) -> Self {
        Self {
            state: State::Active { serial: 1, since: now },
            expires_at: server.grant_expires_at(client, self, now),
            ..self.clone()
        }
    }
}
