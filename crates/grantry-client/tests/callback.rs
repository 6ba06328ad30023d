//! The vectors of `callback.json` and the rules of the catalogue's area CB.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{NOW, client, client_named, client_of, pending, provider, request, vectors};
use grantry_client::{CallbackError, Client, ClientAuthentication, Pending, ResponseMode};
use grantry_core::form::{self, FormError};
use grantry_core::{ClientId, ErrorCode, SecretString, UnixTime};
use proptest::prelude::*;
use serde_json::{Value, json};

fn client_for(expect: &Value) -> Client {
    let provider = provider(expect["issuer"].as_str().unwrap());
    client_of(if expect["iss_supported"] == true {
        provider.with_authorization_response_iss_parameter_supported()
    } else {
        provider
    })
}

fn body_of(client: &Client, flow: Pending, query: &str) -> Result<String, CallbackError> {
    let request = client.callback(flow, query, NOW)?.request(common::moment()).unwrap();
    Ok(String::from_utf8(request.body).unwrap())
}

fn has_reason(error: &CallbackError, reason: &str) -> bool {
    use CallbackError::*;
    match reason {
        "state" => matches!(error, StateMissing | StateDiffers | StateUnexpected),
        "duplicate" => matches!(error, Malformed(FormError::Repeated(_))),
        "iss" => matches!(error, IssuerMissing | IssuerDiffers),
        "missing" => *error == CodeMissing,
        other => unreachable!("unknown reason {other}"),
    }
}

#[test]
fn vectors_of_callback() {
    let all = vectors(include_str!("../../../tests/vectors/callback.json"));
    assert_eq!(all.len(), 25);
    for vector in &all {
        let id = vector["id"].as_str().unwrap();
        let client = client_for(&vector["expect"]);
        let flow = pending(&client, request("photos"), &json!({ "state": vector["expect"]["state"] }));
        let outcome = body_of(&client, flow, vector["query"].as_str().unwrap());
        match vector["outcome"].as_str().unwrap() {
            "code" => {
                let code = form::encode([("code", vector["code"].as_str().unwrap())]);
                assert!(outcome.unwrap().contains(&format!("&{code}&")), "{id}");
            }
            "reject" => {
                let error = outcome.unwrap_err();
                assert!(has_reason(&error, vector["reason"].as_str().unwrap()), "{id} {error:?}");
            }
            "oauth_error" | "reject_or_error" => {
                let CallbackError::Refused(refusal) = outcome.unwrap_err() else { unreachable!("{id}") };
                assert_eq!(refusal.error(), vector["error"].as_str().unwrap(), "{id}");
            }
            "reject_or_ignore" => {
                let error = outcome.unwrap_err();
                let expected = [CallbackError::UnexpectedToken, CallbackError::Malformed(FormError::Escape)];
                assert!(expected.contains(&error), "{id} {error:?}");
            }
            other => unreachable!("{id} {other}"),
        }
    }
}

fn callback(query: &str) -> Result<String, CallbackError> {
    let client = client();
    let flow = pending(&client, request("photos"), &json!({ "state": "st-1" }));
    body_of(&client, flow, query)
}

#[test]
fn cb_02_rfc6749_10_12_state_is_checked_before_anything_else_is_used() {
    let wrong = "state=st-2&iss=https%3A%2F%2Fevil.example&error=access_denied&access_token=x";
    assert_eq!(callback(wrong), Err(CallbackError::StateDiffers));
    assert_eq!(callback("code=abc&state="), Err(CallbackError::StateMissing));
    assert_eq!(callback("code=abc&state=st-11"), Err(CallbackError::StateDiffers));
    assert_eq!(callback("code=abc&state=ST-1"), Err(CallbackError::StateDiffers));
}

#[test]
fn cb_04_rfc6749_3_1_no_parameter_of_the_answer_stands_twice() {
    for name in ["code", "state", "iss", "error", "access_token", "id_token", "token_type"] {
        let query = format!("code=abc&state=st-1&iss=https%3A%2F%2Fas.example&{name}=1&{name}=1");
        assert_eq!(callback(&query), Err(CallbackError::Malformed(FormError::Repeated(name))));
    }
    let query = "error=x&error_description=a&error%5Fdescription=b&state=st-1";
    assert_eq!(callback(query), Err(CallbackError::Malformed(FormError::Repeated("error_description"))));
}

