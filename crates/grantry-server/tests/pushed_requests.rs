//! Pushed authorization requests ([RFC 9126](https://www.rfc-editor.org/rfc/rfc9126)).
#![expect(clippy::panic, reason = "a test fails by panicking")]

mod support;

use core::time::Duration;

use grantry_core::form::{self, FormError};
use grantry_core::{HttpRequest, SecretString, base64url};
use grantry_server::{
    Answered, Approval, Authorization, Effect, Endpoint, EventKind, Interaction, Policy, Pushed, Reason,
    Redirect, Refusal, Reply, Subject,
};
use serde_json::json;
use support::{
    CHALLENGE, Fault, LOGIN, NOW, Site, approval, assert_denied, assert_error, assert_page, basic, client_id,
    clients, code, every_endpoint, issued, json, push_request, pushed, query, redirect, redirect_uri,
    response, scope, secret, server_of, time,
};

const UNTOUCHED: [usize; 3] = [0, 0, 0];
/// The client was read, and no grant.
const CLIENT_READ: [usize; 3] = [1, 0, 0];
const READ: [usize; 3] = [1, 1, 0];
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:grp_";

fn site() -> Site {
    every_endpoint(Policy::default())
}

/// Pushes a good request.
fn request_uri(site: &Site, client: &str) -> SecretString {
    pushed(site.push(client, &[], NOW)).request_uri
}

/// Brings a pushed request, with more parameters.
fn bring(
    site: &Site,
    client: &str,
    request_uri: &str,
    more: &[(&str, &str)],
    now: u64,
) -> Reply<Authorization> {
    let pairs = [("client_id", client), ("request_uri", request_uri)];
    site.authorize(&form::encode(pairs.into_iter().chain(more.iter().copied())), now)
}

fn interaction(site: &Site, client: &str, request_uri: &SecretString, now: u64) -> Interaction {
    interact(bring(site, client, request_uri.expose(), &[], now))
}

#[track_caller]
fn interact(reply: Reply<Authorization>) -> Interaction {
    let Authorization::Interact(interaction) = reply.answer else { panic!("{:?}", reply.event) };
    *interaction
}

#[track_caller]
fn redirected(reply: Reply<Authorization>) -> Redirect {
    let Authorization::Redirect(redirect) = reply.answer else { panic!("{:?}", reply.event) };
    redirect
}

/// An error page, and no way back to the client.
#[track_caller]
fn assert_unknown(reply: &Reply<Authorization>) {
    let Authorization::Page(page) = &reply.answer else { panic!("{:?}", reply.event) };
    assert_eq!(page.denial().reason, Reason::PushedRequestUnknown);
    assert_eq!((reply.event.endpoint, reply.event.effect), (Endpoint::Authorization, Effect::Nothing));
    let response = page.to_response();
    assert_eq!((response.status, response.headers.only("Location")), (400, None));
}

#[track_caller]
fn assert_not_pushed(reply: &Reply<Pushed>, status: u16, error: &str, reason: Reason) {
    let Pushed::Denied(denial) = reply.answer else { panic!("{:?}", reply.event) };
    assert_eq!((denial.code.as_str(), denial.reason), (error, reason));
    let event = &reply.event;
    assert_eq!(event.endpoint, Endpoint::PushedAuthorizationRequest);
    assert_eq!((event.kind, event.effect), (EventKind::RequestRefused, Effect::Nothing));
    assert_eq!(event.denial, Some(denial));
    assert_error(&reply.answer.to_response(), status, error);
}

