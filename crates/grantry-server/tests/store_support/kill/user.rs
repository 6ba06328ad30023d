//! A user, whose application keeps what it was answered and holds the server to it.

use alloc::sync::Arc;
use core::ops::AddAssign;

use grantry_core::{HttpRequest, SecretString};
use grantry_server::Effect;
use rand::Rng as _;
use rand::rngs::StdRng;
use tokio::sync::{Barrier, mpsc};

use super::link::{Answer, Link};
use crate::site::{authorization, code_in, redemption, refresh, request};

const CLIENT: &str = "web";
/// How many grants a user sets aside at most.
const MAX_KEPT: usize = 2;

/// Lost answers, by what had become of their requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// The commit was made.
    pub(crate) lost_answers: usize,
    /// It was not made.
    pub(crate) lost_requests: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.lost_answers += other.lost_answers;
        self.lost_requests += other.lost_requests;
    }
}

/// What a user was answered for one grant.
struct Grant {
    /// From the first to the newest.
    refresh_tokens: Vec<SecretString>,
    access_token: SecretString,
}

impl Grant {
    fn newest(&self) -> &SecretString {
        self.refresh_tokens.last().unwrap()
    }
}

pub(crate) struct User {
    link: Link,
    random: StdRng,
    /// Meet when each has checked what it was answered.
    everybody: Arc<Barrier>,
    settled: mpsc::UnboundedSender<()>,
    tally: Tally,
    /// The start of which the user has found everything as it was.
    checked: usize,
    /// In use.
    grant: Option<Grant>,
    /// Set aside.
    kept: Vec<Grant>,
    /// Ended since the last check.
    just_ended: Vec<Grant>,
    ended: Vec<Grant>,
}

impl User {
    pub(crate) fn new(
        link: Link,
        random: StdRng,
        everybody: Arc<Barrier>,
        settled: mpsc::UnboundedSender<()>,
    ) -> Self {
        Self {
            link,
            random,
            everybody,
            settled,
            tally: Tally::default(),
            checked: 0,
            grant: None,
            kept: Vec::new(),
            just_ended: Vec::new(),
            ended: Vec::new(),
        }
    }

    pub(crate) async fn live(mut self) -> Tally {
        self.link.open().await;
        loop {
            let serving = self.link.serving();
            if serving.is_over {
                break;
            }
            if serving.restarts > self.checked {
                self.check().await;
                self.checked = serving.restarts;
                if self.everybody.wait().await.is_leader() {
                    self.settled.send(()).unwrap();
                }
            } else {
                self.step().await;
            }
        }
        self.check_everything().await;
        self.tally
    }

    async fn step(&mut self) {
        let Some(mut grant) = self.grant.take() else {
            self.grant = Some(self.log_in().await);
            return;
        };
        match self.random.random_range(0..10) {
            0 => self.revoke(grant).await,
            1 if grant.refresh_tokens.len() > 2 => self.use_again(grant).await,
            2 if self.kept.len() < MAX_KEPT => self.kept.push(grant),
            _ => {
                self.refresh(&mut grant).await;
                self.grant = Some(grant);
            }
        }
    }

    /// Checks after a start what was answered before it.
    async fn check(&mut self) {
        if let Some(mut grant) = self.grant.take() {
            self.refresh(&mut grant).await;
            self.grant = Some(grant);
        }
        for grant in core::mem::take(&mut self.just_ended) {
            self.assert_dead(&grant).await;
            self.ended.push(grant);
        }
        for grant in core::mem::take(&mut self.kept) {
            self.assert_alive(&grant).await;
            if self.random.random_ratio(1, 4) {
                self.use_up(grant).await;
            } else {
                self.kept.push(grant);
            }
        }
    }

    async fn check_everything(&mut self) {
        for grant in core::mem::take(&mut self.kept).into_iter().chain(self.grant.take()) {
            self.use_up(grant).await;
        }
        self.ended.append(&mut self.just_ended);
        for grant in core::mem::take(&mut self.ended) {
            self.assert_dead(&grant).await;
        }
    }

