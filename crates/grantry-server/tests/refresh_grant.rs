//! The refresh: rotation, reuse, scope and the end of a grant.

mod support;

use core::time::Duration;

use grantry_core::form::{self, FormError};
use grantry_core::{HttpRequest, ScopeError, SecretString};
use grantry_server::{
    Client, ClientAuthentication, Effect, EventKind, Grant, GrantType, Introspection, Policy, Reason,
    RefreshTokens, SecretDigest, Server,
};
use support::{
    Fault, ISSUER, NOW, Pairs, Site, assert_denied, basic, client_id, clients, issued, json, refresh_token,
    request, scope, secret, server_of,
};

const DAY: u64 = 24 * 3600;

fn asking(token: &SecretString) -> Pairs {
    Pairs(vec![("grant_type", "refresh_token".into()), ("refresh_token", token.expose().into())])
}

/// Sends a bad request that concerns a fresh refresh token: it gets the error, and the good request
/// succeeds.
#[track_caller]
fn assert_refused_and_kept(site: &Site, error: &str, reason: Reason, bad: impl Fn(&Pairs) -> HttpRequest) {
    let tokens = site.tokens(NOW);
    let token = refresh_token(&tokens);
    let (reply, [_, _, commits]) =
        site.store.count(|| site.run(&site.server.token(&bad(&asking(token))), NOW));
    assert_denied(&reply, error, reason);
    assert_eq!((reply.event.effect, commits), (Effect::Nothing, 0));
    issued(site.refresh("web", token, NOW));
}

/// RT-01.
#[test]
fn rfc6749_6_a_good_refresh_gives_the_scope_of_the_grant_and_the_next_token() {
    let site = Site::new();
    let tokens = site.tokens(NOW);
    let reply = site.refresh("web", refresh_token(&tokens), NOW + 1);
    assert_eq!((reply.event.kind, reply.event.effect), (EventKind::TokenRefreshed, Effect::Written));
    let body = json(&reply.answer.to_response());
    assert_eq!((&body["scope"], &body["token_type"]), (&"openid read write".into(), &"Bearer".into()));
    let next = issued(reply);
    assert!(!refresh_token(&next).matches(refresh_token(&tokens).expose()));
    assert!(!next.access_token.matches(tokens.access_token.expose()));
    // The access token from before lives on until its end.
    assert!(site.is_active(&tokens.access_token, NOW + 1) && site.is_active(&next.access_token, NOW + 1));
}

/// What a store files a grant by stays, so that a rotation need not be filed.
#[test]
fn a_rotation_changes_nothing_that_a_store_sees_but_the_record() {
    let site = Site::new();
    let code = site.code(NOW);
    assert!(!site.store.last_written().is_rotated());
    let tokens = issued(site.redeem("web", &code, NOW));
    let redeemed = site.store.last_written();
    assert!(!redeemed.is_rotated());
    let mut token = refresh_token(&tokens).clone();
    for later in [1, DAY, 2 * DAY] {
        token = refresh_token(&issued(site.refresh("web", &token, NOW + later))).clone();
        let rotated = site.store.last_written();
        assert!(rotated.is_rotated());
        assert_eq!((rotated.id(), rotated.issuer()), (redeemed.id(), redeemed.issuer()));
        assert_eq!((rotated.client_id(), rotated.subject()), (redeemed.client_id(), redeemed.subject()));
        let ends = |grant: &Grant| (grant.expires_at(), grant.purge_after());
        assert_eq!(ends(&rotated), ends(&redeemed));
    }
    site.revoke("web", &token, NOW + 3 * DAY);
    assert!(!site.store.last_written().is_rotated());
}

/// RT-02, RT-04 and RT-06.
#[test]
fn rfc6749_6_a_narrowed_refresh_narrows_the_access_token_and_not_the_grant() {
    let site = Site::new();
    let tokens = site.tokens(NOW);
    let narrowed = asking(refresh_token(&tokens)).with("scope", "read");
    let narrowed = issued(site.token("web", &narrowed.each(), NOW));
    assert_eq!(narrowed.scope, scope("read"));
    assert!(narrowed.id_token.is_none());
    assert_eq!(site.claims(&narrowed.access_token, "at+jwt")["scope"], "read");

    let full = asking(refresh_token(&narrowed)).with("scope", "write read openid");
    let full = issued(site.token("web", &full.each(), NOW));
    assert_eq!(full.scope, scope("openid read write"));
    let empty = asking(refresh_token(&full)).with("scope", "");
    assert_eq!(issued(site.token("web", &empty.each(), NOW)).scope, scope("openid read write"));
}

