//! The client of OAuth 2 and OpenID Connect: a person is sent to a provider and comes back with tokens.
//!
//! * [`Client::authorize`] makes the URL and a [`Pending`], which the host keeps on its side;
//!   [`Client::push`] does by a request to the provider first.
//! * [`Client::callback`] checks what came back and makes a [`CodeExchange`]; where it comes in a POST,
//!   [`Client::form_post_callback`] does.
//! * [`CodeExchange`], [`ClientCredentials`], [`Refresh`], [`Revocation`], [`Introspection`] and
//!   [`UserInfoRequest`] each make an HTTP request as a plain value and read the answer to it.
//! * [`Tokens`] hold what the provider granted, with the ID token verified.
//! * [`TokenKeeper`] says when to refresh them, and a [`Session`] lets several processes share them.
//! * [`Client::device`] begins on a device without a browser, and a [`DeviceFlow`] polls.
//! * [`EndSession`] makes the URL where a person signs out.
//!
//! Every request carries the client's one [`ClientAuthentication`] and takes a [`Moment`](grantry_core::Moment)
//! of its own. For a key in a KMS each also has a form that waits for the signature, a [`RequestToSign`].
//!
//! Every check is on: PKCE with S256, `state`, `iss`, `nonce`, repeated parameters, the type of every
//! member, the ID token. What weakens one starts with `danger_`.
//!
//! It is not an HTTP client, not a session store and no web framework; it sends nothing and keeps
//! nothing. A request that gets no answer is an error of the host's HTTP client. An answer is an
//! error of one of three kinds: the provider refused ([`Refusal`]), the answer is none of the
//! protocol ([`ResponseError`]), or the ID token fails a check ([`IdTokenError`]).
//!
//! A whole login, with the provider's side written by hand:
//!
//! ```
//! use grantry_client::{AuthorizationRequest, Client, ClientAuthentication, Pending, Provider};
//! use grantry_core::{ClientId, HttpResponse, Issuer, Moment, Scope, SecretString, UnixTime};
//! use grantry_jwt::JwkSet;
//!
//! // Once: the provider's metadata and this client's registration.
//! let issuer = Issuer::parse("https://accounts.example")?;
//! let provider =
//!     Provider::new(issuer, "https://accounts.example/authorize", "https://accounts.example/token")?
//!         .with_jwks_uri("https://accounts.example/jwks.json")?
//!         .with_authorization_response_iss_parameter_supported();
//! let secret = ClientAuthentication::Basic(SecretString::from("gX1fBat3bV"));
//! let client =
//!     Client::new(provider, ClientId::parse("photoprint")?, secret, "https://photoprint.example/callback")?;
//!
//! // GET /login: send the browser away, and keep the flow in its session, on the server.
//! let moment = Moment::new(UnixTime::from_secs(1_800_000_000), [7; 32]); // Moment::now()? in a host
//! let request = AuthorizationRequest::new(Scope::parse("openid photos.read")?);
//! let (url, pending) = client.authorize(request, moment)?;
//! assert!(url.as_str().starts_with("https://accounts.example/authorize?response_type=code&"));
//! let mut session = Some(pending.to_json());
//!
//! // GET /callback: take the flow with this state out of the session, check the answer.
//! # let parameter = |name: &str| {
//! #     url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned()).unwrap()
//! # };
//! # let query = format!("code=SplxlOBe&state={}&iss=https%3A%2F%2Faccounts.example", parameter("state"));
//! let pending = Pending::from_json(session.take().ok_or("no flow")?.expose())?;
//! let exchange = client.callback(pending, &query, UnixTime::from_secs(1_800_000_005))?;
//!
//! // Send the request with any HTTP client, and hand in its answer with the provider's keys.
//! # let moment = Moment::new(UnixTime::from_secs(1_800_000_005), [8; 32]);
//! let request = exchange.request(moment)?; // Moment::now()? again: each request has its own
//! assert_eq!(request.target, "https://accounts.example/token");
//! # let file = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/jws-sign.json"));
//! # let file: serde_json::Value = serde_json::from_str(file)?;
//! # let jwk = &file["vectors"].as_array().unwrap().iter().find(|v| v["id"] == "JK-107.9").unwrap()["jwk"];
//! # let key = grantry_jwt::SigningKey::from_jwk(jwk.to_string().as_bytes())?;
//! # let id_token = key.sign_claims(None, &serde_json::json!({
//! #     "iss": "https://accounts.example", "sub": "248289761001", "aud": "photoprint",
//! #     "iat": 1_800_000_004, "exp": 1_800_000_604, "nonce": parameter("nonce"),
//! # }))?;
//! # let fetched = JwkSet::from_keys([key.verifying_key()]).to_json();
//! let keys = JwkSet::parse(fetched.as_bytes())?;
//! let answer = HttpResponse::new(200).with_header("Content-Type", "application/json").with_body(format!(
//!     r#"{{"access_token":"SlAV32hk","token_type":"Bearer","expires_in":3600,
//!         "refresh_token":"8xLOxBtZ","id_token":"{id_token}"}}"#
//! ));
//! let tokens = exchange.response(&answer, &keys, UnixTime::from_secs(1_800_000_005))?;
//! assert_eq!(tokens.id_token().map(|id_token| id_token.subject()), Some("248289761001"));
//! assert_eq!(tokens.expires_at(), Some(UnixTime::from_secs(1_800_003_605)));
//!
//! // An hour later.
//! let refresh = client.refresh(&tokens)?;
//! let answer = HttpResponse::new(200)
//!     .with_header("Content-Type", "application/json")
//!     .with_body(r#"{"access_token":"TlBN45jURg","token_type":"Bearer","refresh_token":"9yNOxJtZ"}"#);
//! let tokens = refresh.response(&answer, &keys, UnixTime::from_secs(1_800_003_600))?;
//! assert_eq!(tokens.refresh_token().map(SecretString::expose), Some("9yNOxJtZ"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod assertion;
mod authorization;
mod callback;
mod challenge;
mod client;
mod client_authentication;
mod client_credentials;
mod code_exchange;
mod device;
mod device_flow;
mod device_record;
mod discovery;
mod discovery_document;
mod discovery_policy;
mod discovery_state;
mod end_session;
mod endpoint;
mod id_token;
mod introspection;
mod keeper;
mod keeper_policy;
mod keeper_record;
mod member;
#[cfg(feature = "std")]
mod memory_sessions;
mod pending;
mod provider;
mod pushed;
mod redirect_uri;
mod refresh;
mod refresh_failure;
mod refresh_ticket;
mod refusal;
mod response;
mod retry_after;
mod revocation;
mod session;
mod session_store;
mod supported;
mod token_answer;
mod tokens;
mod tokens_record;
mod tolerance;
mod userinfo;
mod well_known;

