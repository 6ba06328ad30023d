//! An issuer of several processes and its verifiers, on clocks that differ: no rotation, however fast, leaves
//! a verifier without the key that it needs. Nobody ever fetches again for an unknown `kid`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use core::time::Duration;

use grantry_core::{SecretBytes, UnixTime};
use grantry_jwt::{
    Algorithm, KeyLoader, KeyRing, KeyRingPolicy, PrivateKey, RingKey, SecretKey, Verifier, VerifyError,
};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Hs256, Algorithm::Hs384];
const PROCESSES: usize = 3;

/// What is true of this world, in milliseconds but for the leeway. Every policy promises at least as much.
#[derive(Clone, Debug)]
struct World {
    /// How far each process is ahead of the slowest possible clock.
    clocks: [u64; PROCESSES],
    verifier_clock: u64,
    /// The leeway of verifiers, in seconds.
    leeway: u64,
    /// From the making of a set until a verifier has it.
    transport: u64,
    /// From a change until a process works with it, for each process.
    delays: [u64; PROCESSES],
}

/// Skew and propagation that a policy has to promise, in seconds.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    clock_skew: u64,
    propagation: u64,
}

/// Times of a policy in seconds; the last two are beyond the bounds of the world.
#[derive(Clone, Copy, Debug)]
struct Times {
    token_lifetime: u64,
    set_max_age: u64,
    more_skew: u64,
    more_propagation: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Announce(usize),
    WithdrawNewest,
    RetireSecond,
    Policy(Times),
    Prune,
    StoreAndLoad,
}

/// When a change comes, in milliseconds.
#[derive(Clone, Copy, Debug)]
enum When {
    After(u64),
    BeforeNextTurn(u64),
}

/// A change by the clock of one process.
#[derive(Clone, Debug)]
struct Event {
    when: When,
    process: usize,
    change: Change,
}

/// A ring and the real time from which one process or another works with it.
struct Version {
    ring: KeyRing,
    known_from: [u64; PROCESSES],
}

struct Issuer {
    world: World,
    versions: Vec<Version>,
    ends_at: u64,
}

impl Issuer {
    fn run(world: World, bounds: Bounds, first: Times, events: &[Event]) -> Self {
        let mut now = 1_000_000;
        let start = UnixTime::from_secs(now / 1000);
        let ring = KeyRing::new(policy(first, bounds), [key(0, 0), key(1, 1)], start).unwrap();
        let mut versions = vec![Version { ring, known_from: [0; PROCESSES] }];
        for (event, number) in events.iter().zip(2..) {
            let ring = &versions.last().unwrap().ring;
            let clock = world.clocks[event.process];
            let read = |now| UnixTime::from_secs((now + clock) / 1000);
            now = match (event.when, ring.next_change(read(now))) {
                (When::After(milliseconds), _) => now + milliseconds,
                (When::BeforeNextTurn(before), Some(turn)) => {
                    (turn.as_secs() * 1000 - clock - before).max(now)
                }
                (When::BeforeNextTurn(_), None) => now,
            };
            let time = read(now);
            let Some(ring) = changed(ring, &event.change, number, bounds, time) else { continue };
            let mut known_from = world.delays.map(|delay| now + delay);
            known_from[event.process] = now;
            versions.push(Version { ring, known_from });
        }
        Self { world, versions, ends_at: now + 100_000 }
    }

    fn clock(&self, process: usize, now: u64) -> UnixTime {
        UnixTime::from_secs((now + self.world.clocks[process]) / 1000)
    }

    fn ring(&self, process: usize, now: u64) -> &KeyRing {
        &self.versions.iter().rfind(|version| version.known_from[process] <= now).unwrap().ring
    }

