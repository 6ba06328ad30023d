//! RP-initiated logout: who is asked, and where the browser goes.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use grantry_core::form::{self, FormError};
use grantry_core::{HttpRequest, SecretString};
use grantry_server::{
    ApplicationType, Client, ClientAuthentication, Effect, EventKind, Logout, MAX_LOGIN_HINT_BYTES,
    MAX_STATE_BYTES, MAX_UI_LOCALES_BYTES, MemoryStore, Reason, RedirectUri, Reply, SessionEnd, Subject, run,
};
use support::{ISSUER, KEY, NOW, Site, client_id, private_key, server_of, subject};

const BACK: &str = "https://web.example/bye";

fn registered(client: &str, application: ApplicationType, uris: &[&str]) -> Client {
    let client = Client::new(client_id(client), ClientAuthentication::None);
    let client = if application == ApplicationType::Native { client.native() } else { client };
    uris.iter().fold(client, |client, uri| {
        client.with_post_logout_redirect_uri(RedirectUri::register(*uri, application).unwrap())
    })
}

fn store() -> MemoryStore {
    MemoryStore::new([
        registered("web", ApplicationType::Web, &[BACK, "https://web.example/bye?a=b"]),
        registered("native", ApplicationType::Native, &["http://127.0.0.1/bye", "com.example.app:/bye"]),
        registered("plain", ApplicationType::Web, &[])
            .with_redirect_uri(RedirectUri::register(BACK, ApplicationType::Web).unwrap()),
    ])
}

fn send(request: &HttpRequest) -> Reply<SessionEnd> {
    let moment = Site::new().moment(NOW);
    run(&store(), &server_of(ISSUER).end_session(request), moment).unwrap()
}

fn get(pairs: &[(&str, &str)]) -> Reply<SessionEnd> {
    send(&HttpRequest::new("GET", format!("/logout?{}", form::encode(pairs.iter().copied()))))
}

#[track_caller]
fn logout(reply: Reply<SessionEnd>) -> Logout {
    let SessionEnd::Logout(logout) = reply.answer else { panic!("{:?}", reply.event) };
    *logout
}

fn location(logout: &Logout) -> Option<&str> {
    logout.redirect().map(|redirect| redirect.url().expose())
}

#[track_caller]
fn assert_page(reply: &Reply<SessionEnd>, reason: Reason) {
    assert_eq!((reply.event.kind, reply.event.effect), (EventKind::RequestRefused, Effect::Nothing));
    assert_eq!(reply.event.denial.map(|denial| denial.reason), Some(reason));
    let SessionEnd::Page(page) = &reply.answer else { panic!("no page") };
    assert_eq!(page.denial().reason, reason);
    let response = page.to_response();
    assert_eq!(response.status, if reason == Reason::NotGetOrPost { 405 } else { 400 });
    assert_eq!(response.headers.only("Location"), None);
}

/// The ID token of a whole flow, long expired or not.
fn hint(client: &str) -> String {
    Site::new().tokens_for(client, &[], NOW - 100_000).id_token.unwrap().expose().into()
}

fn signed(claims: &serde_json::Value) -> String {
    KEY.sign_claims("JWT", claims).unwrap()
}

#[test]
fn logout_2_an_id_token_names_the_client_and_the_person() {
    let reply =
        get(&[("id_token_hint", &hint("web")), ("post_logout_redirect_uri", BACK), ("state", "s 1&")]);
    assert_eq!((reply.event.kind, reply.event.effect), (EventKind::LogoutRequested, Effect::Nothing));
    assert_eq!((&reply.event.client_id, &reply.event.subject), (&Some(client_id("web")), &Some(subject())));
    let logout = logout(reply);
    assert_eq!((logout.client_id(), logout.subject()), (Some(&client_id("web")), Some(&subject())));
    assert_eq!(location(&logout), Some("https://web.example/bye?state=s+1%26"));
    let response = logout.redirect().unwrap().to_response();
    assert_eq!((response.status, response.headers.only("Cache-Control")), (303, Some("no-store")));
}

