//! The life of one grant of any kind, driven by bytes.

use std::time::Duration;

use grantry::core::{HttpRequest, Moment, UnixTime};
use grantry::server::{
    AccessTokenFormat, Commit, Decision, Effect, EventKind, Interaction, Introspection, MemoryStore,
    Operation, Outcome, Reason, Records, Refusal, Reply, Revoked, Server, Store, TokenAnswer, run,
};

use crate::fixture::{self, NOW, REDIRECT_URI, ReadOnly, VERIFIER, clients, code_of, moment, post_by};

/// After every step of any sequence of answers, redemptions, polls, refreshes, late commits, revocations and
/// waits at most one refresh token of the grant is live, and nothing is after an alarm, a refusal or a
/// revocation.
pub fn grant_life(data: &[u8]) {
    const MAX_ACTS: usize = 48;
    let Some((choices, acts)) = data.split_first() else { return };
    let mut world = World::new(*choices);
    for act in acts.chunks_exact(2).take(MAX_ACTS) {
        world.act(act[0], act[1]);
        let old = world.refresh_tokens.len().saturating_sub(3);
        world.assert_one_live_token(&world.refresh_tokens[old..]);
    }
    world.assert_one_live_token(&world.refresh_tokens);
}

/// How the grant begins.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    Code,
    Pushed,
    Device,
    Password,
}

struct World {
    server: Server,
    store: MemoryStore,
    now: UnixTime,
    operations: u64,
    flow: Flow,
    interaction: Option<Interaction>,
    /// A code or a device code.
    code: Option<String>,
    refresh_tokens: Vec<String>,
    access_tokens: Vec<String>,
    /// Decisions of requests whose commit has not reached the store yet.
    late: Vec<Commit<Reply<TokenAnswer>>>,
    is_redeemed: bool,
    /// An alarm was raised, the person refused, or the client revoked.
    is_over: bool,
}

impl World {
    fn new(choices: u8) -> Self {
        let retry = |bit: u8| Duration::from_secs(if choices & bit == 0 { 0 } else { 10 });
        let lifetime = Duration::from_secs(if choices & 4 == 0 { 100_000 } else { 100 });
        let policy = fixture::policy(AccessTokenFormat::Opaque)
            .with_code_retry(retry(1))
            .with_refresh_retry(retry(2))
            .with_refresh_token_lifetime(lifetime);
        let (server, store) = (fixture::server(policy), MemoryStore::new(clients()));
        let flow = [Flow::Code, Flow::Pushed, Flow::Device, Flow::Password][usize::from(choices >> 3) % 4];
        let mut world = Self {
            server,
            store,
            now: NOW,
            operations: 2,
            flow,
            interaction: None,
            code: None,
            refresh_tokens: Vec::new(),
            access_tokens: Vec::new(),
            late: Vec::new(),
            is_redeemed: false,
            is_over: false,
        };
        world.begin_flow();
        world
    }

    fn begin_flow(&mut self) {
        let (server, store) = (&self.server, &self.store);
        match self.flow {
            Flow::Code => self.interaction = Some(fixture::interaction(server, store, 1)),
            Flow::Pushed => {
                let request_uri = fixture::pushed(server, store, 1);
                let request = fixture::pushed_request("app-1", &request_uri);
                self.interaction = Some(fixture::page(server, store, &request, 2));
            }
            Flow::Device => {
                let device = fixture::device(server, store, 1);
                self.interaction = Some(fixture::device_page(server, store, device.user_code.expose()));
                self.code = Some(device.device_code.expose().to_owned());
            }
            Flow::Password => {
                let pairs = [("grant_type", "password"), ("username", "alice"), ("password", "pw")];
                let request = post_by("app-1", &[&pairs[..], &[("scope", "read write")]].concat());
                let operation = server.token(&request).with_resource_owner(fixture::approval());
                let reply = run(store, &operation, moment(NOW, 1)).unwrap();
                self.observe(&reply);
            }
        }
    }

    fn act(&mut self, what: u8, which: u8) {
        match what % 10 {
            0 if which % 4 == 3 => self.refuse(),
            0 => self.approve(),
            1 => self.finish(self.redemption()),
            2 | 3 => self.finish(self.refresh(which)),
            4 => self.begin(if which.is_multiple_of(4) { self.redemption() } else { self.refresh(which) }),
            5 => self.commit_late(which),
            6 => self.revoke(which),
            7 => self.stranger(which),
            8 => self.wait(u64::from(which)),
            _ => {
                self.wait(u64::from(which) * 100);
                self.store.sweep_all(self.now);
            }
        }
    }

