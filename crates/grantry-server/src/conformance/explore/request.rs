//! One request: an operation with its moment, and what its client sees in the end.

use alloc::boxed::Box;

use grantry_core::form::{Form, Known};
use grantry_core::{Moment, SecretString};

use super::report::Broken;
use crate::approve::Answered;
use crate::authorize::Authorization;
use crate::decision::{ChangeSet, Decision, Outcome};
use crate::device_authorization::DeviceAnswer;
use crate::event::{Effect, EventKind, Reply};
use crate::grant::GrantId;
use crate::interaction::Interaction;
use crate::introspect::Introspection;
use crate::issue::TokenAnswer;
use crate::operation::{Lookup, Operation, Records};
use crate::revoke::Revoked;
use crate::revoke_grant::Revocation;
use crate::verification::Verification;

pub(super) struct Request {
    operation: Box<dyn Decide>,
    moment: Moment,
}

impl Request {
    pub(super) fn new<A, O>(operation: O, moment: Moment) -> Self
    where
        A: Summary,
        O: Operation<Reply = Reply<A>> + 'static,
    {
        Self { operation: Box::new(operation), moment }
    }

    pub(super) fn lookup(&self) -> Lookup<'_> {
        self.operation.keys(&self.moment)
    }

    pub(super) fn decide(&self, records: &Records) -> Result<Decided, Broken> {
        self.operation.decided(records, &self.moment)
    }
}

/// An operation whose reply is summed up.
trait Decide {
    fn keys(&self, moment: &Moment) -> Lookup<'_>;
    fn decided(&self, records: &Records, moment: &Moment) -> Result<Decided, Broken>;
}

impl<A: Summary, O: Operation<Reply = Reply<A>>> Decide for O {
    fn keys(&self, moment: &Moment) -> Lookup<'_> {
        self.lookup(moment)
    }

    fn decided(&self, records: &Records, moment: &Moment) -> Result<Decided, Broken> {
        match self.decide(records, moment) {
            Decision::Reply(reply) => Ok(Decided { changes: None, seen: Seen::of(reply)? }),
            Decision::Commit(commit) => {
                let changes = Some(commit.changes().clone());
                let reply = commit.resolve(Outcome::Applied).map_err(|error| Broken::unfit(&error))?;
                Ok(Decided { changes, seen: Seen::of(reply)? })
            }
            Decision::Sign(_) => Err(Broken::unfit(&"a signature that nothing here asks for")),
        }
    }
}

/// What was decided over one reading.
pub(super) struct Decided {
    /// What has to be applied before anybody may look at what is seen.
    pub(super) changes: Option<ChangeSet>,
    pub(super) seen: Seen,
}

/// What a client sees, and what the log says beside it.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) answer: Answer,
    pub(super) kind: EventKind,
    pub(super) effect: Effect,
    pub(super) grant: Option<GrantId>,
}

#[derive(Clone)]
pub(super) enum Answer {
    Page(Box<Interaction>),
    Device {
        user_code: SecretString,
        device_code: SecretString,
    },
    Code(SecretString),
    Tokens {
        access_token: SecretString,
        refresh_token: Option<SecretString>,
    },
    Done,
    /// The token is alive.
    Active,
    Inactive,
    Refused,
}

impl Seen {
    fn of<A: Summary>(reply: Reply<A>) -> Result<Self, Broken> {
        let Reply { answer, event } = reply;
        Ok(Self { answer: answer.summary()?, kind: event.kind, effect: event.effect, grant: event.grant })
    }

    pub(super) const fn has_tokens(&self) -> bool {
        matches!(self.answer, Answer::Tokens { .. })
    }

    pub(super) fn refresh_token(&self) -> Option<&str> {
        let Answer::Tokens { refresh_token, .. } = &self.answer else { return None };
        refresh_token.as_ref().map(SecretString::expose)
    }

    /// Tells of something that is given out once: a code, tokens, the entry of a device.
    pub(super) const fn is_gift(&self) -> bool {
        matches!(self.answer, Answer::Tokens { .. } | Answer::Code(_))
            || matches!((&self.answer, self.kind), (Answer::Done, EventKind::DeviceApproved))
    }

