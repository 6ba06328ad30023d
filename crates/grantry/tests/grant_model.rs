//! Random sequences of all operations on one grant, against a plain model of it.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use core::cell::Cell;
use core::time::Duration;

use grantry::core::{HttpRequest, Moment, UnixTime};
use grantry::server::{
    Answered, Introspection, MemoryStore, Operation, Policy, Reason, Revoked, Server, TokenAnswer,
    TokenResponse, run,
};
use proptest::prelude::*;
use support::*;

const CODE_LIFETIME: u64 = 60;
const ACCESS_LIFETIME: u64 = 300;
const GRANT_LIFETIME: u64 = 3000;
const IDLE_LIFETIME: u64 = 1000;

/// What a sequence is made of. Tokens are picked among all that were ever given out.
#[derive(Clone, Debug)]
enum Act {
    Approve,
    Redeem { by: &'static str, redirect_uri: &'static str, verifier: u8 },
    Refresh { by: &'static str, token: prop::sample::Index, scope: Option<&'static str> },
    RevokeRefreshToken { by: &'static str, token: prop::sample::Index },
    RevokeAccessToken { by: &'static str, token: prop::sample::Index },
    Introspect { by: &'static str, token: prop::sample::Index },
    Wait { seconds: u64 },
}

fn acts() -> impl Strategy<Value = Act> {
    let by = || prop_oneof![9 => Just("app"), 1 => Just("other")];
    let index = any::<prop::sample::Index>;
    let redirect_uri = prop_oneof![9 => Just(REDIRECT_URI), 1 => Just("https://app.example/other")];
    let verifier = prop_oneof![9 => Just(200_u8), 1 => Just(201)];
    let scope = prop_oneof![6 => Just(None), 2 => Just(Some("read")), 1 => Just(Some("read admin"))];
    let seconds = prop_oneof![5 => 0_u64..15, 3 => 15_u64..120, 1 => 300_u64..2000];
    prop_oneof![
        3 => Just(Act::Approve),
        4 => (by(), redirect_uri, verifier)
            .prop_map(|(by, redirect_uri, verifier)| Act::Redeem { by, redirect_uri, verifier }),
        8 => (by(), index(), scope).prop_map(|(by, token, scope)| Act::Refresh { by, token, scope }),
        1 => (by(), index()).prop_map(|(by, token)| Act::RevokeRefreshToken { by, token }),
        1 => (by(), index()).prop_map(|(by, token)| Act::RevokeAccessToken { by, token }),
        4 => (prop_oneof![by(), Just("api")], index()).prop_map(|(by, token)| Act::Introspect { by, token }),
        5 => seconds.prop_map(|seconds| Act::Wait { seconds }),
    ]
}

/// The grant, as one would explain it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Model {
    Nothing,
    Code { until: u64 },
    Active { serial: usize, since: u64, until: u64 },
    Revoked,
}

struct Access {
    text: String,
    serial: usize,
    scope: &'static str,
    until: u64,
}

/// The real code beside the model.
struct World {
    server: Server,
    store: MemoryStore,
    now: u64,
    operations: Cell<u64>,
    model: Model,
    /// The window for repeated refreshes and redemptions, in seconds.
    retry: u64,
    code: Option<String>,
    /// The refresh token of serial n stands at n - 1.
    refresh_tokens: Vec<String>,
    access_tokens: Vec<Access>,
}

impl World {
    fn new(retry: u64) -> Self {
        let policy: Policy = opaque()
            .with_code_lifetime(Duration::from_secs(CODE_LIFETIME))
            .with_access_token_lifetime(Duration::from_secs(ACCESS_LIFETIME))
            .with_refresh_token_lifetime(Duration::from_secs(GRANT_LIFETIME))
            .with_refresh_idle_lifetime(Duration::from_secs(IDLE_LIFETIME))
            .with_interaction_lifetime(Duration::from_secs(1_000_000))
            .with_code_retry(Duration::from_secs(retry))
            .with_refresh_retry(Duration::from_secs(retry));
        Self {
            server: server(policy),
            store: store(),
            now: 0,
            operations: Cell::new(0),
            model: Model::Nothing,
            retry,
            code: None,
            refresh_tokens: Vec::new(),
            access_tokens: Vec::new(),
        }
    }

    fn run<O: Operation>(&self, operation: &O) -> O::Reply {
        self.operations.set(self.operations.get() + 1);
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&self.operations.get().to_be_bytes());
        let now = UnixTime::from_secs(START + self.now);
        run(&self.store, operation, Moment::new(now, seed)).unwrap()
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Approve => self.approve(),
            Act::Redeem { by, redirect_uri, verifier } => self.redeem(by, redirect_uri, *verifier),
            Act::Refresh { by, token, scope } => self.refresh(by, token, *scope),
            Act::RevokeRefreshToken { by, token } => {
                if let Some(text) = pick(token, &self.refresh_tokens).cloned() {
                    self.revoke(by, &text, u64::MAX);
                }
            }
            Act::RevokeAccessToken { by, token } => {
                let token = pick(token, &self.access_tokens).map(|token| (token.text.clone(), token.until));
                if let Some((text, until)) = token {
                    self.revoke(by, &text, until);
                }
            }
            Act::Introspect { by, token } => self.introspect(by, token),
            Act::Wait { seconds } => self.now += seconds,
        }
    }

