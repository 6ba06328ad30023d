//! Public keys as plain checked values, and their encodings.

use alloc::{string::String, vec::Vec};

use grantry_core::base64url;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::algorithm_identifier::AlgorithmIdentifier;
use crate::der::{self, Reader, Tag};
use crate::ed25519_key::ED25519;
use crate::jwk::Jwk;
use crate::pem::{self, Label};
use crate::{EcPublicKey, Ed25519PublicKey, KeyError, KeyType, RsaPublicKey};

/// The numbers of a public key, checked and not yet loaded by a backend.
///
/// It serialises as the members of its type and nothing else: `kty` with `n` and `e`, or with `crv`, `x`
/// and `y` ([RFC 7518 section 6](https://www.rfc-editor.org/rfc/rfc7518#section-6)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublicKey {
    /// A key of the type `RSA`.
    Rsa(RsaPublicKey),
    /// A key of the type `EC`.
    Ec(EcPublicKey),
    /// A key of the type `OKP` on the curve Ed25519.
    Ed25519(Ed25519PublicKey),
}

impl PublicKey {
    /// Reads the members of the key type of a JWK
    /// ([RFC 7518 section 6](https://www.rfc-editor.org/rfc/rfc7518#section-6)). Private members and those
    /// about the purpose of the key are not read.
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the first rule that the key breaks; a key of the type `oct` is
    /// [`KeyError::UnsupportedKeyType`].
    pub fn from_jwk(jwk: &[u8]) -> Result<Self, KeyError> {
        Self::from_members(&Jwk::parse(jwk)?)
    }

    /// Reads one PEM block, `PUBLIC KEY` (SPKI) or `RSA PUBLIC KEY` (PKCS#1), with nothing before or after it
    /// ([RFC 7468 section 13](https://www.rfc-editor.org/rfc/rfc7468#section-13)).
    ///
    /// `openssl pkey -in FILE -pubout` writes such a block of a private key, `openssl x509 -in FILE -pubkey
    /// -noout` of a certificate, and `ssh-keygen -e -m PKCS8 -f FILE` of an RSA or ECDSA key of OpenSSH.
    ///
    /// # Errors
    ///
    /// [`KeyError::Pem`] for the text, [`KeyError::PemLabel`] for a private key,
    /// [`KeyError::Certificate`] for a certificate, and as [`PublicKey::from_der`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let block = pem::read(pem)?;
        match block.label {
            Label::Spki => Self::from_spki(block.der.expose()),
            Label::Pkcs1Public => RsaPublicKey::from_pkcs1(block.der.expose()).map(Self::Rsa),
            Label::Pkcs8 | Label::Pkcs1Private | Label::Sec1 => Err(KeyError::PemLabel),
        }
    }

    /// Reads `SubjectPublicKeyInfo`
    /// ([RFC 5280 section 4.1](https://www.rfc-editor.org/rfc/rfc5280#section-4.1)) or the `RSAPublicKey`
    /// of PKCS#1 ([RFC 8017 appendix A.1.1](https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.1)), told
    /// apart by their first value.
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the first rule that the key breaks.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if Reader::open(der)?.next_is(Tag::INTEGER) {
            RsaPublicKey::from_pkcs1(der).map(Self::Rsa)
        } else {
            Self::from_spki(der)
        }
    }

    /// Writes `SubjectPublicKeyInfo`
    /// ([RFC 5280 section 4.1](https://www.rfc-editor.org/rfc/rfc5280#section-4.1)), an EC point
    /// uncompressed.
    #[must_use]
    pub fn to_spki_der(&self) -> Vec<u8> {
        let (algorithm, key) = match self {
            Self::Rsa(key) => (AlgorithmIdentifier::Rsa, key.to_pkcs1()),
            Self::Ec(key) => (AlgorithmIdentifier::Ec(key.curve()), key.to_uncompressed()),
            Self::Ed25519(key) => (AlgorithmIdentifier::Ed25519, key.as_bytes().to_vec()),
        };
        let key = der::write(Tag::BIT_STRING, &[&[0], &key]);
        der::write(Tag::SEQUENCE, &[&algorithm.to_der(), &key])
    }

    /// Writes the PEM block `PUBLIC KEY`
    /// ([RFC 7468 section 13](https://www.rfc-editor.org/rfc/rfc7468#section-13)).
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::write(Label::Spki, &self.to_spki_der())
    }

    /// Writes the members of the key type as a JWK
    /// ([RFC 7518 section 6](https://www.rfc-editor.org/rfc/rfc7518#section-6)), without `alg`, `use` and
    /// `kid`.
    #[must_use]
    pub fn to_jwk(&self) -> String {
        // Strings under fixed names always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns the SHA-256 thumbprint in base64url
    /// ([RFC 7638 section 3](https://www.rfc-editor.org/rfc/rfc7638#section-3)).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        base64url::encode(Sha256::digest(self.to_jwk()))
    }

    /// Returns what algorithms it works with.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa(_) => KeyType::Rsa,
            Self::Ec(key) => KeyType::Ec(key.curve()),
            Self::Ed25519(_) => KeyType::Ed25519,
        }
    }

    pub(crate) fn from_members(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        match jwk.kty()? {
            "RSA" => RsaPublicKey::from_members(jwk).map(Self::Rsa),
            "EC" => EcPublicKey::from_members(jwk).map(Self::Ec),
            "OKP" => Ed25519PublicKey::from_members(jwk).map(Self::Ed25519),
            _ => Err(KeyError::UnsupportedKeyType),
        }
    }

    pub(crate) fn to_members(&self) -> PublicMembers {
        let encoded = |number: &[u8]| Some(base64url::encode(number));
        match self {
            Self::Rsa(key) => PublicMembers {
                e: encoded(key.exponent()),
                n: encoded(key.modulus()),
                ..PublicMembers::new("RSA")
            },
            Self::Ec(key) => PublicMembers {
                crv: Some(key.curve().as_str()),
                x: encoded(key.x()),
                y: encoded(key.y()),
                ..PublicMembers::new("EC")
            },
            Self::Ed25519(key) => {
                PublicMembers { crv: Some(ED25519), x: encoded(key.as_bytes()), ..PublicMembers::new("OKP") }
            }
        }
    }

    fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::open(der)?;
        let algorithm = AlgorithmIdentifier::read(&mut reader)?;
        let key = reader.bit_string(Tag::BIT_STRING)?;
        reader.end()?;
        Self::from_key_bits(algorithm, key)
    }

    /// Reads the content of the BIT STRING that SPKI and the second version of PKCS#8 have.
    pub(crate) fn from_key_bits(algorithm: AlgorithmIdentifier, key: &[u8]) -> Result<Self, KeyError> {
        match algorithm {
            AlgorithmIdentifier::Rsa => RsaPublicKey::from_pkcs1(key).map(Self::Rsa),
            AlgorithmIdentifier::Ec(curve) => EcPublicKey::from_uncompressed(curve, key).map(Self::Ec),
            AlgorithmIdentifier::Ed25519 => Ed25519PublicKey::new(key).map(Self::Ed25519),
        }
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        self.to_members().serialize(writer)
    }
}

/// The members that RFC 7638 section 3.2 and RFC 8037 section 2 take into a thumbprint, which are all
/// public ones. They stand in lexicographic order, so that the JSON is the very text to be hashed.
#[derive(Serialize)]
pub(crate) struct PublicMembers {
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    kty: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

impl PublicMembers {
    const fn new(kty: &'static str) -> Self {
        Self { crv: None, e: None, kty, n: None, x: None, y: None }
    }
}
