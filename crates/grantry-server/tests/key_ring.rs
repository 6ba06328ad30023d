//! Keys that change while tokens live.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use core::time::Duration;

use grantry_core::{SecretBytes, SecretString};
use grantry_jwt::{
    Algorithm, JwkSet, KeyLoader, KeyRing, KeyRingPolicy, PrivateKey, RingKey, SecretKey, Verifier,
    peek_unverified,
};
use grantry_server::{
    Effect, GrantType, Introspection, Policy, Reason, RunError, Server, ServerError, TokenResponse,
};
use serde_json::Value;
use support::{
    ISSUER, NOW, Site, StoreFault, assert_denied, issued, private_key, redemption, refresh_token, request,
    server_of, time,
};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

fn policy() -> KeyRingPolicy {
    KeyRingPolicy::new(Duration::from_secs(600), Duration::from_secs(120)).unwrap()
}

fn key(id: &str) -> RingKey {
    RingKey::generate(&KeyLoader::default(), Algorithm::EdDsa).unwrap().with_key_id(id)
}

fn ring_of(keys: impl IntoIterator<Item = RingKey>) -> KeyRing {
    KeyRing::new(policy(), keys, time(NOW)).unwrap()
}

fn server_with(ring: &KeyRing) -> Server {
    server_of(ISSUER).with_key_ring(ring.clone(), Algorithm::EdDsa).unwrap()
}

fn key_id(token: &SecretString) -> String {
    peek_unverified(token.expose()).unwrap().key_id().unwrap().to_owned()
}

/// Checks a token by the keys that are published at that time.
fn is_verified(site: &Site, tokens: &TokenResponse, now: u64) -> bool {
    let set = JwkSet::parse(&site.server.jwk_set_response(time(now)).body).unwrap();
    let verifier = Verifier::new(ISSUER, ISSUER).with_typ("at+jwt");
    verifier.verify::<Value>(tokens.access_token.expose(), &set, time(now)).is_ok()
}

/// OpenID Connect Core section 10.1.1.
#[test]
fn oidc_core_10_1_1_a_rotation_ends_no_living_token() {
    let ring = ring_of([key("old")]);
    let mut site = Site::of(server_with(&ring));
    site.register("web", &[GrantType::ClientCredentials]);
    let first = site.tokens(NOW);
    assert_eq!(key_id(&first.access_token), "old");
    assert_eq!(key_id(first.id_token.as_ref().unwrap()), "old");

    let ring = ring.announce(key("new"), time(NOW)).unwrap();
    let signs_from = ring.lifecycle("new").unwrap().signs_from().as_secs();
    site.server = server_with(&ring);
    let last = issued(site.refresh("web", refresh_token(&first), signs_from - 1));
    let own = issued(site.token("web", &[GRANT], signs_from - 1));
    assert_eq!([key_id(&last.access_token), key_id(&own.access_token)], ["old", "old"]);
    assert!(is_verified(&site, &last, signs_from - 1));

    let next = issued(site.refresh("web", refresh_token(&last), signs_from));
    let own_next = issued(site.token("web", &[GRANT], signs_from));
    assert_eq!([key_id(&next.access_token), key_id(&own_next.access_token)], ["new", "new"]);
    assert_eq!(key_id(next.id_token.as_ref().unwrap()), "new");
    // Those of the old key live on, here and at every verifier, up to their own end.
    for tokens in [&last, &own, &next, &own_next] {
        assert!(site.is_active(&tokens.access_token, signs_from + 598));
        assert!(is_verified(&site, tokens, signs_from + 598));
    }
    assert!(!site.is_active(&last.access_token, signs_from + 599));
    for (token, effect) in [(&own.access_token, Effect::Noted), (&next.access_token, Effect::Written)] {
        assert_eq!(site.revoke("web", token, signs_from + 1).event.effect, effect);
        assert!(!site.is_active(token, signs_from + 1));
    }
}

