//! One pass over a payload, for the verifier and for the caller's type at once.

use alloc::{collections::BTreeMap, string::String};
use core::fmt;

use grantry_core::json;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use crate::capture::{Capture, Captured, CapturedReader, HandOn};
use crate::claims::Found;
use crate::jws::MAX_TOKEN_BYTES;
use crate::span::{self, Span};
use crate::{Claim, VerifyError};

/// What is noted of the claims on their way to a `T`.
pub(crate) struct Notes<'a> {
    pub(crate) found: &'a mut Found,
    pub(crate) present: Present,
    /// Of several the first in the order of RFC 7519 section 4.1.
    malformed: Option<Claim>,
}

impl<'a> Notes<'a> {
    pub(crate) fn new(found: &'a mut Found) -> Self {
        Self { found, present: Present::default(), malformed: None }
    }

    /// Reads the claims of a payload as `T`, and on the way the registered ones and which of the `required`
    /// are there.
    ///
    /// A `T` that asks for more than its value, as for JSON text as it stands, is refused here.
    #[inline]
    pub(crate) fn read<'p, T: Deserialize<'p>>(
        &mut self,
        payload: &'p str,
        required: &[String],
        claims: &mut Option<T>,
    ) -> Result<(), VerifyError> {
        let mut place = Place { payload, required, notes: self, claim: Claim::Other };
        let reader = Reader { place: &mut place, claims };
        json::object_from_str(payload, MAX_TOKEN_BYTES, reader).map_err(|_| VerifyError::ClaimsJson)?;
        match self.malformed {
            None => Ok(()),
            Some(claim) => Err(VerifyError::MalformedClaim(claim)),
        }
    }
}

/// The required claims that were seen, a bit for each; one whose name is written with escapes is not.
#[derive(Clone, Copy, Default)]
pub(crate) struct Present(u64);

impl Present {
    /// Returns the first required claim that is missing or `null`.
    pub(crate) fn missing<'a>(self, required: &'a [String], payload: &str) -> Option<&'a String> {
        if u32::try_from(required.len()) == Ok(self.0.count_ones()) {
            return None;
        }
        let claims = serde_json::from_str::<BTreeMap<String, Option<IgnoredAny>>>(payload);
        let is_missing =
            |name: &&String| !claims.as_ref().is_ok_and(|claims| matches!(claims.get(*name), Some(Some(_))));
        required.iter().find(is_missing)
    }

    fn note(&mut self, required: &[String], name: &str, payload: &str) {
        let bits = (0..u64::BITS).map(|position| 1 << position);
        for (bit, _) in bits.zip(required).filter(|(_, required)| *required == name) {
            if has_value(payload, name) {
                self.0 |= bit;
            }
        }
    }
}

/// Whether something other than `null` follows a member name that stands in a payload of strict JSON.
fn has_value(payload: &str, name: &str) -> bool {
    const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];
    span::after(name, payload)
        .and_then(|rest| rest.strip_prefix('"')?.trim_start_matches(SPACE).strip_prefix(':'))
        .is_some_and(|value| !value.trim_start_matches(SPACE).starts_with('n'))
}

/// Leaves the claims where they stay, for moving them up call by call takes its time.
struct Reader<'c, 'a, 'n, 'p, T> {
    place: &'c mut Place<'a, 'n, 'p>,
    claims: &'c mut Option<T>,
}

impl<'p, T: Deserialize<'p>> DeserializeSeed<'p> for Reader<'_, '_, '_, 'p, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'p>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'p, T: Deserialize<'p>> Visitor<'p> for Reader<'_, '_, '_, 'p, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claims")
    }

    #[inline]
    fn visit_map<A: MapAccess<'p>>(self, members: A) -> Result<(), A::Error> {
        let Self { place, claims } = self;
        *claims = Some(T::deserialize(Object(&mut Claims { members, place }))?);
        Ok(())
    }
}

/// The members of the claims, each noted before it is handed on.
struct Claims<'c, 'a, 'n, 'p, A> {
    members: A,
    place: &'c mut Place<'a, 'n, 'p>,
}

struct Place<'a, 'n, 'p> {
    payload: &'p str,
    required: &'a [String],
    notes: &'a mut Notes<'n>,
    /// The claim whose value comes next.
    claim: Claim,
}

