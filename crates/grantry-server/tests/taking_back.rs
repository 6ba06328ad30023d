//! What a person or an operator takes back: one grant, all of a client, all of a person.
#![expect(clippy::unwrap_used, clippy::std_instead_of_alloc, reason = "a test fails by panicking")]

mod support;

use core::cell::Cell;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::sync::Arc;

use grantry_core::{Issuer, SecretString};
use grantry_server::{
    AccessTokenFormat, Approval, AsyncGrantList, Authority, Change, ChangeSet, Client, DeviceAnswer, Effect,
    Endpoint, Endpoints, EventKind, Grant, GrantId, GrantList, GrantType, GrantsOf, Lookup,
    MAX_LISTED_GRANTS, MemoryStore, MemoryStoreFull, Outcome, Policy, Pushed, Reason, Records, Reply,
    Revocation, RunError, SendGrantList, Server, Store, Subject, TokenResponse, Verification, revoke_all,
    revoke_all_async, run,
};
use support::{
    CHALLENGE, Fault, LOGIN, NOW, Site, StoreFault, assert_denied, client_id, clients, code, issued,
    redirect_uri, refresh_token, request, scope, server_of, time,
};

fn person(name: &str) -> Subject {
    Subject::parse(name).unwrap()
}

/// Opaque tokens, all endpoints, and `web` registered for devices.
fn site() -> Site {
    let server = server_of(support::ISSUER);
    let endpoints = Endpoints::all_below(server.issuer());
    let policy = Policy::default().with_access_token_format(AccessTokenFormat::Opaque);
    let site = Site::of(server.with_endpoints(endpoints).with_policy(policy));
    let grant_types = [GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::DeviceCode];
    let device = |client: Client| client.with_grant_types(grant_types);
    clients().into_iter().map(device).for_each(|client| site.store.inner.put_client(client));
    site
}

fn code_of(site: &Site, name: &str, client: &str) -> String {
    let interaction = site.interaction(client, &[], NOW);
    let approval = Approval::new(person(name), time(LOGIN));
    code(&site.run(&site.server.approve(interaction, approval), NOW))
}

fn tokens_of(site: &Site, name: &str, client: &str) -> (GrantId, TokenResponse) {
    let tokens = issued(site.redeem(client, &code_of(site, name, client), NOW));
    (site.store.last_written().id(), tokens)
}

fn take_back(site: &Site, id: GrantId, authority: Authority) -> Reply<Revocation> {
    site.run(&site.server.revoke_grant(id, authority), NOW)
}

fn list(store: &MemoryStore, of: GrantsOf<'_>) -> Vec<GrantId> {
    GrantList::list(store, of, None, usize::MAX).unwrap().iter().map(Grant::id).collect()
}

fn end_all(site: &Site, of: GrantsOf<'_>) -> usize {
    revoke_all(&site.store.inner, &site.server, of, site.moment(NOW)).unwrap()
}

/// CS-23 and RT-22.
#[test]
fn rfc9700_4_14_2_what_a_person_takes_back_is_dead() {
    for authority in
        [Authority::Subject(person("alice")), Authority::Client(client_id("web")), Authority::Operator]
    {
        let site = site();
        let (id, tokens) = tokens_of(&site, "alice", "web");
        let (_, other) = tokens_of(&site, "alice", "web");
        let reply = take_back(&site, id, authority.clone());
        assert_eq!((reply.answer, reply.event.effect), (Revocation::Revoked, Effect::Written));
        assert_eq!((reply.event.endpoint, reply.event.kind), (Endpoint::Management, EventKind::GrantRevoked));
        assert_eq!((reply.event.grant, reply.event.subject), (Some(id), Some(person("alice"))));
        assert_eq!(reply.event.client_id, Some(client_id("web")));
        let refreshed = site.refresh("web", refresh_token(&tokens), NOW);
        assert_denied(&refreshed, "invalid_grant", Reason::GrantRevoked);
        assert!(!site.is_active(&tokens.access_token, NOW));
        assert!(site.is_active(&other.access_token, NOW), "the other grant lives");
        let again = take_back(&site, id, authority);
        assert_eq!((again.answer, again.event.effect), (Revocation::Revoked, Effect::Nothing));
    }
}

