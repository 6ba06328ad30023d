//! How a client signs in: the client's side of the area CA of the catalogue.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::{KEY, NOW, exchange, keys, moment, parameters, provider, token_answer};
use grantry_client::{Client, ClientAuthentication, ClientError, RequestError, RequestToSign, Tokens};
use grantry_core::{ClientId, HttpRequest, Moment, SecretBytes, base64url};
use grantry_jwt::{
    Algorithm, JwkSet, KeyLoader, SignError, SigningKey, Verifier, VerifyingKey, peek_unverified,
};
use serde_json::{Value, json};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn secret_key() -> SigningKey {
    SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(b"hunter2-".repeat(4))).unwrap()
}

fn make(authentication: ClientAuthentication) -> Result<Client, ClientError> {
    let provider =
        provider("https://as.example").with_revocation_endpoint("https://as.example/revoke").unwrap();
    Client::new(provider, ClientId::parse("app-1").unwrap(), authentication, "https://app.example/cb")
}

fn tokens_of(client: &Client) -> Tokens {
    let answer = token_answer(&json!({ "refresh_token": "rt-1" }));
    exchange(client, "photos").response(&answer, &keys(), NOW).unwrap()
}

/// Every request that a client authenticates, each with a moment of its own.
fn requests(client: &Client) -> Vec<Result<HttpRequest, RequestError>> {
    let tokens = tokens_of(client);
    let moment = |seed| Moment::new(NOW, [seed; 32]);
    vec![
        exchange(client, "photos").request(moment(1)),
        client.refresh(&tokens).unwrap().request(moment(2)),
        client.revoke_grant(&tokens).unwrap().request(moment(3)),
    ]
}

fn requests_to_sign(client: &Client) -> Vec<Result<RequestToSign, RequestError>> {
    let tokens = tokens_of(client);
    let moment = |seed| Moment::new(NOW, [seed; 32]);
    vec![
        exchange(client, "photos").request_to_sign(moment(1)),
        client.refresh(&tokens).unwrap().request_to_sign(moment(2)),
        client.revoke_grant(&tokens).unwrap().request_to_sign(moment(3)),
    ]
}

fn assertion(request: &HttpRequest) -> String {
    parameters(request)["client_assertion"].clone()
}

fn claims(assertion: &str) -> Value {
    let payload = base64url::decode(assertion.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// CA-45
#[test]
fn rfc7523_3_an_assertion_says_who_asks_whom_and_for_how_long() {
    let key = KEY.clone().with_key_id("k-1");
    let client = make(ClientAuthentication::PrivateKeyJwt(key.clone())).unwrap();
    for request in requests(&client) {
        let request = request.unwrap();
        let form = parameters(&request);
        assert_eq!(
            (form["client_id"].as_str(), form["client_assertion_type"].as_str()),
            ("app-1", JWT_BEARER)
        );
        assert!(!form.contains_key("client_secret") && request.headers.only("Authorization").is_none());
        let assertion = &form["client_assertion"];
        let header = peek_unverified(assertion).unwrap();
        assert_eq!(
            (header.algorithm(), header.key_id(), header.typ()),
            (Algorithm::Rs256, Some("k-1"), Some("client-authentication+jwt"))
        );
        let claims = claims(assertion);
        let names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["aud", "exp", "iat", "iss", "jti", "sub"]);
        assert_eq!(claims["aud"], "https://as.example");
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("app-1"), &json!("app-1")));
        assert_eq!((&claims["iat"], &claims["exp"]), (&json!(1_800_000_000), &json!(1_800_000_060)));
        let verifier = Verifier::new("app-1", "https://as.example").with_typ("client-authentication+jwt");
        let keys = JwkSet::from_keys([key.verifying_key()]);
        assert!(verifier.verify::<Value>(assertion, &keys, NOW).is_ok());
    }
}

