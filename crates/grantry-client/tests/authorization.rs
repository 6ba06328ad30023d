//! The authorization request.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

extern crate alloc;

mod common;

use alloc::collections::BTreeMap;
use core::time::Duration;

use common::{client, client_of, moment, pending, provider, request};
use grantry_client::{AuthorizationError, AuthorizationRequest, Provider};
use grantry_core::{CodeVerifier, Issuer, Moment};
use serde_json::json;

#[test]
fn rfc6749_4_1_1_the_request_has_every_parameter_once() {
    let request = request("openid photos")
        .with_max_age(Duration::from_secs(300))
        .with_parameter("prompt", "login & more");
    let (url, pending) = client().authorize(request, moment()).unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let query: BTreeMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(query.len(), pairs.len());
    assert_eq!(url.as_str().split('?').next(), Some("https://as.example/authorize"));
    let stored: serde_json::Value = serde_json::from_str(pending.to_json().expose()).unwrap();
    let challenge = CodeVerifier::parse(stored["code_verifier"].as_str().unwrap()).unwrap().challenge();
    let expected = [
        ("client_id", "app-1"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("max_age", "300"),
        ("nonce", stored["nonce"].as_str().unwrap()),
        ("prompt", "login & more"),
        ("redirect_uri", "https://app.example/cb"),
        ("response_type", "code"),
        ("scope", "openid photos"),
        ("state", stored["state"].as_str().unwrap()),
    ];
    let query: Vec<(&str, &str)> =
        query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(query, expected);
}

#[test]
fn rfc9700_2_1_1_state_nonce_and_verifier_are_fresh_and_independent() {
    let values = |seed: u8| {
        let moment = Moment::new(common::NOW, [seed; 32]);
        let (_, pending) = client().authorize(request("openid"), moment).unwrap();
        let stored: serde_json::Value = serde_json::from_str(pending.to_json().expose()).unwrap();
        ["state", "nonce", "code_verifier"].map(|name| stored[name].as_str().unwrap().to_owned())
    };
    let mut all = [values(1), values(2)].concat();
    assert!(all.iter().all(|value| value.len() == 43), "256 bits in base64url");
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 6);
    assert_eq!(values(1), values(1), "a recorded operation can be replayed");
}

#[test]
fn rfc6749_3_1_the_query_of_the_endpoint_is_kept() {
    for (endpoint, start) in [
        ("https://as.example/a?tenant=x%20y", "https://as.example/a?tenant=x%20y&response_type=code&"),
        ("https://as.example/a?", "https://as.example/a?response_type=code&"),
    ] {
        let issuer = Issuer::parse("https://as.example").unwrap();
        let provider = Provider::new(issuer, endpoint, "https://as.example/token").unwrap();
        let (url, _) = client_of(provider).authorize(request(""), moment()).unwrap();
        assert!(url.as_str().starts_with(start), "{url}");
    }
}

#[test]
fn rfc6749_3_1_no_parameter_stands_twice() {
    let issuer = || Issuer::parse("https://as.example").unwrap();
    let at =
        |endpoint: &str| client_of(Provider::new(issuer(), endpoint, "https://as.example/token").unwrap());
    let start = |endpoint: &str, parameters: &[(&str, &str)]| {
        let request = parameters
            .iter()
            .fold(request("a"), |request, (name, value)| request.with_parameter(*name, *value));
        at(endpoint).authorize(request, moment()).map(drop)
    };
    let plain = "https://as.example/a";
    for name in [
        "response_mode",
        "state",
        "nonce",
        "scope",
        "code_challenge",
        "redirect_uri",
        "max_age",
        "request",
        "request_uri",
    ] {
        assert_eq!(start(plain, &[(name, "x")]), Err(AuthorizationError::ReservedParameter(name)));
        assert_eq!(
            start(&format!("{plain}?{name}=x"), &[]),
            Err(AuthorizationError::ReservedParameter(name))
        );
    }
    assert_eq!(start(plain, &[("p", "1"), ("p", "2")]), Err(AuthorizationError::RepeatedParameter));
    assert_eq!(start("https://as.example/a?p=0", &[("p", "1")]), Err(AuthorizationError::RepeatedParameter));
    // RFC 8707 section 2: one request, several resources.
    assert_eq!(start(plain, &[("resource", "https://a"), ("resource", "https://b")]), Ok(()));
}

