//! A repeated token: what is remembered of it, and for how long.

use core::time::Duration;

use grantry_core::UnixTime;
use grantry_jwt::{JwkSet, VerifyError};
use grantry_resource::{Access, AccessCache, Guard, Reason, Requirement};
use serde_json::json;

use crate::common::{API, ISSUER, NOW, bearer, claims, guard, hmac, issuer, key, need, token, token_with};

fn check_at(guard: &Guard, token: &str, cache: &mut AccessCache, now: u64) -> Result<Access, Reason> {
    let now = UnixTime::from_secs(now);
    guard.check_in(&bearer(token), &Requirement::none(), now, cache).map_err(|rejection| rejection.reason())
}

fn check(guard: &Guard, token: &str, cache: &mut AccessCache) -> Result<Access, Reason> {
    check_at(guard, token, cache, NOW.as_secs())
}

#[test]
fn a_repeated_token_has_the_same_access() {
    let (guard, mut cache) = (guard(), AccessCache::new(8));
    let token = token(json!({"groups": ["a"]}));
    let first = check(&guard, &token, &mut cache).unwrap();
    assert_eq!(cache.len(), 1);
    let second = check(&guard, &token, &mut cache).unwrap();
    assert_eq!((first, cache.len()), (second.clone(), 1));
    assert_eq!(second.claims::<serde_json::Value>().unwrap()["groups"], json!(["a"]));
}

#[test]
fn only_the_very_same_text_is_a_repeated_token() {
    let (guard, mut cache) = (guard(), AccessCache::new(8));
    let token = token(json!({}));
    check(&guard, &token, &mut cache).unwrap();
    for position in 0..token.len() {
        let mut changed = token.clone();
        let byte = if token.as_bytes()[position] == b'A' { "B" } else { "A" };
        changed.replace_range(position..=position, byte);
        assert!(check(&guard, &changed, &mut cache).is_err(), "{position}");
    }
    assert_eq!(cache.len(), 1);
}

#[test]
fn rfc7519_4_1_4_a_remembered_token_ends_at_its_exp_and_leeway() {
    let now = NOW.as_secs();
    let token = token_with("exp", json!(now + 60));
    for (leeway, end) in [(0, now + 60), (30, now + 90)] {
        let (guard, mut cache) = (guard().with_leeway(Duration::from_secs(leeway)), AccessCache::new(8));
        check(&guard, &token, &mut cache).unwrap();
        assert!(check_at(&guard, &token, &mut cache, end - 1).is_ok());
        let expired = Err(Reason::Token(VerifyError::Expired));
        assert_eq!(check_at(&guard, &token, &mut cache, end), expired);
        assert_eq!(check_at(&guard, &token, &mut cache, u64::MAX), expired);
    }
}

#[test]
fn rfc7519_4_1_5_a_clock_that_is_set_back_finds_no_remembered_token() {
    let (guard, mut cache) = (guard(), AccessCache::new(8));
    let token = token_with("nbf", json!(NOW.as_secs()));
    check(&guard, &token, &mut cache).unwrap();
    let early = check_at(&guard, &token, &mut cache, NOW.as_secs() - 1);
    assert_eq!(early, Err(Reason::Token(VerifyError::NotYetValid)));
}

#[test]
fn a_refused_token_is_not_remembered() {
    let (guard, mut cache) = (guard(), AccessCache::new(8));
    for token in [
        token_with("exp", json!(1)),
        token_with("aud", json!("x")),
        token_with("cnf", json!({})),
        token_with("sub", json!("")),
        hmac(9).sign_claims(Some("at+jwt"), &claims()).unwrap(),
    ] {
        assert!(check(&guard, &token, &mut cache).is_err());
        assert!(check(&guard, &token, &mut cache).is_err());
    }
    assert!(cache.is_empty());
}

