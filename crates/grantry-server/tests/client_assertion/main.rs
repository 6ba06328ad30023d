//! Client assertions: `private_key_jwt` and `client_secret_jwt`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod claims;
mod endpoints;
mod keys;
mod replay;
#[path = "../support/mod.rs"]
mod support;

use grantry_core::{HttpRequest, HttpResponse, SecretString, base64url, form};
use grantry_jwt::{Claim, JwkSet, SigningKey, VerifyError};
use grantry_server::{
    ASSERTION_LEEWAY, ApplicationType, AssertionAudience, AssertionKeys, AssertionSecret, Change, Client,
    ClientAuthentication, Decision, Effect, EventKind, Grant, GrantType, Introspection, IntrospectionRight,
    MAX_ASSERTION_BYTES, MAX_ASSERTION_ID_BYTES, MAX_ASSERTION_LIFETIME, Operation, Outcome, Policy, Reason,
    RedirectUri, Revoked, Server, Store, TokenAnswer,
};
use serde_json::{Value, json};
use support::{
    ISSUER, NOW, Site, basic, client_id, code, denial, issued, private_key, redemption, refresh_token, scope,
    secret, server_of, time,
};

const ENDPOINTS: [&str; 3] = ["/token", "/revoke", "/introspect"];
const TOKEN_ENDPOINT: &str = "https://as.example/token";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Long enough for HS512.
const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn rsa() -> SigningKey {
    private_key("JK-107.9", "rsa-1")
}

fn ed25519() -> SigningKey {
    private_key("JK-107.3", "ed-1")
}

fn hmac(algorithm: &str, secret: &str) -> SigningKey {
    let jwk = json!({ "kty": "oct", "alg": algorithm, "k": base64url::encode(secret) });
    SigningKey::from_jwk(jwk.to_string().as_bytes()).unwrap()
}

fn keys(keys: &[SigningKey]) -> AssertionKeys {
    AssertionKeys::new(&JwkSet::from_keys(keys.iter().map(SigningKey::verifying_key))).unwrap()
}

fn client(id: &str, authentication: ClientAuthentication) -> Client {
    let uri = RedirectUri::register(format!("https://{id}.example/cb"), ApplicationType::Web).unwrap();
    Client::new(client_id(id), authentication)
        .with_redirect_uri(uri)
        .with_scope(scope("openid read write offline_access"))
        .with_introspection(IntrospectionRight::AccessTokens)
}

/// A site with `signed`, whose assertions are signed, and `keyed`, whose are keyed with its secret.
fn site_of(server: Server) -> Site {
    let site = Site::of(server);
    let secret = AssertionSecret::new(&SecretString::from(SECRET)).unwrap();
    site.store
        .inner
        .put_client(client("signed", ClientAuthentication::PrivateKeyJwt(keys(&[rsa(), ed25519()]))));
    site.store.inner.put_client(client("keyed", ClientAuthentication::SecretJwt(secret)));
    site
}

fn site_with(policy: Policy) -> Site {
    site_of(server_of(ISSUER).with_policy(policy))
}

fn site() -> Site {
    site_of(server_of(ISSUER))
}

/// The claims of a good assertion, with members replaced, added or (`null`) left out.
fn claims(client: &str, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": client, "sub": client, "aud": ISSUER, "exp": NOW + 60, "iat": NOW, "jti": "jti-1",
    });
    let members = claims.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    claims
}

fn sign(key: &SigningKey, claims: &Value) -> String {
    key.sign_claims("JWT", claims).unwrap()
}

fn signed(changes: &Value) -> String {
    sign(&rsa(), &claims("signed", changes))
}

fn ask(path: &str, assertion: &str, more: &[(&str, &str)]) -> HttpRequest {
    let pairs = [("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)];
    HttpRequest::form(path, form::encode(pairs.iter().chain(more).copied()))
}

/// Sends a request to one of the endpoints, and returns the reason of its refusal.
fn send(site: &Site, request: &HttpRequest, now: u64) -> (Option<Reason>, HttpResponse) {
    let (denial, response) = match request.target.as_str() {
        "/token" => {
            let answer = site.run(&site.server.token(request), now).answer;
            (denial(&answer), answer.to_response())
        }
        "/revoke" => match site.run(&site.server.revoke(request), now).answer {
            Revoked::Denied(denial) => (Some(denial), Revoked::Denied(denial).to_response()),
            Revoked::Done => (None, Revoked::Done.to_response()),
        },
        _ => {
            let answer = site.run(&site.server.introspect(request), now).answer;
            let denial = if let Introspection::Denied(denial) = answer { Some(denial) } else { None };
            (denial, answer.to_response())
        }
    };
    (denial.map(|denial| denial.reason), response)
}

/// Whoever is authenticated learns what else is wrong.
const AUTHENTICATED: Reason = Reason::Missing("grant_type");

fn verdict(site: &Site, assertion: &str) -> Reason {
    send(site, &ask("/token", assertion, &[]), NOW).0.unwrap()
}

/// Checks a refusal, by which nothing is used up: the same answer for all of them.
#[track_caller]
fn assert_refused(site: &Site, request: &HttpRequest, now: u64, reason: Reason) {
    let ((refused, response), [_, _, commits]) = site.store.count(|| send(site, request, now));
    assert_eq!((refused, commits), (Some(reason), 0));
    assert_eq!((response.status, support::json(&response)), (401, json!({ "error": "invalid_client" })));
    assert_eq!(response.headers.only("WWW-Authenticate"), Some("Basic realm=\"oauth\""));
    assert_eq!(response.headers.only("Cache-Control"), Some("no-store"));
}

#[track_caller]
fn assert_unfit(site: &Site, assertion: &str, error: VerifyError) {
    assert_refused(site, &ask("/token", assertion, &[]), NOW, Reason::Assertion(error));
}
