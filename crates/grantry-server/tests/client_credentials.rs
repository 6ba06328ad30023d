//! The client credentials grant (RFC 6749 section 4.4): a client asks for itself.
#![expect(clippy::panic, reason = "a test fails by panicking")]

mod support;

use core::time::Duration;

use grantry_core::{HttpRequest, Moment, SecretString, UnixTime};
use grantry_server::{
    AccessTokenFormat, ActiveToken, Approval, Change, Decision, Effect, EventKind, Grant, GrantType,
    Introspection, IntrospectionRight, Operation, Outcome, Policy, Reason, Records, Revoked, Server, Store,
    Subject, TokenResponse,
};
use serde_json::{Value, json};
use support::{
    ISSUER, KEY, LOGIN, NOW, Site, assert_denied, client_id, clients, code, handle_key, issued, request,
    scope, server_of, time,
};

const API: &str = "https://api.example";
const BANK: &str = "https://bank.example";
const CLIENT_READ: [usize; 3] = [1, 0, 0];
/// The record of a new grant is not read first.
const INSERTED: [usize; 3] = [1, 0, 1];

fn site_of(policy: Policy) -> Site {
    let site = Site::with_policy(policy.with_resources([API, BANK]));
    for client in ["web", "post", "native"] {
        site.register(client, &[GrantType::ClientCredentials]);
    }
    site
}

fn jwt() -> Site {
    site_of(Policy::default())
}

fn opaque() -> Site {
    site_of(Policy::default().with_access_token_format(AccessTokenFormat::Opaque))
}

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

fn token(site: &Site, client: &str, more: &[(&str, &str)]) -> TokenResponse {
    issued(site.token(client, &[&[GRANT], more].concat(), NOW))
}

fn active(site: &Site, caller: &str, token: &SecretString, now: u64) -> Option<ActiveToken> {
    match site.introspect(caller, token, now) {
        Introspection::Active(token) => Some(token),
        Introspection::Inactive => None,
        Introspection::Denied(denial) => panic!("{denial}"),
    }
}

/// CC-01, CC-07.
#[test]
fn rfc9068_2_2_a_client_token_speaks_for_the_client_and_writes_nothing() {
    let site = jwt();
    let (reply, counts) = site.store.count(|| site.token("web", &[GRANT], NOW));
    assert_eq!(counts, CLIENT_READ);
    let event = &reply.event;
    assert_eq!((event.kind, event.effect), (EventKind::ClientTokenIssued, Effect::Nothing));
    assert_eq!((event.client_id.clone(), event.grant, &event.subject), (Some(client_id("web")), None, &None));
    let response = reply.answer.to_response();
    assert_eq!((response.status, response.headers.only("Cache-Control")), (200, Some("no-store")));
    let mut body = support::json(&response);
    body.as_object_mut().unwrap().remove("access_token");
    // RFC 6749 section 4.4.3: no refresh token.
    assert_eq!(body, json!({ "token_type": "Bearer", "expires_in": 600, "scope": "read" }));
    let mut claims = site.claims(&issued(reply).access_token, "at+jwt");
    let jti = claims.as_object_mut().unwrap().remove("jti").unwrap();
    assert!(jti.as_str().unwrap().starts_with("grs_"));
    let expected = json!({
        "iss": ISSUER, "sub": "web", "client_id": "web", "aud": API, "scope": "read", "iat": NOW,
        "exp": NOW + 600,
    });
    assert_eq!(claims, expected);
}

/// CC-01.
#[test]
fn rfc6749_4_4_3_an_opaque_client_token_is_one_record_without_a_person() {
    let site = opaque();
    let (reply, counts) = site.store.count(|| site.token("web", &[GRANT, ("scope", "openid read")], NOW));
    assert_eq!(counts, INSERTED);
    let event = &reply.event;
    assert_eq!((event.kind, event.effect), (EventKind::ClientTokenIssued, Effect::Written));
    let grant = site.store.last_written();
    assert_eq!((event.grant, event.client_id.as_ref()), (Some(grant.id()), Some(grant.client_id())));
    assert_eq!((grant.subject(), grant.expires_at()), (None, time(NOW + 600)));
    let tokens = issued(reply);
    assert!(tokens.access_token.expose().starts_with("gra_"));
    // Neither, also where the client may refresh and asks for openid.
    assert!(tokens.refresh_token.is_none() && tokens.id_token.is_none());
}

