//! User codes: what a person types to let a device in
//! ([RFC 8628 section 6.1](https://www.rfc-editor.org/rfc/rfc8628#section-6.1)).
//!
//! Nine letters without vowels and look-alikes, in three groups. The ninth is a MAC of the others: a
//! typing error is seen before the store is asked, and 19 of 20 guesses are, too. The record of the device's
//! grant lies under a MAC of the code, so that the typed code and the polled one find one record, and a
//! table that leaks shows no code.

use alloc::string::String;
use core::fmt;

use grantry_core::Moment;
use ring::hmac;

use crate::grant::GrantId;
use crate::handle::HandleRing;

/// The letters of RFC 8628 section 6.1: no vowel makes a word, and no two look alike.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Random letters: 20^8 codes, about 2^34.
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
        let bytes: [u8; 64] = moment.random(attempt.label());
        // A byte from 240 on would favour some letters; 8 of 64 bytes are below but for one time in 2^190.
        let mut letters = bytes.iter().filter(|byte| **byte < 240).map(|byte| letter(*byte));
        let mut random = [0; RANDOM];
        for place in &mut random {
            *place = letters.next()?;
        }
        ring.user_code_keys().next().map(|key| Self::of(key, random))
    }

    /// Reads what a person typed: case, spaces and punctuation do not matter. `None` for what no key of
    /// the server made.
    pub(crate) fn parse(ring: &HandleRing, text: &str) -> Option<Self> {
        // More is no slip of a hand; it is not read to its end.
        let mut typed = text.bytes().take(MAX_TYPED_BYTES + 1);
        if typed.clone().count() > MAX_TYPED_BYTES {
            return None;
        }
        let mut next = || typed.find(u8::is_ascii_alphabetic).map(|byte| byte.to_ascii_uppercase());
        let mut letters = [0; RANDOM + 1];
        for place in &mut letters {
            *place = next().filter(|letter| ALPHABET.contains(letter))?;
        }
        if text.bytes().filter(u8::is_ascii_alphanumeric).count() != letters.len() {
            return None;
        }
        let (random, _) = letters.split_first_chunk::<RANDOM>()?;
        ring.user_code_keys().map(|key| Self::of(key, *random)).find(|code| code.letters == letters)
    }

    fn of(key: &hmac::Key, random: [u8; RANDOM]) -> Self {
        let mac = |label: &[u8]| {
            let mut context = hmac::Context::with_key(key);
            context.update(label);
            context.update(&random);
            context.sign()
        };
        let mut letters = [0; RANDOM + 1];
        let check = mac(b"check").as_ref().first().copied().unwrap_or_default();
        for (place, letter) in letters.iter_mut().zip(random.into_iter().chain([letter(check)])) {
            *place = letter;
        }
        let mut id = [0; 16];
        for (place, byte) in id.iter_mut().zip(mac(b"grant").as_ref()) {
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

/// What a person may type for a code, in bytes.
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

fn letter(byte: u8) -> u8 {
    let index = usize::from(byte) % ALPHABET.len();
    ALPHABET.get(index).copied().unwrap_or(b'B')
}
