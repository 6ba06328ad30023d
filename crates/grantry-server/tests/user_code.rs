//! The page where a person types the code of a device, and answers
//! ([RFC 8628 section 3.3](https://www.rfc-editor.org/rfc/rfc8628#section-3.3)).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use core::time::Duration;

use grantry_core::{Issuer, base64url};
use grantry_server::{
    Answered, Approval, Client, DeviceResponse, Effect, Endpoint, Endpoints, EventKind, GrantType,
    Interaction, Policy, Reason, Refusal, Server, Subject, Verification,
};
use support::{
    Fault, ISSUER, KEY, LOGIN, NOW, Site, approval, assert_denied, assert_page, assert_pending,
    assert_unknown, client_id, clients, every_endpoint, found, handle_key, issued, scope, server_of, time,
};
const UNTOUCHED: [usize; 3] = [0, 0, 0];
const READ: [usize; 3] = [1, 1, 0];
const WRITTEN: [usize; 3] = [1, 1, 1];
/// The life of a device code, in seconds.
const LIFETIME: u64 = 600;

fn site() -> Site {
    every_endpoint(Policy::default())
}

/// DV-18 and CS-05: finding the device decides nothing, as often as it happens.
#[test]
fn rfc8628_3_3_1_a_code_in_the_query_decides_nothing() {
    let site = site();
    let device = site.device("native", NOW);
    for _ in 0..3 {
        let (reply, counts) = site.store.count(|| site.verify(device.user_code.expose(), NOW));
        assert_eq!(counts, READ);
        let event = &reply.event;
        assert_eq!((event.endpoint, event.kind), (Endpoint::Verification, EventKind::DeviceFound));
        assert_eq!((event.effect, event.denial), (Effect::Nothing, None));
        assert_eq!(event.client_id, Some(client_id("native")));
        let interaction = found(reply);
        assert_eq!(interaction.client_name(), "native");
        assert_eq!(interaction.scope(), &scope("read write"));
        assert_eq!(interaction.resources(), [ISSUER]);
        assert_eq!((interaction.redirect_uri(), interaction.max_age()), (None, None));
        assert_eq!(interaction.expires_at(), time(NOW + 15 * 60));
    }
    assert_pending(&site.poll("native", &device, NOW));
}

/// DV-14.
#[test]
fn rfc8628_6_1_a_code_is_found_in_any_case_and_spacing() {
    let site = site();
    let device = site.device("native", NOW);
    let code = device.user_code.expose();
    let letters = code.replace('-', "");
    for typed in [
        letters.clone(),
        letters.to_lowercase(),
        code.to_lowercase(),
        format!("  {}\t", code.replace('-', " ")),
        code.replace('-', "\u{2013}"),
        letters.chars().map(|letter| format!("{letter}.")).collect(),
    ] {
        assert_eq!(found(site.verify(&typed, NOW)), site.find(&device, NOW), "{typed}");
    }
}

/// DV-16: a guess is counted by its event, and reaches the store one time in 20.
#[test]
fn rfc8628_5_1_a_wrong_check_letter_is_refused_without_store_access() {
    let site = site();
    let device = site.device("native", NOW);
    let code = device.user_code.expose();
    let (start, last) = code.split_at(code.len() - 1);
    for other in "BCDFGHJKLMNPQRSTVWXZ".chars().filter(|other| !last.contains(*other)) {
        let (reply, counts) = site.store.count(|| site.verify(&format!("{start}{other}"), NOW));
        assert_unknown(&reply);
        assert_eq!(counts, UNTOUCHED);
    }
    for text in ["", "AEI-OUY-AEI", "BCD-FGH", &"B".repeat(100_000)] {
        let (reply, counts) = site.store.count(|| site.verify(text, NOW));
        assert_unknown(&reply);
        assert_eq!(counts, UNTOUCHED);
    }
}

