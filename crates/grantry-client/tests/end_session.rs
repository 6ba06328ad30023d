//! Signing out at the provider.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{NOW, client, client_named, client_of, exchange, full_provider, id_claims, keys, login, moment};
use common::{provider, token_answer};
use grantry_client::{Client, EndSessionError, LogoutCallbackError, PendingLogout, Tokens};
use grantry_core::UnixTime;
use grantry_core::form::FormError;
use serde_json::json;

const RETURN: &str = "https://app.example/signed-out";

fn tokens_of(client: &Client) -> Tokens {
    login(client, &id_claims())
}

#[test]
fn oidc_logout_2_the_url_hints_at_who_signs_out() {
    let client = client_of(full_provider());
    let tokens = tokens_of(&client);
    let raw = tokens.id_token().unwrap().raw().expose();
    let url = client.end_session(&tokens).unwrap().url();
    let expected = format!("https://as.example/logout?tenant=1&id_token_hint={raw}&client_id=app-1");
    assert_eq!(url.as_str(), expected);
    let (url, pending) = client.end_session(&tokens).unwrap().url_returning_to(RETURN, moment()).unwrap();
    let stored: serde_json::Value = serde_json::from_str(pending.to_json().expose()).unwrap();
    let state = stored["state"].as_str().unwrap();
    assert_eq!(state.len(), 43, "256 bits in base64url");
    let end = format!("&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fsigned-out&state={state}");
    assert_eq!(url.as_str(), expected + &end);
}

#[test]
fn oidc_logout_3_the_state_of_the_return_is_the_one_that_was_sent() {
    let client = client_of(full_provider());
    let tokens = tokens_of(&client);
    let way = client.end_session(&tokens).unwrap();
    let back = |query: &dyn Fn(&str) -> String, later: u64| {
        let (_, pending) = way.url_returning_to(RETURN, moment()).unwrap();
        let stored: serde_json::Value = serde_json::from_str(pending.to_json().expose()).unwrap();
        let query = query(stored["state"].as_str().unwrap());
        let pending = PendingLogout::from_json(pending.to_json().expose()).unwrap();
        pending.callback(&query, UnixTime::from_secs(NOW.as_secs() + later))
    };
    assert_eq!(back(&|state| format!("state={state}&x=1"), 3599), Ok(()));
    assert_eq!(back(&|state| format!("state={state}"), 3600), Err(LogoutCallbackError::Expired));
    assert_eq!(back(&|state| format!("state={state}x"), 0), Err(LogoutCallbackError::StateDiffers));
    assert_eq!(back(&|_| String::new(), 0), Err(LogoutCallbackError::StateMissing));
    let twice = back(&|state| format!("state={state}&state={state}"), 0);
    assert_eq!(twice, Err(LogoutCallbackError::Malformed(FormError::Repeated("state"))));
}

#[test]
fn a_return_is_to_an_absolute_url_without_fragment() {
    let client = client_of(full_provider());
    let tokens = tokens_of(&client);
    for bad in ["", "/signed-out", "https://app.example/#x", "https://app.example/ x"] {
        let outcome = client.end_session(&tokens).unwrap().url_returning_to(bad, moment()).map(drop);
        assert_eq!(outcome, Err(EndSessionError::RedirectUri), "{bad}");
    }
}

#[test]
fn an_id_token_is_shown_to_its_own_provider_by_its_own_client() {
    let tokens = tokens_of(&client());
    let evil = provider("https://evil.example").with_end_session_endpoint("https://evil.example/e").unwrap();
    assert_eq!(client_of(evil).end_session(&tokens).map(drop), Err(EndSessionError::AnotherProvider));
    let other = client_named("app-2", full_provider());
    assert_eq!(other.end_session(&tokens).map(drop), Err(EndSessionError::AnotherClient));
    assert_eq!(client().end_session(&tokens).map(drop), Err(EndSessionError::NoEndpoint));
    let client = client_of(full_provider());
    let tokens = exchange(&client, "photos").response(&token_answer(&json!({})), &keys(), NOW).unwrap();
    assert_eq!(client.end_session(&tokens).map(drop), Err(EndSessionError::NoIdToken));
}
