//! Time: the edges of every window, clocks that differ, and the ends of the range.

mod support;

use core::time::Duration;

use grantry_core::HttpRequest;
use grantry_server::{
    AccessTokenFormat, Answered, Approval, Authorization, Effect, Grant, Introspection, Policy, Reason,
    TokenAnswer,
};
use proptest::prelude::*;
use support::{
    NOW, Site, approval, assert_denied, code, issued, query, redemption, refresh_token, request, subject,
    time,
};

const MINUTES: u64 = 60;

fn retrying(seconds: u64) -> Site {
    let window = Duration::from_secs(seconds);
    Site::with_policy(Policy::default().with_code_retry(window).with_refresh_retry(window))
}

#[test]
fn rfc6749_4_1_2_a_code_lives_to_the_last_second_of_its_life() {
    let site = Site::with_policy(Policy::default().with_code_lifetime(Duration::from_secs(30)));
    issued(site.redeem("web", &site.code(NOW), NOW + 29));
    let late = site.redeem("web", &site.code(NOW), NOW + 30);
    assert_denied(&late, "invalid_grant", Reason::CodeExpired);
}

#[test]
fn the_window_of_code_retry_ends_exactly() {
    let site = retrying(10);
    let code = site.code(NOW);
    let first = issued(site.redeem("web", &code, NOW));
    for later in [0, 1, 9] {
        let reply = site.redeem("web", &code, NOW + later);
        assert_eq!(reply.event.effect, Effect::Repeated);
        let again = issued(reply);
        assert!(refresh_token(&again).matches(refresh_token(&first).expose()));
        assert!(site.is_active(&again.access_token, NOW + later));
    }
    assert_denied(&site.redeem("web", &code, NOW + 10), "invalid_grant", Reason::CodeReused);
    assert!(!site.is_active(&first.access_token, NOW + 10));
}

#[test]
fn code_retry_repeats_the_first_tokens_alone() {
    let site = retrying(10);
    let code = site.code(NOW);
    let first = issued(site.redeem("web", &code, NOW));
    issued(site.refresh("web", refresh_token(&first), NOW + 1));
    // After a rotation the first tokens are no longer the live ones.
    assert_denied(&site.redeem("web", &code, NOW + 1), "invalid_grant", Reason::CodeReused);
}

/// A retry is the same request: it proves its ownership again.
#[test]
fn code_retry_checks_the_owner_as_the_first_time() {
    let site = retrying(10);
    let code = site.code(NOW);
    issued(site.redeem("web", &code, NOW));
    let good = redemption("web", &code);
    let without = good.clone().without("code_verifier");
    assert_denied(&site.token("web", &without.each(), NOW), "invalid_grant", Reason::VerifierMissing);
    assert_denied(&site.token("other", &good.each(), NOW), "invalid_grant", Reason::OtherClient);
    issued(site.token("web", &good.each(), NOW));
}

#[test]
fn the_window_of_refresh_retry_ends_exactly() {
    for (later, is_repeated) in [(0, true), (9, true), (10, false), (11, false)] {
        let site = retrying(10);
        let old = site.tokens(NOW);
        let new = issued(site.refresh("web", refresh_token(&old), NOW + 100));
        let reply = site.refresh("web", refresh_token(&old), NOW + 100 + later);
        if is_repeated {
            assert_eq!(reply.event.effect, Effect::Repeated);
            assert!(refresh_token(&issued(reply)).matches(refresh_token(&new).expose()));
        } else {
            assert_denied(&reply, "invalid_grant", Reason::RefreshTokenReused);
        }
    }
}

/// Only the token before the live one: any older one is stolen, window or not.
#[test]
fn refresh_retry_repeats_one_step_and_no_more() {
    let site = retrying(10);
    let first = site.tokens(NOW);
    let second = issued(site.refresh("web", refresh_token(&first), NOW));
    let third = issued(site.refresh("web", refresh_token(&second), NOW));
    issued(site.refresh("web", refresh_token(&second), NOW));
    let stolen = site.refresh("web", refresh_token(&first), NOW);
    assert_denied(&stolen, "invalid_grant", Reason::RefreshTokenReused);
    assert_denied(&site.refresh("web", refresh_token(&third), NOW), "invalid_grant", Reason::GrantRevoked);
}

