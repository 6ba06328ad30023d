//! Requests of a client from their bytes to the bytes of the answer, over stores in memory and with opaque
//! tokens, beside oauth-as and oxide-auth in the same run.
//!
//! Each side gets a path, headers and a form that are not parsed yet, and answers with status, headers and
//! body: routing, form, client authentication, decision, store, clock, entropy and JSON are all in the time.
//! The host of this workspace takes its seeds from the generator of `rand`, which oauth-as and oxide-auth leave no
//! host the choice to; a row says what `Moment::now` costs, which asks the system each time.
//! Each has 1,000 live grants at the start, takes them in turn, and keeps for the whole run what its store
//! does not drop by itself.

use core::hint::black_box;
use core::time::Duration;

use grantry::core::HttpRequest;
use grantry::jwt::{Algorithm, Ring};
use grantry::server::AccessTokenFormat;
use grantry_benches::{
    AccessToken, Better, Call, Crowd, Endpoint, Figures, Flow, Key, Memory, OauthAs, OxideAuth, Seeds, Tour,
    interleaved,
};

fn main() {
    let is_measured = grantry_benches::is_measured();
    let grants = if is_measured { 1000 } else { 10 };
    let ours = Crowd::new(Flow::new(AccessTokenFormat::Opaque), grants);
    let (oauth_as, oxide_auth) = (Crowd::new(OauthAs::new(), grants), Crowd::new(OxideAuth::new(), grants));
    for (call, ..) in CALLS {
        ours.requests(call, 2).into_iter().for_each(|request| ours.answer(request));
        oauth_as.requests(call, 2).into_iter().for_each(|request| oauth_as.answer(request));
    }
    all_agree(ours.server(), oauth_as.server(), oxide_auth.server());

    let mut figures = Figures::new("token_endpoint");
    store_access(&mut figures);
    memory(&mut figures, if is_measured { FULL_TABLES } else { 100 });
    if is_measured {
        for (call, what, bound) in CALLS {
            let times = in_turns(&ours, &oauth_as, call);
            figures.times_faster(&format!("{what}, against oauth-as"), times, Some(bound));
        }
        for (call, what) in [(Call::Refresh, "refresh"), (Call::Redemption, "code redemption with PKCE")] {
            let times = in_turns(&ours, &oxide_auth, call);
            figures.times_faster(&format!("{what}, against oxide-auth"), times, None);
        }
        seeds(&mut figures, &ours);
        forged(&mut figures, &ours);
        large(&mut figures, 1_000_000);
        jwt(&mut figures);
        figures.finish();
    }
}

/// What is asked, and how many times as fast as oauth-as it has to be answered.
const CALLS: [(Call, &str, f64); 3] = [
    (Call::Refresh, "refresh", 2.5),
    (Call::Redemption, "code redemption with PKCE", 2.5),
    (Call::Introspection, "introspection of an opaque token", 1.0),
];

/// So many grants that the hash tables of the peers are as full as they get: their best case.
const FULL_TABLES: u32 = 14_000;

