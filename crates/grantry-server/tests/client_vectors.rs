//! The vectors that concern client authentication and the form of the token endpoint.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grantry_core::{HttpRequest, HttpResponse};
use grantry_server::{
    ApplicationType, Client, ClientAuthentication, GrantType, MemoryStore, Reason, RedirectUri, Reply,
    SecretDigest, TokenAnswer,
};
use serde_json::Value;
use support::{NOW, Site, client_id, json, scope, vectors};

fn site(clients: impl IntoIterator<Item = Client>) -> Site {
    let mut site = Site::new();
    site.store.inner = MemoryStore::new(clients);
    site
}

fn send(site: &Site, request: &HttpRequest) -> Reply<TokenAnswer> {
    site.run(&site.server.token(request), NOW)
}

fn reason(reply: &Reply<TokenAnswer>) -> Reason {
    reply.event.denial.unwrap().reason
}

fn basic_client(id: &str, secret: &str) -> Client {
    Client::new(client_id(id), ClientAuthentication::SecretBasic(SecretDigest::of(secret)))
}

/// Says what the server read: the client is authenticated by exactly the expected pair.
fn assert_decoded(id: &str, header: &str, client: &str, secret: &str) {
    let request = HttpRequest::form("/token", "grant_type=other").with_header("Authorization", header);
    let reply = send(&site([basic_client(client, secret)]), &request);
    assert_eq!(reply.event.client_id, Some(client_id(client)), "{id}");
    // The empty secret of CA-07 is read, and proves nothing.
    let expected = if secret.is_empty() { Reason::ClientNotAuthenticated } else { Reason::GrantTypeUnknown };
    assert_eq!(reason(&reply), expected, "{id}");
    let reply = send(&site([basic_client(client, &format!("{secret} "))]), &request);
    assert_eq!(reason(&reply), Reason::ClientNotAuthenticated, "{id}");
}

#[test]
fn basic_auth_vectors() {
    let vectors = vectors(include_str!("../../../tests/vectors/basic-auth.json"));
    let mut either = Vec::new();
    for vector in &vectors {
        let id = vector["id"].as_str().unwrap();
        let header = vector["header"].as_str().unwrap();
        let request = HttpRequest::form("/token", "grant_type=other").with_header("Authorization", header);
        match vector["verdict"].as_str().unwrap() {
            "valid" => {
                let secret = vector["client_secret"].as_str().unwrap();
                assert_decoded(id, header, vector["client_id"].as_str().unwrap(), secret);
            }
            "invalid" => {
                let reply = send(&site([basic_client("app", "pw")]), &request);
                assert_eq!(reason(&reply), Reason::MalformedBasic, "{id}");
                let response = reply.answer.to_response();
                assert_eq!(u64::from(response.status), vector["status"].as_u64().unwrap(), "{id}");
                assert_eq!(json(&response)["error"], vector["error"], "{id}");
                assert!(response.headers.only("WWW-Authenticate").unwrap().starts_with("Basic "), "{id}");
            }
            "either" => either.push((id, reason(&send(&site([basic_client("app", "pw1")]), &request)))),
            verdict => unreachable!("{id}: {verdict}"),
        }
    }
    // The URL alphabet is refused; missing padding is read.
    assert_eq!(either, [("CA-13", Reason::MalformedBasic), ("CA-14", Reason::GrantTypeUnknown)]);
    assert_eq!(vectors.len(), 17);
}

fn client_of_fixture(fixture: &Value) -> Client {
    let secret = fixture["client_secret"].as_str().map(SecretDigest::of);
    let authentication = match (fixture["token_endpoint_auth_method"].as_str().unwrap(), secret) {
        ("client_secret_basic", Some(secret)) => ClientAuthentication::SecretBasic(secret),
        ("client_secret_post", Some(secret)) => ClientAuthentication::SecretPost(secret),
        ("none", None) => ClientAuthentication::None,
        (method, _) => unreachable!("{method}"),
    };
    let grant_types = fixture["grant_types"].as_array().unwrap().iter();
    let grant_types = grant_types.map(|name| GrantType::parse(name.as_str().unwrap()).unwrap());
    let client = Client::new(client_id(fixture["client_id"].as_str().unwrap()), authentication)
        .with_grant_types(grant_types)
        .with_scope(scope(fixture["scope"].as_str().unwrap()))
        .with_default_scope(scope(fixture["scope"].as_str().unwrap()))
        .native();
    let uris = fixture["redirect_uris"].as_array().into_iter().flatten();
    uris.fold(client, |client, uri| {
        let uri = RedirectUri::register(uri.as_str().unwrap(), ApplicationType::Native).unwrap();
        client.with_redirect_uri(uri)
    })
}

