//! What an ID token says
//! ([OpenID Connect Core section 2](https://openid.net/specs/openid-connect-core-1_0.html#IDToken)).

use alloc::{string::String, vec::Vec};

use grantry_core::{ClientId, Issuer, SecretString, UnixTime, base64url};
use grantry_jwt::Algorithm;
use serde::Serialize;

use crate::access_token::one_or_several;
use crate::claims::Claims;
use crate::grant::Subject;

/// The `typ` of ID tokens: what tells them from access tokens under the same key
/// ([RFC 8725 section 3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11)).
pub(crate) const ID_TOKEN_TYP: &str = "JWT";

/// The claims of an ID token. None of the host's can take the place of another: their names are reserved in
/// [`Claims`].
#[derive(Serialize)]
pub(crate) struct IdTokenClaims {
    pub(crate) iss: Issuer,
    pub(crate) sub: Subject,
    #[serde(serialize_with = "one_or_several")]
    pub(crate) aud: Vec<String>,
    /// The client, where `aud` does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) azp: Option<ClientId>,
    pub(crate) exp: UnixTime,
    pub(crate) iat: UnixTime,
    pub(crate) auth_time: UnixTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nonce: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) acr: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) amr: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sid: Option<String>,
    #[serde(flatten)]
    pub(crate) person: Claims,
}

/// Makes `at_hash`: the left half of the token's digest by the hash of the signature's algorithm, SHA-512 for
/// Ed25519 ([OpenID Connect Core section 3.1.3.6](https://openid.net/specs/openid-connect-core-1_0.html#CodeIDToken)).
pub(crate) fn access_token_hash(algorithm: Algorithm, access_token: &SecretString) -> String {
    let digest = algorithm.digest(access_token.expose().as_bytes());
    base64url::encode(digest.get(..digest.len() / 2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use serde_json::{Value, json};

    use super::*;
    use crate::claims::is_reserved;

    fn claims() -> IdTokenClaims {
        IdTokenClaims {
            iss: Issuer::parse("https://as.example").unwrap(),
            sub: Subject::parse("alice").unwrap(),
            aud: vec!["app".into(), "backend".into()],
            azp: Some(ClientId::parse("app").unwrap()),
            exp: UnixTime::from_secs(9),
            iat: UnixTime::from_secs(3),
            auth_time: UnixTime::from_secs(2),
            nonce: Some("n-1".into()),
            acr: Some("gold".into()),
            amr: vec!["pwd".into()],
            at_hash: Some("hash".into()),
            sid: Some("session-1".into()),
            person: Claims::from_json(r#"{"email":"alice@example.org"}"#).unwrap(),
        }
    }

    #[test]
    fn oidc_2_an_id_token_says_who_when_and_how() {
        let expected = json!({
            "iss": "https://as.example", "sub": "alice", "aud": ["app", "backend"], "azp": "app", "exp": 9,
            "iat": 3, "auth_time": 2, "nonce": "n-1", "acr": "gold", "amr": ["pwd"], "at_hash": "hash",
            "sid": "session-1", "email": "alice@example.org",
        });
        assert_eq!(serde_json::to_value(claims()).unwrap(), expected);
    }

    #[test]
    fn oidc_2_what_is_not_known_is_not_said() {
        let bare = IdTokenClaims {
            aud: vec!["app".into()],
            azp: None,
            nonce: None,
            acr: None,
            amr: Vec::new(),
            at_hash: None,
            sid: None,
            person: Claims::default(),
            ..claims()
        };
        let expected = json!({
            "iss": "https://as.example", "sub": "alice", "aud": "app", "exp": 9, "iat": 3, "auth_time": 2,
        });
        assert_eq!(serde_json::to_value(bare).unwrap(), expected);
    }

    #[test]
    fn rfc7519_4_every_name_of_the_server_is_reserved() {
        let Value::Object(names) =
            serde_json::to_value(IdTokenClaims { person: Claims::default(), ..claims() }).unwrap()
        else {
            unreachable!("not an object");
        };
        for name in names.keys() {
            assert!(is_reserved(name), "{name}");
        }
    }

    /// IT-24 and IT-27.
    #[test]
    fn oidc_3_1_3_6_at_hash_is_the_left_half_by_the_hash_of_the_algorithm() {
        let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/id-token.json")).unwrap();
        let vectors = file["vectors"].as_array().unwrap().iter();
        let mut checked = 0;
        for vector in
            vectors.filter(|vector| ["IT-24", "IT-27", "IT-27.2"].map(Into::into).contains(&vector["id"]))
        {
            let claims: Value = serde_json::from_str(vector["claims"].as_str().unwrap()).unwrap();
            let algorithm = Algorithm::parse(vector["config"]["alg"].as_str().unwrap()).unwrap();
            let token = SecretString::from(vector["config"]["access_token"].as_str().unwrap());
            assert_eq!(claims["at_hash"], access_token_hash(algorithm, &token), "{algorithm}");
            checked += 1;
        }
        assert_eq!(checked, 3);
        for algorithm in Algorithm::ALL {
            let hash =
                base64url::decode(access_token_hash(*algorithm, &SecretString::from("token"))).unwrap();
            assert_eq!(hash.len() * 2, algorithm.digest_len());
        }
    }
}
