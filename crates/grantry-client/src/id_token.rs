//! The ID token ([OpenID Connect Core section 2](https://openid.net/specs/openid-connect-core-1_0.html#IDToken))
//! and its checks ([section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation)).

use alloc::{collections::BTreeSet, string::String};
use core::fmt;

use grantry_core::json::{self, JsonError};
use grantry_core::{Issuer, SecretString, UnixTime, base64url};
use grantry_jwt::{JwkSet, Verifier, VerifyError, peek_unverified};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Client, Pending, member};

mod record;

pub(crate) use record::{StoredIdToken, WrittenIdToken};

/// Who signed in, said by the provider and verified. Nothing else makes one than an exchange or a
/// refresh.
#[derive(Clone)]
pub struct IdToken {
    raw: SecretString,
    issuer: String,
    subject: String,
    audiences: BTreeSet<String>,
    expires_at: UnixTime,
    issued_at: UnixTime,
    extra: Extra,
}

impl IdToken {
    /// The longest `sub` accepted, in bytes
    /// ([OpenID Connect Core section 2](https://openid.net/specs/openid-connect-core-1_0.html#IDToken)).
    pub const MAX_SUBJECT_BYTES: usize = 255;

    /// Returns the person's identifier, unique and stable at this issuer: issuer and subject
    /// together are the key of an account, never an email address.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns the issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns when the token expires. It says nothing about the host's own session.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Returns when the token was issued.
    #[must_use]
    pub const fn issued_at(&self) -> UnixTime {
        self.issued_at
    }

    /// Returns when the person signed in, if the provider says so. A refresh does not change it.
    #[must_use]
    pub const fn auth_time(&self) -> Option<UnixTime> {
        self.extra.auth_time
    }

    /// Returns the authentication context class by which the person signed in, if the provider says so.
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.extra.acr.as_deref()
    }

    /// Reads further claims, as `email`, from the verified token.
    ///
    /// # Errors
    ///
    /// [`JsonError::Shape`] when the claims are not a `T`.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        claims_of(&self.raw)
    }

    /// Returns the token as it was received, for `id_token_hint`.
    #[must_use]
    pub const fn raw(&self) -> &SecretString {
        &self.raw
    }
}

impl fmt::Debug for IdToken {
    /// Shows no claim about the person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdToken")
            .field("issuer", &self.issuer)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Reads claims of a token, whether it is verified or not.
fn claims_of<T: DeserializeOwned>(raw: &SecretString) -> Result<T, JsonError> {
    let payload = raw.expose().split('.').nth(1).unwrap_or_default();
    let claims = base64url::decode(payload).map_err(|_| JsonError::Syntax)?;
    json::object_from_slice(&claims, grantry_jwt::MAX_TOKEN_BYTES)
}

/// Of which tenant a token says that it is.
#[derive(Deserialize)]
struct Tenant {
    tid: String,
}

/// The claims that OpenID Connect adds to the registered ones.
#[derive(Clone, Default, Deserialize)]
struct Extra {
    #[serde(default, deserialize_with = "member::present")]
    nonce: Option<String>,
    #[serde(default, deserialize_with = "member::present")]
    azp: Option<String>,
    #[serde(default, deserialize_with = "member::numeric_date")]
    auth_time: Option<UnixTime>,
    #[serde(default, deserialize_with = "member::present")]
    at_hash: Option<String>,
    #[serde(default, deserialize_with = "member::present")]
    c_hash: Option<String>,
    #[serde(default, deserialize_with = "member::present")]
    acr: Option<String>,
}

/// What an ID token has to agree with.
pub(crate) struct Expected<'a> {
    pub(crate) client: &'a Client,
    pub(crate) access_token: &'a SecretString,
    pub(crate) origin: Origin<'a>,
}

/// Which answer the ID token came with.
pub(crate) enum Origin<'a> {
    Login { pending: &'a Pending, code: &'a SecretString },
    Device,
    Refresh { previous: &'a IdToken },
}

