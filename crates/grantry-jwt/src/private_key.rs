//! Private and shared keys as plain checked values, and their encodings.

use alloc::{string::String, vec::Vec};
use core::fmt;

use grantry_core::{SecretBytes, SecretString, base64url};
use sha2::{Digest, Sha256};

use crate::algorithm_identifier::AlgorithmIdentifier;
use crate::der::{self, Reader, Tag};
use crate::ed25519_key::ED25519;
use crate::jwk::Jwk;
use crate::pem::{self, Label};
use crate::{EcPrivateKey, Ed25519PrivateKey, KeyError, KeyType, PublicKey, RsaPrivateKey};

/// The numbers of a private or shared key, checked and not yet loaded by a backend.
///
/// `Debug` shows the types only, and the numbers are wiped when dropped.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PrivateKey {
    /// A key of the type `oct`.
    Secret(SecretKey),
    /// A key of the type `RSA`.
    Rsa(RsaPrivateKey),
    /// A key of the type `EC`.
    Ec(EcPrivateKey),
    /// A key of the type `OKP` on the curve Ed25519.
    Ed25519(Ed25519PrivateKey),
}

impl PrivateKey {
    /// Reads the members of the key type of a private JWK: `k`
    /// ([RFC 7518 section 6.4](https://www.rfc-editor.org/rfc/rfc7518#section-6.4)), `d` with the public
    /// members ([section 6.2.2](https://www.rfc-editor.org/rfc/rfc7518#section-6.2.2),
    /// [RFC 8037 section 2](https://www.rfc-editor.org/rfc/rfc8037#section-2)), or all of `d`, `p`, `q`,
    /// `dp`, `dq` and `qi` with `n` and `e`
    /// ([RFC 7518 section 6.3.2](https://www.rfc-editor.org/rfc/rfc7518#section-6.3.2)). Members about
    /// the purpose of the key are not read. The caller wipes the text.
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the first rule that the key breaks; a public key is
    /// [`KeyError::MissingMember`].
    pub fn from_jwk(jwk: &[u8]) -> Result<Self, KeyError> {
        Self::from_members(&Jwk::parse(jwk)?)
    }

