//! The name of an authorization server.

use alloc::{string::String, sync::Arc};
use core::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use url::{Host, Url};

/// An issuer identifier: an `https` URL without query, fragment and user
/// ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
///
/// It keeps the text it was made from, and compares by it, byte for byte
/// ([RFC 9207 section 2.4](https://www.rfc-editor.org/rfc/rfc9207#section-2.4)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Issuer(Arc<str>);

impl Issuer {
    /// The longest issuer accepted, in bytes.
    pub const MAX_BYTES: usize = 2048;

    /// Checks an issuer identifier.
    ///
    /// # Errors
    ///
    /// [`IssuerError`] names the first rule that the text breaks.
    pub fn parse(text: impl Into<String>) -> Result<Self, IssuerError> {
        let text = text.into();
        if is_plain(&text) {
            return Ok(Self(text.into()));
        }
        match check(&text)?.scheme() {
            "https" => Ok(Self(text.into())),
            _ => Err(IssuerError::NotHttps),
        }
    }

    /// Checks an issuer identifier that may also be `http` on this machine's loopback interface,
    /// for development and tests.
    ///
    /// # Errors
    ///
    /// As [`Issuer::parse`]; `http` on any other host is [`IssuerError::NotHttps`].
    pub fn danger_loopback_http(text: impl Into<String>) -> Result<Self, IssuerError> {
        let text = text.into();
        if is_plain(&text) {
            return Ok(Self(text.into()));
        }
        let url = check(&text)?;
        match url.scheme() {
            "https" => Ok(Self(text.into())),
            "http" if is_loopback(&url) => Ok(Self(text.into())),
            _ => Err(IssuerError::NotHttps),
        }
    }

    /// Returns the issuer as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Issuer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Issuer {
    type Err = IssuerError;

    /// As [`Issuer::parse`]: `https` only.
    fn from_str(text: &str) -> Result<Self, IssuerError> {
        Self::parse(text)
    }
}

/// Tells whether a text is one of those that [`check`] finds good without a doubt, as most issuers are: `https`, a
/// host of lower-case letters, digits and single hyphens whose last label begins with a letter, and a path of
/// unreserved characters. Every record that is read names its issuer, and the URL parser would take a third of that.
fn is_plain(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://") else { return false };
    let rest = rest.as_bytes();
    let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
    let Some((host, path)) = rest.split_at_checked(end) else { return false };
    // A last label that is a number makes the host an address.
    let last = host.rsplit(|byte| *byte == b'.').next();
    text.len() <= MAX_PLAIN_BYTES
        && host.split(|byte| *byte == b'.').all(is_plain_label)
        && last.and_then(<[u8]>::first).is_some_and(u8::is_ascii_lowercase)
        && path.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(byte))
}

// RFC 5891 section 4.2.3.1: what has two hyphens may be another alphabet's.
fn is_plain_label(label: &[u8]) -> bool {
    let mut before = b'-';
    let is_plain = label.iter().all(|byte| {
        let is_after = core::mem::replace(&mut before, *byte);
        matches!(byte, b'a'..=b'z' | b'0'..=b'9') || (*byte == b'-' && is_after != b'-')
    });
    is_plain && before != b'-'
}

/// The most that the name of a host has.
const MAX_PLAIN_BYTES: usize = 253;

fn check(text: &str) -> Result<Url, IssuerError> {
    if text.len() > Issuer::MAX_BYTES {
        return Err(IssuerError::TooLong);
    }
    // The URL parser drops tabs, newlines and spaces around; an identifier has none to drop.
    if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(IssuerError::NotAUrl);
    }
    let url = Url::parse(text).map_err(|_| IssuerError::NotAUrl)?;
    if url.host_str().is_none_or(str::is_empty) || !has_authority(text, url.scheme()) {
        return Err(IssuerError::NotAUrl);
    }
    if text.contains(['?', '#']) {
        return Err(IssuerError::QueryOrFragment);
    }
    // The parser forgets a user without a name, so the text is asked.
    if text.split('/').nth(2).is_some_and(|authority| authority.contains('@')) {
        return Err(IssuerError::User);
    }
    Ok(url)
}

// RFC 3986 section 3. The URL parser also reads `https:as.example` and `https:\\as.example`; other
// parsers see no host, or another one.
fn has_authority(text: &str, scheme: &str) -> bool {
    let authority = text.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://"));
    authority.is_some_and(|rest| !rest.starts_with('/')) && !text.contains('\\')
}

