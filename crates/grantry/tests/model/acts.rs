//! What random sequences are made of.

use proptest::prelude::*;

use super::{Flow, Person};
use crate::support::REDIRECT_URI;

pub(crate) const FLOWS: [Flow; 6] =
    [Flow::Code, Flow::Pushed, Flow::Implicit, Flow::Device, Flow::Password, Flow::Client];

/// What a sequence is made of. Tokens are picked among all that were ever given out.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Whatever comes next when all goes well, up to the first tokens.
    GoOn,
    /// The client's own request: it pushes, asks for a user code, for itself or with a password.
    Begin,
    /// A person comes to the page.
    Open,
    Approve {
        person: Person,
    },
    Refuse,
    /// The client presents its code, or its device code.
    Present {
        by: &'static str,
        redirect_uri: &'static str,
        verifier: u8,
    },
    Refresh {
        by: &'static str,
        token: usize,
        scope: Option<&'static str>,
    },
    RevokeRefreshToken {
        by: &'static str,
        token: usize,
    },
    RevokeAccessToken {
        by: &'static str,
        token: usize,
    },
    IntrospectRefreshToken {
        by: &'static str,
        token: usize,
    },
    IntrospectAccessToken {
        by: &'static str,
        token: usize,
    },
    Wait {
        seconds: u64,
    },
    Sweep,
}

/// How far a request gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    Answered,
    /// It has decided, and crashes before anything is written.
    Crashed,
    /// It has written, and nobody is told.
    Lost,
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) flow: usize,
    pub(crate) act: Act,
    pub(crate) fate: Fate,
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let by = || prop_oneof![9 => Just("app"), 1 => Just("other")];
    let introspector = || prop_oneof![6 => Just("app"), 3 => Just("api"), 1 => Just("other")];
    let token = || prop_oneof![6 => Just(0_usize), 3 => Just(1), 1 => 2..8_usize];
    let redirect_uri = prop_oneof![9 => Just(REDIRECT_URI), 1 => Just("https://app.example/other")];
    let verifier = prop_oneof![9 => Just(200_u8), 1 => Just(201)];
    let scope = prop_oneof![6 => Just(None), 2 => Just(Some("read")), 1 => Just(Some("read admin"))];
    let seconds = prop_oneof![18 => 0_u64..8, 5 => 8_u64..70, 1 => 70_u64..1100, 1 => 1100_u64..5000];
    let person = prop_oneof![6 => Just(Person::Alice), 1 => Just(Person::Bob)];
    let act = prop_oneof![
        12 => Just(Act::GoOn),
        1 => Just(Act::Begin),
        1 => Just(Act::Open),
        2 => person.prop_map(|person| Act::Approve { person }),
        1 => Just(Act::Refuse),
        4 => (by(), redirect_uri, verifier)
            .prop_map(|(by, redirect_uri, verifier)| Act::Present { by, redirect_uri, verifier }),
        10 => (by(), token(), scope).prop_map(|(by, token, scope)| Act::Refresh { by, token, scope }),
        1 => (by(), token()).prop_map(|(by, token)| Act::RevokeRefreshToken { by, token }),
        1 => (by(), token()).prop_map(|(by, token)| Act::RevokeAccessToken { by, token }),
        2 => (introspector(), token()).prop_map(|(by, token)| Act::IntrospectRefreshToken { by, token }),
        3 => (introspector(), token()).prop_map(|(by, token)| Act::IntrospectAccessToken { by, token }),
        5 => seconds.prop_map(|seconds| Act::Wait { seconds }),
        1 => Just(Act::Sweep),
    ];
    let fate = prop_oneof![8 => Just(Fate::Answered), 1 => Just(Fate::Crashed), 1 => Just(Fate::Lost)];
    // Of a few grants each gets further than of many.
    let flow = prop_oneof![
        prop::sample::select(vec![0_usize..1, 1..2, 2..3, 3..4, 4..5]),
        prop::sample::select(vec![0_usize..2, 2..4, 1..4, 4..6, 0..6])
    ];
    flow.prop_flat_map(move |flow| {
        let step = (flow, act.clone(), fate.clone());
        prop::collection::vec(step.prop_map(|(flow, act, fate)| Step { flow, act, fate }), 1..80)
    })
}
