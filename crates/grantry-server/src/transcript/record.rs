//! Running an operation while every step is written down.

use alloc::vec::Vec;
use core::fmt;

use grantry_core::{HttpRequest, Moment, UnixTime, base64url};
use grantry_jwt::SigningInput;

use super::Transcript;
use super::call::{ApprovalForm, AuthorityForm, Call, InteractionForm, RefusalForm, RequestForm};
use super::forms::{Answer, CommitForm, OutcomeForm, RecordsForm, Round, SignatureForm, Told, changes};
use crate::approve::Approve;
use crate::authorize::Authorize;
use crate::cache::NoCache;
use crate::decision::{ChangeSet, Outcome, Signature};
use crate::device_authorization::DeviceAuthorization;
use crate::end_session::EndSession;
use crate::event::Reply;
use crate::grant::GrantId;
use crate::interaction::{Approval, Interaction};
use crate::introspect::Introspect;
use crate::operation::{Operation, Records};
use crate::pushed_request::Push;
use crate::refuse::{Refusal, Refuse};
use crate::revoke::Revoke;
use crate::revoke_grant::{Authority, RevokeGrant};
use crate::run::{AsyncSigner, NoSigner, RunError, Signer, Watch, drive, drive_async};
use crate::server::Server;
use crate::store::{AsyncStore, Store};
use crate::token::Token;
use crate::userinfo::UserInfo;
use crate::verification::VerifyUserCode;

/// An operation with what it was made from, for [`record`] and [`record_async`].
///
/// It decides what the operation itself decides; a key that is in the process signs between the decision and
/// the commit, so that the signature stands in the transcript.
#[must_use = "an operation does nothing until it is run"]
pub struct Recording<O: Operation> {
    server: Server,
    call: Call,
    operation: O,
    told: fn(&O::Reply) -> Told,
}

impl Recording<Authorize> {
    /// Of [`Server::authorize`].
    pub fn authorize(server: &Server, request: &HttpRequest) -> Self {
        recording(server, Call::Authorize(RequestForm::of(request)), |server| server.authorize(request))
    }
}

impl Recording<Token> {
    /// Of [`Server::token`].
    pub fn token(server: &Server, request: &HttpRequest) -> Self {
        let call = Call::Token { request: RequestForm::of(request), resource_owner: None };
        recording(server, call, |server| server.token(request))
    }

    /// Of [`Token::with_resource_owner`].
    pub fn with_resource_owner(mut self, approval: Approval) -> Self {
        if let Call::Token { resource_owner, .. } = &mut self.call {
            *resource_owner = Some(ApprovalForm(approval.clone()));
        }
        self.operation = self.operation.with_resource_owner(approval);
        self
    }
}

impl Recording<Revoke> {
    /// Of [`Server::revoke`].
    pub fn revoke(server: &Server, request: &HttpRequest) -> Self {
        recording(server, Call::Revoke(RequestForm::of(request)), |server| server.revoke(request))
    }
}

impl Recording<Introspect> {
    /// Of [`Server::introspect`].
    pub fn introspect(server: &Server, request: &HttpRequest) -> Self {
        recording(server, Call::Introspect(RequestForm::of(request)), |server| server.introspect(request))
    }
}

impl Recording<Push> {
    /// Of [`Server::push`].
    pub fn push(server: &Server, request: &HttpRequest) -> Self {
        recording(server, Call::Push(RequestForm::of(request)), |server| server.push(request))
    }
}

impl Recording<DeviceAuthorization> {
    /// Of [`Server::device_authorization`].
    pub fn device_authorization(server: &Server, request: &HttpRequest) -> Self {
        let call = Call::DeviceAuthorization(RequestForm::of(request));
        recording(server, call, |server| server.device_authorization(request))
    }
}

impl Recording<UserInfo> {
    /// Of [`Server::userinfo`].
    pub fn userinfo(server: &Server, request: &HttpRequest) -> Self {
        recording(server, Call::UserInfo(RequestForm::of(request)), |server| server.userinfo(request))
    }
}

impl Recording<EndSession> {
    /// Of [`Server::end_session`].
    pub fn end_session(server: &Server, request: &HttpRequest) -> Self {
        recording(server, Call::EndSession(RequestForm::of(request)), |server| server.end_session(request))
    }
}

