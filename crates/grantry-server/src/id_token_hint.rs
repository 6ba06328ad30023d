//! An ID token that comes back as a hint
//! ([OpenID Connect Core section 3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest),
//! [RP-Initiated Logout section 2](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout)).

use alloc::{string::String, vec, vec::Vec};

use grantry_core::{ClientId, Issuer, json};
use grantry_jwt::{Algorithm, JwkSet, MAX_TOKEN_BYTES, peek_unverified, verify_jws};
use serde::Deserialize;

use crate::client::Client;
use crate::denial::Reason;
use crate::grant::Subject;
use crate::id_token::ID_TOKEN_TYP;
use crate::server::Server;

/// What an ID token of this server says of whom it was made for. It may have expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdTokenHint {
    pub(crate) subject: Subject,
    pub(crate) sid: Option<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) authorized_party: Option<String>,
}

impl IdTokenHint {
    /// Reads a hint, which has to be signed by a key of the set, as an ID token of the issuer. The signature
    /// of one token is checked, of at most [`MAX_TOKEN_BYTES`].
    pub(crate) fn parse(keys: &JwkSet, issuer: &Issuer, text: &str) -> Result<Self, Reason> {
        let header = peek_unverified(text).map_err(|_| Reason::IdTokenHint)?;
        // RFC 8725 section 3.11: an access token of the same key is none. Every token names its key, so that one
        // signature is checked, and not one for each key.
        if header.typ() != Some(ID_TOKEN_TYP) || header.key_id().is_none() {
            return Err(Reason::IdTokenHint);
        }
        let jws = verify_jws(text, keys, Algorithm::ALL).map_err(|_| Reason::IdTokenHint)?;
        let wire: Wire =
            json::object_from_slice(jws.payload(), MAX_TOKEN_BYTES).map_err(|_| Reason::IdTokenHint)?;
        // OpenID Connect Core section 3.1.2.1: it need not name this server as an audience, but it is the
        // issuer.
        if wire.iss != issuer.as_str() {
            return Err(Reason::IdTokenHint);
        }
        let audiences = match wire.aud {
            OneOrSeveral::One(one) => vec![one],
            OneOrSeveral::Several(several) => several,
        };
        Ok(Self { subject: wire.sub, sid: wire.sid, audiences, authorized_party: wire.azp })
    }

    /// Tells whether a client is one that the token is for.
    pub(crate) fn is_for(&self, client: &ClientId) -> bool {
        self.audiences.iter().any(|audience| audience == client.as_str())
    }

    /// Returns the client that the token was made for, if it says so.
    pub(crate) fn client_id(&self) -> Option<ClientId> {
        let only = match self.audiences.as_slice() {
            [only] => Some(only),
            _ => None,
        };
        ClientId::parse(self.authorized_party.as_ref().or(only)?.as_str()).ok()
    }
}

impl Server {
    /// Returns the person of an ID token that was made for the client.
    pub(crate) fn hinted_subject(&self, client: &Client, text: &str) -> Result<Subject, Reason> {
        let hint = IdTokenHint::parse(self.jwk_set(), self.issuer(), text)?;
        if hint.is_for(client.id()) { Ok(hint.subject) } else { Err(Reason::IdTokenHint) }
    }
}

#[derive(Deserialize)]
struct Wire {
    iss: String,
    sub: Subject,
    aud: OneOrSeveral,
    azp: Option<String>,
    sid: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrSeveral {
    One(String),
    Several(Vec<String>),
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString};

    use grantry_core::SecretBytes;
    use grantry_jwt::SigningKey;
    use serde_json::{Value, json};

    use super::*;

    fn key(byte: u8) -> SigningKey {
        let secret = SecretBytes::from(vec![byte; 32]);
        SigningKey::from_secret(Algorithm::Hs256, &secret).unwrap().with_key_id("key-1")
    }

    fn claims() -> Value {
        json!({ "iss": "https://as.example", "sub": "alice", "aud": "app", "exp": 9, "iat": 3, "sid": "s-1" })
    }

    fn read(token: &str) -> Result<IdTokenHint, Reason> {
        let issuer = Issuer::parse("https://as.example").unwrap();
        IdTokenHint::parse(&JwkSet::from_keys([key(1).verifying_key()]), &issuer, token)
    }

    fn signed(claims: &Value) -> Result<IdTokenHint, Reason> {
        read(&key(1).sign_claims("JWT", claims).unwrap())
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    /// RP-Initiated Logout section 4: also one that has expired.
    #[test]
    fn oidc_3_1_2_1_a_hint_says_of_whom_it_speaks() {
        let hint = signed(&claims()).unwrap();
        assert_eq!((hint.subject.as_str(), hint.sid.as_deref()), ("alice", Some("s-1")));
        assert_eq!(
            (hint.audiences.as_slice(), hint.client_id()),
            (&["app".into()][..], ClientId::parse("app").ok())
        );
        let mut several = with("aud", json!(["a", "b"]));
        assert_eq!(signed(&several).unwrap().client_id(), None);
        several["azp"] = json!("b");
        assert_eq!(signed(&several).unwrap().client_id(), ClientId::parse("b").ok());
    }

    #[test]
    fn oidc_3_1_2_1_a_hint_is_of_this_issuer() {
        for issuer in [json!("https://as.example/"), json!("https://AS.example"), json!(null), json!([])] {
            assert_eq!(signed(&with("iss", issuer.clone())), Err(Reason::IdTokenHint), "{issuer}");
        }
    }

    #[test]
    fn rfc8725_3_11_a_token_of_another_kind_is_no_hint() {
        for typ in ["at+jwt", "application/at+jwt", "logout+jwt", "jwt", ""] {
            let token = key(1).sign_claims(typ, &claims()).unwrap();
            assert_eq!(read(&token), Err(Reason::IdTokenHint), "{typ}");
        }
    }

    #[test]
    fn oidc_3_1_2_1_a_hint_is_signed_by_this_server() {
        let token = key(2).sign_claims("JWT", &claims()).unwrap();
        assert_eq!(read(&token), Err(Reason::IdTokenHint));
        let token = key(1).sign_claims("JWT", &claims()).unwrap();
        let (head, _) = token.rsplit_once('.').unwrap();
        for other in ["", "..", "x", head, &format!("{head}."), &format!("{token}A"), &"a".repeat(20_000)] {
            assert_eq!(read(other), Err(Reason::IdTokenHint), "{other}");
        }
    }

    #[test]
    fn rfc7519_4_a_hint_is_well_formed() {
        for (name, value) in [
            ("sub", json!("")),
            ("sub", json!(7)),
            ("aud", json!(7)),
            ("aud", json!([7])),
            ("sid", json!(7)),
            ("azp", json!([])),
        ] {
            assert_eq!(signed(&with(name, value)), Err(Reason::IdTokenHint), "{name}");
        }
        let twice = format!(r#"{{"sub":"bob",{}"#, claims().to_string().split_at(1).1);
        assert_eq!(read(&key(1).sign("JWT", twice.as_bytes()).unwrap()), Err(Reason::IdTokenHint));
    }
}
