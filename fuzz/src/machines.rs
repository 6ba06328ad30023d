//! The machines of grantry-client that live long, driven by bytes.

use std::rc::Rc;
use std::sync::LazyLock;

use grantry::client::{
    Client, ClientAuthentication, DeviceAdvice, DeviceFlow, DeviceTicket, Discovery, DiscoveryAdvice,
    DiscoveryError, DiscoveryPolicy, KeeperPolicy, Provider, RefreshTicket, SendFailure, SessionEnd,
    TokenAdvice, TokenKeeper, Tokens, WellKnownOrder,
};
use grantry::core::{ClientId, HttpResponse, SecretString, UnixTime};
use grantry::jwt::JwkSet;
use serde_json::{Value, json};

use crate::edit::first_line;
use crate::fixture::{ISSUER, NOW, START, issuer, moment, parameters, scope};

const MAX_ACTS: usize = 96;

static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    let provider =
        Provider::new(issuer(), "https://as.example/authorize", "https://as.example/token").unwrap();
    let provider = provider.with_device_authorization_endpoint("https://as.example/device").unwrap();
    let secret = ClientAuthentication::Basic(SecretString::from("secret"));
    Client::without_redirect_uri(provider, ClientId::parse("app-1").unwrap(), secret).unwrap()
});

/// Metadata is taken only with the status 200, as one JSON object that names the issuer; its endpoints are `https`,
/// and a provider that was stored comes back the same.
pub fn discovery_document(data: &[u8]) {
    let policy = || DiscoveryPolicy::default().with_well_known(WellKnownOrder::OAuth2Only);
    let answer = |status, media_type: &'static str| {
        HttpResponse::new(status).with_header("Content-Type", media_type).with_body(data)
    };
    let mut discovery = Discovery::new(issuer(), policy());
    let read = |discovery: &mut Discovery, response: &HttpResponse| {
        let DiscoveryAdvice::Fetch(ticket) = discovery.advise(NOW) else { panic!("nothing is known") };
        assert_eq!(ticket.request().target, "https://as.example/.well-known/oauth-authorization-server");
        discovery.handle_response(ticket, response, NOW)
    };
    match read(&mut discovery, &answer(200, "application/json")) {
        Ok(provider) => {
            let document: Value = serde_json::from_slice(data).expect("a document that was read");
            assert_eq!((document["issuer"].as_str(), provider.issuer().as_str()), (Some(ISSUER), ISSUER));
            let endpoints = [
                ("token_endpoint", Some(provider.token_endpoint())),
                ("authorization_endpoint", provider.authorization_endpoint()),
                ("revocation_endpoint", provider.revocation_endpoint()),
                ("introspection_endpoint", provider.introspection_endpoint()),
                ("userinfo_endpoint", provider.userinfo_endpoint()),
                ("device_authorization_endpoint", provider.device_authorization_endpoint()),
                ("jwks_uri", provider.jwks_uri()),
            ];
            for (name, url) in endpoints {
                assert_eq!(url.is_some(), document[name].is_string(), "{name}");
                assert!(url.is_none_or(|url| url.starts_with("https://")), "{name}");
            }
            let mut stored =
                Discovery::from_json(&discovery.to_json(), issuer(), policy()).expect("own state");
            let DiscoveryAdvice::Ready(same) = stored.advise(NOW) else { panic!("it was stored") };
            assert_eq!(same, provider);
        }
        Err(error) => assert!(matches!(error, DiscoveryError::Document(_)), "{error:?}"),
    }
    for response in [
        answer(201, "application/json"),
        answer(302, "application/json"),
        answer(404, "application/json"),
        answer(200, "text/html"),
    ] {
        assert!(read(&mut Discovery::new(issuer(), policy()), &response).is_err());
    }
}

