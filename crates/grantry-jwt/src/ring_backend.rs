//! The default backend.

use alloc::boxed::Box;
use alloc::vec::Vec;

use grantry_core::SecretBytes;
use ring::{hmac, rand, rsa, signature};

use crate::backend::{Backend, BadSignature, Sign, SigningFailed, Verify};
use crate::{
    Algorithm, EcPrivateKey, Ed25519PrivateKey, Ed25519PublicKey, KeyError, PrivateKey, PublicKey,
    RsaPrivateKey, RsaPublicKey, SecretKey,
};

/// The backend over `ring`, the default.
///
/// It has every algorithm but ES512, signs with RSA keys of 2048 to 4096 bits and generates no RSA keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it has no configuration")]
pub struct Ring;

impl Backend for Ring {
    fn prepare_public(&self, algorithm: Algorithm, key: &PublicKey) -> Result<Box<dyn Verify>, KeyError> {
        match (Scheme::of(algorithm), key) {
            (Scheme::Rsa { verification, .. }, PublicKey::Rsa(key)) => {
                Ok(Box::new(RsaVerify { key: key.clone(), parameters: verification }))
            }
            (Scheme::Ecdsa { verification, .. }, PublicKey::Ec(key)) => {
                Ok(Box::new(signature::UnparsedPublicKey::new(verification, key.to_uncompressed())))
            }
            (Scheme::Ed25519, PublicKey::Ed25519(key)) => {
                Ok(Box::new(signature::UnparsedPublicKey::new(&signature::ED25519, key.as_bytes().to_vec())))
            }
            _ => Err(KeyError::UnsupportedByBackend),
        }
    }

    fn prepare_secret(&self, algorithm: Algorithm, key: &SecretKey) -> Result<Box<dyn Verify>, KeyError> {
        hmac_key(algorithm, key).map(|key| Box::new(key) as Box<dyn Verify>)
    }

    fn prepare_private(&self, algorithm: Algorithm, key: &PrivateKey) -> Result<Box<dyn Sign>, KeyError> {
        match (Scheme::of(algorithm), key) {
            (Scheme::Hmac(_), PrivateKey::Secret(key)) => Ok(Box::new(hmac_key(algorithm, key)?)),
            (Scheme::Rsa { encoding, .. }, PrivateKey::Rsa(key)) => {
                Ok(Box::new(RsaSign { pair: rsa_pair(key)?, encoding }))
            }
            (Scheme::Ecdsa { signing, .. }, PrivateKey::Ec(key)) => Ok(Box::new(ecdsa_pair(signing, key)?)),
            (Scheme::Ed25519, PrivateKey::Ed25519(key)) => Ok(Box::new(ed25519_pair(key)?)),
            _ => Err(KeyError::UnsupportedByBackend),
        }
    }

    fn complete(&self, key: &PrivateKey) -> Result<PrivateKey, KeyError> {
        match key {
            PrivateKey::Ed25519(key) if key.public().is_none() => {
                let pair = signature::Ed25519KeyPair::from_seed_unchecked(key.seed())
                    .map_err(|_| KeyError::Inconsistent)?;
                let public = Ed25519PublicKey::new(signature::KeyPair::public_key(&pair).as_ref())?;
                key.clone().with_public(public).map(PrivateKey::Ed25519)
            }
            PrivateKey::Ec(key) if key.public().is_none() => Err(KeyError::UnsupportedByBackend),
            PrivateKey::Secret(_) | PrivateKey::Rsa(_) | PrivateKey::Ec(_) | PrivateKey::Ed25519(_) => {
                Ok(key.clone())
            }
        }
    }

