//! Taking the secrets out of a transcript, so that it can be shown to others and still be run.
//!
//! The incident is transposed to published keys. What was right stays right and what was wrong stays wrong: a
//! handle is made again under the published key, and the record gets the published salt, or another one where
//! the handle was not of that record; a client secret, a code verifier and their counterparts become the
//! published pairs, or mismatches.

mod request;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};

use grantry_core::{ClientId, CodeChallenge, CodeVerifier, Moment, SecretString, base64url};
use serde_json::{Map, Value};

use super::call::{ApprovalForm, AuthorityForm, Call, InteractionForm, RequestForm};
use super::forms::{FoundClient, FoundGrant, RecordsForm, Round};
use super::{ReplayError, Transcript, published};
use crate::client::{AuthenticationForm, ClientForm, DigestForm};
use crate::client_authentication::SecretDigest;
use crate::grant::{CodeOrigin, Grant, GrantId, Origin, Person, Subject, Terms};
use crate::handle::Opened;
use crate::interaction::{Approval, Back, Flow, Interaction};
use crate::operation::{Operation, Version};
use crate::revoke_grant::Authority;
use crate::server::Server;
use crate::user_code::{Attempt, UserCode};

impl Transcript {
    /// Makes a transcript of the same decision without any secret of the host, to attach to a bug report. The
    /// server is the one of the recording; [`Server::for_transcripts`] replays the result.
    ///
    /// Codes, tokens, secrets, salts, seed, passwords, `state`, `nonce`, hints, user names, people and the values
    /// of their claims are gone, and every header field but `Authorization` and `Content-Type`. What stays are
    /// names and numbers: of clients, grants, scopes, claims and authentication contexts, as they were sent; known
    /// resources and URIs; times.
    ///
    /// # Errors
    ///
    /// [`RedactError::Assertion`] for a request with a client assertion, [`RedactError::Replay`] for a transcript
    /// that cannot be run, [`RedactError::Differs`] when the redacted request is not decided alike: it is not
    /// given out then.
    pub fn redacted(&self, server: &Server) -> Result<Self, RedactError> {
        if self.issuer != server.config.issuer.as_str() {
            return Err(ReplayError::OtherIssuer.into());
        }
        let published = server.for_transcripts().map_err(|_| RedactError::Differs)?;
        let mut mask = Mask::new(self, server, &published)?;
        let call = mask.call(&self.call)?;
        let renamed = self.user_code_grant(server)?.zip(mask.user_code_grant(&call));
        let rounds = self.rounds.iter().map(|round| mask.round(round, renamed));
        let redacted = Self {
            rounds: rounds.collect::<Result<_, _>>()?,
            call,
            seed: base64url::encode(published::SEED),
            ..self.clone()
        };
        let redacted = redacted.performed_on(&published)?;
        let is_same = redacted.told.event == self.told.event && redacted.rounds.len() == self.rounds.len();
        if is_same { Ok(redacted) } else { Err(RedactError::Differs) }
    }

    /// The record under a user code, which lies elsewhere under the published keys.
    fn user_code_grant(&self, server: &Server) -> Result<Option<GrantId>, ReplayError> {
        Ok(user_code_grant(&self.call, server, &self.moment()?))
    }
}

/// Why a transcript cannot be redacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedactError {
    /// The client authenticates by an assertion, which only its own key makes.
    #[error("a client assertion cannot be made again under a published key")]
    Assertion,
    /// The transcript cannot be run.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Without its secrets the request is decided differently.
    #[error("the redacted request is decided differently")]
    Differs,
}

fn user_code_grant(call: &Call, server: &Server, moment: &Moment) -> Option<GrantId> {
    match call {
        Call::VerifyUserCode(text) => {
            UserCode::parse(&server.config.handles, text).as_ref().map(UserCode::grant)
        }
        Call::DeviceAuthorization(request) => {
            server.device_authorization(&request.read()).lookup(moment).grant
        }
        Call::Authorize(_)
        | Call::Token { .. }
        | Call::Revoke(_)
        | Call::Introspect(_)
        | Call::Push(_)
        | Call::UserInfo(_)
        | Call::EndSession(_)
        | Call::Approve { .. }
        | Call::Refuse { .. }
        | Call::RevokeGrant { .. } => None,
    }
}

/// What is known of the incident while it is transposed. The request comes first: it says what the records
/// have to fit.
struct Mask<'a> {
    server: &'a Server,
    published: &'a Server,
    clients: Vec<&'a ClientForm>,
    grants: Vec<Grant>,
    /// Names that a person may have, too: a subject that is its client is refused for it.
    client_ids: BTreeSet<ClientId>,
    subjects: BTreeMap<Subject, Subject>,
    handle: Option<Opened>,
    secret: Option<SecretString>,
    verifier: Option<CodeVerifier>,
}

