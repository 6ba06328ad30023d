//! A server and its clients over any store, and moments that never repeat: for the tests of the crates of stores.

use core::fmt::Debug;
use core::sync::atomic::{AtomicU64, Ordering};

use grantry_core::form::{self, Form, Known};
use grantry_core::{
    ClientId, HttpRequest, Issuer, Moment, Scope, SecretBytes, SecretString, UnixTime, basic_credentials,
};
use grantry_jwt::SigningKey;
use grantry_server::{
    Answered, ApplicationType, Approval, Authorization, Change, Client, ClientAuthentication, Decision,
    Grant, HandleKey, Operation, Policy, Reason, Records, RedirectUri, Reply, RunError, SecretDigest,
    SendStore, Server, Subject, TokenAnswer, TokenResponse, run_async,
};
use serde_json::Value;

/// In the year 2096: a database that has a clock drops what has ended by it.
pub(crate) const NOW: u64 = 4_000_000_000;
pub(crate) const ISSUER: &str = "https://as.example";
/// RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7636 appendix B.
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) fn server_of(issuer: &str, policy: Policy) -> Server {
    let file = include_str!("../../../../tests/vectors/jws-sign.json");
    let vectors: Value = serde_json::from_str(file).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap();
    let jwk = vectors.iter().find(|vector| vector["alg"] == "RS256").unwrap()["jwk"].to_string();
    let key = SigningKey::from_jwk(jwk.as_bytes()).unwrap().with_thumbprint_key_id();
    let handle_key = HandleKey::new(1, SecretBytes::from(vec![7; HandleKey::MIN_BYTES])).unwrap();
    Server::new(Issuer::parse(issuer).unwrap(), key, handle_key).unwrap().with_policy(policy)
}

pub(crate) fn time(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

pub(crate) fn moment(now: u64) -> Moment {
    static MOMENTS: AtomicU64 = AtomicU64::new(0);
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&MOMENTS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Moment::new(time(now), seed)
}

pub(crate) fn client_id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

pub(crate) fn subject() -> Subject {
    Subject::parse("alice").unwrap()
}

/// `web` and `other`, with a secret each.
pub(crate) fn clients() -> Vec<Client> {
    let client = |id: &str| {
        let uri = RedirectUri::register(redirect_uri(id), ApplicationType::Web).unwrap();
        Client::new(client_id(id), ClientAuthentication::SecretBasic(SecretDigest::of(&secret(id))))
            .with_redirect_uri(uri)
            .with_scope(Scope::parse("read offline_access").unwrap())
    };
    vec![client("web"), client("other")]
}

fn secret(client: &str) -> String {
    format!("{client}-secret")
}

fn redirect_uri(client: &str) -> String {
    format!("https://{client}.example/cb")
}

/// A server over a store.
#[derive(Debug)]
pub(crate) struct Site<S> {
    pub(crate) server: Server,
    pub(crate) store: S,
}

impl<S: SendStore<Error: Debug>> Site<S> {
    pub(crate) fn new(store: S) -> Self {
        Self::with_policy(store, Policy::default())
    }

    pub(crate) fn with_policy(store: S, policy: Policy) -> Self {
        Self { server: server_of(ISSUER, policy), store }
    }

    pub(crate) async fn try_run<O: Operation>(
        &self,
        operation: &O,
        now: u64,
    ) -> Result<O::Reply, RunError<S::Error>> {
        run_async(&self.store, operation, moment(now)).await
    }

    pub(crate) async fn run<O: Operation>(&self, operation: &O, now: u64) -> O::Reply {
        self.try_run(operation, now).await.unwrap()
    }

    /// Drives authorize and approve, and returns the code.
    pub(crate) async fn code(&self, client: &str, now: u64) -> String {
        code_of(&self.approved(client, now).await)
    }

    /// Drives authorize and approve.
    pub(crate) async fn approved(&self, client: &str, now: u64) -> Reply<Answered> {
        let reply = self.run(&self.server.authorize(&authorization(client)), now).await;
        let Authorization::Interact(interaction) = reply.answer else { panic!("{:?}", reply.event) };
        let approval = Approval::new(subject(), time(now));
        self.run(&self.server.approve(*interaction, approval), now).await
    }

    pub(crate) async fn token(&self, request: &HttpRequest, now: u64) -> Reply<TokenAnswer> {
        self.run(&self.server.token(request), now).await
    }

    pub(crate) async fn tokens(&self, client: &str, now: u64) -> TokenResponse {
        let code = self.code(client, now).await;
        issued(self.token(&redemption(client, &code), now).await)
    }
}

/// A request to the token endpoint.
pub(crate) fn request(client: &str, pairs: &[(&str, &str)]) -> HttpRequest {
    let secret = SecretString::from(secret(client).as_str());
    HttpRequest::form("/token", form::encode(pairs.iter().copied()))
        .with_header("Authorization", basic_credentials(&client_id(client), &secret).expose())
}

pub(crate) fn redemption(client: &str, code: &str) -> HttpRequest {
    request(
        client,
        &[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect_uri(client)),
            ("code_verifier", VERIFIER),
        ],
    )
}

pub(crate) fn refresh(client: &str, token: &SecretString) -> HttpRequest {
    request(client, &[("grant_type", "refresh_token"), ("refresh_token", token.expose())])
}

pub(crate) fn code_of(reply: &Reply<Answered>) -> String {
    let Answered::Redirect(redirect) = &reply.answer else { panic!("{:?}", reply.event) };
    code_in(redirect.url().expose())
}

/// The code in the address of a redirect.
pub(crate) fn code_in(url: &str) -> String {
    const RESPONSE: Known = Known { once: &["code", "state", "iss"], many: &[] };
    let query = url.split_once('?').unwrap().1;
    Form::parse(query.as_bytes(), &RESPONSE).unwrap().get("code").unwrap().into()
}

pub(crate) fn issued(reply: Reply<TokenAnswer>) -> TokenResponse {
    let TokenAnswer::Issued(tokens) = reply.answer else { panic!("{:?}", reply.event) };
    tokens
}

pub(crate) fn refresh_token(tokens: &TokenResponse) -> &SecretString {
    tokens.refresh_token.as_ref().unwrap()
}

#[track_caller]
pub(crate) fn assert_denied(reply: &Reply<TokenAnswer>, reason: Reason) {
    let TokenAnswer::Denied(denial) = reply.answer else { panic!("not refused: {:?}", reply.event) };
    assert_eq!(denial.reason, reason);
}

/// A grant of a person to a client, as it is first written.
pub(crate) fn grant(client: &str, subject: &str, now: u64) -> Grant {
    let server = server_of(ISSUER, Policy::default());
    let registered = clients().into_iter().find(|registered| registered.id().as_str() == client).unwrap();
    let records = Records::new().with_client(registered);
    let decision = server.authorize(&authorization(client)).decide(&records, &moment(now));
    let Decision::Reply(Reply { answer: Authorization::Interact(interaction), .. }) = decision else {
        panic!("{decision:?}")
    };
    let approval = Approval::new(Subject::parse(subject).unwrap(), time(now));
    let decision = server.approve(*interaction, approval).decide(&records, &moment(now));
    let Decision::Commit(commit) = decision else { panic!("{decision:?}") };
    let Some(Change::Put { grant, .. }) = commit.changes().iter().next() else { panic!("{commit:?}") };
    grant.clone()
}

pub(crate) fn authorization(client: &str) -> HttpRequest {
    let query = form::encode([
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", &redirect_uri(client)),
        ("scope", "read"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    HttpRequest::new("GET", format!("/authorize?{query}"))
}