/// One answer for whatever is the matter, and none that a device's own code does not give.
#[test]
fn rfc8628_5_1_what_is_not_waiting_is_unknown() {
    let site = site();
    let of = |device: &DeviceResponse, now| site.verify(device.user_code.expose(), now);
    let device = site.device("web", NOW);
    found(of(&device, NOW + LIFETIME - 1));
    assert_unknown(&of(&device, NOW + LIFETIME));
    let device = site.approved("web", NOW);
    assert_unknown(&of(&device, NOW));
    issued(site.poll("web", &device, NOW));
    assert_unknown(&of(&device, NOW));
    let device = site.device("web", NOW);
    site.refuse(&site.find(&device, NOW), Refusal::AccessDenied);
    assert_unknown(&of(&device, NOW));
    site.poll("web", &device, NOW);
    assert_unknown(&of(&device, NOW));
    let device = site.device("web", NOW);
    site.store.fault.set(Some(Fault::NoGrants));
    assert_unknown(&of(&device, NOW));
    let response = match of(&device, NOW).answer {
        Verification::Page(page) => page.to_response(),
        Verification::Interact(_) => panic!("found"),
    };
    assert_eq!((response.status, response.headers.only("Cache-Control")), (400, Some("no-store")));
}

/// DV-19, CS-01 and CS-02: the page opens in the session that it was made for.
#[test]
fn rfc9700_4_7_the_page_of_one_session_is_answered_in_no_other() {
    let site = site();
    let asked = site.find(&site.device("native", NOW), NOW);
    let sealed = site.server.seal(&asked, "session");
    assert_eq!(site.server.unseal(&sealed, "session", time(NOW)).as_ref(), Ok(&asked));
    for session in ["other", ""] {
        assert!(site.server.unseal(&sealed, session, time(NOW)).is_err());
    }
    let other = server_of("https://other.example");
    assert!(other.unseal(&sealed, "session", time(NOW)).is_err());
    assert!(site.server.unseal(&sealed, "session", time(NOW + 15 * 60)).is_err());
}

/// CS-18.
#[test]
fn rfc8628_5_4_a_long_client_name_is_cut_where_it_is_shown() {
    let site = site();
    for client in clients().into_iter().filter(|client| client.id().as_str() == "native") {
        let client = client.with_name("\u{202e}name".repeat(10_000));
        site.store.inner.put_client(client.with_grant_types([GrantType::DeviceCode]));
    }
    let device = site.device("native", NOW);
    assert!(site.store.last_written().to_bytes().len() < 1000);
    let asked = site.find(&device, NOW);
    assert_eq!(asked.client_name().chars().count(), Client::MAX_NAME_CHARACTERS);
}

#[test]
fn rfc8628_3_3_an_approval_lets_the_device_in() {
    let site = site();
    let device = site.device("native", NOW);
    let asked = site.find(&device, NOW);
    let (reply, counts) = site.store.count(|| site.approve(asked, NOW + 60));
    assert_eq!(counts, WRITTEN);
    let event = &reply.event;
    assert_eq!((event.endpoint, event.kind), (Endpoint::Verification, EventKind::DeviceApproved));
    assert_eq!((event.effect, event.denial), (Effect::Written, None));
    assert_eq!(event.subject, Some(support::subject()));
    let grant = site.store.last_written();
    assert_eq!((event.grant, grant.created_at()), (Some(grant.id()), time(NOW + 60)));
    assert_eq!(grant.expires_at(), time(NOW + LIFETIME));
    let response = reply.answer.to_response();
    assert_eq!((response.status, response.headers.only("Cache-Control")), (200, Some("no-store")));
    assert_eq!(response.headers.only("Location"), None);
}

#[test]
fn rfc6749_3_3_an_approval_narrows_what_the_device_gets() {
    let site = site();
    let device = site.device("native", NOW);
    let narrow = approval().narrowed_to(scope("read openid"));
    site.run(&site.server.approve(site.find(&device, NOW), narrow), NOW);
    let tokens = issued(site.poll("native", &device, NOW));
    assert_eq!((tokens.scope.to_string().as_str(), tokens.id_token.is_none()), ("read", true));
}

