//! Scripts of the server, called by their digest.

use grantry_server::{Change, ChangeSet, Grant, Version};
use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue, RedisError};

use crate::error::is_unknown_script;
use crate::keys::KeyPrefix;
use crate::value::{head, indexes, last_second, value};

/// The commands that a store sends, or its scripts call: what its user of the server has to be permitted, on the keys
/// of the [prefix](crate::KeyPrefix).
pub const COMMANDS: [&str; 12] = [
    "eval",
    "evalsha",
    "exists",
    "expireat",
    "get",
    "getrange",
    "set",
    "time",
    "zadd",
    "zrandmember",
    "zrangebylex",
    "zrem",
];

/// A script and its digest.
#[derive(Debug)]
pub(crate) struct Script {
    code: &'static str,
    digested: redis::Script,
}

impl Script {
    pub(crate) fn commit() -> Self {
        Self::of(include_str!("commit.lua"))
    }

    pub(crate) fn rotate() -> Self {
        Self::of(include_str!("rotate.lua"))
    }

    pub(crate) fn prune() -> Self {
        Self::of(include_str!("prune.lua"))
    }

    fn of(code: &'static str) -> Self {
        Self { code, digested: redis::Script::new(code) }
    }

    /// Runs the script, which the server remembers from one call to the next, or is told once more.
    pub(crate) async fn call<T: FromRedisValue>(
        &self,
        connection: &mut impl ConnectionLike,
        call: &impl Call,
    ) -> Result<T, RedisError> {
        let command = |name, script: &str| {
            // A grant's record, three keys and some numbers.
            let mut command = Cmd::with_capacity(16, 1024);
            command.arg(name).arg(script);
            call.write(&mut command);
            command
        };
        match command("EVALSHA", self.digested.get_hash()).query_async(connection).await {
            Err(error) if is_unknown_script(&error) => {
                command("EVAL", self.code).query_async(connection).await
            }
            answered => answered,
        }
    }
}

/// What a script is called with.
pub(crate) trait Call {
    /// Adds the number of keys, the keys and the arguments to a command.
    fn write(&self, command: &mut Cmd);
}

/// A change set, as the script `commit.lua` reads it.
pub(crate) struct Changes<'a> {
    pub(crate) prefix: &'a KeyPrefix,
    pub(crate) changes: &'a ChangeSet,
}

impl Call for Changes<'_> {
    fn write(&self, command: &mut Cmd) {
        let keys = self.changes.iter().map(|change| match change {
            Change::Put { grant, .. } => 1 + usize::from(indexes(grant)),
            Change::Claim { .. } => 1,
        });
        command.arg(keys.sum::<usize>());
        for change in self.changes.iter() {
            match change {
                Change::Put { grant, .. } => {
                    command.arg(self.prefix.grant(grant.id()));
                    self.prefix.indexes(grant).for_each(|key| _ = command.arg(key));
                }
                Change::Claim { id, .. } => _ = command.arg(self.prefix.claim(*id)),
            }
        }
        for change in self.changes.iter() {
            match change {
                Change::Put { expected, grant } => {
                    let begins = expected.map(|version| version.as_number().to_be_bytes());
                    command.arg(begins.as_ref().map_or(&[][..], |version| version));
                    command.arg(value(expected.map_or(Version::FIRST, Version::next), grant));
                    command.arg(last_second(grant.purge_after())).arg(grant.id().as_bytes());
                }
                Change::Claim { until, .. } => {
                    command.arg("").arg("").arg(last_second(*until)).arg("");
                }
            }
        }
    }
}

/// A grant whose refresh token was rotated, as the script `rotate.lua` reads it.
pub(crate) struct Rotation<'a> {
    prefix: &'a KeyPrefix,
    expected: Version,
    grant: &'a Grant,
}

impl<'a> Rotation<'a> {
    /// Returns what a change set does, if it does nothing else.
    pub(crate) fn of(prefix: &'a KeyPrefix, changes: &'a ChangeSet) -> Option<Self> {
        let mut iter = changes.iter();
        match (iter.next(), iter.next()) {
            (Some(Change::Put { expected: Some(expected), grant }), None) if grant.is_rotated() => {
                Some(Self { prefix, expected: *expected, grant })
            }
            _ => None,
        }
    }
}

impl Call for Rotation<'_> {
    fn write(&self, command: &mut Cmd) {
        command.arg(1).arg(self.prefix.grant(self.grant.id()));
        command.arg(&head(self.expected, self.grant)).arg(value(self.expected.next(), self.grant));
        command.arg(last_second(self.grant.purge_after()));
    }
}

/// Entries of an index, and the keys of the records that they are of, as the script `prune.lua` reads them.
pub(crate) struct Entries<'a> {
    pub(crate) index: &'a str,
    pub(crate) entries: &'a [(String, Vec<u8>)],
}

impl Call for Entries<'_> {
    fn write(&self, command: &mut Cmd) {
        command.arg(1 + self.entries.len()).arg(self.index);
        self.entries.iter().for_each(|(key, _)| _ = command.arg(key));
        self.entries.iter().for_each(|(_, entry)| _ = command.arg(entry.as_slice()));
    }
}
