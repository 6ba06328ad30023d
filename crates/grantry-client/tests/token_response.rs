//! The vectors of `token-response.json` for the token endpoint, and the rules of the area TR.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{NOW, client, exchange, keys, login, token_answer, vectors};
use grantry_client::{BodyExcerpt, MAX_RESPONSE_BYTES, ResponseError, TokenError, Tokens};
use grantry_core::json::JsonError;
use grantry_core::{ErrorCode, HttpResponse, ScopeError, UnixTime};
use grantry_jwt::JwkSet;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Of another endpoint: `device.rs` runs them.
const SKIPPED: [&str; 5] = ["TR-37", "TR-38", "TR-38.2", "TR-38.3", "TR-38.4"];

fn read(response: &HttpResponse) -> Result<Tokens, TokenError> {
    exchange(&client(), "photos read").response(response, &JwkSet::default(), NOW)
}

fn answer(status: u16, content_type: Option<&str>, body: &str) -> HttpResponse {
    let response = HttpResponse::new(status).with_body(body);
    match content_type {
        Some(content_type) => response.with_header("Content-Type", content_type),
        None => response,
    }
}

fn read_vector(vector: &Value) -> Result<Tokens, TokenError> {
    let status = u16::try_from(vector["status"].as_u64().unwrap()).unwrap();
    read(&answer(status, vector["content_type"].as_str(), vector["body"].as_str().unwrap()))
}

fn check_expected(tokens: &Tokens, expect: &Value) {
    assert_eq!(expect["token_type"], "bearer");
    assert_eq!(tokens.access_token().expose(), expect["access_token"].as_str().unwrap());
    assert_eq!(tokens.refresh_token().unwrap().expose(), expect["refresh_token"].as_str().unwrap());
    assert_eq!(
        tokens.expires_at().unwrap().as_secs() - NOW.as_secs(),
        expect["expires_in"].as_u64().unwrap()
    );
    assert_eq!(tokens.scope().to_string(), expect["scope"].as_str().unwrap());
}

#[test]
fn vectors_of_the_token_endpoint() {
    let all = vectors(include_str!("../../../tests/vectors/token-response.json"));
    let (run, skipped): (Vec<_>, Vec<_>) = all.iter().partition(|vector| vector["endpoint"] == "token");
    let skipped = skipped.iter().filter(|vector| vector["endpoint"] != "introspection");
    let skipped: Vec<_> = skipped.map(|vector| vector["id"].as_str().unwrap()).collect();
    eprintln!("skipped, other endpoints: {skipped:?}");
    assert_eq!(skipped, SKIPPED);
    for vector in run {
        let id = vector["id"].as_str().unwrap();
        let outcome = read_vector(vector);
        match vector["outcome"].as_str().unwrap() {
            "ok" => {
                let tokens = outcome.unwrap();
                if vector["expect"].is_object() {
                    check_expected(&tokens, &vector["expect"]);
                }
            }
            "reject" => assert!(matches!(outcome, Err(TokenError::Response(_))), "{id} {outcome:?}"),
            "oauth_error" | "reject_or_error" => {
                let Err(TokenError::Refused { refusal, status }) = outcome else { unreachable!("{id}") };
                assert_eq!(refusal.error(), vector["error"].as_str().unwrap(), "{id}");
                assert_eq!(u64::from(status), vector["status"].as_u64().unwrap(), "{id}");
            }
            "either" => eprintln!("{id} is {}", if outcome.is_ok() { "accepted" } else { "refused" }),
            other => unreachable!("{id} {other}"),
        }
    }
}

fn response_error(response: &HttpResponse) -> ResponseError {
    let Err(TokenError::Response(error)) = read(response) else { unreachable!("{response:?}") };
    error
}

#[test]
fn tr_03_rfc6749_7_1_a_token_of_another_type_is_not_used() {
    for other in ["mac", "N_A", "DPoP", "", "Bearer "] {
        let answer = token_answer(&json!({ "token_type": other }));
        assert_eq!(response_error(&answer), ResponseError::TokenType);
    }
}

#[test]
fn tr_05_rfc6749_a_12_a_token_is_visible_ascii() {
    for (member, text) in [
        ("access_token", ""),
        ("access_token", "a b"),
        ("access_token", "a\r\nX: y"),
        ("access_token", "\u{e9}"),
        ("refresh_token", ""),
        ("refresh_token", "a\n"),
        ("id_token", ""),
    ] {
        assert_eq!(response_error(&token_answer(&json!({ member: text }))), ResponseError::Token, "{member}");
    }
}

