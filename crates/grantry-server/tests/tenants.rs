//! Two issuers over one store, with the same keys: nothing of one opens at the other, is shown there or ends there.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use core::cell::RefCell;

use grantry_core::{HttpRequest, Issuer, SecretString, form};
use grantry_server::{
    AccessTokenFormat, Answered, Authority, Authorization, Change, ChangeSet, ClaimId, DeviceAnswer,
    DeviceResponse, Effect, Endpoints, Grant, GrantId, GrantList, GrantType, GrantsOf, Introspection, Lookup,
    MAX_LISTED_GRANTS, MemoryStore, MemoryStoreFull, Outcome, Policy, Pushed, Reason, Records, Refusal,
    Revocation, Revoked, RunError, Server, Store, UnsealError, Verification, Version, revoke_all, run,
};
use support::{
    ISSUER, NOW, Site, assert_denied, client_id, code, issued, query, redemption, refresh_token, request,
    server_of, subject, time,
};

const OTHER: &str = "https://other.example";
/// Nothing read, no grant read, nothing written.
const UNTOUCHED: [usize; 3] = [0, 0, 0];
const CLIENT_READ: [usize; 3] = [1, 0, 0];

fn server(issuer: &str, format: AccessTokenFormat) -> Server {
    let policy = Policy::default().with_access_token_format(format);
    let endpoints = Endpoints::all_below(&Issuer::parse(issuer).unwrap());
    server_of(issuer).with_policy(policy).with_endpoints(endpoints)
}

/// A site that can serve either of the two issuers over its one store.
struct Tenants {
    site: Site,
    mine: Server,
    theirs: Server,
}

impl Tenants {
    fn new(format: AccessTokenFormat) -> Self {
        let (mine, theirs) = (server(ISSUER, format), server(OTHER, format));
        let site = Site::of(mine.clone());
        site.register("web", &[GrantType::ClientCredentials, GrantType::DeviceCode]);
        Self { site, mine, theirs }
    }

    /// Works at the other issuer, and tells what that asked of the store.
    fn elsewhere<T>(&mut self, work: impl FnOnce(&Site) -> T) -> (T, [usize; 3]) {
        self.site.server = self.theirs.clone();
        let done = self.site.store.count(|| work(&self.site));
        self.site.server = self.mine.clone();
        done
    }
}

fn device(site: &Site) -> DeviceResponse {
    let request = request("web", "/device_authorization", &[("scope", "read")]);
    let reply = site.run(&site.server.device_authorization(&request), NOW);
    let DeviceAnswer::Waiting(waiting) = reply.answer else { panic!("{:?}", reply.event) };
    waiting
}

fn poll(site: &Site, device_code: &SecretString) -> grantry_server::Reply<grantry_server::TokenAnswer> {
    let pairs = [("grant_type", GrantType::DeviceCode.as_str()), ("device_code", device_code.expose())];
    site.token("web", &pairs, NOW)
}

#[test]
fn rfc9207_4_a_code_opens_at_its_issuer_alone() {
    let mut tenants = Tenants::new(AccessTokenFormat::Jwt);
    let code = tenants.site.code(NOW);
    let (reply, counts) = tenants.elsewhere(|site| site.redeem("web", &code, NOW));
    assert_denied(&reply, "invalid_grant", Reason::Forged);
    assert_eq!(counts, UNTOUCHED);
    let tokens = issued(tenants.site.redeem("web", &code, NOW));
    // A replay elsewhere is no replay: it raises no alarm.
    let (reply, counts) = tenants.elsewhere(|site| site.redeem("web", &code, NOW));
    assert_denied(&reply, "invalid_grant", Reason::Forged);
    assert_eq!(counts, UNTOUCHED);
    assert!(tenants.site.is_active(&tokens.access_token, NOW));
}

#[test]
fn a_token_opens_at_its_issuer_alone() {
    for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
        let mut tenants = Tenants::new(format);
        let tokens = tenants.site.tokens(NOW);
        let own = [("grant_type", "client_credentials")];
        let own = issued(tenants.site.token("web", &own, NOW)).access_token;
        let (reply, counts) = tenants.elsewhere(|site| site.refresh("web", refresh_token(&tokens), NOW));
        assert_denied(&reply, "invalid_grant", Reason::Forged);
        assert_eq!(counts, UNTOUCHED);
        for token in [&tokens.access_token, refresh_token(&tokens), &own] {
            for caller in ["web", "api"] {
                let (answer, counts) = tenants.elsewhere(|site| site.introspect(caller, token, NOW));
                assert_eq!((answer, counts), (Introspection::Inactive, UNTOUCHED));
            }
            let (reply, counts) = tenants.elsewhere(|site| site.revoke("web", token, NOW));
            assert_eq!(
                (reply.answer, reply.event.effect, counts),
                (Revoked::Done, Effect::Nothing, UNTOUCHED)
            );
            assert!(tenants.site.is_active(token, NOW));
        }
        issued(tenants.site.refresh("web", refresh_token(&tokens), NOW));
    }
}

