//! The rules of the device grant: the areas DV (the client's side) and TR.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use core::time::Duration;

use common::{KEY, NOW, id_claims, keys, moment, parameters, provider, token_answer, vectors};
use grantry_client::{
    Client, ClientAuthentication, DeviceAdvice, DeviceError, DeviceFlow, DeviceFlowError, DeviceRequestError,
    DeviceTicket, IdTokenError, Provider, ResponseError, TokenError, Tokens,
};
use grantry_core::json::JsonError;
use grantry_core::{ClientId, HttpResponse, Issuer, Scope, UnixTime};
use grantry_jwt::{JwkSet, VerifyError};
use proptest::prelude::*;
use serde_json::{Value, json};

fn client_of(provider: Provider) -> Client {
    let id = ClientId::parse("app-1").unwrap();
    Client::without_redirect_uri(provider, id, ClientAuthentication::None).unwrap()
}

fn client() -> Client {
    client_of(
        provider("https://as.example")
            .with_device_authorization_endpoint("https://as.example/device")
            .unwrap(),
    )
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(NOW.as_secs() + seconds)
}

fn answer(edits: &Value) -> HttpResponse {
    let mut body = json!({ "device_code": "d-1", "user_code": "ABCD-EFGH",
        "verification_uri": "https://as.example/device", "expires_in": 600 });
    body.as_object_mut().unwrap().extend(edits.as_object().unwrap().clone());
    HttpResponse::json(200, &body)
}

fn begin(edits: &Value, scope: &str) -> Result<DeviceFlow, DeviceRequestError> {
    client().device(Scope::parse(scope).unwrap()).unwrap().response(&answer(edits), NOW)
}

fn flow() -> DeviceFlow {
    begin(&json!({}), "photos").unwrap()
}

fn sends(flow: &mut DeviceFlow, seconds: u64) -> DeviceTicket {
    let advice = flow.advise(at(seconds));
    let DeviceAdvice::Send(ticket) = advice else { panic!("at {seconds}: {advice:?}") };
    ticket
}

fn waits(flow: &mut DeviceFlow, seconds: u64) -> u64 {
    let advice = flow.advise(at(seconds));
    let DeviceAdvice::Wait { until } = advice else { panic!("at {seconds}: {advice:?}") };
    until.as_secs() - NOW.as_secs()
}

fn land(
    flow: &mut DeviceFlow,
    ticket: &DeviceTicket,
    response: &HttpResponse,
    seconds: u64,
) -> Result<Option<Tokens>, DeviceError> {
    flow.handle_response(&client(), ticket, response, &keys(), at(seconds))
}

