//! Tokens of several issuers, for several audiences.

use grantry_core::base64url;
use grantry_jwt::{JwkSet, SigningKey, VerifyError};
use grantry_resource::{Guard, Reason, Requirement, Subject};
use serde_json::{Value, json};

use crate::common::{API, ISSUER, NOW, bearer, claims, guard, hmac, issuer, key, token};

const OTHER: &str = "https://b.example";

fn other_key() -> SigningKey {
    hmac(9)
}

fn both() -> Guard {
    guard().also_issuer(issuer(OTHER), JwkSet::from_keys([other_key().verifying_key()]))
}

fn signed(key: &SigningKey, iss: &Value) -> String {
    let mut claims = claims();
    claims["iss"] = iss.clone();
    key.sign_claims(Some("at+jwt"), &claims).unwrap()
}

fn reason(guard: &Guard, token: &str) -> Reason {
    guard.check(&bearer(token), &Requirement::none(), NOW).unwrap_err().reason()
}

#[test]
fn rfc9068_4_each_issuer_has_its_own_keys() {
    for (key, iss) in [(key(), ISSUER), (other_key(), OTHER)] {
        let access = both().check(&bearer(&signed(&key, &json!(iss))), &Requirement::none(), NOW).unwrap();
        assert_eq!(access.issuer(), &issuer(iss));
        assert_eq!(access.subject(), &Subject::User("user-1".into()));
    }
}

#[test]
fn rfc8725_3_8_a_key_of_one_issuer_never_signs_for_another() {
    for (key, iss) in [(key(), OTHER), (other_key(), ISSUER)] {
        assert_eq!(reason(&both(), &signed(&key, &json!(iss))), Reason::Token(VerifyError::Signature));
    }
    // The same holds when the keys have names.
    let (a, b) = (key().with_key_id("a"), other_key().with_key_id("b"));
    let set = |key: &SigningKey| JwkSet::from_keys([key.verifying_key()]);
    let guard = Guard::new(issuer(ISSUER), API, set(&a)).also_issuer(issuer(OTHER), set(&b));
    assert_eq!(reason(&guard, &signed(&a, &json!(OTHER))), Reason::Token(VerifyError::UnknownKey));
    assert_eq!(reason(&guard, &signed(&b, &json!(ISSUER))), Reason::Token(VerifyError::UnknownKey));
    assert!(guard.check(&bearer(&signed(&b, &json!(OTHER))), &Requirement::none(), NOW).is_ok());
}

#[test]
fn rfc8725_3_8_an_issuer_that_is_not_known_is_refused() {
    for iss in [
        json!("https://c.example"),
        json!("https://b.example/"),
        json!("https://b"),
        json!([OTHER]),
        json!(1),
        json!(""),
        Value::Null,
    ] {
        for key in [key(), other_key()] {
            assert_eq!(reason(&both(), &signed(&key, &iss)), Reason::Token(VerifyError::Issuer), "{iss}");
        }
    }
    assert_eq!(reason(&both(), &token(json!({"iss": null}))), Reason::Token(VerifyError::Issuer));
}

