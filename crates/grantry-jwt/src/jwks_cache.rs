//! The key set of one issuer, kept fresh without I/O.

use alloc::{string::String, sync::Arc};
use core::time::Duration;

use grantry_core::{HttpRequest, HttpResponse, SteadyClock, UnixTime};

use crate::unknown_keys::{KeyIdDigest, UnknownKeys};
use crate::{Header, JwkSet, JwkSetError, JwksPolicy};

/// Keeps the key set of one issuer, and says when to fetch it anew.
///
/// It does no I/O. The host asks [`advise`](Self::advise) before it verifies, sends the request of a
/// ticket when there is one, and hands in what came back. All callers share one cache behind a lock
/// that is held for these calls only, never while a request is on its way.
///
/// * **One fetch is on its way at a time.** Its ticket expires after `fetch_timeout`, so that a lost
///   one stops nothing. A failed fetch is tried again after a pause that doubles.
/// * **A newer set replaces the older one as a whole.** A key that is gone verifies nothing. A
///   document without a usable key replaces the set, too: no token passes any more, and the issuer is
///   asked again after each cool-down.
/// * **No answer replaces that of a later request.** One that comes after its ticket has expired is
///   taken when nothing newer came, and its age counts from when it was asked for.
/// * **An unknown key id asks for one fetch a cool-down**, whatever ids strangers write into their
///   tokens, and one that the issuer did not have asks for none until `unknown_key_age` is over. A
///   token under a new key is so refused for at most the longer of `cool_down` and
///   `fetch_timeout + unknown_key_age`, and one more `fetch_timeout`, while the issuer answers.
/// * **No key serves beyond its bound**: the age of its set, never above `longest_age`, and
///   `stale_while_fetching`, or `stale_if_error` when fetches fail.
/// * **A clock that is set back** freezes nothing: what was to end in a minute ends after a minute.
///
/// ```
/// use grantry_jwt::{Advice, HttpResponse, JwksCache, JwksPolicy, UnixTime, Wanted};
///
/// let mut cache = JwksCache::new("https://as.example/jwks", JwksPolicy::default());
/// let now = UnixTime::from_secs(1_800_000_000);
///
/// let Advice::Fetch(ticket) = cache.advise(Wanted::Any, now) else { panic!("nothing is there yet") };
/// assert_eq!(ticket.request().target, "https://as.example/jwks");
/// # let modulus = format!("w{}", "w".repeat(341));
/// # let document = format!(r#"{{"keys":[{{"kty":"RSA","kid":"a","e":"AQAB","n":"{modulus}"}}]}}"#);
/// let response = HttpResponse::new(200).with_body(document);
/// let keys = cache.handle_response(ticket, &response, now)?;
/// assert_eq!(keys.keys()[0].key_id(), Some("a"));
///
/// assert!(matches!(cache.advise(Wanted::Any, now), Advice::Ready(_)));
/// // After `VerifyError::UnknownKey` the host asks for the key that the token names.
/// assert!(matches!(cache.advise(Wanted::KeyId("b"), now), Advice::NoSuchKey { .. }));
/// # Ok::<(), grantry_jwt::JwksCacheError>(())
/// ```
///
/// # From a token to its claims
///
/// The whole way, where `send` does the HTTP and gives up at [`FetchTicket::until`]. It asks for the key
/// that the token names at once; whatever the fetch brought, the second advice says what it means. The
/// same lines with `.await` behind `send` make an asynchronous host, and the future is `Send`. There a
/// fetch runs in a task of its own: a request that is cancelled with a ticket in its hands would hold back
/// the others until the ticket expires. A host that fetches once, with [`Wanted::Any`], before it serves
/// spares the first callers the wait.
///
/// ```
/// use std::sync::Mutex;
/// use grantry_jwt::{
///     Advice, HttpRequest, HttpResponse, JwksCache, UnixTime, Verified, Verifier, VerifyError, Wanted,
///     peek_unverified,
/// };
/// # use grantry_jwt::{Algorithm, JwkSet, JwksPolicy, KeyLoader};
/// # use serde_json::{Value, json};
///
/// # #[derive(Debug, PartialEq)]
/// enum Refusal {
///     Unauthorized(VerifyError), // 401
///     Unavailable,               // 503
/// }
///
/// fn authenticate(
///     token: &str,
///     verifier: &Verifier,
///     cache: &Mutex<JwksCache>,
///     now: impl Fn() -> UnixTime,
///     send: impl Fn(HttpRequest) -> Option<HttpResponse>,
/// ) -> Result<Verified<'static, Value>, Refusal> {
///     let header = peek_unverified(token).map_err(Refusal::Unauthorized)?;
///     let keys = loop {
///         // A statement of its own: inside of `match`, the lock would be held for all of it.
///         let advice = cache.lock().unwrap().advise(Wanted::from(&header), now());
///         match advice {
///             Advice::Ready(keys) | Advice::Wait { stale: Some(keys), .. } => break keys,
///             Advice::Wait { stale: None, .. } => return Err(Refusal::Unavailable),
///             Advice::NoSuchKey { .. } => return Err(Refusal::Unauthorized(VerifyError::UnknownKey)),
///             Advice::Fetch(ticket) => match send(ticket.request()) {
///                 Some(response) => {
///                     if let Err(error) = cache.lock().unwrap().handle_response(ticket, &response, now()) {
///                         eprintln!("no keys: {error}");
///                     }
///                 }
///                 None => cache.lock().unwrap().handle_failure(ticket, now()),
///             },
///         }
///     };
///     verifier.verify(token, &keys, now()).map_err(Refusal::Unauthorized)
/// }
/// # let new_key = |key_id: &str| {
/// #     let loader = KeyLoader::default();
/// #     let private = loader.generate(Algorithm::EdDsa)?;
/// #     Ok::<_, grantry_jwt::KeyError>(loader.private(Algorithm::EdDsa, &private)?.with_key_id(key_id))
/// # };
/// # let (a, b) = (new_key("a")?, new_key("b")?);
/// # let verifier = Verifier::new("i", "a").danger_optional_expiration();
/// # let cache = Mutex::new(JwksCache::new("https://as.example/jwks", JwksPolicy::default()));
/// # let check = |key: &grantry_jwt::SigningKey, now: u64, response: Option<HttpResponse>| {
/// #     let token = key.sign_claims("JWT", &json!({"iss": "i", "aud": "a"})).unwrap();
/// #     let now = || UnixTime::from_secs(1_800_000_000 + now);
/// #     authenticate(&token, &verifier, &cache, now, |_| response.clone()).map(|_| ())
/// # };
/// # let set = |keys: &[&grantry_jwt::SigningKey]| {
/// #     let set = JwkSet::from_keys(keys.iter().map(|key| key.verifying_key()));
/// #     Some(HttpResponse::new(200).with_body(set.to_json()))
/// # };
/// # assert_eq!(check(&a, 0, None), Err(Refusal::Unavailable));
/// # assert_eq!(check(&a, 9, set(&[&a])), Ok(()));
/// # assert_eq!(check(&b, 9, None), Err(Refusal::Unauthorized(VerifyError::UnknownKey)));
/// # assert_eq!(check(&b, 60, set(&[&a, &b])), Ok(()));
/// # // The age is over and the issuer is away: what is held still serves.
/// # assert_eq!(check(&b, 700, Some(HttpResponse::new(500))), Ok(()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct JwksCache {
    pub(crate) jwks_uri: Arc<str>,
    pub(crate) policy: JwksPolicy,
    pub(crate) clock: SteadyClock,
    pub(crate) held: Option<Held>,
    pub(crate) flight: Option<Flight>,
    /// The number of the newest ticket.
    pub(crate) tickets: u64,
    /// How many of the newest fetches failed in a row.
    pub(crate) failures: u32,
    /// Before it no fetch starts after a failed one.
    pub(crate) retry_at: Duration,
    /// Before it no fetch starts for an unknown key.
    pub(crate) cool_until: Duration,
    pub(crate) unknown_keys: UnknownKeys,
}

