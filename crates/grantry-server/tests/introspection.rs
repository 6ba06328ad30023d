//! Introspection (RFC 7662): who is told what of which token.

mod support;

use core::time::Duration;

use grantry_core::SecretString;
use grantry_server::{
    AccessTokenFormat, EventKind, GrantType, Introspection, MemoryStore, Policy, Reason, RunError, Server,
};
use serde_json::json;
use support::{
    Fault, ISSUER, LOGIN, NOW, Pairs, Site, StoreFault, client_id, clients, issued, private_key,
    refresh_token, request, server_of, time,
};

fn sites() -> [Site; 2] {
    let opaque = Policy::default().with_access_token_format(AccessTokenFormat::Opaque);
    [Site::new(), Site::with_policy(opaque)]
}

/// IN-01.
#[test]
fn rfc7662_2_2_a_live_access_token_is_described() {
    for site in sites() {
        let tokens = site.tokens(NOW);
        for caller in ["web", "api"] {
            let request = request(caller, "/introspect", &[("token", tokens.access_token.expose())]);
            let reply = site.run(&site.server.introspect(&request), NOW + 1);
            assert_eq!(reply.event.kind, EventKind::TokenFoundActive);
            assert_eq!(reply.event.client_id, Some(client_id(caller)));
            let response = reply.answer.to_response();
            assert_eq!((response.status, response.headers.only("Cache-Control")), (200, Some("no-store")));
            let expected = json!({
                "active": true, "scope": "openid read write", "client_id": "web", "sub": "alice",
                "exp": NOW + 600, "iss": ISSUER, "aud": ISSUER, "token_type": "Bearer", "auth_time": LOGIN,
            });
            assert_eq!(support::json(&response), expected);
        }
    }
}

#[test]
fn rfc7662_2_2_a_live_refresh_token_is_described_to_its_client() {
    let site = Site::new();
    let tokens = site.tokens(NOW);
    let answer = site.introspect("web", refresh_token(&tokens), NOW);
    let expected = json!({
        "active": true, "scope": "openid read write", "client_id": "web", "sub": "alice",
        "exp": NOW + 30 * 24 * 3600, "iss": ISSUER, "auth_time": LOGIN,
    });
    assert_eq!(support::json(&answer.to_response()), expected);
}

#[track_caller]
fn assert_inactive(site: &Site, caller: &str, token: &SecretString, now: u64) {
    let response = site.introspect(caller, token, now).to_response();
    assert_eq!((response.status, support::json(&response)), (200, json!({ "active": false })));
}

/// IN-02.
#[test]
fn rfc7662_2_2_every_dead_token_has_one_answer() {
    for site in sites() {
        let tokens = site.tokens(NOW);
        for text in ["x", "gra_", "gra_AAAA", "a.b.c", "..", "\"' OR 1=1 --", &"t".repeat(20_000)] {
            assert_inactive(&site, "api", &SecretString::from(text), NOW);
        }
        let access_token = tokens.access_token.expose();
        for changed in [format!("{access_token}A"), format!(" {access_token}"), access_token.to_uppercase()] {
            assert_inactive(&site, "api", &SecretString::from(changed), NOW);
        }
        assert!(site.is_active(&tokens.access_token, NOW + 599));
        assert_inactive(&site, "api", &tokens.access_token, NOW + 600);
        // A rotated refresh token is dead, and looking it up is no reuse.
        let rotated = issued(site.refresh("web", refresh_token(&tokens), NOW));
        assert_inactive(&site, "web", refresh_token(&tokens), NOW);
        assert!(site.is_active(refresh_token(&rotated), NOW));
        assert_inactive(&site, "web", tokens.id_token.as_ref().unwrap(), NOW);
        let code = SecretString::from(site.code(NOW));
        assert_inactive(&site, "web", &code, NOW);
        site.revoke("web", refresh_token(&rotated), NOW);
        assert_inactive(&site, "api", &rotated.access_token, NOW);
        let tokens = site.tokens(NOW);
        site.store.fault.set(Some(Fault::NoGrants));
        assert_inactive(&site, "api", &tokens.access_token, NOW);
    }
}

/// IN-05.
#[test]
fn rfc7662_2_1_a_public_client_is_refused() {
    let site = Site::new();
    let tokens = site.tokens_for("native", &[], NOW);
    let answer = site.introspect("native", &tokens.access_token, NOW);
    let Introspection::Denied(denial) = answer else { unreachable!("{answer:?}") };
    assert_eq!((denial.code.as_str(), denial.reason), ("invalid_client", Reason::ClientNotConfidential));
    assert_eq!(answer.to_response().status, 401);
}

