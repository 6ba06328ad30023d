//! Signing out at the provider
//! ([OpenID Connect RP-Initiated Logout](https://openid.net/specs/openid-connect-rpinitiated-1_0.html)).

use grantry_core::form::{Form, FormError, Known};
use grantry_core::json::{self, JsonError};
use grantry_core::{Moment, SecretString, UnixTime};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::client::ForeignOwner;
use crate::{Client, IdToken, Pending, Tokens, redirect_uri};

const KNOWN: Known = Known { once: &["state"], many: &[] };

/// A person's way out of the session at the provider. The host ends its own session first.
#[derive(Clone, Debug)]
#[must_use = "nobody is signed out until the browser is sent away"]
pub struct EndSession<'a> {
    client: &'a Client,
    endpoint: &'a Url,
    id_token: &'a IdToken,
}

impl Client {
    /// Makes the way out for the person of a login.
    ///
    /// # Errors
    ///
    /// [`EndSessionError::AnotherProvider`] and [`EndSessionError::AnotherClient`] for tokens that this
    /// client was not issued, [`EndSessionError::NoEndpoint`], [`EndSessionError::NoIdToken`].
    pub fn end_session<'a>(&'a self, tokens: &'a Tokens) -> Result<EndSession<'a>, EndSessionError> {
        self.check_owner(&tokens.issuer, &tokens.client_id)?;
        let endpoint = self.provider().end_session_url().ok_or(EndSessionError::NoEndpoint)?;
        let id_token = tokens.id_token().ok_or(EndSessionError::NoIdToken)?;
        Ok(EndSession { client: self, endpoint, id_token })
    }
}

impl EndSession<'_> {
    /// Returns where to send the browser, which then stays at the provider
    /// ([section 2](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout)). The ID token stands
    /// in the URL as the hint of who signs out: keep it out of logs.
    #[must_use]
    pub fn url(&self) -> Url {
        let mut url = self.endpoint.clone();
        url.query_pairs_mut()
            .append_pair("id_token_hint", self.id_token.raw().expose())
            .append_pair("client_id", self.client.client_id().as_str());
        url
    }

    /// Returns where to send the browser so that it comes back to a registered `post_logout_redirect_uri`, and
    /// what the host keeps until then
    /// ([section 3](https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RedirectionAfterLogout)).
    ///
    /// # Errors
    ///
    /// [`EndSessionError::RedirectUri`] when it is not an absolute URL of visible ASCII characters without
    /// fragment.
    #[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
    pub fn url_returning_to(
        &self,
        post_logout_redirect_uri: &str,
        moment: Moment,
    ) -> Result<(Url, PendingLogout), EndSessionError> {
        redirect_uri::check(post_logout_redirect_uri).map_err(|_| EndSessionError::RedirectUri)?;
        let state = SecretString::from(moment.random_text("logout state"));
        let mut url = self.url();
        url.query_pairs_mut()
            .append_pair("post_logout_redirect_uri", post_logout_redirect_uri)
            .append_pair("state", state.expose());
        Ok((url, PendingLogout { state, created: moment.time() }))
    }
}

/// What the host keeps between sending the browser away to sign out and its return, in that browser's
/// session. Take it out of there when the browser is back.
#[derive(Debug)]
pub struct PendingLogout {
    state: SecretString,
    created: UnixTime,
}

impl PendingLogout {
    /// The longest stored form accepted, in bytes.
    pub const MAX_BYTES: usize = 1024;

    const VERSION: u32 = 1;

    /// Checks the query of the return: the `state` is the one that was sent, so that nobody else's link makes
    /// the host say that the person is signed out.
    ///
    /// # Errors
    ///
    /// [`LogoutCallbackError`], in the order of its variants.
    pub fn callback(self, query: &str, now: UnixTime) -> Result<(), LogoutCallbackError> {
        if now.saturating_since(self.created) >= Pending::LIFETIME {
            return Err(LogoutCallbackError::Expired);
        }
        let form = Form::parse(query.as_bytes(), &KNOWN)?;
        match form.get("state") {
            Some(state) if self.state.matches(state) => Ok(()),
            Some(_) => Err(LogoutCallbackError::StateDiffers),
            None => Err(LogoutCallbackError::StateMissing),
        }
    }

