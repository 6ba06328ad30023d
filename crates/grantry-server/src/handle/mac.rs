//! The MAC of a handle: HMAC-SHA256 ([RFC 2104](https://www.rfc-editor.org/rfc/rfc2104#section-2)) from states
//! that are prepared once for a key, since a handle is so short that preparing would cost as much again.

use core::fmt;

use ring::hmac;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::HALF_BYTES;

#[derive(Clone)]
pub(super) struct MacKey {
    inner: Sha256,
    outer: Sha256,
}

impl MacKey {
    /// Prepares a key that was derived by HMAC-SHA256.
    pub(super) fn new(derived: &hmac::Tag) -> Self {
        let state = |pad: u8| {
            let mut block = Zeroizing::new([pad; 64]);
            block.iter_mut().zip(derived.as_ref()).for_each(|(byte, key)| *byte ^= key);
            Sha256::new_with_prefix(block.as_slice())
        };
        Self { inner: state(0x36), outer: state(0x5c) }
    }

    pub(super) fn mac(&self, text: &[u8]) -> Mac {
        let inner = self.inner.clone().chain_update(text).finalize();
        let mac: [u8; 32] = self.outer.clone().chain_update(inner).finalize().into();
        let (first, kept) = mac.split_at_checked(HALF_BYTES).unwrap_or_default();
        Mac { first: left_half(first), kept: Zeroizing::new(left_half(kept)) }
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey")
    }
}

/// The MAC of a body: half of it stands in the handle, and half stays here.
pub(super) struct Mac {
    pub(super) first: [u8; HALF_BYTES],
    kept: Zeroizing<[u8; HALF_BYTES]>,
}

impl Mac {
    /// The half that only who knows the salt can make, from the half that only who knows the key has.
    pub(super) fn salted(&self, salt: &[u8; 16]) -> [u8; HALF_BYTES] {
        left_half(&Sha256::new().chain_update(self.kept.as_slice()).chain_update(salt).finalize())
    }
}

fn left_half(bytes: &[u8]) -> [u8; HALF_BYTES] {
    bytes.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc2104_2_a_mac_is_the_one_that_ring_makes() {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"root"), b"label");
        let (prepared, key) = (MacKey::new(&derived), hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()));
        for length in [0, 1, 39, 55, 56, 64, 200] {
            let Mac { first, kept } = prepared.mac(&[7; 200][..length]);
            let expected = hmac::sign(&key, &[7; 200][..length]);
            assert_eq!([first.as_slice(), kept.as_slice()].concat(), expected.as_ref(), "{length}");
        }
    }
}