/// A wider scope is refused in a retry too.
#[test]
fn rfc6749_6_a_retry_widens_no_scope() {
    let site = retrying(10);
    let old = site.tokens(NOW);
    issued(site.refresh("web", refresh_token(&old), NOW));
    let wide = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token(&old).expose()),
        ("scope", "openid read write offline_access"),
    ];
    assert_denied(&site.token("web", &wide, NOW), "invalid_scope", Reason::ScopeWidened);
}

/// Without a window no difference between two hosts' clocks opens one.
#[test]
fn rfc9700_4_14_2_a_slow_clock_opens_no_window() {
    for window in [Duration::ZERO, Duration::from_millis(999)] {
        let policy = || Policy::default().with_code_retry(window).with_refresh_retry(window);
        for earlier in [0, 1, 10 * MINUTES] {
            let site = Site::with_policy(policy());
            let code = site.code(NOW - earlier);
            issued(site.redeem("web", &code, NOW - earlier));
            let reused = site.redeem("web", &code, NOW - earlier - 1);
            assert_denied(&reused, "invalid_grant", Reason::CodeReused);

            let tokens = site.tokens(NOW);
            issued(site.refresh("web", refresh_token(&tokens), NOW));
            let reused = site.refresh("web", refresh_token(&tokens), NOW - earlier);
            assert_denied(&reused, "invalid_grant", Reason::RefreshTokenReused);
        }
    }
}

/// ST-12: what was written stays, and nothing subtracts below zero.
#[test]
fn a_clock_that_goes_back_brings_nothing_back() {
    let site = Site::new();
    let back = NOW - 10 * MINUTES;
    let code = site.code(NOW);
    let tokens = issued(site.redeem("web", &code, NOW));
    let live = issued(site.refresh("web", refresh_token(&tokens), back));
    let newest = issued(site.refresh("web", refresh_token(&live), NOW));
    assert_eq!(live.expires_in, 600);
    site.revoke("web", refresh_token(&newest), NOW);
    for now in [back, 0] {
        assert_denied(&site.redeem("web", &code, now), "invalid_grant", Reason::GrantRevoked);
        let refreshed = site.refresh("web", refresh_token(&newest), now);
        assert_denied(&refreshed, "invalid_grant", Reason::GrantRevoked);
        for token in [&tokens.access_token, &live.access_token, &newest.access_token] {
            assert_eq!(site.introspect("api", token, now), Introspection::Inactive);
        }
    }
}

/// ST-10: no cleaner has to run for an end to be one.
#[test]
fn what_has_expired_is_refused_by_time_alone() {
    let site = Site::new();
    let code = site.code(NOW);
    let tokens = site.tokens(NOW);
    let end = NOW + 30 * 24 * 3600;
    assert_denied(&site.redeem("web", &code, end), "invalid_grant", Reason::CodeExpired);
    let refreshed = site.refresh("web", refresh_token(&tokens), end);
    assert_denied(&refreshed, "invalid_grant", Reason::RefreshTokenExpired);
    assert!(!site.is_active(refresh_token(&tokens), end) && !site.is_active(&tokens.access_token, end));
}

