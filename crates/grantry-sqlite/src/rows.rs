//! What a lookup reads, what a change writes and what a list returns, in rows.

use grantry_core::UnixTime;
use grantry_server::{Change, ClaimId, Grant, GrantId, GrantsOf, RecordError, Subject, Version};
use rusqlite::{Connection, Params, Row, params};

use crate::error::{Failure, SqliteError, Work};
use crate::sql;

/// Reads a grant and the version at which it stands.
pub(crate) fn read_grant(
    connection: &Connection,
    id: GrantId,
) -> Result<Option<(Grant, Version)>, SqliteError> {
    let failed = SqliteError::at(Work::ReadGrant);
    let mut statement = connection.prepare_cached(sql::READ_GRANT).map_err(&failed)?;
    let mut rows = statement.query([id.as_bytes()]).map_err(&failed)?;
    let Some(row) = rows.next().map_err(&failed)? else { return Ok(None) };
    let grant = grant_of(row, Work::ReadGrant)?;
    let version = row.get::<_, i64>(2).map_err(failed)?;
    Ok(Some((grant, Version::from_number(u64::from_be_bytes(version.to_be_bytes())))))
}

/// Tells whether a one-time identifier was seen.
pub(crate) fn is_claimed(connection: &Connection, id: ClaimId) -> Result<bool, SqliteError> {
    let read = || connection.prepare_cached(sql::READ_CLAIM)?.query_row([id.as_bytes()], |row| row.get(0));
    read().map_err(SqliteError::at(Work::ReadClaim))
}

/// Lists grants in the order of their ids.
pub(crate) fn list(
    connection: &Connection,
    of: GrantsOf<'_>,
    after: Option<GrantId>,
    limit: usize,
) -> Result<Vec<Grant>, SqliteError> {
    // Nothing comes before the empty id.
    let after = after.as_ref().map_or(&[][..], |id| id.as_bytes());
    let limit = count(limit);
    match of {
        GrantsOf::Subject(issuer, subject) => {
            let of = params![issuer.as_str(), subject.as_str(), after, limit];
            grants(connection, sql::LIST_OF_SUBJECT, of)
        }
        GrantsOf::Client(issuer, client_id) => {
            let of = params![issuer.as_str(), client_id.as_str(), after, limit];
            grants(connection, sql::LIST_OF_CLIENT, of)
        }
        GrantsOf::SubjectAtClient(issuer, subject, client_id) => {
            let of = params![issuer.as_str(), subject.as_str(), after, limit, client_id.as_str()];
            grants(connection, sql::LIST_OF_SUBJECT_AT_CLIENT, of)
        }
    }
}

fn grants(
    connection: &Connection,
    sql: &'static str,
    parameters: impl Params,
) -> Result<Vec<Grant>, SqliteError> {
    let failed = SqliteError::at(Work::List);
    let mut statement = connection.prepare_cached(sql).map_err(&failed)?;
    let mut rows = statement.query(parameters).map_err(&failed)?;
    let mut grants = Vec::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        grants.push(grant_of(row, Work::List)?);
    }
    Ok(grants)
}

/// Reads the record of a row, which has to be the record of its key.
fn grant_of(row: &Row<'_>, work: Work) -> Result<Grant, SqliteError> {
    let failed = |error| SqliteError::new(work, Failure::Record(error));
    let id: [u8; 16] = row.get(0).map_err(SqliteError::at(work))?;
    let record = row.get_ref(1).map_err(SqliteError::at(work))?;
    let record = record.as_blob().map_err(|_| failed(RecordError::Corrupt))?;
    let grant = Grant::from_bytes(record).map_err(failed)?;
    if *grant.id().as_bytes() == id { Ok(grant) } else { Err(failed(RecordError::Corrupt)) }
}

/// Makes one change, or tells with `false` that the record stands at another version.
pub(crate) fn make(connection: &Connection, change: &Change) -> Result<bool, SqliteError> {
    match change {
        Change::Put { expected, grant } => {
            put(connection, *expected, grant).map_err(SqliteError::at(Work::WriteGrant))
        }
        Change::Claim { id, until } => {
            is_changed(connection, sql::INSERT_CLAIM, params![id.as_bytes(), seconds(*until)])
                .map_err(SqliteError::at(Work::WriteClaim))
        }
    }
}

fn put(connection: &Connection, expected: Option<Version>, grant: &Grant) -> rusqlite::Result<bool> {
    let id = grant.id();
    let version = number(expected.map_or(Version::FIRST, Version::next));
    let (issuer, client_id) = (grant.issuer().as_str(), grant.client_id().as_str());
    let subject = grant.subject().map(Subject::as_str);
    let (expires_at, purge_after) = (seconds(grant.expires_at()), seconds(grant.purge_after()));
    let (id, record) = (id.as_bytes(), grant.to_bytes());
    let Some(expected) = expected.map(number) else {
        let row = params![id, version, issuer, client_id, subject, expires_at, purge_after, record];
        return is_changed(connection, sql::INSERT_GRANT, row);
    };
    let row = params![id, version, issuer, client_id, subject, expires_at, purge_after, record, expected];
    Ok(is_changed(connection, sql::ROTATE_GRANT, row)? || is_changed(connection, sql::UPDATE_GRANT, row)?)
}

fn is_changed(connection: &Connection, sql: &str, parameters: impl Params) -> rusqlite::Result<bool> {
    connection.prepare_cached(sql)?.execute(parameters).map(|changed| changed == 1)
}

/// The 64 bits of a version as SQLite has them: it is compared for equality alone.
const fn number(version: Version) -> i64 {
    i64::from_be_bytes(version.as_number().to_be_bytes())
}

/// The latest time of a column, in seconds; later ones are written as this one.
pub(crate) const LATEST: i64 = i64::MAX;

pub(crate) fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(LATEST)
}

/// A number of rows; negative ones would be no limit.
pub(crate) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
