//! Answers as JSON.

use alloc::vec::Vec;
use core::fmt;

/// Writes one JSON object of texts and numbers, member by member.
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
    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.quoted(value);
        self
    }

    /// Adds a text that may be absent.
    pub fn optional_text(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds a whole number.
    pub fn number(mut self, name: &str, value: u64) -> Self {
        self.name(name);
        let first = self.0.len();
        let mut rest = value;
        loop {
            self.0.push(b'0' + u8::try_from(rest % 10).unwrap_or_default());
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.0.get_mut(first..).unwrap_or_default().reverse();
        self
    }

    /// Ends the object.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.0.extend(if self.0.is_empty() { b"{}".as_slice() } else { b"}" });
        self.0
    }

    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        self.quoted(name);
        self.0.push(b':');
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
    use alloc::{string::String, vec::Vec};

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    proptest! {
        #[test]
        fn rfc8259_7_every_text_and_number_is_read_back(texts: Vec<String>, number: u64) {
            let text = texts.concat();
            let writer = ObjectWriter::default().text("a", &text).number("b", number);
            let written = writer.optional_text("c", None).optional_text(&text, Some("d")).finish();
            let mut expected = json!({ "a": text, "b": number });
            expected[text] = "d".into();
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
        assert_eq!(ObjectWriter::default().number("n", u64::MAX).finish(), b"{\"n\":18446744073709551615}");
    }
}
