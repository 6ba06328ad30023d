//! One request of a race: a real operation with its moment, and what its client sees in the end.

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use grantry::core::{Moment, SecretString, form};
use grantry::server::{
    Answered, Authorization, Cached, ChangeSet, Decision, DeviceAnswer, Effect, EventKind, GrantCache,
    GrantId, Introspection, Lookup, Operation, Outcome, Pushed, Reason, Records, Reply, Revocation, Revoked,
    Signature, TokenAnswer, UserInfoAnswer, Verification,
};

use super::table::{Record, Table, TableStore};
use crate::support::signature_of;

/// A request that takes part in a race.
pub(crate) struct Racer {
    pub(crate) name: &'static str,
    /// What it presents, and may be given one thing for: a code, a token, a page that was answered.
    pub(crate) presents: Option<String>,
    grant: Option<GrantId>,
    request: Box<dyn Request>,
    /// Deciding is pure, so that each reading is decided once.
    decided: RefCell<BTreeMap<Option<Record>, Rc<Decided>>>,
}

/// What a racer decided over one reading.
pub(crate) struct Decided {
    /// How often it waits for a key outside of the process, before anything else happens.
    pub(crate) signatures: usize,
    /// What has to be applied before the reply is seen.
    pub(crate) changes: Option<ChangeSet>,
    pub(crate) seen: Seen,
}

/// What a client sees, and what the log says beside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    pub(crate) answer: Answer,
    pub(crate) kind: EventKind,
    pub(crate) effect: Effect,
    pub(crate) grant: Option<GrantId>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    Tokens {
        access_token: String,
        refresh_token: Option<String>,
        id_token: Option<String>,
    },
    Code(String),
    /// What a device shows and asks with.
    Device {
        user_code: String,
        device_code: String,
    },
    RequestUri(String),
    /// A page for login and consent.
    Page,
    /// It is as was asked: a token is revoked, a device let in or turned away.
    Done,
    /// The token is alive or not.
    Active(bool),
    /// There is no such grant, or none of theirs.
    Unknown,
    Refused(Reason),
}

impl Seen {
    pub(crate) const fn is_refused(&self) -> bool {
        matches!(self.answer, Answer::Refused(_))
    }

    pub(crate) const fn has_tokens(&self) -> bool {
        matches!(self.answer, Answer::Tokens { .. })
    }

    pub(crate) fn code(&self) -> Option<&str> {
        let Answer::Code(code) = &self.answer else { return None };
        Some(code)
    }

    pub(crate) fn refresh_token(&self) -> Option<&str> {
        let Answer::Tokens { refresh_token, .. } = &self.answer else { return None };
        refresh_token.as_deref()
    }
}

impl Racer {
    pub(crate) fn new<A, O>(operation: O, moment: Moment) -> Self
    where
        A: Summary,
        O: Operation<Reply = Reply<A>> + 'static,
    {
        let grant = operation.lookup(&moment).grant;
        let request = Box::new(Timed { operation, moment });
        Self { name: "", presents: None, grant, request, decided: RefCell::default() }
    }

    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    pub(crate) fn presenting(self, presented: &str) -> Self {
        Self { presents: Some(presented.to_owned()), ..self }
    }

    /// What it would read.
    pub(crate) fn reading(&self, table: &Table) -> Option<Record> {
        self.grant.and_then(|id| table.record(id)).cloned()
    }

    /// Runs from end to end over a store with a cache in front.
    pub(crate) fn over_cache(&self, store: &TableStore, cache: &dyn GrantCache) -> Seen {
        self.request.over_cache(store, cache)
    }

    /// Decides over a table of which only the reading counts.
    pub(crate) fn decide(&self, store: &TableStore, table: &Table) -> Rc<Decided> {
        let reading = self.reading(table);
        if let Some(decided) = self.decided.borrow().get(&reading) {
            return Rc::clone(decided);
        }
        let decided = Rc::new(self.request.decide(store, table, self.grant));
        self.decided.borrow_mut().insert(reading, Rc::clone(&decided));
        decided
    }

