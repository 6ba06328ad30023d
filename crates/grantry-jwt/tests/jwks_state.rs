//! The stored form of the cache of keys.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/issuer.rs"]
mod issuer;

use core::time::Duration;

use grantry_core::{HttpResponse, UnixTime};
use grantry_jwt::{Advice, JwkSet, JwksCache, JwksPolicy, JwksStateError, Wanted};
use issuer::{Advised, Host, JWKS_URI, START, at, fetch_with, jwk, ready, response, wait_with};
use serde_json::{Value, json};

/// A cache with every member in use: a set, a failed fetch for `b`, and `c` unknown.
fn host() -> Host {
    let mut host = Host::with_keys(JwksPolicy::default(), &response(&["a"]));
    host.key("c", 30);
    host.cache.handle_response(host.tickets.remove(0), &response(&["a"]), at(30)).unwrap();
    host.key("b", 60);
    host.fail(60);
    host
}

fn read(text: &str) -> Result<JwksCache, JwksStateError> {
    JwksCache::from_json(text, JWKS_URI, JwksPolicy::default())
}

fn reread(text: &str) -> Host {
    Host { cache: read(text).unwrap(), tickets: Vec::new() }
}

/// The stored form with one member replaced, found by its path.
fn with(path: &str, value: Value) -> String {
    let mut state: Value = serde_json::from_str(&host().cache.to_json()).unwrap();
    *state.pointer_mut(path).unwrap() = value;
    state.to_string()
}

#[test]
fn the_stored_form_is_fixed_bytes() {
    let text = host().cache.to_json();
    let document = JwkSet::parse(issuer::document(&["a"]).as_bytes()).unwrap().to_json();
    let golden = format!(
        concat!(
            r#"{{"version":1,"jwks_uri":"https://as.example/jwks","saved_at":1800000060,"#,
            r#""held":{{"ticket":2,"fresh_until":1800000630,"document":{}}},"#,
            r#""tickets":3,"failures":1,"retry_at":1800000061,"cool_until":1800000090,"#,
            r#""unknown_keys":[{{"digest":"Ln0sA6lQeuJl7PW1NWiFpTOTogKdJBOUmXJloaJa78Y","until":1800000090}}]}}"#
        ),
        serde_json::to_string(&document).unwrap()
    );
    assert_eq!(text, golden);
    assert_eq!(read(&text).unwrap().to_json(), golden);
}

#[test]
fn after_reading_the_times_hold() {
    let text = host().cache.to_json();
    let mut host = reread(&text);
    assert_eq!(host.any(60), ready(&["a"]));
    assert_eq!(host.key("b", 89), Advised::NoSuchKey(90));
    assert_eq!(host.key("c", 89), Advised::NoSuchKey(90));
    assert_eq!(host.key("b", 90), Advised::Fetch(None));
    assert_eq!(reread(&text).any(629), ready(&["a"]));
    assert_eq!(reread(&text).any(630), fetch_with(&["a"]));
    // The failure before counts on.
    assert_eq!(reread(&text).any(4229), fetch_with(&["a"]));
    assert_eq!(reread(&text).any(4230), Advised::Fetch(None));
    // A machine whose clock is far behind starts from what was left.
    let mut behind = reread(&text);
    let day = 86_400;
    let before = |seconds: u64| UnixTime::from_secs(START - day + seconds);
    let is_ready = |advice| matches!(advice, Advice::Ready(_));
    assert!(is_ready(behind.cache.advise(Wanted::Any, before(0))));
    assert!(is_ready(behind.cache.advise(Wanted::Any, before(569))));
    assert!(!is_ready(behind.cache.advise(Wanted::Any, before(570))));
}

#[test]
fn an_empty_cache_is_stored_too() {
    let text = JwksCache::new(JWKS_URI, JwksPolicy::default()).to_json();
    let mut host = reread(&text);
    assert_eq!(host.any(0), Advised::Fetch(None));
    // A ticket that was out is forgotten.
    let mut host = reread(&host.cache.to_json());
    assert_eq!(host.any(0), Advised::Fetch(None));
}

#[test]
fn a_ticket_of_the_life_before_makes_no_set_younger() {
    let mut host = Host::with_keys(JwksPolicy::default(), &response(&["a"]));
    host.any(100_000);
    let ticket = host.tickets.remove(0);
    let mut host = reread(&host.cache.to_json());
    host.cache.handle_response(ticket, &response(&["b"]), at(100_005)).unwrap();
    assert_eq!(host.any(100_604), ready(&["b"]));
    assert_eq!(host.any(100_605), fetch_with(&["b"]));
}

