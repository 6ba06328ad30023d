//! What lists read is kept small, without a sweep.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

extern crate alloc;

mod support;

use alloc::sync::Arc;
use core::time::Duration;
use std::sync::Mutex;

use grantry_redis::KeyPrefix;
use grantry_redis::redis::aio::{ConnectionLike, MultiplexedConnection};
use grantry_redis::redis::{Arg, Cmd, Pipeline, RedisFuture, Value};
use grantry_server::{Grant, GrantId, GrantsOf, Outcome, SendGrantList, Version};
use support::{
    FIRST, Keys, NEW, NOW, Site, TestStore, claim, commit, find, grant, issued, put, refresh, refresh_token,
    send, write,
};

/// In the year 2001.
const PAST: u64 = 1_000_000_000;
/// How long the entries of an index are grouped, in seconds.
const TURN: u64 = 16_384;

async fn listed(store: &TestStore, grant: &Grant) -> Vec<GrantId> {
    let of = GrantsOf::Client(grant.issuer(), grant.client_id());
    store.list(of, None, 100).await.unwrap().iter().map(Grant::id).collect()
}

async fn entries(by_hand: &mut MultiplexedConnection, index: &str) -> usize {
    send(by_hand, &[&"ZCARD", &index]).await
}

fn entry(id: [u8; 16], turn: u64) -> Vec<u8> {
    [id.as_slice(), &u32::try_from(turn).unwrap().to_be_bytes()].concat()
}

#[tokio::test]
async fn an_index_ends_with_the_last_turn_of_its_grants() {
    let Some(keys) = Keys::new("an_index_ends_with_the_last_turn_of_its_grants").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let index = keys.client_index("web");
    let mut latest = 0;
    for now in [NOW, NOW + 5 * TURN, NOW + TURN, NOW + 20 * TURN] {
        let grant = grant("web", "alice", now);
        write(&store, [put(NEW, &grant)]).await;
        latest = latest.max((grant.purge_after().as_secs() / TURN + 1) * TURN);
        assert_eq!(send::<u64>(&mut by_hand, &[&"EXPIRETIME", &index]).await, latest);
    }
    assert_eq!(entries(&mut by_hand, &index).await, 4);
}

#[tokio::test]
async fn a_grant_whose_end_moves_has_one_entry() {
    let Some(keys) = Keys::new("a_grant_whose_end_moves_has_one_entry").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let (first, second) = (grant("web", "alice", NOW), grant("web", "alice", NOW + 5 * TURN));
    // The same grant with a later end, as it has behind its id and salt: the rest of the later one.
    let later = [&first.to_bytes()[..33], &second.to_bytes()[33..]].concat();
    let later = Grant::from_bytes(&later).unwrap();
    assert_eq!((later.id(), later.purge_after()), (first.id(), second.purge_after()));
    let indexes = [keys.client_index("web"), keys.subject_index("alice")];
    let mut version = NEW;
    for grant in [&first, &later, &later, &first] {
        assert_eq!(commit(&store, [put(version, grant)]).await, Outcome::Applied);
        version = Some(version.map_or(Version::FIRST, Version::next));
        let turn = grant.purge_after().as_secs() / TURN;
        for index in &indexes {
            let filed: Vec<Vec<u8>> = send(&mut by_hand, &[&"ZRANGE", index, &"0", &"-1"]).await;
            assert_eq!(filed, [entry(*first.id().as_bytes(), turn)]);
        }
    }
}

#[tokio::test]
async fn a_rotation_within_a_turn_touches_no_index() {
    let Some(keys) = Keys::new("a_rotation_within_a_turn_touches_no_index").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let grant = grant("web", "alice", NOW);
    write(&store, [put(NEW, &grant)]).await;
    let index = keys.client_index("web");
    let _: usize = send(&mut by_hand, &[&"DEL", &index]).await;
    write(&store, [put(FIRST, &grant)]).await;
    assert_eq!(entries(&mut by_hand, &index).await, 0);
}

/// A grant whose refresh token was rotated, with the id and salt of `like`.
async fn rotated(keys: &Keys, like: &Grant, now: u64) -> Grant {
    let elsewhere = Keys { port: keys.port, prefix: KeyPrefix::parse(&format!("rotated-{now}")).unwrap() };
    let site = Site::new(elsewhere.store().await);
    let tokens = site.tokens("web", now).await;
    issued(site.token(&refresh("web", refresh_token(&tokens)), now).await);
    let of = GrantsOf::Client(like.issuer(), like.client_id());
    let grant = site.store.list(of, None, 1).await.unwrap().remove(0);
    let (like_bytes, bytes) = (like.to_bytes(), grant.to_bytes());
    let grant = Grant::from_bytes(&[like_bytes.split_at(33).0, bytes.split_at(33).1].concat()).unwrap();
    assert!(grant.is_rotated() && grant.id() == like.id());
    grant
}

