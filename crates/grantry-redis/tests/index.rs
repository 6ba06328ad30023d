//! What lists read is kept small, without a sweep.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

extern crate alloc;

mod support;

use core::time::Duration;

use grantry_redis::redis::aio::{ConnectionLike, MultiplexedConnection};
use grantry_redis::redis::{Arg, Cmd, Pipeline, RedisFuture, Value};
use grantry_server::{Grant, GrantId, GrantsOf, Outcome, SendGrantList, Version};
use support::{FIRST, Keys, NEW, NOW, TestStore, commit, grant, put, send, write};

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
