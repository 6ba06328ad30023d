//! What an assertion has to say, and how it is sent.

use super::*;

/// CA-45, for every method, algorithm, `typ` and endpoint.
#[test]
fn rfc7523_3_a_good_assertion_authenticates() {
    let key_of = |algorithm| hmac(algorithm, SECRET);
    for (client, key) in [
        ("signed", rsa()),
        ("signed", ed25519()),
        ("keyed", key_of("HS256")),
        ("keyed", key_of("HS384")),
        ("keyed", key_of("HS512").with_key_id("any")),
    ] {
        for typ in [None, Some("JWT"), Some("jwt"), Some("Client-Authentication+JWT")] {
            let site = site();
            for path in ENDPOINTS {
                let assertion = key.sign_claims(typ, &claims(client, &json!({ "jti": path }))).unwrap();
                let request = ask(path, &assertion, &[("client_id", client), ("token", "x")]);
                let ((reason, response), counts) = site.store.count(|| send(&site, &request, NOW));
                let expected = (path == "/token").then_some(AUTHENTICATED);
                assert_eq!((reason, counts), (expected, [1, 0, 1]), "{client} {typ:?} {path}");
                assert_eq!(response.status, if path == "/token" { 400 } else { 200 });
            }
        }
    }
}

#[test]
fn rfc7521_4_2_client_id_may_be_absent_and_has_to_be_the_same() {
    let site = site();
    assert_eq!(verdict(&site, &signed(&json!({}))), AUTHENTICATED);
    let fresh = signed(&json!({ "jti": "jti-2" }));
    let named = ask("/token", &fresh, &[("client_id", "signed")]);
    let other = ask("/token", &fresh, &[("client_id", "keyed")]);
    assert_refused(&site, &other, NOW, Reason::Assertion(VerifyError::Subject));
    assert_eq!(send(&site, &named, NOW).0, Some(AUTHENTICATED));
}

/// The whole flow of a client that has no secret at all.
#[test]
fn rfc7523_2_2_a_code_is_redeemed_and_refreshed_with_assertions() {
    let site = site();
    let code =
        code(&site.approve(site.interaction("signed", &[("scope", Some("read offline_access"))], NOW), NOW));
    let redemption = redemption("signed", &code);
    let request = ask("/token", &signed(&json!({})), &redemption.each());
    let (reply, counts) = site.store.count(|| site.run(&site.server.token(&request), NOW));
    assert_eq!(counts, [1, 1, 1]);
    let tokens = issued(reply);
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens).expose())];
    let replayed = ask("/token", &signed(&json!({})), &pairs);
    assert_refused(&site, &replayed, NOW, Reason::AssertionReplayed);
    let fresh = ask("/token", &signed(&json!({ "jti": "jti-2" })), &pairs);
    issued(site.run(&site.server.token(&fresh), NOW));
}

/// CA-46, CVE-2025-27370 and CVE-2025-27371.
#[test]
fn rfc7523bis_3_the_audience_is_the_issuer_alone() {
    let good = [json!(ISSUER), json!([ISSUER])];
    let endpoint = [json!(TOKEN_ENDPOINT), json!([TOKEN_ENDPOINT])];
    let bad = [
        json!([ISSUER, TOKEN_ENDPOINT]),
        json!([ISSUER, ISSUER]),
        json!("https://as.example/"),
        json!("https://as.example/introspect"),
        json!("https://AS.example"),
        json!("https://evil.example"),
        json!([]),
        json!(""),
    ];
    let or_endpoint = Policy::default().with_assertion_audience(AssertionAudience::IssuerOrTokenEndpoint);
    for (policy, good, bad) in [
        (Policy::default(), good.to_vec(), [&bad[..], &endpoint].concat()),
        (or_endpoint, [good, endpoint.clone()].concat(), bad.to_vec()),
    ] {
        let site = site_with(policy);
        for audience in bad {
            assert_unfit(&site, &signed(&json!({ "aud": audience })), VerifyError::Audience);
        }
        assert_unfit(&site, &signed(&json!({ "aud": null })), VerifyError::MissingClaim(Claim::Audience));
        for (position, audience) in good.iter().enumerate() {
            let assertion = signed(&json!({ "aud": audience, "jti": position.to_string() }));
            assert_eq!(verdict(&site, &assertion), AUTHENTICATED, "{audience}");
        }
    }
}

