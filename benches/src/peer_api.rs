//! The same resource guarded by hand, with jsonwebtoken for the token.

use grantry::core::HttpRequest;
use grantry::jwt::Algorithm;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::Jsonwebtoken;

/// What a host writes that has jsonwebtoken and RFC 9068 before it.
#[derive(Debug)]
pub struct ApiByHand {
    tokens: Jsonwebtoken,
}

/// The claims that RFC 9068 section 2.2 requires, each by its type, and what else counts.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct HandClaims {
    /// Whom the token speaks for.
    pub sub: String,
    /// The client.
    pub client_id: String,
    /// When the token was issued.
    pub iat: u64,
    /// Its name.
    pub jti: String,
    /// What was granted.
    #[serde(default)]
    pub scope: String,
    /// A key that the token is bound to.
    pub cnf: Option<IgnoredAny>,
}

impl ApiByHand {
    /// Prepares the key of the RSA file.
    #[must_use]
    pub fn new() -> Self {
        Self { tokens: Jsonwebtoken::new(Algorithm::Rs256) }
    }

    /// Finds the token, checks it and compares its scope; `None` for a request that is refused.
    #[must_use]
    pub fn check(&self, request: &HttpRequest) -> Option<HandClaims> {
        let mut fields = request.headers.all("authorization");
        let (Some(field), None) = (fields.next(), fields.next()) else { return None };
        let (scheme, token) = field.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return None;
        }
        let (header, claims) = self.tokens.decode::<HandClaims>(token)?;
        let typ = header.typ?;
        let typ = typ.strip_prefix("application/").unwrap_or(&typ);
        let is_good = typ.eq_ignore_ascii_case("at+jwt")
            && header.kid.as_deref() == Some("key-1")
            && !claims.sub.is_empty()
            && claims.cnf.is_none()
            && claims.scope.split(' ').any(|token| token == "photos.read");
        is_good.then_some(claims)
    }
}

impl Default for ApiByHand {
    fn default() -> Self {
        Self::new()
    }
}
