//! What an authorization server said about a token.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use grantry_core::json::{self, JsonError};
use grantry_core::{ClientId, Issuer, Scope, UnixTime};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::access::{Claims, Contents, Introspection as Member};
use crate::trusted::Seconds;
use crate::{Access, Reason, Subject};

/// What an authorization server said about a token; only [`Introspection::response`](crate::Introspection::response)
/// and [`SignedIntrospection::response`](crate::SignedIntrospection::response) make one. A clone shares what it holds.
///
/// It is no access: [`Guard::accept_introspected`](crate::Guard::accept_introspected) checks issuer,
/// audience, time and scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introspected {
    issuer: Issuer,
    answer: Option<Arc<Answer>>,
}

impl Introspected {
    /// Returns the issuer whose server answered.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Tells whether the server called the token active, its times not compared yet.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.answer.is_some()
    }

    /// Returns the first second in which the answer is void, the end of any cache
    /// ([RFC 7662 section 4](https://www.rfc-editor.org/rfc/rfc7662#section-4)).
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixTime> {
        self.answer.as_ref().and_then(|answer| answer.exp)
    }

    /// Reads an answer whose members are the text.
    pub(crate) fn from_answer(issuer: &Issuer, text: &str) -> Result<Self, JsonError> {
        let Activity { active } = json::object_from_slice(text.as_bytes(), text.len())?;
        let members = if active { Some(json::object_from_slice(text.as_bytes(), text.len())?) } else { None };
        Ok(Self::new(issuer, members, || Claims::Answer(text.into())))
    }

    /// Reads an answer whose members are in `token_introspection`
    /// ([RFC 9701 section 5](https://www.rfc-editor.org/rfc/rfc9701#section-5)).
    pub(crate) fn from_signed_answer(issuer: &Issuer, text: &str) -> Result<Self, JsonError> {
        let Member { token_introspection: Activity { active } } =
            json::object_from_slice(text.as_bytes(), text.len())?;
        let members = if active {
            let answer: Member<Members> = json::object_from_slice(text.as_bytes(), text.len())?;
            Some(answer.token_introspection)
        } else {
            None
        };
        Ok(Self::new(issuer, members, || Claims::SignedAnswer(text.into())))
    }

    fn new(issuer: &Issuer, members: Option<Members>, claims: impl FnOnce() -> Claims) -> Self {
        let answer = members.map(|members| Arc::new(members.into_answer(issuer, claims)));
        Self { issuer: issuer.clone(), answer }
    }

    /// Checks everything but what the request needs; the issuer is one that the caller trusts.
    pub(crate) fn access(&self, expected: &Expected<'_>, now: UnixTime) -> Result<Access, Reason> {
        let is_current = |answer: &&Arc<Answer>| answer.is_current(expected.leeway, now);
        let answer = self.answer.as_ref().filter(is_current).ok_or(Reason::Inactive)?;
        // RFC 8725 section 3.8: a server speaks for its own tokens, whatever `iss` it writes.
        if answer.iss.as_ref().is_some_and(|iss| iss != self.issuer.as_str()) {
            return Err(Reason::OtherIssuer);
        }
        match &answer.aud {
            Some(aud) if expected.audiences.iter().any(|audience| aud.contains(audience)) => {}
            None if expected.absent_audience == AbsentAudience::Accepted => {}
            Some(_) | None => return Err(Reason::OtherAudience),
        }
        if answer.cnf.is_some() {
            return Err(Reason::SenderConstrained);
        }
        // RFC 7662 section 2.2: a refresh token is active, too; its answer has no type of RFC 6749 section 7.1.
        if !answer.token_type.as_ref().is_some_and(|name| name.eq_ignore_ascii_case("Bearer")) {
            return Err(Reason::NotBearer);
        }
        answer.access.clone().ok_or(Reason::Anonymous)
    }
}

/// What the answer about a token has to agree with.
pub(crate) struct Expected<'a> {
    pub(crate) audiences: &'a [String],
    pub(crate) absent_audience: AbsentAudience,
    pub(crate) leeway: Duration,
}

/// What becomes of an answer that names no audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AbsentAudience {
    Refused,
    Accepted,
}

/// An answer about an active token.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    iss: Option<String>,
    aud: Option<Audience>,
    token_type: Option<String>,
    exp: Option<UnixTime>,
    nbf: Option<UnixTime>,
    cnf: Option<Present>,
    /// What the token allows when all the rest is well; absent for an answer that names no subject or no client.
    access: Option<Access>,
}

impl Answer {
    fn is_current(&self, leeway: Duration, now: UnixTime) -> bool {
        self.exp.is_none_or(|exp| now < exp.saturating_add(leeway))
            && self.nbf.is_none_or(|nbf| nbf <= now.saturating_add(leeway))
    }
}

#[derive(Deserialize)]
struct Activity {
    active: bool,
}

/// The members of RFC 7662 section 2.2 that count here; one that is `null` counts as absent, but for
/// `cnf`: whatever its value, the token is not for a bearer (RFC 7800 section 3.1).
#[derive(Deserialize)]
struct Members {
    iss: Option<String>,
    aud: Option<Audience>,
    sub: Option<String>,
    client_id: Option<ClientId>,
    scope: Option<Scope>,
    token_type: Option<String>,
    exp: Option<UnixTime>,
    nbf: Option<UnixTime>,
    jti: Option<String>,
    /// RFC 9470 section 6.2
    acr: Option<String>,
    auth_time: Option<Seconds>,
    #[serde(default, deserialize_with = "present")]
    cnf: Option<Present>,
}

impl Members {
    fn into_answer(self, issuer: &Issuer, claims: impl FnOnce() -> Claims) -> Answer {
        let Self { iss, aud, sub, client_id, scope, token_type, exp, nbf, jti, acr, auth_time, cnf } = self;
        let parties = sub.filter(|subject| !subject.is_empty()).zip(client_id);
        let access = parties.map(|(subject, client_id)| {
            Access::from(Contents {
                issuer: issuer.clone(),
                subject: Subject::new(&subject, &client_id),
                client_id,
                scope: scope.unwrap_or_default(),
                expires_at: exp,
                token_id: jti,
                acr,
                auth_time: auth_time.map(|Seconds(time)| time),
                claims: claims(),
            })
        });
        Answer { iss, aud, token_type, exp, nbf, cnf, access }
    }
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

/// A member that is there, whatever its value.
#[derive(Debug, PartialEq, Eq)]
struct Present;

fn present<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Present>, D::Error> {
    IgnoredAny::deserialize(reader).map(|_| Some(Present))
}
