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
    Pushed,
    DevicePending,
    DeviceApproved,
    DeviceDenied,
    CodeIssued,
    Active,
    Revoked,
}

/// What arrives at a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    /// Parameters that a client pushes.
    PushedRequest,
    /// A request of a device, for a new user code.
    DeviceRequest,
    /// A password, or a client that asks for itself.
    DirectRequest,
    /// A person's yes to a request for a code.
    Approval,
    /// A person's yes to a request for tokens.
    ImplicitApproval,
    /// A person's yes to a device.
    DeviceApproval,
    /// A person's no to a device.
    DeviceRefusal,
    Code,
    DeviceCode,
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
    /// the approval is the one that was answered.
    Repeated,
    /// The presented handle is newer than the record: the store has lost a write.
    Ahead,
    /// The device polled less than its interval ago.
    TooSoon,
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
    /// Writes when it was asked, and refuses for now.
    Wait(Reason),
    /// Writes `Revoked` and refuses: the person's no was told.
    Close(Reason),
    /// Writes `Revoked` and refuses: somebody else holds a copy.
    Alarm(Reason),
}

/// What is left of it where no refusal writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Go {
    Move,
    Repeat,
}

impl Then {
    /// For what is presented by a person or for the first time: its rows do not wait, close or raise an
    /// alarm.
    pub(crate) const fn go(self) -> Result<Go, Reason> {
        match self {
            Move(_) => Ok(Go::Move),
            Repeat => Ok(Go::Repeat),
            Refuse(reason) | Wait(reason) | Close(reason) | Alarm(reason) => Err(reason),
        }
    }
}

/// One row of the table; without a phase it is for every phase that has no row of its own.
pub(crate) struct Row(pub(crate) Option<Phase>, pub(crate) Presented, pub(crate) When, pub(crate) Then);

use Phase::{Absent, Active, CodeIssued, DeviceApproved, DeviceDenied, DevicePending, Pushed, Revoked};
use Presented::{
    Approval, Code, DeviceApproval, DeviceCode, DeviceRefusal, DeviceRequest, DirectRequest,
    ImplicitApproval, PushedRequest, RefreshToken, Revocation,
};
use Then::{Alarm, Close, Move, Refuse, Repeat, Wait};
use When::{Ahead, Always, Current, Expired, Repeated, TooSoon};

