//! What stands in the tokens.

extern crate alloc;

mod support;

use alloc::collections::BTreeSet;
use core::time::Duration;

use grantry_core::{Issuer, base64url};
use grantry_jwt::peek_unverified;
use grantry_server::{
    AccessTokenFormat, Approval, Client, ClientAuthentication, Effect, GrantType, Policy, Reason,
    RedirectUri, Server, TokenAnswer,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use support::{
    ISSUER, LOGIN, NOW, Pairs, Site, assert_denied, client_id, code, issued, redirect_uri, refresh_token,
    scope, subject, time,
};

/// The claims of RFC 9068 section 2.2, and no other.
#[test]
fn rfc9068_2_2_an_access_token_has_its_claims() {
    let site = Site::with_policy(Policy::default().with_resources(["https://api.example"]));
    let tokens = site.tokens(NOW);
    let header = peek_unverified(tokens.access_token.expose()).unwrap();
    assert_eq!((header.typ(), header.key_id()), (Some("at+jwt"), Some("key-1")));
    let mut claims = site.claims(&tokens.access_token, "at+jwt");
    let jti = claims.as_object_mut().unwrap().remove("jti").unwrap();
    assert!(jti.as_str().unwrap().starts_with("gri_"));
    let expected = json!({
        "iss": ISSUER, "sub": "alice", "aud": "https://api.example", "client_id": "web",
        "scope": "openid read write", "exp": NOW + 600, "iat": NOW, "auth_time": LOGIN,
    });
    assert_eq!(claims, expected);
}

/// CR-27: the claims of OpenID Connect Core section 2, and no other.
#[test]
fn oidc_core_2_an_id_token_has_its_claims() {
    let site = Site::with_policy(Policy::default().with_id_token_lifetime(Duration::from_secs(60)));
    let tokens = site.tokens(NOW);
    let hash = Sha256::digest(tokens.access_token.expose());
    let expected = json!({
        "iss": ISSUER, "sub": "alice", "aud": "web", "exp": NOW + 60, "iat": NOW, "auth_time": LOGIN,
        "nonce": "nonce-1", "at_hash": base64url::encode(hash.split_at(16).0),
    });
    assert_eq!(site.claims(tokens.id_token.as_ref().unwrap(), "JWT"), expected);
}

#[test]
fn oidc_core_3_1_2_1_no_nonce_unless_one_was_sent() {
    let site = Site::new();
    for absent in [None, Some("")] {
        let tokens = site.tokens_for("web", &[("nonce", absent)], NOW);
        let claims = site.claims(tokens.id_token.as_ref().unwrap(), "JWT");
        assert!(claims.as_object().unwrap().get("nonce").is_none());
    }
    let tokens = site.tokens_for("web", &[("scope", Some("read"))], NOW);
    assert!(tokens.id_token.is_none());
}

/// RT-27.
#[test]
fn oidc_core_12_2_an_id_token_of_a_refresh_is_about_the_same_login() {
    let site = Site::new();
    let first = site.tokens(NOW);
    let second = issued(site.refresh("web", refresh_token(&first), NOW + 50));
    let before = site.claims(first.id_token.as_ref().unwrap(), "JWT");
    let after = site.claims(second.id_token.as_ref().unwrap(), "JWT");
    for name in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(after.get(name), before.get(name), "{name}");
    }
    assert_eq!(after.get("nonce"), None);
    assert_eq!((after.get("iat"), after.get("exp")), (Some(&json!(NOW + 50)), Some(&json!(NOW + 650))));
    let hash = Sha256::digest(second.access_token.expose());
    assert_eq!(after.get("at_hash"), Some(&json!(base64url::encode(hash.split_at(16).0))));
    assert_eq!(site.claims(&second.access_token, "at+jwt").get("auth_time"), Some(&json!(LOGIN)));
}

/// A refresh after a later login of the same person still speaks of the login of its grant.
#[test]
fn oidc_core_2_auth_time_is_the_login_of_the_approval() {
    let site = Site::new();
    let interaction = site.interaction("web", &[], NOW);
    let operation = site.server.approve(interaction, Approval::new(subject(), time(7)));
    let tokens = issued(site.redeem("web", &code(&site.run(&operation, NOW)), NOW));
    assert_eq!(site.claims(tokens.id_token.as_ref().unwrap(), "JWT").get("auth_time"), Some(&json!(7)));
}

#[test]
fn rfc9068_2_2_every_access_token_has_a_jti_of_its_own() {
    let site = Site::new();
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let mut live = site.tokens(NOW);
        for later in 0..4 {
            let claims = site.claims(&live.access_token, "at+jwt");
            assert!(seen.insert(claims.get("jti").unwrap().as_str().unwrap().to_owned()));
            live = issued(site.refresh("web", refresh_token(&live), NOW + later));
        }
    }
    assert_eq!(seen.len(), 12);
}