/// RT-03.
#[test]
fn rfc6749_6_a_wider_scope_is_refused_and_the_token_kept() {
    let site = Site::new();
    let kept = |reason, asked: &str| {
        assert_refused_and_kept(&site, "invalid_scope", reason, |good| {
            request("web", "/token", &good.clone().with("scope", asked).each())
        });
    };
    // offline_access is registered for the client, and no part of this grant.
    for asked in ["openid read write offline_access", "admin", "READ"] {
        kept(Reason::ScopeWidened, asked);
    }
    kept(Reason::Scope(ScopeError::EmptyToken), "read  write");
    kept(Reason::Scope(ScopeError::Character), "r\u{e9}ad");
    kept(Reason::Scope(ScopeError::TooLong), &"s".repeat(4097));
}

#[test]
fn rfc6749_5_2_missing_repeated_and_foreign_parameters() {
    let site = Site::new();
    let kept = |error, reason, bad: &dyn Fn(&Pairs) -> Pairs| {
        assert_refused_and_kept(&site, error, reason, |good| request("web", "/token", &bad(good).each()));
    };
    kept("invalid_request", Reason::Missing("refresh_token"), &|good| good.clone().without("refresh_token"));
    kept("invalid_request", Reason::Missing("refresh_token"), &|good| good.clone().with("refresh_token", ""));
    kept("invalid_request", Reason::Missing("grant_type"), &|good| good.clone().without("grant_type"));
    kept("invalid_request", Reason::Missing("code"), &|good| {
        good.clone().with("grant_type", "authorization_code")
    });
    for token in ["x", "grr_", "grr_AAAA", &"t".repeat(10_000)] {
        kept("invalid_grant", Reason::RefreshTokenUnknown, &|good| good.clone().with("refresh_token", token));
    }
    let raw = |extra: &'static str, reason| {
        assert_refused_and_kept(&site, "invalid_request", Reason::Form(reason), |good| {
            HttpRequest::form("/token", form::encode(good.each()) + extra)
                .with_header("Authorization", basic("web", &secret("web")))
        });
    };
    raw("&refresh_token=", FormError::Repeated("refresh_token"));
    raw("&scope=read&scope=read", FormError::Repeated("scope"));
    raw("&scope=%ff", FormError::NotUtf8);
}

/// RT-07: every earlier token of the grant, whatever the number of rotations.
#[test]
fn rfc9700_4_14_2_any_rotated_token_used_again_revokes_the_grant() {
    for age in [1, 2, 5, 20] {
        let site = Site::new();
        let first = site.tokens(NOW);
        let mut live = first.clone();
        for rotation in 0..age {
            live = issued(site.refresh("web", refresh_token(&live), NOW + rotation));
        }
        let reply = site.refresh("web", refresh_token(&first), NOW + age);
        assert_denied(&reply, "invalid_grant", Reason::RefreshTokenReused);
        assert_eq!((reply.event.kind, reply.event.effect), (EventKind::ReuseDetected, Effect::Written));
        let dead = site.refresh("web", refresh_token(&live), NOW + age);
        assert_denied(&dead, "invalid_grant", Reason::GrantRevoked);
        assert!(!site.is_active(&live.access_token, NOW + age));
    }
}

/// RT-12.
#[test]
fn rfc9700_4_14_2_a_retry_inside_the_window_gets_the_same_successor() {
    let site = Site::with_policy(Policy::default().with_refresh_retry(Duration::from_secs(10)));
    let old = site.tokens(NOW);
    let new = issued(site.refresh("web", refresh_token(&old), NOW + 100));
    for later in [100, 105, 109] {
        let (reply, [_, _, commits]) =
            site.store.count(|| site.refresh("web", refresh_token(&old), NOW + later));
        assert_eq!((reply.event.effect, commits), (Effect::Repeated, 0));
        assert!(refresh_token(&issued(reply)).matches(refresh_token(&new).expose()));
    }
    // The repeats left the one chain alive, and no second one.
    let newer = issued(site.refresh("web", refresh_token(&new), NOW + 109));
    let late = site.refresh("web", refresh_token(&old), NOW + 109);
    assert_denied(&late, "invalid_grant", Reason::RefreshTokenReused);
    assert_denied(&site.refresh("web", refresh_token(&newer), NOW), "invalid_grant", Reason::GrantRevoked);
}

