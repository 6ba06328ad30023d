//! The `WWW-Authenticate` field
//! ([RFC 9110 section 11.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1)).

use alloc::{string::String, vec::Vec};
use core::fmt;

use crate::{ErrorCode, Scope};

/// One challenge, written with [`Display`](fmt::Display) as the value of a `WWW-Authenticate` field.
///
/// Whatever text goes in, the value is one challenge on one line: every character outside printable
/// ASCII becomes a question mark, and quotes and backslashes are escaped. Parameters stand in the
/// order in which they were first set; one that is set again has its last value.
///
/// ```
/// use grantry_core::{Challenge, ErrorCode};
///
/// let challenge = Challenge::new("Bearer").with_realm("photos").with_error(ErrorCode::InvalidToken);
/// assert_eq!(challenge.to_string(), r#"Bearer realm="photos", error="invalid_token""#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Challenge {
    scheme: &'static str,
    parameters: Vec<(&'static str, String)>,
}

impl Challenge {
    /// Begins a challenge of an authentication scheme, `Basic` or `Bearer`.
    pub const fn new(scheme: &'static str) -> Self {
        Self { scheme, parameters: Vec::new() }
    }

    /// Names the protected space
    /// ([RFC 9110 section 11.5](https://www.rfc-editor.org/rfc/rfc9110#section-11.5)).
    pub fn with_realm(self, realm: &str) -> Self {
        self.with_parameter("realm", realm)
    }

    /// Names the fault of the request
    /// ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).
    pub fn with_error(self, code: ErrorCode) -> Self {
        self.with_parameter("error", code.as_str())
    }

    /// Explains the fault to the developer of the client. Quotes and backslashes, which the grammar
    /// of this parameter lacks ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)),
    /// become apostrophes and slashes.
    pub fn with_error_description(self, text: &str) -> Self {
        self.with_parameter("error_description", &text.replace('"', "'").replace('\\', "/"))
    }

    /// Names the scope that the request needs; the empty scope is left out.
    pub fn with_scope(self, scope: &Scope) -> Self {
        if scope.is_empty() { self } else { self.with_parameter("scope", &alloc::format!("{scope}")) }
    }

    /// Sets another parameter, `resource_metadata` for instance
    /// ([RFC 9728 section 5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1)).
    pub fn with_parameter(mut self, name: &'static str, value: &str) -> Self {
        let printable = |character| if matches!(character, ' '..='~') { character } else { '?' };
        let value = value.chars().map(printable).collect();
        // RFC 9110 section 11.2: a name stands once in a challenge, whatever its case.
        match self.parameters.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
            Some((_, earlier)) => *earlier = value,
            None => self.parameters.push((name, value)),
        }
        self
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_token(f, self.scheme)?;
        for (index, (name, value)) in self.parameters.iter().enumerate() {
            f.write_str(if index == 0 { " " } else { ", " })?;
            write_token(f, name)?;
            f.write_str("=\"")?;
            for character in value.chars() {
                if matches!(character, '"' | '\\') {
                    f.write_str("\\")?;
                }
                fmt::Write::write_char(f, character)?;
            }
            f.write_str("\"")?;
        }
        Ok(())
    }
}

// RFC 9110 section 5.6.2: what is not a token character would end the scheme or the name.
fn write_token(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let token = |c: &char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(*c);
    text.chars().filter(token).try_for_each(|character| fmt::Write::write_char(f, character))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn rfc9110_5_6_4_no_text_leaves_its_quotes() {
        let challenge = Challenge::new("Bearer").with_realm("a\"\\\r\nSet-Cookie: x\u{7f}\u{85}\u{e9}\t");
        assert_eq!(challenge.to_string(), r#"Bearer realm="a\"\\??Set-Cookie: x????""#);
    }

    #[test]
    fn rfc6750_3_error_description_has_no_quote_and_no_backslash() {
        let challenge = Challenge::new("Bearer").with_error_description(r#"say "a\b""#);
        assert_eq!(challenge.to_string(), "Bearer error_description=\"say 'a/b'\"");
    }

    #[test]
    fn rfc9110_11_2_a_parameter_stands_once() {
        let challenge = Challenge::new("Basic")
            .with_realm("a")
            .with_parameter("charset", "UTF-8")
            .with_parameter("Realm", "b");
        assert_eq!(challenge.to_string(), r#"Basic realm="b", charset="UTF-8""#);
    }

    #[test]
    fn a_challenge_may_be_a_scheme_alone() {
        assert_eq!(Challenge::new("Bearer").with_scope(&Scope::empty()).to_string(), "Bearer");
        assert_eq!(
            Challenge::new("Be\r\n, arer").with_parameter("a\"=b", "c").to_string(),
            "Bearer ab=\"c\""
        );
    }
}
