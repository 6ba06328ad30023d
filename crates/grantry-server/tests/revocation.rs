//! Revocation (RFC 7009): what dies, for whom, and what a stranger learns.

mod support;

use grantry_core::form;
use grantry_core::{HttpRequest, SecretString};
use grantry_server::{
    AccessTokenFormat, DeviceAnswer, Effect, Endpoints, EventKind, GrantType, Introspection, Policy, Reason,
    Reply, Revoked, RunError, TokenResponse, Verification,
};
use support::{
    Fault, NOW, Site, StoreFault, approval, assert_denied, basic, client_id, code, fragment, issued,
    redemption, redirect, refresh_token, request, secret,
};

fn sites() -> [Site; 2] {
    let opaque = Policy::default().with_access_token_format(AccessTokenFormat::Opaque);
    [Site::new(), Site::with_policy(opaque)]
}

#[track_caller]
fn assert_done(reply: &Reply<Revoked>, effect: Effect) {
    assert_eq!((reply.answer, reply.event.effect), (Revoked::Done, effect));
    let response = reply.answer.to_response();
    assert_eq!((response.status, response.headers.only("Cache-Control")), (200, Some("no-store")));
}

/// RV-01, RV-02 and RV-16: any token of a grant ends the grant.
#[test]
fn rfc7009_2_1_any_token_of_a_grant_revokes_all_of_it() {
    for site in sites() {
        for client in ["web", "post", "native"] {
            for pick in [0, 1, 2] {
                let first = site.tokens_for(client, &[], NOW);
                let second = issued(site.refresh(client, refresh_token(&first), NOW));
                // An access token, the live refresh token, and one that was rotated away.
                let token = [&second.access_token, refresh_token(&second), refresh_token(&first)][pick];
                let reply = site.revoke(client, token, NOW);
                assert_done(&reply, Effect::Written);
                assert_eq!(reply.event.kind, EventKind::GrantRevoked);
                assert_eq!(reply.event.client_id, Some(client_id(client)));
                assert_eq!(reply.event.subject, Some(support::subject()));
                let refreshed = site.refresh(client, refresh_token(&second), NOW);
                assert_denied(&refreshed, "invalid_grant", Reason::GrantRevoked);
                for token in [&first.access_token, &second.access_token] {
                    assert_eq!(site.introspect("api", token, NOW), Introspection::Inactive);
                }
            }
        }
    }
}

/// RV-03.
#[test]
fn rfc7009_2_2_unknown_and_dead_tokens_are_dead_already() {
    for site in sites() {
        let tokens = site.tokens(NOW);
        assert_done(&site.revoke("web", &tokens.access_token, NOW), Effect::Written);
        assert_done(&site.revoke("web", &tokens.access_token, NOW), Effect::Nothing);
        assert_done(&site.revoke("web", refresh_token(&tokens), NOW), Effect::Nothing);
        for text in ["x", "grr_", "grr_AAAA", "gra_x", "a.b.c", "\"' OR 1=1 --", &"t".repeat(20_000)] {
            assert_done(&site.revoke("web", &SecretString::from(text), NOW), Effect::Nothing);
        }
        let tokens = site.tokens(NOW);
        site.store.fault.set(Some(Fault::NoGrants));
        assert_done(&site.revoke("web", refresh_token(&tokens), NOW), Effect::Nothing);
    }
}

/// RV-04.
#[test]
fn rfc7009_2_1_the_token_is_required() {
    let site = Site::new();
    for pairs in [vec![], vec![("token", "")], vec![("token_type_hint", "refresh_token")]] {
        let reply = site.run(&site.server.revoke(&request("web", "/revoke", &pairs)), NOW);
        let Revoked::Denied(denial) = reply.answer else { unreachable!("{pairs:?}") };
        assert_eq!((denial.code.as_str(), denial.reason), ("invalid_request", Reason::Missing("token")));
        assert_eq!(reply.answer.to_response().status, 400);
    }
}

