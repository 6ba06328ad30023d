//! The userinfo endpoint: who is told what of whom.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use grantry_core::bearer::BearerError;
use grantry_core::form::FormError;
use grantry_core::{HttpRequest, HttpResponse, SecretString};
use grantry_server::{
    AccessTokenFormat, Claims, Client, ClientAuthentication, Effect, EventKind, GrantType, MemoryStore,
    Policy, Reason, Records, Reply, SecretDigest, Subject, UserInfoAnswer,
};
use serde_json::{Value, json};
use support::{
    CountingStore, Fault, ISSUER, NOW, Site, client_id, clients, issued, refresh_token, scope, secret,
    server_of, subject,
};

const PERSON: &str = r#"{
    "name": "Alice", "given_name": "Al", "email": "alice@example.org", "email_verified": true,
    "phone_number": "", "address": { "country": "CH" }, "groups": ["staff"]
}"#;

fn knowing_alice(records: Records) -> Records {
    records.with_user_claims(subject(), Claims::from_json(PERSON).unwrap())
}

/// One site for each format of access tokens. `web` may ask for every standard scope, `machine` for tokens of
/// its own.
fn sites() -> [Site; 2] {
    let scopes = scope("openid profile email address phone read");
    [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque].map(|format| {
        let policy = Policy::default().with_access_token_format(format);
        let mut site = Site::with_policy(policy);
        let web = clients().into_iter().find(|client| client.id() == &client_id("web")).unwrap();
        let secret = ClientAuthentication::SecretBasic(SecretDigest::of(&secret("machine")));
        let machine = Client::new(client_id("machine"), secret)
            .with_grant_types([GrantType::ClientCredentials])
            .with_scope(scopes.clone());
        let store = MemoryStore::new(clients());
        store.put_client(web.with_scope(scopes.clone()));
        store.put_client(machine);
        site.store = CountingStore::new(store);
        site
    })
}

fn token_for(site: &Site, scope: &str, now: u64) -> SecretString {
    site.tokens_for("web", &[("scope", Some(scope))], now).access_token
}

fn bearing(token: &SecretString) -> HttpRequest {
    HttpRequest::new("GET", "/userinfo").with_header("Authorization", format!("Bearer {}", token.expose()))
}

fn ask(site: &Site, request: &HttpRequest, now: u64) -> Reply<UserInfoAnswer> {
    site.run_adding(&site.server.userinfo(request), now, knowing_alice)
}

#[track_caller]
fn told(reply: &Reply<UserInfoAnswer>) -> Value {
    assert!(matches!(reply.answer, UserInfoAnswer::Told(_)), "{:?}", reply.event);
    let response = reply.answer.to_response();
    assert_eq!((response.status, response.headers.only("Cache-Control")), (200, Some("no-store")));
    support::json(&response)
}

#[track_caller]
fn refused(reply: &Reply<UserInfoAnswer>, reason: Reason) -> HttpResponse {
    let UserInfoAnswer::Denied(denial) = reply.answer else { panic!("not refused: {:?}", reply.event) };
    assert_eq!(denial.reason, reason);
    assert_eq!((reply.event.kind, reply.event.denial), (EventKind::RequestRefused, Some(denial)));
    let response = reply.answer.to_response();
    assert_eq!((response.headers.only("Cache-Control"), response.body.len()), (Some("no-store"), 0));
    response
}

#[track_caller]
fn assert_invalid_token(reply: &Reply<UserInfoAnswer>, reason: Reason) {
    let response = refused(reply, reason);
    let challenge = "Bearer realm=\"userinfo\", error=\"invalid_token\", \
        error_description=\"The access token is expired, revoked, malformed or not of a person\"";
    assert_eq!((response.status, response.headers.only("WWW-Authenticate")), (401, Some(challenge)));
}

#[test]
fn oidc_5_4_the_scope_says_what_is_told() {
    for site in sites() {
        for (scope, expected) in [
            ("openid", json!({ "sub": "alice" })),
            ("openid read", json!({ "sub": "alice" })),
            ("openid profile", json!({ "sub": "alice", "name": "Alice", "given_name": "Al" })),
            ("openid email", json!({ "sub": "alice", "email": "alice@example.org", "email_verified": true })),
            // OpenID Connect Core section 5.3.2: what is empty is left out.
            ("openid address phone", json!({ "sub": "alice", "address": { "country": "CH" } })),
        ] {
            let reply = ask(&site, &bearing(&token_for(&site, scope, NOW)), NOW);
            assert_eq!(told(&reply), expected, "{scope}");
            assert_eq!((reply.event.kind, reply.event.effect), (EventKind::UserInfoRead, Effect::Nothing));
            assert_eq!(reply.event.subject, Some(subject()));
            assert_eq!(reply.event.client_id, Some(client_id("web")));
        }
    }
}

