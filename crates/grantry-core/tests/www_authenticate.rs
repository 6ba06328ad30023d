//! The vectors of `www-authenticate.json`: the kind `build`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use grantry_core::{Challenge, ErrorCode, Scope};
use serde_json::{Map, Value};

/// Reading a challenge is the client's work and not built.
const SKIPPED_PARSE: &[&str] = &[
    "BT-22", "BT-23", "BT-23.2", "BT-24", "BT-25", "BT-27", "BT-27.2", "BT-27.3", "BT-27.4", "BT-29", "BT-30",
];

fn build(parameters: &Map<String, Value>) -> Challenge {
    assert_eq!(parameters["scheme"], "Bearer");
    // serde_json sorts members; the vectors list them in the order of RFC 6750 section 3.
    ["realm", "error", "error_description", "scope"].iter().fold(
        Challenge::new("Bearer"),
        |challenge, name| {
            let Some(value) = parameters.get(*name).map(|value| value.as_str().unwrap()) else {
                return challenge;
            };
            match *name {
                "realm" => challenge.with_realm(value),
                "error" => challenge.with_error(ErrorCode::parse(value).unwrap()),
                "error_description" => challenge.with_error_description(value),
                _ => challenge.with_scope(&Scope::parse(value).unwrap()),
            }
        },
    )
}

#[test]
fn vectors() {
    let file: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/www-authenticate.json")).unwrap();
    let (mut run, mut skipped) = (0, Vec::new());
    for vector in file["vectors"].as_array().unwrap() {
        let id = vector["id"].as_str().unwrap();
        if vector["kind"] == "parse" {
            skipped.push(id);
            continue;
        }
        assert_eq!(vector["verdict"], "ok", "{id}");
        let header = build(vector["params"].as_object().unwrap()).to_string();
        assert_eq!(header, vector["header"].as_str().unwrap(), "{id}");
        run += 1;
    }
    assert_eq!(skipped, SKIPPED_PARSE, "skipped: reading a challenge is not built");
    assert_eq!(run, 3);
}
