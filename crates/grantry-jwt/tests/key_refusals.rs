//! Keys in PEM and DER that are not read, and the rule that each one breaks.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grantry_core::base64url;
use grantry_jwt::{Curve, EcPublicKey, KeyError, PrivateKey, PublicKey};
use serde_json::Value;

const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The private and the public keys of the fixtures in every DER encoding.
const PRIVATE: [&str; 9] = [
    include_str!("keys/rsa-2048.pkcs8.pem"),
    include_str!("keys/p-256.pkcs8.pem"),
    include_str!("keys/p-384.pkcs8.pem"),
    include_str!("keys/p-521.pkcs8.pem"),
    include_str!("keys/ed25519.pkcs8.pem"),
    include_str!("keys/rsa-2048.pkcs1.pem"),
    include_str!("keys/p-256.sec1.pem"),
    include_str!("keys/p-384.sec1.pem"),
    include_str!("keys/p-521.sec1.pem"),
];
const PUBLIC: [&str; 6] = [
    include_str!("keys/rsa-2048.spki.pem"),
    include_str!("keys/p-256.spki.pem"),
    include_str!("keys/p-384.spki.pem"),
    include_str!("keys/p-521.spki.pem"),
    include_str!("keys/ed25519.spki.pem"),
    include_str!("keys/rsa-2048.pkcs1-public.pem"),
];

fn der(pem: &str) -> Vec<u8> {
    let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(lines).unwrap()
}

/// Writes one DER value of less than 64 KiB.
fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match content.len() {
        0..128 => vec![tag, low],
        128..256 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, content].concat()
}

fn number(bytes: &[u8]) -> Vec<u8> {
    if bytes[0] < 0x80 { value(2, &[bytes]) } else { value(2, &[&[0], bytes]) }
}

fn algorithm(name: &[u8], parameters: &[u8]) -> Vec<u8> {
    value(0x30, &[&value(6, &[name]), parameters])
}

fn private(der: &[u8]) -> KeyError {
    PrivateKey::from_der(der).unwrap_err()
}

fn public(der: &[u8]) -> KeyError {
    PublicKey::from_der(der).unwrap_err()
}

#[test]
fn what_openssl_writes_and_nobody_should_use_here_is_named() {
    for (pem, error) in [
        (include_str!("keys/rsa-pss.pkcs8.pem"), KeyError::UnsupportedKeyType),
        (include_str!("keys/secp256k1.pkcs8.pem"), KeyError::UnsupportedCurve),
        (include_str!("keys/secp256k1.sec1.pem"), KeyError::UnsupportedCurve),
        (include_str!("keys/p-256-explicit.sec1.pem"), KeyError::UnsupportedCurve),
        (include_str!("keys/x25519.pkcs8.pem"), KeyError::UnsupportedCurve),
        (include_str!("keys/ed448.pkcs8.pem"), KeyError::UnsupportedCurve),
        (include_str!("keys/rsa-3-primes.pkcs1.pem"), KeyError::MultiPrime),
        (include_str!("keys/rsa-3-primes.pkcs8.pem"), KeyError::MultiPrime),
        (include_str!("keys/p-256-encrypted.pkcs8.pem"), KeyError::Encrypted),
        (include_str!("keys/p-256-encrypted.sec1.pem"), KeyError::Encrypted),
        (include_str!("keys/p-256.certificate.pem"), KeyError::Certificate),
        (include_str!("keys/p-256.spki.pem"), KeyError::PemLabel),
        (include_str!("keys/rsa-2048.pkcs1-public.pem"), KeyError::PemLabel),
    ] {
        assert_eq!(PrivateKey::from_pem(pem).unwrap_err(), error, "{pem}");
    }
    for (pem, error) in [
        (include_str!("keys/rsa-pss.spki.pem"), KeyError::UnsupportedKeyType),
        (include_str!("keys/secp256k1.spki.pem"), KeyError::UnsupportedCurve),
        (include_str!("keys/p-256-explicit.spki.pem"), KeyError::UnsupportedCurve),
        (include_str!("keys/p-256-compressed.spki.pem"), KeyError::PointFormat),
        (include_str!("keys/x25519.spki.pem"), KeyError::UnsupportedCurve),
        (include_str!("keys/ed448.spki.pem"), KeyError::UnsupportedCurve),
        (include_str!("keys/p-256.certificate.pem"), KeyError::Certificate),
        (include_str!("keys/p-256.pkcs8.pem"), KeyError::PemLabel),
        (include_str!("keys/p-256.sec1.pem"), KeyError::PemLabel),
        (include_str!("keys/rsa-2048.pkcs1.pem"), KeyError::PemLabel),
    ] {
        assert_eq!(PublicKey::from_pem(pem).unwrap_err(), error, "{pem}");
    }
}

