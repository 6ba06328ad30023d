//! Random sequences of inputs to a discovery, against a plain model of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/metadata.rs"]
mod metadata;

extern crate alloc;

use alloc::sync::Arc;

use grantry_client::{
    Discovery, DiscoveryAdvice, DiscoveryError, DiscoveryPolicy, DiscoveryTicket, DocumentError, Provider,
};
use grantry_core::{HttpResponse, UnixTime};
use metadata::{OAUTH2, OPENID, START, document_with, issuer, response};
use proptest::prelude::*;
use serde_json::json;

// The defaults of the policy, in seconds.
const DEFAULT_AGE: u64 = 3600;
const LONGEST_AGE: u64 = 86_400;
const COOL_DOWN: u64 = 60;
const TIMEOUT: u64 = 10;
const STALE_WHILE_FETCHING: u64 = 600;
const STALE_IF_ERROR: u64 = 86_400;

#[derive(Clone, Debug)]
enum Act {
    Pass(u64),
    SetBack(u64),
    Advise,
    Answer { ticket: prop::sample::Index, max_age: Option<u64> },
    Foreign(prop::sample::Index),
    Refuse { ticket: prop::sample::Index, status: u16 },
    Fail(prop::sample::Index),
    StartAgain,
}

fn acts() -> impl Strategy<Value = Act> {
    let ticket = any::<prop::sample::Index>;
    let seconds = prop_oneof![0..15_u64, 0..700_u64, 0..5_000_u64, 0..200_000_u64];
    prop_oneof![
        6 => seconds.prop_map(Act::Pass),
        1 => prop_oneof![0..60_u64, 0..100_000_u64].prop_map(Act::SetBack),
        10 => Just(Act::Advise),
        4 => (ticket(), prop::option::of(prop_oneof![0..200_u64, 0..200_000_u64]))
            .prop_map(|(ticket, max_age)| Act::Answer { ticket, max_age }),
        2 => ticket().prop_map(Act::Foreign),
        4 => (ticket(), prop_oneof![Just(404_u16), Just(302), Just(500)])
            .prop_map(|(ticket, status)| Act::Refuse { ticket, status }),
        2 => ticket().prop_map(Act::Fail),
        1 => Just(Act::StartAgain),
    ]
}

struct Issued {
    ticket: DiscoveryTicket,
    number: u64,
    started: u64,
    url: String,
}

struct Document {
    name: String,
    number: u64,
    fresh_until: u64,
}

/// What a host may rely on, in the plainest words. Time counts as [`SteadyClock`](grantry_core::SteadyClock)
/// counts it.
struct World {
    discovery: Discovery,
    tickets: Vec<Issued>,
    wall: u64,
    seen: u64,
    elapsed: u64,
    /// The number of the ticket that is live, and when it expires.
    live: Option<(u64, u64)>,
    document: Option<Document>,
    issued: u64,
    failures: u32,
    /// Fetches since the last pause: a round asks two places at most.
    in_round: u32,
    first: &'static str,
}

impl World {
    fn new() -> Self {
        Self {
            discovery: Discovery::new(issuer(), DiscoveryPolicy::default()),
            tickets: Vec::new(),
            wall: START,
            seen: 0,
            elapsed: 0,
            live: None,
            document: None,
            issued: 0,
            failures: 0,
            in_round: 0,
            first: OPENID,
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Pass(seconds) => self.wall += seconds,
            Act::SetBack(seconds) => self.wall = self.wall.saturating_sub(*seconds),
            Act::Advise => self.advise(),
            Act::Answer { ticket, max_age } => self.answer(*ticket, *max_age),
            Act::Foreign(ticket) => self.foreign(*ticket),
            Act::Refuse { ticket, status } => self.refuse(*ticket, *status),
            Act::Fail(ticket) => self.fail(*ticket),
            Act::StartAgain => self.start_again(),
        }
    }

    fn begin(&mut self) -> UnixTime {
        if self.wall >= self.seen {
            self.elapsed += self.wall - self.seen;
            self.seen = self.wall;
        } else if self.seen - self.wall > 60 {
            self.seen = self.wall;
        }
        if self.live.is_some_and(|(_, end)| end <= self.elapsed) {
            self.live = None;
            self.end_round();
        }
        UnixTime::from_secs(self.wall)
    }

    fn end_round(&mut self) {
        self.failures += 1;
        self.in_round = 0;
    }

