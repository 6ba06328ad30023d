//! The polling of a device ([RFC 8628 section 3.4](https://www.rfc-editor.org/rfc/rfc8628#section-3.4)).

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use grantry_core::{
    ClientId, ErrorCode, HttpRequest, HttpResponse, Issuer, Moment, Scope, SecretString, UnixTime,
};
use grantry_jwt::{JwkSet, VerifyError};

use crate::client::ForeignOwner;
use crate::client_authentication::Message;
use crate::device::DeviceAnswer;
use crate::id_token::{Expected, Origin};
use crate::retry_after::retry_after;
use crate::token_answer::TokenAnswer;
use crate::{Client, IdTokenError, RequestError, RequestToSign, ResponseError, TokenError, Tokens};

/// A device that waits for a person, and polls.
///
/// It does no I/O. The host shows the code, asks [`advise`](Self::advise), sends the request of a ticket
/// when there is one, and hands in what came back.
///
/// * **One poll is on its way at a time**, and never sooner than the interval after the last answer; each
///   `slow_down` adds five seconds to it for good.
/// * **A poll that brings no answer** doubles the pause, up to [`DeviceFlow::LONGEST_PAUSE`], until one does.
/// * **The flow ends** with its tokens, with the person's refusal, with any other error of the provider, and
///   when the code expires.
///
/// ```
/// use grantry_client::{Client, DeviceAdvice};
/// use grantry_core::{HttpResponse, Moment, Scope, UnixTime};
/// use grantry_jwt::JwkSet;
/// # let issuer = grantry_core::Issuer::parse("https://as.example")?;
/// # let provider =
/// #     grantry_client::Provider::new(issuer, "https://as.example/authorize", "https://as.example/token")?
/// #         .with_device_authorization_endpoint("https://as.example/device")?;
/// # let id = grantry_core::ClientId::parse("tv")?;
/// # let client = Client::without_redirect_uri(provider, id, grantry_client::ClientAuthentication::None)?;
/// # let json = |body: &str| {
/// #     HttpResponse::new(200).with_header("Content-Type", "application/json").with_body(body)
/// # };
///
/// let at = |seconds: u64| UnixTime::from_secs(1_800_000_000 + seconds);
/// let begin = client.device(Scope::parse("photos.read")?)?;
/// let request = begin.request(Moment::new(at(0), [1; 32]))?;
/// assert_eq!(request.target, "https://as.example/device");
/// let answer = json(
///     r#"{"device_code":"GmRh","user_code":"WDJB-MJHT","verification_uri":"https://as.example/tv","expires_in":900}"#,
/// );
/// let mut flow = begin.response(&answer, at(0))?;
/// println!("Open {} and type {}", flow.verification_uri(), flow.user_code().expose());
///
/// assert!(matches!(flow.advise(at(0)), DeviceAdvice::Wait { until } if until == at(5)));
/// let DeviceAdvice::Send(ticket) = flow.advise(at(5)) else { panic!("it is time") };
/// let request = ticket.request(&client, Moment::new(at(5), [2; 32]))?;
/// assert_eq!(request.target, "https://as.example/token");
/// let answer = json(r#"{"access_token":"2YotnFZF","token_type":"Bearer"}"#);
/// let tokens = flow.handle_response(&client, &ticket, &answer, &JwkSet::default(), at(5))?;
/// assert_eq!(tokens.ok_or("not yet")?.access_token().expose(), "2YotnFZF");
/// assert!(matches!(flow.advise(at(6)), DeviceAdvice::Done));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DeviceFlow {
    pub(crate) issuer: Issuer,
    pub(crate) client_id: ClientId,
    pub(crate) scope: Scope,
    pub(crate) device_code: SecretString,
    pub(crate) user_code: SecretString,
    pub(crate) verification_uri: String,
    pub(crate) verification_uri_complete: Option<SecretString>,
    pub(crate) expires_at: UnixTime,
    pub(crate) interval: Duration,
    pub(crate) next_poll_at: UnixTime,
    /// How many of the newest polls brought no answer.
    pub(crate) failures: u32,
    /// The number of the newest ticket.
    pub(crate) tickets: u64,
    pub(crate) flight: Option<DeviceFlight>,
    pub(crate) state: DeviceState,
}

