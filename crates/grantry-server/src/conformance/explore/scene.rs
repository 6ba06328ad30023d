//! Who asks whom in the races, and the requests that they send.

use alloc::{collections::BTreeMap, format, string::String, sync::Arc, vec, vec::Vec};
use core::fmt::Display;
use core::time::Duration;

use grantry_core::form;
use grantry_core::{
    ClientId, CodeVerifier, HttpRequest, Issuer, Moment, Scope, SecretBytes, SecretString, UnixTime,
};
use grantry_jwt::{Algorithm, SigningKey, VerifyingKey};
use serde_json::json;

use super::race::{Act, Caller, Plan, Retry};
use super::report::Broken;
use super::request::{Answer, Request, Seen};
use crate::assertion_keys::AssertionSecret;
use crate::client::{Client, GrantType, IntrospectionRight};
use crate::client_authentication::{ClientAuthentication, SecretDigest};
use crate::grant::{GrantId, Subject};
use crate::handle::HandleKey;
use crate::interaction::{Approval, Interaction};
use crate::policy::{AccessTokenFormat, Policy};
use crate::redirect_uri::{ApplicationType, RedirectUri};
use crate::revoke_grant::Authority;
use crate::server::{Endpoints, Server};

/// For how long the same request is answered again, where there is such a window.
const WINDOW: Duration = Duration::from_secs(10);
/// So that nothing dies of age before the end of a schedule.
const LONG: Duration = Duration::from_secs(10 * 24 * 3600);
/// Of [RFC 8037 appendix A.2](https://www.rfc-editor.org/rfc/rfc8037#appendix-A.2): nothing is signed with it.
const PUBLIC_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What all schedules of a run share.
pub(super) struct World {
    moment: Moment,
    issuer: Issuer,
    server: Server,
    server_with_window: Server,
    pub(super) clients: BTreeMap<ClientId, Arc<Client>>,
    /// The client with a secret, and the one with assertions.
    ids: [String; 2],
    secret: String,
    assertion_key: SigningKey,
    redirect_uri: String,
    subject: Subject,
    verifier: CodeVerifier,
}

/// A fault of what the explorer itself brings.
fn fit<T, E: Display>(result: Result<T, E>) -> Result<T, Broken> {
    result.map_err(|error| Broken::unfit(&error))
}

impl World {
    pub(super) fn new(moment: Moment) -> Result<Self, Broken> {
        let tag = format!("explore{:016x}", u64::from_be_bytes(moment.random("explore tag")));
        let issuer = fit(Issuer::parse(format!("https://{tag}.example")))?;
        let secret = moment.random_text("explore secret");
        let octets = SecretBytes::from(secret.clone().into_bytes());
        let ids = [format!("{tag}-secret"), format!("{tag}-assertion")];
        let redirect_uri = format!("https://{tag}.example/cb");
        let by_secret = ClientAuthentication::SecretPost(SecretDigest::of(&secret));
        let by_assertion = fit(AssertionSecret::new(&SecretString::from(secret.as_str())))?;
        let by_assertion = ClientAuthentication::SecretJwt(by_assertion);
        let mut clients = BTreeMap::new();
        for (id, authentication) in ids.iter().zip([by_secret, by_assertion]) {
            let client = Client::new(fit(ClientId::parse(id.as_str()))?, authentication)
                .with_redirect_uri(fit(RedirectUri::register(&*redirect_uri, ApplicationType::Web))?)
                .with_scope(fit(Scope::parse("read write"))?)
                .with_grant_types(GrantType::ALL.iter().copied())
                .with_introspection(IntrospectionRight::AccessTokens);
            clients.insert(client.id().clone(), Arc::new(client));
        }
        let key = fit(VerifyingKey::from_jwk(PUBLIC_KEY.as_bytes()))?.with_key_id("explore");
        let handle_key = SecretBytes::from(moment.random::<32>("explore handles").to_vec());
        let server = fit(Server::new(issuer.clone(), key, fit(HandleKey::new(1, handle_key))?))?;
        let server = server.with_endpoints(Endpoints::all_below(&issuer));
        Ok(Self {
            server_with_window: server.clone().with_policy(policy(WINDOW)),
            server: server.with_policy(policy(Duration::ZERO)),
            assertion_key: fit(SigningKey::from_secret(Algorithm::Hs256, &octets))?,
            subject: fit(Subject::parse(format!("{tag} subject")))?,
            verifier: CodeVerifier::generate(&moment),
            moment,
            issuer,
            clients,
            ids,
            secret,
            redirect_uri,
        })
    }
}

impl World {
    pub(super) const fn issuer(&self) -> &Issuer {
        &self.issuer
    }
}