/// The script for a rotation is told no index, and says so where it would need one.
#[tokio::test]
async fn a_rotation_is_filed_anew_where_its_end_moved_all_the_same() {
    let name = "a_rotation_is_filed_anew_where_its_end_moved_all_the_same";
    let Some(keys) = Keys::new(name).await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let first = grant("web", "alice", NOW);
    let (soon, later) = (rotated(&keys, &first, NOW).await, rotated(&keys, &first, NOW + 5 * TURN).await);
    write(&store, [put(NEW, &soon)]).await;
    let index = keys.client_index("web");
    let ends = |grant: &Grant| grant.purge_after().as_secs() / TURN;
    for (version, grant, outcome, filed) in [
        (FIRST, &soon, Outcome::Applied, &soon),
        (FIRST, &soon, Outcome::Conflict, &soon),
        (FIRST, &later, Outcome::Conflict, &soon),
        (Some(Version::FIRST.next()), &later, Outcome::Applied, &later),
        (Some(Version::FIRST.next()), &later, Outcome::Conflict, &later),
    ] {
        assert_eq!(commit(&store, [put(version, grant)]).await, outcome);
        let found: Vec<Vec<u8>> = send(&mut by_hand, &[&"ZRANGE", &index, &"0", &"-1"]).await;
        assert_eq!(found, [entry(*first.id().as_bytes(), ends(filed))]);
    }
    assert_eq!(find(&store, &later).await, Some(Version::FIRST.next().next()));
    let _: usize = send(&mut by_hand, &[&"DEL", &keys.grant_key(first.id())]).await;
    assert_eq!(commit(&store, [put(FIRST, &soon)]).await, Outcome::Conflict);
}

#[tokio::test]
async fn a_rotation_names_one_key() {
    let Some(keys) = Keys::new("a_rotation_names_one_key").await else { return };
    let (store, by_hand) = (keys.store().await, keys.by_hand().await);
    let first = grant("web", "alice", NOW);
    let grant = rotated(&keys, &first, NOW).await;
    write(&store, [put(NEW, &grant)]).await;
    let named = Arc::default();
    let watched = keys.store_over(Watched { connection: by_hand, named: Arc::clone(&named) });
    write(&watched, [put(FIRST, &grant)]).await;
    write(&watched, [put(Some(Version::FIRST.next()), &grant), claim(1, NOW)]).await;
    let named = core::mem::take(&mut *named.lock().unwrap());
    // The record; and then with its two indexes, beside the claim.
    assert!(!named.is_empty() && named.iter().all(|keys| keys == b"1" || keys == b"4"), "{named:?}");
    assert_eq!((named.first().unwrap(), named.last().unwrap()), (&b"1".to_vec(), &b"4".to_vec()));
}

