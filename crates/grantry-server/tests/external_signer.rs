//! Signing outside of the process: before the commit, checked, and safe to lose.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use core::cell::{Cell, RefCell};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use grantry_core::{HttpRequest, Issuer, SecretString, base64url};
use grantry_jwt::{
    Algorithm, JwkSet, KeyLoader, KeyType, SignError, SigningInput, SigningKey, Verifier, VerifyingKey,
};
use grantry_server::{
    AccessTokenFormat, Answered, AsyncSigner, ChangeSet, Decision, Effect, GrantType, IssuerKey, Lookup,
    MemoryStore, NoSigner, Operation, Outcome, Policy, Reason, Records, Reply, RunError, SendSigner,
    SendStore, Server, ServerError, Signature, Signer, Store, TokenAnswer, run_async, run_async_with_signer,
    run_with_signer,
};
use serde_json::Value;
use sha2::{Digest, Sha256, Sha512};
use support::{
    CountingStore, ISSUER, NOW, Site, StoreFault, code, fragment, handle_key, issued, redemption, redirect,
    refresh_token, request, time, vectors,
};

/// What the key does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Sign,
    /// As DER, which is for ECDSA only.
    Der,
    Fail,
    /// Returns the signature before, of another input.
    Again,
    Nonsense,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Down;

/// A key of another machine, which does as it is told, and signs when it is told no more.
struct Kms {
    key: SigningKey,
    acts: RefCell<Vec<Act>>,
    last: RefCell<Vec<u8>>,
    asked: Cell<usize>,
}

impl Kms {
    fn new(key: SigningKey, acts: &[Act]) -> Self {
        let acts = acts.iter().rev().copied().collect();
        Self { key, acts: RefCell::new(acts), last: RefCell::new(vec![]), asked: Cell::new(0) }
    }
}

impl Signer for Kms {
    type Error = Down;

    fn sign(&self, input: &SigningInput) -> Result<Signature, Down> {
        self.asked.set(self.asked.get() + 1);
        assert_eq!((input.key_id(), input.algorithm()), (self.key.key_id(), self.key.algorithm()));
        let act = self.acts.borrow_mut().pop().unwrap_or(Act::Sign);
        let signature = match act {
            Act::Fail => return Err(Down),
            Act::Nonsense => vec![7; 64],
            Act::Again => self.last.borrow().clone(),
            Act::Sign | Act::Der => signed(&self.key, input.as_bytes()),
        };
        self.last.borrow_mut().clone_from(&signature);
        Ok(if act == Act::Der { Signature::Der(der(&signature)) } else { Signature::Jose(signature) })
    }
}

/// The bare signature over the bytes.
fn signed(key: &SigningKey, bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (header, payload) = text.split_once('.').unwrap();
    let read = |part| base64url::decode(part).unwrap();
    let token = key.sign_with_header(&String::from_utf8(read(header)).unwrap(), &read(payload)).unwrap();
    read(token.rsplit('.').next().unwrap())
}

/// RFC 3279 section 2.2.3.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |half: &[u8]| {
        let digits: Vec<u8> = half.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign = (digits[0] >= 0x80).then_some(0);
        let digits: Vec<u8> = sign.into_iter().chain(digits).collect();
        [&[2, u8::try_from(digits.len()).unwrap()], &digits[..]].concat()
    };
    let (r, s) = signature[..64].split_at(32);
    let both = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(both.len()).unwrap()], &both[..]].concat()
}

fn key_of(algorithm: Algorithm) -> SigningKey {
    // The backend generates no RSA keys.
    if algorithm.key_type() == KeyType::Rsa {
        let file = vectors(include_str!("../../../tests/vectors/jws-sign.json"));
        let mut jwk = file.iter().find(|vector| vector["id"] == "JK-107.2").unwrap()["jwk"].clone();
        jwk["alg"] = algorithm.as_str().into();
        return SigningKey::from_jwk(jwk.to_string().as_bytes()).unwrap().with_key_id("kms");
    }
    let key = KeyLoader::default().generate(algorithm).unwrap();
    SigningKey::new(algorithm, &key).unwrap().with_key_id("kms")
}

const ALGORITHMS: [Algorithm; 4] = [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa];

fn site_of(key: impl Into<IssuerKey>, policy: Policy) -> Site {
    let server = Server::new(Issuer::parse(ISSUER).unwrap(), key, handle_key(1)).unwrap();
    let site = Site::of(server.with_policy(policy));
    site.register("web", &[GrantType::ClientCredentials, GrantType::Implicit]);
    site
}

