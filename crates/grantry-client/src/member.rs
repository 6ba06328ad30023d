//! Optional members of JSON objects from the peer.

use serde::{Deserialize, Deserializer};

/// Reads an optional member that is there: `null` is a value of the wrong type.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    reader: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(reader).map(Some)
}