/// CC-02, CC-06.
#[test]
fn rfc6749_4_4_only_a_confidential_client_that_is_registered_for_it() {
    for site in [jwt(), opaque()] {
        let (reply, counts) = site.store.count(|| site.token("native", &[GRANT], NOW));
        assert_denied(&reply, "invalid_client", Reason::ClientNotConfidential);
        assert_eq!((reply.answer.to_response().status, counts), (401, CLIENT_READ));
        let reply = site.token("other", &[GRANT, ("scope", "read")], NOW);
        assert_denied(&reply, "unauthorized_client", Reason::GrantTypeNotRegistered);
        assert_eq!(reply.event.kind, EventKind::RequestRefused);
        let wrong = HttpRequest::form("/token", "grant_type=client_credentials")
            .with_header("Authorization", support::basic("web", "wrong"));
        let reply = site.run(&site.server.token(&wrong), NOW);
        assert_denied(&reply, "invalid_client", Reason::ClientNotAuthenticated);
    }
}

/// CC-04.
#[test]
fn rfc6749_3_3_a_client_asks_for_no_more_than_its_registration() {
    for site in [jwt(), opaque()] {
        assert_eq!(token(&site, "post", &[("scope", "write")]).scope, scope("write"));
        for (asked, reason) in [
            ("read admin", Reason::ScopeNotRegistered),
            ("Read", Reason::ScopeNotRegistered),
            ("read write\u{e9}", Reason::Scope(grantry_core::ScopeError::Character)),
        ] {
            let (reply, counts) = site.store.count(|| site.token("web", &[GRANT, ("scope", asked)], NOW));
            assert_denied(&reply, "invalid_scope", reason);
            assert_eq!((reply.answer.to_response().status, counts), (400, CLIENT_READ));
        }
        let without_default = clients().into_iter().find(|client| client.id().as_str() == "web").unwrap();
        site.store.inner.put_client(without_default.with_grant_types([GrantType::ClientCredentials]));
        assert_denied(&site.token("web", &[GRANT], NOW), "invalid_scope", Reason::ScopeMissing);
    }
}

/// CC-11, IN-07: for its client, for a resource server of its audience, and for nobody else.
#[test]
fn rfc7662_4_a_client_token_is_described_to_its_client_and_its_audience() {
    for (site, counts) in [(jwt(), CLIENT_READ), (opaque(), [1, 1, 0])] {
        let of = |resource: &str| {
            let right = IntrospectionRight::AccessTokensFor([resource.to_owned()].into());
            clients()
                .into_iter()
                .find(|client| client.id().as_str() == "api")
                .unwrap()
                .with_introspection(right)
        };
        let answer = token(&site, "web", &[("resource", BANK), ("scope", "write")]);
        let (described, count) = site.store.count(|| active(&site, "web", &answer.access_token, NOW + 1));
        let described = described.unwrap();
        assert_eq!(count, counts);
        assert_eq!(&*described.sub, "web");
        assert_eq!(described.client_id, client_id("web"));
        assert_eq!((described.scope.clone(), described.exp), (scope("write"), time(NOW + 600)));
        assert_eq!((described.aud.clone(), described.token_type), (vec![BANK.to_owned()], Some("Bearer")));
        assert_eq!((described.auth_time, described.acr.clone()), (None, None));
        assert_eq!(active(&site, "api", &answer.access_token, NOW + 1), Some(described.clone()));
        site.store.inner.put_client(of(BANK));
        assert_eq!(active(&site, "api", &answer.access_token, NOW + 1), Some(described));
        site.store.inner.put_client(of(API));
        for stranger in ["api", "other", "post"] {
            assert_eq!(active(&site, stranger, &answer.access_token, NOW + 1), None, "{stranger}");
        }
        assert!(active(&site, "web", &answer.access_token, NOW + 599).is_some());
        assert!(active(&site, "web", &answer.access_token, NOW + 600).is_none());
    }
}

