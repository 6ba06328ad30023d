//! Every vector of `jws-sign.json`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(clippy::print_stdout, reason = "a skipped vector says so")]

#[path = "common/backend_vectors.rs"]
mod backend_vectors;
mod common;

use grantry_jwt::Ring;

#[test]
fn rfc7515_5_1_the_token_of_a_fixed_key_header_and_payload_is_fixed() {
    assert_eq!(backend_vectors::sign_all(Ring), (12, Vec::new()));
}
