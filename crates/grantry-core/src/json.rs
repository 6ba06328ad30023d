//! JSON from strangers, bounded and with no member named twice; and for them.

mod name;
mod strict;
mod writer;

use core::cell::Cell;
use core::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny};

use strict::{Strict, Verdict};
pub use writer::ObjectWriter;

/// Reads one JSON text of at most `limit` bytes into `T`, in one pass.
///
/// A member named twice is refused at every depth: two parsers in one request path must not see two
/// values ([RFC 8259 section 4](https://www.rfc-editor.org/rfc/rfc8259#section-4)). Nesting deeper
/// than 127 levels is refused. Escapes in names are resolved before they are compared. A name that
/// the parser keeps for itself is refused, too: under it a number or a whole JSON text can stand where
/// `T` sees another type, depending on features of `serde_json` that any crate of the host can turn on.
///
/// # Errors
///
/// [`JsonError::TooLong`] before anything is parsed; [`JsonError::Syntax`] for what is not one JSON
/// text in UTF-8; [`JsonError::RepeatedMember`]; [`JsonError::ReservedMember`]; [`JsonError::Shape`]
/// when the text is JSON but not a `T`.
pub fn from_slice<'de, T: Deserialize<'de>>(text: &'de [u8], limit: usize) -> Result<T, JsonError> {
    read(checked(text, limit)?)
}

/// Reads one JSON object of at most `limit` bytes into `T`.
///
/// serde also reads a structure from an array of its members' values; here only an object will do.
///
/// # Errors
///
/// As [`from_slice`]; [`JsonError::Shape`] for any value but an object.
pub fn object_from_slice<'de, T: Deserialize<'de>>(text: &'de [u8], limit: usize) -> Result<T, JsonError> {
    let text = checked(text, limit)?;
    if is_object(text) {
        return read(text);
    }
    walk(text)?;
    Err(JsonError::Shape)
}

/// Reads one JSON object of at most `limit` bytes as `seed` tells, which then has seen every member in its
/// place.
///
/// That cannot be said of a reading that went on after an error or that took JSON text unread, and it is
/// refused here, unlike in [`object_from_slice`].
///
/// # Errors
///
/// As [`object_from_slice`].
pub fn object_from_str<'de, S: DeserializeSeed<'de>>(
    text: &'de str,
    limit: usize,
    seed: S,
) -> Result<S::Value, JsonError> {
    if text.len() > limit {
        return Err(JsonError::TooLong);
    }
    let verdict = Cell::new(Verdict::Strict);
    if is_object(text) {
        if let (Some(value), Verdict::Strict) = (attempt(text, seed, &verdict), verdict.get()) {
            return Ok(value);
        }
    }
    walk(text)?;
    Err(JsonError::Shape)
}

/// What every member name begins with that `serde_json` gives a meaning of its own, and that is refused here.
pub const RESERVED_PREFIX: &str = "$serde_json::private::";

/// Why a JSON text was refused. No variant holds a piece of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Longer than the limit of its place.
    #[error("the JSON text is longer than its limit")]
    TooLong,
    /// Not one JSON text in UTF-8, or nested deeper than 127 levels.
    #[error("not a JSON text (RFC 8259)")]
    Syntax,
    /// An object has two members of one name.
    #[error("a member name stands twice (RFC 8259 section 4)")]
    RepeatedMember,
    /// A member has a name that the parser keeps for itself.
    #[error("a member name is reserved by the parser")]
    ReservedMember,
    /// A required member is missing or a member has another type.
    #[error("a member is missing or of another type")]
    Shape,
}

/// Once here, UTF-8 is not looked at again by the parser.
fn checked(text: &[u8], limit: usize) -> Result<&str, JsonError> {
    if text.len() > limit {
        return Err(JsonError::TooLong);
    }
    core::str::from_utf8(text).map_err(|_| JsonError::Syntax)
}

