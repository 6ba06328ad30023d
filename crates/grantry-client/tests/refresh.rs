//! Exchange, refresh and revocation as they stand on the wire.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    KEY, NOW, client, exchange, id_claims, keys, login, moment, parameters, provider, token_answer,
};
use grantry_client::{
    Client, ClientAuthentication, RefreshError, Revocation, RevocationError, RevokeError, TokenError, Tokens,
};
use grantry_core::{ClientId, CodeVerifier, HttpResponse, Scope, SecretString};
use serde_json::json;

fn client_with(authentication: ClientAuthentication) -> Client {
    let provider =
        provider("https://as.example").with_revocation_endpoint("https://as.example/revoke").unwrap();
    let id = ClientId::parse("app 1").unwrap();
    Client::new(provider, id, authentication, "https://app.example/cb").unwrap()
}

fn tokens_of(client: &Client) -> Tokens {
    let answer = token_answer(&json!({ "refresh_token": "rt-1" }));
    exchange(client, "photos").response(&answer, &keys(), NOW).unwrap()
}

#[test]
fn rfc6749_4_1_3_the_exchange_carries_code_redirect_uri_and_verifier() {
    let client = client();
    let request = exchange(&client, "photos").request(moment()).unwrap();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "https://as.example/token"));
    assert_eq!(request.headers.only("Accept"), Some("application/json"));
    let form = parameters(&request);
    let expected = ["client_id", "code", "code_verifier", "grant_type", "redirect_uri"];
    assert_eq!(form.keys().copied().collect::<Vec<_>>(), expected);
    assert_eq!((form["client_id"].as_str(), form["code"].as_str()), ("app-1", "abc"));
    assert_eq!(
        (form["grant_type"].as_str(), form["redirect_uri"].as_str()),
        ("authorization_code", "https://app.example/cb")
    );
    let (url, _) = client.authorize(common::request("photos"), moment()).unwrap();
    let challenge = CodeVerifier::parse(&form["code_verifier"]).unwrap().challenge();
    assert!(url.as_str().contains(&format!("code_challenge={}&", challenge.as_str())));
}

#[test]
fn rfc6749_2_3_1_each_way_of_authentication_is_used_alone() {
    let secret = || SecretString::from("s:&");
    let request = |authentication| {
        let client = client_with(authentication);
        let tokens = tokens_of(&client);
        client.revoke_grant(&tokens).unwrap().request(moment()).unwrap()
    };

    let none = request(ClientAuthentication::None);
    assert_eq!(parameters(&none), [("client_id", "app 1".into()), ("token", "rt-1".into())].into());
    assert_eq!(none.headers.only("Authorization"), None);

    let post = parameters(&request(ClientAuthentication::Post(secret())));
    assert_eq!((post["client_id"].as_str(), post["client_secret"].as_str()), ("app 1", "s:&"));

    let basic = request(ClientAuthentication::Basic(secret()));
    assert_eq!(parameters(&basic), [("token", "rt-1".into())].into());
    // app+1:s%3A%26
    assert_eq!(basic.headers.only("Authorization"), Some("Basic YXBwKzE6cyUzQSUyNg=="));
}

#[test]
fn rfc6749_6_what_a_refresh_does_not_renew_stays() {
    let client = client();
    let tokens = login(&client, &id_claims());
    let refresh = client.refresh(&tokens).unwrap();
    assert_eq!(
        parameters(&refresh.request(moment()).unwrap()),
        [("client_id", "app-1"), ("grant_type", "refresh_token"), ("refresh_token", "rt-1")]
            .map(|(name, value)| (name, value.to_owned()))
            .into()
    );
    let same = refresh.response(&token_answer(&json!({ "access_token": "at-2" })), &keys(), NOW).unwrap();
    assert_eq!(same.access_token().expose(), "at-2");
    assert_eq!(same.refresh_token().unwrap().expose(), "rt-1");
    assert_eq!(same.id_token().unwrap().subject(), "user-1");
    assert_eq!(same.scope(), tokens.scope());

    let renewed = token_answer(&json!({ "refresh_token": "rt-2", "scope": "photos",
        "id_token": KEY.sign_claims(None, &id_claims()).unwrap() }));
    let renewed = refresh.response(&renewed, &keys(), NOW).unwrap();
    assert_eq!(renewed.refresh_token().unwrap().expose(), "rt-2");
    assert_eq!(renewed.scope().to_string(), "photos");
}

#[test]
fn rfc6749_6_a_narrower_scope_is_asked_and_kept() {
    let client = client();
    let tokens = login(&client, &id_claims());
    let refresh = client.refresh(&tokens).unwrap().narrowed_to(Scope::parse("photos").unwrap());
    assert_eq!(parameters(&refresh.request(moment()).unwrap())["scope"], "photos");
    let narrowed = refresh.response(&token_answer(&json!({})), &keys(), NOW).unwrap();
    assert_eq!(narrowed.scope().to_string(), "photos");
}

#[test]
fn rfc6749_6_a_narrowing_lasts_for_one_access_token() {
    let client = client();
    let tokens = login(&client, &id_claims());
    let silent = token_answer(&json!({}));
    let narrowing = client.refresh(&tokens).unwrap().narrowed_to(Scope::parse("photos").unwrap());
    let narrowed = narrowing.response(&silent, &keys(), NOW).unwrap();
    let again = client.refresh(&narrowed).unwrap();
    assert!(!parameters(&again.request(moment()).unwrap()).contains_key("scope"));
    let whole = again.response(&silent, &keys(), NOW).unwrap();
    assert_eq!(whole.scope().to_string(), "openid photos");
    // What the provider says counts, and an unasked narrowing is one of the grant.
    let told = token_answer(&json!({ "scope": "openid" }));
    let reduced = again.response(&told, &keys(), NOW).unwrap();
    assert_eq!(reduced.scope().to_string(), "openid");
    let reduced = client.refresh(&reduced).unwrap().response(&silent, &keys(), NOW).unwrap();
    assert_eq!(reduced.scope().to_string(), "openid");
}