/// A token that was revoked at one issuer is another note than at the other.
#[test]
fn the_note_of_a_revoked_token_is_of_one_issuer() {
    struct Claims(RefCell<Vec<ClaimId>>, MemoryStore);
    impl Store for Claims {
        type Error = MemoryStoreFull;

        fn read(&self, lookup: &Lookup<'_>) -> Result<Records, Self::Error> {
            self.0.borrow_mut().extend(lookup.claim);
            Store::read(&self.1, lookup)
        }

        fn commit(&self, changes: &ChangeSet) -> Result<Outcome, Self::Error> {
            Store::commit(&self.1, changes)
        }
    }
    let mut tenants = Tenants::new(AccessTokenFormat::Jwt);
    let pairs = [("grant_type", "client_credentials")];
    let mut tokens = vec![issued(tenants.site.token("web", &pairs, NOW)).access_token];
    // The very same moment, at the other issuer.
    tokens.push(tenants.elsewhere(|site| issued(site.token("web", &pairs, NOW)).access_token).0);
    let store = Claims(RefCell::default(), MemoryStore::new(support::clients()));
    for (server, token) in [&tenants.mine, &tenants.theirs].into_iter().zip(&tokens) {
        let request = request("web", "/revoke", &[("token", token.expose())]);
        let reply = run(&store, &server.revoke(&request), tenants.site.moment(NOW)).unwrap();
        assert_eq!(reply.event.effect, Effect::Noted);
    }
    let claims = store.0.into_inner();
    assert!(claims.len() == 2 && claims.first() != claims.last());
}

#[test]
fn rfc8628_3_3_a_user_code_and_a_device_code_open_at_their_issuer_alone() {
    let mut tenants = Tenants::new(AccessTokenFormat::Jwt);
    let waiting = device(&tenants.site);
    let before: Grant = tenants.site.store.last_written();
    let typed = waiting.user_code.clone();
    let (reply, [_, _, commits]) =
        tenants.elsewhere(|site| site.run(&site.server.verify_user_code(typed.expose()), NOW));
    let Verification::Page(page) = reply.answer else { panic!("found: {:?}", reply.event) };
    assert_eq!((page.denial().reason, commits), (Reason::UserCodeUnknown, 0));
    let (reply, counts) = tenants.elsewhere(|site| poll(site, &waiting.device_code));
    assert_denied(&reply, "invalid_grant", Reason::Forged);
    assert_eq!(counts, UNTOUCHED);
    assert!(tenants.site.store.last_written() == before);

    let found = tenants.site.run(&tenants.mine.verify_user_code(typed.expose()), NOW);
    let Verification::Interact(interaction) = found.answer else { panic!("{:?}", found.event) };
    let (reply, [_, _, commits]) = tenants.elsewhere(|site| site.approve(*interaction.clone(), NOW));
    assert_eq!((reply.event.denial.unwrap().reason, commits), (Reason::OtherIssuer, 0));
    let (reply, [_, _, commits]) = tenants.elsewhere(|site| site.refuse(&interaction, Refusal::AccessDenied));
    assert_eq!((reply.event.denial.unwrap().reason, commits), (Reason::OtherIssuer, 0));
    tenants.site.approve(*interaction, NOW);
    issued(poll(&tenants.site, &waiting.device_code));
}

#[test]
fn rfc9126_2_2_a_pushed_request_opens_at_its_issuer_alone() {
    let mut tenants = Tenants::new(AccessTokenFormat::Jwt);
    let pushed = query("web", &[]);
    let push = HttpRequest::form("/par", pushed)
        .with_header("Authorization", support::basic("web", &support::secret("web")));
    let reply = tenants.site.run(&tenants.mine.push(&push), NOW);
    let Pushed::Accepted(pushed) = reply.answer else { panic!("{:?}", reply.event) };
    let query = form::encode([("client_id", "web"), ("request_uri", pushed.request_uri.expose())]);
    let (reply, counts) = tenants.elsewhere(|site| site.authorize(&query, NOW));
    assert!(matches!(reply.answer, Authorization::Page(_)));
    assert_eq!((reply.event.denial.unwrap().reason, counts), (Reason::PushedRequestUnknown, UNTOUCHED));
    let reply = tenants.site.authorize(&query, NOW);
    let Authorization::Interact(interaction) = reply.answer else { panic!("{:?}", reply.event) };
    issued(tenants.site.redeem("web", &code(&tenants.site.approve(*interaction, NOW)), NOW));
}

