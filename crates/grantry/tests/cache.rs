//! A cache in front of a store changes no answer and no record, whatever it has kept of a grant's past: every request
//! of the cast, in every scene, beside every state that the grant went through.
//!
//! Of a race nothing more can come: a decision over what a cache kept is one over an early reading, and where early
//! readings lead is searched in `every_race.rs`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::std_instead_of_alloc,
    reason = "a test fails by panicking, and tells what it went through"
)]

mod explorer;
#[allow(dead_code, reason = "races use the rest")]
mod scenes;
mod support;

use core::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use grantry::server::{Effect, Grant, GrantCache, GrantId, Version, Versioned};
use scenes::{CAST, FIRST, LATE, RACE, SOON, Scene, Turn, scenes};

/// A cache of one grant, which counts how often it had it.
struct Planted {
    record: RefCell<Option<Versioned>>,
    hits: Cell<usize>,
}

impl Planted {
    fn new(record: Option<Versioned>) -> Self {
        Self { record: RefCell::new(record), hits: Cell::new(0) }
    }
}

impl GrantCache for Planted {
    fn fetch(&self, id: GrantId) -> Option<Versioned> {
        let found = self.record.borrow().clone().filter(|record| record.grant.id() == id);
        self.hits.set(self.hits.get() + usize::from(found.is_some()));
        found
    }

    fn keep(&self, grant: &Grant, version: Version) {
        self.record.replace(Some(Versioned::new(grant.clone(), version)));
    }

    fn forget(&self, _: GrantId) {
        self.record.replace(None);
    }
}

/// The states that the grant of a scene went through, and that there was none.
fn states(scene: &Scene) -> Vec<Option<Versioned>> {
    let mut versions = BTreeSet::new();
    let states = scene.past.iter().map(|table| table.versioned(scene.grant));
    states.filter(|state| versions.insert(state.as_ref().map(|state| state.version))).collect()
}

#[test]
fn every_request_ends_as_without_a_cache_whatever_the_cache_kept() {
    let (mut runs, mut hits, mut commits) = (0, 0, 0);
    for scene in scenes() {
        let now = scene.past.last().unwrap();
        assert!(*now == *scene.store.table.borrow());
        for (role, at) in CAST.iter().flat_map(|role| [RACE, SOON, LATE].map(|at| (role, at))) {
            let Some(racer) = role.racer(&scene, Turn { at, number: FIRST }) else { continue };
            let mut table = now.clone();
            let seen = scene.outcome(&racer, &mut table);
            for state in states(&scene) {
                let cache = Planted::new(state.clone());
                let store = scene.store.copy_at(now);
                let cached = racer.over_cache(&store, &cache);
                let about = format!("{}, {:?}: {} over {state:?}", scene.name, scene.retry, role.name);
                assert_eq!(cached, seen, "{about}");
                assert!(*store.table.borrow() == table, "{about}");
                // What is kept anew is what is stored; and what was written is not kept as it was.
                let kept = cache.record.borrow();
                let is_stored =
                    kept.as_ref().is_none_or(|kept| table.versioned(kept.grant.id()) == Some(kept.clone()));
                let is_written = seen.effect == Effect::Written && seen.grant == Some(scene.grant);
                assert!(is_stored || *kept == state && !is_written, "{about}");
                runs += 1;
                hits += cache.hits.get();
                commits += usize::from(is_written && cache.hits.get() > 0);
            }
        }
    }
    println!("{runs} requests, {hits} of them with a cached grant, {commits} of these write it");
    assert!(commits > 100);
}
