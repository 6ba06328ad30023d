//! The slow way to the store, and requests that go it side by side.

use core::future::poll_fn;
use core::pin::Pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::Poll;
use core::time::Duration;
use std::sync::Mutex;

use grantry_server::{ChangeSet, Lookup, Outcome, Records, SendStore};

use super::schedule::{Schedule, Wait};

const LAG: Duration = Duration::from_millis(20);

/// The way of one request to the store.
pub(crate) struct SlowStore<'a, S> {
    store: &'a S,
    schedule: &'a Schedule,
    racer: usize,
    calls: AtomicUsize,
    order: &'a Mutex<Vec<String>>,
}

impl<'a, S> SlowStore<'a, S> {
    pub(crate) const fn new(
        store: &'a S,
        schedule: &'a Schedule,
        racer: usize,
        order: &'a Mutex<Vec<String>>,
    ) -> Self {
        Self { store, schedule, racer, calls: AtomicUsize::new(0), order }
    }
}

impl<S: SendStore> SlowStore<'_, S> {
    async fn slowly<T>(&self, wait: Wait, name: char, call: impl Future<Output = T> + Send) -> T {
        if wait == Wait::Before {
            tokio::time::sleep(LAG).await;
        }
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        for _ in 0..self.schedule.turn(self.racer, number) {
            tokio::task::yield_now().await;
        }
        let answer = call.await;
        self.order.lock().unwrap().push(format!("{}{name}", self.racer + 1));
        if wait == Wait::Behind {
            tokio::time::sleep(LAG).await;
        }
        answer
    }
}

impl<S: SendStore> SendStore for SlowStore<'_, S> {
    type Error = S::Error;

    async fn read(&self, lookup: &Lookup<'_>) -> Result<Records, S::Error> {
        self.slowly(self.schedule.read, 'r', self.store.read(lookup)).await
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Outcome, S::Error> {
        self.slowly(self.schedule.commit, 'c', self.store.commit(changes)).await
    }
}

pub(crate) type Racing<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Drives requests side by side, in their order.
pub(crate) async fn side_by_side<T>(racing: Vec<Racing<'_, T>>) -> Vec<T> {
    let mut racing: Vec<_> = racing.into_iter().map(|request| (request, None)).collect();
    poll_fn(|context| {
        for (request, reply) in racing.iter_mut().filter(|(_, reply)| reply.is_none()) {
            if let Poll::Ready(ready) = request.as_mut().poll(context) {
                *reply = Some(ready);
            }
        }
        if racing.iter().all(|(_, reply)| reply.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    racing.into_iter().filter_map(|(_, reply)| reply).collect()
}
