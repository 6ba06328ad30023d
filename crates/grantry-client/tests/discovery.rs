//! Rules of the discovery of a provider, each by its name.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/metadata.rs"]
mod metadata;

use core::time::Duration;

use grantry_client::{
    Discovery, DiscoveryAdvice, DiscoveryError, DiscoveryPolicy, DocumentError, WellKnownOrder,
};
use grantry_core::{HttpResponse, Issuer};
use metadata::{Advised, Host, OAUTH2, OPENID, at, fetch, fetch_with, issuer, ready, response, wait_with};

/// With one place, so that a 404 is a failure like any other.
fn policy() -> DiscoveryPolicy {
    DiscoveryPolicy::default().with_well_known(WellKnownOrder::OpenIdOnly)
}

fn both() -> DiscoveryPolicy {
    DiscoveryPolicy::default()
}

fn status(status: u16) -> Result<String, DiscoveryError> {
    Err(DiscoveryError::Document(DocumentError::Status(status)))
}

#[test]
fn one_fetch_is_on_its_way_at_a_time() {
    let mut host = Host::new(policy());
    assert_eq!(host.advise(0), fetch(OPENID));
    for now in 0..10 {
        assert_eq!(host.advise(now), Advised::Wait(10, None));
    }
    assert_eq!(host.answer(&response("a"), 9), Ok("a".to_owned()));
    assert_eq!(host.advise(9), ready("a"));
}

#[test]
fn a_ticket_says_what_to_send_and_until_when() {
    let mut host = Host::new(policy());
    host.advise(0);
    let request = host.tickets[0].request();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", OPENID));
    assert_eq!(request.headers.only("accept"), Some("application/json"));
    assert!(request.body.is_empty());
    assert_eq!(host.tickets[0].until(), at(10));
}

#[test]
fn a_loopback_issuer_is_asked_without_tls() {
    let issuer = Issuer::danger_loopback_http("http://127.0.0.1:8080/a").unwrap();
    let mut discovery = Discovery::new(issuer, policy());
    let DiscoveryAdvice::Fetch(ticket) = discovery.advise(at(0)) else {
        unreachable!("nothing is there yet")
    };
    assert_eq!(ticket.request().target, "http://127.0.0.1:8080/a/.well-known/openid-configuration");
}

#[test]
fn a_lost_ticket_expires_and_counts_as_a_failure() {
    let mut host = Host::new(policy());
    host.advise(0);
    assert_eq!(host.advise(9), Advised::Wait(10, None));
    assert_eq!(host.advise(10), Advised::Wait(11, None));
    assert_eq!(host.advise(11), fetch(OPENID));
    // Nobody asked when the second one was lost: its pause has gone by already.
    assert_eq!(host.advise(100), fetch(OPENID));
}

#[test]
fn a_failed_fetch_is_tried_again_after_pauses_that_double_up_to_the_cool_down() {
    let mut host = Host::new(policy());
    let mut now = 0;
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(host.advise(now), fetch(OPENID));
        host.fail(now);
        assert_eq!(host.advise(now + pause - 1), Advised::Wait(now + pause, None));
        now += pause;
    }
    // A good answer starts the pauses anew.
    host.advise(now);
    host.answer(&response("a"), now).unwrap();
    now += 3600;
    assert_eq!(host.advise(now), fetch_with(OPENID, "a"));
    host.fail(now);
    assert_eq!(host.advise(now), wait_with(now + 1, "a"));
}

#[test]
fn the_second_place_is_asked_after_a_404_from_the_first() {
    let mut host = Host::new(both());
    assert_eq!(host.advise(0), fetch(OPENID));
    assert_eq!(host.answer(&HttpResponse::new(404), 1), Err(DiscoveryError::NotHere));
    // At once, and one at a time.
    assert_eq!(host.advise(1), fetch(OAUTH2));
    assert_eq!(host.advise(1), Advised::Wait(11, None));
    assert_eq!(host.answer(&response("a"), 2), Ok("a".to_owned()));
    assert_eq!(host.advise(2), ready("a"));
    // The one that has the document is the first from then on.
    assert_eq!(host.advise(3601), fetch_with(OAUTH2, "a"));
    assert_eq!(host.answer(&HttpResponse::new(404), 3601), Err(DiscoveryError::NotHere));
    assert_eq!(host.advise(3601), fetch_with(OPENID, "a"));

    let mut host = Host::new(both().with_well_known(WellKnownOrder::OAuth2First));
    assert_eq!(host.advise(0), fetch(OAUTH2));
    assert_eq!(host.answer(&HttpResponse::new(404), 0), Err(DiscoveryError::NotHere));
    assert_eq!(host.advise(0), fetch(OPENID));
}

