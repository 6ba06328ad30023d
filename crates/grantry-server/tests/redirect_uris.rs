//! Redirect URIs: what may be registered, and what a response does to them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use grantry_server::{
    Answered, ApplicationType, Client, ClientAuthentication, GrantType, Reason, RedirectUri, RedirectUriError,
};
use support::{NOW, Site, client_id, redirect, response, scope};

fn site_of(uri: &str) -> Site {
    let client = Client::new(client_id("query"), ClientAuthentication::None);
    let uri = RedirectUri::register(uri, ApplicationType::Web).unwrap();
    let site = Site::new();
    site.store.inner.put_client(client.with_redirect_uri(uri).with_scope(scope("read")));
    site
}

/// RU-49.
#[test]
fn rfc6749_3_1_2_the_query_of_a_redirect_uri_is_kept() {
    for (uri, start) in [
        ("https://query.example/cb", "https://query.example/cb?code="),
        ("https://query.example/cb?", "https://query.example/cb?code="),
        ("https://query.example/cb?a=1", "https://query.example/cb?a=1&code="),
        ("https://query.example/cb?a=1&", "https://query.example/cb?a=1&code="),
        ("https://query.example/cb?a=1%2B&b=%26", "https://query.example/cb?a=1%2B&b=%26&code="),
        ("https://query.example/cb?a=?", "https://query.example/cb?a=?&code="),
    ] {
        let site = site_of(uri);
        let changes = [("redirect_uri", Some(uri)), ("scope", Some("read"))];
        let reply = site.approve(site.interaction("query", &changes, NOW), NOW);
        let url = redirect(&reply).url();
        assert!(url.expose().starts_with(start), "{uri}");
        assert_eq!(response(redirect(&reply)).get("state"), Some("state-1"), "{uri}");
    }
}

/// RU-50.
#[test]
fn rfc6749_3_1_a_redirect_uri_leaves_the_names_of_the_response_free() {
    for name in ["code", "state", "iss", "error", "error_description", "error_uri", "c%6Fde"] {
        for query in [format!("{name}=1"), format!("{name}="), name.into(), format!("a=1&{name}&b")] {
            for uri in [format!("https://app.example/cb?{query}"), format!("http://127.0.0.1/?{query}")] {
                let registered = RedirectUri::register(uri.as_str(), ApplicationType::Web);
                assert_eq!(registered, Err(RedirectUriError::Query), "{uri}");
            }
        }
    }
    let registered = RedirectUri::register("com.example:/cb?state", ApplicationType::Native);
    assert_eq!(registered, Err(RedirectUriError::Query));
    assert!(RedirectUri::register("https://app.example/cb?Code=1&states", ApplicationType::Web).is_ok());
}

#[test]
fn rfc9700_4_1_3_a_redirect_uri_reads_the_same_in_every_parser() {
    for (uri, error) in [
        ("https://app.example\\@evil.example/cb", RedirectUriError::Character),
        ("https://app.example/cb\\..", RedirectUriError::Character),
        ("https://@app.example/cb", RedirectUriError::User),
        ("https://u:@app.example/cb", RedirectUriError::User),
        ("https://app.example:x@evil.example/cb", RedirectUriError::User),
        ("http://127.0.0.1@evil.example/cb", RedirectUriError::PlainHttp),
        ("http://@127.0.0.1/cb", RedirectUriError::User),
        ("https:app.example/cb", RedirectUriError::Host),
        ("https:u@evil.example/://app.example/cb", RedirectUriError::Host),
        ("HTTPS://app.example/cb", RedirectUriError::Host),
        ("https:\\\\app.example/cb", RedirectUriError::Character),
        ("https://app.example/cb#", RedirectUriError::Fragment),
        ("https://app.example/cb?a=%zz", RedirectUriError::Query),
    ] {
        assert_eq!(RedirectUri::register(uri, ApplicationType::Native), Err(error), "{uri}");
    }
    let long = format!("https://app.example/{}", "p".repeat(RedirectUri::MAX_BYTES));
    assert_eq!(RedirectUri::register(long, ApplicationType::Web), Err(RedirectUriError::TooLong));
}

