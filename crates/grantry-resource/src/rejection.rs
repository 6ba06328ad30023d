//! The answer to a request without a good token
//! ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).

use alloc::string::ToString;

use grantry_core::bearer::BearerError;
use grantry_core::form::FormError;
use grantry_core::{Challenge, ErrorCode, HttpResponse};
use grantry_jwt::VerifyError;

use crate::Requirement;

/// A refused request: what the client is told, and the reason for the host's log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Rejection {
    reason: Reason,
    challenge: Challenge,
}

impl Rejection {
    pub(crate) fn new(
        reason: Reason,
        realm: &str,
        metadata_url: Option<&str>,
        required: &Requirement,
    ) -> Self {
        let challenge = reason.fault().challenge(Challenge::new("Bearer").with_realm(realm), required);
        let challenge = match metadata_url {
            Some(url) => challenge.with_parameter("resource_metadata", url),
            None => challenge,
        };
        Self { reason, challenge }
    }

    /// Returns the rule that the request breaks. It is for logs and tests, not for the client.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// Returns the status: 401, 403 or 400.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.reason.fault().status()
    }

    /// Returns the error code of the challenge; `None` when the request has no credentials.
    #[must_use]
    pub const fn error_code(&self) -> Option<ErrorCode> {
        self.reason.fault().error_code()
    }

    /// Returns the challenge of the answer, to which parameters can be added.
    pub const fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// Writes the answer, which no cache keeps.
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        HttpResponse::new(self.status())
            .with_header("WWW-Authenticate", self.challenge.to_string())
            .with_header("Cache-Control", "no-store")
    }
}

/// Why a request was refused. No variant holds a piece of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// There is no bearer token ([RFC 6750 section 3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
    #[error("the request has no bearer token (RFC 6750 section 3.1)")]
    NoCredentials,
    /// The field `Authorization` stands twice ([RFC 9110 section 5.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.3)).
    #[error("the Authorization field stands twice (RFC 9110 section 5.3)")]
    SeveralAuthorizationFields,
    /// What stands in the place of a token is none ([RFC 6750 section 2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
    #[error("the bearer credentials are malformed (RFC 6750 section 2.1)")]
    MalformedCredentials,
    /// Tokens came in several ways ([RFC 6750 section 2](https://www.rfc-editor.org/rfc/rfc6750#section-2)).
    #[error("the request uses several ways to carry a token (RFC 6750 section 2)")]
    SeveralMethods,
    /// The form or query that may hold a token cannot be read.
    #[error("the form or query that may hold a token cannot be read: {0}")]
    Form(FormError),
    /// The token is not a good JWT access token ([RFC 9068 section 4](https://www.rfc-editor.org/rfc/rfc9068#section-4)).
    #[error("the token is not a good access token: {0}")]
    Token(VerifyError),
    /// The token is bound to a key by `cnf`, and no proof is read here
    /// ([RFC 9449 section 7.2](https://www.rfc-editor.org/rfc/rfc9449#section-7.2)).
    #[error("the token is bound to a key of its client (RFC 9449 section 7.2, RFC 8705 section 3)")]
    SenderConstrained,
    /// The authorization server says that the token is not active
    /// ([RFC 7662 section 2.2](https://www.rfc-editor.org/rfc/rfc7662#section-2.2)), or its time is over or has not come.
    #[error("the token is not active (RFC 7662 section 2.2)")]
    Inactive,
    /// The introspected token is from another issuer.
    #[error("the introspected token is from another issuer (RFC 7662 section 2.2)")]
    OtherIssuer,
    /// The introspected token is for another audience, or for none that the answer names.
    #[error("the introspected token is for another audience (RFC 7662 section 2.2)")]
    OtherAudience,
    /// The introspection answer does not say `token_type` Bearer: the token is a refresh token, or of
    /// another scheme ([RFC 6749 section 7.1](https://www.rfc-editor.org/rfc/rfc6749#section-7.1)).
    #[error("the introspected token is no bearer token (RFC 7662 section 2.2)")]
    NotBearer,
    /// The introspection answer has no `sub` or no `client_id`, so a user's token and a client's
    /// cannot be told apart.
    #[error("the introspection answer names no subject or no client (RFC 7662 section 2.2)")]
    Anonymous,
    /// The token lacks a scope that the request needs
    /// ([RFC 6750 section 3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
    #[error("the token lacks a scope that the request needs (RFC 6750 section 3.1)")]
    InsufficientScope,
    /// The person's login is of none of the authentication contexts that the request needs
    /// ([RFC 9470 section 3](https://www.rfc-editor.org/rfc/rfc9470#section-3)).
    #[error("the login is of another authentication context than the request needs (RFC 9470 section 3)")]
    WeakAuthentication,
    /// The person's login is longer ago than the request needs, or the token does not tell
    /// ([RFC 9470 section 3](https://www.rfc-editor.org/rfc/rfc9470#section-3)).
    #[error("the login is longer ago than the request needs (RFC 9470 section 3)")]
    OldAuthentication,
}

