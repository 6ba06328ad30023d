//! What a request needs: scopes ([RFC 6750 section 3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)) and a
//! login that is strong and young enough ([RFC 9470](https://www.rfc-editor.org/rfc/rfc9470)).

use core::time::Duration;

use grantry_core::{ErrorCode, HttpResponse};
use grantry_jwt::VerifyError;
use grantry_resource::{Access, Reason, Rejection, Requirement};
use serde_json::{Value, json};

use crate::common::{NOW, bearer, guard, need, scope, token, token_with};

fn check(edits: Value, required: &Requirement) -> Result<Access, Rejection> {
    guard().check(&bearer(&token(edits)), required, NOW)
}

fn reason(edits: Value, required: &Requirement) -> Result<(), Reason> {
    check(edits, required).map(drop).map_err(|rejection| rejection.reason())
}

fn challenge(response: &HttpResponse) -> &str {
    response.headers.only("WWW-Authenticate").unwrap()
}

#[test]
fn rfc6750_3_1_one_scope_of_several_will_do() {
    let required = need("photos.read").or_scope(scope("admin x"));
    for (granted, outcome) in [
        ("photos.read", Ok(())),
        ("admin x y", Ok(())),
        ("photos.read admin", Ok(())),
        ("admin", Err(Reason::InsufficientScope)),
        ("x", Err(Reason::InsufficientScope)),
        ("", Err(Reason::InsufficientScope)),
    ] {
        assert_eq!(reason(json!({"scope": granted}), &required), outcome, "{granted}");
    }
    // The challenge names the scope to ask for, not all that would do.
    let response = check(json!({"scope": "x"}), &required).unwrap_err().to_response();
    assert!(challenge(&response).ends_with(r#", scope="photos.read""#), "{}", challenge(&response));
    let one = Requirement::none().or_scope(scope("a"));
    assert_eq!(reason(json!({"scope": ""}), &one), Err(Reason::InsufficientScope));
    assert_eq!(reason(json!({"scope": "a"}), &one), Ok(()));
    assert_eq!(
        reason(json!({"scope": "b"}), &one.or_scope(grantry_core::Scope::empty())),
        Err(Reason::InsufficientScope)
    );
}

#[test]
fn rfc9470_3_a_login_of_another_context_is_refused() {
    let required = need("read").with_acr_values(["gold", "silver"]);
    for (acr, outcome) in [
        (json!("gold"), Ok(())),
        (json!("silver"), Ok(())),
        (json!("bronze"), Err(Reason::WeakAuthentication)),
        (json!("gold silver"), Err(Reason::WeakAuthentication)),
        (json!("Gold"), Err(Reason::WeakAuthentication)),
        (json!(""), Err(Reason::WeakAuthentication)),
        (Value::Null, Err(Reason::WeakAuthentication)),
        (json!(["gold"]), Err(Reason::Token(VerifyError::ClaimsShape))),
    ] {
        assert_eq!(reason(json!({"acr": acr}), &required), outcome, "{acr}");
    }
    assert_eq!(reason(json!({}), &required), Err(Reason::WeakAuthentication));
}

#[test]
fn rfc9470_3_a_login_too_long_ago_is_refused() {
    let required = need("read").with_max_age(Duration::from_secs(300));
    let now = NOW.as_secs();
    for (auth_time, outcome) in [
        (json!(now), Ok(())),
        (json!(now - 300), Ok(())),
        (json!(now - 300 + 1), Ok(())),
        (json!(now - 301), Err(Reason::OldAuthentication)),
        (json!(1_799_999_699.9), Err(Reason::OldAuthentication)),
        (json!(1_799_999_700.9), Ok(())),
        (json!(0), Err(Reason::OldAuthentication)),
        // A login that has not come yet would stay young for ever.
        (json!(now + 1), Err(Reason::OldAuthentication)),
        (json!(u64::MAX), Err(Reason::OldAuthentication)),
        (Value::Null, Err(Reason::OldAuthentication)),
        (json!("1800000000"), Err(Reason::Token(VerifyError::ClaimsShape))),
        (json!(-1), Err(Reason::Token(VerifyError::ClaimsShape))),
        (json!(1e300), Err(Reason::Token(VerifyError::ClaimsShape))),
    ] {
        assert_eq!(reason(json!({"auth_time": auth_time}), &required), outcome, "{auth_time}");
    }
    assert_eq!(reason(json!({}), &required), Err(Reason::OldAuthentication));
    let guard = guard().with_leeway(Duration::from_secs(10));
    let at =
        |auth_time: u64| guard.check(&bearer(&token_with("auth_time", json!(auth_time))), &required, NOW);
    assert_eq!(
        [now - 310, now - 311, now + 10, now + 11].map(|time| at(time).is_ok()),
        [true, false, true, false]
    );
}

/// The printed examples of RFC 9470 section 3.
#[test]
fn rfc9470_3_the_challenge_says_which_login_is_needed() {
    let strong = Requirement::none().with_acr_values(["myACR"]);
    let rejection = check(json!({}), &strong).unwrap_err();
    assert_eq!(
        (rejection.status(), rejection.error_code()),
        (401, Some(ErrorCode::InsufficientUserAuthentication))
    );
    let expected = "Bearer realm=\"https://api.example\", error=\"insufficient_user_authentication\", \
        error_description=\"The request needs a stronger or more recent login\", acr_values=\"myACR\"";
    assert_eq!(challenge(&rejection.to_response()), expected);

    let young = need("read").with_acr_values(["a", "b"]).with_max_age(Duration::from_secs(5));
    let response = check(json!({"acr": "a", "auth_time": 1, "scope": ""}), &young).unwrap_err().to_response();
    let expected = ", scope=\"read\", acr_values=\"a b\", max_age=\"5\"";
    assert!(challenge(&response).ends_with(expected), "{}", challenge(&response));
}

#[test]
fn rfc9470_6_2_an_introspection_answer_tells_of_the_login_too() {
    let body = json!({"active": true, "aud": crate::common::API, "sub": "u", "client_id": "c", "token_type": "Bearer",
        "acr": "gold", "auth_time": NOW.as_secs() - 10});
    let introspected = crate::introspection::read(&body).unwrap();
    let accept = |required: Requirement| {
        guard().accept_introspected(&introspected, &required, NOW).map_err(|rejection| rejection.reason())
    };
    let access = accept(Requirement::none().with_acr_values(["gold"])).unwrap();
    assert_eq!(
        (access.acr(), access.auth_time()),
        (Some("gold"), Some(NOW.saturating_sub(Duration::from_secs(10))))
    );
    assert_eq!(accept(Requirement::none().with_acr_values(["x"])), Err(Reason::WeakAuthentication));
    let age = |seconds| accept(Requirement::none().with_max_age(Duration::from_secs(seconds))).map(drop);
    assert_eq!((age(10), age(9)), (Ok(()), Err(Reason::OldAuthentication)));
}