/// CA-50
#[test]
fn rfc7523_3_each_request_has_an_assertion_of_its_own() {
    let client = make(ClientAuthentication::SecretJwt(secret_key())).unwrap();
    let mut ids: Vec<String> = requests(&client)
        .into_iter()
        .map(|request| claims(&assertion(&request.unwrap()))["jti"].as_str().unwrap().to_owned())
        .collect();
    assert!(ids.iter().all(|id| id.len() == 43), "256 bits in base64url");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn oidc_9_the_secret_of_client_secret_jwt_is_never_sent() {
    let client = make(ClientAuthentication::SecretJwt(secret_key())).unwrap();
    for request in requests(&client) {
        let request = request.unwrap();
        assert!(!String::from_utf8(request.body.clone()).unwrap().contains("hunter2"));
        let keys = JwkSet::from_keys([secret_key().verifying_key()]);
        let verifier = Verifier::new("app-1", "https://as.example");
        assert!(verifier.verify::<Value>(&assertion(&request), &keys, NOW).is_ok());
    }
}

/// CA-46
#[test]
fn rfc7523bis_4_the_issuer_is_the_audience_and_the_token_endpoint_needs_danger() {
    let client = make(ClientAuthentication::PrivateKeyJwt(KEY.clone())).unwrap();
    for request in requests(&client) {
        assert_eq!(claims(&assertion(&request.unwrap()))["aud"], "https://as.example");
    }
    // The same audience at every endpoint.
    for request in requests(&client.danger_token_endpoint_as_audience()) {
        let assertion = assertion(&request.unwrap());
        assert_eq!(claims(&assertion)["aud"], "https://as.example/token");
        assert_eq!(peek_unverified(&assertion).unwrap().typ(), Some("JWT"));
    }
}

#[test]
fn rfc8725_3_1_a_key_is_one_of_its_way_of_authentication() {
    let public = || KEY.verifying_key();
    for good in [
        ClientAuthentication::SecretJwt(secret_key()),
        ClientAuthentication::PrivateKeyJwt(KEY.clone()),
        ClientAuthentication::OutsideKeyJwt(public()),
    ] {
        assert!(make(good).is_ok());
    }
    for bad in [
        ClientAuthentication::SecretJwt(KEY.clone()),
        ClientAuthentication::PrivateKeyJwt(secret_key()),
        ClientAuthentication::OutsideKeyJwt(secret_key().verifying_key()),
    ] {
        assert_eq!(make(bad).map(drop), Err(ClientError::KeyType));
    }
}

#[test]
fn rfc7591_2_each_way_has_its_registered_name() {
    for (authentication, name) in [
        (ClientAuthentication::None, "none"),
        (ClientAuthentication::Basic("s".into()), "client_secret_basic"),
        (ClientAuthentication::Post("s".into()), "client_secret_post"),
        (ClientAuthentication::SecretJwt(secret_key()), "client_secret_jwt"),
        (ClientAuthentication::PrivateKeyJwt(KEY.clone()), "private_key_jwt"),
        (ClientAuthentication::OutsideKeyJwt(KEY.verifying_key()), "private_key_jwt"),
    ] {
        assert_eq!(authentication.as_str(), name);
    }
}

fn outside() -> Client {
    make(ClientAuthentication::OutsideKeyJwt(KEY.verifying_key().with_key_id("kms-1"))).unwrap()
}

/// What a KMS does with the bytes of a request.
fn sign_outside(bytes: &[u8]) -> Vec<u8> {
    let text = core::str::from_utf8(bytes).unwrap();
    let read = |part: &str| base64url::decode(part).unwrap();
    let (header, payload) = text.split_once('.').unwrap();
    let header = String::from_utf8(read(header)).unwrap();
    let token = KEY.sign_with_header(&header, &read(payload)).unwrap();
    read(token.rsplit('.').next().unwrap())
}

#[test]
fn a_request_of_an_outside_key_is_the_one_that_the_key_would_make_inside() {
    let inside = make(ClientAuthentication::PrivateKeyJwt(KEY.clone().with_key_id("kms-1"))).unwrap();
    for (waiting, expected) in requests_to_sign(&outside()).into_iter().zip(requests(&inside)) {
        let waiting = waiting.unwrap();
        assert_eq!((waiting.algorithm(), waiting.key_id()), (Algorithm::Rs256, Some("kms-1")));
        let signature = sign_outside(waiting.as_bytes());
        // RS256 is deterministic: the same bytes.
        assert!(waiting.complete(&signature).unwrap() == expected.unwrap());
    }
}

#[test]
fn no_request_leaves_without_the_signature_of_the_clients_key() {
    for request in requests(&outside()) {
        assert_eq!(request.map(drop), Err(RequestError::SignedOutside));
    }
    let client = outside();
    let start = |seed| exchange(&client, "photos").request_to_sign(Moment::new(NOW, [seed; 32])).unwrap();
    let of_another = sign_outside(start(1).as_bytes());
    for signature in [Vec::new(), vec![0; 256], of_another] {
        assert_eq!(start(2).complete(&signature).map(drop), Err(SignError::Signature));
    }
}

#[test]
fn a_signature_in_der_is_taken_from_an_ecdsa_service() {
    let private = KeyLoader::default().generate(Algorithm::Es256).unwrap();
    let signer = SigningKey::new(Algorithm::Es256, &private).unwrap();
    let public = VerifyingKey::new(Algorithm::Es256, &private.public_key().unwrap()).unwrap();
    let client = make(ClientAuthentication::OutsideKeyJwt(public)).unwrap();
    let start = || exchange(&client, "photos").request_to_sign(moment()).unwrap();
    let waiting = start();
    let text = String::from_utf8(waiting.as_bytes().to_vec()).unwrap();
    let (header, payload) = text.split_once('.').unwrap();
    let read = |part: &str| base64url::decode(part).unwrap();
    let token = signer.sign_with_header(&String::from_utf8(read(header)).unwrap(), &read(payload)).unwrap();
    let fixed = read(token.rsplit('.').next().unwrap());
    let integer = |half: &[u8]| {
        let start = half.iter().position(|byte| *byte != 0).unwrap();
        let mut bytes = half[start..].to_vec();
        if bytes[0] >= 0x80 {
            bytes.insert(0, 0);
        }
        [vec![2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    };
    let body = [integer(&fixed[..32]), integer(&fixed[32..])].concat();
    let der = [vec![0x30, u8::try_from(body.len()).unwrap()], body].concat();
    let request = waiting.complete_der(&der).unwrap();
    assert_eq!(assertion(&request), token);
    assert_eq!(start().complete(&der).map(drop), Err(SignError::Signature));
    assert_eq!(start().complete_der(&fixed).map(drop), Err(SignError::Signature));
}

#[test]
fn a_client_without_outside_key_has_nothing_to_sign() {
    for authentication in [
        ClientAuthentication::None,
        ClientAuthentication::Basic("s".into()),
        ClientAuthentication::Post("s".into()),
        ClientAuthentication::SecretJwt(secret_key()),
        ClientAuthentication::PrivateKeyJwt(KEY.clone()),
    ] {
        for waiting in requests_to_sign(&make(authentication).unwrap()) {
            assert_eq!(waiting.map(drop), Err(RequestError::NotSignedOutside));
        }
    }
}

#[test]
fn a_client_without_redirect_uri_starts_no_flow() {
    let id = ClientId::parse("app-1").unwrap();
    let client =
        Client::without_redirect_uri(provider("https://as.example"), id, ClientAuthentication::None).unwrap();
    let outcome = client.authorize(common::request("photos"), moment()).map(drop);
    assert_eq!(outcome, Err(grantry_client::AuthorizationError::NoRedirectUri));
}