impl Recording<VerifyUserCode> {
    /// Of [`Server::verify_user_code`].
    pub fn verify_user_code(server: &Server, text: &str) -> Self {
        // A longer text is no code, whatever stands in the rest of it.
        let typed = text.chars().take(MAX_TYPED_CHARACTERS).collect();
        recording(server, Call::VerifyUserCode(typed), |server| server.verify_user_code(text))
    }
}

impl Recording<Approve> {
    /// Of [`Server::approve`].
    pub fn approve(server: &Server, interaction: Interaction, approval: Approval) -> Self {
        let call = Call::Approve {
            interaction: InteractionForm(interaction.clone()),
            approval: ApprovalForm(approval.clone()),
        };
        recording(server, call, |server| server.approve(interaction, approval))
    }
}

impl Recording<Refuse> {
    /// Of [`Server::refuse`].
    pub fn refuse(server: &Server, interaction: &Interaction, refusal: Refusal) -> Self {
        let call =
            Call::Refuse { interaction: InteractionForm(interaction.clone()), refusal: RefusalForm(refusal) };
        recording(server, call, |server| server.refuse(interaction, refusal))
    }
}

impl Recording<RevokeGrant> {
    /// Of [`Server::revoke_grant`].
    pub fn revoke_grant(server: &Server, id: GrantId, authority: Authority) -> Self {
        let call = Call::RevokeGrant { id, authority: AuthorityForm(authority.clone()) };
        recording(server, call, |server| server.revoke_grant(id, authority))
    }
}

fn recording<O, A>(server: &Server, call: Call, operation: impl FnOnce(&Server) -> O) -> Recording<O>
where
    O: Operation<Reply = Reply<A>>,
    A: Answer,
{
    let server = server.paused();
    Recording { operation: operation(&server), server, call, told: Told::of }
}

/// More than any user code with its punctuation.
const MAX_TYPED_CHARACTERS: usize = 256;

impl<O: Operation> Recording<O> {
    /// Returns the operation: for [`Token::resource_owner_credentials`] and [`Approve::interaction`].
    pub const fn operation(&self) -> &O {
        &self.operation
    }

    fn recorded<E, G>(
        &self,
        moment: &Moment,
        tape: Tape,
        reply: Result<O::Reply, RunError<E, G>>,
    ) -> Recorded<O::Reply, E, G> {
        let told = match &reply {
            Ok(reply) => (self.told)(reply),
            Err(error) => Told::failed(&error.to_response()),
        };
        let transcript = Transcript {
            form: Transcript::FORM,
            issuer: self.server.config.issuer.as_str().into(),
            call: self.call.clone(),
            time: moment.time(),
            seed: base64url::encode(moment.seed()),
            rounds: tape.rounds,
            told,
        };
        Recorded { reply, transcript }
    }
}

impl<O: Operation> fmt::Debug for Recording<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("endpoint", &self.call.endpoint()).finish_non_exhaustive()
    }
}

/// What a recorded run leaves.
#[derive(Debug)]
#[must_use = "the reply is to be sent"]
#[non_exhaustive]
pub struct Recorded<R, E, G = NoSigner> {
    /// What [`run`](crate::run) would have returned.
    pub reply: Result<R, RunError<E, G>>,
    /// What happened, also when the store or the signer failed. It holds secrets: keep it as one, or see
    /// [`Transcript::redacted`].
    pub transcript: Transcript,
}

/// Carries an operation through a blocking store, as [`run`](crate::run) does, and writes down what happened.
///
/// ```
/// # use grantry_core::{ClientId, HttpRequest, Issuer, Moment, SecretBytes, UnixTime};
/// # use grantry_server::*;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let vectors: serde_json::Value = serde_json::from_str(include_str!("../../../../tests/vectors/jws-sign.json"))?;
/// # let vectors = vectors["vectors"].as_array().unwrap();
/// # let jwk = vectors.iter().find(|v| v["alg"] == "RS256").unwrap()["jwk"].to_string();
/// # let signing_key = grantry_jwt::SigningKey::from_jwk(jwk.as_bytes())?.with_thumbprint_key_id();
/// # let handle_key = HandleKey::new(1, SecretBytes::from(vec![7; 32]))?;
/// # let server = Server::new(Issuer::parse("https://accounts.example")?, signing_key, handle_key)?;
/// # let store = MemoryStore::new([Client::new(ClientId::parse("app")?, ClientAuthentication::None)]);
/// # let moment = Moment::new(UnixTime::from_secs(1_800_000_000), [1; 32]);
/// let request = HttpRequest::form("/token", "grant_type=authorization_code&client_id=app&code=unknown");
/// let recorded = record(&store, &Recording::token(&server, &request), moment);
/// assert!(recorded.reply.is_ok());
/// assert_eq!(recorded.transcript.replay(&server)?, Replayed::Same);
///
/// // For a bug report: without secrets, and decided alike under keys that everybody knows.
/// let report = recorded.transcript.redacted(&server)?;
/// assert_eq!(report.replay(&server.for_transcripts()?)?, Replayed::Same);
/// assert!(report.rule().unwrap().starts_with("an unknown authorization code"));
/// # Ok(())
/// # }
/// ```
pub fn record<S, O>(store: &S, recording: &Recording<O>, moment: Moment) -> Recorded<O::Reply, S::Error>
where
    S: Store + ?Sized,
    O: Operation,
{
    record_with_signer(store, &NoSigner, recording, moment)
}

