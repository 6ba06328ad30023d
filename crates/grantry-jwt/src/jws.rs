//! Compact JWS: three segments and a signature over the first two, as received.

use alloc::{string::String, vec::Vec};
use core::fmt;

use grantry_core::base64url::Codec;

use crate::buffer::KeptHeader;
use crate::header::BorrowedHeader;
use crate::{Algorithm, Header, JwkSet, VerifyError, VerifyingKey};

/// The longest token read or written, in bytes: the usual limit of a whole header section.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The most signatures checked for one token, when it names no key or its name stands for several.
pub const MAX_KEYS_TRIED: usize = 4;

/// What is decoded on the stack: most headers, the longest signature of HMAC or of a curve of 384 bits, and that
/// of an RSA key of 8192 bits. Longer ones take an allocation.
const USUAL_HEADER_BYTES: usize = 384;
const SHORT_SIGNATURE_BYTES: usize = 96;
const SHORT_SIGNATURE_CHARACTERS: usize = SHORT_SIGNATURE_BYTES / 3 * 4;
const LONG_SIGNATURE_BYTES: usize = 1026;

/// For calls that keep nothing between them.
pub(crate) const PORTABLE: &Codec = &Codec::portable();

/// Checks a compact JWS ([RFC 7515 section 5.2](https://www.rfc-editor.org/rfc/rfc7515#section-5.2)).
///
/// A token with a `kid` is checked with the keys of that id only; a single key without an id takes
/// any `kid`. A token without one is checked with the keys of its algorithm. The payload may be
/// anything: use [`Verifier`](crate::Verifier) for a JWT.
///
/// # Errors
///
/// [`VerifyError`] names the first rule that the token breaks. [`VerifyError::UnknownKey`] is the
/// one that a newer key set may cure.
pub fn verify_jws<'k>(token: &str, keys: &'k JwkSet, allowed: &[Algorithm]) -> Result<Jws<'k>, VerifyError> {
    let segments = Segments::split(token, PORTABLE)?;
    let opened = segments.read_header(&[], |header| {
        let mut payload = Vec::new();
        let key = segments.open(header, keys, allowed, |_| None, &mut payload)?;
        Ok(Jws { header: header.to_owned(), payload, key })
    });
    opened.map_err(|error| segments.fault(error))
}

/// A compact JWS whose signature is good; only [`verify_jws`] makes one.
#[derive(Clone)]
pub struct Jws<'k> {
    header: Header,
    payload: Vec<u8>,
    key: &'k VerifyingKey,
}

impl<'k> Jws<'k> {
    /// Returns the signed header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the signed bytes, exactly as they were signed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns the signed bytes alone.
    #[must_use]
    pub fn into_payload(self) -> Vec<u8> {
        self.payload
    }

    /// Returns the key that checked the signature.
    #[must_use]
    pub const fn key(&self) -> &'k VerifyingKey {
        self.key
    }
}

impl fmt::Debug for Jws<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jws").field("header", &self.header).field("key", &self.key).finish_non_exhaustive()
    }
}

/// The parts of a token, still encoded.
pub(crate) struct Segments<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// The header and the payload with the dot between them.
    signing_input: &'a str,
    codec: &'a Codec,
}

