//! Keys that sign.

use alloc::{string::String, sync::Arc, vec::Vec};
use core::fmt;

use grantry_core::{SecretBytes, base64url};
use ring::{hmac, rand, rsa, signature};
use serde::Serialize;

use crate::algorithm::Scheme;
use crate::jwk::Jwk;
use crate::pem::{self, PrivateKeyPem};
use crate::rsa::RsaPublicKey;
use crate::verifying_key::hmac_key;
use crate::{Algorithm, Header, KeyError, MAX_TOKEN_BYTES, SignError, VerifyingKey};

/// A private or shared key that signs with one algorithm, cheap to clone.
///
/// `Debug` shows the algorithm and the key id. Buffers on the way in are wiped; the backend's own
/// copy of the key is not.
#[derive(Clone)]
pub struct SigningKey {
    verifying_key: VerifyingKey,
    material: Arc<Material>,
}

enum Material {
    Hmac(hmac::Key),
    Rsa { pair: rsa::KeyPair, encoding: &'static dyn signature::RsaEncoding },
}

impl SigningKey {
    /// Makes an HS256 key from a secret of 32 bytes or more, drawn from a secure random source
    /// ([RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
    ///
    /// # Errors
    ///
    /// [`KeyError::SecretTooShort`].
    pub fn hs256(secret: &SecretBytes) -> Result<Self, KeyError> {
        let key = hmac_key(hmac::HMAC_SHA256, secret)?;
        Ok(Self::hmac(Algorithm::Hs256, key))
    }

    /// Reads an RS256 key of 2048 to 4096 bits from PKCS#8 DER
    /// ([RFC 5208 section 5](https://www.rfc-editor.org/rfc/rfc5208#section-5)).
    ///
    /// # Errors
    ///
    /// [`KeyError::Inconsistent`] for another encoding, size or key type.
    pub fn rs256_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        let pair = rsa::KeyPair::from_pkcs8(der).map_err(|_| KeyError::Inconsistent)?;
        Self::rsa(Algorithm::Rs256, pair)
    }

    /// Reads an RS256 key of 2048 to 4096 bits from one PEM block, `PRIVATE KEY` (PKCS#8) or
    /// `RSA PRIVATE KEY` (PKCS#1), with nothing before or after it
    /// ([RFC 7468 section 3](https://www.rfc-editor.org/rfc/rfc7468#section-3)).
    ///
    /// # Errors
    ///
    /// [`KeyError::Pem`] for the text, [`KeyError::Inconsistent`] for the key inside.
    pub fn rs256_pem(pem: &str) -> Result<Self, KeyError> {
        match pem::decode(pem)? {
            PrivateKeyPem::Pkcs8(der) => Self::rs256_pkcs8_der(der.expose()),
            PrivateKeyPem::Pkcs1(der) => {
                let pair = rsa::KeyPair::from_der(der.expose()).map_err(|_| KeyError::Inconsistent)?;
                Self::rsa(Algorithm::Rs256, pair)
            }
        }
    }

    /// Reads a private JWK ([RFC 7518 section 6](https://www.rfc-editor.org/rfc/rfc7518#section-6)):
    /// `oct` with `k`, or `RSA` with `d`, `p`, `q`, `dp`, `dq` and `qi`. Its `alg`, `kid`, `use` and
    /// `key_ops` count as in [`VerifyingKey::from_jwk`]. The caller wipes the text.
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the first rule that the key breaks; a public key is
    /// [`KeyError::MissingMember`].
    pub fn from_jwk(jwk: &[u8]) -> Result<Self, KeyError> {
        let jwk = Jwk::parse(jwk)?;
        jwk.check_purpose("sign")?;
        let verifying_key = VerifyingKey::read(&jwk)?;
        let material = match verifying_key.algorithm().scheme() {
            Scheme::Hmac(digest) => Material::Hmac(hmac_key(digest, &jwk.k.secret()?)?),
            Scheme::Rsa { encoding, .. } => Material::Rsa { pair: rsa_pair(&jwk)?, encoding },
        };
        Ok(Self { verifying_key, material: Arc::new(material) })
    }

    /// Returns the same key under a key id, which stands as `kid` in every header it signs.
    #[must_use]
    pub fn with_key_id(self, key_id: impl Into<String>) -> Self {
        Self { verifying_key: self.verifying_key.with_key_id(key_id), ..self }
    }

    /// Returns the same key with its SHA-256 thumbprint as key id
    /// ([RFC 7638 section 3](https://www.rfc-editor.org/rfc/rfc7638#section-3)); a symmetric key has
    /// no thumbprint and comes back as it is.
    #[must_use]
    pub fn with_thumbprint_key_id(self) -> Self {
        match self.verifying_key.thumbprint() {
            Some(thumbprint) => self.with_key_id(thumbprint),
            None => self,
        }
    }