/// Through any sequence of questions, answers in any order and late, lost requests, refused tokens, clocks set back and
/// restarts: no token is used beyond its end, one refresh is on its way at a time, a refresh token is given up for its
/// successor alone, and a session ends for a reason and for good.
pub fn token_keeper(data: &[u8]) {
    let Some((choices, acts)) = data.split_first_chunk::<2>() else { return };
    let mut world = Kept::new(*choices);
    for act in acts.chunks_exact(2).take(MAX_ACTS) {
        world.act(act[0], act[1]);
    }
}

struct Kept {
    keeper: TokenKeeper,
    policy: KeeperPolicy,
    now: u64,
    seed: u64,
    answers: u64,
    tickets: Vec<Rc<RefreshTicket>>,
    /// Until when nobody else refreshes, if its answer does not come before.
    flight: Option<u64>,
    was_refused: bool,
    was_lost: bool,
    ended: Option<SessionEnd>,
}

impl Kept {
    fn new([lifetimes, retries]: [u8; 2]) -> Self {
        let lifetime = [Some(600), Some(0), None, Some(u64::MAX)][usize::from(lifetimes & 3)];
        let stored = json!({
            "version": 1, "issuer": ISSUER, "client_id": "app-1", "access_token": "at-0",
            "expires_at": lifetime.map(|lifetime: u64| START.saturating_add(lifetime)),
            "refresh_token": if lifetimes & 4 == 0 { json!("rt-0") } else { Value::Null },
            "scope": "read", "granted": "read", "id_token": null,
        });
        let tokens = Tokens::from_json(&stored.to_string()).expect("tokens");
        let policy = KeeperPolicy::default();
        let policy = if retries & 1 == 0 { policy } else { policy.without_lost_reply_retry() };
        let keeper = TokenKeeper::new(tokens, policy.clone(), moment(NOW, 0));
        Self {
            keeper,
            policy,
            now: START,
            seed: 0,
            answers: 0,
            tickets: Vec::new(),
            flight: None,
            was_refused: false,
            was_lost: false,
            ended: None,
        }
    }

    fn act(&mut self, act: u8, choice: u8) {
        match act % 8 {
            0 => self.now = self.now.saturating_add(choice.into()),
            1 => self.now = self.now.saturating_add(u64::from(choice) * 97),
            2 => {
                self.now = self.now.saturating_sub(u64::from(choice) * 7);
                // What is far away then counts as near.
                self.flight = None;
            }
            3 | 4 => self.ask(),
            5 => self.answer(choice),
            6 => self.fail(choice),
            _ if choice & 1 == 0 => {
                let stored = self.keeper.to_json();
                self.keeper =
                    TokenKeeper::from_json(stored.expose(), self.policy.clone()).expect("own state");
                assert_eq!(self.keeper.to_json().expose(), stored.expose());
            }
            _ => {
                let token = self.keeper.tokens().access_token().clone();
                self.keeper.handle_invalid_token(&token);
            }
        }
    }

    fn moment(&mut self) -> grantry::core::Moment {
        self.seed += 1;
        moment(UnixTime::from_secs(self.now), self.seed)
    }

    fn ask(&mut self) {
        let moment = self.moment();
        let advice = self.keeper.advise(moment);
        if let Some(ended) = self.ended {
            assert!(matches!(advice, TokenAdvice::Expired(end) if end == ended), "{advice:?} behind the end");
            return;
        }
        match advice {
            TokenAdvice::Use(tokens) => {
                assert!(
                    tokens.expires_at().is_none_or(|end| self.now < end.as_secs()),
                    "used beyond its end"
                );
            }
            TokenAdvice::Refresh(ticket) => {
                assert!(self.flight.is_none_or(|until| until <= self.now), "two refreshes at once");
                assert!(self.now < ticket.until().as_secs());
                let request = ticket.request(&CLIENT, self.moment()).expect("its own client");
                let current = self.keeper.tokens().refresh_token().expect("a refresh token");
                assert_eq!(parameters(&request.body, "refresh_token"), [current.expose()]);
                self.was_lost |= self.flight.is_some();
                self.flight = Some(ticket.until().as_secs());
                self.tickets.push(Rc::new(ticket));
            }
            TokenAdvice::Wait { until, .. } => assert!(self.now < until.as_secs(), "a wait that is over"),
            TokenAdvice::Expired(SessionEnd::GrantGone) => {
                assert!(self.was_refused, "nobody said so");
                self.ended = Some(SessionEnd::GrantGone);
            }
            TokenAdvice::Expired(SessionEnd::NoRefreshToken) => {
                assert!(self.keeper.tokens().refresh_token().is_none());
            }
            TokenAdvice::Expired(_) => assert!(!self.tickets.is_empty(), "nothing was sent"),
        }
    }

