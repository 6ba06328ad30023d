//! An error that the provider answered with.

use alloc::string::String;
use core::fmt;

use grantry_core::ErrorCode;

/// The provider's refusal, in its own words
/// ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
///
/// The texts are the provider's, cut to a limit and with every character outside printable ASCII
/// replaced by `?`. Escape them before they are shown on a page.
///
/// `Debug` and `Display` show neither: a broken server can echo a token in both. What they show is the
/// code, when it is a registered one.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    error: String,
    description: Option<String>,
}

impl Refusal {
    /// The most of `error` that is kept, in bytes.
    pub const MAX_ERROR_BYTES: usize = 128;
    /// The most of `error_description` that is kept, in bytes.
    pub const MAX_DESCRIPTION_BYTES: usize = 1024;

    pub(crate) fn new(error: &str, description: Option<&str>) -> Self {
        let description = description.filter(|text| !text.is_empty());
        Self {
            error: clean(error, Self::MAX_ERROR_BYTES),
            description: description.map(|text| clean(text, Self::MAX_DESCRIPTION_BYTES)),
        }
    }

    /// Returns the `error`, registered or not.
    #[must_use]
    pub fn error(&self) -> &str {
        &self.error
    }

    /// Returns the `error` when it is a registered code.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        ErrorCode::parse(&self.error)
    }

    /// Returns the `error_description`: for developers, not for the person.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code().map_or("an unregistered error", ErrorCode::as_str))
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("code", &self.code()).finish_non_exhaustive()
    }
}

/// Cuts a stranger's text and leaves printable ASCII in it.
pub(crate) fn clean(text: &str, limit: usize) -> String {
    let printable = |character: char| if matches!(character, ' '..='~') { character } else { '?' };
    text.chars().take(limit).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn the_texts_of_a_refusal_are_bounded_and_printable() {
        let refusal = Refusal::new(&"e".repeat(1000), Some(&"a\r\n\u{1b}[31m\u{202e}\u{e9}".repeat(1000)));
        assert_eq!(refusal.error().len(), Refusal::MAX_ERROR_BYTES);
        let description = refusal.description().unwrap();
        assert!(description.starts_with("a???[31m??a"), "{description}");
        assert_eq!(description.len(), Refusal::MAX_DESCRIPTION_BYTES);
        assert_eq!(Refusal::new("x", Some("")).description(), None);
    }

    #[test]
    fn an_echoed_token_stays_out_of_logs() {
        let known = Refusal::new("invalid_grant", Some("token hunter2 is not active"));
        assert_eq!(format!("{known}|{known:?}"), "invalid_grant|Refusal { code: Some(InvalidGrant), .. }");
        let unknown = Refusal::new("hunter2", None);
        assert_eq!(format!("{unknown}|{unknown:?}"), "an unregistered error|Refusal { code: None, .. }");
    }
}
