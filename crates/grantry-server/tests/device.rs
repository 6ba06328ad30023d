//! The polls of a device ([RFC 8628 section 3.4](https://www.rfc-editor.org/rfc/rfc8628#section-3.4)).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use core::time::Duration;

use grantry_core::form::{self, FormError};
use grantry_core::{HttpRequest, Moment, base64url};
use grantry_server::{
    Answered, Decision, DeviceResponse, Effect, Endpoint, EventKind, Introspection, Operation, Outcome,
    Policy, Reason, Refusal, Reply, Store, Token, TokenAnswer,
};
use serde_json::json;
use support::{
    DEVICE_CODE, Fault, ISSUER, LOGIN, NOW, Site, assert_denied, assert_error, assert_pending, assert_waits,
    basic, client_id, every_endpoint, issued, json, refresh_token, request, time, waiting,
};
const UNTOUCHED: [usize; 3] = [0, 0, 0];
const READ: [usize; 3] = [1, 1, 0];
const WRITTEN: [usize; 3] = [1, 1, 1];
/// The life of a device code, in seconds.
const LIFETIME: u64 = 600;

fn site() -> Site {
    every_endpoint(Policy::default())
}

fn retrying() -> Site {
    every_endpoint(Policy::default().with_code_retry(Duration::from_secs(10)))
}

#[track_caller]
fn assert_slow_down(reply: &Reply<TokenAnswer>) {
    assert_waits(reply, "slow_down", Reason::PolledTooSoon);
}

fn poll_pairs(device: &DeviceResponse) -> [(&'static str, &str); 2] {
    [("grant_type", DEVICE_CODE), ("device_code", device.device_code.expose())]
}

/// DV-02.
#[test]
fn rfc8628_3_5_a_device_waits_for_the_person() {
    let site = site();
    let device = site.device("native", NOW);
    let (reply, counts) = site.store.count(|| site.poll("native", &device, NOW));
    assert_pending(&reply);
    assert_eq!(counts, WRITTEN);
    assert_eq!(reply.event.client_id, Some(client_id("native")));
    assert_eq!(reply.event.grant, Some(site.store.last_written().id()));
    assert!(json(&reply.answer.to_response()).get("access_token").is_none());
}

/// DV-03: at once, then after 5 seconds less one for the way.
#[test]
fn rfc8628_3_5_a_poll_may_come_one_second_early() {
    let site = site();
    let device = site.device("native", NOW);
    assert_pending(&site.poll("native", &device, NOW));
    assert_pending(&site.poll("native", &device, NOW + 4));
    assert_pending(&site.poll("native", &device, NOW + 9));
    assert_slow_down(&site.poll("native", &device, NOW + 12));
}

/// DV-03.
#[test]
fn rfc8628_3_5_slow_down_grows_the_interval_for_good() {
    let site = site();
    let device = site.device("native", NOW);
    assert_pending(&site.poll("native", &device, NOW));
    let (reply, counts) = site.store.count(|| site.poll("native", &device, NOW + 3));
    assert_slow_down(&reply);
    assert_eq!(counts, WRITTEN);
    // 10 seconds from now on.
    assert_slow_down(&site.poll("native", &device, NOW + 11));
    // 15 seconds from now on, also after a poll that came in time.
    assert_pending(&site.poll("native", &device, NOW + 25));
    assert_pending(&site.poll("native", &device, NOW + 39));
    assert_slow_down(&site.poll("native", &device, NOW + 52));
}

#[test]
fn rfc8628_3_5_a_device_that_never_slows_down_comes_to_an_end() {
    let site = site();
    let device = site.device("native", NOW);
    assert_pending(&site.poll("native", &device, NOW));
    let before = site.store.last_written().to_bytes().len();
    for now in NOW..NOW + LIFETIME {
        assert_slow_down(&site.poll("native", &device, now));
    }
    assert!(site.store.last_written().to_bytes().len() <= before + 4 + 8);
    let reply = site.poll("native", &device, NOW + LIFETIME);
    assert_denied(&reply, "expired_token", Reason::DeviceCodeExpired);
}

/// An approval ends the waiting, also for a device that asks too soon.
#[test]
fn rfc8628_3_5_an_approved_device_does_not_have_to_slow_down() {
    let site = site();
    let device = site.device("native", NOW);
    assert_pending(&site.poll("native", &device, NOW));
    site.approve(site.find(&device, NOW), NOW);
    issued(site.poll("native", &device, NOW));
}

/// A clock that was set back costs a device one slow_down, and no more.
#[test]
fn rfc8628_3_5_a_clock_that_goes_back_holds_nobody_up() {
    let site = site();
    let device = site.device("native", NOW);
    assert_pending(&site.poll("native", &device, NOW + 500));
    assert_slow_down(&site.poll("native", &device, NOW));
    assert_pending(&site.poll("native", &device, NOW + 9));
}

#[test]
fn rfc8628_3_4_a_device_gets_its_tokens() {
    let site = site();
    let pairs = [("scope", "openid read offline_access")];
    let device = waiting(site.ask_for_device("web", &pairs, NOW));
    site.approve(site.find(&device, NOW), NOW + 10);
    let (reply, counts) = site.store.count(|| site.poll("web", &device, NOW + 20));
    assert_eq!(counts, WRITTEN);
    let event = &reply.event;
    assert_eq!((event.endpoint, event.kind), (Endpoint::Token, EventKind::DeviceCodeRedeemed));
    assert_eq!((event.effect, &event.subject), (Effect::Written, &Some(support::subject())));
    let response = reply.answer.to_response();
    assert_eq!((response.status, response.headers.only("Cache-Control")), (200, Some("no-store")));
    let tokens = issued(reply);
    let claims = site.claims(&tokens.access_token, "at+jwt");
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("alice"), &json!("web")));
    assert_eq!((&claims["iat"], &claims["aud"]), (&json!(NOW + 20), &json!(ISSUER)));
    let id_token = site.claims(tokens.id_token.as_ref().unwrap(), "JWT");
    assert_eq!((&id_token["auth_time"], id_token.get("nonce")), (&json!(LOGIN), None));
    let next = issued(site.refresh("web", refresh_token(&tokens), NOW + 30));
    assert!(site.is_active(&next.access_token, NOW + 30));
    // Its life is the grant's from now on, and not the device code's.
    issued(site.refresh("web", refresh_token(&next), NOW + 2 * LIFETIME));
}

