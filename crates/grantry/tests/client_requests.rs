//! Every request of a client, by every way of authentication, at a server that checks it.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use grantry::client::{
    AuthorizationRequest, Client, ClientAuthentication, Provider, RequestError, RequestToSign, Tokens,
};
use grantry::core::{HttpRequest, HttpResponse, Moment, Scope, SecretBytes, SecretString, UnixTime};
use grantry::jwt::{Algorithm, JwkSet, SigningKey};
use grantry::server::{
    self, ApplicationType, AssertionKeys, AssertionSecret, Authorization, GrantType, MemoryStore, Policy,
    RedirectUri, SecretDigest, Server, SessionEnd, run,
};
use support::*;

const SECRET: &str = "a secret of at least thirty-two bytes";
const SIGNED_OUT: &str = "https://app.example/signed-out";

/// A provider, and the client that is registered there with the way of authentication that it uses.
struct World {
    server: Server,
    store: MemoryStore,
    client: Client,
}

impl World {
    fn new(authentication: ClientAuthentication, registered: server::ClientAuthentication) -> Self {
        let server = server(Policy::default());
        let metadata = server.metadata();
        let issuer = server.issuer().clone();
        let provider = Provider::new(issuer, &metadata.authorization_endpoint, &metadata.token_endpoint)
            .and_then(|it| it.with_revocation_endpoint(&metadata.revocation_endpoint.unwrap()))
            .and_then(|it| it.with_introspection_endpoint(&metadata.introspection_endpoint.unwrap()))
            .and_then(|it| {
                let endpoint = metadata.pushed_authorization_request_endpoint.unwrap();
                it.with_pushed_authorization_request_endpoint(&endpoint)
            })
            .and_then(|it| it.with_userinfo_endpoint(&metadata.openid.userinfo_endpoint.unwrap()))
            .and_then(|it| it.with_end_session_endpoint(&metadata.openid.end_session_endpoint.unwrap()))
            .unwrap()
            .with_require_pushed_authorization_requests();
        let client = Client::new(provider, client_id("app"), authentication, REDIRECT_URI).unwrap();
        let redirect_uri = |text| RedirectUri::register(text, ApplicationType::Web).unwrap();
        let registration = server::Client::new(client_id("app"), registered)
            .with_redirect_uri(redirect_uri(REDIRECT_URI))
            .with_post_logout_redirect_uri(redirect_uri(SIGNED_OUT))
            .with_scope(Scope::parse("read openid").unwrap())
            .with_grant_types(GrantType::ALL.iter().copied());
        Self { server, store: MemoryStore::new([registration]), client }
    }

    fn serve(&self, request: &HttpRequest, number: u8) -> HttpResponse {
        let (server, store, at) = (&self.server, &self.store, moment(0, number));
        match request.path() {
            "/token" => run(store, &server.token(request), at).unwrap().answer.to_response(),
            "/revoke" => run(store, &server.revoke(request), at).unwrap().answer.to_response(),
            "/introspect" => run(store, &server.introspect(request), at).unwrap().answer.to_response(),
            "/par" => run(store, &server.push(request), at).unwrap().answer.to_response(),
            "/userinfo" => run(store, &server.userinfo(request), at).unwrap().answer.to_response(),
            other => panic!("{other}"),
        }
    }

    fn log_in(&self, send: Send) -> Tokens {
        let asked = AuthorizationRequest::new(Scope::parse("openid read").unwrap());
        let push = self.client.push(asked, moment(0, 10)).unwrap();
        let answer = self.serve(&send.of(|at| push.request(at), |at| push.request_to_sign(at), 11), 12);
        let (url, pending) = push.response(&answer, NOW).unwrap().into_parts();
        let arrival = HttpRequest::new("GET", url.as_str());
        let answer = run(&self.store, &self.server.authorize(&arrival), moment(0, 13)).unwrap().answer;
        let Authorization::Interact(interaction) = answer else { panic!("{answer:?}") };
        let approve = self.server.approve(*interaction, approval());
        let answer = run(&self.store, &approve, moment(0, 14)).unwrap().answer;
        let server::Answered::Redirect(redirect) = answer else { panic!("{answer:?}") };
        let (_, query) = redirect.url().expose().split_once('?').unwrap();
        let exchange = self.client.callback(pending, query, NOW).unwrap();
        let request = send.of(|at| exchange.request(at), |at| exchange.request_to_sign(at), 15);
        exchange.response(&self.serve(&request, 16), self.server.jwk_set(), NOW).unwrap()
    }
}

