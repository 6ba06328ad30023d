//! Public RSA keys, checked once.

use alloc::{string::String, vec::Vec};

use grantry_core::base64url;
use ring::{digest, signature};

use crate::KeyError;

/// A modulus and an exponent inside their bounds.
pub(crate) struct RsaPublicKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    parameters: &'static signature::RsaParameters,
}

impl RsaPublicKey {
    /// RFC 7518 section 3.3 asks for 2048 bits or more.
    const MIN_BITS: usize = 2048;
    /// Beyond this one verification costs too much; it is the backend's limit, too.
    const MAX_BITS: usize = 8192;
    /// The largest exponent that the backend takes.
    const MAX_EXPONENT: u64 = (1 << 33) - 1;

    pub(crate) fn new(
        modulus: Vec<u8>,
        exponent: Vec<u8>,
        parameters: &'static signature::RsaParameters,
    ) -> Result<Self, KeyError> {
        check_modulus(&modulus)?;
        check_exponent(&exponent)?;
        Ok(Self { modulus, exponent, parameters })
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = signature::RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent };
        key.verify(self.parameters, message, signature).is_ok()
    }

    /// Returns `n` in base64url.
    pub(crate) fn modulus(&self) -> String {
        base64url::encode(&self.modulus)
    }

    /// Returns `e` in base64url.
    pub(crate) fn exponent(&self) -> String {
        base64url::encode(&self.exponent)
    }

    /// Returns the SHA-256 thumbprint of RFC 7638 section 3.
    pub(crate) fn thumbprint(&self) -> String {
        let text = alloc::format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, self.exponent(), self.modulus());
        base64url::encode(digest::digest(&digest::SHA256, text.as_bytes()))
    }
}

fn check_modulus(modulus: &[u8]) -> Result<(), KeyError> {
    let (Some(first), Some(last)) = (modulus.first(), modulus.last()) else {
        return Err(KeyError::MalformedMember);
    };
    // RFC 7518 section 2: Base64urlUInt has no leading zero byte.
    if *first == 0 {
        return Err(KeyError::MalformedMember);
    }
    let unused = usize::try_from(first.leading_zeros()).unwrap_or(0);
    let bits = modulus.len().saturating_mul(8).saturating_sub(unused);
    if !(RsaPublicKey::MIN_BITS..=RsaPublicKey::MAX_BITS).contains(&bits) || last % 2 == 0 {
        return Err(KeyError::Modulus);
    }
    Ok(())
}

fn check_exponent(exponent: &[u8]) -> Result<(), KeyError> {
    if matches!(exponent.first(), None | Some(0)) {
        return Err(KeyError::MalformedMember);
    }
    if exponent.len() > 8 {
        return Err(KeyError::Exponent);
    }
    let value = exponent.iter().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
    if value < 3 || value % 2 == 0 || value > RsaPublicKey::MAX_EXPONENT {
        return Err(KeyError::Exponent);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modulus(bits: usize) -> Vec<u8> {
        let mut bytes = alloc::vec![0xff; bits.div_ceil(8)];
        bytes[0] = 0xff >> (bytes.len() * 8 - bits);
        bytes
    }

    #[test]
    fn rfc7518_3_3_the_modulus_is_odd_and_has_2048_to_8192_bits() {
        for bits in [2048, 2049, 3072, 4096, 8191, 8192] {
            assert_eq!(check_modulus(&modulus(bits)), Ok(()), "{bits}");
        }
        // RL-12: 16,384 bits cost one verification too much.
        for bits in [8, 1024, 2047, 8193, 16_384] {
            assert_eq!(check_modulus(&modulus(bits)), Err(KeyError::Modulus), "{bits}");
        }
        let mut even = modulus(2048);
        even[255] = 0xfe;
        assert_eq!(check_modulus(&even), Err(KeyError::Modulus));
    }

    #[test]
    fn rfc7518_2_a_number_has_no_leading_zero_byte() {
        let mut padded = alloc::vec![0];
        padded.extend(modulus(2048));
        assert_eq!(check_modulus(&padded), Err(KeyError::MalformedMember));
        assert_eq!(check_modulus(&[]), Err(KeyError::MalformedMember));
        assert_eq!(check_exponent(&[0, 1, 0, 1]), Err(KeyError::MalformedMember));
        assert_eq!(check_exponent(&[]), Err(KeyError::MalformedMember));
    }

    #[test]
    fn rfc8017_3_1_the_exponent_is_odd_and_bounded() {
        for good in [&[3][..], &[1, 0, 1], &[1, 255, 255, 255, 255]] {
            assert_eq!(check_exponent(good), Ok(()), "{good:?}");
        }
        // RL-12: 4,096 bits of exponent cost one verification too much.
        let long = [0xff; 512];
        for bad in
            [&[1][..], &[2], &[1, 0, 0], &[2, 0, 0, 0, 1], &[255; 9], &[1, 0, 0, 0, 0, 0, 1, 0, 1], &long]
        {
            assert_eq!(check_exponent(bad), Err(KeyError::Exponent), "{bad:?}");
        }
    }
}
