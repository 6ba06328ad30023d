//! The stored record of a grant: what this release writes, reads and refuses, for every origin and state.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use grantry_server::{
    AccessTokenFormat, Approval, ChangeSet, Effect, Grant, GrantType, Lookup, Outcome, Policy, Reason,
    RecordError, Records, Refusal, RunError, Store, Version, run,
};
use proptest::prelude::*;
use support::{
    ISSUER, LOGIN, NOW, Site, assert_denied, client_id, every_endpoint, issued, redemption, refresh_token,
    request, scope, subject, time,
};

macro_rules! golden {
    ($($name:literal),* $(,)?) => {
        /// Records of the first form, as the first release wrote them. They never change.
        const GOLDEN: &[(&str, &[u8])] =
            &[$(($name, include_bytes!(concat!("golden/grant-1-", $name)))),*];
    };
}

golden![
    "code-issued",
    "active",
    "revoked",
    "pushed",
    "device-pending",
    "device-approved",
    "device-denied",
    "device-active",
    "implicit",
    "password",
    "client",
    "person",
];

fn site() -> Site {
    let policy = Policy::default().danger_with_implicit_grant().danger_with_password_grant();
    let site = every_endpoint(policy.with_access_token_format(AccessTokenFormat::Opaque));
    site.register(
        "web",
        &[GrantType::DeviceCode, GrantType::Implicit, GrantType::Password, GrantType::ClientCredentials],
    );
    site
}

/// What is written last when `work` is done at a new site.
fn last_written(work: impl FnOnce(&Site)) -> Vec<u8> {
    let site = site();
    work(&site);
    site.store.last_written().to_bytes()
}

fn refreshed(site: &Site) -> grantry_server::TokenResponse {
    let tokens = site.tokens(NOW);
    issued(site.refresh("web", refresh_token(&tokens), NOW + 2))
}

fn by_password(site: &Site) {
    let pairs =
        [("grant_type", "password"), ("username", "alice"), ("password", "wonderland"), ("scope", "read")];
    let operation = site.server.token(&request("web", "/token", &pairs));
    issued(site.run(&operation.with_resource_owner(support::approval()), NOW));
}

/// Every part that a person and a request can add.
fn by_a_person_of_many_parts(site: &Site) {
    let claims = r#"{"userinfo":{"email":null},"id_token":{"acr":{"essential":true,"values":["mfa"]}}}"#;
    let approval =
        Approval::new(subject(), time(LOGIN)).with_acr("mfa").with_amr(["pwd", "otp"]).with_sid("sid-1");
    let registered = support::clients().into_iter().find(|client| client.id().as_str() == "web");
    site.store.inner.put_client(registered.unwrap().with_claims(["email"]));
    let interaction = site.interaction("web", &[("claims", Some(claims))], NOW);
    site.run(&site.server.approve(interaction, approval), NOW);
}

fn written(name: &str) -> Vec<u8> {
    let implicit =
        [("response_type", Some("token")), ("code_challenge", None), ("code_challenge_method", None)];
    last_written(|site| match name {
        "code-issued" => drop(site.code(NOW)),
        "active" => drop(refreshed(site)),
        "revoked" => drop(site.revoke("web", refresh_token(&refreshed(site)), NOW + 3)),
        "pushed" => drop(site.push("web", &[], NOW)),
        "device-pending" => drop(site.poll("web", &site.device("web", NOW), NOW + 1)),
        "device-approved" => drop(site.approved("web", NOW)),
        "device-denied" => {
            let interaction = site.find(&site.device("web", NOW), NOW);
            site.refuse(&interaction, Refusal::AccessDenied);
        }
        "device-active" => drop(issued(site.poll("web", &site.approved("web", NOW), NOW + 1))),
        "implicit" => drop(site.approve(site.interaction("web", &implicit, NOW), NOW)),
        "password" => by_password(site),
        "client" => {
            let pairs = [("grant_type", "client_credentials"), ("scope", "read")];
            issued(site.token("web", &pairs, NOW));
        }
        "person" => by_a_person_of_many_parts(site),
        other => unreachable!("{other}"),
    })
}

fn golden(name: &str) -> &'static [u8] {
    GOLDEN.iter().find(|(other, _)| *other == name).unwrap().1
}

#[test]
fn the_first_form_is_written_byte_for_byte() {
    for (name, golden) in GOLDEN {
        assert_eq!(written(name), *golden, "{name}");
    }
}

