//! What a stranger can make grow has an end, and chance comes from the moment alone.
#![expect(clippy::panic, reason = "a test fails by panicking")]

mod support;

use grantry_core::form::{self, FormError};
use grantry_core::{ClientId, HttpRequest, Moment, Scope, SecretString};
use grantry_server::{
    ApplicationType, Authorization, Client, ClientAuthentication, GrantType, Introspection,
    MAX_PUSHED_REQUEST_BYTES, Policy, Pushed, Reason, RedirectUri, Reply, run,
};
use support::{
    DEVICE_CODE, NOW, Site, assert_denied, assert_error, basic, client_id, code, every_endpoint, issued,
    pushed, query, redemption, refresh_token, scope, secret, time, waiting,
};

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
        let get = HttpRequest::new("GET", format!("/authorize?{}", query("web", &[])));
        let reply = run(&site.store, &site.server.authorize(&get), moment()).unwrap();
        let Authorization::Interact(interaction) = reply.answer else { unreachable!() };
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

#[test]
fn rfc9126_2_3_a_request_that_is_too_long_is_not_stored() {
    let site = every_endpoint(Policy::default());
    let push = |request: HttpRequest| site.store.count(|| site.run(&site.server.push(&request), NOW));
    let web = |body: String| {
        HttpRequest::form("/par", body).with_header("Authorization", basic("web", &secret("web")))
    };
    let state = |bytes: usize| "%".repeat(bytes / 3) + &"x".repeat(bytes % 3);
    let base = query("web", &[("state", None)]) + "&state=";
    let longest = MAX_PUSHED_REQUEST_BYTES - base.len();
    let good = query("web", &[("state", Some(&state(longest)))]);
    assert_eq!(good.len(), MAX_PUSHED_REQUEST_BYTES);
    // The unknown parameter is not stored, and does not count.
    let request_uri = pushed(push(web(good.clone() + "&x=" + &"x".repeat(20_000))).0).request_uri;
    assert!(site.store.last_written().to_bytes().len() <= MAX_PUSHED_REQUEST_BYTES + 1000);
    let pairs = [("client_id", "web"), ("request_uri", request_uri.expose())];
    let brought = site.authorize(&form::encode(pairs), NOW);
    assert!(matches!(brought.answer, Authorization::Interact(_)), "{:?}", brought.event);

    let (reply, counts) = push(web(query("web", &[("state", Some(&(state(longest) + "x")))])));
    assert_too_long(&reply);
    assert_eq!(counts, [1, 0, 0]);
    let (reply, counts) = push(web(good + "&x=" + &"x".repeat(form::MAX_BYTES)));
    assert_too_long(&reply);
    assert_eq!(counts, [0, 0, 0]);
}

#[track_caller]
fn assert_too_long(reply: &Reply<Pushed>) {
    let Pushed::Denied(denial) = reply.answer else { panic!("{:?}", reply.event) };
    assert_eq!(denial.reason, Reason::PushedRequestTooLong);
    assert_error(&reply.answer.to_response(), 413, "invalid_request");
}

/// What the documentation of both endpoints says of a record that a stranger makes.
#[test]
fn a_record_that_waits_is_as_small_and_as_short_lived_as_documented() {
    let id = "x".repeat(ClientId::MAX_BYTES);
    let token = |number: usize| format!("{number:063}");
    let widest: Vec<_> = (0..Scope::MAX_TOKENS).map(token).collect();
    let widest = scope(&widest.join(" "));
    assert_eq!(widest.to_string().len(), Scope::MAX_BYTES - 1);
    let uri = RedirectUri::register("https://web.example/cb", ApplicationType::Web).unwrap();
    let client = Client::new(client_id(&id), ClientAuthentication::None)
        .with_name("\u{1f600}".repeat(1000))
        .with_grant_types([GrantType::DeviceCode, GrantType::AuthorizationCode])
        .with_redirect_uri(uri)
        .with_scope(widest.clone());
    let site = every_endpoint(Policy::default());
    site.store.inner.put_client(client);
    let resources = support::ISSUER.len();
    let widest = widest.to_string();

    let body = form::encode([("client_id", id.as_str()), ("scope", widest.as_str())]);
    let operation = site.server.device_authorization(&HttpRequest::form("/device_authorization", body));
    let device = waiting(site.run(&operation, NOW));
    let waits = site.store.last_written();
    assert!(waits.to_bytes().len() - resources <= 5400, "{}", waits.to_bytes().len());
    assert_eq!(waits.purge_after(), time(NOW + 85 * 60));
    let pairs =
        [("grant_type", DEVICE_CODE), ("client_id", &id), ("device_code", device.device_code.expose())];
    let poll = HttpRequest::form("/token", form::encode(pairs));
    for now in NOW..NOW + 600 {
        site.run(&site.server.token(&poll), now);
    }
    let polled = site.store.last_written();
    assert!(polled.to_bytes().len() - resources <= 5400, "{}", polled.to_bytes().len());
    assert_eq!(polled.purge_after(), waits.purge_after());

    let state = "s".repeat(4096);
    let start = query(
        "web",
        &[("client_id", Some(&id)), ("redirect_uri", None), ("scope", None), ("state", Some(&state))],
    );
    let rest = MAX_PUSHED_REQUEST_BYTES - start.len() - "&scope=".len();
    let tokens: Vec<_> = widest.split(' ').take(rest / 64).collect();
    let body = format!("{start}&scope={}", tokens.join("+"));
    assert!((MAX_PUSHED_REQUEST_BYTES - 64..=MAX_PUSHED_REQUEST_BYTES).contains(&body.len()));
    let reply = site.run(&site.server.push(&HttpRequest::form("/par", body)), NOW);
    assert!(matches!(reply.answer, Pushed::Accepted(_)), "{:?}", reply.event);
    let waits = site.store.last_written();
    assert!(waits.to_bytes().len() - resources <= MAX_PUSHED_REQUEST_BYTES + 1000);
    assert_eq!(waits.purge_after(), time(NOW + 76 * 60));
}