#[test]
fn tr_09_rfc6749_5_1_a_member_of_another_type_is_refused() {
    for member in ["access_token", "token_type", "expires_in", "refresh_token", "id_token", "scope"] {
        for value in [json!(null), json!(true), json!([]), json!({}), json!(-1), json!(1.5)] {
            let error = response_error(&token_answer(&json!({ member: value })));
            assert_eq!(error, ResponseError::Json(JsonError::Shape), "{member} {value}");
        }
    }
}

#[test]
fn tr_07_and_tr_09_the_lifetime_is_unknown_or_bounded_but_never_wraps() {
    let body = r#"{"access_token":"a","token_type":"Bearer"}"#;
    assert_eq!(read(&answer(200, Some("application/json"), body)).unwrap().expires_at(), None);
    let expires_at =
        |seconds: u64| read(&token_answer(&json!({ "expires_in": seconds }))).unwrap().expires_at();
    assert_eq!(expires_at(0), Some(NOW));
    assert_eq!(expires_at(u64::MAX), Some(UnixTime::MAX));
}

#[test]
fn tr_11_and_tr_12_rfc6749_3_3_scope_is_as_asked_only_when_the_server_is_silent() {
    let scope = |answer: HttpResponse| read(&answer).unwrap().scope().to_string();
    assert_eq!(scope(token_answer(&json!({}))), "photos read");
    assert_eq!(scope(token_answer(&json!({ "scope": "read" }))), "read");
    assert_eq!(scope(token_answer(&json!({ "scope": "" }))), "");
    let error = response_error(&token_answer(&json!({ "scope": "a  b" })));
    assert_eq!(error, ResponseError::Scope(ScopeError::EmptyToken));
}

#[test]
fn tr_19_rfc8259_4_a_member_stands_once() {
    let body = r#"{"access_token":"good","access_token":"evil","token_type":"Bearer"}"#;
    let error = response_error(&answer(200, Some("application/json"), body));
    assert_eq!(error, ResponseError::Json(JsonError::RepeatedMember));
}

#[test]
fn tr_21_rfc6749_5_1_the_answer_is_an_object() {
    let array = r#"["at-1","Bearer",3600,"rt-1","id","read"]"#;
    for body in [array, " [] ", "null", "\"x\""] {
        let error = response_error(&answer(200, Some("application/json"), body));
        assert_eq!(error, ResponseError::Json(JsonError::Shape), "{body}");
    }
    for body in ["", "{}x", "{\"access_token\":"] {
        let error = response_error(&answer(200, Some("application/json"), body));
        assert_eq!(error, ResponseError::Json(JsonError::Syntax), "{body}");
    }
}

#[test]
fn tr_15_rfc6749_5_1_the_content_type_is_json() {
    let body = r#"{"access_token":"a","token_type":"Bearer"}"#;
    for content_type in [None, Some("text/html"), Some("application/jsonx"), Some("text/json"), Some("")] {
        assert_eq!(response_error(&answer(200, content_type, body)), ResponseError::ContentType);
    }
    let twice = answer(200, Some("application/json"), body).with_header("content-type", "application/json");
    assert_eq!(response_error(&twice), ResponseError::ContentType);
}

#[test]
fn tr_24_rfc6749_5_2_an_error_answer_is_the_providers_word() {
    let body =
        r#"{"error":"invalid_grant","error_description":"gone\u0000","error_uri":"https://as.example/e"}"#;
    let Err(TokenError::Refused { refusal, status: 400 }) =
        read(&answer(400, Some("application/json"), body))
    else {
        unreachable!()
    };
    assert_eq!(refusal.code(), Some(ErrorCode::InvalidGrant));
    assert_eq!(refusal.description(), Some("gone?"));
}

