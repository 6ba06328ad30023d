//! Everything that can happen at an endpoint, once.

use core::cell::Cell;

use grantry_core::{CodeVerifier, HttpRequest, Moment, SecretString, form};
use grantry_server::{
    Answered, Approval, Authority, Authorization, Claims, DeviceAnswer, GrantType, Pushed, Recording,
    Records, Refusal, Subject, Verification,
};

use crate::scene::{
    Adding, CLAIM, Interrupted, LOGIN_HINT, NONCE, OtherSalt, PASSWORD, PERSON, STATE, Scene,
};
use crate::support::{
    Fault, LOGIN, NOW, basic, client_id, code, issued, redemption, redirect_uri, refresh_token, secret, time,
};

impl Scene {
    /// Everything that can happen, once.
    pub(crate) fn play(&self) {
        self.codes();
        self.refreshes();
        self.presented();
        self.pages();
        self.pushed();
        self.devices();
        self.direct();
        self.conflicts();
        self.failures();
    }

    fn codes(&self) {
        let code = self.code();
        let good = redemption("web", &code).with("code_verifier", self.verifier.expose());
        let other = CodeVerifier::generate(&Moment::new(time(NOW), [8; 32]));
        self.keep(other.expose());
        for (name, pairs) in [
            ("other verifier", good.clone().with("code_verifier", other.expose())),
            ("no verifier", good.clone().without("code_verifier")),
            ("short verifier", good.clone().with("code_verifier", "short")),
            (
                "other redirect_uri",
                good.clone().with("redirect_uri", "https://evil.example/?token=hidden-in-a-uri"),
            ),
            ("no grant_type", good.clone().without("grant_type")),
            (
                "unknown resource",
                good.clone().with("resource", "https://evil.example/?token=hidden-in-a-uri"),
            ),
            ("unknown grant_type", good.clone().with("grant_type", "hidden grant")),
            ("no code", good.clone().without("code")),
            ("garbage for a code", good.clone().with("code", "not a code at all, but hidden")),
            (
                "unknown parameter",
                good.clone().without("code").with("secret_extension", "hidden in an extension"),
            ),
        ] {
            self.token(name, "web", &pairs.each());
        }
        self.keep("hidden-in-a-uri");
        self.keep("not a code at all, but hidden");
        self.keep("hidden in an extension");
        self.token("another client's code", "other", &good.each());
        let mut forged = code.into_bytes();
        forged[30] = if forged[30] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        self.keep(&forged);
        self.token("forged code", "web", &good.clone().with("code", &forged).each());
        self.kept(self.token("redeem", "web", &good.each()));
        self.token("code used twice", "web", &good.each());
        let code = self.code();
        let pairs = redemption("web", &code).with("code_verifier", self.verifier.expose());
        let late = self.request("web", "/token", &pairs.each());
        self.record("late code", &Recording::token(self.server(), &late), NOW + 60);
        self.credentials(&pairs.each());
    }

    fn credentials(&self, pairs: &[(&str, &str)]) {
        let body = form::encode(pairs.iter().copied());
        let form = || HttpRequest::form("/token?x=hidden", body.clone());
        self.keep("hidden");
        let basic = |secret: &str| basic("web", secret);
        for (name, request) in [
            ("wrong secret", form().with_header("Authorization", basic("a wrong secret"))),
            ("empty secret", form().with_header("Authorization", basic(""))),
            (
                "malformed basic",
                form().with_header("Authorization", "Basic c2VjcmV0IHdpdGhvdXQgYSBjb2xvbg=="),
            ),
            ("other scheme", form().with_header("Authorization", "Digest hidden")),
            ("two methods", {
                let two = form::encode(pairs.iter().copied().chain([("client_secret", "a wrong secret")]));
                HttpRequest::form("/token", two).with_header("Authorization", basic(&secret("web")))
            }),
            ("wrong post secret", {
                let post =
                    pairs.iter().copied().chain([("client_id", "post"), ("client_secret", "a wrong secret")]);
                HttpRequest::form("/token", form::encode(post))
            }),
            ("secret in the url", HttpRequest::form("/token?client_secret=hidden", body.clone())),
            ("get", HttpRequest::new("GET", "/token?code=hidden")),
            (
                "no form",
                HttpRequest::new("POST", "/token")
                    .with_body("hidden")
                    .with_header("Content-Type", "text/hidden"),
            ),
            ("broken escape", HttpRequest::form("/token", "code=hidden&state=%zz")),
            ("not utf-8", HttpRequest::form("/token", "code=%ff%fe")),
            ("repeated", HttpRequest::form("/token", "code=hidden&code=hidden")),
            ("control character", HttpRequest::form("/token", "code=hidden%00")),
            ("too long", HttpRequest::form("/token", format!("code={}", "hidden".repeat(11_000)))),
        ] {
            self.record(name, &Recording::token(self.server(), &request), NOW);
        }
        self.keep("a wrong secret");
        self.token("by post", "post", pairs);
    }

