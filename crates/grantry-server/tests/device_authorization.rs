//! Where devices begin ([RFC 8628 section 3.1](https://www.rfc-editor.org/rfc/rfc8628#section-3.1)).
#![expect(clippy::panic, reason = "a test fails by panicking")]

mod support;

use core::time::Duration;

use grantry_core::form::{Form, FormError, Known};
use grantry_core::{HttpRequest, Issuer, Moment};
use grantry_server::{
    DeviceAnswer, Effect, Endpoint, Endpoints, EventKind, GrantType, MAX_ROUNDS, Policy, Reason, Reply,
    RunError, Server, run,
};
use serde_json::{Value, json};
use support::{
    DEVICE_CODE, ISSUER, NOW, Site, assert_denied, assert_error, assert_pending, assert_unknown, basic,
    client_id, clients, every_endpoint, found, issued, json, request, scope, secret, time, waiting,
};
const UNTOUCHED: [usize; 3] = [0, 0, 0];
const READ: [usize; 3] = [1, 1, 0];
const WRITTEN: [usize; 3] = [1, 1, 1];
/// The life of a device code, in seconds.
const LIFETIME: u64 = 600;

fn site() -> Site {
    every_endpoint(Policy::default())
}

#[track_caller]
fn assert_no_device(reply: &Reply<DeviceAnswer>, status: u16, error: &str, reason: Reason) {
    let DeviceAnswer::Denied(denial) = reply.answer else { panic!("{:?}", reply.event) };
    assert_eq!((denial.code.as_str(), denial.reason), (error, reason));
    assert_eq!(
        (reply.event.endpoint, reply.event.kind),
        (Endpoint::DeviceAuthorization, EventKind::RequestRefused)
    );
    assert_eq!((reply.event.effect, reply.event.denial), (Effect::Nothing, Some(denial)));
    assert_error(&reply.answer.to_response(), status, error);
}

/// DV-01.
#[test]
fn rfc8628_3_2_a_device_gets_its_codes() {
    for client in ["native", "web"] {
        let site = site();
        let (reply, counts) = site.store.count(|| site.ask_for_device(client, &[("scope", "read")], NOW));
        assert_eq!(counts, WRITTEN);
        let event = &reply.event;
        assert_eq!((event.endpoint, event.kind), (Endpoint::DeviceAuthorization, EventKind::DeviceRequested));
        assert_eq!((event.effect, event.denial), (Effect::Written, None));
        assert_eq!((&event.client_id, &event.subject), (&Some(client_id(client)), &None));
        assert_eq!(event.grant, Some(site.store.last_written().id()));

        let response = reply.answer.to_response();
        assert_eq!((response.status, response.headers.only("Cache-Control")), (200, Some("no-store")));
        let device = waiting(reply);
        let expected = json!({
            "device_code": device.device_code.expose(),
            "user_code": device.user_code.expose(),
            "verification_uri": "https://as.example/device",
            "verification_uri_complete":
                format!("https://as.example/device?user_code={}", device.user_code.expose()),
            "expires_in": LIFETIME,
            "interval": 5,
        });
        assert_eq!(json(&response), expected);
        assert!(device.device_code.expose().starts_with("grd_"));
        assert_eq!(device.user_code.expose().len(), 11);
    }
}

/// DV-01: clients assume 5 seconds where the answer says nothing; ours always says it.
#[test]
fn rfc8628_3_2_the_interval_is_always_said() {
    for (interval, said) in [(0, 0), (1, 1), (5, 5), (60, 60), (u64::MAX, u64::from(u32::MAX))] {
        let site = every_endpoint(Policy::default().with_device_interval(Duration::from_secs(interval)));
        let answer = site.ask_for_device("native", &[("scope", "read")], NOW).answer;
        assert_eq!(json(&answer.to_response())["interval"], said);
    }
}

/// DV-12.
#[test]
fn rfc8628_3_1_a_client_without_the_grant_is_refused_at_both_endpoints() {
    let site = site();
    let reply = site.ask_for_device("post", &[("scope", "read")], NOW);
    assert_no_device(&reply, 400, "unauthorized_client", Reason::GrantTypeNotRegistered);
    let reply = site.poll("post", &site.device("native", NOW), NOW);
    assert_denied(&reply, "unauthorized_client", Reason::GrantTypeNotRegistered);
    assert_error(&reply.answer.to_response(), 400, "unauthorized_client");
}

