//! The registered claims of a JWT.

use alloc::{borrow::Cow, vec::Vec};
use core::fmt;

use grantry_core::UnixTime;
use serde_json::Number;

use crate::capture::{Captured, Text, Texts};

/// The registered claims of a verified JWT
/// ([RFC 7519 section 4.1](https://www.rfc-editor.org/rfc/rfc7519#section-4.1)), each of the right type.
///
/// They stand in the payload, which is borrowed for `'p` or owned.
#[derive(Clone)]
pub struct RegisteredClaims<'p> {
    payload: Cow<'p, str>,
    found: Found,
}

impl<'p> RegisteredClaims<'p> {
    /// Returns `iss`.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.text(self.found.issuer.as_ref())
    }

    /// Returns `sub`.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text(self.found.subject.as_ref())
    }

    /// Returns the values of `aud`: one for a single value, none for an absent claim.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.found.audiences.iter().flat_map(|audiences| audiences.iter(&self.payload))
    }

    /// Returns `exp`, the first second in which the token is no longer valid; a fraction counts up.
    #[must_use]
    pub const fn expiration(&self) -> Option<UnixTime> {
        self.found.expiration
    }

    /// Returns `nbf`, the first second in which the token is valid; a fraction counts up.
    #[must_use]
    pub const fn not_before(&self) -> Option<UnixTime> {
        self.found.not_before
    }

    /// Returns `iat`, its fraction dropped.
    #[must_use]
    pub const fn issued_at(&self) -> Option<UnixTime> {
        self.found.issued_at
    }

    /// Returns `jti`.
    #[must_use]
    pub fn jwt_id(&self) -> Option<&str> {
        self.text(self.found.jwt_id.as_ref())
    }

    /// Returns the same claims with a payload of their own.
    #[must_use]
    pub fn into_owned(self) -> RegisteredClaims<'static> {
        RegisteredClaims { payload: Cow::Owned(self.payload.into_owned()), found: self.found }
    }

    pub(crate) const fn new(payload: Cow<'p, str>, found: Found) -> Self {
        Self { payload, found }
    }

    pub(crate) fn into_found(self) -> Found {
        self.found
    }

    pub(crate) fn payload(&self) -> &str {
        &self.payload
    }

    pub(crate) const fn has_audience(&self) -> bool {
        self.found.audiences.is_some()
    }

    fn text<'a>(&'a self, text: Option<&'a Text>) -> Option<&'a str> {
        text.map(|text| text.as_str(&self.payload))
    }

    /// Returns what can be asked for, in the order of RFC 7519 section 4.1.
    fn texts(&self) -> [Option<&str>; 3] {
        [self.issuer(), self.subject(), self.jwt_id()]
    }

    fn dates(&self) -> [Option<UnixTime>; 3] {
        [self.expiration(), self.not_before(), self.issued_at()]
    }
}

/// Compares what the claims say, wherever it stands.
impl PartialEq for RegisteredClaims<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.texts() == other.texts()
            && self.dates() == other.dates()
            && self.has_audience() == other.has_audience()
            && self.audiences().eq(other.audiences())
    }
}

impl Eq for RegisteredClaims<'_> {}

impl fmt::Debug for RegisteredClaims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let audiences = self.has_audience().then(|| self.audiences().collect::<Vec<_>>());
        f.debug_struct("RegisteredClaims")
            .field("issuer", &self.issuer())
            .field("subject", &self.subject())
            .field("audiences", &audiences)
            .field("expiration", &self.expiration())
            .field("not_before", &self.not_before())
            .field("issued_at", &self.issued_at())
            .field("jwt_id", &self.jwt_id())
            .finish()
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
    #[inline]
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

/// Where in a payload its registered claims are.
#[derive(Clone, Default)]
pub(crate) struct Found {
    issuer: Option<Text>,
    subject: Option<Text>,
    audiences: Option<Texts>,
    expiration: Option<UnixTime>,
    not_before: Option<UnixTime>,
    issued_at: Option<UnixTime>,
    jwt_id: Option<Text>,
}

impl Found {
    /// Keeps the value of a claim, unless it is of another type.
    pub(crate) fn keep(
        &mut self,
        claim: Claim,
        value: &Captured<'_>,
        payload: &str,
    ) -> Result<(), MalformedClaim> {
        let text = || value.text(payload).ok_or(MalformedClaim(claim));
        let date = |fraction| value.number().and_then(|n| seconds(n, fraction)).ok_or(MalformedClaim(claim));
        match claim {
            Claim::Issuer => self.issuer = Some(text()?),
            Claim::Subject => self.subject = Some(text()?),
            Claim::Audience => {
                self.audiences = Some(value.texts(payload).ok_or(MalformedClaim(claim))?);
            }
            Claim::Expiration => self.expiration = Some(date(Fraction::CountsUp)?),
            Claim::NotBefore => self.not_before = Some(date(Fraction::CountsUp)?),
            Claim::IssuedAt => self.issued_at = Some(date(Fraction::Dropped)?),
            Claim::JwtId => self.jwt_id = Some(text()?),
            Claim::Other => {}
        }
        Ok(())
    }
}

/// The claim has another type.
pub(crate) struct MalformedClaim(pub(crate) Claim);

/// Which whole second stands for a date with a fraction.
#[derive(Clone, Copy)]
enum Fraction {
    CountsUp,
    Dropped,
}

/// RFC 7519 section 2: a NumericDate is a JSON number, and it may have a fraction. What lies outside
/// the range of [`UnixTime`] becomes its nearest end.
fn seconds(number: &Number, fraction: Fraction) -> Option<UnixTime> {
    let whole = || number.as_f64().map(|seconds| whole_seconds(seconds, fraction));
    number.as_u64().or_else(whole).map(UnixTime::from_secs)
}

#[expect(clippy::cast_possible_truncation, reason = "the cast saturates at both ends, as wanted")]
fn whole_seconds(seconds: f64, fraction: Fraction) -> u64 {
    let whole = seconds as u64;
    match fraction {
        Fraction::CountsUp if (whole as f64) < seconds => whole.saturating_add(1),
        Fraction::CountsUp | Fraction::Dropped => whole,
    }
}
