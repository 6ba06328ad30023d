//! A client: who asks, and where.

use alloc::{collections::BTreeSet, string::String};
use core::time::Duration;

use grantry_core::{ClientId, Issuer};
use grantry_jwt::Algorithm;

use crate::assertion::Audience;
use crate::{ClientAuthentication, Provider, redirect_uri};

/// One registration at one provider: immutable, and shared by every flow.
///
/// A host with several providers holds several clients, best with a redirect URI for each
/// ([RFC 9700 section 4.4.2.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.4.2.2)).
#[derive(Clone, Debug)]
pub struct Client {
    provider: Provider,
    client_id: ClientId,
    authentication: ClientAuthentication,
    assertion_audience: Audience,
    redirect_uri: Option<String>,
    trusted_audiences: BTreeSet<String>,
    id_token_algorithm: Algorithm,
    leeway: Duration,
}

impl Client {
    /// The longest redirect URI accepted, in bytes.
    pub const MAX_REDIRECT_URI_BYTES: usize = 2048;

    /// The most that clocks may differ, ten minutes.
    pub const MAX_LEEWAY: Duration = grantry_jwt::Verifier::MAX_LEEWAY;

    /// Makes a client. The redirect URI is sent as it is given, byte for byte.
    ///
    /// # Errors
    ///
    /// [`ClientError::RedirectUri`] when `redirect_uri` is not an absolute URL of visible ASCII characters
    /// without fragment ([RFC 6749 section 3.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2));
    /// [`ClientError::KeyType`] when the key is not one of its way of authentication.
    pub fn new(
        provider: Provider,
        client_id: ClientId,
        authentication: ClientAuthentication,
        redirect_uri: impl Into<String>,
    ) -> Result<Self, ClientError> {
        let redirect_uri = redirect_uri.into();
        redirect_uri::check(&redirect_uri)?;
        let client = Self::without_redirect_uri(provider, client_id, authentication)?;
        Ok(Self { redirect_uri: Some(redirect_uri), ..client })
    }

    /// Makes a client that no browser comes back to: a service that acts for itself, or a device.
    ///
    /// # Errors
    ///
    /// [`ClientError::KeyType`] when the key is not one of its way of authentication.
    pub fn without_redirect_uri(
        provider: Provider,
        client_id: ClientId,
        authentication: ClientAuthentication,
    ) -> Result<Self, ClientError> {
        authentication.check()?;
        Ok(Self {
            provider,
            client_id,
            authentication,
            assertion_audience: Audience::Issuer,
            redirect_uri: None,
            trusted_audiences: BTreeSet::new(),
            id_token_algorithm: Algorithm::Rs256,
            leeway: Duration::ZERO,
        })
    }

    /// Addresses client assertions to the URL of the token endpoint instead of the issuer, with the general
    /// `typ`, as providers from before
    /// [rfc7523bis](https://datatracker.ietf.org/doc/draft-ietf-oauth-rfc7523bis/) want it.
    ///
    /// A dishonest provider can name another one's token endpoint as its own, and sign in there as this
    /// client with what it is sent: use a key that no other provider knows.
    #[must_use]
    pub const fn danger_token_endpoint_as_audience(mut self) -> Self {
        self.assertion_audience = Audience::TokenEndpoint;
        self
    }

    /// Accepts ID tokens that name this audience beside the client. Every other further audience is
    /// refused ([OpenID Connect Core section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation), step 3).
    #[must_use]
    pub fn with_trusted_audience(mut self, audience: impl Into<String>) -> Self {
        self.trusted_audiences.insert(audience.into());
        self
    }

    /// Sets the algorithm that ID tokens are signed with, the registered `id_token_signed_response_alg`; RS256
    /// unless set, and no other than the one is accepted
    /// ([OpenID Connect Core section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation), step 7).
    ///
    /// For HMAC the key set handed in is made from the client's secret (step 8), never from a fetched document.
    #[must_use]
    pub const fn with_id_token_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.id_token_algorithm = algorithm;
        self
    }

    /// Sets how far the clocks of client and provider may differ, in whole seconds; zero unless set, and
    /// more than [`Client::MAX_LEEWAY`] counts as that.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(Self::MAX_LEEWAY);
        self
    }

    /// Returns the provider.
    #[must_use]
    pub const fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Returns the client's identifier.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    pub(crate) const fn authentication(&self) -> &ClientAuthentication {
        &self.authentication
    }

    pub(crate) const fn assertion_audience(&self) -> Audience {
        self.assertion_audience
    }

    pub(crate) fn redirect_uri(&self) -> Option<&str> {
        self.redirect_uri.as_deref()
    }

    pub(crate) fn has_redirect_uri(&self, used: &str) -> bool {
        self.redirect_uri().is_some_and(|registered| redirect_uri::is_registered(registered, used))
    }

    pub(crate) const fn id_token_algorithm(&self) -> Algorithm {
        self.id_token_algorithm
    }

    pub(crate) const fn leeway(&self) -> Duration {
        self.leeway
    }

    pub(crate) fn trusts_audience(&self, audience: &str) -> bool {
        audience == self.client_id.as_str() || self.trusted_audiences.contains(audience)
    }

    /// Compares the owner of a token or of a flow with this client. What belongs to one provider is
    /// never sent to another one ([RFC 9700 section 4.4](https://www.rfc-editor.org/rfc/rfc9700#section-4.4)).
    pub(crate) fn check_owner(&self, issuer: &Issuer, client_id: &ClientId) -> Result<(), ForeignOwner> {
        if issuer != self.provider.issuer() {
            return Err(ForeignOwner::Provider);
        }
        if client_id == &self.client_id { Ok(()) } else { Err(ForeignOwner::Client) }
    }
}

/// Whose a token or a flow is, when it is not this client's.
pub(crate) enum ForeignOwner {
    Provider,
    Client,
}

/// Why a client can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The redirect URI is not an absolute URL of visible ASCII characters, at most
    /// [`Client::MAX_REDIRECT_URI_BYTES`] long and without fragment.
    #[error("not an absolute redirect_uri without fragment (RFC 6749 section 3.1.2)")]
    RedirectUri,
    /// `client_secret_jwt` has a key pair, or `private_key_jwt` a shared secret.
    #[error("the key is not one of this way of authentication (OpenID Connect Core section 9)")]
    KeyType,
}
