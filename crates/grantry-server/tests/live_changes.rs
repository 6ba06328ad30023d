//! What happens to living grants when policy, registrations and clocks differ.
#![expect(clippy::panic, clippy::string_slice, reason = "a test fails by panicking")]

mod support;

use core::time::Duration;

use grantry_core::{HttpRequest, form};
use grantry_server::{
    AccessTokenFormat, Authorization, Client, ClientAuthentication, Effect, EventKind, GrantType,
    Introspection, Policy, Reason, RefreshTokens, Revoked, SecretDigest,
};
use support::{
    ISSUER, NOW, Site, assert_denied, client_id, clients, code, issued, query, redemption, refresh_token,
    request, response, scope, server_of, time,
};

const FIRST: &str = "https://first.example";
const LATER: &str = "https://later.example";
const BANK: &str = "https://bank.example";

fn aud(introspection: &Introspection) -> Option<&str> {
    let Introspection::Active(token) = introspection else { panic!("{introspection:?}") };
    token.aud.first().map(String::as_str)
}

#[test]
fn rfc7662_2_2_a_change_of_policy_does_not_turn_a_token_to_another_audience() {
    for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
        let policy = Policy::default().with_access_token_format(format).with_resources([FIRST]);
        let mut site = Site::with_policy(policy.clone());
        let tokens = site.tokens(NOW);
        site.server = server_of(ISSUER).with_policy(policy.with_resources([LATER]));
        assert_eq!(aud(&site.introspect("api", &tokens.access_token, NOW + 1)), Some(FIRST));
        let refreshed = issued(site.refresh("web", refresh_token(&tokens), NOW + 2));
        assert_eq!(aud(&site.introspect("api", &refreshed.access_token, NOW + 3)), Some(FIRST));
        assert_eq!(aud(&site.introspect("api", &site.tokens(NOW + 4).access_token, NOW + 5)), Some(LATER));
    }
}

#[test]
fn rfc8707_2_a_page_that_is_open_during_a_change_of_policy_keeps_its_audience() {
    let policy = Policy::default().with_resources([FIRST]);
    let mut site = Site::with_policy(policy.clone());
    let interaction = site.interaction("web", &[("resource", Some(FIRST))], NOW);
    let sealed = site.server.seal(&interaction, "session");
    site.server = server_of(ISSUER).with_policy(policy.with_resources([BANK]));
    let interaction = site.server.unseal(&sealed, "session", time(NOW + 1)).unwrap();
    let code = code(&site.approve(interaction, NOW + 1));
    let tokens = issued(site.redeem("web", &code, NOW + 2));
    assert_eq!(aud(&site.introspect("api", &tokens.access_token, NOW + 3)), Some(FIRST));
}

#[test]
fn oidc_core_11_offline_access_that_was_taken_away_gives_no_refresh_token() {
    let site = Site::with_policy(Policy::default().with_refresh_tokens(RefreshTokens::WithOfflineAccess));
    let asked = [("scope", Some("read offline_access"))];
    assert!(site.tokens_for("web", &asked, NOW).refresh_token.is_some());
    let code = site.code_for("web", &asked, NOW);
    for client in clients() {
        site.store.inner.put_client(client.with_scope(scope("read")));
    }
    let tokens = issued(site.redeem("web", &code, NOW + 1));
    assert_eq!((tokens.scope, tokens.refresh_token.is_some()), (scope("read"), false));
}

