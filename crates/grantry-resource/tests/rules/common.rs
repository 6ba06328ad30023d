//! One issuer, its key, and tokens of any shape.

use grantry_core::{HttpRequest, Issuer, Scope, SecretBytes, UnixTime};
use grantry_jwt::{Algorithm, JwkSet, SigningKey};
use grantry_resource::{Guard, Requirement};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const API: &str = "https://api.example";
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

pub(crate) fn key() -> SigningKey {
    hmac(7)
}

/// A shared key of 32 such bytes.
pub(crate) fn hmac(byte: u8) -> SigningKey {
    SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(vec![byte; 32])).unwrap()
}

pub(crate) fn issuer(text: &str) -> Issuer {
    Issuer::parse(text).unwrap()
}

pub(crate) fn guard() -> Guard {
    Guard::new(issuer(ISSUER), API, JwkSet::from_keys([key().verifying_key()]))
}

pub(crate) fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

/// What a request that needs this scope needs.
pub(crate) fn need(scope: &str) -> Requirement {
    Requirement::scope(self::scope(scope))
}

/// The claims of a good access token.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": API, "sub": "user-1", "client_id": "app", "jti": "id-1",
        "iat": 1_799_999_990, "exp": 1_800_000_600, "scope": "read photos",
    })
}

/// A good access token with some claims changed or added.
pub(crate) fn token(edits: Value) -> String {
    let mut claims = claims();
    let Value::Object(edits) = edits else { unreachable!("edits are an object") };
    claims.as_object_mut().unwrap().extend(edits);
    key().sign_claims(Some("at+jwt"), &claims).unwrap()
}

/// A good access token with one claim changed; `Null` takes the claim away.
pub(crate) fn token_with(name: &str, value: Value) -> String {
    let mut claims = claims();
    let members = claims.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.into(), value);
    }
    key().sign_claims(Some("at+jwt"), &claims).unwrap()
}

pub(crate) fn bearer(token: &str) -> HttpRequest {
    HttpRequest::new("GET", "/photos").with_header("Authorization", format!("Bearer {token}"))
}