/// IN-09: a resource server sees access tokens only, and a client its own tokens only.
#[test]
fn rfc7662_4_nobody_is_told_of_tokens_that_are_not_for_them() {
    for site in sites() {
        let tokens = site.tokens(NOW);
        assert_inactive(&site, "api", refresh_token(&tokens), NOW);
        for stranger in ["other", "post"] {
            assert_inactive(&site, stranger, &tokens.access_token, NOW);
            assert_inactive(&site, stranger, refresh_token(&tokens), NOW);
        }
    }
}

/// IN-11.
#[test]
fn rfc7662_2_1_a_hint_changes_nothing() {
    for site in sites() {
        let tokens = site.tokens(NOW);
        for token in [&tokens.access_token, refresh_token(&tokens)] {
            let plain = site.introspect("web", token, NOW);
            for hint in ["access_token", "refresh_token", "urn:x"] {
                let pairs = [("token", token.expose()), ("token_type_hint", hint)];
                let request = request("web", "/introspect", &pairs);
                assert_eq!(site.run(&site.server.introspect(&request), NOW).answer, plain);
            }
        }
    }
}

#[test]
fn rfc7662_2_1_the_token_is_required() {
    let site = Site::new();
    for pairs in [vec![], vec![("token", "")]] {
        let reply = site.run(&site.server.introspect(&request("api", "/introspect", &pairs)), NOW);
        let Introspection::Denied(denial) = reply.answer else { unreachable!("{:?}", reply.answer) };
        assert_eq!((denial.code.as_str(), denial.reason), ("invalid_request", Reason::Missing("token")));
    }
}

/// ST-08: a failing store is no answer about a token.
#[test]
fn cve_2020_15223_a_store_that_fails_is_not_an_inactive_token() {
    let site = Site::new();
    let tokens = site.tokens(NOW);
    site.store.fault.set(Some(Fault::Read));
    let request = request("api", "/introspect", &[("token", tokens.access_token.expose())]);
    let error = site.try_run(&site.server.introspect(&request), NOW).unwrap_err();
    assert_eq!((error, error.to_response().status), (RunError::Store(StoreFault::Down), 503));
}

/// The scope of an access token is its own, also where only the grant is stored.
#[test]
fn rfc6749_6_a_narrowed_access_token_is_described_by_its_own_scope() {
    for site in sites() {
        let tokens = site.tokens(NOW);
        let mut live = tokens.clone();
        for asked in ["read", "write", "openid write", "openid read write"] {
            let pairs = Pairs(vec![("grant_type", "refresh_token".into()), ("scope", asked.into())])
                .with("refresh_token", refresh_token(&live).expose());
            live = issued(site.token("web", &pairs.each(), NOW));
            let Introspection::Active(active) = site.introspect("api", &live.access_token, NOW) else {
                unreachable!("{asked}");
            };
            assert_eq!(active.scope.to_string(), asked);
            let Introspection::Active(first) = site.introspect("api", &tokens.access_token, NOW) else {
                unreachable!("{asked}");
            };
            assert_eq!(first.scope.to_string(), "openid read write");
        }
    }
}

#[test]
fn every_token_of_a_scope_of_64_has_a_bit_of_its_own() {
    let words: Vec<_> = (0..64).map(|number| format!("s{number:02}")).collect();
    let all = words.join(" ");
    let opaque = Policy::default().with_access_token_format(AccessTokenFormat::Opaque);
    let mut site = Site::with_policy(opaque);
    let wide = clients().into_iter().map(|client| client.with_scope(support::scope(&all)));
    site.store.inner = MemoryStore::new(wide);
    let mut live = site.tokens_for("web", &[("scope", Some(&all))], NOW);
    for asked in
        [words[0].clone(), words[63].clone(), [&*words[1], &*words[31], &*words[32], &*words[62]].join(" ")]
    {
        let pairs = Pairs(vec![("grant_type", "refresh_token".into()), ("scope", asked.clone())])
            .with("refresh_token", refresh_token(&live).expose());
        live = issued(site.token("web", &pairs.each(), NOW));
        let Introspection::Active(active) = site.introspect("web", &live.access_token, NOW) else {
            unreachable!("{asked}");
        };
        assert_eq!(active.scope.to_string(), asked);
    }
}

