//! Every pair of requests that touch one grant, and every triple at the token endpoint: all schedules of
//! them, with crashes, lost replies and clocks that differ, on the real code.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::std_instead_of_alloc,
    reason = "a test fails by panicking, and tells what it went through"
)]

mod explorer;
mod scenes;
mod support;

use std::collections::BTreeMap;

use explorer::Count;
use grantry::server::AccessTokenFormat;
use scenes::rules::{Broken, Race, Stage};
use scenes::{Door, Retry, Scene, scenes};
use support::{server_with_key, signing_key};

/// Clocks of a race by their differences: those of two and of three racers.
const CLOCKS: [[usize; 3]; 3] = [[0, 0, 0], [0, 1, 2], [0, 2, 1]];

/// Every pair of the roles that a scene has, also of one with itself.
fn pairs(stage: &Stage) -> Vec<Vec<usize>> {
    let roles = 0..stage.roles.len();
    roles.clone().flat_map(|one| (one..roles.end).map(move |other| vec![one, other])).collect()
}

/// Every triple of the roles at the token endpoint, also of one with itself.
fn triples(stage: &Stage) -> Vec<Vec<usize>> {
    let is_token = |role: &usize| stage.roles[*role].door == Door::TokenEndpoint;
    let roles: Vec<_> = (0..stage.roles.len()).filter(is_token).collect();
    let mut triples = Vec::new();
    for (first, one) in roles.iter().enumerate() {
        for (second, other) in roles.iter().enumerate().skip(first) {
            triples.extend(roles[second..].iter().map(|third| vec![*one, *other, *third]));
        }
    }
    triples
}

/// Runs races, and returns how much that was, with the rules that were broken.
fn run(stage: &Stage, races: &[Vec<usize>], clocks: &[[usize; 3]], crashes: usize) -> (Count, Vec<Broken>) {
    let mut total = Count::default();
    let mut broken = Vec::new();
    for roles in races {
        for clocks in clocks {
            let (count, found) = stage.run(Race { roles, clocks: &clocks[..roles.len()], crashes });
            total.add(count);
            broken.extend(found);
        }
    }
    (total, broken)
}

fn assert_every_race(
    name: &str,
    races: impl Fn(&Stage) -> Vec<Vec<usize>>,
    clocks: &[[usize; 3]],
    crashes: usize,
) {
    let (mut total, mut raced) = (Count::default(), 0);
    for stage in scenes().map(Stage::new) {
        let races = races(&stage);
        let (count, broken) = run(&stage, &races, clocks, crashes);
        println!(
            "{name}: {}, retry {:?}: {} races, {count:?}",
            stage.scene.name,
            stage.scene.retry,
            races.len()
        );
        if let Some(first) = broken.first() {
            panic!("{} endings break a rule; the first: {first}", broken.len());
        }
        total.add(count);
        raced += races.len();
    }
    println!("{name}, all together: {raced} races, {total:?}");
    assert!(total.conflicts > 0);
}

#[test]
fn every_pair_of_requests_on_one_grant_keeps_every_rule() {
    assert_every_race("pairs", pairs, &CLOCKS, 2);
}

#[test]
fn every_triple_at_the_token_endpoint_keeps_every_rule() {
    assert_every_race("triples", triples, &CLOCKS[1..], 1);
}

#[test]
fn every_triple_of_which_two_crash_keeps_every_rule() {
    assert_every_race("triples, two crashes", triples, &CLOCKS[..1], 2);
}

#[test]
fn a_key_outside_of_the_process_changes_no_rule() {
    let policy = Retry::InsideTheWindow.policy().with_access_token_format(AccessTokenFormat::Jwt);
    let server = server_with_key(signing_key().verifying_key(), policy);
    let stage = Stage::new(Scene::with("code issued", "read openid", server, Retry::InsideTheWindow));
    // Racers also crash before, between and after the signatures of access token and ID token.
    let (count, broken) = run(&stage, &pairs(&stage), &CLOCKS[..1], 2);
    println!("a key outside of the process: {count:?}");
    assert!(broken.is_empty(), "{}", broken[0]);
    assert!(count.signatures > 0);
}

#[test]
fn the_same_rules_catch_a_store_that_ignores_versions() {
    let mut caught = BTreeMap::new();
    for mut scene in scenes() {
        scene.store = scene.store.ignoring_versions();
        let stage = Stage::new(scene);
        let (_, broken) = run(&stage, &pairs(&stage), &CLOCKS[..1], 0);
        for broken in broken {
            *caught.entry(broken.rule).or_insert(0) += 1;
        }
    }
    println!("endings that a broken store leaves: {caught:#?}");
    let rules: Vec<_> = caught.into_keys().collect();
    assert_eq!(
        rules,
        [
            "a page is answered once, for one person",
            "a request that comes twice at once is answered twice",
            "every schedule ends as whole requests do, one after another",
            "nothing is alive after an alarm or a revocation",
            "what is presented twice is answered with one thing",
        ]
    );
}