    fn approve(&mut self) {
        let Some(interaction) = self.interaction.clone() else { return };
        let operation = self.server.approve(interaction, fixture::approval());
        let at = self.moment();
        let reply = run(&self.store, &operation, at).unwrap();
        assert!(!self.is_over || reply.event.effect == Effect::Nothing, "a grant that is over, approved");
        if let Some(code) = code_of(&reply.answer) {
            assert!(self.code.is_none() || self.code.as_ref() == Some(&code), "one interaction, two codes");
            assert!(!self.is_redeemed, "a code after the redemption");
            self.code = Some(code);
        }
    }

    fn refuse(&mut self) {
        let Some(interaction) = &self.interaction else { return };
        let operation = self.server.refuse(interaction, Refusal::AccessDenied);
        let at = self.moment();
        let event = run(&self.store, &operation, at).unwrap().event;
        // Only a device waits for the person; a client is told by the browser.
        assert!(event.effect != Effect::Written || (self.flow == Flow::Device && !self.is_redeemed));
        self.is_over |= event.effect == Effect::Written;
    }

    fn redemption(&self) -> Option<HttpRequest> {
        self.code.as_deref().map(|code| match self.flow {
            Flow::Device => fixture::poll_by("app-1", code),
            Flow::Code | Flow::Pushed | Flow::Password => fixture::redemption(code),
        })
    }

    fn refresh(&self, which: u8) -> Option<HttpRequest> {
        pick(&self.refresh_tokens, which).map(|token| fixture::refresh(token))
    }

    /// A request that runs from end to end.
    fn finish(&mut self, request: Option<HttpRequest>) {
        let Some(request) = request else { return };
        let at = self.moment();
        let reply = run(&self.store, &self.server.token(&request), at).unwrap();
        self.observe(&reply);
    }

    /// A request that has read and decided when it loses its turn.
    fn begin(&mut self, request: Option<HttpRequest>) {
        let Some(request) = request else { return };
        match self.decide(&request) {
            Decision::Reply(reply) => self.observe(&reply),
            Decision::Commit(commit) => self.late.push(commit),
            _ => unreachable!("a decision that this release does not have"),
        }
    }

    /// The turn comes back, or the request is dropped for good.
    fn commit_late(&mut self, which: u8) {
        if self.late.is_empty() {
            return;
        }
        let commit = self.late.remove(usize::from(which >> 1) % self.late.len());
        if which & 1 == 0 {
            let outcome = Store::commit(&self.store, commit.changes()).unwrap();
            if let Ok(reply) = commit.resolve(outcome) {
                self.observe(&reply);
            }
        }
    }

    fn revoke(&mut self, which: u8) {
        let tokens = if which & 1 == 0 { &self.refresh_tokens } else { &self.access_tokens };
        let Some(token) = pick(tokens, which >> 1).cloned() else { return };
        // RFC 7009 section 2.1: an access token that is dead already ends nothing.
        let ends = which & 1 == 0 || self.is_active(&token);
        let at = self.moment();
        let request = fixture::presented(&token);
        let reply = run(&self.store, &self.server.revoke(&request), at).unwrap();
        assert_eq!(reply.answer, Revoked::Done);
        assert!(ends || reply.event.effect == Effect::Nothing, "a dead token ends a grant");
        self.is_over |= ends;
    }

