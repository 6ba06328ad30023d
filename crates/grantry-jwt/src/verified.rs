//! The proof that a JWT was checked.

use alloc::{boxed::Box, sync::Arc};

use grantry_core::json::JsonError;
use serde::de::DeserializeOwned;

use crate::{RegisteredClaims, critical};

/// The claims of a JWT that passed every check of a [`Verifier`](crate::Verifier), which alone makes one.
///
/// What it borrows from a payload lives for `'p`; [`Verified::into_owned`] ends that for all but `T`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<'p, T> {
    pub(crate) claims: T,
    pub(crate) registered: RegisteredClaims<'p>,
    pub(crate) key_id: Option<Arc<str>>,
    /// The header, when it has extensions.
    pub(crate) extended_header: Option<Box<[u8]>>,
}

impl<'p, T> Verified<'p, T> {
    /// Returns the claims.
    #[must_use]
    pub const fn claims(&self) -> &T {
        &self.claims
    }

    /// Returns the claims alone.
    #[must_use]
    pub fn into_claims(self) -> T {
        self.claims
    }

    /// Returns the registered claims.
    #[must_use]
    pub const fn registered(&self) -> &RegisteredClaims<'p> {
        &self.registered
    }

    /// Returns the JSON text of the claims as it was signed, to be read as another type.
    #[must_use]
    pub fn payload(&self) -> &str {
        self.registered.payload()
    }

    /// Returns the id of the key that signed, when the key has one.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Returns the same proof with a payload of its own, to be kept when the buffer serves the next token.
    #[must_use]
    pub fn into_owned(self) -> Verified<'static, T> {
        let Self { claims, registered, key_id, extended_header } = self;
        Verified { claims, registered: registered.into_owned(), key_id, extended_header }
    }

    /// Reads the header member of an extension, one that `crit` lists and
    /// [`Verifier::understands_critical`](crate::Verifier::understands_critical) names
    /// ([RFC 7515 section 4.1.11](https://www.rfc-editor.org/rfc/rfc7515#section-4.1.11)); `None` when
    /// the header does not list it.
    ///
    /// # Errors
    ///
    /// [`JsonError::Shape`] when the member is not a `M`.
    pub fn critical_member<M: DeserializeOwned>(&self, name: &str) -> Result<Option<M>, JsonError> {
        match &self.extended_header {
            Some(header) => critical::member(header, name),
            None => Ok(None),
        }
    }
}
