//! The rules of a verifier about claims, read a second time without it.

use std::borrow::Cow;
use std::time::Duration;

use grantry::core::{UnixTime, json};
use grantry::jwt::{
    Algorithm, Buffer, Claim, HeaderFields, MAX_TOKEN_BYTES, RegisteredClaims, Verified, Verifier,
    VerifyError,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::fixture::{ISSUER, NOW, START};
use crate::keys::{KEY_SET, key};

const AUDIENCE: &str = "https://api.example";
const SUBJECT: &str = "user-1";
const EXTENSION: &str = "urn:x";

/// A signed payload is accepted exactly when every rule that the verifier was given holds as serde_json
/// alone reads the claims, with the error of the first rule that is broken, and as whatever type they are
/// read: owned or borrowed, a value, a struct or one with the other members beside it.
pub fn claims(data: &[u8]) {
    let (rules, payload) = match data.split_first_chunk() {
        // A payload alone is read under the fewest rules.
        Some(_) if data.starts_with(b"{") => (Rules::default(), data),
        Some((choices, payload)) => (Rules::chosen_by(*choices), payload),
        None => return,
    };
    let Some(token) = rules.sign(payload) else { return };
    let verifier = rules.verifier();
    let expected = rules.expect(payload);
    read_as::<Value>(&verifier, &token, payload, expected);
    read_as::<Typed>(&verifier, &token, payload, expected);
    read_as::<Flattened>(&verifier, &token, payload, expected);

    let mut buffer = Buffer::new();
    let borrowed = verifier.verify_in::<Borrowed<'_>>(&token, &KEY_SET, NOW, &mut buffer);
    assert_eq!(borrowed.map(Verified::into_claims), read_by_serde_json(payload, expected));

    if let Ok(verified) = verifier.verify::<Map<String, Value>>(&token, &KEY_SET, NOW) {
        assert_registered(verified.registered(), verified.claims());
        let extension = verified.critical_member::<u64>(EXTENSION);
        assert_eq!(extension, Ok(rules.is_extended.then_some(START)));
        let late = verifier.verify::<Value>(&token, &KEY_SET, UnixTime::MAX);
        assert!(late.is_err() || rules.expiration_is_optional, "a token without end");
    }
}

fn read_as<T>(verifier: &Verifier, token: &str, payload: &[u8], expected: Result<(), VerifyError>)
where
    T: DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let owned = verifier.verify::<T>(token, &KEY_SET, NOW);
    let mut buffer = Buffer::new();
    assert_eq!(verifier.verify_in(token, &KEY_SET, NOW, &mut buffer), owned);
    assert_eq!(owned.map(Verified::into_claims), read_by_serde_json(payload, expected));
}

fn read_by_serde_json<'a, T: Deserialize<'a>>(
    payload: &'a [u8],
    expected: Result<(), VerifyError>,
) -> Result<T, VerifyError> {
    expected?;
    serde_json::from_slice(payload).map_err(|_| VerifyError::ClaimsShape)
}

fn assert_registered(registered: &RegisteredClaims<'_>, claims: &Map<String, Value>) {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str, fraction| Some(UnixTime::from_secs(seconds(claims.get(name)?, fraction)?));
    assert_eq!(registered.issuer(), text("iss"));
    assert_eq!(registered.subject(), text("sub"));
    assert_eq!(registered.jwt_id(), text("jti"));
    assert_eq!(
        registered.audiences().collect::<Vec<_>>(),
        claims.get("aud").and_then(texts).unwrap_or_default()
    );
    assert_eq!(registered.expiration(), time("exp", f64::ceil));
    assert_eq!(registered.not_before(), time("nbf", f64::ceil));
    assert_eq!(registered.issued_at(), time("iat", f64::floor));
    assert_eq!(registered.clone().into_owned(), *registered);
}

/// Asks for the registered claims by types of its own, which not every good claim is.
#[derive(Debug, PartialEq, Deserialize)]
struct Typed {
    iss: Option<Box<str>>,
    #[serde(default)]
    aud: OneOrMany,
    exp: Option<f64>,
    nbf: Option<i64>,
    iat: Option<u32>,
    jti: Option<char>,
    x: Option<Value>,
}

