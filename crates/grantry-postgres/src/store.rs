//! The store: one statement to read, one to commit.

use core::fmt;

use deadpool_postgres::{Client as Connection, Pool};
use grantry_core::UnixTime;
use grantry_server::{
    Change, ChangeSet, ClaimId, Clients, Grant, GrantId, Lookup, Outcome, RecordError, Records, SendStore,
    Version,
};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::columns::{GrantRow, Id, timestamp, version, version_number};
use crate::error::{Failure, PostgresError, Work};
use crate::schema::SchemaName;
use crate::statements::{Statement, Statements};

/// Grants in PostgreSQL, over a pool of connections that the host makes; registrations of clients where the host
/// keeps them.
///
/// A call whose future is dropped leaves its statement to the server, which carries it out whole or not at all. Its
/// connection goes back to the pool and is free when the statement ends, so that there are never more statements
/// than the pool has connections.
pub struct PostgresStore<C> {
    pool: Pool,
    clients: C,
    pub(crate) schema: SchemaName,
    pub(crate) statements: Statements,
    prepare: Prepare,
}

/// Whether the store prepares its statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a statement is prepared or it is not")]
pub enum Prepare {
    /// Every connection prepares each statement at its first use, by one more round trip then.
    #[default]
    Once,
    /// The server plans each statement anew, in the same round trip: for a pooler that gives every transaction
    /// another connection and does not know prepared statements, such as PgBouncer before 1.21.
    Never,
}

impl<C> PostgresStore<C> {
    /// Makes a store in the schema `grantry`. Nothing is connected before the first call.
    #[must_use]
    pub fn new(pool: Pool, clients: C) -> Self {
        let schema = SchemaName::default();
        let statements = Statements::of(&schema);
        Self { pool, clients, schema, statements, prepare: Prepare::default() }
    }

    /// Sets the schema that holds the tables.
    #[must_use]
    pub fn with_schema(mut self, schema: SchemaName) -> Self {
        self.statements = Statements::of(&schema);
        self.schema = schema;
        self
    }

    /// Sets whether statements are prepared.
    #[must_use]
    pub const fn with_prepare(mut self, prepare: Prepare) -> Self {
        self.prepare = prepare;
        self
    }

    /// Returns the registrations of clients.
    #[must_use]
    pub const fn clients(&self) -> &C {
        &self.clients
    }

    pub(crate) async fn connection(&self) -> Result<Connection, Failure> {
        Ok(self.pool.get().await?)
    }

    /// Runs a statement, and returns how many rows it wrote.
    async fn execute(&self, statement: &Statement, values: Values<'_>) -> Result<u64, Failure> {
        let connection = self.connection().await?;
        let run = async {
            match self.prepare {
                Prepare::Once => {
                    let prepared = connection.prepare_typed_cached(&statement.sql, statement.types).await?;
                    connection.execute(&prepared, values.0).await
                }
                Prepare::Never => connection.execute_typed(&statement.sql, &values.typed(statement)).await,
            }
        };
        let result = run.await;
        give_back(connection, result)
    }

    /// Runs a statement, and returns what it found.
    pub(crate) async fn query(&self, statement: &Statement, values: Values<'_>) -> Result<Vec<Row>, Failure> {
        let connection = self.connection().await?;
        let run = async {
            match self.prepare {
                Prepare::Once => {
                    let prepared = connection.prepare_typed_cached(&statement.sql, statement.types).await?;
                    connection.query(&prepared, values.0).await
                }
                Prepare::Never => connection.query_typed(&statement.sql, &values.typed(statement)).await,
            }
        };
        let result = run.await;
        give_back(connection, result)
    }