#[test]
fn logout_2_without_an_id_token_the_person_is_asked() {
    let with_hint = logout(get(&[("id_token_hint", &hint("web"))]));
    assert!(!with_hint.must_ask(&subject(), Some("session-1")));
    assert!(with_hint.must_ask(&Subject::parse("bob").unwrap(), None));
    for pairs in
        [&[][..], &[("client_id", "web"), ("post_logout_redirect_uri", BACK), ("logout_hint", "alice")]]
    {
        let logout = logout(get(pairs));
        assert!(logout.must_ask(&subject(), None));
        assert_eq!((logout.subject(), logout.sid()), (None, None));
    }
}

#[test]
fn logout_2_an_id_token_of_another_session_does_not_spare_the_question() {
    let claims = serde_json::json!({ "iss": ISSUER, "sub": "alice", "aud": "web", "sid": "session-1" });
    let logout = logout(get(&[("id_token_hint", &signed(&claims))]));
    assert_eq!(logout.sid(), Some("session-1"));
    assert!(!logout.must_ask(&subject(), Some("session-1")) && !logout.must_ask(&subject(), None));
    assert!(logout.must_ask(&subject(), Some("session-2")));
}

#[test]
fn logout_3_only_a_registered_uri_is_gone_to() {
    for uri in [
        "https://web.example/bye/",
        "https://web.example/bye?",
        "https://web.example/bye?a=c",
        "https://web.example:443/bye",
        "https://WEB.example/bye",
        "http://web.example/bye",
        "https://evil.example/bye",
        "http://127.0.0.1/bye",
        "javascript:alert(1)",
        "//evil.example",
        " ",
    ] {
        let reply = get(&[("client_id", "web"), ("post_logout_redirect_uri", uri)]);
        assert_page(&reply, Reason::RedirectUriUnknown);
    }
    // What is registered for the way back from a login is not for this one.
    let login = get(&[("client_id", "plain"), ("post_logout_redirect_uri", BACK)]);
    assert_page(&login, Reason::RedirectUriUnknown);
    let kept =
        [("client_id", "web"), ("post_logout_redirect_uri", "https://web.example/bye?a=b"), ("state", "x")];
    assert_eq!(location(&logout(get(&kept))), Some("https://web.example/bye?a=b&state=x"));
    let bare = logout(get(&[("client_id", "web"), ("post_logout_redirect_uri", BACK)]));
    assert_eq!(location(&bare), Some(BACK));
}

#[test]
fn rfc8252_7_3_a_native_client_goes_back_to_any_loopback_port() {
    for (uri, is_known) in [
        ("http://127.0.0.1:50123/bye", true),
        ("http://127.0.0.1/bye", true),
        ("com.example.app:/bye", true),
        ("http://127.0.0.1:50123/other", false),
        ("http://127.0.0.1.evil.example/bye", false),
        ("http://localhost:50123/bye", false),
    ] {
        let reply = get(&[("client_id", "native"), ("post_logout_redirect_uri", uri)]);
        match is_known {
            true => assert_eq!(location(&logout(reply)), Some(uri)),
            false => assert_page(&reply, Reason::RedirectUriUnknown),
        }
    }
}

#[test]
fn logout_2_a_uri_needs_a_client() {
    assert_page(&get(&[("post_logout_redirect_uri", BACK)]), Reason::Missing("client_id"));
    let claims = serde_json::json!({ "iss": ISSUER, "sub": "alice", "aud": ["web", "plain"] });
    let ambiguous = signed(&claims);
    let reply = get(&[("post_logout_redirect_uri", BACK), ("id_token_hint", &ambiguous)]);
    assert_page(&reply, Reason::Missing("client_id"));
    let named = [("post_logout_redirect_uri", BACK), ("id_token_hint", &ambiguous), ("client_id", "web")];
    assert_eq!(location(&logout(get(&named))), Some(BACK));
    // A state without a place to go to is of no use.
    assert_eq!(location(&logout(get(&[("client_id", "web"), ("state", "x")]))), None);
}

#[test]
fn logout_2_the_client_is_one_that_the_id_token_is_for() {
    let hint = hint("web");
    let reply = get(&[("id_token_hint", &hint), ("client_id", "native")]);
    assert_page(&reply, Reason::IdTokenHint);
    let reply = get(&[("id_token_hint", &hint), ("client_id", "web")]);
    assert_eq!(logout(reply).client_id(), Some(&client_id("web")));
}

