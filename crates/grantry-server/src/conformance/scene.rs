//! What the rules are made of: names that no other run uses, grants, and steps with an expected answer.

use alloc::{format, string::String};
use core::time::Duration;

use grantry_core::{
    ClientId, ClientIdError, Issuer, IssuerError, Moment, Scope, ScopeError, UnixTime, base64url,
};

use super::port::Parts;
use super::rule::{Mismatch, Rule};
use crate::decision::{Change, ChangeSet, ClaimId, Outcome};
use crate::grant::{Grant, GrantId, Origin, Person, State, Subject, SubjectError, Terms};
use crate::operation::{Lookup, Records, Version};

/// From now on, how long what the kit writes is needed: no sweep of the kit comes near.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

pub(super) struct Scene<'s> {
    pub(super) parts: Parts<'s>,
    pub(super) moment: Moment,
    /// The rule that is checked: what is written for it has names of its own.
    pub(super) rule: Rule,
    /// In every name of this run.
    pub(super) tag: String,
    pub(super) client_id: ClientId,
    pub(super) subject: Subject,
    pub(super) issuer: Issuer,
    scope: Scope,
}

impl<'s> Scene<'s> {
    pub(super) fn new(parts: Parts<'s>, moment: Moment) -> Result<Self, Mismatch> {
        let tag = format!("kit{:016x}", u64::from_be_bytes(moment.random("kit tag")));
        Ok(Self {
            client_id: ClientId::parse(format!("{tag} client"))?,
            subject: Subject::parse(format!("{tag} subject"))?,
            issuer: Issuer::parse(format!("https://{tag}.example"))?,
            scope: Scope::parse("kit.read kit.write")?,
            parts,
            moment,
            rule: Rule::AbsentIsAbsent,
            tag,
        })
    }
}

impl Scene<'_> {
    pub(super) fn now(&self) -> UnixTime {
        self.moment.time()
    }

    /// When what is written to be kept may go.
    pub(super) fn later(&self) -> UnixTime {
        self.now().saturating_add(LIFETIME)
    }

    pub(super) fn random<const N: usize>(&self, kind: &str, label: &str) -> [u8; N] {
        self.moment.random(&format!("kit {:?} {kind} {label}", self.rule))
    }

    pub(super) fn id(&self, label: &str) -> GrantId {
        GrantId::from_bytes(self.random("grant", label))
    }

    pub(super) fn claim_id(&self, label: &str) -> ClaimId {
        ClaimId::from_bytes(self.random("claim", label))
    }

    pub(super) fn client_id(&self, label: &str) -> Result<ClientId, Mismatch> {
        Ok(ClientId::parse(format!("{} {:?} {label}", self.tag, self.rule))?)
    }

    pub(super) fn subject(&self, label: &str) -> Result<Subject, Mismatch> {
        Ok(Subject::parse(format!("{} {:?} {label}", self.tag, self.rule))?)
    }

    /// A grant with tokens, of the client and the person of the scene.
    pub(super) fn grant(&self, label: &str) -> Grant {
        self.grant_of(self.id(label), &self.client_id, Some(&self.subject))
    }

    pub(super) fn grant_of(&self, id: GrantId, client_id: &ClientId, subject: Option<&Subject>) -> Grant {
        self.grant_at(&self.issuer, id, client_id, subject)
    }

    /// A grant of another tenant.
    pub(super) fn grant_at(
        &self,
        issuer: &Issuer,
        id: GrantId,
        client_id: &ClientId,
        subject: Option<&Subject>,
    ) -> Grant {
        let terms = Terms {
            id,
            issuer: issuer.clone(),
            salt: self.random("salt", &format!("{id}")),
            client_id: client_id.clone(),
            scope: self.scope.clone(),
            resources: [format!("https://{}.example", self.tag)].into(),
            created_at: self.now(),
            origin: Origin::Password,
            claims: None,
            person: subject.map(|subject| self.person(subject)),
        };
        Grant {
            terms: terms.into(),
            expires_at: self.later(),
            kept_until: UnixTime::from_secs(0),
            state: State::Active { serial: 0, since: self.now() },
        }
    }

    pub(super) fn person(&self, subject: &Subject) -> Person {
        Person {
            subject: subject.clone(),
            authenticated_at: self.now(),
            acr: None,
            amr: [String::from("pwd")].into(),
            sid: None,
        }
    }

    pub(super) fn claim(&self, id: ClaimId) -> Change {
        Change::Claim { id, until: self.later() }
    }
}

/// The grant with its refresh token of another serial number.
pub(super) fn rotated(grant: &Grant, serial: u32) -> Grant {
    Grant { state: State::Active { serial, since: grant.terms.created_at }, ..grant.clone() }
}

