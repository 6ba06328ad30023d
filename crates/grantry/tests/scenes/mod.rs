//! Where a race begins, and who may take part.
//!
//! A scene is a list of acts: those that have happened, and those that are still to come. What the acts to
//! come would give out is known in the scene already, so that everybody may present it too early as well.
//! The cast are all requests that touch the grant of a scene: one more line there races all others.

pub(crate) mod rules;

use core::time::Duration;

use grantry::core::{ClientId, HttpRequest, Moment, form};
use grantry::server::{
    Authority, Authorization, GrantId, Interaction, Policy, Refusal, Server, Subject, Verification, run,
};

use crate::explorer::{Answer, Racer, Seen, Table, TableStore};
use crate::support::*;

/// For how long the same request is answered again, where a scene has such a window.
const WINDOW: Duration = Duration::from_secs(10);
/// So that nothing dies of age, neither in a race nor when its ending is probed.
const LONG: Duration = Duration::from_secs(1_000_000);

/// When a race is run, when its ending is probed inside the window, and when behind it, in seconds.
pub(crate) const RACE: u64 = 60;
pub(crate) const SOON: u64 = 64;
pub(crate) const LATE: u64 = 3600;

/// What happens to a grant, one after another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    /// A client pushes its request, for a code or for tokens, and the browser brings it.
    Push(&'static str),
    /// A browser brings a request, for a code or for tokens.
    Open(&'static str),
    /// A device asks, and a person types its code.
    Connect,
    Approve,
    Refuse,
    Redeem,
    Poll,
    Refresh,
    Revoke,
    /// A client gets a token for itself.
    AskForItself,
}

use Act::{Approve, AskForItself, Connect, Open, Poll, Push, Redeem, Refresh, Refuse, Revoke};

/// The name, what has happened, and what is still to come.
struct Story(&'static str, &'static [Act], &'static [Act]);

const STORIES: &[Story] = &[
    Story("asked", &[Open("code")], &[Approve, Redeem, Refresh, Refresh]),
    Story("pushed", &[Push("code")], &[Approve, Redeem, Refresh, Refresh]),
    Story("code issued", &[Open("code"), Approve], &[Redeem, Refresh, Refresh]),
    Story("active", &[Open("code"), Approve, Redeem], &[Refresh, Refresh]),
    Story("active, rotated", &[Open("code"), Approve, Redeem, Refresh], &[Refresh]),
    Story("revoked", &[Open("code"), Approve, Redeem, Refresh, Revoke], &[]),
    Story("device pending", &[Connect], &[Approve, Poll, Refresh, Refresh]),
    Story("device approved", &[Connect, Approve], &[Poll, Refresh, Refresh]),
    Story("device denied", &[Connect, Refuse], &[]),
    Story("device active", &[Connect, Approve, Poll], &[Refresh, Refresh]),
    Story("implicit, asked", &[Open("token")], &[Approve]),
    Story("implicit, pushed", &[Push("token")], &[Approve]),
    Story("implicit, active", &[Open("token"), Approve], &[]),
    Story("client, active", &[AskForItself], &[]),
];

/// Whether lost replies may be asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    Never,
    InsideTheWindow,
}

impl Retry {
    pub(crate) fn policy(self) -> Policy {
        let window = match self {
            Self::Never => Duration::ZERO,
            Self::InsideTheWindow => WINDOW,
        };
        opaque()
            .with_code_retry(window)
            .with_refresh_retry(window)
            .with_code_lifetime(LONG)
            .with_access_token_lifetime(LONG)
            .with_refresh_token_lifetime(LONG)
            .with_interaction_lifetime(LONG)
            .with_pushed_request_lifetime(LONG)
            .with_device_code_lifetime(LONG)
            .danger_with_implicit_grant()
            .danger_with_password_grant()
    }
}

/// A server, a store, and what is known in it.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) retry: Retry,
    scope: &'static str,
    server: Server,
    pub(crate) store: TableStore,
    /// The one grant of the scene.
    pub(crate) grant: GrantId,
    /// The table as it was before and after each act of the past.
    pub(crate) past: Vec<Table>,
    known: Known,
}

#[derive(Clone, Default)]
struct Known {
    interaction: Option<Interaction>,
    request_uri: Option<String>,
    device: Option<Device>,
    code: Option<String>,
    tokens: Vec<Tokens>,
}

#[derive(Clone)]
struct Device {
    user_code: String,
    device_code: String,
}

#[derive(Clone)]
struct Tokens {
    access_token: String,
    refresh_token: Option<String>,
}

/// When a racer comes, by its own clock in seconds, and the number of its seed.
#[derive(Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) at: u64,
    pub(crate) number: u8,
}

