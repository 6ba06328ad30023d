//! The loops that carry an operation over a store, blocking and asynchronous.

extern crate alloc;

mod support;

use alloc::rc::Rc;
use core::cell::Cell;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use grantry_core::{HttpRequest, Moment};
use grantry_server::{
    AsyncStore, ChangeSet, Lookup, MAX_ROUNDS, MemoryStore, MemoryStoreFull, Operation, Outcome, Records,
    Reply, RunError, SendStore, Server, Store, TokenAnswer, run, run_async,
};
use support::{Fault, NOW, Site, StoreFault, clients, issued, redemption, refresh_token, request, time};

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// Is pending once, as a store that waits for a network is.
#[derive(Default)]
struct Wait(bool);

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if core::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A store whose futures are `Send`.
struct Remote(MemoryStore);

impl SendStore for Remote {
    type Error = MemoryStoreFull;

    async fn read(&self, lookup: &Lookup<'_>) -> Result<Records, MemoryStoreFull> {
        Wait::default().await;
        Store::read(&self.0, lookup)
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Outcome, MemoryStoreFull> {
        Wait::default().await;
        Store::commit(&self.0, changes)
    }
}

/// A store of one thread: its futures hold an `Rc`, and what it wraps fails when told to.
struct Local(Rc<support::CountingStore<MemoryStore>>);

impl AsyncStore for Local {
    type Error = StoreFault;

    async fn read(&self, lookup: &Lookup<'_>) -> Result<Records, StoreFault> {
        let store = Rc::clone(&self.0);
        Wait::default().await;
        Store::read(&*store, lookup)
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Outcome, StoreFault> {
        let store = Rc::clone(&self.0);
        Wait::default().await;
        Store::commit(&*store, changes)
    }
}

fn moment(number: u8) -> Moment {
    Moment::new(time(NOW), [number; 32])
}

/// A redemption of a fresh code, as a request.
fn fresh(site: &Site) -> HttpRequest {
    request("web", "/token", &redemption("web", &site.code(NOW)).each())
}

#[test]
fn a_store_that_always_conflicts_ends_in_contended() {
    let site = Site::new();
    let request = fresh(&site);
    site.store.fault.set(Some(Fault::Conflict));
    let (outcome, [reads, _, commits]) = site.store.count(|| site.try_run(&site.server.token(&request), NOW));
    assert_eq!(outcome.err(), Some(RunError::Contended));
    assert_eq!((reads, commits), (MAX_ROUNDS, MAX_ROUNDS));
    assert_eq!(RunError::<StoreFault>::Contended.to_response().status, 503);
    site.store.fault.set(None);
    issued(site.run(&site.server.token(&request), NOW));
}

/// ST-06 and ST-08.
#[test]
fn rfc6749_5_2_a_store_that_fails_is_503_and_consumes_nothing() {
    let site = Site::new();
    let request = fresh(&site);
    for fault in [Fault::Read, Fault::Commit] {
        site.store.fault.set(Some(fault));
        let error = site.try_run(&site.server.token(&request), NOW).unwrap_err();
        assert_eq!(error, RunError::Store(StoreFault::Down));
        let response = error.to_response();
        assert_eq!((response.status, response.body.len()), (503, 0));
        assert_eq!(response.headers.only("Cache-Control"), Some("no-store"));
    }
    site.store.fault.set(None);
    let tokens = issued(site.run(&site.server.token(&request), NOW));
    site.store.fault.set(Some(Fault::Commit));
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens).expose())];
    let refresh = support::request("web", "/token", &refresh);
    assert!(site.try_run(&site.server.token(&refresh), NOW).is_err());
    site.store.fault.set(None);
    issued(site.run(&site.server.token(&refresh), NOW));
}

/// The host has both sides as trait objects, if it likes.
#[test]
fn store_and_operation_are_dyn_compatible() {
    let site = Site::new();
    let request = fresh(&site);
    let operation = site.server.token(&request);
    let store: &dyn Store<Error = StoreFault> = &site.store;
    let operation: &dyn Operation<Reply = Reply<TokenAnswer>> = &operation;
    issued(run(store, operation, moment(9)).unwrap());
}

#[test]
fn run_async_does_what_run_does() {
    let blocking = Site::new();
    let code = |site: &Site| site.code(NOW);
    let expected = issued(blocking.redeem("web", &code(&blocking), NOW));
    let mut site = Site::new();
    let request = request("web", "/token", &redemption("web", &code(&site)).each());
    let remote = Remote(core::mem::take(&mut site.store.inner));
    let operation = site.server.token(&request);
    let tokens = issued(block_on(run_async(&remote, &operation, moment(1))).unwrap());
    // Same seeds, same tokens: nothing else went in.
    assert!(tokens.access_token.matches(expected.access_token.expose()));
    assert!(refresh_token(&tokens).matches(refresh_token(&expected).expose()));
    let again = block_on(run_async(&remote.0, &operation, moment(2))).unwrap();
    support::assert_denied(&again, "invalid_grant", grantry_server::Reason::CodeReused);
}

