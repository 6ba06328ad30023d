//! JWKs that are not read, and the rule that each one breaks.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use grantry_core::base64url;
use grantry_jwt::{
    Curve, EcPrivateKey, EcPublicKey, Ed25519PrivateKey, Ed25519PublicKey, KeyError, PrivateKey, PublicKey,
    RsaPublicKey,
};
use serde_json::{Value, json};

fn with(jwk: &str, member: &str, value: Value) -> Vec<u8> {
    let mut jwk: Value = serde_json::from_str(jwk).unwrap();
    jwk[member] = value;
    jwk.to_string().into_bytes()
}

fn without(jwk: &str, member: &str) -> Vec<u8> {
    let mut jwk: Value = serde_json::from_str(jwk).unwrap();
    jwk.as_object_mut().unwrap().remove(member);
    jwk.to_string().into_bytes()
}

fn private_jwk(jwk: &[u8]) -> KeyError {
    PrivateKey::from_jwk(jwk).unwrap_err()
}

fn public_jwk(jwk: &[u8]) -> KeyError {
    PublicKey::from_jwk(jwk).unwrap_err()
}

const RSA_JWK: &str = include_str!("keys/rsa-2048.jwk.json");
const EC_JWKS: [&str; 3] = [
    include_str!("keys/p-256.jwk.json"),
    include_str!("keys/p-384.jwk.json"),
    include_str!("keys/p-521.jwk.json"),
];
const OKP_JWK: &str = include_str!("keys/ed25519.jwk.json");
const OCT_JWK: &str = r#"{"kty":"oct","k":"AAEC"}"#;

