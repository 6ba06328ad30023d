//! The claims are read in one pass into any type, owned or borrowed, and the registered ones with them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

extern crate alloc;

use alloc::{borrow::Cow, collections::BTreeMap};
use core::fmt;

use grantry_core::{SecretBytes, UnixTime, base64url};
use grantry_jwt::{Algorithm, Buffer, Claim, JwkSet, SigningKey, Verifier, VerifyError};
use proptest::prelude::*;
use ring::hmac;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

const CLAIMS: &str =
    r#"{"iss":"https://as.example","aud":"https://api.example","exp":900,"sub":"user-1","n":7}"#;

fn key() -> SigningKey {
    SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(vec![7; 32])).unwrap().with_key_id("k")
}

fn keys() -> JwkSet {
    JwkSet::from_keys([key().verifying_key()])
}

fn verifier() -> Verifier {
    Verifier::new("https://as.example", "https://api.example")
}

fn anyone() -> Verifier {
    verifier().danger_any_issuer().danger_any_audience().danger_optional_expiration()
}

fn now() -> UnixTime {
    UnixTime::from_secs(100)
}

fn token(claims: &str) -> String {
    key().sign(Some("JWT"), claims.as_bytes()).unwrap()
}

/// Reads as an owned type in both ways, which agree.
fn read<T: DeserializeOwned + PartialEq + fmt::Debug>(
    verifier: &Verifier,
    claims: &str,
) -> Result<T, VerifyError> {
    let (token, keys, mut buffer) = (token(claims), keys(), Buffer::new());
    let owned = verifier.verify::<T>(&token, &keys, now());
    let borrowed = verifier.verify_in::<T>(&token, &keys, now(), &mut buffer);
    assert_eq!(owned, borrowed, "{claims}");
    owned.map(|verified| verified.into_claims())
}