#[test]
fn rfc7468_3_what_other_tools_put_around_a_key_is_told() {
    let pem = include_str!("keys/p-256.pkcs8.pem");
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let around = [
        format!("{parameters}{pem}"),
        format!("Bag Attributes\n    localKeyID: 01\n{pem}"),
        format!("{pem}{}", include_str!("keys/p-256.certificate.pem")),
        format!("\u{feff}{pem}"),
        format!("\n{pem}"),
        format!("{pem}\n"),
        pem.replace('\n', "\\n"),
    ];
    let openssh = pem.replace(" PRIVATE", " OPENSSH PRIVATE");
    let told = |pem: &str| PrivateKey::from_pem(pem).unwrap_err().to_string();
    for pem in &around {
        assert_eq!(
            told(pem),
            "not one strict PEM block with nothing around it (RFC 7468 section 3)",
            "{pem}"
        );
    }
    let other = "the label of the PEM block is that of another kind of key or encoding (RFC 7468 section 4)";
    assert_eq!(told(&openssh), other);
    assert_eq!(told(include_str!("keys/p-256.spki.pem")), other);
}

#[test]
fn rfc7468_4_the_label_has_to_tell_the_truth() {
    let labels = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "PUBLIC KEY", "RSA PUBLIC KEY"];
    for pem in PRIVATE.iter().chain(&PUBLIC) {
        let true_label = pem.lines().next().unwrap().trim_matches('-').trim_start_matches("BEGIN ");
        for label in labels.iter().filter(|label| **label != true_label) {
            let pem = pem.replace(&format!(" {true_label}-"), &format!(" {label}-"));
            let error = if label.contains("PRIVATE") {
                PrivateKey::from_pem(&pem).unwrap_err()
            } else {
                PublicKey::from_pem(&pem).unwrap_err()
            };
            assert_eq!(error, KeyError::Der, "{label} for {true_label}");
        }
    }
}

#[test]
fn a_private_key_is_no_public_one_and_the_other_way_round() {
    for pem in PRIVATE {
        assert_eq!(public(&der(pem)), KeyError::Der);
    }
    for pem in PUBLIC {
        assert_eq!(private(&der(pem)), KeyError::Der);
    }
}

#[test]
fn a_key_that_is_cut_or_continued_is_refused() {
    for der in PRIVATE.map(der) {
        for length in 0..der.len() {
            assert_eq!(private(&der[..length]), KeyError::Der, "{length}");
        }
        assert_eq!(private(&[&*der, &[0]].concat()), KeyError::Der);
        assert_eq!(private(&[&*der, &[0; 16 * 1024]].concat()), KeyError::TooLong);
    }
    for der in PUBLIC.map(der) {
        for length in 0..der.len() {
            assert_eq!(public(&der[..length]), KeyError::Der, "{length}");
        }
        assert_eq!(public(&[&*der, &[0]].concat()), KeyError::Der);
        assert_eq!(public(&[&*der, &[0; 16 * 1024]].concat()), KeyError::TooLong);
    }
}

