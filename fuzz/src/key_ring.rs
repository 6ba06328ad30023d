//! The keys of an issuer through rotations, driven by bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use grantry::core::{SecretBytes, UnixTime};
use grantry::jwt::{
    Algorithm, Ed25519PrivateKey, KeyLoader, KeyPhase, KeyRing, KeyRingError, KeyRingPolicy, PrivateKey,
    RingKey, SecretKey, VerifyingKey,
};
use serde_json::Value;

use crate::fixture::START;

/// The first is never retired.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Hs256, Algorithm::Hs384, Algorithm::EdDsa];

/// Through any sequence of changes, stored and loaded at any time, one key at most signs with an algorithm,
/// and one does unless the algorithm was retired or its only key stolen, and none signs again; and a set that was served within
/// its `max-age` holds every key whose tokens are accepted, until a `danger_` change gives that up.
pub fn key_ring(data: &[u8]) {
    const MAX_ACTS: usize = 64;
    let Some((choices, acts)) = data.split_first_chunk() else { return };
    let mut world = World::new(*choices);
    world.observe();
    for act in acts.chunks_exact(2).take(MAX_ACTS) {
        world.act(act[0], act[1]);
        world.observe();
    }
    world.store_and_load();
}

struct World {
    loader: KeyLoader,
    ring: KeyRing,
    /// The time of the slowest clock, in seconds.
    now: u64,
    /// How far the clock of whoever signs, serves and verifies is ahead: each less than the skew.
    signer_ahead: u64,
    server_ahead: u64,
    verifier_ahead: u64,
    /// What policies have to promise at least.
    skew: u64,
    transport: u64,
    /// The number of the next key.
    number: u8,
    served: Vec<Served>,
    /// The key ids under which tokens were signed, and when the last of them expires.
    signed: BTreeMap<String, (Algorithm, u64)>,
    /// The key id that signs with each algorithm, and those that did before.
    signing: BTreeMap<Algorithm, String>,
    superseded: BTreeSet<String>,
    /// Algorithms of which no key may sign, and when a stolen key was removed.
    silent: BTreeMap<Algorithm, UnixTime>,
    retired: BTreeSet<Algorithm>,
}

/// A set on its way to verifiers and with them.
struct Served {
    until: u64,
    key_ids: BTreeSet<String>,
    /// Algorithms whose stolen key was replaced since.
    does_not_count_for: BTreeSet<Algorithm>,
}

impl World {
    fn new([clocks, transport, times, keys]: [u8; 4]) -> Self {
        let loader = KeyLoader::default();
        let skew = u64::from(clocks % 4) + 1;
        let ahead = |shift: u8| u64::from(clocks >> shift) % skew;
        let transport = u64::from(transport % 8);
        let number = 3 + keys % 3;
        // An earlier system may have published several keys of one algorithm.
        let first = (0..number).map(|number| key(&loader, number, number % 3));
        let ring = KeyRing::new(policy(times, skew, transport), first, UnixTime::from_secs(START)).unwrap();
        Self {
            loader,
            ring,
            now: START,
            signer_ahead: ahead(2),
            server_ahead: ahead(4),
            verifier_ahead: ahead(6),
            skew,
            transport,
            number,
            served: Vec::new(),
            signed: BTreeMap::new(),
            signing: BTreeMap::new(),
            superseded: BTreeSet::new(),
            silent: BTreeMap::new(),
            retired: BTreeSet::new(),
        }
    }

    fn act(&mut self, what: u8, which: u8) {
        let time = UnixTime::from_secs(self.now + u64::from(what >> 4) % self.skew);
        match what % 16 {
            0..=2 => self.announce(which, time),
            3 => self.withdraw(which, time),
            4 => self.retire(which, time),
            5 => self.ring = self.ring.with_policy(policy(which, self.skew, self.transport), time),
            6 => self.ring = self.ring.prune(time),
            7 => self.drop_stolen(which, time),
            8 => self.replace_stolen(which, time),
            9 => self.store_and_load(),
            10 => self.now += u64::from(which) * 10,
            11 | 12 => self.now += u64::from(which % 16),
            _ => self.wait_for_the_next_change(which),
        }
    }

    fn announce(&mut self, which: u8, time: UnixTime) {
        let Some(next) = self.number.checked_add(1) else { return };
        let key = key(&self.loader, self.number, which);
        let taken = self.some_key(which).0;
        assert_eq!(
            self.ring.announce(key.clone().with_key_id(taken), time).err(),
            Some(KeyRingError::DuplicateKeyId)
        );
        match self.ring.announce(key, time) {
            Ok(ring) => (self.ring, self.number) = (ring, next),
            Err(error) => {
                assert_eq!(error, KeyRingError::TooManyKeys);
                assert_eq!(self.ring.lifecycles().count(), KeyRing::MAX_KEYS);
            }
        }
    }

