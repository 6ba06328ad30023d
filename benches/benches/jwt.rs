//! Signing and verifying a typical access token, beside jsonwebtoken in the same run.

use core::hint::black_box;
use core::time::Duration;

use criterion::Criterion;
use grantry::jwt::Algorithm;
use grantry_benches::{AccessToken, Figures, Key, Peer, interleaved};

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1500))
        .configure_from_args();
    let mut figures = grantry_benches::is_measured().then(|| Figures::new("jwt"));
    for algorithm in [Algorithm::Hs256, Algorithm::Rs256] {
        let (claims, key, peer) = (AccessToken::typical(), Key::new(algorithm), Peer::new(algorithm));
        let (token, theirs) = (key.sign(&claims), peer.sign(&claims));
        assert_eq!((key.verify(&theirs), peer.verify(&token)), (claims.clone(), claims.clone()));

        let (ours, theirs) = (|| drop(black_box(key.sign(&claims))), || drop(black_box(peer.sign(&claims))));
        beside(&mut criterion, figures.as_mut(), &format!("{algorithm} sign"), ours, theirs);
        let (ours, theirs) =
            (|| drop(black_box(key.verify(&token))), || drop(black_box(peer.verify(&token))));
        beside(&mut criterion, figures.as_mut(), &format!("{algorithm} verify"), ours, theirs);
    }
    criterion.final_summary();
    if let Some(figures) = figures {
        figures.finish();
    }
}

fn beside(
    criterion: &mut Criterion,
    figures: Option<&mut Figures>,
    name: &str,
    mut ours: impl FnMut(),
    mut theirs: impl FnMut(),
) {
    let mut group = criterion.benchmark_group(name);
    group.bench_function("grantry", |bencher| bencher.iter(&mut ours));
    group.bench_function("jsonwebtoken", |bencher| bencher.iter(&mut theirs));
    group.finish();
    if let Some(figures) = figures {
        let nothing = |size| vec![(); size];
        let (ours, theirs) = interleaved((nothing, |()| ours()), (nothing, |()| theirs()));
        figures.times_faster(format!("{name}: times faster than jsonwebtoken"), ours, theirs);
    }
}
