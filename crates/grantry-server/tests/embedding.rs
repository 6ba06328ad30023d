//! What a host may do with the values of this crate.
#![expect(clippy::std_instead_of_alloc, reason = "a test has the standard library")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use grantry_core::{HttpRequest, Moment, SecretString};
use grantry_server::{
    Approve, Authorization, Authorize, Denial, Introspect, Introspection, MemoryStore, NoSigner, Operation,
    Policy, Reason, Reply, Revoke, SendSigner, SendStore, Server, Signer, Store, Token, TokenAnswer,
    UnsealError, run, run_async,
};
use support::{ISSUER, NOW, Site, clients, query, refresh_token, request, server_of, time};

fn assert_kept_anywhere<T: Send + Sync + 'static>() {}

fn authorize(site: &Site) -> Authorize {
    site.server.authorize(&HttpRequest::new("GET", format!("/authorize?{}", query("web", &[]))))
}

#[test]
fn operations_outlive_the_server_that_made_them() {
    assert_kept_anywhere::<Server>();
    assert_kept_anywhere::<Authorize>();
    assert_kept_anywhere::<Approve>();
    assert_kept_anywhere::<Token>();
    assert_kept_anywhere::<Revoke>();
    assert_kept_anywhere::<Introspect>();

    let operation = {
        let site = Site::new();
        Box::new(authorize(&site))
    };
    let reply = run(&MemoryStore::new(clients()), &*operation, Moment::new(time(NOW), [1; 32])).unwrap();
    assert!(matches!(reply.answer, Authorization::Interact(_)));
}

#[test]
fn boxes_and_pointers_stand_for_what_they_hold() {
    fn signs<G: Signer + SendSigner>() {}
    fn stores<S: Store + SendStore>() {}
    signs::<&NoSigner>();
    signs::<Arc<NoSigner>>();
    stores::<Box<MemoryStore>>();

    let site = Site::new();
    let tokens = site.tokens(NOW);
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens).expose())];
    let operation = site.server.token(&request("web", "/token", &pairs));
    let queued: Box<dyn Operation<Reply = Reply<TokenAnswer>>> = Box::new(operation);
    let (reply, counts) = site.store.count(|| site.run(&queued, NOW));
    assert!(matches!(reply.answer, TokenAnswer::Issued(_)));
    assert_eq!(counts, [1, 1, 1]);
}

#[test]
fn an_operation_keeps_the_policy_that_it_began_with() {
    let mut site = Site::new();
    let operation = authorize(&site);
    let short = Policy::default().with_interaction_lifetime(core::time::Duration::from_secs(1));
    site.server = site.server.clone().with_policy(short);
    let until = |operation: &Authorize| {
        let Authorization::Interact(interaction) = site.run(operation, NOW).answer else { panic!("no page") };
        interaction.expires_at()
    };
    assert_eq!(until(&operation), time(NOW + 900));
    assert_eq!(until(&authorize(&site)), time(NOW + 1));
}

#[test]
fn a_store_is_shared_by_any_pointer() {
    fn by_value<S: Store>(store: S, site: &Site) -> bool {
        run(&store, &authorize(site), site.moment(NOW)).is_ok()
    }
    async fn sent<S: SendStore>(store: S, operation: Authorize) -> bool {
        run_async(&store, &operation, Moment::new(time(NOW), [1; 32])).await.is_ok()
    }
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let site = Site::new();
    let shared = Arc::new(MemoryStore::new(clients()));
    assert!(by_value(&*shared, &site));
    assert!(by_value(Arc::clone(&shared), &site));
    let erased: Box<dyn Store<Error = grantry_server::MemoryStoreFull>> =
        Box::new(MemoryStore::new(clients()));
    assert!(by_value(erased, &site));
    drop(assert_send(sent(Arc::clone(&shared), authorize(&site))));
}

#[test]
fn refusals_can_be_counted_and_read() {
    let mut counts = BTreeMap::new();
    for reason in [Reason::CodeReused, Reason::CodeExpired, Reason::CodeReused] {
        *counts.entry(Denial::from(reason)).or_insert(0) += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [1, 2]);
    let text = Denial::from(Reason::CodeReused).to_string();
    assert!(text.starts_with("invalid_grant: "), "{text}");
}

#[test]
fn a_page_can_be_sent_as_it_is() {
    let site = Site::new();
    for (method, status) in [("GET", 400), ("PUT", 405)] {
        let reply =
            site.run(&site.server.authorize(&HttpRequest::new(method, "/authorize?client_id=<b>")), NOW);
        let Authorization::Page(page) = reply.answer else { panic!("{:?}", reply.event) };
        let response = page.to_response();
        assert_eq!(response.status, status);
        assert_eq!(response.headers.only("Allow").is_some(), status == 405);
        assert_eq!(response.headers.only("Content-Type"), Some("text/plain; charset=utf-8"));
        assert!(!String::from_utf8_lossy(&response.body).contains("<b>"));
    }
}

#[test]
fn what_a_stranger_sends_to_be_opened_is_bounded() {
    let site = Site::new();
    let sealed = "A".repeat(64 * 1024 + 1);
    assert_eq!(site.server.unseal(&sealed, "session", time(NOW)), Err(UnsealError::Foreign));
    let jwt = format!("{}.{}.{}", "A".repeat(20_000), "A".repeat(20_000), "A".repeat(342));
    let answer = site.introspect("api", &SecretString::from(jwt), NOW);
    assert_eq!(answer, Introspection::Inactive);
}

#[test]
fn an_operation_looks_up_the_same_at_every_call() {
    let site = Site::new();
    let tokens = site.tokens(NOW);
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&tokens).expose())];
    let operation = server_of(ISSUER).token(&request("web", "/token", &pairs));
    let moment = site.moment(NOW);
    let names = || (operation.lookup(&moment).client, operation.lookup(&moment).grant);
    assert_eq!(names(), names());
    assert!(names().1.is_some());
}
