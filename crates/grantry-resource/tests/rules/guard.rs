//! JWT access tokens ([RFC 9068 section 4](https://www.rfc-editor.org/rfc/rfc9068#section-4)) and the
//! answers to bad ones.

use core::time::Duration;

use crate::common::{API, ISSUER, NOW, bearer, claims, guard, issuer, key, need, scope, token_with};
use grantry_core::{HttpRequest, Issuer, SecretBytes, UnixTime};
use grantry_jwt::{Algorithm, Claim, JwkSet, SigningKey, VerifyError};
use grantry_resource::{Access, Guard, Reason, Rejection, Requirement, Subject};
use proptest::prelude::*;
use serde_json::{Value, json};

fn check(token: &str) -> Result<Access, Rejection> {
    guard().check(&bearer(token), &need("read"), NOW)
}

fn reason(token: &str) -> Reason {
    check(token).unwrap_err().reason()
}

/// The vectors of `claims.json` whose profile is `at+jwt`, as whole tokens.
#[test]
fn rfc9068_vectors() {
    let read = |text| serde_json::from_str::<Value>(text).unwrap();
    let keys = read(include_str!("../../../../tests/vectors/jws-sign.json"));
    let keys = keys["vectors"].as_array().unwrap();
    let jwk = keys.iter().map(|vector| &vector["jwk"]).find(|jwk| jwk["kty"] == "RSA").unwrap();
    let key = SigningKey::from_jwk(jwk.to_string().as_bytes()).unwrap();
    let file = read(include_str!("../../../../tests/vectors/claims.json"));
    let mut run = 0;
    for vector in file["vectors"].as_array().unwrap() {
        let config = &vector["config"];
        if config["profile"] != "at+jwt" {
            continue;
        }
        let id = &vector["id"];
        let header = vector["header"].as_str().unwrap();
        let token = key.sign_with_header(header, vector["claims"].as_str().unwrap().as_bytes()).unwrap();
        let guard = Guard::new(
            Issuer::parse(config["issuer"].as_str().unwrap()).unwrap(),
            config["audience"][0].as_str().unwrap(),
            JwkSet::from_keys([key.verifying_key()]),
        )
        .with_leeway(Duration::from_secs(config["leeway"].as_u64().unwrap()));
        let now = UnixTime::from_secs(vector["now"].as_u64().unwrap());
        let outcome =
            guard.check(&bearer(&token), &need("read"), now).map_err(|rejection| rejection.reason());
        let as_expected = match vector["reason"].as_str().unwrap() {
            "ok" => outcome.is_ok(),
            "typ" => outcome == Err(Reason::Token(VerifyError::Typ)),
            "missing" => matches!(outcome, Err(Reason::Token(VerifyError::MissingClaim(_)))),
            "type" => outcome == Err(Reason::Token(VerifyError::ClaimsShape)),
            other => unreachable!("{id}: {other}"),
        };
        assert!(as_expected, "{id}: {outcome:?}");
        run += 1;
    }
    assert_eq!(run, 10);
}

#[test]
fn rfc9068_4_a_good_token_gives_access() {
    let access = check(&token_with("aud", json!(["https://other.example", API]))).unwrap();
    assert_eq!(access.subject(), &Subject::User("user-1".into()));
    assert_eq!(access.client_id().as_str(), "app");
    assert_eq!(access.scope(), &scope("read photos"));
    assert_eq!(access.expires_at(), Some(UnixTime::from_secs(1_800_000_600)));
    assert_eq!(access.token_id(), Some("id-1"));
}

#[test]
fn rfc9068_2_2_every_required_claim_is_required() {
    for (name, claim) in [
        ("iss", Claim::Issuer),
        ("aud", Claim::Audience),
        ("exp", Claim::Expiration),
        ("sub", Claim::Subject),
        ("client_id", Claim::Other),
        ("iat", Claim::IssuedAt),
        ("jti", Claim::JwtId),
    ] {
        let missing = VerifyError::MissingClaim(claim);
        assert_eq!(reason(&token_with(name, Value::Null)), Reason::Token(missing), "{name}");
    }
    assert_eq!(
        reason(&token_with("sub", json!(""))),
        Reason::Token(VerifyError::MalformedClaim(Claim::Subject))
    );
    for (name, value) in [
        ("client_id", json!("")),
        ("client_id", json!(["app"])),
        ("scope", json!(["read"])),
        ("scope", json!("a  b")),
    ] {
        assert_eq!(reason(&token_with(name, value)), Reason::Token(VerifyError::ClaimsShape), "{name}");
    }
}

