//! `Debug` of every public type shows no secret.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{KEY, NOW, client, client_with, full_provider, id_claims, keys, moment, pending};
use common::{request, token_answer};
use grantry_client::{CallbackError, Client, ClientAuthentication};
use grantry_core::{ClientId, HttpResponse, SecretBytes, SecretString};
use grantry_jwt::{Algorithm, SigningKey};
use serde_json::json;

#[test]
fn no_debug_output_shows_a_secret() {
    let secret = |name: &str| format!("hunter2-{name}");
    let id = ClientId::parse("app-1").unwrap();
    let basic = ClientAuthentication::Basic(SecretString::from(secret("basic")));
    let post = ClientAuthentication::Post(SecretString::from(secret("post")));
    let client = Client::new(full_provider(), id, basic.clone(), "https://app.example/cb").unwrap();
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

    let introspection = client.introspect_access_token(&tokens).unwrap();
    let body = json!({ "active": true, "sub": secret("sub"), "username": secret("name") });
    shown += &format!("{introspection:?} {:?}", introspection.response(&HttpResponse::json(200, &body)));
    let user_info = client.user_info(&tokens).unwrap();
    let told = user_info.response(&HttpResponse::json(200, &json!({ "sub": secret("sub") }))).unwrap();
    shown += &format!("{user_info:?} {:?} {told:?}", user_info.request());
    let end_session = client.end_session(&tokens).unwrap();
    let (_, pending_logout) = end_session.url_returning_to("https://app.example/", moment()).unwrap();
    shown += &format!("{end_session:?} {pending_logout:?}");
    assert!(tokens.id_token().unwrap().raw().expose().starts_with(&id_token));

    let signature = id_token.rsplit('.').next().unwrap();
    let logout = serde_json::from_str::<serde_json::Value>(pending_logout.to_json().expose()).unwrap();
    let state = logout["state"].as_str().unwrap();
    for secret in ["hunter2", signature, state, &base64_of("app-1:hunter2-basic")] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn no_debug_output_of_a_started_flow_or_a_signed_request_shows_a_secret() {
    let hmac = SecretBytes::from(b"hunter2-".repeat(4));
    let key = SigningKey::from_secret(Algorithm::Hs256, &hmac).unwrap();
    let by_secret = ClientAuthentication::SecretJwt(key);
    let client = client_with(by_secret.clone());
    let push = client.push(request("openid"), moment()).unwrap();
    let request_sent = push.request(moment()).unwrap();
    let mut shown = format!("{client:?} {by_secret:?} {push:?} {request_sent:?}");
    let body = json!({ "request_uri": "urn:hunter2", "expires_in": 60 });
    let pushed = push.response(&HttpResponse::json(201, &body), NOW).unwrap();
    shown += &format!("{pushed:?}");
    let (_, flow) = pushed.into_parts();
    let stored = serde_json::from_str::<serde_json::Value>(flow.to_json().expose()).unwrap();
    let credentials = client.client_credentials().unwrap();
    shown += &format!("{credentials:?} {:?}", credentials.request(moment()));
    let outside = client_with(ClientAuthentication::OutsideKeyJwt(KEY.verifying_key()));
    let waiting = outside.push(request("openid"), moment()).unwrap().request_to_sign(moment()).unwrap();
    shown += &format!("{waiting:?}");
    let drawn = ["state", "nonce", "code_verifier"].map(|name| stored[name].as_str().unwrap());
    for secret in drawn.into_iter().chain(["hunter2"]) {
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
