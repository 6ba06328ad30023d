//! The numbers of elliptic curve keys.

use alloc::vec::Vec;
use core::fmt;

use grantry_core::SecretBytes;

use crate::KeyError;
use crate::algorithm_identifier::read_curve;
use crate::der::{self, Reader, Tag};
use crate::jwk::Jwk;
use crate::on_curve::is_on_curve;

/// A curve of ECDSA keys
/// ([RFC 7518 section 6.2.1.1](https://www.rfc-editor.org/rfc/rfc7518#section-6.2.1.1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Curve {
    /// NIST P-256, secp256r1.
    P256,
    /// NIST P-384, secp384r1.
    P384,
    /// NIST P-521, secp521r1.
    P521,
}

impl Curve {
    /// Every curve that a key here can have.
    pub const ALL: &'static [Self] = &[Self::P256, Self::P384, Self::P521];

    /// Returns the registered name, as it stands in `crv`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// Returns the length of a coordinate and of a private scalar, in bytes.
    #[must_use]
    pub const fn coordinate_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// Returns the content of the OBJECT IDENTIFIER
    /// ([RFC 5480 section 2.1.1.1](https://www.rfc-editor.org/rfc/rfc5480#section-2.1.1.1)).
    pub(crate) const fn object_identifier(self) -> &'static [u8] {
        match self {
            // 1.2.840.10045.3.1.7
            Self::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            // 1.3.132.0.34
            Self::P384 => &[0x2b, 0x81, 0x04, 0x00, 0x22],
            // 1.3.132.0.35
            Self::P521 => &[0x2b, 0x81, 0x04, 0x00, 0x23],
        }
    }

    fn from_members(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        let name = jwk.crv.text()?.ok_or(KeyError::MissingMember)?;
        Self::ALL.iter().copied().find(|curve| curve.as_str() == name).ok_or(KeyError::UnsupportedCurve)
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The point of a public elliptic curve key
/// ([RFC 7518 section 6.2.1](https://www.rfc-editor.org/rfc/rfc7518#section-6.2.1)).
///
/// The coordinates have their exact lengths, are below the field prime and on the curve.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EcPublicKey {
    curve: Curve,
    x: Vec<u8>,
    y: Vec<u8>,
}

impl EcPublicKey {
    /// Makes a key of two big-endian coordinates of [`Curve::coordinate_len`] bytes each.
    ///
    /// # Errors
    ///
    /// [`KeyError::CurveLength`] for another length, [`KeyError::NotOnCurve`].
    pub fn new(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        // RFC 7518 section 6.2.1.2: leading zero bytes are kept.
        if x.len() != curve.coordinate_len() || y.len() != curve.coordinate_len() {
            return Err(KeyError::CurveLength);
        }
        // RFC 8725 section 3.4.
        if !is_on_curve(curve, x, y) {
            return Err(KeyError::NotOnCurve);
        }
        Ok(Self { curve, x: x.to_vec(), y: y.to_vec() })
    }

    /// Makes a key of an uncompressed point, `0x04 || x || y`
    /// ([RFC 5480 section 2.2](https://www.rfc-editor.org/rfc/rfc5480#section-2.2)).
    ///
    /// # Errors
    ///
    /// [`KeyError::PointFormat`] for a point that is compressed or at infinity, and as
    /// [`EcPublicKey::new`].
    pub fn from_uncompressed(curve: Curve, point: &[u8]) -> Result<Self, KeyError> {
        let [0x04, coordinates @ ..] = point else {
            return Err(KeyError::PointFormat);
        };
        let (x, y) = coordinates.split_at_checked(curve.coordinate_len()).ok_or(KeyError::CurveLength)?;
        Self::new(curve, x, y)
    }

    /// Returns the curve.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// Returns the first coordinate in its full length.
    #[must_use]
    pub fn x(&self) -> &[u8] {
        &self.x
    }

    /// Returns the second coordinate in its full length.
    #[must_use]
    pub fn y(&self) -> &[u8] {
        &self.y
    }

    /// Writes the uncompressed point, `0x04 || x || y`
    /// ([RFC 5480 section 2.2](https://www.rfc-editor.org/rfc/rfc5480#section-2.2)).
    #[must_use]
    pub fn to_uncompressed(&self) -> Vec<u8> {
        [&[0x04], self.x.as_slice(), &self.y].concat()
    }

    pub(crate) fn from_members(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        Self::new(Curve::from_members(jwk)?, &jwk.x.bytes()?, &jwk.y.bytes()?)
    }
}

