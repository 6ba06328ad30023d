//! Two issuers over one store, with the same keys: nothing of one opens at the other.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use core::cell::RefCell;

use grantry_core::{HttpRequest, Issuer, SecretString, form};
use grantry_server::{
    AccessTokenFormat, Answered, Authorization, ChangeSet, DeviceAnswer, DeviceResponse, Effect, Endpoints,
    Grant, GrantType, Introspection, Lookup, MemoryStore, Outcome, Policy, Pushed, Reason, Records, Refusal,
    Revoked, Server, Store, UnsealError, Verification,
};
use support::{
    ISSUER, NOW, Site, assert_denied, code, issued, query, redemption, refresh_token, request, server_of,
    time,
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
    struct Claims(RefCell<Vec<grantry_server::ClaimId>>, MemoryStore);
    impl Store for Claims {
        type Error = grantry_server::MemoryStoreFull;

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
        let reply = grantry_server::run(&store, &server.revoke(&request), tenants.site.moment(NOW)).unwrap();
        assert_eq!(reply.event.effect, Effect::Written);
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