#[test]
fn rfc8414_2_no_flow_starts_at_a_provider_without_an_authorization_endpoint() {
    let issuer = Issuer::parse("https://as.example").unwrap();
    let provider = Provider::without_authorization_endpoint(issuer, "https://as.example/token").unwrap();
    let outcome = client_of(provider).authorize(request("a"), moment()).map(drop);
    assert_eq!(outcome, Err(AuthorizationError::NoAuthorizationEndpoint));
}

/// PK-28
#[test]
fn rfc9700_2_1_1_a_provider_whose_list_lacks_s256_gets_no_request() {
    let with = |methods: &[&'static str]| {
        let provider = provider("https://as.example");
        let provider = provider.with_code_challenge_methods_supported(methods.iter().copied());
        client_of(provider).authorize(request("a"), moment()).map(drop)
    };
    assert_eq!(with(&["plain"]), Err(AuthorizationError::S256NotSupported));
    assert_eq!(with(&[]), Err(AuthorizationError::S256NotSupported));
    assert_eq!(with(&["s256"]), Err(AuthorizationError::S256NotSupported));
    assert_eq!(with(&["plain", "S256"]), Ok(()));
}

#[test]
fn oidc_3_1_2_1_required_acr_values_are_sent_once_and_bounded() {
    let (url, _) = client().authorize(request("openid").with_required_acr_values("a b"), moment()).unwrap();
    assert_eq!(url.query_pairs().filter(|(name, value)| name == "acr_values" && value == "a b").count(), 1);
    let twice = request("openid").with_required_acr_values("a").with_parameter("acr_values", "b");
    let outcome = client().authorize(twice, moment()).map(drop);
    assert_eq!(outcome, Err(AuthorizationError::RepeatedParameter));
    let of = |bytes: usize| {
        client().authorize(request("openid").with_required_acr_values("a".repeat(bytes)), moment()).map(drop)
    };
    assert_eq!(of(AuthorizationRequest::MAX_ACR_VALUES_BYTES), Ok(()));
    assert_eq!(of(AuthorizationRequest::MAX_ACR_VALUES_BYTES + 1), Err(AuthorizationError::AcrValues));
}

#[test]
fn oidc_3_1_2_1_a_nonce_goes_with_openid_alone() {
    let (url, _) = client().authorize(request("photos"), moment()).unwrap();
    assert!(url.query_pairs().all(|(name, _)| name != "nonce"));
    let (url, _) = client().authorize(request("openid").danger_without_state(), moment()).unwrap();
    assert!(url.query_pairs().any(|(name, _)| name == "nonce"));
    assert!(url.query_pairs().all(|(name, _)| name != "state"));
}

#[test]
fn what_the_host_stores_comes_back_whole() {
    let flow = pending(&client(), request("openid").with_max_age(Duration::from_secs(9)), &json!({}));
    assert_eq!(flow.issuer().as_str(), "https://as.example");
    assert_eq!(flow.created(), common::NOW);
    let (_, original) =
        client().authorize(request("openid").with_max_age(Duration::from_secs(9)), moment()).unwrap();
    assert_eq!(flow.to_json().expose(), original.to_json().expose());
    assert!(original.state().unwrap().matches(flow.state().unwrap().expose()));
}

#[test]
fn oidc_3_1_2_1_what_the_id_token_is_checked_for_needs_a_login() {
    for asked in [
        request("photos").with_max_age(Duration::from_secs(60)),
        request("photos").with_required_acr_values("a"),
    ] {
        assert_eq!(client().authorize(asked, moment()).map(drop), Err(AuthorizationError::NoLogin));
    }
}

#[test]
fn no_debug_output_of_a_request_shows_whom_it_is_about() {
    let asked =
        request("openid").with_parameter("login_hint", "alice").with_parameter("id_token_hint", "alice.x.y");
    let shown = format!("{asked:?}");
    assert!(shown.contains("login_hint") && !shown.contains("alice"), "{shown}");
}