fn revoke(site: &Site, client: &str, token: &SecretString, now: u64) -> (Effect, [usize; 3]) {
    let (reply, counts) = site.store.count(|| site.revoke(client, token, now));
    assert_eq!(reply.answer, Revoked::Done);
    let response = reply.answer.to_response();
    assert_eq!((response.status, response.headers.only("Cache-Control")), (200, Some("no-store")));
    (reply.event.effect, counts)
}

/// RV-02, RV-03, RV-05 and RV-16 for a token without a record.
#[test]
fn rfc7009_2_1_a_client_token_is_revoked_by_its_client_alone_and_once() {
    let site = jwt();
    let first = token(&site, "web", &[]).access_token;
    let second = token(&site, "web", &[]).access_token;
    for stranger in ["other", "post", "native", "api"] {
        assert_eq!(revoke(&site, stranger, &first, NOW), (Effect::Nothing, CLIENT_READ));
    }
    assert!(active(&site, "web", &first, NOW).is_some());
    let (effect, [reads, _, commits]) = revoke(&site, "web", &first, NOW);
    assert_eq!((effect, reads, commits), (Effect::Noted, 1, 1));
    for caller in ["web", "api"] {
        assert_eq!(active(&site, caller, &first, NOW), None);
        assert!(active(&site, caller, &second, NOW).is_some(), "alone");
    }
    assert_eq!(revoke(&site, "web", &first, NOW), (Effect::Nothing, CLIENT_READ));
    // Nothing is noted for what is dead anyway.
    assert_eq!(revoke(&site, "web", &second, NOW + 600), (Effect::Nothing, CLIENT_READ));
    assert!(active(&site, "web", &second, NOW + 599).is_some());
}

#[test]
fn an_opaque_client_token_is_revoked_with_its_record() {
    let site = opaque();
    let answer = token(&site, "web", &[]);
    assert_eq!(revoke(&site, "other", &answer.access_token, NOW), (Effect::Nothing, [1, 1, 0]));
    assert_eq!(revoke(&site, "web", &answer.access_token, NOW), (Effect::Written, [1, 1, 1]));
    assert_eq!(active(&site, "web", &answer.access_token, NOW), None);
}

/// The note lives as long as any host of the store takes the token for alive, and no longer.
#[test]
fn the_note_of_a_revoked_token_is_bounded_by_its_expiry() {
    let site = jwt();
    let answer = token(&site, "web", &[]);
    let revoke_request = request("web", "/revoke", &[("token", answer.access_token.expose())]);
    let operation = site.server.revoke(&revoke_request);
    let moment = site.moment(NOW);
    let records = site.store.inner.read(&operation.lookup(&moment)).unwrap();
    let Decision::Commit(commit) = operation.decide(&records, &moment) else { panic!("a commit") };
    let [Change::Claim { id, until }] = commit.changes().iter().collect::<Vec<_>>()[..] else {
        panic!("{:?}", commit.changes());
    };
    let margin = Grant::CLOCK_MARGIN.as_secs();
    assert_eq!((*until, operation.lookup(&moment).claim), (time(NOW + 600 + margin), Some(*id)));
    assert_eq!(site.store.inner.commit(commit.changes()).unwrap(), Outcome::Applied);
    // A sweep by a clock that is ahead does not bring it back for one that is behind.
    assert_eq!(site.store.inner.sweep_all(time(NOW + 600 + margin - 1)), 0);
    assert_eq!(active(&site, "web", &answer.access_token, NOW + 599), None);
    assert_eq!(site.store.inner.sweep_all(time(NOW + 600 + margin)), 1);
}

