//! The rules of a key ring: phases to the second, emergencies, changes of the policy.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/key_rings.rs"]
mod key_rings;

use core::time::Duration;

use grantry_core::{SecretBytes, UnixTime};
use grantry_jwt::{
    Algorithm, JwkSet, KeyError, KeyLoader, KeyPhase, KeyRing, KeyRingError, KeyRingPolicy, PrivateKey,
    RingKey, SecretKey, VerifyError, VerifyingKey, verify_jws,
};
use key_rings::{HS, LEAD, TAIL, at, ed25519, external, key, policy, ring, seconds, secret};
use proptest::prelude::*;

fn phase(ring: &KeyRing, key_id: &str, now: UnixTime) -> KeyPhase {
    ring.lifecycle(key_id).unwrap().phase(now)
}

/// The keys of the published set, with `*` after the one that signs.
fn view(ring: &KeyRing, now: UnixTime) -> String {
    let set = ring.jwk_set(now);
    let signs = ring.signing_key(HS, now).and_then(RingKey::key_id).unwrap_or_default();
    let mark = |key: &VerifyingKey| match key.key_id().unwrap() {
        key_id if key_id == signs => format!("{key_id}*"),
        key_id => key_id.to_owned(),
    };
    set.keys().iter().map(mark).collect::<Vec<_>>().join(" ")
}

#[test]
fn openid_core_10_1_1_two_rotations_go_by_the_second() {
    let ring = ring().announce(key("b"), at(1000)).unwrap().announce(key("c"), at(2000)).unwrap();
    for (now, expected) in [
        (0, "a* b c"),
        (1000 + LEAD - 1, "a* b c"),
        (1000 + LEAD, "a b* c"),
        (2000 + LEAD - 1, "a b* c"),
        (2000 + LEAD, "a b c*"),
        (1000 + LEAD + TAIL - 1, "a b c*"),
        (1000 + LEAD + TAIL, "b c*"),
        (2000 + LEAD + TAIL - 1, "b c*"),
        (2000 + LEAD + TAIL, "c*"),
        (1_000_000_000, "c*"),
    ] {
        assert_eq!(view(&ring, at(now)), expected, "{now}");
    }
    let life = ring.lifecycle("b").unwrap();
    assert_eq!(life.announced_at(), at(1000));
    assert_eq!(life.signs_from(), at(1000 + LEAD));
    assert_eq!(life.retired_from(), Some(at(2000 + LEAD)));
    assert_eq!(life.dropped_from(), Some(at(2000 + LEAD + TAIL)));
    assert_eq!(ring.lifecycle("c").unwrap().retired_from(), None);
    assert_eq!(ring.lifecycle("d"), None);
}

#[test]
fn rfc9111_5_2_2_1_the_set_is_published_under_the_max_age_of_the_policy() {
    let ring = ring().announce(external(), at(0)).unwrap();
    let response = ring.jwk_set_response(at(0));
    assert_eq!(response.status, 200);
    assert_eq!(response.headers.only("Content-Type"), Some("application/json"));
    assert_eq!(response.headers.only("Cache-Control"), Some("public, max-age=300"));
    // RFC 7517 section 9.2: the symmetric key stays out.
    let set = JwkSet::parse(&response.body).unwrap();
    assert_eq!(set.keys().iter().map(VerifyingKey::key_id).collect::<Vec<_>>(), [Some("kms")]);
    assert!(set.skipped().is_empty());

    let longer = ring.with_policy(policy(3600, 7200), at(0)).jwk_set_response(at(0));
    assert_eq!(longer.headers.only("Cache-Control"), Some("public, max-age=7200"));
}

