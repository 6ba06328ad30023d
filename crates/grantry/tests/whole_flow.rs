//! One login between the three roles, over the messages that would go over the wire.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use grantry::client::{AuthorizationRequest, Client, ClientAuthentication, Provider, TokenError, Tokens};
use grantry::core::{ErrorCode, HttpRequest, HttpResponse, Scope, SecretString, UnixTime};
use grantry::jwt::JwkSet;
use grantry::resource::{Credentials, Guard, Introspection, Reason, Requirement, Subject};
use grantry::server::{Answered, Approval, Authorization, MemoryStore, Policy, Server, run};
use support::*;

const AUDIENCE: &str = "https://photos.example";

/// The provider as a host would run it, and the client and resource server that know it.
struct World {
    server: Server,
    store: MemoryStore,
    client: Client,
    guard: Guard,
}

impl World {
    fn new(policy: Policy) -> Self {
        let server = server(policy.with_resources([AUDIENCE]));
        let keys = JwkSet::parse(&server.jwk_set_response(UnixTime::from_secs(START)).body).unwrap();
        let metadata = server.metadata();
        let provider = Provider::new(
            server.issuer().clone(),
            &metadata.authorization_endpoint,
            &metadata.token_endpoint,
        )
        .and_then(|provider| provider.with_jwks_uri(&metadata.jwks_uri))
        .and_then(|provider| provider.with_revocation_endpoint(&metadata.revocation_endpoint.unwrap()))
        .unwrap()
        .with_code_challenge_methods_supported(metadata.code_challenge_methods_supported)
        .with_authorization_response_iss_parameter_supported();
        let secret = ClientAuthentication::Post(SecretString::from("secret"));
        let client = Client::new(provider, client_id("app"), secret, REDIRECT_URI).unwrap();
        let guard = Guard::new(server.issuer().clone(), AUDIENCE, keys);
        Self { server, store: store(), client, guard }
    }

    fn keys(&self) -> &JwkSet {
        self.server.jwk_set()
    }

    /// What the provider's HTTP server does with a client's request.
    fn serve(&self, request: &HttpRequest, at: u64) -> HttpResponse {
        let moment = moment(at, u8::try_from(at % 250).unwrap());
        match request.target.strip_prefix("https://as.example") {
            Some("/token") => {
                run(&self.store, &self.server.token(request), moment).unwrap().answer.to_response()
            }
            Some("/revoke") => {
                run(&self.store, &self.server.revoke(request), moment).unwrap().answer.to_response()
            }
            Some("/introspect") => {
                run(&self.store, &self.server.introspect(request), moment).unwrap().answer.to_response()
            }
            _ => HttpResponse::new(404),
        }
    }

    fn log_in(&self, scope: &str, at: u64) -> Tokens {
        let seed = u8::try_from(at).unwrap();
        let request = AuthorizationRequest::new(Scope::parse(scope).unwrap());
        let (url, pending) = self.client.authorize(request, moment(at, 100 + seed)).unwrap();
        let arrival = HttpRequest::new("GET", url.as_str());
        let answer =
            run(&self.store, &self.server.authorize(&arrival), moment(at, 101 + seed)).unwrap().answer;
        let Authorization::Interact(interaction) = answer else { panic!("{answer:?}") };
        let sealed = self.server.seal(&interaction, "session");
        let interaction = self.server.unseal(&sealed, "session", UnixTime::from_secs(START + at)).unwrap();
        let approval =
            Approval::new(grantry::server::Subject::parse("alice").unwrap(), UnixTime::from_secs(START));
        let answer = run(&self.store, &self.server.approve(interaction, approval), moment(at, 102 + seed))
            .unwrap()
            .answer;
        let Answered::Redirect(redirect) = answer else { panic!("{answer:?}") };
        let (_, query) = redirect.url().expose().split_once('?').unwrap();
        let exchange = self.client.callback(pending, query, UnixTime::from_secs(START + at)).unwrap();
        let response = self.serve(&exchange.request(moment(at, 103 + seed)).unwrap(), at);
        exchange.response(&response, self.keys(), UnixTime::from_secs(START + at)).unwrap()
    }

    fn refresh(&self, tokens: &Tokens, at: u64) -> Result<Tokens, TokenError> {
        let refresh = self.client.refresh(tokens).unwrap();
        let response = self.serve(&refresh.request(moment(at, 1)).unwrap(), at);
        refresh.response(&response, self.keys(), UnixTime::from_secs(START + at))
    }

    fn api_request(tokens: &Tokens) -> HttpRequest {
        let bearer = format!("Bearer {}", tokens.access_token().expose());
        HttpRequest::new("GET", "/photos").with_header("Authorization", bearer)
    }

