//! Between axum, reqwest and the plain HTTP values of grantry.

use core::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use grantry::core::form::{self, Form, FormError, Known};
use grantry::core::{HttpRequest, HttpResponse, SecretString};
use maud::Markup;

use crate::narrator::Party;

/// A received request as a value of grantry, its body read within the bound of a form.
pub(crate) struct Received(pub(crate) HttpRequest);

impl<S: Send + Sync> FromRequest<S> for Received {
    type Rejection = StatusCode;

    async fn from_request(request: Request, _: &S) -> Result<Self, StatusCode> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, form::MAX_BYTES).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        Ok(Self(HttpRequest::from(Request::from_parts(parts, body))))
    }
}

impl Received {
    /// Reads a posted form: every name at most once, and declared to be a form.
    pub(crate) fn form(&self, names: &'static [&'static str]) -> Result<Form<'_>, FormError> {
        Form::from_request(&self.0, &Known { once: names, many: &[] })
    }

    /// Reads the query.
    pub(crate) fn query(&self, names: &'static [&'static str]) -> Result<Form<'_>, FormError> {
        Form::parse(self.0.query().as_bytes(), &Known { once: names, many: &[] })
    }

    pub(crate) fn body_text(&self) -> SecretString {
        SecretString::from(String::from_utf8_lossy(&self.0.body).into_owned())
    }
}

/// Sends a response value.
pub(crate) fn send(response: HttpResponse) -> Response {
    axum::http::Response::try_from(response).map_or_else(
        |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        |response| response.map(Body::from),
    )
}

// There is no form-action: browsers would also hold the redirect that follows a form against it, and
// that one goes to the client.
const PAGE_HEADERS: [(header::HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// Sends a page that no cache keeps, no frame shows and no script runs on.
pub(crate) fn page(status: u16, markup: Markup) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, PAGE_HEADERS, markup.into_string()).into_response()
}

/// Sends the browser elsewhere with status 303, so that it never posts a form on.
pub(crate) fn see_other(location: &str) -> Response {
    let redirect = HttpResponse::new(303)
        .with_header("Location", location)
        .with_header("Cache-Control", "no-store")
        .with_header("Referrer-Policy", "no-referrer");
    send(redirect)
}

/// Sends a stylesheet.
pub(crate) fn stylesheet(css: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, css).into_response()
}

/// The HTTP client of a site. It follows no redirect, because its requests carry credentials.
#[derive(Clone)]
pub(crate) struct BackChannel(reqwest::Client);

impl BackChannel {
    /// The longest answer read, in bytes.
    const MAX_BYTES: usize = 512 * 1024;

    pub(crate) fn of(party: Party) -> Result<Self, Unreachable> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(10))
            .user_agent(party.name())
            .no_proxy();
        client.build().map(Self).map_err(|_| Unreachable)
    }

    pub(crate) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Unreachable> {
        let request = axum::http::Request::try_from(request).map_err(|_| Unreachable)?;
        let request = reqwest::Request::try_from(request).map_err(|_| Unreachable)?;
        let mut response = self.0.execute(request).await.map_err(|_| Unreachable)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| Unreachable)? {
            body.extend_from_slice(&chunk);
            if body.len() > Self::MAX_BYTES {
                return Err(Unreachable);
            }
        }
        let mut answer = axum::http::Response::new(body);
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        Ok(HttpResponse::from(answer))
    }
}

/// Another site gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other site gives no answer")]
pub(crate) struct Unreachable;
