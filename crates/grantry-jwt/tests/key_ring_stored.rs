//! The stored form of a key ring, and keys that are held elsewhere.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/key_rings.rs"]
mod key_rings;

use grantry_core::{base64url, json::JsonError};
use grantry_jwt::{Algorithm, KeyError, KeyLoader, KeyRing, KeyRingError, RingKey, SigningInput, verify_jws};
use key_rings::{HS, at, ed25519, external, policy, ring};

const GOLDEN: &str = concat!(
    r#"{"version":1,"policy":{"token_lifetime":3600,"set_max_age":300,"clock_skew":60,"propagation":60},"#,
    r#""older_sets_until":1800000421,"keys":["#,
    r#"{"kid":"a","alg":"HS256","announced_at":1800000000,"signs_from":0,"signs_until":1800001120,"#,
    r#""retired_for":3780,"private_key":{"kty":"oct","k":""#,
    r#"YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYQ"}},"#,
    r#"{"kid":"kms","alg":"EdDSA","announced_at":1800000000,"signs_from":1800000420,"signs_until":null,"#,
    r#""retired_for":3780,"public_key":{"crv":"Ed25519","kty":"OKP","#,
    r#""x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}},"#,
    r#"{"kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","alg":"EdDSA","announced_at":1800000002,"#,
    r#""signs_from":1800000422,"signs_until":null,"retired_for":3780,"private_key":{"kty":"OKP","crv":"Ed25519","#,
    r#""x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}}"#,
    "]}"
);

fn golden_ring() -> KeyRing {
    let local = RingKey::local(&KeyLoader::default(), Algorithm::EdDsa, ed25519()).unwrap();
    let ring = ring().announce(external(), at(0)).unwrap().with_policy(policy(3600, 300), at(1));
    ring.announce(local, at(2)).unwrap().retire(HS, at(1000)).unwrap()
}

fn read(text: &str) -> Result<KeyRing, KeyRingError> {
    KeyRing::from_json(text, &KeyLoader::default())
}

#[test]
fn the_stored_form_is_fixed_bytes_and_reads_as_the_same_ring() {
    assert_eq!(golden_ring().to_secret_json().unwrap().expose(), GOLDEN);
    let ring = read(GOLDEN).unwrap();
    assert_eq!(ring.to_secret_json().unwrap().expose(), GOLDEN);
    assert_eq!(format!("{ring:?}"), format!("{:?}", golden_ring()));
    let token =
        golden_ring().signing_key(HS, at(5)).unwrap().signing_key().unwrap().sign("JWT", b"{}").unwrap();
    assert_eq!(verify_jws(&token, &ring.jwk_set(at(5)), &[HS]).map(drop), Ok(()));
    assert!(ring.signing_key(Algorithm::EdDsa, at(421)).unwrap().signing_key().is_none());
    assert!(ring.signing_key(Algorithm::EdDsa, at(422)).unwrap().signing_key().is_some());
}

#[test]
fn rfc7517_9_2_a_published_set_has_no_private_member() {
    let document = golden_ring().jwk_set(at(5)).to_json();
    for private in ["\"d\"", "\"k\"", "oct", "nWGxne", "YWFhYW"] {
        assert!(!document.contains(private), "{document}");
    }
    assert_eq!(document.matches("\"kid\"").count(), 2);
}

