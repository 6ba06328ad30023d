//! The members of one JWK and the rules about its purpose.

use alloc::{collections::BTreeSet, vec::Vec};

use grantry_core::json::{self, JsonError};
use grantry_core::{SecretBytes, base64url};
use serde::Deserialize;

use crate::member::{Member, NotText};
use crate::{Algorithm, KeyError};

/// The longest JWK read alone, in bytes: a private RSA key of 8192 bits has about 7 KiB.
const MAX_JWK_BYTES: usize = 32 * 1024;

/// The members of a JWK ([RFC 7517 section 4](https://www.rfc-editor.org/rfc/rfc7517#section-4)),
/// none of them checked. It borrows its text, so that private members without escapes are not copied.
#[derive(Deserialize)]
pub(crate) struct Jwk<'a> {
    #[serde(borrow, default)]
    kty: Member<'a>,
    #[serde(borrow, default)]
    kid: Member<'a>,
    #[serde(borrow, default)]
    alg: Member<'a>,
    #[serde(borrow, default, rename = "use")]
    purpose: Member<'a>,
    #[serde(borrow, default)]
    key_ops: Member<'a>,
    #[serde(borrow, default)]
    pub(crate) crv: Member<'a>,
    #[serde(borrow, default)]
    pub(crate) x: Member<'a>,
    #[serde(borrow, default)]
    pub(crate) y: Member<'a>,
    #[serde(borrow, default)]
    pub(crate) n: Member<'a>,
    #[serde(borrow, default)]
    pub(crate) e: Member<'a>,
    #[serde(borrow, default)]
    pub(crate) k: Member<'a>,
    #[serde(borrow, default)]
    pub(crate) d: Member<'a>,
    #[serde(borrow, default)]
    pub(crate) p: Member<'a>,
    #[serde(borrow, default)]
    pub(crate) q: Member<'a>,
    #[serde(borrow, default)]
    pub(crate) dp: Member<'a>,
    #[serde(borrow, default)]
    pub(crate) dq: Member<'a>,
    #[serde(borrow, default)]
    pub(crate) qi: Member<'a>,
    #[serde(borrow, default)]
    pub(crate) oth: Member<'a>,
}

impl<'a> Jwk<'a> {
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, KeyError> {
        json::object_from_slice(text, MAX_JWK_BYTES)
            .map_err(|error| if error == JsonError::TooLong { KeyError::TooLong } else { KeyError::Json })
    }

    /// Returns the text of `kty`.
    pub(crate) fn kty(&self) -> Result<&str, KeyError> {
        self.kty.text()?.ok_or(KeyError::MissingMember)
    }

    pub(crate) fn is_secret(&self) -> Result<bool, KeyError> {
        Ok(self.kty()? == "oct")
    }

    pub(crate) fn key_id(&self) -> Result<Option<&str>, KeyError> {
        Ok(self.kid.text()?)
    }

    /// Returns the algorithm that the key names, `alg`.
    pub(crate) fn algorithm(&self) -> Result<Option<Algorithm>, KeyError> {
        let Some(name) = self.alg.text()? else {
            return Ok(None);
        };
        Algorithm::parse(name).map(Some).ok_or(KeyError::UnsupportedAlgorithm)
    }

    /// Checks `use` and `key_ops`
    /// ([RFC 7517 sections 4.2 and 4.3](https://www.rfc-editor.org/rfc/rfc7517#section-4.2)).
    pub(crate) fn check_purpose(&self, operation: &str) -> Result<(), KeyError> {
        if self.purpose.text()?.is_some_and(|purpose| purpose != "sig") {
            return Err(KeyError::NotForOperation);
        }
        match &self.key_ops {
            Member::Absent => Ok(()),
            // RFC 7517 section 4.3: no operation stands twice.
            Member::Texts(operations)
                if operations.iter().collect::<BTreeSet<_>>().len() < operations.len() =>
            {
                Err(KeyError::MalformedMember)
            }
            Member::Texts(operations) if operations.iter().any(|name| name == operation) => Ok(()),
            Member::Texts(_) => Err(KeyError::NotForOperation),
            Member::Text(_) | Member::Other => Err(KeyError::MalformedMember),
        }
    }
}

impl Member<'_> {
    /// Decodes a base64url member that the key type needs.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, KeyError> {
        let text = self.text()?.ok_or(KeyError::MissingMember)?;
        base64url::decode(text).map_err(|_| KeyError::MalformedMember)
    }

    /// Decodes a private member; the bytes are wiped when dropped.
    pub(crate) fn secret(&self) -> Result<SecretBytes, KeyError> {
        self.bytes().map(SecretBytes::from)
    }
}

impl From<NotText> for KeyError {
    fn from(_: NotText) -> Self {
        Self::MalformedMember
    }
}