/// One key has one encoding: whatever bit is flipped, what is still read is written as it was.
#[test]
fn x690_10_a_flipped_bit_is_refused_or_another_key() {
    let flipped = |der: Vec<u8>| {
        (0..der.len() * 8).map(move |bit| {
            let mut der = der.clone();
            der[bit / 8] ^= 1 << (bit % 8);
            der
        })
    };
    for der in PRIVATE.map(der) {
        let is_pkcs8 = PrivateKey::from_der(&der).unwrap().to_pkcs8_der().unwrap().expose() == der;
        for der in flipped(der) {
            if let Ok(key) = PrivateKey::from_der(&der) {
                assert_eq!(key.to_pkcs8_der().unwrap().expose() == der, is_pkcs8);
            }
        }
    }
    for der in PUBLIC.map(der) {
        let is_spki = PublicKey::from_der(&der).unwrap().to_spki_der() == der;
        for der in flipped(der) {
            if let Ok(key) = PublicKey::from_der(&der) {
                assert_eq!(key.to_spki_der() == der, is_spki);
            }
        }
    }
}

/// The base point of P-256 (FIPS 186-4 appendix D.1.2.3), uncompressed.
fn point() -> Vec<u8> {
    base64url::decode(
        "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
    )
    .unwrap()
}

/// Its negative.
fn other_point() -> Vec<u8> {
    base64url::decode(
        "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWsBy9HAHlgGVxGBS1g_Bh6dQxzKmUzqExNEm_l8hArgo",
    )
    .unwrap()
}

#[test]
fn rfc3279_2_3_1_and_rfc8410_3_the_parameters_are_exact() {
    let spki = |algorithm: &[u8], key: &[u8]| value(0x30, &[algorithm, &value(3, &[&[0], key])]);
    let rsa = der(include_str!("keys/rsa-2048.pkcs1-public.pem"));
    assert!(PublicKey::from_der(&spki(&algorithm(RSA_ENCRYPTION, &[5, 0]), &rsa)).is_ok());
    for parameters in [&[][..], &[5, 1, 0], &[5, 0, 5, 0], &[0x30, 0]] {
        assert_eq!(public(&spki(&algorithm(RSA_ENCRYPTION, parameters), &rsa)), KeyError::Der);
    }
    assert!(PublicKey::from_der(&spki(&algorithm(ED25519, &[]), &[7; 32])).is_ok());
    assert_eq!(public(&spki(&algorithm(ED25519, &[5, 0]), &[7; 32])), KeyError::Der);
    for length in [0, 31, 33] {
        assert_eq!(public(&spki(&algorithm(ED25519, &[]), &vec![7; length])), KeyError::CurveLength);
    }
    let point = point();
    let ec = |parameters: &[u8]| spki(&algorithm(EC_PUBLIC_KEY, parameters), &point);
    assert!(PublicKey::from_der(&ec(&value(6, &[P256]))).is_ok());
    assert_eq!(public(&ec(&value(6, &[P384]))), KeyError::CurveLength);
    assert_eq!(public(&ec(&[])), KeyError::Der);
    // RFC 5480 section 2.1.1: implicitCurve and specifiedCurve are not used.
    assert_eq!(public(&ec(&[5, 0])), KeyError::UnsupportedCurve);
    assert_eq!(public(&ec(&[0x30, 0])), KeyError::UnsupportedCurve);
    assert_eq!(public(&ec(&[value(6, &[P256]), vec![5, 0]].concat())), KeyError::Der);
    // DSA.
    let dsa = algorithm(&[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01], &[]);
    assert_eq!(public(&spki(&dsa, &[])), KeyError::UnsupportedKeyType);
    // Unused bits, and something after the key.
    let ed25519 = algorithm(ED25519, &[]);
    assert_eq!(public(&value(0x30, &[&ed25519, &value(3, &[&[1], &[6; 32]])])), KeyError::Der);
    assert_eq!(public(&value(0x30, &[&ed25519, &value(3, &[&[0], &[6; 32]]), &[5, 0]])), KeyError::Der);
}

