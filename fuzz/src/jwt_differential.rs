//! Tokens as grantry-jwt and another crate read them.

use std::sync::LazyLock;

use grantry::core::base64url;
use grantry::jwt::{
    Algorithm, Claim, JwkSet, KeyType, MAX_TOKEN_BYTES, PublicKey, Verified, Verifier, VerifyError,
};
use jsonwebtoken::{DecodingKey, EncodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::edit::{edited, first_line, text};
use crate::fixture::{ISSUER, NOW, START};
use crate::keys::{private_key, unnamed_key};

const AUDIENCE: &str = "https://api.example";

const ALGORITHMS: [(Algorithm, jsonwebtoken::Algorithm); 4] = [
    (Algorithm::Hs256, jsonwebtoken::Algorithm::HS256),
    (Algorithm::Rs256, jsonwebtoken::Algorithm::RS256),
    (Algorithm::Es256, jsonwebtoken::Algorithm::ES256),
    (Algorithm::EdDsa, jsonwebtoken::Algorithm::EdDSA),
];

/// One key in both crates, and what verifies with it.
struct Peers {
    algorithm: Algorithm,
    set: JwkSet,
    signs: Option<EncodingKey>,
    verifies: DecodingKey,
    validation: Validation,
    /// A good token, to be edited.
    token: String,
}

static PEERS: LazyLock<Vec<Peers>> = LazyLock::new(|| ALGORITHMS.into_iter().map(Peers::new).collect());

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| Verifier::new(ISSUER, AUDIENCE));

/// What grantry accepts, jsonwebtoken accepts with the same claims, but for members of a header that nobody
/// needs; and what jsonwebtoken alone accepts breaks one of the rules that are named here as ours.
pub fn jwt_differential(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let peers = &PEERS[usize::from(choice % 4)];
    let token = match choice >> 2 & 3 {
        0 => Some(text(data)),
        1 => unnamed_key(peers.algorithm).sign("JWT", data).ok(),
        2 => {
            let (header, payload) = first_line(data);
            peers.sign(header, payload)
        }
        _ => Some(text(&edited(peers.token.as_bytes(), data))),
    };
    if let Some(token) = token {
        peers.compare(&token);
    }
}

impl Peers {
    fn new((algorithm, peer): (Algorithm, jsonwebtoken::Algorithm)) -> Self {
        let key = unnamed_key(algorithm);
        let private = private_key(algorithm.key_type());
        let member = |name: &str| {
            let jwk = key.verifying_key().public_key().map(PublicKey::to_jwk).unwrap();
            serde_json::from_str::<Value>(&jwk).unwrap()[name].as_str().unwrap().to_owned()
        };
        let pkcs8 = || private.to_pkcs8_der().unwrap();
        let (signs, verifies) = match algorithm.key_type() {
            KeyType::Secret => (Some(EncodingKey::from_secret(&[7; 64])), DecodingKey::from_secret(&[7; 64])),
            KeyType::Rsa => (None, DecodingKey::from_rsa_components(&member("n"), &member("e")).unwrap()),
            KeyType::Ec(_) => (
                Some(EncodingKey::from_ec_der(pkcs8().expose())),
                DecodingKey::from_ec_components(&member("x"), &member("y")).unwrap(),
            ),
            _ => (
                Some(EncodingKey::from_ed_der(pkcs8().expose())),
                DecodingKey::from_ed_components(&member("x")).unwrap(),
            ),
        };
        let mut validation = Validation::new(peer);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        // It reads the clock of the machine: times are not compared.
        validation.validate_exp = false;
        let claims = json!({"iss": ISSUER, "aud": AUDIENCE, "exp": START + 600, "sub": "user-1"});
        let token = key.sign_claims("JWT", &claims).unwrap();
        Self { algorithm, set: JwkSet::from_keys([key.verifying_key()]), signs, verifies, validation, token }
    }

    /// Signs under any header, where the peer signs fast.
    fn sign(&self, header: &[u8], payload: &[u8]) -> Option<String> {
        let Some(key) = &self.signs else {
            return unnamed_key(self.algorithm).sign_with_header(&text(header), payload).ok();
        };
        let input = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
        let algorithm = self.validation.algorithms[0];
        let signature = jsonwebtoken::crypto::sign(input.as_bytes(), key, algorithm).unwrap();
        Some(format!("{input}.{signature}"))
    }

    fn compare(&self, token: &str) {
        let ours = VERIFIER.verify::<Value>(token, &self.set, NOW).map(Verified::into_claims);
        let theirs = decode::<Value>(token, &self.verifies, &self.validation);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs.claims),
            // It reads members of a header that no verifier needs.
            (Ok(_), Err(error)) => assert!(decode_header(token).is_err(), "only grantry accepts: {error}"),
            (Err(error), Ok(theirs)) => assert!(is_rule_of_ours(error, token, &theirs.claims), "{error:?}"),
            (Err(_), Err(_)) => {}
        }
    }
}

/// Tells whether an error is of a rule that jsonwebtoken does not have, and the token breaks the rule.
fn is_rule_of_ours(error: VerifyError, token: &str, claims: &Value) -> bool {
    match error {
        VerifyError::TooLong => token.len() > MAX_TOKEN_BYTES,
        // RFC 7515 section 4: unique names, and no `null` for a text.
        VerifyError::HeaderJson | VerifyError::HeaderMember => true,
        // A known flaw: extensions that must be understood are not looked at (RFC 7515 section 4.1.11).
        VerifyError::Critical | VerifyError::UnencodedPayload => true,
        // RFC 7519 section 4: an object of unique names. It takes an array for the claims, too.
        VerifyError::ClaimsJson => true,
        // A known flaw: the issuer and the audience that it was told to accept may be missing.
        VerifyError::MissingClaim(claim @ (Claim::Issuer | Claim::Audience)) => {
            claims.get(claim.to_string()).is_none()
        }
        // A known flaw: a claim of another type counts as none, and so passes; `iss` may be a list.
        VerifyError::MalformedClaim(claim) => claims.get(claim.to_string()).is_some(),
        // A clock of its own, see above.
        VerifyError::Expired | VerifyError::NotYetValid => true,
        _ => false,
    }
}
