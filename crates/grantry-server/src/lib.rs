//! The authorization server of OAuth 2 and OpenID Connect, as pure decisions.
//!
//! Every request becomes an [`Operation`]: a value that says what has to be read, and decides over
//! what was read. A decision is a reply, or a [`Commit`]: a change set with a reply that stays sealed
//! until the change set is applied. [`run`] and [`run_async`] carry any operation over any store.
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod answer;
mod approve;
mod authentication;
mod authorize;
mod client;
mod code_grant;
mod denial;
mod event;
mod grant;
mod handle;
mod interaction;
mod introspect;
mod issue;
#[cfg(feature = "std")]
mod memory;
mod metadata;
mod operation;
mod policy;
mod presented_token;
mod redirect_uri;
mod refresh_grant;
mod revoke;
mod run;
mod server;
mod store;
mod token;
mod transition;

pub use answer::{Page, Redirect};
pub use approve::{Approve, Approved, Refusal};
pub use authorize::{Authorization, Authorize, MAX_LOGIN_HINT_BYTES, MAX_NONCE_BYTES, MAX_STATE_BYTES};
pub use client::{Client, ClientAuthentication, GrantType, IntrospectionRight, SecretDigest};
pub use denial::{Denial, Reason};
pub use event::{Effect, Event, EventKind, Reply};
pub use grant::{Grant, GrantId, RecordError, Subject, SubjectError};
pub use handle::{HandleKey, HandleKeyError};
pub use interaction::{Approval, Interaction, Prompt, UnsealError};
pub use introspect::{ActiveToken, Introspect, Introspection};
pub use issue::{TokenAnswer, TokenResponse};
#[cfg(feature = "std")]
pub use memory::MemoryStore;
pub use metadata::{Metadata, OpenIdMetadata};
pub use operation::{
    Change, ChangeSet, ClaimId, Commit, Conflict, Decision, Lookup, Operation, Outcome, Records, Version,
    Versioned,
};
pub use policy::{AccessTokenFormat, Policy, RefreshTokens};
pub use redirect_uri::{ApplicationType, RedirectUri, RedirectUriError};
pub use revoke::{Revoke, Revoked};
pub use run::{MAX_ROUNDS, RunError, run, run_async};
pub use server::{Endpoints, Server, ServerError};
pub use store::{AsyncStore, SendStore, Store};
pub use token::Token;
