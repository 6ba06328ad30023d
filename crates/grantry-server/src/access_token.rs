//! What a JWT access token says
//! ([RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2)).

use alloc::{string::String, vec::Vec};

use grantry_core::{ClientId, Issuer, Scope, SecretString, UnixTime};
use serde::{Serialize, Serializer};

use crate::claims::Claims;

/// The claims of an access token. None of the host's can take the place of another: their names are reserved
/// in [`Claims`].
#[derive(Serialize)]
pub(crate) struct AccessTokenClaims {
    pub(crate) iss: Issuer,
    /// The person; for a token that a client has for itself, the client.
    pub(crate) sub: String,
    #[serde(serialize_with = "one_or_several")]
    pub(crate) aud: Vec<String>,
    pub(crate) client_id: ClientId,
    #[serde(skip_serializing_if = "Scope::is_empty")]
    pub(crate) scope: Scope,
    pub(crate) exp: UnixTime,
    pub(crate) iat: UnixTime,
    #[serde(serialize_with = "exposed")]
    pub(crate) jti: SecretString,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auth_time: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) acr: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) amr: Vec<String>,
    #[serde(flatten)]
    pub(crate) host: Claims,
}

fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// Writes whom a token is for: one audience as a string, several as an array
/// ([RFC 7519 section 4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)).
pub(crate) fn one_or_several<S: Serializer>(audiences: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match audiences {
        [one] => serializer.serialize_str(one),
        several => several.serialize(serializer),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use serde_json::{Value, json};

    use super::*;
    use crate::claims::is_reserved;

    fn claims() -> AccessTokenClaims {
        AccessTokenClaims {
            iss: Issuer::parse("https://as.example").unwrap(),
            sub: "alice".into(),
            aud: vec!["https://api.example".into()],
            client_id: ClientId::parse("app").unwrap(),
            scope: Scope::parse("read").unwrap(),
            exp: UnixTime::from_secs(9),
            iat: UnixTime::from_secs(3),
            jti: SecretString::from("id-1"),
            auth_time: Some(UnixTime::from_secs(2)),
            acr: Some("gold".into()),
            amr: vec!["pwd".into(), "otp".into()],
            host: Claims::from_json(r#"{"roles":["admin"]}"#).unwrap(),
        }
    }

    #[test]
    fn rfc9068_2_2_a_token_says_who_what_and_how() {
        let expected = json!({
            "iss": "https://as.example", "sub": "alice", "aud": "https://api.example", "client_id": "app",
            "scope": "read", "exp": 9, "iat": 3, "jti": "id-1", "auth_time": 2, "acr": "gold",
            "amr": ["pwd", "otp"], "roles": ["admin"],
        });
        assert_eq!(serde_json::to_value(claims()).unwrap(), expected);
    }

    /// RFC 9068 section 2.2: `sub` is the client when no person is involved, and nobody logged in.
    #[test]
    fn rfc9068_2_2_what_is_not_so_is_not_said() {
        let bare = AccessTokenClaims {
            sub: "app".into(),
            aud: vec!["https://a.example".into(), "https://b.example".into()],
            scope: Scope::empty(),
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            host: Claims::default(),
            ..claims()
        };
        let expected = json!({
            "iss": "https://as.example", "sub": "app", "aud": ["https://a.example", "https://b.example"],
            "client_id": "app", "exp": 9, "iat": 3, "jti": "id-1",
        });
        assert_eq!(serde_json::to_value(bare).unwrap(), expected);
    }

    #[test]
    fn rfc7519_4_every_name_of_the_server_is_reserved() {
        let Value::Object(names) =
            serde_json::to_value(AccessTokenClaims { host: Claims::default(), ..claims() }).unwrap()
        else {
            unreachable!("not an object");
        };
        for name in names.keys() {
            assert!(is_reserved(name), "{name}");
        }
    }
}
