//! One order of steps after another, until all were tried.

use alloc::vec::Vec;

/// Which way was taken at each fork. The same choices come to the same forks again, as long as the store
/// answers as the model does.
#[derive(Default)]
pub(super) struct Path {
    forks: Vec<Fork>,
    passed: usize,
}

struct Fork {
    way: usize,
    ways: usize,
}

impl Path {
    /// Chooses one of several ways by its number: the first one at a fork where nobody was yet.
    pub(super) fn choose(&mut self, ways: usize) -> usize {
        let fork = self.passed;
        self.passed = self.passed.saturating_add(1);
        match self.forks.get(fork) {
            Some(known) => known.way,
            None => {
                self.forks.push(Fork { way: 0, ways });
                0
            }
        }
    }

    /// Goes back to the beginning for the next path, and tells whether there is one.
    pub(super) fn turn_back(&mut self) -> bool {
        self.passed = 0;
        while let Some(mut last) = self.forks.pop() {
            last.way = last.way.saturating_add(1);
            if last.way < last.ways {
                self.forks.push(last);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn every_path_is_taken_once() {
        let mut path = Path::default();
        let mut taken = Vec::new();
        loop {
            let first = path.choose(2);
            let ways = if first == 0 { 3 } else { 1 };
            taken.push(vec![first, path.choose(ways)]);
            if !path.turn_back() {
                break;
            }
        }
        assert_eq!(taken, [vec![0, 0], vec![0, 1], vec![0, 2], vec![1, 0]]);
    }
}
