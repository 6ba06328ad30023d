//! The name of a client.

use alloc::{string::String, sync::Arc};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A client identifier: one to [`ClientId::MAX_BYTES`] printable ASCII characters, spaces allowed
/// ([RFC 6749 appendix A.1](https://www.rfc-editor.org/rfc/rfc6749#appendix-A.1), `*VSCHAR`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// The longest identifier accepted, in bytes: room for a URL, not for a document.
    pub const MAX_BYTES: usize = 512;

    /// Checks a client identifier.
    ///
    /// # Errors
    ///
    /// [`ClientIdError`] when the text is empty, too long or holds another character.
    pub fn parse(text: impl Into<Arc<str>>) -> Result<Self, ClientIdError> {
        let text = text.into();
        let printable = text.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
        if text.is_empty() || text.len() > Self::MAX_BYTES || !printable {
            return Err(ClientIdError);
        }
        Ok(Self(text))
    }

    /// Returns the identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the identifier as text that shares its place.
    #[must_use]
    pub fn to_arc(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ClientId {
    type Err = ClientIdError;

    fn from_str(text: &str) -> Result<Self, ClientIdError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ClientId {
    type Error = ClientIdError;

    fn try_from(text: String) -> Result<Self, ClientIdError> {
        Self::parse(text)
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> Self {
        Self::from(id.as_str())
    }
}

/// The text is not a client identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("not a client_id of 1 to 512 printable ASCII characters (RFC 6749 appendix A.1)")]
#[non_exhaustive]
pub struct ClientIdError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_a_1_client_id_is_vschar() {
        assert!(ClientId::parse("s6Bh dRkqt3~").is_ok());
        assert_eq!("app".parse::<ClientId>(), ClientId::parse("app"));
        for bad in ["", "a\u{7f}", "a\n", "caf\u{e9}"] {
            assert_eq!(ClientId::parse(bad), Err(ClientIdError), "{bad:?}");
        }
        assert!(ClientId::parse("x".repeat(ClientId::MAX_BYTES)).is_ok());
        assert!(ClientId::parse("x".repeat(ClientId::MAX_BYTES + 1)).is_err());
    }
}
