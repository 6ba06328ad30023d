//! Form bodies and queries, `application/x-www-form-urlencoded`
//! ([RFC 6749 appendix B](https://www.rfc-editor.org/rfc/rfc6749#appendix-B)).
//!
//! A reader declares the names that it knows. A known name stands at most once unless it is declared
//! to repeat; unknown names are ignored, as
//! [RFC 6749 section 3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2) asks. A parameter
//! without a value counts as omitted.

use alloc::{string::String, vec::Vec};
use core::{fmt, ops::Range};

use zeroize::Zeroizing;

use crate::{HttpRequest, SecretString};

/// The longest form or query accepted, in bytes: it is held in memory whole.
pub const MAX_BYTES: usize = 64 * 1024;
/// The most parameters in one form or query, known or not.
pub const MAX_PARAMETERS: usize = 64;

/// The parameter names that a reader knows.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the two rules of RFC 6749 and RFC 8707 are all there are")]
pub struct Known {
    /// Names that stand at most once.
    pub once: &'static [&'static str],
    /// Names that may repeat, as `resource` does
    /// ([RFC 8707 section 2](https://www.rfc-editor.org/rfc/rfc8707#section-2)).
    pub many: &'static [&'static str],
}

impl Known {
    fn find(&self, name: &str) -> Option<&'static str> {
        self.once.iter().chain(self.many).copied().find(|known| *known == name)
    }
}

/// The known parameters of a form or query. Values are wiped when dropped and never printed.
#[derive(Clone)]
pub struct Form {
    /// All values behind each other.
    text: Zeroizing<String>,
    parameters: Vec<(&'static str, Range<usize>)>,
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Form {
    /// Reads the form in the body of a request.
    ///
    /// # Errors
    ///
    /// [`FormError::ContentType`] when the body is not declared to be a form, and the errors of
    /// [`Form::parse`].
    pub fn from_request(request: &HttpRequest, known: &Known) -> Result<Self, FormError> {
        // RFC 9110 section 8.3.1: a media type compares without regard to case, parameters aside.
        let media_type = request.headers.only("Content-Type").and_then(|value| value.split(';').next());
        let is_form = |media_type: &str| {
            media_type.trim_matches([' ', '\t']).eq_ignore_ascii_case("application/x-www-form-urlencoded")
        };
        if !media_type.is_some_and(is_form) {
            return Err(FormError::ContentType);
        }
        Self::parse(&request.body, known)
    }

    /// Reads a form or a query.
    ///
    /// # Errors
    ///
    /// [`FormError`] names the rule that the text breaks.
    pub fn parse(text: &[u8], known: &Known) -> Result<Self, FormError> {
        let (form, repeated) = Self::parse_reporting_repeats(text, known)?;
        repeated.map_or(Ok(form), |name| Err(FormError::Repeated(name)))
    }

    /// Reads a form or a query and leaves out every parameter that stands twice; the first such
    /// name comes back beside the rest. For the authorization endpoint, which reports the error to a
    /// redirect URI of the same query.
    ///
    /// # Errors
    ///
    /// As [`Form::parse`], without [`FormError::Repeated`].
    pub fn parse_reporting_repeats(
        text: &[u8],
        known: &Known,
    ) -> Result<(Self, Option<&'static str>), FormError> {
        if text.len() > MAX_BYTES {
            return Err(FormError::TooLong);
        }
        // With room for all from the start, no copy is left behind by growing.
        let mut form = Self {
            text: Zeroizing::new(String::with_capacity(text.len())),
            parameters: Vec::with_capacity(8),
        };
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        for (count, pair) in pairs.enumerate() {
            if count >= MAX_PARAMETERS {
                return Err(FormError::TooManyParameters);
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = find_name(halves.next().unwrap_or_default(), known)?;
            let start = form.text.len();
            decode_behind(halves.next().unwrap_or_default(), &mut form.text)?;
            let Some(name) = name else { continue };
            if form.text.get(start..).is_some_and(has_control_character) {
                return Err(FormError::ControlCharacter(name));
            }
            form.parameters.push((name, start..form.text.len()));
        }
        let repeated = form.keep_single(known);
        Ok((form, repeated))
    }

    /// Drops what has no value or stands twice, and returns the first name of the latter.
    fn keep_single(&mut self, known: &Known) -> Option<&'static str> {
        let found = &self.parameters;
        let stands_before = |(index, (name, _)): (usize, &(&str, Range<usize>))| {
            found.iter().take(index).any(|(other, _)| other == name)
        };
        let mut repeated = Vec::new();
        if found.iter().enumerate().any(stands_before) {
            let count = |name: &str| found.iter().filter(|(other, _)| *other == name).count();
            repeated.extend(known.once.iter().copied().filter(|name| count(name) > 1));
        }
        self.parameters.retain(|(name, value)| !value.is_empty() && !repeated.contains(name));
        repeated.first().copied()
    }

    /// Returns the value of a parameter; `None` when it was absent or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Returns the values of a parameter that may repeat.
    pub fn all<'a, 'b>(&'a self, name: &'b str) -> impl Iterator<Item = &'a str> + use<'a, 'b> {
        self.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Returns the parameters that have a value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let value = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        self.parameters.iter().map(move |(name, range)| (*name, value(range)))
    }

    /// Returns the names that have a value.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.parameters.iter().map(|(name, _)| *name)
    }
}

