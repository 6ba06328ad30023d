use alloc::{format, string::String, vec::Vec};

use super::*;

const PHASES: [Phase; 8] =
    [Absent, Pushed, DevicePending, DeviceApproved, DeviceDenied, CodeIssued, Active, Revoked];
const PRESENTED: [Presented; 11] = [
    PushedRequest,
    DirectRequest,
    Approval,
    ImplicitApproval,
    Code,
    DeviceRequest,
    DeviceApproval,
    DeviceRefusal,
    DeviceCode,
    RefreshToken,
    Revocation,
];

/// Every phase with every input.
fn pairs() -> impl Iterator<Item = (Phase, Presented)> {
    PHASES.into_iter().flat_map(|phase| PRESENTED.map(|presented| (phase, presented)))
}

/// The rows for a phase and an input, up to the one that decides where no other does.
fn rows(phase: Phase, presented: Presented) -> Vec<&'static Row> {
    let mut rows: Vec<_> = TABLE.iter().filter(|row| row.is_for(phase, presented)).collect();
    let last = rows.iter().position(|row| row.2 == Always);
    rows.truncate(last.map_or(rows.len(), |last| last + 1));
    rows
}

fn state_of(phase: Phase) -> Option<State> {
    let since = UnixTime::from_secs(0);
    match phase {
        Absent => None,
        Pushed => Some(State::Pushed),
        DevicePending => Some(State::DevicePending { interval: 5, polled_at: since }),
        DeviceApproved => Some(State::DeviceApproved),
        DeviceDenied => Some(State::DeviceDenied),
        CodeIssued => Some(State::CodeIssued),
        Active => Some(State::Active { serial: 1, since }),
        Revoked => Some(State::Revoked { since }),
    }
}

fn every_fact() -> impl Iterator<Item = Facts> {
    (0_u8..32).map(|bits| Facts {
        expired: bits & 1 != 0,
        current: bits & 2 != 0,
        repeated: bits & 4 != 0,
        ahead: bits & 8 != 0,
        too_soon: bits & 16 != 0,
    })
}

#[test]
fn every_phase_and_input_ends_in_an_always_row() {
    for (phase, presented) in pairs() {
        let conditions: Vec<_> = rows(phase, presented).iter().map(|row| row.2).collect();
        assert_eq!(conditions.last(), Some(&Always), "{phase:?} {presented:?}");
        for (index, when) in conditions.iter().enumerate() {
            assert!(!conditions[..index].contains(when), "{phase:?} {presented:?} {when:?} twice");
        }
    }
    for presented in PRESENTED {
        let of_input: Vec<_> = TABLE.iter().filter(|row| row.1 == presented).collect();
        let last = of_input.last().unwrap();
        assert!(last.0.is_none() && last.2 == Always, "{presented:?} does not end in a row for the rest");
        assert_eq!(of_input.iter().filter(|row| row.0.is_none()).count(), 1, "{presented:?}");
    }
}

#[test]
fn the_first_row_that_fits_decides() {
    for (phase, presented) in pairs() {
        for facts in every_fact() {
            let first = rows(phase, presented).iter().find(|row| row.2.holds(facts)).map(|row| row.3);
            assert_eq!(Some(step(state_of(phase), presented, facts)), first);
        }
    }
}

#[test]
fn every_row_is_reached() {
    for (index, row) in TABLE.iter().enumerate() {
        let decides = |phase, presented| {
            every_fact().any(|facts| {
                let found = TABLE.iter().position(|row| row.is_for(phase, presented) && row.2.holds(facts));
                found == Some(index)
            })
        };
        assert!(pairs().any(|(phase, presented)| decides(phase, presented)), "row {index}: {:?}", row.1);
    }
}

/// Where each row leads from each phase that it is for.
fn moves() -> impl Iterator<Item = (Phase, Presented, Phase, Then)> {
    pairs().flat_map(|(phase, presented)| {
        rows(phase, presented).into_iter().map(move |row| {
            let next = match row.3 {
                Move(next) => next,
                Alarm(_) | Close(_) => Revoked,
                Wait(_) | Repeat | Refuse(_) => phase,
            };
            (phase, presented, next, row.3)
        })
    })
}

#[test]
fn nothing_leaves_revoked_and_nothing_becomes_absent() {
    for phase in PHASES {
        for presented in PRESENTED {
            for facts in every_fact() {
                let then = step(state_of(phase), presented, facts);
                // A dead grant is not even written again.
                assert!(phase != Revoked || matches!(then, Repeat | Refuse(_)), "{presented:?}");
                assert!(then != Move(Absent), "{phase:?} {presented:?}");
            }
        }
    }
}

