//! Native apps ([RFC 8252](https://www.rfc-editor.org/rfc/rfc8252)).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{NOW, moment, parameters, provider, request};
use grantry_client::{AuthorizationError, CallbackError, Client, ClientAuthentication, Pending};
use grantry_core::ClientId;

fn app(redirect_uri: &str) -> Client {
    let id = ClientId::parse("app-1").unwrap();
    Client::new(provider("https://as.example"), id, ClientAuthentication::None, redirect_uri).unwrap()
}

fn answer_to(pending: &Pending) -> String {
    format!("code=abc&state={}", pending.state().unwrap().expose())
}

#[test]
fn rfc8252_7_3_a_flow_comes_back_to_the_port_of_its_listener() {
    for (registered, used) in [
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"),
        ("http://[::1]:1/cb?x=1", "http://[::1]:51004/cb?x=1"),
    ] {
        let client = app(registered);
        let (url, pending) = client.authorize(request("photos").with_loopback_port(51004), moment()).unwrap();
        assert!(url.query_pairs().any(|(name, value)| name == "redirect_uri" && value == used));
        let query = answer_to(&pending);
        let stored = Pending::from_json(pending.to_json().expose()).unwrap();
        let exchange = client.callback(stored, &query, NOW).unwrap();
        // RFC 6749 section 4.1.3: the one of the authorization request, with its port.
        assert_eq!(parameters(&exchange.request(moment()).unwrap())["redirect_uri"], used);
    }
}

#[test]
fn rfc8252_7_3_no_port_varies_elsewhere() {
    for other in
        ["https://app.example/cb", "http://localhost/cb", "com.example.app:/cb", "https://127.0.0.1/cb"]
    {
        let outcome = app(other).authorize(request("photos").with_loopback_port(51004), moment()).map(drop);
        assert_eq!(outcome, Err(AuthorizationError::LoopbackPort), "{other}");
    }
    let zero = app("http://127.0.0.1/cb").authorize(request("photos").with_loopback_port(0), moment());
    assert_eq!(zero.map(drop), Err(AuthorizationError::LoopbackPort));
}

#[test]
fn rfc6749_4_1_3_a_flow_of_another_loopback_path_is_another_clients() {
    let start =
        || app("http://127.0.0.1/cb").authorize(request("photos").with_loopback_port(51004), moment());
    for other in ["http://127.0.0.1/other", "http://[::1]/cb", "http://127.0.0.1.evil.example/cb"] {
        let (_, pending) = start().unwrap();
        let query = answer_to(&pending);
        let outcome = app(other).callback(pending, &query, NOW).map(drop);
        assert_eq!(outcome, Err(CallbackError::AnotherClient), "{other}");
    }
}

#[test]
fn rfc8252_7_1_a_private_use_scheme_takes_a_flow() {
    let client = app("com.example.app:/cb");
    let (url, pending) = client.authorize(request("photos"), moment()).unwrap();
    assert!(url.as_str().contains("redirect_uri=com.example.app%3A%2Fcb&"));
    let query = answer_to(&pending);
    let exchange = client.callback(pending, &query, NOW).unwrap();
    assert_eq!(parameters(&exchange.request(moment()).unwrap())["redirect_uri"], "com.example.app:/cb");
}
