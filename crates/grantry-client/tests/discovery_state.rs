//! The stored form of a discovery.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/metadata.rs"]
mod metadata;

use core::time::Duration;

use grantry_client::{
    Discovery, DiscoveryAdvice, DiscoveryPolicy, DiscoveryStateError, IssuerTemplate, Tolerance,
    WellKnownOrder,
};
use grantry_core::{HttpResponse, Issuer, UnixTime};
use metadata::{
    Advised, Host, OAUTH2, OPENID, START, at, document, fetch, fetch_with, issuer, ready, response, wait_with,
};
use serde_json::{Value, json};

/// A discovery with every member in use: a document from the second place, and a failed fetch.
fn host() -> Host {
    let mut host = Host::new(DiscoveryPolicy::default());
    host.advise(0);
    host.answer(&HttpResponse::new(404), 0).unwrap_err();
    host.advise(0);
    host.answer(&response("a"), 0).unwrap();
    host.advise(3600);
    host.fail(3600);
    host
}

fn read(text: &str) -> Result<Discovery, DiscoveryStateError> {
    Discovery::from_json(text, issuer(), DiscoveryPolicy::default())
}

fn reread(text: &str) -> Host {
    Host { discovery: read(text).unwrap(), tickets: Vec::new() }
}

/// The stored form with one member replaced, found by its path.
fn with(path: &str, value: Value) -> String {
    let mut state: Value = serde_json::from_str(&host().discovery.to_json()).unwrap();
    *state.pointer_mut(path).unwrap() = value;
    state.to_string()
}

#[test]
fn the_stored_form_is_fixed_bytes() {
    let text = host().discovery.to_json();
    let golden = format!(
        concat!(
            r#"{{"version":1,"issuer":"https://as.example","saved_at":1800003600,"#,
            r#""well_known":"oauth-authorization-server","#,
            r#""held":{{"ticket":2,"fresh_until":1800003600,"document":{}}},"#,
            r#""tickets":3,"failures":1,"retry_at":1800003601}}"#
        ),
        json!(document("a").to_string())
    );
    assert_eq!(text, golden);
    assert_eq!(read(&text).unwrap().to_json(), golden);
}

#[test]
fn after_reading_the_times_hold() {
    let text = host().discovery.to_json();
    assert_eq!(reread(&text).advise(3600), wait_with(3601, "a"));
    assert_eq!(reread(&text).advise(3601), fetch_with(OAUTH2, "a"));
    // The failure before counts on.
    assert_eq!(reread(&text).advise(3600 + 86_399), fetch_with(OAUTH2, "a"));
    assert_eq!(reread(&text).advise(3600 + 86_400), fetch(OAUTH2));
    let fresh = Host::with(DiscoveryPolicy::default(), &response("a")).discovery.to_json();
    assert_eq!(reread(&fresh).advise(3599), ready("a"));
    assert_eq!(reread(&fresh).advise(3600), fetch_with(OPENID, "a"));
    // A machine whose clock is far behind starts from what was left.
    let mut behind = reread(&fresh);
    let before = |seconds: u64| UnixTime::from_secs(START - 86_400 + seconds);
    let is_ready = |advice| matches!(advice, DiscoveryAdvice::Ready(_));
    assert!(is_ready(behind.discovery.advise(before(0))));
    assert!(is_ready(behind.discovery.advise(before(3599))));
    assert!(!is_ready(behind.discovery.advise(before(3600))));
}

#[test]
fn an_empty_discovery_is_stored_too() {
    let text = Host::new(DiscoveryPolicy::default()).discovery.to_json();
    let mut host = reread(&text);
    assert_eq!(host.advise(0), fetch(OPENID));
    // A ticket that was out is forgotten, and so is the 404 that led to the second place.
    host.answer(&HttpResponse::new(404), 0).unwrap_err();
    host.advise(0);
    assert_eq!(reread(&host.discovery.to_json()).advise(0), fetch(OPENID));
}

#[test]
fn a_ticket_of_the_life_before_makes_no_document_younger() {
    let mut host = Host::with(DiscoveryPolicy::default(), &response("a"));
    host.advise(100_000);
    let ticket = host.tickets.remove(0);
    let mut host = reread(&host.discovery.to_json());
    host.discovery.handle_response(ticket, &response("b"), at(100_005)).unwrap();
    assert_eq!(host.advise(103_604), ready("b"));
    assert_eq!(host.advise(103_605), fetch_with(OPENID, "b"));
}

#[test]
fn a_ticket_that_was_never_given_holds_back_no_later_answer() {
    let mut host = Host::with(DiscoveryPolicy::default(), &response("a"));
    let older = host.discovery.to_json();
    for now in [4000, 8000] {
        host.advise(now);
        host.fail(now);
    }
    host.advise(12_000);
    let ticket = host.tickets.remove(0);
    let mut host = reread(&older);
    host.discovery.handle_response(ticket, &response("b"), at(12_005)).unwrap();
    assert!(read(&host.discovery.to_json()).is_ok());
    host.advise(20_000);
    assert_eq!(host.answer(&response("c"), 20_000), Ok("c".to_owned()));
}

