//! The stored record of a grant: what this release writes, reads and refuses.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use grantry_server::{
    ChangeSet, Effect, Grant, Lookup, Outcome, Reason, RecordError, Records, RunError, Store, Version, run,
};
use proptest::prelude::*;
use support::{
    NOW, Site, assert_denied, client_id, issued, redemption, refresh_token, request, scope, subject, time,
};

/// Records of the first form, as the first release wrote them. They never change.
const CODE_ISSUED: &[u8] = include_bytes!("golden/grant-1-code-issued");
const ACTIVE: &[u8] = include_bytes!("golden/grant-1-active");
const REVOKED: &[u8] = include_bytes!("golden/grant-1-revoked");

/// The three records of one grant, written today.
fn written() -> [Vec<u8>; 3] {
    let site = Site::new();
    let code = site.code(NOW);
    let code_issued = site.store.last_written().to_bytes();
    let tokens = issued(site.redeem("web", &code, NOW + 1));
    issued(site.refresh("web", refresh_token(&tokens), NOW + 2));
    let active = site.store.last_written().to_bytes();
    site.revoke("web", refresh_token(&tokens), NOW + 3);
    [code_issued, active, site.store.last_written().to_bytes()]
}

#[test]
fn the_first_form_is_read_as_what_is_written_today() {
    for (written, golden) in written().iter().zip([CODE_ISSUED, ACTIVE, REVOKED]) {
        assert_eq!(Grant::from_bytes(golden), Grant::from_bytes(written));
    }
}

#[test]
fn the_first_form_is_read_back() {
    for (golden, expires_at, is_active) in [
        (CODE_ISSUED, NOW + 60, false),
        (ACTIVE, NOW + 1 + 30 * 24 * 3600, true),
        (REVOKED, NOW + 1 + 30 * 24 * 3600, false),
    ] {
        let grant = Grant::from_bytes(golden).unwrap();
        assert_eq!((grant.client_id(), grant.subject()), (&client_id("web"), Some(&subject())));
        assert_eq!(grant.scope(), &scope("openid read write"));
        assert_eq!((grant.created_at(), grant.expires_at()), (time(NOW), time(expires_at)));
        assert_eq!(grant.is_active(time(NOW + 10)), is_active);
    }
}

/// ST-20: an old release refuses what a new one wrote, and does not guess.
#[test]
fn a_newer_form_is_refused_as_newer() {
    for form in 3..=255 {
        for rest in [ACTIVE.split_at(1).1, b"", b"\xff\xfe"] {
            let bytes = [&[form], rest].concat();
            assert_eq!(Grant::from_bytes(&bytes), Err(RecordError::Newer(form)));
        }
    }
}

fn replaced(from: &str, to: &str) -> Vec<u8> {
    let text = core::str::from_utf8(ACTIVE).unwrap();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn damaged_bytes_are_refused_as_corrupt() {
    let corrupt = |bytes: &[u8]| {
        assert_eq!(Grant::from_bytes(bytes), Err(RecordError::Corrupt), "{}", String::from_utf8_lossy(bytes));
    };
    for length in 0..ACTIVE.len() {
        corrupt(ACTIVE.split_at(length).0);
    }
    corrupt(&[&[0], ACTIVE.split_at(1).1].concat());
    for tail in ["x", "{}", "\0", "]"] {
        corrupt(&[ACTIVE, tail.as_bytes()].concat());
    }
    corrupt(&[ACTIVE, ACTIVE].concat());
    corrupt(b"\x01[]");
    corrupt(b"\x01null");
}

/// ST-20: nothing that is missing is read as if it were not so.
#[test]
fn a_record_has_every_member_once_and_no_other() {
    for (from, to) in [
        ("{\"id\"", "{\"x\":1,\"id\""),
        ("{\"id\":", "{\"id\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"id\":"),
        ("\"salt\":\"", "\"salt\":\"AA"),
        ("\"subject\":\"alice\"", "\"subject\":\"\""),
        ("\"subject\":\"alice\",", ""),
        ("\"client_id\":\"web\"", "\"client_id\":7"),
        ("\"scope\":\"openid read write\"", "\"scope\":\"openid  read\""),
        ("\"redirect_uri_named\":true", "\"redirect_uri_named\":1"),
        ("\"code_challenge\":\"E9", "\"code_challenge\":\"E"),
        ("\"expires_at\":", "\"expires_at\":-"),
        ("\"expires_at\":", "\"expires_at\":1.5e99,\"y\":"),
        ("\"serial\":2", "\"serial\":4294967296"),
        ("\"state\":{\"active\":{", "\"state\":{\"alive\":{"),
        ("\"since\":", "\"sinse\":"),
    ] {
        assert_eq!(Grant::from_bytes(&replaced(from, to)), Err(RecordError::Corrupt), "{to}");
    }
    let as_array =
        b"\x01[\"AAAAAAAAAAAAAAAAAAAAAA\",\"AAAAAAAAAAAAAAAAAAAAAA\",\"web\",\"alice\",\"read\",\"u\",\
        true,\"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\",null,1,1,1,1,\"code_issued\"]";
    assert_eq!(Grant::from_bytes(as_array), Err(RecordError::Corrupt));
}

/// A store that meets such a record says so; the answer is 503, and nothing is deleted.
#[test]
fn a_record_that_cannot_be_read_is_a_failure_and_not_an_absence() {
    struct Upgraded<'a>(&'a Site);
    impl Store for Upgraded<'_> {
        type Error = RecordError;

        fn read(&self, lookup: &Lookup<'_>) -> Result<Records, RecordError> {
            if lookup.grant.is_some() {
                Grant::from_bytes(b"\x03{}")?;
            }
            Ok(Store::read(&self.0.store.inner, lookup).unwrap())
        }

        fn commit(&self, changes: &ChangeSet) -> Result<Outcome, RecordError> {
            Ok(Store::commit(&self.0.store.inner, changes).unwrap())
        }
    }
    let site = Site::new();
    let code = site.code(NOW);
    let redeem = request("web", "/token", &redemption("web", &code).each());
    let error = run(&Upgraded(&site), &site.server.token(&redeem), site.moment(NOW)).unwrap_err();
    assert_eq!((error, error.to_response().status), (RunError::Store(RecordError::Newer(3)), 503));
    issued(site.run(&site.server.token(&redeem), NOW));
}

