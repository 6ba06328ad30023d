//! Which key checks an assertion, and for whom.

use super::*;

/// CA-55 and CVE-2015-9235.
#[test]
fn rfc8725_3_1_the_algorithm_belongs_to_the_registered_key() {
    let site = site();
    let payload = base64url::encode(claims("signed", &json!({})).to_string());
    let none = format!("{}.{payload}.", base64url::encode(r#"{"alg":"none"}"#));
    assert_unfit(&site, &none, VerifyError::UnknownAlgorithm);
    let public = JwkSet::from_keys([rsa().verifying_key()]).to_json();
    let modulus =
        serde_json::from_str::<Value>(&public).unwrap()["keys"][0]["n"].as_str().unwrap().to_owned();
    for secret in [public, modulus, "\0".repeat(64)] {
        for key_id in ["rsa-1", "other"] {
            let forged = sign(&hmac("HS256", &secret).with_key_id(key_id), &claims("signed", &json!({})));
            let error =
                if key_id == "other" { VerifyError::UnknownKey } else { VerifyError::AlgorithmMismatch };
            assert_unfit(&site, &forged, error);
        }
        let keyed = sign(&hmac("HS256", &secret), &claims("keyed", &json!({})));
        assert_unfit(&site, &keyed, VerifyError::Signature);
    }

    let ed_only = keys(&[rsa(), ed25519()]).with_algorithms(&[grantry_jwt::Algorithm::EdDsa]);
    let hs512_only = AssertionSecret::new(&SecretString::from(SECRET)).unwrap();
    let hs512_only = hs512_only.with_algorithms(&[grantry_jwt::Algorithm::Hs512]);
    assert_ne!(ed_only, keys(&[rsa(), ed25519()]));
    site.store.inner.put_client(client("signed", ClientAuthentication::PrivateKeyJwt(ed_only)));
    site.store.inner.put_client(client("keyed", ClientAuthentication::SecretJwt(hs512_only)));
    assert_unfit(&site, &signed(&json!({})), VerifyError::AlgorithmNotAllowed);
    assert_eq!(verdict(&site, &sign(&ed25519(), &claims("signed", &json!({})))), AUTHENTICATED);
    let hs256 = sign(&hmac("HS256", SECRET), &claims("keyed", &json!({})));
    assert_unfit(&site, &hs256, VerifyError::AlgorithmNotAllowed);
    assert_eq!(verdict(&site, &sign(&hmac("HS512", SECRET), &claims("keyed", &json!({})))), AUTHENTICATED);
}

/// CA-40 for assertions: the registered method is the only one.
#[test]
fn rfc7591_2_the_registered_method_is_enforced() {
    let site = site();
    for client in ["web", "post", "native"] {
        for key in [rsa(), hmac("HS256", &secret("web").repeat(4))] {
            let request = ask("/token", &sign(&key, &claims(client, &json!({}))), &[]);
            assert_refused(&site, &request, NOW, Reason::ClientNotAuthenticated);
        }
    }
    for client in ["signed", "keyed"] {
        let unproven = Reason::ClientNotAuthenticated;
        assert_refused(&site, &HttpRequest::form("/token", format!("client_id={client}")), NOW, unproven);
        let body = format!("client_id={client}&client_secret={SECRET}");
        assert_refused(&site, &HttpRequest::form("/token", body), NOW, unproven);
        let header = HttpRequest::form("/token", "").with_header("Authorization", basic(client, SECRET));
        assert_refused(&site, &header, NOW, unproven);
    }
}

/// CA-41 for assertions: the same answer for the same reads and writes. That a signature is checked each time
/// is in the tests of `ClientAssertion`.
#[test]
fn rfc6749_5_2_an_unknown_client_looks_like_a_wrong_signature() {
    let site = site();
    for path in ENDPOINTS {
        let answer = |client: &str, key: &SigningKey| {
            let request = ask(path, &sign(key, &claims(client, &json!({}))), &[("token", "x")]);
            let ((_, response), counts) = site.store.count(|| send(&site, &request, NOW));
            (response, counts)
        };
        let wrong_key = private_key("JK-107.4", "rsa-1");
        let wrong = answer("signed", &wrong_key);
        assert_eq!(wrong.1, [1, 0, 0]);
        for (client, key) in
            [("nobody", &wrong_key), ("web", &wrong_key), ("nobody", &rsa()), ("keyed", &rsa())]
        {
            assert_eq!(answer(client, key), wrong, "{client} {path}");
        }
    }
}

/// The key of `rsa`, which names itself in no header.
fn nameless() -> SigningKey {
    let vectors = support::vectors(include_str!("../../../../tests/vectors/jws-sign.json"));
    let vector = vectors.iter().find(|vector| vector["id"] == "JK-107.9").unwrap();
    SigningKey::from_jwk(vector["jwk"].to_string().as_bytes()).unwrap()
}

/// RL-18 and OpenID Connect Core section 10.1: one key is tried, and where there are several `kid` names it.
#[test]
fn rfc7517_4_5_one_key_is_tried() {
    let site = site();
    let put = |keys| site.store.inner.put_client(client("signed", ClientAuthentication::PrivateKeyJwt(keys)));
    let claims = |jti: &str| claims("signed", &json!({ "jti": jti }));
    let second = private_key("JK-107.4", "rsa-2");
    put(keys(&[rsa(), second.clone()]));
    assert_unfit(&site, &sign(&nameless(), &claims("a")), VerifyError::AmbiguousKey);
    assert_eq!(verdict(&site, &sign(&second, &claims("b"))), AUTHENTICATED);
    assert_unfit(&site, &sign(&rsa().with_key_id("rsa-2"), &claims("c")), VerifyError::Signature);
    assert_unfit(&site, &sign(&rsa().with_key_id("rsa-3"), &claims("c")), VerifyError::UnknownKey);
    put(keys(&[nameless(), ed25519()]));
    assert_eq!(verdict(&site, &sign(&rsa(), &claims("d"))), AUTHENTICATED);
    put(keys(&[]));
    assert_unfit(&site, &sign(&rsa(), &claims("e")), VerifyError::UnknownKey);
}

#[test]
fn rfc7517_9_2_a_shared_secret_is_no_public_key() {
    let error = grantry_jwt::KeyError::SymmetricKeyInPublicSet;
    let secret = hmac("HS256", SECRET).verifying_key();
    assert_eq!(AssertionKeys::new(&JwkSet::from_keys([secret, rsa().verifying_key()])), Err(error));
}

#[test]
fn rfc7518_3_2_a_secret_is_as_long_as_the_digest() {
    let secret = |length| SecretString::from(SECRET.split_at(length).0);
    let error = grantry_jwt::KeyError::SecretTooShort;
    assert_eq!(AssertionSecret::new(&secret(31)), Err(error));
    let site = site();
    let short = AssertionSecret::new(&secret(32)).unwrap();
    site.store.inner.put_client(client("keyed", ClientAuthentication::SecretJwt(short)));
    let keyed = |algorithm| sign(&hmac(algorithm, SECRET), &claims("keyed", &json!({})));
    assert_unfit(&site, &keyed("HS512"), VerifyError::AlgorithmMismatch);
    let good = sign(&hmac("HS256", secret(32).expose()), &claims("keyed", &json!({})));
    assert_eq!(verdict(&site, &good), AUTHENTICATED);
}

/// CA-43 for assertions.
#[test]
fn no_assertion_and_no_secret_is_printed() {
    let secret = AssertionSecret::new(&SecretString::from(SECRET)).unwrap();
    assert_eq!(format!("{secret:?}"), "AssertionSecret");
    assert_eq!(secret, AssertionSecret::new(&SecretString::from(SECRET)).unwrap());
    assert_ne!(secret, AssertionSecret::new(&SecretString::from(SECRET.to_uppercase())).unwrap());
    assert_eq!(keys(&[rsa()]), keys(&[rsa()]));
    assert_ne!(keys(&[rsa()]), keys(&[rsa().with_key_id("other")]));
    assert_ne!(keys(&[rsa()]), keys(&[private_key("JK-107.4", "rsa-1")]));
    assert_ne!(keys(&[rsa()]), keys(&[]));
    let site = site();
    let assertion = sign(&hmac("HS256", SECRET), &claims("keyed", &json!({ "jti": "hunter2" })));
    let request = ask("/token", &assertion, &[]);
    let operation = site.server.token(&request);
    let reply = site.run(&operation, NOW);
    assert!(matches!(reply.answer, TokenAnswer::Denied(_)));
    let signature = assertion.rsplit('.').next().unwrap();
    for printed in [format!("{request:?}"), format!("{operation:?}"), format!("{reply:?}")] {
        assert!(!printed.contains(signature) && !printed.contains("hunter2"), "{printed}");
    }
    assert!(!format!("{:?}", site.store).contains(SECRET));
}

#[test]
fn rfc7591_2_every_method_has_its_name() {
    let names = ["none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"];
    let digest = grantry_server::SecretDigest::unmatched;
    let secret = AssertionSecret::new(&SecretString::from(SECRET)).unwrap();
    let methods = [
        ClientAuthentication::None,
        ClientAuthentication::SecretBasic(digest()),
        ClientAuthentication::SecretPost(digest()),
        ClientAuthentication::SecretJwt(secret),
        ClientAuthentication::PrivateKeyJwt(keys(&[])),
    ];
    assert_eq!(methods.each_ref().map(ClientAuthentication::as_str), names);
}