    fn introspected(&self, tokens: &Tokens, at: u64) -> Result<(), Reason> {
        let token = self.guard.bearer_token(&Self::api_request(tokens)).unwrap();
        let secret = SecretString::from("secret");
        let issuer = self.server.issuer().clone();
        let credentials = Credentials::client_secret_basic(client_id("photos"), secret);
        let introspection = Introspection::new(issuer, "https://as.example/introspect", credentials).unwrap();
        let response = self.serve(&introspection.request(&token), at);
        let answer = introspection.response(&response).unwrap();
        let needed = need("read");
        let now = UnixTime::from_secs(START + at);
        self.guard
            .accept_introspected(&answer, &needed, now)
            .map(|_| ())
            .map_err(|rejection| rejection.reason())
    }
}

fn need(scope: &str) -> Requirement {
    Requirement::scope(Scope::parse(scope).unwrap())
}

fn refused(result: Result<Tokens, TokenError>) -> Option<ErrorCode> {
    let Err(TokenError::Refused { refusal, .. }) = result else { panic!("{result:?}") };
    refusal.code()
}

#[test]
fn a_login_a_refresh_an_alarm_and_a_revocation_between_the_three_roles() {
    let world = World::new(Policy::default());
    let read = need("read");
    let tokens = world.log_in("openid read", 0);
    assert_eq!(tokens.id_token().unwrap().subject(), "alice");

    let access = world.guard.check(&World::api_request(&tokens), &read, UnixTime::from_secs(START)).unwrap();
    assert_eq!(*access.subject(), Subject::User("alice".into()));
    let write = need("write");
    let rejection =
        world.guard.check(&World::api_request(&tokens), &write, UnixTime::from_secs(START)).unwrap_err();
    assert_eq!(rejection.status(), 403);

    let refreshed = world.refresh(&tokens, 60).unwrap();
    assert_eq!(refreshed.id_token().unwrap().auth_time(), tokens.id_token().unwrap().auth_time());
    assert_eq!(world.introspected(&refreshed, 61), Ok(()));

    // Somebody presents the used refresh token: everything of the grant ends.
    assert_eq!(refused(world.refresh(&tokens, 62)), Some(ErrorCode::InvalidGrant));
    assert_eq!(refused(world.refresh(&refreshed, 63)), Some(ErrorCode::InvalidGrant));
    assert_eq!(world.introspected(&refreshed, 64), Err(Reason::Inactive));

    let tokens = world.log_in("openid read", 70);
    let revocation = world.client.revoke_access_token(&tokens).unwrap();
    let request = revocation.request(moment(71, 1)).unwrap();
    revocation.response(&world.serve(&request, 71)).unwrap();
    assert_eq!(world.introspected(&tokens, 72), Err(Reason::Inactive));
    assert_eq!(refused(world.refresh(&tokens, 73)), Some(ErrorCode::InvalidGrant));
}

#[test]
fn opaque_access_tokens_are_introspected_and_are_no_jwt() {
    let world = World::new(opaque());
    let tokens = world.log_in("read", 0);
    assert!(tokens.access_token().expose().starts_with("gra_"));
    assert_eq!(world.introspected(&tokens, 1), Ok(()));
    let read = need("read");
    let rejection =
        world.guard.check(&World::api_request(&tokens), &read, UnixTime::from_secs(START)).unwrap_err();
    assert_eq!(rejection.status(), 401);
}

/// The app is an API, too, and asks about its own tokens, which needs no further right: what it is told is
/// that its refresh token is active.
#[test]
fn rfc7662_2_2_a_refresh_token_is_no_access_at_an_api_that_is_its_own_client() {
    let world = World::new(opaque());
    let tokens = world.log_in("read", 0);
    let (issuer, secret) = (world.server.issuer().clone(), SecretString::from("secret"));
    let credentials = Credentials::client_secret_post(client_id("app"), secret);
    let introspection = Introspection::new(issuer, "https://as.example/introspect", credentials).unwrap();
    let accept = |token: &SecretString| {
        let bearer = format!("Bearer {}", token.expose());
        let request = HttpRequest::new("GET", "/photos").with_header("Authorization", bearer);
        let token = world.guard.bearer_token(&request).unwrap();
        let introspected = introspection.response(&world.serve(&introspection.request(&token), 1)).unwrap();
        assert!(introspected.is_active());
        let access =
            world.guard.accept_introspected(&introspected, &need("read"), UnixTime::from_secs(START + 1));
        access.map(drop).map_err(|rejection| rejection.reason())
    };
    assert_eq!(accept(tokens.access_token()), Ok(()));
    assert_eq!(accept(tokens.refresh_token().unwrap()), Err(Reason::OtherAudience));
}