#[test]
fn rfc6749_3_3_the_empty_scope_narrows_nothing() {
    let client = client();
    let tokens = login(&client, &id_claims());
    let refresh = client.refresh(&tokens).unwrap().narrowed_to(Scope::empty());
    assert!(!parameters(&refresh.request(moment()).unwrap()).contains_key("scope"));
    let refreshed = refresh.response(&token_answer(&json!({})), &keys(), NOW).unwrap();
    assert_eq!(refreshed.scope(), tokens.scope());
}

#[test]
fn a_grant_without_refresh_token_is_not_refreshed() {
    let client = client();
    let tokens = exchange(&client, "photos").response(&token_answer(&json!({})), &keys(), NOW).unwrap();
    assert_eq!(client.refresh(&tokens).map(drop), Err(RefreshError::NoRefreshToken));
}

#[test]
fn rfc6749_5_2_a_dead_grant_is_told_by_its_code() {
    let client = client();
    let tokens = login(&client, &id_claims());
    let answer = HttpResponse::json(400, &json!({ "error": "invalid_grant" }));
    let outcome = client.refresh(&tokens).unwrap().response(&answer, &keys(), NOW);
    let Err(TokenError::Refused { refusal, status: 400 }) = outcome else { unreachable!("{outcome:?}") };
    assert_eq!(refusal.error(), "invalid_grant");
}

#[test]
fn rfc7009_2_2_revoked_is_status_200_and_503_is_not_done() {
    let client = client_with(ClientAuthentication::None);
    let tokens = tokens_of(&client);
    let revocation = client.revoke_grant(&tokens).unwrap();
    assert_eq!(revocation.request(moment()).unwrap().target, "https://as.example/revoke");
    let read = |response: HttpResponse| revocation.response(&response);
    assert_eq!(read(HttpResponse::new(200).with_body("anything")), Ok(()));
    for (header, retry_after) in
        [("120", Some(120)), ("Fri, 31 Dec 1999 23:59:59 GMT", None), ("-1", None), ("", None)]
    {
        assert_eq!(
            read(HttpResponse::new(503).with_header("Retry-After", header)),
            Err(RevocationError::Unavailable { retry_after })
        );
    }
    let refused = read(HttpResponse::json(400, &json!({ "error": "unsupported_token_type" })));
    assert!(
        matches!(refused, Err(RevocationError::Refused { refusal, status: 400 }) if refusal.error() == "unsupported_token_type")
    );
    for status in [201, 204, 302, 404, 500] {
        assert!(matches!(read(HttpResponse::new(status)), Err(RevocationError::Response(_))), "{status}");
    }
    let without_endpoint = common::client_named("app 1", provider("https://as.example"));
    assert_eq!(without_endpoint.revoke_grant(&tokens).map(drop), Err(RevokeError::NoEndpoint));
}

#[test]
fn rfc7009_2_2_1_an_error_with_status_200_is_no_revocation() {
    let client = client_with(ClientAuthentication::None);
    let tokens = tokens_of(&client);
    let answer = HttpResponse::json(200, &json!({ "error": "invalid_client" }));
    let outcome = client.revoke_grant(&tokens).unwrap().response(&answer);
    let Err(RevocationError::Refused { refusal, status: 200 }) = outcome else { unreachable!("{outcome:?}") };
    assert_eq!(refusal.error(), "invalid_client");
}

#[test]
fn rfc7009_2_1_a_grant_is_revoked_by_its_refresh_token() {
    let client = client_with(ClientAuthentication::None);
    let tokens = tokens_of(&client);
    let revoked = |revocation: Result<Revocation<'_>, RevokeError>| {
        parameters(&revocation.unwrap().request(moment()).unwrap())["token"].clone()
    };
    assert_eq!(revoked(client.revoke_grant(&tokens)), "rt-1");
    assert_eq!(revoked(client.revoke_access_token(&tokens)), "at-1");
    let without = exchange(&client, "photos").response(&token_answer(&json!({})), &keys(), NOW).unwrap();
    assert_eq!(revoked(client.revoke_grant(&without)), "at-1");
}

#[test]
fn rfc9700_4_4_tokens_are_sent_to_their_own_provider_by_their_own_client() {
    let tokens = login(&client(), &id_claims());
    assert_eq!((tokens.issuer().as_str(), tokens.client_id().as_str()), ("https://as.example", "app-1"));
    let refreshed = client()
        .refresh(&tokens)
        .unwrap()
        .response(&token_answer(&json!({ "access_token": "at-2" })), &keys(), NOW)
        .unwrap();
    let evil = provider("https://evil.example").with_revocation_endpoint("https://evil.example/r").unwrap();
    let (evil, other) = (common::client_of(evil), client_with(ClientAuthentication::None));
    for tokens in [tokens, refreshed] {
        assert_eq!(evil.refresh(&tokens).map(drop), Err(RefreshError::AnotherProvider));
        assert_eq!(evil.revoke_grant(&tokens).map(drop), Err(RevokeError::AnotherProvider));
        assert_eq!(evil.revoke_access_token(&tokens).map(drop), Err(RevokeError::AnotherProvider));
        assert_eq!(other.refresh(&tokens).map(drop), Err(RefreshError::AnotherClient));
        assert_eq!(other.revoke_grant(&tokens).map(drop), Err(RevokeError::AnotherClient));
        assert_eq!(other.revoke_access_token(&tokens).map(drop), Err(RevokeError::AnotherClient));
    }
}