/// EX-01.
#[test]
fn rfc9126_2_2_a_good_request_is_kept_under_a_request_uri() {
    for client in ["web", "native", "post"] {
        let site = site();
        let (reply, counts) = site.store.count(|| site.push(client, &[], NOW));
        assert_eq!(counts, [1, 0, 1]);
        let event = &reply.event;
        assert_eq!((event.kind, event.effect), (EventKind::RequestPushed, Effect::Written));
        assert_eq!(event.endpoint, Endpoint::PushedAuthorizationRequest);
        assert_eq!((&event.client_id, event.denial), (&Some(client_id(client)), None));
        assert_eq!(event.grant, Some(site.store.last_written().id()));
        let response = reply.answer.to_response();
        assert_eq!((response.status, response.headers.only("Cache-Control")), (201, Some("no-store")));
        let request_uri = pushed(reply).request_uri;
        assert!(request_uri.expose().starts_with(PREFIX));
        assert_eq!(json(&response), json!({"request_uri": request_uri.expose(), "expires_in": 60}));

        let (reply, counts) = site.store.count(|| bring(&site, client, request_uri.expose(), &[], NOW));
        assert_eq!((counts, reply.event.kind), (READ, EventKind::AuthorizationRequested));
        let asked = interact(reply);
        assert_eq!((asked.client_id(), asked.scope()), (&client_id(client), &scope("openid read write")));
        assert_eq!(asked.redirect_uri(), Some(redirect_uri(client).as_str()));
        let approved = site.approve(asked, NOW);
        let form = response_of(&approved);
        assert_eq!((form.get("state"), form.get("iss")), (Some("state-1"), Some(support::ISSUER)));
        let tokens = issued(site.redeem(client, &code(&approved), NOW));
        assert_eq!(site.claims(tokens.id_token.as_ref().unwrap(), "JWT")["nonce"], "nonce-1");
    }
}

fn response_of(reply: &Reply<Answered>) -> form::Form<'static> {
    response(redirect(reply))
}

/// EX-01: one `request_uri` says nothing of another, and none can be made.
#[test]
fn rfc9126_7_1_a_request_uri_cannot_be_guessed() {
    let site = site();
    let good = request_uri(&site, "web");
    assert_ne!(good.expose(), request_uri(&site, "web").expose());
    let encoded = good.expose().strip_prefix(PREFIX).unwrap();
    let bytes = base64url::decode(encoded).unwrap();
    for place in 0..bytes.len() {
        let mut forged = bytes.clone();
        forged.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 0x10);
        let forged = format!("{PREFIX}{}", base64url::encode(forged));
        let (reply, counts) = site.store.count(|| bring(&site, "web", &forged, &[], NOW));
        assert_unknown(&reply);
        // Behind the body and the first half of the tag, the record is needed.
        assert_eq!(counts, if place < 55 { UNTOUCHED } else { READ });
    }
    for text in [PREFIX, "urn:ietf:params:oauth:request_uri:", "urn:ietf:params:oauth:request_uri:x"] {
        let (reply, counts) = site.store.count(|| bring(&site, "web", text, &[], NOW));
        assert_unknown(&reply);
        assert_eq!(counts, UNTOUCHED);
    }
    interaction(&site, "web", &good, NOW);
}

/// EX-02.
#[test]
fn rfc9126_2_1_a_pushed_request_refers_to_no_other() {
    let site = site();
    let good = request_uri(&site, "web");
    for inside in [good.expose(), "https://web.example/request", "x"] {
        let (reply, counts) = site.store.count(|| site.push("web", &[("request_uri", Some(inside))], NOW));
        assert_not_pushed(&reply, 400, "invalid_request", Reason::RequestUriPushed);
        assert_eq!(counts, CLIENT_READ);
    }
}

#[test]
fn rfc9101_7_a_request_object_is_not_taken() {
    let (reply, counts) = {
        let site = site();
        site.store.count(|| site.push("web", &[("request", Some("e30.e30."))], NOW))
    };
    assert_not_pushed(&reply, 400, "request_not_supported", Reason::RequestObject);
    assert_eq!(counts, CLIENT_READ);
}

/// EX-03.
#[test]
fn rfc9126_2_2_a_request_uri_is_bound_to_its_client() {
    let site = site();
    let request_uri = request_uri(&site, "web");
    for stranger in ["other", "native"] {
        let (reply, counts) = site.store.count(|| bring(&site, stranger, request_uri.expose(), &[], NOW));
        assert_unknown(&reply);
        assert_eq!(counts, READ);
    }
    let (reply, _) = site.store.count(|| bring(&site, "nobody", request_uri.expose(), &[], NOW));
    assert!(
        matches!(reply.answer, Authorization::Page(page) if page.denial().reason == Reason::ClientUnknown)
    );
    let nameless = site.authorize(&form::encode([("request_uri", request_uri.expose())]), NOW);
    assert_eq!(nameless.event.denial.map(|denial| denial.reason), Some(Reason::Missing("client_id")));
    code(&site.approve(interaction(&site, "web", &request_uri, NOW), NOW));
}

