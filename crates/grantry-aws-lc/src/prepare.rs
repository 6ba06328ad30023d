//! Keys as AWS-LC holds them.

use alloc::boxed::Box;

use aws_lc_rs::{hmac, rand, rsa, signature};
use grantry_jwt::{
    Algorithm, BadSignature, EcPrivateKey, Ed25519PrivateKey, KeyError, PrivateKey, PublicKey, RsaPrivateKey,
    SecretKey, Sign, SigningFailed, Verify,
};

pub(crate) fn public(algorithm: Algorithm, key: &PublicKey) -> Result<Box<dyn Verify>, KeyError> {
    let parsed = match (Scheme::of(algorithm), key) {
        (Some(Scheme::Rsa { verification, .. }), PublicKey::Rsa(key)) => {
            rsa::PublicKeyComponents { n: key.modulus(), e: key.exponent() }
                .to_parsed_public_key(verification)
        }
        (Some(Scheme::Ecdsa { verification, .. }), PublicKey::Ec(key)) => {
            signature::ParsedPublicKey::new(verification, key.to_uncompressed())
        }
        (Some(Scheme::Ed25519), PublicKey::Ed25519(key)) => {
            signature::ParsedPublicKey::new(&signature::ED25519, key.as_bytes())
        }
        _ => return Err(KeyError::UnsupportedByBackend),
    };
    Ok(Box::new(Parsed(parsed.map_err(|_| KeyError::Inconsistent)?)))
}

pub(crate) fn private(algorithm: Algorithm, key: &PrivateKey) -> Result<Box<dyn Sign>, KeyError> {
    match (Scheme::of(algorithm), key) {
        (Some(Scheme::Hmac(_)), PrivateKey::Secret(key)) => Ok(Box::new(hmac(algorithm, key)?)),
        (Some(Scheme::Rsa { encoding, .. }), PrivateKey::Rsa(key)) => {
            Ok(Box::new(RsaSign { pair: rsa_pair(key)?, encoding }))
        }
        (Some(Scheme::Ecdsa { signing, .. }), PrivateKey::Ec(key)) => {
            let signature_len = key.curve().coordinate_len().saturating_mul(2);
            Ok(Box::new(EcdsaSign { pair: ecdsa_pair(signing, key)?, signature_len }))
        }
        (Some(Scheme::Ed25519), PrivateKey::Ed25519(key)) => Ok(Box::new(Ed25519Sign(ed25519_pair(key)?))),
        _ => Err(KeyError::UnsupportedByBackend),
    }
}

pub(crate) fn hmac(algorithm: Algorithm, secret: &SecretKey) -> Result<Hmac, KeyError> {
    let Some(Scheme::Hmac(digest)) = Scheme::of(algorithm) else {
        return Err(KeyError::UnsupportedByBackend);
    };
    Ok(Hmac(hmac::Key::new(digest, secret.expose())))
}

/// What an algorithm is to AWS-LC.
pub(crate) enum Scheme {
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
}

