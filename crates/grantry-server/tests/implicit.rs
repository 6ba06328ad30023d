//! The implicit grant (RFC 6749 section 4.2), for hosts that still have to serve it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use grantry_core::{SecretString, base64url, form::Form};
use grantry_server::{
    AccessTokenFormat, Answered, Approval, Authorization, Effect, Endpoint, EventKind, GrantType,
    Introspection, Policy, Reason, Refusal, Reply, Subject,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use support::{
    ISSUER, LOGIN, NOW, Site, approval, client_id, fragment, query, redirect, response, scope, server_of,
    subject, time,
};

const READ: [usize; 3] = [1, 1, 0];
const WRITTEN: [usize; 3] = [1, 1, 1];
const TYPES: [&str; 4] = ["token", "id_token", "id_token token", "token id_token"];

fn policy() -> Policy {
    Policy::default().danger_with_implicit_grant()
}

fn site_of(policy: Policy) -> Site {
    let site = Site::with_policy(policy);
    site.register("web", &[GrantType::Implicit]);
    site
}

fn site() -> Site {
    site_of(policy())
}

/// A request without PKCE, as clients of the grant send it.
fn changes(response_type: &str) -> [(&'static str, Option<&str>); 3] {
    [("response_type", Some(response_type)), ("code_challenge", None), ("code_challenge_method", None)]
}

fn approved(site: &Site, response_type: &str) -> Reply<Answered> {
    site.approve(site.interaction("web", &changes(response_type), NOW), NOW)
}

fn refused(reply: Reply<Authorization>) -> (Form<'static>, Reason) {
    let Authorization::Redirect(redirect) = reply.answer else { panic!("{:?}", reply.event) };
    (fragment(&redirect), reply.event.denial.unwrap().reason)
}

/// What of a response stands where.
#[test]
fn rfc6749_4_2_2_the_tokens_stand_in_the_fragment() {
    for (response_type, [has_access_token, has_id_token]) in
        TYPES.into_iter().zip([[true, false], [false, true], [true, true], [true, true]])
    {
        let site = site();
        let interaction = site.interaction("web", &changes(response_type), NOW);
        let (reply, counts) = site.store.count(|| site.approve(interaction, NOW));
        assert_eq!(counts, WRITTEN);
        let event = &reply.event;
        assert_eq!((event.endpoint, event.kind), (Endpoint::Authorization, EventKind::ImplicitlyIssued));
        assert_eq!((event.effect, event.subject.clone()), (Effect::Written, Some(subject())));
        assert_eq!(event.grant, Some(site.store.last_written().id()));
        let sent = reply.answer.to_response();
        assert_eq!((sent.status, sent.headers.only("Cache-Control")), (303, Some("no-store")));
        assert_eq!(sent.headers.only("Referrer-Policy"), Some("no-referrer"));
        assert_eq!(sent.headers.only("Location"), Some(redirect(&reply).url().expose()));
        let answer = fragment(redirect(&reply));
        assert!(redirect(&reply).url().expose().starts_with("https://web.example/cb#"));
        assert_eq!((answer.get("state"), answer.get("iss")), (Some("state-1"), Some(ISSUER)));
        assert_eq!(answer.get("access_token").is_some(), has_access_token, "{response_type}");
        assert_eq!(answer.get("id_token").is_some(), has_id_token, "{response_type}");
        let expected = has_access_token.then_some(["Bearer", "600", "openid read write"]);
        let members = ["token_type", "expires_in", "scope"];
        assert_eq!(members.map(|name| answer.get(name)), expected.map_or([None; 3], |all| all.map(Some)));
        // RFC 6749 section 4.2.2: no refresh token, also not where the client may refresh.
        assert_eq!(site.store.last_written().expires_at(), time(NOW + 600));
    }
}

/// OpenID Connect Core sections 3.2.2.9 and 3.2.2.10.
#[test]
fn oidc_core_3_2_2_10_an_id_token_beside_an_access_token_has_its_hash() {
    for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
        let site = site_of(policy().with_access_token_format(format));
        let reply = approved(&site, "id_token token");
        let answer = fragment(redirect(&reply));
        let access_token = SecretString::from(answer.get("access_token").unwrap());
        let hash = base64url::encode(Sha256::digest(access_token.expose()).split_at(16).0);
        let claims = site.claims(&SecretString::from(answer.get("id_token").unwrap()), "JWT");
        let expected = json!({
            "iss": ISSUER, "sub": "alice", "aud": "web", "exp": NOW + 600, "iat": NOW, "auth_time": LOGIN,
            "nonce": "nonce-1", "at_hash": hash,
        });
        assert_eq!(claims, expected);
        let Introspection::Active(active) = site.introspect("web", &access_token, NOW) else {
            panic!("not alive");
        };
        assert_eq!((&*active.sub, active.scope), ("alice", scope("openid read write")));
        assert!(!site.is_active(&access_token, NOW + 600));
        site.revoke("web", &access_token, NOW);
        assert!(!site.is_active(&access_token, NOW));

        let reply = approved(&site, "id_token");
        let alone = fragment(redirect(&reply));
        let claims = site.claims(&SecretString::from(alone.get("id_token").unwrap()), "JWT");
        assert_eq!((claims.get("at_hash"), &claims["nonce"]), (None, &json!("nonce-1")));
    }
}

#[test]
fn rfc9700_2_1_2_the_implicit_grant_is_off_unless_policy_and_registration_name_it() {
    let off = Site::new();
    off.register("web", &[GrantType::Implicit]);
    let metadata = off.server.metadata();
    assert_eq!(
        (metadata.response_types_supported, metadata.response_modes_supported),
        (vec!["code"], vec!["query"])
    );
    assert!(!metadata.grant_types_supported.contains(&"implicit"));
    let on = site();
    let metadata = on.server.metadata();
    assert_eq!(metadata.response_types_supported, ["code", "token", "id_token", "id_token token"]);
    assert_eq!(metadata.response_modes_supported, ["query", "fragment"]);
    assert!(metadata.grant_types_supported.contains(&"implicit"));
    for response_type in TYPES {
        let reply = off.authorize(&query("web", &changes(response_type)), NOW);
        let Authorization::Redirect(redirect) = &reply.answer else { panic!("{:?}", reply.event) };
        assert_eq!(response(redirect).get("error"), Some("unsupported_response_type"));
        let (answer, reason) = refused(on.authorize(&query("other", &changes(response_type)), NOW));
        assert_eq!(
            (answer.get("error"), reason),
            (Some("unauthorized_client"), Reason::GrantTypeNotRegistered)
        );
    }
    // The token endpoint has no request of that name.
    let reply = on.token("web", &[("grant_type", "implicit")], NOW);
    support::assert_denied(&reply, "unsupported_grant_type", Reason::GrantTypeUnknown);
}

#[test]
fn rfc6749_4_2_2_1_errors_stand_where_the_tokens_would() {
    let site = site();
    let unknown = Some("https://bank.example");
    for (name, value, error, reason) in [
        ("scope", Some("admin"), "invalid_scope", Reason::ScopeNotRegistered),
        ("resource", unknown, "invalid_target", Reason::ResourceUnknown),
        ("response_mode", Some("query"), "invalid_request", Reason::Malformed("response_mode")),
        ("response_mode", Some("form_post"), "invalid_request", Reason::Malformed("response_mode")),
        ("prompt", Some("none login"), "invalid_request", Reason::Malformed("prompt")),
        ("request", Some("x.y.z"), "request_not_supported", Reason::RequestObject),
    ] {
        for response_type in TYPES {
            let changes = [&changes(response_type)[..], &[(name, value)]].concat();
            let (answer, denied) = refused(site.authorize(&query("web", &changes), NOW));
            assert_eq!((answer.get("error"), denied), (Some(error), reason));
            assert_eq!((answer.get("state"), answer.get("iss")), (Some("state-1"), Some(ISSUER)));
            assert!(answer.get("access_token").or_else(|| answer.get("id_token")).is_none());
        }
    }
    let interaction = site.interaction("web", &changes("token"), NOW);
    let (reply, counts) = site.store.count(|| site.refuse(&interaction, Refusal::AccessDenied));
    let answer = fragment(redirect(&reply));
    assert_eq!((answer.get("error"), answer.get("iss")), (Some("access_denied"), Some(ISSUER)));
    assert_eq!((answer.get("state"), counts), (Some("state-1"), [0, 0, 0]));
    let asked = [&changes("token")[..], &[("max_age", Some("10"))]].concat();
    let reply = site.approve(site.interaction("web", &asked, NOW), NOW);
    assert_eq!(fragment(redirect(&reply)).get("error"), Some("login_required"));
    // An unknown redirect URI gets nothing at all.
    let elsewhere = [&changes("token")[..], &[("redirect_uri", Some("https://evil.example/cb"))]].concat();
    let reply = site.authorize(&query("web", &elsewhere), NOW);
    assert!(matches!(reply.answer, Authorization::Page(_)));
}

#[test]
fn oidc_core_3_2_2_1_a_request_for_an_id_token_has_nonce_and_openid() {
    let site = site();
    for absent in [None, Some("")] {
        for response_type in ["id_token", "id_token token", "token id_token"] {
            let asked = [&changes(response_type)[..], &[("nonce", absent)]].concat();
            let (answer, reason) = refused(site.authorize(&query("web", &asked), NOW));
            assert_eq!((answer.get("error"), reason), (Some("invalid_request"), Reason::Missing("nonce")));
            let asked = [&changes(response_type)[..], &[("scope", Some("read"))]].concat();
            let (answer, reason) = refused(site.authorize(&query("web", &asked), NOW));
            assert_eq!((answer.get("error"), reason), (Some("invalid_scope"), Reason::ScopeMissing));
        }
        let asked = [&changes("token")[..], &[("nonce", absent), ("scope", Some("read"))]].concat();
        let reply = site.approve(site.interaction("web", &asked, NOW), NOW);
        assert!(fragment(redirect(&reply)).get("access_token").is_some());
    }
}

/// A person who leaves openid out has refused the ID token: half an answer is none.
#[test]
fn oidc_core_3_2_2_5_what_was_asked_for_comes_whole_or_not_at_all() {
    let site = site();
    for response_type in ["id_token", "id_token token"] {
        let interaction = site.interaction("web", &changes(response_type), NOW);
        let narrowed = approval().narrowed_to(scope("read"));
        let operation = site.server.approve(interaction, narrowed);
        let (reply, counts) = site.store.count(|| site.run(&operation, NOW));
        let answer = fragment(redirect(&reply));
        assert_eq!((answer.get("error"), counts), (Some("access_denied"), READ));
        assert_eq!(reply.event.denial.unwrap().reason, Reason::Refused);
    }
    let interaction = site.interaction("web", &changes("token"), NOW);
    let operation = site.server.approve(interaction, approval().narrowed_to(scope("read")));
    assert_eq!(fragment(redirect(&site.run(&operation, NOW))).get("scope"), Some("read"));
}

/// RS256 signs the same claims in the same way; the grant and its tokens stay one.
#[test]
fn approving_twice_repeats_the_same_tokens() {
    for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
        for response_type in TYPES {
            let site = site_of(policy().with_access_token_format(format));
            let interaction = site.interaction("web", &changes(response_type), NOW);
            let first = site.approve(interaction.clone(), NOW);
            let (again, counts) = site.store.count(|| site.approve(interaction.clone(), NOW + 5));
            assert_eq!(
                (again.event.effect, again.event.grant, counts),
                (Effect::Repeated, first.event.grant, READ)
            );
            let (first, again) = (fragment(redirect(&first)), fragment(redirect(&again)));
            for name in ["access_token", "id_token", "scope", "state", "iss"] {
                assert_eq!(again.get(name), first.get(name), "{name}");
            }
            let left = first.get("expires_in").map(|_| "595");
            assert_eq!(again.get("expires_in"), left);
            // Another answer, or another person, is another question.
            let narrowed = approval().narrowed_to(scope("openid"));
            let mallory = Approval::new(Subject::parse("mallory").unwrap(), time(LOGIN));
            for (other, now) in [(narrowed, NOW), (mallory, NOW), (approval(), NOW + 600)] {
                let operation = site.server.approve(interaction.clone(), other);
                let (reply, counts) = site.store.count(|| site.run(&operation, now));
                assert!(matches!(reply.answer, Answered::Page(_)), "{:?}", reply.event);
                assert_eq!(reply.event.denial.unwrap().reason, Reason::AlreadyAnswered);
                assert_eq!(counts, READ);
            }
        }
    }
}

