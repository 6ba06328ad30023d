//! Opaque tokens ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)): the introspection vectors of
//! `token-response.json`, and what a guard accepts.

use core::time::Duration;

use crate::common::{API, ISSUER, NOW, guard, issuer, need, scope};
use grantry_core::form::{self, Form, Known};
use grantry_core::json::JsonError;
use grantry_core::{ClientId, ErrorCode, HttpResponse, SecretString, UnixTime};
use grantry_resource::{
    Access, Credentials, Introspected, Introspection, IntrospectionError, Reason, Subject,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn introspection() -> Introspection {
    with(Credentials::client_secret_basic(client_id(), SecretString::from("s3cret+&")))
}

pub(crate) fn with(credentials: Credentials) -> Introspection {
    Introspection::new(issuer(ISSUER), "https://as.example/introspect", credentials).unwrap()
}

pub(crate) fn client_id() -> ClientId {
    ClientId::parse("photos:api").unwrap()
}

fn answer(status: u16, content_type: Option<&str>, body: &str) -> Result<Introspected, IntrospectionError> {
    let response = HttpResponse::new(status).with_body(body);
    introspection().response(&match content_type {
        Some(content_type) => response.with_header("Content-Type", content_type),
        None => response,
    })
}

pub(crate) fn read(body: &Value) -> Result<Introspected, IntrospectionError> {
    answer(200, Some("application/json"), &body.to_string())
}

/// An active answer about a good token, with one member changed.
fn active(name: &str, value: Value) -> Introspected {
    let mut body = json!({
        "active": true, "iss": ISSUER, "aud": API, "sub": "user-1", "client_id": "app", "scope": "read photos",
        "token_type": "Bearer", "exp": NOW.as_secs() + 60, "iat": 1, "nbf": 1, "jti": "id-1", "username": "U",
    });
    body[name] = value;
    read(&body).unwrap()
}

fn accept(introspected: &Introspected) -> Result<Access, Reason> {
    guard().accept_introspected(introspected, &need("read"), NOW).map_err(|rejection| rejection.reason())
}

#[test]
fn vectors() {
    let file: Value =
        serde_json::from_str(include_str!("../../../../tests/vectors/token-response.json")).unwrap();
    let mut run = Vec::new();
    for vector in file["vectors"].as_array().unwrap() {
        // The other endpoints are the client's: the vectors of grantry-client.
        if vector["endpoint"] != "introspection" {
            continue;
        }
        let id = vector["id"].as_str().unwrap();
        let status = u16::try_from(vector["status"].as_u64().unwrap()).unwrap();
        let outcome = answer(status, vector["content_type"].as_str(), vector["body"].as_str().unwrap());
        let as_expected = match vector["outcome"].as_str().unwrap() {
            "ok" => outcome.as_ref().is_ok_and(|answer| vector["expect"]["active"] == answer.is_active()),
            "reject" => outcome == Err(IntrospectionError::Json(JsonError::Shape)),
            "oauth_error" => {
                let code = ErrorCode::parse(vector["error"].as_str().unwrap()).unwrap();
                outcome == Err(IntrospectionError::Refused(code))
            }
            other => unreachable!("{id}: {other}"),
        };
        assert!(as_expected, "{id}: {outcome:?}");
        run.push(id);
    }
    assert_eq!(run, ["TR-33", "TR-33.2", "TR-34", "TR-34.2", "TR-34.3", "TR-36"]);
}

#[test]
fn rfc7662_2_1_the_request_is_a_form_with_basic_credentials() {
    let request = introspection().request(&SecretString::from("a+b/c=="));
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "https://as.example/introspect"));
    // photos%3Aapi:s3cret%2B%26
    let basic = "Basic cGhvdG9zJTNBYXBpOnMzY3JldCUyQiUyNg==";
    assert_eq!(request.headers.only("Authorization"), Some(basic));
    let known = Known { once: &["token", "token_type_hint", "client_secret"], many: &[] };
    let form = Form::from_request(&request, &known).unwrap();
    assert_eq!(form.names().collect::<Vec<_>>(), ["token", "token_type_hint"]);
    assert_eq!((form.get("token"), form.get("token_type_hint")), (Some("a+b/c=="), Some("access_token")));
}

