//! Claims that the host hands in as data.

use alloc::{string::String, sync::Arc};
use core::fmt;

use grantry_core::json::{self, JsonError};
use serde::de::IgnoredAny;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// Claims of the host's own: what it knows of a person, or wants to tell resource servers in access tokens.
///
/// The names that the protocols use are reserved, so that no claim of a host can stand in the place of one
/// that the server vouches for, in any kind of token or answer. A clone is one reference more.
///
/// ```
/// use grantry_server::{Claims, ClaimsError};
///
/// let claims = Claims::from_json(r#"{"name": "Alice", "email": "alice@example.org"}"#)?;
/// assert_eq!(claims.names().collect::<Vec<_>>(), ["email", "name"]);
/// assert_eq!(Claims::from_json(r#"{"sub": "root"}"#), Err(ClaimsError::Reserved("sub")));
/// # Ok::<(), ClaimsError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Claims(Arc<Map<String, Value>>);

impl Claims {
    /// The longest set of claims, in bytes of its JSON text: in a token there is room for it beside the
    /// server's own claims, within [`MAX_TOKEN_BYTES`](grantry_jwt::MAX_TOKEN_BYTES).
    pub const MAX_BYTES: usize = 8 * 1024;

    /// Checks a set of claims.
    ///
    /// # Errors
    ///
    /// [`ClaimsError`] names the first rule that the claims break.
    pub fn new(claims: Map<String, Value>) -> Result<Self, ClaimsError> {
        let text = serde_json::to_vec(&claims).map_err(|_| ClaimsError::Json(JsonError::Shape))?;
        // A name that serde_json keeps for itself, or nesting too deep, is refused by every strict reader.
        json::object_from_slice::<IgnoredAny>(&text, Self::MAX_BYTES)?;
        Self::unreserved(claims)
    }

    /// Reads a set of claims from the text of a JSON object.
    ///
    /// # Errors
    ///
    /// As [`Claims::new`]; [`ClaimsError::Json`] also for what is no JSON object, or names a member twice.
    pub fn from_json(text: &str) -> Result<Self, ClaimsError> {
        Self::unreserved(json::object_from_slice(text.as_bytes(), Self::MAX_BYTES)?)
    }

    /// Returns the names in the order of their bytes, or as they were inserted where the host has turned the
    /// feature `preserve_order` of `serde_json` on.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns the value of a claim.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Tells whether there is no claim.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Returns the claims that `keep` selects and that say something.
    // OpenID Connect Core section 5.3.2: no claim is null or empty, it is left out.
    pub(crate) fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        let says_something = |value: &Value| !value.is_null() && value.as_str() != Some("");
        let kept = self.0.iter().filter(|(name, value)| keep(name) && says_something(value));
        Self(Arc::new(kept.map(|(name, value)| (name.clone(), value.clone())).collect()))
    }

    fn unreserved(claims: Map<String, Value>) -> Result<Self, ClaimsError> {
        match RESERVED.iter().find(|name| claims.contains_key(**name)) {
            Some(name) => Err(ClaimsError::Reserved(name)),
            None => Ok(Self(Arc::new(claims))),
        }
    }
}

impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Shows the names: values are personal data.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Tells whether a name belongs to the protocols.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// What the protocols say themselves, in a token, in an introspection answer or at userinfo.
const RESERVED: &[&str] = &[
    // RFC 7519 section 4.1
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    // RFC 9068 section 2.2, RFC 8693 section 4
    "client_id",
    "scope",
    "act",
    "may_act",
    // RFC 7800 section 3.1, RFC 9449 section 6
    "cnf",
    // RFC 7662 section 2.2
    "active",
    "username",
    "token_type",
    // OpenID Connect Core sections 2, 3.1.3.6, 3.3.2.11 and 7.4; FAPI 1.0 Advanced section 5.1 for s_hash
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "at_hash",
    "c_hash",
    "s_hash",
    "sub_jwk",
    // OpenID Connect Back-Channel Logout section 2.4: by these a logout token differs from others.
    "sid",
    "events",
];

