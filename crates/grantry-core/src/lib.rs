//! What every role of OAuth 2 needs and none of them owns.
//!
//! * [`Moment`] and [`UnixTime`]: time and randomness as arguments; [`SteadyClock`] counts what goes by.
//! * [`SecretString`] and [`SecretBytes`]: values that never print and are wiped.
//! * [`Scope`], [`CodeVerifier`] and [`CodeChallenge`]: the grammars of RFC 6749 and RFC 7636.
//! * [`form`], [`json`] and [`base64url`]: strict readers, each with named limits.
//! * [`ClientId`] and [`Issuer`]: the names of the two parties.
//! * [`HttpRequest`] and [`HttpResponse`]: plain values for any HTTP stack; [`bearer`] finds the token
//!   of a request, [`Challenge`] writes the `WWW-Authenticate` field, [`well_known_url`] says where metadata stands.
//! * [`ErrorCode`]: the registered error codes.
//!
//! It is not an HTTP library, has no clock of its own and does no I/O. [`Moment::now`], behind the
//! feature `std`, is the one function that reads the clock and the system's entropy.
//!
//! ```
//! use grantry_core::{Moment, Scope, UnixTime, CodeVerifier};
//!
//! let moment = Moment::new(UnixTime::from_secs(1_800_000_000), [7; 32]);
//! let verifier = CodeVerifier::generate(&moment);
//! assert!(verifier.challenge().verify(&verifier));
//!
//! let scope = Scope::parse("photos.read profile")?;
//! assert!(scope.contains("profile"));
//! # Ok::<(), grantry_core::ScopeError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod base64url;
mod basic;
pub mod bearer;
mod cache_control;
mod client_id;
mod error_code;
pub mod form;
mod http;
mod issuer;
pub mod json;
mod moment;
mod pkce;
mod scope;
mod secret;
mod steady_clock;
mod time;
mod well_known;
mod www_authenticate;

pub use basic::basic_credentials;
pub use client_id::{ClientId, ClientIdError};
pub use error_code::ErrorCode;
pub use http::{Headers, HttpRequest, HttpResponse};
pub use issuer::{Issuer, IssuerError, is_loopback};
pub use moment::Moment;
#[cfg(feature = "std")]
pub use moment::MomentError;
pub use pkce::{CodeChallenge, CodeChallengeError, CodeVerifier, CodeVerifierError};
pub use scope::{Scope, ScopeError};
pub use secret::{SecretBytes, SecretString};
pub use steady_clock::SteadyClock;
pub use time::UnixTime;
pub use well_known::well_known_url;
pub use www_authenticate::Challenge;
