//! What happened, as a value for logs, counters and rate limits. It holds no credential.

use alloc::string::{String, ToString};
use core::fmt;

use grantry_core::{ClientId, ErrorCode};
use serde::{Serialize, Serializer};

use crate::denial::{Denial, Reason};
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
///
/// As JSON it is one flat object for a line of a log: `endpoint`, `kind` and `effect`, and where there is one
/// `client_id`, `subject`, `grant`, and of a refusal the `error` of the wire and the `reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Which endpoint decided.
    pub endpoint: Endpoint,
    /// What was decided.
    pub kind: EventKind,
    /// The client that the request named, proven or not.
    pub client_id: Option<ClientId>,
    /// The person whose grant it is, or who is said to ask for one.
    pub subject: Option<Subject>,
    /// The grant, once its handle and owner are proven; of an interaction, the one that its approval makes. So the
    /// request, the person's answer and the tokens are joined in a log.
    pub grant: Option<GrantId>,
    /// Why it was refused, if it was.
    pub denial: Option<Denial>,
    /// What was written.
    pub effect: Effect,
}

/// Where a request came in: what a rate limit counts by, beside the address that the host knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// The authorization endpoint, and the pages behind it.
    Authorization,
    /// The token endpoint.
    Token,
    /// The revocation endpoint.
    Revocation,
    /// The introspection endpoint.
    Introspection,
    /// Where requests are pushed.
    PushedAuthorizationRequest,
    /// Where devices begin.
    DeviceAuthorization,
    /// The page where user codes are typed.
    Verification,
    /// The userinfo endpoint.
    UserInfo,
    /// Where people log out.
    EndSession,
    /// A call of the host's own: a person or an administrator takes something back.
    Management,
}

/// What kind of decision an [`Event`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// An authorization request waits for a person.
    AuthorizationRequested,
    /// A person approved, and a code was given out.
    AuthorizationApproved,
    /// A person approved, and tokens were given out with the redirect.
    ImplicitlyIssued,
    /// A person or the host refused.
    AuthorizationRefused,
    /// A client pushed a request.
    RequestPushed,
    /// A device waits for a person.
    DeviceRequested,
    /// A user code was typed, and a device waits under it.
    DeviceFound,
    /// A person let a device in.
    DeviceApproved,
    /// A device asked whether the person has answered.
    DevicePolled,
    /// A device fetched its tokens.
    DeviceCodeRedeemed,
    /// A code was redeemed for tokens.
    CodeRedeemed,
    /// A refresh token was rotated.
    TokenRefreshed,
    /// A client got a token for itself.
    ClientTokenIssued,
    /// A person's password was accepted for tokens.
    PasswordAccepted,
    /// A used code or refresh token came back, and the grant was revoked for it.
    ReuseDetected,
    /// A grant was revoked on request.
    GrantRevoked,
    /// A client's own token, which has no record, was revoked on request.
    TokenRevoked,
    /// A revocation was asked for, and nothing was there to revoke: no token of this client, or a dead one.
    NothingRevoked,
    /// A token was looked up, and is active.
    TokenFoundActive,
    /// A token was looked up, and is not active, or not for this caller.
    TokenFoundInactive,
    /// A client learned who the person is.
    UserInfoRead,
    /// A person was sent to log out.
    LogoutRequested,
    /// A request was refused.
    RequestRefused,
}

/// What a decision wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// A grant was written.
    Written,
    /// An answer was repeated, and no grant written.
    Repeated,
    /// No more than a one-time identifier was noted: the `jti` of a client's assertion or of a revoked token.
    Noted,
    /// Nothing was written.
    Nothing,
}

impl Event {
    pub(crate) const fn new(endpoint: Endpoint, kind: EventKind, effect: Effect) -> Self {
        Self { endpoint, kind, client_id: None, subject: None, grant: None, denial: None, effect }
    }

    /// A request that was refused, and changed nothing.
    pub(crate) fn refused(endpoint: Endpoint, reason: Reason) -> Self {
        Self::new(endpoint, EventKind::RequestRefused, Effect::Nothing).denied(reason)
    }

