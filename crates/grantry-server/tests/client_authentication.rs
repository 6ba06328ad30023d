//! Client authentication, the same at every endpoint for clients.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use core::cell::Cell;
use core::num::NonZeroU32;

use grantry_core::form::{self, FormError};
use grantry_core::{HttpRequest, HttpResponse};
use grantry_server::{
    ChangeSet, Client, ClientAuthentication, Denial, GrantType, Introspection, Lookup, MemoryStore,
    MemoryStoreFull, Outcome, Reason, Records, Revoked, SecretDigest, Store, run,
};
use ring::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use support::{NOW, Site, basic, client_id, denial, issued, json, redemption, refresh_token, secret};

const ENDPOINTS: [&str; 3] = ["/token", "/revoke", "/introspect"];

/// Sends a request to one of the endpoints.
fn send(site: &Site, request: &HttpRequest) -> (Option<Denial>, HttpResponse) {
    match request.target.split('?').next() {
        Some("/token") => {
            let reply = site.run(&site.server.token(request), NOW);
            (denial(&reply.answer), reply.answer.to_response())
        }
        Some("/revoke") => {
            let answer = site.run(&site.server.revoke(request), NOW).answer;
            let denial = if let Revoked::Denied(denial) = answer { Some(denial) } else { None };
            (denial, answer.to_response())
        }
        Some("/introspect") => {
            let answer = site.run(&site.server.introspect(request), NOW).answer;
            let denial = if let Introspection::Denied(denial) = answer { Some(denial) } else { None };
            (denial, answer.to_response())
        }
        other => unreachable!("{other:?}"),
    }
}

fn pairs(site: &Site) -> Vec<(&'static str, String)> {
    let token = refresh_token(&site.tokens(NOW)).expose().to_owned();
    vec![("grant_type", "refresh_token".into()), ("refresh_token", token.clone()), ("token", token)]
}

fn form_of(pairs: &[(&str, String)], more: &[(&str, &str)]) -> String {
    form::encode(pairs.iter().map(|(name, value)| (*name, value.as_str())).chain(more.iter().copied()))
}

#[track_caller]
fn assert_refused(site: &Site, request: &HttpRequest, status: u16, reason: Reason) {
    let ((denial, response), [_, _, commits]) = site.store.count(|| send(site, request));
    assert_eq!((denial.map(|denial| denial.reason), commits), (Some(reason), 0), "{}", request.target);
    assert_eq!(response.status, status);
    assert_eq!(json(&response)["error"], reason.code().as_str());
    assert_eq!(response.headers.only("Cache-Control"), Some("no-store"));
    let challenge = response.headers.only("WWW-Authenticate");
    assert_eq!(challenge.is_some_and(|challenge| challenge.starts_with("Basic ")), status == 401);
}

/// CA-59, RV-11 and IN-04: one table for every endpoint; and the tokens stay alive.
#[test]
fn rfc7009_2_1_rfc7662_2_1_the_same_rules_at_every_endpoint() {
    let site = Site::new();
    let pairs = pairs(&site);
    let good = basic("web", &secret("web"));
    let post = [("client_id", "post"), ("client_secret", "post:se+cret%")];
    for path in ENDPOINTS {
        let refused = |header: Option<&str>, more: &[(&str, &str)], status, reason| {
            let request = HttpRequest::form(path, form_of(&pairs, more));
            let request = match header {
                Some(header) => request.with_header("Authorization", header),
                None => request,
            };
            assert_refused(&site, &request, status, reason);
        };
        let unproven = Reason::ClientNotAuthenticated;
        refused(None, &[], 401, Reason::NoClient);
        refused(None, &[("client_id", "")], 401, Reason::NoClient);
        refused(None, &[("client_id", "caf\u{e9}")], 401, Reason::NoClient);
        refused(None, &[("client_id", "nobody")], 401, unproven);
        refused(None, &[("client_id", "web")], 401, unproven);
        refused(None, &[("client_id", "post"), ("client_secret", "wrong")], 401, unproven);
        refused(None, &[("client_id", "native"), ("client_secret", "x")], 401, unproven);
        refused(Some(&basic("web", "wrong")), &[], 401, unproven);
        refused(Some(&basic("web", "")), &[], 401, unproven);
        refused(Some(&basic("nobody", "x")), &[], 401, unproven);
        refused(Some(&basic("native", "")), &[], 401, unproven);
        refused(Some(&basic("post", &secret("post"))), &[], 401, unproven);
        refused(Some("Bearer abc"), &post, 401, Reason::OtherScheme);
        refused(Some("Basic !"), &post, 401, Reason::MalformedBasic);
        refused(None, &[("client_assertion", "x"), ("client_id", "native")], 401, Reason::AssertionType);
        refused(Some(&good), &[("client_assertion_type", "x")], 400, Reason::TwoMethods);
        refused(None, &[("client_assertion", "x"), post[1]], 400, Reason::TwoMethods);
        refused(Some(&good), &post, 400, Reason::TwoMethods);
        refused(Some(&good), &[("client_id", "other")], 400, Reason::TwoClients);
        refused(
            Some(&good),
            &[("client_id", "web"), ("client_id", "web")],
            400,
            Reason::Form(FormError::Repeated("client_id")),
        );
    }
    let twice = HttpRequest::form("/token", form_of(&pairs, &[]));
    let twice = twice.with_header("Authorization", good.as_str()).with_header("authorization", good);
    assert_refused(&site, &twice, 400, Reason::TwoMethods);
    let token = pairs.iter().find(|(name, _)| *name == "token").map(|(_, token)| token.as_str().into());
    assert!(token.is_some_and(|token| site.is_active(&token, NOW)));
}