    fn approve(&mut self) {
        // The same page of the same person: one interaction is one grant.
        let page = interaction(&self.server, "read write", 1);
        let operation = self.server.approve(page, approval());
        let answer = self.run(&operation).answer;
        match self.model {
            Model::Nothing => {
                self.code = Some(code_of(&answer));
                self.model = Model::Code { until: self.now + CODE_LIFETIME };
            }
            Model::Code { until } if self.now < until => assert_eq!(Some(code_of(&answer)), self.code),
            Model::Code { .. } | Model::Active { .. } | Model::Revoked => {
                assert!(matches!(answer, Answered::Page(_)), "{answer:?}");
            }
        }
    }

    fn redeem(&mut self, by: &str, redirect_uri: &str, number: u8) {
        let Some(code) = self.code.clone() else { return };
        let request = redemption_by(by, &code, redirect_uri, &verifier(number));
        let is_owner = by == "app" && redirect_uri == REDIRECT_URI && number == 200;
        let expected = match self.model {
            _ if by != "app" => Err(Reason::OtherClient),
            _ if redirect_uri != REDIRECT_URI => Err(Reason::OtherRedirectUri),
            _ if !is_owner => Err(Reason::VerifierWrong),
            Model::Nothing => unreachable!("a code without a grant"),
            Model::Code { until } if self.now >= until => Err(Reason::CodeExpired),
            Model::Code { .. } => {
                self.model = Model::Active { serial: 1, since: self.now, until: self.now + GRANT_LIFETIME };
                Ok(1)
            }
            Model::Active { until, .. } if self.now >= until => Err(Reason::CodeReused),
            Model::Active { serial: 1, since, .. } if self.now < since + self.retry => Ok(1),
            Model::Active { .. } => {
                self.model = Model::Revoked;
                Err(Reason::CodeReused)
            }
            Model::Revoked => Err(Reason::GrantRevoked),
        };
        self.expect_tokens(&request, expected, "read write");
    }

