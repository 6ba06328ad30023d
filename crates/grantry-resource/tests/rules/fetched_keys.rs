//! Keys that the host fetches: what a guard asks for, and when.

use alloc::collections::BTreeMap;
use core::cell::RefCell;

use grantry_core::{HttpResponse, Issuer, UnixTime};
use grantry_jwt::{
    Advice, Algorithm, JwkSet, JwksCache, JwksPolicy, KeyLoader, SigningKey, VerifyError, Wanted,
};
use grantry_resource::{AccessCache, Guard, Reason, Requirement, Verdict};
use serde_json::json;

use crate::common::{API, ISSUER, NOW, bearer, claims, issuer};

const OTHER: &str = "https://b.example";

fn new_key(key_id: &str) -> SigningKey {
    let loader = KeyLoader::default();
    let private = loader.generate(Algorithm::EdDsa).unwrap();
    loader.private(Algorithm::EdDsa, &private).unwrap().with_key_id(key_id)
}

fn signed(key: &SigningKey, iss: &str) -> String {
    let mut claims = claims();
    claims["iss"] = json!(iss);
    key.sign_claims(Some("at+jwt"), &claims).unwrap()
}

/// A host with a cache of keys for each issuer, which counts what it fetches.
struct Host {
    guard: Guard,
    jwks: RefCell<BTreeMap<Issuer, JwksCache>>,
    published: BTreeMap<Issuer, JwkSet>,
    asked: RefCell<Vec<(Issuer, Option<String>)>>,
    fetched: Vec<Issuer>,
    cache: AccessCache,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Granted,
    Refused(Reason),
    Unavailable,
}

const UNKNOWN: Outcome = Outcome::Refused(Reason::Token(VerifyError::UnknownKey));

impl Host {
    fn new(issuers: &[&str]) -> Self {
        let guard = Guard::new(issuer(issuers[0]), API, JwkSet::default());
        let jwks =
            |name: &&str| (issuer(name), JwksCache::new(format!("{name}/jwks"), JwksPolicy::default()));
        Self {
            guard: issuers
                .iter()
                .fold(guard, |guard, name| guard.also_issuer(issuer(name), JwkSet::default())),
            jwks: RefCell::new(issuers.iter().map(jwks).collect()),
            published: BTreeMap::new(),
            asked: RefCell::default(),
            fetched: Vec::new(),
            cache: AccessCache::new(64),
        }
    }

    fn publish(&mut self, name: &str, keys: &[&SigningKey]) {
        let keys = JwkSet::from_keys(keys.iter().map(|key| key.verifying_key()));
        self.published.insert(issuer(name), keys);
    }

    /// An issuer that publishes nothing does not answer.
    fn check(&mut self, token: &str, seconds: u64) -> Outcome {
        let now = UnixTime::from_secs(NOW.as_secs() + seconds);
        loop {
            let advise = |issuer: &Issuer, wanted: Wanted<'_>| {
                let key_id = match wanted {
                    Wanted::KeyId(key_id) => Some(key_id.to_owned()),
                    Wanted::Any | _ => None,
                };
                self.asked.borrow_mut().push((issuer.clone(), key_id));
                self.jwks.borrow_mut().get_mut(issuer).unwrap().advise(wanted, now)
            };
            let required = Requirement::none();
            match self.guard.check_fetched(&bearer(token), &required, now, &mut self.cache, advise) {
                Verdict::Granted(access) => {
                    assert_eq!(access.client_id().as_str(), "app");
                    return Outcome::Granted;
                }
                Verdict::Rejected(rejection) => return Outcome::Refused(rejection.reason()),
                Verdict::Unavailable { until } => {
                    assert!(until > now);
                    return Outcome::Unavailable;
                }
                Verdict::Fetch { issuer, ticket } => {
                    assert_eq!(ticket.request().target, format!("{issuer}/jwks"));
                    self.fetched.push(issuer.clone());
                    let mut jwks = self.jwks.borrow_mut();
                    let jwks = jwks.get_mut(&issuer).unwrap();
                    match self.published.get(&issuer) {
                        Some(keys) => {
                            let response = HttpResponse::new(200).with_body(keys.to_json());
                            jwks.handle_response(ticket, &response, now).unwrap();
                        }
                        None => jwks.handle_failure(ticket, now),
                    }
                }
            }
        }
    }
}

#[test]
fn keys_are_fetched_once_and_then_asked_for_at_each_check() {
    let (key, mut host) = (new_key("a"), Host::new(&[ISSUER]));
    host.publish(ISSUER, &[&key]);
    for _ in 0..3 {
        assert_eq!(host.check(&signed(&key, ISSUER), 0), Outcome::Granted);
    }
    assert_eq!(host.fetched, [issuer(ISSUER)]);
    assert_eq!(*host.asked.borrow(), vec![(issuer(ISSUER), None); 4]);
}

#[test]
fn an_unknown_key_is_asked_for_by_its_name_and_tried_once_more() {
    let (a, b, mut host) = (new_key("a"), new_key("b"), Host::new(&[ISSUER]));
    host.publish(ISSUER, &[&a]);
    assert_eq!(host.check(&signed(&a, ISSUER), 0), Outcome::Granted);
    host.publish(ISSUER, &[&a, &b]);
    assert_eq!(host.check(&signed(&b, ISSUER), 60), Outcome::Granted);
    assert_eq!(host.fetched.len(), 2);
    let asked = host.asked.borrow().iter().filter(|(_, key_id)| key_id.as_deref() == Some("b")).count();
    assert_eq!(asked, 1);
}

