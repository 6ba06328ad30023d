//! One pass over a payload, for the verifier and for the caller's type at once.

use alloc::{borrow::Cow, collections::BTreeMap, string::String};
use core::{fmt, marker::PhantomData};

use grantry_core::json;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::capture::{Capture, CapturedReader, place};
use crate::claims::{Found, MalformedClaim};
use crate::jws::MAX_TOKEN_BYTES;
use crate::{Claim, RegisteredClaims, VerifyError};

/// Reads the claims of a payload as `T`, and on the way the registered ones and which of the `required`
/// are there.
///
/// A `T` that asks for more than its value, as for JSON text as it stands, is refused here.
pub(crate) fn read<'p, T: Deserialize<'p>>(
    payload: &'p str,
    required: &[String],
) -> Result<(T, RegisteredClaims<'p>, Present), VerifyError> {
    let mut notes = Notes::default();
    let reader = Reader { payload, required, notes: &mut notes, claims: PhantomData };
    let claims =
        json::object_from_str(payload, MAX_TOKEN_BYTES, reader).map_err(|_| VerifyError::ClaimsJson)?;
    if let Some(claim) = notes.malformed {
        return Err(VerifyError::MalformedClaim(claim));
    }
    Ok((claims, RegisteredClaims::new(Cow::Borrowed(payload), notes.found), notes.present))
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
    place(name, payload)
        .and_then(|place| payload.get(place.end..)?.strip_prefix('"'))
        .and_then(|rest| rest.trim_start_matches(SPACE).strip_prefix(':'))
        .is_some_and(|value| !value.trim_start_matches(SPACE).starts_with('n'))
}

#[derive(Default)]
struct Notes {
    found: Found,
    malformed: Option<Claim>,
    present: Present,
}

struct Reader<'a, 'p, T> {
    payload: &'p str,
    required: &'a [String],
    notes: &'a mut Notes,
    claims: PhantomData<T>,
}

impl<'p, T: Deserialize<'p>> DeserializeSeed<'p> for Reader<'_, 'p, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'p>>(self, reader: D) -> Result<T, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'p, T: Deserialize<'p>> Visitor<'p> for Reader<'_, 'p, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claims")
    }

    fn visit_map<A: MapAccess<'p>>(self, members: A) -> Result<T, A::Error> {
        let Self { payload, required, notes, .. } = self;
        T::deserialize(Object(Claims { members, payload, required, notes, claim: Claim::Other }))
    }
}

/// The members of the claims, each noted before it is handed on.
struct Claims<'a, 'p, A> {
    members: A,
    payload: &'p str,
    required: &'a [String],
    notes: &'a mut Notes,
    /// The claim whose value comes next.
    claim: Claim,
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'p, A: MapAccess<'p>> MapAccess<'p> for Claims<'_, 'p, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'p>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let Some(Name(name)) = self.members.next_key()? else {
            return Ok(None);
        };
        self.claim = Claim::from_name(&name);
        self.notes.present.note(self.required, &name, self.payload);
        match name {
            Cow::Borrowed(name) => seed.deserialize(BorrowedStrDeserializer::new(name)),
            Cow::Owned(name) => seed.deserialize(name.into_deserializer()),
        }
        .map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'p>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        if self.claim == Claim::Other {
            return self.members.next_value_seed(seed);
        }
        let value = self.members.next_value_seed(Capture { payload: self.payload })?;
        if let Err(MalformedClaim(claim)) = self.notes.found.keep(self.claim, &value, self.payload) {
            // Of several the first in the order of RFC 7519 section 4.1 is told.
            self.notes.malformed = Some(self.notes.malformed.map_or(claim, |other| other.min(claim)));
        }
        seed.deserialize(CapturedReader::new(value))
    }
}

/// An object, whatever it is read as.
struct Object<A>(A);

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Object<A> {
    type Error = A::Error;

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