    fn generate(&self, algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
        match Scheme::of(algorithm) {
            Scheme::Hmac(_) => Ok(PrivateKey::Secret(SecretKey::new(random(algorithm.digest_len())?))),
            Scheme::Ed25519 => {
                let seed = random(signature::ED25519_PUBLIC_KEY_LEN)?;
                self.complete(&PrivateKey::Ed25519(Ed25519PrivateKey::new(seed.expose())?))
            }
            Scheme::Ecdsa { signing, .. } => {
                let document = signature::EcdsaKeyPair::generate_pkcs8(signing, &system_random())
                    .map_err(|_| KeyError::Generation)?;
                PrivateKey::from_der(document.as_ref())
            }
            Scheme::Rsa { .. } | Scheme::Absent => Err(KeyError::UnsupportedByBackend),
        }
    }
}

impl Verify for hmac::Key {
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        // Compares in constant time (RFC 7518 section 3.2).
        hmac::verify(self, message, signature).map_err(|_| BadSignature)
    }
}

impl Sign for hmac::Key {
    fn signature_len(&self) -> usize {
        self.algorithm().digest_algorithm().output_len()
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SigningFailed> {
        fill(signature, hmac::sign(self, message).as_ref())
    }
}

struct RsaVerify {
    key: RsaPublicKey,
    parameters: &'static signature::RsaParameters,
}

impl Verify for RsaVerify {
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let key = signature::RsaPublicKeyComponents { n: self.key.modulus(), e: self.key.exponent() };
        key.verify(self.parameters, message, signature).map_err(|_| BadSignature)
    }
}

impl Verify for signature::UnparsedPublicKey<Vec<u8>> {
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.verify(message, signature).map_err(|_| BadSignature)
    }
}

struct RsaSign {
    pair: rsa::KeyPair,
    encoding: &'static dyn signature::RsaEncoding,
}

impl Sign for RsaSign {
    fn signature_len(&self) -> usize {
        self.pair.public().modulus_len()
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SigningFailed> {
        self.pair.sign(self.encoding, &system_random(), message, signature).map_err(|_| SigningFailed)
    }
}

impl Sign for signature::EcdsaKeyPair {
    fn signature_len(&self) -> usize {
        // An uncompressed point is one byte and two coordinates, as long as r and s.
        signature::KeyPair::public_key(self).as_ref().len().saturating_sub(1)
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SigningFailed> {
        let made = self.sign(&system_random(), message).map_err(|_| SigningFailed)?;
        fill(signature, made.as_ref())
    }
}

impl Sign for signature::Ed25519KeyPair {
    fn signature_len(&self) -> usize {
        signature::ED25519_PUBLIC_KEY_LEN.saturating_mul(2)
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SigningFailed> {
        fill(signature, self.sign(message).as_ref())
    }
}

fn fill(place: &mut [u8], made: &[u8]) -> Result<(), SigningFailed> {
    if place.len() != made.len() {
        return Err(SigningFailed);
    }
    place.copy_from_slice(made);
    Ok(())
}

/// What an algorithm is to `ring`.
enum Scheme {
    Hmac(hmac::Algorithm),
    Rsa {
        verification: &'static signature::RsaParameters,
        encoding: &'static dyn signature::RsaEncoding,
    },
    Ecdsa {
        verification: &'static signature::EcdsaVerificationAlgorithm,
        signing: &'static signature::EcdsaSigningAlgorithm,
    },
    Ed25519,
    Absent,
}

impl Scheme {
    fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Hs256 => Self::Hmac(hmac::HMAC_SHA256),
            Algorithm::Hs384 => Self::Hmac(hmac::HMAC_SHA384),
            Algorithm::Hs512 => Self::Hmac(hmac::HMAC_SHA512),
            Algorithm::Rs256 => {
                Self::rsa(&signature::RSA_PKCS1_2048_8192_SHA256, &signature::RSA_PKCS1_SHA256)
            }
            Algorithm::Rs384 => {
                Self::rsa(&signature::RSA_PKCS1_2048_8192_SHA384, &signature::RSA_PKCS1_SHA384)
            }
            Algorithm::Rs512 => {
                Self::rsa(&signature::RSA_PKCS1_2048_8192_SHA512, &signature::RSA_PKCS1_SHA512)
            }
            Algorithm::Ps256 => Self::rsa(&signature::RSA_PSS_2048_8192_SHA256, &signature::RSA_PSS_SHA256),
            Algorithm::Ps384 => Self::rsa(&signature::RSA_PSS_2048_8192_SHA384, &signature::RSA_PSS_SHA384),
            Algorithm::Ps512 => Self::rsa(&signature::RSA_PSS_2048_8192_SHA512, &signature::RSA_PSS_SHA512),
            Algorithm::Es256 => Self::Ecdsa {
                verification: &signature::ECDSA_P256_SHA256_FIXED,
                signing: &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            },
            Algorithm::Es384 => Self::Ecdsa {
                verification: &signature::ECDSA_P384_SHA384_FIXED,
                signing: &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            },
            Algorithm::Es512 => Self::Absent,
            Algorithm::EdDsa => Self::Ed25519,
        }
    }