#[test]
fn each_phase_has_its_first_second() {
    let ring = ring().announce(key("b"), at(0)).unwrap().announce(key("c"), at(9000)).unwrap();
    let retired = 9000 + LEAD;
    for (now, expected) in [
        (0, KeyPhase::Announced),
        (LEAD - 1, KeyPhase::Announced),
        (LEAD, KeyPhase::Signing),
        (retired - 1, KeyPhase::Signing),
        (retired, KeyPhase::Retired),
        (retired + TAIL - 1, KeyPhase::Retired),
        (retired + TAIL, KeyPhase::Dropped),
    ] {
        assert_eq!(phase(&ring, "b", at(now)), expected, "{now}");
    }
}

#[test]
fn three_rotations_leave_one_key_signing_at_each_second() {
    let rotate = |ring: KeyRing, (key_id, now)| ring.announce(key(key_id), at(now)).unwrap();
    let ring = [("b", 500), ("c", 4000), ("d", 4100)].into_iter().fold(ring(), rotate);
    for now in 0..10_000 {
        let signs = ring.lifecycles().filter(|(_, life)| life.phase(at(now)) == KeyPhase::Signing);
        assert_eq!(signs.count(), 1, "{now}");
    }
}

#[test]
fn announcements_within_one_max_age_sign_in_their_order() {
    let ring = ring().announce(key("b"), at(100)).unwrap().announce(key("c"), at(110)).unwrap();
    assert_eq!(view(&ring, at(100 + LEAD)), "a b* c");
    assert_eq!(view(&ring, at(109 + LEAD)), "a b* c");
    assert_eq!(view(&ring, at(110 + LEAD)), "a b c*");
    // In one second, the later one: the other never signs.
    let ring = ring.announce(key("d"), at(110)).unwrap();
    assert_eq!(view(&ring, at(110 + LEAD)), "a b c d*");
    assert_eq!(phase(&ring, "c", at(109 + LEAD)), KeyPhase::Announced);
    assert_eq!(phase(&ring, "c", at(110 + LEAD)), KeyPhase::Retired);
    // On a clock that goes back, not before the others.
    let ring = ring.announce(key("e"), at(0)).unwrap();
    assert_eq!(ring.lifecycle("e").unwrap().signs_from(), at(110 + LEAD));
    assert_eq!(view(&ring, at(109 + LEAD)), "a b* c d e");
    assert_eq!(view(&ring, at(110 + LEAD)), "a b c d e*");
}

#[test]
fn a_new_algorithm_waits_and_has_its_own_succession() {
    let ring = ring().announce(secret("x", Algorithm::Hs512), at(50)).unwrap();
    let signs = |ring: &KeyRing, now| {
        ring.signing_key(Algorithm::Hs512, at(now)).and_then(RingKey::key_id).map(str::to_owned)
    };
    assert_eq!(signs(&ring, 49 + LEAD), None);
    assert_eq!(signs(&ring, 50 + LEAD).as_deref(), Some("x"));
    let ring = ring.announce(key("b"), at(100)).unwrap();
    assert_eq!(view(&ring, at(100 + LEAD)), "a x b*");
    assert_eq!(signs(&ring, 1_000_000).as_deref(), Some("x"));
    assert_eq!(ring.signing_key(Algorithm::EdDsa, at(1_000_000)).map(RingKey::key_id), None);
}

#[test]
fn the_keys_that_a_ring_begins_with_sign_at_once_on_every_clock() {
    let keys = [key("old"), key("a"), secret("x", Algorithm::Hs512)];
    let ring = KeyRing::new(policy(3600, 300), keys, at(100)).unwrap();
    assert_eq!(ring.lifecycle("x").unwrap().signs_from(), UnixTime::from_secs(0));
    for now in [UnixTime::from_secs(0), at(0), at(100), UnixTime::MAX] {
        assert_eq!(phase(&ring, "x", now), KeyPhase::Signing);
    }
    // What an earlier system published goes on.
    assert_eq!(view(&ring, at(99)), "old* a x");
    assert_eq!(view(&ring, at(100)), "old a* x");
    assert_eq!(view(&ring, at(100 + TAIL)), "a* x");
}