    /// Returns what was decided over a reading before.
    pub(crate) fn decided_over(&self, reading: &Option<Record>) -> Rc<Decided> {
        Rc::clone(&self.decided.borrow()[reading])
    }
}

/// An operation that can be run again at its own moment.
struct Timed<O> {
    operation: O,
    moment: Moment,
}

impl<O: Operation> Operation for Timed<O> {
    type Reply = O::Reply;

    fn lookup(&self, _: &Moment) -> Lookup<'_> {
        self.operation.lookup(&self.moment)
    }

    fn decide(&self, records: &Records, _: &Moment) -> Decision<O::Reply> {
        self.operation.decide(records, &self.moment)
    }

    fn writes_grant(&self) -> bool {
        self.operation.writes_grant()
    }
}

/// A request of whatever endpoint.
trait Request {
    fn decide(&self, store: &TableStore, table: &Table, grant: Option<GrantId>) -> Decided;
    fn over_cache(&self, store: &TableStore, cache: &dyn GrantCache) -> Seen;
}

impl<A: Summary, O: Operation<Reply = Reply<A>>> Request for Timed<O> {
    fn decide(&self, store: &TableStore, table: &Table, grant: Option<GrantId>) -> Decided {
        let Self { operation, moment } = self;
        let lookup = operation.lookup(moment);
        assert_eq!(lookup.grant, grant, "a lookup that changes");
        let records = store.records(table, &lookup);
        Decided::of(|| operation.decide(&records, moment))
    }

    fn over_cache(&self, store: &TableStore, cache: &dyn GrantCache) -> Seen {
        let moment = Moment::new(self.moment.time(), [0; 32]);
        seen(&Cached::new(store, cache).run(self, moment).unwrap())
    }
}

impl Decided {
    /// Decides, and checks what holds for every decision: it is pure, its reply is sealed until the
    /// change is applied, the log says so, and a signature of something else opens nothing.
    fn of<A: Summary>(decide: impl Fn() -> Decision<Reply<A>>) -> Self {
        let (decision, signatures) = signed(decide());
        match decision {
            Decision::Reply(reply) => {
                let seen = seen(&reply);
                assert_ne!(seen.effect, Effect::Written, "the log tells of a write that is none");
                Self { signatures, changes: None, seen }
            }
            Decision::Commit(commit) => {
                let (Decision::Commit(again), _) = signed(decide()) else { panic!("decide is not pure") };
                assert_eq!(again.changes(), commit.changes(), "decide is not pure");
                assert!(again.resolve(Outcome::Conflict).is_err(), "a reply without its commit");
                let changes = commit.changes().clone();
                assert_eq!(changes.iter().count(), 1, "one record");
                let seen = seen(&commit.resolve(Outcome::Applied).unwrap());
                assert_eq!(seen.effect, Effect::Written, "a write that the log does not tell of");
                if signatures > 0 {
                    assert_foreign_signature_opens_nothing(decide());
                }
                Self { signatures, changes: Some(changes), seen }
            }
            Decision::Sign(_) => unreachable!("a signature that is missing"),
            _ => panic!("a decision that the explorer does not know"),
        }
    }
}

/// Has everything signed that waits for a key outside of the process.
fn signed<R>(mut decision: Decision<R>) -> (Decision<R>, usize) {
    let mut signatures = 0;
    while let Decision::Sign(request) = decision {
        signatures += 1;
        let signature = Signature::Jose(signature_of(request.input().as_bytes()));
        decision = request.complete(&signature).unwrap();
    }
    (decision, signatures)
}

fn assert_foreign_signature_opens_nothing<R>(decision: Decision<R>) {
    let Decision::Sign(request) = decision else { panic!("decide is not pure") };
    // The same header over other claims.
    let (header, _) = core::str::from_utf8(request.input().as_bytes()).unwrap().split_once('.').unwrap();
    let signature = signature_of(format!("{header}.e30").as_bytes());
    assert!(request.complete(&Signature::Jose(signature)).is_err());
}

