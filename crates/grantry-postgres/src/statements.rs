//! The statements, each one round trip.

use tokio_postgres::types::Type;

use crate::schema::SchemaName;

/// A statement with the types of its parameters, so that the server has nothing to infer.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) types: &'static [Type],
}

/// Every statement of a store, with the name of its schema.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) read: Statement,
    pub(crate) read_grant: Statement,
    pub(crate) insert: Statement,
    pub(crate) update: Statement,
    pub(crate) claim: Statement,
    pub(crate) write_all: Statement,
    pub(crate) list_subject: Statement,
    pub(crate) list_client: Statement,
    pub(crate) list_subject_at_client: Statement,
    pub(crate) sweep: Statement,
}

impl Statements {
    pub(crate) fn of(schema: &SchemaName) -> Self {
        let statement =
            |sql: &str, types| Statement { sql: sql.replace("{schema}", &schema.quoted()), types };
        Self {
            read: statement(READ, &[Type::UUID, Type::BYTEA, Type::BYTEA]),
            read_grant: statement(READ_GRANT, &[Type::UUID]),
            insert: statement(INSERT, ROW),
            update: statement(UPDATE, UPDATED_ROW),
            claim: statement(CLAIM, &[Type::BYTEA, Type::TIMESTAMPTZ]),
            write_all: statement(WRITE_ALL, ALL_ROWS),
            list_subject: statement(LIST_SUBJECT, &[Type::UUID, Type::INT8, Type::TEXT, Type::TEXT]),
            list_client: statement(LIST_CLIENT, &[Type::UUID, Type::INT8, Type::TEXT, Type::TEXT]),
            list_subject_at_client: statement(
                LIST_SUBJECT_AT_CLIENT,
                &[Type::UUID, Type::INT8, Type::TEXT, Type::TEXT, Type::TEXT],
            ),
            sweep: statement(SWEEP, &[Type::TIMESTAMPTZ, Type::INT8]),
        }
    }
}

/// No key is `NULL`, so a parameter that is finds nothing.
const READ: &str = "
SELECT g.version, g.record,
       EXISTS (SELECT FROM {schema}.claims WHERE id = $2),
       EXISTS (SELECT FROM {schema}.claims WHERE id = $3)
FROM (VALUES (true)) AS always LEFT JOIN {schema}.grants AS g ON g.id = $1";

/// What most requests read: nothing is joined, and no identifier is looked up.
const READ_GRANT: &str = "SELECT version, record FROM {schema}.grants WHERE id = $1";

const ROW: &[Type] =
    &[Type::UUID, Type::TEXT, Type::TEXT, Type::TEXT, Type::TIMESTAMPTZ, Type::TIMESTAMPTZ, Type::BYTEA];

/// Waits for another transaction that inserts the same id, and then does nothing if that one is committed.
const INSERT: &str = "
INSERT INTO {schema}.grants (id, version, issuer, client_id, subject, expires_at, purge_after, record)
VALUES ($1, 1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO NOTHING";

const UPDATED_ROW: &[Type] = &[
    Type::UUID,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
    Type::BYTEA,
    Type::INT8,
];

/// Waits for another transaction that writes the same row, and then compares the version that that one left.
const UPDATE: &str = "
UPDATE {schema}.grants
SET version = version + 1, issuer = $2, client_id = $3, subject = $4, expires_at = $5, purge_after = $6, record = $7
WHERE id = $1 AND version = $8";

const CLAIM: &str = "
INSERT INTO {schema}.claims (id, purge_after) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";

const ALL_ROWS: &[Type] = &[
    Type::UUID_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
    Type::BYTEA_ARRAY,
    Type::INT8_ARRAY,
    Type::BYTEA_ARRAY,
    Type::TIMESTAMPTZ_ARRAY,
];

/// All or none in one statement. What is to be updated is locked first, in the order of the ids, and compared; where
/// a row has another version nothing is written. A key that is there already fails the statement, and so undoes it.
const WRITE_ALL: &str = "
WITH change AS MATERIALIZED (
    SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)
        AS change (id, issuer, client_id, subject, expires_at, purge_after, record, expected)
), held AS MATERIALIZED (
    SELECT FROM {schema}.grants AS g JOIN change ON change.id = g.id AND change.expected = g.version
    ORDER BY g.id FOR UPDATE OF g
), every AS MATERIALIZED (
    SELECT WHERE (SELECT count(*) FROM held) = (SELECT count(expected) FROM change)
), claimed AS (
    INSERT INTO {schema}.claims (id, purge_after)
    SELECT claim.id, claim.purge_after FROM unnest($9, $10) AS claim (id, purge_after), every
    RETURNING 1
), inserted AS (
    INSERT INTO {schema}.grants (id, version, issuer, client_id, subject, expires_at, purge_after, record)
    SELECT change.id, 1, change.issuer, change.client_id, change.subject, change.expires_at, change.purge_after,
           change.record
    FROM change, every WHERE change.expected IS NULL
    RETURNING 1
), updated AS (
    UPDATE {schema}.grants AS g
    SET version = g.version + 1, issuer = change.issuer, client_id = change.client_id, subject = change.subject,
        expires_at = change.expires_at, purge_after = change.purge_after, record = change.record
    FROM change, every WHERE g.id = change.id AND g.version = change.expected
    RETURNING 1
)
SELECT 1 FROM claimed UNION ALL SELECT 1 FROM inserted UNION ALL SELECT 1 FROM updated";

const LIST_SUBJECT: &str = "
SELECT record FROM {schema}.grants WHERE issuer = $3 AND subject = $4 AND id >= $1 ORDER BY id LIMIT $2";

const LIST_CLIENT: &str = "
SELECT record FROM {schema}.grants WHERE issuer = $3 AND client_id = $4 AND id >= $1 ORDER BY id LIMIT $2";

const LIST_SUBJECT_AT_CLIENT: &str = "
SELECT record FROM {schema}.grants
WHERE issuer = $3 AND subject = $4 AND client_id = $5 AND id >= $1 ORDER BY id LIMIT $2";

/// Leaves out what another transaction has locked, and comes back to it by the time that it returns. A grant that
/// is prolonged meanwhile is compared again when its lock is had. An array of ids is looked up in the index, where a join of unknown size would read the whole table.
const SWEEP: &str = "
WITH due_claims AS MATERIALIZED (
    SELECT id FROM {schema}.claims WHERE purge_after <= $1
    ORDER BY purge_after LIMIT $2 FOR UPDATE SKIP LOCKED
), due_grants AS MATERIALIZED (
    SELECT id FROM {schema}.grants WHERE purge_after <= $1
    ORDER BY purge_after LIMIT $2 - (SELECT count(*) FROM due_claims) FOR UPDATE SKIP LOCKED
), gone_claims AS (
    DELETE FROM {schema}.claims WHERE id = ANY (ARRAY(SELECT id FROM due_claims)) RETURNING 1
), gone_grants AS (
    DELETE FROM {schema}.grants WHERE id = ANY (ARRAY(SELECT id FROM due_grants)) RETURNING 1
)
SELECT (SELECT count(*) FROM gone_claims) + (SELECT count(*) FROM gone_grants),
       LEAST((SELECT purge_after FROM {schema}.claims WHERE id <> ALL (ARRAY(SELECT id FROM due_claims))
              ORDER BY purge_after LIMIT 1),
             (SELECT purge_after FROM {schema}.grants WHERE id <> ALL (ARRAY(SELECT id FROM due_grants))
              ORDER BY purge_after LIMIT 1))";
