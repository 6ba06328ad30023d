//! OAuth 2 and JWT for Rust frameworks: authorization server, client and resource server, without I/O.
#![no_std]

pub use grantry_core as core;
pub use grantry_jwt as jwt;

#[cfg(feature = "client")]
pub use grantry_client as client;
#[cfg(feature = "resource")]
pub use grantry_resource as resource;
#[cfg(feature = "server")]
pub use grantry_server as server;
