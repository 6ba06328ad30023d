//! The reader that looks at a JSON text once gives what two passes give: one for the rules, one for the type.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

extern crate alloc;

use alloc::collections::BTreeMap;
use core::{fmt, marker::PhantomData};

use grantry_core::json::{JsonError, from_slice, object_from_slice, object_from_str};
use proptest::prelude::*;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A value whose objects keep every member, so that a repeated one can be seen.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Tree {
    fn has_repeated(&self) -> bool {
        match self {
            Self::Leaf(_) => false,
            Self::Array(items) => items.iter().any(Self::has_repeated),
            Self::Object(members) => {
                let names = members.iter().map(|(name, value)| (unescaped(name), value));
                let distinct = names.collect::<BTreeMap<_, _>>();
                distinct.len() < members.len() || members.iter().any(|(_, value)| value.has_repeated())
            }
        }
    }
}

fn unescaped(name: &str) -> String {
    serde_json::from_str(&format!("\"{name}\"")).unwrap()
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf(text) => f.write_str(text),
            Self::Array(items) => {
                let items: Vec<_> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(" , "))
            }
            Self::Object(members) => {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!(" \"{name}\" : {value}")).collect();
                write!(f, "{{{}}}", members.join(","))
            }
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf =
        prop::sample::select(vec!["1", "-2.5e3", "true", "null", r#""a""#, r#""\u0061\n""#, "{}", "[]"]);
    let name = prop::sample::select(vec![
        "a", "b", "c", r"\u0061", r"\u0062", "", r"\n", "\u{e4}", r"\u00e4", "iss", "sub", "exp", "aud",
    ]);
    leaf.prop_map(|text| Tree::Leaf(text.into())).prop_recursive(5, 60, 24, move |inner| {
        let members = prop::collection::vec((name.clone().prop_map(String::from), inner.clone()), 0..24);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Tree::Array),
            members.clone().prop_map(|mut members| {
                members.sort_by_key(|(name, _)| unescaped(name));
                members.dedup_by_key(|(name, _)| unescaped(name));
                Tree::Object(members)
            }),
            members.prop_map(Tree::Object),
        ]
    })
}

#[derive(Debug, Deserialize, PartialEq)]
struct Flat {
    a: Option<Value>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Any {
    Struct { a: u8, b: Box<Self> },
    Map(BTreeMap<String, Self>),
    List(Vec<Self>),
    Other(Value),
}

fn agrees<'de, T: Deserialize<'de> + PartialEq + fmt::Debug>(tree: &Tree, text: &'de str) {
    let one = from_slice::<T>(text.as_bytes(), usize::MAX);
    let two = if tree.has_repeated() {
        Err(JsonError::RepeatedMember)
    } else {
        serde_json::from_str(text).map_err(|_| JsonError::Shape)
    };
    assert_eq!(one, two, "{text}");
}

proptest! {
    #[test]
    fn rfc8259_4_one_pass_reads_what_two_read(tree in tree()) {
        let text = tree.to_string();
        agrees::<Value>(&tree, &text);
        agrees::<BTreeMap<String, Value>>(&tree, &text);
        agrees::<Flat>(&tree, &text);
        agrees::<Any>(&tree, &text);
        agrees::<Option<Vec<Value>>>(&tree, &text);
        prop_assert_eq!(from_slice::<IgnoredAny>(text.as_bytes(), 1 << 20).is_ok(), !tree.has_repeated());
        let is_object = matches!(tree, Tree::Object(_)) || text == "{}";
        let object = object_from_slice::<Value>(text.as_bytes(), 1 << 20);
        prop_assert_eq!(object.is_ok(), is_object && !tree.has_repeated());
    }

    #[test]
    fn a_damaged_text_is_no_json(tree in tree(), at in any::<prop::sample::Index>(), to in 0_u8..128) {
        let mut text = tree.to_string().into_bytes();
        let at = at.index(text.len());
        *text.get_mut(at).unwrap() = to;
        let one = from_slice::<Value>(&text, 1 << 20);
        match serde_json::from_slice::<Value>(&text) {
            Ok(value) => prop_assert!(one == Ok(value) || one == Err(JsonError::RepeatedMember)),
            Err(_) => prop_assert!(matches!(one, Err(JsonError::Syntax | JsonError::RepeatedMember))),
        }
    }
}

/// Takes what it can read of each member and never minds an error.
#[derive(Debug, PartialEq)]
struct Careless(usize);

impl<'de> Deserialize<'de> for Careless {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Careless;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Careless, A::Error> {
                let mut count = 0;
                loop {
                    match members.next_key::<String>() {
                        Ok(None) => return Ok(Careless(count)),
                        Ok(Some(_)) => count += usize::from(members.next_value::<String>().is_ok()),
                        Err(_) => count += 100,
                    }
                    if count > 1000 {
                        return Ok(Careless(count));
                    }
                }
            }
        }

        reader.deserialize_map(Reader)
    }
}

