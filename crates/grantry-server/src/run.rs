//! The loops that carry any operation over any store, and past any signer.

use alloc::sync::Arc;

use grantry_core::{HttpResponse, Moment};
use grantry_jwt::{SignError, SigningInput};

use crate::cache::{AsyncGrantCache, GrantCache, NoCache, Recalled, Told, asked_for, told};
use crate::decision::{ChangeSet, Conflict, Decision, Outcome, Signature};
use crate::operation::{Operation, Records};
use crate::store::{AsyncStore, Store};

/// How often an operation decides anew after a conflict. Every conflict is progress of another
/// request on the same grant, so only a store that never applies anything gets here.
pub const MAX_ROUNDS: usize = 16;

/// Carries an operation through a blocking store: at most one read and one commit, and one more of
/// each after a conflict.
///
/// # Errors
///
/// [`RunError::Store`] when the store fails, [`RunError::Contended`] after [`MAX_ROUNDS`] conflicts,
/// [`RunError::Signer`] when the signing key is outside of the process: see [`run_with_signer`].
pub fn run<S, O>(store: &S, operation: &O, moment: Moment) -> Result<O::Reply, RunError<S::Error>>
where
    S: Store + ?Sized,
    O: Operation + ?Sized,
{
    run_with_signer(store, &NoSigner, operation, moment)
}

/// Carries an operation through a blocking store, with a signing key outside of the process.
///
/// # Errors
///
/// As [`run`]; [`RunError::Signer`] when the signer fails, [`RunError::Signature`] when what it returns is
/// no signature. Nothing is written then.
#[expect(clippy::needless_pass_by_value, reason = "a moment belongs to one operation")]
pub fn run_with_signer<S, G, O>(
    store: &S,
    signer: &G,
    operation: &O,
    moment: Moment,
) -> Result<O::Reply, RunError<S::Error, G::Error>>
where
    S: Store + ?Sized,
    G: Signer + ?Sized,
    O: Operation + ?Sized,
{
    drive(store, &NoCache, signer, operation, &moment, &mut ())
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
    run_async_with_signer(store, &NoSigner, operation, moment).await
}

/// Carries an operation through an asynchronous store, with a signing key outside of the process; see
/// [`run_with_signer`]. The future may be dropped at any point, also while the signer is busy.
///
/// # Errors
///
/// As [`run_with_signer`].
pub async fn run_async_with_signer<S, G, O>(
    store: &S,
    signer: &G,
    operation: &O,
    moment: Moment,
) -> Result<O::Reply, RunError<S::Error, G::Error>>
where
    S: AsyncStore + ?Sized,
    G: AsyncSigner + ?Sized,
    O: Operation + ?Sized,
{
    drive_async(store, &NoCache, signer, operation, &moment, &mut ()).await
}

/// The loop over a blocking store. What the cache had is tried once, before the rounds that read all.
pub(crate) fn drive<S, C, G, O, W>(
    store: &S,
    cache: &C,
    signer: &G,
    operation: &O,
    moment: &Moment,
    watch: &mut W,
) -> Result<O::Reply, RunError<S::Error, G::Error>>
where
    S: Store + ?Sized,
    C: GrantCache + ?Sized,
    G: Signer + ?Sized,
    O: Operation + ?Sized,
    W: Watch,
{
    let (lookup, now) = (operation.lookup(moment), moment.time());
    let recalled = asked_for(operation, &lookup).and_then(|id| cache.fetch(id));
    let mut recalled = recalled.and_then(|record| Recalled::of(record, &lookup, now));
    let mut conflicts = 0;
    while conflicts < MAX_ROUNDS {
        let tried = recalled.take();
        let read = match &tried {
            Some(tried) => store.read(&tried.rest(lookup)).map(|records| tried.add_to(records)),
            None if lookup.is_empty() => Ok(Records::new()),
            None => store.read(&lookup),
        };
        watch.read(read.as_ref().ok());
        let mut decision = operation.decide(&read.map_err(RunError::Store)?, moment);
        loop {
            decision = match decision {
                Decision::Reply(reply) if tried.is_none() => return Ok(reply),
                Decision::Reply(_) => break,
                Decision::Sign(request) => {
                    let signature = signer.sign(request.input()).map_err(RunError::Signer)?;
                    watch.signed(&signature);
                    request.complete(&signature).map_err(RunError::Signature)?
                }
                Decision::Commit(commit) => {
                    if tried.as_ref().is_some_and(|tried| !tried.is_compared_by(commit.changes())) {
                        break;
                    }
                    let outcome = store.commit(commit.changes());
                    watch.committed(commit.changes(), outcome.as_ref().ok().copied());
                    let outcome = outcome.map_err(RunError::Store)?;
                    for told in told(commit.changes(), outcome, now) {
                        match told {
                            Told::Keep(grant, version) => cache.keep(grant, version),
                            Told::Forget(id) => cache.forget(id),
                        }
                    }
                    match commit.resolve(outcome) {
                        Ok(reply) => return Ok(reply),
                        Err(Conflict) => {
                            conflicts += usize::from(tried.is_none());
                            break;
                        }
                    }
                }
            };
        }
    }
    Err(RunError::Contended)
}

