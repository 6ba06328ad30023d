//! Keys as plain values: every encoding of a key reads as the same numbers and is written as OpenSSL
//! writes it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{json, text, vectors};
use grantry_core::SecretBytes;
use grantry_core::base64url;
use grantry_jwt::{
    Curve, EcPrivateKey, EcPublicKey, Ed25519PrivateKey, Ed25519PublicKey, KeyError, PrivateKey, PublicKey,
    RsaPrivateKey, RsaPublicKey, SecretKey,
};
use serde_json::{Value, json};

/// One key as OpenSSL writes it.
struct Encodings {
    pkcs8: &'static str,
    /// PKCS#1 or SEC1.
    traditional: Option<&'static str>,
    spki: &'static str,
    pkcs1_public: Option<&'static str>,
    jwk: &'static str,
}

macro_rules! encodings {
    ($name:literal, $traditional:expr, $pkcs1_public:expr) => {
        Encodings {
            pkcs8: include_str!(concat!("keys/", $name, ".pkcs8.pem")),
            traditional: $traditional,
            spki: include_str!(concat!("keys/", $name, ".spki.pem")),
            pkcs1_public: $pkcs1_public,
            jwk: include_str!(concat!("keys/", $name, ".jwk.json")).trim_ascii_end(),
        }
    };
    (RSA $name:literal) => {
        encodings!(
            $name,
            Some(include_str!(concat!("keys/", $name, ".pkcs1.pem"))),
            Some(include_str!(concat!("keys/", $name, ".pkcs1-public.pem")))
        )
    };
    (EC $name:literal) => {
        encodings!($name, Some(include_str!(concat!("keys/", $name, ".sec1.pem"))), None)
    };
}

const KEYS: [Encodings; 6] = [
    encodings!(RSA "rsa-2048"),
    encodings!(RSA "rsa-3072"),
    encodings!(EC "p-256"),
    encodings!(EC "p-384"),
    encodings!(EC "p-521"),
    encodings!("ed25519", None, None),
];

/// The DER inside a PEM block.
fn der(pem: &str) -> Vec<u8> {
    let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(lines).unwrap()
}

/// Returns a key with its public half: a private Ed25519 key of OpenSSL has none.
fn completed(key: PrivateKey, public: &PublicKey) -> PrivateKey {
    match (key, public) {
        (PrivateKey::Ed25519(key), PublicKey::Ed25519(public)) => {
            PrivateKey::Ed25519(key.with_public(public.clone()).unwrap())
        }
        (key, _) => key,
    }
}

#[test]
fn every_encoding_of_a_private_key_reads_as_the_same_numbers() {
    for key in &KEYS {
        let public = PublicKey::from_pem(key.spki).unwrap();
        let traditional = key.traditional;
        let read = [
            Some(PrivateKey::from_jwk(key.jwk.as_bytes()).unwrap()),
            Some(PrivateKey::from_pem(key.pkcs8).unwrap()),
            Some(PrivateKey::from_der(&der(key.pkcs8)).unwrap()),
            traditional.map(|pem| PrivateKey::from_pem(pem).unwrap()),
            traditional.map(|pem| PrivateKey::from_der(&der(pem)).unwrap()),
        ];
        for read in read.into_iter().flatten() {
            let read = completed(read, &public);
            assert_eq!(read.to_jwk().unwrap().expose(), key.jwk);
            assert_eq!(read.to_pkcs8_der().unwrap().expose(), der(key.pkcs8), "{}", key.jwk);
            assert_eq!(read.to_pem().unwrap().expose(), key.pkcs8);
            assert_eq!(read.public_key(), Some(public.clone()));
        }
    }
}

