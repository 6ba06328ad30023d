//! Room for one payload after another.

use alloc::vec::Vec;
use core::fmt;

/// Room for the payload of one token at a time, kept between verifications so that none allocates.
///
/// It is not wiped: a payload is no secret of ours. `Debug` shows nothing of it all the same.
#[derive(Default)]
pub struct Buffer {
    pub(crate) payload: Vec<u8>,
}

impl Buffer {
    /// Makes an empty buffer, which grows to the longest payload that it meets.
    #[must_use]
    pub const fn new() -> Self {
        Self { payload: Vec::new() }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Buffer")
    }
}