#[test]
fn rfc9068_4_issuer_audience_time_and_signature_are_checked() {
    let other_key = SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(vec![8; 32])).unwrap();
    let cases = [
        (token_with("iss", json!("https://as.example/")), VerifyError::Issuer),
        (token_with("iss", json!("https://evil.example")), VerifyError::Issuer),
        (token_with("aud", json!("https://api.example.evil.example")), VerifyError::Audience),
        (token_with("aud", json!([])), VerifyError::Audience),
        (token_with("aud", json!("app")), VerifyError::Audience),
        (token_with("exp", json!(NOW.as_secs())), VerifyError::Expired),
        (token_with("nbf", json!(NOW.as_secs() + 1)), VerifyError::NotYetValid),
        (key().sign_claims(None, &claims()).unwrap(), VerifyError::Typ),
        (key().sign_claims(Some("JWT"), &claims()).unwrap(), VerifyError::Typ),
        (other_key.sign_claims(Some("at+jwt"), &claims()).unwrap(), VerifyError::Signature),
        ("eyJhbGciOiJub25lIn0.e30.".into(), VerifyError::UnknownAlgorithm),
        ("abc".into(), VerifyError::Segments),
    ];
    for (token, error) in cases {
        assert_eq!(reason(&token), Reason::Token(error), "{token}");
    }
}

#[test]
fn leeway_moves_both_ends_and_no_further() {
    let guard = guard().with_leeway(Duration::from_secs(30));
    let at = |name, seconds| {
        guard
            .check(&bearer(&token_with(name, json!(seconds))), &Requirement::none(), NOW)
            .map_err(|r| r.reason())
    };
    assert!(at("exp", NOW.as_secs() - 29).is_ok());
    assert_eq!(at("exp", NOW.as_secs() - 30), Err(Reason::Token(VerifyError::Expired)));
    assert!(at("nbf", NOW.as_secs() + 30).is_ok());
    assert_eq!(at("nbf", NOW.as_secs() + 31), Err(Reason::Token(VerifyError::NotYetValid)));
}

#[test]
fn rfc7519_4_1_4_leeway_ends_at_ten_minutes() {
    let guard = guard().with_leeway(Duration::MAX);
    let ended = |seconds| bearer(&token_with("exp", json!(NOW.as_secs() - seconds)));
    assert!(guard.check(&ended(599), &Requirement::none(), NOW).is_ok());
    let rejection = guard.check(&ended(600), &Requirement::none(), NOW).unwrap_err();
    assert_eq!(rejection.reason(), Reason::Token(VerifyError::Expired));
    assert_eq!(Guard::MAX_LEEWAY, Duration::from_secs(600));
}

/// CL-69.
#[test]
fn rfc6749_3_3_scope_is_compared_by_whole_tokens() {
    for (granted, required) in
        [("readwrite", "read"), ("read", "readwrite"), ("Read", "read"), ("", "read"), ("read", "read write")]
    {
        let token = token_with("scope", json!(granted));
        let rejection = guard().check(&bearer(&token), &need(required), NOW).unwrap_err();
        assert_eq!(rejection.reason(), Reason::InsufficientScope, "{granted:?} {required:?}");
    }
    let without = token_with("scope", Value::Null);
    assert_eq!(reason(&without), Reason::InsufficientScope);
    assert!(guard().check(&bearer(&without), &Requirement::none(), NOW).unwrap().scope().is_empty());
    assert!(guard().check(&bearer(&token_with("scope", json!("b a"))), &need("a b"), NOW).is_ok());
}

/// CL-71.
#[test]
fn rfc9068_5_a_client_with_the_name_of_a_user_is_not_that_user() {
    let mut claims = claims();
    claims["sub"] = json!("admin");
    claims["client_id"] = json!("admin");
    let access = check(&key().sign_claims(Some("at+jwt"), &claims).unwrap()).unwrap();
    assert_ne!(access.subject(), &Subject::User("admin".into()));
    assert_eq!(access.subject(), &Subject::Client(access.client_id().clone()));
}

/// CL-72.
#[test]
fn rfc9449_7_2_a_bound_token_is_not_a_bearer_token() {
    for cnf in [json!({"jkt": "x"}), json!({"x5t#S256": "x"}), json!({}), json!("x"), json!(false)] {
        assert_eq!(reason(&token_with("cnf", cnf)), Reason::SenderConstrained);
    }
    let mut claims = claims();
    claims["cnf"] = Value::Null;
    assert_eq!(reason(&key().sign_claims(Some("at+jwt"), &claims).unwrap()), Reason::SenderConstrained);
}

/// RT-21.
#[test]
fn rfc6750_3_1_a_refresh_token_is_no_access_token() {
    let rejection = check("grantry_rt_AAECAwQFBgcICQoLDA0ODw").unwrap_err();
    assert_eq!(rejection.reason(), Reason::Token(VerifyError::Segments));
    assert_eq!(rejection.status(), 401);
}

