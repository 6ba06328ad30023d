//! Signed introspection answers ([RFC 9701](https://www.rfc-editor.org/rfc/rfc9701)).

use core::time::Duration;

use grantry_core::json::JsonError;
use grantry_core::{ErrorCode, HttpResponse, SecretString};
use grantry_jwt::{Claim, JwkSet, VerifyError};
use grantry_resource::{
    Credentials, Introspected, IntrospectionError, Reason, Requirement, SignedIntrospection, Subject,
};
use serde_json::{Value, json};

use crate::common::{API, ISSUER, NOW, guard, hmac, key, need};
use crate::introspection::{client_id, with};

const TYP: &str = "token-introspection+jwt";
const MEDIA_TYPE: &str = "application/token-introspection+jwt";

fn introspection() -> SignedIntrospection {
    with(Credentials::client_secret_basic(client_id(), SecretString::from("s3cret"))).signed()
}

fn members() -> Value {
    json!({"active": true, "iss": ISSUER, "aud": API, "sub": "user-1", "client_id": "app", "scope": "read",
        "token_type": "Bearer", "exp": NOW.as_secs() + 60, "groups": ["staff"]})
}

fn claims(token_introspection: &Value) -> Value {
    json!({"iss": ISSUER, "aud": "photos:api", "iat": NOW.as_secs(), "token_introspection": token_introspection})
}

fn response(media_type: &str, body: impl Into<Vec<u8>>) -> HttpResponse {
    HttpResponse::new(200).with_header("Content-Type", media_type).with_body(body)
}

fn read(response: &HttpResponse) -> Result<Introspected, IntrospectionError> {
    introspection().response(response, &JwkSet::from_keys([key().verifying_key()]), NOW)
}

fn answer(typ: &str, claims: &Value) -> Result<Introspected, IntrospectionError> {
    read(&response(MEDIA_TYPE, key().sign_claims(Some(typ), claims).unwrap()))
}

#[test]
fn rfc9701_4_the_request_asks_for_a_signed_answer() {
    let request = introspection().request(&SecretString::from("abc"));
    assert_eq!(request.headers.only("Accept"), Some(MEDIA_TYPE));
    assert!(request.headers.only("Authorization").unwrap().starts_with("Basic "));
    assert_eq!(request.body, b"token=abc&token_type_hint=access_token");
}

#[test]
fn rfc9701_5_a_signed_answer_becomes_access() {
    let introspected = answer(TYP, &claims(&members())).unwrap();
    let access = guard().accept_introspected(&introspected, &need("read"), NOW).unwrap();
    assert_eq!(access.subject(), &Subject::User("user-1".into()));
    assert_eq!(access.claims::<Value>().unwrap()["groups"], json!(["staff"]));
    assert_eq!(access.claims::<Vec<u8>>(), Err(JsonError::Shape));
    assert!(!answer(TYP, &claims(&json!({"active": false}))).unwrap().is_active());
    assert!(answer("application/token-introspection+jwt", &claims(&members())).is_ok());
}

#[test]
fn rfc9701_5_the_answer_is_of_this_server_for_this_resource_server() {
    let other_key = hmac(9).sign_claims(Some(TYP), &claims(&members())).unwrap();
    assert_eq!(
        read(&response(MEDIA_TYPE, other_key)),
        Err(IntrospectionError::Signed(VerifyError::Signature))
    );
    for (name, value, error) in [
        ("iss", json!("https://b.example"), VerifyError::Issuer),
        ("iss", Value::Null, VerifyError::MalformedClaim(Claim::Issuer)),
        ("aud", json!("other-api"), VerifyError::Audience),
        // What the token is for is not whom the answer is for.
        ("aud", json!(API), VerifyError::Audience),
        ("aud", json!([]), VerifyError::Audience),
        ("exp", json!(NOW.as_secs()), VerifyError::Expired),
        ("nbf", json!(NOW.as_secs() + 1), VerifyError::NotYetValid),
    ] {
        let mut claims = claims(&members());
        claims[name] = value.clone();
        assert_eq!(answer(TYP, &claims), Err(IntrospectionError::Signed(error)), "{name} {value}");
    }
    for (name, claim) in [
        ("iss", Claim::Issuer),
        ("aud", Claim::Audience),
        ("iat", Claim::IssuedAt),
        ("token_introspection", Claim::Other),
    ] {
        let mut claims = claims(&members());
        claims.as_object_mut().unwrap().remove(name);
        let missing = VerifyError::MissingClaim(claim);
        assert_eq!(answer(TYP, &claims), Err(IntrospectionError::Signed(missing)), "{name}");
    }
}

