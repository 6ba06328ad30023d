//! Every schedule of racing requests on one grant, on the real code.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::std_instead_of_alloc,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod explorer;
mod support;

use core::time::Duration;
use std::collections::BTreeSet;

use explorer::{Count, Ending, Explorer, Racer, Racing, Seen, TableStore};
use grantry::core::Moment;
use grantry::server::{Answered, Policy, Reply, Revoked, Server, TokenAnswer, run};
use support::*;

const WINDOW: Duration = Duration::from_secs(10);

fn token_seen(reply: Reply<TokenAnswer>) -> Seen {
    match reply.answer {
        TokenAnswer::Issued(tokens) => {
            let refresh_token = tokens.refresh_token.unwrap().expose().to_owned();
            Seen::Tokens(refresh_token, tokens.access_token.expose().to_owned())
        }
        TokenAnswer::Denied(denial) => Seen::Refused(format!("{:?}", denial.reason)),
    }
}

fn revocation_seen(reply: Reply<Revoked>) -> Seen {
    match reply.answer {
        Revoked::Done => Seen::Revoked,
        Revoked::Denied(denial) => Seen::Refused(format!("{:?}", denial.reason)),
    }
}

fn approval_seen(reply: Reply<Answered>) -> Seen {
    match &reply.answer {
        Answered::Redirect(_) => Seen::Code(code_of(&reply.answer)),
        Answered::Page(page) => Seen::Refused(format!("{:?}", page.denial().reason)),
        Answered::Device => panic!("no device takes part"),
    }
}

/// A server, a store and the codes and tokens that a race begins with.
struct Scene {
    server: Server,
    store: TableStore,
}

impl Scene {
    fn new(policy: Policy) -> Self {
        Self { server: server(policy), store: TableStore::new(clients()) }
    }

    fn code(&self) -> String {
        let interaction = interaction(&self.server, "read", 1);
        let approve = self.server.approve(interaction, approval());
        code_of(&run(&self.store, &approve, moment(0, 2)).unwrap().answer)
    }

    fn tokens_at(&self, request: &grantry::core::HttpRequest, at: u64) -> Seen {
        token_seen(run(&self.store, &self.server.token(request), moment(at, 3)).unwrap())
    }

    fn refresh_token(&self) -> String {
        let code = self.code();
        issued(&self.tokens_at(&redemption(&code), 0)).to_owned()
    }

    fn redeems(&self, code: &str, at: Moment) -> Box<dyn Racer + '_> {
        let operation = self.server.token(&redemption(code));
        Box::new(Racing { operation, moment: at, sum_up: token_seen })
    }

    fn refreshes(&self, token: &str, at: Moment) -> Box<dyn Racer + '_> {
        let operation = self.server.token(&refresh(token));
        Box::new(Racing { operation, moment: at, sum_up: token_seen })
    }

    fn revokes(&self, token: &str, at: Moment) -> Box<dyn Racer + '_> {
        let operation = self.server.revoke(&presented("app", token));
        Box::new(Racing { operation, moment: at, sum_up: revocation_seen })
    }

    fn search(
        &self,
        name: &str,
        crashes: usize,
        racers: Vec<Box<dyn Racer + '_>>,
        check: impl FnMut(&Ending<'_>),
    ) -> Count {
        let count = Explorer { store: &self.store, racers, crashes }.search(check);
        println!(
            "{name}: {} schedules, {} states, {} conflicts",
            count.schedules, count.states, count.conflicts
        );
        count
    }

    /// The tokens among `given` that the ending still accepts for a refresh, long after any window.
    fn live<'t>(&self, ending: &Ending<'_>, given: impl IntoIterator<Item = &'t str>) -> BTreeSet<&'t str> {
        let works = |token: &&str| {
            let after = Self { server: server(opaque()), store: self.store.copy_at(ending.table) };
            matches!(after.tokens_at(&refresh(token), 3600), Seen::Tokens(..))
        };
        given.into_iter().filter(works).collect()
    }
}

