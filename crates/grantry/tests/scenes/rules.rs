//! What holds after every race, whoever took part.

use core::fmt;
use std::collections::BTreeSet;

use grantry::core::UnixTime;
use grantry::server::{Effect, EventKind, Grant, Subject};

use super::{CAST, FIRST, LATE, RACE, Retry, Role, SOON, Scene, Turn};
use crate::explorer::{Answer, Count, End, Ending, Explorer, Racer, Seen, Steps, Table};
use crate::support::START;

/// A scene with its whole cast, ready for any of its races.
pub(crate) struct Stage {
    pub(crate) scene: Scene,
    /// Every role that exists in the scene.
    pub(crate) roles: Vec<&'static Role>,
    /// Each role for each turn of a race: by its seed, and by its clock.
    turns: Vec<Vec<Vec<Racer>>>,
    /// Each role again, while replies may be asked for again, and long after.
    soon: Vec<Racer>,
    late: Vec<Racer>,
    /// Whoever tries a refresh token, long after.
    late_refreshes: Vec<Racer>,
    /// Whether anything of the grant is alive before the race, or may come to life.
    was_alive: bool,
    /// Whether its person has answered before the race.
    was_answered: bool,
}

/// By how many seconds the clocks of racers differ.
const CLOCKS: [u64; 3] = [RACE, RACE + 3, RACE - 3];
/// How many racers a race has at most.
const RACERS: u8 = 3;

/// Who races in the order of their seeds, by place in the cast, and with which clocks.
#[derive(Clone, Copy)]
pub(crate) struct Race<'a> {
    pub(crate) roles: &'a [usize],
    pub(crate) clocks: &'a [usize],
    pub(crate) crashes: usize,
}

impl Stage {
    pub(crate) fn new(scene: Scene) -> Self {
        let cast = |turn: Turn| CAST.iter().filter_map(|role| role.racer(&scene, turn)).collect::<Vec<_>>();
        let first = Turn { at: RACE, number: FIRST };
        let roles = CAST.iter().filter(|role| role.racer(&scene, first).is_some()).collect();
        let turns = (FIRST..FIRST + RACERS)
            .map(|number| CLOCKS.iter().map(|&at| cast(Turn { at, number })).collect())
            .collect();
        let (soon, late) = (Turn { at: SOON, number: 110 }, Turn { at: LATE, number: 120 });
        let refresh = |token| scene.refreshes_with("app", token, None, late);
        let late_refreshes = scene.refresh_tokens().map(refresh).collect();
        let (soon, late) = (cast(soon), cast(late));
        let grant = scene.store.table.borrow().grant(scene.grant);
        let was_answered = grant.is_some_and(|grant| {
            grant.subject().is_some() || !grant.is_open(UnixTime::from_secs(START + RACE))
        });
        let mut stage =
            Self { roles, turns, soon, late, late_refreshes, was_alive: false, was_answered, scene };
        stage.was_alive = stage.is_alive(&stage.scene.store.table.borrow(), &[]);
        stage
    }

    fn racers<'a>(&'a self, race: Race<'_>) -> Vec<&'a Racer> {
        let places = race.roles.iter().zip(race.clocks).enumerate();
        places.map(|(turn, (&role, &clock))| &self.turns[turn][clock][role]).collect()
    }

    /// Runs every schedule of a race, and returns the rules that an ending broke.
    pub(crate) fn run(&self, race: Race<'_>) -> (Count, Vec<Broken>) {
        let racers = self.racers(race);
        let search = |racers: &[&Racer], steps| {
            let racers = racers.to_vec();
            Explorer { store: &self.scene.store, racers, crashes: race.crashes }.search(steps)
        };
        let found = search(&racers, Steps::Single);
        let without = |racer| {
            let mut others = racers.clone();
            others.remove(racer);
            search(&others, Steps::Single).endings
        };
        let trial = Trial {
            stage: self,
            roles: race.roles,
            racers: &racers,
            one_by_one: search(&racers, Steps::Whole).endings,
            without: (0..racers.len()).map(without).collect(),
        };
        let mut broken = Vec::new();
        for ending in &found.endings {
            let rules = trial.rules(ending).into_iter().filter(|(_, holds)| !holds);
            broken.extend(rules.map(|(rule, _)| Broken {
                rule,
                scene: self.scene.name,
                retry: self.scene.retry,
                ends: racers.iter().map(|racer| racer.name).zip(ending.ends.iter().cloned()).collect(),
            }));
        }
        (found.count, broken)
    }

    /// Tells whether anything of the grant is alive long after, or may come to life.
    fn is_alive(&self, table: &Table, codes: &[&str]) -> bool {
        let mut probes = self.late.iter().map(|racer| racer.decide(&self.scene.store, table));
        let by_code = |code: &&str| {
            let racer = self.scene.redeems_code(code, Turn { at: LATE, number: 120 });
            racer.decide(&self.scene.store, table).seen.has_tokens()
        };
        probes.any(|decided| self.gives_life(&decided.seen)) || codes.iter().any(by_code)
    }

