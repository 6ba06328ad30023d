//! Figures: medians of interleaved rounds, a table, and a file for other programs.

use core::hint::black_box;
use core::time::Duration;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

/// Which way a figure gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Better {
    /// The larger, the better.
    Higher,
    /// The smaller, the better.
    Lower,
}

/// The figures of one bench.
#[derive(Debug)]
pub struct Figures {
    name: &'static str,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    figure: String,
    value: f64,
    /// What the project promises, where it promises something.
    bound: Option<f64>,
    better: Better,
    holds: bool,
    /// The measurements behind the value, for the table.
    #[serde(skip)]
    details: String,
}

impl Figures {
    /// Begins the figures of a bench.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, rows: Vec::new() }
    }

    /// Adds a figure without a bound.
    pub fn add(&mut self, figure: impl Into<String>, value: f64, better: Better, details: impl Into<String>) {
        self.push(figure.into(), value, None, better, details.into());
    }

    /// Adds a figure that is promised: at least or at most `bound`, as `better` says.
    pub fn promise(
        &mut self,
        figure: impl Into<String>,
        value: f64,
        better: Better,
        bound: f64,
        details: impl Into<String>,
    ) {
        self.push(figure.into(), value, Some(bound), better, details.into());
    }

    /// Adds how many times as fast as another we are, and promises at least `bound` if there is one.
    pub fn times_faster(&mut self, figure: &str, (ours, theirs): (Duration, Duration), bound: Option<f64>) {
        let value = theirs.as_secs_f64() / ours.as_secs_f64();
        let details = format!("{ours:.2?} against {theirs:.2?}");
        self.push(figure.into(), value, bound, Better::Higher, details);
    }

    /// Promises that one time is at most `bound` times another.
    pub fn within(&mut self, figure: &str, (ours, other): (Duration, Duration), bound: f64) {
        let value = ours.as_secs_f64() / other.as_secs_f64();
        self.promise(figure, value, Better::Lower, bound, format!("{ours:.2?} against {other:.2?}"));
    }

    fn push(&mut self, figure: String, value: f64, bound: Option<f64>, better: Better, details: String) {
        let holds = bound.is_none_or(|bound| match better {
            Better::Higher => value >= bound,
            Better::Lower => value <= bound,
        });
        // Three digits are more than a median of this kind is worth.
        let digits = 10_f64.powf(2.0 - value.abs().max(0.01).log10().floor());
        let value = (value * digits).round() / digits;
        self.rows.push(Row { figure, value, bound, better, holds, details });
    }

    /// Prints the table and writes `target/figures/NAME.json`.
    #[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a bench reports")]
    pub fn finish(self) {
        let width = self.rows.iter().map(|row| row.figure.len()).max().unwrap_or(0);
        println!("\n{}", self.name);
        for Row { figure, value, bound, better, holds, details } in &self.rows {
            let verdict = if *holds { "holds" } else { "MISSED" };
            let wanted = match (bound, better) {
                (Some(bound), Better::Higher) => format!("at least {bound}: {verdict}"),
                (Some(bound), Better::Lower) => format!("at most {bound}: {verdict}"),
                (None, Better::Higher) => "higher is better".to_owned(),
                (None, Better::Lower) => "lower is better".to_owned(),
            };
            println!("  {figure:<width$}  {value:>9}  {wanted:<20}  {details}");
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/figures");
        let json = serde_json::to_string_pretty(&self.rows).expect("rows are plain values");
        std::fs::create_dir_all(&folder).expect("target can be written");
        std::fs::write(folder.join(format!("{}.json", self.name)), json + "\n")
            .expect("target can be written");
    }
}

/// Times two operations in turns and returns the median time of each, so that what else the machine
/// does meets both.
///
/// Each prepares the inputs of one round, whose number it is told, and consumes them one by one; only
/// the second part is timed.
pub fn interleaved<A, B>(
    (mut prepare_one, mut one): (impl FnMut(usize) -> Vec<A>, impl FnMut(A)),
    (mut prepare_other, mut other): (impl FnMut(usize) -> Vec<B>, impl FnMut(B)),
) -> (Duration, Duration) {
    const ROUNDS: usize = 401;
    let sizes = (size(&mut prepare_one, &mut one), size(&mut prepare_other, &mut other));
    let rounds = (0..ROUNDS).map(|_| {
        let one = round(sizes.0, &mut prepare_one, &mut one);
        (one, round(sizes.1, &mut prepare_other, &mut other))
    });
    let (ones, others): (Vec<_>, Vec<_>) = rounds.unzip();
    (median(ones), median(others))
}

/// Returns how many operations fill a round, which is shorter than a turn of the scheduler: a round that is
/// interrupted is one of a few, and the median does not see it.
fn size<T>(prepare: &mut impl FnMut(usize) -> Vec<T>, operation: &mut impl FnMut(T)) -> usize {
    const ROUND: Duration = Duration::from_micros(400);
    let once = median((0..15).map(|_| round(4, prepare, operation)).collect());
    usize::try_from(ROUND.as_nanos() / once.as_nanos().max(1)).map_or(1, |size| size.clamp(1, 1000))
}

/// Returns the mean time of an operation in one round.
#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn round<T>(
    size: usize,
    prepare: &mut impl FnMut(usize) -> Vec<T>,
    operation: &mut impl FnMut(T),
) -> Duration {
    let inputs = prepare(size);
    let start = Instant::now();
    for input in inputs {
        operation(black_box(input));
    }
    start.elapsed() / u32::try_from(size).unwrap_or(u32::MAX)
}

/// Returns the middle one of an odd number of times.
#[must_use]
pub fn median(mut times: Vec<Duration>) -> Duration {
    let middle = times.len() / 2;
    *times.select_nth_unstable(middle).1
}