#[test]
fn rfc5958_2_the_second_version_has_the_public_key_and_it_fits() {
    let pkcs8 = |version: u8, algorithm: &[u8], key: &[u8], rest: &[&[u8]]| {
        value(0x30, &[&value(2, &[&[version]]), algorithm, &value(4, &[key]), &rest.concat()])
    };
    let ed25519 =
        |version, rest: &[&[u8]]| pkcs8(version, &algorithm(ED25519, &[]), &value(4, &[&[7; 32]]), rest);
    let public_key = value(0x81, &[&[0], &[9; 32]]);
    let PrivateKey::Ed25519(key) = PrivateKey::from_der(&ed25519(1, &[&public_key])).unwrap() else {
        panic!("no Ed25519 key")
    };
    assert_eq!(key.seed(), &[7; 32]);
    assert_eq!(key.public().unwrap().as_bytes(), &[9; 32]);
    let attributes = value(0xa0, &[&[0x30, 0]]);
    assert!(PrivateKey::from_der(&ed25519(0, &[&attributes])).is_ok());
    assert!(PrivateKey::from_der(&ed25519(1, &[&attributes, &public_key])).is_ok());
    for (version, rest) in [
        (0, &[&*public_key][..]),
        (1, &[]),
        (1, &[&attributes]),
        (2, &[&public_key]),
        (1, &[&public_key, &attributes]),
        (1, &[&public_key, &public_key]),
        (0, &[&attributes, &attributes]),
        (1, &[&value(0x81, &[&[1], &[8; 32]])]),
        // An explicit tag, as some writers had it by mistake.
        (1, &[&value(0xa1, &[&value(3, &[&[0], &[9; 32]])])]),
    ] {
        assert_eq!(private(&ed25519(version, rest)), KeyError::Der, "{version} {rest:?}");
    }
    for length in [0, 31, 33] {
        let short = pkcs8(0, &algorithm(ED25519, &[]), &value(4, &[&vec![7; length]]), &[]);
        assert_eq!(private(&short), KeyError::CurveLength);
        assert_eq!(private(&ed25519(1, &[&value(0x81, &[&[0], &vec![9; length]])])), KeyError::CurveLength);
    }
    assert_eq!(private(&pkcs8(0, &algorithm(ED25519, &[]), &[7; 32], &[])), KeyError::Der);

    let rsa = der(include_str!("keys/rsa-2048.pkcs1.pem"));
    let rsa =
        |bits: &[u8]| pkcs8(1, &algorithm(RSA_ENCRYPTION, &[5, 0]), &rsa, &[&value(0x81, &[&[0], bits])]);
    assert!(PrivateKey::from_der(&rsa(&der(include_str!("keys/rsa-2048.pkcs1-public.pem")))).is_ok());
    let other = der(include_str!("keys/rsa-3072.pkcs1-public.pem"));
    assert_eq!(private(&rsa(&other)), KeyError::Inconsistent);
}