/// RT-15.
#[test]
fn rfc6749_10_4_the_token_of_another_client_is_refused_and_not_revoked() {
    let site = Site::new();
    for thief in ["other", "post", "native"] {
        assert_refused_and_kept(&site, "invalid_grant", Reason::OtherClient, |good| {
            request(thief, "/token", &good.each())
        });
    }
    // Nor does a stranger raise the alarm with a used token.
    let old = site.tokens(NOW);
    let live = issued(site.refresh("web", refresh_token(&old), NOW));
    let stranger = site.refresh("other", refresh_token(&old), NOW);
    assert_denied(&stranger, "invalid_grant", Reason::OtherClient);
    issued(site.refresh("web", refresh_token(&live), NOW));
}

/// RT-16.
#[test]
fn rfc6749_6_a_confidential_client_proves_itself() {
    let site = Site::new();
    let unproven = Reason::ClientNotAuthenticated;
    assert_refused_and_kept(&site, "invalid_client", Reason::NoClient, |good| {
        HttpRequest::form("/token", form::encode(good.each()))
    });
    assert_refused_and_kept(&site, "invalid_client", unproven, |good| {
        HttpRequest::form("/token", form::encode(good.clone().with("client_id", "web").each()))
    });
    assert_refused_and_kept(&site, "invalid_client", unproven, |good| {
        HttpRequest::form("/token", form::encode(good.each()))
            .with_header("Authorization", basic("web", "wrong"))
    });
}

/// RT-18 and RT-19.
#[test]
fn rfc9700_4_14_2_rotation_does_not_extend_the_life_of_a_grant() {
    let site = Site::new();
    let mut live = site.tokens(NOW);
    for day in 1..30 {
        live = issued(site.refresh("web", refresh_token(&live), NOW + day * DAY));
    }
    let end = NOW + 30 * DAY;
    let last = issued(site.refresh("web", refresh_token(&live), end - 1));
    assert_eq!(last.expires_in, 1);
    let late = site.refresh("web", refresh_token(&last), end);
    assert_denied(&late, "invalid_grant", Reason::RefreshTokenExpired);
    assert_eq!(late.event.effect, Effect::Nothing);
    assert!(!site.is_active(&last.access_token, end));
}

/// RT-18: the idle time. Introspection says the same as the token endpoint.
#[test]
fn rfc9700_4_14_2_a_token_that_is_not_used_expires() {
    let site = Site::with_policy(Policy::default().with_refresh_idle_lifetime(Duration::from_secs(DAY)));
    let first = site.tokens(NOW);
    let second = issued(site.refresh("web", refresh_token(&first), NOW + DAY - 1));
    assert!(site.is_active(refresh_token(&second), NOW + 2 * DAY - 2));
    let Introspection::Active(active) = site.introspect("web", refresh_token(&second), NOW + DAY) else {
        unreachable!("the token is alive");
    };
    assert_eq!(active.exp.as_secs(), NOW + 2 * DAY - 1);
    assert!(!site.is_active(refresh_token(&second), NOW + 2 * DAY - 1));
    let late = site.refresh("web", refresh_token(&second), NOW + 2 * DAY - 1);
    assert_denied(&late, "invalid_grant", Reason::RefreshTokenExpired);
}

/// RT-20.
#[test]
fn rfc6749_5_2_another_kind_of_token_is_no_refresh_token() {
    let opaque = Policy::default().with_access_token_format(grantry_server::AccessTokenFormat::Opaque);
    for policy in [Policy::default(), opaque] {
        let site = Site::with_policy(policy);
        let tokens = site.tokens(NOW);
        let code = SecretString::from(site.code(NOW));
        for other in [&tokens.access_token, tokens.id_token.as_ref().unwrap(), &code] {
            let reply = site.refresh("web", other, NOW);
            assert_denied(&reply, "invalid_grant", Reason::RefreshTokenUnknown);
        }
        let as_code = site.redeem("web", refresh_token(&tokens).expose(), NOW);
        assert_denied(&as_code, "invalid_grant", Reason::CodeUnknown);
        issued(site.redeem("web", code.expose(), NOW));
        issued(site.refresh("web", refresh_token(&tokens), NOW));
    }
}

