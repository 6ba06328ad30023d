//! From and to the types of the `http` crate.
#![cfg(feature = "http")]

use grantry_core::{Headers, HttpRequest, HttpResponse};

#[test]
fn a_request_keeps_its_parts() {
    let request = http::Request::builder()
        .method("POST")
        .uri("/token?a=b%20c")
        .header("Authorization", "Basic YTpi")
        .header("X", "1")
        .header("X", "2")
        .body("code=a")
        .unwrap();
    let request = HttpRequest::from(request);
    assert_eq!((request.method.as_str(), request.query()), ("POST", "a=b%20c"));
    assert_eq!(request.headers.all("x").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(request.body, b"code=a");

    let back = http::Request::try_from(request.clone()).unwrap();
    assert_eq!(back.headers().get_all("x").iter().count(), 2);
    assert!(HttpRequest::from(back) == request);
}

#[test]
fn a_response_keeps_its_parts() {
    let response = HttpResponse::json(401, &"no").with_header("WWW-Authenticate", "Bearer");
    let sent = http::Response::try_from(response.clone()).unwrap();
    assert_eq!((sent.status().as_u16(), sent.body().as_slice()), (401, b"\"no\"".as_slice()));
    let received = HttpResponse::from(sent);
    assert_eq!(received.headers.only("www-authenticate"), Some("Bearer"));
    assert_eq!((received.status, received.body), (response.status, response.body));
}

#[test]
fn an_absolute_target_keeps_its_path_and_query() {
    let request = http::Request::builder().uri("https://as.example/a?b=c").body(Vec::new()).unwrap();
    let request = HttpRequest::from(request);
    assert_eq!(request.target, "https://as.example/a?b=c");
    assert_eq!((request.path(), request.query()), ("/a", "b=c"));
}

#[test]
fn rfc9110_5_5_a_value_that_is_not_utf8_is_marked_and_never_cut() {
    let mut map = http::HeaderMap::new();
    map.append("authorization", http::HeaderValue::from_bytes(b"Bearer abc\xff").unwrap());
    assert_eq!(Headers::from(&map).only("Authorization"), Some("Bearer abc\u{fffd}"));
}

#[test]
fn rfc9110_5_5_no_line_break_is_sent_inside_a_field() {
    for value in ["a\r\nSet-Cookie: b", "a\nb", "a\u{0}"] {
        let request = HttpRequest::new("GET", "/").with_header("X", value);
        assert!(http::Request::try_from(request).is_err(), "{value:?}");
        let response = HttpResponse::new(200).with_header("X", value);
        assert!(http::Response::try_from(response).is_err(), "{value:?}");
    }
    assert!(http::Request::try_from(HttpRequest::new("GET", "/").with_header("a b", "c")).is_err());
    assert!(http::Request::try_from(HttpRequest::new("G T", "/")).is_err());
    assert!(http::Response::try_from(HttpResponse::new(99)).is_err());
}

#[test]
fn credentials_do_not_show_in_the_debug_of_the_http_types() {
    let request = HttpRequest::new("GET", "/")
        .with_header("authorization", "Bearer hunter2")
        .with_header("Cookie", "id=hunter2")
        .with_header("Proxy-Authorization", "Basic hunter2")
        .with_header("Accept", "text/plain");
    let request = http::Request::try_from(request).unwrap();
    let response = HttpResponse::new(303)
        .with_header("Set-Cookie", "id=hunter2")
        .with_header("Location", "https://app.example/cb?code=hunter2");
    let response = http::Response::try_from(response).unwrap();
    let shown = format!("{:?} {:?}", request.headers(), response.headers());
    assert!(!shown.contains("hunter2") && shown.contains("text/plain"), "{shown}");
}
