//! The registered claims of a JWT.

use alloc::{borrow::Cow, vec::Vec};
use core::fmt;

use grantry_core::UnixTime;

use crate::capture::Captured;
use crate::span::{Copies, Span, Spans};

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
        self.found.issuer(&self.payload)
    }

    /// Returns `sub`.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.found.subject(&self.payload)
    }

    /// Returns the values of `aud`: one for a single value, none for an absent claim.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.found.audiences(&self.payload).into_iter().flatten()
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
        self.found.copies.text(self.found.jwt_id, &self.payload)
    }

    /// Returns the same claims with a payload of their own.
    #[must_use]
    pub fn into_owned(self) -> RegisteredClaims<'static> {
        RegisteredClaims { payload: Cow::Owned(self.payload.into_owned()), found: self.found }
    }

    pub(crate) const fn new(payload: Cow<'p, str>, found: Found) -> Self {
        Self { payload, found }
    }

    pub(crate) fn payload(&self) -> &str {
        &self.payload
    }

    fn texts(&self) -> [Option<&str>; 3] {
        [self.issuer(), self.subject(), self.jwt_id()]
    }

    const fn dates(&self) -> [Option<UnixTime>; 3] {
        [self.expiration(), self.not_before(), self.issued_at()]
    }
}

/// Compares what the claims say, wherever it stands.
impl PartialEq for RegisteredClaims<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.texts() == other.texts()
            && self.dates() == other.dates()
            && self.found.audiences.is_some() == other.found.audiences.is_some()
            && self.audiences().eq(other.audiences())
    }
}

impl Eq for RegisteredClaims<'_> {}

impl fmt::Debug for RegisteredClaims<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredClaims")
            .field("issuer", &self.issuer())
            .field("subject", &self.subject())
            .field("audiences", &self.audiences().collect::<Vec<_>>())
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
    issuer: Option<Span>,
    subject: Option<Span>,
    audiences: Option<Spans>,
    jwt_id: Option<Span>,
    expiration: Option<UnixTime>,
    not_before: Option<UnixTime>,
    issued_at: Option<UnixTime>,
    copies: Copies,
}

impl Found {
    pub(crate) fn issuer<'a>(&'a self, payload: &'a str) -> Option<&'a str> {
        self.copies.text(self.issuer, payload)
    }

    pub(crate) fn subject<'a>(&'a self, payload: &'a str) -> Option<&'a str> {
        self.copies.text(self.subject, payload)
    }

    pub(crate) fn audiences<'a>(&'a self, payload: &'a str) -> Option<impl Iterator<Item = &'a str>> {
        self.audiences.map(|audiences| self.copies.texts(audiences, payload))
    }

    /// Whether one of the audiences is the wanted one; `None` without audiences.
    pub(crate) fn has_audience(&self, payload: &str, is_wanted: impl Fn(&str) -> bool) -> Option<bool> {
        match self.audiences? {
            Spans::One(span) => Some(self.copies.text(Some(span), payload).is_some_and(is_wanted)),
            spans @ (Spans::Verbatim(_) | Spans::Copied) => {
                Some(self.copies.texts(spans, payload).any(is_wanted))
            }
        }
    }

    pub(crate) const fn expiration(&self) -> Option<UnixTime> {
        self.expiration
    }

    pub(crate) const fn not_before(&self) -> Option<UnixTime> {
        self.not_before
    }

    pub(crate) const fn issued_at(&self) -> Option<UnixTime> {
        self.issued_at
    }

    /// Keeps the value of a claim; `None` when it is of another type.
    pub(crate) fn keep(&mut self, claim: Claim, value: &Captured<'_>, payload: &str) -> Option<()> {
        match claim {
            Claim::Issuer | Claim::Subject | Claim::JwtId => {
                let span = self.copies.span(value, payload)?;
                self.keep_span(claim, span)
            }
            Claim::Audience => {
                self.audiences = Some(self.copies.spans(value, payload)?);
                Some(())
            }
            Claim::Expiration | Claim::NotBefore | Claim::IssuedAt => {
                let number = value.number()?;
                let fraction = if claim == Claim::IssuedAt { Fraction::Dropped } else { Fraction::CountsUp };
                let whole = || number.as_f64().and_then(|seconds| whole_seconds(seconds, fraction));
                self.keep_seconds(claim, number.as_u64().or_else(whole)?)
            }
            Claim::Other => Some(()),
        }
    }

    /// Keeps a string that stands in the payload.
    #[inline]
    pub(crate) fn keep_span(&mut self, claim: Claim, span: Span) -> Option<()> {
        match claim {
            Claim::Issuer => self.issuer = Some(span),
            Claim::Subject => self.subject = Some(span),
            Claim::JwtId => self.jwt_id = Some(span),
            Claim::Audience => self.audiences = Some(Spans::One(span)),
            Claim::Expiration | Claim::NotBefore | Claim::IssuedAt | Claim::Other => return None,
        }
        Some(())
    }

    /// Keeps a date.
    #[inline]
    pub(crate) fn keep_seconds(&mut self, claim: Claim, seconds: u64) -> Option<()> {
        let date = Some(UnixTime::from_secs(seconds));
        match claim {
            Claim::Expiration => self.expiration = date,
            Claim::NotBefore => self.not_before = date,
            Claim::IssuedAt => self.issued_at = date,
            Claim::Issuer | Claim::Subject | Claim::JwtId | Claim::Audience | Claim::Other => return None,
        }
        Some(())
    }
}

/// Which whole second stands for a date with a fraction.
#[derive(Clone, Copy)]
enum Fraction {
    CountsUp,
    Dropped,
}

/// RFC 7519 section 2: a NumericDate is a JSON number, and it may have a fraction. Before the epoch is its
/// first second; beyond 64 bits is no date, on either side.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "in range, and below zero becomes it"
)]
fn whole_seconds(seconds: f64, fraction: Fraction) -> Option<u64> {
    const RANGE: f64 = 18_446_744_073_709_551_616.0;
    if seconds.abs() >= RANGE {
        return None;
    }
    let whole = seconds as u64;
    Some(match fraction {
        Fraction::CountsUp if (whole as f64) < seconds => whole.saturating_add(1),
        Fraction::CountsUp | Fraction::Dropped => whole,
    })
}
