//! ST-19: no public type of the server prints a secret that it was built from.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use core::fmt::Debug;

use grantry_core::{HttpRequest, SecretBytes, SecretString, base64url};
use grantry_server::{
    Answered, Authorization, Change, ChangeSet, Client, ClientAuthentication, Decision, HandleKey,
    Interaction, Lookup, Operation, Outcome, Page, Policy, Prompt, Reason, RecordError, Records,
    RefreshTokens, RunError, SecretDigest, Store, Subject, TokenAnswer, UnsealError, Version,
};
use support::{
    ISSUER, NOW, Site, VERIFIER, approval, basic, client_id, code, every_endpoint, handle_key, issued,
    push_request, query, redemption, refresh_token, request, secret, subject, waiting,
};

/// Everything that a flow knows and a log must not.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    /// Text may be printed as it is, or as a list of the numbers of its bytes.
    fn text(&mut self, secret: &str) {
        self.0.push(secret.to_owned());
        self.0.push(list(secret.as_bytes()));
    }

    /// Bytes may be printed as a list of numbers, in hexadecimal or in base64url.
    fn bytes(&mut self, secret: &[u8]) {
        let start = secret.split_at(6.min(secret.len())).0;
        self.0.push(list(start));
        self.text(&start.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        self.text(base64url::encode(start).split_at(7).0);
    }

    #[track_caller]
    fn assert_silent(&self, values: &[&dyn Debug]) {
        for value in values {
            for printed in [format!("{value:?}"), format!("{value:#?}")] {
                let dense = printed.replace([' ', '\n'], "");
                for secret in &self.0 {
                    assert!(!printed.contains(secret) && !dense.contains(secret), "{secret} in {printed}");
                }
            }
        }
    }
}

fn list(bytes: &[u8]) -> String {
    format!("{bytes:?}").replace(['[', ']', ' '], "")
}

/// The salt of the grant that was written last.
fn salt(site: &Site) -> Vec<u8> {
    // Behind the number of the form and the id.
    site.store.last_written().to_bytes().into_iter().skip(17).take(16).collect()
}

fn records(site: &Site, operation: &impl Operation) -> Records {
    site.store.read(&operation.lookup(&site.moment(NOW))).unwrap()
}

fn changes<R>(decision: &Decision<R>) -> ChangeSet {
    let Decision::Commit(commit) = decision else { unreachable!("a commit was expected") };
    commit.changes().clone()
}

fn interact(answer: Authorization) -> Interaction {
    let Authorization::Interact(interaction) = answer else { unreachable!("{answer:?}") };
    *interaction
}

#[test]
fn no_value_of_a_flow_prints_a_secret() {
    let opaque = Policy::default().with_access_token_format(grantry_server::AccessTokenFormat::Opaque);
    for site in [Site::new(), Site::with_policy(opaque)] {
        let mut secrets = Secrets::default();
        let web_secret = secret("web");
        secrets.text(&web_secret);
        secrets.text(VERIFIER);
        secrets.text("state-1");
        secrets.text("nonce-1");
        secrets.text("hint-1");
        secrets.bytes(SecretDigest::of(&web_secret).as_bytes());
        secrets.bytes(handle_key(1).id().to_be_bytes().repeat(32).as_slice());

        let get = HttpRequest::new(
            "GET",
            format!("/authorize?{}", query("web", &[("login_hint", Some("hint-1"))])),
        );
        let authorize = site.server.authorize(&get);
        let found = records(&site, &authorize);
        let asked = authorize.decide(&found, &site.moment(NOW));
        secrets.assert_silent(&[
            &site.server,
            &authorize,
            &found,
            &authorize.lookup(&site.moment(NOW)),
            &asked,
        ]);

        let interaction = interact(site.run(&authorize, NOW).answer);
        let sealed = site.server.seal(&interaction, "session-secret");
        secrets.text("session-secret");
        secrets.text(&sealed);
        let refused = site.server.refuse(&interaction, grantry_server::Refusal::AccessDenied);
        let approve = site.server.approve(interaction.clone(), approval());
        let committed = approve.decide(&records(&site, &approve), &site.moment(NOW));
        secrets.assert_silent(&[&interaction, &refused, &approve, &committed, &changes(&committed)]);
        let approved = site.run(&approve, NOW);
        let code = code(&approved);
        secrets.text(&code);
        secrets.bytes(&salt(&site));
        let repeated = approve.decide(&records(&site, &approve), &site.moment(NOW));
        let Answered::Redirect(redirect) = &approved.answer else { unreachable!("{approved:?}") };
        secrets.assert_silent(&[&approved, &repeated, redirect, &redirect.to_response(), &site.store]);

        let redeem = request("web", "/token", &redemption("web", &code).each());
        let token = site.server.token(&redeem);
        let found = records(&site, &token);
        let committed = token.decide(&found, &site.moment(NOW));
        let change = changes(&committed);
        let put = change.iter().next();
        secrets.assert_silent(&[
            &redeem,
            &token,
            &token.lookup(&site.moment(NOW)),
            &found,
            &committed,
            &change,
            &put,
        ]);
        let redeemed = site.run(&token, NOW);
        let tokens = issued(redeemed.clone());
        secrets.text(tokens.access_token.expose());
        secrets.text(refresh_token(&tokens).expose());
        secrets.text(tokens.id_token.as_ref().unwrap().expose());
        let grant = site.store.last_written();
        let version = found.grant(grant.id());
        secrets.assert_silent(&[&redeemed, &tokens, &redeemed.answer.to_response(), &grant, &version]);

        for token in [&tokens.access_token, refresh_token(&tokens)] {
            let pairs = [("token", token.expose())];
            let looked_up = request("web", "/introspect", &pairs);
            let introspect = site.server.introspect(&looked_up);
            let described = site.run(&introspect, NOW);
            let revocation = request("web", "/revoke", &pairs);
            let revoke = site.server.revoke(&revocation);
            let committed = revoke.decide(&records(&site, &revoke), &site.moment(NOW));
            secrets.assert_silent(&[&introspect, &described, &described.answer.to_response()]);
            secrets.assert_silent(&[&revoke, &committed]);
        }
        let reused = site.run(&token, NOW);
        secrets.assert_silent(&[&reused, &reused.answer.to_response(), &site.store]);
    }
}

