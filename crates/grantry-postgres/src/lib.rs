//! Grants of the authorization server in PostgreSQL: one round trip to read, one to commit.
//!
//! ```no_run
//! # use grantry_core::{ClientId, HttpRequest, HttpResponse, Moment};
//! # use grantry_server::{Client, ClientAuthentication, Server};
//! use std::sync::Arc;
//!
//! use grantry_postgres::deadpool_postgres::{Manager, Pool};
//! use grantry_postgres::{PostgresStore, tokio_postgres::NoTls};
//! use grantry_server::{MemoryClients, run_async};
//!
//! # async fn token(server: Server, request: HttpRequest) -> Result<HttpResponse, Box<dyn std::error::Error>> {
//! # let app = Client::new(ClientId::parse("app")?, ClientAuthentication::None);
//! let config = "host=/run/postgresql user=grantry dbname=accounts".parse()?;
//! let pool = Pool::builder(Manager::new(config, NoTls)).max_size(16).build()?;
//! let clients = Arc::new(MemoryClients::new([app]));
//! let store = PostgresStore::new(pool, Arc::clone(&clients));
//! store.migrate().await?;
//! let reply = run_async(&store, &server.token(&request), Moment::now()?).await?;
//! # Ok(reply.answer.to_response())
//! # }
//! ```
//!
//! It keeps grants and one-time identifiers. Registrations stay with the host, which names them as
//! [`Clients`](grantry_server::Clients). The pool is the host's as well, with its size, timeouts, TLS and password.
//!
//! The driver is [`tokio_postgres`], the pool [`deadpool_postgres`]: values go out typed and in binary with the
//! statement itself, so that a commit is one round trip even where nothing is prepared, and the statements are plain
//! text that a DBA reads here. What another library checks of them as it compiles, the tests check over a server.
//!
//! # The tables
//!
//! [`PostgresStore::migrate`] makes them, in a schema of their own. Where the role of the server may not, a DBA runs
//! [`MIGRATIONS`], which say which rights are enough, and the server calls [`PostgresStore::check_schema`] as it
//! starts. A release refuses the tables of a later one.
//!
//! A rotation of a refresh token changes no column that an index holds, and a part of each page is kept free for it:
//! it is a [heap-only update](https://www.postgresql.org/docs/current/storage-hot.html). Nothing is deleted by
//! itself: call [`SendSweep::sweep`](grantry_server::SendSweep::sweep), which deletes
//! [`PostgresStore::MAX_SWEPT`] rows at most.
//!
//! # Isolation
//!
//! **READ COMMITTED, the default, is enough.** A read is one statement, and so of one moment. A commit is one
//! statement that compares what it changes, and no statement relies on what an earlier one saw:
//!
//! * An update waits for another one of its row, and then compares the version that that one left.
//! * An insert waits for another one of its key, and then finds the key taken.
//! * Several changes are one statement. It locks the rows that it is to update in the order of their ids, counts
//!   those whose version fits, and writes nothing where one is missing; a key that is taken undoes all of it.
//!
//! At stricter levels the server refuses some commits instead of comparing. Serialization failures (40001), deadlocks
//! (40P01) and unique violations (23505) are conflicts, on which the request decides again.
//!
//! # Replicas, and what a failover takes back
//!
//! The server is the primary: set `target_session_attrs=read-write`, and name every host. A stale read can write
//! nothing, since the commit compares; but an answer that writes nothing, such as an introspection, would take a
//! revoked grant for alive. A connection that became read-only fails once, with
//! status 503, and is replaced.
//!
//! What is acknowledged is as durable as the server makes it:
//!
//! | setting | the machine loses power | the disk is lost, or a failover |
//! |---|---|---|
//! | `synchronous_commit = on`, a standby in `synchronous_standby_names` | nothing is lost | nothing is lost, if that standby takes over |
//! | `synchronous_commit = on`, asynchronous standbys | nothing is lost | the commits that the standby has not received |
//! | `synchronous_commit = off` | the commits of the last three `wal_writer_delay` | those, and what the standby lacks |
//! | `fsync = off` | everything | what the standby lacks |
//!
//! With a synchronous standby, an administrator who cancels a commit that waits for it has the commit acknowledged
//! without. The store never cancels a statement. **A commit that is lost after its answer** means:
//!
//! * A code that was redeemed can be redeemed again, by who has its proofs.
//! * A refresh token that was rotated works again, and its successor is refused until then, so the client has to ask
//!   its person again. Whoever has the old token gets that same successor. From there the reuse alarm works as ever.
//! * **A grant that was revoked is alive again**, and a used identifier of a client assertion is unused.
//!
//! The same goes for a backup that is put back. After such a loss, end every grant of before with
//! [`Policy::with_not_before`](grantry_server::Policy::with_not_before), or end again by hand what the audit events
//! name.
//!
//! # PgBouncer and other poolers
//!
//! Every call is one statement, so that a pooler may give each transaction another connection. With one that knows
//! prepared statements (PgBouncer 1.21 or later with `max_prepared_statements`) nothing is to be set; otherwise set
//! [`Prepare::Never`]. Migrations are a transaction, and hold no lock longer than it.
//!
//! # Slow servers
//!
//! Nothing here is timed: set the timeouts of the pool, and `statement_timeout` on the role. A host may drop any
//! call. A commit that is dropped under way is carried out whole or not at all, as is one whose connection is lost,
//! [`Failure::ConnectionLost`]: the next request sees which.
//!
//! # Logs
//!
//! No error has a word of a row. The driver writes the parameters of statements to the log of the process at level
//! `debug`, and PostgreSQL to its own with `log_statement`: ids and names of people and clients, no token.
#![forbid(unsafe_code)]

mod columns;
mod error;
mod list;
mod schema;
mod statements;
mod store;
mod sweep;

pub use deadpool_postgres;
pub use tokio_postgres;

pub use error::{Failure, PostgresError, Work};
pub use schema::{MIGRATIONS, Migration, SchemaName, SchemaNameError};
pub use store::{PostgresStore, Prepare};