/// A JWT of this server's key that is no access token, or of a key that is none of this server's.
#[test]
fn rfc9068_4_only_access_tokens_of_this_server_are_looked_up() {
    let site = Site::new();
    let tokens = site.tokens(NOW);
    let claims = site.claims(&tokens.access_token, "at+jwt");
    let resigned = support::KEY.sign_claims(Some("at+jwt"), &claims).unwrap();
    assert!(site.is_active(&SecretString::from(resigned), NOW));
    for typ in [None, Some("JWT"), Some("application/at+jwt"), Some("logout+jwt")] {
        let token = support::KEY.sign_claims(typ, &claims).unwrap();
        assert_inactive(&site, "web", &SecretString::from(token), NOW);
    }
    let stranger = private_key("JK-107.4", "key-1").sign_claims(Some("at+jwt"), &claims).unwrap();
    assert_inactive(&site, "web", &SecretString::from(stranger), NOW);
    for jti in [json!("x"), json!(7), json!(null), json!(["gri_x"])] {
        let mut other = claims.clone();
        other["jti"] = jti;
        let token = support::KEY.sign_claims(Some("at+jwt"), &other).unwrap();
        assert_inactive(&site, "web", &SecretString::from(token), NOW);
    }
}

/// A `jti` stands in a token that many people see: by itself it opens nothing.
#[test]
fn the_jti_of_an_access_token_is_no_token() {
    let site = Site::new();
    let tokens = site.tokens(NOW);
    let jti = site.claims(&tokens.access_token, "at+jwt")["jti"].as_str().unwrap().to_owned();
    for text in [jti.clone(), jti.replace("gri_", "gra_"), jti.replace("gri_", "grr_")] {
        assert_inactive(&site, "web", &SecretString::from(text.as_str()), NOW);
        site.revoke("web", &SecretString::from(text), NOW);
    }
    assert!(site.is_active(&tokens.access_token, NOW));
}

#[test]
fn a_token_of_another_issuer_with_the_same_keys_and_store_is_inactive() {
    for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
        let policy = || Policy::default().with_access_token_format(format);
        let mut site = Site::with_policy(policy());
        let tokens = site.tokens(NOW);
        site.server = server_of("https://other.example").with_policy(policy());
        assert_inactive(&site, "api", &tokens.access_token, NOW);
        assert_inactive(&site, "web", refresh_token(&tokens), NOW);
    }
}

#[test]
fn the_audience_and_lifetime_of_the_policy_are_described() {
    let policy = Policy::default()
        .with_resources(["https://api.example"])
        .with_access_token_lifetime(Duration::from_secs(7));
    let site = Site::of(Server::with_policy(server_of(ISSUER), policy));
    let tokens = site.tokens(NOW);
    let Introspection::Active(active) = site.introspect("api", &tokens.access_token, NOW + 6) else {
        unreachable!("the token is alive");
    };
    assert_eq!((active.aud, active.exp), (vec!["https://api.example".to_owned()], time(NOW + 7)));
    assert_inactive(&site, "api", &tokens.access_token, NOW + 7);
}

/// The claims of a stateless token that was signed by a key that is none of this server's, or as
/// something else than an access token, are nobody's.
#[test]
fn rfc9068_4_a_client_token_is_looked_up_by_signature_and_type() {
    let site = Site::new();
    site.register("web", &[GrantType::ClientCredentials]);
    let token = issued(site.token("web", &[("grant_type", "client_credentials")], NOW)).access_token;
    let claims = site.claims(&token, "at+jwt");
    let resigned = |typ: Option<&str>, key: &grantry_jwt::SigningKey| {
        SecretString::from(key.sign_claims(typ, &claims).unwrap())
    };
    assert!(site.is_active(&resigned(Some("at+jwt"), &support::KEY), NOW));
    for typ in [None, Some("JWT"), Some("application/at+jwt"), Some("AT+JWT")] {
        assert_inactive(&site, "web", &resigned(typ, &support::KEY), NOW);
    }
    let stranger = private_key("JK-107.4", "key-1");
    assert_inactive(&site, "web", &resigned(Some("at+jwt"), &stranger), NOW);
    // Nor the same claims behind the `jti` of a grant: that names a record, which says otherwise.
    let of_a_grant = site.claims(&site.tokens(NOW).access_token, "at+jwt");
    let mut mixed = claims;
    mixed["jti"] = of_a_grant["jti"].clone();
    mixed["scope"] = json!("admin");
    let mixed = SecretString::from(support::KEY.sign_claims(Some("at+jwt"), &mixed).unwrap());
    let Introspection::Active(active) = site.introspect("web", &mixed, NOW) else { unreachable!("alive") };
    assert_eq!((&*active.sub, active.scope.to_string()), ("alice", "openid read write".into()));
}
