//! One site for the tests of this crate: a server, its clients and a store that counts.
#![allow(dead_code, unused_imports, reason = "every test file uses some of it")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod device;
mod store;

use core::cell::Cell;
use std::sync::LazyLock;

use grantry_core::form::{self, Form, Known};
use grantry_core::{
    ClientId, HttpRequest, HttpResponse, Issuer, Moment, Scope, SecretBytes, SecretString, UnixTime,
    basic_credentials,
};
use grantry_jwt::{Algorithm, SigningKey, verify_jws};
use grantry_server::{
    Answered, ApplicationType, Approval, Authorization, Client, ClientAuthentication, Denial, GrantType,
    HandleKey, Interaction, Introspection, IntrospectionRight, MemoryStore, Operation, Policy, Reason,
    Records, Redirect, RedirectUri, Refusal, Reply, Revoked, RunError, SecretDigest, Server, Subject,
    TokenAnswer, TokenResponse, run,
};
use serde_json::Value;

pub(crate) use device::{
    DEVICE_CODE, assert_error, assert_page, assert_pending, assert_unknown, assert_waits, every_endpoint,
    found, push_request, pushed, waiting,
};
pub(crate) use store::{AddingStore, CountingStore, Fault, StoreFault};

/// The time of most tests, in seconds.
pub(crate) const NOW: u64 = 1_800_000_000;
/// When the person of the tests logged in, in seconds.
pub(crate) const LOGIN: u64 = NOW - 100;
pub(crate) const ISSUER: &str = "https://as.example";
/// RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7636 appendix B.
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) static KEY: LazyLock<SigningKey> = LazyLock::new(|| private_key("JK-107.2", "key-1"));

/// Reads the vectors of a file.
pub(crate) fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str::<Value>(text).unwrap()["vectors"].as_array().unwrap().clone()
}

/// Reads a private key of the vectors.
pub(crate) fn private_key(vector: &str, key_id: &str) -> SigningKey {
    let file = vectors(include_str!("../../../../tests/vectors/jws-sign.json"));
    let jwk = &file.iter().find(|candidate| candidate["id"] == vector).unwrap()["jwk"];
    SigningKey::from_jwk(jwk.to_string().as_bytes()).unwrap().with_key_id(key_id)
}

pub(crate) fn handle_key(id: u8) -> HandleKey {
    HandleKey::new(id, SecretBytes::from(vec![id; HandleKey::MIN_BYTES])).unwrap()
}

pub(crate) fn server_of(issuer: &str) -> Server {
    Server::new(Issuer::parse(issuer).unwrap(), KEY.clone(), handle_key(1)).unwrap()
}

pub(crate) fn time(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

pub(crate) fn client_id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

pub(crate) fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

pub(crate) fn subject() -> Subject {
    Subject::parse("alice").unwrap()
}

pub(crate) fn approval() -> Approval {
    Approval::new(subject(), time(LOGIN))
}

/// The secret of a confidential client: it has what form encoding changes.
pub(crate) fn secret(client: &str) -> String {
    format!("{client}:se+cret%")
}

/// `web` (Basic), `post`, `native` (public), `other` (Basic), and `api`, a resource server.
pub(crate) fn clients() -> Vec<Client> {
    let digest = |client| SecretDigest::of(&secret(client));
    let basic = |client| Client::new(client_id(client), ClientAuthentication::SecretBasic(digest(client)));
    let post = Client::new(client_id("post"), ClientAuthentication::SecretPost(digest("post")));
    let native = Client::new(client_id("native"), ClientAuthentication::None).native();
    let asks = |client: Client| {
        let application =
            if client.is_confidential() { ApplicationType::Web } else { ApplicationType::Native };
        let uri = RedirectUri::register(redirect_uri(client.id().as_str()), application).unwrap();
        client.with_redirect_uri(uri).with_scope(scope("openid read write offline_access"))
    };
    let api = basic("api").with_grant_types([]).with_introspection(IntrospectionRight::AccessTokens);
    vec![asks(basic("web")), asks(post), asks(native), asks(basic("other")), api]
}

/// The redirect URI that a client registered and uses.
pub(crate) fn redirect_uri(client: &str) -> String {
    match client {
        "native" => "http://127.0.0.1/cb".into(),
        client => format!("https://{client}.example/cb"),
    }
}

/// A query for the authorization endpoint, with parameters replaced, added or (`None`) left out.
pub(crate) fn query(client: &str, changes: &[(&str, Option<&str>)]) -> String {
    let redirect_uri = redirect_uri(client);
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", redirect_uri.as_str()),
        ("scope", "openid read write"),
        ("state", "state-1"),
        ("nonce", "nonce-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        pairs.retain(|(other, _)| other != name);
        pairs.extend(value.map(|value| (*name, value)));
    }
    form::encode(pairs)
}

/// A request to an endpoint for clients, authenticated by the registered method.
pub(crate) fn request(client: &str, path: &str, pairs: &[(&str, &str)]) -> HttpRequest {
    let secret = secret(client);
    let mut pairs = pairs.to_vec();
    match client {
        "native" => pairs.push(("client_id", client)),
        "post" => pairs.extend([("client_id", client), ("client_secret", secret.as_str())]),
        _ => {}
    }
    let request = HttpRequest::form(path, form::encode(pairs));
    match client {
        "native" | "post" => request,
        _ => request.with_header("Authorization", basic(client, &secret)),
    }
}

pub(crate) fn basic(client: &str, secret: &str) -> String {
    basic_credentials(&client_id(client), &SecretString::from(secret)).expose().into()
}

/// Reads the response parameters of a redirect; a repeated one fails.
pub(crate) fn response(redirect: &Redirect) -> Form<'static> {
    const RESPONSE: Known = Known {
        once: &["code", "state", "iss", "error", "error_description", "code_challenge", "a", "b"],
        many: &[],
    };
    let url = redirect.url().expose();
    Form::parse(url.split_once('?').unwrap().1.as_bytes(), &RESPONSE).unwrap().into_owned()
}