#[test]
fn a_clock_behind_the_announcement_publishes_the_key_and_does_not_sign_with_it() {
    let ring = ring().announce(key("b"), at(1_000_000)).unwrap();
    assert_eq!(view(&ring, at(0)), "a* b");
    assert_eq!(view(&ring, UnixTime::from_secs(0)), "a* b");
    // A clock before all that is known signs nothing: its key may be in no set.
    let ring = ring.prune(at(2_000_000));
    assert_eq!(view(&ring, at(1_000_000)), "b");
    let end = ring.announce(key("c"), UnixTime::MAX).unwrap();
    assert_eq!(view(&end, at(2_000_000)), "b* c");
}

#[test]
fn a_key_is_withdrawn_only_before_any_process_can_sign_with_it() {
    let ring = ring().announce(key("b"), at(0)).unwrap();
    assert_eq!(ring.withdraw("b", at(LEAD - 120)).map(drop), Err(KeyRingError::TooLate));
    assert_eq!(ring.withdraw("a", at(0)).map(drop), Err(KeyRingError::TooLate));
    assert_eq!(ring.withdraw("z", at(0)).map(drop), Err(KeyRingError::UnknownKeyId));
    let ring = ring.withdraw("b", at(LEAD - 121)).unwrap();
    assert_eq!(view(&ring, at(1_000_000)), "a*");
}

#[test]
fn the_only_key_of_a_ring_is_not_withdrawn() {
    let both = ring().announce(secret("x", Algorithm::Hs512), at(0)).unwrap();
    let ring = both.danger_drop("a", at(0)).unwrap();
    // A ring without keys could not be read again.
    assert_eq!(ring.withdraw("x", at(0)).map(drop), Err(KeyRingError::LastKey));
}

#[test]
fn an_algorithm_ends_when_every_process_knows_and_its_keys_stay_for_their_tokens() {
    let both = ring().announce(secret("x", Algorithm::Hs512), at(0)).unwrap();
    assert_eq!(both.retire(HS, at(LEAD - 121)).map(drop), Err(KeyRingError::LastKey));
    assert_eq!(ring().retire(HS, at(0)).map(drop), Err(KeyRingError::LastKey));
    let ring = both.announce(key("b"), at(1000)).unwrap().retire(HS, at(1000)).unwrap();
    assert_eq!(view(&ring, at(1119)), "a* x b");
    assert_eq!(view(&ring, at(1120)), "a x b");
    assert_eq!(view(&ring, at(1120 + TAIL - 1)), "a x b");
    assert_eq!(view(&ring, at(1120 + TAIL)), "x");
    assert_eq!(ring.retire(HS, at(2000)).unwrap().lifecycle("a"), ring.lifecycle("a"));
    assert_eq!(ring.retire(Algorithm::Hs512, at(2000)).map(drop), Err(KeyRingError::LastKey));
    // It can come back, with another key and after its wait.
    let ring = ring.announce(key("c"), at(2000)).unwrap();
    assert_eq!(view(&ring, at(2000 + LEAD - 1)), "a x b c");
    assert_eq!(view(&ring, at(2000 + LEAD)), "a x b c*");
    // To drop a key that signs no longer hastens no other.
    let dropped = ring.danger_drop("b", at(2001)).unwrap().danger_drop("a", at(2002)).unwrap();
    assert_eq!(view(&dropped, at(2000 + LEAD - 1)), "x c");
    assert_eq!(view(&dropped, at(2000 + LEAD)), "x c*");
}

