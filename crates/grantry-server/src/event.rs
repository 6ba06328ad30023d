//! What happened, as a value for logs, counters and rate limits. It holds no credential.

use grantry_core::ClientId;

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
    /// The grant, once its handle and owner are proven.
    pub grant: Option<GrantId>,
    /// Why it was refused, if it was.
    pub denial: Option<Denial>,
    /// Whether a record was written.
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
    /// A token was looked up.
    TokenIntrospected,
    /// A client learned who the person is.
    UserInfoRead,
    /// A person was sent to log out.
    LogoutRequested,
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
            Self::TokenIntrospected => "token_introspected",
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
