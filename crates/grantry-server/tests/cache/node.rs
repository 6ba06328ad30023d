//! A node of a site with a cache in front of its store, by either loop.

use core::cell::Cell;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use grantry_core::{HttpRequest, SecretString, base64url, form};
use grantry_jwt::{JwkSet, SigningInput, SigningKey};
use grantry_server::{
    ApplicationType, AssertionKeys, AsyncGrantCache, AsyncSigner, AsyncStore, Authority, Cached, ChangeSet,
    Client, ClientAuthentication, Grant, GrantCache, GrantId, Lookup, MemoryCache, MemoryStore, Operation,
    Outcome, Policy, Records, RedirectUri, Reply, RunError, Server, Signature, Signer, Store, TokenAnswer,
    Version, Versioned,
};
use serde_json::json;

use crate::COLD;
use crate::support::{
    CountingStore, ISSUER, KEY, NOW, Site, StoreFault, client_id, issued, redemption, refresh_token, request,
    scope, server_of,
};

#[derive(Clone, Copy, Debug)]
enum Loop {
    Blocking,
    Asynchronous,
}

/// A node of a site, with its cache. What the site runs itself is done at another node, which has none.
pub(crate) struct Node {
    pub(crate) site: Site,
    pub(crate) cache: Counting,
    by: Loop,
}

impl Node {
    pub(crate) fn try_run_adding<O: Operation>(
        &self,
        operation: &O,
        now: u64,
        add: impl Fn(&Lookup<'_>, Records) -> Records,
    ) -> Result<O::Reply, RunError<StoreFault, RunError<()>>> {
        let (store, moment) = (Adding { store: &self.site.store, add }, self.site.moment(now));
        match self.by {
            Loop::Blocking => Cached::new(store, &self.cache).run_with_signer(&Outside, operation, moment),
            Loop::Asynchronous => {
                let cached = Cached::new(store, Remote(&self.cache));
                block_on(cached.run_async_with_signer(&Outside, operation, moment))
            }
        }
    }

    pub(crate) fn run<O: Operation>(&self, operation: &O, now: u64) -> O::Reply {
        self.try_run_adding(operation, now, |_, records| records).unwrap()
    }

    pub(crate) fn token(&self, request: &HttpRequest) -> (Reply<TokenAnswer>, [usize; 3]) {
        self.site.store.count(|| self.run(&self.site.server.token(request), NOW))
    }

    pub(crate) fn refresh(&self, token: &SecretString) -> (Reply<TokenAnswer>, [usize; 3]) {
        self.token(&refreshes(token))
    }

    /// A refresh token whose grant is in the cache.
    pub(crate) fn warm(&self) -> SecretString {
        let code = self.site.code(NOW);
        let (reply, counts) = self.token(&request("web", "/token", &redemption("web", &code).each()));
        assert_eq!(counts, COLD);
        refresh_token(&issued(reply)).clone()
    }

    pub(crate) fn grant(&self) -> GrantId {
        self.site.store.last_written().id()
    }

    pub(crate) fn stored(&self) -> Versioned {
        let mut lookup = Lookup::default();
        lookup.grant = Some(self.grant());
        Store::read(&self.site.store.inner, &lookup).unwrap().grant(self.grant()).unwrap().clone()
    }

    pub(crate) fn kept(&self) -> Option<Versioned> {
        GrantCache::fetch(&self.cache.cache, self.grant())
    }

    pub(crate) fn plant(&self, record: &Versioned) {
        GrantCache::keep(&self.cache.cache, &record.grant, record.version);
    }

    /// Ends the grant at another node.
    pub(crate) fn revoke_elsewhere(&self) {
        self.site.run(&self.site.server.revoke_grant(self.grant(), Authority::Operator), NOW);
    }
}

pub(crate) fn refreshes(token: &SecretString) -> HttpRequest {
    request("web", "/token", &[("grant_type", "refresh_token"), ("refresh_token", token.expose())])
}

pub(crate) fn both_over(server: &Server, test: impl Fn(&Node)) {
    for by in [Loop::Blocking, Loop::Asynchronous] {
        test(&Node { site: Site::of(server.clone()), cache: Counting::default(), by });
    }
}

pub(crate) fn both(policy: &Policy, test: impl Fn(&Node)) {
    both_over(&server_of(ISSUER).with_policy(policy.clone()), test);
}

/// A request of the client that signs its assertions.
pub(crate) fn asserted(key: &SigningKey, jti: &str, pairs: &[(&str, &str)]) -> HttpRequest {
    let claims = json!({ "iss": "signed", "sub": "signed", "aud": ISSUER, "exp": NOW + 60, "jti": jti });
    let assertion = key.sign_claims("JWT", &claims).unwrap();
    let assertion = [
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion.as_str()),
    ];
    HttpRequest::form("/token", form::encode(pairs.iter().copied().chain(assertion)))
}

