//! Scripts of the server, called by their digest.

use grantry_server::{Change, ChangeSet, Version};
use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue, RedisError};

use crate::error::is_unknown_script;
use crate::keys::KeyPrefix;
use crate::value::{last_second, value};

/// The commands that a store sends, or its scripts call: what its user of the server has to be permitted, on the keys
/// of the [prefix](crate::KeyPrefix).
pub const COMMANDS: [&str; 11] = [
    "eval",
    "evalsha",
    "exists",
    "expireat",
    "get",
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
        call: &Call,
    ) -> Result<T, RedisError> {
        let known = call.command("EVALSHA", self.digested.get_hash()).query_async(connection).await;
        match known {
            Err(error) if is_unknown_script(&error) => {
                call.command("EVAL", self.code).query_async(connection).await
            }
            answered => answered,
        }
    }
}

/// What a script is called with.
#[derive(Default)]
pub(crate) struct Call {
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Call {
    /// Writes a change set as the script `commit.lua` reads it.
    pub(crate) fn of_changes(prefix: &KeyPrefix, changes: &ChangeSet) -> Self {
        let mut call = Self::default();
        for change in changes.iter() {
            match change {
                Change::Put { expected, grant } => {
                    let begins = expected.map(|version| version.as_number().to_be_bytes().to_vec());
                    let next = expected.map_or(Version::FIRST, Version::next);
                    call.keys.push(prefix.grant(grant.id()));
                    call.keys.extend(prefix.indexes(grant));
                    call.arguments.extend([
                        begins.unwrap_or_default(),
                        value(next, grant),
                        last_second(grant.purge_after()).to_string().into_bytes(),
                        grant.id().as_bytes().to_vec(),
                    ]);
                }
                Change::Claim { id, until } => {
                    call.keys.push(prefix.claim(*id));
                    let until = last_second(*until).to_string().into_bytes();
                    call.arguments.extend([Vec::new(), Vec::new(), until, Vec::new()]);
                }
            }
        }
        call
    }

    pub(crate) fn of_entries(index: &str, entries: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let mut call = Self { keys: vec![index.to_owned()], arguments: Vec::new() };
        for (key, entry) in entries {
            call.keys.push(key);
            call.arguments.push(entry);
        }
        call
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len());
        self.keys.iter().for_each(|key| _ = command.arg(key));
        self.arguments.iter().for_each(|argument| _ = command.arg(argument.as_slice()));
        command
    }
}
