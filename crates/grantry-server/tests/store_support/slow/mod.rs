//! A store that takes 20 ms for every call, and what requests that race over it come to: for the tests of the crates
//! of stores.
//!
//! Every request has a way of its own to the store, which waits before or behind each call, and takes its turn among
//! those that wake at once. So the order of all reads and commits is laid out by a [`Schedule`], and nothing is timed.

mod schedule;
mod way;

use core::fmt::{self, Debug};
use core::time::Duration;
use std::sync::Mutex;

use grantry_core::{HttpRequest, SecretString, basic_credentials, form};
use grantry_server::{
    AccessTokenFormat, Authority, Effect, GrantId, Introspection, Operation, Policy, Reason, Reply,
    Revocation, Revoked, SendStore, TokenAnswer, TokenResponse, run_async,
};

use crate::support::{
    NOW, Site, assert_denied, client_id, code_of, issued, moment, redemption, refresh, refresh_token, request,
};
pub(crate) use schedule::Schedule;
use way::{Racing, SlowStore, side_by_side};

const WINDOW: Duration = Duration::from_secs(10);
/// When what a race has left is looked at, by a clock ahead of all its own.
const AFTER: u64 = NOW + 6;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Presented {
    Code,
    RefreshToken,
}

/// Whether a lost answer may be asked for again: off by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    Off,
    On,
}

/// What happens over the slow store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scene {
    /// One code or refresh token is presented three times.
    Thrice(Presented, Retry),
    /// It is presented by its owner and by two who are not.
    BesideStrangers(Presented),
    /// The host gives the request up half way, and the client asks again.
    GivenUp(Presented, Retry),
    /// Its grant is revoked at another node, whose clock is 3 s ahead or behind.
    BesideRevocation(Presented),
}

impl Scene {
    pub(crate) const ALL: [Self; 12] = [
        Self::Thrice(Presented::Code, Retry::Off),
        Self::Thrice(Presented::Code, Retry::On),
        Self::Thrice(Presented::RefreshToken, Retry::Off),
        Self::Thrice(Presented::RefreshToken, Retry::On),
        Self::BesideStrangers(Presented::Code),
        Self::BesideStrangers(Presented::RefreshToken),
        Self::GivenUp(Presented::Code, Retry::Off),
        Self::GivenUp(Presented::Code, Retry::On),
        Self::GivenUp(Presented::RefreshToken, Retry::Off),
        Self::GivenUp(Presented::RefreshToken, Retry::On),
        Self::BesideRevocation(Presented::Code),
        Self::BesideRevocation(Presented::RefreshToken),
    ];

    fn policy(self) -> Policy {
        let window = match self {
            Self::Thrice(_, Retry::On) | Self::GivenUp(_, Retry::On) => WINDOW,
            Self::Thrice(_, Retry::Off)
            | Self::GivenUp(_, Retry::Off)
            | Self::BesideStrangers(_)
            | Self::BesideRevocation(_) => Duration::ZERO,
        };
        let policy = Policy::default().with_access_token_format(AccessTokenFormat::Opaque);
        policy.with_code_retry(window).with_refresh_retry(window)
    }

    pub(crate) fn schedules(self) -> Vec<Schedule> {
        match self {
            Self::Thrice(..) | Self::BesideStrangers(_) => Schedule::of_starts(3),
            Self::GivenUp(..) => Schedule::given_up(),
            Self::BesideRevocation(_) => Schedule::of_clocks(),
        }
    }

    pub(crate) fn site<S: SendStore<Error: Debug>>(self, store: S) -> Site<S> {
        Site::with_policy(store, self.policy())
    }

    /// Plays every scene with delays that pass: many at once, over a store that takes its own turns. Whatever the order
    /// of their calls, they have to come to one of the endings.
    pub(crate) async fn play_all<S: SendStore<Error: Debug>>(store: &S) {
        for scene in Self::ALL {
            let (site, schedules) = (scene.site(store), scene.schedules());
            let schedules = schedules.iter().filter(|schedule| schedule.is_in_line());
            let plays = schedules.map(|schedule| Box::pin(scene.play(&site, schedule)) as Racing<'_, _>);
            let played = side_by_side(plays.collect()).await;
            assert!(played.len() >= 32, "{scene:?}");
        }
    }

    /// Plays the scene once, on a grant of its own, and looks at all that it may come to.
    pub(crate) async fn play<S: SendStore<Error: Debug>>(
        self,
        site: &Site<S>,
        schedule: &Schedule,
    ) -> Played {
        let race = Race { site, schedule, order: Mutex::default() };
        let ending = match self {
            Self::Thrice(presented, retry) => race.thrice(presented, retry).await,
            Self::BesideStrangers(presented) => race.beside_strangers(presented).await,
            Self::GivenUp(presented, retry) => race.given_up(presented, retry).await,
            Self::BesideRevocation(presented) => race.beside_revocation(presented).await,
        };
        Played { ending, order: race.order.into_inner().unwrap() }
    }
}

/// What a scene came to, and the order in which its calls reached the store: `1r` is a read of the first request.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) ending: Ending,
    pub(crate) order: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    OneAndTheAlarm,
    OneForAll,
    OwnerUnharmed,
    NothingChanged,
    Repeated,
    TakenForTheft,
    RevokedFirst,
    RevokedBehind,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneAndTheAlarm => "one token set, then one alarm, and nothing is alive",
            Self::OneForAll => "one token set, given three times",
            Self::OwnerUnharmed => "the strangers are refused, and the owner's tokens live",
            Self::NothingChanged => "nothing was changed, and the retry is the first use",
            Self::Repeated => "all was applied, and the retry gets the same tokens",
            Self::TakenForTheft => "all was applied, and the retry raises the alarm",
            Self::RevokedFirst => "no token is given out",
            Self::RevokedBehind => "the tokens given out are dead",
        })
    }
}

