//! What a stranger can make grow has an end, and chance comes from the moment alone.

mod support;

use grantry_core::form::{self, FormError};
use grantry_core::{HttpRequest, Moment, SecretString};
use grantry_server::{Introspection, Reason, run};
use support::{NOW, Site, assert_denied, basic, code, issued, redemption, refresh_token, secret, time};

fn post(body: String) -> HttpRequest {
    HttpRequest::form("/token", body).with_header("Authorization", basic("web", &secret("web")))
}

/// RL-08.
#[test]
fn a_form_at_exactly_its_limits_is_answered() {
    let site = Site::new();
    let good = || form::encode(redemption("web", &site.code(NOW)).each());
    let count = good().split('&').count();
    let most = |parameters: usize| good() + &"&x=1".repeat(parameters - count);
    issued(site.run(&site.server.token(&post(most(form::MAX_PARAMETERS))), NOW));
    let reply = site.run(&site.server.token(&post(most(form::MAX_PARAMETERS + 1))), NOW);
    assert_denied(&reply, "invalid_request", Reason::Form(FormError::TooManyParameters));

    let longest = |bytes: usize| {
        let good = good() + "&x=";
        let rest = bytes - good.len();
        good + &"x".repeat(rest)
    };
    issued(site.run(&site.server.token(&post(longest(form::MAX_BYTES))), NOW));
    let reply = site.run(&site.server.token(&post(longest(form::MAX_BYTES + 1))), NOW);
    assert_denied(&reply, "invalid_request", Reason::Form(FormError::TooLong));
}

/// RL-18: without credentials in the request no signature is checked and nothing is read; with wrong ones
/// a token costs one signature and one read at most.
#[test]
fn whoever_names_no_client_costs_nothing() {
    let site = Site::new();
    let tokens = site.tokens(NOW);
    let body = form::encode([("token", tokens.access_token.expose())]);
    let anonymous = HttpRequest::form("/introspect", body);
    let (reply, counts) = site.store.count(|| site.run(&site.server.introspect(&anonymous), NOW));
    assert_eq!(counts, [0, 0, 0]);
    assert_eq!(reply.event.denial.map(|denial| denial.reason), Some(Reason::NoClient));
    let wrong = anonymous.with_header("Authorization", basic("web", "wrong"));
    let counts = site.store.count(|| site.run(&site.server.introspect(&wrong), NOW)).1;
    assert_eq!(counts, [1, 1, 0]);
}

#[test]
fn a_token_as_long_as_a_form_is_answered_without_a_grant() {
    let site = Site::new();
    for text in ["a".repeat(60_000), ".".repeat(20_000), format!("grr_{}", "A".repeat(60_000))] {
        let token = SecretString::from(text);
        let (answer, counts) = site.store.count(|| site.introspect("web", &token, NOW));
        assert_eq!((answer, counts), (Introspection::Inactive, [1, 0, 0]));
    }
}

/// RL-22: there is no other source of chance than the seed of the moment. A host whose source fails has no
/// moment (`Moment::now` is an error then) and so no operation.
#[test]
fn rfc6749_10_10_every_random_value_comes_from_the_seed() {
    let make = |seed: u8| {
        let site = Site::new();
        let moment = || Moment::new(time(NOW), [seed; 32]);
        let get = HttpRequest::new("GET", format!("/authorize?{}", support::query("web", &[])));
        let reply = run(&site.store, &site.server.authorize(&get), moment()).unwrap();
        let grantry_server::Authorization::Interact(interaction) = reply.answer else { unreachable!() };
        let operation = site.server.approve(*interaction, support::approval());
        let approved = run(&site.store, &operation, Moment::new(time(NOW), [seed.wrapping_add(100); 32]));
        let code = code(&approved.unwrap());
        let tokens = issued(site.redeem("web", &code, NOW));
        [code, tokens.access_token.expose().into(), refresh_token(&tokens).expose().into()]
    };
    assert_eq!(make(1), make(1));
    for (one, two) in make(1).iter().zip(&make(2)) {
        assert_ne!(one, two);
    }
}
