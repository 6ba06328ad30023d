//! The resource server of OAuth 2: from a request to [`Access`], or to a [`Rejection`] that says why.
//!
//! * Configure: [`Guard`] names the issuers, their keys and the audience, which is what tokens call this
//!   API. A [`Requirement`] says what one kind of request needs: a scope, or a login that is strong or young
//!   ([RFC 9470](https://www.rfc-editor.org/rfc/rfc9470)).
//! * JWT access tokens: [`Guard::check`] finds the bearer token of a request
//!   ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)), checks it
//!   ([RFC 9068 section 4](https://www.rfc-editor.org/rfc/rfc9068#section-4)) and compares what the request
//!   needs. [`Guard::check_in`] does so with an [`AccessCache`], and [`Guard::check_fetched`] with keys that
//!   the host fetches.
//! * Opaque tokens: [`Guard::bearer_token`] finds one, [`Introspection`] makes the request that asks
//!   the authorization server and reads its answer
//!   ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)), [`IntrospectionCache`] keeps it for a while, and
//!   [`Guard::accept_introspected`] checks what it says. [`SignedIntrospection`] takes signed answers alone
//!   ([RFC 9701](https://www.rfc-editor.org/rfc/rfc9701)).
//! * Answers: [`Access`] says who the token speaks for. Only a guard makes one, so a handler that
//!   takes an `Access` cannot be reached without the checks. [`Rejection`] is the response to send,
//!   and its [`Reason`] is for logs.
//! * Discovery: [`ResourceMetadata`] is the document that tells clients which authorization servers there are
//!   ([RFC 9728](https://www.rfc-editor.org/rfc/rfc9728)).
//!
//! It is not a middleware: the host hands in the request and sends the answer. It fetches no keys and
//! has no clock. A token bound to a key of its client (`cnf`) is refused, never taken as a bearer
//! token.
//!
//! ```
//! use grantry_core::{HttpRequest, Issuer, Scope, SecretBytes, UnixTime};
//! use grantry_jwt::{Algorithm, JwkSet, SigningKey};
//! use grantry_resource::{Guard, Requirement, Subject};
//!
//! # let key = SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(vec![7; 32]))?;
//! # let token = key.sign_claims(Some("at+jwt"), &serde_json::json!({
//! #     "iss": "https://as.example", "aud": "https://api.example", "exp": 1_800_000_600,
//! #     "iat": 1_800_000_000, "jti": "1", "sub": "alice", "client_id": "photoprint",
//! #     "scope": "photos.read", "groups": ["staff"],
//! # }))?;
//! # let keys = JwkSet::from_keys([key.verifying_key()]);
//! let issuer = Issuer::parse("https://as.example")?;
//! let guard = Guard::new(issuer, "https://api.example", keys);
//! let read = Requirement::scope(Scope::parse("photos.read")?);
//! let write = Requirement::scope(Scope::parse("photos.write")?);
//! let now = UnixTime::from_secs(1_800_000_000);
//!
//! let request = HttpRequest::new("GET", "/photos").with_header("Authorization", format!("Bearer {token}"));
//! let access = guard.check(&request, &read, now)?;
//! assert_eq!(access.subject(), &Subject::User("alice".into()));
//!
//! #[derive(serde::Deserialize)]
//! struct Claims {
//!     groups: Vec<String>,
//! }
//! assert_eq!(access.claims::<Claims>()?.groups, ["staff"]);
//!
//! let rejection = guard.check(&request, &write, now).unwrap_err();
//! assert_eq!(rejection.to_response().status, 403);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Keys that change
//!
//! An issuer changes its keys, and says so nowhere but in its key set. Here each issuer has a
//! [`JwksCache`](grantry_jwt::JwksCache) behind a lock that is held for a moment and never during a fetch; `send` does
//! the HTTP and gives up at [`FetchTicket::until`](grantry_jwt::FetchTicket::until). The same lines with `.await` behind
//! `send` make an asynchronous host. The [`AccessCache`] of a thread needs no lock.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Mutex;
//! use grantry_core::{HttpRequest, HttpResponse, Issuer, UnixTime};
//! use grantry_jwt::{JwksCache, Wanted};
//! use grantry_resource::{Access, AccessCache, Guard, Requirement, Verdict};
//! # use grantry_core::Scope;
//! # use grantry_jwt::{Algorithm, JwkSet, JwksPolicy, KeyLoader, SigningKey};
//!
//! fn access(
//!     (guard, jwks): (&Guard, &BTreeMap<Issuer, Mutex<JwksCache>>),
//!     (request, required): (&HttpRequest, &Requirement),
//!     cache: &mut AccessCache,
//!     now: impl Fn() -> UnixTime,
//!     send: impl Fn(HttpRequest) -> Option<HttpResponse>,
//! ) -> Result<Access, HttpResponse> {
//!     let advise = |issuer: &Issuer, wanted: Wanted<'_>| jwks[issuer].lock().unwrap().advise(wanted, now());
//!     loop {
//!         match guard.check_fetched(request, required, now(), cache, advise) {
//!             Verdict::Granted(access) => return Ok(access),
//!             Verdict::Rejected(rejection) => return Err(rejection.to_response()),
//!             Verdict::Unavailable { .. } => return Err(HttpResponse::new(503)),
//!             Verdict::Fetch { issuer, ticket } => {
//!                 let response = send(ticket.request());
//!                 let mut jwks = jwks[&issuer].lock().unwrap();
//!                 match response {
//!                     // Whatever it brought, the next round says what it means.
//!                     Some(response) => _ = jwks.handle_response(ticket, &response, now()),
//!                     None => jwks.handle_failure(ticket, now()),
//!                 }
//!             }
//!         }
//!     }
//! }
//! # let new_key = |key_id: &str| {
//! #     let loader = KeyLoader::default();
//! #     let private = loader.generate(Algorithm::EdDsa)?;
//! #     Ok::<_, grantry_jwt::KeyError>(loader.private(Algorithm::EdDsa, &private)?.with_key_id(key_id))
//! # };
//! # let (a, b) = (new_key("a")?, new_key("b")?);
//! # let issuer = Issuer::parse("https://as.example")?;
//! # let guard = Guard::new(issuer.clone(), "https://api.example", JwkSet::default());
//! # let uri = "https://as.example/jwks";
//! # let jwks = BTreeMap::from([(issuer, Mutex::new(JwksCache::new(uri, JwksPolicy::default())))]);
//! # let mut cache = AccessCache::new(64);
//! # let mut status = |key: &SigningKey, now: u64, response: Option<HttpResponse>| {
//! #     let token = key.sign_claims("at+jwt", &serde_json::json!({
//! #         "iss": "https://as.example", "aud": "https://api.example", "exp": 1_800_001_000,
//! #         "iat": 1_800_000_000, "jti": "1", "sub": "alice", "client_id": "photoprint",
//! #     })).unwrap();
//! #     let request = HttpRequest::new("GET", "/").with_header("Authorization", format!("Bearer {token}"));
//! #     let now = || UnixTime::from_secs(1_800_000_000 + now);
//! #     let required = Requirement::none();
//! #     access((&guard, &jwks), (&request, &required), &mut cache, now, |_| response.clone())
//! #         .map_or_else(|response| response.status, |_| 200)
//! # };
//! # let set = |keys: &[&SigningKey]| {
//! #     let set = JwkSet::from_keys(keys.iter().map(|key| key.verifying_key()));
//! #     Some(HttpResponse::new(200).with_body(set.to_json()))
//! # };
//! # assert_eq!(status(&a, 0, None), 503);
//! # assert_eq!(status(&a, 9, set(&[&a])), 200);
//! # assert_eq!(status(&a, 9, None), 200);
//! # assert_eq!(status(&b, 9, None), 401);
//! # assert_eq!(status(&b, 60, set(&[&a, &b])), 200);
//! # // The age is over and the issuer is away: what is held still serves.
//! # assert_eq!(status(&b, 700, Some(HttpResponse::new(500))), 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod access;
mod access_cache;
mod check;
mod credentials;
mod guard;
mod introspected;
mod introspection;
mod introspection_cache;
mod keys;
mod metadata;
mod rejection;
mod remembered;
mod requirement;
mod signed_introspection;
mod trusted;

pub use access::{Access, Subject};
pub use access_cache::AccessCache;
pub use credentials::Credentials;
pub use guard::Guard;
pub use introspected::Introspected;
pub use introspection::{EndpointError, Introspection, IntrospectionError};
pub use introspection_cache::IntrospectionCache;
pub use keys::Verdict;
pub use metadata::{ResourceError, ResourceMetadata};
pub use rejection::{Reason, Rejection};
pub use requirement::Requirement;
pub use signed_introspection::SignedIntrospection;
