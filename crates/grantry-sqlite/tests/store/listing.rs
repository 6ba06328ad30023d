//! Lists by person and by client.

use grantry_core::Issuer;
use grantry_server::{
    Grant, GrantId, GrantList, GrantsOf, MAX_LISTED_GRANTS, Outcome, Policy, Subject, revoke_all,
};

use crate::scene::{TestStore, both, commit, find, grant_of, other_site, put};
use crate::support::{ISSUER, NOW, Site, client_id, every_endpoint, server_of};

fn issuer() -> Issuer {
    Issuer::parse(ISSUER).unwrap()
}

fn person(name: &str) -> Subject {
    Subject::parse(name).unwrap()
}

fn ids(store: &TestStore, of: GrantsOf<'_>) -> Vec<GrantId> {
    store.list(of, None, usize::MAX).unwrap().iter().map(Grant::id).collect()
}

fn sorted<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> Vec<GrantId> {
    let mut ids: Vec<_> = grants.into_iter().map(Grant::id).collect();
    ids.sort();
    ids
}

#[test]
fn a_list_is_of_one_name_at_one_issuer_and_in_the_order_of_the_ids() {
    both(|store| {
        let site = every_endpoint(Policy::default());
        let names = ["alice", "Alice", "alice ", "al", "alice%"];
        let mut grants = Vec::new();
        for client in ["web", "native", "web"] {
            grants.extend(names.map(|name| grant_of(&site, client, name)));
        }
        site.push("web", &[], NOW);
        let pushed = site.store.last_written();
        let others = other_site("https://other.example");
        let elsewhere = grant_of(&others, "web", "alice");
        for grant in grants.iter().chain([&pushed, &elsewhere]) {
            assert_eq!(commit(store, [put(None, grant)]), Outcome::Applied);
        }
        let (here, web, native) = (issuer(), client_id("web"), client_id("native"));
        for name in names {
            let subject = person(name);
            let of_person = |grant: &&Grant| grant.subject() == Some(&subject);
            assert_eq!(
                ids(store, GrantsOf::Subject(&here, &subject)),
                sorted(grants.iter().filter(of_person))
            );
            for client in [&web, &native] {
                let of_both = |grant: &&Grant| of_person(grant) && grant.client_id() == client;
                let of = GrantsOf::SubjectAtClient(&here, &subject, client);
                assert_eq!(ids(store, of), sorted(grants.iter().filter(of_both)));
            }
        }
        let of_web = grants.iter().chain([&pushed]).filter(|grant| *grant.client_id() == web);
        assert_eq!(ids(store, GrantsOf::Client(&here, &web)), sorted(of_web));
        let there = Issuer::parse("https://other.example").unwrap();
        assert_eq!(ids(store, GrantsOf::Client(&there, &web)), [elsewhere.id()]);
        assert_eq!(ids(store, GrantsOf::Subject(&there, &person("alice"))), [elsewhere.id()]);
        assert_eq!(ids(store, GrantsOf::Client(&here, &client_id("WEB"))), []);
    });
}

#[test]
fn a_list_is_read_page_by_page_and_no_page_is_longer_than_the_limit() {
    both(|store| {
        let site = Site::new();
        let grants: Vec<_> = (0..MAX_LISTED_GRANTS + 1).map(|_| grant_of(&site, "web", "alice")).collect();
        for grant in &grants {
            assert_eq!(commit(store, [put(None, grant)]), Outcome::Applied);
        }
        let (here, alice) = (issuer(), person("alice"));
        let of = GrantsOf::Subject(&here, &alice);
        for (limit, count) in [(0, 0), (1, 1), (100, 100), (101, 100), (usize::MAX, 100)] {
            assert_eq!(store.list(of, None, limit).unwrap().len(), count);
        }
        let (mut after, mut listed) = (None, Vec::new());
        loop {
            let page = store.list(of, after, 40).unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id());
            listed.extend(page.iter().map(Grant::id));
        }
        assert_eq!(listed, sorted(&grants));
        let server = server_of(ISSUER);
        assert_eq!(revoke_all(store, &server, of, site.moment(NOW)).unwrap(), grants.len());
        for grant in grants {
            assert!(!find(store, grant.id()).unwrap().0.is_open(grant.created_at()));
        }
    });
}
