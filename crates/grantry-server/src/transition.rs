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

/// Tells whether a retry at `now` falls into the window that opened at `since`. No clock
/// difference between two hosts opens a window, or widens it by more than itself.
pub(crate) fn is_retry(since: UnixTime, window: Duration, now: UnixTime) -> bool {
    let is_near = since <= now.saturating_add(window) && now < since.saturating_add(window);
    window.as_secs() > 0 && is_near
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

#[cfg(test)]
mod tests {
    use alloc::{format, string::String, vec::Vec};

    use super::*;

    const PHASES: [Phase; 4] = [Absent, CodeIssued, Active, Revoked];
    const PRESENTED: [Presented; 4] = [Approval, Code, RefreshToken, Revocation];

    fn rows(phase: Phase, presented: Presented) -> Vec<&'static Row> {
        TABLE.iter().filter(|row| row.0 == phase && row.1 == presented).collect()
    }

    fn state_of(phase: Phase) -> Option<State> {
        let since = UnixTime::from_secs(0);
        match phase {
            Absent => None,
            CodeIssued => Some(State::CodeIssued),
            Active => Some(State::Active { serial: 1, since }),
            Revoked => Some(State::Revoked { since }),
        }
    }

    fn every_fact() -> impl Iterator<Item = Facts> {
        (0_u8..16).map(|bits| Facts {
            expired: bits & 1 != 0,
            current: bits & 2 != 0,
            repeated: bits & 4 != 0,
            ahead: bits & 8 != 0,
        })
    }

    #[test]
    fn every_phase_and_input_ends_in_one_always_row() {
        for phase in PHASES {
            for presented in PRESENTED {
                let conditions: Vec<_> = rows(phase, presented).iter().map(|row| row.2).collect();
                let always = conditions.iter().filter(|when| **when == Always).count();
                assert_eq!((conditions.last(), always), (Some(&Always), 1), "{phase:?} {presented:?}");
                for (index, when) in conditions.iter().enumerate() {
                    assert!(!conditions[..index].contains(when), "{phase:?} {presented:?} {when:?} twice");
                }
            }
        }
    }

    #[test]
    fn the_first_row_that_fits_decides() {
        for phase in PHASES {
            for presented in PRESENTED {
                for facts in every_fact() {
                    let fits = |row: &&&Row| row.2.holds(facts);
                    let first = rows(phase, presented).iter().find(fits).map(|row| row.3);
                    assert_eq!(Some(step(state_of(phase), presented, facts)), first);
                }
            }
        }
    }

    #[test]
    fn nothing_leaves_revoked_and_nothing_becomes_absent() {
        for Row(phase, presented, _, then) in TABLE {
            let ends_in = match then {
                Move(next) => *next,
                Alarm(_) => Revoked,
                Repeat | Refuse(_) => *phase,
            };
            assert!(*phase != Revoked || ends_in == Revoked, "{presented:?}");
            assert!(*phase == Absent || ends_in != Absent, "{presented:?}");
            // A dead grant is not even written again.
            assert!(*phase != Revoked || matches!(then, Repeat | Refuse(_)), "{presented:?}");
        }
    }

    #[test]
    fn rfc6749_4_1_2_only_a_first_approval_a_first_code_and_the_live_token_move() {
        let moves: Vec<_> = TABLE
            .iter()
            .filter_map(|Row(phase, presented, _, then)| match then {
                Move(next) if *presented != Revocation => Some((*phase, *presented, *next)),
                Move(_) | Repeat | Refuse(_) | Alarm(_) => None,
            })
            .collect();
        let expected =
            [(Absent, Approval, CodeIssued), (CodeIssued, Code, Active), (Active, RefreshToken, Active)];
        assert_eq!(moves, expected);
        for facts in every_fact().filter(|facts| !facts.current) {
            let then = step(state_of(Active), RefreshToken, facts);
            assert!(!matches!(then, Move(_)), "{facts:?}");
        }
    }

    #[test]
    fn what_is_expired_is_neither_used_nor_repeated() {
        for facts in every_fact().filter(|facts| facts.expired) {
            for (phase, presented) in
                [(CodeIssued, Approval), (CodeIssued, Code), (Active, Code), (Active, RefreshToken)]
            {
                let then = step(state_of(phase), presented, facts);
                assert!(matches!(then, Refuse(_)), "{phase:?} {presented:?} {facts:?}");
            }
        }
    }

    #[test]
    fn a_window_is_open_for_whole_seconds_from_its_start() {
        let at = UnixTime::from_secs;
        let ten = Duration::from_secs(10);
        assert!(is_retry(at(100), ten, at(100)) && is_retry(at(100), ten, at(109)));
        assert!(!is_retry(at(100), ten, at(110)) && !is_retry(at(100), ten, UnixTime::MAX));
        assert!(is_retry(at(100), ten, at(90)) && !is_retry(at(100), ten, at(89)));
        for none in [Duration::ZERO, Duration::from_millis(999)] {
            assert!(!is_retry(at(100), none, at(100)) && !is_retry(at(100), none, at(0)));
        }
    }

    const fn phase_text(phase: Phase) -> &'static str {
        match phase {
            Absent => "absent",
            CodeIssued => "code issued",
            Active => "active",
            Revoked => "revoked",
        }
    }

    const fn presented_text(presented: Presented) -> &'static str {
        match presented {
            Approval => "approval",
            Code => "code",
            RefreshToken => "refresh token",
            Revocation => "revocation",
        }
    }

    const fn when_text(presented: Presented, when: When) -> &'static str {
        match (when, presented) {
            (Always, _) => "otherwise",
            (Expired, RefreshToken) => "the grant has expired, or the token was not used in time",
            (Expired, Approval) => "the code has expired",
            (Expired, _) => "it has expired",
            (Current, _) => "it is the live one",
            (Repeated, Approval) => "the same person grants the same scope again",
            (Repeated, Code) => "its tokens are the live ones, inside the retry window",
            (Repeated, _) => "it is the one before the live one, inside the retry window",
            (Ahead, _) => "it is newer than the record",
        }
    }

    fn then_text(then: Then) -> String {
        match then {
            Move(phase) => format!("becomes {}, and is answered", phase_text(phase)),
            Repeat => "is answered as if for the first time; nothing is written".into(),
            Refuse(reason) => format!("refuses: {reason}"),
            Alarm(reason) => format!("becomes revoked, and refuses: {reason}"),
        }
    }

    fn diagram() -> String {
        let mut text = String::new();
        for Row(phase, presented, _, then) in TABLE {
            let (next, note) = match then {
                Move(next) => (*next, ""),
                Alarm(_) => (Revoked, "  (alarm)"),
                Repeat | Refuse(_) => continue,
            };
            let arrow = format!("--- {} ", presented_text(*presented));
            text += &format!("{:<11} {arrow:-<21}> {}{note}\n", phase_text(*phase), phase_text(next));
        }
        text
    }

    /// Writes `transition.md` from the table.
    fn document() -> String {
        let mut text = String::from(
            "The life of a grant: what is presented to it, and what comes of that.\n\n\
             A grant is one record, and every change of it is one compare-and-swap. These are all the\n\
             changes:\n\n```text\n",
        );
        text += &diagram();
        text += "```\n\n\
             And these are all the answers. Rows are tried from top to bottom, and the first that fits\n\
             decides. Who presents a code or token has proven before that it is theirs: by its tag, the\n\
             client, and for a code by redirect URI and PKCE. So a stranger uses nothing up and raises no\n\
             alarm.\n\n\
             | a grant that is | and to which comes | when | does |\n|---|---|---|---|\n";
        for Row(phase, presented, when, then) in TABLE {
            let is_alone = rows(*phase, *presented).len() == 1;
            let when = if is_alone { "always" } else { when_text(*presented, *when) };
            let cells = [phase_text(*phase), presented_text(*presented), when];
            text += &format!("| {} | {} |\n", cells.join(" | "), then_text(*then));
        }
        text
    }

    #[test]
    fn the_documentation_is_generated_from_the_table() {
        let written = include_str!("transition.md");
        assert!(written == document(), "transition.md should be:\n{}", document());
    }
}
