//! One server, its clients and its keys, the same in every run.

use std::cell::RefCell;
use std::sync::LazyLock;

use grantry::core::{
    ClientId, CodeVerifier, HttpRequest, Issuer, Moment, Scope, SecretBytes, UnixTime, form,
};
use grantry::jwt::SigningKey;
use grantry::server::{
    AccessTokenFormat, Answered, ApplicationType, Approval, Authorization, Change, ChangeSet, Client,
    ClientAuthentication, DeviceAnswer, DeviceResponse, Endpoints, GrantType, HandleKey, Interaction,
    IntrospectionRight, Lookup, MemoryStore, MemoryStoreFull, Outcome, Policy, Pushed, Records, RedirectUri,
    SecretDigest, Server, Store, Subject, TokenAnswer, TokenResponse, Verification, run,
};

pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const REDIRECT_URI: &str = "https://app.example/cb";
pub(crate) const START: u64 = 1_800_000_000;
pub(crate) const NOW: UnixTime = UnixTime::from_secs(START);

/// The RS256 key that RFC 7515 appendix A.2 prints.
pub(crate) static SIGNING_KEY: LazyLock<SigningKey> = LazyLock::new(|| {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/vectors/jws-sign.json")).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap();
    let is_rsa = |vector: &&serde_json::Value| vector["alg"] == "RS256" && vector["jwk"]["d"].is_string();
    let jwk = vectors.iter().find(is_rsa).unwrap()["jwk"].to_string();
    SigningKey::from_jwk(jwk.as_bytes()).unwrap().with_key_id("rs")
});

pub(crate) fn issuer() -> Issuer {
    Issuer::parse(ISSUER).unwrap()
}

pub(crate) fn policy(format: AccessTokenFormat) -> Policy {
    Policy::default()
        .with_access_token_format(format)
        .danger_with_implicit_grant()
        .danger_with_password_grant()
}

pub(crate) fn server(policy: Policy) -> Server {
    let handle_key = HandleKey::new(1, SecretBytes::from(vec![5; 32])).unwrap();
    let server = Server::new(issuer(), SIGNING_KEY.clone(), handle_key).unwrap();
    server.with_endpoints(Endpoints::all_below(&issuer())).with_policy(policy)
}

/// What clients do for people. A client that asks for itself needs no more than its secret.
const GRANTS: &[GrantType] = &[
    GrantType::AuthorizationCode,
    GrantType::RefreshToken,
    GrantType::DeviceCode,
    GrantType::Implicit,
    GrantType::Password,
];

/// Two clients with one and with two redirect URIs, one with the URI of another, one for each method of
/// authentication, and a resource server.
static CLIENTS: LazyLock<Vec<Client>> = LazyLock::new(|| {
    let post = || ClientAuthentication::SecretPost(SecretDigest::of("secret"));
    let basic = ClientAuthentication::SecretBasic(SecretDigest::of("s3cret!%"));
    let client = |id: &str, authentication, uris: &[&str]| {
        let client = Client::new(ClientId::parse(id).unwrap(), authentication)
            .with_scope(scope("openid read write"))
            .with_default_scope(scope("read"))
            .with_grant_types(GRANTS.iter().copied());
        uris.iter().fold(client, |client, uri| {
            client.with_redirect_uri(RedirectUri::register(*uri, ApplicationType::Native).unwrap())
        })
    };
    vec![
        client("app-1", post(), &[REDIRECT_URI]),
        client("app-2", post(), &["https://two.example/a", "https://two.example/b?x=1"]),
        client("twin", post(), &[REDIRECT_URI]),
        client("svc", basic, &[]),
        client("native", ClientAuthentication::None, &["http://127.0.0.1/cb"]).native(),
        client("api", post(), &[]).with_introspection(IntrospectionRight::AccessTokens),
    ]
});

pub(crate) fn clients() -> Vec<Client> {
    CLIENTS.clone()
}

pub(crate) fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

/// A moment whose seed is made from a number; give every operation another one.
pub(crate) fn moment(now: UnixTime, number: u64) -> Moment {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    Moment::new(now, seed)
}

/// A checked request of `app-1`; the number names the grant that it becomes.
pub(crate) fn interaction(
    server: &Server,
    store: &impl Store<Error = MemoryStoreFull>,
    number: u64,
) -> Interaction {
    let request = HttpRequest::new("GET", format!("/authorize?{}", authorization_parameters("code")));
    page(server, store, &request, number)
}

/// The page that a request of a browser leads to.
pub(crate) fn page(
    server: &Server,
    store: &impl Store<Error = MemoryStoreFull>,
    request: &HttpRequest,
    number: u64,
) -> Interaction {
    let answer = run(store, &server.authorize(request), moment(NOW, number)).unwrap().answer;
    let Authorization::Interact(interaction) = answer else { panic!("{answer:?}") };
    *interaction
}

