//! Answers that are kept ([RFC 7662 section 4](https://www.rfc-editor.org/rfc/rfc7662#section-4)).

use core::time::Duration;

use grantry_core::{SecretString, UnixTime};
use grantry_resource::{Introspected, IntrospectionCache};
use serde_json::{Value, json};

use crate::common::NOW;
use crate::introspection::read;

fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(NOW.as_secs() + seconds)
}

fn answer(exp: &Value) -> Introspected {
    read(&json!({"active": true, "sub": "u", "client_id": "c", "exp": exp})).unwrap()
}

fn token(text: &str) -> SecretString {
    SecretString::from(text)
}

fn cache(max_age: u64) -> IntrospectionCache {
    IntrospectionCache::new(8, Duration::from_secs(max_age))
}

/// IN-19.
#[test]
fn rfc7662_4_a_kept_answer_never_outlives_exp() {
    let mut cache = cache(1000);
    let answer = answer(&json!(NOW.as_secs() + 60));
    cache.keep(&token("a"), &answer, NOW);
    assert_eq!(cache.find(&token("a"), at(59)), Some(answer.clone()));
    assert_eq!(cache.find(&token("a"), at(60)), None);
    cache.keep(&token("a"), &answer, at(60));
    assert_eq!(cache.find(&token("a"), at(60)), None);
}

#[test]
fn rfc7662_4_a_kept_answer_never_outlives_the_age_that_the_host_chose() {
    for exp in [Value::Null, json!(NOW.as_secs() + 60), json!(u64::MAX)] {
        let mut cache = cache(30);
        cache.keep(&token("a"), &answer(&exp), NOW);
        assert!(cache.find(&token("a"), at(29)).is_some(), "{exp}");
        assert_eq!(cache.find(&token("a"), at(30)), None, "{exp}");
    }
    let mut none = cache(0);
    none.keep(&token("a"), &answer(&Value::Null), NOW);
    assert!(none.is_empty());
}

#[test]
fn an_answer_is_found_for_its_own_token_alone() {
    let mut cache = cache(30);
    cache.keep(&token("a"), &answer(&json!(u64::MAX)), NOW);
    cache.keep(&token("b"), &answer(&Value::Null), NOW);
    assert_eq!(cache.find(&token("a"), NOW), Some(answer(&json!(u64::MAX))));
    assert_eq!(cache.find(&token("b"), NOW), Some(answer(&Value::Null)));
    for other in ["", "A", "a ", "ab", "c"] {
        assert_eq!(cache.find(&token(other), NOW), None, "{other}");
    }
}

#[test]
fn a_later_answer_takes_the_place_of_the_earlier() {
    let mut cache = cache(30);
    cache.keep(&token("a"), &answer(&Value::Null), NOW);
    cache.keep(&token("a"), &answer(&json!(NOW.as_secs() + 9)), at(1));
    assert_eq!((cache.find(&token("a"), at(9)), cache.len()), (None, 1));
}

#[test]
fn an_answer_that_a_token_is_inactive_ends_the_earlier_one() {
    let mut cache = cache(30);
    cache.keep(&token("a"), &answer(&Value::Null), NOW);
    cache.keep(&token("b"), &answer(&Value::Null), NOW);
    cache.keep(&token("a"), &read(&json!({"active": false})).unwrap(), at(1));
    assert_eq!((cache.find(&token("a"), at(1)), cache.len()), (None, 1));
    assert!(cache.find(&token("b"), at(1)).is_some());
}

#[test]
fn an_inactive_token_takes_no_room() {
    let mut cache = cache(30);
    cache.keep(&token("a"), &read(&json!({"active": false})).unwrap(), NOW);
    assert_eq!((cache.is_empty(), cache.find(&token("a"), NOW)), (true, None));
}

#[test]
fn a_clock_that_is_set_back_finds_no_kept_answer() {
    let mut cache = cache(30);
    cache.keep(&token("a"), &answer(&Value::Null), at(10));
    assert_eq!(cache.find(&token("a"), at(9)), None);
}

#[test]
fn the_number_of_kept_answers_is_bounded() {
    let mut cache = cache(30);
    for number in 0..100 {
        cache.keep(&token(&number.to_string()), &answer(&Value::Null), NOW);
        assert!(cache.len() <= cache.capacity());
    }
    assert_eq!(cache.len(), 8);
    cache.clear();
    assert!(cache.is_empty());
}

/// ST-19.
#[test]
fn a_kept_token_is_not_printed() {
    let mut cache = cache(30);
    cache.keep(&token("hunter2"), &answer(&Value::Null), NOW);
    assert_eq!(format!("{cache:?}"), "IntrospectionCache { capacity: 8, len: 1, max_age: 30s, .. }");
}
