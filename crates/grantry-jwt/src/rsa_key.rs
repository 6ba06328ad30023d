//! The numbers of RSA keys.

use alloc::vec::Vec;
use core::fmt;

use grantry_core::SecretBytes;

use crate::KeyError;
use crate::der::{self, Reader, Tag};
use crate::jwk::Jwk;

/// The modulus and the exponent of an RSA key
/// ([RFC 7518 section 6.3.1](https://www.rfc-editor.org/rfc/rfc7518#section-6.3.1)).
///
/// Both are inside their bounds; whether the modulus is a product of two primes nobody can tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RsaPublicKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl RsaPublicKey {
    /// The shortest modulus in bits
    /// ([RFC 7518 section 3.3](https://www.rfc-editor.org/rfc/rfc7518#section-3.3)).
    pub const MIN_BITS: usize = 2048;

    /// The longest modulus in bits: beyond this one verification costs too much.
    pub const MAX_BITS: usize = 8192;

    /// The largest exponent: beyond this one verification costs too much.
    const MAX_EXPONENT: u64 = (1 << 33) - 1;

    /// Makes a key of two big-endian numbers.
    ///
    /// # Errors
    ///
    /// [`KeyError::MalformedMember`] for an empty number or a leading zero byte, [`KeyError::Modulus`]
    /// and [`KeyError::Exponent`] for one that is even or outside its bounds.
    pub fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        check_modulus(modulus)?;
        check_exponent(exponent)?;
        Ok(Self { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }

    /// Returns `n`, big-endian without leading zero bytes.
    #[must_use]
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// Returns `e`, big-endian without leading zero bytes: odd and from 3 to 2^33 - 1.
    #[must_use]
    pub fn exponent(&self) -> &[u8] {
        &self.exponent
    }

    /// Reads `RSAPublicKey`
    /// ([RFC 8017 appendix A.1.1](https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.1)).
    pub(crate) fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::open(der)?;
        let (modulus, exponent) = (reader.positive()?, reader.positive()?);
        reader.end()?;
        Self::new(modulus, exponent)
    }

    pub(crate) fn to_pkcs1(&self) -> Vec<u8> {
        let numbers = [&self.modulus, &self.exponent].map(|number| der::write_positive(number));
        let [modulus, exponent] = &numbers;
        der::write(Tag::SEQUENCE, &[modulus, exponent])
    }

    pub(crate) fn from_members(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        Self::new(&jwk.n.bytes()?, &jwk.e.bytes()?)
    }
}

/// The numbers of a private RSA key of two primes
/// ([RFC 7518 section 6.3.2](https://www.rfc-editor.org/rfc/rfc7518#section-6.3.2)).
///
/// Their lengths fit each other; that they belong together is for the backend to compute. `Debug` shows
/// the type name, and the private numbers are wiped when dropped.
#[derive(Clone)]
pub struct RsaPrivateKey {
    public: RsaPublicKey,
    d: SecretBytes,
    p: SecretBytes,
    q: SecretBytes,
    dp: SecretBytes,
    dq: SecretBytes,
    qi: SecretBytes,
}

impl RsaPrivateKey {
    /// Makes a key of big-endian numbers in the order of
    /// [RFC 8017 appendix A.1.2](https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.2).
    ///
    /// # Errors
    ///
    /// [`KeyError::MalformedMember`] for an empty number or a leading zero byte,
    /// [`KeyError::Inconsistent`] for a prime that is even and for lengths that do not fit each other.
    pub fn new(
        public: RsaPublicKey,
        d: &[u8],
        p: &[u8],
        q: &[u8],
        dp: &[u8],
        dq: &[u8],
        qi: &[u8],
    ) -> Result<Self, KeyError> {
        // RFC 7518 section 2: Base64urlUInt has no leading zero byte.
        if [d, p, q, dp, dq, qi].iter().any(|number| matches!(number, [] | [0, ..])) {
            return Err(KeyError::MalformedMember);
        }
        let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
        let modulus_bytes = public.modulus.len();
        // RFC 8017 section 3.2: n = p * q, d < n, dP < p, dQ < q and qInv < p.
        let fits = (p.len() + q.len() == modulus_bytes || p.len() + q.len() == modulus_bytes + 1)
            && d.len() <= modulus_bytes
            && dp.len() <= p.len()
            && dq.len() <= q.len()
            && qi.len() <= p.len();
        if !fits || !is_odd(p) || !is_odd(q) {
            return Err(KeyError::Inconsistent);
        }
        let [d, p, q, dp, dq, qi] = [d, p, q, dp, dq, qi].map(|number| SecretBytes::from(number.to_vec()));
        Ok(Self { public, d, p, q, dp, dq, qi })
    }

