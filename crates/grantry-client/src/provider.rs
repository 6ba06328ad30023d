//! What a client knows about the authorization server.

use alloc::string::String;

use grantry_core::Issuer;
use url::Url;

/// The metadata of one provider, as data
/// ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
///
/// Endpoints are `https` URLs. An issuer made by [`Issuer::danger_loopback_http`] may have `http`
/// endpoints on loopback.
#[derive(Clone, Debug)]
pub struct Provider {
    issuer: Issuer,
    authorization_endpoint: Url,
    token_endpoint: Url,
    revocation_endpoint: Option<Url>,
    introspection_endpoint: Option<Url>,
    pushed_authorization_request_endpoint: Option<Url>,
    userinfo_endpoint: Option<Url>,
    end_session_endpoint: Option<Url>,
    jwks_uri: Option<Url>,
    announces_iss: bool,
    lacks_s256: bool,
    requires_push: bool,
}

impl Provider {
    /// The longest endpoint URL accepted, in bytes.
    pub const MAX_ENDPOINT_BYTES: usize = 2048;

    /// Makes a provider from what every one of them has.
    ///
    /// # Errors
    ///
    /// [`ProviderError`] names the endpoint and the rule that it breaks.
    pub fn new(
        issuer: Issuer,
        authorization_endpoint: &str,
        token_endpoint: &str,
    ) -> Result<Self, ProviderError> {
        Ok(Self {
            authorization_endpoint: endpoint(&issuer, "authorization_endpoint", authorization_endpoint)?,
            token_endpoint: endpoint(&issuer, "token_endpoint", token_endpoint)?,
            issuer,
            revocation_endpoint: None,
            introspection_endpoint: None,
            pushed_authorization_request_endpoint: None,
            userinfo_endpoint: None,
            end_session_endpoint: None,
            jwks_uri: None,
            announces_iss: false,
            lacks_s256: false,
            requires_push: false,
        })
    }

    /// Sets the endpoint that revokes tokens
    /// ([RFC 7009 section 2](https://www.rfc-editor.org/rfc/rfc7009#section-2)).
    ///
    /// # Errors
    ///
    /// [`ProviderError`] names the rule that the URL breaks.
    pub fn with_revocation_endpoint(mut self, url: &str) -> Result<Self, ProviderError> {
        self.revocation_endpoint = Some(endpoint(&self.issuer, "revocation_endpoint", url)?);
        Ok(self)
    }

    /// Sets the endpoint that tells about tokens
    /// ([RFC 7662 section 2](https://www.rfc-editor.org/rfc/rfc7662#section-2)).
    ///
    /// # Errors
    ///
    /// [`ProviderError`] names the rule that the URL breaks.
    pub fn with_introspection_endpoint(mut self, url: &str) -> Result<Self, ProviderError> {
        self.introspection_endpoint = Some(endpoint(&self.issuer, "introspection_endpoint", url)?);
        Ok(self)
    }

    /// Sets the endpoint that takes authorization requests behind the browser's back
    /// ([RFC 9126 section 5](https://www.rfc-editor.org/rfc/rfc9126#section-5)).
    ///
    /// # Errors
    ///
    /// [`ProviderError`] names the rule that the URL breaks.
    pub fn with_pushed_authorization_request_endpoint(mut self, url: &str) -> Result<Self, ProviderError> {
        let url = endpoint(&self.issuer, "pushed_authorization_request_endpoint", url)?;
        self.pushed_authorization_request_endpoint = Some(url);
        Ok(self)
    }

    /// Notes that the provider takes pushed authorization requests alone, so that no other is made
    /// ([RFC 9126 section 5](https://www.rfc-editor.org/rfc/rfc9126#section-5)).
    #[must_use]
    pub const fn with_require_pushed_authorization_requests(mut self) -> Self {
        self.requires_push = true;
        self
    }

    /// Sets the endpoint that tells about the person
    /// ([OpenID Connect Core section 5.3](https://openid.net/specs/openid-connect-core-1_0.html#UserInfo)).
    ///
    /// # Errors
    ///
    /// [`ProviderError`] names the rule that the URL breaks.
    pub fn with_userinfo_endpoint(mut self, url: &str) -> Result<Self, ProviderError> {
        self.userinfo_endpoint = Some(endpoint(&self.issuer, "userinfo_endpoint", url)?);
        Ok(self)
    }

