//! The algorithm identifiers of SPKI and PKCS#8: which key is inside.

use alloc::vec::Vec;

use crate::der::{self, Reader, Tag};
use crate::{Curve, KeyError};

/// 1.2.840.113549.1.1.1 ([RFC 3279 section 2.3.1](https://www.rfc-editor.org/rfc/rfc3279#section-2.3.1)).
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1 ([RFC 5480 section 2.1.1](https://www.rfc-editor.org/rfc/rfc5480#section-2.1.1)).
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.3.101.112 ([RFC 8410 section 3](https://www.rfc-editor.org/rfc/rfc8410#section-3)).
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// X25519, X448 and Ed448, 1.3.101.110, 111 and 113.
const OTHER_RFC8410_CURVES: [&[u8]; 3] = [&[0x2b, 0x65, 0x6e], &[0x2b, 0x65, 0x6f], &[0x2b, 0x65, 0x71]];

/// An `AlgorithmIdentifier` with its parameters
/// ([RFC 5280 section 4.1.1.2](https://www.rfc-editor.org/rfc/rfc5280#section-4.1.1.2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlgorithmIdentifier {
    Rsa,
    Ec(Curve),
    Ed25519,
}

impl AlgorithmIdentifier {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, KeyError> {
        let mut reader = reader.constructed(Tag::SEQUENCE)?;
        let algorithm = match reader.value(Tag::OBJECT_IDENTIFIER)? {
            // RFC 3279 section 2.3.1: the parameters are NULL.
            RSA_ENCRYPTION => match reader.value(Tag::NULL)? {
                [] => Self::Rsa,
                _ => return Err(KeyError::Der),
            },
            EC_PUBLIC_KEY => Self::Ec(read_curve(&mut reader)?),
            // RFC 8410 section 3: the parameters are absent.
            ED25519 => Self::Ed25519,
            other if OTHER_RFC8410_CURVES.contains(&other) => return Err(KeyError::UnsupportedCurve),
            _ => return Err(KeyError::UnsupportedKeyType),
        };
        reader.end()?;
        Ok(algorithm)
    }

    pub(crate) fn to_der(self) -> Vec<u8> {
        let object_identifier = |value: &[u8]| der::write(Tag::OBJECT_IDENTIFIER, &[value]);
        match self {
            Self::Rsa => {
                der::write(Tag::SEQUENCE, &[&object_identifier(RSA_ENCRYPTION), &der::write(Tag::NULL, &[])])
            }
            Self::Ec(curve) => {
                let curve = object_identifier(curve.object_identifier());
                der::write(Tag::SEQUENCE, &[&object_identifier(EC_PUBLIC_KEY), &curve])
            }
            Self::Ed25519 => der::write(Tag::SEQUENCE, &[&object_identifier(ED25519)]),
        }
    }
}

/// Reads `ECParameters`, of which only `namedCurve` is allowed
/// ([RFC 5480 section 2.1.1](https://www.rfc-editor.org/rfc/rfc5480#section-2.1.1)).
pub(crate) fn read_curve(reader: &mut Reader<'_>) -> Result<Curve, KeyError> {
    if reader.next_is(Tag::SEQUENCE) || reader.next_is(Tag::NULL) {
        return Err(KeyError::UnsupportedCurve);
    }
    let name = reader.value(Tag::OBJECT_IDENTIFIER)?;
    Curve::ALL
        .iter()
        .copied()
        .find(|curve| curve.object_identifier() == name)
        .ok_or(KeyError::UnsupportedCurve)
}
