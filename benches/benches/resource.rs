//! A request with an RS256 access token, from its headers to the decision, beside the same checks by hand with
//! jsonwebtoken, in the same run. Allocations are counted by the bench `allocations`.

use core::hint::black_box;
use core::time::Duration;

use grantry::jwt::{Algorithm, Ring};
use grantry_aws_lc::AwsLc;
use grantry_benches::{AccessToken, Api, ApiByHand, Figures, Key, Parts, interleaved};

fn main() {
    all_agree();
    if grantry_benches::is_measured() {
        let mut figures = Figures::new("resource");
        first_sight(&mut figures);
        repeated(&mut figures);
        figures.finish();
    }
}

/// Both take what the other takes, and refuse what breaks one rule.
fn all_agree() {
    let (api, by_hand) = (Api::new(), ApiByHand::new());
    let key = Key::new(Ring, Algorithm::Rs256);
    let breaks: [fn(&mut AccessToken); 6] = [
        |_| (),
        |claims| claims.iss = "https://b.example".into(),
        |claims| claims.aud = "https://b.example".into(),
        |claims| claims.exp = 1_600_000_000,
        |claims| claims.scope = "photos.write".into(),
        |claims| claims.sub.clear(),
    ];
    for (number, break_rule) in breaks.into_iter().enumerate() {
        let mut claims = AccessToken::typical();
        break_rule(&mut claims);
        let request = Api::request(&key.sign(&claims));
        let is_good = number == 0;
        assert_eq!((api.check(&request).is_ok(), by_hand.check(&request).is_some()), (is_good, is_good));
    }
    assert_eq!(api.check_again(), api.check_again());
    for _ in 0..4 {
        assert_ne!(api.check_first(), api.check_first());
    }
}

fn first_sight(figures: &mut Figures) {
    let (api, by_hand) = (Api::new(), ApiByHand::new());
    let parts = Parts::of(&Key::new(Ring, Algorithm::Rs256).sign(&AccessToken::typical()));
    let times = in_turns(|| drop(black_box(api.check_first())), || parts.ring_verification());
    figures.within("first sight, against ring's own verify", times, 1.03);
    let check = || drop(black_box(api.check(api.next_request())));
    let times = in_turns(check, || parts.ring_verification());
    figures.within("  the same without a cache", times, 1.03);
    let several = Api::new().with_more_issuers();
    let times = in_turns(|| drop(black_box(several.check_first())), || drop(black_box(api.check_first())));
    figures.within("  the same with three issuers, against one", times, 1.03);
    let hand = || drop(black_box(by_hand.check(api.same_request())));
    let times = in_turns(|| drop(black_box(api.check_first())), hand);
    figures.times_faster("first sight, against jsonwebtoken by hand", times, None);
    let aws_lc = Api::with_backend(AwsLc);
    let times = in_turns(|| drop(black_box(aws_lc.check_first())), hand);
    figures.times_faster("  the same with aws-lc, as jsonwebtoken has it", times, None);
}

fn repeated(figures: &mut Figures) {
    let (api, by_hand) = (Api::new(), ApiByHand::new());
    let again = || drop(black_box(api.check_again()));
    let times = in_turns(again, || drop(black_box(api.check_first())));
    figures.times_faster("repeated, against first sight", times, Some(20.0));
    let times = in_turns(again, || drop(black_box(by_hand.check(api.same_request()))));
    figures.times_faster("repeated, against jsonwebtoken by hand", times, Some(20.0));
}

fn in_turns(mut ours: impl FnMut(), mut other: impl FnMut()) -> (Duration, Duration) {
    let nothing = |size: usize| vec![(); size];
    interleaved((nothing, |()| ours()), (nothing, |()| other()))
}
