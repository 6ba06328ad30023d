//! The rules of requests that come at the same time.

use alloc::{format, vec::Vec};
use core::time::Duration;

use super::port::{Finish, Lap, Race};
use super::rule::Mismatch;
use super::scene::{Scene, insert, replace, rotated};
use crate::decision::{Change, ChangeSet, Outcome};
use crate::grant::{Grant, GrantId, State};
use crate::operation::{Records, Version};

/// How many requests come at once: more than a small machine has cores.
const RACERS: u32 = 8;
/// How often they come: a race that is lost once in ten times is seen.
const ROUNDS: u32 = 32;

/// A scene with a store that is asked in parallel.
pub(super) struct Races<'a, 's> {
    pub(super) scene: &'a Scene<'s>,
    pub(super) race: &'a dyn Race,
}

impl Races<'_, '_> {
    pub(super) async fn one_writer_wins(&self) -> Result<(), Mismatch> {
        let step = "parallel puts at one version";
        let grant = self.scene.grant("race of writers");
        let mut version = None;
        for round in 0..ROUNDS {
            let entries: Vec<_> = (0..RACERS).map(|racer| of_racer(&grant, round, racer)).collect();
            let put = |grant: &Grant| match version {
                None => insert(grant),
                Some(version) => replace(version, grant),
            };
            let laps: Vec<_> = entries.iter().map(|entry| lap([put(entry)], grant.id())).collect();
            let finishes = self.run(step, &laps).await?;
            let winner = only_winner(step, &entries, &finishes)?;
            let next = version.map_or(Version::FIRST, Version::next);
            self.scene.stands("a read after parallel puts", winner, next).await?;
            version = Some(next);
        }
        Ok(())
    }

    pub(super) async fn one_claim_wins(&self) -> Result<(), Mismatch> {
        let step = "parallel claims of one identifier, each with an insert of its own";
        let scene = self.scene;
        for round in 0..ROUNDS {
            let id = scene.claim_id(&format!("race {round}"));
            let entry = |racer| scene.grant(&format!("race of claims {round} {racer}"));
            let entries: Vec<_> = (0..RACERS).map(entry).collect();
            let of = |grant: &Grant| lap([scene.claim(id), insert(grant)], grant.id());
            let laps: Vec<_> = entries.iter().map(of).collect();
            let finishes = self.run(step, &laps).await?;
            let winner = only_winner(step, &entries, &finishes)?;
            scene.is_claimed("a read after parallel claims", id).await?;
            for entry in &entries {
                if entry.id() == winner.id() {
                    scene.stands("a read of what the winner wrote", entry, Version::FIRST).await?;
                } else {
                    scene.is_absent("a read of what a loser did not write", entry.id()).await?;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn whole_records(&self) -> Result<(), Mismatch> {
        let step = "a read beside a write";
        let scene = self.scene;
        let grant = scene.grant("race of readers");
        scene.applies("an insert", [insert(&grant)]).await?;
        let mut version = Version::FIRST;
        for round in 1..=ROUNDS {
            let next = rotated(&grant, round);
            let of = |racer: u32| {
                let writes = racer == RACERS / 2;
                // A reader commits what is nobody else's.
                let own = || scene.claim(scene.claim_id(&format!("reader {round} {racer}")));
                lap([if writes { replace(version, &next) } else { own() }], grant.id())
            };
            let laps: Vec<_> = (0..RACERS).map(of).collect();
            for finish in &self.run(step, &laps).await? {
                Mismatch::unless_equal(step, &Outcome::Applied, &finish.outcome)?;
                is_whole(step, &finish.records, grant.id())?;
            }
            version = version.next();
        }
        Ok(())
    }

    async fn run(&self, step: &'static str, laps: &[Lap]) -> Result<Vec<Finish>, Mismatch> {
        let finishes = self.race.race(laps).await;
        let finishes = finishes.and_then(|finishes| finishes.into_iter().collect());
        finishes.map_err(|error| Mismatch::of_error(step, &error))
    }
}

fn lap(changes: impl IntoIterator<Item = Change>, grant: GrantId) -> Lap {
    Lap { changes: ChangeSet::from_iter(changes), grant }
}

/// What one racer writes: no two racers write the same.
fn of_racer(grant: &Grant, round: u32, racer: u32) -> Grant {
    let since = grant.terms.created_at.saturating_add(Duration::from_secs(racer.into()));
    Grant { state: State::Active { serial: round, since }, ..grant.clone() }
}

fn only_winner<'e>(
    step: &'static str,
    entries: &'e [Grant],
    finishes: &[Finish],
) -> Result<&'e Grant, Mismatch> {
    let applied = entries.iter().zip(finishes).filter(|(_, finish)| finish.outcome == Outcome::Applied);
    let winners: Vec<_> = applied.map(|(entry, _)| entry).collect();
    match winners.as_slice() {
        [winner] => Ok(winner),
        others => Err(Mismatch::new(step, "1 of them applied", format!("{} of them applied", others.len()))),
    }
}

/// Checks that the version of the record is the one at which its serial number was written.
fn is_whole(step: &'static str, records: &Records, id: GrantId) -> Result<(), Mismatch> {
    let Some(record) = records.grant(id) else {
        return Err(Mismatch::new(step, "the grant", "no grant"));
    };
    let State::Active { serial, .. } = record.grant.state else {
        return Err(Mismatch::new(step, "an active grant", "a grant that is not active"));
    };
    let version = record.version.as_number();
    if version == u64::from(serial) + 1 {
        return Ok(());
    }
    let seen = format!("version {version} beside the bytes of version {}", u64::from(serial) + 1);
    Err(Mismatch::new(step, "the bytes of the version", seen))
}
