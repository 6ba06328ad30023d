//! Refreshes of 1, 8 and 32 clients at the same time over each store, from the bytes of the request to the bytes of
//! the answer, beside the floor of the same engine in the same run.
//!
//! The floor is what nobody can do without: one indexed read and one conditional update for each request, written by
//! hand with the same driver, over as many connections that wait for the disk in the same way, to a copy of the same
//! rows in the same tables. It parses nothing, checks nobody, decides nothing and answers nothing.
//!
//! What is promised is promised where an answer waits for the disk, as the crates' pages say what a host needs for it:
//! nothing that was answered is lost by power failure. The figures of settings that lose the last commits are shown
//! beside. There, clients, host and server together have no more to do for the floor than to pass bytes on, and what
//! is left is the protocol's own work: the less that waits, the more of it is seen.
//!
//! Each side has 1,000 live grants and refreshes one after the other. A client sends its next request when the last
//! one is answered; over SQLite, which blocks, a client is a thread.
#![expect(clippy::expect_used, reason = "a bench that cannot run ends")]

extern crate alloc;

mod load;
mod postgres;
mod redis;
mod servers;
mod sqlite;

use core::fmt::Debug;

use grantry::server::SendStore;
use grantry_benches::{Better, Endpoint, Figures, Hosted, Tokens};
use grantry_sqlite::Synchronous;

use load::{Live, Load, Side, Times};
use servers::proxy::Proxy;

/// How many clients ask at the same time.
const CLIENTS: [usize; 3] = [1, 8, 32];

fn main() {
    let mut figures = Figures::new("stores");
    let promise = Some(0.8);
    sqlite::run(Bench::new(&mut figures, "SQLite", promise), Synchronous::Full);
    postgres::run(Bench::new(&mut figures, "PostgreSQL", promise));
    let flushed = &["--appendonly", "yes", "--appendfsync", "always"];
    redis::run(Bench::new(&mut figures, "Redis", promise), flushed);
    sqlite::run(Bench::new(&mut figures, "SQLite, synchronous NORMAL", None), Synchronous::Normal);
    redis::run(Bench::new(&mut figures, "Redis, appendonly no", None), &[]);
    if grantry_benches::is_measured() {
        figures.finish();
    }
}

/// What an engine is measured with: a runtime of its own, so that nothing is left of those before.
struct Bench<'a> {
    figures: &'a mut Figures,
    engine: &'static str,
    /// How much of the floor is promised.
    bound: Option<f64>,
    load: Load,
}

impl<'a> Bench<'a> {
    fn new(figures: &'a mut Figures, engine: &'static str, bound: Option<f64>) -> Self {
        Self { figures, engine, bound, load: Load::new() }
    }

    fn with(&self, clients: usize) -> String {
        format!("{}, {clients} client{}", self.engine, if clients == 1 { "" } else { "s" })
    }

    /// Returns how many grants each side has.
    fn grants() -> usize {
        if grantry_benches::is_measured() { 1000 } else { 64 }
    }

    /// Returns a server over a store, and the first refresh tokens of its grants.
    fn ours<S: SendStore<Error: Debug>>(&self, store: S) -> (Hosted<S>, Vec<String>) {
        let server = Hosted::new(store, self.load.handle());
        let tokens = (0..Self::grants()).map(|_| server.tokens().refresh_token).collect();
        (server, tokens)
    }

    fn compare(&mut self, durability: &str, mut ours: Live<impl Side>, mut floor: Live<impl Side>) {
        self.load.warm(&mut ours);
        self.load.warm(&mut floor);
        for clients in CLIENTS {
            let Times { ours, floor, share } = self.load.in_turns(clients, &mut ours, &mut floor);
            let [ours, floor] = [ours, floor].map(|time| time.as_secs_f64().recip());
            let figure = self.with(clients);
            let details = format!("{ours:.0}/s against {floor:.0}/s, {durability}");
            self.figures.add(format!("{figure}: refreshes per second"), ours, Better::Higher, details);
            let figure = format!("{figure}: share of the floor");
            match self.bound {
                Some(bound) => self.figures.promise(figure, share, Better::Higher, bound, ""),
                None => self.figures.add(figure, share, Better::Higher, ""),
            }
        }
    }

    /// Counts what a refresh takes over a proxy, when its statements and scripts are known there.
    fn count_round_trips<S: SendStore<Error: Debug>>(
        &mut self,
        store: S,
        proxy: &Proxy,
        tokens: &mut Vec<String>,
    ) {
        let host = Hosted::new(store, self.load.handle());
        let first = tokens.pop().expect("a grant");
        let second = host.issued(host.refresh(&first)).refresh_token;
        let request = host.refresh(&second);
        let (response, trips) = self.load.finish(proxy.count(host.token(&request)));
        tokens.push(Tokens::read(&response.body).refresh_token);
        self.round_trips(u32::try_from(trips).unwrap_or(u32::MAX));
    }

    fn round_trips(&mut self, counted: u32) {
        let figure = format!("{}: round trips per refresh", self.engine);
        self.figures.promise(figure, f64::from(counted), Better::Lower, 2.0, "");
    }

    /// Says which figures there are none of, which is a failure where servers are required.
    #[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a bench reports, and is told so")]
    fn skip(&self) {
        for clients in CLIENTS {
            println!("skipped: {}: no server found", self.with(clients));
        }
        let required = std::env::var_os("GRANTRY_REQUIRE_SERVERS").is_some_and(|value| value == "1");
        assert!(!required, "no server of {} found, and GRANTRY_REQUIRE_SERVERS=1", self.engine);
    }
}