    /// Writes the stored form.
    #[must_use]
    pub fn to_json(&self) -> SecretString {
        let written = Written { version: Self::VERSION, state: self.state.expose(), created: self.created };
        // Plain strings and numbers always serialize; the empty text would be refused on reading.
        SecretString::from(serde_json::to_string(&written).unwrap_or_default())
    }

    /// Reads the stored form. What was stored is trusted: read only what this host wrote.
    ///
    /// # Errors
    ///
    /// [`JsonError`] for what [`PendingLogout::to_json`] does not write, another version among it.
    pub fn from_json(text: &str) -> Result<Self, JsonError> {
        let stored: Stored = json::object_from_slice(text.as_bytes(), Self::MAX_BYTES)?;
        if stored.version != Self::VERSION {
            return Err(JsonError::Shape);
        }
        Ok(Self { state: stored.state, created: stored.created })
    }
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    state: &'a str,
    created: UnixTime,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    state: SecretString,
    created: UnixTime,
}

/// Why nobody can be sent away to sign out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndSessionError {
    /// The tokens are of another provider: the host took the wrong client.
    #[error("the tokens are of another provider")]
    AnotherProvider,
    /// The tokens are of another client of this provider: the host took the wrong client.
    #[error("the tokens are of another client")]
    AnotherClient,
    /// The provider has no endpoint to sign out at.
    #[error("the provider has no end_session_endpoint")]
    NoEndpoint,
    /// The tokens are not of a login.
    #[error("there is no ID token to hint at (OpenID Connect RP-Initiated Logout section 2)")]
    NoIdToken,
    /// The `post_logout_redirect_uri` is not an absolute URL of visible ASCII characters, at most
    /// [`Client::MAX_REDIRECT_URI_BYTES`] long and without fragment.
    #[error("not an absolute post_logout_redirect_uri without fragment")]
    RedirectUri,
}

impl From<ForeignOwner> for EndSessionError {
    fn from(owner: ForeignOwner) -> Self {
        match owner {
            ForeignOwner::Provider => Self::AnotherProvider,
            ForeignOwner::Client => Self::AnotherClient,
        }
    }
}

/// Why a return does not tell that the person signed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogoutCallbackError {
    /// The browser was sent away longer than [`Pending::LIFETIME`] ago.
    #[error("the browser was sent away more than an hour ago")]
    Expired,
    /// The query is malformed, too long or has the `state` twice.
    #[error("the return is malformed: {0}")]
    Malformed(#[from] FormError),
    /// Another `state` came back.
    #[error("the return has another state (OpenID Connect RP-Initiated Logout section 3)")]
    StateDiffers,
    /// No `state` came back.
    #[error("the return has no state (OpenID Connect RP-Initiated Logout section 3)")]
    StateMissing,
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    const GOLDEN: &str = r#"{"version":1,"state":"st","created":1800000000}"#;

    #[test]
    fn the_stored_form_is_fixed_bytes() {
        assert_eq!(PendingLogout::from_json(GOLDEN).map(|p| p.to_json().expose() == GOLDEN), Ok(true));
        for other in ["", "{}", &GOLDEN.replace(":1,", ":2,"), &GOLDEN.replace("created", "made")] {
            assert!(PendingLogout::from_json(other).is_err(), "{other}");
        }
        let long = String::from(GOLDEN) + &" ".repeat(PendingLogout::MAX_BYTES);
        assert_eq!(PendingLogout::from_json(&long).map(drop), Err(JsonError::TooLong));
    }
}
