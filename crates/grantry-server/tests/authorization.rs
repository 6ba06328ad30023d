//! The authorization endpoint: what is shown, what is redirected, and where to.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use grantry_core::form::{self, FormError};
use grantry_core::{HttpRequest, ScopeError, base64url};
use grantry_server::{
    Answered, ApplicationType, Authorization, Client, ClientAuthentication, Event, MAX_LOGIN_HINT_BYTES,
    MAX_NONCE_BYTES, MAX_STATE_BYTES, Page, Prompt, Reason, Redirect, RedirectUri, Refusal, Reply,
};
use support::{
    CHALLENGE, ISSUER, NOW, Site, approval, client_id, code, query, redirect, response, scope, time,
};

fn reason(event: &Event) -> Reason {
    event.denial.unwrap().reason
}

#[track_caller]
fn page(reply: &Reply<Authorization>) -> Page {
    let Authorization::Page(page) = &reply.answer else { unreachable!("{:?}", reply.event) };
    assert_eq!(reply.event.denial, Some(page.denial()));
    *page
}

#[track_caller]
fn redirected(reply: &Reply<Authorization>) -> &Redirect {
    let Authorization::Redirect(redirect) = &reply.answer else { unreachable!("{:?}", reply.event) };
    redirect
}

/// Checks a query: an error redirect to the registered URI, with state and issuer.
#[track_caller]
fn assert_redirected(site: &Site, query: &str, error: &str, expected: Reason) {
    let reply = site.authorize(query, NOW);
    let redirect = redirected(&reply);
    assert!(redirect.url().expose().starts_with("https://web.example/cb?"));
    let response = response(redirect);
    assert_eq!((response.get("error"), reason(&reply.event)), (Some(error), expected));
    assert_eq!((response.get("iss"), response.get("code")), (Some(ISSUER), None));
    // What was refused can be asked again.
    site.interaction("web", &[], NOW);
}

#[track_caller]
fn assert_paged(site: &Site, query: &str, expected: Reason) {
    let page = page(&site.authorize(query, NOW));
    assert_eq!((page.status(), page.denial().reason), (400, expected));
}

fn twice(name: &str, value: &str) -> String {
    format!("{}&{name}={value}", query("web", &[]))
}

#[test]
fn rfc6749_4_1_2_1_what_cannot_be_trusted_is_shown_and_never_redirected() {
    let site = Site::new();
    let without = |name| query("web", &[(name, None)]);
    let with = |name, value| query("web", &[(name, Some(value))]);
    let long = "x".repeat(600);
    for (query, reason) in [
        (without("client_id"), Reason::Missing("client_id")),
        (with("client_id", ""), Reason::Missing("client_id")),
        (with("client_id", "nobody"), Reason::ClientUnknown),
        (with("client_id", "WEB"), Reason::ClientUnknown),
        (with("client_id", "w\u{e9}b"), Reason::ClientUnknown),
        (with("client_id", &long), Reason::ClientUnknown),
        (twice("client_id", "web"), Reason::Form(FormError::Repeated("client_id"))),
        (twice("client_id", ""), Reason::Form(FormError::Repeated("client_id"))),
        (with("redirect_uri", "https://evil.example/cb"), Reason::RedirectUriUnknown),
        (with("redirect_uri", "https://other.example/cb"), Reason::RedirectUriUnknown),
        (twice("redirect_uri", "https://evil.example/cb"), Reason::Form(FormError::Repeated("redirect_uri"))),
        (format!("{}&x=%ff", query("web", &[])), Reason::Form(FormError::NotUtf8)),
        (format!("{}&x=%", query("web", &[])), Reason::Form(FormError::Escape)),
        (with("state", "a\nb"), Reason::Form(FormError::ControlCharacter("state"))),
    ] {
        assert_paged(&site, &query, reason);
    }
}

/// AR-07: also beside another repeated parameter.
#[test]
fn rfc6749_3_1_a_repeated_redirect_uri_is_shown_whatever_else_is_repeated() {
    let site = Site::new();
    for name in ["response_type", "state", "scope", "nonce"] {
        let query = format!("{}&redirect_uri=https://evil.example&{name}=x", query("web", &[]));
        assert_paged(&site, &query, Reason::Form(FormError::Repeated("redirect_uri")));
    }
}

