//! The cache of an issuer's keys, driven by bytes.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use grantry::core::{HttpResponse, UnixTime};
use grantry::jwt::{
    Advice, FetchTicket, JwkSet, JwksCache, JwksCacheError, JwksPolicy, JwksStateError, VerifyingKey, Wanted,
};
use serde_json::json;

use crate::edit::{first_line, text};
use crate::fixture::START;

const JWKS_URI: &str = "https://as.example/jwks";
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Through any sequence of questions, answers in any order and late, failures, waits, clocks set back and
/// restarts: one fetch at most is on its way, no older answer replaces a newer one, no key serves beyond its
/// bound, an unknown key id asks for one fetch a cool-down, and nobody waits or is refused for longer.
pub fn jwks_cache(data: &[u8]) {
    const MAX_ACTS: usize = 96;
    let (header, acts) = first_line(data);
    let Some((choices, acts)) = acts.split_first_chunk() else { return };
    let mut world = World::new(*choices, text(header));
    for act in acts.chunks_exact(2).take(MAX_ACTS) {
        world.act(act[0], act[1]);
    }
    world.start_again();
}

/// The times of a policy, in seconds.
#[derive(Clone, Copy)]
struct Times {
    default_age: u64,
    longest_age: u64,
    cool_down: u64,
    unknown_key_age: u64,
    fetch_timeout: u64,
    stale_while_fetching: u64,
    stale_if_error: u64,
}

impl Times {
    fn chosen_by([ages, pauses, stale]: [u8; 3]) -> Self {
        let choice = |byte: u8, shift: u8, times: [u64; 4]| times[usize::from(byte >> shift & 3)];
        Self {
            default_age: choice(ages, 0, [600, 0, 40, 100_000]),
            longest_age: choice(ages, 2, [3600, 0, 300, 100_000]),
            unknown_key_age: choice(ages, 4, [60, 0, 1, 900]),
            cool_down: choice(pauses, 0, [30, 1, 7, 600]),
            fetch_timeout: choice(pauses, 2, [10, 1, 50, 900]),
            stale_while_fetching: choice(stale, 0, [60, 0, 5, 9000]),
            stale_if_error: choice(stale, 2, [3600, 0, 5, 9000]),
        }
    }

    fn policy(self) -> JwksPolicy {
        let seconds = Duration::from_secs;
        JwksPolicy::default()
            .with_default_age(seconds(self.default_age))
            .with_longest_age(seconds(self.longest_age))
            .with_cool_down(seconds(self.cool_down))
            .with_unknown_key_age(seconds(self.unknown_key_age))
            .with_fetch_timeout(seconds(self.fetch_timeout))
            .with_stale_while_fetching(seconds(self.stale_while_fetching))
            .with_stale_if_error(seconds(self.stale_if_error))
    }
}

/// A ticket as the model sees it.
struct Issued {
    ticket: FetchTicket,
    number: usize,
    started: u64,
    wanted: Option<usize>,
    /// The cache was stored and read since: its clock began anew.
    is_of_earlier_life: bool,
}

/// The newest set that was answered. When the header field says how long it is fresh, both ends are one.
struct Set {
    names: Vec<&'static str>,
    number: usize,
    fresh_at_least_until: u64,
    stale_from: u64,
}

