//! Optional members of JSON objects from the peer.

use grantry_core::UnixTime;
use serde::{Deserialize, Deserializer};

/// Reads an optional member that is there: `null` is a value of the wrong type.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    reader: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(reader).map(Some)
}

/// Reads a date that is there, its part below a second dropped
/// ([RFC 7519 section 2](https://www.rfc-editor.org/rfc/rfc7519#section-2), `NumericDate`).
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates at both ends"
)]
pub(crate) fn numeric_date<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<UnixTime>, D::Error> {
    let number = serde_json::Number::deserialize(reader)?;
    let seconds = number.as_u64().or_else(|| number.as_f64().map(|seconds| seconds as u64));
    Ok(seconds.map(UnixTime::from_secs))
}