#[test]
fn rfc8707_2_2_a_device_may_narrow_its_resources() {
    let resources = ["https://a.example", "https://b.example"];
    let site = every_endpoint(Policy::default().with_resources(resources));
    let asked = [("scope", "read"), ("resource", resources[0]), ("resource", resources[1])];
    let device = waiting(site.ask_for_device("web", &asked, NOW));
    site.approve(site.find(&device, NOW), NOW);
    let token = |resource| {
        let mut pairs = poll_pairs(&device).to_vec();
        pairs.push(("resource", resource));
        site.token("web", &pairs, NOW)
    };
    let (reply, counts) = site.store.count(|| token("https://c.example"));
    assert_denied(&reply, "invalid_target", Reason::ResourceUnknown);
    assert_eq!(counts, READ);
    let tokens = issued(token(resources[1]));
    assert_eq!(site.claims(&tokens.access_token, "at+jwt")["aud"], resources[1]);
}

/// DV-05.
#[test]
fn rfc8628_3_5_a_denial_is_told_once() {
    let site = site();
    let device = site.device("native", NOW);
    let reply = site.refuse(&site.find(&device, NOW), Refusal::AccessDenied);
    assert!(matches!(reply.answer, Answered::DeviceRefused));
    let event = &reply.event;
    assert_eq!((event.endpoint, event.kind), (Endpoint::Verification, EventKind::AuthorizationRefused));
    assert_eq!((event.effect, event.denial), (Effect::Written, Some(Reason::Refused.into())));
    let (reply, counts) = site.store.count(|| site.poll("native", &device, NOW));
    assert_waits(&reply, "access_denied", Reason::Refused);
    assert_eq!(counts, WRITTEN);
    for _ in 0..2 {
        let (reply, counts) = site.store.count(|| site.poll("native", &device, NOW + 10));
        assert_denied(&reply, "invalid_grant", Reason::GrantRevoked);
        assert_eq!((reply.event.kind, counts), (EventKind::RequestRefused, READ));
    }
}