fn seen<A: Summary>(reply: &Reply<A>) -> Seen {
    let event = &reply.event;
    let refusal = event.denial.map(|denial| denial.reason);
    let answer = reply.answer.summary(refusal);
    Seen { answer, kind: event.kind, effect: event.effect, grant: event.grant }
}

/// An answer that can be summed up; the reason of a refusal stands in the event.
pub(crate) trait Summary {
    fn summary(&self, refusal: Option<Reason>) -> Answer;
}

impl Summary for TokenAnswer {
    fn summary(&self, _: Option<Reason>) -> Answer {
        let text = |token: &SecretString| token.expose().to_owned();
        match self {
            Self::Issued(tokens) => Answer::Tokens {
                access_token: text(&tokens.access_token),
                refresh_token: tokens.refresh_token.as_ref().map(text),
                id_token: tokens.id_token.as_ref().map(text),
            },
            Self::Denied(denial) => Answer::Refused(denial.reason),
        }
    }
}

impl Summary for Answered {
    fn summary(&self, refusal: Option<Reason>) -> Answer {
        match self {
            Self::Page(page) => Answer::Refused(page.denial().reason),
            Self::DeviceApproved | Self::DeviceRefused => Answer::Done,
            Self::Redirect(redirect) => {
                const KNOWN: form::Known = form::Known { once: &["code", "access_token"], many: &[] };
                let (_, answer) = redirect.url().expose().split_once(['?', '#']).unwrap();
                let answer = form::Form::parse(answer.as_bytes(), &KNOWN).unwrap();
                match (answer.get("code"), answer.get("access_token")) {
                    (Some(code), None) => Answer::Code(code.to_owned()),
                    (None, Some(token)) => {
                        Answer::Tokens { access_token: token.to_owned(), refresh_token: None, id_token: None }
                    }
                    _ => Answer::Refused(refusal.unwrap()),
                }
            }
        }
    }
}

impl Summary for Authorization {
    fn summary(&self, refusal: Option<Reason>) -> Answer {
        match self {
            Self::Interact(_) => Answer::Page,
            Self::Page(_) | Self::Redirect(_) => Answer::Refused(refusal.unwrap()),
        }
    }
}

impl Summary for Verification {
    fn summary(&self, refusal: Option<Reason>) -> Answer {
        match self {
            Self::Interact(_) => Answer::Page,
            Self::Page(_) => Answer::Refused(refusal.unwrap()),
        }
    }
}

impl Summary for DeviceAnswer {
    fn summary(&self, _: Option<Reason>) -> Answer {
        match self {
            Self::Waiting(device) => Answer::Device {
                user_code: device.user_code.expose().to_owned(),
                device_code: device.device_code.expose().to_owned(),
            },
            Self::Denied(denial) => Answer::Refused(denial.reason),
        }
    }
}

impl Summary for Pushed {
    fn summary(&self, _: Option<Reason>) -> Answer {
        match self {
            Self::Accepted(pushed) => Answer::RequestUri(pushed.request_uri.expose().to_owned()),
            Self::Denied(denial) => Answer::Refused(denial.reason),
        }
    }
}

impl Summary for Revoked {
    fn summary(&self, _: Option<Reason>) -> Answer {
        match self {
            Self::Done => Answer::Done,
            Self::Denied(denial) => Answer::Refused(denial.reason),
        }
    }
}

impl Summary for Revocation {
    fn summary(&self, _: Option<Reason>) -> Answer {
        match self {
            Self::Revoked => Answer::Done,
            Self::Unknown => Answer::Unknown,
        }
    }
}

impl Summary for Introspection {
    fn summary(&self, _: Option<Reason>) -> Answer {
        match self {
            Self::Active(_) => Answer::Active(true),
            Self::Inactive => Answer::Active(false),
            Self::Denied(denial) => Answer::Refused(denial.reason),
        }
    }
}

impl Summary for UserInfoAnswer {
    fn summary(&self, _: Option<Reason>) -> Answer {
        match self {
            Self::Told(_) => Answer::Active(true),
            Self::Denied(denial) => Answer::Refused(denial.reason),
        }
    }
}
