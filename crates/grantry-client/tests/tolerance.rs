//! What a client bears of its provider's token answers, and that it bears nothing else.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{NOW, client_of, exchange, keys, provider, vectors};
use grantry_client::{Quirk, ResponseError, TokenError, Tokens, Tolerance};
use grantry_core::json::JsonError;
use grantry_core::{HttpResponse, ScopeError};
use serde_json::{Value, json};

const QUIRKS: [Quirk; 4] =
    [Quirk::ExpiresInText, Quirk::ScopeArray, Quirk::CommaSeparatedScope, Quirk::MissingTokenType];

fn all_but(quirk: Quirk) -> Tolerance {
    let others = QUIRKS.into_iter().filter(|other| *other != quirk);
    others.fold(Tolerance::strict(), Tolerance::with_quirk)
}

fn with(quirk: Quirk) -> Tolerance {
    Tolerance::strict().with_quirk(quirk)
}

fn read(tolerance: Tolerance, body: &Value) -> Result<Tokens, TokenError> {
    let client = client_of(provider("https://as.example").with_tolerance(tolerance));
    exchange(&client, "photos").response(&HttpResponse::json(200, body), &keys(), NOW)
}

fn error(tolerance: Tolerance, body: &Value) -> ResponseError {
    let Err(TokenError::Response(error)) = read(tolerance, body) else { unreachable!("{body}") };
    error
}

fn body(members: &Value) -> Value {
    let mut body = json!({ "access_token": "at-1", "token_type": "Bearer" });
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body
}

const SHAPE: ResponseError = ResponseError::Json(JsonError::Shape);

#[test]
fn tr_08_expires_in_is_a_number_and_a_text_of_digits_where_that_is_borne() {
    let text = body(&json!({ "expires_in": "3600" }));
    assert_eq!(error(all_but(Quirk::ExpiresInText), &text), SHAPE);
    let bears = || with(Quirk::ExpiresInText);
    for expires_in in [json!("3600"), json!("03600"), json!(3600)] {
        let tokens = read(bears(), &body(&json!({ "expires_in": expires_in }))).unwrap();
        assert_eq!(tokens.expires_at().unwrap().as_secs() - NOW.as_secs(), 3600);
    }
    for other in ["", "-1", "+1", "1.5", "1e3", " 1", "1 ", "soon", "\u{0663}", "18446744073709551616"] {
        assert_eq!(error(bears(), &body(&json!({ "expires_in": other }))), SHAPE, "{other}");
    }
    for other in [json!(null), json!(-1), json!(1.5), json!(["1"]), json!({})] {
        assert_eq!(error(bears(), &body(&json!({ "expires_in": other }))), SHAPE, "{other}");
    }
}

#[test]
fn tr_11_scope_is_a_text_and_an_array_where_that_is_borne() {
    let array = body(&json!({ "scope": ["chat:read", "chat:edit"] }));
    assert_eq!(error(all_but(Quirk::ScopeArray), &array), SHAPE);
    let scope = |scope: Value| read(with(Quirk::ScopeArray), &body(&json!({ "scope": scope })));
    assert_eq!(scope(json!(["chat:read", "chat:edit"])).unwrap().scope().as_str(), "chat:edit chat:read");
    assert_eq!(scope(json!("a b")).unwrap().scope().as_str(), "a b");
    // TR-12: nothing granted is never taken for all that was asked.
    assert!(scope(json!([])).unwrap().scope().is_empty());
    for other in [json!([1]), json!(["a", null]), json!([["a"]]), json!({ "a": true }), json!(5)] {
        let outcome = scope(other.clone()).map(drop);
        assert_eq!(outcome, Err(TokenError::Response(SHAPE)), "{other}");
    }
    let outcome = scope(json!(["a", "", "b"])).map(drop);
    assert_eq!(outcome, Err(TokenError::Response(ScopeError::EmptyToken.into())));
    let outcome = scope(json!(["a\"b"])).map(drop);
    assert_eq!(outcome, Err(TokenError::Response(ScopeError::Character.into())));
}

