//! Many verifiers with one cache, and an issuer that rotates its keys without notice over a network
//! that loses replies: every token passes in time, and no key outlives its bound.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

extern crate alloc;

mod common;

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use common::{text, vectors};
use grantry_core::{HttpResponse, UnixTime};
use grantry_jwt::{
    Advice, Algorithm, FetchTicket, JwkSet, JwksCache, JwksPolicy, SigningKey, VerifyError, Wanted,
    peek_unverified, verify_jws,
};

const START: u64 = 1_800_000_000;
const DURATION: u64 = 9_000;

/// How long a key signs, in seconds, and for how long after that its tokens live.
const ROTATION: u64 = 900;
const TOKEN_LIFETIME: u64 = 300;

/// The most fetches in a row that bring nothing.
const MOST_LOST: u64 = 2;

/// What the policy below comes to, as the documentation of the cache has it.
const COOL_DOWN: u64 = 30;
const TIMEOUT: u64 = 10;
const UNKNOWN_KEY_AGE: u64 = 60;
const DEFAULT_AGE: u64 = 600;
const BOUND_OF_REFUSAL: u64 = TIMEOUT + UNKNOWN_KEY_AGE + TIMEOUT + MOST_LOST * (COOL_DOWN + TIMEOUT);
const BOUND_OF_WAITING: u64 = TIMEOUT + MOST_LOST * (COOL_DOWN + TIMEOUT);
const BOUND_OF_A_KEY: u64 = DEFAULT_AGE + BOUND_OF_WAITING;

/// Numbers that only look random, so that each run is the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// Signs with a new key from one second to the next, and drops the old one when its tokens are over.
struct Issuer {
    keys: Vec<SigningKey>,
    tokens: Vec<String>,
}

impl Issuer {
    fn new() -> Self {
        let vectors = vectors(include_str!("../../../tests/vectors/jws-sign.json"));
        let vector = vectors.iter().find(|vector| text(vector, "id") == "JK-107.2").unwrap();
        let key = SigningKey::from_jwk(vector["jwk"].to_string().as_bytes()).unwrap();
        let keys: Vec<_> =
            (0..=DURATION / ROTATION + 1).map(|number| key.clone().with_key_id(number.to_string())).collect();
        let tokens = keys.iter().map(|key| key.sign(None, b"payload").unwrap()).collect();
        Self { keys, tokens }
    }

    fn token(&self, issued: u64) -> &str {
        &self.tokens[index(issued / ROTATION)]
    }

    fn document(&self, now: u64) -> String {
        let current = now / ROTATION;
        let oldest = now.saturating_sub(TOKEN_LIFETIME) / ROTATION;
        let keys = &self.keys[index(oldest)..=index(current)];
        JwkSet::from_keys(keys.iter().map(SigningKey::verifying_key)).to_json()
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

/// A token at a verifier that waits for keys.
struct Waiting {
    token: String,
    issued: Option<u64>,
    since: u64,
}

struct Network {
    /// When each reply arrives, `None` in place of one that says 503.
    replies: VecDeque<(u64, FetchTicket, Option<String>)>,
    lost_in_a_row: u64,
    sent: u64,
}

struct World {
    issuer: Issuer,
    cache: JwksCache,
    network: Network,
    dice: Dice,
    now: u64,
    waiting: Vec<Waiting>,
    accepted: u64,
    refused: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            issuer: Issuer::new(),
            cache: JwksCache::new("https://as.example/jwks", JwksPolicy::default()),
            network: Network { replies: VecDeque::new(), lost_in_a_row: 0, sent: 0 },
            dice: Dice(seed),
            now: 0,
            waiting: Vec::new(),
            accepted: 0,
            refused: 0,
        }
    }

    fn time(&self) -> UnixTime {
        UnixTime::from_secs(START + self.now)
    }

    fn run(&mut self) {
        while self.now < DURATION {
            self.deliver();
            for waiting in core::mem::take(&mut self.waiting) {
                self.present(waiting);
            }
            for _ in 0..2 {
                let (token, issued) = self.next_token();
                self.present(Waiting { token, issued, since: self.now });
            }
            self.now += 1;
        }
    }

