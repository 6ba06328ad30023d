//! Rules about backends: what a key is made with, what is generated, what another machine signs.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use grantry_core::{HttpResponse, SecretBytes, UnixTime, base64url};
use grantry_jwt::{
    Advice, Algorithm, Backend, BadSignature, HeaderFields, JwkSet, JwksCache, JwksPolicy, KeyError,
    KeyLoader, KeyType, MAX_TOKEN_BYTES, PrivateKey, PublicKey, Ring, SecretKey, Sign, SignError,
    SigningFailed, SigningInput, SigningKey, Verify, VerifyError, VerifyingKey, Wanted, peek_unverified,
    verify_jws,
};
use serde_json::json;

/// What the default backend generates.
const GENERATED: [Algorithm; 6] = [
    Algorithm::Hs256,
    Algorithm::Hs384,
    Algorithm::Hs512,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
];

fn generated(algorithm: Algorithm) -> SigningKey {
    let private = KeyLoader::default().generate(algorithm).unwrap();
    SigningKey::new(algorithm, &private).unwrap().with_key_id("k")
}

fn verifies(token: &str, key: &VerifyingKey) -> Result<(), VerifyError> {
    verify_jws(token, &JwkSet::from_keys([key.clone()]), Algorithm::ALL).map(drop)
}

#[test]
fn a_generated_key_signs_and_is_never_the_same_again() {
    for algorithm in GENERATED {
        let (one, two) = (generated(algorithm), generated(algorithm));
        assert_eq!(one.algorithm(), algorithm);
        let token = one.sign(Some("JWT"), b"{}").unwrap();
        assert_eq!(verifies(&token, &one.verifying_key()), Ok(()), "{algorithm}");
        assert_eq!(verifies(&token, &two.verifying_key()), Err(VerifyError::Signature), "{algorithm}");
    }
}

#[test]
fn ring_says_what_it_cannot_generate_or_prepare() {
    for algorithm in Algorithm::ALL.iter().filter(|algorithm| !GENERATED.contains(algorithm)) {
        let refused = KeyLoader::new(Ring).generate(*algorithm).unwrap_err();
        assert_eq!(refused, KeyError::UnsupportedByBackend, "{algorithm}");
    }
    // The base point of P-521 (FIPS 186-4 appendix D.1.2.5).
    let jwk = json!({"kty": "EC", "crv": "P-521",
        "x": "AMaFjga3BATpzZ4-y2YjlbRCnGSBOQU_tSH4KK9ga009uqFLXnfv51ko_h3BJ6L_qN4zSLPBhWpCm_l-fjHC5b1m",
        "y": "ARg5KWp4mjvABFyKX7QsfRvZmPVESVebRGgXr70XJz5mLJfucple9CZAxVC5AT-tB2E1PHCGonLCQIi-lHaf0WZQ"});
    let refused = VerifyingKey::from_jwk(jwk.to_string().as_bytes()).unwrap_err();
    assert_eq!(refused, KeyError::UnsupportedByBackend);
}

#[test]
fn rfc7518_3_1_an_algorithm_works_with_keys_of_its_type_alone() {
    for algorithm in GENERATED {
        let private = KeyLoader::default().generate(algorithm).unwrap();
        assert_eq!(private.key_type(), algorithm.key_type());
        for other in Algorithm::ALL.iter().filter(|other| other.key_type() != algorithm.key_type()) {
            let refused = SigningKey::new(*other, &private).unwrap_err();
            assert_eq!(refused, KeyError::UnsupportedAlgorithm, "{algorithm} {other}");
            if let Some(public) = private.public_key() {
                let refused = VerifyingKey::new(*other, &public).unwrap_err();
                assert_eq!(refused, KeyError::UnsupportedAlgorithm, "{algorithm} {other}");
            } else {
                let secret = SecretBytes::from(vec![7; 64]);
                let refused = VerifyingKey::from_secret(*other, &secret).unwrap_err();
                assert_eq!(refused, KeyError::UnsupportedAlgorithm, "{algorithm} {other}");
            }
        }
    }
}