#[test]
fn a_stolen_key_goes_at_once_and_the_next_one_takes_its_place() {
    let ring = ring().announce(key("b"), at(0)).unwrap().announce(key("c"), at(1000)).unwrap();
    let dropped = ring.danger_drop("b", at(1001)).unwrap();
    for now in [at(LEAD), at(1001), at(1000 + LEAD)] {
        assert_eq!(view(&dropped, now), "a c*");
    }
    // The earlier key stays as long as it would have, and never signs again.
    assert_eq!(dropped.lifecycle("a"), ring.lifecycle("a"));
    let only_a = dropped.danger_drop("c", at(1002)).unwrap();
    assert_eq!(view(&only_a, at(1002)), "a");
    assert_eq!(only_a.lifecycle("a"), ring.lifecycle("a"));
    let d = only_a.announce(key("d"), at(2000)).unwrap();
    assert_eq!(view(&d, at(2000 + LEAD - 1)), "a d");
    assert_eq!(view(&d, at(2000 + LEAD)), "a d*");
}

#[test]
fn a_stolen_key_of_any_other_phase_goes_at_once() {
    let ring = ring().announce(key("b"), at(0)).unwrap();
    // Announced: the one that signs goes on.
    assert_eq!(view(&ring.danger_drop("b", at(LEAD - 1)).unwrap(), at(LEAD)), "a*");
    // Retired: so does the next one, also on a clock that is behind.
    let retired = ring.danger_drop("a", at(LEAD)).unwrap();
    assert_eq!(view(&retired, at(LEAD)), "b*");
    assert_eq!(view(&retired, at(LEAD - 60)), "b*");
    assert_eq!(retired.danger_drop("b", at(LEAD)).map(drop), Err(KeyRingError::LastKey));
    assert_eq!(ring.danger_drop("z", at(0)).map(drop), Err(KeyRingError::UnknownKeyId));
    // Another algorithm is left alone.
    let ring = ring.announce(secret("x", Algorithm::Hs512), at(0)).unwrap();
    let dropped = ring.danger_drop("a", at(10)).unwrap();
    assert_eq!(dropped.lifecycle("x"), ring.lifecycle("x"));
}

#[test]
fn a_replaced_key_is_in_no_set_and_the_new_one_signs_on_every_clock() {
    let ring = ring().announce(key("b"), at(0)).unwrap().announce(key("c"), at(1000)).unwrap();
    let now = at(1010);
    let replaced = ring.danger_replace("b", key("n"), now).unwrap();
    assert_eq!(view(&replaced, at(LEAD - 1)), "a* n c");
    assert_eq!(view(&replaced, at(LEAD)), "a n* c");
    assert_eq!(view(&replaced, at(1000 + LEAD)), "a n c*");
    assert_eq!(replaced.lifecycle("n").unwrap().announced_at(), now);
    assert_eq!(replaced.lifecycle("a"), ring.lifecycle("a"));

    // What it costs: a cached set refuses the new token, and accepts the thief's.
    let token = |ring: &KeyRing| {
        ring.signing_key(HS, now).unwrap().signing_key().unwrap().sign("JWT", b"{}").unwrap()
    };
    let (cached, fresh) = (ring.jwk_set(now), replaced.jwk_set(now));
    let verdict = |token: &str, set| verify_jws(token, set, &[HS]).map(drop);
    assert_eq!(verdict(&token(&replaced), &cached), Err(VerifyError::UnknownKey));
    assert_eq!(verdict(&token(&replaced), &fresh), Ok(()));
    assert_eq!(verdict(&token(&ring), &cached), Ok(()));
    assert_eq!(verdict(&token(&ring), &fresh), Err(VerifyError::UnknownKey));

    let refused = |key_id, new| ring.danger_replace(key_id, new, now).map(drop).unwrap_err();
    assert_eq!(refused("a", key("n")), KeyRingError::NotSigning);
    assert_eq!(refused("c", key("n")), KeyRingError::NotSigning);
    assert_eq!(refused("z", key("n")), KeyRingError::UnknownKeyId);
    assert_eq!(refused("b", secret("n", Algorithm::Hs512)), KeyRingError::AlgorithmMismatch);
    assert_eq!(refused("b", key("b")), KeyRingError::DuplicateKeyId);
}