/// A set and the fetch it came from.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) keys: Arc<JwkSet>,
    pub(crate) ticket: u64,
    pub(crate) fresh_until: Duration,
}

/// The fetch on its way.
#[derive(Debug)]
pub(crate) struct Flight {
    ticket: u64,
    expires: Duration,
}

impl JwksCache {
    /// Makes an empty cache for the document at an `https` URL, the `jwks_uri` of the issuer's metadata
    /// ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)) or of the host's
    /// configuration: who chooses it chooses the keys.
    #[must_use]
    pub fn new(jwks_uri: impl Into<String>, policy: JwksPolicy) -> Self {
        Self {
            jwks_uri: Arc::from(jwks_uri.into()),
            policy,
            clock: SteadyClock::starting_at(UnixTime::from_secs(0)),
            held: None,
            flight: None,
            tickets: 0,
            failures: 0,
            retry_at: Duration::ZERO,
            cool_until: Duration::ZERO,
            unknown_keys: UnknownKeys::default(),
        }
    }

    /// Says what to do for a caller that needs keys now.
    pub fn advise(&mut self, wanted: Wanted<'_>, now: UnixTime) -> Advice {
        self.begin(now);
        match &self.held {
            Some(held) if self.clock.elapsed() < held.fresh_until => {
                if wanted.is_in(&held.keys) {
                    return Advice::Ready(Arc::clone(&held.keys));
                }
                self.advise_unknown(wanted)
            }
            Some(_) | None => self.advise_without_fresh_keys(wanted),
        }
    }

