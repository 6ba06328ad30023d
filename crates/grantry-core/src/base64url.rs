//! Base64url without padding, one spelling for each value
//! ([RFC 7515 section 2](https://www.rfc-editor.org/rfc/rfc7515#section-2)).

use alloc::{string::String, vec::Vec};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Writes bytes as base64url without padding.
#[must_use]
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends bytes to a text as base64url without padding.
pub fn encode_to(bytes: impl AsRef<[u8]>, text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Reads base64url text.
///
/// # Errors
///
/// [`Base64UrlError`] for padding, white space, another alphabet, an impossible length and unused
/// bits that are not zero ([RFC 4648 section 3.5](https://www.rfc-editor.org/rfc/rfc4648#section-3.5)).
pub fn decode(text: impl AsRef<[u8]>) -> Result<Vec<u8>, Base64UrlError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Base64UrlError)
}

/// The text is not canonical base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("not canonical base64url without padding (RFC 7515 section 2)")]
#[non_exhaustive]
pub struct Base64UrlError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc4648_3_5_one_value_has_one_spelling() {
        assert_eq!(decode("_w"), Ok(alloc::vec![0xff]));
        for other in ["_x", "_w==", "/w", " _w", "_w\n", "_"] {
            assert_eq!(decode(other), Err(Base64UrlError), "{other:?}");
        }
    }
}
