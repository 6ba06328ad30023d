//! When requests begin, where their calls wait, and who is first among those that wake at once.

use alloc::collections::BTreeSet;
use core::time::Duration;

/// Where the time of a call is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// On the way to the store.
    Before,
    /// On the way back: it is read or applied, and nobody knows.
    Behind,
}

#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    /// When each request begins, in milliseconds.
    starts: Vec<u64>,
    /// By how many seconds the clock of each request's node is ahead.
    clocks: Vec<u64>,
    /// The turn of each request: at its first call, at its second, and at every later one.
    turns: [Vec<usize>; 3],
    pub(crate) read: Wait,
    pub(crate) commit: Wait,
    /// When the host gives the first request up, where it does.
    pub(crate) given_up_after: Duration,
}

const STARTS: [u64; 3] = [0, 5, 30];

impl Schedule {
    /// Requests that begin at +0, +5 and +30 ms, two or all of them also at once, in every order.
    pub(crate) fn of_starts(requests: usize) -> Vec<Self> {
        let starts = tuples(&STARTS, requests).into_iter().filter(|starts| starts.contains(&0));
        starts.flat_map(|starts| Self::of(&starts, &vec![1; requests])).collect()
    }

    /// Two requests, at nodes with clocks that agree and clocks that are 3 s apart.
    pub(crate) fn of_clocks() -> Vec<Self> {
        let with_clocks = |clocks: [u64; 2]| {
            Self::of_starts(2).into_iter().map(move |schedule| Self { clocks: clocks.into(), ..schedule })
        };
        [[1, 1], [1, 4], [4, 1]].into_iter().flat_map(with_clocks).collect()
    }

    /// One request, given up at every 5 ms of the 40 that it takes.
    pub(crate) fn given_up() -> Vec<Self> {
        let after = |schedule: &Self, after| {
            let given_up_after = Duration::from_millis(after);
            Self { given_up_after, ..schedule.clone() }
        };
        let schedules = Self::of(&[0], &[1]);
        schedules.iter().flat_map(|schedule| (0..40).step_by(5).map(move |at| after(schedule, at))).collect()
    }

    fn of(starts: &[u64], clocks: &[u64]) -> Vec<Self> {
        let turns = turns(starts);
        let mut schedules = Vec::new();
        for (read, commit) in [Wait::Before, Wait::Behind].into_iter().flat_map(with_both) {
            for indices in tuples(&(0..turns.len()).collect::<Vec<_>>(), 3) {
                let turns = [0, 1, 2].map(|call: usize| turns[indices[call]].clone());
                let (starts, clocks) = (starts.to_vec(), clocks.to_vec());
                schedules.push(Self { starts, clocks, turns, read, commit, given_up_after: Duration::MAX });
            }
        }
        schedules
    }

    /// Tells whether it stands for all that differ in their turns alone: the calls of a real server take their own.
    pub(crate) fn is_in_line(&self) -> bool {
        let first = &turns(&self.starts)[0];
        self.turns.iter().all(|turns| turns == first)
    }

    pub(crate) fn start(&self, racer: usize) -> Duration {
        Duration::from_millis(self.starts[racer])
    }

    pub(crate) fn clock(&self, racer: usize) -> u64 {
        self.clocks[racer]
    }

    pub(crate) fn turn(&self, racer: usize, call: usize) -> usize {
        self.turns[call.min(2)][racer]
    }
}

fn with_both(read: Wait) -> [(Wait, Wait); 2] {
    [(read, Wait::Before), (read, Wait::Behind)]
}

/// Every order of the requests that begin at once; the others never wake at once.
fn turns(starts: &[u64]) -> Vec<Vec<usize>> {
    let requests = 0..starts.len();
    let is_order = |turns: &Vec<usize>| turns.iter().collect::<BTreeSet<_>>().len() == turns.len();
    let mut seen = BTreeSet::new();
    let mut is_new = |turns: &Vec<usize>| {
        let pairs = requests.clone().flat_map(|one| (one + 1..starts.len()).map(move |other| (one, other)));
        let at_once = pairs.filter(|(one, other)| starts[*one] == starts[*other]);
        seen.insert(at_once.map(|(one, other)| turns[one] < turns[other]).collect::<Vec<_>>())
    };
    let orders = tuples(&requests.clone().collect::<Vec<_>>(), starts.len()).into_iter().filter(is_order);
    orders.filter(|turns| is_new(turns)).collect()
}

/// Every list of this length of these items.
fn tuples<T: Copy>(items: &[T], length: usize) -> Vec<Vec<T>> {
    if length == 0 {
        return vec![Vec::new()];
    }
    let longer = |shorter: Vec<T>| {
        items.iter().map(move |item| shorter.iter().copied().chain([*item]).collect::<Vec<_>>())
    };
    tuples(items, length - 1).into_iter().flat_map(longer).collect()
}