impl Turn {
    fn moment(self) -> Moment {
        moment(self.at, self.number)
    }
}

/// The number of the first racer's seed. What is still to come is known as if this one had done it.
pub(crate) const FIRST: u8 = 100;
/// The number of the seed that the device of a scene began with.
const DEVICE: u8 = 1;

/// Every scene, with and without windows for lost replies.
pub(crate) fn scenes() -> impl Iterator<Item = Scene> {
    let all = |retry: Retry| {
        STORIES.iter().map(move |story| Scene::of(story, "read write", server(retry.policy()), retry))
    };
    [Retry::Never, Retry::InsideTheWindow].into_iter().flat_map(all)
}

impl Scene {
    /// The scene of a story by its name, with another scope and server.
    pub(crate) fn with(name: &str, scope: &'static str, server: Server, retry: Retry) -> Self {
        let story = STORIES.iter().find(|story| story.0 == name).unwrap();
        Self::of(story, scope, server, retry)
    }

    fn of(Story(name, past, future): &Story, scope: &'static str, server: Server, retry: Retry) -> Self {
        let grant = GrantId::from_bytes([0; 16]);
        let store = TableStore::new(clients());
        let past_tables = vec![Table::default()];
        let known = Known::default();
        let mut scene = Self { name, retry, scope, server, store, grant, past: past_tables, known };
        for (act, (at, number)) in past.iter().zip((0..).step_by(10).zip(1..)) {
            scene.perform(*act, Turn { at, number });
            scene.past.push(scene.store.table.borrow().clone());
        }

        let now = scene.store.copy_at(&scene.store.table.borrow());
        future.iter().for_each(|act| scene.perform(*act, Turn { at: RACE, number: FIRST }));
        let after = core::mem::replace(&mut scene.store, now);
        let ids: Vec<_> = after.table.borrow().ids().collect();
        let [grant] = ids.as_slice() else { panic!("{name}: {ids:?}") };
        scene.grant = *grant;
        scene
    }

    fn perform(&mut self, act: Act, turn: Turn) {
        let racer = match act {
            Push(response_type) => {
                let Answer::RequestUri(uri) = self.play(&self.pushes(response_type, turn)).answer else {
                    panic!("not pushed")
                };
                let request = pushed_request(&uri);
                self.known.interaction = Some(self.open(&request, turn));
                self.known.request_uri = Some(uri);
                return;
            }
            Open(response_type) => {
                let query = authorization_parameters(response_type, self.scope);
                let request = HttpRequest::new("GET", format!("/authorize?{query}"));
                self.known.interaction = Some(self.open(&request, turn));
                return;
            }
            Connect => self.connects(turn),
            Approve => self.approves("alice", turn),
            Refuse => self.refuses(turn),
            Redeem => self.redeems("app", 200, turn),
            Poll => self.polls("app", turn),
            Refresh => self.refreshes("app", self.known.tokens.len() - 1, None, turn),
            Revoke => self.revokes("app", self.refresh_token(0), turn),
            AskForItself => self.asks_for_itself(turn),
        };
        match self.play(&racer.unwrap()).answer {
            Answer::Tokens { access_token, refresh_token, .. } => {
                self.known.tokens.push(Tokens { access_token, refresh_token });
            }
            Answer::Code(code) => self.known.code = Some(code),
            Answer::Device { user_code, device_code } => {
                let typed = self.server.verify_user_code(&user_code);
                let answer = run(&self.store, &typed, turn.moment()).unwrap().answer;
                let Verification::Interact(interaction) = answer else { panic!("{answer:?}") };
                self.known.interaction = Some(*interaction);
                self.known.device = Some(Device { user_code, device_code });
            }
            Answer::Done => {}
            answer @ (Answer::RequestUri(_)
            | Answer::Page
            | Answer::Active(_)
            | Answer::Unknown
            | Answer::Refused(_)) => panic!("{}: {answer:?}", self.name),
        }
    }

    fn open(&self, request: &HttpRequest, turn: Turn) -> Interaction {
        let answer = run(&self.store, &self.server.authorize(request), turn.moment()).unwrap().answer;
        let Authorization::Interact(interaction) = answer else { panic!("{answer:?}") };
        *interaction
    }

    /// Runs a request from end to end.
    fn play(&self, racer: &Racer) -> Seen {
        self.outcome(racer, &mut self.store.table.borrow_mut())
    }

    /// What a request comes to that nobody disturbs.
    pub(crate) fn outcome(&self, racer: &Racer, table: &mut Table) -> Seen {
        let decided = racer.decide(&self.store, table);
        if let Some(changes) = &decided.changes {
            let _ = self.store.apply(table, changes);
        }
        decided.seen.clone()
    }
}