/// The loser of two revocations decides again, and sees that it is done.
#[test]
fn two_revocations_at_once_are_both_answered() {
    let site = jwt();
    let answer = token(&site, "web", &[]);
    let revoke_request = request("web", "/revoke", &[("token", answer.access_token.expose())]);
    let operation = site.server.revoke(&revoke_request);
    let moment = site.moment(NOW);
    let before = site.store.inner.read(&operation.lookup(&moment)).unwrap();
    let Decision::Commit(late) = operation.decide(&before, &moment) else { panic!("a commit") };
    assert_eq!(site.revoke("web", &answer.access_token, NOW).event.effect, Effect::Noted);
    assert_eq!(site.store.inner.commit(late.changes()).unwrap(), Outcome::Conflict);
    late.resolve(Outcome::Conflict).unwrap_err();
    let after = site.store.inner.read(&operation.lookup(&moment)).unwrap();
    let Decision::Reply(reply) = operation.decide(&after, &moment) else { panic!("a reply") };
    assert_eq!((reply.answer, reply.event.effect), (Revoked::Done, Effect::Nothing));
}

/// Whoever has the signing key has no handle key: the `jti` is what opens.
#[test]
fn a_forged_or_foreign_jti_opens_nothing() {
    let site = jwt();
    let answer = token(&site, "web", &[]);
    let claims = site.claims(&answer.access_token, "at+jwt");
    let sign = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        SecretString::from(KEY.sign_claims(Some("at+jwt"), &changed).unwrap())
    };
    let same = sign("iss", json!(ISSUER));
    assert!(active(&site, "web", &same, NOW).is_some());
    let jti = claims["jti"].as_str().unwrap();
    let flipped = |position: usize| {
        let mut bytes = grantry_core::base64url::decode(jti.strip_prefix("grs_").unwrap()).unwrap();
        bytes[position] ^= 1;
        format!("grs_{}", grantry_core::base64url::encode(bytes))
    };
    let of_a_grant = site.claims(&site.tokens(NOW).access_token, "at+jwt")["jti"].clone();
    let stateless = of_a_grant.as_str().unwrap().replace("gri_", "grs_");
    let mut forged: Vec<Value> = (0..71).map(|position| json!(flipped(position))).collect();
    forged.extend([json!(stateless), json!(jti.replace("grs_", "gri_")), json!("grs_"), json!(""), json!(7)]);
    for jti in forged {
        let forged = sign("jti", jti.clone());
        let (found, [_, grant_reads, commits]) = site.store.count(|| active(&site, "web", &forged, NOW));
        assert_eq!((found, grant_reads, commits), (None, 0, 0), "{jti}");
        assert_eq!(revoke(&site, "web", &forged, NOW).0, Effect::Nothing);
    }
    // The end of the token stands in its `jti` as well.
    for exp in [NOW + 599, NOW + 601, u64::MAX] {
        assert_eq!(active(&site, "web", &sign("exp", json!(exp)), NOW), None);
    }
    // A `jti` by itself is no token.
    assert_eq!(active(&site, "web", &SecretString::from(jti), NOW), None);
    let other =
        Server::new(grantry_core::Issuer::parse(ISSUER).unwrap(), KEY.clone(), handle_key(2)).unwrap();
    let other = Site::of(other);
    assert_eq!(active(&other, "web", &answer.access_token, NOW), None);
}

/// CC-07: RFC 9700 section 4.15.
#[test]
fn rfc9700_4_15_no_person_has_the_name_of_the_client() {
    let site = site_of(Policy::default().danger_with_password_grant());
    site.register("web", &[GrantType::Password]);
    let approval = || Approval::new(Subject::parse("web").unwrap(), time(LOGIN));
    let interaction = site.interaction("web", &[], NOW);
    let (reply, counts) =
        site.store.count(|| site.run(&site.server.approve(interaction.clone(), approval()), NOW));
    assert_eq!(reply.event.denial.unwrap().reason, Reason::SubjectIsClient);
    assert_eq!((reply.event.effect, counts), (Effect::Nothing, [1, 1, 0]));
    assert_eq!(reply.answer.to_response().status, 400);
    let pairs = [("grant_type", "password"), ("username", "web"), ("password", "x")];
    let operation = site.server.token(&request("web", "/token", &pairs)).with_resource_owner(approval());
    let (reply, counts) = site.store.count(|| site.run(&operation, NOW));
    assert_denied(&reply, "invalid_grant", Reason::SubjectIsClient);
    assert_eq!(counts, CLIENT_READ);
    // To another client the same person is a person.
    let other = site.interaction("other", &[], NOW);
    issued(site.redeem("other", &code(&site.run(&site.server.approve(other, approval()), NOW)), NOW));
}

