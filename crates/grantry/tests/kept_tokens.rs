//! The long-lived machines of the client against the server itself.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use core::cell::Cell;
use core::time::Duration;

use grantry::client::{
    Client, ClientAuthentication, DeviceAdvice, KeeperPolicy, MemorySessionStore, Provider, Session,
    SessionEnd, TokenAdvice, Tokens,
};
use grantry::core::{ErrorCode, HttpRequest, HttpResponse, Moment, Scope, SecretString, UnixTime};
use grantry::server::{Answered, MemoryStore, Policy, Server, Verification, run};
use support::*;

struct World {
    server: Server,
    store: MemoryStore,
    client: Client,
    seed: Cell<u8>,
}

impl World {
    fn new(policy: Policy) -> Self {
        let server = server(policy);
        let metadata = server.metadata();
        let provider = Provider::new(
            server.issuer().clone(),
            &metadata.authorization_endpoint,
            &metadata.token_endpoint,
        )
        .and_then(|provider| {
            let endpoint = metadata.device_authorization_endpoint.unwrap();
            provider.with_device_authorization_endpoint(&endpoint)
        })
        .unwrap();
        let secret = ClientAuthentication::Post(SecretString::from("secret"));
        let client = Client::without_redirect_uri(provider, client_id("app"), secret).unwrap();
        Self { server, store: store(), client, seed: Cell::new(0) }
    }

    /// Every operation has a moment of its own.
    fn moment(&self, at: u64) -> Moment {
        self.seed.set(self.seed.get() + 1);
        moment(at, self.seed.get())
    }

    fn serve(&self, request: &HttpRequest, at: u64) -> HttpResponse {
        let moment = self.moment(at);
        match request.path() {
            "/token" => run(&self.store, &self.server.token(request), moment).unwrap().answer.to_response(),
            _ => run(&self.store, &self.server.device_authorization(request), moment)
                .unwrap()
                .answer
                .to_response(),
        }
    }

    fn approve(&self, user_code: &str, at: u64) {
        let found =
            run(&self.store, &self.server.verify_user_code(user_code), self.moment(at)).unwrap().answer;
        let Verification::Interact(interaction) = found else { panic!("{found:?}") };
        let approved = self.server.approve(*interaction, approval());
        let answer = run(&self.store, &approved, self.moment(at)).unwrap().answer;
        assert!(matches!(answer, Answered::DeviceApproved), "{answer:?}");
    }

    /// A whole device flow: asked at 0 s, approved at 6 s, polled at 5 s and 10 s.
    fn device_tokens(&self) -> Tokens {
        let client = self.client.clone();
        let begin = client.device(Scope::parse("read").unwrap()).unwrap();
        let request = begin.request(self.moment(0)).unwrap();
        let response = self.serve(&request, 0);
        let mut flow = begin.response(&response, time(0)).unwrap();
        for at in [5, 10] {
            let DeviceAdvice::Send(ticket) = flow.advise(time(at)) else { panic!("at {at}") };
            let request = ticket.request(&client, self.moment(at)).unwrap();
            let response = self.serve(&request, at);
            let keys = self.server.jwk_set();
            match flow.handle_response(&client, &ticket, &response, keys, time(at)).unwrap() {
                Some(tokens) => return tokens,
                None => self.approve(flow.user_code().expose(), 6),
            }
        }
        panic!("no tokens");
    }
}

fn time(at: u64) -> UnixTime {
    UnixTime::from_secs(START + at)
}

fn policy(refresh_retry: u64) -> Policy {
    opaque().with_refresh_retry(Duration::from_secs(refresh_retry))
}

/// Two processes share a session; the first one sends its refresh and crashes before the answer comes.
fn crash_and_take_over(refresh_retry: u64) -> (World, Session<MemorySessionStore>, Tokens) {
    let world = World::new(policy(refresh_retry));
    let tokens = world.device_tokens();
    let due = tokens.expires_at().unwrap().as_secs() - START;
    let session = Session::new(MemorySessionStore::new(), "s", KeeperPolicy::default());
    session.start(tokens.clone(), world.moment(10)).unwrap();
    let TokenAdvice::Refresh(crashed) = session.advise(world.moment(due)).unwrap() else { panic!("due") };
    let request = crashed.request(&world.client, world.moment(due)).unwrap();
    world.serve(&request, due);

    let until = crashed.until().as_secs() - START;
    assert!(matches!(session.advise(world.moment(until - 1)).unwrap(), TokenAdvice::Wait { .. }));
    let TokenAdvice::Wait { until, .. } = session.advise(world.moment(until)).unwrap() else {
        panic!("lost")
    };
    let at = until.as_secs() - START;
    let TokenAdvice::Refresh(ticket) = session.advise(world.moment(at)).unwrap() else { panic!("again") };
    let request = ticket.request(&world.client, world.moment(at)).unwrap();
    let response = world.serve(&request, at);
    let moment = world.moment(at);
    let landed = session.handle_response(&world.client, &ticket, &response, world.server.jwk_set(), moment);
    assert_eq!(landed.is_ok(), refresh_retry > 0);
    (world, session, tokens)
}

#[test]
fn rt_12_a_crash_in_the_middle_of_a_refresh_ends_no_session_while_refresh_retry_is_on() {
    let (world, session, first) = crash_and_take_over(10);
    let at = first.expires_at().unwrap().as_secs() - START + 20;
    let TokenAdvice::Use(tokens) = session.advise(world.moment(at)).unwrap() else { panic!("refreshed") };
    // It is the live refresh token, and no alarm was raised.
    let refresh = world.client.refresh(&tokens).unwrap();
    let request = refresh.request(world.moment(at)).unwrap();
    assert_eq!(world.serve(&request, at).status, 200);
}

#[test]
fn rt_07_without_refresh_retry_the_server_takes_the_repetition_for_theft() {
    let (world, session, first) = crash_and_take_over(0);
    let at = first.expires_at().unwrap().as_secs() - START + 20;
    let advice = session.advise(world.moment(at)).unwrap();
    assert!(matches!(advice, TokenAdvice::Expired(SessionEnd::GrantGone)), "{advice:?}");
    let refresh = world.client.refresh(&first).unwrap();
    let request = refresh.request(world.moment(at)).unwrap();
    let refused = refresh.response(&world.serve(&request, at), world.server.jwk_set(), time(at)).unwrap_err();
    let grantry::client::TokenError::Refused { refusal, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.code(), Some(ErrorCode::InvalidGrant));
}
