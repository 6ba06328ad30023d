//! Where an issuer's metadata stands.

use alloc::{format, string::String};

use grantry_core::{Issuer, well_known_url};

/// One of the two places of an issuer's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the two standards have one place each")]
pub enum WellKnown {
    /// `openid-configuration`, behind the issuer
    /// ([OpenID Connect Discovery section 4](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig)).
    OpenId,
    /// `oauth-authorization-server`, between the host and the path of the issuer
    /// ([RFC 8414 section 3](https://www.rfc-editor.org/rfc/rfc8414#section-3)).
    OAuth2,
}

impl WellKnown {
    /// Returns the URL of the issuer's metadata in this place.
    ///
    /// ```
    /// use grantry_client::WellKnown;
    /// use grantry_core::Issuer;
    ///
    /// let issuer = Issuer::parse("https://as.example/tenant")?;
    /// let url = "https://as.example/tenant/.well-known/openid-configuration";
    /// assert_eq!(WellKnown::OpenId.url(&issuer), url);
    /// let url = "https://as.example/.well-known/oauth-authorization-server/tenant";
    /// assert_eq!(WellKnown::OAuth2.url(&issuer), url);
    /// # Ok::<(), grantry_core::IssuerError>(())
    /// ```
    #[must_use]
    pub fn url(self, issuer: &Issuer) -> String {
        let issuer = issuer.as_str();
        match self {
            // OpenID Connect Discovery section 4.1: without a slash at its end.
            Self::OpenId => {
                let issuer = issuer.strip_suffix('/').unwrap_or(issuer);
                format!("{issuer}/.well-known/{}", self.suffix())
            }
            Self::OAuth2 => well_known_url(issuer, self.suffix()),
        }
    }

    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::OpenId => "openid-configuration",
            Self::OAuth2 => "oauth-authorization-server",
        }
    }
}

/// Which places are asked, and in what order. The second one is asked after a 404 from the first alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WellKnownOrder {
    /// OpenID Connect before OAuth 2, as most providers have it.
    #[default]
    OpenIdFirst,
    /// OAuth 2 before OpenID Connect.
    OAuth2First,
    /// OpenID Connect alone.
    OpenIdOnly,
    /// OAuth 2 alone.
    OAuth2Only,
}

impl WellKnownOrder {
    pub(crate) const fn first(self) -> WellKnown {
        match self {
            Self::OpenIdFirst | Self::OpenIdOnly => WellKnown::OpenId,
            Self::OAuth2First | Self::OAuth2Only => WellKnown::OAuth2,
        }
    }

    pub(crate) const fn other(self, place: WellKnown) -> Option<WellKnown> {
        match (self, place) {
            (Self::OpenIdOnly | Self::OAuth2Only, _) => None,
            (Self::OpenIdFirst | Self::OAuth2First, WellKnown::OpenId) => Some(WellKnown::OAuth2),
            (Self::OpenIdFirst | Self::OAuth2First, WellKnown::OAuth2) => Some(WellKnown::OpenId),
        }
    }

    /// Returns the place where the metadata stood before, when it is still one to ask.
    pub(crate) fn starting_at(self, found: WellKnown) -> WellKnown {
        self.other(found).map_or_else(|| self.first(), |_| found)
    }
}