#[test]
fn a_ticket_that_a_cache_read_from_an_older_form_never_gave_holds_back_no_later_answer() {
    let mut host = Host::with_keys(JwksPolicy::default(), &response(&["a"]));
    let older = host.cache.to_json();
    for now in [700, 1400] {
        host.any(now);
        host.fail(now);
    }
    host.any(2100);
    let ticket = host.tickets.remove(0);
    let mut host = reread(&older);
    host.cache.handle_response(ticket, &response(&["b"]), at(2105)).unwrap();
    assert!(read(&host.cache.to_json()).is_ok());
    host.any(3000);
    let ticket = host.tickets.remove(0);
    assert!(host.cache.handle_response(ticket, &response(&["c"]), at(3000)).is_ok());
}

#[test]
fn no_time_holds_for_longer_than_the_policy_would_have_it() {
    let future = json!(START + 1_000_000);
    let mut host = reread(&with("/held/fresh_until", future.clone()));
    assert_eq!(host.any(3_659), ready(&["a"]));
    assert_eq!(host.any(3_660), fetch_with(&["a"]));
    let mut host = reread(&with("/unknown_keys/0/until", future.clone()));
    assert_eq!(host.key("c", 119), Advised::NoSuchKey(120));
    assert_eq!(host.key("c", 120), Advised::Fetch(None));
    let mut host = reread(&with("/cool_until", future.clone()));
    assert_eq!(host.key("b", 90), Advised::Fetch(None));
    let mut host = reread(&with("/retry_at", future));
    assert_eq!(host.key("b", 89), Advised::NoSuchKey(90));
    assert_eq!(host.key("b", 90), Advised::Fetch(None));
    let mut host = reread(&with("/failures", json!(u32::MAX)));
    assert_eq!(host.any(630), fetch_with(&["a"]));
    host.fail(630);
    assert_eq!(host.any(630), wait_with(660, &["a"]));

    // A stricter policy holds at once.
    let strict = JwksPolicy::default().with_longest_age(Duration::from_secs(100));
    let cache = JwksCache::from_json(&host.cache.to_json(), JWKS_URI, strict).unwrap();
    let mut host = Host { cache, tickets: Vec::new() };
    assert_eq!(host.any(630), Advised::Wait(660, Some(vec!["a".to_owned()])));
}

#[test]
fn private_members_of_a_document_are_not_stored() {
    let mut leaked = jwk("a");
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        leaked[member] = json!("c2VjcmV0");
    }
    let oct = json!({"kty": "oct", "kid": "o", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U"});
    let body = json!({"keys": [leaked, oct]}).to_string();
    let host = Host::with_keys(JwksPolicy::default(), &HttpResponse::new(200).with_body(body));
    assert!(!host.cache.to_json().contains("c2VjcmV0"));
    assert!(!format!("{:?}", host.cache).contains("c2VjcmV0"));
}

#[test]
fn an_old_reader_refuses_what_it_does_not_know() {
    let text = host().cache.to_json();
    let refused = |text: &str| read(text).map(drop).unwrap_err();
    assert_eq!(refused(&with("/version", json!(2))), JwksStateError::Version);
    assert_eq!(refused(&with("/jwks_uri", json!("https://b.example"))), JwksStateError::OtherDocument);
    let malformed = [
        String::new(),
        text.replace("saved_at", "saved_by"),
        text.replace(r#""failures":1"#, r#""failures":1,"failures":1"#),
        text.replace(r#""failures":1"#, r#""failures":1,"more":1"#),
        text.replace(r#""ticket":2"#, r#""ticket":2,"more":1"#),
        format!("{text}{}", " ".repeat(JwksCache::MAX_STATE_BYTES)),
        with("/failures", json!(-1)),
        with("/held/document", json!("{}")),
        with("/held/document", json!({"keys": []})),
        with("/unknown_keys/0/digest", json!("AAAA")),
        with("/unknown_keys/0/digest", json!("=")),
        with("/unknown_keys", json!(vec![json!({"digest": "A".repeat(43), "until": 1}); 65])),
        // No answer could follow these.
        with("/held/ticket", json!(4)),
        with("/tickets", json!(u64::MAX)),
    ];
    for text in malformed {
        assert_eq!(refused(&text), JwksStateError::Malformed, "{text}");
    }
}

#[test]
fn the_largest_set_is_stored_or_left_out_and_never_refused() {
    let longest = JwkSet::MAX_BYTES - issuer::document(&[""]).len();
    // Quotes are what grows most by being written twice; `use` and `alg` make the last one too long.
    let key_ids = ["\"".repeat(longest / 2 - 20), "k".repeat(longest - 40), "k".repeat(longest)];
    let kept = key_ids.map(|key_id| {
        let host = Host::with_keys(JwksPolicy::default(), &response(&[&key_id]));
        reread(&host.cache.to_json()).any(0) == ready(&[&key_id])
    });
    assert_eq!(kept, [true, true, false]);
}
