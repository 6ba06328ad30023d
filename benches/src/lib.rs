//! What the benches share: the inputs, and figures that a noisy machine does not bend.
#![expect(clippy::expect_used, reason = "a bench that cannot run ends")]

extern crate alloc;

mod api;
mod counted;
mod crowd;
mod endpoint;
mod figures;
mod flow;
mod hosted;
mod memory;
mod parts;
mod peer_api;
mod peer_oauth_as;
mod peer_oxide_auth;
mod peers;
mod token;
mod tour;

pub use api::Api;
pub use counted::Counted;
pub use crowd::{Crowd, Turn};
pub use endpoint::{Call, Endpoint, Tokens};
pub use figures::{Better, Figures, interleaved, median};
pub use flow::{Flow, Seeds, client};
pub use hosted::Hosted;
pub use memory::Memory;
pub use parts::Parts;
pub use peer_api::{ApiByHand, HandClaims};
pub use peer_oauth_as::OauthAs;
pub use peer_oxide_auth::{OxideAuth, OxideRequest};
pub use peers::{Jsonwebtoken, JwtSimple, SimpleClaims};
pub use token::{AccessToken, BorrowedAccessToken, Key, now};
pub use tour::Tour;

/// Tells whether this is `cargo bench` and not the test that every bench runs.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a bench is told on its command line")]
pub fn is_measured() -> bool {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    has("--bench") && !has("--test")
}
