//! Resource indicators (RFC 8707): for whom the access tokens of a grant are.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use grantry_core::{Issuer, SecretString};
use grantry_server::{
    AccessTokenFormat, ActiveToken, Authorization, DeviceAnswer, Effect, Endpoints, GrantType, Introspection,
    IntrospectionRight, Policy, Reason, Reply, TokenAnswer, TokenResponse, Verification,
};
use serde_json::{Value, json};
use support::{
    ISSUER, NOW, Site, assert_denied, client_id, clients, code, issued, query, redemption, refresh_token,
    request, response, server_of,
};

const A: &str = "https://a.example";
const B: &str = "https://b.example/api?v=1";
const C: &str = "urn:example:c";
/// Relative, with a fragment, unknown, or another spelling of a known one.
const BAD: [&str; 8] = [
    "/api",
    "api",
    "https://a.example#x",
    "https://c.example",
    "https://a.example/",
    "HTTPS://a.example",
    "*",
    ISSUER,
];

const READ: [usize; 3] = [1, 1, 0];
const CLIENT_READ: [usize; 3] = [1, 0, 0];

fn site_of(format: AccessTokenFormat) -> Site {
    let policy = Policy::default().with_access_token_format(format).with_resources([A, B, C]);
    let endpoints = Endpoints::all_below(&Issuer::parse(ISSUER).unwrap());
    let site = Site::of(server_of(ISSUER).with_policy(policy).with_endpoints(endpoints));
    site.register("web", &[GrantType::ClientCredentials, GrantType::DeviceCode]);
    site
}

fn sites() -> [Site; 2] {
    [site_of(AccessTokenFormat::Jwt), site_of(AccessTokenFormat::Opaque)]
}

fn named<'a>(resources: &[&'a str]) -> Vec<(&'static str, &'a str)> {
    resources.iter().map(|resource| ("resource", *resource)).collect()
}

/// Asks for a code for these resources, beside the parameters of [`query`].
fn authorize(site: &Site, resources: &[&str]) -> Reply<Authorization> {
    let resources = grantry_core::form::encode(named(resources));
    site.authorize(&format!("{}&{resources}", query("web", &[])), NOW)
}

fn code_for(site: &Site, resources: &[&str]) -> String {
    let reply = authorize(site, resources);
    let Authorization::Interact(interaction) = reply.answer else { panic!("{:?}", reply.event) };
    code(&site.approve(*interaction, NOW))
}

fn redeem(site: &Site, code: &str, resources: &[&str]) -> Reply<TokenAnswer> {
    site.token("web", &[redemption("web", code).each(), named(resources)].concat(), NOW)
}

fn refresh(site: &Site, token: &TokenResponse, more: &[(&str, &str)]) -> Reply<TokenAnswer> {
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(token).expose())];
    site.token("web", &[&pairs, more].concat(), NOW)
}

fn active(site: &Site, caller: &str, token: &SecretString) -> Option<ActiveToken> {
    match site.introspect(caller, token, NOW) {
        Introspection::Active(token) => Some(token),
        Introspection::Inactive => None,
        Introspection::Denied(denial) => panic!("{denial}"),
    }
}

/// What the token itself, where it says so, and introspection say.
#[track_caller]
fn assert_audience(site: &Site, tokens: &TokenResponse, expected: &[&str]) {
    assert_eq!(active(site, "web", &tokens.access_token).unwrap().aud, expected);
    let answer = support::json(&site.introspect("api", &tokens.access_token, NOW).to_response());
    let expected = if let [one] = expected { json!(one) } else { json!(expected) };
    assert_eq!(answer["aud"], expected);
    if !tokens.access_token.expose().starts_with("gra_") {
        assert_eq!(site.claims(&tokens.access_token, "at+jwt")["aud"], expected);
    }
}

/// EX-09.
#[test]
fn rfc8707_2_several_resources_are_several_audiences() {
    for site in sites() {
        for (asked, expected) in [
            (vec![], vec![A]),
            (vec![""], vec![A]),
            (vec![B], vec![B]),
            (vec![C, A], vec![C, A]),
            (vec![A, A, B, A], vec![A, B]),
            (vec![A, B, C], vec![A, B, C]),
        ] {
            let tokens = issued(redeem(&site, &code_for(&site, &asked), &[]));
            assert_audience(&site, &tokens, &expected);
            assert_audience(&site, &issued(refresh(&site, &tokens, &[])), &expected);
            let pairs = [&[("grant_type", "client_credentials")], &named(&asked)[..]].concat();
            assert_audience(&site, &issued(site.token("web", &pairs, NOW)), &expected);
        }
    }
}

