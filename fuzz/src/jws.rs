//! Compact tokens and their signatures.

use std::sync::LazyLock;

use grantry::core::base64url;
use grantry::jwt::{
    Algorithm, Buffer, JwkSet, Verified, VerifiedTokenCache, Verifier, VerifyError, peek_unverified,
    verify_jws,
};
use serde_json::Value;

use crate::edit::{edited, text};
use crate::fixture::{ISSUER, NOW};
use crate::keys::{KEY_SET, KEYS, unnamed_key};

const AUDIENCE: &str = "https://api.example";

/// Tokens of every algorithm that were signed once: the signatures of ECDSA and of PSS are never the same.
const SIGNED: &str = include_str!("tokens.txt");

/// One token of each key under [`CLAIMS`], then for some of them one of each further payload.
const CLAIMS: &[u8] = br#"{"iss":"https://as.example","aud":"https://api.example","exp":1800000600}"#;
const FURTHER: [&[u8]; 3] = [CLAIMS, b"", b"a.b"];

struct Token {
    text: String,
    payload: &'static [u8],
}

/// Every token that was ever signed. To an ECDSA signature `(r, s)` belongs a second one, `(r, n - s)`, that
/// anyone can make and that is as good.
static TOKENS: LazyLock<Vec<Token>> = LazyLock::new(|| {
    let payloads = KEYS.iter().map(|_| CLAIMS).chain(FURTHER.into_iter().cycle());
    let mut tokens: Vec<_> = SIGNED
        .lines()
        .zip(payloads)
        .map(|(text, payload)| Token { text: text.to_owned(), payload })
        .collect();
    let twins: Vec<_> = tokens.iter().filter_map(twin).collect();
    tokens.extend(twins);
    tokens
});

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| Verifier::new(ISSUER, AUDIENCE));

/// No text verifies but a token that was signed, byte for byte, and the twin of an ECDSA signature; and
/// every way to verify gives the same answer.
pub fn jws(data: &[u8]) {
    let mut ways =
        Ways { buffer: Buffer::new(), remembers: Buffer::new().with_token_cache(VerifiedTokenCache::new(4)) };
    ways.only_the_original(&text(data));
    if let Some((choice, script)) = data.split_first() {
        let original = &TOKENS[usize::from(*choice) % TOKENS.len()].text;
        ways.only_the_original(original);
        ways.only_the_original(&text(&edited(original.as_bytes(), script)));
        ways.only_the_original(original);
    }
}

/// What is used again from one token to the next.
struct Ways {
    buffer: Buffer,
    remembers: Buffer,
}

impl Ways {
    fn only_the_original(&mut self, token: &str) {
        let header = peek_unverified(token);
        let verified = verify_jws(token, &KEY_SET, Algorithm::ALL);
        let jwt = self.jwt(token);
        let Some(original) = TOKENS.iter().find(|original| original.text == token) else {
            let error = verified.expect_err("a forgery verifies");
            assert_eq!(header.err().unwrap_or(error), error);
            assert_eq!(jwt, Err(error));
            return;
        };
        let verified = verified.expect("a token that was signed");
        assert_eq!(verified.payload(), original.payload);
        assert_eq!(Ok(verified.header()), header.as_ref());
        let algorithm = verified.header().algorithm();
        assert_eq!(verified.key().algorithm(), algorithm);
        assert!([None, verified.key().key_id()].contains(&verified.header().key_id()));
        assert_eq!(jwt, serde_json::from_slice(original.payload).map_err(|_| VerifyError::ClaimsJson));

        let others: Vec<_> = Algorithm::ALL.iter().copied().filter(|other| *other != algorithm).collect();
        let refused = verify_jws(token, &KEY_SET, &others).err();
        assert_eq!(refused, Some(VerifyError::AlgorithmNotAllowed));
        let lone = JwkSet::from_keys([unnamed_key(algorithm).verifying_key()]);
        assert!(verify_jws(token, &lone, &[algorithm]).is_ok(), "a lone key takes any key id");
    }

    /// Verifies a JWT in each way.
    fn jwt(&mut self, token: &str) -> Result<Value, VerifyError> {
        let owned = VERIFIER.verify::<Value>(token, &KEY_SET, NOW);
        assert_eq!(VERIFIER.verify_in(token, &KEY_SET, NOW, &mut self.buffer), owned);
        for _ in ["found out", "remembered"] {
            assert_eq!(VERIFIER.verify_in(token, &KEY_SET, NOW, &mut self.remembers), owned);
        }
        owned.map(Verified::into_claims)
    }
}

/// Returns the token with the other signature that ECDSA has for it.
fn twin(token: &Token) -> Option<Token> {
    const P256_ORDER: &str = "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE";
    const P384_ORDER: &str = "________________________________x2NNgfQ3Ld9YGg2ySLCneuzsGWrMxSlz";
    let (input, signature) = token.text.rsplit_once('.')?;
    let order = match peek_unverified(&token.text).ok()?.algorithm() {
        Algorithm::Es256 => P256_ORDER,
        Algorithm::Es384 => P384_ORDER,
        _ => return None,
    };
    let (order, mut signature) = (base64url::decode(order).ok()?, base64url::decode(signature).ok()?);
    let mut borrow = false;
    for (byte, minuend) in signature.iter_mut().rev().zip(order.iter().rev()) {
        let (difference, first) = minuend.overflowing_sub(*byte);
        let (difference, second) = difference.overflowing_sub(borrow.into());
        (*byte, borrow) = (difference, first || second);
    }
    Some(Token { text: format!("{input}.{}", base64url::encode(signature)), payload: token.payload })
}
