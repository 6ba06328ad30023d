//! OpenID Connect from request to tokens: who the person is, and what the client asked to know.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use grantry_core::{HttpRequest, Issuer, SecretString, base64url};
use grantry_jwt::{Algorithm, KeyLoader, SigningKey};
use grantry_server::{
    AccessTokenFormat, Answered, Approval, Authorization, Claims, Client, GrantType, Interaction, Policy,
    Pushed, Reason, Records, Reply, Server, Subject, TokenResponse, UserInfoAnswer,
};
use serde_json::{Value, json};
use support::{
    ISSUER, KEY, LOGIN, NOW, Site, clients, code, handle_key, issued, query, redemption, refresh_token,
    request, scope, subject, time,
};

const PERSON: &str = r#"{"name": "Alice", "email": "alice@example.org", "groups": ["staff"], "picture": ""}"#;

fn knowing_alice(records: Records) -> Records {
    let roles = Claims::from_json(r#"{"roles": ["admin"], "tenant": 7}"#).unwrap();
    let person = Claims::from_json(PERSON).unwrap();
    records.with_user_claims(subject(), person).with_access_token_claims(roles)
}

/// A site whose client `web` is changed.
fn site_of(server: Server, change: impl Fn(Client) -> Client) -> Site {
    let site = Site::of(server);
    let web = clients().into_iter().find(|client| client.id().as_str() == "web").unwrap();
    site.store.inner.put_client(change(
        web.with_scope(scope("openid profile email read write")).with_claims(["groups", "shoe_size"]),
    ));
    site
}

fn site() -> Site {
    site_of(support::server_of(ISSUER), |client| client)
}

fn ask(site: &Site, changes: &[(&str, Option<&str>)]) -> Reply<Authorization> {
    site.authorize(&query("web", changes), NOW)
}

fn interaction(site: &Site, claims: &Value) -> Interaction {
    site.interaction("web", &[("claims", Some(&claims.to_string())), ("scope", Some("openid"))], NOW)
}

fn approve(site: &Site, interaction: Interaction, approval: Approval) -> Reply<Answered> {
    site.run_adding(&site.server.approve(interaction, approval), NOW, knowing_alice)
}

fn strong() -> Approval {
    support::approval().with_acr("gold").with_amr(["pwd", "otp"]).with_sid("session-1")
}

/// Redeems a code with a host that knows the person.
fn redeem(site: &Site, code: &str) -> TokenResponse {
    let request = request("web", "/token", &redemption("web", code).each());
    issued(site.run_adding(&site.server.token(&request), NOW, knowing_alice))
}

fn id_token(site: &Site, tokens: &TokenResponse) -> Value {
    site.claims(tokens.id_token.as_ref().unwrap(), "JWT")
}

/// Checks that the client is told of an error by a redirect.
#[track_caller]
fn assert_redirected(reply: &Reply<Authorization>, error: &str, reason: Reason) {
    assert_eq!(reply.event.denial.map(|denial| denial.reason), Some(reason));
    let Authorization::Redirect(redirect) = &reply.answer else { panic!("{:?}", reply.event) };
    assert_eq!(support::response(redirect).get("error"), Some(error));
}

#[track_caller]
fn assert_not_granted(reply: &Reply<Answered>, error: &str, reason: Reason) {
    assert_eq!(reply.event.denial.map(|denial| denial.reason), Some(reason));
    assert_eq!(support::response(support::redirect(reply)).get("error"), Some(error));
}

#[test]
fn oidc_2_an_id_token_says_how_the_person_logged_in() {
    let site = site();
    let code = code(&approve(&site, interaction(&site, &json!({})), strong()));
    let tokens = redeem(&site, &code);
    let mut expected = json!({
        "iss": ISSUER, "sub": "alice", "aud": "web", "exp": NOW + 600, "iat": NOW, "auth_time": LOGIN,
        "nonce": "nonce-1", "acr": "gold", "amr": ["pwd", "otp"], "sid": "session-1",
    });
    let mut claims = id_token(&site, &tokens);
    let at_hash = claims.as_object_mut().unwrap().remove("at_hash").unwrap();
    assert_eq!(claims, expected);

    // OpenID Connect Core section 12.2: the same login, and no nonce.
    let refreshed = issued(site.refresh("web", refresh_token(&tokens), NOW + 9));
    let mut claims = id_token(&site, &refreshed);
    assert_ne!(claims.as_object_mut().unwrap().remove("at_hash").unwrap(), at_hash);
    expected.as_object_mut().unwrap().remove("nonce");
    (expected["iat"], expected["exp"]) = (json!(NOW + 9), json!(NOW + 609));
    assert_eq!(claims, expected);
}

#[test]
fn rfc9068_2_2_an_access_token_says_how_the_person_logged_in_and_what_the_host_adds() {
    let site = site();
    let code = code(&approve(&site, interaction(&site, &json!({})), strong()));
    let mut claims = site.claims(&redeem(&site, &code).access_token, "at+jwt");
    assert!(claims.as_object_mut().unwrap().remove("jti").unwrap().is_string());
    let expected = json!({
        "iss": ISSUER, "sub": "alice", "aud": ISSUER, "client_id": "web", "scope": "openid", "exp": NOW + 600,
        "iat": NOW, "auth_time": LOGIN, "acr": "gold", "amr": ["pwd", "otp"], "roles": ["admin"], "tenant": 7,
    });
    assert_eq!(claims, expected);
}

#[test]
fn rfc9068_2_2_a_client_that_speaks_for_itself_is_the_subject() {
    let site =
        site_of(support::server_of(ISSUER), |client| client.with_grant_types([GrantType::ClientCredentials]));
    let request = request("web", "/token", &[("grant_type", "client_credentials"), ("scope", "read")]);
    let tokens = issued(site.run_adding(&site.server.token(&request), NOW, knowing_alice));
    let mut claims = site.claims(&tokens.access_token, "at+jwt");
    assert!(claims.as_object_mut().unwrap().remove("jti").unwrap().is_string());
    let expected = json!({
        "iss": ISSUER, "sub": "web", "aud": ISSUER, "client_id": "web", "scope": "read", "exp": NOW + 600,
        "iat": NOW, "roles": ["admin"], "tenant": 7,
    });
    assert_eq!((claims, tokens.id_token.is_none()), (expected, true));
}

#[test]
fn oidc_5_5_single_claims_are_told_where_they_were_asked_for() {
    let site = site();
    let asked = json!({
        "userinfo": { "groups": { "essential": true }, "shoe_size": null },
        "id_token": { "email": null, "sub": null },
    });
    let interaction = interaction(&site, &asked);
    assert_eq!(interaction.claims().userinfo_names().collect::<Vec<_>>(), ["groups", "shoe_size"]);
    let tokens = redeem(&site, &code(&approve(&site, interaction, strong())));
    let claims = id_token(&site, &tokens);
    assert_eq!((&claims["email"], &claims["groups"]), (&json!("alice@example.org"), &Value::Null));
    let bearing = HttpRequest::new("GET", "/userinfo")
        .with_header("Authorization", format!("Bearer {}", tokens.access_token.expose()));
    let reply = site.run_adding(&site.server.userinfo(&bearing), NOW, knowing_alice);
    assert!(matches!(reply.answer, UserInfoAnswer::Told(_)));
    let told = support::json(&reply.answer.to_response());
    assert_eq!(told, json!({ "sub": "alice", "groups": ["staff"] }));
}

#[test]
fn oidc_5_5_malformed_claims_are_an_invalid_request() {
    let site = site();
    for claims in ["x", "[]", r#"{"userinfo":{"a":1}}"#, r#"{"userinfo":{},"userinfo":{}}"#] {
        assert_redirected(
            &ask(&site, &[("claims", Some(claims))]),
            "invalid_request",
            Reason::Malformed("claims"),
        );
    }
    let long = "x".repeat(grantry_server::ClaimsRequest::MAX_BYTES + 1);
    assert_redirected(&ask(&site, &[("claims", Some(&long))]), "invalid_request", Reason::TooLong("claims"));
}

#[test]
fn oidc_5_5_1_1_an_essential_acr_that_is_not_reached_is_an_error() {
    let site = site();
    let asked = json!({ "id_token": { "acr": { "essential": true, "values": ["platinum", "gold"] } } });
    for weak in [support::approval(), support::approval().with_acr("silver")] {
        let reply = approve(&site, interaction(&site, &asked), weak);
        assert_not_granted(&reply, "unmet_authentication_requirements", Reason::AuthenticationTooWeak);
    }
    assert_eq!(interaction(&site, &asked).acr_values(), ["platinum", "gold"]);
    code(&approve(&site, interaction(&site, &asked), strong()));
    let voluntary = json!({ "id_token": { "acr": { "values": ["platinum"] } } });
    code(&approve(&site, interaction(&site, &voluntary), support::approval()));
}

#[test]
fn oidc_5_5_1_another_person_than_was_asked_for_is_not_answered() {
    let site = site();
    let asked = json!({ "id_token": { "sub": { "value": "bob" } } });
    let interaction = interaction(&site, &asked);
    assert_eq!(interaction.expected_subject().map(Subject::as_str), Some("bob"));
    let bob = Approval::new(Subject::parse("bob").unwrap(), time(LOGIN));
    assert_not_granted(
        &approve(&site, interaction.clone(), strong()),
        "login_required",
        Reason::OtherSubject,
    );
    code(&approve(&site, interaction, bob));
}

#[test]
fn oidc_3_1_2_1_a_hint_binds_the_answer_to_its_person() {
    let site = site();
    // Long expired.
    let hint = site.tokens_for("web", &[], NOW - 100_000).id_token.unwrap();
    let interaction = site.interaction("web", &[("id_token_hint", Some(hint.expose()))], NOW);
    assert_eq!(interaction.expected_subject(), Some(&subject()));
    let bob = Approval::new(Subject::parse("bob").unwrap(), time(LOGIN));
    assert_not_granted(&approve(&site, interaction.clone(), bob), "login_required", Reason::OtherSubject);
    code(&approve(&site, interaction, strong()));
}

#[test]
fn oidc_3_1_2_1_a_hint_that_is_none_of_the_client_is_refused() {
    let site = site();
    let tokens = site.tokens(NOW);
    let of_other = site.tokens_for("other", &[], NOW).id_token.unwrap();
    let of_issuer = Site::of(support::server_of("https://other.example")).tokens(NOW).id_token.unwrap();
    for hint in ["x", tokens.access_token.expose(), of_other.expose(), of_issuer.expose()] {
        assert_redirected(
            &ask(&site, &[("id_token_hint", Some(hint))]),
            "invalid_request",
            Reason::IdTokenHint,
        );
    }
    // Two persons cannot both be meant.
    let hint = tokens.id_token.unwrap();
    let bob = json!({ "id_token": { "sub": { "value": "bob" } } }).to_string();
    let both = [("id_token_hint", Some(hint.expose())), ("claims", Some(bob.as_str()))];
    assert_redirected(&ask(&site, &both), "invalid_request", Reason::Malformed("claims"));
}

#[test]
fn a_sealed_interaction_keeps_whom_and_what_the_client_asked_for() {
    let site = site();
    let asked = json!({ "userinfo": { "groups": null }, "id_token": { "sub": { "value": "bob" } } });
    let interaction = interaction(&site, &asked);
    let sealed = site.server.seal(&interaction, "session");
    let unsealed = site.server.unseal(&sealed, "session", time(NOW)).unwrap();
    assert_eq!(unsealed.claims(), interaction.claims());
    assert_eq!(unsealed.expected_subject().map(Subject::as_str), Some("bob"));
}

/// A store holds no token, and an ID token that is pushed is one.
#[test]
fn rfc9126_2_1_of_a_pushed_hint_the_person_is_kept_and_not_the_token() {
    let site = site();
    let hint = site.tokens(NOW).id_token.unwrap();
    let pairs = query(
        "web",
        &[("id_token_hint", Some(hint.expose())), ("claims", Some(r#"{"userinfo":{"groups":null}}"#))],
    );
    let push = |pairs: &str| {
        let request = HttpRequest::form("/par", pairs)
            .with_header("Authorization", support::basic("web", &support::secret("web")));
        site.run(&site.server.push(&request), NOW).answer
    };
    let Pushed::Accepted(pushed) = push(&pairs) else { panic!("refused") };
    let stored = site.store.last_written().to_bytes();
    let payload = hint.expose().split('.').nth(1).unwrap();
    assert!(!String::from_utf8_lossy(&stored).contains(payload));
    let query =
        grantry_core::form::encode([("client_id", "web"), ("request_uri", pushed.request_uri.expose())]);
    let Authorization::Interact(interaction) = site.authorize(&query, NOW).answer else { panic!("refused") };
    assert_eq!(interaction.expected_subject(), Some(&subject()));
    assert_eq!(interaction.claims().userinfo_names().collect::<Vec<_>>(), ["groups"]);

    let Pushed::Denied(denial) = push(&support::query("web", &[("id_token_hint", Some("x"))])) else {
        panic!("taken")
    };
    assert_eq!(denial.reason, Reason::IdTokenHint);
}

/// OpenID Connect Core section 5.4: nobody can ask userinfo without an access token.
#[test]
fn oidc_5_4_an_id_token_that_comes_alone_has_the_claims_of_the_scope() {
    let server = support::server_of(ISSUER).with_policy(Policy::default().danger_with_implicit_grant());
    let site = site_of(server, |client| client.with_grant_types([GrantType::Implicit]));
    for (response_type, email) in [("id_token", json!("alice@example.org")), ("id_token token", Value::Null)]
    {
        let changes = [("response_type", Some(response_type)), ("scope", Some("openid email"))];
        let reply = approve(&site, site.interaction("web", &changes, NOW), strong());
        let url = support::redirect(&reply).url().expose();
        let (_, fragment) = url.split_once('#').unwrap();
        let token = fragment.split('&').find_map(|pair| pair.strip_prefix("id_token=")).unwrap();
        let claims = site.claims(&SecretString::from(token), "JWT");
        assert_eq!((&claims["email"], &claims["sub"]), (&email, &json!("alice")), "{response_type}");
        assert_eq!(claims.get("at_hash").is_some(), response_type == "id_token token");
    }
}

/// The claims of the person at once, for a host whose read is told whose they are.
#[test]
fn a_lookup_names_the_person_where_no_grant_does() {
    use grantry_server::Operation as _;
    let site = site();
    let operation = site.server.approve(interaction(&site, &json!({})), strong());
    assert_eq!(operation.lookup(&site.moment(NOW)).subject, Some(&subject()));
    let server = site.server.clone().with_policy(Policy::default().danger_with_password_grant());
    let pairs = [("grant_type", "password"), ("username", "a"), ("password", "p"), ("scope", "openid")];
    let operation = server.token(&request("web", "/token", &pairs));
    assert_eq!(operation.lookup(&site.moment(NOW)).subject, None);
    let operation = operation.with_resource_owner(strong());
    assert_eq!(operation.lookup(&site.moment(NOW)).subject, Some(&subject()));
}

/// IT-24 and IT-27.
#[test]
fn oidc_3_1_3_6_at_hash_follows_the_algorithm_of_the_server() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa] {
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            let key = KeyLoader::default().generate(algorithm).unwrap();
            let key = SigningKey::new(algorithm, &key).unwrap().with_key_id("key-1");
            let server = Server::new(Issuer::parse(ISSUER).unwrap(), key, handle_key(1)).unwrap();
            let server = server.with_policy(Policy::default().with_access_token_format(format));
            let site = Site::of(server);
            let tokens = site.tokens(NOW);
            let id_token = tokens.id_token.as_ref().unwrap();
            let jws =
                grantry_jwt::verify_jws(id_token.expose(), site.server.jwk_set(), &[algorithm]).unwrap();
            let claims: Value = serde_json::from_slice(jws.payload()).unwrap();
            let digest = algorithm.digest(tokens.access_token.expose().as_bytes());
            assert_eq!(claims["at_hash"], base64url::encode(&digest[..digest.len() / 2]), "{algorithm}");
        }
    }
}

#[test]
fn oidc_2_azp_names_the_client_where_the_audience_does_not() {
    let site = site_of(support::server_of(ISSUER), |client| {
        client.with_id_token_audience("https://backend.example")
    });
    let tokens = redeem(&site, &code(&approve(&site, interaction(&site, &json!({})), strong())));
    let claims = id_token(&site, &tokens);
    assert_eq!((&claims["aud"], &claims["azp"]), (&json!(["web", "https://backend.example"]), &json!("web")));
    // And so the token still says who sends the person to log out.
    let target = format!("/logout?id_token_hint={}", tokens.id_token.unwrap().expose());
    let reply = site.run(&site.server.end_session(&HttpRequest::new("GET", target)), NOW);
    assert_eq!(reply.event.client_id, Some(support::client_id("web")));
    assert_eq!(KEY.algorithm(), Algorithm::Rs256);
}

/// CS-11: no claim is told that the client may not ask for, or that the person did not give.
#[test]
fn oidc_5_5_single_claims_stay_within_registration_and_consent() {
    let site = site();
    let asked = json!({
        "userinfo": { "email": null, "phone_number": null, "tenant": null, "groups": null },
        "id_token": { "email": null, "name": null, "tenant": null },
    });
    let told = |approval: Approval| {
        let tokens = redeem(&site, &code(&approve(&site, interaction(&site, &asked), approval)));
        let bearing = HttpRequest::new("GET", "/userinfo")
            .with_header("Authorization", format!("Bearer {}", tokens.access_token.expose()));
        let more = |records: Records| {
            let person = r#"{"email": "a@x", "phone_number": "+41", "tenant": 7, "groups": []}"#;
            records.with_user_claims(subject(), Claims::from_json(person).unwrap())
        };
        let reply = site.run_adding(&site.server.userinfo(&bearing), NOW, more);
        (id_token(&site, &tokens), support::json(&reply.answer.to_response()))
    };
    let (id_token, userinfo) = told(strong());
    assert_eq!(userinfo, json!({ "sub": "alice", "email": "a@x", "groups": [] }));
    assert_eq!((&id_token["email"], &id_token["name"]), (&json!("alice@example.org"), &json!("Alice")));
    assert_eq!(id_token["tenant"], Value::Null);
    let (id_token, userinfo) = told(strong().narrowed_to(scope("openid profile")));
    assert_eq!(userinfo, json!({ "sub": "alice", "groups": [] }));
    assert_eq!((&id_token["email"], &id_token["name"]), (&Value::Null, &json!("Alice")));
}