#[test]
fn rfc6749_3_3_a_comma_is_part_of_a_scope_token_unless_it_parts_two() {
    let github = body(&json!({ "scope": "repo,gist" }));
    let strict = read(all_but(Quirk::CommaSeparatedScope), &github).unwrap();
    assert_eq!(strict.scope().iter().collect::<Vec<_>>(), ["repo,gist"]);
    let borne = read(with(Quirk::CommaSeparatedScope), &github).unwrap();
    assert_eq!(borne.scope().iter().collect::<Vec<_>>(), ["gist", "repo"]);
    let empty = read(with(Quirk::CommaSeparatedScope), &body(&json!({ "scope": "" }))).unwrap();
    assert!(empty.scope().is_empty());
    let outcome = error(with(Quirk::CommaSeparatedScope), &body(&json!({ "scope": "a,,b" })));
    assert_eq!(outcome, ResponseError::Scope(ScopeError::EmptyToken));
}

#[test]
fn tr_03_rfc6749_7_1_a_token_without_a_type_is_not_used_unless_that_is_borne() {
    let without = json!({ "access_token": "at-1", "expires_in": 5_184_000 });
    assert_eq!(error(all_but(Quirk::MissingTokenType), &without), SHAPE);
    let bears = || with(Quirk::MissingTokenType);
    assert_eq!(read(bears(), &without).unwrap().access_token().expose(), "at-1");
    // What is there has to be Bearer.
    for other in ["mac", "DPoP", "N_A", ""] {
        assert_eq!(error(bears(), &body(&json!({ "token_type": other }))), ResponseError::TokenType);
    }
    assert_eq!(error(bears(), &body(&json!({ "token_type": null }))), SHAPE);
}

/// With every quirk borne, a vector is refused still, but for what the quirks are about.
#[test]
fn no_quirk_lets_in_what_it_is_not_about() {
    let everything = QUIRKS.into_iter().fold(Tolerance::strict(), Tolerance::with_quirk);
    let client = client_of(provider("https://as.example").with_tolerance(everything));
    let mut let_in = Vec::new();
    for vector in vectors(include_str!("../../../tests/vectors/token-response.json")) {
        if vector["endpoint"] != "token" || vector["outcome"] == "ok" {
            continue;
        }
        let status = u16::try_from(vector["status"].as_u64().unwrap()).unwrap();
        let mut response = HttpResponse::new(status).with_body(vector["body"].as_str().unwrap());
        if let Some(content_type) = vector["content_type"].as_str() {
            response = response.with_header("Content-Type", content_type);
        }
        if exchange(&client, "photos").response(&response, &keys(), NOW).is_ok() {
            let_in.push(vector["id"].as_str().unwrap().to_owned());
        }
    }
    // TR-12 is the empty scope, which is let in without any quirk.
    assert_eq!(let_in, ["TR-03", "TR-08", "TR-11.2", "TR-12"]);
}

#[test]
fn the_same_profile_holds_for_a_refresh() {
    let tolerance = Tolerance::strict().with_quirk(Quirk::ScopeArray).with_quirk(Quirk::ExpiresInText);
    let client = client_of(provider("https://as.example").with_tolerance(tolerance));
    let tokens = common::login(&client, &common::id_claims());
    let answer = body(&json!({ "scope": ["read"], "expires_in": "60" }));
    let refreshed =
        client.refresh(&tokens).unwrap().response(&HttpResponse::json(200, &answer), &keys(), NOW).unwrap();
    assert_eq!(refreshed.scope().as_str(), "read");
    assert_eq!(refreshed.expires_at().unwrap().as_secs() - NOW.as_secs(), 60);
}

#[test]
fn a_profile_is_strict_unless_it_says_otherwise() {
    for quirk in QUIRKS {
        assert!(!Tolerance::strict().tolerates(quirk));
        assert!(with(quirk).tolerates(quirk) && !all_but(quirk).tolerates(quirk));
    }
    assert_eq!(Tolerance::default(), Tolerance::strict());
    assert_eq!(Tolerance::strict().issuer_template(), None);
    assert_eq!(provider("https://as.example").tolerance(), &Tolerance::strict());
}
