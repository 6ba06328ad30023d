//! What stores see, and what a server believes of them.

mod support;

use core::time::Duration;

use grantry_core::base64url;
use grantry_server::{
    AccessTokenFormat, Authorization, Change, ChangeSet, ClaimId, Effect, Lookup, MemoryStore, Outcome,
    Policy, Reason, Records, Store, Version, run,
};
use sha2::{Digest, Sha256};
use support::{
    Fault, NOW, Site, assert_denied, client_id, clients, code, issued, query, redemption, refresh_token,
    request, secret, time,
};

/// ST-18: what somebody with a copy of the table can use.
#[test]
fn rfc9700_4_10_a_dump_holds_nothing_that_can_be_presented() {
    let opaque = Policy::default().with_access_token_format(AccessTokenFormat::Opaque);
    for site in [Site::new(), Site::with_policy(opaque)] {
        let code = site.code(NOW);
        let first = site.store.last_written().to_bytes();
        let tokens = issued(site.redeem("web", &code, NOW));
        let second = site.store.last_written().to_bytes();
        let next = issued(site.refresh("web", refresh_token(&tokens), NOW));
        let third = site.store.last_written().to_bytes();
        let secret = secret("web");
        let secrets = [
            code.as_str(),
            tokens.access_token.expose(),
            refresh_token(&tokens).expose(),
            refresh_token(&next).expose(),
            &secret,
        ];
        for bytes in [first, second, third] {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(support::VERIFIER));
            for secret in secrets {
                let digest = Sha256::digest(secret);
                // Neither the secret, nor its digest, nor the part of a handle that cannot be guessed.
                assert!(!text.contains(secret) && !text.contains(&base64url::encode(digest)));
                if let Some(handle) = secret.get(4..).and_then(|text| base64url::decode(text).ok()) {
                    let tag = base64url::encode(handle.get(38..54).unwrap_or(&handle));
                    assert!(!text.contains(&tag));
                }
            }
        }
    }
}

/// ST-16: a store whose collation folds case answers with another record; byte for byte it is not the one
/// that was asked for.
#[test]
fn cve_2020_15234_a_store_that_finds_another_record_found_nothing() {
    struct Folding<'a>(&'a Site);
    impl Store for Folding<'_> {
        type Error = support::StoreFault;

        fn read(&self, lookup: &Lookup<'_>) -> Result<Records, Self::Error> {
            let id = lookup.client.map(|id| client_id(&id.as_str().to_lowercase()));
            let mut folded = *lookup;
            folded.client = id.as_ref();
            self.0.store.read(&folded)
        }

        fn commit(&self, changes: &ChangeSet) -> Result<Outcome, Self::Error> {
            self.0.store.commit(changes)
        }
    }
    let site = Site::new();
    let store = Folding(&site);
    let get = grantry_core::HttpRequest::new("GET", format!("/authorize?{}", query("WEB", &[])));
    let reply = run(&store, &site.server.authorize(&get), site.moment(NOW)).unwrap();
    let Authorization::Page(page) = reply.answer else { unreachable!("{:?}", reply.event) };
    assert_eq!(page.denial().reason, Reason::ClientUnknown);

    let code = site.code(NOW);
    let good = request("web", "/token", &redemption("web", &code).each());
    let mut folded = grantry_core::HttpRequest::new("POST", "/token").with_body(good.body.clone());
    folded = folded.with_header("Content-Type", "application/x-www-form-urlencoded");
    folded = folded.with_header("Authorization", support::basic("Web", &secret("web")));
    let reply = run(&store, &site.server.token(&folded), site.moment(NOW)).unwrap();
    assert_denied(&reply, "invalid_client", Reason::ClientNotAuthenticated);
    issued(run(&store, &site.server.token(&good), site.moment(NOW)).unwrap());
}

/// A store that mixes rows up: the handle names another grant than the record.
#[test]
fn a_record_of_another_grant_is_no_record() {
    let site = Site::new();
    let first = code(&site.approve(site.interaction("web", &[], NOW), NOW));
    let mine = site.store.last_written();
    let other = {
        site.code(NOW);
        site.store.last_written()
    };
    let records = Records::new().with_grant(other.clone(), Version::FIRST);
    assert!(records.grant(mine.id()).is_none() && records.grant(other.id()).is_some());
    assert!(records.client(&client_id("web")).is_none());
    assert!(!records.is_claim_seen() && Records::new().with_claim_seen().is_claim_seen());
    issued(site.redeem("web", &first, NOW));
}