    /// Reads one PEM block, `PRIVATE KEY` (PKCS#8), `RSA PRIVATE KEY` (PKCS#1) or `EC PRIVATE KEY`
    /// (SEC1), with nothing before or after it
    /// ([RFC 7468 section 10](https://www.rfc-editor.org/rfc/rfc7468#section-10)). The caller wipes the
    /// text.
    ///
    /// `openssl pkey -in FILE` writes such a block of other files: encrypted ones, and those with parameters,
    /// attributes, a certificate or blank lines around the key. `ssh-keygen -p -m PKCS8 -f FILE` changes an
    /// RSA or ECDSA key of OpenSSH in place. In a variable of the environment, line breaks have to be line
    /// breaks.
    ///
    /// # Errors
    ///
    /// [`KeyError::Pem`] for the text, [`KeyError::PemLabel`] for a public key,
    /// [`KeyError::Certificate`] for a certificate, [`KeyError::Encrypted`] for an encrypted key, and as
    /// [`PrivateKey::from_der`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let block = pem::read(pem)?;
        match block.label {
            Label::Pkcs8 => Self::from_pkcs8(block.der.expose()),
            Label::Pkcs1Private => RsaPrivateKey::from_pkcs1(block.der.expose()).map(Self::Rsa),
            Label::Sec1 => EcPrivateKey::from_sec1(block.der.expose(), None).map(Self::Ec),
            Label::Spki | Label::Pkcs1Public => Err(KeyError::PemLabel),
        }
    }

    /// Reads PKCS#8 of both versions
    /// ([RFC 5958 section 2](https://www.rfc-editor.org/rfc/rfc5958#section-2)), PKCS#1
    /// ([RFC 8017 appendix A.1.2](https://www.rfc-editor.org/rfc/rfc8017#appendix-A.1.2)) or SEC1
    /// ([RFC 5915 section 3](https://www.rfc-editor.org/rfc/rfc5915#section-3)), told apart by the value
    /// after the version. The attributes of PKCS#8 are not read. The caller wipes the bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError`] names the first rule that the key breaks; [`KeyError::Inconsistent`] when two places
    /// name two public keys or two curves.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::open(der)?;
        reader.version()?;
        if reader.next_is(Tag::SEQUENCE) {
            Self::from_pkcs8(der)
        } else if reader.next_is(Tag::OCTET_STRING) {
            EcPrivateKey::from_sec1(der, None).map(Self::Ec)
        } else {
            RsaPrivateKey::from_pkcs1(der).map(Self::Rsa)
        }
    }

    /// Writes the first version of PKCS#8
    /// ([RFC 5958 section 2](https://www.rfc-editor.org/rfc/rfc5958#section-2)), as OpenSSL does. An EC
    /// key has its public half inside when it is known; an Ed25519 key has a place for it in the second
    /// version only, which not every library reads.
    ///
    /// # Errors
    ///
    /// [`KeyError::UnsupportedKeyType`] for a shared secret.
    pub fn to_pkcs8_der(&self) -> Result<SecretBytes, KeyError> {
        let (algorithm, key) = match self {
            Self::Secret(_) => return Err(KeyError::UnsupportedKeyType),
            Self::Rsa(key) => (AlgorithmIdentifier::Rsa, key.to_pkcs1_der()),
            Self::Ec(key) => (AlgorithmIdentifier::Ec(key.curve()), key.to_sec1()),
            Self::Ed25519(key) => (AlgorithmIdentifier::Ed25519, key.to_curve_private_key()),
        };
        let version = der::write(Tag::INTEGER, &[&[0]]);
        let key = SecretBytes::from(der::write(Tag::OCTET_STRING, &[key.expose()]));
        Ok(SecretBytes::from(der::write(Tag::SEQUENCE, &[&version, &algorithm.to_der(), key.expose()])))
    }

    /// Writes the PEM block `PRIVATE KEY`
    /// ([RFC 7468 section 10](https://www.rfc-editor.org/rfc/rfc7468#section-10)) around
    /// [`PrivateKey::to_pkcs8_der`].
    ///
    /// # Errors
    ///
    /// [`KeyError::UnsupportedKeyType`] for a shared secret.
    pub fn to_pem(&self) -> Result<SecretString, KeyError> {
        let der = self.to_pkcs8_der()?;
        Ok(SecretString::from(pem::write(Label::Pkcs8, der.expose())))
    }

    /// Writes the members of the key type as a private JWK
    /// ([RFC 7518 section 6](https://www.rfc-editor.org/rfc/rfc7518#section-6)), without `alg`, `use` and
    /// `kid`: the form to store, from which [`PrivateKey::from_jwk`] reads the same key.
    ///
    /// # Errors
    ///
    /// [`KeyError::MissingMember`] for a key whose public half is not known.
    pub fn to_jwk(&self) -> Result<SecretString, KeyError> {
        match self {
            Self::Secret(key) => Ok(write_jwk("oct", None, &[("k", key.expose())])),
            Self::Rsa(key) => {
                let (n, e) = (key.public().modulus(), key.public().exponent());
                let [d, p, q] = [("d", key.d()), ("p", key.p()), ("q", key.q())];
                let [dp, dq, qi] = [("dp", key.dp()), ("dq", key.dq()), ("qi", key.qi())];
                Ok(write_jwk("RSA", None, &[("n", n), ("e", e), d, p, q, dp, dq, qi]))
            }
            Self::Ec(key) => {
                let public = key.public().ok_or(KeyError::MissingMember)?;
                let members = [("x", public.x()), ("y", public.y()), ("d", key.scalar())];
                Ok(write_jwk("EC", Some(key.curve().as_str()), &members))
            }
            Self::Ed25519(key) => {
                let public = key.public().ok_or(KeyError::MissingMember)?;
                let members = [("x", public.as_bytes().as_slice()), ("d", key.seed())];
                Ok(write_jwk("OKP", Some(ED25519), &members))
            }
        }
    }

    /// Returns the public half: `None` for a shared secret, and when the encoding of an EC or Ed25519 key
    /// had none; a backend can compute it.
    #[must_use]
    pub fn public_key(&self) -> Option<PublicKey> {
        match self {
            Self::Secret(_) => None,
            Self::Rsa(key) => Some(PublicKey::Rsa(key.public().clone())),
            Self::Ec(key) => key.public().cloned().map(PublicKey::Ec),
            Self::Ed25519(key) => key.public().cloned().map(PublicKey::Ed25519),
        }
    }

    /// Returns what algorithms it works with.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        match self {
            Self::Secret(_) => KeyType::Secret,
            Self::Rsa(_) => KeyType::Rsa,
            Self::Ec(key) => KeyType::Ec(key.curve()),
            Self::Ed25519(_) => KeyType::Ed25519,
        }
    }

    pub(crate) fn from_members(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        match jwk.kty()? {
            "oct" => SecretKey::from_members(jwk).map(Self::Secret),
            "RSA" => RsaPrivateKey::from_members(jwk).map(Self::Rsa),
            "EC" => EcPrivateKey::from_members(jwk).map(Self::Ec),
            "OKP" => Ed25519PrivateKey::from_members(jwk).map(Self::Ed25519),
            _ => Err(KeyError::UnsupportedKeyType),
        }
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::open(der)?;
        let version = reader.version()?;
        let algorithm = AlgorithmIdentifier::read(&mut reader)?;
        let key = reader.value(Tag::OCTET_STRING)?;
        reader.optional(Tag::CONSTRUCTED_0)?;
        let public = reader.optional(Tag::IMPLICIT_1)?;
        reader.end()?;
        let key = match algorithm {
            AlgorithmIdentifier::Rsa => RsaPrivateKey::from_pkcs1(key).map(Self::Rsa),
            AlgorithmIdentifier::Ec(curve) => EcPrivateKey::from_sec1(key, Some(curve)).map(Self::Ec),
            AlgorithmIdentifier::Ed25519 => Ed25519PrivateKey::from_curve_private_key(key).map(Self::Ed25519),
        }?;
        // RFC 5958 section 2: the version is 1 if the public key is present, and else 0.
        match (version, public) {
            (0, None) => Ok(key),
            (1, Some(bits)) => {
                key.with_public(PublicKey::from_key_bits(algorithm, der::whole_octets(bits)?)?)
            }
            _ => Err(KeyError::Der),
        }
    }

    pub(crate) fn with_public(self, public: PublicKey) -> Result<Self, KeyError> {
        match (self, public) {
            (Self::Rsa(key), PublicKey::Rsa(public)) if *key.public() == public => Ok(Self::Rsa(key)),
            (Self::Ec(key), PublicKey::Ec(public)) => key.with_public(public).map(Self::Ec),
            (Self::Ed25519(key), PublicKey::Ed25519(public)) => key.with_public(public).map(Self::Ed25519),
            (Self::Secret(_) | Self::Rsa(_) | Self::Ec(_) | Self::Ed25519(_), _) => {
                Err(KeyError::Inconsistent)
            }
        }
    }
}