    fn gives_life(&self, seen: &Seen) -> bool {
        use EventKind::{AuthorizationRequested, DeviceApproved, DeviceFound};
        if matches!(seen.kind, AuthorizationRequested | DeviceFound | DeviceApproved) {
            return !seen.is_refused();
        }
        (is_gift(seen) || seen.answer == Answer::Active(true)) && self.is_of_scene(seen)
    }

    fn is_of_scene(&self, seen: &Seen) -> bool {
        seen.grant == Some(self.scene.grant)
    }
}

/// A rule that did not hold.
pub(crate) struct Broken {
    pub(crate) rule: &'static str,
    scene: &'static str,
    retry: Retry,
    ends: Vec<(&'static str, End)>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, scene, retry, ends } = self;
        write!(f, "not so that {rule}: {scene}, retry {retry:?}\n{ends:#?}")
    }
}

/// One race, and what its endings are compared with.
struct Trial<'a> {
    stage: &'a Stage,
    roles: &'a [usize],
    racers: &'a [&'a Racer],
    /// How whole requests end, one after another, in every order.
    one_by_one: BTreeSet<Ending>,
    /// How the race ends if one racer does not come.
    without: Vec<BTreeSet<Ending>>,
}

impl Trial<'_> {
    /// What has to be true of every ending, and whether it is.
    fn rules(&self, ending: &Ending) -> [(&'static str, bool); 13] {
        [
            ("every schedule ends as whole requests do, one after another", self.is_explained(ending)),
            ("what is presented twice is answered with one thing", self.gives_one_answer(ending)),
            ("a page is answered once, for one person", self.answers_a_page_once(ending)),
            ("no other refresh token exists than the one of its number", self.gives_known_tokens(ending)),
            ("one refresh token is live at most", self.has_one_live_token(ending)),
            ("nothing is alive after an alarm or a revocation", self.ends_for_good(ending)),
            ("nobody is logged out without one", self.keeps_alive(ending)),
            ("a refusal consumes nothing", self.keeps_what_was_refused(ending)),
            ("who wrote nothing might as well not have come", self.forgets_who_wrote_nothing(ending)),
            ("a stranger gets nothing and writes nothing", self.ignores_strangers(ending)),
            ("the last to write gets the same answer again", self.repeats_the_last_answer(ending)),
            ("a request that comes twice at once is answered twice", self.answers_twins(ending)),
            ("what was used raises the alarm after the window", self.notices_replays(ending)),
        ]
    }

    fn is_explained(&self, ending: &Ending) -> bool {
        self.one_by_one.contains(ending)
    }

    fn gives_one_answer(&self, ending: &Ending) -> bool {
        let given = self.decided(ending).filter(|(_, seen)| is_gift(seen));
        let presented: Vec<_> = given
            .filter_map(|(place, seen)| Some((self.racers[place].presents.as_ref()?, &seen.answer)))
            .collect();
        presented
            .iter()
            .all(|(what, answer)| presented.iter().all(|(other, same)| what != other || answer == same))
    }

    fn answers_a_page_once(&self, ending: &Ending) -> bool {
        use EventKind::{AuthorizationApproved, AuthorizationRefused, DeviceApproved, ImplicitlyIssued};
        let kinds = [AuthorizationApproved, AuthorizationRefused, DeviceApproved, ImplicitlyIssued];
        let writes = |seen: &&Seen| kinds.contains(&seen.kind) && seen.effect == Effect::Written;
        let grant = ending.table.grant(self.stage.scene.grant);
        let person = grant.as_ref().and_then(Grant::subject).map(Subject::as_str);
        let heard = self.decided(ending).filter(|(_, seen)| !seen.is_refused());
        let mut people = heard.filter_map(|(place, _)| self.role(place).person());
        people.all(|heard| person == Some(heard))
            && ending.decided().filter(writes).count() <= usize::from(!self.stage.was_answered)
    }

    fn gives_known_tokens(&self, ending: &Ending) -> bool {
        let scene = &self.stage.scene;
        ending
            .decided()
            .filter(|seen| self.stage.is_of_scene(seen))
            .filter_map(Seen::refresh_token)
            .all(|token| scene.refresh_tokens().any(|known| known == token))
    }

    fn has_one_live_token(&self, ending: &Ending) -> bool {
        let Stage { scene, late_refreshes, .. } = self.stage;
        let works = |racer: &&Racer| racer.decide(&scene.store, &ending.table).seen.has_tokens();
        let live = late_refreshes.iter().filter(works).count();
        let grant = ending.table.grant(scene.grant);
        let is_active = grant.is_some_and(|grant| grant.is_active(UnixTime::from_secs(START + LATE)));
        live == usize::from(is_active && !late_refreshes.is_empty())
    }

    fn ends_for_good(&self, ending: &Ending) -> bool {
        let ends = |seen: &Seen| {
            let kinds = [EventKind::ReuseDetected, EventKind::GrantRevoked, EventKind::NothingRevoked];
            kinds.contains(&seen.kind) && self.stage.is_of_scene(seen)
        };
        !ending.decided().any(ends) || !self.is_alive(ending)
    }

    fn keeps_alive(&self, ending: &Ending) -> bool {
        let ends = |seen: &Seen| {
            let kinds = [EventKind::ReuseDetected, EventKind::GrantRevoked, EventKind::AuthorizationRefused];
            kinds.contains(&seen.kind) && seen.effect == Effect::Written
        };
        !self.stage.was_alive || ending.decided().any(ends) || self.is_alive(ending)
    }

    fn keeps_what_was_refused(&self, ending: &Ending) -> bool {
        // A poll notes when it came, and the person's no is told once.
        let kinds = [EventKind::ReuseDetected, EventKind::DevicePolled];
        let is_right = |seen: &Seen| kinds.contains(&seen.kind) || seen.effect != Effect::Written;
        ending.decided().filter(|seen| seen.is_refused()).all(is_right)
    }

    fn forgets_who_wrote_nothing(&self, ending: &Ending) -> bool {
        let idle = (0..self.racers.len()).filter(|place| !ending.writers.contains(place));
        idle.into_iter().all(|place| self.without[place].contains(&ending.without(place)))
    }

    fn ignores_strangers(&self, ending: &Ending) -> bool {
        let strangers = self.decided(ending).filter(|(place, _)| self.role(*place).is_stranger());
        strangers.into_iter().all(|(place, seen)| !is_gift(seen) && !ending.writers.contains(&place))
    }

    fn repeats_the_last_answer(&self, ending: &Ending) -> bool {
        let Stage { scene, soon, .. } = self.stage;
        let writers = ending.writers.iter().rev();
        let last = writers.filter_map(|&place| Some((place, ending.ends[place].decided()?)));
        let Some((place, seen)) = last.into_iter().find(|(_, seen)| self.stage.is_of_scene(seen)) else {
            return true;
        };
        if seen.is_refused() || (is_redeemed(seen) && scene.retry == Retry::Never) || is_own_grant(seen) {
            return true;
        }
        let again = soon[self.roles[place]].decide(&scene.store, &ending.table);
        again.changes.is_none() && again.seen.answer == seen.answer
    }

    fn answers_twins(&self, ending: &Ending) -> bool {
        let scene = &self.stage.scene;
        let seen = &self.racers[0].decide(&scene.store, &scene.store.table.borrow()).seen;
        let are_twins = self.roles.iter().all(|role| *role == self.roles[0]);
        let never = is_redeemed(seen) && scene.retry == Retry::Never;
        if !are_twins || !is_gift(seen) || never || is_own_grant(seen) {
            return true;
        }
        let answers: BTreeSet<_> = ending.seen().flatten().map(|seen| &seen.answer).collect();
        answers.len() <= 1 && ending.decided().all(is_gift)
    }

    fn notices_replays(&self, ending: &Ending) -> bool {
        let Stage { scene, late, .. } = self.stage;
        let mut used = self.decided(ending).filter(|(_, seen)| seen.has_tokens() && is_redeemed(seen));
        used.all(|(place, _)| {
            let mut table = ending.table.clone();
            let seen = scene.outcome(&late[self.roles[place]], &mut table);
            seen.is_refused() && !self.stage.is_alive(&table, &codes(ending))
        })
    }

    fn is_alive(&self, ending: &Ending) -> bool {
        self.stage.is_alive(&ending.table, &codes(ending))
    }

    fn role(&self, place: usize) -> &Role {
        self.stage.roles[self.roles[place]]
    }

    fn decided<'e>(&self, ending: &'e Ending) -> impl Iterator<Item = (usize, &'e Seen)> + use<'e> {
        ending.ends.iter().enumerate().filter_map(|(place, end)| Some((place, end.decided()?)))
    }
}

/// Every code that was given out.
fn codes(ending: &Ending) -> Vec<&str> {
    ending.decided().filter_map(Seen::code).collect()
}

/// A code or tokens.
const fn is_gift(seen: &Seen) -> bool {
    matches!(seen.answer, Answer::Code(_) | Answer::Tokens { .. })
}

/// A code, a device code or a refresh token was presented, and is not to be presented again.
const fn is_redeemed(seen: &Seen) -> bool {
    use EventKind::{CodeRedeemed, DeviceCodeRedeemed, TokenRefreshed};
    matches!(seen.kind, CodeRedeemed | DeviceCodeRedeemed | TokenRefreshed)
}

/// Every such request begins a grant of its own.
const fn is_own_grant(seen: &Seen) -> bool {
    use EventKind::{ClientTokenIssued, DeviceRequested, PasswordAccepted, RequestPushed};
    matches!(seen.kind, ClientTokenIssued | DeviceRequested | PasswordAccepted | RequestPushed)
}
