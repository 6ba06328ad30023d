//! The names of members.

use alloc::{borrow::Cow, borrow::ToOwned, collections::BTreeSet};
use core::{fmt, marker::PhantomData};

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Number;

/// The name under which `serde_json` shows a number, with its feature `arbitrary_precision`.
pub(super) const NAME_OF_NUMBER: &str = "$serde_json::private::Number";

#[inline]
pub(super) fn is_reserved(name: &str) -> bool {
    name.starts_with(super::RESERVED_PREFIX)
}

/// A string, borrowed unless it holds an escape.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        reader.deserialize_str(Reader)
    }
}

/// The names of one object so far. A usual object needs no allocation, a huge one no quadratic time.
#[derive(Default)]
pub(super) struct Names<'a> {
    /// A bit for each name, by which most new names are known to be new at once.
    traces: u64,
    few: [Option<&'a str>; 16],
    count: usize,
    more: BTreeSet<Cow<'a, str>>,
}

impl<'a> Names<'a> {
    /// Adds a name and tells whether it is new.
    #[inline]
    pub(super) fn insert(&mut self, name: &'a str) -> bool {
        if self.is_known(name) {
            return false;
        }
        if let Some(free) = self.few.get_mut(self.count) {
            *free = Some(name);
            self.count += 1;
            return true;
        }
        self.more.insert(Cow::Borrowed(name))
    }

    /// Adds a name that does not live as long as the names.
    pub(super) fn insert_copy(&mut self, name: &str) -> bool {
        !self.is_known(name) && self.more.insert(Cow::Owned(name.to_owned()))
    }

    #[inline]
    fn is_known(&mut self, name: &str) -> bool {
        let trace = trace(name);
        let is_known = self.traces & trace != 0 && self.contains(name);
        self.traces |= trace;
        is_known
    }

    fn contains(&self, name: &str) -> bool {
        self.few.iter().flatten().any(|other| *other == name) || self.more.contains(name)
    }
}

#[inline]
fn trace(name: &str) -> u64 {
    let byte = |byte: Option<&u8>| byte.copied().map_or(0, u32::from);
    let bytes = name.as_bytes();
    1_u64.rotate_left(byte(bytes.first()) * 3 + byte(bytes.last()) * 5 + byte(bytes.get(1)))
}

/// Reads a name into whatever the reader takes for one, as the parser does.
pub(super) struct NameReader<'de, E> {
    name: Cow<'de, str>,
    error: PhantomData<E>,
}

impl<'de, E> NameReader<'de, E> {
    pub(super) const fn new(name: Cow<'de, str>) -> Self {
        Self { name, error: PhantomData }
    }
}

macro_rules! number {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
            match self.name.parse::<Number>() {
                Ok(number) => number.$method(visitor).map_err(E::custom),
                Err(_) => self.deserialize_any(visitor),
            }
        }
    )*};
}

macro_rules! wide_number {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
            match (self.name.parse::<Number>(), self.name.parse::<$type>()) {
                (Ok(_), Ok(number)) => visitor.$visit(number),
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de, E: Error> Deserializer<'de> for NameReader<'de, E> {
    type Error = E;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.name {
            Cow::Borrowed(name) => visitor.visit_borrowed_str(name),
            Cow::Owned(name) => visitor.visit_string(name),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, E> {
        match self.name {
            Cow::Borrowed(text) => {
                BorrowedStrDeserializer::new(text).deserialize_enum(name, variants, visitor)
            }
            Cow::Owned(text) => text.into_deserializer().deserialize_enum(name, variants, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match &*self.name {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => self.deserialize_any(visitor),
        }
    }

    number! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64
    }

    wide_number! {
        deserialize_i128 visit_i128 i128;
        deserialize_u128 visit_u128 u128;
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}
