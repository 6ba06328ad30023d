//! What is signed, before it is.

use alloc::{string::String, vec::Vec};
use core::fmt;

use grantry_core::base64url::Codec;
use serde::Serialize;

use crate::der;
use crate::header_fields::HeaderStart;
use crate::{Algorithm, Header, HeaderFields, KeyType, MAX_TOKEN_BYTES, PublicKey, SignError, VerifyingKey};

/// A token without its signature, for a key that is outside of the process: a KMS, an HSM, an agent
/// ([RFC 7515 section 5.1](https://www.rfc-editor.org/rfc/rfc7515#section-5.1)).
///
/// The bytes go out, the signature comes back and is checked before there is a token.
///
/// ```
/// use grantry_jwt::{Algorithm, SigningInput, SigningKey, VerifyingKey};
/// # use grantry_jwt::{KeyLoader, PrivateKey};
/// # let private = KeyLoader::default().generate(Algorithm::EdDsa)?;
/// # let pem = private.public_key().unwrap().to_pem();
/// # let outside = KeyLoader::default().private(Algorithm::EdDsa, &private)?;
///
/// let key = VerifyingKey::from_pem(Algorithm::EdDsa, &pem)?.with_key_id("kms-1");
/// let input = SigningInput::of_claims(&key, "JWT", &serde_json::json!({"sub": "user-1"}))?;
/// # let sign_elsewhere = |bytes: &[u8]| -> Vec<u8> {
/// #     let text = String::from_utf8(bytes.to_vec()).unwrap();
/// #     let (header, payload) = text.split_once('.').unwrap();
/// #     let read = |part| grantry_core::base64url::decode(part).unwrap();
/// #     let header = String::from_utf8(read(header)).unwrap();
/// #     let token = outside.sign_with_header(&header, &read(payload)).unwrap();
/// #     read(token.rsplit('.').next().unwrap())
/// # };
/// let signature = sign_elsewhere(input.as_bytes());
/// let token = input.complete(&signature)?;
/// # assert!(token.len() > 64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct SigningInput {
    text: Vec<u8>,
    key: VerifyingKey,
}

impl SigningInput {
    /// Makes the input for any payload, with `alg` and `kid` of the key in the header.
    ///
    /// # Errors
    ///
    /// [`SignError::TooLong`] for a token longer than [`MAX_TOKEN_BYTES`], which no verifier takes.
    pub fn new<'a>(
        key: &VerifyingKey,
        fields: impl Into<HeaderFields<'a>>,
        payload: &[u8],
    ) -> Result<Self, SignError> {
        let text = of_payload(key, &HeaderStart::of(key, Codec::portable()), &fields.into(), payload)?;
        Ok(Self { text, key: key.clone() })
    }

    /// Makes the input for the claims of a JWT
    /// ([RFC 7519 section 7.1](https://www.rfc-editor.org/rfc/rfc7519#section-7.1)).
    ///
    /// # Errors
    ///
    /// [`SignError::Claims`] for what is not written as a JSON object, and as [`SigningInput::new`].
    pub fn of_claims<'a>(
        key: &VerifyingKey,
        fields: impl Into<HeaderFields<'a>>,
        claims: &impl Serialize,
    ) -> Result<Self, SignError> {
        let text = of_claims(key, &HeaderStart::of(key, Codec::portable()), &fields.into(), claims)?;
        Ok(Self { text, key: key.clone() })
    }

    /// Makes the input for any payload under a header given as JSON text, which stands in the token byte
    /// for byte.
    ///
    /// # Errors
    ///
    /// [`SignError::Header`] for a header that [`verify_jws`](crate::verify_jws) would refuse or whose
    /// `alg` is not the key's, and as [`SigningInput::new`].
    pub fn with_header_text(key: &VerifyingKey, header: &str, payload: &[u8]) -> Result<Self, SignError> {
        Ok(Self { text: under_header_text(key, header, payload)?, key: key.clone() })
    }

    /// Returns what is signed. A service that signs digests takes [`Algorithm::digest`] of it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Returns the algorithm to sign with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// Returns the key id of the key to sign with.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key.key_id()
    }

    /// Joins the token with its signature, `r || s` for ECDSA
    /// ([RFC 7518 section 3.4](https://www.rfc-editor.org/rfc/rfc7518#section-3.4)).
    ///
    /// # Errors
    ///
    /// [`SignError::Signature`] when the key does not verify it, [`SignError::TooLong`].
    pub fn complete(self, signature: &[u8]) -> Result<String, SignError> {
        if !self.key.verify(self.as_bytes(), signature) {
            return Err(SignError::Signature);
        }
        join(&Codec::portable(), self.text, signature)
    }

    /// Joins the token with an ECDSA signature in DER, as X.509 and most signing services write it
    /// ([RFC 3279 section 2.2.3](https://www.rfc-editor.org/rfc/rfc3279#section-2.2.3)).
    ///
    /// # Errors
    ///
    /// [`SignError::Signature`] also for an algorithm other than ECDSA and for another encoding.
    pub fn complete_der(self, signature: &[u8]) -> Result<String, SignError> {
        let KeyType::Ec(curve) = self.algorithm().key_type() else {
            return Err(SignError::Signature);
        };
        let fixed =
            der::ecdsa_signature(signature, curve.coordinate_len()).map_err(|_| SignError::Signature)?;
        self.complete(&fixed)
    }
}

