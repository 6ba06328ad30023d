//! The endpoints of grantry-server, asked by strangers.

use std::sync::LazyLock;

use grantry::core::{
    ClientId, ErrorCode, Headers, HttpRequest, Scope, SecretString, basic_credentials, form,
};
use grantry::server::{
    AccessTokenFormat, ApplicationType, Authorization, Client, ClientAuthentication, Introspection,
    MemoryStore, Reason, RedirectUri, Revoked, SecretDigest, Server, TokenAnswer, run,
};
use url::{Host, Url};

use crate::edit::{first_line, text};
use crate::fixture::{self, ISSUER, NOW, ReadOnly, clients, moment, parameters};

static SERVER: LazyLock<Server> =
    LazyLock::new(|| fixture::server(fixture::policy(AccessTokenFormat::Opaque)));

static STORE: LazyLock<MemoryStore> = LazyLock::new(|| {
    let store = MemoryStore::new(clients());
    let redeemed = fixture::code(&SERVER, &store, 1);
    fixture::tokens(&SERVER, &store, &redeemed);
    fixture::code(&SERVER, &store, 2);
    store
});

/// A stranger's authorization request redirects to a registered URI only, with issuer and state, becomes
/// an interaction within the registration that survives sealing, or is shown on a page, and writes nothing.
pub fn authorization_request(data: &[u8]) {
    let target = format!("/authorize?{}", text(data));
    authorize(&HttpRequest::new("GET", target.as_str()));
    authorize(&HttpRequest::form(target, text(data)));
}

fn authorize(request: &HttpRequest) {
    let asked = if request.method == "GET" { request.query().as_bytes() } else { &request.body };
    match run(&ReadOnly(&STORE), &SERVER.authorize(request), moment(NOW, 3)).unwrap().answer {
        Authorization::Page(page) => assert!(matches!(page.status(), 400 | 405)),
        Authorization::Redirect(redirect) => {
            let url = redirect.url().expose();
            assert!(clients().iter().any(|client| is_answer_to(client, url)), "redirects to {url}");
            // RFC 6749 section 4.2.2.1: where tokens would have stood.
            let (_, query) = url.split_once('#').or_else(|| url.split_once('?')).expect("an answer");
            assert_eq!(parameters(query.as_bytes(), "iss"), [ISSUER]);
            assert_eq!(parameters(query.as_bytes(), "error").len(), 1);
            for name in ["code", "access_token", "id_token"] {
                assert!(parameters(query.as_bytes(), name).is_empty());
            }
            let states = parameters(query.as_bytes(), "state");
            assert!(states.is_empty() || states == parameters(asked, "state"));
        }
        Authorization::Interact(interaction) => {
            let client = clients().into_iter().find(|client| client.id() == interaction.client_id()).unwrap();
            assert_eq!(client.find_redirect_uri(interaction.redirect_uri()), interaction.redirect_uri());
            assert!(interaction.scope().is_within(client.scope()) && !interaction.scope().is_empty());
            let sealed = SERVER.seal(&interaction, "session");
            assert_eq!(SERVER.unseal(&sealed, "session", NOW).as_ref(), Ok(&*interaction));
            assert!(SERVER.unseal(&sealed, "another", NOW).is_err());
        }
    }
}

/// Tells whether the URL is a redirect URI that the client may use, with parameters behind it.
fn is_answer_to(client: &Client, url: &str) -> bool {
    let ends = url.match_indices(['?', '&', '#']).map(|(at, _)| at);
    ends.into_iter().any(|at| client.find_redirect_uri(Some(&url[..at])).is_some())
}

/// A token, revocation or introspection request of a stranger, its `Authorization` field on the first line
/// and its form behind it, gets a registered error at most, tells of no token and writes nothing.
pub fn token_request(data: &[u8]) {
    let (authorization, body) = first_line(data);
    let mut request = HttpRequest::form("/token", text(body)).with_body(body);
    if !authorization.is_empty() {
        request = request.with_header("Authorization", text(authorization));
    }
    stranger(&request);
    request.target = format!("/token?{}", text(body));
    stranger(&request);
    request.headers = Headers::new();
    stranger(&request);
}

fn stranger(request: &HttpRequest) {
    const CODES: [ErrorCode; 6] = [
        ErrorCode::InvalidRequest,
        ErrorCode::InvalidClient,
        ErrorCode::InvalidGrant,
        ErrorCode::InvalidScope,
        ErrorCode::UnauthorizedClient,
        ErrorCode::UnsupportedGrantType,
    ];
    let store = ReadOnly(&STORE);
    let token = run(&store, &SERVER.token(request), moment(NOW, 4)).unwrap();
    let TokenAnswer::Denied(denial) = token.answer else { panic!("{token:?}") };
    assert!(CODES.contains(&denial.code), "{denial:?}");
    let response = denial.to_response();
    assert!(matches!(response.status, 400 | 401), "{denial:?}");
    let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(body["error"], denial.code.as_str());

    let revoked = run(&store, &SERVER.revoke(request), moment(NOW, 5)).unwrap().answer;
    if let Revoked::Denied(denial) = revoked {
        assert!(CODES.contains(&denial.code), "{denial:?}");
    }
    match run(&store, &SERVER.introspect(request), moment(NOW, 6)).unwrap().answer {
        Introspection::Active(token) => panic!("{token:?}"),
        Introspection::Inactive => {}
        Introspection::Denied(denial) => assert!(CODES.contains(&denial.code), "{denial:?}"),
    }
}