/// A form can bring any id.
#[test]
fn the_grant_of_another_is_as_unknown_as_none() {
    let site = site();
    let (id, tokens) = tokens_of(&site, "alice", "web");
    let unknown = GrantId::from_bytes([9; 16]);
    for stranger in [Authority::Subject(person("bob")), Authority::Client(client_id("other"))] {
        let of = |id| {
            let (reply, [reads, _, commits]) = site.store.count(|| take_back(&site, id, stranger.clone()));
            assert_eq!((reads, commits), (1, 0));
            (reply.answer, reply.event)
        };
        let (answer, event) = of(id);
        assert_eq!((answer, event.kind), (Revocation::Unknown, EventKind::RequestRefused));
        assert_eq!(
            (event.endpoint, event.effect, event.grant),
            (Endpoint::Management, Effect::Nothing, None)
        );
        assert_eq!((answer, event), of(unknown));
    }
    assert_eq!(take_back(&site, unknown, Authority::Operator).answer, Revocation::Unknown);
    assert!(site.is_active(&tokens.access_token, NOW));
    issued(site.refresh("web", refresh_token(&tokens), NOW));
}

#[test]
fn a_list_holds_the_grants_of_its_person_or_client_and_no_other() {
    let site = site();
    let issuer = site.server.issuer();
    let store = &site.store.inner;
    let mut ids = [("alice", "web"), ("alice", "other"), ("bob", "web"), ("Alice", "web"), ("alic", "web")]
        .map(|(name, client)| (name, client, tokens_of(&site, name, client).0));
    ids.sort_by_key(|(.., id)| *id);
    let expect = |is_one: &dyn Fn(&str, &str) -> bool| -> Vec<GrantId> {
        ids.iter().filter(|(name, client, _)| is_one(name, client)).map(|(.., id)| *id).collect()
    };
    let (alice, web) = (person("alice"), client_id("web"));
    assert_eq!(list(store, GrantsOf::Subject(issuer, &alice)), expect(&|name, _| name == "alice"));
    assert_eq!(list(store, GrantsOf::Client(issuer, &web)), expect(&|_, client| client == "web"));
    let both = GrantsOf::SubjectAtClient(issuer, &alice, &web);
    assert_eq!(list(store, both), expect(&|name, client| (name, client) == ("alice", "web")));
    assert_eq!(list(store, GrantsOf::Subject(issuer, &person("carol"))), []);

    assert_eq!(end_all(&site, both), 1);
    let open = GrantList::list(store, GrantsOf::Subject(issuer, &alice), None, 10).unwrap();
    assert_eq!(open.iter().filter(|grant| grant.is_open(time(NOW))).count(), 1);
    assert_eq!(end_all(&site, GrantsOf::Subject(issuer, &alice)), 1);
    assert_eq!(end_all(&site, GrantsOf::Client(issuer, &web)), 3, "of Alice, alic and bob");
    assert_eq!(end_all(&site, GrantsOf::Client(issuer, &web)), 0, "it ends nothing twice");
}

#[test]
fn a_list_comes_in_pages_that_are_bounded() {
    let site = site();
    let issuer = site.server.issuer();
    let store = &site.store.inner;
    let many = MAX_LISTED_GRANTS + 30;
    for _ in 0..many {
        code_of(&site, "alice", "web");
    }
    let alice = person("alice");
    let of = GrantsOf::Subject(issuer, &alice);
    assert_eq!(GrantList::list(store, of, None, 0).unwrap(), []);
    assert_eq!(list(store, of).len(), MAX_LISTED_GRANTS);
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = GrantList::list(store, of, after, 7).unwrap();
        assert!(page.len() <= 7);
        let Some(last) = page.last() else { break };
        after = Some(last.id());
        ids.extend(page.iter().map(Grant::id));
    }
    assert_eq!(ids.len(), many);
    assert!(ids.is_sorted());
    assert_eq!(end_all(&site, of), many);
    assert_eq!(end_all(&site, of), 0);
}