/// Finds the known name that stands in a form; most are written without escapes.
fn find_name(text: &[u8], known: &Known) -> Result<Option<&'static str>, FormError> {
    match core::str::from_utf8(text) {
        Ok(name) if !is_encoded(text) => Ok(known.find(name)),
        _ => decode(text).map(|name| known.find(name.expose())),
    }
}

fn has_control_character(text: &str) -> bool {
    // In UTF-8 the control characters outside ASCII begin with this byte.
    let may_be = |byte: u8| byte < 0x20 || byte == 0x7f || byte == 0xc2;
    text.bytes().any(may_be) && text.chars().any(char::is_control)
}

const fn is_escape(byte: u8) -> bool {
    matches!(byte, b'+' | b'%')
}

fn is_encoded(text: &[u8]) -> bool {
    text.iter().copied().any(is_escape)
}

/// Decodes one name or value.
fn decode(text: &[u8]) -> Result<SecretString, FormError> {
    let mut decoded = Zeroizing::new(String::with_capacity(text.len()));
    decode_behind(text, &mut decoded)?;
    Ok(SecretString::from(core::mem::take(&mut *decoded)))
}

/// Decodes one name or value behind a text that has room for it: `+` is a space, `%` begins two
/// hexadecimal digits.
fn decode_behind(text: &[u8], decoded: &mut String) -> Result<(), FormError> {
    let plain = |text| core::str::from_utf8(text).map_err(|_| FormError::NotUtf8);
    if !is_encoded(text) {
        decoded.push_str(plain(text)?);
        return Ok(());
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = rest.next().and_then(|digit| hex(*digit)).ok_or(FormError::Escape)?;
                let low = rest.next().and_then(|digit| hex(*digit)).ok_or(FormError::Escape)?;
                high << 4 | low
            }
            other => *other,
        });
    }
    decoded.push_str(plain(&bytes)?);
    Ok(())
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Decodes a text that is form-encoded by itself, as the halves of HTTP Basic credentials are
/// ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
///
/// # Errors
///
/// [`FormError::Escape`] and [`FormError::NotUtf8`].
pub fn decode_component(text: &str) -> Result<SecretString, FormError> {
    decode(text.as_bytes())
}

/// Form-encodes a text by itself, the inverse of [`decode_component`].
#[must_use]
pub fn encode_component(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Writes a form or a query from names and values.
#[must_use]
pub fn encode<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// Why a form or query was refused. No variant holds a piece of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// The body is not declared as `application/x-www-form-urlencoded`.
    #[error("the body is not declared as a form (RFC 6749 section 3.2)")]
    ContentType,
    /// Longer than [`MAX_BYTES`].
    #[error("the form is longer than 65536 bytes")]
    TooLong,
    /// More than [`MAX_PARAMETERS`] parameters.
    #[error("the form has more than 64 parameters")]
    TooManyParameters,
    /// A percent sign without two hexadecimal digits behind it.
    #[error("the form has a broken percent escape (RFC 6749 appendix B)")]
    Escape,
    /// Decoded text that is not UTF-8.
    #[error("the form is not UTF-8 (RFC 6749 appendix B)")]
    NotUtf8,
    /// A control character in the named parameter.
    #[error("the parameter {0} has a control character (RFC 6749 appendix A)")]
    ControlCharacter(&'static str),
    /// The named parameter stands twice.
    #[error("the parameter {0} stands twice (RFC 6749 section 3.2)")]
    Repeated(&'static str),
}
