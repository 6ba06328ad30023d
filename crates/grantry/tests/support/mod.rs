//! One server with two clients, and the requests of its flows.
#![allow(dead_code, reason = "each test binary uses its own part")]

use grantry::core::{
    ClientId, CodeVerifier, HttpRequest, Issuer, Moment, Scope, SecretBytes, UnixTime, form,
};
use grantry::jwt::SigningKey;
use grantry::server::{
    AccessTokenFormat, Answered, ApplicationType, Approval, Authorization, Client, ClientAuthentication,
    HandleKey, Interaction, IntrospectionRight, MemoryStore, Policy, RedirectUri, Reply, SecretDigest,
    Server, Subject, run,
};

pub(crate) const REDIRECT_URI: &str = "https://app.example/cb";
pub(crate) const START: u64 = 1_800_000_000;

/// A server with opaque access tokens, so that a search of many schedules signs nothing.
pub(crate) fn server(policy: Policy) -> Server {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../../tests/vectors/jws-sign.json")).unwrap();
    let jwk = vectors["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|vector| vector["alg"] == "RS256" && vector["jwk"]["d"].is_string())
        .map(|vector| vector["jwk"].to_string())
        .unwrap();
    let signing_key = SigningKey::from_jwk(jwk.as_bytes()).unwrap().with_key_id("key-1");
    let handle_key = HandleKey::new(1, SecretBytes::from(vec![5; 32])).unwrap();
    let issuer = Issuer::parse("https://as.example").unwrap();
    Server::new(issuer, signing_key, handle_key).unwrap().with_policy(policy)
}

pub(crate) fn opaque() -> Policy {
    Policy::default().with_access_token_format(AccessTokenFormat::Opaque)
}

pub(crate) fn client_id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

/// `app` and `other` are confidential; `api` and `photos` may introspect every access token, `photos`
/// with its secret in the header.
pub(crate) fn clients() -> Vec<Client> {
    let confidential = |id: &str| {
        let secret = ClientAuthentication::SecretPost(SecretDigest::of("secret"));
        Client::new(client_id(id), secret)
            .with_redirect_uri(RedirectUri::register(REDIRECT_URI, ApplicationType::Web).unwrap())
            .with_scope(Scope::parse("read write openid").unwrap())
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
    let verifier = verifier(200);
    let challenge = verifier.challenge();
    let query = form::encode([
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", scope),
        ("state", "st"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ]);
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
    Approval::new(Subject::parse("alice").unwrap(), UnixTime::from_secs(START))
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