    /// The real times just before and at which a process begins to act in another way.
    fn turns(&self, process: usize) -> Vec<u64> {
        let mut turns = Vec::new();
        for version in &self.versions {
            let lives = version.ring.lifecycles().map(|(_, life)| life);
            let seconds = lives.flat_map(|life| {
                [Some(life.signs_from()), life.retired_from(), life.dropped_from()].into_iter().flatten()
            });
            let on_clock = seconds.map(|time| time.as_secs() * 1000);
            turns.extend(on_clock.filter_map(|time| time.checked_sub(self.world.clocks[process])));
            turns.push(version.known_from[process]);
        }
        turns.retain(|turn| (1_000_000..=self.ends_at).contains(turn));
        turns.push(1_000_000);
        turns.extend(turns.clone().iter().map(|turn| turn - 1));
        turns.sort_unstable();
        turns.dedup();
        turns
    }

    /// When a process made sets that a verifier may hold at `now`: at the turns, and as early as can be.
    fn fetches(&self, process: usize, now: u64, turns: &[u64]) -> Vec<u64> {
        let held_from = |ring: &KeyRing| {
            now.saturating_sub(self.world.transport + ring.policy().set_max_age().as_secs() * 1000)
        };
        let mut fetches: Vec<_> = self.versions.iter().map(|version| held_from(&version.ring)).collect();
        fetches.extend(turns);
        fetches.push(now);
        fetches.retain(|made_at| (held_from(self.ring(process, *made_at))..=now).contains(made_at));
        fetches
    }
}

fn key(number: usize, algorithm: usize) -> RingKey {
    let secret = SecretKey::new(SecretBytes::from(vec![u8::try_from(number).unwrap(); 48]));
    RingKey::local(&KeyLoader::default(), ALGORITHMS[algorithm], PrivateKey::Secret(secret))
        .unwrap()
        .with_key_id(number.to_string())
}

fn policy(times: Times, bounds: Bounds) -> KeyRingPolicy {
    let seconds = Duration::from_secs;
    KeyRingPolicy::new(seconds(times.token_lifetime), seconds(times.set_max_age))
        .and_then(|policy| policy.with_clock_skew(seconds(bounds.clock_skew + times.more_skew)))
        .and_then(|policy| policy.with_propagation(seconds(bounds.propagation + times.more_propagation)))
        .unwrap()
}

fn changed(
    ring: &KeyRing,
    change: &Change,
    number: usize,
    bounds: Bounds,
    time: UnixTime,
) -> Option<KeyRing> {
    match change {
        Change::Announce(algorithm) => ring.announce(key(number, *algorithm), time).ok(),
        Change::WithdrawNewest => {
            let newest = ring.lifecycles().last().unwrap().0.key_id().unwrap();
            ring.withdraw(newest, time).ok()
        }
        Change::RetireSecond => ring.retire(ALGORITHMS[1], time).ok(),
        Change::Policy(times) => Some(ring.with_policy(policy(*times, bounds), time)),
        Change::Prune => Some(ring.prune(time)),
        Change::StoreAndLoad => {
            let stored = ring.to_secret_json().unwrap();
            Some(KeyRing::from_json(stored.expose(), &KeyLoader::default()).unwrap())
        }
    }
}

fn times() -> impl Strategy<Value = Times> {
    (1_u64..60, 0_u64..60, 0_u64..4, 0_u64..4).prop_map(|(token_lifetime, set_max_age, more_skew, more)| {
        Times { token_lifetime, set_max_age, more_skew, more_propagation: more }
    })
}

fn event() -> impl Strategy<Value = Event> {
    let change = prop_oneof![
        6 => (0_usize..2).prop_map(Change::Announce),
        2 => Just(Change::WithdrawNewest),
        1 => Just(Change::RetireSecond),
        2 => times().prop_map(Change::Policy),
        1 => Just(Change::Prune),
        1 => Just(Change::StoreAndLoad),
    ];
    let when = prop_oneof![
        (0_u64..3_000).prop_map(When::After),
        (0_u64..40_000).prop_map(When::After),
        (60_000_u64..200_000).prop_map(When::After),
        (0_u64..20_000).prop_map(When::BeforeNextTurn),
    ];
    (when, 0..PROCESSES, change).prop_map(|(when, process, change)| Event { when, process, change })
}

