//! Bytes that a grant costs each server, by an allocator that counts. It is a program of its own because
//! counting slows the allocator down; the bench `token_endpoint` runs it and says for how many grants.

use allocation_counter::measure;
use grantry::server::AccessTokenFormat;
use grantry_benches::{Endpoint, Flow, Memory, OauthAs, OxideAuth};

#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a program that is asked and answers")]
fn main() {
    let grants = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1000);
    let measured = [
        memory(|| Flow::new(AccessTokenFormat::Opaque), grants),
        memory(OauthAs::new, grants),
        memory(OxideAuth::new, grants),
    ];
    println!("{}", serde_json::json!(measured));
}

/// Measures what a server keeps: everything else is dropped again.
fn memory<E: Endpoint>(server: impl Fn() -> E, count: u32) -> Memory {
    let rotating = server();
    let mut refresh_token = rotating.tokens().refresh_token;
    let mut rotate = || refresh_token = rotating.issued(rotating.refresh(&refresh_token)).refresh_token;
    rotate();
    let rotations = measure(|| (0..count).for_each(|_| rotate()));
    let granting = server();
    drop(granting.tokens());
    let grants = measure(|| (0..count).for_each(|_| drop(granting.tokens())));
    Memory::new(per(rotations.bytes_current, count), per(grants.bytes_current, count))
}

#[expect(clippy::cast_precision_loss, reason = "a store is smaller than 2^53 bytes")]
fn per(bytes: i64, count: u32) -> f64 {
    bytes as f64 / f64::from(count)
}
