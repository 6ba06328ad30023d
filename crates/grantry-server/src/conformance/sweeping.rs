//! The rules of sweeps. They sweep a day or two after the moment of the run, and what is kept is kept for a month.

use alloc::{format, string::String, vec::Vec};
use core::time::Duration;

use grantry_core::UnixTime;

use super::port::Due;
use super::rule::Mismatch;
use super::scene::{Scene, due_at, insert, replace};
use crate::decision::{Change, ClaimId};
use crate::grant::Grant;
use crate::operation::{Lookup, Version};
use crate::sweep::Swept;

/// More than a table needs that others use beside the kit: a store that always says that more is due is found out.
const MAX_SWEEPS: usize = 10_000;
/// How many records of each kind are due.
const DUE: usize = 4;

/// A scene with a store that sweeps.
pub(super) struct Sweeps<'a, 's> {
    pub(super) scene: &'a Scene<'s>,
    pub(super) sweep: &'a dyn Due,
}

impl Sweeps<'_, '_> {
    pub(super) async fn keep(&self) -> Result<(), Mismatch> {
        let scene = self.scene;
        let now = self.time();
        let mut kept = Vec::new();
        for until in [after(now, 1), scene.later(), UnixTime::from_secs(u64::MAX / 2 + 1), UnixTime::MAX] {
            kept.push(self.write("kept", until, kept.len()).await?);
        }
        self.write("beside what is kept", now, 0).await?;
        self.all("a sweep", now).await?;
        for (grant, claim) in &kept {
            scene.stands("a read of a grant that is not due", grant, Version::FIRST).await?;
            scene.is_claimed("a read of a claim that is not due", *claim).await?;
            let again = Change::Claim { id: *claim, until: scene.later() };
            scene.conflicts("a second claim after a sweep", [again]).await?;
        }
        Ok(())
    }

    pub(super) async fn follow(&self) -> Result<(), Mismatch> {
        let scene = self.scene;
        let now = self.time();
        let first = due_at(scene.grant("follows"), now);
        let second = due_at(first.clone(), scene.later());
        scene.applies("inserting a grant that is due soon", [insert(&first)]).await?;
        scene.applies("putting it off", [replace(Version::FIRST, &second)]).await?;
        self.all("a sweep", now).await?;
        let step = "a read of a grant that was put off";
        scene.stands(step, &second, Version::FIRST.next()).await
    }

    pub(super) async fn remove(&self) -> Result<(), Mismatch> {
        let scene = self.scene;
        let now = self.time();
        let mut due = Vec::new();
        for number in 0..DUE {
            let until = now.saturating_sub(Duration::from_secs(if number == 0 { 0 } else { 60 }));
            due.push(self.write("removed", until, number).await?);
        }
        self.all("a sweep", now).await?;
        for (grant, claim) in &due {
            scene.is_absent("a read of a grant that was due", grant.id()).await?;
            scene.is_unclaimed("a read of a claim that was due", *claim).await?;
            let again = [scene.claim(*claim), insert(&due_at(grant.clone(), scene.later()))];
            scene.applies("writing what was swept anew", again).await?;
        }
        Ok(())
    }

    pub(super) async fn are_bounded(&self) -> Result<(), Mismatch> {
        let now = self.time();
        let mut due = Vec::new();
        for number in 0..DUE {
            due.push(self.write("bounded", now, number).await?);
        }
        for limit in [0, 1, 3] {
            let before = self.count(&due).await?;
            let step = "a sweep with a limit";
            let swept = self.once(step, now, limit).await?;
            let gone = before.saturating_sub(self.count(&due).await?);
            if gone > limit || swept.removed > limit {
                let seen = format!("{gone} gone of the kit's, {} dropped by its own count", swept.removed);
                return Err(Mismatch::new(step, format!("at most {limit} records dropped"), seen));
            }
        }
        Ok(())
    }

    pub(super) async fn hint(&self) -> Result<(), Mismatch> {
        let scene = self.scene;
        // A day behind what the other rules left.
        let now = after(self.time(), 24 * 3600);
        self.write("due", now, 0).await?;
        let step = "the hint of a sweep that stopped at its limit";
        let swept = self.once(step, now, 1).await?;
        if !swept.is_more_due(now) {
            let expected = format!("a time until {}", now.as_secs());
            return Err(Mismatch::new(step, expected, in_seconds(swept.next)));
        }
        let step = "the hint of a sweep that is done";
        let ahead = after(now, 7200);
        let claim = Change::Claim { id: scene.claim_id("hint"), until: ahead };
        scene.applies("a claim that falls due", [claim]).await?;
        let next = self.all(step, now).await?;
        expect_hint(step, now, ahead, next)?;
        let sooner = after(now, 3600);
        scene.applies("a grant that falls due", [insert(&due_at(scene.grant("hint"), sooner))]).await?;
        let next = self.all(step, now).await?;
        expect_hint(step, now, sooner, next)
    }

    /// When the kit sweeps.
    fn time(&self) -> UnixTime {
        after(self.scene.now(), 24 * 3600)
    }

    /// Writes a grant and a claim that fall due.
    async fn write(&self, label: &str, until: UnixTime, number: usize) -> Result<(Grant, ClaimId), Mismatch> {
        let label = format!("{label} {number}");
        let grant = due_at(self.scene.grant(&label), until);
        let grant = if until == UnixTime::MAX { Grant { expires_at: until, ..grant } } else { grant };
        let id = self.scene.claim_id(&label);
        let changes = [Change::Claim { id, until }, insert(&grant)];
        self.scene.applies("a claim and an insert", changes).await?;
        Ok((grant, id))
    }

    /// Sweeps until nothing more is due or is dropped, and returns the last hint.
    async fn all(&self, step: &'static str, now: UnixTime) -> Result<Option<UnixTime>, Mismatch> {
        for _ in 0..MAX_SWEEPS {
            let swept = self.once(step, now, 100).await?;
            if !swept.is_more_due(now) || swept.removed == 0 {
                return Ok(swept.next);
            }
        }
        Err(Mismatch::new(step, "an end of what is due", format!("{MAX_SWEEPS} sweeps")))
    }

    async fn once(&self, step: &'static str, now: UnixTime, limit: usize) -> Result<Swept, Mismatch> {
        self.sweep.sweep(now, limit).await.map_err(|error| Mismatch::of_error(step, &error))
    }

    /// How many of the records are still there.
    async fn count(&self, written: &[(Grant, ClaimId)]) -> Result<usize, Mismatch> {
        let mut count = 0;
        for (grant, claim) in written {
            let lookup = Lookup { grant: Some(grant.id()), claim: Some(*claim), ..Lookup::default() };
            let records = self.scene.read("a read after a sweep with a limit", &lookup).await?;
            count += usize::from(records.grant(grant.id()).is_some()) + usize::from(records.is_claim_seen());
        }
        Ok(count)
    }
}

fn after(time: UnixTime, seconds: u64) -> UnixTime {
    time.saturating_add(Duration::from_secs(seconds))
}

fn expect_hint(
    step: &'static str,
    now: UnixTime,
    at_the_latest: UnixTime,
    next: Option<UnixTime>,
) -> Result<(), Mismatch> {
    if next.is_some_and(|next| now < next && next <= at_the_latest) {
        return Ok(());
    }
    let expected = format!("a time after {}, until {}", now.as_secs(), at_the_latest.as_secs());
    Err(Mismatch::new(step, expected, in_seconds(next)))
}

fn in_seconds(time: Option<UnixTime>) -> String {
    time.map_or_else(|| "none".into(), |time| format!("{}", time.as_secs()))
}