fn policy(window: Duration) -> Policy {
    Policy::default()
        .with_access_token_format(AccessTokenFormat::Opaque)
        .with_code_retry(window)
        .with_refresh_retry(window)
        .with_code_lifetime(LONG)
        .with_access_token_lifetime(LONG)
        .with_refresh_token_lifetime(LONG)
        .with_interaction_lifetime(LONG)
        .with_device_code_lifetime(LONG)
        .with_device_interval(Duration::ZERO)
}

/// When somebody comes, and the place of their request in the schedule: no two have the same randomness.
#[derive(Clone, Copy)]
pub(super) struct Turn {
    pub(super) phase: Phase,
    pub(super) number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Past,
    Race,
    /// Inside of the window.
    Again,
    /// Long after the window.
    Late,
}

impl Phase {
    const fn seconds(self) -> u64 {
        match self {
            Self::Past => 0,
            Self::Race => 1,
            Self::Again => 5,
            Self::Late => 3600,
        }
    }
}

/// What is known in one schedule.
pub(super) struct Scene<'w> {
    world: &'w World,
    plan: &'w Plan,
    /// In the randomness of this schedule.
    label: String,
    pages: Vec<Interaction>,
    codes: Vec<(GrantId, String)>,
    tokens: Vec<Tokens>,
    user_code: String,
    device_code: String,
}

struct Tokens {
    grant: GrantId,
    access: String,
    refresh: String,
}

impl<'w> Scene<'w> {
    pub(super) const fn new(world: &'w World, plan: &'w Plan, label: String) -> Self {
        Self {
            world,
            plan,
            label,
            pages: Vec::new(),
            codes: Vec::new(),
            tokens: Vec::new(),
            user_code: String::new(),
            device_code: String::new(),
        }
    }

    /// Learns what an answer gives out.
    pub(super) fn learn(&mut self, seen: &Seen) {
        match (&seen.answer, seen.grant) {
            (Answer::Page(interaction), _) => self.pages.push((**interaction).clone()),
            (Answer::Device { user_code, device_code }, _) => {
                self.user_code = user_code.expose().into();
                self.device_code = device_code.expose().into();
            }
            (Answer::Code(code), Some(grant)) => self.codes.push((grant, code.expose().into())),
            (Answer::Tokens { access_token, refresh_token }, Some(grant)) => self.tokens.push(Tokens {
                grant,
                access: access_token.expose().into(),
                refresh: refresh_token.as_ref().map_or("", SecretString::expose).into(),
            }),
            (
                Answer::Code(_)
                | Answer::Tokens { .. }
                | Answer::Done
                | Answer::Active
                | Answer::Inactive
                | Answer::Refused,
                _,
            ) => {}
        }
    }

    /// Every grant that gave something out.
    pub(super) fn grants(&self) -> Vec<GrantId> {
        let tokens = self.tokens.iter().map(|tokens| tokens.grant);
        let mut grants: Vec<_> = self.codes.iter().map(|(grant, _)| *grant).chain(tokens).collect();
        grants.sort_unstable();
        grants.dedup();
        grants
    }

    pub(super) fn request(&self, act: Act, turn: Turn) -> Result<Request, Broken> {
        let World { subject, verifier, redirect_uri, .. } = self.world;
        let server = self.server();
        let moment = self.moment(turn);
        Ok(match act {
            Act::Open => {
                let query = form::encode([
                    ("response_type", "code"),
                    ("client_id", self.client_id()),
                    ("redirect_uri", redirect_uri),
                    ("scope", "read write"),
                    ("state", "state"),
                    ("code_challenge", verifier.challenge().as_str()),
                    ("code_challenge_method", "S256"),
                ]);
                let request = HttpRequest::new("GET", format!("/authorize?{query}"));
                Request::new(server.authorize(&request), moment)
            }
            Act::Connect => {
                let request = self.form(turn, &[("scope", "read write")])?;
                Request::new(server.device_authorization(&request), moment)
            }
            Act::TypeUserCode => Request::new(server.verify_user_code(&self.user_code), moment),
            Act::Approve(number) => {
                let interaction = nth(&self.pages, number)?.clone();
                let approval = Approval::new(subject.clone(), self.world.moment.time());
                Request::new(server.approve(interaction, approval), moment)
            }
            Act::Redeem(number) => {
                let (_, code) = nth(&self.codes, number)?;
                self.redemption(code, turn)?
            }
            Act::Poll => {
                let grant_type = GrantType::DeviceCode.as_str();
                self.token(turn, &[("grant_type", grant_type), ("device_code", &self.device_code)])?
            }
            Act::Refresh(number) => self.refresh(&nth(&self.tokens, number)?.refresh, turn)?,
            Act::RevokeToken => {
                let request = self.form(turn, &[("token", &nth(&self.tokens, 0)?.refresh)])?;
                Request::new(server.revoke(&request), moment)
            }
            Act::RevokeGrant => {
                let (grant, _) = nth(&self.codes, 0)?;
                Request::new(server.revoke_grant(*grant, Authority::Operator), moment)
            }
            Act::Introspect => self.introspection(&nth(&self.tokens, 0)?.access, turn)?,
        })
    }

