//! The credentials of a client in HTTP Basic
//! ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).

use alloc::format;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::{ClientId, SecretString, form};

/// Writes the value of an `Authorization` field: identifier and secret are form-encoded first, so
/// that a colon in either cannot move the border between them.
#[must_use]
pub fn basic_credentials(client_id: &ClientId, client_secret: &SecretString) -> SecretString {
    let secret = Zeroizing::new(form::encode_component(client_secret.expose()));
    let pair = Zeroizing::new(format!("{}:{}", form::encode_component(client_id.as_str()), *secret));
    let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    SecretString::from(format!("Basic {}", *encoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(client_id: &str, client_secret: &str) -> SecretString {
        basic_credentials(&ClientId::parse(client_id).unwrap(), &SecretString::from(client_secret))
    }

    #[test]
    fn rfc6749_2_3_1_the_printed_example() {
        let value = write("s6BhdRkqt3", "7Fjfp0ZBr1KtDRbnfVdmIw");
        assert_eq!(value.expose(), "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3");
    }

    #[test]
    fn rfc6749_2_3_1_both_halves_are_form_encoded_first() {
        let pair = |value: &SecretString| STANDARD.decode(value.expose().trim_start_matches("Basic "));
        assert_eq!(pair(&write("a:b c", "d:e%\u{e9}+")).unwrap(), b"a%3Ab+c:d%3Ae%25%C3%A9%2B");
    }
}
