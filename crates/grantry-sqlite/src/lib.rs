//! An embedded store for `grantry-server` in one SQLite file: no server to install, one line to open.
//!
//! ```
//! # use grantry_core::{ClientId, Issuer, HttpRequest, Moment, SecretBytes, UnixTime};
//! # use grantry_server::{Authorization, Client, ClientAuthentication, HandleKey, Server};
//! use std::sync::Arc;
//!
//! use grantry_server::{MemoryClients, run};
//! use grantry_sqlite::SqliteStore;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let vectors: serde_json::Value = serde_json::from_str(include_str!("../../../tests/vectors/jws-sign.json"))?;
//! # let vectors = vectors["vectors"].as_array().unwrap();
//! # let jwk = vectors.iter().find(|v| v["alg"] == "RS256").unwrap()["jwk"].to_string();
//! # let signing_key = grantry_jwt::SigningKey::from_jwk(jwk.as_bytes())?.with_thumbprint_key_id();
//! # let handle_key = HandleKey::new(1, SecretBytes::from(vec![7; 32]))?;
//! # let server = Server::new(Issuer::parse("https://accounts.example")?, signing_key, handle_key)?;
//! # let app = Client::new(ClientId::parse("app")?, ClientAuthentication::None);
//! # let request = HttpRequest::new("GET", "/authorize?response_type=code&client_id=app");
//! # let folder = std::env::temp_dir().join(format!("grantry-sqlite-page-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let path = folder.join("grants.db");
//! let clients = Arc::new(MemoryClients::new([app]));
//! let store = SqliteStore::open(&path, Arc::clone(&clients))?;
//! let reply = run(&store, &server.authorize(&request), Moment::now()?)?;
//! # drop(store);
//! # std::fs::remove_dir_all(&folder)?;
//! # assert!(matches!(reply.answer, Authorization::Page(_)));
//! # Ok(())
//! # }
//! ```
//!
//! It keeps grants and one-time identifiers: no code, no token, and no digest of one, but the names of people. The
//! files have the permissions that the process gives new files. Registrations stay with the host, which names them
//! as [`Clients`](grantry_server::Clients). It has a database of its own, with its own `application_id`, and neither
//! shares tables nor opens another application's file.
//!
//! # Asynchronous hosts
//!
//! SQLite blocks, for microseconds when it reads and for a disk's flush when it commits. Carry the whole operation
//! through on a thread for blocking work, not each call of the store:
//!
//! ```text
//! async fn token<C>(store: Arc<SqliteStore<C>>, server: Arc<Server>, request: HttpRequest) -> HttpResponse
//! where
//!     C: Clients + 'static,
//! {
//!     let work = move || {
//!         let moment = Moment::now().map_err(|_| HttpResponse::new(503))?;
//!         let reply = run(&store, &server.token(&request), moment).map_err(|error| error.to_response())?;
//!         Ok(reply.answer.to_response())
//!     };
//!     let answer = tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(HttpResponse::new(503)));
//!     answer.unwrap_or_else(|unavailable| unavailable)
//! }
//! ```
//!
//! A client that goes away drops the future and not the work: the commit is made or not, and the next request sees
//! which. The crate needs no runtime.
//!
//! # One writer, several readers
//!
//! The database is in [write-ahead mode](https://www.sqlite.org/wal.html): reads go on while one commit is written,
//! and commits come one after another. Several processes on one machine may have the file open; each waits for the
//! others' commits, [`SqliteOptions::with_busy_timeout`] at most, then fails with [`Failure::Busy`], which is status
//! 503 and consumes nothing. **The file does not belong on NFS or another network file system**: write-ahead mode
//! needs memory that the processes share, and file locks that hold. When one machine is not enough, move to
//! another store.
//!
//! # What a commit costs, and what power failure takes
//!
//! [`Synchronous::Full`], the default, flushes the disk in every commit: tens of microseconds to milliseconds,
//! which is the most that one writer does. [`Synchronous::Normal`] flushes at checkpoints, and power failure takes
//! the last commits back. The end of the process takes nothing back, with either.
//!
//! # Growth
//!
//! Nothing is deleted by itself: call [`Sweep::sweep`](grantry_server::Sweep::sweep). Strangers can make records by pushed requests and
//! devices that ask, so [`SqliteOptions::with_max_bytes`] can bound the file; what would exceed it fails with
//! [`Failure::Full`], as on a full disk, and consumes nothing.
//!
//! # Backups
//!
//! A copy of the file of a running server is no backup: the last commits are in the write-ahead log beside it, and
//! [a process that opens and closes the file by other means drops its own locks](https://www.sqlite.org/howtocorrupt.html).
//! `VACUUM INTO 'copy.db'` from any SQLite shell makes a backup while the server runs. **A backup that is put back
//! takes revocations back, too**: grants that were ended since are alive, and refresh tokens that were rotated
//! work again. Start from it with
//! [`Policy::with_not_before`](grantry_server::Policy::with_not_before) at the moment of going back, which ends
//! every grant in it, or end again by hand what the audit events name.
#![forbid(unsafe_code)]

mod database;
mod error;
mod options;
mod readers;
mod rows;
mod schema;
mod sql;
mod store;
mod sweep;

pub use error::{Failure, SqliteError, Work};
pub use options::{SqliteOptions, Synchronous};
pub use store::SqliteStore;
