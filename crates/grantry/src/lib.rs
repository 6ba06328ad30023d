//! OAuth 2 and JWT for Rust frameworks: authorization server, client and resource server, without
//! I/O.
//!
//! This crate is the front door. It names the others by role:
//!
//! * [`server`]: the authorization server, which lets people grant and clients redeem.
//! * [`client`]: the client, which sends people there and gets tokens.
//! * [`resource`]: the resource server, which checks the tokens that come with requests.
//! * [`jwt`]: JWS, JWT and key sets, useful on their own.
//! * [`core`]: the vocabulary they share.
//!
//! It is not an HTTP server or client, a database or a login page; those are the host's. The
//! [guide] says how the parts fit together and what a host has to do.
//!
//! The shortest use is a resource server that checks a token:
//!
//! ```
//! use grantry::core::{HttpRequest, Issuer, Scope, UnixTime};
//! use grantry::jwt::JwkSet;
//! use grantry::resource::{Guard, Requirement};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = JwkSet::parse(br#"{"keys":[]}"#)?; // what the server's jwks_uri answers
//! let issuer = Issuer::parse("https://accounts.example")?;
//! let guard = Guard::new(issuer, "https://photos.example", keys);
//!
//! let request = HttpRequest::new("GET", "/photos");
//! let read = Requirement::scope(Scope::parse("photos.read")?);
//! let rejection = guard.check(&request, &read, UnixTime::from_secs(0)).unwrap_err();
//! assert_eq!(rejection.to_response().status, 401);
//! # Ok(())
//! # }
//! ```
#![no_std]
#![forbid(unsafe_code)]

pub use grantry_core as core;
pub use grantry_jwt as jwt;

#[cfg(feature = "client")]
pub use grantry_client as client;
#[cfg(feature = "resource")]
pub use grantry_resource as resource;
#[cfg(feature = "server")]
pub use grantry_server as server;

#[doc = include_str!("guide.md")]
#[cfg(all(feature = "server", feature = "std"))]
pub mod guide {}

/// The example of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
