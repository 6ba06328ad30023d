//! The rules of a resource server, each test named after its rule.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

extern crate alloc;

mod access_cache;
mod bearer;
mod common;
mod fetched_keys;
mod guard;
mod introspection;
mod introspection_cache;
mod issuers;
mod metadata;
mod requirement;
mod signed_introspection;