/// EX-05.
#[test]
fn rfc9126_4_only_the_pushed_parameters_count() {
    let site = site();
    let request_uri = request_uri(&site, "web");
    let more = [
        ("scope", "read"),
        ("redirect_uri", "https://evil.example/cb"),
        ("state", "other"),
        ("nonce", "other"),
        ("response_type", "token"),
        ("code_challenge", "x"),
        ("prompt", "none"),
        ("resource", "https://evil.example"),
        ("request", "e30.e30."),
    ];
    let asked = interact(bring(&site, "web", request_uri.expose(), &more, NOW));
    assert_eq!(asked, interaction(&site, "web", &request_uri, NOW));
    let approved = site.approve(asked, NOW);
    assert!(redirect(&approved).url().expose().starts_with("https://web.example/cb?"));
    assert_eq!(response_of(&approved).get("state"), Some("state-1"));
    issued(site.redeem("web", &code(&approved), NOW));
}

/// EX-05: a parameter that was not pushed is not added.
#[test]
fn rfc9126_4_a_parameter_that_is_missing_is_not_filled_in() {
    let site = site();
    let reply = site.push("web", &[("code_challenge", None)], NOW);
    assert_not_pushed(&reply, 400, "invalid_request", Reason::ChallengeMissing);
    let request_uri = pushed(site.push("web", &[("state", None)], NOW)).request_uri;
    let asked = interact(bring(&site, "web", request_uri.expose(), &[("state", "other")], NOW));
    assert_eq!(response_of(&site.approve(asked, NOW)).get("state"), None);
}

/// EX-06.
#[test]
fn rfc9126_2_1_a_client_that_is_not_authenticated_stores_nothing() {
    let site = site();
    let body = query("web", &[]);
    let plain = || HttpRequest::form("/par", body.clone());
    let wrong = plain().with_header("Authorization", basic("web", "wrong"));
    let posted = HttpRequest::form("/par", format!("{body}&client_secret=wrong"));
    let nameless = HttpRequest::form("/par", query("web", &[("client_id", None)]));
    for (request, reason, counts) in [
        (plain(), Reason::ClientNotAuthenticated, CLIENT_READ),
        (wrong, Reason::ClientNotAuthenticated, CLIENT_READ),
        (posted, Reason::ClientNotAuthenticated, CLIENT_READ),
        (nameless, Reason::NoClient, UNTOUCHED),
    ] {
        let (reply, found) = site.store.count(|| site.run(&site.server.push(&request), NOW));
        assert_not_pushed(&reply, 401, "invalid_client", reason);
        assert_eq!(found, counts);
        assert!(reply.answer.to_response().headers.only("WWW-Authenticate").is_some());
    }
    let other = plain().with_header("Authorization", basic("other", &secret("other")));
    let (reply, found) = site.store.count(|| site.run(&site.server.push(&other), NOW));
    assert_not_pushed(&reply, 400, "invalid_request", Reason::TwoClients);
    assert_eq!(found, UNTOUCHED);
    assert_eq!(site.store.inner.sweep_all(time(u64::MAX)), 0);
}

/// RFC 9126 section 2.3: the status of what is no POST.
#[test]
fn rfc9126_2_3_a_faulty_form_touches_nothing() {
    let site = site();
    let with_secret =
        |request: HttpRequest| request.with_header("Authorization", basic("web", &secret("web")));
    let body = query("web", &[]);
    let form = |target: &str, body: String| with_secret(HttpRequest::form(target, body));
    for (request, status, reason) in [
        (with_secret(HttpRequest::new("GET", format!("/par?{body}"))), 405, Reason::NotPost),
        (form("/par?scope=read", body.clone()), 400, Reason::ParameterInUrl("scope")),
        (form("/par?client_secret=x", body.clone()), 400, Reason::ParameterInUrl("client_secret")),
        (form("/par", format!("{body}&scope=read")), 400, Reason::Form(FormError::Repeated("scope"))),
        (form("/par", format!("{body}&client_id=web")), 400, Reason::Form(FormError::Repeated("client_id"))),
        (
            form("/par", format!("{body}&prompt=%00")),
            400,
            Reason::Form(FormError::ControlCharacter("prompt")),
        ),
        (
            with_secret(HttpRequest::new("POST", "/par").with_body(body.into_bytes())),
            400,
            Reason::Form(FormError::ContentType),
        ),
    ] {
        let (reply, counts) = site.store.count(|| site.run(&site.server.push(&request), NOW));
        assert_not_pushed(&reply, status, "invalid_request", reason);
        assert_eq!(counts, UNTOUCHED);
        let allow = reply.answer.to_response().headers.only("Allow").map(String::from);
        assert_eq!(allow.as_deref(), (status == 405).then_some("POST"));
    }
}

