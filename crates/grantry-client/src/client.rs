//! A client: who asks, and where.

use alloc::{collections::BTreeSet, string::String, vec::Vec};
use core::time::Duration;

use grantry_core::{ClientId, HttpRequest, Issuer, SecretString, basic_credentials, form};
use url::Url;

use crate::Provider;

/// How a client proves to the provider who it is
/// ([RFC 6749 section 2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// A public client: it has no secret and sends its `client_id` alone.
    None,
    /// `client_secret_basic`: identifier and secret in the `Authorization` header.
    Basic(SecretString),
    /// `client_secret_post`: identifier and secret in the body.
    Post(SecretString),
}

/// One registration at one provider: immutable, and shared by every flow.
///
/// A host with several providers holds several clients, best with a redirect URI for each
/// ([RFC 9700 section 4.4.2.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.4.2.2)).
#[derive(Clone, Debug)]
pub struct Client {
    provider: Provider,
    client_id: ClientId,
    authentication: ClientAuthentication,
    redirect_uri: String,
    trusted_audiences: BTreeSet<String>,
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
    /// [`RedirectUriError`] when `redirect_uri` is not an absolute URL of visible ASCII characters
    /// without fragment ([RFC 6749 section 3.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2)).
    pub fn new(
        provider: Provider,
        client_id: ClientId,
        authentication: ClientAuthentication,
        redirect_uri: impl Into<String>,
    ) -> Result<Self, RedirectUriError> {
        let redirect_uri = redirect_uri.into();
        check_redirect_uri(&redirect_uri)?;
        Ok(Self {
            provider,
            client_id,
            authentication,
            redirect_uri,
            trusted_audiences: BTreeSet::new(),
            leeway: Duration::ZERO,
        })
    }

    /// Accepts ID tokens that name this audience beside the client. Every other further audience is
    /// refused ([OpenID Connect Core section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation), step 3).
    #[must_use]
    pub fn with_trusted_audience(mut self, audience: impl Into<String>) -> Self {
        self.trusted_audiences.insert(audience.into());
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

    pub(crate) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
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

    /// Makes the form request to `endpoint` that carries the client's authentication.
    pub(crate) fn post(&self, endpoint: &Url, parameters: &[(&str, &str)]) -> HttpRequest {
        let client_id = ("client_id", self.client_id.as_str());
        let form = |more: &[(&'static str, &str)]| {
            let all: Vec<_> = parameters.iter().chain(more).copied().collect();
            HttpRequest::form(endpoint.as_str(), form::encode(all))
        };
        match &self.authentication {
            ClientAuthentication::None => form(&[client_id]),
            ClientAuthentication::Post(secret) => form(&[client_id, ("client_secret", secret.expose())]),
            ClientAuthentication::Basic(secret) => {
                let credentials = basic_credentials(&self.client_id, secret);
                form(&[]).with_header("Authorization", credentials.expose())
            }
        }
    }
}

/// Whose a token or a flow is, when it is not this client's.
pub(crate) enum ForeignOwner {
    Provider,
    Client,
}

fn check_redirect_uri(text: &str) -> Result<(), RedirectUriError> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.len() > Client::MAX_REDIRECT_URI_BYTES || !visible || text.contains('#') {
        return Err(RedirectUriError);
    }
    Url::parse(text).map(drop).map_err(|_| RedirectUriError)
}

/// The redirect URI is not an absolute URL of visible ASCII characters, at most
/// [`Client::MAX_REDIRECT_URI_BYTES`] long and without fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an absolute redirect_uri without fragment (RFC 6749 section 3.1.2)")]
#[non_exhaustive]
pub struct RedirectUriError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_3_1_2_redirect_uri_is_absolute_without_fragment() {
        for good in ["https://app.example/cb?x=1", "http://127.0.0.1/cb", "com.example.app:/cb"] {
            assert_eq!(check_redirect_uri(good), Ok(()), "{good}");
        }
        for bad in
            ["", "/cb", "https://app.example/cb#", " https://app.example/cb", "https://app.example/\u{e9}"]
        {
            assert_eq!(check_redirect_uri(bad), Err(RedirectUriError), "{bad}");
        }
    }

    #[test]
    fn a_redirect_uri_is_bounded() {
        let of = |bytes: usize| alloc::format!("{:a<bytes$}", "https://app.example/");
        assert_eq!(check_redirect_uri(&of(Client::MAX_REDIRECT_URI_BYTES)), Ok(()));
        assert_eq!(check_redirect_uri(&of(Client::MAX_REDIRECT_URI_BYTES + 1)), Err(RedirectUriError));
    }
}