#[test]
fn the_lifetime_of_a_client_token_is_the_shortest_that_holds_for_it() {
    let short = Duration::from_secs(30);
    for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
        let policy = Policy::default().with_access_token_format(format);
        let site = site_of(policy.with_access_token_lifetime_of_scope("write", short));
        for (asked, seconds) in [("read", 600), ("read write", 30)] {
            let answer = token(&site, "web", &[("scope", asked)]);
            assert_eq!(answer.expires_in, seconds);
            assert!(active(&site, "web", &answer.access_token, NOW + seconds - 1).is_some());
            assert!(active(&site, "web", &answer.access_token, NOW + seconds).is_none());
        }
    }
}

/// IN-16: a token without a record has its time in itself.
#[test]
fn cve_2026_8922_not_before_ends_client_tokens_and_the_later_time_rules() {
    for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
        let policy = Policy::default().with_access_token_format(format).with_resources([API]);
        let mut site = site_of(policy.clone());
        let answer = token(&site, "web", &[]);
        for (general, own, is_alive) in [
            (NOW, NOW, true),
            (NOW + 1, 0, false),
            (0, NOW + 1, false),
            (NOW + 1, NOW - 9, false),
            (NOW - 9, NOW + 1, false),
        ] {
            let policy = policy.clone().with_not_before(time(general));
            let policy = policy.with_not_before_of_client(client_id("web"), time(own));
            site.server = server_of(ISSUER).with_policy(policy);
            assert_eq!(
                active(&site, "web", &answer.access_token, NOW).is_some(),
                is_alive,
                "{general} {own}"
            );
        }
        let of_another = policy.clone().with_not_before_of_client(client_id("other"), UnixTime::MAX);
        site.server = server_of(ISSUER).with_policy(of_another);
        assert!(active(&site, "web", &answer.access_token, NOW).is_some());
    }
}

#[test]
fn the_same_moment_makes_the_same_token() {
    let site = jwt();
    let token = site.server.token(&request("web", "/token", &[GRANT]));
    let decide = |seed: u8| {
        let moment = Moment::new(time(NOW), [seed; 32]);
        let records: Records = site.store.inner.read(&token.lookup(&moment)).unwrap();
        let Decision::Reply(reply) = token.decide(&records, &moment) else { panic!("a reply") };
        issued(reply).access_token
    };
    assert!(decide(1).matches(decide(1).expose()));
    assert!(!decide(1).matches(decide(2).expose()));
}

/// The `jti` is read before the signature is checked: by itself it makes no other claim true.
#[test]
fn rfc7515_5_2_a_genuine_jti_under_another_signature_opens_nothing() {
    let site = jwt();
    let token = token(&site, "web", &[]).access_token;
    let mut claims = site.claims(&token, "at+jwt");
    claims["scope"] = json!("openid read write");
    let stranger = support::private_key("JK-107.4", KEY.key_id().unwrap());
    let resigned = stranger.sign_claims(Some("at+jwt"), &claims).unwrap();
    let (head, signature) = token.expose().rsplit_once('.').unwrap();
    let header = head.split('.').next().unwrap();
    let altered = format!("{header}.{}.{signature}", grantry_core::base64url::encode(claims.to_string()));
    for forged in [resigned, altered] {
        let forged = SecretString::from(forged);
        assert_eq!(active(&site, "web", &forged, NOW), None);
        assert_eq!(revoke(&site, "web", &forged, NOW), (Effect::Nothing, CLIENT_READ));
    }
    assert!(active(&site, "web", &token, NOW).is_some());
}
