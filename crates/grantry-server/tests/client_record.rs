//! The stored form of a client's registration.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use core::time::Duration;

use grantry_core::SecretString;
use grantry_jwt::{Algorithm, JwkSet};
use grantry_server::{
    ApplicationType, AssertionKeys, AssertionSecret, Client, ClientAuthentication, ClientRecordError,
    GrantType, IntrospectionRight, RedirectUri, SecretDigest,
};
use support::{client_id, clients, private_key, scope, secret};

fn uri(text: &str) -> RedirectUri {
    RedirectUri::register(text, ApplicationType::Native).unwrap()
}

/// A registration in which everything is set.
fn full(authentication: ClientAuthentication) -> Client {
    Client::new(client_id("full"), authentication)
        .with_name("Full \"Client\"")
        .native()
        .with_redirect_uri(uri("https://full.example/cb?a=b"))
        .with_redirect_uri(uri("com.example.full:/cb"))
        .with_post_logout_redirect_uri(uri("https://full.example/out"))
        .with_id_token_audience("https://full.example/backend")
        .with_grant_types(GrantType::ALL.iter().copied())
        .with_scope(scope("a b"))
        .with_default_scope(scope("b"))
        .with_introspection(IntrospectionRight::AccessTokensFor(["https://api.example".into()].into()))
        .with_access_token_lifetime(Duration::from_secs(61))
        .with_refresh_token_lifetime(Duration::from_secs(62))
        .requiring_pushed_requests()
}

#[test]
fn a_registration_comes_back_as_it_was() {
    let keys = [private_key("JK-107.2", "1"), private_key("JK-107.3", "2")];
    let keys = AssertionKeys::new(&JwkSet::from_keys(keys.iter().map(|key| key.verifying_key()))).unwrap();
    let keys = keys.with_algorithms(&[Algorithm::Rs256]);
    let digest = || SecretDigest::of("secret-of-full");
    let methods = [
        ClientAuthentication::None,
        ClientAuthentication::SecretBasic(digest()),
        ClientAuthentication::SecretPost(digest()),
        ClientAuthentication::PrivateKeyJwt(keys),
    ];
    for client in clients().into_iter().chain(methods.map(full)) {
        let text = client.to_json().unwrap();
        assert_eq!(Client::from_json(&text), Ok(client), "{text}");
        assert!(!text.contains("secret-of-full") && !text.contains(&secret("web")));
    }
}

#[test]
fn rfc7523_a_shared_secret_is_not_written_down() {
    let shared = AssertionSecret::new(&SecretString::from("0123456789abcdef0123456789abcdef")).unwrap();
    let client = full(ClientAuthentication::SecretJwt(shared));
    assert_eq!(client.to_json(), Err(ClientRecordError::SharedSecret));
}

#[test]
fn what_is_no_registration_is_refused() {
    let text = full(ClientAuthentication::None).to_json().unwrap();
    let newer = text.replacen("\"form\":1", "\"form\":2", 1);
    assert_eq!(Client::from_json(&newer), Err(ClientRecordError::Newer(2)));
    for other in [
        text.replacen("\"form\":1", "\"form\":0", 1),
        text.replacen("\"form\":1", "\"form\":1,\"form\":1", 1),
        text.replacen("\"native\"", "\"other\"", 1),
        text.replacen("\"native\"", "\"other\":1,\"native\"", 1),
        text.replacen("https://full.example/cb", "http://full.example/cb", 1),
        text.replacen("authorization_code", "authorization", 1),
        text.replacen("\"none\"", "\"tls_client_auth\"", 1),
        format!("[{text}]"),
        format!("{}{text}", " ".repeat(Client::MAX_RECORD_BYTES)),
        String::new(),
    ] {
        assert_eq!(Client::from_json(&other), Err(ClientRecordError::Corrupt), "{other}");
    }
    for damaged in 0..text.len() {
        let _ = Client::from_json(text.get(..damaged).unwrap_or_default());
    }
}
