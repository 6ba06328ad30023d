//! Documents as an issuer serves them, and the cache that reads them.
#![allow(dead_code, reason = "each test file takes what it needs")]

use grantry_core::{HttpResponse, UnixTime};
use grantry_jwt::{Advice, FetchTicket, JwkSet, JwksCache, JwksPolicy, Wanted};
use serde_json::{Value, json};

pub(crate) const JWKS_URI: &str = "https://as.example/jwks";
pub(crate) const START: u64 = 1_800_000_000;

/// A public key that checks nothing in these tests: its modulus is no product of two primes.
pub(crate) fn jwk(key_id: &str) -> Value {
    json!({"kty": "RSA", "kid": key_id, "n": "w".repeat(342), "e": "AQAB"})
}

pub(crate) fn document(key_ids: &[&str]) -> String {
    let keys: Vec<_> = key_ids.iter().map(|key_id| jwk(key_id)).collect();
    json!({ "keys": keys }).to_string()
}

pub(crate) fn response(key_ids: &[&str]) -> HttpResponse {
    HttpResponse::new(200).with_body(document(key_ids))
}

pub(crate) fn key_ids(keys: &JwkSet) -> Vec<&str> {
    keys.keys().iter().filter_map(|key| key.key_id()).collect()
}

/// What a cache advised, in a form that compares: times count from [`START`].
#[derive(Debug, PartialEq)]
pub(crate) enum Advised {
    Ready(Vec<String>),
    Fetch(Option<Vec<String>>),
    Wait(u64, Option<Vec<String>>),
    NoSuchKey(u64),
}

pub(crate) fn ready(key_ids: &[&str]) -> Advised {
    Advised::Ready(key_ids.iter().map(|key_id| (*key_id).to_owned()).collect())
}

pub(crate) fn fetch_with(stale: &[&str]) -> Advised {
    Advised::Fetch(Some(stale.iter().map(|key_id| (*key_id).to_owned()).collect()))
}

pub(crate) fn wait_with(until: u64, stale: &[&str]) -> Advised {
    Advised::Wait(until, Some(stale.iter().map(|key_id| (*key_id).to_owned()).collect()))
}

/// A cache and the tickets it gave out, oldest first.
pub(crate) struct Host {
    pub(crate) cache: JwksCache,
    pub(crate) tickets: Vec<FetchTicket>,
}

impl Host {
    pub(crate) fn new(policy: JwksPolicy) -> Self {
        Self { cache: JwksCache::new(JWKS_URI, policy), tickets: Vec::new() }
    }

    /// Starts with a set that came at once, at time 0.
    pub(crate) fn with_keys(policy: JwksPolicy, response: &HttpResponse) -> Self {
        let mut host = Self::new(policy);
        assert_eq!(host.any(0), Advised::Fetch(None));
        host.cache.handle_response(host.tickets.remove(0), response, at(0)).unwrap();
        host
    }

    pub(crate) fn any(&mut self, now: u64) -> Advised {
        self.advise(Wanted::Any, now)
    }

    pub(crate) fn key(&mut self, key_id: &str, now: u64) -> Advised {
        self.advise(Wanted::KeyId(key_id), now)
    }

    pub(crate) fn advise(&mut self, wanted: Wanted<'_>, now: u64) -> Advised {
        let names = |keys: &JwkSet| key_ids(keys).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let since = |time: UnixTime| time.as_secs() - START;
        match self.cache.advise(wanted, at(now)) {
            Advice::Ready(keys) => Advised::Ready(names(&keys)),
            Advice::Fetch(ticket) => {
                let stale = ticket.stale().map(|keys| names(keys));
                self.tickets.push(ticket);
                Advised::Fetch(stale)
            }
            Advice::Wait { until, stale } => Advised::Wait(since(until), stale.map(|keys| names(&keys))),
            Advice::NoSuchKey { until } => Advised::NoSuchKey(since(until)),
        }
    }

    /// Fails the oldest ticket.
    pub(crate) fn fail(&mut self, now: u64) {
        self.cache.handle_failure(self.tickets.remove(0), at(now));
    }
}

pub(crate) fn at(now: u64) -> UnixTime {
    UnixTime::from_secs(START + now)
}
