//! The page between a request and its answer: sealed, approved, narrowed, refused.

mod support;

use core::time::Duration;

use grantry_core::base64url;
use grantry_server::{
    Answered, Approval, Client, ClientAuthentication, Effect, EventKind, Grant, Interaction,
    MAX_LOGIN_HINT_BYTES, MAX_NONCE_BYTES, MAX_STATE_BYTES, Policy, Prompt, Reason, RedirectUri, Refusal,
    Reply, Server, Subject, UnsealError,
};
use proptest::prelude::*;
use support::{
    ISSUER, KEY, LOGIN, NOW, Site, approval, client_id, code, handle_key, issued, redirect, redirect_uri,
    response, scope, server_of, subject, time,
};

const SESSION: &str = "session-1";

fn unseal(site: &Site, text: &str) -> Result<Interaction, UnsealError> {
    site.server.unseal(text, SESSION, time(NOW))
}

#[track_caller]
fn assert_page(reply: &Reply<Answered>, reason: Reason) {
    let Answered::Page(page) = &reply.answer else { unreachable!("{:?}", reply.event) };
    assert_eq!((page.denial().reason, page.status(), reply.event.effect), (reason, 400, Effect::Nothing));
    assert_eq!(reply.event.kind, EventKind::RequestRefused);
}

/// Approves with an approval of one's own.
fn approve(site: &Site, interaction: &Interaction, approval: Approval, now: u64) -> Reply<Answered> {
    site.run(&site.server.approve(interaction.clone(), approval), now)
}

#[test]
fn rfc9700_4_7_a_sealed_interaction_opens_in_its_own_session() {
    let site = Site::new();
    let changes =
        [("prompt", Some("login consent")), ("max_age", Some("300")), ("login_hint", Some("\"\u{e9}\""))];
    let interaction = site.interaction("web", &changes, NOW);
    let sealed = site.server.seal(&interaction, SESSION);
    assert_eq!(unseal(&site, &sealed), Ok(interaction));
    for session in ["", "session-2", "session-", "session-11", "SESSION-1", "session-1 "] {
        assert_eq!(site.server.unseal(&sealed, session, time(NOW)), Err(UnsealError::Foreign), "{session}");
    }
}

#[test]
fn an_empty_session_seals_for_nobody() {
    let site = Site::new();
    let sealed = site.server.seal(&site.interaction("web", &[], NOW), "");
    assert_eq!(site.server.unseal(&sealed, "", time(NOW)), Err(UnsealError::Foreign));
    assert_eq!(unseal(&site, &sealed), Err(UnsealError::Foreign));
}

#[test]
fn rfc9700_4_7_changed_text_opens_nowhere() {
    let site = Site::new();
    let sealed = site.server.seal(&site.interaction("web", &[], NOW), SESSION);
    let bytes = base64url::decode(&sealed).unwrap();
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed.iter_mut().skip(position).take(1).for_each(|byte| *byte ^= 1);
        assert_eq!(unseal(&site, &base64url::encode(changed)), Err(UnsealError::Foreign), "{position}");
    }
    for text in ["", "A", "AQ", "\u{e9}", "x y", &sealed.repeat(2), &format!("{sealed}="), &"A".repeat(100)] {
        assert_eq!(unseal(&site, text), Err(UnsealError::Foreign), "{text}");
    }
    for length in 0..sealed.len() {
        assert_eq!(unseal(&site, sealed.split_at(length).0), Err(UnsealError::Foreign), "{length}");
    }
}

#[test]
fn another_server_opens_no_sealed_text() {
    let site = Site::new();
    let sealed = site.server.seal(&site.interaction("web", &[], NOW), SESSION);
    let issuer = || grantry_core::Issuer::parse(ISSUER).unwrap();
    let with_key = |id| Server::new(issuer(), KEY.clone(), handle_key(id)).unwrap();
    let open = |server: &Server| server.unseal(&sealed, SESSION, time(NOW)).map(|_| ());
    assert_eq!(open(&server_of("https://other.example")), Err(UnsealError::Foreign));
    assert_eq!(open(&with_key(2)), Err(UnsealError::Foreign));
    assert_eq!(open(&with_key(2).with_older_handle_key(handle_key(1)).unwrap()), Ok(()));
    assert_eq!(open(&with_key(1)), Ok(()));
}

