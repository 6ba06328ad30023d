//! A process that serves is killed at random moments and started again, while users go on: for the tests of the
//! crates of stores.

mod answers;
mod link;
mod process;
mod serving;
mod user;

use alloc::sync::Arc;
use core::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::{Barrier, mpsc, watch};
use tokio::task::JoinSet;

use answers::Answers;
use link::{Link, Serving};
use process::Process;
pub(crate) use serving::{Host, database, serve};
use user::{Tally, User};

const KILLS: usize = 200;
const USERS: usize = 8;
/// The most that is answered between the checks after one kill and the next.
const MAX_ANSWERS: usize = 24;
/// About as long as a request takes, in microseconds.
const MAX_PAUSE: u64 = 2_000;
/// Many times what it takes: a test that hangs has to end.
const PATIENCE: Duration = Duration::from_secs(900);
/// The environment variable that chooses the moments again, as far as the machine's threads let it.
const SEED: &str = "GRANTRY_KILL_SEED";

/// What is killed.
pub(crate) struct Scene<C> {
    /// The test that [`serve`]s in a process of its own.
    pub(crate) test: &'static str,
    /// What that process finds its database by.
    pub(crate) database: String,
    /// Crashes the database's own server, and starts it again.
    pub(crate) crash: C,
    /// How many of the kills take that server along. As many crashes more leave the process alive.
    pub(crate) crashes: usize,
}

/// Kills a process that serves, as often as the rule says. The users find every answer that they had still true.
pub(crate) async fn outlive_kills(scene: Scene<impl AsyncFn()>) {
    tokio::time::timeout(PATIENCE, live_and_kill(scene)).await.unwrap();
}

async fn live_and_kill(scene: Scene<impl AsyncFn()>) {
    let seed: u64 = std::env::var(SEED).map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("{SEED}={seed}");
    let may_fail = scene.crashes > 0;
    let (serving, served) = watch::channel(Serving::default());
    let (answered, answers) = watch::channel(0);
    let (settled, settling) = mpsc::unbounded_channel();
    let mut killer = Killer {
        scene,
        random: StdRng::seed_from_u64(seed),
        serving,
        settling,
        answers,
        given: Answers::default(),
        launches: 0,
    };
    let (answered, everybody) = (Arc::new(answered), Arc::new(Barrier::new(USERS)));
    let mut users = JoinSet::new();
    for number in 1..=USERS {
        let link = Link::new(served.clone(), Arc::clone(&answered), may_fail);
        let random = StdRng::seed_from_u64(seed.wrapping_add(u64::try_from(number).unwrap()));
        users.spawn(User::new(link, random, Arc::clone(&everybody), settled.clone()).live());
    }
    let mut process = tokio::select! {
        process = killer.kill() => process,
        // Before the end, only a panic ends one.
        Some(user) = users.join_next() => panic!("{user:?}"),
    };
    let mut tally = Tally::default();
    while let Some(user) = process.during(users.join_next()).await {
        tally += user.unwrap();
    }
    killer.given.add(process.kill().await);
    // Otherwise nothing was tried.
    assert!(tally.lost_answers > 0 && tally.lost_requests > 0, "{tally:?}");
}

struct Killer<C> {
    scene: Scene<C>,
    random: StdRng,
    serving: watch::Sender<Serving>,
    settling: mpsc::UnboundedReceiver<()>,
    answers: watch::Receiver<usize>,
    given: Answers,
    launches: u64,
}

impl<C: AsyncFn()> Killer<C> {
    async fn kill(&mut self) -> Process {
        let mut process = self.start().await;
        for kill in 1..=KILLS {
            process.during(self.wait_for_a_moment()).await;
            self.given.add(process.kill().await);
            let is_crash = self.scene.crashes > 0 && kill % (KILLS / self.scene.crashes) == 0;
            if is_crash {
                (self.scene.crash)().await;
            }
            process = self.start().await;
            if is_crash {
                process.during(self.wait_for_a_moment()).await;
                (self.scene.crash)().await;
                self.serving.send_modify(|serving| serving.restarts += 1);
            }
        }
        process.during(self.wait_until_settled()).await;
        self.serving.send_modify(|serving| serving.is_over = true);
        process
    }

    async fn start(&mut self) -> Process {
        // One that opens the database, or makes it, is killed as well.
        if self.random.random_ratio(1, 8) {
            let opening = self.launch();
            self.pause();
            self.given.add(opening.kill().await);
        }
        let mut process = self.launch();
        let port = process.port().await;
        self.serving.send_modify(|serving| {
            serving.port = port;
            serving.restarts += 1;
        });
        process
    }

    fn launch(&mut self) -> Process {
        self.launches += 1;
        Process::launch(self.scene.test, &self.scene.database, self.launches)
    }

    async fn wait_for_a_moment(&mut self) {
        self.wait_until_settled().await;
        let enough = *self.answers.borrow() + self.random.random_range(0..=MAX_ANSWERS);
        self.answers.wait_for(|answers| *answers >= enough).await.unwrap();
        self.pause();
    }

    /// Every user has found what was answered before the last start, and ended what a lost answer left open.
    async fn wait_until_settled(&mut self) {
        self.settling.recv().await.unwrap();
    }

    fn pause(&mut self) {
        std::thread::sleep(Duration::from_micros(self.random.random_range(0..=MAX_PAUSE)));
    }
}