/// CA-48.
#[test]
fn rfc7523_3_the_client_is_issuer_and_subject() {
    let site = site();
    let missing = VerifyError::MissingClaim;
    for (changes, error) in [
        (json!({ "iss": "keyed" }), VerifyError::Issuer),
        (json!({ "iss": ISSUER }), VerifyError::Issuer),
        (json!({ "iss": null }), missing(Claim::Issuer)),
        (json!({ "sub": null }), missing(Claim::Subject)),
        (json!({ "sub": "" }), VerifyError::MalformedClaim(Claim::Subject)),
        (json!({ "sub": "caf\u{e9}" }), VerifyError::MalformedClaim(Claim::Subject)),
        (json!({ "sub": 1 }), VerifyError::ClaimsJson),
        // Another registered client, whose keys these are not.
        (json!({ "sub": "keyed", "iss": "keyed" }), VerifyError::AlgorithmMismatch),
    ] {
        assert_unfit(&site, &signed(&changes), error);
    }
    let nobody = ask("/token", &signed(&json!({ "sub": "nobody" })), &[]);
    assert_refused(&site, &nobody, NOW, Reason::ClientNotAuthenticated);
}

/// CA-53.
#[test]
fn rfc7523_3_exp_is_required_and_near() {
    let site = site();
    let most = MAX_ASSERTION_LIFETIME.as_secs() + ASSERTION_LEEWAY.as_secs();
    for (exp, error) in [
        (Value::Null, VerifyError::MissingClaim(Claim::Expiration)),
        (json!("2030"), VerifyError::MalformedClaim(Claim::Expiration)),
        (json!(NOW - 3600), VerifyError::Expired),
        (json!(NOW - 1), VerifyError::Expired),
        (json!(NOW), VerifyError::Expired),
        (json!(NOW + most + 1), VerifyError::LifetimeTooLong),
        (json!(NOW + 365 * 24 * 3600), VerifyError::LifetimeTooLong),
        (json!(u64::MAX), VerifyError::LifetimeTooLong),
    ] {
        assert_unfit(&site, &signed(&json!({ "exp": exp })), error);
    }
    for exp in [NOW + 1, NOW + most] {
        let assertion = signed(&json!({ "exp": exp, "jti": exp.to_string() }));
        assert_eq!(verdict(&site, &assertion), AUTHENTICATED, "{exp}");
    }
}

/// The clocks of clients run ahead by a little, and by no more.
#[test]
fn rfc7523_3_iat_and_nbf_have_ten_seconds() {
    let site = site();
    let leeway = ASSERTION_LEEWAY.as_secs();
    for (claim, error) in [("iat", VerifyError::IssuedInFuture), ("nbf", VerifyError::NotYetValid)] {
        assert_unfit(&site, &signed(&json!({ claim: NOW + leeway + 1 })), error);
        let good = signed(&json!({ claim: NOW + leeway, "jti": claim }));
        assert_eq!(verdict(&site, &good), AUTHENTICATED, "{claim}");
        let absent = signed(&json!({ claim: null, "jti": format!("no {claim}") }));
        assert_eq!(verdict(&site, &absent), AUTHENTICATED, "{claim}");
    }
}

/// CA-57 and CA-58.
#[test]
fn rfc7521_4_2_the_assertion_and_its_type_go_together() {
    let site = site();
    let good = signed(&json!({}));
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    for pairs in [
        vec![("client_assertion", good.as_str())],
        vec![("client_assertion", good.as_str()), ("client_assertion_type", saml)],
        vec![("client_assertion", good.as_str()), ("client_assertion_type", "JWT-bearer")],
        vec![("client_assertion_type", JWT_BEARER)],
        vec![("client_assertion_type", JWT_BEARER), ("client_id", "native")],
        vec![("client_assertion", ""), ("client_assertion_type", JWT_BEARER)],
    ] {
        for path in ENDPOINTS {
            let request = HttpRequest::form(path, form::encode(pairs.clone()));
            assert_refused(&site, &request, NOW, Reason::AssertionType);
        }
    }
    assert_eq!(verdict(&site, &good), AUTHENTICATED);
}