#[test]
fn a_sealed_interaction_expires() {
    let policy = Policy::default().with_interaction_lifetime(Duration::from_secs(100));
    let site = Site::with_policy(policy);
    let interaction = site.interaction("web", &[], NOW);
    assert_eq!(interaction.expires_at(), time(NOW + 100));
    let sealed = site.server.seal(&interaction, SESSION);
    let open = |now| site.server.unseal(&sealed, SESSION, time(now)).map(|_| ());
    assert_eq!(open(NOW + 99), Ok(()));
    assert_eq!(open(NOW + 100), Err(UnsealError::Expired));
    assert_eq!(open(u64::MAX), Err(UnsealError::Expired));
    // One that was never sealed expires too.
    let late = approve(&site, &interaction, approval(), NOW + 100);
    assert_page(&late, Reason::InteractionExpired);
    code(&approve(&site, &interaction, approval(), NOW + 99));
}

#[test]
fn the_largest_request_can_be_sealed_and_opened() {
    let site = Site::new();
    let uri = format!("https://web.example/{}", "p".repeat(RedirectUri::MAX_BYTES - 20));
    let words: Vec<_> = (0..63).map(|number| format!("{number:063}")).collect();
    let wide = scope(&words.join(" "));
    let client = Client::new(client_id(&"c".repeat(512)), ClientAuthentication::None)
        .with_redirect_uri(RedirectUri::register(uri.as_str(), grantry_server::ApplicationType::Web).unwrap())
        .with_name("n".repeat(1000))
        .with_scope(wide.clone());
    let id = client.id().as_str().to_owned();
    site.store.inner.put_client(client);
    let quotes = |count| "\"".repeat(count);
    let (state, nonce, hint) =
        (quotes(MAX_STATE_BYTES), quotes(MAX_NONCE_BYTES), quotes(MAX_LOGIN_HINT_BYTES));
    let text = wide.to_string();
    let changes = [
        ("redirect_uri", Some(uri.as_str())),
        ("scope", Some(&*text)),
        ("state", Some(&*state)),
        ("nonce", Some(&*nonce)),
        ("login_hint", Some(&*hint)),
        ("prompt", Some("login consent select_account")),
        ("max_age", Some("18446744073709551615")),
    ];
    let interaction = site.interaction(&id, &changes, NOW);
    let sealed = site.server.seal(&interaction, SESSION);
    assert_eq!(unseal(&site, &sealed).as_ref(), Ok(&interaction));
    let reply = site.approve(interaction, NOW);
    assert_eq!(response(redirect(&reply)).get("state"), Some(state.as_str()));
}

#[test]
fn nothing_is_stored_for_a_request_that_is_never_approved() {
    let site = Site::new();
    let (_, [_, grant_reads, commits]) = site.store.count(|| {
        let interaction = site.interaction("web", &[], NOW);
        let sealed = site.server.seal(&interaction, SESSION);
        let opened = unseal(&site, &sealed).unwrap();
        site.server.refuse(&opened, Refusal::AccessDenied)
    });
    assert_eq!((grant_reads, commits), (0, 0));
}