/// A server whose key is not here, and that key.
fn outside(algorithm: Algorithm) -> (Site, SigningKey) {
    let key = key_of(algorithm);
    (site_of(key.verifying_key(), Policy::default()), key)
}

type Ran<R> = Result<R, RunError<StoreFault, Down>>;

fn run<O: Operation>(site: &Site, kms: &Kms, operation: &O) -> Ran<O::Reply> {
    run_with_signer(&site.store, kms, operation, site.moment(NOW))
}

fn redemption_request(site: &Site) -> HttpRequest {
    request("web", "/token", &redemption("web", &site.code(NOW)).each())
}

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// Checks a token as a client does that has only the published keys.
fn verify(site: &Site, token: &SecretString, audience: &str, typ: &str) -> Value {
    let set = JwkSet::parse(&site.server.jwk_set_response(time(NOW)).body).unwrap();
    let verifier = Verifier::new(ISSUER, audience).with_typ(typ);
    verifier.verify::<Value>(token.expose(), &set, time(NOW)).unwrap().into_claims()
}

/// The left half, of SHA-512 for Ed25519.
fn at_hash(algorithm: Algorithm, token: &SecretString) -> String {
    if algorithm == Algorithm::EdDsa {
        base64url::encode(Sha512::digest(token.expose()).split_at(32).0)
    } else {
        base64url::encode(Sha256::digest(token.expose()).split_at(16).0)
    }
}

fn assert_tokens(site: &Site, algorithm: Algorithm, tokens: &grantry_server::TokenResponse) {
    let claims = verify(site, &tokens.access_token, ISSUER, "at+jwt");
    assert_eq!((&claims["sub"], &claims["client_id"]), (&"alice".into(), &"web".into()));
    let claims = verify(site, tokens.id_token.as_ref().unwrap(), "web", "JWT");
    assert_eq!((&claims["sub"], &claims["nonce"]), (&"alice".into(), &"nonce-1".into()));
    // OpenID Connect Core section 3.1.3.6
    assert_eq!(claims["at_hash"], at_hash(algorithm, &tokens.access_token));
    assert!(site.is_active(&tokens.access_token, NOW));
}

#[test]
fn rfc7518_3_1_every_algorithm_signs_here_and_elsewhere() {
    for algorithm in ALGORITHMS {
        let here = site_of(key_of(algorithm), Policy::default());
        assert_tokens(&here, algorithm, &here.tokens(NOW));
        let (site, key) = outside(algorithm);
        let kms = Kms::new(key, &[]);
        let operation = site.server.token(&redemption_request(&site));
        let (reply, counts) = site.store.count(|| run(&site, &kms, &operation).unwrap());
        // An access token and an ID token.
        assert_eq!((reply.event.effect, counts, kms.asked.get()), (Effect::Written, [1, 1, 1], 2));
        assert_tokens(&site, algorithm, &issued(reply));
        for site in [here, site] {
            let metadata = site.server.metadata();
            assert_eq!(metadata.openid.id_token_signing_alg_values_supported, [algorithm.as_str()]);
        }
    }
}

#[test]
fn rfc7518_3_4_an_ecdsa_signature_may_come_as_der_and_no_other_may() {
    for algorithm in ALGORITHMS {
        let (site, key) = outside(algorithm);
        let kms = Kms::new(key, &[Act::Der, Act::Der]);
        let operation = site.server.token(&redemption_request(&site));
        if algorithm == Algorithm::Es256 {
            assert_tokens(&site, algorithm, &issued(run(&site, &kms, &operation).unwrap()));
        } else {
            let (error, counts) = site.store.count(|| run(&site, &kms, &operation).unwrap_err());
            assert_eq!((error, counts), (RunError::Signature(SignError::Signature), [1, 1, 0]));
        }
    }
}

