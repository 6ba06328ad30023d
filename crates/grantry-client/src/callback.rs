//! The authorization response: the way back from the provider
//! ([RFC 6749 section 4.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2)).

use grantry_core::form::{self, Form, FormError, Known};
use grantry_core::{SecretString, UnixTime};

use crate::client::ForeignOwner;
use crate::{Client, CodeExchange, Pending, Refusal, ResponseMode};

/// `error_description` is not here: it is read apart, for the line breaks that some providers put
/// into it must not hide the error.
const KNOWN: Known =
    Known { once: &["code", "state", "iss", "error", "access_token", "id_token", "token_type"], many: &[] };

/// What another response type would bring: tokens never travel through the browser
/// ([RFC 9700 section 2.1.2](https://www.rfc-editor.org/rfc/rfc9700#section-2.1.2)).
const TOKENS: &[&str] = &["access_token", "id_token", "token_type"];

impl Client {
    /// Checks the answer that the browser brought and makes the exchange of its code.
    ///
    /// `query` is the raw query of the redirect URI, without decoding. Unknown parameters are ignored.
    /// Show no part of the query before this returns: until then a stranger may have written it.
    ///
    /// # Errors
    ///
    /// [`CallbackError`], in the order of its variants; only [`CallbackError::Refused`] is the
    /// provider's own answer.
    pub fn callback(
        &self,
        pending: Pending,
        query: &str,
        now: UnixTime,
    ) -> Result<CodeExchange<'_>, CallbackError> {
        self.answered(pending, ResponseMode::Query, query, now)
    }

    /// Checks the answer that the browser brought in a POST, for a flow with [`ResponseMode::FormPost`], as
    /// [`Client::callback`] does.
    ///
    /// `body` is the raw body, without decoding. The POST comes from the provider's page, so that a session
    /// cookie with `SameSite=Lax` is not sent with it
    /// ([OAuth 2.0 Form Post Response Mode](https://openid.net/specs/oauth-v2-form-post-response-mode-1_0.html)).
    ///
    /// # Errors
    ///
    /// As [`Client::callback`].
    pub fn form_post_callback(
        &self,
        pending: Pending,
        body: &str,
        now: UnixTime,
    ) -> Result<CodeExchange<'_>, CallbackError> {
        self.answered(pending, ResponseMode::FormPost, body, now)
    }

    fn answered(
        &self,
        pending: Pending,
        mode: ResponseMode,
        query: &str,
        now: UnixTime,
    ) -> Result<CodeExchange<'_>, CallbackError> {
        self.check_owner(&pending.issuer, &pending.client_id)?;
        if !self.has_redirect_uri(&pending.redirect_uri) {
            return Err(CallbackError::AnotherClient);
        }
        if now.saturating_since(pending.created) >= Pending::LIFETIME {
            return Err(CallbackError::Expired);
        }
        // Multiple Response Types section 2.1: the answer comes by the mode that was asked.
        if mode != pending.response_mode {
            return Err(CallbackError::ResponseMode);
        }
        let response = Form::parse(query.as_bytes(), &KNOWN)?;
        check_state(&pending, response.get("state"))?;
        self.check_issuer(&pending, response.get("iss"))?;
        if let Some(error) = response.get("error") {
            let description = error_description(query)?;
            let description = description.as_ref().map(SecretString::expose);
            return Err(CallbackError::Refused(Refusal::new(error, description)));
        }
        if response.names().any(|name| TOKENS.contains(&name)) {
            return Err(CallbackError::UnexpectedToken);
        }
        let code = response.get("code").ok_or(CallbackError::CodeMissing)?;
        Ok(CodeExchange { client: self, pending, code: SecretString::from(code) })
    }

    // RFC 9207 section 2.4: compared character by character, whether announced or not.
    fn check_issuer(&self, pending: &Pending, received: Option<&str>) -> Result<(), CallbackError> {
        match received {
            Some(issuer) if issuer == pending.issuer.as_str() => Ok(()),
            Some(_) => Err(CallbackError::IssuerDiffers),
            None if self.provider().announces_iss() => Err(CallbackError::IssuerMissing),
            None => Ok(()),
        }
    }
}

impl From<ForeignOwner> for CallbackError {
    fn from(owner: ForeignOwner) -> Self {
        match owner {
            ForeignOwner::Provider => Self::AnotherProvider,
            ForeignOwner::Client => Self::AnotherClient,
        }
    }
}

// RFC 6749 section 10.12 and RFC 9700 section 4.7.
fn check_state(pending: &Pending, received: Option<&str>) -> Result<(), CallbackError> {
    match (&pending.state, received) {
        (Some(sent), Some(state)) if sent.matches(state) => Ok(()),
        (Some(_), Some(_)) => Err(CallbackError::StateDiffers),
        (Some(_), None) => Err(CallbackError::StateMissing),
        (None, Some(_)) => Err(CallbackError::StateUnexpected),
        (None, None) => Ok(()),
    }
}

fn error_description(query: &str) -> Result<Option<SecretString>, FormError> {
    const NAME: &str = "error_description";
    let decode = |half: Option<&str>| form::decode_component(half.unwrap_or_default());
    let mut found = None;
    for pair in query.split('&') {
        let mut halves = pair.splitn(2, '=');
        if decode(halves.next())?.expose() != NAME {
            continue;
        }
        if found.replace(decode(halves.next())?).is_some() {
            return Err(FormError::Repeated(NAME));
        }
    }
    Ok(found)
}

/// Why an authorization response gives no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// The flow was started at another provider than this client's: the host took the wrong client.
    #[error("the flow was started at another provider")]
    AnotherProvider,
    /// The flow was started by another client of this provider, or for another redirect URI: the host
    /// took the wrong client.
    #[error("the flow was started by another client")]
    AnotherClient,
    /// The flow is older than [`Pending::LIFETIME`].
    #[error("the flow was started more than an hour ago")]
    Expired,
    /// The answer came by another way than was asked: in a query instead of a form, or the other way round.
    #[error("the authorization response came by another response mode")]
    ResponseMode,
    /// The query is malformed, too long or has a parameter twice.
    #[error("the authorization response is malformed: {0}")]
    Malformed(#[from] FormError),
    /// No `state` came back.
    #[error("the authorization response has no state (RFC 6749 section 10.12)")]
    StateMissing,
    /// Another `state` came back: the answer belongs to another flow, or is forged.
    #[error("the authorization response has another state (RFC 6749 section 10.12)")]
    StateDiffers,
    /// A `state` came back although none was sent.
    #[error("the authorization response has a state and none was sent (RFC 6749 section 4.1.2)")]
    StateUnexpected,
    /// No `iss` came although the provider announces it.
    #[error("the authorization response has no iss (RFC 9207 section 2.4)")]
    IssuerMissing,
    /// The answer comes from another provider.
    #[error("the authorization response has another iss (RFC 9207 section 2.4)")]
    IssuerDiffers,
    /// The provider answered with an error.
    #[error("the provider refused: {0}")]
    Refused(Refusal),
    /// A token stands in the query, which no request of this client asks for.
    #[error("the authorization response has a token (RFC 9700 section 2.1.2)")]
    UnexpectedToken,
    /// Neither a code nor an error.
    #[error("the authorization response has no code (RFC 6749 section 4.1.2)")]
    CodeMissing,
}
