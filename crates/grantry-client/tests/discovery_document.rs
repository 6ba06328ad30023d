//! The vectors of `metadata.json` for a client, and the rules of the area MD.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/metadata.rs"]
mod metadata;

use grantry_client::{
    Discovery, DiscoveryPolicy, DocumentError, IssuerTemplate, Provider, ProviderError, Tolerance, WellKnown,
};
use grantry_core::json::JsonError;
use grantry_core::{HttpResponse, Issuer, well_known_url};
use metadata::{answer, document, document_with, issuer};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The documents of resource servers are theirs.
const SKIPPED: [&str; 2] = ["MD-21", "MD-21.2"];

fn read(response: &HttpResponse) -> Result<Provider, DocumentError> {
    metadata::read(issuer(), DiscoveryPolicy::default(), response)
}

fn vectors(kind: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/metadata.json")).unwrap();
    let all = file.get("vectors").unwrap().as_array().unwrap();
    all.iter().filter(|vector| vector["kind"] == kind).cloned().collect()
}

#[test]
fn vectors_of_the_well_known_urls() {
    for vector in vectors("well_known") {
        let name = vector["issuer"].as_str().unwrap();
        let url = match vector["style"].as_str().unwrap() {
            "oauth2" => WellKnown::OAuth2.url(&Issuer::parse(name).unwrap()),
            "oidc" => WellKnown::OpenId.url(&Issuer::parse(name).unwrap()),
            "resource" => well_known_url(name, "oauth-protected-resource"),
            other => unreachable!("{other}"),
        };
        assert_eq!(url, vector["url"].as_str().unwrap(), "{}", vector["id"]);
    }
}

/// MD-03: the vectors have it for OAuth 2 alone.
#[test]
fn oidc_discovery_4_1_a_slash_that_ends_the_issuer_is_left_out() {
    for (issuer, url) in [
        ("https://as.example/", "https://as.example/.well-known/openid-configuration"),
        ("https://as.example/t1/", "https://as.example/t1/.well-known/openid-configuration"),
        ("https://as.example:8443/a/b", "https://as.example:8443/a/b/.well-known/openid-configuration"),
    ] {
        assert_eq!(WellKnown::OpenId.url(&Issuer::parse(issuer).unwrap()), url);
    }
}

/// The error that a vector's reason stands for; `None` when nothing is fetched at all.
fn read_vector(vector: &Value) -> Result<Provider, Option<DocumentError>> {
    let issuer = Issuer::parse(vector["issuer"].as_str().unwrap()).map_err(|_| None)?;
    let status = u16::try_from(vector["status"].as_u64().unwrap()).unwrap();
    let response = HttpResponse::new(status)
        .with_header("Content-Type", vector["content_type"].as_str().unwrap())
        .with_body(vector["body"].as_str().unwrap());
    metadata::read(issuer, DiscoveryPolicy::default(), &response).map_err(Some)
}

#[test]
fn vectors_of_the_documents() {
    let all = vectors("document");
    let (skipped, run): (Vec<_>, Vec<_>) = all.iter().partition(|vector| vector["style"] == "resource");
    let skipped: Vec<_> = skipped.iter().map(|vector| vector["id"].as_str().unwrap()).collect();
    eprintln!("skipped, of resource servers: {skipped:?}");
    assert_eq!(skipped, SKIPPED);
    for vector in run {
        let id = vector["id"].as_str().unwrap();
        let outcome = read_vector(vector);
        match (vector["verdict"].as_str().unwrap(), vector["reason"].as_str()) {
            ("accept", None) => assert!(outcome.is_ok(), "{id} {outcome:?}"),
            ("either", _) => eprintln!("{id} is {}", if outcome.is_ok() { "accepted" } else { "refused" }),
            ("reject", Some(reason)) => {
                let error = outcome.unwrap_err();
                let is_named = match reason {
                    "issuer" => matches!(
                        error,
                        None | Some(DocumentError::IssuerDiffers | DocumentError::Json(JsonError::Shape))
                    ),
                    "endpoint" => matches!(error, Some(DocumentError::Endpoint(_))),
                    "json" => matches!(error, Some(DocumentError::Json(_))),
                    "status" => matches!(error, Some(DocumentError::Status(404))),
                    "content-type" => matches!(error, Some(DocumentError::ContentType)),
                    other => unreachable!("{other}"),
                };
                assert!(is_named, "{id} {error:?}");
            }
            other => unreachable!("{other:?}"),
        }
    }
}

