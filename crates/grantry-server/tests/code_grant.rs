//! The redemption of a code: what it gives, what it refuses, and what a refusal leaves alone.

mod support;

use grantry_core::form::{self, FormError};
use grantry_core::{HttpRequest, base64url};
use grantry_server::{Client, ClientAuthentication, Effect, EventKind, GrantType, Reason, SecretDigest};
use support::{
    Fault, NOW, Site, VERIFIER, assert_denied, basic, client_id, clients, code, issued, json, redemption,
    redirect_uri, refresh_token, request, scope, secret,
};

/// Sends a bad request that concerns a fresh code: it gets the error, and the good request succeeds.
#[track_caller]
fn assert_refused_and_kept(
    site: &Site,
    error: &str,
    reason: Reason,
    bad: impl Fn(&support::Pairs) -> HttpRequest,
) {
    let code = site.code(NOW);
    let (reply, [_, _, commits]) =
        site.store.count(|| site.run(&site.server.token(&bad(&redemption("web", &code))), NOW));
    assert_denied(&reply, error, reason);
    assert_eq!((reply.event.effect, commits), (Effect::Nothing, 0));
    issued(site.redeem("web", &code, NOW));
}

fn web(pairs: &support::Pairs) -> HttpRequest {
    request("web", "/token", &pairs.each())
}

