//! The authorization request: the way out to the provider
//! ([RFC 6749 section 4.1.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1)).

use alloc::{
    borrow::Cow,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;
use core::time::Duration;

use grantry_core::{CodeChallenge, CodeVerifier, Moment, Scope, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Client, Pending, redirect_uri};

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
    "response_mode",
    "request",
    "request_uri",
];

/// Parameters that may repeat ([RFC 8707 section 2](https://www.rfc-editor.org/rfc/rfc8707#section-2)).
const MANY: &[&str] = &["resource", "audience"];

/// What one flow asks for.
///
/// With the scope `openid` it is a login and ends with an ID token.
#[derive(Clone)]
pub struct AuthorizationRequest {
    scope: Scope,
    parameters: Vec<(String, String)>,
    max_age: Option<Duration>,
    acr_values: Option<String>,
    response_mode: ResponseMode,
    loopback_port: Option<u16>,
    without_state: bool,
}

impl AuthorizationRequest {
    /// The longest list of required authentication context classes, in bytes: it is stored with the flow.
    pub const MAX_ACR_VALUES_BYTES: usize = 1024;

    /// Asks for a scope; the empty scope leaves the choice to the provider.
    #[must_use]
    pub const fn new(scope: Scope) -> Self {
        Self {
            scope,
            parameters: Vec::new(),
            max_age: None,
            acr_values: None,
            response_mode: ResponseMode::Query,
            loopback_port: None,
            without_state: false,
        }
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

    /// Asks that the person signs in by one of these authentication context classes, separated by spaces and the
    /// best one first, and has the ID token checked for it
    /// ([OpenID Connect Core section 3.1.3.7](https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation), step 12).
    ///
    /// For a wish that may remain one, set `acr_values` by [`AuthorizationRequest::with_parameter`].
    #[must_use]
    pub fn with_required_acr_values(mut self, acr_values: impl Into<String>) -> Self {
        self.acr_values = Some(acr_values.into());
        self
    }

    /// Sets how the answer comes back; no other way is then accepted.
    #[must_use]
    pub const fn with_response_mode(mut self, response_mode: ResponseMode) -> Self {
        self.response_mode = response_mode;
        self
    }

    /// Has the browser come back to the port of a listener on this machine, for a native app whose client is
    /// registered with a redirect URI on loopback, as `http://127.0.0.1/callback`
    /// ([RFC 8252 section 7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3)).
    #[must_use]
    pub const fn with_loopback_port(mut self, port: u16) -> Self {
        self.loopback_port = Some(port);
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

/// How the answer of an authorization request comes back
/// ([OAuth 2.0 Multiple Response Types section 2.1](https://openid.net/specs/oauth-v2-multiple-response-types-1_0.html#ResponseModes)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResponseMode {
    /// In the query of the redirect URI, to [`Client::callback`].
    #[default]
    Query,
    /// In the body of a POST, to [`Client::form_post_callback`]: the code stays out of histories and logs
    /// ([OAuth 2.0 Form Post Response Mode](https://openid.net/specs/oauth-v2-form-post-response-mode-1_0.html)).
    FormPost,
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
    /// [`AuthorizationError::PushRequired`] when the provider takes nothing but what [`Client::push`]
    /// makes, [`AuthorizationError::NoAuthorizationEndpoint`] when it sends no one to itself,
    /// [`AuthorizationError::NoRedirectUri`] for a client without one,
    /// [`AuthorizationError::S256NotSupported`] when the provider's list of PKCE methods lacks S256,
    /// [`AuthorizationError::LoopbackPort`] for a port where the redirect URI has none to vary,
    /// [`AuthorizationError::AcrValues`] for too long a list,
    /// [`AuthorizationError::ReservedParameter`] and [`AuthorizationError::RepeatedParameter`] for a
    /// further parameter that the library writes itself or that would stand twice in the URL.
    #[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
    pub fn authorize(
        &self,
        request: AuthorizationRequest,
        moment: Moment,
    ) -> Result<(Url, Pending), AuthorizationError> {
        // RFC 9126 section 5.
        if self.provider().requires_push() {
            return Err(AuthorizationError::PushRequired);
        }
        let flow = self.start(request, &moment)?;
        let mut url = flow.authorization_endpoint.clone();
        url.query_pairs_mut().extend_pairs(flow.parameters());
        Ok((url, flow.pending))
    }

    /// Checks a request and draws its secrets.
    pub(crate) fn start(
        &self,
        mut request: AuthorizationRequest,
        moment: &Moment,
    ) -> Result<Flow, AuthorizationError> {
        // RFC 9700 section 2.1.1: PKCE is never silently left out or weakened.
        if self.provider().lacks_s256() {
            return Err(AuthorizationError::S256NotSupported);
        }
        let endpoint =
            self.provider().authorization_url().ok_or(AuthorizationError::NoAuthorizationEndpoint)?;
        let registered = self.redirect_uri().ok_or(AuthorizationError::NoRedirectUri)?;
        let redirect_uri = match request.loopback_port {
            Some(port) => {
                redirect_uri::with_loopback_port(registered, port).ok_or(AuthorizationError::LoopbackPort)?
            }
            None => registered.into(),
        };
        let is_login = request.scope.contains("openid");
        if !is_login && (request.max_age.is_some() || request.acr_values.is_some()) {
            return Err(AuthorizationError::NoLogin);
        }
        if let Some(acr_values) = &request.acr_values {
            if acr_values.len() > AuthorizationRequest::MAX_ACR_VALUES_BYTES {
                return Err(AuthorizationError::AcrValues);
            }
            request.parameters.push((String::from("acr_values"), acr_values.clone()));
        }
        check_parameters(endpoint, &request.parameters)?;
        let random = |label: &str| SecretString::from(moment.random_text(label));
        let pending = Pending {
            issuer: self.provider().issuer().clone(),
            client_id: self.client_id().clone(),
            redirect_uri,
            state: (!request.without_state).then(|| random("state")),
            nonce: is_login.then(|| random("nonce")),
            code_verifier: CodeVerifier::generate(moment),
            scope: request.scope,
            max_age: request.max_age,
            acr_values: request.acr_values,
            response_mode: request.response_mode,
            created: moment.time(),
        };
        Ok(Flow { authorization_endpoint: endpoint.clone(), pending, further: request.parameters })
    }
}

impl fmt::Debug for AuthorizationRequest {
    /// Shows the names of further parameters: an `id_token_hint` or a `login_hint` says who the person is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationRequest")
            .field("scope", &self.scope)
            .field("parameters", &names(&self.parameters))
            .finish_non_exhaustive()
    }
}

fn names(parameters: &[(String, String)]) -> Vec<&str> {
    parameters.iter().map(|(name, _)| name.as_str()).collect()
}

/// A flow that is about to start.
pub(crate) struct Flow {
    pub(crate) authorization_endpoint: Url,
    pub(crate) pending: Pending,
    further: Vec<(String, String)>,
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flow")
            .field("pending", &self.pending)
            .field("further", &names(&self.further))
            .finish_non_exhaustive()
    }
}