    fn rsa(
        verification: &'static signature::RsaParameters,
        encoding: &'static dyn signature::RsaEncoding,
    ) -> Self {
        Self::Rsa { verification, encoding }
    }
}

fn hmac_key(algorithm: Algorithm, secret: &SecretKey) -> Result<hmac::Key, KeyError> {
    let Scheme::Hmac(digest) = Scheme::of(algorithm) else {
        return Err(KeyError::UnsupportedByBackend);
    };
    Ok(hmac::Key::new(digest, secret.expose()))
}

fn rsa_pair(key: &RsaPrivateKey) -> Result<rsa::KeyPair, KeyError> {
    const MAX_SIGNING_BYTES: usize = 512;
    if key.public().modulus().len() > MAX_SIGNING_BYTES {
        return Err(KeyError::UnsupportedByBackend);
    }
    let components = rsa::KeyPairComponents::<&[u8]> {
        public_key: rsa::PublicKeyComponents { n: key.public().modulus(), e: key.public().exponent() },
        d: key.d(),
        p: key.p(),
        q: key.q(),
        dP: key.dp(),
        dQ: key.dq(),
        qInv: key.qi(),
    };
    rsa::KeyPair::from_components(&components).map_err(|_| KeyError::Inconsistent)
}

fn ecdsa_pair(
    algorithm: &'static signature::EcdsaSigningAlgorithm,
    key: &EcPrivateKey,
) -> Result<signature::EcdsaKeyPair, KeyError> {
    let public = key.public().ok_or(KeyError::MissingMember)?;
    signature::EcdsaKeyPair::from_private_key_and_public_key(
        algorithm,
        key.scalar(),
        &public.to_uncompressed(),
        &system_random(),
    )
    .map_err(|_| KeyError::Inconsistent)
}

fn ed25519_pair(key: &Ed25519PrivateKey) -> Result<signature::Ed25519KeyPair, KeyError> {
    let public = key.public().ok_or(KeyError::MissingMember)?;
    signature::Ed25519KeyPair::from_seed_and_public_key(key.seed(), public.as_bytes())
        .map_err(|_| KeyError::Inconsistent)
}

#[expect(clippy::disallowed_methods, reason = "generation draws from the backend's source, as it says")]
fn random(bytes: usize) -> Result<SecretBytes, KeyError> {
    let mut drawn = alloc::vec![0; bytes];
    rand::SecureRandom::fill(&system_random(), &mut drawn).map_err(|_| KeyError::Generation)?;
    Ok(SecretBytes::from(drawn))
}

/// The source of RSA blinding, of the salt of PSS and of the nonce of ECDSA, which the backend takes from
/// nowhere else.
#[expect(clippy::disallowed_methods, reason = "the backend signs with no other source")]
fn system_random() -> rand::SystemRandom {
    rand::SystemRandom::new()
}