#[test]
fn run_async_fails_and_contends_as_run_does() {
    let site = Site::new();
    let request = fresh(&site);
    let operation = site.server.token(&request);
    let counting = support::CountingStore::new(MemoryStore::new(clients()));
    let local = Local(Rc::new(counting));
    // The code of another store: the client is known here, and the grant is not.
    let unknown = block_on(run_async(&local, &operation, moment(1))).unwrap();
    support::assert_denied(&unknown, "invalid_grant", grantry_server::Reason::CodeUnknown);
    local.0.fault.set(Some(Fault::Read));
    let error = block_on(run_async(&local, &operation, moment(2))).unwrap_err();
    assert_eq!(error, RunError::Store(StoreFault::Down));

    let interaction = site.interaction("web", &[], NOW);
    let approve = site.server.approve(interaction, support::approval());
    local.0.fault.set(Some(Fault::Commit));
    let error = block_on(run_async(&local, &approve, moment(3))).unwrap_err();
    assert_eq!(error, RunError::Store(StoreFault::Down));
    local.0.fault.set(Some(Fault::Conflict));
    let (error, counts) = local.0.count(|| block_on(run_async(&local, &approve, moment(4))).unwrap_err());
    assert_eq!((error, counts), (RunError::Contended, [MAX_ROUNDS; 3]));
    local.0.fault.set(None);
    let reply = block_on(run_async(&local, &approve, moment(5))).unwrap();
    support::code(&reply);
}

/// A future that is dropped at any of its pauses has changed nothing.
#[test]
fn a_dropped_future_changes_nothing() {
    let mut site = Site::new();
    let request = fresh(&site);
    let remote = Remote(core::mem::take(&mut site.store.inner));
    let operation = site.server.token(&request);
    for pauses in 0..2 {
        let mut future = pin!(run_async(&remote, &operation, moment(pauses)));
        for _ in 0..=pauses {
            assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    }
    issued(block_on(run_async(&remote, &operation, moment(9))).unwrap());
}

const fn assert_send<T: Send>(future: T) -> T {
    future
}

/// Only has to compile: code that is generic over its store can be spawned.
fn spawnable<'a, S: SendStore>(
    store: &'a S,
    server: &'a Server,
    request: &'a HttpRequest,
) -> impl Future<Output = bool> + Send {
    assert_send(async move {
        let token = run_async(store, &server.token(request), moment(1)).await.is_ok();
        let authorize = run_async(store, &server.authorize(request), moment(2)).await.is_ok();
        let revoke = run_async(store, &server.revoke(request), moment(3)).await.is_ok();
        let introspect = run_async(store, &server.introspect(request), moment(4)).await.is_ok();
        token && authorize && revoke && introspect
    })
}

#[test]
fn run_async_over_any_send_store_is_send() {
    let mut site = Site::new();
    let request = fresh(&site);
    let interaction = site.interaction("web", &[], NOW);
    let remote = Remote(core::mem::take(&mut site.store.inner));
    assert!(block_on(spawnable(&remote, &site.server, &request)));
    let approve = site.server.approve(interaction, support::approval());
    assert!(block_on(assert_send(run_async(&remote, &approve, moment(5)))).is_ok());
}

/// A conflict is an input: the operation decides again on what the other request wrote.
#[test]
fn a_conflict_decides_again_with_the_same_moment() {
    struct Racing<'a> {
        site: &'a Site,
        request: &'a HttpRequest,
        first: Cell<bool>,
    }
    impl Store for Racing<'_> {
        type Error = StoreFault;

        fn read(&self, lookup: &Lookup<'_>) -> Result<Records, StoreFault> {
            let records = self.site.store.read(lookup)?;
            if self.first.take() {
                // Between this read and its commit the same request is served elsewhere.
                issued(self.site.run(&self.site.server.token(self.request), NOW));
            }
            Ok(records)
        }

        fn commit(&self, changes: &ChangeSet) -> Result<Outcome, StoreFault> {
            self.site.store.commit(changes)
        }
    }
    let site = Site::new();
    let request = fresh(&site);
    let racing = Racing { site: &site, request: &request, first: Cell::new(true) };
    let (reply, counts) = site.store.count(|| run(&racing, &site.server.token(&request), moment(9)).unwrap());
    support::assert_denied(&reply, "invalid_grant", grantry_server::Reason::CodeReused);
    assert_eq!(counts, [3, 3, 3], "two rounds of the loser, one of the winner");
}