    pub(crate) fn of_client(mut self, client_id: Option<&ClientId>) -> Self {
        self.client_id = client_id.cloned();
        self
    }

    pub(crate) fn of_subject(mut self, subject: Option<&Subject>) -> Self {
        self.subject = subject.cloned();
        self
    }

    /// For a grant that is not made yet.
    pub(crate) const fn of_grant_id(mut self, id: GrantId) -> Self {
        self.grant = Some(id);
        self
    }

    pub(crate) fn of_grant(mut self, grant: &Grant) -> Self {
        self.client_id = Some(grant.terms.client_id.clone());
        self.subject = grant.subject().cloned();
        self.grant = Some(grant.terms.id);
        self
    }

    pub(crate) fn denied(mut self, denial: impl Into<Denial>) -> Self {
        self.denial = Some(denial.into());
        self
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            endpoint: Endpoint,
            kind: EventKind,
            effect: Effect,
            #[serde(skip_serializing_if = "Option::is_none")]
            client_id: Option<&'a ClientId>,
            #[serde(skip_serializing_if = "Option::is_none")]
            subject: Option<&'a Subject>,
            #[serde(skip_serializing_if = "Option::is_none")]
            grant: Option<GrantId>,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<ErrorCode>,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<String>,
        }
        let Self { endpoint, kind, client_id, subject, grant, denial, effect } = self;
        let line = Line {
            endpoint: *endpoint,
            kind: *kind,
            effect: *effect,
            client_id: client_id.as_ref(),
            subject: subject.as_ref(),
            grant: *grant,
            error: denial.map(|denial| denial.code),
            reason: denial.map(|denial| denial.reason.to_string()),
        };
        line.serialize(serializer)
    }
}

impl<T> Reply<T> {
    pub(crate) const fn new(answer: T, event: Event) -> Self {
        Self { answer, event }
    }

    /// The same, once a one-time identifier is noted beside whatever else is written.
    pub(crate) const fn noted(mut self) -> Self {
        self.event.effect = match self.event.effect {
            Effect::Nothing | Effect::Noted => Effect::Noted,
            Effect::Written => Effect::Written,
            Effect::Repeated => Effect::Repeated,
        };
        self
    }
}

impl Effect {
    /// Returns a stable name for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Repeated => "repeated",
            Self::Noted => "noted",
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
            Self::ImplicitlyIssued => "implicitly_issued",
            Self::AuthorizationRefused => "authorization_refused",
            Self::RequestPushed => "request_pushed",
            Self::DeviceRequested => "device_requested",
            Self::DeviceFound => "device_found",
            Self::DeviceApproved => "device_approved",
            Self::DevicePolled => "device_polled",
            Self::DeviceCodeRedeemed => "device_code_redeemed",
            Self::CodeRedeemed => "code_redeemed",
            Self::TokenRefreshed => "token_refreshed",
            Self::ClientTokenIssued => "client_token_issued",
            Self::PasswordAccepted => "password_accepted",
            Self::ReuseDetected => "reuse_detected",
            Self::GrantRevoked => "grant_revoked",
            Self::TokenRevoked => "token_revoked",
            Self::NothingRevoked => "nothing_revoked",
            Self::TokenFoundActive => "token_found_active",
            Self::TokenFoundInactive => "token_found_inactive",
            Self::UserInfoRead => "userinfo_read",
            Self::LogoutRequested => "logout_requested",
            Self::RequestRefused => "request_refused",
        }
    }
}

impl Endpoint {
    /// Returns a stable name for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Token => "token",
            Self::Revocation => "revocation",
            Self::Introspection => "introspection",
            Self::PushedAuthorizationRequest => "pushed_authorization_request",
            Self::DeviceAuthorization => "device_authorization",
            Self::Verification => "verification",
            Self::UserInfo => "userinfo",
            Self::EndSession => "end_session",
            Self::Management => "management",
        }
    }
}

macro_rules! shown_by_name {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    )*};
}

shown_by_name!(Effect, EventKind, Endpoint);