#[test]
fn rfc6749_4_1_2_1_other_errors_go_to_the_registered_uri() {
    let site = Site::new();
    let without = |name| query("web", &[(name, None)]);
    let with = |name, value| query("web", &[(name, Some(value))]);
    let long_nonce = "n".repeat(MAX_NONCE_BYTES + 1);
    let long_hint = "n".repeat(MAX_LOGIN_HINT_BYTES + 1);
    let long_scope = "s".repeat(4097);
    for (query, error, reason) in [
        (without("response_type"), "invalid_request", Reason::Missing("response_type")),
        (with("response_type", "token"), "unsupported_response_type", Reason::ResponseTypeUnknown),
        (without("code_challenge"), "invalid_request", Reason::ChallengeMissing),
        (without("code_challenge_method"), "invalid_request", Reason::ChallengeMethod),
        (with("code_challenge_method", "plain"), "invalid_request", Reason::ChallengeMethod),
        (with("code_challenge_method", "s256"), "invalid_request", Reason::ChallengeMethod),
        (with("code_challenge", "short"), "invalid_request", Reason::ChallengeMalformed),
        (without("scope"), "invalid_scope", Reason::ScopeMissing),
        (with("scope", ""), "invalid_scope", Reason::ScopeMissing),
        (with("scope", "read admin"), "invalid_scope", Reason::ScopeNotRegistered),
        (with("scope", "read  write"), "invalid_scope", Reason::Scope(ScopeError::EmptyToken)),
        (with("scope", "\""), "invalid_scope", Reason::Scope(ScopeError::Character)),
        (with("scope", &long_scope), "invalid_scope", Reason::Scope(ScopeError::TooLong)),
        (with("nonce", &long_nonce), "invalid_request", Reason::TooLong("nonce")),
        (with("login_hint", &long_hint), "invalid_request", Reason::TooLong("login_hint")),
        (with("prompt", "none login"), "invalid_request", Reason::Malformed("prompt")),
        (with("prompt", "Login"), "invalid_request", Reason::Malformed("prompt")),
        (with("max_age", "-1"), "invalid_request", Reason::Malformed("max_age")),
        (with("max_age", "+1"), "invalid_request", Reason::Malformed("max_age")),
        (with("max_age", "1.5"), "invalid_request", Reason::Malformed("max_age")),
        (with("max_age", "18446744073709551616"), "invalid_request", Reason::Malformed("max_age")),
        (with("request", "e30."), "request_not_supported", Reason::RequestObject),
        (with("request_uri", "http://169.254.169.254"), "request_uri_not_supported", Reason::RequestUri),
        (twice("scope", "read"), "invalid_request", Reason::Form(FormError::Repeated("scope"))),
        (twice("nonce", ""), "invalid_request", Reason::Form(FormError::Repeated("nonce"))),
    ] {
        assert_redirected(&site, &query, error, reason);
    }
}

/// RL-11.
#[test]
fn limits_of_state_and_redirect_uri_hold_at_their_edges() {
    let site = Site::new();
    let state = "s".repeat(MAX_STATE_BYTES);
    let interaction = site.interaction("web", &[("state", Some(&state))], NOW);
    let reply = site.approve(interaction, NOW);
    assert_eq!(response(redirect(&reply)).get("state"), Some(state.as_str()));

    let longer = query("web", &[("state", Some(&format!("{state}s")))]);
    let reply = site.authorize(&longer, NOW);
    assert_eq!(reason(&reply.event), Reason::TooLong("state"));
    assert_eq!(response(redirected(&reply)).get("state"), None);

    let huge = "s".repeat(100 * 1024);
    assert_paged(&site, &query("web", &[("state", Some(&huge))]), Reason::Form(FormError::TooLong));
    let uri = format!("https://web.example/{}", "p".repeat(RedirectUri::MAX_BYTES));
    assert_paged(&site, &query("web", &[("redirect_uri", Some(&uri))]), Reason::TooLong("redirect_uri"));
}

/// AR-33.
#[test]
fn rfc9207_2_every_redirect_names_the_issuer_once() {
    let site = Site::new();
    let interaction = || site.interaction("web", &[("max_age", Some("10"))], NOW);
    let denied = site.authorize(&query("web", &[("scope", None)]), NOW);
    let redirects = [
        redirected(&denied).clone(),
        redirect(&site.approve(site.interaction("web", &[], NOW), NOW)).clone(),
        redirect(&site.approve(interaction(), NOW)).clone(),
        redirect(&site.refuse(&interaction(), Refusal::AccessDenied)).clone(),
        redirect(&site.refuse(&interaction(), Refusal::LoginRequired)).clone(),
        redirect(&site.refuse(&interaction(), Refusal::ConsentRequired)).clone(),
        redirect(&site.refuse(&interaction(), Refusal::ServerError)).clone(),
    ];
    let expected = [
        Some("invalid_scope"),
        None,
        Some("login_required"),
        Some("access_denied"),
        Some("login_required"),
        Some("consent_required"),
        Some("server_error"),
    ];
    for (redirect, error) in redirects.iter().zip(expected) {
        // Reading the response refuses a name that stands twice.
        let response = response(redirect);
        assert_eq!((response.get("iss"), response.get("error")), (Some(ISSUER), error));
        assert_eq!(response.get("state"), Some("state-1"));
        assert_eq!(response.get("code").is_some(), error.is_none());
    }
}