    /// Takes the answer to the request of a ticket. The host reads no more than
    /// [`JwkSet::MAX_BYTES`] of a body; what media type it has makes no difference.
    ///
    /// How long the set is fresh is in `Cache-Control` and `Age`
    /// ([RFC 9111 section 4.2](https://www.rfc-editor.org/rfc/rfc9111#section-4.2)), inside the bounds
    /// of the policy.
    ///
    /// # Errors
    ///
    /// [`JwksCacheError`] names why the set stays as it is; everything but
    /// [`JwksCacheError::ForeignTicket`] and [`JwksCacheError::Superseded`] counts as a failed fetch.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is used once")]
    pub fn handle_response(
        &mut self,
        ticket: FetchTicket,
        response: &HttpResponse,
        now: UnixTime,
    ) -> Result<Arc<JwkSet>, JwksCacheError> {
        self.begin(now);
        if ticket.jwks_uri != self.jwks_uri {
            return Err(JwksCacheError::ForeignTicket);
        }
        // A cache that was read from an older form may not have given it: the next one has to follow it.
        self.tickets = self.tickets.max(ticket.number);
        let was_in_flight = self.land(&ticket);
        if self.held.as_ref().is_some_and(|held| held.ticket >= ticket.number) {
            return Err(JwksCacheError::Superseded);
        }
        match read_keys(response, &self.policy) {
            Ok(keys) => Ok(self.replace(keys, &ticket, response)),
            Err(error) => {
                if was_in_flight {
                    self.fail(self.clock.elapsed());
                }
                Err(error)
            }
        }
    }

