//! What a client knows about the authorization server.

use grantry_core::Issuer;
use url::Url;

use crate::Tolerance;
use crate::endpoint::{ProviderError, endpoint};
use crate::supported::Supported;

/// The metadata of one provider, as data
/// ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)): set by hand, or fetched by
/// [`Discovery`](crate::Discovery).
///
/// Endpoints are `https` URLs. An issuer made by [`Issuer::danger_loopback_http`] may have `http`
/// endpoints on loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub(crate) issuer: Issuer,
    pub(crate) authorization_endpoint: Option<Url>,
    pub(crate) token_endpoint: Url,
    pub(crate) revocation_endpoint: Option<Url>,
    pub(crate) introspection_endpoint: Option<Url>,
    pub(crate) pushed_authorization_request_endpoint: Option<Url>,
    pub(crate) device_authorization_endpoint: Option<Url>,
    pub(crate) userinfo_endpoint: Option<Url>,
    pub(crate) end_session_endpoint: Option<Url>,
    pub(crate) jwks_uri: Option<Url>,
    pub(crate) supported: Supported,
    pub(crate) tolerance: Tolerance,
}

impl Provider {
    /// The longest endpoint URL accepted, in bytes.
    pub const MAX_ENDPOINT_BYTES: usize = 2048;

    /// Makes a provider from what every one of them has that people sign in at.
    ///
    /// # Errors
    ///
    /// [`ProviderError`] names the endpoint and the rule that it breaks.
    pub fn new(
        issuer: Issuer,
        authorization_endpoint: &str,
        token_endpoint: &str,
    ) -> Result<Self, ProviderError> {
        let url = endpoint(&issuer, "authorization_endpoint", authorization_endpoint)?;
        let provider = Self::without_authorization_endpoint(issuer, token_endpoint)?;
        Ok(Self { authorization_endpoint: Some(url), ..provider })
    }

    /// Makes a provider that no browser is sent to: its grants are those of services and devices
    /// ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
    ///
    /// # Errors
    ///
    /// [`ProviderError`] names the endpoint and the rule that it breaks.
    pub fn without_authorization_endpoint(
        issuer: Issuer,
        token_endpoint: &str,
    ) -> Result<Self, ProviderError> {
        Ok(Self {
            authorization_endpoint: None,
            token_endpoint: endpoint(&issuer, "token_endpoint", token_endpoint)?,
            issuer,
            revocation_endpoint: None,
            introspection_endpoint: None,
            pushed_authorization_request_endpoint: None,
            device_authorization_endpoint: None,
            userinfo_endpoint: None,
            end_session_endpoint: None,
            jwks_uri: None,
            supported: Supported::default(),
            tolerance: Tolerance::strict(),
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

    /// Sets the endpoint where a device without a browser begins
    /// ([RFC 8628 section 4](https://www.rfc-editor.org/rfc/rfc8628#section-4)).
    ///
    /// # Errors
    ///
    /// [`ProviderError`] names the rule that the URL breaks.
    pub fn with_device_authorization_endpoint(mut self, url: &str) -> Result<Self, ProviderError> {
        let url = endpoint(&self.issuer, "device_authorization_endpoint", url)?;
        self.device_authorization_endpoint = Some(url);
        Ok(self)
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

    /// Sets what of the standards the provider breaks and this client bears; nothing unless set.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Returns the issuer.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Returns where people are sent, when the provider has them sign in.
    #[must_use]
    pub fn authorization_endpoint(&self) -> Option<&str> {
        self.authorization_url().map(Url::as_str)
    }

    /// Returns where tokens are asked for.
    #[must_use]
    pub fn token_endpoint(&self) -> &str {
        self.token_endpoint.as_str()
    }

    /// Returns where tokens are revoked, when the provider does that.
    #[must_use]
    pub fn revocation_endpoint(&self) -> Option<&str> {
        self.revocation_url().map(Url::as_str)
    }

    /// Returns where tokens are looked up, when the provider tells.
    #[must_use]
    pub fn introspection_endpoint(&self) -> Option<&str> {
        self.introspection_url().map(Url::as_str)
    }

    /// Returns where authorization requests are pushed, when the provider takes them so.
    #[must_use]
    pub fn pushed_authorization_request_endpoint(&self) -> Option<&str> {
        self.push_url().map(Url::as_str)
    }

    /// Returns where devices begin, when the provider has the device grant.
    #[must_use]
    pub fn device_authorization_endpoint(&self) -> Option<&str> {
        self.device_authorization_url().map(Url::as_str)
    }

    /// Returns where claims about the person are fetched, when the provider tells.
    #[must_use]
    pub fn userinfo_endpoint(&self) -> Option<&str> {
        self.userinfo_url().map(Url::as_str)
    }

    /// Returns where the person signs out, when the provider takes part in that.
    #[must_use]
    pub fn end_session_endpoint(&self) -> Option<&str> {
        self.end_session_url().map(Url::as_str)
    }

    /// Returns the address of the key set, when the provider has one.
    #[must_use]
    pub fn jwks_uri(&self) -> Option<&str> {
        self.jwks_uri.as_ref().map(Url::as_str)
    }

    /// Returns what of the standards the provider breaks and this client bears.
    #[must_use]
    pub const fn tolerance(&self) -> &Tolerance {
        &self.tolerance
    }

    pub(crate) const fn authorization_url(&self) -> Option<&Url> {
        self.authorization_endpoint.as_ref()
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

    pub(crate) const fn device_authorization_url(&self) -> Option<&Url> {
        self.device_authorization_endpoint.as_ref()
    }

    pub(crate) const fn userinfo_url(&self) -> Option<&Url> {
        self.userinfo_endpoint.as_ref()
    }

    pub(crate) const fn end_session_url(&self) -> Option<&Url> {
        self.end_session_endpoint.as_ref()
    }
}