/// Who grants nothing has refused; the page is told, and may be answered otherwise.
#[test]
fn rfc6749_3_3_an_approval_of_nothing_lets_nobody_in() {
    let site = site();
    let device = site.device("native", NOW);
    let asked = site.find(&device, NOW);
    let nothing = approval().narrowed_to(scope("offline_access"));
    assert_page(&site.run(&site.server.approve(asked, nothing), NOW), Reason::Refused);
    assert_pending(&site.poll("native", &device, NOW));
}

#[test]
fn an_answer_stands_and_the_same_one_repeats() {
    let site = site();
    let approve = |asked: &Interaction, approval: Approval| {
        site.store.count(|| site.run(&site.server.approve(asked.clone(), approval), NOW))
    };
    let refuse = |asked: &Interaction| {
        site.store.count(|| site.run(&site.server.refuse(asked, Refusal::AccessDenied), NOW))
    };
    let asked = site.find(&site.device("native", NOW), NOW);
    assert_eq!(approve(&asked, approval()).1, WRITTEN);
    let (again, counts) = approve(&asked, approval());
    assert!(matches!(again.answer, Answered::DeviceApproved));
    assert_eq!((again.event.kind, again.event.effect), (EventKind::DeviceApproved, Effect::Repeated));
    assert_eq!(counts, READ);
    let other = Approval::new(Subject::parse("bob").unwrap(), time(LOGIN));
    assert_page(&approve(&asked, other).0, Reason::AlreadyAnswered);
    let narrower = approval().narrowed_to(scope("read"));
    assert_page(&approve(&asked, narrower).0, Reason::AlreadyAnswered);
    let (refused, counts) = refuse(&asked);
    assert_page(&refused, Reason::AlreadyAnswered);
    assert_eq!(counts, READ);
    let grant = site.store.last_written();
    assert_eq!((grant.subject(), grant.scope()), (Some(&support::subject()), &scope("read write")));

    let asked = site.find(&site.device("native", NOW), NOW);
    assert_eq!(refuse(&asked).1, WRITTEN);
    let (again, counts) = refuse(&asked);
    assert!(matches!(again.answer, Answered::DeviceRefused));
    assert_eq!((again.event.kind, again.event.effect), (EventKind::AuthorizationRefused, Effect::Repeated));
    assert_eq!(counts, READ);
    assert_page(&approve(&asked, approval()).0, Reason::AlreadyAnswered);
}

#[test]
fn rfc8628_3_5_nobody_is_let_in_after_the_code_has_expired() {
    let site = site();
    let device = site.device("native", NOW);
    let asked = site.find(&device, NOW + LIFETIME - 1);
    let late = site.approve(asked.clone(), NOW + LIFETIME);
    assert_page(&late, Reason::DeviceCodeExpired);
    let refused = site.run(&site.server.refuse(&asked, Refusal::AccessDenied), NOW + LIFETIME);
    assert_page(&refused, Reason::DeviceCodeExpired);
    site.approve(asked.clone(), NOW + LIFETIME - 1);
    assert_page(&site.approve(asked, NOW + LIFETIME), Reason::AlreadyAnswered);
}

#[test]
fn a_page_that_was_open_for_too_long_lets_nobody_in() {
    let site = every_endpoint(Policy::default().with_device_code_lifetime(Duration::from_secs(3600)));
    let device = site.device("native", NOW);
    let asked = site.find(&device, NOW);
    assert_page(&site.approve(asked, NOW + 15 * 60), Reason::InteractionExpired);
    site.approve(site.find(&device, NOW + 15 * 60), NOW + 15 * 60);
    issued(site.poll("native", &device, NOW + 15 * 60));
}

#[test]
fn a_page_of_a_record_that_is_gone_lets_nobody_in() {
    let site = site();
    let asked = site.find(&site.device("native", NOW), NOW);
    site.store.fault.set(Some(Fault::NoGrants));
    assert_page(&site.refuse(&asked, Refusal::AccessDenied), Reason::UserCodeUnknown);
    let gone = site.approve(asked, NOW);
    assert!(matches!(gone.answer, Answered::Page(_)));
}

