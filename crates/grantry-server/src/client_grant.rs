//! The client credentials grant: a client asks for itself
//! ([RFC 6749 section 4.4](https://www.rfc-editor.org/rfc/rfc6749#section-4.4)).

use alloc::{string::String, vec::Vec};

use grantry_core::form::Form;
use grantry_core::{Moment, Scope, UnixTime};

use crate::authentication::Authenticated;
use crate::claims_request::ClaimsRequest;
use crate::client::{Client, GrantType};
use crate::decision::Decision;
use crate::denial::Reason;
use crate::event::{Effect, Endpoint, Event, EventKind, Reply};
use crate::grant::{Grant, GrantId, Origin, State};
use crate::issue::{Issue, TokenAnswer, Wanted};
use crate::operation::Records;
use crate::policy::AccessTokenFormat;
use crate::server::Server;
use crate::stateless_token::StatelessToken;
use crate::token::{Write, give};
use crate::transition::{Facts, Presented, Then, step};

/// The parameters of the request.
#[derive(Debug)]
pub(crate) struct ClientRequest {
    scope: Option<Scope>,
    resources: Vec<String>,
}

impl ClientRequest {
    pub(crate) fn parse(form: &Form) -> Result<Self, Reason> {
        let scope = form.get("scope").map(Scope::parse).transpose().map_err(Reason::Scope)?;
        Ok(Self { scope, resources: form.all("resource").map(String::from).collect() })
    }

    pub(crate) fn decide(
        &self,
        server: &Server,
        client: Authenticated<'_>,
        records: &Records,
        moment: &Moment,
    ) -> Result<Decision<Reply<TokenAnswer>>, Reason> {
        // RFC 6749 section 4.4: confidential clients only.
        if !client.client().is_confidential() {
            return Err(Reason::ClientNotConfidential);
        }
        let client = client.allowed(GrantType::ClientCredentials)?.client();
        let scope = client.allowed_scope(self.scope.as_ref())?;
        let resources = server.allowed_resources(self.resources.iter().map(String::as_str))?;
        match server.config.policy.access_token_format {
            // Nothing is written: the token says all that there is to know.
            AccessTokenFormat::Jwt => {
                let host = records.access_token_claims();
                let token = StatelessToken { server, client, scope, resources, host, moment };
                let event = Event::new(Endpoint::Token, EventKind::ClientTokenIssued, Effect::Nothing);
                let event = event.of_client(Some(client.id()));
                token.sign(move |tokens| Decision::Reply(Reply::new(TokenAnswer::from(tokens), event)))
            }
            AccessTokenFormat::Opaque => {
                let grant = client.own_grant(server, scope, resources, moment);
                let issue = Issue {
                    server,
                    client,
                    records,
                    wanted: Wanted::AccessToken,
                    scope: grant.scope.clone(),
                    grant,
                    resources: &[],
                    nonce: None,
                    now: moment.time(),
                };
                match step(None, Presented::DirectRequest, Facts::default()) {
                    Then::Refuse(reason) | Then::Wait(reason) | Then::Close(reason) | Then::Alarm(reason) => {
                        Err(reason)
                    }
                    Then::Move(_) | Then::Repeat => give(issue, EventKind::ClientTokenIssued, Write::Insert),
                }
            }
        }
    }
}

impl Client {
    fn own_grant(&self, server: &Server, scope: Scope, resources: Vec<String>, moment: &Moment) -> Grant {
        let now = moment.time();
        let grant = Grant {
            id: GrantId::from_bytes(moment.random("grant id")),
            salt: moment.random("grant salt"),
            client_id: self.id().clone(),
            scope,
            resources,
            created_at: now,
            expires_at: now,
            kept_until: UnixTime::from_secs(0),
            origin: Origin::Client,
            claims: ClaimsRequest::default(),
            person: None,
            state: State::Active { serial: 1, since: now },
        };
        grant.activated(server, self, now)
    }
}
