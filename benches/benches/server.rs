//! One token request from its bytes to the bytes of its answer, over a store in memory.

use core::hint::black_box;
use core::time::Duration;

use criterion::{BatchSize, Criterion};
use grantry::jwt::{Algorithm, Ring};
use grantry::server::AccessTokenFormat;
use grantry_benches::{AccessToken, Better, Figures, Flow, Grants, Key, interleaved};

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1500))
        .configure_from_args();
    let mut figures = grantry_benches::is_measured().then(|| Figures::new("server"));
    let formats = [(AccessTokenFormat::Opaque, "opaque"), (AccessTokenFormat::Jwt, "JWT")];
    for (grants, what) in [(Grants::Code, "code redemption"), (Grants::RefreshToken, "refresh")] {
        let mut group = criterion.benchmark_group(what);
        for (format, name) in formats {
            let flow = Flow::new(format);
            let one = || flow.requests(grants, 1).remove(0);
            let answer = |request| flow.answer(&request);
            group.bench_function(name, |bencher| bencher.iter_batched(one, answer, BatchSize::PerIteration));
        }
        group.finish();
        if let Some(figures) = &mut figures {
            add(figures, grants, what);
        }
    }
    criterion.final_summary();
    if let Some(figures) = figures {
        figures.finish();
    }
}

/// Both formats in turns, and the JWT format in turns with what it cannot do without: the signature.
fn add(figures: &mut Figures, grants: Grants, what: &str) {
    let (opaque, jwt) = (Flow::new(AccessTokenFormat::Opaque), Flow::new(AccessTokenFormat::Jwt));
    let (opaque_time, jwt_time) = interleaved(
        (|size| opaque.requests(grants, size), |request| drop(black_box(opaque.answer(&request)))),
        (|size| jwt.requests(grants, size), |request| drop(black_box(jwt.answer(&request)))),
    );
    let (key, claims) = (Key::new(Ring, Algorithm::Rs256), AccessToken::typical());
    let (whole, signature) = interleaved(
        (|size| jwt.requests(grants, size), |request| drop(black_box(jwt.answer(&request)))),
        (|size| vec![(); size], |()| drop(black_box(key.sign(&claims)))),
    );
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    figures.add(format!("{what}, opaque: microseconds"), micros(opaque_time), Better::Lower, "");
    figures.add(format!("{what}, JWT: microseconds"), micros(jwt_time), Better::Lower, "");
    let ratio = whole.as_secs_f64() / signature.as_secs_f64();
    let details = format!("{whole:.2?} against {signature:.2?}");
    figures.add(format!("{what}, JWT: times one RS256 signature"), ratio, Better::Lower, details);
}