/// DV-23 and EX-01, for logs.
#[test]
fn no_value_of_a_device_or_a_pushed_request_prints_a_secret() {
    let site = every_endpoint(Policy::default());
    let mut secrets = Secrets::default();
    secrets.text(&secret("web"));
    let asked = request("web", "/device_authorization", &[("scope", "read")]);
    let operation = site.server.device_authorization(&asked);
    let moment = site.moment(NOW);
    let committed = operation.decide(&records(&site, &operation), &moment);
    let reply = site.run(&operation, NOW);
    let device = waiting(reply.clone());
    for text in [&device.device_code, &device.user_code, &device.verification_uri_complete] {
        secrets.text(text.expose());
    }
    secrets.text(&device.user_code.expose().replace('-', ""));
    secrets.bytes(&salt(&site));
    let response = reply.answer.to_response();
    secrets.assert_silent(&[&asked, &operation, &operation.lookup(&moment), &committed]);
    secrets.assert_silent(&[&reply, &device, &response, &site.store.last_written(), &site.store]);

    let verify = site.server.verify_user_code(device.user_code.expose());
    let found = site.run(&verify, NOW);
    let unknown = site.server.verify_user_code("hunter2");
    let interaction = site.find(&device, NOW);
    let refuse = site.server.refuse(&interaction, grantry_server::Refusal::AccessDenied);
    let approve = site.server.approve(interaction.clone(), approval());
    secrets.text("hunter2");
    secrets.assert_silent(&[&verify, &verify.lookup(&moment), &found, &unknown, &interaction, &refuse]);
    secrets.assert_silent(&[&approve, &site.run(&approve, NOW)]);
    let pairs = [("grant_type", support::DEVICE_CODE), ("device_code", device.device_code.expose())];
    let poll = site.server.token(&request("web", "/token", &pairs));
    let committed = poll.decide(&records(&site, &poll), &moment);
    secrets.assert_silent(&[&poll, &committed, &site.run(&poll, NOW)]);

    for text in ["state-1", "nonce-1", "hint-1"] {
        secrets.text(text);
    }
    let pushed = push_request("post", &[("login_hint", Some("hint-1"))]);
    secrets.text(&secret("post"));
    let push = site.server.push(&pushed);
    let committed = push.decide(&records(&site, &push), &moment);
    let reply = site.run(&push, NOW);
    secrets.text(support::pushed(reply.clone()).request_uri.expose());
    let response = reply.answer.to_response();
    secrets.assert_silent(&[&pushed, &push, &committed, &reply, &response]);
    secrets.assert_silent(&[&site.store.last_written(), &site.store]);
}

