//! What the provider tells about the person.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{NOW, client_named, client_of, exchange, full_provider, id_claims, keys, login, provider};
use common::{client, token_answer};
use grantry_client::{AskUserInfoError, BodyExcerpt, ResponseError, UserInfo, UserInfoError};
use grantry_core::json::JsonError;
use grantry_core::{ErrorCode, HttpResponse};
use serde_json::{Value, json};

fn read(answer: &HttpResponse) -> Result<UserInfo, UserInfoError> {
    let client = client_of(full_provider());
    let tokens = login(&client, &id_claims());
    client.user_info(&tokens).unwrap().response(answer)
}

#[test]
fn oidc_5_3_1_the_access_token_stands_in_the_header() {
    let client = client_of(full_provider());
    let tokens = login(&client, &id_claims());
    let request = client.user_info(&tokens).unwrap().request();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "https://as.example/userinfo"));
    assert_eq!(request.headers.only("Authorization"), Some("Bearer at-1"));
    assert!(request.body.is_empty());
}

#[test]
fn oidc_5_3_2_the_claims_of_the_person_are_read() {
    let info = read(&HttpResponse::json(200, &json!({ "sub": "user-1", "email": "a@b.example" }))).unwrap();
    assert_eq!(info.subject(), "user-1");
    assert_eq!(info.claims::<Value>().unwrap()["email"], "a@b.example");
    assert!(!format!("{info:?}").contains("b.example"));
}

#[test]
fn it_39_oidc_5_3_2_an_answer_about_another_person_is_discarded() {
    for other in ["user-2", "user-1 ", "USER-1", ""] {
        let answer = HttpResponse::json(200, &json!({ "sub": other }));
        assert_eq!(read(&answer).unwrap_err(), UserInfoError::SubjectDiffers);
    }
}

#[test]
fn it_40_oidc_5_3_2_an_answer_about_nobody_is_discarded() {
    let answer = HttpResponse::json(200, &json!({ "email": "a@b.example" }));
    assert_eq!(read(&answer).unwrap_err(), UserInfoError::SubjectMissing);
    for sub in [json!(null), json!(5), json!(["user-1"])] {
        let expected = UserInfoError::Response(ResponseError::Json(JsonError::Shape));
        assert_eq!(read(&HttpResponse::json(200, &json!({ "sub": sub }))).unwrap_err(), expected);
    }
}

#[test]
fn oidc_5_3_2_without_an_id_token_there_is_nobody_to_compare_with() {
    let client = client_of(full_provider());
    let tokens = exchange(&client, "photos").response(&token_answer(&json!({})), &keys(), NOW).unwrap();
    assert_eq!(client.user_info(&tokens).map(drop), Err(AskUserInfoError::NoIdToken));
}

#[test]
fn oidc_5_3_2_a_signed_answer_is_refused_by_name() {
    let answer =
        HttpResponse::new(200).with_header("Content-Type", "application/jwt; x=1").with_body("e30.e30.c2ln");
    assert_eq!(read(&answer).unwrap_err(), UserInfoError::Signed);
}

#[test]
fn rfc6750_3_1_a_refusal_is_read_from_the_challenge() {
    let challenge = r#"Bearer realm="r", error="invalid_token", error_description="The token expired""#;
    let answer = HttpResponse::new(401).with_header("WWW-Authenticate", challenge);
    let Err(UserInfoError::Refused { refusal, status: 401 }) = read(&answer) else { unreachable!() };
    assert_eq!(refusal.code(), Some(ErrorCode::InvalidToken));
    assert_eq!(refusal.description(), Some("The token expired"));
    // Some say it in the body.
    let answer = HttpResponse::json(403, &json!({ "error": "insufficient_scope" }));
    let Err(UserInfoError::Refused { refusal, status: 403 }) = read(&answer) else { unreachable!() };
    assert_eq!(refusal.code(), Some(ErrorCode::InsufficientScope));
    // A challenge beside an answer of success decides nothing.
    let answer =
        HttpResponse::json(200, &json!({ "sub": "user-1" })).with_header("WWW-Authenticate", challenge);
    assert!(read(&answer).is_ok());
    let long = format!("Bearer error=\"{}\"", "x".repeat(100_000));
    let answer = HttpResponse::new(401).with_header("WWW-Authenticate", long);
    let expected = ResponseError::Status { status: 401, body: BodyExcerpt::default() };
    assert_eq!(read(&answer).unwrap_err(), UserInfoError::Response(expected));
}

#[test]
fn rfc9700_4_4_the_access_token_goes_to_its_own_provider() {
    let tokens = login(&client(), &id_claims());
    let evil = provider("https://evil.example").with_userinfo_endpoint("https://evil.example/u").unwrap();
    assert_eq!(client_of(evil).user_info(&tokens).map(drop), Err(AskUserInfoError::AnotherProvider));
    let other = client_named("app-2", full_provider());
    assert_eq!(other.user_info(&tokens).map(drop), Err(AskUserInfoError::AnotherClient));
    assert_eq!(client().user_info(&tokens).map(drop), Err(AskUserInfoError::NoEndpoint));
}
