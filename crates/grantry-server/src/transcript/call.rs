//! What was asked: the endpoint and its input, as it is written down.

use alloc::{string::String, vec::Vec};

use grantry_core::{ClientId, HttpRequest, Scope, UnixTime, base64url, form};
use serde::{Deserialize, Serialize};

use crate::event::Endpoint;
use crate::grant::{GrantId, Subject};
use crate::interaction::{Approval, Interaction, Sealed};
use crate::refuse::Refusal;
use crate::revoke_grant::Authority;

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Call {
    Authorize(RequestForm),
    Token { request: RequestForm, resource_owner: Option<ApprovalForm> },
    Revoke(RequestForm),
    Introspect(RequestForm),
    Push(RequestForm),
    DeviceAuthorization(RequestForm),
    UserInfo(RequestForm),
    EndSession(RequestForm),
    VerifyUserCode(String),
    Approve { interaction: InteractionForm, approval: ApprovalForm },
    Refuse { interaction: InteractionForm, refusal: RefusalForm },
    RevokeGrant { id: GrantId, authority: AuthorityForm },
}

/// A request, up to what no form may be longer than.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestForm {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl RequestForm {
    pub(super) fn of(request: &HttpRequest) -> Self {
        // A longer body is refused for its length, whatever stands in the rest of it.
        let body = request.body.get(..=form::MAX_BYTES).unwrap_or(&request.body);
        Self {
            method: request.method.clone(),
            target: request.target.clone(),
            headers: request.headers.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            body: Bytes::of(body),
        }
    }

    pub(super) fn read(&self) -> HttpRequest {
        let request = HttpRequest::new(self.method.as_str(), self.target.as_str());
        let with_header = |request: HttpRequest, (name, value): &(String, String)| {
            request.with_header(name.clone(), value.as_str())
        };
        self.headers.iter().fold(request, with_header).with_body(self.body.read())
    }
}

/// Bytes that a person can read where they are text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bytes {
    Text(String),
    Base64url(String),
}

impl Bytes {
    pub(super) fn of(bytes: &[u8]) -> Self {
        match core::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.into()),
            Err(_) => Self::Base64url(base64url::encode(bytes)),
        }
    }

    /// What is damaged reads as nothing: the replay differs then.
    pub(super) fn read(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Base64url(text) => base64url::decode(text).unwrap_or_default(),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct InteractionForm(#[serde(with = "Sealed")] pub(super) Interaction);

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct ApprovalForm(#[serde(with = "RemoteApproval")] pub(super) Approval);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Approval", deny_unknown_fields)]
struct RemoteApproval {
    subject: Subject,
    authenticated_at: UnixTime,
    narrowed: Option<Scope>,
    acr: Option<String>,
    amr: Vec<String>,
    sid: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct RefusalForm(#[serde(with = "RemoteRefusal")] pub(super) Refusal);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Refusal", rename_all = "snake_case")]
enum RemoteRefusal {
    AccessDenied,
    LoginRequired,
    ConsentRequired,
    AccountSelectionRequired,
    InteractionRequired,
    UnmetAuthenticationRequirements,
    ServerError,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct AuthorityForm(#[serde(with = "RemoteAuthority")] pub(super) Authority);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Authority", rename_all = "snake_case")]
enum RemoteAuthority {
    Subject(Subject),
    Client(ClientId),
    Operator,
}

impl Call {
    pub(super) const fn endpoint(&self) -> Endpoint {
        match self {
            Self::Authorize(_) | Self::Approve { .. } | Self::Refuse { .. } => Endpoint::Authorization,
            Self::Token { .. } => Endpoint::Token,
            Self::Revoke(_) => Endpoint::Revocation,
            Self::Introspect(_) => Endpoint::Introspection,
            Self::Push(_) => Endpoint::PushedAuthorizationRequest,
            Self::DeviceAuthorization(_) => Endpoint::DeviceAuthorization,
            Self::UserInfo(_) => Endpoint::UserInfo,
            Self::EndSession(_) => Endpoint::EndSession,
            Self::VerifyUserCode(_) => Endpoint::Verification,
            Self::RevokeGrant { .. } => Endpoint::Management,
        }
    }
}