#[test]
fn a_type_that_swallows_errors_hides_no_fault() {
    let read = |text: &str| from_slice::<Careless>(text.as_bytes(), 999);
    assert_eq!(read(r#"{"a":"1","b":"2"}"#), Ok(Careless(2)));
    assert_eq!(read(r#"{"a":"1","b":2}"#), Ok(Careless(1)));
    assert_eq!(read(r#"{"a":"\x,"b":"1"}"#), Err(JsonError::Syntax));
    let seen = |text: &str| object_from_str(text, 999, PhantomData::<Careless>);
    assert_eq!(seen(r#"{"a":"1","b":"2"}"#), Ok(Careless(2)));
    assert_eq!(seen(r#"{"a":"1","b":2}"#), Err(JsonError::Shape));
    assert_eq!(seen(r#"["a"]"#), Err(JsonError::Shape));
    assert_eq!(seen(r#"["a""#), Err(JsonError::Syntax));
    assert_eq!(object_from_str("{}", 1, PhantomData::<Careless>), Err(JsonError::TooLong));
    assert_eq!(read(r#"{"a":"1","b":"1","\u0061":"1"}"#), Err(JsonError::RepeatedMember));
    assert_eq!(read(r#"{"$serde_json::private::X":"1"}"#), Err(JsonError::ReservedMember));
}

#[derive(Debug, Deserialize, PartialEq)]
enum Choice {
    One,
    Two(u8),
    Three(u8, u8),
    Four {
        a: u8,
    },
    #[serde(other)]
    Other,
}

#[test]
fn enums_are_read_and_their_objects_checked() {
    let read = |text: &str| from_slice::<Choice>(text.as_bytes(), 999);
    assert_eq!(read(r#""One""#), Ok(Choice::One));
    assert_eq!(read(r#"{"Two":2}"#), Ok(Choice::Two(2)));
    assert_eq!(read(r#"{"Three":[1,2]}"#), Ok(Choice::Three(1, 2)));
    assert_eq!(read(r#"{"Four":{"a":1}}"#), Ok(Choice::Four { a: 1 }));
    assert_eq!(read(r#""$serde_json::private::X""#), Ok(Choice::Other));
    assert_eq!(read(r#"{"$serde_json::private::X":null}"#), Err(JsonError::ReservedMember));
    assert_eq!(read(r#"{"Four":{"a":1,"a":1}}"#), Err(JsonError::RepeatedMember));
    assert_eq!(read(r#"{"Two":2,"Two":2}"#), Err(JsonError::RepeatedMember));
    assert_eq!(read(r#"{"Two":2,"One":2}"#), Err(JsonError::Shape));
}

#[test]
fn names_are_read_as_what_the_map_is_keyed_by() {
    assert_eq!(from_slice(br#"{"1":2,"30":4}"#, 99), Ok(BTreeMap::from([(1_u64, 2), (30, 4)])));
    assert_eq!(from_slice(br#"{"-1":2}"#, 99), Ok(BTreeMap::from([(-1_i8, 2)])));
    let wide = BTreeMap::from([(u128::MAX, 1), (7, 2)]);
    let text = format!(r#"{{"{}":1,"7":2}}"#, u128::MAX);
    assert_eq!(from_slice(text.as_bytes(), 99), Ok(wide));
    assert_eq!(from_slice(br#"{"true":2}"#, 99), Ok(BTreeMap::from([(true, 2)])));
    assert_eq!(from_slice(br#"{"a":2}"#, 99), Ok(BTreeMap::from([('a', 2)])));
    for name in ["300", " 1", "1 ", "+1", "01", "", "x", "1.5", "null"] {
        let text = format!(r#"{{"{name}":2}}"#);
        assert_eq!(from_slice::<BTreeMap<u8, u8>>(text.as_bytes(), 99), Err(JsonError::Shape), "{name}");
    }
    #[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
    struct Wrapped<'a>(#[serde(borrow)] Option<&'a str>);
    let wrapped = BTreeMap::from([(Wrapped(Some("a")), 1)]);
    assert_eq!(from_slice(br#"{"a":1}"#, 99), Ok(wrapped));
    assert_eq!(from_slice::<BTreeMap<u64, u8>>(br#"{"1":2,"\u0031":4}"#, 99), Err(JsonError::RepeatedMember));
}

#[test]
fn bytes_are_no_way_around_unicode() {
    struct Bytes;

    impl<'de> Deserialize<'de> for Bytes {
        fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
            struct Reader;

            impl Visitor<'_> for Reader {
                type Value = Bytes;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("bytes")
                }

                fn visit_bytes<E>(self, _: &[u8]) -> Result<Bytes, E> {
                    Ok(Bytes)
                }
            }

            reader.deserialize_bytes(Reader)
        }
    }

    assert!(from_slice::<Bytes>(br#""abc""#, 99).is_ok());
    assert_eq!(from_slice::<Bytes>(br#""\ud800""#, 99).err(), Some(JsonError::Syntax));
}

#[test]
fn rfc8259_4_the_hundredth_name_is_compared_with_the_first() {
    let members = |last: &str| {
        let names = (0..99).map(|number| format!("n{number}")).chain([last.into()]);
        let members: Vec<_> = names.map(|name| format!("\"{name}\":1")).collect();
        from_slice::<Value>(format!("{{{}}}", members.join(",")).as_bytes(), 9999).map(drop)
    };
    assert_eq!(members("n99"), Ok(()));
    for last in ["n0", "n15", "n16", "n98", r"\u006e0", r"\u006e50"] {
        assert_eq!(members(last), Err(JsonError::RepeatedMember), "{last}");
    }
}
