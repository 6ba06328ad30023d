//! Signing and verifying a typical access token, beside jsonwebtoken, jwt-simple and the parts that nobody
//! can do without, in the same run. Allocations are counted by the bench `allocations`, whose allocator would
//! slow this one down.

use core::hint::black_box;
use core::time::Duration;

use criterion::Criterion;
use grantry::jwt::{Algorithm, Ring};
use grantry_aws_lc::AwsLc;
use grantry_benches::{AccessToken, Figures, Jsonwebtoken, JwtSimple, Key, Parts, interleaved};

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1500))
        .configure_from_args();
    all_agree();
    absolute_times(&mut criterion);
    criterion.final_summary();
    if grantry_benches::is_measured() {
        let mut figures = Figures::new("jwt");
        hs256(&mut figures);
        rs256(&mut figures);
        figures.finish();
    }
}

/// Each verifies what each of the others signs.
fn all_agree() {
    for algorithm in [Algorithm::Hs256, Algorithm::Rs256] {
        let claims = AccessToken::typical();
        let (ring, aws_lc) = (Key::new(Ring, algorithm), Key::new(AwsLc, algorithm));
        let (peer, simple) = (Jsonwebtoken::new(algorithm), JwtSimple::new(algorithm));
        for token in [ring.sign(&claims), aws_lc.sign(&claims), peer.sign(&claims)] {
            assert_eq!((ring.verify(&token), aws_lc.verify(&token)), (claims.clone(), claims.clone()));
            assert_eq!(peer.verify(&token), claims);
            assert_eq!(ring.verify_borrowed(&token, |claims| claims.jti.to_owned()), claims.jti);
            drop(simple.verify(&token, JwtSimple::options()));
        }
    }
}

fn absolute_times(criterion: &mut Criterion) {
    let claims = AccessToken::typical();
    for algorithm in [Algorithm::Hs256, Algorithm::Rs256] {
        let (ring, aws_lc) = (Key::new(Ring, algorithm), Key::new(AwsLc, algorithm));
        let (peer, simple) = (Jsonwebtoken::new(algorithm), JwtSimple::new(algorithm));
        let token = ring.sign(&claims);
        let mut group = criterion.benchmark_group(format!("{algorithm} sign"));
        group.bench_function("grantry, ring", |bencher| bencher.iter(|| ring.sign(&claims)));
        group.bench_function("grantry, aws-lc", |bencher| bencher.iter(|| aws_lc.sign(&claims)));
        group.bench_function("jsonwebtoken", |bencher| bencher.iter(|| peer.sign(&claims)));
        group.bench_function("jwt-simple", |bencher| {
            bencher.iter(|| simple.sign(JwtSimple::claims(&claims)));
        });
        group.finish();
        let mut group = criterion.benchmark_group(format!("{algorithm} verify"));
        group.bench_function("grantry, ring", |bencher| bencher.iter(|| ring.verify(&token)));
        group.bench_function("grantry, aws-lc", |bencher| bencher.iter(|| aws_lc.verify(&token)));
        group.bench_function("jsonwebtoken", |bencher| bencher.iter(|| peer.verify(&token)));
        group.bench_function("jwt-simple", |bencher| {
            bencher.iter(|| simple.verify(&token, JwtSimple::options()));
        });
        group.finish();
    }
}

