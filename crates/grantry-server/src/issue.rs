//! What a client gets for a grant: access token, refresh token, ID token.

use alloc::string::String;
use core::fmt;

use grantry_core::{HttpResponse, Scope, SecretString, UnixTime, base64url};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::client::{Client, GrantType};
use crate::denial::{Denial, Reason};
use crate::grant::{Grant, State};
use crate::handle::{Body, Kind};
use crate::policy::{AccessTokenFormat, RefreshTokens};
use crate::server::Server;

/// A successful token response
/// ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).
#[derive(Clone)]
#[non_exhaustive]
pub struct TokenResponse {
    /// The access token, of type `Bearer`.
    pub access_token: SecretString,
    /// In how many seconds the access token expires.
    pub expires_in: u64,
    /// The refresh token, if the grant comes with one.
    pub refresh_token: Option<SecretString>,
    /// The ID token, if the scope has `openid`.
    pub id_token: Option<SecretString>,
    /// The scope of the access token.
    pub scope: Scope,
}

/// What the token endpoint answers.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the endpoint gives tokens or an error")]
pub enum TokenAnswer {
    /// Tokens.
    Issued(TokenResponse),
    /// An error ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    Denied(Denial),
}

impl TokenAnswer {
    /// Makes the response to send.
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        match self {
            Self::Issued(tokens) => tokens.to_response(),
            Self::Denied(denial) => denial.to_response(),
        }
    }
}

impl TokenResponse {
    fn to_response(&self) -> HttpResponse {
        #[derive(Serialize)]
        struct Wire<'a> {
            access_token: &'a str,
            token_type: &'static str,
            expires_in: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            refresh_token: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            id_token: Option<&'a str>,
            scope: &'a Scope,
        }
        HttpResponse::json(
            200,
            &Wire {
                access_token: self.access_token.expose(),
                token_type: "Bearer",
                expires_in: self.expires_in,
                refresh_token: self.refresh_token.as_ref().map(SecretString::expose),
                id_token: self.id_token.as_ref().map(SecretString::expose),
                scope: &self.scope,
            },
        )
    }
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// One issue of tokens, at the redemption of a code or at a refresh.
pub(crate) struct Issue<'a> {
    pub(crate) server: &'a Server,
    pub(crate) client: &'a Client,
    /// The grant as it stands once the change is applied.
    pub(crate) grant: &'a Grant,
    /// The scope of this access token, within the grant's.
    pub(crate) scope: Scope,
    /// The resources that the request names.
    pub(crate) resources: &'a [String],
    /// The nonce, at redemption only
    /// ([OpenID Connect Core section 12.2](https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse)).
    pub(crate) nonce: Option<&'a str>,
    /// When the answer is given. Tokens are made as of the state's own time, so that a repeated answer
    /// is the same one.
    pub(crate) now: UnixTime,
}

