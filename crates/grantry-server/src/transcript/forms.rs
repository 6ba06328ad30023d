//! What was read, written and answered, as it is written down.

use alloc::{string::String, string::ToString, vec::Vec};

use grantry_core::{ClientId, HttpResponse, UnixTime, base64url};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ReplayError;
use super::call::{Bytes, InteractionForm};
use crate::approve::Answered;
use crate::authorize::Authorization;
use crate::claims::Claims;
use crate::client::ClientForm;
use crate::decision::{Change, ChangeSet, ClaimId, Outcome, Signature};
use crate::device_authorization::DeviceAnswer;
use crate::end_session::SessionEnd;
use crate::event::{Effect, EventKind, Reply};
use crate::grant::{Grant, Subject};
use crate::introspect::Introspection;
use crate::issue::TokenAnswer;
use crate::operation::{Records, Version};
use crate::pushed_request::Pushed;
use crate::revoke::Revoked;
use crate::revoke_grant::Revocation;
use crate::userinfo::UserInfoAnswer;
use crate::verification::Verification;

/// One round: what was read, signed and written, and what came of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Round {
    /// `None` when the store failed.
    pub(super) records: Option<RecordsForm>,
    pub(super) signatures: Vec<SignatureForm>,
    pub(super) commit: Option<CommitForm>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommitForm {
    pub(super) changes: Vec<ChangeForm>,
    pub(super) outcome: OutcomeForm,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OutcomeForm {
    Applied,
    Conflict,
    /// The store failed.
    Failed,
}

impl OutcomeForm {
    pub(super) const fn of(outcome: Option<Outcome>) -> Self {
        match outcome {
            Some(Outcome::Applied) => Self::Applied,
            Some(Outcome::Conflict) => Self::Conflict,
            None => Self::Failed,
        }
    }
}

#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordsForm {
    pub(super) client: FoundClient,
    pub(super) grant: Option<FoundGrant>,
    pub(super) claim_seen: bool,
    pub(super) assertion_seen: bool,
    pub(super) subject_suspended: bool,
    pub(super) user_claims: Option<(Subject, Map<String, Value>)>,
    pub(super) access_token_claims: Map<String, Value>,
}

#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "a transcript holds few")]
pub(super) enum FoundClient {
    #[default]
    None,
    Registered(ClientForm),
    /// Its registration holds a secret, and is left out.
    LeftOut,
}

/// The record as the bytes that the store keeps, and its version.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FoundGrant {
    pub(super) record: String,
    pub(super) version: u64,
}

impl FoundGrant {
    pub(super) fn of(grant: &Grant, version: Version) -> Self {
        Self { record: base64url::encode(grant.to_bytes()), version: version.as_number() }
    }

    pub(super) fn read(&self) -> Result<Grant, ReplayError> {
        let bytes = base64url::decode(&self.record).map_err(|_| ReplayError::Record)?;
        Grant::from_bytes(&bytes).map_err(|_| ReplayError::Record)
    }
}

impl RecordsForm {
    pub(super) fn of(records: &Records) -> Self {
        Self {
            client: match &records.client {
                None => FoundClient::None,
                Some(client) => ClientForm::of(client).map_or(FoundClient::LeftOut, FoundClient::Registered),
            },
            grant: records.grant.as_ref().map(|found| FoundGrant::of(&found.grant, found.version)),
            claim_seen: records.claimed,
            assertion_seen: records.assertion_claimed,
            subject_suspended: records.suspended,
            user_claims: records
                .user_claims
                .as_ref()
                .map(|(subject, claims)| (subject.clone(), claims.members().clone())),
            access_token_claims: records.access_token_claims.members().clone(),
        }
    }