/// Only a person's own no is told to the device: a host that cannot show its page may try again.
#[test]
fn rfc8628_3_5_a_hosts_trouble_is_no_denial() {
    let site = site();
    let device = site.device("native", NOW);
    let asked = site.find(&device, NOW);
    for refusal in [Refusal::ServerError, Refusal::LoginRequired, Refusal::ConsentRequired] {
        let (reply, counts) = site.store.count(|| site.refuse(&asked, refusal));
        assert!(matches!(reply.answer, Answered::Page(_)));
        assert_eq!((counts, reply.event.endpoint), (UNTOUCHED, Endpoint::Verification));
    }
    site.approve(asked, NOW);
    issued(site.poll("native", &device, NOW));
}

#[test]
fn rfc7591_2_the_registration_counts_as_it_stands_at_every_step() {
    let site = site();
    let device = site.device("native", NOW);
    let asked = site.find(&device, NOW);
    let put = |change: &dyn Fn(Client) -> Client| {
        for client in clients().into_iter().filter(|client| client.id().as_str() == "native") {
            site.store.inner.put_client(change(client));
        }
    };
    put(&|client| client.with_grant_types([GrantType::AuthorizationCode]));
    assert_page(&site.approve(asked.clone(), NOW), Reason::GrantTypeNotRegistered);
    site.store.inner.remove_client(&client_id("native"));
    assert_page(&site.approve(asked.clone(), NOW), Reason::ClientUnknown);
    put(&|client| client.with_grant_types([GrantType::DeviceCode]).with_scope(scope("read")));
    site.approve(asked, NOW);
    let tokens = issued(site.poll("native", &device, NOW));
    assert_eq!((tokens.scope, tokens.refresh_token.is_none()), (scope("read"), true));
}

#[test]
fn rfc9700_4_15_nobody_with_the_name_of_the_client_lets_it_in() {
    let site = site();
    let device = site.device("native", NOW);
    let client = Approval::new(Subject::parse("native").unwrap(), time(LOGIN));
    let reply = site.run(&site.server.approve(site.find(&device, NOW), client), NOW);
    assert_page(&reply, Reason::SubjectIsClient);
    assert_pending(&site.poll("native", &device, NOW));
}

/// CS-20.
#[test]
fn rfc6749_4_1_2_1_a_store_that_fails_at_consent_lets_nobody_in() {
    let site = site();
    let device = site.device("native", NOW);
    let asked = site.find(&device, NOW);
    site.store.fault.set(Some(Fault::Commit));
    let failed = site.try_run(&site.server.approve(asked.clone(), approval()), NOW).unwrap_err();
    assert_eq!(failed.to_response().status, 503);
    site.store.fault.set(None);
    assert_pending(&site.poll("native", &device, NOW));
    site.store.fault.set(Some(Fault::CommitAnswer));
    site.try_run(&site.server.approve(asked.clone(), approval()), NOW).unwrap_err();
    site.store.fault.set(None);
    assert_eq!(site.approve(asked, NOW).event.effect, Effect::Repeated);
}

/// What is ended by a later time stays ended: the device was told, and a new yes does not revive it.
#[test]
fn what_ended_with_its_time_is_not_let_in_again() {
    let mut site = site();
    let device = site.device("native", NOW);
    let asked = site.find(&device, NOW);
    let ended = Policy::default().with_not_before(time(NOW + 1));
    let of_client = Policy::default().with_not_before_of_client(client_id("native"), time(NOW + 1));
    for policy in [ended, of_client] {
        site.server = site.server.with_policy(policy);
        let now = NOW + 10;
        assert_denied(&site.poll("native", &device, now), "invalid_grant", Reason::GrantRevoked);
        assert_unknown(&site.verify(device.user_code.expose(), now));
        assert_page(&site.approve(asked.clone(), now), Reason::UserCodeUnknown);
        assert_denied(&site.poll("native", &device, now), "invalid_grant", Reason::GrantRevoked);
    }
    let device = site.device("native", NOW + 1);
    site.approve(site.find(&device, NOW + 1), NOW + 1);
    issued(site.poll("native", &device, NOW + 1));
}

