//! Many at once: threads, stores and processes over one file.

use core::time::Duration;
use std::sync::Barrier;

use grantry_core::{HttpRequest, Moment, SecretString};
use grantry_server::{
    Approval, Authorization, Effect, Operation, Outcome, Policy, Reason, Reply, Server, Store, TokenAnswer,
    Version, run,
};
use grantry_sqlite::SqliteOptions;

use crate::scene::{Folder, TestStore, claim, commit, find, grant, known, lookup, memory, put};
use crate::support::{
    ISSUER, LOGIN, NOW, assert_denied, code, issued, query, redemption, refresh_token, request, server_of,
    subject, time,
};

const THREADS: usize = 64;

fn moment(seed: u8) -> Moment {
    Moment::new(time(NOW), [seed; 32])
}

fn answer<O: Operation>(store: &TestStore, operation: &O, seed: u8) -> O::Reply {
    run(store, operation, moment(seed)).unwrap()
}

/// Gives out a code of `web`.
pub(crate) fn code_on(store: &TestStore, server: &Server) -> String {
    let get = HttpRequest::new("GET", format!("/authorize?{}", query("web", &[])));
    let reply = answer(store, &server.authorize(&get), 101);
    let Authorization::Interact(interaction) = reply.answer else { panic!("{:?}", reply.event) };
    code(&answer(store, &server.approve(*interaction, Approval::new(subject(), time(LOGIN))), 102))
}

/// Presents one request in every thread at once, over these stores in turn.
fn present(stores: &[TestStore], server: &Server, request: &HttpRequest) -> Vec<Reply<TokenAnswer>> {
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let (store, start) = (&stores[number % stores.len()], &start);
                scope.spawn(move || {
                    let operation = server.token(request);
                    start.wait();
                    answer(store, &operation, u8::try_from(number).unwrap())
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// The stores to race over: threads on one, threads over four with connections of their own, and memory.
fn every_setting(race: impl Fn(&[TestStore])) {
    race(&[memory()]);
    let folder = Folder::new();
    race(&[folder.store()]);
    let folder = Folder::new();
    let options = SqliteOptions::new().with_readers(1).with_busy_timeout(Duration::from_secs(60));
    race(&core::array::from_fn::<_, 4, _>(|_| options.open(folder.path(), known()).unwrap()));
}

#[track_caller]
fn assert_one_success(replies: Vec<Reply<TokenAnswer>>, error: Reason) {
    let (won, lost): (Vec<_>, Vec<_>) =
        replies.into_iter().partition(|reply| matches!(reply.answer, TokenAnswer::Issued(_)));
    assert_eq!((won.len(), lost.len()), (1, THREADS - 1));
    // The first loser raises the alarm, and the others find the grant ended.
    let alarms = lost.iter().filter(|reply| reply.event.effect == Effect::Written).count();
    assert_eq!(alarms, 1);
    for reply in lost.iter().filter(|reply| reply.event.effect == Effect::Written) {
        assert_denied(reply, "invalid_grant", error);
    }
}

#[track_caller]
fn assert_exact_repeats(replies: Vec<Reply<TokenAnswer>>) -> SecretString {
    let written = replies.iter().filter(|reply| reply.event.effect == Effect::Written).count();
    assert_eq!(written, 1);
    let tokens: Vec<_> = replies.into_iter().map(issued).collect();
    let first = refresh_token(&tokens[0]);
    assert!(tokens.iter().all(|other| refresh_token(other).expose() == first.expose()));
    first.clone()
}

fn retry() -> Server {
    let window = Duration::from_secs(10);
    server_of(ISSUER).with_policy(Policy::default().with_code_retry(window).with_refresh_retry(window))
}

fn redeem(code: &str) -> HttpRequest {
    request("web", "/token", &redemption("web", code).each())
}

fn refresh(token: &SecretString) -> HttpRequest {
    request("web", "/token", &[("grant_type", "refresh_token"), ("refresh_token", token.expose())])
}

/// ST-02.
#[test]
fn cve_2026_47386_one_of_64_redeems_a_code() {
    every_setting(|stores| {
        let server = server_of(ISSUER);
        let code = code_on(&stores[0], &server);
        assert_one_success(present(stores, &server, &redeem(&code)), Reason::CodeReused);
    });
}

#[test]
fn one_of_64_refreshes_a_token() {
    every_setting(|stores| {
        let server = server_of(ISSUER);
        let code = code_on(&stores[0], &server);
        let tokens = issued(answer(&stores[0], &server.token(&redeem(&code)), 103));
        let request = refresh(refresh_token(&tokens));
        assert_one_success(present(stores, &server, &request), Reason::RefreshTokenReused);
    });
}

#[test]
fn in_the_window_all_64_get_the_same_tokens() {
    every_setting(|stores| {
        let server = retry();
        let code = code_on(&stores[0], &server);
        let token = assert_exact_repeats(present(stores, &server, &redeem(&code)));
        let next = assert_exact_repeats(present(stores, &server, &refresh(&token)));
        assert_ne!(token.expose(), next.expose());
        issued(answer(&stores[0], &server.token(&refresh(&next)), 104));
    });
}

/// The claim of a number and the version behind it are written at once, so they are read at once.
#[test]
fn a_read_of_several_keys_is_one_moment_of_the_store() {
    let folder = Folder::new();
    let store = folder.store();
    let grant = grant();
    assert_eq!(commit(&store, [put(None, &grant)]), Outcome::Applied);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 1..=u8::MAX {
                let next = put(Some(Version::from_number(number.into())), &grant);
                assert_eq!(commit(&store, [claim(number, NOW), next]), Outcome::Applied);
            }
        });
        let mut number = 1;
        while number < u8::MAX && !writer.is_finished() {
            let records = store.read(&lookup(None, Some(grant.id()), [Some(number), None])).unwrap();
            let is_written = records.grant(grant.id()).unwrap().version > Version::from_number(number.into());
            assert_eq!(records.is_claim_seen(), is_written);
            number += u8::from(is_written);
        }
        writer.join().unwrap();
    });
}

