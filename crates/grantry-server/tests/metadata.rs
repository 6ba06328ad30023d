//! What the server says of itself is what it does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use grantry_core::{HttpRequest, Issuer};
use grantry_server::{Endpoints, Policy, Reason, Server, ServerError};
use serde_json::{Value, json};
use support::{
    ISSUER, KEY, NOW, Site, assert_denied, client_id, code, handle_key, issued, private_key, redemption,
    request, scope, server_of,
};

fn document(server: &Server) -> Value {
    let response = server.metadata_response();
    assert_eq!((response.status, response.headers.only("Content-Type")), (200, Some("application/json")));
    serde_json::from_slice(&response.body).unwrap()
}

fn openid() -> Site {
    Site::with_policy(Policy::default().with_scopes(scope("openid read")))
}

/// MD-23 and MD-24.
#[test]
fn rfc8414_2_the_document_in_full() {
    let methods =
        ["none", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"];
    let algorithms = json!([
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
        "EdDSA"
    ]);
    let expected = json!({
        "issuer": "https://as.example",
        "authorization_endpoint": "https://as.example/authorize",
        "token_endpoint": "https://as.example/token",
        "jwks_uri": "https://as.example/jwks",
        "revocation_endpoint": "https://as.example/revoke",
        "introspection_endpoint": "https://as.example/introspect",
        "scopes_supported": ["openid", "read"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint_auth_methods_supported": methods[1..],
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "claims_parameter_supported": true,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    });
    assert_eq!(document(&openid().server), expected);
}

/// MD-23: absent members are left out.
#[test]
fn rfc8414_2_what_is_not_enabled_is_left_out() {
    let mut endpoints = Endpoints::below(&Issuer::parse(ISSUER).unwrap());
    (endpoints.revocation, endpoints.introspection) = (None, None);
    let document = document(&server_of(ISSUER).with_endpoints(endpoints));
    let members: Vec<_> = document.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "authorization_endpoint",
        "authorization_response_iss_parameter_supported",
        "claims_parameter_supported",
        "code_challenge_methods_supported",
        "grant_types_supported",
        "id_token_signing_alg_values_supported",
        "issuer",
        "jwks_uri",
        "request_parameter_supported",
        "request_uri_parameter_supported",
        "response_modes_supported",
        "response_types_supported",
        "subject_types_supported",
        "token_endpoint",
        "token_endpoint_auth_methods_supported",
        "token_endpoint_auth_signing_alg_values_supported",
    ];
    assert_eq!(members, expected);
}

/// MD-23: every grant and method of the document works, and no other.
#[test]
fn rfc8414_2_every_advertised_grant_and_method_works() {
    let site = openid();
    let document = document(&site.server);
    let of_method = |method: &str| match method {
        "none" => Some("native"),
        "client_secret_basic" => Some("web"),
        "client_secret_post" => Some("post"),
        // Shown for every endpoint by the tests of assertions.
        "client_secret_jwt" | "private_key_jwt" => None,
        other => unreachable!("{other}"),
    };
    let methods = |member: &str| -> Vec<_> {
        document[member]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|method| of_method(method.as_str().unwrap()))
            .collect()
    };
    for client in methods("token_endpoint_auth_methods_supported") {
        let tokens = site.tokens_for(client, &[], NOW);
        issued(site.refresh(client, tokens.refresh_token.as_ref().unwrap(), NOW));
    }
    for client in methods("revocation_endpoint_auth_methods_supported") {
        let tokens = site.tokens_for(client, &[], NOW);
        assert_eq!(site.revoke(client, &tokens.access_token, NOW).event.client_id, Some(client_id(client)));
        assert!(!site.is_active(&tokens.access_token, NOW), "{client}");
    }
    for client in methods("introspection_endpoint_auth_methods_supported") {
        let tokens = site.tokens_for(client, &[], NOW);
        let request = request(client, "/introspect", &[("token", tokens.access_token.expose())]);
        let answer = site.run(&site.server.introspect(&request), NOW).answer;
        assert_eq!(support::json(&answer.to_response())["active"], true, "{client}");
    }
    for grant in ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code"] {
        let reply = site.token("web", &[("grant_type", grant)], NOW);
        assert_denied(&reply, "unsupported_grant_type", Reason::GrantTypeUnknown);
    }
}