#[test]
fn a_reader_refuses_what_it_does_not_know() {
    let refused = |from: &str, to: &str| {
        assert!(GOLDEN.contains(from), "{from}");
        read(&GOLDEN.replacen(from, to, 1)).map(drop).unwrap_err()
    };
    let shape = KeyRingError::Json(JsonError::Shape);
    assert_eq!(refused("\"version\":1", "\"version\":2"), KeyRingError::Version);
    assert_eq!(refused("\"version\":1", "\"version\":2,\"more\":0"), KeyRingError::Version);
    assert_eq!(refused("\"version\":1", "\"version\":1,\"more\":0"), shape);
    assert_eq!(refused("\"set_max_age\"", "\"more\":0,\"set_max_age\""), shape);
    assert_eq!(refused("\"alg\"", "\"more\":0,\"alg\""), shape);
    assert_eq!(refused("\"signs_from\":0,", ""), shape);
    assert_eq!(refused("\"signs_from\":0", "\"signs_from\":-1"), shape);
    assert_eq!(refused("\"signs_from\":0", "\"signs_from\":0.5"), shape);
    let twice = KeyRingError::Json(JsonError::RepeatedMember);
    assert_eq!(refused("\"kid\":\"a\"", "\"kid\":\"a\",\"kid\":\"b\""), twice);
    assert_eq!(refused("\"kid\":\"a\"", "\"kid\":\"kms\""), KeyRingError::DuplicateKeyId);
    assert_eq!(refused("\"kid\":\"a\"", "\"kid\":\"\""), KeyRingError::MissingKeyId);
    assert_eq!(refused("3600", "31622401"), KeyRingError::Policy);
    assert_eq!(refused("\"signs_from\":1800000420", "\"signs_from\":1800000423"), KeyRingError::Inconsistent);
    assert_eq!(
        refused("\"public_key\"", "\"public_key\":null,\"private_key\""),
        KeyRingError::Key(KeyError::MissingMember)
    );
    assert_eq!(refused("\"private_key\"", "\"public_key\":{},\"private_key\""), KeyRingError::Inconsistent);
    assert_eq!(refused("\"private_key\":{\"kty\":\"oct\"", "\"x\":{\"kty\":\"oct\""), shape);
    assert_eq!(refused("HS256", "HS999"), KeyRingError::Key(KeyError::UnsupportedAlgorithm));
    assert_eq!(refused("HS256", "RS256"), KeyRingError::Key(KeyError::UnsupportedAlgorithm));
    assert_eq!(
        refused("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh", ""),
        KeyRingError::Key(KeyError::SecretTooShort)
    );
    assert_eq!(refused("\"d\":\"n", "\"d\":\"m"), KeyRingError::Key(KeyError::Inconsistent));
    assert_eq!(read("").map(drop), Err(KeyRingError::Json(JsonError::Syntax)));
    let long = GOLDEN.to_owned() + &" ".repeat(KeyRing::MAX_BYTES);
    assert_eq!(read(&long).map(drop), Err(KeyRingError::Json(JsonError::TooLong)));
    let empty = GOLDEN.split_once("[").unwrap().0.to_owned() + "[]}";
    assert_eq!(read(&empty).map(drop), Err(KeyRingError::NoKeys));
}

#[test]
fn debug_shows_ids_and_times_and_no_key() {
    let text = format!("{:?} {:?}", golden_ring(), golden_ring().lifecycles().collect::<Vec<_>>());
    for shown in ["\"a\"", "\"kms\"", "1800000420", "1800001120", "elsewhere"] {
        assert!(text.contains(shown), "{text}");
    }
    for hidden in ["YWFh", "nWGxne", "97, 97", "157, 97", "11qYAY"] {
        assert!(!text.contains(hidden), "{text}");
    }
}

#[test]
fn a_key_held_elsewhere_signs_by_its_signing_input() {
    let ring = KeyRing::new(policy(3600, 300), [external()], at(0)).unwrap();
    let key = ring.signing_key(Algorithm::EdDsa, at(1)).unwrap();
    assert!(key.signing_key().is_none());
    let input = SigningInput::new(key.verifying_key(), "JWT", b"{}").unwrap();
    let kms = KeyLoader::default().private(Algorithm::EdDsa, &ed25519()).unwrap().with_key_id("kms");
    let token = kms.sign("JWT", b"{}").unwrap();
    let signature = base64url::decode(token.rsplit('.').next().unwrap()).unwrap();
    let token = input.complete(&signature).unwrap();
    assert_eq!(verify_jws(&token, &ring.jwk_set(at(1)), &[Algorithm::EdDsa]).map(drop), Ok(()));

    let symmetric = RingKey::external(key_rings::key("a").verifying_key().clone());
    assert_eq!(symmetric.map(drop), Err(KeyError::UnsupportedKeyType));
}
