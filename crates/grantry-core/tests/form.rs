//! The vectors of `form.json`, and the limits of forms.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grantry_core::HttpRequest;
use grantry_core::form::{self, Form, FormError, Known};
use proptest::prelude::*;
use serde_json::Value;

/// The names that the vectors take as known.
const KNOWN: Known = Known {
    once: &[
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "code",
        "redirect_uri",
        "code_verifier",
        "refresh_token",
        "scope",
        "state",
        "token",
        "token_type_hint",
    ],
    many: &["resource", "audience"],
};

fn parse(text: impl AsRef<[u8]>) -> Result<Form<'static>, FormError> {
    Form::parse(text.as_ref(), &KNOWN).map(Form::into_owned)
}

fn pairs<'a>(form: &'a Form<'_>) -> Vec<(&'a str, &'a str)> {
    form.names().map(|name| (name, form.get(name).unwrap())).collect()
}

fn run(vector: &Value) -> Result<Form<'static>, FormError> {
    let body = vector["body_b64"].as_str().map_or_else(
        || vector["body"].as_str().unwrap().as_bytes().to_vec(),
        |text| STANDARD.decode(text).unwrap(),
    );
    let request = HttpRequest::new("POST", "/token").with_body(body);
    let request = match vector["content_type"].as_str() {
        Some(media_type) => request.with_header("content-type", media_type),
        None => request,
    };
    Form::from_request(&request, &KNOWN).map(Form::into_owned)
}

#[test]
fn vectors() {
    let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/form.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    for vector in vectors {
        let id = vector["id"].as_str().unwrap();
        let outcome = run(vector);
        if vector["verdict"] == "invalid" {
            assert_eq!(vector["error"], "invalid_request", "{id}");
            assert!(outcome.is_err(), "{id}");
            continue;
        }
        assert_eq!(vector["verdict"], "ok", "{id}");
        let form = outcome.unwrap();
        let expected = vector["params"].as_object().unwrap();
        assert!(form.names().all(|name| expected.contains_key(name)), "{id}");
        for (name, value) in expected {
            let values: Vec<_> = form.all(name).map(Value::from).collect();
            let expected = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            assert_eq!(values, expected, "{id} {name}");
        }
    }
    assert_eq!(vectors.len(), 31);
}

#[test]
fn rfc6749_3_2_a_repeated_parameter_is_named() {
    assert_eq!(parse("code=a&code=b").unwrap_err(), FormError::Repeated("code"));
    assert_eq!(parse("code=a&c%6Fde=b").unwrap_err(), FormError::Repeated("code"));
    assert_eq!(parse("scope=&scope=read").unwrap_err(), FormError::Repeated("scope"));
    assert_eq!(parse("foo=1&foo=2&state=s").unwrap().get("state"), Some("s"));
}

#[test]
fn rfc6749_4_1_2_1_repeats_can_be_reported_beside_the_rest() {
    let (form, repeated) = Form::parse_reporting_repeats(b"code=a&state=s&code=b", &KNOWN).unwrap();
    assert_eq!((pairs(&form), repeated), (vec![("state", "s")], Some("code")));
}

#[test]
fn rfc6749_b_each_fault_has_its_error() {
    for text in ["code=%zz", "code=a%", "code=a%2", "%zz=1", "foo=%", "code=%+1"] {
        assert_eq!(parse(text).unwrap_err(), FormError::Escape, "{text}");
    }
    for text in ["code=%ff", "code=%c3%28", "%ff=1", "code=%ed%a0%80", "code=%c0%af"] {
        assert_eq!(parse(text).unwrap_err(), FormError::NotUtf8, "{text}");
    }
    for text in ["code=a%00", "code=%0d%0a", "code=%7f", "code=%c2%85", "code=%09"] {
        assert_eq!(parse(text).unwrap_err(), FormError::ControlCharacter("code"), "{text}");
    }
}

#[test]
fn rfc6749_3_2_the_body_is_declared_as_a_form() {
    let request = HttpRequest::new("POST", "/token").with_body("code=a");
    let twice = request.clone().with_header("Content-Type", "application/x-www-form-urlencoded");
    let twice = twice.with_header("Content-Type", "application/x-www-form-urlencoded");
    let other = request.clone().with_header("Content-Type", "application/x-www-form-urlencoded2");
    for request in [request, twice, other] {
        assert_eq!(Form::from_request(&request, &KNOWN).unwrap_err(), FormError::ContentType);
    }
    let written = HttpRequest::form("/token", form::encode([("code", "a")]));
    assert_eq!(pairs(&Form::from_request(&written, &KNOWN).unwrap()), [("code", "a")]);
}

/// RL-07 and RL-08.
#[test]
fn the_number_of_parameters_is_limited_known_or_not() {
    let body = |count: usize| (0..count).map(|n| format!("x{n}=1")).collect::<Vec<_>>().join("&") + "&&";
    assert!(parse(body(form::MAX_PARAMETERS)).is_ok());
    assert_eq!(parse(body(form::MAX_PARAMETERS + 1)).unwrap_err(), FormError::TooManyParameters);
}

/// RL-08.
#[test]
fn the_length_is_limited_before_anything_is_decoded() {
    let body = format!("state={}", "s".repeat(form::MAX_BYTES - "state=".len()));
    assert_eq!(parse(&body).unwrap().get("state").unwrap().len(), form::MAX_BYTES - 6);
    assert_eq!(parse(body + "%").unwrap_err(), FormError::TooLong);
}

#[test]
fn a_component_decodes_by_the_same_rules() {
    assert_eq!(form::decode_component("a%3Ab+c").unwrap().expose(), "a:b c");
    assert_eq!(form::decode_component("%").unwrap_err(), FormError::Escape);
    assert_eq!(form::decode_component("%ff").unwrap_err(), FormError::NotUtf8);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(form) = parse(&text) {
            for name in form.names() {
                prop_assert!(!form.get(name).unwrap().is_empty());
            }
        }
    }

    #[test]
    fn any_printable_text_is_read_without_panic(text in "(code|state|%|[0-9a-fA-F]|[&=+;?]|\\PC){0,60}") {
        let _ = parse(text);
    }

    #[test]
    fn a_component_is_read_back(text in any::<String>()) {
        prop_assert!(form::decode_component(&form::encode_component(&text)).unwrap().matches(&text));
    }

    #[test]
    fn what_encode_writes_is_read_back(values in prop::collection::vec("\\PC{1,20}", 0..13)) {
        let values: Vec<_> = values.into_iter().filter(|v| !v.chars().any(char::is_control)).collect();
        let expected: Vec<_> = KNOWN.once.iter().copied().zip(values.iter().map(String::as_str)).collect();
        let form = parse(form::encode(expected.iter().copied())).unwrap();
        prop_assert_eq!(pairs(&form), expected);
    }
}

/// RFC 3986 section 2.1: what is no character of a URI is escaped whole.
#[test]
fn rfc6749_appendix_b_a_character_is_not_escaped_by_half() {
    for half in [&b"state=\xc3%A9"[..], b"state=%C3\xa9", b"a=%zz&b=\xff"] {
        assert_eq!(parse(half).unwrap_err(), FormError::NotUtf8);
    }
    assert_eq!(parse("code=%C3%A9").unwrap().get("code"), Some("\u{e9}"));
}
