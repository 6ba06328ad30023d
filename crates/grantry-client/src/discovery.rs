//! The metadata of one provider, found and kept fresh without I/O.

use alloc::{string::String, sync::Arc};
use core::time::Duration;

use grantry_core::json::JsonError;
use grantry_core::{HttpRequest, HttpResponse, Issuer, SteadyClock, UnixTime};

use crate::discovery_document::{self as document, DocumentError};
use crate::{DiscoveryPolicy, Provider, WellKnown};

/// Fetches the metadata of one issuer, and says when to fetch it anew
/// ([RFC 8414 section 3](https://www.rfc-editor.org/rfc/rfc8414#section-3),
/// [OpenID Connect Discovery section 4](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig)).
///
/// It does no I/O and has the rules of [`JwksCache`](grantry_jwt::JwksCache), which fetches the keys:
/// the host asks [`advise`](Self::advise), sends the request of a ticket when there is one, and hands in
/// what came back. All callers share one behind a lock that is held for these calls only, never while a
/// request is on its way.
///
/// * **A document names the issuer that was asked for**, byte for byte, or nothing of it is used.
/// * **One fetch is on its way at a time.** Its ticket expires after `fetch_timeout`, so that a lost
///   one stops nothing. A failed fetch is tried again after a pause that doubles, up to the cool-down.
/// * **The second place is asked after a 404 from the first alone**, and the one that has the document is
///   asked first from then on.
/// * **No answer replaces that of a later request.**
/// * **No document serves beyond its bound**: its age, never above `longest_age`, and
///   `stale_while_fetching`, or `stale_if_error` when fetches fail.
/// * **A clock that is set back** freezes nothing: what was to end in a minute ends after a minute.
///
/// ```
/// use grantry_client::{Discovery, DiscoveryAdvice, DiscoveryError, DiscoveryPolicy};
/// use grantry_core::{HttpResponse, Issuer, UnixTime};
///
/// let issuer = Issuer::parse("https://as.example")?;
/// let mut discovery = Discovery::new(issuer, DiscoveryPolicy::default());
/// let now = UnixTime::from_secs(1_800_000_000);
///
/// let DiscoveryAdvice::Fetch(ticket) = discovery.advise(now) else { panic!("nothing is there yet") };
/// assert_eq!(ticket.request().target, "https://as.example/.well-known/openid-configuration");
/// let outcome = discovery.handle_response(ticket, &HttpResponse::new(404), now);
/// assert_eq!(outcome, Err(DiscoveryError::NotHere));
///
/// let DiscoveryAdvice::Fetch(ticket) = discovery.advise(now) else { panic!("the other place is left") };
/// assert_eq!(ticket.request().target, "https://as.example/.well-known/oauth-authorization-server");
/// let response = HttpResponse::new(200).with_header("Content-Type", "application/json").with_body(
///     r#"{"issuer":"https://as.example","authorization_endpoint":"https://as.example/authorize",
///         "token_endpoint":"https://as.example/token","jwks_uri":"https://as.example/jwks"}"#,
/// );
/// let provider = discovery.handle_response(ticket, &response, now)?;
/// assert_eq!(provider.jwks_uri(), Some("https://as.example/jwks"));
/// assert!(matches!(discovery.advise(now), DiscoveryAdvice::Ready(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # From an issuer to its provider
///
/// The whole way, where `send` does the HTTP, follows no redirect and gives up at
/// [`DiscoveryTicket::until`]. The same lines with `.await` behind `send` make an asynchronous host.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use grantry_client::{Discovery, DiscoveryAdvice, Provider};
/// # use grantry_client::DiscoveryPolicy;
/// # use grantry_core::Issuer;
/// use grantry_core::{HttpRequest, HttpResponse, UnixTime};
///
/// fn discover(
///     discovery: &Mutex<Discovery>,
///     now: impl Fn() -> UnixTime,
///     send: impl Fn(HttpRequest) -> Option<HttpResponse>,
/// ) -> Option<Arc<Provider>> {
///     loop {
///         // A statement of its own: inside of `match`, the lock would be held for all of it.
///         let advice = discovery.lock().unwrap().advise(now());
///         match advice {
///             DiscoveryAdvice::Ready(provider) => return Some(provider),
///             DiscoveryAdvice::Wait { stale, .. } => return stale,
///             DiscoveryAdvice::Fetch(ticket) => match send(ticket.request()) {
///                 Some(response) => {
///                     if let Err(error) = discovery.lock().unwrap().handle_response(ticket, &response, now()) {
///                         eprintln!("no metadata: {error}");
///                     }
///                 }
///                 None => discovery.lock().unwrap().handle_failure(ticket, now()),
///             },
///         }
///     }
/// }
/// # let discovery = Discovery::new(Issuer::parse("https://as.example")?, DiscoveryPolicy::default());
/// # let discovery = Mutex::new(discovery);
/// # let now = || UnixTime::from_secs(1_800_000_000);
/// # assert_eq!(discover(&discovery, now, |_| Some(HttpResponse::new(404))), None);
/// # Ok::<(), grantry_core::IssuerError>(())
/// ```
#[derive(Debug)]
pub struct Discovery {
    pub(crate) issuer: Issuer,
    pub(crate) policy: DiscoveryPolicy,
    pub(crate) clock: SteadyClock,
    pub(crate) held: Option<Held>,
    flight: Option<Flight>,
    /// The number of the newest ticket.
    pub(crate) tickets: u64,
    /// How many of the newest fetches failed in a row.
    pub(crate) failures: u32,
    /// Before it no fetch starts after a failed one.
    pub(crate) retry_at: Duration,
    /// The place that is asked first.
    pub(crate) first: WellKnown,
    /// The place that is asked next: the first one, or the other after a 404.
    next: WellKnown,
}