impl Expected<'_> {
    pub(crate) fn verify(
        &self,
        raw: SecretString,
        keys: &JwkSet,
        now: UnixTime,
    ) -> Result<IdToken, IdTokenError> {
        let issuer = self.issuer(&raw)?;
        // OpenID Connect Core section 3.1.3.7, steps 2, 3 and 6 to 10.
        let verified = Verifier::new(issuer.as_str(), self.client.client_id().as_str())
            .with_algorithms(&[self.client.id_token_algorithm()])
            .with_leeway(self.client.leeway())
            .require("sub")
            .require("iat")
            .verify::<Extra>(raw.expose(), keys, now)?;
        check_typ(&raw)?;
        let registered = verified.registered();
        let mut token = IdToken {
            issuer: registered.issuer().unwrap_or_default().into(),
            subject: registered.subject().unwrap_or_default().into(),
            audiences: registered.audiences().map(String::from).collect(),
            expires_at: registered.expiration().unwrap_or(now),
            issued_at: registered.issued_at().unwrap_or(now),
            extra: verified.into_claims(),
            raw,
        };
        self.check_parties(&token)?;
        if !self.is_hash_of(self.access_token, token.extra.at_hash.as_deref()) {
            return Err(IdTokenError::AccessTokenHash);
        }
        match &self.origin {
            Origin::Login { pending, code } => {
                if !self.is_hash_of(code, token.extra.c_hash.as_deref()) {
                    return Err(IdTokenError::CodeHash);
                }
                check_nonce(pending.nonce.as_ref(), &token)?;
                check_acr(pending.acr_values.as_deref(), &token)?;
                self.check_auth_time(&token, pending, now)?;
            }
            // RFC 8628 has no parameter by which a nonce could have been sent.
            Origin::Device => check_nonce(None, &token)?,
            Origin::Refresh { previous } => {
                check_refreshed(previous, &token)?;
                // What a refresh leaves out is still that of the login, for the next refresh to agree with.
                token.extra.nonce = token.extra.nonce.or_else(|| previous.extra.nonce.clone());
                token.extra.auth_time = token.extra.auth_time.or(previous.extra.auth_time);
            }
        }
        Ok(token)
    }

    /// Returns the issuer that the token has to name: the provider, or of one with a template the tenant whose `tid`
    /// stands in the same token.
    fn issuer(&self, raw: &SecretString) -> Result<Issuer, IdTokenError> {
        let provider = self.client.provider();
        if provider.tolerance().issuer_template().is_none() {
            return Ok(provider.issuer().clone());
        }
        let Tenant { tid } = claims_of(raw).map_err(|_| IdTokenError::Tenant)?;
        provider.issuer_of_tenant(&tid).ok_or(IdTokenError::Tenant)
    }

    fn check_parties(&self, token: &IdToken) -> Result<(), IdTokenError> {
        if token.subject.is_empty() || token.subject.len() > IdToken::MAX_SUBJECT_BYTES {
            return Err(IdTokenError::Subject);
        }
        // OpenID Connect Core section 3.1.3.7, step 3: no further audience that is not trusted.
        if !token.audiences.iter().all(|audience| self.client.trusts_audience(audience)) {
            return Err(IdTokenError::UntrustedAudience);
        }
        // Step 5.
        match &token.extra.azp {
            Some(azp) if azp != self.client.client_id().as_str() => Err(IdTokenError::AuthorizedParty),
            _ => Ok(()),
        }
    }

    // OpenID Connect Core sections 3.1.3.8 and 3.3.2.11: the left half of the digest, by the hash of the
    // algorithm. In the code flow both may be left out.
    fn is_hash_of(&self, text: &SecretString, hash: Option<&str>) -> bool {
        let digest = self.client.id_token_algorithm().digest(text.expose().as_bytes());
        let left = digest.get(..digest.len() / 2).map(base64url::encode);
        hash.is_none_or(|hash| left.as_deref() == Some(hash))
    }

    // OpenID Connect Core section 3.1.3.7, step 13. The age counts at the request: how long the person
    // needs at the provider does not make the login older.
    fn check_auth_time(&self, token: &IdToken, pending: &Pending, now: UnixTime) -> Result<(), IdTokenError> {
        let Some(max_age) = pending.max_age else {
            return Ok(());
        };
        let leeway = self.client.leeway();
        let auth_time = token.extra.auth_time.ok_or(IdTokenError::AuthTimeMissing)?;
        if auth_time > now.saturating_add(leeway) {
            return Err(IdTokenError::AuthTimeInFuture);
        }
        let latest = auth_time.saturating_add(max_age).saturating_add(leeway);
        if pending.created > latest { Err(IdTokenError::AuthTimeTooOld) } else { Ok(()) }
    }
}

// RFC 8725 sections 2.8 and 3.11: an access token of the same issuer and key is no ID token. An ID
// token has no typ of its own, so every other one than the general one is refused.
fn check_typ(raw: &SecretString) -> Result<(), IdTokenError> {
    match peek_unverified(raw.expose())?.typ() {
        Some(typ) if !typ.eq_ignore_ascii_case("JWT") && !typ.eq_ignore_ascii_case("application/JWT") => {
            Err(IdTokenError::Typ)
        }
        _ => Ok(()),
    }
}