impl Flow {
    /// Returns what the provider is told
    /// ([RFC 6749 section 4.1.1](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1)).
    pub(crate) fn parameters(&self) -> Vec<(&str, Cow<'_, str>)> {
        let Self { pending, further, .. } = self;
        let scope = Some(pending.scope.as_str()).filter(|scope| !scope.is_empty());
        let challenge = String::from(pending.code_verifier.challenge().as_str());
        // Multiple Response Types section 2.1: for a code the query is the default.
        let response_mode = match pending.response_mode {
            ResponseMode::Query => None,
            ResponseMode::FormPost => Some(Cow::Borrowed("form_post")),
        };
        let parameters = [
            ("response_type", Some(Cow::Borrowed("code"))),
            ("response_mode", response_mode),
            ("client_id", Some(Cow::Borrowed(pending.client_id.as_str()))),
            ("redirect_uri", Some(Cow::Borrowed(pending.redirect_uri.as_str()))),
            ("scope", scope.map(Cow::Borrowed)),
            ("state", pending.state.as_ref().map(|state| Cow::Borrowed(state.expose()))),
            ("nonce", pending.nonce.as_ref().map(|nonce| Cow::Borrowed(nonce.expose()))),
            ("max_age", pending.max_age.map(|age| Cow::Owned(age.as_secs().to_string()))),
            ("code_challenge", Some(Cow::Owned(challenge))),
            ("code_challenge_method", Some(Cow::Borrowed(CodeChallenge::METHOD))),
        ];
        let further = further.iter().map(|(name, value)| (name.as_str(), Cow::Borrowed(value.as_str())));
        parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).chain(further).collect()
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
    /// The provider takes pushed authorization requests alone.
    #[error("the provider requires pushed authorization requests (RFC 9126 section 5)")]
    PushRequired,
    /// The provider takes no pushed authorization requests.
    #[error("the provider has no pushed authorization request endpoint (RFC 9126 section 5)")]
    NoPushEndpoint,
    /// The provider has no authorization endpoint.
    #[error("the provider has no authorization endpoint (RFC 8414 section 2)")]
    NoAuthorizationEndpoint,
    /// A `max_age` or an `acr` is required without the scope `openid`: there is no ID token to check for it.
    #[error("without the scope openid there is no ID token to check (OpenID Connect Core section 3.1.2.1)")]
    NoLogin,
    /// The client has no redirect URI for the browser to come back to.
    #[error("the client has no redirect_uri (RFC 6749 section 3.1.2)")]
    NoRedirectUri,
    /// A port was given, and the client's redirect URI is not `http` on a loopback address; or the port is
    /// zero.
    #[error("the redirect_uri has no loopback port that could vary (RFC 8252 section 7.3)")]
    LoopbackPort,
    /// The required authentication context classes are longer than
    /// [`AuthorizationRequest::MAX_ACR_VALUES_BYTES`].
    #[error("the required acr_values are longer than 1024 bytes")]
    AcrValues,
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
