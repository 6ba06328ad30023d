use alloc::{collections::BTreeSet, format, string::String, vec, vec::Vec};

use grantry_core::{Issuer, SecretBytes, UnixTime};
use proptest::prelude::*;

use super::*;
use crate::handle::HandleKey;

fn ring_of(issuer: &str, keys: &[u8]) -> HandleRing {
    let key = |id: &u8| HandleKey::new(*id, SecretBytes::from(vec![*id; 32])).unwrap();
    HandleRing::new(&Issuer::parse(issuer).unwrap(), &keys.iter().map(key).collect::<Vec<_>>())
}

fn ring(keys: &[u8]) -> HandleRing {
    ring_of("https://as.example", keys)
}

fn moment(seed: u64) -> Moment {
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().zip(seed.to_be_bytes()) {
        *place = byte;
    }
    Moment::new(UnixTime::from_secs(0), bytes)
}

fn generate(ring: &HandleRing, seed: u64) -> UserCode {
    UserCode::generate(ring, &moment(seed), Attempt::First).unwrap()
}

/// Codes with one letter changed, each into every other of the alphabet.
fn slips(code: &UserCode) -> Vec<String> {
    let slip = |place: usize, other: u8| {
        let mut letters = code.letters;
        let changed = letters.get_mut(place).filter(|letter| **letter != other)?;
        *changed = other;
        Some(letters.map(char::from).iter().collect())
    };
    let of_place = |place| ALPHABET.iter().filter_map(move |other| slip(place, *other));
    (0..RANDOM + 1).flat_map(of_place).collect()
}

/// The letters that RFC 8628 section 6.1 suggests.
#[test]
fn rfc8628_6_1_no_letter_is_a_vowel_or_looks_like_another() {
    let letters: BTreeSet<u8> = ALPHABET.iter().copied().collect();
    assert_eq!(letters.len(), ALPHABET.len());
    assert!(letters.iter().all(u8::is_ascii_uppercase));
    assert!(b"AEIOUY".iter().all(|vowel| !letters.contains(vowel)));
}

#[test]
fn rfc8628_6_1_a_code_is_shown_in_three_groups() {
    for seed in 0..200 {
        let text = generate(&ring(&[1]), seed).to_text();
        let groups: Vec<_> = text.split('-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [3, 3, 3]);
        assert!(groups.concat().bytes().all(|letter| ALPHABET.contains(&letter)), "{text}");
    }
}

/// Every byte from 0 to 255 once: each letter comes equally often, in random letters and check letters.
#[test]
fn rfc8628_5_1_no_letter_is_more_likely_than_another() {
    let count = |wanted: u8| (0..=255).filter_map(letter).filter(|letter| *letter == wanted).count();
    assert!(ALPHABET.iter().all(|letter| count(*letter) == 12));

    let codes: Vec<_> = (0..10_000).map(|seed| generate(&ring(&[1]), seed)).collect();
    for place in 0..RANDOM + 1 {
        for wanted in ALPHABET {
            let at = |code: &&UserCode| code.letters.get(place) == Some(wanted);
            let count = codes.iter().filter(at).count();
            // Of 500 expected: five standard deviations.
            assert!((391..=609).contains(&count), "{place} {} {count}", char::from(*wanted));
        }
    }
}

/// What is documented of a guess: one of 20 gets as far as the store.
#[test]
fn rfc8628_5_1_of_twenty_guesses_nineteen_are_refused_unread() {
    let ring = ring(&[1]);
    let slips: Vec<_> = (0..100).flat_map(|seed| slips(&generate(&ring, seed))).collect();
    let found = slips.iter().filter(|slip| UserCode::parse(&ring, slip).is_some()).count();
    assert_eq!(slips.len(), 100 * 9 * 19);
    // Slips of the last letter are all refused; of the 15,200 others one in 20 fits: 760.
    assert!((625..=895).contains(&found), "{found}");
    let last = |seed| slips_of_last(&generate(&ring, seed));
    assert!((0..100).flat_map(last).all(|slip| UserCode::parse(&ring, &slip).is_none()));
}

fn slips_of_last(code: &UserCode) -> Vec<String> {
    slips(code).split_off(RANDOM * (ALPHABET.len() - 1))
}

#[test]
fn a_code_of_another_key_or_issuer_leads_to_no_record_of_this_one() {
    let own = ring(&[1]);
    for other in [ring(&[2]), ring_of("https://other.example", &[1])] {
        for seed in 0..200 {
            let code = generate(&other, seed);
            let read = UserCode::parse(&own, &code.to_text());
            assert!(read.is_none_or(|read| read.grant != code.grant));
        }
    }
}

/// One key in 20 fits the code of another by chance: the code is still looked for where it was put.
#[test]
fn a_code_is_found_after_every_rotation_of_the_keys() {
    let rings = [ring(&[1]), ring(&[2, 1]), ring(&[3, 2, 1])];
    for (made, in_use) in rings.iter().enumerate() {
        for seed in 0..1000 {
            let code = generate(in_use, seed);
            for later in rings.iter().skip(made) {
                assert_eq!(UserCode::parse(later, &code.to_text()).as_ref(), Some(&code), "{made} {seed}");
            }
        }
    }
    assert!(UserCode::parse(&ring(&[9]), &generate(&ring(&[1]), 3).to_text()).is_none());
}

#[test]
fn a_moment_has_two_codes() {
    let ring = ring(&[1]);
    let second = |seed| UserCode::generate(&ring, &moment(seed), Attempt::Second).unwrap();
    assert!((0..100).all(|seed| generate(&ring, seed) != second(seed)));
    assert_eq!(generate(&ring, 1), generate(&ring, 1));
}

#[test]
fn what_is_no_code_is_refused() {
    let ring = ring(&[1]);
    let good = generate(&ring, 1).to_text();
    let (start, _) = good.split_at(10);
    for text in [
        "",
        "-",
        start,
        &format!("{good}B"),
        &format!("{good}0"),
        &format!("0{good}"),
        &format!("{good}\u{e9}"),
        &format!("{good}\u{412}"),
        &good.replacen(|letter: char| letter.is_ascii_uppercase(), "A", 1),
        &good.replacen(|letter: char| letter.is_ascii_uppercase(), "\u{ff22}", 1),
        &format!("{good}{}", " ".repeat(MAX_TYPED_BYTES)),
    ] {
        assert!(UserCode::parse(&ring, text).is_none(), "{text}");
    }
    let padded = format!("{good}{}", " ".repeat(MAX_TYPED_BYTES - good.len()));
    assert!(UserCode::parse(&ring, &padded).is_some());
}

proptest! {
    #[test]
    fn rfc8628_6_1_every_code_is_read_in_any_case_and_spacing(
        seed: u64,
        lower in prop::collection::vec(any::<bool>(), 9),
        gaps in prop::collection::vec(r"[ \-_.,;:/\u{a0}\u{2013}]{0,1}", 10),
    ) {
        let ring = ring(&[1]);
        let code = generate(&ring, seed);
        let mut text = String::new();
        for ((letter, lower), gap) in code.letters.iter().zip(lower).zip(&gaps) {
            text += gap;
            let letter = if lower { letter.to_ascii_lowercase() } else { *letter };
            text.push(char::from(letter));
        }
        text += gaps.last().unwrap();
        prop_assert_eq!(UserCode::parse(&ring, &text), Some(code));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in r"\PC{0,80}") {
        let _ = UserCode::parse(&ring(&[1]), &text);
    }
}