    fn withdraw(&mut self, which: u8, time: UnixTime) {
        let (key_id, phase, _) = self.some_key(which);
        match self.ring.withdraw(&key_id, time) {
            Ok(ring) => {
                assert_ne!(phase, KeyPhase::Signing);
                assert!(!self.signed.contains_key(&key_id), "it signs somewhere");
                self.ring = ring;
            }
            Err(KeyRingError::LastKey) => assert_eq!(self.ring.lifecycles().count(), 1),
            Err(error) => assert_eq!(error, KeyRingError::TooLate),
        }
    }

    fn retire(&mut self, which: u8, time: UnixTime) {
        let algorithm = ALGORITHMS[1 + usize::from(which) % 2];
        match self.ring.retire(algorithm, time) {
            Ok(ring) => {
                self.ring = ring;
                self.retired.insert(algorithm);
            }
            Err(error) => assert_eq!(error, KeyRingError::LastKey),
        }
    }

    fn drop_stolen(&mut self, which: u8, time: UnixTime) {
        let (key_id, _, algorithm) = self.some_key(which);
        let life = self.ring.lifecycle(&key_id).unwrap();
        match self.ring.danger_drop(&key_id, time) {
            Ok(ring) => {
                if life.signs_from() > time {
                    // On a clock that is ahead it may have signed: there the older key goes on.
                    self.superseded.clear();
                }
                self.give_up(ring, &key_id, algorithm, time);
            }
            Err(error) => assert_eq!(error, KeyRingError::LastKey),
        }
    }

    fn replace_stolen(&mut self, which: u8, time: UnixTime) {
        let (key_id, _, algorithm) = self.some_key(which);
        let Some(next) = self.number.checked_add(1) else { return };
        let position = ALGORITHMS.iter().position(|other| *other == algorithm).unwrap();
        let key = key(&self.loader, self.number, u8::try_from(position).unwrap());
        match self.ring.danger_replace(&key_id, key, time) {
            Ok(ring) => {
                self.number = next;
                self.give_up(ring, &key_id, algorithm, time);
            }
            Err(error) => assert!([KeyRingError::NotSigning, KeyRingError::TooManyKeys].contains(&error)),
        }
    }

    /// A stolen key is gone: its tokens are no longer accepted, and sets from before lack the key that
    /// signs instead.
    fn give_up(&mut self, ring: KeyRing, key_id: &str, algorithm: Algorithm, time: UnixTime) {
        assert_eq!(ring.lifecycle(key_id), None);
        self.ring = ring;
        self.signed.remove(key_id);
        self.silent.insert(algorithm, time);
        for served in &mut self.served {
            served.does_not_count_for.insert(algorithm);
        }
    }

    fn wait_for_the_next_change(&mut self, which: u8) {
        let Some(change) = self.ring.next_change(UnixTime::from_secs(self.now)) else { return };
        assert!(change.as_secs() > self.now);
        // Just before it, at it, or just behind it.
        self.now = (change.as_secs() + u64::from(which % 8)).saturating_sub(4).max(self.now);
    }

    fn store_and_load(&mut self) {
        let stored = self.ring.to_secret_json().unwrap();
        let loaded = KeyRing::from_json(stored.expose(), &self.loader).expect("a ring that was stored");
        assert_eq!(loaded.to_secret_json().unwrap().expose(), stored.expose());
        assert_eq!(format!("{loaded:?}"), format!("{:?}", self.ring));
        for offset in [0, 60, 600] {
            let time = UnixTime::from_secs(self.now + offset);
            assert_eq!(loaded.jwk_set(time).to_json(), self.ring.jwk_set(time).to_json());
            assert_eq!(loaded.next_change(time), self.ring.next_change(time));
        }
        self.ring = loaded;
        let set = self.ring.jwk_set(UnixTime::from_secs(self.now));
        let published: Value = serde_json::from_str(&set.to_json()).unwrap();
        let published = published["keys"].as_array().unwrap();
        assert!(published.iter().all(|key| key["kty"] == "OKP" && key.get("d").is_none()), "{published:?}");
    }

