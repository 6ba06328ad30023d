//! A protected resource as this workspace guards it.

use core::cell::{Cell, RefCell};

use grantry::core::{HttpRequest, Issuer, Scope};
use grantry::jwt::{Algorithm, Backend, JwkSet, Ring};
use grantry::resource::{Access, AccessCache, Guard, Rejection, Requirement};

use crate::token::{AUDIENCE, ISSUER};
use crate::{AccessToken, Key, now};

/// A guard with the key of the RSA file, and requests with tokens under it.
#[derive(Debug)]
pub struct Api {
    guard: Guard,
    required: Requirement,
    requests: Vec<HttpRequest>,
    next: Cell<usize>,
    /// Holds one token, so that of several in turn each is new.
    forgetful: RefCell<AccessCache>,
    remembering: RefCell<AccessCache>,
}

impl Api {
    /// Makes a guard for tokens of one issuer, and a few requests.
    #[must_use]
    pub fn new() -> Self {
        Self::with_backend(Ring)
    }

    /// Makes a guard that checks signatures with this backend.
    #[must_use]
    pub fn with_backend(backend: impl Backend + 'static) -> Self {
        let key = Key::new(backend, Algorithm::Rs256);
        let issuer = Issuer::parse(ISSUER).expect("an issuer");
        let token = |number: usize| AccessToken { jti: format!("jti-{number}"), ..AccessToken::typical() };
        Self {
            guard: Guard::new(issuer, AUDIENCE, key.keys().clone()),
            required: Requirement::scope(Scope::parse("photos.read").expect("a scope")),
            requests: (0..3).map(|number| Self::request(&key.sign(&token(number)))).collect(),
            next: Cell::new(0),
            forgetful: RefCell::new(AccessCache::new(1)),
            remembering: RefCell::new(AccessCache::new(10_000)),
        }
    }

    /// Lets the guard take tokens of two more issuers, so that it has to see which one a token names.
    #[must_use]
    pub fn with_more_issuers(mut self) -> Self {
        for name in ["https://b.example", "https://c.example"] {
            let issuer = Issuer::parse(name).expect("an issuer");
            self.guard = self.guard.also_issuer(issuer, JwkSet::default());
        }
        self
    }

    /// Makes a request as a client of a JSON API sends it.
    #[must_use]
    pub fn request(token: &str) -> HttpRequest {
        HttpRequest::new("GET", "/photos?page=2")
            .with_header("host", "api.example")
            .with_header("user-agent", "photoprint/1.0")
            .with_header("accept", "application/json")
            .with_header("accept-encoding", "gzip, br")
            .with_header("authorization", format!("Bearer {token}"))
    }

    /// Returns a request, each time another one than the last time.
    #[must_use]
    pub fn next_request(&self) -> &HttpRequest {
        let next = self.next.get();
        self.next.set((next + 1) % self.requests.len());
        self.requests.get(next).expect("a request")
    }

    /// Returns the same request each time.
    #[must_use]
    pub fn same_request(&self) -> &HttpRequest {
        self.requests.first().expect("a request")
    }

    /// Checks a request whose token was not seen before, and remembers it.
    pub fn check_first(&self) -> Access {
        let request = self.next_request();
        let checked = self.guard.check_in(request, &self.required, now(), &mut self.forgetful.borrow_mut());
        checked.expect("a good token")
    }

    /// Checks a request whose token was seen before.
    pub fn check_again(&self) -> Access {
        let request = self.same_request();
        let checked = self.guard.check_in(request, &self.required, now(), &mut self.remembering.borrow_mut());
        checked.expect("a good token")
    }

    /// Checks a request and remembers nothing.
    ///
    /// # Errors
    ///
    /// [`Rejection`] as the guard makes it.
    pub fn check(&self, request: &HttpRequest) -> Result<Access, Rejection> {
        self.guard.check(request, &self.required, now())
    }
}

impl Default for Api {
    fn default() -> Self {
        Self::new()
    }
}