impl<'a> Mask<'a> {
    fn new(
        transcript: &'a Transcript,
        server: &'a Server,
        published: &'a Server,
    ) -> Result<Self, RedactError> {
        let records = || transcript.rounds.iter().filter_map(|round| round.records.as_ref());
        let clients: Vec<_> = records()
            .filter_map(|records| match &records.client {
                FoundClient::Registered(client) => Some(client),
                FoundClient::None | FoundClient::LeftOut => None,
            })
            .collect();
        let found = records().filter_map(|records| records.grant.as_ref());
        let grants = found.map(FoundGrant::read).collect::<Result<Vec<_>, _>>()?;
        let client_ids = clients.iter().map(|client| client.id().clone());
        let client_ids = client_ids.chain(grants.iter().map(|grant| grant.client_id().clone())).collect();
        Ok(Self {
            server,
            published,
            clients,
            grants,
            client_ids,
            subjects: BTreeMap::new(),
            handle: None,
            secret: None,
            verifier: None,
        })
    }

    fn call(&mut self, call: &Call) -> Result<Call, RedactError> {
        Ok(match call {
            Call::Authorize(request) => Call::Authorize(self.request(request)?),
            Call::Token { request, resource_owner } => Call::Token {
                request: self.request(request)?,
                resource_owner: resource_owner.as_ref().map(|approval| self.approval(approval)),
            },
            Call::Revoke(request) => Call::Revoke(self.request(request)?),
            Call::Introspect(request) => Call::Introspect(self.request(request)?),
            Call::Push(request) => Call::Push(self.request(request)?),
            Call::DeviceAuthorization(request) => Call::DeviceAuthorization(self.request(request)?),
            Call::UserInfo(request) => Call::UserInfo(self.request(request)?),
            Call::EndSession(request) => Call::EndSession(self.request(request)?),
            Call::VerifyUserCode(text) => Call::VerifyUserCode(self.user_code(text)),
            Call::Approve { interaction, approval } => {
                self.client_ids.insert(interaction.0.client_id.clone());
                Call::Approve {
                    interaction: self.interaction(interaction),
                    approval: self.approval(approval),
                }
            }
            Call::Refuse { interaction, refusal } => {
                Call::Refuse { interaction: self.interaction(interaction), refusal: *refusal }
            }
            Call::RevokeGrant { id, authority } => Call::RevokeGrant {
                id: *id,
                authority: AuthorityForm(match &authority.0 {
                    Authority::Subject(subject) => Authority::Subject(self.subject(subject)),
                    Authority::Client(client_id) => Authority::Client(client_id.clone()),
                    Authority::Operator => Authority::Operator,
                }),
            },
        })
    }

    fn user_code(&self, text: &str) -> String {
        let moment = Moment::new(grantry_core::UnixTime::from_secs(0), published::SEED);
        let made = UserCode::parse(&self.server.config.handles, text)
            .and_then(|_| UserCode::generate(&self.published.config.handles, &moment, Attempt::First));
        made.map_or_else(|| filler(text), |code| code.to_text())
    }

    fn user_code_grant(&self, redacted: &Call) -> Option<GrantId> {
        let moment = Moment::new(grantry_core::UnixTime::from_secs(0), published::SEED);
        user_code_grant(redacted, self.published, &moment)
    }

    fn round(&mut self, round: &Round, renamed: Option<(GrantId, GrantId)>) -> Result<Round, RedactError> {
        let records = match &round.records {
            Some(records) => Some(self.records(records, renamed)?),
            None => None,
        };
        // The outcome is kept; what is signed and written is made anew.
        Ok(Round { records, signatures: Vec::new(), commit: round.commit.clone() })
    }

    fn records(
        &mut self,
        records: &RecordsForm,
        renamed: Option<(GrantId, GrantId)>,
    ) -> Result<RecordsForm, RedactError> {
        let grant = match &records.grant {
            Some(found) => {
                let grant = found.read()?;
                let renamed = renamed.filter(|(own, _)| *own == grant.id());
                let id = renamed.map_or_else(|| grant.id(), |(_, published)| published);
                let grant = self.grant(&grant, id)?;
                Some(FoundGrant::of(&grant, Version::from_number(found.version)))
            }
            None => None,
        };
        let client = match &records.client {
            FoundClient::None => FoundClient::None,
            FoundClient::Registered(client) => FoundClient::Registered(self.client(client)),
            FoundClient::LeftOut => return Err(ReplayError::SharedSecret.into()),
        };
        let user_claims = records.user_claims.as_ref();
        Ok(RecordsForm {
            client,
            grant,
            user_claims: user_claims.map(|(subject, claims)| (self.subject(subject), members(claims))),
            access_token_claims: members(&records.access_token_claims),
            ..records.clone()
        })
    }