    async fn read_rows(&self, lookup: &Lookup<'_>, records: Records) -> Result<Records, Failure> {
        if let (Some(id), None, None) = (lookup.grant, lookup.claim, lookup.assertion) {
            let rows = self.query(&self.statements.read_grant, Values(&[&Id::from(id)])).await?;
            let Some(row) = rows.first() else { return Ok(records) };
            return Ok(records.with_grant(grant_of(row, 1, Some(id))?, version(row.try_get(0)?)?));
        }
        let id = lookup.grant.map(Id::from);
        let claim = lookup.claim.as_ref().map(|id| id.as_bytes().as_slice());
        let assertion = lookup.assertion.as_ref().map(|id| id.as_bytes().as_slice());
        let rows = self.query(&self.statements.read, Values(&[&id, &claim, &assertion])).await?;
        let row = rows.first().ok_or(Failure::Answer)?;
        let mut records = records;
        if let (Some(id), Some(number)) = (lookup.grant, row.try_get::<_, Option<i64>>(0)?) {
            records = records.with_grant(grant_of(row, 1, Some(id))?, version(number)?);
        }
        if row.try_get(2)? {
            records = records.with_claim_seen();
        }
        if row.try_get(3)? {
            records = records.with_assertion_seen();
        }
        Ok(records)
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Outcome, Failure> {
        let mut iter = changes.iter();
        match (iter.next(), iter.next()) {
            (None, _) => Ok(Outcome::Applied),
            (Some(Change::Put { expected, grant }), None) => self.put(*expected, grant).await,
            (Some(Change::Claim { id, until }), None) => self.claim(*id, *until).await,
            (Some(_), Some(_)) => self.write_all(changes).await,
        }
    }

    async fn put(&self, expected: Option<Version>, grant: &Grant) -> Result<Outcome, Failure> {
        let GrantRow { id, issuer, client_id, subject, expires_at, purge_after, record } =
            GrantRow::of(grant);
        let written = match expected {
            None => {
                let values: [&(dyn ToSql + Sync); 7] =
                    [&id, &issuer, &client_id, &subject, &expires_at, &purge_after, &record];
                self.execute(&self.statements.insert, Values(&values)).await?
            }
            Some(expected) => {
                let Some(expected) = version_number(expected) else { return Ok(Outcome::Conflict) };
                let values: [&(dyn ToSql + Sync); 8] =
                    [&id, &issuer, &client_id, &subject, &expires_at, &purge_after, &record, &expected];
                self.execute(&self.statements.update, Values(&values)).await?
            }
        };
        outcome(written, 1)
    }

    async fn claim(&self, id: ClaimId, until: UnixTime) -> Result<Outcome, Failure> {
        let (id, until) = (id.as_bytes().as_slice(), timestamp(until));
        let values: &[&(dyn ToSql + Sync)] = &[&id, &until];
        outcome(self.execute(&self.statements.claim, Values(values)).await?, 1)
    }

    async fn write_all(&self, changes: &ChangeSet) -> Result<Outcome, Failure> {
        let (mut rows, mut expected) = (Vec::new(), Vec::new());
        let (mut claims, mut until) = (Vec::new(), Vec::new());
        for change in changes.iter() {
            match change {
                Change::Put { expected: version, grant } => {
                    let number = version.map(version_number);
                    if number == Some(None) {
                        return Ok(Outcome::Conflict);
                    }
                    rows.push(GrantRow::of(grant));
                    expected.push(number.flatten());
                }
                Change::Claim { id, until: time } => {
                    claims.push(id.as_bytes().as_slice());
                    until.push(timestamp(*time));
                }
            }
        }
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        let issuers: Vec<_> = rows.iter().map(|row| row.issuer).collect();
        let client_ids: Vec<_> = rows.iter().map(|row| row.client_id).collect();
        let subjects: Vec<_> = rows.iter().map(|row| row.subject).collect();
        let expires_at: Vec<_> = rows.iter().map(|row| row.expires_at).collect();
        let purge_after: Vec<_> = rows.iter().map(|row| row.purge_after).collect();
        let records: Vec<_> = rows.iter().map(|row| &row.record).collect();
        let values: [&(dyn ToSql + Sync); 10] = [
            &ids,
            &issuers,
            &client_ids,
            &subjects,
            &expires_at,
            &purge_after,
            &records,
            &expected,
            &claims,
            &until,
        ];
        outcome(self.execute(&self.statements.write_all, Values(&values)).await?, changes.iter().count())
    }
}

impl<C> fmt::Debug for PostgresStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl<C: Clients> SendStore for PostgresStore<C> {
    type Error = PostgresError;

    async fn read(&self, lookup: &Lookup<'_>) -> Result<Records, PostgresError> {
        let mut records = Records::new();
        if let Some(id) = lookup.client {
            let found = self.clients.client(id);
            if let Some(client) = found.map_err(|error| Failure::from(error).during(Work::ReadClient))? {
                records = records.with_client(client);
            }
        }
        let work = match (lookup.grant, lookup.claim, lookup.assertion) {
            (Some(_), _, _) => Work::ReadGrant,
            (None, None, None) => return Ok(records),
            (None, _, _) => Work::ReadClaim,
        };
        self.read_rows(lookup, records).await.map_err(|failure| failure.during(work))
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Outcome, PostgresError> {
        let is_put = |change: &Change| matches!(change, Change::Put { .. });
        let work = if changes.iter().any(is_put) { Work::WriteGrant } else { Work::WriteClaim };
        match self.apply(changes).await {
            Err(failure) if failure.is_conflict() => Ok(Outcome::Conflict),
            applied => applied.map_err(|failure| failure.during(work)),
        }
    }
}

/// The values of a statement's parameters, in order.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a>(pub(crate) &'a [&'a (dyn ToSql + Sync)]);

impl<'a> Values<'a> {
    fn typed(self, statement: &Statement) -> Vec<(&'a (dyn ToSql + Sync), tokio_postgres::types::Type)> {
        self.0.iter().copied().zip(statement.types.iter().cloned()).collect()
    }
}

/// Reads the grant in a column; `id` is the key that it was found by.
pub(crate) fn grant_of(row: &Row, column: usize, id: Option<GrantId>) -> Result<Grant, Failure> {
    let grant = Grant::from_bytes(row.try_get(column)?)?;
    // A row that holds another grant is damaged; to pass it by would make it an absent one.
    match id {
        Some(id) if grant.id() != id => Err(RecordError::Corrupt.into()),
        _ => Ok(grant),
    }
}

/// Gives a connection back to its pool, unless it is of no more use there.
fn give_back<T>(connection: Connection, result: Result<T, tokio_postgres::Error>) -> Result<T, Failure> {
    let result = result.map_err(Failure::from);
    if result.as_ref().is_err_and(Failure::ends_connection) {
        drop(Connection::take(connection));
    }
    result
}

fn outcome(written: u64, wanted: usize) -> Result<Outcome, Failure> {
    match written {
        0 => Ok(Outcome::Conflict),
        written if usize::try_from(written) == Ok(wanted) => Ok(Outcome::Applied),
        _ => Err(Failure::Answer),
    }
}
