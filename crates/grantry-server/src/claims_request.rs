//! The `claims` parameter: single claims that a client asks for
//! ([OpenID Connect Core section 5.5](https://openid.net/specs/openid-connect-core-1_0.html#ClaimsParameter)).

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};

use grantry_core::json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::claims::is_reserved;
use crate::denial::Reason;
use crate::grant::Subject;

/// Which single claims a client asks for, and how the person has to be authenticated.
///
/// The claims that the server always says where it can, as `auth_time`, are not among the names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimsRequest {
    #[serde(rename = "u", skip_serializing_if = "BTreeSet::is_empty")]
    userinfo: BTreeSet<String>,
    #[serde(rename = "i", skip_serializing_if = "BTreeSet::is_empty")]
    id_token: BTreeSet<String>,
    #[serde(rename = "a", skip_serializing_if = "Acr::is_unasked")]
    acr: Acr,
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    subject: Option<Subject>,
}

/// What is asked of the authentication context, best value first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Acr {
    #[default]
    #[serde(rename = "-")]
    Unasked,
    #[serde(rename = "v")]
    Voluntary(Vec<String>),
    #[serde(rename = "e")]
    Essential(Vec<String>),
}

impl ClaimsRequest {
    /// The longest parameter accepted, in bytes: what it asks for is stored with the grant.
    pub const MAX_BYTES: usize = 4096;
    /// The most claims asked for at one place: more than the standard ones, and each is stored.
    pub const MAX_NAMES: usize = 64;
    /// The most `acr` values: they are stored, and a list of preferences is short.
    pub const MAX_VALUES: usize = 16;

    /// Reads the parameter. Members that the specification does not name are ignored.
    pub(crate) fn parse(text: &str) -> Result<Self, Reason> {
        if text.len() > Self::MAX_BYTES {
            return Err(Reason::TooLong("claims"));
        }
        let wire: Wire = json::object_from_slice(text.as_bytes(), Self::MAX_BYTES).map_err(|_| MALFORMED)?;
        let request = Self {
            userinfo: wire.userinfo.names()?,
            id_token: wire.id_token.names()?,
            acr: wire.id_token.acr()?,
            subject: subject(&wire)?,
        };
        Ok(request)
    }

    /// Writes the parameter that asks for this.
    pub(crate) fn to_parameter(&self) -> String {
        let names = |names: &BTreeSet<String>| -> Map<String, Value> {
            names.iter().map(|name| (name.clone(), Value::Null)).collect()
        };
        let mut id_token = names(&self.id_token);
        match &self.acr {
            Acr::Unasked => {}
            Acr::Voluntary(values) => drop(id_token.insert("acr".into(), acr(false, values))),
            Acr::Essential(values) => drop(id_token.insert("acr".into(), acr(true, values))),
        }
        if let Some(subject) = &self.subject {
            id_token.insert("sub".into(), json!({ "value": subject }));
        }
        json!({ "userinfo": names(&self.userinfo), "id_token": id_token }).to_string()
    }

    /// The same request for another person.
    pub(crate) fn with_subject(self, subject: Option<Subject>) -> Self {
        Self { subject, ..self }
    }

    /// The same request without the names that `keep` leaves out.
    pub(crate) fn within(&self, keep: impl Fn(&str) -> bool) -> Self {
        let kept = |names: &BTreeSet<String>| names.iter().filter(|name| keep(name)).cloned().collect();
        Self { userinfo: kept(&self.userinfo), id_token: kept(&self.id_token), ..self.clone() }
    }

    /// Asks for one person and nothing else.
    pub(crate) fn of_subject(subject: Option<Subject>) -> Self {
        Self { subject, ..Self::default() }
    }

    /// The request that asks for nothing, as most do.
    pub(crate) const NOTHING: Self =
        Self { userinfo: BTreeSet::new(), id_token: BTreeSet::new(), acr: Acr::Unasked, subject: None };