impl<'a> Segments<'a> {
    /// Splits at the first and the last dot, without allocating, after the length is checked. More between
    /// them are refused when the payload is decoded, and named by [`Segments::fault`].
    #[inline]
    pub(crate) fn split(token: &'a str, codec: &'a Codec) -> Result<Self, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::TooLong);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(VerifyError::Segments)?;
        let (header, payload) = signing_input.split_once('.').ok_or(VerifyError::Segments)?;
        Ok(Self { header, payload, signature, signing_input, codec })
    }

    /// Refuses a token of more than three parts, whatever else is wrong with it.
    pub(crate) fn check_parts(&self) -> Result<(), VerifyError> {
        if self.payload.contains('.') { Err(VerifyError::Segments) } else { Ok(()) }
    }

    #[cold]
    pub(crate) fn fault(&self, error: VerifyError) -> VerifyError {
        self.check_parts().err().unwrap_or(error)
    }

    /// Lends the header to `read`, which decodes the payload.
    #[inline]
    pub(crate) fn read_header<R>(
        &self,
        understood: &[String],
        read: impl FnOnce(&BorrowedHeader<'_>) -> Result<R, VerifyError>,
    ) -> Result<R, VerifyError> {
        self.codec
            .with_decoded::<USUAL_HEADER_BYTES, _>(self.header, |text| {
                BorrowedHeader::lend(text, understood, read)
            })
            .map_err(|_| VerifyError::Base64Url)?
    }

    /// Lends the header to `read`, the one that is kept when it is the same, and keeps it when all is well.
    pub(crate) fn read_kept_header<R>(
        &self,
        kept: &mut KeptHeader,
        understood: &[String],
        read: impl FnOnce(&BorrowedHeader<'_>) -> Result<R, VerifyError>,
    ) -> Result<R, VerifyError> {
        if let Some(header) = kept.find(self.header) {
            return read(&header);
        }
        self.read_header(understood, |header| {
            let value = read(header)?;
            kept.keep(self.header, header);
            Ok(value)
        })
    }

    /// Finds the key that signed, unless it is remembered, and decodes the payload, in this order.
    pub(crate) fn open<'k>(
        &self,
        header: &BorrowedHeader<'_>,
        keys: &'k JwkSet,
        allowed: &[Algorithm],
        remembered: impl FnOnce(&BorrowedHeader<'_>) -> Option<&'k VerifyingKey>,
        payload: &mut Vec<u8>,
    ) -> Result<&'k VerifyingKey, VerifyError> {
        if !allowed.contains(&header.algorithm()) {
            return Err(VerifyError::AlgorithmNotAllowed);
        }
        let key = match remembered(header) {
            Some(key) => key,
            None => self.signer(header, keys)?,
        };
        self.codec.decode_into(self.payload, payload).map_err(|_| VerifyError::Base64Url)?;
        Ok(key)
    }

    fn signer<'k>(
        &self,
        header: &BorrowedHeader<'_>,
        keys: &'k JwkSet,
    ) -> Result<&'k VerifyingKey, VerifyError> {
        let signer = |signature: &[u8]| {
            fitting_keys(keys.keys(), header)?
                .find(|key| key.verify(self.signing_input.as_bytes(), signature))
                .ok_or(VerifyError::Signature)
        };
        let key = if self.signature.len() <= SHORT_SIGNATURE_CHARACTERS {
            self.codec.with_decoded::<SHORT_SIGNATURE_BYTES, _>(self.signature, signer)
        } else {
            self.codec.with_decoded::<LONG_SIGNATURE_BYTES, _>(self.signature, signer)
        };
        key.map_err(|_| VerifyError::Base64Url)?
    }
}

/// Returns the keys that may have signed, at least one and at most [`MAX_KEYS_TRIED`].
pub(crate) fn fitting_keys<'k>(
    keys: &'k [VerifyingKey],
    header: &BorrowedHeader<'_>,
) -> Result<impl Iterator<Item = &'k VerifyingKey>, VerifyError> {
    let is_lone = keys.len() == 1;
    let is_named = |key: &&VerifyingKey| match (header.key_id(), key.key_id()) {
        (None, _) => true,
        (Some(_), None) => is_lone,
        (Some(wanted), Some(key_id)) => wanted == key_id,
    };
    let mut named = keys.iter().filter(is_named).peekable();
    if named.peek().is_none() {
        return Err(VerifyError::UnknownKey);
    }
    // RFC 8725 section 3.1: a key works with one algorithm.
    let mut rest = named.filter(|key| key.algorithm() == header.algorithm());
    let fitting: [_; MAX_KEYS_TRIED] = core::array::from_fn(|_| rest.next());
    match (fitting.first(), rest.next()) {
        (Some(Some(_)), None) => Ok(fitting.into_iter().flatten()),
        (_, Some(_)) => Err(VerifyError::AmbiguousKey),
        (_, None) => Err(VerifyError::AlgorithmMismatch),
    }
}