#[test]
fn rfc7518_3_2_a_secret_is_as_long_as_the_digest() {
    for (algorithm, least) in [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)] {
        let secret = |length| SecretBytes::from(vec![7; length]);
        assert!(SigningKey::from_secret(algorithm, &secret(least)).is_ok());
        assert!(VerifyingKey::from_secret(algorithm, &secret(least)).is_ok());
        let short = SigningKey::from_secret(algorithm, &secret(least - 1)).unwrap_err();
        assert_eq!(short, KeyError::SecretTooShort, "{algorithm}");
        let short = VerifyingKey::from_secret(algorithm, &secret(least - 1)).unwrap_err();
        assert_eq!(short, KeyError::SecretTooShort, "{algorithm}");
    }
}

#[test]
fn rfc8725_3_1_a_key_that_names_no_algorithm_has_one_all_the_same() {
    let secret = json!({"kty": "oct", "k": base64url::encode([7; 64])}).to_string();
    let algorithm = |loader: KeyLoader| loader.verifying_jwk(secret.as_bytes()).unwrap().algorithm();
    assert_eq!(algorithm(KeyLoader::default()), Algorithm::Hs256);
    let loader = KeyLoader::default().with_algorithm_of_unnamed(Algorithm::Hs512);
    assert_eq!(algorithm(loader.clone()), Algorithm::Hs512);
    assert_eq!(loader.signing_jwk(secret.as_bytes()).unwrap().algorithm(), Algorithm::Hs512);
    // One for each type of key, and none for a curve, which leaves no choice.
    let loader =
        loader.with_algorithm_of_unnamed(Algorithm::Ps256).with_algorithm_of_unnamed(Algorithm::Es384);
    assert_eq!(algorithm(loader.clone()), Algorithm::Hs512);
    let public = generated(Algorithm::Es256).verifying_key().public_key().unwrap().to_jwk();
    assert_eq!(loader.verifying_jwk(public.as_bytes()).unwrap().algorithm(), Algorithm::Es256);
    let named = json!({"kty": "oct", "k": base64url::encode([7; 64]), "alg": "HS384"}).to_string();
    assert_eq!(loader.verifying_jwk(named.as_bytes()).unwrap().algorithm(), Algorithm::Hs384);
}

#[test]
fn a_private_key_that_contradicts_its_public_half_is_refused() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa] {
        let jwk = |private: &PrivateKey| -> serde_json::Value {
            serde_json::from_str(private.to_jwk().unwrap().expose()).unwrap()
        };
        let (one, two) = (
            KeyLoader::default().generate(algorithm).unwrap(),
            KeyLoader::default().generate(algorithm).unwrap(),
        );
        let mut mixed = jwk(&one);
        mixed.as_object_mut().unwrap().insert("d".to_owned(), jwk(&two).get("d").unwrap().clone());
        let refused = SigningKey::from_jwk(mixed.to_string().as_bytes()).unwrap_err();
        assert_eq!(refused, KeyError::Inconsistent, "{algorithm}");
    }
}

#[test]
fn rfc8410_7_an_ed25519_key_without_its_public_half_is_completed() {
    let whole = KeyLoader::default().generate(Algorithm::EdDsa).unwrap();
    let PrivateKey::Ed25519(key) = &whole else { panic!("another key") };
    let half = PrivateKey::Ed25519(grantry_jwt::Ed25519PrivateKey::new(key.seed()).unwrap());
    assert_eq!(half.public_key(), None);
    let key = SigningKey::new(Algorithm::EdDsa, &half).unwrap();
    assert_eq!(key.verifying_key().public_key(), whole.public_key().as_ref());
}

#[test]
fn rfc5915_3_an_ec_key_without_its_public_half_needs_a_backend_that_computes_it() {
    let PrivateKey::Ec(key) = KeyLoader::default().generate(Algorithm::Es256).unwrap() else {
        panic!("another key")
    };
    let half = PrivateKey::Ec(grantry_jwt::EcPrivateKey::new(key.curve(), key.scalar()).unwrap());
    assert_eq!(SigningKey::new(Algorithm::Es256, &half).unwrap_err(), KeyError::UnsupportedByBackend);
}

