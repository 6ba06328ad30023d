//! What the benches share: the inputs, and figures that a noisy machine does not bend.
#![expect(clippy::expect_used, reason = "a bench that cannot run ends")]

mod figures;
mod flow;
mod parts;
mod peers;
mod token;

pub use figures::{Better, Figures, interleaved};
pub use flow::{Flow, Grants};
pub use parts::Parts;
pub use peers::{Jsonwebtoken, JwtSimple, SimpleClaims};
pub use token::{AccessToken, BorrowedAccessToken, Key, now};

/// Tells whether this is `cargo bench` and not the test that every bench runs.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a bench is told on its command line")]
pub fn is_measured() -> bool {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    has("--bench") && !has("--test")
}
