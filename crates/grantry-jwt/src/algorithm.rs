//! The signature algorithms, one row each.

use alloc::vec::Vec;
use core::{fmt, str::FromStr};

use ring::digest;
use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Curve, KeyError};

/// A signature algorithm of JWS ([RFC 7518 section 3.1](https://www.rfc-editor.org/rfc/rfc7518#section-3.1)).
///
/// `none` is not among them. It serialises as its registered name, for configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256 ([RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
    Hs256,
    /// HMAC with SHA-384 ([RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
    Hs384,
    /// HMAC with SHA-512 ([RFC 7518 section 3.2](https://www.rfc-editor.org/rfc/rfc7518#section-3.2)).
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256
    /// ([RFC 7518 section 3.3](https://www.rfc-editor.org/rfc/rfc7518#section-3.3)).
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384
    /// ([RFC 7518 section 3.3](https://www.rfc-editor.org/rfc/rfc7518#section-3.3)).
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512
    /// ([RFC 7518 section 3.3](https://www.rfc-editor.org/rfc/rfc7518#section-3.3)).
    Rs512,
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes
    /// ([RFC 7518 section 3.5](https://www.rfc-editor.org/rfc/rfc7518#section-3.5)).
    Ps256,
    /// RSASSA-PSS with SHA-384 and a salt of 48 bytes
    /// ([RFC 7518 section 3.5](https://www.rfc-editor.org/rfc/rfc7518#section-3.5)).
    Ps384,
    /// RSASSA-PSS with SHA-512 and a salt of 64 bytes
    /// ([RFC 7518 section 3.5](https://www.rfc-editor.org/rfc/rfc7518#section-3.5)).
    Ps512,
    /// ECDSA on P-256 with SHA-256
    /// ([RFC 7518 section 3.4](https://www.rfc-editor.org/rfc/rfc7518#section-3.4)).
    Es256,
    /// ECDSA on P-384 with SHA-384
    /// ([RFC 7518 section 3.4](https://www.rfc-editor.org/rfc/rfc7518#section-3.4)).
    Es384,
    /// ECDSA on P-521 with SHA-512
    /// ([RFC 7518 section 3.4](https://www.rfc-editor.org/rfc/rfc7518#section-3.4)). The default backend
    /// does not have it.
    Es512,
    /// EdDSA on Ed25519 ([RFC 8037 section 3.1](https://www.rfc-editor.org/rfc/rfc8037#section-3.1)).
    EdDsa,
}

impl Algorithm {
    /// Every algorithm of this crate.
    pub const ALL: &'static [Self] = &[
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// Returns the registered name, as it stands in `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads a registered name, which is case-sensitive; `None` for every other text.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name)
    }

    /// Returns what kind of key the algorithm works with.
    #[must_use]
    pub const fn key_type(self) -> KeyType {
        match self {
            Self::Hs256 | Self::Hs384 | Self::Hs512 => KeyType::Secret,
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => KeyType::Rsa,
            Self::Es256 => KeyType::Ec(Curve::P256),
            Self::Es384 => KeyType::Ec(Curve::P384),
            Self::Es512 => KeyType::Ec(Curve::P521),
            Self::EdDsa => KeyType::Ed25519,
        }
    }

    /// Returns the digest of `data` by the hash function of the algorithm, SHA-512 for Ed25519.
    ///
    /// OpenID Connect takes it for `at_hash` and `c_hash`
    /// ([Core section 3.1.3.6](https://openid.net/specs/openid-connect-core-1_0.html#CodeIDToken)), and
    /// some signing services take it in the place of the signing input.
    #[must_use]
    pub fn digest(self, data: &[u8]) -> Vec<u8> {
        digest::digest(self.hash(), data).as_ref().to_vec()
    }

    /// Returns the length of the digest in bytes: 32, 48 or 64.
    #[must_use]
    pub fn digest_len(self) -> usize {
        self.hash().output_len()
    }

    fn hash(self) -> &'static digest::Algorithm {
        match self {
            Self::Hs256 | Self::Rs256 | Self::Ps256 | Self::Es256 => &digest::SHA256,
            Self::Hs384 | Self::Rs384 | Self::Ps384 | Self::Es384 => &digest::SHA384,
            Self::Hs512 | Self::Rs512 | Self::Ps512 | Self::Es512 | Self::EdDsa => &digest::SHA512,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads as [`Algorithm::parse`] does; any other text is [`KeyError::UnsupportedAlgorithm`].
impl FromStr for Algorithm {
    type Err = KeyError;

    fn from_str(name: &str) -> Result<Self, KeyError> {
        Self::parse(name).ok_or(KeyError::UnsupportedAlgorithm)
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        writer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = Algorithm;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a signature algorithm, as HS256")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Algorithm, E> {
                let unknown = || E::invalid_value(Unexpected::Other("another text"), &self);
                Algorithm::parse(name).ok_or_else(unknown)
            }
        }

        reader.deserialize_str(Name)
    }
}