/// ST-06: the answer to a commit gets lost. Without a window a retry looks like a theft; with one it gets
/// the same tokens.
#[test]
fn a_commit_whose_answer_gets_lost() {
    for (window, is_repeated) in [(0, false), (10, true)] {
        let window = Duration::from_secs(window);
        let site = Site::with_policy(Policy::default().with_code_retry(window).with_refresh_retry(window));
        let code = site.code(NOW);
        let redeem = request("web", "/token", &redemption("web", &code).each());
        site.store.fault.set(Some(Fault::CommitAnswer));
        assert!(site.try_run(&site.server.token(&redeem), NOW).is_err());
        site.store.fault.set(None);
        let reply = site.run(&site.server.token(&redeem), NOW + 5);
        if is_repeated {
            assert_eq!(reply.event.effect, Effect::Repeated);
            issued(site.refresh("web", refresh_token(&issued(reply)), NOW + 5));
        } else {
            assert_denied(&reply, "invalid_grant", Reason::CodeReused);
        }
    }
}

/// What the memory store promises to the loops, and every other store has to.
#[test]
fn the_memory_store_compares_and_swaps() {
    let site = Site::new();
    site.code(NOW);
    let grant = site.store.last_written();
    let store = MemoryStore::new(clients());
    let put = |expected| ChangeSet::from_iter([Change::Put { expected, grant: grant.clone() }]);
    let commit = |changes: &ChangeSet| Store::commit(&store, changes).unwrap();
    let version = || {
        let mut lookup = Lookup::default();
        lookup.grant = Some(grant.id());
        Store::read(&store, &lookup).unwrap().grant(grant.id()).map(|record| record.version)
    };
    assert_eq!((version(), commit(&put(Some(Version::FIRST)))), (None, Outcome::Conflict));
    assert_eq!((commit(&put(None)), version()), (Outcome::Applied, Some(Version::FIRST)));
    assert_eq!((commit(&put(None)), version()), (Outcome::Conflict, Some(Version::FIRST)));
    assert_eq!(commit(&put(Some(Version::FIRST.next()))), Outcome::Conflict);
    assert_eq!(commit(&put(Some(Version::FIRST))), Outcome::Applied);
    assert_eq!(version(), Some(Version::from_number(2)));
    assert_eq!(commit(&put(Some(Version::FIRST))), Outcome::Conflict);
}

#[test]
fn the_memory_store_applies_all_changes_or_none() {
    let site = Site::new();
    site.code(NOW);
    let grant = site.store.last_written();
    let store = MemoryStore::new(clients());
    let id = ClaimId::from_bytes([7; 32]);
    let claim = |until| Change::Claim { id, until: time(until) };
    let put = |expected| Change::Put { expected, grant: grant.clone() };
    let commit = |changes: Vec<Change>| Store::commit(&store, &ChangeSet::from_iter(changes)).unwrap();
    let seen = || {
        let mut lookup = Lookup::default();
        lookup.claim = Some(id);
        Store::read(&store, &lookup).unwrap().is_claim_seen()
    };
    assert_eq!((commit(vec![claim(NOW), put(Some(Version::FIRST))]), seen()), (Outcome::Conflict, false));
    assert_eq!((commit(vec![claim(NOW), put(None)]), seen()), (Outcome::Applied, true));
    assert_eq!(commit(vec![claim(NOW + 1)]), Outcome::Conflict);
    assert_eq!(commit(vec![put(Some(Version::FIRST)), claim(NOW)]), Outcome::Conflict);
    assert_eq!(commit(vec![put(Some(Version::FIRST))]), Outcome::Applied);
    assert_eq!((store.sweep_all(time(NOW)), seen()), (1, false));
}

#[test]
fn an_empty_lookup_is_left_to_nobody() {
    assert!(Lookup::default().is_empty());
    let id = client_id("web");
    let mut lookup = Lookup::default();
    lookup.client = Some(&id);
    assert!(!lookup.is_empty());
}
