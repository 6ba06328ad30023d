//! How long tokens and grants live: by client, by scope, by use.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use core::time::Duration;

use grantry_server::{
    AccessTokenFormat, Client, Effect, Introspection, Policy, Reason, RefreshTokens, TokenResponse,
};
use support::{NOW, Pairs, Site, assert_denied, clients, issued, redemption, refresh_token, scope, time};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn policy_of(format: AccessTokenFormat) -> Policy {
    Policy::default().with_access_token_format(format).with_access_token_lifetime(secs(300))
}

fn sites(policy: impl Fn(Policy) -> Policy) -> [Site; 2] {
    [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque]
        .map(|format| Site::with_policy(policy(policy_of(format))))
}

/// Registers `web` anew.
fn change(site: &Site, change: impl Fn(Client) -> Client) {
    let web = clients().into_iter().find(|client| client.id().as_str() == "web").unwrap();
    site.store.inner.put_client(change(web));
}

/// The answer, the token and introspection agree to the second.
#[track_caller]
fn assert_lives(site: &Site, tokens: &TokenResponse, from: u64, seconds: u64) {
    assert_eq!(tokens.expires_in, seconds);
    let Introspection::Active(active) = site.introspect("api", &tokens.access_token, from + seconds - 1)
    else {
        unreachable!("dead before its time");
    };
    assert_eq!(active.exp, time(from + seconds));
    assert_eq!(site.introspect("api", &tokens.access_token, from + seconds), Introspection::Inactive);
}

#[test]
fn a_client_has_its_own_lifetimes() {
    for site in sites(|policy| policy.with_refresh_token_lifetime(secs(5000))) {
        assert_lives(&site, &site.tokens(NOW), NOW, 300);
        assert_eq!(site.store.last_written().expires_at(), time(NOW + 5000));
        for own in [7, 900] {
            change(&site, |web| {
                web.with_access_token_lifetime(secs(own)).with_refresh_token_lifetime(secs(own * 10))
            });
            let tokens = site.tokens(NOW);
            assert_lives(&site, &tokens, NOW, own);
            assert_eq!(site.store.last_written().expires_at(), time(NOW + own * 10));
            assert_lives(&site, &issued(site.refresh("web", refresh_token(&tokens), NOW + 9)), NOW + 9, own);
            assert_lives(&site, &site.tokens_for("other", &[], NOW), NOW, 300);
        }
    }
}

#[test]
fn the_shortest_lifetime_of_scope_tokens_and_client_wins() {
    let shorter = |policy: Policy| {
        let policy = policy.with_access_token_lifetime_of_scope("write", secs(60));
        policy.with_access_token_lifetime_of_scope("openid", secs(1000))
    };
    for site in sites(shorter) {
        for (asked, seconds) in [("read", 300), ("openid", 300), ("openid write", 60), ("read write", 60)] {
            assert_lives(&site, &site.tokens_for("web", &[("scope", Some(asked))], NOW), NOW, seconds);
        }
        // The scope of the token counts, not that of the grant.
        let wide = site.tokens_for("web", &[("scope", Some("read write"))], NOW);
        let narrowed = Pairs(vec![("grant_type", "refresh_token".into()), ("scope", "read".into())])
            .with("refresh_token", refresh_token(&wide).expose());
        assert_lives(&site, &issued(site.token("web", &narrowed.each(), NOW + 5)), NOW + 5, 300);
        for (own, seconds) in [(30, 30), (90, 60)] {
            change(&site, |web| web.with_access_token_lifetime(secs(own)));
            assert_lives(&site, &site.tokens_for("web", &[("scope", Some("write"))], NOW), NOW, seconds);
        }
    }
}

