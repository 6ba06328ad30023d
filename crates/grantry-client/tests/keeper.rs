//! The rules of the keeper of tokens, one at a time.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

extern crate alloc;

use alloc::sync::Arc;
use core::time::Duration;

use common::{KEY, NOW, client, exchange, id_claims, keys, login, parameters, token_answer};
use grantry_client::{
    Client, IdTokenError, KeeperError, KeeperPolicy, Obstacle, RefreshError, RefreshTicket, SendFailure,
    SessionEnd, TokenAdvice, TokenError, TokenKeeper, Tokens,
};
use grantry_core::{HttpResponse, Moment, Scope, SecretString, UnixTime};
use grantry_jwt::{JwkSet, VerifyError};
use serde_json::{Value, json};

fn at(seconds: i64) -> Moment {
    let time = NOW.as_secs().checked_add_signed(seconds).unwrap();
    Moment::new(UnixTime::from_secs(time), [u8::try_from(seconds.rem_euclid(251)).unwrap(); 32])
}

/// A keeper of `rt-1`, whose access token `at-1` is good for an hour.
fn keeper_of(edits: &Value, policy: KeeperPolicy) -> TokenKeeper {
    let mut answer = json!({ "refresh_token": "rt-1" });
    answer.as_object_mut().unwrap().extend(edits.as_object().unwrap().clone());
    let tokens = exchange(&client(), "photos read").response(&token_answer(&answer), &keys(), NOW).unwrap();
    TokenKeeper::new(tokens, policy, at(0))
}

fn keeper() -> TokenKeeper {
    keeper_of(&json!({}), KeeperPolicy::default())
}

fn ticket(keeper: &mut TokenKeeper, seconds: i64) -> RefreshTicket {
    let advice = keeper.advise(at(seconds));
    let TokenAdvice::Refresh(ticket) = advice else { panic!("at {seconds}: {advice:?}") };
    ticket
}

fn used(keeper: &mut TokenKeeper, seconds: i64) -> Arc<Tokens> {
    let advice = keeper.advise(at(seconds));
    let TokenAdvice::Use(tokens) = advice else { panic!("at {seconds}: {advice:?}") };
    tokens
}

fn waits(keeper: &mut TokenKeeper, seconds: i64) -> (i64, Obstacle) {
    let advice = keeper.advise(at(seconds));
    let TokenAdvice::Wait { until, obstacle } = advice else { panic!("at {seconds}: {advice:?}") };
    (i64::try_from(until.as_secs()).unwrap() - i64::try_from(NOW.as_secs()).unwrap(), obstacle)
}

fn ends(keeper: &mut TokenKeeper, seconds: i64) -> SessionEnd {
    let advice = keeper.advise(at(seconds));
    let TokenAdvice::Expired(end) = advice else { panic!("at {seconds}: {advice:?}") };
    end
}

fn land(
    keeper: &mut TokenKeeper,
    ticket: &RefreshTicket,
    response: &HttpResponse,
    seconds: i64,
) -> Result<Arc<Tokens>, KeeperError> {
    keeper.handle_response(&client(), ticket, response, &keys(), at(seconds))
}

fn renewed(number: u8) -> HttpResponse {
    token_answer(&json!({ "access_token": format!("at-{number}"), "refresh_token": format!("rt-{number}") }))
}

fn sent(ticket: &RefreshTicket) -> String {
    parameters(&ticket.request(&client(), at(0)).unwrap())["refresh_token"].clone()
}

fn error(status: u16, code: &str) -> HttpResponse {
    HttpResponse::json(status, &json!({ "error": code }))
}

#[test]
fn a_token_is_refreshed_by_a_margin_before_its_expiry_and_used_meanwhile() {
    let mut keeper = keeper();
    assert_eq!(used(&mut keeper, 3500).access_token().expose(), "at-1");
    let ticket = ticket(&mut keeper, 3541);
    assert_eq!(ticket.usable().unwrap().access_token().expose(), "at-1");
    assert_eq!(used(&mut keeper, 3542).access_token().expose(), "at-1");
    land(&mut keeper, &ticket, &renewed(2), 3543).unwrap();
    assert_eq!(used(&mut keeper, 3543).access_token().expose(), "at-2");
}