/// What a browser's request is refused for, a pushed one is as well: by a JSON answer, and nothing is stored.
#[test]
fn rfc9126_2_1_a_pushed_request_is_checked_like_a_browsers() {
    let site = site();
    let long = "x".repeat(4097);
    for (name, value, error, reason) in [
        ("redirect_uri", Some("https://evil.example/cb"), "invalid_request", Reason::RedirectUriUnknown),
        ("response_type", None, "invalid_request", Reason::Missing("response_type")),
        ("response_type", Some("token"), "unsupported_response_type", Reason::ResponseTypeUnknown),
        ("response_mode", Some("fragment"), "invalid_request", Reason::Malformed("response_mode")),
        ("scope", Some("admin"), "invalid_scope", Reason::ScopeNotRegistered),
        ("scope", None, "invalid_scope", Reason::ScopeMissing),
        ("code_challenge", None, "invalid_request", Reason::ChallengeMissing),
        ("code_challenge", Some("x"), "invalid_request", Reason::ChallengeMalformed),
        ("code_challenge_method", Some("plain"), "invalid_request", Reason::ChallengeMethod),
        ("code_challenge_method", None, "invalid_request", Reason::ChallengeMethod),
        ("prompt", Some("none login"), "invalid_request", Reason::Malformed("prompt")),
        ("max_age", Some("-1"), "invalid_request", Reason::Malformed("max_age")),
        ("resource", Some("https://x.example"), "invalid_target", Reason::ResourceUnknown),
        ("state", Some(long.as_str()), "invalid_request", Reason::TooLong("state")),
    ] {
        let (reply, counts) = site.store.count(|| site.push("web", &[(name, value)], NOW));
        assert_not_pushed(&reply, 400, error, reason);
        assert_eq!(counts, CLIENT_READ);
        let browser = site.authorize(&query("web", &[(name, value)]), NOW);
        assert_eq!(browser.event.denial.map(|denial| denial.reason), Some(reason));
    }
    for client in clients().into_iter().filter(|client| client.id().as_str() == "web") {
        site.store.inner.put_client(client.with_grant_types([]));
    }
    let reply = site.push("web", &[], NOW);
    assert_not_pushed(&reply, 400, "unauthorized_client", Reason::GrantTypeNotRegistered);
}

/// EX-08.
#[test]
fn rfc9126_6_a_client_that_has_to_push_is_answered_to_nothing_else() {
    let site = site();
    for client in clients().into_iter().filter(|client| client.id().as_str() == "web") {
        site.store.inner.put_client(client.requiring_pushed_requests());
    }
    let reply = site.authorize(&query("web", &[]), NOW);
    assert_eq!(reply.event.denial.map(|denial| denial.reason), Some(Reason::NotPushed));
    let redirect = redirected(reply);
    let form = response(&redirect);
    assert_eq!((form.get("error"), form.get("state")), (Some("invalid_request"), Some("state-1")));
    // The redirect URI is judged first.
    let evil = site.authorize(&query("web", &[("redirect_uri", Some("https://evil.example/cb"))]), NOW);
    assert!(matches!(evil.answer, Authorization::Page(_)));
    // A request_uri that is not one of the server's does not get around it.
    let elsewhere = query("web", &[("request_uri", Some("https://web.example/request"))]);
    assert_eq!(response(&redirected(site.authorize(&elsewhere, NOW))).get("error"), Some("invalid_request"));
    let twice = query("web", &[("request_uri", Some("x"))]) + "&request_uri=x";
    assert!(matches!(site.authorize(&twice, NOW).answer, Authorization::Redirect(_)));
    code(&site.approve(interaction(&site, "web", &request_uri(&site, "web"), NOW), NOW));
}