/// A connection that notes how many keys each script is told.
#[derive(Clone)]
struct Watched {
    connection: MultiplexedConnection,
    named: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl ConnectionLike for Watched {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        if let Some(Arg::Simple(keys)) = command.args_iter().nth(2) {
            self.named.lock().unwrap().push(keys.to_vec());
        }
        self.connection.req_packed_command(command)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.connection.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

/// Each entry that is added looks at four others: what has ended stays a small part of an index.
#[tokio::test]
async fn an_insert_takes_at_most_four_ended_entries_out() {
    let Some(keys) = Keys::new("an_insert_takes_at_most_four_ended_entries_out").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let index = keys.client_index("web");
    write(&store, [put(NEW, &grant("web", "alice", NOW))]).await;
    for number in 0..200_u8 {
        let ended = entry([number; 16], PAST / TURN);
        let _: usize = send(&mut by_hand, &[&"ZADD", &index, &"0", &ended]).await;
    }
    for live in 2..30 {
        let before = entries(&mut by_hand, &index).await;
        write(&store, [put(NEW, &grant("web", "alice", NOW))]).await;
        let taken_out = before + 1 - entries(&mut by_hand, &index).await;
        // Of four different entries so many at most are alive.
        assert!((4_usize.saturating_sub(live)..=4).contains(&taken_out), "{taken_out} of {before}");
    }
    let live_grant = grant("web", "alice", NOW);
    write(&store, [put(NEW, &live_grant)]).await;
    assert_eq!(listed(&store, &live_grant).await.len(), 30);
}

#[tokio::test]
async fn grants_that_have_ended_leave_nothing_behind() {
    let Some(keys) = Keys::new("grants_that_have_ended_leave_nothing_behind").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let index = keys.client_index("web");
    let kept = grant("web", "alice", NOW);
    write(&store, [put(NEW, &kept)]).await;
    for _ in 0..50 {
        write(&store, [put(NEW, &grant("web", "bob", PAST))]).await;
        assert!(entries(&mut by_hand, &index).await <= 4);
    }
    assert_eq!(listed(&store, &kept).await, [kept.id()]);
    assert_eq!(entries(&mut by_hand, &keys.subject_index("bob")).await, 0);
}

#[tokio::test]
async fn a_list_takes_out_what_has_no_record_and_goes_on_behind_it() {
    let name = "a_list_takes_out_what_has_no_record_and_goes_on_behind_it";
    let Some(keys) = Keys::new(name).await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let mut grants: Vec<_> = (0..9).map(|_| grant("web", "alice", NOW)).collect();
    grants.sort_unstable_by_key(Grant::id);
    for grant in &grants {
        write(&store, [put(NEW, grant)]).await;
    }
    for gone in &grants[..6] {
        let _: usize = send(&mut by_hand, &[&"DEL", &keys.grant_key(gone.id())]).await;
    }
    let of = GrantsOf::Client(grants[0].issuer(), grants[0].client_id());
    let page = store.list(of, None, 2).await.unwrap();
    assert_eq!(page.iter().map(Grant::id).collect::<Vec<_>>(), [grants[6].id(), grants[7].id()]);
    assert_eq!(entries(&mut by_hand, &keys.client_index("web")).await, 3);
    assert_eq!(entries(&mut by_hand, &keys.subject_index("alice")).await, 9);
}

/// The end of the turn is the latest at which its grants end.
#[tokio::test]
async fn an_entry_stays_until_its_turn_is_over() {
    let Some(keys) = Keys::new("an_entry_stays_until_its_turn_is_over").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let index = keys.client_index("web");
    loop {
        let now: (u64, u64) = send(&mut by_hand, &[&"TIME"]).await;
        let turn = now.0 / TURN;
        for (number, turn) in [(1, turn), (2, turn - 1)] {
            let _: usize = send(&mut by_hand, &[&"ZADD", &index, &"0", &entry([number; 16], turn)]).await;
        }
        write(&store, [put(NEW, &grant("web", "alice", NOW))]).await;
        let filed: Vec<Vec<u8>> = send(&mut by_hand, &[&"ZRANGE", &index, &"0", &"-1"]).await;
        let then: (u64, u64) = send(&mut by_hand, &[&"TIME"]).await;
        if then.0 / TURN == turn {
            assert!(filed.contains(&entry([1; 16], turn)) && !filed.contains(&entry([2; 16], turn - 1)));
            return;
        }
        let _: usize = send(&mut by_hand, &[&"DEL", &index]).await;
    }
}

#[tokio::test]
async fn an_entry_of_another_form_stops_no_commit() {
    let Some(keys) = Keys::new("an_entry_of_another_form_stops_no_commit").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let index = keys.client_index("web");
    let _: usize = send(&mut by_hand, &[&"ZADD", &index, &"0", &"short"]).await;
    let grant = grant("web", "alice", NOW);
    write(&store, [put(NEW, &grant)]).await;
    assert_eq!(listed(&store, &grant).await, [grant.id()]);
}

/// A connection that writes a value before it runs a script.
#[derive(Clone)]
struct Meanwhile {
    connection: MultiplexedConnection,
    key: String,
    value: Vec<u8>,
}

impl ConnectionLike for Meanwhile {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            if matches!(command.args_iter().next(), Some(Arg::Simple(b"EVALSHA"))) {
                let () = send(&mut self.connection, &[&"SET", &self.key, &self.value]).await;
            }
            self.connection.req_packed_command(command).await
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.connection.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

#[tokio::test]
async fn an_entry_whose_record_comes_back_meanwhile_stays() {
    let Some(keys) = Keys::new("an_entry_whose_record_comes_back_meanwhile_stays").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let grant = grant("web", "alice", NOW);
    write(&store, [put(NEW, &grant)]).await;
    let key = keys.grant_key(grant.id());
    let value: Vec<u8> = send(&mut by_hand, &[&"GETDEL", &key]).await;
    let connection = Meanwhile { connection: by_hand, key, value };
    let of = GrantsOf::Client(grant.issuer(), grant.client_id());
    assert!(keys.store_over(connection).list(of, None, 10).await.unwrap().is_empty());
    assert_eq!(listed(&store, &grant).await, [grant.id()]);
}

/// Its record ended, and a device was given the same user code: the id is the same.
#[tokio::test]
async fn an_id_that_is_used_again_is_listed_once() {
    let Some(keys) = Keys::new("an_id_that_is_used_again_is_listed_once").await else { return };
    let (store, mut by_hand) = (keys.store().await, keys.by_hand().await);
    let grant = grant("web", "alice", NOW);
    write(&store, [put(NEW, &grant)]).await;
    let earlier = entry(*grant.id().as_bytes(), (NOW - Duration::from_secs(TURN).as_secs()) / TURN);
    let index = keys.client_index("web");
    let _: usize = send(&mut by_hand, &[&"ZADD", &index, &"0", &earlier]).await;
    assert_eq!(entries(&mut by_hand, &index).await, 2);
    assert_eq!(listed(&store, &grant).await, [grant.id()]);
}