/// Whatever goes wrong on the way, nothing is written, and the same request succeeds afterwards.
#[test]
fn a_signature_that_fails_writes_nothing_and_the_retry_succeeds() {
    let bad = RunError::Signature(SignError::Signature);
    for (acts, error, asked) in [
        (&[Act::Fail][..], RunError::Signer(Down), 1),
        (&[Act::Sign, Act::Fail], RunError::Signer(Down), 2),
        (&[Act::Nonsense], bad, 1),
        (&[Act::Sign, Act::Nonsense], bad, 2),
        (&[Act::Der, Act::Again], bad, 2),
        // The signature of the access token is none of the ID token.
        (&[Act::Sign, Act::Again], bad, 2),
    ] {
        let (site, key) = outside(Algorithm::Es256);
        let kms = Kms::new(key, acts);
        let operation = site.server.token(&redemption_request(&site));
        let (failed, counts) = site.store.count(|| run(&site, &kms, &operation).unwrap_err());
        assert_eq!((failed, counts, kms.asked.get()), (error, [1, 1, 0], asked), "{acts:?}");
        let response = failed.to_response();
        assert_eq!((response.status, response.body.len()), (503, 0));
        assert_eq!(response.headers.only("Retry-After"), Some("1"));
        let tokens = issued(run(&site, &kms, &operation).unwrap());
        assert_tokens(&site, Algorithm::Es256, &tokens);
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens).expose())];
        let refresh = site.server.token(&request("web", "/token", &pairs));
        let failing = Kms::new(kms.key.clone(), &[Act::Fail]);
        let (failed, counts) = site.store.count(|| run(&site, &failing, &refresh).unwrap_err());
        assert_eq!((failed, counts), (RunError::Signer(Down), [1, 1, 0]));
        issued(run(&site, &failing, &refresh).unwrap());
    }
}

/// The signature of one request opens no other, also where both have the same key.
#[test]
fn a_signature_of_another_request_is_refused() {
    let (site, key) = outside(Algorithm::EdDsa);
    let kms = Kms::new(key, &[]);
    let token = site.server.token(&request("web", "/token", &[GRANT, ("scope", "read")]));
    issued(run(&site, &kms, &token).unwrap());
    *kms.acts.borrow_mut() = vec![Act::Again];
    let other = site.server.token(&request("web", "/token", &[GRANT, ("scope", "write")]));
    let error = run(&site, &kms, &other).unwrap_err();
    assert_eq!(error, RunError::Signature(SignError::Signature));
}

#[test]
fn a_client_token_is_signed_elsewhere_and_still_writes_nothing() {
    let (site, key) = outside(Algorithm::Es256);
    let kms = Kms::new(key, &[Act::Der]);
    let token = site.server.token(&request("web", "/token", &[GRANT]));
    let (reply, counts) = site.store.count(|| run(&site, &kms, &token).unwrap());
    assert_eq!((reply.event.effect, counts, kms.asked.get()), (Effect::Nothing, [1, 0, 0], 1));
    let claims = verify(&site, &issued(reply).access_token, ISSUER, "at+jwt");
    assert_eq!(claims["sub"], "web");
}

#[test]
fn oidc_core_3_2_2_10_an_implicit_answer_is_signed_elsewhere_before_it_is_written() {
    let key = key_of(Algorithm::Es256);
    let site = site_of(key.verifying_key(), Policy::default().danger_with_implicit_grant());
    let changes = [("response_type", Some("id_token token"))];
    let approve = site.server.approve(site.interaction("web", &changes, NOW), support::approval());
    let kms = Kms::new(key, &[Act::Sign, Act::Fail]);
    let (error, counts) = site.store.count(|| run(&site, &kms, &approve).unwrap_err());
    assert_eq!((error, counts), (RunError::Signer(Down), [1, 1, 0]));
    let (reply, counts): (Reply<Answered>, _) = site.store.count(|| run(&site, &kms, &approve).unwrap());
    assert_eq!((reply.event.effect, counts), (Effect::Written, [1, 1, 1]));
    let answer = fragment(redirect(&reply));
    let access_token = SecretString::from(answer.get("access_token").unwrap());
    let claims = verify(&site, &SecretString::from(answer.get("id_token").unwrap()), "web", "JWT");
    assert_eq!(claims["at_hash"], at_hash(Algorithm::Es256, &access_token));
    // A repeat has the same tokens by their claims; ECDSA signs them anew.
    let (again, counts) = site.store.count(|| run(&site, &kms, &approve).unwrap());
    assert_eq!((again.event.effect, counts), (Effect::Repeated, [1, 1, 0]));
    let again = SecretString::from(fragment(redirect(&again)).get("access_token").unwrap());
    assert_eq!(verify(&site, &again, ISSUER, "at+jwt"), verify(&site, &access_token, ISSUER, "at+jwt"));
}