/// The page that a person submits twice.
#[test]
fn one_interaction_makes_one_grant() {
    let site = Site::new();
    let interaction = site.interaction("web", &[], NOW);
    let sealed = site.server.seal(&interaction, SESSION);
    let first = site.approve(unseal(&site, &sealed).unwrap(), NOW);
    let again = site.approve(unseal(&site, &sealed).unwrap(), NOW + 59);
    assert_eq!((first.event.effect, again.event.effect), (Effect::Written, Effect::Repeated));
    assert_eq!(code(&first), code(&again));
    assert_eq!(first.event.grant, again.event.grant);
    // Somebody else, or another answer, is told that it is too late.
    let bob = Approval::new(Subject::parse("bob").unwrap(), time(LOGIN));
    assert_page(&approve(&site, &interaction, bob, NOW), Reason::AlreadyAnswered);
    let narrowed = approval().narrowed_to(scope("read"));
    assert_page(&approve(&site, &interaction, narrowed, NOW), Reason::AlreadyAnswered);
    assert_page(&site.approve(interaction.clone(), NOW + 60), Reason::AlreadyAnswered);
    issued(site.redeem("web", &code(&again), NOW + 59));
    assert_page(&site.approve(interaction, NOW + 59), Reason::AlreadyAnswered);
}

#[test]
fn a_revoked_grant_is_not_approved_again() {
    let site = Site::new();
    let interaction = site.interaction("web", &[], NOW);
    let tokens = issued(site.redeem("web", &code(&site.approve(interaction.clone(), NOW)), NOW));
    site.revoke("web", &tokens.access_token, NOW);
    assert_page(&site.approve(interaction, NOW), Reason::AlreadyAnswered);
}

#[test]
fn rfc6749_4_1_2_1_approve_reads_the_client_again() {
    let site = Site::new();
    let named = site.interaction("web", &[], NOW);
    let unnamed = site.interaction("web", &[("redirect_uri", None)], NOW);
    let bare = || Client::new(client_id("web"), ClientAuthentication::None);
    let register = |text: &str| RedirectUri::register(text, grantry_server::ApplicationType::Web).unwrap();
    let all = || scope("openid read write");

    site.store.inner.remove_client(&client_id("web"));
    assert_page(&site.approve(named.clone(), NOW), Reason::ClientUnknown);
    site.store.inner.put_client(bare().with_scope(all()));
    assert_page(&site.approve(named.clone(), NOW), Reason::RedirectUriUnknown);
    site.store
        .inner
        .put_client(bare().with_scope(all()).with_redirect_uri(register("https://web.example/2")));
    assert_page(&site.approve(named.clone(), NOW), Reason::RedirectUriUnknown);
    assert_page(&site.approve(unnamed.clone(), NOW), Reason::RedirectUriUnknown);
    let both = [redirect_uri("web"), "https://web.example/2".into()].map(|uri| register(&uri));
    let two = both.into_iter().fold(bare().with_scope(all()), Client::with_redirect_uri);
    site.store.inner.put_client(two);
    assert_page(&site.approve(unnamed, NOW), Reason::RedirectUriUnknown);
    // A scope that was taken away from the client is not granted any more.
    let narrower = bare().with_redirect_uri(register(&redirect_uri("web")));
    site.store.inner.put_client(narrower.clone().with_scope(scope("admin")));
    let reply = site.approve(named.clone(), NOW);
    assert_eq!(response(redirect(&reply)).get("error"), Some("access_denied"));
    site.store.inner.put_client(narrower.with_scope(scope("read admin")));
    code(&site.approve(named, NOW));
    assert_eq!(site.store.last_written().scope(), &scope("read"));
}

#[test]
fn rfc6749_3_3_a_person_grants_less_and_never_more() {
    let site = Site::new();
    let interaction = || site.interaction("web", &[("scope", Some("read write"))], NOW);
    for (narrowed, granted) in
        [("read", "read"), ("write openid", "write"), ("read write admin", "read write")]
    {
        code(&approve(&site, &interaction(), approval().narrowed_to(scope(narrowed)), NOW));
        assert_eq!(site.store.last_written().scope(), &scope(granted));
    }
    for nothing in ["", "openid", "READ"] {
        let reply = approve(&site, &interaction(), approval().narrowed_to(scope(nothing)), NOW);
        assert_eq!(response(redirect(&reply)).get("error"), Some("access_denied"));
        assert_eq!(reply.event.denial.unwrap().reason, Reason::Refused);
    }
}

