//! Events: what a host logs, counts and joins.
#![expect(clippy::unwrap_used, clippy::std_instead_of_alloc, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use grantry_core::{SecretString, form};
use grantry_server::{
    AccessTokenFormat, Authority, Authorization, Effect, Endpoint, Event, EventKind, GrantId, GrantType,
    Policy, Refusal, Reply, TokenAnswer,
};
use serde_json::json;
use support::{
    NOW, Site, client_id, code, every_endpoint, issued, pushed, query, redemption, refresh_token, request,
    subject,
};

fn site() -> Site {
    every_endpoint(Policy::default().with_access_token_format(AccessTokenFormat::Opaque))
}

fn line(event: &Event) -> String {
    serde_json::to_string(event).unwrap()
}

#[test]
fn an_event_is_one_flat_line_of_json() {
    let site = site();
    let code = site.code(NOW);
    let reply = site.redeem("web", &code, NOW);
    let grant = reply.event.grant.unwrap();
    assert_eq!(
        line(&reply.event),
        format!(
            r#"{{"endpoint":"token","kind":"code_redeemed","effect":"written","client_id":"web","subject":"alice","grant":"{grant}"}}"#
        )
    );
    let reply = site.redeem("web", "x", NOW);
    assert_eq!(
        line(&reply.event),
        r#"{"endpoint":"token","kind":"request_refused","effect":"nothing","client_id":"web","error":"invalid_grant","reason":"an unknown authorization code (RFC 6749 section 5.2)"}"#
    );
    let reply = site.run(&site.server.token(&grantry_core::HttpRequest::new("GET", "/token")), NOW);
    let absent = serde_json::to_value(&reply.event).unwrap();
    assert_eq!(absent.get("client_id"), None);
    assert_eq!(absent["error"], json!("invalid_request"));
}

/// Whatever a stranger writes, a line of a log stays one line, and a member one member.
#[test]
fn no_request_adds_a_line_or_a_member() {
    let site = site();
    let pairs = [
        ("response_type", "code"),
        ("client_id", "web\",\"kind\":\"code_redeemed"),
        ("state", "{\"kind\":\"x\"}"),
    ];
    let event = site.authorize(&form::encode(pairs), NOW).event;
    let text = line(&event);
    assert!(!text.contains('\n') && text.is_ascii(), "{text}");
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&read["kind"], &read["client_id"]), (&json!("request_refused"), &json!(pairs[1].1)));
}