#[test]
fn every_encoding_of_a_public_key_reads_as_the_same_numbers() {
    for key in &KEYS {
        let public = PublicKey::from_jwk(key.jwk.as_bytes()).unwrap();
        assert_eq!(PublicKey::from_pem(key.spki), Ok(public.clone()));
        assert_eq!(PublicKey::from_der(&der(key.spki)), Ok(public.clone()));
        assert_eq!(PublicKey::from_jwk(public.to_jwk().as_bytes()), Ok(public.clone()));
        assert_eq!(public.to_spki_der(), der(key.spki));
        assert_eq!(public.to_pem(), key.spki);
        if let Some(pem) = key.pkcs1_public {
            assert_eq!(PublicKey::from_pem(pem), Ok(public.clone()));
            assert_eq!(PublicKey::from_der(&der(pem)), Ok(public));
        }
    }
}

#[test]
fn rfc8017_a_1_2_pkcs1_is_written_as_openssl_does() {
    for key in &KEYS {
        if let PrivateKey::Rsa(rsa) = PrivateKey::from_pem(key.pkcs8).unwrap() {
            assert_eq!(rsa.to_pkcs1_der().expose(), der(key.traditional.unwrap()));
        }
    }
}

#[test]
fn rfc7518_6_a_serialised_public_key_has_the_public_members_of_its_type_only() {
    for key in &KEYS {
        let private: Value = serde_json::from_str(key.jwk).unwrap();
        let mut expected = private.clone();
        for member in ["d", "p", "q", "dp", "dq", "qi"] {
            expected.as_object_mut().unwrap().remove(member);
        }
        let public = PublicKey::from_jwk(key.jwk.as_bytes()).unwrap();
        assert_eq!(serde_json::to_value(&public).unwrap(), expected);
        assert_eq!(serde_json::to_string(&public).unwrap(), public.to_jwk());
    }
}

#[test]
fn rfc5915_3_a_private_key_without_its_public_half_is_completed_later() {
    let whole = PrivateKey::from_pem(KEYS[2].pkcs8).unwrap();
    let Some(PublicKey::Ec(public)) = whole.public_key() else { panic!("no EC key") };
    for pem in [include_str!("keys/p-256-no-public.sec1.pem"), include_str!("keys/p-256-no-public.pkcs8.pem")]
    {
        let PrivateKey::Ec(key) = PrivateKey::from_pem(pem).unwrap() else { panic!("no EC key") };
        let lone = PrivateKey::Ec(key.clone());
        assert_eq!(lone.public_key(), None);
        // RFC 7518 section 6.2.1: a JWK always has the point.
        assert_eq!(lone.to_jwk().unwrap_err(), KeyError::MissingMember);
        assert_eq!(
            lone.to_pkcs8_der().unwrap().expose(),
            der(include_str!("keys/p-256-no-public.pkcs8.pem"))
        );
        let key = PrivateKey::Ec(key.with_public(public.clone()).unwrap());
        assert_eq!(key.to_jwk().unwrap().expose(), KEYS[2].jwk);
    }
    let ed25519 = PrivateKey::from_pem(KEYS[5].pkcs8).unwrap();
    assert_eq!(ed25519.public_key(), None);
    assert_eq!(ed25519.to_jwk().unwrap_err(), KeyError::MissingMember);
}

/// The base point of a curve (FIPS 186-4 appendix D.1.2).
fn base_point(curve: Curve, x: &str, y: &str) -> EcPublicKey {
    let [x, y] = [x, y].map(|coordinate| base64url::decode(coordinate).unwrap());
    EcPublicKey::new(curve, &x, &y).unwrap()
}

#[test]
fn a_public_half_that_is_known_is_not_replaced() {
    let PrivateKey::Ec(p256) = PrivateKey::from_pem(KEYS[2].pkcs8).unwrap() else { panic!("no EC key") };
    let other = base_point(
        Curve::P256,
        "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
        "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
    );
    assert_eq!(p256.clone().with_public(other.clone()).unwrap_err(), KeyError::Inconsistent);
    assert!(p256.clone().with_public(p256.public().unwrap().clone()).is_ok());
    let p384 = EcPrivateKey::new(Curve::P384, &[7; 48]).unwrap();
    assert_eq!(p384.with_public(other).unwrap_err(), KeyError::Inconsistent);

    let public = |fill| Ed25519PublicKey::new(&[fill; 32]).unwrap();
    let key = Ed25519PrivateKey::new(&[9; 32]).unwrap().with_public(public(1)).unwrap();
    assert_eq!(key.clone().with_public(public(2)).unwrap_err(), KeyError::Inconsistent);
    assert!(key.with_public(public(1)).is_ok());
}

