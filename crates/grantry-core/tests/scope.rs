//! The vectors of `scope.json`, and the limits of scopes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

extern crate alloc;

use alloc::collections::BTreeSet;

use grantry_core::{Scope, ScopeError};
use proptest::prelude::*;
use serde_json::Value;

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

fn check_parse(id: &str, vector: &Value) {
    let input = vector["input"].as_str().unwrap();
    let outcome = Scope::parse(input);
    assert_eq!(input.parse::<Scope>(), outcome, "{id}");
    let tokens = || -> BTreeSet<&str> {
        vector["tokens"].as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect()
    };
    match vector["verdict"].as_str().unwrap() {
        "valid" => assert_eq!(outcome.unwrap().iter().collect::<BTreeSet<_>>(), tokens(), "{id}"),
        "invalid" => assert_eq!(outcome, Err(ScopeError::Character), "{id}"),
        "absent" => assert!(outcome.unwrap().is_empty(), "{id}"),
        // Either way is allowed; this reader keeps to the grammar.
        "either" => assert_eq!(outcome, Err(ScopeError::EmptyToken), "{id}"),
        other => unreachable!("{id}: verdict {other}"),
    }
}

#[test]
fn vectors() {
    let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/scope.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    for vector in vectors {
        let id = vector["id"].as_str().unwrap();
        if vector["kind"] == "parse" {
            check_parse(id, vector);
            continue;
        }
        assert_eq!(vector["kind"], "subset", "{id}");
        let (requested, granted) =
            (vector["requested"].as_str().unwrap(), vector["granted"].as_str().unwrap());
        assert_eq!(scope(requested).is_within(&scope(granted)), vector["verdict"] == "valid", "{id}");
    }
    assert_eq!(vectors.len(), 16);
}

#[test]
fn rfc6749_3_3_a_token_is_compared_whole_and_by_case() {
    let granted = scope("readwrite photos");
    assert!(granted.contains("photos"));
    for token in ["read", "write", "Photos", "photo", "readwrite photos", ""] {
        assert!(!granted.contains(token), "{token:?}");
    }
    assert!(Scope::empty().is_within(&granted));
    assert!(!granted.is_within(&Scope::empty()));
}

#[test]
fn rfc6749_3_3_no_control_and_no_other_alphabet() {
    for text in ["a\tb", "a\nb", "a\u{0}", "caf\u{e9}", "\u{7f}", "a\u{a0}b", "\"", "\\"] {
        assert_eq!(Scope::parse(text), Err(ScopeError::Character), "{text:?}");
    }
}

/// RL-09, and the boundary of each limit.
#[test]
fn the_size_of_a_scope_is_limited() {
    let many = |count: usize| (0..count).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
    assert_eq!(Scope::parse(&many(10_000)), Err(ScopeError::TooLong));
    assert_eq!(Scope::parse(&many(Scope::MAX_TOKENS + 1)), Err(ScopeError::TooManyTokens));
    assert!(Scope::parse(&many(Scope::MAX_TOKENS)).is_ok());
    assert!(Scope::parse(&"s".repeat(Scope::MAX_BYTES)).is_ok());
    assert_eq!(Scope::parse(&"s".repeat(Scope::MAX_BYTES + 1)), Err(ScopeError::TooLong));
}

#[test]
fn serde_reads_and_writes_the_text_and_checks_it() {
    let read = |text: &str| serde_json::from_str::<Scope>(text);
    assert_eq!(serde_json::to_string(&read(r#""b a b""#).unwrap()).unwrap(), r#""a b""#);
    assert!(read(r#""a  b""#).is_err());
    assert!(read(r#"["a"]"#).is_err());
}

#[test]
fn filter_selects_whole_tokens() {
    assert_eq!(scope("a b c").filter(|token| token != "b"), scope("a c"));
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in any::<String>()) {
        let _ = Scope::parse(&text);
    }

    #[test]
    fn display_and_parse_are_inverse(tokens in prop::collection::vec("[!#-\\[\\]-~]{1,12}", 0..20)) {
        let parsed = scope(&tokens.join(" "));
        prop_assert_eq!(&scope(&parsed.to_string()), &parsed);
        prop_assert_eq!(parsed.iter().collect::<BTreeSet<_>>(), tokens.iter().map(String::as_str).collect());
    }
}