#[test]
fn what_chooses_the_issuer_is_read_as_strictly_as_the_claims() {
    let payload = |text: &str| {
        let token = key().sign_with_header(r#"{"alg":"HS256","typ":"at+jwt"}"#, text.as_bytes()).unwrap();
        reason(&both(), &token)
    };
    let twice = format!(r#"{{"iss":"{OTHER}","iss":"{ISSUER}"}}"#);
    for text in [&twice, "", "{", "1 2"] {
        assert_eq!(payload(text), Reason::Token(VerifyError::ClaimsJson), "{text}");
    }
    for text in ["[]", "\"x\"", "{}"] {
        assert_eq!(payload(text), Reason::Token(VerifyError::Issuer), "{text}");
    }
    let encoded = base64url::encode(claims().to_string());
    for (token, error) in [
        ("abc".to_owned(), VerifyError::Segments),
        (format!("e30.{encoded}"), VerifyError::Segments),
        (format!("e30.{encoded}.x.y"), VerifyError::Segments),
        (format!("e30.{encoded}=.x"), VerifyError::Base64Url),
        ("e30..x".to_owned(), VerifyError::ClaimsJson),
    ] {
        let request = bearer(&token);
        let rejection = both().check(&request, &Requirement::none(), NOW).unwrap_err();
        let malformed = token.contains('=').then_some(Reason::MalformedCredentials);
        assert_eq!(rejection.reason(), malformed.unwrap_or(Reason::Token(error)), "{token}");
    }
}

/// RL-02 and RL-04.
#[test]
fn what_chooses_the_issuer_is_bounded() {
    let deep = base64url::encode("[".repeat(10_000));
    assert_eq!(reason(&both(), &format!("e30.{deep}.x")), Reason::Token(VerifyError::ClaimsJson));
    assert_eq!(reason(&both(), &".".repeat(16_000)), Reason::Token(VerifyError::Segments));
    assert_eq!(reason(&both(), &".".repeat(1_000_000)), Reason::Token(VerifyError::TooLong));
}

#[test]
fn an_issuer_that_is_named_twice_has_its_last_keys() {
    let guard = guard().also_issuer(issuer(ISSUER), JwkSet::from_keys([other_key().verifying_key()]));
    assert_eq!(reason(&guard, &signed(&key(), &json!(ISSUER))), Reason::Token(VerifyError::Signature));
    assert!(guard.check(&bearer(&signed(&other_key(), &json!(ISSUER))), &Requirement::none(), NOW).is_ok());
}

#[test]
fn new_keys_of_one_issuer_leave_those_of_another() {
    let guard = both().with_keys(&issuer(OTHER), JwkSet::from_keys([hmac(1).verifying_key()]));
    let allow = |key: &SigningKey, iss: &str| {
        guard.check(&bearer(&signed(key, &json!(iss))), &Requirement::none(), NOW).is_ok()
    };
    assert_eq!(
        [allow(&key(), ISSUER), allow(&other_key(), OTHER), allow(&hmac(1), OTHER)],
        [true, false, true]
    );
    // A stranger is no issuer of the guard, whatever keys are given for it.
    let guard = both().with_keys(&issuer("https://c.example"), JwkSet::from_keys([hmac(1).verifying_key()]));
    assert_eq!(
        reason(&guard, &signed(&hmac(1), &json!("https://c.example"))),
        Reason::Token(VerifyError::Issuer)
    );
}

/// CL-49.
#[test]
fn rfc7519_4_1_3_each_of_several_audiences_will_do() {
    // The order in which a guard is configured makes no difference.
    let before = guard().also_audience("https://old.example").also_issuer(issuer(OTHER), JwkSet::default());
    let after = both().also_audience("https://old.example");
    for guard in [before, after] {
        let check = |aud: Value| {
            let checked = guard.check(&bearer(&token(json!({"aud": aud}))), &Requirement::none(), NOW);
            checked.map(drop).map_err(|rejection| rejection.reason())
        };
        assert_eq!(check(json!(API)), Ok(()));
        assert_eq!(check(json!("https://old.example")), Ok(()));
        assert_eq!(check(json!(["x", "https://old.example"])), Ok(()));
        assert_eq!(check(json!(["https://old"])), Err(Reason::Token(VerifyError::Audience)));
        assert_eq!(check(json!("")), Err(Reason::Token(VerifyError::Audience)));
    }
    let introspected = |aud: &str| {
        let body = json!({"active": true, "aud": aud, "sub": "u", "client_id": "c", "token_type": "Bearer"});
        let introspected = crate::introspection::read(&body).unwrap();
        let guard = guard().also_audience("https://old.example");
        guard.accept_introspected(&introspected, &Requirement::none(), NOW).map(drop)
    };
    assert!(introspected("https://old.example").is_ok());
    assert_eq!(introspected("https://old").unwrap_err().reason(), Reason::OtherAudience);
}
