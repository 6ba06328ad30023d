//! Codes and tokens as handles: `prefix + base64url(body | tag)`.
//!
//! The body names the kind, the key, the grant and a serial number, so that a request knows its
//! record before it reads anything. The tag is 32 bytes. Its first half is a MAC under the server's
//! key alone and is checked before the store is asked; its second half also covers the salt of the
//! record. A leaked table mints nothing without the key, and a leaked key nothing without the table.

use alloc::{format, string::String, vec::Vec};
use core::fmt;

use grantry_core::{Issuer, SecretBytes, SecretString, UnixTime, base64url};
use ring::hmac;
use subtle::ConstantTimeEq;

use crate::denial::Reason;
use crate::grant::{Grant, GrantId};

/// What a handle is good for. One kind is never taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An authorization code.
    Code,
    /// A refresh token.
    RefreshToken,
    /// An opaque access token.
    AccessToken,
    /// The `jti` of a JWT access token: it names the grant and opens nothing.
    TokenId,
}

impl Kind {
    /// What scanners for leaked credentials look for.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Code => "grc_",
            Self::RefreshToken => "grr_",
            Self::AccessToken => "gra_",
            Self::TokenId => "gri_",
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Code => 1,
            Self::RefreshToken => 2,
            Self::AccessToken => 3,
            Self::TokenId => 4,
        }
    }
}

/// What a handle says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) kind: Kind,
    pub(crate) grant: GrantId,
    /// The rotation at which it was made; 0 for a code.
    pub(crate) serial: u32,
    /// Of an access token: when it expires.
    pub(crate) expires_at: UnixTime,
    /// Of an access token: a bit for each token of the grant's scope, in order.
    pub(crate) scope: u64,
}

impl Body {
    /// A handle that needs neither expiry nor scope of its own: the record has both.
    pub(crate) const fn of_record(kind: Kind, grant: GrantId, serial: u32) -> Self {
        Self { kind, grant, serial, expires_at: UnixTime::MAX, scope: u64::MAX }
    }

    fn to_bytes(self, key: u8) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BODY_BYTES + 32);
        bytes.extend([self.kind.number(), key]);
        bytes.extend(self.grant.as_bytes());
        bytes.extend(self.serial.to_be_bytes());
        bytes.extend(self.expires_at.as_secs().to_be_bytes());
        bytes.extend(self.scope.to_be_bytes());
        bytes
    }

    fn from_bytes(kind: Kind, bytes: &[u8; BODY_BYTES]) -> Option<Self> {
        let (&number, rest) = bytes.split_first()?;
        let (_key, rest) = rest.split_first()?;
        let (grant, rest) = rest.split_first_chunk()?;
        let (serial, rest) = rest.split_first_chunk()?;
        let (expires_at, rest) = rest.split_first_chunk()?;
        let (scope, _) = rest.split_first_chunk()?;
        (number == kind.number()).then(|| Self {
            kind,
            grant: GrantId::from_bytes(*grant),
            serial: u32::from_be_bytes(*serial),
            expires_at: UnixTime::from_secs(u64::from_be_bytes(*expires_at)),
            scope: u64::from_be_bytes(*scope),
        })
    }
}

const BODY_BYTES: usize = 1 + 1 + 16 + 4 + 8 + 8;
const HALF_BYTES: usize = 16;

/// A secret of the server that makes handles and seals interactions.
#[derive(Clone, Debug)]
pub struct HandleKey {
    id: u8,
    secret: SecretBytes,
}

impl HandleKey {
    /// The shortest secret accepted, in bytes.
    pub const MIN_BYTES: usize = 32;

    /// Makes a key from a secret of at least [`HandleKey::MIN_BYTES`] random bytes. The id tells
    /// keys apart while they are rotated; handles carry it.
    ///
    /// # Errors
    ///
    /// [`HandleKeyError`] when the secret is shorter.
    pub fn new(id: u8, secret: SecretBytes) -> Result<Self, HandleKeyError> {
        if secret.expose().len() < Self::MIN_BYTES {
            return Err(HandleKeyError);
        }
        Ok(Self { id, secret })
    }

    /// Returns the id of the key.
    #[must_use]
    pub const fn id(&self) -> u8 {
        self.id
    }
}

/// The secret is too short for a handle key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a handle key needs a secret of 32 bytes or more")]
#[non_exhaustive]
pub struct HandleKeyError;

/// The keys of one issuer: the first mints, all open.
#[derive(Clone)]
pub(crate) struct HandleRing(Vec<RingKey>);

#[derive(Clone)]
struct RingKey {
    id: u8,
    handles: hmac::Key,
    seals: hmac::Key,
}