    fn client(&self, client: &ClientForm) -> ClientForm {
        let digest = |DigestForm(own): &DigestForm| {
            let is_right = self.secret.as_ref().is_some_and(|secret| own.is_of(secret.expose()));
            DigestForm(if is_right { SecretDigest::of(published::SECRET) } else { SecretDigest::unmatched() })
        };
        let authentication = match &client.authentication {
            AuthenticationForm::ClientSecretBasic(own) => AuthenticationForm::ClientSecretBasic(digest(own)),
            AuthenticationForm::ClientSecretPost(own) => AuthenticationForm::ClientSecretPost(digest(own)),
            AuthenticationForm::None => AuthenticationForm::None,
            AuthenticationForm::PrivateKeyJwt { keys, algorithms } => {
                AuthenticationForm::PrivateKeyJwt { keys: keys.clone(), algorithms: algorithms.clone() }
            }
        };
        client.clone().with_authentication(authentication)
    }

    fn grant(&mut self, grant: &Grant, id: GrantId) -> Result<Grant, RedactError> {
        let is_of_another = self.handle.as_ref().is_some_and(|handle| !handle.belongs_to(grant));
        let own = Terms::clone(&grant.terms);
        let origin = match own.origin {
            Origin::Code(CodeOrigin { redirect_uri, redirect_uri_named, code_challenge, nonce }) => {
                Origin::Code(CodeOrigin {
                    redirect_uri,
                    redirect_uri_named,
                    code_challenge: self.challenge(&code_challenge)?,
                    nonce: nonce.as_deref().map(filler),
                })
            }
            Origin::Pushed(parameters) => Origin::Pushed(self.form(parameters.as_bytes())?),
            Origin::Device { client_name } => Origin::Device { client_name },
            Origin::Implicit => Origin::Implicit,
            Origin::Password => Origin::Password,
            Origin::Client => Origin::Client,
        };
        let person = own.person.map(|person| Person {
            subject: self.subject(&person.subject),
            sid: person.sid.map(|_| published::SESSION.into()),
            ..person
        });
        let asked = grant.terms.claims().subject().cloned().map(|subject| self.subject(&subject));
        let salt = if is_of_another { published::OTHER_SALT } else { published::SALT };
        let claims = grant.terms.claims().clone().with_subject(asked).boxed();
        let terms = Arc::new(Terms { id, salt, origin, person, claims, ..own });
        Ok(Grant { terms, ..grant.clone() })
    }

    /// The published challenge, or another where the presented verifier does not fit.
    fn challenge(&self, own: &CodeChallenge) -> Result<CodeChallenge, RedactError> {
        let is_other = self.verifier.as_ref().is_some_and(|verifier| !own.verify(verifier));
        let challenge = if is_other { published::OTHER_CHALLENGE } else { published::CHALLENGE };
        CodeChallenge::parse(challenge).map_err(|_| RedactError::Differs)
    }

    fn interaction(&mut self, interaction: &InteractionForm) -> InteractionForm {
        let interaction = interaction.0.clone();
        let back = |back: Back| Back { state: back.state.as_deref().map(filler), ..back };
        let flow = match interaction.flow {
            Flow::Code { back: own, code_challenge, nonce } => Flow::Code {
                back: back(own),
                code_challenge: CodeChallenge::parse(published::CHALLENGE).unwrap_or(code_challenge),
                nonce: nonce.as_deref().map(filler),
            },
            Flow::Implicit { back: own, tokens, nonce } => {
                Flow::Implicit { back: back(own), tokens, nonce: nonce.as_deref().map(filler) }
            }
            Flow::Device => Flow::Device,
        };
        let asked = interaction.claims.subject().cloned().map(|subject| self.subject(&subject));
        InteractionForm(Interaction {
            flow,
            login_hint: interaction.login_hint.as_deref().map(filler),
            claims: interaction.claims.with_subject(asked),
            subject: interaction.subject.map(|subject| self.subject(&subject)),
            ..interaction
        })
    }

    fn approval(&mut self, approval: &ApprovalForm) -> ApprovalForm {
        let approval = approval.0.clone();
        ApprovalForm(Approval {
            subject: self.subject(&approval.subject),
            sid: approval.sid.map(|_| published::SESSION.into()),
            ..approval
        })
    }

    /// The same person is the same placeholder, and no other's.
    fn subject(&mut self, own: &Subject) -> Subject {
        if self.client_ids.iter().any(|id| id.as_str() == own.as_str()) {
            return own.clone();
        }
        if let Some(placeholder) = self.subjects.get(own) {
            return placeholder.clone();
        }
        let number = self.subjects.len().saturating_add(1).to_string();
        let Ok(placeholder) = Subject::parse(format!("person-{number}")) else { return own.clone() };
        self.subjects.insert(own.clone(), placeholder.clone());
        placeholder
    }
}

/// A text of the same length, which says nothing.
fn filler(text: &str) -> String {
    "x".repeat(text.len())
}

/// Claims keep their names. What says nothing still says nothing.
fn members(claims: &Map<String, Value>) -> Map<String, Value> {
    let says_nothing = |value: &Value| value.is_null() || value.as_str() == Some("");
    let member = |(name, value): (&String, &Value)| {
        let value = if says_nothing(value) { value.clone() } else { Value::from("x") };
        (name.clone(), value)
    };
    claims.iter().map(member).collect()
}