    fn advise(&mut self) {
        let now = self.begin();
        let is_fresh = self.document.as_ref().is_some_and(|held| self.elapsed < held.fresh_until);
        match self.discovery.advise(now) {
            DiscoveryAdvice::Ready(provider) => {
                assert!(is_fresh);
                assert_eq!(metadata::name(&provider), self.document.as_ref().unwrap().name);
            }
            DiscoveryAdvice::Fetch(ticket) => {
                assert!(!is_fresh);
                assert_eq!(self.live, None, "two tickets live");
                self.in_round += 1;
                let url = ticket.request().target;
                let other = if self.first == OPENID { OAUTH2 } else { OPENID };
                assert_eq!(url, if self.in_round == 1 { self.first } else { other });
                assert!(self.in_round <= 2, "a third place");
                self.check_stale(ticket.stale());
                self.issued += 1;
                self.live = Some((self.issued, self.elapsed + TIMEOUT));
                self.tickets.push(Issued { ticket, number: self.issued, started: self.elapsed, url });
            }
            DiscoveryAdvice::Wait { until, stale } => {
                assert!(!is_fresh);
                assert!((self.seen + 1..=self.seen + COOL_DOWN).contains(&until.as_secs()));
                assert!(self.live.is_some() || self.failures > 0, "a pause without a failure");
                self.check_stale(stale.as_ref());
            }
        }
    }

    fn check_stale(&self, stale: Option<&Arc<Provider>>) {
        let Some(held) = &self.document else {
            assert_eq!(stale, None);
            return;
        };
        let grace = if self.failures > 0 { STALE_IF_ERROR } else { STALE_WHILE_FETCHING };
        assert_eq!(stale.is_some(), self.elapsed < held.fresh_until + grace);
        if let Some(provider) = stale {
            assert_eq!(metadata::name(provider), held.name);
        }
    }

    fn take(&mut self, ticket: prop::sample::Index) -> Option<Issued> {
        if self.tickets.is_empty() {
            return None;
        }
        Some(self.tickets.remove(ticket.index(self.tickets.len())))
    }

    /// Ends the fetch of a ticket, and tells whether it was on its way.
    fn land(&mut self, issued: &Issued) -> bool {
        self.live.take_if(|(number, _)| *number == issued.number).is_some()
    }

    fn is_superseded(&self, issued: &Issued) -> bool {
        self.document.as_ref().is_some_and(|held| held.number >= issued.number)
    }

    fn answer(&mut self, ticket: prop::sample::Index, max_age: Option<u64>) {
        let Some(issued) = self.take(ticket) else { return };
        let now = self.begin();
        self.land(&issued);
        let name = issued.number.to_string();
        let mut response = response(&name);
        if let Some(max_age) = max_age {
            response = response.with_header("Cache-Control", format!("max-age={max_age}"));
        }
        let is_superseded = self.is_superseded(&issued);
        let outcome = self.discovery.handle_response(issued.ticket, &response, now);
        if is_superseded {
            assert_eq!(outcome.unwrap_err(), DiscoveryError::Superseded);
            return;
        }
        assert_eq!(metadata::name(&outcome.unwrap()), name);
        let age = max_age.unwrap_or(DEFAULT_AGE).clamp(COOL_DOWN, LONGEST_AGE);
        let fresh_until = issued.started + age;
        self.document = Some(Document { name, number: issued.number, fresh_until });
        self.first = if issued.url == OPENID { OPENID } else { OAUTH2 };
        self.in_round = u32::from(self.live.is_some());
        if issued.number == self.issued {
            self.failures = 0;
        }
    }

    /// The document of another issuer.
    fn foreign(&mut self, ticket: prop::sample::Index) {
        let response = metadata::answer(&document_with(&json!({ "issuer": "https://evil.example" })));
        self.fault(ticket, &response, DocumentError::IssuerDiffers);
    }

    fn refuse(&mut self, ticket: prop::sample::Index, status: u16) {
        let error = match status {
            302 => DocumentError::Redirect(302),
            status => DocumentError::Status(status),
        };
        self.fault(ticket, &HttpResponse::new(status), error);
    }

    fn fault(&mut self, ticket: prop::sample::Index, response: &HttpResponse, error: DocumentError) {
        let Some(issued) = self.take(ticket) else { return };
        let now = self.begin();
        let was_live = self.land(&issued);
        let expected = if self.is_superseded(&issued) {
            DiscoveryError::Superseded
        } else if was_live && response.status == 404 && issued.url == self.first {
            DiscoveryError::NotHere
        } else {
            DiscoveryError::Document(error)
        };
        if was_live && expected != DiscoveryError::NotHere {
            self.end_round();
        }
        assert_eq!(self.discovery.handle_response(issued.ticket, response, now).unwrap_err(), expected);
    }

    fn fail(&mut self, ticket: prop::sample::Index) {
        let Some(issued) = self.take(ticket) else { return };
        let now = self.begin();
        if self.land(&issued) {
            self.end_round();
        }
        self.discovery.handle_failure(issued.ticket, now);
    }

    /// Stores the discovery and reads it back, as a host does that starts again: its tickets are gone.
    fn start_again(&mut self) {
        let state = self.discovery.to_json();
        self.discovery = Discovery::from_json(&state, issuer(), DiscoveryPolicy::default()).unwrap();
        self.tickets.clear();
        self.live = None;
        self.in_round = 0;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_sequence_keeps_the_rules(acts in prop::collection::vec(acts(), 1..120)) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
        }
        world.start_again();
    }
}