/// The poll on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceFlight {
    pub(crate) ticket: u64,
    pub(crate) until: UnixTime,
}

/// Whether the flow goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceState {
    Polling,
    Done,
}

impl DeviceFlow {
    /// The longest user code accepted, in bytes: more than that nobody types in.
    pub const MAX_USER_CODE_BYTES: usize = 64;

    /// The longest verification URI accepted, in bytes.
    pub const MAX_URI_BYTES: usize = 2048;

    /// The interval of a provider that names none
    /// ([RFC 8628 section 3.2](https://www.rfc-editor.org/rfc/rfc8628#section-3.2)).
    pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);

    /// The shortest interval, one second: zero would be a flood.
    pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

    /// The longest that a device polls, one day, whatever the provider says.
    pub const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 3600);

    /// The longest pause after polls without an answer, five minutes, unless the interval is longer.
    pub const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

    /// After how long without an answer a poll counts as lost, 30 seconds.
    pub const POLL_TIMEOUT: Duration = Duration::from_secs(30);

    /// What each `slow_down` adds to the interval
    /// ([RFC 8628 section 3.5](https://www.rfc-editor.org/rfc/rfc8628#section-3.5)).
    const SLOW_DOWN: Duration = Duration::from_secs(5);

    pub(crate) fn begin(client: &Client, scope: Scope, answer: DeviceAnswer, now: UnixTime) -> Self {
        Self {
            issuer: client.provider().issuer().clone(),
            client_id: client.client_id().clone(),
            scope,
            device_code: answer.device_code,
            user_code: answer.user_code,
            verification_uri: answer.verification_uri,
            verification_uri_complete: answer.verification_uri_complete,
            expires_at: now.saturating_add(answer.lifetime),
            interval: answer.interval,
            next_poll_at: now.saturating_add(answer.interval),
            failures: 0,
            tickets: 0,
            flight: None,
            state: DeviceState::Polling,
        }
    }

    /// Returns what the person types in.
    #[must_use]
    pub const fn user_code(&self) -> &SecretString {
        &self.user_code
    }

    /// Returns where the person types it in.
    #[must_use]
    pub fn verification_uri(&self) -> &str {
        &self.verification_uri
    }

    /// Returns the address that has the code in it, for a QR code, if the provider has one. The code is shown
    /// beside it all the same, for the person to compare
    /// ([RFC 8628 section 3.3.1](https://www.rfc-editor.org/rfc/rfc8628#section-3.3.1)).
    #[must_use]
    pub const fn verification_uri_complete(&self) -> Option<&SecretString> {
        self.verification_uri_complete.as_ref()
    }

    /// Returns when the code expires.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Returns the provider, by which a host with several picks the client.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Says what to do now.
    pub fn advise(&mut self, now: UnixTime) -> DeviceAdvice {
        self.begin_at(now);
        if self.state == DeviceState::Done {
            return DeviceAdvice::Done;
        }
        if now >= self.expires_at {
            return DeviceAdvice::Expired;
        }
        if let Some(flight) = &self.flight {
            return DeviceAdvice::Wait { until: flight.until.min(self.expires_at) };
        }
        if now < self.next_poll_at {
            return DeviceAdvice::Wait { until: self.next_poll_at.min(self.expires_at) };
        }
        self.tickets = self.tickets.saturating_add(1);
        let until = now.saturating_add(Self::POLL_TIMEOUT);
        self.flight = Some(DeviceFlight { ticket: self.tickets, until });
        DeviceAdvice::Send(DeviceTicket {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            device_code: self.device_code.clone(),
            number: self.tickets,
            until,
        })
    }

    /// Takes the answer to the request of a ticket: the tokens, or `None` while the person has not
    /// answered and while the provider is away. With the scope `openid` the ID token is verified by `keys`,
    /// this provider's set and no other's.
    ///
    /// It can be handed in again after [`VerifyError::UnknownKey`], with a key set that was fetched anew.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Denied`] and [`DeviceError::Expired`]; [`DeviceError::Token`] for any other
    /// error of the provider and for an ID token that fails a check, after which the flow is over, too;
    /// [`DeviceError::AnotherProvider`], [`DeviceError::AnotherClient`] and [`DeviceError::ForeignTicket`]
    /// change nothing.
    pub fn handle_response(
        &mut self,
        client: &Client,
        ticket: &DeviceTicket,
        response: &HttpResponse,
        keys: &JwkSet,
        now: UnixTime,
    ) -> Result<Option<Tokens>, DeviceError> {
        client.check_owner(&self.issuer, &self.client_id)?;
        if !ticket.device_code.matches(self.device_code.expose()) {
            return Err(DeviceError::ForeignTicket);
        }
        if self.state == DeviceState::Done {
            return Ok(None);
        }
        let read = self.read(client, response, keys, now);
        if let Err(TokenError::IdToken(IdTokenError::Token(VerifyError::UnknownKey))) = read {
            // The host can help itself.
            return read.map(Some).map_err(DeviceError::Token);
        }
        let was_in_flight = self.flight.take_if(|flight| flight.ticket == ticket.number).is_some();
        match read {
            Ok(tokens) => {
                self.state = DeviceState::Done;
                Ok(Some(tokens))
            }
            // A later poll knows better.
            Err(_) if !was_in_flight => Ok(None),
            Err(error) => self.go_on_after(error, retry_after(response), now).map(|()| None),
        }
    }

    /// Takes note that the request of a ticket brought no response
    /// ([RFC 8628 section 3.5](https://www.rfc-editor.org/rfc/rfc8628#section-3.5)).
    pub fn handle_failure(&mut self, ticket: &DeviceTicket, now: UnixTime) {
        let is_own = ticket.device_code.matches(self.device_code.expose());
        if is_own && self.flight.take_if(|flight| flight.ticket == ticket.number).is_some() {
            self.back_off(Duration::ZERO, now);
        }
    }

    /// Gives up a poll whose time is over. What a clock that was set back makes look far away is as near
    /// as it was.
    fn begin_at(&mut self, now: UnixTime) {
        if let Some(flight) = &mut self.flight {
            flight.until = flight.until.min(now.saturating_add(Self::POLL_TIMEOUT));
        }
        if self.flight.take_if(|flight| flight.until <= now).is_some() {
            self.back_off(Duration::ZERO, now);
        }
        self.next_poll_at = self.next_poll_at.min(now.saturating_add(self.pause().max(LONGEST_WAIT)));
    }

    fn read(
        &self,
        client: &Client,
        response: &HttpResponse,
        keys: &JwkSet,
        now: UnixTime,
    ) -> Result<Tokens, TokenError> {
        let answer = TokenAnswer::read(response, client.provider().tolerance())?;
        let id_token = if self.scope.contains("openid") {
            // OpenID Connect Core section 3.1.3.3: a login without an ID token is none.
            let raw = answer.id_token.ok_or(IdTokenError::Missing)?;
            let expected = Expected { client, access_token: &answer.access_token, origin: Origin::Device };
            Some(expected.verify(raw, keys, now)?)
        } else {
            None
        };
        let scope = answer.scope.unwrap_or_else(|| self.scope.clone());
        Ok(Tokens {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            access_token: answer.access_token,
            expires_at: answer.lifetime.map(|lifetime| now.saturating_add(lifetime)),
            refresh_token: answer.refresh_token,
            id_token,
            granted: scope.clone(),
            scope,
        })
    }

    // RFC 8628 section 3.5
    fn go_on_after(
        &mut self,
        error: TokenError,
        retry_after: Duration,
        now: UnixTime,
    ) -> Result<(), DeviceError> {
        let (code, status) = match &error {
            TokenError::Refused { refusal, status } => (refusal.code(), *status),
            TokenError::Response(ResponseError::Status { status, .. }) => (None, *status),
            TokenError::Response(_) | TokenError::IdToken(_) => (None, 200),
        };
        if status == 408 || status == 429 || status >= 500 {
            self.back_off(retry_after, now);
            return Ok(());
        }
        self.failures = 0;
        match code {
            Some(ErrorCode::AuthorizationPending) => {}
            // "Five seconds for this and all subsequent requests".
            Some(ErrorCode::SlowDown) => self.interval = self.interval.saturating_add(Self::SLOW_DOWN),
            Some(ErrorCode::AccessDenied) => return Err(self.end(DeviceError::Denied)),
            Some(ErrorCode::ExpiredToken) => return Err(self.end(DeviceError::Expired)),
            Some(_) | None => return Err(self.end(DeviceError::Token(error))),
        }
        self.next_poll_at = now.saturating_add(self.interval);
        Ok(())
    }

    fn end(&mut self, error: DeviceError) -> DeviceError {
        self.state = DeviceState::Done;
        error
    }

    // RFC 8628 section 3.5: the pause doubles with each poll that brings no answer.
    fn back_off(&mut self, retry_after: Duration, now: UnixTime) {
        self.failures = self.failures.saturating_add(1);
        self.next_poll_at = now.saturating_add(self.pause().max(retry_after));
    }

    fn pause(&self) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.interval.saturating_mul(doubled).min(Self::LONGEST_PAUSE.max(self.interval))
    }
}

