//! The client credentials grant.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{KEY, NOW, answer_of, client_with, moment, parameters, token_answer, vectors};
use grantry_client::{Client, ClientAuthentication, ClientCredentialsError, RefreshError, TokenError};
use grantry_core::{ClientId, HttpResponse, Scope, UnixTime};
use serde_json::json;

fn client() -> Client {
    let id = ClientId::parse("app-1").unwrap();
    let secret = ClientAuthentication::Basic("s".into());
    Client::without_redirect_uri(common::full_provider(), id, secret).unwrap()
}

#[test]
fn rfc6749_4_4_2_the_request_has_grant_type_and_scope_and_rfc8707_2_resources() {
    let client = client();
    let plain = client.client_credentials().unwrap().request(moment()).unwrap();
    assert_eq!(plain.target, "https://as.example/token");
    assert_eq!(parameters(&plain), [("grant_type", "client_credentials".into())].into());
    assert!(plain.headers.only("Authorization").is_some());

    let credentials = client.client_credentials().unwrap().with_scope(Scope::parse("read write").unwrap());
    let credentials = credentials.with_resource("https://a.example").unwrap();
    let request = credentials.with_resource("urn:b").unwrap().request(moment()).unwrap();
    let body = String::from_utf8(request.body).unwrap();
    let expected =
        "grant_type=client_credentials&scope=read+write&resource=https%3A%2F%2Fa.example&resource=urn%3Ab";
    assert_eq!(body, expected);
}

/// CC-02
#[test]
fn rfc6749_4_4_a_public_client_has_no_credentials() {
    let public = client_with(ClientAuthentication::None);
    assert_eq!(public.client_credentials().map(drop), Err(ClientCredentialsError::PublicClient));
    for confidential in
        [ClientAuthentication::Post("s".into()), ClientAuthentication::PrivateKeyJwt(KEY.clone())]
    {
        assert!(client_with(confidential).client_credentials().is_ok());
    }
}

/// CC-09
#[test]
fn rfc8707_2_a_resource_is_an_absolute_uri_without_fragment() {
    let client = client();
    for bad in
        ["", "/api", "api.example", "https://a.example/#", "https://a.example/ b", "https://\u{e9}.example"]
    {
        let outcome = client.client_credentials().unwrap().with_resource(bad).map(drop);
        assert_eq!(outcome, Err(ClientCredentialsError::Resource), "{bad}");
    }
}

/// CC-01
#[test]
fn rfc6749_4_4_3_a_refresh_token_that_should_not_be_there_is_dropped() {
    let client = client();
    let credentials = client.client_credentials().unwrap().with_scope(Scope::parse("read write").unwrap());
    let answer = token_answer(&json!({ "refresh_token": "rt-1", "id_token": "e30.e30.forged" }));
    let tokens = credentials.response(&answer, NOW).unwrap();
    assert_eq!(tokens.access_token().expose(), "at-1");
    assert!(tokens.refresh_token().is_none() && tokens.id_token().is_none());
    assert_eq!(client.refresh(&tokens).map(drop), Err(RefreshError::NoRefreshToken));
    assert_eq!(tokens.expires_at(), Some(UnixTime::from_secs(NOW.as_secs() + 3600)));
    assert_eq!(tokens.scope().to_string(), "read write");
    let narrowed = credentials.response(&token_answer(&json!({ "scope": "read" })), NOW).unwrap();
    assert_eq!(narrowed.scope().to_string(), "read");
    // They are this client's, and nobody else revokes them.
    assert!(client.revoke_access_token(&tokens).is_ok());
    assert!(client_with(ClientAuthentication::None).revoke_access_token(&tokens).is_ok());
    assert!(common::client_named("app-2", common::full_provider()).revoke_access_token(&tokens).is_err());
}

#[test]
fn rfc6749_4_4_3_the_answer_is_read_by_the_rules_of_the_token_endpoint() {
    let client = client();
    let credentials = client.client_credentials().unwrap();
    let all = vectors(include_str!("../../../tests/vectors/token-response.json"));
    for vector in all.iter().filter(|vector| vector["endpoint"] == "token") {
        let outcome = credentials.response(&answer_of(vector), NOW);
        match vector["outcome"].as_str().unwrap() {
            "ok" => assert!(outcome.is_ok(), "{}", vector["id"]),
            "reject" => assert!(matches!(outcome, Err(TokenError::Response(_))), "{}", vector["id"]),
            "oauth_error" | "reject_or_error" => {
                assert!(matches!(outcome, Err(TokenError::Refused { .. })), "{}", vector["id"]);
            }
            _ => {}
        }
    }
    let answer = HttpResponse::json(400, &json!({ "error": "unauthorized_client" }));
    let outcome = credentials.response(&answer, NOW);
    assert!(matches!(outcome, Err(TokenError::Refused { status: 400, .. })));
}