/// Why claims cannot be handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// Not a JSON object of at most [`Claims::MAX_BYTES`] with each name once.
    #[error("the claims are not a JSON object of 8192 bytes or less: {0}")]
    Json(#[from] JsonError),
    /// The claim is one that the server says itself.
    #[error("the claim {0} is the server's own to say")]
    Reserved(&'static str),
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString, vec::Vec};

    use serde_json::json;

    use super::*;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn rfc7519_4_1_no_host_says_what_the_server_vouches_for() {
        for name in RESERVED {
            let claims = json!({ "email": "a@example.org", *name: "x" });
            assert_eq!(Claims::from_json(&claims.to_string()), Err(ClaimsError::Reserved(name)));
            assert_eq!(Claims::new(map(&claims)), Err(ClaimsError::Reserved(name)));
            assert!(is_reserved(name));
        }
        // Names are case-sensitive, and only the top level counts.
        for claims in [json!({ "SUB": 1 }), json!({ "a": { "sub": 1 } }), json!({}), json!({ "roles": [] })] {
            assert_eq!(Claims::new(map(&claims)), Claims::from_json(&claims.to_string()));
            assert!(Claims::new(map(&claims)).is_ok());
        }
    }

    #[test]
    fn claims_are_one_strict_json_object() {
        for (text, error) in [
            (r#"{"a":1,"a":2}"#, JsonError::RepeatedMember),
            (r#"{"a":{"b":1,"b":2}}"#, JsonError::RepeatedMember),
            (r#"{"a":{"$serde_json::private::Number":"1"}}"#, JsonError::ReservedMember),
            ("[]", JsonError::Shape),
            ("{", JsonError::Syntax),
        ] {
            assert_eq!(Claims::from_json(text), Err(ClaimsError::Json(error)), "{text}");
        }
        let hidden = json!({ "a": [{ "$serde_json::private::Number": "1" }] });
        assert_eq!(Claims::new(map(&hidden)), Err(ClaimsError::Json(JsonError::ReservedMember)));
    }

    #[test]
    fn claims_have_a_length() {
        let of = |bytes: usize| json!({ "a": "x".repeat(bytes - r#"{"a":""}"#.len()) });
        assert!(Claims::new(map(&of(Claims::MAX_BYTES))).is_ok());
        assert!(Claims::from_json(&of(Claims::MAX_BYTES).to_string()).is_ok());
        let too_long = of(Claims::MAX_BYTES + 1);
        assert_eq!(Claims::new(map(&too_long)), Err(ClaimsError::Json(JsonError::TooLong)));
        assert_eq!(Claims::from_json(&too_long.to_string()), Err(ClaimsError::Json(JsonError::TooLong)));
    }

    #[test]
    fn rfc8259_9_deep_claims_are_refused() {
        let deep = (0..200).fold(json!(1), |value, _| json!([value]));
        assert_eq!(Claims::new(map(&json!({ "a": deep }))), Err(ClaimsError::Json(JsonError::Syntax)));
    }

    #[test]
    fn debug_shows_names_only() {
        let claims = Claims::from_json(r#"{"email":"alice@example.org","age":41}"#).unwrap();
        assert_eq!(format!("{claims:?}"), r#"{"age", "email"}"#);
        assert_eq!(claims.names().collect::<Vec<_>>(), ["age", "email"]);
        assert_eq!(claims.get("age"), Some(&json!(41)));
    }

    /// OpenID Connect Core section 5.3.2.
    #[test]
    fn a_claim_that_says_nothing_is_left_out() {
        let claims = Claims::from_json(r#"{"a":null,"b":"","c":false,"d":0,"e":[]}"#).unwrap();
        assert_eq!(claims.filter(|_| true).names().collect::<Vec<_>>(), ["c", "d", "e"]);
        assert!(claims.filter(|_| false).is_empty());
    }
}
