//! What a header says beside the algorithm and the key id.

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    vec::Vec,
};

use grantry_core::base64url::Codec;
use grantry_core::json;
use serde::Serialize;
use serde_json::Value;

use crate::critical::may_be_extension;
use crate::{SignError, VerifyingKey};

/// The members of a JOSE header beside `alg` and `kid`, which come from the key
/// ([RFC 7515 section 4](https://www.rfc-editor.org/rfc/rfc7515#section-4)).
///
/// A text or an option of one stands for the fields with that `typ` alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderFields<'a> {
    typ: Option<&'a str>,
    cty: Option<&'a str>,
    others: Vec<(String, Value)>,
    critical: Vec<String>,
}

impl<'a> HeaderFields<'a> {
    /// Makes fields without any member.
    #[must_use]
    pub const fn new() -> Self {
        Self { typ: None, cty: None, others: Vec::new(), critical: Vec::new() }
    }

    /// Sets the media type of the whole token, `typ`, as `at+jwt`
    /// ([RFC 7515 section 4.1.9](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.9)).
    #[must_use]
    pub const fn with_typ(mut self, typ: &'a str) -> Self {
        self.typ = Some(typ);
        self
    }

    /// Sets the media type of the payload, `cty`
    /// ([RFC 7515 section 4.1.10](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.10)).
    #[must_use]
    pub const fn with_cty(mut self, cty: &'a str) -> Self {
        self.cty = Some(cty);
        self
    }

    /// Adds a member, as `jwk` or one of the application's own.
    ///
    /// # Errors
    ///
    /// [`SignError::Header`] for `alg`, `kid`, `typ`, `cty`, `crit` and `b64`, for a name that is there
    /// already or reserved by the parser, and for a value that is no JSON.
    pub fn with_member(mut self, name: &str, value: impl Serialize) -> Result<Self, SignError> {
        const KEPT: [&str; 6] = ["alg", "kid", "typ", "cty", "crit", "b64"];
        let is_reserved = name.starts_with(json::RESERVED_PREFIX);
        if is_reserved || KEPT.contains(&name) || self.others.iter().any(|(other, _)| other == name) {
            return Err(SignError::Header);
        }
        let value = serde_json::to_value(value).map_err(|_| SignError::Header)?;
        self.others.push((name.to_owned(), value));
        Ok(self)
    }

    /// Adds a member that a verifier must understand or refuse the token, `crit`
    /// ([RFC 7515 section 4.1.11](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11)).
    ///
    /// # Errors
    ///
    /// As [`HeaderFields::with_member`]; [`SignError::Header`] also for every name that RFC 7515 or
    /// RFC 7518 registers.
    pub fn with_critical_member(mut self, name: &str, value: impl Serialize) -> Result<Self, SignError> {
        if !may_be_extension(name) {
            return Err(SignError::Header);
        }
        self.critical.push(name.to_owned());
        self.with_member(name, value)
    }

    /// Appends what follows the start of a header.
    pub(crate) fn write(&self, start: &HeaderStart, text: &mut Vec<u8>) -> Result<(), SignError> {
        text.extend_from_slice(&start.rest);
        for (name, value) in [(&b",\"typ\":"[..], self.typ), (b",\"cty\":", self.cty)] {
            if let Some(value) = value {
                text.extend_from_slice(name);
                push_string(text, value);
            }
        }
        for (name, value) in &self.others {
            text.push(b',');
            push_string(text, name);
            text.push(b':');
            push_value(text, value)?;
        }
        if !self.critical.is_empty() {
            text.extend_from_slice(b",\"crit\":");
            push_value(text, &self.critical)?;
        }
        text.push(b'}');
        Ok(())
    }
}

/// What every header of a key begins with, `alg` and `kid`: encoded once, as far as it fills groups of
/// three bytes.
pub(crate) struct HeaderStart {
    encoded: Vec<u8>,
    rest: Vec<u8>,
    codec: Codec,
}

impl HeaderStart {
    pub(crate) fn of(key: &VerifyingKey, codec: Codec) -> Self {
        let mut text = br#"{"alg":""#.to_vec();
        text.extend_from_slice(key.algorithm().as_str().as_bytes());
        text.push(b'"');
        if let Some(key_id) = key.key_id() {
            text.extend_from_slice(b",\"kid\":");
            push_string(&mut text, key_id);
        }
        let rest = text.split_off(text.len() / 3 * 3);
        let mut encoded = Vec::new();
        codec.encode_to(text, &mut encoded);
        Self { encoded, rest, codec }
    }

    /// Returns the start before a header that is whole.
    pub(crate) const fn none() -> Self {
        Self { encoded: Vec::new(), rest: Vec::new(), codec: Codec::portable() }
    }

    /// Returns the beginning of a token, in base64url.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    pub(crate) const fn codec(&self) -> &Codec {
        &self.codec
    }
}

impl<'a> From<&'a str> for HeaderFields<'a> {
    fn from(typ: &'a str) -> Self {
        Self::new().with_typ(typ)
    }
}

impl<'a> From<Option<&'a str>> for HeaderFields<'a> {
    fn from(typ: Option<&'a str>) -> Self {
        Self { typ, ..Self::new() }
    }
}

/// Most texts need no escape, and no allocation of their own.
fn push_string(text: &mut Vec<u8>, value: &str) {
    if value.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        text.extend_from_slice(Value::from(value).to_string().as_bytes());
        return;
    }
    text.push(b'"');
    text.extend_from_slice(value.as_bytes());
    text.push(b'"');
}

fn push_value(text: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<(), SignError> {
    text.extend_from_slice(&serde_json::to_vec(value).map_err(|_| SignError::Header)?);
    Ok(())
}