    fn refreshes(&self) {
        let tokens = self.tokens();
        let first = refresh_token(&tokens).expose();
        let next = self.kept(self.refresh("refresh", "web", first));
        self.refresh("refresh again", "web", first);
        self.refresh("another client's refresh token", "other", first);
        self.refresh("no refresh token", "web", "grr_hidden");
        let narrowed = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token(&next).expose()),
            ("scope", "read admin"),
        ];
        self.token("widened scope", "web", &narrowed);
        self.kept(self.refresh("refresh", "web", refresh_token(&next).expose()));
        self.refresh("refresh token used twice", "web", first);
        self.refresh("revoked grant", "web", first);
        self.site.store.fault.set(Some(Fault::NoGrants));
        self.refresh("record is gone", "web", first);
        self.site.store.fault.set(None);
        // A handle of the server's key for a record of another salt.
        let tokens = self.tokens();
        let store = OtherSalt(&self.site);
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens).expose())];
        let request = self.request("web", "/token", &pairs);
        self.record_on(&store, "other salt", &Recording::token(self.server(), &request), NOW);
        let store = Adding { site: &self.site, add: |records: Records| records.with_suspended_subject() };
        self.record_on(&store, "suspended", &Recording::token(self.server(), &request), NOW);
    }

    fn presented(&self) {
        let tokens = self.tokens();
        let id_token = tokens.id_token.as_ref().unwrap();
        let junk = SecretString::from("eyJhbGciOiJSUzI1NiJ9.aGlkZGVu.aGlkZGVu");
        for token in [&tokens.access_token, refresh_token(&tokens), id_token, &junk] {
            for client in ["api", "web", "other", "native"] {
                let request = self.request(client, "/introspect", &[("token", token.expose())]);
                self.record("introspect", &Recording::introspect(self.server(), &request), NOW);
            }
            let bearer = HttpRequest::new("GET", "/userinfo");
            let bearer = bearer.with_header("Authorization", format!("Bearer {}", token.expose()));
            let claims =
                Claims::from_json(&format!(r#"{{"name":"{CLAIM}","email":"{LOGIN_HINT}"}}"#)).unwrap();
            let person = Subject::parse(PERSON).unwrap();
            let store = Adding {
                site: &self.site,
                add: |records: Records| records.with_user_claims(person.clone(), claims.clone()),
            };
            self.record_on(&store, "userinfo", &Recording::userinfo(self.server(), &bearer), NOW);
            let in_form = HttpRequest::form("/userinfo", form::encode([("access_token", token.expose())]));
            self.record("userinfo by form", &Recording::userinfo(self.server(), &in_form), NOW);
        }
        for value in ["Bearer", "Bearer hid den", "Bearer ", "Hidden"] {
            let bearer = HttpRequest::new("GET", "/userinfo").with_header("Authorization", value);
            self.record("bad bearer", &Recording::userinfo(self.server(), &bearer), NOW);
        }
        for (client, token) in
            [("other", &tokens.access_token), ("web", &tokens.access_token), ("web", &junk)]
        {
            let request = self.request(client, "/revoke", &[("token", token.expose())]);
            self.record("revoke", &Recording::revoke(self.server(), &request), NOW);
        }
        let logout = form::encode([
            ("id_token_hint", id_token.expose()),
            ("logout_hint", LOGIN_HINT),
            ("state", STATE),
            ("client_id", "web"),
        ]);
        let get = HttpRequest::new("GET", format!("/logout?{logout}"));
        self.record("end session", &Recording::end_session(self.server(), &get), NOW);
        let get = HttpRequest::new(
            "GET",
            format!("/logout?{logout}&post_logout_redirect_uri=https%3A%2F%2Fhidden.example"),
        );
        self.record("end session elsewhere", &Recording::end_session(self.server(), &get), NOW);
        let changes = [
            ("id_token_hint", Some(id_token.expose())),
            (
                "claims",
                Some(
                    r#"{"userinfo":{"email":{"value":"hidden@example.org"}},"id_token":{"acr":{"essential":true,"values":["acr-1"]}}}"#,
                ),
            ),
        ];
        let interaction = self.interaction(&changes);
        let recording = Recording::approve(self.server(), interaction.clone(), self.approval());
        self.record("approve with claims", &recording, NOW);
        let bob = Approval::new(Subject::parse("bob.person").unwrap(), time(LOGIN));
        self.keep("bob.person");
        self.record("another person", &Recording::approve(self.server(), interaction, bob), NOW);
    }

    fn pages(&self) {
        for (name, changes) in [
            ("unknown client", ("client_id", Some("nobody"))),
            ("unknown redirect_uri", ("redirect_uri", Some("https://evil.example/hidden"))),
            ("no challenge", ("code_challenge", None)),
            ("bad challenge", ("code_challenge", Some("hidden"))),
            ("plain challenge", ("code_challenge_method", Some("plain"))),
            ("slipped challenge", ("code_challenge_method", Some("hidden method"))),
            ("unknown response_type", ("response_type", Some("hidden type"))),
            ("unknown response_mode", ("response_mode", Some("hidden mode"))),
            ("unknown prompt", ("prompt", Some("login hidden"))),
            ("no max_age", ("max_age", Some("hidden age"))),
            ("max_age", ("max_age", Some("3600"))),
            ("prompts", ("prompt", Some("login consent"))),
            ("request object", ("request", Some("eyJ.hidden.x"))),
            ("foreign request_uri", ("request_uri", Some("https://hidden.example/x"))),
            ("pushed elsewhere", ("request_uri", Some("urn:ietf:params:oauth:request_uri:hidden"))),
            ("bad claims", ("claims", Some("{\"hidden\""))),
            ("bad hint", ("id_token_hint", Some("hidden"))),
        ] {
            self.authorize(name, &self.asked("web", &[changes]));
        }
        let long = "hidden".repeat(1000);
        self.authorize("long state", &self.asked("web", &[("state", Some(&long))]));
        let twice = format!("{}&state=hidden", self.asked("web", &[]));
        self.authorize("state twice", &twice);

        let interaction = self.interaction(&[]);
        let approve = || Recording::approve(self.server(), interaction.clone(), self.approval());
        let reply = self.record("approve", &approve(), NOW);
        self.keep(&code(&reply));
        self.record("approve again", &approve(), NOW);
        self.record("approve late", &approve(), NOW + 3600);
        let client = Approval::new(Subject::parse("web").unwrap(), time(LOGIN));
        self.record(
            "subject is client",
            &Recording::approve(self.server(), interaction.clone(), client),
            NOW,
        );
        let refuse = Recording::refuse(self.server(), &interaction, Refusal::AccessDenied);
        self.record("refuse", &refuse, NOW);
        let implicit = [("response_type", Some("id_token token"))];
        let interaction = self.interaction(&implicit);
        let reply =
            self.record("implicit", &Recording::approve(self.server(), interaction, self.approval()), NOW);
        let Answered::Redirect(redirect) = reply.answer else { panic!("{:?}", reply.event) };
        self.redirect(&redirect);
    }

    fn pushed(&self) {
        let challenge = self.verifier.challenge();
        let uri = redirect_uri("web");
        let pairs = [
            ("response_type", "code"),
            ("redirect_uri", uri.as_str()),
            ("scope", "read"),
            ("state", STATE),
            ("nonce", NONCE),
            ("login_hint", LOGIN_HINT),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ];
        let reply =
            self.record("push", &Recording::push(self.server(), &self.request("web", "/par", &pairs)), NOW);
        let Pushed::Accepted(pushed) = reply.answer else { panic!("{:?}", reply.event) };
        self.keep(pushed.request_uri.expose());
        let query = form::encode([("client_id", "web"), ("request_uri", pushed.request_uri.expose())]);
        let Authorization::Interact(interaction) = self.authorize("pushed request", &query) else { panic!() };
        let recording = Recording::approve(self.server(), *interaction, self.approval());
        self.keep(&code(&self.record("approve pushed", &recording, NOW)));
        self.authorize("pushed request used twice", &query);
        self.record(
            "bad push",
            &Recording::push(self.server(), &self.request("web", "/par", &pairs[1..])),
            NOW,
        );
    }

    fn devices(&self) {
        let begin = || {
            let request = self.request("web", "/device_authorization", &[("scope", "openid read")]);
            let recording = Recording::device_authorization(self.server(), &request);
            let DeviceAnswer::Waiting(answer) = self.record("device", &recording, NOW).answer else {
                panic!()
            };
            self.keep(answer.device_code.expose());
            self.keep(answer.user_code.expose());
            answer
        };
        let poll = |name: &str, code: &SecretString, now| {
            let pairs = [("grant_type", GrantType::DeviceCode.as_str()), ("device_code", code.expose())];
            let request = self.request("web", "/token", &pairs);
            self.record(name, &Recording::token(self.server(), &request), now).answer
        };
        let find = |name: &str, text: &str| {
            self.record(name, &Recording::verify_user_code(self.server(), text), NOW).answer
        };
        let device = begin();
        poll("pending", &device.device_code, NOW);
        poll("slow down", &device.device_code, NOW + 1);
        find("no user code", "hidden-code");
        let Verification::Interact(interaction) = find("user code", device.user_code.expose()) else {
            panic!()
        };
        let recording = Recording::approve(self.server(), *interaction, self.approval());
        self.record("approve device", &recording, NOW);
        find("user code again", device.user_code.expose());
        self.kept(poll("device code", &device.device_code, NOW + 60));
        poll("device code twice", &device.device_code, NOW + 61);
        let device = begin();
        let Verification::Interact(interaction) = find("user code", device.user_code.expose()) else {
            panic!()
        };
        let refuse = Recording::refuse(self.server(), &interaction, Refusal::AccessDenied);
        self.record("refuse device", &refuse, NOW);
        poll("refused device", &device.device_code, NOW);
        // The code of the moment is taken.
        let request = self.request("web", "/device_authorization", &[("scope", "read")]);
        let recording = Recording::device_authorization(self.server(), &request);
        self.record("device", &recording, NOW);
        self.number.set(self.number.get() - 1);
        let reply = self.record("user code is taken", &recording, NOW);
        let DeviceAnswer::Waiting(answer) = reply.answer else { panic!("{:?}", reply.event) };
        self.keep(answer.user_code.expose());
    }

    fn direct(&self) {
        let tokens = self.kept(self.token(
            "client credentials",
            "web",
            &[("grant_type", "client_credentials"), ("scope", "read")],
        ));
        let request = self.request("web", "/introspect", &[("token", tokens.access_token.expose())]);
        self.record("introspect", &Recording::introspect(self.server(), &request), NOW);
        for name in ["revoke", "revoke again"] {
            let request = self.request("web", "/revoke", &[("token", tokens.access_token.expose())]);
            self.record(name, &Recording::revoke(self.server(), &request), NOW);
        }
        let pairs =
            [("grant_type", "password"), ("username", LOGIN_HINT), ("password", PASSWORD), ("scope", "read")];
        let request = self.request("web", "/token", &pairs);
        self.record("wrong password", &Recording::token(self.server(), &request), NOW);
        let recording = Recording::token(self.server(), &request).with_resource_owner(self.approval());
        self.kept(self.record("password", &recording, NOW).answer);
        let id = self.site.store.last_written().id();
        for authority in [
            Authority::Subject(Subject::parse("bob.person").unwrap()),
            Authority::Subject(Subject::parse(PERSON).unwrap()),
            Authority::Client(client_id("other")),
            Authority::Operator,
        ] {
            let recording = Recording::revoke_grant(self.server(), id, authority);
            self.record("revoke grant", &recording, NOW);
        }
    }

    /// Two refreshes at once: the second decides twice.
    fn conflicts(&self) {
        let tokens = self.tokens();
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens).expose())];
        let request = self.request("web", "/token", &pairs);
        let first = || {
            let tokens = issued(self.site.refresh("web", refresh_token(&tokens), NOW));
            self.keep(refresh_token(&tokens).expose());
        };
        let store = Interrupted { site: &self.site, between: Cell::new(Some(&first)) };
        self.record_on(&store, "two at once", &Recording::token(self.server(), &request), NOW);
    }

    fn failures(&self) {
        let tokens = self.tokens();
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens).expose())];
        let request = self.request("web", "/token", &pairs);
        let recording = Recording::token(self.server(), &request);
        for (name, fault) in
            [("read fails", Fault::Read), ("commit fails", Fault::Commit), ("contended", Fault::Conflict)]
        {
            self.site.store.fault.set(Some(fault));
            assert!(self.record_on(&self.site.store, name, &recording, NOW).is_none());
            self.site.store.fault.set(None);
        }
    }
}
