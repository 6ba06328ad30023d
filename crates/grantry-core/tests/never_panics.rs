//! Every other reader of text takes any input: a value or an error.

use grantry_core::{Challenge, ClientId, ErrorCode, HttpRequest, Issuer, base64url, json};
use proptest::prelude::*;
use serde_json::Value;

proptest! {
    #[test]
    fn json_of_any_bytes(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = json::from_slice::<Value>(&text, 200);
    }

    #[test]
    fn json_of_any_pieces(text in "([\\[\\]{}:,]|\"a\"|\"\\\\u00[0-9a-f]{2}\"|-?[0-9.eE+]{1,9}|true|null| ){0,40}") {
        if let Ok(value) = json::from_slice::<Value>(text.as_bytes(), 4096) {
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
    }

    #[test]
    fn base64url_has_one_text_for_each_value(text in "[A-Za-z0-9_=+/ -]{0,40}") {
        if let Ok(bytes) = base64url::decode(&text) {
            prop_assert_eq!(base64url::encode(bytes), text);
        }
    }

    #[test]
    fn names_and_urls(text in any::<String>(), tail in "[ -~]{0,30}") {
        let _ = (ClientId::parse(text.as_str()), ErrorCode::parse(&text), Issuer::parse(text.as_str()));
        let _ = HttpRequest::new("GET", text).query();
        for start in ["https://", "https://as.example", "http://127.0.0.1"] {
            if let Ok(issuer) = Issuer::danger_loopback_http(format!("{start}{tail}")) {
                prop_assert!(!issuer.as_str().contains(['?', '#', '\\', ' ']));
            }
        }
    }

    #[test]
    fn rfc9110_11_6_1_a_challenge_is_one_line_of_printable_ascii(text in any::<String>()) {
        let header = Challenge::new("Bearer").with_realm(&text).with_error_description(&text).to_string();
        prop_assert!(header.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        let unescaped = header.replace("\\\\", "").replace("\\\"", "");
        prop_assert_eq!(unescaped.matches('"').count(), 4);
    }
}
