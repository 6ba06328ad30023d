//! Random sequences of inputs to the cache of keys, against a plain model of it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

extern crate alloc;

#[path = "common/issuer.rs"]
mod issuer;

use alloc::sync::Arc;

use grantry_core::{HttpResponse, UnixTime};
use grantry_jwt::{Advice, FetchTicket, JwkSet, JwksCache, JwksCacheError, JwksPolicy, Wanted};
use issuer::{JWKS_URI, START, key_ids, response};
use proptest::prelude::*;

const COOL_DOWN: u64 = 30;
const UNKNOWN_KEY_AGE: u64 = 60;
const TIMEOUT: u64 = 10;
const DEFAULT_AGE: u64 = 600;
const LONGEST_AGE: u64 = 3600;
const STALE_WHILE_FETCHING: u64 = 60;
const STALE_IF_ERROR: u64 = 3600;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// What a sequence is made of. Answers go to any ticket that is still held, however old.
#[derive(Clone, Debug)]
enum Act {
    Advise { wanted: Option<usize> },
    Answer { ticket: prop::sample::Index, keys: u8, max_age: Option<u64> },
    Refuse { ticket: prop::sample::Index, status: u16 },
    Fail { ticket: prop::sample::Index },
    Wait { seconds: u64 },
    SetBack { seconds: u64 },
    StartAgain,
}

fn acts() -> impl Strategy<Value = Act> {
    let index = any::<prop::sample::Index>;
    let max_age = prop_oneof![Just(None), Just(Some(0)), Just(Some(45)), Just(Some(400)), Just(Some(9_000))];
    let seconds = prop_oneof![6 => 0_u64..5, 6 => 5_u64..40, 3 => 40_u64..700, 1 => 3_000_u64..9_000];
    let back = prop_oneof![4 => 1_u64..=60, 1 => 61_u64..10_000];
    prop_oneof![
        6 => Just(Act::Advise { wanted: None }),
        10 => (0..NAMES.len()).prop_map(|name| Act::Advise { wanted: Some(name) }),
        6 => (index(), 0_u8..64, max_age)
            .prop_map(|(ticket, keys, max_age)| Act::Answer { ticket, keys, max_age }),
        1 => (index(), prop_oneof![Just(200), Just(500)])
            .prop_map(|(ticket, status)| Act::Refuse { ticket, status }),
        2 => index().prop_map(|ticket| Act::Fail { ticket }),
        9 => seconds.prop_map(|seconds| Act::Wait { seconds }),
        1 => back.prop_map(|seconds| Act::SetBack { seconds }),
        1 => Just(Act::StartAgain),
    ]
}

/// A ticket as the model sees it.
struct Issued {
    ticket: FetchTicket,
    number: usize,
    started: u64,
    wanted: Option<usize>,
}

/// The newest set that was answered.
struct Set {
    names: Vec<&'static str>,
    number: usize,
    fresh_until: u64,
}

struct World {
    cache: JwksCache,
    /// What the clock on the wall shows.
    wall: u64,
    /// What the cache last saw of it, and how much time it so saw go by.
    seen: u64,
    elapsed: u64,
    tickets: Vec<Issued>,
    issued: usize,
    set: Option<Set>,
    /// The number and the end of the fetch on its way.
    live: Option<(usize, u64)>,
    /// Since the last start of the cache.
    last_started: Option<u64>,
    cool_until: u64,
    failures: u32,
    absent: [u64; NAMES.len()],
}

impl World {
    fn new() -> Self {
        Self {
            cache: JwksCache::new(JWKS_URI, JwksPolicy::default()),
            wall: START,
            seen: 0,
            elapsed: 0,
            tickets: Vec::new(),
            issued: 0,
            set: None,
            live: None,
            last_started: None,
            cool_until: 0,
            failures: 0,
            absent: [0; NAMES.len()],
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Advise { wanted } => self.advise(*wanted),
            Act::Answer { ticket, keys, max_age } => self.answer(*ticket, *keys, *max_age),
            Act::Refuse { ticket, status } => self.refuse(*ticket, *status),
            Act::Fail { ticket } => self.fail(*ticket),
            Act::Wait { seconds } => self.wall += seconds,
            Act::SetBack { seconds } => self.wall -= seconds,
            Act::StartAgain => self.start_again(),
        }
    }

    /// Reads the clock as the cache does.
    fn begin(&mut self) -> UnixTime {
        if self.wall >= self.seen {
            self.elapsed += self.wall - self.seen;
            self.seen = self.wall;
        } else if self.seen - self.wall > 60 {
            self.seen = self.wall;
        }
        if self.live.is_some_and(|(_, end)| end <= self.elapsed) {
            self.live = None;
            self.failures += 1;
        }
        UnixTime::from_secs(self.wall)
    }

