//! One login, watched from all sides.
//!
//! Three sites on loopback sockets: the accounts site (authorization server), PhotoPrint (client)
//! and the photos API (resource server). PhotoPrint gets a person's photos and never sees the
//! person's password.
//!
//! * [`Sites::open`] wires them: read it to see what each role is configured with.
//! * `accounts`, `shop` and `photos_api` are the three sites, each a router over grantry's values.
//! * [`tour`](tour::walk) walks the whole flow over the same sockets and checks every step.
//!
//! It is an example and not a product. A product has `https`, cookies that are `Secure`, a store that
//! outlives a restart, and a limit on wrong passwords.
#![expect(clippy::std_instead_of_alloc, reason = "an application takes what std offers")]

mod accounts;
mod landscape;
mod narrator;
mod photos_api;
mod sessions;
mod shop;
mod sites;
pub mod tour;
mod web;

pub use narrator::Narrator;
pub use sites::{Sites, StartError};