#[test]
fn rfc5915_3_sec1_names_one_curve_and_one_point() {
    let (scalar, point) = (value(4, &[&[7; 32]]), point());
    let curve = |name: &[u8]| value(0xa0, &[&value(6, &[name])]);
    let bits = |point: &[u8]| value(0xa1, &[&value(3, &[&[0], point])]);
    let sec1 = |parts: &[&[u8]]| value(0x30, &[&[2, 1, 1], &parts.concat()]);
    let whole = sec1(&[&scalar, &curve(P256), &bits(&point)]);
    let PrivateKey::Ec(key) = PrivateKey::from_der(&whole).unwrap() else { panic!("no EC key") };
    assert_eq!((key.curve(), key.scalar()), (Curve::P256, &[7; 32][..]));

    for (parts, error) in [
        (&[&*scalar][..], KeyError::Der),
        (&[&scalar, &bits(&point)], KeyError::Der),
        (&[&scalar, &bits(&point), &curve(P256)], KeyError::Der),
        (&[&scalar, &curve(P256), &bits(&point), &[5, 0]], KeyError::Der),
        (&[&scalar, &curve(P256), &value(0xa1, &[&value(3, &[&[1], &point])])], KeyError::Der),
        (&[&scalar, &curve(P256), &value(0xa1, &[&value(3, &[&[0], &point]), &[5, 0]])], KeyError::Der),
        (&[&scalar, &value(0xa0, &[&value(6, &[P256]), &[5, 0]]), &bits(&point)], KeyError::Der),
        (&[&scalar, &curve(P384)], KeyError::CurveLength),
        (&[&value(4, &[&[7; 31]]), &curve(P256)], KeyError::CurveLength),
        (&[&value(4, &[&[7; 33]]), &curve(P256)], KeyError::CurveLength),
        (&[&value(4, &[&[0; 32]]), &curve(P256)], KeyError::ZeroScalar),
        (&[&scalar, &curve(P256), &bits(&[])], KeyError::PointFormat),
        (&[&scalar, &curve(P256), &bits(&[0])], KeyError::PointFormat),
        (&[&scalar, &curve(P256), &bits(&[&[2][..], &[9; 32]].concat())], KeyError::PointFormat),
        (&[&scalar, &curve(P256), &bits(&point[..64])], KeyError::CurveLength),
        (&[&scalar, &curve(P256), &bits(&[4])], KeyError::CurveLength),
    ] {
        assert_eq!(private(&sec1(parts)), error, "{parts:?}");
    }
    assert_eq!(private(&value(0x30, &[&[2, 1, 0], &scalar, &curve(P256)])), KeyError::Der);

    let pkcs8 = |key: &[u8], rest: &[u8], version: u8| {
        let algorithm = algorithm(EC_PUBLIC_KEY, &value(6, &[P256]));
        value(0x30, &[&[2, 1, version], &algorithm, &value(4, &[key]), rest])
    };
    assert!(PrivateKey::from_der(&pkcs8(&whole, &[], 0)).is_ok());
    assert_eq!(private(&pkcs8(&sec1(&[&scalar, &curve(P384)]), &[], 0)), KeyError::Inconsistent);
    // RFC 5958 section 2: the point may stand inside, outside, or twice.
    let outside = |point: &[u8]| value(0x81, &[&[0], point]);
    assert!(PrivateKey::from_der(&pkcs8(&whole, &outside(&point), 1)).is_ok());
    let other = other_point();
    assert_eq!(private(&pkcs8(&whole, &outside(&other), 1)), KeyError::Inconsistent);
    let key = PrivateKey::from_der(&pkcs8(&sec1(&[&scalar]), &outside(&other), 1)).unwrap();
    assert_eq!(key.public_key(), EcPublicKey::from_uncompressed(Curve::P256, &other).ok().map(PublicKey::Ec));
}

#[test]
fn rfc8017_a_1_the_numbers_of_pkcs1_are_positive_and_minimal() {
    let jwk: Value = serde_json::from_str(include_str!("keys/rsa-2048.jwk.json")).unwrap();
    let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
    let bytes = names.map(|name| common::bytes(&jwk, name));
    let good = bytes.clone().map(|bytes| number(&bytes));
    let pkcs1 = |version: u8, numbers: &[Vec<u8>]| value(0x30, &[&[2, 1, version], &numbers.concat()]);
    assert!(PrivateKey::from_der(&pkcs1(0, &good)).is_ok());
    assert_eq!(private(&pkcs1(1, &good)), KeyError::MultiPrime);
    assert_eq!(private(&pkcs1(2, &good)), KeyError::Der);
    assert_eq!(private(&pkcs1(0, &good[..7])), KeyError::Der);
    for (index, bytes) in bytes.iter().enumerate() {
        let negative = [&[0x80 | bytes[0]], &bytes[1..]].concat();
        for bad in [value(2, &[&[0, 0], bytes]), value(2, &[&negative]), value(2, &[&[0]]), value(2, &[])] {
            let mut numbers = good.clone();
            numbers[index] = bad;
            assert_eq!(private(&pkcs1(0, &numbers)), KeyError::Der, "{}", names[index]);
            if index < 2 {
                assert_eq!(public(&value(0x30, &[&numbers[..2].concat()])), KeyError::Der);
            }
        }
    }
    assert_eq!(public(&value(0x30, &[&good[..3].concat()])), KeyError::Der);
}

#[test]
fn rfc7518_3_3_the_public_numbers_of_pkcs1_are_bounded() {
    let modulus = |length: usize| [&vec![0xff; length - 1][..], &[0xfd]].concat();
    let pkcs1 = |modulus: &[u8], exponent| value(0x30, &[&number(modulus), &number(exponent)]);
    assert_eq!(public(&pkcs1(&modulus(128), &[3])), KeyError::Modulus);
    for exponent in [&[1][..], &[2], &[2, 0, 0, 0, 1], &[0x7f; 512]] {
        assert_eq!(public(&pkcs1(&modulus(256), exponent)), KeyError::Exponent);
    }
}