/// AR-35 and CS-17.
#[test]
fn rfc9700_4_12_a_redirect_is_a_303_that_nobody_keeps() {
    let site = Site::new();
    let reply = site.approve(site.interaction("web", &[], NOW), NOW);
    let sent = redirect(&reply).to_response();
    assert_eq!((sent.status, sent.body.len()), (303, 0));
    let headers: Vec<_> = sent.headers.iter().collect();
    let location = redirect(&reply).url().expose();
    let expected =
        [("Location", location), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer")];
    assert_eq!(headers, expected);
}

/// AR-37.
#[test]
fn rfc6749_4_1_2_1_error_description_has_its_grammar_and_echoes_nothing() {
    let site = Site::new();
    let marker = "m4rker<\"\\${7*7}\u{e9}";
    let names = ["response_type", "scope", "code_challenge", "code_challenge_method", "response_mode"];
    let others = ["prompt", "max_age", "request", "request_uri"];
    for name in names.into_iter().chain(others) {
        let reply = site.authorize(&query("web", &[(name, Some(marker))]), NOW);
        let url = redirected(&reply).url().expose();
        assert!(!url.contains("m4rker"), "{name}");
        let response = response(redirected(&reply));
        let description = response.get("error_description").unwrap();
        let printable = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(description.bytes().all(printable), "{description}");
    }
}

/// AR-38: what the library gives a page to show has no text of the request.
#[test]
fn rfc9700_4_16_a_page_has_no_text_of_the_request() {
    let site = Site::new();
    for (name, value) in [("client_id", "<img onerror>"), ("redirect_uri", "https://<img onerror>")] {
        let page = page(&site.authorize(&query("web", &[(name, Some(value))]), NOW));
        let shown = format!("{} {} {page:?}", page.denial().reason, page.denial().code);
        assert!(!shown.contains("onerror"), "{shown}");
    }
}

/// AR-40.
#[test]
fn rfc6749_3_1_get_and_post_and_never_both_at_once() {
    let site = Site::new();
    let good = query("web", &[]);
    let run = |request: HttpRequest| site.run(&site.server.authorize(&request), NOW);
    let posted = run(HttpRequest::form("/authorize", good.as_str()));
    assert!(matches!(posted.answer, Authorization::Interact(_)));
    let query_of_a_post = run(HttpRequest::form(format!("/authorize?{good}"), "x=1"));
    assert_eq!(page(&query_of_a_post).denial().reason, Reason::Missing("client_id"));
    let body_of_a_get = run(HttpRequest::new("GET", "/authorize").with_body(good.as_str()));
    assert_eq!(page(&body_of_a_get).denial().reason, Reason::Missing("client_id"));
    let undeclared = run(HttpRequest::new("POST", "/authorize").with_body(good.as_str()));
    assert_eq!(page(&undeclared).denial().reason, Reason::Form(FormError::ContentType));
    for method in ["HEAD", "PUT", "OPTIONS", "get", ""] {
        let other = run(HttpRequest::new(method, format!("/authorize?{good}")));
        assert_eq!((page(&other).status(), reason(&other.event)), (405, Reason::NotGetOrPost), "{method}");
    }
}

/// PK-29.
#[test]
fn oauth2_1_4_1_2_the_challenge_is_in_no_answer() {
    let site = Site::new();
    let reply = site.approve(site.interaction("web", &[], NOW), NOW);
    let url = redirect(&reply).url().expose();
    let bytes = base64url::decode(code(&reply).trim_start_matches("grc_")).unwrap();
    assert!(!url.contains(CHALLENGE) && !url.contains("code_challenge"));
    assert!(!String::from_utf8_lossy(&bytes).contains(CHALLENGE));
    let denied = site.refuse(&site.interaction("web", &[], NOW), Refusal::AccessDenied);
    assert!(!redirect(&denied).url().expose().contains(CHALLENGE));
    let failed = site.redeem("native", &code(&reply), NOW);
    assert!(!String::from_utf8_lossy(&failed.answer.to_response().body).contains(CHALLENGE));
}

#[test]
fn oidc_core_3_1_2_1_what_the_client_asks_of_the_pages_reaches_the_host() {
    let site = Site::new();
    let changes = [
        ("prompt", Some("login consent select_account")),
        ("max_age", Some("300")),
        ("login_hint", Some("alice@example.org")),
    ];
    let interaction = site.interaction("web", &changes, NOW);
    for prompt in [Prompt::Login, Prompt::Consent, Prompt::SelectAccount] {
        assert!(interaction.has_prompt(prompt));
    }
    assert!(!interaction.has_prompt(Prompt::None));
    assert_eq!(interaction.max_age(), Some(300));
    assert_eq!(interaction.login_hint(), Some("alice@example.org"));
    assert_eq!((interaction.client_name(), interaction.client_id()), ("web", &client_id("web")));
    assert_eq!(interaction.redirect_uri(), Some("https://web.example/cb"));
    assert_eq!(interaction.scope(), &scope("openid read write"));
    assert_eq!(interaction.expires_at(), time(NOW + 15 * 60));
    let max_age_zero = site.interaction("web", &[("max_age", Some("0"))], NOW);
    assert_eq!(max_age_zero.max_age(), Some(0));
}

#[test]
fn rfc6749_3_3_a_default_scope_stands_in_for_none() {
    let site = Site::new();
    let client = Client::new(client_id("default"), ClientAuthentication::None)
        .with_redirect_uri(RedirectUri::register("https://default.example/cb", ApplicationType::Web).unwrap())
        .with_scope(scope("read write"))
        .with_default_scope(scope("read"));
    site.store.inner.put_client(client);
    for absent in [None, Some("")] {
        let interaction = site.interaction("default", &[("scope", absent)], NOW);
        assert_eq!(interaction.scope(), &scope("read"));
    }
}

/// CS-19.
#[test]
fn rfc6749_4_1_2_1_a_refusal_is_access_denied_and_leaves_nothing() {
    let site = Site::new();
    let interaction = site.interaction("web", &[], NOW);
    let (reply, counts) = site.store.count(|| site.refuse(&interaction, Refusal::AccessDenied));
    assert_eq!(counts, [0, 0, 0]);
    assert_eq!(reason(&reply.event), Reason::Refused);
    let response = response(redirect(&reply));
    assert_eq!((response.get("error"), response.get("state")), (Some("access_denied"), Some("state-1")));
    assert_eq!((response.get("iss"), response.get("code")), (Some(ISSUER), None));
    // Nothing is remembered: the same page may still be approved.
    code(&site.approve(interaction, NOW));
}

/// CS-20.
#[test]
fn rfc6749_4_1_2_1_a_store_that_fails_at_consent_gives_no_code() {
    let site = Site::new();
    for fault in [support::Fault::Read, support::Fault::Commit] {
        let interaction = site.interaction("web", &[], NOW);
        site.store.fault.set(Some(fault));
        let operation = site.server.approve(interaction.clone(), approval());
        let error = site.try_run(&operation, NOW).unwrap_err();
        assert_eq!(error.to_response().status, 503);
        site.store.fault.set(None);
        let told = site.refuse(&interaction, Refusal::ServerError);
        assert_eq!(response(redirect(&told)).get("error"), Some("server_error"));
        assert_eq!(response(redirect(&told)).get("code"), None);
        // Nothing was consumed by the failure.
        assert!(matches!(site.approve(interaction, NOW).answer, Answered::Redirect(_)));
    }
}

/// CS-21: an approval is made from a subject, and a subject is never empty.
#[test]
fn an_approval_names_a_person() {
    for text in ["", "\u{e9}", "a\nb", &"s".repeat(256)] {
        assert!(grantry_server::Subject::parse(text).is_err(), "{text:?}");
    }
    assert_eq!(grantry_server::Subject::parse("s".repeat(255)).unwrap().as_str().len(), 255);
    let site = Site::new();
    site.approve(site.interaction("web", &[], NOW), NOW);
    assert_eq!(site.store.last_written().subject().unwrap().as_str(), "alice");
}

#[test]
fn rfc6749_3_1_unknown_parameters_are_ignored_and_their_number_is_bounded() {
    let site = Site::new();
    let good = query("web", &[]);
    let extra = |count: usize| format!("{good}&{}", form::encode((0..count).map(|_| ("x", "1"))));
    let known = good.split('&').count();
    let reply = site.authorize(&extra(form::MAX_PARAMETERS - known), NOW);
    assert!(matches!(reply.answer, Authorization::Interact(_)));
    assert_paged(&site, &extra(form::MAX_PARAMETERS - known + 1), Reason::Form(FormError::TooManyParameters));
}