#[test]
fn a_revoked_implicit_grant_is_not_repeated() {
    let site = site();
    let interaction = site.interaction("web", &changes("token"), NOW);
    let reply = site.approve(interaction.clone(), NOW);
    let token = SecretString::from(fragment(redirect(&reply)).get("access_token").unwrap());
    assert_eq!(site.revoke("web", &token, NOW).event.effect, Effect::Written);
    let reply = site.approve(interaction, NOW);
    assert_eq!(reply.event.denial.unwrap().reason, Reason::AlreadyAnswered);
}

/// Policy and registration count as they stand when the person answers.
#[test]
fn a_page_that_was_open_when_the_grant_was_switched_off_ends_there() {
    let mut site = site();
    let interaction = site.interaction("web", &changes("token"), NOW);
    let on = core::mem::replace(&mut site.server, server_of(ISSUER));
    let (reply, counts) = site.store.count(|| site.approve(interaction.clone(), NOW));
    assert!(matches!(reply.answer, Answered::Page(_)));
    assert_eq!((reply.event.denial.unwrap().reason, counts), (Reason::GrantTypeUnknown, READ));
    site.server = on;
    site.register("web", &[]);
    let (reply, counts) = site.store.count(|| site.approve(interaction, NOW));
    assert_eq!((reply.event.denial.unwrap().reason, counts), (Reason::GrantTypeNotRegistered, READ));
    assert_eq!(reply.event.client_id, Some(client_id("web")));
}