    fn refresh(&mut self, by: &str, token: &prop::sample::Index, scope: Option<&'static str>) {
        let Some(text) = pick(token, &self.refresh_tokens).cloned() else { return };
        let presented = token.index(self.refresh_tokens.len()) + 1;
        let is_wide = scope.is_some_and(|scope| scope.contains("admin"));
        let expected = match self.model {
            _ if by != "app" => Err(Reason::OtherClient),
            Model::Nothing | Model::Code { .. } => unreachable!("a refresh token without a redemption"),
            Model::Revoked => Err(Reason::GrantRevoked),
            Model::Active { since, until, .. } if self.now >= until.min(since + IDLE_LIFETIME) => {
                Err(Reason::RefreshTokenExpired)
            }
            Model::Active { serial, since, until } => {
                let repeats = presented + 1 == serial && self.now < since + self.retry;
                if presented != serial && !repeats {
                    self.model = Model::Revoked;
                    Err(Reason::RefreshTokenReused)
                } else if is_wide {
                    Err(Reason::ScopeWidened)
                } else if repeats {
                    Ok(serial)
                } else {
                    self.model = Model::Active { serial: serial + 1, since: self.now, until };
                    Ok(serial + 1)
                }
            }
        };
        self.expect_tokens(&refresh_by(by, &text, scope), expected, scope.unwrap_or("read write"));
    }

    fn expect_tokens(&mut self, request: &HttpRequest, expected: Result<usize, Reason>, scope: &'static str) {
        match (self.run(&self.server.token(request)).answer, expected) {
            (TokenAnswer::Issued(tokens), Ok(serial)) => self.take(&tokens, serial, scope),
            (TokenAnswer::Denied(denial), Err(reason)) => assert_eq!(denial.reason, reason),
            (answer, expected) => panic!("{answer:?} instead of {expected:?} in {:?}", self.model),
        }
    }

    fn take(&mut self, tokens: &TokenResponse, serial: usize, scope: &'static str) {
        let refresh_token = tokens.refresh_token.as_ref().unwrap().expose().to_owned();
        match self.refresh_tokens.get(serial - 1) {
            Some(known) => assert_eq!(*known, refresh_token, "a second successor"),
            None => self.refresh_tokens.push(refresh_token),
        }
        assert_eq!(self.refresh_tokens.len(), serial);
        assert_eq!(tokens.scope.to_string(), scope);
        let Model::Active { since, until, .. } = self.model else { panic!("tokens in {:?}", self.model) };
        let until = (since + ACCESS_LIFETIME).min(until);
        assert_eq!(tokens.expires_in, until - self.now);
        let text = tokens.access_token.expose().to_owned();
        // A repeated answer is the same answer, byte for byte.
        let same = |token: &&Access| token.serial == serial && token.scope == scope;
        if let Some(known) = self.access_tokens.iter().find(same) {
            assert_eq!(known.text, text, "a second access token");
        }
        self.access_tokens.push(Access { text, serial, scope, until });
    }

    fn revoke(&mut self, by: &str, token: &str, until: u64) {
        let reply = self.run(&self.server.revoke(&presented(by, token)));
        assert_eq!(reply.answer, Revoked::Done, "the answer tells a stranger nothing");
        if by == "app" && self.now < until {
            self.model = Model::Revoked;
        }
    }

    fn introspect(&mut self, by: &str, token: &prop::sample::Index) {
        let Some(access) = pick(token, &self.access_tokens) else { return };
        let (text, scope, until) = (access.text.clone(), access.scope, access.until);
        let answer = self.run(&self.server.introspect(&presented(by, &text))).answer;
        let is_alive = matches!(self.model, Model::Active { .. }) && self.now < until && by != "other";
        match answer {
            Introspection::Active(active) => {
                assert!(is_alive, "alive for {by} in {:?}", self.model);
                assert_eq!(active.scope.to_string(), scope);
                assert_eq!(active.exp, UnixTime::from_secs(START + until));
            }
            Introspection::Inactive => assert!(!is_alive, "dead for {by} in {:?}", self.model),
            Introspection::Denied(denial) => panic!("{denial:?}"),
        }
    }
}

fn pick<'a, T>(index: &prop::sample::Index, items: &'a [T]) -> Option<&'a T> {
    (!items.is_empty()).then(|| &items[index.index(items.len())])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_sequence_of_operations_does_what_the_model_says(
        retry in prop_oneof![Just(0_u64), Just(10)],
        acts in prop::collection::vec(acts(), 1..60),
    ) {
        let mut world = World::new(retry);
        for act in &acts {
            world.act(act);
        }
    }
}
