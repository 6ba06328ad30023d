//! Room for one token after another.

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::fmt;

use crate::header::BorrowedHeader;
use crate::{Algorithm, VerifiedTokenCache};

/// Room for the payload of one token at a time, kept between verifications so that none allocates.
///
/// It also keeps the header of the last good token: an issuer writes the same one until its key changes.
/// What it holds, no more than a token has, is not wiped, and `Debug` shows nothing of it.
#[derive(Default)]
pub struct Buffer {
    pub(crate) payload: Vec<u8>,
    pub(crate) header: KeptHeader,
    pub(crate) token_cache: Option<VerifiedTokenCache>,
}

impl Buffer {
    /// Makes an empty buffer, which grows to the longest payload that it meets.
    #[must_use]
    pub const fn new() -> Self {
        let header = KeptHeader { segment: String::new(), algorithm: None, typ: None, key_id: None };
        Self { payload: Vec::new(), header, token_cache: None }
    }

    /// Remembers tokens whose signature was good. A buffer for each thread needs no lock.
    #[must_use]
    pub fn with_token_cache(mut self, cache: VerifiedTokenCache) -> Self {
        self.token_cache = Some(cache);
        self
    }

    /// Returns the cache of tokens, when there is one.
    #[must_use]
    pub const fn token_cache(&self) -> Option<&VerifiedTokenCache> {
        self.token_cache.as_ref()
    }

    /// Returns the cache of tokens, to clear it or to forget keys.
    pub const fn token_cache_mut(&mut self) -> Option<&mut VerifiedTokenCache> {
        self.token_cache.as_mut()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Buffer")
    }
}

/// A header that was read, under its own text.
#[derive(Default)]
pub(crate) struct KeptHeader {
    segment: String,
    algorithm: Option<Algorithm>,
    typ: Option<String>,
    key_id: Option<String>,
}

impl KeptHeader {
    /// Returns the header that this very segment means.
    pub(crate) fn find(&self, segment: &str) -> Option<BorrowedHeader<'_>> {
        let algorithm = self.algorithm.filter(|_| self.segment == segment)?;
        Some(BorrowedHeader::without_extensions(algorithm, self.typ.as_deref(), self.key_id.as_deref()))
    }

    /// Keeps a header in place of the last one, unless a verifier has to understand it.
    pub(crate) fn keep(&mut self, segment: &str, header: &BorrowedHeader<'_>) {
        if header.extended().is_none() {
            segment.clone_into(&mut self.segment);
            self.algorithm = Some(header.algorithm());
            replace(&mut self.typ, header.typ());
            replace(&mut self.key_id, header.key_id());
        }
    }
}

/// Keeps the room of the text that goes.
fn replace(kept: &mut Option<String>, text: Option<&str>) {
    match (kept, text) {
        (Some(kept), Some(text)) => text.clone_into(kept),
        (kept, text) => *kept = text.map(ToOwned::to_owned),
    }
}