#[test]
fn a_shorter_policy_keeps_what_was_made_under_the_longer_one() {
    let ring = ring().announce(key("b"), at(0)).unwrap();
    let ring = ring.with_policy(policy(60, 10), at(10)).announce(key("c"), at(20)).unwrap();
    // Sets of the old policy may be held until 10 + 420; under the new one it would be 20 + 130.
    assert_eq!(view(&ring, at(10 + LEAD - 1)), "a b* c");
    assert_eq!(view(&ring, at(10 + LEAD)), "a b c*");
    assert_eq!(ring.lifecycle("a").unwrap().dropped_from(), Some(at(LEAD + TAIL)));
    assert_eq!(ring.lifecycle("b").unwrap().dropped_from(), Some(at(10 + LEAD + TAIL)));
    // What is announced later lives by the new policy, also after a further change.
    let ring = ring.with_policy(policy(60, 10), at(1000)).announce(key("d"), at(1001)).unwrap();
    assert_eq!(ring.lifecycle("d").unwrap().signs_from(), at(1000 + 131));
    assert_eq!(ring.lifecycle("c").unwrap().dropped_from(), Some(at(1131 + 240)));
    // The longest of several policies counts.
    let ring = key_rings::ring().with_policy(policy(60, 10), at(0)).with_policy(policy(60, 0), at(5));
    assert_eq!(ring.announce(key("b"), at(6)).unwrap().lifecycle("b").unwrap().signs_from(), at(LEAD));
}

#[test]
fn a_longer_policy_counts_for_the_keys_that_sign_under_it() {
    let ring = ring().announce(key("b"), at(0)).unwrap();
    let longer = ring.with_policy(policy(7200, 600), at(100));
    assert_eq!(longer.lifecycle("b").unwrap().signs_from(), at(LEAD));
    assert_eq!(longer.lifecycle("a").unwrap().dropped_from(), Some(at(LEAD + TAIL + 3600)));
    let next = longer.announce(key("c"), at(200)).unwrap();
    assert_eq!(next.lifecycle("c").unwrap().signs_from(), at(200 + LEAD + 300));
    assert_eq!(longer.policy().set_max_age(), seconds(600));
}

/// One process issues longer tokens of `a` in its last second, another one learns of it as late as it may.
#[test]
fn a_process_that_learns_late_of_a_longer_lifetime_has_the_key_still() {
    let short = policy(1, 0).with_clock_skew(seconds(1)).unwrap().with_propagation(seconds(100)).unwrap();
    let ring = KeyRing::new(short, [key("a")], at(0)).unwrap().announce(key("b"), at(0)).unwrap();
    let last = at(100);
    assert_eq!(view(&ring, last), "a* b");
    let longer = ring.with_policy(policy(1000, 0), last);
    assert_eq!(view(&longer, last), "a* b");
    assert_eq!(view(&ring, last.saturating_add(short.propagation())), "a b*");
}

#[test]
fn the_times_of_a_policy_are_whole_seconds_with_limits() {
    let policy = KeyRingPolicy::new(Duration::from_millis(1), Duration::from_millis(1000)).unwrap();
    assert_eq!((policy.token_lifetime(), policy.set_max_age()), (seconds(1), seconds(1)));
    assert_eq!((policy.clock_skew(), policy.propagation()), (seconds(60), seconds(120)));
    let least = policy.with_clock_skew(Duration::ZERO).unwrap().with_propagation(Duration::ZERO).unwrap();
    assert_eq!((least.clock_skew(), least.propagation()), (seconds(1), seconds(0)));
    assert_eq!((least.announced_for(), least.retired_for()), (seconds(2), seconds(3)));

    let most = KeyRingPolicy::MAX;
    let more = most + Duration::from_nanos(1);
    assert!(KeyRingPolicy::new(most, most).is_ok());
    assert_eq!(KeyRingPolicy::new(more, most), Err(KeyRingError::Policy));
    assert_eq!(KeyRingPolicy::new(most, more), Err(KeyRingError::Policy));
    assert_eq!(policy.with_clock_skew(more), Err(KeyRingError::Policy));
    assert_eq!(policy.with_propagation(Duration::MAX), Err(KeyRingError::Policy));
}

