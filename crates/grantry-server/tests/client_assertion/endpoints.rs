//! Every endpoint that clients call takes assertions, and uses them up.

use core::str;

use grantry_core::Issuer;
use grantry_jwt::SigningInput;
use grantry_server::{Endpoints, GrantType, IssuerKey, Pushed, Server, Signature};
use support::{CHALLENGE, KEY, handle_key};

use super::*;

fn everywhere() -> Site {
    let server = server_of(ISSUER).with_endpoints(Endpoints::all_below(&Issuer::parse(ISSUER).unwrap()));
    let site = site_of(server);
    let signed = client("signed", ClientAuthentication::PrivateKeyJwt(keys(&[rsa()])));
    site.store.inner.put_client(signed.with_grant_types(GrantType::ALL.iter().copied()));
    site
}

fn asked() -> [(&'static str, &'static str); 5] {
    [
        ("response_type", "code"),
        ("redirect_uri", "https://signed.example/cb"),
        ("scope", "read"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
}

/// RFC 9126 section 2: the request is kept, and its assertion is not kept with it.
#[test]
fn rfc9126_2_a_request_is_pushed_with_an_assertion() {
    let site = everywhere();
    let assertion = signed(&json!({}));
    let operation = site.server.push(&ask("/par", &assertion, &asked()));
    let records = site.store.read(&operation.lookup(&site.moment(NOW))).unwrap();
    let Decision::Commit(commit) = operation.decide(&records, &site.moment(NOW)) else {
        unreachable!("the request is kept")
    };
    let changes: Vec<_> = commit.changes().iter().collect();
    let [Change::Claim { .. }, Change::Put { grant, .. }] = changes.as_slice() else {
        unreachable!("{changes:?}")
    };
    let kept = grant.to_bytes();
    let kept = String::from_utf8_lossy(&kept);
    assert!(kept.contains("signed.example") && !kept.contains("client_assertion"), "{kept}");
    let (reply, counts) = site.store.count(|| site.run(&operation, NOW));
    assert!(matches!(reply.answer, Pushed::Accepted(_)), "{:?}", reply.event);
    assert_eq!(counts, [1, 0, 1]);
    let (reply, counts) = site.store.count(|| site.run(&operation, NOW));
    assert_eq!((reply.event.denial.unwrap().reason, counts), (Reason::AssertionReplayed, [1, 0, 0]));
}

#[test]
fn rfc9126_2_a_refused_push_uses_up_its_assertion() {
    let site = everywhere();
    let request = ask("/par", &signed(&json!({})), &[("response_type", "code")]);
    let (reply, counts) = site.store.count(|| site.run(&site.server.push(&request), NOW));
    assert!(matches!(reply.answer, Pushed::Denied(_)));
    assert_eq!(counts, [1, 0, 1]);
    let reply = site.run(&site.server.push(&request), NOW);
    assert_eq!(reply.event.denial.unwrap().reason, Reason::AssertionReplayed);
}

#[test]
fn rfc8628_3_1_a_device_asks_with_an_assertion() {
    let site = everywhere();
    for (scope, jti, reason) in [("read", "1", None), ("other", "2", Some(Reason::ScopeNotRegistered))] {
        let request = ask("/device_authorization", &signed(&json!({ "jti": jti })), &[("scope", scope)]);
        for reason in [reason, Some(Reason::AssertionReplayed)] {
            let reply = site.run(&site.server.device_authorization(&request), NOW);
            assert_eq!(reply.event.denial.map(|denial| denial.reason), reason);
        }
    }
}

/// A token without a record is looked for beside the assertion, and revoked with it.
#[test]
fn rfc7009_2_1_a_token_without_a_record_is_revoked_with_an_assertion() {
    let site = everywhere();
    let request =
        ask("/token", &signed(&json!({})), &[("grant_type", "client_credentials"), ("scope", "read")]);
    let tokens = issued(site.run(&site.server.token(&request), NOW));
    let present = |path, jti: &str| {
        let token = [("token", tokens.access_token.expose())];
        ask(path, &signed(&json!({ "jti": jti })), &token)
    };
    let introspect = |jti| site.run(&site.server.introspect(&present("/introspect", jti)), NOW).answer;
    assert!(matches!(introspect("1"), Introspection::Active(_)));
    let revoke = present("/revoke", "2");
    let operation = site.server.revoke(&revoke);
    let lookup = operation.lookup(&site.moment(NOW));
    assert!(lookup.claim.is_some() && lookup.assertion.is_some() && lookup.claim != lookup.assertion);
    assert_eq!(site.run(&operation, NOW).answer, Revoked::Done);
    assert_eq!(introspect("3"), Introspection::Inactive);
    assert_refused(&site, &revoke, NOW, Reason::AssertionReplayed);
    assert_eq!(site.run(&site.server.revoke(&present("/revoke", "4")), NOW).answer, Revoked::Done);
}

/// A signature from outside comes before the note, as before every other write.
#[test]
fn a_key_outside_of_the_process_signs_before_the_assertion_is_used_up() {
    let server =
        Server::new(Issuer::parse(ISSUER).unwrap(), IssuerKey::from(KEY.verifying_key()), handle_key(1));
    let site = site_of(server.unwrap());
    let code = code(&site.approve(site.interaction("signed", &[("scope", Some("read"))], NOW), NOW));
    let request = ask("/token", &signed(&json!({})), &redemption("signed", &code).each());
    let operation = site.server.token(&request);
    let decide = || {
        let records = site.store.read(&operation.lookup(&site.moment(NOW))).unwrap();
        operation.decide(&records, &site.moment(NOW))
    };
    let Decision::Sign(unsigned) = decide() else { unreachable!("the key is elsewhere") };
    drop(unsigned);
    let Decision::Sign(request) = decide() else { unreachable!("nothing was used up") };
    let signature = Signature::Jose(sign_input(request.input()));
    let Decision::Commit(commit) = request.complete(&signature).unwrap() else { unreachable!("one token") };
    let kinds: Vec<_> =
        commit.changes().iter().map(|change| matches!(change, Change::Claim { .. })).collect();
    assert_eq!(kinds, [true, false]);
    let outcome = site.store.commit(commit.changes()).unwrap();
    issued(commit.resolve(outcome).unwrap());
    let Decision::Reply(reply) = decide() else { unreachable!("it was used up") };
    assert_eq!(reply.event.denial.unwrap().reason, Reason::AssertionReplayed);
}

/// Signs as a service outside would.
fn sign_input(input: &SigningInput) -> Vec<u8> {
    let text = str::from_utf8(input.as_bytes()).unwrap();
    let (header, payload) = text.split_once('.').unwrap();
    let (header, payload) = (base64url::decode(header).unwrap(), base64url::decode(payload).unwrap());
    let token = KEY.sign_with_header(str::from_utf8(&header).unwrap(), &payload).unwrap();
    base64url::decode(token.rsplit('.').next().unwrap()).unwrap()
}
