//! The tables: where they are, and how they come to be.

use core::fmt;

use tokio_postgres::IsolationLevel;

use crate::error::{Failure, PostgresError, Work};
use crate::store::PostgresStore;

/// One step of the tables from one version to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The version of the tables after it.
    pub version: i32,
    /// The statements. They name no schema, and are run in one transaction with the `search_path` set to the one
    /// that is to hold the tables. The last of them notes the version in the table `migrations`.
    pub sql: &'static str,
}

/// The steps in order, for hosts that run them with their own tools; [`PostgresStore::migrate`] runs them
/// otherwise.
pub const MIGRATIONS: &[Migration] =
    &[Migration { version: 1, sql: include_str!("../migrations/0001_grants.sql") }];

/// The version of the last of [`MIGRATIONS`].
const KNOWN: i32 = 1;

/// `grantry` in ASCII, so that no other lock of the database has the number.
const MIGRATION_LOCK: i64 = 0x67_72_61_6e_74_72_79;

/// The name of a schema: 1 to 63 lower-case ASCII letters, digits and `_`, the first no digit, and none of those
/// that PostgreSQL keeps for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaName(String);

impl SchemaName {
    /// How many bytes a name has at most: PostgreSQL would cut a longer one short.
    pub const MAX_BYTES: usize = 63;

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`SchemaNameError`] when it is none.
    pub fn parse(text: &str) -> Result<Self, SchemaNameError> {
        let is_word = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        let starts = text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
        let is_reserved = text.starts_with("pg_") || text == "information_schema";
        if !is_word || !starts || is_reserved || text.len() > Self::MAX_BYTES {
            return Err(SchemaNameError);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name as SQL has it, where it may be a word of the language.
    pub(crate) fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

/// `grantry`.
impl Default for SchemaName {
    fn default() -> Self {
        Self("grantry".to_owned())
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not the name of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a schema name of 1 to 63 lower-case ASCII letters, digits and underscores")]
#[non_exhaustive]
pub struct SchemaNameError;

impl<C> PostgresStore<C> {
    /// Makes the schema and its tables, or brings them up to date, in one transaction. Nodes that start at once
    /// wait for each other, and the last of them find nothing to do.
    ///
    /// Where the role of the server may not make tables, a DBA runs [`MIGRATIONS`] and the server calls
    /// [`PostgresStore::check_schema`].
    ///
    /// # Errors
    ///
    /// [`Failure::NewerSchema`] when a later release was here, and nothing is changed then; the failures of the
    /// server and of the connection.
    pub async fn migrate(&self) -> Result<(), PostgresError> {
        self.try_migrate().await.map_err(|failure| failure.during(Work::Migrate))
    }

    /// Checks that the tables have the version that this release needs.
    ///
    /// # Errors
    ///
    /// [`Failure::OlderSchema`] and [`Failure::NewerSchema`] when they have another; the failures of the server
    /// and of the connection.
    pub async fn check_schema(&self) -> Result<(), PostgresError> {
        self.try_check_schema().await.map_err(|failure| failure.during(Work::Migrate))
    }

    async fn try_migrate(&self) -> Result<(), Failure> {
        let mut connection = self.connection().await?;
        // What another node committed while this one waited for the lock has to be seen.
        let level = IsolationLevel::ReadCommitted;
        let transaction = connection.build_transaction().isolation_level(level).start().await?;
        transaction.batch_execute(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
        let found = found_version(transaction.client(), &self.schema).await?;
        // Asked first, since it takes a right on the database even where there is nothing to make.
        if !exists(transaction.client(), "to_regnamespace", &self.schema.quoted()).await? {
            transaction.batch_execute(&format!("CREATE SCHEMA {}", self.schema.quoted())).await?;
        }
        transaction.batch_execute(&format!("SET LOCAL search_path TO {}", self.schema.quoted())).await?;
        for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
            transaction.batch_execute(migration.sql).await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn try_check_schema(&self) -> Result<(), Failure> {
        let found = found_version(&*self.connection().await?, &self.schema).await?;
        if found < KNOWN {
            return Err(Failure::OlderSchema { found, needed: KNOWN });
        }
        Ok(())
    }
}

async fn found_version(client: &tokio_postgres::Client, schema: &SchemaName) -> Result<i32, Failure> {
    let table = format!("{}.migrations", schema.quoted());
    if !exists(client, "to_regclass", &table).await? {
        return Ok(0);
    }
    let last = format!("SELECT COALESCE(max(version), 0) FROM {table}");
    let found = client.query_typed_one(&last, &[]).await?.try_get(0)?;
    if found > KNOWN {
        return Err(Failure::NewerSchema { found, known: KNOWN });
    }
    Ok(found)
}

async fn exists(client: &tokio_postgres::Client, of_kind: &str, name: &str) -> Result<bool, Failure> {
    Ok(client.query_typed_one(&format!("SELECT {of_kind}('{name}') IS NOT NULL"), &[]).await?.try_get(0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_migration_is_the_version_that_the_release_knows() {
        let versions: Vec<_> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        assert_eq!(versions, (1..=KNOWN).collect::<Vec<_>>());
    }

    #[test]
    fn a_schema_name_is_a_plain_word_and_nothing_else() {
        for good in ["grantry", "a", "_x9", "select", &"x".repeat(63)] {
            assert_eq!(SchemaName::parse(good).unwrap().as_str(), good);
        }
        let bad = ["", "9a", "Grantry", "a b", "a\"b", "a;b", "a'b", "a.b", "ä", "a\0", "pg_catalog", "pg_x"];
        for bad in bad.into_iter().chain(["information_schema", &"x".repeat(64)]) {
            assert_eq!(SchemaName::parse(bad), Err(SchemaNameError), "{bad:?}");
        }
    }
}
