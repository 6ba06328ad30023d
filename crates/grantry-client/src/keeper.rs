//! The tokens of one grant, kept fresh without I/O.

use alloc::sync::Arc;
use core::time::Duration;

use grantry_core::{HttpResponse, Moment, Scope, SecretString, UnixTime};
use grantry_jwt::{JwkSet, VerifyError};

use crate::refresh_failure::Meaning;
use crate::retry_after::{LONGEST_RETRY_AFTER, retry_after};
use crate::{
    Client, IdTokenError, KeeperPolicy, RefreshError, RefreshTicket, SendFailure, TokenError, Tokens,
};

/// Keeps the tokens of one grant, and says when to refresh them.
///
/// It does no I/O. The host asks [`advise`](Self::advise) before it uses the access token, sends the
/// request of a ticket when there is one, and hands in what came back. The threads of one process share
/// it behind a lock that is held for these calls only; several processes share it through a
/// [`Session`](crate::Session).
///
/// * **No token is used beyond its expiry**, which counts from the request that brought it, and it is
///   refreshed before, by a margin with jitter.
/// * **One refresh is on its way at a time.** The others use the token that is there while it is good.
///   A ticket expires after `request_timeout`, so that a lost one stops nothing.
/// * **A refresh token is given up for its successor alone.** Until an answer brings tokens, the one
///   that is kept is sent again, and the first answer to it is the one that counts: what comes later for
///   the same refresh token changes nothing.
/// * **A lost reply is asked for again**, with the same refresh token, in the bounds of
///   [`KeeperPolicy::with_lost_reply_retry`], where it stands what that means at which provider.
/// * **Only `invalid_grant` ends a session**, unless it was the answer to a repetition and the tokens of the first
///   request come after it. When the provider is away or refuses the client itself, the
///   refresh is tried again after a pause that doubles, or after its `Retry-After`.
/// * **A clock that is set back** freezes nothing: what it makes look far away counts as here.
///
/// ```
/// use grantry_client::{Client, KeeperPolicy, TokenAdvice, TokenKeeper, Tokens};
/// use grantry_core::{HttpResponse, Moment, UnixTime};
/// use grantry_jwt::JwkSet;
///
/// # fn example(client: &Client, tokens: Tokens) -> Result<(), Box<dyn std::error::Error>> {
/// // `tokens` of a login at 0 s, good for an hour.
/// let at = |seconds: u64, seed| Moment::new(UnixTime::from_secs(1_800_000_000 + seconds), [seed; 32]);
/// let mut keeper = TokenKeeper::new(tokens, KeeperPolicy::default(), at(0, 1));
/// assert!(matches!(keeper.advise(at(60, 2)), TokenAdvice::Use(_)));
///
/// let TokenAdvice::Refresh(ticket) = keeper.advise(at(3_550, 3)) else { panic!("it is due") };
/// let request = ticket.request(client, at(3_550, 4))?;
/// assert_eq!(request.target, "https://as.example/token");
/// // Whoever asks meanwhile uses the token that is there.
/// assert!(matches!(keeper.advise(at(3_551, 5)), TokenAdvice::Use(_)));
///
/// let response = HttpResponse::new(200).with_header("Content-Type", "application/json").with_body(
///     r#"{"access_token":"at-2","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-2"}"#,
/// );
/// keeper.handle_response(client, &ticket, &response, &JwkSet::default(), at(3_552, 6))?;
/// let TokenAdvice::Use(tokens) = keeper.advise(at(3_553, 7)) else { panic!("it is fresh") };
/// assert_eq!(tokens.access_token().expose(), "at-2");
/// # Ok(())
/// # }
/// # let issuer = grantry_core::Issuer::parse("https://as.example")?;
/// # let provider =
/// #     grantry_client::Provider::new(issuer, "https://as.example/authorize", "https://as.example/token")?;
/// # let none = grantry_client::ClientAuthentication::None;
/// # let id = grantry_core::ClientId::parse("app")?;
/// # let client = Client::without_redirect_uri(provider, id, none)?;
/// # let stored = r#"{"version":1,"issuer":"https://as.example","client_id":"app","access_token":"at-1",
/// #     "expires_at":1800003600,"refresh_token":"rt-1","scope":"","granted":"","id_token":null}"#;
/// # example(&client, Tokens::from_json(stored)?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TokenKeeper {
    pub(crate) policy: KeeperPolicy,
    pub(crate) tokens: Arc<Tokens>,
    /// Asked at each refresh instead of the whole grant.
    pub(crate) narrowed: Option<Scope>,
    /// How many answers have brought tokens.
    pub(crate) generation: u64,
    pub(crate) received_at: UnixTime,
    /// From when on the access token is refreshed.
    pub(crate) due_at: UnixTime,
    /// An API refused the access token.
    pub(crate) rejected: Rejected,
    pub(crate) flight: Option<Flight>,
    /// The number of the newest ticket.
    pub(crate) tickets: u64,
    /// How many of the newest refreshes failed in a row.
    pub(crate) failures: u32,
    /// Before it no refresh starts after a failed one.
    pub(crate) retry_at: UnixTime,
    pub(crate) obstacle: Obstacle,
    /// The replies to the refresh token that were lost.
    pub(crate) lost: Option<Lost>,
    pub(crate) ended: Option<SessionEnd>,
}