pub(crate) fn authorization_parameters(response_type: &str) -> String {
    let challenge = VERIFIER.challenge();
    form::encode([
        ("response_type", response_type),
        ("client_id", "app-1"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "read write"),
        ("state", "st-1"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ])
}

/// Pushes a request of `app-1`, and returns its `request_uri`.
pub(crate) fn pushed(server: &Server, store: &impl Store<Error = MemoryStoreFull>, number: u64) -> String {
    let form = format!("{}&client_secret=secret", authorization_parameters("code"));
    let push = server.push(&HttpRequest::form("/par", form));
    let answer = run(store, &push, moment(NOW, number)).unwrap().answer;
    let Pushed::Accepted(pushed) = answer else { panic!("{answer:?}") };
    pushed.request_uri.expose().to_owned()
}

/// What a browser brings for a pushed request.
pub(crate) fn pushed_request(client: &str, request_uri: &str) -> HttpRequest {
    let query = form::encode([("client_id", client), ("request_uri", request_uri)]);
    HttpRequest::new("GET", format!("/authorize?{query}"))
}

/// Has a device of `app-1` wait for a person.
pub(crate) fn device(
    server: &Server,
    store: &impl Store<Error = MemoryStoreFull>,
    number: u64,
) -> DeviceResponse {
    let operation = server.device_authorization(&post_by("app-1", &[("scope", "read write")]));
    let answer = run(store, &operation, moment(NOW, number)).unwrap().answer;
    let DeviceAnswer::Waiting(device) = answer else { panic!("{answer:?}") };
    device
}

/// The page that a user code leads to.
pub(crate) fn device_page(
    server: &Server,
    store: &impl Store<Error = MemoryStoreFull>,
    user_code: &str,
) -> Interaction {
    let answer = run(store, &server.verify_user_code(user_code), moment(NOW, 0)).unwrap().answer;
    let Verification::Interact(interaction) = answer else { panic!("{answer:?}") };
    *interaction
}

pub(crate) static VERIFIER: LazyLock<CodeVerifier> =
    LazyLock::new(|| CodeVerifier::generate(&moment(NOW, u64::MAX)));

pub(crate) fn approval() -> Approval {
    Approval::new(Subject::parse("alice").unwrap(), NOW)
}

/// The code of an approved request; `None` when it was answered with a page.
pub(crate) fn code_of(answer: &Answered) -> Option<String> {
    let Answered::Redirect(redirect) = answer else { return None };
    parameter(redirect.url().expose().split_once('?')?.1, "code")
}

/// Asks for a code of `app-1` and has it approved.
pub(crate) fn code(server: &Server, store: &impl Store<Error = MemoryStoreFull>, number: u64) -> String {
    let operation = server.approve(interaction(server, store, number), approval());
    code_of(&run(store, &operation, moment(NOW, number)).unwrap().answer).unwrap()
}

pub(crate) fn tokens(
    server: &Server,
    store: &impl Store<Error = MemoryStoreFull>,
    code: &str,
) -> TokenResponse {
    let answer = run(store, &server.token(&redemption(code)), moment(NOW, 0)).unwrap().answer;
    let TokenAnswer::Issued(tokens) = answer else { panic!("{answer:?}") };
    tokens
}

pub(crate) fn redemption(code: &str) -> HttpRequest {
    post_by(
        "app-1",
        &[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER.expose()),
        ],
    )
}

pub(crate) fn poll_by(client: &str, device_code: &str) -> HttpRequest {
    post_by(client, &[("grant_type", GrantType::DeviceCode.as_str()), ("device_code", device_code)])
}

pub(crate) fn refresh(token: &str) -> HttpRequest {
    post_by("app-1", &[("grant_type", "refresh_token"), ("refresh_token", token)])
}

/// A request that presents a token, for revocation or introspection.
pub(crate) fn presented(token: &str) -> HttpRequest {
    post_by("app-1", &[("token", token)])
}

/// A form from a client that authenticates in the body.
pub(crate) fn post_by(client: &str, parameters: &[(&str, &str)]) -> HttpRequest {
    let credentials = [("client_id", client), ("client_secret", "secret")];
    HttpRequest::form("/", form::encode(parameters.iter().copied().chain(credentials)))
}

/// Reads one parameter as the URL Standard does, without any code of this workspace.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    parameters(query.as_bytes(), name).into_iter().next()
}

/// Reads every value of a parameter as the URL Standard does.
pub(crate) fn parameters(query: &[u8], name: &str) -> Vec<String> {
    let pairs = url::form_urlencoded::parse(query);
    pairs.filter(|(found, _)| found == name).map(|(_, value)| value.into_owned()).collect()
}

/// A store that nobody may write to.
pub(crate) struct ReadOnly<'a>(pub(crate) &'a MemoryStore);

impl Store for ReadOnly<'_> {
    type Error = MemoryStoreFull;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, MemoryStoreFull> {
        Store::read(self.0, lookup)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, MemoryStoreFull> {
        panic!("a request that proves nothing wrote {changes:?}");
    }
}

/// A store that keeps a copy of every record that was written.
pub(crate) struct Recorder {
    pub(crate) store: MemoryStore,
    pub(crate) records: RefCell<Vec<Vec<u8>>>,
}

impl Store for Recorder {
    type Error = MemoryStoreFull;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, MemoryStoreFull> {
        Store::read(&self.store, lookup)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, MemoryStoreFull> {
        for change in changes.iter() {
            if let Change::Put { grant, .. } = change {
                self.records.borrow_mut().push(grant.to_bytes());
            }
        }
        Store::commit(&self.store, changes)
    }
}
