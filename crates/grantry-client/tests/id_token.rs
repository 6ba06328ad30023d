//! The vectors of `id-token.json`, signed with a real key, and the rules of the area IT.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use core::time::Duration;
use std::sync::LazyLock;

use common::{KEY, NOW, client, exchange, id_claims, keys, login, pending, request, token_answer, vectors};
use grantry_client::{Client, IdTokenError, IssuerTemplate, TokenError, Tokens, Tolerance};
use grantry_core::{HttpResponse, SecretBytes, UnixTime, base64url};
use grantry_jwt::{Algorithm, Claim, JwkSet, KeyLoader, SigningKey, VerifyError};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A key of an algorithm that is not the default one.
fn generated(algorithm: Algorithm) -> SigningKey {
    let key = KeyLoader::default().generate(algorithm).unwrap();
    SigningKey::new(algorithm, &key).unwrap()
}

static ES384: LazyLock<SigningKey> = LazyLock::new(|| generated(Algorithm::Es384));
static ED25519: LazyLock<SigningKey> = LazyLock::new(|| generated(Algorithm::EdDsa));

/// Both keys are in the set: HS256 has to fail by the registered algorithm, not for want of a key.
fn hmac_key() -> SigningKey {
    SigningKey::from_secret(Algorithm::Hs256, &SecretBytes::from(vec![7; 32])).unwrap()
}

fn sign(header: &str, claims: &str) -> String {
    let header_members: Value = serde_json::from_str(header).unwrap();
    match header_members.get("alg").and_then(Value::as_str).unwrap() {
        "RS256" => KEY.sign_with_header(header, claims.as_bytes()).unwrap(),
        "HS256" => hmac_key().sign_with_header(header, claims.as_bytes()).unwrap(),
        "ES384" => ES384.sign_with_header(header, claims.as_bytes()).unwrap(),
        "EdDSA" => ED25519.sign_with_header(header, claims.as_bytes()).unwrap(),
        "none" => format!("{}.{}.", base64url::encode(header), base64url::encode(claims)),
        other => unreachable!("{other}"),
    }
}

fn client_for(config: &Value) -> Client {
    let leeway = Duration::from_secs(config["leeway"].as_u64().unwrap());
    let audiences = config["trusted_audiences"].as_array().unwrap();
    let algorithm = Algorithm::parse(config["alg"].as_str().unwrap()).unwrap();
    let client = common::client_of(common::provider(config["issuer"].as_str().unwrap()))
        .with_leeway(leeway)
        .with_id_token_algorithm(algorithm);
    audiences.iter().fold(client, |client, audience| client.with_trusted_audience(audience.as_str().unwrap()))
}

fn run(vector: &Value, id_token: &str) -> Result<Tokens, TokenError> {
    let config = &vector["config"];
    assert_eq!(config["client_id"], "app-1");
    assert_eq!(config["code"], Value::Null);
    let client = client_for(config);
    let keys = JwkSet::from_keys([&*KEY, &hmac_key(), &*ES384, &*ED25519].map(SigningKey::verifying_key));
    let now = UnixTime::from_secs(vector["now"].as_u64().unwrap());
    let access_token = config["access_token"].as_str().unwrap_or("at-1");
    let answer = token_answer(&json!({ "id_token": id_token, "access_token": access_token }));
    if let Some(previous) = config["previous"].as_object() {
        let mut claims = id_claims();
        claims.as_object_mut().unwrap().extend(previous.clone());
        let tokens = login(&client, &claims);
        return client.refresh(&tokens).unwrap().response(&answer, &keys, now);
    }
    let asked = match config["max_age"].as_u64() {
        Some(max_age) => request("openid").with_max_age(Duration::from_secs(max_age)),
        None => request("openid"),
    };
    let edits = json!({ "state": "st-1", "nonce": config["nonce"], "created": now });
    let flow = pending(&client, asked, &edits);
    client.callback(flow, "code=abc&state=st-1", now).unwrap().response(&answer, &keys, now)
}

