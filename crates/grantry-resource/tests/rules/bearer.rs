//! The vectors of `bearer.json`, and where a token may stand.

use crate::common::{NOW, bearer, guard, need};
use grantry_core::form::FormError;
use grantry_core::{ErrorCode, HttpRequest, SecretString};
use grantry_jwt::VerifyError;
use grantry_resource::{Guard, Reason, Rejection};
use proptest::prelude::*;
use serde_json::Value;

type Found = Result<SecretString, Rejection>;

fn reason(found: &Found) -> Reason {
    found.as_ref().unwrap_err().reason()
}

fn find(guard: &Guard, request: &HttpRequest) -> Found {
    guard.bearer_token(request)
}

fn run(vector: &Value) -> Found {
    let text = |name: &str| vector[name].as_str().unwrap();
    let guard = if vector["config"]["allow_body"] == true { guard().allow_form_body() } else { guard() };
    let guard = if vector["config"]["allow_query"] == true { guard.danger_allow_query() } else { guard };
    let request =
        HttpRequest::new(text("method"), format!("/photos?{}", text("query"))).with_body(text("body"));
    let request = vector["headers"].as_array().unwrap().iter().fold(request, |request, pair| {
        request.with_header(pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap())
    });
    let request = match vector["content_type"].as_str() {
        Some(media_type) => request.with_header("Content-Type", media_type),
        None => request,
    };
    find(&guard, &request)
}

fn is_none(found: &Found) -> bool {
    found.as_ref().is_err_and(|rejection| rejection.status() == 401 && rejection.error_code().is_none())
}

fn is_token(found: &Found, vector: &Value) -> bool {
    found.as_ref().is_ok_and(|token| token.matches(vector["token"].as_str().unwrap()))
}

fn is_error(found: &Found, vector: &Value) -> bool {
    let Err(rejection) = found else { return false };
    let listed = |name: &str, value: Value| vector[name].as_array().is_none_or(|list| list.contains(&value));
    let code = rejection.error_code();
    code.is_some_and(|code| listed("error", code.as_str().into()))
        && listed("status", rejection.status().into())
}