    /// Returns the one algorithm of the key.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.verifying_key.algorithm()
    }

    /// Returns the key id, `kid`.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.verifying_key.key_id()
    }

    /// Returns the key that checks what this key signs. For HS256 it holds the same secret.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying_key.clone()
    }

    /// Signs claims as a JWT ([RFC 7519 section 7.1](https://www.rfc-editor.org/rfc/rfc7519#section-7.1))
    /// with the header `alg`, `typ` and `kid`.
    ///
    /// # Errors
    ///
    /// [`SignError::Claims`] for what is not written as a JSON object, and as [`SigningKey::sign`].
    pub fn sign_claims(&self, typ: Option<&str>, claims: &impl Serialize) -> Result<String, SignError> {
        let payload = serde_json::to_vec(claims).map_err(|_| SignError::Claims)?;
        if payload.first() != Some(&b'{') {
            return Err(SignError::Claims);
        }
        self.sign(typ, &payload)
    }

    /// Signs any payload as a compact JWS
    /// ([RFC 7515 section 5.1](https://www.rfc-editor.org/rfc/rfc7515#section-5.1)) with the header
    /// `alg`, `typ` and `kid`.
    ///
    /// # Errors
    ///
    /// [`SignError::TooLong`] for a token that no verifier here takes, [`SignError::Backend`].
    pub fn sign(&self, typ: Option<&str>, payload: &[u8]) -> Result<String, SignError> {
        let header = HeaderMembers { alg: self.algorithm().as_str(), typ, kid: self.key_id() };
        let header = serde_json::to_vec(&header).map_err(|_| SignError::Header)?;
        self.sign_text(&header, payload)
    }

    /// Signs any payload under a header given as JSON text, which stands in the token byte for byte.
    ///
    /// # Errors
    ///
    /// [`SignError::Header`] for a header that [`verify_jws`](crate::verify_jws) would refuse or
    /// whose `alg` is not the key's, and as [`SigningKey::sign`].
    pub fn sign_with_header(&self, header: &str, payload: &[u8]) -> Result<String, SignError> {
        let members = Header::from_json(header.as_bytes()).map_err(|_| SignError::Header)?;
        if members.algorithm() != self.algorithm() {
            return Err(SignError::Header);
        }
        self.sign_text(header.as_bytes(), payload)
    }

    fn sign_text(&self, header: &[u8], payload: &[u8]) -> Result<String, SignError> {
        // Checked before the work: base64url only makes it longer.
        if header.len().saturating_add(payload.len()) > MAX_TOKEN_BYTES {
            return Err(SignError::TooLong);
        }
        let mut token = base64url::encode(header);
        token.push('.');
        token.push_str(&base64url::encode(payload));
        let signature = self.material.sign(token.as_bytes())?;
        token.push('.');
        token.push_str(&base64url::encode(signature));
        if token.len() > MAX_TOKEN_BYTES {
            return Err(SignError::TooLong);
        }
        Ok(token)
    }

    fn hmac(algorithm: Algorithm, key: hmac::Key) -> Self {
        let verifying_key = VerifyingKey::hmac(algorithm, key.clone());
        Self { verifying_key, material: Arc::new(Material::Hmac(key)) }
    }

    fn rsa(algorithm: Algorithm, pair: rsa::KeyPair) -> Result<Self, KeyError> {
        let Scheme::Rsa { verification, encoding } = algorithm.scheme() else {
            return Err(KeyError::UnsupportedAlgorithm);
        };
        let public = rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
        let public = RsaPublicKey::new(public.n, public.e, verification)?;
        let verifying_key = VerifyingKey::rsa(algorithm, public);
        Ok(Self { verifying_key, material: Arc::new(Material::Rsa { pair, encoding }) })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id())
            .finish_non_exhaustive()
    }
}

impl Material {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        match self {
            Self::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            Self::Rsa { pair, encoding } => {
                let mut signature = alloc::vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &system_random(), message, &mut signature)
                    .map_err(|_| SignError::Backend)?;
                Ok(signature)
            }
        }
    }
}

#[derive(Serialize)]
struct HeaderMembers<'a> {
    alg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    typ: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

fn rsa_pair(jwk: &Jwk<'_>) -> Result<rsa::KeyPair, KeyError> {
    // RFC 7518 section 6.3.2.7: a key of more than two primes is not used as if it had two.
    if jwk.oth.is_present() {
        return Err(KeyError::MalformedMember);
    }
    let (n, e) = (jwk.n.bytes()?, jwk.e.bytes()?);
    let (d, p, q) = (jwk.d.secret()?, jwk.p.secret()?, jwk.q.secret()?);
    let (dp, dq, qi) = (jwk.dp.secret()?, jwk.dq.secret()?, jwk.qi.secret()?);
    let components = rsa::KeyPairComponents::<&[u8]> {
        public_key: rsa::PublicKeyComponents { n: &n, e: &e },
        d: d.expose(),
        p: p.expose(),
        q: q.expose(),
        dP: dp.expose(),
        dQ: dq.expose(),
        qInv: qi.expose(),
    };
    rsa::KeyPair::from_components(&components).map_err(|_| KeyError::Inconsistent)
}

/// The signature needs an argument of this type; PKCS#1 v1.5 draws nothing from it and is deterministic.
#[expect(clippy::disallowed_methods, reason = "the backend asks for a source that RS256 never reads")]
fn system_random() -> rand::SystemRandom {
    rand::SystemRandom::new()
}