/// The kinds of keys, told apart as far as algorithms do
/// ([RFC 7518 section 6.1](https://www.rfc-editor.org/rfc/rfc7518#section-6.1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KeyType {
    /// `oct`: a shared secret.
    Secret,
    /// `RSA`.
    Rsa,
    /// `EC` on a curve.
    Ec(Curve),
    /// `OKP` with the curve Ed25519 ([RFC 8037 section 2](https://www.rfc-editor.org/rfc/rfc8037#section-2)).
    Ed25519,
}

impl KeyType {
    /// Returns the algorithm of a key that names none: the only one of its type, or else the one that
    /// [RFC 7518 section 3.1](https://www.rfc-editor.org/rfc/rfc7518#section-3.1) recommends most.
    #[must_use]
    pub const fn default_algorithm(self) -> Algorithm {
        match self {
            Self::Secret => Algorithm::Hs256,
            Self::Rsa => Algorithm::Rs256,
            Self::Ec(Curve::P256) => Algorithm::Es256,
            Self::Ec(Curve::P384) => Algorithm::Es384,
            Self::Ec(Curve::P521) => Algorithm::Es512,
            Self::Ed25519 => Algorithm::EdDsa,
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
        for other in ["none", "None", "", "hs256", "HS256 ", "HS256\0", "HS1", "RSA", "Ed25519", "ES256K"] {
            assert_eq!(Algorithm::parse(other), None, "{other:?}");
            assert_eq!(other.parse::<Algorithm>(), Err(KeyError::UnsupportedAlgorithm), "{other:?}");
        }
    }

    #[test]
    fn configuration_names_an_algorithm_as_a_header_does() {
        for algorithm in Algorithm::ALL {
            let text = alloc::format!("\"{algorithm}\"");
            assert_eq!(serde_json::to_string(algorithm).ok(), Some(text.clone()));
            assert_eq!(serde_json::from_str::<Algorithm>(&text).ok(), Some(*algorithm));
            assert_eq!(algorithm.as_str().parse(), Ok(*algorithm));
        }
        for other in ["\"none\"", "\"hs256\"", "\"Hs256\"", "0", "null", "[\"HS256\"]", "{\"HS256\":null}"] {
            assert!(serde_json::from_str::<Algorithm>(other).is_err(), "{other}");
        }
    }

    #[test]
    fn rfc7518_3_1_each_algorithm_has_its_hash_and_key_type() {
        let digest_of_nothing = |algorithm: Algorithm| algorithm.digest(b"").first().copied();
        for algorithm in Algorithm::ALL {
            let (bytes, first) = match algorithm.as_str() {
                "EdDSA" => (64, 0xcf),
                name if name.ends_with("256") => (32, 0xe3),
                name if name.ends_with("384") => (48, 0x38),
                _ => (64, 0xcf),
            };
            assert_eq!((algorithm.digest_len(), digest_of_nothing(*algorithm)), (bytes, Some(first)));
            assert_eq!(algorithm.key_type().default_algorithm().key_type(), algorithm.key_type());
        }
    }
}