    /// Signs with every key that signs, serves the set, and looks whether any verifier lacks a key.
    fn observe(&mut self) {
        assert!(self.ring.lifecycles().all(|(_, life)| life.dropped_from() >= life.retired_from()));
        self.sign();
        self.serve();
        let (now, verifier) = (self.now, self.now + self.verifier_ahead);
        self.served.retain(|served| now <= served.until);
        // The leeway of a verifier is the skew at most.
        self.signed.retain(|_, (_, expires)| verifier < *expires + self.skew);
        for served in &self.served {
            for (key_id, (algorithm, _)) in &self.signed {
                let counts = !served.does_not_count_for.contains(algorithm);
                assert!(!counts || served.key_ids.contains(key_id), "a verifier lacks {key_id} at {now}");
            }
        }
    }

    fn sign(&mut self) {
        let time = UnixTime::from_secs(self.now + self.signer_ahead);
        for algorithm in ALGORITHMS {
            let signs = |life: &KeyPhase| *life == KeyPhase::Signing;
            let of_algorithm = self.ring.lifecycles().filter(|(key, _)| key.algorithm() == algorithm);
            let signing = of_algorithm.map(|(_, life)| life.phase(time)).filter(signs).count();
            let Some(key) = self.ring.signing_key(algorithm, time) else {
                assert!(
                    signing == 0
                        && (self.silent.contains_key(&algorithm) || self.retired.contains(&algorithm))
                );
                continue;
            };
            assert_eq!((signing, key.algorithm()), (1, algorithm));
            // On a clock that is behind the older key may end only later.
            self.silent.retain(|other, removed_at| *other != algorithm || time <= *removed_at);
            let expires = time.as_secs() + self.ring.policy().token_lifetime().as_secs();
            let key_id = key.key_id().expect("a key of a ring").to_owned();
            assert!(!self.superseded.contains(&key_id), "{key_id} signs again");
            let older = self.signing.insert(algorithm, key_id.clone());
            self.superseded.extend(older.filter(|older| *older != key_id));
            let last = self.signed.entry(key_id).or_insert((algorithm, expires));
            last.1 = last.1.max(expires);
        }
    }

    fn serve(&mut self) {
        let set = self.ring.jwk_set(UnixTime::from_secs(self.now + self.server_ahead));
        assert!(!set.keys().is_empty() || self.silent.contains_key(&ALGORITHMS[0]));
        let key_ids: BTreeSet<_> =
            set.keys().iter().filter_map(VerifyingKey::key_id).map(String::from).collect();
        assert_eq!(key_ids.len(), set.keys().len(), "two keys of one id");
        let until = self.now + self.ring.policy().set_max_age().as_secs() + self.transport;
        match self.served.last_mut() {
            Some(last) if last.key_ids == key_ids && last.does_not_count_for.is_empty() => {
                last.until = last.until.max(until);
            }
            Some(_) | None => {
                self.served.push(Served { until, key_ids, does_not_count_for: BTreeSet::new() });
            }
        }
    }

    fn some_key(&self, which: u8) -> (String, KeyPhase, Algorithm) {
        let count = self.ring.lifecycles().count();
        let (key, life) = self.ring.lifecycles().nth(usize::from(which) % count).unwrap();
        let phase = life.phase(UnixTime::from_secs(self.now));
        (key.key_id().unwrap().to_owned(), phase, key.algorithm())
    }
}

/// Every other EdDSA key is held by another machine.
fn key(loader: &KeyLoader, number: u8, algorithm: u8) -> RingKey {
    let algorithm = ALGORITHMS[usize::from(algorithm) % ALGORITHMS.len()];
    let private = match algorithm {
        Algorithm::EdDsa => PrivateKey::Ed25519(Ed25519PrivateKey::new(&[number; 32]).unwrap()),
        _ => PrivateKey::Secret(SecretKey::new(SecretBytes::from(vec![number; 48]))),
    };
    let local = RingKey::local(loader, algorithm, private).unwrap().with_key_id(format!("key-{number}"));
    match RingKey::external(local.verifying_key().clone()) {
        Ok(external) if number % 2 == 1 => external,
        Ok(_) | Err(_) => local,
    }
}

fn policy(times: u8, skew: u64, transport: u64) -> KeyRingPolicy {
    let seconds = Duration::from_secs;
    let [lifetime, age, more] = [times % 8 * 8, times / 8 % 8 * 8, times / 64].map(u64::from);
    KeyRingPolicy::new(seconds(lifetime), seconds(age))
        .and_then(|policy| policy.with_clock_skew(seconds(skew + more)))
        .and_then(|policy| policy.with_propagation(seconds(transport + more)))
        .unwrap()
}
