//! Keys that stand in for the ones of clients that do not exist.

use alloc::{vec, vec::Vec};

use grantry_core::SecretBytes;
use grantry_jwt::{Algorithm, Curve, KeyLoader, KeyType, PublicKey, SecretKey, VerifyingKey};

/// One key for each algorithm of the default backend, prepared once. An assertion that no registered key
/// could have signed is checked with the one of its algorithm, so that the time of the refusal does not tell
/// who is registered for what.
///
/// Time is equal up to the size of the key: RSA keys here have 2048 bits.
#[derive(Clone, Debug)]
pub(crate) struct DecoyKeys(Vec<VerifyingKey>);

impl DecoyKeys {
    pub(crate) fn prepare(loader: &KeyLoader) -> Self {
        Self(Algorithm::ALL.iter().filter_map(|algorithm| decoy(loader, *algorithm)).collect())
    }

    /// Returns the algorithms, which are those that an assertion can have.
    pub(crate) fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.0.iter().map(VerifyingKey::algorithm)
    }

    pub(crate) fn of(&self, algorithm: Algorithm) -> Option<&VerifyingKey> {
        self.0.iter().find(|key| key.algorithm() == algorithm)
    }
}

fn decoy(loader: &KeyLoader, algorithm: Algorithm) -> Option<VerifyingKey> {
    let jwk = match algorithm.key_type() {
        KeyType::Secret => {
            let secret = SecretKey::new(SecretBytes::from(vec![0; 64]));
            return loader.secret(algorithm, &secret).ok();
        }
        KeyType::Rsa => RSA_2048,
        KeyType::Ec(Curve::P256) => P_256,
        KeyType::Ec(Curve::P384) => P_384,
        KeyType::Ed25519 => ED25519,
        // The default backend has no ES512.
        KeyType::Ec(_) | _ => return None,
    };
    loader.public(algorithm, &PublicKey::from_jwk(jwk.as_bytes()).ok()?).ok()
}

/// The number of that name of the RSA Factoring Challenge: its factors were never kept.
const RSA_2048: &str = concat!(
    r#"{"kty":"RSA","e":"AQAB","n":""#,
    "x5cM7tzDsHVEkCAaeqYTzXOREIHHkPXxqHJvRjVQu1t_8NuOHqEYnscvk9FlABG9chrurMKs3jKgQQfwZIwoE6MfWwt3Zf-L",
    "RLS2_8kzhLZG6wnHz16FktQOozyAA581tPFKBLUfe_14G-TRZzFkuo65kcLE1zC7vjX1kr3vUkr36Nrv0mxm_ALEea-J1k03",
    "P0QnCUOd5mzrlV8-o31RWfYTWAn4UzS1yxgTrdyAzQVgnxCsapWtZYcskJUlva0yvHKVkmQpIPJMYdxbPDt5I-VrFqTZ03PY",
    "ch8ko_wPGzEx9VYVFyhmvMww-VBUyCTnM6XraBf3vBY5nUjGNhzH5Q",
    r#""}"#
);

/// The point M of RFC 9382 section 4, which was hashed from a text: nobody knows its scalar.
const P_256: &str = concat!(
    r#"{"kty":"EC","crv":"P-256","x":"iG4vl6zkblW6ndckJXnymTtk4W7z3KuVr9SXMz2PoS8","#,
    r#""y":"X_NVFj5DziJOCw5l_wKsjlx74JQZx4XgylR9VaEuLSA"}"#
);

/// The same of another curve.
const P_384: &str = concat!(
    r#"{"kty":"EC","crv":"P-384","x":"D_CJWuXr9hhwgKgtgrQuJ2Xjsvh0nH4F66NmQ0s2PT3DbxUxRzkHTS64YT_O7ChT","#,
    r#""y":"l1ksVXl83XfAcVy33yFQIgoBGYZkhq9CNPOQqtH2rd3lkwkJrcZ6H8DJm6PVLcXd"}"#
);

/// The same of another curve.
const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"0EgDLG6gttaX3cLoa9qFozraySDxvxjhsMbRZqXOza8"}"#;

#[cfg(test)]
mod tests {
    use alloc::{boxed::Box, string::ToString, sync::Arc};
    use core::sync::atomic::{AtomicUsize, Ordering};

    use grantry_core::form::{self, Form, Known};
    use grantry_core::{ClientId, HttpRequest, Issuer, SecretString, UnixTime};
    use grantry_jwt::{Backend, BadSignature, JwkSet, KeyError, PrivateKey, Ring, Sign, SigningKey, Verify};
    use serde_json::{Value, json};

    use super::*;
    use crate::authentication::Credentials;
    use crate::{
        AssertionKeys, AssertionSecret, Client, ClientAuthentication, HandleKey, Reason, Records,
        SecretDigest, Server,
    };

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    /// What `ring` does, counted.
    #[derive(Clone, Debug, Default)]
    struct Counting(Arc<AtomicUsize>);

    struct CountingVerify(Counting, Box<dyn Verify>);

    impl Counting {
        fn verify(&self, verify: Box<dyn Verify>) -> Box<dyn Verify> {
            Box::new(CountingVerify(self.clone(), verify))
        }
    }