/// Signs as a machine elsewhere that knows the bytes alone.
fn signature_of(key: &SigningKey, input: &SigningInput) -> Vec<u8> {
    let text = core::str::from_utf8(input.as_bytes()).unwrap();
    let (header, payload) = text.split_once('.').unwrap();
    let header = String::from_utf8(base64url::decode(header).unwrap()).unwrap();
    let token = key.sign_with_header(&header, &base64url::decode(payload).unwrap()).unwrap();
    base64url::decode(token.rsplit('.').next().unwrap()).unwrap()
}

#[test]
fn rfc7515_5_1_a_key_outside_of_the_process_signs_the_input() {
    for algorithm in GENERATED {
        let key = generated(algorithm);
        let input = SigningInput::of_claims(&key.verifying_key(), "JWT", &json!({"sub": "a"})).unwrap();
        assert_eq!(input.algorithm(), algorithm);
        let signature = signature_of(&key, &input);
        let token = input.clone().complete(&signature).unwrap();
        assert_eq!(verifies(&token, &key.verifying_key()), Ok(()), "{algorithm}");

        let mut other = signature.clone();
        *other.last_mut().unwrap() ^= 1;
        for wrong in [&other[..], &signature[1..], b""] {
            assert_eq!(input.clone().complete(wrong), Err(SignError::Signature), "{algorithm}");
        }
        let stranger = generated(algorithm);
        let foreign = signature_of(&stranger, &input);
        assert_eq!(input.complete(&foreign), Err(SignError::Signature), "{algorithm}");
    }
}

#[test]
fn rfc3279_2_2_3_an_ecdsa_signature_in_der_becomes_the_fixed_form() {
    let integer = |number: &[u8]| {
        let magnitude: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign = if magnitude.first().is_some_and(|byte| *byte >= 0x80) { vec![0] } else { vec![] };
        let length = u8::try_from(sign.len() + magnitude.len()).unwrap();
        [vec![2, length], sign, magnitude].concat()
    };
    for algorithm in [Algorithm::Es256, Algorithm::Es384] {
        let key = generated(algorithm);
        let input = SigningInput::new(&key.verifying_key(), None, b"payload").unwrap();
        // Until both numbers were seen short and long.
        for _ in 0..64 {
            let fixed = signature_of(&key, &input);
            let (r, s) = fixed.split_at(fixed.len() / 2);
            let body = [integer(r), integer(s)].concat();
            let der = [vec![0x30, u8::try_from(body.len()).unwrap()], body].concat();
            let token = input.clone().complete_der(&der).unwrap();
            assert!(token.ends_with(&base64url::encode(&fixed)));
            assert_eq!(input.clone().complete_der(&fixed), Err(SignError::Signature));
            assert_eq!(input.clone().complete_der(&[&der[..], &[0]].concat()), Err(SignError::Signature));
            assert_eq!(input.clone().complete_der(&der[..der.len() - 1]), Err(SignError::Signature));
        }
    }
    let ed25519 = generated(Algorithm::EdDsa);
    let input = SigningInput::new(&ed25519.verifying_key(), None, b"payload").unwrap();
    assert_eq!(input.complete_der(&[0x30, 6, 2, 1, 1, 2, 1, 1]), Err(SignError::Signature));
}

#[test]
fn a_token_from_outside_has_the_same_limit() {
    let key = generated(Algorithm::EdDsa);
    let input = |bytes| SigningInput::new(&key.verifying_key(), None, &vec![b'x'; bytes]);
    assert_eq!(input(MAX_TOKEN_BYTES).unwrap_err(), SignError::TooLong);
    // The input alone has the room, and the 87 bytes of the signature have not.
    let long = input((MAX_TOKEN_BYTES - 100) * 3 / 4).unwrap();
    let signature = key.sign(None, &vec![b'x'; (MAX_TOKEN_BYTES - 100) * 3 / 4]);
    assert_eq!(signature, Err(SignError::TooLong));
    assert!(long.as_bytes().len() <= MAX_TOKEN_BYTES);
}

