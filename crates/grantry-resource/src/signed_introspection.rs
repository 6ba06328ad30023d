//! Introspection answers that the authorization server signs
//! ([RFC 9701](https://www.rfc-editor.org/rfc/rfc9701)).

use core::time::Duration;

use grantry_core::{HttpRequest, HttpResponse, SecretString, UnixTime};
use grantry_jwt::{JwkSet, Verified, Verifier};
use serde::de::IgnoredAny;

use crate::introspection::body;
use crate::{Introspected, Introspection, IntrospectionError};

/// An introspection endpoint that answers with signed JWTs, so that an answer can be shown to others later.
///
/// It takes the place of the [`Introspection`] that it is made from, and takes no answer that is not signed: one that
/// anybody could have written proves nothing. Encrypted answers are not read.
#[derive(Clone, Debug)]
pub struct SignedIntrospection {
    introspection: Introspection,
    verifier: Verifier,
}

impl SignedIntrospection {
    pub(crate) fn new(introspection: Introspection) -> Self {
        // RFC 9701 section 5: the answer is for who asked, and has no `exp`, for it is about now.
        let verifier = Verifier::new(introspection.issuer().as_str(), introspection.client_id().as_str())
            .with_typ("token-introspection+jwt")
            .require("iat")
            .require("token_introspection")
            .danger_optional_expiration();
        Self { introspection, verifier }
    }

    /// Allows clocks to differ, in whole seconds, for a server that limits its answers in time; the default is none,
    /// and more than [`Verifier::MAX_LEEWAY`] counts as that.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.verifier = self.verifier.with_leeway(leeway);
        self
    }

    /// Writes the request about a token
    /// ([RFC 9701 section 4](https://www.rfc-editor.org/rfc/rfc9701#section-4)).
    #[must_use]
    pub fn request(&self, token: &SecretString) -> HttpRequest {
        self.introspection.request_for(token, MEDIA_TYPE)
    }

    /// Reads the answer with the keys of the issuer and no other's
    /// ([RFC 9701 section 5](https://www.rfc-editor.org/rfc/rfc9701#section-5)).
    ///
    /// # Errors
    ///
    /// [`IntrospectionError`]: the server gave no answer about the token. After [`IntrospectionError::Signed`] with
    /// [`UnknownKey`](grantry_jwt::VerifyError::UnknownKey) the same response may be read once more with newer keys.
    /// Else the host answers 503, never as if the token were good, and never as if it were bad.
    pub fn response(
        &self,
        response: &HttpResponse,
        keys: &JwkSet,
        now: UnixTime,
    ) -> Result<Introspected, IntrospectionError> {
        let token = body(response, MEDIA_TYPE)?;
        let verified: Verified<'_, IgnoredAny> =
            self.verifier.verify(token, keys, now).map_err(IntrospectionError::Signed)?;
        Ok(Introspected::from_signed_answer(self.introspection.issuer(), verified.payload())?)
    }
}

const MEDIA_TYPE: &str = "application/token-introspection+jwt";
