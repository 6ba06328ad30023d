//! A store as the rules see it, blocking or asynchronous: each call is a future, and an error is its text.

use alloc::{
    boxed::Box,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::Display;
use core::future::{poll_fn, ready};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use std::sync::Barrier;
use std::thread;

use grantry_core::UnixTime;

use crate::client::Client;
use crate::decision::{ChangeSet, Outcome};
use crate::grant::{Grant, GrantId};
use crate::grant_list::{AsyncGrantList, GrantList, GrantsOf};
use crate::operation::{Lookup, Records};
use crate::store::{AsyncStore, Store};
use crate::sweep::{AsyncSweep, Sweep, Swept};

pub(super) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, String>> + 'a>>;

pub(super) trait ReadAndCommit {
    fn read<'a>(&'a self, lookup: &'a Lookup<'a>) -> Answer<'a, Records>;
    fn commit<'a>(&'a self, changes: &'a ChangeSet) -> Answer<'a, Outcome>;
}

pub(super) trait List {
    fn list<'a>(&'a self, of: GrantsOf<'a>, after: Option<GrantId>, limit: usize) -> Answer<'a, Vec<Grant>>;
}

pub(super) trait Due {
    fn sweep(&self, now: UnixTime, limit: usize) -> Answer<'_, Swept>;
}

pub(super) trait Plant {
    fn plant(&self, id: GrantId, bytes: Vec<u8>) -> Answer<'_, ()>;
}

pub(super) trait Register {
    fn register(&self, client: Client) -> Answer<'_, ()>;
}

/// Runs all laps at once, and answers in their order.
pub(super) trait Race {
    fn race<'a>(&'a self, laps: &'a [Lap]) -> Answer<'a, Vec<Result<Finish, String>>>;
}

/// What one of several racers does: it commits, and then reads the grant.
pub(super) struct Lap {
    pub(super) changes: ChangeSet,
    pub(super) grant: GrantId,
}

pub(super) struct Finish {
    pub(super) outcome: Outcome,
    pub(super) records: Records,
}

impl Lap {
    async fn run(&self, store: &impl ReadAndCommit) -> Result<Finish, String> {
        let outcome = store.commit(&self.changes).await?;
        let lookup = Lookup { grant: Some(self.grant), ..Lookup::default() };
        let records = store.read(&lookup).await?;
        Ok(Finish { outcome, records })
    }
}

/// What the kit was given.
pub(super) struct Parts<'s> {
    pub(super) store: Box<dyn ReadAndCommit + 's>,
    pub(super) list: Option<Box<dyn List + 's>>,
    pub(super) sweep: Option<Box<dyn Due + 's>>,
    pub(super) plant: Option<Box<dyn Plant + 's>>,
    pub(super) clients: Option<Box<dyn Register + 's>>,
    pub(super) race: Option<Box<dyn Race + 's>>,
}

impl<'s> Parts<'s> {
    pub(super) fn of(store: impl ReadAndCommit + 's) -> Self {
        Self { store: Box::new(store), list: None, sweep: None, plant: None, clients: None, race: None }
    }
}

/// A blocking store, or a function of the host that blocks. Its futures are ready at once.
pub(super) struct Blocking<T>(pub(super) T);

/// Runs a future over a blocking store, which is ready at the first poll.
pub(super) fn drive<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

fn at_once<'a, T: 'a>(result: Result<T, impl Display>) -> Answer<'a, T> {
    Box::pin(ready(result.map_err(|error| error.to_string())))
}

impl<S: Store<Error: Display> + ?Sized> ReadAndCommit for Blocking<&S> {
    fn read<'a>(&'a self, lookup: &'a Lookup<'a>) -> Answer<'a, Records> {
        at_once(self.0.read(lookup))
    }

    fn commit<'a>(&'a self, changes: &'a ChangeSet) -> Answer<'a, Outcome> {
        at_once(self.0.commit(changes))
    }
}

impl<S: GrantList<Error: Display> + ?Sized> List for Blocking<&S> {
    fn list<'a>(&'a self, of: GrantsOf<'a>, after: Option<GrantId>, limit: usize) -> Answer<'a, Vec<Grant>> {
        at_once(self.0.list(of, after, limit))
    }
}

impl<S: Sweep<Error: Display> + ?Sized> Due for Blocking<&S> {
    fn sweep(&self, now: UnixTime, limit: usize) -> Answer<'_, Swept> {
        at_once(self.0.sweep(now, limit))
    }
}