/// The refresh on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flight {
    pub(crate) ticket: u64,
    pub(crate) since: UnixTime,
    pub(crate) until: UnixTime,
}

/// Replies that the provider may have sent, and their first request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    pub(crate) since: UnixTime,
    pub(crate) times: u32,
}

/// Whether an API refused the access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    No,
    Yes,
}

/// What processes that share a session may differ by before a clock counts as set back.
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(60);

impl TokenKeeper {
    /// Takes the tokens of a login. A refresh that came to the host by another way makes a new keeper, too.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
    pub fn new(tokens: Tokens, policy: KeeperPolicy, moment: Moment) -> Self {
        Self {
            due_at: due_at(&tokens, &policy, &moment),
            policy,
            tokens: Arc::new(tokens),
            narrowed: None,
            generation: 0,
            received_at: moment.time(),
            rejected: Rejected::No,
            flight: None,
            tickets: 0,
            failures: 0,
            retry_at: moment.time(),
            obstacle: Obstacle::ProviderUnavailable,
            lost: None,
            ended: None,
        }
    }

    /// Asks at each refresh for less than was granted, as [`Refresh::narrowed_to`](crate::Refresh::narrowed_to); the empty scope
    /// narrows nothing.
    #[must_use]
    pub fn narrowed_to(mut self, scope: Scope) -> Self {
        self.narrowed = Some(scope).filter(|scope| !scope.is_empty());
        self
    }

    /// Returns the tokens that are kept, whether or not they are still good: for their owner, scope and
    /// ID token, and to revoke them.
    #[must_use]
    pub const fn tokens(&self) -> &Arc<Tokens> {
        &self.tokens
    }

    /// Says what to do for a caller that needs an access token now.
    #[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
    pub fn advise(&mut self, moment: Moment) -> TokenAdvice {
        self.advise_at(&moment)
    }

    /// Takes the answer to the request of a ticket. It can be handed in again: after
    /// [`VerifyError::UnknownKey`], while the ticket is good, with a key set that was fetched anew; and
    /// when the host does not know whether it has kept what the first time brought.
    ///
    /// An answer that comes after its ticket has expired is taken when no other has brought tokens; one
    /// that is late and an error changes nothing.
    ///
    /// # Errors
    ///
    /// [`KeeperError::Client`] when the tokens are not this client's; [`KeeperError::Superseded`] when the
    /// answer comes too late; [`KeeperError::Token`] as [`Refresh::response`](crate::Refresh::response) has it. The next advice knows what
    /// that means for the session.
    #[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
    pub fn handle_response(
        &mut self,
        client: &Client,
        ticket: &RefreshTicket,
        response: &HttpResponse,
        keys: &JwkSet,
        moment: Moment,
    ) -> Result<Arc<Tokens>, KeeperError> {
        self.land(client, ticket, response, keys, &moment)
    }

    /// Takes note that the request of a ticket brought no response.
    #[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
    pub fn handle_failure(&mut self, ticket: &RefreshTicket, failure: SendFailure, moment: Moment) {
        self.lose(ticket, failure, &moment);
    }

    /// Takes note that an API refused this access token as invalid, before it expired
    /// ([RFC 6750 section 3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)): it is not used any more,
    /// and refreshed at once. Another token than the current one changes nothing.
    pub fn handle_invalid_token(&mut self, access_token: &SecretString) {
        if self.tokens.access_token.matches(access_token.expose()) {
            self.rejected = Rejected::Yes;
        }
    }

    pub(crate) fn advise_at(&mut self, moment: &Moment) -> TokenAdvice {
        let now = moment.time();
        if let Some(end) = self.ended {
            return TokenAdvice::Expired(end);
        }
        self.give_up_lost_flight(moment);
        let usable = self.is_usable(now);
        if self.tokens.refresh_token.is_none() {
            return self.used_or(usable, TokenAdvice::Expired(SessionEnd::NoRefreshToken));
        }
        if usable && !self.is_due(now) {
            return TokenAdvice::Use(Arc::clone(&self.tokens));
        }
        if let Some(flight) = &self.flight {
            let wait = TokenAdvice::Wait { until: flight.until, obstacle: Obstacle::RefreshUnderWay };
            return self.used_or(usable, wait);
        }
        if !self.may_send(now) {
            return self.used_or(usable, TokenAdvice::Expired(SessionEnd::ReplyLost));
        }
        match self.not_before(now) {
            Some((until, obstacle)) => self.used_or(usable, TokenAdvice::Wait { until, obstacle }),
            None => TokenAdvice::Refresh(self.ticket(now, usable)),
        }
    }