fn hs256(figures: &mut Figures) {
    let claims = AccessToken::typical();
    let (key, peer) = (Key::new(Ring, Algorithm::Hs256), Jsonwebtoken::new(Algorithm::Hs256));
    let simple = JwtSimple::new(Algorithm::Hs256);
    let token = key.sign(&claims);
    let parts = Parts::of(&token);

    let (ours, theirs) =
        in_turns(|| drop(black_box(key.verify_in(&token))), || drop(black_box(peer.verify(&token))));
    figures.times_faster("HS256 verify, owned claims, against jsonwebtoken", (ours, theirs), Some(2.8));
    let (ours, theirs) =
        in_turns(|| drop(black_box(key.verify(&token))), || drop(black_box(peer.verify(&token))));
    figures.times_faster("  the same without a buffer", (ours, theirs), None);
    let (ours, theirs) = interleaved(
        (nothing, |()| drop(black_box(key.verify_in(&token)))),
        (|size| vec![JwtSimple::options(); size], |options| drop(black_box(simple.verify(&token, options)))),
    );
    figures.times_faster("HS256 verify, owned claims, against jwt-simple", (ours, theirs), None);
    let (ours, least) = in_turns(
        || {
            key.verify_borrowed(&token, |claims| {
                black_box(claims);
            })
        },
        || {
            parts.hs256_verification(|claims| {
                black_box(claims);
            })
        },
    );
    figures.within("HS256 verify, borrowed claims, against its unavoidable parts", (ours, least), 1.20);

    let (ours, theirs) =
        in_turns(|| drop(black_box(key.sign(&claims))), || drop(black_box(peer.sign(&claims))));
    figures.times_faster("HS256 sign against jsonwebtoken", (ours, theirs), Some(1.7));
    let (ours, theirs) = interleaved(
        (nothing, |()| drop(black_box(key.sign(&claims)))),
        (
            |size| (0..size).map(|_| JwtSimple::claims(&claims)).collect(),
            |claims| drop(black_box(simple.sign(claims))),
        ),
    );
    figures.times_faster("HS256 sign against jwt-simple", (ours, theirs), None);
}

fn rs256(figures: &mut Figures) {
    let claims = AccessToken::typical();
    let (ring, aws_lc) = (Key::new(Ring, Algorithm::Rs256), Key::new(AwsLc, Algorithm::Rs256));
    let (peer, simple) = (Jsonwebtoken::new(Algorithm::Rs256), JwtSimple::new(Algorithm::Rs256));
    let token = ring.sign(&claims);
    let parts = Parts::of(&token);

    let (ours, least) = in_turns(|| drop(black_box(ring.verify_in(&token))), || parts.ring_verification());
    figures.within("RS256 verify, ring, against ring's own verify", (ours, least), 1.06);
    let (ours, theirs) =
        in_turns(|| drop(black_box(aws_lc.verify_in(&token))), || drop(black_box(peer.verify(&token))));
    figures.times_faster("RS256 verify, aws-lc, against jsonwebtoken", (ours, theirs), Some(1.25));
    let (ours, theirs) =
        in_turns(|| drop(black_box(ring.verify_in(&token))), || drop(black_box(peer.verify(&token))));
    figures.times_faster("RS256 verify, ring, against jsonwebtoken", (ours, theirs), None);
    let (ours, theirs) = interleaved(
        (nothing, |()| drop(black_box(aws_lc.verify_in(&token)))),
        (|size| vec![JwtSimple::options(); size], |options| drop(black_box(simple.verify(&token, options)))),
    );
    figures.times_faster("RS256 verify, aws-lc, against jwt-simple", (ours, theirs), None);
    let (ours, theirs) = in_turns(
        || ring.verify_again(&token, |claims| _ = black_box(claims)),
        || drop(black_box(peer.verify(&token))),
    );
    figures.times_faster(
        "RS256 verify of a repeated token, against jsonwebtoken",
        (ours, theirs),
        Some(20.0),
    );

    let (ours, least) =
        in_turns(|| drop(black_box(ring.sign(&claims))), || drop(black_box(parts.ring_signature())));
    figures.within("RS256 sign, ring, against ring's own sign", (ours, least), 1.03);
    let (ours, least) =
        in_turns(|| drop(black_box(aws_lc.sign(&claims))), || drop(black_box(parts.aws_lc_signature())));
    figures.within("RS256 sign, aws-lc, against its own sign", (ours, least), 1.03);
    let (ours, theirs) =
        in_turns(|| drop(black_box(aws_lc.sign(&claims))), || drop(black_box(peer.sign(&claims))));
    figures.times_faster("RS256 sign, aws-lc, against jsonwebtoken", (ours, theirs), None);
}

fn nothing(size: usize) -> Vec<()> {
    vec![(); size]
}

fn in_turns(mut ours: impl FnMut(), mut other: impl FnMut()) -> (Duration, Duration) {
    interleaved((nothing, |()| ours()), (nothing, |()| other()))
}