impl Scheme {
    /// Returns `None` for an algorithm that a later version of `grantry-jwt` has.
    pub(crate) fn of(algorithm: Algorithm) -> Option<Self> {
        Some(match algorithm {
            Algorithm::Hs256 => Self::Hmac(hmac::HMAC_SHA256),
            Algorithm::Hs384 => Self::Hmac(hmac::HMAC_SHA384),
            Algorithm::Hs512 => Self::Hmac(hmac::HMAC_SHA512),
            Algorithm::Rs256 => Self::Rsa {
                verification: &signature::RSA_PKCS1_2048_8192_SHA256,
                encoding: &signature::RSA_PKCS1_SHA256,
            },
            Algorithm::Rs384 => Self::Rsa {
                verification: &signature::RSA_PKCS1_2048_8192_SHA384,
                encoding: &signature::RSA_PKCS1_SHA384,
            },
            Algorithm::Rs512 => Self::Rsa {
                verification: &signature::RSA_PKCS1_2048_8192_SHA512,
                encoding: &signature::RSA_PKCS1_SHA512,
            },
            Algorithm::Ps256 => Self::Rsa {
                verification: &signature::RSA_PSS_2048_8192_SHA256,
                encoding: &signature::RSA_PSS_SHA256,
            },
            Algorithm::Ps384 => Self::Rsa {
                verification: &signature::RSA_PSS_2048_8192_SHA384,
                encoding: &signature::RSA_PSS_SHA384,
            },
            Algorithm::Ps512 => Self::Rsa {
                verification: &signature::RSA_PSS_2048_8192_SHA512,
                encoding: &signature::RSA_PSS_SHA512,
            },
            Algorithm::Es256 => Self::Ecdsa {
                verification: &signature::ECDSA_P256_SHA256_FIXED,
                signing: &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            },
            Algorithm::Es384 => Self::Ecdsa {
                verification: &signature::ECDSA_P384_SHA384_FIXED,
                signing: &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            },
            Algorithm::Es512 => Self::Ecdsa {
                verification: &signature::ECDSA_P521_SHA512_FIXED,
                signing: &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
            },
            Algorithm::EdDsa => Self::Ed25519,
            _ => return None,
        })
    }
}

struct Parsed(signature::ParsedPublicKey);

impl Verify for Parsed {
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        self.0.verify_sig(message, signature).map_err(|_| BadSignature)
    }
}

pub(crate) struct Hmac(hmac::Key);

impl Verify for Hmac {
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        // Compares in constant time (RFC 7518 section 3.2).
        hmac::verify(&self.0, message, signature).map_err(|_| BadSignature)
    }
}

impl Sign for Hmac {
    fn signature_len(&self) -> usize {
        self.0.algorithm().digest_algorithm().output_len
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SigningFailed> {
        fill(signature, hmac::sign(&self.0, message).as_ref())
    }
}

struct RsaSign {
    pair: rsa::KeyPair,
    encoding: &'static dyn signature::RsaEncoding,
}

impl Sign for RsaSign {
    fn signature_len(&self) -> usize {
        self.pair.public_modulus_len()
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SigningFailed> {
        self.pair.sign(self.encoding, &system_random(), message, signature).map_err(|_| SigningFailed)
    }
}

struct EcdsaSign {
    pair: signature::EcdsaKeyPair,
    signature_len: usize,
}

impl Sign for EcdsaSign {
    fn signature_len(&self) -> usize {
        self.signature_len
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SigningFailed> {
        let made = self.pair.sign(&system_random(), message).map_err(|_| SigningFailed)?;
        fill(signature, made.as_ref())
    }
}

struct Ed25519Sign(signature::Ed25519KeyPair);

impl Sign for Ed25519Sign {
    fn signature_len(&self) -> usize {
        signature::ED25519_PUBLIC_KEY_LEN.saturating_mul(2)
    }

    fn sign(&self, message: &[u8], signature: &mut [u8]) -> Result<(), SigningFailed> {
        let made = self.0.try_sign(message).map_err(|_| SigningFailed)?;
        fill(signature, made.as_ref())
    }
}

fn fill(place: &mut [u8], made: &[u8]) -> Result<(), SigningFailed> {
    if place.len() != made.len() {
        return Err(SigningFailed);
    }
    place.copy_from_slice(made);
    Ok(())
}

fn rsa_pair(key: &RsaPrivateKey) -> Result<rsa::KeyPair, KeyError> {
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
    )
    .map_err(|_| KeyError::Inconsistent)
}

fn ed25519_pair(key: &Ed25519PrivateKey) -> Result<signature::Ed25519KeyPair, KeyError> {
    let public = key.public().ok_or(KeyError::MissingMember)?;
    signature::Ed25519KeyPair::from_seed_and_public_key(key.seed(), public.as_bytes())
        .map_err(|_| KeyError::Inconsistent)
}

/// AWS-LC takes its own source, whatever is passed.
fn system_random() -> rand::SystemRandom {
    rand::SystemRandom::new()
}