#[test]
fn rfc7518_6_every_member_of_the_key_type_is_there_and_a_text() {
    let kinds = [
        (RSA_JWK, &["kty", "n", "e"][..], &["d", "p", "q", "dp", "dq", "qi"][..]),
        (EC_JWKS[0], &["kty", "crv", "x", "y"], &["d"]),
        (OKP_JWK, &["kty", "crv", "x"], &["d"]),
        (OCT_JWK, &["kty"], &["k"]),
    ];
    for (jwk, public_members, private_members) in kinds {
        for member in public_members.iter().chain(private_members) {
            assert_eq!(private_jwk(&without(jwk, member)), KeyError::MissingMember, "{member}");
            for value in [Value::Null, json!(7), json!([]), json!({})] {
                assert_eq!(private_jwk(&with(jwk, member, value)), KeyError::MalformedMember, "{member}");
            }
            if !["kty", "crv"].contains(member) {
                for value in ["AQ==", "A", "AQ ", "+/8", "AR"] {
                    let refused = private_jwk(&with(jwk, member, json!(value)));
                    assert_eq!(refused, KeyError::MalformedMember, "{member} {value}");
                }
            }
        }
        if jwk != OCT_JWK {
            for member in public_members {
                assert_eq!(public_jwk(&without(jwk, member)), KeyError::MissingMember, "{member}");
            }
            // RFC 7517 section 4: a private JWK is read as its public half, whatever its private members are.
            assert!(PublicKey::from_jwk(&with(jwk, "d", Value::Null)).is_ok());
        }
    }
    for kty in ["EC2", "rsa", "ec", "Oct", "AKP", ""] {
        assert_eq!(private_jwk(&with(RSA_JWK, "kty", json!(kty))), KeyError::UnsupportedKeyType);
        assert_eq!(public_jwk(&with(RSA_JWK, "kty", json!(kty))), KeyError::UnsupportedKeyType);
    }
    assert_eq!(public_jwk(b"[]"), KeyError::Json);
    assert_eq!(public_jwk(br#"{"kty":"RSA","kty":"RSA"}"#), KeyError::Json);
    assert_eq!(public_jwk(&with(RSA_JWK, "x5c", json!("A".repeat(32 * 1024)))), KeyError::TooLong);
}

#[test]
fn rfc7518_6_2_1_2_coordinates_and_scalars_have_the_exact_length() {
    for (jwk, length) in EC_JWKS.into_iter().zip([32, 48, 66]) {
        for member in ["x", "y", "d"] {
            for wrong in [0, 1, length - 1, length + 1, 2 * length] {
                let jwk = with(jwk, member, json!(base64url::encode(vec![1; wrong])));
                assert_eq!(private_jwk(&jwk), KeyError::CurveLength, "{member} {wrong}");
                if member != "d" {
                    assert_eq!(public_jwk(&jwk), KeyError::CurveLength, "{member} {wrong}");
                }
            }
        }
        let zero = with(jwk, "d", json!(base64url::encode(vec![0; length])));
        assert_eq!(private_jwk(&zero), KeyError::ZeroScalar);
    }
    for member in ["x", "d"] {
        for wrong in [0, 31, 33] {
            let jwk = with(OKP_JWK, member, json!(base64url::encode(vec![1; wrong])));
            assert_eq!(private_jwk(&jwk), KeyError::CurveLength, "{member} {wrong}");
        }
    }
    assert_eq!(EcPublicKey::new(Curve::P256, &[1; 32], &[1; 31]), Err(KeyError::CurveLength));
    assert_eq!(EcPrivateKey::new(Curve::P256, &[1; 31]).unwrap_err(), KeyError::CurveLength);
    assert_eq!(Ed25519PublicKey::new(&[1; 33]), Err(KeyError::CurveLength));
    assert_eq!(Ed25519PrivateKey::new(&[1; 31]).unwrap_err(), KeyError::CurveLength);
}

#[test]
fn rfc7518_6_2_1_1_only_known_curves_are_read() {
    for crv in ["secp256k1", "P-192", "p-256", "P-256 ", "Ed25519", "BP-256", ""] {
        assert_eq!(private_jwk(&with(EC_JWKS[0], "crv", json!(crv))), KeyError::UnsupportedCurve);
        assert_eq!(public_jwk(&with(EC_JWKS[0], "crv", json!(crv))), KeyError::UnsupportedCurve);
    }
    for crv in ["X25519", "Ed448", "X448", "ed25519", "P-256", ""] {
        assert_eq!(private_jwk(&with(OKP_JWK, "crv", json!(crv))), KeyError::UnsupportedCurve);
        assert_eq!(public_jwk(&with(OKP_JWK, "crv", json!(crv))), KeyError::UnsupportedCurve);
    }
}

#[test]
fn rfc7518_2_a_number_of_an_rsa_key_has_no_leading_zero_byte() {
    let jwk: Value = serde_json::from_str(RSA_JWK).unwrap();
    for member in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        let padded = base64url::encode([&[0], &*common::bytes(&jwk, member)].concat());
        for value in [padded.as_str(), "AA", ""] {
            let refused = private_jwk(&with(RSA_JWK, member, json!(value)));
            assert_eq!(refused, KeyError::MalformedMember, "{member} {value}");
        }
    }
}

#[test]
fn rfc8017_3_2_the_private_numbers_of_an_rsa_key_fit_each_other() {
    let of = |length: usize, last: u8| {
        let mut number = vec![1; length];
        number[length - 1] = last;
        json!(base64url::encode(number))
    };
    for (member, value) in [
        ("d", of(257, 1)),
        ("p", of(127, 1)),
        ("p", of(130, 1)),
        ("p", of(128, 2)),
        ("q", of(127, 1)),
        ("q", of(130, 1)),
        ("q", of(128, 2)),
        ("dp", of(129, 1)),
        ("dq", of(129, 1)),
        ("qi", of(129, 1)),
    ] {
        assert_eq!(private_jwk(&with(RSA_JWK, member, value)), KeyError::Inconsistent, "{member}");
    }
    assert!(PrivateKey::from_jwk(&with(RSA_JWK, "d", of(256, 1))).is_ok());
}

#[test]
fn rfc7518_6_3_2_7_a_key_of_more_than_two_primes_is_refused() {
    for value in [json!([]), json!([{"r": "AQ", "d": "AQ", "t": "AQ"}]), Value::Null] {
        assert_eq!(private_jwk(&with(RSA_JWK, "oth", value)), KeyError::MultiPrime);
    }
}

#[test]
fn rfc7518_3_3_the_public_numbers_of_an_rsa_key_are_bounded() {
    let modulus = |length: usize| [&vec![0xff; length - 1][..], &[0xfd]].concat();
    assert!(RsaPublicKey::new(&modulus(256), &[3]).is_ok());
    assert!(RsaPublicKey::new(&modulus(1024), &[1, 255, 255, 255, 255]).is_ok());
    for length in [128, 255, 1025] {
        assert_eq!(RsaPublicKey::new(&modulus(length), &[3]), Err(KeyError::Modulus), "{length}");
        let jwk = with(RSA_JWK, "n", json!(base64url::encode(modulus(length))));
        assert_eq!(public_jwk(&jwk), KeyError::Modulus);
        assert_eq!(private_jwk(&jwk), KeyError::Modulus);
    }
    for exponent in [&[1][..], &[2], &[2, 0, 0, 0, 1], &[0x7f; 512]] {
        assert_eq!(public_jwk(&with(RSA_JWK, "e", json!(base64url::encode(exponent)))), KeyError::Exponent);
    }
}
