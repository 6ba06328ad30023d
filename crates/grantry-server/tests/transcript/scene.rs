//! Incidents at every endpoint, and the secrets that went into them.

use core::cell::{Cell, RefCell};
use core::time::Duration;

use grantry_core::{CodeVerifier, HttpRequest, Moment, base64url};
use grantry_server::{
    AccessTokenFormat, Approval, Authorization, ChangeSet, Client, Endpoints, GrantType, Lookup, Operation,
    Outcome, Policy, Recording, Records, Redirect, Server, Store, Subject, TokenResponse, Transcript, record,
};

use crate::support::{
    LOGIN, NOW, Site, StoreFault, clients, code, query, redemption, request, secret, server_of, time,
};

pub(crate) const PERSON: &str = "alice.person";
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const SESSION: &str = "session-of-alice";
pub(crate) const STATE: &str = "state-that-binds";
pub(crate) const NONCE: &str = "nonce-that-binds";
pub(crate) const LOGIN_HINT: &str = "alice@example.org";
pub(crate) const CLAIM: &str = "Alice of Wonderland";

/// One run, by its name.
pub(crate) struct Incident {
    pub(crate) name: String,
    pub(crate) transcript: Transcript,
}

/// A site on which everything is recorded.
pub(crate) struct Scene {
    pub(crate) site: Site,
    pub(crate) incidents: RefCell<Vec<Incident>>,
    pub(crate) secrets: RefCell<Vec<Vec<u8>>>,
    pub(crate) verifier: CodeVerifier,
    pub(crate) number: Cell<u64>,
}

impl Scene {
    pub(crate) fn new(format: AccessTokenFormat) -> Self {
        let server = server_of(crate::support::ISSUER);
        let endpoints = Endpoints::all_below(server.issuer());
        let policy = Policy::default()
            .with_access_token_format(format)
            .with_refresh_retry(Duration::from_secs(10))
            .danger_with_implicit_grant()
            .danger_with_password_grant();
        let site = Site::of(server.with_endpoints(endpoints).with_policy(policy));
        let all = |client: Client| client.with_grant_types(GrantType::ALL.iter().copied());
        clients().into_iter().map(all).for_each(|client| site.store.inner.put_client(client));
        let verifier = CodeVerifier::generate(&Moment::new(time(NOW), [9; 32]));
        let scene = Self {
            site,
            incidents: RefCell::default(),
            secrets: RefCell::default(),
            verifier,
            number: Cell::new(0),
        };
        for text in [PERSON, PASSWORD, SESSION, STATE, NONCE, LOGIN_HINT, CLAIM] {
            scene.keep(text);
        }
        let digest = grantry_server::SecretDigest::of(&secret("web"));
        scene.secrets.borrow_mut().push(digest.as_bytes().to_vec());
        scene.keep(&secret("web"));
        scene.keep(&secret("post"));
        scene.keep(scene.verifier.expose());
        scene.keep(scene.verifier.challenge().as_str());
        scene
    }

    pub(crate) fn server(&self) -> &Server {
        &self.site.server
    }

    /// Notes a secret; of a handle also its tag, of a JWT its signature.
    pub(crate) fn keep(&self, text: &str) {
        let mut secrets = self.secrets.borrow_mut();
        secrets.push(text.into());
        if let Some(bytes) = text.rsplit_once('_').and_then(|(_, text)| base64url::decode(text).ok()) {
            secrets.extend(bytes.last_chunk::<32>().map(|tag| tag[..16].to_vec()));
            secrets.extend(bytes.last_chunk::<16>().map(|tag| tag.to_vec()));
        }
        if let Some((_, signature)) = text.rsplit_once('.').filter(|_| text.starts_with("eyJ")) {
            secrets.push(signature.into());
        }
    }

    pub(crate) fn moment(&self, now: u64) -> Moment {
        self.number.set(self.number.get() + 1);
        let mut number = [0; 32];
        number[..8].copy_from_slice(&self.number.get().to_be_bytes());
        let seed: [u8; 32] = Moment::new(time(0), number).random("seed of the scene");
        self.secrets.borrow_mut().push(seed.to_vec());
        Moment::new(time(now), seed)
    }

    /// Runs, records and keeps what happened under a name.
    pub(crate) fn record_on<S, O>(
        &self,
        store: &S,
        name: &str,
        recording: &Recording<O>,
        now: u64,
    ) -> Option<O::Reply>
    where
        S: Store<Error = StoreFault>,
        O: Operation,
    {
        let grantry_server::Recorded { reply, transcript, .. } = record(store, recording, self.moment(now));
        let written = self.site.store.written.borrow();
        let salt = written.as_ref().map(|grant| grant.to_bytes()[17..33].to_vec());
        self.secrets.borrow_mut().extend(salt);
        self.incidents.borrow_mut().push(Incident { name: name.into(), transcript });
        reply.ok()
    }