#[test]
fn an_opaque_access_token_says_nothing() {
    let opaque = Policy::default().with_access_token_format(AccessTokenFormat::Opaque);
    let site = Site::with_policy(opaque);
    let tokens = site.tokens(NOW);
    let text = tokens.access_token.expose();
    let bytes = base64url::decode(text.strip_prefix("gra_").unwrap()).unwrap();
    let shown = String::from_utf8_lossy(&bytes);
    for word in ["alice", "web", "read"] {
        assert!(!shown.contains(word));
    }
    assert_eq!(tokens.expires_in, 600);
    // The hash in the ID token is that of the opaque token.
    let hash = base64url::encode(Sha256::digest(text).split_at(16).0);
    let claims = site.claims(tokens.id_token.as_ref().unwrap(), "JWT");
    assert_eq!(claims.get("at_hash"), Some(&json!(hash)));
}

#[test]
fn every_kind_of_handle_has_a_prefix_that_scanners_find() {
    let opaque = Policy::default().with_access_token_format(AccessTokenFormat::Opaque);
    let site = Site::with_policy(opaque);
    let code = site.code(NOW);
    let tokens = issued(site.redeem("web", &code, NOW));
    for (prefix, text) in [
        ("grc_", code.as_str()),
        ("gra_", tokens.access_token.expose()),
        ("grr_", refresh_token(&tokens).expose()),
    ] {
        assert!(text.starts_with(prefix));
        assert_eq!(text.len(), 4 + 95);
    }
}

/// Without a refresh token the grant ends with its access token.
#[test]
fn rfc6749_5_1_a_client_without_the_refresh_grant_gets_no_refresh_token() {
    let site = Site::new();
    let uri = RedirectUri::register("https://once.example/cb", grantry_server::ApplicationType::Web).unwrap();
    let client = Client::new(client_id("native"), ClientAuthentication::None)
        .with_grant_types([GrantType::AuthorizationCode])
        .with_scope(scope("read"))
        .with_redirect_uri(uri);
    site.store.inner.put_client(client);
    let changes = [("redirect_uri", Some("https://once.example/cb")), ("scope", Some("read"))];
    let code = site.code_for("native", &changes, NOW);
    let pairs = support::redemption("native", &code).with("redirect_uri", "https://once.example/cb");
    let reply = site.token("native", &pairs.each(), NOW);
    let body = support::json(&reply.answer.to_response());
    assert!(body.get("refresh_token").is_none() && body.get("id_token").is_none());
    assert!(issued(reply).refresh_token.is_none());
    let grant = site.store.last_written();
    assert_eq!(grant.expires_at(), time(NOW + 600));
    assert!(grant.is_active(time(NOW + 599)) && !grant.is_active(time(NOW + 600)));
    assert_ne!(redirect_uri("native"), "https://once.example/cb");
}

/// A token that cannot be signed: the code and the refresh token are as good as before.
#[test]
fn a_signature_that_fails_consumes_nothing() {
    let mut site = Site::new();
    let tokens = site.tokens(NOW);
    let code = site.code(NOW);
    let unusable = support::KEY.clone().with_key_id("k".repeat(20_000));
    let issuer = Issuer::parse(ISSUER).unwrap();
    site.server = Server::new(issuer, unusable, support::handle_key(1)).unwrap();
    let (redeemed, [_, _, commits]) = site.store.count(|| site.redeem("web", &code, NOW));
    assert_denied(&redeemed, "server_error", Reason::SigningFailed);
    assert_eq!((redeemed.answer.to_response().status, redeemed.event.effect), (500, Effect::Nothing));
    let refreshed = site.refresh("web", refresh_token(&tokens), NOW);
    assert_denied(&refreshed, "server_error", Reason::SigningFailed);
    assert_eq!(commits, 0);
    site.server = support::server_of(ISSUER);
    issued(site.redeem("web", &code, NOW));
    issued(site.refresh("web", refresh_token(&tokens), NOW));
}

#[test]
fn the_answer_says_what_the_token_says() {
    let site = Site::new();
    let pairs = |token: &str| {
        Pairs(vec![("grant_type", "refresh_token".into()), ("scope", "write".into())])
            .with("refresh_token", token)
    };
    let first = site.tokens(NOW);
    let tokens = issued(site.token("web", &pairs(refresh_token(&first).expose()).each(), NOW));
    let body = support::json(&TokenAnswer::Issued(tokens.clone()).to_response());
    assert_eq!((body.get("scope"), body.get("expires_in")), (Some(&json!("write")), Some(&json!(600))));
    assert_eq!(site.claims(&tokens.access_token, "at+jwt").get("exp"), Some(&json!(NOW + 600)));
}