    pub(super) fn read(&self) -> Result<Records, ReplayError> {
        let mut records = Records::new();
        match &self.client {
            FoundClient::None => {}
            FoundClient::Registered(client) => {
                records = records.with_client(client.read().map_err(|_| ReplayError::Record)?);
            }
            FoundClient::LeftOut => return Err(ReplayError::SharedSecret),
        }
        if let Some(found) = &self.grant {
            records = records.with_grant(found.read()?, Version::from_number(found.version));
        }
        records.claimed = self.claim_seen;
        records.assertion_claimed = self.assertion_seen;
        records.suspended = self.subject_suspended;
        let claims = |members: &Map<_, _>| Claims::new(members.clone()).map_err(|_| ReplayError::Record);
        if let Some((subject, members)) = &self.user_claims {
            records = records.with_user_claims(subject.clone(), claims(members)?);
        }
        Ok(records.with_access_token_claims(claims(&self.access_token_claims)?))
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SignatureForm {
    Jose(String),
    Der(String),
}

impl SignatureForm {
    pub(super) fn of(signature: &Signature) -> Self {
        match signature {
            Signature::Jose(bytes) => Self::Jose(base64url::encode(bytes)),
            Signature::Der(bytes) => Self::Der(base64url::encode(bytes)),
        }
    }

    /// What is damaged verifies nowhere.
    pub(super) fn read(&self) -> Signature {
        match self {
            Self::Jose(text) => Signature::Jose(base64url::decode(text).unwrap_or_default()),
            Self::Der(text) => Signature::Der(base64url::decode(text).unwrap_or_default()),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum ChangeForm {
    Put { expected: Option<u64>, record: String },
    Claim { id: String, until: UnixTime },
}

pub(super) fn changes(changes: &ChangeSet) -> Vec<ChangeForm> {
    let form = |change: &Change| match change {
        Change::Put { expected, grant } => ChangeForm::Put {
            expected: expected.map(Version::as_number),
            record: base64url::encode(grant.to_bytes()),
        },
        Change::Claim { id, until } => {
            ChangeForm::Claim { id: base64url::encode(ClaimId::as_bytes(id)), until: *until }
        }
    };
    changes.iter().map(form).collect()
}

/// What came out. A run that failed has status 503 and no event.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Told {
    pub(super) event: Option<EventForm>,
    pub(super) answer: AnswerForm,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventForm {
    pub(super) kind: String,
    pub(super) effect: String,
    /// The text of the rule, if it was refused.
    pub(super) rule: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "a transcript holds one")]
pub(super) enum AnswerForm {
    Response {
        status: u16,
        headers: Vec<(String, String)>,
        body: Bytes,
    },
    Interaction(InteractionForm),
    Logout {
        client: Option<ClientId>,
        subject: Option<Subject>,
        sid: Option<String>,
        redirect: Option<String>,
    },
    GrantRevoked,
    GrantUnknown,
}

impl Told {
    pub(super) fn of<A: Answer>(reply: &Reply<A>) -> Self {
        let Reply { answer, event } = reply;
        let (kind, effect) = (EventKind::as_str(event.kind).into(), Effect::as_str(event.effect).into());
        let rule = event.denial.map(|denial| denial.reason.to_string());
        Self { event: Some(EventForm { kind, effect, rule }), answer: answer.form() }
    }

    pub(super) fn failed(response: &HttpResponse) -> Self {
        Self { event: None, answer: AnswerForm::response(response) }
    }
}

impl AnswerForm {
    fn response(response: &HttpResponse) -> Self {
        let headers = response.headers.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self::Response { status: response.status, headers, body: Bytes::of(&response.body) }
    }
}

/// An answer that can be written down.
pub(super) trait Answer {
    fn form(&self) -> AnswerForm;
}

macro_rules! answers_with_a_response {
    ($($answer:ty),*) => {$(
        impl Answer for $answer {
            fn form(&self) -> AnswerForm {
                AnswerForm::response(&self.to_response())
            }
        }
    )*};
}

answers_with_a_response!(Answered, TokenAnswer, Revoked, Introspection, Pushed, DeviceAnswer, UserInfoAnswer);

impl Answer for Authorization {
    fn form(&self) -> AnswerForm {
        match self {
            Self::Page(page) => AnswerForm::response(&page.to_response()),
            Self::Redirect(redirect) => AnswerForm::response(&redirect.to_response()),
            Self::Interact(interaction) => AnswerForm::Interaction(InteractionForm((**interaction).clone())),
        }
    }
}

impl Answer for Verification {
    fn form(&self) -> AnswerForm {
        match self {
            Self::Page(page) => AnswerForm::response(&page.to_response()),
            Self::Interact(interaction) => AnswerForm::Interaction(InteractionForm((**interaction).clone())),
        }
    }
}

impl Answer for SessionEnd {
    fn form(&self) -> AnswerForm {
        match self {
            Self::Page(page) => AnswerForm::response(&page.to_response()),
            Self::Logout(logout) => AnswerForm::Logout {
                client: logout.client_id().cloned(),
                subject: logout.subject().cloned(),
                sid: logout.sid().map(String::from),
                redirect: logout.redirect().map(|redirect| redirect.url().expose().into()),
            },
        }
    }
}

impl Answer for Revocation {
    fn form(&self) -> AnswerForm {
        match self {
            Self::Revoked => AnswerForm::GrantRevoked,
            Self::Unknown => AnswerForm::GrantUnknown,
        }
    }
}