pub(crate) fn signing_client(key: &SigningKey) -> Client {
    let keys = AssertionKeys::new(&JwkSet::from_keys([key.verifying_key()])).unwrap();
    let uri = RedirectUri::register("https://signed.example/cb", ApplicationType::Web).unwrap();
    Client::new(client_id("signed"), ClientAuthentication::PrivateKeyJwt(keys))
        .with_redirect_uri(uri)
        .with_scope(scope("openid read write offline_access"))
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// A cache that counts how often it is asked.
#[derive(Default)]
pub(crate) struct Counting {
    pub(crate) cache: MemoryCache,
    pub(crate) fetches: Cell<usize>,
}

impl GrantCache for Counting {
    fn fetch(&self, id: GrantId) -> Option<Versioned> {
        self.fetches.set(self.fetches.get() + 1);
        GrantCache::fetch(&self.cache, id)
    }

    fn keep(&self, grant: &Grant, version: Version) {
        GrantCache::keep(&self.cache, grant, version);
    }

    fn forget(&self, id: GrantId) {
        GrantCache::forget(&self.cache, id);
    }
}

/// A cache that has one grant, whatever it is asked or told.
pub(crate) struct Always<'a>(pub(crate) &'a Versioned);

impl GrantCache for Always<'_> {
    fn fetch(&self, _: GrantId) -> Option<Versioned> {
        Some(self.0.clone())
    }

    fn keep(&self, _: &Grant, _: Version) {}

    fn forget(&self, _: GrantId) {}
}

/// The counting cache to the asynchronous loop.
struct Remote<'a>(&'a Counting);

impl AsyncGrantCache for Remote<'_> {
    async fn fetch(&self, id: GrantId) -> Option<Versioned> {
        GrantCache::fetch(self.0, id)
    }

    async fn keep(&self, grant: &Grant, version: Version) {
        GrantCache::keep(self.0, grant, version);
    }

    async fn forget(&self, id: GrantId) {
        GrantCache::forget(self.0, id);
    }
}

/// A store whose host adds to every read by what is looked up.
struct Adding<'a, F> {
    store: &'a CountingStore<MemoryStore>,
    add: F,
}

impl<F: Fn(&Lookup<'_>, Records) -> Records> Store for Adding<'_, F> {
    type Error = StoreFault;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, StoreFault> {
        self.store.read(lookup).map(|records| (self.add)(lookup, records))
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, StoreFault> {
        self.store.commit(changes)
    }
}

impl<F: Fn(&Lookup<'_>, Records) -> Records> AsyncStore for Adding<'_, F> {
    type Error = StoreFault;

    async fn read(&self, lookup: &Lookup<'_>) -> Result<Records, StoreFault> {
        Store::read(self, lookup)
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Outcome, StoreFault> {
        Store::commit(self, changes)
    }
}

/// A store that finds other writers at so many commits.
pub(crate) struct Contended<'a> {
    pub(crate) store: &'a CountingStore<MemoryStore>,
    pub(crate) conflicts: Cell<usize>,
}

impl Store for Contended<'_> {
    type Error = StoreFault;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, StoreFault> {
        self.store.read(lookup)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, StoreFault> {
        let Some(left) = self.conflicts.get().checked_sub(1) else { return self.store.commit(changes) };
        self.conflicts.set(left);
        Ok(Outcome::Conflict)
    }
}

/// A key outside of the process.
struct Outside;

impl Signer for Outside {
    type Error = RunError<()>;

    fn sign(&self, input: &SigningInput) -> Result<Signature, RunError<()>> {
        let text = core::str::from_utf8(input.as_bytes()).unwrap();
        let part = |part| base64url::decode(part).unwrap();
        let (header, payload) = text.split_once('.').unwrap();
        let token =
            KEY.sign_with_header(core::str::from_utf8(&part(header)).unwrap(), &part(payload)).unwrap();
        Ok(Signature::Jose(part(token.rsplit('.').next().unwrap())))
    }
}

impl AsyncSigner for Outside {
    type Error = RunError<()>;

    async fn sign(&self, input: &SigningInput) -> Result<Signature, RunError<()>> {
        Signer::sign(self, input)
    }
}