/// DV-06: whether somebody let the device in, refused it, did nothing, or the record was swept.
#[test]
fn rfc8628_3_5_a_device_code_expires() {
    let site = site();
    let pending = site.device("native", NOW);
    let denied = site.device("native", NOW);
    site.refuse(&site.find(&denied, NOW), Refusal::AccessDenied);
    let in_time = site.approved("native", NOW);
    let late = site.approved("native", NOW);
    assert_pending(&site.poll("native", &pending, NOW + LIFETIME - 1));
    issued(site.poll("native", &in_time, NOW + LIFETIME - 1));
    for device in [&pending, &denied, &late] {
        let (reply, counts) = site.store.count(|| site.poll("native", device, NOW + LIFETIME));
        assert_denied(&reply, "expired_token", Reason::DeviceCodeExpired);
        assert_error(&reply.answer.to_response(), 400, "expired_token");
        assert_eq!(counts, READ);
    }
    site.store.fault.set(Some(Fault::NoGrants));
    let reply = site.poll("native", &pending, NOW + LIFETIME);
    assert_denied(&reply, "expired_token", Reason::DeviceCodeExpired);
    let reply = site.poll("native", &pending, NOW + LIFETIME - 1);
    assert_denied(&reply, "invalid_grant", Reason::DeviceCodeUnknown);
}

/// DV-08: and whoever has a copy ends the grant.
#[test]
fn rfc8628_3_4_a_device_code_is_used_once_and_a_copy_raises_the_alarm() {
    let site = site();
    let device = site.approved("native", NOW);
    let tokens = issued(site.poll("native", &device, NOW));
    let (reply, counts) = site.store.count(|| site.poll("native", &device, NOW));
    assert_denied(&reply, "invalid_grant", Reason::DeviceCodeReused);
    assert_eq!((reply.event.kind, counts), (EventKind::ReuseDetected, WRITTEN));
    assert_denied(
        &site.refresh("native", refresh_token(&tokens), NOW),
        "invalid_grant",
        Reason::GrantRevoked,
    );
    assert_eq!(site.introspect("api", &tokens.access_token, NOW), Introspection::Inactive);
    let (reply, counts) = site.store.count(|| site.poll("native", &device, NOW));
    assert_denied(&reply, "invalid_grant", Reason::GrantRevoked);
    assert_eq!(counts, READ);
}

#[test]
fn a_lost_reply_is_repeated_inside_the_window() {
    let site = retrying();
    let device = site.approved("native", NOW);
    let first = issued(site.poll("native", &device, NOW));
    for now in [NOW, NOW + 9] {
        let (reply, counts) = site.store.count(|| site.poll("native", &device, now));
        assert_eq!((reply.event.kind, reply.event.effect), (EventKind::DeviceCodeRedeemed, Effect::Repeated));
        assert_eq!(counts, READ);
        let again = issued(reply);
        assert_eq!(again.access_token.expose(), first.access_token.expose());
        assert_eq!(refresh_token(&again).expose(), refresh_token(&first).expose());
    }
    // Once it is refreshed, the first answer is known to have come through.
    let site = retrying();
    let device = site.approved("native", NOW);
    let tokens = issued(site.poll("native", &device, NOW));
    issued(site.refresh("native", refresh_token(&tokens), NOW + 1));
    assert_denied(&site.poll("native", &device, NOW + 2), "invalid_grant", Reason::DeviceCodeReused);

    let site = retrying();
    let device = site.approved("native", NOW);
    issued(site.poll("native", &device, NOW));
    assert_denied(&site.poll("native", &device, NOW + 10), "invalid_grant", Reason::DeviceCodeReused);
}