#[test]
fn new_keys_take_the_place_of_the_old() {
    let next = SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(vec![9; 32])).unwrap();
    let rotated = guard().with_keys(&issuer(ISSUER), JwkSet::from_keys([next.verifying_key()]));
    let allow = |token: &str| rotated.check(&bearer(token), &Requirement::none(), NOW).is_ok();
    assert!(allow(&next.sign_claims(Some("at+jwt"), &claims()).unwrap()));
    assert!(!allow(&token_with("x", json!(1))));
    assert!(
        guard()
            .with_keys(&issuer(ISSUER), JwkSet::default())
            .check(&bearer(&token_with("x", json!(1))), &Requirement::none(), NOW)
            .is_err()
    );
}

/// BT-34.
#[test]
fn rfc6750_3_1_every_bad_token_gets_the_same_answer() {
    let expected = "Bearer realm=\"https://api.example\", error=\"invalid_token\", \
        error_description=\"The access token is expired, revoked, malformed or not for this resource\"";
    for token in [
        token_with("exp", json!(1)),
        token_with("aud", json!("x")),
        token_with("cnf", json!({})),
        token_with("sub", json!("")),
        "malformed".into(),
        token_with("jti", json!("1")) + "A",
        "a".repeat(20_000),
    ] {
        let response = check(&token).unwrap_err().to_response();
        assert_eq!(response.status, 401);
        assert_eq!(response.headers.only("WWW-Authenticate"), Some(expected));
        assert_eq!(response.headers.only("Cache-Control"), Some("no-store"));
        assert!(response.body.is_empty());
    }
}

/// BT-05 and BT-35.
#[test]
fn rfc6750_3_1_each_fault_has_its_status_and_challenge() {
    let guard = guard().with_realm("photos \"x\"");
    let answer = |request: &HttpRequest, required: &str| {
        let response = guard.check(request, &need(required), NOW).unwrap_err().to_response();
        (response.status, response.headers.only("WWW-Authenticate").unwrap().to_owned())
    };
    let nobody = HttpRequest::new("GET", "/");
    assert_eq!(answer(&nobody, "a"), (401, r#"Bearer realm="photos \"x\"""#.into()));
    let (status, challenge) = answer(&bearer(&token_with("x", json!(1))), "write admin");
    assert_eq!(status, 403);
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.ends_with(", scope=\"admin write\""), "{challenge}");
    let (status, challenge) = answer(&bearer("a b"), "write");
    assert_eq!(status, 400);
    assert!(challenge.contains("error=\"invalid_request\"") && !challenge.contains("scope="), "{challenge}");
}

/// BT-38 and ST-19.
#[test]
fn rfc6750_5_3_no_token_is_ever_printed() {
    let token = token_with("exp", json!(1));
    let rejection = check(&token).unwrap_err();
    let response = rejection.to_response();
    let challenge = response.headers.only("WWW-Authenticate").unwrap();
    let found = guard().bearer_token(&bearer(&token)).unwrap();
    let text = format!(
        "{rejection} {rejection:?} {response:?} {challenge} {found:?} {:?} {:?}",
        guard(),
        bearer(&token)
    );
    assert!(token.split('.').all(|segment| !text.contains(segment)), "{text}");
    // The shared key is 32 bytes of 7.
    assert!(!text.contains("7, 7") && !text.contains("BwcH"), "{text}");
    assert!(text.contains(ISSUER));
}

#[test]
fn a_reason_names_its_rule() {
    assert_eq!(
        check(&token_with("exp", json!(1))).unwrap_err().to_string(),
        "the token is not a good access token: the token has expired (RFC 7519 section 4.1.4)"
    );
}

proptest! {
    #[test]
    fn any_claim_of_any_value_is_read_without_panic(
        name in "iss|aud|sub|client_id|scope|exp|nbf|iat|jti|cnf|x",
        value in prop_oneof![
            Just(json!(null)), any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from), any::<String>().prop_map(Value::from), Just(json!([])), Just(json!({})),
        ],
    ) {
        let mut claims = claims();
        claims[&name] = value;
        let _ = check(&key().sign_claims(Some("at+jwt"), &claims).unwrap());
    }

    #[test]
    fn a_changed_token_is_refused(position in 0_usize..300, byte in "[A-Za-z0-9_.-]") {
        let token = token_with("x", json!("y"));
        let mut changed = token.clone();
        let position = position % token.len();
        changed.replace_range(position..=position, &byte);
        prop_assert_eq!(check(&changed).is_ok(), changed == token);
    }
}
