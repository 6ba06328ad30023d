//! The registered claims of a JWT.

use alloc::{string::String, vec::Vec};
use core::fmt;

use grantry_core::{UnixTime, json};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::VerifyError;
use crate::jws::MAX_TOKEN_BYTES;

/// The registered claims of a verified JWT
/// ([RFC 7519 section 4.1](https://www.rfc-editor.org/rfc/rfc7519#section-4.1)), each of the right type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredClaims {
    issuer: Option<String>,
    subject: Option<String>,
    audiences: Option<Vec<String>>,
    expiration: Option<UnixTime>,
    not_before: Option<UnixTime>,
    issued_at: Option<UnixTime>,
    jwt_id: Option<String>,
}

impl RegisteredClaims {
    /// Returns `iss`.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Returns `sub`.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// Returns `aud`, a single value as a list of one, an absent claim as an empty list.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        self.audiences.as_deref().unwrap_or_default()
    }

    /// Returns `exp`, the first second in which the token is no longer valid; a fraction counts up.
    #[must_use]
    pub const fn expiration(&self) -> Option<UnixTime> {
        self.expiration
    }

    /// Returns `nbf`, the first second in which the token is valid; a fraction counts up.
    #[must_use]
    pub const fn not_before(&self) -> Option<UnixTime> {
        self.not_before
    }

    /// Returns `iat`, its fraction dropped.
    #[must_use]
    pub const fn issued_at(&self) -> Option<UnixTime> {
        self.issued_at
    }

    /// Returns `jti`.
    #[must_use]
    pub fn jwt_id(&self) -> Option<&str> {
        self.jwt_id.as_deref()
    }

    pub(crate) const fn has_audience(&self) -> bool {
        self.audiences.is_some()
    }

    pub(crate) fn parse(payload: &[u8]) -> Result<Self, VerifyError> {
        let members = json::object_from_slice::<Members>(payload, MAX_TOKEN_BYTES)
            .map_err(|_| VerifyError::ClaimsJson)?;
        Ok(Self {
            issuer: text(members.iss, Claim::Issuer)?,
            subject: text(members.sub, Claim::Subject)?,
            audiences: audiences(members.aud)?,
            expiration: date(members.exp.as_ref(), Claim::Expiration, Fraction::CountsUp)?,
            not_before: date(members.nbf.as_ref(), Claim::NotBefore, Fraction::CountsUp)?,
            issued_at: date(members.iat.as_ref(), Claim::IssuedAt, Fraction::Dropped)?,
            jwt_id: text(members.jti, Claim::JwtId)?,
        })
    }
}

/// The claim that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Claim {
    /// `iss`.
    Issuer,
    /// `sub`.
    Subject,
    /// `aud`.
    Audience,
    /// `exp`.
    Expiration,
    /// `nbf`.
    NotBefore,
    /// `iat`.
    IssuedAt,
    /// `jti`.
    JwtId,
    /// A claim that RFC 7519 does not register.
    Other,
}

impl Claim {
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "iss" => Self::Issuer,
            "sub" => Self::Subject,
            "aud" => Self::Audience,
            "exp" => Self::Expiration,
            "nbf" => Self::NotBefore,
            "iat" => Self::IssuedAt,
            "jti" => Self::JwtId,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Issuer => "iss",
            Self::Subject => "sub",
            Self::Audience => "aud",
            Self::Expiration => "exp",
            Self::NotBefore => "nbf",
            Self::IssuedAt => "iat",
            Self::JwtId => "jti",
            Self::Other => "another",
        })
    }
}

/// The members as they stand; `Some(Null)` is a member that is `null`, `None` an absent one.
#[derive(Deserialize)]
struct Members {
    #[serde(default, deserialize_with = "present")]
    iss: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    sub: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    aud: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    exp: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    iat: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    jti: Option<Value>,
}

fn present<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(reader).map(Some)
}

fn text(member: Option<Value>, claim: Claim) -> Result<Option<String>, VerifyError> {
    match member {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(VerifyError::MalformedClaim(claim)),
    }
}

/// RFC 7519 section 4.1.3: one string or an array of strings.
fn audiences(member: Option<Value>) -> Result<Option<Vec<String>>, VerifyError> {
    let Some(Value::Array(items)) = member else {
        return Ok(text(member, Claim::Audience)?.map(|audience| alloc::vec![audience]));
    };
    let texts = items.into_iter().map(|item| {
        let Value::String(text) = item else {
            return Err(VerifyError::MalformedClaim(Claim::Audience));
        };
        Ok(text)
    });
    texts.collect::<Result<_, _>>().map(Some)
}

/// Which whole second stands for a date with a fraction.
#[derive(Clone, Copy)]
enum Fraction {
    CountsUp,
    Dropped,
}

/// RFC 7519 section 2: a NumericDate is a JSON number, and it may have a fraction. What lies outside
/// the range of [`UnixTime`] becomes its nearest end.
fn date(member: Option<&Value>, claim: Claim, fraction: Fraction) -> Result<Option<UnixTime>, VerifyError> {
    let Some(member) = member else {
        return Ok(None);
    };
    let Value::Number(number) = member else {
        return Err(VerifyError::MalformedClaim(claim));
    };
    let seconds = match (number.as_u64(), number.as_f64()) {
        (Some(seconds), _) => seconds,
        (None, Some(seconds)) => whole_seconds(seconds, fraction),
        (None, None) => return Err(VerifyError::MalformedClaim(claim)),
    };
    Ok(Some(UnixTime::from_secs(seconds)))
}

#[expect(clippy::cast_possible_truncation, reason = "the cast saturates at both ends, as wanted")]
fn whole_seconds(seconds: f64, fraction: Fraction) -> u64 {
    let whole = seconds as u64;
    match fraction {
        Fraction::CountsUp if (whole as f64) < seconds => whole.saturating_add(1),
        Fraction::CountsUp | Fraction::Dropped => whole,
    }
}