    fn advise(&mut self, wanted: Option<usize>) {
        let now = self.begin();
        let asked = wanted.map_or(Wanted::Any, |name| Wanted::KeyId(NAMES[name]));
        let is_in = |names: &[&str]| match wanted {
            Some(name) => names.contains(&NAMES[name]),
            None => !names.is_empty(),
        };
        let is_fresh = self.set.as_ref().is_some_and(|set| self.elapsed < set.fresh_until);
        let is_absent = wanted.is_some_and(|name| self.elapsed < self.absent[name]);
        match self.cache.advise(asked, now) {
            Advice::Ready(keys) => {
                assert!(is_fresh && is_in(&key_ids(&keys)));
                assert_eq!(key_ids(&keys), self.set.as_ref().unwrap().names);
            }
            Advice::Fetch(ticket) => {
                assert_eq!(self.live, None, "two tickets live");
                assert!(self.last_started.is_none_or(|last| last < self.elapsed));
                if is_fresh {
                    assert!(!is_in(&self.set.as_ref().unwrap().names));
                    assert!(self.cool_until <= self.elapsed && !is_absent);
                }
                self.check_stale(ticket.stale(), is_fresh);
                self.issued += 1;
                self.live = Some((self.issued, self.elapsed + TIMEOUT));
                self.last_started = Some(self.elapsed);
                self.cool_until = self.elapsed + COOL_DOWN;
                self.tickets.push(Issued { ticket, number: self.issued, started: self.elapsed, wanted });
            }
            Advice::Wait { until, stale } => {
                let until = until.as_secs();
                assert!((self.seen + 1..=self.seen + COOL_DOWN).contains(&until));
                // Nobody waits for long without a fetch.
                if self.live.is_none() {
                    assert!(!is_fresh);
                    let last = self.last_started.unwrap_or(self.elapsed);
                    assert!(self.elapsed < last + TIMEOUT + COOL_DOWN);
                }
                self.check_stale(stale.as_ref(), is_fresh);
            }
            Advice::NoSuchKey { until } => {
                assert!(is_fresh && !is_in(&self.set.as_ref().unwrap().names));
                assert!(until.as_secs() > self.seen && until.as_secs() <= self.seen + UNKNOWN_KEY_AGE);
                assert!(is_absent || until.as_secs() <= self.seen + COOL_DOWN);
            }
        }
    }

    fn check_stale(&self, stale: Option<&Arc<JwkSet>>, is_fresh: bool) {
        let Some(keys) = stale else { return };
        let set = self.set.as_ref().unwrap();
        assert_eq!(key_ids(keys), set.names);
        assert!(!is_fresh && !set.names.is_empty());
        let grace = if self.failures > 0 { STALE_IF_ERROR } else { STALE_WHILE_FETCHING };
        assert!(self.elapsed < set.fresh_until + grace);
    }

    fn take(&mut self, ticket: prop::sample::Index) -> Option<Issued> {
        if self.tickets.is_empty() {
            return None;
        }
        Some(self.tickets.remove(ticket.index(self.tickets.len())))
    }

    /// Ends the fetch of a ticket, and tells whether it was on its way.
    fn land(&mut self, issued: &Issued) -> bool {
        let was_live = self.live.is_some_and(|(number, _)| number == issued.number);
        if was_live {
            self.live = None;
        }
        was_live
    }

    fn answer(&mut self, ticket: prop::sample::Index, keys: u8, max_age: Option<u64>) {
        let Some(issued) = self.take(ticket) else { return };
        let now = self.begin();
        self.land(&issued);
        let chosen = NAMES.iter().enumerate().filter(|(bit, _)| keys & (1 << bit) != 0);
        let names: Vec<_> = chosen.map(|(_, name)| *name).collect();
        let mut response = response(&names);
        if let Some(max_age) = max_age {
            response = response.with_header("Cache-Control", format!("max-age={max_age}"));
        }
        let outcome = self.cache.handle_response(issued.ticket, &response, now);
        if self.set.as_ref().is_some_and(|set| set.number >= issued.number) {
            assert_eq!(outcome.unwrap_err(), JwksCacheError::Superseded);
            return;
        }
        assert_eq!(key_ids(&outcome.unwrap()), names);
        let age = if names.is_empty() { 0 } else { max_age.unwrap_or(DEFAULT_AGE) };
        let fresh_until = issued.started + age.clamp(COOL_DOWN, LONGEST_AGE);
        if let Some(name) = issued.wanted.filter(|name| !names.contains(&NAMES[*name])) {
            self.absent[name] = self.elapsed + UNKNOWN_KEY_AGE;
        }
        self.set = Some(Set { names, number: issued.number, fresh_until });
        if issued.number == self.issued {
            self.failures = 0;
        }
    }

    fn refuse(&mut self, ticket: prop::sample::Index, status: u16) {
        let Some(issued) = self.take(ticket) else { return };
        let now = self.begin();
        if self.land(&issued) {
            self.failures += 1;
        }
        let response = HttpResponse::new(status).with_body("<html>");
        assert!(self.cache.handle_response(issued.ticket, &response, now).is_err());
    }

    fn fail(&mut self, ticket: prop::sample::Index) {
        let Some(issued) = self.take(ticket) else { return };
        let now = self.begin();
        if self.land(&issued) {
            self.failures += 1;
        }
        self.cache.handle_failure(issued.ticket, now);
    }

    /// Stores the cache and reads it back, as a host does that starts again: its tickets are gone.
    fn start_again(&mut self) {
        let state = self.cache.to_json();
        assert!(state.len() < 6_000, "the memory is bounded: {state}");
        self.cache = JwksCache::from_json(&state, JWKS_URI, JwksPolicy::default()).unwrap();
        self.tickets.clear();
        self.live = None;
        self.last_started = None;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_sequence_keeps_the_rules(acts in prop::collection::vec(acts(), 1..120)) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
        }
        world.start_again();
    }
}
