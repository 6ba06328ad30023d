//! An assertion counts once.

use super::*;

/// CA-50 and CVE-2020-15222: once, whatever the endpoint, for each client and issuer.
#[test]
fn rfc7523_3_an_assertion_counts_once() {
    let mut site = site();
    let assertion = signed(&json!({}));
    assert_eq!(verdict(&site, &assertion), AUTHENTICATED);
    let again = signed(&json!({ "exp": NOW + 61 }));
    for path in ENDPOINTS {
        for assertion in [&assertion, &again] {
            let request = ask(path, assertion, &[("token", "x")]);
            assert_refused(&site, &request, NOW, Reason::AssertionReplayed);
        }
    }
    // The same text of another client is another one, and so it is at another issuer over the same store.
    assert_eq!(verdict(&site, &sign(&hmac("HS256", SECRET), &claims("keyed", &json!({})))), AUTHENTICATED);
    site.server = server_of("https://other.example");
    let elsewhere = signed(&json!({ "aud": "https://other.example" }));
    assert_eq!(verdict(&site, &elsewhere), AUTHENTICATED);
    assert_refused(&site, &ask("/token", &elsewhere, &[]), NOW, Reason::AssertionReplayed);
}

/// Of two requests with one assertion, in every order, one is answered.
#[test]
fn rfc7523_3_of_two_requests_at_once_one_counts() {
    let site = site();
    let code = code(&site.approve(site.interaction("signed", &[], NOW), NOW));
    let redemption = redemption("signed", &code);
    let request = ask("/token", &signed(&json!({})), &redemption.each());
    let operations = [site.server.token(&request), site.server.token(&request)];
    let records = site.store.read(&operations[0].lookup(&site.moment(NOW))).unwrap();
    let decisions = operations.each_ref().map(|operation| operation.decide(&records, &site.moment(NOW)));
    let [Decision::Commit(first), Decision::Commit(second)] = decisions else {
        unreachable!("both of them write")
    };
    let outcome = site.store.commit(first.changes()).unwrap();
    issued(first.resolve(outcome).unwrap());
    let outcome = site.store.commit(second.changes()).unwrap();
    assert_eq!(outcome, Outcome::Conflict);
    assert!(second.resolve(outcome).is_err());
    // It is decided again, and raises no alarm for the code: the assertion proves nothing any more.
    assert_refused(&site, &request, NOW, Reason::AssertionReplayed);
}

/// The note is kept for as long as the assertion could be good.
#[test]
fn rfc7523_3_a_jti_is_remembered_until_its_assertion_is_dead() {
    let site = site();
    let operation = site.server.token(&ask("/token", &signed(&json!({})), &[]));
    let records = site.store.read(&operation.lookup(&site.moment(NOW))).unwrap();
    let Decision::Commit(commit) = operation.decide(&records, &site.moment(NOW)) else {
        unreachable!("the assertion is noted")
    };
    let changes: Vec<_> = commit.changes().iter().collect();
    let [Change::Claim { id, until }] = changes.as_slice() else { unreachable!("{changes:?}") };
    assert_eq!(Some(*id), operation.lookup(&site.moment(NOW)).assertion);
    assert_eq!(*until, time(NOW + 60).saturating_add(Grant::CLOCK_MARGIN));
    let _ = site.store.commit(commit.changes()).unwrap();
    assert_eq!(site.store.inner.sweep_all(time(NOW + 60)), 0);
    let late = ask("/token", &signed(&json!({})), &[]);
    assert_refused(&site, &late, NOW + 59, Reason::AssertionReplayed);
    assert_refused(&site, &late, NOW + 60, Reason::Assertion(VerifyError::Expired));
    assert_eq!(site.store.inner.sweep_all(*until), 1);
}

/// An assertion is used up once it authenticated, and a refusal uses up nothing else.
#[test]
fn a_refused_grant_uses_up_the_assertion_alone() {
    let site = site();
    let code = code(&site.approve(site.interaction("signed", &[], NOW), NOW));
    let redemption = redemption("signed", &code);
    let wrong = redemption.clone().with("code_verifier", &"x".repeat(43));
    let request = ask("/token", &signed(&json!({})), &wrong.each());
    let ((reason, _), counts) = site.store.count(|| send(&site, &request, NOW));
    assert_eq!((reason, counts), (Some(Reason::VerifierWrong), [1, 1, 1]));
    let replayed = ask("/token", &signed(&json!({})), &redemption.each());
    assert_refused(&site, &replayed, NOW, Reason::AssertionReplayed);
    let fresh = ask("/token", &signed(&json!({ "jti": "jti-2" })), &redemption.each());
    issued(site.run(&site.server.token(&fresh), NOW));
}

#[test]
fn a_forged_handle_uses_up_nothing() {
    let site = site();
    let tokens = site.tokens(NOW);
    let token = refresh_token(&tokens).expose();
    let (start, rest) = token.split_at(12);
    let forged = format!("{start}{}{}", if rest.starts_with('A') { 'B' } else { 'A' }, rest.split_at(1).1);
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", forged.as_str()), ("token", &forged)];
    let assertion = signed(&json!({}));
    for path in ENDPOINTS {
        let (_, counts) = site.store.count(|| send(&site, &ask(path, &assertion, &pairs), NOW));
        assert_eq!(counts, [0, 0, 0], "{path}");
    }
    assert_eq!(verdict(&site, &assertion), AUTHENTICATED);
}

/// A log tells a request that used up its assertion alone from one that changed a grant, and from one that wrote
/// nothing.
#[test]
fn an_event_says_what_was_noted_beside_the_grant() {
    let site = site();
    let registered = client("signed", ClientAuthentication::PrivateKeyJwt(keys(&[rsa()])));
    let grant_types = [GrantType::AuthorizationCode, GrantType::ClientCredentials];
    site.store.inner.put_client(registered.with_grant_types(grant_types));
    let token = |pairs: &[(&str, &str)], jti| {
        let request = ask("/token", &signed(&json!({ "jti": jti })), pairs);
        let event = site.run(&site.server.token(&request), NOW).event;
        (event.kind, event.effect)
    };
    let own = [("grant_type", "client_credentials"), ("scope", "read")];
    assert_eq!(token(&own, "1"), (EventKind::ClientTokenIssued, Effect::Noted));
    assert_eq!(token(&own, "1"), (EventKind::RequestRefused, Effect::Nothing), "a replay notes nothing");
    assert_eq!(token(&[], "2"), (EventKind::RequestRefused, Effect::Noted));
    let code = code(&site.approve(site.interaction("signed", &[], NOW), NOW));
    let redemption = redemption("signed", &code);
    assert_eq!(token(&redemption.each(), "3"), (EventKind::CodeRedeemed, Effect::Written));
    let request = ask("/introspect", &signed(&json!({ "jti": "4" })), &[("token", "x")]);
    let event = site.run(&site.server.introspect(&request), NOW).event;
    assert_eq!((event.kind, event.effect), (EventKind::TokenFoundInactive, Effect::Noted));
    let request = ask("/revoke", &signed(&json!({ "jti": "5" })), &[("token", "x")]);
    let event = site.run(&site.server.revoke(&request), NOW).event;
    assert_eq!((event.kind, event.effect), (EventKind::NothingRevoked, Effect::Noted));
}
