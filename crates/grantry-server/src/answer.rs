//! What goes back to the browser.

use core::fmt;

use alloc::{format, string::ToString};

use grantry_core::{ErrorCode, HttpResponse, SecretString, form};

use crate::denial::{Denial, Reason};

/// A redirect back to the client.
#[derive(Clone)]
pub struct Redirect {
    url: SecretString,
}

impl Redirect {
    /// A successful response, which names the issuer
    /// ([RFC 9207 section 2](https://www.rfc-editor.org/rfc/rfc9207#section-2)).
    pub(crate) fn code(issuer: &str, redirect_uri: &str, state: Option<&str>, code: &SecretString) -> Self {
        Self::new(issuer, redirect_uri, state, &[("code", code.expose())])
    }

    /// An error response
    /// ([RFC 6749 section 4.1.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1)).
    pub(crate) fn error(issuer: &str, redirect_uri: &str, state: Option<&str>, denial: Denial) -> Self {
        let description = denial.reason.to_string();
        let pairs = [("error", denial.code.as_str()), ("error_description", description.as_str())];
        Self::new(issuer, redirect_uri, state, &pairs)
    }

    fn new(issuer: &str, redirect_uri: &str, state: Option<&str>, pairs: &[(&str, &str)]) -> Self {
        let state = state.map(|state| ("state", state));
        let iss = ("iss", issuer);
        let pairs = pairs.iter().copied().chain(state).chain([iss]);
        // RFC 6749 section 3.1.2: a query of the redirect URI is kept.
        let separator = match redirect_uri.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        Self { url: SecretString::from(format!("{redirect_uri}{separator}{}", form::encode(pairs))) }
    }

    /// Returns the URL, which may hold a code: it belongs into `Location` and nowhere else.
    #[must_use]
    pub const fn url(&self) -> &SecretString {
        &self.url
    }

    /// Makes the response: status 303, so that a posted form is not posted on
    /// ([RFC 9700 section 4.12](https://www.rfc-editor.org/rfc/rfc9700#section-4.12)), kept by no
    /// cache and told to no referrer.
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        HttpResponse::new(303)
            .with_header("Location", self.url.expose())
            .with_header("Cache-Control", "no-store")
            .with_header("Referrer-Policy", "no-referrer")
    }
}

impl fmt::Debug for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redirect")
    }
}

/// An error that has to be shown to the person, because there is nowhere to redirect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    denial: Denial,
}

impl Page {
    pub(crate) fn new(reason: Reason) -> Self {
        Self { denial: Denial::from(reason) }
    }

    /// Returns what was wrong. Its text names parameters and rules, never what the request said.
    #[must_use]
    pub const fn denial(&self) -> Denial {
        self.denial
    }

    /// Makes a plain page, for a host that has none of its own.
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        let response = HttpResponse::new(self.status())
            .with_header("Content-Type", "text/plain; charset=utf-8")
            .with_header("Cache-Control", "no-store")
            .with_header("X-Content-Type-Options", "nosniff")
            .with_body(format!("This link does not work: {}.\n", self.denial.reason));
        if self.status() == 405 { response.with_header("Allow", "GET, POST") } else { response }
    }

    /// Returns the status of the page.
    #[must_use]
    pub const fn status(&self) -> u16 {
        if matches!(self.denial.reason, Reason::NotGetOrPost) { 405 } else { 400 }
    }
}

impl Denial {
    /// Returns the status of a JSON error answer
    /// ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    #[must_use]
    pub const fn status(self) -> u16 {
        match (self.reason, self.code) {
            (Reason::NotPost, _) => 405,
            (_, ErrorCode::InvalidClient) => 401,
            (_, ErrorCode::ServerError) => 500,
            _ => 400,
        }
    }
}
