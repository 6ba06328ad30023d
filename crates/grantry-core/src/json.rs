//! JSON from strangers: bounded, and no member named twice.

use alloc::{borrow::Cow, collections::BTreeSet};
use core::{cell::Cell, fmt};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Reads one JSON text of at most `limit` bytes into `T`.
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
    if text.len() > limit {
        return Err(JsonError::TooLong);
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let fault = Cell::new(JsonError::RepeatedMember);
    Strict { fault: &fault }.deserialize(&mut reader).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => fault.get(),
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => JsonError::Syntax,
    })?;
    reader.end().map_err(|_| JsonError::Syntax)?;
    serde_json::from_slice(text).map_err(|_| JsonError::Shape)
}

/// Reads one JSON object of at most `limit` bytes into `T`.
///
/// serde also reads a structure from an array of its members' values; here only an object will do.
///
/// # Errors
///
/// As [`from_slice`]; [`JsonError::Shape`] for any value but an object.
pub fn object_from_slice<'de, T: Deserialize<'de>>(text: &'de [u8], limit: usize) -> Result<T, JsonError> {
    let value = from_slice(text, limit)?;
    if text.trim_ascii_start().first() == Some(&b'{') { Ok(value) } else { Err(JsonError::Shape) }
}

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

/// What every name begins with that `serde_json` gives a meaning of its own.
const RESERVED: &str = "$serde_json::private::";

/// Walks any JSON value and fails on a member name that is repeated or reserved.
#[derive(Clone, Copy)]
struct Strict<'a> {
    fault: &'a Cell<JsonError>,
}

impl Strict<'_> {
    fn fail<E: serde::de::Error>(self, fault: JsonError) -> E {
        self.fault.set(fault);
        E::custom(fault)
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(name) = members.next_key()? {
            let Name::Written(name) = name else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            if name.starts_with(RESERVED) {
                return Err(self.fail(JsonError::ReservedMember));
            }
            if !seen.insert(name) {
                return Err(self.fail(JsonError::RepeatedMember));
            }
            members.next_value_seed(self)?;
        }
        Ok(())
    }
}

/// A member name.
enum Name<'a> {
    /// One that stands in the text, borrowed unless it holds an escape.
    Written(Cow<'a, str>),
    /// One that the parser made up: with its feature `arbitrary_precision` it shows a number as an
    /// object, under a reserved name.
    MadeUp,
}

/// The parser says of a written name that it is there, and hands out a made-up one at once.
impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member name")
            }

            fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
                Borrowed::deserialize(reader).map(|Borrowed(name)| Name::Written(name))
            }

            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Name::MadeUp)
            }
        }

        reader.deserialize_option(Reader)
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

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