#[test]
fn cb_13_the_providers_error_is_given_bounded_and_printable() {
    let query =
        format!("error=x_custom&error_description=AADSTS1%0D%0A%1B[31m{}&state=st-1", "a".repeat(5000));
    let Err(CallbackError::Refused(refusal)) = callback(&query) else { unreachable!() };
    assert_eq!((refusal.error(), refusal.code()), ("x_custom", None));
    assert!(refusal.description().unwrap().starts_with("AADSTS1???[31ma"));
    assert_eq!(refusal.description().unwrap().len(), grantry_client::Refusal::MAX_DESCRIPTION_BYTES);
    let Err(CallbackError::Refused(refusal)) = callback("error=access_denied&state=st-1") else {
        unreachable!()
    };
    assert_eq!((refusal.code(), refusal.description()), (Some(ErrorCode::AccessDenied), None));
}

#[test]
fn cb_20_rfc9700_2_1_2_a_token_in_the_query_is_refused() {
    for name in ["access_token", "id_token", "token_type"] {
        assert_eq!(callback(&format!("code=abc&state=st-1&{name}=x")), Err(CallbackError::UnexpectedToken));
    }
}

#[test]
fn cb_28_a_flow_without_state_needs_danger_and_still_has_pkce() {
    let client = client();
    let start = || {
        let (url, flow) =
            client.authorize(request("photos").danger_without_state(), common::moment()).unwrap();
        assert!(url.query_pairs().any(|(name, _)| name == "code_challenge"));
        flow
    };
    assert!(body_of(&client, start(), "code=abc").unwrap().contains("code_verifier="));
    assert_eq!(body_of(&client, start(), "code=abc&state=a"), Err(CallbackError::StateUnexpected));
}

/// CB-29: a host takes the flow out of its session, and then there is none for the second callback.
/// The type keeps the promise for a flow in memory (`Pending` has the failing example).
#[test]
fn cb_29_rfc9700_4_7_a_callback_url_works_once() {
    let client = client();
    let flow = pending(&client, request("photos"), &json!({ "state": "st-1" }));
    let mut session: Option<SecretString> = Some(flow.to_json());
    let mut open = || {
        let flow = Pending::from_json(session.take()?.expose()).unwrap();
        Some(client.callback(flow, "code=abc&state=st-1", NOW).map(drop))
    };
    assert_eq!(open(), Some(Ok(())));
    assert_eq!(open(), None);
}

#[test]
fn cb_31_rfc9700_4_4_an_answer_of_another_provider_is_refused() {
    let (a, b) = (client_of(provider("https://a.example")), client_of(provider("https://b.example")));
    let at_a = || pending(&a, request("photos"), &json!({ "state": "st-1" }));
    let answer_of_b = "code=abc&state=st-1&iss=https%3A%2F%2Fb.example";
    // The host takes the client of the flow, and the answer names another issuer.
    assert_eq!(body_of(&a, at_a(), answer_of_b), Err(CallbackError::IssuerDiffers));
    // The host takes the client that the answer names.
    assert_eq!(body_of(&b, at_a(), answer_of_b), Err(CallbackError::AnotherProvider));
    assert_eq!(body_of(&b, at_a(), "code=abc&state=st-1"), Err(CallbackError::AnotherProvider));
}

#[test]
fn rfc6749_4_1_3_a_flow_of_another_client_or_redirect_uri_is_refused() {
    let good = "code=abc&state=st-1";
    let flow = |edits: &Value| pending(&client(), request("photos"), edits);
    let other = client_named("app-2", provider("https://as.example"));
    assert_eq!(body_of(&other, flow(&json!({ "state": "st-1" })), good), Err(CallbackError::AnotherClient));
    let id = ClientId::parse("app-1").unwrap();
    let provider = provider("https://as.example");
    let other = Client::new(provider, id, ClientAuthentication::None, "https://app.example/cb2").unwrap();
    assert_eq!(body_of(&other, flow(&json!({ "state": "st-1" })), good), Err(CallbackError::AnotherClient));
    let edits = json!({ "state": "st-1", "client_id": "app-2" });
    assert_eq!(body_of(&client(), flow(&edits), good), Err(CallbackError::AnotherClient));
}

