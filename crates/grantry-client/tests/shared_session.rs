//! A session that several processes share, against a model of a provider that rotates refresh tokens,
//! repeats a lost reply inside of its window and takes any other reuse for theft.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

extern crate alloc;

use alloc::{rc::Rc, sync::Arc};
use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use common::{NOW, client, exchange, keys, parameters, token_answer};
use grantry_client::{
    AsyncSessionStore, Client, KeeperError, KeeperPolicy, MAX_SESSION_ROUNDS, MemorySessionStore,
    RefreshTicket, Revision, RevisionError, Saved, SendFailure, Session, SessionEnd, SessionError,
    SessionRecord, SessionStore, TokenAdvice, Tokens, TokensError,
};
use grantry_core::{HttpResponse, Moment, SecretString, UnixTime};
use grantry_jwt::JwkSet;
use proptest::prelude::*;
use serde_json::json;

const LIFETIME: u64 = 40;

fn time(seconds: u64) -> UnixTime {
    UnixTime::from_secs(NOW.as_secs() + seconds)
}

thread_local! {
    /// No two moments of a test have one seed.
    static SEED: Cell<u64> = const { Cell::new(0) };
}

fn at(seconds: u64) -> Moment {
    SEED.set(SEED.get() + 1);
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&SEED.get().to_be_bytes());
    Moment::new(time(seconds), seed)
}

fn first_tokens(client: &Client) -> Tokens {
    let answer = json!({ "access_token": format!("at-0-{LIFETIME}"), "refresh_token": "rt-0", "expires_in": LIFETIME });
    exchange(client, "photos").response(&token_answer(&answer), &keys(), NOW).unwrap()
}

/// The provider's side of one grant.
struct Provider {
    serial: u64,
    rotated_at: u64,
    /// `refresh_retry`, in seconds.
    window: u64,
    alive: bool,
}

impl Provider {
    fn answer(&mut self, refresh_token: &str, now: u64) -> HttpResponse {
        let presented: u64 = refresh_token.strip_prefix("rt-").unwrap().parse().unwrap();
        let is_retry = presented + 1 == self.serial && now < self.rotated_at + self.window;
        if self.alive && presented == self.serial {
            self.serial += 1;
            self.rotated_at = now;
        } else if !self.alive || !is_retry {
            self.alive = false;
            return HttpResponse::json(400, &json!({ "error": "invalid_grant" }));
        }
        token_answer(&json!({
            "access_token": format!("at-{}-{}", self.serial, now + LIFETIME),
            "refresh_token": format!("rt-{}", self.serial),
            "expires_in": LIFETIME,
        }))
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered {
        out: u64,
        back: u64,
    },
    RequestLost,
    ReplyLost {
        out: u64,
    },
    /// The provider reads the request twice.
    Duplicated {
        again: u64,
    },
    NotSent,
    Unavailable,
    /// The process ends with the ticket in its hands; the request is on its way or is not.
    CrashedBefore,
    CrashedAfter {
        out: u64,
    },
}

fn fates() -> impl Strategy<Value = Fate> {
    let delay = 0..9_u64;
    prop_oneof![
        4 => (0..4_u64, delay.clone()).prop_map(|(out, back)| Fate::Answered { out, back }),
        1 => Just(Fate::RequestLost),
        3 => delay.clone().prop_map(|out| Fate::ReplyLost { out }),
        1 => delay.clone().prop_map(|again| Fate::Duplicated { again }),
        1 => Just(Fate::NotSent),
        1 => Just(Fate::Unavailable),
        1 => Just(Fate::CrashedBefore),
        2 => delay.prop_map(|out| Fate::CrashedAfter { out }),
    ]
}

enum Happening {
    Arrival { refresh_token: String, back: Option<u64> },
    Reply(HttpResponse),
    Failure(SendFailure),
}

struct World {
    client: Client,
    store: Arc<MemorySessionStore>,
    provider: Provider,
    policy: KeeperPolicy,
    events: Vec<(u64, Rc<RefreshTicket>, Happening)>,
    in_flight_until: u64,
    /// Rounds without success, in a row.
    misses: u32,
}

impl World {
    fn new(window: u64) -> Self {
        let client = client();
        let store = Arc::new(MemorySessionStore::new());
        let policy = KeeperPolicy::default().with_margin(core::time::Duration::from_secs(10));
        Session::new(&store, "s", policy).start(first_tokens(&client), at(0)).unwrap();
        let provider = Provider { serial: 0, rotated_at: 0, window, alive: true };
        Self { client, store, provider, policy, events: Vec::new(), in_flight_until: 0, misses: 0 }
    }

    /// A process that was started just now: nothing but the store is known to it.
    fn session(&self) -> Session<Arc<MemorySessionStore>> {
        Session::new(Arc::clone(&self.store), "s", self.policy)
    }