#[test]
fn md_07_rfc8414_3_3_the_issuer_is_compared_byte_for_byte() {
    for other in [
        "https://evil.example",
        "https://as.example/",
        "https://AS.example",
        "https://as.example:443",
        "https://as.example/.",
        "https://as.example ",
        "http://as.example",
        "as.example",
        "",
    ] {
        let document = document_with(&json!({ "issuer": other }));
        assert_eq!(read(&answer(&document)), Err(DocumentError::IssuerDiffers), "{other}");
    }
    // The slash that is one makes the difference as well.
    let with_slash = Issuer::parse("https://as.example/").unwrap();
    let outcome = metadata::read(with_slash, DiscoveryPolicy::default(), &answer(&document("token")));
    assert_eq!(outcome, Err(DocumentError::IssuerDiffers));
}

#[test]
fn md_09_the_issuer_is_a_text() {
    for issuer in [json!(null), json!(["https://as.example"]), json!({}), json!(1)] {
        let document = document_with(&json!({ "issuer": issuer }));
        assert_eq!(read(&answer(&document)), Err(DocumentError::Json(JsonError::Shape)), "{issuer}");
    }
    let mut without = document("token");
    without.as_object_mut().unwrap().remove("issuer");
    assert_eq!(read(&answer(&without)), Err(DocumentError::Json(JsonError::Shape)));
}

const ENDPOINTS: [&str; 9] = [
    "authorization_endpoint",
    "token_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
    "pushed_authorization_request_endpoint",
    "device_authorization_endpoint",
    "userinfo_endpoint",
    "end_session_endpoint",
    "jwks_uri",
];

#[test]
fn md_12_every_endpoint_is_an_https_url() {
    for name in ENDPOINTS {
        for (url, error) in [
            ("http://as.example/x", ProviderError::NotHttps(name)),
            ("http://127.0.0.1/x", ProviderError::NotHttps(name)),
            ("javascript:alert(1)", ProviderError::NotAUrl(name)),
            ("/x", ProviderError::NotAUrl(name)),
            ("", ProviderError::NotAUrl(name)),
            ("https://as.example/x#y", ProviderError::Fragment(name)),
            ("https://a:b@as.example/x", ProviderError::User(name)),
        ] {
            let document = document_with(&json!({ name: url }));
            assert_eq!(read(&answer(&document)), Err(DocumentError::Endpoint(error)), "{url}");
        }
        let long = format!("https://as.example/{}", "x".repeat(Provider::MAX_ENDPOINT_BYTES));
        let error = DocumentError::Endpoint(ProviderError::NotAUrl(name));
        assert_eq!(read(&answer(&document_with(&json!({ name: long })))), Err(error));
        let error = read(&answer(&document_with(&json!({ name: ["https://as.example/x"] })))).unwrap_err();
        assert_eq!(error, DocumentError::Json(JsonError::Shape));
    }
}

#[test]
fn http_endpoints_are_for_a_loopback_issuer_on_loopback() {
    let read = |token_endpoint: &str| {
        let issuer = Issuer::danger_loopback_http("http://127.0.0.1:8080").unwrap();
        let document = document_with(&json!({ "issuer": issuer, "token_endpoint": token_endpoint }));
        metadata::read(issuer, DiscoveryPolicy::default(), &answer(&document)).map(drop)
    };
    assert_eq!(read("http://127.0.0.1:8080/token"), Ok(()));
    assert_eq!(read("https://as.example/token"), Ok(()));
    let error = DocumentError::Endpoint(ProviderError::NotHttps("token_endpoint"));
    assert_eq!(read("http://as.example/token"), Err(error));
}

#[test]
fn rfc8414_2_a_provider_has_a_token_endpoint_and_need_not_send_people_to_itself() {
    let without = |name: &str| {
        let null = document_with(&json!({ name: null }));
        let mut absent = null.clone();
        absent.as_object_mut().unwrap().remove(name);
        let outcomes = [null, absent].map(|document| read(&answer(&document)));
        assert_eq!(outcomes[0], outcomes[1]);
        outcomes[0].clone()
    };
    assert_eq!(without("token_endpoint"), Err(DocumentError::NoTokenEndpoint));
    let by_hand = Provider::without_authorization_endpoint(issuer(), "https://as.example/token").unwrap();
    assert_eq!(by_hand.authorization_endpoint(), None);
    assert_eq!(without("authorization_endpoint"), Ok(by_hand));
}

#[test]
fn md_16_rfc8414_3_2_a_redirect_is_an_error_of_its_own() {
    for status in [300, 301, 302, 303, 304, 307, 308, 399] {
        let mut answer = answer(&document("token")).with_header("Location", "https://as.example/elsewhere");
        answer.status = status;
        assert_eq!(read(&answer), Err(DocumentError::Redirect(status)));
    }
    for status in [0, 100, 201, 203, 204, 206, 299, 400, 401, 404, 500, 503, 999] {
        let mut answer = answer(&document("token"));
        answer.status = status;
        assert_eq!(read(&answer), Err(DocumentError::Status(status)));
    }
}

