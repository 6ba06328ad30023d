//! What goes back to the browser.

use alloc::{
    format,
    string::{String, ToString},
};
use core::fmt;

use grantry_core::{Challenge, ErrorCode, HttpResponse, SecretString, form};
use serde::Serialize;

use crate::denial::{Denial, Reason};
use crate::issue::TokenSet;

/// A redirect back to the client.
#[derive(Clone)]
pub struct Redirect {
    url: SecretString,
}

/// Where a redirect goes, and where its parameters stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) state: Option<&'a str>,
    pub(crate) mode: ResponseMode,
}

/// Where the parameters of a response stand
/// ([OAuth 2.0 Multiple Response Types section 2.1](https://openid.net/specs/oauth-v2-multiple-response-types-1_0.html#ResponseModes)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseMode {
    Query,
    /// For tokens, which no server and no referrer may see.
    Fragment,
}

impl ResponseMode {
    // RFC 6749 section 3.1.2: a query of the redirect URI is kept.
    fn separator(self, redirect_uri: &str) -> &'static str {
        match (self, redirect_uri.split_once('?')) {
            (Self::Fragment, _) => "#",
            (Self::Query, None) => "?",
            (Self::Query, Some((_, query))) if query.is_empty() || query.ends_with('&') => "",
            (Self::Query, Some(_)) => "&",
        }
    }
}

impl Redirect {
    /// A successful response, which names the issuer
    /// ([RFC 9207 section 2](https://www.rfc-editor.org/rfc/rfc9207#section-2)).
    pub(crate) fn code(target: Target<'_>, code: &SecretString) -> Self {
        Self::new(target, &[("code", code.expose())])
    }

    /// A response with tokens
    /// ([RFC 6749 section 4.2.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.2.2)).
    pub(crate) fn tokens(target: Target<'_>, tokens: &TokenSet) -> Self {
        let expires_in = tokens.expires_in.to_string();
        let scope = tokens.scope.to_string();
        let mut pairs = alloc::vec::Vec::new();
        if let Some(access_token) = &tokens.access_token {
            pairs.extend([("access_token", access_token.expose()), ("token_type", "Bearer")]);
            pairs.extend([("expires_in", expires_in.as_str()), ("scope", scope.as_str())]);
        }
        pairs.extend(tokens.id_token.as_ref().map(|id_token| ("id_token", id_token.expose())));
        Self::new(target, &pairs)
    }

    /// An error response
    /// ([RFC 6749 section 4.1.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1)).
    pub(crate) fn error(target: Target<'_>, denial: Denial) -> Self {
        let description = denial.reason.to_string();
        Self::new(target, &[("error", denial.code.as_str()), ("error_description", description.as_str())])
    }

    /// The way back after a logout, which repeats the client's `state` and says nothing else
    /// ([RP-Initiated Logout section 3](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RedirectionAfterLogout)).
    pub(crate) fn after_logout(redirect_uri: &str, state: Option<&str>) -> Self {
        let url = match state {
            None => redirect_uri.into(),
            Some(state) => {
                let separator = ResponseMode::Query.separator(redirect_uri);
                format!("{redirect_uri}{separator}{}", form::encode([("state", state)]))
            }
        };
        Self { url: SecretString::from(url) }
    }

    fn new(target: Target<'_>, pairs: &[(&str, &str)]) -> Self {
        let Target { issuer, redirect_uri, state, mode } = target;
        let state = state.map(|state| ("state", state));
        let pairs = pairs.iter().copied().chain(state).chain([("iss", issuer)]);
        let separator = mode.separator(redirect_uri);
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
        let text = format!("This link does not work: {}.\n", self.denial.reason);
        let response = plain_page(self.status(), text);
        if self.status() == 405 { response.with_header("Allow", "GET, POST") } else { response }
    }

    /// Returns the status of the page.
    #[must_use]
    pub const fn status(&self) -> u16 {
        if matches!(self.denial.reason, Reason::NotGetOrPost) { 405 } else { 400 }
    }
}

/// A page of plain text that no cache keeps.
pub(crate) fn plain_page(status: u16, text: impl Into<String>) -> HttpResponse {
    HttpResponse::new(status)
        .with_header("Content-Type", "text/plain; charset=utf-8")
        .with_header("Cache-Control", "no-store")
        .with_header("X-Content-Type-Options", "nosniff")
        .with_body(text.into())
}

impl Denial {
    /// Returns the status of a JSON error answer
    /// ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    #[must_use]
    pub const fn status(self) -> u16 {
        match (self.reason, self.code) {
            (Reason::NotPost, _) => 405,
            // RFC 9126 section 2.3
            (Reason::PushedRequestTooLong, _) => 413,
            (_, ErrorCode::InvalidClient) => 401,
            (_, ErrorCode::ServerError) => 500,
            _ => 400,
        }
    }

    /// Makes the JSON error response of an endpoint that clients call
    /// ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        #[derive(Serialize)]
        struct Wire {
            error: ErrorCode,
            #[serde(skip_serializing_if = "Option::is_none")]
            error_description: Option<String>,
        }
        let error_description = self.is_described().then(|| self.reason.to_string());
        let response = HttpResponse::json(self.status(), &Wire { error: self.code, error_description });
        match self.status() {
            401 => response
                .with_header("WWW-Authenticate", Challenge::new("Basic").with_realm("oauth").to_string()),
            405 => response.with_header("Allow", "POST"),
            _ => response,
        }
    }
}
