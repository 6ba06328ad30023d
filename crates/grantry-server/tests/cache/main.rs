//! A cache in front: what may come from it, and what never does. Over the blocking and the asynchronous loop.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

extern crate alloc;

mod node;
#[path = "../support/mod.rs"]
mod support;

use core::cell::Cell;
use core::time::Duration;

use grantry_core::{HttpRequest, Issuer, SecretString};
use grantry_server::{
    Cached, Effect, Endpoints, Grant, GrantCache, Introspection, MAX_ROUNDS, MemoryCache, MemoryStore,
    Operation, Policy, Reason, RunError, Server, UserInfoAnswer, Version, Versioned, run,
};
use node::{Always, Contended, asserted, both, both_over, refreshes, signing_client};
use support::{
    Fault, ISSUER, KEY, NOW, Site, StoreFault, assert_denied, client_id, handle_key, issued, private_key,
    redemption, refresh_token, request, server_of, subject,
};

const WINDOW: Duration = Duration::from_secs(10);
/// Reads, reads of a grant, and commits.
const COLD: [usize; 3] = [1, 1, 1];
const WARM: [usize; 3] = [1, 0, 1];

#[test]
fn a_refresh_of_a_cached_grant_is_one_commit_and_no_read_of_a_grant() {
    both(&Policy::default(), |node| {
        let mut token = node.warm();
        for _ in 0..3 {
            let (reply, counts) = node.refresh(&token);
            assert_eq!((reply.event.effect, counts), (Effect::Written, WARM));
            assert_eq!(node.kept(), Some(node.stored()));
            token = refresh_token(&issued(reply)).clone();
        }
        node.cache.cache.clear();
        assert_eq!(node.refresh(&token).1, COLD);
    });
}

#[test]
fn an_alarm_over_a_cached_grant_is_one_commit_and_leaves_nothing_in_the_cache() {
    both(&Policy::default(), |node| {
        let token = node.warm();
        let next = refresh_token(&issued(node.refresh(&token).0)).clone();
        let (reply, counts) = node.refresh(&token);
        assert_denied(&reply, "invalid_grant", Reason::RefreshTokenReused);
        assert_eq!((counts, node.kept()), (WARM, None));
        assert_denied(&node.refresh(&next).0, "invalid_grant", Reason::GrantRevoked);
    });
}

#[test]
fn a_cached_grant_that_is_out_of_date_meets_a_conflict_and_is_dropped() {
    both(&Policy::default(), |node| {
        let token = node.warm();
        node.revoke_elsewhere();
        let (reply, counts) = node.refresh(&token);
        assert_denied(&reply, "invalid_grant", Reason::GrantRevoked);
        assert_eq!((counts, node.kept()), ([2, 1, 1], None));
    });
}

/// To a grant that is out of date, the token of another node's refresh looks like none.
#[test]
fn a_refusal_is_never_decided_over_a_cached_grant() {
    both(&Policy::default(), |node| {
        let token = node.warm();
        let next = issued(node.site.refresh("web", &token, NOW));
        let (reply, counts) = node.refresh(refresh_token(&next));
        assert_eq!(counts, [2, 1, 1]);
        issued(reply);
    });
}

#[test]
fn a_repeat_is_never_answered_over_a_cached_grant() {
    both(&Policy::default().with_refresh_retry(WINDOW), |node| {
        let token = node.warm();
        let next = issued(node.refresh(&token).0);
        let (reply, counts) = node.refresh(&token);
        assert_eq!((reply.event.effect, counts), (Effect::Repeated, [2, 1, 0]));
        assert_eq!(refresh_token(&issued(reply)).expose(), refresh_token(&next).expose());
        node.revoke_elsewhere();
        let (reply, _) = node.refresh(&token);
        assert_denied(&reply, "invalid_grant", Reason::GrantRevoked);
    });
}

/// The repeat of a client that signs its assertions is a commit: of the assertion alone.
#[test]
fn a_commit_of_a_one_time_identifier_alone_does_not_count() {
    let key = private_key("JK-107.9", "rsa-1");
    both(&Policy::default().with_refresh_retry(WINDOW), |node| {
        node.site.store.inner.put_client(signing_client(&key));
        let code = node.site.code_for("signed", &[], NOW);
        let redeem = asserted(&key, "0", &redemption("signed", &code).each());
        let token = refresh_token(&issued(node.token(&redeem).0)).clone();
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        let refresh = |jti| asserted(&key, jti, &pairs);
        let (reply, counts) = node.token(&refresh("1"));
        assert_eq!((reply.event.effect, counts), (Effect::Written, WARM));
        node.revoke_elsewhere();
        let (reply, counts) = node.token(&refresh("2"));
        assert_denied(&reply, "invalid_grant", Reason::GrantRevoked);
        assert_eq!(counts, [2, 1, 1]);
        let (reply, _) = node.token(&refresh("2"));
        assert_denied(&reply, "invalid_client", Reason::AssertionReplayed);
    });
}