    /// The person has not answered: the device comes again.
    pub(super) fn is_wait(&self) -> bool {
        self.kind == EventKind::DevicePolled
    }

    /// Nothing of the grant is alive from then on.
    pub(super) fn ends_grant(&self) -> bool {
        let is_end = matches!(self.kind, EventKind::ReuseDetected | EventKind::GrantRevoked);
        is_end && self.effect == Effect::Written
    }

    pub(super) fn gives_the_same(&self, other: &Self) -> bool {
        match (&self.answer, &other.answer) {
            (Answer::Code(one), Answer::Code(other)) => one.expose() == other.expose(),
            (
                Answer::Tokens { access_token, refresh_token },
                Answer::Tokens { access_token: access, refresh_token: refresh },
            ) => {
                access_token.expose() == access.expose()
                    && refresh_token.as_ref().map(SecretString::expose)
                        == refresh.as_ref().map(SecretString::expose)
            }
            (Answer::Done, Answer::Done) => true,
            (
                Answer::Page(_)
                | Answer::Device { .. }
                | Answer::Code(_)
                | Answer::Tokens { .. }
                | Answer::Done
                | Answer::Active
                | Answer::Inactive
                | Answer::Refused,
                _,
            ) => false,
        }
    }
}

pub(super) trait Summary: 'static {
    fn summary(self) -> Result<Answer, Broken>;
}

impl Summary for TokenAnswer {
    fn summary(self) -> Result<Answer, Broken> {
        Ok(match self {
            Self::Issued(tokens) => {
                Answer::Tokens { access_token: tokens.access_token, refresh_token: tokens.refresh_token }
            }
            Self::Denied(_) => Answer::Refused,
        })
    }
}

impl Summary for Answered {
    fn summary(self) -> Result<Answer, Broken> {
        const KNOWN: Known = Known { once: &["code"], many: &[] };
        let redirect = match self {
            Self::Page(_) => return Ok(Answer::Refused),
            Self::DeviceApproved | Self::DeviceRefused => return Ok(Answer::Done),
            Self::Redirect(redirect) => redirect,
        };
        let (_, query) = redirect.url().expose().split_once('?').unwrap_or_default();
        let form = Form::parse(query.as_bytes(), &KNOWN).map_err(|error| Broken::unfit(&error))?;
        Ok(form.get("code").map_or(Answer::Refused, |code| Answer::Code(code.into())))
    }
}

impl Summary for Authorization {
    fn summary(self) -> Result<Answer, Broken> {
        Ok(match self {
            Self::Interact(interaction) => Answer::Page(interaction),
            Self::Page(_) | Self::Redirect(_) => Answer::Refused,
        })
    }
}

impl Summary for Verification {
    fn summary(self) -> Result<Answer, Broken> {
        Ok(match self {
            Self::Interact(interaction) => Answer::Page(interaction),
            Self::Page(_) => Answer::Refused,
        })
    }
}

impl Summary for DeviceAnswer {
    fn summary(self) -> Result<Answer, Broken> {
        Ok(match self {
            Self::Waiting(device) => {
                Answer::Device { user_code: device.user_code, device_code: device.device_code }
            }
            Self::Denied(_) => Answer::Refused,
        })
    }
}

impl Summary for Revoked {
    fn summary(self) -> Result<Answer, Broken> {
        Ok(match self {
            Self::Done => Answer::Done,
            Self::Denied(_) => Answer::Refused,
        })
    }
}

impl Summary for Revocation {
    fn summary(self) -> Result<Answer, Broken> {
        Ok(match self {
            Self::Revoked => Answer::Done,
            Self::Unknown => Answer::Refused,
        })
    }
}

impl Summary for Introspection {
    fn summary(self) -> Result<Answer, Broken> {
        Ok(match self {
            Self::Active(_) => Answer::Active,
            Self::Inactive => Answer::Inactive,
            Self::Denied(_) => Answer::Refused,
        })
    }
}
