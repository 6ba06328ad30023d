//! A flow that waits for the browser to come back.

use alloc::string::String;
use core::time::Duration;

use grantry_core::json::{self, JsonError};
use grantry_core::{ClientId, CodeVerifier, Issuer, Scope, SecretString, UnixTime};
use serde::{Deserialize, Serialize};

use crate::ResponseMode;

/// What the host keeps between sending the browser away and its return.
///
/// It is a secret of one browser: keep it on the server, under that browser's session. At the callback
/// **take out** of the session the one flow whose [`Pending::state`] matches the `state` of the query:
/// taken out, so that a callback URL works once; by its state, so that a link with a forged answer uses
/// up no flow. It can't be cloned, and the callback consumes it:
///
/// ```compile_fail,E0382
/// # fn twice(client: &grantry_client::Client, pending: grantry_client::Pending, now: grantry_core::UnixTime) {
/// let first = client.callback(pending, "code=a&state=b", now);
/// let second = client.callback(pending, "code=a&state=b", now);
/// # }
/// ```
///
/// Anyone can start flows and abandon them, so the host bounds what it keeps: a few for each
/// session, the oldest dropped first, and none older than [`Pending::LIFETIME`].
#[derive(Debug)]
pub struct Pending {
    pub(crate) issuer: Issuer,
    pub(crate) client_id: ClientId,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<SecretString>,
    pub(crate) nonce: Option<SecretString>,
    pub(crate) code_verifier: CodeVerifier,
    pub(crate) scope: Scope,
    pub(crate) max_age: Option<Duration>,
    pub(crate) acr_values: Option<String>,
    pub(crate) response_mode: ResponseMode,
    pub(crate) created: UnixTime,
}

impl Pending {
    /// The longest stored form accepted, in bytes: every part is bounded below it.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// How long the callback is accepted, one hour: enough for a person who resets a password on the way.
    pub const LIFETIME: Duration = Duration::from_secs(3600);

    const VERSION: u32 = 1;

    /// Returns the provider that the browser was sent to. A host with several providers picks the
    /// client by it, never by the answer.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Returns the `state` that was sent, by which the host finds the flow of a callback: compare it by
    /// [`SecretString::matches`].
    #[must_use]
    pub const fn state(&self) -> Option<&SecretString> {
        self.state.as_ref()
    }

    /// Returns when the flow was started.
    #[must_use]
    pub const fn created(&self) -> UnixTime {
        self.created
    }

    /// Writes the stored form. It holds the code verifier: keep it on the server.
    #[must_use]
    pub fn to_json(&self) -> SecretString {
        let written = Written {
            version: Self::VERSION,
            issuer: self.issuer.as_str(),
            client_id: &self.client_id,
            redirect_uri: &self.redirect_uri,
            state: self.state.as_ref().map(SecretString::expose),
            nonce: self.nonce.as_ref().map(SecretString::expose),
            code_verifier: self.code_verifier.expose(),
            scope: &self.scope,
            max_age: self.max_age.map(|age| age.as_secs()),
            acr_values: self.acr_values.as_deref(),
            response_mode: self.response_mode,
            created: self.created,
        };
        // Plain strings and numbers always serialize; the empty text would be refused on reading.
        SecretString::from(serde_json::to_string(&written).unwrap_or_default())
    }

    /// Reads the stored form. What was stored is trusted: read only what this host wrote.
    ///
    /// # Errors
    ///
    /// [`PendingError::Version`] for a form of another version, [`PendingError::Malformed`] for any
    /// other text.
    pub fn from_json(text: &str) -> Result<Self, PendingError> {
        let read: Version = json::object_from_slice(text.as_bytes(), Self::MAX_BYTES)?;
        if read.version != Self::VERSION {
            return Err(PendingError::Version);
        }
        let stored: Stored = json::object_from_slice(text.as_bytes(), Self::MAX_BYTES)?;
        Ok(Self {
            issuer: Issuer::danger_loopback_http(stored.issuer).map_err(|_| PendingError::Malformed)?,
            client_id: stored.client_id,
            redirect_uri: stored.redirect_uri,
            state: stored.state,
            nonce: stored.nonce,
            code_verifier: CodeVerifier::parse(stored.code_verifier.expose())
                .map_err(|_| PendingError::Malformed)?,
            scope: stored.scope,
            max_age: stored.max_age.map(Duration::from_secs),
            acr_values: stored.acr_values,
            response_mode: stored.response_mode,
            created: stored.created,
        })
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The members in the order of the stored bytes, borrowed: no copy of a secret is made on the way.
#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    issuer: &'a str,
    client_id: &'a ClientId,
    redirect_uri: &'a str,
    state: Option<&'a str>,
    nonce: Option<&'a str>,
    code_verifier: &'a str,
    scope: &'a Scope,
    max_age: Option<u64>,
    acr_values: Option<&'a str>,
    response_mode: ResponseMode,
    created: UnixTime,
}

/// The same members, read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(rename = "version")]
    _version: u32,
    issuer: String,
    client_id: ClientId,
    redirect_uri: String,
    state: Option<SecretString>,
    nonce: Option<SecretString>,
    code_verifier: SecretString,
    scope: Scope,
    max_age: Option<u64>,
    acr_values: Option<String>,
    response_mode: ResponseMode,
    created: UnixTime,
}

/// Why a stored flow can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PendingError {
    /// It was written by another version of this crate.
    #[error("the pending flow has an unknown version")]
    Version,
    /// It is not what [`Pending::to_json`] writes.
    #[error("not a pending flow")]
    Malformed,
}

impl From<JsonError> for PendingError {
    fn from(_: JsonError) -> Self {
        Self::Malformed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = concat!(
        r#"{"version":1,"issuer":"https://as.example","client_id":"app-1","#,
        r#""redirect_uri":"https://app.example/cb","state":"st","nonce":null,"code_verifier":"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk","scope":"openid photos","#,
        r#""max_age":300,"acr_values":"urn:mfa urn:pwd","response_mode":"form_post","created":1800000000}"#
    );

    #[test]
    fn the_stored_form_is_fixed_bytes() {
        assert_eq!(Pending::from_json(GOLDEN).map(|p| p.to_json().expose() == GOLDEN), Ok(true));
    }

    #[test]
    fn a_flow_of_a_loopback_issuer_is_read_and_no_other_without_https() {
        let loopback = GOLDEN.replace("https://as.example", "http://127.0.0.1:8080");
        let pending = Pending::from_json(&loopback).unwrap();
        assert_eq!(pending.issuer().as_str(), "http://127.0.0.1:8080");
        let other = GOLDEN.replace("https://as.example", "http://192.0.2.1:8080");
        assert_eq!(Pending::from_json(&other).map(drop), Err(PendingError::Malformed));
    }

    #[test]
    fn an_old_reader_refuses_what_it_does_not_know() {
        let read = |text: &str| Pending::from_json(text).map(drop);
        assert_eq!(read(&GOLDEN.replace(":1,", ":2,")), Err(PendingError::Version));
        assert_eq!(read(&GOLDEN.replace("max_age", "min_age")), Err(PendingError::Malformed));
        assert_eq!(read(&GOLDEN.replace("dBjft", "")), Err(PendingError::Malformed));
        assert_eq!(read(&GOLDEN.replace("https://as", "http://as")), Err(PendingError::Malformed));
        assert_eq!(read(""), Err(PendingError::Malformed));
        assert_eq!(
            read(&(String::from(GOLDEN) + &" ".repeat(Pending::MAX_BYTES))),
            Err(PendingError::Malformed)
        );
    }
}