/// Carries an operation through a blocking store, as [`run_with_signer`](crate::run_with_signer) does, and writes
/// down what happened. The signer is asked for keys that are not in the process.
#[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
pub fn record_with_signer<S, G, O>(
    store: &S,
    signer: &G,
    recording: &Recording<O>,
    moment: Moment,
) -> Recorded<O::Reply, S::Error, G::Error>
where
    S: Store + ?Sized,
    G: Signer + ?Sized,
    O: Operation,
{
    let mut tape = Tape::default();
    let signer = Keyed { server: &recording.server, time: moment.time(), other: signer };
    let reply = drive(store, &NoCache, &signer, &recording.operation, &moment, &mut tape);
    recording.recorded(&moment, tape, reply)
}

/// Carries an operation through an asynchronous store and writes down what happened; see [`record`].
pub async fn record_async<S, O>(
    store: &S,
    recording: &Recording<O>,
    moment: Moment,
) -> Recorded<O::Reply, S::Error>
where
    S: AsyncStore + ?Sized,
    O: Operation,
{
    record_async_with_signer(store, &NoSigner, recording, moment).await
}

/// Carries an operation through an asynchronous store, with a signing key outside of the process, and writes down
/// what happened; see [`record_with_signer`].
pub async fn record_async_with_signer<S, G, O>(
    store: &S,
    signer: &G,
    recording: &Recording<O>,
    moment: Moment,
) -> Recorded<O::Reply, S::Error, G::Error>
where
    S: AsyncStore + ?Sized,
    G: AsyncSigner + ?Sized,
    O: Operation,
{
    let mut tape = Tape::default();
    let signer = Keyed { server: &recording.server, time: moment.time(), other: signer };
    let reply = drive_async(store, &NoCache, &signer, &recording.operation, &moment, &mut tape).await;
    recording.recorded(&moment, tape, reply)
}

/// Writes rounds down.
#[derive(Default)]
struct Tape {
    rounds: Vec<Round>,
}

impl Watch for Tape {
    fn read(&mut self, records: Option<&Records>) {
        let records = records.map(RecordsForm::of);
        self.rounds.push(Round { records, signatures: Vec::new(), commit: None });
    }

    fn signed(&mut self, signature: &Signature) {
        if let Some(round) = self.rounds.last_mut() {
            round.signatures.push(SignatureForm::of(signature));
        }
    }

    fn committed(&mut self, written: &ChangeSet, outcome: Option<Outcome>) {
        if let Some(round) = self.rounds.last_mut() {
            round.commit = Some(CommitForm { changes: changes(written), outcome: OutcomeForm::of(outcome) });
        }
    }
}

/// Signs with the server's keys that are here, and asks for the others.
struct Keyed<'a, G: ?Sized> {
    server: &'a Server,
    time: UnixTime,
    other: &'a G,
}

impl<G: Signer + ?Sized> Signer for Keyed<'_, G> {
    type Error = G::Error;

    fn sign(&self, input: &SigningInput) -> Result<Signature, G::Error> {
        match self.server.config.keys.sign(input, self.time) {
            Some(signature) => Ok(signature),
            None => self.other.sign(input),
        }
    }
}

impl<G: AsyncSigner + ?Sized> AsyncSigner for Keyed<'_, G> {
    type Error = G::Error;

    async fn sign(&self, input: &SigningInput) -> Result<Signature, G::Error> {
        match self.server.config.keys.sign(input, self.time) {
            Some(signature) => Ok(signature),
            None => self.other.sign(input).await,
        }
    }
}