#[test]
fn a_remembered_token_ends_with_the_set_of_its_key() {
    let (guard, mut cache) = (guard(), AccessCache::new(8));
    let token = token(json!({}));
    check(&guard, &token, &mut cache).unwrap();
    let rotated = guard.clone().with_keys(&issuer(ISSUER), JwkSet::from_keys([hmac(9).verifying_key()]));
    assert_eq!(check(&rotated, &token, &mut cache), Err(Reason::Token(VerifyError::Signature)));
    let none = guard.with_keys(&issuer(ISSUER), JwkSet::default());
    assert_eq!(check(&none, &token, &mut cache), Err(Reason::Token(VerifyError::UnknownKey)));
}

#[test]
fn what_one_guard_remembers_is_nothing_to_another() {
    let (first, mut cache) = (guard(), AccessCache::new(8));
    let token = token(json!({}));
    let keys = || JwkSet::from_keys([key().verifying_key()]);
    let others = [
        (Guard::new(issuer(ISSUER), "https://other.example", keys()), VerifyError::Audience),
        (Guard::new(issuer("https://b.example"), API, keys()), VerifyError::Issuer),
    ];
    for (other, error) in others {
        check(&first, &token, &mut cache).unwrap();
        assert_eq!(check(&other, &token, &mut cache), Err(Reason::Token(error)));
        assert!(cache.is_empty());
    }
    // A guard that was made from the first has rules of its own; a clone has the same.
    let mut lenient = AccessCache::new(8);
    let old = token_with("exp", json!(NOW.as_secs() - 5));
    let patient = first.clone().with_leeway(Duration::from_secs(10));
    check(&patient, &old, &mut lenient).unwrap();
    assert_eq!(check(&first, &old, &mut lenient), Err(Reason::Token(VerifyError::Expired)));
    check(&first, &token, &mut cache).unwrap();
    check(&first.clone(), &token, &mut cache).unwrap();
    assert_eq!(cache.len(), 1);
}

#[test]
fn what_a_request_needs_is_compared_each_time() {
    let (guard, mut cache) = (guard(), AccessCache::new(8));
    let token = token(json!({"scope": "read", "auth_time": NOW.as_secs(), "acr": "a"}));
    let mut at = |required: &Requirement, seconds: u64| {
        let now = UnixTime::from_secs(NOW.as_secs() + seconds);
        let checked = guard.check_in(&bearer(&token), required, now, &mut cache);
        checked.map(drop).map_err(|rejection| rejection.reason())
    };
    assert_eq!(at(&need("read"), 0), Ok(()));
    assert_eq!(at(&need("write"), 0), Err(Reason::InsufficientScope));
    assert_eq!(at(&need("read").with_acr_values(["b"]), 0), Err(Reason::WeakAuthentication));
    let young = need("read").with_max_age(Duration::from_secs(5));
    assert_eq!((at(&young, 5), at(&young, 6)), (Ok(()), Err(Reason::OldAuthentication)));
}

#[test]
fn the_number_of_remembered_tokens_is_bounded() {
    let (guard, mut cache) = (guard(), AccessCache::new(16));
    for number in 0..100 {
        check(&guard, &token_with("jti", json!(number.to_string())), &mut cache).unwrap();
        assert!(cache.len() <= 16);
    }
    assert!(cache.len() > 8);
    cache.clear();
    assert!(cache.is_empty());
    let mut none = AccessCache::new(0);
    check(&guard, &token(json!({})), &mut none).unwrap();
    assert_eq!((none.len(), none.capacity()), (0, 0));
    assert_eq!(AccessCache::new(usize::MAX).capacity(), AccessCache::MAX_CAPACITY);
}

/// ST-19.
#[test]
fn what_is_remembered_is_not_printed() {
    let mut cache = AccessCache::new(8);
    let access = check(&guard(), &token(json!({"email": "a@b.example"})), &mut cache).unwrap();
    assert_eq!(format!("{cache:?}"), "AccessCache { capacity: 8, len: 1, .. }");
    assert!(!format!("{access:?}").contains("a@b.example"));
}