#[test]
fn no_time_holds_for_longer_than_the_policy_would_have_it() {
    let future = json!(START + 10_000_000);
    let mut host = reread(&with("/held/fresh_until", future.clone()));
    assert_eq!(host.advise(3600 + 86_399), ready("a"));
    assert_eq!(host.advise(3600 + 86_400), fetch_with(OAUTH2, "a"));
    let mut host = reread(&with("/retry_at", future));
    assert_eq!(host.advise(3659), wait_with(3660, "a"));
    assert_eq!(host.advise(3660), fetch_with(OAUTH2, "a"));
    let mut host = reread(&with("/failures", json!(u32::MAX)));
    host.advise(3601);
    host.fail(3601);
    assert_eq!(host.advise(3601), wait_with(3661, "a"));

    // A stricter policy holds at once.
    let strict = DiscoveryPolicy::default().with_longest_age(Duration::from_secs(100));
    let fresh = Host::with(DiscoveryPolicy::default(), &response("a")).discovery.to_json();
    let discovery = Discovery::from_json(&fresh, issuer(), strict).unwrap();
    let mut host = Host { discovery, tickets: Vec::new() };
    assert_eq!(host.advise(99), ready("a"));
    assert_eq!(host.advise(100), fetch_with(OPENID, "a"));
}

#[test]
fn the_places_are_those_of_the_policy() {
    let policy = DiscoveryPolicy::default().with_well_known(WellKnownOrder::OpenIdOnly);
    let discovery = Discovery::from_json(&host().discovery.to_json(), issuer(), policy).unwrap();
    let mut host = Host { discovery, tickets: Vec::new() };
    assert_eq!(host.advise(3601), fetch_with(OPENID, "a"));
}

#[test]
fn a_stored_document_passes_the_checks_again() {
    let evil = |members: &Value| json!(metadata::document_with(members).to_string());
    for document in [
        json!("{}"),
        evil(&json!({ "issuer": "https://evil.example" })),
        evil(&json!({ "token_endpoint": "http://as.example/token" })),
    ] {
        let text = with("/held/document", document);
        assert_eq!(read(&text).map(drop), Err(DiscoveryStateError::Malformed), "{text}");
    }
    // The tolerance is that of the policy, not of the time when the document came.
    let template = IssuerTemplate::parse("https://as.example/{tenantid}").unwrap();
    let bears =
        DiscoveryPolicy::default().with_tolerance(Tolerance::strict().danger_with_issuer_template(template));
    let issuer = || Issuer::parse("https://as.example/common").unwrap();
    let mut discovery = Discovery::new(issuer(), bears.clone());
    let DiscoveryAdvice::Fetch(ticket) = discovery.advise(at(0)) else { unreachable!() };
    let document = metadata::document_with(&json!({ "issuer": "https://as.example/{tenantid}" }));
    discovery.handle_response(ticket, &metadata::answer(&document), at(0)).unwrap();
    let text = discovery.to_json();
    assert!(Discovery::from_json(&text, issuer(), bears).is_ok());
    let strict = Discovery::from_json(&text, issuer(), DiscoveryPolicy::default());
    assert_eq!(strict.map(drop), Err(DiscoveryStateError::Malformed));
}

#[test]
fn an_old_reader_refuses_what_it_does_not_know() {
    let text = host().discovery.to_json();
    let refused = |text: &str| read(text).map(drop).unwrap_err();
    assert_eq!(refused(&with("/version", json!(2))), DiscoveryStateError::Version);
    assert_eq!(refused(&with("/issuer", json!("https://as.example/"))), DiscoveryStateError::OtherIssuer);
    let malformed = [
        String::new(),
        text.replace("saved_at", "saved_by"),
        text.replace(r#""failures":1"#, r#""failures":1,"failures":1"#),
        text.replace(r#""failures":1"#, r#""failures":1,"more":1"#),
        text.replace(r#""ticket":2"#, r#""ticket":2,"more":1"#),
        format!("{text}{}", " ".repeat(Discovery::MAX_STATE_BYTES)),
        with("/failures", json!(-1)),
        with("/well_known", json!("host-meta")),
        with("/held/document", json!({})),
        // No answer could follow these.
        with("/held/ticket", json!(4)),
        with("/tickets", json!(u64::MAX)),
    ];
    for text in malformed {
        assert_eq!(refused(&text), DiscoveryStateError::Malformed, "{text}");
    }
}

#[test]
fn the_largest_document_is_stored_and_read() {
    let mut body = document("a").to_string();
    // Quotes and line breaks are what grows most by being written twice.
    body.insert_str(1, &format!("\"x\":\"{}\",", "\\\"".repeat(10_000)));
    body.push_str(&"\n".repeat(Discovery::MAX_DOCUMENT_BYTES - body.len()));
    let response = HttpResponse::new(200).with_header("Content-Type", "application/json").with_body(body);
    let host = Host::with(DiscoveryPolicy::default(), &response);
    let text = host.discovery.to_json();
    assert!(text.len() <= Discovery::MAX_STATE_BYTES);
    assert_eq!(reread(&text).advise(0), ready("a"));
    assert_eq!(reread(&text).advise(4000), fetch_with(OPENID, "a"));
    let Advised::Ready(_) = reread(&text).advise(1) else { unreachable!() };
}
