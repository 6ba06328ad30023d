//! The host's veto: a person who is suspended, and grants that began too long ago.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use core::cell::RefCell;
use core::time::Duration;

use grantry_core::{Issuer, SecretString};
use grantry_server::{
    AccessTokenFormat, Answered, ChangeSet, DeviceAnswer, Effect, Endpoints, EventKind, GrantType,
    Introspection, Lookup, MemoryStore, Operation, Outcome, Policy, Reason, Records, Reply, Revoked, Store,
    Subject, TokenAnswer, Verification, run,
};
use support::{
    CountingStore, ISSUER, NOW, Site, approval, assert_denied, client_id, code, fragment, issued, redemption,
    redirect, refresh_token, request, server_of, subject, time,
};

const READ: [usize; 3] = [1, 1, 0];
const WRITTEN: [usize; 3] = [1, 1, 1];

/// A host that keeps people beside grants, and looks at them in the same read.
struct Suspending<'a> {
    store: &'a CountingStore<MemoryStore>,
    suspended: RefCell<Vec<Subject>>,
}

impl Store for Suspending<'_> {
    type Error = support::StoreFault;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, Self::Error> {
        let records = Store::read(self.store, lookup)?;
        let suspended = self.suspended.borrow();
        let of_grant =
            lookup.grant.and_then(|id| records.grant(id)).and_then(|record| record.grant.subject());
        let people = [lookup.subject, of_grant];
        let is_suspended = people.into_iter().flatten().any(|subject| suspended.contains(subject));
        Ok(if is_suspended { records.with_suspended_subject() } else { records })
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, Self::Error> {
        Store::commit(self.store, changes)
    }
}

fn site_of(policy: Policy) -> Site {
    let endpoints = Endpoints::all_below(&Issuer::parse(ISSUER).unwrap());
    let policy = policy.danger_with_implicit_grant().danger_with_password_grant();
    let site = Site::of(server_of(ISSUER).with_policy(policy).with_endpoints(endpoints));
    site.register(
        "web",
        &[GrantType::ClientCredentials, GrantType::DeviceCode, GrantType::Password, GrantType::Implicit],
    );
    site
}

/// Runs an operation at a host that has suspended alice, and tells what it asked of the store.
fn suspended<O: Operation>(site: &Site, operation: &O) -> (O::Reply, [usize; 3]) {
    let store = Suspending { store: &site.store, suspended: RefCell::new(vec![subject()]) };
    site.store.count(|| run(&store, operation, site.moment(NOW)).unwrap())
}

fn token(site: &Site, pairs: &[(&str, &str)]) -> (Reply<TokenAnswer>, [usize; 3]) {
    suspended(site, &site.server.token(&request("web", "/token", pairs)))
}

fn refresh(site: &Site, token_text: &SecretString) -> (Reply<TokenAnswer>, [usize; 3]) {
    token(site, &[("grant_type", "refresh_token"), ("refresh_token", token_text.expose())])
}

#[track_caller]
fn assert_vetoed((reply, counts): &(Reply<TokenAnswer>, [usize; 3]), expected: [usize; 3]) {
    assert_denied(reply, "invalid_grant", Reason::SubjectSuspended);
    assert_eq!(
        (reply.answer.to_response().status, reply.event.effect, *counts),
        (400, Effect::Nothing, expected)
    );
}

/// RT-22, RT-26, CR-24.
#[test]
fn rfc9700_4_14_2_a_suspended_person_gets_nothing_and_loses_nothing() {
    for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
        let retry = Duration::from_secs(10);
        let policy = Policy::default().with_access_token_format(format);
        let site = site_of(policy.with_code_retry(retry).with_refresh_retry(retry));
        let code = site.code(NOW);
        let redeem = redemption("web", &code);
        assert_vetoed(&token(&site, &redeem.each()), READ);
        let first = issued(site.redeem("web", &code, NOW));
        // Also what would only be repeated.
        assert_vetoed(&token(&site, &redeem.each()), READ);
        assert_vetoed(&refresh(&site, refresh_token(&first)), READ);
        let second = issued(site.refresh("web", refresh_token(&first), NOW));
        assert_vetoed(&refresh(&site, refresh_token(&first)), READ);
        let event = refresh(&site, refresh_token(&second)).0.event;
        assert_eq!((event.subject, event.client_id), (Some(subject()), Some(client_id("web"))));
        assert!(event.grant.is_some());

        for caller in ["web", "api"] {
            for live in [&second.access_token, refresh_token(&second)] {
                let asked = request(caller, "/introspect", &[("token", live.expose())]);
                let (reply, counts) = suspended(&site, &site.server.introspect(&asked));
                assert_eq!((reply.answer, counts), (Introspection::Inactive, READ));
            }
        }
        // Until the host lifts it.
        assert!(site.is_active(&second.access_token, NOW));
        issued(site.refresh("web", refresh_token(&second), NOW));
    }
}

