//! A small store that keeps rows as a database would, and breaks one rule when it is told to.

use std::collections::BTreeMap;
use std::sync::{Barrier, Mutex, MutexGuard};
use std::thread::{self, ThreadId};

use grantry_core::{ClientId, UnixTime};
use grantry_server::{
    Change, ChangeSet, Client, Grant, GrantId, GrantList, GrantsOf, Lookup, MAX_LISTED_GRANTS, Outcome,
    RecordError, Records, Store, Sweep, Swept, Version,
};

pub(crate) const NOW: u64 = 1_800_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    EveryClaimIsSeen,
    BytesAreText,
    VersionsBeginAtZero,
    AnyClaimAnswersBoth,
    AssertionsAreNotRead,
    NoGrantNoClaim,
    VersionStays,
    ListsIgnoreTheIssuer,
    InsertReplaces,
    VersionIsIgnored,
    NewerIsEnough,
    VersionHas32Bits,
    ReplaceInserts,
    VersionZeroIsAbsent,
    ClaimReplaces,
    ClaimsDifferByTime,
    OneByOne,
    FirstChangeDecides,
    IdsAreText,
    IdsIgnoreCase,
    IdsEndAtZero,
    TimesAreSigned,
    TimesWrap,
    PastIsRefused,
    BytesAreCut,
    ClientsIgnoreCase,
    ClientsAreKept,
    ListsIgnoreTheClient,
    ListsLoseClientsOwn,
    ListsAreReversed,
    ListsRepeatTheLast,
    ListsCompareSigned,
    AfterHasToExist,
    NoLimitIsAHundred,
    ListsHaveNoBound,
    SubjectIsFiledOnce,
    EndedIsHidden,
    OldBytesAreListed,
    SubjectsIgnoreCase,
    SubjectsAreTrimmed,
    SubjectsAreNumbers,
    SubjectsArePatterns,
    NamesAreCut,
    NamesAreJoined,
    SweepsEarly,
    SweepsWrapped,
    DueTimeIsFiledOnce,
    SweepsNoClaims,
    SweepsTooLate,
    SweepsEverything,
    SweepsEachKind,
    NoHint,
    HintOfGrants,
    HintOfTheLast,
    CorruptIsAbsent,
    CorruptIsDeleted,
    CorruptIsUnlisted,
    NewerIsAbsent,
    ComparesFirst,
    ClaimsFirst,
    ReadsTwice,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TableError {
    #[error("{0}")]
    Record(#[from] RecordError),
    #[error("a number is out of range")]
    Range,
}

pub(crate) struct Table {
    pub(crate) bug: Option<Bug>,
    rows: Mutex<Rows>,
    /// Where racing threads meet between the comparison and the write of a broken commit.
    gate: Barrier,
    main: ThreadId,
}

#[derive(Default)]
struct Rows {
    clients: BTreeMap<String, Client>,
    grants: BTreeMap<Vec<u8>, Row>,
    claims: BTreeMap<(Vec<u8>, u64), u64>,
}

#[derive(Clone)]
struct Row {
    version: u64,
    bytes: Vec<u8>,
    first_bytes: Vec<u8>,
    id: GrantId,
    issuer: String,
    client_id: String,
    subject: Option<String>,
    purge_after: u64,
}

impl Table {
    pub(crate) fn new(bug: Option<Bug>) -> Self {
        let main = thread::current().id();
        Self { bug, rows: Mutex::default(), gate: Barrier::new(8), main }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap()
    }

    pub(crate) fn register(&self, client: Client) -> Result<(), TableError> {
        let key = self.client_key(client.id());
        let mut rows = self.rows();
        if !(self.has(Bug::ClientsAreKept) && rows.clients.contains_key(&key)) {
            rows.clients.insert(key, client);
        }
        Ok(())
    }

    pub(crate) fn plant(&self, id: GrantId, bytes: Vec<u8>) -> Result<(), TableError> {
        if let Some(row) = self.rows().grants.get_mut(&self.key(id.as_bytes())) {
            row.bytes = bytes;
        }
        Ok(())
    }

    fn client_key(&self, id: &ClientId) -> String {
        if self.has(Bug::ClientsIgnoreCase) { id.as_str().to_lowercase() } else { id.as_str().into() }
    }

    fn key(&self, id: &[u8]) -> Vec<u8> {
        match self.bug {
            Some(Bug::IdsAreText) => String::from_utf8_lossy(id).into_owned().into_bytes(),
            Some(Bug::IdsIgnoreCase) => id.to_ascii_lowercase(),
            Some(Bug::IdsEndAtZero) => id.split(|byte| *byte == 0).next().unwrap().to_vec(),
            _ => id.to_vec(),
        }
    }

    fn claim_key(&self, id: &[u8], until: u64) -> (Vec<u8>, u64) {
        (self.key(id), if self.has(Bug::ClaimsDifferByTime) { until } else { 0 })
    }

    fn is_claimed(&self, rows: &Rows, id: &[u8]) -> bool {
        let id = self.key(id);
        let mut of_id = rows.claims.iter().filter(|((claimed, _), _)| *claimed == id);
        of_id.any(|(_, until)| !(self.has(Bug::TimesWrap) && *until > u64::MAX / 2))
            || self.has(Bug::EveryClaimIsSeen)
    }

    fn allows(&self, rows: &Rows, change: &Change) -> bool {
        match change {
            Change::Claim { id, until } => {
                !rows.claims.contains_key(&self.claim_key(id.as_bytes(), until.as_secs()))
                    || self.has(Bug::ClaimReplaces)
            }
            Change::Put { expected, grant } => {
                let row = rows.grants.get(&self.key(grant.id().as_bytes()));
                let expected = expected.map(Version::as_number);
                match (row.map(|row| row.version), expected) {
                    (None, None) => true,
                    (None, Some(0)) if self.has(Bug::VersionZeroIsAbsent) => true,
                    (None, Some(_)) => self.has(Bug::ReplaceInserts),
                    (Some(_), None) => self.has(Bug::InsertReplaces),
                    (Some(version), Some(expected)) => match self.bug {
                        Some(Bug::VersionIsIgnored) => true,
                        Some(Bug::NewerIsEnough) => expected >= version,
                        Some(Bug::VersionHas32Bits) => expected % (1 << 32) == version,
                        _ => expected == version,
                    },
                }
            }
        }
    }

    fn apply(&self, rows: &mut Rows, change: &Change) -> Result<(), TableError> {
        match change {
            Change::Claim { id, until } => {
                let until = self.column(*until)?;
                rows.claims.insert(self.claim_key(id.as_bytes(), until), until);
            }
            Change::Put { grant, .. } => {
                let key = self.key(grant.id().as_bytes());
                let before = rows.grants.get(&key);
                let row = self.row(before, grant)?;
                rows.grants.insert(key, row);
            }
        }
        Ok(())
    }

    fn row(&self, before: Option<&Row>, grant: &Grant) -> Result<Row, TableError> {
        let mut bytes = grant.to_bytes();
        if self.has(Bug::BytesAreText) {
            bytes = String::from_utf8_lossy(&bytes).into_owned().into_bytes();
        }
        if self.has(Bug::BytesAreCut) {
            bytes.truncate(16 * 1024);
        }
        let first = if self.has(Bug::VersionsBeginAtZero) { 0 } else { 1 };
        let step = if self.has(Bug::VersionStays) { 0 } else { 1 };
        let mut row = Row {
            version: before.map_or(first, |before| before.version + step),
            first_bytes: before.map_or_else(|| bytes.clone(), |before| before.first_bytes.clone()),
            issuer: grant.issuer().as_str().into(),
            bytes,
            id: grant.id(),
            client_id: grant.client_id().as_str().into(),
            subject: grant.subject().map(|subject| subject.as_str().into()),
            purge_after: self.column(grant.purge_after())?,
        };
        if let (Some(before), Some(Bug::SubjectIsFiledOnce)) = (before, self.bug) {
            row.subject.clone_from(&before.subject);
        }
        if let (Some(before), Some(Bug::DueTimeIsFiledOnce)) = (before, self.bug) {
            row.purge_after = before.purge_after;
        }
        Ok(row)
    }

    fn column(&self, time: UnixTime) -> Result<u64, TableError> {
        let refused = match self.bug {
            Some(Bug::TimesAreSigned) => time.as_secs() > u64::MAX / 2,
            Some(Bug::PastIsRefused) => time.as_secs() <= NOW,
            _ => false,
        };
        if refused { Err(TableError::Range) } else { Ok(time.as_secs()) }
    }

    /// The first half of a commit: whether the changes hold. A broken one lets others in between.
    pub(crate) fn compare(&self, changes: &ChangeSet) -> bool {
        let rows = self.rows();
        changes.iter().all(|change| match (self.bug, change) {
            (Some(Bug::ClaimsFirst), Change::Put { .. }) => true,
            _ => self.allows(&rows, change),
        })
    }

    pub(crate) fn swap(&self, changes: &ChangeSet) -> Result<Outcome, TableError> {
        let mut rows = self.rows();
        let is_put = |change: &&Change| matches!(change, Change::Put { .. });
        if self.has(Bug::ClaimsFirst) && !changes.iter().filter(is_put).all(|put| self.allows(&rows, put)) {
            return Ok(Outcome::Conflict);
        }
        changes.iter().try_for_each(|change| self.apply(&mut rows, change))?;
        Ok(Outcome::Applied)
    }

    pub(crate) fn version(&self, id: GrantId) -> Option<Version> {
        let rows = self.rows();
        rows.grants.get(&self.key(id.as_bytes())).map(|row| Version::from_number(row.version))
    }

    fn decode(&self, rows: &mut Rows, id: GrantId) -> Result<Option<(Grant, Version)>, TableError> {
        let key = self.key(id.as_bytes());
        let Some(row) = rows.grants.get(&key).cloned() else { return Ok(None) };
        match (Grant::from_bytes(&row.bytes), self.bug) {
            (Ok(grant), _) => Ok(Some((grant, Version::from_number(row.version)))),
            (Err(_), Some(Bug::CorruptIsAbsent)) => Ok(None),
            (Err(RecordError::Newer(_)), Some(Bug::NewerIsAbsent)) => Ok(None),
            (Err(error), Some(Bug::CorruptIsDeleted)) => {
                rows.grants.remove(&key);
                Err(error.into())
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    fn includes(&self, of: GrantsOf<'_>, row: &Row) -> bool {
        let subject = |asked: &str| row.subject.as_ref().is_some_and(|filed| self.is_same(filed, asked));
        let client = |asked: &str| match self.bug {
            Some(Bug::ListsLoseClientsOwn) => row.client_id == asked && row.subject.is_some(),
            Some(Bug::NamesAreCut) => cut(&row.client_id) == cut(asked),
            _ => row.client_id == asked,
        };
        if row.issuer != of.issuer().as_str() && self.bug != Some(Bug::ListsIgnoreTheIssuer) {
            return false;
        }
        match of {
            GrantsOf::Subject(_, asked) => subject(asked.as_str()),
            GrantsOf::Client(_, asked) => client(asked.as_str()),
            GrantsOf::SubjectAtClient(_, person, app) => match (self.bug, &row.subject) {
                (Some(Bug::ListsIgnoreTheClient), _) => subject(person.as_str()),
                (Some(Bug::NamesAreJoined), Some(filed)) => {
                    format!("{filed}:{}", row.client_id) == format!("{person}:{app}")
                }
                _ => subject(person.as_str()) && client(app.as_str()),
            },
        }
    }

    fn is_same(&self, filed: &str, asked: &str) -> bool {
        match self.bug {
            Some(Bug::SubjectsIgnoreCase) => filed.eq_ignore_ascii_case(asked),
            Some(Bug::SubjectsAreTrimmed) => filed.trim_end() == asked.trim_end(),
            Some(Bug::SubjectsAreNumbers) => match (filed.parse::<f64>(), asked.parse::<f64>()) {
                (Ok(filed), Ok(asked)) => filed == asked,
                _ => filed == asked,
            },
            Some(Bug::SubjectsArePatterns) => match asked.strip_suffix('%') {
                Some(start) => filed.starts_with(start),
                None => filed == asked,
            },
            _ => filed == asked,
        }
    }
}

fn cut(name: &str) -> &str {
    name.get(..255).unwrap_or(name)
}

impl Store for Table {
    type Error = TableError;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, TableError> {
        let mut rows = self.rows();
        let mut records = Records::new();
        if let Some(client) = lookup.client.and_then(|id| rows.clients.get(&self.client_key(id))) {
            records = records.with_client(client.clone());
        }
        if let Some(id) = lookup.grant {
            match self.decode(&mut rows, id)? {
                Some((grant, version)) => records = records.with_grant(grant, version),
                None if self.has(Bug::NoGrantNoClaim) => return Ok(records),
                None => {}
            }
        }
        let claim = lookup.claim.is_some_and(|id| self.is_claimed(&rows, id.as_bytes()));
        let assertion = lookup.assertion.is_some_and(|id| self.is_claimed(&rows, id.as_bytes()));
        let both = self.has(Bug::AnyClaimAnswersBoth) && (claim || assertion);
        if claim || both {
            records = records.with_claim_seen();
        }
        if (assertion || both) && !self.has(Bug::AssertionsAreNotRead) {
            records = records.with_assertion_seen();
        }
        Ok(records)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, TableError> {
        let mut rows = self.rows();
        if let Some(Bug::OneByOne) = self.bug {
            for change in changes.iter() {
                if !self.allows(&rows, change) {
                    return Ok(Outcome::Conflict);
                }
                self.apply(&mut rows, change)?;
            }
            return Ok(Outcome::Applied);
        }
        let checked = if self.has(Bug::FirstChangeDecides) { 1 } else { usize::MAX };
        if !changes.iter().take(checked).all(|change| self.allows(&rows, change)) {
            return Ok(Outcome::Conflict);
        }
        if self.has(Bug::ComparesFirst) && thread::current().id() != self.main {
            drop(rows);
            self.gate.wait();
            rows = self.rows();
        }
        changes.iter().try_for_each(|change| self.apply(&mut rows, change))?;
        Ok(Outcome::Applied)
    }
}

impl GrantList for Table {
    fn list(&self, of: GrantsOf<'_>, after: Option<GrantId>, limit: usize) -> Result<Vec<Grant>, TableError> {
        let rows = self.rows();
        let mut found: Vec<_> = rows.grants.values().filter(|row| self.includes(of, row)).collect();
        let signed = |id: GrantId| {
            id.as_bytes().map(|byte| byte ^ if self.has(Bug::ListsCompareSigned) { 0x80 } else { 0 })
        };
        found.sort_by_key(|row| signed(row.id));
        if self.has(Bug::ListsAreReversed) {
            found.reverse();
        }
        if let Some(after) = after {
            match self.bug {
                Some(Bug::ListsRepeatTheLast) => found.retain(|row| row.id >= after),
                Some(Bug::ListsAreReversed) => found.retain(|row| row.id < after),
                Some(Bug::AfterHasToExist) => {
                    let skipped =
                        found.iter().position(|row| row.id == after).map_or(0, |position| position + 1);
                    found.drain(..skipped);
                }
                _ => found.retain(|row| signed(row.id) > signed(after)),
            }
        }
        let limit = match self.bug {
            Some(Bug::ListsHaveNoBound) => limit,
            Some(Bug::NoLimitIsAHundred) if limit == 0 => MAX_LISTED_GRANTS,
            _ => limit.min(MAX_LISTED_GRANTS),
        };
        let mut grants = Vec::new();
        for row in found.into_iter().take(limit) {
            let bytes = if self.has(Bug::OldBytesAreListed) { &row.first_bytes } else { &row.bytes };
            match (Grant::from_bytes(bytes), self.bug) {
                (Ok(grant), Some(Bug::EndedIsHidden)) if !grant.is_open(UnixTime::from_secs(NOW)) => {}
                (Err(_), Some(Bug::CorruptIsUnlisted | Bug::CorruptIsAbsent)) => {}
                (grant, _) => grants.push(grant?),
            }
        }
        Ok(grants)
    }
}

impl Sweep for Table {
    fn sweep(&self, now: UnixTime, limit: usize) -> Result<Swept, TableError> {
        let mut rows = self.rows();
        let (now, mut removed) = (now.as_secs(), 0);
        let is_due = |time: u64| match self.bug {
            Some(Bug::SweepsEarly) => time <= now + 1,
            Some(Bug::SweepsWrapped) => time <= now || time > u64::MAX / 2,
            Some(Bug::SweepsTooLate) => time < now,
            _ => time <= now,
        };
        let mut drops = |time: u64| {
            let drops = is_due(time) && (removed < limit || self.has(Bug::SweepsEverything));
            removed += usize::from(drops);
            drops
        };
        let Rows { grants, claims, .. } = &mut *rows;
        grants.retain(|_, row| !drops(row.purge_after));
        let of_grants = removed;
        if self.has(Bug::SweepsEachKind) {
            removed = 0;
        }
        let mut drops = |time: u64| {
            let drops = is_due(time) && (removed < limit || self.has(Bug::SweepsEverything));
            removed += usize::from(drops);
            drops
        };
        if !self.has(Bug::SweepsNoClaims) {
            claims.retain(|_, until| !drops(*until));
        }
        if self.has(Bug::SweepsEachKind) {
            removed += of_grants;
        }
        let of_claims = claims
            .values()
            .copied()
            .filter(|_| !matches!(self.bug, Some(Bug::SweepsNoClaims | Bug::HintOfGrants)));
        let times: Vec<_> = grants.values().map(|row| row.purge_after).chain(of_claims).collect();
        let (first, last) = (times.iter().min().copied(), times.iter().max().copied());
        let is_done = first.is_some_and(|first| now < first);
        let next = if self.has(Bug::HintOfTheLast) && is_done { last } else { first };
        let next = next.filter(|next| !self.has(Bug::NoHint) || *next <= now);
        Ok(Swept::new(removed, next.map(UnixTime::from_secs)))
    }
}
