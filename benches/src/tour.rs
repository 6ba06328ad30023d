//! Every grant and every endpoint once, and how often each request goes to the store.

use core::cell::RefCell;

use grantry::core::{ClientId, HttpRequest, Moment, Scope, SecretBytes, SecretString, form};
use grantry::jwt::{Algorithm, SigningKey};
use grantry::server::{
    AccessTokenFormat, Answered, Approval, AssertionSecret, Authorization, Client, ClientAuthentication,
    DeviceAnswer, Endpoints, GrantType, Interaction, Introspection, MemoryStore, Operation, Policy, Pushed,
    Refusal, Reply, Revoked, Server, SessionEnd, Subject, TokenAnswer, UserInfoAnswer, Verification, run,
};
use serde_json::json;

use crate::counted::Counted;
use crate::endpoint::{
    CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, SCOPE, SUBJECT, authorization, authorization_query, code_in,
    verifier,
};
use crate::{Tokens, flow};

/// A server that has everything on, with a client that may use it.
#[derive(Debug)]
pub struct Tour {
    server: Server,
    store: Counted<MemoryStore>,
    visited: RefCell<Vec<(&'static str, u32)>>,
}

impl Tour {
    /// Asks for everything and returns what was asked, with the round trips of each request.
    #[must_use]
    pub fn walk() -> Vec<(&'static str, u32)> {
        let server = flow::server(AccessTokenFormat::Opaque);
        let endpoints = Endpoints::all_below(server.issuer());
        let policy = Policy::default()
            .with_access_token_format(AccessTokenFormat::Opaque)
            .danger_with_implicit_grant()
            .danger_with_password_grant();
        let client = flow::client().with_grant_types([
            GrantType::AuthorizationCode,
            GrantType::RefreshToken,
            GrantType::ClientCredentials,
            GrantType::DeviceCode,
            GrantType::Implicit,
            GrantType::Password,
        ]);
        let client = client.with_scope(Scope::parse(&format!("openid {SCOPE}")).expect("a scope"));
        let secret = AssertionSecret::new(&SecretString::from(CLIENT_SECRET)).expect("a good key");
        let id = ClientId::parse("service").expect("a good id");
        let service = Client::new(id, ClientAuthentication::SecretJwt(secret))
            .with_grant_types([GrantType::ClientCredentials])
            .with_scope(Scope::parse("photos.read").expect("a scope"));
        let tour = Self {
            server: server.with_endpoints(endpoints).with_policy(policy),
            store: Counted::new(MemoryStore::new([client, service])),
            visited: RefCell::default(),
        };
        tour.code();
        tour.pushed_request();
        tour.implicit();
        tour.device();
        tour.credentials();
        tour.assertion();
        tour.person();
        tour.visited.take()
    }

    /// The whole of a code flow, and a person who says no; then a code and a refresh token that come again.
    fn code(&self) {
        let page = self.page("authorization", &authorization_query());
        self.run("refusal", &self.server.refuse(&page, Refusal::AccessDenied));
        let code = code_in(&self.approve("approval", page));
        let code_verifier = verifier();
        let redemption = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", code_verifier.expose()),
        ];
        let tokens = self.tokens("code", &redemption);
        let introspection = post("/introspect", &[("token", &tokens.access_token)]);
        let introspection = self.run("introspection", &self.server.introspect(&introspection));
        assert!(matches!(introspection, Introspection::Active(_)));
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", &*tokens.refresh_token)];
        self.tokens("refresh", &refresh);
        self.refused("code again", &redemption);
        self.refused("refresh token of a revoked grant", &refresh);
    }

    fn pushed_request(&self) {
        let request = HttpRequest::form("/par", authorization_query());
        let request = request.with_header("Authorization", authorization());
        let Pushed::Accepted(pushed) = self.run("pushed request", &self.server.push(&request)) else {
            unreachable!("the request is good")
        };
        let query = form::encode([("client_id", CLIENT_ID), ("request_uri", pushed.request_uri.expose())]);
        let page = self.page("authorization of a pushed request", &query);
        self.approve("approval of a pushed request", page);
    }

    fn implicit(&self) {
        let query = form::encode([
            ("response_type", "token"),
            ("client_id", CLIENT_ID),
            ("redirect_uri", REDIRECT_URI),
            ("scope", SCOPE),
        ]);
        let page = self.page("implicit authorization", &query);
        assert!(self.approve("implicit approval", page).contains("access_token="));
    }