#[test]
fn md_16_rfc8414_3_2_the_content_type_is_json() {
    let body = document("token").to_string();
    let of = |content_type: &str| {
        let response = HttpResponse::new(200).with_header("Content-Type", content_type);
        read(&response.with_body(body.as_str())).map(drop)
    };
    assert_eq!(of("application/json; charset=utf-8"), Ok(()));
    assert_eq!(of("Application/JSON"), Ok(()));
    for other in ["text/html", "text/plain", "application/jsonx", "application/jwk-set+json", ""] {
        assert_eq!(of(other), Err(DocumentError::ContentType), "{other}");
    }
    let bare = HttpResponse::new(200).with_body(body.as_str());
    assert_eq!(read(&bare), Err(DocumentError::ContentType));
}

#[test]
fn md_18_rfc8259_4_a_member_stands_once() {
    for name in ["issuer", "token_endpoint", "x"] {
        let mut document = document("token");
        document["x"] = json!(1);
        let body = document.to_string();
        let twice = body.replacen('{', &format!("{{{}:{},", json!(name), document[name]), 1);
        let response = HttpResponse::new(200).with_header("Content-Type", "application/json");
        let error = DocumentError::Json(JsonError::RepeatedMember);
        assert_eq!(read(&response.with_body(twice)), Err(error), "{name}");
    }
}

#[test]
fn md_20_what_is_unknown_or_null_is_absent() {
    let mut members = json!({ "x": { "y": [1] }, "mtls_endpoint_aliases": {
        "token_endpoint": "https://mtls.as.example/token" } });
    for name in &ENDPOINTS[2..] {
        members[name] = json!(null);
    }
    for name in [
        "scopes_supported",
        "code_challenge_methods_supported",
        "authorization_response_iss_parameter_supported",
    ] {
        members[name] = json!(null);
    }
    let by_hand =
        Provider::new(issuer(), "https://as.example/authorize", "https://as.example/token").unwrap();
    assert_eq!(read(&answer(&document_with(&members))), Ok(by_hand));
}

#[test]
fn a_document_is_bounded() {
    let of_bytes = |bytes: usize| {
        let mut body = document("token").to_string();
        body += &" ".repeat(bytes - body.len());
        HttpResponse::new(200).with_header("Content-Type", "application/json").with_body(body)
    };
    assert!(read(&of_bytes(Discovery::MAX_DOCUMENT_BYTES)).is_ok());
    let error = DocumentError::Json(JsonError::TooLong);
    assert_eq!(read(&of_bytes(Discovery::MAX_DOCUMENT_BYTES + 1)), Err(error));
}

