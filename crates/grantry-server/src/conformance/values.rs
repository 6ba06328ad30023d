//! The rules of what keys and records may hold.

use alloc::{
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};

use grantry_core::{Scope, UnixTime};

use super::rule::Mismatch;
use super::scene::{Scene, due_at, filler, insert, replace, rotated};
use crate::claims_request::ClaimsRequest;
use crate::decision::{Change, ClaimId};
use crate::grant::{Grant, GrantId, Origin, State};
use crate::operation::{Lookup, Version};
use crate::pushed_request::MAX_PUSHED_REQUEST_BYTES;

pub(super) async fn ids_apart(scene: &Scene<'_>) -> Result<(), Mismatch> {
    for kind in [Bytes::NotText, Bytes::Letters, Bytes::WithZero] {
        let label = format!("apart {kind:?}");
        let id = GrantId::from_bytes(kind.of(*scene.id(&label).as_bytes()));
        let claim = ClaimId::from_bytes(kind.of(*scene.claim_id(&label).as_bytes()));
        let grant = scene.grant_of(id, &scene.client_id, Some(&scene.subject));
        scene.applies("a claim and an insert", [scene.claim(claim), insert(&grant)]).await?;
        scene.stands("a read by the id", &grant, Version::FIRST).await?;
        scene.is_claimed("a read by the id", claim).await?;
        for position in 0..32 {
            let step = "a read by an id that differs in one byte";
            let near = GrantId::from_bytes(kind.near(*id.as_bytes(), position % 16));
            let other = ClaimId::from_bytes(kind.near(*claim.as_bytes(), position));
            let lookup = Lookup { grant: Some(near), claim: Some(other), ..Lookup::default() };
            let records = scene.read(step, &lookup).await?;
            let seen = (records.grant(near).is_some(), records.is_claim_seen());
            Mismatch::unless_equal(step, &(false, false), &seen)?;
        }
        let near = GrantId::from_bytes(kind.near(*id.as_bytes(), 15));
        let near = rotated(&scene.grant_of(near, &scene.client_id, Some(&scene.subject)), 1);
        let other = ClaimId::from_bytes(kind.near(*claim.as_bytes(), 31));
        scene.applies("writing ids that differ in one byte", [scene.claim(other), insert(&near)]).await?;
        scene.stands("a read by the first id", &grant, Version::FIRST).await?;
        scene.stands("a read by the second id", &near, Version::FIRST).await?;
    }
    Ok(())
}

/// What a store that takes an id for text gets wrong.
#[derive(Clone, Copy, Debug)]
enum Bytes {
    /// Bytes that no character begins or goes on with.
    NotText,
    /// Letters, of which the nearest is the other case.
    Letters,
    /// Bytes that go on behind a zero.
    WithZero,
}

impl Bytes {
    fn of<const N: usize>(self, mut random: [u8; N]) -> [u8; N] {
        for (position, byte) in random.iter_mut().enumerate() {
            *byte = match self {
                Self::NotText => *byte | 0xf8,
                Self::Letters => b'a' + *byte % 26,
                Self::WithZero if position == 12 => 0,
                Self::WithZero => *byte | 1,
            };
        }
        random
    }

    fn near<const N: usize>(self, mut id: [u8; N], position: usize) -> [u8; N] {
        let change = match self {
            Self::NotText => 1,
            Self::Letters => 0x20,
            Self::WithZero => 0x80,
        };
        id.iter_mut().skip(position).take(1).for_each(|byte| *byte ^= change);
        id
    }
}

pub(super) async fn largest_times(scene: &Scene<'_>) -> Result<(), Mismatch> {
    let signed = u64::MAX / 2;
    for seconds in [u64::from(u32::MAX) + 1, signed, signed + 1, u64::MAX] {
        let time = UnixTime::from_secs(seconds);
        let label = format!("largest {seconds}");
        let mut grant = scene.grant(&label);
        Arc::make_mut(&mut grant.terms).created_at = time;
        let state = State::Revoked { since: time };
        let grant = Grant { expires_at: time, kept_until: time, state, ..grant };
        let id = scene.claim_id(&label);
        let claim = Change::Claim { id, until: time };
        scene.applies("writing with a large time", [claim.clone(), insert(&grant)]).await?;
        scene.stands("a read of a grant with a large time", &grant, Version::FIRST).await?;
        scene.is_claimed("a read of a claim until a large time", id).await?;
        scene.conflicts("a second claim until a large time", [claim]).await?;
    }
    Ok(())
}

pub(super) async fn past_times(scene: &Scene<'_>) -> Result<(), Mismatch> {
    let times = [UnixTime::from_secs(0), UnixTime::from_secs(3600), scene.now()];
    for (until, number) in times.into_iter().zip(0..) {
        let label = format!("past {number}");
        let claim = Change::Claim { id: scene.claim_id(&label), until };
        let grant = due_at(scene.grant(&label), until);
        scene.applies("a claim and an insert whose time has passed", [claim, insert(&grant)]).await?;
    }
    Ok(())
}

pub(super) async fn large_record(scene: &Scene<'_>) -> Result<(), Mismatch> {
    for (label, origin) in [
        ("large code", None),
        ("large request", Some(Origin::Pushed(filler(scene, "request", MAX_PUSHED_REQUEST_BYTES)))),
    ] {
        let grant = large(scene, label, origin)?;
        scene.applies("inserting a large grant", [insert(&grant)]).await?;
        scene.stands("a read of a large grant", &grant, Version::FIRST).await?;
        let next = rotated(&grant, 1);
        scene.applies("replacing a large grant", [replace(Version::FIRST, &next)]).await?;
        scene.stands("a read of a large grant", &next, Version::FIRST.next()).await?;
    }
    Ok(())
}

/// Every text of the grant as long as a request may bring it.
fn large(scene: &Scene<'_>, label: &str, origin: Option<Origin>) -> Result<Grant, Mismatch> {
    const RESOURCE_BYTES: usize = 2048;
    let mut grant = scene.grant(label);
    let terms = Arc::make_mut(&mut grant.terms);
    let token_bytes = Scope::MAX_BYTES / Scope::MAX_TOKENS - 1;
    let tokens: Vec<_> =
        (0..Scope::MAX_TOKENS).map(|number| filler(scene, &format!("scope {number}"), token_bytes)).collect();
    terms.scope = Scope::parse(&tokens.join(" "))?;
    let resource = |number: usize| filler(scene, &format!("resource {number}"), RESOURCE_BYTES);
    terms.resources = (0..crate::policy::Policy::MAX_RESOURCES).map(resource).collect();
    let name_bytes = ClaimsRequest::MAX_BYTES / ClaimsRequest::MAX_NAMES;
    let names: Vec<String> = (0..ClaimsRequest::MAX_NAMES)
        .map(|number| filler(scene, &format!("claim {number}"), name_bytes))
        .collect();
    let text = serde_json::json!({ "u": names }).to_string();
    terms.claims = serde_json::from_str(&text).ok();
    terms.origin = origin.unwrap_or(Origin::Implicit);
    Ok(grant)
}