/// A reply that is lost behind the store: the same poll finds what it wrote.
#[test]
fn a_write_whose_answer_is_lost_is_repeated_inside_the_window() {
    let site = retrying();
    let device = site.approved("native", NOW);
    site.store.fault.set(Some(Fault::CommitAnswer));
    let operation = site.server.token(&request("native", "/token", &poll_pairs(&device)));
    assert_eq!(site.try_run(&operation, NOW).unwrap_err().to_response().status, 503);
    site.store.fault.set(None);
    assert_eq!(site.poll("native", &device, NOW + 5).event.effect, Effect::Repeated);
}

/// Two polls read the same record; the one that is second to write decides anew.
fn second_of_two(site: &Site, device: &DeviceResponse) -> (Reply<TokenAnswer>, Reply<TokenAnswer>) {
    let operation = || site.server.token(&request("native", "/token", &poll_pairs(device)));
    let (one, two) = (operation(), operation());
    let moment = Moment::new(time(NOW), [1; 32]);
    let records = site.store.read(&one.lookup(&moment)).unwrap();
    let commit = |operation: &Token| {
        let Decision::Commit(commit) = operation.decide(&records, &moment) else {
            panic!("a commit was expected")
        };
        commit
    };
    let (first, second) = (commit(&one), commit(&two));
    assert_eq!(site.store.commit(first.changes()).unwrap(), Outcome::Applied);
    assert_eq!(site.store.commit(second.changes()).unwrap(), Outcome::Conflict);
    second.resolve(Outcome::Conflict).unwrap_err();
    (first.resolve(Outcome::Applied).unwrap(), site.run(&two, NOW))
}

/// DV-09.
#[test]
fn rfc8628_3_4_of_two_polls_at_one_moment_one_gets_tokens() {
    let one_site = site();
    let device = one_site.approved("native", NOW);
    let (first, second) = second_of_two(&one_site, &device);
    issued(first);
    assert_denied(&second, "invalid_grant", Reason::DeviceCodeReused);

    let site = retrying();
    let device = site.approved("native", NOW);
    let (first, second) = second_of_two(&site, &device);
    assert_eq!(second.event.effect, Effect::Repeated);
    assert_eq!(issued(first).access_token.expose(), issued(second).access_token.expose());
}

/// A poll that read the record before the approval does not write over it.
#[test]
fn an_approval_beside_a_poll_is_not_lost() {
    let site = site();
    let device = site.device("native", NOW);
    let poll = site.server.token(&request("native", "/token", &poll_pairs(&device)));
    let moment = site.moment(NOW);
    let records = site.store.read(&poll.lookup(&moment)).unwrap();
    let Decision::Commit(commit) = poll.decide(&records, &moment) else { panic!("no commit") };
    site.approve(site.find(&device, NOW), NOW);
    assert_eq!(site.store.commit(commit.changes()).unwrap(), Outcome::Conflict);
    issued(site.run(&poll, NOW));
}

/// DV-10: ownership comes before everything else, the alarm above all.
#[test]
fn rfc8628_3_4_a_code_of_another_client_disturbs_nothing() {
    let site = site();
    let device = site.device("native", NOW);
    let stranger = |now| {
        let (reply, counts) = site.store.count(|| site.poll("other", &device, now));
        assert_denied(&reply, "invalid_grant", Reason::OtherClient);
        assert_error(&reply.answer.to_response(), 400, "invalid_grant");
        assert_eq!((reply.event.effect, reply.event.grant, counts), (Effect::Nothing, None, READ));
    };
    stranger(NOW);
    assert_pending(&site.poll("native", &device, NOW));
    stranger(NOW + 1);
    assert_pending(&site.poll("native", &device, NOW + 5));
    site.approve(site.find(&device, NOW), NOW);
    stranger(NOW + 5);
    let tokens = issued(site.poll("native", &device, NOW + 5));
    stranger(NOW + 5);
    issued(site.refresh("native", refresh_token(&tokens), NOW + 5));
    stranger(NOW + LIFETIME);
}

