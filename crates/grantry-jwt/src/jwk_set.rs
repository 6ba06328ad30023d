//! Sets of keys, fetched or local.

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::fmt;

use grantry_core::json;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::ser::{SerializeStruct, Serializer};
use serde::{Deserialize, Deserializer, Serialize};

use crate::jwk::Jwk;
use crate::member::MaybeObject;
use crate::public_key::PublicMembers;
use crate::{JwkSetError, KeyError, KeyLoader, VerifyingKey};

/// A set of keys that check signatures
/// ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
///
/// A newer set takes the place of an older one; sets are never merged.
#[derive(Clone, Debug, Default)]
pub struct JwkSet {
    keys: Vec<VerifyingKey>,
    skipped: Vec<SkippedKey>,
}

impl JwkSet {
    /// The longest document read, in bytes: room for every key with certificates.
    pub const MAX_BYTES: usize = 512 * 1024;

    /// The most keys in one document, counting those that are skipped.
    pub const MAX_KEYS: usize = 100;

    /// Reads a public document, as an issuer serves it; [`KeyLoader::jwk_set`] does so with another
    /// backend or another algorithm for RSA keys that name none.
    ///
    /// A key that cannot be used here is skipped and told by [`JwkSet::skipped`]; a symmetric key is
    /// one of them. Private members are never kept.
    ///
    /// # Errors
    ///
    /// [`JwkSetError`] when the document as a whole is not a JWK set or passes a limit.
    pub fn parse(document: &[u8]) -> Result<Self, JwkSetError> {
        Self::read(document, &KeyLoader::default())
    }

    /// Makes a set of local keys, symmetric ones included.
    #[must_use]
    pub fn from_keys(keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        Self { keys: keys.into_iter().collect(), skipped: Vec::new() }
    }

    /// Returns the usable keys in the order of the document.
    #[must_use]
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// Returns the keys of the document that cannot be used here, with the reason.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Writes the document to publish: the public members of the asymmetric keys and nothing else
    /// ([RFC 7517 section 9.2](https://www.rfc-editor.org/rfc/rfc7517#section-9.2)).
    #[must_use]
    pub fn to_json(&self) -> String {
        // Strings under fixed names always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn read(document: &[u8], loader: &KeyLoader) -> Result<Self, JwkSetError> {
        let document = json::object_from_slice::<Document<'_>>(document, Self::MAX_BYTES)?;
        let elements = match document.keys {
            Elements::Read(elements) => elements,
            Elements::TooMany => return Err(JwkSetError::TooManyKeys),
        };
        let mut set = Self::default();
        for (position, element) in elements.into_iter().enumerate() {
            match read_key(&element, loader) {
                Ok(key) => set.keys.push(key),
                Err(reason) => set.skipped.push(SkippedKey::new(position, &element, reason)),
            }
        }
        Ok(set)
    }
}

/// Writes the same document as [`JwkSet::to_json`].
impl Serialize for JwkSet {
    fn serialize<S: Serializer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        let keys: Vec<_> = self.keys.iter().filter_map(PublishedKey::of).collect();
        let mut document = writer.serialize_struct("JwkSet", 1)?;
        document.serialize_field("keys", &keys)?;
        document.end()
    }
}

/// A key of a fetched document that cannot be used here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    position: usize,
    key_id: Option<String>,
    reason: KeyError,
}

impl SkippedKey {
    /// Returns the position in the array `keys`, from 0.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Returns the key's `kid` when it has one that is a string.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Returns the rule that the key breaks.
    #[must_use]
    pub const fn reason(&self) -> KeyError {
        self.reason
    }

    fn new(position: usize, element: &MaybeObject<Jwk<'_>>, reason: KeyError) -> Self {
        let key_id = match element {
            MaybeObject::Object(jwk) => jwk.key_id().ok().flatten().map(ToOwned::to_owned),
            MaybeObject::Other => None,
        };
        Self { position, key_id, reason }
    }
}

/// The members of a published key: what the public key says, and what it is for.
#[derive(Serialize)]
struct PublishedKey<'a> {
    #[serde(flatten)]
    members: PublicMembers,
    #[serde(rename = "use")]
    purpose: &'static str,
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

impl<'a> PublishedKey<'a> {
    /// Returns `None` for a symmetric key.
    fn of(key: &'a VerifyingKey) -> Option<Self> {
        let members = key.public_key()?.to_members();
        Some(Self { members, purpose: "sig", alg: key.algorithm().as_str(), kid: key.key_id() })
    }
}

fn read_key(element: &MaybeObject<Jwk<'_>>, loader: &KeyLoader) -> Result<VerifyingKey, KeyError> {
    match element {
        MaybeObject::Object(jwk) => loader.published_jwk(jwk),
        MaybeObject::Other => Err(KeyError::Json),
    }
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Elements<'a>,
}

/// The array `keys`, held up to its limit.
enum Elements<'a> {
    Read(Vec<MaybeObject<Jwk<'a>>>),
    TooMany,
}

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of keys")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while elements.len() < JwkSet::MAX_KEYS {
                    let Some(element) = items.next_element()? else {
                        return Ok(Elements::Read(elements));
                    };
                    elements.push(element);
                }
                if items.next_element::<IgnoredAny>()?.is_none() {
                    return Ok(Elements::Read(elements));
                }
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Elements::TooMany)
            }
        }

        reader.deserialize_seq(Reader)
    }
}