/// FP-30, RV-14 and IN-13: a GET is never processed, wherever its parameters stand.
#[test]
fn rfc6749_3_2_only_post_is_processed() {
    let site = Site::new();
    let form = form_of(&pairs(&site), &[("client_id", "post"), ("client_secret", &secret("post"))]);
    for path in ENDPOINTS {
        for method in ["GET", "PUT", "HEAD", "DELETE", "post"] {
            let request = HttpRequest::new(method, format!("{path}?{form}")).with_body(form.as_str());
            let request = request.with_header("Content-Type", "application/x-www-form-urlencoded");
            assert_refused(&site, &request, 405, Reason::NotPost);
            assert_eq!(send(&site, &request).1.headers.only("Allow"), Some("POST"));
        }
    }
}

/// CA-36.
#[test]
fn rfc6749_2_3_1_nothing_in_the_url_counts() {
    let site = Site::new();
    let pairs = pairs(&site);
    for path in ENDPOINTS {
        for (query, reason) in [
            ("client_id=post&client_secret=x", Reason::ParameterInUrl("client_id")),
            ("client_id=post&client_id=post", Reason::ParameterInUrl("client_id")),
            ("client_secret=x", Reason::ParameterInUrl("client_secret")),
            ("client_id=%", Reason::Form(FormError::Escape)),
        ] {
            let request = HttpRequest::form(format!("{path}?{query}"), form_of(&pairs, &[]));
            assert_refused(&site, &request, 400, reason);
        }
        // What no endpoint knows is ignored, as a form of RFC 6749 section 3.2 asks.
        let request = HttpRequest::form(format!("{path}?tenant=1"), form_of(&pairs, &[]));
        assert_refused(&site, &request, 401, Reason::NoClient);
    }
}

/// CA-41: an unknown client and a wrong secret get the same answer, for the same reads and writes. The
/// digest and comparison that both cost are in `Credentials::authenticate`.
#[test]
fn rfc6749_5_2_an_unknown_client_looks_like_a_wrong_secret() {
    let site = Site::new();
    let pairs = pairs(&site);
    for path in ENDPOINTS {
        let answer = |request: HttpRequest| site.store.count(|| send(&site, &request));
        let request = || HttpRequest::form(path, form_of(&pairs, &[]));
        let wrong = answer(request().with_header("Authorization", basic("web", "wrong")));
        let unknown = answer(request().with_header("Authorization", basic("nobody", "wrong")));
        assert_eq!(wrong, unknown);
        let body = |client| form_of(&pairs, &[("client_id", client), ("client_secret", "wrong")]);
        let wrong_in_body = answer(HttpRequest::form(path, body("post")));
        let unknown_in_body = answer(HttpRequest::form(path, body("nobody")));
        assert_eq!(wrong_in_body, unknown_in_body);
        assert_eq!(wrong, wrong_in_body);
    }
}

/// CA-43.
#[test]
fn rfc9700_2_5_a_registration_holds_a_digest_and_no_secret() {
    let secret = secret("web");
    let digest = SecretDigest::of(&secret);
    assert_eq!(SecretDigest::from_bytes(*digest.as_bytes()), digest);
    assert_ne!(SecretDigest::of("other"), digest);
    let client = Client::new(client_id("web"), ClientAuthentication::SecretBasic(digest.clone()));
    let printed = format!("{client:?} {client:#?}");
    assert!(!printed.contains(&secret), "{printed}");
    assert!(printed.contains("SecretBasic(SecretDigest)"), "{printed}");
    assert_eq!(format!("{digest:?}"), "SecretDigest");
}

/// Fault order: whoever has not proven to be the client learns nothing of the rest of the request.
#[test]
fn rfc6749_5_2_invalid_client_comes_before_every_other_error() {
    let site = Site::new();
    let unproven = Reason::ClientNotAuthenticated;
    for more in [
        [("grant_type", ""), ("token", "")],
        [("grant_type", "other"), ("token", "x")],
        [("grant_type", "refresh_token"), ("token", "")],
        [("grant_type", "authorization_code"), ("token", "grr_x")],
    ] {
        for path in ENDPOINTS {
            let request = HttpRequest::form(path, form::encode(more));
            let request = request.with_header("Authorization", basic("web", "wrong"));
            assert_refused(&site, &request, 401, unproven);
        }
    }
}