/// RV-05: the answer is the one for an unknown token, and the grant lives.
#[test]
fn rfc7009_2_1_a_stranger_revokes_nothing_and_learns_nothing() {
    for site in sites() {
        let tokens = site.tokens(NOW);
        for stranger in ["other", "post", "native", "api"] {
            for token in [&tokens.access_token, refresh_token(&tokens)] {
                let reply = site.revoke(stranger, token, NOW);
                let unknown = site.revoke(stranger, &SecretString::from("x"), NOW);
                assert_done(&reply, Effect::Nothing);
                assert_eq!((reply.answer, reply.event), (unknown.answer, unknown.event));
            }
        }
        assert!(site.is_active(&tokens.access_token, NOW));
        issued(site.refresh("web", refresh_token(&tokens), NOW));
    }
}

/// RV-08: the token says what it is.
#[test]
fn rfc7009_2_1_a_hint_is_a_hint() {
    for hint in ["access_token", "refresh_token", "urn:x", ""] {
        for site in sites() {
            for pick in [0, 1] {
                let tokens = site.tokens(NOW);
                let token = [&tokens.access_token, refresh_token(&tokens)][pick];
                let pairs = [("token", token.expose()), ("token_type_hint", hint)];
                let reply = site.run(&site.server.revoke(&request("web", "/revoke", &pairs)), NOW);
                assert_done(&reply, Effect::Written);
            }
        }
    }
}

/// RV-12 and ST-08.
#[test]
fn rfc7009_2_2_1_a_store_that_fails_is_503_and_never_200() {
    for fault in [Fault::Read, Fault::Commit] {
        let site = Site::new();
        let tokens = site.tokens(NOW);
        site.store.fault.set(Some(fault));
        let request = request("web", "/revoke", &[("token", refresh_token(&tokens).expose())]);
        let error = site.try_run(&site.server.revoke(&request), NOW).unwrap_err();
        assert_eq!(error, RunError::Store(StoreFault::Down));
        let response = error.to_response();
        assert_eq!((response.status, response.headers.only("Retry-After")), (503, Some("1")));
        site.store.fault.set(None);
        assert_done(&site.revoke("web", refresh_token(&tokens), NOW), Effect::Written);
    }
}

#[test]
fn a_code_is_no_token_and_the_revocation_endpoint_leaves_it() {
    let site = Site::new();
    let code = site.code(NOW);
    assert_done(&site.revoke("web", &SecretString::from(code.as_str()), NOW), Effect::Nothing);
    issued(site.redeem("web", &code, NOW));
}

/// CS-23: a revoked grant ends its code, its refresh tokens and its access tokens, also those under way.
#[test]
fn rfc9700_4_14_2_withdrawn_consent_ends_everything_of_the_grant() {
    for site in sites() {
        let code = code(&site.approve(site.interaction("web", &[], NOW), NOW));
        let good = redemption("web", &code);
        let tokens = issued(site.token("web", &good.each(), NOW));
        assert_done(&site.revoke("web", refresh_token(&tokens), NOW), Effect::Written);
        assert_denied(&site.redeem("web", &code, NOW), "invalid_grant", Reason::GrantRevoked);
        let refreshed = site.refresh("web", refresh_token(&tokens), NOW);
        assert_denied(&refreshed, "invalid_grant", Reason::GrantRevoked);
        assert!(!site.is_active(&tokens.access_token, NOW));
        assert!(!site.is_active(refresh_token(&tokens), NOW));
    }
}

#[test]
fn rfc6749_3_2_repeated_and_undecodable_parameters_revoke_nothing() {
    let site = Site::new();
    let tokens = site.tokens(NOW);
    let token = form::encode([("token", refresh_token(&tokens).expose())]);
    for more in ["&token=x", "&token=", "&token_type_hint=a&token_type_hint=a", "&x=%ff", "&x=%"] {
        let request = HttpRequest::form("/revoke", format!("{token}{more}"))
            .with_header("Authorization", basic("web", &secret("web")));
        let reply = site.run(&site.server.revoke(&request), NOW);
        let Revoked::Denied(denial) = reply.answer else { unreachable!("{more}") };
        assert_eq!(denial.code.as_str(), "invalid_request");
        assert!(matches!(denial.reason, Reason::Form(_)), "{more}");
    }
    issued(site.refresh("web", refresh_token(&tokens), NOW));
}

