//! Keys that sign.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::fmt;

use grantry_core::SecretBytes;
use grantry_core::base64url::Codec;
use serde::Serialize;

use crate::backend::Sign;
use crate::header_fields::HeaderStart;
use crate::{
    Algorithm, HeaderFields, KeyError, KeyLoader, PrivateKey, SecretKey, SignError, VerifyingKey,
    signing_input,
};

/// A private or shared key that signs with one algorithm, cheap to clone.
///
/// `Debug` shows the algorithm and the key id. Buffers on the way in are wiped; the backend's own copy of
/// the key is not. For a key that another machine holds, see [`SigningInput`](crate::SigningInput).
#[derive(Clone)]
pub struct SigningKey {
    verifying_key: VerifyingKey,
    header_start: Arc<HeaderStart>,
    sign: Arc<dyn Sign>,
}

impl SigningKey {
    /// Prepares a private key or a shared secret for one algorithm.
    ///
    /// # Errors
    ///
    /// As [`KeyLoader::private`].
    pub fn new(algorithm: Algorithm, key: &PrivateKey) -> Result<Self, KeyError> {
        KeyLoader::default().private(algorithm, key)
    }

    /// Makes an HMAC key from a secret as long as the digest or longer, drawn from a secure random source
    /// ([RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
    ///
    /// # Errors
    ///
    /// As [`KeyLoader::secret`].
    pub fn from_secret(algorithm: Algorithm, secret: &SecretBytes) -> Result<Self, KeyError> {
        Self::new(algorithm, &PrivateKey::Secret(SecretKey::new(secret.clone())))
    }

    /// Reads a private JWK ([RFC 7518 section 6](https://www.rfc-editor.org/rfc/rfc7518#section-6)):
    /// `oct` with `k`, `RSA` with `d`, `p`, `q`, `dp`, `dq` and `qi`, `EC` and `OKP` with `d`. Its `alg`,
    /// `kid`, `use` and `key_ops` count as in [`VerifyingKey::from_jwk`]. The caller wipes the text.
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the first rule that the key breaks; a public key is
    /// [`KeyError::MissingMember`].
    pub fn from_jwk(jwk: &[u8]) -> Result<Self, KeyError> {
        KeyLoader::default().signing_jwk(jwk)
    }

    /// Reads a private key from one PEM block, `PRIVATE KEY` (PKCS#8), `RSA PRIVATE KEY` (PKCS#1) or
    /// `EC PRIVATE KEY` (SEC 1), see [`PrivateKey::from_pem`].
    ///
    /// # Errors
    ///
    /// As [`PrivateKey::from_pem`] and [`SigningKey::new`].
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, KeyError> {
        Self::new(algorithm, &PrivateKey::from_pem(pem)?)
    }

    /// Reads a private key from DER, PKCS#8, PKCS#1 or SEC 1, see [`PrivateKey::from_der`].
    ///
    /// # Errors
    ///
    /// As [`PrivateKey::from_der`] and [`SigningKey::new`].
    pub fn from_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        Self::new(algorithm, &PrivateKey::from_der(der)?)
    }

    /// Returns the same key under a key id, which stands as `kid` in every header it signs.
    #[must_use]
    pub fn with_key_id(self, key_id: impl Into<String>) -> Self {
        Self::of(self.verifying_key.with_key_id(key_id), self.sign)
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
    pub fn algorithm(&self) -> Algorithm {
        self.verifying_key.algorithm()
    }

    /// Returns the key id, `kid`.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.verifying_key.key_id()
    }

    /// Returns the key that checks what this key signs. For HMAC it holds the same secret.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying_key.clone()
    }

    /// Signs claims as a JWT ([RFC 7519 section 7.1](https://www.rfc-editor.org/rfc/rfc7519#section-7.1))
    /// with the header `alg`, `kid`, `typ` and the further ones; `"JWT"` is enough for most.
    ///
    /// The claims are signed as they are written: a type that writes one name twice, as
    /// `#[serde(flatten)]` over a map can, makes a token that a strict verifier refuses and others read as
    /// they like ([RFC 7519 section 4](https://www.rfc-editor.org/rfc/rfc7519#section-4)).
    ///
    /// # Errors
    ///
    /// As [`SigningInput::of_claims`](crate::SigningInput::of_claims); [`SignError::Backend`].
    pub fn sign_claims<'a>(
        &self,
        fields: impl Into<HeaderFields<'a>>,
        claims: &impl Serialize,
    ) -> Result<String, SignError> {
        self.finish(signing_input::of_claims(
            &self.verifying_key,
            &self.header_start,
            &fields.into(),
            claims,
        )?)
    }

    /// Signs any payload as a compact JWS
    /// ([RFC 7515 section 5.1](https://www.rfc-editor.org/rfc/rfc7515#section-5.1)).
    ///
    /// # Errors
    ///
    /// As [`SigningInput::new`](crate::SigningInput::new); [`SignError::Backend`].
    pub fn sign<'a>(&self, fields: impl Into<HeaderFields<'a>>, payload: &[u8]) -> Result<String, SignError> {
        self.finish(signing_input::of_payload(
            &self.verifying_key,
            &self.header_start,
            &fields.into(),
            payload,
        )?)
    }

    /// Signs any payload under a header given as JSON text, which stands in the token byte for byte.
    ///
    /// # Errors
    ///
    /// As [`SigningInput::with_header_text`](crate::SigningInput::with_header_text); [`SignError::Backend`].
    pub fn sign_with_header(&self, header: &str, payload: &[u8]) -> Result<String, SignError> {
        self.finish(signing_input::under_header_text(&self.verifying_key, header, payload)?)
    }

    fn finish(&self, input: Vec<u8>) -> Result<String, SignError> {
        let mut signature = Signature::new(self.sign.signature_len());
        self.sign.sign(&input, signature.as_mut()).map_err(|_| SignError::Backend)?;
        signing_input::join(self.header_start.codec(), input, signature.as_mut())
    }

    pub(crate) fn prepared(verifying_key: VerifyingKey, sign: Box<dyn Sign>) -> Self {
        Self::of(verifying_key, Arc::from(sign))
    }

    fn of(verifying_key: VerifyingKey, sign: Arc<dyn Sign>) -> Self {
        let header_start = Arc::new(HeaderStart::of(&verifying_key, Codec::fastest()));
        Self { verifying_key, header_start, sign }
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

/// Room for a signature, on the stack where it is short.
enum Signature {
    Short([u8; 64], usize),
    Long(Vec<u8>),
}

impl Signature {
    fn new(len: usize) -> Self {
        if len <= 64 { Self::Short([0; 64], len) } else { Self::Long(alloc::vec![0; len]) }
    }

    fn as_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Short(bytes, len) => bytes.get_mut(..*len).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }
}
