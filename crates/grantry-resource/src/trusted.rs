//! One issuer that a guard takes tokens of.

use alloc::{borrow::Cow, string::String, sync::Arc};
use core::fmt;
use core::time::Duration;

use grantry_core::json::{self, JsonError};
use grantry_core::{ClientId, Issuer, Scope, UnixTime, base64url};
use grantry_jwt::{Buffer, Claim, JwkSet, MAX_TOKEN_BYTES, Verified, Verifier, VerifyError};
use serde::de::{self, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};

use crate::access::{Claims, Contents};
use crate::{Access, Reason, Subject};

/// An issuer, its keys, and the checks of its tokens.
#[derive(Clone, Debug)]
pub(crate) struct Trusted {
    pub(crate) issuer: Issuer,
    pub(crate) keys: Arc<JwkSet>,
    verifier: Verifier,
}

impl Trusted {
    /// Trusts an issuer, for no audience yet.
    pub(crate) fn new(issuer: Issuer, keys: Arc<JwkSet>) -> Self {
        let verifier = Verifier::new(issuer.as_str(), "");
        Self { issuer, keys, verifier }
    }

    /// Makes the checks: for these audiences, of which there is at least one.
    pub(crate) fn prepare(&mut self, audiences: &[String], leeway: Duration) {
        let (first, others) =
            audiences.split_first().map_or(("", [].as_slice()), |(first, others)| (first, others));
        let verifier = Verifier::new(self.issuer.as_str(), first).with_typ("at+jwt").with_leeway(leeway);
        let verifier = others.iter().map(String::as_str).fold(verifier, Verifier::also_audience);
        // RFC 9068 section 2.2; `iss`, `aud` and `exp` are required by the verifier itself.
        self.verifier = ["sub", "client_id", "iat", "jti"].into_iter().fold(verifier, Verifier::require);
    }

    // RFC 9068 section 4.
    pub(crate) fn read(
        &self,
        token: &str,
        keys: &JwkSet,
        now: UnixTime,
        buffer: &mut Buffer,
    ) -> Result<Access, Reason> {
        let verified: Verified<'_, AccessTokenClaims<'_>> =
            self.verifier.verify_in(token, keys, now, buffer).map_err(Reason::Token)?;
        let registered = verified.registered();
        // RFC 7519 section 4.1.2: an empty `sub` identifies nobody.
        let subject = registered
            .subject()
            .filter(|subject| !subject.is_empty())
            .ok_or(Reason::Token(VerifyError::MalformedClaim(Claim::Subject)))?;
        let claims = verified.claims();
        if claims.cnf.is_some() {
            return Err(Reason::SenderConstrained);
        }
        let shape = Reason::Token(VerifyError::ClaimsShape);
        let client_id = ClientId::parse(&*claims.client_id).map_err(|_| shape)?;
        let contents = Contents {
            issuer: self.issuer.clone(),
            subject: Subject::new(subject, &client_id),
            client_id,
            scope: Scope::parse(&claims.scope).map_err(|_| shape)?,
            expires_at: registered.expiration(),
            token_id: registered.jwt_id().map(String::from),
            acr: claims.acr.clone(),
            auth_time: claims.auth_time.map(|Seconds(time)| time),
            claims: Claims::Signed(signed_part(token).into()),
        };
        Ok(contents.into())
    }
}

/// Returns the header and the payload of a token.
fn signed_part(token: &str) -> &str {
    token.rsplit_once('.').map_or(token, |(signed, _)| signed)
}

/// Finds the issuer that a token names, where nobody has checked the token yet: it chooses the keys to check with, and
/// the check then requires the same name.
pub(crate) fn place_of(trusted: &[Trusted], token: &str) -> Result<usize, Reason> {
    if let [_] = trusted {
        return Ok(0);
    }
    let error = |error| Reason::Token(error);
    let mut segments = token.split('.');
    let (Some(_), Some(payload), Some(_), None) =
        (segments.next(), segments.next(), segments.next(), segments.next())
    else {
        return Err(error(VerifyError::Segments));
    };
    let payload = base64url::decode(payload).map_err(|_| error(VerifyError::Base64Url))?;
    let named: Result<NamedIssuer<'_>, _> = json::object_from_slice(&payload, MAX_TOKEN_BYTES);
    let is_named = |trusted: &Trusted| named.as_ref().is_ok_and(|named| trusted.issuer.as_str() == named.iss);
    trusted.iter().position(is_named).ok_or_else(|| match &named {
        Err(
            JsonError::TooLong | JsonError::Syntax | JsonError::RepeatedMember | JsonError::ReservedMember,
        ) => error(VerifyError::ClaimsJson),
        Ok(_) | Err(_) => error(VerifyError::Issuer),
    })
}

#[derive(Deserialize)]
struct NamedIssuer<'a> {
    #[serde(borrow)]
    iss: Cow<'a, str>,
}

/// The claims of RFC 9068 section 2.2 that RFC 7519 does not register.
#[derive(Deserialize)]
struct AccessTokenClaims<'a> {
    #[serde(borrow)]
    client_id: Cow<'a, str>,
    #[serde(borrow, default)]
    scope: Cow<'a, str>,
    acr: Option<String>,
    auth_time: Option<Seconds>,
    /// RFC 7800 section 3.1: whatever its value, the token is not for a bearer.
    #[serde(default, deserialize_with = "present")]
    cnf: Option<IgnoredAny>,
}

fn present<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<IgnoredAny>, D::Error> {
    IgnoredAny::deserialize(reader).map(Some)
}

/// A time in the past, its fraction dropped
/// ([RFC 7519 section 2](https://www.rfc-editor.org/rfc/rfc7519#section-2), `NumericDate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) UnixTime);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds since 1970")
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Seconds, E> {
                Ok(Seconds(UnixTime::from_secs(seconds)))
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Seconds, E> {
                let since_epoch = Duration::try_from_secs_f64(seconds).map_err(E::custom)?;
                self.visit_u64(since_epoch.as_secs())
            }
        }

        reader.deserialize_u64(Number)
    }
}
