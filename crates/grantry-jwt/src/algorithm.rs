//! The signature algorithms, one row each.

use core::fmt;

use ring::{hmac, signature};

/// A signature algorithm of JWS ([RFC 7518 section 3.1](https://www.rfc-editor.org/rfc/rfc7518#section-3.1)).
///
/// `none` is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256 ([RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256
    /// ([RFC 7518 section 3.3](https://www.rfc-editor.org/rfc/rfc7518#section-3.3)).
    Rs256,
}

impl Algorithm {
    /// Every algorithm that this crate implements.
    pub const ALL: &'static [Self] = &[Self::Hs256, Self::Rs256];

    /// Returns the registered name, as it stands in `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
        }
    }

    /// Reads a registered name, which is case-sensitive; `None` for every other text.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name)
    }

    pub(crate) fn scheme(self) -> Scheme {
        match self {
            Self::Hs256 => Scheme::Hmac(hmac::HMAC_SHA256),
            Self::Rs256 => Scheme::Rsa {
                verification: &signature::RSA_PKCS1_2048_8192_SHA256,
                encoding: &signature::RSA_PKCS1_SHA256,
            },
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an algorithm means to the backend.
pub(crate) enum Scheme {
    /// Keys of the type `oct`, at least as long as the digest.
    Hmac(hmac::Algorithm),
    /// Keys of the type `RSA`.
    Rsa { verification: &'static signature::RsaParameters, encoding: &'static dyn signature::RsaEncoding },
}

/// The key types of RFC 7518 section 6.1 that an algorithm here uses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyType {
    Oct,
    Rsa,
}

impl KeyType {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "oct" => Some(Self::Oct),
            "RSA" => Some(Self::Rsa),
            _ => None,
        }
    }

    /// Whether keys of this type work with the algorithm.
    pub(crate) fn fits(self, algorithm: Algorithm) -> bool {
        match algorithm.scheme() {
            Scheme::Hmac(_) => self == Self::Oct,
            Scheme::Rsa { .. } => self == Self::Rsa,
        }
    }

    /// The algorithm of a key that names none: the one that RFC 7518 section 3.1 recommends most.
    pub(crate) const fn default_algorithm(self) -> Algorithm {
        match self {
            Self::Oct => Algorithm::Hs256,
            Self::Rsa => Algorithm::Rs256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7515_4_1_1_names_are_exact() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.as_str()), Some(*algorithm));
        }
        for other in ["none", "None", "", "hs256", "HS256 ", "HS256\0", "HS1", "RSA"] {
            assert_eq!(Algorithm::parse(other), None, "{other:?}");
        }
    }
}