#[test]
fn a_list_keeps_step_with_every_write_and_with_the_sweep() {
    let site = site();
    let issuer = site.server.issuer();
    let store = &site.store.inner;
    let (alice, web) = (person("alice"), client_id("web"));
    let (id, tokens) = tokens_of(&site, "alice", "web");
    issued(site.refresh("web", refresh_token(&tokens), NOW));
    assert_eq!(list(store, GrantsOf::Subject(issuer, &alice)), [id]);

    // A conflict files nothing.
    let stale = ChangeSet::from_iter([Change::Put { expected: None, grant: site.store.last_written() }]);
    assert_eq!(Store::commit(store, &stale), Ok(Outcome::Conflict));
    assert_eq!(list(store, GrantsOf::Client(issuer, &web)), [id]);

    let end = site.store.last_written().purge_after();
    assert_eq!((store.sweep_all(end), list(store, GrantsOf::Subject(issuer, &alice))), (1, vec![]));
    assert_eq!(list(store, GrantsOf::Client(issuer, &web)), []);
}

/// CS-23, CR-24: codes and devices, before their tokens are fetched.
#[test]
fn what_is_under_way_dies_too() {
    let site = site();
    let issuer = site.server.issuer();
    let code = code_of(&site, "alice", "web");
    let device = || request("web", "/device_authorization", &[("scope", "read")]);
    let begin = || {
        let reply = site.run(&site.server.device_authorization(&device()), NOW);
        let DeviceAnswer::Waiting(answer) = reply.answer else { panic!("{:?}", reply.event) };
        answer
    };
    let let_in = begin();
    let reply = site.run(&site.server.verify_user_code(let_in.user_code.expose()), NOW);
    let Verification::Interact(interaction) = reply.answer else { panic!("{:?}", reply.event) };
    site.run(&site.server.approve(*interaction, Approval::new(person("alice"), time(LOGIN))), NOW);
    let pending = begin();
    let pairs = [
        ("response_type", "code"),
        ("redirect_uri", &redirect_uri("web")),
        ("scope", "read"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let reply = site.run(&site.server.push(&request("web", "/par", &pairs)), NOW);
    let Pushed::Accepted(pushed) = reply.answer else { panic!("{:?}", reply.event) };

    let (alice, web) = (person("alice"), client_id("web"));
    assert_eq!(
        end_all(&site, GrantsOf::Subject(issuer, &alice)),
        2,
        "the code and the device that was let in"
    );
    assert_denied(&site.redeem("web", &code, NOW), "invalid_grant", Reason::GrantRevoked);
    let poll = |device_code: &SecretString| {
        let pairs = [("grant_type", GrantType::DeviceCode.as_str()), ("device_code", device_code.expose())];
        site.token("web", &pairs, NOW)
    };
    assert_denied(&poll(&let_in.device_code), "invalid_grant", Reason::GrantRevoked);
    assert_denied(&poll(&pending.device_code), "authorization_pending", Reason::PersonHasNotAnswered);

    assert_eq!(
        end_all(&site, GrantsOf::Client(issuer, &web)),
        2,
        "the device that waits and the pushed request"
    );
    assert_denied(&poll(&pending.device_code), "invalid_grant", Reason::GrantRevoked);
    let query =
        grantry_core::form::encode([("client_id", "web"), ("request_uri", pushed.request_uri.expose())]);
    let reply = site.authorize(&query, NOW);
    assert_eq!(reply.event.denial.unwrap().reason, Reason::PushedRequestUnknown);
}

/// Does something else between a read and its commit, once.
struct Interrupted<'a> {
    site: &'a Site,
    between: Cell<Option<&'a dyn Fn()>>,
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

/// RT-22 and RT-26: no new token, also when the refresh started before.
#[test]
fn rfc9700_4_14_2_a_refresh_under_way_gives_nothing_out() {
    let site = site();
    let issuer = site.server.issuer();
    let (_, tokens) = tokens_of(&site, "alice", "web");
    let alice = person("alice");
    let end = || assert_eq!(end_all(&site, GrantsOf::Subject(issuer, &alice)), 1);
    let store = Interrupted { site: &site, between: Cell::new(Some(&end)) };
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens).expose())];
    let operation = site.server.token(&request("web", "/token", &pairs));
    let reply = run(&store, &operation, site.moment(NOW)).unwrap();
    assert_denied(&reply, "invalid_grant", Reason::GrantRevoked);
}

