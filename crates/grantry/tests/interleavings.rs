//! What comes of the races that matter most, in every schedule, on the real code.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::std_instead_of_alloc,
    reason = "a test fails by panicking, and tells what it went through"
)]

mod explorer;
mod support;

use core::time::Duration;
use std::collections::BTreeSet;

use explorer::{Answer, Count, Ending, Explorer, Racer, Seen, Steps, TableStore};
use grantry::core::{HttpRequest, Moment};
use grantry::server::{Policy, Reason, Server, run};
use support::*;

const WINDOW: Duration = Duration::from_secs(10);

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

    fn tokens_at(&self, request: &HttpRequest, at: u64) -> Answer {
        let racer = Racer::new(self.server.token(request), moment(at, 3));
        let mut table = self.store.table.borrow_mut();
        let decided = racer.decide(&self.store, &table);
        if let Some(changes) = &decided.changes {
            let _ = self.store.apply(&mut table, changes);
        }
        decided.seen.answer.clone()
    }

    fn refresh_token(&self) -> String {
        let code = self.code();
        issued(&self.tokens_at(&redemption(&code), 0)).to_owned()
    }

    fn redeems(&self, code: &str, at: Moment) -> Racer {
        Racer::new(self.server.token(&redemption(code)), at)
    }

    fn refreshes(&self, token: &str, at: Moment) -> Racer {
        Racer::new(self.server.token(&refresh(token)), at)
    }

    fn revokes(&self, token: &str, at: Moment) -> Racer {
        Racer::new(self.server.revoke(&presented("app", token)), at)
    }

    fn search(&self, name: &str, crashes: usize, racers: &[Racer], check: impl FnMut(&Ending)) -> Count {
        let racers = racers.iter().collect();
        let found = Explorer { store: &self.store, racers, crashes }.search(Steps::Single);
        println!("{name}: {:?}", found.count);
        found.endings.iter().for_each(check);
        found.count
    }

    /// Another server that begins where a race has ended.
    fn after(&self, ending: &Ending, policy: Policy) -> Self {
        Self { server: server(policy), store: self.store.copy_at(&ending.table) }
    }

    /// The tokens among `given` that the ending still accepts for a refresh, long after any window.
    fn live<'t>(&self, ending: &Ending, given: impl IntoIterator<Item = &'t str>) -> BTreeSet<&'t str> {
        let works = |token: &&str| {
            let answer = self.after(ending, opaque()).tokens_at(&refresh(token), 3600);
            matches!(answer, Answer::Tokens { .. })
        };
        given.into_iter().filter(works).collect()
    }
}

fn issued(answer: &Answer) -> &str {
    let Answer::Tokens { refresh_token: Some(token), .. } = answer else { panic!("{answer:?}") };
    token
}

/// The distinct answers of an ending.
fn answers(ending: &Ending) -> BTreeSet<Option<&Answer>> {
    ending.seen().map(|seen| seen.map(|seen| &seen.answer)).collect()
}

/// What one racer's client was answered.
fn answer(ending: &Ending, racer: usize) -> Option<&Answer> {
    ending.seen().nth(racer).unwrap().map(|seen| &seen.answer)
}

/// The distinct refresh tokens that an ending's clients were given.
fn given(ending: &Ending) -> BTreeSet<&str> {
    ending.seen().flatten().filter_map(Seen::refresh_token).collect()
}

fn winners(ending: &Ending) -> usize {
    ending.seen().flatten().filter(|seen| seen.has_tokens()).count()
}

#[test]
fn rfc6749_4_1_2_one_code_presented_three_times_wins_once_and_ends_revoked() {
    let scene = Scene::new(opaque());
    let code = scene.code();
    let racers: Vec<_> = (0..3).map(|n| scene.redeems(&code, moment(u64::from(n), 10 + n))).collect();
    let count = scene.search("one code, three times", 0, &racers, |ending| {
        assert_eq!(winners(ending), 1, "{:?}", ending.ends);
        assert!(scene.live(ending, given(ending)).is_empty(), "an alarm ends in a revoked grant");
    });
    assert!(count.schedules >= 90 && count.conflicts > 0, "{count:?}");
}

#[test]
fn one_code_presented_three_times_inside_the_retry_window_gets_one_token_set() {
    let scene = Scene::new(opaque().with_code_retry(WINDOW));
    let code = scene.code();
    let racers: Vec<_> = (0..3).map(|n| scene.redeems(&code, moment(u64::from(n), 10 + n))).collect();
    scene.search("one code, three times, retry 10 s", 0, &racers, |ending| {
        assert_eq!(winners(ending), 3, "{:?}", ending.ends);
        assert_eq!(answers(ending).len(), 1, "a second token set exists");
        assert_eq!(scene.live(ending, given(ending)).len(), 1);
    });
}

