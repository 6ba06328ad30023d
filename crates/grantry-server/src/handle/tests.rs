use alloc::{borrow::ToOwned, format, string::String, sync::Arc, vec, vec::Vec};

use grantry_core::{ClientId, Issuer, Scope, SecretBytes, UnixTime, base64url};
use proptest::prelude::*;

use super::*;
use crate::grant::{Origin, State, Terms};

const KINDS: [Kind; 7] = [
    Kind::Code,
    Kind::RefreshToken,
    Kind::AccessToken,
    Kind::TokenId,
    Kind::RequestUri,
    Kind::DeviceCode,
    Kind::StatelessTokenId,
];

fn key(id: u8, byte: u8) -> HandleKey {
    HandleKey::new(id, SecretBytes::from(vec![byte; 32])).unwrap()
}

fn ring_of(issuer: &str, keys: &[HandleKey]) -> HandleRing {
    HandleRing::new(&Issuer::parse(issuer).unwrap(), keys)
}

fn ring() -> HandleRing {
    ring_of("https://as.example", &[key(1, 1)])
}

fn grant(id: [u8; 16], salt: [u8; 16]) -> Grant {
    let time = UnixTime::from_secs(0);
    Grant {
        terms: Arc::new(Terms {
            id: GrantId::from_bytes(id),
            salt,
            issuer: Issuer::parse("https://as.example").unwrap(),
            client_id: ClientId::parse("app").unwrap(),
            scope: Scope::empty(),
            resources: Vec::new(),
            created_at: time,
            origin: Origin::Client,
            claims: None,
            person: None,
        }),
        expires_at: time,
        kept_until: time,
        state: State::CodeIssued,
    }
}

fn body(kind: Kind) -> Body {
    Body {
        kind,
        grant: GrantId::from_bytes([7; 16]),
        serial: 3,
        expires_at: UnixTime::from_secs(9),
        scope: 5,
        resources: 3,
    }
}

fn minted(ring: &HandleRing, kind: Kind) -> String {
    ring.mint(body(kind), &grant([7; 16], [8; 16])).expose().to_owned()
}

/// Tells whether a text opens as a kind, and the record made it.
fn opens(ring: &HandleRing, kind: Kind, text: &str, record: &Grant) -> bool {
    ring.open(kind, text).is_ok_and(|opened| opened.belongs_to(record))
}

proptest! {
    #[test]
    fn what_was_minted_is_read_back(
        kind in prop::sample::select(&KINDS[..]),
        id in any::<[u8; 16]>(),
        salt in any::<[u8; 16]>(),
        serial in any::<u32>(),
        expires_at in any::<u64>(),
        scope in any::<u64>(),
        resources in any::<u8>(),
    ) {
        let (ring, record) = (ring(), grant(id, salt));
        let expires_at = UnixTime::from_secs(expires_at);
        let body = Body { kind, grant: GrantId::from_bytes(id), serial, expires_at, scope, resources };
        let text = ring.mint(body, &record);
        let opened = ring.open(kind, text.expose()).unwrap();
        prop_assert_eq!(opened.body, body);
        prop_assert!(opened.belongs_to(&record));
    }

    #[test]
    fn any_text_is_read_without_panic(
        kind in prop::sample::select(&KINDS[..]),
        tail in "\\PC{0,120}",
        bytes in prop::collection::vec(any::<u8>(), 60..80),
    ) {
        let text = format!("{}{tail}", kind.prefix());
        let shaped = format!("{}{}", kind.prefix(), base64url::encode(bytes));
        prop_assert!(ring().open(kind, &text).is_err());
        prop_assert!(ring().open(kind, &shaped).is_err());
    }

    #[test]
    fn one_handle_has_one_text(tail in "[A-Za-z0-9=+/ _-]{1,4}") {
        let text = minted(&ring(), Kind::Code);
        for other in [format!("{text}{tail}"), format!(" {text}"), text.to_lowercase()] {
            prop_assert!(ring().open(Kind::Code, &other).is_err());
        }
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let (ring, record) = (ring(), grant([7; 16], [8; 16]));
    for kind in KINDS {
        let text = minted(&ring, kind);
        assert!(opens(&ring, kind, &text, &record));
        let bytes = base64url::decode(text.split_at(kind.prefix().len()).1).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed: Vec<u8> = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = format!("{}{}", kind.prefix(), base64url::encode(&changed));
            // Body and first half are checked before any read, the second half with the record.
            let is_before_the_read = bit / 8 < BODY_BYTES + HALF_BYTES;
            let fault = ring.open(kind, &changed).err();
            assert_eq!(fault, is_before_the_read.then_some(HandleFault::Forged), "{bit}");
            assert!(!opens(&ring, kind, &changed, &record), "{bit}");
        }
    }
}

