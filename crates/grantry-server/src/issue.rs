//! What a client gets for a grant: access token, refresh token, ID token.

use alloc::{boxed::Box, string::String};
use core::fmt;
use core::time::Duration;

use grantry_core::json::ObjectWriter;
use grantry_core::{HttpResponse, Scope, SecretString, UnixTime};

use crate::access_token::AccessTokenClaims;
use crate::claim_release::{ScopeClaims, for_id_token};
use crate::claims::Claims;
use crate::client::{Client, GrantType};
use crate::decision::Decision;
use crate::denial::{Denial, Reason};
use crate::grant::{Grant, Origin, State, Subject};
use crate::handle::{Body, Kind};
use crate::id_token::{ID_TOKEN_TYP, IdTokenClaims, access_token_hash};
use crate::operation::Records;
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

impl From<TokenSet> for TokenAnswer {
    fn from(tokens: TokenSet) -> Self {
        let Some(access_token) = tokens.access_token else {
            return Self::Denied(Reason::SigningFailed.into());
        };
        Self::Issued(TokenResponse {
            access_token,
            expires_in: tokens.expires_in,
            refresh_token: tokens.refresh_token,
            id_token: tokens.id_token,
            scope: tokens.scope,
        })
    }
}

impl TokenResponse {
    fn to_response(&self) -> HttpResponse {
        let [refresh_token, id_token] =
            [&self.refresh_token, &self.id_token].map(|token| token.as_ref().map(SecretString::expose));
        let (access_token, scope) = (self.access_token.expose(), self.scope.as_str());
        let texts = [Some(access_token), refresh_token, id_token, Some(scope)];
        let length: usize = texts.into_iter().flatten().map(str::len).sum();
        let object = ObjectWriter::with_capacity(length.saturating_add(NAMES_BYTES))
            .text("access_token", access_token)
            .text("token_type", "Bearer")
            .number("expires_in", self.expires_in)
            .optional_text("refresh_token", refresh_token)
            .optional_text("id_token", id_token)
            .text("scope", scope);
        HttpResponse::json_object(200, object)
    }
}

/// Room for what stands beside the tokens and the scope of a response.
const NAMES_BYTES: usize = 128;

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// Which tokens of a grant are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// An access token, and what goes with it.
    All,
    /// An access token alone.
    AccessToken,
    /// An ID token alone.
    IdToken,
}

/// One issue of tokens, at the redemption of a code, at a refresh or at once.
pub(crate) struct Issue<'a> {
    pub(crate) server: &'a Server,
    pub(crate) client: &'a Client,
    /// What the host knows of the person, and adds to access tokens.
    pub(crate) records: &'a Records,
    /// The grant as it stands once the change is applied.
    pub(crate) grant: Grant,
    pub(crate) wanted: Wanted,
    /// The scope of this access token, within the grant's.
    pub(crate) scope: Scope,
    /// The resources that the request names; without any, those of the grant.
    pub(crate) resources: &'a [String],
    /// The nonce, with the first ID token only
    /// ([OpenID Connect Core section 12.2](https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse)).
    pub(crate) nonce: Option<&'a str>,
    /// When the answer is given. Tokens are made as of the state's own time, so that a repeated answer
    /// is the same one.
    pub(crate) now: UnixTime,
}

/// The tokens of one issue.
pub(crate) struct TokenSet {
    pub(crate) access_token: Option<SecretString>,
    pub(crate) expires_in: u64,
    pub(crate) refresh_token: Option<SecretString>,
    pub(crate) id_token: Option<SecretString>,
    pub(crate) scope: Scope,
}