    pub(crate) fn land(
        &mut self,
        client: &Client,
        ticket: &RefreshTicket,
        response: &HttpResponse,
        keys: &JwkSet,
        moment: &Moment,
    ) -> Result<Arc<Tokens>, KeeperError> {
        let refresh = ticket.refresh(client)?;
        if !self.is_current(ticket) {
            return Err(KeeperError::Superseded);
        }
        match refresh.response(response, keys, moment.time()) {
            // Also behind an end: the provider refused the repetition of this very request.
            Ok(tokens) => Ok(self.replace(ticket.counted_from_request(tokens, moment.time()), moment)),
            Err(_) if self.ended.is_some() => Err(KeeperError::Superseded),
            // The host can help itself, and the ticket is still good.
            Err(error @ TokenError::IdToken(IdTokenError::Token(VerifyError::UnknownKey))) => {
                Err(error.into())
            }
            Err(error) => {
                if let Some(flight) = self.take_flight(ticket) {
                    self.fail(flight, Meaning::of(&error), retry_after(response), moment);
                }
                Err(error.into())
            }
        }
    }

    pub(crate) fn lose(&mut self, ticket: &RefreshTicket, failure: SendFailure, moment: &Moment) {
        if !self.is_current(ticket) {
            return;
        }
        let meaning = match failure {
            SendFailure::NotSent => Meaning::NotTaken,
            SendFailure::Unanswered => Meaning::Unknown,
        };
        if let Some(flight) = self.take_flight(ticket) {
            self.fail(flight, meaning, Duration::ZERO, moment);
        }
    }

    fn used_or(&self, usable: bool, otherwise: TokenAdvice) -> TokenAdvice {
        if usable { TokenAdvice::Use(Arc::clone(&self.tokens)) } else { otherwise }
    }

    /// Tells whether the access token is good as far as is known. `exp` is exclusive.
    fn is_usable(&self, now: UnixTime) -> bool {
        self.rejected == Rejected::No && self.tokens.expires_at.is_none_or(|expires_at| now < expires_at)
    }

    fn is_due(&self, now: UnixTime) -> bool {
        // By a clock that was set back, nobody knows how old the token is.
        now >= self.due_at || is_far_behind(now, self.received_at)
    }

    /// Returns until when no refresh starts, and why not.
    fn not_before(&self, now: UnixTime) -> Option<(UnixTime, Obstacle)> {
        let cool = self.received_at.saturating_add(KeeperPolicy::COOL_DOWN);
        if now < cool && !is_far_behind(now, self.received_at) {
            return Some((cool, Obstacle::CoolDown));
        }
        let longest = self.policy.longest_pause.max(LONGEST_RETRY_AFTER);
        let waits = self.failures > 0 && now < self.retry_at && self.retry_at <= now.saturating_add(longest);
        waits.then_some((self.retry_at, self.obstacle))
    }

    /// Tells whether the refresh token may be sent: a second time, only in the bounds of the policy.
    fn may_send(&self, now: UnixTime) -> bool {
        self.lost.is_none_or(|lost| {
            lost.times <= self.policy.retries && now.saturating_since(lost.since) <= self.policy.retry_within
        })
    }

    fn ticket(&mut self, now: UnixTime, usable: bool) -> RefreshTicket {
        let until = now.saturating_add(self.policy.request_timeout);
        self.tickets = self.tickets.saturating_add(1);
        self.flight = Some(Flight { ticket: self.tickets, since: now, until });
        RefreshTicket {
            tokens: Arc::clone(&self.tokens),
            narrowed: self.narrowed.clone(),
            generation: self.generation,
            number: self.tickets,
            since: now,
            until,
            usable: usable.then(|| Arc::clone(&self.tokens)),
        }
    }

    /// Gives up a refresh whose time is over: its process may have crashed with the answer in its hands.
    fn give_up_lost_flight(&mut self, moment: &Moment) {
        let now = moment.time();
        let lost = self.flight.take_if(|flight| flight.until <= now || is_far_behind(now, flight.since));
        if let Some(flight) = lost {
            self.fail(flight, Meaning::Unknown, Duration::ZERO, moment);
            // The pause counts from when it was lost, not from when somebody noticed.
            let late = now.saturating_since(flight.until);
            self.retry_at = self.retry_at.saturating_sub(late);
        }
    }