#[test]
fn rfc6749_2_3_1_a_secret_may_stand_in_the_form() {
    let introspection = with(Credentials::client_secret_post(client_id(), SecretString::from("s3cret+&")));
    let request = introspection.request(&SecretString::from("abc"));
    assert_eq!(request.headers.only("Authorization"), None);
    let known = Known { once: &["token", "token_type_hint", "client_id", "client_secret"], many: &[] };
    let form = Form::from_request(&request, &known).unwrap();
    assert_eq!(form.names().count(), 4);
    assert_eq!((form.get("client_id"), form.get("client_secret")), (Some("photos:api"), Some("s3cret+&")));
    assert_eq!(form.get("token"), Some("abc"));
}

#[test]
fn rfc7662_2_1_an_access_token_may_take_the_place_of_a_secret() {
    let introspection = with(Credentials::bearer(client_id(), SecretString::from("own-token")));
    let request = introspection.request(&SecretString::from("abc"));
    assert_eq!(request.headers.only("Authorization"), Some("Bearer own-token"));
    assert_eq!(request.body, b"token=abc&token_type_hint=access_token");
}

#[test]
fn rfc7662_4_a_token_travels_by_https_alone() {
    let credentials = Credentials::client_secret_basic(client_id(), SecretString::from("s"));
    let new = |url: &str| Introspection::new(issuer(ISSUER), url, credentials.clone());
    for url in
        ["http://as.example/i", "http://127.0.0.1/i", "https://u@as.example/i", "https://as.example/i#f", "i"]
    {
        assert!(new(url).is_err(), "{url}");
    }
    let local = |url: &str| Introspection::danger_loopback_http(issuer(ISSUER), url, credentials.clone());
    assert!(local("http://127.0.0.1:8080/i").is_ok());
    assert!(local("http://as.example/i").is_err());
}

