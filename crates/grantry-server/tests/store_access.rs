//! What a request costs the store: nothing for what is forged, one read and one commit at most.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use core::time::Duration;

use grantry_core::{HttpRequest, SecretString, base64url, form};
use grantry_server::{
    AccessTokenFormat, Answered, Authorization, Effect, Introspection, Policy, Reason, Revoked,
};
use support::{
    ISSUER, NOW, Site, approval, assert_denied, basic, code, issued, query, redemption, refresh_token,
    request, server_of,
};

/// Nothing read, no grant read, nothing written.
const UNTOUCHED: [usize; 3] = [0, 0, 0];
/// Only the client read.
const CLIENT_READ: [usize; 3] = [1, 0, 0];
const READ: [usize; 3] = [1, 1, 0];
const WRITTEN: [usize; 3] = [1, 1, 1];

fn opaque() -> Site {
    Site::with_policy(Policy::default().with_access_token_format(AccessTokenFormat::Opaque))
}

/// Every handle that differs from a good one in one bit of its body or of the unsalted half of its tag.
fn forgeries(handle: &str) -> Vec<String> {
    let (prefix, encoded) = handle.split_at(4);
    let bytes = base64url::decode(encoded).unwrap();
    assert_eq!(bytes.len(), 39 + 16 + 16);
    let flipped = |position: usize| {
        let mut bytes = bytes.clone();
        bytes.iter_mut().skip(position).take(1).for_each(|byte| *byte ^= 0x10);
        format!("{prefix}{}", base64url::encode(bytes))
    };
    (0..55).map(flipped).collect()
}

/// A handle whose unsalted half is right, and whose salted half is not.
fn of_another_salt(handle: &str) -> String {
    let (prefix, encoded) = handle.split_at(4);
    let mut bytes = base64url::decode(encoded).unwrap();
    bytes.iter_mut().rev().take(1).for_each(|byte| *byte ^= 1);
    format!("{prefix}{}", base64url::encode(bytes))
}

#[test]
fn a_forged_code_is_refused_without_any_store_access() {
    let site = Site::new();
    let good = site.code(NOW);
    for forged in forgeries(&good) {
        let (reply, counts) = site.store.count(|| site.redeem("web", &forged, NOW));
        assert_denied(&reply, "invalid_grant", Reason::Forged);
        assert_eq!(counts, UNTOUCHED);
    }
    let (reply, counts) = site.store.count(|| site.redeem("web", &of_another_salt(&good), NOW));
    assert_denied(&reply, "invalid_grant", Reason::Forged);
    assert_eq!(counts, READ);
    issued(site.redeem("web", &good, NOW));
}

#[test]
fn a_forged_refresh_token_is_refused_without_any_store_access() {
    let site = Site::new();
    let tokens = site.tokens(NOW);
    let good = refresh_token(&tokens);
    for forged in forgeries(good.expose()) {
        let forged = SecretString::from(forged);
        let (reply, counts) = site.store.count(|| site.refresh("web", &forged, NOW));
        assert_denied(&reply, "invalid_grant", Reason::Forged);
        assert_eq!(counts, UNTOUCHED);
        assert_eq!(
            site.store.count(|| site.introspect("web", &forged, NOW)),
            (Introspection::Inactive, UNTOUCHED)
        );
        let (reply, counts) = site.store.count(|| site.revoke("web", &forged, NOW));
        assert_eq!((reply.answer, reply.event.effect, counts), (Revoked::Done, Effect::Nothing, UNTOUCHED));
    }
    let other_salt = SecretString::from(of_another_salt(good.expose()));
    let (reply, counts) = site.store.count(|| site.refresh("web", &other_salt, NOW));
    assert_denied(&reply, "invalid_grant", Reason::Forged);
    assert_eq!(counts, READ);
    issued(site.refresh("web", good, NOW));
}

