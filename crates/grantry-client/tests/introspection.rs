//! A client's questions about its own tokens, and the vectors of `token-response.json` for the answers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    NOW, answer_of, client_named, client_of, client_with, exchange, full_provider, id_claims, keys,
};
use common::{login, moment, parameters, provider, token_answer, vectors};
use grantry_client::{
    ClientAuthentication, IntrospectError, Introspected, IntrospectionError, ResponseError,
};
use grantry_core::json::JsonError;
use grantry_core::{HttpResponse, UnixTime};
use serde_json::{Value, json};

fn read(answer: &HttpResponse) -> Result<Introspected, IntrospectionError> {
    let client = client_with(ClientAuthentication::Basic("s".into()));
    let tokens = login(&client, &id_claims());
    client.introspect_access_token(&tokens).unwrap().response(answer)
}

#[test]
fn vectors_of_introspection() {
    let all = vectors(include_str!("../../../tests/vectors/token-response.json"));
    let all: Vec<&Value> = all.iter().filter(|vector| vector["endpoint"] == "introspection").collect();
    assert_eq!(all.len(), 6);
    for vector in all {
        let id = vector["id"].as_str().unwrap();
        let outcome = read(&answer_of(vector));
        match vector["outcome"].as_str().unwrap() {
            "ok" => assert_eq!(json!(outcome.unwrap().is_active()), vector["expect"]["active"], "{id}"),
            "reject" => {
                let expected = IntrospectionError::Response(ResponseError::Json(JsonError::Shape));
                assert_eq!(outcome.unwrap_err(), expected, "{id}");
            }
            "oauth_error" => {
                let Err(IntrospectionError::Refused { refusal, status }) = outcome else {
                    unreachable!("{id}")
                };
                assert_eq!(
                    (refusal.error(), json!(status)),
                    (vector["error"].as_str().unwrap(), vector["status"].clone())
                );
            }
            other => unreachable!("{id} {other}"),
        }
    }
}

#[test]
fn rfc7662_2_1_the_question_names_the_token_and_its_kind() {
    let client = client_with(ClientAuthentication::Basic("s".into()));
    let tokens = login(&client, &id_claims());
    let request = client.introspect_access_token(&tokens).unwrap().request(moment()).unwrap();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "https://as.example/introspect"));
    assert!(request.headers.only("Authorization").is_some());
    let of = |token: &str, hint: &str| {
        [("token", token), ("token_type_hint", hint)].map(|(name, value)| (name, value.to_owned())).into()
    };
    assert_eq!(parameters(&request), of("at-1", "access_token"));
    let request = client.introspect_refresh_token(&tokens).unwrap().request(moment()).unwrap();
    assert_eq!(parameters(&request), of("rt-1", "refresh_token"));
}

#[test]
fn rfc7662_2_2_an_active_token_is_described_and_another_is_not() {
    let body = json!({ "active": true, "exp": 1_800_000_600.5, "scope": "read write", "sub": "user-1",
        "username": "jo" });
    let active = read(&HttpResponse::json(200, &body)).unwrap();
    assert_eq!(active.expires_at(), Some(UnixTime::from_secs(1_800_000_600)));
    assert_eq!(active.scope().unwrap().to_string(), "read write");
    assert_eq!((active.subject(), active.is_active()), (Some("user-1"), true));
    assert_eq!(active.claims::<Value>().unwrap()["username"], "jo");
    let inactive = read(&HttpResponse::json(200, &json!({ "active": false, "sub": "user-1" }))).unwrap();
    assert_eq!((inactive.is_active(), inactive.subject(), inactive.expires_at()), (false, None, None));
    assert!(inactive.claims::<Value>().is_err());
    for (member, value) in
        [("exp", json!("soon")), ("exp", json!(null)), ("scope", json!(["a"])), ("sub", json!(5))]
    {
        let answer = HttpResponse::json(200, &json!({ "active": true, member: value }));
        let expected = IntrospectionError::Response(ResponseError::Json(JsonError::Shape));
        assert_eq!(read(&answer).unwrap_err(), expected, "{member}");
    }
}

/// IN-18
#[test]
fn rfc7662_2_3_no_answer_is_neither_active_nor_inactive() {
    for (status, body) in [(500, "{}"), (200, "active"), (200, ""), (204, ""), (404, "<html>"), (503, "")] {
        let answer =
            HttpResponse::new(status).with_header("Content-Type", "application/json").with_body(body);
        assert!(matches!(read(&answer), Err(IntrospectionError::Response(_))), "{status} {body}");
    }
    let twice = HttpResponse::new(200)
        .with_header("Content-Type", "application/json")
        .with_body(r#"{"active":false,"active":true}"#);
    let expected = IntrospectionError::Response(ResponseError::Json(JsonError::RepeatedMember));
    assert_eq!(read(&twice).unwrap_err(), expected);
    let signed = HttpResponse::new(200)
        .with_header("Content-Type", "application/token-introspection+jwt")
        .with_body("e30.e30.c2ln");
    assert_eq!(read(&signed).unwrap_err(), IntrospectionError::Response(ResponseError::ContentType));
}

#[test]
fn rfc9700_4_4_a_token_is_shown_to_its_own_provider_by_its_own_client() {
    let client = client_of(full_provider());
    let tokens = login(&client, &id_claims());
    let other = client_named("app-2", full_provider());
    assert_eq!(other.introspect_access_token(&tokens).map(drop), Err(IntrospectError::AnotherClient));
    let evil =
        provider("https://evil.example").with_introspection_endpoint("https://evil.example/i").unwrap();
    let evil = client_of(evil);
    assert_eq!(evil.introspect_access_token(&tokens).map(drop), Err(IntrospectError::AnotherProvider));
    assert_eq!(evil.introspect_refresh_token(&tokens).map(drop), Err(IntrospectError::AnotherProvider));
    let without = client_of(provider("https://as.example"));
    assert_eq!(without.introspect_access_token(&tokens).map(drop), Err(IntrospectError::NoEndpoint));
    let answer = token_answer(&json!({}));
    let tokens = exchange(&client, "photos").response(&answer, &keys(), NOW).unwrap();
    assert_eq!(client.introspect_refresh_token(&tokens).map(drop), Err(IntrospectError::NoRefreshToken));
}