#[test]
fn no_token_is_used_beyond_its_expiry() {
    let mut keeper = keeper();
    let first = ticket(&mut keeper, 3599);
    assert!(first.usable().is_some());
    assert_eq!(waits(&mut keeper, 3600), (3604, Obstacle::RefreshUnderWay));
    let second = ticket(&mut keeper, 3700);
    assert!(second.usable().is_none());
}

#[test]
fn the_lifetime_counts_from_the_request() {
    let mut keeper = keeper();
    let ticket = ticket(&mut keeper, 3600);
    let tokens = land(&mut keeper, &ticket, &renewed(2), 3660).unwrap();
    assert_eq!(tokens.expires_at(), Some(UnixTime::from_secs(NOW.as_secs() + 7200)));
}

#[test]
fn one_refresh_is_on_its_way_and_a_lost_ticket_expires() {
    let mut keeper = keeper();
    let lost = ticket(&mut keeper, 3600);
    assert_eq!(lost.until().as_secs(), NOW.as_secs() + 3605);
    assert_eq!(waits(&mut keeper, 3604), (3605, Obstacle::RefreshUnderWay));
    let (until, obstacle) = waits(&mut keeper, 3605);
    assert_eq!(obstacle, Obstacle::ProviderUnavailable);
    assert!((3606..=3607).contains(&until), "{until}");
    assert_eq!(sent(&ticket(&mut keeper, 3607)), "rt-1");
}

#[test]
fn rt_12_a_lost_reply_is_asked_for_again_with_the_same_refresh_token() {
    let mut keeper = keeper();
    let lost = ticket(&mut keeper, 3600);
    assert_eq!(sent(&lost), "rt-1");
    keeper.handle_failure(&lost, SendFailure::Unanswered, at(3601));
    let again = ticket(&mut keeper, 3603);
    assert_eq!(sent(&again), "rt-1");
    land(&mut keeper, &again, &renewed(2), 3604).unwrap();
    assert_eq!(keeper.tokens().refresh_token().unwrap().expose(), "rt-2");
}

#[test]
fn the_refresh_token_stays_when_the_provider_does_not_rotate() {
    let mut keeper = keeper();
    let first = ticket(&mut keeper, 3600);
    land(&mut keeper, &first, &token_answer(&json!({})), 3600).unwrap();
    assert_eq!(sent(&ticket(&mut keeper, 7200)), "rt-1");
    // Although it is the same refresh token, the answer to the earlier request counts no more.
    assert_eq!(land(&mut keeper, &first, &renewed(9), 7201).map(drop), Err(KeeperError::Superseded));
}

#[test]
fn the_first_answer_to_a_refresh_token_counts() {
    let mut keeper = keeper();
    let late = ticket(&mut keeper, 3600);
    let second = ticket(&mut keeper, 3607);
    land(&mut keeper, &late, &renewed(2), 3608).unwrap();
    assert_eq!(land(&mut keeper, &second, &renewed(3), 3609).map(drop), Err(KeeperError::Superseded));
    assert_eq!(land(&mut keeper, &late, &renewed(4), 3609).map(drop), Err(KeeperError::Superseded));
    assert_eq!(keeper.tokens().refresh_token().unwrap().expose(), "rt-2");
    keeper.handle_failure(&second, SendFailure::Unanswered, at(3610));
    assert_eq!(used(&mut keeper, 3611).access_token().expose(), "at-2");
}

#[test]
fn a_late_error_changes_nothing() {
    let mut keeper = keeper();
    let late = ticket(&mut keeper, 3600);
    let second = ticket(&mut keeper, 3607);
    assert!(land(&mut keeper, &late, &error(400, "invalid_grant"), 3608).is_err());
    assert_eq!(waits(&mut keeper, 3608), (3612, Obstacle::RefreshUnderWay));
    land(&mut keeper, &second, &renewed(2), 3609).unwrap();
}