#[test]
fn rfc7515_4_header_fields_stand_in_the_header() {
    let key = generated(Algorithm::Hs256);
    let fields = HeaderFields::new()
        .with_typ("dpop+jwt")
        .with_cty("JWT")
        .with_member("jwk", json!({"kty": "OKP"}))
        .unwrap()
        .with_member("x\"5", "a\u{1}")
        .unwrap();
    let token = key.sign(fields, b"{}").unwrap();
    let header: serde_json::Value =
        serde_json::from_slice(&base64url::decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    let expected = json!({"alg": "HS256", "typ": "dpop+jwt", "cty": "JWT", "kid": "k",
        "jwk": {"kty": "OKP"}, "x\"5": "a\u{1}"});
    assert_eq!(header, expected);
    assert_eq!(verifies(&token, &key.verifying_key()), Ok(()));
    for name in ["alg", "kid", "typ", "cty", "crit", "b64", "$serde_json::private::Number"] {
        assert_eq!(HeaderFields::new().with_member(name, 1), Err(SignError::Header), "{name}");
    }
    let twice = HeaderFields::new().with_member("a", 1).unwrap().with_member("a", 2);
    assert_eq!(twice, Err(SignError::Header));
}

#[test]
fn rfc7515_4_1_11_a_critical_member_is_named_by_crit() {
    let key = generated(Algorithm::Hs256);
    let fields = HeaderFields::new().with_critical_member("https://e.example/x", true).unwrap();
    let token = key.sign(fields, b"{}").unwrap();
    let header = base64url::decode(token.split('.').next().unwrap()).unwrap();
    assert_eq!(
        String::from_utf8(header).unwrap(),
        r#"{"alg":"HS256","kid":"k","https://e.example/x":true,"crit":["https://e.example/x"]}"#
    );
    assert_eq!(verifies(&token, &key.verifying_key()), Err(VerifyError::Critical));
    for name in ["alg", "jwk", "x5t#S256", "b64", "zip", "epk", "p2c"] {
        assert_eq!(HeaderFields::new().with_critical_member(name, 1), Err(SignError::Header), "{name}");
    }
}

/// A backend whose every signature is `"no"`, to see which one a key uses.
#[derive(Debug)]
struct Refusing;

struct RefusingKey;

impl Backend for Refusing {
    fn prepare_public(&self, _: Algorithm, _: &PublicKey) -> Result<Box<dyn Verify>, KeyError> {
        Ok(Box::new(RefusingKey))
    }
    fn prepare_secret(&self, _: Algorithm, _: &SecretKey) -> Result<Box<dyn Verify>, KeyError> {
        Ok(Box::new(RefusingKey))
    }
    fn prepare_private(&self, _: Algorithm, _: &PrivateKey) -> Result<Box<dyn Sign>, KeyError> {
        Ok(Box::new(RefusingKey))
    }
    fn complete(&self, key: &PrivateKey) -> Result<PrivateKey, KeyError> {
        Ok(key.clone())
    }
    fn generate(&self, _: Algorithm) -> Result<PrivateKey, KeyError> {
        Err(KeyError::Generation)
    }
}

impl Verify for RefusingKey {
    fn verify(&self, _: &[u8], _: &[u8]) -> Result<(), BadSignature> {
        Err(BadSignature)
    }
}

impl Sign for RefusingKey {
    fn signature_len(&self) -> usize {
        2
    }
    fn sign(&self, _: &[u8], signature: &mut [u8]) -> Result<(), SigningFailed> {
        signature.copy_from_slice(b"no");
        Ok(())
    }
}

#[test]
fn a_key_keeps_the_backend_that_prepared_it() {
    let refusing = KeyLoader::new(Refusing);
    assert_eq!(refusing.generate(Algorithm::EdDsa).unwrap_err(), KeyError::Generation);
    for algorithm in GENERATED {
        let private = KeyLoader::default().generate(algorithm).unwrap();
        let (ours, other) =
            (SigningKey::new(algorithm, &private).unwrap(), refusing.private(algorithm, &private).unwrap());
        let (token, wrong) = (ours.sign(None, b"{}").unwrap(), other.sign(None, b"{}").unwrap());
        assert!(wrong.ends_with(".bm8"));
        assert_eq!(verifies(&token, &ours.verifying_key()), Ok(()));
        assert_eq!(verifies(&token, &other.verifying_key()), Err(VerifyError::Signature));
        assert_eq!(verifies(&wrong, &ours.verifying_key()), Err(VerifyError::Signature));
        let document = JwkSet::from_keys([ours.verifying_key()]).to_json();
        let keys = refusing.jwk_set(document.as_bytes()).unwrap();
        let expected = usize::from(algorithm.key_type() != KeyType::Secret);
        assert_eq!(keys.keys().len(), expected);
        assert!(verify_jws(&token, &keys, Algorithm::ALL).is_err());
    }
    // The checks of a key come before every backend.
    let short = SecretKey::new(SecretBytes::from(vec![7; 31]));
    assert_eq!(refusing.secret(Algorithm::Hs256, &short).unwrap_err(), KeyError::SecretTooShort);
    assert_eq!(
        refusing.private(Algorithm::Hs256, &PrivateKey::Secret(short)).unwrap_err(),
        KeyError::SecretTooShort
    );
}

#[test]
fn a_cache_of_keys_prepares_them_with_the_loader_of_its_policy() {
    let key = generated(Algorithm::EdDsa);
    let token = key.sign(None, b"{}").unwrap();
    let document = JwkSet::from_keys([key.verifying_key()]).to_json();
    let now = UnixTime::from_secs(1_800_000_000);
    let refusing = JwksPolicy::default().with_loader(KeyLoader::new(Refusing));
    for (policy, expected) in [(JwksPolicy::default(), Ok(())), (refusing, Err(VerifyError::Signature))] {
        let mut cache = JwksCache::new("https://as.example/jwks", policy.clone());
        let Advice::Fetch(ticket) = cache.advise(Wanted::Any, now) else { panic!("nothing is there yet") };
        let response = HttpResponse::new(200).with_body(document.as_str());
        let keys = cache.handle_response(ticket, &response, now).unwrap();
        assert_eq!(verify_jws(&token, &keys, Algorithm::ALL).map(drop), expected);

        let mut stored = JwksCache::from_json(&cache.to_json(), "https://as.example/jwks", policy).unwrap();
        let Advice::Ready(keys) = stored.advise(Wanted::Any, now) else { panic!("the keys are stored") };
        assert_eq!(verify_jws(&token, &keys, Algorithm::ALL).map(drop), expected);
    }
}

#[test]
fn a_published_key_of_every_type_reads_back_and_holds_no_private_member() {
    for algorithm in GENERATED {
        let private = KeyLoader::default().generate(algorithm).unwrap();
        let key = SigningKey::new(algorithm, &private).unwrap().with_thumbprint_key_id();
        let document = JwkSet::from_keys([key.verifying_key()]).to_json();
        for name in ["\"d\"", "\"k\"", "\"p\"", "\"q\"", "\"dp\"", "\"dq\"", "\"qi\""] {
            assert!(!document.contains(name), "{algorithm} {document}");
        }
        let set = JwkSet::parse(document.as_bytes()).unwrap();
        assert_eq!(set.skipped(), []);
        match set.keys() {
            [] => assert_eq!(algorithm.key_type(), KeyType::Secret),
            [read] => {
                assert_eq!(read.public_key(), private.public_key().as_ref());
                assert_eq!((read.algorithm(), read.key_id()), (algorithm, key.key_id()));
                let token = key.sign(None, b"x").unwrap();
                assert_eq!(peek_unverified(&token).unwrap().key_id(), read.thumbprint().as_deref());
                assert!(verify_jws(&token, &set, &[algorithm]).is_ok());
            }
            more => panic!("{more:?}"),
        }
    }
}
