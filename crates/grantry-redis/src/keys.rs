//! Which keys there are.

use core::fmt;

use grantry_core::{ClientId, Issuer};
use grantry_server::{ClaimId, Grant, GrantId, GrantsOf, Subject};

/// What the keys of a store begin with: 1 to 64 ASCII letters, digits, `-`, `_` and `.`, in braces.
///
/// The braces are a [hash tag](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags):
/// a cluster keeps all keys of one prefix in one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// How many bytes a prefix has at most: it stands in every key.
    pub const MAX_BYTES: usize = 64;

    /// Checks the text between the braces.
    ///
    /// # Errors
    ///
    /// [`KeyPrefixError`] when it is empty, too long, or has another character.
    pub fn parse(text: &str) -> Result<Self, KeyPrefixError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if text.is_empty() || text.len() > Self::MAX_BYTES || !text.bytes().all(is_plain) {
            return Err(KeyPrefixError);
        }
        Ok(Self(format!("{{{text}}}")))
    }

    pub(crate) fn grant(&self, id: GrantId) -> String {
        self.of_bytes('g', id.as_bytes())
    }

    pub(crate) fn claim(&self, id: ClaimId) -> String {
        self.of_bytes('c', id.as_bytes())
    }

    /// Returns the indexes that list a grant.
    pub(crate) fn indexes(&self, grant: &Grant) -> impl Iterator<Item = String> {
        let by_client = self.by_client(grant.issuer(), grant.client_id());
        let by_subject = grant.subject().map(|subject| self.by_subject(grant.issuer(), subject));
        core::iter::once(by_client).chain(by_subject)
    }

    /// Returns the shortest index that has all of these.
    pub(crate) fn index(&self, of: GrantsOf<'_>) -> String {
        match of {
            GrantsOf::Client(issuer, client_id) => self.by_client(issuer, client_id),
            GrantsOf::Subject(issuer, subject) | GrantsOf::SubjectAtClient(issuer, subject, _) => {
                self.by_subject(issuer, subject)
            }
        }
    }

    fn by_client(&self, issuer: &Issuer, client_id: &ClientId) -> String {
        self.of_names('a', issuer, client_id.as_str())
    }

    fn by_subject(&self, issuer: &Issuer, subject: &Subject) -> String {
        self.of_names('s', issuer, subject.as_str())
    }

    fn of_bytes(&self, kind: char, bytes: &[u8]) -> String {
        let mut key = self.with_room(2 * bytes.len());
        key.extend([':', kind, ':']);
        let digit = |nibble: u8| char::from(nibble + if nibble < 10 { b'0' } else { b'a' - 10 });
        for byte in bytes {
            key.push(digit(byte >> 4));
            key.push(digit(byte & 0x0f));
        }
        key
    }

    /// The length tells where the issuer ends.
    fn of_names(&self, kind: char, issuer: &Issuer, name: &str) -> String {
        let issuer = issuer.as_str();
        let mut key = self.with_room(issuer.len() + name.len());
        key.extend([':', kind, ':']);
        for part in [issuer.len().to_string().as_str(), ":", issuer, ":", name] {
            key.push_str(part);
        }
        key
    }

    /// The prefix, with room for the two marks of a key, a length and so many bytes.
    fn with_room(&self, bytes: usize) -> String {
        let mut key = String::with_capacity(self.0.len() + 8 + bytes);
        key.push_str(&self.0);
        key
    }
}

impl Default for KeyPrefix {
    /// `{grantry}`.
    fn default() -> Self {
        Self("{grantry}".into())
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not a prefix of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a prefix of 1 to 64 ASCII letters, digits, `-`, `_` and `.`")]
#[non_exhaustive]
pub struct KeyPrefixError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_one_hash_tag() {
        assert_eq!(KeyPrefix::default(), KeyPrefix::parse("grantry").unwrap());
        assert_eq!(KeyPrefix::parse("tenant-1").unwrap().to_string(), "{tenant-1}");
        let long = "x".repeat(KeyPrefix::MAX_BYTES);
        assert!(KeyPrefix::parse(&long).is_ok());
        for text in ["", "{a}", "a}", "a b", "a:b", "\u{e9}", "a\n", "a*", &format!("{long}x")] {
            assert_eq!(KeyPrefix::parse(text), Err(KeyPrefixError), "{text}");
        }
    }

    #[test]
    fn no_two_kinds_of_keys_and_no_two_names_share_a_key() {
        let keys = KeyPrefix::default();
        let issuer = |text| Issuer::parse(text).unwrap();
        let client = |text| ClientId::parse(text).unwrap();
        assert_eq!(
            keys.grant(GrantId::from_bytes([0x0a; 16])),
            "{grantry}:g:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
        );
        assert_eq!(keys.claim(ClaimId::from_bytes([0xff; 32])), format!("{{grantry}}:c:{}", "ff".repeat(32)));
        let subject = Subject::parse("app").unwrap();
        let short = issuer("https://as.example");
        assert_eq!(keys.by_client(&short, &client("app")), "{grantry}:a:18:https://as.example:app");
        assert_eq!(keys.by_subject(&short, &subject), "{grantry}:s:18:https://as.example:app");
        let long = issuer("https://as.example:8443/x");
        assert_ne!(keys.by_client(&long, &client("app")), keys.by_client(&short, &client("8443/x:app")));
    }
}
