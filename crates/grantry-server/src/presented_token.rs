//! A token that somebody presents to have it revoked or looked up.

use alloc::string::String;

use grantry_core::form::{Form, Known};
use grantry_core::{ClientId, HttpRequest, UnixTime, json};
use grantry_jwt::{Algorithm, verify_jws};
use serde::Deserialize;

use crate::authentication::{Authenticated, Credentials};
use crate::denial::Reason;
use crate::grant::{Grant, State};
use crate::handle::{Kind, Opened};
use crate::operation::{Lookup, Records, Versioned};
use crate::server::Server;
use crate::token::posted_form;

/// The longest JWT access token that is looked at, in bytes.
const MAX_CLAIMS_BYTES: usize = 16 * 1024;

const KNOWN: Known = Known {
    once: &[
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "token",
        "token_type_hint",
    ],
    many: &[],
};

/// A request that presents a token: for revocation or introspection.
#[derive(Debug)]
pub(crate) struct PresentedToken {
    credentials: Credentials,
    /// `None` for what has not the shape of a token. A fault is answered only after the client is
    /// authenticated.
    token: Result<Option<Opened>, Reason>,
}

impl PresentedToken {
    pub(crate) fn parse(server: &Server, request: &HttpRequest) -> Result<Self, Reason> {
        let form = posted_form(request, &KNOWN)?;
        let credentials = Credentials::from_request(request, &form)?;
        Ok(Self { credentials, token: server.open_token(&form) })
    }

    pub(crate) fn lookup(&self) -> Lookup<'_> {
        // A forged handle never reaches the store.
        if matches!(self.token, Err(Reason::Forged)) {
            return Lookup::default();
        }
        let token = self.token.as_ref().ok().and_then(Option::as_ref);
        let grant = token.map(|token| token.body.grant);
        Lookup { client: Some(self.client_id()), grant, ..Lookup::default() }
    }

    pub(crate) const fn client_id(&self) -> &ClientId {
        self.credentials.client_id()
    }

    pub(crate) fn authenticate<'a>(&self, records: &'a Records) -> Result<Authenticated<'a>, Reason> {
        match self.token {
            Err(Reason::Forged) => Err(Reason::Forged),
            _ => self.credentials.authenticate(records),
        }
    }

    /// Returns the token and its record, if this very record made it.
    pub(crate) fn found<'a>(
        &'a self,
        _: Authenticated<'_>,
        records: &'a Records,
    ) -> Result<Option<(&'a Opened, &'a Versioned)>, Reason> {
        let token = self.token.as_ref().map_err(|reason| *reason)?.as_ref();
        let found = token.and_then(|token| Some((token, records.grant(token.body.grant)?)));
        Ok(found.filter(|(token, record)| token.belongs_to(&record.grant)))
    }
}

impl Server {
    /// Opens any kind of token of this server. The hint of
    /// [RFC 7009 section 2.1](https://www.rfc-editor.org/rfc/rfc7009#section-2.1) is not needed: the
    /// token says what it is. `None` for what has not the shape of one.
    fn open_token(&self, form: &Form) -> Result<Option<Opened>, Reason> {
        let token = form.get("token").ok_or(Reason::Missing("token"))?;
        if let Some(opened) = self.config.handles.present(Kind::RefreshToken, token)? {
            return Ok(Some(opened));
        }
        if let Some(opened) = self.config.handles.present(Kind::AccessToken, token)? {
            return Ok(Some(opened));
        }
        self.token_id(token).map_or(Ok(None), |id| self.config.handles.present(Kind::TokenId, &id))
    }

    /// Reads the `jti` of a JWT access token whose signature is this server's. Its expiry stands in
    /// the handle too, so no other claim is needed.
    fn token_id(&self, token: &str) -> Option<String> {
        #[derive(Deserialize)]
        struct TokenId {
            jti: String,
        }
        let jws = verify_jws(token, &self.config.jwk_set, &[Algorithm::Rs256]).ok()?;
        if jws.header().typ() != Some("at+jwt") {
            return None;
        }
        json::from_slice(jws.payload(), MAX_CLAIMS_BYTES).ok().map(|TokenId { jti }| jti)
    }
}

impl Opened {
    /// Tells whether the handle is the live refresh token of the grant.
    pub(crate) fn is_live_refresh_token(&self, grant: &Grant) -> bool {
        let is_live = match grant.state {
            State::Active { serial, .. } => serial == self.body.serial,
            State::CodeIssued | State::Revoked { .. } => false,
        };
        is_live && self.body.kind == Kind::RefreshToken
    }

    /// Tells whether the handle stands for an access token that has expired.
    pub(crate) fn is_expired_access_token(&self, now: UnixTime) -> bool {
        self.is_access_token() && now >= self.body.expires_at
    }

    /// Tells whether the handle stands for an access token, opaque or JWT.
    pub(crate) fn is_access_token(&self) -> bool {
        matches!(self.body.kind, Kind::AccessToken | Kind::TokenId)
    }
}
