//! The rules of a resource server, each test named after its rule.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

mod bearer;
mod common;
mod guard;
mod introspection;
