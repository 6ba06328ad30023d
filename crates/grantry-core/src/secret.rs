//! Values that must not be seen.

use alloc::{string::String, vec::Vec};
use core::fmt;

use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Secret text: a token, a code, a password.
///
/// It prints as its type name, compares in constant time by [`matches`](Self::matches) only and is
/// wiped when dropped.
#[derive(Clone)]
pub struct SecretString(Zeroizing<String>);

impl SecretString {
    /// Returns the text. The caller keeps it out of logs, errors and URLs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares with `text` in time that depends on the lengths alone.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

impl From<String> for SecretString {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<&str> for SecretString {
    fn from(text: &str) -> Self {
        Self::from(String::from(text))
    }
}

/// Reads a text into its wiped place at once. There is no way back: it is never serialized.
impl<'de> Deserialize<'de> for SecretString {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        String::deserialize(reader).map(Self::from)
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretString")
    }
}

/// Secret bytes: a key, a seed.
///
/// The same promises as [`SecretString`].
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Returns the bytes. The caller keeps them out of logs, errors and URLs.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Compares with `bytes` in time that depends on the lengths alone.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.0.ct_eq(bytes).into()
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes")
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let text = SecretString::from("hunter2-text");
        let bytes = SecretBytes::from(b"hunter2-bytes".to_vec());
        assert_eq!(format!("{text:?} {bytes:?}"), "SecretString SecretBytes");
    }

    #[test]
    fn matches_the_same_value_only() {
        let text = SecretString::from("secret");
        assert!(text.matches("secret"));
        assert!(!text.matches("secreT"));
        assert!(!text.matches("secret2"));
        assert!(!text.matches(""));
    }
}