impl<'p, A: MapAccess<'p>> MapAccess<'p> for Claims<'_, '_, '_, 'p, A> {
    type Error = A::Error;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'p>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.members.next_key_seed(NameSeed { seed, place: self.place })
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'p>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        if self.place.claim == Claim::Other {
            return self.members.next_value_seed(seed);
        }
        self.members.next_value_seed(ValueSeed { seed, place: self.place })
    }
}

struct NameSeed<'c, 'a, 'n, 'p, S> {
    seed: S,
    place: &'c mut Place<'a, 'n, 'p>,
}

impl<'p, S: DeserializeSeed<'p>> DeserializeSeed<'p> for NameSeed<'_, '_, '_, 'p, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'p>>(self, reader: D) -> Result<S::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'p, S: DeserializeSeed<'p>> Visitor<'p> for NameSeed<'_, '_, '_, 'p, S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a claim")
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, name: &'p str) -> Result<S::Value, E> {
        let Place { payload, required, notes, claim } = self.place;
        *claim = Claim::from_name(name);
        if !required.is_empty() {
            notes.present.note(required, name, payload);
        }
        self.seed.deserialize(BorrowedStrDeserializer::new(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<S::Value, E> {
        self.place.claim = Claim::from_name(name);
        self.seed.deserialize(name.into_deserializer())
    }
}

struct ValueSeed<'c, 'a, 'n, 'p, S> {
    seed: S,
    place: &'c mut Place<'a, 'n, 'p>,
}

impl<'p, S: DeserializeSeed<'p>> ValueSeed<'_, '_, '_, 'p, S> {
    /// Notes whether the claim has its type, and hands the value on.
    #[inline]
    fn hand_on<T: HandOn<'p>, E: Error>(self, kept: Option<()>, value: T) -> Result<S::Value, E> {
        if kept.is_none() {
            let Place { notes, claim, .. } = self.place;
            notes.malformed = Some(notes.malformed.map_or(*claim, |other| other.min(*claim)));
        }
        self.seed.deserialize(CapturedReader::new(value))
    }

    #[cold]
    fn hand_on_captured<E: Error>(self, value: Captured<'p>) -> Result<S::Value, E> {
        let Place { payload, notes, claim, .. } = &mut *self.place;
        let kept = notes.found.keep(*claim, &value, payload);
        self.hand_on(kept, value)
    }
}

impl<'p, S: DeserializeSeed<'p>> DeserializeSeed<'p> for ValueSeed<'_, '_, '_, 'p, S> {
    type Value = S::Value;

    #[inline]
    fn deserialize<D: Deserializer<'p>>(self, reader: D) -> Result<S::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

macro_rules! captured {
    ($($method:ident($($value:ident: $type:ty)?);)*) => {$(
        fn $method<E: Error>(self, $($value: $type)?) -> Result<S::Value, E> {
            let value = Capture { payload: self.place.payload }.$method($($value)?)?;
            self.hand_on_captured(value)
        }
    )*};
}

impl<'p, S: DeserializeSeed<'p>> Visitor<'p> for ValueSeed<'_, '_, '_, 'p, S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a claim")
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, text: &'p str) -> Result<S::Value, E> {
        let Place { payload, notes, claim, .. } = &mut *self.place;
        let kept = Span::of(text, payload).and_then(|span| notes.found.keep_span(*claim, span));
        self.hand_on(kept, text)
    }

    #[inline]
    fn visit_u64<E: Error>(self, number: u64) -> Result<S::Value, E> {
        let Place { notes, claim, .. } = &mut *self.place;
        let kept = notes.found.keep_seconds(*claim, number);
        self.hand_on(kept, number)
    }

    captured! {
        visit_str(text: &str);
        visit_i64(number: i64);
        visit_f64(number: f64);
        visit_bool(value: bool);
        visit_unit();
    }

    fn visit_seq<A: SeqAccess<'p>>(self, items: A) -> Result<S::Value, A::Error> {
        let value = Capture { payload: self.place.payload }.visit_seq(items)?;
        self.hand_on_captured(value)
    }

    fn visit_map<A: MapAccess<'p>>(self, members: A) -> Result<S::Value, A::Error> {
        let value = Capture { payload: self.place.payload }.visit_map(members)?;
        self.hand_on_captured(value)
    }
}

/// An object, whatever it is read as.
struct Object<A>(A);

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Object<A> {
    type Error = A::Error;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