/// What the setters set is what a document says, member by member.
#[test]
fn rfc8414_2_a_provider_is_filled_from_its_document_as_by_hand() {
    let url = |name: &str| format!("https://as.example/{name}");
    let mut document = document_with(&json!({
        "scopes_supported": ["openid", "photos"],
        "grant_types_supported": ["authorization_code"],
        "response_modes_supported": ["query", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
        "id_token_signing_alg_values_supported": ["RS256", "none"],
        "acr_values_supported": [],
        "authorization_response_iss_parameter_supported": true,
        "require_pushed_authorization_requests": true,
    }));
    for name in ENDPOINTS {
        document[name] = json!(url(name));
    }
    let read = read(&answer(&document)).unwrap();
    let by_hand = Provider::new(issuer(), &url("authorization_endpoint"), &url("token_endpoint"))
        .and_then(|provider| provider.with_revocation_endpoint(&url("revocation_endpoint")))
        .and_then(|provider| provider.with_introspection_endpoint(&url("introspection_endpoint")))
        .and_then(|provider| {
            provider.with_pushed_authorization_request_endpoint(&url("pushed_authorization_request_endpoint"))
        })
        .and_then(|provider| {
            provider.with_device_authorization_endpoint(&url("device_authorization_endpoint"))
        })
        .and_then(|provider| provider.with_userinfo_endpoint(&url("userinfo_endpoint")))
        .and_then(|provider| provider.with_end_session_endpoint(&url("end_session_endpoint")))
        .and_then(|provider| provider.with_jwks_uri(&url("jwks_uri")))
        .unwrap()
        .with_scopes_supported(["openid", "photos"])
        .with_grant_types_supported(["authorization_code"])
        .with_response_modes_supported(["query", "form_post"])
        .with_code_challenge_methods_supported(["S256"])
        .with_token_endpoint_auth_methods_supported(["private_key_jwt"])
        .with_token_endpoint_auth_signing_alg_values_supported(["ES256"])
        .with_id_token_signing_alg_values_supported(["RS256", "none"])
        .with_acr_values_supported([])
        .with_authorization_response_iss_parameter_supported()
        .with_require_pushed_authorization_requests();
    assert_eq!(read, by_hand);
    let endpoints = [
        read.authorization_endpoint(),
        Some(read.token_endpoint()),
        read.revocation_endpoint(),
        read.introspection_endpoint(),
        read.pushed_authorization_request_endpoint(),
        read.device_authorization_endpoint(),
        read.userinfo_endpoint(),
        read.end_session_endpoint(),
        read.jwks_uri(),
    ];
    assert_eq!(endpoints.map(|found| found.unwrap().to_owned()), ENDPOINTS.map(url));
    let lists = [
        ("scopes_supported", read.scopes_supported()),
        ("grant_types_supported", read.grant_types_supported()),
        ("response_modes_supported", read.response_modes_supported()),
        ("code_challenge_methods_supported", read.code_challenge_methods_supported()),
        ("token_endpoint_auth_methods_supported", read.token_endpoint_auth_methods_supported()),
        (
            "token_endpoint_auth_signing_alg_values_supported",
            read.token_endpoint_auth_signing_alg_values_supported(),
        ),
        ("id_token_signing_alg_values_supported", read.id_token_signing_alg_values_supported()),
        ("acr_values_supported", read.acr_values_supported()),
    ];
    for (name, list) in lists {
        assert_eq!(json!(list.unwrap()), document[name], "{name}");
    }
    assert!(read.authorization_response_iss_parameter_supported());
    assert!(read.require_pushed_authorization_requests());
}

#[test]
fn a_silent_provider_lists_nothing_and_promises_nothing() {
    let provider = read(&answer(&document("token"))).unwrap();
    assert_eq!(provider.scopes_supported(), None);
    assert_eq!(provider.acr_values_supported(), None);
    assert_eq!(provider.userinfo_endpoint(), None);
    assert!(!provider.authorization_response_iss_parameter_supported());
    assert!(!provider.require_pushed_authorization_requests());
}

#[test]
fn a_list_or_a_switch_of_another_type_is_refused() {
    for (name, value) in [
        ("scopes_supported", json!("openid")),
        ("code_challenge_methods_supported", json!({ "S256": true })),
        ("id_token_signing_alg_values_supported", json!([1])),
        ("authorization_response_iss_parameter_supported", json!("true")),
        ("require_pushed_authorization_requests", json!(1)),
    ] {
        let error = read(&answer(&document_with(&json!({ name: value })))).unwrap_err();
        assert_eq!(error, DocumentError::Json(JsonError::Shape), "{name}");
    }
}

#[test]
fn an_issuer_template_stands_for_the_issuer_only_where_it_is_borne_and_covers_it() {
    const ENTRA: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
    let read = |issuer: &str, tolerance: &Tolerance, named: &str| {
        let policy = DiscoveryPolicy::default().with_tolerance(tolerance.clone());
        let document = document_with(&json!({ "issuer": named }));
        metadata::read(Issuer::parse(issuer).unwrap(), policy, &answer(&document))
    };
    let template = IssuerTemplate::parse(ENTRA).unwrap();
    let entra = Tolerance::strict().danger_with_issuer_template(template);
    let common = "https://login.microsoftonline.com/common/v2.0";
    let provider = read(common, &entra, ENTRA).unwrap();
    assert_eq!(provider.issuer().as_str(), common);
    assert_eq!(provider.tolerance(), &entra);
    assert!(read(common, &entra, common).is_ok());

    let differs = Err(DocumentError::IssuerDiffers);
    assert_eq!(read(common, &Tolerance::strict(), ENTRA), differs);
    assert_eq!(read("https://evil.example/common/v2.0", &entra, ENTRA), differs);
    let tenant = "https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0";
    assert_eq!(read(common, &entra, tenant), differs);
    assert_eq!(read(common, &entra, &ENTRA.replace("tenantid", "tenant")), differs);
}

proptest! {
    #[test]
    fn a_document_never_panics(status in 0_u16..1000, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let response = HttpResponse::new(status).with_header("Content-Type", "application/json").with_body(body);
        prop_assert!(read(&response).is_err());
    }

    #[test]
    fn a_document_of_near_misses_is_that_of_the_issuer_or_none(
        member in "(issuer|token_endpoint|jwks_uri|scopes_supported|require_pushed_authorization_requests|x)",
        value in "(null|true|-?[0-9]{1,25}|\\[\\]|\\[\"a\"\\]|\\{\\}|\"https://as.example[/#?@:]{0,2}\"|\\PC{0,4})",
    ) {
        let body = format!(
            r#"{{"authorization_endpoint":"https://as.example/a","token_endpoint":"https://as.example/t",
                "issuer":"https://as.example","{member}":{value}}}"#
        );
        let response = HttpResponse::new(200).with_header("Content-Type", "application/json").with_body(body);
        if let Ok(provider) = read(&response) {
            prop_assert_eq!(provider.issuer(), &issuer());
            prop_assert!(provider.token_endpoint().starts_with("https://as.example/"));
        }
    }
}