#[test]
fn what_a_log_counts_by_prints_its_name() {
    fn shown<T: core::fmt::Display + serde::Serialize>(value: T, name: &str) -> String {
        assert_eq!((value.to_string().as_str(), json!(value)), (name, json!(name)));
        name.into()
    }
    let endpoints = [
        Endpoint::Authorization,
        Endpoint::Token,
        Endpoint::Revocation,
        Endpoint::Introspection,
        Endpoint::PushedAuthorizationRequest,
        Endpoint::DeviceAuthorization,
        Endpoint::Verification,
        Endpoint::UserInfo,
        Endpoint::EndSession,
        Endpoint::Management,
    ];
    let kinds = [
        EventKind::GrantRevoked,
        EventKind::TokenRevoked,
        EventKind::NothingRevoked,
        EventKind::TokenFoundActive,
        EventKind::TokenFoundInactive,
    ];
    let effects = [Effect::Written, Effect::Repeated, Effect::Noted, Effect::Nothing];
    let names: BTreeSet<String> = endpoints
        .map(|value| shown(value, value.as_str()))
        .into_iter()
        .chain(kinds.map(|value| shown(value, value.as_str())))
        .chain(effects.map(|value| shown(value, value.as_str())))
        .collect();
    assert_eq!(names.len(), endpoints.len() + kinds.len() + effects.len(), "{names:?}");
    assert!(
        names.iter().all(|name| name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_'))),
        "{names:?}"
    );
}

fn revoked(site: &Site, client: &str, token: &SecretString) -> (EventKind, Effect, Option<GrantId>) {
    let event = site.revoke(client, token, NOW).event;
    (event.kind, event.effect, event.grant)
}

#[test]
fn only_a_revocation_that_ends_something_says_so() {
    let site = site();
    let tokens = site.tokens(NOW);
    let id = site.store.last_written().id();
    let nothing = (EventKind::NothingRevoked, Effect::Nothing, None);
    assert_eq!(revoked(&site, "other", &tokens.access_token), nothing);
    assert_eq!(revoked(&site, "web", &SecretString::from("x")), nothing);
    let ended = (EventKind::GrantRevoked, Effect::Written, Some(id));
    assert_eq!(revoked(&site, "web", &tokens.access_token), ended);
    // Its own client may know which grant it was.
    let again = (EventKind::NothingRevoked, Effect::Nothing, Some(id));
    assert_eq!(revoked(&site, "web", refresh_token(&tokens)), again);
    let reply = site.run(&site.server.revoke_grant(id, Authority::Operator), NOW);
    assert_eq!((reply.event.kind, reply.event.effect, reply.event.grant), again);
    assert_eq!(reply.event.endpoint, Endpoint::Management);
}

#[test]
fn the_revocation_of_a_token_without_a_record_is_noted_once() {
    let site = Site::new();
    site.register("web", &[GrantType::ClientCredentials]);
    let token = issued(site.token("web", &[("grant_type", "client_credentials")], NOW)).access_token;
    assert_eq!(revoked(&site, "web", &token), (EventKind::TokenRevoked, Effect::Noted, None));
    assert_eq!(revoked(&site, "web", &token), (EventKind::NothingRevoked, Effect::Nothing, None));
}

#[test]
fn an_introspection_says_what_was_answered() {
    let site = site();
    let tokens = site.tokens(NOW);
    let id = site.store.last_written().id();
    let introspected = |client: &str, token: &str| {
        let request = request(client, "/introspect", &[("token", token)]);
        let event = site.run(&site.server.introspect(&request), NOW).event;
        (event.kind, event.grant, event.client_id.unwrap())
    };
    let token = tokens.access_token.expose();
    for caller in ["web", "api"] {
        let active = (EventKind::TokenFoundActive, Some(id), client_id(caller));
        assert_eq!(introspected(caller, token), active);
    }
    let of_a_stranger = (EventKind::TokenFoundInactive, None, client_id("other"));
    assert_eq!(introspected("other", token), of_a_stranger);
    assert_eq!(introspected("other", "x"), of_a_stranger, "there is no telling them apart");
    site.revoke("web", &tokens.access_token, NOW);
    assert_eq!(introspected("web", token), (EventKind::TokenFoundInactive, Some(id), client_id("web")));
}

/// The id that joins them is no secret: it opens nothing.
#[test]
fn page_answer_and_tokens_have_one_grant_in_the_log() {
    let site = site();
    let ids = |events: &[&Event]| events.iter().map(|event| event.grant).collect::<BTreeSet<_>>();
    let page = |reply: Reply<Authorization>| {
        let Authorization::Interact(interaction) = reply.answer else { panic!("{:?}", reply.event) };
        (*interaction, reply.event)
    };

    let (interaction, asked) = page(site.authorize(&query("web", &[]), NOW));
    assert_eq!((asked.kind, asked.effect), (EventKind::AuthorizationRequested, Effect::Nothing));
    let refused = site.refuse(&interaction, Refusal::AccessDenied).event;
    assert_eq!(ids(&[&asked, &refused]), BTreeSet::from([Some(asked.grant.unwrap())]));
    let answered = site.approve(interaction, NOW);
    let redeemed = site.redeem("web", &code(&answered), NOW);
    assert_eq!(ids(&[&asked, &answered.event, &redeemed.event]).len(), 1);

    let (_, other) = page(site.authorize(&query("web", &[]), NOW));
    assert_ne!(other.grant, asked.grant);

    let push = site.push("web", &[], NOW);
    let begun = push.event.clone();
    let request_uri = pushed(push).request_uri;
    let pairs = [("client_id", "web"), ("request_uri", request_uri.expose())];
    let (interaction, asked) = page(site.authorize(&form::encode(pairs), NOW));
    let answered = site.approve(interaction, NOW).event;
    assert_eq!(ids(&[&begun, &asked, &answered]), BTreeSet::from([Some(begun.grant.unwrap())]));
}

#[test]
fn device_page_answer_and_tokens_have_one_grant_in_the_log() {
    let site = site();
    for is_approved in [true, false] {
        let device = site.device("web", NOW);
        let id = site.store.last_written().id();
        let found = site.verify(device.user_code.expose(), NOW);
        assert_eq!((found.event.kind, found.event.grant), (EventKind::DeviceFound, Some(id)));
        let interaction = support::found(found);
        let answered = if is_approved {
            site.approve(interaction, NOW).event
        } else {
            site.refuse(&interaction, Refusal::AccessDenied).event
        };
        let polled: Reply<TokenAnswer> = site.poll("web", &device, NOW);
        assert_eq!((answered.grant, polled.event.grant), (Some(id), Some(id)));
    }
}

/// A line holds what the request said of itself, and nothing that opens anything.
#[test]
fn no_credential_reaches_a_line() {
    let site = site();
    let answered = site.approve(site.interaction("web", &[], NOW), NOW);
    let code = code(&answered);
    let redeemed = site.redeem("web", &code, NOW);
    let mut lines = vec![line(&answered.event), line(&redeemed.event)];
    let tokens = issued(redeemed);
    let replayed = site.token("web", &redemption("web", &code).each(), NOW + 60);
    lines.extend([line(&replayed.event), line(&site.refresh("web", refresh_token(&tokens), NOW + 60).event)]);
    let secrets = [code.as_str(), tokens.access_token.expose(), refresh_token(&tokens).expose()];
    for line in &lines {
        assert!(line.contains(subject().as_str()), "{line}");
        assert!(secrets.iter().all(|secret| !line.contains(secret)), "{line}");
        assert!(!line.contains(&support::secret("web")) && !line.contains(support::VERIFIER), "{line}");
    }
}