    /// Keeps what is asked for out of the way; `None` where nothing is.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (!self.is_empty()).then(|| Box::new(self))
    }

    /// Tells whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::NOTHING
    }

    /// Returns the claims asked for at the userinfo endpoint.
    pub fn userinfo_names(&self) -> impl Iterator<Item = &str> {
        self.userinfo.iter().map(String::as_str)
    }

    /// Returns the claims asked for in the ID token.
    pub fn id_token_names(&self) -> impl Iterator<Item = &str> {
        self.id_token.iter().map(String::as_str)
    }

    /// Returns the authentication contexts of which the login must have one; an empty list if any will do
    /// ([OpenID Connect Core section 5.5.1.1](https://openid.net/specs/openid-connect-core-1_0.html#acrSemantics)).
    #[must_use]
    pub fn essential_acr(&self) -> Option<&[String]> {
        match &self.acr {
            Acr::Essential(values) => Some(values),
            Acr::Unasked | Acr::Voluntary(_) => None,
        }
    }

    /// Returns the authentication contexts that the client wants, essential or not, the best first.
    #[must_use]
    pub fn acr_values(&self) -> &[String] {
        match &self.acr {
            Acr::Unasked => &[],
            Acr::Voluntary(values) | Acr::Essential(values) => values,
        }
    }

    /// Returns the only person for whom the client takes an answer
    /// ([OpenID Connect Core section 5.5.1](https://openid.net/specs/openid-connect-core-1_0.html#IndividualClaimsRequests)).
    #[must_use]
    pub const fn subject(&self) -> Option<&Subject> {
        self.subject.as_ref()
    }

    /// Tells whether a login in this authentication context is strong enough
    /// ([RFC 9470 section 5](https://www.rfc-editor.org/rfc/rfc9470#section-5)).
    #[must_use]
    pub fn accepts_acr(&self, acr: Option<&str>) -> bool {
        self.essential_acr().is_none_or(|essential| {
            acr.is_some_and(|acr| essential.is_empty() || essential.iter().any(|value| value == acr))
        })
    }

    pub(crate) fn has_userinfo_name(&self, name: &str) -> bool {
        self.userinfo.contains(name)
    }

    pub(crate) fn has_id_token_name(&self, name: &str) -> bool {
        self.id_token.contains(name)
    }
}

fn acr(essential: bool, values: &[String]) -> Value {
    if values.is_empty() {
        json!({ "essential": essential })
    } else {
        json!({ "essential": essential, "values": values })
    }
}

impl Acr {
    const fn is_unasked(&self) -> bool {
        matches!(self, Self::Unasked)
    }
}

const MALFORMED: Reason = Reason::Malformed("claims");

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    userinfo: Members,
    #[serde(default)]
    id_token: Members,
}

/// A claim by name: `null`, or an object that says more.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Members(BTreeMap<String, Option<BTreeMap<String, Value>>>);

impl Members {
    fn names(&self) -> Result<BTreeSet<String>, Reason> {
        for claim in self.0.values().flatten() {
            essential(claim)?;
            values(claim)?;
        }
        if self.0.len() > ClaimsRequest::MAX_NAMES {
            return Err(Reason::TooLong("claims"));
        }
        Ok(self.0.keys().filter(|name| !is_reserved(name)).cloned().collect())
    }

    fn acr(&self) -> Result<Acr, Reason> {
        let claim = match self.0.get("acr") {
            None => return Ok(Acr::Unasked),
            Some(None) => return Ok(Acr::Voluntary(Vec::new())),
            Some(Some(claim)) => claim,
        };
        let asked = values(claim)?;
        if asked.as_ref().is_some_and(|values| values.len() > ClaimsRequest::MAX_VALUES) {
            return Err(Reason::TooLong("claims"));
        }
        let texts = texts(asked)?;
        Ok(if essential(claim)? { Acr::Essential(texts) } else { Acr::Voluntary(texts) })
    }

    fn subjects(&self) -> Result<Vec<String>, Reason> {
        self.0.get("sub").and_then(Option::as_ref).map_or(Ok(Vec::new()), |claim| texts(values(claim)?))
    }
}

/// One value at most: two persons cannot both be meant.
fn subject(wire: &Wire) -> Result<Option<Subject>, Reason> {
    let mut asked = wire.id_token.subjects()?;
    asked.extend(wire.userinfo.subjects()?);
    asked.dedup();
    match asked.as_slice() {
        [] => Ok(None),
        [subject] => Subject::parse(subject.as_str()).map(Some).map_err(|_| MALFORMED),
        _ => Err(MALFORMED),
    }
}

