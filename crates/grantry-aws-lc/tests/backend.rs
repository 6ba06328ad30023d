//! What AWS-LC does beyond `ring`, and that both agree where both can.

use grantry_aws_lc::AwsLc;
use grantry_jwt::{
    Algorithm, EcPrivateKey, Ed25519PrivateKey, JwkSet, KeyError, KeyLoader, PrivateKey, Ring, VerifyError,
    VerifyingKey, verify_jws,
};

fn verifies(token: &str, key: VerifyingKey) -> Result<(), VerifyError> {
    verify_jws(token, &JwkSet::from_keys([key]), Algorithm::ALL).map(drop)
}

#[test]
fn every_kind_of_key_is_generated_and_works_in_both_backends() {
    let (aws, ring) = (KeyLoader::new(AwsLc), KeyLoader::new(Ring));
    let rsa = aws.generate(Algorithm::Rs256).unwrap();
    for algorithm in Algorithm::ALL.iter().copied() {
        let private = if algorithm.key_type() == rsa.key_type() {
            rsa.clone()
        } else {
            aws.generate(algorithm).unwrap()
        };
        assert_eq!(private.key_type(), algorithm.key_type());
        let ours = aws.private(algorithm, &private).unwrap();
        let token = ours.sign(Some("JWT"), b"{}").unwrap();
        assert_eq!(verifies(&token, ours.verifying_key()), Ok(()), "{algorithm}");
        if algorithm == Algorithm::Es512 {
            assert_eq!(ring.private(algorithm, &private).unwrap_err(), KeyError::UnsupportedByBackend);
            continue;
        }
        let other = ring.private(algorithm, &private).unwrap();
        assert_eq!(verifies(&token, other.verifying_key()), Ok(()), "{algorithm}");
        let token = other.sign(Some("JWT"), b"{}").unwrap();
        assert_eq!(verifies(&token, ours.verifying_key()), Ok(()), "{algorithm}");
        let mut changed = token.into_bytes();
        let at = changed.len() - 3;
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(verifies(&changed, ours.verifying_key()), Err(VerifyError::Signature), "{algorithm}");
    }
}

#[test]
fn a_generated_key_is_never_the_same_again() {
    for algorithm in [Algorithm::Hs256, Algorithm::Es256, Algorithm::Es512, Algorithm::EdDsa] {
        let jwk = || KeyLoader::new(AwsLc).generate(algorithm).unwrap().to_jwk().unwrap();
        assert!(!jwk().matches(jwk().expose()), "{algorithm}");
    }
}

#[test]
fn rfc5915_3_the_public_half_of_a_key_is_computed() {
    let loader = KeyLoader::new(AwsLc);
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa] {
        let whole = loader.generate(algorithm).unwrap();
        let half = match &whole {
            PrivateKey::Ec(key) => PrivateKey::Ec(EcPrivateKey::new(key.curve(), key.scalar()).unwrap()),
            PrivateKey::Ed25519(key) => PrivateKey::Ed25519(Ed25519PrivateKey::new(key.seed()).unwrap()),
            PrivateKey::Secret(_) | PrivateKey::Rsa(_) | _ => panic!("{whole:?}"),
        };
        assert_eq!(half.public_key(), None);
        let key = loader.private(algorithm, &half).unwrap();
        assert_eq!(key.verifying_key().public_key(), whole.public_key().as_ref(), "{algorithm}");
    }
}

#[test]
fn a_private_key_that_contradicts_its_public_half_is_refused() {
    let loader = KeyLoader::new(AwsLc);
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es512, Algorithm::EdDsa] {
        let jwk = || -> serde_json::Value {
            serde_json::from_str(loader.generate(algorithm).unwrap().to_jwk().unwrap().expose()).unwrap()
        };
        let (mut one, two) = (jwk(), jwk());
        one.as_object_mut().unwrap().insert("d".to_owned(), two.get("d").unwrap().clone());
        let refused = loader.signing_jwk(one.to_string().as_bytes()).unwrap_err();
        assert_eq!(refused, KeyError::Inconsistent, "{algorithm}");
    }
}

#[test]
fn an_algorithm_is_never_prepared_with_a_key_of_another_type() {
    let loader = KeyLoader::new(AwsLc);
    let key = loader.generate(Algorithm::Es256).unwrap();
    for algorithm in Algorithm::ALL.iter().copied().filter(|other| *other != Algorithm::Es256) {
        assert_eq!(loader.private(algorithm, &key).unwrap_err(), KeyError::UnsupportedAlgorithm);
        let public = key.public_key().unwrap();
        assert_eq!(loader.public(algorithm, &public).unwrap_err(), KeyError::UnsupportedAlgorithm);
    }
}