#[test]
fn rfc9700_4_7_an_interaction_is_answered_at_its_issuer_alone() {
    let mut tenants = Tenants::new(AccessTokenFormat::Jwt);
    let interaction = tenants.site.interaction("web", &[], NOW);
    let sealed = tenants.mine.seal(&interaction, "session");
    assert_eq!(tenants.theirs.unseal(&sealed, "session", time(NOW)).err(), Some(UnsealError::Foreign));
    let opened = tenants.mine.unseal(&sealed, "session", time(NOW)).unwrap();
    let (reply, [_, _, commits]) = tenants.elsewhere(|site| site.approve(opened.clone(), NOW));
    assert!(matches!(reply.answer, Answered::Page(_)));
    assert_eq!((reply.event.denial.unwrap().reason, commits), (Reason::OtherIssuer, 0));
    code(&tenants.site.approve(opened, NOW));
}

/// The same secret, moment and client make two handles that have nothing in common.
#[test]
fn the_same_moment_makes_other_tokens_at_another_issuer() {
    for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
        let sites = [ISSUER, OTHER].map(|issuer| Site::of(server(issuer, format)));
        let [mine, theirs] = sites.map(|site| site.tokens(NOW));
        assert!(!mine.access_token.matches(theirs.access_token.expose()));
        assert!(!refresh_token(&mine).matches(refresh_token(&theirs).expose()));
    }
}

/// What is no token anywhere is answered by the client's proof, as at any issuer.
#[test]
fn what_is_no_handle_is_no_foreign_handle() {
    let mut tenants = Tenants::new(AccessTokenFormat::Jwt);
    let pairs = redemption("web", "grc_x");
    let (reply, counts) = tenants.elsewhere(|site| site.token("web", &pairs.each(), NOW));
    assert_denied(&reply, "invalid_grant", Reason::CodeUnknown);
    assert_eq!(counts, CLIENT_READ);
}

/// A host's store: `web` is a client of one tenant alone.
struct Parted<'a>(&'a MemoryStore);

impl Store for Parted<'_> {
    type Error = MemoryStoreFull;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, MemoryStoreFull> {
        let mut lookup = *lookup;
        let has_web = lookup.issuer.unwrap().as_str() == ISSUER;
        lookup.client = lookup.client.filter(|id| has_web || id.as_str() != "web");
        Store::read(self.0, &lookup)
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, MemoryStoreFull> {
        Store::commit(self.0, changes)
    }
}

#[test]
fn a_client_of_one_tenant_is_unknown_at_another() {
    let Tenants { site, mine, theirs } = Tenants::new(AccessTokenFormat::Jwt);
    let store = Parted(&site.store.inner);
    for (client, is_known_there) in [("web", false), ("other", true)] {
        let get = HttpRequest::new("GET", format!("/authorize?{}", query(client, &[])));
        for (server, is_known) in [(&mine, true), (&theirs, is_known_there)] {
            match run(&store, &server.authorize(&get), site.moment(NOW)).unwrap().answer {
                Authorization::Interact(_) => assert!(is_known, "{client}"),
                Authorization::Page(page) => {
                    assert_eq!((page.denial().reason, is_known), (Reason::ClientUnknown, false), "{client}");
                }
                Authorization::Redirect(_) => panic!("{client}"),
            }
        }
    }
    let own = request("web", "/token", &[("grant_type", "client_credentials")]);
    issued(run(&store, &mine.token(&own), site.moment(NOW)).unwrap());
    let reply = run(&store, &theirs.token(&own), site.moment(NOW)).unwrap();
    assert_denied(&reply, "invalid_client", Reason::ClientNotAuthenticated);
}

fn ids(store: &MemoryStore, of: GrantsOf<'_>) -> Vec<GrantId> {
    GrantList::list(store, of, None, MAX_LISTED_GRANTS).unwrap().iter().map(Grant::id).collect()
}

/// The same name is another person at another issuer (OpenID Connect Core section 5.7).
#[test]
fn a_list_and_its_end_stay_within_one_tenant() {
    let mut tenants = Tenants::new(AccessTokenFormat::Opaque);
    let here = tenants.site.tokens(NOW);
    let my_id = tenants.site.store.last_written().id();
    let (there, _) = tenants.elsewhere(|site| site.tokens(NOW));
    let their_id = tenants.site.store.last_written().id();
    let Tenants { site, mine, theirs } = &tenants;
    let (store, alice, web) = (&site.store.inner, subject(), client_id("web"));
    for (server, id) in [(mine, my_id), (theirs, their_id)] {
        let issuer = server.issuer();
        for of in [
            GrantsOf::Subject(issuer, &alice),
            GrantsOf::Client(issuer, &web),
            GrantsOf::SubjectAtClient(issuer, &alice, &web),
        ] {
            assert_eq!((of.issuer(), ids(store, of)), (issuer, vec![id]));
        }
    }
    for authority in [Authority::Subject(subject()), Authority::Client(client_id("web")), Authority::Operator]
    {
        let reply = site.run(&mine.revoke_grant(their_id, authority), NOW);
        assert_eq!((reply.answer, reply.event.effect), (Revocation::Unknown, Effect::Nothing));
    }
    let end = |of| revoke_all(store, mine, of, site.moment(NOW));
    assert_eq!(end(GrantsOf::Subject(theirs.issuer(), &alice)), Err(RunError::OtherIssuer));
    assert_eq!(end(GrantsOf::Subject(mine.issuer(), &alice)), Ok(1));
    assert!(!site.is_active(&here.access_token, NOW));
    let (is_alive, _) = tenants.elsewhere(|site| site.is_active(&there.access_token, NOW));
    assert!(is_alive);
}