#[test]
fn a_404_from_both_places_is_a_failure_and_the_next_round_starts_anew() {
    let mut host = Host::new(both());
    for (now, pause) in [(0, 1), (1, 2), (3, 4)] {
        assert_eq!(host.advise(now), fetch(OPENID));
        assert_eq!(host.answer(&HttpResponse::new(404), now), Err(DiscoveryError::NotHere));
        assert_eq!(host.advise(now), fetch(OAUTH2));
        assert_eq!(host.answer(&HttpResponse::new(404), now), status(404));
        assert_eq!(host.advise(now), Advised::Wait(now + pause, None));
    }
}

#[test]
fn no_other_failure_leads_to_the_second_place() {
    let answers = [
        HttpResponse::new(401),
        HttpResponse::new(403),
        HttpResponse::new(410),
        HttpResponse::new(500),
        HttpResponse::new(302).with_header("Location", OAUTH2),
        HttpResponse::new(200).with_body("<html>"),
        metadata::answer(&metadata::document_with(&serde_json::json!({ "issuer": "https://b.example" }))),
    ];
    for answer in answers {
        let mut host = Host::new(both());
        host.advise(0);
        assert!(matches!(host.answer(&answer, 0), Err(DiscoveryError::Document(_))), "{answer:?}");
        assert_eq!(host.advise(0), Advised::Wait(1, None));
        assert_eq!(host.advise(1), fetch(OPENID));
    }
    let mut host = Host::new(both());
    host.advise(0);
    host.fail(0);
    assert_eq!(host.advise(1), fetch(OPENID));
    // A lost ticket for the second place starts a new round, too.
    host.answer(&HttpResponse::new(404), 1).unwrap_err();
    assert_eq!(host.advise(1), fetch(OAUTH2));
    assert_eq!(host.advise(20), fetch(OPENID));
}

#[test]
fn one_place_alone_is_asked_when_the_host_says_so() {
    for (order, url) in [(WellKnownOrder::OpenIdOnly, OPENID), (WellKnownOrder::OAuth2Only, OAUTH2)] {
        let mut host = Host::new(both().with_well_known(order));
        assert_eq!(host.advise(0), fetch(url));
        assert_eq!(host.answer(&HttpResponse::new(404), 0), status(404));
        assert_eq!(host.advise(1), fetch(url));
    }
}

#[test]
fn rfc9111_4_2_a_document_is_fresh_as_long_as_its_response_says_within_bounds() {
    let cached = |value: &str| response("a").with_header("Cache-Control", value);
    let cases = [
        (response("a"), 3600),
        (cached("public, max-age=7200"), 7200),
        (cached("max-age=999999999999999999999999"), 86_400),
        (cached("max-age=1"), 60),
        (cached("max-age=900").with_header("Age", "300"), 600),
        (cached("no-store"), 60),
        (cached("no-cache, max-age=900"), 60),
    ];
    for (response, age) in cases {
        let mut host = Host::with(policy(), &response);
        assert_eq!(host.advise(age - 1), ready("a"), "{age}");
        assert_eq!(host.advise(age), fetch_with(OPENID, "a"), "{age}");
    }
}

#[test]
fn rfc9111_4_2_3_the_age_counts_from_the_request() {
    let mut host = Host::new(policy());
    host.advise(0);
    host.answer(&response("a").with_header("Cache-Control", "max-age=100"), 9).unwrap();
    assert_eq!(host.advise(99), ready("a"));
    assert_eq!(host.advise(100), fetch_with(OPENID, "a"));
}

#[test]
fn rfc5861_3_a_document_past_its_age_serves_while_one_caller_fetches() {
    let mut host = Host::with(policy(), &response("a"));
    assert_eq!(host.advise(3600), fetch_with(OPENID, "a"));
    assert_eq!(host.advise(3600), wait_with(3610, "a"));
    host.answer(&response("b"), 3605).unwrap();
    assert_eq!(host.advise(3605), ready("b"));

    // Nobody asked in the meantime, no fetch failed: too old to serve.
    let mut host = Host::with(policy(), &response("a"));
    assert_eq!(host.advise(3600 + 600), fetch(OPENID));
    assert_eq!(host.advise(3600 + 600), Advised::Wait(4210, None));
}

#[test]
fn rfc5861_4_when_fetches_fail_a_document_serves_up_to_its_bound_and_no_longer() {
    let policy = policy().with_stale_if_error(Duration::from_secs(2000));
    let mut host = Host::with(policy, &response("a"));
    let mut served_until = 0;
    for now in 3600..8000 {
        match host.advise(now) {
            Advised::Fetch(_, stale) => {
                assert_eq!(stale.is_some(), now < 3600 + 2000, "{now}");
                host.fail(now);
            }
            Advised::Wait(until, stale) => {
                assert!(until > now && until <= now + 60);
                if stale.is_some() {
                    served_until = now;
                }
            }
            Advised::Ready(_) => unreachable!("{now}"),
        }
    }
    assert_eq!(served_until, 3600 + 2000 - 1);
}