#[test]
fn rfc6749_5_2_invalid_grant_ends_the_session_for_good() {
    let mut keeper = keeper();
    let ticket = ticket(&mut keeper, 3550);
    assert!(matches!(
        land(&mut keeper, &ticket, &error(400, "invalid_grant"), 3551),
        Err(KeeperError::Token(TokenError::Refused { status: 400, .. }))
    ));
    assert_eq!(ends(&mut keeper, 3552), SessionEnd::GrantGone);
    assert_eq!(land(&mut keeper, &ticket, &error(503, "x"), 3553).map(drop), Err(KeeperError::Superseded));
    assert_eq!(ends(&mut keeper, 9999), SessionEnd::GrantGone);
}

/// A provider that rotates refuses the repetition, and the answer to the first request has the live tokens.
#[test]
fn the_answer_to_the_first_request_counts_behind_the_refusal_of_its_repetition() {
    let mut keeper = keeper();
    let first = ticket(&mut keeper, 3600);
    let second = ticket(&mut keeper, 3607);
    assert!(land(&mut keeper, &second, &error(400, "invalid_grant"), 3608).is_err());
    assert_eq!(ends(&mut keeper, 3608), SessionEnd::GrantGone);
    land(&mut keeper, &first, &renewed(2), 3609).unwrap();
    assert_eq!(used(&mut keeper, 3610).refresh_token().unwrap().expose(), "rt-2");
}

#[test]
fn rfc6749_5_2_a_refused_client_is_the_hosts_fault_and_ends_nothing() {
    for code in ["invalid_client", "unauthorized_client", "invalid_request", "made_up"] {
        let mut keeper = keeper();
        let refused = ticket(&mut keeper, 3600);
        assert!(land(&mut keeper, &refused, &error(401, code), 3600).is_err());
        assert_eq!(waits(&mut keeper, 3600).1, Obstacle::ClientRefused, "{code}");
        let again = ticket(&mut keeper, 3602);
        land(&mut keeper, &again, &renewed(2), 3602).unwrap();
        assert_eq!(used(&mut keeper, 3602).access_token().expose(), "at-2");
    }
}

#[test]
fn a_provider_that_is_away_is_asked_again_after_pauses_and_ends_nothing() {
    let policy = KeeperPolicy::default().without_lost_reply_retry();
    let mut keeper = keeper_of(&json!({}), policy);
    let mut now = 3600;
    for round in 1..12_u32 {
        let ticket = ticket(&mut keeper, now);
        if round % 2 == 0 {
            keeper.handle_failure(&ticket, SendFailure::NotSent, at(now));
        } else {
            assert!(land(&mut keeper, &ticket, &HttpResponse::new(503), now).is_err());
        }
        let (until, obstacle) = waits(&mut keeper, now);
        let full = 2_i64.pow(round).min(300);
        assert!((now + full / 2..=now + full).contains(&until), "{round}: {now} {until}");
        assert_eq!(obstacle, Obstacle::ProviderUnavailable);
        now = until;
    }
    let ticket = ticket(&mut keeper, now);
    land(&mut keeper, &ticket, &renewed(2), now).unwrap();
}

#[test]
fn rfc9110_10_2_3_retry_after_is_obeyed_up_to_an_hour() {
    for (text, seconds) in [("120", 120), ("9999999", 3600)] {
        let mut keeper = keeper();
        let ticket = ticket(&mut keeper, 3600);
        let busy = HttpResponse::new(429).with_header("Retry-After", text);
        assert!(land(&mut keeper, &ticket, &busy, 3600).is_err());
        assert_eq!(waits(&mut keeper, 3600), (3600 + seconds, Obstacle::ProviderUnavailable));
    }
}

#[test]
fn a_lost_reply_is_not_asked_for_again_beyond_the_policy() {
    let lose = |policy: KeeperPolicy, times: i64| {
        let mut keeper = keeper_of(&json!({}), policy);
        for round in 0..times {
            let ticket = ticket(&mut keeper, 3550 + 5 * round);
            keeper.handle_failure(&ticket, SendFailure::Unanswered, at(3550 + 5 * round));
        }
        keeper
    };
    let mut never = lose(KeeperPolicy::default().without_lost_reply_retry(), 1);
    // What is there is used up first.
    assert_eq!(used(&mut never, 3599).access_token().expose(), "at-1");
    assert_eq!(ends(&mut never, 3600), SessionEnd::ReplyLost);

    let policy = KeeperPolicy::default().with_lost_reply_retry(Duration::from_secs(100), 2);
    assert_eq!(sent(&ticket(&mut lose(policy, 2), 3650)), "rt-1");
    assert_eq!(ends(&mut lose(policy, 2), 3651), SessionEnd::ReplyLost);
    assert_eq!(ends(&mut lose(policy, 3), 3640), SessionEnd::ReplyLost);
}

