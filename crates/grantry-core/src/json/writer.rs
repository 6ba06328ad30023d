//! Answers as JSON.

use alloc::{string::String, vec::Vec};
use core::fmt;

/// Writes one JSON object of texts and numbers, member by member. The names stand as they are given.
///
/// Most answers hold nothing but tokens, names and URLs, of which no character has to be escaped: such a text
/// is copied as it stands.
#[derive(Clone, Default)]
#[must_use = "an object that is not ended is no JSON"]
pub struct ObjectWriter(Vec<u8>);

impl ObjectWriter {
    /// Begins an object with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Adds a text.
    pub fn text(mut self, name: &'static str, value: &str) -> Self {
        self.name(name);
        self.quoted(value);
        self
    }

    /// Adds a text that may be absent.
    pub fn optional_text(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds a whole number.
    pub fn number(mut self, name: &'static str, value: u64) -> Self {
        self.name(name);
        let (mut digits, mut rest, mut first) = ([b'0'; MAX_DIGITS], value, MAX_DIGITS);
        for (index, digit) in digits.iter_mut().enumerate().rev() {
            *digit += u8::try_from(rest % 10).unwrap_or_default();
            (rest, first) = (rest / 10, index);
            if rest == 0 {
                break;
            }
        }
        self.0.extend(digits.get(first..).unwrap_or_default());
        self
    }

    /// Adds a whole number that may be absent.
    pub fn optional_number(self, name: &'static str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.number(name, value),
            None => self,
        }
    }

    /// Adds `true` or `false`.
    pub fn boolean(mut self, name: &'static str, value: bool) -> Self {
        self.name(name);
        self.0.extend(if value { b"true".as_slice() } else { b"false" });
        self
    }

    /// Adds a text, where there is one, or an array of texts, where there are several; nothing for none.
    pub fn one_or_several(mut self, name: &'static str, values: &[String]) -> Self {
        match values {
            [] => self,
            [one] => self.text(name, one),
            several => {
                self.name(name);
                for (index, value) in several.iter().enumerate() {
                    self.0.push(if index == 0 { b'[' } else { b',' });
                    self.quoted(value);
                }
                self.0.push(b']');
                self
            }
        }
    }

    /// Ends the object.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.0.extend(if self.0.is_empty() { b"{}".as_slice() } else { b"}" });
        self.0
    }

    fn name(&mut self, name: &'static str) {
        self.0.extend(if self.0.is_empty() { b"{\"" } else { b",\"" });
        self.0.extend(name.as_bytes());
        self.0.extend(b"\":");
    }

    fn quoted(&mut self, text: &str) {
        if is_plain(text) {
            self.0.push(b'"');
            self.0.extend(text.as_bytes());
            self.0.push(b'"');
        } else {
            // A text always serialises.
            self.0.extend(serde_json::to_vec(text).unwrap_or_default());
        }
    }
}

/// How many digits a number has at most.
const MAX_DIGITS: usize = 20;

/// Tells whether a text stands in JSON as it is ([RFC 8259 section 7](https://www.rfc-editor.org/rfc/rfc8259#section-7)).
/// It looks at every byte, so that it looks at many at once.
fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    text.bytes().fold(true, |all, byte| all & is_plain(byte))
}

impl fmt::Debug for ObjectWriter {
    /// Shows nothing of it: it can hold tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObjectWriter")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    proptest! {
        #[test]
        fn rfc8259_7_every_text_and_number_is_read_back(texts: Vec<String>, number: u64) {
            let text = texts.concat();
            let writer = ObjectWriter::default().text("a", &text).number("b", number);
            let written = writer.optional_text("c", None).optional_text("d", Some(&text)).finish();
            let expected = json!({ "a": text, "b": number, "d": text });
            prop_assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), expected);
        }
    }

    #[test]
    fn rfc8259_7_what_has_to_be_escaped_is() {
        for text in ["\"", "\\", "\n", "\0", "\u{1f}", "\u{7f}", "\u{e9}\u{2028}", "/", ""] {
            let written = ObjectWriter::default().text("a", text).finish();
            assert_eq!(written, serde_json::to_vec(&json!({ "a": text })).unwrap(), "{text:?}");
        }
        assert_eq!(ObjectWriter::default().finish(), b"{}");
        let texts = ["a", "\"", "c"].map(String::from);
        let lists =
            |count| ObjectWriter::default().boolean("b", false).one_or_several("l", &texts[..count]).finish();
        assert_eq!(lists(0), br#"{"b":false}"#);
        assert_eq!(lists(1), br#"{"b":false,"l":"a"}"#);
        assert_eq!(lists(3), br#"{"b":false,"l":["a","\"","c"]}"#);
        assert_eq!(ObjectWriter::default().number("n", u64::MAX).finish(), b"{\"n\":18446744073709551615}");
    }
}