/// The longest wait that a provider can ask for, by `Retry-After`.
const LONGEST_WAIT: Duration = crate::retry_after::LONGEST_RETRY_AFTER;

/// What to do for a device.
#[derive(Debug)]
#[must_use = "a ticket that is dropped holds back every other poll until it expires"]
#[expect(clippy::exhaustive_enums, reason = "a host must handle each of the four")]
pub enum DeviceAdvice {
    /// Send the request of the ticket, hand in what comes back, and ask again.
    Send(DeviceTicket),
    /// Ask again at this time.
    Wait {
        /// When to ask again.
        until: UnixTime,
    },
    /// The code has expired: begin anew, when the person asks for it.
    Expired,
    /// The flow is over, with what [`DeviceFlow::handle_response`] returned.
    Done,
}

/// The right to poll once. It can't be cloned.
#[derive(Debug)]
#[must_use = "a ticket that is dropped holds back every other poll until it expires"]
pub struct DeviceTicket {
    issuer: Issuer,
    client_id: ClientId,
    device_code: SecretString,
    number: u64,
    until: UnixTime,
}

impl DeviceTicket {
    /// Makes the request to send.
    ///
    /// # Errors
    ///
    /// [`DeviceError::AnotherProvider`] and [`DeviceError::AnotherClient`] when the flow is not this client's;
    /// [`DeviceError::Request`] as [`CodeExchange::request`](crate::CodeExchange::request).
    pub fn request(&self, client: &Client, moment: Moment) -> Result<HttpRequest, DeviceError> {
        Ok(client.request(&self.message(client)?, moment)?)
    }