/// ST-11: what the cleaner takes away could not be used any more, by the clock of any host.
#[test]
fn the_cleaner_takes_only_what_is_dead() {
    let margin = Grant::CLOCK_MARGIN.as_secs();
    let site = Site::new();
    let interaction = site.interaction("web", &[], NOW);
    let first = code(&site.approve(interaction.clone(), NOW));
    // The code is dead after a minute; the page could still be submitted for 15.
    assert_eq!(site.store.inner.sweep_all(time(NOW + 899 + margin)), 0);
    assert!(matches!(site.approve(interaction.clone(), NOW + 899).answer, Answered::Page(_)));
    assert_eq!(site.store.inner.sweep_all(time(NOW + 900 + margin)), 1);
    assert_denied(&site.redeem("web", &first, NOW + 900), "invalid_grant", Reason::CodeUnknown);
    assert!(matches!(site.approve(interaction, NOW + 900).answer, Answered::Page(_)));

    let tokens = site.tokens(NOW);
    let end = NOW + 30 * 24 * 3600;
    assert_eq!(site.store.inner.sweep_all(time(end + margin - 1)), 0);
    assert_eq!(site.store.inner.sweep_all(time(end + margin)), 1);
    let late = site.refresh("web", refresh_token(&tokens), end);
    assert_denied(&late, "invalid_grant", Reason::RefreshTokenUnknown);
    assert_eq!(site.store.inner.sweep_all(time(u64::MAX)), 0);
}

/// Every operation once at each of the times, in turn; whatever it answers, it answers.
fn everything_at(site: &Site, times: [u64; 6], login: u64) {
    let [asked, approved, redeemed, refreshed, introspected, revoked] = times;
    let authorize =
        HttpRequest::new("GET", format!("/authorize?{}", query("web", &[("max_age", Some("10"))])));
    let reply = site.run(&site.server.authorize(&authorize), asked);
    let Authorization::Interact(interaction) = reply.answer else { unreachable!("{:?}", reply.event) };
    let sealed = site.server.seal(&interaction, "session");
    let _ = site.server.unseal(&sealed, "session", time(approved));
    let by = Approval::new(subject(), time(login));
    let reply = site.run(&site.server.approve(*interaction, by), approved);
    let Answered::Redirect(redirect) = &reply.answer else { return };
    let Some(code) = support::response(redirect).get("code").map(String::from) else { return };
    let TokenAnswer::Issued(tokens) = site.redeem("web", &code, redeemed).answer else { return };
    assert!(tokens.expires_in <= u64::MAX - redeemed);
    let grant = site.store.last_written();
    assert!(redeemed.saturating_add(tokens.expires_in) <= grant.expires_at().as_secs());
    let _ = site.refresh("web", refresh_token(&tokens), refreshed);
    let _ = site.introspect("api", &tokens.access_token, introspected);
    let _ = site.introspect("web", refresh_token(&tokens), introspected);
    let _ = site.revoke("web", &tokens.access_token, revoked);
    let _ = site.store.inner.sweep_all(time(revoked));
}

fn seconds() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(NOW), Just(u64::MAX), Just(1 << 63), Just(u64::MAX - 1), any::<u64>()]
}

proptest! {
    /// ST-13 and RL-20.
    #[test]
    fn no_time_and_no_lifetime_overflows(
        times in prop::array::uniform6(seconds()),
        login in seconds(),
        lifetimes in prop::array::uniform8(seconds()),
        is_opaque in any::<bool>(),
    ) {
        let [code, access, refresh, idle, id_token, interaction, code_retry, refresh_retry] =
            lifetimes.map(Duration::from_secs);
        let format = if is_opaque { AccessTokenFormat::Opaque } else { AccessTokenFormat::Jwt };
        let policy = Policy::default()
            .with_access_token_format(format)
            .with_code_lifetime(code)
            .with_access_token_lifetime(access)
            .with_refresh_token_lifetime(refresh)
            .with_refresh_idle_lifetime(idle)
            .with_id_token_lifetime(id_token)
            .with_interaction_lifetime(interaction)
            .with_code_retry(code_retry)
            .with_refresh_retry(refresh_retry);
        everything_at(&Site::with_policy(policy), times, login);
    }
}

#[test]
fn the_last_second_of_the_range_is_the_end_of_everything() {
    let site = Site::new();
    let interaction = site.interaction("web", &[], u64::MAX);
    let late = site.run(&site.server.approve(interaction, approval()), u64::MAX);
    assert!(matches!(late.answer, Answered::Page(_)));
    let first = site.code(0);
    issued(site.redeem("web", &first, 0));
    let request = request("web", "/token", &redemption("web", &first).each());
    assert_eq!(site.run(&site.server.token(&request), u64::MAX).event.effect, Effect::Nothing);
}