pub use assertion::RequestToSign;
pub use authorization::{AuthorizationError, AuthorizationRequest, ResponseMode};
pub use callback::CallbackError;
pub use client::{Client, ClientError};
pub use client_authentication::{ClientAuthentication, RequestError};
pub use client_credentials::{ClientCredentials, ClientCredentialsError};
pub use code_exchange::CodeExchange;
pub use device::{DeviceRequest, DeviceRequestError};
pub use device_flow::{DeviceAdvice, DeviceError, DeviceFlow, DeviceTicket};
pub use device_record::DeviceFlowError;
pub use discovery::{Discovery, DiscoveryAdvice, DiscoveryError, DiscoveryTicket};
pub use discovery_document::DocumentError;
pub use discovery_policy::DiscoveryPolicy;
pub use discovery_state::DiscoveryStateError;
pub use end_session::{EndSession, EndSessionError, LogoutCallbackError, PendingLogout};
pub use endpoint::ProviderError;
pub use id_token::{IdToken, IdTokenError};
pub use introspection::{IntrospectError, Introspected, Introspection, IntrospectionError};
pub use keeper::{KeeperError, Obstacle, SessionEnd, TokenAdvice, TokenKeeper};
pub use keeper_policy::KeeperPolicy;
#[cfg(feature = "std")]
pub use memory_sessions::MemorySessionStore;
pub use pending::{Pending, PendingError};
pub use provider::Provider;
pub use pushed::{PushError, PushedAuthorization, PushedAuthorizationRequest};
pub use refresh::{Refresh, RefreshError};
pub use refresh_failure::SendFailure;
pub use refresh_ticket::{RefreshTicket, TicketError};
pub use refusal::Refusal;
pub use response::{BodyExcerpt, MAX_RESPONSE_BYTES, ResponseError};
pub use revocation::{Revocation, RevocationError, RevokeError};
pub use session::{MAX_SESSION_ROUNDS, Session, SessionError};
pub use session_store::{
    AsyncSessionStore, Revision, RevisionError, Saved, SendSessionStore, SessionRecord, SessionStore,
};
pub use token_answer::TokenError;
pub use tokens::Tokens;
pub use tokens_record::TokensError;
pub use tolerance::{IssuerTemplate, IssuerTemplateError, Quirk, Tolerance};
pub use userinfo::{AskUserInfoError, UserInfo, UserInfoError, UserInfoRequest};
pub use well_known::{WellKnown, WellKnownOrder};