/// The scalar of a private elliptic curve key, with its public half when it is known
/// ([RFC 7518 section 6.2.2](https://www.rfc-editor.org/rfc/rfc7518#section-6.2.2)).
///
/// The scalar has its exact length and is not zero; that it is below the order of the curve and that the
/// public half belongs to it is for the backend to compute. `Debug` shows the type name, and the scalar is
/// wiped when dropped.
#[derive(Clone)]
pub struct EcPrivateKey {
    curve: Curve,
    scalar: SecretBytes,
    public: Option<EcPublicKey>,
}

impl EcPrivateKey {
    /// Makes a key of a big-endian scalar of [`Curve::coordinate_len`] bytes, without its public half.
    ///
    /// # Errors
    ///
    /// [`KeyError::CurveLength`] for another length, [`KeyError::ZeroScalar`].
    pub fn new(curve: Curve, scalar: &[u8]) -> Result<Self, KeyError> {
        // RFC 7518 section 6.2.2.1: leading zero bytes are kept.
        if scalar.len() != curve.coordinate_len() {
            return Err(KeyError::CurveLength);
        }
        if scalar.iter().fold(0, |bits, byte| bits | byte) == 0 {
            return Err(KeyError::ZeroScalar);
        }
        Ok(Self { curve, scalar: SecretBytes::from(scalar.to_vec()), public: None })
    }

    /// Returns the same key with its public half.
    ///
    /// # Errors
    ///
    /// [`KeyError::Inconsistent`] when it is on another curve, or when the key has another one already.
    pub fn with_public(self, public: EcPublicKey) -> Result<Self, KeyError> {
        if public.curve != self.curve || self.public.as_ref().is_some_and(|known| *known != public) {
            return Err(KeyError::Inconsistent);
        }
        Ok(Self { public: Some(public), ..self })
    }

    /// Returns the curve.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// Returns the private scalar in its full length.
    #[must_use]
    pub fn scalar(&self) -> &[u8] {
        self.scalar.expose()
    }

    /// Returns the public half, `None` when the encoding had none.
    #[must_use]
    pub const fn public(&self) -> Option<&EcPublicKey> {
        self.public.as_ref()
    }

    /// Reads `ECPrivateKey` ([RFC 5915 section 3](https://www.rfc-editor.org/rfc/rfc5915#section-3)). The
    /// curve may stand around it, inside it, or twice and equal.
    pub(crate) fn from_sec1(der: &[u8], outer: Option<Curve>) -> Result<Self, KeyError> {
        let mut reader = Reader::open(der)?;
        if reader.version()? != 1 {
            return Err(KeyError::Der);
        }
        let scalar = reader.value(Tag::OCTET_STRING)?;
        let inner = if reader.next_is(Tag::CONSTRUCTED_0) {
            let mut parameters = reader.constructed(Tag::CONSTRUCTED_0)?;
            let curve = read_curve(&mut parameters)?;
            parameters.end()?;
            Some(curve)
        } else {
            None
        };
        let curve = match (outer, inner) {
            (Some(outer), Some(inner)) if outer != inner => return Err(KeyError::Inconsistent),
            (Some(curve), _) | (None, Some(curve)) => curve,
            (None, None) => return Err(KeyError::Der),
        };
        let key = Self::new(curve, scalar)?;
        if !reader.next_is(Tag::CONSTRUCTED_1) {
            reader.end()?;
            return Ok(key);
        }
        let mut public = reader.constructed(Tag::CONSTRUCTED_1)?;
        reader.end()?;
        let point = public.bit_string(Tag::BIT_STRING)?;
        public.end()?;
        key.with_public(EcPublicKey::from_uncompressed(curve, point)?)
    }

    /// Writes `ECPrivateKey` without the curve, which PKCS#8 has around it.
    pub(crate) fn to_sec1(&self) -> SecretBytes {
        let version = der::write(Tag::INTEGER, &[&[1]]);
        let scalar = SecretBytes::from(der::write(Tag::OCTET_STRING, &[self.scalar()]));
        let public = self.public.as_ref().map_or_else(Vec::new, |public| {
            let point = der::write(Tag::BIT_STRING, &[&[0], &public.to_uncompressed()]);
            der::write(Tag::CONSTRUCTED_1, &[&point])
        });
        SecretBytes::from(der::write(Tag::SEQUENCE, &[&version, scalar.expose(), &public]))
    }

    pub(crate) fn from_members(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        let public = EcPublicKey::from_members(jwk)?;
        Self::new(public.curve, jwk.d.secret()?.expose())?.with_public(public)
    }
}

impl fmt::Debug for EcPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EcPrivateKey")
    }
}
