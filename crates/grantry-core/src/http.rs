//! HTTP messages as plain values, for any HTTP stack to send or to hand in.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;

use serde::Serialize;

use crate::json::ObjectWriter;

/// Header fields in order; names compare without regard to case
/// ([RFC 9110 section 5.1](https://www.rfc-editor.org/rfc/rfc9110#section-5.1)).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Cow<'static, str>, Cow<'static, str>)>);

impl Headers {
    /// Makes an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Makes a list of fields that are always the same.
    fn of(fields: &[(&'static str, &'static str)]) -> Self {
        Self(fields.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value))).collect())
    }

    /// Adds a field behind the others. A name that is written in the program is not copied; any other is a `String`.
    pub fn append(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        self.0.push((name.into(), Cow::Owned(value.into())));
    }

    /// Returns every value of a field, in order, with the white space around it dropped
    /// ([RFC 9110 section 5.5](https://www.rfc-editor.org/rfc/rfc9110#section-5.5)).
    pub fn all<'a, 'b>(&'a self, name: &'b str) -> impl Iterator<Item = &'a str> + use<'a, 'b> {
        self.iter()
            .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim_matches([' ', '\t']))
    }

    /// Returns the value of a field that stands once; `None` when it is absent or repeated.
    #[must_use]
    pub fn only(&self, name: &str) -> Option<&str> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Returns names and values in order, as they were given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl fmt::Debug for Headers {
    /// Shows the names: values can be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// A request: one that a client sends, or one that a server received.
///
/// The target is the absolute URL when it is to be sent, and path and query as they stood on the
/// request line when it was received
/// ([RFC 9112 section 3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2)).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpRequest {
    /// The method, in upper case.
    pub method: String,
    /// The absolute URL, or path and query.
    pub target: String,
    /// The header fields.
    pub headers: Headers,
    /// The body, decoded from any transfer coding.
    pub body: Vec<u8>,
}

impl HttpRequest {
    /// Makes a request without headers and body.
    #[must_use]
    pub fn new(method: impl Into<String>, target: impl Into<String>) -> Self {
        Self { method: method.into(), target: target.into(), headers: Headers::new(), body: Vec::new() }
    }

    /// Adds a header field.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Makes a POST request with a form as its body.
    #[must_use]
    pub fn form(target: impl Into<String>, form: impl Into<String>) -> Self {
        let headers = Headers::of(&FORM_FOR_JSON);
        Self { headers, ..Self::new("POST", target) }.with_body(form.into())
    }

    /// Returns the path of the target, without scheme, authority, query and fragment: also of the
    /// absolute targets of HTTP/2 and of proxies
    /// ([RFC 9112 section 3.2](https://www.rfc-editor.org/rfc/rfc9112#section-3.2)).
    #[must_use]
    pub fn path(&self) -> &str {
        let target = self.target.split(['?', '#']).next().unwrap_or("");
        if target.starts_with('/') {
            return target;
        }
        // A path may hold `://` too, but then a slash stands before it.
        let Some((_, rest)) = target.split_once("://").filter(|(scheme, _)| !scheme.contains('/')) else {
            return target;
        };
        // RFC 9110 section 4.2.3: an empty path is the path `/`.
        rest.find('/').and_then(|start| rest.get(start..)).unwrap_or("/")
    }

    /// Returns the query of the target, without its question mark; empty when there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        let target = self.target.split('#').next().unwrap_or("");
        target.split_once('?').map_or("", |(_, query)| query)
    }
}

impl fmt::Debug for HttpRequest {
    /// Shows neither query nor header values nor body: each can hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("target", &self.target.split(['?', '#']).next())
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// A response: one that a server sends, or one that a client received.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: Headers,
    /// The body, decoded from any transfer coding.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// Makes a response without headers and body.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        Self { status, headers: Headers::new(), body: Vec::new() }
    }

    /// Makes a JSON response that no cache keeps
    /// ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).
    #[must_use]
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        let Ok(body) = serde_json::to_vec(value) else {
            return Self::new(500).with_header("Cache-Control", "no-store");
        };
        Self { status, headers: Headers::of(&NEVER_CACHED_JSON), body }
    }

    /// Makes a JSON response that no cache keeps from an object of texts and numbers.
    #[must_use]
    pub fn json_object(status: u16, object: ObjectWriter) -> Self {
        Self { status, headers: Headers::of(&NEVER_CACHED_JSON), body: object.finish() }
    }

    /// Adds a header field.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

