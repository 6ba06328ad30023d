//! New keys, and the public half of one that came without it.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, Curve25519SeedBin};
use aws_lc_rs::signature::KeyPair;
use aws_lc_rs::{rand, rsa, signature};
use grantry_core::SecretBytes;
use grantry_jwt::{
    Algorithm, Curve, EcPrivateKey, EcPublicKey, Ed25519PrivateKey, Ed25519PublicKey, KeyError, PrivateKey,
    SecretKey,
};

use crate::prepare::Scheme;

pub(crate) fn generate(algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
    match Scheme::of(algorithm) {
        Some(Scheme::Hmac(_)) => {
            let mut secret = alloc::vec![0; algorithm.digest_len()];
            rand::fill(&mut secret).map_err(|_| KeyError::Generation)?;
            Ok(PrivateKey::Secret(SecretKey::new(SecretBytes::from(secret))))
        }
        Some(Scheme::Rsa { .. }) => {
            let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map_err(|_| KeyError::Generation)?;
            read(pair.as_der().map_err(|_| KeyError::Generation)?.as_ref())
        }
        Some(Scheme::Ecdsa { signing, .. }) => {
            let pair = signature::EcdsaKeyPair::generate(signing).map_err(|_| KeyError::Generation)?;
            read(pair.to_pkcs8v1().map_err(|_| KeyError::Generation)?.as_ref())
        }
        Some(Scheme::Ed25519) => {
            let pair = signature::Ed25519KeyPair::generate().map_err(|_| KeyError::Generation)?;
            let seed = pair.seed().map_err(|_| KeyError::Generation)?;
            let seed: Curve25519SeedBin<'_> = seed.as_be_bytes().map_err(|_| KeyError::Generation)?;
            with_ed25519_public(&Ed25519PrivateKey::new(seed.as_ref())?, &pair)
        }
        None => Err(KeyError::UnsupportedByBackend),
    }
}

pub(crate) fn complete(key: &PrivateKey) -> Result<PrivateKey, KeyError> {
    match key {
        PrivateKey::Ed25519(key) if key.public().is_none() => {
            let pair = signature::Ed25519KeyPair::from_seed_unchecked(key.seed())
                .map_err(|_| KeyError::Inconsistent)?;
            with_ed25519_public(key, &pair)
        }
        PrivateKey::Ec(key) if key.public().is_none() => with_ec_public(key),
        PrivateKey::Secret(_) | PrivateKey::Rsa(_) | PrivateKey::Ec(_) | PrivateKey::Ed25519(_) | _ => {
            Ok(key.clone())
        }
    }
}

fn with_ed25519_public(
    key: &Ed25519PrivateKey,
    pair: &signature::Ed25519KeyPair,
) -> Result<PrivateKey, KeyError> {
    let public = Ed25519PublicKey::new(pair.public_key().as_ref())?;
    key.clone().with_public(public).map(PrivateKey::Ed25519)
}

fn with_ec_public(key: &EcPrivateKey) -> Result<PrivateKey, KeyError> {
    let signing = match key.curve() {
        Curve::P256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
        _ => return Err(KeyError::UnsupportedByBackend),
    };
    let der = PrivateKey::Ec(key.clone()).to_pkcs8_der()?;
    let pair =
        signature::EcdsaKeyPair::from_pkcs8(signing, der.expose()).map_err(|_| KeyError::Inconsistent)?;
    let public = EcPublicKey::from_uncompressed(key.curve(), pair.public_key().as_ref())?;
    key.clone().with_public(public).map(PrivateKey::Ec)
}

fn read(der: &[u8]) -> Result<PrivateKey, KeyError> {
    PrivateKey::from_der(der).map_err(|_| KeyError::Generation)
}
