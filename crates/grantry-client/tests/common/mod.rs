//! One provider, one client and one key for the tests of this crate.
#![allow(dead_code, reason = "every test file uses some of it")]
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

extern crate alloc;

use std::sync::LazyLock;

use grantry_client::{
    AuthorizationRequest, Client, ClientAuthentication, CodeExchange, Pending, Provider, Tokens,
};
use grantry_core::form::{Form, Known};
use grantry_core::{ClientId, HttpRequest, HttpResponse, Issuer, Moment, Scope, UnixTime};
use grantry_jwt::{JwkSet, SigningKey};
use serde_json::{Value, json};

use self::alloc::collections::BTreeMap;

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

pub(crate) static KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let file = vectors(include_str!("../../../../tests/vectors/jws-sign.json"));
    let jwk = &file.iter().find(|vector| vector["id"] == "JK-107.9").unwrap()["jwk"];
    SigningKey::from_jwk(&serde_json::to_vec(jwk).unwrap()).unwrap()
});

pub(crate) fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str::<Value>(text).unwrap()["vectors"].as_array().unwrap().clone()
}

pub(crate) fn keys() -> JwkSet {
    JwkSet::from_keys([KEY.verifying_key()])
}

pub(crate) fn moment() -> Moment {
    Moment::new(NOW, [7; 32])
}

pub(crate) fn provider(issuer: &str) -> Provider {
    Provider::new(Issuer::parse(issuer).unwrap(), "https://as.example/authorize", "https://as.example/token")
        .unwrap()
}

/// A provider with every endpoint.
pub(crate) fn full_provider() -> Provider {
    let provider =
        provider("https://as.example").with_revocation_endpoint("https://as.example/revoke").unwrap();
    let provider = provider.with_introspection_endpoint("https://as.example/introspect").unwrap();
    let provider = provider.with_pushed_authorization_request_endpoint("https://as.example/par").unwrap();
    let provider = provider.with_userinfo_endpoint("https://as.example/userinfo").unwrap();
    provider.with_end_session_endpoint("https://as.example/logout?tenant=1").unwrap()
}

pub(crate) fn client_with(authentication: ClientAuthentication) -> Client {
    let id = ClientId::parse("app-1").unwrap();
    Client::new(full_provider(), id, authentication, "https://app.example/cb").unwrap()
}

/// What a vector says that the server answered.
pub(crate) fn answer_of(vector: &Value) -> HttpResponse {
    let status = u16::try_from(vector["status"].as_u64().unwrap()).unwrap();
    let response = HttpResponse::new(status).with_body(vector["body"].as_str().unwrap());
    match vector["content_type"].as_str() {
        Some(content_type) => response.with_header("Content-Type", content_type),
        None => response,
    }
}

pub(crate) fn client_of(provider: Provider) -> Client {
    client_named("app-1", provider)
}

pub(crate) fn client_named(id: &str, provider: Provider) -> Client {
    let id = ClientId::parse(id).unwrap();
    Client::new(provider, id, ClientAuthentication::None, "https://app.example/cb").unwrap()
}

pub(crate) fn client() -> Client {
    client_of(provider("https://as.example"))
}

pub(crate) fn request(scope: &str) -> AuthorizationRequest {
    AuthorizationRequest::new(Scope::parse(scope).unwrap())
}

/// Starts a flow and puts the values of a vector into what the host stored.
pub(crate) fn pending(client: &Client, request: AuthorizationRequest, edits: &Value) -> Pending {
    let (_, pending) = client.authorize(request, moment()).unwrap();
    let mut stored: Value = serde_json::from_str(pending.to_json().expose()).unwrap();
    for (name, value) in edits.as_object().unwrap() {
        stored[name] = value.clone();
    }
    Pending::from_json(&stored.to_string()).unwrap()
}

/// A flow whose callback went well.
pub(crate) fn exchange<'a>(client: &'a Client, scope: &str) -> CodeExchange<'a> {
    let pending = pending(client, request(scope), &json!({ "state": "st-1", "nonce": "n-1" }));
    client.callback(pending, "code=abc&state=st-1&iss=https%3A%2F%2Fas.example", NOW).unwrap()
}

pub(crate) fn id_claims() -> Value {
    json!({ "iss": "https://as.example", "sub": "user-1", "aud": "app-1", "iat": 1_799_999_995,
            "exp": 1_800_000_600, "nonce": "n-1" })
}

pub(crate) fn token_answer(edits: &Value) -> HttpResponse {
    let mut body = json!({ "access_token": "at-1", "token_type": "Bearer", "expires_in": 3600 });
    for (name, value) in edits.as_object().unwrap() {
        body[name] = value.clone();
    }
    HttpResponse::json(200, &body)
}

/// The tokens of a login with the given ID token claims.
pub(crate) fn login(client: &Client, claims: &Value) -> Tokens {
    let id_token = KEY.sign_claims(None, claims).unwrap();
    let answer = token_answer(&json!({ "id_token": id_token, "refresh_token": "rt-1" }));
    exchange(client, "openid photos").response(&answer, &keys(), NOW).unwrap()
}

/// The parameters of a form, each of them once.
pub(crate) fn parameters(request: &HttpRequest) -> BTreeMap<&'static str, String> {
    const KNOWN: Known = Known {
        once: &[
            "grant_type",
            "code",
            "redirect_uri",
            "code_verifier",
            "client_id",
            "client_secret",
            "client_assertion",
            "client_assertion_type",
            "refresh_token",
            "scope",
            "token",
            "token_type_hint",
            "resource",
            "device_code",
        ],
        many: &[],
    };
    let form = Form::from_request(request, &KNOWN).unwrap();
    form.iter().map(|(name, value)| (name, value.to_owned())).collect()
}