#[test]
fn what_gives_something_out_comes_once_from_one_phase() {
    let given: Vec<_> = moves()
        .filter(|(_, _, next, then)| matches!(then, Move(_)) && *next != Revoked)
        .map(|(phase, presented, next, _)| (phase, presented, next))
        .collect();
    let expected = [
        (Absent, PushedRequest, Pushed),
        (Absent, DirectRequest, Active),
        (Absent, Approval, CodeIssued),
        (Absent, ImplicitApproval, Active),
        (Absent, DeviceRequest, DevicePending),
        (Pushed, Approval, CodeIssued),
        (Pushed, ImplicitApproval, Active),
        (DevicePending, DeviceApproval, DeviceApproved),
        (DevicePending, DeviceRefusal, DeviceDenied),
        (DeviceApproved, DeviceCode, Active),
        (CodeIssued, Code, Active),
        (Active, RefreshToken, Active),
    ];
    assert_eq!(given, expected);
    for facts in every_fact().filter(|facts| !facts.current) {
        let then = step(state_of(Active), RefreshToken, facts);
        assert!(!matches!(then, Move(_)), "{facts:?}");
    }
}

#[test]
fn rfc9700_4_14_2_what_was_used_raises_the_alarm_and_nothing_else_does() {
    let alarms: Vec<_> = moves()
        .filter(|(_, _, _, then)| matches!(then, Alarm(_)))
        .map(|(phase, presented, _, _)| (phase, presented))
        .collect();
    assert_eq!(alarms, [(Active, Code), (Active, DeviceCode), (Active, RefreshToken)]);
}

#[test]
fn what_is_expired_is_neither_used_nor_repeated() {
    for facts in every_fact().filter(|facts| facts.expired) {
        for (phase, presented) in [
            (CodeIssued, Approval),
            (Active, ImplicitApproval),
            (CodeIssued, Code),
            (Active, Code),
            (Active, RefreshToken),
            (DevicePending, DeviceApproval),
            (DevicePending, DeviceRefusal),
            (DeviceApproved, DeviceApproval),
            (DevicePending, DeviceCode),
            (DeviceApproved, DeviceCode),
            (DeviceDenied, DeviceCode),
            (Active, DeviceCode),
        ] {
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
        Pushed => "pushed",
        DevicePending => "device pending",
        DeviceApproved => "device approved",
        DeviceDenied => "device denied",
        CodeIssued => "code issued",
        Active => "active",
        Revoked => "revoked",
    }
}

const fn presented_text(presented: Presented) -> &'static str {
    match presented {
        PushedRequest => "pushed request",
        DirectRequest => "request for oneself or by password",
        Approval => "approval",
        ImplicitApproval => "implicit approval",
        Code => "code",
        DeviceRequest => "device request",
        DeviceApproval => "device approval",
        DeviceRefusal => "device refusal",
        DeviceCode => "device code",
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
        (Repeated, Approval | ImplicitApproval | DeviceApproval) => {
            "the same person grants the same scope again"
        }
        (Repeated, Code | DeviceCode) => "its tokens are the live ones, inside the retry window",
        (Repeated, _) => "it is the one before the live one, inside the retry window",
        (Ahead, _) => "it is newer than the record",
        (TooSoon, _) => "the device asked less than its interval ago",
    }
}

fn then_text(then: Then) -> String {
    match then {
        Move(phase) => format!("becomes {}, and is answered", phase_text(phase)),
        Repeat => "is answered as if for the first time; nothing is written".into(),
        Refuse(reason) => format!("refuses: {reason}"),
        Wait(reason) => format!("notes when it was asked, and refuses: {reason}"),
        Close(reason) => format!("becomes revoked, and refuses: {reason}"),
        Alarm(reason) => format!("becomes revoked, and refuses: {reason}"),
    }
}

fn diagram() -> String {
    let mut text = String::new();
    for (phase, presented, next, then) in moves() {
        let note = match then {
            Alarm(_) => "  (alarm)",
            Move(_) | Close(_) => "",
            Wait(_) | Repeat | Refuse(_) => continue,
        };
        let arrow = format!("--- {} ", presented_text(presented));
        text += &format!("{:<15} {arrow:-<40}> {}{note}\n", phase_text(phase), phase_text(next));
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
         | to a grant that is | comes | when | and that |\n|---|---|---|---|\n";
    for row @ Row(phase, presented, when, then) in TABLE {
        let is_alone = TABLE.iter().filter(|other| other.0 == row.0 && other.1 == row.1).count() == 1;
        let when = if is_alone { "always" } else { when_text(*presented, *when) };
        let cells = [phase.map_or("anything else", phase_text), presented_text(*presented), when];
        text += &format!("| {} | {} |\n", cells.join(" | "), then_text(*then));
    }
    text
}

#[test]
fn the_documentation_is_generated_from_the_table() {
    let written = include_str!("../transition.md");
    assert!(written == document(), "transition.md should be:\n{}", document());
}