#[test]
fn a_device_of_a_suspended_person_gets_nothing() {
    let site = site_of(Policy::default());
    let asked = request("web", "/device_authorization", &[("scope", "read")]);
    let DeviceAnswer::Waiting(waiting) = site.run(&site.server.device_authorization(&asked), NOW).answer
    else {
        panic!("refused");
    };
    let found = site.run(&site.server.verify_user_code(waiting.user_code.expose()), NOW);
    let Verification::Interact(interaction) = found.answer else { panic!("{:?}", found.event) };
    let approve = site.server.approve(*interaction, approval());
    let (reply, counts) = suspended(&site, &approve);
    assert!(matches!(reply.answer, Answered::Page(_)));
    assert_eq!((reply.event.denial.unwrap().reason, counts), (Reason::SubjectSuspended, READ));
    site.run(&approve, NOW);
    let poll =
        [("grant_type", GrantType::DeviceCode.as_str()), ("device_code", waiting.device_code.expose())];
    assert_vetoed(&token(&site, &poll), READ);
    issued(site.token("web", &poll, NOW));
}

#[test]
fn a_suspended_person_approves_nothing() {
    let site = site_of(Policy::default());
    for response_type in ["code", "id_token token"] {
        let interaction = site.interaction("web", &[("response_type", Some(response_type))], NOW);
        let approve = site.server.approve(interaction, approval());
        let (reply, counts) = suspended(&site, &approve);
        // The client learns that it gets nothing, and not why.
        let url = redirect(&reply).url().expose();
        assert!(url.contains("error=access_denied") && !url.contains("suspended"), "{url}");
        assert_eq!((reply.event.denial.unwrap().reason, counts), (Reason::SubjectSuspended, READ));
        assert_eq!((reply.event.effect, reply.event.subject), (Effect::Nothing, Some(subject())));
        let first = site.run(&approve, NOW);
        // Nor is the answer repeated.
        let (again, counts) = suspended(&site, &approve);
        assert_eq!((again.event.denial.unwrap().reason, counts), (Reason::SubjectSuspended, READ));
        assert!(redirect(&first).url().expose().contains("state-1"));
        if response_type != "code" {
            assert!(fragment(redirect(&first)).get("access_token").is_some());
        }
    }
}

#[test]
fn a_suspended_person_has_no_password() {
    let site = site_of(Policy::default());
    let pairs = [("grant_type", "password"), ("username", "al"), ("password", "x")];
    let operation = site.server.token(&request("web", "/token", &pairs)).with_resource_owner(approval());
    assert_vetoed(&suspended(&site, &operation), [1, 0, 0]);
    issued(site.run(&operation, NOW));
}

/// Somebody holds a copy, and that is so whoever is suspended.
#[test]
fn an_alarm_is_raised_for_a_suspended_person_too() {
    let site = site_of(Policy::default());
    let first = site.tokens(NOW);
    let second = issued(site.refresh("web", refresh_token(&first), NOW));
    let (reply, counts) = refresh(&site, refresh_token(&first));
    assert_denied(&reply, "invalid_grant", Reason::RefreshTokenReused);
    assert_eq!(
        (reply.event.kind, reply.event.effect, counts),
        (EventKind::ReuseDetected, Effect::Written, WRITTEN)
    );
    let late = site.refresh("web", refresh_token(&second), NOW);
    assert_denied(&late, "invalid_grant", Reason::GrantRevoked);
    let code = site.code(NOW);
    issued(site.redeem("web", &code, NOW));
    let (reply, counts) = token(&site, &redemption("web", &code).each());
    assert_denied(&reply, "invalid_grant", Reason::CodeReused);
    assert_eq!(counts, WRITTEN);
}

#[test]
fn rfc7009_2_1_tokens_of_a_suspended_person_are_revoked() {
    let site = site_of(Policy::default());
    let tokens = site.tokens(NOW);
    let revoke = request("web", "/revoke", &[("token", refresh_token(&tokens).expose())]);
    let (reply, counts) = suspended(&site, &site.server.revoke(&revoke));
    assert_eq!((reply.answer, reply.event.effect, counts), (Revoked::Done, Effect::Written, WRITTEN));
    assert!(!site.is_active(&tokens.access_token, NOW), "also when they are back");
}

/// Another person, and a client for itself, go on.
#[test]
fn a_veto_is_of_one_person() {
    let site = site_of(Policy::default().with_access_token_format(AccessTokenFormat::Opaque));
    let bob = grantry_server::Approval::new(Subject::parse("bob").unwrap(), time(support::LOGIN));
    let approve = site.server.approve(site.interaction("web", &[], NOW), bob);
    let code = code(&suspended(&site, &approve).0);
    issued(token(&site, &redemption("web", &code).each()).0);
    let own = issued(token(&site, &[("grant_type", "client_credentials")]).0);
    let asked = request("web", "/introspect", &[("token", own.access_token.expose())]);
    let (reply, _) = suspended(&site, &site.server.introspect(&asked));
    assert!(matches!(reply.answer, Introspection::Active(_)));
}

