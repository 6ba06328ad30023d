//! Rules about keys: what signs, what is published, what is shown.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{bytes, json, text, vectors};
use grantry_core::{SecretBytes, base64url};
use grantry_jwt::{
    Algorithm, JwkSet, JwkSetError, KeyError, SignError, SigningKey, Verifier, VerifyError, VerifyingKey,
    peek_unverified, verify_jws,
};
use serde_json::{Value, json};

const SECRET: &[u8; 32] = b"a secret of exactly 32 bytes....";

/// The private RSA key of RFC 7515 appendix A.2, without `kid`.
fn rsa_jwk() -> Value {
    let vectors = vectors(include_str!("../../../tests/vectors/jws-sign.json"));
    vectors.iter().find(|vector| text(vector, "id") == "JK-107.2").unwrap()["jwk"].clone()
}

fn rsa_key() -> SigningKey {
    SigningKey::from_jwk(rsa_jwk().to_string().as_bytes()).unwrap()
}

fn oct_key() -> SigningKey {
    SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(SECRET.to_vec())).unwrap()
}

fn with(mut jwk: Value, member: &str, value: Value) -> Vec<u8> {
    jwk[member] = value;
    jwk.to_string().into_bytes()
}

fn without(mut jwk: Value, member: &str) -> Vec<u8> {
    jwk.as_object_mut().unwrap().remove(member);
    jwk.to_string().into_bytes()
}

/// Writes one DER value of less than 64 KiB.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut out = match content.len() {
        0..128 => vec![tag, length[1]],
        128..256 => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    out.extend_from_slice(content);
    out
}

fn pkcs1(jwk: &Value) -> Vec<u8> {
    let mut members = vec![2, 1, 0];
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        let mut number = bytes(jwk, name);
        if number[0] >= 0x80 {
            number.insert(0, 0);
        }
        members.extend(der(2, &number));
    }
    der(0x30, &members)
}

