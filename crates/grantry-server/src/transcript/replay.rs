//! Running a transcript again: the recorded records go in, and what comes out is compared.

use alloc::vec::Vec;

use grantry_core::{Moment, base64url};

use super::call::Call;
use super::forms::{Answer, CommitForm, OutcomeForm, Round, SignatureForm, Told, changes};
use super::{ReplayError, Transcript};
use crate::decision::{Decision, Outcome};
use crate::event::Reply;
use crate::operation::Operation;
use crate::run::{NoSigner, RunError};
use crate::server::Server;

/// Whether a transcript came out the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a replay does nothing but compare"]
#[expect(clippy::exhaustive_enums, reason = "it is the same, or it is not")]
pub enum Replayed {
    /// Every decision, every change and every byte of the answer.
    Same,
    /// Something came out differently.
    Different(Difference),
}

/// What came out differently first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Difference {
    /// The round, counted from 0, writes something else, or nothing, or is not reached.
    #[error("round {0} decides differently")]
    Round(usize),
    /// The recorded signature of the round is not of what is signed now, or one is missing.
    #[error("something else is signed in round {0}")]
    Signature(usize),
    /// The event differs: its kind, its effect or the rule.
    #[error("the decision differs")]
    Event,
    /// The decision is the same, and the answer has other bytes.
    #[error("the answer has other bytes")]
    Answer,
}

impl Transcript {
    /// Decides anew over what was recorded, without any store, and compares changes, decision and answer, byte
    /// for byte. The server has the keys, the policy and the endpoints of the recording; the private half of a
    /// signing key is not needed.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] when the transcript cannot be run at all.
    pub fn replay(&self, server: &Server) -> Result<Replayed, ReplayError> {
        if self.issuer != server.config.issuer.as_str() {
            return Err(ReplayError::OtherIssuer);
        }
        let mut stage = Stage { source: self, hand: Hand::Recorded, rounds: Vec::new() };
        let moment = self.moment()?;
        let told = self.call.perform(&server.paused(), &moment, &mut stage)?;
        Ok(self.compare(&stage.rounds, &told))
    }

    fn compare(&self, rounds: &[Performed], told: &Told) -> Replayed {
        for (number, recorded) in self.rounds.iter().enumerate() {
            match rounds.get(number) {
                Some(performed) if !performed.is_signed => {
                    return Replayed::Different(Difference::Signature(number));
                }
                Some(performed) if performed.round == *recorded => {}
                Some(_) | None => return Replayed::Different(Difference::Round(number)),
            }
        }
        if self.told.event != told.event {
            return Replayed::Different(Difference::Event);
        }
        if self.told.answer == told.answer { Replayed::Same } else { Replayed::Different(Difference::Answer) }
    }

    pub(super) fn moment(&self) -> Result<Moment, ReplayError> {
        let seed = base64url::decode(&self.seed).map_err(|_| ReplayError::Seed)?;
        Ok(Moment::new(self.time, seed.try_into().map_err(|_| ReplayError::Seed)?))
    }

    /// Runs the inputs on a server whose keys are here, and writes down what comes out.
    pub(super) fn performed_on(mut self, server: &Server) -> Result<Self, ReplayError> {
        let mut stage = Stage { source: &self, hand: Hand::Keys(server), rounds: Vec::new() };
        let told = self.call.perform(&server.paused(), &self.moment()?, &mut stage)?;
        let rounds = stage.rounds.into_iter().map(|performed| performed.round).collect();
        self.rounds = rounds;
        self.told = told;
        Ok(self)
    }
}

/// Where the rounds are played.
pub(super) struct Stage<'a> {
    source: &'a Transcript,
    hand: Hand<'a>,
    rounds: Vec<Performed>,
}

struct Performed {
    round: Round,
    is_signed: bool,
}

/// Who signs.
enum Hand<'a> {
    /// Nobody: the signatures are in the transcript.
    Recorded,
    Keys(&'a Server),
}