/// EX-09, CC-09.
#[test]
fn rfc8707_2_a_resource_that_is_none_of_the_policy_is_an_invalid_target() {
    for site in sites() {
        for bad in BAD {
            for asked in [vec![bad], vec![A, bad], vec![bad, A]] {
                let reply = authorize(&site, &asked);
                let Authorization::Redirect(redirect) = reply.answer else { panic!("{bad}") };
                let answer = response(&redirect);
                assert_eq!(
                    (answer.get("error"), answer.get("state")),
                    (Some("invalid_target"), Some("state-1"))
                );
                let pairs = [&[("grant_type", "client_credentials")], &named(&asked)[..]].concat();
                let (reply, counts) = site.store.count(|| site.token("web", &pairs, NOW));
                assert_denied(&reply, "invalid_target", Reason::ResourceUnknown);
                assert_eq!((reply.answer.to_response().status, counts), (400, CLIENT_READ));
                let device = request("web", "/device_authorization", &named(&asked));
                let DeviceAnswer::Denied(denial) =
                    site.run(&site.server.device_authorization(&device), NOW).answer
                else {
                    panic!("{bad}");
                };
                assert_eq!(
                    (denial.code.as_str(), denial.reason),
                    ("invalid_target", Reason::ResourceUnknown)
                );
            }
        }
    }
}

/// EX-10, RT-28: what is refused consumes nothing.
#[test]
fn rfc8707_2_2_a_token_request_stays_within_the_grant() {
    for site in sites() {
        let code = code_for(&site, &[A, B]);
        for outside in [vec![C], vec![A, C], vec!["https://a.example/"], vec![ISSUER]] {
            let (reply, counts) = site.store.count(|| redeem(&site, &code, &outside));
            assert_denied(&reply, "invalid_target", Reason::ResourceUnknown);
            assert_eq!((reply.event.effect, counts), (Effect::Nothing, READ));
        }
        let tokens = issued(redeem(&site, &code, &[B]));
        assert_audience(&site, &tokens, &[B]);
        let (reply, counts) = site.store.count(|| refresh(&site, &tokens, &named(&[A, C])));
        assert_denied(&reply, "invalid_target", Reason::ResourceUnknown);
        assert_eq!((reply.answer.to_response().status, counts), (400, READ));
        issued(refresh(&site, &tokens, &[]));
    }
}

/// EX-11.
#[test]
fn rfc8707_2_2_a_narrowed_token_narrows_no_grant() {
    for site in sites() {
        let mut live = issued(redeem(&site, &code_for(&site, &[A, B, C]), &[]));
        for asked in [vec![B], vec![C, A], vec![A, B, C], vec![A], vec![]] {
            let before = live.clone();
            live = issued(refresh(&site, &live, &named(&asked)));
            let mut expected = if asked.is_empty() { vec![A, B, C] } else { asked.clone() };
            // In the order of the grant.
            expected.sort_by_key(|resource| [A, B, C].iter().position(|known| known == resource));
            assert_audience(&site, &live, &expected);
            // An earlier token stays what it was.
            assert!(active(&site, "web", &before.access_token).is_some());
        }
    }
}

/// An opaque token says by itself what it is good for; the record knows only the grant.
#[test]
fn rfc6749_6_scope_and_audience_are_narrowed_together() {
    for site in sites() {
        let first = issued(redeem(&site, &code_for(&site, &[A, B]), &[]));
        let second = issued(refresh(&site, &first, &[("scope", "write"), ("resource", B)]));
        let described = active(&site, "web", &second.access_token).unwrap();
        assert_eq!((described.scope.to_string().as_str(), described.aud), ("write", vec![B.to_owned()]));
        let described = active(&site, "web", &first.access_token).unwrap();
        assert_eq!(described.scope.to_string(), "openid read write");
        assert_eq!(described.aud, [A, B]);
    }
}