/// The interaction travels sealed as every other does.
#[test]
fn a_sealed_implicit_request_keeps_what_it_asked_for() {
    let site = site();
    let interaction = site.interaction("web", &changes("id_token token"), NOW);
    let sealed = site.server.seal(&interaction, "session");
    let opened = site.server.unseal(&sealed, "session", time(NOW)).unwrap();
    assert!(opened == interaction);
    let (reply, answer) = {
        let reply = site.approve(opened, NOW);
        let answer = fragment(redirect(&reply));
        (reply, answer)
    };
    assert!(answer.get("id_token").is_some() && answer.get("access_token").is_some());
    let printed = format!("{reply:?} {:?}", reply.answer.to_response());
    assert!(!printed.contains(answer.get("access_token").unwrap()), "{printed}");
}

/// A code request and a request for tokens cannot stand in for each other.
#[test]
fn rfc6749_4_1_an_implicit_grant_has_no_code() {
    let site = site();
    let reply = approved(&site, "token");
    let grant = site.store.last_written();
    assert_eq!(grant.subject(), Some(&subject()));
    let token = fragment(redirect(&reply)).get("access_token").unwrap().to_owned();
    for text in [token.as_str(), "grc_", &token.replace("gra_", "grc_")] {
        let reply = site.redeem("web", text, NOW);
        support::assert_denied(&reply, "invalid_grant", Reason::CodeUnknown);
    }
}