#[test]
fn no_refusal_prints_what_it_refused() {
    let site = Site::new();
    let mut secrets = Secrets::default();
    secrets.text("hunter2");
    for (name, value) in [
        ("client_id", "hunter2"),
        ("redirect_uri", "https://hunter2.example"),
        ("scope", "hunter2"),
        ("response_type", "hunter2"),
        ("request", "hunter2"),
        ("code_challenge", "hunter2"),
    ] {
        let reply = site.authorize(&query("web", &[(name, Some(value))]), NOW);
        if name == "client_id" {
            // The event names the client that the request named, proven or not.
            secrets.assert_silent(&[&reply.answer]);
        } else {
            secrets.assert_silent(&[&reply]);
        }
    }
    let good = redemption("web", &site.code(NOW));
    for name in ["code", "code_verifier", "redirect_uri", "grant_type", "client_secret", "client_id"] {
        let pairs = good.clone().with(name, "hunter2");
        let bad = request("web", "/token", &pairs.each());
        let token = site.server.token(&bad);
        let reply = site.run(&token, NOW);
        assert!(matches!(reply.answer, TokenAnswer::Denied(_)));
        let response = reply.answer.to_response();
        let body = String::from_utf8(response.body.clone()).unwrap();
        secrets.assert_silent(&[&bad, &reply, &response, &body]);
        if name != "redirect_uri" {
            secrets.assert_silent(&[&token]);
        }
    }
}

#[test]
fn no_configuration_prints_its_secrets() {
    let mut secrets = Secrets::default();
    let key = b"hunter2-hunter2-hunter2-hunter2-";
    secrets.text("hunter2");
    secrets.bytes(key);
    let digest = SecretDigest::of("hunter2");
    secrets.bytes(digest.as_bytes());
    let client = |method| Client::new(client_id("web"), method);
    let site = Site::new();
    let mut with_keys = support::server_of(ISSUER);
    let older = HandleKey::new(7, SecretBytes::from(key.to_vec())).unwrap();
    secrets.assert_silent(&[&older]);
    with_keys = with_keys.with_older_handle_key(older).unwrap();
    let private = support::vectors(include_str!("../../../tests/vectors/jws-sign.json"));
    let jwk = private.iter().find(|vector| vector["id"] == "JK-107.2").unwrap();
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        secrets.text(jwk["jwk"][member].as_str().unwrap().split_at(20).0);
    }
    secrets.assert_silent(&[
        &with_keys,
        &with_keys.metadata(),
        with_keys.jwk_set(),
        &with_keys.jwk_set_response(support::time(NOW)),
        &digest,
        &client(ClientAuthentication::SecretBasic(digest.clone())),
        &client(ClientAuthentication::SecretPost(digest.clone())),
        &client(ClientAuthentication::None),
        &HttpRequest::form("/token", "x").with_header("Authorization", basic("web", "hunter2")),
        &site.store,
        &Policy::default().with_refresh_tokens(RefreshTokens::WithOfflineAccess),
        &SecretString::from("hunter2"),
    ]);
}

/// The rest of the public types: nothing secret goes into them, and they print what they are.
#[test]
fn plain_values_print_themselves() {
    let printed: Vec<String> = [
        &HandleKey::new(1, SecretBytes::from(vec![1; 31])).unwrap_err() as &dyn Debug,
        &Subject::parse("").unwrap_err(),
        &UnsealError::Foreign,
        &RecordError::Newer(2),
        &RunError::<RecordError>::Contended,
        &Outcome::Applied,
        &Version::FIRST,
        &Prompt::SelectAccount,
        &Reason::Forged,
        &Lookup::default(),
        &subject(),
    ]
    .into_iter()
    .map(|value| format!("{value:?}"))
    .collect();
    let expected = [
        "HandleKeyError",
        "SubjectError",
        "Foreign",
        "Newer(2)",
        "Contended",
        "Applied",
        "Version(1)",
        "SelectAccount",
        "Forged",
        "Lookup { issuer: None, client: None, grant: None, known_grant: None, claim: None, assertion: None, subject: None, client_secret: None }",
        "Subject(\"alice\")",
    ];
    assert_eq!(printed, expected);
    let site = Site::new();
    let page = site.authorize("", NOW).answer;
    let Authorization::Page(page) = page else { unreachable!("{page:?}") };
    assert_eq!(format!("{page:?}"), format!("Page {{ denial: {:?} }}", Page::denial(&page)));
    site.code(NOW);
    let grant = site.store.last_written();
    let id = format!("{:?}", grant.id());
    assert_eq!(id, format!("GrantId({})", grant.id()));
    let page = site.server.approve(site.interaction("web", &[], NOW), approval());
    let Decision::Commit(commit) = page.decide(&records(&site, &page), &site.moment(NOW)) else {
        unreachable!("a commit was expected");
    };
    assert_eq!(format!("{:?}", commit.resolve(Outcome::Conflict).unwrap_err()), "Conflict");
    let put = Change::Put { expected: None, grant };
    assert!(format!("{put:?}").contains(&id));
}
