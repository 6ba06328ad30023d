//! A token that somebody presents to have it revoked or looked up.

use grantry_core::form::{Form, Known};
use grantry_core::{ClientId, HttpRequest, Issuer, UnixTime, base64url};
use grantry_jwt::{peek_unverified, verify_jws};

use crate::authentication::{Authenticated, Credentials};
use crate::denial::Reason;
use crate::grant::{Grant, State};
use crate::handle::{Kind, Opened};
use crate::operation::{Lookup, Records, Versioned};
use crate::server::Server;
use crate::stateless_token::PresentedClaims;
use crate::token::posted_form;

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
    token: Result<Option<OpenedToken>, Reason>,
}

/// A token that this server made.
#[derive(Debug)]
pub(crate) enum OpenedToken {
    /// It names a record.
    OfGrant(Opened),
    /// It says all that there is to know.
    Stateless(PresentedClaims),
}

/// A presented token beside what is known of it.
pub(crate) enum Found<'a> {
    OfGrant(&'a Opened, &'a Versioned),
    Stateless(&'a PresentedClaims),
}

impl PresentedToken {
    pub(crate) fn parse(server: &Server, request: &HttpRequest) -> Result<Self, Reason> {
        let form = posted_form(request, &KNOWN)?;
        let credentials = Credentials::from_request(server, request, &form)?;
        Ok(Self { credentials, token: presented(server, &form) })
    }

    pub(crate) fn lookup<'a>(&'a self, issuer: &'a Issuer) -> Lookup<'a> {
        let lookup = self.credentials.lookup(issuer);
        match &self.token {
            // A forged handle never reaches the store.
            Err(Reason::Forged) => Lookup::default(),
            Ok(Some(token)) => token.lookup(lookup),
            Ok(None) | Err(_) => lookup,
        }
    }

    pub(crate) const fn client_id(&self) -> &ClientId {
        self.credentials.client_id()
    }

    /// Returns the token and its record, if this very record made it.
    pub(crate) fn found<'a>(
        &'a self,
        _: Authenticated<'_>,
        issuer: &Issuer,
        records: &'a Records,
    ) -> Result<Option<Found<'a>>, Reason> {
        let token = self.token.as_ref().map_err(|reason| *reason)?.as_ref();
        Ok(token.and_then(|token| token.found(issuer, records)))
    }
}

/// Checks who presents a token.
pub(crate) fn authenticate<'a>(
    request: &'a Result<PresentedToken, Reason>,
    records: &'a Records,
    now: UnixTime,
) -> Result<(&'a PresentedToken, Authenticated<'a>), Reason> {
    let request = request.as_ref().map_err(|reason| *reason)?;
    if matches!(request.token, Err(Reason::Forged)) {
        return Err(Reason::Forged);
    }
    Ok((request, request.credentials.authenticate(records, now)?))
}

impl OpenedToken {
    /// Adds what has to be read for the token.
    pub(crate) fn lookup<'a>(&self, lookup: Lookup<'a>) -> Lookup<'a> {
        match self {
            Self::OfGrant(token) => Lookup { grant: Some(token.body.grant), ..lookup },
            Self::Stateless(claims) => Lookup { claim: Some(claims.claim_id()), ..lookup },
        }
    }

    /// Returns the token with its record, if this very record made it; one without a record, if it was
    /// not revoked.
    pub(crate) fn found<'a>(&'a self, issuer: &Issuer, records: &'a Records) -> Option<Found<'a>> {
        match self {
            Self::OfGrant(token) => {
                let record = records.grant_of(issuer, token.body.grant);
                let record = record.filter(|record| token.belongs_to(&record.grant));
                record.map(|record| Found::OfGrant(token, record))
            }
            Self::Stateless(claims) => (!records.is_claim_seen()).then_some(Found::Stateless(claims)),
        }
    }
}

/// Opens any kind of token of this server. The hint of
/// [RFC 7009 section 2.1](https://www.rfc-editor.org/rfc/rfc7009#section-2.1) is not needed: the
/// token says what it is. `None` for what has not the shape of one.
fn presented(server: &Server, form: &Form<'_>) -> Result<Option<OpenedToken>, Reason> {
    let token = form.get("token").ok_or(Reason::Missing("token"))?;
    if let Some(opened) = server.config.handles.present(Kind::RefreshToken, token)? {
        return Ok(Some(OpenedToken::OfGrant(opened)));
    }
    server.open_access_token(token)
}

impl Server {
    /// Opens an access token of this server, opaque or JWT. `None` for what has not the shape of one.
    pub(crate) fn open_access_token(&self, token: &str) -> Result<Option<OpenedToken>, Reason> {
        if let Some(opened) = self.config.handles.present(Kind::AccessToken, token)? {
            return Ok(Some(OpenedToken::OfGrant(opened)));
        }
        let Some(claims) = peek(token) else { return Ok(None) };
        // The `jti` is a handle of this issuer, and far cheaper to check than a signature. It holds expiry and
        // scope again where it has a record.
        if let Some(opened) = self.config.handles.present(Kind::TokenId, &claims.jti)? {
            return Ok(self.is_signed(token).then_some(OpenedToken::OfGrant(opened)));
        }
        let id = self.config.handles.present(Kind::StatelessTokenId, &claims.jti)?;
        let is_own =
            |id: &Opened| id.is_stateless() && id.body.expires_at == claims.exp && self.is_signed(token);
        Ok(id.filter(is_own).map(|_| OpenedToken::Stateless(claims)))
    }

    /// Reads the claims of a JWT access token that this server signed.
    pub(crate) fn open_jwt(&self, token: &str) -> Option<PresentedClaims> {
        peek(token).filter(|_| self.is_signed(token))
    }

    /// Tells whether the signature of a token is this server's, by the one key that its header names.
    fn is_signed(&self, token: &str) -> bool {
        let config = &self.config;
        verify_jws(token, config.keys.jwk_set(), &config.keys.algorithms()).is_ok()
    }
}

/// Reads the claims of a JWT access token, of which nothing is proven. Every token of a server names its key.
fn peek(token: &str) -> Option<PresentedClaims> {
    let header = peek_unverified(token).ok()?;
    if header.typ() != Some("at+jwt") || header.key_id().is_none() {
        return None;
    }
    let payload = base64url::decode(token.split('.').nth(1)?).ok()?;
    PresentedClaims::parse(&payload)
}

impl Opened {
    /// Tells whether the handle is the live refresh token of the grant.
    pub(crate) fn is_live_refresh_token(&self, grant: &Grant) -> bool {
        let is_live = match grant.state {
            State::Active { serial, .. } => serial == self.body.serial,
            State::Pushed
            | State::DevicePending { .. }
            | State::DeviceApproved
            | State::DeviceDenied
            | State::CodeIssued
            | State::Revoked { .. } => false,
        };
        is_live && self.body.kind == Kind::RefreshToken
    }

    /// Tells whether the handle stands for an access token that has expired.
    pub(crate) fn is_expired_access_token(&self, now: UnixTime) -> bool {
        self.is_access_token() && now >= self.body.expires_at
    }

    /// Tells whether the handle stands for an access token, opaque or JWT.
    pub(crate) const fn is_access_token(&self) -> bool {
        matches!(self.body.kind, Kind::AccessToken | Kind::TokenId)
    }
}