/// Opaque tokens without an ID token need no signature at all.
#[test]
fn what_needs_no_signature_asks_for_none() {
    let key = key_of(Algorithm::Es256);
    let opaque = Policy::default().with_access_token_format(AccessTokenFormat::Opaque);
    let site = site_of(key.verifying_key(), opaque);
    let tokens = site.tokens_for("web", &[("scope", Some("read"))], NOW);
    assert!(site.is_active(&tokens.access_token, NOW));
    let kms = Kms::new(key, &[]);
    let operation = site.server.token(&redemption_request(&site));
    let tokens = issued(run(&site, &kms, &operation).unwrap());
    assert_eq!(kms.asked.get(), 1, "the ID token");
    let claims = verify(&site, tokens.id_token.as_ref().unwrap(), "web", "JWT");
    assert_eq!(claims["at_hash"], at_hash(Algorithm::Es256, &tokens.access_token));
}

#[test]
fn without_a_signer_an_outside_key_is_503() {
    let (mut site, _) = outside(Algorithm::EdDsa);
    let request = redemption_request(&site);
    let operation = site.server.token(&request);
    let (error, counts) = site.store.count(|| site.try_run(&operation, NOW).unwrap_err());
    assert_eq!((error, counts), (RunError::Signer(NoSigner), [1, 1, 0]));
    let response = error.to_response();
    assert_eq!((response.status, response.headers.only("Cache-Control")), (503, Some("no-store")));
    let store = core::mem::take(&mut site.store.inner);
    let error = block_on(run_async(&store, &operation, site.moment(NOW))).unwrap_err();
    assert_eq!(error, RunError::Signer(NoSigner));
}

#[test]
fn rfc7517_4_5_an_outside_key_has_a_key_id_and_a_public_half() {
    let issuer = || Issuer::parse(ISSUER).unwrap();
    let key = KeyLoader::default().generate(Algorithm::Es256).unwrap();
    let nameless = VerifyingKey::new(Algorithm::Es256, key.public_key().as_ref().unwrap()).unwrap();
    assert_eq!(Server::new(issuer(), nameless, handle_key(1)).err(), Some(ServerError::NoKeyId));
    let secret = grantry_core::SecretBytes::from(vec![1; 32]);
    let shared = VerifyingKey::from_secret(Algorithm::Hs256, &secret).unwrap().with_key_id("s");
    assert_eq!(Server::new(issuer(), shared, handle_key(1)).err(), Some(ServerError::NotPublishable));
}

/// Meets one conflict, as if another request had come first and changed nothing that matters.
struct OneConflict<'a>(&'a CountingStore<MemoryStore>, Cell<bool>);

impl Store for OneConflict<'_> {
    type Error = StoreFault;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, StoreFault> {
        Store::read(self.0, lookup)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, StoreFault> {
        if self.1.take() { Ok(Outcome::Conflict) } else { self.0.commit(changes) }
    }
}

#[test]
fn after_a_conflict_the_key_is_asked_again() {
    let (site, key) = outside(Algorithm::Es256);
    let kms = Kms::new(key, &[]);
    let operation = site.server.token(&redemption_request(&site));
    let store = OneConflict(&site.store, Cell::new(true));
    let (reply, counts) =
        site.store.count(|| run_with_signer(&store, &kms, &operation, site.moment(NOW)).unwrap());
    assert_eq!((counts, kms.asked.get()), ([2, 2, 1], 4));
    assert_tokens(&site, Algorithm::Es256, &issued(reply));
    // The loser of a race asks the key for nothing more: it raises the alarm.
    let store = OneConflict(&site.store, Cell::new(true));
    let reply: Reply<TokenAnswer> = run_with_signer(&store, &kms, &operation, site.moment(NOW)).unwrap();
    support::assert_denied(&reply, "invalid_grant", Reason::CodeReused);
    assert_eq!(kms.asked.get(), 4);
}