#[test]
fn rfc8628_3_1_a_client_that_is_not_authenticated_stores_nothing() {
    let site = site();
    let form = |body: &str| HttpRequest::form("/device_authorization", body);
    let wrong = form("scope=read").with_header("Authorization", basic("web", "wrong"));
    for (request, reason, counts) in [
        (form("scope=read"), Reason::NoClient, UNTOUCHED),
        (form("scope=read&client_id=web"), Reason::ClientNotAuthenticated, READ),
        (form("scope=read&client_id=nobody"), Reason::ClientNotAuthenticated, READ),
        (wrong, Reason::ClientNotAuthenticated, READ),
    ] {
        let operation = site.server.device_authorization(&request);
        let (reply, found) = site.store.count(|| site.run(&operation, NOW));
        assert_no_device(&reply, 401, "invalid_client", reason);
        assert_eq!(found, counts);
        assert!(reply.answer.to_response().headers.only("WWW-Authenticate").is_some());
    }
}

#[test]
fn rfc6749_3_2_a_faulty_request_touches_nothing() {
    let site = site();
    let web = |request: HttpRequest| request.with_header("Authorization", basic("web", &secret("web")));
    let form = |target: &str, body: &str| web(HttpRequest::form(target, body));
    let path = "/device_authorization";
    for (request, status, reason) in [
        (web(HttpRequest::new("GET", path)), 405, Reason::NotPost),
        (form("/device_authorization?scope=read", ""), 400, Reason::ParameterInUrl("scope")),
        (form(path, "scope=read&scope=read"), 400, Reason::Form(FormError::Repeated("scope"))),
        (form(path, "scope=%"), 400, Reason::Form(FormError::Escape)),
        (
            web(HttpRequest::new("POST", path).with_body(*b"scope=read")),
            400,
            Reason::Form(FormError::ContentType),
        ),
    ] {
        let operation = site.server.device_authorization(&request);
        let (reply, counts) = site.store.count(|| site.run(&operation, NOW));
        assert_no_device(&reply, status, "invalid_request", reason);
        assert_eq!(counts, UNTOUCHED);
        let allow = reply.answer.to_response().headers.only("Allow").map(String::from);
        assert_eq!(allow.as_deref(), (status == 405).then_some("POST"));
    }
}

#[test]
fn rfc6749_3_3_a_device_asks_within_its_registration() {
    let site = site();
    for (pairs, error, reason) in [
        (vec![("scope", "read admin")], "invalid_scope", Reason::ScopeNotRegistered),
        (vec![], "invalid_scope", Reason::ScopeMissing),
        (
            vec![("scope", "read"), ("resource", "https://x.example")],
            "invalid_target",
            Reason::ResourceUnknown,
        ),
    ] {
        let (reply, counts) = site.store.count(|| site.ask_for_device("web", &pairs, NOW));
        assert_no_device(&reply, 400, error, reason);
        assert_eq!(counts, READ);
    }
    for client in clients().into_iter().filter(|client| client.id().as_str() == "web") {
        let client = client.with_grant_types([GrantType::DeviceCode]).with_default_scope(scope("read"));
        site.store.inner.put_client(client);
    }
    let device = waiting(site.ask_for_device("web", &[], NOW));
    assert_eq!(site.find(&device, NOW).scope(), &scope("read"));
}

/// DV-24.
#[test]
fn rfc8628_3_3_1_the_complete_uri_is_encoded_and_keeps_its_query() {
    const QUERY: Known = Known { once: &["user_code", "lang"], many: &[] };
    for (page, start, lang) in [
        ("https://as.example/device", "https://as.example/device?user_code=", None),
        ("https://as.example/device?", "https://as.example/device?user_code=", None),
        (
            "https://as.example/device?lang=a%26b",
            "https://as.example/device?lang=a%26b&user_code=",
            Some("a&b"),
        ),
        ("https://as.example/device?lang=de&", "https://as.example/device?lang=de&user_code=", Some("de")),
    ] {
        let mut endpoints = Endpoints::all_below(&Issuer::parse(ISSUER).unwrap());
        endpoints.verification = Some(page.into());
        let mut site = site();
        site.server = site.server.with_endpoints(endpoints);
        let device = site.device("native", NOW);
        assert_eq!(device.verification_uri, page);
        let complete = device.verification_uri_complete.expose();
        assert!(complete.starts_with(start), "{complete}");
        let form = Form::parse(complete.split_once('?').unwrap().1.as_bytes(), &QUERY).unwrap();
        assert_eq!((form.get("user_code"), form.get("lang")), (Some(device.user_code.expose()), lang));
    }
}

