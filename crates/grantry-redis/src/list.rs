//! Whose grants there are, page by page.

use grantry_server::{Clients, Grant, GrantId, GrantsOf, MAX_LISTED_GRANTS, SendGrantList};
use redis::Value;
use redis::aio::ConnectionLike;

use crate::error::{Failure, RedisStoreError, Work};
use crate::script::Entries;
use crate::store::{RedisStore, read};
use crate::value::grant_of;

impl<C: Clients, K: ConnectionLike + Clone + Send + Sync> SendGrantList for RedisStore<C, K> {
    async fn list(
        &self,
        of: GrantsOf<'_>,
        after: Option<GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, RedisStoreError> {
        self.page(of, after, limit).await.map_err(|failure| failure.during(Work::List))
    }
}

impl<C, K: ConnectionLike + Clone> RedisStore<C, K> {
    async fn page(
        &self,
        of: GrantsOf<'_>,
        mut after: Option<GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, Failure> {
        let index = self.prefix.index(of);
        let limit = limit.min(MAX_LISTED_GRANTS);
        let mut grants = Vec::new();
        while grants.len() < limit {
            let missing = limit.saturating_sub(grants.len());
            let wanted = match of {
                GrantsOf::Subject(..) | GrantsOf::Client(..) => missing,
                // Most of what the index has may be at other clients.
                GrantsOf::SubjectAtClient(..) => MAX_LISTED_GRANTS,
            };
            let entries = self.entries(&index, after, wanted).await?;
            let Some((last, _)) = entries.last() else { break };
            after = Some(*last);
            let found = self.records(&index, entries).await?;
            grants.extend(found.into_iter().filter(|grant| of.includes(grant)).take(missing));
        }
        Ok(grants)
    }

    /// Returns the entries behind an id, and the ids in them.
    async fn entries(
        &self,
        index: &str,
        after: Option<GrantId>,
        limit: usize,
    ) -> Result<Vec<(GrantId, Vec<u8>)>, Failure> {
        let Some(from) = after.map_or(Some(0), |id| u128::from_be_bytes(*id.as_bytes()).checked_add(1))
        else {
            return Ok(Vec::new());
        };
        let mut command = redis::cmd("ZRANGEBYLEX");
        command.arg(index).arg([b"[", from.to_be_bytes().as_slice()].concat()).arg("+");
        command.arg("LIMIT").arg(0).arg(limit);
        let entries: Vec<Vec<u8>> = command.query_async(&mut self.connection()).await?;
        let read = |entry: Vec<u8>| Some((GrantId::from_bytes(*entry.first_chunk()?), entry));
        entries.into_iter().map(|entry| read(entry).ok_or(Failure::Answer)).collect()
    }

    /// Reads the records of entries, and takes out of the index those that have none.
    async fn records(&self, index: &str, entries: Vec<(GrantId, Vec<u8>)>) -> Result<Vec<Grant>, Failure> {
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        for (id, _) in &entries {
            pipeline.cmd("GET").arg(self.prefix.grant(*id));
        }
        let mut connection = self.connection();
        let mut answers = pipeline.query_async::<Vec<Value>>(&mut connection).await?.into_iter();
        let (mut grants, mut gone) = (Vec::<Grant>::new(), Vec::new());
        for (id, entry) in entries {
            match read::<Option<Vec<u8>>>(answers.next())? {
                // An id that was used again has an entry from each time.
                Some(_) if grants.last().is_some_and(|grant| grant.id() == id) => {}
                Some(value) => grants.push(grant_of(&value, id)?.0),
                None => gone.push((self.prefix.grant(id), entry)),
            }
        }
        if !gone.is_empty() {
            let call = Entries { index, entries: &gone };
            let _: Value = self.prune.call(&mut connection, &call).await?;
        }
        Ok(grants)
    }
}