    pub(crate) fn record<O: Operation>(&self, name: &str, recording: &Recording<O>, now: u64) -> O::Reply {
        self.record_on(&self.site.store, name, recording, now).unwrap()
    }

    pub(crate) fn request(&self, client: &str, path: &str, pairs: &[(&str, &str)]) -> HttpRequest {
        request(client, path, pairs).with_header("Cookie", format!("sid={SESSION}"))
    }

    pub(crate) fn asked(&self, client: &str, changes: &[(&str, Option<&str>)]) -> String {
        let challenge = self.verifier.challenge();
        let mut all = vec![
            ("state", Some(STATE)),
            ("nonce", Some(NONCE)),
            ("login_hint", Some(LOGIN_HINT)),
            ("code_challenge", Some(challenge.as_str())),
        ];
        all.extend(changes);
        query(client, &all)
    }

    pub(crate) fn authorize(&self, name: &str, query: &str) -> Authorization {
        let get = HttpRequest::new("GET", format!("/authorize?{query}"));
        self.record(name, &Recording::authorize(self.server(), &get), NOW).answer
    }

    pub(crate) fn interaction(&self, changes: &[(&str, Option<&str>)]) -> grantry_server::Interaction {
        let answer = self.authorize("authorize", &self.asked("web", changes));
        let Authorization::Interact(interaction) = answer else { panic!("{answer:?}") };
        *interaction
    }

    pub(crate) fn approval(&self) -> Approval {
        Approval::new(Subject::parse(PERSON).unwrap(), time(LOGIN)).with_sid(SESSION).with_acr("acr-1")
    }

    pub(crate) fn redirect(&self, redirect: &Redirect) {
        self.keep(redirect.url().expose());
    }

    pub(crate) fn code(&self) -> String {
        let interaction = self.interaction(&[]);
        let recording = Recording::approve(self.server(), interaction, self.approval());
        let reply = self.record("approve", &recording, NOW);
        let code = code(&reply);
        self.keep(&code);
        code
    }

    pub(crate) fn token(
        &self,
        name: &str,
        client: &str,
        pairs: &[(&str, &str)],
    ) -> grantry_server::TokenAnswer {
        let request = self.request(client, "/token", pairs);
        self.record(name, &Recording::token(self.server(), &request), NOW).answer
    }

    pub(crate) fn kept(&self, answer: grantry_server::TokenAnswer) -> TokenResponse {
        let grantry_server::TokenAnswer::Issued(tokens) = answer else { panic!("{answer:?}") };
        let parts = [Some(&tokens.access_token), tokens.refresh_token.as_ref(), tokens.id_token.as_ref()];
        parts.into_iter().flatten().for_each(|token| self.keep(token.expose()));
        tokens
    }

    pub(crate) fn redeem(&self, name: &str, code: &str) -> grantry_server::TokenAnswer {
        let pairs = redemption("web", code).with("code_verifier", self.verifier.expose());
        self.token(name, "web", &pairs.each())
    }

    pub(crate) fn tokens(&self) -> TokenResponse {
        let code = self.code();
        self.kept(self.redeem("redeem", &code))
    }

    pub(crate) fn refresh(&self, name: &str, client: &str, token: &str) -> grantry_server::TokenAnswer {
        self.token(name, client, &[("grant_type", "refresh_token"), ("refresh_token", token)])
    }
}

/// Does something else between a read and its commit, once.
pub(crate) struct Interrupted<'a> {
    pub(crate) site: &'a Site,
    pub(crate) between: Cell<Option<&'a dyn Fn()>>,
}

impl Store for Interrupted<'_> {
    type Error = StoreFault;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, StoreFault> {
        let records = self.site.store.read(lookup)?;
        self.between.take().into_iter().for_each(|between| between());
        Ok(records)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, StoreFault> {
        self.site.store.commit(changes)
    }
}

pub(crate) struct Adding<'a, F> {
    pub(crate) site: &'a Site,
    pub(crate) add: F,
}

impl<F: Fn(Records) -> Records> Store for Adding<'_, F> {
    type Error = StoreFault;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, StoreFault> {
        self.site.store.read(lookup).map(&self.add)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, StoreFault> {
        self.site.store.commit(changes)
    }
}

/// A table that was restored: the record is another one under the same id.
pub(crate) struct OtherSalt<'a>(pub(crate) &'a Site);

impl Store for OtherSalt<'_> {
    type Error = StoreFault;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, StoreFault> {
        let records = self.0.store.read(lookup)?;
        let Some(found) = lookup.grant.and_then(|id| records.grant(id)) else { return Ok(records) };
        let mut bytes = found.grant.to_bytes();
        bytes[17..33].fill(7);
        let grant = grantry_server::Grant::from_bytes(&bytes).unwrap();
        let version = found.version;
        Ok(records.with_grant(grant, version))
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, StoreFault> {
        self.0.store.commit(changes)
    }
}
