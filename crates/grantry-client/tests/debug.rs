//! `Debug` of every public type shows no secret.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{KEY, NOW, client, id_claims, keys, moment, pending, provider, request, token_answer};
use grantry_client::{CallbackError, Client, ClientAuthentication};
use grantry_core::{ClientId, HttpResponse, SecretString};
use serde_json::json;

#[test]
fn no_debug_output_shows_a_secret() {
    let secret = |name: &str| format!("hunter2-{name}");
    let id = ClientId::parse("app-1").unwrap();
    let provider =
        provider("https://as.example").with_revocation_endpoint("https://as.example/revoke").unwrap();
    let basic = ClientAuthentication::Basic(SecretString::from(secret("basic")));
    let post = ClientAuthentication::Post(SecretString::from(secret("post")));
    let client = Client::new(provider, id, basic.clone(), "https://app.example/cb").unwrap();
    let mut claims = id_claims();
    claims["sub"] = json!(secret("sub"));
    claims["nonce"] = json!(secret("nonce"));
    let id_token = KEY.sign_claims(None, &claims).unwrap();

    let verifier = "hunter2-".repeat(8);
    let edits = json!({ "state": secret("state"), "nonce": secret("nonce"), "code_verifier": verifier });
    let flow = pending(&client, request("openid"), &edits);
    let mut shown = format!("{client:?} {basic:?} {post:?} {flow:?} {:?}", flow.to_json());
    let exchange = client.callback(flow, "code=hunter2-code&state=hunter2-state", NOW).unwrap();
    let answer = token_answer(
        &json!({ "access_token": secret("at"), "refresh_token": secret("rt"), "id_token": id_token }),
    );
    let tokens = exchange.response(&answer, &keys(), NOW).unwrap();
    let refresh = client.refresh(&tokens).unwrap();
    let revocation = client.revoke_grant(&tokens).unwrap();
    shown +=
        &format!("{exchange:?} {answer:?} {tokens:?} {:?} {refresh:?} {revocation:?}", tokens.id_token());
    shown += &format!(
        "{:?} {:?} {:?}",
        exchange.request(moment()),
        refresh.request(moment()),
        revocation.request(moment())
    );
    assert!(tokens.id_token().unwrap().raw().expose().starts_with(&id_token));

    let signature = id_token.rsplit('.').next().unwrap();
    for secret in ["hunter2", signature, &base64_of("app-1:hunter2-basic")] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

fn base64_of(text: &str) -> String {
    grantry_core::base64url::encode(text)
}

#[test]
fn no_error_shows_a_secret() {
    let client = client();
    let exchange = common::exchange(&client, "photos");
    for status in [200, 201, 400, 500] {
        let echo =
            HttpResponse::new(status).with_header("Content-Type", "text/html").with_body("code=hunter2");
        let error = exchange.response(&echo, &keys(), NOW).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{status}");
    }
    let flow = pending(&client, request("photos"), &json!({ "state": "hunter2" }));
    let error: CallbackError = client.callback(flow, "code=hunter2&state=hunter2-2", NOW).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("hunter2"));
}