#[test]
fn tr_27_an_error_without_the_protocols_shape_is_the_servers_failure() {
    let page = "<html>\u{1b}".to_owned() + &"x".repeat(10_000);
    for (status, content_type, body) in [
        (400, "text/html", page.as_str()),
        (502, "text/html", "bad gateway"),
        (400, "application/json", "{}"),
        (400, "application/json", r#"{"error":5}"#),
        (400, "application/json", r#"{"error":""}"#),
        (400, "application/json", r#"["invalid_grant"]"#),
        (400, "text/plain", r#"{"error":"invalid_grant"}"#),
    ] {
        let ResponseError::Status { status: found, body: excerpt } =
            response_error(&answer(status, Some(content_type), body))
        else {
            unreachable!("{body}")
        };
        assert_eq!(found, status);
        assert!(excerpt.as_str().len() <= BodyExcerpt::MAX_BYTES);
        assert!(excerpt.as_str().bytes().all(|byte| matches!(byte, b' '..=b'~')));
        assert_eq!(excerpt.as_str().chars().next(), body.chars().next());
    }
}

#[test]
fn rfc6749_5_2_an_error_is_read_from_an_error_status_or_200_alone() {
    let read_at = |status, body: &str| read(&answer(status, Some("application/json"), body));
    for status in [200, 400, 401, 403, 429, 500, 503, 599] {
        let outcome = read_at(status, r#"{"error":"invalid_grant"}"#);
        assert!(
            matches!(outcome, Err(TokenError::Refused { status: found, .. }) if found == status),
            "{status}"
        );
    }
    for status in [100, 201, 204, 302, 399, 600] {
        let outcome = read_at(status, r#"{"error":"invalid_grant"}"#);
        let expected = ResponseError::Status { status, body: BodyExcerpt::default() };
        assert_eq!(outcome.map(drop), Err(TokenError::Response(expected)), "{status}");
    }
    // Beside a token it is an answer of success gone wrong, but with an error status it is the error.
    let both = r#"{"error":"invalid_grant","access_token":"at-1","token_type":"Bearer"}"#;
    assert_eq!(read_at(200, both).map(drop), Err(TokenError::Response(ResponseError::ErrorBesideToken)));
    assert!(matches!(read_at(400, both), Err(TokenError::Refused { status: 400, .. })));
}

#[test]
fn tr_29_an_error_beside_a_token_is_neither() {
    let answer = token_answer(&json!({ "error": "invalid_grant" }));
    assert_eq!(response_error(&answer), ResponseError::ErrorBesideToken);
}

#[test]
fn tr_30_rfc6749_5_1_success_is_status_200_and_its_body_stays_out_of_errors() {
    for status in [201, 202, 204, 206, 301, 302, 304, 0] {
        let body = r#"{"access_token":"secret-at","token_type":"Bearer"}"#;
        let error = response_error(&answer(status, Some("application/json"), body));
        assert_eq!(error, ResponseError::Status { status, body: BodyExcerpt::default() });
    }
}

#[test]
fn an_answer_is_bounded() {
    let answer = token_answer(&json!({ "pad": "x".repeat(MAX_RESPONSE_BYTES) }));
    assert_eq!(response_error(&answer), ResponseError::Json(JsonError::TooLong));
}

#[test]
fn rfc6749_6_the_same_rules_hold_for_a_refresh() {
    let client = client();
    let tokens = login(&client, &common::id_claims());
    let all = vectors(include_str!("../../../tests/vectors/token-response.json"));
    for vector in all.iter().filter(|vector| vector["endpoint"] == "token") {
        let status = u16::try_from(vector["status"].as_u64().unwrap()).unwrap();
        let response = answer(status, vector["content_type"].as_str(), vector["body"].as_str().unwrap());
        let refreshed = client.refresh(&tokens).unwrap().response(&response, &keys(), NOW);
        let exchanged = read_vector(vector);
        assert_eq!(refreshed.map(drop), exchanged.map(drop), "{}", vector["id"]);
    }
}

proptest! {
    #[test]
    fn a_token_answer_never_panics(status in 0_u16..1000, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let response = HttpResponse::new(status).with_header("Content-Type", "application/json").with_body(body);
        prop_assert!(read(&response).is_err());
    }

    #[test]
    fn a_token_answer_of_near_misses_never_panics(
        member in "(access_token|token_type|expires_in|scope|id_token|refresh_token|error|x)",
        value in "(null|true|\"[a-z \\\\]{0,3}\"|-?[0-9]{1,25}|[0-9]e[0-9]{1,4}|\\[\\]|\\{\\}|\\PC{0,4})",
    ) {
        let body = format!(r#"{{"access_token":"a","token_type":"Bearer","{member}":{value}}}"#);
        if let Ok(tokens) = read(&answer(200, Some("application/json"), &body)) {
            prop_assert_eq!(tokens.access_token().expose(), "a");
        }
    }
}
