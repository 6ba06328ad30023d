//! Answers about opaque tokens, kept for a while.

use core::fmt;
use core::time::Duration;

use grantry_core::{SecretString, UnixTime};

use crate::Introspected;
use crate::remembered::{Digest, Remembered};

/// Keeps what the authorization server said about active tokens, so that a repeated one needs no question.
///
/// An answer is kept for at most `max_age`, for so long a revoked token may pass, and never to the token's `exp` or
/// beyond ([RFC 7662 section 4](https://www.rfc-editor.org/rfc/rfc7662#section-4)). An answer that a token is not
/// active is not kept: strangers would fill the cache. The cache holds no token, only SHA-256 digests. When there is
/// no room, an answer that was not used for long goes.
///
/// ```
/// use core::time::Duration;
/// use grantry_core::{ClientId, HttpResponse, Issuer, SecretString, UnixTime};
/// use grantry_resource::{Credentials, Introspected, Introspection, IntrospectionCache, IntrospectionError};
///
/// fn introspect(
///     introspection: &Introspection,
///     cache: &mut IntrospectionCache,
///     token: &SecretString,
///     now: UnixTime,
///     send: impl FnOnce(grantry_core::HttpRequest) -> HttpResponse,
/// ) -> Result<Introspected, IntrospectionError> {
///     if let Some(introspected) = cache.find(token, now) {
///         return Ok(introspected);
///     }
///     let introspected = introspection.response(&send(introspection.request(token)))?;
///     cache.keep(token, &introspected, now);
///     Ok(introspected)
/// }
/// # let credentials = Credentials::client_secret_basic(ClientId::parse("api")?, SecretString::from("secret"));
/// # let issuer = Issuer::parse("https://as.example")?;
/// # let introspection = Introspection::new(issuer, "https://as.example/introspect", credentials)?;
/// # let mut cache = IntrospectionCache::new(1000, Duration::from_secs(30));
/// # let (token, now) = (SecretString::from("token"), UnixTime::from_secs(1_800_000_000));
/// # let answer = HttpResponse::json(200, &serde_json::json!({"active": true, "exp": 1_800_000_020}));
/// # assert!(introspect(&introspection, &mut cache, &token, now, |_| answer).unwrap().is_active());
/// # assert!(introspect(&introspection, &mut cache, &token, now, |_| unreachable!()).unwrap().is_active());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct IntrospectionCache {
    max_age: Duration,
    answers: Remembered<Introspected>,
}

impl IntrospectionCache {
    /// The most answers that a cache holds, whatever it is made for: about a kilobyte each.
    pub const MAX_CAPACITY: usize = Remembered::<()>::MAX_CAPACITY;

    /// Makes a cache for so many answers, up to [`IntrospectionCache::MAX_CAPACITY`] and down to a multiple of eight,
    /// each kept for at most `max_age`, in whole seconds. It takes memory as it fills.
    #[must_use]
    pub fn new(capacity: usize, max_age: Duration) -> Self {
        Self { max_age, answers: Remembered::new(capacity) }
    }

    /// Returns the most answers that the cache holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.answers.capacity()
    }

    /// Returns how many answers the cache holds, those among them whose time is over.
    #[must_use]
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Tells whether the cache holds no answer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets every answer.
    pub fn clear(&mut self) {
        self.answers.clear();
    }

    /// Finds the answer about a token.
    #[must_use]
    pub fn find(&mut self, token: &SecretString, now: UnixTime) -> Option<Introspected> {
        self.answers.find(&Digest::of(token.expose()), now).cloned()
    }

    /// Keeps the answer about a token that was asked for at `now`, if it says that the token is active; if it says
    /// that it is not, an earlier answer goes.
    pub fn keep(&mut self, token: &SecretString, introspected: &Introspected, now: UnixTime) {
        let token = Digest::of(token.expose());
        if !introspected.is_active() {
            return self.answers.forget(&token);
        }
        let oldest = now.saturating_add(self.max_age);
        let until = introspected.expires_at().map_or(oldest, |end| end.min(oldest));
        self.answers.keep(token, introspected.clone(), until, now);
    }
}

impl fmt::Debug for IntrospectionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionCache")
            .field("capacity", &self.capacity())
            .field("len", &self.len())
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}