fn is_object(text: &str) -> bool {
    text.trim_ascii_start().starts_with('{')
}

fn read<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, JsonError> {
    let verdict = Cell::new(Verdict::Strict);
    let value = attempt(text, PhantomData, &verdict);
    match (value, verdict.get()) {
        (Some(value), Verdict::Strict) => Ok(value),
        (value, _) => {
            walk(text)?;
            value.ok_or(JsonError::Shape)
        }
    }
}

/// Looks at the text alone, to find the first fault that it has.
#[cold]
fn walk(text: &str) -> Result<(), JsonError> {
    let verdict = Cell::new(Verdict::Strict);
    match (attempt(text, PhantomData::<IgnoredAny>, &verdict), verdict.get()) {
        (_, Verdict::Fault(fault)) => Err(fault),
        (Some(IgnoredAny), _) => Ok(()),
        (None, _) => Err(JsonError::Syntax),
    }
}

fn attempt<'de, S: DeserializeSeed<'de>>(
    text: &'de str,
    seed: S,
    verdict: &Cell<Verdict>,
) -> Option<S::Value> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(Strict::new(&mut reader, verdict)).ok()?;
    reader.end().ok()?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct A {
        a: u32,
    }

    fn read(text: &str) -> Result<A, JsonError> {
        from_slice(text.as_bytes(), 4096)
    }

    #[test]
    fn rfc8259_4_a_name_stands_once_at_every_depth() {
        assert_eq!(read(r#"{"a":1,"b":{"c":[{"d":1}]}}"#), Ok(A { a: 1 }));
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":1}"#, r#"{"a":1,"b":[{"x":1,"x":2}]}"#] {
            assert_eq!(read(text), Err(JsonError::RepeatedMember), "{text}");
        }
    }

    #[test]
    fn a_name_that_the_parser_keeps_for_itself_is_refused() {
        for text in [
            r#"{"a":1,"b":{"$serde_json::private::Number":"1"}}"#,
            r#"{"a":1,"b":[{"$serde_json::private::RawValue":"1"}]}"#,
            r#"{"a":1,"\u0024serde_json::private::X":1}"#,
            r#"{"a":{"$serde_json::private::Number":"1"}}"#,
        ] {
            assert_eq!(read(text), Err(JsonError::ReservedMember), "{text}");
        }
        assert_eq!(read(r#"{"a":1,"b":"$serde_json::private::Number","$serde":1.5e300}"#), Ok(A { a: 1 }));
    }

    #[test]
    fn each_fault_has_its_error() {
        for text in ["", "{", r#"{"a":1}x"#, r#"{"a":1,}"#, "\u{feff}{\"a\":1}", "{'a':1}", r#"{"a":NaN}"#] {
            assert_eq!(read(text), Err(JsonError::Syntax), "{text}");
        }
        assert_eq!(from_slice::<A>(b"{\"a\":1,\"b\":\"\xff\"}", 99), Err(JsonError::Syntax));
        assert_eq!(read("[]"), Err(JsonError::Shape));
        assert_eq!(read(r#"{"a":"1"}"#), Err(JsonError::Shape));
        assert_eq!(from_slice::<A>(br#"{"a":1}"#, 6), Err(JsonError::TooLong));
    }

    #[test]
    fn an_array_is_not_read_as_a_structure() {
        assert_eq!(object_from_slice(b" {\"a\":1}", 99), Ok(A { a: 1 }));
        assert_eq!(object_from_slice::<A>(b" [1]", 99), Err(JsonError::Shape));
        assert_eq!(object_from_slice::<A>(b"[1", 99), Err(JsonError::Syntax));
    }

    #[test]
    fn deep_nesting_is_refused_without_recursion_to_the_end() {
        let deep: String = core::iter::repeat_n('[', 100_000).collect();
        assert_eq!(from_slice::<A>(deep.as_bytes(), 1 << 20), Err(JsonError::Syntax));
    }
}
