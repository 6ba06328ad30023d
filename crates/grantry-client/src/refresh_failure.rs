//! What a refresh that brought no tokens says about the grant.

use grantry_core::ErrorCode;

use crate::{ResponseError, TokenError};

/// How a request brought no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a host that knows no more says that it got no answer")]
pub enum SendFailure {
    /// The request did not reach the provider: no name, no connection, no handshake.
    NotSent,
    /// No answer came, and the provider may have read the request.
    Unanswered,
}

/// What a failed refresh says about the grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The grant is gone.
    GrantGone,
    /// The provider does not serve this client as it is configured; the refresh token stands.
    ClientRefused,
    /// The refresh token was not taken.
    NotTaken,
    /// The refresh token may have been taken.
    Unknown,
}

impl Meaning {
    pub(crate) fn of(error: &TokenError) -> Self {
        match error {
            TokenError::Refused { refusal, status } => Self::of_refusal(refusal.code(), *status),
            TokenError::Response(ResponseError::Status { status, .. }) => Self::of_status(*status),
            TokenError::Response(
                ResponseError::ContentType
                | ResponseError::Json(_)
                | ResponseError::ErrorBesideToken
                | ResponseError::TokenType
                | ResponseError::Token
                | ResponseError::Scope(_),
            )
            | TokenError::IdToken(_) => Self::Unknown,
        }
    }

    fn of_refusal(code: Option<ErrorCode>, status: u16) -> Self {
        // A server that fails says nothing about the grant, whatever it writes.
        if status == 429 || status >= 500 {
            return Self::of_status(status);
        }
        match code {
            // RFC 6749 section 5.2
            Some(ErrorCode::InvalidGrant) => Self::GrantGone,
            Some(ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable) => Self::Unknown,
            Some(_) | None => Self::ClientRefused,
        }
    }

    const fn of_status(status: u16) -> Self {
        match status {
            // RFC 9110 sections 15.5.9 and 15.6: what times out or fails in the middle may have happened; 503 and
            // 429 come before anything does.
            429 | 503 => Self::NotTaken,
            408 | 500..=599 => Self::Unknown,
            300..=499 => Self::NotTaken,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_whether_the_refresh_token_may_have_been_taken() {
        for (status, meaning) in [
            (200, Meaning::Unknown),
            (204, Meaning::Unknown),
            (302, Meaning::NotTaken),
            (404, Meaning::NotTaken),
            (408, Meaning::Unknown),
            (429, Meaning::NotTaken),
            (500, Meaning::Unknown),
            (502, Meaning::Unknown),
            (503, Meaning::NotTaken),
            (504, Meaning::Unknown),
        ] {
            assert_eq!(Meaning::of_status(status), meaning, "{status}");
        }
    }

    #[test]
    fn rfc6749_5_2_invalid_grant_alone_ends_a_session() {
        for code in ErrorCode::ALL {
            let is_transient = matches!(code, ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable);
            let otherwise = if is_transient { Meaning::Unknown } else { Meaning::ClientRefused };
            let expected = if *code == ErrorCode::InvalidGrant { Meaning::GrantGone } else { otherwise };
            assert_eq!(Meaning::of_refusal(Some(*code), 400), expected, "{code}");
        }
        assert_eq!(Meaning::of_refusal(None, 400), Meaning::ClientRefused);
        assert_eq!(Meaning::of_refusal(Some(ErrorCode::InvalidGrant), 500), Meaning::Unknown);
        assert_eq!(Meaning::of_refusal(Some(ErrorCode::InvalidGrant), 503), Meaning::NotTaken);
        assert_eq!(Meaning::of_refusal(Some(ErrorCode::InvalidGrant), 429), Meaning::NotTaken);
    }
}