fn essential(claim: &BTreeMap<String, Value>) -> Result<bool, Reason> {
    claim.get("essential").map_or(Ok(false), |value| value.as_bool().ok_or(MALFORMED))
}

/// The values that are asked for; `None` if any will do.
fn values(claim: &BTreeMap<String, Value>) -> Result<Option<Vec<&Value>>, Reason> {
    match (claim.get("value"), claim.get("values")) {
        (None, None) => Ok(None),
        (Some(value), None) => Ok(Some(alloc::vec![value])),
        // An empty array would ask for a claim that no value fits.
        (None, Some(Value::Array(values))) if !values.is_empty() => Ok(Some(values.iter().collect())),
        _ => Err(MALFORMED),
    }
}

fn texts(values: Option<Vec<&Value>>) -> Result<Vec<String>, Reason> {
    let text = |value: &Value| value.as_str().map(String::from).ok_or(MALFORMED);
    values.unwrap_or_default().into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString, vec, vec::Vec};

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<ClaimsRequest, Reason> {
        ClaimsRequest::parse(&value.to_string())
    }

    fn id_token(claims: &Value) -> Result<ClaimsRequest, Reason> {
        parse(&json!({ "id_token": claims }))
    }

    /// The example of OpenID Connect Core section 5.5, with its `acr` of section 5.5.1.1.
    #[test]
    fn oidc_5_5_the_example_of_the_specification_is_read() {
        let request = parse(&json!({
            "userinfo": {
                "given_name": { "essential": true },
                "nickname": null,
                "email": { "essential": true },
                "email_verified": { "essential": true },
                "picture": null,
                "http://example.info/claims/groups": null,
            },
            "id_token": {
                "auth_time": { "essential": true },
                "acr": { "values": ["urn:mace:incommon:iap:silver"] },
            },
        }))
        .unwrap();
        let names: Vec<_> = request.userinfo_names().collect();
        let expected = [
            "email",
            "email_verified",
            "given_name",
            "http://example.info/claims/groups",
            "nickname",
            "picture",
        ];
        assert_eq!(names, expected);
        // What the server says anyhow is not stored.
        assert_eq!(request.id_token_names().count(), 0);
        assert_eq!(request.acr_values(), ["urn:mace:incommon:iap:silver"]);
        assert_eq!((request.essential_acr(), request.subject()), (None, None));
        assert!(!request.is_empty() && ClaimsRequest::default().is_empty());
    }

    #[test]
    fn oidc_5_5_what_is_not_known_is_ignored() {
        let request = parse(&json!({
            "userinfo": { "email": { "purpose": [1], "value": { "a": 1 } } },
            "id_token": { "email": {} },
            "verified_claims": 7,
        }));
        let request = request.unwrap();
        assert!(request.has_userinfo_name("email") && request.has_id_token_name("email"));
        assert_eq!(parse(&json!({})), Ok(ClaimsRequest::default()));
    }

    #[test]
    fn oidc_5_5_a_wrong_type_is_refused() {
        for value in [
            json!([]),
            json!("{}"),
            json!(null),
            json!({ "userinfo": null }),
            json!({ "userinfo": [] }),
            json!({ "id_token": "acr" }),
            json!({ "userinfo": { "email": true } }),
            json!({ "userinfo": { "email": [true] } }),
            json!({ "userinfo": { "email": { "essential": "true" } } }),
            json!({ "userinfo": { "email": { "essential": null } } }),
            json!({ "userinfo": { "email": { "values": "a" } } }),
            json!({ "userinfo": { "email": { "values": [] } } }),
            json!({ "userinfo": { "email": { "value": 1, "values": [1] } } }),
            json!({ "id_token": { "acr": { "value": 1 } } }),
            json!({ "id_token": { "acr": { "values": ["a", null] } } }),
            json!({ "id_token": { "sub": { "value": "" } } }),
            json!({ "id_token": { "sub": { "value": 1 } } }),
        ] {
            assert_eq!(parse(&value), Err(MALFORMED), "{value}");
        }
        for text in [
            "",
            "{",
            r#"{"userinfo":{},"userinfo":{}}"#,
            r#"{"userinfo":{"a":null,"a":null}}"#,
            r#"{"id_token":{"acr":{"value":"a","value":"b"}}}"#,
        ] {
            assert_eq!(ClaimsRequest::parse(text), Err(MALFORMED), "{text}");
        }
    }

    #[test]
    fn what_is_stored_has_limits() {
        let names = |count: usize| -> Value {
            let names = (0..count).map(|index| (format!("c{index}"), Value::Null));
            json!({ "userinfo": names.collect::<Map<_, _>>() })
        };
        assert!(parse(&names(ClaimsRequest::MAX_NAMES)).is_ok());
        assert_eq!(parse(&names(ClaimsRequest::MAX_NAMES + 1)), Err(Reason::TooLong("claims")));
        let acr = |count: usize| json!({ "acr": { "values": vec!["a"; count] } });
        assert!(id_token(&acr(ClaimsRequest::MAX_VALUES)).is_ok());
        assert_eq!(id_token(&acr(ClaimsRequest::MAX_VALUES + 1)), Err(Reason::TooLong("claims")));
        let text = |bytes: usize| format!("{{{}}}", " ".repeat(bytes - 2));
        assert!(ClaimsRequest::parse(&text(ClaimsRequest::MAX_BYTES)).is_ok());
        let too_long = ClaimsRequest::parse(&text(ClaimsRequest::MAX_BYTES + 1));
        assert_eq!(too_long, Err(Reason::TooLong("claims")));
    }

    #[test]
    fn oidc_5_5_1_1_an_essential_acr_binds() {
        let one_of =
            id_token(&json!({ "acr": { "essential": true, "values": ["gold", "silver"] } })).unwrap();
        assert_eq!(one_of.essential_acr().unwrap(), ["gold", "silver"]);
        let any = id_token(&json!({ "acr": { "essential": true } })).unwrap();
        assert_eq!(any.essential_acr().unwrap().len(), 0);
        let voluntary = id_token(&json!({ "acr": { "value": "gold" } })).unwrap();
        let none = ClaimsRequest::default();
        for (acr, accepted) in [
            (Some("gold"), [true, true, true, true]),
            (Some("Gold"), [false, true, true, true]),
            (None, [false, false, true, true]),
        ] {
            let found = [&one_of, &any, &voluntary, &none].map(|request| request.accepts_acr(acr));
            assert_eq!(found, accepted, "{acr:?}");
        }
    }

    #[test]
    fn oidc_5_5_1_one_subject_is_meant() {
        for value in [
            json!({ "id_token": { "sub": { "value": "alice" } } }),
            json!({ "userinfo": { "sub": { "values": ["alice"] } } }),
            json!({ "id_token": { "sub": { "value": "alice" } }, "userinfo": { "sub": { "value": "alice" } } }),
        ] {
            let alice = Subject::parse("alice").unwrap();
            assert_eq!(parse(&value).unwrap().subject(), Some(&alice), "{value}");
        }
        assert_eq!(id_token(&json!({ "sub": null })).unwrap().subject(), None);
        for value in [
            json!({ "id_token": { "sub": { "values": ["alice", "bob"] } } }),
            json!({ "id_token": { "sub": { "value": "alice" } }, "userinfo": { "sub": { "value": "bob" } } }),
        ] {
            assert_eq!(parse(&value), Err(MALFORMED), "{value}");
        }
    }

    #[test]
    fn the_stored_form_is_short_and_reads_back() {
        let request = parse(&json!({
            "userinfo": { "email": null },
            "id_token": { "name": null, "acr": { "essential": true, "value": "gold" }, "sub": { "value": "alice" } },
        }))
        .unwrap();
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(text, r#"{"u":["email"],"i":["name"],"a":{"e":["gold"]},"s":"alice"}"#);
        assert_eq!(serde_json::from_str::<ClaimsRequest>(&text).unwrap(), request);
        assert_eq!(serde_json::to_string(&ClaimsRequest::default()).unwrap(), "{}");
        assert_eq!(serde_json::from_str::<ClaimsRequest>("{}").unwrap(), ClaimsRequest::default());
        assert!(serde_json::from_str::<ClaimsRequest>(r#"{"z":1}"#).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,60}|[{}\\[\\]\":,a-z]{0,60}") {
            let _ = ClaimsRequest::parse(&text);
            let _ = ClaimsRequest::parse(&json!({ "id_token": { text.as_str(): null } }).to_string());
        }
    }
}
