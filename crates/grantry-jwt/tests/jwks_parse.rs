//! Every vector of `jwks-parse.json`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the way of an `either` vector is recorded")]

mod common;

use common::{text, texts, vectors};
use grantry_jwt::{JwkSet, KeyError, VerifyingKey};
use serde_json::Value;

#[test]
fn rfc7517_5_every_document_gives_its_usable_keys() {
    let mut ran = 0;
    for vector in vectors(include_str!("../../../tests/vectors/jwks-parse.json")) {
        ran += 1;
        let (id, document) = (text(&vector, "id"), text(&vector, "input"));
        let outcome = JwkSet::parse(document.as_bytes());
        let set = match (&vector["reject"], outcome) {
            (Value::Bool(false), Ok(set)) => set,
            (Value::Bool(true), Err(_)) => continue,
            (Value::String(either), outcome) if either == "either" => {
                println!("{id} went {outcome:?}");
                let Ok(set) = outcome else { continue };
                set
            }
            (_, outcome) => panic!("{id}: {outcome:?}"),
        };
        let mut usable: Vec<_> = set.keys().iter().filter_map(VerifyingKey::key_id).collect();
        if let Some(may_use) = vector["may_use"].as_array() {
            usable.retain(|key_id| !may_use.iter().any(|other| other == key_id));
        }
        let mut expected = texts(&vector, "usable");
        usable.sort_unstable();
        expected.sort_unstable();
        assert_eq!(usable, expected, "{id}");
    }
    assert_eq!(ran, 30);
}

#[test]
fn rfc7517_5_a_skipped_key_says_why() {
    let reasons = |id: &str| {
        let vectors = vectors(include_str!("../../../tests/vectors/jwks-parse.json"));
        let vector = vectors.iter().find(|vector| text(vector, "id") == id).unwrap();
        let set = JwkSet::parse(text(vector, "input").as_bytes()).unwrap();
        let skipped = set.skipped().iter();
        skipped.map(|key| (key.position(), key.key_id().map(str::to_owned), key.reason())).collect::<Vec<_>>()
    };
    let named = |position, key_id: &str, reason| vec![(position, Some(key_id.to_owned()), reason)];
    assert_eq!(reasons("WK-07"), named(0, "pq", KeyError::UnsupportedKeyType));
    assert_eq!(reasons("WK-09")[0], named(0, "bad", KeyError::MissingMember)[0]);
    assert_eq!(reasons("WK-13"), named(0, "small", KeyError::Modulus));
    assert_eq!(reasons("WK-14"), named(0, "s", KeyError::SymmetricKeyInPublicSet));
    assert_eq!(reasons("WK-16")[0], named(0, "enc", KeyError::NotForOperation)[0]);
    assert_eq!(reasons("WK-20"), [(0, None, KeyError::Json)]);
    assert_eq!(reasons("WK-22")[0], (0, None, KeyError::MalformedMember));
}
