//! Codes and tokens as handles: `prefix + base64url(body | tag)`.
//!
//! The body names the kind, the key, the grant and a serial number, so that a request knows its
//! record before it reads anything. The tag is 32 bytes. Its first half is half of a MAC under the
//! server's key alone and is checked before the store is asked; its second half is a digest of the other
//! half of the MAC and the salt of the record. A leaked table mints nothing without the key, and a leaked
//! key nothing without the table.

use alloc::{format, string::String, vec::Vec};
use core::fmt;

use grantry_core::base64url::Codec;
use grantry_core::{Issuer, SecretBytes, SecretString, UnixTime, base64url};
use ring::hmac;
use subtle::ConstantTimeEq;

use crate::denial::Reason;
use crate::grant::{Grant, GrantId};

mod mac;

use mac::{Mac, MacKey};

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
    /// The `request_uri` of a pushed request
    /// ([RFC 9126 section 2.2](https://www.rfc-editor.org/rfc/rfc9126#section-2.2)).
    RequestUri,
    /// A device code.
    DeviceCode,
    /// The `jti` of a JWT access token that has no record.
    StatelessTokenId,
}

impl Kind {
    /// What scanners for leaked credentials look for.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Code => "grc_",
            Self::RefreshToken => "grr_",
            Self::AccessToken => "gra_",
            Self::TokenId => "gri_",
            Self::RequestUri => "urn:ietf:params:oauth:request_uri:grp_",
            Self::DeviceCode => "grd_",
            Self::StatelessTokenId => "grs_",
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Code => 1,
            Self::RefreshToken => 2,
            Self::AccessToken => 3,
            Self::TokenId => 4,
            Self::RequestUri => 5,
            Self::DeviceCode => 6,
            Self::StatelessTokenId => 7,
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
    /// Of an access token, a device code and a pushed request: when it expires.
    pub(crate) expires_at: UnixTime,
    /// Of an access token: a bit for each token of the grant's scope, in order.
    pub(crate) scope: u64,
    /// Of an access token: a bit for each resource of the grant, in order.
    pub(crate) resources: u8,
}

impl Body {
    /// A handle that needs neither expiry nor scope of its own: the record has both.
    pub(crate) const fn of_record(kind: Kind, grant: GrantId, serial: u32) -> Self {
        Self { kind, grant, serial, expires_at: UnixTime::MAX, scope: u64::MAX, resources: u8::MAX }
    }

    fn to_bytes(self, key: u8) -> [u8; BODY_BYTES] {
        let mut bytes = [0; BODY_BYTES];
        let mut place = Place(&mut bytes);
        place.put(&[self.kind.number(), key]);
        place.put(self.grant.as_bytes());
        place.put(&self.serial.to_be_bytes());
        place.put(&self.expires_at.as_secs().to_be_bytes());
        place.put(&self.scope.to_be_bytes());
        place.put(&[self.resources]);
        bytes
    }

    fn from_bytes(kind: Kind, bytes: &[u8; BODY_BYTES]) -> Option<Self> {
        let (&number, rest) = bytes.split_first()?;
        let (_key, rest) = rest.split_first()?;
        let (grant, rest) = rest.split_first_chunk()?;
        let (serial, rest) = rest.split_first_chunk()?;
        let (expires_at, rest) = rest.split_first_chunk()?;
        let (scope, rest) = rest.split_first_chunk()?;
        let (&resources, _) = rest.split_first()?;
        (number == kind.number()).then(|| Self {
            kind,
            grant: GrantId::from_bytes(*grant),
            serial: u32::from_be_bytes(*serial),
            expires_at: UnixTime::from_secs(u64::from_be_bytes(*expires_at)),
            scope: u64::from_be_bytes(*scope),
            resources,
        })
    }
}

/// What is left of an array that is filled from its start.
struct Place<'a>(&'a mut [u8]);

impl Place<'_> {
    #[inline]
    fn put<const N: usize>(&mut self, part: &[u8; N]) {
        if let Some((place, rest)) = core::mem::take(&mut self.0).split_first_chunk_mut() {
            *place = *part;
            self.0 = rest;
        }
    }
}

const BODY_BYTES: usize = 1 + 1 + 16 + 4 + 8 + 8 + 1;
const HALF_BYTES: usize = 16;
const HANDLE_BYTES: usize = BODY_BYTES + 2 * HALF_BYTES;
const TEXT_BYTES: usize = HANDLE_BYTES.div_ceil(3) * 4;
/// What a handle is decoded in, and no longer text.
const ROOM: usize = HANDLE_BYTES + 3;
/// What stands for the salt where there is no record.
const NO_SALT: [u8; 16] = [0; 16];

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
pub(crate) struct HandleRing {
    keys: Vec<RingKey>,
    codec: Codec,
}

#[derive(Clone)]
struct RingKey {
    id: u8,
    handles: MacKey,
    seals: hmac::Key,
    user_codes: hmac::Key,
}

impl HandleRing {
    /// Derives the issuer's keys, so that a handle of one issuer opens at no other.
    pub(crate) fn new(issuer: &Issuer, keys: &[HandleKey]) -> Self {
        let derive = |key: &HandleKey, purpose: &str| {
            let root = hmac::Key::new(hmac::HMAC_SHA256, key.secret.expose());
            hmac::sign(&root, format!("grantry {purpose} v1\0{issuer}").as_bytes())
        };
        let key_for =
            |key: &HandleKey, purpose: &str| hmac::Key::new(hmac::HMAC_SHA256, derive(key, purpose).as_ref());
        let ring_key = |key: &HandleKey| RingKey {
            id: key.id,
            handles: MacKey::new(&derive(key, "handle")),
            seals: key_for(key, "seal"),
            user_codes: key_for(key, "user code"),
        };
        Self { keys: keys.iter().map(ring_key).collect(), codec: Codec::fastest() }
    }