#[test]
fn a_forged_access_token_is_refused_without_any_store_access() {
    let site = opaque();
    let tokens = site.tokens(NOW);
    for forged in forgeries(tokens.access_token.expose()) {
        let forged = SecretString::from(forged);
        assert_eq!(
            site.store.count(|| site.introspect("api", &forged, NOW)),
            (Introspection::Inactive, UNTOUCHED)
        );
        let (reply, counts) = site.store.count(|| site.revoke("web", &forged, NOW));
        assert_eq!((reply.answer, reply.event.effect, counts), (Revoked::Done, Effect::Nothing, UNTOUCHED));
    }
    let other_salt = SecretString::from(of_another_salt(tokens.access_token.expose()));
    assert_eq!(
        site.store.count(|| site.introspect("api", &other_salt, NOW)),
        (Introspection::Inactive, READ)
    );
    let (reply, counts) = site.store.count(|| site.revoke("web", &other_salt, NOW));
    assert_eq!((reply.event.effect, counts), (Effect::Nothing, READ));
    assert!(site.is_active(&tokens.access_token, NOW));
}

/// The signature is right and the `jti` is not: another issuer with the same signing key.
#[test]
fn a_jwt_access_token_of_another_jti_is_refused_without_any_store_access() {
    let site = Site::new();
    let stranger = Site::of(server_of("https://other.example"));
    let token = stranger.tokens(NOW).access_token;
    assert_eq!(
        site.store.count(|| site.introspect("api", &token, NOW)),
        (Introspection::Inactive, UNTOUCHED)
    );
    let (reply, counts) = site.store.count(|| site.revoke("web", &token, NOW));
    assert_eq!((reply.answer, reply.event.effect, counts), (Revoked::Done, Effect::Nothing, UNTOUCHED));
    assert_eq!(site.server.issuer().as_str(), ISSUER);
}

/// The signature is wrong: that is no token at all, and only the client is read to say so.
#[test]
fn a_jwt_access_token_of_another_signature_reaches_no_grant() {
    let site = Site::new();
    let tokens = site.tokens(NOW);
    let (signed, signature) = tokens.access_token.expose().rsplit_once('.').unwrap();
    let mut bytes = base64url::decode(signature).unwrap();
    bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1);
    let forged = SecretString::from(format!("{signed}.{}", base64url::encode(bytes)));
    let inactive = (Introspection::Inactive, CLIENT_READ);
    assert_eq!(site.store.count(|| site.introspect("api", &forged, NOW)), inactive);
    let (reply, counts) = site.store.count(|| site.revoke("web", &forged, NOW));
    assert_eq!((reply.answer, reply.event.effect, counts), (Revoked::Done, Effect::Nothing, CLIENT_READ));
    assert!(site.is_active(&tokens.access_token, NOW));
}

/// What has not even the shape of a handle is answered after the client is authenticated, so that
/// `invalid_client` comes first; it never reaches a grant.
#[test]
fn a_text_without_the_shape_of_a_handle_reads_the_client_alone() {
    let site = Site::new();
    for text in ["x", "grc_", "grr_A", "gra_\u{e9}", "\"'; DROP TABLE grants; --", &"x".repeat(20_000)] {
        let (reply, counts) = site.store.count(|| site.redeem("web", text, NOW));
        assert_denied(&reply, "invalid_grant", Reason::CodeUnknown);
        assert_eq!(counts, CLIENT_READ);
        let token = SecretString::from(text);
        let (reply, counts) = site.store.count(|| site.refresh("web", &token, NOW));
        assert_denied(&reply, "invalid_grant", Reason::RefreshTokenUnknown);
        assert_eq!(counts, CLIENT_READ);
        assert_eq!(
            site.store.count(|| site.introspect("api", &token, NOW)),
            (Introspection::Inactive, CLIENT_READ)
        );
        assert_eq!(site.store.count(|| site.revoke("web", &token, NOW)).1, CLIENT_READ);
    }
}

#[test]
fn a_request_that_cannot_be_read_touches_nothing() {
    let site = Site::new();
    let bad = |path: &str| HttpRequest::form(path, "x=%").with_header("Authorization", basic("web", "x"));
    let token = site.store.count(|| site.run(&site.server.token(&bad("/token")), NOW)).1;
    let revoke = site.store.count(|| site.run(&site.server.revoke(&bad("/revoke")), NOW)).1;
    let introspect = site.store.count(|| site.run(&site.server.introspect(&bad("/introspect")), NOW)).1;
    let authorize = site.store.count(|| site.authorize("x=%", NOW)).1;
    assert_eq!([token, revoke, introspect, authorize], [UNTOUCHED; 4]);
    let anonymous = HttpRequest::form("/token", form::encode([("grant_type", "refresh_token")]));
    assert_eq!(site.store.count(|| site.run(&site.server.token(&anonymous), NOW)).1, UNTOUCHED);
}