/// RT-18.
#[test]
fn rfc9700_4_14_2_a_refresh_token_that_is_not_used_expires() {
    for site in
        sites(|policy| policy.with_refresh_idle_lifetime(secs(100)).with_refresh_token_lifetime(secs(1000)))
    {
        let idle = site.tokens(NOW);
        let Introspection::Active(active) = site.introspect("web", refresh_token(&idle), NOW + 99) else {
            unreachable!("idle for 99 seconds");
        };
        assert_eq!(active.exp, time(NOW + 100));
        assert!(!site.is_active(refresh_token(&idle), NOW + 100));
        let (reply, counts) = site.store.count(|| site.refresh("web", refresh_token(&idle), NOW + 100));
        assert_denied(&reply, "invalid_grant", Reason::RefreshTokenExpired);
        assert_eq!((reply.event.effect, counts), (Effect::Nothing, [1, 1, 0]));
        // An access token has its own time.
        assert!(site.is_active(&idle.access_token, NOW + 299));
        // Use keeps it alive, up to the end of the grant.
        let mut live = site.tokens(NOW);
        for step in 1..=10 {
            live = issued(site.refresh("web", refresh_token(&live), NOW + step * 99));
        }
        assert!(site.is_active(refresh_token(&live), NOW + 999));
        let reply = site.refresh("web", refresh_token(&live), NOW + 1000);
        assert_denied(&reply, "invalid_grant", Reason::RefreshTokenExpired);
    }
}

/// RT-19.
#[test]
fn rfc9700_4_14_2_rotation_does_not_extend_the_grant() {
    for site in sites(|policy| policy.with_refresh_token_lifetime(secs(1000))) {
        let mut live = site.tokens(NOW);
        for later in [400, 800, 999] {
            live = issued(site.refresh("web", refresh_token(&live), NOW + later));
            assert_eq!(site.store.last_written().expires_at(), time(NOW + 1000));
            // Nor does an access token outlive it.
            assert_lives(&site, &live, NOW + later, (1000 - later).min(300));
        }
        // A longer time that the client gets later is for its later grants.
        change(&site, |web| web.with_refresh_token_lifetime(secs(9000)));
        let (reply, counts) = site.store.count(|| site.refresh("web", refresh_token(&live), NOW + 1000));
        assert_denied(&reply, "invalid_grant", Reason::RefreshTokenExpired);
        assert_eq!(counts, [1, 1, 0]);
    }
}

#[test]
fn rfc6749_4_1_2_a_code_lives_as_long_as_the_policy_says() {
    let site = Site::with_policy(Policy::default().with_code_lifetime(secs(10)));
    let (early, late) = (site.code(NOW), site.code(NOW));
    issued(site.redeem("web", &early, NOW + 9));
    assert_denied(&site.redeem("web", &late, NOW + 10), "invalid_grant", Reason::CodeExpired);
}

#[test]
fn a_grant_without_a_refresh_token_ends_with_its_access_token() {
    for site in sites(|policy| {
        let policy = policy.with_refresh_tokens(RefreshTokens::WithOfflineAccess);
        policy.with_access_token_lifetime_of_scope("write", secs(60))
    }) {
        let tokens = site.tokens(NOW);
        assert_lives(&site, &tokens, NOW, 60);
        assert_eq!(site.store.last_written().expires_at(), time(NOW + 60));
        let kept = site.tokens_for("web", &[("scope", Some("write offline_access"))], NOW);
        assert_lives(&site, &kept, NOW, 60);
        assert!(site.is_active(refresh_token(&kept), NOW + 61));
    }
}

/// The last seconds that can be written are as good as all others.
#[test]
fn the_end_of_time_is_a_time() {
    let endless = |policy: Policy| {
        policy.with_access_token_lifetime(Duration::MAX).with_refresh_token_lifetime(Duration::MAX)
    };
    for site in sites(endless) {
        let tokens = site.tokens(NOW);
        assert_eq!(tokens.expires_in, u64::MAX - NOW);
        assert!(site.is_active(&tokens.access_token, u64::MAX - 1));
        assert!(!site.is_active(&tokens.access_token, u64::MAX));
        let last = site.tokens(u64::MAX - 100);
        assert_eq!(last.scope, scope("openid read write"));
        let code = site.code(NOW);
        assert!(site.token("web", &redemption("web", &code).each(), u64::MAX).event.denial.is_some());
    }
}
