//! Random sequences of all operations on grants of every kind, against a plain model of them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    reason = "a test fails by panicking"
)]

mod model;
mod support;

use core::time::Duration;
use std::collections::BTreeMap;

use grantry::core::{HttpRequest, Moment, UnixTime, form};
use grantry::server::{
    Answered, Authorization, DeviceAnswer, Interaction, Introspection, MemoryStore, Operation, Pushed,
    Reason, Refusal, Reply, Revoked, Server, Store, TokenAnswer, TokenResponse, Verification, run,
};
use model::acts::{Act, FLOWS, Fate, Step, steps};
use model::*;
use proptest::prelude::*;
use support::*;

struct Access {
    text: String,
    scope: &'static str,
    until: u64,
}

/// One grant: the model, and what was given out for it.
struct Given {
    model: Model,
    interaction: Option<Interaction>,
    /// A request_uri or a device code.
    begun: Option<String>,
    user_code: Option<String>,
    code: Option<String>,
    /// By their numbers; one is missing if its reply was lost.
    refresh_tokens: BTreeMap<usize, String>,
    access_tokens: Vec<Access>,
}

/// The real code beside the models.
struct World {
    server: Server,
    store: MemoryStore,
    now: u64,
    operations: u64,
    given: Vec<Given>,
    /// The last grant of each flow.
    current: Vec<usize>,
}

impl Given {
    const fn new(model: Model) -> Self {
        Self {
            model,
            interaction: None,
            begun: None,
            user_code: None,
            code: None,
            refresh_tokens: BTreeMap::new(),
            access_tokens: Vec::new(),
        }
    }
}

impl World {
    fn new(retry: u64) -> Self {
        let seconds = Duration::from_secs;
        let policy = opaque()
            .with_code_lifetime(seconds(CODE_LIFETIME))
            .with_access_token_lifetime(seconds(ACCESS_LIFETIME))
            .with_refresh_token_lifetime(seconds(GRANT_LIFETIME))
            .with_refresh_idle_lifetime(seconds(IDLE_LIFETIME))
            .with_interaction_lifetime(seconds(PAGE_LIFETIME))
            .with_pushed_request_lifetime(seconds(PUSHED_LIFETIME))
            .with_device_code_lifetime(seconds(DEVICE_LIFETIME))
            .with_device_interval(seconds(INTERVAL))
            .with_code_retry(seconds(retry))
            .with_refresh_retry(seconds(retry))
            .danger_with_implicit_grant()
            .danger_with_password_grant();
        let given: Vec<_> = FLOWS.iter().map(|flow| Given::new(Model::new(*flow, retry))).collect();
        let current = (0..given.len()).collect();
        Self { server: server(policy), store: store(), now: 0, operations: 0, given, current }
    }