#[test]
fn rfc8707_2_an_unknown_resource_is_refused_and_consumes_nothing() {
    let site = Site::with_policy(Policy::default().with_resources([FIRST]));
    let reply = site.authorize(&query("web", &[("resource", Some(BANK))]), NOW);
    let Authorization::Redirect(redirect) = reply.answer else { panic!("{:?}", reply.event) };
    assert_eq!(response(&redirect).get("error"), Some("invalid_target"));

    let code = site.code_for("web", &[("resource", Some(FIRST))], NOW);
    let elsewhere = redemption("web", &code).with("resource", BANK);
    let reply = site.token("web", &elsewhere.each(), NOW);
    assert_denied(&reply, "invalid_target", Reason::ResourceUnknown);
    let tokens = issued(site.redeem("web", &code, NOW));

    let token = refresh_token(&tokens).expose();
    let refresh = |resource| {
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", token), ("resource", resource)];
        site.token("web", &pairs, NOW + 1)
    };
    assert_denied(&refresh(BANK), "invalid_target", Reason::ResourceUnknown);
    issued(refresh(FIRST));
}

#[test]
fn rfc6749_3_3_what_a_client_may_no_longer_ask_for_it_no_longer_gets() {
    let site = Site::new();
    let tokens = site.tokens(NOW);
    let register = |text: &str| {
        for client in clients() {
            site.store.inner.put_client(client.with_scope(scope(text)));
        }
    };
    register("read");
    let refreshed = issued(site.refresh("web", refresh_token(&tokens), NOW + 1));
    assert_eq!(refreshed.scope, scope("read"));
    assert!(refreshed.id_token.is_none());

    register("other");
    let reply = site.refresh("web", refresh_token(&refreshed), NOW + 2);
    assert_denied(&reply, "invalid_scope", Reason::ScopeNotRegistered);
    register("read write openid");
    let restored = issued(site.refresh("web", refresh_token(&refreshed), NOW + 3));
    assert_eq!(restored.scope, scope("openid read write"));
}

#[test]
fn a_clock_that_runs_behind_widens_no_retry_window() {
    for (behind, is_retry) in [(10, true), (11, false), (3600, false)] {
        let site = Site::with_policy(Policy::default().with_refresh_retry(Duration::from_secs(10)));
        let tokens = site.tokens(NOW);
        issued(site.refresh("web", refresh_token(&tokens), NOW + 4000));
        let again = site.refresh("web", refresh_token(&tokens), NOW + 4000 - behind);
        if is_retry {
            issued(again);
        } else {
            assert_denied(&again, "invalid_grant", Reason::RefreshTokenReused);
        }
    }
}

#[test]
fn rfc7009_2_1_a_dead_access_token_ends_no_living_grant() {
    for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
        let site = Site::with_policy(Policy::default().with_access_token_format(format));
        let tokens = site.tokens_for("native", &[], NOW);
        let dead = NOW + tokens.expires_in;
        let reply = site.revoke("native", &tokens.access_token, dead);
        assert_eq!((reply.answer, reply.event.effect), (Revoked::Done, Effect::Nothing));
        let tokens = issued(site.refresh("native", refresh_token(&tokens), dead));
        let reply = site.revoke("native", &tokens.access_token, dead + tokens.expires_in - 1);
        assert_eq!((reply.answer, reply.event.effect), (Revoked::Done, Effect::Written));
    }
}

#[test]
fn events_name_the_grant_of_a_proven_refusal_and_the_client_of_a_forgery() {
    let site = Site::new();
    let code = site.code(NOW);
    let tokens = issued(site.redeem("web", &code, NOW));
    for reason in [Reason::CodeReused, Reason::GrantRevoked] {
        let event = site.redeem("web", &code, NOW + 1).event;
        assert_eq!(event.denial.unwrap().reason, reason);
        assert!(event.grant.is_some() && event.subject.is_some(), "{event:?}");
    }
    let event = site.redeem("other", &code, NOW + 1).event;
    assert_ne!(event.denial.unwrap().reason, Reason::GrantRevoked);
    assert_eq!(event.grant, None);

    let mut forged = refresh_token(&tokens).expose().to_owned();
    let flipped = if &forged[40..41] == "A" { "B" } else { "A" };
    forged.replace_range(40..41, flipped);
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", forged.as_str())];
    let event = site.token("web", &pairs, NOW + 2).event;
    assert_eq!((event.kind, event.denial.unwrap().reason), (EventKind::RequestRefused, Reason::Forged));
    assert_eq!(event.client_id.unwrap(), client_id("web"));
    let introspection = request("api", "/introspect", &[("token", &forged)]);
    let event = site.run(&site.server.introspect(&introspection), NOW).event;
    assert_eq!(event.client_id.unwrap(), client_id("api"));
}