/// Tells whether a URL's host is this machine: a loopback IP literal, or `localhost`
/// ([RFC 8252 section 7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3)).
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Why a text is not an issuer identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// Longer than [`Issuer::MAX_BYTES`].
    #[error("the issuer is longer than 2048 bytes")]
    TooLong,
    /// Not an absolute URL, written with a lower-case scheme, `://` and a host.
    #[error("the issuer is not an absolute URL with a host")]
    NotAUrl,
    /// The scheme is not `https`.
    #[error("the issuer is not an https URL (RFC 8414 section 2)")]
    NotHttps,
    /// It has a query or a fragment.
    #[error("the issuer has a query or a fragment (RFC 8414 section 2)")]
    QueryOrFragment,
    /// It has a user name or a password.
    #[error("the issuer has a user name or password")]
    User,
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec::Vec};

    use super::*;

    #[test]
    fn rfc8414_2_issuer_is_https_without_query_and_fragment() {
        assert_eq!(Issuer::parse("https://as.example/a").map(|i| i.0).as_deref(), Ok("https://as.example/a"));
        let cases = [
            ("http://as.example", IssuerError::NotHttps),
            ("http://127.0.0.1", IssuerError::NotHttps),
            ("https://as.example?", IssuerError::QueryOrFragment),
            ("https://as.example#", IssuerError::QueryOrFragment),
            ("https://u@as.example", IssuerError::User),
            ("https://@as.example", IssuerError::User),
            ("https://:@as.example/a", IssuerError::User),
            ("https:as.example", IssuerError::NotAUrl),
            ("https:/as.example", IssuerError::NotAUrl),
            ("https:///as.example", IssuerError::NotAUrl),
            ("https:\\\\as.example", IssuerError::NotAUrl),
            ("https://as.example\\@evil.example", IssuerError::NotAUrl),
            ("HTTPS://as.example", IssuerError::NotAUrl),
            ("as.example", IssuerError::NotAUrl),
            ("https://as.example/\n", IssuerError::NotAUrl),
            ("urn:as", IssuerError::NotAUrl),
        ];
        for (text, error) in cases {
            assert_eq!(Issuer::parse(text), Err(error), "{text}");
            assert_eq!(text.parse::<Issuer>(), Err(error), "{text}");
        }
    }

    /// The short way finds nothing good that the URL parser does not.
    #[test]
    fn a_plain_issuer_is_one_that_is_checked() {
        let plain = [
            "https://as.example",
            "https://a",
            "https://a-1.9.x/p/~q_.-/",
            "https://localhost/",
            "https://1.a2",
        ];
        for text in plain {
            assert!(is_plain(text), "{text}");
        }
        let characters =
            ["", "a", "9", "-", ".", "/", ":", "@", "?", "#", "%", "\\", "x", "n", "0", "A", "\u{e9}", "["];
        let mut texts: Vec<String> = plain.iter().map(|text| (*text).into()).collect();
        for first in characters {
            for second in characters {
                for third in characters {
                    for fourth in characters {
                        texts.push(format!("https://{first}{second}{third}{fourth}"));
                        texts.push(format!("https://a{first}{second}.{third}/{fourth}"));
                        texts.push(format!("{first}https:{second}/{third}/a{fourth}"));
                    }
                }
            }
        }
        texts.extend(
            ["https://xn--a", "https://a.xn--a", "https://a--b", "https://1.2.3.4", "https://a.0x1"]
                .map(String::from),
        );
        texts.push(format!("https://{}", "a".repeat(Issuer::MAX_BYTES)));
        let mut taken = 0;
        for text in texts.iter().filter(|text| is_plain(text)) {
            assert_eq!(check(text).map(|url| url.scheme() == "https"), Ok(true), "{text}");
            taken += 1;
        }
        assert!(taken > 1000);
    }

    #[test]
    fn http_is_for_loopback_and_only_when_asked() {
        for text in ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:8080"] {
            assert!(Issuer::danger_loopback_http(text).is_ok(), "{text}");
        }
        for text in
            ["http://as.example", "http://127.0.0.1.evil.example", "http://10.0.0.1", "ftp://127.0.0.1"]
        {
            assert_eq!(Issuer::danger_loopback_http(text), Err(IssuerError::NotHttps), "{text}");
        }
    }
}