/// The loop over an asynchronous store.
pub(crate) async fn drive_async<S, C, G, O, W>(
    store: &S,
    cache: &C,
    signer: &G,
    operation: &O,
    moment: &Moment,
    watch: &mut W,
) -> Result<O::Reply, RunError<S::Error, G::Error>>
where
    S: AsyncStore + ?Sized,
    C: AsyncGrantCache + ?Sized,
    G: AsyncSigner + ?Sized,
    O: Operation + ?Sized,
    W: Watch,
{
    let (lookup, now) = (operation.lookup(moment), moment.time());
    let recalled = match asked_for(operation, &lookup) {
        Some(id) => cache.fetch(id).await,
        None => None,
    };
    let mut recalled = recalled.and_then(|record| Recalled::of(record, &lookup, now));
    let mut conflicts = 0;
    while conflicts < MAX_ROUNDS {
        let tried = recalled.take();
        let read = match &tried {
            Some(tried) => store.read(&tried.rest(lookup)).await.map(|records| tried.add_to(records)),
            None if lookup.is_empty() => Ok(Records::new()),
            None => store.read(&lookup).await,
        };
        watch.read(read.as_ref().ok());
        let mut decision = operation.decide(&read.map_err(RunError::Store)?, moment);
        loop {
            decision = match decision {
                Decision::Reply(reply) if tried.is_none() => return Ok(reply),
                Decision::Reply(_) => break,
                Decision::Sign(request) => {
                    let signature = signer.sign(request.input()).await.map_err(RunError::Signer)?;
                    watch.signed(&signature);
                    request.complete(&signature).map_err(RunError::Signature)?
                }
                Decision::Commit(commit) => {
                    if tried.as_ref().is_some_and(|tried| !tried.is_compared_by(commit.changes())) {
                        break;
                    }
                    let outcome = store.commit(commit.changes()).await;
                    watch.committed(commit.changes(), outcome.as_ref().ok().copied());
                    let outcome = outcome.map_err(RunError::Store)?;
                    for told in told(commit.changes(), outcome, now) {
                        match told {
                            Told::Keep(grant, version) => cache.keep(grant, version).await,
                            Told::Forget(id) => cache.forget(id).await,
                        }
                    }
                    match commit.resolve(outcome) {
                        Ok(reply) => return Ok(reply),
                        Err(Conflict) => {
                            conflicts += usize::from(tried.is_none());
                            break;
                        }
                    }
                }
            };
        }
    }
    Err(RunError::Contended)
}

/// Sees what a loop does, for a transcript. `None` stands for a store that failed.
pub(crate) trait Watch {
    fn read(&mut self, records: Option<&Records>);
    fn signed(&mut self, signature: &Signature);
    fn committed(&mut self, changes: &ChangeSet, outcome: Option<Outcome>);
}

/// Nobody watches.
impl Watch for () {
    fn read(&mut self, _: Option<&Records>) {}
    fn signed(&mut self, _: &Signature) {}
    fn committed(&mut self, _: &ChangeSet, _: Option<Outcome>) {}
}

/// A signing key outside of the process, asked by a blocking call.
pub trait Signer {
    /// How signing fails. A failure becomes status 503, and nothing is written.
    type Error;

