//! One server with two clients, and the requests of its flows.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::sync::LazyLock;

use grantry::core::{
    ClientId, CodeVerifier, HttpRequest, Issuer, Moment, Scope, SecretBytes, UnixTime, base64url, form,
};
use grantry::jwt::SigningKey;
use grantry::server::{
    AccessTokenFormat, Answered, ApplicationType, Approval, Authorization, Client, ClientAuthentication,
    Endpoints, GrantType, HandleKey, Interaction, IntrospectionRight, IssuerKey, MemoryStore, Policy,
    RedirectUri, Reply, SecretDigest, Server, Subject, run,
};

pub(crate) const REDIRECT_URI: &str = "https://app.example/cb";
pub(crate) const START: u64 = 1_800_000_000;

/// A server with opaque access tokens, so that a search of many schedules signs nothing.
pub(crate) fn server(policy: Policy) -> Server {
    server_with_key(signing_key(), policy)
}

/// A server that serves every endpoint.
pub(crate) fn server_with_key(key: impl Into<IssuerKey>, policy: Policy) -> Server {
    let handle_key = HandleKey::new(1, SecretBytes::from(vec![5; 32])).unwrap();
    let issuer = Issuer::parse("https://as.example").unwrap();
    let endpoints = Endpoints::all_below(&issuer);
    Server::new(issuer, key, handle_key).unwrap().with_endpoints(endpoints).with_policy(policy)
}

pub(crate) fn signing_key() -> SigningKey {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../../tests/vectors/jws-sign.json")).unwrap();
    let jwk = vectors["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|vector| vector["alg"] == "RS256" && vector["jwk"]["d"].is_string())
        .map(|vector| vector["jwk"].to_string())
        .unwrap();
    SigningKey::from_jwk(jwk.as_bytes()).unwrap().with_key_id("key-1")
}

/// The signature of a key outside of the process.
pub(crate) fn signature_of(input: &[u8]) -> Vec<u8> {
    static KEY: LazyLock<SigningKey> = LazyLock::new(signing_key);
    let (header, payload) = core::str::from_utf8(input).unwrap().split_once('.').unwrap();
    let header = String::from_utf8(base64url::decode(header).unwrap()).unwrap();
    let token = KEY.sign_with_header(&header, &base64url::decode(payload).unwrap()).unwrap();
    base64url::decode(token.rsplit('.').next().unwrap()).unwrap()
}

pub(crate) fn opaque() -> Policy {
    Policy::default().with_access_token_format(AccessTokenFormat::Opaque)
}

pub(crate) fn client_id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

/// `app` and `other` are confidential and registered for every grant; `api` and `photos` may introspect every access token, `photos`
/// with its secret in the header.
pub(crate) fn clients() -> Vec<Client> {
    let confidential = |id: &str| {
        let secret = ClientAuthentication::SecretPost(SecretDigest::of("secret"));
        Client::new(client_id(id), secret)
            .with_redirect_uri(RedirectUri::register(REDIRECT_URI, ApplicationType::Web).unwrap())
            .with_scope(Scope::parse("read write openid").unwrap())
            .with_grant_types(GrantType::ALL.iter().copied())
    };
    let api = confidential("api").with_introspection(IntrospectionRight::AccessTokens);
    let secret = ClientAuthentication::SecretBasic(SecretDigest::of("secret"));
    let photos =
        Client::new(client_id("photos"), secret).with_introspection(IntrospectionRight::AccessTokens);
    vec![confidential("app"), confidential("other"), api, photos]
}

pub(crate) fn store() -> MemoryStore {
    MemoryStore::new(clients())
}

/// A moment whose seed is made from a number; give every operation another one.
pub(crate) fn moment(at: u64, number: u8) -> Moment {
    Moment::new(UnixTime::from_secs(START + at), [number; 32])
}

pub(crate) fn verifier(number: u8) -> CodeVerifier {
    CodeVerifier::generate(&moment(0, number))
}

pub(crate) fn authorization_request(scope: &str) -> HttpRequest {
    HttpRequest::new("GET", format!("/authorize?{}", authorization_parameters("code", scope)))
}

pub(crate) fn authorization_parameters(response_type: &str, scope: &str) -> String {
    let verifier = verifier(200);
    let challenge = verifier.challenge();
    form::encode([
        ("response_type", response_type),
        ("client_id", "app"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", scope),
        ("state", "st"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ])
}

/// The request of a browser for what was pushed.
pub(crate) fn pushed_request(request_uri: &str) -> HttpRequest {
    let query = form::encode([("client_id", "app"), ("request_uri", request_uri)]);
    HttpRequest::new("GET", format!("/authorize?{query}"))
}

/// A checked request; the number names the grant that it becomes.
pub(crate) fn interaction(server: &Server, scope: &str, number: u8) -> Interaction {
    let operation = server.authorize(&authorization_request(scope));
    let Reply { answer, .. } = run(&store(), &operation, moment(0, number)).unwrap();
    let Authorization::Interact(interaction) = answer else { panic!("{answer:?}") };
    *interaction
}

pub(crate) fn approval() -> Approval {
    approval_of("alice")
}

pub(crate) fn approval_of(subject: &str) -> Approval {
    Approval::new(Subject::parse(subject).unwrap(), UnixTime::from_secs(START))
}

/// The code of an approved request.
pub(crate) fn code_of(answer: &Answered) -> String {
    let Answered::Redirect(redirect) = answer else { panic!("{answer:?}") };
    let (_, query) = redirect.url().expose().split_once('?').unwrap();
    let known = form::Known { once: &["code"], many: &[] };
    form::Form::parse(query.as_bytes(), &known).unwrap().get("code").unwrap().to_owned()
}

pub(crate) fn redemption(code: &str) -> HttpRequest {
    redemption_by("app", code, REDIRECT_URI, &verifier(200))
}

pub(crate) fn redemption_by(
    client: &str,
    code: &str,
    redirect_uri: &str,
    verifier: &CodeVerifier,
) -> HttpRequest {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri),
        ("code_verifier", verifier.expose()),
        ("client_id", client),
        ("client_secret", "secret"),
    ];
    HttpRequest::form("/token", form::encode(pairs))
}

pub(crate) fn refresh(token: &str) -> HttpRequest {
    refresh_by("app", token, None)
}

pub(crate) fn refresh_by(client: &str, token: &str, scope: Option<&str>) -> HttpRequest {
    let pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", client),
        ("client_secret", "secret"),
    ];
    HttpRequest::form("/token", form::encode(pairs.into_iter().chain(scope.map(|scope| ("scope", scope)))))
}

/// A request that presents a token, for revocation or introspection.
pub(crate) fn presented(client: &str, token: &str) -> HttpRequest {
    let pairs = [("token", token), ("client_id", client), ("client_secret", "secret")];
    HttpRequest::form("/", form::encode(pairs))
}

/// A request of an authenticated client.
pub(crate) fn posted_by(client: &str, pairs: &[(&str, &str)]) -> HttpRequest {
    let credentials = [("client_id", client), ("client_secret", "secret")];
    HttpRequest::form("/", form::encode(pairs.iter().copied().chain(credentials)))
}

pub(crate) fn poll_by(client: &str, device_code: &str) -> HttpRequest {
    posted_by(client, &[("grant_type", GrantType::DeviceCode.as_str()), ("device_code", device_code)])
}
