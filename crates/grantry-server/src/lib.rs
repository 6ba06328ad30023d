//! The authorization server of OAuth 2 and OpenID Connect, as pure decisions.
//!
//! Every request becomes an [`Operation`]: a value that says what has to be read, and decides over
//! what was read. A decision is a reply, or a [`Commit`]: a change set with a reply that stays sealed
//! until the change set is applied. [`run`] and [`run_async`] carry any operation over any store.
//!
//! * Configure: [`Server`], [`Policy`], [`Endpoints`], [`HandleKey`]; register: [`Client`],
//!   [`RedirectUri`].
//! * Endpoints for browsers: [`Server::authorize`], [`Server::approve`], [`Server::refuse`],
//!   [`Server::verify_user_code`], [`Server::end_session`].
//! * Endpoints for clients: [`Server::token`], [`Server::push`], [`Server::device_authorization`],
//!   [`Server::revoke`], [`Server::introspect`], [`Server::userinfo`], [`Server::metadata_response`],
//!   [`Server::jwk_set_response`].
//! * Keys outside of the process: [`IssuerKey`], [`Decision::Sign`], [`run_with_signer`].
//! * Between pages: [`Interaction`], [`Server::seal`], [`Server::unseal`].
//! * Taking it back: [`Server::revoke_grant`], [`GrantList`], [`revoke_all`].
//! * Stores: [`Store`], [`SendStore`], [`AsyncStore`], [`MemoryStore`]; what they keep: [`Grant`]. Its
//!   moves are [one table](life_of_a_grant). Where they find registrations: [`Clients`].
//! * A cache in front: [`Cached`], [`GrantCache`], [`SendGrantCache`], [`MemoryCache`].
//! * Letting go: [`Sweep`], and [`Swept`] with when to come back. A host's own store is checked by the module
//!   `conformance`, behind the feature of that name.
//! * Looking back: [`record`] and [`Transcript`].
//! * Answers: [`Reply`] with its [`Event`], [`Denial`] with its [`Reason`].
//!
//! It is not an HTTP server and shows no page: the host hands requests in, stores records, lets
//! people log in, and sends the answers.
//!
//! ```
//! use grantry_core::{ClientId, HttpRequest, Issuer, Moment, Scope, SecretBytes, UnixTime};
//! use grantry_server::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let vectors: serde_json::Value = serde_json::from_str(include_str!("../../../tests/vectors/jws-sign.json"))?;
//! # let vectors = vectors["vectors"].as_array().unwrap();
//! # let jwk = vectors.iter().find(|v| v["alg"] == "RS256").unwrap()["jwk"].to_string();
//! # let signing_key = grantry_jwt::SigningKey::from_jwk(jwk.as_bytes())?.with_thumbprint_key_id();
//! # let (seed, other_seed) = ([1; 32], [2; 32]);
//! let issuer = Issuer::parse("https://accounts.example")?;
//! let handle_key = HandleKey::new(1, SecretBytes::from(vec![7; 32]))?;
//! let server = Server::new(issuer, signing_key, handle_key)?;
//! let app = Client::new(ClientId::parse("app")?, ClientAuthentication::None)
//!     .with_redirect_uri(RedirectUri::register("https://app.example/cb", ApplicationType::Web)?)
//!     .with_scope(Scope::parse("photos.read")?);
//! let store = MemoryStore::new([app]);
//!
//! // A browser arrives. Everything that can be checked without the person is checked.
//! let request = HttpRequest::new("GET", "/authorize?response_type=code&client_id=app&scope=photos.read\
//!     &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256");
//! let now = UnixTime::from_secs(1_800_000_000); // a host uses `Moment::now()`
//! let reply = run(&store, &server.authorize(&request), Moment::new(now, seed))?;
//! let Authorization::Interact(interaction) = reply.answer else { panic!("not a good request") };
//! assert_eq!(interaction.scope().to_string(), "photos.read");
//!
//! // Alice logs in and agrees; a grant is stored, and her browser takes the code back.
//! let approval = Approval::new(Subject::parse("alice")?, now);
//! let reply = run(&store, &server.approve(*interaction, approval), Moment::new(now, other_seed))?;
//! let Answered::Redirect(redirect) = reply.answer else { panic!("the client is gone") };
//! assert!(redirect.url().expose().starts_with("https://app.example/cb?code=grc_"));
//! # Ok(())
//! # }
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[doc = include_str!("transition.md")]
pub mod life_of_a_grant {}

