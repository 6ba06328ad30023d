//! The vectors of `jws-verify.json` and `jws-sign.json`, all of which AWS-LC has the algorithms for.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![expect(clippy::print_stdout, reason = "a skipped vector says so")]

#[path = "../../grantry-jwt/tests/common/backend_vectors.rs"]
mod backend_vectors;
#[path = "../../grantry-jwt/tests/common/mod.rs"]
mod common;

use grantry_aws_lc::AwsLc;

#[test]
fn rfc7515_5_2_every_vector_has_its_verdict() {
    assert_eq!(backend_vectors::verify_all(AwsLc), (214, Vec::new()));
}

#[test]
fn rfc7515_5_1_the_token_of_a_fixed_key_header_and_payload_is_fixed() {
    assert_eq!(backend_vectors::sign_all(AwsLc), (12, Vec::new()));
}