#[test]
fn rl_18_strangers_cannot_make_a_host_fetch_for_each_token() {
    let (a, mut host) = (new_key("a"), Host::new(&[ISSUER]));
    host.publish(ISSUER, &[&a]);
    for number in 0..20 {
        assert_eq!(host.check(&signed(&new_key(&format!("x{number}")), ISSUER), 1), UNKNOWN);
    }
    assert_eq!(host.fetched.len(), 1);
    // A key of a known name is not asked for again: its signature is bad.
    let forged = host.check(&signed(&new_key("a"), ISSUER), 100);
    assert_eq!(forged, Outcome::Refused(Reason::Token(VerifyError::Signature)));
    assert_eq!(host.fetched.len(), 1);
}

#[test]
fn without_keys_a_token_is_neither_good_nor_bad() {
    let (key, mut host) = (new_key("a"), Host::new(&[ISSUER]));
    assert_eq!(host.check(&signed(&key, ISSUER), 0), Outcome::Unavailable);
    // A request without a token needs no keys.
    assert_eq!(host.check("", 0), Outcome::Refused(Reason::MalformedCredentials));
    host.publish(ISSUER, &[&key]);
    assert_eq!(host.check(&signed(&key, ISSUER), 60), Outcome::Granted);
    // Past its age a set still serves while the issuer does not answer, and not for ever.
    host.published.clear();
    let later = |host: &mut Host, seconds: u64| {
        let mut claims = claims();
        claims["exp"] = json!(NOW.as_secs() + 1_000_000);
        host.check(&key.sign_claims(Some("at+jwt"), &claims).unwrap(), seconds)
    };
    assert_eq!(later(&mut host, 700), Outcome::Granted);
    assert_eq!(later(&mut host, 999_000), Outcome::Unavailable);
}

#[test]
fn a_removed_key_opens_nothing_even_for_a_remembered_token() {
    let (a, b, mut host) = (new_key("a"), new_key("b"), Host::new(&[ISSUER]));
    host.publish(ISSUER, &[&a, &b]);
    let (of_a, of_b) = (signed(&a, ISSUER), signed(&b, ISSUER));
    for token in [&of_a, &of_b] {
        assert_eq!((host.check(token, 0), host.check(token, 0)), (Outcome::Granted, Outcome::Granted));
    }
    assert_eq!(host.cache.len(), 2);
    host.publish(ISSUER, &[&b]);
    // The set is older than its age: it is fetched anew, and nothing that the old one signed counts.
    assert_eq!(host.check(&of_b, 599), Outcome::Granted);
    let mut later = JwksCache::new(format!("{ISSUER}/jwks"), JwksPolicy::default());
    core::mem::swap(host.jwks.get_mut().get_mut(&issuer(ISSUER)).unwrap(), &mut later);
    assert_eq!(host.check(&of_a, 599), UNKNOWN);
    assert_eq!(host.check(&of_b, 599), Outcome::Granted);
    assert_eq!(host.cache.len(), 1);
}

#[test]
fn each_issuer_is_asked_for_its_own_tokens_alone() {
    let (a, b, mut host) = (new_key("k"), new_key("k"), Host::new(&[ISSUER, OTHER]));
    host.publish(ISSUER, &[&a]);
    host.publish(OTHER, &[&b]);
    assert_eq!(host.check(&signed(&a, ISSUER), 0), Outcome::Granted);
    assert_eq!(host.fetched, [issuer(ISSUER)]);
    assert_eq!(host.check(&signed(&b, OTHER), 0), Outcome::Granted);
    assert_eq!(host.fetched, [issuer(ISSUER), issuer(OTHER)]);
    for (key, iss) in [(&a, OTHER), (&b, ISSUER)] {
        assert_eq!(host.check(&signed(key, iss), 0), Outcome::Refused(Reason::Token(VerifyError::Signature)));
    }
    // A name that nobody knows asks nobody.
    let asked = host.asked.borrow().len();
    let stranger = host.check(&signed(&a, "https://c.example"), 0);
    assert_eq!(stranger, Outcome::Refused(Reason::Token(VerifyError::Issuer)));
    assert_eq!(host.asked.borrow().len(), asked);
    // Both stay remembered; a new set of one leaves the other.
    assert_eq!(host.cache.len(), 2);
}

#[test]
fn the_keys_that_a_guard_holds_do_not_count_when_the_host_fetches() {
    let key = new_key("a");
    let guard = Guard::new(issuer(ISSUER), API, JwkSet::from_keys([key.verifying_key()]));
    let request = bearer(&signed(&key, ISSUER));
    let required = Requirement::none();
    let mut cache = AccessCache::new(8);
    assert!(guard.check_in(&request, &required, NOW, &mut cache).is_ok());
    let verdict =
        guard.check_fetched(&request, &required, NOW, &mut cache, |_, _| Advice::NoSuchKey { until: NOW });
    let Verdict::Rejected(rejection) = verdict else { panic!("{verdict:?}") };
    assert_eq!(rejection.reason(), Reason::Token(VerifyError::UnknownKey));
}