/// A provider, and the document and the fetch it came from.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) provider: Arc<Provider>,
    pub(crate) document: String,
    pub(crate) ticket: u64,
    pub(crate) fresh_until: Duration,
}

/// The fetch on its way.
#[derive(Debug)]
struct Flight {
    ticket: u64,
    expires: Duration,
}

impl Discovery {
    /// The longest document read, in bytes: those of large providers have about ten thousand. A host stops
    /// reading the body behind it.
    pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024;

    /// Makes one that has fetched nothing yet. The issuer is the host's configuration: who chooses it
    /// chooses who says who signs in.
    #[must_use]
    pub fn new(issuer: Issuer, policy: DiscoveryPolicy) -> Self {
        let first = policy.order.first();
        Self {
            issuer,
            policy,
            clock: SteadyClock::starting_at(UnixTime::from_secs(0)),
            held: None,
            flight: None,
            tickets: 0,
            failures: 0,
            retry_at: Duration::ZERO,
            first,
            next: first,
        }
    }

    /// Says what to do for a caller that needs the provider now.
    pub fn advise(&mut self, now: UnixTime) -> DiscoveryAdvice {
        self.begin(now);
        let elapsed = self.clock.elapsed();
        if let Some(held) = self.held.as_ref().filter(|held| elapsed < held.fresh_until) {
            return DiscoveryAdvice::Ready(Arc::clone(&held.provider));
        }
        let stale = self.stale();
        if let Some(flight) = &self.flight {
            return DiscoveryAdvice::Wait { until: self.clock.to_wall(flight.expires), stale };
        }
        if elapsed < self.retry_at {
            return DiscoveryAdvice::Wait { until: self.clock.to_wall(self.retry_at), stale };
        }
        self.fetch(stale)
    }

    /// Takes the answer to the request of a ticket. The host reads no more than
    /// [`Discovery::MAX_DOCUMENT_BYTES`] of a body, and follows no redirect.
    ///
    /// How long the document is fresh is in `Cache-Control` and `Age`
    /// ([RFC 9111 section 4.2](https://www.rfc-editor.org/rfc/rfc9111#section-4.2)), inside the bounds
    /// of the policy.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`] names why the provider stays as it is. [`DiscoveryError::NotHere`] asks the host to
    /// go on at once, and [`DiscoveryError::Document`] counts as a failed fetch.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is used once")]
    pub fn handle_response(
        &mut self,
        ticket: DiscoveryTicket,
        response: &HttpResponse,
        now: UnixTime,
    ) -> Result<Arc<Provider>, DiscoveryError> {
        self.begin(now);
        if ticket.issuer != self.issuer {
            return Err(DiscoveryError::ForeignTicket);
        }
        // One that was read from an older form may not have given it: the next one has to follow it.
        self.tickets = self.tickets.max(ticket.number);
        let was_in_flight = self.land(&ticket);
        if self.held.as_ref().is_some_and(|held| held.ticket >= ticket.number) {
            return Err(DiscoveryError::Superseded);
        }
        let other =
            self.policy.order.other(ticket.place).filter(|_| was_in_flight && ticket.place == self.first);
        if let (404, Some(other)) = (response.status, other) {
            self.next = other;
            return Err(DiscoveryError::NotHere);
        }
        match self.read(response) {
            Ok((provider, document)) => Ok(self.replace(provider, document, &ticket, response)),
            Err(error) => {
                if was_in_flight {
                    self.fail(self.clock.elapsed());
                }
                Err(DiscoveryError::Document(error))
            }
        }
    }

    /// Takes note that the request of a ticket brought no response.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is used once")]
    pub fn handle_failure(&mut self, ticket: DiscoveryTicket, now: UnixTime) {
        self.begin(now);
        if ticket.issuer == self.issuer && self.land(&ticket) {
            self.fail(self.clock.elapsed());
        }
    }

    /// Reads the clock, and gives up a fetch whose time is over.
    fn begin(&mut self, now: UnixTime) {
        self.clock.advance(now);
        let lost = self.flight.take_if(|flight| flight.expires <= self.clock.elapsed());
        if let Some(flight) = lost {
            self.fail(flight.expires);
        }
    }

    /// Returns the provider that is past its age and not past its bound.
    fn stale(&self) -> Option<Arc<Provider>> {
        let held = self.held.as_ref()?;
        let bound = held.fresh_until.saturating_add(self.policy.grace(self.failures));
        (self.clock.elapsed() < bound).then(|| Arc::clone(&held.provider))
    }