    /// Makes the request that waits for a signature from outside of the process.
    ///
    /// # Errors
    ///
    /// As [`DeviceTicket::request`].
    pub fn request_to_sign(&self, client: &Client, moment: Moment) -> Result<RequestToSign, DeviceError> {
        Ok(client.request_to_sign(&self.message(client)?, moment)?)
    }

    /// Returns when the poll counts as lost: the host's request gives up by then.
    #[must_use]
    pub const fn until(&self) -> UnixTime {
        self.until
    }

    fn message<'a>(&'a self, client: &'a Client) -> Result<Message<'a>, DeviceError> {
        client.check_owner(&self.issuer, &self.client_id)?;
        let parameters = Vec::from([
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", self.device_code.expose()),
        ]);
        Ok(Message { endpoint: client.provider().token_url(), parameters })
    }
}

/// Why a device gets no tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The flow is one of another provider: the host took the wrong client.
    #[error("the device flow is one of another provider")]
    AnotherProvider,
    /// The flow is one of another client of this provider: the host took the wrong client.
    #[error("the device flow is one of another client")]
    AnotherClient,
    /// The ticket is one of another flow.
    #[error("the ticket is one of another device flow")]
    ForeignTicket,
    /// The client's authentication can't be made. Nothing was sent.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The person refused.
    #[error("the person refused (RFC 8628 section 3.5)")]
    Denied,
    /// The person has not answered in time.
    #[error("the code has expired (RFC 8628 section 3.5)")]
    Expired,
    /// The provider refused for another reason, or its answer fails a check.
    #[error(transparent)]
    Token(TokenError),
}

impl From<ForeignOwner> for DeviceError {
    fn from(owner: ForeignOwner) -> Self {
        match owner {
            ForeignOwner::Provider => Self::AnotherProvider,
            ForeignOwner::Client => Self::AnotherClient,
        }
    }
}
