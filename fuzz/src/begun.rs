//! Grants that a client begins and a person answers: pushed requests and devices.

use std::cell::RefCell;
use std::sync::LazyLock;

use grantry::core::HttpRequest;
use grantry::server::{
    AccessTokenFormat, Authorization, DeviceAnswer, Grant, MemoryStore, Operation, Pushed, Reason, Server,
    TokenAnswer, Verification, run,
};
use url::Url;

use crate::edit::{edited, text};
use crate::fixture::{self, NOW, ReadOnly, Recorder, clients, moment, parameters};

/// The letters of RFC 8628 section 6.1.
const LETTERS: &str = "BCDFGHJKLMNPQRSTVWXZ";
/// What a person may type, in bytes.
const MAX_TYPED_BYTES: usize = 64;

static SERVER: LazyLock<Server> =
    LazyLock::new(|| fixture::server(fixture::policy(AccessTokenFormat::Opaque)));

/// A device that waits, and what it shows.
static DEVICE: LazyLock<(MemoryStore, String)> = LazyLock::new(|| {
    let store = MemoryStore::new(clients());
    let device = fixture::device(&SERVER, &store, 1);
    (store, device.user_code.expose().to_owned())
});

/// A device is found by the nine letters that it shows, however they are typed, and by nothing else; what
/// is no code at all is not looked up.
pub fn user_code(data: &[u8]) {
    typed(&text(data));
    typed(&text(&edited(DEVICE.1.as_bytes(), data)));
}

fn typed(text: &str) {
    let (store, shown) = &*DEVICE;
    let letters = |text: &str| -> String {
        let letters = text.chars().filter(char::is_ascii_alphanumeric);
        letters.map(|letter| letter.to_ascii_uppercase()).collect()
    };
    let typed = letters(text);
    let is_short = text.len() <= MAX_TYPED_BYTES;
    let operation = SERVER.verify_user_code(text);
    if !is_short || typed.len() != 9 || !typed.chars().all(|letter| LETTERS.contains(letter)) {
        assert!(operation.lookup(&moment(NOW, 2)).is_empty(), "garbage is looked up");
    }
    match run(&ReadOnly(store), &operation, moment(NOW, 2)).unwrap().answer {
        Verification::Interact(interaction) => {
            assert!(is_short && typed == letters(shown), "another code");
            assert_eq!(
                (interaction.client_id().as_str(), interaction.scope().as_str()),
                ("app-1", "read write")
            );
        }
        Verification::Page(_) => assert!(!is_short || typed != letters(shown), "a code that is refused"),
    }
}

/// A device request of a client (the form) is refused and writes nothing, or gets codes that lead person
/// and device to one grant within the registration.
pub fn device_request(data: &[u8]) {
    let store = recorder();
    let request = form_of_client("/device_authorization", data);
    let answer = run(&store, &SERVER.device_authorization(&request), moment(NOW, 3)).unwrap().answer;
    let response = answer.to_response();
    let body: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let device = match answer {
        DeviceAnswer::Waiting(device) => device,
        DeviceAnswer::Denied(denial) => {
            assert!(store.records.borrow().is_empty() && matches!(response.status, 400 | 401));
            return assert_eq!(body["error"], denial.code.as_str());
        }
    };
    assert_eq!((response.status, store.records.borrow().len()), (200, 1));
    for name in ["device_code", "user_code", "verification_uri", "verification_uri_complete"] {
        assert!(body[name].is_string());
    }
    let user_code = device.user_code.expose();
    let groups: Vec<_> = user_code.split('-').collect();
    assert!(groups.len() == 3 && groups.iter().all(|group| group.len() == 3));
    assert!(groups.concat().chars().all(|letter| LETTERS.contains(letter)));
    let complete = Url::parse(device.verification_uri_complete.expose()).unwrap();
    assert_eq!(parameters(complete.query().unwrap().as_bytes(), "user_code"), [user_code]);

    let page = fixture::device_page(&SERVER, &store, user_code);
    assert!(page.scope().is_within(clients()[0].scope()) && !page.scope().is_empty());
    let poll = SERVER.token(&fixture::poll_by("app-1", device.device_code.expose()));
    let polled = run(&store, &poll, moment(NOW, 4)).unwrap().answer;
    assert!(matches!(polled, TokenAnswer::Denied(denial) if denial.reason == Reason::PersonHasNotAnswered));
    run(&store, &SERVER.approve(page, fixture::approval()), moment(NOW, 5)).unwrap();
    let polled = run(&store, &poll, moment(NOW, 6)).unwrap().answer;
    assert!(matches!(polled, TokenAnswer::Issued(_)), "{polled:?}");
    let ids =
        store.records.borrow().iter().map(|bytes| Grant::from_bytes(bytes).unwrap().id()).collect::<Vec<_>>();
    assert!(ids.iter().all(|id| *id == ids[0]), "two grants");
}

/// A request (the form) is taken when it is pushed exactly if a browser could bring it, leads to the very
/// same page, for its own client alone, and is refused without a write otherwise.
pub fn pushed_request(data: &[u8]) {
    // Written anew it is three times as long at most, and short enough to be stored.
    const MAX_BYTES: usize = 2 * 1024;
    let data = &data[..data.len().min(MAX_BYTES)];
    let store = recorder();
    let request = form_of_client("/", data);
    let brought = run(&store, &SERVER.authorize(&request), moment(NOW, 7)).unwrap().answer;
    let pushed = run(&store, &SERVER.push(&request), moment(NOW, 7)).unwrap().answer;
    let pushed = match pushed {
        Pushed::Accepted(pushed) => pushed,
        Pushed::Denied(denial) => {
            assert!(store.records.borrow().is_empty() && matches!(denial.status(), 400 | 401));
            // A browser's request has no credentials, and they are not read.
            let names = ["client_secret", "client_assertion", "client_assertion_type"];
            let has_others = names.iter().any(|name| !parameters(data, name).is_empty());
            return assert!(has_others || !matches!(brought, Authorization::Interact(_)), "{denial:?}");
        }
    };
    let Authorization::Interact(brought) = brought else { panic!("{brought:?}") };
    let request_uri = pushed.request_uri.expose();
    let open = |client| {
        let request = fixture::pushed_request(client, request_uri);
        run(&store, &SERVER.authorize(&request), moment(NOW, 8)).unwrap().answer
    };
    let opened = open("app-1");
    let Authorization::Interact(page) = opened else { panic!("{opened:?}") };
    assert_eq!(page, brought);
    assert!(matches!(open("twin"), Authorization::Page(_)), "another client's request");
    run(&store, &SERVER.approve(*page, fixture::approval()), moment(NOW, 9)).unwrap();
    assert!(matches!(open("app-1"), Authorization::Page(_)), "a request that was answered");
}

fn recorder() -> Recorder {
    Recorder { store: MemoryStore::new(clients()), records: RefCell::default() }
}

/// A form of `app-1`.
fn form_of_client(path: &str, data: &[u8]) -> HttpRequest {
    let body = [b"client_id=app-1&client_secret=secret&", data].concat();
    HttpRequest::form(path, "").with_body(body)
}
