//! A typical access token and the keys that sign it, for us and for the peer.

use grantry::core::{SecretBytes, UnixTime};
use grantry::jwt::{Algorithm, JwkSet, SigningKey, Verifier};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

const ISSUER: &str = "https://as.example";
const AUDIENCE: &str = "https://api.example";

/// The private key that RFC 7515 appendix A.2 prints, in PKCS#1.
pub(crate) const RSA_PEM: &str = include_str!("rfc7515_a_2.pem");
/// The same bytes, for the peer.
const RSA_DER: &[u8] = include_bytes!("rfc7515_a_2.der");
const HMAC_SECRET: [u8; 32] = [7; 32];

/// The time at which everything here is done. The peer reads the clock instead.
#[must_use]
pub const fn now() -> UnixTime {
    UnixTime::from_secs(1_800_000_000)
}

/// The claims of RFC 9068 section 2.2, as a server issues them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccessToken {
    /// The issuer.
    pub iss: String,
    /// The person.
    pub sub: String,
    /// The resource server.
    pub aud: String,
    /// The client.
    pub client_id: String,
    /// What was granted.
    pub scope: String,
    /// The end of its life, beyond every clock.
    pub exp: u64,
    /// Its beginning.
    pub iat: u64,
    /// When the person logged in.
    pub auth_time: u64,
    /// Its name.
    pub jti: String,
}

impl AccessToken {
    /// Makes the claims.
    #[must_use]
    pub fn typical() -> Self {
        Self {
            iss: ISSUER.into(),
            sub: "8f14e45f-ceea-467f-a8f2-2f3b6c1d9e70".into(),
            aud: AUDIENCE.into(),
            client_id: "s6BhdRkqt3".into(),
            scope: "openid profile photos.read photos.write".into(),
            exp: 4_102_444_800,
            iat: 1_700_000_000,
            auth_time: 1_699_999_000,
            jti: "9dd3e1a0c7b14f7cb9a5d3c2".into(),
        }
    }
}

/// One algorithm as this workspace does it: keys prepared once, every check on.
#[derive(Debug)]
pub struct Key {
    signing: SigningKey,
    keys: JwkSet,
    verifier: Verifier,
}

impl Key {
    /// Prepares the key of an algorithm.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let signing = if algorithm == Algorithm::Hs256 {
            SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(HMAC_SECRET.to_vec()))
        } else {
            SigningKey::from_pem(Algorithm::Rs256, RSA_PEM)
        };
        let signing = signing.expect("a good key").with_key_id("key-1");
        let keys = JwkSet::from_keys([signing.verifying_key()]);
        Self { signing, keys, verifier: Verifier::new(ISSUER, AUDIENCE).with_typ("at+jwt") }
    }

    /// Signs claims.
    #[must_use]
    pub fn sign(&self, claims: &AccessToken) -> String {
        self.signing.sign_claims(Some("at+jwt"), claims).expect("a token")
    }

    /// Checks a token and reads its claims.
    #[must_use]
    pub fn verify(&self, token: &str) -> AccessToken {
        self.verifier.verify(token, &self.keys, now()).expect("a good token").into_claims()
    }
}

/// The same algorithm as jsonwebtoken does it, with the checks that it has.
pub struct Peer {
    header: Header,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl core::fmt::Debug for Peer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Peer")
    }
}

impl Peer {
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
}

/// The public half, from the JWK that we publish.
fn rsa_decoding_key() -> DecodingKey {
    let published = Key::new(Algorithm::Rs256).keys.to_json();
    let set: serde_json::Value = serde_json::from_str(&published).expect("JSON");
    let member = |name: &str| set.pointer(&format!("/keys/0/{name}")).and_then(|value| value.as_str());
    let (n, e) = (member("n").expect("a modulus"), member("e").expect("an exponent"));
    DecodingKey::from_rsa_components(n, e).expect("a good key")
}