    /// Takes note that the request of a ticket brought no response.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is used once")]
    pub fn handle_failure(&mut self, ticket: FetchTicket, now: UnixTime) {
        self.begin(now);
        if ticket.jwks_uri == self.jwks_uri && self.land(&ticket) {
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

    /// The set is fresh, and what is wanted is not in it.
    fn advise_unknown(&mut self, wanted: Wanted<'_>) -> Advice {
        let now = self.clock.elapsed();
        let known_absent = wanted.digest().and_then(|key_id| self.unknown_keys.until(key_id, now));
        if let Some(until) = known_absent {
            return Advice::NoSuchKey { until: self.clock.to_wall(until) };
        }
        if let Some(flight) = &self.flight {
            return Advice::Wait { until: self.clock.to_wall(flight.expires), stale: None };
        }
        let next = self.cool_until.max(self.retry_at);
        if now < next {
            return Advice::NoSuchKey { until: self.clock.to_wall(next) };
        }
        self.fetch(wanted, None)
    }

    fn advise_without_fresh_keys(&mut self, wanted: Wanted<'_>) -> Advice {
        let now = self.clock.elapsed();
        let stale = self.stale_keys(wanted);
        if let Some(flight) = &self.flight {
            return Advice::Wait { until: self.clock.to_wall(flight.expires), stale };
        }
        if now < self.retry_at {
            return Advice::Wait { until: self.clock.to_wall(self.retry_at), stale };
        }
        self.fetch(wanted, stale)
    }

    /// Returns the set that is past its age and not past its bound, if what is wanted is in it.
    fn stale_keys(&self, wanted: Wanted<'_>) -> Option<Arc<JwkSet>> {
        let held = self.held.as_ref()?;
        let bound = held.fresh_until.saturating_add(self.policy.grace(self.failures));
        (self.clock.elapsed() < bound && wanted.is_in(&held.keys)).then(|| Arc::clone(&held.keys))
    }

    fn fetch(&mut self, wanted: Wanted<'_>, stale: Option<Arc<JwkSet>>) -> Advice {
        let started = self.clock.elapsed();
        let expires = started.saturating_add(self.policy.fetch_timeout);
        self.tickets = self.tickets.saturating_add(1);
        self.cool_until = started.saturating_add(self.policy.cool_down);
        self.flight = Some(Flight { ticket: self.tickets, expires });
        Advice::Fetch(FetchTicket {
            jwks_uri: Arc::clone(&self.jwks_uri),
            number: self.tickets,
            started,
            until: self.clock.to_wall(expires),
            wanted: wanted.digest(),
            stale,
        })
    }

    /// Ends the fetch of a ticket and tells whether it was still on its way.
    fn land(&mut self, ticket: &FetchTicket) -> bool {
        self.flight.take_if(|flight| flight.ticket == ticket.number).is_some()
    }

    fn fail(&mut self, at: Duration) {
        self.failures = self.failures.saturating_add(1);
        self.retry_at = at.saturating_add(self.policy.pause(self.failures));
    }

    fn replace(&mut self, keys: JwkSet, ticket: &FetchTicket, response: &HttpResponse) -> Arc<JwkSet> {
        let now = self.clock.elapsed();
        // A set without keys serves nobody: it is asked for again as soon as may be.
        let age = match keys.keys() {
            [] => Duration::ZERO,
            _ => response.headers.fresh_for(self.policy.default_age),
        };
        if let Some(key_id) = ticket.wanted.filter(|key_id| !has_digest(&keys, *key_id)) {
            self.unknown_keys.insert(key_id, now.saturating_add(self.policy.unknown_key_age), now);
        }
        // RFC 9111 section 4.2.3: the age counts from the request. A ticket of an earlier life of this
        // cache has another zero.
        let fresh_until = ticket.started.min(now).saturating_add(self.policy.bounded_age(age));
        let keys = Arc::new(keys);
        self.held = Some(Held { keys: Arc::clone(&keys), ticket: ticket.number, fresh_until });
        // A late answer does not undo the failure of a later fetch.
        if ticket.number == self.tickets {
            self.failures = 0;
        }
        keys
    }
}

/// The keys that a caller needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted<'a> {
    /// The current set, for a token that nobody has looked at, or one without `kid`.
    Any,
    /// The key of this `kid`, after [`VerifyError::UnknownKey`](crate::VerifyError::UnknownKey) or before
    /// the token is verified; see [`peek_unverified`](crate::peek_unverified).
    KeyId(&'a str),
}

/// Takes what the header of a token names: its `kid`, or else any key.
impl<'a> From<&'a Header> for Wanted<'a> {
    fn from(header: &'a Header) -> Self {
        header.key_id().map_or(Self::Any, Self::KeyId)
    }
}

impl Wanted<'_> {
    /// The same rule as that of [`verify_jws`](crate::verify_jws): a single key without an id takes
    /// any `kid`.
    fn is_in(self, keys: &JwkSet) -> bool {
        match (self, keys.keys()) {
            (Self::Any, keys) => !keys.is_empty(),
            (Self::KeyId(_), [lone]) if lone.key_id().is_none() => true,
            (Self::KeyId(key_id), keys) => keys.iter().any(|key| key.key_id() == Some(key_id)),
        }
    }

