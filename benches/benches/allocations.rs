//! Allocations of the operations that the other benches time.

use core::hint::black_box;

use grantry::jwt::{Algorithm, Ring};
use grantry::server::AccessTokenFormat;
use grantry_benches::{AccessToken, Api, ApiByHand, Better, Endpoint, Figures, Flow, Jsonwebtoken, Key};

fn main() {
    let mut figures = Figures::new("allocations");
    let claims = AccessToken::typical();
    for algorithm in [Algorithm::Hs256, Algorithm::Rs256] {
        let (key, peer) = (Key::new(Ring, algorithm), Jsonwebtoken::new(algorithm));
        let token = key.sign(&claims);
        let ours = count(|| drop(black_box(key.sign(&claims))));
        let theirs = count(|| drop(black_box(peer.sign(&claims))));
        add(&mut figures, &format!("{algorithm} sign"), ours, theirs);
        let ours = count(|| drop(black_box(key.verify(&token))));
        let theirs = count(|| drop(black_box(peer.verify(&token))));
        add(&mut figures, &format!("{algorithm} verify, owned claims"), ours, theirs);
    }
    let key = Key::new(Ring, Algorithm::Hs256);
    let token = key.sign(&claims);
    let borrowed = || key.verify_borrowed(&token, |claims| _ = black_box(claims));
    borrowed();
    let (allocations, bytes) = count(borrowed);
    let details = format!("{bytes} bytes");
    let figure = "HS256 verify, borrowed claims, after warm-up: allocations";
    figures.promise(figure, allocations, Better::Lower, 0.0, details);
    guard(&mut figures);
    let formats = [(AccessTokenFormat::Opaque, "opaque"), (AccessTokenFormat::Jwt, "JWT")];
    for (format, name) in formats {
        let flow = Flow::new(format);
        let tokens = flow.tokens();
        let requests = [
            ("introspection", flow.introspection(&tokens.access_token)),
            ("refresh", flow.refresh(&tokens.refresh_token)),
            ("code redemption", flow.redemption()),
        ];
        for (what, request) in requests {
            let (allocations, bytes) = count(|| drop(black_box(flow.answer(request))));
            let details = format!("{bytes} bytes");
            figures.add(format!("{what}, {name}: allocations"), allocations, Better::Lower, details);
        }
    }
    if grantry_benches::is_measured() {
        figures.finish();
    }
}

/// A request with an RS256 access token, from its headers to the decision.
fn guard(figures: &mut Figures) {
    let (api, by_hand) = (Api::new(), ApiByHand::new());
    for _ in 0..4 {
        api.check_first();
    }
    let ours = count(|| drop(black_box(api.check_first())));
    let theirs = count(|| drop(black_box(by_hand.check(api.same_request()))));
    add(figures, "request with a token at first sight", ours, theirs);
    api.check_again();
    let (allocations, bytes) = count(|| drop(black_box(api.check_again())));
    let figure = "request with a repeated token: allocations";
    figures.promise(figure, allocations, Better::Lower, 0.0, format!("{bytes} bytes"));
}

fn add(figures: &mut Figures, what: &str, (ours, bytes): (f64, u64), (theirs, their_bytes): (f64, u64)) {
    let details = format!("{bytes} bytes; jsonwebtoken {theirs} and {their_bytes} bytes");
    figures.add(format!("{what}: allocations"), ours, Better::Lower, details);
}

/// Returns allocations and bytes of one run.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn count(run: impl FnOnce()) -> (f64, u64) {
    let info = allocation_counter::measure(run);
    (info.count_total as f64, info.bytes_total)
}