#[test]
fn introspection_and_userinfo_never_ask_the_cache() {
    let openid = server_of(ISSUER).with_endpoints(Endpoints::all_below(&Issuer::parse(ISSUER).unwrap()));
    both_over(&openid, |node| {
        let token = node.warm();
        let tokens = issued(node.refresh(&token).0);
        let asked = node.cache.fetches.get();
        let introspects = || {
            let pairs = [("token", tokens.access_token.expose())];
            node.run(&node.site.server.introspect(&request("web", "/introspect", &pairs)), NOW).answer
        };
        let asks_who = || {
            let bearer = format!("Bearer {}", tokens.access_token.expose());
            let get = HttpRequest::new("GET", "/userinfo").with_header("Authorization", bearer);
            node.run(&node.site.server.userinfo(&get), NOW).answer
        };
        assert!(matches!(introspects(), Introspection::Active(_)));
        assert!(matches!(asks_who(), UserInfoAnswer::Told(_)));
        node.revoke_elsewhere();
        assert_eq!(introspects(), Introspection::Inactive);
        assert!(matches!(asks_who(), UserInfoAnswer::Denied(_)));
        assert_eq!(node.cache.fetches.get(), asked);
    });
}

/// CVE-2020-15234: as a store may, a cache may find another record.
#[test]
fn a_cached_grant_that_was_not_asked_for_is_none() {
    let site = Site::new();
    let other_site = Site::of(server_of("https://other.example"));
    let (token, _) = (site.tokens(NOW), other_site.tokens(NOW));
    let own = site.store.last_written();
    let other_issuers = other_site.store.last_written();
    assert_eq!(own.id(), other_issuers.id(), "another issuer's grant of the same name");
    let other = {
        site.tokens(NOW);
        site.store.last_written()
    };
    let version = Version::FIRST.next();
    for planted in [other, other_issuers] {
        let planted = Versioned::new(planted, version);
        let cached = Cached::new(&site.store, Always(&planted));
        let operation = site.server.token(&refreshes(refresh_token(&token)));
        // It is not tried at all.
        let failing = site.store.count(|| {
            site.store.fault.set(Some(Fault::Commit));
            cached.run(&operation, site.moment(NOW)).unwrap_err()
        });
        assert_eq!(failing, (RunError::Store(StoreFault::Down), COLD));
        site.store.fault.set(None);
    }
    assert_eq!(site.store.count(|| site.refresh("web", refresh_token(&token), NOW)).1, COLD);
}

#[test]
fn a_cached_grant_that_has_ended_or_expired_is_none() {
    both(&Policy::default(), |node| {
        let token = node.warm();
        let alive = node.stored();
        node.revoke_elsewhere();
        let ended = node.stored();
        let at = |planted: &Versioned, now| {
            node.plant(planted);
            let operation = node.site.server.token(&refreshes(&token));
            let (reply, counts) = node.site.store.count(|| node.run(&operation, now));
            assert_denied(&reply, "invalid_grant", Reason::GrantRevoked);
            counts
        };
        let expires_at = alive.grant.expires_at().as_secs();
        assert_eq!(at(&ended, NOW), [1, 1, 0]);
        assert_eq!(at(&alive, expires_at), [1, 1, 0]);
        assert_eq!(at(&alive, expires_at - 1), [2, 1, 1]);
    });
}

#[test]
fn a_person_who_is_suspended_is_seen_beside_a_cached_grant() {
    both(&Policy::default(), |node| {
        let token = node.warm();
        let kept = node.stored().grant;
        let operation = node.site.server.token(&refreshes(&token));
        let refreshed = node.try_run_adding(&operation, NOW, |lookup, records| {
            // The first read is beside the cached grant, and the second one of the grant.
            let known = lookup.known_grant.or_else(|| records.grant(kept.id()).map(|record| &record.grant));
            assert_eq!(known, Some(&kept));
            assert_eq!(lookup.known_grant.is_some(), lookup.subject == Some(&subject()));
            if known.and_then(Grant::subject) == Some(&subject()) {
                return records.with_suspended_subject();
            }
            records
        });
        assert_denied(&refreshed.unwrap(), "invalid_grant", Reason::SubjectSuspended);
        issued(node.refresh(&token).0);
    });
}

#[test]
fn a_client_that_is_removed_gets_nothing_over_a_cached_grant() {
    both(&Policy::default(), |node| {
        let token = node.warm();
        node.site.store.inner.remove_client(&client_id("web"));
        let (reply, counts) = node.refresh(&token);
        assert_denied(&reply, "invalid_client", Reason::ClientNotAuthenticated);
        assert_eq!(counts, [2, 1, 0]);
    });
}

