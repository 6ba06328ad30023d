//! Base64url without padding, one spelling for each value
//! ([RFC 7515 section 2](https://www.rfc-editor.org/rfc/rfc7515#section-2)).

use alloc::{string::String, vec::Vec};
use core::fmt;

#[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
use base64::engine::Simd;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::{Engine, decoded_len_estimate};

/// Writes bytes as base64url without padding.
#[must_use]
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
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

/// Reads and writes base64url in place, to the letter as [`encode`] and [`decode`] do.
#[derive(Clone)]
pub struct Codec(Instructions);

#[derive(Clone)]
#[cfg_attr(
    all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")),
    expect(clippy::large_enum_variant, reason = "a codec is made once and lent")
)]
enum Instructions {
    Portable,
    #[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
    Vector(Simd),
}

impl Codec {
    /// Makes a codec that runs anywhere.
    #[must_use]
    pub const fn portable() -> Self {
        Self(Instructions::Portable)
    }

    /// Makes a codec with the vector instructions of this machine, as far as the standard library can
    /// tell: worth keeping, since looking for them takes as long as a few hundred bytes.
    #[must_use]
    pub fn fastest() -> Self {
        #[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
        return Self(Instructions::Vector(Simd::url_safe(base64::engine::general_purpose::NO_PAD)));
        #[cfg(not(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64"))))]
        Self::portable()
    }

    /// Appends bytes to the bytes of a text.
    pub fn encode_to(&self, bytes: impl AsRef<[u8]>, text: &mut Vec<u8>) {
        let bytes = bytes.as_ref();
        let start = text.len();
        // A slice is never longer than half of the address space, so its encoding has a length.
        let length = base64::encoded_len(bytes.len(), false).unwrap_or_default();
        text.resize(start.saturating_add(length), 0);
        let Some(place) = text.get_mut(start..) else { return };
        // The place has exactly the length that is written.
        let _ = match &self.0 {
            Instructions::Portable => URL_SAFE_NO_PAD.encode_slice(bytes, place),
            #[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
            Instructions::Vector(engine) if bytes.len() < VECTOR_BYTES => encode_longer(engine, bytes, place),
            #[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
            Instructions::Vector(engine) => engine.encode_slice(bytes, place),
        };
    }

    /// Reads text into a buffer, in place of what it held.
    ///
    /// # Errors
    ///
    /// As [`decode`]; what the buffer holds then has no meaning.
    pub fn decode_into(&self, text: impl AsRef<[u8]>, buffer: &mut Vec<u8>) -> Result<(), Base64UrlError> {
        buffer.clear();
        match &self.0 {
            Instructions::Portable => URL_SAFE_NO_PAD.decode_vec(text, buffer),
            #[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
            Instructions::Vector(engine) => engine.decode_vec(text, buffer),
        }
        .map_err(|_| Base64UrlError)
    }

    /// Reads text and lends its bytes to `read`, from the stack when `ROOM` bytes hold them: two more than
    /// the text can mean are always enough.
    ///
    /// # Errors
    ///
    /// As [`decode`].
    pub fn with_decoded<const ROOM: usize, R>(
        &self,
        text: impl AsRef<[u8]>,
        read: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, Base64UrlError> {
        let text = text.as_ref();
        if decoded_len_estimate(text.len()) > ROOM {
            return decode(text).map(|bytes| read(&bytes));
        }
        let mut room = [0; ROOM];
        let length = match &self.0 {
            Instructions::Portable => URL_SAFE_NO_PAD.decode_slice(text, &mut room),
            #[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
            Instructions::Vector(engine) => engine.decode_slice(text, &mut room),
        };
        let length = length.map_err(|_| Base64UrlError)?;
        room.get(..length).map(read).ok_or(Base64UrlError)
    }
}

/// From so many bytes on, the engine takes the vector instructions.
#[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
const VECTOR_BYTES: usize = 128;

/// Encodes fewer bytes than that as the beginning of more: what follows changes no character of theirs.
#[cfg(all(feature = "std", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn encode_longer(engine: &Simd, bytes: &[u8], place: &mut [u8]) -> Result<usize, base64::EncodeSliceError> {
    let (mut longer, mut text) = ([0; VECTOR_BYTES], [0; VECTOR_BYTES.div_ceil(3) * 4]);
    longer.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
    let length = engine.encode_slice(longer, &mut text)?;
    place.iter_mut().zip(text).for_each(|(place, byte)| *place = byte);
    Ok(length)
}

impl Default for Codec {
    fn default() -> Self {
        Self::fastest()
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codec")
    }
}

/// The text is not canonical base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[error("not canonical base64url without padding (RFC 7515 section 2)")]
#[non_exhaustive]
pub struct Base64UrlError;

#[cfg(test)]
mod tests {
    use super::*;

    const CODECS: [fn() -> Codec; 2] = [Codec::portable, Codec::fastest];

    #[test]
    fn rfc4648_3_5_one_value_has_one_spelling() {
        assert_eq!(decode("_w"), Ok(alloc::vec![0xff]));
        // Long enough for vector instructions, with the fault at any place of a block.
        let long = "-_Az09".repeat(22);
        assert!(decode(&long).is_ok());
        let faults =
            (0..long.len()).map(|at| long.char_indices().map(move |(i, c)| if i == at { '+' } else { c }));
        let faults =
            faults.map(String::from_iter).chain([alloc::format!("{long}_x"), alloc::format!("{long}_w==")]);
        let short = ["_x", "_w==", "/w", " _w", "_w\n", "_"].map(String::from);
        for other in short.into_iter().chain(faults) {
            assert_eq!(decode(&other), Err(Base64UrlError), "{other:?}");
            for codec in CODECS.map(|codec| codec()) {
                assert_eq!(codec.decode_into(&other, &mut Vec::new()), Err(Base64UrlError), "{other:?}");
                assert_eq!(codec.with_decoded::<128, _>(&other, |_| ()), Err(Base64UrlError), "{other:?}");
                assert_eq!(codec.with_decoded::<0, _>(&other, |_| ()), Err(Base64UrlError), "{other:?}");
            }
        }
    }

    #[test]
    fn every_way_of_coding_is_the_same() {
        let mut buffer = alloc::vec![1; 99];
        for length in 0..=255_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(89)).collect();
            let text = encode(&bytes);
            for codec in CODECS.map(|codec| codec()) {
                assert_eq!(codec.decode_into(&text, &mut buffer), Ok(()));
                assert_eq!(buffer, bytes);
                assert_eq!(
                    codec.with_decoded::<128, _>(&text, <[u8]>::to_vec).as_ref(),
                    Ok(&bytes),
                    "{length}"
                );
                let mut written = b"a.".to_vec();
                codec.encode_to(&bytes, &mut written);
                assert_eq!(written, alloc::format!("a.{text}").into_bytes());
            }
            assert_eq!(decode(&text), Ok(bytes));
        }
    }
}