fn issued(seen: &Seen) -> &str {
    let Seen::Tokens(refresh_token, _) = seen else { panic!("{seen:?}") };
    refresh_token
}

/// The distinct refresh tokens that an ending's clients were given.
fn given<'a>(ending: &'a Ending<'_>) -> BTreeSet<&'a str> {
    let token = |seen: &'a Option<Seen>| match seen {
        Some(Seen::Tokens(token, _)) => Some(token.as_str()),
        _ => None,
    };
    ending.seen.iter().filter_map(token).collect()
}

fn winners(ending: &Ending<'_>) -> usize {
    ending.seen.iter().filter(|seen| matches!(seen, Some(Seen::Tokens(..)))).count()
}

#[test]
fn rfc6749_4_1_2_one_code_presented_three_times_wins_once_and_ends_revoked() {
    let scene = Scene::new(opaque());
    let code = scene.code();
    let racers = (0..3).map(|n| scene.redeems(&code, moment(u64::from(n), 10 + n))).collect();
    let count = scene.search("one code, three times", 0, racers, |ending| {
        assert_eq!(winners(ending), 1, "{:?}", ending.seen);
        assert!(scene.live(ending, given(ending)).is_empty(), "an alarm ends in a revoked grant");
    });
    assert!(count.schedules >= 90 && count.conflicts > 0, "{count:?}");
}

#[test]
fn one_code_presented_three_times_inside_the_retry_window_gets_one_token_set() {
    let scene = Scene::new(opaque().with_code_retry(WINDOW));
    let code = scene.code();
    let racers = (0..3).map(|n| scene.redeems(&code, moment(u64::from(n), 10 + n))).collect();
    scene.search("one code, three times, retry 10 s", 0, racers, |ending| {
        assert_eq!(winners(ending), 3, "{:?}", ending.seen);
        assert_eq!(ending.seen.iter().collect::<BTreeSet<_>>().len(), 1, "a second token set exists");
        assert_eq!(scene.live(ending, given(ending)).len(), 1);
    });
}

#[test]
fn rfc9700_4_14_2_one_refresh_token_presented_at_once_wins_once_and_ends_revoked() {
    for times in [2, 3] {
        let scene = Scene::new(opaque());
        let token = scene.refresh_token();
        let racers = (0..times).map(|n| scene.refreshes(&token, moment(60 + u64::from(n), 10 + n))).collect();
        let name = format!("one refresh token, {times} times");
        let count = scene.search(&name, 0, racers, |ending| {
            assert_eq!(winners(ending), 1, "{:?}", ending.seen);
            let all = given(ending).into_iter().chain([token.as_str()]);
            assert!(scene.live(ending, all).is_empty(), "an alarm ends in a revoked grant");
        });
        assert!(count.conflicts > 0);
    }
}

#[test]
fn one_refresh_token_presented_inside_the_retry_window_has_one_live_successor() {
    for times in [2, 3] {
        let scene = Scene::new(opaque().with_refresh_retry(WINDOW));
        let token = scene.refresh_token();
        let racers = (0..times).map(|n| scene.refreshes(&token, moment(60 + u64::from(n), 10 + n))).collect();
        let name = format!("one refresh token, {times} times, retry 10 s");
        scene.search(&name, 0, racers, |ending| {
            assert_eq!(winners(ending), usize::from(times), "nobody is logged out: {:?}", ending.seen);
            assert_eq!(ending.seen.iter().collect::<BTreeSet<_>>().len(), 1, "two answers");
            assert_eq!(scene.live(ending, given(ending)).len(), 1);
        });
    }
}