impl fmt::Debug for SigningInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningInput").field("key", &self.key).finish_non_exhaustive()
    }
}

pub(crate) fn of_payload(
    key: &VerifyingKey,
    start: &HeaderStart,
    fields: &HeaderFields<'_>,
    payload: &[u8],
) -> Result<Vec<u8>, SignError> {
    let mut header = Vec::with_capacity(128);
    fields.write(start, &mut header)?;
    join_parts(key, start, &header, payload)
}

pub(crate) fn of_claims(
    key: &VerifyingKey,
    start: &HeaderStart,
    fields: &HeaderFields<'_>,
    claims: &impl Serialize,
) -> Result<Vec<u8>, SignError> {
    // The header and behind it the payload, which usually find room without growing.
    let mut texts = Vec::with_capacity(512);
    fields.write(start, &mut texts)?;
    let end_of_header = texts.len();
    write_json(claims, &mut texts).map_err(|_| SignError::Claims)?;
    let (header, payload) = texts.split_at_checked(end_of_header).ok_or(SignError::Claims)?;
    if payload.first() != Some(&b'{') {
        return Err(SignError::Claims);
    }
    join_parts(key, start, header, payload)
}

pub(crate) fn under_header_text(
    key: &VerifyingKey,
    header: &str,
    payload: &[u8],
) -> Result<Vec<u8>, SignError> {
    let members = Header::from_json(header.as_bytes()).map_err(|_| SignError::Header)?;
    if members.algorithm() != key.algorithm() {
        return Err(SignError::Header);
    }
    join_parts(key, &HeaderStart::none(), header.as_bytes(), payload)
}

/// Joins the input and its signature.
pub(crate) fn join(codec: &Codec, mut text: Vec<u8>, signature: &[u8]) -> Result<String, SignError> {
    text.push(b'.');
    codec.encode_to(signature, &mut text);
    if text.len() > MAX_TOKEN_BYTES {
        return Err(SignError::TooLong);
    }
    // Base64url and dots are text.
    String::from_utf8(text).map_err(|_| SignError::Backend)
}

fn join_parts(
    key: &VerifyingKey,
    start: &HeaderStart,
    header: &[u8],
    payload: &[u8],
) -> Result<Vec<u8>, SignError> {
    let bytes = header.len().saturating_add(payload.len());
    // Checked before the work: base64url only makes it longer.
    if bytes > MAX_TOKEN_BYTES {
        return Err(SignError::TooLong);
    }
    // Room for the whole token: four characters for three bytes, two dots, and three ends.
    let bytes = bytes.saturating_add(signature_len(key));
    let room =
        bytes.saturating_mul(4).div_ceil(3).saturating_add(start.encoded().len()).saturating_add(2 + 3);
    let mut text = Vec::with_capacity(room);
    text.extend_from_slice(start.encoded());
    start.codec().encode_to(header, &mut text);
    text.push(b'.');
    start.codec().encode_to(payload, &mut text);
    Ok(text)
}

fn signature_len(key: &VerifyingKey) -> usize {
    match key.public_key() {
        None => key.algorithm().digest_len(),
        Some(PublicKey::Rsa(key)) => key.modulus().len(),
        Some(PublicKey::Ec(key)) => key.curve().coordinate_len().saturating_mul(2),
        Some(PublicKey::Ed25519(_)) => 64,
    }
}

#[cfg(feature = "std")]
fn write_json(claims: &impl Serialize, text: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::to_writer(text, claims)
}

#[cfg(not(feature = "std"))]
fn write_json(claims: &impl Serialize, text: &mut Vec<u8>) -> serde_json::Result<()> {
    text.extend_from_slice(&serde_json::to_vec(claims)?);
    Ok(())
}
