//! What happened, as a value for logs, counters and rate limits. It holds no credential.

use grantry_core::ClientId;

use crate::denial::Denial;
use crate::grant::{Grant, GrantId, Subject};

/// An answer beside the audit event that goes with it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reply<T> {
    /// What to answer.
    pub answer: T,
    /// What happened.
    pub event: Event,
}

/// One decision of the server. It is free of codes, tokens and secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// What was decided.
    pub kind: EventKind,
    /// The client that the request named, proven or not.
    pub client_id: Option<ClientId>,
    /// The person whose grant it is.
    pub subject: Option<Subject>,
    /// The grant, once its handle and owner are proven.
    pub grant: Option<GrantId>,
    /// Why it was refused, if it was.
    pub denial: Option<Denial>,
    /// Whether a record was written.
    pub effect: Effect,
}

/// What kind of decision an [`Event`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// An authorization request waits for a person.
    AuthorizationRequested,
    /// A person approved, and a code was given out.
    AuthorizationApproved,
    /// A person or the host refused.
    AuthorizationRefused,
    /// A code was redeemed for tokens.
    CodeRedeemed,
    /// A refresh token was rotated.
    TokenRefreshed,
    /// A used code or refresh token came back, and the grant was revoked for it.
    ReuseDetected,
    /// A grant was revoked on request.
    GrantRevoked,
    /// A token was looked up.
    TokenIntrospected,
    /// A request was refused.
    RequestRefused,
}

/// Whether a decision changed a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// A record was written.
    Written,
    /// An answer was repeated, and nothing written.
    Repeated,
    /// Nothing was written.
    Nothing,
}

impl Event {
    pub(crate) const fn new(kind: EventKind, effect: Effect) -> Self {
        Self { kind, client_id: None, subject: None, grant: None, denial: None, effect }
    }

    pub(crate) fn of_client(mut self, client_id: Option<&ClientId>) -> Self {
        self.client_id = client_id.cloned();
        self
    }

    pub(crate) fn of_grant(mut self, grant: &Grant) -> Self {
        self.client_id = Some(grant.client_id.clone());
        self.subject = Some(grant.subject.clone());
        self.grant = Some(grant.id);
        self
    }

    pub(crate) fn denied(mut self, denial: impl Into<Denial>) -> Self {
        self.denial = Some(denial.into());
        self
    }
}

impl<T> Reply<T> {
    pub(crate) const fn new(answer: T, event: Event) -> Self {
        Self { answer, event }
    }
}

impl Effect {
    /// Returns a stable name for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Repeated => "repeated",
            Self::Nothing => "nothing",
        }
    }
}

impl EventKind {
    /// Returns a stable name for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationRequested => "authorization_requested",
            Self::AuthorizationApproved => "authorization_approved",
            Self::AuthorizationRefused => "authorization_refused",
            Self::CodeRedeemed => "code_redeemed",
            Self::TokenRefreshed => "token_refreshed",
            Self::ReuseDetected => "reuse_detected",
            Self::GrantRevoked => "grant_revoked",
            Self::TokenIntrospected => "token_introspected",
            Self::RequestRefused => "request_refused",
        }
    }
}