/// A record that lost a write: the handle is newer than it, and nothing is revoked for that.
#[test]
fn a_handle_newer_than_its_record_is_unknown() {
    struct Stale<'a>(&'a Site, Grant);
    impl Store for Stale<'_> {
        type Error = RecordError;

        fn read(&self, lookup: &Lookup<'_>) -> Result<Records, RecordError> {
            let records = Store::read(&self.0.store.inner, lookup).unwrap();
            Ok(records.with_grant(self.1.clone(), Version::FIRST))
        }

        fn commit(&self, _: &ChangeSet) -> Result<Outcome, RecordError> {
            unreachable!("nothing is written on the word of a stale record")
        }
    }
    let site = Site::new();
    let code = site.code(NOW);
    let before = site.store.last_written();
    let tokens = issued(site.redeem("web", &code, NOW));
    let first = site.store.last_written();
    let next = issued(site.refresh("web", refresh_token(&tokens), NOW));
    for (stale, token) in [(before, refresh_token(&tokens)), (first, refresh_token(&next))] {
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        let refresh = request("web", "/token", &pairs);
        let reply = run(&Stale(&site, stale), &site.server.token(&refresh), site.moment(NOW)).unwrap();
        assert_denied(&reply, "invalid_grant", Reason::RefreshTokenUnknown);
        assert_eq!(reply.event.effect, Effect::Nothing);
    }
}

#[test]
fn debug_of_a_grant_shows_no_salt() {
    for golden in [CODE_ISSUED, ACTIVE, REVOKED] {
        let text = String::from_utf8_lossy(golden);
        let salt = text.split("\"salt\":\"").nth(1).unwrap().split('"').next().unwrap();
        let bytes = grantry_core::base64url::decode(salt).unwrap();
        let grant = Grant::from_bytes(golden).unwrap();
        for printed in [format!("{grant:?}"), format!("{grant:#?}")] {
            let list = format!("{:?}", bytes.split_at(4).0).replace(['[', ']', ' '], "");
            assert!(
                !printed.contains(salt) && !printed.replace([' ', '\n'], "").contains(&list),
                "{printed}"
            );
            assert!(!printed.contains("nonce-1") && !printed.contains("E9Mel"), "{printed}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Grant::from_bytes(&bytes);
        let _ = Grant::from_bytes(&[&[1, b'{'], bytes.as_slice()].concat());
    }

    #[test]
    fn a_record_with_a_changed_byte_is_read_or_refused(
        which in prop::sample::select(vec![CODE_ISSUED, ACTIVE, REVOKED]),
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = which.to_vec();
        let position = position.index(bytes.len());
        bytes.iter_mut().skip(position).take(1).for_each(|old| *old = byte);
        if let Ok(grant) = Grant::from_bytes(&bytes) {
            prop_assert_eq!(Grant::from_bytes(&grant.to_bytes()), Ok(grant));
        }
    }
}