#[test]
fn logout_4_an_unknown_client_ends_on_a_page() {
    for client in ["nobody", "WEB", "web\u{e9}"] {
        assert_page(&get(&[("client_id", client)]), Reason::ClientUnknown);
    }
    assert_page(&get(&[("id_token_hint", &hint("post"))]), Reason::ClientUnknown);
}

#[test]
fn logout_4_a_hint_that_is_none_ends_on_a_page() {
    let tokens = Site::new().tokens(NOW);
    let foreign = private_key("JK-107.2", "key-2");
    let claims = serde_json::json!({ "iss": ISSUER, "sub": "alice", "aud": "web" });
    for hint in [
        "x",
        tokens.access_token.expose(),
        &foreign.sign_claims("JWT", &claims).unwrap(),
        &signed(&serde_json::json!({ "iss": "https://other.example", "sub": "alice", "aud": "web" })),
        Site::of(server_of("https://other.example")).tokens(NOW).id_token.as_ref().unwrap().expose(),
    ] {
        let pairs = [("id_token_hint", hint), ("client_id", "web"), ("post_logout_redirect_uri", BACK)];
        assert_page(&get(&pairs), Reason::IdTokenHint);
    }
}

#[test]
fn logout_2_get_and_post_are_one() {
    let pairs = [("client_id", "web"), ("post_logout_redirect_uri", BACK), ("ui_locales", "de en")];
    let posted = logout(send(&HttpRequest::form("/logout", form::encode(pairs))));
    assert_eq!((location(&posted), posted.ui_locales()), (Some(BACK), Some("de en")));
    let in_url = HttpRequest::form(format!("/logout?{}", form::encode(pairs)), "");
    assert_eq!(location(&logout(send(&in_url))), None);
    for method in ["HEAD", "PUT", "get"] {
        assert_page(&send(&HttpRequest::new(method, "/logout")), Reason::NotGetOrPost);
    }
    assert_page(&send(&HttpRequest::new("POST", "/logout")), Reason::Form(FormError::ContentType));
}

#[test]
fn rfc6749_3_1_a_repeated_parameter_ends_on_a_page() {
    for name in
        ["id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"]
    {
        assert_page(&get(&[(name, "a"), (name, "a")]), Reason::Form(FormError::Repeated(name)));
    }
}

#[test]
fn what_a_logout_carries_has_limits() {
    for (name, limit) in [
        ("state", MAX_STATE_BYTES),
        ("logout_hint", MAX_LOGIN_HINT_BYTES),
        ("ui_locales", MAX_UI_LOCALES_BYTES),
        ("post_logout_redirect_uri", RedirectUri::MAX_BYTES),
    ] {
        let longest = "a".repeat(limit);
        let reply = get(&[("client_id", "web"), (name, &longest)]);
        let reason = reply.event.denial.map(|denial| denial.reason);
        assert_eq!(reason, (name == "post_logout_redirect_uri").then_some(Reason::RedirectUriUnknown));
        assert_page(&get(&[("client_id", "web"), (name, &format!("{longest}a"))]), Reason::TooLong(name));
    }
}

/// At most one read, of the client alone.
#[test]
fn a_logout_writes_nothing() {
    let site = Site::new();
    let hint = hint("web");
    let run = |target: String| {
        site.store.count(|| site.run(&site.server.end_session(&HttpRequest::new("GET", target)), NOW)).1
    };
    assert_eq!(run("/logout".into()), [0, 0, 0]);
    assert_eq!(run("/logout?id_token_hint=x".into()), [0, 0, 0]);
    assert_eq!(run(format!("/logout?id_token_hint={hint}")), [1, 0, 0]);
}

#[test]
fn debug_shows_no_token() {
    let hint = SecretString::from(hint("web"));
    let request = HttpRequest::new(
        "GET",
        format!("/logout?id_token_hint={}&state=secret-1&logout_hint=secret-2", hint.expose()),
    );
    let operation = server_of(ISSUER).end_session(&request);
    let printed = format!("{operation:?} {:?}", send(&request));
    assert!(!printed.contains(hint.expose()) && !printed.contains("secret-"), "{printed}");
}