#[test]
fn oidc_core_3_1_2_1_a_login_older_than_max_age_is_no_login() {
    let site = Site::new();
    for (max_age, age, is_fresh) in
        [(0, 0, true), (0, 1, false), (300, 300, true), (300, 301, false), (u64::MAX, NOW, true)]
    {
        let asked = max_age.to_string();
        let interaction = site.interaction("web", &[("max_age", Some(&asked))], NOW);
        let (reply, [_, _, commits]) =
            site.store.count(|| approve(&site, &interaction, Approval::new(subject(), time(NOW - age)), NOW));
        let response = response(redirect(&reply));
        assert_eq!(response.get("code").is_some(), is_fresh, "{max_age} {age}");
        assert_eq!(commits == 1, is_fresh);
        if !is_fresh {
            assert_eq!(response.get("error"), Some("login_required"));
            assert_eq!(reply.event.kind, EventKind::AuthorizationRefused);
            // After a new login the same page goes on.
            code(&approve(&site, &interaction, Approval::new(subject(), time(NOW)), NOW));
        }
    }
    // The time that the person takes over the pages does not count.
    let interaction = site.interaction("web", &[("max_age", Some("0"))], NOW);
    code(&approve(&site, &interaction, Approval::new(subject(), time(NOW)), NOW + 600));
    // A login that a faster clock made is fresh.
    let interaction = site.interaction("web", &[("max_age", Some("0"))], NOW);
    code(&approve(&site, &interaction, Approval::new(subject(), time(NOW + 5)), NOW));
}

#[test]
fn oidc_core_3_1_2_6_prompt_none_is_approved_or_refused_at_once() {
    let site = Site::new();
    let interaction = site.interaction("web", &[("prompt", Some("none"))], NOW);
    assert!(interaction.has_prompt(Prompt::None));
    for (refusal, error) in
        [(Refusal::LoginRequired, "login_required"), (Refusal::ConsentRequired, "consent_required")]
    {
        let reply = site.refuse(&interaction, refusal);
        assert_eq!(response(redirect(&reply)).get("error"), Some(error));
        assert_eq!(reply.event.kind, EventKind::AuthorizationRefused);
    }
    code(&site.approve(interaction, NOW));
}

#[test]
fn what_is_stored_is_what_was_approved() {
    let site = Site::new();
    let reply = site.approve(site.interaction("web", &[], NOW), NOW + 5);
    let grant = site.store.last_written();
    assert_eq!(reply.event.grant, Some(grant.id()));
    assert_eq!((grant.client_id(), grant.subject()), (&client_id("web"), Some(&subject())));
    assert_eq!(grant.scope(), &scope("openid read write"));
    assert_eq!((grant.created_at(), grant.expires_at()), (time(NOW + 5), time(NOW + 65)));
    // The page can be submitted until 15 minutes after the request, on a clock that is behind; so long the
    // record stays.
    assert_eq!(grant.purge_after(), time(NOW + 900).saturating_add(Grant::CLOCK_MARGIN));
    assert!(!grant.is_active(time(NOW + 5)));
}

proptest! {
    #[test]
    fn no_text_opens_by_chance(text in "[A-Za-z0-9_-]{0,300}", session in ".{0,20}") {
        let server = server_of(ISSUER);
        prop_assert_eq!(server.unseal(&text, &session, time(NOW)), Err(UnsealError::Foreign));
    }

    #[test]
    fn a_session_opens_its_own_text_alone(mine in ".{1,20}", other in ".{0,20}") {
        let site = Site::new();
        let sealed = site.server.seal(&site.interaction("web", &[], NOW), &mine);
        let opened = site.server.unseal(&sealed, &other, time(NOW));
        prop_assert_eq!(opened.is_ok(), mine == other);
        prop_assert!(site.server.unseal(&sealed, &mine, time(NOW)).is_ok());
    }
}