const ROUNDS: u64 = 200;
const FILE: &str = "GRANTRY_SQLITE_TEST_FILE";

/// Makes versions of the one grant in the file, and counts those that it made itself.
fn make_versions(store: &TestStore) -> u64 {
    let grant = grant();
    let mut made = 0;
    while made < ROUNDS {
        let (_, version) = find(store, grant.id()).unwrap();
        match commit(store, [put(Some(Version::from_number(version)), &grant)]) {
            Outcome::Applied => made += 1,
            Outcome::Conflict => {}
        }
    }
    made
}

/// Two processes beside this one. No version is made twice, so the last one counts all.
#[test]
fn processes_over_one_file_compare_with_each_other() {
    let options = SqliteOptions::new().with_busy_timeout(Duration::from_secs(60));
    // In a process of its own, this test is that process.
    if let Some(path) = std::env::var_os(FILE) {
        assert_eq!(make_versions(&options.open(path, known()).unwrap()), ROUNDS);
        return;
    }
    let folder = Folder::new();
    let store = options.open(folder.path(), known()).unwrap();
    let grant = grant();
    assert_eq!(commit(&store, [put(None, &grant)]), Outcome::Applied);
    let program = std::env::current_exe().unwrap();
    let start = || {
        std::process::Command::new(&program)
            .args(["--exact", "racing::processes_over_one_file_compare_with_each_other"])
            .env(FILE, folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    let others = [start(), start()];
    assert_eq!(make_versions(&store), ROUNDS);
    for mut other in others {
        assert!(other.wait().unwrap().success());
    }
    assert_eq!(find(&store, grant.id()), Some((grant, 1 + 3 * ROUNDS)));
}