/// What its owner presents, and how.
struct Owner {
    grant: GrantId,
    text: SecretString,
    request: HttpRequest,
}

struct Race<'a, S> {
    site: &'a Site<S>,
    schedule: &'a Schedule,
    order: Mutex<Vec<String>>,
}

impl<S: SendStore<Error: Debug>> Race<'_, S> {
    async fn thrice(&self, presented: Presented, retry: Retry) -> Ending {
        let Owner { request, .. } = self.owner(presented).await;
        let replies = side_by_side((0..3).map(|racer| self.presents(racer, &request)).collect()).await;
        let mut refused = Vec::new();
        let mut given = Vec::new();
        for reply in replies {
            match reply.answer {
                TokenAnswer::Issued(tokens) => given.push((reply.event.effect, tokens)),
                TokenAnswer::Denied(denial) => refused.push((reply.event.effect, denial.reason)),
            }
        }
        given.sort_by_key(|(effect, _)| *effect != Effect::Written);
        let effects: Vec<_> = given.iter().map(|(effect, _)| *effect).collect();
        let (_, tokens) = given.first().unwrap();
        match retry {
            Retry::On => {
                assert_eq!(effects, [Effect::Written, Effect::Repeated, Effect::Repeated]);
                assert!(given.iter().all(|(_, other)| same(other, tokens)));
                self.assert_alive(tokens).await;
                Ending::OneForAll
            }
            Retry::Off => {
                assert_eq!(effects, [Effect::Written]);
                refused.sort_by_key(|(effect, _)| *effect != Effect::Written);
                let ended = (Effect::Nothing, Reason::GrantRevoked);
                assert_eq!(refused, [(Effect::Written, presented.alarm()), ended]);
                self.assert_dead(tokens).await;
                Ending::OneAndTheAlarm
            }
        }
    }

    async fn beside_strangers(&self, presented: Presented) -> Ending {
        let owner = self.owner(presented).await;
        let text = owner.text.expose();
        let (other_client, reason) = match presented {
            Presented::Code => (redemption("other", text), Reason::VerifierWrong),
            Presented::RefreshToken => (refresh("other", &text.into()), Reason::ClientNotAuthenticated),
        };
        let robber = match presented {
            Presented::Code => injected(text),
            Presented::RefreshToken => guessing(text),
        };
        let requests = [&owner.request, &other_client, &robber];
        let racers = requests.into_iter().enumerate();
        let replies =
            side_by_side(racers.map(|(racer, request)| self.presents(racer, request)).collect()).await;
        let [owner, other_client, robber] =
            replies.try_into().unwrap_or_else(|_| unreachable!("three requests"));
        for (stranger, reason) in [(other_client, Reason::OtherClient), (robber, reason)] {
            let TokenAnswer::Denied(denial) = stranger.answer else { panic!("{:?}", stranger.event) };
            assert_eq!((denial.reason, stranger.event.effect), (reason, Effect::Nothing));
        }
        assert_eq!(owner.event.effect, Effect::Written);
        self.assert_alive(&issued(owner)).await;
        Ending::OwnerUnharmed
    }

    async fn given_up(&self, presented: Presented, retry: Retry) -> Ending {
        let Owner { request, .. } = self.owner(presented).await;
        // An answer that comes in time is lost on its way to the client.
        let _ = tokio::time::timeout(self.schedule.given_up_after, self.presents(0, &request)).await;
        let reply = self.site.token(&request, NOW + 2).await;
        let effect = reply.event.effect;
        if let TokenAnswer::Denied(denial) = reply.answer {
            assert_eq!((retry, effect, denial.reason), (Retry::Off, Effect::Written, presented.alarm()));
            let again = self.site.token(&request, NOW + 3).await;
            assert_denied(&again, Reason::GrantRevoked);
            return Ending::TakenForTheft;
        }
        let tokens = issued(reply);
        if retry == Retry::On {
            let again = self.site.token(&request, NOW + 3).await;
            assert_eq!(again.event.effect, Effect::Repeated);
            assert!(same(&tokens, &issued(again)));
        }
        self.assert_alive(&tokens).await;
        if effect == Effect::Written {
            return Ending::NothingChanged;
        }
        assert_eq!((effect, retry), (Effect::Repeated, Retry::On));
        Ending::Repeated
    }

    async fn beside_revocation(&self, presented: Presented) -> Ending {
        let owner = self.owner(presented).await;
        let server = &self.site.server;
        let revokes = async {
            match presented {
                Presented::Code => {
                    let operation = server.revoke_grant(owner.grant, Authority::Operator);
                    assert_eq!(self.run(1, &operation).await.answer, Revocation::Revoked);
                }
                Presented::RefreshToken => {
                    let operation = server.revoke(&request("web", &[("token", owner.text.expose())]));
                    assert_eq!(self.run(1, &operation).await.answer, Revoked::Done);
                }
            }
        };
        let reply = self.both(&owner.request, revokes).await;
        let again = self.site.token(&owner.request, AFTER).await;
        assert_denied(&again, Reason::GrantRevoked);
        match reply.answer {
            TokenAnswer::Issued(tokens) => {
                self.assert_dead(&tokens).await;
                Ending::RevokedBehind
            }
            TokenAnswer::Denied(denial) => {
                assert_eq!(denial.reason, Reason::GrantRevoked);
                Ending::RevokedFirst
            }
        }
    }

    /// The first request presents, and the second one revokes.
    async fn both(&self, request: &HttpRequest, revokes: impl Future<Output = ()>) -> Reply<TokenAnswer> {
        let presents = async { Some(self.presents(0, request).await) };
        let revokes = async {
            revokes.await;
            None
        };
        let replies = side_by_side(vec![Box::pin(presents) as Racing<'_, _>, Box::pin(revokes)]).await;
        replies.into_iter().flatten().next().unwrap()
    }

    async fn owner(&self, presented: Presented) -> Owner {
        let approved = self.site.approved("web", NOW).await;
        let (grant, code) = (approved.event.grant.unwrap(), code_of(&approved));
        let request = redemption("web", &code);
        match presented {
            Presented::Code => Owner { grant, text: SecretString::from(code), request },
            Presented::RefreshToken => {
                let tokens = issued(self.site.token(&request, NOW).await);
                let text = refresh_token(&tokens).clone();
                Owner { grant, request: refresh("web", &text), text }
            }
        }
    }

    fn presents<'r>(&'r self, racer: usize, request: &HttpRequest) -> Racing<'r, Reply<TokenAnswer>> {
        let operation = self.site.server.token(request);
        Box::pin(async move { self.run(racer, &operation).await })
    }

    /// Runs one request of the race over its own way to the store.
    async fn run<O: Operation>(&self, racer: usize, operation: &O) -> O::Reply {
        let schedule = self.schedule;
        tokio::time::sleep(schedule.start(racer)).await;
        let store = SlowStore::new(&self.site.store, schedule, racer, &self.order);
        run_async(&store, operation, moment(NOW + schedule.clock(racer))).await.unwrap()
    }

    async fn is_active(&self, tokens: &TokenResponse) -> bool {
        let request = request("web", &[("token", tokens.access_token.expose())]);
        let answer = self.site.run(&self.site.server.introspect(&request), AFTER).await.answer;
        matches!(answer, Introspection::Active(_))
    }

    async fn assert_alive(&self, tokens: &TokenResponse) {
        assert!(self.is_active(tokens).await);
        issued(self.site.token(&refresh("web", refresh_token(tokens)), AFTER).await);
    }

    async fn assert_dead(&self, tokens: &TokenResponse) {
        assert!(!self.is_active(tokens).await);
        let reply = self.site.token(&refresh("web", refresh_token(tokens)), AFTER).await;
        assert_denied(&reply, Reason::GrantRevoked);
    }
}

impl Presented {
    const fn alarm(self) -> Reason {
        match self {
            Self::Code => Reason::CodeReused,
            Self::RefreshToken => Reason::RefreshTokenReused,
        }
    }
}

/// A code that was put into another session of its own client, which sends its own verifier.
fn injected(code: &str) -> HttpRequest {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", "https://web.example/cb"),
        ("code_verifier", "another-verifier-that-has-at-least-43-characters"),
    ];
    request("web", &pairs)
}

/// A refresh token that was robbed without the secret of its client.
fn guessing(token: &str) -> HttpRequest {
    let credentials = basic_credentials(&client_id("web"), &SecretString::from("guessed"));
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", token)];
    HttpRequest::form("/token", form::encode(pairs)).with_header("Authorization", credentials.expose())
}

fn same(one: &TokenResponse, other: &TokenResponse) -> bool {
    one.access_token.expose() == other.access_token.expose()
        && refresh_token(one).expose() == refresh_token(other).expose()
}
