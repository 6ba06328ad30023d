//! The resource server of OAuth 2: from a request to [`Access`], or to a [`Rejection`] that says why.
//!
//! * Configure: [`Guard`] names the issuer, its keys and the audience, which is what tokens call this
//!   API.
//! * JWT access tokens: [`Guard::check`] finds the bearer token of a request
//!   ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)), checks it
//!   ([RFC 9068 section 4](https://www.rfc-editor.org/rfc/rfc9068#section-4)) and compares its scope.
//! * Opaque tokens: [`Guard::bearer_token`] finds one, [`Introspection`] makes the request that asks
//!   the authorization server and reads its answer
//!   ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)), and [`Guard::accept_introspected`] checks
//!   what it says.
//! * Answers: [`Access`] says who the token speaks for. Only a guard makes one, so a handler that
//!   takes an `Access` cannot be reached without the checks. [`Rejection`] is the response to send,
//!   and its [`Reason`] is for logs.
//!
//! It is not a middleware: the host hands in the request and sends the answer. It fetches no keys and
//! has no clock. A token bound to a key of its client (`cnf`) is refused, never taken as a bearer
//! token.
//!
//! ```
//! use grantry_core::{HttpRequest, Issuer, Scope, SecretBytes, UnixTime};
//! use grantry_jwt::{Algorithm, JwkSet, SigningKey};
//! use grantry_resource::{Guard, Subject};
//!
//! # let key = SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(vec![7; 32]))?;
//! # let token = key.sign_claims(Some("at+jwt"), &serde_json::json!({
//! #     "iss": "https://as.example", "aud": "https://api.example", "exp": 1_800_000_600,
//! #     "iat": 1_800_000_000, "jti": "1", "sub": "alice", "client_id": "photoprint",
//! #     "scope": "photos.read",
//! # }))?;
//! # let keys = JwkSet::from_keys([key.verifying_key()]);
//! let issuer = Issuer::parse("https://as.example")?;
//! let guard = Guard::new(issuer, "https://api.example", keys);
//! let now = UnixTime::from_secs(1_800_000_000);
//!
//! let request = HttpRequest::new("GET", "/photos").with_header("Authorization", format!("Bearer {token}"));
//! let access = guard.check(&request, &Scope::parse("photos.read")?, now)?;
//! assert_eq!(access.subject(), &Subject::User("alice".into()));
//!
//! let rejection = guard.check(&request, &Scope::parse("photos.write")?, now).unwrap_err();
//! assert_eq!(rejection.to_response().status, 403);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod access;
mod guard;
mod introspection;
mod rejection;

pub use access::{Access, Subject};
pub use guard::Guard;
pub use introspection::{EndpointError, Introspected, Introspection, IntrospectionError};
pub use rejection::{Reason, Rejection};