/// CR-01 and CR-26.
#[test]
fn rfc6749_5_1_a_good_redemption_is_answered_in_full() {
    let site = Site::new();
    let code = site.code(NOW);
    let reply = site.redeem("web", &code, NOW);
    assert_eq!((reply.event.kind, reply.event.effect), (EventKind::CodeRedeemed, Effect::Written));
    assert_eq!(reply.event.client_id, Some(client_id("web")));
    assert_eq!(reply.event.subject, Some(support::subject()));
    assert_eq!(reply.event.denial, None);

    let response = reply.answer.to_response();
    assert_eq!(response.status, 200);
    let headers: Vec<_> = response.headers.iter().collect();
    let expected =
        [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Pragma", "no-cache")];
    assert_eq!(headers, expected);
    let body = json(&response);
    let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"];
    assert_eq!(members, expected);
    assert_eq!((&body["token_type"], &body["expires_in"]), (&"Bearer".into(), &600.into()));
    assert_eq!(body["scope"], "openid read write");
}

/// CR-02, CR-17 and CR-19.
#[test]
fn rfc6749_5_2_missing_empty_and_unknown_parameters() {
    let site = Site::new();
    let kept = |error, reason, bad: &dyn Fn(&support::Pairs) -> support::Pairs| {
        assert_refused_and_kept(&site, error, reason, |good| web(&bad(good)));
    };
    for name in ["code", "grant_type"] {
        kept("invalid_request", Reason::Missing(name), &|good| good.clone().without(name));
        kept("invalid_request", Reason::Missing(name), &|good| good.clone().with(name, ""));
    }
    for grant in ["Authorization_Code", "authorization_code ", "password"] {
        kept("unsupported_grant_type", Reason::GrantTypeUnknown, &|good| {
            good.clone().with("grant_type", grant)
        });
    }
    for code in ["x", "grc_", "grc_AAAA", "grc_\u{e9}", &"c".repeat(10_000)] {
        kept("invalid_grant", Reason::CodeUnknown, &|good| good.clone().with("code", code));
    }
}

#[test]
fn rfc6749_3_2_repeated_oversized_and_undecodable_parameters() {
    let site = Site::new();
    let kept = |reason, bad: &dyn Fn(String) -> String| {
        assert_refused_and_kept(&site, "invalid_request", Reason::Form(reason), |good| {
            HttpRequest::form("/token", bad(form::encode(good.each())))
                .with_header("Authorization", basic("web", &secret("web")))
        });
    };
    for name in ["grant_type", "code", "redirect_uri", "code_verifier"] {
        kept(FormError::Repeated(name), &|good| format!("{good}&{name}="));
    }
    for name in ["client_id", "scope"] {
        kept(FormError::Repeated(name), &|good| format!("{good}&{name}=web&{name}=web"));
    }
    kept(FormError::NotUtf8, &|good| good + "&scope=%ff");
    kept(FormError::NotUtf8, &|good| good + "&x=%c3%28");
    kept(FormError::Escape, &|good| good + "&scope=%");
    kept(FormError::ControlCharacter("code_verifier"), &|good| {
        good.replace("&code_verifier=", "&code_verifier=%00")
    });
    kept(FormError::TooLong, &|good| good + "&x=" + &"x".repeat(form::MAX_BYTES));
    kept(FormError::TooManyParameters, &|good| good + &"&x".repeat(form::MAX_PARAMETERS));
}

#[test]
fn rfc6749_3_2_1_whoever_is_not_the_client_consumes_nothing() {
    let site = Site::new();
    let post = |good: &support::Pairs| HttpRequest::form("/token", form::encode(good.each()));
    let unproven = Reason::ClientNotAuthenticated;
    for (client, secret) in [("web", "wrong"), ("web", ""), ("nobody", "x"), ("WEB", &secret("web"))] {
        assert_refused_and_kept(&site, "invalid_client", unproven, |good| {
            post(good).with_header("Authorization", basic(client, secret))
        });
    }
    assert_refused_and_kept(&site, "invalid_client", Reason::NoClient, post);
    assert_refused_and_kept(&site, "invalid_client", unproven, |good| {
        post(&good.clone().with("client_id", "web"))
    });
    assert_refused_and_kept(&site, "invalid_client", unproven, |good| {
        post(&good.clone().with("client_id", "web").with("client_secret", &secret("web")))
    });
}

/// CR-03: a thief with credentials of its own.
#[test]
fn rfc6749_4_1_3_the_code_of_another_client() {
    let site = Site::new();
    for thief in ["other", "post", "native"] {
        assert_refused_and_kept(&site, "invalid_grant", Reason::OtherClient, |good| {
            request(thief, "/token", &good.each())
        });
    }
}

/// CR-05.
#[test]
fn rfc6749_4_1_2_an_expired_code() {
    let site = Site::new();
    let code = site.code(NOW);
    for now in [NOW + 60, NOW + 61, u64::MAX] {
        assert_denied(&site.redeem("web", &code, now), "invalid_grant", Reason::CodeExpired);
    }
    // The refusals wrote nothing: on a clock where it is alive the code still works.
    issued(site.redeem("web", &code, NOW + 59));
}

/// CR-07.
#[test]
fn rfc6749_4_1_2_a_code_used_twice_revokes_what_it_gave() {
    let site = Site::new();
    for later in [0, 1, 59, 60, 3600] {
        let code = site.code(NOW);
        let tokens = issued(site.redeem("web", &code, NOW));
        assert!(site.is_active(&tokens.access_token, NOW));
        let reply = site.redeem("web", &code, NOW + later);
        assert_denied(&reply, "invalid_grant", Reason::CodeReused);
        assert_eq!((reply.event.kind, reply.event.effect), (EventKind::ReuseDetected, Effect::Written));
        assert!(!site.is_active(&tokens.access_token, NOW));
        let refreshed = site.refresh("web", refresh_token(&tokens), NOW + later);
        assert_denied(&refreshed, "invalid_grant", Reason::GrantRevoked);
        let third = site.redeem("web", &code, NOW + later);
        assert_denied(&third, "invalid_grant", Reason::GrantRevoked);
        assert_eq!(third.event.effect, Effect::Nothing);
    }
}

#[test]
fn rfc6749_4_1_2_a_code_used_again_after_rotations_revokes_them_too() {
    let site = Site::new();
    let code = site.code(NOW);
    let first = issued(site.redeem("web", &code, NOW));
    let second = issued(site.refresh("web", refresh_token(&first), NOW + 1));
    assert_denied(&site.redeem("web", &code, NOW + 2), "invalid_grant", Reason::CodeReused);
    let refreshed = site.refresh("web", refresh_token(&second), NOW + 2);
    assert_denied(&refreshed, "invalid_grant", Reason::GrantRevoked);
}

/// The ownership checks come before the alarm: who cannot redeem a code cannot revoke by it either.
#[test]
fn rfc6749_10_5_a_stranger_raises_no_alarm_with_a_used_code() {
    let site = Site::new();
    let code = site.code(NOW);
    let tokens = issued(site.redeem("web", &code, NOW));
    let good = redemption("web", &code);
    let other_verifier = VERIFIER.replace('d', "D");
    for (client, pairs, reason) in [
        ("other", good.clone(), Reason::OtherClient),
        ("web", good.clone().with("redirect_uri", &redirect_uri("other")), Reason::OtherRedirectUri),
        ("web", good.clone().without("code_verifier"), Reason::VerifierMissing),
        ("web", good.with("code_verifier", &other_verifier), Reason::VerifierWrong),
    ] {
        assert_denied(&site.token(client, &pairs.each(), NOW), "invalid_grant", reason);
    }
    issued(site.refresh("web", refresh_token(&tokens), NOW));
}

/// CR-12 and CR-13.
#[test]
fn rfc6749_4_1_3_the_redirect_uri_of_the_request_stands_again() {
    let site = Site::new();
    let other = Reason::OtherRedirectUri;
    assert_refused_and_kept(&site, "invalid_grant", other, |good| web(&good.clone().without("redirect_uri")));
    for uri in ["", "https://web.example/cb/", "https://WEB.example/cb", "https://evil.example/cb"] {
        assert_refused_and_kept(&site, "invalid_grant", other, |good| {
            web(&good.clone().with("redirect_uri", uri))
        });
    }
    // RFC 8252 section 7.3: the port of the request, not that of the registration.
    let asked = [("redirect_uri", Some("http://127.0.0.1:51004/cb"))];
    let code = site.code_for("native", &asked, NOW);
    assert_denied(&site.redeem("native", &code, NOW), "invalid_grant", other);
    let good = redemption("native", &code).with("redirect_uri", "http://127.0.0.1:51004/cb");
    issued(site.token("native", &good.each(), NOW));
}

/// CR-15.
#[test]
fn rfc6749_4_1_3_a_redirect_uri_that_was_not_named_may_be_named_or_left_out() {
    let site = Site::new();
    for absent in [None, Some("")] {
        let ask = || site.code_for("web", &[("redirect_uri", absent)], NOW);
        issued(site.redeem("web", &ask(), NOW));
        issued(site.token("web", &redemption("web", &ask()).without("redirect_uri").each(), NOW));
        let wrong = redemption("web", &ask()).with("redirect_uri", "https://evil.example/cb");
        assert_denied(&site.token("web", &wrong.each(), NOW), "invalid_grant", Reason::OtherRedirectUri);
    }
}

/// CR-16: the code stays usable, so a stranger without the verifier burns nobody's code.
#[test]
fn rfc7636_4_6_a_wrong_or_missing_verifier_keeps_the_code() {
    let site = Site::new();
    let kept = |reason, bad: &dyn Fn(support::Pairs) -> support::Pairs| {
        assert_refused_and_kept(&site, "invalid_grant", reason, |good| web(&bad(good.clone())));
    };
    kept(Reason::VerifierMissing, &|good| good.without("code_verifier"));
    kept(Reason::VerifierMissing, &|good| good.with("code_verifier", ""));
    let longest = "v".repeat(129);
    for verifier in
        [VERIFIER.to_uppercase().as_str(), VERIFIER.split_at(42).0, support::CHALLENGE, &longest, "+"]
    {
        kept(Reason::VerifierWrong, &|good| good.with("code_verifier", verifier));
    }
}

/// CR-21 and CR-24: what changed since the authorization counts.
#[test]
fn rfc6749_5_2_the_client_is_read_again() {
    let site = Site::new();
    let code = site.code(NOW);
    let digest = SecretDigest::of(&secret("web"));
    let without = Client::new(client_id("web"), ClientAuthentication::SecretBasic(digest));
    site.store.inner.put_client(without.with_grant_types([GrantType::RefreshToken]));
    let denied = site.redeem("web", &code, NOW);
    assert_denied(&denied, "unauthorized_client", Reason::GrantTypeNotRegistered);
    site.store.inner.remove_client(&client_id("web"));
    assert_denied(&site.redeem("web", &code, NOW), "invalid_client", Reason::ClientNotAuthenticated);
    clients().into_iter().for_each(|client| site.store.inner.put_client(client));
    site.store.fault.set(Some(Fault::NoGrants));
    assert_denied(&site.redeem("web", &code, NOW), "invalid_grant", Reason::CodeUnknown);
    site.store.fault.set(None);
    issued(site.redeem("web", &code, NOW));
}

/// CR-22 and CR-23.
#[test]
fn rfc6749_4_1_3_the_scope_is_the_granted_one_whatever_the_redemption_asks() {
    let site = Site::new();
    let operation_of = |asked: &str| {
        let interaction = site.interaction("web", &[("scope", Some(asked))], NOW);
        site.server.approve(interaction, support::approval().narrowed_to(scope("read openid other")))
    };
    let code = code(&site.run(&operation_of("openid read write"), NOW));
    let pairs = redemption("web", &code).with("scope", "openid read write offline_access admin");
    let reply = site.token("web", &pairs.each(), NOW);
    assert_eq!(json(&reply.answer.to_response())["scope"], "openid read");
    assert_eq!(site.claims(&issued(reply).access_token, "at+jwt")["scope"], "openid read");
}

/// CR-25.
#[test]
fn rfc6749_5_2_an_error_answer_says_the_error_and_no_secret() {
    let site = Site::new();
    let code = site.code(NOW);
    let good = redemption("web", &code);
    for (pairs, status) in [
        (good.clone().with("code_verifier", &VERIFIER.replace('d', "D")), 400),
        (good.clone().with("grant_type", "sekret"), 400),
        (good.clone().with("client_id", "other"), 400),
        (good.clone().with("client_secret", "x"), 400),
        (good.with("client_assertion", "x"), 400),
    ] {
        let response = site.token("web", &pairs.each(), NOW).answer.to_response();
        assert_eq!(response.status, status);
        assert_eq!(response.headers.only("Cache-Control"), Some("no-store"));
        json(&response);
        let text = String::from_utf8(response.body).unwrap();
        for secret in [code.as_str(), VERIFIER, &secret("web"), "sekret"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

/// CR-28: 128 bits that need the server's key, 128 more that need the record, and nothing else to guess.
#[test]
fn rfc6749_10_10_a_code_has_256_bits_that_cannot_be_guessed() {
    let site = Site::new();
    let decode = |code: String| base64url::decode(code.strip_prefix("grc_").unwrap()).unwrap();
    let (one, two) = (decode(site.code(NOW)), decode(site.code(NOW)));
    let tag_bytes = one.len() - (1 + 1 + 16 + 4 + 8 + 8 + 1);
    assert_eq!((one.len(), tag_bytes * 8), (two.len(), 256));
    assert_ne!(one[2..18], two[2..18], "grant ids");
    assert_ne!(one[39..55], two[39..55], "unsalted halves");
    assert_ne!(one[55..], two[55..], "salted halves");
}

/// CR-30: every bit of a code counts, and no prefix of it finds anything.
#[test]
fn a_code_is_compared_in_full() {
    let site = Site::new();
    let code = site.code(NOW);
    let bytes = base64url::decode(code.strip_prefix("grc_").unwrap()).unwrap();
    for position in 0..bytes.len() {
        let mut other = bytes.clone();
        if let Some(byte) = other.get_mut(position) {
            *byte ^= 1;
        }
        let text = format!("grc_{}", base64url::encode(other));
        assert_denied(&site.redeem("web", &text, NOW), "invalid_grant", Reason::Forged);
    }
    for length in 0..code.len() {
        assert_denied(
            &site.redeem("web", code.get(..length).filter(|text| !text.is_empty()).unwrap_or("x"), NOW),
            "invalid_grant",
            Reason::CodeUnknown,
        );
    }
    issued(site.redeem("web", &code, NOW));
}