    /// Writes a handle of a grant with the newest key.
    pub(crate) fn mint(&self, body: Body, grant: &Grant) -> SecretString {
        self.mint_salted(body, &grant.terms.salt)
    }

    /// Writes a handle that has no record, and so no salt.
    pub(crate) fn mint_stateless(&self, body: Body) -> SecretString {
        self.mint_salted(body, &NO_SALT)
    }

    /// Writes a text that has the shape of a handle, and that no key made.
    pub(crate) fn forge(kind: Kind) -> SecretString {
        let nothing = base64url::encode([0; HANDLE_BYTES]);
        SecretString::from(format!("{}{nothing}", kind.prefix()))
    }

    pub(crate) fn mint_salted(&self, body: Body, salt: &[u8; 16]) -> SecretString {
        let Some(key) = self.keys.first() else {
            return SecretString::from(String::new());
        };
        let bytes = body.to_bytes(key.id);
        let mac = key.handles.mac(&bytes);
        let prefix = body.kind.prefix();
        let mut text = Vec::with_capacity(prefix.len() + TEXT_BYTES);
        text.extend(prefix.as_bytes());
        let mut handle = [0; HANDLE_BYTES];
        let mut place = Place(&mut handle);
        place.put(&bytes);
        place.put(&mac.first);
        place.put(&mac.salted(salt));
        self.codec.encode_to(handle, &mut text);
        // Prefix and base64url are ASCII.
        SecretString::from(String::from_utf8(text).unwrap_or_default())
    }

    /// Reads a handle of one kind and checks the first half of its tag.
    pub(crate) fn open(&self, kind: Kind, text: &str) -> Result<Opened, HandleFault> {
        let encoded = text.strip_prefix(kind.prefix()).ok_or(HandleFault::Malformed)?;
        let read = |bytes: &[u8]| self.open_bytes(kind, bytes);
        self.codec.with_decoded::<ROOM, _>(encoded, read).map_err(|_| HandleFault::Malformed)?
    }

    fn open_bytes(&self, kind: Kind, bytes: &[u8]) -> Result<Opened, HandleFault> {
        let bytes: &[u8; HANDLE_BYTES] = bytes.try_into().map_err(|_| HandleFault::Malformed)?;
        let (body_bytes, tag) = bytes.split_first_chunk().ok_or(HandleFault::Malformed)?;
        let (first, second) = tag.split_first_chunk::<HALF_BYTES>().ok_or(HandleFault::Malformed)?;
        let second = second.try_into().map_err(|_| HandleFault::Malformed)?;
        let body = Body::from_bytes(kind, body_bytes).ok_or(HandleFault::Forged)?;
        let key = body_bytes.get(1).and_then(|id| self.keys.iter().find(|key| key.id == *id));
        let mac = key.ok_or(HandleFault::Forged)?.handles.mac(body_bytes);
        if is_same(&mac.first, first) { Ok(Opened { body, mac, second }) } else { Err(HandleFault::Forged) }
    }

    /// Reads a handle that a request presents: `None` for what has not the shape of one.
    pub(crate) fn present(&self, kind: Kind, text: &str) -> Result<Option<Opened>, Reason> {
        match self.open(kind, text) {
            Ok(opened) => Ok(Some(opened)),
            Err(HandleFault::Malformed) => Ok(None),
            Err(HandleFault::Forged) => Err(Reason::Forged),
        }
    }

    /// Returns the keys that user codes are made under, the newest first.
    pub(crate) fn user_code_keys(&self) -> impl DoubleEndedIterator<Item = &hmac::Key> {
        self.keys.iter().map(|key| &key.user_codes)
    }

    /// Signs text that leaves the server and comes back, under the newest key.
    pub(crate) fn seal(&self, text: &[u8]) -> Option<(u8, hmac::Tag)> {
        self.keys.first().map(|key| (key.id, hmac::sign(&key.seals, text)))
    }

    /// Tells whether the text was signed by [`HandleRing::seal`].
    pub(crate) fn is_sealed(&self, key: u8, text: &[u8], tag: &[u8]) -> bool {
        let key = self.keys.iter().find(|candidate| candidate.id == key);
        key.is_some_and(|key| hmac::verify(&key.seals, text, tag).is_ok())
    }
}

/// A handle whose first half is right: the server's key made it.
pub(crate) struct Opened {
    pub(crate) body: Body,
    mac: Mac,
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
        self.body.grant == grant.terms.id && self.has_salt(&grant.terms.salt)
    }

    /// Checks the second half of a handle that has no record.
    pub(crate) fn is_stateless(&self) -> bool {
        self.body.kind == Kind::StatelessTokenId && self.has_salt(&NO_SALT)
    }

    fn has_salt(&self, salt: &[u8; 16]) -> bool {
        is_same(&self.mac.salted(salt), &self.second)
    }
}

/// Compares in constant time, all bytes at once.
fn is_same(half: &[u8; HALF_BYTES], other: &[u8; HALF_BYTES]) -> bool {
    u128::from_le_bytes(*half).ct_eq(&u128::from_le_bytes(*other)).into()
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
mod tests;
