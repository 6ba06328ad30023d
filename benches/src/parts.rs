//! What no verification or signature can do without, on keys prepared once.

use core::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantry::jwt::PrivateKey;
use ring::{hmac, rand, rsa, signature};

use crate::BorrowedAccessToken;
use crate::token::{HMAC_SECRET, RSA_PEM};

/// The parts of a token, and the keys of `ring` and AWS-LC.
pub struct Parts {
    signing_input: String,
    payload: String,
    signature: String,
    decoded_signature: Vec<u8>,
    hmac: hmac::Key,
    rsa: rsa::KeyPair,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
    aws_lc: aws_lc_rs::rsa::KeyPair,
    buffer: RefCell<Vec<u8>>,
}

impl core::fmt::Debug for Parts {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Parts")
    }
}

impl Parts {
    /// Takes a token apart.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let (signing_input, signature) = token.rsplit_once('.').expect("a token");
        let (_, payload) = signing_input.split_once('.').expect("a token");
        let PrivateKey::Rsa(key) = PrivateKey::from_pem(RSA_PEM).expect("a good key") else {
            unreachable!("the key is RSA")
        };
        let der = key.to_pkcs1_der();
        Self {
            signing_input: signing_input.into(),
            payload: payload.into(),
            signature: signature.into(),
            decoded_signature: URL_SAFE_NO_PAD.decode(signature).expect("a signature"),
            hmac: hmac::Key::new(hmac::HMAC_SHA256, &HMAC_SECRET),
            rsa: rsa::KeyPair::from_der(der.expose()).expect("a good key"),
            modulus: key.public().modulus().to_vec(),
            exponent: key.public().exponent().to_vec(),
            aws_lc: aws_lc_rs::rsa::KeyPair::from_der(der.expose()).expect("a good key"),
            buffer: RefCell::new(vec![0; 4096]),
        }
    }

    /// The MAC, the base64url of payload and signature, and one parse of the payload; no check of the
    /// claims, and nothing of the header.
    pub fn hs256_verification<R>(&self, read: impl FnOnce(&BorrowedAccessToken<'_>) -> R) -> R {
        let mut buffer = self.buffer.borrow_mut();
        let (payload, signature) = buffer.split_at_mut(3072);
        let decode =
            |text: &str, place: &mut [u8]| URL_SAFE_NO_PAD.decode_slice(text, place).expect("base64url");
        let length = decode(&self.signature, signature);
        let signature = signature.get(..length).expect("a signature");
        hmac::verify(&self.hmac, self.signing_input.as_bytes(), signature).expect("a good MAC");
        let length = decode(&self.payload, payload);
        let payload = payload.get(..length).expect("a payload");
        read(&serde_json::from_slice(payload).expect("claims"))
    }

    /// The RSA verification of `ring` alone.
    pub fn ring_verification(&self) {
        let key = signature::RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent };
        key.verify(
            &signature::RSA_PKCS1_2048_8192_SHA256,
            self.signing_input.as_bytes(),
            &self.decoded_signature,
        )
        .expect("a good signature");
    }

    /// The RSA signature of `ring` alone.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a bench signs with the backend itself")]
    pub fn ring_signature(&self) -> Vec<u8> {
        let mut made = vec![0; self.rsa.public().modulus_len()];
        let random = rand::SystemRandom::new();
        self.rsa
            .sign(&signature::RSA_PKCS1_SHA256, &random, self.signing_input.as_bytes(), &mut made)
            .expect("a signature");
        made
    }

    /// The RSA signature of AWS-LC alone.
    #[must_use]
    pub fn aws_lc_signature(&self) -> Vec<u8> {
        let mut made = vec![0; self.aws_lc.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        self.aws_lc
            .sign(&aws_lc_rs::signature::RSA_PKCS1_SHA256, &random, self.signing_input.as_bytes(), &mut made)
            .expect("a signature");
        made
    }
}
