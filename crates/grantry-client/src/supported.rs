//! What a provider says that it supports.

use alloc::{string::String, vec::Vec};

use grantry_core::CodeChallenge;
use serde::Deserialize;

use crate::Provider;

/// The lists and switches of the metadata, by their names there; `None` where the provider is silent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Supported {
    scopes_supported: Option<Vec<String>>,
    grant_types_supported: Option<Vec<String>>,
    response_modes_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_signing_alg_values_supported: Option<Vec<String>>,
    id_token_signing_alg_values_supported: Option<Vec<String>>,
    acr_values_supported: Option<Vec<String>>,
    authorization_response_iss_parameter_supported: Option<bool>,
    require_pushed_authorization_requests: Option<bool>,
}

/// What the provider supports. A reader returns `None` where the provider is silent, which is not the same
/// as an empty list.
impl Provider {
    /// Notes that the provider announces `iss` on every authorization response, so that a response
    /// without it is refused ([RFC 9207 section 2.4](https://www.rfc-editor.org/rfc/rfc9207#section-2.4)).
    #[must_use]
    pub const fn with_authorization_response_iss_parameter_supported(mut self) -> Self {
        self.supported.authorization_response_iss_parameter_supported = Some(true);
        self
    }

    /// Notes that the provider takes pushed authorization requests alone, so that no other is made
    /// ([RFC 9126 section 5](https://www.rfc-editor.org/rfc/rfc9126#section-5)).
    #[must_use]
    pub const fn with_require_pushed_authorization_requests(mut self) -> Self {
        self.supported.require_pushed_authorization_requests = Some(true);
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
        self.supported.code_challenge_methods_supported = Some(listed(methods));
        self
    }

    /// Notes the scope tokens that the provider lists.
    #[must_use]
    pub fn with_scopes_supported<'a>(mut self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        self.supported.scopes_supported = Some(listed(scopes));
        self
    }

    /// Notes the grants that the provider lists.
    #[must_use]
    pub fn with_grant_types_supported<'a>(mut self, grants: impl IntoIterator<Item = &'a str>) -> Self {
        self.supported.grant_types_supported = Some(listed(grants));
        self
    }

    /// Notes the ways in which the provider brings an authorization response back.
    #[must_use]
    pub fn with_response_modes_supported<'a>(mut self, modes: impl IntoIterator<Item = &'a str>) -> Self {
        self.supported.response_modes_supported = Some(listed(modes));
        self
    }

    /// Notes how clients may authenticate at the token endpoint.
    #[must_use]
    pub fn with_token_endpoint_auth_methods_supported<'a>(
        mut self,
        methods: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.supported.token_endpoint_auth_methods_supported = Some(listed(methods));
        self
    }

    /// Notes the algorithms of client assertions that the token endpoint takes.
    #[must_use]
    pub fn with_token_endpoint_auth_signing_alg_values_supported<'a>(
        mut self,
        algorithms: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.supported.token_endpoint_auth_signing_alg_values_supported = Some(listed(algorithms));
        self
    }

    /// Notes the algorithms that the provider signs ID tokens with.
    #[must_use]
    pub fn with_id_token_signing_alg_values_supported<'a>(
        mut self,
        algorithms: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.supported.id_token_signing_alg_values_supported = Some(listed(algorithms));
        self
    }

    /// Notes the classes of authentication that the provider lists.
    #[must_use]
    pub fn with_acr_values_supported<'a>(mut self, classes: impl IntoIterator<Item = &'a str>) -> Self {
        self.supported.acr_values_supported = Some(listed(classes));
        self
    }

    /// Returns the PKCE methods ([RFC 7636 section 4.3](https://www.rfc-editor.org/rfc/rfc7636#section-4.3)).
    #[must_use]
    pub fn code_challenge_methods_supported(&self) -> Option<&[String]> {
        self.supported.code_challenge_methods_supported.as_deref()
    }

    /// Returns scope tokens; a provider need not list all of them
    /// ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
    #[must_use]
    pub fn scopes_supported(&self) -> Option<&[String]> {
        self.supported.scopes_supported.as_deref()
    }

    /// Returns the grants; a silent provider has `authorization_code` and `implicit`
    /// ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
    #[must_use]
    pub fn grant_types_supported(&self) -> Option<&[String]> {
        self.supported.grant_types_supported.as_deref()
    }

    /// Returns the ways in which an authorization response comes back; a silent provider has `query` and
    /// `fragment` ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
    #[must_use]
    pub fn response_modes_supported(&self) -> Option<&[String]> {
        self.supported.response_modes_supported.as_deref()
    }

    /// Returns how clients may authenticate at the token endpoint; a silent provider takes
    /// `client_secret_basic` ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
    #[must_use]
    pub fn token_endpoint_auth_methods_supported(&self) -> Option<&[String]> {
        self.supported.token_endpoint_auth_methods_supported.as_deref()
    }

    /// Returns the algorithms of client assertions
    /// ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
    #[must_use]
    pub fn token_endpoint_auth_signing_alg_values_supported(&self) -> Option<&[String]> {
        self.supported.token_endpoint_auth_signing_alg_values_supported.as_deref()
    }

    /// Returns the algorithms of ID tokens
    /// ([OpenID Connect Discovery section 3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata)).
    #[must_use]
    pub fn id_token_signing_alg_values_supported(&self) -> Option<&[String]> {
        self.supported.id_token_signing_alg_values_supported.as_deref()
    }

    /// Returns the classes of authentication
    /// ([OpenID Connect Discovery section 3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata)).
    #[must_use]
    pub fn acr_values_supported(&self) -> Option<&[String]> {
        self.supported.acr_values_supported.as_deref()
    }

    /// Tells whether every authorization response names its issuer
    /// ([RFC 9207 section 3](https://www.rfc-editor.org/rfc/rfc9207#section-3)).
    #[must_use]
    pub fn authorization_response_iss_parameter_supported(&self) -> bool {
        self.announces_iss()
    }

    /// Tells whether the provider takes pushed authorization requests alone
    /// ([RFC 9126 section 5](https://www.rfc-editor.org/rfc/rfc9126#section-5)).
    #[must_use]
    pub fn require_pushed_authorization_requests(&self) -> bool {
        self.requires_push()
    }

    pub(crate) fn announces_iss(&self) -> bool {
        self.supported.authorization_response_iss_parameter_supported == Some(true)
    }

    pub(crate) fn requires_push(&self) -> bool {
        self.supported.require_pushed_authorization_requests == Some(true)
    }

    pub(crate) fn lacks_s256(&self) -> bool {
        let lists_s256 = |methods: &[String]| methods.iter().any(|method| method == CodeChallenge::METHOD);
        self.code_challenge_methods_supported().is_some_and(|methods| !lists_s256(methods))
    }
}

fn listed<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    values.into_iter().map(String::from).collect()
}
