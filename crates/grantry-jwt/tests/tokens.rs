//! Rules about tokens that no vector holds: limits, time at its ends, the options of a verifier.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use core::time::Duration;

use grantry_core::{SecretBytes, UnixTime, base64url};
use grantry_jwt::{
    Algorithm, Buffer, Claim, JwkSet, MAX_TOKEN_BYTES, SigningKey, Verified, Verifier, VerifyError,
    peek_unverified, verify_jws,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn key() -> SigningKey {
    SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(vec![7; 32])).unwrap().with_key_id("k")
}

fn keys() -> JwkSet {
    JwkSet::from_keys([key().verifying_key()])
}

fn verifier() -> Verifier {
    Verifier::new("https://as.example", "https://api.example")
}

/// Verifies the claims text with `iss` and `aud` in front.
fn verify(
    verifier: &Verifier,
    claims: &str,
    now: u64,
) -> Result<Verified<'static, Map<String, Value>>, VerifyError> {
    let text = format!(r#"{{"iss":"https://as.example","aud":"https://api.example"{claims}}}"#);
    let token = key().sign(Some("JWT"), text.as_bytes()).unwrap();
    verifier.verify(&token, &keys(), UnixTime::from_secs(now))
}

fn refusal(verifier: &Verifier, claims: &str, now: u64) -> VerifyError {
    verify(verifier, claims, now).unwrap_err()
}

#[test]
fn rl_01_a_long_token_is_refused_before_any_work() {
    let long = "a".repeat(1 << 20);
    assert_eq!(peek_unverified(&long), Err(VerifyError::TooLong));
    assert_eq!(verify_jws(&long, &keys(), Algorithm::ALL).unwrap_err(), VerifyError::TooLong);

    // The longest token that is signed is also read.
    let payload = (0..MAX_TOKEN_BYTES).rev().map(|length| vec![b'x'; length]);
    let mut payload = payload.skip_while(|payload| key().sign(None, payload).is_err());
    let token = key().sign(None, &payload.next().unwrap()).unwrap();
    assert!(token.len() > MAX_TOKEN_BYTES - 4, "{}", token.len());
    assert!(verify_jws(&token, &keys(), Algorithm::ALL).is_ok());
    let longer = format!("{token}{}", "A".repeat(MAX_TOKEN_BYTES + 1 - token.len()));
    assert_eq!(verify_jws(&longer, &keys(), Algorithm::ALL).unwrap_err(), VerifyError::TooLong);
}

#[test]
fn rl_02_a_token_of_dots_is_refused_at_once() {
    assert_eq!(peek_unverified(&".".repeat(1_000_000)), Err(VerifyError::TooLong));
    assert_eq!(peek_unverified(&".".repeat(MAX_TOKEN_BYTES)), Err(VerifyError::Segments));
}