    /// Mostly a token that is valid; sometimes one that was withdrawn long ago, or one of a stranger
    /// who guesses key ids, those of the future among them.
    fn next_token(&mut self) -> (String, Option<u64>) {
        let age = match self.dice.roll(10) {
            0 => self.dice.roll(3_000),
            1 => {
                let key_id = match self.dice.roll(2) {
                    0 => (self.now / ROTATION + 1).to_string(),
                    _ => format!("guess {}", self.dice.roll(1000)),
                };
                let header = format!(r#"{{"alg":"RS256","kid":"{key_id}"}}"#);
                let header = grantry_core::base64url::encode(header);
                return (format!("{header}.AAAA.AAAA"), None);
            }
            _ => self.dice.roll(TOKEN_LIFETIME),
        };
        let issued = self.now.saturating_sub(age);
        (self.issuer.token(issued).to_owned(), Some(issued))
    }

    /// What a host does with a token: two questions to the cache at the most.
    fn present(&mut self, waiting: Waiting) {
        let Some(keys) = self.ask(Wanted::Any) else {
            return self.keep(waiting);
        };
        let mut outcome = verify_jws(&waiting.token, &keys, Algorithm::ALL).map(drop);
        if outcome == Err(VerifyError::UnknownKey) {
            let header = peek_unverified(&waiting.token).unwrap();
            match self.cache.advise(Wanted::KeyId(header.key_id().unwrap()), self.time()) {
                Advice::Ready(keys) => outcome = verify_jws(&waiting.token, &keys, Algorithm::ALL).map(drop),
                Advice::Fetch(ticket) => {
                    self.send(ticket);
                    return self.keep(waiting);
                }
                Advice::Wait { stale: None, .. } => return self.keep(waiting),
                Advice::Wait { stale: Some(_), .. } => panic!("what the set lacks is not in the stale one"),
                Advice::NoSuchKey { .. } => {}
            }
        }
        match (waiting.issued, outcome) {
            (Some(issued), Ok(())) => self.accept(issued),
            (Some(issued), Err(error)) => {
                assert_eq!(error, VerifyError::UnknownKey);
                self.refuse(issued);
            }
            (None, outcome) => assert!(outcome.is_err()),
        }
    }

    fn ask(&mut self, wanted: Wanted<'_>) -> Option<Arc<JwkSet>> {
        match self.cache.advise(wanted, self.time()) {
            Advice::Ready(keys) => Some(keys),
            Advice::Fetch(ticket) => {
                let stale = ticket.stale().cloned();
                self.send(ticket);
                stale
            }
            Advice::Wait { stale, .. } => stale,
            Advice::NoSuchKey { .. } => panic!("the issuer always has a key"),
        }
    }

    fn keep(&mut self, waiting: Waiting) {
        let waited = self.now - waiting.since;
        assert!(waited <= BOUND_OF_WAITING, "waited for {waited} s");
        self.waiting.push(waiting);
    }

    fn accept(&mut self, issued: u64) {
        self.accepted += 1;
        let dropped = (issued / ROTATION + 1) * ROTATION + TOKEN_LIFETIME;
        assert!(self.now < dropped + BOUND_OF_A_KEY, "a key outlived its end by {} s", self.now - dropped);
    }

    fn refuse(&mut self, issued: u64) {
        let is_valid = issued + TOKEN_LIFETIME > self.now;
        let published = issued / ROTATION * ROTATION;
        if is_valid {
            self.refused += 1;
            let late = self.now - published;
            assert!(late <= BOUND_OF_REFUSAL, "still refused {late} s after the key came");
        }
    }

    fn send(&mut self, ticket: FetchTicket) {
        self.network.sent += 1;
        let may_lose = self.network.lost_in_a_row < MOST_LOST;
        let fate = self.dice.roll(8);
        if may_lose && fate < 2 {
            self.network.lost_in_a_row += 1;
            return;
        }
        // The issuer writes its answer on the way, and one in eight comes after its time.
        let outward = self.dice.roll(3);
        let arrives = self.now + outward + self.dice.roll(3) + if may_lose && fate == 2 { 12 } else { 0 };
        let fails = may_lose && fate == 3;
        self.network.lost_in_a_row =
            if fails || arrives >= self.now + TIMEOUT { self.network.lost_in_a_row + 1 } else { 0 };
        let body = (!fails).then(|| self.issuer.document(self.now + outward));
        self.network.replies.push_back((arrives, ticket, body));
    }

    fn deliver(&mut self) {
        for (arrives, ticket, body) in core::mem::take(&mut self.network.replies) {
            if arrives > self.now {
                self.network.replies.push_back((arrives, ticket, body));
                continue;
            }
            let response = match body {
                Some(body) => HttpResponse::new(200).with_body(body),
                None => HttpResponse::new(503),
            };
            // A late answer may be superseded; the set that came before it is then the newer one.
            drop(self.cache.handle_response(ticket, &response, self.time()));
        }
    }
}

#[test]
fn rotation_without_notice_refuses_no_token_beyond_the_bound() {
    for seed in 1..=3 {
        let mut world = World::new(0x9e37_79b9_7f4a_7c15 ^ seed);
        world.run();
        assert!(world.accepted > DURATION, "{}", world.accepted);
        // Unknown keys come all the time, so that there is a fetch in about every cool-down.
        assert!(world.network.sent <= DURATION / COOL_DOWN + 60, "{}", world.network.sent);
        assert!(world.refused > 0, "the bound was put to the test");
    }
}
