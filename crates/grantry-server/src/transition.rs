//! The life of a grant: one table.
//!
//! A row says: a grant in this phase, to which this is presented, under this condition, does that.
//! Rows are tried from top to bottom, and the first that fits decides. The rules behind it:
//!
//! * One code makes one grant active, once; one refresh token has one successor, ever.
//! * Whoever presents what was already used, and could prove to be its owner, raises the alarm.
//! * Nothing leaves `Revoked`.
//!
//! Ownership (client, PKCE, redirect URI, the salted half of the handle) is checked before the table
//! is asked, so a stranger neither uses a code up nor raises an alarm.

use core::time::Duration;

use grantry_core::UnixTime;

use crate::denial::Reason;
use crate::grant::State;

/// The state without its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Absent,
    CodeIssued,
    Active,
    Revoked,
}

/// What arrives at a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    Approval,
    Code,
    RefreshToken,
    Revocation,
}

/// When a row fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// The grant, or the code while it is not redeemed, has expired.
    Expired,
    /// The presented handle is the live one.
    Current,
    /// The presented handle is the one before the live one, inside the policy's retry window; or
    /// the approval is the one that made the code.
    Repeated,
    /// The presented handle is newer than the record: the store has lost a write.
    Ahead,
}

/// What a row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Writes the next state and answers.
    Move(Phase),
    /// Answers as it was answered before and writes nothing.
    Repeat,
    /// Refuses and writes nothing.
    Refuse(Reason),
    /// Writes `Revoked` and refuses: somebody else holds a copy.
    Alarm(Reason),
}

/// One row of the table.
pub(crate) struct Row(pub(crate) Phase, pub(crate) Presented, pub(crate) When, pub(crate) Then);

use Phase::{Absent, Active, CodeIssued, Revoked};
use Presented::{Approval, Code, RefreshToken, Revocation};
use Then::{Alarm, Move, Refuse, Repeat};
use When::{Ahead, Always, Current, Expired, Repeated};

pub(crate) const TABLE: &[Row] = &[
    Row(Absent, Approval, Always, Move(CodeIssued)),
    Row(Absent, Code, Always, Refuse(Reason::CodeUnknown)),
    Row(Absent, RefreshToken, Always, Refuse(Reason::RefreshTokenUnknown)),
    Row(Absent, Revocation, Always, Repeat),
    //
    Row(CodeIssued, Approval, Expired, Refuse(Reason::AlreadyAnswered)),
    Row(CodeIssued, Approval, Repeated, Repeat),
    Row(CodeIssued, Approval, Always, Refuse(Reason::AlreadyAnswered)),
    Row(CodeIssued, Code, Expired, Refuse(Reason::CodeExpired)),
    Row(CodeIssued, Code, Always, Move(Active)),
    Row(CodeIssued, RefreshToken, Always, Refuse(Reason::RefreshTokenUnknown)),
    Row(CodeIssued, Revocation, Always, Move(Revoked)),
    //
    Row(Active, Approval, Always, Refuse(Reason::AlreadyAnswered)),
    Row(Active, Code, Expired, Refuse(Reason::CodeReused)),
    Row(Active, Code, Repeated, Repeat),
    Row(Active, Code, Always, Alarm(Reason::CodeReused)),
    Row(Active, RefreshToken, Expired, Refuse(Reason::RefreshTokenExpired)),
    Row(Active, RefreshToken, Current, Move(Active)),
    Row(Active, RefreshToken, Repeated, Repeat),
    Row(Active, RefreshToken, Ahead, Refuse(Reason::RefreshTokenUnknown)),
    Row(Active, RefreshToken, Always, Alarm(Reason::RefreshTokenReused)),
    Row(Active, Revocation, Always, Move(Revoked)),
    //
    Row(Revoked, Approval, Always, Refuse(Reason::AlreadyAnswered)),
    Row(Revoked, Code, Always, Refuse(Reason::GrantRevoked)),
    Row(Revoked, RefreshToken, Always, Refuse(Reason::GrantRevoked)),
    Row(Revoked, Revocation, Always, Repeat),
];

/// What is true of the presented handle and the record together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) expired: bool,
    pub(crate) current: bool,
    pub(crate) repeated: bool,
    pub(crate) ahead: bool,
}

/// Tells whether a retry at `now` falls into the window that opened at `since`. Without a window no
/// clock difference between two hosts opens one.
pub(crate) fn is_retry(since: UnixTime, window: Duration, now: UnixTime) -> bool {
    window.as_secs() > 0 && now < since.saturating_add(window)
}

/// Finds the row that decides.
pub(crate) fn step(state: Option<State>, presented: Presented, facts: Facts) -> Then {
    let phase = Phase::of(state);
    let fits = |row: &&Row| row.0 == phase && row.1 == presented && row.2.holds(facts);
    // Every phase and input ends in an `Always` row; a test walks them all.
    TABLE.iter().find(fits).map_or(Refuse(Reason::GrantRevoked), |row| row.3)
}

impl Phase {
    const fn of(state: Option<State>) -> Self {
        match state {
            None => Absent,
            Some(State::CodeIssued) => CodeIssued,
            Some(State::Active { .. }) => Active,
            Some(State::Revoked { .. }) => Revoked,
        }
    }
}

impl When {
    const fn holds(self, facts: Facts) -> bool {
        match self {
            Always => true,
            Expired => facts.expired,
            Current => facts.current,
            Repeated => facts.repeated,
            Ahead => facts.ahead,
        }
    }
}