#[test]
fn what_may_not_be_written_is_not_kept() {
    for fault in [Fault::Commit, Fault::CommitAnswer] {
        both(&Policy::default().with_refresh_retry(WINDOW), |node| {
            let token = node.warm();
            let before = node.stored();
            node.site.store.fault.set(Some(fault));
            let operation = node.site.server.token(&refreshes(&token));
            let failed = node.try_run_adding(&operation, NOW, |_, records| records);
            assert_eq!(failed.unwrap_err(), RunError::Store(StoreFault::Down));
            assert_eq!(node.kept(), Some(before));
            node.site.store.fault.set(None);
            // The lost answer is found by the conflict.
            issued(node.refresh(&token).0);
        });
    }
}

#[test]
fn a_cache_that_forgets_nothing_is_tried_once() {
    both(&Policy::default(), |node| {
        let token = node.warm();
        let stale = node.stored();
        node.revoke_elsewhere();
        let cached = Cached::new(&node.site.store, Always(&stale));
        let operation = node.site.server.token(&refreshes(&token));
        let (reply, counts) =
            node.site.store.count(|| cached.run(&operation, node.site.moment(NOW)).unwrap());
        assert_denied(&reply, "invalid_grant", Reason::GrantRevoked);
        assert_eq!(counts, [2, 1, 1]);
    });
}

/// The try over the cache takes none of the rounds that the store has.
#[test]
fn a_cached_grant_that_is_out_of_date_leaves_as_many_rounds_as_without() {
    let site = Site::new();
    let token = site.tokens(NOW);
    let stale = Versioned::new(site.store.last_written(), Version::FIRST);
    for (conflicts, is_answered) in [(MAX_ROUNDS - 1, true), (MAX_ROUNDS, false)] {
        // The first commit is the one over the cached grant.
        for (cache, commits) in [(None, conflicts), (Some(&stale), conflicts + 1)] {
            let site_of_its_own = Site::new();
            let own = site_of_its_own.tokens(NOW);
            assert_eq!(refresh_token(&own).expose(), refresh_token(&token).expose());
            let store = Contended { store: &site_of_its_own.store, conflicts: Cell::new(commits) };
            let operation = site_of_its_own.server.token(&refreshes(refresh_token(&own)));
            let moment = site_of_its_own.moment(NOW);
            let answered = match cache {
                Some(stale) => Cached::new(store, Always(stale)).run(&operation, moment),
                None => run(&store, &operation, moment),
            };
            assert_eq!(answered.is_ok(), is_answered, "{commits}");
        }
    }
}

#[test]
fn what_shows_a_page_never_asks_the_cache() {
    let server = server_of(ISSUER);
    let authorize = server.authorize(&HttpRequest::new("GET", "/authorize"));
    let typed = server.verify_user_code("BCDF-GHJK");
    assert!(!authorize.writes_grant() && !typed.writes_grant());
    assert!(!Operation::writes_grant(&Box::new(typed)));
    assert!(server.token(&refreshes(&SecretString::from("grr_"))).writes_grant());
}

#[test]
fn a_key_outside_of_the_process_signs_over_a_cached_grant() {
    let issuer = Issuer::parse(ISSUER).unwrap();
    let server = Server::new(issuer, KEY.verifying_key(), handle_key(1)).unwrap();
    both_over(&server, |node| {
        let token = node.warm();
        assert_eq!(node.refresh(&token).1, WARM);
    });
}

#[test]
fn a_memory_cache_forgets_what_was_not_used_for_longest() {
    let site = Site::new();
    let grants: Vec<_> = (0..8)
        .map(|_| {
            site.code(NOW);
            site.store.last_written()
        })
        .collect();
    let has = |cache: &MemoryCache, grant: &Grant| GrantCache::fetch(cache, grant.id()).is_some();
    let (used, unused) = (&grants[0], &grants[1]);
    for max_grants in 0..8 {
        let cache = MemoryCache::new().with_max_grants(max_grants);
        for grant in &grants {
            GrantCache::keep(&cache, grant, Version::FIRST);
            assert!(cache.count() <= max_grants);
            assert_eq!((has(&cache, grant), has(&cache, used)), (max_grants >= 2, max_grants >= 2));
        }
        assert!(!has(&cache, unused));
        GrantCache::keep(&cache, used, Version::FIRST.next());
        let version = GrantCache::fetch(&cache, used.id()).map(|record| record.version);
        assert_eq!(version, (max_grants >= 2).then_some(Version::FIRST.next()));
        GrantCache::forget(&cache, used.id());
        assert!(!has(&cache, used));
        cache.clear();
        assert_eq!(cache.count(), 0);
    }
}

#[test]
fn a_request_over_a_shared_cache_can_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let site = Site::new();
    let cached = Cached::new(MemoryStore::default(), alloc::sync::Arc::new(MemoryCache::new()));
    let operation = site.server.token(&refreshes(&SecretString::from("grr_")));
    is_send(&cached.run_async(&operation, site.moment(NOW)));
    assert_eq!(format!("{:?}", cached.cache()), "MemoryCache { count: 0, .. }");
}