#[test]
fn rfc9111_5_2_2_1_the_set_may_be_kept_as_long_as_the_ring_says() {
    let site = Site::of(server_with(&ring_of([key("old")]).announce(key("new"), time(NOW)).unwrap()));
    let response = site.server.jwk_set_response(time(NOW));
    assert_eq!((response.status, response.headers.only("Content-Type")), (200, Some("application/json")));
    assert_eq!(response.headers.only("Cache-Control"), Some("public, max-age=120"));
    let ids: Vec<_> =
        support::json(&response)["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect();
    assert_eq!(ids, ["old", "new"]);
    let metadata = site.server.metadata();
    assert_eq!(metadata.openid.id_token_signing_alg_values_supported, ["EdDSA"]);
    let listed = server_of(ISSUER).jwk_set_response(time(NOW));
    assert_eq!(listed.headers.only("Cache-Control"), Some("public, max-age=300"));
}

#[test]
fn a_ring_needs_a_key_of_the_algorithm_and_none_that_is_shared() {
    let loader = KeyLoader::default();
    let shared = || {
        let secret = PrivateKey::Secret(SecretKey::new(SecretBytes::from(vec![1; 32])));
        RingKey::local(&loader, Algorithm::Hs256, secret).unwrap().with_key_id("shared")
    };
    let with = |ring: KeyRing, algorithm| server_of(ISSUER).with_key_ring(ring, algorithm).map(|_| ());
    assert_eq!(with(ring_of([key("a")]), Algorithm::EdDsa), Ok(()));
    for (keys, algorithm) in [
        (vec![key("a")], Algorithm::Rs256),
        (vec![key("a")], Algorithm::Hs256),
        (vec![shared()], Algorithm::Hs256),
        // Nor beside a good one: who shares the secret could make tokens.
        (vec![key("a"), shared()], Algorithm::EdDsa),
        (vec![key("a"), shared()], Algorithm::Hs256),
    ] {
        assert_eq!(with(ring_of(keys), algorithm), Err(ServerError::NotPublishable));
    }
    let server = server_of(ISSUER).with_key_ring(ring_of([key("a")]), Algorithm::EdDsa).unwrap();
    let older = server.with_older_signing_key(private_key("JK-107.2", "b"));
    assert_eq!(older.err(), Some(ServerError::RingKeepsKeys));
}

/// A key that is away by an emergency: what it signed is dead, what comes is of the next.
#[test]
fn a_key_that_is_dropped_ends_its_tokens() {
    let ring = ring_of([key("stolen")]).announce(key("next"), time(NOW)).unwrap();
    let mut site = Site::of(server_with(&ring));
    site.register("web", &[GrantType::ClientCredentials]);
    let (tokens, own) = (site.tokens(NOW), issued(site.token("web", &[GRANT], NOW)));
    site.server = server_with(&ring.danger_drop("stolen", time(NOW)).unwrap());
    for token in [&tokens.access_token, &own.access_token] {
        assert_eq!(site.introspect("web", token, NOW), Introspection::Inactive);
    }
    let refreshed = issued(site.refresh("web", refresh_token(&tokens), NOW));
    assert_eq!(key_id(&refreshed.access_token), "next");
    assert!(site.is_active(&refreshed.access_token, NOW));
}

/// A ring that signs no more with the algorithm: nothing is consumed by it.
#[test]
fn a_ring_that_cannot_sign_consumes_nothing() {
    let loader = KeyLoader::default();
    let other = RingKey::generate(&loader, Algorithm::Es256).unwrap();
    let ring = ring_of([key("old"), other]);
    let mut site = Site::of(server_with(&ring));
    let code = site.code(NOW);
    site.server = server_with(&ring.retire(Algorithm::EdDsa, time(NOW)).unwrap());
    let (reply, counts) = site.store.count(|| site.redeem("web", &code, NOW + 500));
    // The code has expired by then: its end comes first.
    assert_denied(&reply, "invalid_grant", Reason::CodeExpired);
    assert_eq!(counts, [1, 1, 0]);
    let code = site.code(NOW + 500);
    let (reply, counts) = site.store.count(|| site.redeem("web", &code, NOW + 500));
    assert_denied(&reply, "server_error", Reason::SigningFailed);
    assert_eq!((reply.answer.to_response().status, counts), (500, [1, 1, 0]));
    site.server = server_of(ISSUER).with_key_ring(ring, Algorithm::Es256).unwrap();
    let tokens = issued(site.redeem("web", &code, NOW + 500));
    assert!(is_verified(&site, &tokens, NOW + 500));
}

/// A key of a ring may be elsewhere, too.
#[test]
fn a_ring_names_the_key_that_signs_elsewhere() {
    let here = private_key("JK-107.2", "kms");
    let ring = ring_of([RingKey::external(here.verifying_key()).unwrap()]);
    let site = Site::of(server_of(ISSUER).with_key_ring(ring, Algorithm::Rs256).unwrap());
    let request = request("web", "/token", &redemption("web", &site.code(NOW)).each());
    let error = site.try_run(&site.server.token(&request), NOW).unwrap_err();
    let RunError::Signer(_) = error else { panic!("{error:?}") };
    assert_ne!(error, RunError::Store(StoreFault::Down));
}

/// RFC 8725 section 3.1: each key with its own algorithm, and only with that.
#[test]
fn a_change_of_algorithm_ends_no_living_token() {
    let site = Site::new();
    site.register("web", &[GrantType::ClientCredentials]);
    let (tokens, own) = (site.tokens(NOW), issued(site.token("web", &[GRANT], NOW)));
    let mut site = site;
    let issuer = grantry_core::Issuer::parse(ISSUER).unwrap();
    let newer = Server::new(issuer, private_key("JK-107.3", "ed"), support::handle_key(1)).unwrap();
    let newer = newer.with_policy(Policy::default());
    site.server = newer.clone();
    assert_eq!(site.introspect("web", &tokens.access_token, NOW), Introspection::Inactive);
    site.server = newer.with_older_signing_key(support::KEY.clone()).unwrap();
    for token in [&tokens.access_token, &own.access_token] {
        assert!(site.is_active(token, NOW + 599));
    }
    let refreshed = issued(site.refresh("web", refresh_token(&tokens), NOW + 1));
    assert_eq!(key_id(&refreshed.access_token), "ed");
    assert!(site.is_active(&refreshed.access_token, NOW + 1));
}