struct World {
    times: Times,
    /// What an issuer may send as `Cache-Control`.
    header: String,
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
    fn new(choices: [u8; 3], header: String) -> Self {
        let times = Times::chosen_by(choices);
        Self {
            times,
            header,
            cache: JwksCache::new(JWKS_URI, times.policy()),
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

    fn act(&mut self, what: u8, which: u8) {
        match what % 16 {
            0..=1 => self.advise(None),
            2..=4 => self.advise(Some(usize::from(which) % NAMES.len())),
            5..=7 => self.answer(what >> 4, which),
            8 => self.refuse(which),
            9 => self.fail(which),
            10 => self.wall += u64::from(which) * 50,
            11..=13 => self.wall += u64::from(which % 64),
            14 => self.wall -= u64::from(which) * if which < 128 { 1 } else { 100 },
            _ => self.start_again(),
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
        let is_held = self.set.as_ref().is_some_and(|set| match wanted {
            Some(name) => set.names.contains(&NAMES[name]),
            None => !set.names.is_empty(),
        });
        let may_be_fresh = self.set.as_ref().is_some_and(|set| self.elapsed < set.stale_from);
        let is_fresh = self.set.as_ref().is_some_and(|set| self.elapsed < set.fresh_at_least_until);
        let is_absent = wanted.is_some_and(|name| self.elapsed < self.absent[name]);
        match self.cache.advise(asked, now) {
            Advice::Ready(keys) => {
                assert!(may_be_fresh && is_held);
                self.assert_held(&keys);
            }
            Advice::Fetch(ticket) => {
                assert_eq!(self.live, None, "two fetches on their way");
                assert!(self.last_started.is_none_or(|last| last < self.elapsed));
                if is_fresh {
                    assert!(!is_held && !is_absent && self.cool_until <= self.elapsed);
                }
                self.assert_stale(ticket.stale(), is_fresh);
                assert_eq!(ticket.until().as_secs(), self.seen + self.times.fetch_timeout);
                self.issued += 1;
                self.live = Some((self.issued, self.elapsed + self.times.fetch_timeout));
                self.last_started = Some(self.elapsed);
                self.cool_until = self.elapsed + self.times.cool_down;
                let (number, started) = (self.issued, self.elapsed);
                self.tickets.push(Issued { ticket, number, started, wanted, is_of_earlier_life: false });
            }
            Advice::Wait { until, stale } => {
                let longest = self.times.cool_down.max(self.times.fetch_timeout);
                assert!((self.seen + 1..=self.seen + longest).contains(&until.as_secs()));
                assert!(!is_fresh || self.live.is_some(), "nobody fetches");
                self.assert_stale(stale.as_ref(), is_fresh);
            }
            Advice::NoSuchKey { until } => {
                assert!(may_be_fresh && !is_held);
                let longest = if is_absent {
                    self.times.unknown_key_age.max(self.times.cool_down)
                } else {
                    self.times.cool_down
                };
                assert!((self.seen + 1..=self.seen + longest).contains(&until.as_secs()));
            }
        }
    }

    fn assert_held(&self, keys: &JwkSet) {
        let key_ids: Vec<_> = keys.keys().iter().filter_map(VerifyingKey::key_id).collect();
        assert_eq!(key_ids, self.set.as_ref().expect("a set that was answered").names);
    }

    fn assert_stale(&self, stale: Option<&Arc<JwkSet>>, is_fresh: bool) {
        let Some(keys) = stale else { return };
        self.assert_held(keys);
        let set = self.set.as_ref().unwrap();
        let grace = match self.failures {
            0 => self.times.stale_while_fetching,
            _ => self.times.stale_while_fetching.max(self.times.stale_if_error),
        };
        assert!(!is_fresh && !set.names.is_empty() && self.elapsed < set.stale_from + grace);
    }

    fn take(&mut self, which: u8) -> Option<Issued> {
        let position = usize::from(which).checked_rem(self.tickets.len())?;
        Some(self.tickets.remove(position))
    }

    /// Ends the fetch of a ticket, and tells whether it was on its way.
    fn land(&mut self, issued: &Issued) -> bool {
        self.live.take_if(|(number, _)| *number == issued.number).is_some()
    }

    fn answer(&mut self, header: u8, which: u8) {
        let Some(issued) = self.take(which >> 4) else { return };
        let now = self.begin();
        self.land(&issued);
        let chosen = NAMES.iter().enumerate().filter(|(bit, _)| which & (1 << bit) != 0);
        let names: Vec<_> = chosen.map(|(_, name)| *name).collect();
        let (response, [least, most]) = self.response(header, &names);
        let outcome = self.cache.handle_response(issued.ticket, &response, now);
        if self.set.as_ref().is_some_and(|set| set.number >= issued.number) {
            assert_eq!(outcome.unwrap_err(), JwksCacheError::Superseded);
            return;
        }
        let keys = outcome.expect("a set that was sent");
        let bounded = |age: u64| age.min(self.times.longest_age).max(self.times.cool_down);
        let [least, most] = if names.is_empty() { [0, 0] } else { [least, most] }.map(bounded);
        if let Some(name) = issued.wanted.filter(|name| !names.contains(&NAMES[*name])) {
            self.absent[name] = self.elapsed + self.times.unknown_key_age;
        }
        let (fresh_at_least_until, stale_from) = if issued.is_of_earlier_life {
            (0, self.elapsed + most)
        } else {
            (issued.started + least, issued.started + most)
        };
        self.set = Some(Set { names, number: issued.number, fresh_at_least_until, stale_from });
        self.assert_held(&keys);
        if issued.number == self.issued {
            self.failures = 0;
        }
    }

    /// Makes a response and how long it is fresh, at least and at most.
    fn response(&self, header: u8, names: &[&str]) -> (HttpResponse, [u64; 2]) {
        let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
        let response = HttpResponse::new(200).with_body(json!({ "keys": keys }).to_string());
        let cache_control = |text: &str| response.clone().with_header("Cache-Control", text);
        match header {
            0..=4 => (response, [self.times.default_age; 2]),
            5 => (cache_control("max-age=45"), [45, 45]),
            6 => (cache_control("public, max-age=\"9000\""), [9000, 9000]),
            7 => (cache_control("max-age=400").with_header("Age", "100"), [300, 300]),
            8 => (cache_control("max-age=400, no-store"), [0, 0]),
            9 => (cache_control("max-age=99999999999999999999"), [u64::MAX, u64::MAX]),
            10 => (cache_control("max-age=1, max-age=400"), [0, 0]),
            _ => (cache_control(&self.header).with_header("Age", self.header.clone()), [0, u64::MAX]),
        }
    }

    fn refuse(&mut self, which: u8) {
        static FOREIGN: LazyLock<HttpResponse> = LazyLock::new(|| HttpResponse::new(200).with_body("{}"));
        let Some(issued) = self.take(which) else { return };
        if which.is_multiple_of(4) {
            let now = UnixTime::from_secs(self.wall);
            // The ticket of another document changes nothing.
            let mut other = JwksCache::new("https://other.example/jwks", self.times.policy());
            let outcome = other.handle_response(issued.ticket, &FOREIGN, now);
            assert_eq!(outcome.unwrap_err(), JwksCacheError::ForeignTicket);
            return;
        }
        let now = self.begin();
        if self.land(&issued) {
            self.failures += 1;
        }
        let status = if which.is_multiple_of(2) { 200 } else { 304 };
        let response = HttpResponse::new(status).with_body(format!("<{}", self.header));
        assert!(self.cache.handle_response(issued.ticket, &response, now).is_err());
    }

    fn fail(&mut self, which: u8) {
        let Some(issued) = self.take(which) else { return };
        let now = self.begin();
        if self.land(&issued) {
            self.failures += 1;
        }
        self.cache.handle_failure(issued.ticket, now);
    }

    /// Stores the cache and reads it back, as a host does that starts again: of its tickets it knows
    /// nothing, though some may have an answer yet.
    fn start_again(&mut self) {
        let state = self.cache.to_json();
        assert!(state.len() < 4_000, "the memory is bounded: {state}");
        let other = JwksCache::from_json(&state, "https://other.example/jwks", self.times.policy());
        assert_eq!(other.unwrap_err(), JwksStateError::OtherDocument);
        self.cache = JwksCache::from_json(&state, JWKS_URI, self.times.policy()).expect("a stored cache");
        // A time that is long over is stored as one a year ago.
        let state = self.cache.to_json();
        let again = JwksCache::from_json(&state, JWKS_URI, self.times.policy()).expect("a stored cache");
        assert_eq!(again.to_json(), state);
        for issued in &mut self.tickets {
            issued.is_of_earlier_life = true;
        }
        self.live = None;
        self.last_started = None;
    }
}

/// A public key that checks nothing here: its modulus is no product of two primes.
fn key(key_id: &str) -> serde_json::Value {
    json!({"kty": "RSA", "kid": key_id, "n": "w".repeat(342), "e": "AQAB"})
}