#[test]
fn rfc6749_2_3_1_an_empty_secret_authenticates_nobody() {
    let site = Site::new();
    let empty = ClientAuthentication::SecretBasic(SecretDigest::of(""));
    site.store.inner.put_client(Client::new(client_id("empty"), empty));
    let body = form::encode([("grant_type", "refresh_token"), ("refresh_token", "x")]);
    let request = HttpRequest::form("/token", body).with_header("Authorization", "Basic ZW1wdHk6");
    let reply = site.run(&site.server.token(&request), NOW);
    assert_denied(&reply, "invalid_client", Reason::ClientNotAuthenticated);
}

/// A token is what it was when it was made; the format of the policy is for the next one.
#[test]
fn a_change_of_format_ends_no_living_token() {
    let policy_of = |format| Policy::default().with_access_token_format(format);
    for (before, after) in [
        (AccessTokenFormat::Jwt, AccessTokenFormat::Opaque),
        (AccessTokenFormat::Opaque, AccessTokenFormat::Jwt),
    ] {
        let mut site = Site::with_policy(policy_of(before));
        site.register("web", &[GrantType::ClientCredentials]);
        let own = |site: &Site| issued(site.token("web", &[("grant_type", "client_credentials")], NOW));
        let (tokens, first) = (site.tokens(NOW), own(&site));
        site.server = server_of(ISSUER).with_policy(policy_of(after));
        let (refreshed, second) = (issued(site.refresh("web", refresh_token(&tokens), NOW)), own(&site));
        for token in [&tokens, &first, &refreshed, &second] {
            assert!(site.is_active(&token.access_token, NOW));
        }
        for token in [&first, &second, &tokens] {
            assert_ne!(site.revoke("web", &token.access_token, NOW).event.effect, Effect::Nothing);
            assert!(!site.is_active(&token.access_token, NOW));
        }
        assert!(!site.is_active(&refreshed.access_token, NOW), "of the grant that was revoked");
    }
}

#[test]
fn rfc6749_5_2_a_grant_that_is_taken_from_a_registration_is_refused_from_then_on() {
    let site = Site::with_policy(Policy::default().danger_with_password_grant());
    site.register("web", &[GrantType::ClientCredentials, GrantType::Password]);
    let ask = |site: &Site, grant_type: GrantType| {
        let pairs = [("grant_type", grant_type.as_str()), ("username", "al"), ("password", "x")];
        let operation = site.server.token(&request("web", "/token", &pairs));
        site.run(&operation.with_resource_owner(support::approval()), NOW)
    };
    let own = issued(ask(&site, GrantType::ClientCredentials));
    issued(ask(&site, GrantType::Password));
    site.register("web", &[]);
    for grant_type in [GrantType::ClientCredentials, GrantType::Password] {
        let reply = ask(&site, grant_type);
        assert_denied(&reply, "unauthorized_client", Reason::GrantTypeNotRegistered);
    }
    assert!(site.is_active(&own.access_token, NOW), "what was given out lives its time");
    // A client that is a public one from now on has no way left to it.
    let public = Client::new(client_id("web"), ClientAuthentication::None);
    let public = public.with_grant_types([GrantType::ClientCredentials]).with_default_scope(scope("read"));
    site.store.inner.put_client(public.with_scope(scope("read")));
    let body = form::encode([("grant_type", "client_credentials"), ("client_id", "web")]);
    let reply = site.run(&site.server.token(&HttpRequest::form("/token", body)), NOW);
    assert_denied(&reply, "invalid_client", Reason::ClientNotConfidential);
}
