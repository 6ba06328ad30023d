//! The crate oauth-as as an authorization server.

use alloc::sync::Arc;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use http::{Request, Response, header};
use oauth_as::http::{ApprovalDecision, AuthorizationService, Body, ServiceBuilder};
use oauth_as::server::{AuthorizationServer, ServerConfig, SystemClock};
use oauth_as::{Client, ClientAuth, ClientId, GrantType, MemoryStorage, ScopeSet};

use crate::endpoint::{
    CLIENT_ID, CLIENT_SECRET, Endpoint, REDIRECT_URI, SCOPE, SUBJECT, authorization, authorization_query,
    code_in,
};

/// The service of its feature `http`, with its own store in memory and its default configuration: opaque
/// tokens, PKCE, rotation. No limiter, event sink or other hook is set.
pub struct OauthAs {
    service: AuthorizationService<MemoryStorage, SystemClock>,
}

impl core::fmt::Debug for OauthAs {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("OauthAs")
    }
}

impl OauthAs {
    /// Makes a server.
    #[must_use]
    pub fn new() -> Self {
        Self { service: service() }
    }

    fn respond(&self, request: Request<Body>) -> Response<Body> {
        now_or_never(self.service.handle(request))
    }
}

impl Default for OauthAs {
    fn default() -> Self {
        Self::new()
    }
}

impl Endpoint for OauthAs {
    type Request = Request<Body>;
    type Response = Response<Body>;

    fn code(&self) -> String {
        let uri = format!("/authorize?{}", authorization_query());
        let request = Request::get(uri).body(Body::empty()).expect("a request");
        let response = self.respond(request);
        let location = response.headers().get(header::LOCATION).expect("a redirect");
        code_in(location.to_str().expect("a URL"))
    }

    fn post(&self, path: &str, form: String) -> Request<Body> {
        Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, authorization())
            .body(form.into())
            .expect("a request")
    }

    fn answer(&self, request: Request<Body>) -> Response<Body> {
        let response = self.respond(request);
        assert_eq!(response.status(), 200, "a refused request is no measure");
        response
    }

    fn body(response: Response<Body>) -> Vec<u8> {
        response.into_body().into_bytes().into()
    }
}

fn service() -> AuthorizationService<MemoryStorage, SystemClock> {
    let config = ServerConfig::new("https://as.example", "https://as.example/device");
    let server = AuthorizationServer::new(config, MemoryStorage::new());
    let scope = ScopeSet::parse(SCOPE).expect("a scope");
    now_or_never(server.register_client(Client {
        client_id: ClientId::new(CLIENT_ID),
        auth: ClientAuth::ConfidentialSecret { secret: CLIENT_SECRET.into() },
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        redirect_uris: vec![REDIRECT_URI.into()],
        allowed_scopes: scope.clone(),
        default_scopes: scope,
        name: None,
        registration: None,
    }))
    .expect("a store in memory");
    ServiceBuilder::new(Arc::new(server))
        .with_subject_resolver(|_| Some(SUBJECT.into()))
        .with_approval_resolver(|_| ApprovalDecision::Approve)
        .build()
        .expect("a service")
}

/// Takes the value of a future that waits for nothing.
fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a store in memory never waits"),
    }
}