mod access_token;
mod answer;
mod approve;
mod assertion_keys;
mod authentication;
mod authorization_request;
mod authorize;
mod cache;
mod claim_release;
mod claims;
mod claims_request;
mod client;
mod client_assertion;
mod client_authentication;
mod client_grant;
mod clients;
mod code_grant;
#[cfg(feature = "conformance")]
pub mod conformance;
mod decision;
mod decoy_keys;
mod denial;
mod device_authorization;
mod device_grant;
mod direct_grant;
mod end_session;
mod event;
mod grant;
mod grant_list;
mod grant_record;
mod handle;
mod id_token;
mod id_token_hint;
mod interaction;
mod introspect;
mod issue;
#[cfg(feature = "std")]
mod memory;
mod metadata;
mod operation;
mod password_grant;
mod policy;
mod presented_token;
mod pushed_request;
mod redirect_uri;
mod refresh_grant;
mod refuse;
mod revoke;
mod revoke_grant;
mod run;
mod server;
mod signing;
mod stateless_token;
mod store;
mod sweep;
mod token;
mod transcript;
mod transition;
mod user_code;
mod userinfo;
mod verification;

pub use answer::{Page, Redirect};
pub use approve::{Answered, Approve};
pub use assertion_keys::{AssertionKeys, AssertionSecret};
pub use authorization_request::{
    MAX_ACR_VALUES_BYTES, MAX_LOGIN_HINT_BYTES, MAX_NONCE_BYTES, MAX_STATE_BYTES,
};
pub use authorize::{Authorization, Authorize};
#[cfg(feature = "std")]
pub use cache::MemoryCache;
pub use cache::{AsyncGrantCache, Cached, GrantCache, SendGrantCache};
pub use claim_release::claims_of_scope;
pub use claims::{Claims, ClaimsError};
pub use claims_request::ClaimsRequest;
pub use client::{Client, ClientRecordError, GrantType, IntrospectionRight};
pub use client_assertion::{
    ASSERTION_LEEWAY, MAX_ASSERTION_BYTES, MAX_ASSERTION_ID_BYTES, MAX_ASSERTION_LIFETIME,
};
pub use client_authentication::{ClientAuthentication, SecretDigest};
#[cfg(feature = "std")]
pub use clients::MemoryClients;
pub use clients::{Clients, ClientsUnavailable};
pub use decision::{Change, ChangeSet, ClaimId, Commit, Conflict, Decision, Outcome, SignRequest, Signature};
pub use denial::{Denial, Reason};
pub use device_authorization::{DeviceAnswer, DeviceAuthorization, DeviceResponse};
pub use end_session::{EndSession, Logout, MAX_UI_LOCALES_BYTES, SessionEnd};
pub use event::{Effect, Endpoint, Event, EventKind, Reply};
pub use grant::{Grant, GrantId, Subject, SubjectError};
pub use grant_list::{
    AsyncGrantList, GrantList, GrantsOf, MAX_LISTED_GRANTS, SendGrantList, revoke_all, revoke_all_async,
};
pub use grant_record::RecordError;
pub use handle::{HandleKey, HandleKeyError};
pub use interaction::{Approval, Interaction, Prompt, UnsealError};
pub use introspect::{ActiveToken, Introspect, Introspection};
pub use issue::{TokenAnswer, TokenResponse};
#[cfg(feature = "std")]
pub use memory::{MemoryMetrics, MemoryStore, MemoryStoreFull};
pub use metadata::{Metadata, OpenIdMetadata};
pub use operation::{Lookup, Operation, Records, Version, Versioned};
pub use password_grant::ResourceOwnerCredentials;
pub use policy::{AccessTokenFormat, AssertionAudience, Policy, RefreshTokens};
pub use pushed_request::{MAX_PUSHED_REQUEST_BYTES, Push, Pushed, PushedResponse};
pub use redirect_uri::{ApplicationType, RedirectUri, RedirectUriError};
pub use refuse::{Refusal, Refuse};
pub use revoke::{Revoke, Revoked};
pub use revoke_grant::{Authority, Revocation, RevokeGrant};
pub use run::{
    AsyncSigner, MAX_ROUNDS, NoSigner, RunError, SendSigner, Signer, run, run_async, run_async_with_signer,
    run_with_signer,
};
pub use server::{Endpoints, Server, ServerError};
pub use signing::IssuerKey;
pub use store::{AsyncStore, SendStore, Store};
pub use sweep::{AsyncSweep, SendSweep, Sweep, Swept};
pub use token::Token;
pub use transcript::{
    Difference, Recorded, Recording, RedactError, ReplayError, Replayed, Transcript, TranscriptError, record,
    record_async, record_async_with_signer, record_with_signer,
};
pub use userinfo::{PersonalClaims, UserInfo, UserInfoAnswer};
pub use verification::{Verification, VerifyUserCode};
