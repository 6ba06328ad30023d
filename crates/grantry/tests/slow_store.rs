//! What races come to over a store that takes 20 ms for every call, in every order that such calls can have, with a
//! clock that stands still while anything can happen. The table of the guide is written from it.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

extern crate alloc;

#[path = "../../grantry-server/tests/store_support/slow/mod.rs"]
#[allow(dead_code, reason = "the tests of stores use the rest")]
mod slow;
#[path = "../../grantry-server/tests/store_support/site.rs"]
#[allow(dead_code, reason = "the tests of stores use the rest")]
mod support;

use alloc::collections::BTreeSet;

use grantry::server::{Change, ChangeSet, Lookup, MemoryStore, MemoryStoreFull, Outcome, Records, SendStore};
use slow::Presented::{Code, RefreshToken};
use slow::Scene::{self, BesideRevocation, BesideStrangers, GivenUp, Thrice};
use slow::{Ending, Retry};
use support::clients;

/// A row of the table: what happens, the rule, where it is known to go wrong, and what it comes to here.
struct Row(&'static str, &'static str, &'static str, &'static [Cell]);

/// Under which policy, if not by default, and what is played.
struct Cell(&'static str, &'static [Scene]);

const TABLE: &[Row] = &[
    Row(
        "One code is presented at +0, +5 and +30 ms",
        "Used once; a second use ends what the first one gave \
         ([RFC 6749 section 4.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2))",
        "fosite: two requests at once get tokens each, documented in \
         [fosite 778](https://github.com/ory/fosite/issues/778), reported in 2023",
        &[Cell("", &[Thrice(Code, Retry::Off)]), Cell("with `code_retry`: ", &[Thrice(Code, Retry::On)])],
    ),
    Row(
        "One refresh token is presented at +0, +5 and +30 ms",
        "One successor; a second use ends the grant \
         ([RFC 9700 section 4.14.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2))",
        "Keycloak before 26.4.11 and 26.5.6: exchanged several times, documented in \
         [CVE-2026-1035](https://github.com/keycloak/keycloak/issues/45647)",
        &[
            Cell("", &[Thrice(RefreshToken, Retry::Off)]),
            Cell("with `refresh_retry`: ", &[Thrice(RefreshToken, Retry::On)]),
        ],
    ),
    Row(
        "Two strangers present it beside its owner",
        "Bound to its client, and a code to its verifier \
         ([RFC 6749 section 10.5](https://www.rfc-editor.org/rfc/rfc6749#section-10.5), \
         [RFC 7636 section 4.6](https://www.rfc-editor.org/rfc/rfc7636#section-4.6))",
        "IdentityServer4: a stranger's request uses a code up before its client is compared, documented in \
         [IdentityServer4 3996](https://github.com/DuendeArchive/IdentityServer4/issues/3996)",
        &[Cell("", &[BesideStrangers(Code), BesideStrangers(RefreshToken)])],
    ),
    Row(
        "A request is given up half way, and sent again",
        "All or nothing",
        "doorkeeper: the old refresh token is revoked, and the new one never arrives, documented in \
         [doorkeeper 486](https://github.com/doorkeeper-gem/doorkeeper/issues/486), reported in 2014; \
         a column added since keeps the old one until the new one is used \
         ([doorkeeper 1787](https://github.com/doorkeeper-gem/doorkeeper/issues/1787))",
        &[
            Cell("", &[GivenUp(Code, Retry::Off), GivenUp(RefreshToken, Retry::Off)]),
            Cell(
                "with `code_retry` and `refresh_retry`: ",
                &[GivenUp(Code, Retry::On), GivenUp(RefreshToken, Retry::On)],
            ),
        ],
    ),
    Row(
        "A redemption or refresh races a revocation at another node, whose clock is 3 s ahead or behind",
        "The token and the grant behind it are dead \
         ([RFC 7009 section 2.1](https://www.rfc-editor.org/rfc/rfc7009#section-2.1))",
        "Keycloak: a refresh that races the revocation gives out new tokens, though introspection finds the access \
         token dead, documented in [keycloak 51312](https://github.com/keycloak/keycloak/issues/51312)",
        &[Cell("", &[BesideRevocation(Code), BesideRevocation(RefreshToken)])],
    ),
];

/// What a scene came to, and in how many orders of reads and commits.
struct Found {
    endings: BTreeSet<Ending>,
    orders: BTreeSet<Vec<String>>,
}

async fn play(scene: Scene) -> Found {
    let site = scene.site(MemoryStore::new(clients()));
    let mut found = Found { endings: BTreeSet::new(), orders: BTreeSet::new() };
    for schedule in scene.schedules() {
        let played = scene.play(&site, &schedule).await;
        found.endings.insert(played.ending);
        found.orders.insert(played.order);
    }
    found
}

