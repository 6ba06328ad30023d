//! The numbers of Ed25519 keys.

use core::fmt;

use grantry_core::SecretBytes;
use zeroize::Zeroizing;

use crate::KeyError;
use crate::der::{self, Reader, Tag};
use crate::jwk::Jwk;

/// The name of the curve in `crv`.
pub(crate) const ED25519: &str = "Ed25519";

/// The point of a public Ed25519 key
/// ([RFC 8037 section 2](https://www.rfc-editor.org/rfc/rfc8037#section-2)).
///
/// That it decodes to a point of the curve is for the backend to compute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ed25519PublicKey([u8; 32]);

impl Ed25519PublicKey {
    /// Makes a key of the 32 bytes of
    /// [RFC 8032 section 5.1.5](https://www.rfc-editor.org/rfc/rfc8032#section-5.1.5).
    ///
    /// # Errors
    ///
    /// [`KeyError::CurveLength`] for another length.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        bytes.try_into().map(Self).map_err(|_| KeyError::CurveLength)
    }

    /// Returns the 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn from_members(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        // RFC 8037 section 2: Ed448, X25519 and X448 have the same kty.
        if jwk.crv.text()?.ok_or(KeyError::MissingMember)? != ED25519 {
            return Err(KeyError::UnsupportedCurve);
        }
        Self::new(&jwk.x.bytes()?)
    }
}

/// The seed of a private Ed25519 key, with its public half when it is known
/// ([RFC 8037 section 2](https://www.rfc-editor.org/rfc/rfc8037#section-2)).
///
/// That the public half belongs to the seed is for the backend to compute. `Debug` shows the type name,
/// and the seed is wiped when dropped.
#[derive(Clone)]
pub struct Ed25519PrivateKey {
    seed: Zeroizing<[u8; 32]>,
    public: Option<Ed25519PublicKey>,
}

impl Ed25519PrivateKey {
    /// Makes a key of the 32 random bytes of
    /// [RFC 8032 section 5.1.5](https://www.rfc-editor.org/rfc/rfc8032#section-5.1.5), without its public
    /// half.
    ///
    /// # Errors
    ///
    /// [`KeyError::CurveLength`] for another length.
    pub fn new(seed: &[u8]) -> Result<Self, KeyError> {
        let seed = seed.try_into().map(Zeroizing::new).map_err(|_| KeyError::CurveLength)?;
        Ok(Self { seed, public: None })
    }

    /// Returns the same key with its public half.
    ///
    /// # Errors
    ///
    /// [`KeyError::Inconsistent`] when the key has another one already.
    pub fn with_public(self, public: Ed25519PublicKey) -> Result<Self, KeyError> {
        if self.public.as_ref().is_some_and(|known| *known != public) {
            return Err(KeyError::Inconsistent);
        }
        Ok(Self { public: Some(public), ..self })
    }

    /// Returns the seed, `d` of a JWK.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Returns the public half, `None` when the encoding had none.
    #[must_use]
    pub const fn public(&self) -> Option<&Ed25519PublicKey> {
        self.public.as_ref()
    }

    /// Reads `CurvePrivateKey`, an OCTET STRING
    /// ([RFC 8410 section 7](https://www.rfc-editor.org/rfc/rfc8410#section-7)).
    pub(crate) fn from_curve_private_key(der: &[u8]) -> Result<Self, KeyError> {
        Self::new(Reader::whole(der, Tag::OCTET_STRING)?)
    }

    pub(crate) fn to_curve_private_key(&self) -> SecretBytes {
        SecretBytes::from(der::write(Tag::OCTET_STRING, &[self.seed()]))
    }

    pub(crate) fn from_members(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        let public = Ed25519PublicKey::from_members(jwk)?;
        Self::new(jwk.d.secret()?.expose())?.with_public(public)
    }
}

impl fmt::Debug for Ed25519PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ed25519PrivateKey")
    }
}