impl HandleRing {
    /// Derives the issuer's keys, so that a handle of one issuer opens at no other.
    pub(crate) fn new(issuer: &Issuer, keys: &[HandleKey]) -> Self {
        let derive = |key: &HandleKey, purpose: &str| {
            let root = hmac::Key::new(hmac::HMAC_SHA256, key.secret.expose());
            let label = format!("grantry {purpose} v1\0{issuer}");
            hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, label.as_bytes()).as_ref())
        };
        let ring_key = |key: &HandleKey| RingKey {
            id: key.id,
            handles: derive(key, "handle"),
            seals: derive(key, "seal"),
        };
        Self(keys.iter().map(ring_key).collect())
    }

    /// Writes a handle of a grant with the newest key.
    pub(crate) fn mint(&self, body: Body, grant: &Grant) -> SecretString {
        let Some(key) = self.0.first() else {
            return SecretString::from(String::new());
        };
        let mut bytes = body.to_bytes(key.id);
        let first = half(&key.handles, &bytes, None);
        let second = half(&key.handles, &bytes, Some(&grant.salt));
        bytes.extend(first);
        bytes.extend(second);
        SecretString::from(format!("{}{}", body.kind.prefix(), base64url::encode(bytes)))
    }

    /// Reads a handle of one kind and checks the first half of its tag.
    pub(crate) fn open(&self, kind: Kind, text: &str) -> Result<Opened, HandleFault> {
        let encoded = text.strip_prefix(kind.prefix()).ok_or(HandleFault::Malformed)?;
        let bytes = base64url::decode(encoded).map_err(|_| HandleFault::Malformed)?;
        let Some((body_bytes, tag)) = bytes.split_first_chunk::<BODY_BYTES>() else {
            return Err(HandleFault::Malformed);
        };
        let Some((first, second)) = tag.split_first_chunk::<HALF_BYTES>() else {
            return Err(HandleFault::Malformed);
        };
        let second = second.try_into().map_err(|_| HandleFault::Malformed)?;
        let body = Body::from_bytes(kind, body_bytes).ok_or(HandleFault::Forged)?;
        let key = body_bytes.get(1).and_then(|id| self.0.iter().find(|key| key.id == *id));
        let key = key.ok_or(HandleFault::Forged)?;
        if !bool::from(half(&key.handles, body_bytes, None).ct_eq(first)) {
            return Err(HandleFault::Forged);
        }
        Ok(Opened { body, bytes: *body_bytes, key: key.handles.clone(), second })
    }

    /// Reads a handle that a request presents: `None` for what has not the shape of one.
    pub(crate) fn present(&self, kind: Kind, text: &str) -> Result<Option<Opened>, Reason> {
        match self.open(kind, text) {
            Ok(opened) => Ok(Some(opened)),
            Err(HandleFault::Malformed) => Ok(None),
            Err(HandleFault::Forged) => Err(Reason::Forged),
        }
    }

    /// Signs text that leaves the server and comes back, under the newest key.
    pub(crate) fn seal(&self, text: &[u8]) -> Option<(u8, hmac::Tag)> {
        self.0.first().map(|key| (key.id, hmac::sign(&key.seals, text)))
    }

    /// Tells whether the text was signed by [`HandleRing::seal`].
    pub(crate) fn is_sealed(&self, key: u8, text: &[u8], tag: &[u8]) -> bool {
        let key = self.0.iter().find(|candidate| candidate.id == key);
        key.is_some_and(|key| hmac::verify(&key.seals, text, tag).is_ok())
    }
}

fn half(key: &hmac::Key, body: &[u8], salt: Option<&[u8; 16]>) -> [u8; HALF_BYTES] {
    let mut context = hmac::Context::with_key(key);
    context.update(if salt.is_some() { b"salted" } else { b"unsalted" });
    context.update(body);
    context.update(salt.map_or(&[], |salt| salt.as_slice()));
    let mut half = [0; HALF_BYTES];
    for (byte, mac) in half.iter_mut().zip(context.sign().as_ref()) {
        *byte = *mac;
    }
    half
}

/// A handle whose first half is right: the server's key made it.
pub(crate) struct Opened {
    pub(crate) body: Body,
    bytes: [u8; BODY_BYTES],
    key: hmac::Key,
    second: [u8; HALF_BYTES],
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened")
    }
}

impl Opened {
    /// Checks the second half against the record: this very record made the handle.
    pub(crate) fn belongs_to(&self, grant: &Grant) -> bool {
        let second = half(&self.key, &self.bytes, Some(&grant.salt));
        self.body.grant == grant.id && bool::from(second.ct_eq(&self.second))
    }
}

/// Why a text opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandleFault {
    /// It does not have the shape of a handle of this kind.
    Malformed,
    /// It has the shape, and no key of this server made it.
    Forged,
}

#[cfg(test)]
mod tests {
    use alloc::{borrow::ToOwned, format, string::String, vec, vec::Vec};

    use grantry_core::{ClientId, CodeChallenge, Issuer, Scope, SecretBytes, UnixTime, base64url};
    use proptest::prelude::*;

    use super::*;
    use crate::grant::{State, Subject};

    const KINDS: [Kind; 4] = [Kind::Code, Kind::RefreshToken, Kind::AccessToken, Kind::TokenId];

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
            id: GrantId::from_bytes(id),
            salt,
            client_id: ClientId::parse("app").unwrap(),
            subject: Subject::parse("alice").unwrap(),
            scope: Scope::empty(),
            audience: "https://api.example".into(),
            redirect_uri: String::new(),
            redirect_uri_named: true,
            code_challenge: CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap(),
            nonce: None,
            authenticated_at: time,
            created_at: time,
            interaction_until: time,
            expires_at: time,
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
        ) {
            let (ring, record) = (ring(), grant(id, salt));
            let expires_at = UnixTime::from_secs(expires_at);
            let body = Body { kind, grant: GrantId::from_bytes(id), serial, expires_at, scope };
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
            let bytes = base64url::decode(text.split_at(4).1).unwrap();
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
                let renamed = format!("{}{}", wanted.prefix(), text.split_at(4).1);
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
}