    fn device(&self) {
        let request = post("/device_authorization", &[("scope", SCOPE)]);
        let answer = self.run("device authorization", &self.server.device_authorization(&request));
        let DeviceAnswer::Waiting(device) = answer else { unreachable!("the request is good") };
        let poll = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", device.device_code.expose()),
        ];
        self.refused("device code of a device that waits", &poll);
        let code = self.server.verify_user_code(device.user_code.expose());
        let Verification::Interact(page) = self.run("user code", &code) else {
            unreachable!("the device waits")
        };
        let approval = self.server.approve(*page, consent());
        assert!(matches!(self.run("approval of a device", &approval), Answered::DeviceApproved));
        let tokens = self.tokens("device code", &poll);
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", &*tokens.refresh_token)];
        self.tokens("refresh", &refresh);
        self.refused("refresh token again", &refresh);
    }

    fn credentials(&self) {
        let form = [("grant_type", "client_credentials"), ("scope", SCOPE)];
        let operation = self.server.token(&post("/token", &form));
        assert!(matches!(self.run("client credentials", &operation), TokenAnswer::Issued(_)));
    }

    fn assertion(&self) {
        let now = Moment::now().expect("a clock").time().as_secs();
        let secret = SecretBytes::from(CLIENT_SECRET.as_bytes().to_vec());
        let key = SigningKey::from_secret(Algorithm::Hs256, &secret).expect("a good key");
        let claims = json!({
            "iss": "service", "sub": "service", "aud": self.server.issuer().as_str(), "exp": now + 60, "jti": "1",
        });
        let form = form::encode([
            ("grant_type", "client_credentials"),
            ("scope", "photos.read"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &key.sign_claims("JWT", &claims).expect("a token")),
        ]);
        let operation = self.server.token(&HttpRequest::form("/token", form));
        assert!(matches!(self.run("client assertion", &operation), TokenAnswer::Issued(_)));
        assert!(matches!(self.run("client assertion again", &operation), TokenAnswer::Denied(_)));
    }

    /// A person who logs in by a password, is told of, logs out and takes back what was granted.
    fn person(&self) {
        let form =
            [("grant_type", "password"), ("username", "alice"), ("password", "secret"), ("scope", "openid")];
        let operation = self.server.token(&post("/token", &form)).with_resource_owner(consent());
        let tokens = Tokens::read(&self.run("password", &operation).to_response().body);
        let bearer = format!("Bearer {}", tokens.access_token);
        let request = HttpRequest::new("GET", "/userinfo").with_header("Authorization", bearer);
        let answer = self.run("userinfo", &self.server.userinfo(&request));
        assert!(matches!(answer, UserInfoAnswer::Told(_)));
        let request = HttpRequest::new("GET", format!("/logout?client_id={CLIENT_ID}"));
        let answer = self.run("logout", &self.server.end_session(&request));
        assert!(matches!(answer, SessionEnd::Logout(_)));
        let revocation = post("/revoke", &[("token", &tokens.refresh_token)]);
        let revocation = self.run("revocation", &self.server.revoke(&revocation));
        assert!(matches!(revocation, Revoked::Done));
    }

    fn page(&self, what: &'static str, query: &str) -> Interaction {
        let request = HttpRequest::new("GET", format!("/authorize?{query}"));
        match self.run(what, &self.server.authorize(&request)) {
            Authorization::Interact(page) => *page,
            Authorization::Page(_) | Authorization::Redirect(_) => unreachable!("the request is good"),
        }
    }

    fn approve(&self, what: &'static str, page: Interaction) -> String {
        match self.run(what, &self.server.approve(page, consent())) {
            Answered::Redirect(redirect) => redirect.url().expose().to_owned(),
            Answered::Page(_) | Answered::DeviceApproved | Answered::DeviceRefused => {
                unreachable!("the page is answered once")
            }
        }
    }

    fn tokens(&self, what: &'static str, form: &[(&str, &str)]) -> Tokens {
        let answer = self.run(what, &self.server.token(&post("/token", form)));
        Tokens::read(&answer.to_response().body)
    }

    fn refused(&self, what: &'static str, form: &[(&str, &str)]) {
        let answer = self.run(what, &self.server.token(&post("/token", form)));
        assert!(matches!(answer, TokenAnswer::Denied(_)), "{what}");
    }

    fn run<A>(&self, what: &'static str, operation: &impl Operation<Reply = Reply<A>>) -> A {
        let before = self.store.round_trips();
        let moment = Moment::now().expect("a clock");
        let reply = run(&self.store, operation, moment).expect("a store in memory");
        self.visited.borrow_mut().push((what, self.store.round_trips() - before));
        reply.answer
    }
}

fn post(path: &str, parameters: &[(&str, &str)]) -> HttpRequest {
    HttpRequest::form(path, form::encode(parameters.iter().copied()))
        .with_header("Authorization", authorization())
}

fn consent() -> Approval {
    let now = Moment::now().expect("a clock").time();
    Approval::new(Subject::parse(SUBJECT).expect("a subject"), now)
}