/// Where a request of the cast comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    TokenEndpoint,
    Elsewhere,
}

/// A request that may be made in a scene, if what it presents exists there.
pub(crate) struct Role {
    pub(crate) name: &'static str,
    pub(crate) door: Door,
    make: fn(&Scene, Turn) -> Option<Racer>,
}

impl Role {
    pub(crate) fn racer(&self, scene: &Scene, turn: Turn) -> Option<Racer> {
        (self.make)(scene, turn).map(|racer| racer.named(self.name))
    }

    /// Who approves.
    pub(crate) fn person(&self) -> Option<&'static str> {
        match self.name {
            "approves" => Some("alice"),
            "approves as another person" => Some("bob"),
            _ => None,
        }
    }

    /// One who holds what is not theirs, or not all of it.
    pub(crate) fn is_stranger(&self) -> bool {
        self.name.starts_with("stranger")
    }
}

const fn role(name: &'static str, make: fn(&Scene, Turn) -> Option<Racer>) -> Role {
    Role { name, door: Door::Elsewhere, make }
}

const fn token(name: &'static str, make: fn(&Scene, Turn) -> Option<Racer>) -> Role {
    Role { name, door: Door::TokenEndpoint, make }
}

/// Every request that touches the grant of a scene, and those that begin a grant of their own.
pub(crate) const CAST: &[Role] = &[
    role("opens the pushed page", |scene, turn| scene.opens(turn)),
    role("types the user code", |scene, turn| scene.types_user_code(turn)),
    role("approves", |scene, turn| scene.approves("alice", turn)),
    role("approves as another person", |scene, turn| scene.approves("bob", turn)),
    role("refuses", |scene, turn| scene.refuses(turn)),
    role("pushes", |scene, turn| Some(scene.pushes("code", turn))),
    role("connects a device", |scene, turn| scene.connects(turn)),
    token("redeems", |scene, turn| scene.redeems("app", 200, turn)),
    token("refreshes with the first token", |scene, turn| scene.refreshes("app", 0, None, turn)),
    token("refreshes with the second token", |scene, turn| scene.refreshes("app", 1, None, turn)),
    token("refreshes and asks for more", |scene, turn| scene.refreshes("app", 0, Some("read admin"), turn)),
    token("polls", |scene, turn| scene.polls("app", turn)),
    token("asks for itself", |scene, turn| scene.asks_for_itself(turn)),
    token("asks with a password", |scene, turn| Some(scene.asks_with_password(turn))),
    token("stranger without the verifier redeems", |scene, turn| scene.redeems("app", 201, turn)),
    token("stranger redeems", |scene, turn| scene.redeems("other", 200, turn)),
    token("stranger refreshes", |scene, turn| scene.refreshes("other", 0, None, turn)),
    token("stranger polls", |scene, turn| scene.polls("other", turn)),
    role("revokes by refresh token", |scene, turn| scene.revokes("app", scene.refresh_token(0), turn)),
    role("revokes by access token", |scene, turn| scene.revokes("app", scene.access_token(), turn)),
    role("stranger revokes", |scene, turn| scene.revokes("other", scene.access_token(), turn)),
    role("person takes it back", |scene, turn| {
        Some(scene.takes_back(Authority::Subject(person("alice")), turn))
    }),
    role("client takes it back", |scene, turn| {
        Some(scene.takes_back(Authority::Client(client("app")), turn))
    }),
    role("operator takes it back", |scene, turn| Some(scene.takes_back(Authority::Operator, turn))),
    role("stranger takes it back", |scene, turn| {
        Some(scene.takes_back(Authority::Subject(person("mallory")), turn))
    }),
    role("stranger takes it back by another client", |scene, turn| {
        Some(scene.takes_back(Authority::Client(client("other")), turn))
    }),
    role("introspects an access token", |scene, turn| scene.introspects("app", scene.access_token(), turn)),
    role("introspects a refresh token", |scene, turn| scene.introspects("app", scene.refresh_token(0), turn)),
    role("resource server introspects", |scene, turn| scene.introspects("api", scene.access_token(), turn)),
    role("asks who the person is", |scene, turn| scene.asks_who(turn)),
    role("stranger introspects", |scene, turn| scene.introspects("other", scene.access_token(), turn)),
];

fn person(name: &str) -> Subject {
    Subject::parse(name).unwrap()
}

fn client(name: &str) -> ClientId {
    ClientId::parse(name).unwrap()
}

impl Scene {
    pub(crate) fn refresh_tokens(&self) -> impl Iterator<Item = &str> {
        self.known.tokens.iter().filter_map(|tokens| tokens.refresh_token.as_deref())
    }