/// IN-18.
#[test]
fn rfc7662_2_2_nothing_but_a_strict_answer_is_an_answer() {
    let json = Some("application/json");
    for body in [
        r#"{"scope":"read"}"#,
        r#"{"active":"true"}"#,
        r#"{"active":1}"#,
        r#"{"active":null}"#,
        "[true]",
        "[false]",
        "true",
    ] {
        assert_eq!(answer(200, json, body), Err(IntrospectionError::Json(JsonError::Shape)), "{body}");
    }
    for body in ["", "active", "<html>", r#"{"active":true"#] {
        assert_eq!(answer(200, json, body), Err(IntrospectionError::Json(JsonError::Syntax)), "{body}");
    }
    // RL-04.
    let deep = format!("{{\"active\":true,\"x\":{}", "[".repeat(60_000));
    assert_eq!(answer(200, json, &deep), Err(IntrospectionError::Json(JsonError::Syntax)));
    let twice = r#"{"active":false,"active":true}"#;
    assert_eq!(answer(200, json, twice), Err(IntrospectionError::Json(JsonError::RepeatedMember)));
    let long = format!("{{\"active\":true,\"x\":\"{}\"}}", "x".repeat(Introspection::MAX_BYTES));
    assert_eq!(answer(200, json, &long), Err(IntrospectionError::Json(JsonError::TooLong)));
    for status in [201, 204, 302, 500, 503] {
        assert_eq!(answer(status, json, r#"{"active":true}"#), Err(IntrospectionError::Status(status)));
    }
    for media_type in
        [None, Some("text/html"), Some("application/jsonx"), Some("application/token-introspection+jwt")]
    {
        assert_eq!(answer(200, media_type, r#"{"active":true}"#), Err(IntrospectionError::ContentType));
    }
    assert!(answer(200, Some("Application/JSON; charset=utf-8"), r#"{"active":true}"#).unwrap().is_active());
}

/// TR-36.
#[test]
fn rfc7662_2_3_a_refusal_is_not_inactive() {
    let json = Some("application/json");
    let refused = IntrospectionError::Refused(ErrorCode::InvalidClient);
    assert_eq!(answer(401, json, r#"{"error":"invalid_client"}"#), Err(refused));
    assert_eq!(answer(401, None, r#"{"error":"invalid_client"}"#), Err(IntrospectionError::Status(401)));
    assert_eq!(answer(401, json, r#"{"error":"<script>"}"#), Err(IntrospectionError::Status(401)));
    assert_eq!(answer(401, json, r#"{"active":false}"#), Err(IntrospectionError::Status(401)));
}

#[test]
fn rfc7662_2_2_members_have_their_types() {
    for (name, value) in [
        ("exp", json!("1")),
        ("exp", json!(-1)),
        ("nbf", json!(1.5)),
        ("aud", json!(1)),
        ("aud", json!([1])),
        ("sub", json!(1)),
        ("client_id", json!("")),
        ("scope", json!(["read"])),
    ] {
        let body = json!({"active": true, name: value});
        assert_eq!(read(&body), Err(IntrospectionError::Json(JsonError::Shape)), "{body}");
    }
}

#[test]
fn rfc7662_2_2_an_active_answer_becomes_access() {
    let access = accept(&active("aud", json!(["x", API]))).unwrap();
    assert_eq!(access.subject(), &Subject::User("user-1".into()));
    assert_eq!((access.client_id().as_str(), access.token_id()), ("app", Some("id-1")));
    assert_eq!(access.expires_at(), Some(UnixTime::from_secs(NOW.as_secs() + 60)));
    assert_eq!(access.scope(), &scope("photos read"));
    assert_eq!(access.claims::<Value>().unwrap()["username"], "U");
    let client = accept(&active("sub", json!("app"))).unwrap();
    assert_eq!(client.subject(), &Subject::Client(ClientId::parse("app").unwrap()));
}

#[test]
fn rfc7662_2_2_optional_members_may_be_absent() {
    for name in ["iss", "exp", "nbf", "jti"] {
        assert!(accept(&active(name, Value::Null)).is_ok(), "{name}");
    }
    assert_eq!(accept(&active("exp", Value::Null)).unwrap().expires_at(), None);
}

#[test]
fn rfc7662_2_2_each_fault_has_its_reason() {
    let now = NOW.as_secs();
    for (name, value, reason) in [
        ("active", json!(false), Reason::Inactive),
        ("exp", json!(now), Reason::Inactive),
        ("nbf", json!(now + 1), Reason::Inactive),
        ("iss", json!("https://as.example/"), Reason::OtherIssuer),
        ("aud", json!("https://api.example/"), Reason::OtherAudience),
        ("aud", json!([]), Reason::OtherAudience),
        ("aud", Value::Null, Reason::OtherAudience),
        ("token_type", json!("DPoP"), Reason::NotBearer),
        ("token_type", json!("refresh_token"), Reason::NotBearer),
        ("token_type", Value::Null, Reason::NotBearer),
        ("cnf", Value::Null, Reason::SenderConstrained),
        ("cnf", json!({"jkt": "x"}), Reason::SenderConstrained),
        ("cnf", json!({}), Reason::SenderConstrained),
        ("sub", Value::Null, Reason::Anonymous),
        ("sub", json!(""), Reason::Anonymous),
        ("client_id", Value::Null, Reason::Anonymous),
        ("scope", json!("readwrite"), Reason::InsufficientScope),
        ("scope", Value::Null, Reason::InsufficientScope),
    ] {
        assert_eq!(accept(&active(name, value.clone())), Err(reason), "{name} {value}");
    }
}

/// What a server answers about a refresh token of the asking client, and about tokens for its other APIs.
#[test]
fn rfc7662_2_2_an_answer_without_audience_or_type_is_about_no_access_token() {
    let about = |edits: Value| {
        let mut body = json!({"active": true, "sub": "user-1", "client_id": "app", "scope": "read"});
        body.as_object_mut().unwrap().extend(edits.as_object().unwrap().clone());
        read(&body).unwrap()
    };
    let dangerous = guard().danger_optional_introspected_audience();
    let both = |edits: Value| {
        let reason = dangerous.accept_introspected(&about(edits.clone()), &need("read"), NOW);
        (accept(&about(edits)).map(drop), reason.map(drop).map_err(|rejection| rejection.reason()))
    };
    assert_eq!(both(json!({})), (Err(Reason::OtherAudience), Err(Reason::NotBearer)));
    assert_eq!(both(json!({"aud": API})), (Err(Reason::NotBearer), Err(Reason::NotBearer)));
    assert_eq!(both(json!({"token_type": "bearer"})), (Err(Reason::OtherAudience), Ok(())));
    assert_eq!(both(json!({"aud": API, "token_type": "BEARER"})), (Ok(()), Ok(())));
    let other = json!({"aud": "https://payments.example", "token_type": "Bearer"});
    assert_eq!(both(other), (Err(Reason::OtherAudience), Err(Reason::OtherAudience)));
}

#[test]
fn rfc8725_3_8_a_server_speaks_for_its_own_tokens_alone() {
    let credentials = Credentials::client_secret_basic(client_id(), SecretString::from("s"));
    let other = Introspection::new(issuer("https://b.example"), "https://b.example/i", credentials).unwrap();
    for iss in [json!(ISSUER), json!("https://b.example"), Value::Null] {
        let body = json!({"active": true, "iss": iss, "aud": API, "sub": "user-1", "client_id": "app",
            "scope": "read", "token_type": "Bearer"});
        assert_eq!(
            accept(&other.response(&HttpResponse::json(200, &body)).unwrap()),
            Err(Reason::OtherIssuer)
        );
    }
}

#[test]
fn rfc7519_4_1_5_the_leeway_counts_for_nbf_of_an_answer() {
    let early = active("nbf", json!(NOW.as_secs() + 10));
    let at = |seconds| {
        let guard = guard().with_leeway(Duration::from_secs(seconds));
        guard
            .accept_introspected(&early, &need("read"), NOW)
            .map(drop)
            .map_err(|rejection| rejection.reason())
    };
    assert_eq!((at(9), at(10)), (Err(Reason::Inactive), Ok(())));
}

/// IN-19.
#[test]
fn rfc7662_4_a_kept_answer_ends_with_the_token() {
    let kept = active("jti", json!("id-2"));
    let end = kept.expires_at().unwrap();
    let at = |guard: grantry_resource::Guard, seconds| {
        let now = UnixTime::from_secs(end.as_secs() + seconds);
        guard.accept_introspected(&kept, &need("read"), now).map_err(|rejection| rejection.reason())
    };
    assert_eq!(at(guard(), 0), Err(Reason::Inactive));
    assert!(at(guard().with_leeway(Duration::from_secs(10)), 9).is_ok());
    assert_eq!(at(guard().with_leeway(Duration::from_secs(10)), 10), Err(Reason::Inactive));
    assert!(at(guard().with_leeway(Duration::MAX), 599).is_ok());
    assert_eq!(at(guard().with_leeway(Duration::MAX), 600), Err(Reason::Inactive));
}

/// ST-19.
#[test]
fn no_secret_is_printed() {
    let token = SecretString::from("hunter2token");
    let request = introspection().request(&token);
    let text = format!("{:?} {request:?} {:?}", introspection(), read(&json!({"active": "hunter2"})));
    let others = [
        Credentials::client_secret_post(client_id(), SecretString::from("s3cret")),
        Credentials::bearer(client_id(), SecretString::from("s3cret")),
    ];
    let text = format!("{text} {others:?} {:?}", others.clone().map(|other| with(other).request(&token)));
    assert!(!text.contains("s3cret") && !text.contains("hunter2"), "{text}");
    assert!(!text.contains(&form::encode_component("s3cret+&")), "{text}");
}

proptest! {
    #[test]
    fn any_answer_is_read_without_panic(
        status in 0_u16..600,
        content_type in "application/json|\\PC{0,10}",
        body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let response = HttpResponse::new(status).with_header("Content-Type", content_type).with_body(body);
        prop_assert!(introspection().response(&response).is_err());
    }
}