#[test]
fn jp_13_a_good_token_with_more_parts_is_no_token() {
    let token =
        key().sign("JWT", br#"{"iss":"https://as.example","aud":"https://api.example","exp":9}"#).unwrap();
    let (keys, now, mut buffer) = (keys(), UnixTime::from_secs(1), Buffer::new());
    let verifier = verifier();
    assert!(verifier.verify_in::<Value>(&token, &keys, now, &mut buffer).is_ok());
    for longer in
        [format!("{token}."), format!("{token}.a.b"), token.replacen('.', ".a.", 1), format!(".{token}")]
    {
        assert_eq!(peek_unverified(&longer), Err(VerifyError::Segments), "{longer}");
        assert_eq!(verify_jws(&longer, &keys, Algorithm::ALL).unwrap_err(), VerifyError::Segments);
        let refusals = [
            verifier.verify::<Value>(&longer, &keys, now).map(drop),
            verifier.verify_in::<Value>(&longer, &keys, now, &mut buffer).map(drop),
            verifier.verify_in::<Value>(&longer, &keys, now, &mut Buffer::new()).map(drop),
        ];
        assert_eq!(refusals, [Err(VerifyError::Segments); 3], "{longer}");
    }
}

#[test]
fn rl_04_deep_nesting_is_an_error_everywhere() {
    let deep = "[".repeat(9_000);
    let header = base64url::encode(format!(r#"{{"alg":"HS256","x":{deep}"#));
    assert_eq!(peek_unverified(&format!("{header}..")), Err(VerifyError::HeaderJson));
    assert_eq!(refusal(&verifier(), &format!(r#","exp":9,"x":{deep}"#), 1), VerifyError::ClaimsJson);
    let document = format!(r#"{{"keys":{}"#, "[".repeat(100_000));
    assert!(JwkSet::parse(document.as_bytes()).is_err());
}

#[test]
fn rfc7519_4_1_4_exp_is_exclusive_and_nbf_inclusive_to_the_fraction() {
    let at = |claims: &str, now: u64| verify(&verifier(), claims, now).map(drop);
    assert_eq!(at(r#","exp":100"#, 99), Ok(()));
    assert_eq!(at(r#","exp":100"#, 100), Err(VerifyError::Expired));
    assert_eq!(at(r#","exp":99.5"#, 99), Ok(()));
    assert_eq!(at(r#","exp":99.5"#, 100), Err(VerifyError::Expired));
    assert_eq!(at(r#","exp":100.0"#, 100), Err(VerifyError::Expired));
    assert_eq!(at(r#","exp":1e2"#, 99), Ok(()));
    assert_eq!(at(r#","exp":900,"nbf":100"#, 100), Ok(()));
    assert_eq!(at(r#","exp":900,"nbf":100"#, 99), Err(VerifyError::NotYetValid));
    assert_eq!(at(r#","exp":900,"nbf":99.5"#, 99), Err(VerifyError::NotYetValid));
    assert_eq!(at(r#","exp":900,"nbf":99.5"#, 100), Ok(()));
}

#[test]
fn rfc7519_4_1_4_leeway_stretches_both_ends_by_whole_seconds() {
    let verifier = verifier().with_leeway(Duration::from_millis(60_900));
    let at = |claims: &str, now: u64| verify(&verifier, claims, now).map(drop);
    assert_eq!(at(r#","exp":100"#, 159), Ok(()));
    assert_eq!(at(r#","exp":100"#, 160), Err(VerifyError::Expired));
    assert_eq!(at(r#","exp":900,"nbf":200"#, 140), Ok(()));
    assert_eq!(at(r#","exp":900,"nbf":200"#, 139), Err(VerifyError::NotYetValid));
}

#[test]
fn rfc7519_4_1_4_leeway_ends_at_ten_minutes() {
    assert_eq!(Verifier::MAX_LEEWAY, Duration::from_secs(600));
    for leeway in [600, 601, 60_000, u64::MAX] {
        let verifier = verifier().with_leeway(Duration::from_secs(leeway));
        let at = |claims: &str, now: u64| verify(&verifier, claims, now).map(drop);
        assert_eq!(at(r#","exp":1000"#, 1599), Ok(()));
        assert_eq!(at(r#","exp":1000"#, 1600), Err(VerifyError::Expired));
        assert_eq!(at(r#","exp":9000,"nbf":2000"#, 1399), Err(VerifyError::NotYetValid));
    }
}

/// With features of `serde_json` that any crate can turn on, these would be a text and a number.
#[test]
fn a_claim_under_a_name_of_the_parsers_own_is_refused() {
    for claims in [
        r#","exp":{"$serde_json::private::Number":"9999999999"}"#,
        r#","exp":9999999999,"x":{"\u0024serde_json::private::RawValue":"1"}"#,
    ] {
        assert_eq!(refusal(&verifier(), claims, 1), VerifyError::ClaimsJson, "{claims}");
    }
}

#[test]
fn rl_20_dates_at_the_ends_never_wrap() {
    for leeway in [Duration::ZERO, Duration::from_secs(60), Duration::MAX] {
        let verifier = verifier().with_leeway(leeway);
        for date in ["18446744073709551615", "1e19", "18446744073709549568.0"] {
            assert!(verify(&verifier, &format!(r#","exp":{date}"#), 1_800_000_000).is_ok(), "{date}");
        }
    }
    let verifier = verifier().with_leeway(Duration::from_secs(60));
    for date in ["-1", "-0.5", "-9223372036854775808", "-1e19", "0", "5e-324"] {
        let error = refusal(&verifier, &format!(r#","exp":{date}"#), 1_800_000_000);
        assert_eq!(error, VerifyError::Expired, "{date}");
    }
    for date in ["18446744073709551615", "9223372036854775807", "1e19"] {
        let error = refusal(&verifier, &format!(r#","exp":1e19,"nbf":{date}"#), 1_800_000_000);
        assert_eq!(error, VerifyError::NotYetValid, "{date}");
    }
    assert_eq!(refusal(&verifier, r#","exp":1e400"#, 1), VerifyError::ClaimsJson);
}

#[test]
fn rl_20_a_date_beyond_64_bits_is_refused() {
    let dates = ["18446744073709551616", "18446744073709551617", "1e20", "1e300", "1.7976931348623157e308"];
    for (name, claim) in [("exp", Claim::Expiration), ("nbf", Claim::NotBefore), ("iat", Claim::IssuedAt)] {
        for date in dates {
            for sign in ["", "-"] {
                let claims = format!(r#","{name}":{sign}{date}"#);
                let claims = if name == "exp" { claims } else { format!(r#","exp":9{claims}"#) };
                assert_eq!(refusal(&verifier(), &claims, 1), VerifyError::MalformedClaim(claim), "{claims}");
            }
        }
    }
}

#[test]
fn cve_2026_25537_a_wrongly_typed_date_is_never_absent() {
    let verifier = verifier().danger_optional_expiration();
    for (name, claim) in [("exp", Claim::Expiration), ("nbf", Claim::NotBefore), ("iat", Claim::IssuedAt)] {
        for value in [r#""100""#, "null", "true", "[]", "{}", "[100]"] {
            let error = refusal(&verifier, &format!(r#","{name}":{value}"#), 1);
            assert_eq!(error, VerifyError::MalformedClaim(claim), "{name} {value}");
        }
    }
}

#[test]
fn rfc7519_4_1_strings_are_strings_also_when_nobody_asks() {
    let any = verifier().danger_any_issuer().danger_any_audience().danger_optional_expiration();
    let verify = |claims: &str| {
        let token = key().sign(None, claims.as_bytes()).unwrap();
        any.verify::<Value>(&token, &keys(), UnixTime::from_secs(1)).map(drop)
    };
    assert_eq!(verify("{}"), Ok(()));
    for (name, claim) in
        [("iss", Claim::Issuer), ("sub", Claim::Subject), ("aud", Claim::Audience), ("jti", Claim::JwtId)]
    {
        for value in ["1", "null", "{}", "[1]", r#"["a",null]"#] {
            let outcome = verify(&format!(r#"{{"{name}":{value}}}"#));
            assert_eq!(outcome, Err(VerifyError::MalformedClaim(claim)), "{name} {value}");
        }
    }
    for payload in ["", "[]", "null", "7", r#""{}""#, r#"["https://as.example"]"#, "{}x", "\u{feff}{}"] {
        assert_eq!(verify(payload), Err(VerifyError::ClaimsJson), "{payload}");
    }
}

#[test]
fn rfc8725_3_8_issuer_and_audience_are_required_unless_the_danger_is_named() {
    let token = |claims: Value| key().sign_claims(None, &claims).unwrap();
    let run = |verifier: &Verifier, claims: Value| {
        verifier.verify::<Value>(&token(claims), &keys(), UnixTime::from_secs(1)).map(drop)
    };
    let bare = json!({"exp": 9});
    assert_eq!(run(&verifier(), bare.clone()), Err(VerifyError::MissingClaim(Claim::Issuer)));
    let any_issuer = verifier().danger_any_issuer();
    assert_eq!(run(&any_issuer, bare.clone()), Err(VerifyError::MissingClaim(Claim::Audience)));
    assert_eq!(run(&any_issuer.danger_any_audience(), bare), Ok(()));

    let second = json!({"iss": "https://two.example", "aud": ["x", "urn:two"], "exp": 9});
    assert_eq!(run(&verifier(), second.clone()), Err(VerifyError::Issuer));
    let two = verifier().danger_also_issuer("https://two.example");
    assert_eq!(run(&two, second.clone()), Err(VerifyError::Audience));
    assert_eq!(run(&two.also_audience("urn:two"), second), Ok(()));
}

#[test]
fn a_required_claim_is_present_and_not_null() {
    let verifier = verifier().require("client_id").require("iat");
    let missing = |claim| VerifyError::MissingClaim(claim);
    assert_eq!(refusal(&verifier, r#","exp":9"#, 1), missing(Claim::Other));
    assert_eq!(refusal(&verifier, r#","exp":9,"client_id":null"#, 1), missing(Claim::Other));
    assert_eq!(refusal(&verifier, r#","exp":9,"client_id":5"#, 1), missing(Claim::IssuedAt));
    assert!(verify(&verifier, r#","exp":9,"client_id":{},"iat":1"#, 1).is_ok());
}

#[test]
fn the_algorithms_of_a_verifier_can_be_narrowed() {
    let verifier = verifier().with_algorithms(&[Algorithm::Rs256]);
    assert_eq!(refusal(&verifier, r#","exp":9"#, 1), VerifyError::AlgorithmNotAllowed);
}

#[test]
fn the_payload_of_verified_claims_is_the_text_that_was_signed() {
    let verified = verify(&verifier(), r#", "exp" : 9,"x":"\u00e9""#, 1).unwrap();
    let text = r#"{"iss":"https://as.example","aud":"https://api.example", "exp" : 9,"x":"\u00e9"}"#;
    assert_eq!((verified.payload(), verified.clone().into_owned().payload()), (text, text));
}

#[test]
fn rfc7519_4_1_verified_claims_are_typed() {
    let claims = r#","exp":9.5,"nbf":1,"iat":1.5,"sub":"user-1","jti":"id-1""#;
    let verified = verify(&verifier(), claims, 2).unwrap();
    let registered = verified.registered();
    assert_eq!(registered.issuer(), Some("https://as.example"));
    assert_eq!(registered.audiences().collect::<Vec<_>>(), ["https://api.example"]);
    assert_eq!(registered.subject(), Some("user-1"));
    assert_eq!(registered.jwt_id(), Some("id-1"));
    assert_eq!(registered.expiration(), Some(UnixTime::from_secs(10)));
    assert_eq!(registered.not_before(), Some(UnixTime::from_secs(1)));
    assert_eq!(registered.issued_at(), Some(UnixTime::from_secs(1)));
    assert_eq!(verified.key_id(), Some("k"));
    assert_eq!(verified.into_claims()["sub"], "user-1");
}

proptest! {
    #[test]
    fn an_arbitrary_text_never_panics_and_never_verifies(text in "\\PC*|[A-Za-z0-9_.-]{0,300}") {
        let _ = peek_unverified(&text);
        prop_assert!(verify_jws(&text, &keys(), Algorithm::ALL).is_err());
        let _ = JwkSet::parse(text.as_bytes());
        prop_assert!(SigningKey::from_jwk(text.as_bytes()).is_err());
        prop_assert!(SigningKey::from_pem(Algorithm::Rs256, &text).is_err());
    }

    #[test]
    fn arbitrary_signed_bytes_never_panic(payload in any::<Vec<u8>>(), header in any::<Vec<u8>>()) {
        let token = key().sign(None, &payload).unwrap();
        prop_assert!(verifier().verify::<Value>(&token, &keys(), UnixTime::from_secs(1)).is_err());
        let _ = peek_unverified(&format!("{}..", base64url::encode(header)));
        prop_assert!(SigningKey::from_der(Algorithm::Rs256, &payload).is_err());
    }

    #[test]
    fn what_is_signed_verifies_byte_for_byte(payload in any::<Vec<u8>>(), typ in "\\PC*") {
        let token = key().sign(Some(typ.as_str()), &payload).unwrap();
        let keys = keys();
        let jws = verify_jws(&token, &keys, Algorithm::ALL).unwrap();
        prop_assert_eq!(jws.payload(), payload);
        prop_assert_eq!(jws.header().typ(), Some(typ.as_str()));
    }

    #[test]
    fn a_changed_byte_is_refused(payload in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), to in 0_u8..128) {
        let token = key().sign(None, &payload).unwrap();
        let mut changed = token.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = to;
        let changed = String::from_utf8(changed).unwrap();
        prop_assume!(changed != token);
        prop_assert!(verify_jws(&changed, &keys(), Algorithm::ALL).is_err());
    }

    #[test]
    fn rl_20_a_whole_date_compares_exactly(date in any::<i64>(), now in any::<u64>()) {
        let outcome = verify(&verifier(), &format!(r#","exp":{date}"#), now);
        let is_ahead = u64::try_from(date).is_ok_and(|date| now < date);
        prop_assert_eq!(outcome.is_ok(), is_ahead);
    }

    #[test]
    fn rl_20_no_double_wraps(date in any::<f64>(), now in 0..u64::MAX) {
        prop_assume!(date.is_finite());
        let outcome = verify(&verifier(), &format!(r#","exp":{date:?}"#), now).map(drop);
        let expected = match date {
            _ if date.abs() >= 18_446_744_073_709_551_616.0 => {
                Err(VerifyError::MalformedClaim(Claim::Expiration))
            }
            _ if (now as f64) < date => Ok(()),
            _ => Err(VerifyError::Expired),
        };
        // Within one unit of the last place the double and the second cannot be told apart.
        prop_assume!((now as f64) != date);
        prop_assert_eq!(outcome, expected);
    }
}
