//! A parser behind a filter: a value is read as from the parser itself, and every object on the way is checked.

use alloc::{borrow::Cow, borrow::ToOwned};
use core::{cell::Cell, fmt};

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::JsonError;
use super::name::{NAME_OF_NUMBER, NameReader, Names, Text, is_reserved};

/// What a reading has met.
#[derive(Clone, Copy)]
pub(super) enum Verdict {
    /// Nothing but strict JSON, each piece of which was looked at.
    Strict,
    /// Something that the filter cannot judge, or an error that the reader may have swallowed.
    Unclear,
    /// A fault of the text.
    Fault(JsonError),
}

/// Puts the filter around a deserializer, and so around each visitor, seed and access that it leads to.
#[derive(Clone, Copy)]
pub(super) struct Strict<'a, I> {
    inner: I,
    verdict: &'a Cell<Verdict>,
}

impl<'a, I> Strict<'a, I> {
    pub(super) const fn new(inner: I, verdict: &'a Cell<Verdict>) -> Self {
        Self { inner, verdict }
    }
}

/// Keeps in mind that there was an error, whatever the reader makes of it.
#[inline]
fn noted<T, E>(verdict: &Cell<Verdict>, result: Result<T, E>) -> Result<T, E> {
    if result.is_err() {
        doubt(verdict);
    }
    result
}

#[cold]
fn doubt(verdict: &Cell<Verdict>) {
    if let Verdict::Strict = verdict.get() {
        verdict.set(Verdict::Unclear);
    }
}

#[cold]
fn fail<E: Error>(verdict: &Cell<Verdict>, fault: JsonError) -> E {
    verdict.set(Verdict::Fault(fault));
    E::custom(fault)
}

macro_rules! filter {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = Strict::new(visitor, self.verdict);
            noted(self.verdict, self.inner.$method($($name,)* visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, D> {
    type Error = D::Error;

    filter! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
    }

    /// The parser reads bytes from a string without looking for half of a surrogate pair.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        doubt(self.verdict);
        self.inner.deserialize_bytes(Strict::new(visitor, self.verdict))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_bytes(visitor)
    }

    /// The parser skips what is ignored, and the filter has to see it.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! forward {
    ($($method:ident($type:ty);)*) => {$(
        #[inline]
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    forward! {
        visit_bool(bool);
        visit_i8(i8);
        visit_i16(i16);
        visit_i32(i32);
        visit_i64(i64);
        visit_i128(i128);
        visit_u8(u8);
        visit_u16(u16);
        visit_u32(u32);
        visit_u64(u64);
        visit_u128(u128);
        visit_f32(f32);
        visit_f64(f64);
        visit_char(char);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(alloc::string::String);
        visit_bytes(&[u8]);
        visit_borrowed_bytes(&'de [u8]);
        visit_byte_buf(alloc::vec::Vec<u8>);
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Strict::new(reader, self.verdict))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, reader: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Strict::new(reader, self.verdict))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Strict::new(items, self.verdict))
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        let mut object = Object { names: Names::default(), verdict: self.verdict };
        self.inner.visit_map(StrictMembers { members, object: &mut object })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Strict::new(variant, self.verdict))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<'_, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Strict::new(reader, self.verdict))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        noted(self.verdict, self.inner.next_element_seed(Strict::new(seed, self.verdict)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// The members of one object.
struct StrictMembers<'n, 'a, 'de, A> {
    members: A,
    object: &'n mut Object<'a, 'de>,
}

struct Object<'a, 'de> {
    names: Names<'de>,
    verdict: &'a Cell<Verdict>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for StrictMembers<'_, '_, 'de, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let verdict = self.object.verdict;
        noted(verdict, self.members.next_key_seed(NameSeed { seed, object: self.object }))
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let verdict = self.object.verdict;
        noted(verdict, self.members.next_value_seed(Strict::new(seed, verdict)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.members.size_hint()
    }
}

/// Reads a member name and checks it before it is handed on.
///
/// The parser says of a name in the text that it is there, and hands out one that it made up at once.
struct NameSeed<'n, 'a, 'de, S> {
    seed: S,
    object: &'n mut Object<'a, 'de>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for NameSeed<'_, '_, 'de, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<S::Value, D::Error> {
        reader.deserialize_option(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for NameSeed<'_, '_, 'de, S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<S::Value, D::Error> {
        reader.deserialize_str(WrittenName(self))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<S::Value, E> {
        // Beside a number the parser makes up JSON text, which it skips and does not read.
        if name != NAME_OF_NUMBER {
            doubt(self.object.verdict);
        }
        self.seed.deserialize(NameReader::new(Cow::Owned(name.to_owned())))
    }
}

struct WrittenName<'n, 'a, 'de, S>(NameSeed<'n, 'a, 'de, S>);

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for WrittenName<'_, '_, 'de, S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<S::Value, E> {
        let Self(NameSeed { seed, object }) = self;
        if is_reserved(name) {
            return Err(fail(object.verdict, JsonError::ReservedMember));
        }
        if !object.names.insert(name) {
            return Err(fail(object.verdict, JsonError::RepeatedMember));
        }
        seed.deserialize(NameReader::new(Cow::Borrowed(name)))
    }

    /// A name with escapes.
    #[cold]
    fn visit_str<E: Error>(self, name: &str) -> Result<S::Value, E> {
        let Self(NameSeed { seed, object }) = self;
        if is_reserved(name) {
            return Err(fail(object.verdict, JsonError::ReservedMember));
        }
        if !object.names.insert_copy(name) {
            return Err(fail(object.verdict, JsonError::RepeatedMember));
        }
        seed.deserialize(NameReader::new(Cow::Owned(name.to_owned())))
    }
}

impl<'a, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Strict<'a, A> {
    type Error = A::Error;
    type Variant = Strict<'a, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let verdict = self.verdict;
        let (Text(name), variant) = noted(verdict, self.inner.variant::<Text<'de>>())?;
        // A reserved text is a fault only where it is the name of a member.
        if is_reserved(&name) {
            doubt(verdict);
        }
        let value = noted(verdict, seed.deserialize(NameReader::new(name)))?;
        Ok((value, Strict::new(variant, verdict)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Strict<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        noted(self.verdict, self.inner.unit_variant())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        noted(self.verdict, self.inner.newtype_variant_seed(Strict::new(seed, self.verdict)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        noted(self.verdict, self.inner.tuple_variant(len, Strict::new(visitor, self.verdict)))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        noted(self.verdict, self.inner.struct_variant(fields, Strict::new(visitor, self.verdict)))
    }
}