/// Reads the response parameters that stand in the fragment; nothing of them may stand in the query.
pub(crate) fn fragment(redirect: &Redirect) -> Form<'static> {
    const RESPONSE: Known = Known {
        once: &[
            "access_token",
            "token_type",
            "expires_in",
            "scope",
            "id_token",
            "state",
            "iss",
            "error",
            "error_description",
        ],
        many: &[],
    };
    let (before, fragment) = redirect.url().expose().split_once('#').unwrap();
    assert!(!before.contains('?'));
    Form::parse(fragment.as_bytes(), &RESPONSE).unwrap().into_owned()
}

/// A server with the clients of [`clients`], and moments that never repeat.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) store: CountingStore<MemoryStore>,
    moments: Cell<u64>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with_policy(Policy::default())
    }

    pub(crate) fn with_policy(policy: Policy) -> Self {
        Self::of(server_of(ISSUER).with_policy(policy))
    }

    pub(crate) fn of(server: Server) -> Self {
        Self { server, store: CountingStore::new(MemoryStore::new(clients())), moments: Cell::new(0) }
    }

    pub(crate) fn moment(&self, now: u64) -> Moment {
        self.moments.set(self.moments.get() + 1);
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.moments.get().to_be_bytes());
        Moment::new(time(now), seed)
    }

    pub(crate) fn try_run<O: Operation>(
        &self,
        operation: &O,
        now: u64,
    ) -> Result<O::Reply, RunError<StoreFault>> {
        run(&self.store, operation, self.moment(now))
    }

    pub(crate) fn run<O: Operation>(&self, operation: &O, now: u64) -> O::Reply {
        self.try_run(operation, now).unwrap()
    }

    pub(crate) fn authorize(&self, query: &str, now: u64) -> Reply<Authorization> {
        let request = HttpRequest::new("GET", format!("/authorize?{query}"));
        self.run(&self.server.authorize(&request), now)
    }

    /// Brings a good authorization request up to the person.
    pub(crate) fn interaction(
        &self,
        client: &str,
        changes: &[(&str, Option<&str>)],
        now: u64,
    ) -> Interaction {
        let reply = self.authorize(&query(client, changes), now);
        let Authorization::Interact(interaction) = reply.answer else { panic!("{:?}", reply.event) };
        *interaction
    }

    pub(crate) fn approve(&self, interaction: Interaction, now: u64) -> Reply<Answered> {
        let approval = Approval::new(subject(), time(LOGIN.min(now)));
        self.run(&self.server.approve(interaction, approval), now)
    }

    pub(crate) fn refuse(&self, interaction: &Interaction, refusal: Refusal) -> Reply<Answered> {
        self.run(&self.server.refuse(interaction, refusal), NOW)
    }

    /// Drives authorize and approve, and returns the code.
    pub(crate) fn code_for(&self, client: &str, changes: &[(&str, Option<&str>)], now: u64) -> String {
        code(&self.approve(self.interaction(client, changes, now), now))
    }

    pub(crate) fn code(&self, now: u64) -> String {
        self.code_for("web", &[], now)
    }

    pub(crate) fn token(&self, client: &str, pairs: &[(&str, &str)], now: u64) -> Reply<TokenAnswer> {
        self.run(&self.server.token(&request(client, "/token", pairs)), now)
    }

    /// Redeems a code of the same client as it should be done.
    pub(crate) fn redeem(&self, client: &str, code: &str, now: u64) -> Reply<TokenAnswer> {
        self.token(client, &redemption(client, code).each(), now)
    }

    pub(crate) fn refresh(&self, client: &str, token: &SecretString, now: u64) -> Reply<TokenAnswer> {
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        self.token(client, &pairs, now)
    }

    /// Drives the whole flow of a client, and returns its tokens.
    pub(crate) fn tokens_for(
        &self,
        client: &str,
        changes: &[(&str, Option<&str>)],
        now: u64,
    ) -> TokenResponse {
        let code = self.code_for(client, changes, now);
        issued(self.redeem(client, &code, now))
    }

    pub(crate) fn tokens(&self, now: u64) -> TokenResponse {
        self.tokens_for("web", &[], now)
    }

    /// Registers a client of [`clients`] for these grants too, with `read` as its default scope.
    pub(crate) fn register(&self, client: &str, grant_types: &[GrantType]) {
        let registered = clients().into_iter().find(|registered| registered.id().as_str() == client);
        let registered = registered.unwrap();
        let all: Vec<_> = registered.grant_types().chain(grant_types.iter().copied()).collect();
        self.store.inner.put_client(registered.with_grant_types(all).with_default_scope(scope("read")));
    }

    pub(crate) fn introspect(&self, client: &str, token: &SecretString, now: u64) -> Introspection {
        let request = request(client, "/introspect", &[("token", token.expose())]);
        self.run(&self.server.introspect(&request), now).answer
    }

    pub(crate) fn is_active(&self, token: &SecretString, now: u64) -> bool {
        matches!(self.introspect("web", token, now), Introspection::Active(_))
    }

    pub(crate) fn revoke(&self, client: &str, token: &SecretString, now: u64) -> Reply<Revoked> {
        let request = request(client, "/revoke", &[("token", token.expose())]);
        self.run(&self.server.revoke(&request), now)
    }

    /// Reads the claims of a JWT that the server signed.
    pub(crate) fn claims(&self, token: &SecretString, typ: &str) -> Value {
        let jws = verify_jws(token.expose(), self.server.jwk_set(), &[Algorithm::Rs256]).unwrap();
        assert_eq!(jws.header().typ(), Some(typ));
        serde_json::from_slice(jws.payload()).unwrap()
    }
}