    /// Returns the public half.
    #[must_use]
    pub const fn public(&self) -> &RsaPublicKey {
        &self.public
    }

    /// Returns the private exponent, big-endian without leading zero bytes as all numbers here.
    #[must_use]
    pub fn d(&self) -> &[u8] {
        self.d.expose()
    }

    /// Returns the first prime.
    #[must_use]
    pub fn p(&self) -> &[u8] {
        self.p.expose()
    }

    /// Returns the second prime.
    #[must_use]
    pub fn q(&self) -> &[u8] {
        self.q.expose()
    }

    /// Returns the exponent of the first prime, `d mod (p - 1)`.
    #[must_use]
    pub fn dp(&self) -> &[u8] {
        self.dp.expose()
    }

    /// Returns the exponent of the second prime, `d mod (q - 1)`.
    #[must_use]
    pub fn dq(&self) -> &[u8] {
        self.dq.expose()
    }

    /// Returns the coefficient, `q^-1 mod p`.
    #[must_use]
    pub fn qi(&self) -> &[u8] {
        self.qi.expose()
    }

    /// Writes `RSAPrivateKey`
    /// ([RFC 8017 appendix A.1.2](https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.2)).
    #[must_use]
    pub fn to_pkcs1_der(&self) -> SecretBytes {
        let Self { public, d, p, q, dp, dq, qi } = self;
        let public = [&public.modulus, &public.exponent].map(|number| der::write_positive(number));
        let private =
            [d, p, q, dp, dq, qi].map(|number| SecretBytes::from(der::write_positive(number.expose())));
        let version = der::write(Tag::INTEGER, &[&[0]]);
        let mut parts = alloc::vec![version.as_slice()];
        parts.extend(public.iter().map(Vec::as_slice));
        parts.extend(private.iter().map(SecretBytes::expose));
        SecretBytes::from(der::write(Tag::SEQUENCE, &parts))
    }

    pub(crate) fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::open(der)?;
        match reader.version()? {
            0 => {}
            // RFC 8017 appendix A.1.2: version 1 has otherPrimeInfos.
            1 if reader.next_is(Tag::INTEGER) => return Err(KeyError::MultiPrime),
            _ => return Err(KeyError::Der),
        }
        let (modulus, exponent) = (reader.positive()?, reader.positive()?);
        let (d, p, q) = (reader.positive()?, reader.positive()?, reader.positive()?);
        let (dp, dq, qi) = (reader.positive()?, reader.positive()?, reader.positive()?);
        reader.end()?;
        Self::new(RsaPublicKey::new(modulus, exponent)?, d, p, q, dp, dq, qi)
    }

    pub(crate) fn from_members(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        // RFC 7518 section 6.3.2.7: a key of more than two primes is not used as if it had two.
        if jwk.oth.is_present() {
            return Err(KeyError::MultiPrime);
        }
        let public = RsaPublicKey::from_members(jwk)?;
        let (d, p, q) = (jwk.d.secret()?, jwk.p.secret()?, jwk.q.secret()?);
        let (dp, dq, qi) = (jwk.dp.secret()?, jwk.dq.secret()?, jwk.qi.secret()?);
        Self::new(public, d.expose(), p.expose(), q.expose(), dp.expose(), dq.expose(), qi.expose())
    }
}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RsaPrivateKey")
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