/// The read of an approval, and of a password that was accepted, names the person.
#[test]
fn a_lookup_names_who_asks() {
    let site = site_of(Policy::default());
    let moment = site.moment(NOW);
    let approve = site.server.approve(site.interaction("web", &[], NOW), approval());
    assert_eq!(approve.lookup(&moment).subject, Some(&subject()));
    let pairs = [("grant_type", "password"), ("username", "al"), ("password", "x")];
    let unknown = site.server.token(&request("web", "/token", &pairs));
    assert_eq!(unknown.lookup(&moment).subject, None);
    assert_eq!(unknown.with_resource_owner(approval()).lookup(&moment).subject, Some(&subject()));
}

/// IN-16: of the general time and that of a client the later one counts, for everything of a grant.
#[test]
fn cve_2026_8922_grants_from_before_a_time_have_ended() {
    for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
        let policy = Policy::default().with_access_token_format(format);
        let mut site = site_of(policy.clone());
        let tokens = site.tokens(NOW);
        let code = site.code(NOW);
        let [web, other] = ["web", "other"].map(client_id);
        let before = |general: u64| policy.clone().with_not_before(time(general));
        for (ending, is_alive) in [
            (before(NOW), true),
            (before(NOW + 1), false),
            (policy.clone().with_not_before_of_client(web.clone(), time(NOW + 1)), false),
            (policy.clone().with_not_before_of_client(other, time(NOW + 1)), true),
            (before(NOW + 1).with_not_before_of_client(web.clone(), time(NOW - 9)), false),
            (before(NOW - 9).with_not_before_of_client(web.clone(), time(NOW + 1)), false),
            (before(NOW - 9).with_not_before_of_client(web, time(NOW)), true),
        ] {
            site.server = server_of(ISSUER).with_policy(ending);
            assert_eq!(site.is_active(&tokens.access_token, NOW), is_alive);
            assert_eq!(site.is_active(refresh_token(&tokens), NOW), is_alive);
            if is_alive {
                continue;
            }
            for reply in [site.refresh("web", refresh_token(&tokens), NOW), site.redeem("web", &code, NOW)] {
                assert_denied(&reply, "invalid_grant", Reason::GrantRevoked);
                assert_eq!(reply.event.effect, Effect::Nothing);
            }
            // What is asked for from now on lives.
            let later = site.tokens(NOW + 2);
            assert!(site.is_active(&later.access_token, NOW + 2));
        }
        // The record was not touched: without the rule all of it is back.
        site.server = server_of(ISSUER).with_policy(policy);
        issued(site.redeem("web", &code, NOW));
        let revoked = site.revoke("web", refresh_token(&tokens), NOW);
        assert_eq!(revoked.event.effect, Effect::Written);
        assert!(!site.is_active(&tokens.access_token, NOW));
    }
}

/// A page that is still open repeats no tokens of a grant that was ended, and no old request becomes a grant.
#[test]
fn what_was_ended_is_not_answered_again() {
    let ended = |site: &mut Site| {
        let policy = Policy::default().danger_with_implicit_grant().with_not_before(time(NOW + 10));
        site.server = site.server.clone().with_policy(policy);
    };
    let mut site = site_of(Policy::default());
    let implicit =
        [("response_type", Some("token")), ("code_challenge", None), ("code_challenge_method", None)];
    let page = site.interaction("web", &implicit, NOW);
    site.approve(page.clone(), NOW);
    ended(&mut site);
    let (reply, counts) = site.store.count(|| site.approve(page, NOW + 20));
    assert_eq!((reply.event.denial.unwrap().reason, counts), (Reason::AlreadyAnswered, READ));

    let mut site = site_of(Policy::default());
    let page = site.interaction("web", &[], NOW);
    site.approve(page.clone(), NOW);
    ended(&mut site);
    let reply = site.approve(page, NOW + 20);
    assert_eq!(reply.event.denial.unwrap().reason, Reason::AlreadyAnswered);

    let mut site = site_of(Policy::default());
    let uri = support::pushed(site.push("web", &[], NOW)).request_uri;
    let query = grantry_core::form::encode([("client_id", "web"), ("request_uri", uri.expose())]);
    ended(&mut site);
    let reply = site.authorize(&query, NOW + 20);
    assert_eq!(reply.event.denial.unwrap().reason, Reason::PushedRequestUnknown);
}

#[test]
fn oidc_3_1_2_1_a_login_that_is_still_to_come_is_none() {
    let site = site_of(Policy::default());
    let hour = grantry_server::Grant::CLOCK_MARGIN.as_secs();
    for (login, is_granted) in [(NOW + hour, true), (NOW + hour + 1, false), (NOW * 1000, false)] {
        let page = site.interaction("web", &[("prompt", Some("login"))], NOW);
        let approval = grantry_server::Approval::new(subject(), time(login));
        let reply = site.run(&site.server.approve(page, approval), NOW);
        let reason = reply.event.denial.map(|denial| denial.reason);
        assert_eq!(reason, (!is_granted).then_some(Reason::LoginNeeded), "{login}");
    }
}
