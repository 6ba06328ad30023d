//! What the store keeps, compares, lists, sweeps and refuses.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::std_instead_of_alloc,
    reason = "a test fails by panicking, and has the standard library, folders, threads and processes"
)]

mod commits;
mod failures;
mod listing;
mod opening;
mod racing;
mod scene;
mod sweeping;

#[path = "../../../grantry-server/tests/support/mod.rs"]
mod support;
