//! What every authorization server is asked here, in the same words.

use grantry::core::{CodeVerifier, Moment, form};
use serde::Deserialize;

use crate::token::now;

pub(crate) const CLIENT_ID: &str = "app";
pub(crate) const CLIENT_SECRET: &str = "b2lFyW0Zt1c8nHk5qXvRj3mEaUe7sTdPgLwC4hYxN6o";
pub(crate) const REDIRECT_URI: &str = "https://app.example/cb";
pub(crate) const SCOPE: &str = "calendar.read calendar.write contacts.read contacts.write email offline_access photos.read photos.write profile tasks.read";
pub(crate) const SUBJECT: &str = "8f14e45f-ceea-467f-a8f2-2f3b6c1d9e70";

/// What a confidential client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "what every server here can do")]
pub enum Call {
    /// Tokens for a code, with PKCE.
    Redemption,
    /// New tokens for a refresh token, which rotates.
    Refresh,
    /// What an opaque access token of its own says.
    Introspection,
}

/// An authorization server over a store in memory, with one confidential client that authenticates with
/// `client_secret_basic`: the method that every server here takes for every call.
pub trait Endpoint {
    /// A request before it is parsed: its path, its headers and the bytes of its body.
    type Request;
    /// A response that has only to be sent.
    type Response;

    /// Lets the person approve a request and returns the code.
    fn code(&self) -> String;

    /// Makes a request of the client.
    fn post(&self, path: &str, form: String) -> Self::Request;

    /// Answers a request with status 200.
    fn answer(&self, request: Self::Request) -> Self::Response;

    /// Takes the body out of a response.
    fn body(response: Self::Response) -> Vec<u8>;

    /// Makes a request that redeems a fresh code.
    fn redemption(&self) -> Self::Request {
        let form = form::encode([
            ("grant_type", "authorization_code"),
            ("code", &self.code()),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", verifier().expose()),
        ]);
        self.post("/token", form)
    }

    /// Makes a request that refreshes.
    fn refresh(&self, refresh_token: &str) -> Self::Request {
        let form = form::encode([("grant_type", "refresh_token"), ("refresh_token", refresh_token)]);
        self.post("/token", form)
    }

    /// Makes a request that introspects.
    fn introspection(&self, token: &str) -> Self::Request {
        self.post("/introspect", form::encode([("token", token)]))
    }

    /// Makes a request that revokes.
    fn revocation(&self, token: &str) -> Self::Request {
        self.post("/revoke", form::encode([("token", token)]))
    }

    /// Gets the first tokens of a new grant.
    fn tokens(&self) -> Tokens {
        self.issued(self.redemption())
    }

    /// Answers a token request and reads the tokens.
    fn issued(&self, request: Self::Request) -> Tokens {
        Tokens::read(&Self::body(self.answer(request)))
    }
}

/// What a token response brings.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Tokens {
    /// The access token.
    pub access_token: String,
    /// The refresh token.
    pub refresh_token: String,
}

impl Tokens {
    /// Reads a token response.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).expect("a token response")
    }
}

/// The PKCE verifier of every code.
pub(crate) fn verifier() -> CodeVerifier {
    CodeVerifier::generate(&Moment::new(now(), [1; 32]))
}

/// The query of the authorization request that the person approves.
pub(crate) fn authorization_query() -> String {
    form::encode([
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("redirect_uri", REDIRECT_URI),
        ("scope", SCOPE),
        ("state", "2f7c1f0b"),
        ("code_challenge", verifier().challenge().as_str()),
        ("code_challenge_method", "S256"),
    ])
}

/// The code in the URL that the browser is sent back to.
pub(crate) fn code_in(location: &str) -> String {
    let (_, query) = location.split_once('?').expect("a query");
    let known = form::Known { once: &["code"], many: &[] };
    let form = form::Form::parse(query.as_bytes(), &known).expect("a form");
    form.get("code").expect("a code").to_owned()
}

/// The header `Authorization` of the client.
pub(crate) fn authorization() -> String {
    use base64::Engine as _;
    let credentials = format!("{CLIENT_ID}:{CLIENT_SECRET}");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials))
}
