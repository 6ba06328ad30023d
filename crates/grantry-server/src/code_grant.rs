//! The authorization code grant: a code for tokens
//! ([RFC 6749 section 4.1.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3)).

use alloc::{string::String, vec::Vec};

use grantry_core::form::Form;
use grantry_core::{CodeVerifier, SecretString, UnixTime};

use crate::authentication::Authenticated;
use crate::client::{Client, GrantType};
use crate::denial::Reason;
use crate::event::{Effect, Event, EventKind, Reply};
use crate::grant::{Grant, GrantId, State};
use crate::handle::{Kind, Opened};
use crate::issue::{Issue, TokenAnswer};
use crate::operation::{Commit, Decision, Records, Versioned};
use crate::server::Server;
use crate::token::{Refused, alarm, owned_record};
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
    pub(crate) fn parse(server: &Server, form: &Form) -> Result<Self, Reason> {
        let code = form.get("code").ok_or(Reason::Missing("code"))?;
        let code = server.config.handles.present(Kind::Code, code)?;
        Ok(Self {
            code,
            redirect_uri: form.get("redirect_uri").map(String::from),
            code_verifier: form.get("code_verifier").map(SecretString::from),
            resources: form.all("resource").map(String::from).collect(),
        })
    }

    pub(crate) const fn grant_id(&self) -> Option<GrantId> {
        match &self.code {
            Some(code) => Some(code.body.grant),
            None => None,
        }
    }

    pub(crate) fn decide(
        &self,
        server: &Server,
        client: Authenticated<'_>,
        records: &Records,
        now: UnixTime,
    ) -> Result<Decision<Reply<TokenAnswer>>, Refused> {
        let client = client.allowed(GrantType::AuthorizationCode)?.client();
        let (_, record) = owned_record(self.code.as_ref(), client, records).ok_or(Reason::CodeUnknown)??;
        self.redeem(server, client, record, now).map_err(|reason| Refused::of(&record.grant, reason))
    }

    /// Decides for the client that the code was issued to.
    fn redeem(
        &self,
        server: &Server,
        client: &Client,
        record: &Versioned,
        now: UnixTime,
    ) -> Result<Decision<Reply<TokenAnswer>>, Reason> {
        let grant = &record.grant;
        self.check_redirect_uri(grant)?;
        self.check_verifier(grant)?;

        let issue = |grant: &Grant, effect| {
            let nonce = grant.nonce.as_deref();
            let (scope, resources) = (grant.scope.clone(), self.resources.as_slice());
            let tokens = Issue { server, client, grant, scope, resources, nonce, now }.tokens()?;
            let event = Event::new(EventKind::CodeRedeemed, effect).of_grant(grant);
            Ok(Reply::new(TokenAnswer::Issued(tokens), event))
        };
        match step(Some(grant.state), Presented::Code, facts(server, grant, now)) {
            Then::Move(_) => {
                let lifetime = if server.has_refresh_token(client, grant) {
                    server.config.policy.refresh_token_lifetime
                } else {
                    server.config.policy.access_token_lifetime
                };
                let redeemed = Grant {
                    state: State::Active { serial: 1, since: now },
                    expires_at: now.saturating_add(lifetime),
                    ..grant.clone()
                };
                let reply = issue(&redeemed, Effect::Written)?;
                Ok(Decision::Commit(Commit::put(Some(record.version), redeemed, reply)))
            }
            Then::Repeat => Ok(Decision::Reply(issue(grant, Effect::Repeated)?)),
            Then::Refuse(reason) => Err(reason),
            Then::Alarm(reason) => Ok(alarm(grant, record.version, now, reason)),
        }
    }

    // RFC 6749 section 4.1.3: the same URI as at authorization, and required if it was named there.
    fn check_redirect_uri(&self, grant: &Grant) -> Result<(), Reason> {
        match &self.redirect_uri {
            Some(uri) if *uri == grant.redirect_uri => Ok(()),
            None if !grant.redirect_uri_named => Ok(()),
            _ => Err(Reason::OtherRedirectUri),
        }
    }

    // RFC 7636 section 4.6
    fn check_verifier(&self, grant: &Grant) -> Result<(), Reason> {
        let verifier = self.code_verifier.as_ref().ok_or(Reason::VerifierMissing)?;
        let verifier = CodeVerifier::parse(verifier.expose()).map_err(|_| Reason::VerifierWrong)?;
        if grant.code_challenge.verify(&verifier) { Ok(()) } else { Err(Reason::VerifierWrong) }
    }
}

fn facts(server: &Server, grant: &Grant, now: UnixTime) -> Facts {
    let repeated = match grant.state {
        State::Active { serial: 1, since } => is_retry(since, server.config.policy.code_retry, now),
        State::Active { .. } | State::CodeIssued | State::Revoked { .. } => false,
    };
    Facts { expired: now >= grant.expires_at, repeated, ..Facts::default() }
}