/// What `basic_credentials` writes for any identifier and secret, a line each, authenticates that client
/// and no client with another secret.
pub fn basic(data: &[u8]) {
    let (id, secret) = first_line(data);
    let (Ok(id), secret) = (ClientId::parse(text(id)), text(secret)) else { return };
    let reason = |registered: &str| {
        let client = Client::new(id.clone(), ClientAuthentication::SecretBasic(SecretDigest::of(registered)));
        let credentials = basic_credentials(&id, &SecretString::from(secret.as_str()));
        let body = form::encode([("grant_type", "refresh_token"), ("refresh_token", "x")]);
        let request = HttpRequest::form("/token", body).with_header("Authorization", credentials.expose());
        let answer =
            run(&MemoryStore::new([client]), &SERVER.token(&request), moment(NOW, 7)).unwrap().answer;
        let TokenAnswer::Denied(denial) = answer else { panic!("{answer:?}") };
        denial.reason
    };
    // The empty secret is none.
    let good = if secret.is_empty() { Reason::ClientNotAuthenticated } else { Reason::RefreshTokenUnknown };
    assert_eq!(reason(&secret), good);
    assert_eq!(reason(&format!("{secret}x")), Reason::ClientNotAuthenticated);
}

/// A URI that is registered (first line) is absolute, plain and free of response parameters, and a URI that
/// matches it (the rest) is the same but for the port of a loopback address of a native application.
pub fn redirect_uri(data: &[u8]) {
    let (registered, requested) = first_line(data);
    let (registered, requested) = (text(registered), text(requested));
    for application in [ApplicationType::Web, ApplicationType::Native] {
        let Ok(uri) = RedirectUri::register(registered.as_str(), application) else { continue };
        assert_registrable(&registered, application);
        let client = Client::new(ClientId::parse("app").unwrap(), ClientAuthentication::None);
        let client = client.with_redirect_uri(uri).with_scope(Scope::empty());
        let client = if application == ApplicationType::Native { client.native() } else { client };
        assert_eq!(client.find_redirect_uri(Some(&registered)), Some(registered.as_str()));
        assert_eq!(client.find_redirect_uri(None), Some(registered.as_str()));
        match client.find_redirect_uri(Some(&requested)) {
            Some(uri) if uri == registered => assert_eq!(requested, registered),
            Some(uri) => {
                assert_eq!((uri, application), (requested.as_str(), ApplicationType::Native));
                assert_eq!(loopback(&registered), loopback(&requested));
            }
            None => assert_ne!(requested, registered),
        }
    }
}

fn assert_registrable(text: &str, application: ApplicationType) {
    let url = Url::parse(text).expect("an absolute URI");
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()) && url.fragment().is_none());
    let is_plain = url.username().is_empty() && url.password().is_none();
    match (url.scheme(), url.host()) {
        ("https", host) => assert!(is_plain && host.is_some()),
        ("http", Some(Host::Domain(name))) => assert!(is_plain && name == "localhost"),
        ("http", Some(Host::Ipv4(address))) => assert!(is_plain && address.is_loopback()),
        ("http", Some(Host::Ipv6(address))) => assert!(is_plain && address.is_loopback()),
        (scheme, _) => assert!(application == ApplicationType::Native && scheme.contains('.')),
    }
    for name in ["code", "state", "iss", "error", "error_description", "error_uri"] {
        let values = parameters(url.query().unwrap_or_default().as_bytes(), name);
        assert!(values.iter().all(String::is_empty), "{name} would stand twice");
    }
}

/// Splits a URI on a loopback IP literal into its address and what follows the port.
fn loopback(text: &str) -> (Url, String) {
    let mut url = Url::parse(text).expect("a URI that matched");
    assert_eq!(url.scheme(), "http");
    assert!(matches!(url.host_str(), Some("127.0.0.1" | "[::1]")), "{text}");
    let rest = text.strip_prefix("http://127.0.0.1").or_else(|| text.strip_prefix("http://[::1]"));
    let rest = rest.expect("the literal as it is written").trim_start_matches(':');
    let rest = rest.trim_start_matches(|character: char| character.is_ascii_digit()).to_owned();
    url.set_port(None).unwrap();
    (url, rest)
}
