//! The loop that carries any operation over any store.

use grantry_core::{HttpResponse, Moment};

use crate::operation::{Decision, Operation, Records};
use crate::store::{AsyncStore, Store};

/// How often an operation decides anew after a conflict. Every conflict is progress of another
/// request on the same grant, so only a store that never applies anything gets here.
pub const MAX_ROUNDS: usize = 16;

/// Carries an operation through a blocking store: at most one read and one commit, and one more of
/// each after a conflict.
///
/// # Errors
///
/// [`RunError::Store`] when the store fails, [`RunError::Contended`] after [`MAX_ROUNDS`] conflicts.
#[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
pub fn run<S, O>(store: &S, operation: &O, moment: Moment) -> Result<O::Reply, RunError<S::Error>>
where
    S: Store + ?Sized,
    O: Operation + ?Sized,
{
    for _ in 0..MAX_ROUNDS {
        let lookup = operation.lookup();
        let records = if lookup.is_empty() { Records::new() } else { store.read(&lookup)? };
        match operation.decide(&records, &moment) {
            Decision::Reply(reply) => return Ok(reply),
            Decision::Commit(commit) => {
                let outcome = store.commit(commit.changes())?;
                if let Ok(reply) = commit.resolve(outcome) {
                    return Ok(reply);
                }
            }
        }
    }
    Err(RunError::Contended)
}

/// Carries an operation through an asynchronous store; see [`run`]. The future may be dropped at
/// any point: a change set is applied whole or not at all, and nothing else is changed.
///
/// # Errors
///
/// As [`run`].
pub async fn run_async<S, O>(store: &S, operation: &O, moment: Moment) -> Result<O::Reply, RunError<S::Error>>
where
    S: AsyncStore + ?Sized,
    O: Operation + ?Sized,
{
    for _ in 0..MAX_ROUNDS {
        let lookup = operation.lookup();
        let records = if lookup.is_empty() { Records::new() } else { store.read(&lookup).await? };
        match operation.decide(&records, &moment) {
            Decision::Reply(reply) => return Ok(reply),
            Decision::Commit(commit) => {
                let outcome = store.commit(commit.changes()).await?;
                if let Ok(reply) = commit.resolve(outcome) {
                    return Ok(reply);
                }
            }
        }
    }
    Err(RunError::Contended)
}

/// Why an operation got no reply. It is the server's trouble, never the client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError<E> {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] E),
    /// The operation met a conflict [`MAX_ROUNDS`] times.
    #[error("the grant is changed by too many requests at once")]
    Contended,
}

impl<E> RunError<E> {
    /// Returns the answer for an endpoint: status 503
    /// ([RFC 7009 section 2.2.1](https://www.rfc-editor.org/rfc/rfc7009#section-2.2.1)).
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        HttpResponse::new(503).with_header("Cache-Control", "no-store").with_header("Retry-After", "1")
    }
}
