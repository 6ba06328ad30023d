//! The rules of reading and of compare-and-swap.

use alloc::{vec, vec::Vec};

use grantry_core::{ClientId, CodeVerifier};

use super::port::Parts;
use super::rule::Mismatch;
use super::scene::{Scene, filler, holds, insert, replace, rotated};
use crate::client::Client;
use crate::client_authentication::ClientAuthentication;
use crate::decision::{Change, ClaimId};
use crate::grant::{CodeOrigin, Grant, GrantId, Origin, State};
use crate::operation::{Lookup, Records, Version};

const SECOND: Version = Version::FIRST.next();

pub(super) async fn absent_is_absent(scene: &Scene<'_>) -> Result<(), Mismatch> {
    let step = "a read of four keys that nobody wrote";
    let client_id = scene.client_id("nobody")?;
    let lookup = Lookup {
        client: Some(&client_id),
        grant: Some(scene.id("absent")),
        claim: Some(scene.claim_id("absent")),
        assertion: Some(scene.claim_id("absent too")),
        ..Lookup::default()
    };
    let records = scene.read(step, &lookup).await?;
    Mismatch::unless_equal(step, &Found::default(), &Found::of(&records, &lookup))
}

pub(super) async fn read_as_written(scene: &Scene<'_>) -> Result<(), Mismatch> {
    for grant in of_every_form(scene) {
        scene.applies("inserting a grant", [insert(&grant)]).await?;
        scene.stands("a read of the grant", &grant, Version::FIRST).await?;
        scene.stands("another read of the grant", &grant, Version::FIRST).await?;
    }
    Ok(())
}

/// A grant for each origin and each state.
fn of_every_form(scene: &Scene<'_>) -> Vec<Grant> {
    let since = scene.now();
    let code = CodeOrigin {
        redirect_uri: "https://kit.example/cb?a='b'&c=%25".into(),
        redirect_uri_named: true,
        code_challenge: CodeVerifier::generate(&scene.moment).challenge(),
        nonce: Some("\u{1f511} 'nonce' \\ %s".into()),
    };
    let device = || Origin::Device { client_name: "\u{e9}\u{301} \"Kit\"".into() };
    let forms = [
        ("code", Origin::Code(code), State::CodeIssued),
        ("pushed", Origin::Pushed(filler(scene, "pushed", 300)), State::Pushed),
        ("device", device(), State::DevicePending { interval: 5, polled_at: since }),
        ("approved", device(), State::DeviceApproved),
        ("denied", device(), State::DeviceDenied),
        ("implicit", Origin::Implicit, State::Active { serial: 0, since }),
        ("client", Origin::Client, State::Active { serial: u32::MAX, since }),
        ("revoked", Origin::Password, State::Revoked { since }),
    ];
    let make = |(label, origin, state): (&str, Origin, State)| {
        let person = match state {
            State::Pushed | State::DevicePending { .. } | State::DeviceDenied => None,
            State::DeviceApproved | State::CodeIssued | State::Active { .. } | State::Revoked { .. } => {
                Some(&scene.subject)
            }
        };
        let mut grant = scene.grant_of(scene.id(label), &scene.client_id, person);
        alloc::sync::Arc::make_mut(&mut grant.terms).origin = origin;
        Grant { state, ..grant }
    };
    forms.map(make).into()
}

