//! What the grants without a page have in common: one request, and tokens at once.

use alloc::{string::String, sync::Arc, vec::Vec};

use grantry_core::form::Form;
use grantry_core::{Moment, Scope, UnixTime};

use crate::client::Client;
use crate::decision::Decision;
use crate::denial::Reason;
use crate::event::{EventKind, Reply};
use crate::grant::{Grant, GrantId, Origin, Person, State, Terms};
use crate::issue::{Issue, TokenAnswer, Wanted};
use crate::operation::Records;
use crate::server::Server;
use crate::token::{Write, give};

/// What a request asks for.
#[derive(Debug)]
pub(crate) struct Asked {
    scope: Option<Scope>,
    resources: Vec<String>,
}

impl Asked {
    pub(crate) fn parse(form: &Form<'_>) -> Result<Self, Reason> {
        let scope = form.get("scope").map(Scope::parse).transpose().map_err(Reason::Scope)?;
        Ok(Self { scope, resources: form.all("resource").map(String::from).collect() })
    }

    /// Returns the scope within the registration, and the resources within the policy.
    pub(crate) fn allowed(&self, server: &Server, client: &Client) -> Result<(Scope, Vec<String>), Reason> {
        let scope = client.allowed_scope(self.scope.as_ref())?;
        let resources = server.allowed_resources(self.resources.iter().map(String::as_str))?;
        Ok((scope, resources))
    }
}

/// A grant that begins with its tokens.
pub(crate) struct DirectGrant<'a> {
    pub(crate) server: &'a Server,
    pub(crate) client: &'a Client,
    pub(crate) records: &'a Records,
    pub(crate) scope: Scope,
    pub(crate) resources: Vec<String>,
    pub(crate) origin: Origin,
    pub(crate) person: Option<Person>,
    pub(crate) moment: &'a Moment,
}

impl DirectGrant<'_> {
    /// Gives the tokens out, once the record is written.
    pub(crate) fn give(self, kind: EventKind) -> Result<Decision<Reply<TokenAnswer>>, Reason> {
        let Self { server, client, records, scope, resources, origin, person, moment } = self;
        let now = moment.time();
        let asked = Grant {
            terms: Arc::new(Terms {
                id: GrantId::from_bytes(moment.random("grant id")),
                salt: moment.random("grant salt"),
                issuer: server.issuer().clone(),
                client_id: client.id().clone(),
                scope: scope.clone(),
                resources,
                created_at: now,
                origin,
                claims: None,
                person,
            }),
            expires_at: now,
            kept_until: UnixTime::from_secs(0),
            state: State::Active { serial: 1, since: now },
        };
        let grant = asked.activated(server, client, now);
        let wanted = Wanted::All;
        let issue = Issue { server, client, records, wanted, scope, grant, resources: &[], nonce: None, now };
        give(issue, kind, Write::Insert)
    }
}
