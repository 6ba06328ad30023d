//! Scope: a set of tokens ([RFC 6749 section 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).

use alloc::{string::String, sync::Arc, vec::Vec};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, Serializer};

/// A set of scope tokens, possibly empty.
///
/// It is kept as its own text: the tokens in the order of their bytes, each once, one space between them. A clone
/// shares it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Scope(Option<Arc<str>>);

impl Scope {
    /// The longest scope text accepted, in bytes.
    pub const MAX_BYTES: usize = 4096;
    /// The most tokens in one scope: an access token names its scope by a bit for each.
    pub const MAX_TOKENS: usize = 64;

    /// Makes the scope without any token.
    #[must_use]
    pub const fn empty() -> Self {
        Self(None)
    }

    /// Reads the text of a `scope` parameter. The empty text is the empty scope: a caller that
    /// reads a parameter has dropped empty values before.
    ///
    /// # Errors
    ///
    /// [`ScopeError`] names the rule: other characters, empty tokens, too many, too long.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        if text.is_empty() {
            return Ok(Self::empty());
        }
        if text.len() > Self::MAX_BYTES {
            return Err(ScopeError::TooLong);
        }
        let (mut count, mut is_ordered, mut last) = (0_usize, true, &b""[..]);
        for token in text.as_bytes().split(|byte| *byte == b' ') {
            is_ordered &= last < scope_token(token)?;
            (count, last) = (count.saturating_add(1), token);
        }
        // Most are written by who has a scope already, as it is kept.
        if is_ordered && count <= Self::MAX_TOKENS {
            return Ok(Self(Some(text.into())));
        }
        let mut tokens: Vec<&str> = text.split(' ').collect();
        tokens.sort_unstable();
        tokens.dedup();
        if tokens.len() > Self::MAX_TOKENS {
            return Err(ScopeError::TooManyTokens);
        }
        Ok(Self(Some(tokens.join(" ").into())))
    }

    /// Returns the tokens in the order of their bytes, with one space between them.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Tells whether the set holds `token`, compared byte for byte.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        // Most are not there, and a text is searched faster than it is split.
        self.as_str().contains(token) && self.iter().any(|own| own == token)
    }

    /// Tells whether every token of this scope is in `other`.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self == other || self.iter().all(|token| other.contains(token))
    }

    /// Tells whether the set has no token.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the tokens in the order of their bytes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.as_str().split(' ').filter(|token| !token.is_empty())
    }

    /// Returns the tokens that `keep` selects.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        let mut kept = String::with_capacity(self.as_str().len());
        for token in self.iter().filter(|token| keep(token)) {
            if !kept.is_empty() {
                kept.push(' ');
            }
            kept.push_str(token);
        }
        Self((!kept.is_empty()).then(|| kept.into()))
    }
}

// RFC 6749 section 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
fn scope_token(token: &[u8]) -> Result<&[u8], ScopeError> {
    if token.is_empty() {
        return Err(ScopeError::EmptyToken);
    }
    if token.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
        return Ok(token);
    }
    Err(ScopeError::Character)
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Scope {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Self, ScopeError> {
        Self::parse(&text)
    }
}

/// Why a text is not a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// Longer than [`Scope::MAX_BYTES`].
    #[error("the scope is longer than 4096 bytes")]
    TooLong,
    /// More than [`Scope::MAX_TOKENS`] tokens.
    #[error("the scope has more than 64 tokens")]
    TooManyTokens,
    /// Two spaces in a row, or a space at an end.
    #[error("the scope has an empty token (RFC 6749 section 3.3)")]
    EmptyToken,
    /// A character that no scope token has.
    #[error("the scope has a character outside the grammar (RFC 6749 section 3.3)")]
    Character,
}
