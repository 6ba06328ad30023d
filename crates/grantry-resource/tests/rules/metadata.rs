//! Protected resource metadata ([RFC 9728](https://www.rfc-editor.org/rfc/rfc9728)): the vectors of `metadata.json`
//! about URLs, and what a guard says of itself.

use grantry_jwt::JwkSet;
use grantry_resource::{Requirement, ResourceMetadata};
use serde_json::{Value, json};

use crate::common::{API, ISSUER, NOW, bearer, guard, issuer, need, scope, token_with};

fn metadata(resource: &str) -> ResourceMetadata {
    ResourceMetadata::new(resource, &guard()).unwrap()
}

/// MD-04 and MD-05. The documents of MD-21 are the client's to read.
#[test]
fn vectors() {
    let file: Value = serde_json::from_str(include_str!("../../../../tests/vectors/metadata.json")).unwrap();
    let mut run = Vec::new();
    for vector in file["vectors"].as_array().unwrap() {
        if vector["style"] != "resource" || vector["kind"] != "well_known" {
            continue;
        }
        let (id, url) = (vector["id"].as_str().unwrap(), vector["url"].as_str().unwrap());
        let metadata = metadata(vector["issuer"].as_str().unwrap());
        assert_eq!(metadata.well_known_url(), url, "{id}");
        assert_eq!(metadata.well_known_path(), url.strip_prefix("https://api.example").unwrap(), "{id}");
        run.push(id);
    }
    assert_eq!(run, ["MD-04", "MD-04.2", "MD-05"]);
}

#[test]
fn rfc9728_2_the_document_says_what_the_guard_does() {
    let document = |metadata: &ResourceMetadata| serde_json::from_str::<Value>(&metadata.to_json()).unwrap();
    let plain =
        json!({"resource": API, "authorization_servers": [ISSUER], "bearer_methods_supported": ["header"]});
    assert_eq!(document(&metadata(API)), plain);
    let guard = guard().also_issuer(issuer("https://b.example"), JwkSet::default());
    let guard = guard.allow_form_body().allow_form_body().danger_allow_query();
    let metadata = ResourceMetadata::new(API, &guard)
        .unwrap()
        .with_scope(scope("b a"))
        .with_name("Photos \"x\"")
        .with_documentation("https://api.example/docs")
        .with_policy_uri("https://api.example/policy")
        .with_tos_uri("https://api.example/tos");
    let full = json!({
        "resource": API, "authorization_servers": [ISSUER, "https://b.example"],
        "bearer_methods_supported": ["header", "body", "query"], "scopes_supported": ["a", "b"],
        "resource_name": "Photos \"x\"", "resource_documentation": "https://api.example/docs",
        "resource_policy_uri": "https://api.example/policy", "resource_tos_uri": "https://api.example/tos",
    });
    assert_eq!(document(&metadata), full);
    let response = metadata.to_response();
    assert_eq!((response.status, response.headers.only("Content-Type")), (200, Some("application/json")));
    assert_eq!(response.body, metadata.to_json().into_bytes());
}

#[test]
fn rfc9728_1_2_a_resource_is_an_https_url_without_fragment() {
    let guard = guard();
    for resource in [
        "http://api.example",
        "http://127.0.0.1:8080",
        "https://api.example#f",
        "https://api.example/?a#f",
        "https://u@api.example",
        "https://api.example/?a b",
        "https://api.example/?a\n",
        "https:api.example",
        "api.example",
        "urn:api",
        "",
        &format!("https://api.example/?{}", "a".repeat(4096)),
    ] {
        assert!(ResourceMetadata::new(resource, &guard).is_err(), "{resource}");
    }
    let local = ResourceMetadata::danger_loopback_http("http://127.0.0.1:8080/v1?a", &guard).unwrap();
    assert_eq!(local.well_known_url(), "http://127.0.0.1:8080/.well-known/oauth-protected-resource/v1?a");
    assert!(ResourceMetadata::danger_loopback_http("http://api.example", &guard).is_err());
}

#[test]
fn rfc9728_5_1_each_challenge_names_the_metadata() {
    let guard = guard().with_metadata(&metadata("https://api.example/v1"));
    let named = ", resource_metadata=\"https://api.example/.well-known/oauth-protected-resource/v1\"";
    let good = bearer(&token_with("x", json!(1)));
    let strong = Requirement::none().with_acr_values(["a"]);
    let bad = [
        (guard.check(&grantry_core::HttpRequest::new("GET", "/"), &need("read"), NOW), 401),
        (guard.check(&bearer("bad"), &need("read"), NOW), 401),
        (guard.check(&bearer("a b"), &need("read"), NOW), 400),
        (guard.check(&good, &need("write"), NOW), 403),
        (guard.check(&good, &strong, NOW), 401),
    ];
    for (checked, status) in bad {
        let response = checked.unwrap_err().to_response();
        let challenge = response.headers.only("WWW-Authenticate").unwrap();
        assert_eq!(response.status, status, "{challenge}");
        assert!(challenge.starts_with("Bearer realm=") && challenge.ends_with(named), "{challenge}");
    }
    let nobody = guard.bearer_token(&grantry_core::HttpRequest::new("GET", "/")).unwrap_err();
    assert_eq!(nobody.challenge().to_string(), format!("Bearer realm=\"{API}\"{named}"));
}