    /// Another client has the code and the tokens, and gets nothing and changes nothing.
    fn stranger(&self, which: u8) {
        let code = self.code.as_deref().unwrap_or("x");
        let token = pick(&self.refresh_tokens, which).map_or("x", String::as_str);
        let redemption = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER.expose()),
        ];
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let store = ReadOnly(&self.store);
        let requests =
            [post_by("app-2", &redemption), post_by("app-2", &refresh), fixture::poll_by("app-2", code)];
        for request in requests {
            let answer = run(&store, &self.server.token(&request), moment(self.now, 0)).unwrap().answer;
            assert!(matches!(answer, TokenAnswer::Denied(_)), "{answer:?}");
        }
        let request = post_by("app-2", &[("token", token)]);
        let reply = run(&store, &self.server.revoke(&request), moment(self.now, 0)).unwrap();
        assert_eq!((reply.answer, reply.event.effect), (Revoked::Done, Effect::Nothing));
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.saturating_add(Duration::from_secs(seconds));
    }

    fn observe(&mut self, reply: &Reply<TokenAnswer>) {
        let event = &reply.event;
        let tokens = match &reply.answer {
            TokenAnswer::Issued(tokens) => tokens,
            TokenAnswer::Denied(denial) => {
                // A poll notes when it came.
                let writes = [EventKind::ReuseDetected, EventKind::DevicePolled];
                assert_eq!(event.effect == Effect::Written, writes.contains(&event.kind));
                let reuses = [Reason::CodeReused, Reason::DeviceCodeReused, Reason::RefreshTokenReused];
                self.is_over |= reuses.contains(&denial.reason);
                return;
            }
        };
        assert!(!self.is_over, "tokens of a grant that is over");
        let refresh_token = tokens.refresh_token.as_ref().expect("a refresh token").expose();
        if event.effect == Effect::Written {
            assert_eq!(event.kind != EventKind::TokenRefreshed, !self.is_redeemed);
            assert!(!self.refresh_tokens.iter().any(|token| token == refresh_token), "a token twice");
            self.is_redeemed = true;
            self.refresh_tokens.push(refresh_token.to_owned());
        } else {
            assert_eq!(Some(refresh_token), self.refresh_tokens.last().map(String::as_str));
        }
        self.access_tokens.push(tokens.access_token.expose().to_owned());
    }

    /// Asks, without letting anything be written, what these refresh tokens, the code and the access
    /// tokens would do now.
    fn assert_one_live_token(&self, refresh_tokens: &[String]) {
        let live = self.refresh_tokens.last();
        for token in refresh_tokens {
            let is_live = Some(token) == live;
            match self.would_issue(&fixture::refresh(token)) {
                Some(Effect::Written) => assert!(is_live && !self.is_over, "two live refresh tokens"),
                Some(_) => assert!(!is_live && !self.is_over, "a repeated refresh"),
                None => {}
            }
            assert!(!self.is_active(token) || (is_live && !self.is_over));
        }
        for token in self.access_tokens.iter().rev().take(3).chain(self.access_tokens.first()) {
            assert!(!self.is_active(token) || !self.is_over, "an access token of a grant that is over");
        }
        if let Some(effect) = self.redemption().and_then(|request| self.would_issue(&request)) {
            assert!(!self.is_over && (effect == Effect::Written) != self.is_redeemed, "a code twice");
        }
    }

    /// Returns whether an issue would be a new or a repeated one; `None` when it would be refused.
    fn would_issue(&self, request: &HttpRequest) -> Option<Effect> {
        let reply = match self.decide(request) {
            Decision::Reply(reply) => reply,
            // The store never sees this commit.
            Decision::Commit(commit) => commit.resolve(Outcome::Applied).expect("an applied commit"),
            _ => unreachable!("a decision that this release does not have"),
        };
        let TokenAnswer::Issued(tokens) = reply.answer else { return None };
        if reply.event.effect != Effect::Written {
            let repeated = tokens.refresh_token.as_ref().map(|token| token.expose().to_owned());
            assert_eq!(repeated.as_ref(), self.refresh_tokens.last(), "a second successor");
        }
        Some(reply.event.effect)
    }

    fn is_active(&self, token: &str) -> bool {
        let operation = self.server.introspect(&fixture::presented(token));
        let answer = run(&ReadOnly(&self.store), &operation, moment(self.now, 0)).unwrap().answer;
        matches!(answer, Introspection::Active(_))
    }

    fn decide(&self, request: &HttpRequest) -> Decision<Reply<TokenAnswer>> {
        let operation = self.server.token(request);
        let moment = moment(self.now, self.operations);
        let records: Records = Store::read(&self.store, &operation.lookup(&moment)).unwrap();
        operation.decide(&records, &moment)
    }

    fn moment(&mut self) -> Moment {
        self.operations += 1;
        moment(self.now, self.operations)
    }
}

fn pick(items: &[String], which: u8) -> Option<&String> {
    items.get(usize::from(which) % items.len().max(1))
}