#[derive(Debug, Deserialize, PartialEq)]
struct Plain {
    iss: String,
    sub: Option<String>,
    jti: Option<String>,
    exp: u32,
    n: u8,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Newtype(Plain);

#[derive(Debug, Deserialize, PartialEq)]
#[serde(transparent)]
struct Transparent {
    inner: Plain,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Flat {
    iss: String,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Untagged {
    Other { other: u8 },
    Plain(Plain),
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "iss")]
enum Tagged {
    #[serde(rename = "https://as.example")]
    Ours { n: u8 },
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Name(String);

#[derive(Debug, Deserialize, PartialEq)]
enum Audience {
    #[serde(rename = "https://api.example")]
    Api,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Peculiar {
    aud: Audience,
    exp: f64,
    #[serde(rename = "sub")]
    subject: Name,
}

#[test]
fn claims_are_read_into_every_kind_of_type() {
    let plain =
        || Plain { iss: "https://as.example".into(), sub: Some("user-1".into()), jti: None, exp: 900, n: 7 };
    let value: Value = serde_json::from_str(CLAIMS).unwrap();
    let verifier = verifier();
    assert_eq!(read(&verifier, CLAIMS), Ok(plain()));
    assert_eq!(read(&verifier, CLAIMS), Ok(Some(plain())));
    assert_eq!(read(&verifier, CLAIMS), Ok(Box::new(plain())));
    assert_eq!(read(&verifier, CLAIMS), Ok(Newtype(plain())));
    assert_eq!(read(&verifier, CLAIMS), Ok(Transparent { inner: plain() }));
    assert_eq!(read(&verifier, CLAIMS), Ok(Untagged::Plain(plain())));
    assert_eq!(read(&verifier, CLAIMS), Ok(Tagged::Ours { n: 7 }));
    assert_eq!(read(&verifier, CLAIMS), Ok(value.clone()));
    assert_eq!(read::<Map<_, _>>(&verifier, CLAIMS).as_ref(), Ok(value.as_object().unwrap()));
    let named = value.as_object().unwrap().iter().map(|(name, value)| (Name(name.clone()), value.clone()));
    assert_eq!(read(&verifier, CLAIMS), Ok(named.collect::<BTreeMap<_, _>>()));
    let flat: Flat = read(&verifier, CLAIMS).unwrap();
    assert_eq!(
        flat.rest,
        serde_json::from_value(json!({"aud": "https://api.example", "exp": 900, "sub": "user-1", "n": 7}))
            .unwrap()
    );
    let peculiar = Peculiar { aud: Audience::Api, exp: 900.0, subject: Name("user-1".into()) };
    assert_eq!(read(&verifier, CLAIMS), Ok(peculiar));
    assert_eq!(read::<Vec<Value>>(&verifier, CLAIMS), Err(VerifyError::ClaimsShape));
    assert_eq!(read::<u8>(&verifier, CLAIMS), Err(VerifyError::ClaimsShape));
    assert_eq!(read::<()>(&verifier, CLAIMS), Err(VerifyError::ClaimsShape));
}

#[derive(Debug, Deserialize, PartialEq)]
enum Wrapped {
    #[serde(rename = "iss")]
    Issuer(String),
}

#[test]
fn a_type_that_one_pass_cannot_serve_is_read_in_two() {
    let claims = r#"{"iss":"https://as.example"}"#;
    assert_eq!(read(&anyone(), claims), Ok(Wrapped::Issuer("https://as.example".into())));
    assert_eq!(read(&anyone(), r#"{"1":2}"#), Ok(BTreeMap::from([(1_u64, 2)])));
    // The rules hold for it all the same.
    assert_eq!(read::<Wrapped>(&verifier(), claims), Err(VerifyError::MissingClaim(Claim::Audience)));
}

#[derive(Debug, Deserialize, PartialEq)]
struct Borrowed<'a> {
    iss: &'a str,
    #[serde(borrow)]
    sub: Option<&'a str>,
    #[serde(borrow)]
    aud: Vec<&'a str>,
    #[serde(borrow)]
    jti: Cow<'a, str>,
    exp: u64,
}

#[test]
fn borrowed_claims_point_into_the_buffer() {
    let claims =
        r#"{"iss":"https://as.example","sub":"s","aud":["x" , "https://api.example"],"jti":"j","exp":900}"#;
    let (keys, mut buffer) = (keys(), Buffer::new());
    // A buffer serves one token after the other, whatever the last one left.
    for _ in 0..2 {
        verifier().verify_in::<IgnoredAny>(&token(CLAIMS), &keys, now(), &mut buffer).unwrap();
        let token = token(claims);
        let verified = verifier().verify_in::<Borrowed<'_>>(&token, &keys, now(), &mut buffer).unwrap();
        let expected = Borrowed {
            iss: "https://as.example",
            sub: Some("s"),
            aud: vec!["x", "https://api.example"],
            jti: "j".into(),
            exp: 900,
        };
        assert_eq!(verified.claims(), &expected);
        let registered = verified.registered();
        assert_eq!(registered.issuer().unwrap().as_ptr(), verified.claims().iss.as_ptr());
        assert_eq!(registered.audiences().collect::<Vec<_>>(), verified.claims().aud);
        assert_eq!(verified.key_id(), Some("k"));
        let owned = verifier().verify::<IgnoredAny>(&token, &keys, now()).unwrap();
        assert_eq!(owned.registered(), &registered.clone().into_owned());
    }
    assert_eq!(format!("{buffer:?}"), "Buffer");
}

#[test]
fn what_is_kept_outlives_the_next_token() {
    let (keys, mut buffer) = (keys(), Buffer::new());
    let verified = verifier().verify_in::<Plain>(&token(CLAIMS), &keys, now(), &mut buffer).unwrap();
    let kept = verified.into_owned();
    let other = CLAIMS.replace("user-1", "other-user");
    let next = verifier().verify_in::<Plain>(&token(&other), &keys, now(), &mut buffer).unwrap();
    assert_eq!(next.registered().subject(), Some("other-user"));
    assert_eq!(kept, verifier().verify::<Plain>(&token(CLAIMS), &keys, now()).unwrap());
    assert_eq!((kept.registered().subject(), kept.key_id()), (Some("user-1"), Some("k")));
}

#[test]
fn a_buffer_that_keeps_a_header_changes_no_verdict() {
    let sign =
        |key_id: &str, typ: Option<&str>| key().with_key_id(key_id).sign(typ, CLAIMS.as_bytes()).unwrap();
    let set = JwkSet::from_keys([key().verifying_key(), key().with_key_id("other").verifying_key()]);
    let critical = r#"{"alg":"HS256","kid":"k","crit":["x"],"x":1}"#;
    let input = format!("{}.{}", base64url::encode(critical), base64url::encode(CLAIMS));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]), input.as_bytes());
    let critical = format!("{input}.{}", base64url::encode(tag));
    let good = sign("k", Some("JWT"));
    let tokens = [
        good.clone(),
        good.replacen('.', ".x", 1),
        sign("other", Some("at+jwt")),
        sign("k", None),
        sign("gone", Some("JWT")),
        critical.clone(),
        critical.replace("eyJ", "eyI"),
        good.replacen("eyJ", "eyI", 1),
        String::new(),
        "..".into(),
    ];
    let verifiers = [
        verifier(),
        verifier().with_typ("JWT"),
        verifier().understands_critical("x"),
        verifier().with_algorithms(&[]),
    ];
    let mut buffer = Buffer::new();
    for (token, verifier) in
        tokens.iter().flat_map(|token| verifiers.iter().map(move |verifier| (token, verifier)))
    {
        for before in &tokens {
            // Whatever the buffer has seen last, it makes no difference.
            let _ = verifiers
                .iter()
                .map(|other| other.verify_in::<Value>(before, &set, now(), &mut buffer).is_ok())
                .count();
            let kept = verifier.verify_in::<Value>(token, &set, now(), &mut buffer);
            assert_eq!(kept, verifier.verify::<Value>(token, &set, now()), "{token} after {before}");
        }
    }
}

#[test]
fn a_text_with_escapes_is_the_text_it_means() {
    let claims = r#"{"iss":"https:\/\/as.example","s\u0075b":"\ud83d\ude00\"","aud":["a\"b","https://api.example","\u0000"],"jti":"\u00e4","exp":900}"#;
    let verified = verifier().verify::<Value>(&token(claims), &keys(), now()).unwrap();
    let registered = verified.registered();
    assert_eq!(registered.issuer(), Some("https://as.example"));
    assert_eq!(registered.subject(), Some("\u{1f600}\""));
    assert_eq!(registered.jwt_id(), Some("\u{e4}"));
    assert_eq!(registered.audiences().collect::<Vec<_>>(), ["a\"b", "https://api.example", "\0"]);
    assert_eq!(verified.claims(), &serde_json::from_str::<Value>(claims).unwrap());

    let escaped = verifier().verify::<Value>(&token(&CLAIMS.replace('/', r"\/")), &keys(), now()).unwrap();
    let plain = verifier().verify::<Value>(&token(CLAIMS), &keys(), now()).unwrap();
    assert_eq!(escaped, plain);
    assert_eq!(format!("{escaped:?}"), format!("{plain:?}"));
    let other =
        verifier().verify::<Value>(&token(&CLAIMS.replace("user-1", "user-2")), &keys(), now()).unwrap();
    assert_ne!(other.registered(), plain.registered());
}

#[test]
fn rfc7519_4_1_3_an_audience_is_found_in_every_spelling() {
    let audiences = |aud: &str| {
        let verifier = verifier().danger_any_issuer();
        let claims = format!(r#"{{"exp":900,"aud":{aud}}}"#);
        let verified = verifier.verify::<IgnoredAny>(&token(&claims), &keys(), now())?;
        Ok(verified.registered().audiences().map(String::from).collect::<Vec<_>>())
    };
    let api = "https://api.example";
    assert_eq!(audiences(r#""https://api.example""#), Ok(vec![api.into()]));
    assert_eq!(audiences(r#""https:\/\/api.example""#), Ok(vec![api.into()]));
    assert_eq!(audiences(r#"["https://api.example"]"#), Ok(vec![api.into()]));
    assert_eq!(audiences("[ \"\" ,\n\"https://api.example\"]"), Ok(vec![String::new(), api.into()]));
    assert_eq!(audiences(r#"["https:\/\/api.example","x"]"#), Ok(vec![api.into(), "x".into()]));
    assert_eq!(audiences(r#"["x","y","\u007a","https://api.example"]"#).unwrap().len(), 4);
    // A text that only holds the name, and one that comes apart at a quote.
    for aud in [r#""""#, "[]", r#"[""]"#, r#"["x https://api.example"]"#, r#"["x\",\"https://api.example"]"#]
    {
        assert_eq!(audiences(aud), Err(VerifyError::Audience), "{aud}");
    }
    for aud in
        [r#"["https://api.example",1]"#, r#"[["https://api.example"]]"#, r#"[1,"https://api.example"]"#]
    {
        assert_eq!(audiences(aud), Err(VerifyError::MalformedClaim(Claim::Audience)), "{aud}");
    }
}

#[test]
fn the_first_broken_rule_is_told_whatever_the_type() {
    let refusal = |verifier: &Verifier, claims: &str| {
        let error = read::<Plain>(verifier, claims).unwrap_err();
        // The same error for a type that takes everything, but for the shape.
        let value = read::<Value>(verifier, claims).err();
        assert!(value == Some(error) || value.is_none() && error == VerifyError::ClaimsShape, "{claims}");
        error
    };
    for (claims, error) in [
        (r#"{"exp":"x","sub":1,"aud":1}"#, VerifyError::MalformedClaim(Claim::Subject)),
        (r#"{"jti":1,"iat":"1","nbf":[],"exp":null}"#, VerifyError::MalformedClaim(Claim::Expiration)),
        (r#"{"iss":"other","exp":1}"#, VerifyError::Issuer),
        (r#"{"n":"x"}"#, VerifyError::MissingClaim(Claim::Issuer)),
        (r#"{"iss":"https://as.example","aud":"x","n":1}"#, VerifyError::Audience),
        (r#"{"iss":"https://as.example","aud":"https://api.example","exp":1}"#, VerifyError::Expired),
        (r#"{"iss":"https://as.example","aud":"https://api.example","exp":900}"#, VerifyError::ClaimsShape),
        (r#"{"iss":"other","iss":"https://as.example"}"#, VerifyError::ClaimsJson),
        (r#"{"iss":1,"x":{"y":1,"y":1}}"#, VerifyError::ClaimsJson),
        (r#"{"iss":1,"#, VerifyError::ClaimsJson),
    ] {
        assert_eq!(refusal(&verifier(), claims), error, "{claims}");
    }
    let bytes = key().sign(None, b"{\"n\":\"\xff\"}").unwrap();
    assert_eq!(anyone().verify::<Value>(&bytes, &keys(), now()).unwrap_err(), VerifyError::ClaimsJson);
    let mut buffer = Buffer::new();
    let error = anyone().verify_in::<Value>(&bytes, &keys(), now(), &mut buffer).unwrap_err();
    assert_eq!(error, VerifyError::ClaimsJson);
}

#[test]
fn a_required_claim_is_found_however_it_is_written() {
    let verifier = anyone().require("client_id").require("sub").require("client_id");
    let missing = |claims: &str| read::<Value>(&verifier, claims).err();
    assert_eq!(missing(r#"{"client_id":"c","sub":"s"}"#), None);
    assert_eq!(missing("{ \"client_id\"\n\t: 1 ,\"sub\" :\"s\"}"), None);
    assert_eq!(missing(r#"{"client\u005fid":"null","s\u0075b":"s"}"#), None);
    for claims in [
        r#"{"client_id": null,"sub":"s"}"#,
        "{\"client_id\"\r: \nnull,\"sub\":\"s\"}",
        r#"{"client\u005fid":null,"sub":"s"}"#,
        r#"{"x":{"client_id":1},"sub":"s"}"#,
        r#"{"x":"client_id","sub":"s"}"#,
    ] {
        assert_eq!(missing(claims), Some(VerifyError::MissingClaim(Claim::Other)), "{claims}");
    }
    assert_eq!(missing(r#"{"client_id":"c"}"#), Some(VerifyError::MissingClaim(Claim::Subject)));
    let many = (0..70).fold(anyone(), |verifier, number| verifier.require(format!("c{number}")));
    let members: Vec<_> = (0..70).map(|number| format!("\"c{number}\":{number}")).collect();
    assert!(read::<Value>(&many, &format!("{{{}}}", members.join(","))).is_ok());
    let error = read::<Value>(&many, &format!("{{{}}}", members.split_at(69).0.join(","))).unwrap_err();
    assert_eq!(error, VerifyError::MissingClaim(Claim::Other));
}

/// Reads nothing at all.
#[derive(Debug, PartialEq)]
struct Nothing;

impl<'de> Deserialize<'de> for Nothing {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

#[test]
fn a_type_that_looks_away_gets_no_claims_past_the_rules() {
    assert_eq!(read::<Nothing>(&anyone(), r#"{"exp":1}"#), Err(VerifyError::Expired));
    assert_eq!(read::<Nothing>(&anyone(), r#"{"exp":900}"#), Err(VerifyError::ClaimsShape));
}

proptest! {
    #[test]
    fn every_text_of_a_claim_is_read_back(iss in any::<String>(), aud in prop::collection::vec("\\PC{0,3}", 0..4), plain in any::<bool>()) {
        let value = json!({"iss": iss, "sub": iss, "aud": aud, "jti": aud.concat()});
        let text = if plain { value.to_string() } else { value.to_string().replace('a', r"\u0061") };
        let verified = anyone().verify::<Value>(&token(&text.replace(r"\\u0061", r"\\a")), &keys(), now());
        prop_assume!(verified.is_ok());
        let verified = verified.unwrap();
        let registered = verified.registered();
        let texts = |name: &str| verified.claims().get(name).and_then(Value::as_str);
        prop_assert_eq!(registered.issuer(), texts("iss"));
        prop_assert_eq!(registered.subject(), texts("sub"));
        prop_assert_eq!(registered.jwt_id(), texts("jti"));
        let audiences = verified.claims().get("aud").unwrap().as_array().unwrap();
        prop_assert!(registered.audiences().eq(audiences.iter().map(|text| text.as_str().unwrap())));
    }

    #[test]
    fn both_ways_of_reading_give_the_same(payload in "\\{(\"(iss|aud|exp|sub|x)\":(1|\"a\"|null|\\[\"a\"\\]),?){0,4}\\}") {
        let _ = read::<Value>(&anyone(), &payload);
        let _ = read::<BTreeMap<String, String>>(&anyone().require("x"), &payload);
    }
}
