//! The second form of a stored grant, as it was first written, for every origin and state.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use grantry_server::{AccessTokenFormat, Approval, Grant, GrantType, Policy, RecordError, Refusal};
use proptest::prelude::*;

use support::{LOGIN, NOW, Site, every_endpoint, issued, refresh_token, request, subject, time};

macro_rules! golden {
    ($($name:literal),* $(,)?) => {
        /// Records as the first release with this form wrote them. They never change.
        const GOLDEN: &[(&str, &[u8])] =
            &[$(($name, include_bytes!(concat!("golden/grant-2-", $name)))),*];
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

#[test]
fn the_second_form_is_written_byte_for_byte() {
    for (name, golden) in GOLDEN {
        assert_eq!(written(name), *golden, "{name}");
    }
}

#[test]
fn a_record_is_read_back_and_has_one_spelling() {
    for (name, golden) in GOLDEN {
        let grant = Grant::from_bytes(golden).unwrap();
        assert_eq!(grant.to_bytes(), *golden, "{name}");
        assert_eq!(
            Grant::from_bytes(&[golden, b"\0".as_slice()].concat()),
            Err(RecordError::Corrupt),
            "{name}"
        );
        for length in 0..golden.len() {
            assert_eq!(
                Grant::from_bytes(golden.split_at(length).0),
                Err(RecordError::Corrupt),
                "{name} {length}"
            );
        }
    }
}

proptest! {
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
