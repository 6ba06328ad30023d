//! Keys and secrets that everybody knows, for transcripts that hold no others.

use grantry_core::SecretBytes;
use grantry_jwt::SigningKey;

use crate::handle::HandleKey;
use crate::server::{Server, ServerError};

/// [RFC 8037 appendix A.1](https://www.rfc-editor.org/rfc/rfc8037#appendix-A.1).
const SIGNING_KEY: &[u8] = br#"{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"published",
"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// [RFC 7636 appendix B](https://www.rfc-editor.org/rfc/rfc7636#appendix-B).
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// The challenge of [`VERIFIER`].
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// A challenge that is not of [`VERIFIER`].
pub(super) const OTHER_CHALLENGE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
pub(super) const SECRET: &str = "published-client-secret";
pub(super) const SESSION: &str = "published-session";
pub(super) const SEED: [u8; 32] = *b"the seed of redacted transcripts";
pub(super) const SALT: [u8; 16] = *b"a published salt";
/// The salt of a record that did not make the presented handle.
pub(super) const OTHER_SALT: [u8; 16] = *b"the other salt..";
const HANDLE_KEY: [u8; 32] = *b"the key of redacted transcripts.";

pub(super) fn signing_key() -> Result<SigningKey, ServerError> {
    SigningKey::from_jwk(SIGNING_KEY).map_err(|_| ServerError::NotPublishable)
}

impl Server {
    /// Makes the server that replays [redacted](crate::Transcript::redacted) transcripts: with this one's issuer,
    /// policy and endpoints, and with keys that everybody knows. It is for nothing else: anyone can make its
    /// codes and tokens.
    ///
    /// It signs with Ed25519, so tokens are of another length than those of a server that signs with RS256.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotPublishable`] when the crypto backend does not take the key.
    pub fn for_transcripts(&self) -> Result<Self, ServerError> {
        let handle_key = HandleKey::new(1, SecretBytes::from(HANDLE_KEY.to_vec()));
        let handle_key = handle_key.map_err(|_| ServerError::NotPublishable)?;
        let server = Self::new(self.config.issuer.clone(), signing_key()?, handle_key)?;
        let server = server.with_policy(self.config.policy.clone());
        Ok(server.with_endpoints(self.config.endpoints.clone()))
    }
}
