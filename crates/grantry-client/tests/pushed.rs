//! Pushed authorization requests.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{KEY, NOW, client_of, client_with, full_provider, moment, parameters, provider, request};
use grantry_client::{
    AuthorizationError, ClientAuthentication, PushError, PushedAuthorization, PushedAuthorizationRequest,
    ResponseError, ResponseMode,
};
use grantry_core::json::JsonError;
use grantry_core::{HttpResponse, Moment, UnixTime};
use serde_json::{Value, json};

const REFERENCE: &str = "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c";

fn pushed(edits: &Value) -> HttpResponse {
    let mut body = json!({ "request_uri": REFERENCE, "expires_in": 60 });
    body.as_object_mut().unwrap().extend(edits.as_object().unwrap().clone());
    HttpResponse::json(201, &body)
}

fn read(answer: &HttpResponse) -> Result<PushedAuthorization, PushError> {
    client_of(full_provider()).push(request("openid"), moment()).unwrap().response(answer, NOW)
}

#[test]
fn rfc9126_2_1_what_the_browser_would_carry_is_pushed_by_the_authenticated_client() {
    let cases: [(ClientAuthentication, &[&str], bool); 4] = [
        (ClientAuthentication::None, &[], false),
        (ClientAuthentication::Basic("s".into()), &[], true),
        (ClientAuthentication::Post("s".into()), &["client_secret"], false),
        (
            ClientAuthentication::PrivateKeyJwt(KEY.clone()),
            &["client_assertion_type", "client_assertion"],
            false,
        ),
    ];
    for (authentication, expected, is_basic) in cases {
        let client = client_with(authentication);
        let asked = || request("openid photos").with_parameter("prompt", "login & more");
        let (url, pending) = client.authorize(asked(), moment()).unwrap();
        let push = client.push(asked(), moment()).unwrap();
        let request = push.request(Moment::new(NOW, [8; 32])).unwrap();
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "https://as.example/par"));
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        let carried: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        // All of the browser's, in its order, and behind it who asks, but for the `client_id` that is there.
        assert_eq!(pairs[..carried.len()], carried);
        assert_eq!(pairs.iter().filter(|(name, _)| name == "client_id").count(), 1);
        let more: Vec<&str> = pairs[carried.len()..].iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(more, expected);
        assert_eq!(request.headers.only("Authorization").is_some(), is_basic);
        let (_, kept) = push.response(&pushed(&json!({})), NOW).unwrap().into_parts();
        assert_eq!(kept.to_json().expose(), pending.to_json().expose());
    }
}

/// EX-05
#[test]
fn rfc9126_4_the_url_has_the_reference_and_the_client_alone() {
    let pushed = read(&pushed(&json!({}))).unwrap();
    assert_eq!(pushed.expires_at(), UnixTime::from_secs(NOW.as_secs() + 60));
    let (url, pending) = pushed.into_parts();
    let expected = "https://as.example/authorize?client_id=app-1&request_uri=\
                    urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3A6esc_11ACC5bwc014ltc14eY22c";
    assert_eq!(url.as_str(), expected);
    let state = pending.state().unwrap().expose().to_owned();
    let client = client_of(full_provider());
    assert!(client.callback(pending, &format!("code=abc&state={state}"), NOW).is_ok());
}

/// EX-01
#[test]
fn rfc9126_2_2_the_answer_is_201_with_a_reference_and_its_lifetime() {
    for (edits, error) in [
        (json!({ "request_uri": "" }), PushError::RequestUri),
        (json!({ "request_uri": "urn:a b" }), PushError::RequestUri),
        (json!({ "request_uri": "urn:\u{e9}" }), PushError::RequestUri),
        (json!({ "request_uri": null }), ResponseError::Json(JsonError::Shape).into()),
        (json!({ "expires_in": 0 }), ResponseError::Json(JsonError::Shape).into()),
        (json!({ "expires_in": "60" }), ResponseError::Json(JsonError::Shape).into()),
        (json!({ "expires_in": null }), ResponseError::Json(JsonError::Shape).into()),
    ] {
        assert_eq!(read(&pushed(&edits)).map(drop), Err(error), "{edits}");
    }
    let of =
        |bytes: usize| read(&pushed(&json!({ "request_uri": format!("{:a<bytes$}", "urn:") }))).map(drop);
    assert_eq!(of(PushedAuthorizationRequest::MAX_REQUEST_URI_BYTES), Ok(()));
    assert_eq!(of(PushedAuthorizationRequest::MAX_REQUEST_URI_BYTES + 1), Err(PushError::RequestUri));
    let body = json!({ "request_uri": REFERENCE, "expires_in": 60 });
    for status in [200, 202, 302, 404, 500] {
        let outcome = read(&HttpResponse::json(status, &body)).map(drop);
        assert!(
            matches!(outcome, Err(PushError::Response(ResponseError::Status { status: found, .. })) if found == status)
        );
    }
    let longest = read(&pushed(&json!({ "expires_in": u64::MAX }))).unwrap();
    assert_eq!(longest.expires_at(), UnixTime::MAX);
}

#[test]
fn rfc9126_2_3_a_refusal_is_the_providers_word() {
    let answer = HttpResponse::json(400, &json!({ "error": "invalid_request", "error_description": "no" }));
    let Err(PushError::Refused { refusal, status: 400 }) = read(&answer) else { unreachable!() };
    assert_eq!((refusal.error(), refusal.description()), ("invalid_request", Some("no")));
}

/// EX-08
#[test]
fn rfc9126_5_where_a_push_is_required_no_other_request_is_made() {
    let client = client_of(full_provider().with_require_pushed_authorization_requests());
    assert_eq!(
        client.authorize(request("openid"), moment()).map(drop),
        Err(AuthorizationError::PushRequired)
    );
    assert!(client.push(request("openid"), moment()).is_ok());
    let without = client_of(provider("https://as.example"));
    assert_eq!(without.push(request("openid"), moment()).map(drop), Err(AuthorizationError::NoPushEndpoint));
}

#[test]
fn a_pushed_request_is_checked_as_any_other() {
    let client = client_of(full_provider().with_code_challenge_methods_supported(["plain"]));
    let outcome = client.push(request("openid"), moment()).map(drop);
    assert_eq!(outcome, Err(AuthorizationError::S256NotSupported));
    let client = client_of(full_provider());
    let outcome = client.push(request("openid").with_parameter("request_uri", "x"), moment()).map(drop);
    assert_eq!(outcome, Err(AuthorizationError::ReservedParameter("request_uri")));
    let posted = request("openid").with_response_mode(ResponseMode::FormPost);
    let push = client.push(posted, moment()).unwrap();
    assert!(
        String::from_utf8(push.request(moment()).unwrap().body).unwrap().contains("response_mode=form_post")
    );
}

#[test]
fn a_push_waits_for_the_signature_of_an_outside_key() {
    let client = client_with(ClientAuthentication::OutsideKeyJwt(KEY.verifying_key()));
    let waiting = client.push(request("openid"), moment()).unwrap().request_to_sign(moment()).unwrap();
    let text = core::str::from_utf8(waiting.as_bytes()).unwrap().to_owned();
    let (header, payload) = text.split_once('.').unwrap();
    let read = |part: &str| grantry_core::base64url::decode(part).unwrap();
    let token = KEY.sign_with_header(&String::from_utf8(read(header)).unwrap(), &read(payload)).unwrap();
    let request = waiting.complete(&read(token.rsplit('.').next().unwrap())).unwrap();
    assert_eq!(parameters(&request)["client_assertion"], token);
    assert_eq!(parameters(&request)["scope"], "openid");
}
