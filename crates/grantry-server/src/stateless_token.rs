//! JWT access tokens without a record: those that a client gets for itself.

use alloc::{string::String, vec::Vec};

use grantry_core::{ClientId, Moment, Scope, UnixTime, json};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::access_token::AccessTokenClaims;
use crate::claims::Claims;
use crate::client::Client;
use crate::decision::{ClaimId, Decision};
use crate::denial::Reason;
use crate::grant::GrantId;
use crate::handle::{Body, Kind};
use crate::issue::TokenSet;
use crate::server::Server;

/// The longest claims of an access token that are looked at, in bytes.
pub(crate) const MAX_CLAIMS_BYTES: usize = 16 * 1024;

/// A token to make.
pub(crate) struct StatelessToken<'a> {
    pub(crate) server: &'a Server,
    pub(crate) client: &'a Client,
    pub(crate) scope: Scope,
    pub(crate) resources: Vec<String>,
    /// What the host adds.
    pub(crate) host: Claims,
    pub(crate) moment: &'a Moment,
}

impl StatelessToken<'_> {
    /// Signs the token and goes on with it.
    pub(crate) fn sign<R>(
        self,
        then: impl FnOnce(TokenSet) -> Decision<R> + Send + 'static,
    ) -> Result<Decision<R>, Reason> {
        let (server, now) = (self.server, self.moment.time());
        let lifetime = server.access_token_lifetime(self.client, &self.scope);
        let expires_at = now.saturating_add(lifetime);
        let id = GrantId::from_bytes(self.moment.random("token id"));
        let id = Body { expires_at, ..Body::of_record(Kind::StatelessTokenId, id, 0) };
        let claims = AccessTokenClaims {
            iss: server.config.issuer.clone(),
            // RFC 9068 section 2.2: the client is the subject; no person has its name.
            sub: self.client.id().as_str().into(),
            aud: self.resources,
            client_id: self.client.id().clone(),
            scope: self.scope.clone(),
            exp: expires_at,
            iat: now,
            jti: server.config.handles.mint_stateless(id),
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            host: self.host,
        };
        let set = TokenSet {
            access_token: None,
            expires_in: expires_at.saturating_since(now).as_secs(),
            refresh_token: None,
            id_token: None,
            scope: self.scope,
        };
        let then = move |token| Ok(then(TokenSet { access_token: Some(token), ..set }));
        server.sign("at+jwt", &claims, now, then).map_err(|_| Reason::SigningFailed)
    }
}

/// The claims of a token that is presented. Its signature is this server's.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PresentedClaims {
    pub(crate) client_id: ClientId,
    pub(crate) scope: Scope,
    pub(crate) aud: OneOrSeveral,
    pub(crate) exp: UnixTime,
    pub(crate) iat: UnixTime,
    pub(crate) jti: String,
}

/// An audience as it is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrSeveral {
    One(String),
    Several(Vec<String>),
}

impl PresentedClaims {
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        json::from_slice(payload, MAX_CLAIMS_BYTES).ok()
    }

    pub(crate) fn audiences(&self) -> &[String] {
        match &self.aud {
            OneOrSeveral::One(one) => core::slice::from_ref(one),
            OneOrSeveral::Several(several) => several,
        }
    }

    /// What is noted when the token is revoked: its `jti`, which is of one issuer.
    pub(crate) fn claim_id(&self) -> ClaimId {
        let mut digest = Sha256::new();
        digest.update(b"grantry revoked token v1\0");
        digest.update(&self.jti);
        ClaimId::from_bytes(digest.finalize().into())
    }
}