#[test]
fn every_other_length_is_malformed() {
    let text = minted(&ring(), Kind::Code);
    for length in 0..text.len() {
        let fault = ring().open(Kind::Code, text.split_at(length).0).err();
        assert_eq!(fault, Some(HandleFault::Malformed), "{length}");
    }
    let longer = format!("{text}AA");
    assert_eq!(ring().open(Kind::Code, &longer).err(), Some(HandleFault::Malformed));
}

#[test]
fn one_kind_never_opens_as_another() {
    for made in KINDS {
        for wanted in KINDS {
            let text = minted(&ring(), made);
            let fault = ring().open(wanted, &text).err();
            assert_eq!(fault, (made != wanted).then_some(HandleFault::Malformed));
            let renamed = format!("{}{}", wanted.prefix(), text.split_at(made.prefix().len()).1);
            let fault = ring().open(wanted, &renamed).err();
            assert_eq!(fault, (made != wanted).then_some(HandleFault::Forged));
        }
    }
}

#[test]
fn another_issuer_or_key_opens_nothing() {
    let text = minted(&ring(), Kind::RefreshToken);
    let others = [
        ring_of("https://as.example/", &[key(1, 1)]),
        ring_of("https://as.example", &[key(1, 2)]),
        ring_of("https://as.example", &[key(2, 1)]),
        ring_of("https://as.example", &[]),
    ];
    for other in others {
        assert_eq!(other.open(Kind::RefreshToken, &text).err(), Some(HandleFault::Forged));
    }
}

#[test]
fn an_older_key_opens_until_it_is_dropped_and_mints_nothing() {
    let (old, record) = (minted(&ring(), Kind::Code), grant([7; 16], [8; 16]));
    let both = ring_of("https://as.example", &[key(2, 2), key(1, 1)]);
    let newest = ring_of("https://as.example", &[key(2, 2)]);
    assert!(opens(&both, Kind::Code, &old, &record) && !opens(&newest, Kind::Code, &old, &record));
    let new = minted(&both, Kind::Code);
    assert_eq!(new, minted(&newest, Kind::Code));
    assert!(opens(&newest, Kind::Code, &new, &record) && !opens(&ring(), Kind::Code, &new, &record));
}

/// Who has the key and not the table cannot know the salt.
#[test]
fn a_leaked_key_mints_nothing_without_the_salt() {
    let record = grant([7; 16], [8; 16]);
    for salt in [[0; 16], [7; 16], [9; 16]] {
        let guess = ring().mint(body(Kind::RefreshToken), &grant([7; 16], salt));
        assert!(ring().open(Kind::RefreshToken, guess.expose()).is_ok());
        assert!(!opens(&ring(), Kind::RefreshToken, guess.expose(), &record));
    }
    // The half that needs no salt says nothing of the half that does.
    let bytes = base64url::decode(minted(&ring(), Kind::RefreshToken).split_at(4).1).unwrap();
    let (first, second) = bytes[BODY_BYTES..].split_at(HALF_BYTES);
    assert_ne!(first, second);
}

/// Who has the table and not the key fails before the table is read.
#[test]
fn a_leaked_table_mints_nothing_without_the_key() {
    let record = grant([7; 16], [8; 16]);
    let guess = ring_of("https://as.example", &[key(1, 9)]).mint(body(Kind::RefreshToken), &record);
    assert_eq!(ring().open(Kind::RefreshToken, guess.expose()).err(), Some(HandleFault::Forged));
}

#[test]
fn a_handle_belongs_to_its_own_record_alone() {
    let text = minted(&ring(), Kind::Code);
    assert!(opens(&ring(), Kind::Code, &text, &grant([7; 16], [8; 16])));
    assert!(!opens(&ring(), Kind::Code, &text, &grant([6; 16], [8; 16])));
    assert!(!opens(&ring(), Kind::Code, &text, &grant([7; 16], [9; 16])));
}

#[test]
fn a_handle_key_has_32_bytes_or_more() {
    assert_eq!(HandleKey::new(1, SecretBytes::from(vec![1; 31])).unwrap_err(), HandleKeyError);
    assert_eq!(HandleKey::new(9, SecretBytes::from(vec![1; 64])).unwrap().id(), 9);
}