pub(crate) const TABLE: &[Row] = &[
    Row(Some(Absent), PushedRequest, Always, Move(Pushed)),
    Row(None, PushedRequest, Always, Refuse(Reason::AlreadyAnswered)),
    //
    Row(Some(Absent), DirectRequest, Always, Move(Active)),
    Row(None, DirectRequest, Always, Refuse(Reason::AlreadyAnswered)),
    //
    Row(Some(Absent), Approval, Always, Move(CodeIssued)),
    Row(Some(Pushed), Approval, Always, Move(CodeIssued)),
    Row(Some(CodeIssued), Approval, Expired, Refuse(Reason::AlreadyAnswered)),
    Row(Some(CodeIssued), Approval, Repeated, Repeat),
    Row(None, Approval, Always, Refuse(Reason::AlreadyAnswered)),
    //
    Row(Some(Absent), ImplicitApproval, Always, Move(Active)),
    Row(Some(Pushed), ImplicitApproval, Always, Move(Active)),
    Row(Some(Active), ImplicitApproval, Expired, Refuse(Reason::AlreadyAnswered)),
    Row(Some(Active), ImplicitApproval, Repeated, Repeat),
    Row(None, ImplicitApproval, Always, Refuse(Reason::AlreadyAnswered)),
    //
    Row(Some(CodeIssued), Code, Expired, Refuse(Reason::CodeExpired)),
    Row(Some(CodeIssued), Code, Always, Move(Active)),
    Row(Some(Active), Code, Expired, Refuse(Reason::CodeReused)),
    Row(Some(Active), Code, Repeated, Repeat),
    Row(Some(Active), Code, Always, Alarm(Reason::CodeReused)),
    Row(Some(Revoked), Code, Always, Refuse(Reason::GrantRevoked)),
    Row(None, Code, Always, Refuse(Reason::CodeUnknown)),
    //
    Row(Some(Absent), DeviceRequest, Always, Move(DevicePending)),
    Row(None, DeviceRequest, Always, Refuse(Reason::UserCodeTaken)),
    //
    Row(Some(DevicePending), DeviceApproval, Expired, Refuse(Reason::DeviceCodeExpired)),
    Row(Some(DevicePending), DeviceApproval, Always, Move(DeviceApproved)),
    Row(Some(DeviceApproved), DeviceApproval, Expired, Refuse(Reason::AlreadyAnswered)),
    Row(Some(DeviceApproved), DeviceApproval, Repeated, Repeat),
    Row(None, DeviceApproval, Always, Refuse(Reason::AlreadyAnswered)),
    //
    Row(Some(DevicePending), DeviceRefusal, Expired, Refuse(Reason::DeviceCodeExpired)),
    Row(Some(DevicePending), DeviceRefusal, Always, Move(DeviceDenied)),
    Row(Some(DeviceDenied), DeviceRefusal, Always, Repeat),
    Row(None, DeviceRefusal, Always, Refuse(Reason::AlreadyAnswered)),
    //
    Row(Some(DevicePending), DeviceCode, Expired, Refuse(Reason::DeviceCodeExpired)),
    Row(Some(DevicePending), DeviceCode, TooSoon, Wait(Reason::PolledTooSoon)),
    Row(Some(DevicePending), DeviceCode, Always, Wait(Reason::PersonHasNotAnswered)),
    Row(Some(DeviceApproved), DeviceCode, Expired, Refuse(Reason::DeviceCodeExpired)),
    Row(Some(DeviceApproved), DeviceCode, Always, Move(Active)),
    Row(Some(DeviceDenied), DeviceCode, Expired, Refuse(Reason::DeviceCodeExpired)),
    Row(Some(DeviceDenied), DeviceCode, Always, Close(Reason::Refused)),
    Row(Some(Active), DeviceCode, Expired, Refuse(Reason::DeviceCodeReused)),
    Row(Some(Active), DeviceCode, Repeated, Repeat),
    Row(Some(Active), DeviceCode, Always, Alarm(Reason::DeviceCodeReused)),
    Row(Some(Revoked), DeviceCode, Always, Refuse(Reason::GrantRevoked)),
    Row(None, DeviceCode, Always, Refuse(Reason::DeviceCodeUnknown)),
    //
    Row(Some(Active), RefreshToken, Expired, Refuse(Reason::RefreshTokenExpired)),
    Row(Some(Active), RefreshToken, Current, Move(Active)),
    Row(Some(Active), RefreshToken, Repeated, Repeat),
    Row(Some(Active), RefreshToken, Ahead, Refuse(Reason::RefreshTokenUnknown)),
    Row(Some(Active), RefreshToken, Always, Alarm(Reason::RefreshTokenReused)),
    Row(Some(Revoked), RefreshToken, Always, Refuse(Reason::GrantRevoked)),
    Row(None, RefreshToken, Always, Refuse(Reason::RefreshTokenUnknown)),
    //
    Row(Some(Absent), Revocation, Always, Repeat),
    Row(Some(Revoked), Revocation, Always, Repeat),
    Row(None, Revocation, Always, Move(Revoked)),
];

/// What is true of what is presented and the record together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) expired: bool,
    pub(crate) current: bool,
    pub(crate) repeated: bool,
    pub(crate) ahead: bool,
    pub(crate) too_soon: bool,
}

/// Tells whether a retry at `now` falls into the window that opened at `since`. No clock
/// difference between two hosts opens a window, or widens it by more than itself.
pub(crate) fn is_retry(since: UnixTime, window: Duration, now: UnixTime) -> bool {
    let is_near = since <= now.saturating_add(window) && now < since.saturating_add(window);
    window.as_secs() > 0 && is_near
}

/// Finds the row that decides.
pub(crate) fn step(state: Option<State>, presented: Presented, facts: Facts) -> Then {
    let phase = Phase::of(state);
    // Every phase and input ends in an `Always` row; a test walks them all.
    let fits = |row: &&Row| row.is_for(phase, presented) && row.2.holds(facts);
    TABLE.iter().find(fits).map_or(Refuse(Reason::GrantRevoked), |row| row.3)
}

impl Row {
    fn is_for(&self, phase: Phase, presented: Presented) -> bool {
        self.1 == presented && self.0.is_none_or(|own| own == phase)
    }
}

impl Phase {
    const fn of(state: Option<State>) -> Self {
        match state {
            None => Absent,
            Some(State::Pushed) => Pushed,
            Some(State::DevicePending { .. }) => DevicePending,
            Some(State::DeviceApproved) => DeviceApproved,
            Some(State::DeviceDenied) => DeviceDenied,
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
            TooSoon => facts.too_soon,
        }
    }
}

#[cfg(test)]
mod tests;
