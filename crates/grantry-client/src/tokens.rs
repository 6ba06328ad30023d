//! What a flow ends with.

use grantry_core::{ClientId, Issuer, Scope, SecretString, UnixTime};

use crate::IdToken;

/// Tokens of one grant, checked. `Debug` shows none of them.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub(crate) issuer: Issuer,
    pub(crate) client_id: ClientId,
    pub(crate) access_token: SecretString,
    pub(crate) expires_at: Option<UnixTime>,
    pub(crate) refresh_token: Option<SecretString>,
    pub(crate) id_token: Option<IdToken>,
    pub(crate) scope: Scope,
    /// The scope of the grant, which a narrowed access token leaves as it is.
    pub(crate) granted: Scope,
}

impl Tokens {
    /// Returns the provider that issued the tokens, the only one that they are sent to.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Returns the client that the tokens were issued to.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// Returns the access token: visible ASCII, to be sent as `Authorization: Bearer`
    /// ([RFC 6750 section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
    #[must_use]
    pub const fn access_token(&self) -> &SecretString {
        &self.access_token
    }

    /// Returns when the access token expires; `None` when the provider did not say, which does not
    /// mean never ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)).
    #[must_use]
    pub const fn expires_at(&self) -> Option<UnixTime> {
        self.expires_at
    }

    /// Returns the refresh token, when the provider gave one.
    #[must_use]
    pub const fn refresh_token(&self) -> Option<&SecretString> {
        self.refresh_token.as_ref()
    }

    /// Returns the verified ID token, when the scope `openid` was asked. After a refresh that
    /// brought none it is the one from before.
    #[must_use]
    pub const fn id_token(&self) -> Option<&IdToken> {
        self.id_token.as_ref()
    }

    /// Returns the scope of the access token as the provider told it; the scope that was asked when it
    /// did not say
    /// ([RFC 6749 section 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }
}
