//! The options of a verifier: subject, age, lifetime, size, critical headers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use core::time::Duration;

use grantry_core::{SecretBytes, UnixTime, json::JsonError};
use grantry_jwt::{Algorithm, Claim, JwkSet, MAX_TOKEN_BYTES, SigningKey, Verified, Verifier, VerifyError};
use ring::hmac;
use serde::de::IgnoredAny;
use serde_json::Value;

const SECRET: [u8; 32] = [7; 32];

fn key() -> SigningKey {
    SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(SECRET.to_vec())).unwrap()
}

fn keys() -> JwkSet {
    JwkSet::from_keys([key().verifying_key()])
}

fn verifier() -> Verifier {
    Verifier::new("i", "a").danger_optional_expiration()
}

fn minute() -> Duration {
    Duration::from_secs(60)
}

fn verify(verifier: &Verifier, claims: &str, now: u64) -> Result<(), VerifyError> {
    let token = key().sign(None, format!(r#"{{"iss":"i","aud":"a"{claims}}}"#).as_bytes()).unwrap();
    verifier.verify::<IgnoredAny>(&token, &keys(), UnixTime::from_secs(now)).map(drop)
}

#[test]
fn rfc7519_4_1_2_a_subject_is_required_and_compared_exactly() {
    let verifier = verifier().with_subject("user-1");
    assert_eq!(verify(&verifier, r#","sub":"user-1""#, 1), Ok(()));
    assert_eq!(verify(&verifier, r#","sub":"\u0075ser-1""#, 1), Ok(()));
    for sub in ["user-2", "User-1", "user-1 ", "", "user"] {
        assert_eq!(verify(&verifier, &format!(r#","sub":"{sub}""#), 1), Err(VerifyError::Subject), "{sub}");
    }
    assert_eq!(verify(&verifier, "", 1), Err(VerifyError::MissingClaim(Claim::Subject)));
    assert_eq!(verify(&verifier, r#","sub":null"#, 1), Err(VerifyError::MalformedClaim(Claim::Subject)));
}

#[test]
fn rfc7519_4_1_6_a_token_is_too_old_after_its_age_and_the_leeway() {
    let strict = verifier().with_max_age(minute());
    assert_eq!(verify(&strict, r#","iat":100"#, 160), Ok(()));
    assert_eq!(verify(&strict, r#","iat":100"#, 161), Err(VerifyError::TooOld));
    assert_eq!(verify(&strict, r#","iat":100.9"#, 161), Err(VerifyError::TooOld));
    assert_eq!(verify(&strict, "", 1), Err(VerifyError::MissingClaim(Claim::IssuedAt)));
    let lenient = strict.with_leeway(Duration::from_secs(5));
    assert_eq!(verify(&lenient, r#","iat":100"#, 165), Ok(()));
    assert_eq!(verify(&lenient, r#","iat":100"#, 166), Err(VerifyError::TooOld));
    // What came from the future would be young until then.
    for date in ["7", "1000", "18446744073709551615"] {
        let outcome = verify(&lenient, &format!(r#","iat":{date}"#), 1);
        assert_eq!(outcome, Err(VerifyError::IssuedInFuture), "{date}");
    }
    assert_eq!(verify(&lenient, r#","iat":6"#, 1), Ok(()));
    assert_eq!(verify(&lenient, r#","iat":-1"#, u64::MAX), Err(VerifyError::TooOld));
    assert_eq!(verify(&verifier().with_max_age(Duration::MAX), r#","iat":0"#, u64::MAX), Ok(()));
}

#[test]
fn rfc7519_4_1_6_a_token_from_the_future_is_refused_on_request() {
    let refusing = verifier().refuse_issued_in_future().with_leeway(Duration::from_secs(5));
    assert_eq!(verify(&verifier(), r#","iat":100"#, 1), Ok(()));
    assert_eq!(verify(&refusing, r#","iat":100"#, 95), Ok(()));
    assert_eq!(verify(&refusing, r#","iat":100"#, 94), Err(VerifyError::IssuedInFuture));
    assert_eq!(verify(&refusing, r#","iat":1e19"#, 94), Err(VerifyError::IssuedInFuture));
    assert_eq!(verify(&refusing, "", 94), Ok(()));
    let aged = refusing.with_max_age(minute());
    assert_eq!(verify(&aged, r#","iat":100"#, 94), Err(VerifyError::IssuedInFuture));
}

#[test]
fn rfc7519_4_1_4_a_lifetime_has_an_end_without_leeway() {
    let verifier = verifier().with_max_lifetime(minute()).with_leeway(minute());
    assert_eq!(verify(&verifier, r#","iat":100,"exp":160"#, 110), Ok(()));
    assert_eq!(verify(&verifier, r#","iat":100,"exp":161"#, 110), Err(VerifyError::LifetimeTooLong));
    assert_eq!(verify(&verifier, r#","iat":100,"exp":160.1"#, 110), Err(VerifyError::LifetimeTooLong));
    assert_eq!(verify(&verifier, r#","iat":150,"exp":160"#, 110), Ok(()));
    // Both together would bound nothing without this.
    let future = r#","iat":99999999990,"exp":99999999999"#;
    assert_eq!(verify(&verifier, future, 110), Err(VerifyError::IssuedInFuture));
    assert_eq!(verify(&verifier, r#","iat":100"#, 110), Err(VerifyError::MissingClaim(Claim::Expiration)));
    assert_eq!(verify(&verifier, r#","exp":160"#, 110), Err(VerifyError::MissingClaim(Claim::IssuedAt)));
    assert_eq!(verify(&verifier, r#","iat":0,"exp":1e19"#, 110), Err(VerifyError::LifetimeTooLong));
}

#[test]
fn rl_01_a_verifier_takes_shorter_tokens_on_request() {
    let token = key().sign(None, br#"{"iss":"i","aud":"a"}"#).unwrap();
    let run = |limit: usize, token: &str| {
        let verifier = verifier().with_max_token_bytes(limit);
        verifier.verify::<IgnoredAny>(token, &keys(), UnixTime::from_secs(1)).map(drop)
    };
    assert_eq!(run(token.len(), &token), Ok(()));
    assert_eq!(run(token.len() - 1, &token), Err(VerifyError::TooLong));
    let long = "a".repeat(MAX_TOKEN_BYTES + 1);
    assert_eq!(run(usize::MAX, &long), Err(VerifyError::TooLong));
}

/// Signs under any header, also one that no verifier takes.
fn signed(header: &str) -> String {
    let encode = |text: &str| grantry_core::base64url::encode(text);
    let input = format!("{}.{}", encode(header), encode(r#"{"iss":"i","aud":"a"}"#));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &SECRET), input.as_bytes());
    format!("{input}.{}", grantry_core::base64url::encode(tag))
}

fn under(verifier: &Verifier, header: &str) -> Result<Verified<'static, IgnoredAny>, VerifyError> {
    verifier.verify(&signed(header), &keys(), UnixTime::from_secs(1))
}

#[test]
fn rfc7515_4_1_11_a_critical_header_is_understood_or_refused() {
    let verifier = verifier().understands_critical("urn:x").understands_critical("y");
    for header in [
        r#"{"alg":"HS256","crit":["urn:x"],"urn:x":{"v":[1]}}"#,
        r#"{"y":null,"alg":"HS256","crit":["y","urn:x"],"urn:x":1}"#,
        r#"{"alg":"HS256","crit":["\u0079"],"y":1}"#,
        r#"{"alg":"HS256","urn:x":1}"#,
    ] {
        assert_eq!(under(&verifier, header).map(drop), Ok(()), "{header}");
    }
    for header in [
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","crit":null}"#,
        r#"{"alg":"HS256","crit":"y","y":1}"#,
        r#"{"alg":"HS256","crit":["y",1],"y":1}"#,
        r#"{"alg":"HS256","crit":["y"]}"#,
        r#"{"alg":"HS256","crit":["y","y"],"y":1}"#,
        r#"{"alg":"HS256","crit":["y","z"],"y":1,"z":1}"#,
        r#"{"alg":"HS256","crit":["z"],"z":1}"#,
        r#"{"alg":"HS256","crit":["Y"],"Y":1}"#,
    ] {
        assert_eq!(under(&verifier, header).unwrap_err(), VerifyError::Critical, "{header}");
    }
    let header = r#"{"alg":"HS256","crit":["y"],"y":1}"#;
    assert_eq!(under(&self::verifier(), header).unwrap_err(), VerifyError::Critical);
}

#[test]
fn rfc7515_4_1_11_a_registered_name_is_never_an_extension() {
    let names = [
        "alg", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "cty", "crit", "enc", "zip",
        "epk", "apu", "apv", "iv", "tag", "p2s", "p2c", "b64",
    ];
    for name in names {
        let verifier = verifier().understands_critical(name);
        let mut header = serde_json::json!({"alg": "HS256", "crit": [name]});
        header.as_object_mut().unwrap().entry(name).or_insert_with(|| "x".into());
        assert_eq!(under(&verifier, &header.to_string()).unwrap_err(), VerifyError::Critical, "{name}");
    }
    let b64 = verifier().understands_critical("b64").understands_critical("y");
    let header = r#"{"alg":"HS256","crit":["y"],"y":1,"b64":true}"#;
    assert_eq!(under(&b64, header).unwrap_err(), VerifyError::UnencodedPayload);
}

#[test]
fn rfc7515_4_1_11_the_caller_reads_what_is_critical() {
    let verifier = verifier().understands_critical("urn:x");
    let verified = under(&verifier, r#"{"alg":"HS256","crit":["urn:x"],"urn:x":{"v":[1]},"y":2}"#).unwrap();
    assert_eq!(verified.critical_member("urn:x"), Ok(Some(serde_json::json!({"v": [1]}))));
    assert_eq!(verified.critical_member::<u8>("urn:x"), Err(JsonError::Shape));
    assert_eq!(verified.critical_member::<Value>("y"), Ok(None));
    assert_eq!(verified.critical_member::<Value>("z"), Ok(None));
    let verified = under(&verifier, r#"{"alg":"HS256","urn:x":1}"#).unwrap();
    assert_eq!(verified.critical_member::<Value>("urn:x"), Ok(None));
}

#[test]
fn a_header_is_read_the_same_in_every_spelling() {
    let long = "k".repeat(1000);
    for (header, typ) in [
        (r#"{"alg":"HS256","typ":"at+jwt"}"#.to_owned(), true),
        (r#" { "typ" : "at+jwt" , "alg" : "HS256" } "#.to_owned(), true),
        (r#"{"typ":"\u0061t+jwt","\u0061lg":"HS\u003256"}"#.to_owned(), true),
        (r#"{"x":[{"y":1}],"typ":"AT+JWT","alg":"HS256","cty":"x"}"#.to_owned(), true),
        (format!(r#"{{"kid":"{long}","alg":"HS256","typ":"application/at+jwt"}}"#), true),
        (r#"{"alg":"HS256"}"#.to_owned(), false),
        (r#"{"alg":"HS256","typ":"at\\u002bjwt"}"#.to_owned(), false),
        (r#"{"alg":"HS256","typ":"at+jwt\t"}"#.to_owned(), false),
    ] {
        let expected = if typ { Ok(()) } else { Err(VerifyError::Typ) };
        assert_eq!(under(&verifier().with_typ("at+jwt"), &header).map(drop), expected, "{header}");
    }
    for header in [
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","typ":"a","typ":"a"}"#,
        r#"{"alg":"HS256",}"#,
        r#"{"alg":"HS256"}}"#,
        r#"{"alg":"HS256"} x"#,
        r#"{"alg":"HS256""typ":"a"}"#,
        r#"{"alg":"HS256","typ":"a\"}"#,
        "{\"alg\":\"HS256\",\"typ\":\"a\tb\"}",
        "{\"alg\":\"HS256\",\"typ\":\"a\0\"}",
        r#"{"alg":"HS256","typ":"a}"#,
        r#"{alg":"HS256"}"#,
    ] {
        assert_eq!(under(&verifier(), header).unwrap_err(), VerifyError::HeaderJson, "{header}");
    }
    let token = signed(r#"{"alg":"HS256"}"#).replacen(
        &grantry_core::base64url::encode(r#"{"alg":"HS256"}"#),
        &grantry_core::base64url::encode(b"{\"alg\":\"HS256\",\"typ\":\"\xff\"}"),
        1,
    );
    let error = verifier().verify::<IgnoredAny>(&token, &keys(), UnixTime::from_secs(1)).unwrap_err();
    assert_eq!(error, VerifyError::HeaderJson);
}