/// Whatever is not pushed here is said not to be supported: nothing is fetched, and no store is asked for it.
#[test]
fn rfc9101_7_a_request_uri_of_elsewhere_is_not_fetched() {
    let site = site();
    for elsewhere in ["https://web.example/request", "http://127.0.0.1/", "file:///etc/passwd", "urn:x:y"] {
        let query = query("web", &[("request_uri", Some(elsewhere))]);
        let (reply, counts) = site.store.count(|| site.authorize(&query, NOW));
        assert_eq!(reply.event.denial.map(|denial| denial.reason), Some(Reason::RequestUri));
        assert_eq!(response(&redirected(reply)).get("error"), Some("request_uri_not_supported"));
        assert_eq!(counts, CLIENT_READ);
        // Without a redirect URI that is registered there is nowhere to say so.
        let reply = bring(&site, "web", elsewhere, &[("redirect_uri", "https://evil.example")], NOW);
        assert!(matches!(reply.answer, Authorization::Page(_)));
    }
}

#[test]
fn rfc9126_4_a_page_may_be_loaded_again_until_it_is_approved() {
    let site = site();
    let request_uri = request_uri(&site, "web");
    let first = interaction(&site, "web", &request_uri, NOW);
    let reloaded = interaction(&site, "web", &request_uri, NOW);
    assert_eq!(first, reloaded);
    let (approved, counts) = site.store.count(|| site.approve(first.clone(), NOW));
    assert_eq!(counts, [1, 1, 1]);
    let code = code(&approved);
    // Both pages are the same request: the same yes gives the same code, and another one gives none.
    for asked in [&first, &reloaded] {
        let (again, counts) = site.store.count(|| site.approve(asked.clone(), NOW));
        assert_eq!((again.event.effect, counts), (Effect::Repeated, READ));
        assert_eq!(support::code(&again), code);
    }
    let bob = Approval::new(Subject::parse("bob").unwrap(), time(LOGIN));
    let other = site.run(&site.server.approve(reloaded.clone(), bob), NOW);
    assert_page(&other, Reason::AlreadyAnswered);
    let narrower = approval().narrowed_to(scope("read"));
    let other = site.run(&site.server.approve(reloaded.clone(), narrower), NOW);
    assert_page(&other, Reason::AlreadyAnswered);

    assert_unknown(&bring(&site, "web", request_uri.expose(), &[], NOW));
    issued(site.redeem("web", &code, NOW));
    assert_unknown(&bring(&site, "web", request_uri.expose(), &[], NOW));
    assert_page(&site.approve(reloaded, NOW), Reason::AlreadyAnswered);
}

/// A no writes nothing: the person may come back in time and say yes.
#[test]
fn rfc6749_4_1_2_1_a_refusal_is_told_to_the_client_and_uses_nothing_up() {
    let site = site();
    let request_uri = request_uri(&site, "web");
    let asked = interaction(&site, "web", &request_uri, NOW);
    let (reply, counts) = site.store.count(|| site.refuse(&asked, Refusal::AccessDenied));
    assert_eq!((response_of(&reply).get("error"), counts), (Some("access_denied"), UNTOUCHED));
    code(&site.approve(interaction(&site, "web", &request_uri, NOW), NOW));
}

/// The request has to be brought in time; the page behind it has a time of its own.
#[test]
fn rfc9126_2_2_a_request_uri_expires() {
    let site = site();
    let request_uri = request_uri(&site, "web");
    let asked = interaction(&site, "web", &request_uri, NOW + 59);
    assert_unknown(&bring(&site, "web", request_uri.expose(), &[], NOW + 60));
    assert_eq!(asked.expires_at(), time(NOW + 59 + 15 * 60));
    let last = NOW + 59 + 15 * 60 - 1;
    assert_eq!(site.store.inner.sweep_all(time(last + 3600)), 0);
    let approved = site.approve(asked.clone(), last);
    let late = site.approve(asked, last + 1);
    assert_page(&late, Reason::InteractionExpired);
    issued(site.redeem("web", &code(&approved), last));

    let site = every_endpoint(Policy::default().with_pushed_request_lifetime(Duration::from_secs(90)));
    assert_eq!(json(&site.push("web", &[], NOW).answer.to_response())["expires_in"], 90);
}