#[test]
fn rfc3986_3_2_a_host_that_needs_mending_is_not_registered() {
    for uri in [
        "https://exam%70le.com/cb",
        "http://2130706433/cb",
        "http://127.1/cb",
        "http://0177.0.01/cb",
        "https://a.example:/cb",
        "https://a.example:99999/cb",
        "https://b\u{fc}cher.example/cb",
    ] {
        assert!(RedirectUri::register(uri, ApplicationType::Web).is_err(), "{uri}");
    }
    for uri in
        ["https://App.Example/cb", "https://a.example:8443/cb", "http://[::1]:80/cb", "http://127.0.0.1/cb"]
    {
        assert!(RedirectUri::register(uri, ApplicationType::Web).is_ok(), "{uri}");
    }
}

#[test]
fn rfc8252_7_1_a_private_use_scheme_is_a_reverse_domain_name_and_a_path() {
    for uri in [
        "com.example.app:",
        "com.example.app:cb",
        "javascript.x:alert(1)",
        "http.://evil/",
        "com..app:/cb",
        "com.example.app://user:secret@host/cb",
    ] {
        assert!(RedirectUri::register(uri, ApplicationType::Native).is_err(), "{uri}");
    }
    for uri in ["com.example.app:/cb", "com.example.app://cb", "com.example.app://cb/@x?m=a@b"] {
        assert!(RedirectUri::register(uri, ApplicationType::Native).is_ok(), "{uri}");
        assert!(RedirectUri::register(uri, ApplicationType::Web).is_err(), "{uri}");
    }
}

#[test]
fn rfc8252_7_3_the_port_of_a_loopback_redirect_is_a_port() {
    let registered = RedirectUri::register("http://127.0.0.1/cb", ApplicationType::Native).unwrap();
    let client =
        Client::new(client_id("app"), ClientAuthentication::None).native().with_redirect_uri(registered);
    for uri in [
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1:+1/cb",
    ] {
        assert_eq!(client.find_redirect_uri(Some(uri)), None, "{uri}");
    }
    assert!(client.find_redirect_uri(Some("http://127.0.0.1:1/cb")).is_some());
}

/// RFC 6749 section 4.2.2, RFC 8252 section 7.3: tokens stand behind whatever the URI has.
#[test]
fn rfc6749_4_2_2_a_fragment_follows_the_query_of_a_redirect_uri() {
    for (uri, asked, start) in [
        ("https://query.example/cb?a=1", "https://query.example/cb?a=1", "https://query.example/cb?a=1#"),
        ("https://query.example/cb?", "https://query.example/cb?", "https://query.example/cb?#"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:4711/cb", "http://127.0.0.1:4711/cb#"),
        ("com.example.app:/cb", "com.example.app:/cb", "com.example.app:/cb#"),
    ] {
        let mut site = site_of("https://query.example/cb");
        site.server = support::server_of(support::ISSUER)
            .with_policy(grantry_server::Policy::default().danger_with_implicit_grant());
        let registered = RedirectUri::register(uri, ApplicationType::Native).unwrap();
        let client = Client::new(client_id("query"), ClientAuthentication::None).native();
        let client = client.with_grant_types([GrantType::Implicit]).with_scope(scope("read"));
        site.store.inner.put_client(client.clone().with_redirect_uri(registered));
        let changes =
            [("redirect_uri", Some(asked)), ("scope", Some("read")), ("response_type", Some("token"))];
        let interaction = site.interaction("query", &changes, NOW);
        let reply = site.approve(interaction.clone(), NOW);
        let url = redirect(&reply).url().expose();
        assert!(url.starts_with(start) && url.matches('#').count() == 1, "{uri}");
        // A URI that is no longer registered gets no tokens, also not again.
        site.store.inner.put_client(client);
        let (reply, counts) = site.store.count(|| site.approve(interaction, NOW));
        assert!(matches!(reply.answer, Answered::Page(_)));
        assert_eq!((reply.event.denial.unwrap().reason, counts), (Reason::RedirectUriUnknown, [1, 1, 0]));
    }
}