    fn digest(self) -> Option<KeyIdDigest> {
        match self {
            Self::Any => None,
            Self::KeyId(key_id) => Some(KeyIdDigest::of(key_id)),
        }
    }
}

/// What to do for a caller that needs keys.
#[derive(Debug)]
#[must_use = "a ticket that is dropped holds back every other fetch until it expires"]
#[expect(clippy::exhaustive_enums, reason = "a host must handle each of the four")]
pub enum Advice {
    /// Verify with these keys.
    Ready(Arc<JwkSet>),
    /// Send the request of the ticket and hand in what comes back; if that were no keys, ask again: the
    /// answer has the stale ones. This caller, too, can verify with [`FetchTicket::stale`] at once.
    Fetch(FetchTicket),
    /// Another caller fetches, or a failed fetch is not tried again yet. Verify with `stale`. Without
    /// it, ask again when the other caller is back and at the latest at `until`, or answer that the
    /// service is unavailable for the time being.
    Wait {
        /// When to ask again at the latest.
        until: UnixTime,
        /// Keys past their age that still serve, what was wanted among them.
        stale: Option<Arc<JwkSet>>,
    },
    /// Refuse the token: the issuer has no such key, or the cool-down holds back the question.
    NoSuchKey {
        /// Before it the same question has the same answer, unless another one brings newer keys.
        until: UnixTime,
    },
}

/// The right to fetch the keys once. It can't be cloned, and the answer consumes it.
///
/// A ticket that is dropped expires; until then, no other fetch starts.
#[derive(Debug)]
#[must_use = "a ticket that is dropped holds back every other fetch until it expires"]
pub struct FetchTicket {
    jwks_uri: Arc<str>,
    number: u64,
    started: Duration,
    until: UnixTime,
    wanted: Option<KeyIdDigest>,
    stale: Option<Arc<JwkSet>>,
}

impl FetchTicket {
    /// Makes the request to send, which follows no redirect to another origin
    /// ([RFC 7517 section 8.5](https://www.rfc-editor.org/rfc/rfc7517#section-8.5) has the media type).
    #[must_use]
    pub fn request(&self) -> HttpRequest {
        HttpRequest::new("GET", &*self.jwks_uri)
            .with_header("Accept", "application/jwk-set+json, application/json")
    }

    /// Returns when the fetch counts as lost: the host's request gives up by then.
    #[must_use]
    pub const fn until(&self) -> UnixTime {
        self.until
    }

    /// Returns keys past their age that still serve meanwhile, what was wanted among them.
    #[must_use]
    pub const fn stale(&self) -> Option<&Arc<JwkSet>> {
        self.stale.as_ref()
    }
}

/// Why a response brought no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum JwksCacheError {
    /// The ticket is one of another document.
    #[error("the ticket is one of another key set")]
    ForeignTicket,
    /// The answer to a later request came first; this one is not used.
    #[error("the answer to a later request came first")]
    Superseded,
    /// The status is not 200: after a redirect, too, the host hands in the last response.
    #[error("the status of the key set is {0}")]
    Status(u16),
    /// The body is not a key set.
    #[error(transparent)]
    Set(#[from] JwkSetError),
}

fn read_keys(response: &HttpResponse, policy: &JwksPolicy) -> Result<JwkSet, JwksCacheError> {
    if response.status != 200 {
        return Err(JwksCacheError::Status(response.status));
    }
    Ok(policy.loader.jwk_set(&response.body)?)
}

/// [`Wanted::is_in`] for what is left of a `kid`.
fn has_digest(keys: &JwkSet, wanted: KeyIdDigest) -> bool {
    match keys.keys() {
        [lone] if lone.key_id().is_none() => true,
        keys => keys.iter().filter_map(|key| key.key_id()).any(|key_id| KeyIdDigest::of(key_id) == wanted),
    }
}