    fn answer(&mut self, choice: u8) {
        let Some(ticket) = self.tickets.get(usize::from(choice >> 4) % self.tickets.len().max(1)).cloned()
        else {
            return;
        };
        let before = self.keeper.tokens().refresh_token().map(|token| token.expose().to_owned());
        let sent = ticket.request(&CLIENT, moment(NOW, u64::MAX)).expect("its own client");
        self.answers += 1;
        let (status, body) = match choice & 7 {
            0 | 1 => (
                200,
                json!({ "access_token": format!("at-{}", self.answers), "token_type": "Bearer",
                "expires_in": u64::from(choice >> 3) * 20, "refresh_token": format!("rt-{}", self.answers) }),
            ),
            2 => (200, json!({ "access_token": format!("at-{}", self.answers), "token_type": "Bearer" })),
            3 => (400, json!({ "error": "invalid_grant" })),
            4 => (401, json!({ "error": "invalid_client" })),
            5 => (503, json!({})),
            6 => (429, json!({ "error": "slow_down" })),
            _ => (200, json!({ "access_token": 1 })),
        };
        self.was_refused |= status == 400;
        let response = HttpResponse::json(status, &body);
        let moment = self.moment();
        let landed = self.keeper.handle_response(&CLIENT, &ticket, &response, &JwkSet::default(), moment);
        let after = self.keeper.tokens().refresh_token().map(|token| token.expose().to_owned());
        if landed.is_ok() || self.is_newest(&ticket) {
            self.flight = None;
        }
        if let Ok(tokens) = landed {
            assert_eq!(status, 200);
            // The answer to the first of several requests may come behind the refusal of the others.
            self.ended = None;
            let is_current =
                parameters(&sent.body, "refresh_token") == before.into_iter().collect::<Vec<_>>();
            let is_repeated =
                body["refresh_token"].is_string() && tokens.access_token().expose() == body["access_token"];
            assert!(is_current || is_repeated, "an answer for another refresh token");
        } else {
            assert_eq!(after, before, "a refresh token is given up for its successor alone");
        }
    }

    fn is_newest(&self, ticket: &Rc<RefreshTicket>) -> bool {
        self.tickets.last().is_some_and(|last| Rc::ptr_eq(last, ticket))
    }

    fn fail(&mut self, choice: u8) {
        let Some(ticket) = self.tickets.get(usize::from(choice >> 1) % self.tickets.len().max(1)).cloned()
        else {
            return;
        };
        let failure = if choice & 1 == 0 { SendFailure::NotSent } else { SendFailure::Unanswered };
        let moment = self.moment();
        self.keeper.handle_failure(&ticket, failure, moment);
        if self.is_newest(&ticket) {
            self.flight = None;
        }
    }
}