fn request_of(vector: &Value) -> HttpRequest {
    let target = format!("/token?{}", vector["query"].as_str().unwrap());
    let headers = vector["headers"].as_array().unwrap().iter();
    headers.fold(HttpRequest::form(target, vector["body"].as_str().unwrap()), |request, header| {
        request.with_header(header[0].as_str().unwrap().to_owned(), header[1].as_str().unwrap())
    })
}

fn one_of(allowed: &Value, value: &Value) -> bool {
    allowed.as_array().unwrap().contains(value)
}

fn assert_error(vector: &Value, response: &HttpResponse) {
    let id = vector["id"].as_str().unwrap();
    assert!(one_of(&vector["error"], &json(response)["error"]), "{id}");
    assert!(one_of(&vector["status"], &Value::from(response.status)), "{id}");
    if let Some(scheme) = vector["www_authenticate"].as_str() {
        let challenge = response.headers.only("WWW-Authenticate").unwrap();
        assert_eq!(challenge.split(' ').next(), Some(scheme), "{id}");
    }
}

#[test]
fn client_auth_vectors() {
    let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/client-auth.json")).unwrap();
    let site = site(file["clients"].as_array().unwrap().iter().map(client_of_fixture));
    let vectors = file["vectors"].as_array().unwrap();
    let (mut authenticated, mut either) = (Vec::new(), Vec::new());
    for vector in vectors {
        let id = vector["id"].as_str().unwrap();
        let reply = send(&site, &request_of(vector));
        match vector["outcome"].as_str().unwrap() {
            "ok" => {
                let client = reply.event.client_id.as_ref().unwrap().as_str();
                assert_eq!(client, vector["client_id"], "{id}");
                authenticated.push((id, reply.event.denial.map(|denial| denial.reason)));
            }
            "error" => assert_error(vector, &reply.answer.to_response()),
            "either" => either.push((id, reason(&reply))),
            outcome => unreachable!("{id}: {outcome}"),
        }
    }
    let expected = [
        ("CA-18", None),
        ("CA-19", None),
        ("CA-20", None),
        ("CA-31", Some(Reason::CodeUnknown)),
        ("CA-39.2", None),
    ];
    assert_eq!(authenticated, expected);
    // The registered method is the only one accepted.
    assert_eq!(either, [("CA-40", Reason::ClientNotAuthenticated)]);
    assert_eq!(vectors.len(), 19);
}

fn form_request(vector: &Value) -> HttpRequest {
    let body = vector["body_b64"].as_str().map_or_else(
        || vector["body"].as_str().unwrap().as_bytes().to_vec(),
        |text| STANDARD.decode(text).unwrap(),
    );
    let request = HttpRequest::new("POST", "/token").with_body(body);
    let request = request.with_header("Authorization", "Basic YXBwOnB3");
    match vector["content_type"].as_str() {
        Some(media_type) => request.with_header("Content-Type", media_type),
        None => request,
    }
}

/// What the token endpoint says to a form that was read, by what stands in it.
fn expected_reason(vector: &Value) -> Reason {
    let params = vector["params"].as_object().unwrap();
    match params.get("grant_type") {
        Some(text) if text == "client_credentials" => Reason::GrantTypeNotRegistered,
        Some(_) => Reason::GrantTypeUnknown,
        None => Reason::Missing("grant_type"),
    }
}

#[test]
fn form_vectors_at_the_token_endpoint() {
    let vectors = vectors(include_str!("../../../tests/vectors/form.json"));
    let site = site([basic_client("app", "pw")]);
    let (mut read, mut refused) = (0, 0);
    for vector in &vectors {
        let id = vector["id"].as_str().unwrap();
        let (reply, [_, _, commits]) = site.store.count(|| send(&site, &form_request(vector)));
        assert_eq!(commits, 0, "{id}");
        if vector["verdict"] == "ok" {
            assert_eq!(reason(&reply), expected_reason(vector), "{id}");
            read += 1;
        } else {
            assert!(matches!(reason(&reply), Reason::Form(_)), "{id}");
            let response = reply.answer.to_response();
            assert_eq!((response.status, &json(&response)["error"]), (400, &vector["error"]), "{id}");
            refused += 1;
        }
    }
    assert_eq!((read, refused), (17, 14));
}