/// RFC 6749 section 6: a token of a narrower scope is told less.
#[test]
fn oidc_5_3_the_scope_of_the_token_counts_and_not_that_of_the_grant() {
    for site in sites() {
        let tokens = site.tokens_for("web", &[("scope", Some("openid email"))], NOW);
        let pairs = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token(&tokens).expose()),
            ("scope", "openid"),
        ];
        let narrow = issued(site.token("web", &pairs, NOW));
        assert_eq!(told(&ask(&site, &bearing(&narrow.access_token), NOW)), json!({ "sub": "alice" }));
        assert_eq!(told(&ask(&site, &bearing(&tokens.access_token), NOW))["email"], "alice@example.org");
    }
}

#[test]
fn oidc_5_3_1_the_token_comes_in_the_header_or_the_form() {
    for site in sites() {
        let token = token_for(&site, "openid", NOW);
        let form = HttpRequest::form("/userinfo", format!("access_token={}", token.expose()));
        let mut post = bearing(&token);
        post.method = "POST".into();
        for request in [&bearing(&token), &form, &post] {
            assert_eq!(told(&ask(&site, request, NOW)), json!({ "sub": "alice" }));
        }
        let twice = form.with_header("Authorization", format!("Bearer {}", token.expose()));
        let response = refused(&ask(&site, &twice, NOW), Reason::Bearer(BearerError::SeveralMethods));
        assert_eq!(response.status, 400);
        let challenge = response.headers.only("WWW-Authenticate").unwrap();
        assert!(challenge.starts_with("Bearer realm=\"userinfo\", error=\"invalid_request\""), "{challenge}");
    }
}

/// RFC 6750 section 3.1: no word about what is wrong.
#[test]
fn rfc6750_3_1_without_a_token_there_is_no_error_code() {
    let [site, _] = sites();
    let token = token_for(&site, "openid", NOW);
    let in_query = HttpRequest::new("GET", format!("/userinfo?access_token={}", token.expose()));
    let basic = HttpRequest::new("GET", "/userinfo").with_header("Authorization", "Basic YTpi");
    for request in
        [HttpRequest::new("GET", "/userinfo"), HttpRequest::form("/userinfo", "a=b"), in_query, basic]
    {
        let (reply, counts) = site.store.count(|| ask(&site, &request, NOW));
        assert_eq!(counts, [0, 0, 0]);
        let response = refused(&reply, Reason::Bearer(BearerError::NoCredentials));
        let challenge = response.headers.only("WWW-Authenticate");
        assert_eq!((response.status, challenge), (401, Some("Bearer realm=\"userinfo\"")));
    }
    let twice = HttpRequest::form("/userinfo", "access_token=a&access_token=a");
    let reason = Reason::Bearer(BearerError::Form(FormError::Repeated("access_token")));
    assert_eq!(refused(&ask(&site, &twice, NOW), reason).status, 400);
}

#[test]
fn rfc9110_15_5_6_other_methods_are_not_allowed() {
    let [site, _] = sites();
    for method in ["HEAD", "PUT", "DELETE", "OPTIONS", "get"] {
        let mut request = bearing(&token_for(&site, "openid", NOW));
        request.method = method.into();
        let response = refused(&ask(&site, &request, NOW), Reason::NotGetOrPost);
        assert_eq!((response.status, response.headers.only("Allow")), (405, Some("GET, POST")));
    }
}