#[test]
fn a_refresh_after_the_retry_window_raises_the_alarm_in_every_order() {
    let scene = Scene::new(opaque().with_refresh_retry(WINDOW));
    let token = scene.refresh_token();
    let racers = vec![
        scene.refreshes(&token, moment(60, 10)),
        scene.refreshes(&token, moment(69, 11)),
        scene.refreshes(&token, moment(90, 12)),
    ];
    scene.search("one refresh token at 60, 69 and 90 s, retry 10 s", 0, racers, |ending| {
        assert_eq!(given(ending).len(), 1, "two successors: {:?}", ending.seen);
        let live = scene.live(ending, given(ending));
        // The last clock may come first; then the others are retries of it, and nobody was robbed.
        assert!(live.is_empty() || winners(ending) == 3, "{:?}", ending.seen);
    });
}

#[test]
fn rfc7009_2_1_a_refresh_that_races_a_revocation_leaves_nothing_alive() {
    for retry in [Duration::ZERO, WINDOW] {
        let scene = Scene::new(opaque().with_refresh_retry(retry));
        let token = scene.refresh_token();
        let racers = vec![
            scene.refreshes(&token, moment(60, 10)),
            scene.revokes(&token, moment(61, 11)),
            scene.refreshes(&token, moment(62, 12)),
        ];
        scene.search("two refreshes and a revocation", 0, racers, |ending| {
            assert_eq!(ending.seen[1], Some(Seen::Revoked));
            assert!(given(ending).len() <= 1, "two successors: {:?}", ending.seen);
            let all = given(ending).into_iter().chain([token.as_str()]);
            assert!(scene.live(ending, all).is_empty(), "a token outlives its revocation");
        });
    }
}

#[test]
fn rfc9700_4_14_2_a_stolen_old_token_that_races_the_owner_is_noticed_in_every_order() {
    let scene = Scene::new(opaque());
    let old = scene.refresh_token();
    let current = issued(&scene.tokens_at(&refresh(&old), 30)).to_owned();
    let racers = vec![scene.refreshes(&old, moment(60, 10)), scene.refreshes(&current, moment(61, 11))];
    scene.search("an old and the current refresh token", 0, racers, |ending| {
        assert_eq!(ending.seen[0], Some(Seen::Refused("RefreshTokenReused".to_owned())));
        let all = given(ending).into_iter().chain([old.as_str(), current.as_str()]);
        assert!(scene.live(ending, all).is_empty(), "the thief was not noticed");
    });
}

#[test]
fn rfc6749_4_1_2_a_replayed_code_that_races_a_refresh_ends_revoked() {
    let scene = Scene::new(opaque());
    let code = scene.code();
    let token = issued(&scene.tokens_at(&redemption(&code), 1)).to_owned();
    let racers = vec![
        scene.redeems(&code, moment(60, 10)),
        scene.refreshes(&token, moment(61, 11)),
        scene.redeems(&code, moment(62, 12)),
    ];
    scene.search("a code replayed twice and a refresh", 0, racers, |ending| {
        assert!(!matches!(ending.seen[0], Some(Seen::Tokens(..))));
        assert!(!matches!(ending.seen[2], Some(Seen::Tokens(..))));
        let all = given(ending).into_iter().chain([token.as_str()]);
        assert!(scene.live(ending, all).is_empty(), "the replay was not noticed");
    });
}

#[test]
fn a_consent_form_posted_three_times_makes_one_code() {
    let scene = Scene::new(opaque());
    let racer = |n: u8| -> Box<dyn Racer + '_> {
        let operation = scene.server.approve(interaction(&scene.server, "read", 1), approval());
        Box::new(Racing { operation, moment: moment(1, 10 + n), sum_up: approval_seen })
    };
    scene.search("one consent, three times", 0, (0..3).map(racer).collect(), |ending| {
        let codes: BTreeSet<_> = ending.seen.iter().flatten().collect();
        assert_eq!(codes.len(), 1, "{codes:?}");
        assert!(matches!(codes.first(), Some(Seen::Code(_))));
    });
}