fn has_reason(error: IdTokenError, reason: &str) -> bool {
    use IdTokenError::*;
    match reason {
        "iss" => error == Token(VerifyError::Issuer),
        "aud" => matches!(error, Token(VerifyError::Audience) | UntrustedAudience),
        "azp" => error == AuthorizedParty,
        "nonce" => matches!(error, NonceMissing | NonceDiffers | NonceUnexpected),
        "expired" => error == Token(VerifyError::Expired),
        "missing" => matches!(error, Token(VerifyError::MissingClaim(_))),
        "auth_time" => matches!(error, AuthTimeMissing | AuthTimeInFuture | AuthTimeTooOld),
        "at_hash" => error == AccessTokenHash,
        "alg" => matches!(error, Token(VerifyError::UnknownAlgorithm | VerifyError::AlgorithmNotAllowed)),
        "refresh" => error == ChangedByRefresh("sub"),
        "type" => error == Token(VerifyError::MalformedClaim(Claim::IssuedAt)),
        "sub" => error == Subject,
        other => unreachable!("unknown reason {other}"),
    }
}

#[test]
fn vectors_of_id_token() {
    let all = vectors(include_str!("../../../tests/vectors/id-token.json"));
    assert_eq!(all.len(), 29);
    for vector in &all {
        let id = vector["id"].as_str().unwrap();
        let id_token = sign(vector["header"].as_str().unwrap(), vector["claims"].as_str().unwrap());
        match (run(vector, &id_token), vector["verdict"].as_str().unwrap()) {
            (Ok(tokens), "valid") => assert!(tokens.id_token().is_some(), "{id}"),
            (Err(TokenError::IdToken(error)), "invalid" | "either") => {
                assert!(has_reason(error, vector["reason"].as_str().unwrap()), "{id} {error:?}");
            }
            (outcome, verdict) => unreachable!("{id} should be {verdict}: {outcome:?}"),
        }
    }
}

fn signed(claims: &Value) -> HttpResponse {
    token_answer(&json!({ "id_token": KEY.sign_claims(None, claims).unwrap() }))
}

fn with(edits: &Value) -> Value {
    let mut claims = id_claims();
    claims.as_object_mut().unwrap().extend(edits.as_object().unwrap().clone());
    claims
}

fn read(answer: &HttpResponse) -> Result<Tokens, TokenError> {
    exchange(&client(), "openid").response(answer, &keys(), NOW)
}

