//! The MAC of a handle: HMAC-SHA256 ([RFC 2104](https://www.rfc-editor.org/rfc/rfc2104#section-2)) from states
//! that are prepared once for a key, since a handle is so short that preparing would cost as much again.

use core::fmt;

use ring::hmac;
use sha2::compress256;
use sha2::digest::generic_array::GenericArray;
use zeroize::Zeroizing;

use super::{BODY_BYTES, HALF_BYTES, Place};

#[derive(Clone)]
pub(super) struct MacKey {
    inner: State,
    outer: State,
}

impl MacKey {
    /// Prepares a key that was derived by HMAC-SHA256.
    pub(super) fn new(derived: &hmac::Tag) -> Self {
        let state = |pad: u8| {
            let mut block = Zeroizing::new([pad; BLOCK_BYTES]);
            block.iter_mut().zip(derived.as_ref()).for_each(|(byte, key)| *byte ^= key);
            State::START.after(&block)
        };
        Self { inner: state(0x36), outer: state(0x5c) }
    }

    pub(super) fn mac(&self, body: &[u8; BODY_BYTES]) -> Mac {
        let mac = self.outer.digest(&self.inner.digest(body));
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
        let mut both = [0; 2 * HALF_BYTES];
        let mut place = Place(&mut both);
        place.put(&self.kept);
        place.put(salt);
        left_half(&State::START.digest(&both))
    }
}

fn left_half(bytes: &[u8]) -> [u8; HALF_BYTES] {
    bytes.first_chunk().copied().unwrap_or_default()
}

const BLOCK_BYTES: usize = 64;

/// SHA-256 between two blocks ([FIPS 180-4 section 6.2.2](https://doi.org/10.6028/NIST.FIPS.180-4)).
#[derive(Clone, Copy)]
struct State {
    words: [u32; 8],
    bytes_before: u64,
}

impl State {
    // FIPS 180-4 section 5.3.3
    const START: Self = Self {
        words: [
            0x6a09_e667,
            0xbb67_ae85,
            0x3c6e_f372,
            0xa54f_f53a,
            0x510e_527f,
            0x9b05_688c,
            0x1f83_d9ab,
            0x5be0_cd19,
        ],
        bytes_before: 0,
    };

    fn after(mut self, block: &[u8; BLOCK_BYTES]) -> Self {
        compress256(&mut self.words, &[GenericArray::from(*block)]);
        self.bytes_before += 64;
        self
    }

    /// Digests all that came before and a last part that leaves room in its block for the padding.
    fn digest<const LENGTH: usize>(self, last: &[u8; LENGTH]) -> [u8; 32] {
        const { assert!(LENGTH <= BLOCK_BYTES - 9, "FIPS 180-4 section 5.1.1: a bit and a length follow") };
        let mut block = [0; BLOCK_BYTES];
        let mut place = Place(&mut block);
        place.put(last);
        place.put(&[0x80]);
        if let Some(length) = block.last_chunk_mut() {
            *length = ((self.bytes_before + LENGTH as u64) * 8).to_be_bytes();
        }
        let mut digest = [0; 32];
        let mut place = Place(&mut digest);
        self.after(&block).words.iter().for_each(|word| place.put(&word.to_be_bytes()));
        digest
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn rfc2104_2_a_mac_is_the_one_that_ring_makes() {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"root"), b"label");
        let (prepared, key) = (MacKey::new(&derived), hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()));
        let Mac { first, kept } = prepared.mac(&[7; BODY_BYTES]);
        let expected = hmac::sign(&key, &[7; BODY_BYTES]);
        assert_eq!([first.as_slice(), kept.as_slice()].concat(), expected.as_ref());
    }

    #[test]
    fn fips180_4_5_1_1_a_digest_of_one_block_is_the_one_that_sha2_makes() {
        assert_eq!(State::START.digest(&[]), <[u8; 32]>::from(Sha256::digest([])));
        assert_eq!(State::START.digest(&[9; 32]), <[u8; 32]>::from(Sha256::digest([9; 32])));
        assert_eq!(State::START.digest(&[9; 55]), <[u8; 32]>::from(Sha256::digest([9; 55])));
        let second = State::START.after(&[9; BLOCK_BYTES]).digest(&[9; 55]);
        assert_eq!(second, <[u8; 32]>::from(Sha256::digest([9; BLOCK_BYTES + 55])));
    }
}