    fn refresh_token(&self, index: usize) -> Option<&str> {
        self.known.tokens.get(index)?.refresh_token.as_deref()
    }

    fn access_token(&self) -> Option<&str> {
        self.known.tokens.first().map(|tokens| tokens.access_token.as_str())
    }

    fn opens(&self, turn: Turn) -> Option<Racer> {
        let request = pushed_request(self.known.request_uri.as_ref()?);
        Some(Racer::new(self.server.authorize(&request), turn.moment()))
    }

    fn types_user_code(&self, turn: Turn) -> Option<Racer> {
        let device = self.known.device.as_ref()?;
        Some(Racer::new(self.server.verify_user_code(&device.user_code), turn.moment()))
    }

    fn approves(&self, subject: &str, turn: Turn) -> Option<Racer> {
        let interaction = self.known.interaction.clone()?;
        let operation = self.server.approve(interaction, approval_of(subject));
        Some(Racer::new(operation, turn.moment()).presenting("the page"))
    }

    fn refuses(&self, turn: Turn) -> Option<Racer> {
        let operation = self.server.refuse(self.known.interaction.as_ref()?, Refusal::AccessDenied);
        Some(Racer::new(operation, turn.moment()))
    }

    fn pushes(&self, response_type: &str, turn: Turn) -> Racer {
        let parameters = authorization_parameters(response_type, self.scope);
        let credentials = form::encode([("client_secret", "secret")]);
        let request = HttpRequest::form("/par", format!("{parameters}&{credentials}"));
        Racer::new(self.server.push(&request), turn.moment())
    }

    /// The first to come draws the very user code of the scene's device.
    fn connects(&self, turn: Turn) -> Option<Racer> {
        let is_first = turn.number == FIRST || self.known.device.is_none();
        let number = if is_first { DEVICE } else { turn.number };
        let request = posted_by("app", &[("scope", self.scope)]);
        Some(Racer::new(self.server.device_authorization(&request), moment(turn.at, number)))
    }

    pub(crate) fn redeems_code(&self, code: &str, turn: Turn) -> Racer {
        let request = redemption(code);
        Racer::new(self.server.token(&request), turn.moment()).presenting(code)
    }

    fn redeems(&self, client: &str, number: u8, turn: Turn) -> Option<Racer> {
        let code = self.known.code.as_ref()?;
        let request = redemption_by(client, code, REDIRECT_URI, &verifier(number));
        Some(Racer::new(self.server.token(&request), turn.moment()).presenting(code))
    }

    fn polls(&self, client: &str, turn: Turn) -> Option<Racer> {
        let device = self.known.device.as_ref()?;
        let operation = self.server.token(&poll_by(client, &device.device_code));
        Some(Racer::new(operation, turn.moment()).presenting(&device.device_code))
    }

    fn refreshes(&self, client: &str, index: usize, scope: Option<&str>, turn: Turn) -> Option<Racer> {
        Some(self.refreshes_with(client, self.refresh_token(index)?, scope, turn))
    }

    pub(crate) fn refreshes_with(&self, client: &str, token: &str, scope: Option<&str>, turn: Turn) -> Racer {
        let operation = self.server.token(&refresh_by(client, token, scope));
        Racer::new(operation, turn.moment()).presenting(token)
    }

    fn asks_for_itself(&self, turn: Turn) -> Option<Racer> {
        let request = posted_by("app", &[("grant_type", "client_credentials"), ("scope", "read")]);
        Some(Racer::new(self.server.token(&request), turn.moment()))
    }

    fn asks_with_password(&self, turn: Turn) -> Racer {
        let pairs =
            [("grant_type", "password"), ("username", "alice"), ("password", "pw"), ("scope", "read")];
        let operation = self.server.token(&posted_by("app", &pairs)).with_resource_owner(approval());
        Racer::new(operation, turn.moment())
    }

    fn revokes(&self, client: &str, token: Option<&str>, turn: Turn) -> Option<Racer> {
        let operation = self.server.revoke(&presented(client, token?));
        Some(Racer::new(operation, turn.moment()))
    }

    fn takes_back(&self, authority: Authority, turn: Turn) -> Racer {
        Racer::new(self.server.revoke_grant(self.grant, authority), turn.moment())
    }

    fn introspects(&self, client: &str, token: Option<&str>, turn: Turn) -> Option<Racer> {
        let operation = self.server.introspect(&presented(client, token?));
        Some(Racer::new(operation, turn.moment()))
    }

    fn asks_who(&self, turn: Turn) -> Option<Racer> {
        let request = HttpRequest::new("GET", "/userinfo");
        let request = request.with_header("Authorization", format!("Bearer {}", self.access_token()?));
        Some(Racer::new(self.server.userinfo(&request), turn.moment()))
    }
}
