//! A checked authorization request that waits for a person.

use alloc::{collections::BTreeSet, string::String, vec::Vec};
use core::fmt;

use grantry_core::{ClientId, CodeChallenge, Scope, UnixTime, base64url};
use serde::{Deserialize, Serialize, Serializer};

use crate::answer::{ResponseMode, Target};
use crate::claims_request::ClaimsRequest;
use crate::client::Client;
use crate::denial::Reason;
use crate::grant::{GrantId, Person, Subject};
use crate::server::Server;

/// A request that passed every check and needs a person: to the authorization endpoint, or of a device.
///
/// Only [`Server::authorize`], [`Server::verify_user_code`] and [`Server::unseal`] make one. Nothing is
/// stored for it: between the pages of a host it travels as sealed text.
#[derive(Clone, PartialEq, Eq)]
pub struct Interaction {
    pub(crate) id: GrantId,
    pub(crate) issuer: String,
    pub(crate) client_id: ClientId,
    pub(crate) client_name: String,
    pub(crate) scope: Scope,
    /// Whom the access tokens are for, as it stood when the request was checked.
    pub(crate) resources: Vec<String>,
    pub(crate) flow: Flow,
    pub(crate) prompts: BTreeSet<Prompt>,
    pub(crate) max_age: Option<u64>,
    pub(crate) login_hint: Option<String>,
    pub(crate) acr_values: Vec<String>,
    pub(crate) claims: ClaimsRequest,
    pub(crate) subject: Option<Subject>,
    pub(crate) asked_at: UnixTime,
    pub(crate) expires_at: UnixTime,
}

/// What the person's answer leads to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Flow {
    /// A code, sent to a redirect URI.
    Code { back: Back, code_challenge: CodeChallenge, nonce: Option<String> },
    /// Tokens, sent to a redirect URI.
    Implicit { back: Back, tokens: ImplicitTokens, nonce: Option<String> },
    /// Tokens, which a device fetches.
    Device,
}

/// Where the browser goes afterwards.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Back {
    pub(crate) redirect_uri: String,
    pub(crate) redirect_uri_named: bool,
    pub(crate) state: Option<String>,
}

/// Which tokens a response type names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ImplicitTokens {
    /// `token`
    Access,
    /// `id_token`
    Id,
    /// `id_token token`
    Both,
}

impl Interaction {
    /// Returns the client that asks.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// Returns the client's name for people. Escape it where it is shown.
    #[must_use]
    pub fn client_name(&self) -> &str {
        &self.client_name
    }

    /// Returns where the browser goes afterwards; show its host on the consent page. `None` for a device,
    /// whose person may not have it in hand: ask whether they began this
    /// ([RFC 8628 section 5.4](https://www.rfc-editor.org/rfc/rfc8628#section-5.4)).
    #[must_use]
    pub fn redirect_uri(&self) -> Option<&str> {
        self.back().map(|back| back.redirect_uri.as_str())
    }

    /// Returns whom the access tokens are for
    /// ([RFC 8707 section 2](https://www.rfc-editor.org/rfc/rfc8707#section-2)).
    #[must_use]
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// Returns the authentication contexts that the client would like, best first
    /// ([OpenID Connect Core section 3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)).
    #[must_use]
    pub fn acr_values(&self) -> &[String] {
        if self.claims.acr_values().is_empty() { &self.acr_values } else { self.claims.acr_values() }
    }

    /// Returns the single claims that the client asks for, and which authentication it requires
    /// ([OpenID Connect Core section 5.5](https://openid.net/specs/openid-connect-core-1_0.html#ClaimsParameter)).
    /// A consent page speaks of them, beside those of the scope.
    #[must_use]
    pub const fn claims(&self) -> &ClaimsRequest {
        &self.claims
    }

    /// Returns the only person for whom the client takes an answer: the one of the ID token that it sent, or of
    /// its `claims`. An approval by another is answered `login_required`
    /// ([OpenID Connect Core section 3.1.2.2](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequestValidation)).
    #[must_use]
    pub const fn expected_subject(&self) -> Option<&Subject> {
        self.subject.as_ref()
    }

    /// Returns the scope that the client asks for.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Tells whether the client asked for this prompt
    /// ([OpenID Connect Core section 3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)).
    /// With [`Prompt::None`] no page may be shown: approve at once, or refuse with
    /// [`Refusal::LoginRequired`](crate::Refusal::LoginRequired) or
    /// [`Refusal::ConsentRequired`](crate::Refusal::ConsentRequired).
    #[must_use]
    pub fn has_prompt(&self, prompt: Prompt) -> bool {
        self.prompts.contains(&prompt)
    }

