//! Proof Key for Code Exchange ([RFC 7636](https://www.rfc-editor.org/rfc/rfc7636)), method S256.
//!
//! The method `plain` has no representation.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{Moment, SecretString, base64url};

/// The secret of one authorization request
/// ([RFC 7636 section 4.1](https://www.rfc-editor.org/rfc/rfc7636#section-4.1)).
#[derive(Clone, Debug)]
pub struct CodeVerifier(SecretString);

impl CodeVerifier {
    /// Makes a verifier of 256 random bits from a moment.
    #[must_use]
    pub fn generate(moment: &Moment) -> Self {
        Self(SecretString::from(moment.random_text("code_verifier")))
    }

    /// Checks a verifier that was received: 43 to 128 unreserved characters.
    ///
    /// # Errors
    ///
    /// [`CodeVerifierError`] for any other length or character.
    pub fn parse(text: &str) -> Result<Self, CodeVerifierError> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        // It looks at every byte, so that it looks at many at once.
        let is_unreserved = text.bytes().fold(true, |all, byte| all & unreserved(byte));
        if !(43..=128).contains(&text.len()) || !is_unreserved {
            return Err(CodeVerifierError);
        }
        Ok(Self(SecretString::from(text)))
    }

    /// Returns the verifier as it is sent to the token endpoint.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Derives the S256 challenge
    /// ([RFC 7636 section 4.2](https://www.rfc-editor.org/rfc/rfc7636#section-4.2)).
    #[must_use]
    pub fn challenge(&self) -> CodeChallenge {
        let mut text = [0; CHALLENGE_BYTES];
        base64url::encode(Sha256::digest(self.0.expose()))
            .bytes()
            .zip(&mut text)
            .for_each(|(byte, place)| *place = byte);
        CodeChallenge(text)
    }
}

/// An S256 code challenge: the 43 characters of a SHA-256 digest in base64url
/// ([RFC 7636 section 4.2](https://www.rfc-editor.org/rfc/rfc7636#section-4.2)).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CodeChallenge([u8; CHALLENGE_BYTES]);

const CHALLENGE_BYTES: usize = 43;

impl CodeChallenge {
    /// The name of the one method, as it is written on the wire.
    pub const METHOD: &'static str = "S256";

    /// Checks a challenge that was received.
    ///
    /// # Errors
    ///
    /// [`CodeChallengeError`] for what cannot be an S256 challenge: another length than 43, or a
    /// character outside base64url.
    pub fn parse(text: impl AsRef<str>) -> Result<Self, CodeChallengeError> {
        let text = text.as_ref().as_bytes().try_into().map_err(|_| CodeChallengeError)?;
        let base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if Self(text).0.iter().all(base64url) { Ok(Self(text)) } else { Err(CodeChallengeError) }
    }

    /// Returns the challenge as it is written on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Every character of base64url is ASCII.
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Tells whether the verifier belongs to this challenge, in constant time
    /// ([RFC 7636 section 4.6](https://www.rfc-editor.org/rfc/rfc7636#section-4.6)).
    #[must_use]
    pub fn verify(&self, verifier: &CodeVerifier) -> bool {
        self.0.ct_eq(&verifier.challenge().0).into()
    }
}

impl fmt::Debug for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CodeChallenge").field(&self.as_str()).finish()
    }
}

impl TryFrom<String> for CodeChallenge {
    type Error = CodeChallengeError;

    fn try_from(text: String) -> Result<Self, CodeChallengeError> {
        Self::parse(text)
    }
}

impl From<CodeChallenge> for String {
    fn from(challenge: CodeChallenge) -> Self {
        Self::from(challenge.as_str())
    }
}

/// The text is not a code verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("not a code_verifier of 43 to 128 unreserved characters (RFC 7636 section 4.1)")]
#[non_exhaustive]
pub struct CodeVerifierError;

/// The text is not an S256 code challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("not an S256 code_challenge of 43 base64url characters (RFC 7636 section 4.2)")]
#[non_exhaustive]
pub struct CodeChallengeError;