impl Reason {
    const fn fault(self) -> Fault {
        match self {
            Self::NoCredentials => Fault::NoCredentials,
            Self::SeveralAuthorizationFields
            | Self::MalformedCredentials
            | Self::SeveralMethods
            | Self::Form(_) => Fault::Request,
            Self::Token(_)
            | Self::SenderConstrained
            | Self::Inactive
            | Self::OtherIssuer
            | Self::OtherAudience
            | Self::NotBearer
            | Self::Anonymous => Fault::Token,
            Self::InsufficientScope => Fault::Scope,
            Self::WeakAuthentication | Self::OldAuthentication => Fault::Authentication,
        }
    }
}

impl From<BearerError> for Reason {
    fn from(error: BearerError) -> Self {
        match error {
            BearerError::NoCredentials => Self::NoCredentials,
            BearerError::SeveralAuthorizationFields => Self::SeveralAuthorizationFields,
            BearerError::MalformedCredentials => Self::MalformedCredentials,
            BearerError::TooLong => Self::Token(VerifyError::TooLong),
            BearerError::SeveralMethods => Self::SeveralMethods,
            BearerError::Form(error) => Self::Form(error),
        }
    }
}

/// What the client is told; it learns nothing more about a token from any text.
#[derive(Clone, Copy)]
enum Fault {
    NoCredentials,
    Request,
    Token,
    Scope,
    Authentication,
}

// RFC 6750 section 3.1, RFC 9470 section 3.
impl Fault {
    const fn status(self) -> u16 {
        match self {
            Self::NoCredentials | Self::Token | Self::Authentication => 401,
            Self::Request => 400,
            Self::Scope => 403,
        }
    }

    const fn error_code(self) -> Option<ErrorCode> {
        match self {
            Self::NoCredentials => None,
            Self::Request => Some(ErrorCode::InvalidRequest),
            Self::Token => Some(ErrorCode::InvalidToken),
            Self::Scope => Some(ErrorCode::InsufficientScope),
            Self::Authentication => Some(ErrorCode::InsufficientUserAuthentication),
        }
    }

    fn challenge(self, challenge: Challenge, required: &Requirement) -> Challenge {
        let challenge = match self.error_code() {
            Some(code) => challenge.with_error(code),
            None => challenge,
        };
        match self {
            Self::NoCredentials => challenge,
            Self::Request => challenge
                .with_error_description("The request must carry exactly one well-formed access token"),
            Self::Token => challenge.with_error_description(
                "The access token is expired, revoked, malformed or not for this resource",
            ),
            Self::Scope => required.add_scope(
                challenge.with_error_description("The request needs a scope that the access token lacks"),
            ),
            Self::Authentication => {
                let text = "The request needs a stronger or more recent login";
                required.add_authentication(required.add_scope(challenge.with_error_description(text)))
            }
        }
    }
}