/// A store that lists every grant of a name is kept from ending those of another tenant.
#[test]
fn a_store_that_ignores_the_issuer_has_nothing_of_another_ended() {
    struct Blind<'a>(&'a MemoryStore, Issuer);
    impl Store for Blind<'_> {
        type Error = MemoryStoreFull;

        fn read(&self, lookup: &Lookup<'_>) -> Result<Records, MemoryStoreFull> {
            assert_eq!(lookup.grant, None, "no grant of another is even asked for");
            Store::read(self.0, lookup)
        }

        fn commit(&self, changes: &ChangeSet) -> Result<Outcome, MemoryStoreFull> {
            Store::commit(self.0, changes)
        }
    }
    impl GrantList for Blind<'_> {
        fn list(
            &self,
            _: GrantsOf<'_>,
            after: Option<GrantId>,
            limit: usize,
        ) -> Result<Vec<Grant>, MemoryStoreFull> {
            GrantList::list(self.0, GrantsOf::Subject(&self.1, &subject()), after, limit)
        }
    }
    let mut tenants = Tenants::new(AccessTokenFormat::Opaque);
    let (there, _) = tenants.elsewhere(|site| site.tokens(NOW));
    let Tenants { site, mine, theirs } = &tenants;
    let store = Blind(&site.store.inner, theirs.issuer().clone());
    let subject = subject();
    let of = GrantsOf::Subject(mine.issuer(), &subject);
    assert_eq!(revoke_all(&store, mine, of, site.moment(NOW)), Ok(0));
    let (is_alive, _) = tenants.elsewhere(|site| site.is_active(&there.access_token, NOW));
    assert!(is_alive);
}

/// The record is the one that made the handle, salt and all, and still none of this issuer's: the check beside the
/// MAC, which alone would let it pass.
#[test]
fn a_record_of_another_issuer_is_no_record() {
    let site = Tenants::new(AccessTokenFormat::Opaque).site;
    let tokens = site.tokens(NOW);
    let grant = site.store.last_written();
    let waiting = device(&site);
    let (device_grant, code) = (site.store.last_written(), waiting.user_code.expose().to_owned());
    for (grant, version) in [(&grant, Version::from_number(2)), (&device_grant, Version::FIRST)] {
        let moved = moved(grant);
        assert_eq!((moved.id(), moved.issuer().as_str()), (grant.id(), OTHER));
        let put = ChangeSet::from_iter([Change::Put { expected: Some(version), grant: moved }]);
        assert_eq!(Store::commit(&site.store.inner, &put), Ok(Outcome::Applied));
    }
    let reply = site.refresh("web", refresh_token(&tokens), NOW);
    assert_denied(&reply, "invalid_grant", Reason::RefreshTokenUnknown);
    assert_eq!(site.introspect("web", &tokens.access_token, NOW), Introspection::Inactive);
    let reply = site.revoke("web", &tokens.access_token, NOW);
    assert_eq!((reply.answer, reply.event.effect), (Revoked::Done, Effect::Nothing));
    assert_denied(&poll(&site, &waiting.device_code), "invalid_grant", Reason::DeviceCodeUnknown);
    let Verification::Page(page) = site.run(&site.server.verify_user_code(&code), NOW).answer else {
        panic!("a device of another issuer is found")
    };
    assert_eq!(page.denial().reason, Reason::UserCodeUnknown);
    let reply = site.run(&site.server.revoke_grant(grant.id(), Authority::Operator), NOW);
    assert_eq!(reply.answer, Revocation::Unknown);
}

/// The same grant, as if the other issuer had made it. In its stored form the issuer stands behind its length.
fn moved(grant: &Grant) -> Grant {
    let named = |issuer: &str| [&[u8::try_from(issuer.len()).unwrap()], issuer.as_bytes()].concat();
    let (bytes, mine) = (grant.to_bytes(), named(ISSUER));
    let start = bytes.windows(mine.len()).position(|window| window == mine).unwrap();
    let (before, rest) = bytes.split_at(start);
    Grant::from_bytes(&[before, &named(OTHER), rest.split_at(mine.len()).1].concat()).unwrap()
}