/// BT-34.
#[test]
fn rfc6750_3_1_every_dead_token_has_one_answer() {
    for site in sites() {
        let tokens = site.tokens_for("web", &[("scope", Some("openid"))], NOW);
        let token = &tokens.access_token;
        told(&ask(&site, &bearing(token), NOW + 599));
        assert_invalid_token(&ask(&site, &bearing(token), NOW + 600), Reason::AccessTokenExpired);
        let other = Site::of(server_of("https://other.example")).tokens(NOW).access_token;
        let changed = SecretString::from(format!("{}A", token.expose()));
        let none = ["x", "gra_AAAA", "a.b.c"].map(SecretString::from);
        let others = [refresh_token(&tokens), tokens.id_token.as_ref().unwrap(), &other, &changed];
        for token in others.into_iter().chain(&none) {
            let (reply, counts) = site.store.count(|| ask(&site, &bearing(token), NOW));
            assert_invalid_token(&reply, Reason::AccessTokenUnknown);
            assert_eq!((counts, reply.event.grant), ([0, 0, 0], None));
        }
        site.store.fault.set(Some(Fault::NoGrants));
        assert_invalid_token(&ask(&site, &bearing(token), NOW), Reason::AccessTokenUnknown);
        site.store.fault.set(None);
        site.revoke("web", refresh_token(&tokens), NOW);
        let reply = ask(&site, &bearing(token), NOW);
        assert_invalid_token(&reply, Reason::AccessTokenRevoked);
        assert_eq!(reply.event.subject, Some(subject()));
    }
}

/// BT-35.
#[test]
fn oidc_5_3_a_token_without_openid_has_an_insufficient_scope() {
    for site in sites() {
        let reply = ask(&site, &bearing(&token_for(&site, "profile read", NOW)), NOW);
        let response = refused(&reply, Reason::OpenIdMissing);
        let challenge = "Bearer realm=\"userinfo\", error=\"insufficient_scope\", scope=\"openid\"";
        assert_eq!((response.status, response.headers.only("WWW-Authenticate")), (403, Some(challenge)));
    }
}

#[test]
fn oidc_5_3_a_client_is_no_person() {
    for site in sites() {
        let pairs = [("grant_type", "client_credentials"), ("scope", "openid email")];
        let token = issued(site.token("machine", &pairs, NOW)).access_token;
        assert_invalid_token(&ask(&site, &bearing(&token), NOW), Reason::AccessTokenOfClient);
    }
}

#[test]
fn oidc_5_3_4_nobody_is_told_of_another_person() {
    for site in sites() {
        let request = bearing(&token_for(&site, "openid email", NOW));
        let reply = site.run_adding(&site.server.userinfo(&request), NOW, |records| {
            let another = Subject::parse("Alice").unwrap();
            records.with_user_claims(another, Claims::from_json(PERSON).unwrap())
        });
        assert_eq!(told(&reply), json!({ "sub": "alice" }));
        // A host that knows nothing of the person.
        assert_eq!(told(&site.run(&site.server.userinfo(&request), NOW)), json!({ "sub": "alice" }));
    }
}

#[test]
fn a_suspended_person_is_not_told_of() {
    for site in sites() {
        let request = bearing(&token_for(&site, "openid", NOW));
        let suspended = |records| knowing_alice(records).with_suspended_subject();
        let reply = site.run_adding(&site.server.userinfo(&request), NOW, suspended);
        assert_invalid_token(&reply, Reason::AccessTokenRevoked);
    }
}

#[test]
fn what_was_granted_before_the_policy_says_is_over() {
    for mut site in sites() {
        let request = bearing(&token_for(&site, "openid", NOW));
        let later = Policy::default().with_not_before(support::time(NOW + 1));
        site.server = site.server.with_policy(later);
        assert_invalid_token(&ask(&site, &request, NOW), Reason::AccessTokenRevoked);
    }
}

/// The contract of the endpoint: any audience will do.
#[test]
fn a_token_for_another_resource_is_taken() {
    let policy = Policy::default().with_resources(["https://api.example/"]);
    let site = Site::with_policy(policy);
    let token = site.tokens(NOW).access_token;
    assert_eq!(site.claims(&token, "at+jwt")["aud"], "https://api.example/");
    assert_eq!(told(&ask(&site, &bearing(&token), NOW))["sub"], "alice");
    assert_eq!(site.server.issuer().as_str(), ISSUER);
}

#[test]
fn userinfo_costs_one_read_and_no_write() {
    for site in sites() {
        let request = bearing(&token_for(&site, "openid", NOW));
        assert_eq!(site.store.count(|| ask(&site, &request, NOW)).1, [1, 1, 0]);
    }
}

#[test]
fn debug_shows_no_token_and_no_personal_data() {
    for site in sites() {
        let token = token_for(&site, "openid email", NOW);
        let operation = site.server.userinfo(&bearing(&token));
        let reply = ask(&site, &bearing(&token), NOW);
        let printed = format!("{operation:?} {reply:?}");
        assert!(!printed.contains(token.expose()) && !printed.contains("alice@example.org"), "{printed}");
    }
}
