//! What is so at the end of every schedule, whatever happened in it.

use alloc::vec::Vec;

use super::race::{Act, Caller, Plan, Retry};
use super::report::{Broken, Promise};
use super::request::{Answer, Decided, Request, Seen};
use super::scene::{Phase, Scene, Turn};
use super::shadow::Shadow;
use super::trial::End;
use crate::grant::GrantId;
use crate::operation::Records;

pub(super) struct Ending<'a> {
    pub(super) plan: &'a Plan,
    pub(super) scene: &'a Scene<'a>,
    pub(super) shadow: &'a Shadow<'a>,
    pub(super) parts: Vec<Part>,
    /// The records of the grants.
    pub(super) records: Vec<(GrantId, Records)>,
}

/// One racer, and how it came out when it came once more.
pub(super) struct Part {
    pub(super) act: Act,
    pub(super) end: End,
    pub(super) again: Option<End>,
}

impl Part {
    /// What is decided for good.
    fn decided(&self) -> impl Iterator<Item = &Seen> {
        self.ends().filter_map(|end| end.decided.as_ref())
    }

    fn ends(&self) -> impl Iterator<Item = &End> {
        core::iter::once(&self.end).chain(&self.again)
    }

    /// What its client heard in the end.
    fn heard(&self) -> Option<&Seen> {
        self.again.as_ref().unwrap_or(&self.end).heard.as_ref()
    }
}

impl Ending<'_> {
    /// Returns the promises that are broken.
    pub(super) fn broken_promises(&self) -> Result<Vec<Promise>, Broken> {
        let promises = [
            (Promise::OneAnswer, self.gives_one_answer()),
            (Promise::ReplayNoticed, self.notices_replays()?),
            (Promise::EndsForGood, self.ends_for_good()?),
            (Promise::NobodyLoggedOut, self.logs_nobody_out()?),
        ];
        Ok(promises.into_iter().filter(|(_, holds)| !holds).map(|(promise, _)| promise).collect())
    }

    fn gives_one_answer(&self) -> bool {
        let gifts = self.gifts();
        let raced = self.parts.iter().filter_map(|part| part.end.decided.as_ref());
        let by_assertion = raced.filter(|seen| seen.has_tokens()).count();
        (self.plan.by != Caller::OneAssertion || by_assertion <= 1)
            && gifts.iter().all(|(act, seen)| {
                gifts.iter().all(|(other, same)| act != other || seen.gives_the_same(same))
            })
    }

    fn notices_replays(&self) -> Result<bool, Broken> {
        let gifts = self.gifts();
        for (act, seen) in gifts.iter().filter(|(act, _)| act.asks_for_tokens()) {
            let times = gifts.iter().filter(|(other, _)| other == act).count();
            if self.plan.retry == Retry::Never && times > 1 {
                return Ok(false);
            }
            let request = self.scene.request(*act, Turn { phase: Phase::Late, number: 0 })?;
            for (_, records) in self.records.iter().filter(|(grant, _)| seen.grant == Some(*grant)) {
                if self.decide(&request, records)?.seen.has_tokens() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn ends_for_good(&self) -> Result<bool, Broken> {
        let ended = |grant: GrantId| {
            let mut decided = self.parts.iter().flat_map(Part::decided);
            decided.any(|seen| seen.ends_grant() && seen.grant == Some(grant))
        };
        for (grant, records) in self.records.iter().filter(|(grant, _)| ended(*grant)) {
            if self.living(&self.scene.late_uses(*grant)?, records)? > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn logs_nobody_out(&self) -> Result<bool, Broken> {
        let ends = |end: &End| [&end.decided, &end.perhaps].into_iter().flatten().any(Seen::ends_grant);
        // Whose assertion was used before comes with another one.
        if self.plan.by == Caller::OneAssertion || self.parts.iter().flat_map(Part::ends).any(ends) {
            return Ok(true);
        }
        let mut asks = self.parts.iter().filter(|part| part.act.asks_for_tokens());
        if !asks.all(|part| part.heard().is_some_and(Seen::has_tokens)) {
            return Ok(false);
        }
        let gifts = self.gifts();
        let Some(token) = gifts.iter().find_map(|(_, seen)| seen.refresh_token()) else { return Ok(true) };
        let request = self.scene.late_refresh(token)?;
        let mut works = false;
        for (_, records) in &self.records {
            works |= self.decide(&request, records)?.seen.has_tokens();
        }
        Ok(works)
    }

    /// What was given out in the race and behind it.
    fn gifts(&self) -> Vec<(Act, &Seen)> {
        let mut gifts = Vec::new();
        for part in &self.parts {
            gifts.extend(part.decided().filter(|seen| seen.is_gift()).map(|seen| (part.act, seen)));
        }
        gifts
    }

    /// Counts the requests that would be given something.
    fn living(&self, requests: &[Request], records: &Records) -> Result<usize, Broken> {
        let mut count: usize = 0;
        for request in requests {
            let seen = self.decide(request, records)?.seen;
            let is_given = seen.has_tokens() || matches!(seen.answer, Answer::Active);
            count = count.saturating_add(usize::from(is_given));
        }
        Ok(count)
    }

    /// What a request would come to. Nothing is written.
    fn decide(&self, request: &Request, records: &Records) -> Result<Decided, Broken> {
        request.decide(&self.shadow.with_client(&request.lookup(), records.clone()))
    }
}