#[test]
fn an_answer_that_a_later_one_came_before_is_not_used() {
    let mut host = Host::new(policy());
    host.advise(0);
    host.advise(11);
    let first = host.tickets.remove(0);
    host.answer(&response("new"), 12).unwrap();
    let late = host.discovery.handle_response(first, &response("old"), at(13));
    assert_eq!(late.unwrap_err(), DiscoveryError::Superseded);
    assert_eq!(host.advise(13), ready("new"));
}

#[test]
fn a_late_answer_is_taken_when_nothing_newer_came_and_is_as_old_as_its_request() {
    let mut host = Host::with(policy(), &response("a"));
    assert_eq!(host.advise(3600), fetch_with(OPENID, "a"));
    assert_eq!(host.advise(3611), fetch_with(OPENID, "a"));
    host.answer(&response("b"), 3612).unwrap();
    assert_eq!(host.advise(7199), ready("b"));
    assert_eq!(host.advise(7200), fetch_with(OPENID, "b"));
}

#[test]
fn a_late_answer_does_not_undo_a_later_failure() {
    let mut host = Host::with(policy(), &response("a"));
    host.advise(3600);
    host.advise(3611);
    let late = host.tickets.remove(0);
    host.fail(3612);
    host.discovery.handle_response(late, &response("b"), at(3613)).unwrap();
    // The newest fetch failed, so the document serves beyond the short grace.
    assert_eq!(host.advise(7200 + 700), fetch_with(OPENID, "b"));
}

#[test]
fn a_late_404_or_failure_changes_nothing() {
    let mut host = Host::new(both());
    host.advise(0);
    assert_eq!(host.advise(11), fetch(OPENID));
    assert_eq!(host.answer(&HttpResponse::new(404), 12), status(404));
    // The second fetch is still on its way, to the first place.
    assert_eq!(host.advise(12), Advised::Wait(21, None));
    host.fail(13);
    assert_eq!(host.advise(13), Advised::Wait(15, None));
    assert_eq!(host.advise(15), fetch(OPENID));
    assert_eq!(host.advise(30), fetch(OPENID));
    host.fail(30);
    assert_eq!(host.advise(31), Advised::Wait(40, None));
}

#[test]
fn a_ticket_of_another_issuer_brings_nothing() {
    // The numbers of the tickets are the same.
    let foreign_ticket = || {
        let issuer = Issuer::parse("https://other.example").unwrap();
        let mut other = Discovery::new(issuer, policy());
        let DiscoveryAdvice::Fetch(ticket) = other.advise(at(0)) else { unreachable!("it is empty, too") };
        ticket
    };
    let mut host = Host::new(policy());
    host.advise(0);
    let outcome = host.discovery.handle_response(foreign_ticket(), &response("a"), at(0));
    assert_eq!(outcome.unwrap_err(), DiscoveryError::ForeignTicket);
    assert_eq!(host.advise(0), Advised::Wait(10, None));
    host.discovery.handle_failure(foreign_ticket(), at(0));
    assert_eq!(host.advise(0), Advised::Wait(10, None));
}

#[test]
fn what_is_no_metadata_leaves_the_provider_and_counts_as_a_failure() {
    let bad = metadata::document_with(&serde_json::json!({ "issuer": "https://evil.example" }));
    for answer in [HttpResponse::new(503), metadata::answer(&bad), metadata::answer(&serde_json::json!([]))] {
        let mut host = Host::with(policy(), &response("a"));
        host.advise(3600);
        assert!(matches!(host.answer(&answer, 3600), Err(DiscoveryError::Document(_))));
        assert_eq!(host.advise(3600), wait_with(3601, "a"));
        assert_eq!(host.advise(3700), fetch_with(OPENID, "a"));
    }
}

#[test]
fn a_clock_that_is_set_back_freezes_nothing() {
    let mut host = Host::with(policy(), &response("a"));
    assert_eq!(host.advise(200_000), fetch(OPENID));
    assert_eq!(host.advise(10), Advised::Wait(20, None));
    assert_eq!(host.advise(21), fetch(OPENID));
    drop(host.tickets.remove(0));
    host.answer(&response("b"), 21).unwrap();
    assert_eq!(host.advise(3620), ready("b"));
    assert_eq!(host.advise(3621), fetch_with(OPENID, "b"));
}

#[test]
fn the_same_document_makes_an_equal_provider() {
    let mut host = Host::with(policy(), &response("a"));
    let DiscoveryAdvice::Ready(before) = host.discovery.advise(at(0)) else { unreachable!("it is fresh") };
    host.advise(3600);
    let ticket = host.tickets.remove(0);
    let after = host.discovery.handle_response(ticket, &response("a"), at(3600)).unwrap();
    assert_eq!(before, after);
    assert_eq!(before.issuer(), &issuer());
}
