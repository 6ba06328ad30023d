//! The registered error codes of the protocols, as they stand on the wire.

use core::fmt;

use serde::{Serialize, Serializer};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $wire:literal,)*) => {
        /// An error code of the IANA registry "OAuth Extensions Errors" or of RFC 6749 itself.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code, in the order of the declaration.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the code as it is written on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }
        }
    };
}

error_codes! {
    /// A parameter is missing, repeated or malformed ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    InvalidRequest = "invalid_request",
    /// Client authentication failed ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    InvalidClient = "invalid_client",
    /// The code or refresh token is not valid here and now ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    InvalidGrant = "invalid_grant",
    /// The client may not use this grant ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    UnauthorizedClient = "unauthorized_client",
    /// The server has no such grant ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    UnsupportedGrantType = "unsupported_grant_type",
    /// The scope is malformed, unknown or too wide ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    InvalidScope = "invalid_scope",
    /// The person or the server refused ([RFC 6749 section 4.1.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1)).
    AccessDenied = "access_denied",
    /// The server has no such response type ([RFC 6749 section 4.1.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1)).
    UnsupportedResponseType = "unsupported_response_type",
    /// The server failed ([RFC 6749 section 4.1.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1)).
    ServerError = "server_error",
    /// The server is overloaded ([RFC 6749 section 4.1.2.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1)).
    TemporarilyUnavailable = "temporarily_unavailable",
    /// The access token is expired, revoked or malformed ([RFC 6750 section 3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
    InvalidToken = "invalid_token",
    /// The access token's scope is too narrow ([RFC 6750 section 3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
    InsufficientScope = "insufficient_scope",
    /// The server does not revoke this kind of token ([RFC 7009 section 2.2.1](https://www.rfc-editor.org/rfc/rfc7009#section-2.2.1)).
    UnsupportedTokenType = "unsupported_token_type",
    /// The resource is unknown or malformed ([RFC 8707 section 2](https://www.rfc-editor.org/rfc/rfc8707#section-2)).
    InvalidTarget = "invalid_target",
    /// `prompt=none`, and a page would be needed ([OpenID Connect Core section 3.1.2.6](https://openid.net/specs/openid-connect-core-1_0.html#AuthError)).
    InteractionRequired = "interaction_required",
    /// `prompt=none`, and nobody is signed in ([OpenID Connect Core section 3.1.2.6](https://openid.net/specs/openid-connect-core-1_0.html#AuthError)).
    LoginRequired = "login_required",
    /// `prompt=none`, and an account has to be picked ([OpenID Connect Core section 3.1.2.6](https://openid.net/specs/openid-connect-core-1_0.html#AuthError)).
    AccountSelectionRequired = "account_selection_required",
    /// `prompt=none`, and consent is needed ([OpenID Connect Core section 3.1.2.6](https://openid.net/specs/openid-connect-core-1_0.html#AuthError)).
    ConsentRequired = "consent_required",
    /// The login cannot be as strong as the client needs it ([OpenID Connect Unmet Authentication Requirements section 2](https://openid.net/specs/openid-connect-unmet-authentication-requirements-1_0.html)).
    UnmetAuthenticationRequirements = "unmet_authentication_requirements",
    /// The token's login is too weak or too old ([RFC 9470 section 3](https://www.rfc-editor.org/rfc/rfc9470#section-3)).
    InsufficientUserAuthentication = "insufficient_user_authentication",
    /// The person has not answered yet ([RFC 8628 section 3.5](https://www.rfc-editor.org/rfc/rfc8628#section-3.5)).
    AuthorizationPending = "authorization_pending",
    /// The device asks too often ([RFC 8628 section 3.5](https://www.rfc-editor.org/rfc/rfc8628#section-3.5)).
    SlowDown = "slow_down",
    /// The person has not answered in time ([RFC 8628 section 3.5](https://www.rfc-editor.org/rfc/rfc8628#section-3.5)).
    ExpiredToken = "expired_token",
    /// The server reads no `request` parameter ([OpenID Connect Core section 3.1.2.6](https://openid.net/specs/openid-connect-core-1_0.html#AuthError)).
    RequestNotSupported = "request_not_supported",
    /// The server reads no `request_uri` parameter ([OpenID Connect Core section 3.1.2.6](https://openid.net/specs/openid-connect-core-1_0.html#AuthError)).
    RequestUriNotSupported = "request_uri_not_supported",
}

impl ErrorCode {
    /// Finds a code by its text on the wire, which is case-sensitive.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_own_text() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
        }
        assert_eq!(ErrorCode::parse("Invalid_Grant"), None);
    }
}
