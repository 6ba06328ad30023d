//! Base64url without padding, one spelling for each value
//! ([RFC 7515 section 2](https://www.rfc-editor.org/rfc/rfc7515#section-2)).

use alloc::{string::String, vec::Vec};

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::{Engine as _, decoded_len_estimate};

/// Writes bytes as base64url without padding.
#[must_use]
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends bytes to the bytes of a text as base64url without padding.
pub fn encode_to(bytes: impl AsRef<[u8]>, text: &mut Vec<u8>) {
    let bytes = bytes.as_ref();
    let start = text.len();
    // A slice is never longer than half of the address space, so its encoding has a length.
    let length = base64::encoded_len(bytes.len(), false).unwrap_or_default();
    text.resize(start.saturating_add(length), 0);
    if let Some(place) = text.get_mut(start..) {
        // The place has exactly the length that is written.
        let _ = URL_SAFE_NO_PAD.encode_slice(bytes, place);
    }
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

/// Reads base64url text into a buffer, in place of what it held.
///
/// # Errors
///
/// As [`decode`]; what the buffer holds then has no meaning.
pub fn decode_into(text: impl AsRef<[u8]>, buffer: &mut Vec<u8>) -> Result<(), Base64UrlError> {
    buffer.clear();
    URL_SAFE_NO_PAD.decode_vec(text, buffer).map_err(|_| Base64UrlError)
}

/// Reads base64url text and lends its bytes to `read`, from the stack when `ROOM` bytes hold them: two
/// more than the text can mean are always enough.
///
/// # Errors
///
/// As [`decode`].
pub fn with_decoded<const ROOM: usize, R>(
    text: impl AsRef<[u8]>,
    read: impl FnOnce(&[u8]) -> R,
) -> Result<R, Base64UrlError> {
    let text = text.as_ref();
    if decoded_len_estimate(text.len()) > ROOM {
        return decode(text).map(|bytes| read(&bytes));
    }
    let mut room = [0; ROOM];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut room).map_err(|_| Base64UrlError)?;
    room.get(..length).map(read).ok_or(Base64UrlError)
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
            assert_eq!(decode_into(other, &mut Vec::new()), Err(Base64UrlError), "{other:?}");
            assert_eq!(with_decoded::<8, _>(other, |_| ()), Err(Base64UrlError), "{other:?}");
            assert_eq!(with_decoded::<0, _>(other, |_| ()), Err(Base64UrlError), "{other:?}");
        }
    }

    #[test]
    fn every_way_of_encoding_writes_the_same() {
        let mut text = b"a.".to_vec();
        for length in 0..40 {
            let bytes: Vec<u8> = (0..length).collect();
            text.truncate(2);
            encode_to(&bytes, &mut text);
            assert_eq!(text, alloc::format!("a.{}", encode(&bytes)).into_bytes());
        }
    }

    #[test]
    fn every_way_of_decoding_reads_the_same() {
        let mut buffer = alloc::vec![1; 99];
        for length in 0..40 {
            let bytes: Vec<u8> = (0..length).collect();
            let text = encode(&bytes);
            assert_eq!(decode_into(&text, &mut buffer), Ok(()));
            assert_eq!(buffer, bytes);
            assert_eq!(with_decoded::<16, _>(&text, <[u8]>::to_vec), Ok(bytes.clone()), "{length}");
            assert_eq!(decode(&text), Ok(bytes));
        }
    }
}
