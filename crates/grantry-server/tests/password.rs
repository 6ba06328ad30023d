//! The resource owner password grant (RFC 6749 section 4.3), for hosts that still have to serve it.

mod support;

use grantry_core::SecretString;
use grantry_server::{
    AccessTokenFormat, Approval, Effect, EventKind, GrantType, Introspection, Policy, Reason, RefreshTokens,
    Reply, Token, TokenAnswer,
};
use serde_json::json;
use support::{
    ISSUER, LOGIN, NOW, Site, approval, assert_denied, issued, refresh_token, request, scope, subject, time,
};

const CLIENT_READ: [usize; 3] = [1, 0, 0];
const INSERTED: [usize; 3] = [1, 0, 1];
const PASSWORD: [(&str, &str); 3] = [("grant_type", "password"), ("username", "al"), ("password", "hunter2")];

fn site() -> Site {
    let site = Site::with_policy(Policy::default().danger_with_password_grant());
    site.register("web", &[GrantType::Password]);
    site.register("native", &[GrantType::Password]);
    site
}

fn operation(site: &Site, client: &str, more: &[(&str, &str)]) -> Token {
    site.server.token(&request(client, "/token", &[&PASSWORD, more].concat()))
}

fn accepted(site: &Site, client: &str, more: &[(&str, &str)]) -> Reply<TokenAnswer> {
    site.run(&operation(site, client, more).with_resource_owner(approval()), NOW)
}

#[test]
fn rfc6749_4_3_3_an_accepted_password_gives_the_tokens_of_one_new_grant() {
    for client in ["web", "native"] {
        let site = site();
        let asked = [("scope", "openid read")];
        let (reply, counts) = site.store.count(|| accepted(&site, client, &asked));
        assert_eq!(counts, INSERTED);
        let (event, grant) = (reply.event.clone(), site.store.last_written());
        assert_eq!((event.kind, event.effect), (EventKind::PasswordAccepted, Effect::Written));
        assert_eq!((event.subject, event.grant, event.denial), (Some(subject()), Some(grant.id()), None));
        let response = reply.answer.to_response();
        assert_eq!((response.status, response.headers.only("Cache-Control")), (200, Some("no-store")));
        let tokens = issued(reply);
        assert_eq!(tokens.scope, scope("openid read"));
        let claims = site.claims(&tokens.access_token, "at+jwt");
        assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("alice"), &json!(client)));
        let claims = site.claims(tokens.id_token.as_ref().unwrap(), "JWT");
        assert_eq!((&claims["sub"], &claims["auth_time"]), (&json!("alice"), &json!(LOGIN)));
        let next = issued(site.refresh(client, refresh_token(&tokens), NOW + 1));
        assert_eq!(next.scope, scope("openid read"));
        let reused = site.refresh(client, refresh_token(&tokens), NOW + 2);
        assert_denied(&reused, "invalid_grant", Reason::RefreshTokenReused);
    }
}

#[test]
fn rfc9700_2_4_the_password_grant_is_off_unless_policy_and_registration_name_it() {
    let mut off = Site::new();
    off.register("web", &[GrantType::Password]);
    let (reply, counts) = off.store.count(|| accepted(&off, "web", &[]));
    assert_denied(&reply, "unsupported_grant_type", Reason::GrantTypeUnknown);
    assert_eq!((reply.answer.to_response().status, counts), (400, CLIENT_READ));
    assert!(operation(&off, "web", &[]).resource_owner_credentials().is_none());
    let advertised = |site: &Site| site.server.metadata().grant_types_supported.contains(&"password");
    assert!(!advertised(&off));

    let on = site();
    assert!(advertised(&on));
    let (reply, counts) = on.store.count(|| accepted(&on, "other", &[("scope", "read")]));
    assert_denied(&reply, "unauthorized_client", Reason::GrantTypeNotRegistered);
    assert_eq!((reply.answer.to_response().status, counts), (400, CLIENT_READ));

    // What was begun while it was served goes on: its grants are grants.
    let tokens = issued(accepted(&on, "web", &[]));
    off.store = on.store;
    issued(off.refresh("web", refresh_token(&tokens), NOW));
}

#[test]
fn rfc6749_5_2_a_wrong_password_is_invalid_grant_and_says_no_more() {
    let site = site();
    let (reply, counts) = site.store.count(|| site.run(&operation(&site, "web", &[]), NOW));
    assert_denied(&reply, "invalid_grant", Reason::PasswordWrong);
    assert_eq!((reply.event.kind, reply.event.effect), (EventKind::RequestRefused, Effect::Nothing));
    assert_eq!(counts, CLIENT_READ);
    let response = reply.answer.to_response();
    assert_eq!((response.status, support::json(&response)), (400, json!({ "error": "invalid_grant" })));
    assert_eq!(response.headers.only("Cache-Control"), Some("no-store"));
}