    async fn log_in(&mut self) -> Grant {
        let answer = self.link.ask(&authorization(CLIENT)).await;
        let code = code_in(answer.response.headers.only("Location").unwrap());
        let (refresh_token, access_token) = self.exchange(&redemption(CLIENT, &code)).await;
        Grant { refresh_tokens: vec![refresh_token], access_token }
    }

    async fn refresh(&mut self, grant: &mut Grant) {
        let (refresh_token, access_token) = self.exchange(&refresh(CLIENT, grant.newest())).await;
        grant.refresh_tokens.push(refresh_token);
        grant.access_token = access_token;
    }

    /// Presents a code or refresh token until it is answered: always with tokens, and always with the same.
    async fn exchange(&mut self, request: &HttpRequest) -> (SecretString, SecretString) {
        let answer = self.link.ask(request).await;
        let tokens = tokens(&answer);
        if answer.lost == 0 {
            assert_eq!(answer.effect(), Effect::Written, "it was used before");
            return tokens;
        }
        if answer.effect() == Effect::Repeated {
            self.tally.lost_answers += 1;
        } else {
            assert_eq!(answer.effect(), Effect::Written);
            self.tally.lost_requests += 1;
        }
        let repeated = self.link.ask(request).await;
        assert_eq!(self::tokens(&repeated).0.expose(), tokens.0.expose(), "a second successor");
        assert_eq!(repeated.effect(), Effect::Repeated);
        tokens
    }

    async fn revoke(&mut self, grant: Grant) {
        self.assert_alive(&grant).await;
        let answer = self.link.ask(&request_at("/revoke", grant.newest())).await;
        assert_eq!(answer.response.status, 200);
        self.just_ended.push(grant);
    }

    /// Uses the newest token, then its successor, then the same token again.
    async fn use_up(&mut self, mut grant: Grant) {
        self.refresh(&mut grant).await;
        self.refresh(&mut grant).await;
        self.use_again(grant).await;
    }

    /// Presents a token whose successor was used: no repeat, but the alarm.
    async fn use_again(&mut self, grant: Grant) {
        let [.., used, _, _] = grant.refresh_tokens.as_slice() else { panic!("not used") };
        let answer = self.link.ask(&refresh(CLIENT, used)).await;
        assert_refused(&answer, "a used token works");
        assert!(answer.lost > 0 || answer.effect() == Effect::Written, "no alarm");
        self.just_ended.push(grant);
    }

    async fn assert_alive(&mut self, grant: &Grant) {
        for token in [grant.newest(), &grant.access_token] {
            assert!(self.is_active(token).await, "a grant has ended by itself");
        }
    }

    async fn assert_dead(&mut self, grant: &Grant) {
        let answer = self.link.ask(&refresh(CLIENT, grant.newest())).await;
        assert_refused(&answer, "a revoked grant is alive");
        assert_eq!(answer.effect(), Effect::Nothing);
        for token in [grant.newest(), &grant.access_token] {
            assert!(!self.is_active(token).await, "a revoked grant is alive");
        }
    }

    async fn is_active(&mut self, token: &SecretString) -> bool {
        let answer = self.link.ask(&request_at("/introspect", token)).await;
        answer.json()["active"].as_bool().unwrap()
    }
}

/// The refresh token and the access token of an answer.
#[track_caller]
fn tokens(answer: &Answer) -> (SecretString, SecretString) {
    let json = answer.json();
    assert_eq!(answer.response.status, 200, "a user is logged out: {json}");
    let [refresh_token, access_token] =
        ["refresh_token", "access_token"].map(|name| SecretString::from(json[name].as_str().unwrap()));
    (refresh_token, access_token)
}

#[track_caller]
fn assert_refused(answer: &Answer, otherwise: &str) {
    assert_eq!(answer.json()["error"], "invalid_grant", "{otherwise}");
}

fn request_at(path: &str, token: &SecretString) -> HttpRequest {
    let mut request = request(CLIENT, &[("token", token.expose())]);
    path.clone_into(&mut request.target);
    request
}
