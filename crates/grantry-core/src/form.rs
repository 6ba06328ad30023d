//! Form bodies and queries, `application/x-www-form-urlencoded`
//! ([RFC 6749 appendix B](https://www.rfc-editor.org/rfc/rfc6749#appendix-B)).
//!
//! A reader declares the names that it knows. A known name stands at most once unless it is declared
//! to repeat; unknown names are ignored, as
//! [RFC 6749 section 3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2) asks. A parameter
//! without a value counts as omitted.

use alloc::{string::String, vec::Vec};
use core::fmt;

use zeroize::Zeroizing;

use crate::{HttpRequest, SecretString};

/// The longest form or query accepted, in bytes: it is held in memory whole.
pub const MAX_BYTES: usize = 64 * 1024;
/// The most parameters in one form or query, known or not.
pub const MAX_PARAMETERS: usize = 64;

const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

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
        let is_it = |known: &&&'static str| **known == name;
        self.once.iter().find(is_it).or_else(|| self.many.iter().find(is_it)).copied()
    }
}

/// The known parameters of a form or query, as they stand in its text where they need no decoding. Values are
/// never printed, and what was decoded is wiped when dropped.
#[derive(Clone)]
pub struct Form<'a> {
    parameters: Vec<(&'static str, Value<'a>)>,
}

/// A name or value.
#[derive(Clone)]
enum Value<'a> {
    Plain(&'a str),
    Decoded(SecretString),
}

impl fmt::Debug for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl<'a> Form<'a> {
    /// Reads the form in the body of a request.
    ///
    /// # Errors
    ///
    /// [`FormError::ContentType`] when the body is not declared to be a form, and the errors of
    /// [`Form::parse`].
    pub fn from_request(request: &'a HttpRequest, known: &Known) -> Result<Self, FormError> {
        // RFC 9110 section 8.3.1: a media type compares without regard to case, parameters aside.
        let media_type = request.headers.only("Content-Type").and_then(|value| value.split(';').next());
        let is_form = |media_type: &str| {
            media_type == MEDIA_TYPE || media_type.trim_matches([' ', '\t']).eq_ignore_ascii_case(MEDIA_TYPE)
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
    pub fn parse(text: &'a [u8], known: &Known) -> Result<Self, FormError> {
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
        text: &'a [u8],
        known: &Known,
    ) -> Result<(Self, Option<&'static str>), FormError> {
        if text.len() > MAX_BYTES {
            return Err(FormError::TooLong);
        }
        let text = core::str::from_utf8(text).map_err(|_| FormError::NotUtf8)?;
        let mut form = Self { parameters: Vec::with_capacity(8) };
        for (count, pair) in text.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if count >= MAX_PARAMETERS {
                return Err(FormError::TooManyParameters);
            }
            // Of most pairs every character stands for itself.
            let is_plain = is_plain(pair.as_bytes());
            let read = |text| if is_plain { Ok(Value::Plain(text)) } else { Value::read(text) };
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = known.find(read(name)?.as_str());
            let value = read(value)?;
            let Some(name) = name else { continue };
            if !is_plain && value.as_str().chars().any(char::is_control) {
                return Err(FormError::ControlCharacter(name));
            }
            form.parameters.push((name, value));
        }
        let repeated = form.keep_single(known);
        Ok((form, repeated))
    }

    /// Drops what has no value or stands twice, and returns the first name of the latter.
    fn keep_single(&mut self, known: &Known) -> Option<&'static str> {
        let found = &self.parameters;
        let stands_before = |(index, (name, _)): (usize, &(&str, Value<'_>))| {
            found.iter().take(index).any(|(other, _)| other == name)
        };
        let mut repeated = Vec::new();
        if found.iter().enumerate().any(stands_before) {
            let count = |name: &str| found.iter().filter(|(other, _)| *other == name).count();
            repeated.extend(known.once.iter().copied().filter(|name| count(name) > 1));
        }
        self.parameters.retain(|(name, value)| !value.as_str().is_empty() && !repeated.contains(name));
        repeated.first().copied()
    }

    /// Returns the value of a parameter; `None` when it was absent or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Returns the values of a parameter that may repeat.
    pub fn all<'b, 'c>(&'b self, name: &'c str) -> impl Iterator<Item = &'b str> + use<'a, 'b, 'c> {
        self.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Returns the parameters that have a value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.parameters.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Returns the names that have a value.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.parameters.iter().map(|(name, _)| *name)
    }

    /// Copies what still stands in the text that was read, for a form that outlives it.
    #[must_use]
    pub fn into_owned(self) -> Form<'static> {
        let parameters = self.parameters.into_iter();
        Form { parameters: parameters.map(|(name, value)| (name, value.into_owned())).collect() }
    }
}

impl<'a> Value<'a> {
    fn read(text: &'a str) -> Result<Self, FormError> {
        if has_escape(text.as_bytes()) { decode(text).map(Self::Decoded) } else { Ok(Self::Plain(text)) }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Decoded(text) => text.expose(),
        }
    }

    fn into_secret(self) -> SecretString {
        match self {
            Self::Plain(text) => SecretString::from(text),
            Self::Decoded(text) => text,
        }
    }

    fn into_owned(self) -> Value<'static> {
        Value::Decoded(self.into_secret())
    }
}

// These look at every byte, so that they look at many at once.

/// Tells whether all characters are printable ASCII and stand for themselves.
fn is_plain(text: &[u8]) -> bool {
    text.iter().fold(true, |all, byte| all & matches!(byte, 0x20..=0x7e) & !is_escape(*byte))
}

fn has_escape(text: &[u8]) -> bool {
    text.iter().fold(false, |any, byte| any | is_escape(*byte))
}

const fn is_escape(byte: u8) -> bool {
    matches!(byte, b'+' | b'%')
}

/// Decodes one name or value: `+` is a space, `%` begins two hexadecimal digits.
fn decode(text: &str) -> Result<SecretString, FormError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = rest.next().and_then(hex).ok_or(FormError::Escape)?;
                let low = rest.next().and_then(hex).ok_or(FormError::Escape)?;
                high << 4 | low
            }
            other => other,
        });
    }
    match String::from_utf8(core::mem::take(&mut bytes)) {
        Ok(text) => Ok(SecretString::from(text)),
        Err(error) => {
            *bytes = error.into_bytes();
            Err(FormError::NotUtf8)
        }
    }
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
    Value::read(text).map(Value::into_secret)
}

/// Decodes as [`decode_component`] does and hands the text on; one without escapes is not copied.
///
/// # Errors
///
/// As [`decode_component`].
pub fn with_decoded_component<R>(text: &str, read: impl FnOnce(&str) -> R) -> Result<R, FormError> {
    Value::read(text).map(|value| read(value.as_str()))
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