#[derive(Debug, PartialEq, Deserialize, Default)]
#[serde(untagged)]
enum OneOrMany {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, PartialEq, Deserialize)]
struct Flattened {
    sub: Option<String>,
    exp: Option<Value>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Borrowed<'a> {
    #[serde(borrow)]
    iss: Option<Cow<'a, str>>,
    /// Only a text without escapes can be borrowed like this.
    #[serde(borrow)]
    sub: Option<&'a str>,
    #[serde(borrow)]
    aud: Option<Vec<Cow<'a, str>>>,
    exp: Option<u64>,
}

/// What a verifier is told, and what the header of the token says.
#[derive(Default)]
struct Rules {
    leeway: u64,
    max_age: Option<u64>,
    max_lifetime: Option<u64>,
    has_subject: bool,
    refuses_future: bool,
    required: Vec<(&'static str, Claim)>,
    expiration_is_optional: bool,
    accepts_any_issuer: bool,
    accepts_any_audience: bool,
    typ: Option<&'static str>,
    is_extended: bool,
    understands: bool,
}

impl Rules {
    fn chosen_by([leeway, flags, more, age, lifetime]: [u8; 5]) -> Self {
        let is_set = |bits: u8, bit: u8| bits & (1 << bit) != 0;
        Self {
            leeway: leeway.into(),
            max_age: is_set(flags, 0).then_some(age.into()),
            max_lifetime: is_set(flags, 1).then_some(u64::from(lifetime) * 10),
            has_subject: is_set(flags, 2),
            refuses_future: is_set(flags, 3),
            required: [("sub", Claim::Subject, 4), ("x", Claim::Other, 5), ("jti", Claim::JwtId, 6)]
                .into_iter()
                .filter_map(|(name, claim, bit)| is_set(flags, bit).then_some((name, claim)))
                .collect(),
            expiration_is_optional: is_set(flags, 7),
            accepts_any_issuer: is_set(more, 0),
            accepts_any_audience: is_set(more, 1),
            typ: [None, Some("JWT"), Some("application/jwt"), Some("at+jwt")][usize::from(more >> 2 & 3)],
            is_extended: is_set(more, 4),
            understands: is_set(more, 5),
        }
    }

    fn sign(&self, payload: &[u8]) -> Option<String> {
        let mut fields = HeaderFields::new().with_typ("JWT");
        if self.is_extended {
            fields = fields.with_critical_member(EXTENSION, START).unwrap();
        }
        key(Algorithm::Hs256).sign(fields, payload).ok()
    }

    fn verifier(&self) -> Verifier {
        let mut verifier = Verifier::new(ISSUER, AUDIENCE).with_leeway(Duration::from_secs(self.leeway));
        if let Some(seconds) = self.max_age {
            verifier = verifier.with_max_age(Duration::from_secs(seconds));
        }
        if let Some(seconds) = self.max_lifetime {
            verifier = verifier.with_max_lifetime(Duration::from_secs(seconds));
        }
        if let Some(typ) = self.typ {
            verifier = verifier.with_typ(typ);
        }
        type Change = fn(Verifier) -> Verifier;
        let changes: [(bool, Change); 6] = [
            (self.has_subject, |verifier| verifier.with_subject(SUBJECT)),
            (self.refuses_future, Verifier::refuse_issued_in_future),
            (self.expiration_is_optional, Verifier::danger_optional_expiration),
            (self.accepts_any_issuer, Verifier::danger_any_issuer),
            (self.accepts_any_audience, Verifier::danger_any_audience),
            (self.understands, |verifier| verifier.understands_critical(EXTENSION)),
        ];
        let chosen = changes.into_iter().filter(|(is_chosen, _)| *is_chosen);
        verifier = chosen.fold(verifier, |verifier, (_, change)| change(verifier));
        self.required.iter().fold(verifier, |verifier, (name, _)| verifier.require(*name))
    }

