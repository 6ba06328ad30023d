//! JSON objects of strangers, read member by member.
//!
//! A member keeps its wrong type until someone asks for it, so that a fault names its member and an
//! unused member of any type does no harm.

use alloc::{borrow::Cow, borrow::ToOwned, vec::Vec};
use core::{fmt, marker::PhantomData};

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// An element that should be an object; serde alone reads a struct from an array as well.
pub(crate) enum MaybeObject<T> {
    Object(T),
    Other,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for MaybeObject<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = MaybeObject<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(MaybeObject::Object)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(MaybeObject::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(MaybeObject::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(MaybeObject::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(MaybeObject::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(MaybeObject::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(MaybeObject::Other)
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(MaybeObject::Other)
            }
        }

        reader.deserialize_any(Reader(PhantomData))
    }
}

/// One member of a header or a JWK.
#[derive(Default)]
pub(crate) enum Member<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Texts(Vec<Cow<'a, str>>),
    /// Any other JSON value, `null` included.
    Other,
}

impl<'a> Member<'a> {
    pub(crate) const fn is_present(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// Returns the text, `None` when the member is absent, an error when it is not a string.
    pub(crate) fn text(&self) -> Result<Option<&str>, NotText> {
        match self {
            Self::Absent => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::Texts(_) | Self::Other => Err(NotText),
        }
    }
}

/// The member is not a string.
pub(crate) struct NotText;

impl<'de: 'a, 'a> Deserialize<'de> for Member<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Member<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Member::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Member::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut texts = Some(Vec::new());
                while let Some(item) = items.next_element::<Member<'de>>()? {
                    texts = match (texts, item) {
                        (Some(mut texts), Member::Text(text)) => {
                            texts.push(text);
                            Some(texts)
                        }
                        _ => None,
                    };
                }
                Ok(texts.map_or(Member::Other, Member::Texts))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Member::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Member::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Member::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Member::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Member::Other)
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Member::Other)
            }
        }

        reader.deserialize_any(Reader)
    }
}