impl<F: Fn(GrantId, Vec<u8>) -> Result<(), E>, E: Display> Plant for Blocking<F> {
    fn plant(&self, id: GrantId, bytes: Vec<u8>) -> Answer<'_, ()> {
        at_once((self.0)(id, bytes))
    }
}

impl<F: Fn(Client) -> Result<(), E>, E: Display> Register for Blocking<F> {
    fn register(&self, client: Client) -> Answer<'_, ()> {
        at_once((self.0)(client))
    }
}

impl<S: Store<Error: Display> + Sync + ?Sized> Race for Blocking<&S> {
    #[expect(clippy::disallowed_methods, reason = "a race needs threads, and a host asks for it by name")]
    fn race<'a>(&'a self, laps: &'a [Lap]) -> Answer<'a, Vec<Result<Finish, String>>> {
        let start = Barrier::new(laps.len());
        let store = self.0;
        let finishes = thread::scope(|scope| {
            let run = |lap: &'a Lap| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    drive(lap.run(&Blocking(store)))
                })
            };
            let threads: Vec<_> = laps.iter().map(run).collect();
            let end = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|_| Err("the store panicked".into()))
            };
            threads.into_iter().map(end).collect()
        });
        Box::pin(ready(Ok(finishes)))
    }
}

/// An asynchronous store, or a function of the host that returns a future.
pub(super) struct Asynchronous<T>(pub(super) T);

fn in_time<'a, T>(future: impl Future<Output = Result<T, impl Display>> + 'a) -> Answer<'a, T> {
    Box::pin(async { future.await.map_err(|error| error.to_string()) })
}

impl<S: AsyncStore<Error: Display> + ?Sized> ReadAndCommit for Asynchronous<&S> {
    fn read<'a>(&'a self, lookup: &'a Lookup<'a>) -> Answer<'a, Records> {
        in_time(self.0.read(lookup))
    }

    fn commit<'a>(&'a self, changes: &'a ChangeSet) -> Answer<'a, Outcome> {
        in_time(self.0.commit(changes))
    }
}

impl<S: AsyncGrantList<Error: Display> + ?Sized> List for Asynchronous<&S> {
    fn list<'a>(&'a self, of: GrantsOf<'a>, after: Option<GrantId>, limit: usize) -> Answer<'a, Vec<Grant>> {
        in_time(self.0.list(of, after, limit))
    }
}

impl<S: AsyncSweep<Error: Display> + ?Sized> Due for Asynchronous<&S> {
    fn sweep(&self, now: UnixTime, limit: usize) -> Answer<'_, Swept> {
        in_time(self.0.sweep(now, limit))
    }
}

impl<F: AsyncFn(GrantId, Vec<u8>) -> Result<(), E>, E: Display> Plant for Asynchronous<F> {
    fn plant(&self, id: GrantId, bytes: Vec<u8>) -> Answer<'_, ()> {
        in_time((self.0)(id, bytes))
    }
}

impl<F: AsyncFn(Client) -> Result<(), E>, E: Display> Register for Asynchronous<F> {
    fn register(&self, client: Client) -> Answer<'_, ()> {
        in_time((self.0)(client))
    }
}

impl<S: AsyncStore<Error: Display> + ?Sized> Race for Asynchronous<&S> {
    fn race<'a>(&'a self, laps: &'a [Lap]) -> Answer<'a, Vec<Result<Finish, String>>> {
        let mut laps: Vec<_> = laps.iter().map(|lap| Running::Under(Box::pin(lap.run(self)))).collect();
        Box::pin(poll_fn(move |context| {
            let mut is_over = true;
            for lap in &mut laps {
                is_over &= lap.poll(context);
            }
            if is_over {
                Poll::Ready(Ok(laps.drain(..).filter_map(Running::finish).collect()))
            } else {
                Poll::Pending
            }
        }))
    }
}

enum Running<'a> {
    Under(Answer<'a, Finish>),
    Over(Result<Finish, String>),
}

impl Running<'_> {
    /// Tells whether the lap is over.
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        let Self::Under(lap) = self else { return true };
        let Poll::Ready(finish) = lap.as_mut().poll(context) else { return false };
        *self = Self::Over(finish);
        true
    }

    fn finish(self) -> Option<Result<Finish, String>> {
        match self {
            Self::Under(_) => None,
            Self::Over(finish) => Some(finish),
        }
    }
}
