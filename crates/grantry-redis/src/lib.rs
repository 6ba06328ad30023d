//! Grants of the authorization server in Redis: one round trip to read, one script to commit.
//!
//! ```no_run
//! # use grantry_core::{ClientId, HttpRequest, HttpResponse, Moment};
//! # use grantry_server::{Client, ClientAuthentication, Server};
//! use std::sync::Arc;
//!
//! use grantry_redis::{RedisStore, redis};
//! use grantry_server::{MemoryClients, run_async};
//!
//! # async fn token(server: Server, request: HttpRequest) -> Result<HttpResponse, Box<dyn std::error::Error>> {
//! # let app = Client::new(ClientId::parse("app")?, ClientAuthentication::None);
//! let connection = redis::Client::open("redis://127.0.0.1/")?.get_connection_manager().await?;
//! let clients = Arc::new(MemoryClients::new([app]));
//! let store = RedisStore::new(connection, Arc::clone(&clients));
//! let reply = run_async(&store, &server.token(&request), Moment::now()?).await?;
//! # Ok(reply.answer.to_response())
//! # }
//! ```
//!
//! It keeps grants and one-time identifiers. Registrations stay with the host, which names them as
//! [`Clients`](grantry_server::Clients). The connection is the host's as well, with its timeouts, TLS and password;
//! the driver is [`redis`], of which another feature is switched on in the host's own `Cargo.toml`.
//!
//! # What the server has to be
//!
//! * Redis 7.0 or later, over RESP2 or RESP3. It is the primary: a replica reads what is old and writes nothing.
//! * **`maxmemory-policy noeviction`**. Every key has an end, so that any other policy drops records when memory runs
//!   out: people are logged out, and a client assertion whose identifier is dropped can be replayed. With it, a
//!   server without memory refuses writes, which is [`Refusal::OutOfMemory`] and status 503.
//! * A clock that is less than [`Grant::CLOCK_MARGIN`](grantry_server::Grant::CLOCK_MARGIN) ahead of the hosts'.
//! * Of its users, one that may do [`COMMANDS`] on the keys of the prefix is enough.
//!
//! # What is acknowledged, and what gets lost
//!
//! A commit is applied whole or not at all, and one after another. Whether it outlives the server is set there, by
//! [`appendonly` and `appendfsync`](https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/):
//!
//! | setting | the process ends | the machine loses power | the disk is lost, or a failover |
//! |---|---|---|---|
//! | `appendonly yes`, `appendfsync always` | nothing is lost | nothing is lost | the last commits |
//! | `appendonly yes`, `appendfsync everysec` | up to two seconds, where the disk is slow | up to two seconds | the last commits |
//! | `appendonly yes`, `appendfsync no` | as `everysec` | half a minute or more | the last commits |
//! | `save` alone | all since the last snapshot | the same | the last commits |
//! | neither | everything | everything | the last commits |
//!
//! **Replication is asynchronous: a failover takes back what the new primary has not received**, though it was
//! answered. `WAIT` is no guarantee, as a replica without the commit can be chosen all the same, and the store does not
//! call it; `min-replicas-to-write` bounds the loss and does not prevent it. What is taken back:
//!
//! * A code that was redeemed can be redeemed again, by who has its proofs.
//! * A refresh token that was rotated works again, and its successor is refused until then, so the client has to
//!   ask its person again. Whoever has the old token gets that same successor. From there the reuse alarm works as
//!   ever: the second presentation of it ends the grant.
//! * **A grant that was revoked is alive again**, and a used identifier of a client assertion is unused.
//!
//! After such a loss, end every grant of before with
//! [`Policy::with_not_before`](grantry_server::Policy::with_not_before), or end again by hand what the audit events
//! name. With a cache in front ([`Cached`](grantry_server::Cached)), empty it before that, in every process: what it has of
//! the lost writes would undo the ending. A host that cannot live with it keeps its grants in a database that acknowledges after its replicas do.
//!
//! # Clusters
//!
//! A change set has a grant, its indexes, and perhaps a one-time identifier, and a script is atomic within one slot.
//! So all keys of a store have one hash tag, [`KeyPrefix`]: on a cluster every commit is right, and **all of a store
//! is on one shard**, whose memory and whose one thread bound it. More shards share the work of more stores: one
//! prefix for each tenant, or another division that a host knows before it reads. A store's keys move with their
//! slot; commits in the meantime may fail with [`Refusal::Cluster`], and consume nothing.
//!
//! A connection to a cluster that repeats a command by itself may repeat a commit that was applied and whose answer was
//! lost. The repeat is a conflict, and the request sees its own write as another's: a code's replay alarm. Where that
//! matters, allow for it with [`Policy::with_code_retry`](grantry_server::Policy::with_code_retry) and
//! [`with_refresh_retry`](grantry_server::Policy::with_refresh_retry). A
//! [`ConnectionManager`](redis::aio::ConnectionManager) connects again, and repeats nothing.
//!
//! # Keys, and how they go away
//!
//! | key | type | holds | ends |
//! |---|---|---|---|
//! | `{grantry}:g:` id in hex | string | version, turn, number of indexes, record | at `purge_after` |
//! | `{grantry}:c:` digest in hex | string | nothing | at the identifier's `until` |
//! | `{grantry}:a:` issuer's length `:` issuer `:` client | sorted set | ids and turns | with its last turn |
//! | `{grantry}:s:` issuer's length `:` issuer `:` subject | sorted set | ids and turns | with its last turn |
//!
//! The server drops a record at its end by itself, and nothing has to be swept: the store has no
//! [`Sweep`](grantry_server::Sweep). What would end after the year 9999 ends then.
//!
//! An index has an entry of 20 bytes for each grant: its id, and the turn of four and a half hours in which the grant
//! ends. No rotation touches an index, or names one to the server. The entry of a grant that ended goes away in three
//! ways: a list that meets it takes it out; each entry that is added looks at four others of its index, by chance, and
//! takes out those whose turn is over, so that in the long run one in four has ended at most; and the index goes with
//! the last turn of its grants. A list by person and client reads all that the person has granted at the issuer.
#![forbid(unsafe_code)]

mod error;
mod keys;
mod list;
mod script;
mod store;
mod value;

pub use redis;

pub use error::{Failure, RedisStoreError, Refusal, Work};
pub use keys::{KeyPrefix, KeyPrefixError};
pub use script::COMMANDS;
pub use store::RedisStore;