/// Everything that a grant gave out, however it began, and whose it is.
struct Given {
    client: &'static str,
    tokens: Vec<SecretString>,
}

fn tokens_of(client: &'static str, tokens: &TokenResponse) -> Given {
    let refresh_token = tokens.refresh_token.iter().cloned();
    Given { client, tokens: refresh_token.chain([tokens.access_token.clone()]).collect() }
}

/// One grant of each kind that has a record.
fn every_grant(site: &Site) -> Vec<Given> {
    let mut grants =
        vec![tokens_of("web", &site.tokens(NOW)), tokens_of("native", &site.tokens_for("native", &[], NOW))];
    let pairs = [("grant_type", "password"), ("username", "al"), ("password", "x"), ("scope", "read")];
    let operation = site.server.token(&request("web", "/token", &pairs)).with_resource_owner(approval());
    grants.push(tokens_of("web", &issued(site.run(&operation, NOW))));
    let implicit = site.interaction("web", &[("response_type", Some("token"))], NOW);
    let token = fragment(redirect(&site.approve(implicit, NOW))).get("access_token").map(SecretString::from);
    grants.push(Given { client: "web", tokens: token.into_iter().collect() });
    let asked = request("native", "/device_authorization", &[("scope", "read")]);
    let DeviceAnswer::Waiting(waiting) = site.run(&site.server.device_authorization(&asked), NOW).answer
    else {
        unreachable!("a device waits");
    };
    let found = site.run(&site.server.verify_user_code(waiting.user_code.expose()), NOW);
    let Verification::Interact(interaction) = found.answer else { unreachable!("{:?}", found.event) };
    site.approve(*interaction, NOW);
    let poll =
        [("grant_type", GrantType::DeviceCode.as_str()), ("device_code", waiting.device_code.expose())];
    grants.push(tokens_of("native", &issued(site.token("native", &poll, NOW))));
    grants
}

/// RV-01, RV-02, RV-05 and RV-07 for grants of every origin.
#[test]
fn rfc7009_2_1_a_grant_of_any_origin_ends_as_a_whole_and_by_its_client_alone() {
    for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
        let policy = Policy::default().with_access_token_format(format);
        let policy = policy.danger_with_implicit_grant().danger_with_password_grant();
        let endpoints = Endpoints::all_below(&grantry_core::Issuer::parse(support::ISSUER).unwrap());
        let site =
            Site::of(support::server_of(support::ISSUER).with_policy(policy).with_endpoints(endpoints));
        site.register("web", &[GrantType::Password, GrantType::Implicit]);
        site.register("native", &[GrantType::DeviceCode]);
        let kinds = every_grant(&site);
        for (kind, Given { client, tokens }) in kinds.iter().enumerate() {
            for pick in 0..tokens.len() {
                let grants = every_grant(&site);
                let given = grants.get(kind).unwrap();
                let presented = given.tokens.get(pick).unwrap();
                for stranger in ["web", "native", "other", "api"].into_iter().filter(|other| other != client)
                {
                    let (reply, [_, _, commits]) = site.store.count(|| site.revoke(stranger, presented, NOW));
                    assert_done(&reply, Effect::Nothing);
                    assert_eq!((reply.event.grant, commits), (None, 0));
                }
                let (reply, counts) = site.store.count(|| site.revoke(client, presented, NOW));
                assert_done(&reply, Effect::Written);
                assert_eq!((reply.event.subject, counts), (Some(support::subject()), [1, 1, 1]));
                for (index, other) in grants.iter().enumerate() {
                    let access_token = other.tokens.last().unwrap();
                    let is_active = site.introspect("api", access_token, NOW) != Introspection::Inactive;
                    assert_eq!(is_active, index != kind, "{index} {kind}");
                }
                let refresh_token = given.tokens.first().filter(|token| token.expose().starts_with("grr_"));
                if let Some(token) = refresh_token {
                    let refreshed = site.refresh(client, token, NOW);
                    assert_denied(&refreshed, "invalid_grant", Reason::GrantRevoked);
                }
            }
        }
    }
}