// OpenID Connect Core section 3.1.3.7, step 11. A nonce that was never sent is another flow's.
fn check_nonce(sent: Option<&SecretString>, token: &IdToken) -> Result<(), IdTokenError> {
    match (sent, &token.extra.nonce) {
        (Some(sent), Some(nonce)) if sent.matches(nonce) => Ok(()),
        (Some(_), Some(_)) => Err(IdTokenError::NonceDiffers),
        (Some(_), None) => Err(IdTokenError::NonceMissing),
        (None, Some(_)) => Err(IdTokenError::NonceUnexpected),
        (None, None) => Ok(()),
    }
}

// OpenID Connect Core section 3.1.3.7, step 12.
fn check_acr(required: Option<&str>, token: &IdToken) -> Result<(), IdTokenError> {
    let Some(required) = required else {
        return Ok(());
    };
    let mut required = required.split(' ').filter(|value| !value.is_empty());
    match &token.extra.acr {
        Some(acr) if required.any(|value| value == acr) => Ok(()),
        _ => Err(IdTokenError::AuthenticationContext),
    }
}

// OpenID Connect Core section 12.2: the person and the login stay the same.
fn check_refreshed(previous: &IdToken, token: &IdToken) -> Result<(), IdTokenError> {
    let (old, new) = (&previous.extra, &token.extra);
    let rules = [
        ("iss", token.issuer == previous.issuer),
        ("sub", token.subject == previous.subject),
        ("aud", token.audiences == previous.audiences),
        ("azp", new.azp == old.azp),
        ("nonce", new.nonce.is_none() || new.nonce == old.nonce),
        ("auth_time", new.auth_time.is_none() || old.auth_time.is_none() || new.auth_time == old.auth_time),
    ];
    match rules.iter().find(|(_, holds)| !holds) {
        Some((claim, _)) => Err(IdTokenError::ChangedByRefresh(claim)),
        None => Ok(()),
    }
}

/// Why an ID token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdTokenError {
    /// The scope `openid` was asked and no ID token came.
    #[error("the answer has no ID token (OpenID Connect Core section 3.1.3.3)")]
    Missing,
    /// The token, its signature, issuer, audience or time is wrong; with
    /// [`VerifyError::UnknownKey`] a newer key set may help.
    #[error("the ID token is refused: {0}")]
    Token(#[from] VerifyError),
    /// The provider serves tenants, and the `tid` is missing or no GUID
    /// ([`danger_with_issuer_template`](crate::Tolerance::danger_with_issuer_template)).
    #[error("the tid names no tenant of the provider")]
    Tenant,
    /// The `typ` says that it is another kind of token.
    #[error("the typ is not that of an ID token (RFC 8725 section 3.11)")]
    Typ,
    /// The `sub` is empty or longer than [`IdToken::MAX_SUBJECT_BYTES`].
    #[error("the sub is empty or longer than 255 bytes (OpenID Connect Core section 2)")]
    Subject,
    /// The `aud` names an audience that this client does not trust.
    #[error("the aud has an untrusted audience (OpenID Connect Core section 3.1.3.7)")]
    UntrustedAudience,
    /// The `azp` names another client.
    #[error("the azp is another client (OpenID Connect Core section 3.1.3.7)")]
    AuthorizedParty,
    /// The `at_hash` is that of another access token.
    #[error("the at_hash is of another access token (OpenID Connect Core section 3.1.3.8)")]
    AccessTokenHash,
    /// The `c_hash` is that of another code.
    #[error("the c_hash is of another code (OpenID Connect Core section 3.3.2.11)")]
    CodeHash,
    /// A nonce was sent and none came back.
    #[error("the ID token has no nonce (OpenID Connect Core section 3.1.3.7)")]
    NonceMissing,
    /// Another nonce came back: the token belongs to another flow.
    #[error("the ID token has another nonce (OpenID Connect Core section 3.1.3.7)")]
    NonceDiffers,
    /// A nonce came back although none was sent.
    #[error("the ID token has a nonce and none was sent (OpenID Connect Core section 3.1.3.7)")]
    NonceUnexpected,
    /// The `acr` is missing or not among the required ones: the person signed in by a weaker way.
    #[error("the acr is not a required one (OpenID Connect Core section 3.1.3.7)")]
    AuthenticationContext,
    /// `max_age` was asked and the token does not say when the person signed in.
    #[error("the ID token has no auth_time (OpenID Connect Core section 3.1.2.1)")]
    AuthTimeMissing,
    /// The `auth_time` has not come yet, so that it proves no age.
    #[error("the auth_time lies in the future (OpenID Connect Core section 2)")]
    AuthTimeInFuture,
    /// The person had signed in longer than `max_age` before the flow started.
    #[error("the person signed in too long ago (OpenID Connect Core section 3.1.3.7)")]
    AuthTimeTooOld,
    /// The named claim is not what it was before the refresh.
    #[error("the refresh changed {0} (OpenID Connect Core section 12.2)")]
    ChangedByRefresh(&'static str),
}
