//! Header members that a verifier must understand
//! ([RFC 7515 section 4.1.11](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11)).

use alloc::{borrow::Cow, collections::BTreeMap, collections::BTreeSet, string::String};

use grantry_core::json::{self, JsonError};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use crate::VerifyError;
use crate::jws::MAX_TOKEN_BYTES;
use crate::member::Member;

/// The names that RFC 7515 section 4.1 and RFC 7518 section 4 give a meaning, and `b64`, which RFC 7797
/// section 7 keeps out of a JWT: none is an extension.
const NEVER_EXTENSIONS: [&str; 21] = [
    "alg", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "cty", "crit", "enc", "zip", "epk",
    "apu", "apv", "iv", "tag", "p2s", "p2c", "b64",
];

/// Tells whether `crit` may list a header member.
pub(crate) fn may_be_extension(name: &str) -> bool {
    !NEVER_EXTENSIONS.contains(&name)
}

pub(crate) fn check(crit: &Member<'_>, header: &[u8], understood: &[String]) -> Result<(), VerifyError> {
    let Member::Texts(names) = crit else {
        return Err(VerifyError::Critical);
    };
    let members = json::object_from_slice::<BTreeMap<Cow<'_, str>, IgnoredAny>>(header, MAX_TOKEN_BYTES)
        .map_err(|_| VerifyError::HeaderJson)?;
    let is_understood = |name: &Cow<'_, str>| {
        understood.iter().any(|known| known == name) && may_be_extension(name) && members.contains_key(name)
    };
    let distinct = names.iter().collect::<BTreeSet<_>>();
    if !names.is_empty() && distinct.len() == names.len() && names.iter().all(is_understood) {
        Ok(())
    } else {
        Err(VerifyError::Critical)
    }
}

/// Reads a member that `crit` lists from the text of a header.
pub(crate) fn member<T: DeserializeOwned>(header: &[u8], name: &str) -> Result<Option<T>, JsonError> {
    let mut members = json::object_from_slice::<Map<String, Value>>(header, MAX_TOKEN_BYTES)?;
    let is_listed = |names: &Value| names.as_array().is_some_and(|names| names.iter().any(|n| n == name));
    if !members.get("crit").is_some_and(is_listed) {
        return Ok(None);
    }
    members.remove(name).map(serde_json::from_value).transpose().map_err(|_| JsonError::Shape)
}