#[test]
fn a_client_without_the_grant_is_authenticated_and_not_allowed() {
    let site = Site::new();
    let code = site.code(NOW);
    let denied = site.token("api", &redemption("web", &code).each(), NOW);
    support::assert_denied(&denied, "unauthorized_client", Reason::GrantTypeNotRegistered);
    issued(site.redeem("web", &code, NOW));
    assert_eq!(GrantType::AuthorizationCode.as_str(), "authorization_code");
    assert_eq!(GrantType::RefreshToken.as_str(), "refresh_token");
}

/// A host's store that keeps PBKDF2 hashes, of few rounds so that nothing waits.
struct HashingStore {
    grants: MemoryStore,
    hashed: Cell<usize>,
}

impl HashingStore {
    const SECRET: &str = "correct horse";
    const ROUNDS: NonZeroU32 = NonZeroU32::MIN;

    fn hash(secret: &str) -> [u8; 32] {
        let mut hash = [0; 32];
        pbkdf2::derive(PBKDF2_HMAC_SHA256, Self::ROUNDS, b"salt", secret.as_bytes(), &mut hash);
        hash
    }

    fn fits(&self, secret: &str, hash: &[u8; 32]) -> bool {
        self.hashed.set(self.hashed.get() + 1);
        pbkdf2::verify(PBKDF2_HMAC_SHA256, Self::ROUNDS, b"salt", secret.as_bytes(), hash).is_ok()
    }
}

impl Store for HashingStore {
    type Error = MemoryStoreFull;

    fn read(&self, lookup: &Lookup<'_>) -> Result<Records, MemoryStoreFull> {
        let known = ["slow", "posts"].into_iter().find(|id| lookup.client == Some(&client_id(id)));
        let hash = known.map_or([0; 32], |_| Self::hash(Self::SECRET));
        let presented = lookup.client_secret.map(|secret| secret.expose());
        let digest = presented.filter(|secret| self.fits(secret, &hash)).map(SecretDigest::of);
        let digest = digest.unwrap_or_else(SecretDigest::unmatched);
        let authentication = match known {
            Some("posts") => ClientAuthentication::SecretPost(digest),
            _ => ClientAuthentication::SecretBasic(digest),
        };
        let records = Store::read(&self.grants, lookup)?;
        Ok(match known {
            Some(id) => records.with_client(Client::new(client_id(id), authentication)),
            None => records,
        })
    }

    fn commit(&self, changes: &ChangeSet) -> Result<Outcome, MemoryStoreFull> {
        Store::commit(&self.grants, changes)
    }
}

/// CA-43 for a host that keeps slow hashes: it hands in data, and the server decides as always.
#[test]
fn rfc6819_5_1_4_1_a_host_may_keep_slow_hashes() {
    let site = Site::new();
    let store = HashingStore { grants: MemoryStore::default(), hashed: Cell::new(0) };
    let send = |request: &HttpRequest| {
        store.hashed.set(0);
        let answer = run(&store, &site.server.token(request), site.moment(NOW)).unwrap().answer;
        (denial(&answer).map(|denial| denial.reason), answer.to_response(), store.hashed.get())
    };
    let by_header = |client: &str, secret: &str| {
        send(&HttpRequest::form("/token", "").with_header("Authorization", basic(client, secret)))
    };
    let by_body = |client: &str, secret: &str| {
        send(&HttpRequest::form("/token", form::encode([("client_id", client), ("client_secret", secret)])))
    };
    let right = HashingStore::SECRET;
    let authenticated = Some(Reason::Missing("grant_type"));
    assert_eq!(by_header("slow", right).0, authenticated);
    assert_eq!(by_body("posts", right).0, authenticated);
    let refused = by_header("slow", "wrong");
    assert_eq!((refused.0, refused.1.status, refused.2), (Some(Reason::ClientNotAuthenticated), 401, 1));
    // An unknown client and the other method look the same and cost the same hash.
    for other in [
        by_header("nobody", right),
        by_header("nobody", "wrong"),
        by_header("posts", right),
        by_body("slow", right),
        by_body("posts", "wrong"),
        by_body("nobody", "wrong"),
    ] {
        assert_eq!(other, refused);
    }
    let presented =
        HttpRequest::form("/introspect", "token=x").with_header("Authorization", basic("slow", right));
    let introspected = run(&store, &site.server.introspect(&presented), site.moment(NOW)).unwrap();
    assert_eq!(introspected.answer, Introspection::Inactive);
    let revoked = run(&store, &site.server.revoke(&presented), site.moment(NOW)).unwrap();
    assert_eq!(revoked.answer, Revoked::Done);
    let unproven = send(&HttpRequest::form("/token", "client_id=slow"));
    assert_eq!((unproven.0, unproven.2), (Some(Reason::ClientNotAuthenticated), 0));
}