/// The grant as it may be dropped from a time on that is an hour after the epoch, or later.
pub(super) fn due_at(grant: Grant, time: UnixTime) -> Grant {
    Grant { expires_at: time.saturating_sub(Grant::CLOCK_MARGIN), ..grant }
}

pub(super) fn insert(grant: &Grant) -> Change {
    Change::Put { expected: None, grant: grant.clone() }
}

pub(super) fn replace(version: Version, grant: &Grant) -> Change {
    Change::Put { expected: Some(version), grant: grant.clone() }
}

impl Scene<'_> {
    pub(super) async fn read(&self, step: &'static str, lookup: &Lookup<'_>) -> Result<Records, Mismatch> {
        self.parts.store.read(lookup).await.map_err(|error| Mismatch::of_error(step, &error))
    }

    pub(super) async fn applies(
        &self,
        step: &'static str,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<(), Mismatch> {
        self.commit(step, Outcome::Applied, changes).await
    }

    pub(super) async fn conflicts(
        &self,
        step: &'static str,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<(), Mismatch> {
        self.commit(step, Outcome::Conflict, changes).await
    }

    async fn commit(
        &self,
        step: &'static str,
        expected: Outcome,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<(), Mismatch> {
        let changes = ChangeSet::from_iter(changes);
        let outcome = self.parts.store.commit(&changes).await;
        let outcome = outcome.map_err(|error| Mismatch::of_error(step, &error))?;
        Mismatch::unless_equal(step, &expected, &outcome)
    }

    /// Checks that the record is there, as it was written.
    pub(super) async fn stands(
        &self,
        step: &'static str,
        grant: &Grant,
        version: Version,
    ) -> Result<(), Mismatch> {
        let lookup = Lookup { grant: Some(grant.id()), ..Lookup::default() };
        let records = self.read(step, &lookup).await?;
        holds(step, &records, grant, version)
    }

    pub(super) async fn is_absent(&self, step: &'static str, id: GrantId) -> Result<(), Mismatch> {
        let records = self.read(step, &Lookup { grant: Some(id), ..Lookup::default() }).await?;
        match records.grant(id) {
            None => Ok(()),
            Some(record) => Err(Mismatch::new(step, "no grant", at(record.version))),
        }
    }

    /// Checks that an identifier is seen, by both ways to ask for one.
    pub(super) async fn is_claimed(&self, step: &'static str, id: ClaimId) -> Result<(), Mismatch> {
        self.claims(step, id, Claimed { claim: true, assertion: true }).await
    }

    pub(super) async fn is_unclaimed(&self, step: &'static str, id: ClaimId) -> Result<(), Mismatch> {
        self.claims(step, id, Claimed { claim: false, assertion: false }).await
    }

    async fn claims(&self, step: &'static str, id: ClaimId, expected: Claimed) -> Result<(), Mismatch> {
        let claim = self.read(step, &Lookup { claim: Some(id), ..Lookup::default() }).await?;
        let assertion = self.read(step, &Lookup { assertion: Some(id), ..Lookup::default() }).await?;
        let seen = Claimed { claim: claim.is_claim_seen(), assertion: assertion.is_assertion_seen() };
        Mismatch::unless_equal(step, &expected, &seen)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Claimed {
    claim: bool,
    assertion: bool,
}

/// Checks that a read has the record as it was written.
pub(super) fn holds(
    step: &'static str,
    records: &Records,
    grant: &Grant,
    version: Version,
) -> Result<(), Mismatch> {
    let expected = || at(version);
    let Some(record) = records.grant(grant.id()) else {
        return Err(Mismatch::new(step, expected(), "no grant"));
    };
    if record.version != version {
        return Err(Mismatch::new(step, expected(), at(record.version)));
    }
    if record.grant.to_bytes() != grant.to_bytes() {
        return Err(Mismatch::new(step, "the bytes that were written", "other bytes at the same version"));
    }
    Ok(())
}

fn at(version: Version) -> String {
    format!("the grant at version {}", version.as_number())
}

/// The kit's own names are always good.
fn bad_name(error: impl core::fmt::Display) -> Mismatch {
    Mismatch::of_error("naming what the kit writes", &format!("{error}"))
}

impl From<ClientIdError> for Mismatch {
    fn from(error: ClientIdError) -> Self {
        bad_name(error)
    }
}

impl From<SubjectError> for Mismatch {
    fn from(error: SubjectError) -> Self {
        bad_name(error)
    }
}

impl From<IssuerError> for Mismatch {
    fn from(error: IssuerError) -> Self {
        bad_name(error)
    }
}

impl From<ScopeError> for Mismatch {
    fn from(error: ScopeError) -> Self {
        bad_name(error)
    }
}

/// Bytes of the run as text, of which no database can guess a type.
pub(super) fn filler(scene: &Scene<'_>, label: &str, length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        text += &base64url::encode(scene.random::<48>("filler", &format!("{label} {}", text.len())));
    }
    text.truncate(length);
    text
}