    fn fetch(&mut self, stale: Option<Arc<Provider>>) -> DiscoveryAdvice {
        let started = self.clock.elapsed();
        let expires = started.saturating_add(self.policy.fetch_timeout);
        self.tickets = self.tickets.saturating_add(1);
        self.flight = Some(Flight { ticket: self.tickets, expires });
        DiscoveryAdvice::Fetch(DiscoveryTicket {
            issuer: self.issuer.clone(),
            place: self.next,
            number: self.tickets,
            started,
            until: self.clock.to_wall(expires),
            stale,
        })
    }

    /// Ends the fetch of a ticket and tells whether it was still on its way.
    fn land(&mut self, ticket: &DiscoveryTicket) -> bool {
        self.flight.take_if(|flight| flight.ticket == ticket.number).is_some()
    }

    fn fail(&mut self, at: Duration) {
        self.failures = self.failures.saturating_add(1);
        self.retry_at = at.saturating_add(self.policy.pause(self.failures));
        self.next = self.first;
    }

    fn read(&self, response: &HttpResponse) -> Result<(Provider, String), DocumentError> {
        let body = document::body(response)?;
        let provider = document::read(body, &self.issuer, &self.policy.tolerance)?;
        let text = core::str::from_utf8(body).map_err(|_| JsonError::Syntax)?;
        Ok((provider, text.into()))
    }

    fn replace(
        &mut self,
        provider: Provider,
        document: String,
        ticket: &DiscoveryTicket,
        response: &HttpResponse,
    ) -> Arc<Provider> {
        let age = response.headers.fresh_for(self.policy.default_age);
        // RFC 9111 section 4.2.3: the age counts from the request. A ticket of an earlier life has another
        // zero.
        let started = ticket.started.min(self.clock.elapsed());
        let fresh_until = started.saturating_add(self.policy.bounded_age(age));
        let provider = Arc::new(provider);
        self.held =
            Some(Held { provider: Arc::clone(&provider), document, ticket: ticket.number, fresh_until });
        self.start_at(ticket.place);
        // A late answer does not undo the failure of a later fetch.
        if ticket.number == self.tickets {
            self.failures = 0;
        }
        provider
    }

    pub(crate) fn start_at(&mut self, place: WellKnown) {
        self.first = self.policy.order.starting_at(place);
        self.next = self.first;
    }
}

/// What to do for a caller that needs the provider.
#[derive(Debug)]
#[must_use = "a ticket that is dropped holds back every other fetch until it expires"]
#[expect(clippy::exhaustive_enums, reason = "a host must handle each of the three")]
pub enum DiscoveryAdvice {
    /// Go on with this provider.
    Ready(Arc<Provider>),
    /// Send the request of the ticket and hand in what comes back; if that was no metadata, ask again: the
    /// answer is the other place, or has the stale provider. This caller, too, can go on with
    /// [`DiscoveryTicket::stale`] at once.
    Fetch(DiscoveryTicket),
    /// Another caller fetches, or a failed fetch is not tried again yet. Go on with `stale`. Without it, ask
    /// again when the other caller is back and at the latest at `until`, or answer that the service is
    /// unavailable for the time being.
    Wait {
        /// When to ask again at the latest.
        until: UnixTime,
        /// A provider past its age that still serves.
        stale: Option<Arc<Provider>>,
    },
}

/// The right to fetch the metadata once. It can't be cloned, and the answer consumes it.
///
/// A ticket that is dropped expires; until then, no other fetch starts.
#[derive(Debug)]
#[must_use = "a ticket that is dropped holds back every other fetch until it expires"]
pub struct DiscoveryTicket {
    issuer: Issuer,
    place: WellKnown,
    number: u64,
    started: Duration,
    until: UnixTime,
    stale: Option<Arc<Provider>>,
}

impl DiscoveryTicket {
    /// Makes the request to send, which follows no redirect
    /// ([RFC 8414 section 3.1](https://www.rfc-editor.org/rfc/rfc8414#section-3.1)).
    #[must_use]
    pub fn request(&self) -> HttpRequest {
        HttpRequest::new("GET", self.place.url(&self.issuer)).with_header("Accept", "application/json")
    }

    /// Returns when the fetch counts as lost: the host's request gives up by then.
    #[must_use]
    pub const fn until(&self) -> UnixTime {
        self.until
    }

    /// Returns a provider past its age that still serves meanwhile.
    #[must_use]
    pub const fn stale(&self) -> Option<&Arc<Provider>> {
        self.stale.as_ref()
    }
}

/// Why a response brought no provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The ticket is one of another issuer.
    #[error("the ticket is one of another issuer")]
    ForeignTicket,
    /// The answer to a later request came first; this one is not used.
    #[error("the answer to a later request came first")]
    Superseded,
    /// The status is 404, and the other place is left: ask for advice again, which is a ticket for it.
    #[error("the metadata is not in the first place")]
    NotHere,
    /// The answer is not the metadata of the issuer.
    #[error(transparent)]
    Document(#[from] DocumentError),
}