    /// Returns how many seconds before the request the login may be, if the client says. An approval
    /// by an older login is answered `login_required`.
    #[must_use]
    pub const fn max_age(&self) -> Option<u64> {
        self.max_age
    }

    /// Returns the name that the client expects the person to log in with. Escape it where it is
    /// shown.
    #[must_use]
    pub fn login_hint(&self) -> Option<&str> {
        self.login_hint.as_deref()
    }

    /// Returns when the client asked. A host that logs the person in carries this interaction sealed
    /// over the login; a new authorization request would ask for yet another login.
    #[must_use]
    pub const fn asked_at(&self) -> UnixTime {
        self.asked_at
    }

    /// Tells whether a login at `authenticated_at` is recent enough for what the client asked with
    /// `max_age` and `prompt=login`. The time that the person takes over the pages does not count;
    /// no leeway is added, so both times are of one clock, or of clocks kept in step
    /// ([OpenID Connect Core section 3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)).
    #[must_use]
    pub fn accepts_login(&self, authenticated_at: UnixTime) -> bool {
        let max_age = if self.has_prompt(Prompt::Login) { Some(0) } else { self.max_age };
        let age = self.asked_at.saturating_since(authenticated_at).as_secs();
        max_age.is_none_or(|max_age| age <= max_age)
    }

    pub(crate) const fn back(&self) -> Option<&Back> {
        match &self.flow {
            Flow::Code { back, .. } | Flow::Implicit { back, .. } => Some(back),
            Flow::Device => None,
        }
    }

    /// Where to redirect to; `None` for a device.
    pub(crate) fn target(&self) -> Option<Target<'_>> {
        let mode = match self.flow {
            Flow::Code { .. } | Flow::Device => ResponseMode::Query,
            Flow::Implicit { .. } => ResponseMode::Fragment,
        };
        self.back().map(|back| Target {
            issuer: &self.issuer,
            redirect_uri: &back.redirect_uri,
            state: back.state.as_deref(),
            mode,
        })
    }

    /// Returns until when the person may answer.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }
}

impl fmt::Debug for Interaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interaction")
            .field("id", &self.id)
            .field("client_id", &self.client_id)
            .field("scope", &self.scope)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// What a client asks the server to show
/// ([OpenID Connect Core section 3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Prompt {
    /// No page at all.
    None,
    /// The login page, also for somebody who is signed in.
    Login,
    /// The consent page, also for somebody who consented before.
    Consent,
    /// A choice between accounts.
    SelectAccount,
}

impl Prompt {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "login" => Some(Self::Login),
            "consent" => Some(Self::Consent),
            "select_account" => Some(Self::SelectAccount),
            _ => None,
        }
    }
}

/// Who said yes, and how and when they last proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    pub(crate) subject: Subject,
    pub(crate) authenticated_at: UnixTime,
    pub(crate) narrowed: Option<Scope>,
    pub(crate) acr: Option<String>,
    pub(crate) amr: Vec<String>,
    pub(crate) sid: Option<String>,
}

impl Approval {
    /// Makes an approval of everything that was asked for, by a person who logged in at
    /// `authenticated_at`.
    #[must_use]
    pub const fn new(subject: Subject, authenticated_at: UnixTime) -> Self {
        Self { subject, authenticated_at, narrowed: None, acr: None, amr: Vec::new(), sid: None }
    }

    /// Approves only what is also in `scope`, and of the claims that are asked for by name those of its scope
    /// tokens. Whether a refresh token comes with the rest is for
    /// [`Policy::with_refresh_tokens`](crate::Policy::with_refresh_tokens): where leaving `offline_access` out is to
    /// mean none, set [`WithOfflineAccess`](crate::RefreshTokens::WithOfflineAccess).
    #[must_use]
    pub fn narrowed_to(mut self, scope: Scope) -> Self {
        self.narrowed = Some(scope);
        self
    }

    /// Says in which context the person logged in
    /// ([OpenID Connect Core section 2](https://openid.net/specs/openid-connect-core-1_0.html#IDToken), `acr`).
    #[must_use]
    pub fn with_acr(mut self, acr: impl Into<String>) -> Self {
        self.acr = Some(acr.into());
        self
    }

    /// Says by which methods the person logged in
    /// ([RFC 8176 section 2](https://www.rfc-editor.org/rfc/rfc8176#section-2), `amr`).
    #[must_use]
    pub fn with_amr(mut self, methods: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.amr = methods.into_iter().map(Into::into).collect();
        self
    }