fn pkcs8(jwk: &Value) -> Vec<u8> {
    let rsa_encryption = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
    der(0x30, &[&[2, 1, 0], &rsa_encryption[..], &der(4, &pkcs1(jwk))].concat())
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut base64 = base64url::encode(der).replace('-', "+").replace('_', "/");
    while base64.len() % 4 != 0 {
        base64.push('=');
    }
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in base64.as_bytes().chunks(64) {
        out.push_str(core::str::from_utf8(line).unwrap());
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

#[test]
fn an_rsa_key_is_the_same_from_every_encoding() {
    let jwk = rsa_jwk();
    let keys = [
        rsa_key(),
        SigningKey::from_der(Algorithm::Rs256, &pkcs8(&jwk)).unwrap(),
        SigningKey::from_pem(Algorithm::Rs256, &pem("PRIVATE KEY", &pkcs8(&jwk))).unwrap(),
        SigningKey::from_pem(Algorithm::Rs256, &pem("RSA PRIVATE KEY", &pkcs1(&jwk))).unwrap(),
    ];
    let tokens = keys.iter().map(|key| key.sign(Some("JWT"), b"{}").unwrap()).collect::<Vec<_>>();
    for (key, token) in keys.iter().zip(&tokens) {
        assert_eq!(key.algorithm(), Algorithm::Rs256);
        assert_eq!(*token, tokens[0]);
        assert_eq!(key.verifying_key().thumbprint(), keys[0].verifying_key().thumbprint());
        assert!(verify_jws(token, &JwkSet::from_keys([key.verifying_key()]), Algorithm::ALL).is_ok());
    }
    let read = |label, der: &[u8]| SigningKey::from_pem(Algorithm::Rs256, &pem(label, der)).unwrap_err();
    assert_eq!(read("PRIVATE KEY", &pkcs1(&jwk)), KeyError::Der);
    assert_eq!(read("RSA PRIVATE KEY", &pkcs8(&jwk)), KeyError::Der);
    assert_eq!(read("EC PRIVATE KEY", &pkcs1(&jwk)), KeyError::Der);
}

#[test]
fn rfc7638_3_a_key_without_id_can_take_its_thumbprint() {
    let key = rsa_key();
    assert_eq!(key.key_id(), None);
    let thumbprint = key.verifying_key().thumbprint();
    let key = key.with_thumbprint_key_id();
    assert!(thumbprint.is_some());
    assert_eq!(key.key_id(), thumbprint.as_deref());
    let token = key.sign(None, b"").unwrap();
    assert_eq!(peek_unverified(&token).unwrap().key_id(), thumbprint.as_deref());
    assert_eq!(oct_key().with_thumbprint_key_id().key_id(), None);
}

#[test]
fn jk_109_a_key_that_does_not_fit_signs_nothing() {
    let oct = json!({"kty": "oct", "k": base64url::encode(SECRET)});
    let refused = |jwk: Vec<u8>| SigningKey::from_jwk(&jwk).unwrap_err();
    assert_eq!(refused(with(rsa_jwk(), "alg", json!("none"))), KeyError::UnsupportedAlgorithm);
    assert_eq!(refused(with(rsa_jwk(), "alg", json!("HS256"))), KeyError::UnsupportedAlgorithm);
    assert_eq!(refused(with(oct.clone(), "alg", json!("RS256"))), KeyError::UnsupportedAlgorithm);
    assert_eq!(refused(with(oct.clone(), "alg", json!(7))), KeyError::MalformedMember);
    assert_eq!(refused(with(oct.clone(), "alg", Value::Null)), KeyError::MalformedMember);
    assert_eq!(refused(with(oct.clone(), "kid", json!(7))), KeyError::MalformedMember);
    for purpose in ["enc", "foo", "SIG", ""] {
        assert_eq!(refused(with(oct.clone(), "use", json!(purpose))), KeyError::NotForOperation);
        let public = with(rsa_jwk(), "use", json!(purpose));
        assert_eq!(VerifyingKey::from_jwk(&public).unwrap_err(), KeyError::NotForOperation);
    }
    assert_eq!(refused(with(oct.clone(), "key_ops", json!(["verify"]))), KeyError::NotForOperation);
    assert_eq!(refused(with(oct.clone(), "key_ops", json!("sign"))), KeyError::MalformedMember);
    assert_eq!(refused(with(oct.clone(), "key_ops", json!(["sign", 1]))), KeyError::MalformedMember);
    assert_eq!(refused(with(oct.clone(), "key_ops", json!(["sign", "sign"]))), KeyError::MalformedMember);
    assert_eq!(refused(with(oct, "k", json!("c2hvcnQ"))), KeyError::SecretTooShort);
    for short in [0, 16, 31] {
        let secret = SecretBytes::from(vec![7; short]);
        assert_eq!(SigningKey::from_secret(Algorithm::Hs256, &secret).unwrap_err(), KeyError::SecretTooShort);
        assert_eq!(
            VerifyingKey::from_secret(Algorithm::Hs256, &secret).unwrap_err(),
            KeyError::SecretTooShort
        );
    }
}

#[test]
fn rfc7518_6_3_2_a_private_rsa_key_is_whole_and_consistent() {
    let refused = |jwk: Vec<u8>| SigningKey::from_jwk(&jwk).unwrap_err();
    for member in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        assert_eq!(refused(without(rsa_jwk(), member)), KeyError::MissingMember, "{member}");
    }
    let p = rsa_jwk()["p"].clone();
    assert_eq!(refused(with(rsa_jwk(), "q", p)), KeyError::Inconsistent);
    assert_eq!(refused(with(rsa_jwk(), "oth", json!([]))), KeyError::MultiPrime);
    assert_eq!(refused(b"[]".to_vec()), KeyError::Json);
    assert_eq!(refused(br#"{"kty":"oct","kty":"oct"}"#.to_vec()), KeyError::Json);
}

#[test]
fn jk_109_a_header_that_does_not_fit_is_not_signed() {
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","kid":1}"#,
        r#"{"typ":"JWT"}"#,
        "[]",
        "",
    ] {
        assert_eq!(oct_key().sign_with_header(header, b"{}"), Err(SignError::Header), "{header}");
    }
    assert_eq!(oct_key().sign_claims(None, &["a"]), Err(SignError::Claims));
    assert_eq!(oct_key().sign_claims(None, &"{}"), Err(SignError::Claims));
    // 16 KiB hold 12,288 bytes in base64url.
    assert_eq!(oct_key().sign(None, &[0; 12_288]), Err(SignError::TooLong));
    assert_eq!(oct_key().sign(None, &vec![0; 1 << 20]), Err(SignError::TooLong));
}

#[test]
fn wk_47_a_removed_key_verifies_nothing() {
    let (old, new) = (oct_key().with_key_id("old"), rsa_key().with_key_id("new"));
    let token = old.sign(None, b"{}").unwrap();
    let before = JwkSet::from_keys([old.verifying_key(), new.verifying_key()]);
    let after = JwkSet::from_keys([new.verifying_key()]);
    assert!(verify_jws(&token, &before, Algorithm::ALL).is_ok());
    assert_eq!(verify_jws(&token, &after, Algorithm::ALL).unwrap_err(), VerifyError::UnknownKey);
}

#[test]
fn rfc7515_4_1_4_a_key_without_id_stands_for_a_kid_only_when_it_is_alone() {
    let token = oct_key().with_key_id("a").sign(None, b"{}").unwrap();
    let lone = JwkSet::from_keys([oct_key().verifying_key()]);
    assert!(verify_jws(&token, &lone, Algorithm::ALL).is_ok());
    let two = JwkSet::from_keys([oct_key().verifying_key(), rsa_key().verifying_key()]);
    assert_eq!(verify_jws(&token, &two, Algorithm::ALL).unwrap_err(), VerifyError::UnknownKey);
}

#[test]
fn rl_18_a_token_that_names_no_key_costs_four_checks_at_most() {
    let key =
        |fill: u8| VerifyingKey::from_secret(Algorithm::Hs256, &SecretBytes::from(vec![fill; 32])).unwrap();
    let token = oct_key().sign(None, b"{}").unwrap();
    let four = JwkSet::from_keys([key(1), key(2), key(3), oct_key().verifying_key()]);
    assert!(verify_jws(&token, &four, Algorithm::ALL).is_ok());
    let five = JwkSet::from_keys([key(1), key(2), key(3), oct_key().verifying_key(), key(4)]);
    assert_eq!(verify_jws(&token, &five, Algorithm::ALL).unwrap_err(), VerifyError::AmbiguousKey);
}

#[test]
fn rfc8725_3_1_only_allowed_algorithms_verify() {
    let token = oct_key().sign(None, b"{}").unwrap();
    let keys = JwkSet::from_keys([oct_key().verifying_key()]);
    let refused = |allowed: &[Algorithm]| verify_jws(&token, &keys, allowed).unwrap_err();
    assert_eq!(refused(&[Algorithm::Rs256]), VerifyError::AlgorithmNotAllowed);
    assert_eq!(refused(&[]), VerifyError::AlgorithmNotAllowed);
}

#[test]
fn wk_52_a_published_set_holds_public_members_only() {
    let keys = [rsa_key().with_key_id("rsa"), oct_key().with_key_id("oct")];
    let set = JwkSet::from_keys(keys.iter().map(SigningKey::verifying_key));
    let published: Value = serde_json::from_str(&set.to_json()).unwrap();
    assert_eq!(published, serde_json::to_value(&set).unwrap());
    let jwk = rsa_jwk();
    let expected = json!({"keys": [
        {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "rsa", "n": jwk["n"], "e": jwk["e"]}
    ]});
    assert_eq!(published, expected);

    let read = JwkSet::parse(set.to_json().as_bytes()).unwrap();
    let token = keys[0].sign(None, b"{}").unwrap();
    assert!(verify_jws(&token, &read, Algorithm::ALL).is_ok());
}

#[test]
fn wk_27_a_fetched_private_key_leaves_its_private_members_behind() {
    let document = json!({"keys": [rsa_jwk()]}).to_string();
    let set = JwkSet::parse(document.as_bytes()).unwrap();
    assert_eq!(set.keys().len(), 1);
    let jwk = rsa_jwk();
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        assert!(!set.to_json().contains(text(&jwk, member)), "{member}");
    }
}

#[test]
fn wk_53_a_key_set_has_limits() {
    let keys = |count: usize| json!({"keys": vec![json!({}); count]}).to_string();
    assert_eq!(JwkSet::parse(keys(100).as_bytes()).unwrap().skipped().len(), 100);
    for count in [101, 1_001] {
        assert_eq!(JwkSet::parse(keys(count).as_bytes()).unwrap_err(), JwkSetError::TooManyKeys);
    }
    let long = vec![b' '; 2 << 20];
    let too_long = JwkSetError::Json(grantry_core::json::JsonError::TooLong);
    assert_eq!(JwkSet::parse(&long).unwrap_err(), too_long);
}

#[test]
fn rfc7517_5_a_key_set_and_its_keys_are_objects() {
    let shape = JwkSetError::Json(grantry_core::json::JsonError::Shape);
    for document in ["[[]]", "[[{}]]", "[]", "null", r#"{"keys":{}}"#] {
        assert_eq!(JwkSet::parse(document.as_bytes()).unwrap_err(), shape, "{document}");
    }
    let members = json!(["RSA", null, "RS256", "sig", ["verify"], rsa_jwk()["n"], rsa_jwk()["e"]]);
    let set = JwkSet::parse(json!({ "keys": [members] }).to_string().as_bytes()).unwrap();
    assert!(set.keys().is_empty());
    assert_eq!(set.skipped()[0].reason(), KeyError::Json);
}

#[test]
fn rl_12_an_oversized_rsa_key_is_skipped() {
    let jwk = |bytes: usize, exponent: Vec<u8>| json!({"kty": "RSA", "n": base64url::encode(vec![0xff; bytes]), "e": base64url::encode(exponent)});
    let document = json!({"keys": [jwk(2048, vec![1, 0, 1]), jwk(256, vec![0xff; 512])]}).to_string();
    let set = JwkSet::parse(document.as_bytes()).unwrap();
    let reasons: Vec<_> = set.skipped().iter().map(|key| key.reason()).collect();
    assert_eq!(reasons, [KeyError::Modulus, KeyError::Exponent]);
    assert!(set.keys().is_empty());
}

#[test]
fn wk_51_debug_output_of_every_type_shows_no_key_bytes() {
    let oct_jwk = json!({"kty": "oct", "k": base64url::encode(SECRET), "kid": "oct-id"});
    let oct = SigningKey::from_jwk(oct_jwk.to_string().as_bytes()).unwrap();
    let rsa = rsa_key().with_key_id("rsa-id");
    let set = JwkSet::from_keys([oct.verifying_key(), rsa.verifying_key()]);
    let fetched = JwkSet::parse(json!({"keys": [oct_jwk, rsa_jwk()]}).to_string().as_bytes()).unwrap();
    let claims = json!({"iss": "i", "aud": "a", "exp": 9});
    let token = oct.sign_claims(None, &claims).unwrap();
    let jws = verify_jws(&token, &set, Algorithm::ALL).unwrap();
    let verifier = Verifier::new("i", "a");
    let now = grantry_core::UnixTime::from_secs(1);
    let verified = verifier.verify::<Value>(&token, &set, now).unwrap();
    let header = peek_unverified(&token).unwrap();
    let shown = format!(
        "{oct:?} {rsa:?} {set:?} {fetched:?} {jws:?} {verifier:?} {verified:?} {header:?} {:?} {:#?} {:?}",
        oct.verifying_key(),
        rsa.verifying_key(),
        fetched.skipped(),
    );
    for expected in ["oct-id", "rsa-id", "Hs256", "Rs256"] {
        assert!(shown.contains(expected), "{expected}");
    }
    let jwk = rsa_jwk();
    let mut secrets = vec![SECRET.to_vec()];
    secrets.extend(["d", "p", "q", "dp", "dq", "qi"].map(|member| bytes(&jwk, member)));
    for secret in secrets {
        let start = &secret[..16];
        let hex: String = start.iter().map(|byte| format!("{byte:02x}")).collect();
        let list = format!("{start:?}");
        let list = list.trim_matches(['[', ']']);
        let encoded = base64url::encode(&secret[..15]);
        assert!(!shown.to_lowercase().contains(&hex) && !shown.contains(list), "{shown}");
        assert!(!shown.contains(&encoded), "{shown}");
        assert!(!shown.contains(&*String::from_utf8_lossy(start)), "{shown}");
    }
}

#[test]
fn jk_112_the_error_of_a_wrong_mac_says_nothing_about_the_key() {
    let token = oct_key().sign(None, b"{}").unwrap();
    let other = VerifyingKey::from_secret(Algorithm::Hs256, &SecretBytes::from(vec![7; 64])).unwrap();
    let error = verify_jws(&token, &JwkSet::from_keys([other]), Algorithm::ALL).unwrap_err();
    assert_eq!(format!("{error:?} {error}"), "Signature the signature is wrong (RFC 7515 section 5.2)");
}

#[test]
fn rfc7517_4_a_verifying_key_reads_a_private_jwk_as_public() {
    let vector = json!({"jwk": rsa_jwk()});
    let key = VerifyingKey::from_jwk(&json(&vector, "jwk")).unwrap();
    let token = rsa_key().sign(None, b"payload").unwrap();
    let keys = JwkSet::from_keys([key]);
    assert_eq!(verify_jws(&token, &keys, Algorithm::ALL).unwrap().payload(), b"payload");
}