/// IN-07: a resource server sees the tokens that are for it, also among others.
#[test]
fn rfc7662_4_a_resource_server_sees_its_own_tokens() {
    for site in sites() {
        let of = |resources: &[&str]| {
            let resources = resources.iter().map(|resource| String::from(*resource)).collect();
            let api = clients().into_iter().find(|client| *client.id() == client_id("api")).unwrap();
            site.store
                .inner
                .put_client(api.with_introspection(IntrospectionRight::AccessTokensFor(resources)));
        };
        let first = issued(redeem(&site, &code_for(&site, &[A, B]), &[]));
        let only_b = issued(refresh(&site, &first, &named(&[B])));
        for (own, sees) in [
            (vec![A], [true, false]),
            (vec![B], [true, true]),
            (vec![C], [false, false]),
            (vec![A, C], [true, false]),
            (vec![], [false, false]),
        ] {
            of(&own);
            let seen = [&first, &only_b].map(|tokens| active(&site, "api", &tokens.access_token).is_some());
            assert_eq!(seen, sees, "{own:?}");
            assert!(active(&site, "api", refresh_token(&only_b)).is_none());
        }
    }
}

#[test]
fn a_grant_is_for_no_more_resources_than_a_token_has_bits() {
    assert_eq!(Policy::MAX_RESOURCES, 8);
    let all: Vec<String> = (0..10).map(|number| format!("https://r{number}.example")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
        let mut site = site_of(format);
        let policy = Policy::default().with_access_token_format(format).with_resources(all.clone());
        site.server = server_of(ISSUER).with_policy(policy);
        let eight = all.split_at(8).0;
        let tokens = issued(redeem(&site, &code_for(&site, eight), &[]));
        assert_audience(&site, &tokens, eight);
        for one in eight {
            let tokens = issued(redeem(&site, &code_for(&site, eight), &[one]));
            assert_audience(&site, &tokens, &[one]);
        }
        let nine = all.split_at(9).0;
        let reply = authorize(&site, nine);
        assert_eq!(reply.event.denial.unwrap().reason, Reason::TooManyResources);
        let Authorization::Redirect(redirect) = reply.answer else { panic!("not refused") };
        assert_eq!(response(&redirect).get("error"), Some("invalid_target"));
        let pairs = [&[("grant_type", "client_credentials")], &named(nine)[..]].concat();
        let reply = site.token("web", &pairs, NOW);
        assert_denied(&reply, "invalid_target", Reason::TooManyResources);
    }
}

#[test]
fn rfc8707_2_a_device_asks_for_resources_at_the_start_and_may_narrow_at_the_end() {
    for site in sites() {
        let device =
            request("web", "/device_authorization", &[("scope", "read"), ("resource", A), ("resource", B)]);
        let DeviceAnswer::Waiting(waiting) = site.run(&site.server.device_authorization(&device), NOW).answer
        else {
            panic!("refused");
        };
        let found = site.run(&site.server.verify_user_code(waiting.user_code.expose()), NOW);
        let Verification::Interact(interaction) = found.answer else { panic!("{:?}", found.event) };
        assert_eq!(interaction.resources(), [A, B]);
        site.approve(*interaction, NOW);
        let poll = |resources: &[&str]| {
            let pairs = [
                ("grant_type", GrantType::DeviceCode.as_str()),
                ("device_code", waiting.device_code.expose()),
            ];
            site.token("web", &[&pairs, &named(resources)[..]].concat(), NOW)
        };
        let (reply, counts) = site.store.count(|| poll(&[C]));
        assert_denied(&reply, "invalid_target", Reason::ResourceUnknown);
        assert_eq!((reply.event.effect, counts), (Effect::Nothing, READ));
        let tokens = issued(poll(&[B]));
        assert_audience(&site, &tokens, &[B]);
        assert_audience(&site, &issued(refresh(&site, &tokens, &[])), &[A, B]);
    }
}

/// RFC 9068 section 3: without resources, tokens are for the issuer, which may be named.
#[test]
fn rfc9068_3_without_resources_tokens_are_for_the_issuer() {
    for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
        let site = Site::with_policy(Policy::default().with_access_token_format(format));
        for asked in [vec![], vec![ISSUER]] {
            let tokens = issued(redeem(&site, &code_for(&site, &asked), &[]));
            assert_audience(&site, &tokens, &[ISSUER]);
        }
        let reply = authorize(&site, &[A]);
        assert_eq!(reply.event.denial.unwrap().reason, Reason::ResourceUnknown);
    }
}

/// The interaction shows whom the tokens are for.
#[test]
fn rfc8707_3_consent_sees_the_resources() {
    let reply = authorize(&site_of(AccessTokenFormat::Jwt), &[B, A]);
    let Authorization::Interact(interaction) = reply.answer else { panic!("{:?}", reply.event) };
    assert_eq!(interaction.resources(), [B, A]);
    assert_eq!(Value::from(interaction.redirect_uri()), json!("https://web.example/cb"));
}