impl Call {
    fn perform(&self, server: &Server, moment: &Moment, stage: &mut Stage<'_>) -> Result<Told, ReplayError> {
        match self {
            Self::Authorize(request) => stage.play(&server.authorize(&request.read()), moment),
            Self::Token { request, resource_owner } => {
                let token = server.token(&request.read());
                match resource_owner {
                    Some(approval) => stage.play(&token.with_resource_owner(approval.0.clone()), moment),
                    None => stage.play(&token, moment),
                }
            }
            Self::Revoke(request) => stage.play(&server.revoke(&request.read()), moment),
            Self::Introspect(request) => stage.play(&server.introspect(&request.read()), moment),
            Self::Push(request) => stage.play(&server.push(&request.read()), moment),
            Self::DeviceAuthorization(request) => {
                stage.play(&server.device_authorization(&request.read()), moment)
            }
            Self::UserInfo(request) => stage.play(&server.userinfo(&request.read()), moment),
            Self::EndSession(request) => stage.play(&server.end_session(&request.read()), moment),
            Self::VerifyUserCode(text) => stage.play(&server.verify_user_code(text), moment),
            Self::Approve { interaction, approval } => {
                stage.play(&server.approve(interaction.0.clone(), approval.0.clone()), moment)
            }
            Self::Refuse { interaction, refusal } => {
                stage.play(&server.refuse(&interaction.0, refusal.0), moment)
            }
            Self::RevokeGrant { id, authority } => {
                stage.play(&server.revoke_grant(*id, authority.0.clone()), moment)
            }
        }
    }
}

impl Stage<'_> {
    fn play<O, A>(&mut self, operation: &O, moment: &Moment) -> Result<Told, ReplayError>
    where
        O: Operation<Reply = Reply<A>>,
        A: Answer,
    {
        for recorded in &self.source.rounds {
            let mut performed = Performed {
                round: Round { records: recorded.records.clone(), signatures: Vec::new(), commit: None },
                is_signed: true,
            };
            let reply = match &recorded.records {
                Some(records) => {
                    let decision = operation.decide(&records.read()?, moment);
                    self.follow(decision, recorded, &mut performed, moment)
                }
                None => Next::Failed,
            };
            self.rounds.push(performed);
            match reply {
                Next::Reply(reply) => return Ok(Told::of(&reply)),
                Next::Again => {}
                Next::Failed => break,
            }
        }
        // Every failure of a run has one answer.
        let failed: RunError<NoSigner> = RunError::Contended;
        Ok(Told::failed(&failed.to_response()))
    }

    /// Goes on from one decision to what the recorded store and signer made of it.
    fn follow<R>(
        &self,
        mut decision: Decision<R>,
        recorded: &Round,
        performed: &mut Performed,
        moment: &Moment,
    ) -> Next<R> {
        let mut signatures = recorded.signatures.iter().map(SignatureForm::read);
        loop {
            decision = match decision {
                Decision::Reply(reply) => return Next::Reply(reply),
                Decision::Sign(request) => {
                    let signature = match self.hand {
                        Hand::Recorded => signatures.next(),
                        Hand::Keys(server) => server.config.keys.sign(request.input(), moment.time()),
                    };
                    // A signer that failed left no signature.
                    let Some(signature) = signature else { return Next::Failed };
                    performed.round.signatures.push(SignatureForm::of(&signature));
                    match request.complete(&signature) {
                        Ok(decision) => decision,
                        Err(_) => {
                            performed.is_signed = false;
                            return Next::Failed;
                        }
                    }
                }
                Decision::Commit(commit) => {
                    // Where nothing was written before, nothing says what the store would have done.
                    let outcome =
                        recorded.commit.as_ref().map_or(OutcomeForm::Failed, |commit| commit.outcome);
                    performed.round.commit = Some(CommitForm { changes: changes(commit.changes()), outcome });
                    return match outcome {
                        OutcomeForm::Applied => {
                            commit.resolve(Outcome::Applied).map_or(Next::Again, Next::Reply)
                        }
                        OutcomeForm::Conflict => Next::Again,
                        OutcomeForm::Failed => Next::Failed,
                    };
                }
            };
        }
    }
}

/// What follows a round.
enum Next<R> {
    Reply(R),
    Again,
    /// The store or the signer failed.
    Failed,
}
