//! What a stranger can make the server compute.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

extern crate alloc;

mod support;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

use grantry_core::{HttpRequest, Issuer, base64url, form};
use grantry_jwt::{
    Algorithm, Backend, BadSignature, KeyError, KeyLoader, PrivateKey, PublicKey, Ring, SecretKey, Sign,
    Verify, VerifyingKey,
};
use grantry_server::{Introspection, Server};
use support::{ISSUER, NOW, Site, handle_key, issued, query, redemption, request};

/// Counts the signatures that are checked.
#[derive(Clone, Debug, Default)]
struct Counting(Arc<AtomicUsize>);

struct CountedKey(Counting, Box<dyn Verify>);

impl Verify for CountedKey {
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.0.0.fetch_add(1, Ordering::Relaxed);
        self.1.verify(message, signature)
    }
}

impl Backend for Counting {
    fn prepare_public(&self, algorithm: Algorithm, key: &PublicKey) -> Result<Box<dyn Verify>, KeyError> {
        let key = Ring.prepare_public(algorithm, key)?;
        Ok(Box::new(CountedKey(self.clone(), key)))
    }

    fn prepare_secret(&self, algorithm: Algorithm, key: &SecretKey) -> Result<Box<dyn Verify>, KeyError> {
        Ring.prepare_secret(algorithm, key)
    }

    fn prepare_private(&self, algorithm: Algorithm, key: &PrivateKey) -> Result<Box<dyn Sign>, KeyError> {
        Ring.prepare_private(algorithm, key)
    }

    fn complete(&self, key: &PrivateKey) -> Result<PrivateKey, KeyError> {
        Ring.complete(key)
    }

    fn generate(&self, algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
        Ring.generate(algorithm)
    }
}

/// A server of four keys, of which the first signs here, and how many signatures it has checked.
fn counted() -> (Site, Counting) {
    let counting = Counting::default();
    let file = support::vectors(include_str!("../../../tests/vectors/jws-sign.json"));
    let jwk = file.iter().find(|vector| vector["id"] == "JK-107.2").unwrap()["jwk"].to_string();
    let loader = KeyLoader::new(counting.clone());
    let key = |id: &str| -> VerifyingKey { loader.verifying_jwk(jwk.as_bytes()).unwrap().with_key_id(id) };
    let signing = loader.signing_jwk(jwk.as_bytes()).unwrap().with_key_id("key-1");
    let mut server = Server::new(Issuer::parse(ISSUER).unwrap(), signing, handle_key(1)).unwrap();
    for id in ["key-2", "key-3", "key-4"] {
        server = server.with_older_signing_key(key(id)).unwrap();
    }
    (Site::of(server), counting)
}

/// RL-18: a JWT that nobody here made costs no signature at an endpoint for access tokens, and one as a hint,
/// however many keys the server has.
#[test]
fn a_token_of_nobody_costs_one_signature_at_most() {
    let (site, counting) = counted();
    let token = |header: &str, claims: &str| {
        let signature = base64url::encode([1; 256]);
        format!("{}.{}.{signature}", base64url::encode(header), base64url::encode(claims))
    };
    let claims = r#"{"iss":"https://as.example","sub":"web","client_id":"web","aud":"web","scope":"read",
        "exp":2000000000,"iat":1,"jti":"gri_AAAA"}"#;
    for (key_id, at_hints) in [("", 0), (r#","kid":"key-3""#, 1), (r#","kid":"key-9""#, 0)] {
        let header = |typ: &str| format!(r#"{{"alg":"RS256","typ":"{typ}"{key_id}}}"#);
        let (access, hint) = (token(&header("at+jwt"), claims), token(&header("JWT"), claims));
        for path in ["/introspect", "/revoke", "/userinfo", "/logout", "/authorize"] {
            counting.0.store(0, Ordering::Relaxed);
            let posted =
                HttpRequest::form(path, form::encode([("client_id", "nobody"), ("token", access.as_str())]));
            let expected = match path {
                "/introspect" => (site.run(&site.server.introspect(&posted), NOW), 0).1,
                "/revoke" => (site.run(&site.server.revoke(&posted), NOW), 0).1,
                "/userinfo" => {
                    let asked = HttpRequest::new("GET", path)
                        .with_header("Authorization", format!("Bearer {access}"));
                    (site.run(&site.server.userinfo(&asked), NOW), 0).1
                }
                "/logout" => {
                    let asked = HttpRequest::new("GET", format!("{path}?id_token_hint={hint}"));
                    (site.run(&site.server.end_session(&asked), NOW), at_hints).1
                }
                _ => (site.authorize(&query("web", &[("id_token_hint", Some(&hint))]), NOW), at_hints).1,
            };
            assert_eq!(counting.0.load(Ordering::Relaxed), expected, "{path} {key_id}");
        }
    }
}

/// One token of the server's own costs the one signature that it needs.
#[test]
fn a_token_of_the_server_costs_one_signature() {
    let (site, counting) = counted();
    let code = site.code(NOW);
    let tokens = issued(site.token("web", &redemption("web", &code).each(), NOW));
    let asked = request("api", "/introspect", &[("token", tokens.access_token.expose())]);
    counting.0.store(0, Ordering::Relaxed);
    let reply = site.run(&site.server.introspect(&asked), NOW);
    assert_eq!((reply.answer.to_response().status, counting.0.load(Ordering::Relaxed)), (200, 1));
}

/// A genuine `jti`, which resource servers see, buys its bearer no search through the keys.
#[test]
fn a_token_that_names_no_key_costs_no_signature() {
    let (site, counting) = counted();
    let tokens = site.tokens(NOW);
    let payload = tokens.access_token.expose().split('.').nth(1).unwrap();
    let header = base64url::encode(r#"{"alg":"RS256","typ":"at+jwt"}"#);
    let nameless = format!("{header}.{payload}.{}", base64url::encode([1; 256]));
    counting.0.store(0, Ordering::Relaxed);
    let asked = request("api", "/introspect", &[("token", nameless.as_str())]);
    let reply = site.run(&site.server.introspect(&asked), NOW);
    assert_eq!((reply.answer, counting.0.load(Ordering::Relaxed)), (Introspection::Inactive, 0));
}