async fn table() -> String {
    let mut table = String::from(
        "| Over a slow store | The rule | Known to go wrong | Here, in every order | Orders |\n|---|---|---|---|---|\n",
    );
    for Row(what, rule, elsewhere, cells) in TABLE {
        let (mut here, mut orders) = (Vec::new(), 0);
        for Cell(policy, scenes) in *cells {
            let mut endings = BTreeSet::new();
            for scene in *scenes {
                let found = play(*scene).await;
                endings.extend(found.endings);
                orders += found.orders.len();
            }
            let endings: Vec<_> = endings.iter().map(ToString::to_string).collect();
            here.push(format!("{policy}{}", endings.join("; or ")));
        }
        table += &format!("| {what} | {rule} | {elsewhere} | {} | {orders} |\n", here.join("<br>"));
    }
    table
}

#[tokio::test(start_paused = true)]
async fn the_table_of_the_guide_is_what_happens() {
    let table = table().await;
    assert!(include_str!("../src/guide.md").contains(&table), "the table of guide.md should be:\n{table}");
}

/// Of two requests that read and commit, the calls come in every order that there is.
#[tokio::test(start_paused = true)]
async fn two_requests_reach_the_store_in_every_order() {
    for presented in [Code, RefreshToken] {
        let found = play(BesideRevocation(presented)).await;
        let orders: Vec<_> = found.orders.iter().map(|order| order.join(" ")).collect();
        let expected = [
            "1r 1c 2r 2c",
            "1r 2r 1c 2c 2r 2c",
            "1r 2r 2c 1c 1r",
            "2r 1r 1c 2c 2r 2c",
            "2r 1r 2c 1c 1r",
            "2r 2c 1r",
        ];
        assert_eq!(orders, expected);
        // An owner's two calls beside the one call of each of two strangers.
        assert_eq!(play(BesideStrangers(presented)).await.orders.len(), 12);
    }
}

#[tokio::test(start_paused = true)]
async fn three_requests_meet_in_conflicts_and_decide_again() {
    let both = [(Retry::Off, (Some(5), Some(11))), (Retry::On, (Some(4), Some(8)))];
    for (scene, expected) in both.map(|(retry, expected)| (Thrice(RefreshToken, retry), expected)) {
        let found = play(scene).await;
        let calls = |order: &Vec<String>| order.len();
        // One after another without a conflict, up to three requests that all read before anybody writes.
        let shortest = found.orders.iter().map(calls).min();
        let longest = found.orders.iter().map(calls).max();
        assert_eq!((shortest, longest), expected);
    }
}

/// A request that is given up before its commit has changed nothing, and one that is given up behind it everything.
#[tokio::test(start_paused = true)]
async fn a_request_is_given_up_before_and_behind_each_of_its_calls() {
    for (presented, retry) in [(Code, Retry::Off), (Code, Retry::On), (RefreshToken, Retry::Off)] {
        let scene = GivenUp(presented, retry);
        let site = scene.site(MemoryStore::new(clients()));
        let mut orders = BTreeSet::new();
        for schedule in scene.schedules() {
            let played = scene.play(&site, &schedule).await;
            let is_applied = played.order.iter().any(|call| call == "1c");
            assert_eq!(played.ending != Ending::NothingChanged, is_applied);
            orders.insert(played.order.join(" "));
        }
        assert_eq!(orders.into_iter().collect::<Vec<_>>(), ["", "1r", "1r 1c"]);
    }
}

/// A store that writes over whatever is there.
struct Careless(MemoryStore);

impl SendStore for Careless {
    type Error = MemoryStoreFull;

    async fn read(&self, lookup: &Lookup<'_>) -> Result<Records, MemoryStoreFull> {
        SendStore::read(&self.0, lookup).await
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Outcome, MemoryStoreFull> {
        let mut careless = Vec::new();
        for change in changes.iter() {
            let Change::Put { expected: Some(_), grant } = change else {
                careless.push(change.clone());
                continue;
            };
            let mut lookup = Lookup::default();
            lookup.grant = Some(grant.id());
            let found = SendStore::read(&self.0, &lookup).await?;
            let expected = found.grant(grant.id()).map(|record| record.version);
            careless.push(Change::Put { expected, grant: grant.clone() });
        }
        SendStore::commit(&self.0, &ChangeSet::from_iter(careless)).await
    }
}

async fn play_carelessly(scene: Scene) {
    let site = scene.site(Careless(MemoryStore::new(clients())));
    for schedule in scene.schedules() {
        scene.play(&site, &schedule).await;
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "[Written, Written, Written]")]
async fn a_store_that_compares_nothing_redeems_one_code_three_times() {
    play_carelessly(Thrice(Code, Retry::Off)).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "left: CodeReused")]
async fn a_store_that_compares_nothing_brings_a_revoked_grant_back() {
    play_carelessly(BesideRevocation(Code)).await;
}
