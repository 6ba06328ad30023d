//! Rules of the cache of keys, each by its name.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/issuer.rs"]
mod issuer;

use core::time::Duration;

use grantry_core::json::JsonError;
use grantry_core::{HttpResponse, base64url};
use grantry_jwt::{
    Advice, JwkSet, JwkSetError, JwksCache, JwksCacheError, JwksPolicy, Wanted, peek_unverified,
};
use issuer::{Advised, Host, JWKS_URI, at, document, fetch_with, key_ids, ready, response, wait_with};
use serde_json::json;

fn policy() -> JwksPolicy {
    JwksPolicy::default()
}

fn cached(cache_control: &str) -> HttpResponse {
    response(&["a"]).with_header("Cache-Control", cache_control)
}

#[test]
fn one_fetch_is_on_its_way_at_a_time() {
    let mut host = Host::new(policy());
    assert_eq!(host.any(0), Advised::Fetch(None));
    for now in 0..10 {
        assert_eq!(host.any(now), Advised::Wait(10, None));
        assert_eq!(host.key("a", now), Advised::Wait(10, None));
    }
    let keys = host.cache.handle_response(host.tickets.remove(0), &response(&["a", "b"]), at(9)).unwrap();
    assert_eq!(key_ids(&keys), ["a", "b"]);
    assert_eq!(host.any(9), ready(&["a", "b"]));
    assert_eq!(host.key("b", 9), ready(&["a", "b"]));
}

