//! What stands in the value of a record: its version, where it is filed, and the bytes of the grant.

use grantry_core::UnixTime;
use grantry_server::{Grant, GrantId, RecordError, Version};

/// How long the entries of an index are grouped by their end, in seconds, four and a half hours: an entry stays that
/// much longer than its grant at most, and a grant whose end moves within a turn leaves its indexes alone.
const TURN: u64 = 16_384;

/// The end of the year 9999, in seconds: what is kept longer is kept until then.
const LAST_SECOND: u64 = 253_402_300_799;

/// Writes what the value of a record begins with: its version and the turn, most significant byte first,
/// and in how many indexes the grant is.
pub(crate) fn head(version: Version, grant: &Grant) -> [u8; 13] {
    let turn = u32::try_from(last_second(grant.purge_after()) / TURN).unwrap_or(u32::MAX);
    let mut head = [indexes(grant); 13];
    let numbers = version.as_number().to_be_bytes().into_iter().chain(turn.to_be_bytes());
    head.iter_mut().zip(numbers).for_each(|(place, byte)| *place = byte);
    head
}

/// Writes the value of a record: its head, and the bytes of the grant.
pub(crate) fn value(version: Version, grant: &Grant) -> Vec<u8> {
    [&head(version, grant), grant.to_bytes().as_slice()].concat()
}

/// Returns how many indexes list a grant.
pub(crate) fn indexes(grant: &Grant) -> u8 {
    1 + u8::from(grant.subject().is_some())
}

/// Reads the value of the record of a grant.
pub(crate) fn grant_of(value: &[u8], id: GrantId) -> Result<(Grant, Version), RecordError> {
    let (version, rest) = value.split_first_chunk::<8>().ok_or(RecordError::Corrupt)?;
    let (_, record) = rest.split_first_chunk::<5>().ok_or(RecordError::Corrupt)?;
    let grant = Grant::from_bytes(record)?;
    // A record of another grant is damaged; to pass it by would make it an absent one.
    if grant.id() != id {
        return Err(RecordError::Corrupt);
    }
    Ok((grant, Version::from_number(u64::from_be_bytes(*version))))
}

/// Returns a time as Redis takes it, in seconds: zero is an error there, and so is what overflows in milliseconds.
pub(crate) fn last_second(time: UnixTime) -> u64 {
    time.as_secs().clamp(1, LAST_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_that_redis_takes() {
        for (seconds, taken) in [(0, 1), (1, 1), (LAST_SECOND, LAST_SECOND), (u64::MAX, LAST_SECOND)] {
            assert_eq!(last_second(UnixTime::from_secs(seconds)), taken);
        }
    }

    #[test]
    fn the_script_counts_the_same_turns() {
        assert!(include_str!("commit.lua").contains(&format!("TURN, PROBES = 4, {TURN}, 4")));
        assert!(u32::try_from(LAST_SECOND / TURN).is_ok());
    }

    #[test]
    fn a_value_that_is_cut_short_is_damaged() {
        for length in 0..14 {
            let value = vec![1; length];
            assert_eq!(grant_of(&value, GrantId::from_bytes([1; 16])), Err(RecordError::Corrupt));
        }
    }
}