/// Each does the whole of what is timed.
fn all_agree(ours: &Flow, oauth_as: &OauthAs, oxide_auth: &OxideAuth) {
    fn rotates(server: &impl Endpoint) {
        let first = server.tokens();
        let second = server.issued(server.refresh(&first.refresh_token));
        assert_ne!(first.access_token, second.access_token);
        assert_ne!(first.refresh_token, second.refresh_token);
        server.issued(server.refresh(&second.refresh_token));
    }
    fn introspects<E: Endpoint>(server: &E) {
        let request = server.introspection(&server.tokens().access_token);
        let body = E::body(server.answer(request));
        assert!(String::from_utf8_lossy(&body).contains(r#""active":true"#));
    }
    rotates(ours);
    rotates(oauth_as);
    rotates(oxide_auth);
    introspects(ours);
    introspects(oauth_as);
}

fn in_turns<A: Endpoint, B: Endpoint>(
    ours: &Crowd<A>,
    theirs: &Crowd<B>,
    call: Call,
) -> (Duration, Duration) {
    interleaved(
        (|size| ours.requests(call, size), |request| ours.answer(request)),
        (|size| theirs.requests(call, size), |request| theirs.answer(request)),
    )
}

/// Every endpoint and grant, and the one request that must not reach the store.
fn store_access(figures: &mut Figures) {
    let visited = Tour::walk();
    let most = visited.iter().map(|(_, trips)| *trips).max().unwrap_or(0);
    let busiest: Vec<_> = visited.iter().filter(|(_, trips)| *trips == most).map(|(what, _)| *what).collect();
    let details = format!("of {} requests: {}", visited.len(), busiest.join(", "));
    figures.promise("store round trips per request", f64::from(most), Better::Lower, 2.0, details);
    let flow = Flow::new(AccessTokenFormat::Opaque);
    let forged = forged_refresh(&flow);
    let trips = f64::from(flow.round_trips(|| drop(flow.respond(&forged))));
    figures.promise("store round trips of a forged refresh token", trips, Better::Lower, 0.0, "");
}

/// What the stores keep, counted by another program.
fn memory(figures: &mut Figures, grants: u32) {
    let [ours, oauth_as, oxide_auth] = Memory::measure(env!("CARGO_BIN_EXE_memory"), grants);
    let mut promise = |figure, bytes: fn(&Memory) -> f64, bound| {
        let peers = format!("oauth-as {:.0}, oxide-auth {:.0}", bytes(&oauth_as), bytes(&oxide_auth));
        figures.promise(figure, bytes(&ours), Better::Lower, bound, peers);
    };
    promise("bytes of memory per rotation of one grant", |memory| memory.per_rotation, 0.0);
    promise("bytes of memory per live grant", |memory| memory.per_grant, 700.0);
}

/// What a host pays that asks the system for every seed.
fn seeds(figures: &mut Figures, ours: &Crowd<Flow>) {
    let system = Crowd::new(Flow::new(AccessTokenFormat::Opaque).with_seeds(Seeds::System), 1000);
    let (with_system, with_process) = in_turns(&system, ours, Call::Refresh);
    let ratio = with_system.as_secs_f64() / with_process.as_secs_f64();
    let details = format!("{with_system:.2?} against {with_process:.2?}");
    figures.add("refresh with Moment::now, against seeds of the process", ratio, Better::Lower, details);
}

/// A refresh token that looks right and that no key of the server made.
fn forged_refresh(flow: &Flow) -> HttpRequest {
    let genuine = flow.tokens().refresh_token;
    // A character of the first half of the tag, behind the prefix and the 38 bytes of the body.
    let (head, tail) = genuine.split_at(4 + 60);
    let forged = if tail.starts_with('A') { 'B' } else { 'A' };
    let forged = flow.refresh(&[head, &forged.to_string(), tail.get(1..).unwrap_or_default()].concat());
    assert_eq!(flow.respond(&forged).status, 400, "a forged token is refused");
    assert_eq!(flow.respond(&flow.refresh(&genuine)).status, 200, "and the genuine one is not");
    forged
}

fn forged(figures: &mut Figures, ours: &Crowd<Flow>) {
    let forged = forged_refresh(ours.server());
    let times = interleaved(
        (|size| vec![forged.clone(); size], |request| drop(black_box(ours.server().respond(&request)))),
        (|size| ours.requests(Call::Refresh, size), |request| ours.answer(request)),
    );
    figures.within("a forged refresh token, against a refresh", times, 0.5);
}

/// The same refreshes over a large store and a new small one.
fn large(figures: &mut Figures, grants: usize) {
    let crowd = |grants| Crowd::new(Flow::new(AccessTokenFormat::Opaque), grants);
    let times = in_turns(&crowd(grants), &crowd(1000), Call::Refresh);
    figures.within(&format!("refresh with {grants} live grants, against 1000"), times, 1.5);
}

/// Access tokens as JWTs, against what they cannot do without: one signature.
fn jwt(figures: &mut Figures) {
    let crowd = Crowd::new(Flow::new(AccessTokenFormat::Jwt), 100);
    let (key, claims) = (Key::new(Ring, Algorithm::Rs256), AccessToken::typical());
    for (call, what) in [(Call::Refresh, "refresh"), (Call::Redemption, "code redemption with PKCE")] {
        let (whole, signature) = interleaved(
            (|size| crowd.requests(call, size), |request| crowd.answer(request)),
            (|size| vec![(); size], |()| drop(black_box(key.sign(&claims)))),
        );
        let ratio = whole.as_secs_f64() / signature.as_secs_f64();
        let details = format!("{whole:.2?} against {signature:.2?}");
        figures.add(format!("{what}, JWT, against one RS256 signature"), ratio, Better::Lower, details);
    }
}