#[test]
fn rfc7517_4_5_every_key_has_a_key_id_of_its_own() {
    let ring = ring();
    assert_eq!(ring.announce(key("a"), at(0)).map(drop), Err(KeyRingError::DuplicateKeyId));
    assert_eq!(
        ring.announce(external().with_key_id("a"), at(0)).map(drop),
        Err(KeyRingError::DuplicateKeyId)
    );
    assert_eq!(ring.announce(external().with_key_id(""), at(0)).map(drop), Err(KeyRingError::MissingKeyId));
    let unnamed = PrivateKey::Secret(SecretKey::new(SecretBytes::from(vec![7; 32])));
    let unnamed = RingKey::local(&KeyLoader::default(), HS, unnamed).unwrap();
    assert_eq!(ring.announce(unnamed, at(0)).map(drop), Err(KeyRingError::MissingKeyId));
    let twice = KeyRing::new(policy(1, 1), [key("a"), key("a")], at(0));
    assert_eq!(twice.map(drop), Err(KeyRingError::DuplicateKeyId));
    assert_eq!(KeyRing::new(policy(1, 1), [], at(0)).map(drop), Err(KeyRingError::NoKeys));
    // The thumbprint where there is one, RFC 7638 section 3.
    let named = RingKey::local(&KeyLoader::default(), Algorithm::EdDsa, ed25519()).unwrap();
    assert_eq!(named.key_id(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    assert_eq!(named.signing_key().unwrap().key_id(), named.key_id());
}

#[test]
fn a_generated_key_is_held_here_and_no_other_one() {
    let loader = KeyLoader::default();
    let new_key = || RingKey::generate(&loader, Algorithm::EdDsa);
    let (first, second) = (new_key().unwrap(), new_key().unwrap());
    assert_eq!(first.algorithm(), Algorithm::EdDsa);
    assert_eq!(first.key_id().map(str::to_owned), first.verifying_key().thumbprint());
    assert!(first.signing_key().is_some());
    assert_ne!(first.key_id(), second.key_id());
    assert_eq!(RingKey::generate(&loader, HS).unwrap().key_id(), None);
    let missing = RingKey::generate(&loader, Algorithm::Rs256).map(drop);
    assert_eq!(missing, Err(KeyError::UnsupportedByBackend));
}

#[test]
fn a_full_ring_takes_a_key_after_pruning() {
    let mut ring = ring();
    for number in 1..KeyRing::MAX_KEYS as u64 {
        ring = ring.announce(key(&number.to_string()), at(number * 100)).unwrap();
    }
    assert_eq!(ring.jwk_set(at(0)).keys().len(), KeyRing::MAX_KEYS);
    let now = at(1_000_000);
    assert_eq!(ring.announce(key("z"), now).map(drop), Err(KeyRingError::TooManyKeys));
    assert_eq!(ring.danger_drop("1", now).unwrap().announce(key("z"), now).map(drop), Ok(()));
    let pruned = ring.prune(now);
    assert_eq!(view(&pruned, now), "63*");
    assert!(pruned.announce(key("z"), now).is_ok());
}

#[test]
fn pruning_removes_what_is_dropped_and_nothing_else() {
    let ring = ring().announce(key("b"), at(0)).unwrap();
    let dropped_from = ring.lifecycle("a").unwrap().dropped_from().unwrap();
    assert!(ring.prune(dropped_from.saturating_sub(seconds(1))).lifecycle("a").is_some());
    let pruned = ring.prune(dropped_from);
    assert_eq!(pruned.lifecycle("a"), None);
    assert_eq!(pruned.lifecycle("b"), ring.lifecycle("b"));

    // A ring is never empty: its next key would sign at once.
    let both = key_rings::ring().announce(secret("x", Algorithm::Hs512), at(0)).unwrap();
    let ended = both.retire(HS, at(1000)).unwrap().danger_drop("x", at(1001)).unwrap();
    assert_eq!(view(&ended, at(1_000_000)), "");
    assert_eq!(ended.prune(at(1_000_000)).lifecycles().count(), 1);
}

#[test]
fn a_rotation_is_due_so_early_that_the_next_key_signs_in_time() {
    let period = seconds(86_400);
    let due = ring().rotation_due_at(HS, period).unwrap();
    assert_eq!(due, at(86_400 - LEAD));
    let next = ring().announce(key("b"), due).unwrap();
    assert_eq!(next.lifecycle("b").unwrap().signs_from(), at(86_400));
    assert_eq!(next.rotation_due_at(HS, period), Some(at(2 * 86_400 - LEAD)));
    assert_eq!(next.rotation_due_at(Algorithm::Hs512, period), None);
    assert_eq!(ring().rotation_due_at(HS, Duration::MAX), Some(UnixTime::MAX.saturating_sub(seconds(LEAD))));
    let replaced = ring().danger_replace("a", key("n"), at(500)).unwrap();
    assert_eq!(replaced.rotation_due_at(HS, period), Some(at(86_900 - LEAD)));
    let ended = ring().announce(secret("x", Algorithm::Hs512), at(0)).unwrap().retire(HS, at(1000)).unwrap();
    assert_eq!(ended.rotation_due_at(HS, period), None);
}

proptest! {
    #[test]
    fn between_two_changes_nothing_changes(
        gaps in prop::collection::vec(0_u64..2000, 0..6),
        retire in any::<bool>(),
    ) {
        let mut ring = ring().announce(secret("x", Algorithm::Hs512), at(0)).unwrap();
        let mut now = 1000;
        for (number, gap) in gaps.iter().enumerate() {
            now += gap;
            ring = ring.announce(key(&number.to_string()), at(now)).unwrap();
        }
        if retire {
            ring = ring.retire(HS, at(now)).unwrap();
        }
        let phases = |now| ring.lifecycles().map(|(_, life)| life.phase(now)).collect::<Vec<_>>();
        let mut time = at(0);
        while let Some(next) = ring.next_change(time) {
            let last = next.saturating_sub(seconds(1));
            prop_assert_eq!(phases(time), phases(last));
            prop_assert_ne!(phases(last), phases(next));
            time = next;
        }
        prop_assert_eq!(phases(time), phases(UnixTime::MAX.saturating_sub(seconds(1))));
    }

    #[test]
    fn no_time_panics(times in prop::collection::vec(any::<u64>(), 6)) {
        let time = |index: usize| UnixTime::from_secs(times[index]);
        let ring = KeyRing::new(policy(3600, 300), [key("a")], time(0)).unwrap();
        let ring = ring.announce(key("b"), time(1)).unwrap().with_policy(policy(1, 1), time(2));
        let ring = ring.announce(secret("x", Algorithm::Hs512), time(3)).unwrap().prune(time(4));
        let _ = (ring.withdraw("b", time(4)).is_ok(), ring.retire(HS, time(4)).is_ok());
        let _ = (ring.danger_drop("b", time(5)).is_ok(), ring.danger_replace("a", key("n"), time(5)).is_ok());
        let _ = (view(&ring, time(5)), ring.next_change(time(5)));
        let _ = ring.rotation_due_at(HS, seconds(times[5]));
        let stored = ring.to_secret_json().unwrap();
        let again = KeyRing::from_json(stored.expose(), &KeyLoader::default()).unwrap();
        let again = again.to_secret_json().unwrap();
        prop_assert_eq!(again.expose(), stored.expose());
    }
}