impl Issue<'_> {
    /// Makes the tokens. A signature that fails leaves nothing behind: it comes before the commit.
    pub(crate) fn tokens(mut self) -> Result<TokenResponse, Reason> {
        // RFC 8707 section 2.2: within what was granted.
        if self.resources.iter().any(|resource| *resource != self.grant.audience) {
            return Err(Reason::ResourceUnknown);
        }
        // What the client may no longer ask for, it no longer gets.
        self.scope = self.scope.filter(|token| self.client.scope().contains(token));
        if self.scope.is_empty() {
            return Err(Reason::ScopeNotRegistered);
        }
        let State::Active { serial, since } = self.grant.state else {
            return Err(Reason::GrantRevoked);
        };
        let lifetime = self.server.config.policy.access_token_lifetime;
        let expires_at = since.saturating_add(lifetime).min(self.grant.expires_at);
        let access_token = self.access_token(serial, since, expires_at)?;
        let id_token = match self.scope.contains("openid") {
            true => Some(self.id_token(&access_token, since)?),
            false => None,
        };
        // A grant that was refreshed goes on, also where a later policy would not begin it: the client
        // would keep its old token, and raise the alarm by it.
        let goes_on = serial > 1 || self.server.has_refresh_token(self.client, self.grant);
        let refresh_token = goes_on.then(|| {
            self.server
                .config
                .handles
                .mint(Body::of_record(Kind::RefreshToken, self.grant.id, serial), self.grant)
        });
        let expires_in = expires_at.saturating_since(self.now).as_secs();
        Ok(TokenResponse { access_token, expires_in, refresh_token, id_token, scope: self.scope })
    }

    fn access_token(
        &self,
        serial: u32,
        since: UnixTime,
        expires_at: UnixTime,
    ) -> Result<SecretString, Reason> {
        let kind = match self.server.config.policy.access_token_format {
            AccessTokenFormat::Opaque => Kind::AccessToken,
            AccessTokenFormat::Jwt => Kind::TokenId,
        };
        let scope = scope_bits(&self.grant.scope, &self.scope);
        let body = Body { kind, grant: self.grant.id, serial, expires_at, scope };
        let handle = self.server.config.handles.mint(body, self.grant);
        if kind == Kind::AccessToken {
            return Ok(handle);
        }
        let claims = AccessTokenClaims {
            iss: self.server.config.issuer.as_str(),
            sub: self.grant.subject.as_str(),
            aud: &self.grant.audience,
            client_id: self.grant.client_id.as_str(),
            scope: &self.scope,
            exp: expires_at,
            iat: since,
            auth_time: self.grant.authenticated_at,
            jti: handle.expose(),
        };
        self.sign("at+jwt", &claims)
    }

    fn id_token(&self, access_token: &SecretString, since: UnixTime) -> Result<SecretString, Reason> {
        // OpenID Connect Core section 3.1.3.6: the left half of the hash that RS256 uses.
        let hash = Sha256::digest(access_token.expose());
        let claims = IdTokenClaims {
            iss: self.server.config.issuer.as_str(),
            sub: self.grant.subject.as_str(),
            aud: self.grant.client_id.as_str(),
            exp: since.saturating_add(self.server.config.policy.id_token_lifetime),
            iat: since,
            auth_time: self.grant.authenticated_at,
            nonce: self.nonce,
            at_hash: base64url::encode(hash.get(..16).unwrap_or_default()),
        };
        self.sign("JWT", &claims)
    }

    fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<SecretString, Reason> {
        let signed = self.server.config.signing_key.sign_claims(Some(typ), claims);
        signed.map(SecretString::from).map_err(|_| Reason::SigningFailed)
    }
}

impl Server {
    /// Tells whether a grant of this client comes with a refresh token.
    pub(crate) fn has_refresh_token(&self, client: &Client, grant: &Grant) -> bool {
        client.has_grant_type(GrantType::RefreshToken)
            && match self.config.policy.refresh_tokens {
                RefreshTokens::WhenRegistered => true,
                RefreshTokens::WithOfflineAccess => {
                    let scope = "offline_access";
                    grant.scope.contains(scope) && client.scope().contains(scope)
                }
            }
    }
}

fn scope_bits(granted: &Scope, issued: &Scope) -> u64 {
    let bit = |(index, token)| if issued.contains(token) { 1_u64 << index } else { 0 };
    granted.iter().take(64).enumerate().map(bit).sum()
}

/// Reads what [`scope_bits`] wrote.
pub(crate) fn scope_of_bits(granted: &Scope, bits: u64) -> Scope {
    let mut index = 0;
    granted.filter(|_| {
        index += 1;
        bits.checked_shr(index - 1).unwrap_or(0) & 1 == 1
    })
}

/// The claims of RFC 9068 section 2.2.
#[derive(Serialize)]
struct AccessTokenClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    client_id: &'a str,
    scope: &'a Scope,
    exp: UnixTime,
    iat: UnixTime,
    auth_time: UnixTime,
    jti: &'a str,
}

/// The claims of OpenID Connect Core section 2.
#[derive(Serialize)]
struct IdTokenClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: UnixTime,
    iat: UnixTime,
    auth_time: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    at_hash: String,
}
