//! The private servers of the tests.
#![allow(dead_code, unused_imports, reason = "the tests use all of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot run ends"
)]
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a bench starts servers")]
#![allow(clippy::print_stdout, reason = "what is skipped is said by name")]

#[path = "../../../crates/grantry-postgres/tests/support/server.rs"]
pub(crate) mod postgres;
#[path = "../../../crates/grantry-server/tests/store_support/proxy.rs"]
pub(crate) mod proxy;
#[path = "../../../crates/grantry-redis/tests/support/server.rs"]
pub(crate) mod redis;