/// The other order: the refresh is first, and its tokens die with the grant.
#[test]
fn rfc9700_4_14_2_a_refresh_during_the_revocation_is_of_no_use() {
    let site = site();
    let (id, tokens) = tokens_of(&site, "alice", "web");
    let refreshed = Cell::new(None);
    let refresh = || refreshed.set(Some(issued(site.refresh("web", refresh_token(&tokens), NOW))));
    let store = Interrupted { site: &site, between: Cell::new(Some(&refresh)) };
    let operation = site.server.revoke_grant(id, Authority::Subject(person("alice")));
    let reply = run(&store, &operation, site.moment(NOW)).unwrap();
    assert_eq!((reply.answer, reply.event.effect), (Revocation::Revoked, Effect::Written));
    let next = refreshed.take().unwrap();
    assert!(!site.is_active(&next.access_token, NOW));
    assert_denied(&site.refresh("web", refresh_token(&next), NOW), "invalid_grant", Reason::GrantRevoked);
}

/// A store whose collation folds case lists the grants of others as well.
#[test]
fn cve_2020_15234_the_grant_of_another_that_is_listed_lives() {
    struct Folding<'a>(&'a Site);
    impl Store for Folding<'_> {
        type Error = StoreFault;

        fn read(&self, lookup: &Lookup<'_>) -> Result<Records, StoreFault> {
            self.0.store.read(lookup)
        }

        fn commit(&self, changes: &ChangeSet) -> Result<Outcome, StoreFault> {
            self.0.store.commit(changes)
        }
    }
    impl GrantList for Folding<'_> {
        fn list(
            &self,
            of: GrantsOf<'_>,
            after: Option<GrantId>,
            limit: usize,
        ) -> Result<Vec<Grant>, StoreFault> {
            let web = client_id("web");
            let wider = match of {
                GrantsOf::SubjectAtClient(issuer, subject, _) => GrantsOf::Subject(issuer, subject),
                GrantsOf::Subject(issuer, _) | GrantsOf::Client(issuer, _) => GrantsOf::Client(issuer, &web),
            };
            GrantList::list(&self.0.store.inner, wider, after, limit).map_err(StoreFault::Full)
        }
    }
    let site = site();
    let issuer = site.server.issuer();
    let (_, of_another) = tokens_of(&site, "Alice", "web");
    let (_, at_another) = tokens_of(&site, "alice", "other");
    tokens_of(&site, "alice", "web");
    let (alice, web) = (person("alice"), client_id("web"));
    let end = |of| revoke_all(&Folding(&site), &site.server, of, site.moment(NOW)).unwrap();
    assert_eq!(end(GrantsOf::SubjectAtClient(issuer, &alice, &web)), 1);
    tokens_of(&site, "alice", "web");
    assert_eq!(end(GrantsOf::Subject(issuer, &alice)), 1);
    assert!(site.is_active(&of_another.access_token, NOW));
    issued(site.refresh("other", refresh_token(&at_another), NOW));
}

