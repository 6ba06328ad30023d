//! What stands in the columns of the tables.

use core::time::Duration;
use core::{error::Error, fmt};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{BufMut, BytesMut};
use grantry_core::UnixTime;
use grantry_server::{Grant, GrantId, RecordError, Version};
use tokio_postgres::types::{IsNull, Timestamp, ToSql, Type, to_sql_checked};

/// The last second that `timestamptz` knows, in the year 294276.
pub(crate) const LAST_SECOND: u64 = 9_224_318_015_999;

/// A grant as a row, borrowed from it but for the record.
#[derive(Debug)]
pub(crate) struct GrantRow<'a> {
    pub(crate) id: Id,
    pub(crate) issuer: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) subject: Option<&'a str>,
    pub(crate) expires_at: Timestamp<SystemTime>,
    pub(crate) purge_after: Timestamp<SystemTime>,
    pub(crate) record: Record,
}

impl<'a> GrantRow<'a> {
    pub(crate) fn of(grant: &'a Grant) -> Self {
        Self {
            id: Id::from(grant.id()),
            issuer: grant.issuer().as_str(),
            client_id: grant.client_id().as_str(),
            subject: grant.subject().map(|subject| subject.as_str()),
            expires_at: timestamp(grant.expires_at()),
            purge_after: timestamp(grant.purge_after()),
            record: Record(grant.to_bytes()),
        }
    }
}

/// The id of a grant as a `uuid`: 16 bytes that sort as they stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id([u8; 16]);

impl Id {
    /// Returns the first id after another; `None` after the last.
    pub(crate) fn after(id: Option<GrantId>) -> Option<Self> {
        let Some(id) = id else { return Some(Self([0; 16])) };
        u128::from_be_bytes(*id.as_bytes()).checked_add(1).map(|next| Self(next.to_be_bytes()))
    }
}

impl From<GrantId> for Id {
    fn from(id: GrantId) -> Self {
        Self(*id.as_bytes())
    }
}

impl ToSql for Id {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }

    to_sql_checked!();
}

/// The bytes of a grant. The driver writes parameters to the log of the process, and these say what a person
/// granted.
pub(crate) struct Record(Vec<u8>);

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record")
    }
}

impl ToSql for Record {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        <Vec<u8> as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

/// Returns a time for a column; one after the last of the database never comes.
pub(crate) fn timestamp(time: UnixTime) -> Timestamp<SystemTime> {
    let since = Duration::from_secs(time.as_secs());
    match UNIX_EPOCH.checked_add(since) {
        Some(time) if since.as_secs() <= LAST_SECOND => Timestamp::Value(time),
        _ => Timestamp::PosInfinity,
    }
}

/// Returns the time of a column, rounded up to seconds; `None` for one that never comes.
pub(crate) fn unix_time(timestamp: Timestamp<SystemTime>) -> Option<UnixTime> {
    match timestamp {
        Timestamp::PosInfinity => None,
        Timestamp::NegInfinity => Some(UnixTime::from_secs(0)),
        Timestamp::Value(time) => {
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            Some(UnixTime::from_secs(since.as_secs() + u64::from(since.subsec_nanos() > 0)))
        }
    }
}

/// Returns a version for a column; `None` for one that no row has.
pub(crate) fn version_number(version: Version) -> Option<i64> {
    i64::try_from(version.as_number()).ok()
}

/// Reads the version of a column.
pub(crate) fn version(number: i64) -> Result<Version, RecordError> {
    u64::try_from(number).map(Version::from_number).map_err(|_| RecordError::Corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_beyond_the_columns_range_never_comes() {
        let last = UnixTime::from_secs(LAST_SECOND);
        assert_eq!(unix_time(timestamp(last)), Some(last));
        assert_eq!(timestamp(UnixTime::from_secs(LAST_SECOND + 1)), Timestamp::PosInfinity);
        assert_eq!(unix_time(timestamp(UnixTime::from_secs(u64::MAX))), None);
        assert_eq!(unix_time(timestamp(UnixTime::from_secs(0))), Some(UnixTime::from_secs(0)));
    }

    #[test]
    fn a_record_says_nothing_in_a_log() {
        assert_eq!(format!("{:?}", Record(b"alice".to_vec())), "Record");
    }

    #[test]
    fn a_list_goes_on_behind_the_last_id() {
        assert_eq!(Id::after(None).unwrap().0, [0; 16]);
        assert_eq!(Id::after(Some(GrantId::from_bytes([0; 16]))).unwrap().0, 1_u128.to_be_bytes());
        assert!(Id::after(Some(GrantId::from_bytes([0xff; 16]))).is_none());
    }
}