/// RFC 9701 section 8.1: an access token, or any other JWT of the server, is no answer about a token.
#[test]
fn rfc9701_8_1_a_jwt_of_another_kind_is_no_answer() {
    for typ in ["at+jwt", "JWT", "token-introspection", ""] {
        assert_eq!(
            answer(typ, &claims(&members())),
            Err(IntrospectionError::Signed(VerifyError::Typ)),
            "{typ}"
        );
    }
    let untyped = key().sign_claims(None, &claims(&members())).unwrap();
    assert_eq!(read(&response(MEDIA_TYPE, untyped)), Err(IntrospectionError::Signed(VerifyError::Typ)));
    // And the answer is no access token: it has another type.
    let token = key().sign_claims(Some(TYP), &claims(&members())).unwrap();
    let rejection = guard().check(&crate::common::bearer(&token), &Requirement::none(), NOW).unwrap_err();
    assert_eq!(rejection.reason(), Reason::Token(VerifyError::Typ));
}

#[test]
fn rfc9701_5_an_answer_that_is_not_signed_is_none() {
    let token = key().sign_claims(Some(TYP), &claims(&members())).unwrap();
    for (media_type, body) in [
        ("application/json", members().to_string()),
        ("application/json", token.clone()),
        ("application/jwt", token),
    ] {
        assert_eq!(read(&response(media_type, body)), Err(IntrospectionError::ContentType), "{media_type}");
    }
    let unsigned = "eyJhbGciOiJub25lIn0.e30.";
    assert_eq!(
        read(&response(MEDIA_TYPE, unsigned)),
        Err(IntrospectionError::Signed(VerifyError::UnknownAlgorithm))
    );
    assert_eq!(
        read(&response(MEDIA_TYPE, r#"{"active":true}"#)),
        Err(IntrospectionError::Signed(VerifyError::Segments))
    );
    assert_eq!(read(&response(MEDIA_TYPE, [0xff])), Err(IntrospectionError::Json(JsonError::Syntax)));
    // An endpoint that was not asked to sign is not believed when it does: nobody would look at the signature.
    let plain = with(Credentials::client_secret_basic(client_id(), SecretString::from("s")));
    let signed = response(MEDIA_TYPE, key().sign_claims(Some(TYP), &claims(&members())).unwrap());
    assert_eq!(plain.response(&signed), Err(IntrospectionError::ContentType));
}

#[test]
fn rfc7662_2_2_active_is_a_boolean_in_a_signed_answer_too() {
    for members in
        [json!({}), json!({"active": "true"}), json!({"active": 1}), json!({"active": null}), json!([true])]
    {
        let shape = Err(IntrospectionError::Json(JsonError::Shape));
        assert_eq!(answer(TYP, &claims(&members)), shape, "{members}");
    }
    // What stands beside the member says nothing about the token.
    let mut outside = claims(&json!({"active": false}));
    outside["active"] = json!(true);
    assert!(!answer(TYP, &outside).unwrap().is_active());
}

#[test]
fn rfc7662_2_3_a_refusal_of_a_signed_answer_is_plain_json() {
    let refused = HttpResponse::json(401, &json!({"error": "invalid_client"}));
    assert_eq!(read(&refused), Err(IntrospectionError::Refused(ErrorCode::InvalidClient)));
    assert_eq!(read(&HttpResponse::new(500)), Err(IntrospectionError::Status(500)));
}

#[test]
fn an_unknown_key_may_be_cured_by_newer_ones() {
    let token = key().with_key_id("b").sign_claims(Some(TYP), &claims(&members())).unwrap();
    let response = response(MEDIA_TYPE, token);
    let with_keys = |key_id: &str| {
        introspection().response(
            &response,
            &JwkSet::from_keys([key().with_key_id(key_id).verifying_key()]),
            NOW,
        )
    };
    assert_eq!(with_keys("a"), Err(IntrospectionError::Signed(VerifyError::UnknownKey)));
    assert!(with_keys("b").unwrap().is_active());
}

#[test]
fn the_leeway_counts_for_the_answer_itself() {
    let mut claims = claims(&members());
    claims["nbf"] = json!(NOW.as_secs() + 10);
    let response = response(MEDIA_TYPE, key().sign_claims(Some(TYP), &claims).unwrap());
    let keys = JwkSet::from_keys([key().verifying_key()]);
    let at =
        |seconds| introspection().with_leeway(Duration::from_secs(seconds)).response(&response, &keys, NOW);
    assert_eq!(at(9), Err(IntrospectionError::Signed(VerifyError::NotYetValid)));
    assert!(at(10).is_ok());
}