    fn deliver(&mut self, now: u64) {
        let (due, later) = core::mem::take(&mut self.events).into_iter().partition(|(when, ..)| *when <= now);
        self.events = later;
        let due: Vec<(u64, Rc<RefreshTicket>, Happening)> = due;
        for (_, ticket, happening) in due {
            match happening {
                Happening::Arrival { refresh_token, back } => {
                    let answer = self.provider.answer(&refresh_token, now);
                    let reply = back.map(|back| (now + back, ticket, Happening::Reply(answer)));
                    self.events.extend(reply);
                }
                Happening::Reply(answer) => self.land(&ticket, &answer, now),
                Happening::Failure(failure) => {
                    self.session().handle_failure(&ticket, failure, at(now)).unwrap();
                }
            }
        }
    }

    fn land(&mut self, ticket: &RefreshTicket, answer: &HttpResponse, now: u64) {
        match self.session().handle_response(&self.client, ticket, answer, &JwkSet::default(), at(now)) {
            Ok(_) => (self.in_flight_until, self.misses) = (0, 0),
            Err(SessionError::Keeper(KeeperError::Superseded | KeeperError::Token(_))) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn send(&mut self, ticket: RefreshTicket, fate: Fate, now: u64) {
        let request = ticket.request(&self.client, at(now)).unwrap();
        let refresh_token = parameters(&request)["refresh_token"].clone();
        let (ticket, until) = (Rc::new(ticket), now + 5);
        self.misses += 1;
        let mut then = |when, happening| self.events.push((when, Rc::clone(&ticket), happening));
        let arrival = |back| Happening::Arrival { refresh_token: refresh_token.clone(), back };
        match fate {
            Fate::Answered { out, back } => then(now + out, arrival(Some(back))),
            Fate::RequestLost => then(until - 1, Happening::Failure(SendFailure::Unanswered)),
            Fate::ReplyLost { out } => {
                then(now + out, arrival(None));
                then(until - 1, Happening::Failure(SendFailure::Unanswered));
            }
            Fate::Duplicated { again } => {
                then(now, arrival(Some(0)));
                then(now + again, arrival(Some(0)));
            }
            Fate::NotSent => then(now, Happening::Failure(SendFailure::NotSent)),
            Fate::Unavailable => then(now, Happening::Reply(HttpResponse::new(503))),
            Fate::CrashedBefore => {}
            Fate::CrashedAfter { out } => then(now + out, arrival(None)),
        }
    }

    /// One process asks for an access token, and holds the rules against what it is told.
    fn ask(&mut self, fate: Fate, now: u64) {
        let check_use = |tokens: &Tokens| {
            let expiry = tokens.access_token().expose().rsplit('-').next().unwrap().to_owned();
            assert!(now < expiry.parse().unwrap(), "used at {now}, expired at {expiry}");
        };
        match self.session().advise(at(now)).unwrap() {
            TokenAdvice::Use(tokens) => check_use(&tokens),
            TokenAdvice::Refresh(ticket) => {
                assert!(now >= self.in_flight_until, "two refreshes on their way at {now}");
                self.in_flight_until = match fate {
                    Fate::NotSent | Fate::Unavailable => 0,
                    Fate::RequestLost | Fate::ReplyLost { .. } => now + 4,
                    Fate::Answered { .. }
                    | Fate::Duplicated { .. }
                    | Fate::CrashedBefore
                    | Fate::CrashedAfter { .. } => now + 5,
                };
                if let Some(tokens) = ticket.usable() {
                    check_use(tokens);
                }
                self.send(ticket, fate, now);
            }
            TokenAdvice::Wait { until, .. } => assert!(until > time(now)),
            TokenAdvice::Expired(end) => {
                assert_eq!(end, SessionEnd::GrantGone);
                assert!(!self.provider.alive, "a living session ended at {now}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// With `refresh_retry` a session outlives lost messages, crashes and delays, and no reuse is seen.
    #[test]
    fn a_lost_reply_never_ends_a_session_while_refresh_retry_is_on(
        fates in prop::collection::vec(fates(), 120),
        idle in prop::collection::vec(0..3_u8, 240),
    ) {
        let mut world = World::new(120);
        let mut fates = fates.into_iter().cycle();
        for (now, idle) in (0_u64..).zip(idle) {
            world.deliver(now);
            for _ in 0..=idle {
                // More in a row than the window of the provider is long is no promise of anybody.
                let is_kind = world.misses >= 3;
                let fate = fates.next().unwrap();
                world.ask(if is_kind { Fate::Answered { out: 0, back: 0 } } else { fate }, now);
                world.deliver(now);
            }
            prop_assert!(world.provider.alive, "an alarm at {now}");
        }
        prop_assert!(world.provider.serial >= 3, "{} refreshes", world.provider.serial);
    }

    /// Without it, a session ends with its grant, and not before.
    #[test]
    fn a_session_ends_only_with_its_grant(
        window in prop_oneof![Just(0), 1..20_u64],
        fates in prop::collection::vec(fates(), 60),
        idle in prop::collection::vec(0..4_u8, 300),
    ) {
        let mut world = World::new(window);
        let mut fates = fates.into_iter().cycle();
        for (now, idle) in (0_u64..).zip(idle) {
            world.deliver(now);
            for _ in 0..idle {
                world.ask(fates.next().unwrap(), now);
                world.deliver(now);
            }
        }
    }
}

/// Lets something happen between the load and the save of another one.
struct Interrupted<F> {
    store: Arc<MemorySessionStore>,
    between: RefCell<Option<F>>,
}

impl<F: FnOnce()> SessionStore for Interrupted<F> {
    type Error = Infallible;

    fn load(&self, key: &str) -> Result<Option<SessionRecord>, Infallible> {
        SessionStore::load(&self.store, key)
    }

    fn save(
        &self,
        key: &str,
        expected: Option<&Revision>,
        record: &SessionRecord,
    ) -> Result<Saved, Infallible> {
        if let Some(between) = self.between.take() {
            between();
        }
        SessionStore::save(&self.store, key, expected, record)
    }

    fn remove(&self, key: &str) -> Result<(), Infallible> {
        SessionStore::remove(&self.store, key)
    }
}

fn interrupted<F: FnOnce()>(world: &World, between: F) -> Session<Interrupted<F>> {
    let store = Interrupted { store: Arc::clone(&world.store), between: RefCell::new(Some(between)) };
    Session::new(store, "s", world.policy)
}

#[test]
fn of_two_that_ask_at_once_one_refreshes() {
    let world = World::new(0);
    let won = Cell::new(false);
    let late = interrupted(&world, || {
        won.set(matches!(world.session().advise(at(50)).unwrap(), TokenAdvice::Refresh(_)));
    });
    assert!(matches!(late.advise(at(50)).unwrap(), TokenAdvice::Wait { .. }));
    assert!(won.get());
}

#[test]
fn an_answer_is_kept_whatever_happens_between() {
    let mut world = World::new(0);
    let TokenAdvice::Refresh(ticket) = world.session().advise(at(50)).unwrap() else { panic!() };
    let answer = world.provider.answer("rt-0", 50);
    let session = interrupted(&world, || {
        world
            .session()
            .handle_invalid_token(&SecretString::from(format!("at-0-{LIFETIME}")), at(50))
            .unwrap();
    });
    session.handle_response(&world.client, &ticket, &answer, &keys(), at(50)).unwrap();
    let TokenAdvice::Use(tokens) = world.session().advise(at(51)).unwrap() else { panic!() };
    assert_eq!(tokens.refresh_token().unwrap().expose(), "rt-1");
}

#[test]
fn after_a_logout_a_late_answer_brings_nothing_back() {
    let mut world = World::new(0);
    let TokenAdvice::Refresh(ticket) = world.session().advise(at(50)).unwrap() else { panic!() };
    let answer = world.provider.answer("rt-0", 50);
    let session = interrupted(&world, || world.session().end().unwrap());
    let landed = session.handle_response(&world.client, &ticket, &answer, &keys(), at(50)).map(drop);
    assert_eq!(landed, Err(SessionError::NoSession));
    assert_eq!(world.session().advise(at(51)).map(drop), Err(SessionError::NoSession));
}

#[test]
fn after_another_login_a_late_answer_changes_nothing() {
    let mut world = World::new(0);
    let TokenAdvice::Refresh(ticket) = world.session().advise(at(50)).unwrap() else { panic!() };
    let answer = world.provider.answer("rt-0", 50);
    let login = token_answer(&json!({ "access_token": "at-of-bob", "refresh_token": "rt-of-bob" }));
    let bob = exchange(&world.client, "photos").response(&login, &keys(), NOW).unwrap();
    // Out, and in as somebody else, in the middle of the change: no revision comes back.
    let session = interrupted(&world, || {
        world.session().end().unwrap();
        world.session().start(bob, at(0)).unwrap();
    });
    let landed = session.handle_response(&world.client, &ticket, &answer, &keys(), at(50)).map(drop);
    assert_eq!(landed, Err(SessionError::Keeper(KeeperError::Superseded)));
    let TokenAdvice::Use(tokens) = world.session().advise(at(51)).unwrap() else { panic!() };
    assert_eq!(tokens.access_token().expose(), "at-of-bob");
}

#[test]
fn a_use_writes_nothing() {
    let world = World::new(0);
    let revision = || SessionStore::load(&world.store, "s").unwrap().unwrap().revision;
    let before = revision();
    assert!(matches!(world.session().advise(at(1)).unwrap(), TokenAdvice::Use(_)));
    assert_eq!(revision(), before);
    assert!(matches!(world.session().advise(at(50)).unwrap(), TokenAdvice::Refresh(_)));
    assert_ne!(revision(), before);
}

/// Applies nothing, and counts.
struct Contended(MemorySessionStore, Cell<usize>);

impl SessionStore for Contended {
    type Error = Infallible;

    fn load(&self, key: &str) -> Result<Option<SessionRecord>, Infallible> {
        SessionStore::load(&self.0, key)
    }

    fn save(&self, _: &str, _: Option<&Revision>, _: &SessionRecord) -> Result<Saved, Infallible> {
        self.1.set(self.1.get() + 1);
        Ok(Saved::Conflict)
    }

    fn remove(&self, _: &str) -> Result<(), Infallible> {
        Ok(())
    }
}

#[test]
fn a_store_that_applies_nothing_is_given_up() {
    let store = Contended(MemorySessionStore::new(), Cell::new(0));
    let session = Session::new(&store, "s", KeeperPolicy::default());
    assert_eq!(session.start(first_tokens(&client()), at(0)), Err(SessionError::Contended));
    assert_eq!(store.1.get(), MAX_SESSION_ROUNDS);
    Session::new(&store.0, "s", KeeperPolicy::default()).start(first_tokens(&client()), at(0)).unwrap();
    assert_eq!(session.advise(at(50)).map(drop), Err(SessionError::Contended));
    assert_eq!(store.1.get(), 2 * MAX_SESSION_ROUNDS);
}

#[test]
fn a_record_that_cannot_be_read_is_an_error_and_stays() {
    let store = MemorySessionStore::new();
    let revision = Revision::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap();
    let record = SessionRecord::new(revision.clone(), SecretString::from(r#"{"version":2}"#));
    assert_eq!(SessionStore::save(&store, "s", None, &record), Ok(Saved::Applied));
    assert_eq!(SessionStore::save(&store, "s", None, &record), Ok(Saved::Conflict));
    let session = Session::new(&store, "s", KeeperPolicy::default());
    assert_eq!(session.advise(at(0)).map(drop), Err(SessionError::Record(TokensError::Version)));
    assert_eq!(SessionStore::load(&store, "s").unwrap().unwrap().revision, revision);
}

#[test]
fn a_revision_is_sixteen_bytes() {
    for text in ["", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAAAAAA", "!"] {
        assert!(matches!(Revision::parse(text), Err(RevisionError { .. })), "{text}");
    }
    assert_eq!(Revision::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap().as_str(), "AAAAAAAAAAAAAAAAAAAAAA");
}

fn block_on<F: Future>(future: F) -> F::Output {
    let Poll::Ready(output) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("nothing here waits");
    };
    output
}

fn assert_send<T: Send>(value: T) -> T {
    value
}

#[test]
fn the_asynchronous_session_does_the_same_and_its_futures_are_send() {
    let (client, keys) = (client(), keys());
    let session = Session::new(Arc::new(MemorySessionStore::new()), "s", KeeperPolicy::default());
    let mut provider = Provider { serial: 0, rotated_at: 0, window: 10, alive: true };
    block_on(assert_send(session.start_async(first_tokens(&client), at(0)))).unwrap();
    let TokenAdvice::Refresh(lost) = block_on(assert_send(session.advise_async(at(50)))).unwrap() else {
        panic!()
    };
    provider.answer("rt-0", 50);
    block_on(assert_send(session.handle_failure_async(&lost, SendFailure::Unanswered, at(51)))).unwrap();
    let TokenAdvice::Refresh(ticket) = block_on(session.advise_async(at(53))).unwrap() else { panic!() };
    let answer = provider.answer("rt-0", 53);
    let tokens =
        block_on(assert_send(session.handle_response_async(&client, &ticket, &answer, &keys, at(54))))
            .unwrap();
    assert_eq!(tokens.refresh_token().unwrap().expose(), "rt-1");
    block_on(assert_send(session.handle_invalid_token_async(tokens.access_token(), at(60)))).unwrap();
    assert!(matches!(block_on(session.advise_async(at(60))).unwrap(), TokenAdvice::Refresh(_)));
    block_on(assert_send(session.end_async())).unwrap();
    assert_eq!(block_on(session.advise_async(at(60))).map(drop), Err(SessionError::NoSession));
}

#[test]
fn a_store_behind_a_pointer_is_a_store() {
    fn blocking<S: SessionStore>(_: S) {}
    fn asynchronous<S: AsyncSessionStore>(_: S) {}
    let store = Arc::new(MemorySessionStore::new());
    blocking(&store);
    blocking(Box::new(MemorySessionStore::new()) as Box<dyn SessionStore<Error = Infallible>>);
    asynchronous(&store);
    asynchronous(store);
    asynchronous(Box::new(MemorySessionStore::new()));
}
