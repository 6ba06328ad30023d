//! What every process answered, whether its answer arrived or not.

use alloc::collections::BTreeMap;

/// Refresh tokens by what they were given for.
#[derive(Debug, Default)]
pub(crate) struct Answers(BTreeMap<String, String>);

impl Answers {
    /// Adds what a process said before it ended. A code or refresh token has one successor, ever.
    #[track_caller]
    pub(crate) fn add(&mut self, given: Vec<(String, String)>) {
        for (request, successor) in given {
            let first = self.0.entry(request).or_insert_with(|| successor.clone());
            assert_eq!(*first, successor, "a second successor");
        }
    }
}
