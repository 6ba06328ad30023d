//! Refusals: what goes on the wire, and which rule it was.

use core::fmt;

use grantry_core::bearer::BearerError;
use grantry_core::form::FormError;
use grantry_core::{ErrorCode, ScopeError};
use grantry_jwt::VerifyError;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident $(($inner:ty))? = $code:ident, $rule:literal;)*) => {
        /// The rule that a request broke, for logs and tests. The text names its section.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* #[error($rule)] $name $(($inner))?,)*
        }

        impl Reason {
            /// Returns the error code that stands for this reason on the wire.
            #[must_use]
            pub const fn code(self) -> ErrorCode {
                match self { $(reasons!(@pattern $name $($inner)?) => ErrorCode::$code,)* }
            }
        }

        #[cfg(test)]
        impl Reason {
            /// One of each, so that no test of all reasons forgets one.
            fn samples() -> alloc::vec::Vec<Self> {
                alloc::vec![$(Self::$name $((<$inner as tests::Sample>::SAMPLE))?,)*]
            }
        }
    };
    (@pattern $name:ident $inner:ty) => { Self::$name(_) };
    (@pattern $name:ident) => { Self::$name };
}

reasons! {
    /// The form or query is malformed.
    Form(FormError) = InvalidRequest, "{0}";
    /// A required parameter is missing or empty.
    Missing(&'static str) = InvalidRequest, "the parameter {0} is missing (RFC 6749 sections 4.1.1, 4.1.3 and 6)";
    /// A parameter is longer than its limit.
    TooLong(&'static str) = InvalidRequest, "the parameter {0} is longer than its limit";
    /// A parameter has a value that its grammar does not know.
    Malformed(&'static str) = InvalidRequest, "the parameter {0} is malformed";
    /// The endpoint is for POST requests.
    NotPost = InvalidRequest, "the endpoint takes POST requests (RFC 6749 section 3.2)";
    /// The authorization endpoint is for GET and POST requests.
    NotGetOrPost = InvalidRequest, "the endpoint takes GET and POST requests (RFC 6749 section 3.1)";
    /// A protocol parameter stands in the URL of an endpoint that reads its body.
    ParameterInUrl(&'static str) = InvalidRequest, "the parameter {0} stands in the URL (RFC 6749 sections 2.3.1 and 3.2)";
    /// Two client authentication methods in one request.
    TwoMethods = InvalidRequest, "more than one client authentication method (RFC 6749 section 2.3)";
    /// The client named in the header and the one in the body differ.
    TwoClients = InvalidRequest, "client_id differs from the authenticated client (RFC 6749 section 2.3)";
    /// The request names no client.
    NoClient = InvalidClient, "no client credentials (RFC 6749 section 3.2.1)";
    /// The `Authorization` header is not one of the methods of the server.
    OtherScheme = InvalidClient, "an authentication scheme that the endpoint does not have (RFC 6749 section 5.2)";
    /// The Basic credentials cannot be read.
    MalformedBasic = InvalidClient, "malformed Basic credentials (RFC 6749 section 2.3.1, RFC 7617 section 2)";
    /// The client is unknown, the secret wrong or the method not the registered one.
    ClientNotAuthenticated = InvalidClient, "client authentication failed (RFC 6749 section 5.2)";
    /// The assertion has no type, another type, or is missing beside one.
    AssertionType = InvalidClient, "not a client_assertion of the type jwt-bearer (RFC 7521 section 4.2, RFC 7523 section 2.2)";
    /// The client assertion breaks a rule of JWTs or of assertions.
    Assertion(VerifyError) = InvalidClient, "client assertion: {0} (RFC 7523 section 3)";
    /// The client assertion was used before.
    AssertionReplayed = InvalidClient, "the jti of the client assertion was seen before (RFC 7523 section 3)";
    /// A public client asks where only confidential clients may.
    ClientNotConfidential = InvalidClient, "this is for confidential clients (RFC 6749 section 4.4, RFC 7662 section 2.1)";
    /// The client is not registered for the grant.
    GrantTypeNotRegistered = UnauthorizedClient, "the client is not registered for this grant (RFC 6749 section 5.2)";
    /// The server does not have the grant.
    GrantTypeUnknown = UnsupportedGrantType, "an unknown grant_type (RFC 6749 section 5.2)";
    /// The code is none of this server's, or its record is gone.
    CodeUnknown = InvalidGrant, "an unknown authorization code (RFC 6749 section 5.2)";
    /// The tag of the handle is wrong.
    Forged = InvalidGrant, "a handle that this server did not make (RFC 6749 section 10.10)";
    /// The code was not redeemed in time.
    CodeExpired = InvalidGrant, "the authorization code has expired (RFC 6749 section 4.1.2)";
    /// The code was redeemed before: the grant is revoked.
    CodeReused = InvalidGrant, "the authorization code was used before (RFC 6749 section 4.1.2)";
    /// The code or refresh token was issued to another client.
    OtherClient = InvalidGrant, "issued to another client (RFC 6749 sections 4.1.3 and 6)";
    /// The redirect URI is not the one of the authorization request.
    OtherRedirectUri = InvalidGrant, "another redirect_uri than at authorization (RFC 6749 section 4.1.3)";
    /// The code verifier is missing.
    VerifierMissing = InvalidGrant, "code_verifier is missing (RFC 7636 section 4.6)";
    /// The code verifier does not fit the challenge.
    VerifierWrong = InvalidGrant, "code_verifier does not fit code_challenge (RFC 7636 section 4.6)";
    /// The refresh token is none of this server's, or its record is gone.
    RefreshTokenUnknown = InvalidGrant, "an unknown refresh token (RFC 6749 section 5.2)";
    /// The grant has reached its end.
    RefreshTokenExpired = InvalidGrant, "the refresh token has expired (RFC 6749 section 5.2)";
    /// The refresh token was used before: the grant is revoked.
    RefreshTokenReused = InvalidGrant, "the refresh token was used before (RFC 9700 section 4.14.2)";
    /// The device code is none of this server's, or its record is gone.
    DeviceCodeUnknown = InvalidGrant, "an unknown device code (RFC 8628 section 3.4)";
    /// The device code was redeemed before: the grant is revoked.
    DeviceCodeReused = InvalidGrant, "the device code was used before (RFC 8628 section 3.4)";
    /// Nobody let the device in in time.
    DeviceCodeExpired = ExpiredToken, "the device code has expired (RFC 8628 section 3.5)";
    /// The person has not answered the device's request.
    PersonHasNotAnswered = AuthorizationPending, "the person has not answered yet (RFC 8628 section 3.5)";
    /// The device asked less than its interval ago.
    PolledTooSoon = SlowDown, "the device asks too often (RFC 8628 section 3.5)";
    /// No device waits under the user code; shown on a page.
    UserCodeUnknown = InvalidRequest, "no device waits under this code (RFC 8628 section 3.3)";
    /// Two user codes of one moment are taken: a retry gets another one.
    UserCodeTaken = ServerError, "the user code is taken";
    /// The user name or the password is wrong.
    PasswordWrong = InvalidGrant, "unknown user or wrong password (RFC 6749 section 4.3.2)";
    /// The host has suspended the person.
    SubjectSuspended = InvalidGrant, "the person of the grant is suspended";
    /// The person has the name of the client: its tokens could be taken for the client's own.
    SubjectIsClient = InvalidGrant, "the subject has the name of the client (RFC 9700 section 4.15)";
    /// The grant was revoked.
    GrantRevoked = InvalidGrant, "the grant is revoked (RFC 6749 section 5.2)";
    /// The scope is malformed.
    Scope(ScopeError) = InvalidScope, "{0}";
    /// The scope is wider than what the client may ask for.
    ScopeNotRegistered = InvalidScope, "a scope that the client may not ask for (RFC 6749 section 3.3)";
    /// No scope was asked for, and the client has no default.
    ScopeMissing = InvalidScope, "no scope, and the client has no default (RFC 6749 section 3.3)";
    /// The scope at refresh is wider than the grant.
    ScopeWidened = InvalidScope, "a scope beyond the grant (RFC 6749 section 6)";
    /// The client is unknown; shown on a page.
    ClientUnknown = InvalidRequest, "an unknown client (RFC 6749 section 4.1.2.1)";
    /// The request was checked by a server of another issuer; shown on a page.
    OtherIssuer = InvalidRequest, "a request to another issuer (RFC 9207 section 2)";
    /// The resource is none that this server issues tokens for, or none of the grant.
    ResourceUnknown = InvalidTarget, "an unknown resource (RFC 8707 section 2)";
    /// More resources than one grant can be for.
    TooManyResources = InvalidTarget, "too many resources (RFC 8707 section 2)";
    /// The redirect URI is not registered; shown on a page.
    RedirectUriUnknown = InvalidRequest, "an unregistered redirect URI (RFC 6749 section 4.1.2.1)";
    /// The client has to push its requests.
    NotPushed = InvalidRequest, "the client has to push its request (RFC 9126 section 6)";
    /// The pushed request is none of this client's, has expired or was answered; shown on a page.
    PushedRequestUnknown = InvalidRequest, "an unknown request_uri (RFC 9126 section 4)";
    /// A pushed request refers to another one.
    RequestUriPushed = InvalidRequest, "request_uri in a pushed request (RFC 9126 section 2.1)";
    /// The pushed request is longer than what is stored for a stranger.
    PushedRequestTooLong = InvalidRequest, "the pushed request is longer than its limit (RFC 9126 section 2.3)";
    /// The response type is none of the server's.
    ResponseTypeUnknown = UnsupportedResponseType, "an unsupported response_type (RFC 6749 section 4.1.2.1)";
    /// The PKCE challenge is missing.
    ChallengeMissing = InvalidRequest, "code_challenge is missing (RFC 7636 section 4.4.1)";
    /// The PKCE method is not S256.
    ChallengeMethod = InvalidRequest, "code_challenge_method has to be S256 (RFC 7636 section 4.4.1)";
    /// The PKCE challenge is not an S256 challenge.
    ChallengeMalformed = InvalidRequest, "a malformed code_challenge (RFC 7636 section 4.2)";
    /// A request object was sent.
    RequestObject = RequestNotSupported, "request objects are not supported (RFC 9101 section 7)";
    /// A request object was sent by reference.
    RequestUri = RequestUriNotSupported, "request_uri is not supported (RFC 9101 section 7)";
    /// The hint is no ID token of this server, or not for the client that sends it; shown on a page where
    /// the person is sent to log out.
    IdTokenHint = InvalidRequest, "id_token_hint is no ID token that this server made for the client (OpenID Connect Core section 3.1.2.1)";
    /// No bearer token can be found in the request.
    Bearer(BearerError) = InvalidRequest, "{0}";
    /// The access token is none of this server's, or its record is gone.
    AccessTokenUnknown = InvalidToken, "an unknown access token (RFC 6750 section 3.1)";
    /// The access token has expired.
    AccessTokenExpired = InvalidToken, "the access token has expired (RFC 6750 section 3.1)";
    /// The grant of the access token has ended, or its person is suspended.
    AccessTokenRevoked = InvalidToken, "the grant of the access token has ended (RFC 6750 section 3.1)";
    /// The access token is a client's own.
    AccessTokenOfClient = InvalidToken, "the access token speaks for no person (OpenID Connect Core section 5.3)";
    /// The access token does not come from an OpenID Connect request.
    OpenIdMissing = InsufficientScope, "the access token lacks the scope openid (OpenID Connect Core section 5.3)";
    /// The sealed interaction is too old.
    InteractionExpired = InvalidRequest, "the page was open for too long";
    /// The interaction was answered before.
    AlreadyAnswered = InvalidRequest, "the request was answered before";
    /// The person said no.
    Refused = AccessDenied, "the resource owner refused (RFC 6749 section 4.1.2.1)";
    /// Nobody is signed in, or too long ago, and no page may be shown.
    LoginNeeded = LoginRequired, "a login is needed (OpenID Connect Core section 3.1.2.6)";
    /// Another person than the client expects.
    OtherSubject = LoginRequired, "another person than the client expects (OpenID Connect Core section 3.1.2.1)";
    /// The person was not authenticated as the client requires.
    AuthenticationTooWeak = UnmetAuthenticationRequirements, "the authentication is not what the client requires (RFC 9470 section 5)";
    /// An account has to be chosen, and no page may be shown.
    AccountNeeded = AccountSelectionRequired, "an account has to be chosen (OpenID Connect Core section 3.1.2.6)";
    /// The host has to show a page, and none may be shown.
    PageNeeded = InteractionRequired, "a page is needed (OpenID Connect Core section 3.1.2.6)";
    /// Consent is needed, and no page may be shown.
    ConsentNeeded = ConsentRequired, "consent is needed (OpenID Connect Core section 3.1.2.6)";
    /// The host could not keep the grant.
    StoreFailed = ServerError, "the server could not keep the grant (RFC 6749 section 4.1.2.1)";
    /// The token could not be signed.
    SigningFailed = ServerError, "the server could not sign the token";
}

/// A refusal: an answer, never a failure of the server.
///
/// On the wire the code is followed by a description for a developer, but for `invalid_client`,
/// `invalid_grant`, `invalid_token` and `server_error`: those would tell a guesser how close the guess was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Denial {
    /// What goes on the wire.
    pub code: ErrorCode,
    /// Which rule it was, for logs and tests.
    pub reason: Reason,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.reason)
    }
}

impl From<Reason> for Denial {
    fn from(reason: Reason) -> Self {
        Self { code: reason.code(), reason }
    }
}

impl Denial {
    /// Tells whether the wire may say more than the code: for credentials it may not, or the answer
    /// would tell a guesser how close the guess was.
    #[must_use]
    pub(crate) const fn is_described(self) -> bool {
        !matches!(
            self.code,
            ErrorCode::InvalidClient
                | ErrorCode::InvalidGrant
                | ErrorCode::InvalidToken
                | ErrorCode::ServerError
        )
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeSet, string::ToString};

    use super::*;

    pub(super) trait Sample {
        const SAMPLE: Self;
    }

    impl Sample for FormError {
        const SAMPLE: Self = Self::Repeated("redirect_uri");
    }

    impl Sample for BearerError {
        const SAMPLE: Self = Self::SeveralMethods;
    }

    impl Sample for ScopeError {
        const SAMPLE: Self = Self::Character;
    }

    impl Sample for VerifyError {
        const SAMPLE: Self = Self::Signature;
    }

    impl Sample for &'static str {
        const SAMPLE: Self = "redirect_uri";
    }

    /// It becomes `error_description`, at both endpoints.
    #[test]
    fn rfc6749_4_1_2_1_every_reason_keeps_the_grammar_of_a_description() {
        for reason in Reason::samples() {
            let text = reason.to_string();
            let printable = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            assert!(!text.is_empty() && text.bytes().all(printable), "{text}");
        }
    }

    #[test]
    fn every_reason_has_a_text_of_its_own() {
        let texts: BTreeSet<_> = Reason::samples().iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), Reason::samples().len());
    }

    #[test]
    fn rfc6749_5_2_the_status_goes_with_the_code() {
        for reason in Reason::samples() {
            let denial = Denial::from(reason);
            let status = match denial.code.as_str() {
                _ if reason == Reason::NotPost => 405,
                _ if reason == Reason::PushedRequestTooLong => 413,
                "invalid_client" => 401,
                "server_error" => 500,
                _ => 400,
            };
            assert_eq!((denial.status(), denial.code), (status, reason.code()), "{reason:?}");
        }
    }

    /// How close a guess came is for the log, not for the guesser.
    #[test]
    fn what_concerns_credentials_is_not_described_on_the_wire() {
        for reason in Reason::samples() {
            let response = Denial::from(reason).to_response();
            let body = alloc::string::String::from_utf8(response.body).unwrap();
            let is_silent = ["invalid_client", "invalid_grant", "invalid_token", "server_error"]
                .contains(&reason.code().as_str());
            assert_eq!(body.contains("error_description"), !is_silent, "{body}");
        }
    }
}