#[test]
fn rfc6749_4_3_2_user_name_and_password_are_required() {
    let site = site();
    for name in ["username", "password"] {
        for value in [None, Some("")] {
            let mut pairs = PASSWORD.to_vec();
            pairs.retain(|(other, _)| *other != name);
            pairs.extend(value.map(|value| (name, value)));
            let token = site.server.token(&request("web", "/token", &pairs));
            assert!(token.resource_owner_credentials().is_none());
            let reply = site.run(&token.with_resource_owner(approval()), NOW);
            assert_denied(&reply, "invalid_request", Reason::Missing(name));
        }
    }
}

/// The host's word about the person is nothing without the client's own proof.
#[test]
fn rfc6749_3_2_1_an_accepted_password_helps_no_client_that_is_not_authenticated() {
    let site = site();
    let wrong = [("client_id", "web"), ("client_secret", "wrong")];
    let body = grantry_core::form::encode([PASSWORD.as_slice(), &wrong].concat());
    let token = site.server.token(&grantry_core::HttpRequest::form("/token", body));
    let (reply, counts) = site.store.count(|| site.run(&token.with_resource_owner(approval()), NOW));
    assert_denied(&reply, "invalid_client", Reason::ClientNotAuthenticated);
    assert_eq!((reply.answer.to_response().status, counts), (401, CLIENT_READ));
}

#[test]
fn rfc6749_3_3_the_scope_is_within_the_registration_and_what_the_person_grants() {
    let site = site();
    let reply = accepted(&site, "web", &[("scope", "admin")]);
    assert_denied(&reply, "invalid_scope", Reason::ScopeNotRegistered);
    let narrowed = |to: &str| {
        let token = operation(&site, "web", &[("scope", "read write")]);
        site.run(&token.with_resource_owner(approval().narrowed_to(scope(to))), NOW)
    };
    assert_eq!(issued(narrowed("write openid")).scope, scope("write"));
    let (reply, counts) = site.store.count(|| narrowed("openid"));
    assert_denied(&reply, "invalid_scope", Reason::ScopeWidened);
    assert_eq!(counts, CLIENT_READ);
    let reply = accepted(&site, "web", &[("resource", "https://bank.example")]);
    assert_denied(&reply, "invalid_target", Reason::ResourceUnknown);
    assert_eq!(site.claims(&issued(accepted(&site, "web", &[])).access_token, "at+jwt")["aud"], ISSUER);
}

#[test]
fn rfc6749_6_refresh_tokens_of_passwords_follow_the_policy() {
    let policy = Policy::default().danger_with_password_grant();
    let site = Site::with_policy(
        policy
            .with_refresh_tokens(RefreshTokens::WithOfflineAccess)
            .with_access_token_format(AccessTokenFormat::Opaque),
    );
    site.register("web", &[GrantType::Password]);
    let without = issued(accepted(&site, "web", &[("scope", "read")]));
    assert!(without.refresh_token.is_none());
    assert_eq!(site.store.last_written().expires_at(), time(NOW + 600));
    let with = issued(accepted(&site, "web", &[("scope", "read offline_access")]));
    let Introspection::Active(active) = site.introspect("web", &with.access_token, NOW) else {
        unreachable!("alive");
    };
    assert_eq!((&*active.sub, active.auth_time), ("alice", Some(time(LOGIN))));
    issued(site.refresh("web", refresh_token(&with), NOW));
}

#[test]
fn what_a_person_types_is_never_printed() {
    let site = site();
    let typed = [("grant_type", "password"), ("username", "hunter1"), ("password", "hunter2")];
    let token = site.server.token(&request("web", "/token", &typed));
    let credentials = token.resource_owner_credentials().unwrap();
    assert_eq!((credentials.username, credentials.password.expose()), ("hunter1", "hunter2"));
    let printed = format!("{credentials:?} {token:?}");
    let reply = site.run(&token, NOW);
    let accepted = site.server.token(&request("web", "/token", &typed)).with_resource_owner(approval());
    let printed = format!("{printed} {reply:?} {accepted:?} {:?}", site.run(&accepted, NOW));
    assert!(printed.contains("ResourceOwnerCredentials") && !printed.contains("hunter"), "{printed}");
    assert!(!format!("{:?}", reply.answer.to_response()).contains("hunter"));
}

/// Only the password grant asks a person: said of another request, the word changes nothing.
#[test]
fn a_resource_owner_of_another_grant_is_nobody() {
    let site = site();
    let code = site.code(NOW);
    let redemption = support::redemption("web", &code);
    let token = site.server.token(&request("web", "/token", &redemption.each()));
    assert!(token.resource_owner_credentials().is_none());
    let mallory = Approval::new(grantry_server::Subject::parse("mallory").unwrap(), time(LOGIN));
    let tokens = issued(site.run(&token.with_resource_owner(mallory), NOW));
    assert_eq!(site.claims(&tokens.access_token, "at+jwt")["sub"], "alice");
    assert!(site.is_active(&SecretString::from(tokens.access_token.expose()), NOW));
}
