//! User codes: what a person types to let a device in
//! ([RFC 8628 section 6.1](https://www.rfc-editor.org/rfc/rfc8628#section-6.1)).
//!
//! Nine letters without vowels and look-alikes, in three groups. The ninth is a MAC of the others: of 20
//! typing errors or guesses 19 are seen before the store is asked (with an older handle key in use, 18). The
//! record of the device's grant lies under a MAC of the code, so that the typed code and the polled one find
//! one record, and a table that leaks shows no code.

use alloc::{string::String, vec::Vec};
use core::fmt;

use grantry_core::Moment;
use ring::hmac;

use crate::grant::GrantId;
use crate::handle::HandleRing;

/// The letters of RFC 8628 section 6.1: no vowel makes a word, and no two look alike.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Random letters: 20^8 codes, about 2^34.6.
const RANDOM: usize = 8;
const GROUP: usize = 3;

/// A user code that some key of the server made.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct UserCode {
    letters: [u8; RANDOM + 1],
    grant: GrantId,
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode")
    }
}

impl UserCode {
    /// Makes the code of a moment, or a further one where that is taken.
    pub(crate) fn generate(ring: &HandleRing, moment: &Moment, attempt: Attempt) -> Option<Self> {
        let mut keys = ring.user_code_keys();
        let newest = keys.next()?;
        let older: Vec<_> = keys.collect();
        // Enough for 15 candidates; the first is taken but for one time in 20 for each older key.
        let bytes: [u8; 128] = moment.random(attempt.label());
        let mut letters = bytes.into_iter().filter_map(letter);
        let mut candidates = core::iter::from_fn(|| take(&mut letters));
        // What an older key would have made as well is looked for under that key: see `parse`.
        let is_own = |random: &[u8; RANDOM]| {
            let check = check(newest, random);
            !older.iter().any(|older| self::check(older, random) == check)
        };
        candidates.find(is_own).map(|random| Self::of(newest, random))
    }

    /// Reads what a person typed: case, spaces and punctuation do not matter. `None` for what no key of
    /// the server made.
    pub(crate) fn parse(ring: &HandleRing, text: &str) -> Option<Self> {
        if text.len() > MAX_TYPED_BYTES {
            return None;
        }
        let mut typed = text.chars().filter(|typed| typed.is_alphanumeric());
        let mut letters = core::iter::from_fn(|| {
            let letter = u8::try_from(typed.next()?).ok()?.to_ascii_uppercase();
            ALPHABET.contains(&letter).then_some(letter)
        });
        let random = take(&mut letters)?;
        let last = letters.next()?;
        if typed.next().is_some() {
            return None;
        }
        // One time in 20 a newer key also fits the code of an older one, and never the other way round.
        let mut oldest_first = ring.user_code_keys().rev();
        oldest_first.find(|key| check(key, &random) == last).map(|key| Self::of(key, random))
    }

    fn of(key: &hmac::Key, random: [u8; RANDOM]) -> Self {
        let mut letters = [check(key, &random); RANDOM + 1];
        for (place, letter) in letters.iter_mut().zip(random) {
            *place = letter;
        }
        let mut id = [0; 16];
        for (place, byte) in id.iter_mut().zip(mac(key, b"grant", &random).as_ref()) {
            *place = *byte;
        }
        Self { letters, grant: GrantId::from_bytes(id) }
    }

    /// The key of the record.
    pub(crate) const fn grant(&self) -> GrantId {
        self.grant
    }

    /// The code as it is shown: `BCD-FGH-JKL`.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.letters.len() + 2);
        for (index, letter) in self.letters.iter().enumerate() {
            if index > 0 && index % GROUP == 0 {
                text.push('-');
            }
            text.push(char::from(*letter));
        }
        text
    }
}

/// What a person may type for a code, in bytes: room for any spacing, and no more than a slip of the hand.
const MAX_TYPED_BYTES: usize = 64;

/// Which of the codes of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    First,
    /// The first is taken.
    Second,
}

impl Attempt {
    const fn label(self) -> &'static str {
        match self {
            Self::First => "user code",
            Self::Second => "second user code",
        }
    }
}

/// The letter that tells whether a key made the others.
fn check(key: &hmac::Key, random: &[u8; RANDOM]) -> u8 {
    let mac = mac(key, b"check", random);
    // No byte is a letter one time in 2^128.
    mac.as_ref().iter().copied().find_map(letter).unwrap_or(b'B')
}

fn mac(key: &hmac::Key, label: &[u8], random: &[u8; RANDOM]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(label);
    context.update(random);
    context.sign()
}

fn take(letters: &mut impl Iterator<Item = u8>) -> Option<[u8; RANDOM]> {
    let mut taken = [0; RANDOM];
    for place in &mut taken {
        *place = letters.next()?;
    }
    Some(taken)
}

/// The letter of a random byte. Bytes from 240 on would favour some letters, and are none.
fn letter(byte: u8) -> Option<u8> {
    let index = usize::from(byte) % ALPHABET.len();
    ALPHABET.get(index).copied().filter(|_| byte < 240)
}

#[cfg(test)]
mod tests;