    /// Requests with everything that a grant gave out, long after the window.
    pub(super) fn late_uses(&self, grant: GrantId) -> Result<Vec<Request>, Broken> {
        let mut requests = Vec::new();
        for (_, code) in self.codes.iter().filter(|(of, _)| *of == grant) {
            requests.push(self.redemption(code, LATE)?);
        }
        for tokens in self.tokens.iter().filter(|tokens| tokens.grant == grant) {
            requests.push(self.refresh(&tokens.refresh, LATE)?);
            requests.push(self.introspection(&tokens.access, LATE)?);
        }
        Ok(requests)
    }

    pub(super) fn late_refresh(&self, token: &str) -> Result<Request, Broken> {
        self.refresh(token, LATE)
    }

    fn redemption(&self, code: &str, turn: Turn) -> Result<Request, Broken> {
        let World { redirect_uri, verifier, .. } = self.world;
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier.expose()),
        ];
        self.token(turn, &pairs)
    }

    fn refresh(&self, token: &str, turn: Turn) -> Result<Request, Broken> {
        self.token(turn, &[("grant_type", "refresh_token"), ("refresh_token", token)])
    }

    fn token(&self, turn: Turn, pairs: &[(&str, &str)]) -> Result<Request, Broken> {
        Ok(Request::new(self.server().token(&self.form(turn, pairs)?), self.moment(turn)))
    }

    fn introspection(&self, token: &str, turn: Turn) -> Result<Request, Broken> {
        let request = self.form(turn, &[("token", token)])?;
        Ok(Request::new(self.server().introspect(&request), self.moment(turn)))
    }

    fn server(&self) -> &'w Server {
        match self.plan.retry {
            Retry::Never => &self.world.server,
            Retry::InWindow => &self.world.server_with_window,
        }
    }

    fn client_id(&self) -> &'w str {
        let [by_secret, by_assertion] = &self.world.ids;
        match self.plan.by {
            Caller::Secret => by_secret,
            Caller::Assertion | Caller::OneAssertion => by_assertion,
        }
    }

    fn moment(&self, turn: Turn) -> Moment {
        let seed = self.world.moment.random(&format!("explore {} {}", self.label, turn.text()));
        Moment::new(self.time(turn.phase), seed)
    }

    fn time(&self, phase: Phase) -> UnixTime {
        self.world.moment.time().saturating_add(Duration::from_secs(phase.seconds()))
    }

    /// A form of the authenticated client.
    fn form(&self, turn: Turn, pairs: &[(&str, &str)]) -> Result<HttpRequest, Broken> {
        let credentials = match self.plan.by {
            Caller::Secret => {
                vec![("client_id", self.client_id().into()), ("client_secret", self.world.secret.clone())]
            }
            Caller::Assertion | Caller::OneAssertion => vec![
                ("client_assertion_type", ASSERTION_TYPE.into()),
                ("client_assertion", self.assertion(turn)?),
            ],
        };
        let credentials = credentials.iter().map(|(name, value)| (*name, value.as_str()));
        Ok(HttpRequest::form("/", form::encode(pairs.iter().copied().chain(credentials))))
    }

    fn assertion(&self, turn: Turn) -> Result<String, Broken> {
        let id = match (self.plan.by, turn.phase) {
            (Caller::OneAssertion, Phase::Race) => format!("{} race", self.label),
            (Caller::Secret | Caller::Assertion | Caller::OneAssertion, _) => {
                format!("{} {}", self.label, turn.text())
            }
        };
        let (client_id, time) = (self.client_id(), self.time(turn.phase).as_secs());
        let claims = json!({
            "iss": client_id, "sub": client_id, "aud": self.world.issuer.as_str(),
            "iat": time, "exp": time.saturating_add(60), "jti": id,
        });
        fit(self.world.assertion_key.sign_claims("JWT", &claims))
    }
}

const LATE: Turn = Turn { phase: Phase::Late, number: 0 };

impl Turn {
    fn text(self) -> String {
        format!("{:?} {}", self.phase, self.number)
    }
}

fn nth<T>(list: &[T], number: usize) -> Result<&T, Broken> {
    list.get(number).ok_or_else(|| Broken::unfit(&"a page, code or token that was not given out"))
}