#[test]
fn rfc9700_4_7_a_flow_ends_after_an_hour() {
    let client = client();
    let after = |seconds: u64| {
        let flow = pending(&client, request("photos"), &json!({ "state": "st-1" }));
        let now = UnixTime::from_secs(NOW.as_secs() + seconds);
        client.callback(flow, "code=abc&state=st-1", now).map(drop)
    };
    assert_eq!(Pending::LIFETIME.as_secs(), 3600);
    assert_eq!((after(3599), after(3600)), (Ok(()), Err(CallbackError::Expired)));
}

#[test]
fn oauth_form_post_3_the_answer_comes_by_the_mode_that_was_asked() {
    let client = client();
    let answer = "code=abc&state=st-1";
    let flow = |mode: ResponseMode| {
        let asked = request("photos").with_response_mode(mode);
        pending(&client, asked, &json!({ "state": "st-1" }))
    };
    let (query, form) = (ResponseMode::Query, ResponseMode::FormPost);
    let wrong = Some(CallbackError::ResponseMode);
    assert!(client.callback(flow(query), answer, NOW).is_ok());
    assert!(client.form_post_callback(flow(form), answer, NOW).is_ok());
    assert_eq!(client.callback(flow(form), answer, NOW).err(), wrong);
    assert_eq!(client.form_post_callback(flow(query), answer, NOW).err(), wrong);
    for (mode, sent) in [(query, None), (form, Some("form_post"))] {
        let asked = request("photos").with_response_mode(mode);
        let (url, _) = client.authorize(asked, common::moment()).unwrap();
        let found = url.query_pairs().find(|(name, _)| name == "response_mode");
        assert_eq!(found.map(|(_, value)| value.into_owned()).as_deref(), sent);
    }
}

/// Each check of the query is one of the form.
#[test]
fn oauth_form_post_3_the_form_is_checked_as_the_query_is() {
    let all = vectors(include_str!("../../../tests/vectors/callback.json"));
    for vector in &all {
        let client = client_for(&vector["expect"]);
        let flow = |mode: &str| {
            let edits = json!({ "state": vector["expect"]["state"], "response_mode": mode });
            pending(&client, request("photos"), &edits)
        };
        let answer = vector["query"].as_str().unwrap();
        let by_query = client.callback(flow("query"), answer, NOW).map(drop);
        let by_form = client.form_post_callback(flow("form_post"), answer, NOW).map(drop);
        assert_eq!(by_query, by_form, "{}", vector["id"]);
    }
}

/// A stranger's link opens the redirect URI with a state of its own: a host that looks the flow up by state
/// finds none, and the person's own flow still waits.
#[test]
fn rfc6819_4_4_1_13_a_forged_callback_uses_up_no_flow() {
    let client = client();
    let mut session: Vec<Pending> =
        ["st-1", "st-2"].map(|state| pending(&client, request("photos"), &json!({ "state": state }))).into();
    let mut open = |state: &str| {
        let belongs = |flow: &Pending| flow.state().is_some_and(|kept| kept.matches(state));
        let position = session.iter().position(belongs)?;
        Some(body_of(&client, session.remove(position), &format!("code=abc&state={state}")).is_ok())
    };
    assert_eq!(
        [open("forged"), open("st-2"), open("st-2"), open("st-1")],
        [None, Some(true), None, Some(true)]
    );
}

#[test]
fn a_query_is_bounded() {
    let long = format!("code={}&state=st-1", "a".repeat(form::MAX_BYTES));
    assert_eq!(callback(&long), Err(CallbackError::Malformed(FormError::TooLong)));
    let many = "x=1&".repeat(form::MAX_PARAMETERS) + "state=st-1";
    assert_eq!(callback(&many), Err(CallbackError::Malformed(FormError::TooManyParameters)));
}

proptest! {
    #[test]
    fn a_callback_never_panics_and_gives_no_code_without_the_state(query in "\\PC*") {
        prop_assert!(callback(&query).is_err());
    }

    #[test]
    fn a_callback_of_near_misses_never_panics(
        pairs in prop::collection::vec(
            ("(code|state|iss|error|error_description|id_token|[a-z%+=]{0,3})",
             "(st-1|https%3A%2F%2Fas.example|abc|%|%0|%ff|%00|\\PC{0,4})"),
            0..8,
        ),
    ) {
        let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if callback(&query.join("&")).is_ok() {
            prop_assert!(query.iter().any(|pair| pair == "state=st-1"));
            prop_assert!(query.iter().any(|pair| pair.starts_with("code=")));
        }
    }
}