/// CS-23.
#[test]
fn rfc9700_4_14_2_a_request_that_was_revoked_is_let_in_by_nobody() {
    let site = site();
    let device = site.device("native", NOW);
    let asked = site.find(&device, NOW);
    site.revoke_waiting(&[1, 0, 0, 0, 5, 0]);
    assert_unknown(&site.verify(device.user_code.expose(), NOW));
    assert_page(&site.approve(asked.clone(), NOW), Reason::AlreadyAnswered);
    assert_page(&site.refuse(&asked, Refusal::AccessDenied), Reason::AlreadyAnswered);
    assert_denied(&site.poll("native", &device, NOW), "invalid_grant", Reason::GrantRevoked);
}

#[test]
fn an_approval_at_another_issuer_lets_nobody_in() {
    let site = site();
    let device = site.device("native", NOW);
    let asked = site.find(&device, NOW);
    let other = server_of("https://other.example");
    assert_page(&site.run(&other.approve(asked, approval()), NOW), Reason::OtherIssuer);
    assert_pending(&site.poll("native", &device, NOW));
}

fn with_keys(ids: &[u8]) -> Server {
    let issuer = Issuer::parse(ISSUER).unwrap();
    let (newest, older) = ids.split_first().unwrap();
    let server = Server::new(issuer.clone(), KEY.clone(), handle_key(*newest)).unwrap();
    let with_older = |server: Server, id: &u8| server.with_older_handle_key(handle_key(*id)).unwrap();
    older.iter().fold(server, with_older).with_endpoints(Endpoints::all_below(&issuer))
}

#[test]
fn codes_in_flight_outlive_a_rotation_of_the_handle_keys() {
    let mut site = site();
    let devices: Vec<_> = (0..200).map(|_| site.device("native", NOW)).collect();
    site.server = with_keys(&[2, 1]);
    for device in &devices {
        assert_pending(&site.poll("native", device, NOW));
        site.approve(site.find(device, NOW), NOW);
        issued(site.poll("native", device, NOW));
    }
    for _ in 0..200 {
        let device = site.device("native", NOW);
        site.approve(site.find(&device, NOW), NOW);
        issued(site.poll("native", &device, NOW));
    }
}

#[test]
fn a_handle_key_that_is_dropped_takes_its_codes_along() {
    let mut site = site();
    let device = site.device("native", NOW);
    let asked = site.find(&device, NOW);
    site.server = with_keys(&[2]);
    assert_unknown(&site.verify(device.user_code.expose(), NOW));
    site.approve(asked, NOW);
    let (reply, counts) = site.store.count(|| site.poll("native", &device, NOW));
    assert_denied(&reply, "invalid_grant", Reason::Forged);
    assert_eq!(counts, UNTOUCHED);
}

/// One store, one handle key, two issuers.
#[test]
fn a_code_of_another_issuer_opens_nothing() {
    let mut site = site();
    let devices: Vec<_> = (0..50).map(|_| site.device("native", NOW)).collect();
    let own = site.server.clone();
    let endpoints = Endpoints::all_below(&Issuer::parse("https://other.example").unwrap());
    site.server = server_of("https://other.example").with_endpoints(endpoints);
    for device in &devices {
        assert_unknown(&site.verify(device.user_code.expose(), NOW));
        let (reply, counts) = site.store.count(|| site.poll("native", device, NOW));
        assert_denied(&reply, "invalid_grant", Reason::Forged);
        assert_eq!(counts, UNTOUCHED);
    }
    site.server = own;
    assert_pending(&site.poll("native", &devices[0], NOW));
}

/// DV-23: the record lies under a MAC, and holds neither code nor digest of one.
#[test]
fn rfc8628_5_2_no_record_holds_a_code() {
    let site = site();
    let device = site.device("native", NOW);
    let bytes = site.store.last_written().to_bytes();
    let code = device.user_code.expose();
    let letters = code.replace('-', "");
    let device_code = base64url::decode(device.device_code.expose().split_at(4).1).unwrap();
    let secrets = [code.as_bytes(), letters.as_bytes(), &device_code[39..47], &device_code[55..63]];
    for secret in secrets {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
}
