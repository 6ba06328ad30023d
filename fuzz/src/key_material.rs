//! Keys in each of their encodings.

use std::sync::LazyLock;

use grantry::core::base64url;
use grantry::jwt::{
    Algorithm, Curve, JwkSet, KeyType, PrivateKey, PublicKey, SigningKey, VerifyingKey, verify_jws,
};

use crate::edit::{edited, text};
use crate::key_set::assert_published;
use crate::keys::{key_file, private_key};

const KEY_TYPES: [KeyType; 5] = [
    KeyType::Rsa,
    KeyType::Ec(Curve::P256),
    KeyType::Ec(Curve::P384),
    KeyType::Ec(Curve::P521),
    KeyType::Ed25519,
];

/// Private and public keys, and the other encodings that OpenSSL has for them.
static PEMS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let others = [
        key_file!("rsa-2048.pkcs1.pem"),
        key_file!("rsa-2048.pkcs1-public.pem"),
        key_file!("p-256.sec1.pem"),
        key_file!("p-256-no-public.sec1.pem"),
        key_file!("p-521.sec1.pem"),
        key_file!("p-256.spki.pem"),
        key_file!("p-521.spki.pem"),
        key_file!("ed25519.spki.pem"),
        key_file!("rsa-2048.spki.pem"),
    ];
    let private =
        KEY_TYPES.iter().map(|key_type| private_key(*key_type).to_pem().unwrap().expose().to_owned());
    private.chain(others.map(str::to_owned)).collect()
});

static DERS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let standard = |pem: &String| pem.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let url = |text: String| text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    PEMS.iter().map(|pem| base64url::decode(url(standard(pem))).unwrap()).collect()
});

/// A JWK that is read, public or private, is written in every encoding as what reads as the same key; a
/// private one signs what its public half verifies, and no `Debug` shows a number.
pub fn key_jwk(data: &[u8]) {
    if let Ok(key) = PublicKey::from_jwk(data) {
        assert_public(&key);
    }
    if let Ok(key) = PrivateKey::from_jwk(data) {
        assert_private(&key);
    }
    if let Ok(key) = SigningKey::from_jwk(data) {
        assert_signs(&key);
    }
    let _ = VerifyingKey::from_jwk(data).map(|key| assert_published(&JwkSet::from_keys([key])));
}

/// DER has one form of each key but for what PKCS#8 and SEC 1 may leave out or add: a key that is read is
/// written as the very bytes, and keeps what [`key_jwk`] asserts.
pub fn key_der(data: &[u8]) {
    assert_der(data);
    if let Some((choice, script)) = data.split_first() {
        assert_der(&edited(&DERS[usize::from(*choice) % DERS.len()], script));
    }
}

fn assert_der(der: &[u8]) {
    if let Ok(key) = PublicKey::from_der(der) {
        let spki = key.to_spki_der();
        // PKCS#1 is the last part of SPKI.
        assert!(spki == der || matches!(key, PublicKey::Rsa(_)) && spki.ends_with(der), "another DER");
        assert_public(&key);
    }
    if let Ok(key) = PrivateKey::from_der(der) {
        let pkcs8 = key.to_pkcs8_der().expect("no shared secret");
        let is_canonical = match &key {
            PrivateKey::Rsa(key) => pkcs8.expose() == der || key.to_pkcs1_der().expose() == der,
            _ => pkcs8.expose() == der,
        };
        assert!(is_canonical || has_optional_parts(der), "another DER");
        assert_private(&key);
    }
}

/// Tells whether a private key is SEC 1, or PKCS#8 with attributes, with the public key of its second
/// version, or with the curve written twice.
fn has_optional_parts(der: &[u8]) -> bool {
    const OCTET_STRING: u8 = 0x04;
    let outer = values(values(der)[0].1);
    if outer[1].0 == OCTET_STRING || outer.len() > 3 {
        return true;
    }
    let inner = values(outer[2].1);
    matches!(inner[..], [(0x30, key)] if values(key).iter().any(|(tag, _)| *tag == 0xa0))
}

/// Reads the tags and contents of values that stand side by side.
fn values(mut der: &[u8]) -> Vec<(u8, &[u8])> {
    let mut values = Vec::new();
    while let [tag, length, rest @ ..] = der {
        let octets = usize::from(length.saturating_sub(0x80));
        let long = rest[..octets].iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
        let length = if octets == 0 { usize::from(*length) } else { long };
        values.push((*tag, &rest[octets..octets + length]));
        der = &rest[octets + length..];
    }
    values
}