    /// Names the session of the person at the server, for logout
    /// ([OpenID Connect Front-Channel Logout section 3](https://openid.net/specs/openid-connect-frontchannel-1_0.html#OPLogout), `sid`).
    /// It is not the session's secret.
    #[must_use]
    pub fn with_sid(mut self, sid: impl Into<String>) -> Self {
        self.sid = Some(sid.into());
        self
    }

    pub(crate) fn granted(&self, asked: &Scope) -> Scope {
        self.narrowed
            .as_ref()
            .map_or_else(|| asked.clone(), |scope| asked.filter(|token| scope.contains(token)))
    }

    pub(crate) fn person(&self) -> Person {
        Person {
            subject: self.subject.clone(),
            authenticated_at: self.authenticated_at,
            acr: self.acr.clone(),
            amr: self.amr.clone(),
            sid: self.sid.clone(),
        }
    }

    /// Refuses a person with the name of the client: a token whose `sub` is its `client_id` is the client's
    /// own.
    // RFC 9700 section 4.15
    pub(crate) fn check_subject(&self, client: &Client) -> Result<(), Reason> {
        if self.subject.as_str() == client.id().as_str() { Err(Reason::SubjectIsClient) } else { Ok(()) }
    }
}

impl Server {
    /// Writes an interaction as text for a hidden field or a cookie, bound to the browser's session.
    ///
    /// The text is authentic and not encrypted: it says what the browser's own request said.
    /// `session` is the host's identifier of the session, not empty; the text opens in no other.
    #[must_use]
    pub fn seal(&self, interaction: &Interaction, session: &str) -> String {
        struct Written<'a>(&'a Interaction);
        impl Serialize for Written<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Sealed::serialize(self.0, serializer)
            }
        }
        // Strings and numbers always serialise; a text cut short would open nowhere.
        let text = serde_json::to_vec(&Written(interaction)).unwrap_or_default();
        let Some((key, tag)) = self.config.handles.seal(&bound(session, &text)) else {
            return String::new();
        };
        base64url::encode([[key].as_slice(), tag.as_ref(), &text].concat())
    }

    /// Reads what [`Server::seal`] wrote for the same session.
    ///
    /// # Errors
    ///
    /// [`UnsealError::Foreign`] when the text was changed, made by another server or for another
    /// session; [`UnsealError::Expired`] when the person took too long.
    pub fn unseal(&self, text: &str, session: &str, now: UnixTime) -> Result<Interaction, UnsealError> {
        if session.is_empty() || text.len() > MAX_SEALED_BYTES {
            return Err(UnsealError::Foreign);
        }
        let bytes = base64url::decode(text).map_err(|_| UnsealError::Foreign)?;
        let (&key, rest) = bytes.split_first().ok_or(UnsealError::Foreign)?;
        let (tag, text) = rest.split_at_checked(32).ok_or(UnsealError::Foreign)?;
        if !self.config.handles.is_sealed(key, &bound(session, text), tag) {
            return Err(UnsealError::Foreign);
        }
        let interaction = Sealed::deserialize(&mut serde_json::Deserializer::from_slice(text))
            .map_err(|_| UnsealError::Foreign)?;
        if now >= interaction.expires_at {
            return Err(UnsealError::Expired);
        }
        Ok(interaction)
    }
}

/// More than any sealed interaction: its parts have limits of their own.
const MAX_SEALED_BYTES: usize = 64 * 1024;

fn bound(session: &str, text: &[u8]) -> Vec<u8> {
    let length = u64::try_from(session.len()).unwrap_or(u64::MAX);
    [length.to_be_bytes().as_slice(), session.as_bytes(), text].concat()
}

/// The form of the sealed text.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Interaction", deny_unknown_fields)]
pub(crate) struct Sealed {
    id: GrantId,
    issuer: String,
    client_id: ClientId,
    client_name: String,
    scope: Scope,
    resources: Vec<String>,
    flow: Flow,
    prompts: BTreeSet<Prompt>,
    max_age: Option<u64>,
    login_hint: Option<String>,
    acr_values: Vec<String>,
    claims: ClaimsRequest,
    subject: Option<Subject>,
    asked_at: UnixTime,
    expires_at: UnixTime,
}

/// Why a sealed text does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsealError {
    /// It was changed, or made by another server or for another session.
    #[error("the sealed request is not of this server and session (RFC 9700 section 4.7)")]
    Foreign,
    /// The person took too long.
    #[error("the sealed request has expired")]
    Expired,
}