/// The codes of one moment: the first that is free, and where there is none, nobody's record is written
/// over.
#[test]
fn rfc8628_6_1_a_user_code_that_is_taken_is_given_to_nobody_else() {
    let site = site();
    let operation = || site.server.device_authorization(&request("web", "/x", &[("scope", "read")]));
    let same = || Moment::new(time(NOW), [7; 32]);
    let first = waiting(run(&site.store, &operation(), same()).unwrap());
    let (reply, counts) = site.store.count(|| run(&site.store, &operation(), same()).unwrap());
    let second = waiting(reply);
    assert_eq!(counts, WRITTEN);
    assert_ne!(first.user_code.expose(), second.user_code.expose());
    assert_ne!(first.device_code.expose(), second.device_code.expose());

    site.approve(site.find(&first, NOW), NOW);
    let (reply, counts) = site.store.count(|| run(&site.store, &operation(), same()));
    let error = reply.unwrap_err();
    assert_eq!((error, counts), (RunError::Contended, [MAX_ROUNDS; 3]));
    let response = error.to_response();
    assert_eq!((response.status, response.headers.only("Cache-Control")), (503, Some("no-store")));
    issued(site.poll("web", &first, NOW));
    assert_pending(&site.poll("web", &second, NOW));
    // The next moment has other codes.
    site.device("web", NOW);
}

/// A code stays taken while its record is kept, whatever became of it.
#[test]
fn rfc8628_6_1_a_user_code_is_not_given_again_while_its_record_is_kept() {
    let site = site();
    let operation = || site.server.device_authorization(&request("web", "/x", &[("scope", "read")]));
    let ask = |now| waiting(run(&site.store, &operation(), Moment::new(time(now), [7; 32])).unwrap());
    let first = ask(NOW);
    let kept = LIFETIME + 15 * 60 + 3600;
    site.store.inner.sweep_all(time(NOW + kept - 1));
    assert_ne!(ask(NOW + kept - 1).user_code.expose(), first.user_code.expose());
    site.store.inner.sweep_all(time(NOW + kept));
    let again = ask(NOW + kept);
    assert_eq!(again.user_code.expose(), first.user_code.expose());
}

#[test]
fn rfc8628_3_1_without_its_endpoints_the_grant_is_known_nowhere() {
    let all = Endpoints::all_below(&Issuer::parse(ISSUER).unwrap());
    let mut no_page = all.clone();
    no_page.verification = None;
    let mut no_endpoint = all.clone();
    no_endpoint.device_authorization = None;
    let mut site = site();
    let device = site.device("web", NOW);
    let asked = found(site.verify(device.user_code.expose(), NOW));
    for endpoints in [no_page, no_endpoint, Endpoints::below(&Issuer::parse(ISSUER).unwrap())] {
        site.server = site.server.with_endpoints(endpoints);
        let reply = site.ask_for_device("web", &[("scope", "read")], NOW);
        assert_no_device(&reply, 400, "unsupported_grant_type", Reason::GrantTypeUnknown);
        let reply = site.poll("web", &device, NOW);
        assert_denied(&reply, "unsupported_grant_type", Reason::GrantTypeUnknown);
        assert_unknown(&site.verify(device.user_code.expose(), NOW));
        let metadata = json_of(&site.server);
        assert_eq!(metadata.get("device_authorization_endpoint"), None);
        assert!(!metadata["grant_types_supported"].as_array().unwrap().contains(&json!(DEVICE_CODE)));
    }
    site.server = site.server.with_endpoints(all);
    let metadata = json_of(&site.server);
    assert_eq!(metadata["device_authorization_endpoint"], "https://as.example/device_authorization");
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(DEVICE_CODE)));
    site.approve(asked, NOW);
    issued(site.poll("web", &device, NOW));
}

fn json_of(server: &Server) -> Value {
    json(&server.metadata_response())
}
