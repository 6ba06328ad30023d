//! The authorization request: the way out to the provider
//! ([RFC 6749 section 4.1.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1)).

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::time::Duration;

use grantry_core::{CodeChallenge, CodeVerifier, Moment, Scope, SecretString};
use url::Url;

use crate::{Client, Pending};

/// What the library writes itself, and the two that would replace all of it
/// ([RFC 9101 section 5](https://www.rfc-editor.org/rfc/rfc9101#section-5)).
const RESERVED: &[&str] = &[
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "max_age",
    "request",
    "request_uri",
];

/// Parameters that may repeat ([RFC 8707 section 2](https://www.rfc-editor.org/rfc/rfc8707#section-2)).
const MANY: &[&str] = &["resource", "audience"];

/// What one flow asks for.
///
/// With the scope `openid` it is a login and ends with an ID token.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest {
    scope: Scope,
    parameters: Vec<(String, String)>,
    max_age: Option<Duration>,
    without_state: bool,
}

impl AuthorizationRequest {
    /// Asks for a scope; the empty scope leaves the choice to the provider.
    #[must_use]
    pub const fn new(scope: Scope) -> Self {
        Self { scope, parameters: Vec::new(), max_age: None, without_state: false }
    }

    /// Adds a further parameter, for example `prompt`, `login_hint` or `resource`.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Asks that the person signed in at most this long before the flow starts, in whole seconds, and
    /// has the ID token checked for it ([OpenID Connect Core section 3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)).
    #[must_use]
    pub const fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Sends no `state`, for a provider that fails on it. Then PKCE alone binds the answer to this
    /// flow, which holds only if the provider enforces it
    /// ([RFC 9700 section 2.1](https://www.rfc-editor.org/rfc/rfc9700#section-2.1)).
    #[must_use]
    pub const fn danger_without_state(mut self) -> Self {
        self.without_state = true;
        self
    }
}

impl Client {
    /// Starts a flow: where to send the browser, and what the host keeps until it returns.
    ///
    /// `state`, `nonce` and the PKCE verifier come from the moment, 256 bits each. It is used up: two
    /// flows of one moment would have the same secrets, and each provider would know the other's.
    ///
    /// ```compile_fail,E0382
    /// # fn twice(client: grantry_client::Client, request: grantry_client::AuthorizationRequest, moment: grantry_core::Moment) {
    /// let first = client.authorize(request.clone(), moment);
    /// let second = client.authorize(request, moment);
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`AuthorizationError::NoRedirectUri`] for a client without one,
    /// [`AuthorizationError::S256NotSupported`] when the provider's list of PKCE methods lacks S256,
    /// [`AuthorizationError::ReservedParameter`] and [`AuthorizationError::RepeatedParameter`] for a
    /// further parameter that the library writes itself or that would stand twice in the URL.
    #[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
    pub fn authorize(
        &self,
        request: AuthorizationRequest,
        moment: Moment,
    ) -> Result<(Url, Pending), AuthorizationError> {
        // RFC 9700 section 2.1.1: PKCE is never silently left out or weakened.
        if self.provider().lacks_s256() {
            return Err(AuthorizationError::S256NotSupported);
        }
        let redirect_uri = self.redirect_uri().ok_or(AuthorizationError::NoRedirectUri)?;
        check_parameters(self.provider().authorization_url(), &request.parameters)?;
        let random = |label: &str| SecretString::from(moment.random_text(label));
        let pending = Pending {
            issuer: self.provider().issuer().clone(),
            client_id: self.client_id().clone(),
            redirect_uri: redirect_uri.into(),
            state: (!request.without_state).then(|| random("state")),
            nonce: request.scope.contains("openid").then(|| random("nonce")),
            code_verifier: CodeVerifier::generate(&moment),
            scope: request.scope,
            max_age: request.max_age,
            created: moment.time(),
        };
        Ok((self.authorization_url(&pending, &request.parameters), pending))
    }

    fn authorization_url(&self, pending: &Pending, parameters: &[(String, String)]) -> Url {
        let mut url = self.provider().authorization_url().clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", self.client_id().as_str())
            .append_pair("redirect_uri", &pending.redirect_uri);
        if !pending.scope.is_empty() {
            query.append_pair("scope", &pending.scope.to_string());
        }
        if let Some(state) = &pending.state {
            query.append_pair("state", state.expose());
        }
        if let Some(nonce) = &pending.nonce {
            query.append_pair("nonce", nonce.expose());
        }
        if let Some(max_age) = pending.max_age {
            query.append_pair("max_age", &max_age.as_secs().to_string());
        }
        query
            .append_pair("code_challenge", pending.code_verifier.challenge().as_str())
            .append_pair("code_challenge_method", CodeChallenge::METHOD)
            .extend_pairs(parameters);
        drop(query);
        url
    }
}

// RFC 6749 section 3.1: parameters stand once, those of the endpoint's own query included.
fn check_parameters(endpoint: &Url, parameters: &[(String, String)]) -> Result<(), AuthorizationError> {
    let mut seen: Vec<String> = Vec::new();
    let further = parameters.iter().map(|(name, _)| name.clone());
    for name in endpoint.query_pairs().map(|(name, _)| name.into_owned()).chain(further) {
        if let Some(reserved) = RESERVED.iter().find(|reserved| **reserved == name) {
            return Err(AuthorizationError::ReservedParameter(reserved));
        }
        if seen.contains(&name) && !MANY.contains(&name.as_str()) {
            return Err(AuthorizationError::RepeatedParameter);
        }
        seen.push(name);
    }
    Ok(())
}

/// Why no authorization request can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizationError {
    /// The client has no redirect URI for the browser to come back to.
    #[error("the client has no redirect_uri (RFC 6749 section 3.1.2)")]
    NoRedirectUri,
    /// The provider lists PKCE methods, and S256 is not among them.
    #[error("the provider does not support PKCE with S256 (RFC 9700 section 2.1.1)")]
    S256NotSupported,
    /// The named parameter is written by the library.
    #[error("the parameter {0} can't be set by hand")]
    ReservedParameter(&'static str),
    /// A parameter would stand twice.
    #[error("a parameter would stand twice (RFC 6749 section 3.1)")]
    RepeatedParameter,
}
