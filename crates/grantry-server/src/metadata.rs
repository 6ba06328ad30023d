//! What a server says of itself: its metadata and its public keys.

use alloc::{string::String, vec, vec::Vec};

use grantry_core::{CodeChallenge, HttpResponse, Issuer, UnixTime};
use grantry_jwt::Algorithm;
use serde::Serialize;

use crate::client::GrantType;
use crate::server::Server;

/// The metadata document, derived from what the server has enabled
/// ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Metadata {
    /// The issuer.
    pub issuer: Issuer,
    /// Where people are sent.
    pub authorization_endpoint: String,
    /// Where clients get tokens.
    pub token_endpoint: String,
    /// Where the public keys are.
    pub jwks_uri: String,
    /// Where tokens are revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    /// Where tokens are looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    /// Where clients push requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushed_authorization_request_endpoint: Option<String>,
    /// Where devices begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_authorization_endpoint: Option<String>,
    /// The scopes of the server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// `code`, and where the implicit grant is served its types.
    pub response_types_supported: Vec<&'static str>,
    /// `query`, and where the implicit grant is served `fragment`.
    pub response_modes_supported: Vec<&'static str>,
    /// The grants of the token endpoint.
    pub grant_types_supported: Vec<&'static str>,
    /// How clients authenticate at the token endpoint.
    pub token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// The algorithms of client assertions at the token endpoint.
    pub token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// How clients authenticate at the revocation endpoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    /// The algorithms of client assertions at the revocation endpoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// How clients authenticate at the introspection endpoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    /// The algorithms of client assertions at the introspection endpoint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    /// `S256`.
    pub code_challenge_methods_supported: Vec<&'static str>,
    /// Always: every authorization response names the issuer
    /// ([RFC 9207 section 3](https://www.rfc-editor.org/rfc/rfc9207#section-3)).
    pub authorization_response_iss_parameter_supported: bool,
    /// The members of OpenID Connect: which client may ask for `openid` is in its registration.
    #[serde(flatten)]
    pub openid: OpenIdMetadata,
}

/// The members that OpenID Connect adds
/// ([OpenID Connect Discovery section 3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OpenIdMetadata {
    /// Where clients learn who the person is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo_endpoint: Option<String>,
    /// Where people are sent to log out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_session_endpoint: Option<String>,
    /// The authentication contexts of the server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acr_values_supported: Vec<String>,
    /// `public`: every client sees the same subject.
    pub subject_types_supported: Vec<&'static str>,
    /// The algorithm of the server's keys.
    pub id_token_signing_alg_values_supported: Vec<&'static str>,
    /// `true`: single claims can be asked for
    /// ([OpenID Connect Core section 5.5](https://openid.net/specs/openid-connect-core-1_0.html#ClaimsParameter)).
    pub claims_parameter_supported: bool,
    /// `false`: request objects by value are not read.
    pub request_parameter_supported: bool,
    /// `false`: the member's default would be `true`.
    pub request_uri_parameter_supported: bool,
}

/// How a client authenticates; the first is for public clients.
const METHODS: [&str; 5] =
    ["none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"];

impl Server {
    /// Returns the metadata.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        let [_, proofs @ ..] = METHODS;
        let algorithms = || self.config.decoy_keys.algorithms().map(Algorithm::as_str).collect();
        let endpoints = self.config.endpoints.clone();
        let scopes = &self.config.policy.scopes;
        let openid = OpenIdMetadata {
            subject_types_supported: vec!["public"],
            id_token_signing_alg_values_supported: vec![self.config.keys.algorithm().as_str()],
            userinfo_endpoint: endpoints.userinfo,
            end_session_endpoint: endpoints.end_session,
            acr_values_supported: self.config.policy.acr_values.clone(),
            claims_parameter_supported: true,
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
        };
        let served = GrantType::ALL.iter().copied().filter(|grant_type| self.serves(*grant_type));
        let is_implicit = self.serves(GrantType::Implicit);
        let is_for_devices = self.serves(GrantType::DeviceCode);
        Metadata {
            issuer: self.config.issuer.clone(),
            authorization_endpoint: endpoints.authorization,
            token_endpoint: endpoints.token,
            jwks_uri: endpoints.jwks,
            scopes_supported: scopes.iter().map(String::from).collect(),
            response_types_supported: if is_implicit {
                vec!["code", "token", "id_token", "id_token token"]
            } else {
                vec!["code"]
            },
            response_modes_supported: if is_implicit { vec!["query", "fragment"] } else { vec!["query"] },
            grant_types_supported: served.map(GrantType::as_str).collect(),
            token_endpoint_auth_methods_supported: METHODS.to_vec(),
            token_endpoint_auth_signing_alg_values_supported: algorithms(),
            revocation_endpoint_auth_methods_supported: match endpoints.revocation {
                Some(_) => METHODS.to_vec(),
                None => vec![],
            },
            revocation_endpoint_auth_signing_alg_values_supported: match endpoints.revocation {
                Some(_) => algorithms(),
                None => vec![],
            },
            introspection_endpoint_auth_methods_supported: match endpoints.introspection {
                Some(_) => proofs.to_vec(),
                None => vec![],
            },
            introspection_endpoint_auth_signing_alg_values_supported: match endpoints.introspection {
                Some(_) => algorithms(),
                None => vec![],
            },
            revocation_endpoint: endpoints.revocation,
            introspection_endpoint: endpoints.introspection,
            pushed_authorization_request_endpoint: endpoints.pushed_authorization_request,
            device_authorization_endpoint: endpoints.device_authorization.filter(|_| is_for_devices),
            code_challenge_methods_supported: vec![CodeChallenge::METHOD],
            authorization_response_iss_parameter_supported: true,
            openid,
        }
    }

    /// Makes the answer of the metadata endpoint, which caches may keep for five minutes.
    ///
    /// It belongs at `/.well-known/oauth-authorization-server` followed by the issuer's path
    /// ([RFC 8414 section 3](https://www.rfc-editor.org/rfc/rfc8414#section-3)), and at the issuer's path
    /// followed by `/.well-known/openid-configuration` where ID tokens are issued.
    #[must_use]
    pub fn metadata_response(&self) -> HttpResponse {
        public_json(&self.metadata())
    }

    /// Makes the answer of the JWK set endpoint
    /// ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)), which caches may
    /// keep for five minutes, or as long as the policy of the key ring says.
    #[must_use]
    pub fn jwk_set_response(&self, now: UnixTime) -> HttpResponse {
        self.config.keys.response(now)
    }
}

pub(crate) fn public_json(document: &impl Serialize) -> HttpResponse {
    let Ok(body) = serde_json::to_vec(document) else { return HttpResponse::new(500) };
    HttpResponse::new(200)
        .with_header("Content-Type", "application/json")
        .with_header("Cache-Control", "public, max-age=300")
        .with_body(body)
}