#[test]
fn rfc8628_3_4_a_client_that_is_not_authenticated_disturbs_nothing() {
    let site = site();
    let device = site.approved("web", NOW);
    let pairs = poll_pairs(&device);
    let wrong =
        HttpRequest::form("/token", form::encode(pairs)).with_header("Authorization", basic("web", "wrong"));
    let reply = site.run(&site.server.token(&wrong), NOW);
    assert_denied(&reply, "invalid_client", Reason::ClientNotAuthenticated);
    issued(site.poll("web", &device, NOW));
}

/// DV-13.
#[test]
fn rfc6749_5_2_the_device_code_stands_once() {
    let site = site();
    let grant_type = ("grant_type", DEVICE_CODE);
    for pairs in [vec![grant_type], vec![grant_type, ("device_code", "")]] {
        let reply = site.token("web", &pairs, NOW);
        assert_denied(&reply, "invalid_request", Reason::Missing("device_code"));
        assert_error(&reply.answer.to_response(), 400, "invalid_request");
    }
    let device = site.approved("web", NOW);
    let code = device.device_code.expose();
    let (reply, counts) = site
        .store
        .count(|| site.token("web", &[grant_type, ("device_code", code), ("device_code", code)], NOW));
    assert_denied(&reply, "invalid_request", Reason::Form(FormError::Repeated("device_code")));
    assert_eq!(counts, UNTOUCHED);
    issued(site.poll("web", &device, NOW));
}

#[test]
fn a_forged_device_code_is_refused_without_any_store_access() {
    let site = site();
    let device = site.approved("web", NOW);
    let (prefix, encoded) = device.device_code.expose().split_at(4);
    let good = base64url::decode(encoded).unwrap();
    let flipped = |place: usize| {
        let mut bytes = good.clone();
        bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 0x10);
        format!("{prefix}{}", base64url::encode(bytes))
    };
    let poll = |code: &str| {
        site.store.count(|| site.token("web", &[("grant_type", DEVICE_CODE), ("device_code", code)], NOW))
    };
    for place in 0..good.len() {
        let (reply, counts) = poll(&flipped(place));
        assert_denied(&reply, "invalid_grant", Reason::Forged);
        // Behind the body and the first half of the tag, the record is needed.
        assert_eq!(counts, if place < 55 { UNTOUCHED } else { READ });
    }
    for text in ["x", "grd_", device.user_code.expose()] {
        let (reply, counts) = poll(text);
        assert_denied(&reply, "invalid_grant", Reason::DeviceCodeUnknown);
        assert_eq!(counts, [1, 0, 0]);
    }
    issued(site.poll("web", &device, NOW));
}

#[test]
fn one_kind_of_code_is_never_taken_for_another() {
    let site = site();
    let device = site.approved("web", NOW);
    let code = device.device_code.expose();
    let reply = site.redeem("web", code, NOW);
    assert_denied(&reply, "invalid_grant", Reason::CodeUnknown);
    let reply = site.refresh("web", &device.device_code, NOW);
    assert_denied(&reply, "invalid_grant", Reason::RefreshTokenUnknown);
    assert_eq!(site.introspect("web", &device.device_code, NOW), Introspection::Inactive);
    for other in [site.code(NOW), refresh_token(&site.tokens(NOW)).expose().to_owned()] {
        let renamed = format!("grd_{}", other.split_at(4).1);
        for text in [other, renamed] {
            let reply = site.token("web", &[("grant_type", DEVICE_CODE), ("device_code", &text)], NOW);
            assert!(
                matches!(reply.answer, TokenAnswer::Denied(denial) if denial.code.as_str() == "invalid_grant")
            );
        }
    }
    issued(site.poll("web", &device, NOW));
}

/// The host's veto consumes nothing.
#[test]
fn a_suspended_person_lets_nobody_in() {
    let site = site();
    let device = site.approved("native", NOW);
    let operation = site.server.token(&request("native", "/token", &poll_pairs(&device)));
    let moment = site.moment(NOW);
    let records = site.store.read(&operation.lookup(&moment)).unwrap().with_suspended_subject();
    let Decision::Reply(reply) = operation.decide(&records, &moment) else {
        panic!("nothing may be written")
    };
    assert_denied(&reply, "invalid_grant", Reason::SubjectSuspended);
    issued(site.poll("native", &device, NOW));
}