    /// Runs a request as far as its fate lets it get. Only a request that was answered has a reply.
    fn run<O: Operation>(&mut self, operation: &O, fate: Fate) -> Option<O::Reply> {
        self.operations += 1;
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&self.operations.to_be_bytes());
        let moment = Moment::new(UnixTime::from_secs(START + self.now), seed);
        if fate == Fate::Crashed {
            let records = Store::read(&self.store, &operation.lookup(&moment)).unwrap();
            drop(operation.decide(&records, &moment));
            return None;
        }
        let reply = run(&self.store, operation, moment).unwrap();
        (fate == Fate::Answered).then_some(reply)
    }

    /// Has the model of a grant do what the real code has done.
    fn expect<T>(&mut self, grant: usize, fate: Fate, act: impl FnOnce(&mut Model) -> T) -> T {
        let mut model = self.given[grant].model;
        let expected = act(&mut model);
        if fate != Fate::Crashed {
            self.given[grant].model = model;
        }
        expected
    }

    fn step(&mut self, Step { flow, act, fate }: &Step) {
        let (grant, fate, now) = (self.current[*flow], *fate, self.now);
        match *act {
            Act::GoOn => self.go_on(*flow, fate),
            Act::Begin => self.begin(grant),
            Act::Open => self.open(grant),
            Act::Approve { person } => self.approve(grant, fate, person),
            Act::Refuse => self.refuse(grant, fate),
            Act::Present { by, redirect_uri, verifier } => {
                if self.given[grant].model.flow == Flow::Device {
                    self.poll(grant, fate, by);
                } else {
                    self.redeem(grant, fate, by, redirect_uri, verifier);
                }
            }
            Act::Refresh { by, token, scope } => self.refresh(grant, fate, by, token, scope),
            Act::RevokeRefreshToken { by, token } => {
                if let Some((_, text)) = self.refresh_token(grant, token) {
                    self.revoke(grant, fate, by, &text, u64::MAX);
                }
            }
            Act::RevokeAccessToken { by, token } => {
                let token = pick(&self.given[grant].access_tokens, token);
                if let Some((text, until)) = token.map(|token| (token.text.clone(), token.until)) {
                    self.revoke(grant, fate, by, &text, until);
                }
            }
            Act::IntrospectRefreshToken { by, token } => self.introspect_refresh_token(grant, by, token),
            Act::IntrospectAccessToken { by, token } => self.introspect_access_token(grant, by, token),
            Act::Wait { seconds } => self.now += seconds,
            Act::Sweep => {
                self.store.sweep_all(UnixTime::from_secs(START + now));
                self.given.iter_mut().for_each(|given| given.model.sweep(now));
            }
        }
    }

    /// The grant of a flow, or another one when nothing can come of it any more.
    fn renewed(&mut self, flow: usize) -> usize {
        let model = &self.given[self.current[flow]].model;
        if model.is_over(self.now) {
            self.given.push(Given::new(Model::new(model.flow, model.retry)));
            self.current[flow] = self.given.len() - 1;
        }
        self.current[flow]
    }

    fn go_on(&mut self, flow: usize, fate: Fate) {
        let grant = self.renewed(flow);
        self.begin(grant);
        let given = &self.given[grant];
        match given.model.state {
            _ if given.interaction.is_none() => self.open(grant),
            State::Nothing | State::Pushed | State::Pending { .. } => {
                self.approve(grant, fate, Person::Alice)
            }
            State::Approved => self.poll(grant, fate, "app"),
            State::Code => self.redeem(grant, fate, "app", REDIRECT_URI, 200),
            State::Denied | State::Active { .. } | State::Revoked => {}
        }
    }

    /// Each grant begins once, and its request is answered: nobody can come back for one that was lost.
    fn begin(&mut self, grant: usize) {
        let is_begun = self.given[grant].begun.is_some() || !self.given[grant].access_tokens.is_empty();
        let now = self.now;
        match self.given[grant].model.flow {
            _ if is_begun => {}
            Flow::Code | Flow::Implicit => {}
            Flow::Pushed => {
                let parameters = authorization_parameters("code", "read write");
                let request = HttpRequest::form("/par", format!("{parameters}&client_secret=secret"));
                let answer = self.run(&self.server.push(&request), Fate::Answered).unwrap().answer;
                let Pushed::Accepted(pushed) = answer else { panic!("{answer:?}") };
                self.given[grant].model.begin(now);
                self.given[grant].begun = Some(pushed.request_uri.expose().to_owned());
            }
            Flow::Device => {
                let request = posted_by("app", &[("scope", "read write")]);
                let operation = self.server.device_authorization(&request);
                let answer = self.run(&operation, Fate::Answered).unwrap().answer;
                let DeviceAnswer::Waiting(device) = answer else { panic!("{answer:?}") };
                self.given[grant].model.begin(now);
                self.given[grant].begun = Some(device.device_code.expose().to_owned());
                self.given[grant].user_code = Some(device.user_code.expose().to_owned());
            }
            Flow::Password => {
                let pairs = [("grant_type", "password"), ("username", "alice"), ("password", "pw")];
                let request = posted_by("app", &[&pairs[..], &[("scope", "read write")]].concat());
                let operation = self.server.token(&request).with_resource_owner(approval());
                let reply = self.run(&operation, Fate::Answered);
                self.given[grant].model.begin(now);
                self.take_answer(grant, reply, Ok(1), "read write");
            }
            Flow::Client => {
                let pairs = [("grant_type", "client_credentials"), ("scope", "read write")];
                let operation = self.server.token(&posted_by("app", &pairs));
                let reply = self.run(&operation, Fate::Answered);
                self.given[grant].model.begin(now);
                self.take_answer(grant, reply, Ok(1), "read write");
            }
        }
    }

    fn open(&mut self, grant: usize) {
        let now = self.now;
        let given = &self.given[grant];
        let interaction = match (self.given[grant].model.flow, &given.begun, &given.user_code) {
            // Every request of a browser begins another grant.
            (Flow::Code | Flow::Implicit, ..) if given.interaction.is_some() => return,
            (Flow::Code, ..) => self.authorize(&authorization_request("read write")),
            (Flow::Implicit, ..) => {
                let query = authorization_parameters("token", "read write");
                self.authorize(&HttpRequest::new("GET", format!("/authorize?{query}")))
            }
            (Flow::Pushed, Some(request_uri), _) => self.authorize(&pushed_request(request_uri)),
            (Flow::Device, _, Some(user_code)) => {
                let operation = self.server.verify_user_code(user_code);
                match self.run(&operation, Fate::Answered).unwrap().answer {
                    Verification::Interact(interaction) => Some(*interaction),
                    Verification::Page(_) => None,
                }
            }
            _ => return,
        };
        let is_shown = self.given[grant].model.open(now);
        assert_eq!(interaction.is_some(), is_shown, "{:?}", self.given[grant].model);
        if interaction.is_some() {
            self.given[grant].interaction = interaction;
        }
    }

    fn authorize(&mut self, request: &HttpRequest) -> Option<Interaction> {
        match self.run(&self.server.authorize(request), Fate::Answered).unwrap().answer {
            Authorization::Interact(interaction) => Some(*interaction),
            Authorization::Page(_) => None,
            answer @ Authorization::Redirect(_) => panic!("{answer:?}"),
        }
    }

    fn approve(&mut self, grant: usize, fate: Fate, person: Person) {
        let Some(interaction) = self.given[grant].interaction.clone() else { return };
        let subject = match person {
            Person::Alice => "alice",
            Person::Bob => "bob",
        };
        let reply = self.run(&self.server.approve(interaction, approval_of(subject)), fate);
        let now = self.now;
        let expected = self.expect(grant, fate, |model| model.approve(person, now));
        let Some(reply) = reply else { return };
        assert_eq!(refusal(&reply), expected.err(), "{:?}", self.given[grant].model);
        let Ok(()) = expected else { return };
        match (self.given[grant].model.flow, &reply.answer) {
            (Flow::Device, Answered::DeviceApproved | Answered::DeviceRefused) => {}
            (Flow::Implicit, Answered::Redirect(redirect)) => {
                let (_, fragment) = redirect.url().expose().split_once('#').unwrap();
                let known = form::Known { once: &["access_token"], many: &[] };
                let answer = form::Form::parse(fragment.as_bytes(), &known).unwrap();
                self.take_access_token(grant, answer.get("access_token").unwrap(), "read write");
            }
            (Flow::Code | Flow::Pushed, answer) => {
                let code = code_of(answer);
                assert_eq!(*self.given[grant].code.get_or_insert_with(|| code.clone()), code, "two codes");
            }
            (_, answer) => panic!("{answer:?}"),
        }
    }

    fn refuse(&mut self, grant: usize, fate: Fate) {
        let Some(interaction) = self.given[grant].interaction.clone() else { return };
        let reply = self.run(&self.server.refuse(&interaction, Refusal::AccessDenied), fate);
        let now = self.now;
        let expected = self.expect(grant, fate, |model| model.refuse(now));
        let Some(reply) = reply else { return };
        // The log calls a no that is heard a refusal as well.
        assert_eq!(refusal(&reply), Some(expected.err().unwrap_or(Reason::Refused)));
    }

    fn redeem(&mut self, grant: usize, fate: Fate, by: &str, redirect_uri: &str, number: u8) {
        let Some(code) = self.given[grant].code.clone() else { return };
        let request = redemption_by(by, &code, redirect_uri, &verifier(number));
        let now = self.now;
        self.present(grant, fate, &request, "read write", |model| {
            model.is_found_by(by, Reason::CodeUnknown)?;
            match (redirect_uri, number) {
                (REDIRECT_URI, 200) => model.redeem(now),
                (REDIRECT_URI, _) => Err(Reason::VerifierWrong),
                _ => Err(Reason::OtherRedirectUri),
            }
        });
    }

    fn poll(&mut self, grant: usize, fate: Fate, by: &str) {
        let Some(device_code) = self.given[grant].begun.clone() else { return };
        let now = self.now;
        self.present(grant, fate, &poll_by(by, &device_code), "read write", |model| {
            model.is_found_by(by, Reason::DeviceCodeExpired)?;
            model.poll(now)
        });
    }

    fn refresh(&mut self, grant: usize, fate: Fate, by: &str, token: usize, scope: Option<&'static str>) {
        let Some((number, text)) = self.refresh_token(grant, token) else { return };
        let is_wider = scope.is_some_and(|scope| scope.contains("admin"));
        let (now, request) = (self.now, refresh_by(by, &text, scope));
        self.present(grant, fate, &request, scope.unwrap_or("read write"), |model| {
            model.is_found_by(by, Reason::RefreshTokenUnknown)?;
            model.refresh(number, is_wider, now)
        });
    }

    fn present(
        &mut self,
        grant: usize,
        fate: Fate,
        request: &HttpRequest,
        scope: &'static str,
        act: impl FnOnce(&mut Model) -> Result<usize, Reason>,
    ) {
        let reply = self.run(&self.server.token(request), fate);
        let expected = self.expect(grant, fate, act);
        self.take_answer(grant, reply, expected, scope);
    }

    fn take_answer(
        &mut self,
        grant: usize,
        reply: Option<Reply<TokenAnswer>>,
        expected: Result<usize, Reason>,
        scope: &'static str,
    ) {
        match (reply.map(|reply| reply.answer), expected) {
            (None, _) => {}
            (Some(TokenAnswer::Issued(tokens)), Ok(number)) => self.take(grant, &tokens, number, scope),
            (Some(TokenAnswer::Denied(denial)), Err(reason)) => assert_eq!(denial.reason, reason),
            (answer, expected) => panic!("{answer:?} for {expected:?}: {:?}", self.given[grant].model),
        }
    }

    fn take(&mut self, grant: usize, tokens: &TokenResponse, number: usize, scope: &'static str) {
        let refresh_token = tokens.refresh_token.as_ref().map(|token| token.expose().to_owned());
        assert_eq!(refresh_token.is_none(), self.given[grant].model.flow == Flow::Client);
        if let Some(token) = refresh_token {
            let known = self.given[grant].refresh_tokens.entry(number).or_insert_with(|| token.clone());
            assert_eq!(*known, token, "a second successor");
        }
        assert_eq!(tokens.scope.as_str(), scope);
        assert_eq!(tokens.expires_in, self.given[grant].model.access_until() - self.now);
        self.take_access_token(grant, tokens.access_token.expose(), scope);
    }

    fn take_access_token(&mut self, grant: usize, text: &str, scope: &'static str) {
        let until = self.given[grant].model.access_until();
        let tokens = &mut self.given[grant].access_tokens;
        if let Some(known) = tokens.iter().find(|token| token.text == text) {
            assert_eq!((known.scope, known.until), (scope, until));
        } else {
            tokens.push(Access { text: text.to_owned(), scope, until });
        }
    }

    fn revoke(&mut self, grant: usize, fate: Fate, by: &str, token: &str, until: u64) {
        let reply = self.run(&self.server.revoke(&presented(by, token)), fate);
        if by == "app" && self.now < until {
            self.expect(grant, fate, Model::revoke);
        }
        if let Some(reply) = reply {
            assert_eq!(reply.answer, Revoked::Done, "the answer tells a stranger nothing");
        }
    }

    fn introspect_access_token(&mut self, grant: usize, by: &str, token: usize) {
        let Some(access) = pick(&self.given[grant].access_tokens, token) else { return };
        let (text, scope, until) = (access.text.clone(), access.scope, access.until);
        let is_alive = self.given[grant].model.is_access_token_alive(until, self.now) && by != "other";
        self.introspect(grant, by, &text, is_alive.then_some((scope, until)));
    }

    fn introspect_refresh_token(&mut self, grant: usize, by: &str, token: usize) {
        let Some((number, text)) = self.refresh_token(grant, token) else { return };
        let model = self.given[grant].model;
        let is_alive = model.is_refresh_token_alive(number, self.now) && by == "app";
        self.introspect(grant, by, &text, is_alive.then_some(("read write", model.refreshable_until())));
    }

    fn introspect(&mut self, grant: usize, by: &str, token: &str, expected: Option<(&str, u64)>) {
        let operation = self.server.introspect(&presented(by, token));
        match (self.run(&operation, Fate::Answered).unwrap().answer, expected) {
            (Introspection::Active(active), Some((scope, until))) => {
                assert_eq!(active.scope.as_str(), scope);
                assert_eq!(active.exp, UnixTime::from_secs(START + until));
            }
            (Introspection::Inactive, None) => {}
            (answer, expected) => panic!("{answer:?} for {expected:?}: {:?}", self.given[grant].model),
        }
    }

    /// Looks at everything that was ever given out.
    fn look_at_all(&mut self) {
        for grant in 0..self.given.len() {
            for token in 0..self.given[grant].access_tokens.len() {
                self.introspect_access_token(grant, "api", token);
            }
            for token in 0..self.given[grant].refresh_tokens.len() {
                self.introspect_refresh_token(grant, "app", token);
            }
        }
    }

    /// One of the last refresh tokens, with its number.
    fn refresh_token(&self, grant: usize, index: usize) -> Option<(usize, String)> {
        let tokens: Vec<_> = self.given[grant].refresh_tokens.iter().collect();
        pick(&tokens, index).map(|(number, text)| (**number, (*text).clone()))
    }
}

/// Picks from the end, so that most picks are of what is alive.
fn pick<T>(items: &[T], index: usize) -> Option<&T> {
    items.iter().rev().cycle().nth(index)
}

fn refusal(reply: &Reply<Answered>) -> Option<Reason> {
    reply.event.denial.map(|denial| denial.reason)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_sequence_of_operations_does_what_the_model_says(
        retry in prop_oneof![Just(0_u64), Just(10)],
        steps in steps(),
    ) {
        let mut world = World::new(retry);
        for step in &steps {
            world.step(step);
        }
        world.look_at_all();
    }
}
