//! The URL of an endpoint.

use alloc::string::String;

use grantry_core::Issuer;
use url::Url;

use crate::Provider;

/// Reads the URL of the endpoint with this metadata name.
pub(crate) fn endpoint(issuer: &Issuer, name: &'static str, text: &str) -> Result<Url, ProviderError> {
    // The URL parser drops tabs, newlines and spaces around; an endpoint has none to drop.
    if text.len() > Provider::MAX_ENDPOINT_BYTES || text.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(ProviderError::NotAUrl(name));
    }
    let url = Url::parse(text).map_err(|_| ProviderError::NotAUrl(name))?;
    if !url.has_host() {
        return Err(ProviderError::NotAUrl(name));
    }
    // RFC 6749 sections 3.1 and 3.2: an endpoint has no fragment.
    if url.fragment().is_some() {
        return Err(ProviderError::Fragment(name));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ProviderError::User(name));
    }
    let origin: String = url.origin().ascii_serialization();
    let on_loopback = issuer.as_str().starts_with("http:") && Issuer::danger_loopback_http(origin).is_ok();
    if url.scheme() != "https" && !on_loopback {
        return Err(ProviderError::NotHttps(name));
    }
    Ok(url)
}

/// Why an endpoint of a provider was refused; each variant holds the metadata name of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// Not an absolute URL with a host, or longer than [`Provider::MAX_ENDPOINT_BYTES`].
    #[error("{0} is not an absolute URL of at most 2048 bytes")]
    NotAUrl(&'static str),
    /// The scheme is not `https`.
    #[error("{0} is not an https URL (RFC 6749 sections 3.1 and 3.2)")]
    NotHttps(&'static str),
    /// The URL has a fragment.
    #[error("{0} has a fragment (RFC 6749 sections 3.1 and 3.2)")]
    Fragment(&'static str),
    /// The URL has a user name or a password.
    #[error("{0} has a user name or password")]
    User(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_endpoint(issuer: &Issuer, url: &str) -> Result<Url, ProviderError> {
        endpoint(issuer, "token_endpoint", url)
    }

    #[test]
    fn rfc6749_3_2_endpoints_are_https_without_fragment() {
        let issuer = || Issuer::parse("https://as.example").unwrap();
        assert!(token_endpoint(&issuer(), "https://as.example/token?tenant=1").is_ok());
        let cases = [
            ("http://as.example/token", ProviderError::NotHttps("token_endpoint")),
            ("http://127.0.0.1/token", ProviderError::NotHttps("token_endpoint")),
            ("https://as.example/token#", ProviderError::Fragment("token_endpoint")),
            ("https://u:p@as.example/token", ProviderError::User("token_endpoint")),
            ("/token", ProviderError::NotAUrl("token_endpoint")),
            ("mailto:a@b", ProviderError::NotAUrl("token_endpoint")),
            (" https://as.example/token", ProviderError::NotAUrl("token_endpoint")),
        ];
        for (url, error) in cases {
            assert_eq!(token_endpoint(&issuer(), url), Err(error), "{url}");
        }
    }

    #[test]
    fn http_endpoints_are_for_a_loopback_issuer_on_loopback() {
        let issuer = || Issuer::danger_loopback_http("http://127.0.0.1:1").unwrap();
        assert!(token_endpoint(&issuer(), "http://127.0.0.1:1/token").is_ok());
        assert_eq!(
            token_endpoint(&issuer(), "http://as.example/token"),
            Err(ProviderError::NotHttps("token_endpoint"))
        );
    }
}
