//! Redirect URIs: what may be registered, and what matches.

use alloc::{string::String, vec::Vec};

use grantry_core::form::{Form, Known};
use grantry_core::is_loopback;
use url::Url;

/// What kind of application a client is
/// ([OpenID Connect Registration section 2](https://openid.net/specs/openid-connect-registration-1_0.html#ClientMetadata), `application_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApplicationType {
    /// It runs on a server or in a browser.
    Web,
    /// It is installed on a device ([RFC 8252](https://www.rfc-editor.org/rfc/rfc8252)).
    Native,
}

/// A registered redirect URI. It compares byte for byte
/// ([RFC 9700 section 4.1.3](https://www.rfc-editor.org/rfc/rfc9700#section-4.1.3)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri(String);

impl RedirectUri {
    /// The longest redirect URI accepted, in bytes.
    pub const MAX_BYTES: usize = 2048;

    /// Checks a redirect URI for registration.
    ///
    /// Accepted are `https` URLs, `http` URLs on a loopback interface, and for native applications
    /// private-use schemes with a dot in their name
    /// ([RFC 8252 section 7.1](https://www.rfc-editor.org/rfc/rfc8252#section-7.1)).
    ///
    /// # Errors
    ///
    /// [`RedirectUriError`] names the first rule that the text breaks.
    pub fn register(text: impl Into<String>, application: ApplicationType) -> Result<Self, RedirectUriError> {
        let text = text.into();
        if text.len() > Self::MAX_BYTES {
            return Err(RedirectUriError::TooLong);
        }
        // The URL parser reads a backslash as a slash, and other parsers do not.
        if text.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
            return Err(RedirectUriError::Character);
        }
        // RFC 6749 section 3.1.2: an absolute URI without a fragment.
        let url = Url::parse(&text).map_err(|_| RedirectUriError::NotAbsolute)?;
        if text.contains('#') {
            return Err(RedirectUriError::Fragment);
        }
        match url.scheme() {
            "https" => check_authority(&text, &url)?,
            "http" if is_loopback(&url) => check_authority(&text, &url)?,
            "http" => return Err(RedirectUriError::PlainHttp),
            scheme if application == ApplicationType::Native => check_private_use(&text, scheme)?,
            _ => return Err(RedirectUriError::Scheme),
        }
        check_query(&url)?;
        Ok(Self(text))
    }

    /// Returns the URI as it was registered.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether a request may use `requested` for this registered URI.
    pub(crate) fn matches(&self, requested: &str, application: ApplicationType) -> bool {
        if self.0 == requested {
            return true;
        }
        // RFC 8252 section 7.3: any port on the loopback IP literal, for native applications.
        application == ApplicationType::Native
            && without_loopback_port(&self.0)
                .is_some_and(|registered| without_loopback_port(requested) == Some(registered))
    }
}

/// Splits the port out of a URI on a loopback IP literal; what is left compares byte for byte.
fn without_loopback_port(uri: &str) -> Option<(&'static str, &str)> {
    let (host, rest) = ["http://127.0.0.1", "http://[::1]"]
        .iter()
        .find_map(|host| uri.strip_prefix(host).map(|rest| (*host, rest)))?;
    let Some(after_colon) = rest.strip_prefix(':') else {
        return (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest));
    };
    let digits = after_colon.bytes().take_while(u8::is_ascii_digit).count();
    let (port, rest) = after_colon.split_at_checked(digits)?;
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    (is_port && (rest.is_empty() || rest.starts_with(['/', '?']))).then_some((host, rest))
}

// RFC 3986 section 3.2. The URL parser mends "https:host", "https:///host", "https://exam%70le" and
// "https://2130706433"; what is registered needs no mending.
fn check_authority(text: &str, url: &Url) -> Result<(), RedirectUriError> {
    let rest = text.strip_prefix(url.scheme()).and_then(|rest| rest.strip_prefix("://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?']).next()).ok_or(RedirectUriError::Host)?;
    if authority.contains('@') {
        return Err(RedirectUriError::User);
    }
    let host = url.host_str().filter(|host| !host.is_empty() && !host.contains('*'));
    let host = host.ok_or(RedirectUriError::Host)?;
    let (named, port) = authority.split_at_checked(host.len()).ok_or(RedirectUriError::Host)?;
    let is_port = |port: &str| port.strip_prefix(':').is_some_and(|digits| digits.parse::<u16>().is_ok());
    if !named.eq_ignore_ascii_case(host) || !(port.is_empty() || is_port(port)) {
        return Err(RedirectUriError::Host);
    }
    Ok(())
}

// RFC 8252 section 7.1: a reverse domain name as the scheme, then a path.
fn check_private_use(text: &str, scheme: &str) -> Result<(), RedirectUriError> {
    let labels: Vec<&str> = scheme.split('.').collect();
    let rest = text.strip_prefix(scheme).and_then(|rest| rest.strip_prefix(":/"));
    if labels.len() < 2 || labels.contains(&"") || rest.is_none() {
        return Err(RedirectUriError::Scheme);
    }
    let authority =
        rest.and_then(|rest| rest.strip_prefix('/')).and_then(|rest| rest.split(['/', '?']).next());
    if authority.is_some_and(|authority| authority.contains('@')) {
        return Err(RedirectUriError::User);
    }
    Ok(())
}

/// A response appends its parameters to the query, and no name may stand twice then
/// ([RFC 6749 section 3.1](https://www.rfc-editor.org/rfc/rfc6749#section-3.1)).
fn check_query(url: &Url) -> Result<(), RedirectUriError> {
    const RESPONSE: Known =
        Known { once: &["code", "state", "iss", "error", "error_description", "error_uri"], many: &[] };
    let query = url.query().unwrap_or_default();
    Form::parse(query.as_bytes(), &RESPONSE).map_err(|_| RedirectUriError::Query)?;
    // A form leaves out names without a value; those clash as well.
    if url.query_pairs().any(|(name, _)| RESPONSE.once.contains(&&*name)) {
        return Err(RedirectUriError::Query);
    }
    Ok(())
}

/// Why a redirect URI cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectUriError {
    /// Longer than [`RedirectUri::MAX_BYTES`].
    #[error("the redirect URI is longer than 2048 bytes")]
    TooLong,
    /// White space, a backslash, a control character or a character outside ASCII.
    #[error("the redirect URI has a character that no URI has (RFC 3986 section 2)")]
    Character,
    /// Not an absolute URI.
    #[error("the redirect URI is not absolute (RFC 6749 section 3.1.2)")]
    NotAbsolute,
    /// It has a fragment.
    #[error("the redirect URI has a fragment (RFC 6749 section 3.1.2)")]
    Fragment,
    /// `http` on a host that is not this machine.
    #[error("plain http is for loopback redirects (RFC 9700 section 2.6)")]
    PlainHttp,
    /// A scheme that may not be used.
    #[error("the scheme of the redirect URI is not allowed (RFC 8252 section 7.1)")]
    Scheme,
    /// A user name or password.
    #[error("the redirect URI has a user name or password")]
    User,
    /// No host, or a wildcard.
    #[error("the redirect URI has no plain host (RFC 9700 section 4.1.3)")]
    Host,
    /// The query has a name that the response uses, or is malformed.
    #[error("the query of the redirect URI clashes with the response (RFC 6749 section 3.1)")]
    Query,
}