#[test]
fn a_store_that_fails_is_an_error_and_a_further_call_goes_on() {
    struct Failing<'a>(&'a Site);
    impl Store for Failing<'_> {
        type Error = StoreFault;

        fn read(&self, lookup: &Lookup<'_>) -> Result<Records, StoreFault> {
            self.0.store.read(lookup)
        }

        fn commit(&self, changes: &ChangeSet) -> Result<Outcome, StoreFault> {
            let outcome = self.0.store.commit(changes);
            self.0.store.fault.set(Some(Fault::Commit));
            outcome
        }
    }
    impl GrantList for Failing<'_> {
        fn list(
            &self,
            of: GrantsOf<'_>,
            after: Option<GrantId>,
            limit: usize,
        ) -> Result<Vec<Grant>, StoreFault> {
            GrantList::list(&self.0.store.inner, of, after, limit).map_err(StoreFault::Full)
        }
    }
    let site = site();
    let issuer = site.server.issuer();
    for _ in 0..3 {
        tokens_of(&site, "alice", "web");
    }
    let alice = person("alice");
    let of = GrantsOf::Subject(issuer, &alice);
    let failed = revoke_all(&Failing(&site), &site.server, of, site.moment(NOW));
    assert_eq!(failed, Err(RunError::Store(StoreFault::Down)));
    site.store.fault.set(None);
    assert_eq!(end_all(&site, of), 2);
}

#[test]
fn an_asynchronous_store_lists_and_ends_the_same() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    fn block_on<F: Future>(future: F) -> F::Output {
        let Poll::Ready(output) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("it waits")
        };
        output
    }
    async fn first<S: AsyncGrantList>(store: &S, of: GrantsOf<'_>) -> Option<GrantId> {
        store.list(of, None, 1).await.ok()?.first().map(Grant::id)
    }
    async fn end<S: SendGrantList>(store: S, server: Server, moment: grantry_core::Moment) -> usize {
        revoke_all_async(&store, &server, GrantsOf::Subject(server.issuer(), &person("alice")), moment)
            .await
            .ok()
            .unwrap()
    }
    let site = site();
    let issuer = site.server.issuer();
    let (id, tokens) = tokens_of(&site, "alice", "web");
    let alice = person("alice");
    assert_eq!(block_on(first(&site.store.inner, GrantsOf::Subject(issuer, &alice))), Some(id));
    let erased: &dyn GrantList<Error = MemoryStoreFull> = &site.store.inner;
    assert_eq!(erased.list(GrantsOf::Subject(issuer, &alice), None, 10).unwrap().len(), 1);
    drop(assert_send(end(Arc::new(MemoryStore::default()), site.server.clone(), site.moment(NOW))));
    let other = Issuer::parse("https://other.example").unwrap();
    let of = GrantsOf::Subject(&other, &alice);
    let ended = block_on(revoke_all_async(&site.store.inner, &site.server, of, site.moment(NOW)));
    assert_eq!(ended, Err(RunError::OtherIssuer));
    assert_eq!(block_on(end(&site.store.inner, site.server.clone(), site.moment(NOW))), 1);
    assert!(!site.is_active(&tokens.access_token, NOW));
}

/// RT-26: a client that is gone, and one that is back.
#[test]
fn a_client_that_is_removed_leaves_nothing_behind() {
    let site = site();
    let issuer = site.server.issuer();
    let (_, tokens) = tokens_of(&site, "alice", "web");
    let registration = clients().into_iter().find(|client| client.id().as_str() == "web").unwrap();
    site.store.inner.remove_client(registration.id());
    assert_denied(
        &site.refresh("web", refresh_token(&tokens), NOW),
        "invalid_client",
        Reason::ClientNotAuthenticated,
    );
    assert_eq!(end_all(&site, GrantsOf::Client(issuer, registration.id())), 1);
    site.store.inner.put_client(registration.with_scope(scope("read")));
    assert_denied(&site.refresh("web", refresh_token(&tokens), NOW), "invalid_grant", Reason::GrantRevoked);
}