impl Issue<'_> {
    /// Makes the tokens and goes on with them and the grant. A signature that fails leaves nothing
    /// behind: it comes before the commit.
    pub(crate) fn tokens<R>(
        mut self,
        then: impl FnOnce(TokenSet, Grant) -> Decision<R> + Send + 'static,
    ) -> Result<Decision<R>, Reason> {
        let resources = self.resource_bits()?;
        // What the client may no longer ask for, it no longer gets.
        if !self.scope.is_within(self.client.scope()) {
            self.scope = self.scope.filter(|token| self.client.scope().contains(token));
        }
        if self.scope.is_empty() {
            return Err(Reason::ScopeNotRegistered);
        }
        let State::Active { serial, since } = self.grant.state else {
            return Err(Reason::GrantRevoked);
        };
        let lifetime = self.server.access_token_lifetime(self.client, &self.scope);
        let expires_at = since.saturating_add(lifetime).min(self.grant.expires_at);
        let access_token = (self.wanted != Wanted::IdToken)
            .then(|| self.access_token(Stamp { serial, since, expires_at, resources }));
        let mut set = TokenSet {
            access_token: None,
            expires_in: expires_at.saturating_since(self.now).as_secs(),
            refresh_token: if self.wanted == Wanted::All { self.refresh_token(serial) } else { None },
            id_token: None,
            scope: Scope::empty(),
        };
        let has_id_token = self.wanted != Wanted::AccessToken && self.scope.contains("openid");
        let id_token = if has_id_token { self.id_token(since) } else { None };
        let (server, now, grant) = (self.server.clone(), self.now, self.grant);
        set.scope = self.scope;

        let finish = move |access_token: Option<SecretString>| {
            set.access_token = access_token;
            let Some(mut claims) = id_token else { return Ok(then(set, grant)) };
            let algorithm = server.config.keys.algorithm();
            claims.at_hash = set.access_token.as_ref().map(|token| access_token_hash(algorithm, token));
            server.sign(ID_TOKEN_TYP, &claims, now, move |id_token| {
                set.id_token = Some(id_token);
                Ok(then(set, grant))
            })
        };
        let decided = match access_token {
            None => finish(None),
            Some(AccessToken::Opaque(handle)) => finish(Some(handle)),
            Some(AccessToken::Jwt(claims)) => {
                self.server.sign("at+jwt", &*claims, now, |token| finish(Some(token)))
            }
        };
        decided.map_err(|_| Reason::SigningFailed)
    }

    // RFC 8707 section 2.2: within what was granted.
    fn resource_bits(&self) -> Result<u8, Reason> {
        if self.resources.iter().any(|resource| !self.grant.terms.resources.contains(resource)) {
            return Err(Reason::ResourceUnknown);
        }
        if self.resources.is_empty() {
            return Ok(u8::MAX);
        }
        let named = |resource: &str| self.resources.iter().any(|named| named == resource);
        let bits = bits(self.grant.terms.resources.iter().map(String::as_str), named);
        Ok(u8::try_from(bits).unwrap_or(u8::MAX))
    }

    // A grant that was refreshed goes on, also where a later policy would not begin it: the client
    // would keep its old token, and raise the alarm by it.
    fn refresh_token(&self, serial: u32) -> Option<SecretString> {
        let goes_on = serial > 1 || self.server.has_refresh_token(self.client, &self.grant);
        let body = || Body::of_record(Kind::RefreshToken, self.grant.terms.id, serial);
        goes_on.then(|| self.server.config.handles.mint(body(), &self.grant))
    }

    fn access_token(&self, stamp: Stamp) -> AccessToken {
        let kind = match self.server.config.policy.access_token_format {
            AccessTokenFormat::Opaque => Kind::AccessToken,
            AccessTokenFormat::Jwt => Kind::TokenId,
        };
        let Stamp { serial, since, expires_at, resources } = stamp;
        let scope = if self.scope == self.grant.terms.scope {
            u64::MAX
        } else {
            bits(self.grant.terms.scope.iter(), |token| self.scope.contains(token))
        };
        let body = Body { kind, grant: self.grant.terms.id, serial, expires_at, scope, resources };
        let handle = self.server.config.handles.mint(body, &self.grant);
        if kind == Kind::AccessToken {
            return AccessToken::Opaque(handle);
        }
        let person = self.grant.terms.person.as_ref();
        AccessToken::Jwt(Box::new(AccessTokenClaims {
            iss: self.server.config.issuer.clone(),
            sub: person.map_or(self.grant.terms.client_id.as_str(), |person| person.subject.as_str()).into(),
            aud: self.grant.resources_of_bits(resources).map(String::from).collect(),
            client_id: self.grant.terms.client_id.clone(),
            scope: self.scope.clone(),
            exp: expires_at,
            iat: since,
            jti: handle,
            auth_time: person.map(|person| person.authenticated_at),
            acr: person.and_then(|person| person.acr.clone()),
            amr: person.map(|person| person.amr.clone()).unwrap_or_default(),
            host: self.records.access_token_claims(),
        }))
    }

    fn id_token(&self, since: UnixTime) -> Option<IdTokenClaims> {
        let person = self.grant.terms.person.as_ref()?;
        Some(IdTokenClaims {
            iss: self.server.config.issuer.clone(),
            sub: person.subject.clone(),
            aud: core::iter::once(String::from(self.client.id().as_str()))
                .chain(self.client.id_token_audiences().iter().cloned())
                .collect(),
            // OpenID Connect Core section 2: where the audience alone does not tell the client.
            azp: (!self.client.id_token_audiences().is_empty()).then(|| self.client.id().clone()),
            exp: since.saturating_add(self.server.config.policy.id_token_lifetime),
            iat: since,
            auth_time: person.authenticated_at,
            nonce: self.nonce.map(String::from),
            acr: person.acr.clone(),
            amr: person.amr.clone(),
            at_hash: None,
            sid: person.sid.clone(),
            person: self.person_claims(&person.subject),
        })
    }

    /// What the ID token says of the person.
    fn person_claims(&self, subject: &Subject) -> Claims {
        let scope_claims = match self.wanted {
            Wanted::IdToken => ScopeClaims::InIdToken,
            Wanted::All | Wanted::AccessToken => ScopeClaims::AtUserInfo,
        };
        let claims = self.records.user_claims(subject);
        claims
            .map(|claims| for_id_token(claims, &self.scope, self.grant.terms.claims(), scope_claims))
            .unwrap_or_default()
    }
}