#[test]
fn after_new_tokens_pauses_and_lost_replies_count_anew() {
    let policy = KeeperPolicy::default().with_lost_reply_retry(Duration::from_secs(3600), 1);
    let mut keeper = keeper_of(&json!({}), policy);
    for round in 1..4 {
        let now = 3610 * round;
        let lost = ticket(&mut keeper, now);
        keeper.handle_failure(&lost, SendFailure::Unanswered, at(now));
        let (until, _) = waits(&mut keeper, now);
        assert!((now + 1..=now + 2).contains(&until), "{round}: {until}");
        let again = ticket(&mut keeper, until);
        land(&mut keeper, &again, &renewed(2), until).unwrap();
    }
}

#[test]
fn without_refresh_token_the_access_token_is_used_to_its_end() {
    let answer = token_answer(&json!({}));
    let tokens = exchange(&client(), "photos").response(&answer, &keys(), NOW).unwrap();
    let mut keeper = TokenKeeper::new(tokens, KeeperPolicy::default(), at(0));
    assert_eq!(used(&mut keeper, 3599).access_token().expose(), "at-1");
    assert_eq!(ends(&mut keeper, 3600), SessionEnd::NoRefreshToken);
}

#[test]
fn tr_07_a_token_of_unknown_lifetime_is_refreshed_now_and_then_and_used_meanwhile() {
    let silent = HttpResponse::new(200)
        .with_header("Content-Type", "application/json")
        .with_body(r#"{"access_token":"at-1","token_type":"Bearer","refresh_token":"rt-1"}"#);
    let tokens = exchange(&client(), "photos").response(&silent, &keys(), NOW).unwrap();
    let mut keeper = TokenKeeper::new(tokens, KeeperPolicy::default(), at(0));
    used(&mut keeper, 3599);
    assert!(ticket(&mut keeper, 3600).usable().is_some());
    used(&mut keeper, 3601);
}

#[test]
fn rfc6750_3_1_a_token_that_an_api_refuses_is_refreshed_and_not_used() {
    let mut keeper = keeper();
    keeper.handle_invalid_token(&SecretString::from("another"));
    used(&mut keeper, 100);
    keeper.handle_invalid_token(&SecretString::from("at-1"));
    let ticket = ticket(&mut keeper, 100);
    assert!(ticket.usable().is_none());
    assert_eq!(waits(&mut keeper, 101).1, Obstacle::RefreshUnderWay);
    land(&mut keeper, &ticket, &renewed(2), 101).unwrap();
    // An API that refuses every token makes no flood.
    keeper.handle_invalid_token(&SecretString::from("at-2"));
    assert_eq!(waits(&mut keeper, 102), (106, Obstacle::CoolDown));
}

#[test]
fn tokens_that_are_born_expired_make_no_flood() {
    let mut keeper = keeper_of(&json!({ "expires_in": 0 }), KeeperPolicy::default());
    assert_eq!(waits(&mut keeper, 0), (5, Obstacle::CoolDown));
    let _ = ticket(&mut keeper, 5);
}

#[test]
fn a_clock_that_is_set_back_freezes_nothing() {
    // The age of the token is unknown: it is refreshed.
    let _ = ticket(&mut keeper(), -100);
    // A refresh on its way, and a pause, of a future that never was.
    let mut flying = keeper();
    let _ = ticket(&mut flying, 3600);
    assert!(matches!(flying.advise(at(-8000)), TokenAdvice::Use(_)));
    let _ = ticket(&mut flying, -7998);
    let mut paused = keeper();
    let failed = ticket(&mut paused, 3600);
    paused.handle_failure(&failed, SendFailure::NotSent, at(3600));
    let _ = ticket(&mut paused, -8000);
}

#[test]
fn rt_02_a_narrowed_scope_is_asked_each_time_and_the_grant_is_kept() {
    let mut keeper = keeper().narrowed_to(Scope::parse("photos").unwrap());
    for round in 1..3 {
        let ticket = ticket(&mut keeper, 3600 * round);
        assert_eq!(parameters(&ticket.request(&client(), at(0)).unwrap())["scope"], "photos");
        let tokens = land(&mut keeper, &ticket, &token_answer(&json!({})), 3600 * round).unwrap();
        assert_eq!(tokens.scope().as_str(), "photos");
    }
    let whole = client().refresh(keeper.tokens()).unwrap().response(&token_answer(&json!({})), &keys(), NOW);
    assert_eq!(whole.unwrap().scope().as_str(), "photos read");
}

#[test]
fn rt_27_the_id_token_of_a_refresh_is_checked_and_an_unknown_key_is_asked_for() {
    let mut keeper = TokenKeeper::new(login(&client(), &id_claims()), KeeperPolicy::default(), at(0));
    let ticket = ticket(&mut keeper, 3600);
    let answer = |sub: &str| {
        let mut claims = id_claims();
        claims["sub"] = json!(sub);
        claims["exp"] = json!(NOW.as_secs() + 9999);
        token_answer(&json!({ "id_token": KEY.sign_claims(None, &claims).unwrap(), "refresh_token": "rt-2" }))
    };
    let unknown =
        keeper.handle_response(&client(), &ticket, &answer("user-1"), &JwkSet::default(), at(3601)).map(drop);
    let expected = TokenError::IdToken(IdTokenError::Token(VerifyError::UnknownKey));
    assert_eq!(unknown, Err(KeeperError::Token(expected)));
    assert_eq!(waits(&mut keeper, 3602), (3605, Obstacle::RefreshUnderWay));
    let other = land(&mut keeper, &ticket, &answer("user-2"), 3602).map(drop);
    let expected = TokenError::IdToken(IdTokenError::ChangedByRefresh("sub"));
    assert_eq!(other, Err(KeeperError::Token(expected)));
    assert_eq!(keeper.tokens().refresh_token().unwrap().expose(), "rt-1");
}

#[test]
fn rfc9700_4_4_the_tokens_go_to_their_own_provider_alone() {
    let evil = common::client_of(common::provider("https://evil.example"));
    let mut keeper = keeper();
    let ticket = ticket(&mut keeper, 3600);
    assert!(ticket.request(&evil, at(3600)).is_err());
    let landed = keeper.handle_response(&evil, &ticket, &renewed(2), &keys(), at(3600)).map(drop);
    assert_eq!(landed, Err(KeeperError::Client(RefreshError::AnotherProvider)));
}

#[test]
fn a_ticket_of_another_grant_changes_nothing() {
    let mut one = keeper();
    let mut other = keeper_of(&json!({ "refresh_token": "rt-other" }), KeeperPolicy::default());
    let (foreign, own) = (ticket(&mut other, 3600), ticket(&mut one, 3600));
    assert_eq!(land(&mut one, &foreign, &renewed(2), 3600).map(drop), Err(KeeperError::Superseded));
    one.handle_failure(&foreign, SendFailure::NotSent, at(3600));
    assert_eq!(waits(&mut one, 3601).1, Obstacle::RefreshUnderWay);
    land(&mut one, &own, &renewed(2), 3601).unwrap();
}

const GOLDEN: &str = concat!(
    r#"{"version":1,"tokens":{"version":1,"issuer":"https://as.example","client_id":"app-1","#,
    r#""access_token":"at-1","expires_at":1800003600,"refresh_token":"rt-1","scope":"photos","#,
    r#""granted":"photos read","id_token":null},"narrowed":"photos","generation":3,"#,
    r#""received_at":1800000000,"due_at":1800003525,"rejected":false,"#,
    r#""flight":{"ticket":7,"since":1800003530,"until":1800003535},"tickets":7,"failures":1,"#,
    r#""retry_at":1800003530,"obstacle":"provider_unavailable","#,
    r#""lost":{"since":1800003520,"times":1},"ended":null}"#
);

#[test]
fn the_stored_form_of_a_keeper_is_fixed_bytes() {
    let policy = KeeperPolicy::default();
    for (old, new) in [
        ("", ""),
        (r#""ended":null"#, r#""ended":"grant_gone""#),
        (r#""ended":null"#, r#""ended":"reply_lost""#),
        (r#""ended":null"#, r#""ended":"no_refresh_token""#),
        ("provider_unavailable", "client_refused"),
        ("provider_unavailable", "cool_down"),
        ("provider_unavailable", "refresh_under_way"),
        (r#""rejected":false"#, r#""rejected":true"#),
        (r#""narrowed":"photos""#, r#""narrowed":null"#),
    ] {
        let text = GOLDEN.replace(old, new);
        assert_eq!(TokenKeeper::from_json(&text, policy).unwrap().to_json().expose(), text);
    }
    let mut keeper = TokenKeeper::from_json(GOLDEN, policy).unwrap();
    assert_eq!(used(&mut keeper, 3534).scope().as_str(), "photos");
}

#[test]
fn an_old_reader_refuses_a_keeper_that_it_does_not_know() {
    use grantry_client::TokensError::{Malformed, Version};
    let read = |text: &str| TokenKeeper::from_json(text, KeeperPolicy::default()).map(drop);
    for (old, new, error) in [
        (r#"{"version":1,"tokens""#, r#"{"version":2,"tokens""#, Version),
        (r#""tokens":{"version":1"#, r#""tokens":{"version":2"#, Version),
        ("narrowed", "widened", Malformed),
        ("provider_unavailable", "made_up", Malformed),
        (r#""ended":null"#, r#""ended":"made_up""#, Malformed),
        ("https://as", "http://as", Malformed),
        ("access_token", "access", Malformed),
    ] {
        assert_eq!(read(&GOLDEN.replace(old, new)), Err(error), "{new}");
    }
    assert_eq!(read(&(GOLDEN.to_owned() + &" ".repeat(TokenKeeper::MAX_BYTES))), Err(Malformed));
    let tokens = |text: &str| Tokens::from_json(text).map(drop);
    assert_eq!(tokens(GOLDEN), Err(Malformed));
    assert_eq!(tokens(r#"{"version":2}"#), Err(Version));
}

#[test]
fn stored_tokens_keep_the_login_that_a_refresh_has_to_agree_with() {
    let client: Client = client();
    let mut claims = id_claims();
    claims["auth_time"] = json!(1_799_999_000);
    let login = login(&client, &claims);
    let stored = Tokens::from_json(login.to_json().expose()).unwrap();
    assert_eq!(stored.to_json().expose(), login.to_json().expose());
    let (before, after) = (login.id_token().unwrap(), stored.id_token().unwrap());
    assert_eq!((before.subject(), before.auth_time()), (after.subject(), after.auth_time()));
    assert_eq!(before.claims::<Value>(), after.claims::<Value>());
    // A refresh that leaves out nonce and auth_time, stored and refreshed once more.
    let refreshed = |tokens: &Tokens, claims: &Value| {
        let id_token = KEY.sign_claims(None, claims).unwrap();
        client.refresh(tokens).unwrap().response(
            &token_answer(&json!({ "id_token": id_token })),
            &keys(),
            NOW,
        )
    };
    let mut bare = claims.clone();
    bare.as_object_mut().unwrap().retain(|name, _| name != "nonce" && name != "auth_time");
    let second = refreshed(&stored, &bare).unwrap();
    let second = Tokens::from_json(second.to_json().expose()).unwrap();
    let mut other = claims.clone();
    other["nonce"] = json!("another");
    let expected = TokenError::IdToken(IdTokenError::ChangedByRefresh("nonce"));
    assert_eq!(refreshed(&second, &other).map(drop), Err(expected));
    other = claims.clone();
    other["auth_time"] = json!(1_799_999_001);
    let expected = TokenError::IdToken(IdTokenError::ChangedByRefresh("auth_time"));
    assert_eq!(refreshed(&second, &other).map(drop), Err(expected));
    assert!(refreshed(&second, &claims).is_ok());
}

#[test]
fn no_debug_output_of_a_keeper_shows_a_secret() {
    let mut keeper = keeper_of(
        &json!({ "access_token": "hunter2-at", "refresh_token": "hunter2-rt" }),
        KeeperPolicy::default(),
    );
    let advice = keeper.advise(at(3600));
    assert!(!format!("{keeper:?} {advice:?} {:?}", keeper.to_json()).contains("hunter2"));
}