#[test]
fn vectors() {
    let file: Value = serde_json::from_str(include_str!("../../../../tests/vectors/bearer.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    for vector in vectors {
        let found = run(vector);
        let as_expected = match vector["outcome"].as_str().unwrap() {
            "token" => is_token(&found, vector),
            "none" => is_none(&found),
            "error" => is_error(&found, vector),
            "error_or_none" => is_error(&found, vector) || is_none(&found),
            "token_or_error" => is_error(&found, vector) || is_token(&found, vector),
            other => unreachable!("{other}"),
        };
        assert!(as_expected, "{}: {found:?}", vector["id"]);
    }
    assert_eq!(vectors.len(), 21);
}

#[test]
fn rfc6750_2_1_the_grammar_of_the_field_is_exact() {
    for value in [
        "Bearer",
        "Bearer ",
        "bearer\tabc",
        "Bearer \tabc",
        "Bearer\tabc def",
        "Bearer\t abc",
        "Bearer abc def",
        "Bearer abc,def",
    ] {
        let request = HttpRequest::new("GET", "/").with_header("authorization", value);
        assert_eq!(reason(&find(&guard(), &request)), Reason::MalformedCredentials, "{value:?}");
    }
    for token in ["=", "=abc", "ab=c", "a\u{e9}", "a\u{fffd}", "a\"b", "a%20b", "a\u{0}", "<b>", "a:b"] {
        assert_eq!(reason(&find(&guard(), &bearer(token))), Reason::MalformedCredentials, "{token:?}");
    }
    assert!(find(&guard(), &bearer("   abc==")).unwrap().matches("abc=="));
}

#[test]
fn rfc6750_3_1_another_scheme_is_no_credentials() {
    for value in ["", "Basic YTpi", "Bearerx abc", "Bearerabc", "DPoP abc", "Basic a, Bearer abc", "\u{e9} a"]
    {
        let request = HttpRequest::new("GET", "/").with_header("Authorization", value);
        assert_eq!(reason(&find(&guard(), &request)), Reason::NoCredentials, "{value:?}");
    }
}

#[test]
fn rfc9110_5_3_two_authorization_fields_are_refused() {
    for first in ["Bearer abc", "Basic YTpi"] {
        let request = HttpRequest::new("GET", "/").with_header("Authorization", first);
        let request = request.with_header("AUTHORIZATION", "Bearer abc");
        assert_eq!(reason(&find(&guard(), &request)), Reason::SeveralAuthorizationFields);
    }
}

#[test]
fn rfc6750_2_2_a_form_body_counts_only_when_allowed_and_meant() {
    let form = HttpRequest::form("/photos", "p=q&access_token=abc");
    assert_eq!(reason(&find(&guard(), &form)), Reason::NoCredentials);
    let open = guard().allow_form_body();
    assert!(find(&open, &form).unwrap().matches("abc"));
    for method in ["GET", "HEAD", "DELETE", "post"] {
        let mut request = form.clone();
        request.method = method.into();
        assert_eq!(reason(&find(&open, &request)), Reason::NoCredentials, "{method}");
    }
    for (body, error) in [
        ("access_token=a&access_token=b", FormError::Repeated("access_token")),
        ("access_token=%zz", FormError::Escape),
        ("access_token=%0a", FormError::ControlCharacter("access_token")),
    ] {
        assert_eq!(reason(&find(&open, &HttpRequest::form("/", body))), Reason::Form(error), "{body}");
    }
    assert_eq!(reason(&find(&open, &HttpRequest::form("/", "access_token="))), Reason::NoCredentials);
    assert_eq!(
        reason(&find(&open, &HttpRequest::form("/", "access_token=a+b"))),
        Reason::MalformedCredentials
    );
}

#[test]
fn rfc6750_2_3_the_query_counts_only_when_allowed() {
    let request = HttpRequest::new("GET", "/photos?access_token=abc");
    assert_eq!(reason(&find(&guard(), &request)), Reason::NoCredentials);
    assert_eq!(reason(&find(&guard().allow_form_body(), &request)), Reason::NoCredentials);
    assert!(find(&guard().danger_allow_query(), &request).unwrap().matches("abc"));
    // A query that nobody reads may hold anything.
    let broken = HttpRequest::new("GET", "/?access_token=%zz").with_header("Authorization", "Bearer abc");
    assert!(find(&guard(), &broken).is_ok());
}

#[test]
fn rfc6750_2_one_way_for_each_request() {
    let open = guard().allow_form_body().danger_allow_query();
    let form = HttpRequest::form("/photos", "access_token=abc");
    let query = HttpRequest::new("GET", "/photos?access_token=abc");
    let both = HttpRequest::form("/photos?access_token=abc", "access_token=abc");
    for request in [form.with_header("Authorization", "Bearer abc"), both] {
        assert_eq!(reason(&find(&open, &request)), Reason::SeveralMethods);
    }
    assert_eq!(
        reason(&find(&open, &query.with_header("Authorization", "Bearer abc"))),
        Reason::SeveralMethods
    );
}

#[test]
fn the_length_of_a_token_is_limited() {
    let longest = "a".repeat(grantry_jwt::MAX_TOKEN_BYTES);
    assert!(find(&guard(), &bearer(&longest)).is_ok());
    let found = find(&guard(), &bearer(&(longest + "a")));
    assert_eq!(reason(&found), Reason::Token(VerifyError::TooLong));
    assert_eq!(found.unwrap_err().error_code(), Some(ErrorCode::InvalidToken));
}

proptest! {
    #[test]
    fn a_token_is_found_as_it_was_sent(token in "[A-Za-z0-9._~+/-]{1,40}={0,2}", scheme in "(?i)bearer") {
        let request = HttpRequest::new("GET", "/").with_header("Authorization", format!("{scheme} {token}"));
        prop_assert!(find(&guard(), &request).unwrap().matches(&token));
    }

    #[test]
    fn any_request_gets_an_answer_on_one_line(
        method in "GET|POST|\\PC{0,4}",
        target in any::<String>(),
        headers in prop::collection::vec(
            ("(?i)authorization|content-type|\\PC{0,6}", "(Bearer |Basic |application/x-www-form-urlencoded)?\\PC{0,20}"),
            0..4,
        ),
        body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let request = headers.into_iter().fold(HttpRequest::new(method, target), |request, (name, value)| {
            request.with_header(name, value)
        });
        let guard = guard().allow_form_body().danger_allow_query();
        let rejection = guard.check(&request.with_body(body), &need("read"), NOW).unwrap_err();
        let response = rejection.to_response();
        prop_assert!(matches!(response.status, 400 | 401));
        let challenge = response.headers.only("WWW-Authenticate").unwrap();
        prop_assert!(challenge.starts_with("Bearer realm=\"") && challenge.bytes().all(|b| matches!(b, b' '..=b'~')));
    }
}
