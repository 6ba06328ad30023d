//! Fuzz targets: each body takes any bytes and asserts one invariant of the public API.
//!
//! `fuzz_targets/NAME.rs` hands the body to libFuzzer. On stable the same bodies run as tests, over
//! `seeds/NAME` and a fixed number of mutations of it.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod begun;
mod claims;
mod client;
mod edit;
mod fixture;
mod handles;
mod jwks_cache;
mod jws;
mod jwt_differential;
mod key_material;
mod key_ring;
mod key_set;
mod keys;
mod life;
mod machines;
mod reading;
mod requests;
mod resource;
#[cfg(test)]
mod tests;
mod token_cache;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use libfuzzer_sys;

macro_rules! targets {
    ($($area:ident: $($name:ident)*;)*) => {
        $($(pub use $area::$name;)*)*

        /// Every target: its name and its body.
        pub const TARGETS: &[(&str, fn(&[u8]))] = &[$($((stringify!($name), $name),)*)*];

        #[cfg(test)]
        mod target {
            $($(#[test] fn $name() { crate::tests::seeds_and_mutations(stringify!($name), crate::$name) })*)*
        }
    };
}

targets! {
    reading: form scope json base64url;
    jws: jws;
    claims: claims;
    token_cache: token_cache;
    jwt_differential: jwt_differential;
    key_material: key_jwk key_der key_pem;
    key_set: jwk_set;
    key_ring: key_ring;
    jwks_cache: jwks_cache;
    requests: authorization_request token_request basic redirect_uri;
    handles: handle sealed_interaction grant_record;
    begun: user_code device_request pushed_request;
    life: grant_life;
    client: callback token_response pending;
    machines: discovery_document token_keeper device_flow;
    resource: guard introspection_response;
}

/// Makes the binary of a target: for libFuzzer under cargo-fuzz, else one that runs the files that it is
/// given, to look at a crash with stable tools.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$name(data));
        #[cfg(not(fuzzing))]
        fn main() {
            $crate::replay($crate::$name);
        }
    };
}

/// Runs a body on every file named on the command line.
#[expect(clippy::disallowed_methods, reason = "a tool of developers, not a library")]
pub fn replay(body: fn(&[u8])) {
    for path in std::env::args().skip(1) {
        body(&std::fs::read(path).expect("a file to run"));
    }
}