/// The numbers of one access token.
#[derive(Clone, Copy)]
struct Stamp {
    serial: u32,
    since: UnixTime,
    expires_at: UnixTime,
    resources: u8,
}

/// An access token, or what becomes one when it is signed.
enum AccessToken {
    Opaque(SecretString),
    Jwt(Box<AccessTokenClaims>),
}

impl Server {
    /// Tells whether a grant of this client comes with a refresh token.
    pub(crate) fn has_refresh_token(&self, client: &Client, grant: &Grant) -> bool {
        // RFC 6749 sections 4.2.2 and 4.4.3
        !matches!(grant.terms.origin, Origin::Implicit | Origin::Client)
            && client.has_grant_type(GrantType::RefreshToken)
            && match self.config.policy.refresh_tokens {
                RefreshTokens::WhenRegistered => true,
                RefreshTokens::WithOfflineAccess => {
                    let scope = "offline_access";
                    grant.terms.scope.contains(scope) && client.scope().contains(scope)
                }
            }
    }

    /// Until when a grant lives whose first tokens are given out at `now`.
    pub(crate) fn grant_expires_at(&self, client: &Client, grant: &Grant, now: UnixTime) -> UnixTime {
        let policy = &self.config.policy;
        now.saturating_add(if self.has_refresh_token(client, grant) {
            client.refresh_token_lifetime().unwrap_or(policy.refresh_token_lifetime)
        } else {
            self.access_token_lifetime(client, &grant.terms.scope)
        })
    }

    /// The client's own time or the policy's, and no longer than any token of the scope allows.
    pub(crate) fn access_token_lifetime(&self, client: &Client, scope: &Scope) -> Duration {
        let policy = &self.config.policy;
        let general = client.access_token_lifetime().unwrap_or(policy.access_token_lifetime);
        let own = policy.scope_lifetimes.iter().filter(|(token, _)| scope.contains(token));
        own.fold(general, |least, (_, own)| least.min(*own))
    }
}

impl Grant {
    /// Reads the scope that an access token names.
    pub(crate) fn scope_of_bits(&self, bits: u64) -> Scope {
        if bits == u64::MAX {
            return self.terms.scope.clone();
        }
        let mut bits = Bits(bits);
        self.terms.scope.filter(|_| bits.next())
    }

    /// Reads the resources that an access token names.
    pub(crate) fn resources_of_bits(&self, bits: u8) -> impl Iterator<Item = &str> {
        let mut bits = Bits(bits.into());
        self.terms.resources.iter().map(String::as_str).filter(move |_| bits.next())
    }
}

/// A bit for each of the first 64 items that `is_set` holds for.
fn bits<'t>(items: impl Iterator<Item = &'t str>, is_set: impl Fn(&str) -> bool) -> u64 {
    let bit = |(index, item)| if is_set(item) { 1_u64 << index } else { 0 };
    items.take(64).enumerate().map(bit).sum()
}

/// Reads what [`bits`] wrote, item by item.
struct Bits(u64);

impl Bits {
    const fn next(&mut self) -> bool {
        let bit = self.0 & 1 == 1;
        self.0 >>= 1;
        bit
    }
}
