//! The crate oxide-auth as an authorization server.

use alloc::borrow::Cow;
use core::cell::RefCell;

use grantry::core::HttpRequest;
use oxide_auth::endpoint::{
    AccessTokenFlow, AuthorizationFlow, NormalizedParameter, OwnerConsent, OwnerSolicitor, QueryParameter,
    RefreshFlow, Solicitation, WebRequest,
};
use oxide_auth::frontends::simple::endpoint::{Generic, Vacant};
use oxide_auth::frontends::simple::extensions::{AddonList, Extended, Pkce};
use oxide_auth::frontends::simple::request::{Body, NoError, Response, Status};
use oxide_auth::primitives::authorizer::AuthMap;
use oxide_auth::primitives::generator::RandomGenerator;
use oxide_auth::primitives::issuer::TokenMap;
use oxide_auth::primitives::registrar::{Client, ClientMap, PasswordPolicy, RegisteredUrl, RegistrarError};
use ring::digest::{SHA256, digest};

use crate::endpoint::{
    CLIENT_ID, CLIENT_SECRET, Endpoint, REDIRECT_URI, SCOPE, SUBJECT, authorization, authorization_query,
    code_in,
};

type State =
    Extended<Generic<ClientMap, AuthMap<RandomGenerator>, TokenMap<RandomGenerator>, Consent>, AddonList>;

/// Its flows over its own maps in memory, with opaque tokens, PKCE and rotation. Client secrets are kept as
/// digests instead of by its Argon2, which is for passwords. It has no introspection, and no alarm when a
/// refresh token comes twice.
pub struct OxideAuth {
    state: RefCell<State>,
}

impl core::fmt::Debug for OxideAuth {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("OxideAuth")
    }
}

impl OxideAuth {
    /// Makes a server.
    #[must_use]
    pub fn new() -> Self {
        Self { state: RefCell::new(state()) }
    }
}

impl Default for OxideAuth {
    fn default() -> Self {
        Self::new()
    }
}

/// A request, and the grant that it is for, as its path would say where a host has one for each.
#[derive(Debug)]
pub struct OxideRequest {
    is_refresh: bool,
    request: HttpRequest,
}

impl Endpoint for OxideAuth {
    type Request = OxideRequest;
    type Response = Response;

    fn code(&self) -> String {
        let request = HttpRequest::new("GET", format!("/authorize?{}", authorization_query()));
        let mut state = self.state.borrow_mut();
        let Ok(mut flow) = AuthorizationFlow::prepare(&mut *state) else {
            unreachable!("all parts are there")
        };
        let Ok(response) = flow.execute(Web(&request)) else { unreachable!("the request is good") };
        code_in(response.location.expect("a redirect").as_str())
    }

    fn post(&self, path: &str, form: String) -> OxideRequest {
        let is_refresh = form.contains("grant_type=refresh_token");
        OxideRequest {
            is_refresh,
            request: HttpRequest::form(path, form).with_header("Authorization", authorization()),
        }
    }

    fn answer(&self, OxideRequest { is_refresh, request }: OxideRequest) -> Response {
        let mut state = self.state.borrow_mut();
        let response = if is_refresh {
            let Ok(mut flow) = RefreshFlow::prepare(&mut *state) else { unreachable!("all parts are there") };
            flow.execute(Web(&request)).ok()
        } else {
            let Ok(mut flow) = AccessTokenFlow::prepare(&mut *state) else {
                unreachable!("all parts are there")
            };
            flow.execute(Web(&request)).ok()
        };
        let response = response.expect("an answer");
        assert_eq!(response.status, Status::Ok, "a refused request is no measure");
        response
    }

    fn body(response: Response) -> Vec<u8> {
        match response.body.expect("a body") {
            Body::Json(body) | Body::Text(body) => body.into_bytes(),
        }
    }
}

/// A request as its flows read one; the form is parsed when they ask for it.
struct Web<'a>(&'a HttpRequest);

impl WebRequest for Web<'_> {
    type Error = NoError;
    type Response = Response;

    fn query(&mut self) -> Result<Cow<'_, dyn QueryParameter + 'static>, NoError> {
        Ok(Cow::Owned(parse(self.0.query().as_bytes())))
    }

    fn urlbody(&mut self) -> Result<Cow<'_, dyn QueryParameter + 'static>, NoError> {
        Ok(Cow::Owned(parse(&self.0.body)))
    }

    fn authheader(&mut self) -> Result<Option<Cow<'_, str>>, NoError> {
        Ok(self.0.headers.only("Authorization").map(Cow::Borrowed))
    }
}

fn parse(form: &[u8]) -> NormalizedParameter {
    url::form_urlencoded::parse(form).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn state() -> State {
    let mut clients = ClientMap::new();
    clients.set_password_policy(Digests);
    clients.register_client(Client::confidential(
        CLIENT_ID,
        RegisteredUrl::Semantic(REDIRECT_URI.parse().expect("a URL")),
        SCOPE.parse().expect("a scope"),
        CLIENT_SECRET.as_bytes(),
    ));
    let endpoint = Generic {
        registrar: clients,
        authorizer: AuthMap::new(RandomGenerator::new(16)),
        issuer: TokenMap::new(RandomGenerator::new(16)),
        solicitor: Consent,
        scopes: Vacant,
        response: Vacant,
    };
    let mut extensions = AddonList::new();
    extensions.push_code(Pkce::required());
    Extended::extend_with(endpoint, extensions)
}

/// The person agrees.
struct Consent;

impl OwnerSolicitor<Web<'_>> for Consent {
    fn check_consent(&mut self, _: &mut Web<'_>, _: Solicitation<'_>) -> OwnerConsent<Response> {
        OwnerConsent::Authorized(SUBJECT.into())
    }
}

/// Secrets that a machine made, as SHA-256 digests.
struct Digests;

impl PasswordPolicy for Digests {
    fn store(&self, _: &str, secret: &[u8]) -> Vec<u8> {
        digest(&SHA256, secret).as_ref().into()
    }

    fn check(&self, _: &str, secret: &[u8], stored: &[u8]) -> Result<(), RegistrarError> {
        if digest(&SHA256, secret).as_ref() == stored { Ok(()) } else { Err(RegistrarError::Unspecified) }
    }
}
