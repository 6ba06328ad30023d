//! The readers of grantry-core.

use grantry::core::base64url::Codec;
use grantry::core::form::{self, Form, FormError, Known};
use grantry::core::json::{self, JsonError};
use grantry::core::{Scope, ScopeError, base64url};
use serde_json::Value;

use crate::edit::text;
use crate::fixture::parameters;

const KNOWN: Known = Known { once: &["code", "state", "scope", "iss"], many: &["resource"] };

/// Reading any bytes gives a form or an error, never a value that the URL Standard would not read, and
/// what `form::encode` wrote from a form or from any text reads back the same.
pub fn form(data: &[u8]) {
    if let Ok(form) = Form::parse(data, &KNOWN) {
        let pairs = pairs(&form);
        for name in KNOWN.once.iter().chain(KNOWN.many) {
            let standard: Vec<_> = parameters(data, name).into_iter().filter(|v| !v.is_empty()).collect();
            assert_eq!(form.all(name).collect::<Vec<_>>(), standard, "{name}");
        }
        let written = form::encode(pairs.iter().copied());
        let again = Form::parse(written.as_bytes(), &KNOWN).expect("a form that was written");
        assert_eq!(self::pairs(&again), pairs);
    }
    any_text(&text(data));
    let component = text(data);
    let decoded = form::decode_component(&form::encode_component(&component));
    assert_eq!(decoded.expect("a component that was written").expose(), component);
    let _ = form::decode_component(&component);
}

/// Each line is the value of the next parameter, the last of which may repeat.
fn any_text(text: &str) {
    let names = KNOWN.once.iter().copied().chain(std::iter::repeat("resource"));
    let pairs: Vec<_> = names.zip(text.split('\n')).filter(|(_, value)| !value.is_empty()).collect();
    let written = form::encode(pairs.iter().copied());
    match Form::parse(written.as_bytes(), &KNOWN) {
        Ok(form) => assert_eq!(self::pairs(&form), pairs),
        Err(FormError::ControlCharacter(_)) => assert!(text.chars().any(char::is_control)),
        Err(FormError::TooManyParameters) => assert!(pairs.len() > form::MAX_PARAMETERS),
        Err(FormError::TooLong) => assert!(written.len() > form::MAX_BYTES),
        Err(error) => panic!("{error} in a form that was written"),
    }
}

fn pairs<'a>(form: &'a Form<'_>) -> Vec<(&'a str, &'a str)> {
    let names = KNOWN.once.iter().chain(KNOWN.many);
    names.flat_map(|name| form.all(name).map(move |value| (*name, value))).collect()
}

/// A scope that is read holds the tokens of its text and no others, each within the grammar of RFC 6749
/// section 3.3, and reads back the same from what it writes.
pub fn scope(data: &[u8]) {
    let text = text(data);
    let scope = match Scope::parse(&text) {
        Ok(scope) => scope,
        Err(error) => return assert_scope_fault(&text, error),
    };
    assert!(scope.iter().all(is_scope_token));
    assert!(text.split(' ').filter(|token| !token.is_empty()).all(|token| scope.contains(token)));
    assert!(scope.iter().all(|token| text.split(' ').any(|other| other == token)));
    assert_eq!(Scope::parse(&scope.to_string()).as_ref(), Ok(&scope));
    let narrowed = scope.filter(|token| token.len() % 2 == 0);
    assert!(narrowed.is_within(&scope) && scope.is_within(&scope));
    assert_eq!(scope.is_within(&narrowed), scope == narrowed);
}

fn assert_scope_fault(text: &str, error: ScopeError) {
    let tokens = || text.split(' ').filter(|token| !token.is_empty());
    match error {
        ScopeError::TooLong => assert!(text.len() > Scope::MAX_BYTES),
        ScopeError::TooManyTokens => assert!(tokens().count() > Scope::MAX_TOKENS),
        ScopeError::Character => assert!(!tokens().all(is_scope_token)),
        ScopeError::EmptyToken => assert!(text.split(' ').any(str::is_empty)),
        other => panic!("{other:?}"),
    }
}

fn is_scope_token(token: &str) -> bool {
    token.chars().all(|character| matches!(character, '!'..='~') && !matches!(character, '"' | '\\'))
}

/// The strict reader reads what serde_json reads, to the same value, but for texts that are too long,
/// name a member twice or by a name of the parser's own.
pub fn json(data: &[u8]) {
    const LIMIT: usize = 2048;
    let standard = serde_json::from_slice::<Value>(data).ok();
    match (json::from_slice::<Value>(data, LIMIT), &standard) {
        (Ok(value), _) => assert_eq!(Some(&value), standard.as_ref()),
        (Err(JsonError::TooLong), _) => assert!(data.len() > LIMIT),
        // A member that stands twice is one member in serde_json's value.
        (Err(JsonError::RepeatedMember), Some(value)) => assert!(members(value) < colons(data)),
        (Err(JsonError::ReservedMember), Some(value)) => {
            assert!(has_reserved(value) || members(value) < colons(data));
        }
        (Err(JsonError::RepeatedMember | JsonError::ReservedMember | JsonError::Syntax), None) => {}
        (Err(error), _) => panic!("{error}"),
    }
    let object = json::object_from_slice::<Value>(data, LIMIT);
    assert_eq!(object.is_ok(), json::from_slice::<Value>(data, LIMIT).is_ok_and(|value| value.is_object()));
}

/// Every codec reads what the alphabet alone spells, in its one spelling and into used room as into fresh,
/// and writes what reads back.
pub fn base64url(data: &[u8]) {
    let plain = spelled(data);
    assert_eq!(base64url::decode(data).ok(), plain);
    for codec in [Codec::portable(), Codec::fastest()] {
        let mut buffer = b"used".to_vec();
        let into = codec.decode_into(data, &mut buffer).ok().map(|()| buffer);
        assert_eq!(into, plain);
        assert_eq!(codec.with_decoded::<96, _>(data, <[u8]>::to_vec).ok(), plain);
        assert_eq!(codec.with_decoded::<0, _>(data, <[u8]>::to_vec).ok(), plain);
        let mut written = b"=".to_vec();
        codec.encode_to(data, &mut written);
        assert_eq!(spelled(&written[1..]).as_deref(), Some(data));
        assert_eq!(base64url::encode(data).as_bytes(), &written[1..]);
    }
}

/// Reads six bits a letter (RFC 4648 section 5); what is left over is less than a letter, and zero.
fn spelled(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_usize, 0);
    for letter in text {
        bits = bits << 6 | ALPHABET.iter().position(|other| other == letter)?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    (count < 6 && bits == 0).then_some(bytes)
}

fn has_reserved(value: &Value) -> bool {
    match value {
        Value::Object(object) => object
            .iter()
            .any(|(name, value)| name.starts_with("$serde_json::private::") || has_reserved(value)),
        Value::Array(items) => items.iter().any(has_reserved),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn members(value: &Value) -> usize {
    match value {
        Value::Object(object) => object.values().map(|value| 1 + members(value)).sum(),
        Value::Array(items) => items.iter().map(members).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Counts the colons of a JSON text that stand outside of strings: one for each member.
fn colons(text: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b':' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}
