//! Requests to grantry-resource, and answers about opaque tokens.

use std::sync::LazyLock;

use grantry::core::{ClientId, HttpRequest, HttpResponse, Issuer, SecretString};
use grantry::jwt::JwkSet;
use grantry::resource::{
    Access, AccessCache, Credentials, Guard, Introspection, Rejection, Requirement, Subject,
};
use serde_json::{Value, json};

use crate::edit::{edited, text};
use crate::fixture::{self, ISSUER, NOW, SIGNING_KEY, START, issuer, parameters};

const AUDIENCE: &str = "https://api.example";

static GUARD: LazyLock<Guard> = LazyLock::new(|| {
    let keys = JwkSet::from_keys([SIGNING_KEY.verifying_key()]);
    Guard::new(issuer(), AUDIENCE, keys).allow_form_body().danger_allow_query()
});

static TOKEN: LazyLock<String> = LazyLock::new(|| signed("at+jwt", "iat", json!(START)));

/// Tokens of the same issuer for another purpose, for another server, out of time, and bound to a key.
static OTHERS: LazyLock<Vec<String>> = LazyLock::new(|| {
    vec![
        signed("JWT", "iat", json!(START)),
        signed("at+jwt", "aud", json!("https://another.example")),
        signed("at+jwt", "exp", json!(START)),
        signed("at+jwt", "nbf", json!(START + 1)),
        signed("at+jwt", "cnf", json!({ "jkt": "0" })),
    ]
});

/// A good access token but for its type and one claim.
fn signed(typ: &str, name: &str, value: Value) -> String {
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "client_id": "app-1", "scope": "read",
        "iat": START, "exp": START + 600, "jti": "1",
    });
    claims[name] = value;
    SIGNING_KEY.sign_claims(Some(typ), &claims).unwrap()
}

/// A request gets access only if the one token that was signed stands in it once, with the access that the
/// token says, and every other answer is a 400, 401 or 403 with a challenge on one line.
pub fn guard(data: &[u8]) {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let fields = [text(line()), text(line())];
    let (query, body) = (text(line()), line());
    let request = HttpRequest::new("POST", format!("/photos?{query}"))
        .with_header("Content-Type", "application/x-www-form-urlencoded")
        .with_body(body);
    let fields = fields.iter().filter(|field| !field.is_empty());
    check(&fields.fold(request, |request, field| request.with_header("Authorization", field)));

    for token in OTHERS.iter().chain([&*TOKEN]) {
        let field = text(&edited(format!("Bearer {token}").as_bytes(), data));
        check(&HttpRequest::new("GET", "/photos").with_header("Authorization", field));
    }
}

fn need(scope: &str) -> Requirement {
    Requirement::scope(fixture::scope(scope))
}

fn check(request: &HttpRequest) {
    let checked = GUARD.check(request, &need("read"), NOW);
    // What is remembered makes no difference.
    let mut cache = AccessCache::new(8);
    for _ in 0..2 {
        assert_eq!(GUARD.check_in(request, &need("read"), NOW, &mut cache), checked);
    }
    match checked {
        Ok(access) => {
            assert_access(&access);
            let fields: Vec<_> = request.headers.all("authorization").collect();
            let is_bearer = |field: &str| {
                let (scheme, token) = field.split_once(' ').unwrap_or_default();
                scheme.eq_ignore_ascii_case("bearer") && token.trim_start_matches(' ') == *TOKEN
            };
            let in_header = fields.into_iter().filter(|field| is_bearer(field)).count();
            let in_text = |text: &[u8]| {
                parameters(text, "access_token").into_iter().filter(|token| *token == *TOKEN).count()
            };
            let places = in_header + in_text(&request.body) + in_text(request.query().as_bytes());
            assert_eq!(places, 1, "access without the token");
        }
        Err(rejection) => assert_rejection(&rejection),
    }
    let wider = GUARD.check(request, &need("read write"), NOW);
    assert_rejection(&wider.expect_err("a scope that no token has"));
}

fn assert_access(access: &Access) {
    assert_eq!(access.subject(), &Subject::User("alice".into()));
    assert_eq!(access.client_id().as_str(), "app-1");
    assert_eq!(access.scope(), &fixture::scope("read"));
}

fn assert_rejection(rejection: &Rejection) {
    let response = rejection.to_response();
    assert!(matches!(response.status, 400 | 401 | 403));
    let challenge = response.headers.only("WWW-Authenticate").expect("a challenge");
    assert!(challenge.starts_with("Bearer realm=\""));
    assert!(challenge.bytes().all(|byte| matches!(byte, b' '..=b'~')));
}

/// An introspection answer gives access only if it says of a bearer token for this audience that it is
/// active, names no other issuer, and is inside its times.
pub fn introspection_response(data: &[u8]) {
    static INTROSPECTION: LazyLock<Introspection> = LazyLock::new(|| {
        let id = ClientId::parse("api").unwrap();
        let credentials = Credentials::client_secret_basic(id, SecretString::from("secret"));
        Introspection::new(issuer(), "https://as.example/introspect", credentials).unwrap()
    });
    let answer =
        |status| HttpResponse::new(status).with_header("Content-Type", "application/json").with_body(data);
    assert!(INTROSPECTION.response(&answer(401)).is_err());
    let Ok(introspected) = INTROSPECTION.response(&answer(200)) else { return };
    let body: Value = serde_json::from_slice(data).expect("an answer that was read");
    assert_eq!(body["active"], introspected.is_active());
    let access = match GUARD.accept_introspected(&introspected, &need("read"), NOW) {
        Ok(access) => access,
        Err(rejection) => return assert_rejection(&rejection),
    };
    assert_eq!(body["active"], true);
    assert!(body["iss"].is_null() || Issuer::parse(body["iss"].as_str().unwrap()) == Ok(issuer()));
    let names =
        |value: &Value| *value == AUDIENCE || value.as_array().is_some_and(|v| v.contains(&json!(AUDIENCE)));
    assert!(names(&body["aud"]));
    assert!(body["token_type"].as_str().unwrap().eq_ignore_ascii_case("Bearer"));
    assert!(body["exp"].is_null() || body["exp"].as_u64().unwrap() > START);
    assert!(body["nbf"].is_null() || body["nbf"].as_u64().unwrap() <= START);
    assert!(body["cnf"].is_null());
    assert!(body["scope"].as_str().unwrap().split(' ').any(|token| token == "read"));
    assert_eq!(body["client_id"], access.client_id().as_str());
    match access.subject() {
        Subject::User(name) => assert!(!name.is_empty() && body["sub"] == name.as_str()),
        Subject::Client(id) => assert_eq!(body["sub"], id.as_str()),
    }
}