/// A flow begins only with an answer that a person can be shown. From then on, through any answers, failures, clocks
/// and restarts, it polls one at a time, never after its end, and is over for good when it is over.
pub fn device_flow(data: &[u8]) {
    let (answer, acts) = first_line(data);
    let response = HttpResponse::new(200).with_header("Content-Type", "application/json").with_body(answer);
    let request = CLIENT.device(scope("read")).expect("an endpoint");
    let Ok(flow) = request.response(&response, NOW) else { return };
    assert!(flow.verification_uri().starts_with("https://"));
    let user_code = flow.user_code().expose();
    assert!(
        user_code.len() <= DeviceFlow::MAX_USER_CODE_BYTES
            && user_code.bytes().all(|byte| (0x20..0x7f).contains(&byte))
    );
    assert!(flow.expires_at() <= NOW.saturating_add(DeviceFlow::LONGEST_LIFETIME));
    let mut world = Polled { flow, now: START, tickets: Vec::new(), flight: None, is_over: false };
    for act in acts.chunks_exact(2).take(MAX_ACTS) {
        world.act(act[0], act[1]);
    }
}

struct Polled {
    flow: DeviceFlow,
    now: u64,
    tickets: Vec<DeviceTicket>,
    /// The place of the ticket on its way, and until when.
    flight: Option<u64>,
    is_over: bool,
}

impl Polled {
    fn act(&mut self, act: u8, choice: u8) {
        match act % 6 {
            0 => self.now = self.now.saturating_add(choice.into()),
            1 => {
                self.now = self.now.saturating_sub(u64::from(choice) * 3);
                self.flight = None;
            }
            2 => self.ask(),
            3 => self.answer(choice),
            4 => {
                let Some(ticket) = self.tickets.get(usize::from(choice) % self.tickets.len().max(1)) else {
                    return;
                };
                self.flow.handle_failure(ticket, UnixTime::from_secs(self.now));
                self.flight = None;
            }
            _ => {
                let stored = self.flow.to_json();
                self.flow = DeviceFlow::from_json(stored.expose()).expect("own state");
                assert_eq!(self.flow.to_json().expose(), stored.expose());
            }
        }
    }

    fn ask(&mut self) {
        let advice = self.flow.advise(UnixTime::from_secs(self.now));
        assert_eq!(matches!(advice, DeviceAdvice::Done), self.is_over, "{advice:?}");
        match advice {
            DeviceAdvice::Send(ticket) => {
                assert!(self.now < self.flow.expires_at().as_secs(), "a poll after the end");
                assert!(self.flight.is_none_or(|until| until <= self.now), "two polls at once");
                self.flight = Some(ticket.until().as_secs());
                self.tickets.push(ticket);
            }
            DeviceAdvice::Wait { until } => assert!(self.now < until.as_secs(), "a wait that is over"),
            DeviceAdvice::Expired => assert!(self.now >= self.flow.expires_at().as_secs()),
            DeviceAdvice::Done => {}
        }
    }

    fn answer(&mut self, choice: u8) {
        let Some(ticket) = self.tickets.get(usize::from(choice >> 3) % self.tickets.len().max(1)) else {
            return;
        };
        let (status, body) = match choice & 7 {
            0 => (200, json!({ "access_token": "at", "token_type": "Bearer" })),
            1 | 2 => (400, json!({ "error": "authorization_pending" })),
            3 => (400, json!({ "error": "slow_down" })),
            4 => (400, json!({ "error": "access_denied" })),
            5 => (400, json!({ "error": "expired_token" })),
            6 => (503, json!({})),
            _ => (200, json!({ "token_type": "Bearer" })),
        };
        let (response, now) = (HttpResponse::json(status, &body), UnixTime::from_secs(self.now));
        let before = self.is_over;
        let read = self.flow.handle_response(&CLIENT, ticket, &response, &JwkSet::default(), now);
        match &read {
            Ok(Some(tokens)) => {
                assert!(!before && choice & 7 == 0);
                assert_eq!(tokens.access_token().expose(), "at");
                self.is_over = true;
            }
            Ok(None) => {}
            Err(_) => {
                assert!(!before && choice & 7 >= 4, "{read:?}");
                self.is_over = true;
            }
        }
        self.flight = None;
    }
}