    /// Sets the endpoint where the person signs out
    /// ([OpenID Connect RP-Initiated Logout section 2.1](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#OPMetadata)).
    ///
    /// # Errors
    ///
    /// [`ProviderError`] names the rule that the URL breaks.
    pub fn with_end_session_endpoint(mut self, url: &str) -> Result<Self, ProviderError> {
        self.end_session_endpoint = Some(endpoint(&self.issuer, "end_session_endpoint", url)?);
        Ok(self)
    }

    /// Sets the address of the provider's key set, for the host to fetch.
    ///
    /// # Errors
    ///
    /// [`ProviderError`] names the rule that the URL breaks.
    pub fn with_jwks_uri(mut self, url: &str) -> Result<Self, ProviderError> {
        self.jwks_uri = Some(endpoint(&self.issuer, "jwks_uri", url)?);
        Ok(self)
    }

    /// Notes that the provider announces `iss` on every authorization response, so that a response
    /// without it is refused ([RFC 9207 section 2.4](https://www.rfc-editor.org/rfc/rfc9207#section-2.4)).
    #[must_use]
    pub const fn with_authorization_response_iss_parameter_supported(mut self) -> Self {
        self.announces_iss = true;
        self
    }

    /// Notes the PKCE methods that the provider lists. Without S256 among them no authorization
    /// request is made: there is no falling back to `plain` or to none
    /// ([RFC 9700 section 2.1.1](https://www.rfc-editor.org/rfc/rfc9700#section-2.1.1)).
    #[must_use]
    pub fn with_code_challenge_methods_supported<'a>(
        mut self,
        methods: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.lacks_s256 = !methods.into_iter().any(|method| method == grantry_core::CodeChallenge::METHOD);
        self
    }

    /// Returns the issuer.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Returns the address of the key set, when the provider has one.
    #[must_use]
    pub fn jwks_uri(&self) -> Option<&str> {
        self.jwks_uri.as_ref().map(Url::as_str)
    }

    pub(crate) const fn authorization_url(&self) -> &Url {
        &self.authorization_endpoint
    }

    pub(crate) const fn token_url(&self) -> &Url {
        &self.token_endpoint
    }

    pub(crate) const fn revocation_url(&self) -> Option<&Url> {
        self.revocation_endpoint.as_ref()
    }

    pub(crate) const fn introspection_url(&self) -> Option<&Url> {
        self.introspection_endpoint.as_ref()
    }

    pub(crate) const fn push_url(&self) -> Option<&Url> {
        self.pushed_authorization_request_endpoint.as_ref()
    }

    pub(crate) const fn userinfo_url(&self) -> Option<&Url> {
        self.userinfo_endpoint.as_ref()
    }

    pub(crate) const fn end_session_url(&self) -> Option<&Url> {
        self.end_session_endpoint.as_ref()
    }

    pub(crate) const fn requires_push(&self) -> bool {
        self.requires_push
    }

    pub(crate) const fn announces_iss(&self) -> bool {
        self.announces_iss
    }

    pub(crate) const fn lacks_s256(&self) -> bool {
        self.lacks_s256
    }
}

fn endpoint(issuer: &Issuer, name: &'static str, text: &str) -> Result<Url, ProviderError> {
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

    fn with_token_endpoint(issuer: Issuer, url: &str) -> Result<Url, ProviderError> {
        Provider::new(issuer, "https://as.example/authorize", url).map(|provider| provider.token_endpoint)
    }

    #[test]
    fn rfc6749_3_2_endpoints_are_https_without_fragment() {
        let issuer = || Issuer::parse("https://as.example").unwrap();
        assert!(with_token_endpoint(issuer(), "https://as.example/token?tenant=1").is_ok());
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
            assert_eq!(with_token_endpoint(issuer(), url), Err(error), "{url}");
        }
    }

    #[test]
    fn http_endpoints_are_for_a_loopback_issuer_on_loopback() {
        let issuer = || Issuer::danger_loopback_http("http://127.0.0.1:1").unwrap();
        assert!(with_token_endpoint(issuer(), "http://127.0.0.1:1/token").is_ok());
        assert_eq!(
            with_token_endpoint(issuer(), "http://as.example/token"),
            Err(ProviderError::NotHttps("token_endpoint"))
        );
    }
}
