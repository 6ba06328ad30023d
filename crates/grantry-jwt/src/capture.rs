//! The values of registered claims, seen on their way to the caller's type.

use alloc::{borrow::Cow, borrow::ToOwned, vec::Vec};
use core::{fmt, marker::PhantomData};

use serde::de::value::{MapAccessDeserializer, SeqDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Number, Value};

use crate::span::{self, unquoted};

/// The value of a claim, as far as a registered one may have it.
pub(crate) enum Captured<'de> {
    Text(Cow<'de, str>),
    /// An array of strings without escapes, from the start of the first to the end of the last.
    Verbatim(&'de str),
    /// An array of strings.
    Texts(Vec<Cow<'de, str>>),
    Number(Number),
    Other,
}

impl Captured<'_> {
    #[inline]
    pub(crate) const fn number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            Self::Text(_) | Self::Verbatim(_) | Self::Texts(_) | Self::Other => None,
        }
    }
}

/// Captures a value of this payload.
#[derive(Clone, Copy)]
pub(crate) struct Capture<'de> {
    pub(crate) payload: &'de str,
}

impl<'de> Capture<'de> {
    /// Adds a string to an array.
    fn join(self, texts: Captured<'de>, text: Cow<'de, str>) -> Captured<'de> {
        let mut list = match (texts, &text) {
            (Captured::Texts(list), Cow::Borrowed(text)) if list.is_empty() => {
                return Captured::Verbatim(text);
            }
            (Captured::Verbatim(before), Cow::Borrowed(text)) => {
                return span::joined(before, text, self.payload).map_or(Captured::Other, Captured::Verbatim);
            }
            (Captured::Verbatim(before), Cow::Owned(_)) => unquoted(before).map(Cow::Borrowed).collect(),
            (Captured::Texts(list), _) => list,
            (other, _) => return other,
        };
        list.push(text);
        Captured::Texts(list)
    }
}

impl<'de> DeserializeSeed<'de> for Capture<'de> {
    type Value = Captured<'de>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Capture<'de> {
    type Value = Captured<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    #[inline]
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Captured::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Captured::Text(Cow::Owned(text.to_owned())))
    }

    #[inline]
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Captured::Number(number.into()))
    }

    #[inline]
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Captured::Number(number.into()))
    }

    #[inline]
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(number).map_or(Captured::Other, Captured::Number))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Captured::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Captured::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut texts = Captured::Texts(Vec::new());
        while let Some(item) = items.next_element_seed(self)? {
            texts = match item {
                Captured::Text(text) => self.join(texts, text),
                Captured::Verbatim(_) | Captured::Texts(_) | Captured::Number(_) | Captured::Other => {
                    Captured::Other
                }
            };
        }
        Ok(texts)
    }

    /// With its feature `arbitrary_precision` the parser shows a number as an object.
    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        match Value::deserialize(MapAccessDeserializer::new(members))? {
            Value::Number(number) => Ok(Captured::Number(number)),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                Ok(Captured::Other)
            }
        }
    }
}

/// A value that can be handed on as the parser would have.
pub(crate) trait HandOn<'de>: Sized {
    fn hand_on<V: Visitor<'de>, E: Error>(self, visitor: V) -> Result<V::Value, E>;
}

impl<'de> HandOn<'de> for &'de str {
    #[inline]
    fn hand_on<V: Visitor<'de>, E: Error>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_borrowed_str(self)
    }
}

impl<'de> HandOn<'de> for u64 {
    #[inline]
    fn hand_on<V: Visitor<'de>, E: Error>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_u64(self)
    }
}

impl<'de> HandOn<'de> for Captured<'de> {
    fn hand_on<V: Visitor<'de>, E: Error>(self, visitor: V) -> Result<V::Value, E> {
        match self {
            Self::Text(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Self::Text(Cow::Owned(text)) => visitor.visit_string(text),
            Self::Verbatim(texts) => visit_texts(unquoted(texts).map(Cow::Borrowed), visitor),
            Self::Texts(texts) => visit_texts(texts.into_iter(), visitor),
            Self::Number(number) => number.deserialize_any(visitor).map_err(E::custom),
            Self::Other => visitor.visit_unit(),
        }
    }
}

/// Reads a value that was captured into the type of the caller.
pub(crate) struct CapturedReader<T, E> {
    value: T,
    error: PhantomData<E>,
}

impl<T, E> CapturedReader<T, E> {
    #[inline]
    pub(crate) const fn new(value: T) -> Self {
        Self { value, error: PhantomData }
    }
}

impl<'de, T: HandOn<'de>, E: Error> IntoDeserializer<'de, E> for CapturedReader<T, E> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// An enum is none of the types: it is read from the text, in a pass of its own.
impl<'de, T: HandOn<'de>, E: Error> Deserializer<'de> for CapturedReader<T, E> {
    type Error = E;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        self.value.hand_on(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_some(self)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

fn visit_texts<'de, V: Visitor<'de>, E: Error>(
    texts: impl Iterator<Item = Cow<'de, str>>,
    visitor: V,
) -> Result<V::Value, E> {
    let mut items = SeqDeserializer::new(texts.map(|text| CapturedReader::new(Captured::Text(text))));
    let value = visitor.visit_seq(&mut items)?;
    items.end()?;
    Ok(value)
}