    impl Verify for CountingVerify {
        fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
            self.0.0.fetch_add(1, Ordering::Relaxed);
            self.1.verify(message, signature)
        }
    }

    impl Backend for Counting {
        fn prepare_public(&self, algorithm: Algorithm, key: &PublicKey) -> Result<Box<dyn Verify>, KeyError> {
            Ring.prepare_public(algorithm, key).map(|key| self.verify(key))
        }

        fn prepare_secret(&self, algorithm: Algorithm, key: &SecretKey) -> Result<Box<dyn Verify>, KeyError> {
            Ring.prepare_secret(algorithm, key).map(|key| self.verify(key))
        }

        fn prepare_private(&self, algorithm: Algorithm, key: &PrivateKey) -> Result<Box<dyn Sign>, KeyError> {
            Ring.prepare_private(algorithm, key)
        }

        fn complete(&self, key: &PrivateKey) -> Result<PrivateKey, KeyError> {
            Ring.complete(key)
        }

        fn generate(&self, algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
            Ring.generate(algorithm)
        }
    }

    fn jwk(id: &str) -> Value {
        let file = include_str!("../../../tests/vectors/jws-sign.json");
        let file: Value = serde_json::from_str(file).unwrap();
        let vectors = file["vectors"].as_array().unwrap();
        vectors.iter().find(|vector| vector["id"] == id).unwrap()["jwk"].clone()
    }

    fn signing_key(id: &str) -> SigningKey {
        SigningKey::from_jwk(jwk(id).to_string().as_bytes()).unwrap()
    }

    fn server(loader: &KeyLoader) -> Server {
        let issuer = Issuer::parse("https://as.example").unwrap();
        let handle_key = HandleKey::new(1, SecretBytes::from(vec![1; 32])).unwrap();
        let mut server =
            Server::new(issuer, signing_key("JK-107.2").with_thumbprint_key_id(), handle_key).unwrap();
        Arc::make_mut(&mut server.config).decoy_keys = DecoyKeys::prepare(loader);
        server
    }

    #[test]
    fn every_algorithm_of_the_default_backend_has_a_decoy() {
        let decoys = DecoyKeys::prepare(&KeyLoader::default());
        for algorithm in Algorithm::ALL {
            let decoy = decoys.of(*algorithm).map(VerifyingKey::algorithm);
            assert_eq!(decoy, Some(*algorithm).filter(|algorithm| *algorithm != Algorithm::Es512));
        }
    }

    /// CA-41 and RL-18: whoever is named, and whatever the registration says, one signature is checked.
    #[test]
    fn rfc6749_5_2_every_assertion_costs_one_verification() {
        let counting = Counting::default();
        let loader = KeyLoader::new(counting.clone());
        let server = server(&loader);
        let public = |id: &str, key_id: &str| {
            let key = loader.verifying_jwk(jwk(id).to_string().as_bytes()).unwrap();
            key.with_key_id(key_id)
        };
        let set = |keys: &[VerifyingKey]| {
            AssertionKeys::new(&JwkSet::from_keys(keys.iter().cloned()))
                .map(ClientAuthentication::PrivateKeyJwt)
        };
        let keys = [public("JK-107.9", "1"), public("JK-107.4", "2"), public("JK-107.2", "3")];
        let other_method = ClientAuthentication::SecretBasic(SecretDigest::of("secret"));
        let secret = AssertionSecret::new(&SecretString::from("x".repeat(64))).unwrap();
        let only_ed25519 = AssertionKeys::new(&JwkSet::from_keys(keys.clone())).unwrap();
        let only_ed25519 = only_ed25519.with_algorithms(&[Algorithm::EdDsa]);
        for registered in [
            None,
            Some(other_method),
            Some(ClientAuthentication::None),
            Some(ClientAuthentication::SecretJwt(secret)),
            Some(ClientAuthentication::PrivateKeyJwt(only_ed25519)),
            Some(set(&[]).unwrap()),
            Some(set(&keys).unwrap()),
            Some(set(&keys[1..2]).unwrap()),
        ] {
            for key_id in [None, Some("1"), Some("4")] {
                let key = signing_key("JK-107.9");
                let key = match key_id {
                    Some(key_id) => key.with_key_id(key_id),
                    None => key,
                };
                counting.0.store(0, Ordering::Relaxed);
                let outcome = authenticate(&server, &key, registered.clone());
                assert_eq!(counting.0.load(Ordering::Relaxed), 1, "{registered:?} {key_id:?} {outcome:?}");
            }
        }
    }

    fn authenticate(
        server: &Server,
        key: &SigningKey,
        registered: Option<ClientAuthentication>,
    ) -> Result<(), Reason> {
        let claims = json!({
            "iss": "app", "sub": "app", "aud": "https://as.example", "jti": "1",
            "exp": NOW.as_secs() + 60,
        });
        let assertion = key.sign_claims("JWT", &claims).unwrap();
        let pairs = [
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.as_str()),
        ];
        let known = Known { once: &["client_assertion", "client_assertion_type"], many: &[] };
        let request = HttpRequest::form("/token", form::encode(pairs));
        let form = Form::from_request(&request, &known).unwrap();
        let credentials = Credentials::from_request(server, &request, &form).unwrap();
        let client = registered.map(|method| Client::new(ClientId::parse("app").unwrap(), method));
        let records = client.map_or_else(Records::new, |client| Records::new().with_client(client));
        credentials.authenticate(&records, NOW).map(|_| ())
    }
}