    /// Signs [`SigningInput::as_bytes`] with the key that [`SigningInput::key_id`] names.
    ///
    /// # Errors
    ///
    /// The signer's own failures.
    fn sign(&self, input: &SigningInput) -> Result<Signature, Self::Error>;
}

/// A signing key outside of the process whose futures need not be `Send`.
///
/// A signer for executors that move tasks between threads implements [`SendSigner`] and gets this trait
/// with it.
pub trait AsyncSigner {
    /// How signing fails.
    type Error;

    /// Signs; see [`Signer::sign`].
    fn sign(&self, input: &SigningInput) -> impl Future<Output = Result<Signature, Self::Error>>;
}

/// A signing key outside of the process whose futures are `Send`.
///
/// ```
/// use grantry_jwt::SigningInput;
/// use grantry_server::{SendSigner, Signature};
/// # struct Client;
/// # struct Failure;
/// # impl Client {
/// #     async fn sign(&self, _key: &str, _message: &[u8]) -> Result<Vec<u8>, Failure> { Err(Failure) }
/// # }
///
/// struct KeyService {
///     client: Client,
/// }
///
/// impl SendSigner for KeyService {
///     type Error = Failure;
///
///     async fn sign(&self, input: &SigningInput) -> Result<Signature, Failure> {
///         let key = input.key_id().unwrap_or_default();
///         // Of an RSA key there is no DER: its signature stands in the token as it is, as `Signature::Jose`.
///         self.client.sign(key, input.as_bytes()).await.map(Signature::Der)
///     }
/// }
/// ```
pub trait SendSigner: Sync {
    /// How signing fails.
    type Error: Send;

    /// Signs; see [`Signer::sign`].
    fn sign(&self, input: &SigningInput) -> impl Future<Output = Result<Signature, Self::Error>> + Send;
}

macro_rules! sign_through_a_reference {
    ($($pointer:ty $(: $bound:ident)?),*) => {$(
        impl<G: Signer + ?Sized> Signer for $pointer {
            type Error = G::Error;

            fn sign(&self, input: &SigningInput) -> Result<Signature, Self::Error> {
                Signer::sign(&**self, input)
            }
        }

        impl<G: SendSigner $(+ $bound)?> SendSigner for $pointer {
            type Error = G::Error;

            fn sign(&self, input: &SigningInput) -> impl Future<Output = Result<Signature, Self::Error>> + Send {
                SendSigner::sign(&**self, input)
            }
        }
    )*};
}

sign_through_a_reference!(&G, Arc<G>: Send);

impl<G: SendSigner> AsyncSigner for G {
    type Error = G::Error;

    fn sign(&self, input: &SigningInput) -> impl Future<Output = Result<Signature, Self::Error>> {
        SendSigner::sign(self, input)
    }
}

/// The signer of a host whose keys are all in the process; and its one failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing key is outside of the process, and no signer is given")]
#[expect(clippy::exhaustive_structs, reason = "it is a name and holds nothing")]
pub struct NoSigner;

impl Signer for NoSigner {
    type Error = Self;

    fn sign(&self, _: &SigningInput) -> Result<Signature, Self> {
        Err(Self)
    }
}

impl SendSigner for NoSigner {
    type Error = Self;

    async fn sign(&self, _: &SigningInput) -> Result<Signature, Self> {
        Err(Self)
    }
}

/// Why an operation got no reply. It is the server's trouble, never the client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError<E, G = NoSigner> {
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] E),
    /// The operation met a conflict [`MAX_ROUNDS`] times.
    #[error("the grant is changed by too many requests at once")]
    Contended,
    /// The signer failed.
    #[error("the signer failed")]
    Signer(#[source] G),
    /// The grants to end are another issuer's: ask its own server.
    #[error("the grants to end are another issuer's")]
    OtherIssuer,
    /// What the signer returned is no signature of its key.
    #[error("the signer returned no signature of its key")]
    Signature(#[source] SignError),
}

impl<E, G> RunError<E, G> {
    /// Returns the answer for an endpoint: status 503
    /// ([RFC 7009 section 2.2.1](https://www.rfc-editor.org/rfc/rfc7009#section-2.2.1)).
    #[must_use]
    pub fn to_response(&self) -> HttpResponse {
        HttpResponse::new(503).with_header("Cache-Control", "no-store").with_header("Retry-After", "1")
    }
}