fn error_of(outcome: Result<Tokens, TokenError>) -> IdTokenError {
    match outcome {
        Err(TokenError::IdToken(error)) => error,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn it_01_a_good_login_names_the_person_and_its_claims() {
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Profile {
        email: String,
    }
    let tokens =
        read(&signed(&with(&json!({ "email": "a@b.example", "auth_time": 1_799_999_000.5 })))).unwrap();
    let id_token = tokens.id_token().unwrap();
    assert_eq!((id_token.issuer(), id_token.subject()), ("https://as.example", "user-1"));
    assert_eq!(id_token.expires_at(), UnixTime::from_secs(1_800_000_600));
    assert_eq!(id_token.issued_at(), UnixTime::from_secs(1_799_999_995));
    assert_eq!(id_token.auth_time(), Some(UnixTime::from_secs(1_799_999_000)));
    assert_eq!(id_token.claims(), Ok(Profile { email: "a@b.example".into() }));
    assert_eq!(id_token.raw().expose().split('.').count(), 3);
}

#[test]
fn oidc_3_1_3_3_a_login_without_an_id_token_is_none() {
    assert_eq!(error_of(read(&token_answer(&json!({})))), IdTokenError::Missing);
}

#[test]
fn an_id_token_that_nobody_asked_for_is_dropped() {
    let answer = token_answer(&json!({ "id_token": "e30.e30.forged" }));
    let tokens = exchange(&client(), "photos").response(&answer, &JwkSet::default(), NOW).unwrap();
    assert!(tokens.id_token().is_none());
}

#[test]
fn it_11_and_it_12_the_nonce_is_that_of_the_flow() {
    let mut claims = id_claims();
    claims.as_object_mut().unwrap().remove("nonce");
    assert_eq!(error_of(read(&signed(&claims))), IdTokenError::NonceMissing);
    assert_eq!(error_of(read(&signed(&with(&json!({ "nonce": "n-2" }))))), IdTokenError::NonceDiffers);
    let null = error_of(read(&signed(&with(&json!({ "nonce": null })))));
    assert_eq!(null, IdTokenError::Token(VerifyError::ClaimsShape));
}

#[test]
fn it_16_the_leeway_is_the_clients() {
    let expired = signed(&with(&json!({ "exp": NOW.as_secs() - 29 })));
    assert_eq!(error_of(read(&expired)), IdTokenError::Token(VerifyError::Expired));
    let tolerant = client().with_leeway(Duration::from_secs(30));
    assert!(exchange(&tolerant, "openid").response(&expired, &keys(), NOW).is_ok());
    let unbounded = client().with_leeway(Duration::MAX);
    let long_ago = signed(&with(&json!({ "exp": NOW.as_secs() - Client::MAX_LEEWAY.as_secs() })));
    let outcome = exchange(&unbounded, "openid").response(&long_ago, &keys(), NOW);
    assert_eq!(error_of(outcome), IdTokenError::Token(VerifyError::Expired));
}

#[test]
fn it_19_a_sub_has_one_to_255_bytes() {
    assert_eq!(error_of(read(&signed(&with(&json!({ "sub": "" }))))), IdTokenError::Subject);
    assert_eq!(error_of(read(&signed(&with(&json!({ "sub": "a".repeat(256) }))))), IdTokenError::Subject);
    assert!(read(&signed(&with(&json!({ "sub": "a".repeat(255) })))).is_ok());
}

#[test]
fn it_37_rfc8725_3_11_another_kind_of_token_is_no_id_token() {
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "logout+jwt", "token-introspection+jwt", ""] {
        let token = KEY.sign_claims(Some(typ), &id_claims()).unwrap();
        assert_eq!(error_of(read(&token_answer(&json!({ "id_token": token })))), IdTokenError::Typ, "{typ}");
    }
    for typ in ["JWT", "jwt", "application/jwt"] {
        let token = KEY.sign_claims(Some(typ), &id_claims()).unwrap();
        assert!(read(&token_answer(&json!({ "id_token": token }))).is_ok(), "{typ}");
    }
}

#[test]
fn it_41_rfc8725_3_8_a_key_of_another_issuer_does_not_count() {
    let set = include_str!("../../../tests/vectors/jws-sign.json");
    let other = &vectors(set).into_iter().find(|vector| vector["id"] == "JK-107.4").unwrap()["jwk"];
    let other = SigningKey::from_jwk(&serde_json::to_vec(other).unwrap()).unwrap();
    let token = other.sign_with_header(r#"{"alg":"RS256"}"#, id_claims().to_string().as_bytes()).unwrap();
    let error = error_of(read(&token_answer(&json!({ "id_token": token }))));
    assert_eq!(error, IdTokenError::Token(VerifyError::Signature));
}

#[test]
fn an_unknown_key_can_be_tried_again_with_newer_keys() {
    let key = KEY.clone().with_key_id("new");
    let token = key.sign_claims(None, &id_claims()).unwrap();
    let answer = token_answer(&json!({ "id_token": token }));
    let client = client();
    let exchange = exchange(&client, "openid");
    let old = JwkSet::from_keys([KEY.verifying_key().with_key_id("old")]);
    assert_eq!(error_of(exchange.response(&answer, &old, NOW)), IdTokenError::Token(VerifyError::UnknownKey));
    let new = JwkSet::from_keys([key.verifying_key()]);
    assert!(exchange.response(&answer, &new, NOW).is_ok());
}

/// The ID token of a login that was asked with `max_age`, read `later` seconds after it started.
fn aged(client: &Client, max_age: u64, later: u64, auth_time: u64) -> Result<Tokens, TokenError> {
    let asked = request("openid").with_max_age(Duration::from_secs(max_age));
    let flow = pending(client, asked, &json!({ "state": "st-1", "nonce": "n-1" }));
    let answer = signed(&with(&json!({ "auth_time": auth_time, "exp": u64::MAX })));
    let exchange = client.callback(flow, "code=abc&state=st-1", NOW).unwrap();
    exchange.response(&answer, &keys(), UnixTime::from_secs(NOW.as_secs() + later))
}

#[test]
fn oidc_3_1_2_1_max_age_counts_from_the_request() {
    let start = NOW.as_secs();
    let client = client();
    assert!(aged(&client, 0, 12, start + 10).is_ok(), "a fresh login");
    assert!(aged(&client, 300, 900, start - 300).is_ok(), "a long way through the consent page");
    assert_eq!(error_of(aged(&client, 300, 0, start - 301)), IdTokenError::AuthTimeTooOld);
    let tolerant = client.with_leeway(Duration::from_secs(30));
    assert!(aged(&tolerant, 300, 0, start - 330).is_ok());
    assert_eq!(error_of(aged(&tolerant, 300, 0, start - 331)), IdTokenError::AuthTimeTooOld);
}

#[test]
fn oidc_2_an_auth_time_in_the_future_proves_no_age() {
    let start = NOW.as_secs();
    let client = client();
    assert_eq!(error_of(aged(&client, 300, 5, start + 6)), IdTokenError::AuthTimeInFuture);
    // Milliseconds.
    assert_eq!(error_of(aged(&client, 300, 5, 1_700_000_000_000)), IdTokenError::AuthTimeInFuture);
    let tolerant = client.with_leeway(Duration::from_secs(30));
    assert!(aged(&tolerant, 300, 5, start + 35).is_ok());
    let unbounded = common::client().with_leeway(Duration::MAX);
    assert!(aged(&unbounded, 300, 0, start - 900).is_ok());
    assert_eq!(error_of(aged(&unbounded, 300, 0, start - 901)), IdTokenError::AuthTimeTooOld);
    assert_eq!(error_of(aged(&tolerant, 300, 5, start + 36)), IdTokenError::AuthTimeInFuture);
}

#[test]
fn oidc_12_2_a_chain_of_refreshes_keeps_nonce_and_auth_time_of_the_login() {
    let client = client();
    let mut silent = id_claims();
    silent.as_object_mut().unwrap().remove("nonce");
    let refresh = |tokens: &Tokens, claims: &Value| {
        client.refresh(tokens).unwrap().response(&signed(claims), &keys(), NOW)
    };
    let first = login(&client, &with(&json!({ "auth_time": 1_799_999_000 })));
    let second = refresh(&first, &silent).unwrap();
    assert_eq!(second.id_token().unwrap().auth_time(), Some(UnixTime::from_secs(1_799_999_000)));
    assert!(refresh(&second, &with(&json!({ "auth_time": 1_799_999_000 }))).is_ok());
    for (claim, edits) in
        [("auth_time", json!({ "auth_time": 1_799_999_999 })), ("nonce", json!({ "nonce": "n-2" }))]
    {
        assert_eq!(error_of(refresh(&second, &with(&edits))), IdTokenError::ChangedByRefresh(claim));
    }
}

#[test]
fn oidc_3_1_3_8_at_hash_at_a_refresh_is_of_the_new_access_token() {
    let client = client();
    let tokens = login(&client, &id_claims());
    // The left halves of the SHA-256 digests of `at-1`, the token before, and of `at-2`.
    let hash = |text: &str| base64url::encode(&Sha256::digest(text)[..16]);
    let refreshed = |at_hash: &str| {
        let id_token = KEY.sign_claims(None, &with(&json!({ "at_hash": hash(at_hash) }))).unwrap();
        let answer = token_answer(&json!({ "id_token": id_token, "access_token": "at-2" }));
        client.refresh(&tokens).unwrap().response(&answer, &keys(), NOW)
    };
    assert!(refreshed("at-2").is_ok());
    assert_eq!(error_of(refreshed("at-1")), IdTokenError::AccessTokenHash);
}

#[test]
fn an_id_token_that_nobody_asked_for_is_dropped_at_a_refresh() {
    let client = client();
    let answer = token_answer(&json!({ "refresh_token": "rt-1" }));
    let tokens = exchange(&client, "photos").response(&answer, &keys(), NOW).unwrap();
    let refresh = client.refresh(&tokens).unwrap();
    for id_token in [KEY.sign_claims(None, &id_claims()).unwrap(), "e30.e30.forged".into()] {
        let answer = token_answer(&json!({ "id_token": id_token }));
        assert!(refresh.response(&answer, &keys(), NOW).unwrap().id_token().is_none());
    }
}

#[test]
fn it_33_oidc_12_2_a_refresh_keeps_person_and_login() {
    let client = client();
    let tokens = login(&client, &with(&json!({ "auth_time": 1_799_999_000 })));
    let refreshed =
        |edits: &Value| client.refresh(&tokens).unwrap().response(&signed(&with(edits)), &keys(), NOW);
    assert!(refreshed(&json!({ "iat": 1_799_999_999, "auth_time": 1_799_999_000 })).is_ok());
    for (claim, edits) in [
        ("sub", json!({ "sub": "user-2" })),
        ("azp", json!({ "azp": "app-1" })),
        ("nonce", json!({ "nonce": "n-2" })),
        ("auth_time", json!({ "auth_time": 1_799_999_001 })),
    ] {
        assert_eq!(error_of(refreshed(&edits)), IdTokenError::ChangedByRefresh(claim));
    }
    // A further audience is trusted, but was not there before.
    let client = client.clone().with_trusted_audience("other");
    let answer = signed(&with(&json!({ "aud": ["app-1", "other"] })));
    let outcome = client.refresh(&tokens).unwrap().response(&answer, &keys(), NOW);
    assert_eq!(error_of(outcome), IdTokenError::ChangedByRefresh("aud"));
}

#[test]
fn it_27_oidc_3_1_3_6_the_hash_is_that_of_the_registered_algorithm() {
    let at_hash = |algorithm: Algorithm| {
        let digest = algorithm.digest(b"at-1");
        base64url::encode(&digest[..digest.len() / 2])
    };
    for (key, right, wrong) in [
        (&*KEY, Algorithm::Rs256, Algorithm::Rs512),
        (&*ES384, Algorithm::Es384, Algorithm::Rs256),
        (&*ED25519, Algorithm::EdDsa, Algorithm::Rs256),
    ] {
        let client = client().with_id_token_algorithm(right);
        let keys = JwkSet::from_keys([key.verifying_key()]);
        let read = |hash: String| {
            let token = key.sign_claims(None, &with(&json!({ "at_hash": hash }))).unwrap();
            let answer = token_answer(&json!({ "id_token": token }));
            exchange(&client, "openid").response(&answer, &keys, NOW)
        };
        assert!(read(at_hash(right)).is_ok());
        assert_eq!(error_of(read(at_hash(wrong))), IdTokenError::AccessTokenHash);
    }
}

#[test]
fn it_31_oidc_3_1_3_7_the_registered_algorithm_is_the_only_one() {
    let keys = JwkSet::from_keys([&*KEY, &hmac_key(), &*ED25519].map(SigningKey::verifying_key));
    let read = |algorithm, key: &SigningKey| {
        let client = client().with_id_token_algorithm(algorithm);
        let token = key.sign_claims(None, &id_claims()).unwrap();
        let answer = token_answer(&json!({ "id_token": token }));
        exchange(&client, "openid").response(&answer, &keys, NOW)
    };
    let refused = IdTokenError::Token(VerifyError::AlgorithmNotAllowed);
    assert_eq!(error_of(read(Algorithm::EdDsa, &KEY)), refused);
    assert_eq!(error_of(read(Algorithm::Rs256, &ED25519)), refused);
    assert_eq!(error_of(read(Algorithm::Hs256, &KEY)), refused);
    assert!(read(Algorithm::EdDsa, &ED25519).is_ok());
    // Step 8: the key is the client's secret, which the host puts into the set.
    assert!(read(Algorithm::Hs256, &hmac_key()).is_ok());
}

#[test]
fn oidc_3_3_2_11_a_c_hash_is_that_of_the_code() {
    let hash = |text: &str| base64url::encode(&Sha256::digest(text)[..16]);
    assert!(read(&signed(&with(&json!({ "c_hash": hash("abc") })))).is_ok());
    for other in [hash("abd"), hash("at-1"), String::new(), base64url::encode(Sha256::digest("abc"))] {
        assert_eq!(error_of(read(&signed(&with(&json!({ "c_hash": other }))))), IdTokenError::CodeHash);
    }
    let null = error_of(read(&signed(&with(&json!({ "c_hash": null })))));
    assert_eq!(null, IdTokenError::Token(VerifyError::ClaimsShape));
}

#[test]
fn oidc_3_1_3_7_a_required_acr_is_compared() {
    let client = client();
    let read = |required: &str, edits: &Value| {
        let asked = request("openid").with_required_acr_values(required);
        let flow = pending(&client, asked, &json!({ "state": "st-1", "nonce": "n-1" }));
        let exchange = client.callback(flow, "code=abc&state=st-1", NOW).unwrap();
        exchange.response(&signed(&with(edits)), &keys(), NOW)
    };
    for good in ["urn:mfa", "urn:pwd"] {
        let tokens = read("urn:mfa urn:pwd", &json!({ "acr": good })).unwrap();
        assert_eq!(tokens.id_token().unwrap().acr(), Some(good));
    }
    for (required, edits) in [
        ("urn:mfa", json!({})),
        ("urn:mfa", json!({ "acr": "urn:pwd" })),
        ("urn:mfa", json!({ "acr": "urn:mf" })),
        ("urn:mfa urn:pwd", json!({ "acr": "urn:mfa urn:pwd" })),
        ("", json!({ "acr": "" })),
    ] {
        assert_eq!(error_of(read(required, &edits)), IdTokenError::AuthenticationContext, "{edits}");
    }
}

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";

/// Logs in at a provider with a template, with changes to the claims of a good ID token.
fn log_in_by_tenant(edits: &Value) -> Result<Tokens, TokenError> {
    let template = IssuerTemplate::parse("https://as.example/{tenantid}/v2.0").unwrap();
    let tolerance = Tolerance::strict().danger_with_issuer_template(template);
    let client =
        common::client_of(common::provider("https://as.example/common/v2.0").with_tolerance(tolerance));
    let mut claims = id_claims();
    claims["iss"] = format!("https://as.example/{TENANT}/v2.0").into();
    claims["tid"] = TENANT.into();
    claims.as_object_mut().unwrap().extend(edits.as_object().unwrap().clone());
    let id_token = KEY.sign_claims(None, &claims).unwrap();
    let flow = pending(&client, request("openid"), &json!({ "state": "st-1", "nonce": "n-1" }));
    let exchange = client.callback(flow, "code=abc&state=st-1", NOW).unwrap();
    exchange.response(&token_answer(&json!({ "id_token": id_token })), &keys(), NOW)
}

#[test]
fn oidc_3_1_3_7_a_templated_issuer_is_that_of_the_token_s_own_tenant() {
    let tokens = log_in_by_tenant(&json!({})).unwrap();
    assert_eq!(tokens.id_token().unwrap().issuer(), format!("https://as.example/{TENANT}/v2.0"));
    let refusal = |edits: Value| match log_in_by_tenant(&edits) {
        Err(TokenError::IdToken(error)) => error,
        other => unreachable!("{other:?}"),
    };
    let issuer = IdTokenError::Token(VerifyError::Issuer);
    assert_eq!(refusal(json!({ "tid": "00000000-0000-0000-0000-000000000000" })), issuer);
    assert_eq!(refusal(json!({ "iss": "https://as.example/common/v2.0" })), issuer);
    assert_eq!(refusal(json!({ "iss": "https://as.example/{tenantid}/v2.0" })), issuer);
    for tid in [json!("common"), json!(""), json!(1), Value::Null, json!("../x")] {
        assert_eq!(refusal(json!({ "tid": tid })), IdTokenError::Tenant, "{tid}");
    }
}

#[test]
fn oidc_3_1_3_7_without_a_template_no_tenant_stands_for_the_issuer() {
    let mut claims = id_claims();
    claims["tid"] = TENANT.into();
    claims["iss"] = format!("https://as.example/{TENANT}/v2.0").into();
    let id_token = KEY.sign_claims(None, &claims).unwrap();
    let client = client();
    let answer = token_answer(&json!({ "id_token": id_token }));
    let refused = exchange(&client, "openid").response(&answer, &keys(), NOW).unwrap_err();
    assert_eq!(refused, TokenError::IdToken(IdTokenError::Token(VerifyError::Issuer)));
}