impl Site {
    /// Runs an operation on a store whose host adds to every read.
    pub(crate) fn run_adding<O: Operation>(
        &self,
        operation: &O,
        now: u64,
        add: impl Fn(Records) -> Records,
    ) -> O::Reply {
        let store = AddingStore { inner: &self.store, add };
        run(&store, operation, self.moment(now)).unwrap()
    }
}

/// The parameters of a redemption, to be changed one by one.
#[derive(Clone)]
pub(crate) struct Pairs(pub(crate) Vec<(&'static str, String)>);

impl Pairs {
    pub(crate) fn each(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self = self.without(name);
        self.0.push((name, value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(other, _)| *other != name);
        self
    }
}

pub(crate) fn redemption(client: &str, code: &str) -> Pairs {
    Pairs(vec![
        ("grant_type", "authorization_code".into()),
        ("code", code.into()),
        ("redirect_uri", redirect_uri(client)),
        ("code_verifier", VERIFIER.into()),
    ])
}

pub(crate) fn redirect(reply: &Reply<Answered>) -> &Redirect {
    let Answered::Redirect(redirect) = &reply.answer else { panic!("{:?}", reply.event) };
    redirect
}

pub(crate) fn code(reply: &Reply<Answered>) -> String {
    response(redirect(reply)).get("code").unwrap().into()
}

pub(crate) fn issued(reply: Reply<TokenAnswer>) -> TokenResponse {
    let TokenAnswer::Issued(tokens) = reply.answer else { panic!("{:?}", reply.event) };
    tokens
}

pub(crate) fn refresh_token(tokens: &TokenResponse) -> &SecretString {
    tokens.refresh_token.as_ref().unwrap()
}

/// Checks a refusal of the token endpoint: the error on the wire, and the rule behind it.
#[track_caller]
pub(crate) fn assert_denied(reply: &Reply<TokenAnswer>, error: &str, reason: Reason) {
    let TokenAnswer::Denied(denial) = reply.answer else { panic!("not refused: {:?}", reply.event) };
    assert_eq!((denial.code.as_str(), denial.reason), (error, reason));
    assert_eq!(reply.event.denial, Some(denial));
    assert_eq!(json(&reply.answer.to_response())["error"], error);
}

pub(crate) fn json(response: &HttpResponse) -> Value {
    assert_eq!(response.headers.only("Content-Type"), Some("application/json"));
    serde_json::from_slice(&response.body).unwrap()
}

/// Looks for the denial in an answer.
pub(crate) const fn denial(answer: &TokenAnswer) -> Option<Denial> {
    match answer {
        TokenAnswer::Issued(_) => None,
        TokenAnswer::Denied(denial) => Some(*denial),
    }
}