/// A PEM text is read as the DER inside it is and no label stands for another kind of key; what is written
/// reads as the same key.
pub fn key_pem(data: &[u8]) {
    assert_pem(&text(data));
    if let Some((choice, script)) = data.split_first() {
        let original = &PEMS[usize::from(*choice) % PEMS.len()];
        assert_pem(&text(&edited(original.as_bytes(), script)));
    }
}

fn assert_pem(pem: &str) {
    let public = PublicKey::from_pem(pem);
    if let Ok(key) = &public {
        assert!(
            pem.starts_with("-----BEGIN PUBLIC KEY-----")
                || pem.starts_with("-----BEGIN RSA PUBLIC KEY-----")
        );
        // As OpenSSL writes it, but for the end of the lines.
        let unix = pem.replace("\r\n", "\n");
        assert!(key.to_pem().trim_end() == unix.trim_end() || pem.contains("RSA PUBLIC KEY"), "another PEM");
        assert_public(key);
    }
    if let Ok(key) = PrivateKey::from_pem(pem) {
        assert!(public.is_err(), "a private key is read as a public one");
        assert!(pem.contains("PRIVATE KEY-----") && !pem.contains("ENCRYPTED"));
        assert_private(&key);
    }
}

fn assert_public(key: &PublicKey) {
    assert_eq!(PublicKey::from_jwk(key.to_jwk().as_bytes()).as_ref(), Ok(key));
    assert_eq!(PublicKey::from_der(&key.to_spki_der()).as_ref(), Ok(key));
    assert_eq!(PublicKey::from_pem(&key.to_pem()).as_ref(), Ok(key));
    assert_eq!(serde_json::to_string(key).unwrap(), key.to_jwk());
    assert_eq!(key.thumbprint(), base64url::encode(Algorithm::Hs256.digest(key.to_jwk().as_bytes())));
    for algorithm in Algorithm::ALL {
        if let Ok(prepared) = VerifyingKey::new(*algorithm, key) {
            assert_eq!(algorithm.key_type(), key.key_type());
            assert_eq!(prepared.public_key(), Some(key));
            assert_published(&JwkSet::from_keys([prepared]));
        }
    }
}

fn assert_private(key: &PrivateKey) {
    let shown = ["Secret(SecretKey)", "Rsa(RsaPrivateKey)", "Ec(EcPrivateKey)", "Ed25519(Ed25519PrivateKey)"];
    assert!(shown.contains(&format!("{key:?}").as_str()), "{key:?}");
    if let Some(public) = key.public_key() {
        assert_public(&public);
        assert_eq!(public.key_type(), key.key_type());
    }
    if let Ok(jwk) = key.to_jwk() {
        let again = PrivateKey::from_jwk(jwk.expose().as_bytes()).expect("a JWK that was written");
        assert_eq!(again.to_jwk().unwrap().expose(), jwk.expose());
        assert_eq!(again.public_key(), key.public_key());
    }
    if let (Ok(der), Ok(pem)) = (key.to_pkcs8_der(), key.to_pem()) {
        for again in [PrivateKey::from_der(der.expose()), PrivateKey::from_pem(pem.expose())] {
            let again = again.expect("an encoding that was written");
            assert_eq!(again.to_pkcs8_der().unwrap().expose(), der.expose());
            assert_eq!(again.to_pem().unwrap().expose(), pem.expose());
        }
    }
    for algorithm in Algorithm::ALL {
        if let Ok(prepared) = SigningKey::new(*algorithm, key) {
            assert_eq!(algorithm.key_type(), key.key_type());
            let public = prepared.verifying_key().public_key().cloned();
            assert!(key.public_key().is_none_or(|known| public == Some(known)), "another public half");
            assert_signs(&prepared);
        }
    }
}

fn assert_signs(key: &SigningKey) {
    assert!(format!("{key:?}").starts_with("SigningKey { algorithm: "));
    let set = JwkSet::from_keys([key.verifying_key()]);
    // A backend that finds its key faulty signs nothing.
    if let Ok(token) = key.sign(None, b"payload") {
        let verified = verify_jws(&token, &set, &[key.algorithm()]).expect("its own signature");
        assert_eq!(verified.payload(), b"payload");
    }
    assert_published(&set);
}
