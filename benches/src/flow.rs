//! Token requests of one server, ready to be decided.

use core::cell::{Cell, RefCell};

use grantry::core::{
    ClientId, CodeVerifier, HttpRequest, HttpResponse, Issuer, Moment, Scope, SecretBytes, SecretString, form,
};
use grantry::jwt::{Algorithm, SigningKey};
use grantry::server::{
    AccessTokenFormat, Answered, ApplicationType, Approval, Authorization, Client, ClientAuthentication,
    HandleKey, MemoryStore, Operation, Policy, RedirectUri, SecretDigest, Server, Subject, TokenAnswer, run,
};

use crate::token::{RSA_PEM, now};

const REDIRECT_URI: &str = "https://app.example/cb";

/// What a request asks tokens for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the server has two grants")]
pub enum Grants {
    /// A code.
    Code,
    /// A refresh token.
    RefreshToken,
}

/// A server, its store and its one client.
#[derive(Debug)]
pub struct Flow {
    server: Server,
    store: RefCell<MemoryStore>,
    verifier: CodeVerifier,
    operations: Cell<u64>,
}

impl Flow {
    /// Makes a server that issues access tokens of a format.
    #[must_use]
    pub fn new(format: AccessTokenFormat) -> Self {
        let signing_key = SigningKey::from_pem(Algorithm::Rs256, RSA_PEM).expect("a good key");
        let handle_key = HandleKey::new(1, SecretBytes::from(vec![5; 32])).expect("a good key");
        let issuer = Issuer::parse("https://as.example").expect("a good issuer");
        let server = Server::new(issuer, signing_key.with_key_id("key-1"), handle_key).expect("a server");
        Self {
            server: server.with_policy(Policy::default().with_access_token_format(format)),
            store: RefCell::new(store()),
            verifier: CodeVerifier::generate(&Moment::new(now(), [1; 32])),
            operations: Cell::new(0),
        }
    }

    /// Makes requests that can each be decided once, over a store that knows nothing else.
    #[must_use]
    pub fn requests(&self, grants: Grants, count: usize) -> Vec<HttpRequest> {
        self.store.replace(store());
        (0..count).map(|_| self.request(grants)).collect()
    }

    /// Reads, decides, commits and writes the answer of one token request.
    #[must_use]
    pub fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let response = self.run(&self.server.token(request)).answer.to_response();
        assert_eq!(response.status, 200, "a refused request is no measure");
        response
    }

    fn request(&self, grants: Grants) -> HttpRequest {
        let redemption = self.form(&[
            ("grant_type", "authorization_code"),
            ("code", &self.code()),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", self.verifier.expose()),
        ]);
        match grants {
            Grants::Code => redemption,
            Grants::RefreshToken => {
                let TokenAnswer::Issued(tokens) = self.run(&self.server.token(&redemption)).answer else {
                    unreachable!("the code is good")
                };
                let refresh_token = tokens.refresh_token.as_ref().map(SecretString::expose);
                let refresh_token = refresh_token.expect("the client is registered for it");
                self.form(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
            }
        }
    }

    /// Lets the person approve a request of the client.
    fn code(&self) -> String {
        let challenge = self.verifier.challenge();
        let query = form::encode([
            ("response_type", "code"),
            ("client_id", "app"),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "photos.read photos.write profile"),
            ("state", "2f7c1f0b"),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ]);
        let request = HttpRequest::new("GET", format!("/authorize?{query}"));
        let Authorization::Interact(page) = self.run(&self.server.authorize(&request)).answer else {
            unreachable!("the request is good")
        };
        let approval = Approval::new(Subject::parse("alice").expect("a subject"), now());
        let Answered::Redirect(redirect) = self.run(&self.server.approve(*page, approval)).answer else {
            unreachable!("the page is answered once")
        };
        let (_, query) = redirect.url().expose().split_once('?').expect("a query");
        let known = form::Known { once: &["code"], many: &[] };
        let form = form::Form::parse(query.as_bytes(), &known).expect("a form");
        form.get("code").expect("a code").to_owned()
    }

    fn form(&self, parameters: &[(&str, &str)]) -> HttpRequest {
        let credentials = [("client_id", "app"), ("client_secret", "secret")];
        HttpRequest::form("/token", form::encode(parameters.iter().copied().chain(credentials)))
    }

    fn run<O: Operation>(&self, operation: &O) -> O::Reply {
        let number = self.operations.get();
        self.operations.set(number + 1);
        let mut seed = [3; 32];
        seed.iter_mut().zip(number.to_be_bytes()).for_each(|(byte, digit)| *byte = digit);
        run(&*self.store.borrow(), operation, Moment::new(now(), seed)).expect("a store in memory")
    }
}

fn store() -> MemoryStore {
    let secret = ClientAuthentication::SecretPost(SecretDigest::of("secret"));
    let uri = RedirectUri::register(REDIRECT_URI, ApplicationType::Web).expect("a good URI");
    let client = Client::new(ClientId::parse("app").expect("a good id"), secret)
        .with_redirect_uri(uri)
        .with_scope(Scope::parse("photos.read photos.write profile").expect("a scope"));
    MemoryStore::new([client])
}
