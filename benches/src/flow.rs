//! This workspace as an authorization server.

use grantry::core::{ClientId, HttpRequest, HttpResponse, Issuer, Moment, Scope, SecretBytes, UnixTime};
use grantry::jwt::{Algorithm, SigningKey};
use grantry::server::{
    AccessTokenFormat, Answered, ApplicationType, Approval, Authorization, Client, ClientAuthentication,
    HandleKey, MemoryStore, Operation, Policy, RedirectUri, SecretDigest, Server, Subject, run,
};

use crate::counted::Counted;
use crate::endpoint::{
    CLIENT_ID, CLIENT_SECRET, Endpoint, REDIRECT_URI, SCOPE, SUBJECT, authorization, authorization_query,
    code_in,
};
use crate::token::RSA_PEM;

/// A server as a host runs it: every request has a moment of its own.
#[derive(Debug)]
pub struct Flow {
    server: Server,
    store: Counted<MemoryStore>,
    seeds: Seeds,
}

/// Where a host takes the seeds of its moments from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the two ways that a host has")]
pub enum Seeds {
    /// A generator of the process, seeded by the system now and then: `rand::rng()`.
    Process,
    /// The system, one call for each request: [`Moment::now`].
    System,
}

impl Flow {
    /// Makes a server that issues access tokens of a format.
    #[must_use]
    pub fn new(format: AccessTokenFormat) -> Self {
        Self {
            server: server(format),
            store: Counted::new(MemoryStore::new([client()])),
            seeds: Seeds::Process,
        }
    }

    /// Sets where seeds come from.
    #[must_use]
    pub const fn with_seeds(mut self, seeds: Seeds) -> Self {
        self.seeds = seeds;
        self
    }

    /// Answers a request of the client, whatever the answer is.
    #[must_use]
    pub fn respond(&self, request: &HttpRequest) -> HttpResponse {
        match request.path() {
            "/token" => self.run(&self.server.token(request)).answer.to_response(),
            "/introspect" => self.run(&self.server.introspect(request)).answer.to_response(),
            "/revoke" => self.run(&self.server.revoke(request)).answer.to_response(),
            _ => HttpResponse::new(404),
        }
    }

    /// Runs something and returns how often it went to the store.
    pub fn round_trips(&self, run: impl FnOnce()) -> u32 {
        let before = self.store.round_trips();
        run();
        self.store.round_trips() - before
    }
}

impl Host for Flow {
    fn server(&self) -> &Server {
        &self.server
    }

    fn run<O: Operation>(&self, operation: &O) -> O::Reply {
        let moment = match self.seeds {
            Seeds::Process => moment(),
            Seeds::System => Moment::now().expect("a clock"),
        };
        run(&self.store, operation, moment).expect("a store in memory")
    }

    fn answer(&self, request: HttpRequest) -> HttpResponse {
        let response = self.respond(&request);
        assert_eq!(response.status, 200, "a refused request is no measure");
        response
    }
}

/// Makes a moment with a seed of the process.
#[expect(clippy::disallowed_methods, reason = "a host has a clock")]
pub(crate) fn moment() -> Moment {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = UnixTime::from_secs(since_epoch.expect("a clock").as_secs());
    Moment::new(now, rand::random())
}

/// This workspace over some store.
pub(crate) trait Host {
    /// Returns the server.
    fn server(&self) -> &Server;

    /// Carries an operation through.
    fn run<O: Operation>(&self, operation: &O) -> O::Reply;

    /// Answers a request with status 200.
    fn answer(&self, request: HttpRequest) -> HttpResponse;
}

impl<H: Host> Endpoint for H {
    type Request = HttpRequest;
    type Response = HttpResponse;

    fn code(&self) -> String {
        let request = HttpRequest::new("GET", format!("/authorize?{}", authorization_query()));
        let Authorization::Interact(page) = self.run(&self.server().authorize(&request)).answer else {
            unreachable!("the request is good")
        };
        let now = Moment::now().expect("a clock").time();
        let approval = Approval::new(Subject::parse(SUBJECT).expect("a subject"), now);
        let Answered::Redirect(redirect) = self.run(&self.server().approve(*page, approval)).answer else {
            unreachable!("the page is answered once")
        };
        code_in(redirect.url().expose())
    }

    fn post(&self, path: &str, form: String) -> HttpRequest {
        HttpRequest::form(path, form).with_header("Authorization", authorization())
    }

    fn answer(&self, request: HttpRequest) -> HttpResponse {
        Host::answer(self, request)
    }

    fn body(response: HttpResponse) -> Vec<u8> {
        response.body
    }
}

/// Makes a server with the default policy, but for the format of its access tokens.
pub(crate) fn server(format: AccessTokenFormat) -> Server {
    let signing_key = SigningKey::from_pem(Algorithm::Rs256, RSA_PEM).expect("a good key");
    let handle_key = HandleKey::new(1, SecretBytes::from(vec![5; 32])).expect("a good key");
    let issuer = Issuer::parse("https://as.example").expect("a good issuer");
    let server = Server::new(issuer, signing_key.with_key_id("key-1"), handle_key).expect("a server");
    server.with_policy(Policy::default().with_access_token_format(format))
}

/// Makes the registration of the client.
#[must_use]
pub fn client() -> Client {
    let secret = ClientAuthentication::SecretBasic(SecretDigest::of(CLIENT_SECRET));
    let uri = RedirectUri::register(REDIRECT_URI, ApplicationType::Web).expect("a good URI");
    Client::new(ClientId::parse(CLIENT_ID).expect("a good id"), secret)
        .with_redirect_uri(uri)
        .with_scope(Scope::parse(SCOPE).expect("a scope"))
}