#[test]
fn the_first_form_is_read_back() {
    for (name, expires_at, is_active) in [
        ("code-issued", NOW + 60, false),
        ("active", NOW + 30 * 24 * 3600, true),
        ("revoked", NOW + 30 * 24 * 3600, false),
    ] {
        let grant = Grant::from_bytes(golden(name)).unwrap();
        assert_eq!((grant.client_id(), grant.subject()), (&client_id("web"), Some(&subject())));
        assert_eq!((grant.issuer().as_str(), grant.scope()), (ISSUER, &scope("openid read write")));
        assert_eq!((grant.created_at(), grant.expires_at()), (time(NOW), time(expires_at)));
        assert_eq!(grant.is_active(time(NOW + 10)), is_active);
    }
}

#[test]
fn a_record_has_one_spelling_and_no_part_less_or_more() {
    let corrupt =
        |bytes: &[u8], name| assert_eq!(Grant::from_bytes(bytes), Err(RecordError::Corrupt), "{name}");
    for (name, golden) in GOLDEN {
        assert_eq!(Grant::from_bytes(golden).unwrap().to_bytes(), *golden, "{name}");
        corrupt(&[golden, b"\0".as_slice()].concat(), name);
        corrupt(&[golden, *golden].concat(), name);
        (0..golden.len()).for_each(|length| corrupt(golden.split_at(length).0, name));
        corrupt(&[&[0], golden.split_at(1).1].concat(), name);
    }
}

/// Nothing is read as a name that could not have been written.
#[test]
fn a_record_with_a_name_that_is_none_is_corrupt() {
    let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
    let active = text(golden("active"));
    for (from, to) in [
        (ISSUER, "http://as.exampleX"),
        (ISSUER, "https://as.exampl?"),
        ("web", "w\u{7f}b"),
        ("alice", "alic\n"),
        ("openid read write", "openid read  rite"),
        ("openid read write", "openid openid abc"),
        ("E9Mel", "E9Me="),
    ] {
        assert!(active.contains(from) && from.len() == to.len(), "{from}");
        let damaged: Vec<u8> = active.replacen(from, to, 1).chars().map(|char| char as u8).collect();
        assert_eq!(Grant::from_bytes(&damaged), Err(RecordError::Corrupt), "{to}");
    }
}

/// ST-20: an old release refuses what a new one wrote, and does not guess.
#[test]
fn a_newer_form_is_refused_as_newer() {
    for form in 2..=255 {
        for rest in [golden("active").split_at(1).1, b"", b"\xff\xfe"] {
            let bytes = [&[form], rest].concat();
            assert_eq!(Grant::from_bytes(&bytes), Err(RecordError::Newer(form)));
        }
    }
}

/// A store that meets such a record says so; the answer is 503, and nothing is deleted.
#[test]
fn a_record_that_cannot_be_read_is_a_failure_and_not_an_absence() {
    struct Upgraded<'a>(&'a Site);
    impl Store for Upgraded<'_> {
        type Error = RecordError;

        fn read(&self, lookup: &Lookup<'_>) -> Result<Records, RecordError> {
            if lookup.grant.is_some() {
                Grant::from_bytes(b"\x02{}")?;
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
    assert_eq!((error, error.to_response().status), (RunError::Store(RecordError::Newer(2)), 503));
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
    for (_, golden) in GOLDEN {
        let grant = Grant::from_bytes(golden).unwrap();
        let salt: Vec<u8> = golden.iter().skip(17).take(16).copied().collect();
        let list = format!("{:?}", salt.split_at(4).0).replace(['[', ']', ' '], "");
        for printed in [format!("{grant:?}"), format!("{grant:#?}")] {
            assert!(!printed.contains(&grantry_core::base64url::encode(&salt)), "{printed}");
            assert!(!printed.replace([' ', '\n'], "").contains(&list), "{printed}");
            assert!(!printed.contains("nonce-1") && !printed.contains("E9Mel"), "{printed}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Grant::from_bytes(&bytes);
        let _ = Grant::from_bytes(&[&[1], bytes.as_slice()].concat());
    }

    /// What is read of damaged bytes is what is written there: nothing is guessed or left out.
    #[test]
    fn a_damaged_record_is_refused_or_has_one_spelling(
        which in 0..GOLDEN.len(),
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (_, golden) = GOLDEN.get(which).unwrap();
        let mut bytes = golden.to_vec();
        let position = position.index(bytes.len());
        bytes.iter_mut().skip(position).take(1).for_each(|old| *old = byte);
        if let Ok(grant) = Grant::from_bytes(&bytes) {
            prop_assert_eq!(grant.to_bytes(), bytes);
        }
    }
}