    /// The refresh token of a ticket is the one that is kept, and no answer to it has brought tokens.
    fn is_current(&self, ticket: &RefreshTicket) -> bool {
        let same = |kept: &SecretString| {
            ticket.tokens.refresh_token.as_ref().is_some_and(|sent| sent.matches(kept.expose()))
        };
        ticket.generation == self.generation && self.tokens.refresh_token.as_ref().is_some_and(same)
    }

    fn take_flight(&mut self, ticket: &RefreshTicket) -> Option<Flight> {
        self.flight.take_if(|flight| flight.ticket == ticket.number)
    }

    fn fail(&mut self, flight: Flight, meaning: Meaning, retry_after: Duration, moment: &Moment) {
        self.failures = self.failures.saturating_add(1);
        let pause = self.policy.pause(self.failures, moment).max(retry_after);
        self.retry_at = moment.time().saturating_add(pause);
        self.obstacle = Obstacle::ProviderUnavailable;
        match meaning {
            Meaning::GrantGone => self.ended = Some(SessionEnd::GrantGone),
            Meaning::ClientRefused => self.obstacle = Obstacle::ClientRefused,
            Meaning::NotTaken => {}
            Meaning::Unknown => {
                let before = self.lost.unwrap_or(Lost { since: flight.since, times: 0 });
                self.lost = Some(Lost { times: before.times.saturating_add(1), ..before });
            }
        }
    }

    fn replace(&mut self, tokens: Tokens, moment: &Moment) -> Arc<Tokens> {
        self.due_at = due_at(&tokens, &self.policy, moment);
        self.tokens = Arc::new(tokens);
        self.generation = self.generation.saturating_add(1);
        self.received_at = moment.time();
        self.retry_at = moment.time();
        self.rejected = Rejected::No;
        self.flight = None;
        self.failures = 0;
        self.lost = None;
        self.ended = None;
        Arc::clone(&self.tokens)
    }
}

fn due_at(tokens: &Tokens, policy: &KeeperPolicy, moment: &Moment) -> UnixTime {
    let Some(expires_at) = tokens.expires_at else {
        return moment.time().saturating_add(policy.unknown_lifetime);
    };
    let lifetime = expires_at.saturating_since(moment.time());
    expires_at.saturating_sub(policy.early_by(lifetime, moment))
}

fn is_far_behind(now: UnixTime, earlier: UnixTime) -> bool {
    earlier.saturating_since(now) > CLOCKS_DIFFER_BY
}

/// What to do for a caller that needs an access token.
#[derive(Debug)]
#[must_use = "a ticket that is dropped holds back every other refresh until it expires"]
#[expect(clippy::exhaustive_enums, reason = "a host must handle each of the four")]
pub enum TokenAdvice {
    /// Use the access token of these.
    Use(Arc<Tokens>),
    /// Send the request of the ticket, hand in what comes back, and ask again. This caller, too, can use
    /// [`RefreshTicket::usable`] at once.
    Refresh(RefreshTicket),
    /// There is no access token that is good. Ask again when the other caller is back and at the latest
    /// at `until`, or answer that the service is unavailable for the time being.
    Wait {
        /// When to ask again at the latest.
        until: UnixTime,
        /// What stands in the way.
        obstacle: Obstacle,
    },
    /// The session is over: the person signs in again.
    Expired(SessionEnd),
}

/// Why no refresh is sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// Another caller refreshes.
    RefreshUnderWay,
    /// The last tokens came less than [`KeeperPolicy::COOL_DOWN`] ago.
    CoolDown,
    /// The provider can't be reached or fails.
    ProviderUnavailable,
    /// The provider refuses the client itself, as with `invalid_client`: the host's configuration is wrong,
    /// and the session goes on once it is right
    /// ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    ClientRefused,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionEnd {
    /// The provider answered `invalid_grant`
    /// ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
    #[error("the grant is gone (RFC 6749 section 5.2)")]
    GrantGone,
    /// The access token is over, and there is no refresh token.
    #[error("the access token is over and there is no refresh token")]
    NoRefreshToken,
    /// The access token is over, and the policy does not send the refresh token again after replies
    /// were lost.
    #[error("the access token is over and the reply to its refresh was lost")]
    ReplyLost,
}

/// Why an answer brought no tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeeperError {
    /// The tokens are not this client's: the host took the wrong one.
    #[error(transparent)]
    Client(#[from] RefreshError),
    /// Another answer to the same refresh token has brought tokens, or the session is over. This one is
    /// not used: ask for advice.
    #[error("another answer came first, or the session is over")]
    Superseded,
    /// The provider refused, or its answer fails a check.
    #[error(transparent)]
    Token(#[from] TokenError),
}
