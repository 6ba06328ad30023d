//! Clients that ask at the same time, and how long their requests take.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use grantry::core::{HttpRequest, HttpResponse};
use grantry::server::SendStore;
use grantry_benches::{Endpoint, Hosted, Tokens, median};
use tokio::runtime::{Handle, Runtime};

/// What is asked: this workspace over a store, or the floor of the engine.
pub(crate) trait Side: Send + Sync + 'static {
    /// What names a grant in a request.
    type Grant: Send + 'static;
    /// A request.
    type Request: Send + 'static;
    /// An answer.
    type Response: Send + 'static;

    /// Makes a request.
    fn request(&self, grant: Self::Grant) -> Self::Request;

    /// Answers a request, which is what is timed.
    fn answer(&self, request: Self::Request) -> impl Future<Output = Self::Response> + Send;

    /// Reads from an answer what names the grant from then on.
    fn grant(response: Self::Response) -> Self::Grant;
}

impl<S: SendStore<Error: core::fmt::Debug> + Send + 'static> Side for Hosted<S> {
    type Grant = String;
    type Request = HttpRequest;
    type Response = HttpResponse;

    fn request(&self, refresh_token: String) -> HttpRequest {
        self.refresh(&refresh_token)
    }

    async fn answer(&self, request: HttpRequest) -> HttpResponse {
        self.token(&request).await
    }

    fn grant(response: HttpResponse) -> String {
        Tokens::read(&response.body).refresh_token
    }
}

/// A side with its grants, of which each request takes the one that rested longest.
pub(crate) struct Live<S: Side> {
    side: Arc<S>,
    grants: VecDeque<S::Grant>,
    waits: Waits,
}

/// How a client waits for its answer.
#[derive(Clone, Copy)]
pub(crate) enum Waits {
    /// It is a task of the runtime.
    Asynchronously,
    /// It is a thread.
    Blocking,
}

impl<S: Side> Live<S> {
    pub(crate) fn new(side: S, grants: impl IntoIterator<Item = S::Grant>, waits: Waits) -> Self {
        Self { side: Arc::new(side), grants: grants.into_iter().collect(), waits }
    }

    /// Lets clients send so many requests each, and returns the mean time between two answers.
    #[expect(clippy::disallowed_methods, reason = "over a store that blocks, a client is a thread")]
    fn round(&mut self, runtime: &Runtime, clients: usize, each: usize) -> Duration {
        let batches: Vec<Vec<_>> = (0..clients)
            .map(|_| {
                let grants = self.grants.drain(..each);
                grants.map(|grant| self.side.request(grant)).collect()
            })
            .collect();
        let clients = batches.into_iter().map(|batch| client(Arc::clone(&self.side), batch));
        let visits: Vec<Visit<_>> = match self.waits {
            Waits::Asynchronously => {
                let tasks: Vec<_> = clients.map(|client| runtime.spawn(client)).collect();
                tasks.into_iter().map(|task| runtime.block_on(task).expect("no panic")).collect()
            }
            Waits::Blocking => std::thread::scope(|scope| {
                let threads: Vec<_> =
                    clients.map(|client| scope.spawn(|| runtime.block_on(client))).collect();
                threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
            }),
        };
        let start = visits.iter().map(|visit| visit.start).min().expect("a client");
        let end = visits.iter().map(|visit| visit.end).max().expect("a client");
        let before = self.grants.len();
        self.grants.extend(visits.into_iter().flat_map(|visit| visit.responses).map(S::grant));
        let count = u32::try_from(self.grants.len() - before).expect("few requests");
        (end - start) / count
    }
}

struct Visit<R> {
    start: Instant,
    end: Instant,
    responses: Vec<R>,
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
async fn client<S: Side>(side: Arc<S>, requests: Vec<S::Request>) -> Visit<S::Response> {
    let mut responses = Vec::with_capacity(requests.len());
    let start = Instant::now();
    for request in requests {
        responses.push(side.answer(request).await);
    }
    Visit { start, end: Instant::now(), responses }
}

/// What two sides took in turns.
pub(crate) struct Times {
    /// The median of the time between two answers.
    pub(crate) ours: Duration,
    /// The same of the floor.
    pub(crate) floor: Duration,
    /// The median of how much of the floor's rate its neighbouring round had: a disk may be as slow for a while.
    pub(crate) share: f64,
}

/// The runtime of all clients.
pub(crate) struct Load(Runtime);

impl Load {
    pub(crate) fn new() -> Self {
        Self(Runtime::new().expect("a runtime"))
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.0.handle()
    }

    pub(crate) fn finish<T>(&self, work: impl Future<Output = T>) -> T {
        self.0.block_on(work)
    }

    /// Times both sides in turns, so that what else the machine and its disk do meets both.
    pub(crate) fn in_turns(
        &self,
        clients: usize,
        ours: &mut Live<impl Side>,
        floor: &mut Live<impl Side>,
    ) -> Times {
        let rounds = if grantry_benches::is_measured() { 151 } else { 1 };
        let each = self.each(clients, floor);
        let rounds =
            (0..rounds).map(|_| (ours.round(&self.0, clients, each), floor.round(&self.0, clients, each)));
        let (ours, floor): (Vec<_>, Vec<_>) = rounds.unzip();
        let mut shares: Vec<_> =
            ours.iter().zip(&floor).map(|(ours, floor)| floor.as_secs_f64() / ours.as_secs_f64()).collect();
        let middle = shares.len() / 2;
        let share = *shares.select_nth_unstable_by(middle, f64::total_cmp).1;
        Times { ours: median(ours), floor: median(floor), share }
    }

    /// Lets a side answer for every grant twice: a log that is written for the first time is slower than one whose
    /// file has its size.
    pub(crate) fn warm(&self, side: &mut Live<impl Side>) {
        let each = side.grants.len() / 8;
        (0..16).for_each(|_| _ = side.round(&self.0, 8, each));
    }

    /// Returns how many requests of each client fill a round. The last client to finish is alone for a moment, so a
    /// few have to come before; and all have to be of different grants.
    fn each(&self, clients: usize, floor: &mut Live<impl Side>) -> usize {
        const ROUND: Duration = Duration::from_millis(10);
        const FEWEST: usize = 8;
        let most = floor.grants.len() / clients;
        let fewest = FEWEST.min(most);
        let once = median((0..9).map(|_| floor.round(&self.0, clients, fewest)).collect());
        let all = usize::try_from(ROUND.as_nanos() / once.as_nanos().max(1)).unwrap_or(usize::MAX);
        (all / clients).clamp(fewest, most)
    }
}

/// Changes what a rotation changes of a record: it has the same size.
pub(crate) fn rotate(record: &mut [u8]) {
    if let Some(last) = record.last_mut() {
        *last = last.wrapping_add(1);
    }
}

/// Returns the time in seconds.
#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
pub(crate) fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs()
}