#[test]
fn a_crash_at_any_point_loses_nothing_and_the_retry_succeeds() {
    let scene = Scene::new(opaque());
    let token = scene.refresh_token();
    let racers = vec![scene.refreshes(&token, moment(60, 10))];
    let count = scene.search("one refresh that may crash", 1, racers, |ending| {
        let [None] = ending.seen.as_slice() else { return };
        let after = Scene { server: server(opaque()), store: scene.store.copy_at(ending.table) };
        let retried = after.tokens_at(&refresh(&token), 61);
        let untouched = *ending.table == *scene.store.table.borrow();
        // Without a retry window a lost reply looks like a theft; before the commit nothing is lost.
        assert_eq!(matches!(retried, Seen::Tokens(..)), untouched, "{retried:?}");
    });
    // Done, crashed before the read, crashed before the commit, reply lost.
    assert_eq!(count.schedules, 4);
}

#[test]
fn racers_with_crashes_and_lost_replies_never_log_anybody_out() {
    let policy = || opaque().with_refresh_retry(WINDOW).with_code_retry(WINDOW);
    let scene = Scene::new(policy());
    // Whatever crashed or was lost, the same request is answered again, with what was given before.
    let retry_all = |ending: &Ending<'_>, request: &grantry::core::HttpRequest, at: u64| {
        let after = Scene { server: server(policy()), store: scene.store.copy_at(ending.table) };
        let first = after.tokens_at(request, at);
        assert_eq!(first, after.tokens_at(request, at + 1), "two answers");
        assert!(ending.seen.iter().flatten().all(|seen| *seen == first), "two answers");
        issued(&first);
    };

    let code = scene.code();
    for (racers, crashes) in [(2, 2), (3, 1)] {
        let name = format!("one code, {racers} times, {crashes} may crash");
        let racers = (0..racers).map(|n| scene.redeems(&code, moment(1, 10 + n))).collect();
        scene.search(&name, crashes, racers, |ending| retry_all(ending, &redemption(&code), 2));
    }

    let token = issued(&scene.tokens_at(&redemption(&code), 1)).to_owned();
    for (racers, crashes) in [(2, 2), (3, 1)] {
        let name = format!("one refresh token, {racers} times, {crashes} may crash");
        let racers = (0..racers).map(|n| scene.refreshes(&token, moment(60, 20 + n))).collect();
        scene.search(&name, crashes, racers, |ending| retry_all(ending, &refresh(&token), 61));
    }
}

#[test]
fn signed_access_tokens_are_repeated_byte_for_byte() {
    let scene = Scene::new(Policy::default().with_refresh_retry(WINDOW));
    let token = scene.refresh_token();
    let racers = (0..3).map(|n| scene.refreshes(&token, moment(60 + u64::from(n), 10 + n))).collect();
    scene.search("one refresh token, 3 times, retry 10 s, JWT", 0, racers, |ending| {
        assert_eq!(winners(ending), 3, "{:?}", ending.seen);
        assert_eq!(ending.seen.iter().collect::<BTreeSet<_>>().len(), 1, "two answers");
    });
}

#[test]
fn the_same_search_finds_the_double_spend_of_a_store_that_ignores_versions() {
    let mut scene = Scene::new(opaque());
    let code = scene.code();
    scene.store = scene.store.ignoring_versions();
    let mut double_spends = 0;
    let racers = (0..3).map(|n| scene.redeems(&code, moment(u64::from(n), 10 + n))).collect();
    scene.search("one code, three times, broken store", 0, racers, |ending| {
        double_spends += usize::from(winners(ending) > 1);
    });
    assert!(double_spends > 0, "the search cannot fail");

    let mut scene = Scene::new(opaque());
    let token = scene.refresh_token();
    scene.store = scene.store.ignoring_versions();
    let mut survivors = 0;
    let racers = vec![scene.refreshes(&token, moment(60, 10)), scene.revokes(&token, moment(61, 11))];
    scene.search("refresh and revocation, broken store", 0, racers, |ending| {
        survivors += scene.live(ending, given(ending)).len();
    });
    assert!(survivors > 0, "the search cannot fail");
}