#[test]
fn rfc9700_4_14_2_one_refresh_token_presented_at_once_wins_once_and_ends_revoked() {
    for times in [2, 3] {
        let scene = Scene::new(opaque());
        let token = scene.refresh_token();
        let racers: Vec<_> =
            (0..times).map(|n| scene.refreshes(&token, moment(60 + u64::from(n), 10 + n))).collect();
        let name = format!("one refresh token, {times} times");
        let count = scene.search(&name, 0, &racers, |ending| {
            assert_eq!(winners(ending), 1, "{:?}", ending.ends);
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
        let racers: Vec<_> =
            (0..times).map(|n| scene.refreshes(&token, moment(60 + u64::from(n), 10 + n))).collect();
        let name = format!("one refresh token, {times} times, retry 10 s");
        scene.search(&name, 0, &racers, |ending| {
            assert_eq!(winners(ending), usize::from(times), "nobody is logged out: {:?}", ending.ends);
            assert_eq!(answers(ending).len(), 1, "two answers");
            assert_eq!(scene.live(ending, given(ending)).len(), 1);
        });
    }
}

#[test]
fn a_refresh_after_the_retry_window_raises_the_alarm_in_every_order() {
    let scene = Scene::new(opaque().with_refresh_retry(WINDOW));
    let token = scene.refresh_token();
    let racers = [
        scene.refreshes(&token, moment(60, 10)),
        scene.refreshes(&token, moment(69, 11)),
        scene.refreshes(&token, moment(90, 12)),
    ];
    scene.search("one refresh token at 60, 69 and 90 s, retry 10 s", 0, &racers, |ending| {
        assert_eq!(given(ending).len(), 1, "two successors: {:?}", ending.ends);
        let live = scene.live(ending, given(ending));
        // The last clock may come first; then the others are retries of it, and nobody was robbed.
        assert!(live.is_empty() || winners(ending) == 3, "{:?}", ending.ends);
    });
}

#[test]
fn rfc7009_2_1_a_refresh_that_races_a_revocation_leaves_nothing_alive() {
    for retry in [Duration::ZERO, WINDOW] {
        let scene = Scene::new(opaque().with_refresh_retry(retry));
        let token = scene.refresh_token();
        let racers = [
            scene.refreshes(&token, moment(60, 10)),
            scene.revokes(&token, moment(61, 11)),
            scene.refreshes(&token, moment(62, 12)),
        ];
        scene.search("two refreshes and a revocation", 0, &racers, |ending| {
            assert_eq!(answer(ending, 1), Some(&Answer::Done));
            assert!(given(ending).len() <= 1, "two successors: {:?}", ending.ends);
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
    let racers = [scene.refreshes(&old, moment(60, 10)), scene.refreshes(&current, moment(61, 11))];
    scene.search("an old and the current refresh token", 0, &racers, |ending| {
        assert_eq!(answer(ending, 0), Some(&Answer::Refused(Reason::RefreshTokenReused)));
        let all = given(ending).into_iter().chain([old.as_str(), current.as_str()]);
        assert!(scene.live(ending, all).is_empty(), "the thief was not noticed");
    });
}

#[test]
fn rfc6749_4_1_2_a_replayed_code_that_races_a_refresh_ends_revoked() {
    let scene = Scene::new(opaque());
    let code = scene.code();
    let token = issued(&scene.tokens_at(&redemption(&code), 1)).to_owned();
    let racers = [
        scene.redeems(&code, moment(60, 10)),
        scene.refreshes(&token, moment(61, 11)),
        scene.redeems(&code, moment(62, 12)),
    ];
    scene.search("a code replayed twice and a refresh", 0, &racers, |ending| {
        assert!(!matches!(answer(ending, 0), Some(Answer::Tokens { .. })));
        assert!(!matches!(answer(ending, 2), Some(Answer::Tokens { .. })));
        let all = given(ending).into_iter().chain([token.as_str()]);
        assert!(scene.live(ending, all).is_empty(), "the replay was not noticed");
    });
}

#[test]
fn a_consent_form_posted_three_times_makes_one_code() {
    let scene = Scene::new(opaque());
    let racer = |n: u8| {
        let operation = scene.server.approve(interaction(&scene.server, "read", 1), approval());
        Racer::new(operation, moment(1, 10 + n))
    };
    let racers: Vec<_> = (0..3).map(racer).collect();
    scene.search("one consent, three times", 0, &racers, |ending| {
        let codes = answers(ending);
        assert_eq!(codes.len(), 1, "{codes:?}");
        assert!(matches!(codes.first(), Some(Some(Answer::Code(_)))));
    });
}

#[test]
fn a_crash_at_any_point_loses_nothing_and_the_retry_succeeds() {
    let scene = Scene::new(opaque());
    let token = scene.refresh_token();
    let racers = [scene.refreshes(&token, moment(60, 10))];
    let count = scene.search("one refresh that may crash", 1, &racers, |ending| {
        if answer(ending, 0).is_some() {
            return;
        }
        let retried = scene.after(ending, opaque()).tokens_at(&refresh(&token), 61);
        let untouched = ending.table == *scene.store.table.borrow();
        // Without a retry window a lost reply looks like a theft; before the commit nothing is lost.
        assert_eq!(matches!(retried, Answer::Tokens { .. }), untouched, "{retried:?}");
    });
    // Done, crashed before the read, crashed before the commit, reply lost.
    assert_eq!(count.schedules, 4);
}

#[test]
fn racers_with_crashes_and_lost_replies_never_log_anybody_out() {
    let policy = || opaque().with_refresh_retry(WINDOW).with_code_retry(WINDOW);
    let scene = Scene::new(policy());
    // Whatever crashed or was lost, the same request is answered again, with what was given before.
    let retry_all = |ending: &Ending, request: &HttpRequest, at: u64| {
        let after = scene.after(ending, policy());
        let first = after.tokens_at(request, at);
        assert_eq!(first, after.tokens_at(request, at + 1), "two answers");
        assert!(ending.seen().flatten().all(|seen| seen.answer == first), "two answers");
        issued(&first);
    };

    let code = scene.code();
    for (racers, crashes) in [(2, 2), (3, 1)] {
        let name = format!("one code, {racers} times, {crashes} may crash");
        let racers: Vec<_> = (0..racers).map(|n| scene.redeems(&code, moment(1, 10 + n))).collect();
        scene.search(&name, crashes, &racers, |ending| retry_all(ending, &redemption(&code), 2));
    }

    let token = issued(&scene.tokens_at(&redemption(&code), 1)).to_owned();
    for (racers, crashes) in [(2, 2), (3, 1)] {
        let name = format!("one refresh token, {racers} times, {crashes} may crash");
        let racers: Vec<_> = (0..racers).map(|n| scene.refreshes(&token, moment(60, 20 + n))).collect();
        scene.search(&name, crashes, &racers, |ending| retry_all(ending, &refresh(&token), 61));
    }
}

#[test]
fn signed_access_tokens_are_repeated_byte_for_byte() {
    let scene = Scene::new(Policy::default().with_refresh_retry(WINDOW));
    let token = scene.refresh_token();
    let racers: Vec<_> = (0..3).map(|n| scene.refreshes(&token, moment(60 + u64::from(n), 10 + n))).collect();
    scene.search("one refresh token, 3 times, retry 10 s, JWT", 0, &racers, |ending| {
        assert_eq!(winners(ending), 3, "{:?}", ending.ends);
        assert_eq!(answers(ending).len(), 1, "two answers");
    });
}

#[test]
fn the_same_search_finds_the_double_spend_of_a_store_that_ignores_versions() {
    let mut scene = Scene::new(opaque());
    let code = scene.code();
    scene.store = scene.store.ignoring_versions();
    let mut double_spends = 0;
    let racers: Vec<_> = (0..3).map(|n| scene.redeems(&code, moment(u64::from(n), 10 + n))).collect();
    scene.search("one code, three times, broken store", 0, &racers, |ending| {
        double_spends += usize::from(winners(ending) > 1);
    });
    assert!(double_spends > 0, "the search cannot fail");

    let mut scene = Scene::new(opaque());
    let token = scene.refresh_token();
    scene.store = scene.store.ignoring_versions();
    let mut survivors = 0;
    let racers = [scene.refreshes(&token, moment(60, 10)), scene.revokes(&token, moment(61, 11))];
    scene.search("refresh and revocation, broken store", 0, &racers, |ending| {
        survivors += scene.live(ending, given(ending)).len();
    });
    assert!(survivors > 0, "the search cannot fail");
}