#[test]
fn a_request_whose_record_is_gone_is_unknown() {
    let site = site();
    let request_uri = request_uri(&site, "web");
    site.store.fault.set(Some(Fault::NoGrants));
    assert_unknown(&bring(&site, "web", request_uri.expose(), &[], NOW));
}

/// CS-23.
#[test]
fn rfc9700_4_14_2_a_request_that_was_revoked_is_unknown() {
    let site = site();
    let request_uri = request_uri(&site, "web");
    let asked = interaction(&site, "web", &request_uri, NOW);
    site.revoke_waiting(&[0]);
    assert_unknown(&bring(&site, "web", request_uri.expose(), &[], NOW));
    assert_page(&site.approve(asked, NOW), Reason::AlreadyAnswered);
}

#[test]
fn a_request_uri_of_another_issuer_opens_nothing() {
    let mut site = site();
    let request_uri = request_uri(&site, "web");
    site.server = server_of("https://other.example");
    let (reply, counts) = site.store.count(|| bring(&site, "web", request_uri.expose(), &[], NOW));
    assert_unknown(&reply);
    assert_eq!(counts, UNTOUCHED);
}

#[test]
fn one_kind_of_handle_is_never_taken_for_another() {
    let site = site();
    let request_uri = request_uri(&site, "web");
    let encoded = request_uri.expose().strip_prefix(PREFIX).unwrap();
    let reply = site.redeem("web", &format!("grc_{encoded}"), NOW);
    assert_denied(&reply, "invalid_grant", Reason::Forged);
    let code = site.code(NOW);
    let renamed = format!("{PREFIX}{}", code.split_at(4).1);
    assert_unknown(&bring(&site, "web", &renamed, &[], NOW));
}

/// The registration counts as it stands when the browser comes.
#[test]
fn rfc9126_4_the_request_is_checked_again_when_it_is_brought() {
    let site = site();
    let request_uri = request_uri(&site, "web");
    for client in clients().into_iter().filter(|client| client.id().as_str() == "web") {
        site.store.inner.put_client(client.with_scope(scope("read")));
    }
    let reply = bring(&site, "web", request_uri.expose(), &[], NOW);
    assert_eq!(response(&redirected(reply)).get("error"), Some("invalid_scope"));
    site.store.inner.remove_client(&client_id("web"));
    let reply = bring(&site, "web", request_uri.expose(), &[], NOW);
    assert!(
        matches!(reply.answer, Authorization::Page(page) if page.denial().reason == Reason::ClientUnknown)
    );
}

/// The secret proves the client, and is no part of what waits.
#[test]
fn rfc9126_2_1_no_record_holds_a_secret_of_the_client() {
    for client in ["post", "web"] {
        let site = site();
        let more = [("client_assertion_type", None), ("unknown", Some("unknown-1"))];
        let request_uri = pushed(site.push(client, &more, NOW)).request_uri;
        let bytes = site.store.last_written().to_bytes();
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(holds(CHALLENGE) && holds("state-1"));
        let secret = secret(client);
        for text in [
            &secret,
            &form::encode_component(&secret),
            "client_secret",
            "unknown-1",
            request_uri.expose().strip_prefix(PREFIX).unwrap(),
        ] {
            assert!(!holds(text), "{text}");
        }
    }
}

#[test]
fn a_store_that_fails_gives_no_request_uri() {
    let site = site();
    let operation = site.server.push(&push_request("web", &[]));
    for fault in [Fault::Read, Fault::Commit, Fault::Conflict] {
        site.store.fault.set(Some(fault));
        let response = site.try_run(&operation, NOW).unwrap_err().to_response();
        assert_eq!((response.status, response.headers.only("Cache-Control")), (503, Some("no-store")));
    }
    site.store.fault.set(None);
    pushed(site.run(&operation, NOW));
}

#[test]
fn rfc9126_5_the_metadata_names_the_endpoint_where_it_is_enabled() {
    let member = "pushed_authorization_request_endpoint";
    assert_eq!(json(&site().server.metadata_response())[member], "https://as.example/par");
    assert_eq!(json(&server_of(support::ISSUER).metadata_response()).get(member), None);
}
