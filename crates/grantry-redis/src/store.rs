//! The store: one pipeline to read, one script to commit.

use core::fmt;

use grantry_server::{Change, ChangeSet, Clients, GrantId, Lookup, Outcome, Records, SendStore};
use redis::aio::{ConnectionLike, ConnectionManager};
use redis::{FromRedisValue, Value};

use crate::error::{Failure, RedisStoreError, Work};
use crate::keys::KeyPrefix;
use crate::script::{Changes, Rotation, Script};
use crate::value::grant_of;

/// Grants in Redis, over a connection that the host makes; registrations of clients where the host keeps them.
///
/// The connection is one that many calls share: a [`ConnectionManager`], which connects again by itself; a
/// [`MultiplexedConnection`](redis::aio::MultiplexedConnection); a connection to a cluster. Timeouts are set there:
/// the driver's own is half a second for an answer.
///
/// A call whose future is dropped leaves its command to the server, which carries it out whole or not at all.
pub struct RedisStore<C, K = ConnectionManager> {
    connection: K,
    clients: C,
    pub(crate) prefix: KeyPrefix,
    commit: Script,
    rotate: Script,
    pub(crate) prune: Script,
}

impl<C, K> RedisStore<C, K> {
    /// Makes a store whose keys begin with `{grantry}`. Nothing is sent before the first call.
    #[must_use]
    pub fn new(connection: K, clients: C) -> Self {
        let (commit, rotate, prune) = (Script::commit(), Script::rotate(), Script::prune());
        Self { connection, clients, prefix: KeyPrefix::default(), commit, rotate, prune }
    }

    /// Sets what the keys begin with. Stores with different prefixes share nothing.
    #[must_use]
    pub fn with_prefix(mut self, prefix: KeyPrefix) -> Self {
        self.prefix = prefix;
        self
    }

    /// Returns the registrations of clients.
    #[must_use]
    pub const fn clients(&self) -> &C {
        &self.clients
    }
}

impl<C, K: ConnectionLike + Clone> RedisStore<C, K> {
    pub(crate) fn connection(&self) -> K {
        self.connection.clone()
    }

    async fn read_keys(&self, lookup: &Lookup<'_>, mut records: Records) -> Result<Records, Failure> {
        // Most requests read a grant alone, and a pipeline of one command is dearer.
        if let (Some(id), None, None) = (lookup.grant, lookup.claim, lookup.assertion) {
            let mut command = redis::cmd("GET");
            let value = command.arg(self.prefix.grant(id)).query_async(&mut self.connection()).await?;
            return with_value(records, id, value);
        }
        let mut pipeline = redis::pipe();
        // A key of another type is told beside the others' answers, by its own error.
        pipeline.ignore_errors();
        if let Some(id) = lookup.grant {
            pipeline.cmd("GET").arg(self.prefix.grant(id));
        }
        for id in lookup.claim.into_iter().chain(lookup.assertion) {
            pipeline.cmd("EXISTS").arg(self.prefix.claim(id));
        }
        let answers: Vec<Value> = pipeline.query_async(&mut self.connection()).await?;
        let mut answers = answers.into_iter();
        if let Some(id) = lookup.grant {
            records = with_value(records, id, read(answers.next())?)?;
        }
        if lookup.claim.is_some() && read(answers.next())? {
            records = records.with_claim_seen();
        }
        if lookup.assertion.is_some() && read(answers.next())? {
            records = records.with_assertion_seen();
        }
        Ok(records)
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Outcome, Failure> {
        if changes.iter().next().is_none() {
            return Ok(Outcome::Applied);
        }
        if let Some(rotation) = Rotation::of(&self.prefix, changes) {
            match self.rotate.call(&mut self.connection(), &rotation).await? {
                0_u8 => return Ok(Outcome::Conflict),
                1 => return Ok(Outcome::Applied),
                // No rotation moves a grant in its indexes, but another writer's may.
                2 => {}
                _ => return Err(Failure::Answer),
            }
        }
        let call = Changes { prefix: &self.prefix, changes };
        match self.commit.call(&mut self.connection(), &call).await? {
            0_u8 => Ok(Outcome::Conflict),
            1 => Ok(Outcome::Applied),
            _ => Err(Failure::Answer),
        }
    }
}

impl<C, K> fmt::Debug for RedisStore<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl<C: Clients, K: ConnectionLike + Clone + Send + Sync> SendStore for RedisStore<C, K> {
    type Error = RedisStoreError;

    async fn read(&self, lookup: &Lookup<'_>) -> Result<Records, RedisStoreError> {
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
        self.read_keys(lookup, records).await.map_err(|failure| failure.during(work))
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Outcome, RedisStoreError> {
        let is_put = |change: &Change| matches!(change, Change::Put { .. });
        let work = if changes.iter().any(is_put) { Work::WriteGrant } else { Work::WriteClaim };
        self.apply(changes).await.map_err(|failure| failure.during(work))
    }
}

fn with_value(records: Records, id: GrantId, value: Option<Vec<u8>>) -> Result<Records, Failure> {
    let Some(value) = value else { return Ok(records) };
    let (grant, version) = grant_of(&value, id)?;
    Ok(records.with_grant(grant, version))
}

/// Reads one answer of several.
pub(crate) fn read<T: FromRedisValue>(answer: Option<Value>) -> Result<T, Failure> {
    let answer = answer.ok_or(Failure::Answer)?.extract_error()?;
    redis::from_redis_value(answer).map_err(|_| Failure::Answer)
}