#[test]
fn authorize_and_approve_make_at_most_one_read_and_one_commit() {
    let site = Site::new();
    for (changes, counts) in [
        (vec![], CLIENT_READ),
        (vec![("scope", None)], CLIENT_READ),
        (vec![("client_id", Some("nobody"))], CLIENT_READ),
        (vec![("client_id", None)], UNTOUCHED),
    ] {
        assert_eq!(site.store.count(|| site.authorize(&query("web", &changes), NOW)).1, counts);
    }
    let interaction = site.interaction("web", &[], NOW);
    let approve = || site.store.count(|| site.approve(interaction.clone(), NOW));
    let (first, counts) = approve();
    assert_eq!((first.event.effect, counts), (Effect::Written, WRITTEN));
    let (again, counts) = approve();
    assert_eq!((again.event.effect, counts), (Effect::Repeated, READ));
    issued(site.redeem("web", &code(&first), NOW));
    let (late, counts) = approve();
    assert!(matches!(late.answer, Answered::Page(_)));
    assert_eq!((late.event.effect, counts), (Effect::Nothing, READ));
    let reply = site.authorize(&query("web", &[]), NOW);
    let Authorization::Interact(interaction) = reply.answer else { unreachable!("{:?}", reply.event) };
    let expired = site.server.approve(*interaction, approval());
    assert_eq!(site.store.count(|| site.run(&expired, NOW + 15 * 60)).1, READ);
}

#[test]
fn token_requests_make_at_most_one_read_and_one_commit() {
    let retry = Duration::from_secs(10);
    let policy = Policy::default().with_code_retry(retry).with_refresh_retry(retry);
    let site = Site::with_policy(policy);
    let code = site.code(NOW);
    let token = |client: &str, pairs: &support::Pairs, now| {
        let (reply, counts) = site.store.count(|| site.token(client, &pairs.each(), now));
        (reply.event.effect, counts)
    };
    let good = redemption("web", &code);
    assert_eq!(token("web", &good.clone().without("code"), NOW), (Effect::Nothing, CLIENT_READ));
    assert_eq!(token("other", &good, NOW), (Effect::Nothing, READ));
    assert_eq!(token("web", &good.clone().without("code_verifier"), NOW), (Effect::Nothing, READ));
    let (first, counts) = site.store.count(|| site.redeem("web", &code, NOW));
    assert_eq!((first.event.effect, counts), (Effect::Written, WRITTEN));
    assert_eq!(token("web", &good, NOW + 9), (Effect::Repeated, READ));

    let tokens = issued(first);
    let refresh = |now| {
        let (reply, counts) = site.store.count(|| site.refresh("web", refresh_token(&tokens), now));
        (reply.event.effect, counts)
    };
    assert_eq!(refresh(NOW + 20), (Effect::Written, WRITTEN));
    assert_eq!(refresh(NOW + 29), (Effect::Repeated, READ));
    assert_eq!(refresh(NOW + 30), (Effect::Written, WRITTEN), "the alarm");
    assert_eq!(refresh(NOW + 30), (Effect::Nothing, READ));
    assert_eq!(token("web", &good, NOW + 30), (Effect::Nothing, READ));
}

#[test]
fn revocation_and_introspection_make_at_most_one_read_and_one_commit() {
    for site in [Site::new(), opaque()] {
        let tokens = site.tokens(NOW);
        for token in [&tokens.access_token, refresh_token(&tokens)] {
            for caller in ["web", "api", "other", "native"] {
                assert_eq!(site.store.count(|| site.introspect(caller, token, NOW)).1, READ);
            }
            assert_eq!(site.store.count(|| site.revoke("other", token, NOW)).1, READ);
        }
        let (reply, counts) = site.store.count(|| site.revoke("web", &tokens.access_token, NOW));
        assert_eq!((reply.event.effect, counts), (Effect::Written, WRITTEN));
        let (reply, counts) = site.store.count(|| site.revoke("web", &tokens.access_token, NOW));
        assert_eq!((reply.event.effect, counts), (Effect::Nothing, READ));
        let missing = request("web", "/revoke", &[]);
        assert_eq!(site.store.count(|| site.run(&site.server.revoke(&missing), NOW)).1, CLIENT_READ);
        let missing = request("api", "/introspect", &[]);
        assert_eq!(site.store.count(|| site.run(&site.server.introspect(&missing), NOW)).1, CLIENT_READ);
    }
}