fn world() -> impl Strategy<Value = (World, Bounds)> {
    (1_u64..9, 0_u64..9).prop_flat_map(|(clock_skew, propagation)| {
        // The clocks differ by a second less, which is lost by reading whole ones.
        let clock = prop_oneof![Just(0), Just((clock_skew - 1) * 1000), 0..=(clock_skew - 1) * 1000];
        let clocks = prop::array::uniform3(clock.clone());
        let delays = prop::array::uniform3(prop_oneof![Just(0), 0..=propagation * 1000]);
        let whole = propagation * 1000;
        (clocks, clock, 0..=clock_skew, delays, Just(whole)).prop_flat_map(
            move |(clocks, verifier_clock, leeway, delays, whole)| {
                let left = whole - delays.iter().max().unwrap();
                prop_oneof![Just(left), 0..=left].prop_map(move |transport| {
                    let world = World { clocks, verifier_clock, leeway, transport, delays };
                    (world, Bounds { clock_skew, propagation })
                })
            },
        )
    })
}

/// Where and when a token is signed and verified.
#[derive(Clone, Debug)]
struct Probe {
    process: usize,
    algorithm: usize,
    signed: Index,
    verified: u64,
}

fn probe() -> impl Strategy<Value = Probe> {
    let verified = prop_oneof![Just(u64::MAX), Just(0), any::<u64>()];
    (0..PROCESSES, 0_usize..2, any::<Index>(), verified)
        .prop_map(|(process, algorithm, signed, verified)| Probe { process, algorithm, signed, verified })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_token_verifies_with_every_set_that_a_verifier_may_hold(
        (world, bounds) in world(),
        first in times(),
        events in prop::collection::vec(event(), 1..12),
        probes in prop::collection::vec(probe(), 16),
    ) {
        let issuer = Issuer::run(world, bounds, first, &events);
        let verifier = Verifier::new("i", "a").with_leeway(Duration::from_secs(issuer.world.leeway));
        let turns: Vec<_> = (0..PROCESSES).map(|process| issuer.turns(process)).collect();
        for probe in probes {
            let signed_at = *probe.signed.get(&turns[probe.process]);
            let ring = issuer.ring(probe.process, signed_at);
            let time = issuer.clock(probe.process, signed_at);
            let Some(key) = ring.signing_key(ALGORITHMS[probe.algorithm], time) else {
                // The first algorithm is never retired, and is never without a key.
                prop_assert_eq!(probe.algorithm, 1);
                continue;
            };
            let expires_at = time.as_secs() + ring.policy().token_lifetime().as_secs();
            let claims = json!({"iss": "i", "aud": "a", "exp": expires_at});
            let token = key.signing_key().unwrap().sign_claims("JWT", &claims).unwrap();

            let last = (expires_at + issuer.world.leeway) * 1000 - issuer.world.verifier_clock - 1;
            prop_assume!(last >= signed_at);
            let verified_at = match probe.verified {
                u64::MAX => last,
                random => signed_at + random % (last - signed_at + 1),
            };
            let verifier_time = UnixTime::from_secs((verified_at + issuer.world.verifier_clock) / 1000);
            for (process, turns) in turns.iter().enumerate() {
                for made_at in issuer.fetches(process, verified_at, turns) {
                    let set = issuer.ring(process, made_at).jwk_set(issuer.clock(process, made_at));
                    let outcome = verifier.verify::<Value>(&token, &set, verifier_time).map(drop);
                    prop_assert_eq!(
                        outcome, Ok::<(), VerifyError>(()),
                        "signed at {} by {} with {:?}, verified at {} with the set made at {} by {}",
                        signed_at, probe.process, key.key_id(), verified_at, made_at, process,
                    );
                }
            }
        }
    }
}