pub(super) async fn each_key_for_itself(scene: &Scene<'_>) -> Result<(), Mismatch> {
    let step = "a read of several keys, some written and some not";
    let (grant, claimed) = (scene.grant("several"), scene.claim_id("several"));
    scene.applies("inserting a grant with a claim", [scene.claim(claimed), insert(&grant)]).await?;
    let registered = scene.client_id("several")?;
    let absent = (scene.client_id("several not")?, scene.id("several not"), scene.claim_id("several not"));
    let mut clients = vec![None, Some(&absent.0)];
    if let Parts { clients: Some(part), .. } = &scene.parts {
        let client = Client::new(registered.clone(), ClientAuthentication::None);
        part.register(client).await.map_err(|error| Mismatch::of_error("registering a client", &error))?;
        clients.push(Some(&registered));
    }
    for client in clients {
        for id in [None, Some(absent.1), Some(grant.id())] {
            for claim in [None, Some(absent.2), Some(claimed)] {
                for assertion in [None, Some(absent.2), Some(claimed)] {
                    let lookup = Lookup { client, grant: id, claim, assertion, ..Lookup::default() };
                    let expected = Found {
                        client: client == Some(&registered),
                        grant: id == Some(grant.id()),
                        claim: claim == Some(claimed),
                        assertion: assertion == Some(claimed),
                    };
                    let records = scene.read(step, &lookup).await?;
                    Mismatch::unless_equal(step, &expected, &Found::of(&records, &lookup))?;
                    if expected.grant {
                        holds(step, &records, &grant, Version::FIRST)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// What a read found of what it was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    client: bool,
    grant: bool,
    claim: bool,
    assertion: bool,
}

impl Found {
    fn of(records: &Records, lookup: &Lookup<'_>) -> Self {
        let client = |id: &ClientId| records.client(id).is_some();
        let grant = |id: GrantId| records.grant(id).is_some();
        Self {
            client: lookup.client.is_some_and(client),
            grant: lookup.grant.is_some_and(grant),
            claim: records.is_claim_seen(),
            assertion: records.is_assertion_seen(),
        }
    }
}

pub(super) async fn insert_once(scene: &Scene<'_>) -> Result<(), Mismatch> {
    let grant = scene.grant("once");
    let (other, third) = (rotated(&grant, 1), rotated(&grant, 2));
    scene.applies("the first insert", [insert(&grant)]).await?;
    for again in [&grant, &other] {
        scene.conflicts("a second insert", [insert(again)]).await?;
        scene.stands("a read after a second insert", &grant, Version::FIRST).await?;
    }
    scene.applies("a replacement", [replace(Version::FIRST, &other)]).await?;
    scene.conflicts("an insert over a replaced grant", [insert(&third)]).await?;
    scene.stands("a read after an insert over a replaced grant", &other, SECOND).await
}

pub(super) async fn versions_count(scene: &Scene<'_>) -> Result<(), Mismatch> {
    let grant = scene.grant("versions");
    scene.applies("an insert", [insert(&grant)]).await?;
    let mut version = Version::FIRST;
    for serial in 1..=20 {
        let next = rotated(&grant, serial);
        scene.applies("a put at the version of the record", [replace(version, &next)]).await?;
        version = version.next();
        scene.stands("a read after a put", &next, version).await?;
    }
    Ok(())
}

/// Numbers that a column too narrow, or without a sign, takes for `version`.
fn not(version: Version) -> impl Iterator<Item = Version> {
    let number = version.as_number();
    let near = [0, number.saturating_sub(1), number.saturating_add(1)];
    let wrapped = [1 << 16, 1 << 32, 1 << 63].map(|wrap| number.saturating_add(wrap));
    let numbers = near.into_iter().chain(wrapped).chain([u64::MAX]);
    numbers.filter(move |other| *other != number).map(Version::from_number)
}

pub(super) async fn stale_version(scene: &Scene<'_>) -> Result<(), Mismatch> {
    let grant = scene.grant("stale");
    let (stands, other) = (rotated(&grant, 1), rotated(&grant, 2));
    scene.applies("an insert", [insert(&grant)]).await?;
    scene.applies("a replacement", [replace(Version::FIRST, &stands)]).await?;
    for version in not(SECOND) {
        scene.conflicts("a put at another version", [replace(version, &other)]).await?;
        scene.stands("a read after a put at another version", &stands, SECOND).await?;
    }
    scene.applies("a put at the version of the record", [replace(SECOND, &other)]).await
}

pub(super) async fn nothing_to_replace(scene: &Scene<'_>) -> Result<(), Mismatch> {
    let grant = scene.grant("nothing");
    for version in not(SECOND).chain([SECOND]) {
        scene.conflicts("a put at a version where nothing is", [replace(version, &grant)]).await?;
        scene.is_absent("a read after such a put", grant.id()).await?;
    }
    scene.applies("an insert after such a put", [insert(&grant)]).await?;
    scene.stands("a read after the insert", &grant, Version::FIRST).await
}

pub(super) async fn all_or_none(scene: &Scene<'_>) -> Result<(), Mismatch> {
    let there = scene.grant("there");
    let taken = scene.claim_id("taken");
    let both = [scene.claim(taken), insert(&there)];
    scene.applies("a claim and an insert", both).await?;
    scene.stands("a read after a claim and an insert", &there, Version::FIRST).await?;
    scene.is_claimed("a read after a claim and an insert", taken).await?;

    let (absent, free) = (scene.grant("not there"), scene.claim_id("free"));
    let moved = rotated(&there, 1);
    let good = [insert(&absent), scene.claim(free), replace(Version::FIRST, &moved)];
    let bad = [scene.claim(taken), insert(&moved), replace(SECOND, &moved)];
    for good in &good {
        for bad in &bad {
            if is_of_one_key(good, bad) {
                continue;
            }
            for set in [[good, bad], [bad, good]] {
                let step = "a set with one change that does not hold";
                scene.conflicts(step, set.map(Change::clone)).await?;
                nothing_changed(scene, &there, absent.id(), free).await?;
            }
        }
    }
    let [first, second, third] = good;
    scene.applies("a set of three changes", [second, first, third]).await?;
    scene.stands("a read after a set of three changes", &absent, Version::FIRST).await?;
    scene.stands("a read after a set of three changes", &moved, SECOND).await?;
    scene.is_claimed("a read after a set of three changes", free).await
}

/// No operation changes one key twice.
fn is_of_one_key(one: &Change, other: &Change) -> bool {
    match (one, other) {
        (Change::Put { grant: one, .. }, Change::Put { grant: other, .. }) => one.id() == other.id(),
        (Change::Claim { id: one, .. }, Change::Claim { id: other, .. }) => one == other,
        (Change::Put { .. }, Change::Claim { .. }) | (Change::Claim { .. }, Change::Put { .. }) => false,
    }
}

async fn nothing_changed(
    scene: &Scene<'_>,
    there: &Grant,
    absent: GrantId,
    free: ClaimId,
) -> Result<(), Mismatch> {
    let step = "a read after a set with one change that does not hold";
    scene.stands(step, there, Version::FIRST).await?;
    scene.is_absent(step, absent).await?;
    scene.is_unclaimed(step, free).await
}

pub(super) async fn claim_once(scene: &Scene<'_>) -> Result<(), Mismatch> {
    let id = scene.claim_id("once");
    scene.is_unclaimed("a read before the claim", id).await?;
    scene.applies("the first claim", [scene.claim(id)]).await?;
    scene.is_claimed("a read after the claim", id).await?;
    for until in
        [scene.later(), scene.now(), scene.later().saturating_add(core::time::Duration::from_secs(1))]
    {
        scene.conflicts("a second claim", [Change::Claim { id, until }]).await?;
        scene.is_claimed("a read after a second claim", id).await?;
    }
    Ok(())
}