/// CA-22 for assertions: an assertion beside any other credentials.
#[test]
fn rfc6749_2_3_an_assertion_is_the_only_method() {
    let site = site();
    let good = signed(&json!({}));
    for header in [basic("web", &secret("web")), basic("signed", "x"), "Bearer abc".into()] {
        let request = ask("/token", &good, &[]).with_header("Authorization", header);
        assert_eq!(send(&site, &request, NOW).0, Some(Reason::TwoMethods));
    }
    let lone_type = HttpRequest::form("/token", form::encode([("client_assertion_type", JWT_BEARER)]));
    let lone_type = lone_type.with_header("Authorization", basic("web", &secret("web")));
    assert_eq!(send(&site, &lone_type, NOW).0, Some(Reason::TwoMethods));
    for more in [vec![("client_secret", "x")], vec![("client_id", "signed"), ("client_secret", "x")]] {
        let (reason, response) = send(&site, &ask("/token", &good, &more), NOW);
        assert_eq!((reason, response.status), (Some(Reason::TwoMethods), 400));
    }
    assert_eq!(verdict(&site, &good), AUTHENTICATED);
}

/// What is too long or no assertion at all is refused before the store is asked.
#[test]
fn an_assertion_is_bounded_before_any_work() {
    let site = site();
    let refused = |assertion: &str, error| {
        let request = ask("/token", assertion, &[]);
        assert_refused(&site, &request, NOW, Reason::Assertion(error));
        assert_eq!(site.store.reads.get(), 0, "{error:?}");
    };
    let padded = |bytes: usize| {
        let short = signed(&json!({ "x": "" })).len();
        let assertion = signed(&json!({ "x": "x".repeat((bytes - short) / 4 * 3) }));
        assert!(assertion.len().abs_diff(bytes) < 4, "{}", assertion.len());
        assertion
    };
    refused(&padded(MAX_ASSERTION_BYTES + 4), VerifyError::TooLong);
    assert_eq!(verdict(&site, &padded(MAX_ASSERTION_BYTES - 4)), AUTHENTICATED);
    let malformed = VerifyError::MalformedClaim(Claim::JwtId);
    refused(&signed(&json!({ "jti": "j".repeat(MAX_ASSERTION_ID_BYTES + 1) })), malformed);
    refused(&signed(&json!({ "jti": "" })), malformed);
    refused(&signed(&json!({ "jti": null })), VerifyError::MissingClaim(Claim::JwtId));
    refused(&signed(&json!({ "jti": 7 })), VerifyError::ClaimsJson);
    assert_eq!(verdict(&site, &signed(&json!({ "jti": "j".repeat(MAX_ASSERTION_ID_BYTES) }))), AUTHENTICATED);
    let twice = br#"{"sub":"signed","sub":"keyed","jti":"1"}"#;
    refused(&rsa().sign("JWT", twice).unwrap(), VerifyError::ClaimsJson);
    // RFC 8725 section 3.11: what the client signs for another purpose is no assertion.
    for typ in ["at+jwt", "dpop+jwt", "oauth-authz-req+jwt", "secevent+jwt", ""] {
        refused(&rsa().sign_claims(typ, &claims("signed", &json!({}))).unwrap(), VerifyError::Typ);
    }
    for (text, error) in [
        ("x", VerifyError::Segments),
        ("a.b.c.d", VerifyError::Segments),
        ("..", VerifyError::HeaderJson),
        ("e30.e30.", VerifyError::HeaderMember),
        ("eyJhbGciOiJSUzI1NiJ9.!.", VerifyError::Base64Url),
    ] {
        refused(text, error);
    }
}
