//! What a provider, or somebody in its place, answers to grantry-client.

use std::sync::LazyLock;

use grantry::client::{
    AuthorizationRequest, Client, ClientAuthentication, CodeExchange, Pending, Provider, RefreshError,
    TokenError, Tokens,
};
use grantry::core::{ClientId, HttpResponse, SecretString, form};
use grantry::jwt::JwkSet;
use serde_json::{Value, json};

use crate::edit::text;
use crate::fixture::{self, ISSUER, NOW, REDIRECT_URI, SIGNING_KEY, issuer, moment, parameters};

static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    let provider =
        Provider::new(issuer(), "https://as.example/authorize", "https://as.example/token").unwrap();
    let provider = provider.with_revocation_endpoint("https://as.example/revoke").unwrap();
    let provider = provider.with_authorization_response_iss_parameter_supported();
    let id = ClientId::parse("app-1").unwrap();
    Client::new(provider, id, ClientAuthentication::Post(SecretString::from("secret")), REDIRECT_URI).unwrap()
});

/// What a host stored for a flow with the state `st-1` and the nonce `n-1`.
fn pending_of(scope: &str) -> String {
    let request = AuthorizationRequest::new(fixture::scope(scope));
    let (_, pending) = CLIENT.authorize(request, moment(NOW, 1)).unwrap();
    let mut stored: Value = serde_json::from_str(pending.to_json().expose()).unwrap();
    stored["state"] = json!("st-1");
    stored["nonce"] = json!("n-1");
    stored.to_string()
}

fn exchange(scope: &str) -> CodeExchange<'static> {
    let pending = Pending::from_json(&pending_of(scope)).unwrap();
    CLIENT.callback(pending, "code=abc&state=st-1&iss=https%3A%2F%2Fas.example", NOW).unwrap()
}

/// A callback gives a code only if state and issuer stand in the query once and are those of the flow, and
/// then the one code of that query.
pub fn callback(data: &[u8]) {
    static STORED: LazyLock<String> = LazyLock::new(|| pending_of("read"));
    let query = text(data);
    let pending = Pending::from_json(&STORED).unwrap();
    let Ok(exchange) = CLIENT.callback(pending, &query, NOW) else { return };
    assert_eq!(parameters(query.as_bytes(), "state"), ["st-1"]);
    assert_eq!(parameters(query.as_bytes(), "iss"), [ISSUER]);
    for unwanted in ["error", "access_token", "id_token", "token_type"] {
        assert!(parameters(query.as_bytes(), unwanted).iter().all(String::is_empty), "{unwanted}");
    }
    let request = exchange.request(moment(NOW, 2)).expect("a secret signs nothing");
    let code = parameters(&request.body, "code");
    assert_eq!(code, parameters(query.as_bytes(), "code"));
    assert!(code.len() == 1 && !code[0].is_empty());
    assert_eq!(request.target, "https://as.example/token");
}

static ID_TOKEN: LazyLock<String> = LazyLock::new(|| {
    let claims = json!({
        "iss": ISSUER, "sub": "alice", "aud": "app-1", "nonce": "n-1", "iat": 1_800_000_000,
        "exp": 1_800_000_600,
    });
    SIGNING_KEY.sign_claims(None, &claims).unwrap()
});

/// An answer gives tokens only with the status 200 and as one JSON object with a bearer token and no error,
/// the tokens are those of that object, and a login takes the one ID token that was signed for it.
pub fn token_response(data: &[u8]) {
    static PLAIN: LazyLock<CodeExchange<'static>> = LazyLock::new(|| exchange("read"));
    static LOGIN: LazyLock<CodeExchange<'static>> = LazyLock::new(|| exchange("openid read"));
    static KEYS: LazyLock<JwkSet> = LazyLock::new(|| JwkSet::from_keys([SIGNING_KEY.verifying_key()]));
    let answer = |status, content_type: &str| {
        HttpResponse::new(status).with_header("Content-Type", content_type).with_body(data)
    };
    let good = answer(200, "application/json");
    if let Ok(tokens) = PLAIN.response(&good, &KEYS, NOW) {
        assert_tokens(&tokens, data);
        assert!(tokens.id_token().is_none());
        match CLIENT.refresh(&tokens) {
            Ok(refresh) => {
                assert!(refresh.response(&good, &KEYS, NOW).is_ok(), "a refresh reads another answer")
            }
            Err(error) => {
                assert_eq!((error, tokens.refresh_token().is_none()), (RefreshError::NoRefreshToken, true))
            }
        }
        let revocation = CLIENT.revoke_grant(&tokens).expect("an endpoint");
        assert_eq!(revocation.response(&good), Ok(()));
    }
    if let Ok(tokens) = LOGIN.response(&good, &KEYS, NOW) {
        assert_tokens(&tokens, data);
        let id_token = tokens.id_token().expect("a login has an ID token");
        assert_eq!((id_token.raw().expose(), id_token.subject()), (ID_TOKEN.as_str(), "alice"));
    }
    for status in [201, 302, 400, 401, 503] {
        let refused = PLAIN.response(&answer(status, "application/json"), &KEYS, NOW);
        match refused {
            Err(TokenError::Refused { refusal, .. }) => {
                assert!(status >= 400 && refusal.error().bytes().all(|byte| matches!(byte, b' '..=b'~')));
            }
            Err(TokenError::Response(_)) => {}
            other => panic!("{other:?} with status {status}"),
        }
    }
    assert!(PLAIN.response(&answer(200, "text/html"), &KEYS, NOW).is_err());
}

fn assert_tokens(tokens: &Tokens, data: &[u8]) {
    let body: Value = serde_json::from_slice(data).expect("an answer that was read");
    assert_eq!(body["access_token"], tokens.access_token().expose());
    assert!(body["token_type"].as_str().unwrap().eq_ignore_ascii_case("Bearer"));
    assert_eq!(body["refresh_token"].as_str(), tokens.refresh_token().map(SecretString::expose));
    assert!(body["error"].is_null());
    let is_header_text = |token: &SecretString| token.expose().bytes().all(|byte| byte.is_ascii_graphic());
    assert!(is_header_text(tokens.access_token()) && tokens.refresh_token().is_none_or(is_header_text));
    let lifetime = tokens.expires_at().map(|until| until.saturating_since(NOW).as_secs());
    let told = body["expires_in"].as_u64().map(|told| told.min(u64::MAX - NOW.as_secs()));
    assert_eq!(lifetime, told);
}

/// Any text is a stored flow or an error, and a stored flow is written as text that reads back the same.
pub fn pending(data: &[u8]) {
    let text = text(data);
    let Ok(pending) = Pending::from_json(&text) else { return };
    let written = pending.to_json();
    if written.expose().len() <= Pending::MAX_BYTES {
        let again = Pending::from_json(written.expose()).expect("a flow that was written");
        assert_eq!(again.to_json().expose(), written.expose());
    }
    // What was stored for another provider, or long ago, is never used.
    let age = NOW.saturating_since(pending.created());
    let is_ours = pending.issuer().as_str() == ISSUER && age < Pending::LIFETIME;
    let state = pending.state().map(SecretString::expose).unwrap_or_default();
    let answer = form::encode([("code", "a"), ("iss", pending.issuer().as_str()), ("state", state)]);
    assert!(is_ours || CLIENT.callback(pending, &answer, NOW).is_err());
}