/// A loop of the host's own that loses the request has changed nothing.
#[test]
fn a_request_to_sign_that_is_dropped_changes_nothing() {
    let (site, key) = outside(Algorithm::EdDsa);
    let operation = site.server.token(&redemption_request(&site));
    let moment = site.moment(NOW);
    let records = Store::read(&site.store, &operation.lookup(&moment)).unwrap();
    let Decision::Sign(request) = operation.decide(&records, &moment) else { panic!("not asked to sign") };
    let printed = format!("{request:?}");
    assert!(printed.starts_with("SignRequest") && !printed.contains("alice"), "{printed}");
    drop(request);
    let Decision::Sign(first) = operation.decide(&records, &moment) else { panic!("not asked to sign") };
    let signature = Signature::Jose(signed(&key, first.input().as_bytes()));
    let Ok(Decision::Sign(second)) = first.complete(&signature) else { panic!("not asked twice") };
    assert_eq!(second.complete(&signature).err(), Some(SignError::Signature));
    let kms = Kms::new(key, &[]);
    issued(run(&site, &kms, &operation).unwrap());
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

/// Is pending once.
#[derive(Default)]
struct Wait(bool);

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if core::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A key of one thread, a network away.
struct Slow(Kms);

impl AsyncSigner for Slow {
    type Error = Down;

    async fn sign(&self, input: &SigningInput) -> Result<Signature, Down> {
        Wait::default().await;
        let signature = self.0.sign(input);
        Wait::default().await;
        signature
    }
}

/// A key that a task may take to another thread.
struct Sent(SigningKey);

impl SendSigner for Sent {
    type Error = Down;

    async fn sign(&self, input: &SigningInput) -> Result<Signature, Down> {
        Wait::default().await;
        Ok(Signature::Jose(signed(&self.0, input.as_bytes())))
    }
}

/// Two signatures of two pauses each: the future is dropped in every one of them.
#[test]
fn a_future_dropped_while_the_key_stalls_has_written_nothing() {
    let (mut site, key) = outside(Algorithm::Es256);
    let operation = site.server.token(&redemption_request(&site));
    let before = core::mem::take(&mut site.store.inner);
    let store = CountingStore::new(before);
    let store = Blocking(&store);
    let kms = Slow(Kms::new(key, &[]));
    for pauses in 1..=4 {
        let mut future = pin!(run_async_with_signer(&store, &kms, &operation, site.moment(NOW)));
        for _ in 0..pauses {
            assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    }
    assert_eq!((store.0.commits.get(), kms.0.asked.get()), (0, 1 + 1 + 2));
    kms.0.acts.borrow_mut().extend([Act::Again, Act::Sign, Act::Fail]);
    let error = block_on(run_async_with_signer(&store, &kms, &operation, site.moment(NOW))).unwrap_err();
    assert_eq!(error, RunError::Signer(Down));
    let error = block_on(run_async_with_signer(&store, &kms, &operation, site.moment(NOW))).unwrap_err();
    assert_eq!((error, store.0.commits.get()), (RunError::Signature(SignError::Signature), 0));
    let tokens = block_on(run_async_with_signer(&store, &kms, &operation, site.moment(NOW))).unwrap();
    assert_eq!(store.0.commits.get(), 1);
    assert!(issued(tokens).id_token.is_some());
}

/// A store of one thread that never waits.
struct Blocking<'a>(&'a CountingStore<MemoryStore>);

impl grantry_server::AsyncStore for Blocking<'_> {
    type Error = StoreFault;

    async fn read(&self, lookup: &Lookup<'_>) -> Result<Records, StoreFault> {
        Store::read(self.0, lookup)
    }

    async fn commit(&self, changes: &ChangeSet) -> Result<Outcome, StoreFault> {
        Store::commit(self.0, changes)
    }
}

const fn assert_send<T: Send>(future: T) -> T {
    future
}

/// Only has to compile: code that is generic over store and signer can be spawned.
fn spawnable<'a, S: SendStore, G: SendSigner>(
    (store, signer): (&'a S, &'a G),
    server: &'a Server,
    request: &'a HttpRequest,
) -> impl Future<Output = bool> + Send {
    let moment = || grantry_core::Moment::new(time(NOW), [9; 32]);
    assert_send(async move {
        let token = server.token(request);
        run_async_with_signer(store, signer, &token, moment()).await.is_ok()
    })
}

#[test]
fn run_async_over_any_send_signer_is_send() {
    let (mut site, key) = outside(Algorithm::Es256);
    let request = redemption_request(&site);
    let store = core::mem::take(&mut site.store.inner);
    assert!(block_on(spawnable((&store, &Sent(key)), &site.server, &request)));
    site.store.inner = store;
    let again = site.try_run(&site.server.token(&request), NOW).unwrap();
    support::assert_denied(&again, "invalid_grant", Reason::CodeReused);
    assert!(!code(&site.approve(site.interaction("web", &[], NOW), NOW)).is_empty());
}