/// RT-22.
#[test]
fn rfc9700_4_14_2_a_revoked_grant_gives_no_new_token() {
    let site = Site::new();
    let tokens = site.tokens(NOW);
    site.revoke("web", &tokens.access_token, NOW);
    let reply = site.refresh("web", refresh_token(&tokens), NOW);
    assert_denied(&reply, "invalid_grant", Reason::GrantRevoked);
    assert_eq!((reply.event.kind, reply.event.effect), (EventKind::RequestRefused, Effect::Nothing));
}

/// RT-24: another process with the same keys and store.
#[test]
fn cve_2026_9802_reuse_is_detected_after_a_restart() {
    let mut site = Site::new();
    let old = site.tokens(NOW);
    let live = issued(site.refresh("web", refresh_token(&old), NOW));
    site.server = server_of(ISSUER);
    let reused = site.refresh("web", refresh_token(&old), NOW);
    assert_denied(&reused, "invalid_grant", Reason::RefreshTokenReused);
    assert_denied(&site.refresh("web", refresh_token(&live), NOW), "invalid_grant", Reason::GrantRevoked);
}

/// RT-26.
#[test]
fn cve_2023_22492_a_deleted_client_or_record_ends_the_tokens() {
    let site = Site::new();
    let tokens = site.tokens(NOW);
    let token = refresh_token(&tokens);
    site.store.inner.remove_client(&client_id("web"));
    assert_denied(&site.refresh("web", token, NOW), "invalid_client", Reason::ClientNotAuthenticated);
    let digest = SecretDigest::of(&secret("web"));
    let no_refresh = Client::new(client_id("web"), ClientAuthentication::SecretBasic(digest));
    site.store.inner.put_client(no_refresh.with_grant_types([GrantType::AuthorizationCode]));
    let denied = site.refresh("web", token, NOW);
    assert_denied(&denied, "unauthorized_client", Reason::GrantTypeNotRegistered);
    clients().into_iter().for_each(|client| site.store.inner.put_client(client));
    site.store.fault.set(Some(Fault::NoGrants));
    assert_denied(&site.refresh("web", token, NOW), "invalid_grant", Reason::RefreshTokenUnknown);
    site.store.fault.set(None);
    issued(site.refresh("web", token, NOW));
}

#[test]
fn oidc_core_11_a_refresh_token_only_where_the_policy_gives_one() {
    let site = Site::with_policy(Policy::default().with_refresh_tokens(RefreshTokens::WithOfflineAccess));
    let without = site.tokens(NOW);
    assert!(without.refresh_token.is_none());
    assert!(
        !json(&grantry_server::TokenAnswer::Issued(without).to_response()).to_string().contains("refresh")
    );
    let with = site.tokens_for("web", &[("scope", Some("read offline_access"))], NOW);
    issued(site.refresh("web", refresh_token(&with), NOW));
}

/// A client that gets no new token keeps the one it has, and would raise the alarm by it.
#[test]
fn rfc6749_6_a_refresh_that_rotates_always_hands_the_next_token_out() {
    let mut site = Site::new();
    let first = site.tokens(NOW);
    let rule = Policy::default().with_refresh_tokens(RefreshTokens::WithOfflineAccess);
    site.server = server_of(ISSUER).with_policy(rule);
    let second = issued(site.refresh("web", refresh_token(&first), NOW));
    issued(site.refresh("web", refresh_token(&second), NOW));
    assert!(site.tokens(NOW).refresh_token.is_none());
}

#[test]
fn a_server_that_opens_an_older_key_rotates_to_the_newest() {
    let mut site = Site::new();
    let old = site.tokens(NOW);
    let issuer = grantry_core::Issuer::parse(ISSUER).unwrap();
    let newer = || Server::new(issuer.clone(), support::KEY.clone(), support::handle_key(2)).unwrap();
    site.server = newer().with_older_handle_key(support::handle_key(1)).unwrap();
    let new = issued(site.refresh("web", refresh_token(&old), NOW));
    site.server = newer();
    assert_denied(&site.refresh("web", refresh_token(&old), NOW), "invalid_grant", Reason::Forged);
    issued(site.refresh("web", refresh_token(&new), NOW));
}