/// MD-23: the algorithm and the keys of the document are those of the tokens.
#[test]
fn rfc7517_5_the_key_set_holds_public_keys_and_checks_every_token() {
    let old = private_key("JK-107.4", "key-0");
    let mut site = Site::of(Server::new(Issuer::parse(ISSUER).unwrap(), old.clone(), handle_key(1)).unwrap());
    let code = code(&site.approve(site.interaction("web", &[], NOW), NOW));
    let before = issued(site.redeem("web", &code, NOW));
    site.server = server_of(ISSUER).with_older_signing_key(old).unwrap();
    let after = site.tokens(NOW);
    for tokens in [before, after] {
        site.claims(&tokens.access_token, "at+jwt");
        site.claims(tokens.id_token.as_ref().unwrap(), "JWT");
    }
    let response = site.server.jwk_set_response(support::time(NOW));
    let set: Value = serde_json::from_slice(&response.body).unwrap();
    let keys = set["keys"].as_array().unwrap();
    let ids: Vec<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(ids, ["key-1", "key-0"]);
    for key in keys {
        let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        members.retain(|member| !["alg", "e", "kid", "kty", "n", "use"].contains(member));
        assert!(members.is_empty(), "{members:?}");
    }
}

#[test]
fn a_key_that_cannot_be_published_makes_no_server() {
    let issuer = || Issuer::parse(ISSUER).unwrap();
    let symmetric = private_key("JK-107.6", "key-1");
    assert_eq!(Server::new(issuer(), symmetric, handle_key(1)).unwrap_err(), ServerError::NotPublishable);
    let file = support::vectors(include_str!("../../../tests/vectors/jws-sign.json"));
    let jwk = &file.iter().find(|vector| vector["id"] == "JK-107.2").unwrap()["jwk"];
    let nameless = grantry_jwt::SigningKey::from_jwk(jwk.to_string().as_bytes()).unwrap();
    assert_eq!(Server::new(issuer(), nameless, handle_key(1)).unwrap_err(), ServerError::NoKeyId);
    let twice = server_of(ISSUER).with_older_signing_key(KEY.clone());
    assert_eq!(twice.unwrap_err(), ServerError::RepeatedKeyId);
    let twice = server_of(ISSUER).with_older_handle_key(handle_key(1));
    assert_eq!(twice.unwrap_err(), ServerError::RepeatedKeyId);
}

#[test]
fn endpoints_below_an_issuer_with_a_path_have_one_slash() {
    for issuer in ["https://as.example/tenant", "https://as.example/tenant/"] {
        let document = document(&server_of(issuer));
        assert_eq!(document["issuer"], issuer);
        assert_eq!(document["token_endpoint"], "https://as.example/tenant/token");
    }
}

/// MD-23: the endpoints that the document hides from a client are not reached by another method.
#[test]
fn rfc8414_2_response_type_and_mode_are_the_advertised_ones() {
    let site = openid();
    for (name, value, reason) in [
        ("response_type", "token", Reason::ResponseTypeUnknown),
        ("response_type", "code id_token", Reason::ResponseTypeUnknown),
        ("response_mode", "fragment", Reason::Malformed("response_mode")),
        ("response_mode", "form_post", Reason::Malformed("response_mode")),
    ] {
        let reply = site.authorize(&support::query("web", &[(name, Some(value))]), NOW);
        assert_eq!(reply.event.denial.map(|denial| denial.reason), Some(reason), "{value}");
    }
    site.interaction("web", &[("response_mode", Some("query"))], NOW);
    let request = HttpRequest::new("GET", "/token");
    let reply = site.run(&site.server.token(&request), NOW);
    assert_denied(&reply, "invalid_request", Reason::NotPost);
    let code = site.code(NOW);
    issued(site.token("web", &redemption("web", &code).each(), NOW));
}