#[test]
fn rfc7638_3_the_thumbprint_of_a_public_key_is_exact() {
    let mut checked = 0;
    for vector in vectors(include_str!("../../../tests/vectors/jwk-thumbprint.json")) {
        match PublicKey::from_jwk(&json(&vector, "jwk")) {
            Ok(key) => {
                assert_eq!(key.thumbprint(), text(&vector, "sha256"), "{}", text(&vector, "id"));
                checked += 1;
            }
            Err(error) => {
                assert_eq!(error, KeyError::UnsupportedKeyType);
                assert_eq!(text(&vector, "id"), "JK-113.5", "a symmetric key has none here");
            }
        }
    }
    assert_eq!(checked, 4);
}

/// The keys of RFC 7517 appendix A.2 and of RFC 8037 appendix A.1.
#[test]
fn rfc7517_a_2_and_rfc8037_a_1_keys_come_back_as_they_are() {
    let ec = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}"#;
    let okp = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#;
    for jwk in [ec, okp] {
        let key = PrivateKey::from_jwk(jwk.as_bytes()).unwrap();
        assert_eq!(key.to_jwk().unwrap().expose(), jwk);
        assert_eq!(key.public_key(), Some(PublicKey::from_jwk(jwk.as_bytes()).unwrap()));
    }
    // RFC 8037 appendix A.3.
    let okp = PublicKey::from_jwk(okp.as_bytes()).unwrap();
    assert_eq!(okp.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn rfc7515_a_the_keys_of_published_tokens_are_read() {
    let mut read = Vec::new();
    for vector in vectors(include_str!("../../../tests/vectors/jws-sign.json")) {
        let jwk = &vector["jwk"];
        if jwk.is_null() {
            continue;
        }
        let key = PrivateKey::from_jwk(&json(&vector, "jwk")).unwrap();
        let written = key.to_jwk().unwrap();
        let written: Value = serde_json::from_str(written.expose()).unwrap();
        for (name, value) in written.as_object().unwrap() {
            assert_eq!(*value, jwk[name], "{name} of {}", text(&vector, "id"));
            if !read.contains(name) {
                read.push(name.clone());
            }
        }
    }
    read.sort();
    assert_eq!(read, ["crv", "d", "dp", "dq", "e", "k", "kty", "n", "p", "q", "qi", "x"]);
}

#[test]
fn rfc7518_6_4_a_shared_secret_has_a_jwk_and_nothing_else() {
    for length in [0, 1, 32, 64, 1000] {
        let key = PrivateKey::Secret(SecretKey::new(SecretBytes::from(vec![7; length])));
        let jwk = key.to_jwk().unwrap();
        let PrivateKey::Secret(read) = PrivateKey::from_jwk(jwk.expose().as_bytes()).unwrap() else {
            panic!("no secret")
        };
        assert_eq!(read.expose(), vec![7; length]);
        assert_eq!(key.to_pkcs8_der().unwrap_err(), KeyError::UnsupportedKeyType);
        assert_eq!(key.to_pem().unwrap_err(), KeyError::UnsupportedKeyType);
        assert_eq!(key.public_key(), None);
        assert_eq!(PublicKey::from_jwk(jwk.expose().as_bytes()).unwrap_err(), KeyError::UnsupportedKeyType);
    }
}

#[test]
fn numbers_are_given_as_they_are_encoded() {
    let jwk: Value = serde_json::from_str(KEYS[0].jwk).unwrap();
    let number = |member| common::bytes(&jwk, member);
    let public = RsaPublicKey::new(&number("n"), &number("e")).unwrap();
    assert_eq!((public.modulus(), public.exponent()), (&*number("n"), &*number("e")));
    let [d, p, q, dp, dq, qi] = ["d", "p", "q", "dp", "dq", "qi"].map(number);
    let key = RsaPrivateKey::new(public.clone(), &d, &p, &q, &dp, &dq, &qi).unwrap();
    assert_eq!(key.public(), &public);
    assert_eq!([key.d(), key.p(), key.q()], [&*d, &*p, &*q]);
    assert_eq!([key.dp(), key.dq(), key.qi()], [&*dp, &*dq, &*qi]);

    for (encodings, curve) in KEYS[2..5].iter().zip(Curve::ALL) {
        let jwk: Value = serde_json::from_str(encodings.jwk).unwrap();
        let [x, y, d] = ["x", "y", "d"].map(|member| common::bytes(&jwk, member));
        let public = EcPublicKey::new(*curve, &x, &y).unwrap();
        assert_eq!((public.curve(), public.x(), public.y()), (*curve, &*x, &*y));
        assert_eq!(public.to_uncompressed(), [&[4], &*x, &*y].concat());
        assert_eq!(EcPublicKey::from_uncompressed(*curve, &public.to_uncompressed()), Ok(public));
        let key = EcPrivateKey::new(*curve, &d).unwrap();
        assert_eq!((key.curve(), key.scalar(), key.public()), (*curve, &*d, None));
        assert_eq!(text(&jwk, "crv"), curve.to_string());
    }

    let jwk: Value = serde_json::from_str(KEYS[5].jwk).unwrap();
    let [x, d] = ["x", "d"].map(|member| common::bytes(&jwk, member));
    assert_eq!(Ed25519PublicKey::new(&x).unwrap().as_bytes().as_slice(), x);
    assert_eq!(Ed25519PrivateKey::new(&d).unwrap().seed().as_slice(), d);
}

/// P-521 fills its last byte by one bit, and one key in 256 begins with a zero byte.
#[test]
fn rfc7518_6_2_2_1_leading_zero_bytes_of_a_scalar_are_kept() {
    let mut scalar = [7; 66];
    scalar[..3].fill(0);
    let public = base_point(
        Curve::P521,
        "AMaFjga3BATpzZ4-y2YjlbRCnGSBOQU_tSH4KK9ga009uqFLXnfv51ko_h3BJ6L_qN4zSLPBhWpCm_l-fjHC5b1m",
        "ARg5KWp4mjvABFyKX7QsfRvZmPVESVebRGgXr70XJz5mLJfucple9CZAxVC5AT-tB2E1PHCGonLCQIi-lHaf0WZQ",
    );
    assert_eq!(public.x()[0], 0);
    let key = EcPrivateKey::new(Curve::P521, &scalar).unwrap().with_public(public.clone()).unwrap();
    let key = PrivateKey::Ec(key);
    let read = [
        PrivateKey::from_jwk(key.to_jwk().unwrap().expose().as_bytes()).unwrap(),
        PrivateKey::from_pem(key.to_pem().unwrap().expose()).unwrap(),
    ];
    for read in read {
        let PrivateKey::Ec(read) = read else { panic!("no EC key") };
        assert_eq!(read.scalar(), scalar);
        assert_eq!(read.public(), Some(&public));
    }
}

#[test]
fn wk_51_debug_output_of_a_private_key_shows_its_type_only() {
    let secret = json!({"kty": "oct", "k": "c2VjcmV0"}).to_string();
    let jwks = KEYS.iter().map(|key| key.jwk).chain([secret.as_str()]);
    let shown: Vec<_> =
        jwks.map(|jwk| format!("{:?}", PrivateKey::from_jwk(jwk.as_bytes()).unwrap())).collect();
    let [rsa, ec] = ["Rsa(RsaPrivateKey)", "Ec(EcPrivateKey)"];
    assert_eq!(shown, [rsa, rsa, ec, ec, ec, "Ed25519(Ed25519PrivateKey)", "Secret(SecretKey)"]);
    let pretty = format!("{:#?}", PrivateKey::from_jwk(secret.as_bytes()).unwrap());
    assert_eq!(pretty, "Secret(\n    SecretKey,\n)");
}