#[test]
fn rfc7515_4_1_4_the_header_says_which_key_is_wanted() {
    let header = |text: &str| peek_unverified(&format!("{}.e30.AA", base64url::encode(text))).unwrap();
    assert_eq!(Wanted::from(&header(r#"{"alg":"RS256","kid":"a"}"#)), Wanted::KeyId("a"));
    assert_eq!(Wanted::from(&header(r#"{"alg":"RS256","kid":""}"#)), Wanted::KeyId(""));
    assert_eq!(Wanted::from(&header(r#"{"alg":"RS256"}"#)), Wanted::Any);
}

#[test]
fn a_ticket_says_what_to_send_and_until_when() {
    let mut host = Host::new(policy());
    host.any(0);
    let request = host.tickets[0].request();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", JWKS_URI));
    assert_eq!(request.headers.only("accept"), Some("application/jwk-set+json, application/json"));
    assert_eq!(host.tickets[0].until(), at(10));
}

#[test]
fn a_lost_ticket_expires_and_counts_as_a_failure() {
    let mut host = Host::new(policy());
    host.any(0);
    assert_eq!(host.any(9), Advised::Wait(10, None));
    assert_eq!(host.any(10), Advised::Wait(11, None));
    assert_eq!(host.any(11), Advised::Fetch(None));
    // Nobody asked when the second one was lost: its pause has gone by already.
    assert_eq!(host.any(100), Advised::Fetch(None));
}

#[test]
fn a_failed_fetch_is_tried_again_after_pauses_that_double_up_to_the_cool_down() {
    let mut host = Host::new(policy());
    let mut now = 0;
    for pause in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(host.any(now), Advised::Fetch(None));
        host.fail(now);
        assert_eq!(host.any(now + pause - 1), Advised::Wait(now + pause, None));
        now += pause;
    }
    // A good answer starts the pauses anew.
    host.any(now);
    host.cache.handle_response(host.tickets.remove(0), &response(&["a"]), at(now)).unwrap();
    now += 600;
    assert_eq!(host.any(now), fetch_with(&["a"]));
    host.fail(now);
    assert_eq!(host.any(now), wait_with(now + 1, &["a"]));
}

#[test]
fn rfc9111_4_2_a_set_is_fresh_as_long_as_its_response_says_within_bounds() {
    let cases = [
        (response(&["a"]), 600),
        (cached("public, max-age=900"), 900),
        (cached("max-age=86400"), 3600),
        (cached("max-age=1"), 30),
        (cached("max-age=900").with_header("Age", "300"), 600),
        (cached("max-age=900").with_header("Age", "9999"), 30),
        (cached("s-maxage=9, max-age=900"), 900),
        (cached("no-store"), 30),
        (cached("no-cache, max-age=900"), 30),
        (cached("max-age=-1"), 30),
        (cached("max-age=99999999999999999999999"), 3600),
    ];
    for (response, age) in cases {
        let mut host = Host::with_keys(policy(), &response);
        assert_eq!(host.any(age - 1), ready(&["a"]), "{age}");
        assert_eq!(host.any(age), fetch_with(&["a"]), "{age}");
    }
}

#[test]
fn rfc9111_4_2_3_the_age_counts_from_the_request() {
    let mut host = Host::new(policy());
    host.any(0);
    host.cache.handle_response(host.tickets.remove(0), &cached("max-age=100"), at(9)).unwrap();
    assert_eq!(host.any(99), ready(&["a"]));
    assert_eq!(host.any(100), fetch_with(&["a"]));
}

#[test]
fn rfc5861_3_a_set_past_its_age_serves_while_one_caller_fetches() {
    let mut host = Host::with_keys(policy(), &response(&["a"]));
    assert_eq!(host.any(600), fetch_with(&["a"]));
    assert_eq!(host.any(600), wait_with(610, &["a"]));
    // What the old set lacks is worth waiting for.
    assert_eq!(host.key("b", 600), Advised::Wait(610, None));
    host.cache.handle_response(host.tickets.remove(0), &response(&["b"]), at(605)).unwrap();
    assert_eq!(host.any(605), ready(&["b"]));

    // Nobody asked in the meantime, no fetch failed: too old to serve.
    let mut host = Host::with_keys(policy(), &response(&["a"]));
    assert_eq!(host.any(660), Advised::Fetch(None));
    assert_eq!(host.any(660), Advised::Wait(670, None));
}

#[test]
fn rfc5861_4_when_fetches_fail_a_set_serves_up_to_its_bound_and_no_longer() {
    let mut host = Host::with_keys(policy(), &response(&["a"]));
    let mut now = 600;
    let mut served_until = 0;
    while now < 6_000 {
        match host.any(now) {
            Advised::Fetch(stale) => {
                assert_eq!(stale.is_some(), now < 600 + 3600, "{now}");
                host.fail(now);
            }
            Advised::Wait(until, stale) => {
                assert!(until > now && until <= now + 30);
                if stale.is_some() {
                    served_until = now;
                }
            }
            advised @ (Advised::Ready(_) | Advised::NoSuchKey(_)) => panic!("{now}: {advised:?}"),
        }
        now += 1;
    }
    assert_eq!(served_until, 600 + 3600 - 1);

    // A first failure long past the age makes the set serve, too.
    let mut host = Host::with_keys(policy(), &response(&["a"]));
    assert_eq!(host.any(2_000), Advised::Fetch(None));
    host.fail(2_000);
    assert_eq!(host.any(2_000), wait_with(2_001, &["a"]));
    assert_eq!(host.any(4_200), Advised::Fetch(None));
}

#[test]
fn wk_47_a_newer_set_replaces_the_older_one_as_a_whole() {
    let mut host = Host::with_keys(policy(), &response(&["a", "b"]));
    host.any(600);
    host.cache.handle_response(host.tickets.remove(0), &response(&["b", "c"]), at(600)).unwrap();
    assert_eq!(host.any(600), ready(&["b", "c"]));
    assert_eq!(host.key("a", 600), Advised::NoSuchKey(630));
}

#[test]
fn wk_47_a_document_without_a_usable_key_replaces_the_set() {
    let unusable = json!({"keys": [{"kty": "pq", "kid": "a"}]}).to_string();
    for body in [document(&[]), unusable] {
        let mut host = Host::with_keys(policy(), &response(&["a"]));
        host.any(600);
        let emptied = HttpResponse::new(200).with_header("Cache-Control", "max-age=900").with_body(body);
        let keys = host.cache.handle_response(host.tickets.remove(0), &emptied, at(600)).unwrap();
        assert!(keys.keys().is_empty());
        assert_eq!(host.any(600), Advised::NoSuchKey(630));
        assert_eq!(host.key("a", 629), Advised::NoSuchKey(630));
        // It is asked for again as soon as the cool-down ends, and failures bring back nothing.
        assert_eq!(host.key("a", 630), Advised::Fetch(None));
        host.fail(630);
        assert_eq!(host.any(630), Advised::Wait(631, None));
        assert_eq!(host.any(631), Advised::Fetch(None));
        host.cache.handle_response(host.tickets.remove(0), &response(&["c"]), at(631)).unwrap();
        assert_eq!(host.any(631), ready(&["c"]));
    }
}

#[test]
fn wk_49_random_key_ids_cause_one_fetch_in_each_cool_down() {
    let mut host = Host::with_keys(policy(), &cached("max-age=3600"));
    let mut fetched = Vec::new();
    for now in 0..3_000 {
        for number in 0..20 {
            if host.key(&format!("{now} {number}"), now) == Advised::Fetch(None) {
                fetched.push(now);
                host.cache.handle_response(host.tickets.remove(0), &cached("max-age=3600"), at(now)).unwrap();
            }
            assert_eq!(host.any(now), ready(&["a"]));
        }
    }
    assert!(fetched.iter().zip(&fetched[1..]).all(|(one, next)| next - one >= 30), "{fetched:?}");
    assert_eq!(fetched.len(), 99);
    assert!(host.cache.to_json().len() < 3_000, "{}", host.cache.to_json());
}

#[test]
fn wk_49_failing_fetches_for_unknown_keys_are_no_more_frequent() {
    let mut host = Host::with_keys(policy(), &cached("max-age=3600"));
    let mut fetched = Vec::new();
    for now in 0..3_000 {
        if host.key(&format!("{now}"), now) == Advised::Fetch(None) {
            fetched.push(now);
        }
        if fetched.last().is_some_and(|started| started + 9 == now) {
            host.fail(now);
        }
    }
    // The pause after a failure counts from its end, and grows longer than what is left to cool down.
    assert_eq!(fetched[..8], [30, 60, 90, 120, 150, 180, 219, 258]);
    assert!(fetched[6..].iter().zip(&fetched[7..]).all(|(one, next)| next - one == 39), "{fetched:?}");
}

#[test]
fn an_unknown_key_waits_for_the_fetch_on_its_way() {
    let mut host = Host::with_keys(policy(), &response(&["a"]));
    assert_eq!(host.key("b", 29), Advised::NoSuchKey(30));
    assert_eq!(host.key("b", 30), Advised::Fetch(None));
    assert_eq!(host.key("b", 31), Advised::Wait(40, None));
    assert_eq!(host.key("c", 31), Advised::Wait(40, None));
    assert_eq!(host.any(31), ready(&["a"]));
    host.cache.handle_response(host.tickets.remove(0), &response(&["a", "b"]), at(32)).unwrap();
    assert_eq!(host.key("b", 32), ready(&["a", "b"]));
    // The cool-down counts from the request.
    assert_eq!(host.key("c", 59), Advised::NoSuchKey(60));
    assert_eq!(host.key("c", 60), Advised::Fetch(None));
}

#[test]
fn a_key_id_that_the_issuer_did_not_have_causes_no_fetch_until_its_time() {
    let mut host = Host::with_keys(policy(), &response(&["a"]));
    assert_eq!(host.key("b", 30), Advised::Fetch(None));
    host.cache.handle_response(host.tickets.remove(0), &response(&["a"]), at(32)).unwrap();
    assert_eq!(host.key("b", 32), Advised::NoSuchKey(92));
    assert_eq!(host.key("b", 91), Advised::NoSuchKey(92));
    // Another one asks, and what it brings counts for both.
    assert_eq!(host.key("c", 91), Advised::Fetch(None));
    assert_eq!(host.key("b", 91), Advised::NoSuchKey(92));
    host.cache.handle_response(host.tickets.remove(0), &response(&["a", "b"]), at(91)).unwrap();
    assert_eq!(host.key("b", 91), ready(&["a", "b"]));
    assert_eq!(host.key("c", 150), Advised::NoSuchKey(151));
    assert_eq!(host.key("c", 151), Advised::Fetch(None));
}

#[test]
fn a_single_key_without_an_id_takes_any_key_id() {
    let mut lone = issuer::jwk("");
    lone.as_object_mut().unwrap().remove("kid");
    let lone = HttpResponse::new(200).with_body(json!({ "keys": [lone] }).to_string());
    let mut host = Host::with_keys(policy(), &lone);
    assert_eq!(host.key("a", 100), ready(&[]));

    // So it was not absent when it was asked for.
    let mut host =
        Host::with_keys(policy().with_unknown_key_age(Duration::from_secs(600)), &response(&["a"]));
    host.key("b", 30);
    let lone = lone.with_header("Cache-Control", "no-store");
    host.cache.handle_response(host.tickets.remove(0), &lone, at(30)).unwrap();
    host.any(60);
    host.cache.handle_response(host.tickets.remove(0), &response(&["a"]), at(60)).unwrap();
    assert_eq!(host.key("b", 60), Advised::NoSuchKey(90));
}

#[test]
fn an_answer_that_a_later_one_came_before_is_not_used() {
    let mut host = Host::new(policy());
    host.any(0);
    host.any(11);
    let (first, second) = (host.tickets.remove(0), host.tickets.remove(0));
    host.cache.handle_response(second, &response(&["new"]), at(12)).unwrap();
    let late = host.cache.handle_response(first, &response(&["old"]), at(13));
    assert_eq!(late.unwrap_err(), JwksCacheError::Superseded);
    assert_eq!(host.any(13), ready(&["new"]));
    assert_eq!(host.key("old", 13), Advised::NoSuchKey(41));
}

#[test]
fn a_late_answer_is_taken_when_nothing_newer_came_and_is_as_old_as_its_request() {
    let mut host = Host::with_keys(policy(), &response(&["a"]));
    assert_eq!(host.any(600), fetch_with(&["a"]));
    assert_eq!(host.any(611), fetch_with(&["a"]));
    let (first, second) = (host.tickets.remove(0), host.tickets.remove(0));
    host.cache.handle_response(first, &response(&["b"]), at(612)).unwrap();
    assert_eq!(host.any(1199), ready(&["b"]));
    // The second one is newer still, and late by now.
    host.cache.handle_response(second, &response(&["c"]), at(1200)).unwrap();
    assert_eq!(host.any(1200), ready(&["c"]));
    assert_eq!(host.any(1211), fetch_with(&["c"]));
}

#[test]
fn a_late_answer_does_not_undo_a_later_failure() {
    let mut host = Host::with_keys(policy(), &response(&["a"]));
    host.any(600);
    host.any(611);
    let late = host.tickets.remove(0);
    host.fail(612);
    host.cache.handle_response(late, &response(&["b"]), at(613)).unwrap();
    // The newest fetch failed, so the set serves beyond the short grace.
    assert_eq!(host.any(1300), fetch_with(&["b"]));
}

#[test]
fn a_late_failure_counts_once() {
    let mut host = Host::new(policy());
    host.any(0);
    assert_eq!(host.any(11), Advised::Fetch(None));
    let first = host.tickets.remove(0);
    let late = host.cache.handle_response(first, &HttpResponse::new(503), at(12));
    assert_eq!(late.unwrap_err(), JwksCacheError::Status(503));
    // The second fetch is still on its way, and its failure is the second.
    assert_eq!(host.any(12), Advised::Wait(21, None));
    host.fail(13);
    assert_eq!(host.any(13), Advised::Wait(15, None));
}

#[test]
fn a_ticket_of_another_document_brings_nothing() {
    let mut host = Host::new(policy());
    // The numbers of the tickets are the same.
    let foreign_ticket = || {
        let mut other = JwksCache::new("https://other.example/jwks", policy());
        let Advice::Fetch(ticket) = other.advise(Wanted::Any, at(0)) else { panic!("it is empty, too") };
        ticket
    };
    host.any(0);
    let outcome = host.cache.handle_response(foreign_ticket(), &response(&["evil"]), at(0));
    assert_eq!(outcome.unwrap_err(), JwksCacheError::ForeignTicket);
    assert_eq!(host.any(0), Advised::Wait(10, None));
    host.cache.handle_failure(foreign_ticket(), at(0));
    assert_eq!(host.any(0), Advised::Wait(10, None));
}

#[test]
fn what_is_no_key_set_leaves_the_set_and_counts_as_a_failure() {
    let long = HttpResponse::new(200).with_body(vec![b' '; JwkSet::MAX_BYTES + 1]);
    let many = vec!["a"; JwkSet::MAX_KEYS + 1];
    let json = |error| JwksCacheError::Set(JwkSetError::Json(error));
    let cases = [
        (HttpResponse::new(500), JwksCacheError::Status(500)),
        (HttpResponse::new(404).with_body(document(&["b"])), JwksCacheError::Status(404)),
        (HttpResponse::new(203).with_body(document(&["b"])), JwksCacheError::Status(203)),
        (HttpResponse::new(302).with_header("Location", "https://b.example"), JwksCacheError::Status(302)),
        (HttpResponse::new(200), json(JsonError::Syntax)),
        (HttpResponse::new(200).with_body("<html>"), json(JsonError::Syntax)),
        (HttpResponse::new(200).with_body(r#"{"keys":null}"#), json(JsonError::Shape)),
        (HttpResponse::new(200).with_body(r#"{"keys":[],"keys":[]}"#), json(JsonError::RepeatedMember)),
        (long, json(JsonError::TooLong)),
        (response(&many), JwksCacheError::Set(JwkSetError::TooManyKeys)),
    ];
    for (response, error) in cases {
        let mut host = Host::with_keys(policy(), &issuer::response(&["a"]));
        host.any(600);
        let outcome = host.cache.handle_response(host.tickets.remove(0), &response, at(600));
        assert_eq!(outcome.unwrap_err(), error);
        assert_eq!(host.any(600), wait_with(601, &["a"]));
        assert_eq!(host.any(700), fetch_with(&["a"]));
    }
}

#[test]
fn rfc7517_8_5_the_media_type_makes_no_difference() {
    for media_type in ["application/jwk-set+json", "application/json; charset=utf-8", "text/plain"] {
        Host::with_keys(policy(), &response(&["a"]).with_header("Content-Type", media_type));
    }
}

#[test]
fn a_clock_that_is_set_back_freezes_nothing() {
    // One wrong reading, a day ahead, and then the right time.
    let mut host = Host::with_keys(policy(), &response(&["a"]));
    assert_eq!(host.any(86_400), Advised::Fetch(None));
    assert_eq!(host.any(10), Advised::Wait(20, None));
    assert_eq!(host.any(21), Advised::Fetch(None));
    host.cache.handle_response(host.tickets.remove(1), &response(&["b"]), at(21)).unwrap();
    assert_eq!(host.any(620), ready(&["b"]));
    assert_eq!(host.any(621), fetch_with(&["b"]));

    // A set that came on the wrong day ends when its age is over.
    let mut host = Host::new(policy());
    host.any(86_400);
    host.cache.handle_response(host.tickets.remove(0), &response(&["a"]), at(86_400)).unwrap();
    assert_eq!(host.any(10), ready(&["a"]));
    assert_eq!(host.any(609), ready(&["a"]));
    assert_eq!(host.any(610), fetch_with(&["a"]));
}

#[test]
fn the_ends_of_time_are_survived() {
    let mut host = Host::new(policy());
    for now in [u64::MAX, 0, u64::MAX, 1] {
        assert!(matches!(
            host.cache.advise(Wanted::Any, grantry_core::UnixTime::from_secs(now)),
            Advice::Fetch(_) | Advice::Wait { .. }
        ));
    }
    while !matches!(host.any(0), Advised::Fetch(_)) {
        host.any(100);
    }
    host.cache.handle_response(host.tickets.pop().unwrap(), &response(&["a"]), at(0)).unwrap();
    assert_eq!(host.any(0), ready(&["a"]));
    assert_eq!(host.any(600), fetch_with(&["a"]));
}

#[test]
fn no_stale_set_serves_where_the_policy_has_none() {
    let strict = policy().with_stale_while_fetching(Duration::ZERO).with_stale_if_error(Duration::ZERO);
    let mut host = Host::with_keys(strict, &response(&["a"]));
    assert_eq!(host.any(599), ready(&["a"]));
    assert_eq!(host.any(600), Advised::Fetch(None));
    host.fail(600);
    assert_eq!(host.any(600), Advised::Wait(601, None));
}
