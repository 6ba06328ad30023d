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
/// ([RFC 8037 section 2](https://www.rfc-editor.org/rfc/rfc8037#section-2)), which is not of small order.
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
    /// [`KeyError::CurveLength`] for another length; [`KeyError::SmallOrder`] for a point under which
    /// anyone can sign; [`KeyError::NotOnCurve`] for a coordinate that is not below the field prime.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes = bytes.try_into().map_err(|_| KeyError::CurveLength)?;
        check_point(bytes)?;
        Ok(Self(bytes))
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

/// What is below the field prime has one encoding
/// ([RFC 8032 section 5.1.3](https://www.rfc-editor.org/rfc/rfc8032#section-5.1.3)). No backend looks at the
/// order, and `ring` takes more encodings.
fn check_point(mut y: [u8; 32]) -> Result<(), KeyError> {
    let [.., high] = &mut y;
    // The sign of x.
    *high &= 0x7f;
    if y.iter().rev().gt(LARGEST.iter().rev()) {
        return Err(KeyError::NotOnCurve);
    }
    // RFC 8725 section 3.4.
    if SMALL_ORDER.contains(&y) { Err(KeyError::SmallOrder) } else { Ok(()) }
}

/// The largest coordinate, 2^255 - 20, the least significant byte first.
const LARGEST: [u8; 32] = [
    0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
];

/// The y of the eight points whose order divides 8: of order 4, 1, 2 and, twice, 8.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    LARGEST,
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8725_3_4_a_point_of_small_order_is_refused_with_either_sign() {
        for mut bytes in SMALL_ORDER {
            for sign in [0, 0x80] {
                bytes[31] = (bytes[31] & 0x7f) | sign;
                assert_eq!(Ed25519PublicKey::new(&bytes), Err(KeyError::SmallOrder), "{bytes:?}");
            }
            bytes[15] ^= 1;
            assert!(Ed25519PublicKey::new(&bytes).is_ok());
        }
    }

    #[test]
    fn rfc8032_5_1_3_a_coordinate_is_below_the_prime() {
        let mut largest = LARGEST;
        for sign in [0x7f, 0xff] {
            largest[31] = sign;
            for low in 0xed..=0xff {
                largest[0] = low;
                assert_eq!(Ed25519PublicKey::new(&largest), Err(KeyError::NotOnCurve), "{low}");
            }
            largest[0] = 0xeb;
            assert!(Ed25519PublicKey::new(&largest).is_ok());
        }
    }
}