const FORM_FOR_JSON: [(&str, &str); 2] =
    [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")];

/// RFC 6749 section 5.1
const NEVER_CACHED_JSON: [(&str, &str); 3] =
    [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache")];

impl fmt::Debug for HttpResponse {
    /// Shows neither header values nor body: each can hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// From and to the types of the `http` crate. A header value that is not UTF-8 becomes one that no
/// check accepts: U+FFFD stands for what is not text.
#[cfg(feature = "http")]
mod convert {
    use alloc::{borrow::Cow, string::ToString, vec::Vec};

    use super::{Headers, HttpRequest, HttpResponse, String};

    /// What holds credentials, a code among them: the `http` types print the rest.
    const SENSITIVE: &[&str] = &["authorization", "cookie", "set-cookie", "location", "proxy-authorization"];

    fn header_map(headers: &Headers) -> Result<http::HeaderMap, http::Error> {
        let mut map = http::HeaderMap::new();
        for (name, value) in headers.iter() {
            let name = http::HeaderName::from_bytes(name.as_bytes())?;
            let mut value = http::HeaderValue::from_str(value)?;
            value.set_sensitive(SENSITIVE.contains(&name.as_str()));
            map.try_append(name, value)?;
        }
        Ok(map)
    }

    impl From<&http::HeaderMap> for Headers {
        fn from(map: &http::HeaderMap) -> Self {
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let fields =
                map.iter().map(|(name, value)| (Cow::Owned(name.to_string()), Cow::Owned(text(value))));
            Self(fields.collect())
        }
    }

    impl<B: Into<Vec<u8>>> From<http::Request<B>> for HttpRequest {
        fn from(request: http::Request<B>) -> Self {
            let (parts, body) = request.into_parts();
            Self {
                method: parts.method.to_string(),
                target: parts.uri.to_string(),
                headers: Headers::from(&parts.headers),
                body: body.into(),
            }
        }
    }

    impl TryFrom<HttpRequest> for http::Request<Vec<u8>> {
        type Error = http::Error;

        fn try_from(request: HttpRequest) -> Result<Self, http::Error> {
            let headers = header_map(&request.headers)?;
            let builder =
                http::Request::builder().method(request.method.as_str()).uri(request.target.as_str());
            let mut converted = builder.body(request.body)?;
            *converted.headers_mut() = headers;
            Ok(converted)
        }
    }

    impl<B: Into<Vec<u8>>> From<http::Response<B>> for HttpResponse {
        fn from(response: http::Response<B>) -> Self {
            let (parts, body) = response.into_parts();
            Self { status: parts.status.as_u16(), headers: Headers::from(&parts.headers), body: body.into() }
        }
    }

    impl TryFrom<HttpResponse> for http::Response<Vec<u8>> {
        type Error = http::Error;

        fn try_from(response: HttpResponse) -> Result<Self, http::Error> {
            let headers = header_map(&response.headers)?;
            let mut converted = http::Response::builder().status(response.status).body(response.body)?;
            *converted.headers_mut() = headers;
            Ok(converted)
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn debug_shows_no_query_header_value_or_body() {
        let request = HttpRequest::form("https://as.example/token?code=secret-1#secret-2", "code=secret-3")
            .with_header("Authorization", "Basic secret-4");
        let response =
            HttpResponse::new(303).with_header("Location", "/?code=secret-5").with_body("secret-6");
        assert!(!format!("{request:?} {response:?}").contains("secret"));
    }

    #[test]
    fn a_repeated_field_is_never_the_only_one() {
        let request =
            HttpRequest::new("GET", "/").with_header("A", " x ").with_header("b", "1").with_header("B", "2");
        assert_eq!(request.headers.only("a"), Some("x"));
        assert_eq!(request.headers.only("b"), None);
        assert_eq!(request.headers.only("c"), None);
    }

    #[test]
    fn the_query_ends_at_the_fragment() {
        assert_eq!(HttpRequest::new("GET", "/a?b=c?d#e").query(), "b=c?d");
        assert_eq!(HttpRequest::new("GET", "/a#x?b").query(), "");
    }

    #[test]
    fn rfc9112_3_2_every_form_of_a_target_has_its_path() {
        let cases = [
            ("/a?b", "/a", "b"),
            ("/a?b=c?d#e", "/a", "b=c?d"),
            ("https://as.example/token?x#y", "/token", "x"),
            ("https://as.example", "/", ""),
            ("https://as.example?x", "/", "x"),
            ("https://as.example/?x=https://app.example/cb", "/", "x=https://app.example/cb"),
            ("/to/https://app.example/cb", "/to/https://app.example/cb", ""),
            ("//as.example/a", "//as.example/a", ""),
            ("*", "*", ""),
            ("", "", ""),
        ];
        for (target, path, query) in cases {
            let request = HttpRequest::new("GET", target);
            assert_eq!((request.path(), request.query()), (path, query), "{target}");
        }
    }
}