fn error(code: &str) -> HttpResponse {
    HttpResponse::json(400, &json!({ "error": code }))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what a call returns")]
fn is_waiting(landed: Result<Option<Tokens>, DeviceError>) -> bool {
    matches!(landed, Ok(None))
}

#[test]
fn vectors_of_the_device_authorization_endpoint() {
    let all = vectors(include_str!("../../../tests/vectors/token-response.json"));
    let run: Vec<_> = all.iter().filter(|vector| vector["endpoint"] == "device_authorization").collect();
    assert_eq!(run.len(), 5);
    for vector in run {
        let response = HttpResponse::new(u16::try_from(vector["status"].as_u64().unwrap()).unwrap())
            .with_header("Content-Type", vector["content_type"].as_str().unwrap())
            .with_body(vector["body"].as_str().unwrap());
        let outcome = client().device(Scope::empty()).unwrap().response(&response, NOW);
        match vector["outcome"].as_str().unwrap() {
            "ok" => {
                let interval = vector["expect"]["interval"].as_u64().unwrap();
                assert_eq!(waits(&mut outcome.unwrap(), 0), interval, "{}", vector["id"]);
            }
            "reject" => {
                let expected = DeviceRequestError::Response(ResponseError::Json(JsonError::Shape));
                assert_eq!(outcome.map(drop), Err(expected), "{}", vector["id"]);
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn rfc8628_3_1_and_3_4_the_requests_of_a_device() {
    let client = client();
    let request = client.device(Scope::parse("photos read").unwrap()).unwrap().request(moment()).unwrap();
    assert_eq!(request.target, "https://as.example/device");
    let pairs = |pairs: &[(&'static str, &str)]| {
        pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>()
    };
    let sent = |request| parameters(&request).into_iter().collect::<Vec<_>>();
    assert_eq!(sent(request), pairs(&[("client_id", "app-1"), ("scope", "photos read")]));
    let without = client.device(Scope::empty()).unwrap().request(moment()).unwrap();
    assert_eq!(sent(without), pairs(&[("client_id", "app-1")]));

    let poll = sends(&mut flow(), 5).request(&client, moment()).unwrap();
    assert_eq!(poll.target, "https://as.example/token");
    let grant_type = "urn:ietf:params:oauth:grant-type:device_code";
    assert_eq!(
        sent(poll),
        pairs(&[("client_id", "app-1"), ("device_code", "d-1"), ("grant_type", grant_type)])
    );
    let without_endpoint = client_of(provider("https://as.example")).device(Scope::empty()).map(drop);
    assert_eq!(without_endpoint, Err(DeviceRequestError::NoEndpoint));
}

#[test]
fn dv_25_an_interval_is_five_seconds_unless_it_is_a_number() {
    for (value, first) in [(json!(7), 7), (json!(1), 1), (json!(0), 1), (json!(u64::MAX), 600)] {
        assert_eq!(waits(&mut begin(&json!({ "interval": value }), "").unwrap(), 0), first);
    }
    for value in [json!(-1), json!("5"), json!(null), json!(1.5)] {
        let expected = DeviceRequestError::Response(ResponseError::Json(JsonError::Shape));
        assert_eq!(begin(&json!({ "interval": value }), "").map(drop), Err(expected), "{value}");
    }
}

#[test]
fn what_a_person_is_shown_is_bounded_and_printable() {
    let user_code = |text: &str| begin(&json!({ "user_code": text }), "").map(drop);
    assert_eq!(user_code(&"A".repeat(DeviceFlow::MAX_USER_CODE_BYTES)), Ok(()));
    let long = "A".repeat(DeviceFlow::MAX_USER_CODE_BYTES + 1);
    for text in ["", "  ", "A\u{1b}[2J", "A\nB", "\u{202e}AB", "\u{e9}", &long] {
        assert_eq!(user_code(text), Err(DeviceRequestError::UserCode), "{text:?}");
    }
    let expected = DeviceRequestError::Response(ResponseError::Token);
    assert_eq!(begin(&json!({ "device_code": "a b" }), "").map(drop), Err(expected));
}

#[test]
fn rfc8628_3_2_a_verification_uri_is_https() {
    let long = format!("https://as.example/{}", "a".repeat(DeviceFlow::MAX_URI_BYTES));
    for member in ["verification_uri", "verification_uri_complete"] {
        let read = |uri: &str| begin(&json!({ member: uri }), "").map(drop);
        assert_eq!(read("https://other.example/device?user_code=ABCD"), Ok(()));
        for uri in [
            "http://as.example/device",
            "http://127.0.0.1/device",
            "javascript:alert(1)",
            "https:/as.example/device",
            "https:as.example/device",
            "https:\\\\as.example/device",
            "https://evil.example\\as.example/device",
            "https://as.example@evil.example/",
            "https://as.example/ device",
            "https://as.example/\u{1b}[2J",
            "/device",
            "",
            &long,
        ] {
            assert_eq!(read(uri), Err(DeviceRequestError::VerificationUri), "{uri}");
        }
    }
    let issuer = Issuer::danger_loopback_http("http://127.0.0.1:1").unwrap();
    let local = Provider::new(issuer, "http://127.0.0.1:1/a", "http://127.0.0.1:1/t")
        .and_then(|provider| provider.with_device_authorization_endpoint("http://127.0.0.1:1/d"))
        .unwrap();
    let local = client_of(local);
    let read = |uri: &str| {
        let response = answer(&json!({ "verification_uri": uri }));
        local.device(Scope::empty()).unwrap().response(&response, NOW).map(drop)
    };
    assert_eq!(read("http://127.0.0.1:1/device"), Ok(()));
    assert_eq!(read("http://as.example/device"), Err(DeviceRequestError::VerificationUri));
    assert_eq!(read("ftp://127.0.0.1/device"), Err(DeviceRequestError::VerificationUri));
}

#[test]
fn the_providers_refusal_begins_no_flow() {
    let outcome = client().device(Scope::empty()).unwrap().response(&error("unauthorized_client"), NOW);
    let Err(DeviceRequestError::Refused { refusal, status: 400 }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(refusal.error(), "unauthorized_client");
    for status in [201, 404, 500] {
        let outcome = client().device(Scope::empty()).unwrap().response(&HttpResponse::new(status), NOW);
        assert!(matches!(outcome, Err(DeviceRequestError::Response(ResponseError::Status { .. }))));
    }
    let page = HttpResponse::new(200).with_header("Content-Type", "text/html").with_body("{}");
    let outcome = client().device(Scope::empty()).unwrap().response(&page, NOW).map(drop);
    assert_eq!(outcome, Err(DeviceRequestError::Response(ResponseError::ContentType)));
}

#[test]
fn dv_02_polls_keep_the_interval_and_one_is_on_its_way() {
    let mut flow = flow();
    assert_eq!(waits(&mut flow, 0), 5);
    assert_eq!(waits(&mut flow, 4), 5);
    let ticket = sends(&mut flow, 5);
    assert_eq!(waits(&mut flow, 6), 35);
    assert!(is_waiting(land(&mut flow, &ticket, &error("authorization_pending"), 7)));
    assert_eq!(waits(&mut flow, 7), 12);
    let ticket = sends(&mut flow, 12);
    let tokens = land(&mut flow, &ticket, &token_answer(&json!({ "refresh_token": "rt-1" })), 13);
    let tokens = tokens.unwrap().unwrap();
    assert_eq!((tokens.scope().as_str(), tokens.expires_at()), ("photos", Some(at(3613))));
    assert!(client().refresh(&tokens).is_ok());
    assert!(matches!(flow.advise(at(14)), DeviceAdvice::Done));
    assert!(is_waiting(land(&mut flow, &ticket, &token_answer(&json!({})), 14)));
}

#[test]
fn dv_03_rfc8628_3_5_slow_down_adds_five_seconds_for_good() {
    let mut flow = flow();
    let mut now = 5;
    for (code, interval) in
        [("slow_down", 10), ("authorization_pending", 10), ("slow_down", 15), ("authorization_pending", 15)]
    {
        let ticket = sends(&mut flow, now);
        assert!(is_waiting(land(&mut flow, &ticket, &error(code), now)));
        now += interval;
        assert_eq!(waits(&mut flow, now - 1), now);
    }
}

#[test]
fn dv_26_rfc8628_3_5_polls_without_answer_back_off_exponentially() {
    let mut flow = begin(&json!({ "expires_in": 86400 }), "").unwrap();
    let mut now = 5;
    for pause in [10, 20, 40, 80, 160, 300, 300] {
        let ticket = sends(&mut flow, now);
        if pause == 40 {
            assert!(is_waiting(land(&mut flow, &ticket, &HttpResponse::new(502), now)));
        } else {
            flow.handle_failure(&ticket, at(now));
        }
        now += pause;
        assert_eq!(waits(&mut flow, now - 1), now);
    }
    let ticket = sends(&mut flow, now);
    assert!(is_waiting(land(&mut flow, &ticket, &error("authorization_pending"), now)));
    assert_eq!(waits(&mut flow, now), now + 5);
    let ticket = sends(&mut flow, now + 5);
    let busy = HttpResponse::new(429).with_header("Retry-After", "100");
    assert!(is_waiting(land(&mut flow, &ticket, &busy, now + 5)));
    assert_eq!(waits(&mut flow, now + 5), now + 105);
}

#[test]
fn a_poll_that_is_lost_stops_nothing_and_its_late_answer_is_taken() {
    let mut flow = flow();
    let lost = sends(&mut flow, 5);
    assert_eq!(waits(&mut flow, 34), 35);
    assert_eq!(waits(&mut flow, 35), 45);
    let second = sends(&mut flow, 45);
    // An error that comes late says nothing about the poll on its way.
    assert!(is_waiting(land(&mut flow, &lost, &error("expired_token"), 46)));
    assert_eq!(waits(&mut flow, 46), 75);
    assert!(land(&mut flow, &lost, &token_answer(&json!({})), 47).unwrap().is_some());
    assert!(is_waiting(land(&mut flow, &second, &error("invalid_grant"), 48)));
}

#[test]
fn dv_05_and_dv_06_a_flow_ends_by_denial_expiry_and_any_other_error() {
    let ended = |response: &HttpResponse| {
        let mut flow = flow();
        let ticket = sends(&mut flow, 5);
        let error = land(&mut flow, &ticket, response, 5).map(drop).unwrap_err();
        assert!(matches!(flow.advise(at(6)), DeviceAdvice::Done));
        error
    };
    assert_eq!(ended(&error("access_denied")), DeviceError::Denied);
    assert_eq!(ended(&error("expired_token")), DeviceError::Expired);
    for code in ["invalid_grant", "invalid_client", "made_up"] {
        assert!(matches!(ended(&error(code)), DeviceError::Token(TokenError::Refused { .. })), "{code}");
    }
    let gone = ended(&HttpResponse::new(404));
    assert!(matches!(
        gone,
        DeviceError::Token(TokenError::Response(ResponseError::Status { status: 404, .. }))
    ));
}

#[test]
fn rfc8628_3_5_a_device_stops_when_its_code_expires() {
    let mut flow = begin(&json!({ "expires_in": 8, "interval": 5 }), "").unwrap();
    assert_eq!(flow.expires_at(), at(8));
    let ticket = sends(&mut flow, 5);
    assert!(is_waiting(land(&mut flow, &ticket, &error("authorization_pending"), 5)));
    assert_eq!(waits(&mut flow, 7), 8);
    assert!(matches!(flow.advise(at(8)), DeviceAdvice::Expired));
    let endless = begin(&json!({ "expires_in": u64::MAX }), "").unwrap();
    assert_eq!(endless.expires_at(), at(DeviceFlow::LONGEST_LIFETIME.as_secs()));
}

#[test]
fn a_clock_that_is_set_back_freezes_no_poll() {
    let mut flow = begin(&json!({ "expires_in": 86400 }), "").unwrap();
    let _lost = sends(&mut flow, 80_000);
    assert_eq!(waits(&mut flow, 10), 40);
    // A pause of a future that never was ends, too, and does not move along.
    let mut paused = begin(&json!({ "expires_in": 86400 }), "").unwrap();
    let ticket = sends(&mut paused, 80_000);
    assert!(is_waiting(land(&mut paused, &ticket, &error("authorization_pending"), 80_000)));
    assert_eq!(waits(&mut paused, 10), 3610);
    assert_eq!(waits(&mut paused, 20), 3610);
    let _ = sends(&mut paused, 3610);
}

#[test]
fn the_id_token_of_a_device_is_checked() {
    let signed = |edits: &Value| {
        let mut claims = id_claims();
        claims.as_object_mut().unwrap().remove("nonce");
        claims.as_object_mut().unwrap().extend(edits.as_object().unwrap().clone());
        token_answer(&json!({ "id_token": KEY.sign_claims(None, &claims).unwrap() }))
    };
    let run = |response: &HttpResponse, keys: &JwkSet| {
        let mut flow = begin(&json!({}), "openid").unwrap();
        let ticket = sends(&mut flow, 5);
        let first = flow.handle_response(&client(), &ticket, response, keys, at(6));
        (first, flow, ticket)
    };
    let (tokens, ..) = run(&signed(&json!({})), &keys());
    assert_eq!(tokens.unwrap().unwrap().id_token().unwrap().subject(), "user-1");
    let refused = |response: &HttpResponse| match run(response, &keys()).0.map(drop) {
        Err(DeviceError::Token(TokenError::IdToken(error))) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&token_answer(&json!({}))), IdTokenError::Missing);
    assert_eq!(refused(&signed(&json!({ "nonce": "n-1" }))), IdTokenError::NonceUnexpected);
    assert_eq!(refused(&signed(&json!({ "azp": "other" }))), IdTokenError::AuthorizedParty);
    // With a newer key set the same answer is good.
    let (unknown, mut flow, ticket) = run(&signed(&json!({})), &JwkSet::default());
    let expected = TokenError::IdToken(IdTokenError::Token(VerifyError::UnknownKey));
    assert_eq!(unknown.map(drop), Err(DeviceError::Token(expected)));
    assert!(land(&mut flow, &ticket, &signed(&json!({})), 7).unwrap().is_some());
}

#[test]
fn a_flow_belongs_to_its_client_and_a_ticket_to_its_flow() {
    let evil = client_of(provider("https://evil.example"));
    let mut one = flow();
    let ticket = sends(&mut one, 5);
    assert_eq!(ticket.request(&evil, moment()).map(drop), Err(DeviceError::AnotherProvider));
    let landed = one.handle_response(&evil, &ticket, &token_answer(&json!({})), &keys(), at(5)).map(drop);
    assert_eq!(landed, Err(DeviceError::AnotherProvider));
    let mut other = begin(&json!({ "device_code": "d-2" }), "").unwrap();
    let foreign = sends(&mut other, 5);
    let landed = land(&mut one, &foreign, &token_answer(&json!({})), 5).map(drop);
    assert_eq!(landed, Err(DeviceError::ForeignTicket));
    one.handle_failure(&foreign, at(5));
    assert_eq!(waits(&mut one, 5), 35);
}

const GOLDEN: &str = concat!(
    r#"{"version":1,"issuer":"https://as.example","client_id":"app-1","scope":"photos","#,
    r#""device_code":"d-1","user_code":"ABCD-EFGH","verification_uri":"https://as.example/device","#,
    r#""verification_uri_complete":null,"expires_at":1800000600,"interval":10,"#,
    r#""next_poll_at":1800000020,"failures":1,"tickets":2,"#,
    r#""flight":{"ticket":2,"until":1800000050},"done":false}"#
);

#[test]
fn the_stored_form_of_a_device_flow_is_fixed_bytes_and_goes_on() {
    for text in [GOLDEN.to_owned(), GOLDEN.replace("false", "true")] {
        assert_eq!(DeviceFlow::from_json(&text).unwrap().to_json().expose(), text);
    }
    let mut flow = DeviceFlow::from_json(GOLDEN).unwrap();
    assert_eq!(waits(&mut flow, 30), 50);
    let mut began = self::flow();
    let ticket = sends(&mut began, 5);
    let mut elsewhere = DeviceFlow::from_json(began.to_json().expose()).unwrap();
    assert!(land(&mut elsewhere, &ticket, &token_answer(&json!({})), 6).unwrap().is_some());
}

#[test]
fn an_old_reader_refuses_a_device_flow_that_it_does_not_know() {
    let read = |text: &str| DeviceFlow::from_json(text).map(drop);
    assert_eq!(read(&GOLDEN.replace(r#""version":1"#, r#""version":2"#)), Err(DeviceFlowError::Version));
    for (old, new) in
        [("failures", "successes"), ("https://as.example\"", "http://as.example\""), ("d-1\"", "d-1")]
    {
        assert_eq!(read(&GOLDEN.replace(old, new)), Err(DeviceFlowError::Malformed), "{new}");
    }
    let long = GOLDEN.to_owned() + &" ".repeat(DeviceFlow::MAX_BYTES);
    assert_eq!(read(&long), Err(DeviceFlowError::Malformed));
}

#[test]
fn no_debug_output_of_a_device_flow_shows_a_secret() {
    let codes = json!({ "device_code": "hunter2", "user_code": "hunter2",
        "verification_uri_complete": "https://as.example/device?user_code=hunter2" });
    let mut flow = begin(&codes, "").unwrap();
    let advice = flow.advise(at(5));
    assert!(!format!("{flow:?} {advice:?} {:?}", flow.to_json()).contains("hunter2"));
}

proptest! {
    /// Whatever is answered and lost: one poll in flight, never sooner than the interval after the last answer,
    /// nothing after the end.
    #[test]
    fn polls_are_never_closer_than_the_interval(steps in prop::collection::vec((0..8_u8, 0..40_u64), 1..60)) {
        let mut flow = flow();
        let (mut now, mut slow, mut free_at) = (0, 0, 5);
        for (answer, pause) in steps {
            now += pause;
            match flow.advise(at(now)) {
                DeviceAdvice::Send(ticket) => {
                    prop_assert!(now >= free_at, "{now} is before {free_at}");
                    prop_assert!(now < 600);
                    match answer {
                        0..=2 => prop_assert!(is_waiting(land(&mut flow, &ticket, &error("authorization_pending"), now))),
                        3 => {
                            slow += 5;
                            prop_assert!(is_waiting(land(&mut flow, &ticket, &error("slow_down"), now)));
                        }
                        4 => prop_assert!(is_waiting(land(&mut flow, &ticket, &HttpResponse::new(503), now))),
                        5 => flow.handle_failure(&ticket, at(now)),
                        6 => now += DeviceFlow::POLL_TIMEOUT.as_secs(),
                        _ => {
                            let granted = token_answer(&json!({}));
                            prop_assert!(land(&mut flow, &ticket, &granted, now).unwrap().is_some());
                            let after = flow.advise(at(now));
                            prop_assert!(matches!(after, DeviceAdvice::Done));
                            return Ok(());
                        }
                    }
                    free_at = now + 5 + slow;
                    flow = DeviceFlow::from_json(flow.to_json().expose()).unwrap();
                }
                DeviceAdvice::Wait { until } => prop_assert!(until > at(now) && until <= at(600)),
                DeviceAdvice::Expired => prop_assert!(now >= 600),
                DeviceAdvice::Done => prop_assert!(false, "done without tokens"),
            }
        }
    }
}

#[test]
fn the_named_limits_are_the_documented_ones() {
    assert_eq!(DeviceFlow::DEFAULT_INTERVAL, Duration::from_secs(5));
    assert_eq!(DeviceFlow::LONGEST_PAUSE, Duration::from_secs(300));
}