/// A shared secret of any length
/// ([RFC 7518 section 6.4](https://www.rfc-editor.org/rfc/rfc7518#section-6.4)).
///
/// How long it has to be is the rule of an algorithm. `Debug` shows the type name, and the bytes are wiped
/// when dropped.
#[derive(Clone)]
pub struct SecretKey(SecretBytes);

impl SecretKey {
    /// Makes a key of its bytes.
    #[must_use]
    pub const fn new(secret: SecretBytes) -> Self {
        Self(secret)
    }

    /// Returns the bytes. The caller keeps them out of logs, errors and URLs.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// Returns the SHA-256 thumbprint in base64url
    /// ([RFC 7638 section 3](https://www.rfc-editor.org/rfc/rfc7638#section-3)). Whoever sees it can try
    /// secrets against it, so it is no key id
    /// ([RFC 7638 section 7](https://www.rfc-editor.org/rfc/rfc7638#section-7)).
    #[must_use]
    pub fn danger_thumbprint(&self) -> String {
        let k = SecretString::from(base64url::encode(self.expose()));
        let members = SecretString::from(alloc::format!(r#"{{"k":"{}","kty":"oct"}}"#, k.expose()));
        base64url::encode(Sha256::digest(members.expose()))
    }

    pub(crate) fn from_members(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        jwk.k.secret().map(Self)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}

/// Writes a JWK whose names and texts need no escapes. Sized at once, so that growing leaves no copy behind.
fn write_jwk(kty: &str, crv: Option<&str>, numbers: &[(&str, &[u8])]) -> SecretString {
    let encoded = |number: &[u8]| SecretString::from(base64url::encode(number));
    let numbers: Vec<_> = numbers.iter().map(|(name, number)| (*name, encoded(number))).collect();
    let mut members = alloc::vec![("kty", kty)];
    members.extend(crv.map(|crv| ("crv", crv)));
    members.extend(numbers.iter().map(|(name, number)| (*name, number.expose())));
    let pieces = members.iter().zip(core::iter::once("{\"").chain(core::iter::repeat("\",\"")));
    let pieces = pieces.flat_map(|((name, text), before)| [before, name, "\":\"", text]);
    let pieces = pieces.chain(core::iter::once("\"}"));
    let mut jwk = String::with_capacity(pieces.clone().map(str::len).sum());
    jwk.extend(pieces);
    SecretString::from(jwk)
}
