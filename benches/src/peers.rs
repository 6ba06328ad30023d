//! The same token as the popular crates sign and verify it, with the checks that they have.
#![expect(clippy::disallowed_types, reason = "a peer takes a HashSet")]

use std::collections::HashSet;

use grantry::jwt::{Algorithm, PublicKey, Ring};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
use jwt_simple::algorithms::{
    HS256Key, MACLike, RS256KeyPair, RS256PublicKey, RSAKeyPairLike, RSAPublicKeyLike,
};
use jwt_simple::claims::{Audiences, JWTClaims};
use jwt_simple::common::VerificationOptions;
use jwt_simple::reexports::coarsetime::{Duration, UnixTimeStamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::token::{AUDIENCE, HMAC_SECRET, ISSUER, RSA_PEM};
use crate::{AccessToken, Key};

/// The key of the RSA file, in PKCS#1.
const RSA_DER: &[u8] = include_bytes!("rfc7515_a_2.der");

/// One algorithm as jsonwebtoken does it over aws-lc-rs.
pub struct Jsonwebtoken {
    header: Header,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl core::fmt::Debug for Jsonwebtoken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Jsonwebtoken")
    }
}

impl Jsonwebtoken {
    /// Prepares the key of an algorithm.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let (algorithm, encoding, decoding) = if algorithm == Algorithm::Hs256 {
            let encoding = EncodingKey::from_secret(&HMAC_SECRET);
            (jsonwebtoken::Algorithm::HS256, encoding, DecodingKey::from_secret(&HMAC_SECRET))
        } else {
            let encoding = EncodingKey::from_rsa_der(RSA_DER);
            (jsonwebtoken::Algorithm::RS256, encoding, rsa_decoding_key())
        };
        let mut header = Header::new(algorithm);
        header.typ = Some("at+jwt".into());
        header.kid = Some("key-1".into());
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        validation.validate_nbf = true;
        validation.leeway = 0;
        Self { header, encoding, decoding, validation }
    }

    /// Signs claims.
    #[must_use]
    pub fn sign(&self, claims: &AccessToken) -> String {
        encode(&self.header, claims, &self.encoding).expect("a token")
    }

    /// Checks a token and reads its claims.
    #[must_use]
    pub fn verify(&self, token: &str) -> AccessToken {
        decode(token, &self.decoding, &self.validation).expect("a good token").claims
    }

    /// Checks a token and reads its header and its claims; `None` for a bad one.
    pub(crate) fn decode<T: DeserializeOwned>(&self, token: &str) -> Option<(Header, T)> {
        let data = decode(token, &self.decoding, &self.validation).ok()?;
        Some((data.header, data.claims))
    }
}

/// The public half, from the JWK that we publish.
fn rsa_decoding_key() -> DecodingKey {
    let key = Key::new(Ring, Algorithm::Rs256);
    let public = key.keys().keys().first().and_then(|key| key.public_key()).expect("a public key");
    let PublicKey::Rsa(key) = public else { unreachable!("the key is RSA") };
    DecodingKey::from_rsa_raw_components(key.modulus(), key.exponent())
}

/// One algorithm as jwt-simple does it with its feature `pure-rust`.
#[derive(Debug)]
pub struct JwtSimple {
    key: SimpleKey,
}

#[derive(Debug)]
enum SimpleKey {
    Hmac(HS256Key),
    Rsa { pair: Box<RS256KeyPair>, public: RS256PublicKey },
}

/// The claims that jwt-simple has no place for.
#[derive(Debug, Serialize, Deserialize)]
struct Custom {
    client_id: String,
    scope: String,
}

impl JwtSimple {
    /// Prepares the key of an algorithm.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let key = if algorithm == Algorithm::Hs256 {
            SimpleKey::Hmac(HS256Key::from_bytes(&HMAC_SECRET).with_key_id("key-1"))
        } else {
            let pair = RS256KeyPair::from_pem(RSA_PEM).expect("a good key").with_key_id("key-1");
            SimpleKey::Rsa { public: pair.public_key(), pair: Box::new(pair) }
        };
        Self { key }
    }

    /// Makes what [`JwtSimple::sign`] consumes.
    #[must_use]
    pub fn claims(claims: &AccessToken) -> SimpleClaims {
        SimpleClaims(JWTClaims {
            issued_at: Some(UnixTimeStamp::from_secs(claims.iat)),
            expires_at: Some(UnixTimeStamp::from_secs(claims.exp)),
            invalid_before: None,
            issuer: Some(claims.iss.clone()),
            subject: Some(claims.sub.clone()),
            audiences: Some(Audiences::AsString(claims.aud.clone())),
            jwt_id: Some(claims.jti.clone()),
            nonce: None,
            custom: Custom { client_id: claims.client_id.clone(), scope: claims.scope.clone() },
        })
    }

    /// Signs claims.
    #[must_use]
    pub fn sign(&self, claims: SimpleClaims) -> String {
        match &self.key {
            SimpleKey::Hmac(key) => key.authenticate(claims.0).expect("a token"),
            SimpleKey::Rsa { pair, .. } => pair.sign(claims.0).expect("a token"),
        }
    }

    /// Makes what [`JwtSimple::verify`] consumes.
    #[must_use]
    pub fn options() -> VerificationOptions {
        VerificationOptions {
            allowed_issuers: Some(HashSet::from([ISSUER.to_owned()])),
            allowed_audiences: Some(HashSet::from([AUDIENCE.to_owned()])),
            time_tolerance: Some(Duration::from_secs(0)),
            ..VerificationOptions::default()
        }
    }

    /// Checks a token and reads its claims.
    #[must_use]
    pub fn verify(&self, token: &str, options: VerificationOptions) -> SimpleClaims {
        let options = Some(options);
        SimpleClaims(match &self.key {
            SimpleKey::Hmac(key) => key.verify_token(token, options).expect("a good token"),
            SimpleKey::Rsa { public, .. } => public.verify_token(token, options).expect("a good token"),
        })
    }
}

/// Claims in the form of jwt-simple.
#[derive(Debug)]
pub struct SimpleClaims(JWTClaims<Custom>);