    /// Reads the rules off the payload, first to last.
    fn expect(&self, payload: &[u8]) -> Result<(), VerifyError> {
        if self.is_extended && !self.understands {
            return Err(VerifyError::Critical);
        }
        if self.typ == Some("at+jwt") {
            return Err(VerifyError::Typ);
        }
        // That it is strict is what the target `json` asserts of this reader.
        let claims = json::object_from_slice::<Map<String, Value>>(payload, MAX_TOKEN_BYTES)
            .map_err(|_| VerifyError::ClaimsJson)?;
        let of = |claim: Claim| claims.get(&claim.to_string());
        assert_types(&claims)?;
        let missing = |claim| Err(VerifyError::MissingClaim(claim));

        match of(Claim::Issuer) {
            _ if self.accepts_any_issuer => {}
            None => return missing(Claim::Issuer),
            Some(issuer) if issuer != ISSUER => return Err(VerifyError::Issuer),
            Some(_) => {}
        }
        match of(Claim::Audience).and_then(texts) {
            _ if self.accepts_any_audience => {}
            None => return missing(Claim::Audience),
            Some(audiences) if !audiences.contains(&AUDIENCE) => return Err(VerifyError::Audience),
            Some(_) => {}
        }
        match of(Claim::Subject) {
            _ if !self.has_subject => {}
            None => return missing(Claim::Subject),
            Some(subject) if subject != SUBJECT => return Err(VerifyError::Subject),
            Some(_) => {}
        }
        self.expect_times(&claims)?;
        for (name, claim) in &self.required {
            if claims.get(*name).is_none_or(Value::is_null) {
                return missing(*claim);
            }
        }
        Ok(())
    }

    /// In numbers that no sum overflows.
    fn expect_times(&self, claims: &Map<String, Value>) -> Result<(), VerifyError> {
        let of = |claim: Claim, fraction| {
            let value = claims.get(&claim.to_string());
            value.and_then(|value| seconds(value, fraction)).map(i128::from)
        };
        let expiration = of(Claim::Expiration, f64::ceil as fn(f64) -> f64);
        let (not_before, issued_at) = (of(Claim::NotBefore, f64::ceil), of(Claim::IssuedAt, f64::floor));
        let (now, leeway) = (i128::from(START), i128::from(self.leeway));
        let missing = VerifyError::MissingClaim;
        if expiration.is_none() && !self.expiration_is_optional {
            return Err(missing(Claim::Expiration));
        }
        if expiration.is_some_and(|expiration| expiration <= now - leeway) {
            return Err(VerifyError::Expired);
        }
        if not_before.is_some_and(|not_before| not_before > now + leeway) {
            return Err(VerifyError::NotYetValid);
        }
        // What comes from the future has no age and no lifetime yet.
        let refuses_future = self.refuses_future || self.max_age.is_some() || self.max_lifetime.is_some();
        if refuses_future && issued_at.is_some_and(|issued_at| issued_at > now + leeway) {
            return Err(VerifyError::IssuedInFuture);
        }
        if let Some(max_age) = self.max_age {
            let age = now - issued_at.ok_or(missing(Claim::IssuedAt))?;
            if age > i128::from(max_age) + leeway {
                return Err(VerifyError::TooOld);
            }
        }
        if let Some(max_lifetime) = self.max_lifetime {
            let expiration = expiration.ok_or(missing(Claim::Expiration))?;
            if expiration - issued_at.ok_or(missing(Claim::IssuedAt))? > i128::from(max_lifetime) {
                return Err(VerifyError::LifetimeTooLong);
            }
        }
        Ok(())
    }
}

/// RFC 7519 section 4.1: a registered claim that is there has its type.
fn assert_types(claims: &Map<String, Value>) -> Result<(), VerifyError> {
    type IsOf = fn(&Value) -> bool;
    let is_date: IsOf = |value| seconds(value, f64::floor).is_some();
    let types: [(Claim, IsOf); 7] = [
        (Claim::Issuer, Value::is_string),
        (Claim::Subject, Value::is_string),
        (Claim::Audience, |value| texts(value).is_some()),
        (Claim::Expiration, is_date),
        (Claim::NotBefore, is_date),
        (Claim::IssuedAt, is_date),
        (Claim::JwtId, Value::is_string),
    ];
    for (claim, is_of) in types {
        if claims.get(&claim.to_string()).is_some_and(|value| !is_of(value)) {
            return Err(VerifyError::MalformedClaim(claim));
        }
    }
    Ok(())
}

/// Returns the one text or the list of texts that a value is.
fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// Returns whole seconds from the epoch on; what 64 bits cannot hold is no date.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "below zero becomes it, as wanted"
)]
fn seconds(date: &Value, fraction: fn(f64) -> f64) -> Option<u64> {
    const RANGE: f64 = 18_446_744_073_709_551_616.0;
    let whole =
        || date.as_f64().filter(|date| (-RANGE < *date) && (*date < RANGE)).map(|date| fraction(date) as u64);
    date.as_u64().or_else(whole)
}