const NOW: UnixTime = UnixTime::from_secs(START);

/// Where the client's key is.
#[derive(Clone, Copy)]
enum Send {
    Inside,
    Outside,
}

impl Send {
    fn of(
        self,
        inside: impl FnOnce(Moment) -> Result<HttpRequest, RequestError>,
        outside: impl FnOnce(Moment) -> Result<RequestToSign, RequestError>,
        number: u8,
    ) -> HttpRequest {
        match self {
            Self::Inside => inside(moment(0, number)).unwrap(),
            Self::Outside => {
                let waiting = outside(moment(0, number)).unwrap();
                let signature = signature_of(waiting.as_bytes());
                waiting.complete(&signature).unwrap()
            }
        }
    }
}

fn every_request(authentication: ClientAuthentication, registered: server::ClientAuthentication, send: Send) {
    let world = World::new(authentication, registered);
    let client = &world.client;
    let tokens = world.log_in(send);

    let refresh = client.refresh(&tokens).unwrap();
    let request = send.of(|at| refresh.request(at), |at| refresh.request_to_sign(at), 20);
    let tokens = refresh.response(&world.serve(&request, 21), world.server.jwk_set(), NOW).unwrap();

    let user_info = client.user_info(&tokens).unwrap();
    assert_eq!(user_info.response(&world.serve(&user_info.request(), 22)).unwrap().subject(), "alice");

    let is_active = |number: u8| {
        let question = client.introspect_access_token(&tokens).unwrap();
        let request = send.of(|at| question.request(at), |at| question.request_to_sign(at), number);
        question.response(&world.serve(&request, number + 1)).unwrap().is_active()
    };
    assert!(is_active(30));
    let revocation = client.revoke_grant(&tokens).unwrap();
    let request = send.of(|at| revocation.request(at), |at| revocation.request_to_sign(at), 32);
    assert_eq!(revocation.response(&world.serve(&request, 33)), Ok(()));
    assert!(!is_active(34));

    let way = client.end_session(&tokens).unwrap();
    let (url, pending) = way.url_returning_to(SIGNED_OUT, moment(0, 40)).unwrap();
    let arrival = HttpRequest::new("GET", url.as_str());
    let answer = run(&world.store, &world.server.end_session(&arrival), moment(0, 41)).unwrap().answer;
    let SessionEnd::Logout(logout) = answer else { panic!("{answer:?}") };
    assert!(!logout.must_ask(&server::Subject::parse("alice").unwrap(), None));
    let back = logout.redirect().unwrap().url().expose().to_owned();
    assert_eq!(pending.callback(back.split_once('?').unwrap().1, NOW), Ok(()));

    let credentials = client.client_credentials().unwrap().with_scope(Scope::parse("read").unwrap());
    let request = send.of(|at| credentials.request(at), |at| credentials.request_to_sign(at), 50);
    let tokens = credentials.response(&world.serve(&request, 51), NOW).unwrap();
    assert_eq!(tokens.scope().to_string(), "read");
}

#[test]
fn rfc6749_2_3_1_a_secret_in_the_header_or_in_the_body() {
    let (secret, digest) = (SecretString::from(SECRET), SecretDigest::of(SECRET));
    every_request(
        ClientAuthentication::Basic(secret.clone()),
        server::ClientAuthentication::SecretBasic(digest.clone()),
        Send::Inside,
    );
    let registered = server::ClientAuthentication::SecretPost(digest);
    every_request(ClientAuthentication::Post(secret), registered, Send::Inside);
}

#[test]
fn oidc_9_an_assertion_keyed_with_the_secret() {
    let key =
        SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(SECRET.as_bytes().to_vec())).unwrap();
    let registered = AssertionSecret::new(&SecretString::from(SECRET)).unwrap();
    let registered = server::ClientAuthentication::SecretJwt(registered);
    every_request(ClientAuthentication::SecretJwt(key), registered, Send::Inside);
}

#[test]
fn rfc7523_2_2_an_assertion_signed_inside_and_outside_of_the_process() {
    let registered = || {
        let keys = AssertionKeys::new(&JwkSet::from_keys([signing_key().verifying_key()])).unwrap();
        server::ClientAuthentication::PrivateKeyJwt(keys)
    };
    every_request(ClientAuthentication::PrivateKeyJwt(signing_key()), registered(), Send::Inside);
    let outside = ClientAuthentication::OutsideKeyJwt(signing_key().verifying_key());
    every_request(outside, registered(), Send::Outside);
}
