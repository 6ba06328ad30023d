//! ST-19: no public type prints what is secret in it.

use core::fmt::Debug;

use grantry_core::form::{self, Form, Known};
use grantry_core::{
    ClientId, CodeChallenge, CodeVerifier, Headers, HttpRequest, HttpResponse, Issuer, Moment, Scope,
    SecretBytes, SecretString, UnixTime, base64url, json,
};

/// Stands in every secret below, and nowhere else.
const SECRET: &str = "hunter2hunter2hunter2hunter2hunter2hunter2-~";

fn assert_silent(values: &[&dyn Debug]) {
    for value in values {
        for text in [format!("{value:?}"), format!("{value:#?}")] {
            assert!(!text.contains("hunter2"), "{text}");
            // The bytes of the secret as a list of numbers: 104, 117, 110.
            assert!(!text.replace([' ', '\n'], "").contains("104,117,110"), "{text}");
        }
    }
}

#[test]
fn no_value_prints_its_secret() {
    let seed: [u8; 32] = SECRET.as_bytes()[..32].try_into().unwrap();
    let mut headers = Headers::new();
    headers.append("Authorization", SECRET);
    let body = form::encode([("code", SECRET), ("other", SECRET)]);
    let request = HttpRequest::form(format!("https://as.example/token?code={SECRET}"), body.as_str())
        .with_header("Cookie", SECRET);
    assert_silent(&[
        &SecretString::from(SECRET),
        &SecretBytes::from(SECRET.as_bytes().to_vec()),
        &Moment::new(UnixTime::from_secs(1), seed),
        &CodeVerifier::parse(SECRET).unwrap(),
        &CodeVerifier::parse(SECRET).unwrap().challenge(),
        &Form::parse(body.as_bytes(), &Known { once: &["code"], many: &[] }).unwrap(),
        &form::decode_component(SECRET).unwrap(),
        &headers,
        &request,
        &HttpResponse::new(303).with_header("Location", SECRET).with_body(SECRET),
        &HttpResponse::json(200, &SECRET),
    ]);
}

#[test]
fn no_error_prints_what_it_refused() {
    let known = Known { once: &["code"], many: &[] };
    let refused = format!("\u{1}{SECRET}");
    let repeated = format!("code={SECRET}&code={SECRET}");
    assert_silent(&[
        &Form::parse(form::encode([("code", refused.as_str())]).as_bytes(), &known).unwrap_err(),
        &Form::parse(repeated.as_bytes(), &known).unwrap_err(),
        &form::decode_component(&format!("{SECRET}%")).unwrap_err(),
        &json::from_slice::<u8>(format!("\"{SECRET}\"").as_bytes(), 999).unwrap_err(),
        &json::from_slice::<u8>(format!("{{\"{SECRET}\":1,\"{SECRET}\":1}}").as_bytes(), 999).unwrap_err(),
        &base64url::decode(SECRET).unwrap_err(),
        &CodeVerifier::parse(&refused).unwrap_err(),
        &CodeChallenge::parse(refused.as_str()).unwrap_err(),
        &ClientId::parse(refused.as_str()).unwrap_err(),
        &Issuer::parse(refused.as_str()).unwrap_err(),
        &Scope::parse(&refused).unwrap_err(),
    ]);
}
