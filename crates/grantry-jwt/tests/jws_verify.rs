//! Every vector of `jws-verify.json` whose algorithm the default backend has.
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

use backend_vectors::{Refusal, verify, verify_all};
use common::{text, vectors};
use grantry_jwt::{KeyError, Ring};

#[test]
fn rfc7515_5_2_every_vector_has_its_verdict() {
    let (ran, lacking) = verify_all(Ring);
    assert_eq!(lacking, ["JK-01.12", "JK-02.12", "JK-03.12", "JK-04.12", "JK-10", "JK-14"]);
    assert_eq!(ran, 208);
}

#[test]
fn jk_112_refused_keys_name_their_rule() {
    for (id, error) in [
        ("JK-46", KeyError::SecretTooShort),
        ("JK-48", KeyError::SecretTooShort),
        ("JK-51", KeyError::MissingMember),
        ("JK-53", KeyError::Modulus),
        ("JK-55", KeyError::Exponent),
        ("JK-77", KeyError::NotOnCurve),
        ("JK-80", KeyError::CurveLength),
        ("JK-86", KeyError::CurveLength),
        ("JK-96", KeyError::NotForOperation),
        ("JK-100", KeyError::NotForOperation),
        ("JK-102", KeyError::UnsupportedKeyType),
        ("JK-103", KeyError::MissingMember),
        ("JK-103.2", KeyError::MissingMember),
        ("JK-104", KeyError::MissingMember),
        ("JK-104.2", KeyError::MissingMember),
        ("JK-104.3", KeyError::MalformedMember),
    ] {
        let vectors = vectors(include_str!("../../../tests/vectors/jws-verify.json"));
        let vector = vectors.iter().find(|vector| text(vector, "id") == id).unwrap();
        assert_eq!(verify(vector, Ring), Err(Refusal::Key(error)), "{id}");
    }
}
